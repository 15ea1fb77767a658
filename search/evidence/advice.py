"""Budget advice: what a plan can detect, and the folds, seeds or images that one point would
take."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Literal

from search.evidence.power import Plan, Spread, assumed_spread, detectable_effect
from search.evidence.shortfall import MOST_SEEDS
from search.evidence.spread import ASSUMED_HEAD_SPREAD
from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.settings import Frozen

TARGET = 0.01  # the effect that plans are told for, in the objective's units


@dataclass(frozen=True)
class KnownBaseline:
    """No augmentation, as it was measured or as it is assumed before any run.

    spread: `measured_spread`; None assumes one from the accuracy and `weight` (as `assumed_spread`
    has it), which of log-loss says nothing. room: the most that can be gained over it, as measured;
    None is 1 - accuracy, and no bound for log-loss. head_spread: as `ASSUMED_HEAD_SPREAD` is, of
    what is trained.
    """

    accuracy: float
    spread: Spread | None = None
    room: float | None = None
    weight: float = 1.0
    head_spread: float = ASSUMED_HEAD_SPREAD


Basis = Literal["assumed", "measured"]


class Advice(Frozen):
    """What a plan can show, in the objective's units (of accuracy 0.01 is a point).

    detectable_effect: found 4 times in 5; None where no effect that is possible would be, or
    nothing is known of it yet. at_best: the same where the images of a group are no more alike than
    others. room: the most that can be gained over no augmentation; None where that is not known.
    room_basis: whether a run showed it, or an accuracy is assumed. needed: the plan with the fewest
    heads that detects TARGET; None where no number of heads does. larger: this plan with the images
    that it would take for TARGET, and with more seeds where images alone do not do; None where
    nothing does.
    """

    plan: Plan
    detectable_effect: float | None
    at_best: float | None
    room: float | None
    room_basis: Basis
    objective: Objective
    standard_error: float | None
    needed: Plan | None
    larger: Plan | None

    @property
    def found(self) -> str:
        """What is detected, in a few words."""
        if self.at_best is not None and self.at_best != self.detectable_effect:
            return f"{self._range}, 4 times in 5, by how alike the images of a group are answered"
        if self.detectable_effect is not None:
            return f"{_amount(self.detectable_effect, self.objective)}, 4 times in 5"
        return (
            "not known yet"
            if self.standard_error is None
            else "nothing: it takes more images or seeds"
        )

    @property
    def _range(self) -> str:
        """Of grouped images: from no more alike than others to always answered alike."""
        best = _amount(self.at_best or 0.0, self.objective)
        if self.detectable_effect is None:
            return f"{best} at best and nothing at worst"
        return f"{best} at best and {_amount(self.detectable_effect, self.objective)} at worst"

    @property
    def text(self) -> str:
        """Two sentences for people."""
        if self.standard_error is None:
            what = OBJECTIVES[self.objective].words
            return (
                f"How far {what} differs by luck is not known before a first run; ask again when "
                "its controls are trained."
            )
        compared = self.plan.num_compared
        among = f", as one of {compared} compared" if compared > 1 else ""
        plan = f"{self.plan.words} on {self.plan.num_images:,} images"
        if self.plan.independent_share < 1:
            independent = round(self.plan.num_images * self.plan.independent_share)
            plan += f" (as {max(independent, 1):,} if a group's are always answered alike)"
        target = f"{_amount(TARGET, self.objective)} {self._what_target_takes()}."
        if self.at_best is not None and self.at_best != self.detectable_effect:
            return f"{plan} find an effect of {self._range} 4 times in 5{among}. At worst {target}"
        if self.detectable_effect is None:
            most = _amount(self.room or 0.0, self.objective)
            over = (
                "as the baseline was measured"
                if self.room_basis == "measured"
                else "at the accuracy that is assumed"
            )
            return (
                f"{plan} can show nothing{among}: no augmentation can gain more than {most} "
                f"({over}), and even that would be "
                f"found less than 4 times in 5. {target}"
            )
        return (
            f"{plan} find an effect of {_amount(self.detectable_effect, self.objective)} 4 times "
            f"in 5{among}. {target}"
        )

    def _what_target_takes(self) -> str:
        if self.needed == self.plan:
            return "takes all of that"
        if self.needed:
            fewer = self.detectable_effect is not None and self.detectable_effect <= TARGET
            return (
                f"takes no more than {self.needed.words}" if fewer else f"takes {self.needed.words}"
            )
        if self.larger:
            seeds = self.larger.seeds
            more = f" and {seeds} seeds" if seeds > self.plan.seeds else ""
            return f"would take about {self.larger.num_images:,} images{more}"
        return "would take more seeds and more images"


def advise(
    plan: Plan,
    known: KnownBaseline,
    objective: Objective,
    num_validation: int | None = None,
    folds: Collection[int] = (5, 10),
) -> Advice:
    """What the plan can detect and what TARGET would take.

    plan: its images are those of train and validation together, which folds score between them;
    num_validation: scored where `folds` is 1 (None: as many). folds: that the plan may have
    instead of its own.
    """
    scored = num_validation if plan.folds == 1 and num_validation else plan.num_images
    asked = replace(plan, num_images=scored)
    room, counts_answers = known.room, OBJECTIVES[objective].counts_answers
    told: dict[str, Any] = {
        "plan": asked,
        "objective": objective,
        "room_basis": "assumed" if room is None else "measured",
    }
    if known.spread is None and not counts_answers:
        return Advice(**told, **_UNKNOWN, room=room)
    spread = known.spread or assumed_spread(known.accuracy, known.weight, known.head_spread)
    room = room if room is not None or not counts_answers else 1 - known.accuracy
    found = detectable_effect(asked, spread)
    best = detectable_effect(replace(asked, independent_share=1.0), spread)
    return Advice(
        **told,
        detectable_effect=None if room is not None and found >= room else found,
        at_best=None if room is not None and best >= room else best,
        room=room,
        standard_error=sqrt(sum(spread.variances(asked))),
        needed=_fewest_heads([asked, *(replace(plan, folds=each) for each in folds)], spread),
        larger=_fewest_images(plan, spread),
    )


def _fewest_heads(starts: list[Plan], spread: Spread) -> Plan | None:
    plans = (replace(each, seeds=seeds) for each in starts for seeds in range(2, MOST_SEEDS + 1))
    enough = (each for each in plans if detectable_effect(each, spread) <= TARGET)
    return min(enough, key=lambda each: (each.folds * each.seeds, each.folds), default=None)


def _fewest_images(plan: Plan, spread: Spread) -> Plan | None:
    """The fewest that are scored by all seeds together."""
    plans = (
        replace(plan, seeds=seeds, num_images=2**k * 100)
        for seeds in range(plan.seeds, MOST_SEEDS + 1)
        for k in range(17)
    )
    enough = (each for each in plans if detectable_effect(each, spread) <= TARGET)
    return min(enough, key=lambda each: (each.num_images * each.seeds, each.seeds), default=None)


_UNKNOWN: dict[str, Any] = dict.fromkeys(
    ("detectable_effect", "at_best", "standard_error", "needed", "larger")
)


def _amount(effect: float, objective: Objective) -> str:
    unit = OBJECTIVES[objective].unit
    size = f"{unit.factor * effect:.{unit.digits + 1}f}".rstrip("0").rstrip(".")
    return f"{size} {unit.name.removesuffix('s') if size == '1' else unit.name}"
