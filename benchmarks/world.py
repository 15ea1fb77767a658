"""A made-up world whose truth is known: images, settings, seeds, heads, and the predictions they
would give.

An image is classified right when its margin is above zero. The margin is the image's own ease, plus
what the setting does to that image for good, plus a draw of its own for each seed, plus an error
that all images scored by one head share; two settings trained from the same seed have part of the
last two in common. All are normal, so that the true accuracy and log-loss of a setting follow from
its mean margin. Simulates data; tests nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from search.experiment.answers import Predictions
from search.experiment.objectives import Objective

_NOTHING = 1e-12


@dataclass(frozen=True)
class World:
    """Standard deviations of the margin's parts, in units of the draw an image and seed.

    The defaults were set so that, at an accuracy of 0.84, one standard deviation over head seeds is
    1.1 points on 341 images, heads share 0.46 points of it, and a paired difference of 5 folds x 3
    seeds on 3409 images has a standard error of 0.29 points. pairing: the share of variance that
    two settings have in common at the same seed. group_size: images that are as easy as each
    other, and that a setting suits alike.
    """

    num_images: int = 3409
    num_classes: int = 10
    accuracy: float = 0.84
    image_sd: float = 4.0
    setting_sd: float = 0.4
    head_sd: float = 0.08
    pairing: float = 0.4
    group_size: int = 1

    @property
    def total_sd(self) -> float:
        return sqrt(1 + self.image_sd**2 + self.setting_sd**2 + self.head_sd**2)

    def mean_margin(self, gain: float = 0.0) -> float:
        """Where margins are centred for an accuracy of `accuracy` + `gain`."""
        from scipy.special import ndtri

        return float(ndtri(self.accuracy + gain)) * self.total_sd

    @property
    def class_shares(self) -> np.ndarray:
        """Of the images. The largest class is thrice the smallest."""
        sizes = np.linspace(1, 3, self.num_classes)
        return sizes / sizes.sum()

    def true_effect(self, gain: float, objective: Objective) -> float:
        """What `paired_effect` estimates for a setting whose accuracy is higher by `gain`."""
        figures = {"macro_f1": self._macro_f1, "auc": self._auc, "log_loss": self._log_probability}
        figure = figures.get(objective, lambda gain: self.accuracy + gain)
        return figure(gain) - figure(0.0)

    def _macro_f1(self, gain: float) -> float:
        """A class is given to its own images where they are right, and to those of the class before
        where they are wrong."""
        right, own = self.accuracy + gain, self.class_shares
        given = own * right + np.roll(own, 1) * (1 - right)
        return float((2 * own * right / (own + given)).mean())

    def _auc(self, gain: float) -> float:
        """An image of a class comes before one of the class before where their margins add up to
        more than nought, and before all others."""
        from scipy.special import ndtr

        lost = 1 - float(ndtr(sqrt(2) * self.mean_margin(gain) / self.total_sd))
        own = self.class_shares
        return 1 - float((np.roll(own, 1) / (1 - own)).mean()) * lost

    def _log_probability(self, gain: float) -> float:
        nodes, weights = np.polynomial.hermite_e.hermegauss(80)
        values = -np.logaddexp(0, -(self.mean_margin(gain) + self.total_sd * nodes))
        return float((weights * values).sum() / weights.sum())


@dataclass(frozen=True)
class Images:
    """Images drawn from a world: int32 labels [n], float32 ease [n]."""

    world: World
    labels: np.ndarray
    ease: np.ndarray

    @classmethod
    def draw(cls, world: World, rng: np.random.Generator) -> "Images":
        edges = np.round(np.cumsum(world.class_shares) * world.num_images).astype(int)
        labels = np.searchsorted(edges, np.arange(world.num_images), side="right").astype(np.int32)
        return cls(world, labels, world.image_sd * _lasting(world, rng))

    @property
    def groups(self) -> np.ndarray | None:
        """int64 [n]; None where each image stands for itself."""
        return _groups(self.world) if self.world.group_size > 1 else None

    def setting(self, rng: np.random.Generator, gain: float = 0.0) -> np.ndarray:
        """float32 [n]: the lasting margin of each image under one setting."""
        own = self.world.setting_sd * _lasting(self.world, rng)
        return self.ease + own + np.float32(self.world.mean_margin(gain))

    def stage(self, folds: int, seeds: int, rng: np.random.Generator) -> "Stage":
        """Folds stratified by class, and what all settings trained from the same seeds share."""
        groups = _groups(self.world)
        firsts = np.unique(groups, return_index=True)[1]
        order = np.lexsort((rng.random(len(firsts)), self.labels[firsts]))
        fold = np.empty(len(firsts), np.int16)
        fold[order] = np.arange(len(firsts)) % folds
        fold = fold[groups]
        return Stage(
            self, fold, _normal(rng, (seeds, len(self.labels))), _normal(rng, (seeds, folds))
        )


@dataclass(frozen=True)
class Stage:
    """A round of training on one set of folds and seeds. image_draws [seeds, n], head_draws [seeds,
    folds]."""

    images: Images
    fold: np.ndarray
    image_draws: np.ndarray
    head_draws: np.ndarray

    def predictions(
        self, setting: np.ndarray, rng: np.random.Generator, whole: bool = False
    ) -> Predictions:
        """One trial: `setting` [n] trained here. A wrong answer is the next class. whole: with the
        probabilities of all classes."""
        world, labels = self.images.world, self.images.labels
        margin = self.margins(setting, rng)
        predicted = np.where(margin > 0, labels, (labels + 1) % world.num_classes).astype(np.int16)
        log_prob = -np.logaddexp(np.float32(0), -margin)
        log_probs = self._of_all_classes(margin) if whole else None
        return Predictions(np.arange(len(labels)), predicted, log_prob, self.fold, log_probs)

    def _of_all_classes(self, margin: np.ndarray) -> np.ndarray:
        """The true class and the next share all but nothing."""
        labels, classes = self.images.labels, self.images.world.num_classes
        rows = np.arange(len(labels))
        found = np.full((*margin.shape, classes), np.log(_NOTHING / classes), np.float32)
        found[:, rows, labels] = -np.logaddexp(np.float32(0), -margin)
        found[:, rows, (labels + 1) % classes] = -np.logaddexp(np.float32(0), margin)
        return found

    def margins(self, setting: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """float32 [seeds, n] of one trial: an answer is right where it is above zero."""
        heads = self.images.world.head_sd * self._paired(self.head_draws, rng)
        return setting + self._paired(self.image_draws, rng) + heads[:, self.fold]

    def _paired(self, shared: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        pairing = self.images.world.pairing
        return np.float32(sqrt(pairing)) * shared + np.float32(sqrt(1 - pairing)) * _normal(
            rng, shared.shape
        )


@dataclass(frozen=True)
class Strength:
    """A made-up augmentation: `gain` is what it adds to accuracy alone, at a strength from 0 to 1.
    flag: it is on or off."""

    name: str
    gain: Callable[[float], float]
    flag: bool = False


@dataclass(frozen=True)
class Augmented:
    """A world whose settings are strengths of augmentations, by name; without them, 0.

    ceiling: gains together approach it and no more, where augmentations overlap; None: they add
    up. pairs: float [augmentations, augmentations], what two at full strength do beyond their sum,
    in accuracy, above the diagonal. along: the share of a setting's lasting effect on single images
    that grows along the strengths, the same for neighbouring settings; the rest is each setting's
    own.
    """

    world: World
    augmentations: tuple[Strength, ...]
    ceiling: float | None = None
    pairs: tuple[tuple[float, ...], ...] = ()
    along: float = 0.5

    def gain(self, strengths: dict[str, float]) -> float:
        """In accuracy, against no augmentation."""
        places = [strengths.get(a.name, 0.0) for a in self.augmentations]
        parts = [a.gain(place) for a, place in zip(self.augmentations, places, strict=True)]
        if self.pairs:
            return sum(parts) + float(places @ np.triu(self.pairs, 1) @ places)
        if self.ceiling is None:
            return sum(parts)
        helped = sum(part for part in parts if part > 0)
        return sum(p for p in parts if p < 0) + self.ceiling * -float(
            np.expm1(-helped / self.ceiling)
        )

    def draw(self, rng: np.random.Generator) -> "AugmentedImages":
        images = Images.draw(self.world, rng)
        slopes = np.stack([_lasting(self.world, rng) for _ in self.augmentations])
        return AugmentedImages(self, images, slopes, int(rng.integers(2**31)))


@dataclass(frozen=True)
class AugmentedImages:
    """Images drawn, and what each augmentation does to each of them for good. slopes: float32
    [augmentations, n]."""

    augmented: Augmented
    images: Images
    slopes: np.ndarray
    seed: int
    own: dict[tuple, np.ndarray] = field(default_factory=dict)

    def setting(self, strengths: dict[str, float]) -> np.ndarray:
        """float32 [n]: the lasting margin under these strengths; the same whenever it is asked."""
        from scipy.special import ndtri

        world, along = self.augmented.world, self.augmented.along
        places = np.array(
            [strengths.get(a.name, 0.0) for a in self.augmented.augmentations], np.float32
        )
        key = tuple(places.tolist())
        if key not in self.own:
            rng = np.random.default_rng([self.seed, len(self.own)])
            self.own[key] = _lasting(world, rng)
        scale = sqrt(along * 3 / len(places))  # half the strengths' squares: a variance near 1
        lasting = scale * (places @ self.slopes) + sqrt(1 - along) * self.own[key]
        variance = along * 3 / len(places) * float(places @ places) + 1 - along
        total = 1 + world.image_sd**2 + world.setting_sd**2 * variance + world.head_sd**2
        mean = float(ndtri(world.accuracy + self.augmented.gain(strengths))) * sqrt(total)
        return np.float32(mean) + self.images.ease + np.float32(world.setting_sd) * lasting


def _groups(world: World) -> np.ndarray:
    return np.arange(world.num_images) // world.group_size


def _lasting(world: World, rng: np.random.Generator) -> np.ndarray:
    """float32 [n], one draw a group."""
    groups = _groups(world)
    return _normal(rng, int(groups[-1]) + 1)[groups]


def _normal(rng: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)
