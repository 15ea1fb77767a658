"""What is counted of one trial for a table or a figure: its budget, its epoch, its time, the images
it was scored on. What concerns a whole search is `view`'s."""

import math
import statistics
from collections.abc import Iterable

from data.messages import plural
from search.experiment.trial import TrialRecord
from search.journal.events import DatasetSummary
from search.training.lost_networks import lost_text
from search.training.modes import budget_of, mode_of
from search.training.training_mode import PhaseLimit

WITHOUT = "networks without augmentation"
MOST_HEADS_CUT = 0.5  # of some heads, cut: most of what they say is of trainings that are not over


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


def counted_cut(records: Iterable[TrialRecord]) -> tuple[int, int]:
    """Of all heads that these trained and `patience` was to end, those that were cut; and all."""
    trained = [record for record in records if record.trained]
    return sum(map(heads_cut, trained)), sum(map(cuttable_heads, trained))


def lost_among(records: Iterable[TrialRecord], what: str = "networks") -> tuple[str, ...]:
    """How many heads of these did not train, and why, in words; empty where all did."""
    results = [record.trained for record in records if record.trained]
    heads = sum(result.num_heads for result in results)
    lost = [each for result in results for each in result.lost]
    return (f"of {heads} {what} {lost_text(lost)}",) if lost else ()


def are_mostly_cut(records: Iterable[TrialRecord]) -> bool:
    cut, could = counted_cut(records)
    return could > 0 and cut >= MOST_HEADS_CUT * could


def limits_reached(records: Iterable[TrialRecord]) -> tuple[PhaseLimit, ...]:
    """The settings that may have cut heads of these: of phases in which one trained for as long."""
    found = [limit for record in records if heads_cut(record) for limit in _reached(record)]
    return tuple(dict.fromkeys(found))


def _reached(record: TrialRecord) -> list[PhaseLimit]:
    training = record.spec.settings.training
    limits = mode_of(training).phases(training)
    curve = record.result.curve if record.result else None
    phases = curve.phases if curve else ()  # none are told of a mode that has one
    pairs = zip(limits, phases, strict=False)
    return [limit for limit, (_, epochs) in pairs if epochs >= limit[1]] or [*limits]


def cutter_text(records: Iterable[TrialRecord]) -> str:
    """What cut heads of these: `max_epochs`, or that of fine-tuning."""
    names = (name.removeprefix("training.") for name, _ in limits_reached(records))
    return " or ".join(dict.fromkeys(names)) or "max_epochs"


def share_cut_text(records: Iterable[TrialRecord]) -> str:
    """Of all trainings, that have heads which patience was to end."""
    cut, could = counted_cut(records)
    return (
        f"{cut} of the {plural(could, 'head')} that patience was to end "
        f"({100 * cut / could:.0f} %), with augmentation and without"
    )


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
