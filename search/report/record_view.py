"""What was asked, told and measured in a search, as people are shown it: the part of the one view
that knows of no conclusion."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from search.evidence.findings import TestResult
from search.experiment.config import EvaluationConfig
from search.experiment.kinds import KINDS
from search.experiment.objectives import OBJECTIVES, SHOWN_ANYWAY, Unit
from search.experiment.precisions import Part, Precision
from search.experiment.settings import setting_key
from search.experiment.trial import Probe, TrialRecord, fullest
from search.guests.guest import Exhibit
from search.guests.table import GUESTS
from search.journal.events import Opened
from search.journal.state import Cost, SearchState
from search.report.time_left import ExpectedWork
from search.report.trial_facts import num_scored
from search.training.modes import mode_of


@dataclass(frozen=True)
class RecordView:
    """A search's trials. Made anew of each state; nothing in it changes. Only views read the
    state."""

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
    def guests(self) -> tuple[Exhibit, ...]:
        """What demonstrations found, as it is shown."""
        found = self.state.guests
        return tuple(GUESTS[name].exhibit(found[name]) for name in GUESTS if name in found)

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
    def bare(self) -> TrialRecord | None:
        """No augmentation, as it is told of beside the answer: of the last round that has it."""
        again = self.baseline("confirm")
        return again if again and again.status == "completed" else self.baseline()

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

    def status_of(self, record: TrialRecord) -> str:
        """As the record has it, but that nothing runs once a sitting has ended."""
        has_ended = self.state.stopped is not None and record.result is None
        return "not finished" if has_ended else record.status

    @property
    def evaluation(self) -> EvaluationConfig:
        return self.opened.experiment.evaluation if self.opened else EvaluationConfig()

    @cached_property
    def objective(self) -> str:
        """A search without records is taken by its experiment file."""
        if self.records:
            return self.records[0].spec.protocol.objective
        return self.evaluation.objective

    @cached_property
    def unit(self) -> Unit:
        return replace(OBJECTIVES[self.objective].unit, negligible=self.evaluation.negligible)

    @property
    def most_effect(self) -> float:
        """What no difference of the objective exceeds."""
        return OBJECTIVES[self.objective].bounds[1]

    @property
    def most_gain(self) -> float:
        """The same of a gain over no augmentation, as far as its score is known."""
        baseline, record = self.bare, OBJECTIVES[self.objective]
        scores = baseline.result.metrics if baseline and baseline.result else {}
        if self.objective not in scores:
            return self.most_effect
        return record.sign * (record.best - scores[self.objective])

    @property
    def class_unit(self) -> Unit:
        """Of effects on one class's own images."""
        return OBJECTIVES[OBJECTIVES[self.objective].of_class or self.objective].unit

    @cached_property
    def _by_number(self) -> dict[int, TrialRecord]:
        return {record.trial: record for record in self.records}

    def record(self, trial: int | None) -> TrialRecord | None:
        return None if trial is None else self._by_number.get(trial)

    def of_kind(self, *kinds: str) -> tuple[TrialRecord, ...]:
        return self.state.of_kind(*kinds)

    @cached_property
    def in_tables(self) -> tuple[TrialRecord, ...]:
        return self.of_kind(*(name for name, kind in KINDS.items() if kind.is_evidence))

    @cached_property
    def completed_trials(self) -> tuple[TrialRecord, ...]:
        return tuple(r for r in self.of_kind("trial") if r.status == "completed")

    def precisions(self, part: Part) -> tuple[Precision, ...]:
        """What the backbone computed in, in the trials of a part of the search."""
        records = (
            r for r in self.records if KINDS[r.kind].part == part and r.status == "completed"
        )
        return tuple(sorted({record.spec.precision for record in records}))

    @cached_property
    def measured(self) -> tuple[TrialRecord, ...]:
        """Trials and controls with an effect of their own: no augmentation and repeated settings
        are left out."""
        records = (r for r in self.of_kind("control", "trial") if r.spec.settings.augmentation)
        return tuple(r for r in records if r.effect is not None and r.duplicate_of is None)

    @cached_property
    def num_settings(self) -> int:
        """A setting that was promoted is a trial on each rung; no augmentation is a control."""
        baseline = self.baseline()
        bare = {setting_key(baseline.spec.settings)} if baseline else set()
        return len({setting_key(r.spec.settings) for r in self.completed_trials} - bare)

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

    @property
    def image_size(self) -> int:
        return self.opened.dataset.image_size if self.opened else 0

    @property
    def confirmation_is_on(self) -> bool:
        return self.evaluation.confirm is not None

    @cached_property
    def budget_unit(self) -> str:
        """What trials of this search have more or less of."""
        if not self.records:
            return "views"
        return mode_of(self.records[0].spec.settings.training).budget

    @cached_property
    def ranked_trials(self) -> tuple[TrialRecord, ...]:
        """Of the rung that is compared: the highest that holds a completed one."""
        return fullest(self.of_kind("trial"))

    @cached_property
    def ranked_controls(self) -> tuple[TrialRecord, ...]:
        return fullest(self.of_kind("control"))

    @property
    def figure_name(self) -> str | None:
        """Of what is searched for, in words; None where that is accuracy, which is shown anyway."""
        return None if self.objective == SHOWN_ANYWAY else OBJECTIVES[self.objective].words

    def figure(self, record: TrialRecord | None) -> float | None:
        """A trial's figure of what is searched for. No interval: only differences of it have
        one."""
        if record is None or record.result is None:
            return None
        return record.result.metrics.get(self.objective)

    def accuracy(
        self, record: TrialRecord | None, optimistic: bool = False
    ) -> tuple[float, tuple[float, float]] | None:
        """A trial's accuracy with Wilson's 95 % interval (1927), as a share of the images scored.

        Seeds are repeats on the same images, and images of one group are alike: neither adds to the
        count. optimistic: of `optimistic_metrics`.
        """
        if record is None or self.opened is None:
            return None
        count = num_scored(record, self.opened.dataset)
        if not count:
            return None
        from search.evidence.scores import accuracy_of

        return accuracy_of(record.result, count, optimistic)
