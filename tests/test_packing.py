"""A bundle that was packed by hand, damaged on its way or graded against other pictures: that says
nothing of the search, and the one line says what to ask for."""

import json
import struct
from pathlib import Path

import pytest
from pictures import write_folders
from tampering import events_in, files_of, resealed, rewritten, sealed_journal
from typer.testing import CliRunner

from data.errors import UserError
from data.scratch import scratch_folder
from run_search import app
from search.commands.command_line import BAD_INPUT
from search.commands.single_run import verified
from search.features.weights import file_identity
from search.verification.bundle_file import read_bundle
from search.verification.comparison import Difference
from search.verification.consistency import unfinished
from search.verification.given_files import told_by_option
from search.verification.grading import Extent, grade, grade_many
from search.verification.opened_bundle import laid_out, opened_run
from search.verification.packing import MANIFEST
from search.verification.verification_text import describe_grades

AGAIN = "ask for the .zip as `bundle` wrote it"


def _below(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


PACKED = {
    "in a folder": (lambda files: _below("bartek", files), f"(its files are in bartek/); {AGAIN}"),
    "in a folder, on a Mac": (
        lambda files: {**_below("b", files), "__MACOSX/b/._manifest.json": b"x"},
        f"(its files are in b/); {AGAIN}",
    ),
    "with litter": (lambda files: {**files, ".DS_Store": b"x"}, f"(it holds .DS_Store); {AGAIN}"),
    "with folders": (
        lambda files: {"predictions/": b"", **files},
        f"(it holds predictions/); {AGAIN}",
    ),
    "with others' litter": (
        lambda files: {**files, "predictions/.localized": b"", "Icon\r": b""},
        f"(it holds predictions/.localized); {AGAIN}",
    ),
    "by backslashes": (
        lambda files: {name.replace("/", "\\"): content for name, content in files.items()},
        f"(it holds predictions\\00000.npz); {AGAIN}",
    ),
    "in a folder, by backslashes": (
        lambda files: {f"b\\{name}": content for name, content in files.items()},
        f"(its files are in b/); {AGAIN}",
    ),
    "in another zip": (
        lambda files: {"anna.zip": b"PK"},
        "it holds another .zip (anna.zip); unpack that one and name it",
    ),
    "a run directory": (
        lambda files: _below("quickstart", {"journal.jsonl": b"", "report.html": b""}),
        "it is a run directory packed by hand; ask for what `bundle RUN --student` writes",
    ),
    "something else": (lambda files: {"essay.docx": b""}, f"it has no {MANIFEST}: it was not made"),
}


@pytest.mark.parametrize("how", PACKED)
def test_what_was_packed_by_hand_is_told_in_one_line(
    bundled: Path, tmp_path: Path, how: str
) -> None:
    pack, said = PACKED[how]
    path = rewritten(tmp_path / "x.zip", pack(files_of(bundled)))
    result = CliRunner().invoke(app, ["verify", str(path)])
    assert result.exit_code == BAD_INPUT
    assert result.stderr.startswith("error: x.zip cannot be read as a bundle: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def _bytes_renamed(path: Path, old: bytes, new: bytes) -> Path:
    """A zip with a name that is no UTF-8, as an old program writes it without saying so."""
    assert len(old) == len(new)
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


def test_a_folder_whose_name_is_no_utf8_is_shown_as_one_name(bundled: Path, tmp_path: Path) -> None:
    path = rewritten(tmp_path / "x.zip", _below("Michale", files_of(bundled)))
    with pytest.raises(UserError, match=r"\(its files are in Mich\\xe9le/\); ask for the \.zip"):
        read_bundle(_bytes_renamed(path, b"Michale", b"Mich\xe9le"))


def test_a_strange_file_whose_name_is_no_utf8_is_shown(bundled: Path, tmp_path: Path) -> None:
    path = rewritten(tmp_path / "x.zip", {**files_of(bundled), "notas.txt": b"y"})
    (found,) = read_bundle(_bytes_renamed(path, b"notas.txt", b"not\xe0s.txt")).differences
    assert found.where == "not\\xe0s.txt"


BROKEN = {
    "empty": (lambda lines: b"", "this search was stopped before its first event"),
    "an empty line": (
        lambda lines: b"".join([*lines[:3], b"\n", *lines[3:]]),
        "line 4 of journal.jsonl is damaged: it is not a line of a journal",
    ),
    "an empty line at the end": (
        lambda lines: b"".join([*lines, b"\n"]),
        " of journal.jsonl is damaged: it is not a line of a journal",
    ),
    "cut in a line": (
        lambda lines: b"".join(lines[:-9]) + lines[-9][:40],
        "journal.jsonl is incomplete, as a crash leaves it, and is left out; only finished",
    ),
    "cut at a line": (lambda lines: b"".join(lines[:-9]), "the search did not finish; only"),
    "cut in the first line": (lambda lines: lines[0][:90], "stopped before its first event"),
    "of other lines": (lambda lines: b"hello\n", "it is not a line of a journal"),
    "too long": (lambda lines: b"{" * 600_000 + b"\n", "lists and mappings; at most 500,000"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_journal_that_is_broken_says_what_to_ask_for(
    bundled: Path, tmp_path: Path, how: str
) -> None:
    broken, said = BROKEN[how]
    files = files_of(bundled)
    lines = files["journal.jsonl"].splitlines(keepends=True)
    path = resealed(tmp_path / "x.zip", {**files, "journal.jsonl": broken(lines)})
    try:
        whats = [each.what for each in opened_and_checked(path)]
    except UserError as error:
        whats = [str(error)]
    (what,) = [each for each in whats if said in each]
    assert what.endswith("ask for the bundle made anew with `run_search.py bundle`")
    assert str(tmp_path.parent) not in what
    assert "\n" not in what


def opened_and_checked(path: Path) -> tuple[Difference, ...]:
    """Of its journal alone."""
    bundle = read_bundle(path)
    with scratch_folder("test-") as folder:
        laid_out(bundle.files, folder / "bundle")
        run = opened_run(folder / "bundle", path.name)
        return (run,) if isinstance(run, Difference) else tuple(unfinished(run))


def test_a_strange_file_beside_litter_is_still_a_difference(bundled: Path, tmp_path: Path) -> None:
    files = {**files_of(bundled), ".DS_Store": b"x", "notes.txt": b"y"}
    found = read_bundle(rewritten(tmp_path / "x.zip", files)).differences
    assert [each.where for each in found] == [".DS_Store", "notes.txt"]


def test_a_zip_cut_short_says_what_to_ask_for(bundled: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(bundled.read_bytes()[:-100])
    with pytest.raises(UserError, match=rf"cut short.*; {AGAIN}$"):
        read_bundle(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("flag", "said"), [(1, "it is locked with a password"), (8, "writes sizes behind the files")]
)
def test_a_zip_of_another_kind_says_what_it_is(
    bundled: Path, tmp_path: Path, flag: int, said: str
) -> None:
    content = bytearray(bundled.read_bytes())
    struct.pack_into("<H", content, content.rindex(b"PK\1\2") + 8, flag)
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match=rf"{said}; {AGAIN}$"):
        read_bundle(tmp_path / "x.zip")


def test_a_bundle_of_another_version_is_for_that_version(bundled: Path, tmp_path: Path) -> None:
    files = files_of(bundled)
    files[MANIFEST] = files[MANIFEST].replace(b'"format": 1', b'"format": 2, "more": []')
    path = rewritten(tmp_path / "x.zip", {**files, "journal.sqlite": b"x"})
    with pytest.raises(UserError, match=r"^x\.zip is of another version .*format 2, .*this one$"):
        read_bundle(path)


def test_a_search_of_another_version_is_for_that_version(bundled: Path, tmp_path: Path) -> None:
    files = files_of(bundled)
    events = events_in(files)
    events[0]["opened"]["format"] = 99
    path = resealed(tmp_path / "x.zip", {**files, "journal.jsonl": sealed_journal(events)})
    with pytest.raises(UserError, match=r"^x\.zip: another version .* ask for a search with this"):
        grade(path, Extent(train=False))


def test_what_a_file_manager_leaves_among_the_pictures_is_no_difference(of_folder: Path) -> None:
    (of_folder / "photos" / ".DS_Store").write_bytes(b"x")
    (of_folder / "photos" / "cat" / "Thumbs.db").write_bytes(b"x")
    found = grade(of_folder / "ada.zip", Extent(train=False), data=of_folder / "photos")
    assert found.same, found.differences


def test_other_pictures_are_the_graders_to_mend(of_folder: Path, tmp_path: Path) -> None:
    write_folders(tmp_path / "owls", {"owl": 24, "dog": 24})
    with pytest.raises(UserError) as raised:
        grade(of_folder / "ada.zip", Extent(train=False), data=tmp_path / "owls")
    assert str(raised.value).startswith(
        f"the pictures at --data {tmp_path}/owls are not those that the search read (class_names: "
    )
    assert str(raised.value).endswith(
        "; name the folder that it read, or ask for a search over this one"
    )


def test_other_pictures_of_the_same_number_are_told_too(of_folder: Path, tmp_path: Path) -> None:
    write_folders(tmp_path / "others", {"dog": 24, "cat": 24}, first=100)
    with pytest.raises(UserError, match=r"are not those that the search read \(digest: "):
        grade(of_folder / "ada.zip", Extent(train=False), data=tmp_path / "others")


def test_a_folder_of_which_none_could_be_checked_is_status_2(tmp_path: Path) -> None:
    (tmp_path / "carl.zip").write_bytes(b"no zip")
    result = CliRunner().invoke(app, ["verify", "--many", str(tmp_path), "--json"])
    assert result.exit_code == BAD_INPUT
    assert json.loads(result.stdout)["grades"][0]["file"] == "carl.zip"
    grades = grade_many(tmp_path, Extent(train=False))
    assert "  not checked  " in describe_grades(grades)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "--data {} does not exist; name the images that the search read"),
        ("a file", "--data: {} cannot be read as a folder: Not a directory"),
        ("empty", "--data: {} holds no folders; "),
    ],
)
def test_what_is_wrong_with_the_graders_pictures_is_said_of_data(
    of_folder: Path, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").write_text("")
    for path in ("ada.zip", "run"):
        with pytest.raises(UserError) as raised:
            verified(
                of_folder / path, Extent(train=path == "run"), False, tmp_path / name, None, print
            )
        assert str(raised.value).startswith(said.format(tmp_path / name))
        assert "dataset.path" not in str(raised.value)


@pytest.mark.parametrize("option", ["--data", "--weights"])
def test_a_place_that_is_not_there_is_said_before_any_bundle_is_opened(
    tmp_path: Path, option: str
) -> None:
    (tmp_path / "carl.zip").write_bytes(b"no zip")
    for what in (["--many", str(tmp_path)], [str(tmp_path / "carl.zip")]):
        result = CliRunner().invoke(app, ["verify", *what, option, str(tmp_path / "nope")])
        assert result.exit_code == BAD_INPUT
        assert result.stderr.startswith(f"error: {option} {tmp_path}/nope does not exist; name the")


def test_what_is_wrong_with_the_graders_weights_is_said_of_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised, told_by_option(None, tmp_path):
        file_identity("lite0", tmp_path)
    assert str(raised.value).startswith(f"--weights {tmp_path} cannot be read (Is a directory)")
