"""What a terminal shows: bars, plain lines, the time left, the closing table."""

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console
from stand_ins import Clock
from states import SCRIPT, make_state, without_recommendation

from search.experiment.trial import TrialRecord
from search.journal.state import SearchResult
from search.report.closing import print_closing, print_table
from search.report.dashboard import DashboardPlace, keep_dashboard
from search.report.table_model import Column, Table
from search.report.terminal import Progress, is_plain, terminal_console
from search.report.time_left import ExpectedWork
from search.training.progress import EpochReport

RECORDS = make_state().records
TRIALS = [record for record in RECORDS if record.kind == "trial"]
ASKED = [record.model_copy(update={"result": None, "effect": None}) for record in TRIALS]


def console(*, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=100,
        highlight=False,
        _environ={"TERM": "xterm"},
    )


def written(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


def tell(progress: Progress, records: list[TrialRecord]) -> None:
    for record in records:
        progress.trial_started(record.model_copy(update={"result": None, "effect": None}))
        progress.trial_progress(0.5, "views")
        progress.trial_told(record)


def result(
    outcome: str = "finished", run_dir: Path = Path("runs/digits"), **fields: object
) -> SearchResult:
    fields = {"state": make_state(), "tracking": None, **fields}
    return SearchResult(run_dir=run_dir, outcome=outcome, **fields)  # type: ignore[arg-type]


def test_what_a_trial_was_warned_of_is_said_once() -> None:
    to, warned = console(), []
    for record in TRIALS[:2]:
        assert record.result is not None
        result = record.result.model_copy(update={"warnings": ("a.npz is damaged",)})
        warned.append(record.model_copy(update={"result": result}))
    with Progress(to) as progress:
        progress.phase("search", len(TRIALS))
        tell(progress, warned)
    lines = written(to).splitlines()
    assert [line for line in lines if "damaged" in line] == ["warning: a.npz is damaged"]
    assert lines.index("warning: a.npz is damaged") == 2


def test_without_a_terminal_there_is_one_plain_line_a_trial() -> None:
    to = console()
    with Progress(to) as progress:
        progress.phase("search", len(TRIALS))
        tell(progress, TRIALS)
    lines = written(to).splitlines()
    assert lines[0] == "search: 6 trials"
    assert len(lines) == 7
    assert lines[1].startswith(
        "search 1/6  #3 rotation_range 15, width_shift_range 0.1, zoom_range 0.1, 16 views: "
        "+1.4 points (0.9 to 1.9), 7.2 s"
    )
    assert "\x1b" not in written(to)


def test_no_color_means_plain_lines_in_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert is_plain(console(terminal=True))
    monkeypatch.setenv("NO_COLOR", "")  # an empty value means nothing (no-color.org)
    assert not is_plain(console(terminal=True))


def test_a_terminal_shows_bars_and_keeps_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    to = console(terminal=True)
    with Progress(to) as progress:
        progress.phase("search", len(TRIALS))
        tell(progress, TRIALS)
    assert "━" in written(to)
    assert "search 6/6  #8 vertical_flip, 4 views: -2.3 points (-2.8 to -1.8)" in written(to)


def test_the_bar_moves_within_a_trial_with_its_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    to, plain = console(terminal=True), console()
    for shown in (to, plain):
        with Progress(shown) as progress:
            progress.phase("search", 2)
            for asked in ASKED[:2]:
                progress.trial_started(asked)
            progress.trial_epoch(ASKED[0], EpochReport(6, 12, 0.4, 0.9, 0.5, 0.8))
            # it is not due next
            progress.trial_epoch(ASKED[1], EpochReport(3, 12, 0.4, 0.9, 0.5, 0.8))
            progress.message("here")
    assert "50 %" not in written(plain)
    assert "epoch 6/12" in written(to)
    assert "epoch 3/12" not in written(to)
    assert written(plain).splitlines() == ["search: 2 trials", "here"]  # no line per epoch in a log


def test_a_log_hears_of_a_long_trial_every_five_minutes() -> None:
    clock, to = Clock(), console()
    progress = Progress(to, clock)
    progress.phase("search", 2)
    progress.trial_started(ASKED[0])
    for epoch in range(1, 13):
        clock.now += 60
        progress.trial_epoch(ASKED[0], EpochReport(epoch, 20, 0.4, 0.9, 0.5, 0.8))
    label = "search  #3 rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
    assert written(to).splitlines()[1:] == [
        f"{label}: epoch 5/20  (35 min 0 s left)",  # 15 min of this trial, 20 of the next
        f"{label}: epoch 10/20  (30 min 0 s left)",
    ]


def test_a_phase_of_unknown_length_counts_up() -> None:
    to = console()
    progress = Progress(to)
    progress.phase("confirm", None)
    tell(progress, TRIALS[:2])
    assert [line.split("  ")[0] for line in written(to).splitlines()] == [
        "confirm",
        "confirm 1",
        "confirm 2",
    ]


def test_progress_outside_a_trial_is_shown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding reports progress before the first trial."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    to = console(terminal=True)
    with Progress(to) as progress:
        progress.phase("prepare", None)
        progress.trial_progress(0.25, "decoding 10 of 40 images")
        progress.message("done")
    assert "decoding 10 of 40 images" in written(to)


def test_a_log_hears_of_each_step_before_the_first_trial_and_of_how_far_it_is() -> None:
    clock, to = Clock(), console()
    progress = Progress(to, clock)
    progress.phase("prepare", None)
    progress.doing("reading the images")
    for done in range(0, 1000, 100):
        clock.now += 4
        progress.trial_progress(done / 1000, f"decoding {done} of 1000 images")
    assert written(to).splitlines() == [
        "prepare",
        "prepare: reading the images",
        "prepare: decoding 200 of 1000 images",
        "prepare: decoding 500 of 1000 images",
        "prepare: decoding 800 of 1000 images",
    ]


def test_a_failed_trial_says_why() -> None:
    to = console()
    progress = Progress(to)
    progress.phase("search", 6)
    tell(progress, [r for r in make_state(failed=(5,)).records if r.trial == 5])
    assert "failed: the loss is not finite (epoch 3)" in written(to)


def test_names_are_neither_markup_nor_commands_to_the_terminal() -> None:
    to = console()
    Progress(to).message(f"[red]class[/red] {SCRIPT} \x1b]0;title\x07")
    assert written(to) == f"[red]class[/red] {SCRIPT} �]0;title�\n"


def test_progress_is_on_stderr_and_the_answer_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.phase("search", 1)
        tell(progress, TRIALS[:1])
    print_closing(result(), terminal_console(stderr=False))
    captured = capsys.readouterr()
    assert "search 1/1" in captured.err
    assert "HELPS" not in captured.err
    assert "HELPS" in captured.out


def test_the_closing_table_has_the_answer_and_every_verdict() -> None:
    to = console()
    print_closing(result(), to)
    text = written(to)
    assert (
        "Use rotation_range 15, width_shift_range 0.1, zoom_range 0.1: +1.2 points (0.7 to 1.7)"
        in text
    )
    rows = [
        line.split()[:1] + line.split("  ")[1:]
        for line in text.splitlines()
        if "vertical_flip" in line
    ]
    assert "HURTS" in " ".join(rows[0])
    assert "-2.3 (-2.8 to -1.8)" in text


def test_the_closing_table_says_where_to_look_next(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("")
    to = console()
    print_closing(
        result(run_dir=tmp_path, tracking="18 trials in MLflow at https://me:s3cret@host"), to
    )
    text = written(to)
    assert f"page    {tmp_path / 'report.html'}" in text
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in text
    assert "s3cret" not in text
    assert "trials.csv" not in text  # it is not there


def test_the_last_line_opens_the_searchs_view_in_mlflow(tmp_path: Path) -> None:
    keep_dashboard(DashboardPlace("http://127.0.0.1:5000", "3", "0123abcd"), tmp_path)
    to = console()
    print_closing(result(run_dir=tmp_path), to)
    last = written(to).split()[-1]
    assert last.startswith("http://127.0.0.1:5000/#/experiments/3/runs?viewStateShareKey=0123abcd")


def test_a_finished_search_run_again_says_that_nothing_was_trained() -> None:
    to = console()
    print_closing(result("already finished"), to)
    assert "nothing was trained" in written(to)


def test_no_augmentation_is_printed_as_plainly() -> None:
    to = console()
    print_closing(result(state=without_recommendation()), to)
    said = " ".join(written(to).split())
    assert "It cannot be told whether augmentation helps: of rotation_range 10, known least" in said


@pytest.mark.parametrize(
    ("name", "note", "is_whole"),
    [("zoom", "from which no training tells it; " * 4, True), ("name" * 40, "short", False)],
)
def test_what_is_said_in_a_table_is_kept_whole_and_a_long_name_is_not(
    name: str, note: str, is_whole: bool
) -> None:
    names = Column[tuple[str, str]]("name", lambda row: row[0])
    notes = Column[tuple[str, str]]("note", lambda row: row[1], kind="long")
    to = console()
    print_table(Table.of("", (names, notes), [(name, note)]), to)
    assert (written(to).split() == ["note", name, *note.split()]) == is_whole
    assert ("…" in written(to)) == (not is_whole)


def test_trials_may_count_by_their_work() -> None:
    """Of six trials the three on four views are a fifth of the work: 12 of 60 views."""
    clock, to = Clock(), console()
    with Progress(to, clock) as progress:
        work = ExpectedWork({"search": 60.0}, lambda record: float(record.spec.protocol.views))
        progress.expect(work)
        progress.phase("search", 6)
        for asked, told in zip(ASKED, TRIALS, strict=True):
            if asked.spec.protocol.views == 4:
                progress.trial_started(asked)
                progress.trial_told(told)
    # 7.25 s for 4 views, so 87 s for the 48 that are left
    assert written(to).splitlines()[-1].endswith("(0 % of the search, 1 min 27 s left)")


def test_epochs_that_are_not_the_work_tell_no_time_before_pictures_were_augmented() -> None:
    """Heads of no augmentation train in a moment; augmenting pictures takes what there is to do."""
    clock, to = Clock(), console()
    with Progress(to, clock) as progress:
        progress.expect(ExpectedWork({"search": 6.0}, lambda record: 1.0, epochs_tell=False))
        progress.phase("search", 6)
        for number in range(2):
            progress.trial_started(ASKED[number])
            for epoch in range(1, 7):
                clock.now += 0.01
                progress.trial_epoch(ASKED[number], EpochReport(epoch, 6, 1, 0.5, 2, 0.25, "head"))
            progress.trial_told(TRIALS[number])
    first, second = written(to).splitlines()[1:]
    assert not first.endswith("left)")
    assert second.endswith("left)")


def test_a_resumed_search_counts_only_what_is_left() -> None:
    """Three of six trials have their answers: the fourth takes 7.25 s, so two more take 15. What
    earlier sittings took is part of the whole."""
    clock, to = Clock(), console()
    with Progress(to, clock) as progress:
        progress.expect(ExpectedWork({"search": 6.0}, lambda record: 1.0), earlier_seconds=45)
        progress.phase("search", 6)
        for record in TRIALS[:3]:
            progress.trial_started(record)
            progress.trial_told(record)
        progress.trial_started(ASKED[3])
        progress.trial_told(TRIALS[3])
    lines = written(to).splitlines()
    assert len(lines) == 2  # answers of an earlier sitting are not told again
    assert lines[1].startswith("search 4/6  #6 ")
    assert lines[1].endswith("(76 % of the search, 15 s left)")  # 45 s and 7 of 60 and 7


def test_printed_commands_are_quoted_for_a_shell() -> None:
    uri = "sqlite:////home/me/my 'own' $runs/50%/mlflow.db"
    opened = make_state().opened
    assert opened is not None
    opened = opened.model_copy(update={"config": {**opened.config, "tracking": {"uri": uri}}})
    to = Console(file=io.StringIO(), width=400)
    print_closing(result(state=make_state().model_copy(update={"opened": opened})), to)
    (line,) = (line for line in written(to).splitlines() if "mlflow ui" in line)
    assert shlex.split(line[line.index("mlflow ui") :]) == [
        "mlflow",
        "ui",
        "--backend-store-uri",
        uri,
    ]


def test_why_a_search_could_not_go_on_is_said_beside_an_answer() -> None:
    to = Console(file=io.StringIO(), width=400)
    print_closing(result("failed", reason="the final model failed: MemoryError"), to)
    expected = (
        "The search could not go on (the final model failed: MemoryError); run it again to go on."
    )
    assert expected in written(to)
