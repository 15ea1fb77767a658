"""From trials to evidence: which effects, which floor, which verdicts, and what is recommended. The
statistics are `evaluation`, `floor` and `verdicts`; here the right trials are put into them.
"""

import numpy as np

from data.augmentations import is_option
from data.dataset import Dataset
from search.driver.phases import Ablation, Confirmation, Context, Controls, best_trials
from search.driver.rungs import rank_correlations
from search.driver.specs import NONE, Epochs
from search.evidence.evaluation import effects_by_class
from search.evidence.findings import Confirmed, Evidence, Score, TestResult, Verdict
from search.evidence.floor import NullFloor, null_floor
from search.evidence.scores import confusion_matrix, wilson_interval
from search.evidence.verdicts import choose, holm, verdict
from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.experiment.trial import Effect, Settings, setting_key


class Conclusions:
    """Grows one `Evidence` as the phases of a search end."""

    def __init__(self, context: Context, dataset: Dataset) -> None:
        self._context, self._ledger = context, context.ledger
        self._labels = np.asarray(dataset.labels)
        self._class_names = dataset.class_names
        self._evidence = Evidence()

    def after_search(self, controls: Controls, trials: list[int]) -> Evidence:
        """The best trial, and what the best would show if none differed from no augmentation."""
        completed = [n for n in trials if self._ledger.record(n).status == "completed"]
        best = best_trials(self._context, trials, 1)
        updates: dict = {
            "rung_correlations": rank_correlations([self._ledger.record(n) for n in completed]),
            "optimism": self._optimism([*controls.full.values(), *completed]),
        }
        if best:
            floor = self._floor(controls, completed)
            effect = self._ledger.record(best[0]).effect
            updates |= {
                "null_floor": floor.p95,
                "null_floor_mean": floor.mean,
                "best_trial": best[0],
                "best_is_below_floor": effect is None or effect.delta <= floor.p95,
            }
        return self._update(updates)

    def _floor(self, controls: Controls, completed: list[int]) -> NullFloor:
        """Of each setting once, at the most of the budget that it had, against no augmentation at
        as much."""
        records = sorted(map(self._ledger.record, completed), key=lambda record: record.rung or 0)
        tried = list({setting_key(record.spec.settings): record for record in records}.values())
        return null_floor(
            # one at a time: all are too many
            (self._ledger.predictions(record.trial) for record in tried),
            self._ledger.predictions(controls.full[NONE]),
            self._labels,
            self._context.config.evaluation.objective,
            derive_seed(self._context.config.seed, "floor"),
            baselines=(self._ledger.predictions(controls.beside(record.spec)) for record in tried),
        )

    def after_confirmation(self, confirmation: Confirmation) -> Evidence:
        """The effects on fresh folds, seeds and views, and the policy they recommend, if any."""
        numbers = [n for n in confirmation.candidates if self._ledger.record(n).effect is not None]
        effects = [self._effect(n) for n in numbers]
        corrected = holm([effect.p_value for effect in effects], self._num_searched())
        confirmed = tuple(
            Confirmed(
                trial=number,
                source_trial=confirmation.candidates[number],
                label=self._ledger.record(number).label,
                effect=effect,
                p_holm=p_value,
            )
            for number, effect, p_value in zip(numbers, effects, corrected, strict=True)
        )
        chosen = choose(confirmed)
        shown = chosen or max(confirmed, key=lambda c: c.effect.delta, default=None)
        by_class = self._by_class(shown.trial, confirmation.baseline) if shown else {}
        return self._update(
            {
                "confirmed": confirmed,
                "chosen_trial": chosen.trial if chosen else None,
                "chosen_label": chosen.label if chosen else NONE,
                "policy": verdict(shown.effect, shown.p_holm, "policy") if shown else None,
                "by_class": by_class,
            }
        )

    def _num_searched(self) -> int:
        """Different settings that the confirmed ones were picked from, controls included: picking
        must be paid for."""
        records = [
            r
            for r in self._ledger.records
            if r.kind in ("control", "trial") and r.spec.settings.augmentation
        ]
        return len({setting_key(r.spec.settings) for r in records if r.status == "completed"})

    def policy_to_ablate(self, confirmation: Confirmation) -> Settings:
        """The chosen policy; where none is, the best confirmed one of the search; where there is
        none, no augmentation."""
        chosen = self._evidence.chosen_trial
        if chosen is None:
            kinds = {
                n: self._ledger.record(source).kind for n, source in confirmation.candidates.items()
            }
            searched = [c for c in self._evidence.confirmed if kinds[c.trial] == "trial"]
            best = max(searched, key=lambda c: c.effect.delta, default=None)
            chosen = best.trial if best else confirmation.baseline
        return self._ledger.record(chosen).spec.settings

    def searched_augmentations(self) -> list[str]:
        """The augmentations a verdict is asked for: those that some trial may switch on."""
        space = self._context.space
        searched = [name for name, part in space.section_of.items() if part == "augmentation"]
        fixed = self._context.specs.control(space.fixed["augmentation"]).augmentation
        return [name for name in [*searched, *fixed] if not is_option(name)]

    def after_ablation(self, confirmation: Confirmation, ablation: Ablation) -> Evidence:
        """One verdict an augmentation, corrected for all that was compared at this stage."""
        alone = {
            name: self._effect(n)
            for name, n in ablation.alone.items()
            if self._ledger.record(n).effect
        }
        policy = self._policy_trial(confirmation)
        removed = {
            name: self._ledger.effect(policy, n)
            for name, n in ablation.removed.items()
            if policy is not None and self._ledger.record(n).status == "completed"
        }
        return self._update(
            {"verdicts": _verdicts(alone, "alone"), "removed": _verdicts(removed, "removed")}
        )

    def _policy_trial(self, confirmation: Confirmation) -> int | None:
        settings = self.policy_to_ablate(confirmation)
        same = (
            n for n in confirmation.candidates if self._ledger.record(n).spec.settings == settings
        )
        return next(same, None)

    def final_choices(self) -> dict[str, tuple[Settings, Epochs]]:
        """What is trained for the test set: no augmentation, and the chosen policy; each for as
        long as it took before."""
        chosen = self._evidence.chosen_trial
        kind = "confirm" if self._evidence.confirmed else "control"
        baseline = next(
            r.trial
            for r in self._ledger.records
            if r.kind == kind and not r.spec.settings.augmentation
        )
        choices = {NONE: self._final(baseline)}
        if chosen is not None:
            choices[self._ledger.record(chosen).label] = self._final(chosen)
        return choices

    def _final(self, number: int) -> tuple[Settings, Epochs]:
        record = self._ledger.record(number)
        return record.spec.settings, Epochs.of(record.result)

    def test_result(self, numbers: dict[str, int], looks: int) -> TestResult:
        """The sealed test set's answer, on as many models as there are seeds."""
        scores = {label: self._score(label, number) for label, number in numbers.items()}
        chosen = next((label for label in numbers if label != NONE), None)
        shown = numbers[chosen or NONE]
        predictions = self._ledger.predictions(shown)
        return TestResult(
            looks=looks,
            num_images=len(predictions.images),
            none=scores[NONE],
            chosen=scores[chosen] if chosen else None,
            effect=self._ledger.effect(numbers[chosen], numbers[NONE]) if chosen else None,
            confusion=confusion_matrix(predictions, self._labels, len(self._class_names)),
        )

    def _score(self, label: str, number: int) -> Score:
        result = self._ledger.record(number).result
        metrics = result.metrics if result else {}
        num_images = len(self._ledger.predictions(number).images)
        return Score(
            label=label,
            metrics=metrics,
            accuracy_ci=wilson_interval(metrics["accuracy"], num_images),
        )

    def _by_class(self, number: int, baseline: int) -> dict[str, Effect]:
        config = self._context.config
        pair = self._ledger.predictions(number), self._ledger.predictions(baseline)
        seed = derive_seed(config.seed, "bootstrap", "classes")
        return effects_by_class(
            *pair, self._labels, self._class_names, config.evaluation.objective, seed
        )

    def _effect(self, number: int) -> Effect:
        effect = self._ledger.record(number).effect
        if effect is None:
            raise ValueError(f"trial {number} has no effect")
        return effect

    def _optimism(self, numbers: list[int]) -> float | None:
        objective = self._context.config.evaluation.objective
        sign = OBJECTIVES[objective].sign
        results = [self._ledger.record(n).result for n in numbers]
        gaps = [
            sign * (r.optimistic_metrics[objective] - r.metrics[objective])
            for r in results
            if r and r.metrics
        ]
        return float(np.mean(gaps)) if gaps else None

    def _update(self, fields: dict) -> Evidence:
        self._evidence = self._evidence.model_copy(update=fields)
        return self._evidence


def _verdicts(effects: dict[str, Effect], basis: str) -> dict[str, Verdict]:
    corrected = holm([effect.p_value for effect in effects.values()])
    return {
        name: verdict(effect, p_value, basis)
        for (name, effect), p_value in zip(effects.items(), corrected, strict=True)
    }
