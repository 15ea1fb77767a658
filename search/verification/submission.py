"""Who hands in which search, in the few words of a table, and which of several are one search under two names.

Judges nothing else: whether a search is what it says is `grading`'s.
"""

import hashlib
import json
from collections.abc import Iterable
from itertools import combinations
from typing import Any

from search.experiment.trial import Frozen, TrialRecord
from search.journal.state import SearchState
from search.report.wording import answer, chosen_record, effect_text, record_of, short_settings_of, unit_of
from search.verification.bundle_file import Manifest

BEST_WIDTH = 36  # signs: what the table of many has room for
FREE = ("name", "seed", "tracking", "execution")  # of a config: the question is the same whatever they are


class Submission(Frozen):
    """student: as the manifest claims. question: names the config but for the seed and where things are; who answered the same
    one has the same. best: the recommended setting, else the best confirmed, else the best trial; delta: its effect, in words.
    The hashes are of what two honest searches never share (journal, times) or share by chance only if they are one question
    and one seed (predictions).
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
    journal: str
    times: str
    predictions: str


class Copy(Frozen):
    """Two files that share something. certain: two students have what no two searches share; else it may be honest."""

    files: tuple[str, str]
    students: tuple[str, str]
    what: str
    certain: bool


def submission_of(manifest: Manifest, state: SearchState, journal: bytes) -> Submission:
    """state: of a journal that was opened."""
    assert state.opened is not None
    config = state.opened.config
    best = _best(state)
    policy = state.evidence.policy if state.evidence else None
    timings = [r.result.timing.total_seconds for r in state.records if r.result and r.result.timing]
    return Submission(
        student=manifest.student,
        search_id=state.opened.search_id,
        experiment=state.opened.name,
        seed=config.get("seed", 0),
        question=_hash(_question(config))[:8],
        verdict=policy.verdict if policy else "NO EVIDENCE",
        best=short_settings_of(best, BEST_WIDTH) if best else "none",
        delta=effect_text(best.effect if best else None, unit_of(state)),
        answer=answer(state),
        journal=hashlib.sha256(journal).hexdigest(),
        times=_hash(timings),
        predictions=_hash([record.predictions_sha256 for record in state.records]),
    )


def find_copies(submissions: Iterable[tuple[str, Submission]]) -> tuple[Copy, ...]:
    """Every pair, of file name and submission, that shares a search, its times or all its predictions.

    Under one student's name it is a note: handed in twice, or a file handed on as it was.
    """
    found = []
    for (first, ours), (second, theirs) in combinations(submissions, 2):
        shared = _shared(ours, theirs)
        if shared is not None:
            what, certain = shared
            if _folded(ours.student) == _folded(theirs.student):
                what, certain = f"{what}, under one name: handed in twice, or handed on as it was", False
            students = (ours.student, theirs.student)
            found.append(Copy(files=(first, second), students=students, what=what, certain=certain))
    return tuple(found)


def _shared(ours: Submission, theirs: Submission) -> tuple[str, bool] | None:
    if ours.journal == theirs.journal:
        return "the same journal", True
    if ours.search_id == theirs.search_id:
        return "the same search, its journal altered", True
    if ours.times == theirs.times:
        return "the same seconds in every trial: one search under two ids", True
    if ours.predictions == theirs.predictions:
        if (ours.question, ours.seed) == (theirs.question, theirs.seed):
            return "the same predictions, as the same question and seed give on one kind of machine", False
        return "the same predictions with another question or seed", True
    return None


def _best(state: SearchState) -> TrialRecord | None:
    evidence = state.evidence
    if evidence is None:
        return None
    confirmed = max(evidence.confirmed, key=lambda each: each.effect.delta, default=None)
    best = confirmed.trial if confirmed else evidence.best_trial
    return chosen_record(state) or record_of(state, best)


def _question(config: dict[str, Any]) -> dict[str, Any]:
    asked = {name: part for name, part in config.items() if name not in FREE}
    dataset = asked.get("dataset", {})
    return {**asked, "dataset": {name: value for name, value in dataset.items() if name != "path"}}


def _folded(student: str) -> str:
    return " ".join(student.casefold().split())


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
