"""The winning model in a real MLflow registry: logged, registered once, loaded, served."""

import json
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow_reader import mlflow_client
from servers import free_port, running
from states import make_state

from search.tracking.mlflow_values import Winner
from search.tracking.tracker import Tracker

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
CLASSES = ("blue", "green", "red")


@pytest.fixture
def winner(colour_model: Path) -> Winner:
    return Winner(
        model_path=colour_model,
        class_names=CLASSES,
        example=images(1, 12, 10),
        registered_name="digits: first/look",
        metadata={
            "verdict": "HELPS",
            "augmentation": {"rotation_range": 15},
            "from": "http://me:hunter2@host",
        },
    )


def images(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.fixture
def logged(mlflow_uri: str, winner: Winner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    status = Tracker(mlflow_uri, "digits", tmp_path).log_winner(make_state(), winner)
    assert status.reason is None
    return "models:/digits- first-look/1"


def test_a_loaded_winner_gives_the_probabilities_of_the_keras_model(logged, colour_model):
    import keras
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(logged)
    assert loaded.metadata.metadata["class_names"] == list(CLASSES)
    assert loaded.metadata.metadata["verdict"] == "HELPS"
    assert loaded.metadata.metadata["from"] == "http://***@host"
    model = keras.saving.load_model(colour_model)
    for batch in (images(2, 8, 8), images(1, 31, 17)):
        given = loaded.predict(batch)
        assert given.shape == (len(batch), 3)
        np.testing.assert_array_equal(given, model.predict(batch, verbose=0))
        np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-6)


def test_a_winner_says_what_it_takes_and_gives_and_needs(logged):
    from mlflow.models import get_model_info
    from mlflow.pyfunc import get_model_dependencies

    info = get_model_info(logged)
    (images_in,), (probabilities,) = info.signature.inputs.inputs, info.signature.outputs.inputs
    assert (images_in.type, images_in.shape) == (np.dtype("uint8"), (-1, -1, -1, 3))
    assert (probabilities.type, probabilities.shape) == (np.dtype("float32"), (-1, 3))
    assert info.saved_input_example_info is not None
    needed = Path(get_model_dependencies(logged)).read_text().split()
    assert {line.split("==")[0] for line in needed} == {"mlflow", "tensorflow", "keras", "numpy"}
    assert all("==" in line for line in needed)


def test_a_winner_is_registered_once_a_search(logged, mlflow_uri, winner, tmp_path):
    for state in (make_state(), make_state(search_id="fedcba")):
        Tracker(mlflow_uri, "digits", tmp_path).log_winner(state, winner)
    versions = mlflow_client(mlflow_uri).search_model_versions("name = 'digits- first-look'")
    searches = {str(v.version): v.tags["augsearch.search_id"] for v in versions}
    assert searches == {"1": "0123456789abcdef", "2": "fedcba"}
    assert {v.tags["verdict"] for v in versions} == {"HELPS"}
    assert all(v.description.startswith("**Use rotation_range 15") for v in versions)
    assert {v.tags["test_accuracy"] for v in versions} == {"96.3 % (93.4 to 98.1)"}
    Tracker(mlflow_uri, "digits", tmp_path).log_winner(make_state(), winner)
    named = mlflow_client(mlflow_uri).get_registered_model("digits- first-look").aliases
    assert {name: str(version) for name, version in named.items()} == {"winner": "2"}


def test_a_winner_left_half_stored_twice_is_stored_again(mlflow_uri, winner, tmp_path):
    """Once the half of it was deleted, MLflow does not find what the run still names."""
    tracker = Tracker(mlflow_uri, "digits", tmp_path)
    for _ in range(2):
        gone = replace(winner, model_path=tmp_path / "gone.keras")
        assert "gone.keras" in tracker.log_winner(make_state(), gone).reason
    assert "18 trials in MLflow" in str(tracker.project(make_state()))
    assert "the rest was not sent: the winning model" in str(tracker.status)
    assert tracker.log_winner(make_state(), winner).reason is None
    (stored,) = mlflow_client(mlflow_uri).search_model_versions("name = 'digits- first-look'")
    assert str(stored.version) == "1"
    experiment = mlflow_client(mlflow_uri).get_experiment_by_name("digits")
    (kept,) = mlflow_client(mlflow_uri).search_logged_models([experiment.experiment_id])
    assert str(kept.status) == "READY"


def test_a_winner_is_not_lost_when_mlflow_is_away(winner, tmp_path):
    status = Tracker("http://127.0.0.1:1", "digits", tmp_path).log_winner(make_state(), winner)
    assert status.reason == "nothing answers there"


def test_only_the_winner_is_stored_however_many_trials_there_are(mlflow_uri, winner, tmp_path):
    (tmp_path / "run").mkdir()
    tracker, sizes = Tracker(mlflow_uri, "digits", tmp_path / "run"), []
    for phase in ("controls", "finished"):  # 3 trials, then 18
        state = make_state(phase)
        assert tracker.project(state).reason is None
        assert tracker.log_winner(state, winner).reason is None
        files = [path for path in (tmp_path / "mlartifacts").rglob("*") if path.is_file()]
        sizes.append(sum(path.stat().st_size for path in files))
        assert len([path for path in files if path.suffix == ".keras"]) == 1
    assert sizes[0] == sizes[1]


@pytest.mark.slow
def test_a_served_winner_answers_over_http(logged, mlflow_uri, tmp_path):
    port = free_port()
    command = ["mlflow", "models", "serve", "-m", logged, "--env-manager", "local"]
    address = f"http://127.0.0.1:{port}"
    environment = {"MLFLOW_TRACKING_URI": mlflow_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command += ["--host", "127.0.0.1", "--port", str(port)]
    photos = np.zeros((2, 20, 30, 3), np.uint8)
    photos[0, ..., 0] = photos[1, ..., 2] = 255  # one red, one blue
    with running(command, f"{address}/health", tmp_path / "serve.log", environment):
        request = urllib.request.Request(
            f"{address}/invocations",
            json.dumps({"inputs": photos.tolist()}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            given = np.array(json.load(answer)["predictions"])
    assert [CLASSES[i] for i in given.argmax(axis=1)] == ["red", "blue"]
