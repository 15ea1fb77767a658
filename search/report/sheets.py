"""Contact sheets drawn as a search goes: one a trial, for the tracker to show beside its
figures."""

from collections.abc import Callable
from pathlib import Path

from data.dataset import Dataset
from data.files import StorageError
from search.execution.failures import is_lack
from search.experiment.trial import TrialRecord
from search.training.progress import EpochReport

MOST_SHEETS = 100  # trials whose contact sheets are drawn, at about a second each


class TrialSheets:
    """Draws a contact sheet of each trial told, for the tracker to show beside its figures. say:
    told of one that the machine refuses to draw."""

    def __init__(self, dataset: Dataset, run_dir: Path, say: Callable[[str], None]) -> None:
        self.dataset, self.run_dir, self._say = dataset, run_dir, say

    def trial_started(self, record: TrialRecord) -> None:
        """Nothing to draw yet."""

    def trial_epoch(self, record: TrialRecord, report: EpochReport) -> None:
        """Nor yet."""

    def trial_told(self, record: TrialRecord) -> None:
        from search.report.preview import write_trial_sheet

        path = self.run_dir / "previews" / f"{record.trial}.png"
        shown = record.kind in ("control", "trial") and record.trial <= MOST_SHEETS
        if (
            shown
            and record.status == "completed"
            and record.spec.settings.augmentation
            and not path.exists()
        ):
            try:
                write_trial_sheet(record, self.dataset, self.run_dir)
            except Exception as error:
                if isinstance(error, StorageError) or not is_lack(error):
                    raise
                self._say(
                    f"no contact sheet of trial {record.trial}: {type(error).__name__}: {error}"
                )
