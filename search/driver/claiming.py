"""What the trainings so far say of what was declared: which setting to recommend, how strongly to
train each augmentation alone, and what is claimed. The statistics are `evidence`'s; here the right
trainings are put into them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search.driver.declaration import Declaration
from search.driver.phases import Context
from search.driver.specs import STREAMS
from search.evidence.answer import Claims
from search.evidence.choosing import propose, strengths
from search.evidence.claims import Declared, claim, nothing_to_claim
from search.evidence.curves import NOTHING, Axis, Combination
from search.evidence.effects import Model, fit
from search.evidence.measurements import Measurements, Training, measure
from search.experiment.seeds import derive_seed
from search.experiment.settings import Settings
from search.experiment.trial import TrialRecord

# Trials of the search phase that claims are made from at most, spread evenly over all: what a model
# of T trainings takes grows with the third power of T.
MOST_MODELLED = 100


@dataclass(frozen=True)
class Look:
    """At all trainings that were told so far."""

    context: Context

    @cached_property
    def declaration(self) -> Declaration:
        return Declaration(self.context.specs)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.declaration.axes

    @cached_property
    def records(self) -> list[TrialRecord]:
        """Each training once, at all of its budget: little of it is biased against
        augmentation."""
        top = self.context.top_rung
        told = [
            record
            for record in self.context.ledger.records
            if record.kind in ("control", "trial", "confirm", "ablation")
            and record.status == "completed"
            and record.duplicate_of is None
            and record.rung in (None, top)
        ]
        trials = [record for record in told if record.kind == "trial"]
        places = np.linspace(0, len(trials) - 1, min(len(trials), MOST_MODELLED)).round()
        kept = {trials[int(place)].trial for place in places}
        return [record for record in told if record.kind != "trial" or record.trial in kept]

    @cached_property
    def points(self) -> list[Combination]:
        return [self.declaration.point(record.spec) for record in self.records]

    @cached_property
    def measured(self) -> Measurements:
        dataset, predictions = self.context.prepared.dataset, self.context.ledger.predictions
        return measure(
            (
                Training(str(each.trial), STREAMS[each.kind], predictions(each.trial))
                for each in self.records
            ),
            np.asarray(dataset.labels),
            self.context.config.evaluation.objective,
            None if dataset.groups is None else np.asarray(dataset.groups),
        )

    @property
    def says_anything(self) -> bool:
        return any(point != NOTHING for point in self.points)

    @cached_property
    def model(self) -> Model:
        axes = (*self.axes, *self.declaration.covariates)
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
        for axis in self.axes:
            if len(axis.values) > 1:
                point = NOTHING.having(axis.name, axis.values[self._sensible(axis)], axis.values[0])
                found[axis.name] = self.declaration.settings(point)
        return found

    def _sensible(self, axis: Axis) -> int:
        last = len(axis.values) - 1
        if not self.says_anything:
            return last
        return strengths(self.measured, self.model, axis, NOTHING, self.seed).sensible or last

    def claims(self, wholes: Mapping[str, TrialRecord], recommended: str | None = None) -> Claims:
        """wholes: trainings of whole settings, by label; those that failed are left out."""
        trained = set(self.points)
        placed = {label: self.declaration.point(each.spec) for label, each in wholes.items()}
        placed = {label: point for label, point in placed.items() if point in trained}
        declared = Declared(
            axes=self.axes,
            wholes=placed,
            recommended=recommended if recommended in placed else None,
            covariates=self.declaration.covariates,
            negligible=self.context.config.evaluation.negligible,
        )
        if not self.says_anything:
            return nothing_to_claim(declared)
        return claim(self.measured, self.points, declared, self.seed)
