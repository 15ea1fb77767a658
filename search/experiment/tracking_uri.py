"""Where runs are kept: which addresses are allowed, how one is shown without its credentials, and where the
files of runs go. Talks to nothing and does not import MLflow.
"""

import re
from pathlib import Path

from data.errors import UserError

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https", "databricks", "databricks-uc")
ALLOWED = "sqlite:///FILE, http(s)://HOST, postgresql://…, mysql://…, mssql://… or databricks"

# Without the scheme before it: looking for one in a page with megabytes of base64 takes half a minute.
_USERINFO = re.compile(r"(://)[^\s/\"'<>]*@")
_SECRET_ARGUMENT = re.compile(r"(?i)([?&;][\w.\-]*(?:password|passwd|secret|token)[\w.\-]*=)[^&;\s\"'<>]*")


def checked_uri(uri: str) -> str:
    """The tracking URI as MLflow takes it, an sqlite file made absolute. Its credentials stay in it.

    Raises UserError for a folder, which MLflow 3 no longer writes to, and for what it does not know.
    """
    scheme, _, rest = uri.partition("://")
    kind = scheme.split("+")[0].lower()
    if kind == "sqlite":
        return f"{scheme}:///{_sqlite_file(uri, rest)}"
    if kind in (*DATABASES, *SERVERS):
        return uri
    shown, folder = redacted(uri), kind == "file" or "://" not in uri
    why = "a folder, and MLflow 3 keeps no runs in folders" if folder else "not an address MLflow knows"
    raise UserError(f"tracking.uri: {shown!r} is {why}; allowed: {ALLOWED}; write sqlite:///mlflow.db")


def redacted(text: str) -> str:
    """`text` with the credentials of every address in it replaced by `***`, to be shown, logged or stored."""
    return _SECRET_ARGUMENT.sub(r"\1***", _USERINFO.sub(r"\1***@", text))


def is_database(uri: str) -> bool:
    return uri.partition("://")[0].split("+")[0].lower() in DATABASES


def artifact_location(uri: str, run_dir: Path) -> str | None:
    """Where a new experiment's files go, as an absolute URI; None where a server decides.

    Beside an sqlite file, so that a dashboard started in another directory finds them; beside the run
    directory for other databases, which have no directory.
    """
    kind = uri.partition("://")[0].split("+")[0].lower()
    if kind not in DATABASES:
        return None
    folder = Path(_sqlite_file(uri, uri.partition("://")[2])).parent if kind == "sqlite" else run_dir.parent
    return (folder.resolve() / "mlartifacts").as_uri()


def sqlite_file(uri: str) -> Path | None:
    """The file of an sqlite address, its options left out; None for every other address."""
    scheme, _, rest = uri.partition("://")
    if scheme.split("+")[0].lower() != "sqlite":
        return None
    return Path(_sqlite_file(uri, rest).partition("?")[0])


def _sqlite_file(uri: str, rest: str) -> str:
    """The absolute path in `sqlite:///path`, its options kept."""
    path, question, options = rest.removeprefix("/").partition("?")
    if not rest.startswith("/") or path in ("", ":memory:"):
        raise UserError(f"tracking.uri: {redacted(uri)!r} names no file; write sqlite:///mlflow.db")
    return f"{Path(path).resolve().as_posix()}{question}{options}"
