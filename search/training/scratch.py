"""Mode scratch: the whole network from random weights of each head's own seed, on a new view every
epoch.
"""

from data.errors import UserError
from search.experiment.settings import ModelSettings, TrainingSettings
from search.training.head_shape import HeadState, initial_weights
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
from search.training.training_mode import LoadedTrial, Mode, Trained

WARMUP_EPOCHS = 1.0


def train_scratch(trial: LoadedTrial) -> Trained:
    """Raises TrialFailure where a loss is not finite."""
    shape = NetworkShape.whole(
        trial.spec.settings.model, trial.spec.dataset.image_size, trial.num_classes
    )
    network = network_of(shape)
    feed = ImageFeed(trial.pictures, trial.scored)
    before = hash_of_scored(trial, feed)
    heads = train_phase(
        trial, network, lambda head: _start(trial, network, head), feed, _phase(trial)
    )
    return Trained(
        heads=heads,
        answer=answer_by(network, heads.weights, lambda pictures: pictures),
        validation_hash=(before, hash_of_scored(trial, feed)),
        path="whole network: every layer trains",
    )


def _start(trial: LoadedTrial, network: Network, head: int) -> HeadState:
    from search.features.backbones import build_backbone

    model, seed = trial.spec.settings.model, trial.tasks[head].seed
    body = build_backbone(model.backbone, "random", trial.spec.dataset.image_size, seed=seed)
    return network.start(initial_weights(network.shape, seed), seed, body.get_weights())


def _phase(trial: LoadedTrial) -> Phase:
    settings = trial.spec.settings
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
            f"model.weights is {model.weights}, and training.mode scratch begins at random "
            "weights; write `weights: random`, or "
            "use mode finetune"
        )
    if training.batch_size == 1:
        raise UserError(
            "training.batch_size is 1, and batch norms that train need two images or more; raise it"
        )


def _forget(trial: LoadedTrial) -> None:
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
