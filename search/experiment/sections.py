"""Sections of an experiment file whose settings may each be one value, a range or a list.

A `Section` is checked by the type a trial uses for the fixed value (`ModelSettings`,
`TrainingSettings`), so that there is one table of names, types and bounds, not two that must agree.
A section within a section (`training.finetune`) is dealt with under dotted names:
`finetune.learning_rate`.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from data.augmentations import AUGMENTATIONS, complete
from data.errors import UserError
from data.messages import did_you_mean
from data.value_forms import Choice, Flag, NumberPair
from search.experiment.complaints import number_hint, refusal
from search.experiment.dimensions import Dimension, parse_dimension
from search.experiment.settings import Frozen, ModelSettings, TrainingSettings, canonical_start

Accept = Callable[[str, Any], None]


def accept_augmentation(name: str, value: Any) -> None:
    """Raises UserError where a fixed value is not valid for the named augmentation."""
    try:
        complete({name: value})
    except UserError as error:
        raise UserError(f"{error}{_hint(name, value)}") from error


def _hint(name: str, value: Any) -> str:
    """How an augmentation of that form is written, or searched."""
    form = AUGMENTATIONS[name].form if name in AUGMENTATIONS else None
    if isinstance(form, Flag):
        return "; [false, true] searches both"
    if isinstance(form, NumberPair):
        return "; [[1, 1], [0.8, 1.2]] searches two pairs"
    if isinstance(form, Choice):
        return did_you_mean(str(value), form.options)
    return number_hint(value) if form else ""


def check_section(section: dict[str, Any], accept: Accept) -> dict[str, Dimension]:
    """The searched settings of a section. Raises ValueError naming the setting whose value or range
    is refused.

    accept: raises ValueError where a fixed value is not valid for the named setting.
    """
    found: dict[str, Dimension] = {}
    for name, raw in section.items():
        dimension = _read(name, raw, accept)
        for value in [raw] if dimension is None else dimension.extremes:
            accept(name, value)
        if dimension is not None:
            found[name] = dimension
    return found


def _read(name: str, raw: Any, accept: Accept) -> Dimension | None:
    def accepts(value: Any) -> bool:
        try:
            accept(name, value)
        except ValueError:
            return False
        return True

    try:
        return parse_dimension(raw, accepts)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error


@dataclass(frozen=True)
class Section:
    """A section checked by a settings type."""

    type: type[Frozen]

    @property
    def names(self) -> list[str]:
        """Every setting, those of a section within it under dotted names."""
        return list(self.flat(self.type().model_dump(mode="json")))

    def accept(self, name: str, value: Any) -> None:
        if name not in self.names:
            close = difflib.get_close_matches(name, self.names, 1)
            hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(self.names)}"
            raise UserError(f"{name}: unknown key; {hint}")
        try:
            self.type.model_validate(nested({name: value}), strict=True)
        except ValidationError as error:
            own = [
                item["msg"].removeprefix("Value error, ")
                for item in error.errors()
                if "ctx" in item and "error" in item["ctx"]
            ]
            reason = own[0] if own else refusal(self.type, name.split("."), value)
            raise UserError(f"{name}: {reason}") from error

    def dimensions(self, section: dict[str, Any]) -> dict[str, Dimension]:
        return check_section(self.flat(section), self.accept)

    def check(self, section: dict[str, Any]) -> dict[str, Any]:
        self.dimensions(section)
        return nested(self.flat(section))

    def filled(self, section: dict[str, Any]) -> dict[str, Any]:
        """The section with every default written out, in the type's order."""
        return nested({**self.flat(self.type().model_dump(mode="json")), **self.flat(section)})

    def flat(self, section: dict[str, Any]) -> dict[str, Any]:
        """Setting -> value, with dotted names for the settings of a section within this one."""
        found: dict[str, Any] = {}
        for name, value in section.items():
            inner = _inner_type(self.type.model_fields.get(name))
            if inner is None:
                found[name] = value
            elif not isinstance(value, dict):
                raise UserError(f"{name}: {refusal(self.type, [name], value)}")
            else:
                found |= {f"{name}.{key}": _canonical(each) for key, each in value.items()}
        return found


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """The reverse of `Section.flat`."""
    section: dict[str, Any] = {}
    for name, value in flat.items():
        outer, _, inner = name.rpartition(".")
        place = section.setdefault(outer, {}) if outer else section
        place[inner] = value
    return section


def _inner_type(field: FieldInfo | None) -> type[Frozen] | None:
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, Frozen) else None


def _canonical(value: Any) -> Any:
    return (
        [canonical_start(each) for each in value]
        if isinstance(value, list)
        else canonical_start(value)
    )


MODEL = Section(ModelSettings)
TRAINING = Section(TrainingSettings)
