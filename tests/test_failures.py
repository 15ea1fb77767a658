"""Failures are named in one line, sorted by what to do, and a streak of one cause is noticed."""

import signal

import pytest

from data.errors import UserError
from search.execution.failures import classify, describe_exit, failure_streak
from search.experiment.trial import TrialResult


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's is."""


def failed(error: str, log_path: str | None = None) -> TrialResult:
    return TrialResult(status="failed", error=error, log_path=log_path)


COMPLETED = TrialResult(status="completed", score=0.5)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("bad"), "trial"),
        (UserError("no such file"), "user"),
        (FloatingPointError("the loss is not finite"), "trial"),
        (MemoryError(), "machine"),
        (RuntimeError("can't start new thread"), "machine"),
        (ImportError("libx.so: failed to map segment from shared object"), "machine"),
        (SystemError("error return without exception set"), "machine"),
        (TimeoutError("the share is slow"), "machine"),
        (ConnectionResetError(104, "reset"), "machine"),
        (ResourceExhaustedError("OOM when allocating tensor"), "machine"),
        (OSError(28, "No space left on device"), "storage"),
        (OSError(30, "Read-only file system"), "storage"),
    ],
)
def test_failures_are_sorted_by_what_to_do(error: Exception, kind: str) -> None:
    assert classify(error).kind == kind


def test_the_reason_is_one_line_and_the_traceback_is_kept() -> None:
    try:
        raise ValueError("first line\nsecond line")
    except ValueError as error:
        failure = classify(error)
    assert failure.reason == "ValueError: first line"
    assert failure.traceback is not None
    assert "second line" in failure.traceback


def test_an_error_without_words_is_named_by_its_type() -> None:
    assert classify(MemoryError()).reason == "MemoryError"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "disappeared"),
        (0, "status 0"),
        (70, "status 70"),
        (-signal.SIGKILL, "memory runs out"),
        (-signal.SIGILL, "SIGILL"),
        (-250, "signal 250"),
    ],
)
def test_the_end_of_a_process_is_put_in_words(code: int | None, words: str) -> None:
    assert words in describe_exit(code)


def test_a_streak_of_one_cause_stops_and_says_it_once() -> None:
    results = [
        COMPLETED,
        *[failed(f"cannot read image {n} at 0x7f{n}", "logs/worker-1.log") for n in range(3)],
    ]
    sentence = failure_streak(results, limit=3)
    assert sentence is not None
    assert sentence.startswith("3 trials in a row failed for the same reason: cannot read image 2")
    assert "logs/worker-1.log" in sentence
    assert sentence.count("cannot read") == 1


@pytest.mark.parametrize(
    "results",
    [
        [],
        [failed("a"), failed("a")],
        [failed("a"), failed("b"), failed("a")],
        [failed("a"), COMPLETED, failed("a"), failed("a")],
        [failed("a"), failed("a"), failed("a"), COMPLETED],
    ],
)
def test_fewer_failures_other_causes_or_a_success_between_are_no_streak(
    results: list[TrialResult],
) -> None:
    assert failure_streak(results, limit=3) is None


def test_a_limit_of_none_at_all_never_stops() -> None:
    assert failure_streak([failed("a")] * 10, limit=0) is None
