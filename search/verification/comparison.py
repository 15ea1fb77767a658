"""What is recomputed held against what was written down: number by number, naming each place where
they differ.

Knows nothing of trials or searches; what is compared, and how far apart two numbers may be, decides
the caller.
"""

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator

from data.secrets import redacted
from data.value_forms import is_number
from search.experiment.settings import Frozen

MISSING = object()


class Difference(Frozen):
    """where: a path into the journal or the run directory. what: both values, or what is wrong, in
    words."""

    where: str
    what: Annotated[str, AfterValidator(redacted)]  # a config of a bundle may hold an address


class _Leaf(NamedTuple):
    place: tuple[int, ...]  # positions in the lists on the way
    value: Any


class Comparison:
    """Collects differences. `num_compared` counts the values that were held against each other."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []
        self.num_compared = 0

    def note(self, where: str, what: str) -> None:
        difference = Difference(where=where, what=what)
        if difference not in self.differences:
            self.differences.append(difference)

    def check(self, where: str, journaled: Any, recomputed: Any, slack: float = 0.0) -> None:
        """Compares two values of JSON. `slack`: how far apart two numbers may be; words and flags
        must be equal.

        A list of numbers is named once, with how many of them differ.
        """
        ours, theirs = _by_name(journaled), _by_name(recomputed)
        for name in sorted({*ours, *theirs}):
            path = f"{where}: {name}" if name else where
            self._check_list(path, ours.get(name, {}), theirs.get(name, {}), slack)

    def _check_list(self, where: str, ours: dict, theirs: dict, slack: float) -> None:
        places = sorted({*ours, *theirs})
        pairs = [(ours.get(place, MISSING), theirs.get(place, MISSING)) for place in places]
        self.num_compared += len(pairs)
        different = [pair for pair in pairs if not _same(*pair, slack)]
        if different:
            many = f" ({len(different)} of {len(pairs)} values differ; this is the first)"
            text = f"{_text(different[0][0])} in the journal, {_text(different[0][1])} recomputed"
            self.note(where, text + (many if len(pairs) > 1 else ""))


def _by_name(value: Any) -> dict[str, dict[tuple[int, ...], Any]]:
    found: dict[str, dict[tuple[int, ...], Any]] = {}
    for name, leaf in _leaves(value, "", ()):
        found.setdefault(name, {})[leaf.place] = leaf.value
    return found


def _leaves(value: Any, name: str, place: tuple[int, ...]) -> Iterator[tuple[str, _Leaf]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key), place)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _leaves(item, name, (*place, number))
    else:
        yield name, _Leaf(place, value)


def _same(journaled: Any, recomputed: Any, slack: float) -> bool:
    if slack and is_number(journaled) and is_number(recomputed):
        return bool(abs(journaled - recomputed) <= slack)
    return bool(journaled == recomputed)


def _text(value: Any) -> str:
    return "nothing" if value is MISSING else repr(value)
