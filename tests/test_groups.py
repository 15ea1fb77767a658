"""Groups of images: who is in which, drawn splits that tear none, and what is refused."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import (
    arrays_config,
    csv_config,
    folder_config,
    listed,
    listing_refusal,
    opened,
    refusal,
    write_folders,
)
from pydantic import ValidationError
from sklearn.model_selection import StratifiedGroupKFold
from small_search import small_config

from data import group_pattern
from data.dataset import open_dataset
from data.errors import UserError
from data.group_pattern import groups_of_paths
from data.groups import deal_groups, draw_group_splits, first_of_group, joined
from data.settings import DatasetConfig, Split
from data.splits import TRAIN
from search.driver.prepare import prepare, resources_of
from search.experiment.config import ExperimentConfig
from search.experiment.trial import Protocol
from search.training.head_tasks import head_tasks, pool_rows


def _made_up(num_groups: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups: of 1 to 12 images, of two classes of five each."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(num_groups), rng.integers(1, 13, num_groups))
    pair = rng.integers(0, 5, (num_groups, 2))
    return pair[groups, rng.integers(0, 2, len(groups))], groups


@pytest.mark.parametrize("seed", range(5))
def test_a_drawn_split_tears_no_group_and_keeps_its_share_of_every_class(seed: int) -> None:
    labels, groups = _made_up(200, seed)
    declared = np.full(len(labels), TRAIN, np.int8)
    splits = draw_group_splits(labels, declared, Split(), seed, groups)
    for group in range(200):
        assert len(set(splits[groups == group])) == 1
    counts = np.array([np.bincount(labels[splits == split], minlength=5) for split in range(3)])
    shares = counts / counts.sum(axis=0)
    assert np.abs(shares - [[0.7], [0.15], [0.15]]).max() < 0.06
    assert np.array_equal(splits, draw_group_splits(labels, declared, Split(), seed, groups))
    assert not np.array_equal(splits, draw_group_splits(labels, declared, Split(), 99, groups))


def test_a_class_of_three_groups_is_in_all_three_splits() -> None:
    labels = np.repeat([0, 1], (90, 9))
    groups = np.concatenate([np.arange(30).repeat(3), 30 + np.arange(3).repeat(3)])
    bins = deal_groups(labels, groups, [0.7, 0.15, 0.15], 1)
    assert set(bins[labels == 1]) == {0, 1, 2}


def test_groups_that_share_copies_are_one() -> None:
    named = first_of_group(["a", "a", "b", "", "b", "c", ""])
    assert named.tolist() == [0, 0, 2, 3, 2, 5, 6]
    copies = np.array([0, 1, 1, 3, 4, 4, 3])
    assert joined(named, copies).tolist() == [0, 0, 0, 3, 0, 0, 3]


CSV = "path,label,patient\n" + "".join(
    f"{number:03d}.png,{'cat' if number % 2 else 'dog'},p{number // 4}\n" for number in range(40)
)


def test_a_csv_column_names_groups_that_stay_together(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 40})
    dataset = opened(csv_config(tmp_path, CSV, group_column="patient"), tmp_path / "cache")
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [number // 4 * 4 for number in range(40)]
    for group in np.unique(dataset.groups):
        assert len(set(dataset.splits[dataset.groups == group])) == 1
    assert dataset.notes.groups is not None
    assert dataset.notes.groups.count == 10
    assert "images of 10 groups resampled together, each in one split" in dataset.notes.lines()[0]
    plain = opened(csv_config(tmp_path, CSV), tmp_path / "cache")
    assert plain.groups is None
    assert plain.digest != dataset.digest


def test_a_missing_group_column_is_named(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 40})
    message = listing_refusal(csv_config(tmp_path, CSV, group_column="patients"))
    assert "no column 'patients' (dataset.group_column)" in message
    assert "did you mean 'patient'" in message


def test_an_image_without_a_group_stands_for_itself_and_is_counted(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 40})
    text = CSV.replace(",p0\n", ",\n")
    dataset = opened(csv_config(tmp_path, text, group_column="patient"), tmp_path / "cache")
    assert dataset.groups is not None
    assert dataset.groups[:4].tolist() == [0, 1, 2, 3]
    assert "4 images have none and stand alone" in dataset.notes.lines()[0]


def test_no_group_at_all_is_refused(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 2})
    text = "path,label,patient\n000.png,cat,\n001.png,dog,\n"
    assert "is empty for all images" in listing_refusal(
        csv_config(tmp_path, text, group_column="patient")
    )


def test_a_group_in_two_ready_made_splits_is_refused_by_name(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train/cat": 4, "train/dog": 4, "validation/cat": 1})
    write_folders(tmp_path, {"validation/dog": 1}, first=20)
    (tmp_path / "validation/dog/020.png").rename(tmp_path / "validation/dog/005_b.png")
    config = folder_config(tmp_path, group_pattern=r"/(\d+)(?:_b)?\.png$", on_bad_file="skip")
    assert refusal(config, tmp_path / "cache") == (
        "1 group is in several splits: '005' (train: train/dog/005.png, validation: "
        "validation/dog/005_b.png); move each into one, or remove the splits and let "
        "dataset.split draw them"
    )


def test_a_pattern_names_the_groups_of_a_folder(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 8, "dog": 8})
    for file in sorted(tmp_path.glob("*/*.png")):
        number = int(file.stem)
        file.rename(file.with_name(f"IMG_{number // 2}_{'ab'[number % 2]}.png"))
    dataset = opened(folder_config(tmp_path, group_pattern=r"IMG_(\d+)"), tmp_path / "cache")
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [number // 2 * 2 for number in range(16)]


def test_a_pattern_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 2, "dog": 2})
    message = listing_refusal(folder_config(tmp_path, group_pattern=r"photo(\d+)"))
    assert "is in none of the 4 paths" in message


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"IMG_(\d+", "missing )"),
        (r"IMG_\d+", "nothing in it stands in brackets; allowed: a regular expression"),
        (r"a)(?:(b)", "unexpected )"),
        (r"(?=x)(y)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        (r"(x{2000})", "invalid repetition size"),
        ("(a)" * 67, "200"),
    ],
)
def test_what_is_no_pattern_is_refused_before_an_image_is_read(pattern: str, reason: str) -> None:
    with pytest.raises(ValidationError, match="group_pattern") as caught:
        DatasetConfig(source="folder", path="x", group_pattern=pattern)
    assert reason in str(caught.value)


def test_no_pattern_takes_time_that_doubles_with_every_letter() -> None:
    start = time.perf_counter()
    assert set(groups_of_paths(r"((?:a|aa)+)+$b", ["a" * 200] * 100)) == {""}
    assert time.perf_counter() - start < 5


def test_a_pattern_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_pattern, "PATTERN_SECONDS", 0.0)
    with pytest.raises(UserError, match="takes more than"):
        groups_of_paths(r"(a)", ["a"])


def test_paths_of_any_bytes_have_groups() -> None:
    paths = ["train/\udcff/IMG_13.jpg", "a\nb/IMG_4.jpg", "é/IMG_5.jpg", "x"]
    assert groups_of_paths(r"IMG_(\d+)", paths) == ("13", "4", "5", "")


def _images(count: int) -> np.ndarray:
    return np.arange(count * 64, dtype=np.uint32).reshape(count, 8, 8).astype(np.uint8)


def test_arrays_name_groups_by_an_array_or_by_one_a_split(tmp_path: Path) -> None:
    labels = np.tile([0, 1], 10)
    config = arrays_config(tmp_path, images=_images(20), labels=labels, patient=np.arange(20) // 2)
    config = config.model_copy(update={"group_column": "patient"})
    assert listed(config).groups == tuple(str(number // 2) for number in range(20))
    named: dict[str, Any] = {"x_train": _images(4), "y_train": labels[:4]}
    named |= {"patient_train": np.array(["a", "a", "b", ""]), "x_val": _images(2)}
    named |= {"y_val": labels[:2], "val_patient": np.array(["c", "d"])}
    config = arrays_config(tmp_path, **named).model_copy(update={"group_column": "patient"})
    assert listed(config).groups == ("a", "a", "b", "", "c", "d")


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (np.arange(3), "one group an image"),
        (np.arange(20) / 2, "groups are whole numbers or text"),
        (np.arange(40).reshape(20, 2), "one group an image"),
    ],
)
def test_other_arrays_are_no_groups(tmp_path: Path, groups: np.ndarray, reason: str) -> None:
    config = arrays_config(
        tmp_path, images=_images(20), labels=np.tile([0, 1], 10), patient=groups
    ).model_copy(update={"group_column": "patient"})
    assert reason in listing_refusal(config)


@pytest.mark.parametrize(
    ("source", "key", "instead"),
    [
        ("folder", "group_column", "set dataset.group_pattern"),
        ("csv", "group_pattern", "set dataset.group_column"),
        ("digits", "group_column", "remove it"),
    ],
)
def test_a_source_takes_one_way_of_naming_groups(
    tmp_path: Path, source: str, key: str, instead: str
) -> None:
    path = None if source == "digits" else str(tmp_path)
    config = DatasetConfig(**{"source": source, "path": path, key: "(a)"})
    assert instead in listing_refusal(config)


def test_folds_are_as_even_as_scikit_learns_and_hold_every_class() -> None:
    labels, groups = _made_up(120)
    fold = deal_groups(labels, groups, [0.2] * 5, 3)
    theirs = np.empty(len(labels), int)
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=3)
    for number, (_, held_out) in enumerate(splitter.split(labels, labels, groups)):
        theirs[held_out] = number
    uneven = []
    for each in (fold, theirs):
        counts = np.array([np.bincount(labels[each == number], minlength=5) for number in range(5)])
        uneven.append((counts / counts.sum(axis=0)).std(axis=0).mean())
        assert counts.all()
    assert uneven[0] < 1.2 * uneven[1]
    for group in range(120):
        assert len(set(fold[groups == group])) == 1


def _grouped(root: Path, folds: int) -> ExperimentConfig:
    table = {"source": "csv", "path": str(root / "images.csv"), "group_column": "patient"}
    evaluation = {"folds": folds, "seeds": 1, "confirm": None}
    dataset = {**table, "image_size": 8}
    return small_config(root / "cache", dataset=dataset, evaluation=evaluation)


def test_a_group_meets_itself_in_no_head(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 40})
    csv_config(tmp_path, CSV)
    config = _grouped(tmp_path, 3)
    dataset = prepare(config, resources_of(config, tmp_path)).dataset
    protocol = Protocol(folds=3, fold_seed=1, head_seeds=(1,), view_seed=1, views=1)
    pool = pool_rows(dataset, protocol)
    tasks, _ = head_tasks(dataset, pool, protocol)
    assert dataset.groups is not None
    groups = dataset.groups[pool]
    for task in tasks:
        assert not set(groups[task.train]) & set(groups[task.validate])
        assert set(dataset.labels[pool[task.validate]]) == {0, 1}


def test_more_folds_than_groups_of_a_class_are_refused(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 40})
    csv_config(tmp_path, CSV)
    config = _grouped(tmp_path, 10)
    with pytest.raises(UserError, match=r"class 'cat' has \d groups outside the test split"):
        prepare(config, resources_of(config, tmp_path))


@pytest.mark.parametrize("missing", ["", "nan", "NaN", "None", "NA", "<NA>"])
def test_a_missing_group_is_none_and_is_counted(missing: str, tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 40})
    text = CSV.replace(",p0\n", f",{missing}\n")
    dataset = opened(csv_config(tmp_path, text, group_column="patient"), tmp_path / "cache")
    assert dataset.groups is not None
    assert dataset.groups[:8].tolist() == [0, 1, 2, 3, 4, 4, 4, 4]
    assert dataset.notes.groups is not None
    assert dataset.notes.groups.alone == 4


@pytest.mark.parametrize("name", ["p{0}", "p"])
def test_a_class_of_one_group_cannot_be_split_and_the_advice_is_of_groups(
    name: str, tmp_path: Path
) -> None:
    labels = np.arange(30) % 3
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    patients = np.array([name.format(label) for label in labels])
    np.savez(tmp_path / "a.npz", images=images, labels=labels, patient=patients)
    config = DatasetConfig(
        source="arrays",
        path=str(tmp_path / "a.npz"),
        image_size=8,
        split=Split(validation=0.2, test=0.2),
        group_column="patient",
    )
    with pytest.raises(UserError, match=r"drawn by whole groups.*name smaller groups") as refused:
        open_dataset(config, tmp_path / "cache", 0)
    assert "move some there" not in str(refused.value)
