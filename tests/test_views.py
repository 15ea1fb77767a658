"""Views: the same pictures whatever the threads, batches and order; clean ones untouched; a bounded
pool."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.errors import UserError
from data.geometry import Fill
from data.views import (
    BATCHES_AHEAD,
    CHUNK,
    Painting,
    PicturePlan,
    augment,
    augmented_batches,
    clean_batches,
    painted_ahead,
)

Images = NDArray[np.uint8]
SEED, VIEW = 21, 5
MOVES = {"rotation_range": 30, "width_shift_range": 0.1, "zoom_range": 0.2, "horizontal_flip": True}
COLOURS = {
    "channel_shift_range": 30,
    "brightness_range": [0.6, 1.4],
    "contrast_range": [0.5, 1.5],
    "cutout": 0.3,
}
POLICY = {"policy": "rand_augment", "policy_ops": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "moves": MOVES,
    "colours": {**COLOURS, "saturation_range": [0, 2]},
    "policy": POLICY,
    "everything, constant": {**MOVES, **COLOURS, **POLICY, "fill_mode": "constant", "cval": 9},
    "everything, wrap": {**MOVES, **COLOURS, **POLICY, "fill_mode": "wrap"},
}
EVERY = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(4).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)


def batches(
    images: Images, settings: dict[str, Any], size: int = 8, threads: int = 2, **more: Any
) -> Images:
    indices = more.pop("indices", range(len(images)))
    return np.concatenate(
        list(
            augmented_batches(
                images, indices, settings, SEED, VIEW, Painting(size, threads), **more
            )
        )
    )


def threads_of_the_pool() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("paint")}


@EVERY
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(
    images: Images, settings: dict[str, Any], threads: int
) -> None:
    expected = augment(images, range(40), settings, SEED, VIEW)
    np.testing.assert_array_equal(batches(images, settings, threads=threads), expected)


@EVERY
@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_the_size_of_batches_changes_nothing(
    images: Images, settings: dict[str, Any], size: int
) -> None:
    expected = augment(images, range(40), settings, SEED, VIEW)
    np.testing.assert_array_equal(batches(images, settings, size=size), expected)


@EVERY
def test_the_order_and_repetition_of_indices_change_nothing(
    images: Images, settings: dict[str, Any]
) -> None:
    picks = [39, 12, 0, 12, 5]
    expected = augment(images, range(40), settings, SEED, VIEW)[picks]
    np.testing.assert_array_equal(batches(images, settings, size=2, indices=picks), expected)


@EVERY
def test_view_5_of_image_12_can_be_drawn_alone(images: Images, settings: dict[str, Any]) -> None:
    expected = augment(images, range(40), settings, SEED, 5)[12]
    np.testing.assert_array_equal(augment(images, [12], settings, SEED, 5)[0], expected)


@EVERY
def test_each_view_and_seed_is_another_picture(images: Images, settings: dict[str, Any]) -> None:
    one = augment(images, range(40), settings, SEED, 0)
    assert (one != augment(images, range(40), settings, SEED, 1)).any(axis=(1, 2, 3)).mean() > 0.7
    assert (one != augment(images, range(40), settings, SEED + 1, 0)).any(
        axis=(1, 2, 3)
    ).mean() > 0.7


@EVERY
def test_images_are_read_and_never_written(
    images: Images, settings: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "images.npy"
    np.save(file, images)
    mapped = np.load(file, mmap_mode="r")
    painted = np.concatenate(
        list(augmented_batches(mapped, range(40), settings, SEED, VIEW, Painting(16)))
    )
    np.testing.assert_array_equal(painted, augment(images, range(40), settings, SEED, VIEW))
    np.testing.assert_array_equal(np.load(file), images)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rotation_range": 0, "zoom_range": [1, 1]},
        {"width_shift_range": 1, "fill_mode": "wrap"},
    ],
    ids=str,
)
def test_where_nothing_is_active_views_are_the_clean_images(
    images: Images, settings: dict[str, Any]
) -> None:
    np.testing.assert_array_equal(batches(images, settings), images)
    np.testing.assert_array_equal(augment(images, range(40), settings, SEED, VIEW), images)


def test_clean_batches_are_the_images_in_order(images: Images) -> None:
    found = list(clean_batches(images, [3, 1, 2, 1, 0], 2))
    assert [len(batch) for batch in found] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(found), images[[3, 1, 2, 1, 0]])


def test_a_clean_batch_is_a_copy(images: Images) -> None:
    batch = next(clean_batches(images, range(4), 4))
    batch[:] = 0
    assert images[:4].any()


def test_no_indices_no_batches(images: Images) -> None:
    assert list(clean_batches(images, [], 4)) == []
    assert list(augmented_batches(images, [], MOVES, SEED, VIEW, Painting(4))) == []
    assert augment(images, [], MOVES, SEED, VIEW).shape == (0, 32, 32, 3)


def test_more_images_than_are_drawn_at_once() -> None:
    images = np.random.default_rng(0).integers(0, 256, (CHUNK + 50, 8, 8, 3), dtype=np.uint8)
    settings = {"rotation_range": 90, "brightness_range": [0.5, 1.5]}
    expected = augment(images, range(CHUNK - 20, CHUNK + 50), settings, SEED, VIEW)
    np.testing.assert_array_equal(batches(images, settings, size=333)[CHUNK - 20 :], expected)


def test_brightness_follows_the_warp_and_the_flip(images: Images) -> None:
    flipped = augment(images, range(40), {"horizontal_flip": True}, SEED, VIEW)
    both = augment(
        images, range(40), {"horizontal_flip": True, "brightness_range": [2, 2]}, SEED, VIEW
    )
    np.testing.assert_array_equal(both, np.clip(flipped.astype(int) * 2, 0, 255))


def test_contrast_multiplies_the_distance_from_the_mean_luma(images: Images) -> None:
    pale = augment(images, [0], {"contrast_range": [0.5, 0.5]}, SEED, VIEW)[0].astype(float)
    luma = images[0].reshape(-1, 3).mean(axis=0) @ [0.299, 0.587, 0.114]
    assert np.abs(pale - (luma + images[0]) / 2).max() <= 0.5 + 1e-9


def test_saturation_of_zero_is_grey_and_keeps_luma(images: Images) -> None:
    grey = augment(images, [0], {"saturation_range": [0, 0]}, SEED, VIEW)[0].astype(float)
    assert (grey[..., 0] == grey[..., 1]).all()
    luma = images[0] @ np.array([0.299, 0.587, 0.114])
    # Half a level of rounding, and three weights held to 1/1024: 3 * 255 / 2048.
    assert np.abs(grey[..., 2] - luma).max() <= 0.5 + 0.38


def test_cutout_is_a_grey_square_cut_off_at_the_border(images: Images) -> None:
    painted = augment(images, range(40), {"cutout": 0.25}, SEED, VIEW)
    for before, after in zip(images, painted, strict=True):
        rows, columns = np.nonzero((after != before).any(axis=2))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height <= 8
        assert width <= 8
        assert (after[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == 127).all()


# The pool.


def counted_jobs(seen: list[int], number: int) -> Iterator[tuple[NDArray[np.int64], PicturePlan]]:
    for job in range(number):
        seen.append(job)
        yield np.array([job]), PicturePlan(None, Fill(), ())


@pytest.mark.parametrize("threads", [1, 3])
def test_only_so_many_batches_are_painted_before_they_are_asked_for(
    images: Images, threads: int
) -> None:
    seen: list[int] = []
    reader = painted_ahead(images, counted_jobs(seen, 40), threads)
    for taken in range(1, 6):
        next(reader)
        assert len(seen) == taken + BATCHES_AHEAD * threads
    reader.close()  # type: ignore[attr-defined]


def test_a_reader_that_goes_away_leaves_no_thread(images: Images) -> None:
    before = threads_of_the_pool()  # of readers that an earlier test let lie
    reader = augmented_batches(images, range(40), MOVES, SEED, VIEW, Painting(2))
    next(reader)
    assert threads_of_the_pool() - before
    reader.close()  # type: ignore[attr-defined]
    assert not threads_of_the_pool() - before


def test_a_reader_that_goes_away_has_nothing_more_painted(images: Images) -> None:
    painted: list[float] = []

    def slow(batch: Images, numbers: NDArray[np.float64]) -> None:
        painted.append(float(numbers[0, 0]))
        time.sleep(0.05)

    jobs = (
        (np.array([0]), PicturePlan(None, Fill(), ((slow, np.full((1, 1), job)),)))
        for job in range(10)
    )
    reader = painted_ahead(images, jobs, 1)
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert painted == [0, 1]  # the second had begun


def test_batches_come_in_order_when_the_first_is_the_slowest(images: Images) -> None:
    def slow(batch: Images, numbers: NDArray[np.float64]) -> None:
        time.sleep(float(numbers[0, 0]))

    jobs = [
        (np.array([i]), PicturePlan(None, Fill(), ((slow, np.array([[0.05 if i == 0 else 0.0]])),)))
        for i in range(6)
    ]
    np.testing.assert_array_equal(
        np.concatenate(list(painted_ahead(images, iter(jobs), 3))), images[:6]
    )


def test_what_fails_in_a_thread_is_raised_to_the_reader(images: Images) -> None:
    def broken(batch: Images, numbers: NDArray[np.float64]) -> None:
        raise RuntimeError("broken paint")

    before = threads_of_the_pool()
    plan = PicturePlan(None, Fill(), ((broken, np.zeros((1, 1))),))
    with pytest.raises(RuntimeError, match="broken paint"):
        list(painted_ahead(images, iter([(np.array([0]), plan)]), 2))
    assert not threads_of_the_pool() - before


# What is refused, before any batch is asked for.


def test_a_setting_that_is_not_allowed_is_refused_at_once(images: Images) -> None:
    with pytest.raises(UserError, match="rotation_range"):
        augmented_batches(images, range(4), {"rotation_range": -3}, SEED, VIEW, Painting(4))


@pytest.mark.parametrize("indices", [[40], [-1], [[0, 1]]], ids=str)
def test_indices_outside_the_images_are_refused_at_once(images: Images, indices: Any) -> None:
    for refuse in (
        lambda: clean_batches(images, indices, 4),
        lambda: augmented_batches(images, indices, MOVES, SEED, VIEW, Painting(4)),
        lambda: augment(images, indices, MOVES, SEED, VIEW),
    ):
        with pytest.raises(ValueError, match="indices"):
            refuse()


@pytest.mark.parametrize(("size", "threads"), [(0, 2), (4, 0)])
def test_no_batch_and_no_thread_are_refused(images: Images, size: int, threads: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        augmented_batches(images, range(4), MOVES, SEED, VIEW, Painting(size, threads))


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 8, 9, 3), (4, 8, 8, 1)])
def test_images_of_another_form_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        augment(np.zeros(shape, np.uint8), [0], MOVES, SEED, VIEW)


def test_the_clean_path_has_no_door_for_an_augmentation() -> None:
    import inspect

    assert list(inspect.signature(clean_batches).parameters) == ["images", "indices", "batch_size"]
