"""What is wrong with a value of an experiment file: what was received, what is allowed, how it is
written in YAML.

Pydantic finds the mistakes, and its schema says what is allowed. Its sentences, which are Python's,
are not escaped.
"""

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from data.messages import did_you_mean, literal, short
from data.secrets import redacted, shown_uri
from data.value_forms import is_number
from search.experiment.dimensions import SEARCHED_TITLE
from search.experiment.yaml_file import in_a_row

Schema = dict[str, Any]

_RANGE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:-|–|\.\.+|:|,|to)\s*(-?\d+(?:\.\d+)?)\s*")
_KINDS = {
    "null": "null",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a section of settings",
}


TOO_DEEP = "its lists and sections are nested too deeply; no setting needs more than four levels"


def complaint(model: type[BaseModel], item: Any, data: Any) -> str:
    """One line for one of pydantic's errors on `data`: "evaluation.seeds: received [1, 2]; allowed:
    …"."""
    path = _known(model, item["loc"])
    if not path and item["type"] == "json_invalid":  # the one way in which plain data is no JSON
        return TOO_DEEP
    named = item["loc"] if item["type"] == "extra_forbidden" else path
    where = short(".".join(map(str, named)))
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key{_nearest(model, item['loc'])}"
    if item["type"] == "missing":
        return (
            f"{where}: missing; it has no default; "
            f"{_advice(path[-1], *_schema_at(model, path), None)}"
        )
    if item["type"] == "value_error":
        words = item["msg"].removeprefix("Value error, ")
        part = f"received {literal(item['input'])};"
        if words.startswith(part):
            words = f"{_received(data, path, item['input'])};{words.removeprefix(part)}"
        return _own_words(where, words)
    schema, definitions = _schema_at(model, path)
    advice = _advice(path[-1], schema, definitions, item["input"])
    return (
        f"{where}: {_received(data, path, item['input'])}; allowed: "
        f"{_allowed(schema, definitions)}{'; ' if advice else ''}{advice}"
    )


def _received(data: Any, path: Sequence[str], part: Any) -> str:
    """A setting's value as it was written, and which part of it is refused."""
    for name in path:
        data = data.get(name, part) if isinstance(data, Mapping) else part
    whole, refused = (literal(_without_secrets(value)) for value in (data, part))
    if whole == refused or not isinstance(data, Mapping | list):
        return f"received {whole}"
    return f"received {whole}, in which {refused} is not allowed"


def _without_secrets(value: Any) -> Any:
    """The value with what an address may hold of secrets left out, before it is quoted or cut."""
    if isinstance(value, str):
        return shown_uri(value) if "://" in value else redacted(value)
    if isinstance(value, dict):
        return {key: _without_secrets(each) for key, each in value.items()}
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value


def number_hint(received: Any) -> str:
    """What to write instead of a text that looks like a number or a range; empty for all else."""
    if not isinstance(received, str):
        return ""
    if found := _RANGE.fullmatch(received):
        return f"; a range is written {{min: {found[1]}, max: {found[2]}}}"
    meant = _as_number(received)
    return "" if meant is None else f"; write {meant}, without quotes"


def first_odd(value: Any, where: str = "") -> str:
    """Names the first value that no YAML file of words, numbers, true, false, lists and mappings
    holds."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        found = (first_odd(each, f"{where}.{key}" if where else str(key)) for key, each in items)
        return next(filter(None, found), "")
    plain = (
        value is None
        or isinstance(value, str | int)
        or (isinstance(value, float) and value - value == 0)
    )
    return "" if plain else f"{where}: received {literal(value)} ({type(value).__name__}); "


def _own_words(where: str, message: str) -> str:
    """A message of this project's own; where it opens with a setting of the section, under the
    setting's whole name."""
    message = message.removeprefix(f"{where}: ")
    if not where:
        return message
    return f"{where}.{message}" if re.match(r"[\w.]+: ", message) else f"{where}: {message}"


def _allowed(schema: Schema, definitions: Schema) -> str:
    if "allowed" in schema:
        return str(schema["allowed"])
    if "anyOf" in schema:
        return " or ".join(_allowed(each, definitions) for each in _options(schema))
    if "$ref" in schema:
        return f"a section of {', '.join(_section(schema, definitions)['properties'])}"
    if "enum" in schema or "const" in schema:
        return ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    return _KINDS.get(schema.get("type", ""), "a value") + _bounds(schema)


def _options(schema: Schema) -> list[Schema]:
    """What one value may be, what is searched left out."""
    options = schema.get("anyOf", [schema])
    return [each for each in options if not each.get("title", "").startswith(SEARCHED_TITLE)]


def _bounds(schema: Schema) -> str:
    words = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
        "exclusiveMaximum": "to below",
    }
    return "".join(f" {word} {schema[key]:g}" for key, word in words.items() if key in schema)


def _advice(key: str, schema: Schema, definitions: Schema, received: Any) -> str:
    """How the setting is written, as near as possible to what was received."""
    options = _options(schema)
    kinds = {option.get("type") for option in options}
    choices = [
        str(each) for option in options for each in option.get("enum", [option.get("const", "")])
    ]
    if isinstance(received, str) and (near := did_you_mean(received, filter(None, choices))):
        return near.removeprefix("; ")
    if (
        isinstance(received, str)
        and kinds & {"integer", "number"}
        and (hint := number_hint(received))
    ):
        return (
            hint.removeprefix("; ") if "without quotes" in hint else f"one value, such as {key}: 1"
        )
    if isinstance(received, float) and received.is_integer() and "integer" in kinds:
        return f"write {key}: {received:.0f}"
    if received is False and "null" in kinds:
        return f"write {key}: null for none"
    takes_text = any(o.get("type") == "string" and not {"enum", "const"} & set(o) for o in options)
    if isinstance(received, bool) and takes_text:
        word = "yes" if received else "no"
        return (
            f'in quotes, such as {key}: "{word}": YAML reads yes, no, on and off as true and false'
        )
    if isinstance(received, int | float) and takes_text:
        return f'write it in quotes, {key}: "{received}"'
    example = _example(schema, definitions, received)
    one = (
        "one value, "
        if isinstance(received, list | dict) and not isinstance(example, list | dict)
        else ""
    )
    return "" if example is None else f"{one}such as {key}: {in_a_row(example)}"


def _example(schema: Schema, definitions: Schema, received: Any) -> Any:
    """A value that is allowed: the default, or one made of the schema; a section takes in the
    number received."""
    if "examples" in schema:
        return schema["examples"][0]
    if section := _section(schema, definitions):
        return _section_example(section, definitions, received)
    if schema.get("default") not in (None, {}):
        return schema["default"]
    numbers = [o for o in _options(schema) if o.get("type") in ("integer", "number")]
    return max(numbers[0].get("minimum", 1), 1) if numbers else None


def _section_example(section: Schema, definitions: Schema, received: Any) -> Schema:
    found = {
        name: _example(each, definitions, None)
        for name, each in section["properties"].items()
        if name in section.get("required", ()) or "default" in each
    }
    first = next(iter(found))
    if _fits(section["properties"][first], received):
        found[first] = received
    return {name: value for name, value in list(found.items())[:3] if value is not None}


def _fits(schema: Schema, received: Any) -> bool:
    if isinstance(received, bool) or not isinstance(received, int | float):
        return False
    whole = schema.get("type") != "integer" or isinstance(received, int)
    high: float = next(
        (schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema), received
    )
    in_range = schema.get("minimum", 0) <= received <= high
    return whole and in_range and schema.get("type") in ("integer", "number")


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def _schema_at(model: type[BaseModel], path: Sequence[str]) -> tuple[Schema, Schema]:
    """The schema of a setting, and the definitions it may refer to."""
    whole = schema_of(model)
    definitions = whole.get("$defs", {})
    place: Schema = whole
    for number, name in enumerate(path):
        place = place["properties"][name]
        if number < len(path) - 1:
            place = _section(place, definitions)
    return place, definitions


def _section(schema: Schema, definitions: Schema) -> Schema:
    """The section that a setting is; empty where it is none."""
    named = next((each["$ref"] for each in _options(schema) if "$ref" in each), "")
    found: Schema = definitions.get(named.rpartition("/")[2], {})
    return found


def _settings(section: Schema, definitions: Schema, above: str = "") -> Iterator[str]:
    """The whole names of all settings; what a program fills in is left out."""
    for name, each in section["properties"].items():
        inner = {} if name == "code" else _section(each, definitions)
        yield f"{above}{name}"
        if inner:
            yield from _settings(inner, definitions, f"{above}{name}.")


def _known(model: type[BaseModel], loc: Sequence[Any]) -> list[str]:
    """The part of pydantic's location that names settings: of a union it also names the member that
    was tried."""
    found: list[str] = []
    for part in loc:
        try:
            _schema_at(model, [*found, part])
        except KeyError:
            break
        found.append(str(part))
    return found


def _nearest(model: type[BaseModel], loc: Sequence[Any]) -> str:
    *parents, _ = map(str, loc)
    place, definitions = _schema_at(model, parents)
    section = _section(place, definitions) or place
    names, key = list(section["properties"]), str(loc[-1])
    if key.endswith(".py"):
        return f"; name a function of it, {key}:NAME"
    if re.match(r"\w+:", key):
        return "; write a space after the colon"
    outer, dot, inner = key.partition(".")
    if dot and outer in names:
        return f"; write {outer}: {{{inner}: …}}"
    elsewhere = [n for n in _settings(schema_of(model), definitions) if n.endswith(f".{key}")]
    close = elsewhere[:3] or difflib.get_close_matches(key, names, 1)
    return f"; did you mean {' or '.join(close)}?" if close else f"; allowed: {', '.join(names)}"


def _as_number(text: str) -> int | float | None:
    if text.endswith("%"):
        share = _as_number(text[:-1].strip())
        return None if share is None else share / 100
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            number = kind(text)
            return number if is_number(number) else None
    return None
