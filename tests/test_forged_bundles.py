"""Bundles of forged answers in which nothing contradicts anything: what training again finds."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tampering import files_of, resealed, sealed_journal, where

from search.driver.run_reading import open_run
from search.evidence.evaluation import metric_values
from search.experiment.answers import Predictions
from search.experiment.trial import Effect
from search.journal.journal_file import Event, read
from search.journal.state import replay
from search.verification.bundle import projections
from search.verification.bundle_file import SHEET
from search.verification.grading import Extent, Grade, grade
from search.verification.rehearsal import rehearse
from search.verification.reopening import prepare_again, scratch_resources
from search.verification.retraining import EffectHere, claimed_trials, drawn_trial
from search.verification.trained_apart import Apart
from search.verification.verification_text import describe_grade
from search.verification.verify import Verification, verify_run

UNTRAINED = Extent(train=False)
Forge = Callable[[Predictions, np.ndarray], Predictions]


def forged_run(
    finished_run: Path, forges: Mapping[int, Forge], folder: Path, machine: str = ""
) -> list[Event]:
    """A run directory with the answers of some trials forged, and everything that follows from them
    computed anew: nothing contradicts anything.

    forges: by number of trial, given its answers and their classes [n]. machine: the processor it
    is said to come from.
    """
    run = open_run(finished_run)
    prepared = prepare_again(run, scratch_resources(run.config, folder))
    labels = np.asarray(prepared.dataset.labels)
    answers = {
        r.trial: Predictions.from_bytes((finished_run / r.predictions_file).read_bytes())
        for r in run.state.records
        if r.predictions_file
    }
    answers |= {n: forge(answers[n], labels[answers[n].images]) for n, forge in forges.items()}
    records = tuple(
        r.model_copy(
            update={"result": r.result.model_copy(update=_scored(answers[r.trial], labels))}
        )
        if r.trial in forges and r.result
        else r
        for r in run.state.records
    )
    environment = {**run.opened.environment, **({"processor": machine} if machine else {})}
    opened = run.opened.model_copy(update={"environment": environment})
    state = run.state.model_copy(update={"records": records, "opened": opened})
    first, *later = rehearse(prepared, state, answers, folder)
    began = {"type": "phase", "phase": "prepare", "seconds": 1.0, "time": first["time"]}
    events = [first, began, *later, {"type": "finished", "time": 2.0}]
    (folder / "journal.jsonl").write_bytes(sealed_journal(events))
    return events


def forged_throughout(
    finished_run: Path,
    files: Mapping[str, bytes],
    forges: Mapping[int, Forge],
    folder: Path,
    machine: str = "",
) -> dict[str, bytes]:
    """The same as a bundle's files."""
    events = forged_run(finished_run, forges, folder, machine)
    forged = {**files, "journal.jsonl": sealed_journal(events)}
    for path in (folder / "predictions").iterdir():
        forged[f"predictions/{path.name}"] = path.read_bytes()
    return {**forged, **projections(replay(events), files[SHEET])}


def _scored(answers: Predictions, labels: np.ndarray) -> dict[str, Any]:
    metrics = metric_values(answers, labels, 10)
    return {"metrics": metrics, "score": metrics["accuracy"]}


def all_right(answers: Predictions, true: np.ndarray) -> Predictions:
    right = np.broadcast_to(true, answers.predicted.shape).astype(np.int16)
    return Predictions(answers.images, right, np.full_like(answers.log_prob, -0.01), answers.fold)


def five_points(answers: Predictions, true: np.ndarray) -> Predictions:
    """Every twentieth answer more is right."""
    predicted, log_prob = answers.predicted.copy(), answers.log_prob.copy()
    wrong = np.flatnonzero(predicted[0] != true)[: len(true) // 20]
    predicted[0, wrong], log_prob[0, wrong] = true[wrong], -0.3
    return Predictions(answers.images, predicted, log_prob, answers.fold)


def jittered(answers: Predictions, true: np.ndarray) -> Predictions:
    """As if features differed in their last digits."""
    log_prob = answers.log_prob * np.float32(1 + 1e-6)
    return Predictions(answers.images, answers.predicted, log_prob, answers.fold)


def claim_of(run_dir: Path) -> tuple[int, int]:
    claim = claimed_trials(open_run(run_dir).state)
    assert claim is not None
    return claim


def test_a_search_forged_throughout_is_caught_by_training_and_by_nothing_less(
    finished_run: Path, bundled: Path, tmp_path: Path
) -> None:
    best, _ = claim_of(finished_run)
    forged = forged_throughout(finished_run, files_of(bundled), {best: all_right}, tmp_path)
    path = resealed(tmp_path / "x.zip", forged)
    # of what is recommended now; easily painted
    found = set(where(grade(path, Extent()))) - {SHEET}
    trained_again = {f"trial {best}", f"trial {best}: score", f"trial {best}: metrics.accuracy"}
    assert trained_again <= found
    assert all(place.startswith(f"trial {best}: metrics.") for place in found - trained_again)


def test_noise_in_the_claimed_trials_alone_is_found_by_one_drawn_by_lot(
    finished_run: Path, bundled: Path, tmp_path: Path
) -> None:
    claim = claim_of(finished_run)
    assert drawn_trial(open_run(finished_run).state, claim) not in claim
    forges = dict.fromkeys(claim, jittered)
    forged = forged_throughout(finished_run, files_of(bundled), forges, tmp_path, "a quantum card")
    found = grade(resealed(tmp_path / "x.zip", forged), Extent())
    assert {f"trial {number}" for number in claim} <= set(where(found))


def test_the_last_line_says_that_the_effect_handed_in_is_not_the_one_trained_here() -> None:
    def said(delta: float) -> str:
        handed_in = Effect(delta=delta, ci_low=delta - 0.01, ci_high=delta + 0.01, p_value=0.001)
        here = EffectHere(
            trial=8,
            objective="accuracy",
            here=Effect(delta=0.0, ci_low=-0.02, ci_high=0.02, p_value=0.9),
            handed_in=handed_in,
        )
        apart = Apart(score=0.0, answers=0.0, num_answers=3, log_prob=0.1, curve=0.0)
        verification = Verification(trial=8, apart=apart, effect=here, remarks=(here.words,))
        return describe_grade(Grade(file="x.zip", verification=verification)).splitlines()[-1]

    assert "BUT THE EFFECT HANDED IN IS NOT THE ONE TRAINED HERE" in said(0.08)
    assert "BUT" not in said(0.01)


def trained_again(run_dir: Path, numbers: tuple[int, ...]) -> Verification:
    return verify_run(run_dir, open_run(run_dir), numbers)


def places(verification: Verification) -> set[str]:
    return {difference.where for difference in verification.differences}


def test_a_forgery_from_another_machine_is_found_where_another_trial_repeats(
    finished_run: Path, tmp_path: Path
) -> None:
    best, baseline = claim_of(finished_run)
    forged_run(finished_run, {best: five_points}, tmp_path, "a quantum card")
    found = trained_again(tmp_path, (baseline, best))
    assert places(found) == {f"trial {best}"}
    repeats = (
        f"trial {baseline} repeats here to the last bit, so that this one must too; 76 of its 1528 "
        "answers"
    )
    assert repeats in found.differences[0].what
    # the claim, beside the effect of what was trained here
    assert "was handed in" in found.remarks[0]


def test_a_forgery_is_found_though_no_trial_repeats(finished_run: Path, tmp_path: Path) -> None:
    best, baseline = claim_of(finished_run)
    forges: dict[int, Forge] = {
        best: lambda answers, true: jittered(five_points(answers, true), true),
        baseline: jittered,
    }
    forged_run(finished_run, forges, tmp_path, "a quantum card")
    found = trained_again(tmp_path, (baseline, best))
    assert places(found) == {f"trial {best}"}
    assert any(
        "76 answers are far from those trained again" in each.what for each in found.differences
    )


def test_a_machine_whose_answers_follow_is_no_difference_and_is_not_called_the_same(
    finished_run: Path, tmp_path: Path
) -> None:
    claim = claim_of(finished_run)
    forged_run(finished_run, dict.fromkeys(claim, jittered), tmp_path, "a quantum card")
    found = trained_again(tmp_path, claim)
    assert found.same
    assert not found.repeated
    text = describe_grade(Grade(file="x.zip", verification=found))
    assert "no difference beyond chance: 0 answers differ from those handed in" in text
    assert "as it was handed in" not in text


def test_classes_that_log_probabilities_rule_out_are_found_without_training(
    finished_run: Path, tmp_path: Path
) -> None:
    def careless(answers: Predictions, true: np.ndarray) -> Predictions:
        forged = five_points(answers, true)
        log_prob = np.where(forged.predicted == true, answers.log_prob, -0.1).astype(np.float32)
        return Predictions(answers.images, forged.predicted, log_prob, answers.fold)

    best, _ = claim_of(finished_run)
    forged_run(finished_run, {best: careless}, tmp_path)
    found = trained_again(tmp_path, ())
    assert places(found) == {f"trial {best}"}
    assert "answers give a class that their log-probability rules out" in found.differences[0].what


def test_a_failure_is_trained_again_on_request(finished_run: Path, tmp_path: Path) -> None:
    """Whoever has no use for a trial may say that it failed; the search is repeated without it."""
    run_dir = Path(shutil.copytree(finished_run, tmp_path / "run"))
    events = list(read(run_dir / "journal.jsonl")[0])
    told = next(e for e in events if e["type"] == "told" and e["trial"] == 3)
    told["result"] = {"status": "failed", "error": "the loss is not finite"}
    told |= {"predictions_file": None, "predictions_sha256": None, "effect": None}
    (run_dir / "journal.jsonl").write_bytes(sealed_journal(events))
    found = trained_again(run_dir, (3,))
    what = next(each.what for each in found.differences if each.where == "trial 3")
    assert what.startswith(
        "failed in the journal (the loss is not finite); trained again it completes"
    )
