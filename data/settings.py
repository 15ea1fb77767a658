"""The `dataset` section of an experiment file, as a frozen and checked value.

Reads no file: that is `sources` and `dataset`.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from data.group_pattern import LONGEST_PATTERN, check_pattern
from data.messages import did_you_mean, literal


@dataclass(frozen=True)
class NameIn:
    """Marks a text as a name in one of the tables that stand above: whoever knows them gives all,
    by the name of each, as the context of validation. Without them any name passes.
    """

    table: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "table": self.table}

    def _check(self, value: object, info: ValidationInfo) -> object:
        if info.context is None or (isinstance(value, str) and value in info.context[self.table]):
            return value
        table = info.context[self.table]
        names, others = list(table), getattr(table, "others", ())  # those that no list could hold
        hint = did_you_mean(str(value), names)
        allowed = ", ".join([*names, *others])
        raise ValueError(f"received {literal(value)}; allowed: {allowed}{hint}")


SECTION = ConfigDict(
    frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
)


class Split(BaseModel):
    """Fractions of the images set aside, stratified by class and drawn from the experiment's
    seed."""

    model_config = SECTION

    validation: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share of all images."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share of all images."""

    @model_validator(mode="after")
    def _leaves_training_images(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation + test is {self.validation + self.test:g}; it must be below 1"
            )
        return self


class DatasetConfig(BaseModel):
    """Where the labelled images are and how they are read."""

    model_config = SECTION

    source: Annotated[str, NameIn("source")] = "folder"
    """Where the images come from; see the table of sources."""
    path: str | None = None
    """A folder, a .csv or an .npz; relative to the experiment file."""
    split: Split | None = None
    """Shares set aside for validation and test, stratified by class; only where the source has
    no splits."""
    on_bad_file: Literal["stop", "skip"] = "stop"
    """What to do with a file that cannot be read, or is in two splits or classes; `skip` leaves
    it out."""
    image_size: Annotated[int, Field(ge=8, le=2048)] = 150
    """Pixels a side of the square picture that the model sees."""
    max_pixels: Annotated[int, Field(ge=1)] = 100000000
    """A larger picture is refused without being decoded."""
    limit_per_class: Annotated[int, Field(ge=2)] | None = None
    """Keeps only so many training images per class."""
    path_column: str = "path"
    """The csv's column of file names."""
    label_column: str = "label"
    """The csv's column of classes."""
    split_column: str = "split"
    """The csv's column of splits, if it has one."""
    group_column: Annotated[str, Field(min_length=1)] | None = None
    """What names an image's group (a patient, a product): a column of the csv, an array of the
    .npz, a feature of the TFRecords. A group stays in one split and one fold, and counts as one in
    every interval."""
    group_pattern: (
        Annotated[str, Field(max_length=LONGEST_PATTERN), AfterValidator(check_pattern)] | None
    ) = None
    r"""The same for folders: a regular expression (RE2) that is looked for in the path below
    `path`; its first group in brackets names the image's, as in `IMG_(\d+)`."""
