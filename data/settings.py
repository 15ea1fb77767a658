"""The `dataset` section of an experiment file, as a frozen and checked value.

Reads no file: that is `sources` and `dataset`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from data.messages import did_you_mean, literal


class Split(BaseModel):
    """Fractions of the images set aside, stratified by class and drawn from the experiment's
    seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    validation: Annotated[float, Field(ge=0, lt=1)] = 0.15
    test: Annotated[float, Field(ge=0, lt=1)] = 0.15

    @model_validator(mode="after")
    def _leaves_training_images(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation + test is {self.validation + self.test:g}; it must be below 1"
            )
        return self


class DatasetConfig(BaseModel):
    """Where the labelled images are and how they are read.

    `path` is a folder, a .csv or an .npz, by `source`. `split` draws the splits that the source
    does not have itself. `image_size` is the side in pixels of the square image the model sees.
    `max_pixels` is the most a picture may have before it is resized: more is refused without being
    decoded. `limit_per_class` keeps so many training images of each class, drawn from the
    experiment's seed; validation and test stay whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: str = "folder"
    path: str | None = None
    split: Split | None = None
    on_bad_file: Literal["stop", "skip"] = "stop"
    image_size: Annotated[int, Field(ge=8, le=2048)] = 150
    max_pixels: Annotated[int, Field(ge=1)] = 100_000_000
    limit_per_class: Annotated[int, Field(ge=2)] | None = None
    path_column: str = "path"
    label_column: str = "label"
    split_column: str = "split"

    @field_validator("source", mode="before")
    @classmethod
    def _known_source(cls, value: object) -> str:
        from data.sources import SOURCES

        if not isinstance(value, str) or value not in SOURCES:
            hint = did_you_mean(str(value), SOURCES)
            raise ValueError(f"received {literal(value)}; allowed: {', '.join(SOURCES)}{hint}")
        return value
