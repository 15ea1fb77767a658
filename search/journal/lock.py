"""One search in a run directory at a time, and a dead owner recognised, on this machine or another.

`RUN/.lock` names its owner, who touches it every few seconds. The rule, in this order:

1. Another process has the kernel's lock on the file: it lives.
2. Nobody is named in the file: the last owner released it.
3. The owner was of this boot of this machine: it is dead where the kernel's lock could be had.
   Where the file system has no such locks, it lives if its process does, started at the same
   moment.
4. Any other owner is watched: it lives if the file is touched within twelve heartbeats. No two
   clocks are compared, so machines whose clocks differ agree.

filelock would be rule 1 alone: an owner's name, rules 2 to 4 and `verify` would still be written
here, so it is not used.

Who holds the lock may write the run directory; what is written is no concern of this module.
"""

import contextlib
import json
import os
import platform
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from data.errors import UserError
from data.files import read_regular, storing

try:
    import fcntl
except ImportError:  # Windows has no such locks; rules 2 to 4 remain
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = ".lock"
HEARTBEATS_UNTIL_DEAD = 12
OWNER_BYTES = 10_000
_OWNER_BEGINS = b'{"host":'  # as `_write_owner` writes it


class LockedError(UserError):
    """Another search owns the run directory, or has taken it over."""


class Owner(BaseModel):
    """Who holds a lock.

    boot: a mark of the machine's present boot. namespace: where the process number counts, since
    containers on one machine number their own. started: a mark of the process's start, since
    numbers are used again.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    host: str
    boot: str
    namespace: str
    pid: int
    started: str
    since: float
    heartbeat_seconds: float
    token: str

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host}, since {when}"


class RunLock:
    """`with RunLock(run_dir):` holds the directory.

    Raises LockedError naming the owner, StorageError where the directory cannot be written.
    `notify` is told, in one line, when another machine's owner has to be watched before going on.
    """

    def __init__(
        self,
        run_dir: Path,
        heartbeat_seconds: float = 5.0,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self.path = run_dir / LOCK_NAME
        self._run_dir = run_dir
        self._heartbeat_seconds = heartbeat_seconds
        self._notify = notify or (lambda message: None)
        self._token = secrets.token_hex(8)
        self._released = threading.Event()
        self._descriptor = -1
        self._heart = threading.Thread(target=self._beat, name="run-lock-heartbeat", daemon=True)

    def __enter__(self) -> "RunLock":
        with storing("the lock", self.path):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                self._acquire()
            except BaseException:
                os.close(self._descriptor)
                raise
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._heart.join()
        with contextlib.suppress(OSError):  # unreleased, the lock is recognised as a dead owner's
            if self._fault() is None:
                os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def verify(self) -> None:
        """Raises LockedError if another search has taken the directory over, as after a suspension.

        Costs one small read; call it before anything that must not be written twice.
        """
        if fault := self._fault():
            raise LockedError(
                f"{self._run_dir} no longer belongs to this search: {fault}. Nothing more is "
                "written; "
                f"look at the other search before starting this one again"
            )

    def _acquire(self) -> None:
        exclusive = _lock_in_kernel(self._descriptor)
        owner = _read_owner(self._descriptor)
        if exclusive is False or (owner is not None and self._lives(owner, exclusive is True)):
            raise LockedError(_refusal(self._run_dir, owner))
        self._write_owner()
        if exclusive is None:  # two may have found the same dead owner: the last to write stays
            time.sleep(min(1.0, self._heartbeat_seconds))
            self.verify()

    def _lives(self, owner: Owner, has_kernel_lock: bool) -> bool:
        if owner.boot == _this_boot() and has_kernel_lock:
            return False
        started = process_start(owner.pid)
        if (owner.boot, owner.namespace) == (
            _this_boot(),
            _this_namespace(),
        ) and started is not None:
            return started == owner.started
        return self._is_touched(owner)

    def _is_touched(self, owner: Owner) -> bool:
        patience = HEARTBEATS_UNTIL_DEAD * owner.heartbeat_seconds
        self._notify(
            f"{self._run_dir} was left by {owner}; watching {patience:.0f} s whether it still lives"
        )
        before = _read_pulse(self.path)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            time.sleep(min(owner.heartbeat_seconds, 1.0))
            if _read_pulse(self.path) != before:
                return True
        return False

    def _write_owner(self) -> None:
        owner = Owner(
            host=platform.node(),
            boot=_this_boot(),
            namespace=_this_namespace(),
            pid=os.getpid(),
            started=process_start(os.getpid()) or "",
            since=time.time(),
            heartbeat_seconds=self._heartbeat_seconds,
            token=self._token,
        )
        # In place, not renamed: the kernel's lock is on this very file, and network file systems
        # notice a touched file on opening it but may remember a renamed one's predecessor for a
        # minute.
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, owner.model_dump_json().encode(), 0)
        os.fsync(self._descriptor)

    def _beat(self) -> None:
        while not self._released.wait(self._heartbeat_seconds):
            # a store that is cut off for a while comes back, or verify() tells
            with contextlib.suppress(OSError):
                if self._fault() is None:
                    os.utime(self._descriptor)

    def _fault(self) -> str | None:
        """What is wrong with the lock this object holds, if anything."""
        if os.fstat(self._descriptor).st_nlink == 0:
            return f"{LOCK_NAME} was removed"
        owner = _read_owner(self._descriptor)
        if owner is None:
            return f"{LOCK_NAME} was emptied"
        return None if owner.token == self._token else f"it was taken over by {owner}"


def is_lock(path: Path) -> bool:
    """Whether the file at `path` is a lock's: held, released, or as a power cut in the middle of
    writing it leaves it."""
    try:
        content = read_regular(path, OWNER_BYTES)
    except (OSError, UserError):
        return False
    written = content.rstrip(b"\0")
    is_torn = not written.endswith(b"}") and (
        written.startswith(_OWNER_BEGINS) or _OWNER_BEGINS.startswith(written)
    )
    return is_torn or _owner_in(content) is not None


def is_nobody_at(run_dir: Path) -> bool:
    """Whether no search can be running in the directory; False where only waiting would tell. Takes
    no lock."""
    try:
        owner = _owner_in(read_regular(run_dir / LOCK_NAME, OWNER_BYTES, within=run_dir))
    except FileNotFoundError:
        return True
    except (OSError, UserError):
        return False
    if owner is None:
        return True
    is_here = (owner.boot, owner.namespace) == (_this_boot(), _this_namespace())
    started = process_start(owner.pid) if is_here else None
    return started is not None and started != owner.started


def process_start(pid: int) -> str | None:
    """A mark that no other process with that number on this boot shares; "" where there is no such
    process.

    None where this system cannot tell.
    """
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        state, start_ticks = fields[0], fields[19]  # proc(5): fields 3 and 22
        return "" if state in "ZX" else start_ticks
    if os.name == "posix":
        return subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.strip()
    return None


def _lock_in_kernel(descriptor: int) -> bool | None:
    """True: taken. False: another has it. None: this file system has no such locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _this_boot() -> str:
    """A mark of this boot of this machine; the host's name where the system has none."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text().strip() if boot.exists() else platform.node()


def _this_namespace() -> str:
    namespace = Path("/proc/self/ns/pid")
    return str(namespace.readlink()) if namespace.is_symlink() else ""


def _read_owner(descriptor: int) -> Owner | None:
    """None where nobody is named: released, or never written whole."""
    return _owner_in(os.pread(descriptor, OWNER_BYTES, 0))


def _owner_in(content: bytes) -> Owner | None:
    try:
        return Owner.model_validate(json.loads(content))
    except (ValueError, ValidationError):
        return None


def _read_pulse(path: Path) -> tuple[int, bytes]:
    """Changes with every heartbeat and every new owner. Opening it anew makes a network file system
    ask."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_mtime_ns, file.read()


def _refusal(run_dir: Path, owner: Owner | None) -> str:
    named = str(owner) if owner else "a process that has not given its name yet"
    return (
        f"{run_dir} is in use by another search ({named}); only one at a time is allowed. "
        f"Wait for it to end, end it, or choose another --run-dir"
    )
