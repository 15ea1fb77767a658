"""Who hands in which search, in the few words of a table, and which trials of several are one
training under two names.

Judges nothing else: whether a search is what it says is `grading`'s. Marks of trials are
`fingerprints`'.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, InstanceOf

from search.driver.experiment_file import parse_config
from search.evidence.answer import Estimate
from search.experiment.answers import Predictions
from search.experiment.config import by_place
from search.experiment.config_changes import is_asked
from search.experiment.trial import Frozen
from search.journal.state import SearchState
from search.report.answer import answer
from search.report.view import SearchView
from search.report.wording import estimate_text, settings_of
from search.verification.bundle_file import Manifest
from search.verification.fingerprints import Fingerprint, fingerprints
from search.verification.likeness import LEAST_BITS, Holder, Index

BEST_WIDTH = 36  # signs: what the table of many has room for


class Submission(Frozen):
    """student: as the manifest claims. question: names the config but for the seed and where things
    are; who answered the same one has the same. best: the recommended setting, else the best
    confirmed, else the best trial; verdict: on it; delta: its effect by all trainings, from which
    the verdict follows, in words; effect: in figures. num_trials, num_failed: of all phases; those
    that failed are trained again only on request. cut: whether time ran out. journal: the hash of
    what two searches never share. written: the student's answers to a notebook's questions, by
    number; None where none were handed in. prints: of its trials.
    """

    student: str
    search_id: str
    experiment: str
    seed: int
    question: str
    verdict: str
    best: str
    delta: str
    answer: str
    num_trials: int
    num_failed: int
    cut: bool
    journal: str
    effect: Estimate | None = None
    written: dict[str, str] | None = None
    prints: tuple[InstanceOf[Fingerprint], ...] = Field(default=(), exclude=True, repr=False)


class Copy(Frozen):
    """Two files that share something, the later one first. certain: two students have what no
    two searches share; else it may be honest. num_shared of the num_trials that the later one
    trained."""

    files: tuple[str, str]
    students: tuple[str, str]
    what: str
    certain: bool
    num_shared: int = 0
    num_trials: int = 0

    @property
    def word(self) -> str:
        return "COPY" if self.certain else "note"


def submission_of(
    manifest: Manifest, state: SearchState, journal: bytes, answers: Mapping[int, Predictions]
) -> Submission:
    """state: of a journal that was opened. answers: by number of trial, where they could be
    read."""
    assert state.opened is not None
    config = parse_config(state.opened.config, "the journaled config").filled
    view = SearchView(state)
    best = view.foremost
    whole = (view.policy.verdict, view.policy.measured) if view.policy else ("NO EVIDENCE", None)
    verdict, claimed = view.claimed_of.get(best.trial, whole) if best else whole
    return Submission(
        student=manifest.student,
        search_id=state.opened.search_id,
        experiment=state.opened.name,
        seed=config["seed"],
        question=_hash(question(config))[:8],
        verdict=verdict,
        best=settings_of(best, BEST_WIDTH) if best else "none",
        delta=estimate_text(claimed, view.unit) if claimed else "not measured",
        effect=claimed,
        answer=answer(view),
        num_trials=len(state.records),
        num_failed=view.num_failed,
        cut=state.cut_after is not None,
        journal=hashlib.sha256(journal).hexdigest(),
        prints=tuple(fingerprints(state.records, answers, len(state.opened.dataset.class_names))),
    )


def find_copies(submissions: Iterable[tuple[str, Submission]]) -> tuple[Copy, ...]:
    """Each file beside every earlier one that was first to hold its journal, its search or some of
    its trials.

    Under one student's name it is a note: handed in twice, or a file handed on as it was.
    """
    found: list[Copy] = []
    seen: dict[str, Submission] = {}
    index, firsts = Index(), dict[str, str]()
    for file, ours in submissions:
        shared = _trials_shared(ours, index)
        known = {firsts[each] for each in (ours.journal, ours.search_id) if each in firsts}
        for earlier in sorted({*shared, *known}):
            found.append(_copy(file, ours, earlier, seen[earlier], shared.get(earlier, [])))
        seen[file] = ours
        index.add(file, ours.prints)
        for each in (ours.journal, ours.search_id):
            firsts.setdefault(each, file)
    return tuple(found)


def _trials_shared(ours: Submission, index: Index) -> dict[str, list[Holder]]:
    """For each earlier file its trials among ours. Those that no honest searches share are left out
    where all of them together may be chance; where they are not, what resembles others of that file
    is counted, too."""
    found = [(each, *index.holders(each)) for each in ours.prints]
    proved: dict[str, float] = {}
    for _, other, _ in found:
        if other is not None:
            proved[other.file] = proved.get(other.file, 0.0) + other.bits
    most = sorted(proved, key=lambda file: -proved[file])
    certain = [file for file in most if proved[file] >= LEAST_BITS]
    shared: dict[str, list[Holder]] = {}
    for each, other, honest in found:
        held = other if other is not None and other.file in certain else None
        alike = next((file for file in certain if index.resembles(each, file)), None)
        if alike is not None:
            held = Holder(alike, 0.0, honest=False)
        if (holder := held or honest) is not None:
            shared.setdefault(holder.file, []).append(holder)
    return shared


def _copy(
    file: str, ours: Submission, earlier: str, theirs: Submission, shared: list[Holder]
) -> Copy:
    what, certain = _what(ours, theirs, earlier, [each.honest for each in shared])
    if _folded(ours.student) == _folded(theirs.student):
        what, certain = f"{what}, under one name: handed in twice, or handed on as it was", False
    return Copy(
        files=(file, earlier),
        students=(ours.student, theirs.student),
        what=what,
        certain=certain,
        num_shared=len(shared),
        num_trials=len(ours.prints),
    )


def _what(
    ours: Submission, theirs: Submission, earlier: str, honest: list[bool]
) -> tuple[str, bool]:
    count = f"{len(honest)} of {len(ours.prints)} trials are those of {earlier}"
    if ours.journal == theirs.journal:
        return "the same journal", True
    if ours.search_id == theirs.search_id:
        counted = f"; {count}" if honest else ""  # else they are counted beside an earlier file
        return f"the same search, its journal run on or changed{counted}", True
    if all(honest):
        return f"{count}, as one seed gives for one setting on one kind of machine", False
    return (
        f"{count}; no two searches share "
        f"{'them' if not any(honest) else f'{honest.count(False)} of these'}",
        True,
    )


def question(config: dict[str, Any]) -> dict[str, Any]:
    """Of a filled config, under dotted names: all that another answer could come of. A file of
    weights goes by its own name."""
    asked = {key: value for key, value in by_place(config) if is_asked(key)}
    weights = asked.get("model.weights")
    return asked | ({"model.weights": Path(weights).name} if isinstance(weights, str) else {})


def _folded(student: str) -> str:
    return " ".join(student.casefold().split())


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
