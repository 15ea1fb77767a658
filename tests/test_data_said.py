"""What was done to the pictures, from a search's first line to its model: `check`, `run`, the page
and `predict` agree."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from small_search import Heard, sit, small_config
from typer.testing import CliRunner

from run_search import app
from search.commands.predict import NamedImage, Prediction, predict
from search.journal.state import SearchResult
from search.report.section_texts import data_lines
from search.report.view import SearchView

EVALUATION = {"folds": 2, "seeds": 1, "confirm": None}
SAID = (
    "3 files and folders passed over, hidden or left behind by a program: @eaDir, cat/.DS_Store, "
    "cat/Thumbs.db",
    "24 images converted (grey): cat/00.png, cat/01.png, cat/02.png and 21 more",
    "24 images of more than 8 bits per channel (whole numbers): v became 255 v / 4095, as the "
    "highest, cat/00.png, "
    "goes up to 39",
    "1 file left out: dog/text.png (not an image in a format that is read",
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve-bit pictures, bright at the top or at the bottom, beside what programs leave
    behind."""
    root = tmp_path_factory.mktemp("photos")
    (root / "@eaDir").mkdir()
    for name in ("cat", "dog"):
        (root / name).mkdir()
        for number in range(12):
            values = np.linspace(0, 4000 - 90 * number, 64).astype(np.uint16).reshape(8, 8)
            Image.fromarray(values if name == "cat" else values[::-1].copy()).save(
                root / name / f"{number:02d}.png"
            )
    (root / "cat" / "Thumbs.db").touch()
    (root / "cat" / ".DS_Store").touch()
    (root / "dog" / "text.png").write_text("words")
    return root


def _settings(photos: Path) -> dict[str, Any]:
    return {"source": "folder", "path": str(photos), "image_size": 8, "on_bad_file": "skip"}


@pytest.fixture(scope="module")
def searched(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SearchResult, list[str]]:
    heard, place = Heard(), tmp_path_factory.mktemp("run")
    config = small_config(
        place / "cache",
        dataset=_settings(photos),
        evaluation=EVALUATION,
        search={"algorithm": "random", "trials": 1},
    )
    return sit(config, place / "tiny", heard), heard.messages


def test_a_run_says_what_was_done_to_the_pictures(searched: tuple[SearchResult, list[str]]) -> None:
    heard = searched[1]
    assert all(any(line.startswith(said) for line in heard) for said in SAID)


def test_the_page_says_the_same(searched: tuple[SearchResult, list[str]]) -> None:
    result, heard = searched
    assert [
        line
        for line in data_lines(SearchView(result.state))[1:]
        if line.removesuffix(".") not in heard
    ] == []
    assert len(data_lines(SearchView(result.state))) == 1 + len(SAID)


def test_check_says_the_same(
    searched: tuple[SearchResult, list[str]], photos: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.yaml"
    experiment = {
        "name": "tiny",
        "dataset": _settings(photos),
        "augmentation": {"rotation_range": {"min": 0, "max": 30}},
        "model": {"backbone": "small-cnn", "weights": "random"},
        "evaluation": EVALUATION,
        "execution": {"cache_dir": str(tmp_path / "cache")},
    }
    file.write_text(yaml.safe_dump(experiment))
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 0, result.stderr
    lines = result.stderr.splitlines()
    assert all(any(line.startswith(said) for line in lines) for said in SAID)


def test_predict_scales_new_pictures_as_the_search_did(
    searched: tuple[SearchResult, list[str]], photos: Path, tmp_path: Path
) -> None:
    """A dark picture alone would be thought of 10 bits; its eight-bit twin shows what it must
    be."""
    run_dir = searched[0].run_dir
    dark = np.linspace(0, 1000, 64).astype(np.uint16).reshape(8, 8)
    twin = np.rint(dark * 255.0 / 4095).astype(np.uint8)
    for name, pixels in (("dark", dark), ("twin", twin), ("bright", dark * 60)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    found = list(
        predict(run_dir, [str(tmp_path / f"{name}.png") for name in ("dark", "twin", "bright")])
    )
    assert isinstance(found[0], Prediction)
    assert isinstance(found[1], Prediction)
    assert found[0].probabilities == found[1].probabilities
    assert isinstance(found[2], NamedImage)
    assert "values up to" in found[2].reason
