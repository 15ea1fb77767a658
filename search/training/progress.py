"""What a running trial says of itself, for whoever watches: values alone. How they travel is the
engines'; what is shown of them is `terminal`'s and `tracking`'s. Nothing here changes a result, and
a trial that nobody watches says nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass


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
