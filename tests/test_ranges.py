"""Figures of a journal that cannot be, and events where no search writes them: refused where the
journal is read, every checksum right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from tampering import events_of, files_of, only, resealed, sealed_journal
from typer.testing import CliRunner

from run_search import app
from search.commands.command_line import DIFFERENT
from search.driver.event_checks import NEXT
from search.driver.run_reading import read_journal
from search.driver.session import PHASES
from search.driver.shared_checks import RANGES
from search.evidence.answer import Answer, Shortfall
from search.evidence.findings import Evidence, Score, TestResult
from search.experiment.kinds import TRIAL_PHASES
from search.experiment.objectives import OBJECTIVES
from search.experiment.trial import Curve, Effect, TrialResult
from search.guests.table import GUESTS
from search.journal.events import EVENTS, Told
from search.journal.journal_file import Event, JournalError

# Of no range of their own: differences and effects, whose objective has it, and what `trial_checks`
# holds to the experiment.
ELSEWHERE: dict[type[BaseModel], set[str]] = {
    Curve: {"loss", "val_loss"},
    Effect: {"delta", "ci_low", "ci_high"},
    TrialResult: {"score", "num_independent", "metrics", "optimistic_metrics"},
    Evidence: {"null_floor", "null_floor_mean", "optimism"},
    Answer: {"at_most", "detectable"},
    Shortfall: {"target"},
    Told: {"time"},
    Score: {"metrics"},
}


def _written(folder: Path, events: list[Event]) -> Path:
    (folder / "journal.jsonl").write_bytes(sealed_journal(events))
    return folder


def _put(path: str, value: Any) -> Callable[[Event], None]:
    *parts, last = path.split("/")

    def change(event: Event) -> None:
        held: Any = event
        for part in parts:
            held = held[int(part) if part.isdigit() else part]
        held[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("told", "result/curve/val_accuracy/1", float(2**53)),
        ("told", "result/curve/accuracy/2", 2.0),
        ("told", "result/curve/loss/1", -0.5),
        ("told", "result/curve/loss/0", -1e30),
        ("told", "result/optimistic_metrics/macro_f1", -1.0),
        ("told", "result/metrics/log_loss", -0.1),
        ("told", "result/score", 1.5),
        ("told", "result/best_epochs/0", 4),
        ("told", "result/num_independent", 2e6),
        ("told", "result/timing/heads_seconds", -1.0),
        ("told", "result/probes/0/fill_share", 1.1),
        ("told", "result/probes/0/accuracy_ci/0", -0.2),
        ("told", "result/probes/0/clean_accuracy_ci", [0.9, 0.1]),
        ("told", "result/probes/0/mean_shift_pixels", -3.0),
        ("test", "test/none/accuracy_ci/1", 1.2),
        ("test", "test/none/metrics/balanced_accuracy", 3.0),
        ("evidence", "evidence/null_floor", 4.0),
        ("evidence", "evidence/optimism", -4.0),
        ("evidence", "evidence/claims/critical", -1.0),
        ("evidence", "evidence/claims/wholes/0/measured/error", -1.0),
    ],
)
def test_a_figure_out_of_its_range_is_refused(
    finished_run: Path, tmp_path: Path, kind: str, path: str, value: Any
) -> None:
    events = events_of(finished_run)
    event = next(e for e in reversed(events) if e["type"] == kind)
    if kind == "told":
        event = only(events, "told", trial=0)
    _put(path, value)(event)
    name = next(part for part in reversed(path.split("/")) if not part.isdigit())
    with pytest.raises(JournalError, match=rf"\({kind}\): .*({name}|images|two est)"):
        read_journal(_written(tmp_path, events))


@pytest.mark.parametrize(
    "figure", [name for name, record in OBJECTIVES.items() if not record.needs_all]
)
def test_a_completed_trial_has_every_figure_that_needs_no_more_than_its_answers(
    finished_run: Path, tmp_path: Path, figure: str
) -> None:
    events = events_of(finished_run)
    del only(events, "told", trial=0)["result"]["metrics"][figure]
    with pytest.raises(JournalError, match="a completed trial has a score and metrics"):
        read_journal(_written(tmp_path, events))


def test_a_completed_trial_on_groups_says_as_how_many_images_they_count(
    finished_run: Path, tmp_path: Path
) -> None:
    events = events_of(finished_run)
    groups = {"count": 9, "largest": "a", "largest_count": 2, "alone": 0, "independent_share": 0.5}
    events[0]["opened"]["dataset"]["notes"]["groups"] = groups
    with pytest.raises(JournalError, match="on groups of images has num_independent"):
        read_journal(_written(tmp_path, events))


def test_verify_says_so_of_a_bundle(bundled: Path, tmp_path: Path) -> None:
    files = files_of(bundled)
    (tmp_path / "journal.jsonl").write_bytes(files["journal.jsonl"])
    events = events_of(tmp_path)
    _put("result/curve/accuracy/2", 2.0)(only(events, "told", trial=3))
    path = resealed(tmp_path / "x.zip", {**files, "journal.jsonl": sealed_journal(events)})
    result = CliRunner().invoke(app, ["verify", str(path), "--no-train"])
    assert result.exit_code == DIFFERENT
    assert "accuracy is 2; allowed: 0 to 1" in result.stdout


def _models(kind: type[BaseModel], found: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """The type and all that its fields hold."""
    found.add(kind)
    for field in kind.model_fields.values():
        for each in _parts(field.annotation):
            if isinstance(each, type) and issubclass(each, BaseModel) and each not in found:
                _models(each, found)
    return found


def _parts(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [part for each in inner for part in _parts(each)] if inner else [annotation]


def test_every_figure_that_a_search_journals_has_a_range_or_is_held_elsewhere() -> None:
    journaled: tuple[type[BaseModel], ...] = (
        Told,
        Evidence,
        TestResult,
        *(guest.found for guest in GUESTS.values()),
    )
    held = set().union(*(_models(each, set()) for each in journaled))
    free = {
        f"{kind.__name__}.{name}"
        for kind in held
        for name, field in kind.model_fields.items()
        if float in _parts(field.annotation)
        and name not in RANGES.get(kind, {})
        and name not in ELSEWHERE.get(kind, set())
    }
    assert free == {"Estimate.effect", "Estimate.ci"}


def test_phases_and_types_are_those_that_a_search_has() -> None:
    assert (*(phase.name for phase in PHASES), *GUESTS) == TRIAL_PHASES
    assert NEXT.keys() - {""} == EVENTS.keys()


def _stopped(time: float) -> Event:
    return {"type": "stopped", "reason": "on request", "failed": False, "time": time}


@pytest.mark.parametrize("kind", ["stopped", "shown", "finished", "phase", "retried"])
def test_no_end_stands_in_the_middle(finished_run: Path, tmp_path: Path, kind: str) -> None:
    events = events_of(finished_run)
    time = events[0]["time"]
    more = {
        "stopped": _stopped(time),
        "phase": {"type": "phase", "phase": "search", "seconds": 1.0, "time": time},
        "retried": {"type": "retried", "first": 0, "trials": [0], "time": time},
    }.get(kind, {"type": kind, "time": time})
    for place in range(1, len(events) - 1):
        with pytest.raises(JournalError):
            read_journal(_written(tmp_path, [*events[:place], more, *events[place:]]))


def test_neighbours_change_places_only_where_a_search_could_have_told_them_so(
    finished_run: Path, tmp_path: Path
) -> None:
    """Answers come in any order where trials run side by side; nothing else does."""
    events = events_of(finished_run)
    for place in range(len(events) - 1):
        first, second = events[place : place + 2]
        if "told" in (first["type"], second["type"]) and {first["type"], second["type"]} <= {
            "asked",
            "told",
        }:
            continue
        swapped = [*events[:place], second, first, *events[place + 2 :]]
        with pytest.raises(JournalError):
            read_journal(_written(tmp_path, swapped))


def test_a_sitting_may_end_anywhere_and_another_go_on(finished_run: Path, tmp_path: Path) -> None:
    events = events_of(finished_run)
    time = events[0]["time"]
    resumed = {"type": "resumed", "time": time}
    prepared = {"type": "phase", "phase": "prepare", "seconds": 1.0, "time": time}
    for place in range(2, len(events) - 2, 3):
        for end in ([], [_stopped(time)]):
            # a phase in which nothing happened any more is not written down
            rest = events[place + (events[place]["type"] == "phase") :]
            told = [*events[:place], *end, resumed, prepared, *rest]
            read, warning = read_journal(_written(tmp_path, told))
            assert ([each["type"] for each in read], warning) == ([e["type"] for e in told], None)
