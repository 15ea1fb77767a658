"""Effects with their intervals: what a trial's predictions show against no augmentation, image by
image.

Metrics of one trial, paired differences of two, and how sure they are. What to conclude from
several effects is in `verdicts`, what the best of many would show by luck in `floor`.
"""

from collections.abc import Sequence

import numpy as np

from search.evidence.resampling import groups_as_one, image_deviations, image_variance, strata
from search.evidence.spread import ASSUMED_HEAD_SPREAD, assumed_head_variance, head_errors
from search.experiment.answers import Predictions
from search.experiment.objectives import OBJECTIVES, ImageAnswers, Objective
from search.experiment.trial import Effect

NUM_RESAMPLES = 4000


def metric_values(
    predictions: Predictions, labels: np.ndarray, num_classes: int
) -> dict[str, float]:
    """Every objective as it is reported (log-loss in nats, less is better), each a mean over seeds;
    one that needs the probabilities of all classes where they were kept.

    labels: int [images of the Dataset], looked up by `predictions.images`. Balanced accuracy is the
    mean recall of those of the `num_classes` classes that have an image here. Raises ValueError for
    labels that do not fit.
    """
    true = true_labels(predictions, labels)
    if true.size and int(true.max()) >= num_classes:
        raise ValueError(f"label {int(true.max())} where there are {num_classes} classes")
    return {
        name: record.sign * float(per_image(predictions, labels, record.name).mean())
        for name, record in OBJECTIVES.items()
        if predictions.log_probs is not None or not record.needs_all
    }


def per_image(predictions: Predictions, labels: np.ndarray, objective: Objective) -> np.ndarray:
    """float64 [seeds, n] whose mean is the objective, more being better: log-loss with its sign
    turned.

    Raises ValueError for probabilities that are not numbers.
    """
    answers = ImageAnswers(
        predictions.predicted,
        predictions.log_prob,
        true_labels(predictions, labels),
        predictions.log_probs,
    )
    return OBJECTIVES[objective].parts(answers)


def paired_difference(
    trial: Predictions, baseline: Predictions, labels: np.ndarray, objective: Objective
) -> np.ndarray:
    """float64 [seeds, n]: `per_image` of the trial less that of the baseline.

    Raises ValueError unless both scored the same images in the same folds with as many seeds.
    """
    if not trial.is_paired_with(baseline):
        raise ValueError(
            f"predictions of {trial.predicted.shape} and {baseline.predicted.shape} [seeds, "
            "images]: only trials "
            "on the same images, folds and seeds can be compared in pairs"
        )
    return per_image(trial, labels, objective) - per_image(baseline, labels, objective)


def paired_effect(
    trial: Predictions,
    baseline: Predictions,
    labels: np.ndarray,
    objective: Objective,
    seed: int,
    head_spread: float = ASSUMED_HEAD_SPREAD,
) -> Effect:
    """The mean paired difference, its bootstrap interval (percentiles) and a two-sided p-value.

    Values are averaged over seeds for each image and differenced; images are drawn again inside
    each class, those of a group together. Heads are drawn beside them from a normal distribution
    whose variance is itself drawn (`HeadErrors.draw_variance`), because three seeds drawn with
    replacement take ten forms and hold two thirds of the variance. With one seed the folds stand in
    for seeds. With one seed and one fold a head's luck is assumed, not taken to be nought:
    `head_spread` is what two heads differ by, as `spread.ASSUMED_HEAD_SPREAD` is.

    Where the truth was known, in simulations, 95 % intervals held it 94 to 97 times in 100 with 5
    folds; with a single fold of 341 images they were wider than need be: 96 to 98 with 1, 3 or 5
    seeds, above 99 with 2.

    A variance of 1/n**2, spread over the seeds, is added: as much as one image more whose answer
    changed. Without it no change among few images would be certainty (after Agresti and Min 2005,
    who add to the discordant pairs).

    The p-value averages normal tails over the drawn variances: counting replicates cannot show the
    small ones that correcting for many comparisons needs.
    """
    difference = paired_difference(trial, baseline, labels, objective)
    means, true = difference.mean(axis=0), true_labels(trial, labels)
    groups = trial.groups
    parts = strata(means, true) if groups is None else groups_as_one(means, true, groups)
    lone_image = _answer_variance(trial, labels, objective)
    rng = np.random.default_rng(seed)
    heads = head_errors(difference, trial.fold, groups)
    if heads.df:
        head_variance = heads.draw_variance(NUM_RESAMPLES, rng)
    else:
        head_variance = np.full(
            NUM_RESAMPLES,
            assumed_head_variance(per_image(baseline, labels, objective), head_spread),
        )
    moved = image_deviations(parts, NUM_RESAMPLES, rng)
    moved += np.sqrt(head_variance + lone_image) * rng.standard_normal(NUM_RESAMPLES)
    delta = float(difference.mean())
    low, high = np.quantile(delta + moved, [0.025, 0.975])
    least, most = OBJECTIVES[objective].bounds
    low, high = max(low, least), min(high, most)
    p_value = _p_value(delta, image_variance(parts) + lone_image + head_variance)
    return Effect(delta=delta, ci_low=float(low), ci_high=float(high), p_value=p_value)


def effects_by_class(
    trial: Predictions,
    baseline: Predictions,
    labels: np.ndarray,
    class_names: Sequence[str],
    objective: Objective,
    seed: int,
) -> dict[str, Effect]:
    """The effect on each class's own images: who gains, who loses. Classes without images are left
    out.

    Within a class balanced accuracy is accuracy, and so is what needs several classes
    (`ObjectiveRecord.of_class`). Each interval is at 95 %, not corrected for the
    many classes.
    """
    true, within = true_labels(trial, labels), OBJECTIVES[objective].of_class or objective
    effects = {}
    for index, name in enumerate(class_names):
        rows = np.flatnonzero(true == index)
        if rows.size:
            ours, theirs = _subset(trial, rows), _subset(baseline, rows)
            effects[name] = paired_effect(ours, theirs, labels, within, seed)
    return effects


def true_labels(predictions: Predictions, labels: np.ndarray) -> np.ndarray:
    """int [n]: the class of each image scored, from `labels` [images of the Dataset]. ValueError if
    too few."""
    if predictions.images.size and int(predictions.images.max()) >= len(labels):
        last = int(predictions.images.max())
        raise ValueError(
            f"predictions for image {last} but {len(labels)} labels; pass those of the whole "
            "Dataset"
        )
    return labels[predictions.images]


def _answer_variance(trial: Predictions, labels: np.ndarray, objective: Objective) -> float:
    """What one image (or group of them) more, its answer changed, would add to the variance; 0
    where all values change."""
    num_seeds, num_images = trial.predicted.shape
    if trial.groups is not None:
        num_images = len(np.unique(trial.groups))
    changes = OBJECTIVES[objective].changes(true_labels(trial, labels))
    return float((changes**2).mean()) / num_images**2 / num_seeds


def _subset(predictions: Predictions, rows: np.ndarray) -> Predictions:
    return Predictions(
        predictions.images[rows],
        predictions.predicted[:, rows],
        predictions.log_prob[:, rows],
        predictions.fold[rows],
        None if predictions.log_probs is None else predictions.log_probs[:, rows],
        None if predictions.groups is None else predictions.groups[rows],
    )


def _p_value(delta: float, variance: np.ndarray) -> float:
    from scipy.special import ndtr  # half a second to import, and `--help` needs none of it

    spread = np.sqrt(variance)
    if not spread.any():
        return 1.0 if delta == 0 else 0.0
    return float(np.mean(2 * ndtr(-abs(delta) / np.maximum(spread, np.finfo(np.float64).tiny))))
