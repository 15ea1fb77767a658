"""`execution.disk_gb`: what goes first, what stays, and that no trial's numbers depend on it."""

import errno
import os
import threading
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from small_search import Heard

from data.files import StorageError
from search.driver.experiment_file import parse_config
from search.driver.session import SessionOptions, run_search
from search.experiment.trial import TrialRecord
from search.features import store
from search.features.feature_rows import make_room
from search.report.terminal import Progress


def _policy(views: Path, name: str, num_bytes: int, age: int) -> Path:
    folder = views / "1" / name
    folder.mkdir(parents=True)
    (folder / "00000.npy").write_bytes(bytes(num_bytes))
    os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    return folder


def test_the_policy_untouched_for_longest_goes_first(tmp_path: Path) -> None:
    old, new, mine = (
        _policy(tmp_path, name, 100, age) for name, age in (("a", 30), ("b", 20), ("c", 40))
    )
    make_room(tmp_path, 320, keep=mine, num_bytes=100)
    assert (old.exists(), new.exists(), mine.exists()) == (False, True, True)


def test_nothing_goes_while_all_fits(tmp_path: Path) -> None:
    folders = [_policy(tmp_path, name, 100, 1) for name in "abc"]
    make_room(tmp_path, 400, keep=folders[0], num_bytes=100)
    assert all(folder.exists() for folder in folders)


def test_a_trial_that_alone_is_too_much_says_what_to_raise(tmp_path: Path) -> None:
    mine = _policy(tmp_path, "mine", 300, 1)
    with pytest.raises(StorageError, match="disk_gb") as caught:
        make_room(tmp_path, 350, keep=mine, num_bytes=100)
    assert caught.value.errno == errno.EDQUOT


def test_two_workers_that_make_room_at_once_both_get_it(tmp_path: Path) -> None:
    """Folders vanish under either of them."""
    mine = [_policy(tmp_path, name, 1, 0) for name in ("first", "second")]
    for number in range(60):
        _policy(tmp_path, f"other{number}", 10, number)
    failed: list[BaseException] = []

    def work(keep: Path) -> None:
        try:
            for budget in range(600, 20, -10):
                make_room(tmp_path, budget, keep, 10)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(folder,)) for folder in mine]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert all(folder.exists() for folder in mine)


@pytest.mark.slow
def test_a_full_disk_changes_no_number(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same halving search with room for all views, and for fewer than it makes."""
    content = yaml.safe_load((finished_run / "config.yaml").read_text())
    content["search"] |= {"algorithm": "halving", "trials": 4, "reduction": 2, "min_views": 1}
    content["training"]["views"] = 2
    content["evaluation"] |= {"confirm": None, "ablation": False, "test": False}
    most, deleted = [0], [0]

    def watched(views_dir: Path, *arguments: Any) -> None:
        before = _bytes_below(views_dir)
        make_room(views_dir, *arguments)
        deleted[0] += _bytes_below(views_dir) < before

    monkeypatch.setattr(store, "make_room", watched)
    scores: list[Any] = []
    for name in ("roomy", "tight"):
        disk_gb = 1.0 if name == "roomy" else most[0] / 2e9
        content["execution"] |= {"disk_gb": disk_gb, "cache_dir": str(tmp_path / name / "cache")}
        config = parse_config(content, "test")
        deleted[0] = 0
        views = tmp_path / name / "run" / "views"
        progress = cast(Progress, Heard(partial(_append_bytes_below, views, most)))
        result = run_search(config, tmp_path / name / "run", progress, SessionOptions(inline=True))
        most[0] = max(most)
        assert (deleted[0] > 0) is (name == "tight")
        scores.append(
            [(r.label, r.result and r.result.metrics, r.effect) for r in result.state.records]
        )
    assert scores[0] == scores[1]


def _append_bytes_below(folder: Path, found: list[int], record: TrialRecord) -> None:
    found.append(_bytes_below(folder))


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.npy"))
