"""The sections of an experiment file whose settings may each be fixed or searched: `augmentation`,
`model` and `training`.

Each is a frozen type with a field per setting, made from the one table that defines it: the
augmentations' records, `ModelSettings`, `TrainingSettings`. A field holds a value of the setting's
own type, a Range or Choices of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import (
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    create_model,
)
from pydantic_core import CoreSchema, core_schema

from data.augmentation_record import Augmentation
from data.augmentations import AUGMENTATIONS
from data.messages import did_you_mean, literal
from data.value_forms import Choice, Flag, NumberPair, Value, ValueForm
from search.experiment.complaints import number_hint
from search.experiment.dimensions import Choices, Range, parse_dimension, searched_schemas
from search.experiment.settings import (
    Frozen,
    Hyperparameter,
    HyperparameterName,
    ModelSettings,
    NotSearched,
    TrainingSettings,
)

Setting = Value | None | Range | Choices

# Searched where a file has no section `augmentation`: small changes that photographs often bear.
USUAL: dict[str, Any] = {
    "rotation_range": {"min": 0, "max": 30},
    "width_shift_range": {"min": 0.0, "max": 0.15},
    "height_shift_range": {"min": 0.0, "max": 0.15},
    "zoom_range": {"min": 0.0, "max": 0.3},
    "brightness_range": [[1.0, 1.0], [0.8, 1.2]],
    "horizontal_flip": [False, True],
}


class Section(Frozen):
    """Settings as they were written; the others stand at their defaults. No order is kept: the
    table's is the one in which an algorithm is told of them."""

    model_config = ConfigDict(serialize_by_alias=True)

    @property
    def written(self) -> dict[str, Setting]:
        """Every setting that was written, those of a section within under dotted names."""
        found: dict[str, Setting] = {}
        for name, field in type(self).model_fields.items():
            if name in self.model_fields_set:
                key, value = field.alias or name, getattr(self, name)
                inner = value.written if isinstance(value, Section) else _inner(value)
                found |= {key: value} if inner is None else _dotted(key, inner)
        return found


def _inner(value: Setting) -> dict[str, Any] | None:
    """The hyperparameters of an own model, in one order: a journal sorts them."""
    return dict(sorted(value.items())) if isinstance(value, dict) else None


def _dotted(outer: str, inner: dict[str, Any]) -> dict[str, Any]:
    return {f"{outer}.{name}": value for name, value in inner.items()}


@dataclass(frozen=True)
class _Searchable:
    """Marks the type of a setting: what is written is a value of it, a Range or Choices.
    as_written: whole numbers are searched where its range is written in them."""

    as_written: bool = False

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            partial(_read, as_written=self.as_written),
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(_as_written),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        fixed = handler(schema)
        options = fixed.get("anyOf", [fixed])
        return {"anyOf": [*options, *searched_schemas(options)]}


def _read(raw: Any, parse: ValidatorFunctionWrapHandler, as_written: bool = False) -> Setting:
    """parse: a fixed value. Raises ValueError, as it does, saying what is wrong."""
    ends = [raw.get(key) for key in ("min", "max", "step")] if isinstance(raw, dict) else [0.5]
    whole = as_written and not any(isinstance(each, float) for each in ends)

    def accepts(value: Any) -> bool:
        if whole and isinstance(value, float):
            return False
        try:
            parse(value)
        except ValidationError:
            return False
        return True

    dimension = parse_dimension(raw, accepts)
    if dimension is None:
        fixed: Setting = parse(raw)
        return fixed
    parsed = [parse(value) for value in dimension.extremes]
    if isinstance(dimension, Choices) and any(isinstance(each, dict) for each in dimension.values):
        return Choices(tuple(parsed))  # {last: 2} has a text of its own
    return dimension


def _as_written(value: Setting) -> Any:
    return value.as_written() if isinstance(value, Range | Choices) else value


@dataclass(frozen=True)
class _ValueOf:
    """Marks the fixed value of an augmentation: as its record parses it."""

    record: Augmentation

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._parse)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self.record.form.schema)

    def _parse(self, value: object) -> Value:
        form = self.record.form
        try:
            parsed: Value = form.parse(value)
        except ValueError as error:
            raise ValueError(
                f"received {literal(value)}; allowed: {form.allowed}{_hint(form, value)}"
            ) from error
        return parsed


def _hint(form: ValueForm, value: object) -> str:
    """How a value of that form is written, or searched."""
    if isinstance(form, Flag):
        return "; [false, true] searches both"
    if isinstance(form, NumberPair):
        return "; [[1, 1], [0.8, 1.2]] searches two pairs"
    return (
        did_you_mean(str(value), form.options) if isinstance(form, Choice) else number_hint(value)
    )


def _augmentation_field(record: Augmentation, alias: str | None = None) -> tuple[Any, Any]:
    """alias: where its name is no name of a field."""
    unit = f"In {record.unit}. " if record.unit else ""
    identity = f"Nothing changes at {literal(record.identity)}."
    words = f"{record.about} {unit}Allowed: {record.form.allowed}. {identity}"
    field = Field(
        default=record.identity, alias=alias, description=words, examples=[record.form.searched]
    )
    return Annotated[Any, _ValueOf(record), _Searchable()], field


def _section_of(title: str, kind: type[Frozen]) -> type[Section]:
    """The section whose fixed values are those of `kind`."""
    fields: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        marks, default, annotation = [*field.metadata], field.default, field.annotation
        if isinstance(default, Frozen):
            annotation = _section_of(
                type(default).__name__.replace("Settings", "Section"), type(default)
            )
            default = annotation()
        elif name == "hyperparameters":
            annotation = dict[
                HyperparameterName, Annotated[Hyperparameter, _Searchable(as_written=True)]
            ]
        elif not any(isinstance(mark, NotSearched) for mark in marks):
            marks.append(_Searchable())
        words = Field(default=default, alias=field.alias, description=field.description)
        fields[name] = (Annotated[annotation, *marks] if marks else annotation, words)
    return create_model(title, __base__=Section, __doc__=kind.__doc__, **fields)


def augmentation_section(outside: Sequence[str] = ()) -> type[Section]:
    """The section with a field per record of AUGMENTATIONS, and per name of an augmentation from
    outside."""
    fields: dict[str, Any] = {
        name: _augmentation_field(record) for name, record in AUGMENTATIONS.items()
    }
    for number, name in enumerate(outside):
        fields[f"outside_{number}"] = _augmentation_field(AUGMENTATIONS[name], alias=name)
    words = "Each augmentation by its name: a strength fixed, or searched."
    return create_model("AugmentationSection", __base__=Section, __doc__=words, **fields)


if TYPE_CHECKING:
    AugmentationSection: TypeAlias = Section
    ModelSection: TypeAlias = Section
    TrainingSection: TypeAlias = Section
else:
    AugmentationSection = augmentation_section()
    ModelSection = _section_of("ModelSection", ModelSettings)
    TrainingSection = _section_of("TrainingSection", TrainingSettings)
