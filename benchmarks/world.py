"""A made-up world whose truth is known: images, settings, seeds, heads, and the predictions they
would give.

An image is classified right when its margin is above zero. The margin is the image's own ease, plus
what the setting does to that image for good, plus a draw of its own for each seed, plus an error
that all images scored by one head share; two settings trained from the same seed have part of the
last two in common. All are normal, so that the true accuracy and log-loss of a setting follow from
its mean margin. Simulates data; tests nothing.
"""

from dataclasses import dataclass
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


def _normal(rng: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)
