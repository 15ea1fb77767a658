"""Two finished searches over the same images, side by side on the sealed test set: what one backbone, mode or size gains over another.

Settings within a search are compared by the search itself; this is for what cannot be searched, such as `training.mode`.
"""

from pathlib import Path

import numpy as np

from data.errors import UserError
from data.messages import shown
from search.driver.prepare import resources_of
from search.driver.specs import NONE
from search.driver.winner import final_record
from search.evidence.evaluation import paired_effect
from search.experiment.seeds import derive_seed
from search.experiment.trial import Effect, Frozen, Predictions, TrialRecord
from search.features.opened import dataset_of
from search.verification.reopening import Run, open_run


class Pair(Frozen):
    """One model of each search. accuracy: on the test set, of the first and of the second. effect: second less first."""

    what: str
    labels: tuple[str, str]
    accuracy: tuple[float, float]
    effect: Effect
    models: int


class RunComparison(Frozen):
    """names: of the searches. num_images: in the test set. pairs: no augmentation in both, then what each recommends where that is
    not the same."""

    names: tuple[str, str]
    num_images: int
    pairs: tuple[Pair, ...]


def compare(first: Path, second: Path) -> RunComparison:
    """Raises UserError where a search has not opened its test set, or the two are not over the same images."""
    folders = first, second
    runs = open_run(first), open_run(second)
    labels = _labels(runs, folders)
    chosen = [
        _tested(run, folder, final_record(run.state)) for run, folder in zip(runs, folders, strict=True)
    ]
    none = [_tested(run, folder, _plain(run)) for run, folder in zip(runs, folders, strict=True)]
    pairs = [_pair("no augmentation", none, labels)]
    if any(record.label != NONE for record, _ in chosen):
        pairs.append(_pair("what each recommends", chosen, labels))
    names = runs[0].opened.name, runs[1].opened.name
    return RunComparison(names=names, num_images=len(none[0][1].images), pairs=tuple(pairs))


def describe_comparison(found: RunComparison) -> str:
    """A few lines for people."""
    names = " and ".join(shown(name) for name in found.names)
    return "\n".join(
        [f"{names}, on the same {found.num_images} test images", *map(_describe_pair, found.pairs)]
    )


def _describe_pair(pair: Pair) -> str:
    first, second = (f"{100 * accuracy:.1f} %" for accuracy in pair.accuracy)
    effect = pair.effect
    points = f"{100 * effect.delta:+.1f} points ({100 * effect.ci_low:+.1f} to {100 * effect.ci_high:+.1f})"
    models = f"{pair.models} model{'s' if pair.models > 1 else ''} each"
    return f"  {pair.what:22} {first} and {second}: {points}, {models}"


def _labels(runs: tuple[Run, Run], folders: tuple[Path, Path]) -> np.ndarray:
    """int [images], the same of both."""
    digests = {run.opened.dataset.digest for run in runs}
    if len(digests) > 1:
        raise UserError(
            f"{folders[0]} and {folders[1]} are not over the same images, size and split; compare searches that are"
        )
    config = runs[0].config
    return np.asarray(dataset_of(config.dataset, config.seed, resources_of(config, folders[0])).labels)


def _plain(run: Run) -> TrialRecord | None:
    return run.state.baseline("test")


def _tested(run: Run, folder: Path, record: TrialRecord | None) -> tuple[TrialRecord, Predictions]:
    if record is None or record.predictions_file is None:
        raise UserError(
            f"{folder} has no answers on a test set; let the search finish with evaluation.test on"
        )
    return record, Predictions.from_bytes((folder / record.predictions_file).read_bytes())


def _pair(what: str, tested: list[tuple[TrialRecord, Predictions]], labels: np.ndarray) -> Pair:
    """The models that both have, seed by seed."""
    models = min(len(answers.predicted) for _, answers in tested)
    first, second = (
        Predictions(each.images, each.predicted[:models], each.log_prob[:models], each.fold)
        for _, each in tested
    )
    true = labels[first.images]
    return Pair(
        what=what,
        labels=(tested[0][0].label, tested[1][0].label),
        accuracy=(float((first.predicted == true).mean()), float((second.predicted == true).mean())),
        effect=paired_effect(second, first, labels, "accuracy", derive_seed(0, "compare", what)),
        models=models,
    )
