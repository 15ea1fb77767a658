"""A finished search handed in as a zip, graded without it: as it is, tampered with in every way,
copied, and hostile."""

import io
import json
import os
import re
import shutil
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from data.errors import UserError
from run_search import BAD_INPUT, DIFFERENT, DONE, app
from search.driver.experiment_file import parse_config
from search.evidence.evaluation import metric_values
from search.experiment.trial import Effect, Predictions
from search.journal.journal_file import Event, encode, parse, read
from search.journal.state import replay
from search.verification.bundle import make_bundle, projections
from search.verification.bundle_file import (
    MANIFEST,
    SHEET,
    Manifest,
    is_known,
    read_bundle,
    write_bundle,
)
from search.verification.grading import Extent, Grade, grade, grade_many
from search.verification.rehearsal import rehearse
from search.verification.reopening import open_run, prepare_again, scratch_resources
from search.verification.retraining import Apart, EffectHere, claimed_trials, drawn_trial
from search.verification.verification_text import describe_grade, describe_grades
from search.verification.verify import Verification, verify_run

UNTRAINED = Extent(train=False)


@pytest.fixture(scope="module")
def bundled(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "anna.zip"
    make_bundle(finished_run, "Anna Nowak", path)
    return path


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip of just these files, whatever they are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def resealed(path: Path, files: Mapping[str, bytes]) -> Path:
    """As a tamperer who makes the manifest again would write it."""
    contents = dict(files)
    manifest = Manifest.model_validate_json(contents.pop(MANIFEST))
    write_bundle(path, manifest, contents)
    return path


def where(graded: Grade) -> set[str]:
    return {difference.where for difference in graded.differences}


def test_a_bundle_left_alone_is_verified_by_the_confirmation_trained_again(bundled: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(bundled), "--trial", "1"])
    assert result.exit_code == DONE, result.stdout
    assert result.stdout.count("trained again: no number differs") == 4
    assert "was drawn by lot to be trained again" in result.stdout
    assert "trial 1 (" in result.stdout
    assert "trial 5 (no augmentation) trained again: no number differs" in result.stdout
    assert "no difference" in result.stdout


def test_the_same_search_gives_the_same_bytes(
    bundled: Path, finished_run: Path, tmp_path: Path
) -> None:
    made = make_bundle(finished_run, "Anna Nowak", tmp_path / "again.zip")
    assert Path(made.path).read_bytes() == bundled.read_bytes()


def test_a_bundle_holds_only_what_it_must(bundled: Path) -> None:
    names = set(files_of(bundled)) - {MANIFEST}
    assert all(map(is_known, names))
    assert {
        "config.yaml",
        "journal.jsonl",
        "trials.csv",
        "report.html",
        "environment.json",
    } <= names
    assert not any("digit" in name or name.endswith((".keras", ".pkl")) for name in names)


@pytest.mark.parametrize(
    "name", ["journal.jsonl", "trials.csv", "report.html", "predictions/00003.npz", SHEET]
)
def test_one_byte_of_any_file_is_named_by_the_manifest(
    bundled: Path, tmp_path: Path, name: str
) -> None:
    files = files_of(bundled)
    files[name] = files[name][:-9] + bytes([files[name][-9] ^ 1]) + files[name][-8:]
    opened = read_bundle(rewritten(tmp_path / "x.zip", files))
    assert [difference.where for difference in opened.differences] == [name]


def test_a_byte_changed_inside_the_zip_is_named(bundled: Path, tmp_path: Path) -> None:
    content = bytearray(bundled.read_bytes())
    with zipfile.ZipFile(bundled) as archive:
        entry = archive.getinfo("trials.csv")
    header = struct.unpack("<HH", content[entry.header_offset + 26 : entry.header_offset + 30])
    content[entry.header_offset + 30 + sum(header) + entry.compress_size // 2] ^= 255
    (tmp_path / "x.zip").write_bytes(content)
    assert {d.where for d in read_bundle(tmp_path / "x.zip").differences} == {"trials.csv"}


def test_a_file_added_twice_or_left_out_is_named(bundled: Path, tmp_path: Path) -> None:
    files = files_of(bundled)
    del files["trials.csv"]
    path = rewritten(tmp_path / "x.zip", {**files, "notes.txt": b"well done"})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("summary.json", b"{}")
    found = {d.where: d.what for d in read_bundle(path).differences}
    assert set(found) == {"trials.csv", "notes.txt", "summary.json"}


def altered(name: str, content: bytes) -> bytes:
    """As somebody would who wants other numbers to be read."""
    if name.endswith(".npz"):
        true = Predictions.from_bytes(content)
        return Predictions(
            true.images, np.roll(true.predicted, 1, axis=1), true.log_prob, true.fold
        ).to_bytes()
    if name == SHEET:
        return content + b"\0"
    changed = content.replace(b"0.", b"0.9", 1)
    return changed if changed != content else content + b"\n"


def test_files_changed_with_their_manifest_contradict_the_journal(
    bundled: Path, tmp_path: Path
) -> None:
    files = files_of(bundled)
    touched = set(files) - {MANIFEST, "journal.jsonl", *(n for n in files if "predictions" in n)}
    touched |= {"predictions/00003.npz"}
    changed = {n: altered(n, c) if n in touched else c for n, c in files.items()}
    changed["predictions/00099.npz"] = files["predictions/00003.npz"]
    path = resealed(tmp_path / "x.zip", changed)
    assert not read_bundle(path).differences
    graded = grade(path, UNTRAINED)
    assert where(graded) >= {
        *touched - {"predictions/00003.npz"},
        "trial 3",
        "predictions/00099.npz",
    }
    assert "predictions/00003.npz is not the file that was journaled" in describe_grade(graded)


def _events(files: Mapping[str, bytes]) -> list[Event]:
    return list(parse(files["journal.jsonl"], Path("journal.jsonl")).events)


def sealed_journal(events: list[Event]) -> bytes:
    return b"".join(encode({**event, "seq": number}) for number, event in enumerate(events))


def test_a_damaged_journal_is_named_by_its_line(bundled: Path, tmp_path: Path) -> None:
    files = files_of(bundled)
    files["journal.jsonl"] = files["journal.jsonl"].replace(b'"max_epochs":3', b'"max_epochs":4', 1)
    graded = grade(resealed(tmp_path / "x.zip", files), UNTRAINED)
    assert [d.where for d in graded.differences] == ["journal.jsonl"]
    assert "line 1 of journal.jsonl is damaged" in graded.differences[0].what


def test_a_resealed_journal_contradicts_its_predictions_and_must_have_finished(
    bundled: Path, tmp_path: Path
) -> None:
    files = files_of(bundled)
    events = _events(files)
    told = next(e for e in events if e["type"] == "told" and e["trial"] == 3)
    told["result"]["score"] = told["result"]["metrics"]["accuracy"] = 0.99
    files["journal.jsonl"] = sealed_journal([e for e in events if e["type"] != "finished"])
    graded = grade(resealed(tmp_path / "x.zip", files), UNTRAINED)
    assert {"trial 3: metrics: accuracy", "trials.csv", "journal.jsonl"} <= where(graded)
    assert any("the search did not finish" in each.what for each in graded.differences)


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
    events = [*rehearse(prepared, state, answers, folder), {"type": "finished", "time": 2.0}]
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
    found = where(grade(path, Extent()))
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
    assert {f"trial {number}" for number in claim} <= where(found)


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
    assert (
        "was handed in" in found.remarks[0]
    )  # the claim, beside the effect of what was trained here


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


def hostile(bundled: Path, tmp_path: Path, name: str, content: bytes = b"x") -> Path:
    return rewritten(tmp_path / "x.zip", {**files_of(bundled), name: content})


@pytest.mark.parametrize(
    "name", ["../../escaped", "/tmp/escaped", "predictions/../x.npz", "model/model.keras"]
)
def test_a_name_that_no_bundle_holds_is_named_and_never_extracted(
    bundled: Path, tmp_path: Path, name: str
) -> None:
    opened = read_bundle(hostile(bundled, tmp_path, name))
    assert name not in opened.files
    assert [d.where for d in opened.differences] == [name]


def test_a_zip_bomb_is_refused_before_it_is_read(bundled: Path, tmp_path: Path) -> None:
    path = hostile(bundled, tmp_path, "predictions/77777.npz")
    content = path.read_bytes()
    at = content.rindex(b"predictions/77777.npz") - 46  # its entry in the central directory
    path.write_bytes(content[: at + 24] + struct.pack("<I", 2**31) + content[at + 28 :])
    with pytest.raises(UserError, match="more than 20000 files or 1024 MiB"):
        read_bundle(path)


def test_pickles_in_predictions_are_not_loaded() -> None:
    buffer = io.BytesIO()
    pickled = {
        name: np.array([print], dtype=object)
        for name in ("images", "predicted", "log_prob", "fold")
    }
    np.savez(buffer, **pickled)  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match="images has no header that NumPy writes for such an array"
    ):
        Predictions.from_bytes(buffer.getvalue())


def test_what_cannot_be_a_bundle_is_said_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.zip")
    (tmp_path / "folder.ZIP").mkdir()
    (tmp_path / "empty.zip").touch()
    (tmp_path / "notes.txt").touch()
    with (tmp_path / "large.Zip").open("wb") as file:
        file.truncate(200 * 10**9)
    grades = grade_many(tmp_path, UNTRAINED)
    assert {each.file: str(each.problem).partition(";")[0] for each in grades.grades} == {
        "fifo.zip": "fifo.zip is a FIFO",
        "folder.ZIP": "folder.ZIP is a directory",
        "empty.zip": "empty.zip is empty",
        "large.Zip": "large.Zip is of 200.0 GB",
    }
    assert describe_grades(grades).endswith(
        "not graded, since their names do not end in .zip: 1 (notes.txt)"
    )


def test_an_empty_journal_is_said_of_its_bundle(bundled: Path, tmp_path: Path) -> None:
    path = resealed(tmp_path / "x.zip", {**files_of(bundled), "journal.jsonl": b""})
    with pytest.raises(UserError, match=r"^x\.zip: .*stopped before its first event"):
        grade(path, UNTRAINED)


def test_images_not_decoded_before_are_decoded_in_the_temporary_folder(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGSEARCH_CACHE", str(tmp_path / "cache"))
    assert grade(bundled, UNTRAINED).same
    assert not list(tmp_path.rglob("*.images"))


@pytest.mark.parametrize("content", [b"no zip at all", b"PK\3\4 and then nothing"])
def test_what_is_no_bundle_is_status_2_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "x.zip")])
    assert result.exit_code == BAD_INPUT
    assert "cannot be read as a bundle" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bundle_of_a_folder_needs_the_graders_images(bundled: Path, tmp_path: Path) -> None:
    """A path in a bundle is somebody else's; it is never followed."""
    files = files_of(bundled)
    events = _events(files)
    config = events[0]["opened"]["config"]
    config["dataset"] |= {"source": "folder", "path": str(tmp_path)}
    events[0]["opened"]["config_hash"] = parse_config(config, "test").hash
    files["journal.jsonl"] = sealed_journal(events)
    with pytest.raises(UserError, match="say where they are with --data"):
        grade(resealed(tmp_path / "bo.zip", files), UNTRAINED)


@pytest.mark.parametrize("student", ["", "  ", "a\x1b[2Jb", "x" * 101])
def test_a_name_that_does_not_print_is_refused(
    finished_run: Path, tmp_path: Path, student: str
) -> None:
    with pytest.raises(UserError, match="--student received"):
        make_bundle(finished_run, student, tmp_path / "x.zip")


def test_an_unfinished_search_is_not_handed_in(finished_run: Path, tmp_path: Path) -> None:
    run_dir = Path(shutil.copytree(finished_run, tmp_path / "run"))
    events = [event for event in read(run_dir / "journal.jsonl")[0] if event["type"] != "finished"]
    (run_dir / "journal.jsonl").write_bytes(sealed_journal(events))
    with pytest.raises(UserError, match="did not finish"):
        make_bundle(run_dir, "Anna", tmp_path / "x.zip")


def strange_predictions(bundled: Path, student: str, path: Path) -> Path:
    """The same search under another name, and nothing that grading would go on with."""
    files = files_of(bundled)
    events = _events(files)
    next(e for e in events if e["type"] == "told" and e["trial"] == 3)["predictions_file"] = (
        "/dev/zero"
    )
    files["journal.jsonl"] = sealed_journal(events)
    files[MANIFEST] = files[MANIFEST].replace(b"Anna Nowak", student.encode())
    return resealed(path, files)


def test_a_journal_cannot_have_other_files_opened(bundled: Path, tmp_path: Path) -> None:
    graded = grade(strange_predictions(bundled, "Ben", tmp_path / "x.zip"), UNTRAINED)
    assert [d.where for d in graded.differences] == ["predictions"]
    assert "/dev/zero" in graded.differences[0].what


def test_many_bundles_are_a_table_and_one_search_under_two_names_is_flagged(
    bundled: Path, tmp_path: Path
) -> None:
    shutil.copy(bundled, tmp_path / "anna.zip")
    strange_predictions(bundled, "Ben", tmp_path / "ben.zip")
    (tmp_path / "carl.zip").write_bytes(b"no zip")
    grades = grade_many(tmp_path, UNTRAINED)
    assert not grades.same
    heading, anna, ben, carl, copy = describe_grades(grades).splitlines()
    assert heading.split() == [
        *("student", "file", "question", "seed", "verdict"),
        *("best", "delta", "failed", "verified", "differences"),
    ]
    assert anna.startswith("Anna Nowak  anna.zip")
    assert re.search(r" recomputed +none$", anna)
    assert ben.startswith("Ben")
    assert "predictions: trial 3 names /dev/zero" in ben
    assert "not a zip" in carl
    assert copy.startswith("COPY: Ben (ben.zip) and Anna Nowak (anna.zip): the same search")
    assert copy.endswith("; 11 of 11 trials are those of anna.zip")


def test_a_folder_with_a_difference_is_status_4_and_json(tmp_path: Path) -> None:
    (tmp_path / "carl.zip").write_bytes(b"no zip")
    result = CliRunner().invoke(app, ["verify", "--many", str(tmp_path), "--json"])
    assert result.exit_code == DIFFERENT
    assert json.loads(result.stdout)["grades"][0]["file"] == "carl.zip"
