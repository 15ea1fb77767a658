"""How far a trial that was trained again is from the journaled one, number by number and in
short."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from search.experiment.answers import PREDICTION_FORMS, Predictions
from search.experiment.settings import Frozen
from search.experiment.trial import TrialRecord, TrialResult
from search.verification.comparison import Comparison
from search.verification.retrained_answers import RetrainedPair

# How long it took, and what says how it came about rather than what came out.
NOT_COMPARED = {"timing", "log_path", "traceback", "feature_engine", "warnings"}


class Apart(Frozen):
    """The largest differences between a journaled trial and the same trained again.

    score: in the objective's unit. answers: the share of images, over all seeds, that were given
    another class; num_answers of them. log_prob: of any image. curve: of any number of any curve,
    over the epochs that both have.
    """

    score: float
    answers: float
    num_answers: int = 0
    log_prob: float
    curve: float

    @property
    def differs(self) -> bool:
        return any((self.score, self.answers, self.log_prob, self.curve))

    @property
    def words(self) -> str:
        if not self.differs:
            return "no number differs"
        return (
            f"apart by {self.score:.3g} in its score, {self.num_answers} answers "
            f"({self.answers:.2%}), at most {self.log_prob:.3g} in a log-probability and "
            f"{self.curve:.3g} in a learning curve"
        )


@dataclass(frozen=True)
class TrainedAgain:
    """journaled: what was handed in; None where it is said to have failed. again, apart: None where
    it fails here."""

    record: TrialRecord
    result: TrialResult
    journaled: Predictions | None
    again: Predictions | None = None
    apart: Apart | None = None


def compare_trained(trained: TrainedAgain, pair: RetrainedPair, comparison: Comparison) -> None:
    where = f"trial {pair.trial}"
    if trained.record.result is not None:
        ours = _numbers(trained.record.result)
        comparison.check(where, ours, _as_journaled(_numbers(trained.result), ours))
    _compare_answers(where, pair.handed_in, pair.again, comparison)


def _numbers(result: TrialResult) -> dict[str, Any]:
    return result.model_dump(mode="json", exclude=NOT_COMPARED)


def _as_journaled(again: dict[str, Any], journaled: dict[str, Any]) -> dict[str, Any]:
    """Without metrics that the version which wrote the journal did not know."""
    for name in ("metrics", "optimistic_metrics"):
        again[name] = {key: again[name].get(key) for key in journaled[name]}
    return again


def _compare_answers(
    where: str, journaled: Predictions, again: Predictions, comparison: Comparison
) -> None:
    for name in PREDICTION_FORMS:
        ours, theirs = getattr(journaled, name), getattr(again, name)
        if ours is None or theirs is None:
            continue
        comparison.num_compared += ours.size
        if ours.shape != theirs.shape:
            comparison.note(
                where,
                f"predictions: {name} is {list(ours.shape)}, trained again {list(theirs.shape)}",
            )
        elif (different := int((ours != theirs).sum())) > 0:
            comparison.note(
                where, f"predictions: {different} of {ours.size} values of {name} differ"
            )


def how_far(
    ours: TrialResult, theirs: TrialResult, journaled: Predictions, again: Predictions
) -> Apart:
    alike = journaled.predicted.shape == again.predicted.shape
    return Apart(
        score=abs((ours.score or 0.0) - (theirs.score or 0.0)),
        answers=float((journaled.predicted != again.predicted).mean()) if alike else 1.0,
        num_answers=int((journaled.predicted != again.predicted).sum())
        if alike
        else again.predicted.size,
        log_prob=float(np.abs(journaled.log_prob - again.log_prob).max(initial=0.0))
        if alike
        else 0.0,
        curve=_curves_apart(ours, theirs),
    )


def _curves_apart(ours: TrialResult, theirs: TrialResult) -> float:
    if ours.curve is None or theirs.curve is None:
        return 0.0
    first, second = (np.array(list(curve.values.values())) for curve in (ours.curve, theirs.curve))
    epochs = min(first.shape[1], second.shape[1])
    return float(np.abs(first[:, :epochs] - second[:, :epochs]).max(initial=0.0))
