"""Groups: images that must not be told apart by chance, such as those of one patient, one product
or one burst. Who is in which, and the draw of splits that tears none.

Copies are groups too; they are found in `splits`. Folds of a cross-validation are the search's
business.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from data.dataset_notes import Groups
from data.errors import UserError
from data.listing import Listing
from data.messages import escaped, first_of, literal, plural
from data.settings import DatasetConfig, Split
from data.splits import SPLIT_NAMES, TEST, TRAIN, VALIDATION, draw_splits

# What is left of a file's name once what tells pictures of one thing apart is taken off its end: a
# letter, a small number, a side: IMG_12_a, IMG_12 (2), p7-left, scan3.view1
_MEMBER = re.compile(
    r"(?P<group>.*\d.*?)[ _.-]*(?:[ _.-](?:[a-z]{1,6}[ _-]?)?\d{1,3}|[ _.-][a-z]|\(\d{1,3}\)"
    r"|[ _.-](?:left|right|front|back|top|side|crop|copy))",
    re.IGNORECASE,
)
FEWEST_GROUPS = 5
GROUPED_SHARE = 0.5  # of the images, whose names must be of a group of two or more
FEW_GROUPS = 3  # of a class to be expected in a bin; more will be there without being put there


def check_groups(names: Sequence[str] | None, config: DatasetConfig) -> None:
    """Raise UserError where groups were asked for and no image has any."""
    if names is None or not names or any(names):
        return
    if config.group_pattern is not None:
        raise UserError(
            f"dataset.group_pattern: {literal(config.group_pattern)} is in none of the "
            f"{len(names):,} paths; they are written from dataset.path on, with /"
        )
    raise UserError(f"dataset.group_column: {literal(config.group_column)} is empty for all images")


def groups_of(listing: Listing, positions: np.ndarray, copy_of: np.ndarray) -> np.ndarray:
    """int64 [n]: the first image that each of those at `positions` must stay with, as a copy of it
    or as one of its group. copy_of: as `splits.first_copies` has it."""
    if listing.groups is None:
        return copy_of
    return joined(first_of_group([listing.groups[place] for place in positions]), copy_of)


def draw_all(listing: Listing, positions: np.ndarray, seed: int, groups: np.ndarray) -> np.ndarray:
    """The final splits of the images at `positions`, int8 [n]."""
    draw = draw_splits if listing.groups is None else draw_group_splits
    return draw(listing.labels[positions], listing.splits[positions], listing.draw, seed, groups)


def first_of_group(names: Sequence[str]) -> np.ndarray:
    """int64 [n]: the position of the first image of the same group; its own where it has none."""
    first: dict[str, int] = {}
    places = (first.setdefault(name, place) if name else place for place, name in enumerate(names))
    return np.fromiter(places, np.int64, len(names))


def joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """int64 [n]: the first image that each is tied to by either, or by both in turn. one, other:
    such positions, as `first_of_group` and `splits.first_copies` give them."""
    found = one
    while True:
        lowest = found.copy()
        for ties in (one, other):
            np.minimum.at(lowest, ties, lowest.copy())
            lowest = np.minimum(lowest, lowest[ties])
        if np.array_equal(lowest, found):
            return found
        found = lowest


def crossing_groups(listing: Listing) -> tuple[str, ...]:
    """A line for each group that is in several of the splits that the source has: an image of
    each."""
    seen: dict[str, dict[int, str]] = {}
    named = () if listing.groups is None else listing.names
    rows = zip(named, listing.groups or (), listing.splits.tolist(), strict=False)
    for name, group, split in rows:
        if group:
            seen.setdefault(group, {}).setdefault(split, name)
    return tuple(
        f"'{escaped(group)}' ("
        + ", ".join(f"{SPLIT_NAMES[split]}: {name}" for split, name in sorted(found.items()))
        + ")"
        for group, found in seen.items()
        if len(found) > 1
    )


def draw_group_splits(
    labels: np.ndarray, declared: np.ndarray, draw: Split | None, seed: int, groups: np.ndarray
) -> np.ndarray:
    """The final split of every image, int8 [n]: `declared`, with the fractions of `draw` taken from
    train, a whole group at a time.

    groups: int64 [n], the same number for images of one group, which lie in one declared split. The
    draw depends on the seed, the labels, the groups and their order.
    """
    splits = declared.astype(np.int8)
    if draw is None or not len(labels):
        return splits
    shares = {TRAIN: 1 - draw.validation - draw.test, VALIDATION: draw.validation, TEST: draw.test}
    bins = [split for split, share in shares.items() if share]
    pool = np.flatnonzero(declared == TRAIN)
    drawn = deal_groups(labels[pool], groups[pool], [shares[split] for split in bins], seed)
    splits[pool] = np.array(bins, np.int8)[drawn]
    return splits


def deal_groups(
    labels: np.ndarray, groups: np.ndarray, shares: Sequence[float], seed: int
) -> np.ndarray:
    """A bin for each image, int64 [n], so that every bin has its share of every class, as nearly
    as whole groups allow, and an image of every class that has a group for it.

    As scikit-learn's StratifiedGroupKFold deals: the most uneven groups first, each to the bin
    that it leaves most even; but for bins that need not be equal, and in a tenth of the time
    (10,000 groups: 0.3 seconds), as every trial asks. Before that each class of few groups is given
    to the bins that have none of it, by its smallest groups, the rarest class first.
    """
    _, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((int(group.max(initial=-1)) + 1, int(labels.max(initial=0)) + 1))
    np.add.at(counts, (group, labels), 1)
    key = int.from_bytes(sha256(f"groups {seed}".encode()).digest()[:16], "big")
    draws = np.random.Philox(key=key).random_raw(len(counts))
    order = np.lexsort((draws, -counts.std(axis=1)))
    dealt = _Dealt(counts, np.asarray(shares))
    dealt.give_rare_classes(order)
    for each in order:
        if dealt.bin_of[each] < 0:
            dealt.put(each, int(dealt.costs(each).argmin()))
    return dealt.bin_of[group]


class _Dealt:
    """Groups dealt so far. bin_of: int64 [groups], -1 where one is not dealt yet. filled: float64
    [bins, classes], the share that each bin has of what it should have of each class."""

    def __init__(self, counts: np.ndarray, shares: np.ndarray) -> None:
        self._counts, self._shares = counts, shares[:, None]
        self._due = self._shares * np.maximum(counts.sum(axis=0), 1)
        self.bin_of = np.full(len(counts), -1, np.int64)
        self.filled = np.zeros(self._due.shape)

    def put(self, group: int, bin_number: int) -> None:
        self.bin_of[group] = bin_number
        self.filled[bin_number] += self._counts[group] / self._due[bin_number]

    def costs(self, group: int) -> np.ndarray:
        """float64 [bins]: what the variance of `filled` would gain in each, over all classes."""
        more = self._counts[group] / self._due
        ahead = self.filled - (self._shares * (self.filled + self._shares * more)).sum(axis=0)
        cost: np.ndarray = (self._shares * more * (2 * ahead + more)).sum(axis=1)
        return cost

    def give_rare_classes(self, order: np.ndarray) -> None:
        num_groups = (self._counts > 0).sum(axis=0)
        smallest_first = order[np.argsort(self._counts[order].sum(axis=1), kind="stable")]
        for label in np.argsort(num_groups, kind="stable"):
            for bin_number in np.argsort(self._shares[:, 0], kind="stable"):
                if self._shares[bin_number, 0] * num_groups[label] > FEW_GROUPS:
                    continue
                free = smallest_first[self.bin_of[smallest_first] < 0]
                with_it = free[self._counts[free, label] > 0]
                if len(with_it) and not self.filled[bin_number, label]:
                    self.put(int(with_it[0]), int(bin_number))


def describe_groups(listing: Listing, positions: np.ndarray, groups: np.ndarray) -> Groups | None:
    """groups: int64 [n], as `groups_of` has them. None where the experiment names none."""
    if listing.groups is None:
        return None
    names = [listing.groups[place] for place in positions]
    found, counts = np.unique(groups, return_counts=True)
    members = np.flatnonzero(groups == found[counts.argmax()])
    return Groups(
        count=len(found),
        largest=escaped(next((names[place] for place in members if names[place]), "")),
        largest_count=int(counts.max()),
        alone=sum(not name for name in names),
        independent_share=round(effective_size(groups) / len(groups), 6),
    )


def effective_size(groups: np.ndarray) -> float:
    """How many images that have nothing in common tell as much as these, if those of a group were
    always answered alike: n^2 / sum of squared group sizes (Kish 1965). groups: int64 [n], n from
    1."""
    counts = np.unique(groups, return_counts=True)[1].astype(np.float64)
    return float(counts.sum() ** 2 / (counts**2).sum())


def grouped_by_name(names: Sequence[str], num_classes: int) -> tuple[str, ...]:
    """A sentence where images that are in no named group look grouped by their names."""
    found = [_group_in(name) for name in names]
    sizes = Counter(group for group in found if group)
    several = [group for group, size in sizes.items() if size > 1]
    shared = sum(sizes[group] for group in several)
    # One name a class or a day is no group: there must be many, and more than there are classes.
    few = len(several) < max(FEWEST_GROUPS, 2 * num_classes + 1)
    if few or shared < GROUPED_SHARE * len(found):
        return ()
    first = [name for name, group in zip(names, found, strict=True) if group == several[0]]
    return (
        f"names look grouped ({first_of(first, 3)}; {plural(len(several), 'group')} of "
        f"{shared:,} images): if each is of one thing, name them by dataset.group_pattern or "
        "group_column, or intervals are too narrow",
    )


def _group_in(name: str) -> str:
    folder, _, file = name.rpartition("/")
    match = _MEMBER.fullmatch(os.path.splitext(file)[0])  # noqa: PTH122
    return f"{folder}/{match['group']}" if match else ""
