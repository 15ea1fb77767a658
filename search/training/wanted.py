"""Which kept views a later trial of the search may want, said to the workers as trials are asked and told (`features.budget`).

With rungs, a setting's views serve its trial on each higher rung, until it can be promoted no more: its trial failed, the rung above
it is full, or all of its own rung is told and better ones fill what is left above. Trials without rungs want theirs while they run.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from search.experiment.trial import Resources, TrialRecord, setting_key
from search.features.budget import RUNNING, mark
from search.training.progress import EpochReport


class WantedViews:
    """rung_sizes: how many trials of the search each rung gets, lowest first; empty where there are none or it is not known.
    sign: of the objective (`evidence.objectives`)."""

    def __init__(self, resources: Resources, rung_sizes: Sequence[int], sign: int) -> None:
        self._views_dir, self._sizes = resources.views_dir, rung_sizes
        self._sign = -sign
        self._asked, self._told = Counter[int](), Counter[int]()
        self._over: set[int] = set()
        # of each rung: what waits to be promoted, setting -> (score, less being better; trial), and its record
        self._waiting: dict[int, dict[str, tuple[float, int]]] = defaultdict(dict)
        self._records: dict[int, TrialRecord] = {}
        self._uses: dict[tuple[int, str], dict[int, int]] = defaultdict(dict)  # policy -> trial -> its uses

    def trial_started(self, record: TrialRecord) -> None:
        self._want(record, RUNNING if record.duplicate_of is None and record.result is None else 0)
        if self._climbs(record):
            rung = record.rung or 0
            self._asked[rung] += 1
            promoted = self._waiting[rung - 1].pop(setting_key(record.spec.settings), None)
            if promoted is not None:
                self._forget(promoted[1])
            self._give_up(rung - 1)

    def trial_epoch(self, record: TrialRecord, report: EpochReport) -> None:
        """Nothing."""

    def trial_told(self, record: TrialRecord) -> None:
        if not self._climbs(record):
            self._want(record, 0)
            return
        if record.trial in self._over:  # told before, for one that repeats it
            return
        self._over.add(record.trial)
        rung = record.rung or 0
        self._told[rung] += 1
        score = record.result.score if record.result else None
        above = len(self._sizes) - 1 - rung
        if score is None or above == 0:
            self._want(record, 0)
        else:
            self._want(record, above)
            self._records[record.trial] = record
            self._waiting[rung][setting_key(record.spec.settings)] = (self._sign * score, record.trial)
        self._give_up(rung)

    def _climbs(self, record: TrialRecord) -> bool:
        return record.kind == "trial" and record.rung is not None and bool(self._sizes)

    def _give_up(self, rung: int) -> None:
        """On those of a rung that can be promoted no more."""
        if not 0 <= rung < len(self._sizes) - 1:
            return
        waiting, left = self._waiting[rung], self._sizes[rung + 1] - self._asked[rung + 1]
        is_told = self._told[rung] >= self._sizes[rung]
        if len(waiting) > left and (is_told or left <= 0):
            ranked = sorted(waiting, key=waiting.__getitem__)
            for setting in ranked[max(left, 0) :]:
                self._forget(waiting.pop(setting)[1])

    def _forget(self, trial: int) -> None:
        self._want(self._records.pop(trial), 0)

    def _want(self, record: TrialRecord, uses: int) -> None:
        """Several trials may differ in other settings and share a policy."""
        augmentation, seed = record.spec.settings.augmentation, record.spec.protocol.view_seed
        if not augmentation:
            return
        wanting = self._uses[seed, repr(augmentation)]
        before = sum(wanting.values())
        wanting[record.trial] = uses
        if not uses:
            del wanting[record.trial]
        if sum(wanting.values()) != before:
            mark(self._views_dir, seed, augmentation, sum(wanting.values()))
