"""Which searches are one under two names, trial by trial."""

import time
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from data.errors import UserError
from search.driver.run_reading import open_run
from search.experiment.answers import Predictions
from search.experiment.trial import TrialRecord
from search.journal.state import SearchState
from search.verification.bundle_file import Manifest
from search.verification.comparison import Difference
from search.verification.fingerprints import Fingerprint, Mark
from search.verification.grading import Extent, Grade, Grades, grade_many
from search.verification.submission import Copy, Submission, find_copies, submission_of
from search.verification.verification_text import describe_grade, describe_grades


@pytest.fixture(scope="module")
def state(finished_run: Path) -> SearchState:
    return open_run(finished_run).state


@pytest.fixture(scope="module")
def answers(finished_run: Path, state: SearchState) -> dict[int, Predictions]:
    files = {
        r.trial: finished_run / r.predictions_file for r in state.records if r.predictions_file
    }
    return {number: Predictions.from_bytes(path.read_bytes()) for number, path in files.items()}


def handed_in(
    student: str, state: SearchState, answers: Mapping[int, Predictions]
) -> tuple[str, Submission]:
    assert state.opened is not None
    manifest = Manifest(student=student, search_id=state.opened.search_id, augsearch="", files={})
    return f"{student}.zip", submission_of(manifest, state, student.encode(), answers)


def renamed(state: SearchState, search_id: str, retimed: bool = True) -> SearchState:
    """Another search's id, and other seconds in every trial."""
    assert state.opened is not None
    opened = state.opened.model_copy(update={"search_id": search_id})
    records = tuple(map(slower, state.records)) if retimed else state.records
    return state.model_copy(update={"opened": opened, "records": records})


def slower(record: TrialRecord) -> TrialRecord:
    if record.result is None or record.result.timing is None:
        return record
    given = record.result.timing.model_dump().items()
    longer = {n: value * 1.01 if isinstance(value, float) else value for n, value in given}
    timing = record.result.timing.model_copy(update=longer)
    return record.model_copy(update={"result": record.result.model_copy(update={"timing": timing})})


def reseeded(state: SearchState) -> SearchState:
    """As a search of another seed: the folds, heads and views of every trial are drawn from
    another."""
    records = []
    for record in state.records:
        protocol = record.spec.protocol
        seeds = tuple(seed + 1 for seed in protocol.head_seeds)
        protocol = protocol.model_copy(
            update={"head_seeds": seeds, "fold_seed": protocol.fold_seed + 1}
        )
        spec = record.spec.model_copy(update={"protocol": protocol})
        records.append(record.model_copy(update={"spec": spec}))
    return state.model_copy(update={"records": tuple(records)})


def without_curves(state: SearchState) -> SearchState:
    records = tuple(
        r.model_copy(update={"result": r.result.model_copy(update={"curve": None})})
        if r.result
        else r
        for r in state.records
    )
    return state.model_copy(update={"records": records})


def noisy(
    answers: Mapping[int, Predictions], noise: float, seed: int = 1
) -> dict[int, Predictions]:
    """The same classes, and every log-probability moved."""
    rng = np.random.default_rng(seed)
    return {
        n: Predictions(
            a.images,
            a.predicted,
            (a.log_prob - noise * rng.random(a.log_prob.shape)).astype(np.float32),
            a.fold,
        )
        for n, a in answers.items()
    }


def few_changed(answers: Mapping[int, Predictions]) -> dict[int, Predictions]:
    """Three images of every trial get another class and log-probability."""
    changed = {}
    for number, given in answers.items():
        predicted, log_prob = given.predicted.copy(), given.log_prob.copy()
        predicted[:, 5:8], log_prob[:, 5:8] = (predicted[:, 5:8] + 1) % 10, -3.0
        changed[number] = Predictions(given.images, predicted, log_prob, given.fold)
    return changed


def copies_of(state: SearchState, ours: SearchState, theirs: Any, answers: Any) -> tuple[Copy, ...]:
    return find_copies([handed_in("anna", state, answers), handed_in("ben", ours, theirs)])


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-4, 0.05])
def test_a_copy_with_every_log_probability_moved_is_counted_by_trial(
    state: SearchState, answers: dict[int, Predictions], noise: float
) -> None:
    ours = without_curves(reseeded(renamed(state, "ben")))
    (copy,) = copies_of(state, ours, noisy(answers, noise), answers)
    assert copy.certain
    assert copy.files == ("ben.zip", "anna.zip")
    assert copy.what.startswith("12 of 12 trials are those of anna.zip")


def test_a_copy_with_some_answers_changed_and_some_trials_of_its_own_is_counted(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    ours = without_curves(reseeded(renamed(state, "ben")))
    theirs = few_changed(answers)
    rng = np.random.default_rng(0)
    for number in list(theirs)[:3]:  # trained anew
        given = theirs[number]
        order = rng.permutation(len(given.images))
        theirs[number] = Predictions(
            given.images, given.predicted[:, order], given.log_prob[:, order], given.fold
        )
    (copy,) = copies_of(state, ours, theirs, answers)
    assert copy.certain
    assert (copy.num_shared, copy.num_trials) == (9, 12)


def test_trials_renumbered_are_found_all_the_same(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    ours = without_curves(reseeded(renamed(state, "ben")))
    last = len(state.records) - 1
    records = tuple(r.model_copy(update={"trial": last - r.trial}) for r in reversed(ours.records))
    ours = ours.model_copy(update={"records": records, "evidence": None})
    (copy,) = copies_of(state, ours, {last - n: a for n, a in answers.items()}, answers)
    assert (copy.num_shared, copy.certain) == (12, True)


def test_seeds_exchanged_or_left_out_are_found(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    """Every trial of more than one seed: each seed's answers stand for themselves, in whatever
    order."""
    ours = without_curves(reseeded(renamed(state, "ben")))
    many = {
        n: Predictions(
            a.images,
            np.concatenate([a.predicted, np.roll(a.predicted, 7, axis=1)]),
            np.concatenate([a.log_prob, np.roll(a.log_prob, 7, axis=1)]),
            a.fold,
        )
        for n, a in answers.items()
    }
    turned = {
        n: Predictions(a.images, a.predicted[::-1].copy(), a.log_prob[::-1].copy(), a.fold)
        for n, a in many.items()
    }
    last = {
        n: Predictions(a.images, a.predicted[-1:], a.log_prob[-1:], a.fold) for n, a in many.items()
    }
    for theirs in (turned, last):
        (copy,) = copies_of(state, ours, theirs, many)
        assert (copy.num_shared, copy.certain) == (len(many), True)


def test_the_same_seconds_are_certain_whatever_the_answers(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    (copy,) = copies_of(
        state, without_curves(reseeded(renamed(state, "ben", retimed=False))), {}, answers
    )
    assert (copy.num_shared, copy.certain) == (12, True)


def test_one_question_and_seed_on_one_kind_of_machine_is_a_note(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    (copy,) = copies_of(state, renamed(state, "ben"), answers, answers)
    assert not copy.certain
    assert (
        copy.what
        == "12 of 12 trials are those of anna.zip, as one seed gives for one setting on one kind "
        "of machine"
    )


def test_controls_that_another_question_shares_are_a_note_of_so_many(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    ours = renamed(state, "ben")
    ours = ours.model_copy(update={"records": ours.of_kind("control"), "evidence": None})
    (copy,) = copies_of(state, ours, answers, answers)
    assert (copy.num_shared, copy.num_trials, copy.certain) == (3, 3, False)


def test_three_who_share_one_search_are_each_beside_the_first(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    others = [
        handed_in(n, reseeded(renamed(state, n)), noisy(answers, 1e-4)) for n in ("ben", "carl")
    ]
    copies = find_copies([handed_in("anna", state, answers), *others])
    assert [copy.files for copy in copies] == [("ben.zip", "anna.zip"), ("carl.zip", "anna.zip")]


def trained_anew(answers: Mapping[int, Predictions]) -> dict[int, Predictions]:
    rng, anew = np.random.default_rng(0), {}
    for number, given in answers.items():
        order = rng.permutation(len(given.images))
        anew[number] = Predictions(
            given.images, given.predicted[:, order], given.log_prob[:, order], given.fold
        )
    return anew


ORDERS = list(permutations(("a", "b", "c")))


def three(
    state: SearchState, answers: list[dict[int, Predictions]], names: tuple[str, ...]
) -> tuple[Copy, ...]:
    """Three searches of other seeds and seconds, with these answers, handed in by these names."""
    ours, given = without_curves(state), []
    for name, each in zip(names, answers, strict=True):
        ours = reseeded(renamed(ours, name))
        given.append(handed_in(name, ours, each))
    return find_copies(sorted(given, key=lambda each: each[0]))


@pytest.mark.parametrize("names", ORDERS, ids="".join)
def test_of_three_the_copy_is_credited_to_what_it_was_made_from(
    state: SearchState, answers: dict[int, Predictions], names: tuple[str, ...]
) -> None:
    each = [answers, noisy(answers, 0.05), trained_anew(answers)]
    (copy,) = three(state, each, names)
    assert {*copy.files} == {f"{name}.zip" for name in names[:2]}
    assert (copy.num_shared, copy.num_trials, copy.certain, copy.also) == (12, 12, True, ())


@pytest.mark.parametrize("noise", [1e-4, 0.05])
@pytest.mark.parametrize("names", ORDERS, ids="".join)
def test_of_three_copies_each_is_named_beside_both_others(
    state: SearchState, answers: dict[int, Predictions], names: tuple[str, ...], noise: float
) -> None:
    each = [answers, noisy(answers, noise, seed=2), noisy(answers, noise, seed=3)]
    one, two = three(state, each, names)
    assert (one.files, one.also, one.num_shared) == (("b.zip", "a.zip"), (), 12)
    earlier = {two.files[1], *(file for file, _ in two.also)}
    assert (two.files[0], earlier, two.num_shared) == ("c.zip", {"a.zip", "b.zip"}, 12)
    first, other = two.files[1], two.also[0][0]
    said = f"12 of 12 trials are those of {first}; no two searches share them (12 of {other}, too)"
    assert two.what == said


def test_what_two_files_gave_a_third_is_counted_for_each(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    """Seven trials of one and five of another."""
    other = trained_anew(answers)
    mixed = {number: (answers if number < 7 else other)[number] for number in answers}
    (copy,) = three(state, [answers, other, noisy(mixed, 1e-4)], ("a", "b", "c"))
    assert (copy.files, copy.num_shared, copy.certain) == (("c.zip", "a.zip"), 7, True)
    assert copy.what.startswith("7 of 12 trials are those of a.zip; ")
    assert copy.what.endswith(" (5 of b.zip, too)")


def test_a_class_of_two_hundred_takes_no_time() -> None:
    def marks(student: int, trial: int) -> dict[Mark, float]:
        blocks: dict[Mark, float] = {("block", trial, number): 10.0 for number in range(16)}
        return {("seconds", student, trial): 20.0, ("curve", trial): 60.0, **blocks}

    def prints(student: int) -> tuple[Fingerprint, ...]:
        return tuple(
            Fingerprint(trial=trial, training="t", marks=marks(student, trial))
            for trial in range(40)
        )

    submissions = [(f"{n}.zip", bare(n, prints(n))) for n in range(200)]
    start = time.process_time()
    copies = find_copies(submissions)
    assert time.process_time() - start < 5.0  # takes 0.2; pairs of trials would be 32 million
    assert len(copies) == 199


def bare(number: int, prints: tuple[Fingerprint, ...]) -> Submission:
    words = dict.fromkeys(("experiment", "question", "verdict", "best", "delta", "answer"), "x")
    names = {"student": f"s{number}", "search_id": f"i{number}", "journal": f"j{number}"}
    return Submission(
        **words, **names, seed=1, num_trials=40, num_failed=0, cut=False, prints=prints
    )


def test_one_search_twice_under_one_name_is_a_note(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    """A student may hand in twice; a file that another hands on as it is bears the first one's name
    too."""
    _, twice = handed_in("anna", state, answers)
    (copy,) = find_copies(
        [("one.zip", twice), ("two.zip", twice.model_copy(update={"student": " Anna "}))]
    )
    assert not copy.certain
    assert copy.what == "the same journal, under one name: handed in twice, or handed on as it was"


def test_an_empty_folder_of_bundles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no \.zip"):
        grade_many(tmp_path, Extent(train=False))


def test_hostile_names_do_not_reach_the_terminal(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    _, honest = handed_in("anna", state, answers)
    hostile = honest.model_copy(update={"student": "\x1b[2Jgone", "experiment": "\x1b]0;x\a"})
    difference = Difference(where="\x1b[1m", what="\x1b[31m")
    graded = Grade(file="\x1b.zip", submission=hostile, differences=(difference,))
    assert "\x1b" not in describe_grades(Grades(grades=(graded,), copies=())) + describe_grade(
        graded
    )


def test_marks_on_letters_leave_the_columns_where_they_are(
    state: SearchState, answers: dict[int, Predictions]
) -> None:
    _, honest = handed_in("anna", state, answers)
    names = ("Zoe\u0308", "Łukasz", "a" + "\u0301" * 60, "田中")
    graded = tuple(
        Grade(file="x.zip", submission=honest.model_copy(update={"student": name}))
        for name in names
    )
    heading, *rows = describe_grades(Grades(grades=graded, copies=())).splitlines()
    column = heading.index("file")
    for row in rows:
        assert cell_len(row.partition("x.zip")[0]) == column
    assert "\u0301" * 3 not in "".join(rows)


def test_the_first_difference_is_told_whole() -> None:
    what = f"'{'a' * 60}: 3', and '{'a' * 60}: 4'"
    graded = Grade(file="x.zip", differences=(Difference(where="config.yaml", what=what),))
    assert f"config.yaml: {what}" in describe_grades(Grades(grades=(graded,), copies=()))
