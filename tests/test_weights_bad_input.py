"""Weights files that are damaged, foreign or hostile: one clear UserError each, and nothing in them
is run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from search.features.backbones import build_backbone, check_backbone, weights_identity
from search.features.lite0 import package_file

SIZE = 8


def small_cnn(weights: str = "random", seed: int = 0) -> Any:
    return build_backbone("small-cnn", weights, SIZE, seed=seed)


def assert_same_weights(model: Any, other: Any) -> None:
    for weight, expected in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_saved_backbone_gives_its_weights_back(tmp_path: Path, suffix: str) -> None:
    saved, path = small_cnn(seed=3), tmp_path / f"saved{suffix}"
    (saved.save if suffix == ".keras" else saved.save_weights)(path)
    assert_same_weights(small_cnn(str(path)), saved)


def test_a_whole_classifier_gives_its_backbone(tmp_path: Path) -> None:
    import keras

    saved = small_cnn(seed=3)
    path = tmp_path / "classifier.keras"
    keras.Model(saved.input, keras.layers.Dense(4)(saved.output)).save(path)
    assert_same_weights(small_cnn(str(path)), saved)


def test_a_trained_classifier_gives_its_backbone(tmp_path: Path) -> None:
    """The optimizer's state lies in the same file."""
    import keras

    saved = small_cnn(seed=3)
    model = keras.Model(saved.input, keras.layers.Dense(4)(saved.output))
    model.compile("adam", "mse")
    model.train_on_batch(np.zeros((2, SIZE, SIZE, 3)), np.ones((2, 4)))
    path = tmp_path / "classifier.keras"
    model.save(path)
    assert_same_weights(small_cnn(str(path)), saved)


def test_the_identity_of_a_file_is_its_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a.weights.h5", tmp_path / "b.weights.h5"
    for path, content in ((first, b"one"), (second, b"one")):
        path.write_bytes(content)
    before = weights_identity("small-cnn", str(first))
    assert weights_identity("small-cnn", str(second)) == before
    first.write_bytes(b"two")
    assert weights_identity("small-cnn", str(first)) != before


def lambda_model(path: Path) -> None:
    import keras

    inputs = keras.Input((SIZE, SIZE, 3))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(path)


def nested_lambda_model(path: Path) -> None:
    import keras

    inner = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Lambda(lambda x: x)])
    keras.Sequential([keras.Input((SIZE, SIZE, 3)), inner]).save(path)


@pytest.mark.parametrize("save", [lambda_model, nested_lambda_model])
def test_a_lambda_layer_is_refused(tmp_path: Path, save: Callable[[Path], None]) -> None:
    path = tmp_path / "code.keras"
    save(path)
    with pytest.raises(UserError, match="holds a Lambda layer, which is code and is never run"):
        check_backbone("small-cnn", str(path), SIZE)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", bytes(4096)])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"other{suffix}"
    path.write_bytes(content)
    assert_refused(path)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"cut{suffix}"
    saved = small_cnn()
    (saved.save if suffix == ".keras" else saved.save_weights)(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert_refused(path)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_weights_of_other_shapes_are_refused(tmp_path: Path, suffix: str) -> None:
    import keras

    inputs = keras.Input((SIZE, SIZE, 3))
    other = keras.Model(inputs, keras.layers.Conv2D(31, 3)(inputs))
    path = tmp_path / f"other{suffix}"
    (other.save if suffix == ".keras" else other.save_weights)(path)
    assert_refused(path)


def test_a_file_without_one_of_the_weights_is_refused(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((SIZE, SIZE, 3))
    other = keras.Model(inputs, keras.layers.Flatten()(inputs))
    other.save(tmp_path / "empty.keras")
    assert_refused(tmp_path / "empty.keras")


def assert_refused(path: Path) -> None:
    with pytest.raises(UserError, match=r"is damaged, truncated or another model's") as caught:
        small_cnn(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weights", ["missing.keras", "missing.weights.h5"])
def test_a_missing_file_is_named(tmp_path: Path, weights: str) -> None:
    with pytest.raises(UserError, match=f"{weights} does not exist"):
        small_cnn(str(tmp_path / weights))


@pytest.mark.parametrize("weights", ["imagenett", "weights.pkl", "model.pth", ""])
def test_what_is_no_weights_is_answered_with_what_is(weights: str) -> None:
    """A PyTorch file is read for the one backbone whose layers' names there are known."""
    with pytest.raises(
        UserError, match=r"allowed: imagenet, random or a file \(.keras, .weights.h5, .h5\)"
    ):
        check_backbone("small-cnn", weights, SIZE)


def test_lite0_takes_a_pytorch_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.symlink_to(package_file())
    from_file = build_backbone("efficientnet-lite0", str(path), 32)
    assert_same_weights(from_file, build_backbone("efficientnet-lite0", "imagenet", 32))
