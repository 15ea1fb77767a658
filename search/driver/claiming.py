"""What the trainings so far say of what was declared: which setting to recommend, how strongly to
train each augmentation alone, and what is claimed. The statistics are `evidence`'s; here the right
trainings are put into them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from data.augmentations import is_option
from data.dataset import TRAIN, VALIDATION
from search.driver.declaration import Declaration
from search.driver.phases import Context, Knowledge, best_trials
from search.driver.plan_checks import allowed_folds
from search.driver.specs import RECOMMENDED
from search.evidence.answer import Answer, Shortfall, Size, answer_of, least_known
from search.evidence.choosing import propose, strengths
from search.evidence.claim_table import Claims, WholeClaim
from search.evidence.claims import Declared, claim, nothing_to_claim
from search.evidence.curves import NOTHING, Axis, Combination
from search.evidence.effects import Model, fit
from search.evidence.findings import Evidence
from search.evidence.intervals import Contrasts
from search.evidence.measurements import Measurements, Training, measure
from search.evidence.rested import rested_on
from search.evidence.shortfall import blur_of, what_would_show
from search.experiment.beside import beside_of, with_beside
from search.experiment.controls import NONE
from search.experiment.kinds import KINDS
from search.experiment.seeds import derive_seed
from search.experiment.settings import Settings, setting_key, spelled
from search.experiment.trial import TrialRecord
from search.training.modes import MODES

_DECIMALS = 9  # of effects that are ranked: what the last digits of sums say is not theirs


@dataclass(frozen=True)
class Look:
    """At all trainings that were told so far. beside: the values of what else is searched that no
    augmentation has, as `beside_of` gives them; those of the search's controls by default.

    is_exact: where anything else is searched, at those trainings alone that have these values, and
    once there are some at those of the confirmation alone: claims are made so, and assume nothing
    of what the values do. All trainings together say, by a model of them, what to choose.
    """

    context: Context
    beside: Mapping[str, Any] = field(default_factory=dict)
    is_exact: bool = False

    @cached_property
    def declaration(self) -> Declaration:
        return Declaration(self.context.specs, self.beside)

    @property
    def best_beside(self) -> dict[str, Any]:
        """The values of what is searched beside augmentation that go with what all trials let
        expect most; empty where nothing is."""
        if not self.declaration.beside or len(self.records) < 2:
            return self.declaration.beside
        expected = self.model.effects(self.points, self.measured.scores).round(_DECIMALS)
        best = self.records[int(expected.argmax())]
        return beside_of(self.context.space, best.spec.settings)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.declaration.axes

    @cached_property
    def records(self) -> list[TrialRecord]:
        """Those that claims are made of, or, where not exact, that say what to choose."""
        beside = self.declaration.beside if self.is_exact else {}
        return rested_on(self.context.ledger.records, self.context.top_rung, beside)

    @cached_property
    def points(self) -> list[Combination]:
        return [self.declaration.point(record.spec) for record in self.records]

    @cached_property
    def measured(self) -> Measurements:
        dataset, predictions = self.context.prepared.dataset, self.context.ledger.predictions
        return measure(
            (
                Training(
                    str(each.trial),
                    KINDS[each.kind].part,
                    predictions(each.trial),
                    "" if _has_lost(each) else str(point),
                )
                for each, point in zip(self.records, self.points, strict=True)
            ),
            np.asarray(dataset.labels),
            self.context.config.evaluation.objective,
            None if dataset.groups is None else np.asarray(dataset.groups),
            MODES[self.context.config.space.mode].usual_spread,
        )

    @property
    def says_anything(self) -> bool:
        augmented = any(point.only(self.declaration.beside) != point for point in self.points)
        return augmented and (NOTHING in self.points or not self.is_exact)

    @property
    def covariates(self) -> tuple[Axis, ...]:
        """Those in which trainings may differ."""
        fixed = self.declaration.beside if self.is_exact else {}
        return tuple(each for each in self.declaration.covariates if each.name not in fixed)

    @cached_property
    def model(self) -> Model:
        axes = (*self.axes, *self.covariates)
        return fit(self.measured, axes, self.points)

    @property
    def seed(self) -> int:
        return derive_seed(self.context.config.seed, "claims")

    def recommended(self) -> Settings | None:
        """The setting expected to gain most; None where that is no augmentation."""
        if not self.says_anything:
            return None
        found = propose(self.measured, self.model, self.axes)
        return self.declaration.settings(found) if found != NOTHING else None

    def alone(self) -> dict[str, Settings]:
        """Each augmentation by itself, as strongly as is sensible; where no strength gains, as
        strongly as was searched."""
        found = {}
        for axis in self.declaration.tried:
            point = NOTHING.having(axis.name, axis.values[self._sensible(axis)], axis.values[0])
            found[axis.name] = self.declaration.settings(point)
        return found

    def _sensible(self, axis: Axis) -> int:
        last = len(axis.values) - 1
        if not self.says_anything:
            return last
        return strengths(self.measured, self.model, axis, NOTHING, self.seed).sensible or last

    def claims(
        self, wholes: Mapping[str, TrialRecord], recommended: str | None = None, level: float = 0.95
    ) -> Claims:
        """wholes: trainings of whole settings, by label; left out are those that failed, and those
        with other values beside their augmentation than claims are made at. level: of all intervals
        together, higher where there is more than one look.

        For an exact look. Where those values were chosen by the very trainings that claims are made
        of, it is so high that the intervals of all values that might have been chosen hold
        together (Bonferroni).
        """
        trained, space, beside = set(self.points), self.context.space, self.declaration.beside
        placed = {
            label: self.declaration.point(each.spec)
            for label, each in wholes.items()
            if beside_of(space, each.spec.settings) == beside
        }
        placed = {label: point for label, point in placed.items() if point in trained}
        declared = Declared(
            axes=self.axes,
            wholes=placed,
            recommended=recommended if recommended in placed else None,
            covariates=self.covariates,
            negligible=self.context.config.evaluation.negligible,
            sets={label: _own(wholes[label]) for label, each in placed.items() if each.outside},
        )
        if self.says_anything:
            level = 1 - (1 - level) / self._num_choices
            found = claim(self.measured, self.points, declared, self.seed, level)
        else:
            found = nothing_to_claim(declared)
        return found.model_copy(update={"beside": beside})

    @property
    def _num_choices(self) -> int:
        """Among how many values beside augmentation the trainings looked at have chosen."""
        if any(KINDS[each.kind].part == "confirm" for each in self.records):
            return 1
        told = (each for each in self.context.ledger.records if each.status == "completed")
        values = [beside_of(self.context.space, each.spec.settings) for each in told]
        return len({spelled(each) for each in values})

    def answer(self, claims: Claims, known: Evidence) -> Answer:
        """What they come to, and, where that is not known, what would show it."""
        found = answer_of(claims, known.early)
        if found.kind != "cannot_tell" or found.detectable is None:
            return found
        return found.model_copy(update={"shortfall": self._shortfall(claims)})

    def _shortfall(self, claims: Claims) -> Shortfall | None:
        """For what is known least."""
        least = least_known(claims)
        if least is None or least.measured is None:
            return None
        config, dataset = self.context.config, self.context.prepared.dataset
        stage = KINDS["confirm" if config.evaluation.confirm else "trial"].part
        folds, pool = config.evaluation.folds, len(dataset.indices(TRAIN, VALIDATION))
        scored = pool if folds > 1 else len(dataset.indices(VALIDATION))
        now = Size(
            seeds=(config.evaluation.confirm or config.evaluation).seeds, folds=folds, images=scored
        )
        others = allowed_folds(config, dataset) if pool > scored else ()
        return what_would_show(
            blur_of(self.measured, self._deciding(least, stage), stage),
            claims.critical,
            now,
            [now.model_copy(update={"folds": each, "images": pool}) for each in others],
            missed=least.measured.detectable,
            negligible=claims.negligible,
        )

    def _deciding(self, least: WholeClaim, stage: str) -> Contrasts:
        """What would be trained again: the setting, at whatever strength it was trained, beside no
        augmentation in the deciding round. All trainings together say no less than these two. As
        the model has it where the setting was not trained there."""
        point = Combination.of(least.settings)
        point = point if least.settings else Combination(outside=least.label)
        here = [row for row, each in enumerate(self.measured.stages) if each == stage]
        none = [row for row in here if self.points[row] == NOTHING]
        same = [row for row in here if self.points[row] == point]
        same += [row for row in here if _is_like(self.points[row], point)]
        if not (none and same):
            return self.model.contrasts([(point, NOTHING)])
        names = self.measured.names
        return Contrasts(self.measured.contrast(names[same[0]], names[none[0]])[None])


def chosen_beside(known: Knowledge) -> dict[str, Any]:
    """The values that were chosen, when the search phase ended, for what is searched beside
    augmentation; empty before."""
    return known.evidence.claims.beside if known.evidence.claims else {}


def _has_lost(record: TrialRecord) -> bool:
    """Whether a network of it did not train: what they differ by is then its own, and says nothing
    of other trainings of its setting."""
    return record.result is not None and bool(record.result.lost)


def _own(record: TrialRecord) -> tuple[str, ...]:
    """The augmentations of a trial, without the options that act with them."""
    return tuple(name for name in record.spec.settings.augmentation if not is_option(name))


def _is_like(point: Combination, other: Combination) -> bool:
    """Whether both are the same augmentation alone."""
    names = [[name for name, _ in each.values] for each in (point, other)]
    return names[0] == names[1] and len(names[0]) == 1


def whole_settings(
    context: Context,
    known: Knowledge,
    recommended: Settings | None = None,
    beside: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, int]:
    """Trials and controls of the search phase that are claimed as whole settings, by label. A trial
    that is the setting recommended goes by that name, one that is a control by the control's.
    beside: values that all are trained with again, in place of what they had."""

    def key_of(number: int) -> str:
        return setting_key(with_beside(context.ledger.record(number).spec.settings, beside))

    confirm, record = context.config.evaluation.confirm, context.ledger.record
    controls = {label: n for label, n in known.controls.full.items() if label != NONE}
    best = best_trials(context, known.trials, confirm.top if confirm else 1, beside)
    names = {key_of(number): label for label, number in controls.items()}
    if recommended is not None:
        names[setting_key(recommended)] = RECOMMENDED
    found: dict[str, int] = {}
    for number in best:
        key = key_of(number)
        found.setdefault(names.get(key, record(number).label), number)
    return {label: n for label, n in found.items() if label not in controls} | controls
