"""What of two experiment files differs, and what of that may change while a search goes on."""

from collections.abc import Iterator, Mapping
from typing import Any

Changes = dict[str, tuple[Any, Any]]  # `section.key` -> the value then, the value now

# Where a search is run and kept: no part of its question, and a later sitting may have others.
PLACES = (
    *("dataset.path", "tracking.uri", "tracking.experiment"),
    *("execution.engine", "execution.address", "execution.resources", "execution.max_workers"),
    *("execution.workers", "execution.threads", "execution.retries"),
    *("execution.cache_dir", "execution.disk_gb"),
    "code.folder",
)
CODE = "code.files"  # a later sitting may have others where it is told so
# What a later sitting may have another of, too, but two people who answer one question may not.
LIMITS = ("search.max_hours", "execution.trial_timeout_minutes", "execution.feature_engine", CODE)


def may_change(key: str) -> bool:
    """Whether a search may go on with another value of `section.key`. The images themselves are
    compared by their digest."""
    return key in PLACES or key in LIMITS


def is_asked(key: str) -> bool:
    """Whether the value of `section.key` is part of the question that a search answers. A setting
    that is new is."""
    return key not in PLACES and key not in ("name", "seed")


def by_place(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`section.key` and the value of everything in a filled experiment file. What stands deeper (a
    range, a list) is one value."""
    for section, content in config.items():
        if isinstance(content, Mapping):
            yield from ((f"{section}.{name}", value) for name, value in content.items())
        else:
            yield section, content


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    """Every value that differs between two filled experiment files; the name, which changes
    nothing, left out."""
    before, after = dict(by_place(then)), dict(by_place(now))
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
