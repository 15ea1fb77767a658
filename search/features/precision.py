"""In which numbers a frozen backbone computes on this machine: what is asked for, and what the
processor has.

float32 is the default: it agrees between machines and engines to about one part in 100 000,
bfloat16 to 5 in 100.
"""

import functools
import importlib.util
from pathlib import Path

from data.errors import UserError
from search.experiment.trial import Precision
from search.features.gpus import sees_gpu

# AMX has units for it. With avx512_bf16 alone it is a loss (0.6 to 0.7 times the speed of float32
# on the Xeon it was measured on, every convolution slower), so that `auto` leaves it.
FAST_BFLOAT16_FLAGS = frozenset({"amx_bf16"})
BFLOAT16_FLAGS = FAST_BFLOAT16_FLAGS | {"avx512_bf16"}


def resolve_precision(precision: str, engine: str = "auto") -> Precision:
    """`precision` (float32, bfloat16 or auto) as this machine will compute with `engine`.

    auto is bfloat16 only where OpenVINO runs on a processor that gains by it, and else float32.
    Raises UserError for bfloat16 that this processor or engine has not: another machine's table is
    not to change silently.
    """
    if precision == "float32":
        return "float32"
    flags = processor_flags()
    computes = engine in ("auto", "openvino") and bool(flags & BFLOAT16_FLAGS) and not sees_gpu()
    if precision == "auto":
        installed = importlib.util.find_spec("openvino") is not None
        return "bfloat16" if computes and installed and flags & FAST_BFLOAT16_FLAGS else "float32"
    if precision != "bfloat16":
        raise UserError(f"precision {precision!r} is not known; allowed: float32, bfloat16, auto")
    if not computes:
        raise UserError(
            f"precision bfloat16 with engine {engine} cannot be had here: allowed only with "
            "OpenVINO on a "
            "processor that computes in it; use float32 or auto"
        )
    return "bfloat16"


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
