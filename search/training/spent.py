"""What trials leave on the disk for those that may go on with it, deleted once nobody will: told of each trial by the ledger."""

import shutil

from search.experiment.trial import Resources, TrialRecord
from search.training.checkpoints import checkpoint_file
from search.training.progress import EpochReport

CLIMBING = ("control", "trial")  # kinds whose settings a later rung may want more views of


class SpentCheckpoints:
    """Deletes a trial's checkpoint once it has been told, unless a higher rung may want it."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def trial_started(self, record: TrialRecord) -> None:
        """Nothing yet."""

    def trial_epoch(self, record: TrialRecord, report: EpochReport) -> None:
        """Nothing either."""

    def trial_told(self, record: TrialRecord) -> None:
        if not (self._resources.keep_views and record.kind == "trial"):
            checkpoint_file(record.spec, self._resources).unlink(missing_ok=True)


class SpentViews:
    """Deletes the views of the search phase once a trial of a later one, which draws its own, is asked for."""

    def __init__(self, resources: Resources) -> None:
        self._views_dir = resources.views_dir

    def trial_started(self, record: TrialRecord) -> None:
        if record.kind in CLIMBING or record.result is not None:
            return
        if not record.spec.settings.augmentation:
            return  # it has no views, and those of trials that run beside it are not its to delete
        wanted = str(record.spec.protocol.view_seed)
        for folder in self._views_dir.iterdir() if self._views_dir.is_dir() else ():
            if folder.name.isdigit() and folder.name != wanted:
                shutil.rmtree(folder, ignore_errors=True)

    def trial_epoch(self, record: TrialRecord, report: EpochReport) -> None:
        """Nothing."""

    def trial_told(self, record: TrialRecord) -> None:
        """Nothing: `run_trial` deletes its own."""
