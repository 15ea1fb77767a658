"""What was done to a data set on the way in, so that a report can say so: conversions, files left
out, copies; and its name by its content, which must be the same for two searches to be over the
same images.

Decides nothing.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from data.messages import first_of, plural
from data.secrets import redacted

# Notes are stored and shown, and a path of a csv file may be an address.
Words = Annotated[str, AfterValidator(redacted)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LeftOut(_Frozen):
    """A file that is not in the data set, and why."""

    name: Words
    reason: Words


class Converted(_Frozen):
    """How many images were converted in one way, with the names of the first few."""

    count: int
    first: tuple[Words, ...]


class DepthScale(_Frozen):
    """How images of more than 8 bits per channel became 8: a value v is 255 v / white, and at most
    255.

    count: of the images; level: the highest of them (`bit_depth.Level`), with its name; faint: how
    many use less than a sixteenth of the range.
    """

    white: float
    count: int
    level: float
    name: Words
    faint: int

    def line(self, kind: str) -> str:
        """One sentence. kind: "whole numbers" or "floats"."""
        text = (
            f"{plural(self.count, 'image')} of more than 8 bits per channel ({kind}): v became 255 "
            f"v / {self.white:g}, as the highest, {self.name}, goes up to {self.level:g}"
        )
        if not self.faint:
            return text
        return (
            f"{text}; {self.faint} of them use less than a sixteenth of that: are they of another "
            "range?"
        )


class Groups(_Frozen):
    """How many groups the images are of, the largest by name, and how many images have none, each
    of which stands for itself and counts as one. independent_share: of all images, how many tell as
    much if those of a group were always answered alike.
    """

    count: Annotated[int, Field(ge=1)]
    largest: Words
    largest_count: Annotated[int, Field(ge=1)]
    alone: Annotated[int, Field(ge=0)]
    independent_share: Annotated[float, Field(gt=0, le=1)]

    def line(self) -> str:
        text = (
            f"images of {self.count:,} groups resampled together, each in one split and one fold; "
            f"the largest, '{self.largest}', has {plural(self.largest_count, 'image')}"
        )
        if not self.alone:
            return text
        stand = plural(self.alone, "image has no group and stands", "images have none and stand")
        return f"{text}; {stand} alone"


class DataNotes(_Frozen):
    """`found` by what was done with files and folders (passed over, taken from deeper folders);
    `converted` by conversion ("grey", "turned by EXIF"); `scales` by kind of number; `duplicates`
    by (name, the first name it copies).

    Duplicates are within one split, and kept. labels: sentences on what is odd about them,
    and about names. groups: where the experiment names some.
    """

    labels: tuple[Words, ...] = ()
    found: dict[str, Converted] = {}
    converted: dict[str, Converted] = {}
    scales: dict[str, DepthScale] = {}
    left_out: tuple[LeftOut, ...] = ()
    duplicates: tuple[tuple[Words, Words], ...] = ()
    groups: Groups | None = None

    def lines(self) -> tuple[str, ...]:
        """One sentence a kind of note, for a terminal or a page; empty when there is nothing to
        say."""
        lines = list(self.labels)
        lines += [self.groups.line()] if self.groups else []
        lines += [
            f"{plural(how.count, 'file or folder', 'files and folders')} {what}: "
            f"{first_of(how.first, 3, how.count)}"
            for what, how in sorted(self.found.items())
        ]
        lines += [
            f"{plural(how.count, 'image')} converted ({reason}): "
            f"{first_of(how.first, 3, how.count)}"
            for reason, how in sorted(self.converted.items())
        ]
        lines += [scale.line(kind) for kind, scale in sorted(self.scales.items())]
        if self.left_out:
            names = [f"{item.name} ({item.reason})" for item in self.left_out]
            lines.append(f"{plural(len(names), 'file')} left out: {first_of(names)}")
        if self.duplicates:
            pairs = [
                f"{name} = {same}" if name != same else _listed(name, 1 + again)
                for (name, same), again in Counter(self.duplicates).items()
            ]
            lines.append(
                f"{plural(len(pairs), 'copy', 'copies')} within a split: {first_of(pairs)}"
            )
        return tuple(lines)


def _listed(name: str, times: int) -> str:
    return f"{name} is listed {'twice' if times == 2 else f'{times} times'}"


@dataclass(frozen=True)
class DatasetContent:
    """What a dataset's digest is made of. digests: uint8 [n, 32], sha256 of each image's pixels;
    scales: of images of more than 8 bits per channel, by kind; groups: where the experiment names
    them.
    """

    digests: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    class_names: tuple[str, ...]
    scales: Mapping[str, DepthScale]
    groups: np.ndarray | None = None


def dataset_digest(content: DatasetContent, size: int) -> str:
    """Names a dataset by its content. size: in pixels a side."""
    whites = {kind: scale.white for kind, scale in content.scales.items()}
    names = content.class_names
    digest = sha256(json.dumps([size, names, whites] if whites else [size, names]).encode())
    for part in (content.digests, content.labels.astype("<i4"), content.splits):
        digest.update(part.tobytes())
    if content.groups is not None:
        digest.update(b"groups" + content.groups.astype("<i8").tobytes())
    return digest.hexdigest()
