"""What each library's code can express: all of an augmentation or a refusal, never code that does
nothing in its place; and which augmentation of a run is exported."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import (
    SIZE,
    Apply,
    exported,
    with_albumentations,
    with_generator,
    with_keras,
    with_torchvision,
)
from states import make_state
from typer.testing import CliRunner

from data.augmentations import AUGMENTATIONS
from data.errors import UserError
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.commands.single_run import export, policy_of
from search.export.exporters import EXPORTERS, Policy, targets_of, write

# Keras 3.15 calls SciPy by its old name.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Please import `affine_transform`:DeprecationWarning"
)

VALUES: dict[str, Any] = {
    "rotation_range": 20,
    "width_shift_range": 0.2,
    "height_shift_range": 6.0,
    "shear_range": 15,
    "zoom_range": 0.3,
    "horizontal_flip": True,
    "vertical_flip": True,
    "channel_shift_range": 30.0,
    "brightness_range": [0.7, 1.3],
    "contrast_range": [0.7, 1.4],
    "saturation_range": [0.5, 1.5],
    "policy": "rand_augment",
    "cutout": 0.25,
    "hue_range": 60,
    "grayscale_share": 0.5,
    "auto_contrast_share": 0.5,
    "equalize_share": 0.5,
    "invert_share": 0.5,
    "posterize_range": 5,
    "solarize_range": 200,
    "sharpness_range": [0.0, 2.0],
    "blur_range": 1.5,
    "noise_range": 20.0,
    "jpeg_range": 60,
    "erasing_range": 0.4,
    "crop_range": 0.4,
    "perspective_range": 0.4,
    "elastic": 0.05,
    "aug_mix": 3,
}


LIBRARIES: dict[str, Callable[[dict[str, Any]], Apply]] = {
    "keras": with_keras,
    "imagedatagenerator": with_generator,
    "torchvision": with_torchvision,
    "albumentations": with_albumentations,
}
# Beside the mild values: ends of what an experiment file allows, and what leaves out "no change".
MORE: tuple[tuple[str, Any], ...] = (
    ("rotation_range", 360),
    ("width_shift_range", 40.0),
    ("height_shift_range", 7),
    ("shear_range", 89),
    ("zoom_range", [1.2, 1.8]),
    ("zoom_range", [2.5, 4.0]),
    ("zoom_range", [0.2, 0.4]),
    ("channel_shift_range", 255),
    ("brightness_range", [1.5, 2.0]),
    ("brightness_range", [0.2, 0.4]),
    ("contrast_range", [1.2, 1.5]),
    ("contrast_range", [0.2, 0.6]),
    ("saturation_range", [1.2, 1.8]),
    ("saturation_range", [0.0, 3.0]),
    ("policy", "trivial_augment_wide"),
    ("cutout", 1.0),
    ("hue_range", 180),
    ("hue_range", 1.0),
    ("grayscale_share", 1.0),
    ("auto_contrast_share", 1.0),
    ("equalize_share", 1.0),
    ("invert_share", 1.0),
    ("posterize_range", 7),
    ("solarize_range", 255),
    ("sharpness_range", [1.5, 6.0]),
    ("blur_range", 6.0),
    ("noise_range", 255.0),
    ("jpeg_range", 99),
    ("erasing_range", 1.0),
    ("crop_range", 0.99),
)
# No black and no white, so that there is something to stretch.
BARS = np.random.default_rng(4).integers(10, 246, (1, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("to", LIBRARIES)
@pytest.mark.parametrize(("name", "value"), [*VALUES.items(), *MORE])
def test_the_code_changes_pictures_or_is_refused(to: str, name: str, value: Any) -> None:
    """Each augmentation to each library: never code that does nothing in its place."""
    if to not in targets_of(Policy("A test", {name: value}, SIZE)):
        with pytest.raises(UserError) as refusal:
            exported(to, **{name: value})
        assert f"--to {to} cannot express {name} {value}" in str(refusal.value)
        assert "choose --to json" in str(refusal.value)
        assert f"or {to}" not in str(refusal.value)
        return
    images = np.repeat(BARS, 32, axis=0)
    changed = (
        np.abs(LIBRARIES[to]({name: value})(images) - images.astype(float))
        .reshape(32, -1)
        .max(axis=1)
    )
    assert (changed > 1).sum() >= 2


def test_a_part_that_cannot_be_expressed_refuses_the_whole() -> None:
    with pytest.raises(
        UserError, match=r"cannot express contrast_range .*choose --to json or keras"
    ) as raised:
        exported("imagedatagenerator", rotation_range=20, contrast_range=[0.7, 1.4])
    assert "rotation_range" not in str(raised.value)


def test_trivial_augment_is_refused_where_a_library_has_none() -> None:
    for to in ("keras", "imagedatagenerator", "albumentations"):
        with pytest.raises(UserError, match="choose --to json or torchvision"):
            exported(to, policy="trivial_augment_wide")
    assert "v2.TrivialAugmentWide()" in exported("torchvision", policy="trivial_augment_wide").code


@pytest.mark.parametrize("to", LIBRARIES)
def test_no_augmentation_comes_out_as_code_that_says_so(finished_run: Path, to: str) -> None:
    code = export(finished_run, to).code
    assert "no augmentation" in code.replace("\n# ", " ")
    compile(code, to, "exec")


def test_the_contract_covers_every_augmentation() -> None:
    assert {name for name, record in AUGMENTATIONS.items() if record.kind != "option"} == set(
        VALUES
    )


@pytest.mark.parametrize("fill_mode", ["nearest", "constant", "reflect", "wrap"])
@pytest.mark.parametrize("to", LIBRARIES)
def test_every_fill_mode_is_in_the_code_or_refused(to: str, fill_mode: str) -> None:
    if (to, fill_mode) == ("torchvision", "wrap"):
        with pytest.raises(
            UserError, match=r"cannot express fill_mode wrap .*choose --to json or keras"
        ):
            exported(to, rotation_range=20, fill_mode=fill_mode)
        return
    codes = {
        mode: exported(to, rotation_range=20, fill_mode=mode).code
        for mode in ("nearest", fill_mode)
    }
    compile(codes[fill_mode], to, "exec")
    assert (codes["nearest"] != codes[fill_mode]) == (fill_mode != "nearest")


def test_the_generators_exchange_of_width_and_height_is_said_and_undone() -> None:
    code = exported("imagedatagenerator", width_shift_range=0.2).code
    assert "height_shift_range=0.2," in code
    assert "Exchanged on purpose" in code


@pytest.mark.parametrize("value", [[0.5, 1.2], [0.2, 2.5]])
def test_a_contrast_that_keras_would_turn_round_is_refused(value: list[float]) -> None:
    with pytest.raises(UserError, match="RandomContrast needs"):
        exported("keras", contrast_range=value)


def test_a_refused_export_prints_one_line_and_ends_with_status_2(finished_run: Path) -> None:
    state = json.loads(export(finished_run, "json", 2).code)
    assert state["augmentation"] == {"policy": "trivial_augment_wide"}
    result = CliRunner().invoke(app, ["export", str(finished_run), "--to", "keras", "--trial", "2"])
    assert result.exit_code == BAD_INPUT
    assert result.stdout == ""
    assert "cannot express policy trivial_augment_wide (Keras has no such layer)" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("to", EXPORTERS)
def test_the_recommendation_of_a_search_is_exported(finished_run: Path, to: str) -> None:
    result = CliRunner().invoke(app, ["export", str(finished_run), "--to", to])
    assert result.exit_code == DONE
    assert (
        "It cannot be told whether augmentation helps in the search small, for images of 8 pixels "
        "a side: no augmentation" in result.stdout.replace("\n# ", " ")
    )


def test_a_trials_augmentation_is_exported_by_its_number(finished_run: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(finished_run), "--to", "keras", "--trial", "1"])
    assert "RandomRotation(0.0833333" in result.stdout  # the course's 30 degrees
    assert "differs: shear_range: Keras leans pictures about their corner" in result.stderr
    settings = json.loads(export(finished_run, "json", 1).code)
    assert settings["augmentation"]["rotation_range"] == 30
    assert settings["units"]["rotation_range"] == "degrees"


def test_an_unknown_exporter_or_trial_is_refused(finished_run: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(finished_run), "--to", "kears"])
    assert result.exit_code == BAD_INPUT
    assert "did you mean 'keras'?" in result.stderr
    with pytest.raises(UserError, match="no trial 99"):
        export(finished_run, "keras", 99)


@pytest.mark.parametrize("to", ["albumentations", "torchvision"])
@pytest.mark.parametrize("shift", [0.01, 0.015])
def test_a_shift_below_half_a_pixel_is_refused_where_pixels_are_whole(
    to: str, shift: float
) -> None:
    with pytest.raises(
        UserError, match=f"width_shift_range {shift} .*whole pixels.*choose --to json or keras"
    ):
        exported(to, width_shift_range=shift)


def test_torchvision_is_refused_what_it_cannot_pad() -> None:
    with pytest.raises(UserError, match=r"shear_range 89.* padded by more than 5 times its side"):
        exported("torchvision", shear_range=89)


def test_the_padding_is_what_the_strongest_transform_reads_beyond_the_picture() -> None:
    for augmentation, pads in (
        ({"width_shift_range": 8.0}, ["9"]),
        ({"zoom_range": [1, 2], "fill_mode": "reflect"}, ["17"]),
        ({"zoom_range": [1, 4], "fill_mode": "reflect"}, ["32", "17"]),
        ({"rotation_range": 360}, ["8"]),
    ):
        assert re.findall(r"Pad\((\d+)", exported("torchvision", **augmentation).code) == pads


@pytest.mark.parametrize("to", EXPORTERS)
def test_code_that_changes_nothing_is_said_to(finished_run: Path, to: str) -> None:
    """Trial 0 is no augmentation."""
    answer = CliRunner().invoke(app, ["export", str(finished_run), "--to", to, "--trial", "0"])
    assert answer.exit_code == DONE
    assert "no augmentation; what is exported changes nothing" in answer.stderr


def test_units_are_of_what_has_one() -> None:
    policy = Policy("x", {"rotation_range": 5, "policy": "trivial_augment_wide"}, 32)
    assert json.loads(write(policy, "json").code)["units"] == {"rotation_range": "degrees"}


def test_what_mixes_batches_is_said_to_be_left_out() -> None:
    state = make_state()
    trial = state.records[0]
    training = trial.spec.settings.training.model_copy(update={"mixup": 0.4, "cutmix": 1.0})
    settings = trial.spec.settings.model_copy(update={"training": training})
    mixed = trial.model_copy(update={"spec": trial.spec.model_copy(update={"settings": settings})})
    state = state.model_copy(update={"records": (mixed, *state.records[1:])})
    title = policy_of(state, trial=0).title
    assert "trained with mixup 0.4 and cutmix 1, which mix batches and are not in" in title
    assert "mix" not in policy_of(make_state(), trial=0).title
