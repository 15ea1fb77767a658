"""Two finished searches over the same images, side by side: what one backbone, mode or size gains
over another, on the images that both scored out of fold and on the sealed test set.

Settings within a search are compared by the search itself; this is for what cannot be searched,
such as `training.mode`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.dataset import Dataset
from data.errors import UserError
from data.messages import escaped, listed
from search.driver.run_reading import Run, open_run
from search.evidence.evaluation import paired_effect
from search.experiment.answers import Predictions, Truth
from search.experiment.config_changes import differences
from search.experiment.controls import NONE
from search.experiment.objectives import OBJECTIVES, SHOWN_ANYWAY
from search.experiment.seeds import derive_seed
from search.experiment.settings import OF_AUGMENTATION, Frozen
from search.experiment.trial import Effect, TrialRecord
from search.features.process_cache import dataset_of
from search.report.answer_text import answer
from search.report.sentences import untested_text, way_on_text
from search.report.view import SearchView
from search.report.wording import label_text, value_text
from search.verification.consistency import JournaledAnswers
from search.verification.reopening import scratch_resources

Answered = tuple[TrialRecord, Predictions]
Runs = tuple[Run, Run]
Folders = tuple[Path, Path]
Names = tuple[str, str]


class ComparedPair(Frozen):
    """One setting of each search. accuracy: of the first and of the second. effect: second less
    first. models: trained from other seeds, of each setting and fold."""

    what: str
    labels: tuple[str, str]
    accuracy: tuple[float, float]
    effect: Effect
    models: int
    num_images: int


class RunComparison(Frozen):
    """names: of the searches, with their directories where both have one name. answers: of each, in
    a sentence. objectives: what each searched for; accuracy is what is compared. differ: the
    settings of model and training that do, of what each recommends: `model.dropout 0.2 and 0.5`.
    pairs: no augmentation in both, on the images of the folds where those are the same and on the
    test images; then what each recommends, where that is something."""

    names: tuple[str, str]
    answers: tuple[str, str]
    objectives: tuple[str, str]
    differ: tuple[str, ...]
    pairs: tuple[ComparedPair, ...]


def compare(first: Path, second: Path) -> RunComparison:
    """Raises UserError where a search has not ended or not opened its test set, or the two are one,
    or not over the same images."""
    folders = first, second
    if first.resolve() == second.resolve():
        raise UserError(f"{first} and {second} are one search; name another beside it")
    runs = open_run(first), open_run(second)
    views = [_finished(run, folder) for run, folder in zip(runs, folders, strict=True)]
    dataset = _dataset(runs, folders)
    truth = Truth.of(dataset)
    answers = [JournaledAnswers(folder, dataset) for folder in folders]
    names = _names(runs, folders)
    tested = _answers(names, [run.state.baseline("test") for run in runs], answers)
    pairs = [
        *_out_of_fold(runs, names, answers, truth),
        _pair("no augmentation, test", tested, truth),
    ]
    one, other = views
    chosen = _answers(names, [one.final, other.final], answers)
    if any(record.label != NONE for record, _ in chosen):
        pairs.append(_pair("what each recommends, test", chosen, truth))
    return RunComparison(
        names=names,
        answers=(answer(one), answer(other)),
        objectives=(one.objective, other.objective),
        differ=_differ(chosen),
        pairs=tuple(pairs),
    )


def _finished(run: Run, folder: Path) -> SearchView:
    view = SearchView(run.state)
    if why := untested_text(view):
        raise UserError(f"{folder} cannot be compared on the test set. {why}")
    if view.is_finished:
        return view
    if view.status == "unfinished":
        raise UserError(f"{folder} has not ended: let `run` finish it, or run it again to go on")
    what = "could not go on" if view.status == "failed" else "was stopped"
    raise UserError(f"{folder} {what} ({view.stopped}); {way_on_text(view)}")


def _differ(both: Sequence[Answered]) -> tuple[str, ...]:
    has_none = any(record.label == NONE for record, _ in both)
    left = {"training": set(OF_AUGMENTATION)} if has_none else {}
    then, now = (
        record.spec.settings.model_dump(mode="json", include={"model", "training"}, exclude=left)
        for record, _ in both
    )
    return tuple(
        f"{name} {value_text(first)} and {value_text(second)}"
        for name, (first, second) in differences(then, now).items()
    )


def _names(runs: Runs, folders: Folders) -> Names:
    first, second = (run.opened.name for run in runs)
    if first != second:
        return first, second
    return f"{first} ({folders[0]})", f"{second} ({folders[1]})"


def _out_of_fold(
    runs: Runs, names: Names, answers: Sequence[JournaledAnswers], truth: Truth
) -> list[ComparedPair]:
    """No augmentation in both, where the same images were scored in the same folds: of the
    confirmation, whose seeds are more, or of the controls."""
    for kind in ("confirm", "control"):
        records = [run.state.baseline(kind) for run in runs]
        if all(record is not None and record.predictions_file for record in records):
            both = _answers(names, records, answers)
            if _are_alike(both):
                return [_pair("no augmentation, out of fold", both, truth)]
    return []


def describe_comparison(found: RunComparison) -> str:
    """A few lines for people."""
    names = [escaped(name) for name in found.names]
    said = [f"  {name}: {text}" for name, text in zip(names, found.answers, strict=True)]
    differ = [f"  they differ in {escaped(', '.join(found.differ))}"] if found.differ else []
    head = [" and ".join(names), *differ, *said, *_other_objectives(names, found.objectives)]
    return "\n".join([*head, *map(_describe_pair, found.pairs)])


def _other_objectives(names: Sequence[str], objectives: Sequence[str]) -> list[str]:
    others = [
        f"{name} searched for {OBJECTIVES[objective].words}"
        for name, objective in zip(names, objectives, strict=True)
        if objective != SHOWN_ANYWAY
    ]
    return [f"  figures below are accuracy; {listed(others)}"] if others else []


def _describe_pair(pair: ComparedPair) -> str:
    first, second = (f"{100 * accuracy:.1f} %" for accuracy in pair.accuracy)
    effect = pair.effect
    points = (
        f"{100 * effect.delta:+.1f} points ({100 * effect.ci_low:+.1f} to "
        f"{100 * effect.ci_high:+.1f})"
    )
    models = f"{pair.models} model{'s' if pair.models > 1 else ''} each"
    return f"  {pair.what:29} {first} and {second}: {points}, {pair.num_images} images, {models}"


def _dataset(runs: Runs, folders: Folders) -> Dataset:
    """The images, the same of both."""
    if len({run.opened.dataset.digest for run in runs}) > 1:
        raise UserError(
            f"{folders[0]} and {folders[1]} are not over the same images, size and split; compare "
            "searches that are"
        )
    config = runs[0].config
    seed = derive_seed(config.seed, "split")
    dataset = dataset_of(config.dataset, seed, scratch_resources(config, folders[0]))
    if dataset.digest != runs[0].opened.dataset.digest:
        raise UserError(
            f"the images of {folders[0]} are not what they were; restore them to compare"
        )
    return dataset


def _answers(
    names: Names, records: Sequence[TrialRecord | None], answers: Sequence[JournaledAnswers]
) -> list[Answered]:
    """The record of each search with its answers, image by image."""
    found = []
    for name, record, of_run in zip(names, records, answers, strict=True):
        if record is None or record.predictions_file is None:
            raise UserError(
                f"{escaped(name)} has no answers on a test set; run it with evaluation.test on, "
                "over data with test images"
            )
        found.append((record, of_run.take(record)))
    return found


def _are_alike(both: list[Answered]) -> bool:
    """Whether the same images were scored in the same folds."""
    first, second = (answers for _, answers in both)
    return np.array_equal(first.images, second.images) and np.array_equal(first.fold, second.fold)


def _pair(what: str, tested: list[Answered], truth: Truth) -> ComparedPair:
    """The models that both have, seed by seed."""
    models = min(len(answers.predicted) for _, answers in tested)
    first, second = (
        Predictions(each.images, each.predicted[:models], each.log_prob[:models], each.fold).of(
            truth
        )
        for _, each in tested
    )
    labels, true = truth.labels, truth.labels[first.images]
    return ComparedPair(
        what=what,
        labels=(label_text(tested[0][0]), label_text(tested[1][0])),
        accuracy=(
            float((first.predicted == true).mean()),
            float((second.predicted == true).mean()),
        ),
        effect=paired_effect(second, first, labels, SHOWN_ANYWAY, derive_seed(0, "compare", what)),
        models=models,
        num_images=len(true),
    )
