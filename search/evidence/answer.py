"""The one answer of a search, made from one table of claims and from nothing else. The page, the
terminal, MLflow, the export and `summary.json` all read it.
"""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from search.evidence.claim_table import (
    Beside,
    Claims,
    Estimate,
    VerdictWord,
    WholeClaim,
    alone_label,
    candidates,
    word_of,
)
from search.experiment.settings import Frozen

AnswerKind = Literal["use", "none", "cannot_tell"]


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
