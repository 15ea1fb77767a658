"""`training.class_weight`: as Keras's `fit(class_weight=...)` has it, in heads and in networks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight
from tiny_networks import HeldFeed

from search.experiment.settings import ModelSettings, TrainingSettings
from search.training.batching import NO_MIXING, Batching, Mixing
from search.training.head_shape import HeadShape, initial_weights, plain_head
from search.training.head_tasks import HeadTask, epoch_feeds
from search.training.heads import HeadPlan, train_heads
from search.training.losses import class_weights

CLASSES, DIM, IMAGES, BATCH = 3, 6, 96, 16
LABELS = np.repeat([0, 1, 2], (70, 20, 6))


def test_weights_are_scikit_learns_balanced() -> None:
    found = class_weights("balanced", LABELS, 4)
    assert found is not None
    exact = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(found[:3], exact, rtol=1e-6)
    assert found[LABELS].mean() == pytest.approx(1)
    assert class_weights("none", LABELS, 4) is None


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_a_stacked_head_learns_what_keras_fits_with_class_weight(kind: Any) -> None:
    import keras

    rng = np.random.default_rng(1)
    features = rng.normal(size=(IMAGES, DIM)).astype(np.float32)
    shape = HeadShape(DIM, 5, CLASSES)
    task = HeadTask(np.arange(IMAGES), np.arange(10), 7)
    model = ModelSettings(head_units=5, dropout=0.0, learning_rate=0.01)
    training = TrainingSettings(batch_size=BATCH, max_epochs=2, patience=2, class_weight=kind)
    plan = HeadPlan((task, replace(task, seed=8)), LABELS, CLASSES, model, training, "accuracy", 2)
    ours = train_heads(lambda epoch: features, features, plan)

    theirs = plain_head(shape, initial_weights(shape, task.seed))
    theirs.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    weights = class_weights(plan.training.class_weight, LABELS, CLASSES)
    by_class = None if weights is None else dict(enumerate(weights.tolist()))
    for epoch in range(2):
        (feed,) = epoch_feeds([task], IMAGES // BATCH, BATCH, model, epoch)
        rows = feed.rows[:, 0].ravel()
        theirs.fit(
            features[rows],
            LABELS[rows],
            batch_size=BATCH,
            shuffle=False,
            class_weight=by_class,
            verbose=0,
        )
    for learnt, expected in zip(ours.weights[0], theirs.get_weights(), strict=True):
        np.testing.assert_allclose(learnt, expected, rtol=1e-3, atol=2e-5)


def _batching(**settings: Any) -> Batching:
    return Batching(
        feed=HeldFeed(np.zeros((IMAGES, 4, 4, 3), np.float32)),
        labels=LABELS,
        positions=np.arange(IMAGES),
        num_classes=CLASSES,
        batch_size=BATCH,
        head_units=5,
        **settings,
    )


@pytest.mark.parametrize("mixing", [NO_MIXING, Mixing(0.4, 0.0)])
def test_a_batch_of_a_network_counts_each_image_by_its_classes(mixing: Mixing) -> None:
    batches = list(_batching(class_weight="balanced", mixing=mixing).epoch(np.arange(IMAGES), 3, 0))
    weights = class_weights("balanced", LABELS, CLASSES)
    assert weights is not None
    for batch in batches:
        assert batch.counts is not None
        np.testing.assert_allclose(batch.counts, batch.targets @ weights, rtol=1e-6)
    assert all(batch.counts is None for batch in _batching().epoch(np.arange(IMAGES), 3, 0))
