"""The augmentations: one record each in one table, in the order in which they are applied; and what
a set of settings means.

ImageDataGenerator's names, units and distributions, and what it lacks. A record's value is written
as `values` says, its numbers are drawn as `records` says, and used by `geometry`, `colour` and
`policies`; `views` paints. Adding an augmentation is adding a record with a stream number of its
own: the contract test runs over the table.

One difference is meant: ImageDataGenerator (Keras 3.15) moves pictures down by `width_shift_range`
and sideways by `height_shift_range`; here each does what its name says.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from data import colour, geometry, policies
from data.errors import UserError
from data.records import (
    FIRST_END,
    Augmentation,
    Floats,
    Settings,
    between,
    coin,
    factor_step,
    level_step,
    pixel_step,
    pixels,
    shear_step,
    side_step,
    symmetric,
    turn_step,
    zoom,
    zoom_pair,
    zoom_step,
)
from data.values import Choice, Flag, Number, Pair, Shift, Value, Whole, Zoom


def _moves_a_pixel(value: float | int) -> bool:
    return not (isinstance(value, int) and value <= 1)  # an int of 1 draws from 0 alone


def _shift_words(numbers: Floats, value: float | int) -> str:
    return f"{numbers[0]:+.3g} {'of the side' if value < 1 else 'px'}"


def _times(numbers: Floats, value: Value) -> str:
    return f"{numbers[0]:.3g} times"


def _flip(name: str, stream: int, axes: Callable[[Floats], tuple[Floats, Floats]]) -> Augmentation:
    return Augmentation(
        name, stream, False, "half of the images", Flag(), "geometric", coin,
        lambda drawn: geometry.scaling(*axes(drawn[:, 0])),
        ends=lambda value: FIRST_END,
        uncovers=lambda value: False,
        words=lambda numbers, value: "flipped" if numbers[0] < 0 else "as it is",
    )  # fmt: skip


def _multiplier(name: str, stream: int, paint: Callable[..., None]) -> Augmentation:
    return Augmentation(
        name,
        stream,
        [1.0, 1.0],
        "times",
        Pair(0, 10, 1.0),
        "pixel",
        between,
        paint=paint,
        words=_times,
        step=factor_step,
    )


def _option(
    name: str,
    stream: int,
    default: Value,
    unit: str,
    form: Any,
    matters: Callable[[Settings], bool],
) -> Augmentation:
    return Augmentation(name, stream, default, unit, form, "option", matters=matters)


def _fill_shows(settings: Settings) -> bool:
    return any(
        r.uncovers(settings[r.name])
        for r in _RECORDS
        if r.kind == "geometric" and r.is_on(settings[r.name])
    )


def _cval_shows(settings: Settings) -> bool:
    return _fill_shows(settings) and settings["fill_mode"] == "constant"


def _is_rand_augment(settings: Settings) -> bool:
    return bool(settings["policy"] == policies.RAND_AUGMENT)


FILL = ("fill_mode", "cval")  # what a picture that was moved is filled with
POLICY = ("policy_ops", "policy_magnitude")

_RECORDS: tuple[Augmentation, ...] = (
    Augmentation(
        "rotation_range", 1, 0.0, "degrees", Number(0, 360), "geometric", symmetric,
        lambda drawn: geometry.rotation(drawn[:, 0]), options=FILL,
        step=turn_step,
    ),
    Augmentation(
        "width_shift_range", 2, 0.0, "of the width below 1, px from 1 "
                                     "on", Shift(), "geometric", pixels,
        lambda drawn: geometry.shift(drawn[:, 0], np.zeros(len(drawn))),
        changes=_moves_a_pixel, words=_shift_words, step=pixel_step, options=FILL,
    ),
    Augmentation(
        "height_shift_range", 3, 0.0, "of the height below 1, px from 1 "
                                      "on", Shift(), "geometric", pixels,
        lambda drawn: geometry.shift(np.zeros(len(drawn)), drawn[:, 0]),
        changes=_moves_a_pixel, words=_shift_words, step=pixel_step, options=FILL,
    ),
    Augmentation(
        "shear_range", 4, 0.0, "degrees", Number(0, 89), "geometric", symmetric,
        lambda drawn: geometry.shear(drawn[:, 0]), options=FILL,
        step=shear_step,
    ),
    Augmentation(
        "zoom_range", 5, 0.0, "times; above 1 the picture shrinks", Zoom(), "geometric", zoom,
        lambda drawn: geometry.scaling(drawn[:, 0], drawn[:, 1]),
        uncovers=lambda value: zoom_pair(value)[1] > 1,
        words=_times, step=zoom_step, options=FILL,
    ),
    _flip("horizontal_flip", 6, lambda sign: (sign, np.ones_like(sign))),
    _flip("vertical_flip", 7, lambda sign: (np.ones_like(sign), sign)),
    Augmentation(
        "channel_shift_range", 8, 0.0, "grey levels", Number(0, 255), "pixel", symmetric,
        paint=colour.shift_channels, step=level_step,
    ),
    _multiplier("brightness_range", 9, colour.brighten),
    _multiplier("contrast_range", 10, colour.change_contrast),
    _multiplier("saturation_range", 11, colour.saturate),
    Augmentation(
        "policy", 12, "none", "", Choice(policies.POLICIES), "pixel", policies.draw_policy,
        paint=policies.apply_policy, moves=policies.policy_matrices, ends=policies.policy_ends,
        words=policies.describe_policy, options=POLICY, drawn_with=POLICY,
    ),
    Augmentation(
        "cutout", 13, 0.0, "fraction of the side", Number(0, 1), "pixel", colour.square,
        paint=colour.cut_out, covers=colour.share_cut,
        ends=lambda value: ((0.5, 0.5, 0.0, 0.0),),
        words=lambda numbers, value: f"{value:.3g} of the side",
        step=side_step,
    ),
    _option("fill_mode", 14, "nearest", "", Choice(geometry.FILL_MODES), _fill_shows),
    _option("cval", 15, 0, "grey level", Whole(0, 255, rounds=True), _cval_shows),
    _option("policy_ops", 16, 2, "operations an "
                                 "image", Whole(1, policies.MOST_OPS), _is_rand_augment),
    _option("policy_magnitude", 17, 10, "of 30", Whole(0, policies.TOP), _is_rand_augment),
)  # fmt: skip

AUGMENTATIONS: dict[str, Augmentation] = {record.name: record for record in _RECORDS}
_IDENTITIES: dict[str, Value] = {record.name: record.parse(record.identity) for record in _RECORDS}


def complete(settings: Settings) -> dict[str, Value]:
    """Every augmentation's value in canonical spelling, the identity where `settings` says nothing.

    Raises UserError for an unknown name or a value that is not allowed.
    """
    if not isinstance(settings, Mapping):
        raise UserError(
            f"augmentation: received {settings!r}; allowed: a mapping of names to values"
        )
    for name in settings:
        check_name(name)
    # A pair comes back as a list of the caller's own, the identity's too.
    return {
        name: record.parse(settings[name])
        if name in settings
        else list(identity)
        if isinstance(identity := _IDENTITIES[name], list)
        else identity
        for name, record in AUGMENTATIONS.items()
    }


def active(settings: Settings) -> dict[str, Value]:
    """Only what changes pictures, in table order: two settings with the same effect have the same
    JSON text.

    Compare or hash that text, not the dict: to Python 2 == 2.0, but a shift of 2 (int) draws whole
    pixels and 2.0 does not.
    """
    full = complete(settings)
    return {name: full[name] for name, record in AUGMENTATIONS.items() if _has_effect(record, full)}


def alone(name: str, settings: Settings) -> dict[str, Value]:
    """One augmentation of `settings` by itself: its value, and those of its options that `settings`
    names.

    The one way to take an augmentation out of a setting. Raises KeyError where `settings` does not
    have it.
    """
    options = {
        option: settings[option] for option in AUGMENTATIONS[name].options if option in settings
    }
    return {name: settings[name], **options}


def options_of(settings: Settings) -> dict[str, Value]:
    """Every option's value, the default where `settings` says nothing."""
    full = complete(
        {name: value for name, value in settings.items() if AUGMENTATIONS[name].kind == "option"}
    )
    return {name: full[name] for name, record in AUGMENTATIONS.items() if record.kind == "option"}


def is_option(name: str) -> bool:
    """Whether a setting says how others act and changes nothing alone."""
    return AUGMENTATIONS[name].kind == "option"


def is_identity(settings: Settings) -> bool:
    """Whether no picture can change."""
    return not active(settings)


def idle(settings: Settings) -> dict[str, str]:
    """The settings that were given a value of their own and yet change nothing, each with its
    reason."""
    full = complete(settings)
    return {
        name: _reason(record, full)
        for name, record in AUGMENTATIONS.items()
        if full[name] != record.identity and not _has_effect(record, full)
    }


def draw(settings: Settings, size: int, units: Callable[[int], Floats]) -> dict[str, Floats]:
    """The numbers of each active augmentation for k images of `size` pixels a side: name -> [k, p].

    units: a record's stream number -> uniform draws [k, 4]. Shifts are in pixels, angles in
    degrees, factors as multiplied.
    """
    values = active(settings)
    full = complete(values)
    return {
        name: record.draw(
            units(record.stream), size, full[name], *(full[option] for option in record.drawn_with)
        )
        for name in values
        if (record := AUGMENTATIONS[name]).draw is not None
    }


def check_name(name: object) -> str:
    """The name, if the table has it. Raises UserError with the nearest name and all the names that
    are allowed.
    """
    if isinstance(name, str) and name in AUGMENTATIONS:
        return name
    nearest = get_close_matches(str(name), AUGMENTATIONS, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}? Allowed" if nearest else "; allowed"
    raise UserError(
        f"augmentation: received the unknown name {name!r}{hint}: {', '.join(AUGMENTATIONS)}"
    )


def _has_effect(record: Augmentation, full: Settings) -> bool:
    value = full[record.name]
    if record.kind == "option":
        return value != record.identity and record.matters(full)
    return record.is_on(value)


def _reason(record: Augmentation, full: Settings) -> str:
    value = full[record.name]
    if record.kind != "option":
        return f"the int {value} draws only 0 pixels and changes 0 pixels; write 1.0 or more"
    return "nothing that is on reads it"
