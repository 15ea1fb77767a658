"""What a search claims, in one table: effects with simultaneous intervals, and the words that
follow from them. A verdict follows from its interval alone.

How the intervals come about is in `intervals`, which claims there are in `claims`, what to do with
them in `answer`.
"""

from collections.abc import Iterator
from math import sqrt
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from search.experiment.settings import Frozen, spelled

VerdictWord = Literal["HELPS", "HURTS", "NEGLIGIBLE", "NO EVIDENCE", "NOT TRIED"]
NEGLIGIBLE = 0.005  # of accuracy: half a point
NORMAL_95 = 1.959964  # standard errors to either side, of a normal estimate's 95 % interval


class Estimate(Frozen):
    """An effect with its simultaneous 95 % interval, in the objective's units, more being better.

    error: its standard error. detectable: the true effect that would have been called HELPS 4
    times in 5.
    """

    effect: float
    error: float
    ci: tuple[float, float]
    detectable: float


def word_of(measured: Estimate | None, negligible: float) -> VerdictWord:
    """HELPS and HURTS where the interval clears zero; NEGLIGIBLE where it holds zero and lies
    within -+ `negligible`."""
    if measured is None:
        return "NOT TRIED"
    low, high = measured.ci
    if low > 0:
        return "HELPS"
    if high < 0:
        return "HURTS"
    return "NEGLIGIBLE" if -negligible <= low and high <= negligible else "NO EVIDENCE"


def disagree(claimed: Estimate, on_test: Estimate) -> bool:
    """Whether the test set says something else than the search by more than both may err (95 %):
    it is unlike the images searched on, or its images are too like one another."""
    error = sqrt(claimed.error**2 + on_test.error**2)
    return abs(claimed.effect - on_test.effect) > NORMAL_95 * error


class CurvePoint(Frozen):
    """A strength and its effect."""

    value: Any
    measured: Estimate


class StrengthRange(Frozen):
    """The strengths not shown to be worse than the best, in the order of their strength. The one
    that changes nothing is left out where some strength HELPS, and only there.

    at_edge: the best is the strongest that was searched, and it HELPS: a wider range may show
    better.
    """

    first: Any
    last: Any
    at_edge: bool


class WholeClaim(Frozen):
    """A whole setting against no augmentation: the recommended one, another that was confirmed, a
    control.

    sets: augmentations of a control that is outside what is searched, and has no `settings`.
    """

    label: str
    settings: dict[str, Any]
    measured: Estimate | None
    sets: tuple[str, ...] = ()


class AugmentationClaims(Frozen):
    """All that is claimed of one searched augmentation.

    alone: at `strength`, against no augmentation; None was not tried. is_trained: whether it was
    trained alone at that strength; else it is read off the curve. with_recommended: what it adds to
    the recommended setting at the strength that it has there, or would add at `strength`. curve,
    curve_beside: effect against strength, alone and in the recommended setting.
    """

    name: str
    strength: Any
    is_trained: bool = True
    alone: Estimate | None
    with_recommended: Estimate | None
    strengths: StrengthRange | None
    curve: tuple[CurvePoint, ...] = ()
    curve_beside: tuple[CurvePoint, ...] = ()

    @property
    def most_open(self) -> WholeClaim | None:
        """Alone, at the strength that may gain most; None was not tried."""
        points = [CurvePoint(value=self.strength, measured=self.alone)] if self.alone else []
        found = max((*points, *self.curve), key=lambda point: point.measured.ci[1], default=None)
        if found is None:
            return None
        settings = {self.name: found.value}
        return WholeClaim(label=alone_label(self.name), settings=settings, measured=found.measured)


class Beside(Frozen):
    """What holds for certain values of what is searched beside augmentation (SECTION.NAME): an
    effect is over no augmentation with the same. Empty, and not written, where nothing is."""

    beside: dict[str, Any] = {}

    @model_serializer(mode="wrap")
    def _where_there_is_any(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if value or name != "beside"}


class Claims(Beside):
    """Everything a search claims, under one critical value. Refused where one setting has two
    estimates.

    recommended: the label, among `wholes`, of the setting that `with_recommended` is about.
    """

    augmentations: tuple[AugmentationClaims, ...]
    wholes: tuple[WholeClaim, ...]
    recommended: str | None
    critical: float
    negligible: float = NEGLIGIBLE

    @model_validator(mode="after")
    def _says_one_thing_about_a_setting(self) -> "Claims":
        said: dict[str, Estimate | None] = {}
        for each in (*candidates(self), *self._on_curves()):
            key = each.label if not each.settings else spelled(each.settings)
            if said.setdefault(key, each.measured) != each.measured:
                raise ValueError(f"two estimates of {key}")
        return self

    def _on_curves(self) -> Iterator[WholeClaim]:
        for each in self.augmentations:
            identity = each.curve[0].value if each.curve else None
            for point in each.curve:
                if point.value != identity:
                    settings = {each.name: point.value}
                    yield WholeClaim(
                        label=alone_label(each.name), settings=settings, measured=point.measured
                    )

    @property
    def recommended_whole(self) -> WholeClaim | None:
        return next((each for each in self.wholes if each.label == self.recommended), None)

    def verdicts(self) -> dict[str, VerdictWord]:
        """Of each searched augmentation alone."""
        return {each.name: word_of(each.alone, self.negligible) for each in self.augmentations}


def alone_label(name: str) -> str:
    return f"{name} alone"


def candidates(claims: Claims) -> list[WholeClaim]:
    """Everything that could be used."""
    alone = [
        WholeClaim(
            label=alone_label(each.name), settings={each.name: each.strength}, measured=each.alone
        )
        for each in claims.augmentations
    ]
    return [*claims.wholes, *alone]
