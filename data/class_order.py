"""The one order of classes, whatever source they come from."""

import re
from collections.abc import Iterable

DIGITS = re.compile(r"([0-9]+)")
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


def in_order(names: Iterable[str]) -> list[str]:
    """Whole numbers first, by value; then names as text, in which digits count as numbers: a2
    before a10."""
    return sorted(names, key=_key)


def _key(name: str) -> tuple[int, list[int | str], str]:
    if WHOLE_NUMBER.fullmatch(name):
        return 0, [int(name)], name
    parts = DIGITS.split(name)  # text and digits in turn, text first
    return 1, [int(part) if place % 2 else part for place, part in enumerate(parts)], name
