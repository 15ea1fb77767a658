"""Mode frozen: the backbone runs once a view, and the heads of all folds and seeds train together
on its kept features.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UserError
from search.experiment.settings import MIXING, ModelSettings, Settings, TrainingSettings
from search.features.devices import operations_at_once, sees_gpu
from search.features.feature_rows import NO_COST, FeatureCost, FeatureRows, refuse_not_finite
from search.features.process_cache import extractor_of, store_of
from search.features.store import FeatureStore
from search.training.head_shape import HeadWeights
from search.training.heads import HeadPlan, train_heads
from search.training.pictures import StoredFeed, digest_of
from search.training.progress import OnEpoch
from search.training.run_values import TrainedHeads
from search.training.training_mode import LoadedTrial, Mode, Trained, refuse_clean_throughout

if TYPE_CHECKING:
    import keras


def train_frozen(trial: LoadedTrial) -> Trained:
    """Raises TrialFailure where a loss is not finite."""
    store = frozen_store(trial)
    max_epochs = trial.spec.settings.training.max_epochs
    feed = StoredFeed(store, trial.pictures_of(max_epochs), trial.scored)
    before = digest_of(feed.scored.blocks())
    heads, cost = train_frozen_heads(trial, feed, trial.spec.protocol.epochs, trial.on_epoch)
    return Trained(
        heads=heads,
        answer=lambda pictures, head: _answers(trial, heads.weights, pictures, head),
        validation_hash=(before, digest_of(feed.scored.blocks())),
        cost=cost,
        engine=store.engine,
    )


def train_frozen_heads(
    trial: LoadedTrial,
    feed: StoredFeed,
    epochs: int | None,
    on_epoch: OnEpoch | None,
    goes_on: bool = False,
) -> tuple[TrainedHeads, FeatureCost]:
    """The stacked heads on what is kept of a backbone, and what that cost. epochs, goes_on:
    as in `HeadPlan`.
    """
    costs, settings = [feed.scored.cost], trial.spec.settings
    plan = HeadPlan(
        tasks=trial.tasks,
        labels=trial.labels,
        num_classes=trial.num_classes,
        model=settings.model,
        training=settings.training,
        objective=trial.spec.protocol.objective,
        epochs=epochs,
        goes_on=goes_on,
    )
    lanes = 1 if sees_gpu() else operations_at_once(trial.resources.num_threads)

    def features_of(epoch: int) -> FeatureRows:
        rows = feed.of_epoch(epoch)
        costs.append(rows.cost)
        return rows

    heads = train_heads(features_of, feed.scored, plan, on_epoch, lanes)
    return heads, sum(costs, NO_COST)


def frozen_store(trial: LoadedTrial) -> FeatureStore:
    return store_of(trial.spec, trial.resources)


def forget_frozen(trial: LoadedTrial) -> None:
    """Deletes the augmented features of a trial."""
    trial.pictures.forget(frozen_store(trial))


def _answers(
    trial: LoadedTrial, weights: tuple[HeadWeights, ...], pictures: np.ndarray, head: np.ndarray
) -> np.ndarray:
    model = trial.spec.settings.model
    extractor = extractor_of(
        trial.dataset, model.backbone, model.weights, trial.spec.precision, trial.resources
    )
    features = extractor.extract([pictures], len(pictures)).reshape(len(pictures), -1)
    refuse_not_finite(
        features, model.backbone, lambda row: f"picture {row} of the label-safety check"
    )
    return np.array([_answer(features[i], weights[number]) for i, number in enumerate(head)])


def _answer(features: np.ndarray, weights: HeadWeights) -> int:
    values = features
    for kernel, bias in zip(weights[0:-2:2], weights[1:-2:2], strict=True):
        values = np.maximum(values @ kernel + bias, 0)
    return int(np.argmax(values @ weights[-2] + weights[-1]))


def _check(model: ModelSettings, training: TrainingSettings) -> None:
    refuse_clean_throughout(training, training.max_epochs)
    for name in MIXING:
        if getattr(training, name):
            raise UserError(
                f"training.{name} is {getattr(training, name):g}, which mixes images, and "
                "training.mode frozen keeps the features of "
                "each; use mode finetune or scratch, or leave it at 0"
            )


def _put(backbone: "keras.Model", settings: Settings, weights: Sequence[np.ndarray]) -> HeadWeights:
    return tuple(weights)


FROZEN = Mode(
    name="frozen",
    train=train_frozen,
    forget=forget_frozen,
    put=_put,
    check=_check,
    side_by_side=True,
    budget="views",
    frozen="all",
    head_spread=0.04,
)
