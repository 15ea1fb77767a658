"""Where the time of one thread goes: seconds of named parts, each without the parts called inside
it."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Spent(NamedTuple):
    """Seconds on the clock, seconds of this thread's processor, and calls."""

    wall: float = 0.0
    cpu: float = 0.0
    calls: int = 0


class Parts:
    """Methods that are wrapped belong to a part; time outside of all of them is no part's. Of one
    thread."""

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = defaultdict(Spent)
        self._inside: list[str] = []
        self._since = (0.0, 0.0)

    @contextmanager
    def wrapping(self, wrapped: dict[tuple[Any, str], str]) -> Iterator[None]:
        """wrapped: (owner, name of its method) -> part."""
        methods = {place: getattr(*place) for place in wrapped}
        for (owner, name), part in wrapped.items():
            setattr(owner, name, self._timed(methods[owner, name], part))
        try:
            yield
        finally:
            for (owner, name), method in methods.items():
                setattr(owner, name, method)

    def _timed(self, method: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            self._charge()
            self._inside.append(part)
            try:
                return method(*arguments, **options)
            finally:
                self._charge()
                self._inside.pop()
                self.spent[part] = self.spent[part]._replace(calls=self.spent[part].calls + 1)

        return timed

    def _charge(self) -> None:
        """What has passed since the last change belongs to the innermost part."""
        now = (time.perf_counter(), time.thread_time())
        if self._inside:
            before = self.spent[self._inside[-1]]
            wall, cpu = (now[i] - self._since[i] for i in (0, 1))
            self.spent[self._inside[-1]] = Spent(before.wall + wall, before.cpu + cpu, before.calls)
        self._since = now
