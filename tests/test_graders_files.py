"""What is wrong with the pictures, weights and options that a grader gives: said in one line, of
the option, with what a grader can do; no setting of the search is theirs to change."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pictures import write_folders
from typer.testing import CliRunner

from data.errors import UserError
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.driver.run_reading import Run, open_run
from search.features.weights import check_file
from search.verification.given_files import place_meant, retold_of_images, told_by_option
from search.verification.grading import Extent, grade, grade_many
from search.verification.verify import verify

UNTRAINED = Extent(train=False)
SETTING = re.compile(r"\b(dataset|execution|model|training|evaluation|search)\.[a-z]")


@pytest.fixture
def photos(of_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(of_folder / "photos", tmp_path / "photos"))


def refusal(bundle: Path, data: Path) -> str:
    with pytest.raises(UserError) as raised:
        grade(bundle, UNTRAINED, data=data)
    return str(raised.value)


def test_a_damaged_picture_is_said_of_data_with_what_a_grader_can_do(
    of_folder: Path, photos: Path
) -> None:
    picture = photos / "cat" / "000.png"
    picture.write_bytes(picture.read_bytes()[:-30])
    said = refusal(of_folder / "ada.zip", photos)
    assert said.startswith(f"--data {photos}: 1 file cannot be used: cat/000.png (damaged: ")
    assert "; mend or remove them; else name a sound copy of the images" in said
    assert not SETTING.search(said)


@pytest.mark.parametrize("name", ["notes.txt", "pics.zip", "cut.png"])
def test_a_file_that_is_no_picture_is_named_and_not_counted(
    of_folder: Path, photos: Path, name: str
) -> None:
    (photos / "cat" / name).write_bytes(b"PK\3\4 not a picture")
    said = refusal(of_folder / "ada.zip", photos)
    assert said.startswith(f"--data {photos}: 1 file cannot be used: cat/{name} (")
    assert said.endswith(
        "; mend or remove them; else name a sound copy of the images that the search read"
    )
    assert not SETTING.search(said)


def test_files_that_are_no_pictures_are_not_counted_among_others(
    of_folder: Path, photos: Path
) -> None:
    (photos / "cat" / "notes.txt").write_text("x")
    write_folders(photos, {"dog": 3}, first=900)
    assert "here are 51 images)" in refusal(of_folder / "ada.zip", photos)


def test_a_run_whose_own_pictures_are_damaged_names_them_and_data(
    of_folder: Path, run: Run
) -> None:
    said = retold_of_images(
        "2 files cannot be used: a (x); mend them, or set dataset.split: c", None, run
    )
    assert said == (
        f"{of_folder}/photos: 2 files cannot be used: a (x); mend them; else say with "
        "--data where a sound copy is of the images that the search read"
    )


DEEP = "x (5 pixels; dataset.max_pixels allows 4); mend it"
TWO = "2 problems: (1) a; {}(2) dataset.split is set; remove it"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"{DEEP}, or set dataset.on_bad_file: skip", DEEP),
        (TWO.format("set dataset.split: {test: 0}; "), TWO.format("")),
        ("no test; without it, dataset.split: {validation: 0, test: 0.15} draws one", "no test"),
        ("no image; check dataset.path", "no image; check --data"),
        ("x; raise execution.disk_gb, or lower training.views", "x"),
    ],
)
def test_advice_that_names_a_setting_is_left_out(said: str, kept: str) -> None:
    found = retold_of_images(said, Path("/p"), None).removeprefix("--data /p: ")
    otherwise = "else " * ("; " in kept)
    assert found == f"{kept}; {otherwise}name a sound copy of the images that the search read"


def test_a_folder_a_level_too_high_or_too_low_says_which_looks_right(of_folder: Path) -> None:
    for data, where in ((of_folder, "below"), (of_folder / "photos" / "cat", "above")):
        said = refusal(of_folder / "ada.zip", data)
        assert "--data" in said
        right = f"; {of_folder}/photos, {where} it, looks right: say --data with that"
        assert said.endswith(right)


@pytest.fixture
def run(of_folder: Path) -> Run:
    return open_run(of_folder / "run")


def test_splits_a_level_off_are_found(run: Run, tmp_path: Path) -> None:
    flowers = tmp_path / "flowers"
    splits = ("train", "validation", "test")
    write_folders(flowers, {f"{split}/{name}": 8 for split in splits for name in ("cat", "dog")})
    for data, where in (
        (tmp_path, "below"),
        (flowers / "train", "above"),
        (flowers / "train" / "cat", "above"),
    ):
        said = place_meant(run, data)
        assert said == f"{flowers}, {where} it, looks right: say --data with that"
    shutil.copytree(flowers, tmp_path / "again")
    assert place_meant(run, tmp_path) is None


def test_the_csv_in_the_folder_that_was_named_is_found(run: Run, tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 24, "dog": 24})
    files = sorted(tmp_path.rglob("*.png"))
    rows = [f"{file.relative_to(tmp_path)},{file.parent.name}" for file in files]
    (tmp_path / "all.csv").write_text("\n".join(["path,label", *rows]))
    config = run.opened.config
    config = {**config, "dataset": {**config["dataset"], "source": "csv", "path": "/x/y.csv"}}
    of_csv = replace(run, opened=run.opened.model_copy(update={"config": config}))
    said = place_meant(of_csv, tmp_path)
    assert said == f"{tmp_path}/all.csv, below it, looks right: say --data with that"


@pytest.mark.parametrize("name", ["w.txt", "w.keras", "folder.keras"])
def test_weights_that_are_none_are_said_of_the_option(tmp_path: Path, name: str) -> None:
    (tmp_path / "w.txt").write_text("x")
    (tmp_path / "w.keras").write_text("x")
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(UserError) as raised, told_by_option(None, tmp_path / name):
        check_file(tmp_path / name, takes_torch=False)
    said = str(raised.value)
    assert said.startswith("--weights ")
    assert not re.search("imagenet|random", said)


def test_a_trial_and_no_training_contradict_each_other(bundled: Path, tmp_path: Path) -> None:
    for path in (["--many", str(bundled.parent)], [str(bundled)]):
        result = CliRunner().invoke(app, ["verify", *path, "--trial", "99", "--no-train"])
        assert result.exit_code == BAD_INPUT
        assert result.stderr.startswith("error: --trial 99 and --no-train contradict each other: ")
        assert result.stderr.count("\n") == 1


def test_a_trial_that_is_not_there_is_said_before_anything_is_trained(bundled: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(bundled), "--trial", "99"])
    assert result.exit_code == BAD_INPUT
    assert result.stderr == "error: there is no trial 99; allowed: 0 to 11\n"


def test_an_option_that_a_bundle_has_no_use_for_is_a_note(bundled: Path, tmp_path: Path) -> None:
    (tmp_path / "w.keras").write_bytes(b"x")
    options = ["--data", str(tmp_path), "--weights", str(tmp_path / "w.keras")]
    options += ["--run-code", str(tmp_path)]
    result = CliRunner().invoke(app, ["verify", str(bundled), "--no-train", *options])
    assert result.exit_code == DONE
    assert [line for line in result.stderr.splitlines() if line.startswith("note: ")] == [
        "note: --data is not needed: digits need no file",
        "note: --weights is not needed: the search began from no weights file",
        "note: --run-code is not needed: the search names no code of its author's",
    ]


def test_an_option_that_some_of_many_have_no_use_for_is_one_note(
    bundled: Path, of_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(bundled, tmp_path / "anna.zip")
    shutil.copy(of_folder / "ada.zip", tmp_path / "ada.zip")
    said: list[str] = []
    found = grade_many(tmp_path, UNTRAINED, of_folder / "photos", said.append)
    assert found.same
    notes = [line for line in said if line.startswith("note: ")]
    assert notes == ["note: --data is not needed: digits need no file (1 of 2 bundles: anna.zip)"]


def test_a_run_that_has_no_use_for_data_is_verified_all_the_same(
    finished_run: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    assert verify(finished_run, data=tmp_path, say=said.append).same
    assert "note: --data is not needed: digits need no file" in said


def test_code_that_is_not_there_is_said_before_any_bundle_is_opened(tmp_path: Path) -> None:
    (tmp_path / "carl.zip").write_bytes(b"no zip")
    where = str(tmp_path / "nope.py")
    result = CliRunner().invoke(app, ["verify", "--many", str(tmp_path), "--run-code", where])
    assert result.exit_code == BAD_INPUT
    assert result.stderr.startswith(f"error: --run-code {where} does not exist; name the code that")
