"""Which trials of many searches may be one training, by how much speaks for it.

In bits: chance gives so many with a probability of two to the minus that. A class of 200 with 30
trials each has 18 million pairs of trials, in 20,000 pairs of students.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from search.verification.answer_prints import NEAR, NUM_BLOCKS, RowPrint
from search.verification.fingerprints import Fingerprint, Mark

# what a pair of trials shows beyond what some of a pair of students' do by chance
BITS_OF_PAIRS = 12.0
# what all trials of two searches together must show beyond that: 20,000 pairs of searches take 14
# of it, one class in a thousand 10, and 4 are left for what bits do not know
LEAST_BITS = 28.0
# files that are kept of all that hold one mark of one training: a class of one seed holds each 200
# times
MOST_HELD = 4


class Holder(NamedTuple):
    """A trial that an earlier file holds: which file's, what speaks for its being the sought one,
    in bits beyond what pairs of trials show by chance, and whether two honest searches may share
    it. near: it drew the same seeds and images."""

    file: str
    bits: float
    honest: bool
    near: bool = False


class Pair(NamedTuple):
    """A trial beside those of one earlier file: the likeliest that no two honest searches share,
    and the first that they may."""

    other: Holder | None
    honest: Holder | None


def proved(found: Iterable[Mapping[str, Pair]]) -> dict[str, float]:
    """Bits by file, of the trials of one search together; each trial's for the file alone that has
    most of it, since what proves little of each of many files would add up for all of them."""
    most = []
    for pairs in found:
        others = [pair.other for pair in pairs.values() if pair.other]
        most += [max(others, key=lambda each: each.bits)] if others else []
    return _summed(most)


def copied(found: Sequence[Mapping[str, Pair]]) -> set[str]:
    """The files of which chance does not give so much to one search. Where there is one, others are
    by the same limit, each for itself: of three copies, any is a copy of both others."""
    if max(proved(found).values(), default=0.0) < LEAST_BITS:
        return set()
    every = [pair.other for pairs in found for pair in pairs.values() if pair.other]
    return {file for file, bits in _summed(every).items() if bits >= LEAST_BITS}


def _summed(holders: Iterable[Holder]) -> dict[str, float]:
    bits: dict[str, float] = {}
    for each in holders:
        bits[each.file] = bits.get(each.file, 0.0) + each.bits
    return bits


class Index:
    """Who was first to hold which mark of which training, and every training's answers."""

    def __init__(self) -> None:
        self._holders: dict[Mark, dict[str, list[int]]] = {}
        self._held: list[tuple[str, Fingerprint]] = []
        self._rows: dict[int, _Rows] = {}

    def add(self, file: str, prints: Iterable[Fingerprint]) -> None:
        for each in prints:
            place = len(self._held)
            self._held.append((file, each))
            for mark in each.marks:
                places = self._holders.setdefault(mark, {}).setdefault(each.training, [])
                if not places or (len(places) < MOST_HELD and self._held[places[-1]][0] != file):
                    places.append(place)
            for row in each.rows:
                self._rows.setdefault(row.num_images, _Rows()).add(place, each.training, row)

    def holders(self, sought: Fingerprint) -> dict[str, Pair]:
        """By file, each for itself. What drew the same seeds is explained by whatever two honest
        searches share, in any file."""
        found = [self._judged(sought, *each) for each in sorted(self._alike(sought).items())]
        explained = any(each.honest for each in found)
        pairs: dict[str, Pair] = {}
        for each in found:
            other, honest = pairs.get(each.file, Pair(None, None))
            if each.honest:
                pairs[each.file] = Pair(other, honest or each)
            elif each.bits > (other.bits if other else 0.0) and not (each.near and explained):
                pairs[each.file] = Pair(each, honest)
        return pairs

    def resembled(self, sought: Fingerprint) -> set[str]:
        """The files in which a trial has at least half of its blocks: no proof, but where other
        trials of the two files are one training, this one is, too."""
        alike = [self._rows[row.num_images].alike(row) for row in self._comparable(sought)]
        return {self._held[place][0] for each in alike for place in each.halves}

    def _comparable(self, sought: Fingerprint) -> list[RowPrint]:
        return [row for row in sought.rows if row.num_images in self._rows]

    def _alike(self, sought: Fingerprint) -> dict[int, float]:
        """By place of whatever may be alike: the bits of answers that agree without being equal."""
        found = {
            place: 0.0
            for mark in sought.marks
            for places in self._holders.get(mark, {}).values()
            for place in places
        }
        for row in self._comparable(sought):
            for place, bits in self._rows[row.num_images].alike(row).bits.items():
                found[place] = found.get(place, 0.0) + bits
        return found

    def _judged(self, sought: Fingerprint, place: int, alike: float) -> Holder:
        file, held = self._held[place]
        same, near = held.training == sought.training, held.draws == sought.draws
        common = sought.common | held.common if near else frozenset[Mark]()
        bits = {"seconds": 0.0, "curve": 0.0, "block": 0.0}
        for mark in sought.marks.keys() & held.marks.keys() - common:
            kind, proves = str(mark[0]), min(sought.marks[mark], held.marks[mark])
            bits[kind] = bits[kind] + proves if kind == "block" else max(bits[kind], proves)
        if bits["seconds"] > BITS_OF_PAIRS:
            return Holder(file, bits["seconds"] - BITS_OF_PAIRS, honest=False)
        proved = max(bits["curve"], bits["block"], 0.0 if near else alike) - BITS_OF_PAIRS
        honest = same or (near and alike > BITS_OF_PAIRS and proved <= 0)
        return Holder(file, 0.0 if honest else proved, honest, near)


class _Alike(NamedTuple):
    """What some blocks agree with. bits: by place, where that proves any. halves: places of which
    half of the blocks agree."""

    bits: dict[int, float]
    halves: list[int]


class _Rows:
    """Of all trainings with one number of images: their seeds' blocks, to be compared with those of
    one at once."""

    def __init__(self) -> None:
        self._known: Counter[tuple[str, tuple[int, ...]]] = Counter()
        self._new: list[tuple[int, RowPrint]] = []
        self._places = np.zeros(0, np.int64)
        self._columns: list[np.ndarray] = []

    def add(self, place: int, training: str, row: RowPrint) -> None:
        """One that the same training has given often enough is left out."""
        self._known[training, row.exact] += 1
        if self._known[training, row.exact] <= MOST_HELD:
            self._new.append((place, row))

    def alike(self, row: RowPrint) -> _Alike:
        self._take()
        sums, classes, near_bits, class_bits = self._columns
        near = np.zeros(classes.shape, bool)
        first = np.abs(sums[:, :, 0] - row.sums[:, 0]) < 4 * NEAR
        close = np.flatnonzero(first.sum(axis=1) >= NUM_BLOCKS // 4)
        near[close] = np.sqrt(np.square(sums[close] - row.sums).mean(axis=2)) < NEAR
        same = classes == np.array(row.classes)
        bits = np.maximum(
            _proved(near, near_bits, row.near_bits), _proved(same, class_bits, row.class_bits)
        )
        best: dict[int, float] = {}
        for number in np.flatnonzero(bits > 0):
            place = int(self._places[number])
            best[place] = max(best.get(place, 0.0), float(bits[number]))
        half = 2 * np.maximum(near.sum(axis=1), same.sum(axis=1)) >= NUM_BLOCKS
        return _Alike(best, self._places[half].tolist())

    def _take(self) -> None:
        if not self._new:
            return
        fresh = [
            np.stack([getattr(row, name) for _, row in self._new])
            for name in ("sums", "classes", "near_bits", "class_bits")
        ]
        pairs = zip(self._columns, fresh, strict=True)
        self._columns = [np.concatenate(each) for each in pairs] if self._columns else fresh
        self._places = np.concatenate([self._places, [place for place, _ in self._new]])
        self._new = []


def _proved(agrees: np.ndarray, held: np.ndarray, sought: np.ndarray) -> np.ndarray:
    """float [rows]: bits of blocks that agree, as the side says that has more of them; one less for
    each that could have, since nobody said which would. agrees, held: [rows, blocks]."""
    ours = agrees @ sought - (sought > 0).sum()
    return np.maximum(ours, (agrees * held).sum(axis=1) - (held > 0).sum(axis=1))
