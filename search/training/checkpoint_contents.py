"""What a checkpoint holds of a run over heads, as arrays by their names; and, read back, held
against the run that is to go on with it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.messages import escaped
from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.trial import CURVES
from search.training.head_scores import HeadAnswer
from search.training.head_shape import HeadState, HeadWeights

# as an answer's parts are named, and the kind of their numbers and how many axes they have
ANSWER_PARTS = {"predicted": ("i", 2), "log_prob": ("f", 2), "log_probs": ("f", 3)}


@dataclass(frozen=True)
class KeptTraining:
    """curves: an epoch, float [heads, 4]. answers: of each head, epoch by epoch. diverged: head ->
    the epoch, from 0. states: of the heads that still train; best: weights, where they are kept.
    """

    curves: Sequence[np.ndarray]
    answers: Sequence[Sequence[HeadAnswer]]
    diverged: Mapping[int, int]
    states: Mapping[int, HeadState]
    best: Mapping[int, HeadWeights]
    keeps_weights: bool

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        found = {
            "curves": np.array(self.curves),
            "keeps_weights": np.array(self.keeps_weights),
            "diverged": np.array(list(self.diverged.items()), np.int64).reshape(-1, 2),
        }
        for head, answers in enumerate(self.answers):
            for name, values in zip(ANSWER_PARTS, zip(*answers, strict=True), strict=False):
                found[f"{name}/{head}"] = np.array(values)
        for kind, kept in (("state", self.states), ("best", self.best)):
            for head, values in kept.items():
                found |= {f"{kind}/{head}/{number}": value for number, value in enumerate(values)}
        return found

    @classmethod
    def of(
        cls, arrays: Mapping[str, np.ndarray], labels: Sequence[np.ndarray], objective: Objective
    ) -> "KeptTraining":
        """labels: of each head, what it is scored on. Raises ValueError where the arrays are not
        those of such heads.
        """
        try:
            curves, diverged = arrays["curves"], arrays["diverged"]
            _need("curves", curves, "f", (None, len(labels), len(CURVES)))
            _need("diverged", diverged, "i", (None, 2))
            _need("keeps_weights", arrays["keeps_weights"], "b", ())
            parts = list(ANSWER_PARTS)[: 3 if OBJECTIVES[objective].needs_all else 2]
            answers = [
                _answers({name: arrays[f"{name}/{head}"] for name in parts}, len(scored))
                for head, scored in enumerate(labels)
            ]
        except KeyError as error:
            raise ValueError(f"it lacks {error}") from error
        states, best = _grouped(arrays, "state"), _grouped(arrays, "best")
        keeps_weights = bool(arrays["keeps_weights"])
        found = cls(list(curves), answers, dict(diverged.tolist()), states, best, keeps_weights)
        if not {*found.diverged, *states, *best} <= set(range(len(labels))):
            raise ValueError("it is of more heads")
        found.need_same_epochs()
        found.need_finite()
        return found

    def need_same_epochs(self) -> None:
        """Raises ValueError where a head's answers end before or after its training did."""
        for head, answers in enumerate(self.answers):
            last = max(1, self.diverged.get(head, len(self.curves)))  # guesses, where it has none
            may_be_fewer = head not in self.diverged and head not in self.states  # patience's
            if len(answers) > last or (len(answers) < last and not may_be_fewer):
                raise ValueError("its answers are of other epochs than its curves")

    def need_finite(self) -> None:
        """Raises ValueError where a network could not go on, or could not be kept. One that
        diverged in its first epoch never had other weights."""
        best = (each for head, each in self.best.items() if self.diverged.get(head) != 0)
        values = (value for each in (*self.states.values(), *best) for value in each)
        if not all(map(_is_finite, values)):
            raise ValueError("its weights are not finite")
        if not all(map(_is_finite, self.curves)):
            raise ValueError("its curves are not finite")
        answers = (answer for answers in self.answers for answer in answers)
        if not all(_is_finite(value) for answer in answers for value in answer):
            raise ValueError("its answers are not finite")

    def need_classes(self, num_classes: int) -> None:
        """Raises ValueError where an answer is none of so many classes."""
        given = (answer[0] for answers in self.answers for answer in answers)
        if not all(((each >= 0) & (each < num_classes)).all() for each in given):
            raise ValueError("its answers are of other classes")


def _is_finite(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def _answers(parts: Mapping[str, np.ndarray], num_scored: int) -> list[HeadAnswer]:
    """Of one head, epoch by epoch."""
    for name, values in parts.items():
        kind, axes = ANSWER_PARTS[name]
        _need(name, values, kind, (None, num_scored, None)[:axes])
    if len({len(values) for values in parts.values()}) > 1:
        raise ValueError("its answers are of different numbers of epochs")
    return list(zip(*parts.values(), strict=True))


def _need(name: str, values: np.ndarray, kind: str, shape: tuple[int | None, ...]) -> None:
    """None in a shape: any size."""
    same_axes = values.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, values.shape, strict=True)
    )
    if values.dtype.kind != kind or not same_axes:
        raise ValueError(f"its {name} is {values.dtype} {list(values.shape)}")


def _grouped(arrays: Mapping[str, np.ndarray], kind: str) -> dict[int, tuple[np.ndarray, ...]]:
    """`kind/HEAD/NUMBER` -> {head: (arrays in the order of their numbers)}."""
    found: dict[int, dict[int, np.ndarray]] = {}
    for name, value in arrays.items():
        if name.startswith(f"{kind}/"):
            if not (place := re.fullmatch(rf"{kind}/(\d{{1,9}})/(\d{{1,9}})", name, re.ASCII)):
                raise ValueError(f"it has an array called {escaped(name)}")
            found.setdefault(int(place[1]), {})[int(place[2])] = value
    if any(each.keys() != set(range(len(each))) for each in found.values()):
        raise ValueError(f"it lacks an array of a {kind}")
    return {head: tuple(each[i] for i in range(len(each))) for head, each in found.items()}
