"""What the events of a journal have said up to one of them, as their checks need it, and how a
check fails.
"""

from data.augmentations import AUGMENTATIONS
from data.errors import UserError
from data.messages import escaped
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import OBJECTIVES
from search.experiment.space import Space
from search.experiment.trial import TrialRecord
from search.journal.events import Opened

LARGEST_COUNT = 2**53
MOST_SCORED = 10**8
MOST_LABEL = 500  # signs
METRICS = {name for name, record in OBJECTIVES.items() if record.always}


class SearchSoFar:
    """What was said so far."""

    opened: Opened
    config: ExperimentConfig
    space: Space
    backbones: list[tuple[str, str]]

    def __init__(self) -> None:
        self.records: list[TrialRecord] = []

    def need_trial(self, number: int | None) -> None:
        need(
            number is None or 0 <= number < len(self.records),
            f"it speaks of trial {number}, which was not asked",
        )


def need(fact: bool, otherwise: str) -> None:
    """Raises UserError with `otherwise`, unless it is a fact."""
    if not fact:
        raise UserError(otherwise)


def need_augmentation(name: str) -> None:
    """Raises UserError for the name of no augmentation."""
    need(name in AUGMENTATIONS, f"{escaped(name[:40])!r} is no augmentation")


def need_value(name: str, value: object) -> None:
    """Raises UserError for what is no value of an augmentation."""
    need_augmentation(name)
    AUGMENTATIONS[name].parse(value)
