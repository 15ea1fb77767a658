"""A search as people are shown it: one frozen value made of its state, which the page, the
terminal, MLflow, `summary.json` and `trials.csv` read. What is concluded (verdicts, what is
recommended, the answer), counted or measured of a trial is worked out here, once, when it is first
asked for. The answer is `answer`'s, sentences are in `sentences`, tables in `tables`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from data.augmentations import AUGMENTATIONS, is_option
from data.messages import plural
from search.evidence.answer import (
    Answer,
    AugmentationClaims,
    Claims,
    Estimate,
    VerdictWord,
    WholeClaim,
    candidates,
    disagree,
    word_of,
)
from search.evidence.findings import Evidence, LeakDemo, TestResult
from search.experiment.objectives import OBJECTIVES, Unit
from search.experiment.settings import Settings
from search.experiment.trial import Probe, TrialRecord, setting_key
from search.journal.events import Opened
from search.journal.state import Cost, SearchState, fullest
from search.report.measures import budget, heads_cut, num_scored
from search.report.time_left import ExpectedWork
from search.report.wording import settings_text
from search.training.lost import lost_text
from search.training.modes import mode_of

KINDS_IN_TABLES = ("control", "trial", "confirm", "ablation")  # not the sealed test's
NO_AUGMENTATION = "no augmentation"


MOST_CUT = 0.1  # of the heads that a verdict rests on, stopped by max_epochs, without a remark
FEW_VIEWS = 16  # below, results lean against augmentation


@dataclass(frozen=True)
class Judged:
    """A row of the one table: an augmentation alone, at the strength it is judged at, or a whole
    setting, against no augmentation.

    claims: None of a whole setting. doubts: what speaks against a verdict HURTS, each in a few
    words.
    """

    name: str
    verdict: VerdictWord
    measured: Estimate | None
    claims: AugmentationClaims | None = None
    doubts: tuple[str, ...] = ()

    @property
    def within(self) -> Estimate | None:
        """What it adds to the recommended setting."""
        return self.claims.with_recommended if self.claims else None

    @property
    def as_json(self) -> dict[str, Any]:
        """As `summary.json` and the registered model have it."""
        return {"verdict": self.verdict, **effect_json(self.measured)}


@dataclass(frozen=True)
class WholeSetting:
    """A whole setting against no augmentation. record: of its confirming trial, else of the control
    it is. source: the trial of the search that it repeats. settings: its augmentation."""

    label: str
    record: TrialRecord | None
    source: TrialRecord | None
    verdict: VerdictWord
    measured: Estimate | None
    settings: Mapping[str, Any]
    is_recommended: bool


def effect_json(measured: Estimate | None) -> dict[str, Any]:
    if measured is None:
        return {"effect": None, "ci": None}
    return {"effect": measured.effect, "ci": list(measured.ci)}


@dataclass(frozen=True)
class SearchView:
    """Everything that is shown of a search. Made anew of each state; nothing in it changes. Only
    this class reads the state."""

    state: SearchState

    @property
    def opened(self) -> Opened | None:
        return self.state.opened

    @property
    def records(self) -> tuple[TrialRecord, ...]:
        return self.state.records

    @property
    def test(self) -> TestResult | None:
        return self.state.test

    @property
    def leak(self) -> LeakDemo | None:
        return self.state.leak

    @property
    def stopped(self) -> str | None:
        """Why the last sitting ended before the search did."""
        return self.state.stopped

    @property
    def cut_after(self) -> int | None:
        """Trials begun when the time ran out."""
        return self.state.cut_after

    @property
    def wall_seconds(self) -> float:
        return self.state.wall_seconds

    @property
    def phase_seconds(self) -> Mapping[str, float]:
        return self.state.phase_seconds

    @cached_property
    def cost(self) -> Cost:
        return self.state.cost

    @cached_property
    def safety(self) -> tuple[Probe, ...]:
        """Label safety: per augmentation and extreme."""
        return self.state.safety

    def baseline(self, kind: str = "control") -> TrialRecord | None:
        """No augmentation, of the search phase or of another one."""
        return self.state.baseline(kind)

    @property
    def finished_at(self) -> float | None:
        """Seconds since 1970."""
        return self.state.finished_at

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    @cached_property
    def status(self) -> str:
        """finished, failed (nobody asked for its end), stopped, or unfinished."""
        if self.is_finished:
            return "finished"
        state = self.state
        return "unfinished" if not state.stopped else "failed" if state.has_failed else "stopped"

    def section(self, name: str) -> Mapping[str, Any]:
        """A section of the experiment file, every default filled in."""
        return (self.opened.config.get(name) or {}) if self.opened else {}

    @cached_property
    def objective(self) -> str:
        """A search without records is taken by its experiment file."""
        if self.records:
            return self.records[0].spec.protocol.objective
        return str(self.section("evaluation").get("objective", "accuracy"))

    @property
    def unit(self) -> Unit:
        return OBJECTIVES[self.objective].unit

    @cached_property
    def _by_number(self) -> dict[int, TrialRecord]:
        return {record.trial: record for record in self.records}

    def record(self, trial: int | None) -> TrialRecord | None:
        return None if trial is None else self._by_number.get(trial)

    def of_kind(self, *kinds: str) -> tuple[TrialRecord, ...]:
        return self.state.of_kind(*kinds)

    @cached_property
    def in_tables(self) -> tuple[TrialRecord, ...]:
        return self.of_kind(*KINDS_IN_TABLES)

    @cached_property
    def completed_trials(self) -> tuple[TrialRecord, ...]:
        return tuple(r for r in self.of_kind("trial") if r.status == "completed")

    @cached_property
    def measured(self) -> tuple[TrialRecord, ...]:
        """Trials and controls with an effect of their own: no augmentation and repeated settings
        are left out."""
        records = (r for r in self.of_kind("control", "trial") if r.spec.settings.augmentation)
        return tuple(r for r in records if r.effect is not None and r.duplicate_of is None)

    @cached_property
    def num_settings(self) -> int:
        """A setting that was promoted is a trial on each rung."""
        return len({setting_key(record.spec.settings) for record in self.completed_trials})

    @cached_property
    def num_failed(self) -> int:
        return sum(record.status == "failed" for record in self.records)

    @cached_property
    def setting_names(self) -> tuple[str, ...]:
        """Of a trial's settings: what is searched, in the experiment file's order, then the
        others."""
        used = {name for record in self.in_tables for name in record.settings}
        searched = [name for name in (self.opened.space if self.opened else {}) if name in used]
        return (*searched, *sorted(used - set(searched)))

    def seconds_left(self, expected: ExpectedWork) -> float | None:
        """Of a search that is under way; 0 once it has ended."""
        if self.is_finished:
            return 0.0
        return expected.seconds_left(self.records, is_cut=self.cut_after is not None)

    # What is concluded.

    @cached_property
    def evidence(self) -> Evidence:
        """The numbers that conclusions rest on; empty until there are some."""
        return self.state.evidence or Evidence()

    @property
    def has_evidence(self) -> bool:
        return self.state.evidence is not None

    @property
    def claims(self) -> Claims | None:
        return self.evidence.claims

    @property
    def answer(self) -> Answer | None:
        """None before the last training that it rests on."""
        return self.evidence.answer if self.evidence.is_final else None

    @property
    def is_final(self) -> bool:
        """Whether no training that verdicts rest on is left."""
        return self.evidence.is_final

    @property
    def is_confirmed(self) -> bool:
        """Whether the answer rests on settings trained again on fresh seeds."""
        return self.evidence.is_final and bool(self.evidence.trained)

    @cached_property
    def augmentations(self) -> tuple[Judged, ...]:
        """All that are searched, in the order of the search."""
        if self.claims is None:
            return ()
        return tuple(
            self._judged(each.name, each.alone, each, self._using(each.name))
            for each in self.claims.augmentations
        )

    @cached_property
    def policy(self) -> Judged | None:
        """What is recommended as a whole; else the setting that was expected best, else the best
        measured."""
        if self.claims is None:
            return None
        wholes = {each.label: each for each in candidates(self.claims) if each.measured}
        best = max(wholes, key=lambda label: _gain(wholes[label]), default=None)
        used = self.answer.label if self.answer and self.answer.kind == "use" else None
        found = wholes.get(used or self.claims.recommended or "") or wholes.get(best or "")
        return self._judged(self._whole_name(found.label), found.measured) if found else None

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """The policy first, then the augmentations, those that help most on top."""
        ordered = sorted(
            self.augmentations,
            key=lambda judged: -judged.measured.effect if judged.measured else math.inf,
        )
        return (*((self.policy,) if self.policy else ()), *ordered)

    def _judged(
        self,
        name: str,
        measured: Estimate | None,
        claims: AugmentationClaims | None = None,
        rests_on: Sequence[TrialRecord] = (),
    ) -> Judged:
        word = self._word(measured)
        doubts = self._doubts(rests_on) if word == "HURTS" else ()
        return Judged(name, word, measured, claims, doubts)

    def _word(self, measured: Estimate | None) -> VerdictWord:
        return "NOT TRIED" if self.claims is None else word_of(measured, self.claims.negligible)

    def _using(self, name: str) -> tuple[TrialRecord, ...]:
        """What a verdict on an augmentation rests on."""
        return tuple(
            record
            for record in self.in_tables
            if record.status == "completed" and name in record.spec.settings.augmentation
        )

    def _doubts(self, rests_on: Sequence[TrialRecord]) -> tuple[str, ...]:
        doubts = []
        heads = sum(r.trained.num_heads for r in rests_on if r.trained)
        cut = sum(map(heads_cut, rests_on))
        if heads and cut >= MOST_CUT * heads:
            doubts.append(f"max_epochs cut short {cut} of {heads} heads")
        if lost := [each for r in rests_on if r.trained for each in r.trained.lost]:
            doubts.append(f"of {heads} networks {lost_text(lost)}")
        views = max(map(budget, rests_on), default=math.inf)
        if self.budget_unit == "views" and views < FEW_VIEWS:
            doubts.append(f"{plural(round(views), 'view')} an image")
        return tuple(doubts)

    @cached_property
    def wholes(self) -> tuple[WholeSetting, ...]:
        """What was tried as a whole, the best first."""
        if self.claims is None:
            return ()
        found = sorted(self.claims.wholes, key=_gain, reverse=True)
        return tuple(self._whole(each) for each in found if each.measured)

    def _whole(self, claim: WholeClaim) -> WholeSetting:
        record = self._record_of(claim.label)
        own = record.spec.settings.augmentation if record else {}
        return WholeSetting(
            claim.label,
            record,
            self.record(self.evidence.sources.get(claim.label)),
            self._word(claim.measured),
            claim.measured,
            _augmentation(claim.settings) or own,
            bool(self.answer and self.answer.kind == "use" and self.answer.label == claim.label),
        )

    def _record_of(self, label: str) -> TrialRecord | None:
        controls = [r for r in self.of_kind("control") if r.label == label]
        return self.record(self.evidence.trained.get(label)) or next(reversed(controls), None)

    @cached_property
    def word_of_trial(self) -> Mapping[int, tuple[VerdictWord, Estimate]]:
        """The verdict on what a confirming trial trained, by its number."""
        tried = candidates(self.claims) if self.claims and self.evidence.is_final else []
        said = {}
        for each in tried:
            record = self.record(self.evidence.trained.get(each.label))
            if record and each.measured and _has_trained(record, each.settings):
                said[record.trial] = self._word(each.measured), each.measured
        return said

    @cached_property
    def chosen(self) -> TrialRecord | None:
        """A trial of the recommended setting; None where no augmentation is recommended, or nothing
        yet, or where it was never trained by itself."""
        answer = self.answer
        if answer is None or answer.kind != "use" or answer.label is None:
            return None
        of_test = [r for r in self.of_kind("test") if r.label == answer.label]
        source = self.record(self.evidence.sources.get(answer.label))
        tried = (self._record_of(answer.label), *of_test, source)
        return next((r for r in tried if r and _has_trained(r, answer.settings)), None)

    @cached_property
    def used(self) -> Mapping[str, Any] | None:
        """The augmentation to use: that of the answer, with the options that act with it. Empty
        where none is; None while nothing is settled."""
        if self.answer is None:
            return {} if self.evidence.is_final else None
        if self.answer.kind != "use":
            return {}
        record = self.chosen or self._record_of(str(self.answer.label))
        own = record.spec.settings.augmentation if record else {}
        if not self.answer.settings:  # a control
            return own
        options = {name: value for name, value in own.items() if is_option(name)}
        return {**_augmentation(self.answer.settings), **options}

    @cached_property
    def used_settings(self) -> Settings | None:
        """All that is trained with what is used; None while nothing is settled."""
        record = self.chosen or self.baseline("confirm") or self.baseline()
        if self.used is None or record is None:
            return None
        return record.spec.settings.model_copy(update={"augmentation": dict(self.used)})

    @property
    def used_label(self) -> str:
        is_use = self.answer is not None and self.answer.kind == "use"
        return str(self.answer.label) if self.answer and is_use else NO_AUGMENTATION

    @property
    def best(self) -> TrialRecord | None:
        """The best trial of the search phase."""
        return self.record(self.evidence.best_trial)

    @property
    def foremost(self) -> TrialRecord | None:
        """The recommended setting, else the best confirmed, else the best trial."""
        confirmed = (whole.record for whole in self.wholes if self.is_confirmed)
        return self.chosen or next(confirmed, None) or self.best

    @cached_property
    def recommended(self) -> str | None:
        """The recommended augmentation in words; None while nothing is recommended."""
        if self.used is None:
            return None
        if self.answer and self.answer.kind == "use" and not self.answer.settings:
            return self.used_label
        return settings_text(self.used, self.image_size)

    @property
    def image_size(self) -> int:
        return self.opened.dataset.image_size if self.opened else 0

    @cached_property
    def whole_name(self) -> str:
        """Of the setting whose effect stands above the single augmentations'."""
        return self.policy.name if self.policy else "policy as a whole"

    def _whole_name(self, label: str) -> str:
        if self.used:
            return "policy as a whole"
        expected = self.claims is not None and label == self.claims.recommended
        return "expected best, whole" if expected else f"{label}, whole"

    @property
    def within_name(self) -> str:
        """Beside what it was seen what an augmentation adds."""
        is_used = self.used and self.claims and self.used_label == self.claims.recommended
        return "beside the policy" if is_used else "beside the expected best"

    @cached_property
    def on_test(self) -> Estimate | None:
        """The effect of the recommended setting on the test set."""
        effect = self.test.effect if self.test else None
        if effect is None:
            return None
        error = (effect.ci_high - effect.ci_low) / 2 / 1.959964
        ends = (effect.ci_low, effect.ci_high)
        return Estimate(effect=effect.delta, error=error, ci=ends, detectable=0.0)

    @property
    def test_disagrees(self) -> bool:
        """Whether the test set says something else than the search, beyond what both may err."""
        gain = self.answer.gain if self.answer else None
        return gain is not None and self.on_test is not None and disagree(gain, self.on_test)

    @property
    def confirmation_is_on(self) -> bool:
        return self.section("evaluation").get("confirm", True) is not None

    # What a trial had, and its accuracy.

    @cached_property
    def budget_unit(self) -> str:
        """What trials of this search have more or less of."""
        if not self.records:
            return "views"
        return mode_of(self.records[0].spec.settings.training).budget

    @cached_property
    def budgets(self) -> tuple[float, ...]:
        """What trials with augmentation were judged on, in order."""
        trials = (r for r in self.completed_trials if r.spec.settings.augmentation)
        return tuple(sorted({budget(record) for record in trials}))

    @cached_property
    def ranked_trials(self) -> tuple[TrialRecord, ...]:
        """Of the rung that is compared: the highest that holds a completed one."""
        return fullest(self.of_kind("trial"))

    @cached_property
    def ranked_controls(self) -> tuple[TrialRecord, ...]:
        return fullest(self.of_kind("control"))

    def accuracy(
        self, record: TrialRecord | None, optimistic: bool = False
    ) -> tuple[float, tuple[float, float]] | None:
        """A trial's accuracy with Wilson's 95 % interval (1927), as a share of the images scored.

        Seeds are repeats on the same images, so they do not add to the count. optimistic: of
        `optimistic_metrics`.
        """
        if record is None or record.result is None or self.opened is None:
            return None
        metrics = record.result.optimistic_metrics if optimistic else record.result.metrics
        count = num_scored(record, self.opened.dataset)
        if "accuracy" not in metrics or not count:
            return None
        from search.evidence.scores import wilson_interval

        return metrics["accuracy"], wilson_interval(metrics["accuracy"], count)


def _gain(claim: WholeClaim) -> float:
    return claim.measured.effect if claim.measured else -math.inf


def _augmentation(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of a setting, the augmentation as an experiment file writes it."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        if name in AUGMENTATIONS
    }


def _has_trained(record: TrialRecord, settings: Mapping[str, Any]) -> bool:
    """Whether a trial's augmentation is this one. A control's settings are not told by its
    claim."""
    own = {k: v for k, v in record.spec.settings.augmentation.items() if not is_option(k)}
    return not settings or own == _augmentation(settings)
