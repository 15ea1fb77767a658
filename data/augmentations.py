"""The table of augmentations, in the order in which they are applied; what a set of settings means,
and what of it can be seen in pictures of a given size.

A record stands beside what draws and paints it; its shape is `augmentation_record`, and `views`
paints. Adding an augmentation is adding a record with a stream number of its own: the contract test
runs over the table. An experiment's own ones (`own_augmentations`) are found in it by their names,
and come after all others. Exact values are kept wherever numbers are kept.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from data.aug_mix import AUG_MIX
from data.augmentation_record import Augmentation, AugmentationValues
from data.camera import CAMERA
from data.colours import COLOURS
from data.crop import CROP, CROP_OPTIONS
from data.distortions import DISTORTIONS
from data.erasing import CUTOUT, ERASING, ERASING_OPTIONS
from data.errors import UserError
from data.geometry import Floats
from data.moves import FILL_OPTIONS, MOVES
from data.on_or_off import FLIPS, NOW_AND_THEN
from data.own_augmentations import is_from_outside, outside_record
from data.policies import POLICY, POLICY_OPTIONS
from data.tones import TONES
from data.value_forms import Value, is_number


class AugmentationTable(dict[str, Augmentation]):
    """Records by name. What is from outside is in it, and is not counted among its names."""

    def __missing__(self, name: str) -> Augmentation:
        if is_from_outside(name):
            return outside_record(name)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or is_from_outside(name)

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are augmentations, in the order in which they are applied: those
        from outside by name."""
        wanted = set(names)
        return [name for name in self if name in wanted] + sorted(filter(is_from_outside, wanted))


AUGMENTATIONS = AugmentationTable(
    (record.name, record)
    for record in (
        *MOVES,
        CROP,
        *FLIPS,
        *DISTORTIONS,
        *COLOURS,
        *TONES,
        *NOW_AND_THEN,
        POLICY,
        AUG_MIX,
        *CAMERA,
        CUTOUT,
        ERASING,
        *FILL_OPTIONS,
        *POLICY_OPTIONS,
        *CROP_OPTIONS,
        *ERASING_OPTIONS,
    )
)


def complete(settings: AugmentationValues) -> dict[str, Value]:
    """Every augmentation's value in canonical spelling, the identity where `settings` says nothing;
    of those from outside, only what it says.

    Raises UserError for an unknown name or a value that is not allowed.
    """
    if not isinstance(settings, Mapping):
        raise UserError(
            f"augmentation: received {settings!r}; allowed: a mapping of names to values"
        )
    for name in settings:
        check_name(name)
    names = AUGMENTATIONS.ordered([*AUGMENTATIONS, *settings])
    records = {name: AUGMENTATIONS[name] for name in names}
    return {
        name: record.parse(settings.get(name, record.identity)) for name, record in records.items()
    }


def active(settings: AugmentationValues) -> dict[str, Value]:
    """Only what changes pictures, in table order: two settings with the same effect have the same
    JSON text.

    Compare or hash that text, not the dict: to Python 2 == 2.0, but a shift of 2 (int) draws whole
    pixels and 2.0 does not.
    """
    full = complete(settings)
    return {name: value for name, value in full.items() if _has_effect(AUGMENTATIONS[name], full)}


def alone(name: str, settings: AugmentationValues) -> dict[str, Value]:
    """One augmentation of `settings` by itself: its value, and those of its options that `settings`
    names.

    The one way to take an augmentation out of a setting. Raises KeyError where `settings` does not
    have it.
    """
    options = {
        option: settings[option] for option in AUGMENTATIONS[name].options if option in settings
    }
    return {name: settings[name], **options}


def options_of(settings: AugmentationValues) -> dict[str, Value]:
    """Every option's value, the default where `settings` says nothing."""
    full = complete(
        {name: value for name, value in settings.items() if AUGMENTATIONS[name].kind == "option"}
    )
    return {name: full[name] for name, record in AUGMENTATIONS.items() if record.kind == "option"}


def is_option(name: str) -> bool:
    """Whether a setting says how others act and changes nothing alone."""
    return AUGMENTATIONS[name].kind == "option"


def idle(settings: AugmentationValues) -> dict[str, str]:
    """The settings that were given a value of their own and yet change nothing, each with its
    reason."""
    full = complete(settings)
    return {
        name: _reason(record, full)
        for name, record in ((name, AUGMENTATIONS[name]) for name in full)
        if full[name] != record.identity and not _has_effect(record, full)
    }


def draw(
    settings: AugmentationValues, size: int, units: Callable[[int], Floats]
) -> dict[str, Floats]:
    """The numbers of each active augmentation for k images of `size` pixels a side: name -> [k, p].

    units: a record's stream number -> uniform draws [k, 4]. Shifts are in pixels, angles in
    degrees, factors as multiplied.
    """
    values = active(settings)
    full = complete(values)
    drawn = (AUGMENTATIONS[name] for name in values if not is_option(name))
    return {record.name: record.numbers(units(record.stream), size, full) for record in drawn}


def check_name(name: object) -> str:
    """The name, if the table has it. Raises UserError with the nearest name and all the names that
    are allowed."""
    if isinstance(name, str) and name in AUGMENTATIONS:
        return name
    nearest = get_close_matches(str(name), AUGMENTATIONS, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}? Allowed" if nearest else "; allowed"
    raise UserError(
        f"augmentation: received the unknown name {name!r}{hint}: {', '.join(AUGMENTATIONS)}"
    )


def _has_effect(record: Augmentation, full: AugmentationValues) -> bool:
    value = full[record.name]
    if record.kind == "option":
        return value != record.identity and record.matters(full) and _is_read(record, full)
    return record.is_on(value)


def _is_read(option: Augmentation, full: AugmentationValues) -> bool:
    """Whether something that is on acts with the option."""
    return any(
        option.name in record.options and record.reads_options(value) and record.is_on(value)
        for name, value in full.items()
        if (record := AUGMENTATIONS[name]).kind != "option"
    )


def _reason(record: Augmentation, full: AugmentationValues) -> str:
    if record.kind == "option":
        return "nothing that is on reads it"
    return record.idle(full[record.name])


def visible_settings(settings: AugmentationValues, size: int, more: int = 0) -> dict[str, Any]:
    """The settings as they show in pictures of `size` pixels a side: rounded, and without those
    that change nothing.

    A number is rounded to the decimals of the least step that shows: a tenth of a pixel, half a
    grey level. more: decimals beyond that.
    """
    shown = {name: visible_value(name, value, size, more) for name, value in settings.items()}
    return {name: value for name, value in shown.items() if value is not None}


def visible_value(name: str, value: Any, size: int, more: int = 0) -> Any:
    """One setting's value, rounded; None where it changes no picture of `size` pixels a side. more:
    decimals beyond those that show."""
    record = AUGMENTATIONS.get(name)
    numbers = value if isinstance(value, list) else [value]
    if record is None or record.step is None or not all(map(is_number, numbers)):
        return value
    neutral = 1.0 if isinstance(value, list) else 0.0
    step = record.step(numbers[0], size) / 10**more
    if all(abs(number - neutral) < step for number in numbers):
        return None
    rounded = [_rounded(number, step) for number in numbers]
    return rounded if isinstance(value, list) else rounded[0]


def _rounded(number: float, step: float) -> float:
    """To the decimals of `step`, or one more where that would change it by more than a tenth; to
    one digit where that would leave nothing of it."""
    if isinstance(number, int):
        return number
    digits = max(0, math.floor(-math.log10(step)))
    digits += abs(round(number, digits) - number) > 0.1 * abs(number)
    return round(number, digits) or float(f"{number:.1g}")
