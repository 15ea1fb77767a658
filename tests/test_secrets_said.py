"""What code of anybody's has said, and what a csv file calls its images, is stored and shown
without secrets."""

from concurrent.futures import Future

import pytest

from data.dataset_notes import Converted, DataNotes, LeftOut
from data.secrets import redacted_here
from search.execution.engine import resolve
from search.execution.failures import Failure, classify
from search.experiment.trial import Outcome

SAID = "cannot log in with env-hunter2 at postgresql://u:hunter2@h/db, http://h/x?api_key=hunter2"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DB_PASSWORD", "env-hunter2")
    monkeypatch.setenv("PWD", "/no/such/folder")


def _told(failure: Failure) -> Outcome:
    future: Future[Outcome] = Future()
    resolve(future, failure, 1, None)
    return future.result()


def test_a_failed_trials_reason_and_traceback_hold_no_secret() -> None:
    try:
        raise ValueError(SAID)
    except ValueError as error:
        failed = _told(classify(error)).result
    assert failed.error == (
        "ValueError: cannot log in with *** at postgresql://***@h/db, http://h/x?api_key=***"
    )
    assert "hunter2" not in str(failed.traceback)


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "db_passwd"])
def test_a_variable_that_is_secret_by_its_name_is_hidden(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "a-long-hunter2")
    assert redacted_here("got a-long-hunter2 back") == "got *** back"


@pytest.mark.parametrize("name", ["MAX_TOKEN", "PWD", "GOOGLE_CREDENTIALS"])
def test_a_number_and_a_path_are_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = "5" if name == "MAX_TOKEN" else __file__
    monkeypatch.setenv(name, value)
    assert redacted_here(f"line {value}") == f"line {value}"


def test_notes_on_images_hold_no_secret_of_their_names() -> None:
    name = "https:/u:hunter2@h/x.png"
    notes = DataNotes(
        left_out=(LeftOut(name=name, reason=f"the same image as {name}"),),
        converted={"grey": Converted(count=1, first=("x.png?X-Amz-Signature=hunter2hunter2xx",))},
        duplicates=((name, "a.png"),),
    )
    assert "hunter2" not in notes.model_dump_json()
    assert notes == DataNotes.model_validate_json(notes.model_dump_json())
