"""A search killed at any moment of its life and started again is the search that was never
disturbed."""

import random
import shutil
from pathlib import Path

import pytest
from killing import (
    Kill,
    Place,
    appears,
    assert_each_told_once,
    assert_none_trained_once_told,
    assert_same,
    at_start,
    conclusions,
    files_with_the_secret,
    final_heads,
    kill_at,
    leaderboard,
    leftovers,
    lines,
    runs_in_mlflow,
    written,
)

RUN = "runs/small"

# The moments, in the order in which a search comes to them.
STARTING = [
    at_start(s) for s in (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.3, 1.6, 2, 2.5, 3, 3.5, 4, 5, 6)
]
CACHING = [
    written("cache/decoded", afresh=True),
    written("cache/decoded", 0.05, afresh=True),  # the images are often whole by then
    appears("cache/decoded/[!.]*", afresh="cache/decoded"),
    lines(1),
    written("cache/openvino", afresh=True),
    written("cache/openvino", 0.2, afresh=True),
    appears("cache/openvino/[!.]*", afresh="cache/openvino"),
    written("cache/features", afresh=True),
    appears("cache/features/[!.]*", afresh="cache/features"),
    written(f"{RUN}/views/*/*"),
    appears(f"{RUN}/views/*/*/[!.]*"),
    written(f"{RUN}/predictions"),
    written(f"{RUN}/previews"),
]
SENDING = [
    *(appears(".mlflow.db.new-*", s) for s in (0.0, 0.3, 0.6, 0.9)),
    appears("mlflow.db"),
    *(appears("mlartifacts/*/*/artifacts/*", s) for s in (0.0, 0.1)),
]
ENDING = [
    appears(f"{RUN}/heads/*"),
    appears(f"{RUN}/previews/winner.png"),
    appears(f"{RUN}/model/.tmp-*"),
    appears(f"{RUN}/model/.tmp-*", 0.1),
    appears("mlartifacts/models/*/artifacts/*"),
    appears("mlartifacts/models/*/artifacts/*", 0.5),
    at_start(1),  # while it still imports what it needs: what is left takes two seconds or more
    # From here the page is written within a second.
    appears(f"{RUN}/figures/.tmp-*", may_be_missed=True),
    appears(f"{RUN}/figures/.tmp-*", 0.2, may_be_missed=True),
    appears(f"{RUN}/.tmp-*", may_be_missed=True),
]
NUM_STEPS = 20  # at least so many kills of the walks from event to event


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("undisturbed"))
    place.finish()
    return place


def live(place: Place, kills: list[Kill]) -> None:
    """A life with these interruptions, resumed to its end."""
    for kill in kills:
        killed = kill_at(place, kill)
        assert killed or kill.may_be_missed, f"ended before {kill.name}"
        print(killed or f"{kill.name}: missed, and the search has ended")
        if not killed:
            return
    place.finish()


def walk(place: Place, seed: int) -> int:
    """Killed shortly after every event or two until it ends; returns how often. On a busy machine
    two or three more events come before the kill does."""
    draw, num_killed = random.Random(seed), 0
    while killed := kill_at(
        place, lines(draw.choice([1, 1, 1, 2, 3]), draw.choice([0.0, 0.0, 0.1, 0.3]))
    ):
        print(killed)
        num_killed += 1
    return num_killed


def test_killed_three_times_and_resumed_it_is_the_same_search(
    finished_run: Path, tmp_path: Path
) -> None:
    """The quick one of these: twice at the start, and amid the search."""
    place = Place(tmp_path)
    shutil.copytree(finished_run.parent / "cache", tmp_path / "cache")
    live(place, [at_start(0.5), at_start(2), lines(13)])
    finished = Finished(finished_run)
    assert leaderboard(place) == leaderboard(finished)
    assert conclusions(place) == conclusions(finished)
    assert final_heads(place) == final_heads(finished)
    assert_each_told_once(place)
    assert_none_trained_once_told(place)
    shown = runs_in_mlflow(place)
    assert {str(number) for number in range(len(leaderboard(place)))} <= set(shown)
    assert {status for status, *_ in (shown[trial] for trial in shown if trial != "versions")} == {
        "FINISHED"
    }
    assert len(shown["versions"]) == 1
    assert leftovers(place) == []
    assert files_with_the_secret(place) == []


class Finished(Place):
    """A run directory that is elsewhere."""

    @property
    def run_dir(self) -> Path:
        return self.folder


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "kills", [STARTING, CACHING, SENDING, ENDING], ids=["starting", "caching", "sending", "ending"]
)
def test_killed_at_a_moment(
    undisturbed: Place, tmp_path: Path, kills: list[Kill], workers: int
) -> None:
    place = Place(tmp_path, workers)
    live(place, kills if workers == 1 else kills[::2])
    assert_same(place, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("workers", "seed"), [(1, 0), (2, 1)])
def test_killed_from_event_to_event(
    undisturbed: Place, tmp_path: Path, workers: int, seed: int
) -> None:
    place = Place(tmp_path, workers)
    shutil.copytree(undisturbed.folder / "cache", tmp_path / "cache")
    assert walk(place, seed) >= NUM_STEPS // workers
    assert_same(place, undisturbed)


def test_the_moments_are_at_least_sixty() -> None:
    assert len(STARTING) + len(CACHING) + len(SENDING) + len(ENDING) + NUM_STEPS >= 60
