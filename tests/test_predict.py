"""Predictions by a winning model, here one that tells which colour is strongest: files, folders,
patterns, bad files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import encoded
from PIL import Image
from typer.testing import CliRunner, Result

from data.decode import decode_image
from data.errors import UserError
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.commands.predict import Prediction, load_winner, predict

ROOT = Path(__file__).parent.parent
CLASSES = ["blue", "green", "red"]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with nothing but a model: the strongest channel of an 8-pixel picture."""
    import keras

    images = keras.Input((None, None, 3), dtype="uint8")
    small = keras.layers.Resizing(8, 8, antialias=True, name="resize")(images)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(small))
    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(images, dense(pooled))
    dense.set_weights([10.0 * np.eye(3, dtype="float32")[::-1], np.zeros(3, "float32")])
    path = tmp_path_factory.mktemp("run")
    (path / "model").mkdir()
    model.save(path / "model" / "model.keras")
    (path / "model" / "classes.json").write_text(json.dumps(CLASSES))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """red.png, sub/green.jpg, sub/blue.png, and a hidden file that is no image."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / "red.png").write_bytes(encoded(Image.new("RGB", (30, 20), "red")))
    (folder / "sub" / "green.jpg").write_bytes(encoded(Image.new("RGB", (20, 30), "lime"), "JPEG"))
    (folder / "sub" / "blue.png").write_bytes(encoded(Image.new("RGB", (9, 9), "blue")))
    (folder / ".hidden").write_text("no image")
    return folder


def run(run_dir: Path, *names: Any) -> Result:
    return CliRunner().invoke(app, ["predict", str(run_dir), *map(str, names)])


def classes(result: Result) -> dict[str, str]:
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return {Path(line["image"]).stem: line["class"] for line in lines}


def test_a_file_has_its_class_and_every_probability(run_dir: Path, photos: Path) -> None:
    result = run(run_dir, photos / "red.png")
    assert result.exit_code == DONE
    answer = json.loads(result.stdout)
    assert answer["image"] == str(photos / "red.png")
    assert answer["class"] == "red"
    # a red picture is 1 in one channel, times ten
    odds = np.exp([0, 0, 10]) / np.exp([0, 0, 10]).sum()
    assert list(answer["probabilities"]) == CLASSES
    np.testing.assert_allclose(list(answer["probabilities"].values()), odds, atol=2e-6)
    assert answer["probability"] == answer["probabilities"]["red"]


def test_a_folder_means_all_files_below_it_but_hidden_ones(run_dir: Path, photos: Path) -> None:
    result = run(run_dir, photos)
    assert result.exit_code == DONE
    assert classes(result) == {"red": "red", "blue": "blue", "green": "green"}


def test_a_pattern_is_expanded_here_too(run_dir: Path, photos: Path) -> None:
    assert classes(run(run_dir, photos / "**" / "*.png")) == {"red": "red", "blue": "blue"}


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(run_dir: Path, photos: Path) -> None:
    shutil.copy(photos / "red.png", photos / "[a].png")
    assert classes(run(run_dir, photos / "[a].png")) == {"[a]": "red"}


def test_bad_images_are_named_in_a_line_each_and_the_others_go_on(
    run_dir: Path, photos: Path
) -> None:
    (photos / "empty.png").write_bytes(b"")
    (photos / "cut\nshort.jpg").write_bytes((photos / "sub" / "green.jpg").read_bytes()[:100])
    (photos / "zz.txt").write_text("words")
    os.mkfifo(photos / "pipe.jpg")
    result = run(run_dir, photos, photos / "absent.png", photos / "*.gif")
    assert result.exit_code == BAD_INPUT
    assert classes(result) == {"red": "red", "blue": "blue", "green": "green"}
    complaints = [line.removeprefix(f"{photos}/") for line in result.stderr.splitlines()]
    assert [line.partition(":")[0] for line in complaints] == [
        "cut\\nshort.jpg",
        "empty.png",
        "pipe.jpg",
        "zz.txt",
        "absent.png",
        "*.gif",
    ]
    assert "a FIFO, not a file" in complaints[2]
    assert "no such file" in complaints[4]


def test_more_images_than_a_batch_keep_their_order(run_dir: Path, photos: Path) -> None:
    names = [str(photos / ("red.png" if n % 3 else "sub/blue.png")) for n in range(40)]
    answers = [each for each in predict(run_dir, names) if isinstance(each, Prediction)]
    assert [each.image for each in answers] == names
    assert [each.given for each in answers] == ["red" if n % 3 else "blue" for n in range(40)]


def test_images_are_decoded_as_for_training_not_resized_by_the_model(
    run_dir: Path, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (97, 61, 3), np.uint8)
    (tmp_path / "noise.png").write_bytes(encoded(Image.fromarray(noise)))
    pixels = decode_image((tmp_path / "noise.png").read_bytes(), 8, 10**6).pixels
    logits = 10 * (pixels / 255).mean(axis=(0, 1))[::-1]
    (answer,) = predict(run_dir, [str(tmp_path / "noise.png")])
    assert isinstance(answer, Prediction)
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(list(answer.probabilities.values()), expected, atol=2e-6)


def test_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    for run_code in (None, tmp_path / "x.py"):
        with pytest.raises(UserError, match="runs does not exist; name a directory that a search"):
            load_winner(tmp_path / "runs", run_code)


def test_a_run_without_a_model_says_what_makes_one(tmp_path: Path, photos: Path) -> None:
    result = run(tmp_path, photos)
    assert result.exit_code == BAD_INPUT
    assert "evaluation.test" in result.stderr


@pytest.mark.parametrize("damage", ["model", "classes"])
def test_a_damaged_model_is_one_clear_line(run_dir: Path, tmp_path: Path, damage: str) -> None:
    copied = Path(shutil.copytree(run_dir, tmp_path / "run"))
    if damage == "model":
        (copied / "model" / "model.keras").write_bytes(b"PK not really")
    else:
        (copied / "model" / "classes.json").write_text('["one"]')
    with pytest.raises(UserError, match=r"model\.keras") as caught:
        load_winner(copied)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_on_a_terminal_it_says_nothing_but_answers(run_dir: Path, tmp_path: Path) -> None:
    """TensorFlow's greetings come from C++ when it is imported: only a process of its own shows
    them."""
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    command = [
        sys.executable,
        str(ROOT / "run_search.py"),
        "predict",
        str(run_dir),
        str(tmp_path / "red.png"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (DONE, "")
    assert json.loads(done.stdout)["class"] == "red"


def test_the_model_of_a_real_search_answers_as_its_test_phase_did(
    finished_run: Path, tmp_path: Path
) -> None:
    from search.driver.run_reading import open_run
    from search.experiment.answers import Predictions
    from search.experiment.trial import Resources
    from search.features.process_cache import dataset_of

    run = open_run(finished_run)
    record = run.state.of_kind("test")[0]
    predictions = Predictions.from_bytes((finished_run / str(record.predictions_file)).read_bytes())
    dataset = dataset_of(
        record.spec.dataset,
        record.spec.dataset_seed,
        Resources(
            cache_dir=finished_run.parent / "cache", views_dir=finished_run / "views", num_threads=1
        ),
    )
    chosen = predictions.images[:40]
    for position in chosen:
        picture = Image.fromarray(dataset.images[position])
        (tmp_path / f"{position:05d}.png").write_bytes(encoded(picture))
    answers = [
        each for each in predict(finished_run, [str(tmp_path)]) if isinstance(each, Prediction)
    ]
    given = [dataset.class_names.index(each.given) for each in answers]
    np.testing.assert_array_equal(given, predictions.predicted[0, :40])
