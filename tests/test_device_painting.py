"""Pictures painted by TensorFlow, forced on without a GPU: the processor's within a level, or not at all and said."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data.augmentations import AUGMENTATIONS
from data.geometry import FILL_MODES
from data.views import augment
from search.training.batching import Batching
from search.training.device_painting import ON_PROCESSOR, Painting, device_batches, painting_of
from search.training.feeds import ImageFeed, Pictures
from search.training.mixing import Mixing, mix

SIZE, COUNT, SEED, VIEW = 40, 24, 21, 3
ON_GPU = Painting(True, "; painted on the GPU")
EACH: dict[str, Any] = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 20,
    "zoom_range": 0.3,
    "horizontal_flip": True,
    "vertical_flip": True,
    "channel_shift_range": 60,
    "brightness_range": [0.5, 1.5],
    "contrast_range": [0.5, 2.0],
    "saturation_range": [0.0, 2.0],
    "cutout": 0.4,
}
MOVES = {name: EACH[name] for name in list(EACH)[:7]}


def _images() -> np.ndarray:
    """Noise: neighbours as far apart as they can be, so that a wrong place shows."""
    return np.random.default_rng(4).integers(0, 256, (COUNT, SIZE, SIZE, 3), dtype=np.uint8)


def _painted(settings: dict[str, Any], batch_size: int = 8) -> np.ndarray:
    batches = device_batches(_images(), range(COUNT), settings, SEED, VIEW, batch_size)
    return np.concatenate([batch.numpy() for batch in batches])


def _apart(settings: dict[str, Any]) -> np.ndarray:
    """Levels between the two painters, of each channel of each pixel."""
    ours = _painted(settings)
    assert ours.dtype == np.uint8
    return np.abs(ours.astype(int) - augment(_images(), range(COUNT), settings, SEED, VIEW))


@pytest.mark.parametrize("name", EACH)
def test_each_operation_is_the_processor_s_within_a_level(name: str) -> None:
    assert not np.array_equal(_painted({name: EACH[name]}), _images())
    apart = _apart({name: EACH[name]})
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.05


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_every_fill_is_the_processor_s_within_a_level(fill_mode: str) -> None:
    apart = _apart({**MOVES, "fill_mode": fill_mode, "cval": 9 if fill_mode == "constant" else 0})
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.005


def test_in_a_row_each_operation_multiplies_what_those_before_it_differ_by() -> None:
    bound = 1.0
    for factor in (1.0, EACH["brightness_range"][1], EACH["contrast_range"][1], EACH["saturation_range"][1]):
        bound = bound * factor + 1
    apart = _apart({**EACH, "fill_mode": "reflect"})
    assert apart.max() <= bound
    assert apart.mean() < 0.5


@pytest.mark.parametrize("fill_mode", ["nearest", "constant"])
def test_a_shift_by_whole_pixels_is_the_processor_s_to_the_bit(fill_mode: str) -> None:
    assert not _apart({"width_shift_range": 9, "height_shift_range": 9, "fill_mode": fill_mode}).any()


def test_pictures_do_not_depend_on_their_batch() -> None:
    np.testing.assert_array_equal(_painted(EACH, batch_size=COUNT), _painted(EACH, batch_size=5))


def test_all_but_the_policies_can_be_painted_on_a_gpu() -> None:
    others = {name for name, record in AUGMENTATIONS.items() if record.kind != "option"} - set(EACH)
    assert others == {"policy"}
    assert painting_of(EACH, sees_gpu=True) == ON_GPU


@pytest.mark.parametrize("settings", [EACH, {}, {"policy": "trivial_augment_wide"}])
def test_without_a_gpu_the_processor_paints_and_nothing_is_said(settings: dict[str, Any]) -> None:
    assert painting_of(settings, sees_gpu=False) == ON_PROCESSOR


def test_where_nothing_is_augmented_there_is_nothing_to_say() -> None:
    assert painting_of({"rotation_range": 0}, sees_gpu=True) == ON_PROCESSOR


@pytest.mark.parametrize("policy", ["trivial_augment_wide", "rand_augment"])
def test_a_policy_stays_with_the_processor_which_is_said(policy: str) -> None:
    painting = painting_of({"policy": policy, "rotation_range": 20}, sees_gpu=True)
    assert painting == Painting(False, "; painted by the processor: policy cannot be on a GPU")


def _feed(painting: Painting) -> ImageFeed:
    dataset: Any = SimpleNamespace(images=_images())
    return ImageFeed(dataset, np.arange(4, COUNT), Pictures(EACH, SEED, "fresh"), 1, painting=painting)


def test_a_feed_gives_the_same_pictures_from_either_painter_and_clean_ones_clean() -> None:
    rows = np.array([7, 0, 13, 2, 9])
    here, there = (list(_feed(painting).batches(VIEW, rows, 2)) for painting in (ON_PROCESSOR, ON_GPU))
    assert [batch.shape for batch in there] == [batch.shape for batch in here]
    difference = np.concatenate(there).astype(float) - np.concatenate(here)
    assert np.abs(difference).mean() < 0.5
    clean = np.concatenate(list(_feed(ON_GPU).clean(rows, 2)))
    np.testing.assert_array_equal(clean, _images()[4:][rows])


def test_pictures_of_a_gpu_are_mixed_where_they_are() -> None:
    import tensorflow as tf

    images, positions = _images(), np.arange(COUNT)
    expected, shares = mix(images, positions, Mixing(1.0, 1.0), seed=7, epoch=2)
    mixed, same = mix(tf.constant(images), positions, Mixing(1.0, 1.0), seed=7, epoch=2)  # type: ignore[arg-type]
    assert isinstance(mixed, tf.Tensor)
    np.testing.assert_allclose(mixed, expected, atol=1e-4)
    np.testing.assert_array_equal(same, shares)


def test_batches_of_an_epoch_are_the_same_but_for_their_pixels() -> None:
    def epoch(painting: Painting) -> list:
        labels, positions = np.arange(COUNT - 4) % 3, np.arange(4, COUNT)
        batching = Batching(_feed(painting).batches, labels, positions, 3, 8, 5, 0.5, 0.1, Mixing(0.3, 0.0))
        return list(batching.epoch(np.arange(COUNT - 4), seed=1, epoch=2))

    for ours, theirs in zip(epoch(ON_GPU), epoch(ON_PROCESSOR), strict=True):
        for name in ("targets", "kept", "labels"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        assert np.abs(np.asarray(ours.inputs) - theirs.inputs).mean() < 0.5


@pytest.mark.slow
def test_a_trial_goes_all_of_a_gpu_s_way_but_for_its_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Painted by TensorFlow, in bfloat16, compiled by XLA; as on a machine with a card, which this one only believes it has."""
    from finetuning import scratch_spec

    from search.features import gpus
    from search.training.run_trial import run_trial
    from search.training.whole import network_of

    spec, resources = scratch_spec(tmp_path)
    training = spec.settings.training.model_copy(update={"max_epochs": 3})
    spec = spec.model_copy(update={"settings": spec.settings.model_copy(update={"training": training})})
    here = run_trial(spec, resources).result
    monkeypatch.setattr(gpus, "sees_gpu", lambda: True)
    monkeypatch.setattr(gpus, "compute_capability", lambda: (8, 0))
    network_of.cache_clear()
    try:
        there = run_trial(spec, resources.model_copy(update={"views_dir": tmp_path / "gpu" / "views"})).result
    finally:
        network_of.cache_clear()
    assert there.status == "completed", there.error
    assert (here.path, there.path) == (
        "whole network: every layer trains",
        "whole network: every layer trains; painted on the GPU",
    )
    assert there.validation_hash == here.validation_hash
    assert here.curve is not None
    assert there.curve is not None
    np.testing.assert_allclose(there.curve.loss, here.curve.loss, rtol=0.1)
