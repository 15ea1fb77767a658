"""What code of anybody's has said, and what a csv file calls its images, is stored and shown
without secrets."""

import json
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import quote

import pytest

from data.dataset_notes import Converted, DataNotes, LeftOut
from data.messages import text_of
from data.secrets import redacted_here
from search.execution.engine import resolve
from search.execution.failures import MAX_TRACEBACK_CHARACTERS, Failure, classify, in_a_line
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


@pytest.mark.parametrize("secret", ["env-hunter2", "postgresql://me:env-hunter2@h"])
def test_a_secret_that_a_cut_would_halve_is_hidden(secret: str) -> None:
    for most in range(280, 520, 3):
        error = RuntimeError(f"{'x ' * (most // 2)}{secret}")
        assert "env-h" not in text_of(error) + in_a_line(error)


def test_a_secret_that_the_cut_of_a_traceback_would_halve_is_hidden() -> None:
    for length in range(5):
        error = ValueError(f"env-hunter2{'x' * (MAX_TRACEBACK_CHARACTERS - length)}")
        assert "unter2" not in str(classify(error).traceback)


def test_a_secret_of_two_lines_is_hidden_in_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DB_PASSWORD", "one-hunter2\ntwo-hunter2")
    assert "hunter2" not in classify(ValueError("no one-hunter2\ntwo-hunter2")).reason


NAMES = (
    *("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "db_passwd", "DB_PASS", "SMTP_PASS", "PASS", "DB_PW"),
    *("REDIS_AUTH", "NPM_AUTH", "KAGGLE_KEY", "WANDB_KEY", "OPENAI_KEY", "ENCRYPTION_KEY", "JWT"),
    *("MASTER_KEY", "SECRET_KEY_BASE", "API_KEYS", "TOKENS", "PASSWORD1", "HF_TOKEN_READ"),
    *("GITHUB_PAT", "MY_CREDS", "SENTRY_DSN", "AZURE_STORAGE_CONNECTION_STRING", "githubToken"),
    *("DBPASS", "SMTPPASS", "PASS_WORD", "PASSWORD_DB", "TOKEN_GITHUB", "GITHUB_TOKEN_ORG"),
    *("API_KEY_OPENAI", "SECRET_V2", "PRIVATE_KEY_PEM", "AUTH_HEADER", "SLACK_WEBHOOK_URL"),
    *("password_db", "SUDO_PASS", "MYSQL_ROOT_PASSWORD_2", "SECRET_TOKEN_V2", "DISCORD_WEBHOOK"),
    *("AWS_ACCESS_KEY_ID", "MY_SECRETS", "DB_PASSWORD_OLD", "AWS_CREDENTIALS"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_that_is_secret_by_its_name_is_hidden(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "a-long-hunter2")
    assert redacted_here("got a-long-hunter2 back") == "got *** back"
    monkeypatch.delenv(name)
    assert "hunter2" not in redacted_here(f"{name}=a-long-hunter2")
    assert "hunter2" not in redacted_here(f'{{"{name}": "a-long-hunter2"}}')


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://me:hunter2@h/db?sslmode=require", "wrong: hunter2"),
        ("postgresql://me:hun%40ter2@h/db", "wrong: hun@ter2"),
        ("https://hunter2hunter2hunter2@h/simple", "wrong: hunter2hunter2hunter2"),
        ("https://h/x?api_key=hunter2&mode=hard", "wrong: hunter2"),
        ("https://h/#access_token=hunter2", "wrong: hunter2"),
        ("https://me:hunter2@h/a@b", "wrong: hunter2"),
        ("https://me:hun/ter2@h/a", "wrong: hun/ter2"),
        ("redis://:hunter2@h1,redis://:hunter3@h2", "wrong: hunter2"),
        ("redis://:hunter3@h1,redis://:hunter2@h2", "wrong: hunter2"),
        ("host=h password=hunter2 dbname=d", "wrong: hunter2"),
        ('{"user": "me", "password": "hunter2"}', "wrong: hunter2"),
        ("me:hunter2@host", "wrong: hunter2"),
        ("jdbc:sqlserver://h:1;user=me;password=hunter2;a=b", "wrong: hunter2"),
        ("mssql:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2", "wrong: hunter2"),
        ("postgres://me:hunter2", "wrong: hunter2"),
        ("--password hunter2", "wrong: hunter2"),
    ],
)
def test_the_password_in_an_address_of_the_environment_is_hidden(
    address: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    assert redacted_here(said) == "wrong: ***"
    assert redacted_here("me: a hard mode is required") == "me: a hard mode is required"


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "CREDENTIALS_FILE", "GOOGLE_CREDENTIALS"])
def test_a_path_that_is_no_more_is_no_secret(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, f"{tmp_path}/gone/x.json")
    assert redacted_here(f"in {tmp_path}/gone/x.json") == f"in {tmp_path}/gone/x.json"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("file:///home/me/birds-of-prey@2x", "/home/me/birds-of-prey/1.png"),
        ("s3://bucket/photos-of-birds@2x", "bucket/photos-of-birds is empty"),
        ("git+https://github.com/firstname/repo@v1", "see github.com/firstname/repo"),
        ("docker://registry.org/images-all@sha256:abcdef", "registry.org/images-all"),
        ("ssh://photographer-user@h", "photographer-user has no right"),
        ("http://localhost:8888/tree?x=a@b", "localhost 8888/tree?x=a"),
        ("tcp://10.96.0.1:443 and zk://one:2181,two:2181/x", "443 one:2181,two:2181"),
        ("unix:path=/run/user/1000/bus,guid=abcdef0123", "/run/user/1000/bus,guid=abcdef0123"),
        ("local/host:@/tmp/.ICE-unix/1,unix/host:/tmp/.ICE-unix/1", "/tmp/.ICE-unix/1"),
        ("http://me:birds@h", "all blackbirds"),
        ("http://me:images@h", "imageset, subimages"),
    ],
)
def test_what_is_no_password_in_a_value_stays(
    value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_DATA", value)
    assert redacted_here(said) == said


@pytest.mark.parametrize(
    "secret", ["pa\\ss'hunter2", "p\u00e4ss\thunter2", "a\"'hunter2", "a\nhunter2"]
)
def test_a_secret_is_hidden_however_it_is_spelled(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_DB_PASSWORD", secret)
    for said in (secret, repr(secret), repr(KeyError(secret)), json.dumps(secret), quote(secret)):
        assert "hunter2" not in redacted_here(f"got {said}")
    assert "hunter2" not in redacted_here(" ".join(secret.split()))


def test_a_short_secret_is_hidden_as_a_whole_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "test")
    assert redacted_here("the latest, with test") == "the latest, with ***"


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


class _Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_error_without_a_text_says_where_it_comes_from() -> None:
    try:
        raise _Mute
    except _Mute as error:
        said = classify(error).reason
    assert said.startswith("_Mute: an error whose text raises RuntimeError, from ")
    assert "test_secrets_said.py, line " in said
