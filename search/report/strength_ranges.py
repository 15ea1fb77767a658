"""The range of an augmentation's strengths that are not shown to be worse than the best: as it is
told, and what is of it."""

from typing import Any

from data.value_forms import is_number
from search.report.judged import Judged
from search.report.wording import strength_text


def range_text(judged: Judged) -> str:
    """The strengths not shown to be worse than the best; empty where none was tried."""
    found = judged.claims.strengths if judged.claims else None
    if found is None:
        return ""
    first, last = (strength_text(judged.name, value) for value in (found.first, found.last))
    pair = isinstance(found.last, list | tuple)
    ends = first if first == last else f"{first}{' … ' if pair else ' to '}{last}"
    return f"{ends}, best at its edge" if found.at_edge else ends


def is_within(judged: Judged, value: Any) -> bool:
    """Whether a strength is of the range told; one between those of the curve is of it where both
    its neighbours are."""
    claims = judged.claims
    if claims is None or claims.strengths is None:
        return False
    tried = _on_curve(judged)
    first, last = (_plain(each) for each in (claims.strengths.first, claims.strengths.last))
    if all(is_number(each) for each in (*tried, value)):
        near, far = sorted((abs(first - tried[0]), abs(last - tried[0])))
        return near <= abs(value - tried[0]) <= far
    places = sorted(tried.index(each) for each in (first, last))
    return _plain(value) in tried[places[0] : places[1] + 1]


def is_outdone(judged: Judged, value: Any) -> bool:
    """Whether a strength is one of the curve's, and gains less than the best of the range told: one
    beyond a strength that HURTS is not of it, whatever it gains."""
    points = judged.claims.curve if judged.claims else ()
    own = [p.measured.effect for p in points if _plain(p.value) == _plain(value)]
    best = [p.measured.effect for p in points if is_within(judged, p.value)]
    return bool(own and best) and own[0] < max(best)


def _on_curve(judged: Judged) -> list[Any]:
    return [_plain(point.value) for point in judged.claims.curve] if judged.claims else []


def _plain(value: Any) -> Any:
    """A pair as it can be compared, however it was read."""
    return tuple(value) if isinstance(value, list) else value
