"""Fine-tuning end to end: two phases, one axis of epochs, the cut and the uncut way, kills, and the files it leaves."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from search.driver.prepare import prepare, resources_of
from search.experiment.config import ExperimentConfig, parse_config
from search.experiment.space import Space
from search.experiment.trial import Outcome, Resources, TrialRecord, TrialSpec
from search.training.checkpoints import Checkpoint, checkpoint_file
from search.training.progress import EpochReport
from search.training.run_trial import run_trial
from search.training.spent import SpentCheckpoints

ROOT = Path(__file__).parent.parent
TRAINING: dict[str, Any] = {
    "mode": "finetune",
    "max_epochs": 2,
    "batch_size": 128,
    "views": 1,
    "finetune": {"from": "block7a", "learning_rate": 1e-3},
}


def _config(folder: Path, training: dict[str, Any] | None = None, **sections: Any) -> ExperimentConfig:
    experiment = {
        "name": "small",
        "dataset": {"source": "digits", "image_size": 32, "limit_per_class": 20},
        "augmentation": {"rotation_range": [0, 20]},
        "model": {"head_units": 8},
        "training": {**TRAINING, **(training or {})},
        "evaluation": {"folds": 1, "seeds": 2, "confirm": None},
        "tracking": {"uri": None},
        "execution": {"cache_dir": str(folder / "cache")},
        **sections,
    }
    return parse_config(experiment, "test")


def _spec(
    config: ExperimentConfig, folder: Path, rotation: float = 20, kind: str = "trial"
) -> tuple[TrialSpec, Resources]:
    resources = resources_of(config, folder / "run")
    specs = prepare(config, resources).specs
    settings = specs.control({"rotation_range": rotation} if rotation else {})
    return specs.search("trial", "x", settings), resources


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finetune")


@pytest.fixture(scope="module")
def trained(folder: Path) -> tuple[Outcome, list[EpochReport]]:
    reports: list[EpochReport] = []
    return run_trial(*_spec(_config(folder), folder), reports.append), reports


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


def test_the_prefix_is_kept_and_the_record_says_up_to_where(
    trained: tuple[Outcome, list[EpochReport]],
) -> None:
    assert trained[0].result.path == "prefix kept up to block6d_add (1x1x192, float16)"


def test_training_again_gives_the_same_bits(trained: tuple[Outcome, list[EpochReport]], folder: Path) -> None:
    spec, resources = _spec(_config(folder), folder)
    checkpoint_file(spec, resources).unlink()
    again = run_trial(spec, resources)
    assert again.result.curve == trained[0].result.curve
    assert again.predictions is not None
    assert again.predictions.to_bytes() == trained[0].predictions.to_bytes()  # type: ignore[union-attr]


def test_a_finished_trial_that_was_not_told_is_not_trained_again(
    trained: tuple[Outcome, list[EpochReport]], folder: Path
) -> None:
    reports: list[EpochReport] = []
    again = run_trial(*_spec(_config(folder), folder), reports.append)
    assert {report.phase for report in reports} == {"head"}
    assert again.result.curve == trained[0].result.curve


def test_a_disk_too_small_computes_again_and_comes_to_the_same(
    trained: tuple[Outcome, list[EpochReport]], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec, resources = _spec(_config(folder), folder)
    tight = resources.model_copy(update={"disk_gb": 1e-6, "views_dir": folder / "tight" / "views"})
    outcome = run_trial(spec, tight)
    assert "GB may be kept" in caplog.text
    assert outcome.result.curve == trained[0].result.curve


def test_check_says_which_way_images_take_and_that_folds_and_seeds_multiply_the_hours(folder: Path) -> None:
    from search.driver.plan import describe_plan, make_plan

    plan = make_plan(_config(folder))
    assert plan.network is not None
    assert (
        plan.network.way
        == "prefix kept up to block6d_add (1x1x192, float16, 7.7e-05 GB for a trial's 1 views)"
    )
    assert (plan.network.networks, plan.network.epochs) == (2, 2)
    assert "hours at most for all of them; folds and seeds multiply it" in describe_plan(plan)
    fresh = make_plan(_config(folder, {"views": "fresh", "max_epochs": 1}))
    assert fresh.network is not None
    assert fresh.network.way.startswith("whole network: training.views is fresh")


@pytest.mark.slow
def test_fresh_views_run_the_whole_network(folder: Path) -> None:
    spec, resources = _spec(_config(folder, {"views": "fresh", "max_epochs": 1}), folder)
    outcome = run_trial(spec, resources)
    assert outcome.result.path == "whole network: training.views is fresh: no picture comes twice"
    assert outcome.result.status == "completed"


def test_a_learning_rate_that_diverges_fails_the_trial_with_its_reason(folder: Path) -> None:
    rate = {"finetune": {"from": "block7a", "learning_rate": 10.0, "warmup_epochs": 0}}
    training = {**rate, "max_epochs": 30, "batch_size": 16, "weight_decay": 1.0}
    outcome = run_trial(*_spec(_config(folder, training), folder))
    assert outcome.result.status == "failed"
    assert "of phase finetune" in str(outcome.result.error)
    assert "lower training.finetune.learning_rate" in str(outcome.result.error)


def test_a_rung_pauses_where_the_next_goes_on(
    trained: tuple[Outcome, list[EpochReport]], folder: Path
) -> None:
    spec, resources = _spec(_config(folder), folder)
    resources = resources.model_copy(update={"views_dir": folder / "rungs" / "views", "keep_views": True})
    rung = spec.model_copy(update={"protocol": spec.protocol.model_copy(update={"max_epochs": 1})})
    lower = run_trial(rung, resources)
    reports: list[EpochReport] = []
    upper = run_trial(spec, resources, reports.append)
    assert lower.result.curve is not None
    assert lower.result.curve.phases == (("head", 2), ("finetune", 1))
    assert [report.epoch for report in reports if report.phase == "finetune"] == [4]
    assert upper.result.curve == trained[0].result.curve


def test_a_checkpoint_goes_when_its_trial_is_told(folder: Path) -> None:
    spec, resources = _spec(_config(folder), folder)
    path = checkpoint_file(spec, resources)
    Checkpoint(path).save({"curves": np.zeros(1)})
    record = TrialRecord(trial=1, kind="trial", label="x", settings={}, spec=spec)
    SpentCheckpoints(resources.model_copy(update={"keep_views": True})).trial_told(record)
    assert path.exists()
    SpentCheckpoints(resources).trial_told(record)
    assert not path.exists()


def test_a_damaged_checkpoint_is_left_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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
from test_finetune import scratch_spec
from search.training.run_trial import run_trial
run_trial(*scratch_spec(Path({folder!r})), lambda report: print(report.epoch, flush=True))
"""


def scratch_spec(folder: Path) -> tuple[TrialSpec, Resources]:
    """Twelve epochs of a small network."""
    training = {
        "mode": "scratch",
        "max_epochs": 12,
        "patience": 12,
        "batch_size": 32,
        "mixup": 0.2,
        "views": "fresh",
    }
    model = {"backbone": "small-cnn", "weights": "random", "head_units": 8}
    dataset = {"source": "digits", "image_size": 16, "limit_per_class": 60}
    config = parse_config(
        {**_config(folder).filled, "training": training, "model": model, "dataset": dataset}, "scratch"
    )
    return _spec(config, folder)


def test_a_trial_killed_between_epochs_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    code = KILLED.format(root=str(ROOT), tests=str(ROOT / "tests"), folder=str(tmp_path / "killed"))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    while (line := process.stdout.readline().strip()) != "5":
        assert line, "it ended before its fifth epoch"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    reports: list[EpochReport] = []
    resumed = run_trial(*scratch_spec(tmp_path / "killed"), reports.append)
    undisturbed = run_trial(*scratch_spec(tmp_path / "undisturbed"))
    assert 1 < reports[0].epoch <= 7
    assert resumed.result.curve == undisturbed.result.curve
    assert resumed.predictions is not None
    assert resumed.predictions.to_bytes() == undisturbed.predictions.to_bytes()  # type: ignore[union-attr]


def test_weights_put_into_a_fresh_backbone_are_those_of_the_network(tmp_path: Path) -> None:
    from search.features.backbones import build_backbone
    from search.features.opened import dataset_of
    from search.training.head_shape import HeadShape, plain_head
    from search.training.modes import MODES
    from search.training.run_trial import train_spec

    spec, resources = scratch_spec(tmp_path)
    spec = spec.model_copy(update={"probes": {"rotation_range": 20}})  # which asks for the weights to be kept
    trained = train_spec(spec, resources)
    backbone = build_backbone("small-cnn", "random", 16)
    head = MODES["scratch"].put(backbone, spec.settings, trained.heads.weights[0])
    dataset = dataset_of(spec.dataset, spec.dataset_seed, resources)
    features = backbone(np.asarray(dataset.images[dataset.indices(1)], np.float32))
    probabilities = plain_head(HeadShape(backbone.output_shape[-1], 8, 10), head)(features)
    np.testing.assert_array_equal(np.argmax(probabilities, axis=1), trained.heads.optimistic[0][0])
    assert [probe.augmentation for probe in trained.result.probes] == ["rotation_range", "rotation_range"]


@pytest.fixture(scope="module")
def finetuned_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search by halving over epochs, with a final model."""
    from search.driver.session import SessionOptions, run_search

    folder = tmp_path_factory.mktemp("search")
    halving = {"algorithm": "halving", "trials": 2, "min_views": 1, "reduction": 2}
    config = _config(folder, search=halving)
    result = run_search(config, folder / "run", options=SessionOptions(inline=True))
    assert result.outcome == "finished", result.reason
    return result.run_dir


@pytest.mark.slow
def test_halving_shares_out_epochs_and_goes_on_from_the_rung_below(finetuned_run: Path) -> None:
    from search.journal.journal_file import read
    from search.journal.state import replay

    records = replay(read(finetuned_run / "journal.jsonl")[0]).records
    budgets = [r.spec.protocol.max_epochs for r in records if r.kind == "trial"]
    assert budgets == [1, 1, None]
    baselines = {
        r.rung: r.spec.protocol.max_epochs
        for r in records
        if r.label == "no augmentation" and r.kind == "control"
    }
    assert baselines == {None: None, 0: 1}
    assert not (finetuned_run / "checkpoints").exists()


@pytest.mark.slow
def test_the_winning_model_takes_raw_images_and_has_learnt_layers_of_the_backbone(
    finetuned_run: Path,
) -> None:
    import keras

    from search.features.backbones import build_backbone

    model = keras.models.load_model(finetuned_run / "model" / "model.keras")
    probabilities = model.predict(np.zeros((2, 20, 24, 3), np.uint8), verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    inner = next(layer for layer in model.layers if layer.name.startswith("efficientnet"))
    fresh = build_backbone("efficientnet-lite0", "imagenet", 32)
    changed = {
        v.path.split("/")[-2]
        for v, f in zip(inner.weights, fresh.weights, strict=True)
        if not np.array_equal(v, f)
    }
    assert changed
    assert all(name.startswith(("block7a", "top")) for name in changed)


@pytest.mark.slow
def test_verifying_trains_a_fine_tuned_trial_to_the_same_digits(finetuned_run: Path) -> None:
    from search.verification.verify import describe, verify

    found = verify(finetuned_run, trial=0)
    assert found.same, describe(found)
    assert found.apart is not None
    assert found.apart.words == "no number differs"


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"finetune": {}}, "needs training.finetune.from"),
        ({"finetune": {"from": "last: 0"}}, "leaves no layer to train"),
        ({"finetune": {"from": {"last": 0}}}, "leaves no layer to train"),
        ({"mode": "frozen", "mixup": {"min": 0, "max": 1}}, "mixes images, and training.mode frozen"),
        ({"mode": ["frozen", "finetune"]}, "training.mode cannot be searched"),
        (
            {"batch_size": 1, "finetune": {"from": "all", "batch_norm": "train"}},
            "a batch norm needs two images",
        ),
        ({"mode": "scratch", "finetune": {}}, "write `weights: random`"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    training: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = {"weights": "imagenet"} if training.get("mode") == "scratch" else {}
    with pytest.raises(UserError, match=message):
        _config(tmp_path, training, model=model)


def test_rates_and_regularisation_of_a_network_can_be_searched(tmp_path: Path) -> None:
    ranges = {
        "weight_decay": {"min": 1e-4, "max": 0.1, "sampling": "log"},
        "label_smoothing": {"min": 0.0, "max": 0.2},
        "mixup": [0.0, 0.4],
        "cutmix": [0.0, 1.0],
        "finetune": {"from": "block7a", "learning_rate": {"min": 1e-5, "max": 1e-3, "sampling": "log"}},
    }
    config = _config(tmp_path, ranges, model={"head_units": 8, "dropout": {"min": 0.0, "max": 0.5}})
    searched = Space.of(config)
    assert {name for name, part in searched.section_of.items() if part != "augmentation"} == {
        *("weight_decay", "label_smoothing", "mixup", "cutmix", "finetune.learning_rate", "dropout")
    }
    last = searched.corners()[1]
    assert (last.training.finetune.learning_rate, last.model.dropout) == (1e-3, 0.5)
    assert last.training.weight_decay == 0.1
    assert (last.training.label_smoothing, last.training.mixup, last.training.cutmix) == (0.2, 0.4, 1.0)


@pytest.mark.slow
def test_a_search_goes_on_without_a_trial_whose_learning_rate_diverges(tmp_path: Path) -> None:
    from search.driver.session import SessionOptions, run_search

    network = {"backbone": "small-cnn", "weights": "random", "head_units": 8, "learning_rate": [1e-3, 10.0]}
    training = {"mode": "scratch", "max_epochs": 30, "patience": 1, "weight_decay": 1.0, "batch_size": 16}
    sections: dict[str, Any] = {"model": network, "search": {"algorithm": "grid", "trials": 4}}
    data = {"source": "digits", "image_size": 16, "limit_per_class": 20}
    config = parse_config(
        {**_config(tmp_path).filled, **sections, "training": training, "dataset": data}, "test"
    )
    found = run_search(config, tmp_path / "run", options=SessionOptions(inline=True))
    assert found.outcome == "finished", found.reason
    trials = {r.settings["learning_rate"]: r.result for r in found.state.records if r.kind == "trial"}
    assert trials[1e-3] is not None
    assert trials[1e-3].status == "completed"
    assert trials[10.0] is not None
    assert "lower model.learning_rate" in str(trials[10.0].error)


def test_a_layer_that_does_not_exist_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    config = _config(tmp_path, {"finetune": {"from": "blok7a"}})
    with pytest.raises(UserError, match=r"no layer or block 'blok7a'.*block7a"):
        prepare(config, resources_of(config, tmp_path))
