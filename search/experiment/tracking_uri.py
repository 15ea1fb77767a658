"""Where runs are kept: which addresses are allowed, and where the files of runs go. Talks to
nothing and does not import MLflow. What of an address is shown is `secrets`'.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from data.errors import UserError
from data.files import named_path
from data.secrets import MASK, kind_of, shown_uri, sqlite_parts

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https", "databricks", "databricks-uc")
ALLOWED_ADDRESSES = (
    "sqlite:///FILE, http(s)://HOST, postgresql://…, mysql://…, mssql://… or databricks"
)

# Of Python's sqlite3 and of SQLite's file names.
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


def check_uri(uri: str) -> str:
    """The same tracking URI. Raises UserError, which shows the right spelling, for one that MLflow
    could not keep runs at: a folder, which MLflow 3 no longer writes to, and what names no store,
    host, file or port."""
    scheme, separator, rest = uri.partition("://")
    kind = scheme.split("+")[0].lower()
    if not uri.isprintable():
        raise UserError(f"{shown_uri(uri)!r} holds a sign that does not print; write it without")
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
    options = sqlite_parts(uri)[1]
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
    if kind_of(uri) != "sqlite" or not re.search(r"\?|%[0-9A-Fa-f]{2}", uri):
        return uri
    from sqlalchemy import make_url

    path, options = sqlite_parts(uri)
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


def dashboard_address(uri: str) -> str | None:
    """Where runs kept at `uri` are looked at, without credentials: the server, or where
    `mlflow ui` listens by itself; None for databricks, which has addresses of its own."""
    if kind_of(uri) in DATABASES:
        return "http://127.0.0.1:5000"
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def is_database(uri: str) -> bool:
    return kind_of(uri) in DATABASES


def artifact_location(uri: str, run_dir: Path) -> str | None:
    """Where a new experiment's files go, as an absolute URI; None where a server decides.

    Beside an sqlite file, so that a dashboard started in another directory finds them; beside the
    run directory for other databases, which have no directory.
    """
    if kind_of(uri) not in DATABASES:
        return None
    file = sqlite_file(uri)
    folder = run_dir.parent if file is None else file.parent
    return (folder.resolve() / "mlartifacts").as_uri()


def sqlite_file(uri: str) -> Path | None:
    """The absolute file of an sqlite address, its options left out; None for every other
    address."""
    return Path(sqlite_parts(uri)[0]).resolve() if kind_of(uri) == "sqlite" else None


def _check_sqlite(uri: str) -> None:
    rest = uri.partition("://")[2]
    path, options = sqlite_parts(uri)
    if not rest.startswith("/") or path.rstrip("/") in ("", ":memory:"):
        spelling = (
            f"sqlite:///{rest}" if rest.strip("/") and "@" not in rest else "sqlite:///mlflow.db"
        )
        spelling = "sqlite:///mlflow.db" if ":memory:" in spelling else shown_uri(spelling)
        raise UserError(f"{shown_uri(uri)!r} names no file; write {spelling}")
    if re.match(r"~[^/]*/", path):
        whole = f"sqlite:///{named_path(path).as_posix()}"
        raise UserError(f"{shown_uri(uri)!r}: ~ is no folder in an address; write {whole}")
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
    if needs_host and (parts.fragment or "#" in rest):
        server = shown_uri(uri).partition("#")[0].rstrip("/")
        raise UserError(
            f"{shown_uri(uri)!r} is a page that a browser shows; write the server alone: {server}"
        )
    if needs_host and not host:
        raise UserError(f"{shown_uri(uri)!r} names no host; write {scheme}://HOST:5000")


# or a folder; say the former
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+([/?#]|$)", re.IGNORECASE)


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
    if _HOST.match(uri):
        return "a server without http://", shown_uri(f"http://{uri}")
    if kind == "file" or "://" not in uri:
        return "a folder, and MLflow 3 keeps no runs in folders", "sqlite:///mlflow.db"
    return "not an address MLflow knows", "sqlite:///mlflow.db"
