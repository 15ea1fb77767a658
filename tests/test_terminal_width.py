"""A terminal of any width: the closing table finds room, sentences break between words, bars keep
their length."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from stand_ins import Clock
from states import make_state, without_recommendation

from search.experiment.trial import TrialRecord
from search.journal.state import SearchResult, SearchState
from search.report.closing import print_closing
from search.report.dashboard import DashboardPlace, keep_dashboard
from search.report.terminal import NARROW_BAR, Progress
from search.report.terminal_width import (
    IN_FIGURES,
    IN_NAMES,
    IN_WORDS,
    NEVER,
    between_words,
    fitted,
)
from search.report.time_left import ExpectedWork
from search.training.progress import EpochReport


def in_doubt(state: SearchState) -> SearchState:
    """With heads that max_epochs cut short, of trainings that count."""
    cut = {"heads_cut_by_max_epochs": 9}
    records = (
        each.model_copy(update={"result": each.result.model_copy(update=cut), "rung": 1})
        if each.result and each.kind == "trial"
        else each
        for each in state.records
    )
    return state.model_copy(update={"records": tuple(records)})


STATES = {"use": in_doubt(make_state()), "cannot tell": in_doubt(without_recommendation())}
TRIALS = [record for record in make_state().records if record.kind == "trial"]
HEADINGS = ("", "verdict", "strength", "effect (95 %), points", "range")
ROWS = (
    ("recommended setting", "HELPS", "", "+12.3 (10.0 to 13.7)", ""),
    ("width_shift_range", "HURTS*", "0.1", "-12.3 (-15.0 to -13.7)", "0.1, best at its edge"),
    ("brightness_range", "NO EVIDENCE", "0.8 to 1.2", "-0.4 (-0.9 to 0.2)", "1 to 1 … 0.8 to 1.2"),
)
LONG = ("my_folder/augmentations_of_mine.py:film_grain_as_of_1970", "NEGLIGIBLE", "5", "0.0", "off")


def console(width: int, *, terminal: bool = True) -> Console:
    environ = {"TERM": "xterm"}
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=width, highlight=False, _environ=environ
    )


def lines_of(to: Console) -> list[str]:
    assert isinstance(to.file, io.StringIO)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", to.file.getvalue())
    return [line.rstrip() for line in plain.replace("\r", "\n").splitlines()]


def closing(state: SearchState, to: Console, run_dir: Path = Path("runs/digits")) -> list[str]:
    print_closing(SearchResult(state, run_dir, "finished"), to)
    return lines_of(to)


def table(rows: tuple[tuple[str, ...], ...], room: int) -> list[list[str]]:
    breaks = (IN_NAMES, NEVER, IN_FIGURES, IN_FIGURES, IN_WORDS)
    return fitted([HEADINGS, *rows], breaks, room, gap=2)


def width_of(cells: list[list[str]]) -> int:
    widths = [max(len(line) for cell in column for line in cell.split("\n")) for column in cells]
    return sum(widths) + 2 * len(widths)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", STATES)
def test_the_closing_fits_and_has_every_verdict_whole(name: str, width: int) -> None:
    lines = closing(STATES[name], console(width, terminal=False))
    first = next(number for number, line in enumerate(lines) if "verdict" in line)
    shown = lines[first : lines.index("", first)]
    assert max(map(len, shown)) <= width
    text = " ".join(" ".join(shown).split())
    for whole in ("HURTS*", "NO EVIDENCE", "(-2.8 to -1.8)" if name == "use" else "(-2.9 to -1.7)"):
        assert whole in text


@pytest.mark.parametrize("rows", [ROWS, (*ROWS, LONG)], ids=["usual", "long"])
@pytest.mark.parametrize("room", [60, 72, 80, 100, 120, 200])
def test_a_table_fits_with_no_word_broken(rows: tuple[tuple[str, ...], ...], room: int) -> None:
    cells = table(rows, room)
    assert width_of([list(column) for column in zip(*cells, strict=True)]) <= room
    for shown, row in zip(cells, (HEADINGS, *rows), strict=True):
        for text, cell in zip(row, shown, strict=False):
            assert "".join(cell.split()) == "".join(text.split())
    names = [line for row in cells for line in row[0].split("\n")]
    assert set(names) & {"width_shift_range", "width_shift_", "width_"}
    figures = [row[3].split("\n") for row in cells[1:4]]
    assert all(len(lines) == 1 or lines[1].startswith("(") for lines in figures)


def test_columns_that_find_no_room_are_left_out_the_last_first() -> None:
    assert [len(table(ROWS, room)[0]) for room in (120, 80, 60, 20)] == [5, 5, 4, 3]


def test_with_room_nothing_is_broken() -> None:
    assert not any("\n" in cell for row in table((*ROWS, LONG), 200) for cell in row)


@pytest.mark.parametrize("width", [60, 80])
def test_sentences_break_between_words_and_what_is_copied_does_not(
    tmp_path: Path, width: int
) -> None:
    keep_dashboard(DashboardPlace("http://127.0.0.1:5000", "3", "0123abcd"), tmp_path)
    lines = closing(STATES["use"], console(width), tmp_path)
    sentence = lines[1 : next(n for n, line in enumerate(lines) if "verdict" in line) - 1]
    assert all(len(line) <= width for line in sentence)
    assert "Use rotation_range 15, width_shift_range 0.1, zoom_range 0.1: +1.2 points (0.7 to" in (
        " ".join(sentence)
    )
    assert any("viewStateShareKey=0123abcd&workflowType=machine_learning" in line for line in lines)
    log = closing(STATES["use"], console(width, terminal=False))
    assert any(line.endswith("confirmed on fresh seeds.") and len(line) > width for line in log)


def running(record: TrialRecord) -> TrialRecord:
    return record.model_copy(update={"result": None, "effect": None})


@pytest.mark.parametrize("width", [60, 80, 120])
def test_bars_keep_their_length_beside_names_and_the_time_left(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    to, clock = console(width), Clock()
    with Progress(to, clock) as progress:
        plan = {"search": 6.0, "confirm": 60.0}
        progress.expect(ExpectedWork(plan, lambda record: 1.0))
        progress.phase("search", len(TRIALS))
        for record in TRIALS[:2]:
            progress.trial_started(running(record))
            clock.now += 100
            progress.trial_told(record)
        progress.trial_started(running(TRIALS[3]))
        progress.trial_started(running(TRIALS[4]))
        progress.trial_epoch(TRIALS[3], EpochReport(60, 150, 0.4, 0.9, 0.5, 0.8))
    lines = lines_of(to)
    (phase,) = {line for line in lines if line.startswith("search ━") and "2/6" in line}
    trial = next(line for line in lines if "40 % epoch 60/150" in line)
    assert re.search(r"2/6  ?\d+ % of the search, .* left$", phase)
    assert "and 1 more trial" in trial
    for line in (phase, trial):
        assert len(line) <= width
    assert len(re.sub("[^━╸╺]", "", phase)) >= NARROW_BAR


PLAN = (
    "photos: 4 classes\n"
    "  search        8 trials of 6 settings\n"
    "  note          this machine is busy; an idle machine needs less time for all of it\n"
    "  augmentation.vertical_flip: [false, true]                hurts where up and down matter\n"
)


def shown_at(columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    return between_words(PLAN)


def test_a_plan_goes_on_in_its_column_or_below_where_there_is_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert shown_at(60, monkeypatch) == (
        "photos: 4 classes\n"
        "  search        8 trials of 6 settings\n"
        "  note          this machine is busy; an idle machine needs\n"
        "                less time for all of it\n"
        "  augmentation.vertical_flip: [false, true]\n"
        "      hurts where up and down matter\n"
    )
    assert shown_at(120, monkeypatch) == PLAN


def test_a_plan_for_a_file_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert between_words(PLAN) == PLAN
