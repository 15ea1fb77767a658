"""Which values of an experiment file a begun search may go on with changed, and which make it
another search.

What changes no number may change: limits, workers, memory, the tracker, where the same images now
lie. What they change to is journaled by `session`; a run directory with any other difference holds
another search.
"""

from collections.abc import Mapping
from typing import Any

Changes = dict[str, tuple[Any, Any]]  # `section.key` -> the value then, the value now

FREE_SECTIONS = ("tracking", "execution")
FREE = ("search.max_hours", "dataset.path")  # the images themselves are compared by their digest
FIXED = ("execution.precision", "execution.feature_dtype", "execution.order")


def may_change(key: str) -> bool:
    """Whether a search may go on with another value of `section.key`."""
    return key in FREE or (key.partition(".")[0] in FREE_SECTIONS and key not in FIXED)


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    """Every value that differs between two filled experiment files; the name, which changes
    nothing, left out."""
    before, after = _flat(then), _flat(now)
    names = [name for name in dict.fromkeys([*before, *after]) if name != "name"]
    return {n: (before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)}


def changed(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A filled experiment file with each of the free values (`section.key` -> then, now) as it is
    now; others are left alone."""
    result = {
        name: dict(part) if isinstance(part, Mapping) else part for name, part in config.items()
    }
    for key, (_, now) in changes.items():
        section, _, name = key.partition(".")
        if may_change(key) and isinstance(result.get(section), dict):
            result[section][name] = now
    return result


def value_of(config: Mapping[str, Any], key: str) -> Any:
    """Of a filled experiment file: what stands at `section.key`; None where nothing does."""
    return _flat(config).get(key)


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """`section.key` -> value. What stands deeper (a range, a list) is one value."""
    found: dict[str, Any] = {}
    for section, content in config.items():
        if isinstance(content, Mapping):
            found |= {f"{section}.{name}": value for name, value in content.items()}
        else:
            found[section] = content
    return found
