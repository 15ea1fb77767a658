"""Networks that do not train: their loss becomes no number, or they never do better than guessing.
One such among several says nothing of the setting, and is named instead of being taken for it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.settings import TrainingSettings
from search.experiment.trial import LostNetwork
from search.training.head_tasks import HeadTask

MOST_LUCK = 4.0  # standard errors: the best of a hundred epochs is within 3
WORDS: dict[Literal["chance", "diverged"], str] = {
    "chance": "never left chance",
    "diverged": "diverged",
}


def accuracy_tells(training: TrainingSettings, objective: Objective) -> bool:
    """Whether a head that learns has a better accuracy: of losses and objectives in which every
    image counts the same."""
    return training.class_weight == "none" and OBJECTIVES[objective].of_class is None


def only_guessed(task: HeadTask, labels: np.ndarray, curve: np.ndarray) -> bool:
    """Whether a head was never better than always giving the most frequent class, by more than
    luck, on what it trained on nor on what it is scored on. Of very few images that is not known.
    curve: float [epochs, 4], as `Curve`.
    """
    reached = {"trained": curve[:, 1].max(), "scored": curve[:, 3].max()}
    most = {"trained": most_by_guessing(labels[task.train])}
    most["scored"] = most_by_guessing(labels[task.validate])
    return all(reached[name] <= most[name] < 1 for name in most)


def most_by_guessing(labels: np.ndarray) -> float:
    """The share of right answers that giving always one class, or chance, may reach."""
    share = float(np.bincount(labels).max()) / len(labels)
    return share + MOST_LUCK * float(np.sqrt(share * (1 - share) / len(labels)))


def lost_networks(
    found: Mapping[Literal["chance", "diverged"], Mapping[int, int]],
) -> tuple[LostNetwork, ...]:
    """found: why -> {head: its last epoch, from 0}."""
    lost = [
        LostNetwork(head=head, why=why, epoch=epoch + 1)
        for why, epochs in found.items()
        for head, epoch in epochs.items()
    ]
    return tuple(sorted(lost, key=lambda each: each.head))


def lost_text(lost: Sequence[LostNetwork]) -> str:
    """`1 never left chance, 2 diverged`"""
    counts = {text: sum(each.why == why for each in lost) for why, text in WORDS.items()}
    return ", ".join(f"{count} {text}" for text, count in counts.items() if count)
