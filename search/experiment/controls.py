"""What the settings of a search are compared with unasked: one record per control."""

from dataclasses import dataclass, field
from typing import Any

from data.messages import literal

NONE = "no augmentation"


@dataclass(frozen=True)
class Control:
    """label: of its trial. name: in `evaluation.controls`; None of the one that there always is.
    about: what it is, for people."""

    label: str
    name: str | None = None
    augmentation: dict[str, Any] = field(default_factory=dict)
    about: str = ""


CONTROLS: dict[str, Control] = {
    record.label: record
    for record in (
        Control(NONE),
        Control(
            label="course settings",
            name="course",
            augmentation={  # an int shift is in pixels
                "rotation_range": 30,
                "width_shift_range": 10.0,
                "height_shift_range": 10.0,
                "shear_range": 10,
                "zoom_range": 0.1,
                "vertical_flip": True,
            },
            about="what the machine-learning course's unit on augmentation trains with",
        ),
        Control(
            label="TrivialAugment",
            name="trivial_augment",
            augmentation={"policy": "trivial_augment_wide"},
            about="one operation per picture, drawn with its strength by lot (Müller and Hutter, "
            "2021)",
        ),
    )
}
CONTROL_NAMES = tuple(record.name for record in CONTROLS.values() if record.name is not None)


def each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """In the order of the table, so that one question is asked in one way. Raises ValueError for
    one that there is not."""
    for name in names:
        if name not in CONTROL_NAMES:
            raise ValueError(
                f"received {literal(list(names))}, in which {literal(name)} is not allowed; "
                f"allowed: a list of {', '.join(CONTROL_NAMES)}"
            )
    return tuple(name for name in CONTROL_NAMES if name in names)


def name_controls(schema: dict[str, Any]) -> None:
    """The names in the schema of an experiment file: those of the moment it is asked for."""
    schema["enum"] = list(CONTROL_NAMES)
