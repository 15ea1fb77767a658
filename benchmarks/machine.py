"""What the figures were measured on."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

PACKAGES = (
    "tensorflow",
    "keras",
    "keras-tuner",
    "openvino",
    "opencv-python-headless",
    "numpy",
    "mlflow",
)
NATIVE = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # what decides which precision is fast


def describe_machine() -> dict[str, Any]:
    """Cores, the instructions that matter, versions, and how busy the machine was."""
    flags = Path("/proc/cpuinfo")
    known = flags.read_text() if flags.exists() else ""
    return {
        "system": platform.system(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "instructions": [name for name in NATIVE if name in known],
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
