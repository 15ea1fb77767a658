"""A real `mlflow server` on loopback, with PostgreSQL behind it where the system has one, else
sqlite: two searches at once, a server that is away, slow, or drops the line, and credentials.
"""

import base64
import http.server
import socket
import threading
import time
import urllib.request

import numpy as np
import pytest
from servers import MlflowServer, free_port, relay
from states import make_state

from search.tracking.mlflow_values import PARENT_TAG, Winner
from search.tracking.tracker import Tracker
from search.training.progress import EpochReport

pytestmark = [
    # MLflow's own call of SQLAlchemy, which is right until SQLAlchemy takes it away.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    # Keras reads a TensorFlow variable in the way of NumPy 1.
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
    ),
    # Said of MLflow's own types while it imports them.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
NOTHING_LISTENS = "nothing answers there"


def client(mlflow_server: MlflowServer):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=mlflow_server.address, registry_uri=mlflow_server.address)


def runs_of(mlflow_server: MlflowServer, search_id: str) -> tuple[list, list]:
    """The parents and the children of a search, over all experiments."""
    experiments = [e.experiment_id for e in client(mlflow_server).search_experiments()]
    found = client(mlflow_server).search_runs(
        experiments, f"tags.`augsearch.search_id` = '{search_id}'"
    )
    children = [run for run in found if PARENT_TAG in run.data.tags]
    return [run for run in found if PARENT_TAG not in run.data.tags], children


def assert_complete(mlflow_server: MlflowServer, state) -> None:
    """One parent, and every trial once with every point of its curve once."""
    parents, children = runs_of(mlflow_server, state.opened.search_id)
    assert len(parents) == 1
    told = [r for r in state.records if r.result is not None]
    assert sorted(int(run.data.tags["augsearch.trial"]) for run in children) == [
        r.trial for r in told
    ]
    assert {run.data.tags[PARENT_TAG] for run in children} == {parents[0].info.run_id}
    for run in children:
        record = told[int(run.data.tags["augsearch.trial"])]
        points = client(mlflow_server).get_metric_history(run.info.run_id, "loss")
        assert [p.value for p in sorted(points, key=lambda p: p.step)] == list(
            record.result.curve.loss
        )


def artifact(mlflow_server: MlflowServer, run_id: str, path: str) -> str:
    """A run's file the way the dashboard gets it."""
    url = f"{mlflow_server.address}/get-artifact?run_uuid={run_id}&path={path}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def wait_until(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_two_searches_log_at_once(mlflow_server, tmp_path):
    states = [
        [make_state(p, search_id=s) for p in ("controls", "search", "finished")]
        for s in ("one", "two")
    ]
    trackers = [
        Tracker(mlflow_server.address, "shared", tmp_path / name) for name in ("one", "two")
    ]
    for step in zip(*states, strict=True):
        for tracker, state in zip(trackers, step, strict=True):
            tracker.submit(state)
        time.sleep(0.3)
    assert [tracker.close(timeout=120).unsent for tracker in trackers] == [0, 0]
    for _, _, finished in states:
        assert_complete(mlflow_server, finished)


def test_a_server_that_comes_back_gets_what_it_missed(mlflow_server, run_dir):
    port = free_port()
    tracker = Tracker(f"http://127.0.0.1:{port}", "away", run_dir, retry_seconds=0.2)
    started = time.monotonic()
    for phase in ("opened", "controls", "search"):
        tracker.submit(make_state(phase, search_id="away"))
    assert time.monotonic() - started < 0.5
    wait_until(lambda: tracker.status.reason)
    assert (
        str(tracker.status)
        == f"9 trials not sent to MLflow at http://127.0.0.1:{port}: {NOTHING_LISTENS}"
    )
    with relay(port, mlflow_server.port):
        wait_until(lambda: not tracker.status.unsent)
        assert tracker.close(timeout=60).reason is None
    assert_complete(mlflow_server, make_state("search", search_id="away"))


def test_what_was_missed_altogether_is_sent_by_a_later_projection(mlflow_server, run_dir):
    port = free_port()
    tracker = Tracker(f"http://127.0.0.1:{port}", "missed", run_dir)
    tracker.submit(make_state("search", search_id="missed"))
    assert tracker.close(timeout=60).reason == NOTHING_LISTENS
    with relay(port, mlflow_server.port):
        for _ in range(2):
            later = Tracker(f"http://127.0.0.1:{port}", "missed", run_dir)
            assert later.project(make_state("search", search_id="missed")).unsent == 0
    assert_complete(mlflow_server, make_state("search", search_id="missed"))


def test_a_line_that_drops_in_the_middle_doubles_nothing(mlflow_server, run_dir):
    port, state = free_port(), make_state("confirm", search_id="dropped", num_epochs=60)
    tracker = Tracker(f"http://127.0.0.1:{port}", "dropped", run_dir, retry_seconds=0.05)
    for sent in (2, 5):
        with relay(port, mlflow_server.port):
            tracker.submit(state)
            wait_until(lambda sent=sent: tracker.status.sent >= sent)
        wait_until(lambda: tracker.status.reason or not tracker.status.unsent)
    with relay(port, mlflow_server.port):
        assert tracker.close(timeout=60).unsent == 0 or tracker.project(state).unsent == 0
    assert_complete(mlflow_server, state)


def test_a_trial_followed_through_an_outage_has_every_epoch_once(mlflow_server, run_dir):
    port, state = free_port(), make_state("search", search_id="live")
    running = make_state("search", search_id="live", running=(8,))
    curve = state.records[8].result.curve.values
    tracker = Tracker(f"http://127.0.0.1:{port}", "live", run_dir, retry_seconds=0.2)

    def hear(first: int, last: int) -> None:
        for epoch in range(first, last + 1):
            values = (
                curve[name][epoch - 1] for name in ("loss", "accuracy", "val_loss", "val_accuracy")
            )
            tracker.trial_epoch(running.records[8], EpochReport(epoch, 12, *values))

    tracker.submit(running)
    hear(1, 3)
    wait_until(lambda: tracker.status.reason)
    hear(4, 5)
    with relay(port, mlflow_server.port):
        wait_until(lambda: not tracker.status.reason)
        # the running trial's own run among them
        wait_until(lambda: len(runs_of(mlflow_server, "live")[1]) == 9)
        hear(6, 9)
        tracker.trial_told(state.records[8])
        tracker.submit(state)
        assert tracker.close(timeout=60).unsent == 0
    assert_complete(mlflow_server, state)


def test_a_server_that_never_answers_holds_nobody_up(run_dir, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracker = Tracker(f"http://127.0.0.1:{silent.getsockname()[1]}", "slow", run_dir)
        started = time.monotonic()
        tracker.submit(make_state("search"))
        submitted = time.monotonic()
        status = tracker.close(timeout=0.2)
        assert submitted - started < 0.2
        assert time.monotonic() - submitted < 1
        assert (status.unsent, status.reason) == (9, "no answer within 0.2 seconds")
        assert tracker.project(make_state("search")).reason == "no answer in time"


def test_a_search_written_straight_to_the_database_is_read_by_a_server_elsewhere(
    mlflow_server, run_dir
):
    (run_dir / "trials.csv").write_text("trial\n0\n")
    state = make_state("controls", search_id="straight")
    assert Tracker(mlflow_server.store, "straight", run_dir).project(state).unsent == 0
    assert_complete(mlflow_server, state)
    ((parent,), _) = runs_of(mlflow_server, "straight")
    assert artifact(mlflow_server, parent.info.run_id, "trials.csv") == "trial\n0\n"


def test_the_dashboard_gets_the_description_files_and_inputs(mlflow_server, run_dir):
    (run_dir / "figures").mkdir()
    (run_dir / "figures" / "forest.png").write_text("a figure")
    Tracker(mlflow_server.address, "seen", run_dir).project(
        make_state(search_id="seen", failed=(4,))
    )
    ((parent,), children) = runs_of(mlflow_server, "seen")
    assert parent.data.tags["mlflow.note.content"].startswith("**Use rotation_range 15")
    assert artifact(mlflow_server, parent.info.run_id, "figures/forest.png") == "a figure"
    assert {i.tags[0].value for i in parent.inputs.dataset_inputs} == {"training", "validation"}
    (failed,) = [run for run in children if run.info.status == "FAILED"]
    assert "FloatingPointError" in artifact(mlflow_server, failed.info.run_id, "traceback.txt")


def test_a_winner_is_stored_on_the_server_and_loads_from_there(
    mlflow_server, run_dir, colour_model, monkeypatch
):
    import keras
    import mlflow.pyfunc

    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.address)
    example = np.zeros((1, 8, 8, 3), np.uint8)
    winner = Winner(colour_model, ("blue", "green", "red"), example, "digits", {"verdict": "HELPS"})
    state = make_state("opened", search_id="winner")
    tracker = Tracker(mlflow_server.address, "winner", run_dir)
    assert [tracker.log_winner(state, winner).reason for _ in range(2)] == [None, None]
    photo = np.full((1, 5, 9, 3), 200, np.uint8)
    expected = keras.saving.load_model(colour_model).predict(photo, verbose=0)
    np.testing.assert_array_equal(
        mlflow.pyfunc.load_model("models:/digits@winner").predict(photo), expected
    )


def test_credentials_go_to_the_server_and_nowhere_else(run_dir, monkeypatch, caplog, capfd):
    received = []

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append(self.headers["Authorization"])
            self.send_response(401)
            self.end_headers()

        def log_message(self, *parts: object) -> None:
            """Says nothing: the test reads stderr."""

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as refusing:
        thread = threading.Thread(target=refusing.serve_forever, args=(0.05,))
        thread.start()
        status = Tracker(f"http://127.0.0.1:{refusing.server_port}", "x", run_dir).project(
            make_state()
        )
        refusing.shutdown()
        thread.join()
    assert received[0] == f"Basic {base64.b64encode(b'me:hunter2').decode()}"
    assert status.reason.startswith("access denied; set MLFLOW_TRACKING_USERNAME and")
    assert "hunter2" not in str(status) + caplog.text + "".join(capfd.readouterr())
