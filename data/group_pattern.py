"""The regular expression that says which group a path is of, matched by RE2: in time proportional
to path and pattern, where Python's `re` may take for ever. What groups mean is `groups`.
"""

import os
import time
from collections.abc import Sequence
from functools import lru_cache

from data.errors import UserError
from data.messages import escaped, literal

LONGEST_PATTERN = 200
# The worst pattern of that length takes a second for one path.
PATHS_AT_ONCE = 16
PATTERN_SECONDS = 60.0
NO_GROUP = "parenthesized subexpressions"  # RE2's words, of a \1 that there is not


@lru_cache(maxsize=64)
def check_pattern(pattern: str) -> str:
    """The pattern as it is. Raises ValueError unless it is a regular expression with a group."""
    import pyarrow
    import pyarrow.compute

    example = r"allowed: a regular expression with a group in brackets, such as IMG_(\d+)"
    try:
        pyarrow.compute.match_substring_regex(pyarrow.array([""]), pattern)  # balanced by itself
        _first_groups(pattern, ["x"])
    except pyarrow.ArrowInvalid as error:
        if NO_GROUP in str(error):
            raise ValueError(
                f"received {literal(pattern)}: nothing in it stands in brackets; {example}"
            ) from error
        reason = escaped(str(error).removeprefix("Invalid regular expression: "))
        raise ValueError(f"received {literal(pattern)}: {reason[:120]}; {example}") from error
    return pattern


def groups_of_paths(pattern: str, paths: Sequence[str]) -> tuple[str, ...]:
    """The pattern's first group in each path; "" where the pattern is not in it. Raises UserError
    where it takes too long.
    """
    found: list[str] = []
    start = time.monotonic()
    for first in range(0, len(paths), PATHS_AT_ONCE):
        found += _first_groups(pattern, paths[first : first + PATHS_AT_ONCE])
        if time.monotonic() - start > PATTERN_SECONDS:
            raise UserError(
                f"dataset.group_pattern: {literal(pattern)} takes more than {PATTERN_SECONDS:.0f} "
                f"seconds for {len(paths):,} paths; write a simpler one"
            )
    return tuple(found)


def _first_groups(pattern: str, paths: Sequence[str]) -> list[str]:
    import pyarrow
    import pyarrow.compute

    whole = f"^(?s:.*?)(?:{pattern})(?s:.*)$"
    texts = pyarrow.array([os.fsencode(path) for path in paths], pyarrow.binary())
    has = pyarrow.compute.match_substring_regex(texts, whole).to_pylist()
    cut = pyarrow.compute.replace_substring_regex(texts, whole, r"\1", max_replacements=1)
    return [
        os.fsdecode(group) if is_in else ""
        for group, is_in in zip(cut.to_pylist(), has, strict=True)
    ]
