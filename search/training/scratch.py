"""Mode scratch: the whole network from random weights of each head's own seed, on a new view every
epoch.
"""

from data.errors import UserError
from search.experiment.settings import ModelSettings, TrainingSettings
from search.training.head_shape import initial_weights
from search.training.job import Job, Mode, Trained
from search.training.network import Network
from search.training.network_training import (
    NetworkShape,
    Phase,
    answer_by,
    hash_of_scored,
    network_of,
    put_body,
    train_phase,
)
from search.training.pictures import ImageFeed
from search.training.training_run import State

WARMUP_EPOCHS = 1.0


def train_scratch(job: Job) -> Trained:
    """Raises TrialFailure where a loss is not finite."""
    shape = NetworkShape.whole(job.spec.settings.model, job.spec.dataset.image_size, job.num_classes)
    network = network_of(shape)
    feed = ImageFeed(job.pictures, job.scored)
    before = hash_of_scored(job, feed)
    heads = train_phase(job, network, lambda head: _start(job, network, head), feed, _phase(job))
    return Trained(
        heads=heads,
        answer=answer_by(network, heads.weights, lambda pictures: pictures),
        validation_hash=(before, hash_of_scored(job, feed)),
        path="whole network: every layer trains",
    )


def _start(job: Job, network: Network, head: int) -> State:
    from search.features.backbones import build_backbone

    model, seed = job.spec.settings.model, job.tasks[head].seed
    body = build_backbone(model.backbone, "random", job.spec.dataset.image_size, seed=seed)
    return network.start(initial_weights(network.shape, seed), seed, body.get_weights())


def _phase(job: Job) -> Phase:
    settings = job.spec.settings
    return Phase(
        name="scratch",
        learning_rate=settings.model.learning_rate,
        learning_rate_setting="model.learning_rate",
        warmup_epochs=WARMUP_EPOCHS,
        max_epochs=settings.training.max_epochs,
        needs_company=True,
    )


def _check(model: ModelSettings, training: TrainingSettings) -> None:
    if model.weights != "random":
        raise UserError(
            f"model.weights is {model.weights}, and training.mode scratch begins at random weights; write `weights: random`, or "
            "use mode finetune"
        )
    if training.batch_size == 1:
        raise UserError(
            "training.batch_size is 1, and batch norms that train need two images or more; raise it"
        )


def _forget(job: Job) -> None:
    """Its pictures are painted as they are wanted."""


SCRATCH = Mode(
    name="scratch",
    train=train_scratch,
    forget=_forget,
    put=put_body,
    check=_check,
    side_by_side=False,
    budget="epochs",
    most=lambda training: training.max_epochs,
)
