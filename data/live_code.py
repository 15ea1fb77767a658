"""Code that is an object of this process in the place of a file, as `AugmentationTuner` is given
it, and Keras callbacks beside it."""

import copy
import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

from data.errors import UserError
from data.live_values import text_of_live
from data.messages import literal
from data.own_code import CodeFile, given

LIVE_FILE = "hypermodel.py"  # what stands for a file, in messages too

# Keras callbacks that a model is to be trained with, by its name.
_callbacks: dict[str, tuple[Any, ...]] = {}


def callbacks_given(name: str) -> list[Any]:
    """Copies, so that no training hears of another."""
    return copy.deepcopy(list(_callbacks.get(name, ())))


@contextmanager
def with_callbacks(name: str, callbacks: Sequence[Any]) -> Iterator[None]:
    """Has the model of that name trained with them, in this process. Raises UserError where one
    cannot be copied."""
    for each in callbacks:
        _refuse_uncopied(each)
    _callbacks[name] = tuple(callbacks)
    try:
        yield
    finally:
        del _callbacks[name]


def _refuse_uncopied(callback: Any) -> None:
    try:
        copy.deepcopy(callback)
    except Exception as error:
        raise UserError(
            f"callbacks received a {type(callback).__name__} that cannot be copied "
            f"({type(error).__name__}: {error}), and each training hears a copy of its own; give "
            "it a __deepcopy__, or make what cannot be copied in its on_train_begin"
        ) from error


@dataclass(frozen=True)
class LiveCode:
    """A function or an object of this process in the place of FILE.py:NAME, known by its source and
    by what it holds."""

    found: Any
    code: CodeFile

    @classmethod
    def of(cls, found: Any) -> "LiveCode":
        """Raises UserError where its source cannot be read."""
        if not (callable(found) or hasattr(found, "build")):
            raise UserError(
                f"hypermodel received {literal(found)} ({type(found).__name__}); allowed: a build "
                "function that takes hp, or a keras_tuner.HyperModel"
            )
        defined = _defined(found)
        try:
            path, source = str(inspect.getsourcefile(defined)), inspect.getsource(defined)
        except (OSError, TypeError) as error:
            raise UserError(
                f"hypermodel: the source of {defined.__name__} cannot be read ({error}), so that a "
                "later sitting could not know it again; write it in a file or a notebook"
            ) from error
        held = text_of_live(found)
        return cls(found, CodeFile(name=LIVE_FILE, path=path, source=f"{source}\n{held}"))

    @property
    def name(self) -> str:
        return ":".join((LIVE_FILE, re.sub(r"\W", "_", _defined(self.found).__name__)))

    def with_built(self, text: str) -> "LiveCode":
        """The same, known by a text of what it builds as well."""
        source = f"{self.code.source}\n{text}"
        return replace(self, code=self.code.model_copy(update={"source": source}))

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Lets it run until this ends."""
        module = ModuleType(LIVE_FILE.removesuffix(".py"))
        setattr(module, self.name.rpartition(":")[2], self.found)
        with given((self.code,), live=module):
            yield


def _defined(found: Any) -> Any:
    """The function or the class where the source of an object stands."""
    while isinstance(found, partial | MethodType):
        found = found.func if isinstance(found, partial) else found.__func__
    if not isinstance(found, FunctionType | type):
        found = inspect.unwrap(found)
    return found if isinstance(found, FunctionType | type) else type(found)
