"""Whether `max_epochs`, a safety stop, leaves patience room: as a plan tells before it is run, and
as the first trainings show, or those of a run that is there."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from data.messages import plural
from search.experiment.settings import MOST_EPOCHS, TrainingSettings
from search.experiment.space import Space
from search.experiment.trial import TrialRecord
from search.report.trial_facts import (
    are_mostly_cut,
    counted_cut,
    cuttable_heads,
    cutter_text,
    limits_reached,
    share_cut_text,
)
from search.training.modes import mode_of

AMPLE = 5  # times patience: far more than most networks take
FEWEST_AUGMENTED = 2  # trainings that foretell the others


def cut_by_plan(space: Space) -> tuple[str, ...]:
    """A line for each setting that leaves patience no room, whatever the network learns. None of
    those that clean epochs are counted back from: it is to be reached.
    """
    lines = (line for training in _trainings(space) for line in _surely(training))
    return tuple(dict.fromkeys(lines))


def cut_perhaps(space: Space) -> tuple[str, ...]:
    """Of those that leave it some room, which augmented networks may need more of. Heads on kept
    features cost seconds, and the first ones show it.
    """
    networks = (each for each in _trainings(space) if mode_of(each).budget == "epochs")
    lines = (line for training in networks for line in _perhaps(training))
    return tuple(dict.fromkeys(lines))


def length_lines(space: Space) -> tuple[str, ...]:
    """Where clean epochs make of `max_epochs` the length of a training."""
    lines = (line for training in _trainings(space) for line in _length(training))
    return tuple(dict.fromkeys(lines))


def _trainings(space: Space) -> list[TrainingSettings]:
    return [settings.training for settings in space.corners()]


def _stops(training: TrainingSettings) -> dict[str, int]:
    """The phases that patience is to end, by the setting that is their safety stop."""
    phases = mode_of(training).phases(training)
    return dict(phases[:-1] if training.clean_epochs else phases)


def _word(training: TrainingSettings) -> str:
    return "head" if mode_of(training).budget == "views" else "network"


def _surely(training: TrainingSettings) -> Iterator[str]:
    patience, word = training.patience, _word(training)
    for name, most in _stops(training).items():
        if most < 2 * patience:
            cuts = f"every {word}" if most <= patience else f"most {word}s"
            yield (
                f"{name} {most} cuts {cuts} before training.patience {patience} ends it: effects "
                f"of a training that is not over say little; {_advice(name, patience)}"
            )


def _perhaps(training: TrainingSettings) -> Iterator[str]:
    patience = training.patience
    for name, most in _stops(training).items():
        if 2 * patience <= most < _ample(patience):
            yield (
                f"{name} {most} may cut networks with augmentation, which take longer "
                f"than those without, before training.patience {patience} ends them; "
                f"{_advice(name, patience)}"
            )


def _advice(name: str, patience: int) -> str:
    return f"write {name}: {_ample(patience)} or more, and patience decides"


def _ample(patience: int) -> int:
    return min(AMPLE * patience, MOST_EPOCHS)


def _length(training: TrainingSettings) -> Iterator[str]:
    """Patience ends such a training too; what it ends earlier has no clean epochs."""
    clean, patience = training.clean_epochs, training.patience
    name, most = mode_of(training).phases(training)[-1]
    if clean and most < _ample(patience):
        ends = "ends none before" if most <= patience else "ends before has none"
        one = "" if most <= patience else "one that "
        yield (
            f"training.clean_epochs {clean}: counted back from {name} {most}, which is how long a "
            f"{_word(training)} is to train, and none counts as cut; {one}training.patience "
            f"{patience} {ends}"
        )


class CutWatch:
    """What the trainings of a sitting show, in the order in which they are told: said once."""

    def __init__(self) -> None:
        self._augmented: list[TrialRecord] = []
        self._is_said = False

    def line(self, record: TrialRecord) -> str | None:
        """What there is to say after this one."""
        if self._is_said:
            return None
        if record.spec.settings.augmentation and record.trained and cuttable_heads(record):
            self._augmented.append(record)
        said = cut_at_first(record) or _cut_when_augmented(self._augmented)
        self._is_said = said is not None
        return said


def cut_at_first(record: TrialRecord) -> str | None:
    """What no augmentation, the first trial, shows: where it is cut, augmented ones will be too."""
    if record.trial or not are_mostly_cut([record]):
        return None
    cut, heads = counted_cut([record])
    names = _names([record])
    return (
        f"{' or '.join(names)} cut {cut} of {plural(heads, 'head')} of no augmentation, which "
        "learns the fastest: augmented ones need longer, and most would be cut as well; "
        f"{_raise(names)}"
    )


def _cut_when_augmented(records: Sequence[TrialRecord]) -> str | None:
    """What the first with augmentation show of those that follow."""
    if len(records) < FEWEST_AUGMENTED or not are_mostly_cut(records):
        return None
    cut, heads = counted_cut(records)
    names = _names(records)
    return (
        f"{' or '.join(names)} cut {cut} of the first {plural(heads, 'head')} with augmentation: "
        f"their effects are of trainings that are not over; {_raise(names)}"
    )


def _names(records: Sequence[TrialRecord]) -> list[str]:
    return list(dict(limits_reached(records)))


def _raise(names: Sequence[str]) -> str:
    return f"raise {'it' if len(names) == 1 else 'both'}, and patience decides"


def earlier_lines(records: Sequence[TrialRecord], run_dir: Path) -> list[str]:
    """Of a run that is there: the share of its heads that was cut, and what that foretells."""
    if not counted_cut(records)[1]:
        return []
    limits = " or ".join(f"{name} {most}" for name, most in limits_reached(records))
    watch = CutWatch()
    said = (watch.line(record) for record in records)
    share = f"{limits or cutter_text(records)} cut {share_cut_text(records)}, in {run_dir}"
    return [share, *filter(None, said)]
