"""Cards and the processes that share them: memory as it is needed, one card a worker, and no fuss
where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from search.features.devices import (
    GROWTH_VARIABLE,
    card_of,
    compute_capability,
    sees_gpu,
    use_one_card,
)

ROOT = Path(__file__).parent.parent
STARTED = """
import os, sys
from multiprocessing import Pipe
from pathlib import Path
from search.execution import worker
from search.experiment.trial import Resources
here = Path(sys.argv[1]).parent
worker.start(Path(sys.argv[1]), Resources(cache_dir=here, views_dir=here), os.getppid(), Pipe()[1])
assert "tensorflow" not in sys.modules
Path(sys.argv[2]).write_text(os.environ["TF_FORCE_GPU_ALLOW_GROWTH"])
"""


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "true"), ({GROWTH_VARIABLE: "false"}, "false")]
)
def test_a_worker_takes_a_card_s_memory_as_it_needs_it_unless_the_user_says_otherwise(
    given: dict[str, str], expected: str, tmp_path: Path
) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name != GROWTH_VARIABLE
    } | given
    arguments = [sys.executable, "-c", STARTED, str(tmp_path / "log"), str(tmp_path / "found")]
    subprocess.run(arguments, check=True, cwd=ROOT, env=environment)
    assert (tmp_path / "found").read_text() == expected


def test_workers_are_dealt_out_over_the_cards() -> None:
    assert [card_of(worker, ["first", "second"]) for worker in range(1, 6)] == [
        "first",
        "second",
        "first",
        "second",
        "first",
    ]
    assert card_of(3, ["only"]) == "only"
    assert card_of(1, []) is None


def test_a_process_without_a_card_goes_on_without() -> None:
    if sees_gpu():
        pytest.skip("this machine has a card")
    use_one_card(2)
    assert compute_capability() is None


@pytest.mark.slow
def test_a_trial_goes_all_of_a_card_s_way_but_for_its_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bfloat16 and compiled by XLA, as with a card, which this machine only believes it has."""
    from finetuning import scratch_spec

    from search.features import devices
    from search.training.network_shape import network_of
    from search.training.run_trial import run_trial

    spec, resources = scratch_spec(tmp_path)
    training = spec.settings.training.model_copy(update={"max_epochs": 3})
    spec = spec.model_copy(
        update={"settings": spec.settings.model_copy(update={"training": training})}
    )
    here = run_trial(spec, resources).result
    monkeypatch.setattr(devices, "sees_gpu", lambda: True)
    monkeypatch.setattr(devices, "compute_capability", lambda: (8, 0))
    network_of.cache_clear()
    try:
        there = run_trial(
            spec, resources.model_copy(update={"views_dir": tmp_path / "gpu" / "views"})
        ).result
    finally:
        network_of.cache_clear()
    assert there.status == "completed", there.error
    assert there.validation_hash == here.validation_hash
    assert here.curve is not None
    assert there.curve is not None
    np.testing.assert_allclose(there.curve.loss, here.curve.loss, rtol=0.1)
