"""What the rungs of an experiment share out, and how they are told: views of each image, or epochs
where the training mode trains networks.

A rung is a share of a training that is complete. Of views that is all of them. `max_epochs` is only
a safety stop: patience ends a training long before, so that shares of it would judge networks that
have hardly begun, and the upper rungs be one and the same.
"""

from collections import Counter
from collections.abc import Sequence

from data.errors import UserError
from data.messages import plural
from search.driver.cut_checks import AMPLE
from search.driver.rounds import Round, Span
from search.experiment.config import ExperimentConfig
from search.training.modes import mode_of


def span_of(config: ExperimentConfig, least: int) -> Span:
    """least: of the lowest rung, where it may be so little. Raises UserError where all of the
    budget is not one number."""
    most = _most(config)
    whole = min(most, complete_epochs(config) or most)
    patience = _largest(config, "patience") if _in_epochs(config) else 0
    if patience < whole:  # else nothing but max_epochs ends a training
        least = max(least, patience)
    return Span(min(least, whole), whole, most)


def complete_epochs(config: ExperimentConfig) -> int | None:
    """Within which patience ends about any training; None where views are shared out, or where
    clean epochs are counted back from `max_epochs`, which is to be reached."""
    if not _in_epochs(config) or _largest(config, "clean_epochs"):
        return None
    return AMPLE * _largest(config, "patience")


def rungs_text(config: ExperimentConfig, rounds: Sequence[Round]) -> str:
    """How many trials stand on each rung: "12 trials on 30, 4 on up to 500 epochs"."""
    sizes = Counter[int]()
    for each in rounds:
        sizes[each.budget] += each.size
    least, top, up_to = min(sizes), max(sizes), "up to " * _in_epochs(config)
    told = [
        f"{plural(size, 'trial') if budget == least else size} on {up_to * (budget == top)}{budget}"
        for budget, size in sorted(sizes.items())
    ]
    return f"{', '.join(told)} {mode_of(config.space.corners()[0].training).budget}"


def _in_epochs(config: ExperimentConfig) -> bool:
    return mode_of(config.space.corners()[0].training).budget == "epochs"


def _largest(config: ExperimentConfig, name: str) -> int:
    """Of the values that a setting of training may have."""
    return max(map(int, config.space.values_of("training", name)))


def _most(config: ExperimentConfig) -> int:
    """All of the budget: views, or epochs where the training mode shares out those."""
    first, last = (settings.training for settings in config.space.corners())
    mode = mode_of(first)
    most, other = mode.most(first), mode.most(last)
    if most != other:
        what = "training.views" if mode.budget == "views" else "the number of epochs"
        raise UserError(
            f"{what} is searched; search.algorithm {config.search.algorithm} shares it out and "
            "needs one number"
        )
    if not isinstance(most, int):
        raise UserError(
            f"training.views is {most!r}; search.algorithm {config.search.algorithm} shares out "
            "views and needs a number"
        )
    return most
