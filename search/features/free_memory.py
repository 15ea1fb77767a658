"""How much memory this process may still take: what the system has, what its control groups allow,
those that they are in included, and its own limit (`ulimit -v`). Linux; elsewhere nothing is told.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

PROC, GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
# By version of control groups: the files of the limit and of what is used, and in memory.stat what
# of it is files, which the system gives back.
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache")
V2 = ("memory.max", "memory.current", "file")


def free_memory(proc: Path = PROC, groups: Path = GROUPS) -> int | None:
    """Bytes; None where nobody says."""
    found = [*_of_system(proc), *_of_groups(proc, groups), *_of_limit(proc)]
    return max(0, min(found)) if found else None


def _of_system(proc: Path) -> Iterator[int]:
    with contextlib.suppress(OSError, StopIteration):
        lines = (proc / "meminfo").read_text().splitlines()
        yield int(next(x for x in lines if x.startswith("MemAvailable")).split()[1]) * 1024


def _of_groups(proc: Path, groups: Path) -> Iterator[int]:
    """Of each group that this process is in, up to the root: any of them may be the narrowest."""
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            root, files = (groups / "memory", V1) if controllers else (groups, V2)
            own = root / name.strip("/")
            for place in (own, *own.parents):
                if place.is_relative_to(root):
                    yield from _of_group(place, *files)


def _of_group(place: Path, limit: str, usage: str, given_back: str) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
        most, used = (int((place / file).read_text()) for file in (limit, usage))
        kept = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
        yield most - used + int(kept.get(given_back, 0))


def _of_limit(proc: Path) -> Iterator[int]:
    """Of addresses, which are more than what is used of them."""
    with contextlib.suppress(ImportError, OSError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most != resource.RLIM_INFINITY:
            pages = int((proc / "self" / "statm").read_text().split()[0])
            yield most - pages * resource.getpagesize()
