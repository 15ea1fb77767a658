"""What a terminal shows: bars, plain lines, the time left, the closing table."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from state_variants import SCRIPT, without_recommendation
from states import make_state

from search.config import parse_config
from search.session import SearchResult
from search.terminal import Progress, is_plain, print_closing
from search.time_left import TimeLeft
from search.trial import TrialRecord
from search.workload import new_views, workload

RECORDS = make_state().records
TRIALS = [record for record in RECORDS if record.kind == "trial"]
ASKED = [record.model_copy(update={"result": None, "effect": None}) for record in TRIALS]


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
        progress.trial_started(record.model_copy(update={"result": None, "effect": None}))
        progress.trial_progress(0.5, "views")
        progress.trial_told(record)


def result(outcome: str = "finished", run_dir: Path = Path("runs/digits"), **fields: object) -> SearchResult:
    fields = {"state": make_state(), "tracking": None, **fields}
    return SearchResult(run_dir=run_dir, outcome=outcome, **fields)  # type: ignore[arg-type]


def test_without_a_terminal_there_is_one_plain_line_a_trial() -> None:
    to = console()
    with Progress(to) as progress:
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
    with Progress(to) as progress:
        progress.phase("search", len(TRIALS))
        tell(progress, TRIALS)
    assert "━" in written(to)
    assert "search 6/6  #8 vertical_flip: -2.3 points (-2.8 to -1.8)" in written(to)


def test_a_phase_of_unknown_length_counts_up() -> None:
    to = console()
    progress = Progress(to)
    progress.phase("confirm", None)
    tell(progress, TRIALS[:2])
    assert [line.split("  ")[0] for line in written(to).splitlines()] == ["confirm", "confirm 1", "confirm 2"]


def test_progress_outside_a_trial_is_shown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding reports progress before the first trial."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    to = console(terminal=True)
    with Progress(to) as progress:
        progress.phase("prepare", None)
        progress.trial_progress(0.25, "decoding 10 of 40 images")
        progress.message("done")
    assert "decoding 10 of 40 images" in written(to)


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
    """The estimate and the truth once `at` of all the time has passed; `costs` are seconds a trial.

    Every trial of a phase counts its share of the plan; only the search phase says beforehand how many it has.
    """
    clock = Clock()
    left = TimeLeft(plan, clock)
    whole = sum(map(sum, costs.values()))
    for phase, seconds in costs.items():
        left.enter(phase, len(seconds) if phase == "search" else None)
        share = plan[phase] / len(seconds)
        for _ in seconds:
            left.begin(share)
        for cost in seconds:
            clock.now += cost
            left.finish(share)
            passed = clock.now - 1000
            if passed >= at * whole:
                return left.seconds() or 0.0, whole - passed
    raise AssertionError("the search ended first")


@pytest.mark.parametrize("at", [0.25, 0.5, 0.75, 0.9])
def test_the_time_left_is_right_within_a_third_after_a_quarter(at: float) -> None:
    """Trials of 10 to 20 s, a confirmation dearer than planned (its heads are more), an ablation as planned."""
    costs = {
        "search": [10 + 10 * (n % 3) / 2 for n in range(20)],
        "confirm": [30.0] * 5,
        "ablation": [23.0] * 8,
        "test": [15.0] * 2,
    }
    plan = {"search": 320.0, "confirm": 120.0, "ablation": 192.0, "test": 32.0}  # views
    estimate, truth = simulated(costs, plan, at)
    assert truth * 2 / 3 <= estimate <= truth * 4 / 3


def test_without_a_plan_the_time_left_is_that_of_the_phase() -> None:
    clock = Clock()
    left = TimeLeft({}, clock)
    left.enter("search", 4)
    clock.now += 30
    left.finish(1)
    assert left.seconds() == pytest.approx(90)


def test_nothing_done_means_no_estimate() -> None:
    left = TimeLeft({"search": 10.0}, Clock())
    left.enter("search", None)
    left.begin(1)
    assert left.seconds() is None


def test_preparing_the_data_does_not_count_as_pace() -> None:
    clock = Clock()
    left = TimeLeft({"search": 10.0, "test": 10.0}, clock)
    left.enter("prepare", None)
    clock.now += 1000
    left.enter("search", 5)
    clock.now += 5
    left.finish(5)
    assert left.seconds() == pytest.approx(5 + 10)


def test_a_new_phase_is_estimated_by_the_pace_of_the_last() -> None:
    clock = Clock()
    left = TimeLeft({"search": 10.0, "confirm": 20.0}, clock)
    left.enter("search", 10)
    clock.now += 100
    left.finish(10)
    left.enter("confirm", None)
    clock.now += 30
    assert left.seconds() == pytest.approx(170)


def test_trials_may_count_by_their_work() -> None:
    """Of six trials the three on four views are a fifth of the work: 12 of 60 views."""
    clock, to = Clock(), console()
    with Progress(to, clock) as progress:
        progress.expect({"search": 60.0}, lambda record: float(record.spec.protocol.views))
        progress.phase("search", 6)
        for record in [r for r in ASKED if r.spec.protocol.views == 4]:
            progress.trial_started(record)
            clock.now += 4
            progress.trial_told(record)
    assert written(to).splitlines()[-1].endswith("(48 s left)")


def test_a_resumed_search_counts_only_what_is_left() -> None:
    """Three of six trials have their answers: the fourth takes 10 s, so two more take 20."""
    clock, to = Clock(), console()
    with Progress(to, clock) as progress:
        progress.phase("search", 6)
        for record in TRIALS[:3]:
            progress.trial_started(record)
            progress.trial_told(record)
        progress.trial_started(ASKED[3])
        clock.now += 10
        progress.trial_told(TRIALS[3])
    lines = written(to).splitlines()
    assert len(lines) == 2  # answers of an earlier sitting are not told again
    assert lines[1].startswith("search 4/6  #6 ")
    assert lines[1].endswith("(20 s left)")


@pytest.mark.parametrize(
    ("algorithm", "search"), [("random", 20 * 19.0), ("halving", 20 * (3 + 1) + 6 * (3 + 4) + 2 * (3 + 11.0))]
)
def test_the_work_of_a_search_is_counted_in_views(algorithm: str, search: float) -> None:
    """Halving 20 settings by 3 from 16 views down: 20 on 1, 6 on 5, 2 on 16; each rung adds the views it lacks, and heads."""
    data = {
        "name": "x",
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": {"min": 0, "max": 40}, "fill_mode": "wrap"},
        "search": {"algorithm": algorithm, "trials": 20, "min_views": 1},
    }
    plan = workload(parse_config(data, "test")).plan
    assert list(plan) == ["controls", "search", "confirm", "ablation", "test"]
    assert plan["controls"] == 4 + 2 * (16 + 3 * {"random": 1, "halving": 3}[algorithm])
    assert plan["search"] == pytest.approx(search, rel=0.35)
    assert plan["confirm"] == 4 + 5 * (24 + 3)


def test_a_promoted_trial_computes_only_the_views_it_lacks() -> None:
    assert [new_views(views, (2, 5, 16)) for views in (2, 5, 16)] == [2, 3, 11]
    assert new_views(16, ()) == 16


def test_a_phase_without_confirmation_is_not_planned() -> None:
    data = {
        "name": "x",
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": {"min": 0, "max": 40}},
        "evaluation": {"confirm": None, "test": False},
    }
    assert list(workload(parse_config(data, "test")).plan) == ["controls", "search"]
