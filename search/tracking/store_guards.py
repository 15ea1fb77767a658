"""What MLflow does not see to at a store itself: a new sqlite file is put in place whole, since
MLflow cannot go on with one whose making was interrupted; what MLflow and its drivers log, and
what is copied there, is free of secrets; nothing waits for minutes or calls home. Does not import
MLflow."""

import contextlib
import getpass
import glob
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from data.files import flush_folder, flush_to_disk
from data.redacted_values import redacted_but, redacted_values
from data.secrets import without_secrets_of
from search.experiment.yaml_file import as_yaml, parse_yaml

# MLflow's own defaults hold a caller for minutes, print to stdout and call home. What a user has
# set stays.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "PGCONNECT_TIMEOUT": "10",
}
REQUIREMENTS = ("mlflow", "tensorflow", "keras", "numpy")
STALE_SECONDS = 600.0  # making one takes 5 to 15 s


def set_defaults() -> None:
    """`ENVIRONMENT`, before MLflow is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def make_whole(path: Path, make: Callable[[str], None]) -> None:
    """Has `make(uri)` make a store beside `path` and puts it there at one instant. Does nothing
    where there is a file already.

    Of two that do this at once the first one's store stays. Raises OSError at once where nothing
    can be written (MLflow would try again for minutes), and what `make` raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.new-"
    _sweep(path.parent, prefix)
    if path.exists():
        path.open("ab").close()
        return
    beside = path.with_name(f"{prefix}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        beside.touch()
        make(f"sqlite:///{beside.as_posix()}")
        flush_to_disk(beside)
        _put(beside, path)
        flush_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _put(beside: Path, path: Path) -> None:
    """Never over another's file: a link, which fails where there is one; a rename where the file
    system has no links."""
    try:
        os.link(beside, path)
    except FileExistsError:
        return
    except OSError:
        if not path.exists():
            beside.rename(path)


def _sweep(folder: Path, prefix: str) -> None:
    """Removes what a process killed while making a store left, once nobody can still be at it."""
    for left in folder.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(FileNotFoundError):  # another process was sweeping too
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                left.unlink()


@dataclass(frozen=True)
class WithoutSecrets:
    """A logging filter that lets everything through, the secrets of `uri` hidden in message and
    traceback."""

    uri: str

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets_of(record.getMessage(), self.uri), ()
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text = without_secrets_of(trace, self.uri)
        return True


def hide_in_logs(uri: str) -> None:
    """For every handler that a record of MLflow's, or of what it imports, may come to. Asking twice
    is asking once."""
    handlers = [
        *logging.getLogger("mlflow").handlers,
        *logging.getLogger().handlers,
        logging.lastResort,
    ]
    for handler in handlers:
        if handler is not None:
            handler.addFilter(WithoutSecrets(uri))


def user_tag() -> dict[str, str]:
    try:
        return {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError):  # a container's user without a name
        return {}


def requirements() -> list[str]:
    """Pinned to what is installed; named here, because MLflow would find them by loading the model
    again."""
    installed = {dist.metadata["Name"].lower(): dist.version for dist in metadata.distributions()}
    return [f"{name}=={installed[name]}" for name in REQUIREMENTS if name in installed]


def clean_copy(text: str, suffix: str, names: Sequence[str]) -> str:
    """What may be copied to a store of a text file: without what may be secret but for these names;
    the text as it was where nothing may."""
    if suffix not in (".json", ".yaml"):
        return redacted_but(text, names)
    is_json = suffix == ".json"
    values = json.loads(text) if is_json else parse_yaml(text, "the copy")
    clean = redacted_values(values, names)
    if clean == values:
        return text
    return json.dumps(clean, indent=2, ensure_ascii=False) + "\n" if is_json else as_yaml(clean)
