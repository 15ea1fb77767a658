"""Code of the user's own on a Ray cluster: nodes that have neither the file nor its folder are
given its text. Minutes: marked slow."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")

import cluster_search
from cluster_search import finish, on_ray, start, table
from ray_cluster import ray_cluster
from small_search import EXPERIMENT, sit

from search.driver.experiment_file import load_config

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CODE = """import keras


def darken(images, strength, units):
    return (images * (1 - strength * units[:, :1, None, None])).astype("uint8")


def build(hp):
    layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    rate = hp.Choice("rate", [0.01, 0.1])
    model.compile(keras.optimizers.SGD(rate), loss="sparse_categorical_crossentropy")
    return model
"""


def test_a_cluster_runs_code_of_one_s_own_and_gives_the_local_leaderboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    experiment: dict[str, Any] = {
        **EXPERIMENT,
        "augmentation": {"mine.py:darken": {"min": 0, "max": 0.5}},
        "model": {"build": "mine.py:build"},
        "training": {"max_epochs": 2, "patience": 2, "batch_size": 256},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "controls": []},
        "tracking": {"uri": None},
    }
    monkeypatch.setattr(cluster_search, "EXPERIMENT", experiment)
    with ray_cluster(tmp_path, "first") as cluster:
        finish(start(tmp_path, on_ray(cluster.address)), tmp_path)
    found = table(tmp_path)
    monkeypatch.chdir(tmp_path)
    cache = {"cache_dir": str(tmp_path / "cache")}
    sit(load_config({**experiment, "execution": cache}), tmp_path / "local" / "run")
    assert [row.split(",")[:3] for row in found] == [
        row.split(",")[:3] for row in table(tmp_path / "local")
    ]
