"""Networks that do not train: their loss becomes no number, they never do better than guessing, or
fine-tuning undoes what their heads had learnt.
One such among several says nothing of the setting, and is named instead of being taken for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.trial import Lost, LostNetwork
from search.training.head_scores import LEAST_LOSS, MOST_LUCK, HeadAnswer
from search.training.head_tasks import HeadTask
from search.training.run_values import TrialFailure

WORDS: dict[Lost, str] = {
    "chance": "never left chance",
    "cut": "cut by max_epochs at chance",
    "ruined": "ruined by fine-tuning",
    "diverged": "diverged",
}


@dataclass(frozen=True)
class Course:
    """How the training of a head went. curve: float [epochs or more, 4], as `Curve`; epochs: those
    it was trained for, one in which its loss became no number among them. ended: `patience` or own
    code did, or as many epochs as a final model has; cut: max_epochs did, for good. agreement: as
    `HeadScores` has it. began: its accuracy before, where it had learnt already. label_smoothing:
    of what it was taught, which keeps its log-loss up.
    """

    task: HeadTask
    curve: np.ndarray
    epochs: int
    diverged: bool
    ended: bool
    cut: bool
    agreement: tuple[bool, bool]
    began: float | None = None
    label_smoothing: float = 0.0


def lost_of(
    courses: Sequence[Course], labels: np.ndarray, images_count_alike: bool
) -> tuple[LostNetwork, ...]:
    """Those of a trial that did not train. images_count_alike: as in `RunPlan`."""
    return tuple(
        LostNetwork(head=head, why=why, epoch=course.epochs)
        for head, course in enumerate(courses)
        if (why := _why_lost(course, labels, images_count_alike))
    )


def need_trained(
    lost: Sequence[LostNetwork], num_networks: int, what: str, advice: str, is_final: bool
) -> None:
    """what, advice: the words for them, and for what to do. Raises TrialFailure where they are
    `too_many`."""
    if not too_many(lost, num_networks, is_final):
        return
    by_patience = not is_final and any(each.why in ("chance", "ruined") for each in lost)
    longer = "a larger training.patience or " if by_patience else ""
    count = f"{len(lost)} of {num_networks} {what} did not train: {lost_text(lost)}"
    reason = f"{count}; {advice}, or try {longer}weaker augmentation"
    raise TrialFailure(reason, lost, num_networks)


def _why_lost(course: Course, labels: np.ndarray, images_count_alike: bool) -> Lost | None:
    """None: it trained, or may yet."""
    if course.diverged:
        return "diverged"
    if not (course.ended or course.cut):
        return None
    alike = images_count_alike or _are_even(labels[course.task.train])
    if alike and _is_ruined(course, labels):
        return "ruined"
    if not _only_guessed(course, labels, alike):
        return None
    return "chance" if course.ended else "cut"


def _only_guessed(course: Course, labels: np.ndarray, images_count_alike: bool) -> bool:
    """Whether a head was never better than always giving one answer: neither by more right ones
    than luck gives, on what it trained on or on what it is scored on, nor by a lower log-loss,
    which tells that a head has learnt rare classes. Few images, one large class or weights by class
    leave a head that learns no room to be so; one that guesses goes with no class then either.
    """
    if course.agreement[0]:
        return False
    trained, scored = labels[course.task.train], labels[course.task.validate]
    most = most_by_guessing(trained), most_by_guessing(scored)
    for reached, by_luck in zip(course.curve[:, [1, 3]].max(axis=0), most, strict=True):
        if reached > by_luck or reached == 1:
            return False
    # One constant answer may come below the smoothed shares' loss, but is never evenly lower.
    smoothing = course.label_smoothing if course.agreement[1] else 0.0
    if course.curve[:, 2].min() < LEAST_LOSS * loss_by_guessing(
        scored, smoothing, 1 + labels.max()
    ):
        return False
    return (images_count_alike and max(most) < 1) or not any(course.agreement)


def _are_even(labels: np.ndarray) -> bool:
    counts = np.bincount(labels)
    return len(set(counts[counts > 0])) == 1


def _is_ruined(course: Course, labels: np.ndarray) -> bool:
    """Whether a head that had learnt was never as good again, and at its end half of what it was
    better than guessing is gone. What it got right in training, before the first steps told, does
    not count.
    """
    scored, began = course.curve[:, 3], course.began
    known = labels[course.task.validate]
    if began is None or began <= most_by_guessing(known) or scored.max() >= began:
        return False
    return bool(scored[-1] < (share_by_guessing(known) + began) / 2)


def share_by_guessing(labels: np.ndarray) -> float:
    return float(np.bincount(labels).max()) / len(labels)


def loss_by_guessing(labels: np.ndarray, smoothing: float = 0.0, num_classes: int = 1) -> float:
    """The lowest log-loss of one answer to all images: the entropy of their classes' shares. Of a
    head that was taught smoothed labels of `num_classes`, the loss of those shares, smoothed
    alike."""
    counts = np.bincount(labels)
    shares = counts[counts > 0] / len(labels)
    given = (1 - smoothing) * shares + smoothing / num_classes
    return float(-(shares * np.log(given)).sum())


def most_by_guessing(labels: np.ndarray) -> float:
    """The share of right answers that giving always one class, or chance, may reach."""
    share = share_by_guessing(labels)
    return share + MOST_LUCK * float(np.sqrt(share * (1 - share) / len(labels)))


def by_guessing(
    task: HeadTask, labels: np.ndarray, num_classes: int, objective: Objective
) -> HeadAnswer:
    """What a network that diverges in its first epoch is scored by: for every image, how often each
    class is among those it trained on."""
    counts = np.bincount(labels[task.train], minlength=num_classes) + 1  # none is impossible
    shares = np.log(counts / counts.sum()).astype(np.float32)
    predicted = np.full(len(task.validate), shares.argmax(), np.int16)
    answer = predicted, shares[labels[task.validate]]
    if not OBJECTIVES[objective].needs_all:
        return answer
    return *answer, np.tile(shares, (len(predicted), 1))


def need_others(
    diverged: Mapping[int, int], num_networks: int, what: str, why: str, is_final: bool
) -> None:
    """diverged: which networks, and the epoch of each, from 0. why: of the last of them. Raises
    TrialFailure as soon as they are too many for a result."""
    if _are_too_many(len(diverged), num_networks, is_final):
        which = ", ".join(map(str, sorted(diverged)))
        lost = [
            LostNetwork(head=head, why="diverged", epoch=epoch + 1)
            for head, epoch in sorted(diverged.items())
        ]
        reason = f"{len(diverged)} of {num_networks} {what} diverged ({which}): {why}"
        raise TrialFailure(reason, lost, num_networks)


def too_many(lost: Sequence[LostNetwork], num_networks: int, is_final: bool) -> bool:
    """Whether so many did not train that there is no result. Those that were cut might have; of
    final models only those that diverged have no answers: others are named and counted."""
    harmless = ("cut", "chance", "ruined") if is_final else ("cut",)
    return _are_too_many(sum(each.why not in harmless for each in lost), num_networks, is_final)


def _are_too_many(count: int, num_networks: int, is_final: bool) -> bool:
    """Half; of the final models, of which one is kept and which are trained once, all."""
    return count >= num_networks if is_final else 2 * count >= num_networks


def lost_text(lost: Sequence[LostNetwork]) -> str:
    """`1 never left chance, 2 diverged`"""
    counts = {text: sum(each.why == why for each in lost) for why, text in WORDS.items()}
    return ", ".join(f"{count} {text}" for text, count in counts.items() if count)
