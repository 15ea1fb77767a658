"""A csv file as its cells, and why the paths in it lead to no files: the nearest file to each, and
one sentence about the whole column. Mends nothing.

Looks below the csv's folder, and below the folder above it where nothing is there; only files that
are called as pictures are offered. What the columns mean is `csv_source`.
"""

import codecs
import csv
import difflib
import io
import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from data.errors import UserError
from data.listing import NOT_A_FILE, reason_of
from data.messages import escaped, short
from data.picture_file import is_named_as_picture

ZERO_OR_ONE = frozenset({"0", "1", "0.0", "1.0", "true", "false"})
AS_UTF8 = "save it as UTF-8 (in a spreadsheet: CSV UTF-8)"


CODE_BYTES = 4096  # by which a code of several bytes a letter is known
_SEPARATOR_LINE = re.compile(r"sep=(.?)", re.IGNORECASE)


@dataclass(frozen=True)
class Csv:
    """A csv's cells as they stand: the names in its first line, and each later line with its
    number."""

    header: tuple[str, ...]
    lines: tuple[tuple[int, tuple[str, ...]], ...]

    def one_hot(self) -> list[str]:
        """The columns that hold only 0 and 1, where in every row exactly one of them is 1."""
        places = [
            place
            for place in range(len(self.header))
            if self.lines
            and all(cell_of(cells, place).lower() in ZERO_OR_ONE for _, cells in self.lines)
        ]
        ones = (
            sum(cell_of(cells, place).lower() in ("1", "1.0", "true") for place in places)
            for _, cells in self.lines
        )
        return (
            [self.header[place] for place in places] if len(places) > 1 and set(ones) == {1} else []
        )


def read_csv(path: Path) -> Csv:
    """Every cell. Raises UserError for what cannot be read, is not UTF-8 or leaves a quote open."""
    text = io.StringIO(_text(path), newline="")
    reader = csv.reader(text, strict=True, skipinitialspace=True)
    try:
        # rows of empty cells are what spreadsheets leave above and below a table
        filled = (cells for cells in reader if any(map(str.strip, cells)))
        header = tuple(name.strip() for name in next(filled, []))
        if separator := _SEPARATOR_LINE.fullmatch(",".join(header).rstrip(",") or ""):
            raise UserError(
                f"dataset.path: {escaped(str(path))}: its first line, {header[0]}, is a "
                f"spreadsheet's, and names no columns; leave it out{_by_commas(separator[1])}"
            )
        lines = tuple((reader.line_num, tuple(cells)) for cells in filled)
    except csv.Error as error:
        what = f"dataset.path: {escaped(str(path))} is not a csv in UTF-8: {reason_of(error)}"
        raise UserError(
            f"{what} (up to line {reader.line_num}); close every quote, and {AS_UTF8}"
        ) from error
    return Csv(header, lines)


def _by_commas(separator: str) -> str:
    return "" if separator in ("", ",") else ", and separate the columns by commas"


def _text(path: Path) -> str:
    where = f"dataset.path: {escaped(str(path))}"
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise UserError(
                f"{where} is {NOT_A_FILE.get(stat.S_IFMT(mode), 'not a file')}; give a .csv"
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{where} cannot be read: {reason_of(error)}") from error
    if wide := _wide_code(data[:CODE_BYTES]):
        raise UserError(f"{where} is not a csv in UTF-8: it is {wide}; {AS_UTF8}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{where} is not a csv in UTF-8: line {line} has the byte 0x{data[error.start]:02X}, "
            f"as in Windows' or another code; {AS_UTF8}"
        ) from error


def _wide_code(begins: bytes) -> str | None:
    """In which code of several bytes a letter a file is that begins so, with or without the mark of
    one; None for another."""
    if begins.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    if begins.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    zeros = begins.count(0)
    if 5 * zeros <= len(begins):
        return None
    return "UTF-32" if 5 * zeros > 3 * len(begins) else "UTF-16"


def cell_of(cells: Sequence[str], place: int) -> str:
    return cells[place].strip() if place < len(cells) else ""


def kind_at(path: Path) -> int:
    """`stat.S_IFREG`, `S_IFDIR`, …; 0 where nothing is, or can be called so."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):
        return 0


def is_picture(path: Path) -> bool:
    """Whether a file is there that is called as a picture. Opens nothing: it may be a device, or
    wait for somebody to write."""
    return is_named_as_picture(path.name) and kind_at(path) == stat.S_IFREG


MOST_FILES = 200_000  # looked at below a folder
MOST_NAMES = 5_000  # compared letter by letter
QUOTES = " \t\"'`“”‘’"
ALLOWED_PATHS = (
    "allowed: paths of files below the csv's folder, written from that folder on, with /"
)


class Nearest:
    """The pictures below a folder, found by names that are nearly theirs: without extension, in
    another case or folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Folded name, with and without its extension -> paths from the folder on."""
        found: dict[str, list[str]] = defaultdict(list)
        for path in _files(self.folder):
            name = _folded(PurePosixPath(path).name)
            for key in dict.fromkeys((name, name.rpartition(".")[0] or name)):
                found[key].append(path)
        return found

    @property
    def example(self) -> str:
        """Some picture's path; empty where there is none."""
        return min((path for paths in self._by_name.values() for path in paths), default="")

    def of(self, received: str) -> tuple[str, int] | None:
        """The nearest file and how many are equally near; None where none has a like name."""
        found = self.so_called(received)
        if found is not None:
            return found
        name = _parts(received)[-1]
        names = [key for key, _ in zip(self._by_name, range(MOST_NAMES), strict=False)]
        like = difflib.get_close_matches(name, names, 1, cutoff=0.8)
        return (self._by_name[like[0]][0], 1) if like else None

    def so_called(self, received: str) -> tuple[str, int] | None:
        """The same, where the file's name is equal but for its extension and case."""
        parts = _parts(received)
        close = self._by_name.get(parts[-1]) or self._by_name.get(
            parts[-1].rpartition(".")[0] or parts[-1]
        )
        if not close:
            return None
        shared = {path: _shared_folders(parts, _folded(path).split("/")) for path in close}
        nearest = sorted(path for path, count in shared.items() if count == max(shared.values()))
        return nearest[0], len(nearest)


def column_sentence(
    column: str, lines: Sequence[int], missing: Sequence[str], num_rows: int, what_to_do: str
) -> str:
    """Of the paths that lead to no file: how many, the first of them, and what to do."""
    exist = "file does" if len(missing) == 1 else "files do"
    said = f"column {column}: {len(missing):,} of {num_rows:,} {exist} not exist"
    return f"{said}; the first, line {lines[0]}, is '{short(missing[0])}'; {what_to_do}"


def advice(missing: Sequence[str], nearest: Nearest) -> str:
    """What to write instead of the first of some paths, and how many of them it would mend."""
    found = nearest.of(missing[0])
    if found is None:
        above = Nearest(nearest.folder.parent).of(missing[0])
        if above is not None and above[1] == 1:
            return (
                f"there is {escaped(above[0])} in the folder above the csv's, "
                f"{nearest.folder.parent}: put the csv there and write that"
            )
        example = (
            f", such as {escaped(nearest.example)}" if nearest.example else "; there is no picture"
        )
        return f"no picture below {nearest.folder} has such a name; {ALLOWED_PATHS}{example}"
    path, equally = found
    many = f" (one of {equally} so called)" if equally > 1 else ""
    mended = sum(nearest.so_called(each) is not None for each in missing)
    count = f", and likewise for {mended:,} of them" if mended > 1 else ""
    return (
        f"the nearest is {escaped(path)}{many}: write that, {_difference(missing[0], path)}{count}"
        f"; {ALLOWED_PATHS}"
    )


def near(received: str, nearest: Nearest) -> str:
    """ "; the nearest is a/b.jpg", or nothing where no file is."""
    found = nearest.of(received)
    return "" if found is None else f"; the nearest is {escaped(found[0])}"


def _difference(received: str, path: str) -> str:
    """In words, what a path has that the file's own has not, and the reverse."""
    plain = _plain(received)
    stem = PurePosixPath(path).name.rpartition(".")[0]
    found = (
        ("://" in received, "the picture downloaded, not its address"),
        ("\\" in received, "with / for \\"),
        (_is_absolute(received), "from the csv's folder on"),
        (received.strip(QUOTES) != received, "without quotes or spaces around it"),
        (PurePosixPath(plain).name.casefold() == stem.casefold(), "with its extension"),
        (
            _folded(PurePosixPath(plain).suffix) != _folded(PurePosixPath(path).suffix)
            and PurePosixPath(plain).suffix != ""
            and PurePosixPath(plain).stem.casefold() == stem.casefold(),
            "with the extension that the file has",
        ),
        (
            _folded(plain).endswith(_folded(path)) and not plain.endswith(path),
            "upper and lower case as the file has it",
        ),
        (path.count("/") > plain.strip("/").count("/"), "with the folders above it"),
    )
    return ", ".join(words for is_so, words in found if is_so) or "letter by letter"


def _parts(received: str) -> list[str]:
    return _folded(_plain(received)).strip("/").split("/")


def _is_absolute(received: str) -> bool:
    return received.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", received) is not None


def _plain(received: str) -> str:
    """A path with / between its parts, without quotes around it, an address's host, a drive, `./`
    or `~`."""
    text = received.strip(QUOTES)
    if "://" in text:
        text = unquote(urlsplit(text).path)
    text = re.sub(r"^[A-Za-z]:|^~", "", text.replace("\\", "/"))
    return re.sub(r"^(\./)+", "", text)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _shared_folders(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many folders just above the file have the same names."""
    pairs = zip(reversed(ours[:-1]), reversed(theirs[:-1]), strict=False)
    return next(
        (count for count, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)) - 1
    )


def _files(folder: Path) -> Iterable[str]:
    left = MOST_FILES
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and is_picture(Path(place, name)):
                yield Path(place, name).relative_to(folder).as_posix()
        left -= len(names)
        if left < 0:
            return
