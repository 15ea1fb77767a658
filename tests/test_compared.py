"""The table of features beside other libraries is true, as far as they are installed."""

import importlib.metadata
import re
from pathlib import Path

import albumentations
import keras
import pytest

from data.augmentations import AUGMENTATIONS
from data.own_augmentations import check_outside
from search.export.exporters import EXPORTERS

PAGE = (Path(__file__).parent.parent / "docs" / "compared.md").read_text()
HEADER = "| augsearch | Keras layers | Albumentations | torchvision v2 |"


def _rows() -> list[list[str]]:
    lines = PAGE.split(HEADER)[1].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line]


def _names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_the_versions_named_are_those_installed() -> None:
    for name, package in (
        ("KerasTuner", "keras-tuner"),
        ("Keras", "keras"),
        ("Albumentations",) * 2,
    ):
        written = re.search(rf"\b{name} (\d+\.\d+)\.\d+", PAGE)
        assert written, name
        assert importlib.metadata.version(package.lower()).startswith(written[1])


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row[0])
def test_a_transform_that_is_named_is_there(row: list[str]) -> None:
    ours, by_keras, by_albumentations, _ = row
    for name in re.findall(r"`([a-z_]+)[`:]", ours):
        assert name in AUGMENTATIONS or name in ("policy",)
    assert [name for name in _names(by_keras) if not hasattr(keras.layers, name)] == []
    wanted = [name for name in _names(by_albumentations) if name != "p"]
    assert [name for name in wanted if not hasattr(albumentations, name)] == []


def test_every_augmentation_of_ours_has_a_row() -> None:
    told = {name for row in _rows() for name in re.findall(r"`([a-z_]+)[`:]", row[0])}
    options = {"fill_mode", "cval", "policy_ops", "policy_magnitude", "erasing_fill"}
    assert set(AUGMENTATIONS) - told == options


@pytest.mark.parametrize(
    "line",
    [
        "keras:ContrastLimitedAdaptiveHistogramEqualization(clip_limit=strength)",
        "albumentations:CLAHE",
        "albumentations:MotionBlur",
        "albumentations:GridDistortion",
        "albumentations:RandomFog",
    ],
)
def test_what_is_there_by_a_line_is_drawn_from_our_numbers(line: str) -> None:
    check_outside(line, (1.0,), 32)


def test_export_writes_for_each_library_that_the_page_says() -> None:
    assert {"keras", "albumentations", "torchvision"} <= set(EXPORTERS)
