"""The phases of a search, one function each: controls, search, confirmation, ablation, test.

Each asks the ledger for its trials and returns what the next phase needs. What the numbers mean is
`conclusions`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data.augmentations import active
from data.augmentations import alone as taken_alone
from search.driver.algorithms import views_ladder
from search.driver.ledger import Ledger
from search.driver.specs import CONTROLS, NONE, Epochs, SpecFactory
from search.execution.failures import failure_streak
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import OBJECTIVES
from search.experiment.space import Space
from search.experiment.trial import Kind, Settings, TrialRecord, TrialSpec, setting_key
from search.training.modes import budget_of, mode_of

STREAK = 5  # trials in a row that fail for one cause: the next would too


class SearchFailed(Exception):
    """The search cannot go on: its baseline failed, or every trial does."""


@dataclass
class Context:
    """What every phase works with. out_of_time: whether the search should ask for no more
    trials."""

    config: ExperimentConfig
    space: Space
    specs: SpecFactory
    ledger: Ledger
    out_of_time: Callable[[int], bool]

    def ask(self, kind: Kind, spec: TrialSpec, rung: int | None = None) -> int:
        return self.ledger.ask(kind, spec.label, spec, self.space.named_values(spec.settings), rung)

    def tell(self, number: int, baseline: int | None = None) -> TrialRecord:
        """Raises SearchFailed where the last trials all failed for one cause."""
        record = self.ledger.tell(number, baseline)
        if record.status == "failed" and (
            reason := failure_streak(self.ledger.last_results(number, STREAK), STREAK)
        ):
            raise SearchFailed(reason)
        return record


@dataclass(frozen=True)
class Controls:
    """Numbers of the control trials: `by_views[budget][label]`, with all of the budget (views or
    epochs) last; None: no rungs."""

    by_views: dict[Any, dict[str, int]]

    @property
    def full(self) -> dict[str, int]:
        return list(self.by_views.values())[-1]

    def baseline(self, budget: Any) -> int:
        return self.by_views.get(budget, self.full)[NONE]

    def beside(self, spec: TrialSpec) -> int:
        """The number of the trial without augmentation that had as much of the budget."""
        return self.baseline(budget_of(spec))


def run_controls(context: Context) -> Controls:
    """No augmentation first (trial 0), then the other controls, at every budget that trials are
    compared at."""
    ladder = views_ladder(context.config) or (None,)
    baseline = context.ask("control", context.specs.baseline())
    asked: dict[Any, dict[str, int]] = {}
    for rung, views in enumerate(ladder):
        asked[views] = {NONE: _baseline_at(context, baseline, rung, views, ladder)}
        for label, augmentation in CONTROLS.items():
            if label != NONE:
                spec = context.specs.search(
                    "control", label, context.specs.control(augmentation), views
                )
                asked[views][label] = context.ask(
                    "control", spec, rung if len(ladder) > 1 else None
                )
    controls = Controls(asked)
    _tell_baseline(context, baseline, baseline)
    for numbers in asked.values():
        for label, number in numbers.items():
            if label == NONE and number != baseline:
                _tell_baseline(context, number, None)
            elif number != baseline:
                context.tell(number, numbers[NONE])
    return controls


def _tell_baseline(context: Context, number: int, baseline: int | None) -> None:
    """Raises SearchFailed where it failed."""
    record = context.tell(number, baseline)
    if record.status != "completed":
        raise SearchFailed(
            f"no augmentation, which all is compared with, failed: {reason_of(record)}"
        )


def _baseline_at(
    context: Context, full: int, rung: int, budget: Any, ladder: tuple[Any, ...]
) -> int:
    """The number of the trial without augmentation that trials of a rung are compared with."""
    settings = context.specs.control({})
    # Without augmentation every view is the same picture, so one baseline serves every number of
    # views; but not of epochs.
    if mode_of(settings.training).budget == "views" or budget == ladder[-1]:
        return full
    return context.ask("control", context.specs.search("control", NONE, settings, budget), rung)


def reason_of(record: TrialRecord) -> str:
    return record.result.error or "no reason was given" if record.result else "it has no result"


@dataclass(frozen=True)
class Confirmation:
    """Numbers of the confirming trials: no augmentation, and for each candidate the trial it comes
    from."""

    baseline: int
    candidates: dict[int, int]  # confirming trial -> source trial


def run_confirmation(context: Context, controls: Controls, trials: list[int]) -> Confirmation:
    """The best `top` settings and the controls again, on fresh folds, seeds and views."""
    confirm = context.config.evaluation.confirm
    top = confirm.top if confirm else 0
    sources = [
        *best_trials(context, trials, top),
        *(n for label, n in controls.full.items() if label != NONE),
    ]
    baseline = context.ask(
        "confirm", context.specs.confirm("confirm", NONE, context.specs.control({}))
    )
    candidates = {}
    for source in sources:
        record = context.ledger.record(source)
        spec = context.specs.confirm("confirm", record.label, record.spec.settings)
        candidates[context.ask("confirm", spec)] = source
    _tell_baseline(context, baseline, baseline)
    for number in candidates:
        context.tell(number, baseline)
    return Confirmation(baseline, candidates)


def best_trials(context: Context, trials: list[int], top: int) -> list[int]:
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


@dataclass(frozen=True)
class Ablation:
    """Numbers of the ablating trials: the policy less one augmentation, and one augmentation
    alone."""

    removed: dict[str, int]
    alone: dict[str, int]


def run_ablation(
    context: Context, confirmation: Confirmation, policy: Settings, searched: list[str]
) -> Ablation:
    """Each augmentation of the policy taken out, and each searched one alone at its strength in the
    policy or in the best trial."""
    removed, alone = {}, {}
    for name in policy.augmentation:
        if name in searched:
            rest = {key: value for key, value in policy.augmentation.items() if key != name}
            removed[name] = _ask_ablation(context, f"without {name}", policy, rest)
    for name in searched:
        source = policy if name in policy.augmentation else _best_with(context, name)
        if source is not None:
            only = taken_alone(name, source.augmentation)
            alone[name] = _ask_ablation(context, f"{name} alone", policy, only)
    for number in (*removed.values(), *alone.values()):
        context.tell(number, confirmation.baseline)
    return Ablation(removed, alone)


def _ask_ablation(
    context: Context, label: str, policy: Settings, augmentation: dict[str, Any]
) -> int:
    settings = policy.model_copy(update={"augmentation": active(augmentation)})
    return context.ask("ablation", context.specs.confirm("ablation", label, settings))


def _best_with(context: Context, name: str) -> Settings | None:
    """The setting of the best trial that used an augmentation; None where none did."""
    using = [
        r.trial
        for r in context.ledger.records
        if r.kind == "trial" and name in r.spec.settings.augmentation
    ]
    best = best_trials(context, using, 1)
    return context.ledger.record(best[0]).spec.settings if best else None


def run_test(context: Context, choices: dict[str, tuple[Settings, Epochs]]) -> dict[str, int]:
    """Trains each choice (label -> settings, epochs) on train + validation and scores the test
    split."""
    numbers = {
        label: context.ask("test", context.specs.final(label, *choice))
        for label, choice in choices.items()
    }
    for label, number in numbers.items():
        record = context.tell(number, numbers[NONE] if label != NONE else None)
        if record.status != "completed":
            raise SearchFailed(f"the final model ({label}) failed: {reason_of(record)}")
    return numbers
