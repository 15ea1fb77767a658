"""What no search could run with is refused alike by `check` and `run`, before an image is read."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import UserError
from search.driver.plan import make_plan
from search.driver.session import SessionOptions, run_search
from search.execution import engines
from search.experiment.config import load_config

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
        ({"search": {"algorithm": "hyperband"}, "training": {"views": "fresh"}}, "views is 'fresh'"),
        ({"tracking": {"uri": "postgresql://***@h/db"}}, "keeps no secrets of an address"),
        ({"execution": {"engine": "ray"}}, "Ray is not installed; pip install"),
    ],
)
def test_check_and_run_refuse_the_same(
    changes: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = engines.importlib.util.find_spec
    monkeypatch.setattr(
        engines.importlib.util, "find_spec", lambda name: None if name == "ray" else installed(name)
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
