"""A search as people are shown it: one frozen value made of its state, which the page, the
terminal, MLflow, `summary.json` and `trials.csv` read. What is concluded, counted or measured is
worked out once, when it is first asked for: of trials in `record_view`, of claims in `claim_view`,
and here what is recommended. The answer's words are `answer_text`'s, sentences `sentences`', tables
`tables`'.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from data.augmentations import active, is_option
from search.evidence.claim_table import NORMAL_95, Estimate, WholeClaim, candidates, disagree
from search.evidence.findings import Score
from search.experiment.beside import with_beside
from search.experiment.controls import NONE
from search.experiment.settings import Settings
from search.experiment.trial import TrialRecord
from search.report.claim_view import ClaimView, gain_of, has_trained
from search.report.judged import Judged, WholeSetting, is_borne_out
from search.report.named_view import searched_part
from search.report.wording import UNNAMED, beside_text, other_part

RECOMMENDED_SETTING, EXPECTED_BEST = "recommended setting", "setting expected best"


@dataclass(frozen=True)
class SearchView(ClaimView):
    """Everything that is shown of a search."""

    @property
    def used_anew(self) -> TrialRecord | None:
        """The training on fresh seeds of what the answer uses, at these very strengths: none where
        an early look knew it, or where it is read off a curve."""
        used = self.record(self.evidence.trained.get(self.used_label))
        if not self.is_confirmed or self.answer is None or used is None:
            return None
        is_it = has_trained(used, self.answer.settings, self.beside)
        is_new = used.status == "completed" and is_it and not self._was_known_before(used)
        return used if is_new else None

    @property
    def is_use_confirmed(self) -> bool:
        """Whether fresh seeds bear out what the answer uses."""
        anew = self.used_anew
        rounds = self._rounds(self.used_label)
        return anew is not None and is_borne_out("HELPS", anew.effect, rounds)

    def _was_known_before(self, used: TrialRecord) -> bool:
        """Whether an early look fixed what is told of the answer's setting before it was trained
        anew."""
        settings = self.answer.settings if self.answer else {}
        names = [self.used_label or "", *(settings if len(settings) == 1 else ())]
        looks = [number for name in names if (number := self.look_of(name)) is not None]
        return any(self.evidence.looks[number - 1].after <= used.trial for number in looks)

    @cached_property
    def policy(self) -> Judged | None:
        """What is recommended as a whole; else the setting that was expected best, else the best
        measured."""
        found = self._policy_claim
        if found is None:
            return None
        name = self._whole_name(found.label)
        rests_on = self._counting(self._trained_as(found.label))
        sets = self._in_words(self._augmentation_of(found), found.settings)
        return replace(self._judged(name, found.measured, rests_on=rests_on), sets=sets)

    @cached_property
    def _policy_claim(self) -> WholeClaim | None:
        if self.claims is None:
            return None
        wholes = {each.label: each for each in candidates(self.claims) if each.measured}
        best = max(wholes, key=lambda label: gain_of(wholes[label]), default=None)
        used = self.answer.label if self.answer and self.answer.kind == "use" else None
        return wholes.get(used or self.claims.recommended or "") or wholes.get(best or "")

    @property
    def policy_row(self) -> Judged | None:
        """The policy where it has a row of its own: it is no augmentation alone at the strength
        that is judged, which has one."""
        claimed = self.claims.augmentations if self.claims else ()
        alone = [{each.name: each.strength} for each in claimed]
        found = self._policy_claim
        return None if found is None or found.settings in alone else self.policy

    @property
    def used_gain(self) -> Judged | None:
        """The policy where it is to be used: no augmentation gains nothing."""
        return self.policy if self.answer is not None and self.answer.kind == "use" else None

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """The policy's row first, then the augmentations, those that help most on top."""
        ordered = sorted(
            self.augmentations,
            key=lambda judged: -judged.measured.effect if judged.measured else math.inf,
        )
        return (*((self.policy_row,) if self.policy_row else ()), *ordered)

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
        own = (r for r in tried if r and has_trained(r, answer.settings, self.beside))
        return next(own, None)

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
        used = searched_part(self.answer.settings)
        if record is None and self.opened:  # read off the curve, which is for these
            own = active({**self.opened.experiment.space.options, **used})
        return used | {name: value for name, value in own.items() if is_option(name)}

    @cached_property
    def used_settings(self) -> Settings | None:
        """All that is trained with what is used; None while nothing is settled."""
        record = self.chosen or self.bare
        if self.used is None or record is None:
            return None
        settings = record.spec.settings.model_copy(update={"augmentation": dict(self.used)})
        return with_beside(settings, self.beside)

    @property
    def used_label(self) -> str:
        is_use = self.answer is not None and self.answer.kind == "use"
        return str(self.answer.label) if self.answer and is_use else NONE

    @property
    def final(self) -> TrialRecord | None:
        """The final trial of what is recommended, whose model is kept; None where there is none."""
        finals = {r.label: r for r in self.of_kind("test") if r.status == "completed"}
        return finals.get(self.used_label)

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
        """The recommended augmentation in words, with what to use beside it; None while nothing is
        recommended."""
        if self.used is None:
            return None
        if self.answer and self.answer.kind == "use" and not self.answer.settings:
            return f"{self.used_label}{beside_text(self.beside)}"
        return self._in_words(self.used, self.answer.settings if self.answer else {})

    @cached_property
    def whole_name(self) -> str:
        """Of the policy, in a caption: what it sets, where it has no other name and no row."""
        if self.policy is None:
            return RECOMMENDED_SETTING
        return self.policy.name if self.used or self.policy_row else self.policy.sets

    @cached_property
    def classes_of(self) -> str:
        """The setting that effects by class are of."""
        number = self.evidence.by_class_trial
        record = None if self.used or number is None else self.record(number)
        return self.whole_name if record is None else self.what_text(record)

    def _whole_name(self, label: str) -> str:
        return self.named(label) or "best setting measured"

    def named(self, label: str) -> str:
        """A whole setting's name; empty where it has none but what it sets."""
        if self.used and label == self.used_label:
            return RECOMMENDED_SETTING
        if self.claims is not None and label == self.claims.recommended:
            return EXPECTED_BEST
        return "" if UNNAMED.fullmatch(label) else label

    def label(self, label: str) -> str:
        """What a journal's label is called everywhere else."""
        return self._labels.get(label, EXPECTED_BEST if UNNAMED.fullmatch(label) else label)

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        return {record.label: self.label_text(record) for record in self.records}

    def _in_words(self, augmentation: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
        """What a whole setting sets: the augmentation, and what was searched with it."""
        text = self.settings_text(augmentation, other_part(settings))
        return f"{text}{beside_text(self.beside)}"

    def in_words(self, whole: WholeSetting) -> str:
        """A whole setting, by its name where it has one."""
        return self.named(whole.label) or self.settings_text(whole.settings, whole.others)

    @property
    def within_name(self) -> str:
        """Beside what it was seen what an augmentation adds."""
        is_used = self.used and self.claims and self.used_label == self.claims.recommended
        return f"beside the {RECOMMENDED_SETTING if is_used else EXPECTED_BEST}"

    @property
    def only_one_recommended(self) -> tuple[str, ...]:
        """The augmentation that the setting expected best consists of, where it is one alone."""
        claimed = (
            each for each in self.wholes if self.claims and each.label == self.claims.recommended
        )
        own = next(claimed, None)
        names = [name for name in (own.settings if own else {}) if not is_option(name)]
        return tuple(names) if len(names) == 1 else ()

    @property
    def kept_score(self) -> Score | None:
        """On the sealed test set, of the model that is kept."""
        if self.test is None:
            return None
        chosen = self.test.chosen
        return chosen if chosen and chosen.label == self.used_label else self.test.none

    @cached_property
    def on_test(self) -> Estimate | None:
        """The effect of the recommended setting on the test set."""
        effect = self.test.effect if self.test else None
        if effect is None:
            return None
        error = (effect.ci_high - effect.ci_low) / 2 / NORMAL_95
        ends = (effect.ci_low, effect.ci_high)
        return Estimate(effect=effect.delta, error=error, ci=ends, detectable=0.0)

    @property
    def test_disagrees(self) -> bool:
        """Whether the test set says something else than the search, beyond what both may err."""
        gain = self.answer.gain if self.answer else None
        return gain is not None and self.on_test is not None and disagree(gain, self.on_test)
