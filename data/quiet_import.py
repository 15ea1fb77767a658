"""Imports without the chatter of libraries that write to file descriptor 2 as they load."""

import importlib
import os
import sys
import tempfile
from types import ModuleType


def import_quietly(name: str) -> ModuleType:
    """The module, imported with file descriptor 2 turned away; what was said there is shown only
    where the import fails."""
    if name in sys.modules:
        return sys.modules[name]
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            return importlib.import_module(name)
        except BaseException:
            aside.seek(0)
            os.write(shown, aside.read())
            raise
        finally:
            if os.path.sameopenfile(2, aside.fileno()):  # else the terminal was closed meanwhile
                os.dup2(shown, 2)
            os.close(shown)
