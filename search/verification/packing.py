"""What became of a bundle that was unpacked, moved or packed by hand before it was handed in, from
the names in its zip alone. None of it says that a number was changed: the remedy is the file as
`bundle` wrote it.
"""

from collections.abc import Callable, Sequence

from data.listing import is_litter
from data.strict_zip import shown
from search.journal.run_dir import JOURNAL

MANIFEST = "manifest.json"
ASK_AGAIN = "ask for the .zip as `bundle` wrote it"
MAKE_ANEW = "ask for the bundle made anew with `run_search.py bundle`"


def mispacked(names: Sequence[str], is_known: Callable[[str], bool]) -> str | None:
    """In words, with what to ask for; None where the names are a bundle's, or tell nothing.
    is_known: whether a bundle may hold a file of that name."""
    again = "it was unpacked and packed again"
    if MANIFEST in names:
        strange = [name for name in names if name != MANIFEST and not is_known(name)]
        if not strange or not all(_is_litter(each) or is_known(_slashed(each)) for each in strange):
            return None
        return f"{again} (it holds {_named(strange[0])}); {ASK_AGAIN}"
    moved = [name for name in map(_slashed, names) if name.endswith(f"/{MANIFEST}")]
    packed = [name for name in names if name.lower().endswith(".zip")]
    if moved:
        folder = _named(moved[0].removesuffix(MANIFEST))
        return f"{again} (its files are in {folder}); {ASK_AGAIN}"
    if packed:
        return f"it holds another .zip ({_named(packed[0])}); unpack that one and name it"
    if any(_slashed(name).rpartition("/")[2] == JOURNAL for name in names):
        return "it is a run directory packed by hand; ask for what `bundle RUN --student` writes"
    return f"it has no {MANIFEST}: it was not made by `bundle`"


def _is_litter(name: str) -> bool:
    *_, last = parts = _slashed(name).split("/")
    if {".", ".."} & {*parts}:  # no file manager writes that
        return False
    return not last or any(is_litter(part, is_folder=True) for part in parts)


def _slashed(name: str) -> str:
    """As some programs on Windows do not write it. A byte that is no text is none of them."""
    return name.replace("\\", "/")


def _named(name: str) -> str:
    return shown(name[-60:])
