"""Python files of the user's own that an experiment names, `FILE.py:NAME`: read, known by their
hash, and run only where whoever runs this process handed them over (`given`).

A journal, a bundle or a config can name code and never brings any: a name that was not handed over
is refused. Code travels to worker processes as text, so that all run what was read at the start.
"""

import copy
import hashlib
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict

from data.errors import UserError

OWN_CODE = re.compile(r"^[^:\n]{1,200}\.py:[A-Za-z_]\w{0,99}$")
MOST_BYTES = 1 << 20  # of one file


class CodeFile(BaseModel):
    """A file as it was read. name: as the experiment file has it. path: for messages and for what
    stands beside it."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: str
    source: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()


Code = tuple[CodeFile, ...]


def is_own(name: object) -> bool:
    """Whether a name is of the form FILE.py:NAME."""
    return isinstance(name, str) and OWN_CODE.fullmatch(name) is not None


def file_of(name: str) -> str:
    """The file of FILE.py:NAME, as written."""
    return name.rpartition(":")[0]


def read_code(name: str, path: Path, wanted_by: str) -> CodeFile:
    """Raises UserError where it cannot be read. wanted_by: the key that names it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{wanted_by}: {path} cannot be read ({(error.strerror or str(error)).lower()}); a "
            "file of your own is named relative to the experiment file"
        ) from error
    if len(content) > MOST_BYTES:
        raise UserError(f"{wanted_by}: {path} has {len(content)} bytes; allowed: {MOST_BYTES}")
    try:
        return CodeFile(name=name, path=str(path), source=content.decode())
    except UnicodeDecodeError as error:
        raise UserError(f"{wanted_by}: {path} is no UTF-8 text; save it as such") from error


@dataclass
class _Loaded:
    """A file in use. users: how many hold it at this moment."""

    code: CodeFile
    users: int = 0
    module: ModuleType | None = None
    loading: threading.RLock = field(default_factory=threading.RLock)


# What this process was handed: painting threads have no other way to it.
_given: dict[str, _Loaded] = {}
_changing = threading.Lock()


# Keras callbacks that came with a live model, by its name.
_callbacks: dict[str, tuple[Any, ...]] = {}


def callbacks_given(name: str) -> list[Any]:
    """Copies of what was handed over with a live model; none for code from files."""
    return copy.deepcopy(list(_callbacks.get(name, ())))


@contextmanager
def given(code: Code) -> Iterator[None]:
    """Lets these files run, in every thread of this process, until it ends. Raises UserError where
    another file of one name is in use meanwhile."""
    with _changing:
        for file in code:
            in_use = _given.get(file.name)
            if in_use is not None and in_use.code.source != file.source:
                raise UserError(
                    f"{file.name}: two searches of this process name two files so, {file.path} and "
                    f"{in_use.code.path}; run each in a process of its own"
                )
        for file in code:
            _given.setdefault(file.name, _Loaded(file)).users += 1
    try:
        yield
    finally:
        with _changing:
            for file in code:
                _given[file.name].users -= 1
                if not _given[file.name].users:
                    del _given[file.name]


def is_given(file: str) -> bool:
    """Whether a file, by its name in the experiment, may run now."""
    return file in _given


def own_function(name: str) -> Callable[..., Any]:
    """What FILE.py:NAME is. Raises UserError where its file was not handed over, cannot be run or
    has no such function."""
    loaded = _given.get(file_of(name))
    if loaded is None:
        raise UserError(f"{name} is own code, which is not run here; say --run-code to run it")
    with loaded.loading:
        if loaded.module is None:
            loaded.module = _run(name, loaded.code)
    found = getattr(loaded.module, name.rpartition(":")[2], None)
    if not callable(found):
        functions = [key for key, value in vars(loaded.module).items() if _is_offered(key, value)]
        raise UserError(
            f"{name}: {loaded.code.path} defines no such function; it defines "
            f"{', '.join(functions) or 'none'}"
        )
    return found


def _is_offered(key: str, value: object) -> bool:
    return callable(value) and not key.startswith("_") and hasattr(value, "__code__")


def _run(name: str, code: CodeFile) -> ModuleType:
    module = ModuleType(f"own_code_{code.sha256[:16]}")
    module.__file__ = code.path
    sys.modules[module.__name__] = module  # where dataclasses and Keras look for it
    try:
        exec(compile(code.source, code.path, "exec"), vars(module))
    except BaseException as error:
        del sys.modules[module.__name__]
        raise at_fault(name, error) from error
    return module


def at_fault(name: str, error: BaseException) -> UserError:
    """What own code raised, with its file and line. Interrupts and lacks of the machine's are
    raised as they are."""
    if isinstance(error, UserError | KeyboardInterrupt | MemoryError):
        raise error
    return UserError(f"{name}: {place_of(name, error)}{_words(error)}")


def place_of(name: str, error: BaseException) -> str:
    """`FILE, line N: `, the innermost line of the file itself."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.filename}, line {error.lineno}: "
    loaded = _given.get(file_of(name))
    frames = traceback.extract_tb(error.__traceback__)
    lines = [each.lineno for each in frames if loaded and each.filename == loaded.code.path]
    return f"{loaded.code.path}, line {lines[-1]}: " if loaded and lines else ""


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}{': ' if text else ''}{text}"
