"""Who hands in which search, in the few words of a table, and which trials of several are one
training under two names.

Judges nothing else: whether a search is what it says is `grading`'s. Marks of trials are
`fingerprints`'.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, InstanceOf

from data.messages import first_of
from search.evidence.claim_table import Estimate
from search.experiment.answers import Predictions
from search.experiment.config import by_place
from search.experiment.config_changes import is_asked
from search.experiment.settings import Frozen, content_hash
from search.journal.state import SearchState
from search.report.answer_text import answer
from search.report.view import SearchView
from search.report.wording import estimate_text
from search.verification.bundle_file import Manifest
from search.verification.fingerprints import Fingerprint, fingerprints
from search.verification.likeness import MOST_HELD, Holder, Index, copied

BEST_WIDTH = 36  # signs: what the table of many has room for


class Submission(Frozen):
    """What a bundle is as something handed in."""

    student: str  # as the manifest claims
    search_id: str
    experiment: str
    seed: int
    # Names the config but for the seed and where things are: who answered the same has the same.
    question: str
    verdict: str  # on `best`
    best: str  # the recommended setting, else the best confirmed, else the best trial
    delta: str  # its effect by all trainings, from which the verdict follows, in words
    answer: str
    num_trials: int  # of all phases
    num_failed: int  # which are trained again only on request
    cut: bool  # whether time ran out
    journal: str  # the hash of what two searches never share
    effect: Estimate | None = None  # as `delta`, in figures
    # The student's answers to a notebook's questions, by number; None: none were handed in.
    written: dict[str, str] | None = None
    # Of its trials.
    prints: tuple[InstanceOf[Fingerprint], ...] = Field(default=(), exclude=True, repr=False)


class Copy(Frozen):
    """Two files that share something, the later one first. certain: two students have what no
    two searches share; else it may be honest. num_shared of the num_trials that the later one
    trained. also: other earlier files that share some, and their students; `what` counts them, too.
    """

    files: tuple[str, str]
    students: tuple[str, str]
    what: str
    certain: bool
    num_shared: int = 0
    num_trials: int = 0
    also: tuple[tuple[str, str], ...] = ()

    @property
    def word(self) -> str:
        return "COPY" if self.certain else "note"


def submission_of(
    manifest: Manifest, state: SearchState, journal: bytes, answers: Mapping[int, Predictions]
) -> Submission:
    """state: of a journal that was opened. answers: by number of trial, where they could be
    read."""
    assert state.opened is not None
    config = state.opened.experiment.filled
    view = SearchView(state)
    best = view.foremost
    whole = (view.policy.verdict, view.policy.measured) if view.policy else ("NO EVIDENCE", None)
    verdict, claimed = view.claimed_of.get(best.trial, whole) if best else whole
    return Submission(
        student=manifest.student,
        search_id=state.opened.search_id,
        experiment=state.opened.name,
        seed=config["seed"],
        question=content_hash(question(config))[:8],
        verdict=verdict,
        best=view.settings_of(best, BEST_WIDTH) if best else "none",
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
    """Each file beside the earlier one that it has most in common with, and with what it shares
    with others; those under its own student's name apart from the rest.

    Under one student's name it is a note: handed in twice, or a file handed on as it was.
    """
    found: list[Copy] = []
    seen: dict[str, Submission] = {}
    index, firsts = Index(), dict[str, list[str]]()
    for file, ours in submissions:
        shared = _trials_shared(ours, index)
        ids = {f"journal {ours.journal}", f"search {ours.search_id}"}
        known = {each for name in ids for each in firsts.get(name, [])[:MOST_HELD]}
        pairs = [
            _Beside(ours, each, seen[each], tuple(shared.get(each, ())))
            for each in seen
            if each in shared or each in known
        ]
        for under_one_name in (False, True):
            group = [each for each in pairs if each.is_one_student is under_one_name]
            if group:
                found.append(_copy(file, sorted(group, key=lambda each: each.rank, reverse=True)))
        seen[file] = ours
        index.add(file, ours.prints)
        for name in ids:
            firsts.setdefault(name, []).append(file)
    return tuple(found)


def _trials_shared(ours: Submission, index: Index) -> dict[str, list[Holder]]:
    """For each earlier file its trials among ours, whatever other files hold of them. Those that no
    honest searches share are left out where all of them together may be chance; where they are
    not, what resembles others of that file is counted, too."""
    found = [index.holders(each) for each in ours.prints]
    certain = copied(found)
    shared: dict[str, list[Holder]] = {}
    for each, pairs in zip(ours.prints, found, strict=True):
        held = {file: pair.honest for file, pair in pairs.items() if pair.honest}
        for file in certain & index.resembled(each) if certain else ():
            held[file] = Holder(file, 0.0, honest=False)
        others = {file: pair.other for file, pair in pairs.items() if pair.other}
        held |= {file: other for file, other in others.items() if file in certain}
        for file, holder in held.items():
            shared.setdefault(file, []).append(holder)
    return shared


class _Beside(NamedTuple):
    """A submission beside an earlier one, and what they share."""

    ours: Submission
    file: str
    theirs: Submission
    shared: tuple[Holder, ...]

    @property
    def is_one_student(self) -> bool:
        return _folded(self.ours.student) == _folded(self.theirs.student)

    @property
    def is_one_search(self) -> bool:
        return self.ours.search_id == self.theirs.search_id

    @property
    def is_one_journal(self) -> bool:
        return self.ours.journal == self.theirs.journal

    @property
    def certain(self) -> bool:
        one = self.is_one_journal or self.is_one_search
        return one or not all(each.honest for each in self.shared)

    @property
    def num_shared(self) -> int:
        return len(self.ours.prints) if self.is_one_journal else len(self.shared)

    @property
    def rank(self) -> tuple[float, ...]:
        """Of what a person should look at first."""
        bits = sum(each.bits for each in self.shared)
        return self.certain, self.is_one_journal, self.num_shared, self.is_one_search, bits

    @property
    def counted(self) -> str:
        return f"{self.num_shared} of {len(self.ours.prints)} trials are those of {self.file}"

    @property
    def what(self) -> str:
        if self.is_one_journal:
            return "the same journal"
        if self.is_one_search:
            beside = f"; {self.counted}" if self.shared else ""
            return f"the same search, its journal run on or changed{beside}"
        if not self.certain:
            return f"{self.counted}, as one seed gives for one setting on one kind of machine"
        honest = [each.honest for each in self.shared]
        these = f"{honest.count(False)} of these" if any(honest) else "them"
        return f"{self.counted}; no two searches share {these}"


def _copy(file: str, pairs: list[_Beside]) -> Copy:
    """pairs: of one file, that to be named first."""
    first, *others = pairs
    what, certain = first.what, first.certain
    if others:
        counts = [
            f"{each.num_shared} of {each.file}{'' if each.certain else ' as one seed gives'}"
            for each in others
            if each.num_shared
        ]
        what += f" ({first_of(counts, MOST_HELD)}, too)" if counts else ""
    if first.is_one_student:
        what, certain = f"{what}, under one name: handed in twice, or handed on as it was", False
    return Copy(
        files=(file, first.file),
        students=(first.ours.student, first.theirs.student),
        what=what,
        certain=certain,
        num_shared=first.num_shared,
        num_trials=len(first.ours.prints),
        also=tuple((each.file, each.theirs.student) for each in others),
    )


def question(config: dict[str, Any]) -> dict[str, Any]:
    """Of a filled config, under dotted names: all that another answer could come of. A file of
    weights goes by its own name."""
    asked = {key: value for key, value in by_place(config) if is_asked(key)}
    weights = asked.get("model.weights")
    return asked | ({"model.weights": Path(weights).name} if isinstance(weights, str) else {})


def _folded(student: str) -> str:
    return " ".join(student.casefold().split())
