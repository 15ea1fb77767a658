"""Whether a run directory holds what its search would find again: files against hashes, numbers against what they follow from,
and one trial against training it once more.

On the machine and versions of the search every number must be the same to the last digit. Elsewhere features differ in their
last digits and training amplifies that: heads stop at other epochs, as under another head seed. There, what follows from the
journaled predictions may move by `SLACK`, and the trial trained again must be as good as the journaled one within the noise
of their paired difference: one so large that chance gives it less than once in a thousand times is a difference. Measured
with TensorFlow in place of OpenVINO, on digits at 48 px: 8 % of the answers moved, the score by 0.3 points, p 0.56.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError
from data.messages import shown
from search.driver.prepare import Prepared
from search.evidence.evaluation import metric_values
from search.experiment.trial import Frozen
from search.journal.comparison import Comparison, Difference
from search.journal.journal_file import JournalError
from search.journal.state import SearchState
from search.verification.answers import Answers
from search.verification.gate import read_journal
from search.verification.limits import compare_listing
from search.verification.rehearsal import compare_rehearsal, rehearse, specs_asked
from search.verification.reopening import (
    JOURNAL,
    Run,
    compare_surroundings,
    prepare_again,
    relocated,
    run_of,
    scratch_resources,
)
from search.verification.retraining import Apart, train_again

SLACK = 0.001  # elsewhere, of effects, intervals and conclusions: NumPy may draw its resamples otherwise
TOLERANCE = "the same within what another machine may change"
SUMMATION = 1e-9  # elsewhere, of metrics: means of the journaled predictions, whatever the machine

Say = Callable[[str], None]


class Retrained(Frozen):
    """A trial trained again. apart: how far it is from the journaled one; None where it failed."""

    trial: int
    label: str
    apart: Apart | None = None


class Verification(Frozen):
    """trial: the one trained again; None where it did not come to that. exact: same machine and versions, else `changed` says
    what is not. apart: how far the trial trained again is from the journaled one. also: other trials trained again.
    """

    trial: int | None = None
    label: str = ""
    exact: bool = True
    changed: tuple[str, ...] = ()
    num_compared: int = 0
    apart: Apart | None = None
    also: tuple[Retrained, ...] = ()
    differences: tuple[Difference, ...] = ()
    warning: str | None = None

    @property
    def same(self) -> bool:
        return not self.differences

    @property
    def trained(self) -> tuple[Retrained, ...]:
        """Every trial that was trained again."""
        if self.trial is None:
            return ()
        return (Retrained(trial=self.trial, label=self.label, apart=self.apart), *self.also)


def verify(
    run_dir: Path,
    trial: int | None = None,
    data: Path | None = None,
    say: Say = lambda _: None,
    weights: Path | None = None,
) -> Verification:
    """Checks a run directory and trains one of its trials again.

    trial: its number; by default the recommended setting's confirmation, else the best trial. data, weights: where the images and
    the weights file are now, if not where they were. say: told in a line what is being done. Raises UserError for what the user
    can mend; damage to the directory is a difference.
    """
    try:
        run = open_sound_run(run_dir)
    except JournalError as error:
        return Verification(differences=(Difference(where=JOURNAL, what=str(error)),))
    number = chosen_trial(run.state, trial)
    if data is not None or weights is not None:
        path = run.config.dataset.path
        run = relocated(run, data or (Path(path) if path else None), weights)
    return verify_run(run_dir, run, (number,), say)


def open_sound_run(run_dir: Path) -> Run:
    """A run directory that may come from elsewhere: its journal is let through by `gate` alone.

    Raises UserError where there is no search, JournalError (one too) where the journal is not one that a search writes, or its
    config is not the one that was run.
    """
    if not (run_dir / JOURNAL).exists():
        raise UserError(f"{run_dir} holds no {JOURNAL}; name a directory that a search was run in")
    run = run_of(*read_journal(run_dir, JOURNAL))
    if run.config.hash != run.opened.config_hash:
        raise JournalError(
            f"the config's hash is {run.config.hash}, and {run.opened.config_hash} was journaled; "
            "it was changed, or written by another version"
        )
    return run


def describe(verification: Verification) -> str:
    """For people: what was compared, and what differs."""
    lines = [verification.warning] if verification.warning else []
    if verification.changed:
        lines.append(f"not the machine and versions of the search: {'; '.join(verification.changed)}")
    lines += [
        f"trial {each.trial} ({shown(each.label)}) trained again: {each.apart.words}"
        for each in verification.trained
        if each.apart is not None
    ]
    if verification.same:
        how = "the same to the last digit" if verification.exact else TOLERANCE
        return "\n".join([*lines, f"{verification.num_compared} values compared: {how}"])
    count = len(verification.differences)
    lines.append(f"{count} {'difference' if count == 1 else 'differences'}:")
    return "\n".join(
        [*lines, *(f"  {shown(each.where)}: {shown(each.what)}" for each in verification.differences)]
    )


def verify_run(run_dir: Path, run: Run, numbers: Sequence[int], say: Say = lambda _: None) -> Verification:
    """The run as it was opened, with the trials of those numbers trained again: one, more or none."""
    comparison = Comparison()
    with tempfile.TemporaryDirectory(prefix="augsearch-verify-") as name:
        folder = Path(name)
        resources = scratch_resources(run.config, folder)
        if not compare_listing(run, resources, comparison):
            return _verification(comparison, ())
        prepared = prepare_again(run, resources)
        changed = compare_surroundings(run, prepared, comparison)
        if comparison.differences:  # on other images or weights all else would differ too
            return _verification(comparison, changed)
        predictions = _check_trials(run.state, run_dir, prepared, SUMMATION if changed else 0.0, comparison)
        say(f"repeating the search with the answers of its {len(predictions)} trained trials")
        again = rehearse(prepared, run.state, predictions, folder)
        compare_rehearsal(run.events, again, comparison, SLACK if changed else 0.0)
        trained = []
        asked = {(spec.key, number) for number, spec in specs_asked(again)}
        for record in (r for n in numbers for r in run.state.records if r.trial == n and n in predictions):
            if (
                record.spec.key,
                record.trial,
            ) not in asked:  # a difference already; only what the config asks for is trained
                continue
            say(f"training trial {record.trial} ({shown(record.label)}) again")
            answers = predictions[record.trial]
            apart = train_again(record, answers, resources, prepared, bool(changed), comparison)
            trained.append(Retrained(trial=record.trial, label=record.label, apart=apart))
    found = _verification(comparison, changed)
    first = dict(trained[0]) if trained else {}
    return found.model_copy(update={**first, "also": tuple(trained[1:]), "warning": run.warning})


def _verification(comparison: Comparison, changed: tuple[str, ...]) -> Verification:
    return Verification(
        exact=not changed,
        changed=changed,
        num_compared=comparison.num_compared,
        differences=tuple(comparison.differences),
    )


def chosen_trial(state: SearchState, trial: int | None = None) -> int:
    """The trial to train again; of one that repeats another, that other. Raises UserError where there is none such."""
    records = {record.trial: record for record in state.records}
    if trial is None:
        evidence = state.evidence
        wanted = (evidence.chosen_trial, evidence.best_trial) if evidence else ()
        trial = next((number for number in wanted if number is not None), 0)
    if trial not in records:
        raise UserError(f"there is no trial {trial}; allowed: 0 to {len(records) - 1}")
    record = records[trial]
    if record.status != "completed":
        raise UserError(f"trial {trial} is {record.status} and has no numbers to compare; choose another")
    return record.trial if record.duplicate_of is None else record.duplicate_of


def _check_trials(
    state: SearchState, run_dir: Path, prepared: Prepared, slack: float, comparison: Comparison
) -> Answers:
    """Every trained trial's predictions against their hash and its metrics against them; the sound ones."""
    labels, num_classes = np.asarray(prepared.dataset.labels), len(prepared.dataset.class_names)
    found = Answers(run_dir, prepared.dataset)
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
            objective = record.spec.protocol.objective
            before, after = result.validation_hash or ("", "")
            comparison.check(f"{where}: validation_hash, before and after", before, after)
            comparison.check(f"{where}: score", result.score, metrics[objective], slack)
    return found
