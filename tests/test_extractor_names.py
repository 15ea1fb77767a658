"""Networks told apart by what they compute, and exported ones kept in the cache: found again, and
made again where damaged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_networks import noise, tiny_model

from search.features.extractor import build_extractor, model_identity


def test_a_models_identity_is_its_architecture_and_weights() -> None:
    first = model_identity(tiny_model(seed=1))
    assert model_identity(tiny_model(seed=1)) == first
    assert model_identity(tiny_model(seed=2)) != first


def _unnamed_layers() -> Any:
    import keras

    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.BatchNormalization()(keras.layers.Conv2D(6, 3)(inputs))
    return keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Flatten()(hidden)))


def test_a_models_identity_does_not_depend_on_how_keras_numbers_layers() -> None:
    """Which follows from what else was built before in the same process."""
    first, second = (_unnamed_layers() for _ in range(2))
    second.set_weights(first.get_weights())
    assert [layer.name for layer in first.layers] != [layer.name for layer in second.layers]
    assert model_identity(first) == model_identity(second)


def exported(folder: Path) -> Path:
    """The one exported network below a cache folder."""
    (found,) = folder.glob("openvino/*/model.xml")
    return found.parent


def test_an_exported_network_is_found_again(tmp_path: Path) -> None:
    build_extractor(tiny_model(), "openvino", cache_dir=tmp_path)
    before = (exported(tmp_path) / "model.bin").stat()
    build_extractor(tiny_model(), "openvino", cache_dir=tmp_path)
    after = (exported(tmp_path) / "model.bin").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("damage", ["cut", "changed", "no checksums", "gone"])
def test_a_damaged_export_is_made_again(tmp_path: Path, damage: str) -> None:
    images = noise(5, 8)
    first = build_extractor(tiny_model(), "openvino", cache_dir=tmp_path).extract([images], 5)
    weights, checksums = (exported(tmp_path) / name for name in ("model.bin", "checksums"))
    content = weights.read_bytes()
    if damage == "cut":
        weights.write_bytes(content[:-8])
    elif damage == "changed":
        weights.write_bytes(bytes(len(content)))
    else:
        (checksums if damage == "no checksums" else weights).unlink()
    again = build_extractor(tiny_model(), "openvino", cache_dir=tmp_path)
    assert again.engine == "openvino"
    np.testing.assert_array_equal(again.extract([images], 5), first)


def test_a_disk_that_refuses_is_said_and_tensorflow_stands_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file where the folder should be")
    extractor = build_extractor(tiny_model(), "openvino", cache_dir=in_the_way)
    assert extractor.engine == "tensorflow"
    assert "is a file, not a folder" in caplog.text


def test_nothing_is_left_beside_the_cache(tmp_path: Path) -> None:
    build_extractor(tiny_model(), "openvino", cache_dir=tmp_path)
    assert sorted(path.name for path in exported(tmp_path).iterdir()) == [
        "checksums",
        "model.bin",
        "model.xml",
    ]
    assert len(list((tmp_path / "openvino").iterdir())) == 1
