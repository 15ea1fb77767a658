"""Searches with stand-ins for training, in haste, and the faults that befall them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import small_search
from stand_ins import answer

from search.driver.experiment_file import parse_config
from search.driver.session import SearchResult, SessionOptions, run_search
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
    patch.setattr("search.report.preview.write_winner_sheet", lambda *arguments: None)
    patch.setattr("os.fsync", lambda descriptor: None)
    patch.setattr("gc.collect", lambda: 0)  # which statsmodels calls
    return found


BASELINE = "control: no augmentation"
OUT_OF_MEMORY = MemoryError("no room for 3 GB")


def config_of(cache: Path, **changes: Any) -> ExperimentConfig:
    experiment = {**small_search.EXPERIMENT, "search": {"trials": 4}, "tracking": {"uri": None}}
    execution = {"cache_dir": str(cache), "retries": RETRIES, **changes.pop("execution", {})}
    return parse_config({**experiment, "execution": execution, **changes}, "test")


class Heard:
    """Progress that keeps the messages."""

    def __init__(self, told: Callable[[int], object] = lambda number: None) -> None:
        self.messages: list[str] = []
        self._told = told

    def message(self, text: str) -> None:
        self.messages.append(text)

    def trial_told(self, record: Any) -> None:
        self._told(record.trial)

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


def sit(
    config: ExperimentConfig, run_dir: Path, progress: Any = None, **options: Any
) -> SearchResult:
    return run_search(config, run_dir, progress, SessionOptions(inline=True, **options))


def undisturbed(config: ExperimentConfig, run_dir: Path) -> SearchResult:
    result = sit(config, run_dir)
    assert result.outcome == "finished"
    return result


def events_of(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
