"""What a process computes on: TensorFlow started without its chatter, graphics processors and how
processes share them, how many threads the numerical libraries use, how much memory is free, and in
which numbers a frozen backbone computes.

TensorFlow would take the whole memory of every card for the first process that asks. Here each
takes what it needs as it needs it, and each worker process uses one card, in turn. float32 is the
default: it agrees between machines and engines to about one part in 100 000, bfloat16 to 5 in 100.

Nothing numerical is imported at the top: worker processes begin with this module, and thread counts
must be set before any numerical library is loaded.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from data.errors import UserError
from data.quiet_import import import_quietly

if TYPE_CHECKING:
    from search.experiment.trial import Precision

# Heard by TensorFlow in any process, however its devices are set up, if it is there before the
# first tensor is.
GROWTH_VARIABLE = "TF_FORCE_GPU_ALLOW_GROWTH"
PROC, GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
# By version of control groups: the files of the limit and of what is used, and in memory.stat what
# of it is files, which the system gives back.
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache")
V2 = ("memory.max", "memory.current", "file")

_Card = TypeVar("_Card")


def grow_memory() -> None:
    """Makes TensorFlow take a card's memory as it is needed, unless the user's environment says
    otherwise."""
    os.environ.setdefault(GROWTH_VARIABLE, "true")


def sees_gpu() -> bool:
    """Whether TensorFlow has a graphics processor to run on."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def compute_capability() -> tuple[int, int] | None:
    """NVIDIA's version of what the card can do, such as (8, 0); (0, 0) for a card that does not
    say; None without a card."""
    import tensorflow as tf

    cards = tf.config.get_visible_devices("GPU")
    if not cards:
        return None
    major, minor = tf.config.experimental.get_device_details(cards[0]).get(
        "compute_capability", (0, 0)
    )
    return int(major), int(minor)


def names_of_cards() -> str | None:
    """The cards of this machine, as their makers call them; None without one."""
    import tensorflow as tf

    cards = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(card) for card in cards]
    return ", ".join(each.get("device_name", "unnamed") for each in details) or None


def card_of(worker: int, cards: Sequence[_Card]) -> _Card | None:
    """The card for a worker, numbered from 1: workers are dealt out evenly. None where there is
    none."""
    return cards[(worker - 1) % len(cards)] if cards else None


def use_one_card(worker: int) -> None:
    """Hides from this process every card but its own. To be called before the first tensor is
    made."""
    import tensorflow as tf

    card = card_of(worker, tf.config.list_physical_devices("GPU"))
    if card is not None:
        tf.config.set_visible_devices(card, "GPU")


def import_tensorflow_quietly() -> None:
    """As `import_quietly` does it, with cards that give their memory as it is needed."""
    grow_memory()
    import_quietly("tensorflow")


OPERATION_THREADS = "TF_NUM_INTRAOP_THREADS"
PROCESS_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def set_threads(num_threads: int, side_by_side: bool) -> None:
    """side_by_side: one thread for each of TensorFlow's operations, and `num_threads` operations at
    once; otherwise all threads share one operation."""
    os.environ.update(dict.fromkeys(PROCESS_THREADS, str(num_threads)))
    os.environ[OPERATION_THREADS] = "1" if side_by_side else str(num_threads)


def take_threads(num_threads: int, side_by_side: bool) -> bool:
    """As `set_threads`, where TensorFlow is not loaded yet. Whether it computes so from now on:
    sums in other threads differ in their last bits, and a network trained on them in more."""
    if "tensorflow" not in sys.modules:
        set_threads(num_threads, side_by_side)
        return True
    found = os.environ.get(OPERATION_THREADS)
    return (not side_by_side) if found is None else (found == "1") == side_by_side


def operations_at_once(num_threads: int) -> int:
    """How many operations of TensorFlow this process should run at once to use `num_threads`
    processors."""
    return num_threads if os.environ.get(OPERATION_THREADS) == "1" else 1


BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
# Without them OpenVINO multiplies 8-bit numbers in pairs whose sums overflow 16 bits.
INT8_FLAGS = frozenset({"amx_int8", "avx512_vnni", "avx_vnni"})


def resolve_precision(precision: str, engine: str = "auto") -> Precision:
    """`precision` (float32 or bfloat16) where this machine can compute in it with `engine`.

    Raises UserError where it cannot: another machine's table is not to change silently.
    """
    if precision == "float32":
        return "float32"
    if precision != "bfloat16":
        raise UserError(f"precision {precision!r} is not known here; allowed: float32, bfloat16")
    if not has_bfloat16(engine):
        raise UserError(
            f"precision bfloat16 with engine {engine} cannot be had here: allowed only with "
            "OpenVINO on a processor that computes in it; use float32 or auto"
        )
    return "bfloat16"


def has_bfloat16(engine: str) -> bool:
    """Whether `engine` can compute in it here. It need not be faster: with avx512_bf16 alone it has
    0.6 to 0.7 times the speed of float32 (benchmarks/README.md)."""
    return why_not_on_openvino(engine) is None and bool(processor_flags() & BFLOAT16_FLAGS)


def why_not_on_openvino(engine: str) -> str | None:
    """Why `engine` (of the experiment file) does not run backbones by OpenVINO here, in words; None
    where it does."""
    if engine not in ("auto", "openvino"):
        return f"execution.feature_engine is {engine}"
    if importlib.util.find_spec("openvino") is None:
        return "the package openvino is not installed"
    return "TensorFlow runs backbones on the graphics processor here" if sees_gpu() else None


@functools.lru_cache(maxsize=1)
def processor_flags() -> frozenset[str]:
    """What the processor can do, by Linux's names; empty where that is not told."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        word for line in lines if line.startswith("flags") for word in line.split()[2:]
    )


def free_memory(proc: Path = PROC, groups: Path = GROUPS) -> int | None:
    """Bytes that this process may still take: of what the system has, what its control groups
    allow, those that they are in included, and its own limit (`ulimit -v`). Of Linux; None where
    nobody says."""
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
