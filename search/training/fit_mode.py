"""Mode fit: a model of the user's own, trained by Keras's own `fit`, once a fold and seed, on a
view of augmented pictures per epoch and scored on clean ones after each.

Optimizer, loss, metrics, callbacks and a HyperModel's own `fit` are the user's. When to stop and
which epoch is best is as in every mode: `head_scores`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UserError
from search.experiment.settings import ModelSettings, Settings, TrainingSettings
from search.training.head_scores import HeadScores
from search.training.head_shape import HeadWeights
from search.training.lost_networks import Course, lost_of, need_others, need_trained
from search.training.own_call import call_fit, unheard
from search.training.own_fit import SCORING_BATCH, OwnFit
from search.training.own_model import build_own, naming_values
from search.training.own_outputs import outputs_of
from search.training.pictures import digest_of
from search.training.run_values import TrainedHeads
from search.training.training_mode import LoadedTrial, Mode, Trained, refuse_clean_throughout

if TYPE_CHECKING:
    import keras


def train_fit(trial: LoadedTrial) -> Trained:
    """Raises TrialFailure where too many of the models do not train, UserError, with file and
    line, for what own code raises."""
    rows = np.unique(np.concatenate([task.validate for task in trial.tasks]))
    before = digest_of(trial.scored.batches(rows, SCORING_BATCH))
    scores, fits = _scores(trial), list[OwnFit]()
    for head in range(len(trial.tasks)):
        fits.append(_trained(trial, head, scores))
        _need_others(trial, fits)
        for fit in fits:  # one model is enough to put any weights in
            fit.model = fits[-1].model
    answering = fits[-1]

    def answer(pictures: np.ndarray, head: np.ndarray) -> np.ndarray:
        found = np.zeros(len(head), np.int64)
        for number in np.unique(head):
            chosen = np.flatnonzero(head == number)
            answering.model.set_weights(list(fits[number].best))
            outputs = answering.model.predict_on_batch(pictures[chosen].astype(np.float32))
            found[chosen] = answering.outputs.log_probabilities(outputs).argmax(axis=1)
        return found

    return Trained(
        heads=_together(trial, fits, scores),
        answer=answer,
        validation_hash=(before, digest_of(trial.scored.batches(rows, SCORING_BATCH))),
        path="own model, trained by Keras's fit",
    )


def _scores(trial: LoadedTrial) -> HeadScores:
    protocol = trial.spec.protocol
    patience = None if protocol.epochs else trial.spec.settings.training.patience
    labels = [trial.labels[task.validate] for task in trial.tasks]
    return HeadScores(labels, protocol.objective, patience)


def _need_others(trial: LoadedTrial, fits: Sequence[OwnFit]) -> None:
    """Raises TrialFailure as `need_others`."""
    diverged = {number: fit.diverged_in - 1 for number, fit in enumerate(fits) if fit.diverged}
    if fits[-1].diverged:
        need_others(diverged, len(trial.tasks), "models", fits[-1].diverged, _is_final(trial))


def _is_final(trial: LoadedTrial) -> bool:
    return trial.spec.protocol.epochs is not None


def _trained(trial: LoadedTrial, head: int, scores: HeadScores) -> OwnFit:
    settings, protocol = trial.spec.settings, trial.spec.protocol
    name = str(settings.model.build)
    with naming_values(settings.model):
        built = build_own(settings.model, trial.tasks[head].seed)
        outputs = outputs_of(built[0], name, trial.num_classes, trial.spec.dataset.image_size)
    epochs = protocol.epochs or protocol.max_epochs or settings.training.max_epochs
    fit = OwnFit(trial, head, built[0], outputs, scores, trial.keeps_weights, epochs)
    call_fit(settings.model, built, fit.data, epochs, fit.heard)
    if not fit.curve:
        raise UserError(unheard(name))
    return fit


def _together(trial: LoadedTrial, fits: Sequence[OwnFit], scores: HeadScores) -> TrainedHeads:
    """Raises TrialFailure where too many did not train."""
    alike = trial.spec.settings.training.class_weight == "none"
    lost = lost_of([_course(each) for each in fits], trial.labels, alike)
    need_trained(lost, len(fits), "models", _ADVICE, _is_final(trial))
    longest = max(len(fit.curve) for fit in fits)
    padded = [fit.curve + [fit.curve[-1]] * (longest - len(fit.curve)) for fit in fits]
    weights = [fit.best for fit in fits] if trial.keeps_weights else []
    cut = [fit.is_cut for fit in fits]
    return TrainedHeads.of(scores, np.array(padded).swapaxes(0, 1), cut, weights, lost)


_ADVICE = "see the learning rate and the scaling of yours"


def _course(fit: OwnFit) -> Course:
    is_whole = fit.epochs == fit.trial.spec.settings.training.max_epochs
    ended = _is_final(fit.trial) or not fit.is_cut
    return Course(
        task=fit.task,
        curve=np.array(fit.curve),
        epochs=fit.diverged_in or len(fit.curve),
        diverged=bool(fit.diverged),
        ended=ended,
        cut=not ended and is_whole,
        agreement=fit.scores.agreement(fit.head),
    )


def _check(model: ModelSettings, training: TrainingSettings) -> None:
    if model.build is None:
        raise UserError(
            "training.mode fit trains a model of your own, and model.build names none; write "
            "build: my_model.py:build"
        )
    refuse_clean_throughout(training, training.max_epochs)
    for section, value, usual, kept in (
        ("model", model, ModelSettings(), {"build", "hyperparameters"}),
        ("training", training, TrainingSettings(), _READ),
    ):
        for name in type(value).model_fields:
            if name not in kept and getattr(value, name) != getattr(usual, name):
                raise UserError(
                    f"{section}.{name} has no effect on a model of your own (model.build "
                    f"{model.build}): it says that itself; leave {name} out"
                )


_READ = {
    "mode",
    "max_epochs",
    "patience",
    "batch_size",
    "views",
    "class_weight",
    "augmented_share",
    "clean_epochs",
}


def whole_own_model(
    settings: Settings, size: int, num_classes: int, weights: HeadWeights
) -> "keras.Model":
    """Raw uint8 images of any size in, class probabilities out. weights: none leave it as it is
    built."""
    import keras

    model, _ = build_own(settings.model, 0)
    outputs = outputs_of(model, str(settings.model.build), num_classes, size)
    if weights:
        model.set_weights(list(weights))
    model.optimizer, model.compiled = None, False  # it is not trained on, and would be saved
    images = keras.Input((None, None, 3), dtype="uint8", name="images")
    resized = keras.layers.Resizing(
        size, size, interpolation="bilinear", antialias=True, name="resize"
    )(images)
    found = model(keras.ops.cast(resized, "float32"), training=False)  # as it was trained
    if not outputs.logits:  # whatever training made of them
        found = keras.ops.clip(found, 0.0, 1.0)
    if outputs.kind == "binary":
        found = keras.ops.sigmoid(found) if outputs.logits else found
        found = keras.ops.concatenate([1 - found, found], axis=-1)
    elif outputs.logits:
        found = keras.ops.softmax(found, axis=-1)
    return keras.Model(images, found, name="augsearch_model")


def _put(backbone: "keras.Model", settings: Settings, weights: Sequence[np.ndarray]) -> HeadWeights:
    raise ValueError("a model of the user's own has no backbone")


FIT = Mode(
    name="fit",
    train=train_fit,
    put=_put,
    check=_check,
    side_by_side=False,
    budget="epochs",
    views="fresh",
    has_backbone=False,
    whole=whole_own_model,
    frozen="none",
)
