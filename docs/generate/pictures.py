"""Pictures of the documentation, made by the code they explain: augmentations at three strengths, luck, intervals."""

from typing import Any

import numpy as np

from data.augmentations import AUGMENTATIONS
from data.extremes import augment_to, extremes
from data.views import augment
from search.report.contact_sheet import Column, draw_sheet
from search.report.figure_style import BLUE, GREY, INK, RED, Row, draw_rows, new_figure, styled, to_svg

SIDE = 160
STRENGTHS = {
    "rotation_range": (10, 30, 90),
    "width_shift_range": (0.05, 0.1, 0.3),
    "height_shift_range": (0.05, 0.1, 0.3),
    "shear_range": (5, 15, 45),
    "zoom_range": (0.1, 0.3, 0.5),
    "horizontal_flip": (True,),
    "vertical_flip": (True,),
    "channel_shift_range": (10, 40, 100),
    "brightness_range": ([0.9, 1.1], [0.7, 1.3], [0.3, 1.7]),
    "contrast_range": ([0.9, 1.1], [0.7, 1.3], [0.3, 1.7]),
    "saturation_range": ([0.8, 1.2], [0.5, 1.5], [0.0, 3.0]),
    "policy": ("trivial_augment_wide", "rand_augment"),
    "cutout": (0.1, 0.25, 0.5),
    "fill_mode": ("nearest", "reflect", "wrap"),
    "cval": (0, 127, 255),
    "policy_ops": (1, 2, 4),
    "policy_magnitude": (5, 10, 25),
}
SEED = 4


def photograph() -> np.ndarray:
    """uint8 [1, s, s, 3], scikit-learn's china.jpg: it has straight lines, a sky, and a right way up."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    picture = Image.fromarray(load_sample_image("china.jpg"))
    square = picture.crop((170, 0, 597, 427)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(square)[None]


def augmentation_sheet(name: str) -> bytes:
    """A PNG: the photograph clean, and at the two ends of each strength, or a few draws where there are no ends."""
    image = photograph()
    columns = [Column("clean", "", image)]
    for value in STRENGTHS[name]:
        columns += _columns(name, value, image)
    return draw_sheet([columns], ["example"], tile=SIDE)


def _columns(name: str, value: object, image: np.ndarray) -> list[Column]:
    settings = {name: value}
    if AUGMENTATIONS[name].kind == "option":
        shows: dict[str, Any] = (
            {"policy": "rand_augment"} if name.startswith("policy") else {"rotation_range": 40}
        )
        shows |= {"fill_mode": "constant"} if name == "cval" else {}
        return [Column(name, str(value), augment(image, [0], {**shows, **settings}, SEED, 0))]
    if name == "policy":
        drawn = [augment(image, [0], settings, SEED, view) for view in range(2)]
        return [Column(str(value), f"draw {number}", each) for number, each in enumerate(drawn, 1)]
    return [
        Column(name, end.label.removeprefix(name).strip(), augment_to(image, [0], end))
        for end in extremes(name, value)[:2]
    ]


def luck_picture(num_images: int = 341, accuracy: float = 0.84, num_trials: int = 30) -> bytes:
    """An SVG: what the best of many trials that do not differ at all shows above the truth, on one validation split.

    Each trial's number of right answers is binomial: the noise of the images alone, without that of training.
    """
    rng = np.random.default_rng(SEED)
    best = rng.binomial(num_images, accuracy, (20_000, num_trials)).max(axis=1) / num_images
    gain = 100 * (best - accuracy)
    with styled():
        figure = new_figure(7.2, 2.6)
        axes = figure.add_subplot()
        axes.hist(gain, bins=np.arange(0, 9, 100 / num_images) - 50 / num_images, color=BLUE)
        axes.axvline(gain.mean(), color=INK, linewidth=1.2)
        axes.annotate(f"on average +{gain.mean():.1f}", (gain.mean() + 0.1, axes.get_ylim()[1] * 0.9))
        axes.set_xlabel(f"points by which the best of {num_trials} equal trials beats the truth")
        axes.set_yticks([])
    return to_svg(figure)


def interval_picture() -> bytes:
    """An SVG: three made-up effects and how each is read."""
    rows = [
        Row("HELPS", 1.5, 0.6, 2.4, BLUE, "^"),
        Row("NO EVIDENCE", 0.5, -0.6, 1.6, GREY, "o"),
        Row("HURTS", -2.0, -2.9, -1.1, RED, "v"),
    ]
    with styled():
        figure = new_figure(7.2, 1.8)
        axes = figure.add_subplot()
        draw_rows(axes, rows)
        axes.set_xlabel("points of accuracy against no augmentation, with 95 % intervals")
    return to_svg(figure)
