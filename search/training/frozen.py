"""Mode frozen: the backbone runs once a view, and the heads of all folds and seeds train together on its kept features."""

import hashlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from search.experiment.trial import TrialSpec
from search.features.gpus import sees_gpu
from search.features.opened import extractor_of, store_of
from search.features.rows import ABSENT, FeatureRows
from search.features.store import FeatureStore, refuse_not_finite
from search.features.threads import operations_at_once
from search.training.feeds import Pictures
from search.training.head_shape import HeadWeights
from search.training.heads import HeadPlan, TrainedHeads, train_heads
from search.training.job import Job, Trained
from search.training.progress import OnEpoch

LEAKED_VIEW = 1_000_000  # beyond any view that trains


def train_frozen(job: Job) -> Trained:
    """Raises TrialFailure where a loss is not finite."""
    store = frozen_store(job)
    seconds, extracted = store.seconds, store.images_extracted
    validation = validation_features(job, store)
    before = hash_of(validation)
    heads = train_frozen_heads(job, store, validation, job.spec.protocol.epochs, job.on_epoch)
    return Trained(
        heads=heads,
        answer=lambda pictures, head: _answers(job, heads.weights, pictures, head),
        validation_hash=(before, hash_of(validation)),
        features_seconds=store.seconds - seconds,
        images_extracted=store.images_extracted - extracted,
        engine=store.engine,
    )


def train_frozen_heads(
    job: Job,
    store: FeatureStore,
    validation: FeatureRows,
    epochs: int | None,
    on_epoch: OnEpoch | None,
) -> TrainedHeads:
    """The stacked heads on the features of `store`. epochs: as in `HeadPlan`."""
    settings = job.spec.settings
    plan = HeadPlan(
        tasks=job.tasks,
        labels=job.labels,
        num_classes=job.num_classes,
        model=settings.model,
        training=settings.training,
        objective=job.spec.protocol.objective,
        epochs=epochs,
    )
    lanes = 1 if sees_gpu() else operations_at_once(job.resources.num_threads)
    return train_heads(_features_by_epoch(job, store), validation, plan, on_epoch, lanes)


def frozen_store(job: Job) -> FeatureStore:
    spec = job.spec
    numbers = spec.precision, spec.feature_dtype
    return store_of(spec.dataset, spec.dataset_seed, spec.settings.model, *numbers, job.resources)


def forget_frozen(job: Job) -> None:
    """Deletes the augmented features of a trial."""
    forget_views(job, frozen_store(job))


def pictures_of(spec: TrialSpec) -> Pictures:
    return Pictures(spec.settings.augmentation, spec.protocol.view_seed, spec.protocol.views)


def validation_features(job: Job, store: FeatureStore) -> FeatureRows:
    """Clean, whatever the setting. Only the deliberate leak augments them, with draws of its own."""
    if job.spec.protocol.leak:
        return store.view(job.pool, job.spec.settings.augmentation, job.spec.protocol.view_seed, LEAKED_VIEW)
    return FeatureRows(store.clean(), job.pool)


def view_of(job: Job, store: FeatureStore, view: int) -> FeatureRows:
    """What `store` gives for the pool as augmented for a view, of the images that are trained on; the others have none."""
    pictures = pictures_of(job.spec)
    if not pictures.augmentation:
        return FeatureRows(store.clean(), job.pool)
    found = store.view(job.pool[job.trained], pictures.augmentation, pictures.seed, view)
    places = np.full(len(job.pool), ABSENT)
    places[job.trained] = np.arange(len(job.trained))
    return FeatureRows(found.values, places)


def forget_views(job: Job, store: FeatureStore) -> None:
    """Deletes what `view_of` has kept for the trial."""
    store.forget(job.pool[job.trained], job.spec.settings.augmentation, job.spec.protocol.view_seed)


def hash_of(features: FeatureRows) -> str:
    digest = hashlib.sha256()
    for block in features.blocks():
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()[:32]


def _features_by_epoch(job: Job, store: FeatureStore) -> Callable[[int], FeatureRows]:
    """The features of each epoch: `views` of them in turn, or a new one every epoch."""
    pictures = pictures_of(job.spec)

    @lru_cache(maxsize=1)
    def of_view(view: int) -> FeatureRows:
        return view_of(job, store, view)

    return lambda epoch: of_view(pictures.view(epoch))


def _answers(
    job: Job, weights: tuple[HeadWeights, ...], pictures: np.ndarray, head: np.ndarray
) -> np.ndarray:
    model = job.spec.settings.model
    extractor = extractor_of(job.dataset, model.backbone, model.weights, job.spec.precision, job.resources)
    features = extractor.extract([pictures], len(pictures)).reshape(len(pictures), -1)
    refuse_not_finite(features, model.backbone, lambda row: f"picture {row} of the label-safety check")
    return np.array([_answer(features[i], weights[number]) for i, number in enumerate(head)])


def _answer(features: np.ndarray, weights: HeadWeights) -> int:
    values = features
    for kernel, bias in zip(weights[0:-2:2], weights[1:-2:2], strict=True):
        values = np.maximum(values @ kernel + bias, 0)
    return int(np.argmax(values @ weights[-2] + weights[-1]))
