"""The one view of a search: who reads it, what it concludes, how its tables are written."""

import ast
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stand_ins import Clock
from states import make_claims, make_record, make_state, with_claims, with_evaluation

from search.commands.single_run import policy_of
from search.journal.state import SearchResult
from search.report.answer_text import answer
from search.report.closing import print_closing
from search.report.page import render_report
from search.report.summary import summarize, winner_of
from search.report.table_model import Cell, Column, Table, as_csv, as_markdown
from search.report.terminal import Progress
from search.report.time_left import ExpectedWork, seconds_of
from search.report.view import SearchView
from search.report.wording import name_text
from search.tracking.descriptions import describe
from search.tracking.search_run import search_row
from search.tracking.trial_run import trial_row

ROOT = Path(__file__).parent.parent
VIEWS = ("record_view.py", "named_view.py", "claim_view.py", "view.py")
CONCLUDED = {"claims", "answer", "is_final", "trained", "best_trial"}


def _reads_of_evidence(path: Path) -> set[str]:
    """What a module takes of `….evidence.…` by name."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "evidence"
    }


@pytest.mark.parametrize("package", ["report", "tracking", "commands"])
def test_verdicts_are_read_in_one_place(package: str) -> None:
    modules = [p for p in (ROOT / "search" / package).glob("*.py") if p.name not in VIEWS]
    assert not {p.name: found for p in modules if (found := _reads_of_evidence(p) & CONCLUDED)}


def test_a_verdict_is_the_same_wherever_it_is_shown() -> None:
    """Read from the view alone: changed there, it is changed everywhere."""
    state = make_state()
    assert state.evidence is not None
    claims = make_claims(alone={"zoom_range": -0.0777}, half_width=0.0111)
    state = state.model_copy(update={"evidence": with_claims(state.evidence, claims)})
    view, console = SearchView(state), Console(file=io.StringIO(), width=200)
    print_closing(SearchResult(state, Path("runs/x"), "finished"), console)
    assert isinstance(console.file, io.StringIO)
    words = "7.8 (−8.9 to −6.7)"
    assert words in render_report(view, Path("runs/x"), {})
    assert words in describe(view)
    assert words.replace("−", "-") in console.file.getvalue()
    assert summarize(view)["verdicts"]["zoom_range"]["verdict"] == "HURTS"
    assert search_row(view).tags["verdict.zoom_range"] == "HURTS"


def test_a_trial_has_one_name() -> None:
    state = make_state(failed=(5,))
    page = render_report(SearchView(state), Path("runs/x"), {})
    failed, confirmed, control = (state.records[number] for number in (5, 10, 1))
    assert name_text(failed) == "#5 rotation_range 10, zoom_range 0.1"
    assert name_text(failed) in page
    assert trial_row(SearchView(state), failed).name == name_text(failed)
    assert name_text(confirmed) == (
        "#10 again: rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
    )
    assert name_text(control) == "#1 course"


def test_a_table_is_written_as_markdown_and_as_csv() -> None:
    columns = [
        Column[tuple[str, float]]("name", lambda row: row[0], kind="code"),
        Column[tuple[str, float]]("effect", lambda row: Cell(f"{row[1]}", row[1]), "points"),
        Column[tuple[str, float]]("remark", lambda row: ""),
    ]
    table = Table.of("Made up", columns, [("a_b", 1.5), ('c|"d" e', -2.0)])
    assert table.headings == ("name", "effect, points", "remark")
    assert [row[1].key for row in table.rows] == [1.5, -2.0]
    told = table.less()
    assert as_markdown(told).splitlines()[2:] == ["| `a_b` | 1.5 |", '| c\\|"d" e | -2.0 |']
    assert as_csv(told.first(1)).splitlines() == ["name", "a_b", '"c|""d"" e"']


@pytest.mark.parametrize("text", ["=1+1", "+1-cmd|x", "-1 +cmd|x", "@SUM(A1)", "\t=1", "＝1"])
def test_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    table = Table.of("t", [Column[str](text, lambda item: item)], [text])
    cells = [cell for row in csv.reader(as_csv(table).splitlines()) for cell in row]
    assert [cell.strip() for cell in cells] == [f"'{text.strip()}"] * 2


@pytest.mark.parametrize("text", ["-0.012", "+3", "1e-05", "-1e-05", "flip, shift", "", "-"])
def test_numbers_and_words_of_a_csv_stay_as_they_are(text: str) -> None:
    table = Table.of(
        "t", [Column[str]("a", lambda item: item), Column("b", lambda item: "x")], [text]
    )
    assert list(csv.reader(as_csv(table).splitlines()))[1] == [text, "x"]


def test_work_of_two_kinds_takes_its_own_times() -> None:
    assert seconds_of({"images": 1000, "heads": 20}, {"images": 0.01, "heads": 0.5}, 2) == 10


def test_the_time_left_goes_on_after_a_resume_where_it_stood() -> None:
    """Told of the trials one by one, or of all that are journaled when a search is gone on with."""
    records = make_state("search").records
    plan = {"controls": 3.0, "search": 8.0, "confirm": 20.0}
    told, again, clock = (Console(file=io.StringIO()) for _ in range(2)), [], Clock()
    for console, is_resumed in zip(told, (False, True), strict=True):
        progress = Progress(console, clock)
        progress.expect(ExpectedWork(plan, lambda record: 1.0))
        for kind, phase, total in (("control", "controls", None), ("trial", "search", 8)):
            progress.phase(phase, total)
            for record in (r for r in records if r.kind == kind):
                asked = record.model_copy(update={"result": None, "effect": None})
                progress.trial_started(record if is_resumed else asked)
                progress.trial_told(record)
        again.append(progress._left.seconds())
    assert again[0] == pytest.approx(again[1]) == pytest.approx(7.25 * (2 + 20))


def test_mlflow_is_told_the_same_time_left() -> None:
    expected = ExpectedWork({"controls": 3.0, "search": 8.0, "confirm": 20.0}, lambda record: 1.0)
    under_way = SearchView(make_state("search"))
    points = {p.key: p.value for p in search_row(under_way, expected).points}
    assert points["seconds_left"] == pytest.approx(7.25 * (2 + 20))
    done = {p.key: p.value for p in search_row(SearchView(make_state()), expected).points}
    assert done["seconds_left"] == 0
    assert "seconds_left" not in {p.key for p in search_row(under_way).points}
    leaked = [r.model_copy(update={"kind": "leak"}) for r in make_state("search").records]
    assert expected.seconds_left(leaked) == 0  # it comes after all that was planned


def test_the_experiment_of_a_state_is_read_once_and_anew_where_it_was_changed() -> None:
    opened = make_state("search").opened
    assert opened is not None
    assert opened.experiment is opened.experiment
    assert opened.experiment.evaluation.folds == 5
    assert SearchView(with_evaluation(make_state("search"), folds=1)).evaluation.folds == 1
    bare = SearchView(make_state("search").model_copy(update={"opened": None}))
    assert bare.evaluation.confirm is not None


@pytest.mark.parametrize(
    ("fill_mode", "used"),
    [
        ("constant", {"fill_mode": "constant"}),
        ({"choices": ["reflect", "constant"]}, {"fill_mode": "reflect"}),  # as controls have it
        ("nearest", {}),
    ],
)
def test_options_go_with_what_is_read_off_the_curve(fill_mode: Any, used: dict[str, Any]) -> None:
    """Where nothing was trained under its label, as without confirmation."""
    state = make_state("search")
    assert state.evidence is not None
    assert state.opened is not None
    claims = make_claims(recommended=None, alone={"rotation_range": 0.02})
    evidence = with_claims(state.evidence, claims).model_copy(update={"is_final": True})
    config = state.opened.config
    config = config | {"augmentation": {**config["augmentation"], "fill_mode": fill_mode}}
    opened = state.opened.model_copy(update={"config": config})
    state = with_evaluation(
        state.model_copy(update={"evidence": evidence, "opened": opened}), confirm=None
    )
    view, expected = SearchView(state), {"rotation_range": 10, **used}
    winner = winner_of(view)
    assert winner is not None
    assert view.chosen is None
    assert view.used == expected
    assert summarize(view)["policy"]["settings"] == winner["augmentation"] == expected
    assert policy_of(state).augmentation == expected
    assert all(f"fill_mode {value}" in answer(view) for value in used.values())


def test_no_augmentation_that_an_algorithm_proposes_is_no_setting_tried() -> None:
    state = make_state()
    before = SearchView(state).num_settings
    bare = make_record(18, "trial", "setting 18", {}, 0.0).model_copy(update={"duplicate_of": 0})
    view = SearchView(state.model_copy(update={"records": (*state.records, bare)}))
    assert len(view.completed_trials) == len(SearchView(state).completed_trials) + 1
    assert view.num_settings == before
