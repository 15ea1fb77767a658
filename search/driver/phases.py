"""What the phases of a search ask for (controls, test), and what they hand on. The search phase,
which asks an oracle, is `search_phase`; confirmation and ablation are `confirmation`; their order
`session`; what the answers mean `conclusions`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from search.driver.algorithms import budget_ladder
from search.driver.declaration import Declaration
from search.driver.ledger import Ledger
from search.driver.prepare import Prepared
from search.driver.specs import Epochs, SpecFactory, controls_of, ranking_seeds
from search.evidence.curves import Combination
from search.evidence.findings import Evidence
from search.execution.failures import failure_streak
from search.experiment.beside import beside_of, with_beside
from search.experiment.config import ExperimentConfig
from search.experiment.controls import NONE
from search.experiment.objectives import OBJECTIVES
from search.experiment.settings import Settings, setting_key
from search.experiment.space import Space
from search.experiment.trial import TrialRecord, TrialSpec
from search.report.wording import label_text
from search.training.modes import Views, mode_of

STREAK = 5  # trials in a row that fail for one cause: the next would too

Budget = Views | None  # None: all of it, where it is not shared out


class SearchFailed(Exception):
    """The search cannot go on: its baseline failed, or every trial does. may_pass: what failed it
    can be mended; where not, it would fail the same way again."""

    def __init__(self, reason: str, may_pass: bool) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


@dataclass(frozen=True)
class Context:
    """What every phase works with. out_of_time: whether the search should ask for no more trials
    than so many. earlier_looks: at the test set, by searches that the directory held before."""

    prepared: Prepared
    ledger: Ledger
    out_of_time: Callable[[int], bool]
    earlier_looks: int = 0

    @property
    def config(self) -> ExperimentConfig:
        return self.prepared.config

    @property
    def space(self) -> Space:
        return self.prepared.space

    @property
    def specs(self) -> SpecFactory:
        return self.prepared.specs

    @property
    def top_rung(self) -> int:
        """The rung of trials that have all of their budget, where there are rungs."""
        return len(budget_ladder(self.config)) - 1

    def ask(self, spec: TrialSpec, rung: int | None = None) -> int:
        return self.ledger.ask(spec, self.space.named_values(spec.settings), rung)

    def are_alike(self, first: int, second: int) -> bool:
        """Whether two trials have the same of what is searched beside augmentation, so that their
        difference is an effect of augmentation."""
        both = (self.ledger.record(number).spec.settings for number in (first, second))
        one, other = (beside_of(self.space, settings) for settings in both)
        return one == other

    def tell(self, number: int, baseline: int | None = None) -> TrialRecord:
        """Raises SearchFailed where the last trials all failed for one cause."""
        record = self.ledger.tell(number, baseline)
        if record.status == "failed":
            last = self.ledger.last_results(number, STREAK)
            if reason := failure_streak(last, STREAK):
                raise SearchFailed(reason, any(result.may_pass for result in last))
        return record

    def tell_needed(self, number: int, baseline: int | None, what: str) -> None:
        """Raises SearchFailed where a trial failed that the search cannot go on without."""
        record = self.tell(number, baseline)
        if record.status != "completed":
            raise SearchFailed(f"{what} failed: {failure_of(record)}", may_pass(record))


BASELINE_FAILED = "no augmentation, which all is compared with,"


def failure_of(record: TrialRecord) -> str:
    return record.result.error or "no reason was given" if record.result else "it has no result"


def may_pass(record: TrialRecord) -> bool:
    return record.result is not None and record.result.may_pass


@dataclass(frozen=True)
class Controls:
    """Numbers of the control trials. bare: of no augmentation at each budget (views or epochs),
    with all of it last; None: no rungs. full: of all controls by label, with all of the budget."""

    bare: dict[Budget, int]
    full: dict[str, int]

    def baseline(self, budget: Budget) -> int:
        return self.bare.get(budget, self.full[NONE])

    def beside(self, record: TrialRecord) -> int:
        """The number of the trial without augmentation on the same rung."""
        return self.full[NONE] if record.rung is None else list(self.bare.values())[record.rung]


@dataclass(frozen=True)
class Confirmation:
    """Numbers of the confirming trials: no augmentation, and by label all others; sources: of whole
    settings, the trials of the search phase that they repeat. failed: no augmentation did, so that
    none of the others says anything."""

    baseline: int
    trained: dict[str, int]
    sources: dict[str, int]
    failed: bool = False


@dataclass(frozen=True)
class Knowledge:
    """What the phases so far hand to the next: numbers of their trials, and what was concluded.

    controls, confirmation: empty before their phase; trial 0 is always no augmentation. trials: of
    the search phase, as told. finals: of the test phase, by label; none where one failed.
    """

    controls: Controls = Controls({None: 0}, {NONE: 0})
    trials: tuple[int, ...] = ()
    confirmation: Confirmation = Confirmation(0, {}, {})
    finals: dict[str, int] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)

    def told(self, label: str) -> tuple[int | None, ...]:
        """Trials of what the search answers under a label, those that say most of it first."""
        found = self.confirmation
        repeated = found.sources.get(label, self.controls.full.get(label))
        return found.trained.get(label), repeated, self.evidence.best_trial


def run_controls(context: Context, known: Knowledge) -> Knowledge:
    """No augmentation first (trial 0), at every budget that trials are compared at; then the other
    controls, with all of it: claims are made of those alone."""
    ladder: tuple[Budget, ...] = budget_ladder(context.config) or (None,)
    full = context.ask(context.specs.baseline())
    bare = _baselines(context, full, ladder)
    others = {}
    for label, augmentation in controls_of(context.config).items():
        if label != NONE:
            settings = context.specs.control(augmentation)
            spec = context.specs.search("control", label, settings, ladder[-1])
            others[label] = context.ask(spec, len(ladder) - 1 if len(ladder) > 1 else None)
    for number in sorted(set(bare.values())):
        context.tell_needed(number, full if number == full else None, BASELINE_FAILED)
    for number in others.values():
        context.tell(number, full)
    return replace(known, controls=Controls(bare, {NONE: full} | others))


def _baselines(context: Context, full: int, ladder: tuple[Budget, ...]) -> dict[Budget, int]:
    """The numbers of the trials without augmentation that trials at each budget are compared with.
    full: that with all of it."""
    settings, evaluation = context.specs.control({}), context.config.evaluation
    found: dict[Budget, int] = dict.fromkeys(ladder, full)
    # Without augmentation every view is the same picture, so one serves every number of views.
    in_views = mode_of(settings.training).budget == "views"
    if in_views and ranking_seeds(evaluation) == evaluation.seeds:
        return found
    for rung, budget in enumerate(ladder[:-1]):
        if in_views and rung:
            found[budget] = found[ladder[0]]
        else:
            spec = context.specs.search("control", NONE, settings, budget)
            found[budget] = context.ask(spec, rung)
    return found


def best_trials(
    context: Context,
    trials: Iterable[int],
    top: int,
    beside: Mapping[str, Any] = MappingProxyType({}),
) -> list[int]:
    """The best completed trials, each setting once and no augmentation never. Scores are compared
    within a rung only: those of a higher rung come first, and the best of a lower one only where it
    has fewer than `top`. beside: values that make one setting of those that differ in them."""
    sign = OBJECTIVES[context.config.evaluation.objective].sign
    best: dict[str, tuple[Any, int]] = {}
    for number in trials:
        record = context.ledger.record(number)
        if (
            record.result is None
            or record.result.score is None
            or not record.spec.settings.augmentation
        ):
            continue
        score = sign * record.result.score
        setting = setting_key(with_beside(record.spec.settings, beside))
        best[setting] = max(
            best.get(setting, ((-1, 0.0), 0)),
            ((record.rung or 0, score), number),
            key=lambda b: (b[0], -b[1]),
        )
    ranked = sorted(best.values(), key=lambda b: (b[0], -b[1]), reverse=True)
    return [number for _, number in ranked[:top]]


def run_test(context: Context, known: Knowledge) -> Knowledge:
    """No augmentation, and the setting that the answer uses, with the same values beside it and
    each for as long as it took before: trained on train + validation, scored on the test split.
    Where one of them would fail the same way again, the test gives no figure and the search has
    its answer all the same; raises SearchFailed where it may not."""
    answer, ledger = known.evidence.answer, context.ledger
    beside = answer.beside if answer is not None else {}
    is_confirmed = bool(known.confirmation.trained)
    baseline = known.confirmation.baseline if is_confirmed else known.controls.full[NONE]
    finals = {NONE: _ask_final(context, NONE, context.specs.control({}, beside), baseline)}
    if answer is not None and answer.kind == "use" and answer.label is not None:
        told = [number for number in known.told(answer.label) if number is not None]
        number = next(n for n in told if ledger.record(n).status == "completed")
        settings = with_beside(ledger.record(number).spec.settings, beside)
        if answer.is_alone:  # perhaps at another strength than it was trained with alone
            declared = Declaration(context.specs, beside)
            settings = declared.settings(Combination.of(answer.settings))
        finals[answer.label] = _ask_final(context, answer.label, settings, number)
    ended = [context.tell(n, finals[NONE] if n != finals[NONE] else None) for n in finals.values()]
    failed = [record for record in ended if record.status != "completed"]
    for record in filter(may_pass, failed):
        what = f"the final model ({label_text(record)})"
        raise SearchFailed(f"{what} failed: {failure_of(record)}", may_pass=True)
    return replace(known, finals={} if failed else finals)


def _ask_final(context: Context, label: str, settings: Settings, source: int) -> int:
    """source: the trial whose epochs it takes; where that had other values beside its augmentation,
    the first that had the same."""
    epochs = Epochs.of(_alike(context, settings, context.ledger.record(source)).result)
    return context.ask(context.specs.final(label, settings, epochs))


def _alike(context: Context, settings: Settings, source: TrialRecord) -> TrialRecord:
    beside = beside_of(context.space, settings)
    earlier = (r for r in context.ledger.records if r.kind != "test" and r.status == "completed")
    full = (record for record in earlier if record.rung in (None, context.top_rung))
    tried = (source, *full)
    same = (r for r in tried if beside_of(context.space, r.spec.settings) == beside)
    return next(same, source)
