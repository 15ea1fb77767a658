"""Memory of a process and all its children, sampled while something runs. Linux only: it reads
/proc."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 0.5


@dataclass
class Memory:
    """Peaks in MB over a process tree. total: proportional set size, mapped files included;
    private: what no file backs."""

    total: float = 0.0
    private: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    def sample(self, root: int) -> None:
        figures = [_read(process) for process in process_tree(root)]
        self.total = max(self.total, sum(total for total, _ in figures))
        self.private = max(self.private, sum(private for _, private in figures))


@contextmanager
def watched_memory(root: int | None = None) -> Iterator[Memory]:
    """Samples `root` (this process) and its descendants every INTERVAL seconds while the block
    runs."""
    memory = Memory()
    process = root or os.getpid()

    def watch() -> None:
        while not memory._stop.wait(INTERVAL):
            memory.sample(process)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        memory._stop.set()
        thread.join()
        memory.sample(process)


def process_tree(root: int) -> list[int]:
    """The process and its descendants, as they are now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children.get(process, [])
    return found


def _parent(entry: Path) -> int | None:
    try:
        # The command, in brackets, may hold anything; the parent is the second field after it.
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # ended meanwhile
        return None


def _read(process: int) -> tuple[float, float]:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return 0.0, 0.0
    kilobytes = {
        name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)
    }
    return kilobytes["Pss"] / 1000, kilobytes["Pss_Anon"] / 1000
