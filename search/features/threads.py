"""How many threads the numerical libraries of a process use: said in its environment before any of
them is loaded.

Nothing here is heavy to import: worker processes begin with it.
"""

import os

OF_OPERATION = "TF_NUM_INTRAOP_THREADS"
OF_PROCESS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def set_threads(num_threads: int, side_by_side: bool) -> None:
    """side_by_side: one thread for each of TensorFlow's operations, and `num_threads` operations at
    once; otherwise all threads share one operation."""
    os.environ.update(dict.fromkeys(OF_PROCESS, str(num_threads)))
    os.environ[OF_OPERATION] = "1" if side_by_side else str(num_threads)


def operations_at_once(num_threads: int) -> int:
    """How many operations of TensorFlow this process should run at once to use `num_threads`
    processors."""
    return num_threads if os.environ.get(OF_OPERATION) == "1" else 1
