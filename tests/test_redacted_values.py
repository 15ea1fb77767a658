"""What is sent elsewhere: JSON stays JSON, names of classes stay, secrets do not."""

import json
from html import escape
from pathlib import Path

import pytest

from data.redacted_values import redacted_but, redacted_values
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
