"""Code that is an object of this process in the place of a file, as `AugmentationTuner` is given
it, and Keras callbacks beside it."""

import copy
import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from data.errors import UserError
from data.own_code import CodeFile, given

LIVE_FILE = "hypermodel.py"  # what stands for a file

# Keras callbacks that a model is to be trained with, by its name.
_callbacks: dict[str, tuple[Any, ...]] = {}


def callbacks_given(name: str) -> list[Any]:
    """Copies, so that no training hears of another."""
    return copy.deepcopy(list(_callbacks.get(name, ())))


@contextmanager
def with_callbacks(name: str, callbacks: Iterable[Any]) -> Iterator[None]:
    """Has the model of that name trained with them, in this process."""
    _callbacks[name] = tuple(callbacks)
    try:
        yield
    finally:
        del _callbacks[name]


@dataclass(frozen=True)
class LiveCode:
    """A function or an object of this process in the place of FILE.py:NAME, known by its source."""

    found: Any
    code: CodeFile

    @classmethod
    def of(cls, found: Any) -> "LiveCode":
        """Raises UserError where its source cannot be read."""
        defined = found if isinstance(found, FunctionType | type) else type(found)
        try:
            path, source = str(inspect.getsourcefile(defined)), inspect.getsource(defined)
        except (OSError, TypeError) as error:
            raise UserError(
                f"hypermodel: the source of {defined.__name__} cannot be read ({error}), so that a "
                "later sitting could not know it again; write it in a file or a notebook"
            ) from error
        return cls(found, CodeFile(name=LIVE_FILE, path=path, source=source))

    @property
    def name(self) -> str:
        defined = self.found if hasattr(self.found, "__name__") else type(self.found)
        return ":".join((LIVE_FILE, re.sub(r"\W", "_", defined.__name__)))

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Lets it run until this ends."""
        module = ModuleType(LIVE_FILE.removesuffix(".py"))
        setattr(module, self.name.rpartition(":")[2], self.found)
        with given((self.code,), live=module):
            yield
