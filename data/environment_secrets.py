"""What is secret in the environment of this process: by the names of its variables, and in their
values by what is before it or around it."""

import contextlib
import os
import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote_plus

from data.named_secrets import is_secret_name, named_in

SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "DATABRICKS_TOKEN")

_TOKEN = 16  # characters; a shorter user is a name
_LONG_VALUE = 8  # characters; `MAX_TOKEN=5` is none
_LONG_PASSWORD = 6  # characters, of an address
_OF_PEOPLE = ("ssh", "sftp", "mailto")  # whose users are names
_BEGINS = r"[A-Za-z][\w+.\-]{0,39}://"
_ADDRESS = re.compile(
    rf"(?P<scheme>[A-Za-z][\w+.\-]{{0,39}})://(?P<rest>(?:(?!{_BEGINS})[^\s\"'<>])*)"
)
_PORT = re.compile(r"(?:\d{0,5}|\$\{\w+\})(?:[,;?#]|\Z)")
# `me:password@host`
_BARE = re.compile(r"[^\s:/@]*:(?!//)(?P<password>\S+)@(?!sha256:)[\w.\-]+(?::\d+)?(?:[/?]\S*)?")


def of_environment() -> set[str]:
    """What MLflow takes from it, every value of some length that is secret by its name and no path,
    and every password that a value holds."""
    # As a variable is called, whose letters are large: in small ones a setting's would be too.
    called = ((name.upper() if name.islower() else name, each) for name, each in os.environ.items())
    named = {value for name, value in called if is_secret_name(name)}
    long = {each for each in named if len(each) >= _LONG_VALUE and not _is_path(each)}
    found = {os.environ.get(name, "") for name in SECRET_VARIABLES} | long
    return found.union(*map(_passwords_in, os.environ.values()))


def _is_path(value: str) -> bool:
    """Whether it is there, or would be in a folder that is."""
    with contextlib.suppress(OSError, ValueError):
        folders = Path(value).parents[:-1] if Path(value).is_absolute() else ()
        return os.path.lexists(value) or any(folder.is_dir() for folder in folders)
    return False


@lru_cache(maxsize=4096)  # asked for each text that is said
def _passwords_in(value: str) -> frozenset[str]:
    """Those of its addresses, and what is secret by the name before it: as written and as decoded.
    A few letters are no secret that could be found in a text."""
    if not re.search("[=:@ ]", value):
        return frozenset()
    found = named_in(value) | named_in(unquote_plus(value))
    for address in _ADDRESS.finditer(value):
        found |= _credentials(address["scheme"].lower(), address["rest"])
        options = re.split("[?&;#]", address["rest"])
        pairs = [option.partition("=") for option in options[1:]]
        found |= {given for name, _, given in pairs if is_secret_name(name)}
    if bare := _BARE.fullmatch(value):
        found.add(bare["password"])
    found |= {part for each in found for part in each.split("/") if len(part) >= _TOKEN}
    found |= set(map(unquote_plus, found))
    return frozenset(each for each in found if len(each) >= _LONG_PASSWORD)


def _credentials(scheme: str, rest: str) -> set[str]:
    """rest: what follows `scheme://`. The password; the user, too, where it is long enough to stand
    for one. The user's own name again is none."""
    place = rest.partition("/")[0]
    credentials, at, _ = place.rpartition("@")
    if not at:
        user, colon, port = place.partition(":")
        if not colon or user.startswith("[") or _PORT.match(port):
            return set()
        credentials = rest.rpartition("@")[0] or place  # a slash, or no end
    user, colon, password = credentials.partition(":")
    is_token = len(user) >= _TOKEN and not scheme.endswith(_OF_PEOPLE)
    return {password if colon and password != user else "", user if is_token else ""}
