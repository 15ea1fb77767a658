"""A finished search handed in as a zip, graded without it: as it is, tampered with in every way,
copied, and hostile."""

import io
import json
import os
import re
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tampering import events_in, files_of, resealed, rewritten, sealed_journal, where
from typer.testing import CliRunner

from data.errors import UserError
from run_search import app
from search.commands.command_line import BAD_INPUT, DIFFERENT, DONE
from search.driver.experiment_file import parse_config
from search.experiment.answers import Predictions
from search.journal.journal_file import read
from search.verification.bundle import make_bundle
from search.verification.bundle_file import SHEET, is_known, read_bundle
from search.verification.grading import Extent, grade, grade_many
from search.verification.packing import MANIFEST
from search.verification.verification_text import _narrow, describe_grade, describe_grades

UNTRAINED = Extent(train=False)


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
    with pytest.raises(UserError, match=r"trials\.csv in it is damaged .*; ask for the \.zip as"):
        read_bundle(tmp_path / "x.zip")


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
    assert set(where(graded)) >= {
        *touched - {"predictions/00003.npz"},
        "trial 3",
        "predictions/00099.npz",
    }
    assert "predictions/00003.npz is not the file that was journaled" in describe_grade(graded)


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
    events = events_in(files)
    told = next(e for e in events if e["type"] == "told" and e["trial"] == 3)
    told["result"]["score"] = told["result"]["metrics"]["accuracy"] = 0.99
    unfinished = [e for e in events if e["type"] not in ("finished", "shown")]
    files["journal.jsonl"] = sealed_journal(unfinished)
    graded = grade(resealed(tmp_path / "x.zip", files), UNTRAINED)
    assert {"trial 3: metrics: accuracy", "trials.csv", "journal.jsonl"} <= set(where(graded))
    assert any("the search did not finish" in each.what for each in graded.differences)


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
    (tmp_path / "._anna.zip").touch()
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
        "not graded, being no .zip, or hidden: 2 (._anna.zip, notes.txt)"
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
    events = events_in(files)
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
    over = ("finished", "shown")
    events = [event for event in read(run_dir / "journal.jsonl")[0] if event["type"] not in over]
    (run_dir / "journal.jsonl").write_bytes(sealed_journal(events))
    with pytest.raises(UserError, match="did not finish"):
        make_bundle(run_dir, "Anna", tmp_path / "x.zip")


def strange_predictions(bundled: Path, student: str, path: Path) -> Path:
    """The same search under another name, and nothing that grading would go on with."""
    files = files_of(bundled)
    events = events_in(files)
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
        *("best", "delta", "failed", "answers", "verified", "differences"),
    ]
    assert anna.startswith("Anna Nowak  anna.zip")
    assert re.search(r" recomputed +none$", anna)
    assert ben.startswith("Ben")
    assert "predictions: trial 3 names /dev/zero" in ben
    assert "not a zip" in carl
    assert copy.startswith("COPY: Ben (ben.zip) and Anna Nowak (anna.zip): the same search")
    assert copy.endswith("; 12 of 12 trials are those of anna.zip")


def test_a_folder_with_a_difference_is_status_4_and_json(bundled: Path, tmp_path: Path) -> None:
    strange_predictions(bundled, "Ben", tmp_path / "ben.zip")
    (tmp_path / "carl.zip").write_bytes(b"no zip")
    result = CliRunner().invoke(app, ["verify", "--many", str(tmp_path), "--json"])
    assert result.exit_code == DIFFERENT
    assert json.loads(result.stdout)["grades"][1]["file"] == "carl.zip"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"format": 1', b'"format": true'),
        (b'"format": 1', b'"format": 2, "format": 1'),
        (b'"format": 1,', b'"format":  1,'),
    ],
)
def test_a_manifest_is_spelled_as_bundle_spells_it(
    bundled: Path, tmp_path: Path, old: bytes, new: bytes
) -> None:
    files = files_of(bundled)
    files[MANIFEST] = files[MANIFEST].replace(old, new, 1)
    found = read_bundle(rewritten(tmp_path / "x.zip", files)).differences
    assert [each.where for each in found] == [MANIFEST]


@pytest.mark.parametrize(
    ("target", "words"), [("nowhere", "leads nowhere"), ("link.zip", "leads back to itself")]
)
def test_a_link_that_leads_to_no_file_is_told_in_words(
    tmp_path: Path, target: str, words: str
) -> None:
    (tmp_path / "link.zip").symlink_to(target)
    one = CliRunner().invoke(app, ["verify", str(tmp_path / "link.zip")])
    many = CliRunner().invoke(app, ["verify", "--many", str(tmp_path)])
    assert one.exit_code == BAD_INPUT
    assert many.exit_code == BAD_INPUT
    for text in (one.stderr, many.stdout):
        assert words in text
        assert "Errno" not in text


def test_a_fifo_among_the_answers_is_to_be_restored_once(copied: Path, tmp_path: Path) -> None:
    path = copied / "predictions" / "00001.npz"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="is no regular file; restore it") as caught:
        make_bundle(copied, "Ann", tmp_path / "x.zip")
    assert str(caught.value).count("restore it") == 1


def test_a_manifest_says_of_the_search_what_its_journal_says(bundled: Path, tmp_path: Path) -> None:
    files = files_of(bundled)
    manifest = json.loads(files[MANIFEST]) | {"search_id": "../x"}
    files[MANIFEST] = (json.dumps(manifest, indent=2) + "\n").encode()
    found = grade(rewritten(tmp_path / "x.zip", files), UNTRAINED).differences
    assert [(each.where, each.what) for each in found] == [
        (MANIFEST, "search_id: not as the journal has it")
    ]


def test_a_bundle_that_could_not_be_checked_shows_whose_it_is_and_its_copies(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its pictures are not the grader's."""
    shutil.copy(bundled, tmp_path / "anna.zip")
    strange_predictions(bundled, "Ben", tmp_path / "ben.zip")

    def no_pictures(*_: object) -> None:
        raise UserError("say where the pictures are with --data")

    monkeypatch.setattr("search.verification.grading.where_given", no_pictures)
    grades = grade_many(tmp_path, UNTRAINED)
    _, anna, _, copy = describe_grades(grades).splitlines()
    assert anna.startswith("Anna Nowak  anna.zip  ")
    assert anna.endswith("not checked  say where the pictures are with --data")
    assert copy.startswith("COPY: Ben (ben.zip) and Anna Nowak (anna.zip): ")


def test_the_table_of_a_class_counts_answers_and_is_cut_after_a_number() -> None:
    def cell(text: str) -> str:
        return _narrow("answers", text)

    assert cell("8 answered, empty: 7, 8, 10, 11") == "8 answered, empty: 7, 8, 10, 11"
    many = cell(f"0 answered, empty: {', '.join(map(str, range(1, 51)))}")
    assert many == "0 answered, empty: 1, 2, 3, 4, 5, 6, …"


@pytest.mark.parametrize("is_listed", [True, False])
def test_answers_of_a_trial_that_are_left_out_are_one_line(
    bundled: Path, tmp_path: Path, is_listed: bool
) -> None:
    files = {n: c for n, c in files_of(bundled).items() if n != "predictions/00003.npz"}
    write = rewritten if is_listed else resealed
    (found,) = grade(write(tmp_path / "x.zip", files), UNTRAINED).differences
    assert "00003.npz" in f"{found.where} {found.what}"
    assert "run the search again" not in found.what
    assert ("ask for the .zip" in found.what) == is_listed


def test_a_bundle_without_trials_is_unfinished_whether_or_not_one_is_trained(
    bundled: Path, tmp_path: Path
) -> None:
    files = files_of(bundled)
    files["journal.jsonl"] = sealed_journal(events_in(files)[:1])
    path = resealed(tmp_path / "x.zip", files)
    for extent in (UNTRAINED, Extent()):
        said = describe_grade(grade(path, extent))
        assert "journal.jsonl: the search did not finish" in said
