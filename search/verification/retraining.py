"""Journaled trials trained again: which, and how far they come out apart. What else `verify`
compares is not here."""

import secrets
from collections.abc import Callable, Collection, Sequence

import numpy as np

from data.errors import UserError
from data.messages import escaped
from search.evidence.evaluation import paired_effect
from search.evidence.findings import Evidence
from search.execution.engine import EngineOptions
from search.execution.failures import Failure, guarded
from search.execution.local_engine import LocalEngine
from search.experiment.answers import Predictions, Truth
from search.experiment.kinds import KINDS
from search.experiment.seeds import derive_seed
from search.experiment.settings import Frozen
from search.experiment.trial import Effect, Outcome, Resources, TrialRecord, TrialResult, TrialSpec
from search.features.devices import take_threads
from search.journal.state import SearchState
from search.training.modes import mode_of
from search.verification.comparison import Comparison
from search.verification.retrained_answers import RetrainedPair, findings
from search.verification.trained_apart import TrainedAgain, compare_trained, how_far


def claimed_trials(state: SearchState) -> tuple[int, int] | None:
    """The trials whose difference the answer rests on most: the setting that it uses, else the best
    of the whole settings, as it was confirmed, and no augmentation; where nothing was confirmed,
    of the search phase. None: it says nothing yet."""
    evidence = state.evidence
    if evidence is None:
        return None
    best = _trial_of_answer(evidence)
    baseline = state.baseline("confirm" if best in evidence.trained.values() else "control")
    if best is None or baseline is None or baseline.status != "completed":
        return None
    return chosen_trial(state, best), chosen_trial(state, baseline.trial)


def _trial_of_answer(evidence: Evidence) -> int | None:
    answer, numbers = evidence.answer, evidence.trained or evidence.sources
    if answer is not None and answer.kind == "use" and answer.label in numbers:
        return numbers[answer.label]
    measured = evidence.claims.wholes if evidence.claims and evidence.trained else ()
    effects = {numbers[each.label]: each.measured.effect for each in measured if each.measured}
    return max(effects, key=lambda number: effects[number], default=evidence.best_trial)


def chosen_trial(state: SearchState, trial: int | None = None) -> int:
    """The trial to train again; of one that repeats another, that other. Raises UserError where
    there is none such."""
    records = {record.trial: record for record in state.records}
    if not records:
        raise UserError("the search has no trial to train again; run it to its end first")
    if trial is None:
        evidence = state.evidence
        wanted = (_trial_of_answer(evidence), evidence.best_trial) if evidence else ()
        trial = next((number for number in wanted if number is not None), 0)
    if trial not in records:
        raise UserError(f"there is no trial {trial}; allowed: 0 to {len(records) - 1}")
    record = records[trial]
    if record.result is None:
        raise UserError(
            f"trial {trial} is {record.status} and has no numbers to compare; choose another"
        )
    return record.trial if record.duplicate_of is None else record.duplicate_of


def drawn_trial(state: SearchState, others: Collection[int]) -> int | None:
    """One more that was trained and completed, drawn where nobody can foresee it; None where all
    such are among `others`.

    Whoever makes answers up can make those of the two claimed trials look like another machine's;
    of a trial drawn here they would have to have done it in all.
    """
    left = [
        record.trial
        for record in state.records
        if record.status == "completed"
        and record.duplicate_of is None
        and KINDS[record.kind].is_evidence  # how far those move elsewhere was not measured
        and record.trial not in others
    ]
    return secrets.choice(left) if left else None


def train_again(
    record: TrialRecord, journaled: Predictions | None, resources: Resources, elsewhere: bool
) -> TrainedAgain:
    """Trains the trial of `record`; in a worker too, as searches do, where it differs on the
    search's own machine and TensorFlow was loaded here with other threads than theirs. Judges
    nothing: that is `judge`, once all are trained."""
    from search.training.run_trial import run_trial

    here = _trained(record, journaled, resources, run_trial)
    differs = here.apart is not None and here.apart.differs
    if not differs or elsewhere or take_threads(resources.num_threads, resources.side_by_side):
        return here
    anew = resources.views_dir.parent / "worker"  # without the checkpoints made here
    in_worker = resources.model_copy(update={"views_dir": anew / "views"})
    engine = LocalEngine(EngineOptions(in_worker, anew))
    try:
        return _trained(record, journaled, in_worker, lambda spec, _: engine.submit(spec).result())
    finally:
        engine.shutdown(wait=True)


def _trained(
    record: TrialRecord,
    journaled: Predictions | None,
    resources: Resources,
    run: Callable[[TrialSpec, Resources], Outcome],
) -> TrainedAgain:
    if journaled is None:
        outcome = guarded(run, record.spec, resources)
        if isinstance(outcome, Failure):
            return TrainedAgain(record, TrialResult(status="failed", error=outcome.reason), None)
        return TrainedAgain(record, outcome.result, None, outcome.predictions)
    outcome = run(record.spec, resources)
    if outcome.predictions is None or record.result is None:
        return TrainedAgain(record, outcome.result, journaled)
    apart = how_far(record.result, outcome.result, journaled, outcome.predictions)
    return TrainedAgain(record, outcome.result, journaled, outcome.predictions, apart)


def judge(
    trained: Sequence[TrainedAgain],
    claim: tuple[int, int] | None,
    labels: np.ndarray,
    elsewhere: bool,
    comparison: Comparison,
) -> None:
    """Whether each completes as journaled, and with the same numbers: to the last digit, or,
    elsewhere, where the answers repeat to the last bit; else as far as another machine's may
    differ. labels, claim: as `retrained_answers.findings` has them.
    """
    pairs = []
    for each in trained:
        if (what := _changed_status(each)) is not None:
            comparison.note(f"trial {each.record.trial}", what)
        if each.journaled is None or each.again is None:
            continue
        mode = each.record.spec.settings.training.mode
        pair = RetrainedPair(each.record.trial, mode, each.journaled, each.again)
        if not elsewhere or pair.repeats or not pair.alike:
            compare_trained(each, pair, comparison)
        else:
            comparison.num_compared += pair.again.predicted.size
        pairs.append(pair)
    if not elsewhere or not pairs:
        return
    objective = trained[0].record.spec.protocol.objective
    for found in findings(pairs, labels, objective, claim):
        comparison.note(f"trial {found.trial}", found.what)


class EffectHere(Frozen):
    """The claimed effect of a trial, from the answers trained here alone, beside the one handed
    in."""

    trial: int
    objective: str
    here: Effect
    handed_in: Effect | None

    @property
    def is_apart(self) -> bool:
        """Whether what was handed in lies outside the interval of what was trained here."""
        return (
            self.handed_in is not None
            and not self.here.ci_low <= self.handed_in.delta <= self.here.ci_high
        )

    @property
    def words(self) -> str:
        said = f"; {_interval(self.handed_in)} was handed in" if self.handed_in is not None else ""
        return (
            f"trained here, trial {self.trial} has an effect of {_interval(self.here)} in "
            f"{self.objective}{said}"
        )


def effect_here(
    trained: Sequence[TrainedAgain], claim: tuple[int, int] | None, truth: Truth, seed: int
) -> EffectHere | None:
    """None where not both trials of the claim were trained, or all repeat."""
    by_trial = {each.record.trial: each for each in trained}
    ours, baseline = (by_trial.get(number) for number in claim or (-1, -1))
    if ours is None or baseline is None or ours.again is None or baseline.again is None:
        return None
    if not any(each.apart is not None and each.apart.differs for each in (ours, baseline)):
        return None
    spec = ours.record.spec
    objective, spread = spec.protocol.objective, mode_of(spec.settings.training).usual_spread
    pair = ours.again.of(truth), baseline.again.of(truth)
    here = paired_effect(*pair, truth.labels, objective, derive_seed(seed, "verify"), spread)
    return EffectHere(
        trial=ours.record.trial, objective=objective, here=here, handed_in=ours.record.effect
    )


def _interval(effect: Effect) -> str:
    return f"{effect.delta:+.4f} ({effect.ci_low:+.4f} to {effect.ci_high:+.4f})"


def _changed_status(trained: TrainedAgain) -> str | None:
    result = trained.record.result
    if trained.again is None and trained.journaled is not None:
        return f"completed in the journal; trained again it failed: {trained.result.error}"
    if trained.again is not None and trained.journaled is None and result is not None:
        why, score = escaped(str(result.error)), trained.result.score
        return f"failed in the journal ({why}); trained again it completes, with a score of {score}"
    return None
