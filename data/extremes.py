"""Each augmentation at the ends of its range: fixed draws, a label in the unit of the experiment
file, and the pictures.

For contact sheets and for `safety`, which measures them. Random views are `views`.
"""

from dataclasses import dataclass

import numpy as np

from data.augmentations import AUGMENTATIONS, check_name, complete
from data.geometry import Images
from data.records import Floats, Settings, Units
from data.values import Value
from data.views import Indices, check_images, make_plan, paint


@dataclass(frozen=True)
class Extreme:
    """One augmentation at one end of its range: the settings that turn it on alone, and the uniform
    draws that lead there.
    """

    name: str
    value: Value
    label: str
    units: Units

    def draws(self, num_images: int) -> Floats:
        """The fixed draws of some images, [num_images, 4]: what `draw` takes from `units`."""
        return np.tile(np.array(self.units), (num_images, 1))


def extremes(name: str, value: object, options: Settings | None = None) -> tuple[Extreme, ...]:
    """The ends of one augmentation's range, labelled in the unit of the experiment file; none for
    the identity or an option.

    `options` are the settings that it acts with. Raises UserError as `complete` does.
    """
    full = complete({**(options or {}), check_name(name): value})
    record, parsed = AUGMENTATIONS[name], full[name]
    if record.draw is None or parsed == record.identity:
        return ()
    found: dict[str, Extreme] = {}
    for units in record.ends(parsed):
        # A side of 1 pixel leaves fractions of the side as they are written.
        numbers = record.draw(
            np.array([units]), 1, parsed, *(full[option] for option in record.drawn_with)
        )
        label = record.describe(numbers[0], parsed)
        found.setdefault(label, Extreme(name, parsed, label, units))
    return tuple(found.values())


def augment_to(
    images: Images,
    indices: Indices,
    extreme: Extreme,
    options: Settings | None = None,
) -> Images:
    """The images at one end of one augmentation's range; `options` are the settings that it acts
    with."""
    picks = check_images(images, indices)
    settings = {**(options or {}), extreme.name: extreme.value}
    return paint(
        images, picks, make_plan(settings, images.shape[1], lambda _: extreme.draws(len(picks)))
    )
