"""Augmentations of an experiment that change no picture of its dataset (colours of grey pictures,
strengths too small to show): each alone is painted, at the ends of its range and at random, on a
dozen pictures, and on more where none of them changed. Said, or refused, before anything is
trained."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from data.augmentation_record import AugmentationValues
from data.augmentations import AUGMENTATIONS, is_option, options_of, visible_value
from data.dataset import TRAIN, VALIDATION
from data.errors import UserError
from data.extremes import augment_to, extremes
from data.geometry import Images
from data.messages import literal
from data.own_augmentations import is_from_outside
from data.own_code_watch import watched
from data.value_forms import Value
from data.views import augment
from search.driver.code_files import PAINTING_SECONDS
from search.driver.prepare import Prepared
from search.experiment.dimensions import Range
from search.experiment.seeds import derive_seed
from search.experiment.space import Space

FEW, MANY = 12, 200  # pictures painted
OFTEN = 100  # pictures drawn by what is from outside, which takes milliseconds for each
MOST_LOOKED_AT, MOST_BYTES = 2000, 1 << 27  # of pictures in which colour is looked for
AT_ONCE = 64
RARE = 0.01  # chance of taking for never what is rare


@dataclass(frozen=True)
class Sample:
    """Pictures that augmentations are tried on. images: uint8 [n, s, s, 3]; order: int64 [k], those
    that may be painted, in an order drawn at random; options: what augmentations act with; seed: of
    random draws."""

    images: Images
    order: np.ndarray
    options: AugmentationValues
    seed: int

    @property
    def size(self) -> int:
        return int(self.images.shape[1])

    @cached_property
    def few(self) -> Images:
        return np.asarray(self.images[self.order[:FEW]])

    @cached_property
    def _colourful(self) -> np.ndarray:
        """bool, of the first of `order`: whether a picture is not grey."""
        most = max(FEW, MOST_BYTES // (3 * self.size**2))
        rows = self.order[: min(MOST_LOOKED_AT, most)]
        chunks = (
            self.images[rows[start : start + AT_ONCE]] for start in range(0, len(rows), AT_ONCE)
        )
        return np.concatenate([(each != each[..., :1]).any(axis=(1, 2, 3)) for each in chunks])

    @property
    def is_grey(self) -> bool:
        return not self._colourful.any()

    def many(self, count: int) -> Images:
        """Pictures with colours first, if there are any."""
        count = min(count, max(FEW, MOST_BYTES // (3 * self.size**2)))
        ranked = np.argsort(~self._colourful, kind="stable")
        return np.asarray(self.images[self.order[ranked[:count]]])


def unchanged_lines(prepared: Prepared) -> tuple[str, ...]:
    """A line for each augmentation that changes no picture. Raises UserError where nothing else is
    searched, or none changes any. Runs own code where some is named."""
    space, sample = prepared.space, _sample(prepared)
    values = {name: tried for name, tried in _values(space).items() if _is_meant(name, tried)}
    reasons = {name: _why(name, tried, sample) for name, tried in values.items()}
    found = {name: why for name, why in reasons.items() if why}
    lines = tuple(_line(space, name, why) for name, why in found.items())
    searched = set(space.dimensions)
    if found and (len(found) == len(values) or (searched and searched <= set(found))):
        raise UserError(
            f"{'; '.join(lines)}; nothing else is searched: write what changes these pictures, "
            "such as rotation_range: {min: 0, max: 30}"
        )
    return (*lines, *_same_lines(space, values, found, sample))


def _same_lines(
    space: Space, values: Mapping[str, list[object]], unchanged: Container[str], sample: Sample
) -> Iterator[str]:
    """A line for each augmentation from outside that is the same at both ends of what is searched,
    and changes pictures."""
    for name, tried in values.items():
        if name in unchanged or not (is_from_outside(name) and name in space.dimensions):
            continue
        call = partial(same_ends, name, tried, sample)
        ends = watched(name, call, PAINTING_SECONDS)
        if ends is not None:
            yield (
                f"augmentation.{name} draws the same pictures at {literal(ends[0])} and at "
                f"{literal(ends[1])}: what is searched does not change them; see that strength is "
                "used, or write one value"
            )


def _sample(prepared: Prepared) -> Sample:
    dataset, seed = prepared.dataset, derive_seed(prepared.config.seed, "preview")
    order = np.random.default_rng(seed).permutation(dataset.indices(TRAIN, VALIDATION))
    return Sample(dataset.images, order, options_of(prepared.space.strongest()), seed)


def _values(space: Space) -> Mapping[str, list[object]]:
    """Each augmentation, in the order of the table, with the values that may be tried."""
    written: dict[str, list[object]] = {
        name: [value] for name, value in space.fixed["augmentation"].items()
    }
    for name, dimension in space.dimensions.items():
        if space.section_of[name] == "augmentation":
            found = dimension.spread() if isinstance(dimension, Range) else dimension.extremes
            written[name] = list(found)
    return {name: written[name] for name in AUGMENTATIONS.ordered(written) if not is_option(name)}


def _is_meant(name: str, values: list[object]) -> bool:
    record = AUGMENTATIONS[name]
    return any(record.parse(value) != record.identity for value in values)


def _why(name: str, values: list[object], sample: Sample) -> str:
    call = partial(why_unchanged, name, values, sample)
    return watched(name, call, PAINTING_SECONDS) if is_from_outside(name) else call()


def _line(space: Space, name: str, why: str) -> str:
    strength = "at any strength searched" if name in space.dimensions else "as it is set"
    what_to_do = "leave it out" if "grey" in why else "leave it out, or set it stronger"
    return f"augmentation.{name} changes no picture {strength}: {why}; {what_to_do}"


def why_unchanged(name: str, values: Sequence[object], sample: Sample) -> str:
    """Why an augmentation changes no picture at any of its values, weak to strong; "" where it
    changes one, where no value is meant to, and where that may be chance."""
    record = AUGMENTATIONS[name]
    meant = [value for value in map(record.parse, values) if value != record.identity]
    on = [value for value in meant if record.is_on(value)]
    shown = [value for value in on if visible_value(name, value, sample.size) is not None]
    if not on:
        return record.idle(meant[-1]) if meant else ""
    if not shown:
        return f"{literal(on[-1])} is too little to show at {sample.size} x {sample.size} pixels"
    if _changes(sample.few, name, reversed(shown), sample):
        return ""
    pictures, ends = sample.many(FEW if is_from_outside(name) else MANY), (shown[-1], shown[0])
    if _changes(pictures, name, ends, sample):
        return ""
    if sample.is_grey and _changes(_tinted(pictures), name, ends, sample):
        return "the pictures are grey, and it changes colours alone"
    if not is_from_outside(name):
        return f"it leaves {len(pictures)} of them as they are"
    strongest = shown[-1]
    never = not _may_be_rare(strongest, 0.0) and all(
        (drawn == images).all() for images, drawn in _drawn_often(name, strongest, sample)
    )
    return f"it leaves {OFTEN} of them as they are" if never else ""


def same_ends(name: str, values: Sequence[object], sample: Sample) -> tuple[Value, Value] | None:
    """The weakest and the strongest value of an augmentation from outside, where it draws the same
    pictures at either: what is searched is not what it acts by. None elsewhere, and where that may
    be chance."""
    record = AUGMENTATIONS[name]
    on = [value for value in map(record.parse, values) if record.is_on(value)]
    if len(on) < 2 or on[0] == on[-1] or _may_be_rare(on[-1], on[0]):
        return None
    weak, strong = (_drawn_often(name, value, sample) for value in (on[0], on[-1]))
    is_same = all((one[1] == two[1]).all() for one, two in zip(weak, strong, strict=True))
    return (on[0], on[-1]) if is_same else None


def _may_be_rare(value: Value, other: Value) -> bool:
    """Whether, if the values were probabilities, as many draws could well show no difference."""
    apart = abs(float(value) - float(other))  # type: ignore[arg-type]
    return apart < 1 and (1 - apart) ** OFTEN > RARE


def _drawn_often(name: str, value: Value, sample: Sample) -> Iterator[tuple[Images, Images]]:
    """Pictures, and what is drawn of them, OFTEN in all; the first few first."""
    images, picks = sample.few, np.arange(len(sample.few))
    for view in range(-(-OFTEN // len(images))):
        yield images, augment(images, picks, {**sample.options, name: value}, sample.seed, view)


def _changes(images: Images, name: str, values: Iterable[Value], sample: Sample) -> bool:
    """Whether one of the images comes out otherwise at one of the values."""
    return any((each != images).any() for each in _painted(images, name, values, sample))


def _painted(
    images: Images, name: str, values: Iterable[Value], sample: Sample
) -> Iterator[Images]:
    """The images at each end of each value, and drawn at random."""
    picks, options = np.arange(len(images)), sample.options
    for value in values:
        for end in reversed(extremes(name, value, options)):
            yield augment_to(images, picks, end, options)
        yield augment(images, picks, {**options, name: value}, sample.seed, 0)


def _tinted(images: Images) -> Images:
    """Grey pictures with a colour for each level."""
    levels = images[..., 0]
    return np.stack([levels, levels // 2, 255 - levels], axis=-1)
