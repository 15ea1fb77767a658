"""What each head has reached on its validation images: when to stop, which epoch is best, and an
honest score.

The usual score, the best epoch's on the very images that chose it, is optimistic. Here every head's
validation images are split in two stratified halves; the epoch chosen on one half answers for the
other. The usual one is kept beside it.
"""

from dataclasses import dataclass, field

import numpy as np

from search.experiment.objectives import OBJECTIVES, ImageAnswers, Objective
from search.training.agreement import is_beyond_luck, is_evenly_lower

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
