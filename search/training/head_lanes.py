"""Heads shared out between lanes: stacks that train side by side, a thread each. Heads are moved as others stop, so that no
lane waits for a longer one.

What a head learns does not depend on how many lanes there are or on which one it is in.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from search.features.rows import FeatureRows
from search.training.head_feed import EpochFeed
from search.training.head_shape import HeadShape, HeadWeights
from search.training.head_stack import Stack, StackState, stack_of

FeedOf = Callable[[slice], Iterable[EpochFeed]]  # an epoch's batches of some of the heads

_T = TypeVar("_T")


class Lanes:
    """The heads that still train, in order. threads: one a lane; with one lane everything runs where it is called."""

    def __init__(
        self, shape: HeadShape, seeds: Sequence[int], num_lanes: int, threads: ThreadPoolExecutor
    ) -> None:
        self._shape, self._num_lanes, self._threads = shape, num_lanes, threads
        self._share_out(StackState.fresh(shape, seeds))

    def _share_out(self, state: StackState) -> None:
        parts = np.array_split(np.arange(len(state.arrays[0])), self._num_lanes)
        self._slices = [slice(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]
        self._stacks = [stack_of(lane, self._shape) for lane in range(len(self._slices))]
        for stack, part in zip(self._stacks, self._slices, strict=True):
            stack.load(state[part])

    def keep(self, heads: np.ndarray) -> None:
        """Goes on with these heads alone, shared out anew."""
        self._share_out(StackState.joined([stack.state() for stack in self._stacks])[heads])

    def train_epoch(
        self, features: FeatureRows, labels: np.ndarray, feeds: FeedOf, rates: tuple[float, float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """One pass over each head's batches. rates: as `Stack.train_epoch` takes them. Returns the mean loss and accuracy of
        each head, float [heads]."""
        _ = features.resident  # read here once, for all lanes
        parts = self._in_each(lambda stack, heads: stack.train_epoch(features, labels, feeds(heads), *rates))
        loss, accuracy = (np.concatenate(each) for each in zip(*parts, strict=True))
        return loss, accuracy

    def predict(
        self, features: FeatureRows, labels: np.ndarray, rows: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """As `Stack.predict`, of all heads."""
        _ = features.resident
        parts = self._in_each(lambda stack, heads: stack.predict(features, labels, rows[heads]))
        return [answer for part in parts for answer in part]

    def weights(self, head: int) -> HeadWeights:
        """A copy of one head's weights, in the order of `plain_head`."""
        for stack, heads in zip(self._stacks, self._slices, strict=True):
            if head < heads.stop:
                return stack.weights(head - heads.start)
        raise IndexError(f"head {head} of {self._slices[-1].stop}")

    def _in_each(self, what: Callable[[Stack, slice], _T]) -> list[_T]:
        if len(self._stacks) == 1:
            return [what(self._stacks[0], self._slices[0])]
        return list(self._threads.map(what, self._stacks, self._slices))
