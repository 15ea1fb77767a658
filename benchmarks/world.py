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

from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.trial import Predictions


@dataclass(frozen=True)
class World:
    """Standard deviations of the margin's parts, in units of the draw an image and seed.

    The defaults were set so that, at an accuracy of 0.84, one standard deviation over head seeds is
    1.1 points on 341 images, heads share 0.46 points of it, and a paired difference of 5 folds x 3
    seeds on 3409 images has a standard error of 0.29 points. pairing: the share of variance that
    two settings have in common at the same seed.
    """

    num_images: int = 3409
    num_classes: int = 10
    accuracy: float = 0.84
    image_sd: float = 4.0
    setting_sd: float = 0.4
    head_sd: float = 0.08
    pairing: float = 0.4

    @property
    def total_sd(self) -> float:
        return sqrt(1 + self.image_sd**2 + self.setting_sd**2 + self.head_sd**2)

    def mean_margin(self, gain: float = 0.0) -> float:
        """Where margins are centred for an accuracy of `accuracy` + `gain`."""
        from scipy.special import ndtri

        return float(ndtri(self.accuracy + gain)) * self.total_sd

    def true_effect(self, gain: float, objective: Objective) -> float:
        """What `paired_effect` estimates for a setting whose accuracy is higher by `gain`."""
        if OBJECTIVES[objective].counts_answers:
            return gain
        return self._log_probability(gain) - self._log_probability(0.0)

    def _log_probability(self, gain: float) -> float:
        nodes, weights = np.polynomial.hermite_e.hermegauss(80)
        values = -np.logaddexp(0, -(self.mean_margin(gain) + self.total_sd * nodes))
        return float((weights * values).sum() / weights.sum())


@dataclass(frozen=True)
class Images:
    """Images drawn from a world: int32 labels [n], float32 ease [n]. The largest class is thrice
    the smallest."""

    world: World
    labels: np.ndarray
    ease: np.ndarray

    @classmethod
    def draw(cls, world: World, rng: np.random.Generator) -> "Images":
        sizes = np.linspace(1, 3, world.num_classes)
        edges = np.round(np.cumsum(sizes) / sizes.sum() * world.num_images).astype(int)
        labels = np.searchsorted(edges, np.arange(world.num_images), side="right").astype(np.int32)
        return cls(world, labels, world.image_sd * _normal(rng, world.num_images))

    def setting(self, rng: np.random.Generator, gain: float = 0.0) -> np.ndarray:
        """float32 [n]: the lasting margin of each image under one setting."""
        own = self.world.setting_sd * _normal(rng, len(self.labels))
        return self.ease + own + np.float32(self.world.mean_margin(gain))

    def stage(self, folds: int, seeds: int, rng: np.random.Generator) -> "Stage":
        """Folds stratified by class, and what all settings trained from the same seeds share."""
        order = np.lexsort((rng.random(len(self.labels)), self.labels))
        fold = np.empty(len(self.labels), np.int16)
        fold[order] = np.arange(len(self.labels)) % folds
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

    def predictions(self, setting: np.ndarray, rng: np.random.Generator) -> Predictions:
        """One trial: `setting` [n] trained here. A wrong answer is the next class."""
        world, labels = self.images.world, self.images.labels
        margin = self.margins(setting, rng)
        predicted = np.where(margin > 0, labels, (labels + 1) % world.num_classes).astype(np.int16)
        log_prob = -np.logaddexp(np.float32(0), -margin)
        return Predictions(np.arange(len(labels)), predicted, log_prob, self.fold)

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
        slopes = _normal(rng, (len(self.augmentations), self.world.num_images))
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
            self.own[key] = _normal(rng, world.num_images)
        scale = sqrt(along * 3 / len(places))  # half the strengths' squares: a variance near 1
        lasting = scale * (places @ self.slopes) + sqrt(1 - along) * self.own[key]
        variance = along * 3 / len(places) * float(places @ places) + 1 - along
        total = 1 + world.image_sd**2 + world.setting_sd**2 * variance + world.head_sd**2
        mean = float(ndtri(world.accuracy + self.augmented.gain(strengths))) * sqrt(total)
        return np.float32(mean) + self.images.ease + np.float32(world.setting_sd) * lasting


def _normal(rng: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)
