"""What is counted of one trial for a table or a figure: its budget, its epoch, its time, the images
it was scored on. What concerns a whole search is `view`'s."""

import math
import statistics
from collections.abc import Iterable

from data.messages import plural
from search.experiment.trial import TrialRecord
from search.journal.events import DatasetSummary
from search.training.modes import budget_of


def budget(record: TrialRecord) -> float:
    """The views, or epochs, that a trial was given; a new view every epoch counts as endless."""
    given = budget_of(record.spec)
    return math.inf if given == "fresh" else float(given)


def views_of(record: TrialRecord) -> float:
    """The pictures that a trial had of each image; endless where every epoch had a new one."""
    views = record.spec.protocol.views
    return math.inf if views == "fresh" else float(views)


def given_text(record: TrialRecord) -> str:
    """What a trial was given, in words: "16 views"; on a rung of epochs those, "9 epochs"; empty of
    no augmentation, which has no views but the images."""
    protocol = record.spec.protocol
    if protocol.max_epochs is not None:
        return plural(protocol.max_epochs, "epoch")
    if not record.spec.settings.augmentation:
        return ""
    views = protocol.views
    return plural(views, "view") if isinstance(views, int) else "fresh views"


def most_budget(records: Iterable[TrialRecord]) -> float:
    return max(map(budget, records), default=math.inf)


def cuttable_heads(record: TrialRecord) -> int:
    """How many heads `patience` was to end: none of a final training, where a rung was to end them
    anyway, or where clean epochs are counted back from `max_epochs`."""
    protocol, training = record.spec.protocol, record.spec.settings.training
    is_given = protocol.epochs is not None or protocol.max_epochs is not None
    is_meant = is_given or training.clean_epochs > 0
    is_over = record.result is not None and record.status == "completed"
    return record.result.num_heads if record.result and is_over and not is_meant else 0


def heads_cut(record: TrialRecord) -> int:
    """How many of those `max_epochs` stopped."""
    return record.result.heads_cut_by_max_epochs if record.result and cuttable_heads(record) else 0


def best_epoch(record: TrialRecord) -> int | None:
    """The median epoch (from 1) whose weights a trial's heads kept; the lower one of two in the
    middle."""
    epochs = record.result.best_epochs if record.result else ()
    return statistics.median_low(epochs) if epochs else None


def trained_seconds(record: TrialRecord) -> float | None:
    """What a trial's training took; None where it repeats another or has not ended."""
    timing = record.trained.timing if record.trained else None
    return timing.total_seconds if timing else None


def num_scored(record: TrialRecord, dataset: DatasetSummary) -> int:
    """How many images a trial is scored on: the validation split, or all that its folds go
    through."""
    protocol = record.spec.protocol
    if protocol.epochs is not None:
        splits = ["test"]
    else:
        splits = ["validation"] if protocol.folds == 1 else ["train", "validation"]
    return sum(sum(dataset.counts.get(split, ())) for split in splits)
