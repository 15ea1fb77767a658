"""What tells one training's answers from another's: for each seed, sixteen blocks of images, with
how much their agreement would prove.

Measured in bits: so many that two other trainings agree with a probability of at most two to the
minus that. They are counted on the search itself, between trainings that drew other seeds, and low:
where images hardly differ between two such, their agreement proves nothing.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from search.experiment.answers import Predictions

NUM_BLOCKS, NUM_SUMS = 16, 8
# log-probabilities of a block agree where their root mean square apart, but for a shift, is less:
# noise of a twentieth is 0.0144
NEAR = 0.03
LEAST_LEVELS = 8  # beyond two for each class: answers of fewer levels tell classes, not images
WORSE, SLACK = 1.5, 0.05  # of a loss: another training with more than that is no measure
FLOOR = -20.0  # log-probabilities below count as that
BITS_OF_CLASS = 0.5  # a wrong answer that other seeds change, where another changes back


@dataclass(frozen=True)
class RowPrint:
    """One seed's answers. sums: float32 [blocks, sums], random sums of a block's log-probabilities
    over the root of its number of images. classes, exact: a hash per block, of the classes given
    and of the log-probabilities' bits. Three float32 [blocks] say how many bits agreement there
    proves: near_bits, of `sums`; class_bits; exact_bits."""

    num_images: int
    sums: np.ndarray
    classes: tuple[int, ...]
    exact: tuple[int, ...]
    near_bits: np.ndarray
    class_bits: np.ndarray
    exact_bits: np.ndarray


@dataclass(frozen=True)
class Reference:
    """One seed's answers of another training of the same search, to see how far it moves them.
    images: int64 [n]; predicted: int16 [n]; log_prob: float32 [n]."""

    images: np.ndarray
    predicted: np.ndarray
    log_prob: np.ndarray


def row_prints(
    answers: Predictions, references: Sequence[Reference], labels: np.ndarray, num_classes: int
) -> Iterator[RowPrint]:
    """Of each seed. references: of other seeds than these, on the same images; the trial's own
    seeds are taken too. labels: int [n] (see `seen_labels`)."""
    blocks = np.array_split(np.arange(answers.predicted.shape[1]), NUM_BLOCKS)
    weights = _weights(blocks)
    cells = answers.fold.astype(np.int64) * (num_classes + 1) + labels + 1
    rows = references_of(answers, len(answers.predicted))
    for number, row in enumerate(rows):
        others = [*references, *(each for n, each in enumerate(rows) if n != number)]
        log_prob = np.maximum(row.log_prob, FLOOR).astype(np.float64)
        near, classes = _moved(row, others, answers.fold, cells, blocks)
        yield RowPrint(
            num_images=log_prob.size,
            sums=_sums(log_prob, blocks, weights),
            classes=tuple(_hash(row.predicted[b]) for b in blocks),
            exact=tuple(_hash(row.log_prob[b]) for b in blocks),
            near_bits=near * _is_rich(log_prob, answers.fold, num_classes),
            class_bits=classes,
            exact_bits=_exact_bits(row.log_prob, answers.fold, blocks, num_classes),
        )


def seen_labels(labels: np.ndarray, answers: Predictions) -> np.ndarray:
    """int16 [n]: with the classes that these answers give their images rightly, since more than
    half of the probability was given to the true one; -1 where no answer told yet."""
    right = answers.log_prob > np.log(0.5)
    seen = np.where(right, answers.predicted, -1).max(axis=0)
    return np.where(labels < 0, seen, labels).astype(np.int16)


def references_of(answers: Predictions, most: int) -> list[Reference]:
    """The first seeds' answers."""
    return [
        Reference(answers.images, predicted, log_prob)
        for predicted, log_prob in zip(
            answers.predicted[:most], answers.log_prob[:most], strict=True
        )
    ]


def _sums(
    log_prob: np.ndarray, blocks: Sequence[np.ndarray], weights: Sequence[np.ndarray]
) -> np.ndarray:
    pairs = zip(weights, blocks, strict=True)
    return np.stack([w @ log_prob[b] / np.sqrt(max(1, b.size)) for w, b in pairs]).astype("f4")


def _weights(blocks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Of each block, float64 [sums, images]: a shift of all its log-probabilities changes no
    sum."""
    rng = np.random.default_rng(20)
    drawn = [rng.standard_normal((NUM_SUMS, block.size)) for block in blocks]
    return [each - each.mean(axis=1, keepdims=True) if each.size else each for each in drawn]


def _moved(
    row: Reference,
    others: Sequence[Reference],
    fold: np.ndarray,
    cells: np.ndarray,
    blocks: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Bits per block of log-probabilities and of classes: from the other training that moved least
    there. None where there is no other that is about as good: what a worse one gets wrong, all
    good ones get right."""
    near, classes = [], []
    wrong = row.log_prob < np.log(0.5)
    others = [each for each in others if _loss(each) <= WORSE * _loss(row) + SLACK]
    for other in others:
        apart = np.square(_apart(row.log_prob, other.log_prob, cells))
        near.append([_near_bits(apart[block]) for block in blocks])
        back = _back_and_forth(row.predicted, other.predicted, fold)
        classes.append([BITS_OF_CLASS * (back * wrong)[block].sum() for block in blocks])
    bits = (np.min(each, axis=0) if others else np.zeros(NUM_BLOCKS) for each in (near, classes))
    one, two = (each.astype(np.float32) for each in bits)
    return one, two


def _loss(row: Reference) -> float:
    return -float(np.maximum(row.log_prob, FLOOR).mean(dtype=np.float64))


def _near_bits(squares: np.ndarray) -> float:
    """Of a block whose images another training moved by so much, squared: to come within `NEAR`
    all of its free numbers must. Few images that moved far are few numbers."""
    total = float(squares.sum())
    if total <= squares.size * NEAR**2:
        return 0.0
    free = min(NUM_SUMS, total**2 / float(np.square(squares).sum()) / 2)
    return float(free * np.log2(np.sqrt(total / squares.size) / NEAR))


def _apart(log_prob: np.ndarray, other: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """float64 [n]: how far one is from the other, but for a scale and for the mean of each class in
    each fold, since those are few numbers, however many the images."""
    ours, theirs = (
        _within(np.maximum(each, FLOOR).astype(np.float64), cells) for each in (log_prob, other)
    )
    spread = float(theirs @ theirs)
    return ours - theirs * (float(ours @ theirs) / spread if spread else 0.0)


def _within(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Less the mean of their cell."""
    _, place = np.unique(cells, return_inverse=True)
    means = np.bincount(place, values) / np.bincount(place)
    return values - means[place]


def _back_and_forth(predicted: np.ndarray, other: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """float64 [n]: of an image whose class the other training changed, the share that as many
    changed the other way in its fold leave: a border that moves changes all one way, and that is
    one number."""
    ours, theirs = predicted.astype(np.int64), other.astype(np.int64)
    counts: dict[tuple[int, int, int], int] = {}
    changed = np.flatnonzero(ours != theirs)
    moves = [(int(fold[i]), int(ours[i]), int(theirs[i])) for i in changed]
    for move in moves:
        counts[move] = counts.get(move, 0) + 1
    shares = np.zeros(len(ours))
    for image, (where, one, two) in zip(changed, moves, strict=True):
        shares[image] = min(1.0, counts.get((where, two, one), 0) / counts[where, one, two])
    return shares


def _is_rich(log_prob: np.ndarray, fold: np.ndarray, num_classes: int) -> bool:
    """Whether each fold's answers have more levels than its classes explain: a network that sees
    nothing answers by the class alone."""
    levels = [np.unique(np.floor(log_prob[fold == f] / NEAR)).size for f in np.unique(fold)]
    return min(levels) >= 2 * num_classes + LEAST_LEVELS


def _exact_bits(
    log_prob: np.ndarray, fold: np.ndarray, blocks: Sequence[np.ndarray], num_classes: int
) -> np.ndarray:
    """Two bits for each log-probability of a block that no other image has, where its fold's have
    more than one a class. Those of a sure answer are few."""
    tells = np.zeros(log_prob.size, bool)
    for each in np.unique(fold):
        inside = np.flatnonzero(fold == each)
        _, first = np.unique(log_prob[inside], return_index=True)
        if first.size > 2 * num_classes:
            tells[inside[first]] = log_prob[inside[first]] < -1e-4
    return np.array([2.0 * tells[block].sum() for block in blocks], np.float32)


def _hash(values: np.ndarray) -> int:
    """Of 63 bits."""
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
