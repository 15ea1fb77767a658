"""The one answer of a search, made from one table of claims and from nothing else.

A claim's verdict follows from its interval alone; the answer follows from the claims. The page, the
terminal, MLflow, the export and `summary.json` all read these values. How the intervals come about
is in `intervals`, which claims there are in `claims`.
"""

from collections.abc import Collection, Iterator
from math import sqrt
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from search.experiment.settings import Frozen, spelled

VerdictWord = Literal["HELPS", "HURTS", "NEGLIGIBLE", "NO EVIDENCE", "NOT TRIED"]
AnswerKind = Literal["use", "none", "cannot_tell"]
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


class Size(Frozen):
    """Of a comparison. seeds: heads per fold, in the round that decides: the confirmation where
    there is one. images: those that are scored."""

    seeds: Annotated[int, Field(ge=1, le=10**9)]
    folds: Annotated[int, Field(ge=1, le=10**9)]
    images: Annotated[int, Field(ge=1, le=10**12)]


class Shortfall(Frozen):
    """What a search that cannot tell was too small for.

    target: an effect, in the objective's units, that it would have missed. ways: sizes that would
    find it 4 times in 5, the cheapest first; none where no such size would. now: what the search
    had.
    """

    target: Annotated[float, Field(gt=0)]
    now: Size
    ways: Annotated[tuple[Size, ...], Field(max_length=10)]


class Answer(Beside):
    """What to do.

    kind: use `settings`; use none, since whatever was tried is shown to gain less than `at_most`;
    or it cannot be told, because an effect below `detectable` was invisible here:
    of what is known least (`least_known`); `shortfall` is what would show one.
    left_out: augmentations that HELP alone and are not in what is used, with the verdict on what
    they add to it; NOT TRIED where that is not claimed.
    """

    kind: AnswerKind
    label: str | None = None
    settings: dict[str, Any] = {}
    gain: Estimate | None = None
    at_most: float | None = None
    detectable: float | None = None
    shortfall: Shortfall | None = None
    left_out: dict[str, VerdictWord] = {}

    @model_validator(mode="after")
    def _lacks_nothing_where_it_is_known(self) -> "Answer":
        if self.shortfall is not None and self.kind != "cannot_tell":
            raise ValueError(f"the answer is {self.kind}, and says what would show more")
        return self

    @property
    def is_alone(self) -> bool:
        """Whether one augmentation is used by itself, at the strength that it is claimed at."""
        return any(self.label == alone_label(name) for name in self.settings)


def answer_of(claims: Claims, early: Collection[Estimate] = ()) -> Answer:
    """Uses the largest effect that HELPS among whole settings and augmentations alone; one that is
    read off a curve only where none that was trained does. None is used where no strength may gain
    what matters. early: estimates of an earlier look; what is settled for being large is mostly
    less, so beside one of them the least gain that each may be decides."""
    tried = [(whole, found) for whole in candidates(claims) if (found := whole.measured)]
    least = least_known(claims)
    detectable = least.measured.detectable if least and least.measured else None
    helping = [(whole, found) for whole, found in tried if found.ci[0] > 0]
    read_off = {alone_label(each.name) for each in claims.augmentations if not each.is_trained}
    trained = [pair for pair in helping if pair[0].label not in read_off]
    if helping:
        among = trained or helping
        is_early = any(found in early for _, found in among)
        whole, gain = max(among, key=lambda pair: pair[1].ci[0] if is_early else pair[1].effect)
        return Answer(
            kind="use",
            label=whole.label,
            settings=whole.settings,
            gain=gain,
            detectable=detectable,
            left_out=_left_out(claims, whole),
            beside=claims.beside,
        )
    rest = {"detectable": detectable, "beside": claims.beside}
    may_gain = [*tried, *_most_open(claims)]
    at_most = max((found.ci[1] for _, found in may_gain), default=None)
    if at_most is not None and at_most <= claims.negligible:
        return Answer(kind="none", at_most=max(at_most, 0.0), **rest)
    return Answer(kind="cannot_tell", **rest)


def least_known(claims: Claims) -> WholeClaim | None:
    """What is known least of all that may gain what matters and is not shown to, augmentations
    alone before whole settings and those before controls; of everything tried where there is none
    such. None where nothing was tried. An augmentation alone as it is judged or, where it may gain
    nothing so, at the strength that may gain most.
    """
    alone = {alone_label(each.name) for each in claims.augmentations if each.alone}
    tried = [(each, found) for each in candidates(claims) if (found := each.measured)]
    may_gain = [pair for pair in tried if pair[1].ci[1] > claims.negligible]
    told = {whole.label for whole, _ in may_gain}
    opened = [pair for pair in _most_open(claims) if pair[1].ci[1] > claims.negligible]
    may_gain += (pair for pair in opened if pair[0].label not in told)
    among = [pair for pair in may_gain if pair[1].ci[0] <= 0] or tried

    def little_is_known(pair: tuple[WholeClaim, Estimate]) -> tuple[bool, bool, float]:
        return pair[0].label in alone, bool(pair[0].settings), pair[1].detectable

    return max(among, key=little_is_known, default=(None, None))[0]


def _most_open(claims: Claims) -> list[tuple[WholeClaim, Estimate]]:
    """Each augmentation alone, at the strength that may gain most."""
    opened = (each.most_open for each in claims.augmentations)
    return [(whole, whole.measured) for whole in opened if whole and whole.measured]


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


def _left_out(claims: Claims, used: WholeClaim) -> dict[str, VerdictWord]:
    whole = claims.recommended_whole
    found: dict[str, VerdictWord] = {}
    for each in claims.augmentations:
        helps = word_of(each.alone, claims.negligible) == "HELPS"
        if helps and each.name not in {*used.settings, *used.sets}:
            beside = {k: v for k, v in whole.settings.items() if k != each.name} if whole else {}
            told = each.with_recommended if beside == used.settings != {} else None
            found[each.name] = word_of(told, claims.negligible)
    return found
