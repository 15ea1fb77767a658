"""The training modes: one record each, which says how a trial is trained and what becomes of what it learnt.

What is trained on and scored is the same for all of them and is `run_trial`'s; what each does is in a module of its own, loaded when
wanted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from data.errors import UserError
from search.experiment.settings import ModelSettings, Settings, TrainingSettings
from search.experiment.trial import TrialSpec
from search.training.job import Job, Trained

Views = int | Literal["fresh"]

if TYPE_CHECKING:
    import keras

    from search.experiment.space import Space
    from search.training.head_shape import HeadWeights


@dataclass(frozen=True)
class Mode:
    """train: a job to what it learnt. forget: deletes what the trial kept on disk for itself. put: the weights of a trained head, put
    into a backbone fresh from `build_backbone`; gives back those of the head. check: raises UserError for settings that do not go
    together. side_by_side: how it uses processors, as `features.threads.set_threads` has it. budget: what successive halving shares
    out; most: all of that.
    """

    name: str
    train: Callable[[Job], Trained]
    forget: Callable[[Job], None]
    put: Callable[["keras.Model", Settings, Sequence[np.ndarray]], "HeadWeights"]
    check: Callable[[ModelSettings, TrainingSettings], None]
    side_by_side: bool
    budget: Literal["views", "epochs"]
    most: Callable[[TrainingSettings], Views]


def budget_of(spec: TrialSpec) -> Views:
    """How much of its mode's budget a trial is given."""
    mode = mode_of(spec.settings.training)
    if mode.budget == "views":
        return spec.protocol.views
    return spec.protocol.max_epochs or mode.most(spec.settings.training)


def mode_of(training: TrainingSettings) -> Mode:
    return MODES[training.mode]


def check_modes(space: "Space") -> None:
    """Raises UserError where the mode is searched, or some setting of the space does not go with it."""
    if "mode" in space.dimensions:
        raise UserError(
            "training.mode cannot be searched: modes are compared by a search each; write one of them"
        )
    for settings in space.corners():
        mode_of(settings.training).check(settings.model, settings.training)


def check_networks(space: "Space", image_size: int) -> None:
    """Raises UserError where a backbone of the space has no such layer as `finetune.from` names. Builds networks."""
    from search.training.prefixes import cut_summary

    for backbone in space.values_of("model", "backbone"):
        for start in space.values_of("training", "finetune.from"):
            if start is not None and space.values_of("training", "mode") == ["finetune"]:
                cut_summary(backbone, image_size, start)


def _frozen(job: Job) -> Trained:
    from search.training.frozen import train_frozen

    return train_frozen(job)


def _finetune(job: Job) -> Trained:
    from search.training.finetune import train_finetune

    return train_finetune(job)


def _scratch(job: Job) -> Trained:
    from search.training.scratch import train_scratch

    return train_scratch(job)


def _forget_frozen(job: Job) -> None:
    from search.training.frozen import forget_frozen

    forget_frozen(job)


def _forget_finetune(job: Job) -> None:
    from search.training.finetune import forget_finetune

    forget_finetune(job)


def _keeps_nothing(job: Job) -> None:
    """Its pictures are painted as they are wanted."""


def _put_head(backbone: "keras.Model", settings: Settings, weights: Sequence[np.ndarray]) -> "HeadWeights":
    return tuple(weights)


def _put_body(backbone: "keras.Model", settings: Settings, weights: Sequence[np.ndarray]) -> "HeadWeights":
    """The weights are those of the whole backbone or of its suffix, whichever was run, then the head's."""
    from search.training.cutting import cut

    at = len(weights) - (4 if settings.model.head_units else 2)
    whole = at == len(backbone.weights)
    body = backbone if whole else cut(backbone, str(settings.training.finetune.start)).suffix
    body.set_weights(list(weights[:at]))
    return tuple(weights[at:])


def _check_frozen(model: ModelSettings, training: TrainingSettings) -> None:
    for name in ("mixup", "cutmix"):
        if getattr(training, name):
            raise UserError(
                f"training.{name} is {getattr(training, name):g}, which mixes images, and training.mode frozen keeps the features of "
                "each; use mode finetune or scratch, or leave it at 0"
            )


def _check_finetune(model: ModelSettings, training: TrainingSettings) -> None:
    if training.finetune.start is None:
        raise UserError(
            "training.mode finetune needs training.finetune.from: the name of a layer or block, `last: N`, or all"
        )
    if training.finetune.batch_norm == "train" and training.batch_size == 1:
        raise UserError(
            "training.batch_size is 1 and finetune.batch_norm is train: a batch norm needs two images or more; raise batch_size "
            "or keep batch_norm frozen"
        )


def _check_scratch(model: ModelSettings, training: TrainingSettings) -> None:
    if model.weights != "random":
        raise UserError(
            f"model.weights is {model.weights}, and training.mode scratch begins at random weights; write `weights: random`, or "
            "use mode finetune"
        )
    if training.batch_size == 1:
        raise UserError(
            "training.batch_size is 1, and batch norms that train need two images or more; raise it"
        )


def _finetune_epochs(training: TrainingSettings) -> int:
    return training.finetune.max_epochs or training.max_epochs


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode(
            "frozen",
            _frozen,
            _forget_frozen,
            _put_head,
            _check_frozen,
            True,
            "views",
            lambda training: training.views,
        ),
        Mode(
            "finetune",
            _finetune,
            _forget_finetune,
            _put_body,
            _check_finetune,
            False,
            "epochs",
            _finetune_epochs,
        ),
        Mode(
            "scratch",
            _scratch,
            _keeps_nothing,
            _put_body,
            _check_scratch,
            False,
            "epochs",
            lambda training: training.max_epochs,
        ),
    )
}
