"""What running trials say to the driver while they run: an actor that keeps it, and the driver's
end that takes it from there."""

import contextlib
from collections import Counter
from dataclasses import dataclass
from types import ModuleType

from search.training.progress import EpochReport, OnEpoch


@dataclass(frozen=True)
class Begun:
    """An attempt at a trial has begun: those that Ray makes by itself are counted by it."""


@dataclass(frozen=True)
class Late:
    """A trial took longer than it may, and its process ends itself."""


Item = EpochReport | Begun | Late


class Mailbox:
    """An actor beside the driver: what running trials say, until the driver takes it."""

    def __init__(self) -> None:
        self._items: list[tuple[str, Item]] = []

    def put(self, item: tuple[str, Item]) -> None:
        self._items.append(item)

    def take(self) -> list[tuple[str, Item]]:
        items, self._items = self._items, []
        return items


class Mail:
    """The driver's end, for one thread. begun, late: how often, by the trial's key. listeners: by
    key, called by `take`."""

    def __init__(self, ray: ModuleType) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray = ray
        # On the driver's own machine: a box on a node would be lost with it, and what other nodes
        # have said.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": here}
        self.box = ray.remote(Mailbox).options(**options).remote()
        self.listeners: dict[str, OnEpoch] = {}
        self.begun: Counter[str] = Counter()
        self.late: Counter[str] = Counter()

    def take(self) -> None:
        """Hands on what has been said since the last call."""
        with contextlib.suppress(
            self._ray.exceptions.RayError
        ):  # where its process died, it is restarted
            for key, item in self._ray.get(self.box.take.remote()):
                if isinstance(item, Begun):
                    self.begun[key] += 1
                elif isinstance(item, Late):
                    self.late[key] += 1
                elif key in self.listeners:
                    self.listeners[key](item)

    def forget(self, key: str) -> None:
        self.listeners.pop(key, None)
        for counts in (self.begun, self.late):
            counts.pop(key, None)
