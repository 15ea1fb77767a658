"""Which trials of two searches are one training: marks of a trial that survive small changes,
looked up in an index.

A trial is marked by its seconds, each learning curve, the classes it gives, and blocks of its
log-probabilities. Whoever copies a trial changes some: one that holds is enough, of the blocks
half, of all seeds or of one alone. What is made of it is `submission`'s.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping

import numpy as np

from search.experiment.answers import Predictions
from search.experiment.trial import Frozen, TrialRecord

Mark = tuple[Hashable, ...]
NUM_BLOCKS = 16
# of a block's sum, in log-probabilities times the root of their number: noise of a hundredth of it
# shows seldom
STEP = 0.02
LEAST_SPREAD = 0.1  # blocks of log-probabilities nearer together than that are alike by chance
# wrong answers, in each of two classes a sixth of it: with fewer, classes given are alike by chance
LEAST_WRONG = 60


class Fingerprint(Frozen):
    """training: names seeds, images and augmentation; two honest trials with one may be one
    training, others never. marks: each shared by nothing but the same training. blocks: families of
    marks of which at least half must be shared."""

    trial: int
    training: str
    marks: frozenset[Mark]
    blocks: tuple[frozenset[Mark], ...]


def fingerprints(
    records: Iterable[TrialRecord], answers: Mapping[int, Predictions]
) -> Iterator[Fingerprint]:
    """Of every trial that was trained and completed; `answers` by its number, where they could be
    read."""
    for record in records:
        if record.duplicate_of is not None or record.status != "completed":
            continue
        given = answers.get(record.trial)
        yield Fingerprint(
            trial=record.trial,
            training=_training(record),
            marks=frozenset(
                (*_marks_of_training(record), *(_marks_of_classes(given) if given else ()))
            ),
            blocks=tuple(_families(given)) if given else (),
        )


class Index:
    """Who was first to hold a mark. As large as what was put in; looked up without comparing any
    two searches."""

    def __init__(self) -> None:
        self._holders: dict[Mark, tuple[str, int]] = {}
        self._trainings: dict[tuple[str, int], str] = {}

    def add(self, file: str, prints: Iterable[Fingerprint]) -> None:
        for each in prints:
            self._trainings[file, each.trial] = each.training
            for mark in each.marks.union(*each.blocks):
                self._holders.setdefault(mark, (file, each.trial))

    def holder(self, sought: Fingerprint) -> tuple[str, bool] | None:
        """The file that a trial stands in already, and whether two honest searches may share it.
        None: in none."""
        found = Counter(self._holders[mark] for mark in sought.marks if mark in self._holders)
        for family in sought.blocks:
            blocks = Counter(self._holders[mark] for mark in family if mark in self._holders)
            found.update({where: n for where, n in blocks.items() if 2 * n >= len(family)})
        if not found:
            return None
        (file, trial), _ = found.most_common(1)[0]
        seconds = any(mark[0] == "seconds" and mark in self._holders for mark in sought.marks)
        return file, not seconds and self._trainings[file, trial] == sought.training


def _training(record: TrialRecord) -> str:
    """How long it may train and where images lie are left out, since they may change nothing; more
    seeds train the same heads and others."""
    spec = record.spec
    protocol = spec.protocol.model_dump(mode="json", exclude={"head_seeds", "objective"})
    training = spec.settings.training.model_dump(mode="json", exclude={"max_epochs", "patience"})
    model = spec.settings.model.model_dump(mode="json")
    dataset = spec.dataset.model_dump(mode="json", exclude={"path"})
    first = spec.protocol.head_seeds[:1]
    return _hash(
        [protocol, first, spec.dataset_seed, dataset, spec.settings.augmentation, model, training]
    )


def _marks_of_training(record: TrialRecord) -> Iterator[Mark]:
    result = record.result
    if result is None:
        return
    if result.timing is not None:
        yield "seconds", result.timing.total_seconds
        yield "seconds of heads", result.timing.heads_seconds
    for name, values in (result.curve.values if result.curve else {}).items():
        if len(set(values)) > 2:
            yield "curve", name, _hash([round(value, 5) for value in values])


def _marks_of_classes(answers: Predictions) -> Iterator[Mark]:
    """Of every seed: which class each image was given. None where so few are wrong, or all one way,
    that chance could do it."""
    wrong = answers.predicted[answers.log_prob < np.log(0.5)]
    counts = np.sort(np.bincount(wrong.astype(np.int64).clip(0)))[::-1]
    if counts.sum() >= LEAST_WRONG and len(counts) > 1 and counts[1] >= LEAST_WRONG // 6:
        yield (
            "classes",
            hashlib.sha256(np.ascontiguousarray(answers.predicted).tobytes()).hexdigest(),
        )


def _log_prob_blocks(answers: Predictions) -> Iterator[Mark]:
    """Of blocks of images: their log-probabilities summed with fixed weights, in steps."""
    rng = np.random.default_rng(20)
    weights = rng.standard_normal(answers.log_prob.shape)
    offset = rng.random(NUM_BLOCKS)
    log_prob = np.maximum(answers.log_prob, -20.0).astype(np.float64)
    for number, columns in _blocks(answers):
        block = log_prob[:, columns]
        if block.size and block.std() > LEAST_SPREAD:
            total = float((block * weights[:, columns]).sum()) / (STEP * np.sqrt(block.size))
            yield "block", log_prob.shape, number, int(np.floor(total + offset[number]))


def _class_blocks(answers: Predictions) -> Iterator[Mark]:
    """Of blocks of images in which enough answers are wrong for no other training to give the same:
    the classes given."""
    wrong = answers.log_prob < np.log(0.5)
    for number, columns in _blocks(answers):
        if wrong[:, columns].sum() >= LEAST_WRONG // 3:
            content = np.ascontiguousarray(answers.predicted[:, columns]).tobytes()
            yield "classes of block", number, hashlib.sha256(content).hexdigest()


def _families(answers: Predictions) -> Iterator[frozenset[Mark]]:
    """Blocks of all seeds together, and of each alone: their order says nothing, and some may be
    left out."""
    rows = range(len(answers.predicted)) if len(answers.predicted) > 1 else ()
    each = [
        Predictions(
            answers.images, answers.predicted[r : r + 1], answers.log_prob[r : r + 1], answers.fold
        )
        for r in rows
    ]
    for given in (answers, *each):
        yield from (frozenset(marks(given)) for marks in BLOCKS)


def _blocks(answers: Predictions) -> Iterator[tuple[int, np.ndarray]]:
    yield from enumerate(np.array_split(np.arange(answers.predicted.shape[1]), NUM_BLOCKS))


BLOCKS = (_log_prob_blocks, _class_blocks)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
