"""Searches with stand-ins for training, in haste, and the faults that befall them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from small_search import Heard, small_config
from stand_ins import answer

from search.experiment.config import ExperimentConfig
from search.experiment.trial import Outcome, Resources, TrialResult, TrialSpec
from search.training.progress import OnEpoch

RETRIES = 1  # attempts of one sitting: two


@dataclass
class Faults:
    """What happens to the trials of a label before it is mended: an exception is raised, a reason
    is reported. trained: all labels."""

    raised: dict[str, BaseException] = field(default_factory=dict)
    reported: dict[str, str] = field(default_factory=dict)
    trained: list[str] = field(default_factory=list)

    def run(
        self, spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None
    ) -> Outcome:
        name = f"{spec.kind}: {spec.label}"
        self.trained.append(name)
        if name in self.raised:
            raise self.raised[name]
        if name in self.reported:
            return Outcome(TrialResult(status="failed", error=self.reported[name]), None)
        dataset = spec.dataset.model_copy(update={"path": None})  # the same wherever the images are
        return answer(spec.model_copy(update={"dataset": dataset}), resources)

    def mend(self) -> None:
        self.raised.clear()
        self.reported.clear()
        self.trained.clear()


def in_haste(patch: pytest.MonkeyPatch) -> Faults:
    """Searches that train nothing, draw no page, and leave flushing and collecting out: what takes
    longer than all else."""
    found = Faults()
    patch.setattr("search.training.run_trial.run_trial", found.run)
    patch.setattr("search.driver.publishing.write_report", lambda state, run_dir: None)
    patch.setattr("search.driver.session.TrialSheets", lambda *arguments: Heard())
    patch.setattr("search.driver.session.write_winner_sheet", lambda *arguments: None)
    patch.setattr("os.fsync", lambda descriptor: None)
    return found


BASELINE = "control: no augmentation"
OUT_OF_MEMORY = MemoryError("no room for 3 GB")


def config_of(cache: Path, **sections: Any) -> ExperimentConfig:
    execution = {"retries": RETRIES, **sections.pop("execution", {})}
    return small_config(cache, **{"search": {"trials": 4}, "execution": execution, **sections})


def events_of(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
