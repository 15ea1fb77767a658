"""Pictures of the documentation, made by the code they explain: augmentations at three strengths,
luck, intervals, many of them together, curves."""

import io
from typing import Any

import numpy as np

from data.augmentations import AUGMENTATIONS, is_option
from data.extremes import augment_to, extremes
from data.views import augment
from search.evidence.claim_table import NEGLIGIBLE, AugmentationClaims
from search.evidence.floor import Flips, null_floor
from search.evidence.intervals import Contrasts, Intervals, simultaneous
from search.evidence.measurements import Luck, Measurements, Training, measure
from search.experiment.answers import Predictions
from search.report.contact_sheet import NAME_WIDTH, SheetColumn, draw_sheet
from search.report.figure_style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    RED,
    Row,
    draw_rows,
    new_figure,
    styled,
    to_svg,
)

SIDE = 120  # seven of them fill the column of a page
MOST_ENDS = 6  # beyond, draws show an augmentation better
SEED = 4
TYPICAL = 0  # a draw of equal trials whose best shows about what the best of them shows on average
LIKENESS = {"nothing in common": 0.0, "half in common": 0.5, "nine tenths in common": 0.9}
COUNTS = (1, 2, 3, 5, 7, 10, 14, 20)


def photograph() -> np.ndarray:
    """uint8 [1, s, s, 3], scikit-learn's china.jpg: it has straight lines, a sky, and a right way
    up."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    picture = Image.fromarray(load_sample_image("china.jpg"))
    square = picture.crop((170, 0, 597, 427)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(square)[None]


def augmentation_sheet(name: str) -> bytes:
    """A PNG: the photograph clean, and at the two ends of each strength, or a few draws where there
    are no ends."""
    image = photograph()
    columns = [SheetColumn("clean", "", image)]
    for value in AUGMENTATIONS[name].examples:
        columns += _columns(name, value, image)
    return _without_names(draw_sheet([columns], [""], tile=SIDE))


def _without_names(sheet: bytes) -> bytes:
    """The sheet without its column for names of rows: there is one row."""
    from PIL import Image

    with Image.open(io.BytesIO(sheet)) as picture:
        cut = picture.crop((NAME_WIDTH, 0, picture.width, picture.height))
    buffer = io.BytesIO()
    cut.save(buffer, "PNG")
    return buffer.getvalue()


def _columns(name: str, value: object, image: np.ndarray) -> list[SheetColumn]:
    settings = {**AUGMENTATIONS[name].shown_with, name: value}
    if is_option(name):
        return [SheetColumn(str(value), "", augment(image, [0], settings, SEED, 0))]
    ends = extremes(name, value)
    if len(ends) > MOST_ENDS:
        drawn = [augment(image, [0], settings, SEED, view) for view in range(2)]
        return [
            SheetColumn(str(value), f"draw {number}", each) for number, each in enumerate(drawn, 1)
        ]
    return [
        SheetColumn(end.label.removeprefix(name).strip(), "", augment_to(image, [0], end))
        for end in ends[:2]
    ]


def luck_picture(num_images: int = 341, num_trials: int = 30) -> bytes:
    """An SVG: what the best of many trials that do not differ at all shows above the truth, on one
    validation split."""
    rng = np.random.default_rng(SEED)
    right = difficulties(rng, (2000, num_images))
    best = np.stack(
        [(rng.random(right.shape) < right).mean(axis=1) for _ in range(num_trials)]
    ).max(axis=0)
    gain = 100 * (best - right.mean(axis=1))
    with styled():
        figure = new_figure(7.2, 2.6)
        axes = figure.add_subplot()
        axes.hist(gain, bins=[step / 4 for step in range(25)], color=BLUE)
        axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
        axes.axvline(gain.mean(), color=INK, linewidth=1.2)
        axes.annotate(
            f"on average +{gain.mean():.1f}", (gain.mean() + 0.1, axes.get_ylim()[1] * 0.9)
        )
        axes.set_xlabel(f"points by which the best of {num_trials} equal trials beats the truth")
        axes.set_yticks([])
    return to_svg(figure)


def difficulties(rng: np.random.Generator, shape: Any) -> np.ndarray:
    """How likely each image is to be answered rightly. On average 84 %, most nearly always or
    never.

    So drawn that equal trials on 341 images spread by 1.2 points, which is what other first weights
    did to a frozen backbone's head on the clothing photographs (0.6 to 1.2).
    """
    return rng.beta(0.483, 0.092, shape)


def interval_picture() -> bytes:
    """An SVG: four made-up effects and how each is read."""
    rows = [
        Row("HELPS", 1.5, 0.6, 2.4, BLUE, "^"),
        Row("NEGLIGIBLE", 0.1, -0.2, 0.4, INK, "s"),
        Row("NO EVIDENCE", 0.5, -0.6, 1.6, GREY, "o"),
        Row("HURTS", -2.0, -2.9, -1.1, RED, "v"),
    ]
    with styled():
        figure = new_figure(7.2, 2.2)
        axes = figure.add_subplot()
        axes.axvspan(-100 * NEGLIGIBLE, 100 * NEGLIGIBLE, color=ORANGE, alpha=0.16, linewidth=0)
        draw_rows(axes, rows)
        axes.set_xlabel("points of accuracy against no augmentation, with 95 % intervals")
    return to_svg(figure)


def together_picture() -> bytes:
    """An SVG: how many standard errors wide intervals must be for all of them to hold."""
    with styled():
        figure = new_figure(7.2, 2.8)
        axes = figure.add_subplot()
        for (name, shared), color in zip(LIKENESS.items(), (RED, PURPLE, BLUE), strict=True):
            critical = [effects_alike(count, shared).critical for count in COUNTS]
            axes.plot(COUNTS, critical, "o-", color=color, markersize=4)
            axes.annotate(name, (COUNTS[-1], critical[-1]), (6, -3), textcoords="offset points")
        axes.plot(COUNTS, [1.96] * len(COUNTS), color=GREEN, linestyle=(0, (4, 2)))
        axes.annotate("all but the same", (COUNTS[-1], 1.96), (6, -3), textcoords="offset points")
        axes.set_xlim(0, 28)
        axes.set_xticks([1, 5, 10, 15, 20])
        axes.set_ylim(1.8, 3.2)
        axes.set_xlabel("effects claimed together")
        axes.set_ylabel("standard errors")
    return to_svg(figure)


def effects_alike(count: int, shared: float) -> Intervals:
    """Of so many effects, each two with the correlation `shared`: what they are all compared with
    varies by as much of their variance. Many images, and heads without luck."""
    variances = np.array([shared, *[1 - shared] * count])
    nothing = np.zeros(count + 1)
    measured = Measurements(
        names=tuple(map(str, range(count + 1))),
        stages=("search",) * (count + 1),
        scores=nothing,
        image_cov=np.diag(variances),
        image_df=1e6,
        luck=Luck(nothing, nothing, nothing, nothing, nothing, 0.0),
        single=nothing,
        bounds=(-np.inf, np.inf),
    )
    weights = np.hstack([-np.ones((count, 1)), np.eye(count)])
    return simultaneous(measured, Contrasts(weights), SEED, num_draws=40_000)


def curve_picture() -> bytes:
    """An SVG: two curves of a made-up search whose truth is known, as a search claims them."""
    from benchmarks.made_up_searches import Plan, run
    from benchmarks.simulated_searches import WORLDS

    world = WORLDS["a peak of 2 points within, another at the edge"]
    claims = run(world, Plan(), SEED).claims
    said = {each.name: each for each in claims.augmentations}
    gains = {each.name: each.gain for each in world.augmentations}
    with styled():
        figure = new_figure(7.2, 2.8)
        for axes, name in zip(
            figure.subplots(1, 2, sharey=True), ("rotation", "zoom"), strict=True
        ):
            _draw_curve(axes, said[name])
            places = np.linspace(0, 1, 50)
            axes.plot(
                places,
                [100 * gains[name](place) for place in places],
                color=INK,
                linewidth=1,
                linestyle=(0, (4, 2)),
            )
            axes.set_title(name)
            axes.set_xlabel("strength, of the strongest searched")
        figure.axes[0].set_ylabel("points alone")
    return to_svg(figure)


def _draw_curve(axes: Any, said: AugmentationClaims) -> None:
    places = [point.value for point in said.curve]
    effects = [100 * point.measured.effect for point in said.curve]
    low, high = zip(*[point.measured.ci for point in said.curve], strict=True)
    if said.strengths:
        axes.axvspan(
            said.strengths.first, said.strengths.last, color=ORANGE, alpha=0.16, linewidth=0
        )
    axes.axhline(0, color=GREY, linewidth=1)
    axes.errorbar(
        places,
        effects,
        [
            [effect - 100 * each for effect, each in zip(effects, low, strict=True)],
            [100 * each - effect for effect, each in zip(effects, high, strict=True)],
        ],
        color=BLUE,
        marker="o",
        markersize=4,
    )


def floor_picture(num_trials: int = 12) -> bytes:
    """An SVG: the effects of trials that do not differ from no augmentation, as a search measures
    them, and its null floor."""
    baseline, *trials = equal_trials(1 + num_trials, TYPICAL)
    labels = np.zeros(len(baseline.images), int)
    pairs = [(trial, baseline) for trial in trials]
    floor = null_floor(pairs, baseline, labels, "accuracy", Flips(SEED))
    found = against_none([baseline, *trials], labels)
    spans = 100 * np.stack([found.effects, found.low, found.high], axis=1)
    spans = spans[np.argsort(-found.effects)]
    rows = [
        Row(f"equal trial {n}", effect, low, high, GREY)
        for n, (effect, low, high) in enumerate(spans.tolist(), 1)
    ]
    with styled():
        figure = new_figure(7.2, 3.4)
        axes = figure.add_subplot()
        draw_rows(axes, rows)
        axes.axvspan(0, 100 * floor.p95, color=ORANGE, alpha=0.16, linewidth=0, zorder=0)
        axes.axvline(100 * floor.p95, color=INK, linewidth=1.3, linestyle=(0, (4, 2)), zorder=1)
        axes.set_title(f"null floor {100 * floor.p95:.1f} points", loc="center")
        axes.set_xlabel("points of accuracy against no augmentation, with 95 % intervals")
    return to_svg(figure)


def against_none(trials: list[Predictions], labels: np.ndarray) -> Intervals:
    """Of all trials but the first, against the first, together."""
    trainings = [Training(str(n), "search", each) for n, each in enumerate(trials)]
    measured = measure(trainings, labels, "accuracy")
    weights = np.stack([measured.contrast(str(n), "0") for n in range(1, len(trials))])
    return simultaneous(measured, Contrasts(weights), SEED)


def equal_trials(
    count: int, seed: int, num_images: int = 1000, num_folds: int = 5, num_seeds: int = 3
) -> list[Predictions]:
    """Trials that answer alike but for chance: each image has one difficulty for all of them."""
    rng = np.random.default_rng(seed)
    right = difficulties(rng, num_images)
    images = np.arange(num_images)
    fold = (images % num_folds).astype(np.int16)
    answers = [(rng.random((num_seeds, num_images)) > right).astype(np.int16) for _ in range(count)]
    return [Predictions(images, each, np.zeros(each.shape, np.float32), fold) for each in answers]
