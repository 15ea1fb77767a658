"""What was verified in words: a run directory or one bundle as a few lines, many as a table. Text
from a bundle is made printable first; it comes from others."""

import unicodedata
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from data.messages import escaped, first_of, plural
from search.report.wording import shortened
from search.verification.comparison import Difference
from search.verification.grading import Grade, Grades
from search.verification.student_answers import ANSWERS, answers_text
from search.verification.submission import BEST_WIDTH, Submission
from search.verification.verify import Verification

HEADINGS = (
    *("student", "file", "question", "seed", "verdict", "best", "delta", "failed", "answers"),
    *("verified", "differences"),
)
# Signs of a cell. What tells a difference may stand in its middle: the last column has the room.
LONGEST_CELL, WIDTHS = 300, {"best": BEST_WIDTH, "delta": 40, "answers": 40, "differences": 400}
WITHIN_TOLERANCE = "the same within what another machine may change"
MOST_LISTED, MOST_NAMED = 20, 5


def describe_verification(verification: Verification) -> str:
    """For people: what was compared, and what differs."""
    lines = [verification.warning] if verification.warning else []
    if verification.changed:
        lines.append(
            f"not the machine and versions of the search: {'; '.join(verification.changed)}"
        )
    for each in verification.trained:
        words = each.apart.words if each.apart else f"it fails here: {escaped(each.error or '')}"
        if each.apart or each.error:
            lines.append(f"trial {each.trial} ({escaped(each.label)}) trained again: {words}")
    lines += verification.remarks
    if verification.same:
        how = "the same to the last digit" if verification.repeated else WITHIN_TOLERANCE
        return "\n".join([*lines, f"{verification.num_compared} values compared: {how}"])
    differences = verification.differences
    lines.append(f"{plural(len(differences), 'difference')}:")
    lines += [f"  {escaped(each.where)}: {escaped(each.what)}" for each in differences]
    return "\n".join(lines)


def describe_grade(grade: Grade) -> str:
    """For a terminal: whose search, what it says, what was compared and what differs."""
    lines = [shortened(grade.file, 80)]
    if (handed_in := grade.submission) is not None:
        lines += [
            f"  student   {shortened(_upright(handed_in.student), 100)} (as the bundle says)",
            f"  search    {shortened(handed_in.experiment, 60)}, seed {handed_in.seed}, question "
            f"{shortened(handed_in.question)}",
            f"  trials    {_trials(handed_in)}",
            f"  answer    {shortened(handed_in.answer, 400)}",
            f"  questions {_questions(handed_in)}",
        ]
    if grade.verification is not None:
        said = describe_verification(
            grade.verification.model_copy(update={"differences": ()})
        ).splitlines()
        lines += [
            f"  {shortened(line, 300)}" for line in (said if grade.verification.same else said[:-1])
        ]
    lines += [f"  {shortened(remark, 300)}" for remark in grade.remarks]
    return "\n".join([*lines, *_difference_lines(grade.differences, _checked(grade))])


def _questions(handed_in: Submission) -> str:
    written = answers_text(handed_in.written)
    return f"{written} (in {ANSWERS})" if handed_in.written else "no answers handed in"


def _trials(handed_in: Submission) -> str:
    failed = (
        f"{handed_in.num_failed} failed, trained again on request (--trial)"
        if handed_in.num_failed
        else ""
    )
    parts = (
        str(handed_in.num_trials),
        failed,
        "cut short by its time (max_hours)" if handed_in.cut else "",
    )
    return ", ".join(filter(None, parts))


def _checked(grade: Grade) -> str:
    """What a bundle without differences was found to be; that it is as it was handed in only where
    no number moved."""
    verification = grade.verification
    trained = bool(verification and verification.trained)
    if verification is None or verification.repeated:
        return (
            f"every file, every number recomputed{' and every trial trained again' * trained} is "
            "as it was handed in"
        )
    if not trained:
        return (
            "every file is as it was handed in, and the numbers recomputed within what another "
            "machine may change"
        )
    apart = ", BUT THE EFFECT HANDED IN IS NOT THE ONE TRAINED HERE (above)" * _effect_is_apart(
        grade
    )
    return (
        f"{verification.num_answers_apart} answers differ from those handed in where trials were "
        "trained again, which is no "
        f"more than another machine may change{apart}"
    )


def _effect_is_apart(grade: Grade) -> bool:
    effect = grade.verification.effect if grade.verification else None
    return effect is not None and effect.is_apart


def _difference_lines(differences: Sequence[Difference], checked: str) -> list[str]:
    if not differences:
        return [
            f"  no difference beyond chance: {checked}"
            if "differ from" in checked
            else f"  no difference: {checked}"
        ]
    count = len(differences)
    lines = [f"  {plural(count, 'difference')}:"]
    lines += [
        f"    {shortened(d.where, 80)}: {shortened(d.what, 300)}" for d in differences[:MOST_LISTED]
    ]
    return [*lines, f"    and {count - MOST_LISTED} more"] if count > MOST_LISTED else lines


def describe_grades(grades: Grades) -> str:
    """A table, a line per bundle, then what is handed in under two names."""
    cells = [grade_cells(grade) for grade in grades.grades]
    rows = [HEADINGS, *([_narrow(name, text) for name, text in row.items()] for row in cells)]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(set_cell_size(*each) for each in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for copy in grades.copies:
        first, second = (
            f"{shortened(_upright(s), 40)} ({shortened(f, 40)})"
            for s, f in zip(copy.students, copy.files, strict=True)
        )
        lines.append(f"{copy.word}: {first} and {second}: {copy.what}")
    if grades.others:
        named = first_of([shortened(name, 40) for name in grades.others], MOST_NAMED)
        lines.append(f"not graded, being no .zip, or hidden: {len(grades.others)} ({named})")
    return "\n".join(lines)


def _narrow(column: str, text: str) -> str:
    """A cell of the terminal's table. Answers are counted first, and the rest is a list of numbers:
    it is cut at its end, between two."""
    width = WIDTHS.get(column, 28)
    if column == "answers" and len(text) > width:
        return f"{text[: width - 2].rpartition(',')[0]}, …"
    return shortened(text, width)


def _upright(name: str) -> str:
    """A name with at most two marks on a letter: more would run over the lines above and below."""
    name = unicodedata.normalize("NFC", name)
    is_mark = [unicodedata.category(sign).startswith("M") for sign in name]
    return "".join(sign for n, sign in enumerate(name) if not all(is_mark[max(0, n - 2) : n + 1]))


def grade_cells(grade: Grade) -> dict[str, str]:
    """What a table says of a bundle, by `HEADINGS`: printable and on one line each."""
    handed_in = grade.submission
    first = grade.differences[0] if grade.differences else None
    more = f" (and {len(grade.differences) - 1} more)" if len(grade.differences) > 1 else ""
    wrong = f"{first.where}: {first.what}" if first else grade.problem or "none"
    cells = dict.fromkeys(HEADINGS, "?") | {"file": grade.file, "verified": _verified(grade)}
    if handed_in is not None:
        cells |= {
            "student": _upright(handed_in.student),
            "question": handed_in.question,
            "seed": str(handed_in.seed),
            "verdict": handed_in.verdict,
            "best": handed_in.best,
            "delta": handed_in.delta,
            "failed": str(handed_in.num_failed or "none"),
            "answers": answers_text(handed_in.written),
        }
    whole = {name: shortened(text, LONGEST_CELL) for name, text in cells.items()}
    return whole | {"differences": shortened(wrong, LONGEST_CELL) + more}


def _verified(grade: Grade) -> str:
    if grade.problem is not None:
        return "not checked"
    if grade.differences or grade.verification is None:
        return "no"
    trained = [str(each.trial) for each in grade.verification.trained]
    apart = "; another effect here" if _effect_is_apart(grade) else ""
    return f"trained {', '.join(trained)}{apart}" if trained else "recomputed"
