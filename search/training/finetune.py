"""Mode finetune: heads as in mode frozen, then each of them with the upper part of the backbone, which is unfrozen.

Where the frozen part can be cut off at one tensor its outputs are computed once a view and only the rest runs; else the whole
network runs over the painted images. Which of the two is `prefixes`' decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from search.experiment.trial import Curve
from search.features.rows import FeatureRows
from search.features.store import FeatureStore, NotFinite
from search.training.feeds import Feed, StoredFeed
from search.training.frozen import (
    forget_frozen,
    forget_views,
    frozen_store,
    pictures_of,
    train_frozen_heads,
    validation_features,
    view_of,
)
from search.training.heads import TrainedHeads
from search.training.job import Job, Trained
from search.training.network import Network
from search.training.network_training import CURVES, Phase
from search.training.prefixes import cut_of, prefix_store, say_if_too_large, why_whole
from search.training.progress import EpochReport, OnEpoch
from search.training.whole import (
    Inputs,
    answer_by,
    hash_of_feed,
    image_feed,
    network_of,
    phase_of,
    run_phase,
)

HEAD, FINETUNE = "head", "finetune"


def train_finetune(job: Job) -> Trained:
    """Raises TrialFailure where a loss is not finite, UserError where the backbone has no such layer."""
    store = frozen_store(job)
    counted = _Counted([store])
    first = _first_phase(job, store)
    way = _way(job, counted)
    network = _network(job, uncut=way.reason is not None)
    before = hash_of_feed(job, way.feed)
    second = run_phase(
        job,
        network,
        lambda head: network.start(first.weights[head], job.tasks[head].seed),
        way.feed,
        _second_phase(job, len(first.curve.loss)),
        needs_company=_trains_batch_norms(job),
    )
    return Trained(
        heads=_joined(first, second),
        answer=answer_by(network, second.weights, way.inputs),
        validation_hash=(before, hash_of_feed(job, way.feed)),
        features_seconds=counted.seconds,
        images_extracted=counted.images,
        engine=store.engine,
        path=way.description,
        head_best_epochs=first.best_epochs,
    )


def _first_phase(job: Job, store: FeatureStore) -> TrainedHeads:
    after = _second_phase(job, 0).num_epochs
    validation = validation_features(job, store)
    on_epoch = _as_first_phase(job.on_epoch, after)
    return train_frozen_heads(job, store, validation, job.spec.protocol.head_epochs, on_epoch)


def _as_first_phase(on_epoch: OnEpoch | None, epochs_after: int) -> OnEpoch | None:
    """Reports of the heads as those of a trial that goes on after them."""
    if on_epoch is None:
        return None

    def report(each: EpochReport) -> None:
        on_epoch(replace(each, phase=HEAD, max_epochs=each.max_epochs + epochs_after))

    return report


def _second_phase(job: Job, epochs_before: int) -> Phase:
    training = job.spec.settings.training
    second = training.finetune
    rate = "training.finetune.learning_rate", second.learning_rate
    most = second.max_epochs or training.max_epochs
    return phase_of(job, FINETUNE, rate, second.warmup_epochs, most, epochs_before)


def _network(job: Job, uncut: bool) -> Network:
    model, training = job.spec.settings.model, job.spec.settings.training
    return network_of(
        model.backbone,
        model.weights,
        job.spec.dataset.image_size,
        str(training.finetune.start),
        uncut,
        _trains_batch_norms(job),
        (model.head_units, job.num_classes),
    )


def _trains_batch_norms(job: Job) -> bool:
    return job.spec.settings.training.finetune.batch_norm == "train"


@dataclass(frozen=True)
class _Way:
    """How images come to what trains. inputs: pictures -> what the network takes. reason: why the whole network runs; None where
    only its suffix does."""

    feed: Feed
    inputs: Inputs
    description: str
    reason: str | None


def _way(job: Job, counted: "_Counted") -> _Way:
    reason = why_whole(cut_of(job.spec), job.spec.settings.training)
    if reason is None:
        store = prefix_store(job)
        counted.add(store)
        try:
            return _stored_way(job, store, store.clean())
        except NotFinite:
            reason = "the prefix's outputs are beyond float16"
    feed = image_feed(job)
    description = f"whole network: {reason}"
    return _Way(feed, lambda pictures: pictures, description, reason)


def _stored_way(job: Job, store: FeatureStore, clean: np.ndarray) -> _Way:
    pictures = pictures_of(job.spec)
    say_if_too_large(job, clean.shape[1:])

    def of_view(view: int) -> FeatureRows:
        return view_of(job, store, view)

    feed = StoredFeed(of_view, validation_features(job, store), pictures)
    shape = "x".join(map(str, clean.shape[1:]))
    layer = cut_of(job.spec).cut_after
    return _Way(feed, store.of_pictures, f"prefix kept up to {layer} ({shape}, float16)", None)


class _Counted:
    """What feature stores have computed since they were added."""

    def __init__(self, stores: Sequence[FeatureStore]) -> None:
        self._since = [(store, store.seconds, store.images_extracted) for store in stores]

    def add(self, store: FeatureStore) -> None:
        self._since.append((store, store.seconds, store.images_extracted))

    @property
    def seconds(self) -> float:
        return sum(store.seconds - before for store, before, _ in self._since)

    @property
    def images(self) -> int:
        return sum(store.images_extracted - before for store, _, before in self._since)


def _joined(first: TrainedHeads, second: TrainedHeads) -> TrainedHeads:
    """The second phase's answers, on an axis of epochs that begins with the first."""
    before, curves = len(first.curve.loss), (first.curve.values, second.curve.values)
    phases = ((HEAD, before), (FINETUNE, len(second.curve.loss)))
    curve = Curve(**{name: curves[0][name] + curves[1][name] for name in CURVES}, phases=phases)
    best_epochs = tuple(before + epoch for epoch in second.best_epochs)
    return replace(second, best_epochs=best_epochs, curve=curve)


def forget_finetune(job: Job) -> None:
    """Deletes what both phases kept of the trial's views."""
    forget_frozen(job)
    if why_whole(cut_of(job.spec), job.spec.settings.training) is None:
        forget_views(job, prefix_store(job))
