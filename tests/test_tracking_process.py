"""Tracking as a program of its own: killed, without a network, without a word, without its
secrets."""

import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from mlflow_reader import artifacts_of, mlflow_client, parent_in, runs_in
from states import make_state

from search.tracking.mlflow_values import PARENT_TAG
from search.tracking.tracker import Tracker

# MLflow's own call of SQLAlchemy, which is right until SQLAlchemy takes it away.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
ROOT = Path(__file__).parents[1]


def test_a_sender_killed_while_sending_leaves_nothing_double(mlflow_uri, run_dir):
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        "from pathlib import Path; from states import make_state; from search.tracking.tracker "
        "import Tracker\n"
        f"tracker = Tracker({mlflow_uri!r}, 'digits', Path({str(run_dir)!r}))\n"
        "tracker.project(make_state('confirm', num_epochs=150))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    sent, deadline = 0, time.monotonic() + 60
    while sent < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
        path = mlflow_uri.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=20)) as database:
            (sent,) = database.execute("select count(*) from runs").fetchone()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 4 <= sent < 14
    state = make_state("confirm", num_epochs=150)
    assert Tracker(mlflow_uri, "digits", run_dir).project(state).unsent == 0
    children = [run for run in runs_in(mlflow_uri) if PARENT_TAG in run.data.tags]
    assert len(children) == len({run.data.tags["augsearch.trial"] for run in children}) == 13
    for run in children:
        assert len(mlflow_client(mlflow_uri).get_metric_history(run.info.run_id, "loss")) == 150


def test_credentials_reach_no_store_no_artifact_no_log_and_no_status(
    mlflow_uri, run_dir, monkeypatch, caplog, capfd
):
    caplog.set_level(logging.DEBUG)
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.setenv(name, "hunter2")
    secret = "http://me:hunter2@localhost:1/runs"
    (run_dir / "config.yaml").write_text(f"tracking:\n  uri: {secret}\n")
    opened = make_state().opened
    config = {
        **opened.config,
        "tracking": {"uri": secret},
        "dataset": {"source": "folder", "path": "https://me:hunter2@host/x"},
    }
    state = make_state().model_copy(update={"opened": opened.model_copy(update={"config": config})})
    Tracker(mlflow_uri, "digits", run_dir).project(state)
    status = Tracker(secret, "digits", run_dir).project(state)
    assert status.unsent == 18
    assert "***@localhost" in str(status)
    written = [
        p.read_bytes() for p in run_dir.parents[1].rglob("*") if p.is_file() and p.parent != run_dir
    ]
    assert len(written) >= 2
    assert not any(b"hunter2" in data for data in written)
    assert "hunter2" not in str(status) + caplog.text + "".join(capfd.readouterr())
    assert (
        "http://***@localhost:1/runs"
        in artifacts_of(mlflow_uri, parent_in(mlflow_uri))["config.yaml"]
    )


def test_a_new_store_is_made_without_a_word_and_without_the_network(tmp_path, run_dir):
    uri = f"sqlite:///{tmp_path / 'a folder' / 'mlflow.db'}"
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        "calls = []\n"
        "sys.addaudithook(lambda event, args: calls.append((event, args)) if event in "
        "('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname', 'socket.sendto') else "
        "None)\n"
        "from pathlib import Path; from states import make_state; from search.tracking.tracker "
        "import Tracker\n"
        f"tracker = Tracker({uri!r}, 'digits', Path({str(run_dir)!r}))\n"
        "status = tracker.project(make_state('controls'))\n"
        "assert status.unsent == 0, status\n"
        "assert not calls, calls\n"
    )
    kept = {
        k: v for k, v in os.environ.items() if not re.match("MLFLOW_|PYTEST_|CI$|DO_NOT_TRACK", k)
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_tracker_is_imported_without_what_it_will_need_later():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import search.tracking.tracker; "
        "sys.exit(bool({'mlflow', 'tensorflow', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
