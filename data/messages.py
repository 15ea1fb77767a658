"""Words that errors about data share: a name made fit to print, the first of a long list, the
nearest known name.

Knows nothing of images or files; the sentences themselves are written where the mistake is found.
"""

import difflib
import json
import re
from collections.abc import Iterable, Sequence

from data.errors import said_by
from data.secrets import redacted_here

FIRST = 10
LONGEST_VALUE = 80
LONGEST_SHOWN = 200
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # of a terminal: Keras's own messages have them
_LONG_WORD = re.compile(r"\S{400,}")


def escaped(name: str) -> str:
    """The name on one line: what does not print (newlines, undecodable bytes of a file name) is
    escaped.

    The result can be written as UTF-8 whatever the file system held.
    """
    if name.isprintable():
        return name
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name
    )


def short(name: str) -> str:
    """The name on one line, cut where it is longer than a line of a message should be."""
    return escaped(name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…")


def with_short_words(text: str) -> str:
    """The text with each word cut that no file system takes for a name and no reader reads."""
    return _LONG_WORD.sub(lambda found: f"{found[0][:LONGEST_SHOWN]}…", text)


def without_colours(text: str) -> str:
    return _COLOURS.sub("", text)


def text_of(error: BaseException, most: int = 300) -> str:
    """What an error of a library's says, on one line, without colours and secrets; "" where it
    says nothing."""
    # Before anything is cut: the half of a secret is known no more.
    return " ".join(redacted_here(without_colours(said_by(error))).split())[:most]


def words_of(error: BaseException, most: int = 300) -> str:
    """Its type, and its text as `text_of` has it."""
    text = text_of(error, most)
    return f"{type(error).__name__}{': ' if text else ''}{text}"


def literal(value: object) -> str:
    """A value as an experiment file writes it (true, null, "text"), on one line and cut where it is
    long."""
    try:
        text = escaped(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError):
        text = _unlike_a_file(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _unlike_a_file(value: object) -> str:
    """A value of no kind that a file holds, on one line."""
    try:
        return escaped(str(value))
    except ValueError:  # Python writes no int of more than 4300 digits
        return "a number of thousands of digits"


def first_of(names: Sequence[str], limit: int = FIRST, count: int | None = None) -> str:
    """ "a, b, c", or the first `limit` of them "and 12 more". count: of all, where `names` are but
    the first."""
    some, rest = listed(names[:limit]), (len(names) if count is None else count) - limit
    return f"{some} and {rest} more" if rest > 0 else some


def listed(names: Sequence[str]) -> str:
    """ "a, b, c"; "a, b; c" where a name has a comma of its own, so that its end is seen."""
    return ("; " if any("," in name for name in names) else ", ").join(names)


def did_you_mean(received: str, allowed: Iterable[str]) -> str:
    """ "; did you mean 'train'?", or nothing where no allowed name is near."""
    by_lower = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(received.strip().lower(), by_lower, 1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def plural(count: int, noun: str, nouns: str = "") -> str:
    """ "1 image", "2 images"."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"
