"""Where runs are kept: which addresses are allowed, how one is shown without its secrets, and where
the files of runs go. Talks to nothing and does not import MLflow.
"""

import contextlib
import os
import re
from pathlib import Path
from urllib.parse import unquote_plus, urlsplit

from data.errors import UserError

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https", "databricks", "databricks-uc")
ALLOWED_ADDRESSES = (
    "sqlite:///FILE, http(s)://HOST, postgresql://…, mysql://…, mssql://… or databricks"
)
MASK = "***"
SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "DATABRICKS_TOKEN")

# Of Python's sqlite3 and of SQLite's file names. A `?` before anything else is part of the file's
# name.
SQLITE_OPTIONS = (
    *(
        "cache",
        "cached_statements",
        "check_same_thread",
        "detect_types",
        "immutable",
        "isolation_level",
    ),
    *("mode", "nolock", "psow", "timeout", "uri", "vfs"),
)

# Without the scheme before it: looking for one in a page with megabytes of base64 takes half a
# minute.
# A password may hold any sign: after `user:`, where no port stands, all up to the last @ near by is
# taken for one.
_PASSWORD = r"[^\s/@:\"'<>]*:(?!\d+(?:[\s\"'<>/?#,;.)]|$))[^\n\"@]{0,200}(?=@)"
_ADDRESS = re.compile(rf"://(?:{_PASSWORD})?[^\s\"'<>]*")
_SCHEME = re.compile(r"[A-Za-z][\w+.\-]*\Z")
_LONGEST_SCHEME = 40
_OPTIONS = re.compile(r"\w+=[^&]*(&\w+=[^&]*)*")
_SHORT = 4  # characters; a shorter secret is hidden where it stands as a word of its own


def check_uri(uri: str) -> str:
    """The same tracking URI. Raises UserError, which shows the right spelling, for one that MLflow
    could not keep runs at: a folder, which MLflow 3 no longer writes to, and what names no store,
    host, file or port."""
    scheme, separator, rest = uri.partition("://")
    kind = scheme.split("+")[0].lower()
    if kind == "sqlite" and separator:
        _check_sqlite(uri)
    elif kind in DATABASES and separator:
        _check_host(uri, needs_host=False)
    elif kind in ("http", "https") and separator:
        _check_host(uri, needs_host=True)
    elif kind.startswith("databricks") and re.search(r"\s", rest):
        raise UserError(
            f"{shown_uri(uri)!r} has a space in the profile's name; write databricks or "
            "databricks://PROFILE"
        )
    elif kind not in SERVERS or kind in ("http", "https"):
        why, spelling = _mistake(uri, kind, rest)
        raise UserError(
            f"{shown_uri(uri)!r} is {why}; allowed: {ALLOWED_ADDRESSES}; write {spelling}"
        )
    return uri


def checked_uri(uri: str) -> str:
    """The tracking URI with which runs are sent, an sqlite file made absolute. Its secrets stay in
    it.

    Raises UserError as `check_uri`, and for one that was kept by a search, which keeps no secrets.
    """
    try:
        check_uri(uri)
    except UserError as error:
        raise UserError(f"tracking.uri: {error}") from None
    if MASK in uri:
        raise UserError(
            f"tracking.uri: {shown_uri(uri)!r} was written by a search, which keeps no secrets of "
            "an address; "
            "write it out again, as in --set tracking.uri=… or, for sync, --uri …"
        )
    if (file := sqlite_file(uri)) is None:
        return uri
    options = _sqlite_parts(uri)[1]
    return f"{uri.partition('://')[0]}:///{file.as_posix()}{'?' if options else ''}{options}"


def check_database(uri: str) -> None:
    """Raises UserError where an sqlite address names what cannot be a database: a folder, a device,
    what cannot be written."""
    if (file := sqlite_file(uri)) is not None and (why := _no_database(file)):
        raise UserError(
            f"tracking.uri: {shown_uri(uri)!r}: {why}; write another file, such as "
            "sqlite:///mlflow.db"
        )


def _no_database(file: Path) -> str:
    """Why this file cannot be a database: nothing where it is or may become one."""
    try:
        if file.exists():
            if not file.is_file():
                return f"{file} is a {'folder' if file.is_dir() else 'device'} and no file"
            return "" if os.access(file, os.W_OK) else f"{file} cannot be written to"
        parent = next(folder for folder in file.parents if folder.exists())
    except OSError as error:
        return f"{file} cannot be a file ({error.strerror})"
    if not parent.is_dir():
        return f"{parent} is no folder"
    return (
        "" if os.access(parent, os.W_OK | os.X_OK) else f"the folder {parent} cannot be written to"
    )


def mlflow_uri(uri: str) -> str:
    """As MLflow is given it: where a file's name holds `?` or `%41`, escaped as SQLAlchemy reads
    it."""
    if _kind(uri) != "sqlite" or not re.search(r"\?|%[0-9A-Fa-f]{2}", uri):
        return uri
    from sqlalchemy import make_url

    path, options = _sqlite_parts(uri)
    options = f"?{options}" if options else ""
    escaped = path.replace("%", "%25").replace("?", "%3F")
    # Under the driver's name: for "sqlite:" MLflow makes the escaped folder as well.
    spellings = (f"sqlite:///{path}{options}", f"sqlite+pysqlite:///{escaped}{options}")
    for spelling in spellings:
        if make_url(spelling).database == path:
            return spelling
    raise UserError(
        f"tracking.uri: {shown_uri(uri)!r} has a ? in a file's name, which needs SQLAlchemy 2.1; "
        "choose another name"
    )


def shown_uri(uri: str) -> str:
    """One address, whatever is in it, without what may be secret: all between scheme and host, the
    value of every option, and the fragment. Where the parts are in doubt more is hidden."""
    scheme, separator, rest = uri.partition("://")
    if not separator or not _SCHEME.match(scheme):
        scheme, separator, rest = "", "", uri
    return f"{scheme}{separator}{_without_secrets(scheme, rest)}"


def shown_override(text: str) -> str:
    """What was written behind --set, wrongly, as one address: all up to its last @ is hidden but
    for the name before."""
    before, separator, rest = text.partition("://")
    return (
        f"{before}{shown_uri(f'x://{rest}')[1:]}"
        if separator and "@" not in before
        else shown_uri(text)
    )


def redacted(text: str) -> str:
    """`text` with the secrets of every address in it replaced by `***`, to be shown, logged or
    stored."""

    def shown(found: re.Match[str]) -> str:
        before = _SCHEME.search(text[max(0, found.start() - _LONGEST_SCHEME) : found.start()])
        return f"://{_without_secrets(before.group() if before else '', found.group()[3:])}"

    return _ADDRESS.sub(shown, text)


def without_secrets_of(text: str, uri: str) -> str:
    """`text` that MLflow or a driver has written about this address: neither its secrets nor those
    of any other are in it."""
    for secret in sorted(secrets_of(uri), key=len, reverse=True):
        edge = r"(?<!\w){}(?!\w)" if len(secret) < _SHORT else "{}"
        text = re.sub(edge.format(re.escape(secret)), MASK, text)
    return redacted(text)


def secrets_of(uri: str) -> set[str]:
    """Every string of an address that is not to be shown, as it is written and as a driver decodes
    it, and the secrets that MLflow takes from the environment."""
    found = {os.environ.get(name, "") for name in SECRET_VARIABLES}
    rest = uri.partition("://")[2] or uri
    if _kind(uri) == "sqlite" and rest.startswith("/"):
        rest = f"?{_sqlite_parts(uri)[1]}"
    credentials, _, rest = rest.rpartition("@")
    found |= {
        credentials,
        *credentials.split(":", 1),
        *re.split("[@:/?#]", credentials),
    }  # a driver may cut elsewhere
    rest, _, fragment = rest.partition("#")
    items = re.split("[&;]", rest.partition("?")[2])
    found |= {fragment, *(item.partition("=")[2] or item for item in items)}
    found |= _read_by_sqlalchemy(uri)
    found |= {unquote_plus(each) for each in found}
    # odbc_connect is a list of its own: DRIVER=…;UID=…;PWD=…
    found |= {part.partition("=")[2] for each in found if ";" in each for part in each.split(";")}
    return found - {"", MASK}


def is_database(uri: str) -> bool:
    return uri.partition("://")[0].split("+")[0].lower() in DATABASES


def artifact_location(uri: str, run_dir: Path) -> str | None:
    """Where a new experiment's files go, as an absolute URI; None where a server decides.

    Beside an sqlite file, so that a dashboard started in another directory finds them; beside the
    run directory for other databases, which have no directory.
    """
    if _kind(uri) not in DATABASES:
        return None
    file = sqlite_file(uri)
    folder = run_dir.parent if file is None else file.parent
    return (folder.resolve() / "mlartifacts").as_uri()


def sqlite_file(uri: str) -> Path | None:
    """The absolute file of an sqlite address, its options left out; None for every other
    address."""
    return Path(_sqlite_parts(uri)[0]).resolve() if _kind(uri) == "sqlite" else None


def _kind(uri: str) -> str:
    return uri.partition("://")[0].split("+")[0].lower()


def _sqlite_parts(uri: str) -> tuple[str, str]:
    """The path as it is written, and the options behind it."""
    rest = uri.partition("://")[2].removeprefix("/")
    path, _, options = rest.rpartition("?")
    return (path, options) if path and _OPTIONS.fullmatch(options) else (rest, "")


def _without_secrets(scheme: str, rest: str) -> str:
    """rest: what follows `scheme://`."""
    if scheme.split("+")[0].lower() == "sqlite" and rest.startswith(
        "/"
    ):  # a path: an @ or a # is part of it
        path, options = _sqlite_parts(f"://{rest}")
        return f"/{path}?{_hidden(options)}" if options else rest
    # A password may hold any sign, so that only the last @ is sure to end it.
    credentials, at, rest = rest.rpartition("@")
    rest, hash_sign, fragment = rest.partition("#")
    rest, question, options = rest.partition("?")
    rest, semicolon, parameters = rest.partition(";")  # of a path
    shown = f"{MASK if credentials else ''}{at}{rest}{semicolon}{_hidden(parameters)}"
    return f"{shown}{question}{_hidden(options)}{hash_sign}{MASK if fragment else ''}"


def _hidden(options: str) -> str:
    return re.sub(r"([^&;=]*=)?[^&;]+", lambda item: f"{item[1] or ''}{MASK}", options)


def _read_by_sqlalchemy(uri: str) -> set[str]:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    with contextlib.suppress(ArgumentError, ValueError):  # no address, or no such port
        read = make_url(uri)
        values = (value if isinstance(value, tuple) else (value,) for value in read.query.values())
        return {
            read.username or "",
            str(read.password or ""),
            *(each for group in values for each in group),
        }
    return set()


def _check_sqlite(uri: str) -> None:
    rest = uri.partition("://")[2]
    path, options = _sqlite_parts(uri)
    if not rest.startswith("/") or path.rstrip("/") in ("", ":memory:"):
        spelling = (
            f"sqlite:///{rest}" if rest.strip("/") and "@" not in rest else "sqlite:///mlflow.db"
        )
        spelling = "sqlite:///mlflow.db" if ":memory:" in spelling else shown_uri(spelling)
        raise UserError(f"{shown_uri(uri)!r} names no file; write {spelling}")
    names = [option.partition("=")[0] for option in options.split("&") if option]
    if unknown := [name for name in names if name not in SQLITE_OPTIONS]:
        raise UserError(
            f"{shown_uri(uri)!r} gives sqlite the option {unknown[0]!r}; allowed: "
            f"{', '.join(SQLITE_OPTIONS)}; a file's own name cannot end so: choose another"
        )


def _check_host(uri: str, needs_host: bool) -> None:
    scheme, _, rest = uri.partition("://")
    try:
        parts = urlsplit(f"{scheme}://{rest.rpartition('@')[2]}")
        host, _ = parts.hostname, parts.port  # which raises for a port that is none
        if re.search(r"\s", host or ""):
            raise ValueError("a space in the host")
    except ValueError as error:
        reason = "port" if "port" in str(error).lower() else "host"
        raise UserError(
            f"{shown_uri(uri)!r} has no valid {reason}; write {scheme}://HOST:PORT, with a port "
            "from 0 to 65535"
        ) from None
    if needs_host and not host:
        raise UserError(f"{shown_uri(uri)!r} names no host; write {scheme}://HOST:5000")


def _mistake(uri: str, kind: str, rest: str) -> tuple[str, str]:
    """What an address that is not allowed seems to be, and how what was meant is spelt."""
    if kind == "postgres":
        return "not an address MLflow knows", shown_uri(f"postgresql://{rest}")
    if re.match(r"sqlite:", uri, re.IGNORECASE):
        file = uri.partition(":")[2].lstrip("/") or "mlflow.db"
        return "no address of a file", shown_uri(f"sqlite:///{file}")
    if re.match(r"(https?[:/]|(localhost|[^/?#]*:\d+)([/?#]|$))", uri):
        host = re.sub(r"^https?:?/*", "", uri)
        return "a server without http://", shown_uri(f"http://{host or 'HOST:5000'}")
    if re.fullmatch(r"[^?@:]+\.(db|sqlite3?)", uri):
        return "a file without sqlite:///", f"sqlite:///{uri}"
    if kind == "file" or "://" not in uri:
        return "a folder, and MLflow 3 keeps no runs in folders", "sqlite:///mlflow.db"
    return "not an address MLflow knows", "sqlite:///mlflow.db"
