"""What is searched, as the model of effects sees it: axes, and settings as combinations on them."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from math import log, pi
from typing import Any

import numpy as np

_WAVES = 4  # of a curve's departure from a straight line; smoother ones are likelier
_RANK, _TOLD = 1e-9, 1e-6  # what is 0 but for rounding


@dataclass(frozen=True)
class Axis:
    """One searched augmentation. values: those a curve shows, the one that changes nothing first.

    places: each value's distance from changing nothing, over the furthest one's; None where values
    are levels without order (pairs, names). is_log: distances are of logarithms. is_fixed: nothing
    is searched, so that no strength is the edge of it.
    """

    name: str
    values: tuple[Any, ...]
    places: tuple[float, ...] | None = None
    is_log: bool = False
    is_fixed: bool = False

    @classmethod
    def of_numbers(
        cls, name: str, values: Iterable[float], identity: float = 0.0, is_log: bool = False
    ) -> "Axis":
        """Of numbers searched, at their distance from the one that changes nothing."""
        bare = cls(name, (identity,), (0.0,), is_log)
        ordered = sorted({*values} - {identity}, key=lambda value: abs(bare._distance(value)))
        far = abs(bare._distance(ordered[-1]))
        places = (0.0, *(bare._distance(value) / far for value in ordered))
        return cls(name, (identity, *ordered), places, is_log)

    def _distance(self, value: Any) -> float:
        return float(log(value / self.values[0]) if self.is_log else value - self.values[0])

    def terms(self, points: Sequence["Combination"]) -> np.ndarray:
        """float64 [points, terms]: what each setting's value counts in each of the axis's
        effects."""
        values = [dict(point.values).get(self.name, self.values[0]) for point in points]
        if self.places is None:
            levels = [[float(value == level) for level in self.values[1:]] for value in values]
            return np.array(levels).reshape(len(values), -1)
        places = np.array([self.place(value) for value in values])[:, None]
        waves = np.arange(1, _WAVES + 1)
        return np.hstack([places, np.sin(pi * waves * places) / waves**2])

    @property
    def is_main(self) -> np.ndarray:
        """bool [terms]: straight lines and levels, which are not shrunk."""
        if self.places is None:
            return np.ones(len(self.values) - 1, bool)
        return np.arange(_WAVES + 1) == 0

    def place(self, value: Any) -> float:
        """0 where nothing is changed, 1 or -1 at the furthest value searched."""
        return self._distance(value) / abs(self._distance(self.values[-1]))


@dataclass(frozen=True)
class Combination:
    """A setting: the augmentations that are on, each at its value; or, by its label, one outside
    what is searched (a control)."""

    values: tuple[tuple[str, Any], ...] = ()
    outside: str = ""

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Combination":
        return cls(tuple(sorted(values.items())))

    def only(self, names: Container[str]) -> "Combination":
        """The same with nothing but these."""
        return Combination.of({name: each for name, each in self.values if name in names})

    def having(self, name: str, value: Any, identity: Any) -> "Combination":
        """The same with one augmentation at another value; taken out where that changes
        nothing."""
        rest = {key: each for key, each in self.values if key != name}
        return Combination.of(rest if value == identity else {**rest, name: value})


NOTHING = Combination()


def told_apart(
    axes: Sequence[Axis], others: Sequence[Axis], points: Sequence[Combination], base: np.ndarray
) -> list[Axis]:
    """Of axes, those whose effect alone some trainings tell from that of all else that was on with
    it, and of levels those that are told so: effects of straight lines and levels that a least
    squares fit would know. others: what else is searched. base: float64 [T, stages]."""
    outside = sorted({point.outside for point in points} - {""})
    controls = [[float(point.outside == label) for label in outside] for point in points]
    blocks = [axis.terms(points)[:, axis.is_main] for axis in (*axes, *others)]
    design = np.hstack([base, np.array(controls).reshape(len(points), -1), *blocks])
    known = np.linalg.pinv(design, rcond=_RANK) @ design
    found, end = [], base.shape[1] + len(outside)
    for axis, block in zip(axes, blocks, strict=False):
        start, end = end, end + block.shape[1]
        told = np.abs(known - np.eye(len(known)))[start:end].max(axis=1, initial=0) < _TOLD
        if axis.places is None:
            levels = (
                value for value, is_told in zip(axis.values[1:], told, strict=True) if is_told
            )
            axis = replace(axis, values=(axis.values[0], *levels))
        if told.any():
            found.append(axis)
    return found
