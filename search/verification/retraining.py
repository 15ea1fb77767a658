"""One journaled trial trained again, and how far it comes out apart. What else `verify` compares is not here."""

from typing import Any

import numpy as np

from search.driver.prepare import Prepared
from search.evidence.evaluation import paired_effect
from search.experiment.seeds import derive_seed
from search.experiment.trial import Frozen, Objective, Predictions, Resources, TrialRecord, TrialResult
from search.journal.comparison import Comparison

LEAST_P_VALUE = 0.001  # elsewhere: of no difference between the journaled trial and the one trained again

# How long it took, and what says how it came about rather than what came out.
NOT_COMPARED = {"timing", "log_path", "traceback", "feature_engine"}


class Apart(Frozen):
    """The largest differences between a journaled trial and the same trained again.

    score: in the objective's unit. answers: the share of images, over all seeds, that were given another class. log_prob: of
    any image. curve: of any number of any curve, over the epochs that both have.
    """

    score: float
    answers: float
    log_prob: float
    curve: float

    @property
    def words(self) -> str:
        if not any((self.score, self.answers, self.log_prob, self.curve)):
            return "no number differs"
        return (
            f"score {self.score:.3g}, {self.answers:.2%} of its answers, at most {self.log_prob:.3g} in a log-probability "
            f"and {self.curve:.3g} in a learning curve apart"
        )


def train_again(
    record: TrialRecord,
    journaled: Predictions,
    resources: Resources,
    prepared: Prepared,
    elsewhere: bool,
    comparison: Comparison,
) -> Apart | None:
    """Trains the trial of `record` and compares all its numbers; `elsewhere` only whether it is as good. None where it fails."""
    from search.training.run_trial import run_trial

    outcome = run_trial(record.spec, resources)
    where = f"trial {record.trial}"
    result, predictions = outcome.result, outcome.predictions
    if predictions is None or record.result is None:
        comparison.note(where, f"completed in the journal; trained again it failed: {result.error}")
        return None
    if elsewhere:
        seed = derive_seed(prepared.config.seed, "verify", record.trial)
        objective, labels = record.spec.protocol.objective, np.asarray(prepared.dataset.labels)
        compare_quality(where, objective, (journaled, predictions), labels, seed, comparison)
    else:
        comparison.check(where, _numbers(record.result), _numbers(result))
        _compare_answers(where, journaled, predictions, comparison)
    return _apart(record.result, result, journaled, predictions)


def _numbers(result: TrialResult) -> dict[str, Any]:
    return result.model_dump(mode="json", exclude=NOT_COMPARED)


def _compare_answers(where: str, journaled: Predictions, again: Predictions, comparison: Comparison) -> None:
    for name in ("images", "fold", "predicted", "log_prob"):
        ours, theirs = getattr(journaled, name), getattr(again, name)
        comparison.num_compared += ours.size
        if ours.shape != theirs.shape:
            comparison.note(
                where, f"predictions: {name} is {list(ours.shape)}, trained again {list(theirs.shape)}"
            )
        elif (different := int((ours != theirs).sum())) > 0:
            comparison.note(where, f"predictions: {different} of {ours.size} values of {name} differ")


def compare_quality(
    where: str,
    objective: Objective,
    pair: tuple[Predictions, Predictions],
    labels: np.ndarray,
    seed: int,
    comparison: Comparison,
) -> None:
    """Whether the second of a pair, journaled and trained again, is as good as the first, within their noise.

    labels: int [images of the Dataset]. seed: of the bootstrap.
    """
    journaled, again = pair
    if (
        not np.array_equal(journaled.images, again.images)
        or journaled.predicted.shape != again.predicted.shape
    ):
        comparison.note(where, "predictions: other images or seeds are scored when it is trained again")
        return
    effect = paired_effect(again, journaled, labels, objective, seed)
    comparison.num_compared += 1
    if effect.p_value < LEAST_P_VALUE:
        comparison.note(
            where,
            f"trained again its {objective} moves by {effect.delta:+.4f}, which chance gives with a probability of "
            f"{effect.p_value:.1g}; allowed is {LEAST_P_VALUE:g}",
        )


def _apart(ours: TrialResult, theirs: TrialResult, journaled: Predictions, again: Predictions) -> Apart:
    alike = journaled.predicted.shape == again.predicted.shape
    return Apart(
        score=abs((ours.score or 0.0) - (theirs.score or 0.0)),
        answers=float((journaled.predicted != again.predicted).mean()) if alike else 1.0,
        log_prob=float(np.abs(journaled.log_prob - again.log_prob).max(initial=0.0)) if alike else 0.0,
        curve=_curves_apart(ours, theirs),
    )


def _curves_apart(ours: TrialResult, theirs: TrialResult) -> float:
    if ours.curve is None or theirs.curve is None:
        return 0.0
    first, second = (np.array(list(curve.values.values())) for curve in (ours.curve, theirs.curve))
    epochs = min(first.shape[1], second.shape[1])
    return float(np.abs(first[:, :epochs] - second[:, :epochs]).max(initial=0.0))
