"""Whether a run directory holds what its search would find again: files against hashes, numbers
against what they follow from, and one trial against training it once more.

On the machine and versions of the search every number must be the same to the last digit. Elsewhere
what follows from the journaled predictions may move by `SLACK`, which is said where it does; what
trials trained again may do there is `retrained_answers`'s.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.messages import escaped
from data.own_code import Code
from data.scratch import libraries_write_to, scratch_folder
from search.driver.code_files import handed_over
from search.driver.prepare import Prepared
from search.driver.run_reading import GRADED, Run, open_run
from search.evidence.evaluation import metric_values
from search.evidence.scores import independent_images
from search.experiment.answers import Predictions, Truth
from search.experiment.settings import Frozen
from search.experiment.trial import Resources, TrialRecord
from search.features.devices import take_threads
from search.journal.journal_file import JournalError
from search.journal.run_dir import JOURNAL
from search.journal.state import SearchState
from search.report.wording import label_text
from search.verification.comparison import Comparison, Difference
from search.verification.consistency import JournaledAnswers, unsound
from search.verification.foreign_runs import compare_listing
from search.verification.given_files import GivenPlaces, require_right_files, told_by_option
from search.verification.rehearsal import SUMMATION, compare_again, rehearse, specs_asked
from search.verification.reopening import (
    compare_surroundings,
    prepare_again,
    relocated,
    require_precisions,
    scratch_resources,
    with_own_cache,
)
from search.verification.retrained_answers import contradictions
from search.verification.retraining import (
    EffectHere,
    TrainedAgain,
    chosen_trial,
    claimed_trials,
    effect_here,
    judge,
    train_again,
)
from search.verification.trained_apart import Apart

# elsewhere, of effects, intervals and conclusions: NumPy may draw its resamples otherwise
SLACK = 0.001

OnStep = Callable[[str], None]  # told in a line what is being done


class Retrained(Frozen):
    """A trial trained again. apart: how far it is from the journaled one; None where one of the two
    failed. error: why it failed here."""

    trial: int
    label: str
    apart: Apart | None = None
    error: str | None = None


class Verification(Frozen):
    """trial: the one trained again; None where it did not come to that. exact: same machine and
    versions, else `changed` says what is not. apart: how far the trial trained again is from the
    journaled one. also: other trials trained again. effect: the claimed one, where the trials of
    the claim were trained again and moved. remarks: what else was found out, and is no difference.
    """

    trial: int | None = None
    label: str = ""
    exact: bool = True
    changed: tuple[str, ...] = ()
    num_compared: int = 0
    apart: Apart | None = None
    error: str | None = None
    also: tuple[Retrained, ...] = ()
    effect: EffectHere | None = None
    differences: tuple[Difference, ...] = ()
    remarks: tuple[str, ...] = ()
    warning: str | None = None

    @property
    def same(self) -> bool:
        return not self.differences

    @property
    def trained(self) -> tuple[Retrained, ...]:
        """Every trial that was trained again."""
        if self.trial is None:
            return ()
        first = Retrained(trial=self.trial, label=self.label, apart=self.apart, error=self.error)
        return (first, *self.also)

    @property
    def num_answers_apart(self) -> int:
        """Of all trials trained again, from the answers handed in."""
        return sum(each.apart.num_answers for each in self.trained if each.apart is not None)

    @property
    def repeated(self) -> bool:
        """Whether every number recomputed or trained again is, to the last digit, as it was handed
        in."""
        apart = any(each.apart is not None and each.apart.differs for each in self.trained)
        return not (self.differences or self.remarks or apart)


def verify(
    run_dir: Path,
    trial: int | None = None,
    data: Path | None = None,
    say: OnStep = lambda _: None,
    weights: Path | None = None,
    run_code: Path | None = None,
) -> Verification:
    """Checks a run directory and trains one of its trials again.

    trial: its number; by default the recommended setting's confirmation, else the best trial. data,
    weights: where the images and the weights file are now, if not where they were. say: told in a
    line what is being done. run_code: a copy of the own code that the search names, to be run.
    Raises UserError for what the user can mend; damage to the directory is a difference.
    """
    try:
        run = open_run(run_dir, GRADED)
    except JournalError as error:
        return Verification(differences=(Difference(where=JOURNAL, what=str(error)),))
    given = GivenPlaces(data, weights, run_code)
    given.require_there()
    number = chosen_trial(run.state, trial)
    for needless in given.needless(run):
        say(f"note: {needless}")
    data = data if given.needs_data(run) else None
    if data is not None or weights is not None:
        path = run.config.dataset.path
        run = relocated(run, data or (Path(path) if path else None), weights)
    code = handed_over(run.config, run_code)
    with told_by_option(data, weights, run):
        found = verify_run(run_dir, run, (number,), say, code=code)
    require_right_files(found.differences, data, weights, run)
    return found


def verify_run(
    run_dir: Path,
    run: Run,
    numbers: Sequence[int],
    say: OnStep = lambda _: None,
    own_cache: Path | None = None,
    code: Code = (),
) -> Verification:
    """The run as it was opened, with the trials of those numbers trained again: one, more or none.

    own_cache: a folder for images that were not decoded before; None decodes them into the grader's
    cache. code: what trials may run beside this program.
    """
    comparison = Comparison()
    with scratch_folder("augsearch-verify-") as folder, libraries_write_to(folder):
        resources = scratch_resources(run.config, folder, code)
        take_threads(resources.num_threads, resources.side_by_side)
        if not compare_listing(run, resources, comparison):
            return _verification(comparison, ())
        if own_cache is not None:
            resources = with_own_cache(run.config, resources, own_cache)
        require_precisions(run, numbers, resources)
        prepared = prepare_again(run, resources)
        changed = compare_surroundings(run, prepared, comparison)
        if comparison.differences:  # on other images or weights all else would differ too
            return _verification(comparison, changed)
        for difference in unsound(run):
            comparison.note(difference.where, difference.what)
        predictions = _check_trials(
            run.state, run_dir, prepared, SUMMATION if changed else 0.0, comparison
        )
        _check_answers(predictions, prepared, comparison)
        say(f"repeating the search with the answers of its {len(predictions)} trained trials")
        again = rehearse(prepared, run.state, predictions, folder)
        remarks = compare_again(run.events, again, SLACK if changed else 0.0, comparison)
        # Where another spec is asked for there is a difference already; only what the config asks
        # for is trained.
        asked = {(spec.key, number) for number, spec in specs_asked(again)}
        records = [r for n in numbers for r in run.state.records if r.trial == n]
        records = [r for r in records if (r.spec.key, r.trial) in asked]
        trained = list(_trained(records, predictions, resources, bool(changed), say))
        claim, labels = claimed_trials(run.state), np.asarray(prepared.dataset.labels)
        judge(trained, claim, labels, bool(changed), comparison)
        effect = effect_here(trained, claim, Truth.of(prepared.dataset), run.config.seed)
        remarks += [effect.words] if effect is not None else []
    found = _verification(comparison, changed)
    each = [
        Retrained(
            trial=t.record.trial, label=label_text(t.record), apart=t.apart, error=t.result.error
        )
        for t in trained
    ]
    update = {**(dict(each[0]) if each else {}), "also": tuple(each[1:]), "effect": effect}
    return found.model_copy(update={**update, "remarks": tuple(remarks), "warning": run.warning})


def _check_answers(
    predictions: Mapping[int, Predictions], prepared: Prepared, comparison: Comparison
) -> None:
    """Whether each class given and each log-probability can stand side by side."""
    labels, num_classes = np.asarray(prepared.dataset.labels), len(prepared.dataset.class_names)
    for number, answers in predictions.items():
        if count := contradictions(answers, labels, num_classes):
            what = (
                f"{count} of {answers.predicted.size} answers give a class that their "
                "log-probability rules out"
            )
            comparison.note(f"trial {number}", what)


def _trained(
    records: Iterable[TrialRecord],
    predictions: Mapping[int, Predictions],
    resources: Resources,
    elsewhere: bool,
    say: OnStep,
) -> Iterator[TrainedAgain]:
    for record in records:
        if record.trial in predictions or record.status == "failed":
            say(f"training trial {record.trial} ({escaped(label_text(record))}) again")
            answers = predictions.get(record.trial)
            yield train_again(record, answers, resources, elsewhere)


def _verification(comparison: Comparison, changed: tuple[str, ...]) -> Verification:
    return Verification(
        exact=not changed,
        changed=changed,
        num_compared=comparison.num_compared,
        differences=tuple(comparison.differences),
    )


def _check_trials(
    state: SearchState, run_dir: Path, prepared: Prepared, slack: float, comparison: Comparison
) -> JournaledAnswers:
    """Every trained trial's predictions against their hash and its metrics against them; the sound
    ones."""
    labels, num_classes = np.asarray(prepared.dataset.labels), len(prepared.dataset.class_names)
    truth, found = Truth.of(prepared.dataset), JournaledAnswers(run_dir, prepared.dataset)
    results: dict[int, Any] = {}
    for record in state.records:
        where = f"trial {record.trial}"
        result = record.result
        if result is None:
            continue
        results[record.trial] = result.model_dump(mode="json")
        if record.duplicate_of is not None:
            comparison.check(where, results[record.trial], results.get(record.duplicate_of))
        elif result.status == "completed":
            try:
                answers = found.take(record)
            except JournalError as error:
                comparison.note(where, str(error))
                continue
            metrics = metric_values(answers, labels, num_classes)
            comparison.check(f"{where}: metrics", result.metrics, metrics, slack)
            grouped = truth.groups is not None
            again = independent_images(answers.of(truth), labels) if grouped else None
            comparison.check(f"{where}: num_independent", result.num_independent, again, slack)
            objective = record.spec.protocol.objective
            before, after = result.validation_hash or ("", "")
            comparison.check(f"{where}: validation_hash, before and after", before, after)
            comparison.check(f"{where}: score", result.score, metrics[objective], slack)
    return found
