"""Trials trained again on another machine, held against the answers that were handed in.

Another machine gives features that differ in their last digits. Most heads follow the old ones all
the same, answer by answer; some part from them in training and end as another epoch or another seed
would. So an honest difference is none, or tiny, or a draw that falls either way. Forged answers
fall one way. What is allowed is told by the answers trained here and by bounds of our own
(`benchmarks/forging.py` measures both kinds of error); the answers handed in, which may be forged,
have no say in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np

from search.evidence.evaluation import per_image
from search.evidence.spread import head_errors
from search.experiment.answers import Predictions
from search.experiment.objectives import Objective
from search.experiment.settings import Frozen
from search.training.modes import MODES

LEAST_P_VALUE = 0.001  # of all tests of one bundle together

FOLLOWS = 0.01  # a head follows where nine in ten of its log-probabilities are this near
# and strays in an answer whose log-probability is farther than this and a hundred times the ninth
# decile
STRAYS = 0.1
MOST_STRAYS = 3  # in a trial; none in 600 honest heads
# times the answers in which two unlike heads differ; honest heads stayed below 1.0 of a trial's
MOST_MOVED = 1.5
LARGE_MOVE = 1.0  # of a log-probability: not an image on the border between two classes


class Finding(Frozen):
    """trial: None speaks of the effect of two. what: in words."""

    trial: int | None
    what: str


@dataclass(frozen=True)
class RetrainedPair:
    """One trial's answers, as handed in and as trained again. mode: of training."""

    trial: int
    mode: str
    handed_in: Predictions
    again: Predictions

    @property
    def alike(self) -> bool:
        return self.handed_in.is_paired_with(self.again)

    @property
    def repeats(self) -> bool:
        """To the last bit."""
        ours, theirs = self.handed_in, self.again
        same = np.array_equal(ours.predicted, theirs.predicted)
        if ours.log_probs is not None and theirs.log_probs is not None:
            same = same and np.array_equal(ours.log_probs, theirs.log_probs)
        return self.alike and same and np.array_equal(ours.log_prob, theirs.log_prob)

    @property
    def num_answers_apart(self) -> int:
        return int((self.handed_in.predicted != self.again.predicted).sum())

    @property
    def log_prob_apart(self) -> np.ndarray:
        """float64 [seeds, n]."""
        return np.abs(self.handed_in.log_prob.astype(np.float64) - self.again.log_prob)


def contradictions(answers: Predictions, labels: np.ndarray, num_classes: int) -> int:
    """Answers whose class and log-probability cannot both be: the class given is the likeliest, and
    only the likeliest can hold more than half. labels: int [images of the Dataset]."""
    right = answers.predicted == labels[answers.images]
    rounding = 1e-3  # of float32 and of ties between classes
    too_low = right & (answers.log_prob < -np.log(num_classes) - rounding)
    too_high = ~right & (answers.log_prob > np.log(0.5) + rounding)
    wrong = too_low | too_high | (answers.log_prob > rounding)
    if answers.log_probs is not None:
        places = labels[answers.images][None, :, None]
        of_true = np.take_along_axis(answers.log_probs, places, axis=2)[..., 0]
        wrong |= np.abs(of_true - answers.log_prob) > rounding
    return int(wrong.sum())


def findings(
    pairs: Sequence[RetrainedPair],
    labels: np.ndarray,
    objective: Objective,
    claim: tuple[int, int] | None,
) -> list[Finding]:
    """What other trainings than these would have to explain; of honest bundles one in a thousand
    has any.

    claim: the numbers of a setting and of the baseline that its effect is against. Pairs that are
    not alike are left out.
    """
    pairs = [pair for pair in pairs if pair.alike]
    if len({pair.repeats for pair in pairs}) == 2:
        return [_does_not_repeat(pair, pairs) for pair in pairs if not pair.repeats]
    found = [
        Finding(trial=pair.trial, what=what)
        for pair in pairs
        for what in _strays_and_moves(pair, pairs)
    ]
    tests = [
        test
        for pair in pairs
        if not pair.repeats
        for test in _tests(pair, pairs, labels, objective)
    ]
    tests += _effect_test(pairs, labels, objective, claim)
    for test in tests:
        if test.p_value < LEAST_P_VALUE / len(tests):
            found.append(Finding(trial=test.trial, what=test.words))
    return found


def _does_not_repeat(pair: RetrainedPair, pairs: Sequence[RetrainedPair]) -> Finding:
    other = next(each.trial for each in pairs if each.repeats)
    apart = int((pair.log_prob_apart > 0).sum())
    return Finding(
        trial=pair.trial,
        what=(
            f"trial {other} repeats here to the last bit, so that this one must too; "
            f"{pair.num_answers_apart} of its "
            f"{pair.again.predicted.size} answers and {apart} log-probabilities differ"
        ),
    )


def _strays_and_moves(pair: RetrainedPair, pairs: Sequence[RetrainedPair]) -> Iterator[str]:
    strays = num_strays(pair)
    if strays > MOST_STRAYS:
        yield (
            f"{strays} answers are far from those trained again, among others of the same heads "
            "that are all but equal"
        )
    unlike, size = answers_between_heads(pair, pairs), pair.again.predicted.size
    if unlike is not None:
        most = MOST_MOVED * unlike * size
        if pair.num_answers_apart > most + 4 * sqrt(most) + MOST_STRAYS:
            yield (
                f"{pair.num_answers_apart} of {size} answers differ when it is trained again; "
                "heads of other seeds or settings "
                f"differ in {unlike * size:.0f}"
            )


def num_strays(pair: RetrainedPair) -> int:
    """Answers far from those trained again, in heads that otherwise follow."""
    apart, strays = pair.log_prob_apart, 0
    for fold in np.unique(pair.again.fold):
        for values in apart[:, pair.again.fold == fold]:
            ninth = float(np.quantile(values, 0.9))
            if ninth <= FOLLOWS:
                strays += int((values > STRAYS + 100 * ninth).sum())
    return strays


def answers_between_heads(pair: RetrainedPair, pairs: Sequence[RetrainedPair]) -> float | None:
    """The share of answers in which heads trained here differ: of two seeds of one trial, or of two
    trials. None: one head alone."""
    seeds = combinations(pair.again.predicted, 2)
    shares = [float((ours != theirs).mean()) for ours, theirs in seeds]
    if not shares:
        others = (other.again.predicted for other in pairs if other.trial != pair.trial)
        shares = [
            float((pair.again.predicted != predicted).mean())
            for predicted in others
            if predicted.shape == pair.again.predicted.shape
        ]
    return max(shares, default=None)


@dataclass(frozen=True)
class _Test:
    trial: int | None
    words: str
    p_value: float


def _tests(
    pair: RetrainedPair, pairs: Sequence[RetrainedPair], labels: np.ndarray, objective: Objective
) -> Iterator[_Test]:
    """Whether answers moved more one way than the other: all; each seed's; those far from any
    border; whole images.

    Each is symmetrical in what was handed in and what was trained again, as honest differences are.
    """
    moved = _moved(pair, labels, objective)
    heads = _head_variance(pair, pairs, labels, objective)
    far = np.where(pair.log_prob_apart > LARGE_MOVE, moved, 0.0)
    whole = np.where((np.sign(moved) == np.sign(moved[0])).all(axis=0), moved, 0.0)
    subsets = [("", moved), (", in answers that moved far", far)]
    if len(moved) > 1:
        subsets += [
            (f", in seed {number} alone", row[None]) for number, row in enumerate(moved, start=1)
        ]
        subsets += [(", in images whose every seed moved", whole)]
    for words, values in subsets:
        variance = heads * len(moved) / len(values)
        p_value = _p_value(values.mean(axis=0), variance, 1 / len(values))
        delta = -float(values.mean())
        words = (
            f"trained again its {objective} moves by {delta:+.4f}{words}, and chance gives that "
            f"once in {_once(p_value)}"
        )
        yield _Test(pair.trial, words, p_value)


def _effect_test(
    pairs: Sequence[RetrainedPair],
    labels: np.ndarray,
    objective: Objective,
    claim: tuple[int, int] | None,
) -> Iterator[_Test]:
    by_trial = {pair.trial: pair for pair in pairs}
    if claim is None or any(number not in by_trial for number in claim):
        return
    ours, baseline = (by_trial[number] for number in claim)
    if ours.repeats or ours.again.predicted.shape != baseline.again.predicted.shape:
        return
    moved = _moved(ours, labels, objective) - _moved(baseline, labels, objective)
    variance = sum(_head_variance(pair, pairs, labels, objective) for pair in (ours, baseline))
    p_value = _p_value(moved.mean(axis=0), variance, 1 / len(moved))
    words = (
        f"its effect is {-float(moved.mean()):+.4f} away from the one handed in when both are "
        "trained again, and chance gives "
        f"that once in {_once(p_value)}"
    )
    yield _Test(ours.trial, words, p_value)


def _moved(pair: RetrainedPair, labels: np.ndarray, objective: Objective) -> np.ndarray:
    """float64 [seeds, n]: how much better each answer is as handed in."""
    return per_image(pair.handed_in, labels, objective) - per_image(pair.again, labels, objective)


def _head_variance(
    pair: RetrainedPair, pairs: Sequence[RetrainedPair], labels: np.ndarray, objective: Objective
) -> float:
    """Of the mean difference, from the luck that all images of a head share: our own bound, more
    where the seeds trained here show more, less where heads did not part."""
    values = per_image(pair.again, labels, objective)
    unlike = answers_between_heads(pair, pairs)
    apart = pair.num_answers_apart / pair.again.predicted.size
    parted = min(1.0, apart / unlike) if unlike else 1.0
    num_heads = len(values) * len(np.unique(pair.again.fold))
    seen = 2 * head_errors(values, pair.again.fold).variance if len(values) > 1 else 0.0
    bound = MODES[pair.mode].head_spread * float(values.std())
    return parted * max(bound**2 / num_heads, seen)


def _p_value(moved: np.ndarray, head_variance: float, unit: float) -> float:
    """Two-sided, of a mean of `moved` float64 [n] that falls either way. unit: the least that one
    image can move."""
    from scipy.special import ndtr  # half a second to import

    variance = (float((moved**2).sum()) + unit**2) / len(moved) ** 2 + head_variance
    return float(2 * ndtr(-abs(float(moved.mean())) / sqrt(variance)))


def _once(p_value: float) -> str:
    return f"{1 / max(p_value, 1e-12):,.0f}"
