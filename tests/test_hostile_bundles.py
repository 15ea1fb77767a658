"""What a stranger's bundle or run directory may try: paths, bombs, odd zips, odd arrays, odd
journals. One line each, nothing done."""

import io
import os
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_mutants import Files, journal_of
from tampering import events_in, files_of, resealed

from data.errors import UserError
from data.strict_zip import ArrayForm, read_directory, read_entry, read_npz
from search.driver.experiment_file import parse_config
from search.driver.run_reading import open_run
from search.experiment.answers import Predictions
from search.verification import foreign_runs
from search.verification.bundle_file import SHEET, read_bundle
from search.verification.comparison import Comparison
from search.verification.grading import Extent, Grade, grade, grade_many
from search.verification.reopening import relocated, scratch_resources

UNTRAINED = Extent(train=False)
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def sound(bundled: Path) -> Files:
    return files_of(bundled)


def opened_changed(sound: Files, change: Change, path: Path) -> Path:
    """The bundle with another first event, everything sealed again."""
    files, events = dict(sound), events_in(sound)
    change(events[0]["opened"])
    events[0]["opened"]["config_hash"] = parse_config(events[0]["opened"]["config"], "test").hash
    files["journal.jsonl"] = journal_of(events)
    resealed(path, files)
    return path


def said(graded: Grade) -> str:
    return "; ".join(f"{each.where}: {each.what}" for each in graded.differences)


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/augsearch-escaped", "a/b", "other"])
def test_the_name_in_a_journal_is_the_name_of_its_config(
    sound: Files, tmp_path: Path, name: str
) -> None:
    """It is a folder's: files of the tables and the page were written wherever it pointed."""
    path = opened_changed(sound, lambda opened: opened.update(name=name), tmp_path / "x.zip")
    assert "name is" in said(grade(path, UNTRAINED))
    assert [each.name for each in tmp_path.iterdir()] == ["x.zip"]
    assert not Path("/tmp/augsearch-escaped").exists()


def test_weights_of_a_bundle_are_the_graders(sound: Files, tmp_path: Path) -> None:
    """A path in a bundle was opened, and the hash of what is there was shown."""
    secret = tmp_path / "secret.weights.h5"
    secret.write_bytes(b"a secret")

    def name_it(opened: dict[str, Any]) -> None:
        opened["config"]["model"]["weights"] = opened["fixed"]["weights"] = str(secret)

    files, events = dict(sound), events_in(sound)
    name_it(events[0]["opened"])
    events[0]["opened"]["config_hash"] = parse_config(events[0]["opened"]["config"], "test").hash
    for event in events:
        if event["type"] == "asked":
            event["record"]["spec"]["settings"]["model"]["weights"] = str(secret)
    files["journal.jsonl"] = journal_of(events)
    resealed(tmp_path / "x.zip", files)
    with pytest.raises(UserError, match=r"it needs weights FILE.* --weights"):
        grade(tmp_path / "x.zip", UNTRAINED)
    with pytest.raises(UserError, match=r"mine\.h5 does not exist"):
        grade(tmp_path / "x.zip", UNTRAINED, weights=tmp_path / "mine.h5")


def test_what_a_config_says_of_the_machine_is_left_out(finished_run: Path) -> None:
    run = relocated(open_run(finished_run), None, of_others=True)
    assert run.config.execution.cache_dir is None
    assert run.config.tracking.uri is None
    assert run.config.hash == run.opened.config_hash


def bomb(claimed: int, method: int = zipfile.ZIP_DEFLATED, size: int = 1 << 26) -> bytes:
    """A zip of one entry, of zeros, which claims other than it holds."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", method) as archive,
        archive.open("a", "w", force_zip64=False) as entry,
    ):
        for _ in range(size >> 20):
            entry.write(bytes(1 << 20))
    content = bytearray(buffer.getvalue())
    struct.pack_into("<L", content, content.rindex(b"PK\1\2") + 24, claimed)
    return bytes(content)


def test_no_more_is_unpacked_than_was_claimed() -> None:
    file = io.BytesIO(bomb(claimed=1 << 18))
    (entry,) = read_directory(file, 1)
    tracemalloc.start()
    with pytest.raises(zipfile.BadZipFile, match="does not unpack to the size"):
        read_entry(file, entry)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_not_unpacked_at_all(method: int) -> None:
    file = io.BytesIO(bomb(claimed=1000, method=method, size=1 << 20))
    (entry,) = read_directory(file, 1)
    with pytest.raises(zipfile.BadZipFile, match="allowed: stored and deflated"):
        read_entry(file, entry)


def two_entries() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"first")
        archive.writestr("b", b"second")
    return buffer.getvalue()


def patched(content: bytes, mark: bytes, offset: int, value: int, kind: str = "<H") -> bytes:
    """With the number at `offset` after the last `mark` replaced."""
    changed = bytearray(content)
    struct.pack_into(kind, changed, content.rindex(mark) + offset, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"head" + two_entries(), "does not fit the file"),
        (two_entries() + b"tail", "something follows its end"),
        (two_entries()[:-1], "cut short"),
        (
            patched(two_entries(), b"PK\1\2", 42, 0, "<L"),
            "contradicts the directory|does not begin where",
        ),
        (patched(two_entries(), b"PK\5\6", 10, 0xFFFF), "does not fit the file"),
        (patched(two_entries(), b"PK\3\4", 26, 0xFFFF), "contradicts the directory"),
        (patched(two_entries(), b"PK\3\4", 8, 8), "contradicts the directory"),
    ],
)
def test_a_zip_that_no_zipfile_writes_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(zipfile.BadZipFile, match=reason):
        read_directory(io.BytesIO(content), 10)


def test_a_directory_longer_than_its_files_is_refused_unread() -> None:
    content = two_entries()
    with pytest.raises(zipfile.BadZipFile, match="more than 1 files"):
        read_directory(io.BytesIO(content), 1)


FORMS = {"a": ArrayForm("<i2", 1)}


def npy(header: bytes, values: bytes) -> bytes:
    """An .npz of one array `a` with this header."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "a.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + values
        )
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            npy(b"{'descr': '<i2', 'fortran_order': False, 'shape': (99999999999,), }\n", b"12"),
            "not as many values",
        ),
        (
            npy(b"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }\n", bytes(8)),
            "<c8 of 1 dimensions",
        ),
        (
            npy(b"{'descr': '<i2', 'fortran_order': False, 'shape': (1, 1), }\n", b"12"),
            "of 2 dimensions",
        ),
        (npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"12"), "no header"),
        (npy(b"(" * 60_000, b""), "no header"),
    ],
)
def test_an_array_is_just_what_was_asked_for(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_npz(content, FORMS)


def test_a_bomb_in_an_npz_is_refused_before_it_is_unpacked() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.zeros(1 << 26, np.int16))
    with pytest.raises(ValueError, match="claim more than 64 MiB"):
        read_npz(buffer.getvalue(), FORMS)


def predictions(**changed: Any) -> bytes:
    arrays: dict[str, Any] = {
        "images": np.arange(4, dtype=np.int64),
        "predicted": np.zeros((2, 4), np.int16),
        "log_prob": np.full((2, 4), -0.5, np.float32),
        "fold": np.zeros(4, np.int16),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **{**arrays, **changed})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"log_prob": np.full((2, 4), -0.5, np.complex64)}, "log_prob is <c8"),
        ({"log_prob": np.full((2, 4), np.nan, np.float32)}, "not the logarithm of a probability"),
        ({"log_prob": np.full((2, 4), 0.1, np.float32)}, "not the logarithm of a probability"),
        ({"images": np.zeros(4, np.int64)}, "not ascending positions"),
        ({"images": np.arange(4, dtype=np.float64)}, "images is <f8"),
        ({"images": np.arange(-1, 3)}, "not ascending positions"),
        ({"predicted": np.full((2, 4), -1, np.int16)}, "below 0"),
        ({"predicted": np.zeros((1, 4), np.int16)}, "not of the same images and seeds"),
        ({"fold": np.zeros(4, [("a", "<i2")])}, "fold has no header"),
        ({"log_prob": np.zeros((2, 0), np.float32)}, "not of the same images"),
    ],
)
def test_predictions_have_their_types_shapes_and_ranges(
    changed: dict[str, Any], reason: str
) -> None:
    assert Predictions.from_bytes(predictions()).predicted.shape == (2, 4)
    with pytest.raises(ValueError, match=reason):
        Predictions.from_bytes(predictions(**changed))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"evaluation": {"folds": 100, "seeds": 1000}}, "100,000 heads per trial"),
        ({"dataset": {"max_pixels": 10**12}}, "pixels of one picture"),
        ({"search": {"trials": 100_000}}, "100,000 trials"),
        ({"model": {"head_units": 8192}, "evaluation": {"folds": 20}}, "units in the heads"),
    ],
)
def test_a_config_that_asks_for_too_much_is_one_line(
    sound: Files, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    def ask(opened: dict[str, Any]) -> None:
        for section, values in change.items():
            opened["config"][section] |= values
            opened["fixed"].update(
                {name: value for name, value in values.items() if name in opened["fixed"]}
            )

    files, events = dict(sound), events_in(sound)
    ask(events[0]["opened"])
    events[0]["opened"]["config_hash"] = parse_config(events[0]["opened"]["config"], "test").hash
    files["journal.jsonl"] = journal_of(events[:1])
    resealed(tmp_path / "x.zip", files)
    with pytest.raises(UserError, match=reason):
        grade(tmp_path / "x.zip", UNTRAINED)


def test_counts_are_compared_and_decoding_is_bounded_before_an_image_is_decoded(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr("data.dataset.open_store", never)
    run = relocated(open_run(finished_run), None, of_others=True)
    resources = scratch_resources(run.config, tmp_path).model_copy(update={"cache_dir": tmp_path})
    assert foreign_runs.compare_listing(run, resources, Comparison())
    monkeypatch.setattr(foreign_runs, "MOST_DECODED_BYTES", 1000)
    with pytest.raises(UserError, match="are not decoded at a bundle's word"):
        foreign_runs.compare_listing(run, resources, Comparison())
    counts = {
        name: tuple(2 * each for each in split) for name, split in run.opened.dataset.counts.items()
    }
    summary = run.opened.dataset.model_copy(update={"counts": counts})
    run.__dict__["opened"] = run.opened.model_copy(update={"dataset": summary})
    comparison = Comparison()
    assert not foreign_runs.compare_listing(run, resources, comparison)
    assert comparison.differences[0].where == "dataset: counts"


def test_each_bad_bundle_of_a_folder_is_a_line_and_the_sound_one_is_graded(
    sound: Files, tmp_path: Path
) -> None:
    resealed(tmp_path / "anna.zip", sound)
    other = {**sound, "predictions/00003.npz": b"\x93NUMPY"}
    resealed(tmp_path / "npy.zip", other)
    events = events_in(sound)
    next(event for event in events if event["type"] == "told")["attempts"] = "three"
    resealed(tmp_path / "typed.zip", {**sound, "journal.jsonl": journal_of(events)})
    encrypted = bytearray((tmp_path / "anna.zip").read_bytes())
    struct.pack_into("<H", encrypted, encrypted.rindex(b"PK\1\2") + 8, 1)
    (tmp_path / "locked.zip").write_bytes(encrypted)
    os.mkfifo(tmp_path / "pipe.zip")
    grades = grade_many(tmp_path, UNTRAINED)
    assert {each.file: each.same for each in grades.grades} == {
        **dict.fromkeys(("locked.zip", "npy.zip", "pipe.zip", "typed.zip"), False),
        "anna.zip": True,
    }
    by_file = {each.file: each for each in grades.grades}
    assert "it is locked with a password" in (by_file["locked.zip"].problem or "")
    assert "pipe.zip is a FIFO" in (by_file["pipe.zip"].problem or "")
    assert "attempts: Input should be a valid integer" in said(by_file["typed.zip"])
    assert "predictions/00003.npz is not the file that was journaled" in said(by_file["npy.zip"])


def test_a_fault_of_the_program_is_the_line_of_its_bundle(
    sound: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RecursionError("too deep")

    resealed(tmp_path / "anna.zip", sound)
    monkeypatch.setattr("search.verification.grading.verify_run", fails)
    (found,) = grade_many(tmp_path, UNTRAINED).grades
    assert found.problem == "anna.zip could not be graded: RecursionError: too deep"


def test_a_contact_sheet_holds_no_text_of_a_gigabyte(sound: Files, tmp_path: Path) -> None:
    sheet, body = sound[SHEET], b"zTXtComment\0\0" + zlib.compress(bytes(1 << 28), 9)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    resealed(tmp_path / "x.zip", {**sound, SHEET: sheet[:33] + chunk + sheet[33:]})
    opened = read_bundle(tmp_path / "x.zip")
    assert SHEET not in opened.files
    assert "not a contact sheet" in opened.differences[0].what


@pytest.mark.parametrize(
    "content", [b"\0" * 99, b"\x89PNG\r\n\x1a\nno more", b"%!PS-Adobe-3.0 EPSF-3.0\n"]
)
def test_a_contact_sheet_is_a_png(sound: Files, tmp_path: Path, content: bytes) -> None:
    """Pillow was asked to open whatever was handed in, when the page was made again."""
    resealed(tmp_path / "x.zip", {**sound, SHEET: content})
    opened = read_bundle(tmp_path / "x.zip")
    assert SHEET not in opened.files
    assert "it is damaged: " in opened.differences[0].what
