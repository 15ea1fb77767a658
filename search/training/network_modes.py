"""The modes that train networks. Finetune: heads as in mode frozen, then each of them with the
upper part of the backbone, which is unfrozen. Scratch: the whole network from random weights of
each head's own seed, on a new view every epoch.

Where the frozen part of a backbone can be cut off at one tensor its outputs are computed once a
view and only the rest runs; else the whole network runs over the painted images. Which of the two
is `cutting`'s decision.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from data.errors import UserError
from data.messages import literal
from search.experiment.settings import ModelSettings, TrainingSettings
from search.experiment.trial import CURVES, Curve
from search.features.backbones import OF_TINY, find_backbone
from search.features.feature_rows import NO_COST, FeatureCost, NotFinite
from search.features.store import FeatureStore
from search.training.cutting import cut_of, prefix_store, warn_if_too_large
from search.training.frozen import forget_frozen, frozen_store, train_frozen_heads
from search.training.head_shape import initial_weights
from search.training.network import Network
from search.training.network_shape import NetworkShape, network_of, put_body
from search.training.network_training import NetworkPhase, answer_by, train_phase
from search.training.network_variables import Live
from search.training.pictures import AugmentedPictures, Feed, ImageFeed, StoredFeed
from search.training.progress import EpochReport, OnEpoch
from search.training.run_values import TrainedHeads
from search.training.training_mode import (
    LoadedTrial,
    Mode,
    PhaseLimit,
    Trained,
    one_phase,
    refuse_clean_throughout,
)

HEAD, SECOND = "head", "finetune"  # the phases
SCRATCH_WARMUP_EPOCHS = 1.0


def train_finetune(trial: LoadedTrial) -> Trained:
    """Raises TrialFailure where a loss is not finite, UserError where the backbone has no such
    layer.
    """
    store = frozen_store(trial)
    first, cost = _first_phase(trial, store)
    way = _way(trial)
    network = _network(trial, uncut=way.reason is not None)

    def start(head: int) -> Live:
        return network.start(first.weights[head], trial.tasks[head].seed)

    phase = replace(_second_phase(trial, len(first.curve.loss)), began=_reached(trial, first))
    second, validation_hash, second_cost = train_phase(trial, network, start, way.feed, phase)
    return Trained(
        heads=_joined(first, second),
        answer=answer_by(network, second.weights, way.inputs),
        validation_hash=validation_hash,
        cost=cost + way.cost + second_cost,
        engine=store.engine,
        path=way.description,
        head_best_epochs=first.best_epochs,
    )


def _network(trial: LoadedTrial, uncut: bool) -> Network:
    size = trial.spec.dataset.image_size
    return network_of(NetworkShape.above(trial.spec.settings, size, trial.num_classes, uncut))


def _first_phase(trial: LoadedTrial, store: FeatureStore) -> tuple[TrainedHeads, FeatureCost]:
    """The heads, and what their features cost, which nothing holds from here on."""
    feed = StoredFeed(store, trial.pictures, trial.scored)
    after = _second_phase(trial, 0).num_epochs(trial.spec.protocol)
    on_epoch = _as_first_phase(trial.on_epoch, after)
    epochs = trial.spec.protocol.head_epochs
    return train_frozen_heads(trial, feed, epochs, on_epoch, goes_on=True)


def _reached(trial: LoadedTrial, heads: TrainedHeads) -> tuple[float, ...]:
    """The accuracy of each, by the weights that it has."""
    answers = zip(trial.tasks, heads.optimistic, strict=True)
    return tuple(
        float((answer[0] == trial.labels[task.validate]).mean()) for task, answer in answers
    )


def _as_first_phase(on_epoch: OnEpoch | None, epochs_after: int) -> OnEpoch | None:
    """Reports of the heads as those of a trial that goes on after them."""
    if on_epoch is None:
        return None

    def report(each: EpochReport) -> None:
        on_epoch(replace(each, phase=HEAD, max_epochs=each.max_epochs + epochs_after))

    return report


def _second_phase(trial: LoadedTrial, epochs_before: int) -> NetworkPhase:
    training = trial.spec.settings.training
    return NetworkPhase(
        name=SECOND,
        learning_rate=training.finetune.learning_rate,
        learning_rate_setting="training.finetune.learning_rate",
        warmup_epochs=training.finetune.warmup_epochs,
        max_epochs=_most_epochs(training),
        needs_company=training.finetune.batch_norm == "train",
        reported_before=epochs_before,
    )


@dataclass(frozen=True)
class _Way:
    """How images come to what trains. inputs: pictures -> what the network takes. cost: of what is
    scored. reason: why the whole network runs; None where only its suffix does.
    """

    feed: Feed
    inputs: Callable[[np.ndarray], np.ndarray]
    description: str
    cost: FeatureCost = NO_COST
    reason: str | None = None


def _way(trial: LoadedTrial) -> _Way:
    found = cut_of(trial.spec)
    reason = found.reason
    if found.cut_after is not None:
        try:
            return _stored_way(trial, found.cut_after)
        except NotFinite:
            reason = "the prefix's outputs are beyond float16"
    feed = ImageFeed(_second_pictures(trial), trial.scored)
    return _Way(feed, lambda pictures: pictures, f"whole network: {reason}", reason=reason)


def _stored_way(trial: LoadedTrial, layer: str) -> _Way:
    """layer: the prefix's last. Raises NotFinite where the clean outputs are beyond float16."""
    store = prefix_store(trial)
    feed = StoredFeed(store, _second_pictures(trial), trial.scored)
    shape = feed.scored.shape[1:]
    warn_if_too_large(trial, shape)
    description = f"prefix kept up to {layer} ({'x'.join(map(str, shape))}, float16)"
    return _Way(feed, store.of_pictures, description, feed.scored.cost)


def _second_pictures(trial: LoadedTrial) -> AugmentedPictures:
    return trial.pictures_of(_most_epochs(trial.spec.settings.training))


def _joined(first: TrainedHeads, second: TrainedHeads) -> TrainedHeads:
    """The second phase's answers, on an axis of epochs that begins with the first. A head is cut
    where either phase cut it: the second goes on from where the first had come."""
    before, curves = len(first.curve.loss), (first.curve.values, second.curve.values)
    phases = ((HEAD, before), (SECOND, len(second.curve.loss)))
    curve = Curve(**{name: curves[0][name] + curves[1][name] for name in CURVES}, phases=phases)
    best_epochs = tuple(before + epoch for epoch in second.best_epochs)
    cut = tuple(map(any, zip(first.cut_by_max_epochs, second.cut_by_max_epochs, strict=True)))
    return replace(second, best_epochs=best_epochs, curve=curve, cut_by_max_epochs=cut)


def _forget_views(trial: LoadedTrial) -> None:
    """Deletes what both phases kept of the trial's views."""
    forget_frozen(trial)
    if cut_of(trial.spec).cut_after is not None:
        trial.pictures.forget(prefix_store(trial))


def _check_finetune(model: ModelSettings, training: TrainingSettings) -> None:
    refuse_clean_throughout(training, _most_epochs(training))
    if training.finetune.start is None:
        raise UserError(
            "training.mode finetune needs training.finetune.from: the name of a layer or "
            "block, `last: N`, or all"
        )
    if training.finetune.batch_norm == "train" and training.batch_size == 1:
        raise UserError(
            "training.batch_size is 1 and finetune.batch_norm is train: a batch norm needs "
            "two images or more; raise batch_size "
            "or keep batch_norm frozen"
        )


def _most_epochs(training: TrainingSettings) -> int:
    """Of the second phase."""
    return _phases(training)[-1][1]


def _phases(training: TrainingSettings) -> tuple[PhaseLimit, ...]:
    first, second = one_phase(training), training.finetune.max_epochs
    return (*first, ("training.finetune.max_epochs", second) if second else first[0])


FINETUNE = Mode(
    name="finetune",
    train=train_finetune,
    forget=_forget_views,
    put=put_body,
    check=_check_finetune,
    side_by_side=True,
    budget="epochs",
    phases=_phases,
)


def train_scratch(trial: LoadedTrial) -> Trained:
    """Raises TrialFailure where a loss is not finite."""
    shape = NetworkShape.whole(
        trial.spec.settings, trial.spec.dataset.image_size, trial.num_classes
    )
    network = network_of(shape)
    max_epochs = trial.spec.settings.training.max_epochs
    feed = ImageFeed(trial.pictures_of(max_epochs), trial.scored)

    def start(head: int) -> Live:
        return _random_start(trial, network, head)

    heads, validation_hash, cost = train_phase(trial, network, start, feed, _scratch_phase(trial))
    return Trained(
        heads=heads,
        answer=answer_by(network, heads.weights, lambda pictures: pictures),
        validation_hash=validation_hash,
        cost=cost,
        path="whole network: every layer trains",
    )


def _random_start(trial: LoadedTrial, network: Network, head: int) -> Live:
    from search.features.backbones import build_backbone

    model, seed = trial.spec.settings.model, trial.tasks[head].seed
    body = build_backbone(model.backbone, "random", trial.spec.dataset.image_size, seed=seed)
    return network.start(initial_weights(network.shape, seed), seed, body.get_weights())


def _scratch_phase(trial: LoadedTrial) -> NetworkPhase:
    settings = trial.spec.settings
    return NetworkPhase(
        name="scratch",
        learning_rate=settings.model.learning_rate,
        learning_rate_setting="model.learning_rate",
        warmup_epochs=SCRATCH_WARMUP_EPOCHS,
        max_epochs=settings.training.max_epochs,
        needs_company=True,
        is_only=True,
    )


def _check_scratch(model: ModelSettings, training: TrainingSettings) -> None:
    refuse_clean_throughout(training, training.max_epochs)
    if find_backbone(model.backbone).from_file:
        raise UserError(
            f"model.backbone {model.backbone} is a network with its weights, and training.mode "
            "scratch begins at random ones; use mode finetune or frozen, or model.build"
        )
    if model.weights != "random":
        raise UserError(
            f"model.weights is {literal(model.weights)}, and training.mode scratch begins at "
            "random weights; write `model: {weights: random}`, or with few pictures `model: "
            f"{{backbone: {OF_TINY}, weights: random}}`, a network small enough to learn from "
            "them, or use mode finetune"
        )
    if training.batch_size == 1:
        raise UserError(
            "training.batch_size is 1, and batch norms that train need two images or more; raise it"
        )


SCRATCH = Mode(
    name="scratch",
    train=train_scratch,
    put=put_body,
    check=_check_scratch,
    side_by_side=True,
    budget="epochs",
    views="fresh",
    frozen="none",
)
