"""A text by which an object of this process is known again in another: a function by its source and
by all that it holds or names (closure, defaults, arguments of a partial, globals), an object by its
class and its attributes.

What has no text of its own (a lock, an open file) counts by its type alone. Libraries count by
their names: how they are installed is no matter of the object's.
"""

import dis
import hashlib
import inspect
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
MOST_NESTED = 20
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), range, slice, PurePath)
# Of a class: what says where it stands, or is Python's own.
UNTOLD = {
    "__module__",
    "__dict__",
    "__weakref__",
    "__doc__",
    "__annotations__",  # made empty by whoever asks for them; what is written is in the source
    "__firstlineno__",
    "__static_attributes__",
    "_abc_impl",
}
_LIBRARIES = (*{sysconfig.get_path(key) for key in ("stdlib", "purelib", "platlib")}, "<frozen")

_Part = str | tuple[Any]  # a text, or, alone in a tuple, an object that is told in its turn


def text_of_live(found: Any) -> str:
    """The same for objects that do the same, as far as can be seen without running them."""
    return "\n".join(_lines(found, {}, 0))


def _lines(found: Any, seen: dict[int, Any], depth: int) -> Iterator[str]:
    """seen: by their ids, all that was told already; it holds them, so that no id comes again."""
    if isinstance(found, PLAIN):
        yield f"{type(found).__name__} {found!r}"
    elif id(found) in seen:
        yield f"again {list(seen).index(id(found))}"
    elif depth > MOST_NESTED:
        yield f"deeper {type(found).__name__}"
    else:
        seen[id(found)] = found
        for part in _parts(found):
            if isinstance(part, str):
                yield part
            else:
                yield from _lines(part[0], seen, depth + 1)


def _parts(found: Any) -> Iterator[_Part]:
    """Of an object that holds others."""
    if isinstance(found, FunctionType):
        yield from _of_function(found)
    elif isinstance(found, MethodType):
        yield from ("method", (found.__func__,), (found.__self__,))
    elif isinstance(found, partial):
        yield from ("partial", (found.func,), (found.args,), (found.keywords,))
    elif isinstance(found, staticmethod | classmethod):
        yield (found.__func__,)
    elif isinstance(found, property):
        yield (found.fget,)
    elif hasattr(found, "__wrapped__") and not isinstance(found, type):  # as by lru_cache
        yield (found.__wrapped__,)
    elif isinstance(found, ModuleType):
        yield from _of_module(found)
    elif isinstance(found, type):
        yield from _of_class(found)
    elif isinstance(found, Mapping):
        yield f"{type(found).__name__} of {len(found)}"
        for key, value in found.items():
            yield from ((key,), (value,))
    elif isinstance(found, set | frozenset):
        yield " ".join(sorted(text_of_live(each) for each in found))
    elif isinstance(found, list | tuple):
        yield f"{type(found).__name__} of {len(found)}"
        yield from ((each,) for each in found)
    else:
        yield from _of_object(found)


def _of_function(function: FunctionType) -> Iterator[_Part]:
    yield f"function {_source_of(function)}"
    yield from ((function.__defaults__,), (function.__kwdefaults__,), (vars(function),))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name
        yield "empty" if cell == type(cell)() else (cell.cell_contents,)
    if function.__code__.co_filename.startswith(_LIBRARIES):
        return
    for name in sorted(_globals_of(function.__code__)):
        if name in function.__globals__:
            yield from (name, (function.__globals__[name],))


def _source_of(function: FunctionType) -> str:
    """Its own, not that of a function which it wraps; what it is compiled to where no file or
    notebook holds it, or where several may stand in one line."""
    try:
        text = inspect.getsource(function.__code__)
    except (OSError, TypeError):
        return _compiled(function.__code__)
    return text + (_compiled(function.__code__) if function.__name__ == "<lambda>" else "")


def _compiled(code: CodeType) -> str:
    constants = [_constant(each) for each in code.co_consts]
    return f"{code.co_varnames} {code.co_names} {constants} {code.co_code.hex()}"


def _constant(value: Any) -> str:
    """The order within a set is another in each process."""
    if isinstance(value, CodeType):
        return _compiled(value)
    if isinstance(value, frozenset):
        return f"set {sorted(map(_constant, value))}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return repr(value)


def _globals_of(code: CodeType) -> set[str]:
    own = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    return own.union(*(_globals_of(c) for c in code.co_consts if isinstance(c, CodeType)))


def _of_module(module: ModuleType) -> Iterator[_Part]:
    yield f"module {module.__name__}"
    if not _is_library(module.__name__):
        yield _source(module)


def _of_class(found: type) -> Iterator[_Part]:
    """With what it inherits, as far as that is no library's."""
    yield f"class {found.__qualname__}"
    if _is_library(found.__module__):
        return
    yield _source(found)
    yield from ((base,) for base in found.__bases__)
    for name, value in sorted(vars(found).items()):
        if name not in UNTOLD:
            yield from (name, (value,))


def _source(found: type | ModuleType) -> str:
    try:
        return inspect.getsource(found)
    except (OSError, TypeError):
        return "no source"


def _is_library(module: str) -> bool:
    if module == "__main__":
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return module in sys.builtin_module_names if file is None else file.startswith(_LIBRARIES)


def _of_object(found: Any) -> Iterator[_Part]:
    kind = type(found)
    yield (kind,)
    if callable(array := getattr(found, "__array__", None)):
        yield from _of_array(array)
    elif callable(getattr(found, "get_config", None)):
        yield from _of_keras(found)
    elif not _is_library(kind.__module__) or "__repr__" not in _named_in(kind):
        yield (_attributes(found),)
    elif not ADDRESS.search(text := repr(found)):
        yield text


def _of_array(array: Any) -> Iterator[_Part]:
    try:
        values = array()
    except Exception:  # a symbol of TensorFlow's has no values
        return
    if values.dtype.hasobject:
        yield (values.tolist(),)
    else:
        yield f"{values.dtype} {values.shape} {hashlib.sha256(values.tobytes()).hexdigest()}"


def _named_in(kind: type) -> set[str]:
    return {name for each in kind.__mro__[:-1] for name in vars(each)}


def _attributes(found: Any) -> dict[str, Any]:
    slots = {name for kind in type(found).__mro__ for name in getattr(kind, "__slots__", ())}
    held = {name: getattr(found, name) for name in sorted(slots) if hasattr(found, name)}
    return {**held, **getattr(found, "__dict__", {})}


def _of_keras(found: Any) -> Iterator[_Part]:
    """A layer, an optimizer or a loss, by its settings, and by the plain attributes that its class
    may have left out of them; a model by the shapes of its weights. Names are counted by session
    and told by none."""
    shapes = [tuple(each.shape) for each in getattr(found, "weights", ())]
    yield f"{[type(each).__name__ for each in getattr(found, 'layers', ())]} {shapes}"
    if hasattr(found, "layers"):
        return
    try:
        settings = found.get_config()
    except Exception:  # whatever a layer of one's own raises that has none
        settings = {}
    yield ({key: value for key, value in settings.items() if key != "name"},)
    if not _is_library(type(found).__module__):
        held = {k: v for k, v in vars(found).items() if isinstance(v, PLAIN) and k[0] != "_"}
        yield ({key: value for key, value in held.items() if key not in ("name", "built")},)
