"""Reads a YAML file that somebody else may have written: plain data only, no aliases, no repeated
keys, of a sane size.

Errors name the line. What the data mean is `config`'s affair.
"""

import math
import re
from pathlib import Path
from typing import Any

import yaml

from data.errors import UserError
from data.secrets import redacted

MAX_BYTES = 1_000_000


_FLOAT = "tag:yaml.org,2002:float"
_INT = "tag:yaml.org,2002:int"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
# 1e-3: a number in YAML 1.2, text in PyYAML's 1.1
_EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+")
# 010 would be 8, and 1:30 be 90
_ANOTHER_BASE = re.compile(r"[-+]?0[\d_]+|[-+]?[\d_]+(:[\d_]+)+(\.[\d_]*)?")


class _Dumper(yaml.SafeDumper):
    """The safe dumper, which quotes a text that `_Loader` would take for a number."""


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a repeated key, an alias, a number that is not finite or
    of another base.

    Numbers are those of YAML 1.2; a date is a text.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()
            raise yaml.YAMLError(
                f"line {event.start_mark.line + 1}: an alias (*name); write the value out, quoted "
                "if it begins with *"
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                where = f"line {key_node.start_mark.line + 1}"
                raise yaml.YAMLError(
                    f"{where}: the key {key!r}; keys are words, a number or yes or no in quotes"
                )
            if key in seen:
                raise yaml.YAMLError(
                    f"line {key_node.start_mark.line + 1}: the key {key!r} a second time; keep one"
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _decimal(node: Any) -> None:
    if _ANOTHER_BASE.fullmatch(node.value):
        raise yaml.YAMLError(
            f"line {node.start_mark.line + 1}: {node.value}, which YAML reads in another base; "
            "write a number without "
            f'leading zeros or colons, or quote the text: "{node.value}"'
        )


def _decimal_int(loader: _Loader, node: Any) -> int:
    _decimal(node)
    return int(yaml.SafeLoader.construct_yaml_int(loader, node))


def _finite_float(loader: _Loader, node: Any) -> float:
    _decimal(node)
    value = yaml.SafeLoader.construct_yaml_float(loader, node)
    if not math.isfinite(value):
        raise yaml.YAMLError(
            f"line {node.start_mark.line + 1}: {node.value}; numbers must be finite"
        )
    return value


_Loader.add_constructor(_FLOAT, _finite_float)
_Loader.add_constructor(_INT, _decimal_int)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        _FLOAT, re.compile(f"^(?:{_EXPONENT.pattern})$"), list("-+.0123456789")
    )


def as_yaml(data: Any, **options: Any) -> str:
    """Plain data as a YAML text that `parse_yaml` reads back as it is."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, **options))


def in_a_row(value: Any) -> str:
    """A value on one line, as YAML writes it."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return str(text).split("\n...")[0].strip()


def read_yaml(path: Path) -> Any:
    """The file's data. Raises UserError for a missing, oversized, undecodable or malformed file."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UserError(f"{path} is not a file; give the path of an experiment file (.yaml)")
        if size > MAX_BYTES:
            raise UserError(
                f"{path} holds {size} bytes; an experiment file has at most {MAX_BYTES}"
            )
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); give the path of an experiment file (.yaml)"
        ) from error
    return parse_yaml(text, str(path))


_BEFORE = " (the line before may lack its colon, or be indented otherwise)"
_ADVICE = {
    "'\\t'": "; indent with spaces, not tabs",
    "mapping values are not allowed": "; indent the settings of a section alike, and quote a text "
    f"with a colon{_BEFORE}",
    "expected <block end>": f"; indent the settings of a section alike{_BEFORE}",
    "could not find expected ':'": f"; write a space after each colon, key: value{_BEFORE}",
}


def parse_yaml(text: str, origin: str) -> Any:
    """The data in `text`. Raises UserError naming `origin` and the line."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        advice = next((each for words, each in _ADVICE.items() if words in str(error.problem)), "")
        raise UserError(
            f"{origin} is not a plain YAML file: {line}{redacted(str(error.problem))}{advice}"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = (
            "nested too deeply"
            if isinstance(error, RecursionError)
            else redacted(" ".join(str(error).split()))
        )
        raise UserError(f"{origin} is not a plain YAML file: {problem}") from error
