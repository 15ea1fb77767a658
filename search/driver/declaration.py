"""What a search will claim, declared by its space before the first trial: an axis for each
augmentation that may be on, one for every other searched setting; and where among them each trial
lies. Made anew from the config, so that it is journaled with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log2
from typing import Any

from data.augmentations import AUGMENTATIONS, active, is_option
from data.value_forms import hashable, is_number
from search.driver.specs import SpecFactory, number_of
from search.evidence.curves import Axis, Combination
from search.experiment.beside import beside_of, searched_beside
from search.experiment.controls import CONTROLS, NONE
from search.experiment.dimensions import Dimension, Range
from search.experiment.kinds import KINDS, Kind
from search.experiment.settings import OF_AUGMENTATION, Settings
from search.experiment.trial import TrialSpec
from search.training.modes import Views

VIEWS, DOUBLINGS = "views", "doublings of views"


@dataclass(frozen=True)
class Declaration:
    """Of one experiment. chosen: the values that claims are made at of what is searched beside
    augmentation, as `beside_of` gives them; those of the search's controls by default."""

    specs: SpecFactory
    chosen: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def usual(self) -> Settings:
        """What no augmentation has that all is compared with."""
        return self.specs.control({}, self.chosen)

    @cached_property
    def beside(self) -> dict[str, Any]:
        """The values that claims are made at; empty where nothing is searched beside
        augmentation."""
        return beside_of(self.specs.space, self.usual)

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """One an augmentation that may be on. Of one value, which changes nothing, where none of
        those written changes a picture."""
        space = self.specs.space
        searched = {
            name: _written(dimension)
            for name, dimension in space.dimensions.items()
            if space.section_of[name] == "augmentation" and not is_option(name)
        }
        fixed = {
            name: [value]
            for name, value in active(space.fixed["augmentation"]).items()
            if not is_option(name)
        }
        return (
            *(_axis(name, values) for name, values in searched.items()),
            *(replace(_axis(name, values), is_fixed=True) for name, values in fixed.items()),
        )

    @property
    def tried(self) -> tuple[Axis, ...]:
        """Those whose augmentation changes a picture at some value: each is trained alone."""
        return tuple(axis for axis in self.axes if len(axis.values) > 1)

    @cached_property
    def covariates(self) -> tuple[Axis, ...]:
        """Of the searched settings that are no augmentations, options among them. What is searched
        beside augmentation goes by the name that `beside_of` has for it."""
        space, usual = self.specs.space, self._usual_values
        names = searched_beside(space)
        found = []
        for name, dimension in space.dimensions.items():
            if name == VIEWS:
                values = [self._views(value, "trial") for value in _written(dimension)]
                found.append(_numbers_or_levels(DOUBLINGS, values, 0.0))
            elif name in usual:
                is_log = isinstance(dimension, Range) and dimension.log
                values = _written(dimension)
                axis = _numbers_or_levels(names.get(name, name), values, usual[name], is_log)
                found.append(axis)
        return tuple(found)

    @cached_property
    def _usual_values(self) -> dict[str, Any]:
        """Of every covariate but views, what no augmentation has, as its axis has it."""
        space = self.specs.space
        named = space.named_values(self.usual) | space.options
        return {
            name: hashable(named[name])
            for name in space.dimensions
            if name != VIEWS and (space.section_of[name] != "augmentation" or name in space.options)
        }

    def point(self, spec: TrialSpec) -> Combination:
        """Where a trial lies; a control that the space does not hold, outside."""
        augmentation = spec.settings.augmentation
        is_control = spec.label in CONTROLS and spec.label != NONE
        if is_control and not self._holds(augmentation):
            return self._outside(spec)
        on = {name: hashable(value) for name, value in augmentation.items() if not is_option(name)}
        return Combination.of(on | self._unusual(spec))

    def _outside(self, spec: TrialSpec) -> Combination:
        """A control that the space does not hold: another one where it has unusual values beside
        its augmentation."""
        unusual = Combination.of(self._unusual(spec)).only(self.beside)
        values = [f" {name} {value!r}" for name, value in unusual.values]
        return Combination(unusual.values, f"{spec.label}{''.join(values)}")

    def _holds(self, augmentation: dict[str, Any]) -> bool:
        axes = {axis.name: axis for axis in self.axes}
        on = {name: value for name, value in augmentation.items() if not is_option(name)}
        within = all(name in axes and _is_on_axis(axes[name], value) for name, value in on.items())
        return within and self.settings(Combination.of(on)).augmentation == augmentation

    def _unusual(self, spec: TrialSpec) -> dict[str, Any]:
        """The covariates of a trial that are not as no augmentation has them."""
        space, augmentation = self.specs.space, spec.settings.augmentation
        named, names = space.named_values(spec.settings), searched_beside(space)
        found = {
            names.get(name, name): value
            for name, usual in self._usual_values.items()
            if (value := hashable(named[name])) != usual
            and (name not in space.options or _acts(name, augmentation))
            and (name not in OF_AUGMENTATION or augmentation)
        }
        if VIEWS not in space.dimensions or not augmentation:
            return found
        doublings = self._views(spec.protocol.views, spec.kind)
        return {**found, DOUBLINGS: doublings} if doublings else found

    def _views(self, views: Views, kind: Kind) -> float:
        """As doublings of what the stage gives a setting with as many as the controls."""
        usual, confirm = self.usual.training.views, self.specs.config.evaluation.confirm
        if KINDS[kind].part == "confirm" and confirm is not None and isinstance(usual, int):
            usual = max(confirm.views, usual)
        return log2(number_of(views) / number_of(usual))

    def settings(self, point: Combination) -> Settings:
        """Of augmentations, with the options that act with them, all else as no augmentation has
        it."""
        values = {name: _as_written(value) for name, value in point.values}
        return self.specs.control({**self.specs.space.options, **values}, self.chosen)


def _acts(option: str, augmentation: dict[str, Any]) -> bool:
    """Whether anything that is on shows what the option is."""
    record = AUGMENTATIONS[option]
    other = next(value for value in record.examples if value != record.identity)
    return option in active({**augmentation, option: other})


def _axis(name: str, values: Iterable[Any]) -> Axis:
    record = AUGMENTATIONS[name]
    on = [value for value in map(record.parse, values) if record.is_on(value)]
    return _numbers_or_levels(name, on, record.identity)


def _numbers_or_levels(
    name: str, values: Iterable[Any], identity: Any, is_log: bool = False
) -> Axis:
    others = [value for value in map(hashable, values) if value != hashable(identity)]
    if others and all(map(is_number, [identity, *others])):
        return Axis.of_numbers(name, others, identity, is_log)
    return Axis(name, tuple(dict.fromkeys([hashable(identity), *others])))


def _is_on_axis(axis: Axis, value: Any) -> bool:
    if axis.places is None:
        return hashable(value) in axis.values
    return is_number(value) and min(axis.values) <= value <= max(axis.values)


def _written(dimension: Dimension) -> list[Any]:
    """The values searched; of a range, some, as trials have them."""
    if isinstance(dimension, Range):
        return [dimension.tried(value) for value in dimension.spread()]
    return list(dimension.values)


def _as_written(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
