"""Stacked heads: each is what it would be alone, stops for itself, and gives an honest score."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from search.experiment.settings import ModelSettings, TrainingSettings
from search.features import feature_rows
from search.training import head_tasks
from search.training.head_scores import HeadScores
from search.training.head_shape import HeadShape, initial_weights, plain_head
from search.training.head_tasks import EpochFeed, HeadTask, epoch_feeds
from search.training.heads import HeadPlan, train_heads
from search.training.progress import EpochReport
from search.training.run_values import TrainedHeads, TrialFailure

CLASSES, DIM, IMAGES = 4, 16, 240


def _features(signal: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, IMAGES)
    centres = generator.standard_normal((CLASSES, DIM)) * signal
    return (centres[labels] + generator.standard_normal((IMAGES, DIM))).astype(np.float32), labels


def _tasks(num_seeds: int = 1, folds: int = 3) -> tuple[HeadTask, ...]:
    fold = np.arange(IMAGES) % folds
    return tuple(
        HeadTask(np.flatnonzero(fold != f), np.flatnonzero(fold == f), seed=1 + 100 * s + f)
        for s in range(num_seeds)
        for f in range(folds)
    )


def _plan(tasks: tuple[HeadTask, ...], labels: np.ndarray, **settings: object) -> HeadPlan:
    training = TrainingSettings(max_epochs=12, patience=4, batch_size=16).model_copy(
        update=settings
    )
    model = ModelSettings(head_units=8, learning_rate=0.01)
    return HeadPlan(tasks, labels, CLASSES, model, training, "accuracy")


def _train(tasks: tuple[HeadTask, ...], signal: float = 0.5, **settings: object) -> TrainedHeads:
    features, labels = _features(signal)
    return train_heads(lambda epoch: features, features, _plan(tasks, labels, **settings))


def _odd_plan() -> tuple[np.ndarray, HeadPlan]:
    """Seven heads of sizes that no vector of the processor divides; some stop long before
    others."""
    features, labels = _features()
    labels = labels % (CLASSES - 1)
    tasks = _tasks(num_seeds=3)[:7]
    training = TrainingSettings(
        max_epochs=30, patience=3, batch_size=7, label_smoothing=0.1, weight_decay=0.001
    )
    model = ModelSettings(head_units=5, learning_rate=0.01)
    return features[:, :13], HeadPlan(tasks, labels, CLASSES - 1, model, training, "accuracy")


def _bits(trained: TrainedHeads) -> list[bytes]:
    """All that was learnt, a head: weights, answers with their log-probabilities, and the best
    epoch."""
    heads = zip(
        trained.weights, trained.honest, trained.optimistic, trained.best_epochs, strict=True
    )
    return [
        b"".join(each.tobytes() for each in (*weights, *honest, *usual)) + bytes([epoch])
        for weights, honest, usual, epoch in heads
    ]


@pytest.mark.parametrize("num_lanes", [2, 3, 9])
def test_heads_in_several_lanes_are_the_same_to_the_bit(num_lanes: int) -> None:
    features, plan = _odd_plan()
    in_one = train_heads(lambda epoch: features, features, plan)
    in_many = train_heads(lambda epoch: features, features, plan, num_lanes=num_lanes)
    assert len(set(in_one.best_epochs)) > 1
    assert _bits(in_many) == _bits(in_one)
    assert in_many.curve == in_one.curve


def test_lanes_that_read_in_other_parts_report_the_same_curve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(head_tasks, "BLOCK_ROWS", 300)
    features, plan = _odd_plan()
    in_one, in_two = (
        train_heads(lambda epoch: features, features, plan, num_lanes=lanes) for lanes in (1, 2)
    )
    assert in_two.curve == in_one.curve
    assert _bits(in_two) == _bits(in_one)


def test_a_head_alone_is_the_same_to_the_bit() -> None:
    features, plan = _odd_plan()
    together = train_heads(lambda epoch: features, features, plan)
    for head in (0, 4):
        only = replace(plan, tasks=plan.tasks[head : head + 1])
        alone = train_heads(lambda epoch: features, features, only)
        assert _bits(alone)[0] == _bits(together)[head]


def test_training_again_gives_the_same_bits() -> None:
    first, second = _train(_tasks()), _train(_tasks())
    assert all(
        np.array_equal(a, b)
        for x, y in zip(first.weights, second.weights, strict=True)
        for a, b in zip(x, y, strict=True)
    )
    assert first.curve == second.curve


def test_a_head_as_a_plain_keras_model_gives_the_stack_s_answers() -> None:
    features, _ = _features()
    tasks = _tasks()
    trained = _train(tasks)
    model = plain_head(HeadShape(DIM, 8, CLASSES), trained.weights[0])
    probabilities = model.predict(features[tasks[0].validate], verbose=0)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), trained.optimistic[0][0])


def test_heads_stop_each_for_itself_and_the_rest_go_on() -> None:
    trained = _train(_tasks(num_seeds=3), max_epochs=40, patience=3)
    assert len(set(trained.best_epochs)) > 1
    assert len(trained.curve.loss) <= max(trained.best_epochs) + 3


def test_every_epoch_is_reported_as_the_curve_has_it() -> None:
    features, labels = _features()
    reports: list[EpochReport] = []
    trained = train_heads(lambda epoch: features, features, _plan(_tasks(), labels), reports.append)
    assert [report.epoch for report in reports] == list(range(1, len(trained.curve.loss) + 1))
    assert {report.max_epochs for report in reports} == {12}
    assert tuple(report.val_accuracy for report in reports) == trained.curve.val_accuracy
    assert tuple(report.loss for report in reports) == trained.curve.loss


def test_a_trial_cut_by_max_epochs_says_so() -> None:
    assert all(_train(_tasks(), max_epochs=2, patience=4).cut_by_max_epochs)


def test_a_diverging_learning_rate_fails_with_its_reason() -> None:
    features, labels = _features()
    model, training = ModelSettings(head_units=8), TrainingSettings(max_epochs=3)
    plan = HeadPlan(_tasks(), labels, CLASSES, model, training, "accuracy")
    with pytest.raises(TrialFailure, match="training loss of head 0 became"):
        train_heads(lambda epoch: features * np.float32(1e30), features, plan)


def test_a_head_of_no_units_is_linear() -> None:
    features, labels = _features(2.0)
    model = ModelSettings(head_units=0, learning_rate=0.01)
    plan = HeadPlan(_tasks(), labels, CLASSES, model, TrainingSettings(max_epochs=20), "accuracy")
    trained = train_heads(lambda epoch: features, features, plan)
    assert len(trained.weights[0]) == 2
    assert trained.curve.val_accuracy[-1] > 0.9


def test_fixed_epochs_train_for_just_that_long_and_score_the_last() -> None:
    features, labels = _features()
    plan = HeadPlan(
        _tasks(), labels, CLASSES, ModelSettings(head_units=8), TrainingSettings(), "accuracy", 5
    )
    trained = train_heads(lambda epoch: features, features, plan)
    assert trained.best_epochs == (5, 5, 5)
    assert len(trained.curve.loss) == 5


def _whole_epoch(
    tasks: list[HeadTask], num_steps: int, batch_size: int, model: ModelSettings, epoch: int
) -> EpochFeed:
    (feed,) = epoch_feeds(tasks, num_steps, batch_size, model, epoch)
    return feed


def test_every_image_is_seen_once_an_epoch_and_batches_differ_between_epochs() -> None:
    task = HeadTask(np.arange(50), np.arange(50, 60), seed=3)
    feeds = [_whole_epoch([task], 4, 16, ModelSettings(), epoch) for epoch in (0, 1)]
    seen = [np.sort(feed.rows[feed.weight > 0]) for feed in feeds]
    np.testing.assert_array_equal(seen[0], np.arange(50))
    np.testing.assert_array_equal(seen[1], np.arange(50))
    assert not np.array_equal(feeds[0].rows, feeds[1].rows)


def test_parts_of_an_epoch_are_the_whole_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [HeadTask(np.arange(210), np.arange(210, 240), seed) for seed in (3, 4)]
    arguments = (tasks, 30, 7, ModelSettings(head_units=5, dropout=0.3), 1)
    (whole,) = epoch_feeds(*arguments)
    monkeypatch.setattr(head_tasks, "BLOCK_ROWS", 60)
    parts = list(epoch_feeds(*arguments))
    assert len(parts) == 8
    for name in ("rows", "weight", "keep"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name)
        )


def test_features_read_from_the_disk_in_parts_train_the_same_heads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = _tasks()
    resident = _train(tasks)
    monkeypatch.setattr(feature_rows, "RESIDENT_BYTES", 0)
    monkeypatch.setattr(head_tasks, "BLOCK_ROWS", 96)
    in_parts = _train(tasks)
    assert _bits(in_parts) == _bits(resident)


def test_dropout_keeps_the_share_it_should() -> None:
    keep = _whole_epoch(
        [HeadTask(np.arange(2000), np.arange(1), seed=3)], 63, 32, ModelSettings(dropout=0.2), 0
    ).keep
    assert keep is not None
    assert abs(keep.mean() - 0.8) < 4 * np.sqrt(0.16 / keep.size)


@pytest.mark.slow
def test_stacked_heads_score_as_heads_fitted_one_by_one_do() -> None:
    """Fifteen heads each way on equal data: the two sets of best accuracies come from one
    distribution (false-failure rate 1 %)."""
    features, labels = _features(0.6)
    tasks = _tasks(num_seeds=5)
    trained = _train(tasks, 0.6)
    stacked = [
        (p == labels[t.validate]).mean()
        for t, (p, _) in zip(tasks, trained.optimistic, strict=True)
    ]
    fitted = _fitted_one_by_one(features, labels, tasks)
    assert stats.ks_2samp(stacked, fitted).pvalue > 0.01
    assert stats.ttest_ind(stacked, fitted).pvalue > 0.01


def _fitted_one_by_one(
    features: np.ndarray, labels: np.ndarray, tasks: tuple[HeadTask, ...]
) -> list[float]:
    """Best validation accuracies by `model.fit`, on one model (compiled once) started afresh for
    each head."""
    import keras

    shape = HeadShape(DIM, 8, CLASSES)
    model = plain_head(shape, initial_weights(shape, 1), 0.2)
    model.compile(
        keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.optimizer.build(model.trainable_variables)
    fresh = [variable.numpy() for variable in model.optimizer.variables]
    best = []
    for task in tasks:
        model.set_weights(list(initial_weights(shape, task.seed + 7)))
        for variable, value in zip(model.optimizer.variables, fresh, strict=True):
            variable.assign(value)
        history = model.fit(
            features[task.train],
            labels[task.train],
            validation_data=(features[task.validate], labels[task.validate]),
            epochs=12,
            batch_size=16,
            verbose=0,
            callbacks=[keras.callbacks.EarlyStopping("val_accuracy", patience=4)],
        )
        best.append(max(history.history["val_accuracy"]))
    return best


def test_the_honest_score_takes_each_half_from_the_epoch_the_other_chose() -> None:
    labels = np.array([0, 0, 1, 1])
    scores = HeadScores([labels], "accuracy", patience=5)
    # Rows 0 and 2 are the first half. Epoch 0 is right on it alone, epoch 1 on the second half
    # alone.
    first, second = np.array([0, 1, 1, 0]), np.array([1, 0, 0, 1])
    for epoch, predicted in enumerate((first, second)):
        scores.add(0, epoch, predicted.astype(np.int16), np.zeros(4, np.float32))
    np.testing.assert_array_equal(scores.honest(0)[0] == labels, [False] * 4)
    assert (scores.optimistic(0)[0] == labels).mean() == 0.5


def test_without_signal_the_honest_score_is_chance_and_the_optimistic_one_above_it() -> None:
    generator = np.random.default_rng(0)
    num_heads, num_images, num_epochs = 200, 60, 30
    labels = [generator.integers(0, 2, num_images) for _ in range(num_heads)]
    scores = HeadScores(labels, "accuracy", patience=num_epochs)
    for epoch in range(num_epochs):
        for head in range(num_heads):
            scores.add(
                head,
                epoch,
                generator.integers(0, 2, num_images).astype(np.int16),
                np.zeros(num_images, np.float32),
            )
    honest = np.mean([(scores.honest(h)[0] == labels[h]).mean() for h in range(num_heads)])
    optimistic = np.mean([(scores.optimistic(h)[0] == labels[h]).mean() for h in range(num_heads)])
    # fails by chance once in 16,000
    assert abs(honest - 0.5) < 4 * 0.5 / np.sqrt(num_heads * num_images)
    assert optimistic > 0.6


def test_weight_decay_leaves_smaller_kernels() -> None:
    plain, decayed = _train(_tasks()), _train(_tasks(), weight_decay=0.5)
    for kernel in (0, 2):
        assert np.linalg.norm(decayed.weights[0][kernel]) < 0.9 * np.linalg.norm(
            plain.weights[0][kernel]
        )


def test_label_smoothing_keeps_heads_from_being_sure() -> None:
    """With a share s spread over k classes the least loss is that of the smoothed label itself, not
    0."""
    labels_own = 1 - 0.4 + 0.4 / CLASSES
    least = -labels_own * np.log(labels_own) - (1 - labels_own) * np.log(0.4 / CLASSES)
    smoothed = _train(_tasks(), 3.0, label_smoothing=0.4, max_epochs=40, patience=40)
    assert min(smoothed.curve.loss) > 0.98 * least
    assert min(_train(_tasks(), 3.0, max_epochs=40, patience=40).curve.loss) < 0.5 * least


def test_heads_train_by_the_loss_that_is_set_and_are_judged_alike() -> None:
    """The squared differences of two distributions are 2 at most; a first epoch of cross-entropy on
    labels at random is log 4."""
    entropy, brier = _train(_tasks(), 0.0), _train(_tasks(), 0.0, loss="brier")
    assert entropy.curve.loss[0] > 1.2
    assert brier.curve.loss[0] < 1.0
    assert brier.curve.val_loss[0] > 1.2


def test_weights_are_of_every_head_or_of_none() -> None:
    trained = _train(_tasks(folds=2))
    assert len(trained.weights) == len(trained.best_epochs) == 2
    assert replace(trained, weights=()).weights == ()
    with pytest.raises(ValueError, match="weights of 1 heads were given for 2 heads"):
        replace(trained, weights=trained.weights[1:])


def test_a_validation_loss_that_is_not_finite_is_named_as_a_training_loss_is() -> None:
    features, labels = _features()
    broken = features.copy()
    broken[_tasks()[1].validate[3]] = np.inf
    with pytest.raises(TrialFailure, match=r"validation loss of head 1 became nan in epoch 1"):
        train_heads(lambda epoch: features, broken, _plan(_tasks(), labels))


def test_a_head_that_diverges_is_left_behind_where_another_phase_follows() -> None:
    """Which begins at weights that are no numbers, or at the best before, and says what came of
    it."""
    features, labels = _features()
    tasks, broken = _tasks(folds=3), features.copy()
    broken[tasks[1].validate] = np.inf
    plan = replace(_plan(tasks, labels), goes_on=True)
    whole = train_heads(lambda epoch: features, features, plan)
    trained = train_heads(lambda epoch: features, broken, plan)
    assert trained.lost == ()
    assert len(np.unique(trained.honest[1][0])) == 1
    for head in (0, 2):
        np.testing.assert_array_equal(trained.honest[head], whole.honest[head])
        np.testing.assert_array_equal(trained.weights[head][0], whole.weights[head][0])
