"""What the events of a sitting after the first say: what changed since, and what is tried again. Folded into the state by `state`."""

from collections.abc import Mapping
from typing import Any

from search.experiment.trial import Frozen, TrialRecord


class Resumed(Frozen):
    """Of an event. changed: `section.key` -> then and now; config_hash: of the config as it is now, where something changed."""

    changed: dict[str, tuple[Any, Any]] = {}
    config_hash: str = ""


class Retried(Frozen):
    """Of an event: from trial `first` on the search is gone through again; `trials` failed, or lost their answers. Of the others those
    that are asked for again keep theirs (`Replay.withdrawn`)."""

    first: int
    trials: tuple[int, ...]
    lifts_cut: bool = False

    def withdrawn(self, records: Mapping[int, TrialRecord]) -> dict[int, TrialRecord]:
        """The records from `first` on, those of `trials` without an answer."""
        found = {number: record for number, record in records.items() if number >= self.first}
        return found | {n: found[n].model_copy(update={"result": None}) for n in self.trials if n in found}
