"""The one door of the `verify` command: a run directory, a bundle or a folder of bundles, and the
answer as text and as JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UserError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Verified:
    same: bool
    text: str
    as_json: dict[str, Any]


def verified(
    path: Path,
    trial: int | None,
    data: Path | None,
    many: bool,
    train: bool,
    say: Say,
    weights: Path | None = None,
) -> Verified:
    """Raises UserError for what the user can mend, and where `many` or not `train` do not go with
    what `path` is."""
    from search.verification.grading import Extent, grade, grade_many
    from search.verification.verification_text import describe_grade, describe_grades

    if many and not path.is_dir():
        raise UserError(f"--many received {path}; allowed: a folder of bundles")
    if many:
        grades = grade_many(path, Extent(trial=trial, train=train), data, say, weights)
        return Verified(
            grades.same,
            describe_grades(grades),
            {"same": grades.same, **grades.model_dump(mode="json")},
        )
    if path.exists() and not path.is_dir():  # what is no file either, is told there
        graded = grade(path, Extent(trial=trial, train=train), data, say, weights)
        return Verified(
            graded.same,
            describe_grade(graded),
            {"same": graded.same, **graded.model_dump(mode="json")},
        )
    if not train:
        raise UserError(
            "--no-train is for bundles; a run directory is verified with one trial trained again"
        )
    return _run_directory(path, trial, data, say, weights)


def _run_directory(
    path: Path, trial: int | None, data: Path | None, say: Say, weights: Path | None
) -> Verified:
    from search.verification.verification_text import describe_verification
    from search.verification.verify import verify

    found = verify(path, trial, data, say, weights)
    return Verified(
        found.same,
        describe_verification(found),
        {"same": found.same, **found.model_dump(mode="json")},
    )
