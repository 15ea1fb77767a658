"""What is declared before the first trial, and where trials lie in it."""

from typing import Any

import pytest

from search.driver.algorithms import build_oracle
from search.driver.declaration import Declaration
from search.driver.experiment_file import parse_config
from search.driver.specs import SpecFactory, controls_of
from search.evidence.curves import NOTHING, Combination
from search.experiment.config import ExperimentConfig
from search.experiment.controls import CONTROLS, NONE

AUGMENTATION = {
    "rotation_range": {"min": 5, "max": 30},
    "zoom_range": [0.1, [0.5, 1.0]],
    "brightness_range": {"choices": [[0.8, 1.2], [1, 1]]},
    "height_shift_range": {"choices": [0, 1]},
    "policy": {"choices": ["none", "trivial_augment_wide", "rand_augment"]},
    "policy_magnitude": {"min": 5, "max": 20},
    "vertical_flip": True,
}

_, COURSE, TRIVIAL = CONTROLS


def config_of(**sections: Any) -> ExperimentConfig:
    data = {
        "name": "declared",
        "dataset": {"source": "digits", "image_size": 8},
        "augmentation": AUGMENTATION,
        "model": {
            "backbone": "small-cnn",
            "weights": "random",
            "learning_rate": {"min": 0.001, "max": 0.1, "sampling": "log"},
        },
        "training": {"views": [4, 8]},
    }
    return parse_config({**data, **sections}, "test")


@pytest.fixture(scope="module")
def specs() -> SpecFactory:
    config = config_of()
    return SpecFactory(config, config.space, "float32")


def test_each_augmentation_that_may_be_on_has_an_axis_from_what_changes_nothing(
    specs: SpecFactory,
) -> None:
    axes = {axis.name: axis.values for axis in Declaration(specs).axes}
    assert axes == {
        "rotation_range": (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0),
        "zoom_range": (0.0, 0.1, (0.5, 1.0)),
        "brightness_range": ((1.0, 1.0), (0.8, 1.2)),
        "height_shift_range": (0.0,),  # a shift of 1 px, as a whole number, draws none
        "policy": ("none", "trivial_augment_wide", "rand_augment"),
        "vertical_flip": (False, True),
    }


def test_other_searched_settings_are_covariates_from_what_the_controls_have(
    specs: SpecFactory,
) -> None:
    covariates = {axis.name: axis for axis in Declaration(specs).covariates}
    assert list(covariates) == ["policy_magnitude", "model.learning_rate", "doublings of views"]
    assert covariates["model.learning_rate"].values[0] == pytest.approx(0.01)
    assert covariates["model.learning_rate"].place(0.1) == pytest.approx(1.0)
    assert covariates["model.learning_rate"].place(0.001) == pytest.approx(-1.0)
    assert covariates["doublings of views"].values == (0.0, 1.0)


def test_a_setting_of_the_axes_lies_where_it_was_made(specs: SpecFactory) -> None:
    declared = Declaration(specs)
    for kind in ("search", "confirm"):
        for values in ({}, {"rotation_range": 10.0}, {"policy": "rand_augment"}):
            settings = declared.settings(Combination.of(values))
            spec = specs.search("trial", "setting 1", settings)
            if kind == "confirm":
                spec = specs.confirm("confirm", "setting 1", settings)
            assert declared.point(spec) == Combination.of(values)
    policy = declared.settings(Combination.of({"policy": "rand_augment"})).augmentation
    assert policy == {"policy": "rand_augment", "policy_magnitude": 12}


def test_a_control_lies_inside_where_the_space_holds_it(specs: SpecFactory) -> None:
    declared = Declaration(specs)
    points = {
        label: declared.point(specs.search("control", label, specs.control(each.augmentation)))
        for label, each in CONTROLS.items()
    }
    assert points == {
        NONE: NOTHING,
        COURSE: Combination(outside=COURSE),
        TRIVIAL: Combination.of({"policy": "trivial_augment_wide"}),
    }


def test_an_option_counts_only_where_it_acts(specs: SpecFactory) -> None:
    declared, space = Declaration(specs), specs.space
    proposal = {name: each.proposal(0.0) for name, each in space.screened().items()}
    for policy, expected in (
        ('"trivial_augment_wide"', {"policy": "trivial_augment_wide"}),
        ('"rand_augment"', {"policy": "rand_augment", "policy_magnitude": 20}),
    ):
        settings = space.settings({**proposal, "policy": policy, "policy_magnitude": 20})
        point = declared.point(specs.search("trial", "setting 1", settings))
        assert dict(point.values) == {**expected, "vertical_flip": True}


@pytest.mark.parametrize(
    ("asked", "labels"), [([], [NONE]), (["trivial_augment", "course"], [NONE, COURSE, TRIVIAL])]
)
def test_the_controls_are_those_asked_for(asked: list[str], labels: list[str]) -> None:
    assert list(controls_of(config_of(evaluation={"controls": asked}))) == labels


def test_screening_hands_out_as_many_settings_as_asked_each_within_its_space() -> None:
    config = config_of(search={"algorithm": "screening", "trials": 12})
    space = config.space
    drawn = []
    for _ in range(2):
        oracle = build_oracle(config, space)
        trials = [oracle.create_trial(f"trial-{n}") for n in range(13)]
        assert [trial.status for trial in trials] == ["RUNNING"] * 12 + ["STOPPED"]
        drawn.append([space.settings(trial.hyperparameters.values) for trial in trials[:12]])
    assert drawn[0] == drawn[1]
    rotations = [each.augmentation.get("rotation_range", 0.0) for each in drawn[0]]
    assert 0.0 in rotations
    assert all(5 <= rotation <= 30 for rotation in rotations if rotation)


def test_a_random_draw_is_never_no_augmentation() -> None:
    config = config_of(
        augmentation={"horizontal_flip": [False, True], "vertical_flip": [False, True]},
        search={"algorithm": "random", "trials": 4},
    )
    oracle, space = build_oracle(config, config.space), config.space
    drawn = [oracle.create_trial(f"trial-{n}") for n in range(4)]
    settings = [space.settings(t.hyperparameters.values) for t in drawn if t.status == "RUNNING"]
    assert settings
    assert all(each.augmentation for each in settings)


def test_a_value_of_a_step_is_one_setting_whoever_names_it() -> None:
    """0.1 and 0.2 more is not 0.3 to the last digit; trained alone it is what a trial trained."""
    augmentation = {"zoom_range": {"min": 0.1, "max": 0.7, "step": 0.2}}
    config = config_of(augmentation=augmentation, training={}, model={})
    space, specs = config.space, SpecFactory(config, config.space, "float32")
    declared, (zoom,) = Declaration(specs), space.hyperparameters().space
    proposed = [space.settings({"zoom_range": value}) for value in zoom.values]
    (axis,) = declared.axes
    for strength, settings in zip(axis.values[1:], proposed, strict=False):
        alone = declared.settings(Combination.of({"zoom_range": strength}))
        keys = {specs.confirm("confirm", "", each).key for each in (alone, settings)}
        assert len(keys) == 1
        assert declared.point(specs.confirm("confirm", "", settings)) == Combination.of(
            {"zoom_range": strength}
        )
