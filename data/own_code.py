"""Python files of the user's own that an experiment names, `FILE.py:NAME`: read, known by their
hash, and run only where whoever runs this process handed them over (`given`).

A journal, a bundle or a config can name code and never brings any: a name that was not handed over
is refused. Code travels to worker processes as text, so that all run what was read at the start.
"""

import copy
import hashlib
import inspect
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict

from data.errors import UserError
from data.quiet_import import import_quietly

USES_TENSORFLOW = re.compile(r"^\s*(?:import|from) (?:keras|tensorflow)\b", re.MULTILINE)
OWN_CODE = re.compile(r"^[\w./][\w./ -]{0,199}\.py:[A-Za-z_]\w{0,99}$")
MOST_CODE_BYTES = 1 << 20  # of one file
LIVE_FILE = "hypermodel.py"  # what stands for a file where code is an object of this process


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
    if (loaded := _given.get(name)) is not None and loaded.is_live:
        return loaded.code
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{wanted_by}: {path} cannot be read ({(error.strerror or str(error)).lower()}); a "
            "file of your own is named relative to the experiment file"
        ) from error
    if len(content) > MOST_CODE_BYTES:
        raise UserError(f"{wanted_by}: {path} has {len(content)} bytes; allowed: {MOST_CODE_BYTES}")
    try:
        return CodeFile(name=name, path=str(path), source=content.decode())
    except UnicodeDecodeError as error:
        raise UserError(f"{wanted_by}: {path} is no UTF-8 text; save it as such") from error


@dataclass
class _Loaded:
    """A file in use. users: how many hold it at this moment. is_live: it is no file, but an object
    of this process."""

    code: CodeFile
    is_live: bool = False
    users: int = 0
    module: ModuleType | None = None
    loading: threading.RLock = field(default_factory=threading.RLock)


# What this process was handed: painting threads have no other way to it.
_given: dict[str, _Loaded] = {}
_changing = threading.Lock()


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
        with given((self.code,)):
            loaded = _given[LIVE_FILE]
            loaded.is_live, loaded.module = True, module
            yield


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


def own_function(name: str) -> Any:
    """What FILE.py:NAME is. Raises UserError where its file was not handed over, cannot be run or
    has no such function."""
    loaded = _given.get(file_of(name))
    if loaded is None:
        raise UserError(f"{name} is own code, which is not run here; say --run-code to run it")
    with loaded.loading:
        if loaded.module is None:
            loaded.module = _run(name, loaded.code)
    found = getattr(loaded.module, name.rpartition(":")[2], None)
    if not (callable(found) or loaded.is_live):
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
    if USES_TENSORFLOW.search(code.source):
        with suppress(ImportError):  # which its own import tells with its line
            import_quietly("tensorflow")
    try:
        exec(compile(code.source, code.path, "exec"), vars(module))
    except BaseException as error:
        del sys.modules[module.__name__]
        raise at_fault(name, error) from error
    return module


def at_fault(name: str, error: BaseException, key: str = "") -> UserError:
    """What own code raised, with its file and line. Interrupts and lacks of the machine's are
    raised as they are. key: of the setting that names it."""
    if isinstance(error, UserError | KeyboardInterrupt | MemoryError):
        raise error
    return UserError(f"{key and f'{key}: '}{name}: {line_of_fault(name, error)}{_words(error)}")


def line_of_fault(name: str, error: BaseException) -> str:
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
