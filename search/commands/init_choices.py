"""What `init` chooses for the images that it finds, each with its reason: the size, the network,
what is searched, and plans from the richest to the smallest.

Chooses only; which plan fits the time, and the file, are `init`'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.dataset import TRAIN, VALIDATION, Dataset
from data.decode import quiet_pillow
from data.listing import Listing
from data.messages import plural
from data.moves import SHIFTS
from data.picture_file import UPRIGHT, open_picture
from data.settings import DatasetConfig
from search.driver.cut_checks import AMPLE
from search.experiment.controls import CONTROL_NAMES
from search.experiment.sections import USUAL
from search.experiment.settings import TrainingSettings
from search.features.backbones import NO_DOWNLOAD, OF_TINY

MOST_LOOKED_AT = 200  # pictures whose size is read; they are spread over the whole data set
TINY = 40  # pixels a side; below it a network that learnt from photographs sees next to nothing
LEAST_FROZEN = 64
NATIVE, USUAL_SIZE = 224, 150  # the backbone learnt at the first
USUAL_PATIENCE = TrainingSettings().patience
FEW, FEW_VALIDATION = 1000, 300
ONE_WAY, BOTH_WAYS, SQUARE = 0.9, 0.1, 1.1
ENOUGH_VIEWS = 16
TRIALS = "search.trials"
SIDEWAYS = {UPRIGHT[orientation] for orientation in (5, 6, 7, 8)}


WHY_SEARCHED = {
    "width_shift_range": "share of the side, either way",
    "height_shift_range": "share of the side, up and down",
    "zoom_range": "share; what is shown may be nearer or farther away",
    "brightness_range": "the light may differ; [1, 1] is off",
    "horizontal_flip": "a mirrored photograph mostly shows the same thing",
    "vertical_flip": "hurts where up and down matter; helps in pictures from above or of a "
    "microscope",
}


@dataclass(frozen=True)
class Chosen:
    """key: `section.setting`. value: as an experiment file has it."""

    key: str
    value: Any
    why: str


@dataclass(frozen=True)
class PlanStep:
    """One plan. effort: views of a frozen backbone, epochs of a network. seeds: doubled where
    images are few. folds: at most. controls, ablation: whether they are run."""

    trials: int
    effort: int
    top: int
    seeds: int
    folds: int = 5
    controls: bool = False
    ablation: bool = True
    is_least: bool = False


# The richest first.
FROZEN_NETWORK = (
    PlanStep(40, 32, 3, 3, controls=True),
    PlanStep(24, 16, 3, 3, controls=True),
    PlanStep(16, 16, 2, 3, controls=True),
    PlanStep(12, 16, 2, 3),
    PlanStep(9, 16, 1, 3),
    PlanStep(6, 16, 1, 2),
    PlanStep(6, 8, 1, 2),
    PlanStep(4, 4, 1, 2),
    PlanStep(4, 2, 1, 2, folds=2),
    PlanStep(4, 2, 1, 2, folds=2, ablation=False, is_least=True),
)
SCRATCH_NETWORK = (
    PlanStep(32, 100, 3, 3, controls=True),
    PlanStep(16, 100, 2, 3, controls=True),
    PlanStep(12, 60, 2, 3),
    PlanStep(8, 60, 1, 2),
    PlanStep(6, 40, 1, 2),
    PlanStep(4, 40, 1, 2, folds=3),
    PlanStep(4, 40, 1, 2, folds=2),
    PlanStep(4, 40, 1, 2, folds=2, ablation=False),
    PlanStep(4, 20, 1, 2, folds=2, ablation=False, is_least=True),
)


@dataclass(frozen=True)
class Shapes:
    """The pictures that were looked at. sides: int [k, 2], width and height as they are seen; of
    none that can be read, [0, 2]."""

    sides: np.ndarray

    @classmethod
    def of(cls, listing: Listing) -> "Shapes":
        count = len(listing.names)
        places = np.unique(np.linspace(0, count - 1, min(count, MOST_LOOKED_AT)).astype(int))
        with quiet_pillow():
            found = [side for place in places if (side := _side(listing, int(place)))]
        return cls(np.array(found, int).reshape(-1, 2))

    @property
    def side(self) -> int:
        """The side, in pixels, of a square as large as the median picture."""
        if not len(self.sides):
            return USUAL_SIZE  # none can be read, which their decoding will say
        return round(float(np.median(np.sqrt(self.sides.prod(axis=1)))))

    @property
    def words(self) -> str:
        width, height = np.median(self.sides, axis=0).astype(int) if len(self.sides) else (0, 0)
        return f"pictures are {width} x {height} in the median"

    @property
    def seen(self) -> str:
        """What the size does to the median picture."""
        width, height = np.median(self.sides, axis=0) if len(self.sides) else (0, 0)
        return "seen as they are" if width == height else "stretched to a square as large"

    @property
    def is_tiny(self) -> bool:
        return self.side < TINY

    @property
    def turn(self) -> tuple[int, str]:
        """The largest rotation worth a try, in degrees, and why."""
        wide, tall = (
            float((self.sides[:, a] > SQUARE * self.sides[:, b]).mean()) if len(self.sides) else 0.0
            for a, b in ((0, 1), (1, 0))
        )
        if max(wide, tall) >= ONE_WAY:
            way = "wide" if wide > tall else "tall"
            return 20, f"nearly all pictures are {way}: the camera was upright, give or take a tilt"
        if min(wide, tall) >= BOTH_WAYS:
            return 45, "some pictures are wide, some tall: the camera was turned"
        return 30, "most pictures are about square, which does not say how far they may be turned"


def _side(listing: Listing, place: int) -> tuple[int, int] | None:
    """Width and height; None for what is no picture, which decoding will report in its words."""
    try:
        data = listing.read(place)
        if isinstance(data, np.ndarray):
            return data.shape[1], data.shape[0]
        opened = open_picture(data, DatasetConfig().max_pixels)
        if opened.image is None:
            assert opened.values is not None
            return opened.values.shape[1], opened.values.shape[0]
        width, height = opened.image.size
    except Exception:  # a parser of hostile bytes raises whatever it trips over
        return None
    return (height, width) if opened.turn in SIDEWAYS else (width, height)


def image_size(shapes: Shapes, num_images: int) -> Chosen:
    if shapes.is_tiny:
        size, why = max(8, shapes.side), f"{shapes.words}: {shapes.seen}"
    else:
        cap = NATIVE if num_images <= FEW else USUAL_SIZE
        size = max(LEAST_FROZEN, min(cap, shapes.side))
        why = f"{shapes.words}: {shapes.seen}"
        if shapes.side < size:
            why = f"{shapes.words}; fewer pixels would tell the backbone little"
        if shapes.side > size:
            others = f"its own {NATIVE} takes twice as long, for {num_images:,} images"
            learnt = f"the backbone learnt at {NATIVE}" if size == NATIVE else others
            why = f"{shapes.words}; {learnt}"
    return Chosen("dataset.image_size", size, why)


def searched(shapes: Shapes) -> Iterator[Chosen]:
    """The space."""
    degrees, why = shapes.turn
    most = dict.fromkeys(SHIFTS, 0.1) | {"zoom_range": 0.2} if shapes.is_tiny else {}
    most["rotation_range"] = degrees
    reasons = WHY_SEARCHED | {"rotation_range": f"degrees; {why}"}
    for name, usual in (USUAL | {"vertical_flip": [False, True]}).items():
        value = usual | {"max": most[name]} if name in most else usual
        yield Chosen(f"augmentation.{name}", value, reasons[name])


def network(shapes: Shapes, num_images: int) -> list[Chosen]:
    if shapes.is_tiny:
        return [
            Chosen("model.backbone", OF_TINY, "a small network, for tiny pictures"),
            Chosen("model.weights", "random", "it learns from these pictures alone"),
            Chosen("training.mode", "scratch", "all of it trains"),
        ]
    why = "its ImageNet weights come with a package; it knows photographs"
    head = "a head on its features: the fastest answer"
    if num_images <= FEW:
        head += "; a small network from scratch gains more by augmentation: docs/your-data.md"
    return [
        Chosen("model.backbone", NO_DOWNLOAD, why),
        Chosen("training.mode", TrainingSettings().mode, head),
    ]


def plans(shapes: Shapes) -> tuple[PlanStep, ...]:
    return SCRATCH_NETWORK if shapes.is_tiny else FROZEN_NETWORK


def plan_of(rung: PlanStep, shapes: Shapes, dataset: Dataset) -> list[Chosen]:
    """What a plan sets of training, search and evaluation."""
    few = len(dataset.labels) < FEW
    seeds = rung.seeds * (2 if few and not rung.is_least else 1)
    confirm = {"top": rung.top, "seeds": seeds + 2}
    confirm |= {} if shapes.is_tiny else {"views": max(rung.effort, 2)}
    count = plural(len(dataset.labels), "image")
    many = f"{count}: each fold is trained from so many first weights"
    ablation = "each alone, and taken out of the best" if rung.ablation else "no time for it"
    return [
        *(_epochs(rung) if shapes.is_tiny else _views(rung)),
        Chosen(TRIALS, rung.trials, "as many as the time allows"),
        _folds(rung, shapes.is_tiny, dataset),
        Chosen("evaluation.seeds", seeds, many),
        Chosen("evaluation.confirm", confirm, "the best are trained again on fresh folds"),
        Chosen("evaluation.ablation", rung.ablation, ablation),
        Chosen(
            "evaluation.controls",
            list(CONTROL_NAMES) if rung.controls else [],
            "compared with beside no augmentation"
            if rung.controls
            else "no augmentation is compared with always; no time for others",
        ),
    ]


def _views(rung: PlanStep) -> list[Chosen]:
    enough = rung.effort >= ENOUGH_VIEWS
    least = f"fewer than {ENOUGH_VIEWS} would be unfair to augmentation"
    why = least if enough else f"no time for {ENOUGH_VIEWS}; {least}"
    return [
        Chosen("training.views", rung.effort, f"augmented pictures of each image; {why}"),
        Chosen("search.algorithm", "halving", "weak settings are left early, which saves time"),
        Chosen("search.min_views", max(2, rung.effort // 4), "what all settings get at first"),
    ]


def _epochs(rung: PlanStep) -> list[Chosen]:
    patience = min(USUAL_PATIENCE, rung.effort // AMPLE)
    why = "at most; training stops when it no longer improves"
    return [
        Chosen("training.max_epochs", rung.effort, why),
        Chosen("training.patience", patience, "epochs without a better one, which end it"),
        Chosen("search.algorithm", "screening", "each is on in about half of the trials"),
    ]


def _folds(rung: PlanStep, is_tiny: bool, dataset: Dataset) -> Chosen:
    validation, labels = len(dataset.indices(VALIDATION)), np.asarray(dataset.labels)
    pool = dataset.indices(TRAIN, VALIDATION)
    if dataset.groups is not None:
        pool = pool[np.unique(np.asarray(dataset.groups)[pool], return_index=True)[1]]
    fewest = int(np.bincount(labels[pool], minlength=len(dataset.class_names)).min())
    if is_tiny and validation >= FEW_VALIDATION:
        return Chosen("evaluation.folds", 1, f"{validation} validation images are enough")
    if fewest < 2:
        return Chosen("evaluation.folds", 1, "a class has one image beside the test set's")
    why = f"scored on all {len(pool)} images that are not for the test"
    return Chosen("evaluation.folds", min(rung.folds, fewest), why)
