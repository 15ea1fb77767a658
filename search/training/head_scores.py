"""What each head has reached on its validation images: when to stop, which epoch is best, and an
honest score.

The usual score, the best epoch's on the very images that chose it, is optimistic. Here every head's
validation images are split in two stratified halves; the epoch chosen on one half answers for the
other. The usual one is kept beside it. Whether answers go with the classes beyond luck, however
many images each class has, is told too: a share of right ones does not tell it of few images, or
where one class is nearly all.
"""

from dataclasses import dataclass, field

import numpy as np

from search.experiment.objectives import OBJECTIVES, ImageAnswers, Objective

MOST_LUCK = 4.0  # standard errors: the best of a hundred epochs is within 3
LEAST_LOSS = 0.97  # of the best constant answer's log-loss: a head below it has learnt something
_LEAST_VARIANCE = 1e-12  # less is rounding
_ROUNDING = 1e-5  # of a probability

# predicted int16 [v], log_prob float32 [v] and, where the objective needs them, log_probs float32
# [v, classes]
HeadAnswer = tuple[np.ndarray, ...]


@dataclass
class _Best:
    """The best epoch by the objective over the images of `choosing` (bool [v]), and the answers it
    gave on all of them.
    """

    choosing: np.ndarray
    value: float = -np.inf
    epoch: int = -1
    answer: HeadAnswer | None = None

    def offer(self, epoch: int, value: float, answer: HeadAnswer) -> bool:
        if not value > self.value:
            return False
        self.value, self.epoch, self.answer = value, epoch, answer
        return True


@dataclass
class _Head:
    labels: np.ndarray
    whole: _Best
    halves: tuple[_Best, _Best]
    last_epoch: int = -1
    fresh_after: int = -1
    last_answer: HeadAnswer | None = field(default=None)
    beyond_luck: bool = False
    evenly_lower: bool = False


class HeadScores:
    """Follows every head over the epochs.

    labels: a head, int [v]. patience: stale epochs after which a head has stopped; None never
    stops, and the last epoch counts.
    """

    def __init__(
        self, labels: list[np.ndarray], objective: Objective, patience: int | None
    ) -> None:
        self._score = OBJECTIVES[objective].score
        self._patience = patience
        self._heads = [_new_head(each) for each in labels]

    def add(self, head: int, epoch: int, *answer: np.ndarray) -> bool:
        """Takes a head's answers of an epoch; tells whether its weights are the ones to keep so
        far.
        """
        state = self._heads[head]
        if self.stopped(head):
            return False
        state.last_epoch, state.last_answer = epoch, answer
        if not state.beyond_luck:
            state.beyond_luck = is_beyond_luck(answer[0], answer[1], state.labels)
            state.evenly_lower |= is_evenly_lower(answer[1], state.labels)
        log_probs = answer[2] if len(answer) > 2 else None
        answers = ImageAnswers(answer[0], answer[1], state.labels, log_probs)
        improved = False
        for best in (*state.halves, state.whole):
            improved = best.offer(epoch, self._score(answers, best.choosing), state.last_answer)
        return improved or self._patience is None

    def stopped(self, head: int) -> bool:
        """Whether `patience` epochs have passed since the head's best one, or since it was given
        patience anew."""
        state = self._heads[head]
        since = max(state.whole.epoch, state.fresh_after)
        return self._patience is not None and state.last_epoch - since >= self._patience

    def be_patient_anew(self, head: int) -> None:
        """From the last epoch on, whatever came before: it is trained in another way now."""
        self._heads[head].fresh_after = self._heads[head].last_epoch

    def last_epoch(self, head: int) -> int:
        """From 0: the last that it was given."""
        return self._heads[head].last_epoch

    def agreement(self, head: int) -> tuple[bool, bool]:
        """Whether its answers did go with the classes, in an epoch of those it was given: beyond
        luck; or by their log-loss, all classes counted alike."""
        state = self._heads[head]
        return state.beyond_luck, state.evenly_lower

    def best_epoch(self, head: int) -> int:
        """From 0; the last one where nothing was chosen."""
        state = self._heads[head]
        return state.last_epoch if self._patience is None else state.whole.epoch

    def optimistic(self, head: int) -> HeadAnswer:
        """The answers of the epoch that was best on these same images."""
        state = self._heads[head]
        return _given(state.last_answer if self._patience is None else state.whole.answer)

    def honest(self, head: int) -> HeadAnswer:
        """Each image's answer from the epoch chosen on the half it is not in."""
        state = self._heads[head]
        if self._patience is None:
            return _given(state.last_answer)
        chosen_on_first, chosen_on_second = (_given(half.answer) for half in state.halves)
        in_first = state.halves[0].choosing
        return tuple(
            np.where(in_first.reshape(-1, *[1] * (first.ndim - 1)), second, first)
            for second, first in zip(chosen_on_second, chosen_on_first, strict=True)
        )


def _given(answer: HeadAnswer | None) -> HeadAnswer:
    if answer is None:
        raise ValueError("a head was asked for answers before its first epoch")
    return answer


def _new_head(labels: np.ndarray) -> _Head:
    # Alternating within each class gives halves of equal make-up; rows come in a drawn order, so
    # the halves are random too.
    order = np.argsort(labels, kind="stable")
    in_first = np.zeros(len(labels), bool)
    in_first[order[::2]] = True
    return _Head(labels, _Best(np.ones(len(labels), bool)), (_Best(in_first), _Best(~in_first)))


def is_beyond_luck(predicted: np.ndarray, log_prob: np.ndarray, labels: np.ndarray) -> bool:
    """predicted, labels: int [v]; log_prob: of the true class, float [v]. By which are right or, of
    two classes, by their order, whatever the answers are calibrated to."""
    found = max(_standard_errors(predicted, labels), _order(log_prob, labels))
    return found > MOST_LUCK


def is_evenly_lower(log_prob: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the log-loss, all classes counted alike, is below that of one answer to all."""
    counts = np.bincount(labels)
    there, sums = counts > 0, np.bincount(labels, log_prob)
    balanced = -float((sums[there] / counts[there]).mean())
    return balanced < LEAST_LOSS * float(np.log(there.sum()))


def _order(log_prob: np.ndarray, labels: np.ndarray) -> float:
    """By how many standard errors the images of one of two classes are given more of it than those
    of the other, beyond chance (Mann and Whitney 1947); 0 of more classes. What differs by rounding
    is even."""
    classes, which = np.unique(labels, return_inverse=True)
    if len(classes) != 2:
        return 0.0
    given = np.exp(log_prob.astype(np.float64))
    ours, theirs = given[which == 1], np.sort(1 - given[which == 0])
    below = np.searchsorted(theirs, ours - _ROUNDING, side="left")
    even = np.searchsorted(theirs, ours + _ROUNDING, side="right") - below
    above = float((below + even / 2).mean()) / len(theirs)
    pairs = 12 * len(ours) * len(theirs)
    return (above - 0.5) / float(np.sqrt((len(labels) + 1) / pairs))


def _standard_errors(predicted: np.ndarray, labels: np.ndarray) -> float:
    """By how many more answers are right than if the same were dealt to the images by chance; 0
    where all are of one class, whatever its share."""
    count, size = len(labels), 1 + max(predicted.max(), labels.max())
    given, true = (np.bincount(each, minlength=size) / count for each in (predicted, labels))
    by_chance = float(given @ true)
    variance = by_chance + by_chance**2 - float(given @ true**2 + true @ given**2)
    if count < 2 or variance < _LEAST_VARIANCE:
        return 0.0
    more = float((predicted == labels).mean()) - by_chance
    return more / float(np.sqrt(variance / (count - 1)))
