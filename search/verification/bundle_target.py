"""Where a bundle may be written, and what the one that is replaced must not lose."""

from collections.abc import Mapping
from pathlib import Path

from data.errors import UserError
from data.messages import escaped, first_of
from search.journal.targets import FileKind, need_target
from search.verification.bundle_file import read_bundle
from search.verification.student_answers import ANSWERS, parse_answers

BUNDLE = FileKind("a bundle", (".zip",), lambda path: read_bundle(path).manifest is not None)


def need_bundle_target(out: Path) -> dict[str, str]:
    """The answers of the bundle that is to be replaced, by number of question; none where there is
    none. Raises UserError where no bundle must be written there."""
    need_target(out, BUNDLE)
    if not out.exists() or out.stat().st_size == 0:
        return {}
    content = read_bundle(out).files.get(ANSWERS)
    return {} if content is None else parse_answers(content)


def need_answers_kept(out: Path, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Raises UserError where the bundle at `out` answers a question that the new one does not."""
    lost = [number for number, answer in before.items() if answer and not after.get(number)]
    if lost:
        raise UserError(
            f"--out: {escaped(str(out))} is a bundle that answers question {first_of(lost)}, and "
            "the new one would not; name the file of the answers with --answers, or choose another "
            "--out"
        )
