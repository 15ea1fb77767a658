"""Honest classes simulated where the truth is known: how much speaks for a copy by chance.

`python -m benchmarks.alike [CLASSES]` prints the table of docs/grading.md. Every search trains
networks of one hidden layer, by gradients, on the same images: of its own seed, folds and moved
pictures. NumPy only, one core, about five minutes for a class of each kind.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from search.experiment.answers import Predictions
from search.verification.answer_prints import Reference, row_prints, seen_labels
from search.verification.fingerprints import Fingerprint, marks_of_answers, marks_of_curves
from search.verification.likeness import LEAST_BITS, Index, proved


@dataclass(frozen=True)
class Kind:
    """Of experiments. signal: how far apart classes lie, in standard deviations of an image.
    groups: images of one group are one picture, nearly. first: the share of the first class."""

    name: str
    images: int = 90
    classes: int = 3
    signal: float = 1.0
    epochs: int = 3
    hidden: int = 8
    features: int = 12
    rate: float = 0.3
    groups: int = 0
    first: float = 0.0


KINDS = (
    Kind("few images, 3 epochs"),
    Kind("few images, 1 epoch", epochs=1),
    Kind("chance", signal=0.0),
    Kind("near perfect", images=300, signal=6.0, epochs=20),
    Kind("one class in twenty", images=200, classes=2, first=0.95),
    Kind("groups", images=120, groups=12, signal=2.0, epochs=10),
    Kind("digits at 8 px, weak", images=1500, classes=10, features=64, signal=0.3),
    Kind("trained to the end", images=400, classes=3, hidden=0, epochs=40, rate=1.0),
    Kind("3 images a class", images=18, epochs=5),
)


@dataclass(frozen=True)
class Class:
    """Of how many students, and trials each: half of them under one seed, half under another."""

    students: int = 200
    trials: int = 12


def searches(kind: Kind, size: Class, seed: int) -> Iterator[list[Fingerprint]]:
    """A search of each student."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    images, labels = _pictures(kind, rng)
    for student in range(size.students):
        yield _search(kind, size.trials, images, labels, np.random.default_rng([seed, student, 1]))


def strongest(kind: Kind, size: Class, seed: int) -> list[float]:
    """Bits by which each pair of students is held for a copy, where they are at all; honest all."""
    index, found = Index(), list[float]()
    for student, prints in enumerate(searches(kind, size, seed)):
        found += list(proved(map(index.holders, prints)).values())
        index.add(str(student), prints)
    return found


def _pictures(kind: Kind, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """float64 [images, features] and int64 [images]."""
    shares = np.full(kind.classes, 1 / kind.classes)
    if kind.first:
        shares = np.full(kind.classes, (1 - kind.first) / (kind.classes - 1))
        shares[0] = kind.first
    labels = np.sort(rng.choice(kind.classes, kind.images, p=shares))
    noise = rng.standard_normal((kind.images, kind.features))
    if kind.groups:
        of = np.arange(kind.images) * kind.groups // kind.images
        noise = noise[of] + 0.02 * noise
        labels = labels[(of * kind.images) // kind.groups]
    centres = rng.standard_normal((kind.classes, kind.features))
    return noise + kind.signal * centres[labels], labels


def _search(
    kind: Kind, trials: int, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> list[Fingerprint]:
    given, curves = [], []
    for half in range(2):
        fold = rng.permutation(kind.images) % 2
        start = int(rng.integers(2**31))
        for _ in range(trials // 2):
            moved = images + rng.uniform(0, 0.3) * rng.standard_normal(images.shape)
            answers, curve = _trained(kind, (images, moved, labels), fold, start)
            given.append((half, answers))
            curves.append(curve)
    known = np.full(kind.images, -1, np.int16)
    for _, answers in given:
        known = seen_labels(known, answers)
    firsts = [(half, answers) for half, answers in (*given[:2], *given[trials // 2 :][:2])]
    seed = int(rng.integers(2**62))
    return [
        _fingerprint(number, (half, answers), firsts, known, (kind.classes, seed, curve))
        for number, ((half, answers), curve) in enumerate(zip(given, curves, strict=True))
    ]


def _fingerprint(
    number: int,
    given: tuple[int, Predictions],
    firsts: list[tuple[int, Predictions]],
    known: np.ndarray,
    rest: tuple[int, int, dict[str, list[float]]],
) -> Fingerprint:
    half, answers = given
    classes, seed, curve = rest
    others = [
        Reference(each.images, each.predicted[0], each.log_prob[0])
        for theirs, each in firsts
        if theirs != half
    ]
    rows = tuple(row_prints(answers, others, known, classes))
    marks = {**dict(marks_of_answers(rows)), **dict(marks_of_curves(curve))}
    return Fingerprint(number, f"{seed} {number}", f"{seed} {half}", marks, rows=rows)


def _trained(
    kind: Kind, pictures: tuple[np.ndarray, np.ndarray, np.ndarray], fold: np.ndarray, start: int
) -> tuple[Predictions, dict[str, list[float]]]:
    clean, moved, labels = pictures
    log_probs = np.zeros((kind.images, kind.classes), np.float32)
    curve: dict[str, list[float]] = {"loss": [0.0] * kind.epochs, "val_loss": [0.0] * kind.epochs}
    for number in range(2):
        train, scored = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        net = _Net(kind, np.random.default_rng([start, number]))
        for epoch in range(kind.epochs):
            for batch in np.array_split(net.rng.permutation(train), max(1, len(train) // 64)):
                curve["loss"][epoch] += net.step(moved[batch], labels[batch]) / 2
            log_probs[scored] = net.log_probs(clean[scored])
            curve["val_loss"][epoch] -= float(log_probs[scored, labels[scored]].mean()) / 2
    own = log_probs[np.arange(kind.images), labels]
    predicted = log_probs.argmax(axis=1).astype(np.int16)
    return Predictions(
        np.arange(kind.images), predicted[None], own[None], fold.astype(np.int16)
    ), curve


class _Net:
    """One hidden layer, or none; float32, plain gradients."""

    def __init__(self, kind: Kind, rng: np.random.Generator) -> None:
        self.rng, self._rate = rng, np.float32(kind.rate)
        sizes = [kind.features, *([kind.hidden] if kind.hidden else []), kind.classes]
        self._weights = [
            (rng.standard_normal((one, two)) / np.sqrt(one)).astype(np.float32)
            for one, two in pairwise(sizes)
        ]
        self._biases = [np.zeros(size, np.float32) for size in sizes[1:]]

    def log_probs(self, images: np.ndarray) -> np.ndarray:
        return self._layers(images)[1]

    def step(self, images: np.ndarray, labels: np.ndarray) -> float:
        inputs, log_probs = self._layers(images)
        slope = np.exp(log_probs)
        slope[np.arange(len(labels)), labels] -= 1
        slope /= len(labels)
        for layer in reversed(range(len(self._weights))):
            below = slope @ self._weights[layer].T * (inputs[layer] > 0)
            self._weights[layer] -= self._rate * inputs[layer].T @ slope
            self._biases[layer] -= self._rate * slope.sum(axis=0)
            slope = below
        return -float(log_probs[np.arange(len(labels)), labels].mean())

    def _layers(self, images: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        inputs = [images.astype(np.float32)]
        for layer, (weights, biases) in enumerate(zip(self._weights, self._biases, strict=True)):
            out = inputs[-1] @ weights + biases
            if layer < len(self._weights) - 1:
                inputs.append(np.maximum(out, 0))
        out = out - out.max(axis=1, keepdims=True)
        return inputs, out - np.log(np.exp(out).sum(axis=1, keepdims=True))


def main(classes: int) -> None:
    print("| searches | pairs of students | any bits | most bits | COPY |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for kind in KINDS:
        found = [each for seed in range(classes) for each in strongest(kind, Class(), seed)]
        copies = sum(bits >= LEAST_BITS for bits in found)
        pairs = classes * 199 * 100
        print(f"| {kind.name} | {pairs} | {len(found)} | {max(found, default=0):.0f} | {copies} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
