"""The background sender, with plain functions in the place of MLflow."""

import threading
import time

import pytest
from states import make_state

from data.errors import UserError
from search.tracking.sender import Sender, TrackingStatus, sending_error_text

OPENED, CONTROLS, SEARCH = make_state("opened"), make_state("controls"), make_state("search")
DONE, FAILED = True, False


def test_closing_sends_what_is_waiting():
    sent = []

    def project(state):
        sent.append(state)
        return DONE

    sender = Sender(project, retry_seconds=60)
    sender.submit(SEARCH)
    assert sender.close(timeout=10)
    assert sent == [SEARCH]


def test_a_slow_server_holds_nobody_up_and_gets_the_newest_state():
    begun, go, sent = threading.Event(), threading.Event(), []

    def project(state):
        sent.append(state)
        begun.set()
        assert go.wait(10)
        return DONE

    sender = Sender(project, retry_seconds=60)
    sender.submit(OPENED)
    assert begun.wait(10)
    started = time.monotonic()
    sender.submit(CONTROLS)
    sender.submit(SEARCH)
    assert time.monotonic() - started < 0.5
    go.set()
    assert sender.close(timeout=10)
    assert sent == [OPENED, SEARCH]


def test_closing_gives_up_on_a_server_that_hangs():
    go = threading.Event()
    sender = Sender(lambda state: go.wait(10), retry_seconds=60)
    sender.submit(SEARCH)
    assert not sender.close(timeout=0.05)
    go.set()
    assert sender.close(timeout=10)


def test_a_failure_is_tried_again_by_itself():
    answers, again = iter([FAILED, FAILED, DONE]), threading.Event()

    def project(state):
        answer = next(answers)
        if answer is DONE:
            again.set()
        return answer

    sender = Sender(project, retry_seconds=0.01)
    sender.submit(SEARCH)
    assert again.wait(10)
    assert sender.close(timeout=10)


def test_a_server_that_is_away_is_not_asked_at_every_trial():
    asked = []

    def project(state):
        asked.append(state)
        return FAILED

    sender = Sender(project, retry_seconds=60)
    sender.submit(OPENED)
    while not asked:
        time.sleep(0.001)
    for state in (CONTROLS, SEARCH):
        sender.submit(state)
        time.sleep(0.02)
    assert asked == [OPENED]
    assert sender.close(timeout=10)
    assert asked == [OPENED, SEARCH]


def test_closing_with_nothing_to_send_ends_at_once():
    assert Sender(lambda state: FAILED, retry_seconds=60).close(timeout=10)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("[Errno 111] Connection refused"), "nothing answers there"),
        (TimeoutError("Read timed out. (read timeout=10)"), "no answer in time"),
        (
            RuntimeError("error 401 != 200: Unauthorized"),
            "access denied; set MLFLOW_TRACKING_USERNAME",
        ),
        (UserError("the experiment is deleted"), "the experiment is deleted"),
        (ValueError("odd: http://me:hunter2@host"), "ValueError: odd: http://***@host"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_reason_is_short_and_without_credentials(error, words):
    assert sending_error_text(error).startswith(words)


def test_the_status_says_how_many_trials_are_missing_and_why():
    assert str(TrackingStatus("http://h", 5, 1, "no answer in time")) == (
        "1 trial not sent to MLflow at http://h: no answer in time"
    )
    assert str(TrackingStatus("http://h", 6)) == "6 trials in MLflow at http://h"
    assert str(TrackingStatus("http://h", 6, 0, "no answer in time")) == (
        "6 trials in MLflow at http://h; the rest was not sent: no answer in time"
    )
