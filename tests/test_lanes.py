"""How many networks train at once: it changes how long they take, and nothing else."""

import logging
from pathlib import Path

import numpy as np
import pytest
from finetuning import scratch_spec
from tiny_networks import tiny_model

from search.training import network_training
from search.training.network_training import fitting_lanes, kept_bytes, num_lanes, step_bytes
from search.training.run_trial import run_trial


def test_networks_are_the_same_to_the_bit_however_many_train_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, resources = scratch_spec(tmp_path)
    training = spec.settings.training.model_copy(update={"max_epochs": 2})
    settings = spec.settings.model_copy(update={"training": training})
    protocol = spec.protocol.model_copy(update={"head_seeds": (1, 2, 3)})
    spec = spec.model_copy(update={"settings": settings, "protocol": protocol})
    found = []
    for lanes in (1, 2):
        monkeypatch.setattr(network_training, "num_lanes", lambda *given, n=lanes: n)
        views = tmp_path / str(lanes) / "views"
        outcome = run_trial(spec, resources.model_copy(update={"views_dir": views}))
        assert outcome.predictions is not None, outcome.result.error
        found.append((outcome.result.curve, outcome.predictions))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1].log_prob, found[1][1].log_prob)


def test_where_memory_holds_fewer_they_are_fewer_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each trial other memory is free."""
    monkeypatch.setattr(network_training, "_said", set())
    with caplog.at_level(logging.WARNING):
        assert fitting_lanes(4, 100, 500) == 2
        assert fitting_lanes(4, 100, 500) == 2
        assert fitting_lanes(4, 100, 10) == 1
        assert fitting_lanes(1, 100, 500) == 1
    assert [record.message.split(" in training")[0] for record in caplog.records] == [
        "memory holds 2 networks"
    ]


@pytest.mark.parametrize("wanted", [1, 4])
def test_where_memory_may_not_hold_one_it_is_said(
    wanted: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_training, "_said", set())
    with caplog.at_level(logging.WARNING):
        assert fitting_lanes(wanted, 10**9, 10**8) == 1
    (line,) = [record.message for record in caplog.records]
    assert line == (
        "memory may not hold one network in training: a step takes 1 GB and 0.1 GB are left; one "
        "is tried all the same; lower training.batch_size or dataset.image_size"
    )


def test_what_all_heads_hold_at_once_is_taken_off_the_memory_that_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = tiny_model()
    step, kept = step_bytes(body, 10), kept_bytes(body)
    assert kept == 12 * sum(weights.size for weights in map(np.array, body.trainable_weights))
    monkeypatch.setattr(network_training, "operations_at_once", lambda threads: 4)
    monkeypatch.setattr(network_training, "free_memory", lambda: 8 * step)
    assert num_lanes(body, 10, 4, 0) == 4
    assert num_lanes(body, 10, 4, 3 * step // kept) == 2
    assert num_lanes(body, 10, 4, 10**6) == 1


@pytest.mark.parametrize("free", [None, 800])
def test_as_many_as_processors_where_memory_holds_them_or_nobody_knows(free: int | None) -> None:
    assert fitting_lanes(4, 100, free) == 4


def test_a_step_holds_the_outputs_of_every_layer_and_their_gradients() -> None:
    outputs = 8 * 8 * 3 * 2 + 6 * 6 * 32 + 3 * 3 * 32 * 3
    assert step_bytes(tiny_model(), 10) == 2 * 4 * 10 * outputs
