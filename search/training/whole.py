"""What the modes that train a network share: the network itself, its batches, its phase, and the answers of its heads."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from search.experiment.settings import Settings
from search.features import gpus
from search.features.greetings import import_tensorflow_quietly
from search.training.batching import Batching
from search.training.checkpoints import Checkpoint, checkpoint_file
from search.training.cutting import cut
from search.training.head_shape import HeadShape, HeadWeights
from search.training.heads import TrainedHeads
from search.training.job import Answer, Job
from search.training.mixing import Mixing
from search.training.network import Network, State, acceleration, built_in
from search.training.network_training import PREDICT_BATCH, Phase, train_networks
from search.training.pictures import Feed, hash_of

if TYPE_CHECKING:
    import keras

Inputs = Callable[[np.ndarray], np.ndarray]
Start = Callable[[int], State]


@lru_cache(maxsize=2)
def network_of(
    backbone: str, weights: str, size: int, start: str, uncut: bool, as_training: bool, head: tuple[int, int]
) -> Network:
    """The network of a setting, compiled at its first use in a process. start: as `finetune.from`. uncut: the whole of it, whatever
    could be cut off. head: units and classes."""
    import_tensorflow_quietly()
    from search.features.backbones import build_backbone

    fast = acceleration(gpus.compute_capability())
    with built_in(fast.dtype):
        whole = build_backbone(backbone, weights, size)
        parts = cut(whole, start)
    body = whole if uncut else parts.suffix
    shape = HeadShape(whole.output_shape[-1], *head)
    return Network(body, parts.trained, shape, as_training, fast.compiled_by_xla)


def batching_of(job: Job, feed: Feed, needs_company: bool) -> Batching:
    """How the trial's images become batches."""
    model, training = job.spec.settings.model, job.spec.settings.training
    return Batching(
        inputs=feed.batches,
        labels=job.labels,
        positions=job.pool,
        num_classes=job.num_classes,
        batch_size=training.batch_size,
        head_units=model.head_units,
        dropout=model.dropout,
        label_smoothing=training.label_smoothing,
        mixing=Mixing(training.mixup, training.cutmix),
        needs_company=needs_company,
    )


def phase_of(
    job: Job,
    name: str,
    rate: tuple[str, float],
    warmup_epochs: float,
    max_epochs: int,
    reported_before: int = 0,
) -> Phase:
    """A phase of the trial, by its settings and protocol. rate: the setting that gives the learning rate, and its value."""
    training, protocol = job.spec.settings.training, job.spec.protocol
    return Phase(
        name=name,
        tasks=job.tasks,
        labels=job.labels,
        objective=protocol.objective,
        learning_rate=rate[1],
        learning_rate_setting=rate[0],
        warmup_epochs=warmup_epochs,
        weight_decay=training.weight_decay,
        max_epochs=max_epochs,
        patience=training.patience,
        pause_at=protocol.max_epochs,
        fixed_epochs=protocol.epochs,
        keeps_weights=job.keeps_weights,
        reported_before=reported_before,
    )


def run_phase(
    job: Job, network: Network, start: Start, feed: Feed, phase: Phase, needs_company: bool
) -> TrainedHeads:
    """Trains every head of the trial through the phase, from its checkpoint if it has one."""
    checkpoint = Checkpoint(checkpoint_file(job.spec, job.resources))
    batching = batching_of(job, feed, needs_company)
    return train_networks(network, start, batching, feed, phase, checkpoint, job.on_epoch)


def answer_by(network: Network, weights: tuple[State, ...], inputs: Inputs) -> Answer:
    """inputs: pictures -> what the network takes. weights: of each head that may be asked."""

    def answer(pictures: np.ndarray, head: np.ndarray) -> np.ndarray:
        given, found = inputs(pictures), np.zeros(len(head), np.int64)
        for number in np.unique(head):
            network.put(weights[number])
            rows = np.flatnonzero(head == number)
            batches = (given[rows[at : at + PREDICT_BATCH]] for at in range(0, len(rows), PREDICT_BATCH))
            found[rows] = network.predict(batches, np.zeros(len(rows), np.int64))[0]
        return found

    return answer


def hash_of_scored(job: Job, feed: Feed) -> str:
    """Of what the validation images are to the network, all that any head is scored on."""
    rows = np.unique(np.concatenate([task.validate for task in job.tasks]))
    return hash_of(feed.scored_batches(rows, PREDICT_BATCH))


def put_body(backbone: "keras.Model", settings: Settings, weights: Sequence[np.ndarray]) -> HeadWeights:
    """The weights are those of the whole backbone or of its suffix, whichever was run, then the head's."""
    at = len(weights) - (4 if settings.model.head_units else 2)
    whole = at == len(backbone.weights)
    body = backbone if whole else cut(backbone, str(settings.training.finetune.start)).suffix
    body.set_weights(list(weights[:at]))
    return tuple(weights[at:])
