"""Fine-tuning end to end: two phases, one axis of epochs, the cut and the uncut way, kills, and the
files it leaves."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetuning import finetune_config, scratch_spec, spec_of

from search.experiment.trial import LostNetwork, Outcome, TrialRecord
from search.features.feature_rows import FeatureCost
from search.training import network_modes
from search.training.frozen import train_frozen_heads
from search.training.progress import EpochReport
from search.training.run_trial import run_trial
from search.training.run_values import TrainedHeads
from search.training.trial_files import Checkpoint, CheckpointSweeper, checkpoint_file

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finetune")


@pytest.fixture(scope="module")
def trained(folder: Path) -> tuple[Outcome, list[EpochReport]]:
    reports: list[EpochReport] = []
    return run_trial(*spec_of(finetune_config(folder), folder), reports.append), reports


def test_both_phases_are_on_one_axis_of_epochs(trained: tuple[Outcome, list[EpochReport]]) -> None:
    outcome, reports = trained
    curve = outcome.result.curve
    assert curve is not None
    assert curve.phases == (("head", 2), ("finetune", 2))
    assert len(curve.loss) == 4
    assert [(r.epoch, r.phase) for r in reports] == [
        (1, "head"),
        (2, "head"),
        (3, "finetune"),
        (4, "finetune"),
    ]
    assert tuple(r.val_loss for r in reports) == curve.val_loss
    assert all(3 <= epoch <= 4 for epoch in outcome.result.best_epochs)
    assert all(1 <= epoch <= 2 for epoch in outcome.result.head_best_epochs)


def test_a_head_that_its_first_phase_cut_counts_as_cut(folder: Path) -> None:
    finetune = {"from": "block7a", "learning_rate": 1e-3, "max_epochs": 60}
    training = {"max_epochs": 2, "patience": 2, "finetune": finetune}
    spec, resources = spec_of(finetune_config(folder, training), folder, rotation=0)
    result = run_trial(spec, resources).result
    assert result.curve is not None
    assert dict(result.curve.phases)["finetune"] < 60
    assert (result.heads_cut_by_max_epochs, result.num_heads) == (2, 2)


def test_a_network_whose_head_diverged_in_the_first_phase_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(*given: Any, **named: Any) -> tuple[TrainedHeads, FeatureCost]:
        heads, cost = train_frozen_heads(*given, **named)
        first, second, third = heads.weights
        nothing = tuple(np.full_like(each, np.nan) for each in second)
        return replace(heads, weights=(first, nothing, third)), cost

    monkeypatch.setattr(network_modes, "train_frozen_heads", spoilt)
    finetune = {"from": "block7a", "learning_rate": 1e-5}
    training = {"batch_size": 16, "max_epochs": 3, "finetune": finetune}
    spec, resources = spec_of(finetune_config(folder, training), folder, rotation=0)
    protocol = spec.protocol.model_copy(update={"head_seeds": (1, 2, 3)})
    result = run_trial(spec.model_copy(update={"protocol": protocol}), resources).result
    assert result.status == "completed", result.error
    assert LostNetwork(head=1, why="diverged", epoch=1) in result.lost


def test_the_prefix_is_kept_and_the_record_says_up_to_where(
    trained: tuple[Outcome, list[EpochReport]],
) -> None:
    assert trained[0].result.path == "prefix kept up to block6d_add (1x1x192, float16)"


def test_training_again_after_a_damaged_checkpoint_gives_the_same_bits_and_says_so(
    trained: tuple[Outcome, list[EpochReport]], folder: Path
) -> None:
    spec, resources = spec_of(finetune_config(folder), folder)
    checkpoint_file(spec, resources).write_bytes(b"none")
    again = run_trial(spec, resources)
    (line,) = again.result.warnings
    assert line.endswith("; the trial starts anew")
    assert trained[0].result.warnings == ()
    assert again.result.curve == trained[0].result.curve
    kept = trained[0].predictions
    assert again.predictions is not None
    assert kept is not None
    assert again.predictions.to_bytes() == kept.to_bytes()


def test_a_finished_trial_that_was_not_told_is_not_trained_again(
    trained: tuple[Outcome, list[EpochReport]], folder: Path
) -> None:
    reports: list[EpochReport] = []
    again = run_trial(*spec_of(finetune_config(folder), folder), reports.append)
    assert {report.phase for report in reports} == {"head"}
    assert again.result.curve == trained[0].result.curve


def test_a_disk_too_small_computes_again_and_comes_to_the_same(
    trained: tuple[Outcome, list[EpochReport]], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec, resources = spec_of(finetune_config(folder), folder)
    tight = resources.model_copy(update={"disk_gb": 1e-6, "views_dir": folder / "tight" / "views"})
    outcome = run_trial(spec, tight)
    assert "GB may be kept" in caplog.text
    assert outcome.result.curve == trained[0].result.curve


def test_check_says_which_way_images_take_and_that_folds_and_seeds_multiply_the_hours(
    folder: Path,
) -> None:
    from search.commands.check import make_plan
    from search.commands.search_plan import describe_plan

    plan = make_plan(finetune_config(folder))
    assert plan.network is not None
    assert (
        plan.network.way
        == "prefix kept up to block6d_add (1x1x192, float16, 7.7e-05 GB for a trial's 1 views)"
    )
    assert (plan.network.networks, plan.network.epochs) == (2, 2)
    assert " at most for all of them; folds and seeds multiply it" in describe_plan(plan)
    fresh = make_plan(finetune_config(folder, {"views": "fresh", "max_epochs": 1}))
    assert fresh.network is not None
    assert fresh.network.way.startswith("whole network: training.views is fresh")


@pytest.mark.slow
def test_fresh_views_run_the_whole_network(folder: Path) -> None:
    spec, resources = spec_of(finetune_config(folder, {"views": "fresh", "max_epochs": 1}), folder)
    outcome = run_trial(spec, resources)
    assert outcome.result.path == "whole network: training.views is fresh: no picture comes twice"
    assert outcome.result.status == "completed"


def test_a_learning_rate_that_diverges_fails_the_trial_with_its_reason(folder: Path) -> None:
    rate = {"finetune": {"from": "block7a", "learning_rate": 10.0, "warmup_epochs": 0}}
    training = {**rate, "max_epochs": 30, "batch_size": 16, "weight_decay": 1.0}
    outcome = run_trial(*spec_of(finetune_config(folder, training), folder))
    assert outcome.result.status == "failed"
    assert "of phase finetune" in str(outcome.result.error)
    assert "lower training.finetune.learning_rate" in str(outcome.result.error)


def test_a_learning_rate_that_ruins_the_heads_fails_the_trial_with_its_reason(folder: Path) -> None:
    """In batches so large that the first epoch's accuracy is still that of the heads."""
    rate = {"finetune": {"from": "block7a", "learning_rate": 10.0, "max_epochs": 3}}
    config = finetune_config(
        folder,
        {**rate, "max_epochs": 30, "batch_size": 128},
        dataset={"source": "digits", "image_size": 32, "limit_per_class": 60},
        model={"head_units": 8, "learning_rate": 0.01},
    )
    outcome = run_trial(*spec_of(config, folder))
    said = "2 of 2 networks did not train: 2 ruined by fine-tuning; change training.finetune."
    assert said in str(outcome.result.error)


def test_a_rung_pauses_where_the_next_goes_on(
    trained: tuple[Outcome, list[EpochReport]], folder: Path
) -> None:
    spec, resources = spec_of(finetune_config(folder), folder)
    resources = resources.model_copy(
        update={"views_dir": folder / "rungs" / "views", "keep_views": True}
    )
    rung = spec.model_copy(update={"protocol": spec.protocol.model_copy(update={"max_epochs": 1})})
    lower = run_trial(rung, resources)
    reports: list[EpochReport] = []
    upper = run_trial(spec, resources, reports.append)
    assert lower.result.curve is not None
    assert lower.result.curve.phases == (("head", 2), ("finetune", 1))
    assert [report.epoch for report in reports if report.phase == "finetune"] == [4]
    assert upper.result.curve == trained[0].result.curve


def test_a_checkpoint_goes_when_its_trial_is_told(folder: Path) -> None:
    spec, resources = spec_of(finetune_config(folder), folder)
    path = checkpoint_file(spec, resources)
    Checkpoint(path).save({"curves": np.zeros(1)})
    record = TrialRecord(trial=1, kind="trial", label="x", settings={}, spec=spec)
    CheckpointSweeper(resources.model_copy(update={"keep_views": True})).trial_told(record)
    assert path.exists()
    CheckpointSweeper(resources).trial_told(record)
    assert not path.exists()


def test_a_damaged_checkpoint_is_left_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = Checkpoint(tmp_path / "x.npz")
    checkpoint.save({"curves": np.arange(1000.0)})
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "x.npz").write_bytes(content)
    assert checkpoint.load() is None
    assert "damaged" in caplog.text


KILLED = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from finetuning import scratch_spec
from search.training.run_trial import run_trial
run_trial(*scratch_spec(Path({folder!r})), lambda report: print(report.epoch, flush=True))
"""


def test_a_trial_killed_between_epochs_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    code = KILLED.format(root=str(ROOT), tests=str(ROOT / "tests"), folder=str(tmp_path / "killed"))
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    while (line := process.stdout.readline().strip()) != "5":
        assert line, "it ended before its fifth epoch"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    reports: list[EpochReport] = []
    resumed = run_trial(*scratch_spec(tmp_path / "killed"), reports.append)
    undisturbed = run_trial(*scratch_spec(tmp_path / "undisturbed"))
    assert {report.phase for report in reports} == {""}  # there is one, as in the record's curve
    assert 1 < reports[0].epoch <= 7
    assert resumed.result.curve == undisturbed.result.curve
    assert resumed.predictions is not None
    assert undisturbed.predictions is not None
    assert resumed.predictions.to_bytes() == undisturbed.predictions.to_bytes()


def test_weights_put_into_a_fresh_backbone_are_those_of_the_network(tmp_path: Path) -> None:
    from search.features.backbones import build_backbone
    from search.features.process_cache import dataset_of
    from search.training.head_shape import HeadShape, plain_head
    from search.training.modes import MODES
    from search.training.run_trial import train_spec

    spec, resources = scratch_spec(tmp_path)
    # which asks for the weights to be kept
    spec = spec.model_copy(update={"probes": {"rotation_range": 20}})
    trained = train_spec(spec, resources)
    backbone = build_backbone("small-cnn", "random", 16)
    head = MODES["scratch"].put(backbone, spec.settings, trained.heads.weights[0])
    dataset = dataset_of(spec.dataset, spec.dataset_seed, resources)
    features = backbone(np.asarray(dataset.images[dataset.indices(1)], np.float32))
    probabilities = plain_head(HeadShape(backbone.output_shape[-1], 8, 10), head)(features)
    np.testing.assert_array_equal(np.argmax(probabilities, axis=1), trained.heads.optimistic[0][0])
    assert [probe.augmentation for probe in trained.result.probes] == [
        "rotation_range",
        "rotation_range",
    ]
