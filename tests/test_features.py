"""Features: right by every engine, the same to the bit whatever the threads, and never silently
from another engine.
"""

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_networks import noise, tiny_model

from data.errors import UserError
from search.experiment.precisions import PRECISIONS
from search.features import devices
from search.features import extractor as features
from search.features.backbones import build_backbone
from search.features.extractor import (
    FEATURE_ENGINES,
    Extractor,
    FeatureEngine,
    build_extractor,
    by_keras,
    relative_difference,
)
from search.features.runners import exported, fixed_batches, import_openvino

SIZE = 32
FAST = ("openvino", "tensorflow")


@pytest.fixture(scope="module")
def lite0() -> Any:
    return build_backbone("efficientnet-lite0", "imagenet", SIZE)


@pytest.fixture(scope="module")
def extractor_of(lite0: Any, cache: Path) -> Callable[[str], Extractor]:
    """EfficientNet-Lite0 by an engine, built once."""
    return functools.cache(lambda engine: build_extractor(lite0, engine, cache_dir=cache))


def cut(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (images[start : start + size] for start in range(0, len(images), size))


# Fixed batches.


def test_batches_are_cut_at_multiples_whatever_came_in() -> None:
    images = noise(11, 4)
    for size in (1, 3, 4, 8, 11, 64):
        cuts = list(fixed_batches(cut(images, size), 4, (4, 4, 3)))
        assert [(batch.start, batch.num_images) for batch in cuts] == [(0, 4), (4, 4), (8, 3)]
        assert all(batch.images.shape == (4, 4, 4, 3) for batch in cuts)
        together = np.concatenate([batch.images[: batch.num_images] for batch in cuts])
        np.testing.assert_array_equal(together, images)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 4, 4, 3), np.float32), np.zeros((2, 4, 5, 3), np.uint8)]
)
def test_other_images_than_announced_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"the extractor takes uint8 \(4, 4, 3\)"):
        list(fixed_batches([images], 4, (4, 4, 3)))


# Engines.


@pytest.mark.parametrize("engine", FEATURE_ENGINES)
def test_every_engine_gives_kerass_features(
    lite0: Any, extractor_of: Callable[[str], Extractor], engine: str
) -> None:
    extractor = extractor_of(engine)
    assert (extractor.engine, extractor.precision) == (engine, "float32")
    images = noise(13, SIZE)
    found = extractor.extract(cut(images, 5), 13)
    assert found.shape == (13, *extractor.output_shape) == (13, 1280)
    assert found.dtype == np.float32
    # Engines sum in another order: a few units in the last place of float32, layer after layer.
    assert relative_difference(found, np.asarray(lite0(images))) < 1e-5


def test_openvino_is_the_same_to_the_bit_whatever_the_threads(
    lite0: Any, extractor_of: Callable[[str], Extractor], cache: Path
) -> None:
    images = noise(45, SIZE)
    two = extractor_of("openvino")
    one = build_extractor(lite0, "openvino", num_threads=1, cache_dir=cache)
    expected = one.extract(cut(images, 45), 45)
    for extractor, size in ((one, 7), (two, 64), (two, 8), (two, 1)):
        np.testing.assert_array_equal(extractor.extract(cut(images, size), 45), expected)


def test_tensorflow_is_the_same_to_the_bit_however_cut(
    extractor_of: Callable[[str], Extractor],
) -> None:
    images = noise(45, SIZE)
    extractor = extractor_of("tensorflow")
    expected = extractor.extract(cut(images, 45), 45)
    np.testing.assert_array_equal(extractor.extract(cut(images, 7), 45), expected)


@pytest.mark.parametrize("engine", FAST)
def test_features_may_be_a_tensor_and_go_into_a_given_array(lite0: Any, engine: str) -> None:
    """As where a network is cut, and what comes before the cut is kept in float16."""
    import keras

    prefix = keras.Model(lite0.input, lite0.get_layer("block3b_add").output)
    extractor = build_extractor(prefix, engine)
    images = noise(9, SIZE)
    out = np.zeros((9, *extractor.output_shape), np.float16)
    assert extractor.extract(cut(images, 4), 9, out) is out
    assert out.shape == (9, 4, 4, 40)
    np.testing.assert_allclose(out, prefix(images), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("engine", FAST)
def test_batches_are_drawn_while_others_run_but_not_all_at_once(engine: str) -> None:
    extractor = build_extractor(tiny_model(), engine, num_threads=1)
    size, num_batches = extractor.batch_size, 20
    done = threading.Event()
    ahead = []
    out = np.full((size * num_batches, *extractor.output_shape), np.nan, np.float32)

    def batches() -> Iterator[np.ndarray]:
        for number in range(num_batches):
            if number == num_batches - 1:
                # All but the few that may wait have been computed while this one was being made.
                done.wait(0.5)
                ahead.append(number - int(np.isfinite(out).all(axis=1).sum()) // size)
            yield noise(size, 8)

    extractor.extract(batches(), size * num_batches, out)
    assert np.isfinite(out).all()
    assert ahead[0] <= 4


@pytest.mark.parametrize("engine", FAST)
@pytest.mark.parametrize(("held", "announced"), [(9, 10), (11, 10), (0, 1), (80, 10)])
def test_a_wrong_number_of_images_is_refused(engine: str, held: int, announced: int) -> None:
    extractor = build_extractor(tiny_model(), engine)
    with pytest.raises(ValueError, match="announced"):
        extractor.extract(cut(noise(held, 8), 4), announced)


@pytest.mark.parametrize("engine", FAST)
def test_an_error_in_the_batches_comes_through_and_leaves_the_extractor_usable(engine: str) -> None:
    extractor = build_extractor(tiny_model(), engine)

    def broken() -> Iterator[np.ndarray]:
        yield noise(8, 8)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        extractor.extract(broken(), 16)
    images = noise(3, 8)
    assert (
        relative_difference(extractor.extract([images], 3), np.asarray(tiny_model()(images))) < 1e-5
    )


@pytest.mark.parametrize("engine", FAST)
def test_an_error_while_storing_comes_through(engine: str) -> None:
    extractor = build_extractor(tiny_model(), engine)
    out = np.zeros((4, *extractor.output_shape), np.float32)
    out.flags.writeable = False
    with pytest.raises((ValueError, RuntimeError), match="read-only"):
        extractor.extract([noise(4, 8)], 4, out)


# Which engine, and what is said of it.


def test_auto_takes_openvino_on_a_cpu() -> None:
    assert build_extractor(tiny_model()).engine == "openvino"


def test_without_openvino_tensorflow_stands_in_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with caplog.at_level(logging.WARNING, "search.features.extractor"):
        extractor = build_extractor(tiny_model(), "auto")
    assert extractor.engine == "tensorflow"
    (said,) = caplog.messages
    assert said.startswith("features are computed by tensorflow in float32 (openvino: ")


def unconvertible_model() -> Any:
    """Its one operation runs Python."""
    import keras
    import tensorflow as tf

    class InPython(keras.layers.Layer):
        def call(self, images: Any) -> Any:
            return tf.ensure_shape(
                tf.numpy_function(np.copy, [images], tf.float32), (None, 8, 8, 3)
            )

    return keras.Sequential([keras.Input((8, 8, 3)), InPython()])


def wrong_by(factor: float) -> FeatureEngine:
    """An engine whose features are Keras's times a factor."""

    class Wrong:
        batch_size = 4

        def __init__(self, model: Any) -> None:
            self.model = model

        def run(self, batches: Any, out: np.ndarray) -> None:
            for batch in batches:
                rows = slice(batch.start, batch.start + batch.num_images)
                out[rows] = factor * np.asarray(self.model(batch.images))[: batch.num_images]

    return FeatureEngine("openvino", "openvino", True, lambda request: Wrong(request.model))


@pytest.mark.parametrize("factor", [1.01, np.nan])
def test_an_engine_that_differs_from_keras_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, factor: float
) -> None:
    monkeypatch.setitem(FEATURE_ENGINES, "openvino", wrong_by(factor))
    extractor = build_extractor(tiny_model(), "openvino", check_images=noise(5, 8))
    assert extractor.engine == "tensorflow"
    assert "differs from Keras by" in caplog.text


def test_an_engine_within_tolerance_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEATURE_ENGINES, "openvino", wrong_by(1.0001))
    assert build_extractor(tiny_model(), "openvino").engine == "openvino"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"'onnx' is not known; allowed: auto, openvino, tensorflow$"
    ):
        build_extractor(tiny_model(), "onnx")


def test_openvino_is_imported_without_its_telemetry() -> None:
    import_openvino()
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub"


@pytest.mark.parametrize("failing", [False, True])
def test_a_conversion_leaves_the_programs_own_log_as_it_was(failing: bool) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.filters), list(root.handlers))
    model = unconvertible_model() if failing else tiny_model()
    with pytest.raises(Exception, match="conver") if failing else contextlib.nullcontext():
        exported(model, "any", None)
    assert (root.level, root.filters, root.handlers) == before


def test_a_conversion_that_fails_leaves_no_handler_that_prints_messages_without_their_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import_openvino()
    from openvino.tools.ovc import logger

    root = logging.getLogger()
    monkeypatch.setattr(logger, "handler_num", 0)
    monkeypatch.setattr(root, "handlers", [])  # as in a program that set none
    with pytest.raises(Exception, match="conver"):
        exported(unconvertible_model(), "any", None)
    assert root.handlers == []


# Precision.


@pytest.mark.parametrize(
    ("flags", "asked", "expected"),
    [
        ({"avx2"}, "float32", "float32"),
        ({"amx_bf16", "avx512_bf16"}, "float32", "float32"),
        ({"avx512_bf16"}, "bfloat16", "bfloat16"),
    ],
)
def test_precision_follows_the_processor(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], asked: str, expected: str
) -> None:
    monkeypatch.setattr(devices, "processor_flags", lambda: frozenset(flags))
    assert features.resolve_precision(asked) == expected


@pytest.mark.parametrize(
    ("flags", "asked", "engine"),
    [
        ({"avx2"}, "bfloat16", "auto"),
        ({"amx_bf16"}, "bfloat16", "tensorflow"),
        ({"amx_bf16"}, "int8", "auto"),
    ],
)
def test_a_precision_that_cannot_be_had_is_refused(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], asked: str, engine: str
) -> None:
    monkeypatch.setattr(devices, "processor_flags", lambda: frozenset(flags))
    with pytest.raises(UserError, match="allowed"):
        features.resolve_precision(asked, engine)


@pytest.mark.skipif(
    not devices.processor_flags() & devices.BFLOAT16_FLAGS, reason="no bfloat16 on this processor"
)
def test_bfloat16_differs_by_rounding_alone(lite0: Any, cache: Path) -> None:
    extractor = build_extractor(lite0, "openvino", "bfloat16", cache_dir=cache)
    assert extractor.precision == "bfloat16"
    images = noise(8, SIZE)
    found = relative_difference(extractor.extract([images], 8), by_keras(lite0, images))
    assert 1e-4 < found < PRECISIONS["bfloat16"].allowed_difference
