"""`execution.disk_gb`: what goes first, what stays, and that no trial's numbers depend on it."""

import errno
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from states import make_state

from data.files import StorageError
from search.driver.algorithms import rung_sizes
from search.driver.session import SessionOptions, run_search
from search.experiment.config import parse_config
from search.experiment.trial import Kind, Resources, TrialRecord
from search.features import store
from search.features.budget import RUNNING, make_room, mark, policy_name
from search.training.wanted import WantedViews


def _policy(views: Path, name: str, num_bytes: int, age: int) -> Path:
    """name: of its augmentation, which changes nothing but the folder."""
    folder = views / "1" / f"{policy_name({name: 1})}-computed-so"
    folder.mkdir(parents=True)
    (folder / "00000.npy").write_bytes(bytes(num_bytes))
    os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    return folder


def test_the_policy_untouched_for_longest_goes_first(tmp_path: Path) -> None:
    old, new, mine = (_policy(tmp_path, name, 100, age) for name, age in (("a", 30), ("b", 20), ("c", 40)))
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


def test_what_nobody_wants_goes_first_then_what_the_fewest_may_want_then_the_oldest(tmp_path: Path) -> None:
    uses = {"spent": 0, "once": 1, "old": 2, "new": 2}
    ages = {"spent": 1, "once": 2, "old": 9, "new": 3}
    folders = {name: _policy(tmp_path, name, 100, ages[name]) for name in uses}
    for name, count in uses.items():
        mark(tmp_path, 1, {name: 1}, count)
    mine = _policy(tmp_path, "mine", 100, 20)
    left = []
    for num_bytes in (100, 200, 300):
        make_room(tmp_path, 500, keep=mine, num_bytes=num_bytes)
        left.append({name for name, folder in folders.items() if folder.exists()})
    assert left == [{"once", "old", "new"}, {"old", "new"}, {"new"}]


def test_what_another_trial_is_running_on_stays(tmp_path: Path) -> None:
    mine, running, waiting = (_policy(tmp_path, name, 100, 1) for name in ("mine", "running", "waiting"))
    mark(tmp_path, 1, {"running": 1}, RUNNING)
    mark(tmp_path, 1, {"waiting": 1}, 5)
    with pytest.raises(StorageError, match="disk_gb"):
        make_room(tmp_path, 250, keep=mine, num_bytes=100)
    assert (running.exists(), waiting.exists()) == (True, False)


def test_a_mark_taken_back_leaves_nothing(tmp_path: Path) -> None:
    mark(tmp_path, 1, {"rotation_range": 20}, 2)
    mark(tmp_path, 1, {"rotation_range": 20}, 0)
    mark(tmp_path, 1, {"zoom_range": 0.1}, 0)
    assert not list((tmp_path / "wanted").iterdir())


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


def _record(number: int, rung: int | None, score: float | None = None, kind: Kind = "trial") -> TrialRecord:
    """The trial of setting `number` on a rung; score: of a told one."""
    record = next(r for r in make_state().records if r.kind == "trial" and r.result and not r.duplicate_of)
    settings = record.spec.settings.model_copy(update={"augmentation": {"rotation_range": float(number)}})
    protocol = record.spec.protocol.model_copy(update={"view_seed": 7})
    spec = record.spec.model_copy(update={"settings": settings, "protocol": protocol})
    assert record.result is not None
    result = None if score is None else record.result.model_copy(update={"score": score})
    trial = number + 100 * (rung or 0)
    return record.model_copy(
        update={"trial": trial, "kind": kind, "rung": rung, "spec": spec, "result": result}
    )


def _uses(views: Path) -> dict[int, int]:
    """Of each setting that is wanted."""
    found = {}
    for number in range(10):
        path = views / "wanted" / f"7-{policy_name({'rotation_range': float(number)})}"
        if path.exists():
            found[number] = int(path.read_text())
    return found


def _wanted(tmp_path: Path, sizes: tuple[int, ...] = (4, 2, 1)) -> WantedViews:
    return WantedViews(Resources(cache_dir=tmp_path, views_dir=tmp_path), sizes, sign=1)


def test_a_setting_is_wanted_until_it_can_be_promoted_no_more(tmp_path: Path) -> None:
    wanted = _wanted(tmp_path)
    for number in range(4):
        wanted.trial_started(_record(number, 0))
    assert _uses(tmp_path) == dict.fromkeys(range(4), RUNNING)
    for number in range(3):
        wanted.trial_told(_record(number, 0, score=0.5 + number / 10))
    assert _uses(tmp_path) == {0: 2, 1: 2, 2: 2, 3: RUNNING}  # the fourth may be the worst
    wanted.trial_told(_record(3, 0, score=0.4))
    assert _uses(tmp_path) == {1: 2, 2: 2}
    wanted.trial_started(_record(2, 1))
    assert _uses(tmp_path) == {1: 2, 2: RUNNING}
    wanted.trial_started(_record(1, 1))
    wanted.trial_told(_record(2, 1, score=0.9))
    wanted.trial_told(_record(1, 1, score=0.8))
    assert _uses(tmp_path) == {2: 1}
    wanted.trial_started(_record(2, 2))
    wanted.trial_told(_record(2, 2, score=0.9))
    assert _uses(tmp_path) == {}


def test_those_below_a_full_rung_are_given_up_before_their_own_is_told(tmp_path: Path) -> None:
    """Without a barrier a rung may fill while the one below it still runs."""
    wanted = _wanted(tmp_path, (4, 1))
    for number in range(4):
        wanted.trial_started(_record(number, 0))
    wanted.trial_told(_record(0, 0, score=0.9))
    wanted.trial_told(_record(1, 0, score=0.8))
    wanted.trial_started(_record(0, 1))
    assert _uses(tmp_path) == {0: RUNNING, 2: RUNNING, 3: RUNNING}
    wanted.trial_told(_record(2, 0, score=0.95))
    assert _uses(tmp_path) == {0: RUNNING, 3: RUNNING}


def test_a_failed_trial_a_control_and_a_trial_without_rungs_are_wanted_while_they_run(tmp_path: Path) -> None:
    wanted = _wanted(tmp_path)
    failed = _record(0, 0, score=0.5)
    assert failed.result is not None
    failed = failed.model_copy(update={"result": failed.result.model_copy(update={"score": None})})
    started = (_record(0, 0), _record(1, 0, kind="control"), _record(2, None))
    told = (failed, _record(1, 0, 0.5, kind="control"), _record(2, None, 0.5))
    for record in started:
        wanted.trial_started(record)
    assert _uses(tmp_path) == dict.fromkeys(range(3), RUNNING)
    for record in told:
        wanted.trial_told(record)
    assert _uses(tmp_path) == {}


def test_a_resumed_search_says_the_same(tmp_path: Path) -> None:
    told = [_record(number, 0, score=0.5 + number / 10) for number in range(3)]
    wanted = _wanted(tmp_path)
    for record in told:
        wanted.trial_started(record)
        wanted.trial_told(record)
    wanted.trial_started(_record(3, 0))
    assert _uses(tmp_path) == {0: 2, 1: 2, 2: 2, 3: RUNNING}


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
        assert rung_sizes(config) == (4, 2)
        deleted[0] = 0
        views = tmp_path / name / "run" / "views"
        progress = _Progress(partial(_append_bytes_below, views, most))
        result = run_search(config, tmp_path / name / "run", progress, SessionOptions(inline=True))
        most[0] = max(most)
        assert (deleted[0] > 0) is (name == "tight")
        scores.append([(r.label, r.result and r.result.metrics, r.effect) for r in result.state.records])
    assert scores[0] == scores[1]


class _Progress:
    """Calls back as each trial is told."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told

    def trial_told(self, record: TrialRecord) -> None:
        self._told()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **named: None


def _append_bytes_below(folder: Path, found: list[int]) -> None:
    found.append(_bytes_below(folder))


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.npy"))
