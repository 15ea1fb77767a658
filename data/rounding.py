"""What of a setting can be seen in pictures of a given size: the one place that decides it, for
everything that is shown.

The steps themselves stand in the table of augmentations. Exact values are kept wherever numbers are
kept.
"""

import math
from typing import Any

from data.augmentation_record import AugmentationValues
from data.augmentations import AUGMENTATIONS


def visible_settings(settings: AugmentationValues, size: int) -> dict[str, Any]:
    """The settings as they show in pictures of `size` pixels a side: rounded, and without those
    that change nothing.

    A number is rounded to the decimals of the least step that shows: a tenth of a pixel, half a
    grey level.
    """
    shown = {name: visible_value(name, value, size) for name, value in settings.items()}
    return {name: value for name, value in shown.items() if value is not None}


def visible_value(name: str, value: Any, size: int) -> Any:
    """One setting's value, rounded; None where it changes no picture of `size` pixels a side."""
    if name not in AUGMENTATIONS:
        return value
    record = AUGMENTATIONS[name]
    numbers = value if isinstance(value, list) else [value]
    if record.step is None or not all(map(_is_number, numbers)):
        return value
    neutral = 1.0 if isinstance(value, list) else 0.0
    step = record.step(numbers[0], size)
    if all(abs(number - neutral) < step for number in numbers):
        return None
    rounded = [_rounded(number, step) for number in numbers]
    return rounded if isinstance(value, list) else rounded[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rounded(number: float, step: float) -> float:
    """To the decimals of `step`; to one digit where that would leave nothing of it."""
    if isinstance(number, int):
        return number
    return round(number, max(0, math.floor(-math.log10(step)))) or float(f"{number:.1g}")
