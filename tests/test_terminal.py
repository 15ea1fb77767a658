"""What a terminal shows: bars, plain lines, the time left, the closing table."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from state_variants import SCRIPT, without_recommendation
from states import make_state

from search.session import SearchResult
from search.terminal import Progress, is_plain, print_closing
from search.time_left import TimeLeft
from search.trial import TrialRecord

RECORDS = make_state().records
TRIALS = [record for record in RECORDS if record.kind == "trial"]


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def console(*, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=100, highlight=False, _environ={"TERM": "xterm"}
    )


def written(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


def tell(progress: Progress, records: list[TrialRecord]) -> None:
    for record in records:
        progress.trial_started(record)
        progress.trial_progress(0.5, "views")
        progress.trial_told(record)


def result(outcome: str = "finished", run_dir: Path = Path("runs/digits"), **fields: object) -> SearchResult:
    fields = {"state": make_state(), "tracking": None, **fields}
    return SearchResult(run_dir=run_dir, outcome=outcome, **fields)  # type: ignore[arg-type]


def test_without_a_terminal_there_is_one_plain_line_a_trial() -> None:
    to = console()
    with Progress(console=to) as progress:
        progress.phase("search", len(TRIALS))
        tell(progress, TRIALS)
    lines = written(to).splitlines()
    assert lines[0] == "search: 6 trials"
    assert len(lines) == 7
    assert lines[1].startswith(
        "search 1/6  #3 rotation 15, width_shift 0.1, zoom 0.1: +1.4 points (0.9 to 1.9), 7.2 s"
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
    with Progress(console=to) as progress:
        progress.phase("search", len(TRIALS))
        tell(progress, TRIALS)
    assert "━" in written(to)
    assert "search 6/6  #8 vertical_flip: -2.3 points (-2.8 to -1.8)" in written(to)


def test_a_phase_of_unknown_length_counts_up() -> None:
    to = console()
    progress = Progress(console=to)
    progress.phase("confirm", None)
    tell(progress, TRIALS[:2])
    assert [line.split("  ")[0] for line in written(to).splitlines()] == ["confirm", "confirm 1", "confirm 2"]


def test_progress_outside_a_trial_is_shown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding reports progress before the first trial."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    to = console(terminal=True)
    with Progress(console=to) as progress:
        progress.phase("prepare", None)
        progress.trial_progress(0.25, "decoding 10 of 40 images")
        progress.message("done")
    assert "decoding 10 of 40 images" in written(to)


def test_a_failed_trial_says_why() -> None:
    to = console()
    progress = Progress(console=to)
    progress.phase("search", 6)
    progress.trial_told(next(r for r in make_state(failed=(5,)).records if r.trial == 5))
    assert "failed: the loss is not finite (epoch 3)" in written(to)


def test_names_are_neither_markup_nor_commands_to_the_terminal() -> None:
    to = console()
    Progress(console=to).message(f"[red]class[/red] {SCRIPT} \x1b]0;title\x07")
    assert written(to) == f"[red]class[/red] {SCRIPT} �]0;title�\n"


def test_everything_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.phase("search", 1)
        tell(progress, TRIALS[:1])
    print_closing(result())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "search 1/1" in captured.err
    assert "HELPS" in captured.err


def test_the_closing_table_has_the_answer_and_every_verdict() -> None:
    to = console()
    print_closing(result(), to)
    text = written(to)
    assert "Use rotation_range 15, width_shift_range 0.1, zoom_range 0.1: +1.2 points (0.7 to 1.7)" in text
    rows = [line.split()[:1] + line.split("  ")[1:] for line in text.splitlines() if "vertical_flip" in line]
    assert "HURTS" in " ".join(rows[0])
    assert "-2.3 (-2.8 to -1.8)" in text


def test_the_closing_table_says_where_to_look_next(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("")
    to = console()
    print_closing(result(run_dir=tmp_path, tracking="18 trials in MLflow at https://me:s3cret@host"), to)
    text = written(to)
    assert f"page    {tmp_path / 'report.html'}" in text
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in text
    assert "s3cret" not in text
    assert "trials.csv" not in text  # it is not there


def test_a_finished_search_run_again_says_that_nothing_was_trained() -> None:
    to = console()
    print_closing(result("already finished"), to)
    assert "nothing was trained" in written(to)


def test_no_augmentation_is_printed_as_plainly() -> None:
    to = console()
    print_closing(result(state=without_recommendation()), to)
    assert "No augmentation is the recommendation" in written(to)


def simulated(costs: dict[str, list[float]], plan: dict[str, float], at: float) -> tuple[float, float]:
    """The estimate and the truth once `at` of all the time has passed; `costs` are seconds a trial."""
    clock = Clock()
    left = TimeLeft(plan, clock)
    whole = sum(map(sum, costs.values()))
    for phase, seconds in costs.items():
        left.enter(phase)
        for done, cost in enumerate(seconds, 1):
            clock.now += cost
            left.advance(done / len(seconds))
            passed = clock.now - 1000
            if passed >= at * whole:
                return left.seconds() or 0.0, whole - passed
    raise AssertionError("the search ended first")


@pytest.mark.parametrize("at", [0.25, 0.5, 0.75, 0.9])
def test_the_time_left_is_right_within_a_third_after_a_quarter(at: float) -> None:
    """Trials of 10 to 20 s, a confirmation half as dear again as planned, an ablation as planned."""
    costs = {
        "search": [10 + 10 * (n % 3) / 2 for n in range(20)],
        "confirm": [34.0] * 5,
        "ablation": [23.0] * 8,
        "test": [15.0] * 2,
    }
    plan = {"search": 320.0, "confirm": 120.0, "ablation": 192.0, "test": 32.0}  # views
    estimate, truth = simulated(costs, plan, at)
    assert truth * 2 / 3 <= estimate <= truth * 4 / 3


def test_without_a_plan_the_time_left_is_that_of_the_phase() -> None:
    clock = Clock()
    left = TimeLeft({}, clock)
    left.enter("search")
    clock.now += 30
    left.advance(0.25)
    assert left.seconds() == pytest.approx(90)


def test_nothing_done_means_no_estimate() -> None:
    left = TimeLeft({"search": 10.0}, Clock())
    left.enter("search")
    assert left.seconds() is None


def test_preparing_the_data_does_not_count_as_pace() -> None:
    clock = Clock()
    left = TimeLeft({"search": 10.0, "test": 10.0}, clock)
    left.enter("prepare")
    clock.now += 1000
    left.enter("search")
    clock.now += 5
    left.advance(0.5)
    assert left.seconds() == pytest.approx(5 + 10)


def test_a_new_phase_is_estimated_by_the_pace_of_the_last() -> None:
    clock = Clock()
    left = TimeLeft({"search": 10.0, "confirm": 20.0}, clock)
    left.enter("search")
    clock.now += 100
    left.enter("confirm")
    clock.now += 30
    assert left.seconds() == pytest.approx(170)


def test_trials_may_count_by_their_work() -> None:
    """Of six trials the three on four views are a fifth of the work: 12 of 60 views."""
    clock, to = Clock(), console()
    with Progress({"search": 60.0}, lambda r: float(r.spec.protocol.views), to, clock) as progress:
        progress.phase("search", 6)
        for record in [r for r in TRIALS if r.spec.protocol.views == 4]:
            clock.now += 4
            progress.trial_told(record)
    assert written(to).splitlines()[-1].endswith("(48 s left)")
