"""What a search optimises: one record per objective. Nobody else tells objectives apart by name.

An objective is a figure of a set of answers. It says its score, by which the best epoch is chosen,
and each image's part in it, from which intervals are made: the parts' mean is the score. A figure
that is no mean (F1, AUC) gives, as parts, itself plus each image's influence on it, which is how
fast the figure moves as the image gains weight (Hampel 1974).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, log
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field
from pydantic.config import JsonDict

from data.messages import did_you_mean, literal
from search.experiment.influence import auc_doubt, auc_parts, f1_flip, f1_parts, macro_auc, macro_f1

DEFAULT_OBJECTIVE = "accuracy"  # of experiment files, and of journals, which leave it out
SHOWN_ANYWAY = "accuracy"  # beside whatever is searched for, since everyone reads it
_LEAST_LOG_PROB = log(np.finfo(np.float32).tiny)  # stands for a probability that underflowed to 0


@dataclass(frozen=True)
class ImageAnswers:
    """What some images were answered. predicted: int [..., n], the class given. log_prob: float
    [..., n], natural logarithm of the probability of the true class. true: int [n]. log_probs:
    float [..., n, classes], of every class; None where they were not kept."""

    predicted: np.ndarray
    log_prob: np.ndarray
    true: np.ndarray
    log_probs: np.ndarray | None = None

    @property
    def of_all_classes(self) -> np.ndarray:
        """Raises ValueError where they were not kept."""
        if self.log_probs is None:
            raise ValueError("predictions hold the probability of the true class alone")
        return self.log_probs


@dataclass(frozen=True)
class Unit:
    """How an objective's differences are told: times `factor`, with `digits` decimals, called
    `name`; `of` follows an amount of them in a sentence, `meaning` tells what one of them is.
    negligible: an interval around zero that reaches beyond it is told so that this shows."""

    factor: float
    digits: int
    name: str
    of: str
    meaning: str = "positive is better"
    negligible: float = 0.0


@dataclass(frozen=True)
class ObjectiveRecord:
    """One objective, as experiment files name it."""

    name: str
    # float64 [..., n], more being better. ValueError where answers allow none.
    parts: Callable[[ImageAnswers], np.ndarray]
    # The mean part of the images in a mask bool [n], before any is doubted: answers may hold NaN.
    score: Callable[[ImageAnswers, np.ndarray], float]
    # float64 [n], by how much an image's part changes where its answer does (about, in a figure
    # that is no mean); zeros where every answer moves a little.
    flip: Callable[[np.ndarray], np.ndarray]
    # Of the figure as it is reported; parts always say that more is better.
    direction: Literal["max", "min"]
    best: float  # what no reported figure exceeds
    bounds: tuple[float, float]  # of a difference
    unit: Unit
    words: str  # its name in a sentence
    needs_all: bool = False  # whether the probabilities of all classes are kept for it
    # The objective by which one class's own images are told apart, where this one needs several.
    of_class: str | None = None
    # As `flip`, of the least change there is, where no answer is right or wrong.
    doubt: Callable[[np.ndarray], np.ndarray] | None = None

    def changes(self, true: np.ndarray) -> np.ndarray:
        """float64 [n]: by how much an image's part changes where it is answered otherwise."""
        return (self.doubt or self.flip)(true)

    @property
    def counts_answers(self) -> bool:
        """Whether images are right or wrong, so that an accuracy tells how far they spread."""
        return bool(self.flip(np.zeros(1, int)).any())

    @property
    def sign(self) -> int:
        """Turns a reported figure so that more is better, and back."""
        return 1 if self.direction == "max" else -1


def _is_right(answers: ImageAnswers) -> np.ndarray:
    return (answers.predicted == answers.true).astype(np.float64)


def _log_prob(answers: ImageAnswers) -> np.ndarray:
    values = np.maximum(answers.log_prob.astype(np.float64), _LEAST_LOG_PROB)
    if np.isnan(values).any():
        raise ValueError(
            "predictions hold NaN probabilities; such a trial has failed and has no effect"
        )
    return values


def _alike(true: np.ndarray) -> np.ndarray:
    return np.ones(len(true))


def _by_class(true: np.ndarray) -> np.ndarray:
    """n / (K n_class) of each image, K classes and n_class counted over these images."""
    counts = np.bincount(true)
    return len(true) / (np.count_nonzero(counts) * counts[true])


def _mean_right(answers: ImageAnswers, chosen: np.ndarray) -> float:
    return _weighted(chosen.astype(np.float64), _is_right(answers))


def _mean_recall(answers: ImageAnswers, chosen: np.ndarray) -> float:
    true = answers.true
    weight = chosen.astype(np.float64)
    if chosen.any():
        counts = np.bincount(true[chosen], minlength=true.max() + 1).astype(np.float64)
        weight = weight / np.maximum(counts, 1)[true]
    return _weighted(weight, _is_right(answers))


def _mean_log_prob(answers: ImageAnswers, chosen: np.ndarray) -> float:
    return _weighted(chosen.astype(np.float64), answers.log_prob.astype(np.float64))


def _f1_score(answers: ImageAnswers, chosen: np.ndarray) -> float:
    return macro_f1(answers.predicted[chosen], answers.true[chosen])


def _auc_score(answers: ImageAnswers, chosen: np.ndarray) -> float:
    return macro_auc(answers.of_all_classes[chosen], answers.true[chosen])


def _weighted(weight: np.ndarray, values: np.ndarray) -> float:
    return float(weight / max(weight.sum(), 1e-300) @ values)


OBJECTIVES: dict[str, ObjectiveRecord] = {
    objective.name: objective
    for objective in (
        ObjectiveRecord(
            name="accuracy",
            parts=_is_right,
            score=_mean_right,
            flip=_alike,
            direction="max",
            best=1.0,
            bounds=(-1.0, 1.0),
            unit=Unit(100.0, 1, "points", "accuracy", "a point is one image in a hundred"),
            words="accuracy",
        ),
        ObjectiveRecord(
            name="balanced_accuracy",
            parts=lambda answers: _is_right(answers) * _by_class(answers.true),
            score=_mean_recall,
            flip=_by_class,
            direction="max",
            best=1.0,
            bounds=(-1.0, 1.0),
            unit=Unit(
                100.0,
                1,
                "points",
                "balanced accuracy",
                "a point is one image in a hundred of every class",
            ),
            words="balanced accuracy",
        ),
        ObjectiveRecord(
            name="macro_f1",
            parts=lambda answers: f1_parts(answers.predicted, answers.true),
            score=_f1_score,
            flip=f1_flip,
            direction="max",
            best=1.0,
            bounds=(-1.0, 1.0),
            unit=Unit(
                100.0, 1, "points", "macro-F1", "a point is 0.01 of F1, averaged over classes"
            ),
            words="macro-F1",
            of_class="accuracy",
        ),
        ObjectiveRecord(
            name="auc",
            parts=lambda answers: auc_parts(answers.of_all_classes, answers.true),
            score=_auc_score,
            flip=lambda true: np.zeros(len(true)),
            direction="max",
            best=1.0,
            bounds=(-1.0, 1.0),
            unit=Unit(
                100.0,
                2,
                "points",
                "AUC",
                "a point is one in a hundred pairs, of an image of a class and one of another",
            ),
            words="AUC",
            needs_all=True,
            of_class="accuracy",
            doubt=auc_doubt,
        ),
        ObjectiveRecord(
            name="log_loss",
            parts=_log_prob,
            score=_mean_log_prob,
            flip=lambda true: np.zeros(len(true)),
            direction="min",
            best=0.0,
            bounds=(-inf, inf),
            unit=Unit(1.0, 3, "nats", "log-loss saved"),
            words="log-loss",
        ),
    )
}


def known_objective(name: str) -> str:
    """The name, if the table has it. Raises ValueError with the nearest name and all of them."""
    if name not in OBJECTIVES:
        allowed = f"allowed: {', '.join(OBJECTIVES)}{did_you_mean(name, OBJECTIVES)}"
        raise ValueError(f"received {literal(name)}; {allowed}")
    return name


def _names(schema: JsonDict) -> None:
    schema["enum"] = list(OBJECTIVES)


Objective = Annotated[str, AfterValidator(known_objective), Field(json_schema_extra=_names)]
