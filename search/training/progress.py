"""What a running trial says of itself, for whoever watches: values alone. How they travel is the
engines'; what is shown of them is `terminal`'s and `tracking`'s. Nothing here changes a result, and
a trial that nobody watches says nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from search.experiment.trial import TrialRecord


@dataclass(frozen=True)
class EpochReport:
    """A trial has finished an epoch.

    epoch: from 1, counted on over the phases of a trial, each reported once and in order.
    max_epochs: how many there will be at the most, over all phases. The four values are the last
    ones of the trial's `Curve`: means over its heads. phase: what a trial of several phases is
    doing (`head`, `finetune`); empty where there is one.
    """

    epoch: int
    max_epochs: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    phase: str = ""


# called in the process and thread that trains; must not raise
OnEpoch = Callable[[EpochReport], None]


class Listener(Protocol):
    """Told of each trial as it is asked, as it goes and as it is told: the terminal, the tracker.
    All in the search's own thread."""

    def trial_started(self, record: TrialRecord) -> None:
        return

    def trial_epoch(self, record: TrialRecord, report: EpochReport) -> None:
        return

    def trial_told(self, record: TrialRecord) -> None:
        return
