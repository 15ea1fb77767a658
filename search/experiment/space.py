"""The search space of an experiment, and its translation to KerasTuner's HyperParameters and back.

Plain ranges only: no conditional scopes. What the values mean is `data.augmentations` and
`settings`; which to try, `algorithms`.
"""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from data.augmentations import AUGMENTATIONS, active, complete, is_option
from data.errors import UserError
from data.value_forms import is_number
from search.experiment.dimensions import Choices, Dimension, Range
from search.experiment.sections import Section
from search.experiment.settings import ModelSettings, Settings, TrainingSettings, flat, nested

if TYPE_CHECKING:
    import keras_tuner


@dataclass(frozen=True)
class Screened:
    """A searched setting as a screening design lays it out, in [0, 1). identity: what 0 stands for,
    as the controls have it: an augmentation is off."""

    dimension: Dimension
    identity: Any

    @property
    def _levels(self) -> list[Any]:
        assert isinstance(self.dimension, Choices)
        others = [value for value in self.dimension.values if value != self.identity]
        return [self.identity, *others]

    @property
    def num_levels(self) -> int | None:
        """How many values there are; None of a range."""
        return len(self._levels) if isinstance(self.dimension, Choices) else None

    def proposal(self, place: float) -> Any:
        """The value at a place, as an algorithm proposes it."""
        dimension = self.dimension
        if isinstance(dimension, Choices):
            return dimension.proposed(self._levels[int(place * len(self._levels))])
        return dimension.within(place) if place > 0 else self.identity


@dataclass(frozen=True)
class Space:
    """What is searched (`dimensions`) and what is not (`fixed`, as far as it was written), by
    section; in the order of the tables that define the settings."""

    dimensions: dict[str, Dimension]
    section_of: dict[str, str]
    fixed: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, **sections: Section) -> "Space":
        """sections: `augmentation`, `model` and `training`."""
        written = {part: section.written for part, section in sections.items()}
        searched = {
            (name, part): value
            for part, settings in written.items()
            for name, value in settings.items()
            if isinstance(value, Range | Choices)
        }
        fixed = {
            part: {name: value for name, value in settings.items() if (name, part) not in searched}
            for part, settings in written.items()
        }
        dimensions = {name: value for (name, _), value in searched.items()}
        return cls(dimensions, dict(list(searched)), fixed)

    @property
    def mode(self) -> str:
        """`training.mode`, which is never searched."""
        return str(self.fixed["training"].get("mode", TrainingSettings().mode))

    @property
    def fixed_by_name(self) -> dict[str, Any]:
        """What is not searched, whatever its section."""
        return {name: value for part in self.fixed.values() for name, value in part.items()}

    @property
    def num_combinations(self) -> int | None:
        """How many settings a grid over the space holds; None where a range has no step."""
        counts = [dimension.num_values for dimension in self.dimensions.values()]
        return None if None in counts else prod(count for count in counts if count)

    @property
    def num_augmented(self) -> int | None:
        """How many of those combinations change pictures."""
        combinations = self.num_combinations
        if combinations is None or active(self.fixed["augmentation"]):
            return combinations
        return combinations - prod(map(self._num_idle, self.dimensions))

    def _num_idle(self, name: str) -> int:
        """How many values of a setting on a grid turn no augmentation on."""
        dimension, augments = self.dimensions[name], self.section_of[name] == "augmentation"
        tried = (dimension.tried(dimension.proposed(value)) for value in dimension.grid)
        return sum(not augments or not active({name: value}) for value in tried)

    def without_step(self) -> list[str]:
        return [name for name, dimension in self.dimensions.items() if dimension.num_values is None]

    @property
    def augments(self) -> bool:
        """Whether some point of the space changes pictures."""
        written = {name: [value] for name, value in self.fixed["augmentation"].items()}
        written |= {
            name: list(self.dimensions[name].extremes)
            for name, section in self.section_of.items()
            if section == "augmentation"
        }
        return any(active({name: value}) for name, values in written.items() for value in values)

    def remarks(self) -> tuple[str, ...]:
        """A sentence for each strength of an augmentation with two values, which may be meant as a
        range."""
        pairs = {
            name: dimension.values
            for name, dimension in self.dimensions.items()
            if isinstance(dimension, Choices) and len(dimension.values) == 2
        }
        return tuple(
            f"augmentation.{name}: only {values[0]:g} and {values[1]:g} are tried; for what lies "
            f"between, write {{min: {min(values):g}, max: {_upper_end(name, max(values))}}}"
            for name, values in pairs.items()
            if self.section_of[name] == "augmentation"
            and name in AUGMENTATIONS
            and AUGMENTATIONS[name].numeric
            and values[0] != values[1]
            and not any(isinstance(value, list | bool) for value in values)
        )

    def settings(self, values: dict[str, Any]) -> Settings:
        """One point, from what an algorithm proposed for the searched settings."""
        parts = {part: dict(fixed) for part, fixed in self.fixed.items()}
        for name, dimension in self.dimensions.items():
            parts[self.section_of[name]][name] = dimension.tried(values[name])
        return Settings(
            augmentation=active(parts["augmentation"]),
            model=ModelSettings.model_validate(nested(parts["model"])),
            training=TrainingSettings.model_validate(nested(parts["training"])),
        )

    def with_augmentation(self, augmentation: dict[str, Any]) -> Settings:
        """The experiment's model and training at their middle or first values, with this
        augmentation: for the controls."""
        middle = {name: each.proposed(each.middle) for name, each in self.dimensions.items()}
        return self.settings(middle).model_copy(update={"augmentation": active(augmentation)})

    def screened(self) -> dict[str, Screened]:
        """Every searched setting, for a screening design."""
        return {
            name: Screened(dimension, self._identity(name))
            for name, dimension in self.dimensions.items()
        }

    def is_option(self, name: str) -> bool:
        """Whether a searched setting is how augmentations act."""
        return self.section_of[name] == "augmentation" and is_option(name)

    def _identity(self, name: str) -> Any:
        if self.section_of[name] == "augmentation" and not is_option(name):
            return AUGMENTATIONS[name].identity
        dimension = self.dimensions[name]
        return dimension.tried(dimension.proposed(dimension.middle))

    @property
    def options(self) -> dict[str, Any]:
        """Every option that was written (how augmentations act); of those searched, the middle or
        first value."""
        searched = {
            name: self._identity(name)
            for name, section in self.section_of.items()
            if section == "augmentation"
        }
        named = {**self.fixed["augmentation"], **searched}
        return {name: value for name, value in named.items() if is_option(name)}

    def corners(self) -> tuple[Settings, Settings]:
        """Every searched setting at its first extreme, and every one at its last; without
        augmentation."""
        both = [
            {name: each.proposed(each.extremes[at]) for name, each in self.dimensions.items()}
            for at in (0, -1)
        ]
        first, last = (
            self.settings(values).model_copy(update={"augmentation": {}}) for values in both
        )
        return first, last

    def values_of(self, section: str, name: str) -> list[Any]:
        """A setting of `model` or `training`: its fixed or default value, or both ends of its
        range, or all its choices."""
        if self.section_of.get(name) == section:
            return list(self.dimensions[name].extremes)
        defaults = (ModelSettings if section == "model" else TrainingSettings)()
        return [self.fixed[section].get(name, flat(defaults.model_dump(mode="json"))[name])]

    def strongest(self) -> dict[str, Any]:
        """Each searched augmentation at the value that goes furthest from changing nothing, each
        fixed one as it is, and the options they act with.

        A value that was meant to change something and does not (an int shift of 1) is among them,
        to be named.
        """
        searched = {
            name: _strongest(dimension)
            for name, dimension in self.dimensions.items()
            if self.section_of[name] == "augmentation"
        }
        written = {**self.fixed["augmentation"], **searched}
        records = {name: AUGMENTATIONS[name] for name in written}
        return {
            name: value
            for name, value in complete(written).items()
            if name in records and (is_option(name) or value != records[name].identity)
        }

    def named_values(self, settings: Settings) -> dict[str, Any]:
        """Every searched setting and every active augmentation under its own name, for tables and
        trackers."""
        off = {
            name: AUGMENTATIONS[name].identity
            for name, part in self.section_of.items()
            if part == "augmentation"
        }
        given = {
            "augmentation": complete({**off, **settings.augmentation}),
            "model": flat(settings.model.model_dump(mode="json")),
            "training": flat(settings.training.model_dump(mode="json")),
        }
        searched = {name: given[part][name] for name, part in self.section_of.items()}
        return {**searched, **settings.augmentation}

    def typed_values(self, named: dict[str, Any]) -> dict[str, Any]:
        """The searched settings among `named_values`, each of its own type: a flag is a bool, a
        pair a tuple."""
        return {name: each.typed(named[name]) for name, each in self.dimensions.items()}

    def hyperparameters(self) -> "keras_tuner.HyperParameters":
        """The searched settings as KerasTuner knows them, in the order written."""
        import keras_tuner

        parameters = keras_tuner.HyperParameters()
        for name, dimension in self.dimensions.items():
            _declare(parameters, name, dimension)
        return parameters

    def as_json(self) -> dict[str, Any]:
        return {name: dimension.as_written() for name, dimension in self.dimensions.items()}


def require_steps(space: Space) -> None:
    """Raises UserError where a grid has no step to count by."""
    if missing := space.without_step():
        raise UserError(
            f"search.algorithm grid needs a step for {', '.join(missing)}; write {{min, max, "
            f"step}} or a list"
        )


def _upper_end(name: str, value: float) -> str:
    """As it is written for a range: a shift of 1 (int) moves nothing by itself, so that 1.0 is
    said."""
    idle = not AUGMENTATIONS[name].is_on(AUGMENTATIONS[name].parse(value))
    return f"{float(value)}" if idle else f"{value:g}"


def _declare(parameters: Any, name: str, dimension: Dimension) -> None:
    if isinstance(dimension, Choices):
        parameters.Choice(name, list(map(dimension.proposed, dimension.values)), ordered=False)
        return
    sampling = "log" if dimension.log else "linear"
    if dimension.integer:
        parameters.Int(
            name, dimension.minimum, dimension.maximum, step=dimension.step or 1, sampling=sampling
        )
    else:
        parameters.Float(
            name,
            float(dimension.minimum),
            float(dimension.maximum),
            step=dimension.step,
            sampling=sampling,
        )


def _strongest(dimension: Dimension) -> Any:
    values = dimension.extremes
    numbers = [value for value in values if is_number(value)]
    return max(numbers, key=abs) if len(numbers) == len(values) else values[-1]
