"""Experiment files made from ImageDataGenerator calls: what is searched, what is said, and that
nothing is ever run."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from data.errors import UserError
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.commands.idg_arguments import DIFFERENCES, DROPPED, PARAMETERS
from search.commands.import_idg import import_idg
from search.driver.experiment_file import load_config
from search.experiment.config import ExperimentConfig
from search.experiment.dimensions import Choices, Range
from search.experiment.space import Space

COURSE = """
train_datagen = ImageDataGenerator(
    preprocessing_function=preprocess_input, rescale=1./255,
    rotation_range=30, width_shift_range=10, height_shift_range=10,
    shear_range=10, zoom_range=0.1, vertical_flip=True, fill_mode="reflect",
)
train = train_datagen.flow_from_directory("train", target_size=(150, 150))
validation = ImageDataGenerator(rescale=1./255).flow_from_directory("validation")
"""


def searched(text: str) -> dict[str, Any]:
    section: dict[str, Any] = yaml.safe_load(import_idg(text).experiment)["augmentation"]
    return section


def space_of(tmp_path: Path, text: str) -> tuple[ExperimentConfig, Space]:
    (tmp_path / "experiment.yaml").write_text(import_idg(text).experiment)
    config = load_config(tmp_path / "experiment.yaml")
    return config, config.space


def values(dimension: Range | Choices) -> list[Any]:
    if isinstance(dimension, Choices):
        return list(dimension.values)
    assert dimension.num_values
    assert dimension.step
    return [round(dimension.minimum + n * dimension.step, 6) for n in range(dimension.num_values)]


def test_the_courses_own_code_becomes_a_file_that_loads(tmp_path: Path) -> None:
    config, space = space_of(tmp_path, COURSE)
    found = {name: values(dimension) for name, dimension in space.dimensions.items()}
    assert found == {
        "rotation_range": [0, 15, 30, 45, 60],
        "width_shift_range": [0, 5, 10, 15, 20],
        "height_shift_range": [0, 5, 10, 15, 20],
        "shear_range": [0, 5, 10, 15, 20],
        "zoom_range": [0, 0.05, 0.1, 0.15, 0.2],
        "vertical_flip": [False, True],
    }
    assert space.fixed["augmentation"] == {"fill_mode": "reflect"}
    assert config.dataset.path == str(tmp_path / "photos")


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("ImageDataGenerator(rotation_range=300)", "rotation_range", [0, 150, 300]),
        ("ImageDataGenerator(rotation_range=-20)", "rotation_range", [0, 10, 20, 30, 40]),
        ("ImageDataGenerator(width_shift_range=0.6)", "width_shift_range", [0, 0.3, 0.6, 0.9]),
        (
            "ImageDataGenerator(width_shift_range=15/150)",
            "width_shift_range",
            [0, 0.05, 0.1, 0.15, 0.2],
        ),
        ("ImageDataGenerator(height_shift_range=3)", "height_shift_range", [0, 3, 4, 6]),
        (
            "ImageDataGenerator(height_shift_range=2.5)",
            "height_shift_range",
            [0.0, 1.25, 2.5, 3.75, 5.0],
        ),
        (
            "ImageDataGenerator(height_shift_range=[-8, 4])",
            "height_shift_range",
            [0.0, 4.0, 8.0, 12.0, 16.0],
        ),
        ("ImageDataGenerator(zoom_range=[0.5, 1.5])", "zoom_range", [0, 0.25, 0.5, 0.75]),
        (
            "ImageDataGenerator(zoom_range=[0.9, 1])",
            "zoom_range",
            [[1, 1], [0.95, 1], [0.9, 1], [0.85, 1], [0.8, 1]],
        ),
        (
            "ImageDataGenerator(brightness_range=(0, 1.5))",
            "brightness_range",
            [[1, 1], [0.5, 1.25], [0, 1.5]],
        ),
        ("ImageDataGenerator(channel_shift_range=200.)", "channel_shift_range", [0, 100, 200]),
        (
            "keras.preprocessing.image.ImageDataGenerator(horizontal_flip=1)",
            "horizontal_flip",
            [False, True],
        ),
        (
            "ImageDataGenerator(False, False, False, False, False, 1e-6, 40)",
            "rotation_range",
            [0, 20, 40, 60, 80],
        ),
    ],
)
def test_each_setting_is_searched_from_nothing_to_twice_as_strong(
    tmp_path: Path, text: str, name: str, expected: list[Any]
) -> None:
    assert values(space_of(tmp_path, text)[1].dimensions[name]) == expected


def test_the_value_written_is_one_that_the_search_can_try(tmp_path: Path) -> None:
    _, space = space_of(tmp_path, COURSE)
    written = {
        "rotation_range": 30.0,
        "width_shift_range": 10,
        "shear_range": 10.0,
        "zoom_range": 0.1,
    }
    assert all(
        np.isclose(values(space.dimensions[name]), value).any() for name, value in written.items()
    )


def test_what_is_left_out_is_named_in_the_file_and_on_standard_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["import-idg", COURSE])
    assert result.exit_code == DONE
    for place in (result.stdout, result.stderr):
        assert "rescale=1.0 / 255 is left out" in place
        assert "preprocessing_function=preprocess_input is left out" in place


def test_shifts_that_differ_come_with_a_word_on_kerass_exchange() -> None:
    differing = import_idg(
        "ImageDataGenerator(width_shift_range=0.2, height_shift_range=0.1)"
    ).remarks
    assert any("moves pictures up and down" in remark for remark in differing)
    assert not import_idg(
        "ImageDataGenerator(width_shift_range=0.2, height_shift_range=0.2)"
    ).remarks


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (
            "shear_range=0.2",
            "shear_range=0.2 is in degrees.*Keras before 2.2 took radians: write 11.5",
        ),
        (
            "rotation_range=0.3",
            "rotation_range=0.3 is in degrees.*17.2 if radians were meant, 108 if a share of a "
            "turn",
        ),
        (
            "width_shift_range=[-0.2, 0.2]",
            r"by one of these numbers or its negative.*anything up to 0.2 of the width",
        ),
        (
            "height_shift_range=(4, 8)",
            r"height_shift_range=\[4, 8\] moves each picture by one.*up to 8 px",
        ),
        ("width_shift_range=[-8, -4]", r"in Keras by that many times the width"),
        ("width_shift_range=-5", "by up to 5 times their width in Keras"),
        (
            "width_shift_range=1, zoom_range=0.1",
            "width_shift_range=1 is left out: an int n draws from 0 to n-1",
        ),
        ("channel_shift_range=0.2", "in grey levels of 255.*write 51 if a share"),
        ("brightness_range=[0.8, 1.2]", "multiplies the pixels, as in today's Keras"),
        (
            "cval=0.5, fill_mode='constant', zoom_range=0.1",
            "cval=0.5 is a grey level of 0 to 255.*white is 255",
        ),
        ("cval=9, zoom_range=0.1", "cval=9 changes nothing: only fill_mode 'constant' reads it"),
        (
            "validation_split=0.2, zoom_range=0.1",
            "augments its validation images too, and takes them by their order",
        ),
        (
            "data_format='channels_first', zoom_range=0.1",
            "data_format='channels_first' is left out: .*transpose",
        ),
        ("dtype='float16', zoom_range=0.1", "dtype='float16' is left out"),
        ("zca_whitening=True, zca_epsilon=1e-3, zoom_range=0.1", "zca_epsilon=0.001 is left out"),
        ("interpolation_order=3, zoom_range=0.1", "interpolation_order=3 is left out"),
    ],
)
def test_what_meant_something_else_comes_with_a_note(arguments: str, note: str) -> None:
    remarks = import_idg(f"ImageDataGenerator({arguments})").remarks
    assert any(re.search(note, remark) for remark in remarks), remarks


@pytest.mark.parametrize(
    "arguments",
    [
        "rotation_range=20, shear_range=10",
        "width_shift_range=0.1, height_shift_range=0.1",
        "zoom_range=0.2, horizontal_flip=True, fill_mode='nearest'",
        "rotation_range=5, data_format='channels_last', dtype='float32', interpolation_order=1, "
        "zca_epsilon=1e-6",
        "rotation_range=5, brightness_range=None, rescale=None, validation_split=0.0, cval=0.0",
    ],
)
def test_what_means_the_same_comes_without_a_note(arguments: str) -> None:
    assert import_idg(f"ImageDataGenerator({arguments})").remarks == ()


def test_no_argument_is_passed_over_in_silence() -> None:
    same = {"zoom_range", "fill_mode", "horizontal_flip", "vertical_flip"}  # here as there
    assert set(PARAMETERS) == {*DROPPED, *DIFFERENCES, *same}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("width_shift_range=1", "none that augments .width_shift_range=1 is left out"),
        ("horizontal_flip='False'", "allowed: True or False"),
        ("shear_range=True", "shear_range: received true"),
        (
            "zoom_range=0.1, validation_split=1.5",
            "validation_split: received 1.5; allowed: a number between 0 and 1",
        ),
        ("zoom_range=0.1, validation_split='0.2, x: 1'", "validation_split: received"),
        ("zoom_range=0.1, fill_mode='mirror'", "allowed: nearest, constant, reflect, wrap"),
        ("rotation_range=[-20, 20]", "rotation_range: received"),
    ],
)
def test_what_has_no_counterpart_is_refused(arguments: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        import_idg(f"ImageDataGenerator({arguments})")


def test_a_pair_may_be_written_in_either_order() -> None:
    assert searched("ImageDataGenerator(zoom_range=[1.2, 0.8])") == searched(
        "ImageDataGenerator(zoom_range=0.2)"
    )


def test_a_large_validation_split_leaves_room_for_a_test_set() -> None:
    imported = yaml.safe_load(
        import_idg("ImageDataGenerator(zoom_range=0.1, validation_split=0.9)").experiment
    )
    assert imported["dataset"]["split"] == {"validation": 0.9, "test": 0.05}


def test_a_validation_split_is_taken_over_and_its_leak_named() -> None:
    imported = import_idg("ImageDataGenerator(rotation_range=5, validation_split=0.2)")
    assert yaml.safe_load(imported.experiment)["dataset"]["split"]["validation"] == 0.2
    assert "augments its validation images too" in imported.remarks[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ImageDataGenerator(rotation_range=open('run').write('it ran'))", "is not a plain value"),
        ("ImageDataGenerator(rotation_range=(lambda: open('run', 'w'))())", "is not a plain value"),
        ("ImageDataGenerator(rotation_range=9**9**9)", "is not a plain value"),
        ("ImageDataGenerator(rotation_range=1/0)", "is not a plain value"),
        ("ImageDataGenerator(rotation_range=True + 1)", "is not a plain value"),
        ("ImageDataGenerator(**settings)", "hides its arguments"),
        ("ImageDataGenerator(*settings)", "no \\*list"),
        ("ImageDataGenerator(rotate_range=30)", "did you mean 'rotation_range'"),
        ("ImageDataGenerator(rotation_range=500)", "allowed: a number from 0 to 360"),
        ("ImageDataGenerator(zoom_range='much')", 'zoom_range: received "much"'),
        ("ImageDataGenerator(rescale=1/255)", "none that augments"),
        (
            "ImageDataGenerator(rotation_range=1), ImageDataGenerator(rotation_range=2)",
            "2 that augment",
        ),
        ("print('hello')", "none that augments"),
        ("ImageDataGenerator(", "line 1 of what was passed is not Python code: .Image"),
        ("a = 1\nb = = 2", "line 2 of what was passed is not Python code: .b = = 2"),
        ("ImageDataGenerator(width_shift_range=[])", "width_shift_range: received \\[\\]"),
        ("ImageDataGenerator(height_shift_range=())", "height_shift_range: received \\[\\]"),
        (
            "ImageDataGenerator(cval=1e999, fill_mode='constant', rotation_range=3)",
            "cval: received Infinity",
        ),
        ("ImageDataGenerator(cval=-1e999, rotation_range=3)", "cval: received -Infinity"),
        (f"ImageDataGenerator(rotation_range={'9' * 400})", "allowed: a number from 0 to 360"),
        (f"ImageDataGenerator(width_shift_range=[1, {'9' * 400}])", "in a list; allowed: numbers"),
        (
            f"ImageDataGenerator(cval={'*'.join(['9' * 4000] * 2)}, rotation_range=3)",
            "thousands of digits",
        ),
        (f"ImageDataGenerator(rescale={'9' * 400})", "9…"),
        ("ImageDataGenerator(rotation_range=3, rotation_range=4)", "rotation_range twice"),
        ("ImageDataGenerator(1, featurewise_center=0)", "featurewise_center twice"),
        ("(" * 5000, "not Python code"),
        ("\0", "not Python code"),
        ("x" * 200_000, "200000 characters"),
    ],
)
def test_what_is_no_plain_call_is_refused_in_one_line_and_never_run(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        import_idg(text)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "data", "written"),
    [
        ("mine.yaml", "pictures", "pictures"),
        ("elsewhere/mine.yaml", "pictures", "../pictures"),
        ("elsewhere/mine.yaml", "elsewhere/pictures", "pictures"),
        ("link/mine.yaml", "./pictures", "../../pictures"),
        ("../mine.yaml", "pictures", "{here}/pictures"),
        ("elsewhere/mine.yaml", "{tmp}/pictures", "{tmp}/pictures"),
        ("elsewhere/mine.yaml", "~/pictures", "~/pictures"),
    ],
)
def test_the_folder_named_is_the_folder_read_wherever_the_file_is(
    out: str, data: str, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "elsewhere" / "below").mkdir(parents=True)
    (here / "link").symlink_to(here / "elsewhere" / "below")
    monkeypatch.chdir(here)
    data, written = (each.format(here="here", tmp=tmp_path) for each in (data, written))
    code = "ImageDataGenerator(rotation_range=30)"
    assert (
        CliRunner().invoke(app, ["import-idg", code, "--out", out, "--data", data]).exit_code == 0
    )
    assert yaml.safe_load((here / out).read_text())["dataset"]["path"] == written
    seen_from_here = (here / Path(data).expanduser()).resolve()
    assert load_config(here / out).dataset.path == str(seen_from_here)


def test_a_file_is_written_once_and_named_after_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "mine.yaml"
    call = [
        "import-idg",
        "ImageDataGenerator(rotation_range=30)",
        "--out",
        str(out),
        "--data",
        "pictures",
    ]
    result = CliRunner().invoke(app, call)
    assert (result.exit_code, result.stdout.strip()) == (DONE, str(out))
    config = load_config(out)
    assert (config.name, config.dataset.path) == ("mine", str(tmp_path / "pictures"))
    again = CliRunner().invoke(app, call)
    assert again.exit_code == BAD_INPUT
    assert "exists; choose another name" in again.stderr


def test_the_parameters_are_kerass_own_in_their_order() -> None:
    import inspect

    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    assert tuple(inspect.signature(ImageDataGenerator).parameters) == PARAMETERS


@pytest.mark.parametrize(
    ("shifts", "told"),
    [
        ("width_shift_range=-0.2, height_shift_range=0.2", False),
        ("width_shift_range=[-0.1, 0.2], height_shift_range=0.2", False),
        ("width_shift_range=1", False),
        ("width_shift_range=2, height_shift_range=2.0", True),
        ("width_shift_range=0.2", True),
    ],
)
def test_an_exchange_of_the_shifts_is_advised_where_it_changes_something(
    shifts: str, told: bool
) -> None:
    remarks = import_idg(f"ImageDataGenerator(rotation_range=9, {shifts})").remarks
    assert any("Exchange the two" in remark for remark in remarks) == told
