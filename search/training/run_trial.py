"""`run_trial`: from a spec to its result, a pure function of values. No tuner, no tracker, no
global inside.

Here the parts meet that every training mode shares: which images are trained on and scored, the
scores of the answers, and label safety: what the model trained without augmentation makes of images
at each augmentation's extremes. An augmentation at whose extreme the model is lost may have changed
what the picture shows; a person should look. How far the pictures themselves change is
`data.safety`; how a mode trains is its own module's, by the table in `modes`.
"""

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.augmentations import AUGMENTATIONS, alone, is_option
from data.dataset import Dataset
from data.errors import UserError
from data.extremes import LabelSafety, augment_to, extremes, label_safety
from data.groups import effective_size
from data.own_code import given
from search.evidence.evaluation import metric_values
from search.evidence.scores import independent_images, wilson_interval
from search.experiment.answers import Predictions, Truth
from search.experiment.kinds import KINDS
from search.experiment.trial import Outcome, Probe, Resources, TrialResult, TrialSpec, TrialTiming
from search.guests.table import GUESTS
from search.training.head_scores import HeadAnswer
from search.training.head_tasks import HeadTask
from search.training.modes import mode_of
from search.training.progress import OnEpoch
from search.training.run_values import TrainedHeads, TrialFailure
from search.training.training_mode import Classify, LoadedTrial, Trained, load_trial
from search.training.trial_files import heads_file, save_head
from search.training.trial_warnings import heard


def run_trial(spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None) -> Outcome:
    """Trains and scores one setting.

    A trial that cannot give a result (a loss that is not finite, data that does not allow the
    protocol) comes back as failed with its reason; anything else that is raised is the machine's
    fault or the program's, and passes through.
    """
    with given(resources.code), heard() as warned:
        outcome = _run(spec, resources, on_epoch)
    result = outcome.result.model_copy(update={"warnings": warned.lines})
    return replace(outcome, result=result)


def _run(spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None) -> Outcome:
    try:
        trained = train_spec(spec, resources, on_epoch)
    except (TrialFailure, UserError) as error:
        return Outcome(_failed(error), None)
    if spec.protocol.epochs is not None:
        save_head(heads_file(spec, resources), trained.heads.kept)
    if not (resources.keep_views and KINDS[spec.kind].on_rungs):
        mode_of(spec.settings.training).forget(trained.trial)
    return Outcome(trained.result, trained.predictions)


def _failed(error: TrialFailure | UserError) -> TrialResult:
    may_pass = isinstance(error, UserError)  # a file that was missing, say
    result = TrialResult(
        status="failed", error=str(error), may_pass=may_pass, traceback=traceback.format_exc()
    )
    if isinstance(error, UserError):
        return result
    return result.model_copy(update={"num_heads": error.num_networks, "lost": error.lost})


@dataclass(frozen=True)
class TrainedTrial:
    """A trial's result together with the heads that gave it, for the winner's model, and what it
    was made of.
    """

    result: TrialResult
    predictions: Predictions
    heads: TrainedHeads
    trial: LoadedTrial


def train_spec(
    spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None
) -> TrainedTrial:
    """Trains one setting and keeps its heads. Raises TrialFailure or UserError where there can be
    no result.
    """
    start = time.perf_counter()
    mode = mode_of(spec.settings.training)
    mode.check(spec.settings.model, spec.settings.training)
    trial = _load(spec, resources, on_epoch)
    trained = mode.train(trial)
    timing = _timing(time.perf_counter() - start, trained)
    honest = assemble(trained.heads.honest, trial)
    optimistic = assemble(trained.heads.optimistic, trial)
    result = _result(spec, trial.dataset, trained.heads, honest, optimistic).model_copy(
        update={
            "probes": _probes(trial, trained),
            "timing": timing,
            "validation_hash": trained.validation_hash,
            "feature_engine": trained.engine,
            "path": trained.path,
            "head_best_epochs": trained.head_best_epochs,
            "precision": spec.precision,
        }
    )
    return TrainedTrial(result, honest, trained.heads, trial)


def _timing(seconds: float, trained: Trained) -> TrialTiming:
    return TrialTiming(
        features_seconds=trained.cost.seconds,
        heads_seconds=seconds - trained.cost.seconds,
        total_seconds=seconds,
        images_extracted=trained.cost.images,
    )


def _load(spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None) -> LoadedTrial:
    trial = load_trial(spec, resources, on_epoch)
    return GUESTS[spec.demo].scored(trial) if spec.demo else trial


def _probes(trial: LoadedTrial, trained: Trained) -> tuple[Probe, ...]:
    """By the heads of the first seed of which all trained; none where there is no such seed."""
    folds, lost = trial.spec.protocol.folds, {each.head for each in trained.heads.lost}
    seeds = (range(at, at + folds) for at in range(0, len(trial.tasks), folds))
    heads = next((each for each in seeds if lost.isdisjoint(each)), None)
    if not trial.spec.probes or heads is None:
        return ()
    one_seed = trial.tasks[heads.start : heads.stop]

    def answer(pictures: np.ndarray, places: np.ndarray) -> np.ndarray:
        return trained.answer(pictures, heads.start + places)

    return probe_extremes(trial.dataset, answer, trial.pool, one_seed, trial.spec.probes)


def assemble(answers: tuple[HeadAnswer, ...], trial: LoadedTrial) -> Predictions:
    """Each head's answers put in the places of its images: one row per seed, one column per image
    that is ever scored.
    """
    num_folds = trial.fold.max() + 1
    shape = len(trial.tasks) // num_folds, len(trial.pool)
    found = [np.zeros((*shape, *each.shape[1:]), each.dtype) for each in answers[0]]
    for head, answer in enumerate(answers):
        for whole, values in zip(found, answer, strict=True):
            whole[head // num_folds, trial.tasks[head].validate] = values
    scored = trial.fold >= 0
    predicted, log_prob, *log_probs = (each[:, scored] for each in found)
    return Predictions(trial.pool[scored], predicted, log_prob, trial.fold[scored], *log_probs)


def _result(
    spec: TrialSpec,
    dataset: Dataset,
    heads: TrainedHeads,
    honest: Predictions,
    optimistic: Predictions,
) -> TrialResult:
    labels = np.asarray(dataset.labels)
    independent = None
    if dataset.groups is not None:
        independent = independent_images(honest.of(Truth.of(dataset)), labels)
    metrics = metric_values(honest, labels, len(dataset.class_names))
    return TrialResult(
        status="completed",
        score=metrics[spec.protocol.objective],
        metrics=metrics,
        optimistic_metrics=metric_values(optimistic, labels, len(dataset.class_names)),
        best_epochs=heads.best_epochs,
        num_heads=len(heads.best_epochs),
        heads_cut_by_max_epochs=sum(heads.cut_by_max_epochs) if spec.protocol.epochs is None else 0,
        lost=heads.lost,
        num_independent=independent,
        curve=heads.curve,
    )


NUM_PROBE_IMAGES = 256  # an accuracy good to about 2 points, for a warning


def probe_extremes(
    dataset: Dataset,
    answer: Classify,
    pool: np.ndarray,
    folds: Sequence[HeadTask],
    strongest: Mapping[str, Any],
) -> tuple[Probe, ...]:
    """For each augmentation (name -> strongest value), each of its extremes alone, with its
    options among `strongest`.

    folds: the heads of one seed, each with the rows of `pool` it did not train on: an image is
    answered by a head that has not seen it. answer: theirs, by their places in `folds`.
    """
    rows = [_spread(task.validate, -(-NUM_PROBE_IMAGES // len(folds))) for task in folds]
    images = np.concatenate([pool[each] for each in rows])
    truth = np.asarray(dataset.labels)[images]
    groups = np.arange(len(images)) if dataset.groups is None else dataset.groups[images]
    count = effective_size(groups)
    heads = np.repeat(np.arange(len(folds)), [len(each) for each in rows])

    def accuracy(pictures: np.ndarray) -> float:
        return float((answer(pictures, heads) == truth).mean())

    clean = accuracy(np.asarray(dataset.images[images]))
    found = []
    for name in AUGMENTATIONS.ordered(strongest):  # an order which a journal does not keep
        if is_option(name):
            continue
        settings = alone(name, strongest)
        measured = {each.label: each for each in label_safety(dataset.images, settings)}
        for extreme in extremes(name, strongest[name], settings):
            pictures = augment_to(dataset.images, images, extreme, settings)
            found.append(
                _probe(
                    name,
                    measured.get(extreme.label),
                    extreme.label,
                    accuracy(pictures),
                    clean,
                    count,
                )
            )
    return tuple(found)


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Evenly spread, because files come class by class."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))]


def _probe(
    name: str,
    measured: LabelSafety | None,
    label: str,
    accuracy: float,
    clean: float,
    num_images: float,
) -> Probe:
    return Probe(
        augmentation=name,
        at=label,
        accuracy=accuracy,
        accuracy_ci=wilson_interval(accuracy, num_images),
        clean_accuracy=clean,
        clean_accuracy_ci=wilson_interval(clean, num_images),
        fill_share=measured.fill_share if measured else 0.0,
        mean_shift_pixels=measured.mean_shift_pixels if measured else 0.0,
        unchanged_share=measured.unchanged_share if measured else 0.0,
        remark=measured.remark if measured else "",
    )
