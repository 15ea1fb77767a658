"""`run_trial`: from a spec to its result, a pure function of values. No tuner, no tracker, no global inside.

What is expensive to open (the decoded images, the backbone) is kept by the process that runs trials, under the values that
made it. Here the parts meet: the images (`data`), their features (`feature_store`), the heads (`heads`), the scores.
"""

import hashlib
import time
import traceback
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.dataset import Dataset, open_dataset
from data.errors import UserError
from data.settings import DatasetConfig
from search.evaluation import metric_values
from search.feature_store import FeatureStore
from search.folds import head_tasks, pool_rows
from search.greetings import import_tensorflow_quietly
from search.heads import HeadPlan, HeadTask, TrainedHeads, TrialFailure, train_heads
from search.progress import OnEpoch
from search.trial import (
    ModelSettings,
    Outcome,
    Precision,
    Predictions,
    Probe,
    Resources,
    TrialResult,
    TrialSpec,
    TrialTiming,
)
from search.winner import heads_file, save_head

if TYPE_CHECKING:
    from search.features import Extractor

NUM_CHECK_IMAGES = 16  # real images on which an engine is compared with Keras before it is trusted


def run_trial(spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None) -> Outcome:
    """Trains and scores one setting.

    A trial that cannot give a result (a loss that is not finite, data that does not allow the protocol) comes back as failed
    with its reason; anything else that is raised is the machine's fault or the program's, and passes through.
    """
    try:
        trained = train_spec(spec, resources, on_epoch)
    except (TrialFailure, UserError) as error:
        return Outcome(TrialResult(status="failed", error=str(error), traceback=traceback.format_exc()), None)
    if spec.protocol.epochs is not None:
        save_head(heads_file(spec, resources), trained.heads.weights[0])
    if not resources.keep_views:
        forget_views(spec, resources)
    return Outcome(trained.result, trained.predictions)


def forget_views(spec: TrialSpec, resources: Resources) -> None:
    """Deletes the augmented features of a trial."""
    store = store_of(spec.dataset, spec.dataset_seed, spec.settings.model, spec.precision, resources)
    store.forget(pool_rows(store.dataset, spec.protocol), spec.settings.augmentation, spec.protocol.view_seed)


class TrainedTrial:
    """A trial's result together with the heads that gave it, for the winner's model."""

    def __init__(self, result: TrialResult, predictions: Predictions, heads: TrainedHeads) -> None:
        self.result, self.predictions, self.heads = result, predictions, heads


def train_spec(spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None) -> TrainedTrial:
    """Trains one setting and keeps its heads. Raises TrialFailure or UserError where there can be no result."""
    start = time.perf_counter()
    store = store_of(spec.dataset, spec.dataset_seed, spec.settings.model, spec.precision, resources)
    seconds, extracted = store.seconds, store.images_extracted
    pool = pool_rows(store.dataset, spec.protocol)
    tasks, fold = head_tasks(store.dataset, pool, spec.protocol)
    labels = np.asarray(store.dataset.labels)[pool]
    validation = _validation_features(spec, store, pool)
    hash_before = _hash(validation)
    heads = train_heads(_views(spec, store, pool), validation, _plan(spec, store, tasks, labels), on_epoch)
    hashes = (hash_before, _hash(validation))
    features_seconds = store.seconds - seconds
    total = time.perf_counter() - start
    timing = TrialTiming(
        features_seconds=features_seconds,
        heads_seconds=total - features_seconds,
        total_seconds=total,
        images_extracted=store.images_extracted - extracted,
    )
    honest = assemble(heads.honest, tasks, fold, pool)
    optimistic = assemble(heads.optimistic, tasks, fold, pool)
    engine = store.engine
    result = _result(spec, store.dataset, heads, honest, optimistic).model_copy(
        update={
            "probes": _probes(spec, store, resources, pool, tasks, heads),
            "timing": timing,
            "validation_hash": hashes,
            "feature_engine": engine,
            "precision": spec.precision,
        }
    )
    return TrainedTrial(result, honest, heads)


def _probes(
    spec: TrialSpec,
    store: FeatureStore,
    resources: Resources,
    pool: np.ndarray,
    tasks: tuple[HeadTask, ...],
    heads: TrainedHeads,
) -> tuple[Probe, ...]:
    if not spec.probes:
        return ()
    from search.probes import probe_extremes

    model = spec.settings.model
    extractor = extractor_of(store.dataset, model.backbone, model.weights, spec.precision, resources)
    one_seed = list(zip(tasks, heads.weights, strict=True))[: spec.protocol.folds]
    return probe_extremes(store.dataset, extractor, pool, one_seed, spec.probes)


def _views(spec: TrialSpec, store: FeatureStore, pool: np.ndarray) -> Callable[[int], np.ndarray]:
    """The features of each epoch: `views` of them in turn, or a new one every epoch."""
    views = spec.protocol.views
    augmentation, seed = spec.settings.augmentation, spec.protocol.view_seed

    @lru_cache(maxsize=1)
    def of_view(view: int) -> np.ndarray:
        return store.view(pool, augmentation, seed, view)

    def of_epoch(epoch: int) -> np.ndarray:
        return of_view(0 if not augmentation else epoch if views == "fresh" else epoch % views)

    return of_epoch


def _validation_features(spec: TrialSpec, store: FeatureStore, pool: np.ndarray) -> np.ndarray:
    """Clean, whatever the setting. Only the deliberate leak augments them, with draws of its own."""
    if spec.protocol.leak:
        return store.view(pool, spec.settings.augmentation, spec.protocol.view_seed, LEAKED_VIEW)
    return store.clean()[pool]


LEAKED_VIEW = 1_000_000  # beyond any view that trains


def _plan(spec: TrialSpec, store: FeatureStore, tasks: tuple[HeadTask, ...], labels: np.ndarray) -> HeadPlan:
    return HeadPlan(
        tasks=tasks,
        labels=labels,
        num_classes=len(store.dataset.class_names),
        model=spec.settings.model,
        training=spec.settings.training,
        objective=spec.protocol.objective,
        epochs=spec.protocol.epochs,
    )


def assemble(
    answers: tuple[tuple[np.ndarray, np.ndarray], ...],
    tasks: tuple[HeadTask, ...],
    fold: np.ndarray,
    pool: np.ndarray,
) -> Predictions:
    """Each head's answers put in the places of its images: one row a seed, one column an image that is ever scored."""
    num_folds = fold.max() + 1
    predicted = np.zeros((len(tasks) // num_folds, len(pool)), np.int16)
    log_prob = np.zeros(predicted.shape, np.float32)
    for head, (classes, log_probs) in enumerate(answers):
        predicted[head // num_folds, tasks[head].validate] = classes
        log_prob[head // num_folds, tasks[head].validate] = log_probs
    scored = fold >= 0
    return Predictions(pool[scored], predicted[:, scored], log_prob[:, scored], fold[scored])


def _result(
    spec: TrialSpec, dataset: Dataset, heads: TrainedHeads, honest: Predictions, optimistic: Predictions
) -> TrialResult:
    labels = np.asarray(dataset.labels)
    metrics = metric_values(honest, labels, len(dataset.class_names))
    return TrialResult(
        status="completed",
        score=metrics[spec.protocol.objective],
        metrics=metrics,
        optimistic_metrics=metric_values(optimistic, labels, len(dataset.class_names)),
        best_epochs=heads.best_epochs,
        num_heads=len(heads.best_epochs),
        heads_cut_by_max_epochs=sum(heads.cut_by_max_epochs) if spec.protocol.epochs is None else 0,
        curve=heads.curve,
    )


def _hash(features: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).data).hexdigest()[:32]


@lru_cache(maxsize=4)
def dataset_of(config: DatasetConfig, seed: int, cache_dir: Path, num_threads: int) -> Dataset:
    """The decoded images, opened once a process."""
    return open_dataset(config, cache_dir, seed, num_threads)


def store_of(
    config: DatasetConfig, seed: int, model: ModelSettings, precision: Precision, resources: Resources
) -> FeatureStore:
    """The features of a dataset by a backbone, opened once a process."""
    return _store(config, seed, model.backbone, model.weights, precision, resources)


@lru_cache(maxsize=4)
def _store(
    config: DatasetConfig, seed: int, backbone: str, weights: str, precision: Precision, resources: Resources
) -> FeatureStore:
    from search.backbones import weights_identity
    from search.features import expected_engine

    dataset = dataset_of(config, seed, resources.cache_dir, resources.num_threads)

    def extractor() -> "Extractor":
        return extractor_of(dataset, backbone, weights, precision, resources)

    identity = f"{backbone}/{weights_identity(backbone, weights)}/{precision}"
    return FeatureStore(dataset, extractor, identity, expected_engine(resources.feature_engine), resources)


@lru_cache(maxsize=4)
def extractor_of(
    dataset: Dataset, backbone: str, weights: str, precision: Precision, resources: Resources
) -> "Extractor":
    """The frozen backbone, compiled once a process and compared with Keras on images of the dataset."""
    import_tensorflow_quietly()
    from search.backbones import build_backbone
    from search.features import build_extractor

    size = dataset.images.shape[1]
    model = build_backbone(backbone, weights, size)
    spread = np.linspace(0, len(dataset.images) - 1, min(NUM_CHECK_IMAGES, len(dataset.images))).astype(int)
    return build_extractor(
        model,
        engine=resources.feature_engine,
        precision=precision,
        num_threads=resources.num_threads,
        cache_dir=resources.cache_dir,
        check_images=np.asarray(dataset.images[spread]),
    )
