"""What is claimed of a search, as people are shown it: a row for each augmentation and each whole
setting, its verdict by its interval alone, and what speaks against it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from data.augmentations import AUGMENTATIONS, is_option
from data.messages import first_of, plural
from search.evidence.answer import Answer
from search.evidence.claim_table import (
    AugmentationClaims,
    Claims,
    Estimate,
    VerdictWord,
    WholeClaim,
    candidates,
    word_of,
)
from search.evidence.findings import Evidence
from search.evidence.rested import having, rested_on, top_rung, untold_strengths, why_untold
from search.experiment.beside import with_beside
from search.experiment.settings import setting_key
from search.experiment.trial import TrialRecord
from search.report.judged import Judged, WholeSetting
from search.report.named_view import NamedView, searched_part
from search.report.trial_facts import WITHOUT, counted_cut, cutter_text, lost_among, views_of
from search.report.wording import number_text, other_part, strength_text

MOST_CUT = 0.1  # of the heads that a verdict rests on, stopped by max_epochs, without a remark
FEW_VIEWS = 16  # below, results lean against augmentation


@dataclass(frozen=True)
class ClaimView(NamedView):
    """With what is claimed."""

    @cached_property
    def evidence(self) -> Evidence:
        """The numbers that conclusions rest on; empty until there are some."""
        return self.state.evidence or Evidence()

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

    @property
    def is_stopped_early(self) -> bool:
        """Whether an early look settled what else would have been trained."""
        return any(look.spared or look.ended_search for look in self.evidence.looks)

    def look_of(self, name: str) -> int | None:
        """The number of the early look at which a row of the table was settled, and left."""
        return next(
            (
                number
                for number, look in enumerate(self.evidence.looks, start=1)
                if name in look.settled.names | look.settled.labels
            ),
            None,
        )

    @cached_property
    def augmentations(self) -> tuple[Judged, ...]:
        """All that are searched, in the order of the search."""
        if self.claims is None:
            return ()
        return tuple(map(self._augmentation, self.claims.augmentations))

    def _augmentation(self, claims: AugmentationClaims) -> Judged:
        name, using = claims.name, self._using(claims.name)
        counting, outside = self._counting(using), self._outside
        rests_on = [record for record in counting if record.label not in outside]
        judged = self._judged(name, claims.alone, claims, rests_on)
        if not self.wholes:  # nothing can be compared at all
            return judged
        if claims.strength is None:
            alone = [self._why_untold(using)] if using else []
            return replace(judged, untold=(*alone, *self._failed_with(name)))
        values = untold_strengths(claims, self.opened.space if self.opened else {})
        why = tuple(
            f"{strength_text(name, v)} {self._why_untold(having(using, name, v))}" for v in values
        )
        is_read_off = not having(counting, name, claims.strength)
        return replace(judged, is_read_off=is_read_off, untold=why, untold_strengths=values)

    @property
    def _outside(self) -> set[str]:
        """Controls that say nothing of the augmentations that they set."""
        return {each.label for each in self.claims.wholes if each.sets} if self.claims else set()

    def _judged(
        self,
        name: str,
        measured: Estimate | None,
        claims: AugmentationClaims | None = None,
        rests_on: Sequence[TrialRecord] = (),
    ) -> Judged:
        word = self._word(measured)
        return Judged(name, word, measured, claims, self._doubts(word, rests_on))

    @cached_property
    def rested_on(self) -> tuple[TrialRecord, ...]:
        """The trainings that claims are made of."""
        return tuple(rested_on(self.in_tables, top_rung(self.in_tables), self.beside))

    @property
    def augmented(self) -> tuple[TrialRecord, ...]:
        """Those of them with augmentation."""
        return tuple(each for each in self.rested_on if each.spec.settings.augmentation)

    def _counting(self, records: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
        """Of trainings, those that claims are made of."""
        numbers = {record.trial for record in self.rested_on}
        trained = (self.record(each.duplicate_of) or each for each in records)
        return tuple({r.trial: r for r in trained if r.trial in numbers}.values())

    def _failed_with(self, name: str) -> tuple[str, ...]:
        """Of what is not told, that it was tried."""
        tried = [r for r in self.in_tables if name in r.spec.settings.augmentation]
        failed = [r for r in tried if r.status == "failed" and r.duplicate_of is None]
        numbers = [number_text(r.trial) for r in failed]
        return (f"failed in {first_of(numbers)}",) if numbers else ()

    def _why_untold(self, using: Sequence[TrialRecord]) -> str:
        return why_untold(using, self.in_tables, len(self._counting(using)))

    def _word(self, measured: Estimate | None) -> VerdictWord:
        return "NOT TRIED" if self.claims is None else word_of(measured, self.claims.negligible)

    def _using(self, name: str) -> tuple[TrialRecord, ...]:
        """Trainings with an augmentation on."""
        return tuple(
            record
            for record in self.in_tables
            if record.status == "completed" and name in record.spec.settings.augmentation
        )

    def _trained_as(self, label: str) -> tuple[TrialRecord, ...]:
        """What a claim on a whole setting rests on."""
        numbers = (self.evidence.trained.get(label), self.evidence.sources.get(label))
        found = [self.record(number) for number in numbers]
        controls = [r for r in self.of_kind("control") if r.label == label]
        completed = (r for r in (*found, *controls) if r and r.status == "completed")
        return tuple({record.trial: record for record in completed}.values())

    def _doubts(self, word: VerdictWord, rests_on: Sequence[TrialRecord]) -> tuple[str, ...]:
        """Little training counts against augmentation, so harm is in doubt; a gain, where networks
        without it did not train; that nothing matters, where any did not: two that fail alike
        differ by nothing."""
        if word == "HELPS":
            return self._lost_without
        if word == "NEGLIGIBLE":
            return (*self._lost_without, *lost_among(rests_on))
        return self.little_training(rests_on) if word == "HURTS" else ()

    def little_training(
        self, rests_on: Sequence[TrialRecord], what: str = "heads"
    ) -> tuple[str, ...]:
        """What of it counts against augmentation. what: all heads of these."""
        doubts = []
        cut, could = counted_cut(rests_on)
        if could and cut >= MOST_CUT * could:
            doubts.append(f"{cutter_text(rests_on)} cut short {cut} of {could} {what}")
        doubts += lost_among(rests_on)
        given = list(map(views_of, rests_on))
        if given and min(given) < FEW_VIEWS:
            doubts.append(f"{_views_text(min(given), max(given))} per image")
        return tuple(doubts)

    @cached_property
    def _lost_without(self) -> tuple[str, ...]:
        """Of no augmentation, which every gain is counted from."""
        bare = [r for r in self.rested_on if not r.spec.settings.augmentation]
        return lost_among(bare, WITHOUT)

    @cached_property
    def wholes(self) -> tuple[WholeSetting, ...]:
        """What was tried as a whole, the best first."""
        if self.claims is None:
            return ()
        found = sorted(self.claims.wholes, key=gain_of, reverse=True)
        return tuple(self._whole(each) for each in found if each.measured)

    def _whole(self, claim: WholeClaim) -> WholeSetting:
        record, word = self._record_of(claim.label), self._word(claim.measured)
        rests_on = self._counting(self._trained_as(claim.label))
        return WholeSetting(
            claim.label,
            record,
            self.record(self.evidence.sources.get(claim.label)),
            word,
            claim.measured,
            self._augmentation_of(claim),
            other_part(claim.settings),
            self._doubts(word, rests_on),
            self._is_trained_anew(claim.label),
            self._rounds(claim.label),
        )

    def _rounds(self, label: str) -> tuple[TrialRecord, ...]:
        """Of its trainings those that a claim rests on, in their order."""
        told = (record for record in self._counting(self._trained_as(label)) if record.effect)
        return tuple(sorted(told, key=lambda record: record.trial))

    def _is_trained_anew(self, label: str) -> bool:
        again = self.record(self.evidence.trained.get(label))
        return again is not None and again.status == "completed"

    @property
    def is_any_whole_trained_anew(self) -> bool:
        return self.is_confirmed and any(whole.is_trained_anew for whole in self.wholes)

    def _augmentation_of(self, claim: WholeClaim) -> Mapping[str, Any]:
        record = self._record_of(claim.label)
        own = record.spec.settings.augmentation if record else {}
        return searched_part(claim.settings) or own

    def _record_of(self, label: str) -> TrialRecord | None:
        controls = [r for r in self.of_kind("control") if r.label == label]
        return self.record(self.evidence.trained.get(label)) or next(reversed(controls), None)

    @cached_property
    def claimed_of(self) -> Mapping[int, tuple[VerdictWord, Estimate]]:
        """The verdict on what a trial trained, from all trainings, by its number: its own effect is
        another figure of the same setting."""
        tried = candidates(self.claims) if self.claims and self.evidence.is_final else []
        said = {}
        for each in tried:
            alike = (r for r in self.in_tables if self._is_as_controls(r, each.settings))
            for record in (*alike, *self._trained_as(each.label)) if each.measured else ():
                if each.measured and has_trained(record, each.settings, self.beside):
                    said[record.trial] = self._word(each.measured), each.measured
        return said

    @property
    def beside(self) -> Mapping[str, Any]:
        """The values to use of what is searched beside augmentation (SECTION.NAME), with which all
        claims are made."""
        return self.claims.beside if self.claims else {}

    def _is_as_controls(self, record: TrialRecord, settings: Mapping[str, Any]) -> bool:
        """Whether a trial has these augmentations, what claims are made with beside them, and
        nothing else that controls do not have."""
        baseline = self.baseline()
        if baseline is None or not settings or settings.keys() - AUGMENTATIONS.keys():
            return False
        bare = record.spec.settings.model_copy(update={"augmentation": {}})
        return record.status == "completed" and setting_key(bare) == setting_key(
            with_beside(baseline.spec.settings, self.beside)
        )


def _views_text(least: float, most: float) -> str:
    if least == most:
        return plural(round(least), "view")
    return f"{least:.0f} to {'endless' if math.isinf(most) else round(most)} views"


def gain_of(claim: WholeClaim) -> float:
    return claim.measured.effect if claim.measured else -math.inf


def has_trained(
    record: TrialRecord, settings: Mapping[str, Any], beside: Mapping[str, Any]
) -> bool:
    """Whether a trial's augmentation is this one, and what it has beside it. A control's settings
    are not told by its claim."""
    own = {k: v for k, v in record.spec.settings.augmentation.items() if not is_option(k)}
    is_alike = with_beside(record.spec.settings, beside) == record.spec.settings
    return is_alike and (not settings or own == searched_part(settings))
