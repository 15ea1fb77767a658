"""The loop over epochs and heads: when a head stops, which rates it is given, which batches, and
what ends a trial."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_network import SHAPE, _body
from tiny_networks import HeldFeed

from search.training.batching import NO_MIXING, PART_BYTES, Batching, Mixing
from search.training.cutting import cut
from search.training.head_shape import initial_weights
from search.training.head_tasks import HeadTask
from search.training.network import Network
from search.training.network_training import NetworkHeads
from search.training.optimizer import Schedule, warm_cosine
from search.training.run_values import RunPlan, TrainedHeads, TrialFailure
from search.training.training_run import train
from search.training.trial_files import Checkpoint

COUNT, BATCH = 20, 4


class _Listening(Network):
    """Remembers the rates it was given."""

    rates: tuple[float, ...] = ()

    def train(self, live: Any, steps: Any, rates: np.ndarray, weight_decay: float) -> Any:
        self.rates += tuple(rates)
        return super().train(live, steps, rates, weight_decay)


class _Lost(Network):
    """Trains with a finite loss to weights that answer with no number, as the last step of an epoch
    may."""

    def predict(self, live: Any, batches: Any, labels: np.ndarray, whole: bool = False) -> Any:
        predicted, log_prob = super().predict(live, batches, labels)
        return predicted, np.full_like(log_prob, np.nan)


def _feed() -> HeldFeed:
    return HeldFeed(np.random.default_rng(0).standard_normal((COUNT, 8, 8, 3)).astype(np.float32))


def _train(
    folder: Path, kind: type[Network] = Network, **changes: Any
) -> tuple[TrainedHeads, Network]:
    body = _body()
    network = kind(body, cut(body, "above_conv").trained, SHAPE)
    labels = (np.arange(COUNT) % 3).astype(np.int32)
    task = HeadTask(train=np.arange(12), validate=np.arange(12, COUNT), seed=3)
    fields: dict[str, Any] = {"learning_rate": 1e-3, "max_epochs": 4, "patience": 20} | changes
    rate, epochs = fields["learning_rate"], fields["max_epochs"]
    plan = RunPlan(
        (task,),
        labels,
        3,
        "accuracy",
        epochs,
        fields["patience"],
        rate,
        "model.learning_rate",
        drawn_by="scratch",
    )
    batching = Batching(_feed(), labels, np.arange(COUNT), 3, BATCH, 5)
    heads = NetworkHeads(
        network,
        lambda head: network.start(initial_weights(SHAPE, 1), 5),
        batching,
        Schedule(rate, 1.0, epochs, weight_decay=0.0),
        plan,
    )
    return train(heads, plan, Checkpoint(folder / "checkpoint.npz")), network


def test_a_head_that_learns_no_more_stops_after_its_patience(tmp_path: Path) -> None:
    trained, _ = _train(tmp_path, learning_rate=1e-30, max_epochs=9, patience=3)
    assert len(trained.curve.loss) == 4
    assert trained.best_epochs == (1,)
    assert trained.cut_by_max_epochs == (False,)


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """By the project: what TensorFlow warns of depends on which tests ran before."""
    return [each.message for each in caplog.records if each.name.startswith("search")]


@pytest.mark.parametrize("kind", ["state", "best"])
def test_a_checkpoint_of_another_network_is_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    first, _ = _train(tmp_path)
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    kept = checkpoint.load()
    assert kept is not None
    assert _train(tmp_path)[0].curve == first.curve
    assert not _said(caplog)
    checkpoint.save({**kept, f"{kind}/0/0": np.zeros((2, 2), np.float32)})
    again, _ = _train(tmp_path)
    (line,) = _said(caplog)
    assert "is of another kind (its " in line
    assert again.curve == first.curve


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.astype(np.float64), "its state is of another network"),
        (lambda state: state - 3, "its state is of another number of epochs"),
    ],
)
def test_a_state_of_other_numbers_or_of_fewer_epochs_is_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Any, said: str
) -> None:
    first, _ = _train(tmp_path)
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    kept = checkpoint.load()
    assert kept is not None
    step = max((n for n in kept if n.startswith("state/0/")), key=lambda n: int(n.split("/")[2]))
    checkpoint.save({**kept, step: change(kept[step])})
    assert _train(tmp_path)[0].curve == first.curve
    (line,) = _said(caplog)
    assert said in line


def test_every_step_is_given_the_schedule_s_rate(tmp_path: Path) -> None:
    _, network = _train(tmp_path, _Listening)
    steps = 12 // BATCH
    assert isinstance(network, _Listening)
    assert network.rates == tuple(
        np.float32(warm_cosine(step, steps, 4, 1.0, 1e-3)) for step in range(4 * steps)
    )


def test_answers_that_are_no_numbers_fail_the_trial_with_the_setting_to_lower(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        TrialFailure, match=r"the validation loss of head 0 became nan in epoch 1.*lower model"
    ):
        _train(tmp_path, _Lost)


@pytest.mark.parametrize(
    ("count", "needs_company", "used", "steps"),
    [(9, True, 8, 2), (9, False, 9, 3), (10, True, 10, 3), (1, True, 1, 1)],
)
def test_no_image_is_alone_where_batch_norms_train(
    count: int, needs_company: bool, used: int, steps: int
) -> None:
    rows = np.arange(COUNT)
    batching = Batching(_feed(), rows % 3, rows, 3, BATCH, 5, needs_company=needs_company)
    (epoch,) = batching.epoch(rows[:count], seed=1, epoch=0)
    assert len(epoch.labels) == used
    assert epoch.num_steps == batching.num_steps(count) == steps


@pytest.mark.parametrize("mixing", [NO_MIXING, Mixing(0.4, 0.0)])
def test_an_epoch_in_parts_is_the_epoch(mixing: Mixing) -> None:
    rows = np.arange(COUNT)
    batching = Batching(_feed(), rows % 3, rows, 3, BATCH, 5, dropout=0.3, mixing=mixing)
    whole, parted = (
        list(replace(batching, input_bytes=size).epoch(rows, seed=1, epoch=2))
        for size in (1, PART_BYTES // (2 * BATCH))
    )
    assert (len(whole), len(parted)) == (1, 3)
    for name in ("inputs", "targets", "kept", "labels"):
        parts = np.concatenate([getattr(each, name) for each in parted])
        np.testing.assert_array_equal(parts, getattr(whole[0], name))


def test_labels_are_smoothed_and_dropped_units_made_up_for() -> None:
    rows = np.arange(COUNT)
    batching = Batching(_feed(), rows % 3, rows, 3, COUNT, 1000, dropout=0.25, label_smoothing=0.3)
    (batch,) = batching.epoch(rows, seed=1, epoch=0)
    np.testing.assert_allclose(
        np.sort(batch.targets, axis=1), np.tile([0.1, 0.1, 0.8], (COUNT, 1)), atol=1e-6
    )
    np.testing.assert_array_equal(batch.targets.argmax(axis=1), batch.labels)
    np.testing.assert_allclose(np.unique(batch.kept), [0, 1 / 0.75], rtol=1e-6)
    assert batch.kept.mean() == pytest.approx(1, abs=0.02)
