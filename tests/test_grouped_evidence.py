"""Groups in what is concluded: images of one are resampled together, and a whole search over groups
says so and can be verified."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictures import csv_config, write_folders
from small_search import EXPERIMENT, after, sit, small_config

from data.dataset import Dataset
from data.dataset_notes import DataNotes
from data.groups import grouped_by_name
from data.near_duplicates import look_grouped
from search.commands.check import make_plan
from search.commands.search_plan import describe_plan
from search.evidence.advice import KnownBaseline, advise
from search.evidence.evaluation import paired_effect
from search.evidence.floor import Flips, null_floor
from search.evidence.power import Plan
from search.evidence.scores import independent_images
from search.experiment.answers import Predictions, Truth
from search.verification.verify import verify

IMAGES = 400


def _pair(copies: int = 1) -> tuple[Predictions, Predictions, np.ndarray]:
    """A trial and its baseline, each image `copies` times and answered alike, in groups."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, IMAGES)
    fold = (np.arange(IMAGES) % 5).astype(np.int16)
    truth = Truth(np.repeat(labels, copies), np.repeat(np.arange(IMAGES), copies))
    pair = []
    for share in (0.9, 0.8):
        right = rng.random(IMAGES) < share  # whatever the seed
        given = np.where(np.tile(right, (3, 1)), labels, (labels + 1) % 3)
        answers = np.repeat(given, copies, axis=1).astype(np.int16)
        log_prob = np.full(answers.shape, -0.5, np.float32)
        images = np.arange(IMAGES * copies)
        pair.append(Predictions(images, answers, log_prob, np.repeat(fold, copies)).of(truth))
    return pair[0], pair[1], truth.labels


def _alone(predictions: Predictions) -> Predictions:
    return replace(predictions, groups=None)


def test_an_interval_is_as_wide_as_there_are_groups_however_many_images() -> None:
    better, worse, labels = _pair()
    once = paired_effect(_alone(better), _alone(worse), labels, "accuracy", 1)
    better, worse, labels = _pair(copies=4)
    grouped = paired_effect(better, worse, labels, "accuracy", 1)
    naive = paired_effect(_alone(better), _alone(worse), labels, "accuracy", 1)
    widths = [each.ci_high - each.ci_low for each in (once, grouped, naive)]
    assert grouped.delta == pytest.approx(once.delta)
    assert widths[1] == pytest.approx(widths[0], rel=0.1)
    assert widths[2] < 0.75 * widths[1]


def test_a_floor_flips_groups_whole() -> None:
    _, worse, labels = _pair()
    once = null_floor([(_pair()[0], worse)], _alone(worse), labels, "accuracy", Flips(1)).p95
    better, worse, labels = _pair(copies=4)
    grouped = null_floor([(better, worse)], worse, labels, "accuracy", Flips(1)).p95
    naive = null_floor([(better, worse)], _alone(worse), labels, "accuracy", Flips(1)).p95
    assert grouped == pytest.approx(once, rel=0.15)
    assert naive < 0.8 * grouped


def test_an_accuracy_of_groups_counts_them_as_one_image_each() -> None:
    better, _, labels = _pair(copies=4)
    assert independent_images(better, labels) == pytest.approx(IMAGES, rel=0.01)


def test_groups_that_are_answered_as_images_alone_count_as_many() -> None:
    better, _, labels = _pair()
    rng = np.random.default_rng(0)
    mixed = replace(better, groups=rng.integers(0, IMAGES // 4, IMAGES))
    assert independent_images(mixed, labels) > 0.75 * IMAGES
    assert independent_images(replace(better, groups=None), labels) == IMAGES
    assert independent_images(replace(better, groups=np.zeros(IMAGES, int)), labels) == 1


def test_a_plan_on_groups_sees_less_and_says_as_how_many_images_they_count() -> None:
    plain, grouped = (
        advise(Plan(2000, 5, 3, independent_share=share), KnownBaseline(0.85), "accuracy")
        for share in (1.0, 0.1)
    )
    assert plain.detectable_effect is not None
    assert grouped.detectable_effect is not None
    assert grouped.detectable_effect > 2 * plain.detectable_effect
    assert "on 2,000 images (as 200 if a group's are always answered alike) find" in grouped.text
    assert grouped.at_best == plain.detectable_effect
    assert "points at best and 2.77 points at worst" in grouped.found


def _named(names: list[str], seed: int = 0, classes: int = 2) -> Dataset:
    rng = np.random.default_rng(seed)
    labels = (np.arange(len(names)) % classes).astype(np.int32)
    images = rng.integers(0, 255, (len(names), 16, 16, 3), np.uint8)
    splits = np.zeros(len(names), np.int8)
    class_names = tuple("abcdefgh"[:classes])
    return Dataset(images, labels, splits, class_names, tuple(names), "digest", DataNotes())


@pytest.mark.parametrize(
    "name",
    ["cat/IMG_{group}_{member}.jpg", "x/p{group} ({number}).png", "p{group}-view{number}.png"],
)
def test_names_that_look_grouped_are_warned_of(name: str) -> None:
    names = [
        name.format(group=group, member="abc"[number], number=number)
        for group in range(100, 140)
        for number in range(3)
    ]
    (remark,) = grouped_by_name(names, 2)
    assert "40 groups of 120 images" in remark
    assert "dataset.group_pattern" in remark


@pytest.mark.parametrize(
    "name", ["cat/IMG_{:04d}.jpg", "cat/cardboard{}.jpg", "cat/cat.{}.jpg", "digit {:04d}"]
)
def test_names_that_only_count_are_not(name: str) -> None:
    assert grouped_by_name([name.format(number) for number in range(120)], 2) == ()


def test_a_name_a_class_is_no_group() -> None:
    names = [f"n0144076{number % 8}_{number}.JPEG" for number in range(200)]
    assert grouped_by_name(names, 8) == ()


def test_near_duplicates_are_warned_of() -> None:
    dataset = _named([str(number) for number in range(200)])
    images = dataset.images.copy()
    images[100:140] = np.clip(images[:40].astype(int) + 2, 0, 255)
    (remark,) = look_grouped(replace(dataset, images=images))
    assert remark.startswith("40% of the images look almost like another (0, 1, 2)")


def test_a_search_over_groups_by_macro_f1_is_stopped_resumed_said_and_verified(
    tmp_path: Path,
) -> None:
    write_folders(tmp_path, {".": 48})
    rows = [f"{n:03d}.png,{'cat' if n % 2 else 'dog'},p{n // 3}\n" for n in range(48)]
    csv_config(tmp_path, "path,label,patient\n" + "".join(rows))
    dataset = {"source": "csv", "path": str(tmp_path / "images.csv"), "image_size": 8}
    config = small_config(
        tmp_path / "cache",
        dataset={**dataset, "group_column": "patient"},
        evaluation={**EXPERIMENT["evaluation"], "objective": "macro_f1"},
    )
    plan = describe_plan(make_plan(config))
    assert "if a group's are always answered alike)" in plan
    stop, run = threading.Event(), tmp_path / "run"
    assert sit(config, run, after(4, stop.set), stop=stop).outcome == "stopped"
    assert sit(config, run).outcome == "finished"
    page = (run / "report.html").read_text()
    assert "images of 16 groups resampled together" in page
    assert "macro-F1 without augmentation" in page
    assert '"count":16' in (run / "journal.jsonl").read_text()
    assert verify(run).same
