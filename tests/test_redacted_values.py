"""What is sent elsewhere: JSON stays JSON, names of classes stay, secrets do not."""

import json
from html import escape
from pathlib import Path

import pytest

from data.redacted_values import redacted_but, redacted_values
from data.secrets import redacted
from search.experiment.yaml_file import as_yaml, parse_yaml
from search.tracking.mlflow_store import Store
from search.tracking.mlflow_values import texts

CLASSES = ("token: gold", "cookie: a", "cookie: b", 'me:p"w@h', "password", "a&b pass=<x>")


def test_classes_keep_their_names_in_values_and_keys() -> None:
    told = {"by_class": dict.fromkeys(CLASSES, 0.5), "classes": list(CLASSES)}
    assert redacted_values(told, CLASSES) == told


def test_secrets_in_values_are_hidden_at_any_depth() -> None:
    told = {
        "a": [{"password": "hunter2", "n": 1.5}],
        "uri": "http://u:hunter2@h",
        "pw": "",
        "t": None,
    }
    hidden = redacted_values(told)
    assert "hunter2" not in json.dumps(hidden)
    assert hidden["a"][0]["n"] == 1.5
    assert hidden["t"] is None


@pytest.mark.parametrize("spelled", [str, escape, json.dumps])
def test_a_text_keeps_the_names_of_classes_and_no_secret(spelled: object) -> None:
    text = "; ".join(map(spelled, CLASSES))  # type: ignore[call-overload]
    assert redacted_but(f"{text}; password=hunter2", CLASSES) == f"{text}; password=***"


@pytest.mark.parametrize("odd", ['u:"', "auth=(", "http://h/#x y", 'secret = "', "a@b}", "[a"])
def test_a_setting_is_json_whatever_it_holds(odd: str) -> None:
    sent = texts({"x": {"k": odd, odd: [1, odd]}})["x"]
    assert isinstance(json.loads(sent), dict)


class _Kept(Store):
    """Holds what would be sent."""

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}

    def log_text(self, run_id: str, text: str, name: str) -> None:
        self.sent[name] = text


def test_a_file_of_json_is_sent_as_json(tmp_path: Path) -> None:
    path, kept = tmp_path / "summary.json", _Kept()
    told = {"by_class": dict.fromkeys(CLASSES, 0.5), "why": 'secret = "', "at": "http://u:pw2@h"}
    path.write_text(json.dumps(told))
    kept.log_file("1", path, names=CLASSES)
    sent = json.loads(kept.sent["summary.json"])
    assert sent["by_class"] == told["by_class"]
    assert sent["at"] == "http://***@h"


OWN = {"mine.py:token": {"max": 0.5}, "mine.py:salt": {"choices": ["coarse", "fine"]}}


def test_an_augmentation_of_own_code_may_have_any_name() -> None:
    for text in ("mine.py:token: NO EVIDENCE", "own.py:salt: ValueError: x", json.dumps(OWN)):
        assert redacted(text) == text
    assert redacted("mine.py:token: 1, password: x") == "mine.py:token: 1, password: ***"
    assert "hunter2" not in redacted("a.py:token = 'hunter2' \ue0020\ue003 b.py:password: hunter2")
    assert redacted_values({"mine.py:salt": "coarse"}) == {"mine.py:salt": "coarse"}


def test_a_file_of_yaml_is_sent_with_all_its_keys(tmp_path: Path) -> None:
    path, kept = tmp_path / "config.yaml", _Kept()
    told = {"augmentation": OWN, "token": {"a": 1}, "at": "http://u:hunter2@h"}
    path.write_text(as_yaml(told))
    kept.log_file("1", path)
    assert parse_yaml(kept.sent["config.yaml"], "x") == {**told, "at": "http://***@h"}


def test_the_pages_link_to_the_dashboard_stays() -> None:
    link = "http://h:5000/#/experiments/1/runs?viewStateShareKey=5fd&workflowType=machine_learning"
    for text in (f'href="{escape(link)}"', f"see [here]({link}).", link):
        assert redacted(text) == text
    assert redacted("http://h/#/experiments/1/runs?token=x") == "http://h/#***"


def test_names_of_classes_stay_in_what_is_sent_as_tags() -> None:
    assert texts({"note": "cookie: a; pw=hunter2"}, CLASSES) == {"note": "cookie: a; pw=***"}
