"""Nobody gets an augmented validation image by mistake: every public door to one is tried here."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from data.dataset import TEST, TRAIN, VALIDATION, Dataset, open_dataset
from data.errors import UserError
from data.settings import DatasetConfig
from data.views import clean_batches
from run_search import app
from search.driver.experiment_file import parse_config
from search.driver.prepare import prepare, resources_of
from search.driver.specs import Epochs, SpecFactory
from search.experiment.controls import CONTROLS, NONE
from search.experiment.settings import Settings
from search.experiment.trial import TrialSpec
from search.features.store import FeatureStore
from search.guests.guest import Guest
from search.guests.leak import leaked_spec
from search.guests.table import GUESTS
from search.training.pictures import CleanPictures
from search.training.run_trial import train_spec
from search.training.training_mode import load_trial

HEAVY = {"rotation_range": 90, "zoom_range": 0.3, "vertical_flip": True}
EXPERIMENT: dict[str, Any] = {
    "name": "doors",
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {"rotation_range": [0, 90], "vertical_flip": [False, True]},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 8},
    "training": {"max_epochs": 2, "batch_size": 256, "views": 2},
    "evaluation": {"folds": 1, "seeds": 1},
}


def _factory(cache: Path) -> SpecFactory:
    config = parse_config({**EXPERIMENT, "execution": {"cache_dir": str(cache)}}, "test")
    return prepare(config, resources_of(config, cache / "run")).specs


@pytest.mark.parametrize(
    "door",
    [
        *(clean_batches, FeatureStore.clean, open_dataset),
        *(CleanPictures, CleanPictures.batches, CleanPictures.features),
    ],
)
def test_the_clean_path_has_no_augmentation_argument(door: Any) -> None:
    names = set(inspect.signature(door).parameters)
    assert not {
        name for name in names if "augment" in name or name in ("settings", "view", "policy")
    }


def test_an_opened_dataset_holds_the_same_pixels_whatever_is_searched(cache: Path) -> None:
    config = DatasetConfig(source="digits", image_size=8)
    first, second = (open_dataset(config, cache, seed=1) for _ in range(2))
    for split in (VALIDATION, TEST):
        np.testing.assert_array_equal(_pixels(first, split), _pixels(second, split))


def _pixels(dataset: Dataset, split: int) -> np.ndarray:
    return np.asarray(dataset.images[dataset.indices(split)])


def test_a_dataset_section_takes_no_augmentation(cache: Path) -> None:
    dataset = {"source": "digits", "image_size": 8, "rotation_range": 90}
    with pytest.raises(UserError, match="rotation_range: unknown key"):
        parse_config({**EXPERIMENT, "dataset": dataset}, "test")


@pytest.mark.parametrize("section", ["training", "evaluation", "search", "execution"])
def test_an_experiment_file_cannot_ask_for_the_leak(section: str) -> None:
    with pytest.raises(UserError, match="leak: unknown key"):
        parse_config({**EXPERIMENT, section: {**EXPERIMENT.get(section, {}), "leak": True}}, "test")


def test_no_phase_of_a_search_makes_a_leaking_spec(cache: Path) -> None:
    factory = _factory(cache)
    settings = factory.control(HEAVY)
    specs = [
        factory.baseline(),
        factory.search("trial", "x", settings),
        factory.confirm("confirm", "x", settings),
        factory.final("x", settings, Epochs(3)),
        *(
            factory.search("control", label, factory.control(each.augmentation))
            for label, each in CONTROLS.items()
        ),
    ]
    resources = resources_of(factory.config, cache / "run")
    assert not any(spec.demo for spec in specs)
    assert {type(load_trial(spec, resources).scored) for spec in specs} == {CleanPictures}


@pytest.mark.parametrize("folds", [1, 3])
def test_a_heavily_augmented_trial_is_scored_on_the_features_of_the_clean_images(
    cache: Path, folds: int
) -> None:
    factory = _factory(cache)
    resources = resources_of(factory.config, cache / "run")

    def validation_hash(settings: Settings) -> tuple[str, str] | None:
        spec = factory.search("trial", "x", settings)
        spec = spec.model_copy(
            update={"protocol": spec.protocol.model_copy(update={"folds": folds})}
        )
        return train_spec(spec, resources).result.validation_hash

    clean, heavy = validation_hash(factory.control({})), validation_hash(factory.control(HEAVY))
    assert clean is not None
    assert clean == heavy
    assert clean[0] == clean[1]


def test_images_that_are_only_scored_are_never_augmented(cache: Path) -> None:
    factory = _factory(cache)
    resources = resources_of(factory.config, cache / "run")
    train_spec(factory.baseline(), resources)  # clean features of all images
    spec = factory.search("trial", "x", factory.control({"rotation_range": 45}))
    timing = train_spec(spec, resources).result.timing
    dataset = open_dataset(DatasetConfig(source="digits", image_size=8), cache, factory.config.seed)
    assert timing is not None
    assert timing.images_extracted == 2 * len(dataset.indices(TRAIN))


def test_the_deliberate_leak_is_seen_in_the_hash(cache: Path) -> None:
    factory = _factory(cache)
    resources = resources_of(factory.config, cache / "run")
    spec: TrialSpec = factory.search("trial", NONE, factory.control(HEAVY))
    clean = train_spec(spec, resources).result.validation_hash
    augmented = train_spec(leaked_spec(spec), resources).result.validation_hash
    assert clean != augmented


@pytest.mark.parametrize("guest", GUESTS.values(), ids=list(GUESTS))
def test_a_guest_is_asked_for_by_its_option(guest: Guest[Any]) -> None:
    assert guest.option in CliRunner().invoke(app, ["run", "--help"]).stdout


def test_the_search_knows_of_the_leak_by_its_record_alone() -> None:
    """Beside its own module and the option that asks for it: the table of guests, and the kind of
    its trials."""
    root = Path(__file__).parent.parent
    files = [*(root / "search").rglob("*.py"), *(root / "search").rglob("*.j2")]
    knowing = {
        path.relative_to(root / "search").as_posix()
        for path in files
        if "leak" in path.read_text().lower()
    }
    own = {"guests/leak.py"}
    option = {"commands/command_line.py", "commands/all_commands.py"}
    assert knowing - own - option == {"guests/table.py", "experiment/kinds.py"}
