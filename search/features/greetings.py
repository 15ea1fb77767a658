"""TensorFlow's start-up messages, kept off the terminal: they come from C++ before any log level is
heard."""

import os
import sys
import tempfile

from search.features.gpus import grow_memory


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow with file descriptor 2 turned away; what it said is shown only if the
    import fails."""
    if "tensorflow" in sys.modules:
        return
    grow_memory()
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            aside.seek(0)
            os.write(shown, aside.read())
            raise
        finally:
            os.dup2(shown, 2)
            os.close(shown)
