"""How worker processes are started: spawned, and without the main module of whoever called the
search.

A spawned process imports that module again, so that what it defines can be unpickled. Workers need
none of it: what they run is in modules of its own. A script without `if __name__ == "__main__":`
would begin a search of its own in every worker.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import context, spawn
from typing import Any

_MAIN = ("init_main_from_name", "init_main_from_path")
_lock = threading.Lock()


class _WorkerProcess(context.SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _main_left_out():
            return context.SpawnProcess._Popen(process_obj)


class OwnContext(context.SpawnContext):
    """As multiprocessing's `spawn`, but for the main module."""

    Process = _WorkerProcess


@contextmanager
def _main_left_out() -> Iterator[None]:
    """What a process started in this thread is told holds no main module; multiprocessing has no
    option for it. Other threads of the program start theirs as ever."""
    here = threading.get_ident()
    with _lock:
        given = spawn.get_preparation_data

        def prepared(name: str) -> dict[str, Any]:
            data = given(name)
            if threading.get_ident() == here:
                data = {key: value for key, value in data.items() if key not in _MAIN}
            return data

        spawn.get_preparation_data = prepared
        try:
            yield
        finally:
            spawn.get_preparation_data = given
