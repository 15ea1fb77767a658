"""The course's two exercises: their pictures are what they are said to be, so that the right answer
is known, and a search finds it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import listed, listing_refusal

from data.dataset import TEST, TRAIN, VALIDATION
from data.digits import ENLARGED, MARGIN, UNLIKE_THEIR_MIRROR
from data.listing import Listing
from data.settings import DatasetConfig, Split
from search.driver.experiment_file import load_config
from search.driver.session import SessionOptions, run_search
from search.report.view import SearchView

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def images_of(source: str) -> tuple[Listing, np.ndarray]:
    listing = listed(DatasetConfig(source=source))
    return listing, np.stack([listing.read(place) for place in range(len(listing.names))])


def test_digits_to_learn_from_are_upright_and_those_to_be_scored_are_turned() -> None:
    _, digits = images_of("digits")
    listing, turned = images_of("turned_digits")
    inside = slice(MARGIN * ENLARGED, -MARGIN * ENLARGED, ENLARGED)
    same = (turned[:, inside, inside, 0] == digits).all(axis=(1, 2))
    assert same[listing.splits == TRAIN].all()
    assert same[listing.splits != TRAIN].mean() < 0.01


def test_turning_cuts_nothing_off_a_digit() -> None:
    _, digits = images_of("digits")
    _, turned = images_of("turned_digits")
    ink = digits.sum(axis=(1, 2), dtype=np.int64) * ENLARGED**2
    found = turned[..., 0].sum(axis=(1, 2), dtype=np.int64)
    assert np.abs(found / ink - 1).max() < 0.02


def test_splits_of_turned_digits_are_fixed_and_alike_in_every_class() -> None:
    listing, _ = images_of("turned_digits")
    assert listing.draw is None
    for label in range(10):
        shares = (
            np.bincount(listing.splits[listing.labels == label], minlength=3)
            / (listing.labels == label).sum()
        )
        assert shares == pytest.approx([0.2, 0.5, 0.3], abs=0.02)
    split = Split(validation=0.5, test=0.2)
    refusal = listing_refusal(DatasetConfig(source="turned_digits", split=split))
    assert "turned_digits has its own validation and test" in refusal


def test_a_flip_makes_each_mirrored_digit_one_as_written() -> None:
    digits, written = images_of("digits")
    listing, images = images_of("mirrored_digits")
    assert listing.class_names == ("as written", "mirrored")
    kept = written[np.isin(digits.labels, UNLIKE_THEIR_MIRROR)]
    mirrored = listing.labels == 1
    assert np.array_equal(images[~mirrored], kept[~mirrored])
    assert np.array_equal(images[mirrored, :, ::-1], kept[mirrored])
    assert abs(mirrored.mean() - 0.5) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "augmentation", "verdict", "least"),
    [
        ("exercise-turned", "rotation_range", "HELPS", 0.05),
        ("exercise-mirrored", "horizontal_flip", "HURTS", -0.3),
    ],
)
@pytest.mark.parametrize("seed", [1, 7, 42])
def test_a_search_finds_the_answer_that_is_known(
    name: str, augmentation: str, verdict: str, least: float, seed: int, tmp_path: Path
) -> None:
    changes = [f"seed={seed}", "tracking.uri=null"]
    config = load_config(EXPERIMENTS / f"{name}.yaml", changes)
    state = run_search(config, tmp_path / name, None, SessionOptions(inline=True)).state
    found: Any = next(a for a in SearchView(state).augmentations if a.name == augmentation)
    assert found.verdict == verdict
    assert abs(found.measured.effect) > abs(least)


def test_their_searches_score_on_the_validation_digits_alone() -> None:
    """Folds would mix turned digits into those to learn from."""
    config = load_config(EXPERIMENTS / "exercise-turned.yaml")
    assert config.evaluation.folds == 1
    assert config.evaluation.controls == ()
    listing, _ = images_of("turned_digits")
    assert {TRAIN, VALIDATION, TEST} == set(listing.splits.tolist())
