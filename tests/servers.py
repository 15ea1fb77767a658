"""Starting a real server for a test and stopping all of it, MLflow's and PostgreSQL's among them,
and a TCP relay that stands for a network that comes and goes.
"""

import importlib.util
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DRIVERS = {"psycopg2": "postgresql+psycopg2", "psycopg": "postgresql+psycopg"}
STARTS_WITHIN_SECONDS = 180  # imports take long on a busy machine


@dataclass(frozen=True)
class MlflowServer:
    """A running `mlflow server`. store: the address of the database behind it."""

    address: str
    port: int
    store: str


@contextmanager
def running_mlflow(folder: Path, store: str) -> Iterator[MlflowServer]:
    """A server of one worker that keeps its artifacts, and its log, in `folder`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts")]
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with running(command, f"{address}/health", folder / "server.log", environment):
        yield MlflowServer(address, port, store)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def running(
    command: Sequence[str], health_url: str, log: Path, env: Mapping[str, str]
) -> Iterator[None]:
    """`python -m COMMAND`, from when `health_url` answers; the whole process group is gone
    afterwards."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, "PATH": programs, **env},
            cwd=log.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(health_url, process, log)
        yield
    finally:
        _stop(process)


@contextmanager
def relay(port: int, target_port: int) -> Iterator[None]:
    """Passes what comes to `port` on to `target_port`, for as long as the block lasts."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", target_port)) as onward:
                back = threading.Thread(target=_pump, args=(onward, self.request))
                back.start()
                _pump(self.request, onward)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return  # one side hung up, which ends the relaying


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"no server at {url}:\n{log.read_text()[-3000:]}")


def _stop(process: subprocess.Popen) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
            process.wait(20)
            return
        except ProcessLookupError:
            process.wait(20)
            return
        except subprocess.TimeoutExpired:
            continue


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
