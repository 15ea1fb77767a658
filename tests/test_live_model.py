"""By what a hypermodel of this process is known again: its source, what it holds and names, and
what it builds; and what `AugmentationTuner` refuses."""

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from small_search import after, own_model_experiment

from data.errors import UserError
from data.live_code import LiveCode
from data.live_values import text_of_live
from search import AugmentationTuner
from search.driver.live_model import LiveModel
from search.driver.session import SessionOptions


def two_layers(hp: Any, units: Any = 4, rate: float = 0.01) -> keras.Model:
    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(units)]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.SGD(rate), loss="sparse_categorical_crossentropy")
    return model


def holding(held: Any) -> Callable[[Any], keras.Model]:
    def build(hp: Any) -> keras.Model:
        return two_layers(hp, int(held))

    return build


def by_default(held: Any) -> Callable[[Any], keras.Model]:
    def build(hp: Any, units: Any = held) -> keras.Model:
        return two_layers(hp, units)

    return build


class Holding(keras_tuner.HyperModel):
    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held, self.lock = held, threading.Lock()

    def build(self, hp: Any) -> keras.Model:
        return two_layers(hp, self.held)


def of_class(held: Any) -> keras_tuner.HyperModel:
    class Made(keras_tuner.HyperModel):
        def build(self, hp: Any) -> keras.Model:
            return two_layers(hp, held)

    return Made()


def by_attribute(held: Any) -> Callable[[Any], keras.Model]:
    build = holding(4)
    build.held = held  # type: ignore[attr-defined]
    return build


def by_global(held: Any) -> Any:
    """As a cell of a notebook has it."""
    module = ModuleType("cells")
    vars(module).update(two_layers=two_layers, UNITS=held)
    path = Path(os.environ["CELLS"])
    path.write_text("def build(hp):\n    return two_layers(hp, UNITS)\n")
    exec(compile(path.read_text(), str(path), "exec"), vars(module))
    return module.build


WAYS: dict[str, Callable[[Any], Any]] = {
    "closure": holding,
    "partial": lambda held: functools.partial(two_layers, units=held),
    "default": by_default,
    "instance": Holding,
    "method of an instance": lambda held: Holding(held).build,
    "class": of_class,
    "attribute": by_attribute,
    "global": by_global,
    "array": lambda held: holding(np.array([held])),
    "cached": lambda held: functools.lru_cache(holding(held)),
    "nested": lambda held: holding({"units": [held, {held}]}),
    "layer": lambda held: holding(keras.layers.Dense(held)),
    "object": lambda held: holding(Holding(held)),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_it_holds_makes_it_another(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLS", str(tmp_path / "cells.py"))
    first, again, other = (LiveCode.of(WAYS[way](held)).code.sha256 for held in (4, 4, 8))
    assert first == again
    assert first != other


def test_asking_for_a_classs_annotations_changes_nothing() -> None:
    """Which Keras does where it saves a model, and Python then keeps an empty mapping."""

    class Scale(keras.layers.Layer):
        def call(self, images: Any) -> Any:
            return images * 2

    def build(hp: Any) -> Any:
        return Scale

    before = text_of_live(build)
    Scale.__annotations__  # noqa: B018
    assert text_of_live(build) == before


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_set_among_constants_is_told_in_one_order(seed: str) -> None:
    code = (
        "from data.live_values import text_of_live\n"
        "print(text_of_live(eval(\"lambda hp: hp in {'a', 'b', 'c', 'd', 'e'}\")))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "set [\"'a'\", \"'b'\", \"'c'\", \"'d'\", \"'e'\"]" in told.replace("\\", "")


def test_two_functions_of_one_line_are_two() -> None:
    one, other = (lambda hp: two_layers(hp, 3), lambda hp: two_layers(hp, 5))
    assert LiveCode.of(one).code.sha256 != LiveCode.of(other).code.sha256


def by_environment(hp: Any) -> keras.Model:
    return two_layers(hp, int(os.environ["UNITS"]), float(os.environ.get("RATE", "0.1")))


@pytest.mark.parametrize(("key", "value"), [("UNITS", "5"), ("RATE", "0.2")])
def test_what_it_builds_makes_it_another(
    key: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNITS", "4")
    first, again = (LiveModel.of(by_environment) for _ in range(2))
    first.refuse_another()
    monkeypatch.setenv(key, value)
    with pytest.raises(UserError, match="builds another model than when this tuner was made"):
        first.refuse_another()
    digests = [each.code.code.sha256 for each in (first, again, LiveModel.of(by_environment))]
    assert digests[0] == digests[1] != digests[2]


def _experiment(folder: Path) -> dict[str, Any]:
    training = {"max_epochs": 1, "patience": 1, "batch_size": 512}
    return own_model_experiment(folder / "cache", model={}, training=training)


def test_a_search_goes_on_with_the_same_model_only(tmp_path: Path) -> None:
    stop = threading.Event()
    tuner = AugmentationTuner(_experiment(tmp_path), tmp_path / "run", hypermodel=holding(4))
    stopped = tuner.search(progress=after(1, stop.set), options=SessionOptions(stop=stop))
    assert stopped.outcome == "stopped"
    other = AugmentationTuner(_experiment(tmp_path), tmp_path / "run", hypermodel=holding(8))
    with pytest.raises(UserError, match=r"hypermodel\.py was edited .*what it holds or names"):
        other.search()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, r"hypermodel received 5 \(int\); allowed: a build function"),
        (keras.Sequential(), r"hypermodel received a model \(Sequential\)"),
    ],
)
def test_what_is_no_hypermodel_is_refused(given: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        AugmentationTuner(_experiment(tmp_path), tmp_path / "run", hypermodel=given)


class Locked(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def test_callbacks_are_a_list_of_what_can_be_copied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {**_experiment(tmp_path), "model": {"build": "mine.py:build"}}
    tuner = AugmentationTuner(config, tmp_path / "run", hypermodel=holding(4))
    assert "model.build mine.py:build is not used: hypermodel= was given" in caplog.text
    for given in (keras.callbacks.TerminateOnNaN(), [keras.callbacks.TerminateOnNaN]):
        with pytest.raises(TypeError, match=r"callbacks received .*; allowed: a list of objects"):
            tuner.search(callbacks=given)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="callbacks received a Locked that cannot be copied"):
        tuner.search(callbacks=[Locked()])
    monitor = keras.callbacks.EarlyStopping(monitor="val_accuracy")
    with pytest.raises(UserError, match="monitor=val_accuracy"):
        tuner.search(callbacks=[monitor])
    assert not (tmp_path / "run" / "trials.csv").exists()
