"""`init`: what it finds, what it chooses for that, and a file that loads and runs."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pictures import encoded, picture, write_folders
from PIL import Image
from typer.testing import CliRunner

from data.dataset import DataNotes, Dataset, list_images
from data.errors import UserError
from data.settings import DatasetConfig
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.commands.init import Asked, experiment_text, make_experiment
from search.commands.init_choices import (
    FROZEN_NETWORK,
    SCRATCH_NETWORK,
    Chosen,
    Shapes,
    image_size,
    network,
    plan_of,
    searched,
)
from search.commands.init_source import found_images, source_of
from search.driver.cut_checks import cut_perhaps
from search.driver.experiment_file import load_config, named_after, parse_config
from search.driver.plan_checks import plan_lines
from search.driver.workload import workload
from search.experiment.yaml_file import parse_yaml

CLASSES = ("cat", "dog", "owl")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUGSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def photos(desk: Path) -> Path:
    """60 tiny pictures."""
    write_folders(desk / "photos", dict.fromkeys(CLASSES, 20))
    return desk / "photos"


@pytest.fixture
def smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.commands.init.plans", lambda shapes: SCRATCH_NETWORK[-1:])


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["init", *arguments])


def shapes_of(*sides: tuple[int, int]) -> Shapes:
    return Shapes(np.array(sides))


def chosen_of(shapes: Shapes) -> dict[str, Chosen]:
    return {each.key.partition(".")[2]: each for each in searched(shapes)}


def said(data: str, **named: str) -> str:
    with pytest.raises(UserError) as caught:
        found_images(data, source_of(data), named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def dataset_of(data: str, **named: str) -> dict[str, Any]:
    found, _ = found_images(data, source_of(data), named)
    return {each.key.partition(".")[2]: each.value for each in found}


# A file with nothing but a data set.


def test_no_section_is_compulsory_but_dataset(tmp_path: Path) -> None:
    (tmp_path / "my photos").mkdir()
    (tmp_path / "x.yaml").write_text("dataset: {source: folder, path: my photos}\n")
    config = load_config(tmp_path / "x.yaml")
    assert config.name == "my-photos"
    assert set(config.space.dimensions) >= {"rotation_range", "zoom_range", "horizontal_flip"}
    assert config.space.augments
    again = parse_config(config.filled, "again")
    assert (again, again.hash) == (config, config.hash)


def test_an_augmentation_section_that_was_written_is_not_added_to() -> None:
    config = parse_config(
        {"dataset": {"source": "digits"}, "augmentation": {"rotation_range": [0, 9]}}, "x"
    )
    assert list(config.space.dimensions) == ["rotation_range"]
    assert config.name == "images"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/photos", "photos"),
        ("/a/data v1.2", "data-v1.2"),
        ("/a/labels.csv", "labels"),
        ("/a/x.NPZ", "x"),
        ("/a/日本", None),
        ("/a/日本 cats", "cats"),
        ("/", None),
        ("/a/..", None),
        ("/a/" + "x" * 300, "x" * 100),
        ("/a/-: #\n'\"", None),
    ],
)
def test_a_name_is_made_of_any_path(path: str, name: str | None) -> None:
    assert named_after(path) == name


# What is given.


@pytest.mark.parametrize(
    ("counts", "split"),
    [
        ({"cat": 4, "dog": 4}, {"validation": 0.15, "test": 0.15}),
        ({"train/cat": 4, "train/dog": 4, "val/cat": 1, "val/dog": 1}, None),
        (
            {"train/cat": 4, "train/dog": 4, "test/cat": 1, "test/dog": 1},
            {"validation": 0.15, "test": 0},
        ),
    ],
)
def test_the_layout_of_a_folder_decides_the_split(
    desk: Path, counts: dict[str, int], split: dict[str, float] | None
) -> None:
    write_folders(desk / "photos", counts)
    assert dataset_of("photos") == {
        "source": "folder",
        "path": "photos",
        **({} if split is None else {"split": split}),
    }


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("path,label", {}),
        ("Image,id,Category", {"path_column": "Image", "label_column": "Category"}),
        ("file,class,set", {"path_column": "file", "label_column": "class", "split_column": "set"}),
    ],
)
def test_columns_are_known_by_usual_names(desk: Path, header: str, columns: dict[str, str]) -> None:
    write_folders(desk, {"train/cat": 2, "validation/dog": 2})
    cells = {"id": "7", "Category": "", "set": ""}
    rows = [header]
    for number, folder in enumerate(["train/cat", "train/cat", "validation/dog", "validation/dog"]):
        split, label = folder.split("/")
        values = {"path": f"{folder}/{number:03d}.png", "label": label, "set": split}
        values |= dict.fromkeys(("Image", "file"), values["path"])
        values |= dict.fromkeys(("Category", "class"), label)
        rows.append(",".join({**cells, **values}[name] for name in header.split(",")))
    (desk / "labels.csv").write_text("\n".join(rows) + "\n")
    found = dataset_of("labels.csv")
    assert {key: value for key, value in found.items() if key.endswith("_column")} == columns
    assert ("split" in found) == ("set" not in header)


def test_a_csv_with_other_columns_asks_for_them(desk: Path) -> None:
    write_folders(desk, {"cat": 2, "dog": 2})
    rows = [f"{label}/{n:03d}.png,{label}" for n, label in enumerate(["cat", "cat", "dog", "dog"])]
    (desk / "x.csv").write_text("\n".join(["wo,was", *rows]) + "\n")
    text = said("x.csv")
    assert "columns: 'wo', 'was'" in text
    assert text.endswith("; here: --path-column NAME, --label-column NAME")
    assert "--path-column" not in said("x.csv", path_column="was", label_column="wo")
    named = dataset_of("x.csv", path_column="wo", label_column="was")
    assert (named["path_column"], named["label_column"]) == ("wo", "was")


def test_an_npz_is_known_by_its_keys(desk: Path) -> None:
    images, labels = np.zeros((6, 9, 12), np.uint8), np.array([0, 1] * 3)
    np.savez(desk / "a.npz", images=images, labels=labels)
    assert dataset_of("a.npz")["source"] == "arrays"
    assert Shapes.of(found_images("a.npz", "arrays", {})[1]).sides.tolist() == [[12, 9]] * 6
    np.savez(desk / "b.npz", left=images)
    assert "has the arrays left" in said("b.npz")


def test_what_is_no_data_set_is_refused_in_one_line(desk: Path) -> None:
    (desk / "notes.txt").write_text("x")
    assert "notes.txt is neither; give a folder of images" in said("notes.txt")
    assert "nowhere is not there" in said("nowhere")
    (desk / "cat").mkdir()
    assert "the folder that you are in" in said(".")


def test_a_name_that_is_no_text_is_refused(desk: Path) -> None:
    name = os.fsdecode(b"\xff photos")
    (desk / name).mkdir()
    assert said(name) == (
        "\\udcff photos: this name is no UTF-8, which experiment files are; rename it"
    )


def test_a_folder_that_holds_a_csv_leads_to_it(desk: Path) -> None:
    (desk / "kaggle").mkdir()
    (desk / "kaggle" / "train.csv").write_text("path,label\n")
    assert said("kaggle").endswith("; or init kaggle/train.csv, where it has labels")


# What is chosen.


@pytest.mark.parametrize(
    ("side", "number", "size"),
    [(5, 60, 8), (28, 70000, 28), (50, 60, 64), (120, 60, 120), (900, 60, 224), (900, 5000, 150)],
)
def test_the_size_follows_the_pictures_as_far_as_the_backbone(
    side: int, number: int, size: int
) -> None:
    assert image_size(shapes_of((side, side)), number).value == size


def test_pictures_that_are_no_squares_are_said_to_be_stretched() -> None:
    assert image_size(shapes_of((120, 120)), 60).why.endswith("median: seen as they are")
    assert image_size(shapes_of((120, 160)), 60).why.endswith("stretched to a square as large")


@pytest.mark.parametrize(("number", "is_told"), [(120, True), (12_000, False)])
def test_of_few_pictures_the_network_that_gains_more_is_told(number: int, is_told: bool) -> None:
    why = network(shapes_of((120, 160)), number)[-1].why
    assert ("small network from scratch" in why) == is_told


def test_pictures_of_one_orientation_are_turned_little() -> None:
    wide, tall, square = (40, 30), (30, 40), (30, 30)
    most = {
        name: chosen_of(shapes_of(*sides))["rotation_range"].value["max"]
        for name, sides in {
            "wide": [wide] * 9 + [square],
            "tall": [tall] * 10,
            "both": [wide] * 5 + [tall] * 5,
            "square": [square] * 10,
        }.items()
    }
    assert most == {"wide": 20, "tall": 20, "both": 45, "square": 30}


def test_a_turned_photograph_counts_as_it_is_seen(desk: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for label in CLASSES[:2]:
        (desk / "photos" / label).mkdir(parents=True)
        (desk / "photos" / label / f"{label}.jpg").write_bytes(
            encoded(picture(len(label)), "JPEG", exif=exif.tobytes())
        )
    listing = list_images(DatasetConfig(path=str(desk / "photos")), desk)
    assert Shapes.of(listing).sides.tolist() == [[20, 24]] * 2


@pytest.mark.parametrize("ladder", [FROZEN_NETWORK, SCRATCH_NETWORK])
def test_each_plan_takes_less_than_the_one_above(ladder: tuple[Any, ...]) -> None:
    mode = {"mode": "scratch"} if ladder is SCRATCH_NETWORK else {}
    amounts = []
    for rung in ladder:
        training = {"max_epochs": rung.effort} if mode else {"views": rung.effort}
        controls = ["course", "trivial_augment"] if rung.controls else []
        experiment = {
            "dataset": {"source": "digits"},
            "training": {**mode, **training},
            "model": {"backbone": "small-cnn", "weights": "random"},
            "search": {"algorithm": "random", "trials": rung.trials},
            "evaluation": {
                **{"folds": rung.folds, "seeds": rung.seeds, "ablation": rung.ablation},
                "confirm": {"top": rung.top, "seeds": rung.seeds + 2, "views": rung.effort},
                "controls": controls,
            },
        }
        amounts.append(sum(workload(parse_config(experiment, "x")).plan.values()))
    assert amounts == sorted(amounts, reverse=True)


@pytest.mark.parametrize(
    ("ladder", "side", "number"),
    [(FROZEN_NETWORK, 200, 12), (SCRATCH_NETWORK, 20, 12), (SCRATCH_NETWORK, 20, 6000)],
)
def test_no_plan_is_one_that_the_check_warns_of(
    ladder: tuple[Any, ...], side: int, number: int
) -> None:
    labels, splits = np.arange(number) % 2, np.arange(number) // 2 % 3
    images, names = np.zeros((number, 1, 1, 3), np.uint8), tuple(map(str, range(number)))
    dataset = Dataset(images, labels, splits, ("a", "b"), names, "digest", DataNotes())
    shapes = shapes_of((side, side))
    first = [Chosen("dataset.source", "digits", ""), *searched(shapes), *network(shapes, number)]
    for rung in ladder:
        text = experiment_text([*first, *plan_of(rung, shapes, dataset)])
        config = parse_config(parse_yaml(text, "x"), "x")
        assert (*plan_lines(config, config.space), *cut_perhaps(config.space)) == (), rung


HOSTILE = (
    *(
        "1e-3",
        "2024",
        "null",
        "on",
        "010",
        "a: b # c",
        "- x",
        "'\"\\",
        "日本😀",
        "a\tb\nc",
        "\x85\u2028",
    ),
    *("{a}", "!!python/object", "*x", "&x", " x ", "x" * 250 + " y" * 2, "%s{}", "..."),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_any_name_is_read_back_as_it_was(text: str) -> None:
    keys = ("name", "dataset.path", "dataset.path_column")
    written = experiment_text([Chosen(key, text, "why") for key in keys])
    read = parse_yaml(written, "x")
    assert read == {"name": text, "dataset": {"path": text, "path_column": text}}
    assert len(written.splitlines()) == 4 or "\u2028" in text or "\x85" in text


# The command.


def test_a_file_is_written_that_says_why_and_loads(photos: Path, smallest: None) -> None:
    result = call("./photos", "--json")
    assert result.exit_code == DONE, result.output
    told = json.loads(result.stdout)
    text = Path("photos.yaml").read_text()
    settings = [line for line in text.splitlines() if ": " in line and not line.startswith("#")]
    assert settings
    assert all("  # " in line for line in settings)
    assert yaml.safe_load(text)["dataset"]["path"] == "./photos"
    config = load_config("photos.yaml")
    assert config.dataset.path == str(photos)
    assert told["chosen"]["dataset.image_size"]["value"] == config.dataset.image_size == 22
    assert told["plan"]["trials"] == config.search.trials
    assert not [line for line in told["plan"]["remarks"] if "patience" in line]
    assert "find" in text.splitlines()[1] or "show" in text.splitlines()[1]
    again = call("photos")
    assert again.exit_code == BAD_INPUT
    assert "photos.yaml exists" in again.stderr
    assert Path("photos.yaml").read_text() == text


def test_a_file_elsewhere_names_the_images_from_there(photos: Path, smallest: None) -> None:
    Path("plans").mkdir()
    (photos.parent / "plans" / "a.yaml").write_text("mine")
    made = make_experiment(Asked("photos", 30, Path("plans/a.yaml"), force=True), print)
    assert load_config(made.path).dataset.path == str(photos)
    assert yaml.safe_load(made.path.read_text())["dataset"]["path"] == "../photos"


def test_a_text_that_counts_as_an_image_is_named_where_images_are_too_few(desk: Path) -> None:
    write_folders(desk / "few", {"cat": 1, "dog": 1})
    (desk / "few" / "cat" / "x.txt").write_text("a note")
    result = call("few")
    assert result.exit_code == BAD_INPUT
    assert "too few images: cat (2), dog (1)" in result.stderr
    assert "cat/x.txt is counted as an image: move what is none away" in result.stderr


def test_a_broken_picture_is_told_and_nothing_is_written(photos: Path) -> None:
    (photos / "cat" / "bad.png").write_bytes(b"no picture")
    result = call("photos")
    assert result.exit_code == BAD_INPUT
    assert "bad.png" in result.stderr
    assert not Path("photos.yaml").exists()


def test_where_no_plan_fits_the_smallest_ones_time_is_told(photos: Path, smallest: None) -> None:
    result = call("photos", "--minutes", "1e-6")
    assert result.exit_code == BAD_INPUT
    assert "the smallest plan for these images takes about 1 minute here: allow" in result.stderr
    assert not Path("photos.yaml").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--minutes", "0"], "--minutes received 0"),
        (["--minutes", "nan"], "--minutes received nan"),
        (["--out", "photos"], "is a folder"),
        (["--out", "none/x.yaml"], "there is no folder none"),
        (["--label-column", "x"], "--label-column names a column of a csv, and photos is none"),
    ],
)
def test_bad_options_are_refused(photos: Path, options: list[str], words: str) -> None:
    result = call("photos", *options)
    assert result.exit_code == BAD_INPUT
    assert words in result.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_init_with_run_ends_with_an_answer(photos: Path, smallest: None) -> None:
    result = call("photos", "--run", "--json")
    assert result.exit_code == DONE, result.output
    found = json.loads(result.stdout)
    assert found["outcome"] == "finished"
    assert set(found["verdicts"]) >= {"rotation_range", "horizontal_flip"}
    assert Path("runs/photos/report.html").exists()
