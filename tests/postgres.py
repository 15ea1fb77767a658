"""A PostgreSQL of a test's own, from the system's package; no address where there is none."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import free_port

DRIVERS = {"psycopg2": "postgresql+psycopg2", "psycopg": "postgresql+psycopg"}


@contextmanager
def running_postgres() -> Iterator[str | None]:
    """`postgresql+driver://…` of a fresh, empty cluster; None without the server's programs or a
    driver."""
    programs = _programs()
    scheme = next((s for name, s in DRIVERS.items() if importlib.util.find_spec(name)), None)
    if programs is None or scheme is None:
        yield None
        return
    # Not below pytest's directory: PostgreSQL runs as another user than root, who could not enter
    # it.
    folder = Path(tempfile.mkdtemp(prefix="augsearch-postgres-", dir="/tmp"))
    user = _unprivileged_user(folder)
    data, port = folder / "data", free_port()

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        subprocess.run(
            command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, timeout=120
        )

    try:
        run("initdb", "-D", str(data), "-U", "me", "-A", "trust", "--no-sync")
        options = f"-p {port} -k {folder} -h 127.0.0.1 -F"
        run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "start")
        try:
            yield f"{scheme}://me:hunter2@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    found = shutil.which("postgres")
    folders = (
        [Path(found).resolve().parent]
        if found
        else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    )
    return next(
        (f for f in reversed(folders) if (f / "initdb").exists() and (f / "pg_ctl").exists()), None
    )


def _unprivileged_user(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root; its package brings a user of that name."""
    if os.geteuid() != 0:
        return None
    shutil.chown(folder, "postgres")
    return "postgres"
