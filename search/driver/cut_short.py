"""Whether `max_epochs`, a safety stop, would end trainings that patience should end: what is known
of it before a search runs, and what its first training shows.
"""

from data.messages import plural
from search.experiment.settings import TrainingSettings
from search.experiment.space import Space
from search.experiment.trial import TrialRecord
from search.report.measures import heads_cut
from search.training.modes import mode_of

AMPLE = 5  # times patience: far more than most networks take
MOST_HEADS_CUT = 0.5  # of a training's heads, cut


def cut_by_plan(space: Space) -> tuple[str, ...]:
    """A line for each setting that leaves patience no room, whatever the network learns. None where
    clean epochs end trainings: these are counted from max_epochs back, which is to be reached.
    """
    corners = [settings.training for settings in space.corners()]
    if any(training.clean_epochs for training in corners):
        return ()
    lines = [line for training in corners for line in _of_settings(training)]
    return tuple(dict.fromkeys(lines))


def _of_settings(training: TrainingSettings) -> list[str]:
    mode, patience = mode_of(training), training.patience
    given = {"training.max_epochs": training.max_epochs}
    if mode.name == "finetune" and training.finetune.max_epochs is not None:
        given["training.finetune.max_epochs"] = training.finetune.max_epochs
    word = "head" if mode.budget == "views" else "network"
    return [
        f"{name} {most} cuts {f'every {word}' if most <= patience else f'most {word}s'} before "
        f"training.patience {patience} ends it: effects of a training that is not over say little; "
        f"write {name}: {AMPLE * patience} or more, and patience decides"
        for name, most in given.items()
        if most < 2 * patience
    ]


def cut_at_first(record: TrialRecord) -> str | None:
    """What no augmentation, the first trial, shows: where it is cut, augmented ones will be too.
    None where clean epochs end it, as in a plan.
    """
    cut, heads = heads_cut(record), record.result.num_heads if record.result else 0
    meant = record.spec.settings.training.clean_epochs > 0
    if record.trial or meant or not heads or cut < MOST_HEADS_CUT * heads:
        return None
    return (
        f"training.max_epochs cut {cut} of {plural(heads, 'head')} of no augmentation, which "
        "learns the fastest: augmented ones need longer, and most would be cut as well; raise it, "
        "and patience decides"
    )
