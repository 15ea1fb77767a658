"""The contract of every backbone in mode finetune, at its smallest size with random weights: what
must be true of any of them."""

from pathlib import Path

import numpy as np
import pytest

from search.experiment.settings import FinetuneSettings, ModelSettings, Settings, TrainingSettings
from search.features.backbones import BACKBONES, build_backbone
from search.training.cutting import cut
from search.training.head_shape import HeadShape, initial_weights, plain_head
from search.training.modes import MODES
from search.training.network import Network
from search.training.network_shape import NetworkShape, network_of
from search.training.network_variables import Live, Steps

QUICK = {"small-cnn"}  # `test_finetune` trains efficientnet-lite0
CLASSES, UNITS = 3, 4
STARTS = {"small-cnn": "all", "vgg16": "last: 8"}  # the others have more than forty layers


def _params() -> list:
    return [
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in BACKBONES
    ]


def _batch(network: Network) -> Steps:
    generator = np.random.default_rng(0)
    labels = np.arange(6, dtype=np.int32) % CLASSES
    inputs = generator.uniform(0, 2, (6, *network.body.input_shape[1:])).astype(np.float32)
    inputs += labels[:, None, None, None]
    targets, kept = np.eye(CLASSES, dtype=np.float32)[labels], np.ones((6, UNITS), np.float32)
    return Steps(inputs, targets, kept, labels, 6)


@pytest.mark.parametrize("name", _params())
def test_every_backbone_can_be_fine_tuned(name: str, tmp_path: Path) -> None:
    import keras

    size = BACKBONES[name].smallest_size
    start = STARTS.get(name, "last: 40")
    network = network_of(
        NetworkShape(name, "random", size, start, start == "all", False, (UNITS, CLASSES))
    )
    body = network.body
    live = network.start(initial_weights(HeadShape(network.shape.dim, UNITS, CLASSES), 1), 1)
    frozen = {id(v) for layer in body.layers if not layer.trainable for v in layer.weights}
    batch, rate, before = _batch(network), np.full(1, 3e-4, np.float32), body.get_weights()
    losses = [network.train(live, batch, rate, 1e-4)[0] for _ in range(25)]
    assert min(losses[-5:]) < losses[0]
    after = network.weights(live)[: len(before)]
    changed = {
        id(v)
        for v, old, new in zip(body.weights, before, after, strict=True)
        if not np.array_equal(old, new)
    }
    assert changed
    assert not changed & frozen
    _assert_saved_alike(name, start, (network, live), tmp_path / "model.keras")
    keras.backend.clear_session()
    network_of.cache_clear()


def _assert_saved_alike(name: str, start: str, trained: tuple[Network, Live], path: Path) -> None:
    """What was trained, put into a fresh backbone, gives the network's answers, and the same again
    once saved and read."""
    import keras

    size = BACKBONES[name].smallest_size
    images = np.random.default_rng(1).integers(0, 256, (4, size, size, 3)).astype(np.float32)
    labels = np.arange(4) % CLASSES
    backbone = build_backbone(name, "random", size)
    prefix = cut(backbone, start).prefix
    network, live = trained
    inputs = images if prefix is None else np.asarray(prefix(images))
    log_prob = network.predict(live, [inputs], labels)[1]
    training = TrainingSettings(
        mode="finetune", finetune=FinetuneSettings.model_validate({"from": start})
    )
    settings = Settings(augmentation={}, model=ModelSettings(head_units=UNITS), training=training)
    head = MODES["finetune"].put(backbone, settings, network.weights(live))
    model = keras.Model(backbone.input, plain_head(network.shape, head)(backbone.output))
    expected = np.asarray(model(images))
    np.testing.assert_allclose(
        np.log(expected[np.arange(4), labels]), log_prob, rtol=1e-3, atol=1e-4
    )
    model.save(path)
    np.testing.assert_array_equal(np.asarray(keras.models.load_model(path)(images)), expected)
