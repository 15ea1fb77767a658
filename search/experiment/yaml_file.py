"""Reads a YAML file that somebody else may have written: plain data only, no aliases, no repeated keys, of a sane size.

Errors name the line. What the data mean is `config`'s affair.
"""

import math
from pathlib import Path
from typing import Any

import yaml

from data.errors import UserError

MAX_BYTES = 1_000_000


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a repeated key, an alias and a number that is not finite."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()
            raise yaml.YAMLError(
                f"line {event.start_mark.line + 1}: an alias (*{event.anchor}); write the value out"
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: the key {key!r}; keys are words")
            if key in seen:
                raise yaml.YAMLError(
                    f"line {key_node.start_mark.line + 1}: the key {key!r} a second time; keep one"
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _finite_float(loader: _Loader, node: Any) -> float:
    value = yaml.SafeLoader.construct_yaml_float(loader, node)
    if not math.isfinite(value):
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {node.value}; numbers must be finite")
    return value


_Loader.add_constructor("tag:yaml.org,2002:float", _finite_float)


def read_yaml(path: Path) -> Any:
    """The file's data. Raises UserError for a missing, oversized, undecodable or malformed file."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UserError(f"{path} is not a file; give the path of an experiment file (.yaml)")
        if size > MAX_BYTES:
            raise UserError(f"{path} holds {size} bytes; an experiment file has at most {MAX_BYTES}")
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); give the path of an experiment file (.yaml)"
        ) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, origin: str) -> Any:
    """The data in `text`. Raises UserError naming `origin` and the line."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UserError(f"{origin} is not a plain YAML file: {line}{error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise UserError(f"{origin} is not a plain YAML file: {problem}") from error
