"""Contact sheets: that they show what a trial trains on, and say what it is."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from states import make_state

from data.dataset import TEST, TRAIN, VALIDATION, Dataset
from data.dataset_notes import DataNotes
from data.views import augment
from search.commands.single_run import write_preview
from search.driver.experiment_file import parse_config
from search.experiment.config import ExperimentConfig
from search.report.contact_sheet import (
    GAP,
    MARGIN,
    NAME_WIDTH,
    WINNER_SHEET,
    SheetColumn,
    draw_sheet,
)
from search.report.preview import (
    extreme_columns,
    pick_images,
    preview_sheet,
    trial_sheet,
    write_trial_sheet,
    write_winner_sheet,
)

SIZE, TILE = 48, 48


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """60 pictures of noise in six classes, the last third of them validation and test images."""
    rng = np.random.default_rng(1)
    return Dataset(
        images=rng.integers(0, 256, (60, SIZE, SIZE, 3), np.uint8),
        labels=np.arange(60, dtype=np.int32) % 6,
        splits=np.repeat([TRAIN, VALIDATION, TEST], [40, 10, 10]).astype(np.int8),
        class_names=("<b>one</b>", "two", "three", "four", "five", "日本"),
        names=tuple(f"image {number}" for number in range(60)),
        digest="0" * 64,
        notes=DataNotes(),
    )


def experiment(augmentation: dict) -> ExperimentConfig:
    data = {
        "name": "x",
        "seed": 3,
        "dataset": {"source": "digits", "image_size": SIZE},
        "augmentation": augmentation,
    }
    return parse_config(data, "test")


def labels_of(dataset: Dataset, augmentation: dict) -> list[list[tuple[str, str]]]:
    groups = extreme_columns(dataset, np.array([0, 1]), experiment(augmentation).space)
    return [[(column.heading, column.label) for column in group] for group in groups]


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_extremes_are_labelled_in_the_units_of_the_experiment_file(dataset: Dataset) -> None:
    groups = labels_of(
        dataset, {"rotation_range": {"min": 0, "max": 40}, "width_shift_range": 10.0}
    )
    assert groups == [
        [("rotation_range", "-40 degrees"), ("rotation_range", "+40 degrees")],
        [("width_shift_range", "-10 px"), ("width_shift_range", "+10 px")],
    ]


def test_the_ends_of_every_choice_are_shown_once(dataset: Dataset) -> None:
    [group] = labels_of(dataset, {"brightness_range": [[1.0, 1.0], [0.8, 1.2]]})
    assert [heading for heading, _ in group] == ["brightness_range"] * 2
    assert ["0.8" in label for _, label in group] == [True, False]


def test_an_augmentation_that_changes_nothing_is_named(dataset: Dataset) -> None:
    """A shift of the whole number 1 draws from 0 alone, in ImageDataGenerator and here."""
    [group] = labels_of(dataset, {"width_shift_range": 1})
    assert all(label.endswith("(changes nothing)") for _, label in group)


def test_the_dozens_of_ends_of_a_published_policy_are_left_to_samples(dataset: Dataset) -> None:
    assert labels_of(dataset, {"policy": "trivial_augment_wide"}) == [[]]


def test_a_trial_s_sheet_shows_the_very_views_it_was_trained_on(dataset: Dataset) -> None:
    spec = make_state().records[3].spec
    picks = pick_images(dataset, 2, spec.dataset_seed)
    sheet = np.asarray(opened(trial_sheet(dataset, spec, num_rows=2, num_samples=3, tile=TILE)))
    views = augment(dataset.images, picks, spec.settings.augmentation, spec.protocol.view_seed, 1)
    left = MARGIN + NAME_WIDTH + 2 * (TILE + GAP)  # clean, view 0 (sample 1), view 1
    column = sheet[:, left : left + TILE]
    top = next(row for row in range(len(column)) if (column[row] == views[0][0]).all())
    np.testing.assert_array_equal(column[top : top + TILE], views[0])
    np.testing.assert_array_equal(column[top + TILE + GAP : top + 2 * TILE + GAP], views[1])


def test_small_pictures_are_enlarged_in_whole_pixels() -> None:
    picture = np.array([[[0, 0, 0], [255, 0, 0]], [[0, 255, 0], [0, 0, 255]]], np.uint8)
    sheet = np.asarray(
        opened(draw_sheet([[SheetColumn("clean", "", picture[None])]], ["a"], tile=8))
    )
    colours = {tuple(colour) for colour in sheet.reshape(-1, 3).tolist()}
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255)} <= colours
    assert not {(128, 0, 0), (127, 0, 0), (0, 128, 0), (0, 127, 0)} & colours


def test_the_same_experiment_gives_the_same_preview(dataset: Dataset) -> None:
    config = experiment({"rotation_range": {"min": 0, "max": 40}, "horizontal_flip": [False, True]})
    first = preview_sheet(dataset, config, num_rows=2, num_samples=2)
    assert first == preview_sheet(dataset, config, num_rows=2, num_samples=2)


def test_a_preview_has_room_for_every_column(dataset: Dataset) -> None:
    wide = {
        "rotation_range": 10,
        "shear_range": 5,
        "zoom_range": 0.2,
        "width_shift_range": 0.1,
        "cutout": 0.3,
    }
    sheet = opened(preview_sheet(dataset, experiment(wide), num_rows=2, num_samples=2))
    # clean and four pairs; the rest below
    assert sheet.width == 2 * MARGIN + NAME_WIDTH + 9 * (128 + GAP)
    assert sheet.height > 3 * 2 * 128


def test_rows_are_of_different_classes_and_from_the_training_images(dataset: Dataset) -> None:
    picks = pick_images(dataset, 4, seed=0)
    assert len(set(dataset.labels[picks].tolist())) == 4
    assert picks.max() < 40


def test_more_rows_than_classes_take_a_class_again(dataset: Dataset) -> None:
    picks = pick_images(dataset, 9, seed=0)
    assert len(set(picks.tolist())) == 9
    assert np.bincount(dataset.labels[picks]).max() == 2


def test_the_winner_s_sheet_is_where_the_report_looks(dataset: Dataset, tmp_path: Path) -> None:
    assert write_winner_sheet(make_state(), dataset, tmp_path) == tmp_path / WINNER_SHEET
    assert opened((tmp_path / WINNER_SHEET).read_bytes()).format == "PNG"


def test_without_an_answer_there_is_no_winner_s_sheet(dataset: Dataset, tmp_path: Path) -> None:
    assert write_winner_sheet(make_state("controls"), dataset, tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_trial_s_sheet_bears_its_number(dataset: Dataset, tmp_path: Path) -> None:
    assert (
        write_trial_sheet(make_state().records[4], dataset, tmp_path)
        == tmp_path / "previews" / "4.png"
    )


def test_a_preview_is_drawn_from_the_experiment_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGSEARCH_CACHE", str(tmp_path / "cache"))
    path = write_preview(experiment({"rotation_range": 20}), tmp_path / "preview.png")
    assert opened(path.read_bytes()).width == 2 * MARGIN + NAME_WIDTH + 5 * (128 + GAP)
