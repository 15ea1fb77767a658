"""Looking at real processes from a test: whether they run, where they are, waiting for them."""

import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def announced(folder: Path) -> list[int]:
    """The processes that said they are at a trial."""
    return [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


def session_of(leader: int) -> list[int]:
    """Every living process of the session: the parent, its workers and their helpers."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended while we looked
            continue
        if int(fields[3]) == leader and fields[0] not in "ZX":
            members.append(int(stat.parent.name))
    return members


def listening(pids: Iterable[int]) -> list[IPv4Address | IPv6Address]:
    """The addresses at which any of the processes takes connections over TCP. Linux alone:
    proc(5)."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except OSError:  # closed, or the process ended, while we looked
                continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(_address(fields[1].partition(":")[0]))
    return found


def _address(words: str) -> IPv4Address | IPv6Address:
    """From the kernel's hexadecimal words, each in the byte order of this machine, taken to be
    little-endian."""
    parts = [bytes.fromhex(words[start : start + 8])[::-1] for start in range(0, len(words), 8)]
    return ip_address(b"".join(parts))
