"""Where a command may write: never over another's work, whatever option names the file."""

import json
import shutil
from pathlib import Path

import pytest
from small_search import EXPERIMENT
from tampering import files_of
from typer.testing import CliRunner

from data.errors import UserError
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.commands.import_idg import EXPERIMENT_FILE
from search.commands.single_run import PREVIEW, write_preview
from search.driver.experiment_file import parse_config
from search.journal.journal_file import encode
from search.journal.run_dir import OWN_NAMES, FileKind, need_target
from search.report.contact_sheet import says_it_is_of
from search.verification.bundle import BUNDLE
from search.verification.class_table import CLASS_TABLE
from search.verification.student_answers import STUDENT_ANSWERS

KINDS = [BUNDLE, PREVIEW, CLASS_TABLE, EXPERIMENT_FILE, STUDENT_ANSWERS]
TWO = b"Question 1\nYes.\n\nQuestion 2\n"


def _bundle(run_dir: Path, out: Path, *options: str) -> tuple[int, str]:
    arguments = ["bundle", str(run_dir), "--student", "Ann", "--out", str(out), *options]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stderr


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("name", OWN_NAMES)
def test_no_name_that_a_search_keeps_is_written_to(
    kind: FileKind, name: str, tmp_path: Path
) -> None:
    (tmp_path / "journal.jsonl").write_text("")
    for path in (tmp_path / name, tmp_path / name / f"x{kind.suffixes[0]}"):
        if path.parent.name != "journal.jsonl":
            with pytest.raises(UserError, match=r"--out: .* (own files|allowed: a name that ends)"):
                need_target(path, kind)
    need_target(tmp_path / f"mine{kind.suffixes[0]}", kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_name_of_other_files_is_refused_and_none_is_fine(kind: FileKind, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.odd is to be an? .*; allowed: a name that ends in \."):
        need_target(tmp_path / "x.odd", kind)
    for name in ("x", f"X{kind.suffixes[0].upper()}"):
        need_target(tmp_path / name, kind)


@pytest.mark.parametrize(
    "kind", [each for each in KINDS if each.is_one], ids=lambda kind: kind.name
)
def test_only_its_own_kind_or_an_empty_file_is_replaced(
    kind: FileKind, tmp_path: Path, bundled: Path
) -> None:
    out = tmp_path / f"x{kind.suffixes[0]}"
    picture = files_of(bundled)["previews/winner.png"]
    contents = [b"mine", b"PK\5\6" + bytes(18), picture, b"file,student\n1,2\n", b"\xff"]
    for content in contents:
        out.write_bytes(content)
        with pytest.raises(UserError, match="exists and is not"):
            need_target(out, kind)
        assert out.read_bytes() == content
    out.write_bytes(b"")
    need_target(out, kind)


def test_a_bundle_replaces_a_bundle_and_nothing_of_its_search(copied: Path, tmp_path: Path) -> None:
    journal = (copied / "journal.jsonl").read_bytes()
    for name in ("journal.jsonl", "predictions/00000.npz", "winner.json", ".lock"):
        status, said = _bundle(copied, copied / name)
        assert (status, said.count("\n")) == (BAD_INPUT, 1), said
    assert (copied / "journal.jsonl").read_bytes() == journal
    for _ in range(2):
        assert _bundle(copied, tmp_path / "ann.zip")[0] == DONE


@pytest.mark.slow
def test_answers_in_a_bundle_are_not_lost_by_bundling_again(copied: Path, tmp_path: Path) -> None:
    out, answers = tmp_path / "ann.zip", tmp_path / "mine.txt"
    answers.write_bytes(TWO)
    for _ in range(2):
        assert _bundle(copied, out, "--answers", str(answers))[0] == DONE
    before = out.read_bytes()
    (tmp_path / "empty.txt").write_bytes(b"Question 1\n\nQuestion 2\n")
    for options in ([], ["--answers", str(tmp_path / "empty.txt")]):
        status, said = _bundle(copied, out, *options)
        assert status == BAD_INPUT
        assert "answers question 1, and the new one would not" in said
    assert out.read_bytes() == before


@pytest.mark.slow
def test_a_class_table_replaces_a_class_table_and_no_bundle(bundled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    shutil.copyfile(bundled, folder / "a.zip")
    shutil.copyfile(bundled, folder / "plain")

    def status(csv: Path) -> int:
        arguments = ["verify", "--many", str(folder), "--no-train", "--csv", str(csv)]
        return CliRunner().invoke(app, arguments).exit_code

    assert [status(folder / name) for name in ("a.zip", "plain")] == [BAD_INPUT] * 2
    assert (folder / "a.zip").read_bytes() == bundled.read_bytes()
    table = tmp_path / "class.csv"
    assert [status(table), status(table)] == [DONE, DONE]
    written = table.read_text(encoding="utf-8")
    header, *rows = written.splitlines()
    with_marks = "\n".join([f'{header},"mark"', *(f'{row},"1.0"' for row in rows)]) + "\n"
    for edited in (
        written.replace('"', ""),
        with_marks,
        with_marks.replace('"mark"', '"answer 0 mark"'),
        written + '"class mean","4.5"\n',
        written + "\n",
        written.replace("\n", "\r\n"),
        written.replace("\ufeff", ""),
        written.replace('"\n', ' and a note"\n', 1),
    ):
        assert edited != written
        table.write_bytes(edited.encode())
        assert status(table) == BAD_INPUT
        assert table.read_bytes() == edited.encode()


@pytest.mark.parametrize("options", [("--student", "Bea"), ()])
def test_a_bundle_of_another_student_or_search_is_not_replaced(
    options: tuple[str, ...], copied: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bundle.zip"
    assert _bundle(copied, out)[0] == DONE
    before = out.read_bytes()
    if not options:
        journal = (copied / "journal.jsonl").read_bytes()
        (copied / "journal.jsonl").write_bytes(_renamed(journal))
    status, said = _bundle(copied, out, *options)
    assert (status, out.read_bytes()) == (BAD_INPUT, before)
    assert ("--student is Bea" if options else "another search by Ann") in said
    assert said.count("\n") == 1


def _renamed(journal: bytes) -> bytes:
    """The same search under another identity."""
    first, *rest = journal.splitlines(keepends=True)
    event = json.loads(first)
    event["opened"]["search_id"] = "0" * 32
    return encode(event) + b"".join(rest)


def test_a_preview_replaces_a_preview_and_no_other_picture(tmp_path: Path) -> None:
    experiment = {**EXPERIMENT, "execution": {"cache_dir": str(tmp_path / "cache")}}
    config = parse_config(experiment, "test")
    out = tmp_path / "sheet.png"
    for _ in range(2):
        write_preview(config, out)
    assert says_it_is_of("augsearch preview", out.read_bytes()[:200])


def test_a_preview_becomes_no_image_of_a_class(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    images = {"source": "folder", "path": str(tmp_path / "photos")}
    config = parse_config({**EXPERIMENT, "dataset": images}, "test")
    with pytest.raises(UserError, match=r"is among the images of dataset\.path"):
        write_preview(config, tmp_path / "photos" / "cat" / "x.png")


@pytest.mark.slow
@pytest.mark.parametrize("joined", [True, False])
def test_a_home_folder_is_one_behind_every_option(
    joined: bool, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.move(copied, tmp_path / "kept")
    monkeypatch.chdir(tmp_path)
    out = ["--out=~/b.zip"] if joined else ["--out", "~/b.zip"]
    result = CliRunner().invoke(app, ["bundle", "~/kept", "--student", "Ann", *out])
    assert result.exit_code == DONE, result.output
    assert (tmp_path / "b.zip").is_file()
    assert not (tmp_path / "~").exists()
