"""Python files of the user's own that an experiment names, `FILE.py:NAME`: read, known by their
hash, and run only where whoever runs this process handed them over (`given`).

A journal, a bundle or a config can name code and never brings any: a name that was not handed over
is refused. Code travels to worker processes as text, so that all run what was read at the start.
"""

import codecs
import hashlib
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    chdir,
    contextmanager,
    nullcontext,
    redirect_stdout,
    suppress,
)
from dataclasses import dataclass, field
from multiprocessing import parent_process
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict

from data.errors import UserError
from data.messages import words_of
from data.quiet_import import import_quietly

USES_TENSORFLOW = re.compile(r"^\s*(?:import|from) (?:keras|tensorflow)\b", re.MULTILINE)
OWN_CODE = re.compile(r"^[\w./][\w./ -]{0,199}\.py:[A-Za-z_]\w{0,99}$")
MOST_CODE_BYTES = 1 << 20  # of one file


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


class OwnCodeMemoryError(MemoryError):
    """Own code asked for more memory than there is; which line did is in its text."""


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
    """A file in use. painting: held while an augmentation of it runs, by all files that were handed
    over together. users: how many hold it at this moment. is_live: it is no file, but an object of
    this process."""

    code: CodeFile
    painting: threading.Lock
    is_live: bool = False
    users: int = 0
    module: ModuleType | None = None
    loading: threading.RLock = field(default_factory=threading.RLock)


# What this process was handed: painting threads have no other way to it.
_given: dict[str, _Loaded] = {}
_changing = threading.Lock()


# What own code prints is no result of this program's: it goes to standard error. And it does not
# end the program.
_aside = ExitStack()


@contextmanager
def given(code: Code, live: ModuleType | None = None) -> Iterator[None]:
    """Lets these files run, in every thread of this process, until it ends. live: the module that
    stands for them where they are no file. Raises UserError where another file of one name is in
    use meanwhile."""
    with _changing:
        for file in code:
            in_use = _given.get(file.name)
            if in_use is not None and in_use.code.source != file.source:
                raise UserError(
                    f"{file.name}: two searches of this process name two files so, {file.path} and "
                    f"{in_use.code.path}; run each in a process of its own"
                )
        if code and not _given:
            _aside.enter_context(redirect_stdout(sys.stderr))
            _aside.enter_context(_exits_raise())
        painting = threading.Lock()
        for file in code:
            made = _Loaded(file, painting, live is not None, module=live)
            loaded = _given.setdefault(file.name, made)
            loaded.users += 1
    try:
        yield
    finally:
        with _changing:
            for file in code:
                _given[file.name].users -= 1
                if not _given[file.name].users:
                    del _given[file.name]
            if not _given:
                _aside.close()


@contextmanager
def _exits_raise() -> Iterator[None]:
    """`os._exit`, called by own code in any thread, is an exception there. It would end the program
    without a word, and with a status that says that all went well."""
    end, process = os._exit, os.getpid()

    def end_or_raise(status: int) -> NoReturn:
        is_ours = os.getpid() == process  # and no child that it forked
        if is_ours and _is_path_given(sys._getframe(1).f_code.co_filename):
            raise SystemExit(f"os._exit({status})")
        end(status)

    os._exit = end_or_raise
    try:
        yield
    finally:
        os._exit = end


def _is_path_given(path: str) -> bool:
    return any(each.code.path == path for each in tuple(_given.values()))


def is_given(file: str) -> bool:
    """Whether a file, by its name in the experiment, may run now."""
    return file in _given


def one_at_a_time(name: str) -> AbstractContextManager[Any]:
    """To be held while an augmentation runs: whoever writes one need not think of threads."""
    loaded = _given.get(file_of(name))
    return loaded.painting if loaded else nullcontext()


def live_hint(files: Iterable[str]) -> str:
    """What a message that names these files says of one that is no file."""
    if not any(file in _given and _given[file].is_live for file in files):
        return ""
    return (
        " (so is called what hypermodel= was given: its source, what it holds or names, or the "
        "model that it builds is another)"
    )


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
    module.__file__, module.__package__ = code.path, ""
    sys.modules[module.__name__] = module  # where dataclasses and Keras look for it
    source = code.source.removeprefix(codecs.BOM_UTF8.decode())  # as Python itself does
    if USES_TENSORFLOW.search(source):
        with suppress(ImportError):  # which its own import tells with its line
            import_quietly("tensorflow")
    try:
        with chdir("."):  # a file that goes elsewhere for its own sake takes nobody along
            exec(compile(source, code.path, "exec"), vars(module))
    except BaseException as error:
        del sys.modules[module.__name__]
        raise at_fault(name, error) from error
    return module


def at_fault(name: str, error: BaseException, key: str = "") -> UserError:
    """What own code raised, sys.exit among it, with its file and line. Interrupts, which come in
    the main thread of a command and of no worker, are raised as they are; so are lacks of memory,
    with that line. key: of the setting that names it."""
    hears = threading.current_thread() is threading.main_thread() and parent_process() is None
    is_interrupt = isinstance(error, KeyboardInterrupt) and hears
    if is_interrupt or isinstance(error, UserError | OwnCodeMemoryError):
        raise error
    text = f"{line_of_fault(name, error)}{words_of(error)}"
    if isinstance(error, MemoryError):
        raise OwnCodeMemoryError(f"{name}: {text}") from error
    if isinstance(error, ImportError):
        text += "; it may import what is installed, and no other file of yours: join them"
    return UserError(f"{key and f'{key}: '}{name}: {text}")


def line_of_fault(name: str, error: BaseException) -> str:
    """`FILE, line N: `, the innermost line of the file itself."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.filename}, line {error.lineno}: "
    return _innermost(name, traceback.extract_tb(error.__traceback__))


def line_that_runs(name: str, thread: int | None) -> str:
    """`FILE, line N: `, where a thread stands in the file; empty where it does not."""
    frame = sys._current_frames().get(thread or 0)
    return _innermost(name, traceback.extract_stack(frame)) if frame else ""


def _innermost(name: str, frames: Iterable[traceback.FrameSummary]) -> str:
    loaded = _given.get(file_of(name))
    lines = [each.lineno for each in frames if loaded and each.filename == loaded.code.path]
    return f"{loaded.code.path}, line {lines[-1]}: " if loaded and lines else ""


def line_of_definition(name: str) -> str:
    """`FILE, line N: `, where the function, or the method `build` of a class, begins."""
    found = own_function(name)
    code = getattr(found, "__code__", None) or getattr(
        getattr(found, "build", None), "__code__", None
    )
    return f"{code.co_filename}, line {code.co_firstlineno}: " if code else ""
