"""What makes two searches one question: every setting is part of it, or a place."""

from collections.abc import Mapping
from typing import Any

import pytest
from small_search import EXPERIMENT

from search.driver.experiment_file import parse_config
from search.experiment.config import by_place
from search.experiment.config_changes import LIMITS, PLACES, is_asked
from search.verification.submission import question

# Each may change a number. A field that is new is one of these unless it is among the places.
ASKED = {
    *("augmentation", "model", "training"),
    *(
        "dataset.source",
        "dataset.split",
        "dataset.on_bad_file",
        "dataset.image_size",
        "dataset.max_pixels",
    ),
    *(
        "dataset.limit_per_class",
        "dataset.path_column",
        "dataset.label_column",
        "dataset.split_column",
        "dataset.group_column",
        "dataset.group_pattern",
    ),
    *(
        "search.algorithm",
        "search.trials",
        "search.max_hours",
        "search.lookahead",
        "search.reduction",
        "search.looks",
    ),
    *("search.min_views", "evaluation.folds", "evaluation.seeds", "evaluation.objective"),
    *("evaluation.controls", "evaluation.negligible"),
    *("evaluation.confirm", "evaluation.ablation", "evaluation.test"),
    *(
        "execution.order",
        "execution.precision",
        "execution.feature_dtype",
        "execution.feature_engine",
    ),
    "execution.trial_timeout_minutes",
}


def test_every_setting_is_either_part_of_the_question_or_a_place() -> None:
    whole = ("augmentation", "model", "training")
    keys = {key for key, _ in by_place(parse_config(EXPERIMENT, "x").filled)}
    named = {section if (section := key.partition(".")[0]) in whole else key for key in keys}
    places = set(PLACES) - {"code.folder"}  # there where own code is named
    assert named - {"name", "seed"} == ASKED | places
    assert {key for key in named if is_asked(key)} == ASKED >= set(LIMITS) - {"code.files"}


@pytest.mark.parametrize(
    "changes",
    [
        {"search": {"max_hours": 1.0}},
        {"execution": {"order": "eager"}},
        {"execution": {"precision": "bfloat16"}},
        {"execution": {"feature_dtype": "float16"}},
        {"execution": {"trial_timeout_minutes": 1.0}},
        {"evaluation": {"seeds": 2}},
        {"model": {"dropout": 0.3}},
        {"training": {"patience": 4}},
    ],
)
def test_what_may_change_a_number_changes_the_question(changes: dict[str, dict[str, Any]]) -> None:
    assert question(filled(changes)) != question(filled({}))


def test_where_and_how_fast_changes_no_question() -> None:
    there = {
        "workers": 2,
        "threads": 1,
        "cache_dir": "/elsewhere",
        "engine": "inline",
        "resources": {"cpu": 2},
    }
    changes = {"execution": there, "tracking": {"uri": None}, "seed": 9, "name": "other"}
    assert question(filled(changes)) == question(filled({}))


def filled(changes: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = dict(EXPERIMENT)
    for name, value in changes.items():
        config[name] = {**config.get(name, {}), **value} if isinstance(value, dict) else value
    return parse_config(config, "test").filled
