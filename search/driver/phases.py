"""What the phases of a search ask for (controls, confirmation, ablation, test), and what they hand
on. The search phase, which asks an oracle, is `search_phase`; their order `session`; what the
answers mean `conclusions`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from data.augmentations import active, is_option
from data.augmentations import alone as taken_alone
from search.driver.algorithms import budget_ladder
from search.driver.ledger import Ledger
from search.driver.prepare import Prepared
from search.driver.specs import CONTROLS, NONE, Epochs, SpecFactory
from search.evidence.findings import Evidence
from search.execution.failures import failure_streak
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import OBJECTIVES
from search.experiment.space import Space
from search.experiment.trial import Settings, TrialRecord, TrialSpec, setting_key
from search.training.modes import Views, budget_of, mode_of

STREAK = 5  # trials in a row that fail for one cause: the next would too

Budget = Views | None  # None: all of it, where it is not shared out


class SearchFailed(Exception):
    """The search cannot go on: its baseline failed, or every trial does."""


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

    def ask(self, spec: TrialSpec, rung: int | None = None) -> int:
        return self.ledger.ask(spec, self.space.named_values(spec.settings), rung)

    def tell(self, number: int, baseline: int | None = None) -> TrialRecord:
        """Raises SearchFailed where the last trials all failed for one cause."""
        record = self.ledger.tell(number, baseline)
        if record.status == "failed" and (
            reason := failure_streak(self.ledger.last_results(number, STREAK), STREAK)
        ):
            raise SearchFailed(reason)
        return record

    def tell_needed(self, number: int, baseline: int | None, what: str) -> None:
        """Raises SearchFailed where a trial failed that the search cannot go on without."""
        record = self.tell(number, baseline)
        if record.status != "completed":
            raise SearchFailed(f"{what} failed: {failure_of(record)}")


BASELINE_FAILED = "no augmentation, which all is compared with,"


def failure_of(record: TrialRecord) -> str:
    return record.result.error or "no reason was given" if record.result else "it has no result"


@dataclass(frozen=True)
class Controls:
    """Numbers of the control trials: `by_budget[budget][label]`, with all of the budget (views or
    epochs) last; None: no rungs."""

    by_budget: dict[Budget, dict[str, int]]

    @property
    def full(self) -> dict[str, int]:
        return list(self.by_budget.values())[-1]

    def baseline(self, budget: Budget) -> int:
        return self.by_budget.get(budget, self.full)[NONE]

    def beside(self, spec: TrialSpec) -> int:
        """The number of the trial without augmentation that had as much of the budget."""
        return self.baseline(budget_of(spec))


@dataclass(frozen=True)
class Confirmation:
    """Numbers of the confirming trials: no augmentation, and for each candidate the trial it comes
    from."""

    baseline: int
    candidates: dict[int, int]  # confirming trial -> source trial


@dataclass(frozen=True)
class Ablation:
    """Numbers of the ablating trials: the policy less one augmentation, and one augmentation
    alone."""

    removed: dict[str, int]
    alone: dict[str, int]


@dataclass(frozen=True)
class Knowledge:
    """What the phases so far hand to the next: numbers of their trials, and what was concluded.

    controls, confirmation, ablation: empty before their phase; trial 0 is always no augmentation.
    trials: of the search phase, as told. finals: of the test phase, by label. leaked: source trial
    -> the same, scored on augmented images.
    """

    controls: Controls = Controls({None: {NONE: 0}})
    trials: tuple[int, ...] = ()
    confirmation: Confirmation = Confirmation(0, {})
    ablation: Ablation = Ablation({}, {})
    finals: dict[str, int] = field(default_factory=dict)
    leaked: dict[int, int] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)


def run_controls(context: Context, known: Knowledge) -> Knowledge:
    """No augmentation first (trial 0), then the other controls, at every budget that trials are
    compared at."""
    ladder: tuple[Budget, ...] = budget_ladder(context.config) or (None,)
    baseline = context.ask(context.specs.baseline())
    asked: dict[Budget, dict[str, int]] = {}
    for rung, budget in enumerate(ladder):
        asked[budget] = {NONE: _baseline_at(context, baseline, rung, ladder)}
        for label, augmentation in CONTROLS.items():
            if label != NONE:
                settings = context.specs.control(augmentation)
                spec = context.specs.search("control", label, settings, budget)
                asked[budget][label] = context.ask(spec, rung if len(ladder) > 1 else None)
    context.tell_needed(baseline, baseline, BASELINE_FAILED)
    for numbers in asked.values():
        for label, number in numbers.items():
            if label == NONE and number != baseline:
                context.tell_needed(number, None, BASELINE_FAILED)
            elif number != baseline:
                context.tell(number, numbers[NONE])
    return replace(known, controls=Controls(asked))


def _baseline_at(context: Context, full: int, rung: int, ladder: tuple[Budget, ...]) -> int:
    """The number of the trial without augmentation that trials of a rung are compared with."""
    settings, budget = context.specs.control({}), ladder[rung]
    # Without augmentation every view is the same picture, so one baseline serves every number of
    # views; but not of epochs.
    if mode_of(settings.training).budget == "views" or budget == ladder[-1]:
        return full
    return context.ask(context.specs.search("control", NONE, settings, budget), rung)


def run_confirmation(context: Context, known: Knowledge) -> Knowledge:
    """The best `top` settings and the controls again, on fresh folds, seeds and views."""
    confirm = context.config.evaluation.confirm
    sources = [
        *best_trials(context, known.trials, confirm.top if confirm else 0),
        *(n for label, n in known.controls.full.items() if label != NONE),
    ]
    baseline = context.ask(context.specs.confirm("confirm", NONE, context.specs.control({})))
    candidates = {}
    for source in sources:
        record = context.ledger.record(source)
        spec = context.specs.confirm("confirm", record.label, record.spec.settings)
        candidates[context.ask(spec)] = source
    context.tell_needed(baseline, baseline, BASELINE_FAILED)
    for number in candidates:
        context.tell(number, baseline)
    return replace(known, confirmation=Confirmation(baseline, candidates))


def best_trials(context: Context, trials: Iterable[int], top: int) -> list[int]:
    """The best completed trials, each setting once and no augmentation never. Scores are compared
    within a rung only: those of a higher rung come first, and the best of a lower one only where it
    has fewer than `top`.
    """
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
        setting = setting_key(record.spec.settings)
        best[setting] = max(
            best.get(setting, ((-1, 0.0), 0)),
            ((record.rung or 0, score), number),
            key=lambda b: (b[0], -b[1]),
        )
    ranked = sorted(best.values(), key=lambda b: (b[0], -b[1]), reverse=True)
    return [number for _, number in ranked[:top]]


def run_ablation(context: Context, known: Knowledge) -> Knowledge:
    """Each augmentation of the policy taken out, and each searched one alone at its strength in the
    policy or in the best trial."""
    policy, searched = policy_to_ablate(context, known), searched_augmentations(context)
    removed, alone = {}, {}
    for name in active(policy.augmentation):  # in table order: a journal sorts what it holds
        if name in searched:
            rest = {key: value for key, value in policy.augmentation.items() if key != name}
            removed[name] = _ask_ablation(context, f"without {name}", policy, rest)
    for name in searched:
        source = policy if name in policy.augmentation else _best_with(context, name)
        if source is not None:
            only = taken_alone(name, source.augmentation)
            alone[name] = _ask_ablation(context, f"{name} alone", policy, only)
    for number in (*removed.values(), *alone.values()):
        context.tell(number, known.confirmation.baseline)
    return replace(known, ablation=Ablation(removed, alone))


def policy_to_ablate(context: Context, known: Knowledge) -> Settings:
    """The chosen policy; where none is, the best confirmed one of the search; where there is none,
    no augmentation."""
    chosen = known.evidence.chosen_trial
    if chosen is None:
        kinds = {
            number: context.ledger.record(source).kind
            for number, source in known.confirmation.candidates.items()
        }
        searched = [c for c in known.evidence.confirmed if kinds[c.trial] == "trial"]
        best = max(searched, key=lambda c: c.effect.delta, default=None)
        chosen = best.trial if best else known.confirmation.baseline
    return context.ledger.record(chosen).spec.settings


def searched_augmentations(context: Context) -> list[str]:
    """The augmentations a verdict is asked for: those that some trial may switch on."""
    space = context.space
    searched = [name for name, part in space.section_of.items() if part == "augmentation"]
    fixed = context.specs.control(space.fixed["augmentation"]).augmentation
    return [name for name in [*searched, *fixed] if not is_option(name)]


def _ask_ablation(
    context: Context, label: str, policy: Settings, augmentation: dict[str, Any]
) -> int:
    settings = policy.model_copy(update={"augmentation": active(augmentation)})
    return context.ask(context.specs.confirm("ablation", label, settings))


def _best_with(context: Context, name: str) -> Settings | None:
    """The setting of the best trial that used an augmentation; None where none did."""
    using = [
        r.trial
        for r in context.ledger.records
        if r.kind == "trial" and name in r.spec.settings.augmentation
    ]
    best = best_trials(context, using, 1)
    return context.ledger.record(best[0]).spec.settings if best else None


def run_test(context: Context, known: Knowledge) -> Knowledge:
    """No augmentation, and the chosen policy, each for as long as it took before: trained on train
    + validation, scored on the test split."""
    kind, chosen = "confirm" if known.evidence.confirmed else "control", known.evidence.chosen_trial
    records = context.ledger.records
    baseline = next(r for r in records if r.kind == kind and not r.spec.settings.augmentation)
    sources = {NONE: baseline}
    if chosen is not None:
        sources[records[chosen].label] = records[chosen]
    finals = {
        label: context.ask(
            context.specs.final(label, source.spec.settings, Epochs.of(source.result))
        )
        for label, source in sources.items()
    }
    for label, number in finals.items():
        against = finals[NONE] if label != NONE else None
        context.tell_needed(number, against, f"the final model ({label})")
    return replace(known, finals=finals)
