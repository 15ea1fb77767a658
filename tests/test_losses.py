"""What every loss of the table promises; a new one is tested as soon as it is there."""

from typing import Any

import numpy as np
import pytest
from made_up_records import FOCAL

from search.features.devices import import_tensorflow_quietly
from search.training.losses import LOSSES, Loss, log_prob_of_labels

HEADS, BATCH, CLASSES = 3, 7, 5

every_loss = pytest.mark.parametrize("loss", [*LOSSES.values(), FOCAL], ids=lambda loss: loss.name)


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    import_tensorflow_quietly()


def _some() -> tuple[Any, Any]:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    logits = rng.standard_normal((HEADS, BATCH, CLASSES)).astype(np.float32)
    labels = rng.integers(0, CLASSES, (HEADS, BATCH)).astype(np.int32)
    return tf.constant(logits), tf.constant(labels)


@every_loss
def test_labels_and_the_same_targets_have_one_loss(loss: Loss) -> None:
    logits, labels = _some()
    targets = np.eye(CLASSES, dtype=np.float32)[labels.numpy()]
    said = np.stack([loss.of_targets(each, t) for each, t in zip(logits, targets, strict=True)])
    np.testing.assert_allclose(loss.of_labels(logits, labels, None), said, rtol=1e-5)


@every_loss
def test_smoothed_labels_and_smoothed_targets_have_one_loss(loss: Loss) -> None:
    logits, labels = _some()
    targets = 0.7 * np.eye(CLASSES, dtype=np.float32)[labels.numpy()] + np.float32(0.3 / CLASSES)
    said = np.stack([loss.of_targets(each, t) for each, t in zip(logits, targets, strict=True)])
    np.testing.assert_allclose(loss.of_labels(logits, labels, np.float32(0.3)), said, rtol=1e-5)


@every_loss
@pytest.mark.parametrize("images", [1, 6, 7])
def test_an_image_s_loss_has_the_same_bits_whatever_is_beside_it(loss: Loss, images: int) -> None:
    logits, labels = _some()
    together = loss.of_labels(logits, labels, None).numpy()[:, :images]
    np.testing.assert_array_equal(
        loss.of_labels(logits[:, :images], labels[:, :images], None), together
    )


@every_loss
def test_the_surer_of_the_label_the_smaller(loss: Loss) -> None:
    label = np.zeros((1,), np.int32)
    losses = [
        float(loss.of_labels(np.array([[sure, 0, 0]], np.float32), label, None)[0])
        for sure in (-2.0, 0.0, 1.0, 5.0)
    ]
    assert losses == sorted(losses, reverse=True)
    assert np.isfinite(losses).all()


@every_loss
def test_a_step_along_its_gradient_makes_it_smaller(loss: Loss) -> None:
    import tensorflow as tf

    logits, labels = _some()
    with tf.GradientTape() as tape:
        tape.watch(logits)
        before = tf.reduce_sum(loss.of_labels(logits, labels, None))
    after = tf.reduce_sum(
        loss.of_labels(logits - 0.1 * tape.gradient(before, logits), labels, None)
    )
    assert float(after) < float(before)


def test_cross_entropy_is_what_the_label_s_probability_says() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25]], np.float32))
    label = np.array([1], np.int32)
    loss = LOSSES["cross_entropy"].of_labels(logits, label, None)
    assert float(loss[0]) == pytest.approx(-np.log(0.25))
    assert float(log_prob_of_labels(logits, label)[0]) == pytest.approx(np.log(0.25))
