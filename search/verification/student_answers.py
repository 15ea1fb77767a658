"""A student's answers to a notebook's questions: `answers.txt`, plain text with a line `Question 3`
above each answer. The notebook's boxes fill it, a bundle holds it, and a bundle's reader takes
nothing else by that name. Whether an answer is right is for a person to say.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.files import read_regular, write_atomically
from data.listing import reason_of
from data.messages import escaped
from search.journal.run_dir import FileKind, first_bytes, need_target

ANSWERS = "answers.txt"
MOST_ANSWERS_BYTES, MOST_NOTEBOOK_BYTES, MOST_QUESTIONS = 1 << 16, 1 << 27, 50
_HEADING = re.compile(r"Question ([1-9][0-9]?):?")
_BOX, _BELOW = re.compile(r"\*\*Question ([1-9][0-9]?)\.\*\*"), "*Your answer:*"


def parse_answers(content: bytes) -> dict[str, str]:
    """The answers by number of question, in their order; "" where nothing is written. Raises
    ValueError where it is no such text."""
    if len(content) > MOST_ANSWERS_BYTES:
        raise ValueError(f"it has {len(content)} bytes; allowed: {MOST_ANSWERS_BYTES}")
    text = _decoded(content)
    if "\r" in text:
        raise ValueError(
            "its lines end as Windows ends them, so it was changed after it was bundled; ask for "
            "the .zip as `bundle` wrote it"
        )
    if text != _plain(text):
        raise ValueError("it holds signs that do not print")
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.split("\n"):
        if heading := _HEADING.fullmatch(line.strip()):
            if heading[1] in found:
                raise ValueError(f"it has two lines 'Question {heading[1]}'")
            lines = found[heading[1]] = []
        else:
            lines.append(line)
    if not 0 < len(found) <= MOST_QUESTIONS:
        raise ValueError(f"it has {len(found)} lines like 'Question 1'; allowed: 1 to 50")
    return {number: "\n".join(each).strip() for number, each in found.items()}


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text; save it as UTF-8") from error


def read_answers(path: Path) -> bytes:
    """A file of answers as a bundle holds it. Raises UserError where it is none."""
    try:
        text = _plain(_decoded(read_regular(path, MOST_NOTEBOOK_BYTES)).removeprefix("\ufeff"))
        parse_answers(content := text.encode())
    except (OSError, ValueError) as error:
        raise UserError(
            f"--answers {escaped(str(path))}: {escaped(reason_of(error))}; give the {ANSWERS} that "
            "the notebook's last cell writes"
        ) from error
    return content


def fill_answers(notebook: Path, to: Path) -> str:
    """Writes what stands in a saved notebook's boxes to `to`, and says how much that is. A box is
    Markdown: `**Question 3.**`, the question, `*Your answer:*`, the answer.

    Raises UserError where the notebook cannot be read, has no box, or has a question twice,
    StorageError where the disk refuses.
    """
    need_target(to, STUDENT_ANSWERS, "ANSWERS")
    try:
        cells = json.loads(read_regular(notebook, MOST_NOTEBOOK_BYTES))["cells"]
        boxes = [box for cell in cells if cell["cell_type"] == "markdown" for box in _boxes(cell)]
        content = "\n".join(f"Question {number}\n{answer}\n" for number, answer in boxes)
        found = parse_answers(content.encode())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{escaped(str(notebook))} gives no answers: {escaped(reason_of(error))}; each box is "
            "'**Question 1.** ... *Your answer:* ...' in a cell of text, and each number is there "
            "once"
        ) from error
    write_atomically(to, content, "the answers")
    return f"{escaped(to.name)}: {answers_text(found)}"


def _is_answers(path: Path) -> bool:
    """However an editor ended its lines."""
    content = first_bytes(path).decode(errors="replace").removeprefix("\ufeff")
    return any(_HEADING.fullmatch(line.strip()) for line in content.splitlines())


def answers_text(answers: Mapping[str, str] | None) -> str:
    """ "9 answered, empty: 4, 7", "none" where nothing was handed in. How many were asked, only the
    teacher knows."""
    if answers is None:
        return "none"
    empty = [number for number, answer in answers.items() if not answer]
    count = f"{len(answers) - len(empty)} answered"
    return f"{count}, empty: {', '.join(empty)}" if empty else count


def _boxes(cell: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Question and answer of each box in a cell, whose source is one text or lines."""
    _, *parts = _BOX.split("".join(cell["source"]))
    for number, box in zip(parts[::2], parts[1::2], strict=True):
        yield number, _unquoted(_plain(box.partition(_BELOW)[2]))


def _unquoted(box: str) -> str:
    """Without the signs that draw the box; what would pass for the next question's line gets a
    full stop."""
    lines = (re.sub(r"^> ?", "", line) for line in box.split("\n"))
    return "\n".join(
        f"{each}." if _HEADING.fullmatch(each.strip()) else each for each in lines
    ).strip()


def _plain(text: str) -> str:
    """Lines of printable signs: other spaces, as word processors write them, are spaces, and what
    does not print is left out."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ").split("\n")
    return "\n".join("".join(map(_printed, line)) for line in lines)


def _printed(sign: str) -> str:
    if unicodedata.category(sign) == "Zs":
        return " "
    return sign if sign.isprintable() else ""


STUDENT_ANSWERS = FileKind("a file of answers", (".txt",), _is_answers)
