"""Augmentations of an experiment that change no picture of its dataset: colours of grey pictures,
strengths too small to show. Said, or refused, before anything is trained."""

from collections.abc import Container, Iterator, Mapping
from functools import partial

import numpy as np

from data.augmentations import AUGMENTATIONS, is_option, options_of
from data.dataset import TRAIN, VALIDATION
from data.errors import UserError
from data.messages import literal
from data.own_augmentations import is_from_outside
from data.own_code_watch import watched
from data.unchanged import Sample, same_ends, why_unchanged
from search.driver.code_files import PAINTING_SECONDS
from search.driver.prepare import Prepared
from search.experiment.dimensions import Range
from search.experiment.seeds import derive_seed
from search.experiment.space import Space


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
    pool = np.flatnonzero(np.isin(dataset.splits, (TRAIN, VALIDATION)))
    order = np.random.default_rng(seed).permutation(pool)
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
