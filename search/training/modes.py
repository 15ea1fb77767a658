"""The training modes: one record each, which says how a trial is trained and what becomes of what
it learnt.

What is trained on and scored is the same for all of them and is `run_trial`'s; what each does is in
a module of its own.
"""

from itertools import product

from data.errors import UserError
from data.messages import literal
from search.experiment.settings import TrainingSettings
from search.experiment.space import Space
from search.experiment.trial import TrialSpec
from search.training.cutting import cut_summary
from search.training.fit_mode import FIT
from search.training.frozen import FROZEN
from search.training.network_modes import FINETUNE, SCRATCH
from search.training.training_mode import Mode, Views

MODES: dict[str, Mode] = {mode.name: mode for mode in (FROZEN, FINETUNE, SCRATCH, FIT)}
OF_OWN_MODELS = next(mode for mode in MODES.values() if not mode.has_backbone)


def mode_of(training: TrainingSettings) -> Mode:
    return MODES[training.mode]


def budget_of(spec: TrialSpec) -> Views:
    """How much of its mode's budget a trial is given."""
    mode = mode_of(spec.settings.training)
    if mode.budget == "views":
        return spec.protocol.views
    return spec.protocol.max_epochs or mode.most(spec.settings.training)


LEAST_AUGMENTED = 0.05


def check_modes(space: Space) -> None:
    """Raises UserError where some setting of the space does not go with its mode, or controls would
    be trained on hardly an augmented picture."""
    share = space.with_augmentation({}).training.augmented_share
    if share < LEAST_AUGMENTED:
        raise UserError(
            f"training.augmented_share is {share:g} where controls and each augmentation alone are "
            "trained (a fixed value, the first of a list, the middle of a range): hardly a picture "
            "would be augmented, and nothing could be told; allowed there: 0.05 to 1"
        )
    for settings in space.corners():
        if settings.model.build is not None and mode_of(settings.training).has_backbone:
            raise UserError(
                f"model.build is {literal(settings.model.build)}, and training.mode is "
                f"{settings.training.mode}; a model of your own is trained by mode: "
                f"{OF_OWN_MODELS.name}"
            )
        mode_of(settings.training).check(settings.model, settings.training)


def check_networks(space: Space, image_size: int) -> None:
    """Raises UserError where a backbone of the space has no such layer as `finetune.from` names.
    Builds networks.
    """
    if MODES[space.mode].frozen != "some":
        return
    parts = (("model", "backbone"), ("model", "weights"), ("training", "finetune.from"))
    for backbone, weights, start in product(*(space.values_of(*part) for part in parts)):
        cut_summary((backbone, weights), image_size, start)
