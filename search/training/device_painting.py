"""The pictures of `data.views`, painted by TensorFlow where the network trains: a batch's one warp and its colours as one function.

The draws, and what they mean, are the processor's own. After each operation levels are rounded as there, so that a pixel is within
one level of the processor's after the first; what follows multiplies that as it multiplies levels, and adds one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from data import colour
from data.augmentations import AUGMENTATIONS, active
from data.geometry import Fill
from data.records import Settings
from data.views import Indices, Plan, planned_batches

Paint = Callable[[Any, Any], Any]  # levels float32 [b, s, s, 3], numbers float32 [b, p] -> levels


@dataclass(frozen=True)
class Painting:
    """Where pictures are painted. words: that, for the record of a trial; empty where there is no choice."""

    on_device: bool
    words: str


ON_PROCESSOR = Painting(False, "")


def painting_of(settings: Settings, sees_gpu: bool) -> Painting:
    """Where the pictures of an augmentation are painted: on the GPU, if there is one and it has all the operations."""
    names = active(settings)
    if not sees_gpu or not names:
        return ON_PROCESSOR
    wanting = [name for name in names if (paint := AUGMENTATIONS[name].paint) and paint not in PAINTS]
    if wanting:
        return Painting(False, f"; painted by the processor: {', '.join(wanting)} cannot be on a GPU")
    return Painting(True, "; painted on the GPU")


def device_batches(
    images: np.ndarray, indices: Indices, settings: Settings, seed: int, view: int, batch_size: int
) -> Iterator[Any]:
    """As `views.augmented_batches`, painted where TensorFlow places it: tensors uint8 [b, s, s, 3], which nobody waits for."""
    source = np.asarray(images)
    for picks, plan in planned_batches(images, indices, settings, seed, view, batch_size):
        yield paint(source[picks], plan)


def paint(pictures: np.ndarray, plan: Plan) -> Any:
    """The pictures uint8 [b, s, s, 3] as the plan has them, a tensor of the same kind."""
    fill = None if plan.matrices is None else plan.fill
    function = _function(fill, tuple(apply for apply, _ in plan.paints))
    return function(pictures, plan.matrices, [numbers.astype(np.float32) for _, numbers in plan.paints])


@lru_cache(maxsize=64)
def _function(fill: Fill | None, paints: tuple[Callable[..., None], ...]) -> Any:
    """Of one kind of plan. Never compiled by XLA, which has no warp."""
    import tensorflow as tf

    def transform(pictures: Any, matrices: Any, numbers: list[Any]) -> Any:
        levels = tf.cast(pictures, tf.float32)
        if fill is not None:
            levels = _warp(levels, matrices, fill)
        for apply, drawn in zip(paints, numbers, strict=True):
            levels = PAINTS[apply](levels, drawn)
        return tf.cast(levels, tf.uint8)

    return tf.function(transform, reduce_retracing=True)


def _warp(levels: Any, matrices: Any, fill: Fill) -> Any:
    """As `geometry.warp`. TensorFlow's own `constant` interpolates past the edge, and its `wrap` has another period than SciPy's:
    here the one is the nearest pixel with the fill put in, the other is gathered.
    """
    import tensorflow as tf

    size, flat = tf.shape(levels)[1], tf.reshape(matrices, [-1, 6])
    if fill.mode == "wrap":
        x, y = _places(flat, size)
        return tf.round(_gathered(levels, _wrapped(x, size), _wrapped(y, size), size))
    is_constant = fill.mode == "constant"
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=levels,
        transforms=tf.cast(tf.pad(flat, [[0, 0], [0, 2]]), tf.float32),
        output_shape=tf.stack([size, size]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST" if is_constant else fill.mode.upper(),
    )
    warped = tf.round(warped)
    if not is_constant:
        return warped
    last = tf.cast(size - 1, tf.float64)
    x, y = _places(flat, size)
    outside = (x < 0) | (x > last) | (y < 0) | (y > last)
    return tf.where(outside[..., None], float(fill.value), warped)


def _places(flat: Any, size: Any) -> tuple[Any, Any]:
    """Where each pixel is read, float64 [b, s, s] each, summed in the order of `geometry.source_coordinates`."""
    import tensorflow as tf

    steps = tf.range(tf.cast(size, tf.float64), dtype=tf.float64)
    rows, columns = steps[None, :, None], steps[None, None, :]
    entry = [flat[:, number, None, None] for number in range(6)]
    return (entry[2] + rows * entry[1]) + columns * entry[0], (entry[5] + rows * entry[4]) + columns * entry[
        3
    ]


def _wrapped(place: Any, size: Any) -> Any:
    """As `geometry` has it: with period size - 1."""
    import tensorflow as tf

    last = tf.cast(size - 1, tf.float64)
    from_below = place + last * (tf.floor(-place / last) + 1)
    from_above = place - last * tf.floor(place / last)
    return tf.where(place < 0, from_below, tf.where(place > last, from_above, place))


def _gathered(levels: Any, x: Any, y: Any, size: Any) -> Any:
    """Bilinear, at places within the image: [b, s, s, 3]."""
    import tensorflow as tf

    flat = tf.reshape(levels, [-1, size * size, 3])

    def read(rows: Any, columns: Any) -> Any:
        places = tf.minimum(rows, size - 1) * size + tf.minimum(columns, size - 1)
        return tf.gather(flat, places, batch_dims=1)

    left, top = tf.cast(tf.floor(x), tf.int32), tf.cast(tf.floor(y), tf.int32)
    across, down = (tf.cast(v - tf.floor(v), tf.float32)[..., None] for v in (x, y))
    above = (1 - across) * read(top, left) + across * read(top, left + 1)
    below = (1 - across) * read(top + 1, left) + across * read(top + 1, left + 1)
    return (1 - down) * above + down * below


def _shift_channels(levels: Any, drawn: Any) -> Any:
    import tensorflow as tf

    least, largest = (
        reduce(levels, axis=[1, 2, 3], keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max)
    )
    return tf.round(tf.clip_by_value(levels + _an_image(drawn), least, largest))


def _brighten(levels: Any, drawn: Any) -> Any:
    import tensorflow as tf

    return tf.floor(tf.clip_by_value(levels * _an_image(drawn), 0.0, 255.0))


def _change_contrast(levels: Any, drawn: Any) -> Any:
    import tensorflow as tf

    means = tf.reduce_mean(_luma(levels), axis=[1, 2], keepdims=True)
    return _rounded(means + _an_image(drawn) * (levels - means))


def _saturate(levels: Any, drawn: Any) -> Any:
    luma = _luma(levels)
    return _rounded(luma + _an_image(drawn) * (levels - luma))


def _cut_out(levels: Any, drawn: Any) -> Any:
    import tensorflow as tf

    places = tf.range(tf.cast(tf.shape(levels)[1], tf.float32))
    left, top, right, bottom = (drawn[:, number, None] for number in range(4))
    across, down = (places >= left) & (places < right), (places >= top) & (places < bottom)
    return tf.where((down[:, :, None] & across[:, None, :])[..., None], float(colour.MID_GREY), levels)


def _an_image(drawn: Any) -> Any:
    """The first number of each image, [b, 1, 1, 1]."""
    return drawn[:, 0, None, None, None]


def _luma(levels: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_sum(levels * colour.LUMA.astype(np.float32), axis=-1, keepdims=True)


def _rounded(levels: Any) -> Any:
    import tensorflow as tf

    return tf.clip_by_value(tf.round(levels), 0.0, 255.0)


PAINTS: dict[Callable[..., None], Paint] = {
    colour.shift_channels: _shift_channels,
    colour.brighten: _brighten,
    colour.change_contrast: _change_contrast,
    colour.saturate: _saturate,
    colour.cut_out: _cut_out,
}
