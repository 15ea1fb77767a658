"""What a trial is known by: seconds, loss curves, and its answers (`answer_prints`), each with what
its sharing would prove. Who shares what is `likeness`'s, what is made of it `submission`'s.
"""

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import log2

import numpy as np

from search.experiment.answers import Predictions
from search.experiment.settings import content_hash
from search.experiment.trial import TrialRecord, TrialTiming
from search.verification.answer_prints import (
    Reference,
    RowPrint,
    references_of,
    row_prints,
    seen_labels,
)

Mark = tuple[Hashable, ...]
# of a clock: the coarsest of common systems, and how far honest times spread at the least
TICK, TIME_SPREAD = 1e-7, 0.1
# of a loss: what is left of it, and how far other seeds move it, of what an epoch moves it
LOSS_DIGITS, LOSS_SPREAD = (5, 8), 0.01
LOSS_NOISE = 1e-7  # what float32 leaves of a loss
MOST_REFERENCES = 6
OF_VIEWS = {"views", "view_seed", "augmented_share", "clean_epochs"}
OF_THE_FILES_ALONE = {"path", "max_pixels", "on_bad_file"}  # of a data set that is the same without


@dataclass(frozen=True)
class Fingerprint:
    """draws: names seeds and images; training: the augmentation and settings too. Two honest trials
    with one training may be one; with the same draws and settings near each other, nearly so; with
    other draws never. marks: the bits that sharing each proves (see `answer_prints`). common: marks
    that another training of the same search has too. rows: of each seed."""

    trial: int
    training: str
    draws: str = ""
    marks: Mapping[Mark, float] = field(default_factory=dict)
    common: frozenset[Mark] = frozenset()
    rows: tuple[RowPrint, ...] = ()


def fingerprints(
    records: Iterable[TrialRecord], answers: Mapping[int, Predictions], num_classes: int
) -> list[Fingerprint]:
    """Of every trial that was trained and completed; `answers` by its number, where they could be
    read."""
    done = [r for r in records if r.duplicate_of is None and r.status == "completed"]
    seen = _Seen(num_classes)
    for record in done:
        if (given := answers.get(record.trial)) is not None:
            seen.take(_draws(record), given)
    found = [_fingerprint(record, answers.get(record.trial), seen) for record in done]
    holders: dict[Mark, set[str]] = {}
    for each in found:
        for mark in each.marks:
            holders.setdefault(mark, set()).add(each.training)
    common = frozenset(mark for mark, trainings in holders.items() if len(trainings) > 1)
    return [replace(each, common=common.intersection(each.marks)) for each in found]


class _Seen:
    """What a search's trials together say of its images, by the images' own bytes: their classes,
    and of the first draws the answers of two trainings each. More would be more than memory should
    hold."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._labels: dict[bytes, np.ndarray] = {}
        self._references: list[tuple[str, Reference]] = []

    def take(self, draws: str, answers: Predictions) -> None:
        self._labels[_of_images(answers)] = seen_labels(self.labels(answers), answers)
        alike = sum(draws == each for each, _ in self._references)
        if len(self._references) < MOST_REFERENCES and alike < 2:
            self._references += [(draws, each) for each in references_of(answers, 1)]

    def labels(self, answers: Predictions) -> np.ndarray:
        unknown = np.full(len(answers.images), -1, np.int16)
        return self._labels.get(_of_images(answers), unknown)

    def others(self, draws: str, answers: Predictions) -> list[Reference]:
        """Answers on the same images, of other draws."""
        return [
            each
            for theirs, each in self._references
            if theirs != draws and np.array_equal(each.images, answers.images)
        ]


def _of_images(answers: Predictions) -> bytes:
    return hashlib.sha256(answers.images.tobytes()).digest()


def _fingerprint(record: TrialRecord, given: Predictions | None, seen: _Seen) -> Fingerprint:
    draws, rows = _draws(record), tuple[RowPrint, ...]()
    if given is not None:
        others, labels = seen.others(draws, given), seen.labels(given)
        rows = tuple(row_prints(given, others, labels, seen.num_classes))
    marks = dict(_marks(record, rows))
    return Fingerprint(record.trial, training_of(record), draws, marks, rows=rows)


def _marks(record: TrialRecord, rows: Iterable[RowPrint]) -> Iterator[tuple[Mark, float]]:
    result = record.result
    assert result is not None, "a completed trial has a result"
    if result.timing is not None:
        yield from _marks_of_time(result.timing)
    if result.curve is not None:
        yield from marks_of_curves(result.curve.values)
    yield from marks_of_answers(rows)


def marks_of_curves(curves: Mapping[str, Sequence[float]]) -> Iterator[tuple[Mark, float]]:
    """Of losses alone: accuracies are fractions of few images."""
    for name in ("loss", "val_loss"):
        for digits in LOSS_DIGITS:
            values = [round(value, digits) for value in curves.get(name, ())]
            yield ("curve", name, digits, content_hash(values)), _curve_bits(values, digits)


def marks_of_answers(rows: Iterable[RowPrint]) -> Iterator[tuple[Mark, float]]:
    """Of log-probabilities that are equal to the last bit."""
    for row in rows:
        for number, (content, bits) in enumerate(zip(row.exact, row.exact_bits, strict=True)):
            if bits:
                yield ("block", row.num_images, number, content), float(bits)


def _marks_of_time(timing: TrialTiming) -> Iterator[tuple[Mark, float]]:
    total, heads, features = timing.total_seconds, timing.heads_seconds, timing.features_seconds
    yield ("seconds", "total", total), _clock_bits(total)
    yield ("seconds", "heads", heads), _clock_bits(heads)
    yield ("seconds", total, heads), _clock_bits(heads) + _clock_bits(features)


def _clock_bits(seconds: float) -> float:
    return max(0.0, log2(max(seconds, TICK) * TIME_SPREAD / TICK))


def _curve_bits(values: list[float], digits: int) -> float:
    step = max(10.0**-digits, LOSS_NOISE)
    moves = [abs(b - a) for a, b in pairwise(values)]
    return sum(log2(1 + LOSS_SPREAD * move / step) for move in moves)


def _draws(record: TrialRecord) -> str:
    """What begins networks and shares out images. More seeds train the same heads and others."""
    spec = record.spec
    return content_hash([spec.protocol.fold_seed, spec.protocol.head_seeds[:1], spec.dataset_seed])


def training_of(record: TrialRecord) -> str:
    """How long it may train, and where and how large images may be, are left out, since they may
    change nothing; so are views where nothing is drawn in them."""
    spec, settings = record.spec, record.spec.settings
    of_views = set() if settings.augmentation else OF_VIEWS
    protocol = spec.protocol.model_dump(mode="json", exclude={"head_seeds", "objective", *of_views})
    dataset = spec.dataset.model_dump(mode="json", exclude=OF_THE_FILES_ALONE)
    training = settings.training.model_dump(
        mode="json", exclude={"max_epochs", "patience", *of_views}
    )
    model = settings.model.model_dump(mode="json")
    return content_hash([_draws(record), protocol, dataset, settings.augmentation, model, training])
