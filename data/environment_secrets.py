"""What is secret in the environment of this process: by the names of its variables, and in those of
their values that are addresses."""

import contextlib
import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote_plus

from data.named_secrets import is_secret_name

SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "DATABRICKS_TOKEN")

_TOKEN = 16  # characters; a shorter user is a name
_LONG_VALUE = 8  # characters; `MAX_TOKEN=5` is none
_LONG_PASSWORD = 6  # characters, of an address


def of_environment() -> set[str]:
    """What MLflow takes from it, every value of some length that is secret by its name and no path,
    and the password in every value that is an address."""
    named = {value for name, value in os.environ.items() if is_secret_name(name)}
    long = {each for each in named if len(each) >= _LONG_VALUE and not _is_path(each)}
    found = {os.environ.get(name, "") for name in SECRET_VARIABLES} | long
    return found.union(*map(_passwords_in, os.environ.values()))


def _is_path(value: str) -> bool:
    """Whether it is there, or would be in a folder that is."""
    with contextlib.suppress(OSError, ValueError):
        folders = Path(value).parents[:-1] if Path(value).is_absolute() else ()
        return os.path.lexists(value) or any(folder.is_dir() for folder in folders)
    return False


def _passwords_in(address: str) -> set[str]:
    """As written and as decoded; the user, too, where it is long enough to stand for one. A few
    letters, and the user's own name again, are no secret that could be found in a text."""
    _, is_address, rest = address.partition("://")
    if not is_address:
        return set()
    credentials = rest.rpartition("@")[0]
    user, colon, password = credentials.partition(":")
    found = {password if colon and password != user else "", user if len(user) >= _TOKEN else ""}
    options = parse_qsl(rest.partition("?")[2].partition("#")[0])
    found |= {value for name, value in options if is_secret_name(name)}
    return {each for each in found | set(map(unquote_plus, found)) if len(each) >= _LONG_PASSWORD}
