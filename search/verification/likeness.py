"""Which trials of many searches may be one training, by how much speaks for it.

In bits: chance gives so many with a probability of two to the minus that. A class of 200 with 30
trials each has 18 million pairs of trials, in 20,000 pairs of students.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from search.verification.answer_prints import NEAR, NUM_BLOCKS, RowPrint
from search.verification.fingerprints import Fingerprint, Mark

# what a pair of trials shows beyond what some of a pair of students' do by chance
BITS_OF_PAIRS = 12.0
# what all trials of two searches together must show beyond that: 20,000 pairs of searches take 14
# of it, one class in a thousand 10, and 4 are left for what bits do not know
LEAST_BITS = 28.0


class Holder(NamedTuple):
    """A trial that an earlier file holds: which file's, what speaks for its being the sought one,
    in bits beyond what pairs of trials show by chance, and whether two honest searches may share
    it. near: it drew the same seeds and images."""

    file: str
    bits: float
    honest: bool
    near: bool = False


class Index:
    """Who was first to hold which mark of which training, and every training's answers."""

    def __init__(self) -> None:
        self._holders: dict[Mark, dict[str, int]] = {}
        self._held: list[tuple[str, Fingerprint]] = []
        self._rows: dict[int, _Rows] = {}

    def add(self, file: str, prints: Iterable[Fingerprint]) -> None:
        for each in prints:
            place = len(self._held)
            self._held.append((file, each))
            for mark in each.marks:
                self._holders.setdefault(mark, {}).setdefault(each.training, place)
            for row in each.rows:
                self._rows.setdefault(row.num_images, _Rows()).add(place, each.training, row)

    def holders(self, sought: Fingerprint) -> tuple[Holder | None, Holder | None]:
        """The likeliest that no two honest searches share, and the first that they may. What drew
        the same seeds is explained by the second."""
        found = [self._judged(sought, *each) for each in sorted(self._alike(sought).items())]
        honest = next((each for each in found if each.honest), None)
        others = [
            each
            for each in found
            if not each.honest and each.bits > 0 and not (each.near and honest)
        ]
        return max(others, key=lambda each: each.bits, default=None), honest

    def resembles(self, sought: Fingerprint, file: str) -> bool:
        """Whether at least half of a trial's blocks are those of one in that file: no proof, but
        where other trials of the two are one training, this one is, too."""
        return any(
            each.file == file and each.is_half
            for row in sought.rows
            for each in self._compared(row)
        )

    def _compared(self, row: RowPrint) -> Iterator["_Alike"]:
        rows = self._rows.get(row.num_images)
        for place, bits, is_half in rows.alike(row) if rows is not None else ():
            yield _Alike(self._held[place][0], place, bits, is_half)

    def _alike(self, sought: Fingerprint) -> dict[int, float]:
        """By place of whatever may be alike: the bits of answers that agree without being equal."""
        found = {p: 0.0 for m in sought.marks for p in self._holders.get(m, {}).values()}
        for row in sought.rows:
            best: dict[int, float] = {}
            for each in self._compared(row):
                best[each.place] = max(best.get(each.place, 0.0), each.bits)
            for place, bits in best.items():
                if bits > 0:
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
    """A row of a place that some blocks agree with: what that proves, in bits; and whether half of
    them do."""

    file: str
    place: int
    bits: float
    is_half: bool


class _Rows:
    """Of all trainings with one number of images: their seeds' blocks, to be compared with those of
    one."""

    def __init__(self) -> None:
        self._known: set[tuple[str, tuple[str, ...]]] = set()
        self._new: list[np.ndarray] = []
        self._sums = np.zeros((0, 0, 0), np.float32)
        self._rows: list[tuple[int, RowPrint]] = []
        self._classes: dict[tuple[int, str], list[int]] = {}

    def add(self, place: int, training: str, row: RowPrint) -> None:
        """One that the same training has given already is left out."""
        if (training, row.exact) in self._known:
            return
        self._known.add((training, row.exact))
        for block in enumerate(row.classes):
            if row.class_bits[block[0]]:
                self._classes.setdefault(block, []).append(len(self._rows))
        self._rows.append((place, row))
        self._new.append(row.sums)

    def alike(self, row: RowPrint) -> Iterator[tuple[int, float, bool]]:
        """Place, bits, and whether at least half of the blocks agree, of each that shares any."""
        if self._new:
            fresh = np.stack(self._new)
            self._sums = np.concatenate([self._sums, fresh]) if self._sums.size else fresh
            self._new = []
        first = np.abs(self._sums[:, :, 0] - row.sums[:, 0]) < 4 * NEAR
        close = np.flatnonzero(first.sum(axis=1) >= NUM_BLOCKS // 4)
        apart = np.sqrt(np.square(self._sums[close] - row.sums).mean(axis=2))
        for number, agrees in zip(close.tolist(), apart < NEAR, strict=True):
            place, held = self._rows[number]
            bits = max(_proved(agrees, each.near_bits) for each in (row, held))
            yield place, bits, 2 * agrees.sum() >= NUM_BLOCKS
        blocks = enumerate(row.classes)
        for number in {n for block in blocks for n in self._classes.get(block, ())}:
            place, held = self._rows[number]
            agrees = np.array([a == b for a, b in zip(row.classes, held.classes, strict=True)])
            bits = max(_proved(agrees, each.class_bits) for each in (row, held))
            yield place, bits, 2 * agrees.sum() >= NUM_BLOCKS


def _proved(agrees: np.ndarray, bits: np.ndarray) -> float:
    """Of blocks that agree; one less for each that could have, since nobody said which would."""
    return float(bits[agrees].sum() - (bits > 0).sum())
