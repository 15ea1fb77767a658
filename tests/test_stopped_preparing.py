"""A search that is asked to stop while it prepares stops after the step that it is in, with nothing
begun; the same command begins it."""

import threading
from pathlib import Path

import pytest
from small_search import Heard, sit, small_config

STEPS = ("starting TensorFlow", "reading the images", "trying the network")


class Asking(Heard):
    """Progress that asks to stop at a step, and keeps those that it heard of."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.stop, self.steps, self._step = threading.Event(), list[str](), step

    def doing(self, text: str) -> None:
        self.steps.append(text)
        if text == self._step:
            self.stop.set()


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_it_stops_after_the_step_that_it_is_in(
    number: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.getbasetemp() / "stopped-preparing"
    progress = Asking(STEPS[number])
    found = sit(small_config(cache), tmp_path / "run", progress, stop=progress.stop)
    assert (found.outcome, found.reason) == ("stopped", "on request")
    assert progress.steps == [*STEPS[: number + 1]]
    assert not (tmp_path / "run/journal.jsonl").read_bytes()


def test_it_does_not_begin_to_prepare_where_it_was_asked_before(tmp_path: Path) -> None:
    progress = Asking("")
    progress.stop.set()
    found = sit(small_config(tmp_path / "cache"), tmp_path / "run", progress, stop=progress.stop)
    assert (found.outcome, progress.steps) == ("stopped", [])
