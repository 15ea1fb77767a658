"""Fine-tuning in whole searches: halving over epochs, the model it leaves, and settings that are
refused before anything is spent."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetuning import finetune_config

from data.errors import UserError
from search.driver.experiment_file import parse_config
from search.driver.prepare import prepare, resources_of


@pytest.fixture(scope="module")
def finetuned_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search by halving over epochs, with a final model."""
    from search.driver.session import SessionOptions, run_search

    folder = tmp_path_factory.mktemp("search")
    halving = {"algorithm": "halving", "trials": 2, "min_views": 1, "reduction": 2}
    augmentation = {"rotation_range": [0, 10, 20]}  # two settings, beside none
    config = finetune_config(folder, search=halving, augmentation=augmentation)
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
    from search.verification.verification_text import describe_verification
    from search.verification.verify import verify

    found = verify(finetuned_run, trial=0)
    assert found.same, describe_verification(found)
    assert found.apart is not None
    assert found.apart.words == "no number differs"


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"finetune": {}}, "needs training.finetune.from"),
        ({"finetune": {"from": "last: 0"}}, "leaves no layer to train"),
        ({"finetune": {"from": {"last": 0}}}, "leaves no layer to train"),
        (
            {"mode": "frozen", "mixup": {"min": 0, "max": 1}},
            "mixes images, and training.mode frozen",
        ),
        (
            {"mode": ["frozen", "finetune"]},
            r"training\.mode: .*cannot be searched: modes are compared by a search each",
        ),
        (
            {"batch_size": 1, "finetune": {"from": "all", "batch_norm": "train"}},
            "a batch norm needs two images",
        ),
        (
            {"mode": "scratch", "finetune": {}},
            r"write `model: \{weights: random\}`.*\{backbone: small-cnn, weights: random\}",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    training: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = {"weights": "imagenet"} if training.get("mode") == "scratch" else {}
    with pytest.raises(UserError, match=message):
        finetune_config(tmp_path, training, model=model)


def test_rates_and_regularisation_of_a_network_can_be_searched(tmp_path: Path) -> None:
    ranges = {
        "weight_decay": {"min": 1e-4, "max": 0.1, "sampling": "log"},
        "label_smoothing": {"min": 0.0, "max": 0.2},
        "mixup": [0.0, 0.4],
        "cutmix": [0.0, 1.0],
        "finetune": {
            "from": "block7a",
            "learning_rate": {"min": 1e-5, "max": 1e-3, "sampling": "log"},
        },
    }
    config = finetune_config(
        tmp_path, ranges, model={"head_units": 8, "dropout": {"min": 0.0, "max": 0.5}}
    )
    searched = config.space
    assert {name for name, part in searched.section_of.items() if part != "augmentation"} == {
        *("weight_decay", "label_smoothing", "mixup", "cutmix", "finetune.learning_rate", "dropout")
    }
    last = searched.corners()[1]
    assert (last.training.finetune.learning_rate, last.model.dropout) == (1e-3, 0.5)
    assert last.training.weight_decay == 0.1
    assert (last.training.label_smoothing, last.training.mixup, last.training.cutmix) == (
        0.2,
        0.4,
        1.0,
    )


@pytest.mark.slow
def test_a_search_goes_on_without_a_trial_whose_learning_rate_diverges(tmp_path: Path) -> None:
    from search.driver.session import SessionOptions, run_search

    network = {
        "backbone": "small-cnn",
        "weights": "random",
        "head_units": 8,
        "learning_rate": [1e-3, 10.0],
    }
    training = {
        "mode": "scratch",
        "max_epochs": 30,
        "patience": 1,
        "weight_decay": 1.0,
        "batch_size": 16,
    }
    sections: dict[str, Any] = {"model": network, "search": {"algorithm": "grid", "trials": 4}}
    data = {"source": "digits", "image_size": 16, "limit_per_class": 20}
    config = parse_config(
        {**finetune_config(tmp_path).filled, **sections, "training": training, "dataset": data},
        "test",
    )
    found = run_search(config, tmp_path / "run", options=SessionOptions(inline=True))
    assert found.outcome == "finished", found.reason
    trials = {
        r.settings["learning_rate"]: r.result for r in found.state.records if r.kind == "trial"
    }
    assert trials[1e-3] is not None
    assert trials[1e-3].status == "completed"
    assert trials[10.0] is not None
    assert "lower model.learning_rate" in str(trials[10.0].error)


def test_a_layer_that_does_not_exist_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    config = finetune_config(tmp_path, {"finetune": {"from": "blok7a"}})
    with pytest.raises(UserError, match=r"no layer or block 'blok7a'.*block7a"):
        prepare(config, resources_of(config, tmp_path))
