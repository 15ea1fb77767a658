"""Sections of an experiment file whose settings may each be one value, a range or a list.

A `Section` is checked by the type a trial uses for the fixed value (`ModelSettings`, `TrainingSettings`), so that there is one
table of names, types and bounds, not two that must agree.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from data.augmentations import complete
from data.errors import UserError
from search.dimensions import Dimension, parse_dimension
from search.trial import Frozen, ModelSettings, TrainingSettings

Accept = Callable[[str, Any], None]


def accept_augmentation(name: str, value: Any) -> None:
    """Raises UserError where a fixed value is not valid for the named augmentation."""
    complete({name: value})


def check_section(section: dict[str, Any], accept: Accept) -> dict[str, Dimension]:
    """The searched settings of a section. Raises ValueError naming the setting whose value or range is refused.

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

    def accept(self, name: str, value: Any) -> None:
        fields = self.type.model_fields
        if name not in fields:
            close = difflib.get_close_matches(name, fields, 1)
            hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(fields)}"
            raise UserError(f"{name}: unknown key; {hint}")
        try:
            self.type.model_validate({name: value}, strict=True)
        except ValidationError as error:
            reasons = " or ".join(dict.fromkeys(_lower(item["msg"]) for item in error.errors()))
            raise UserError(f"{name}: received {value!r}; {reasons}") from error

    def dimensions(self, section: dict[str, Any]) -> dict[str, Dimension]:
        return check_section(section, self.accept)

    def check(self, section: dict[str, Any]) -> dict[str, Any]:
        self.dimensions(section)
        return section

    def filled(self, section: dict[str, Any]) -> dict[str, Any]:
        """The section with every default written out, in the type's order."""
        return {**self.type().model_dump(mode="json"), **section}


def _lower(message: str) -> str:
    return message[0].lower() + message[1:]


MODEL = Section(ModelSettings)
TRAINING = Section(TrainingSettings)
