"""What no search could run with is refused alike by `check` and `run`, before an image is read."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import UserError
from search.commands.check import make_plan
from search.driver.experiment_file import load_config
from search.driver.session import SessionOptions, run_search
from search.execution import engine

EXPERIMENT: dict[str, Any] = {
    "name": "never",
    "dataset": {"source": "folder", "path": "nowhere"},
    "augmentation": {"rotation_range": {"min": 0, "max": 30}},
    "model": {"backbone": "small-cnn", "weights": "random"},
    "tracking": {"uri": None},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": {"algorithm": "grid"}}, "grid needs a step for rotation_range"),
        (
            {"search": {"algorithm": "hyperband"}, "training": {"views": "fresh"}},
            "views is 'fresh'",
        ),
        ({"tracking": {"uri": "postgresql://***@h/db"}}, "keeps no secrets of an address"),
        ({"augmentation": {}}, "nothing that would be tried changes a picture; write what"),
        ({"augmentation": {"width_shift_range": [0, 1]}}, "a shift of 1 draws 0 pixels: write 1.0"),
        (
            {"augmentation": {"rotation_range": [0, 0.0], "fill_mode": ["wrap", "nearest"]}},
            "nothing that",
        ),
        ({"tracking": {"uri": "sqlite:////tmp"}}, "/tmp is a folder and no file"),
        ({"tracking": {"uri": "sqlite:////dev/null"}}, "/dev/null is a device and no file"),
        ({"tracking": {"uri": "sqlite:////dev/null/mlflow.db"}}, "/dev/null is no folder"),
        ({"tracking": {"uri": f"sqlite:////tmp/{'x' * 300}.db"}}, "cannot be a file"),
        ({"execution": {"engine": "ray"}}, "Ray is not installed; pip install"),
    ],
)
def test_check_and_run_refuse_the_same(
    changes: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = engine.importlib.util.find_spec
    monkeypatch.setattr(
        engine.importlib.util, "find_spec", lambda name: None if name == "ray" else installed(name)
    )
    config = load_config({**EXPERIMENT, **changes})
    with pytest.raises(UserError, match=message) as by_check:
        make_plan(config)
    with pytest.raises(UserError) as by_run:
        run_search(config, tmp_path / "run", options=SessionOptions(inline=True))
    assert str(by_run.value) == str(by_check.value)


def test_a_fresh_start_that_cannot_run_loses_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "run" / "journal.jsonl"
    kept.parent.mkdir()
    kept.write_text("")
    config = load_config({**EXPERIMENT, "tracking": {"uri": "http://***@h"}})
    with pytest.raises(UserError, match="keeps no secrets"):
        run_search(config, kept.parent, options=SessionOptions(inline=True, fresh=True))
    assert kept.exists()


@pytest.mark.parametrize(
    ("augmentation", "augments"),
    [
        ({}, False),
        ({"horizontal_flip": False, "zoom_range": [1, 1], "height_shift_range": 1}, False),
        ({"rotation_range": 20}, True),
        ({"width_shift_range": [0.5, 1]}, True),
        ({"width_shift_range": {"min": 0, "max": 1}}, True),  # floats up to 1.0
        ({"brightness_range": {"choices": [[1, 1], [0.8, 1.2]]}}, True),
    ],
)
def test_something_is_tried_where_a_value_changes_pictures(
    augmentation: dict[str, Any], augments: bool
) -> None:
    assert load_config({**EXPERIMENT, "augmentation": augmentation}).space.augments == augments


def test_the_range_that_is_advised_for_two_values_moves_pictures() -> None:
    searched = {"width_shift_range": [0, 1], "rotation_range": [0, 20], "shear_range": [0, 0.0]}
    turn, shift = load_config({**EXPERIMENT, "augmentation": searched}).space.remarks()
    assert shift.endswith("write {min: 0, max: 1.0}")
    assert turn.endswith("write {min: 0, max: 20}")
