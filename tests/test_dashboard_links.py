"""Where a search is to be seen in MLflow: the link that page and terminal show, and the page of the
experiment, which several searches and people write on."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from states import Phase, make_state

from search.experiment.tracking_uri import dashboard_address
from search.report.dashboard import DashboardPlace, keep_dashboard, read_dashboard
from search.report.page import render_report
from search.report.view import SearchView
from search.tracking.saved_view import Place
from search.tracking.search_run import send_experiment_page

HERE = DashboardPlace("http://127.0.0.1:5000", "3", "0123abcd")
NOTE = "mlflow.note.content"


@dataclass
class Experiment:
    """An experiment's tags, in the place of a store."""

    tags: dict[str, str] = field(default_factory=dict)
    written: int = 0

    def experiment_tags(self) -> dict[str, str]:
        return dict(self.tags)

    def set_experiment_tag(self, key: str, value: str) -> None:
        self.tags[key] = value
        self.written += 1


def send(experiment: Experiment, view: SearchView, key: str = "a") -> str:
    place = Place("3", "run", key, "runs/x")
    send_experiment_page(experiment, view, place)  # type: ignore[arg-type]
    return experiment.tags[NOTE]


def began(at: float, phase: Phase = "finished") -> SearchView:
    state = make_state(phase)
    assert state.opened
    opened = state.opened.model_copy(update={"started_at": at})
    return SearchView(state.model_copy(update={"opened": opened}))


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sqlite:///mlflow.db", "http://127.0.0.1:5000"),
        ("postgresql://me:hunter2@host/db", "http://127.0.0.1:5000"),
        ("https://me:hunter2@mlflow.example.org/team/", "https://mlflow.example.org/team"),
        ("http://host:8080", "http://host:8080"),
        ("databricks", None),
    ],
)
def test_the_address_of_a_dashboard_has_no_credentials(uri: str, address: str | None) -> None:
    assert dashboard_address(uri) == address


def test_a_link_is_kept_and_shown_on_the_page(tmp_path: Path) -> None:
    keep_dashboard(HERE, tmp_path)
    assert read_dashboard(tmp_path) == HERE
    page = render_report(SearchView(make_state()), tmp_path, {})
    assert f'href="{HERE.link.replace("&", "&amp;")}"' in page
    assert "in MLflow" not in render_report(SearchView(make_state()), tmp_path / "none", {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"address": "javascript:alert(1)//", "experiment": "1", "view": "a"}',
        '{"address": "http://a", "experiment": "1", "view": "a\\" onclick=\\"x"}',
        '{"address": "http://a b", "experiment": "1", "view": "a"}',
        '{"address": "http://a", "experiment": {}, "view": "a"}',
        "9" * 5000,
        "\x00",
    ],
)
def test_a_file_that_no_search_left_is_no_link(tmp_path: Path, text: str) -> None:
    (tmp_path / "mlflow.json").write_text(text)
    assert read_dashboard(tmp_path) is None


def test_a_link_or_a_fifo_in_its_place_is_none(tmp_path: Path) -> None:
    (tmp_path / "there").write_text(json.dumps(vars(HERE)))
    (tmp_path / "mlflow.json").symlink_to(tmp_path / "there")
    assert read_dashboard(tmp_path) is None
    (tmp_path / "mlflow.json").unlink()
    os.mkfifo(tmp_path / "mlflow.json")
    assert read_dashboard(tmp_path) is None


def test_the_newest_search_describes_the_experiment() -> None:
    experiment = Experiment()
    assert "No answer yet" in send(experiment, began(100.0, "search"))
    answered = send(experiment, began(100.0))
    assert answered.startswith("**Which augmentations help on digits?** Use rotation_range 15")
    newer = send(experiment, began(200.0, "search"), "b")
    assert "No answer yet" in newer
    assert send(experiment, began(100.0)) == newer
    assert {key for key in experiment.tags if key != NOTE} == {
        "mlflow.sharedViewState.a",
        "mlflow.sharedViewState.b",
    }


def test_sending_the_experiments_page_again_writes_nothing() -> None:
    experiment = Experiment()
    send(experiment, began(100.0))
    written = experiment.written
    send(experiment, began(100.0))
    assert experiment.written == written


@pytest.mark.parametrize("where", ["before", "instead", "after", "within"])
def test_what_people_wrote_there_stays(where: str) -> None:
    experiment = Experiment()
    theirs = "Ask Kim before you delete anything here."
    ours = "" if where == "before" else send(experiment, began(100.0, "search"))
    note = {"after": f"{ours}\n\n{theirs}", "within": ours.replace("No answer", theirs)}
    experiment.tags[NOTE] = note.get(where, theirs)
    assert send(experiment, began(200.0)) == note.get(where, theirs)
