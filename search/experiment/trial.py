"""What goes into a trial and what comes out of it: frozen values that travel as JSON, and nothing
that trains.

`TrialSpec` holds all that a trial's numbers depend on; `Resources` holds what they do not (threads,
caches). `TrialResult` and `Predictions` are what training gives back, `Effect` what evaluation
makes of them, `TrialRecord` the row a search keeps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from data.own_code import Code
from data.settings import DatasetConfig
from search.experiment.answers import Predictions
from search.experiment.kinds import GuestName, Kind
from search.experiment.objectives import DEFAULT_OBJECTIVE, Objective
from search.experiment.precisions import Precision
from search.experiment.settings import Frozen, Settings, content_hash

Status = Literal["completed", "failed"]
FeatureDtype = Literal["float32", "float16"]
Lost = Literal["chance", "cut", "ruined", "diverged"]


class Protocol(Frozen):
    """On which images, from which seeds and at what budget a setting is trained and scored.

    folds: 1 trains on the training split and scores on the validation split; k > 1 is stratified
    k-fold over both together. epochs: None stops early; a number trains train + validation for
    exactly that long and scores the test split. head_epochs: of mode finetune with `epochs`: how
    long its first phase takes, `epochs` being the second's. max_epochs: a rung's: training pauses
    there, on a schedule made for `training.max_epochs`; None is no rung.
    """

    folds: Annotated[int, Field(ge=1)]
    fold_seed: int
    head_seeds: tuple[int, ...]
    view_seed: int
    views: int | Literal["fresh"]
    objective: Objective = DEFAULT_OBJECTIVE
    epochs: int | None = None
    head_epochs: int | None = None
    max_epochs: int | None = None


class TrialSpec(Frozen):
    """All that a trial's numbers depend on. `kind` and `label` are for people and, like `probes`,
    are not part of the key.

    precision, feature_dtype: what a frozen backbone computes in, and what its features are kept in.
    probes: augmentations (name -> strongest value) at whose extremes the trained heads are tried on
    held-out images, and the options that those act with. demo: the guest whose trial it is; None in
    every trial of a search.
    """

    kind: Kind
    label: str
    dataset: DatasetConfig
    dataset_seed: int
    settings: Settings
    protocol: Protocol
    precision: Precision = "float32"
    feature_dtype: FeatureDtype = "float32"
    probes: dict[str, Any] = {}
    demo: GuestName | None = None

    @property
    def key(self) -> str:
        """Names the trial by its content: two specs with one key give the same result, so one of
        them is trained."""
        content = self.model_dump(mode="json", exclude={"kind", "label", "probes"})
        return content_hash(content)[:24]


class Resources(Frozen):
    """What a trial may use. Changes how long it takes, never what comes out.

    cache_dir: shared by searches: decoded images, clean features. views_dir: of this search alone:
    augmented features, deleted as soon as the trial is over unless `keep_views` (a later rung may
    want more of the same). side_by_side: as `features.devices.set_threads` has it. dataset_digest:
    of the images, where another machine may have sent them (`data.packed`). code: the files of the
    user's own that the trial may run, by their names.
    """

    cache_dir: Path
    views_dir: Path
    keep_views: bool = False
    num_threads: int = 2
    side_by_side: bool = False
    feature_engine: Literal["auto", "openvino", "tensorflow"] = "auto"
    disk_gb: float | None = None
    dataset_digest: str | None = None
    code: Code = ()

    @property
    def checkpoint_dir(self) -> Path:
        """Of this search alone, as `views_dir`: how far its long trials have come."""
        return self.views_dir.parent / "checkpoints"


CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


class Curve(Frozen):
    """Means over the heads still training, one number per epoch. Heads that have stopped keep their
    last value.

    phases: of a trial that has several, each one's name and its number of epochs, in order; their
    numbers follow one another.
    """

    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    val_loss: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    phases: tuple[tuple[str, int], ...] = ()

    @property
    def values(self) -> dict[str, tuple[float, ...]]:
        return {name: getattr(self, name) for name in CURVES}

    @property
    def phase_of_epoch(self) -> tuple[str, ...]:
        """The phase of each epoch; empty strings where there is one phase."""
        named = tuple(name for name, epochs in self.phases for _ in range(epochs))
        return named or ("",) * len(self.loss)


class TrialTiming(Frozen):
    """Seconds, and the images that went through the backbone for this trial alone."""

    features_seconds: float
    heads_seconds: float
    total_seconds: float
    images_extracted: int


class Probe(Frozen):
    """One augmentation alone at one of its extremes (`at`, in the experiment file's unit), as the
    model trained without augmentation sees it. Shares are of pixels (fill) and of images
    (unchanged); `remark` says what is wrong, if anything."""

    augmentation: str
    at: str
    accuracy: float
    accuracy_ci: tuple[float, float]
    clean_accuracy: float
    clean_accuracy_ci: tuple[float, float]
    fill_share: float
    mean_shift_pixels: float
    unchanged_share: float
    remark: str = ""


class LostNetwork(Frozen):
    """A network that did not train. head: its place among the trial's. why: its loss became no
    number; it never was better than guessing, to its own end or until max_epochs cut it; or
    fine-tuning undid what its head had learnt. epoch: the one whose loss was no number, or its
    last."""

    head: Annotated[int, Field(ge=0)]
    why: Lost
    epoch: Annotated[int, Field(ge=1)]


def first_trained(lost: Sequence[LostNetwork], num_networks: int) -> int:
    """The network of a final trial that becomes the model: the first that trained; where none did,
    the first whose loss stayed a number."""
    bad = {each.head for each in lost}
    diverged = {each.head for each in lost if each.why == "diverged"}
    heads = range(num_networks)
    return next((h for among in (bad, diverged) for h in heads if h not in among), 0)


class TrialResult(Frozen):
    """What one trial measured."""

    status: Status
    score: float | None = None
    # Of out-of-fold predictions whose epoch was chosen on other images than those scored (honest);
    # a mean over seeds.
    metrics: dict[str, float] = {}
    # The same where each head's best epoch was chosen on the very images scored, as scripts do.
    optimistic_metrics: dict[str, float] = {}
    # An epoch (from 1, counted on over the phases) a head, folds fastest.
    best_epochs: tuple[int, ...] = ()
    head_best_epochs: tuple[int, ...] = ()  # of a trial in two phases, the same of the first
    num_heads: int = 0
    heads_cut_by_max_epochs: int = 0
    lost: tuple[LostNetwork, ...] = ()  # networks that did not train: few, of final ones not all
    # Where images come in groups, how many without would tell the accuracy as well.
    num_independent: float | None = None
    curve: Curve | None = None
    timing: TrialTiming | None = None
    validation_hash: tuple[str, str] | None = None  # of the clean pixels, before and after
    feature_engine: str | None = None
    path: str | None = None  # how images came to what trains, where there was a choice
    precision: Precision | None = None
    probes: tuple[Probe, ...] = ()
    error: str | None = None
    # Memory, time, a file or a machine failed it, and it may succeed once that is mended.
    may_pass: bool = False
    warnings: tuple[str, ...] = ()
    traceback: str | None = None
    log_path: str | None = None


class Effect(Frozen):
    """A paired difference against no augmentation in the objective; for log-loss the sign is turned
    so that more is better."""

    delta: float
    ci_low: float
    ci_high: float
    p_value: float


class TrialRecord(Frozen):
    """A row of the leaderboard, as replayed from the journal."""

    trial: int
    kind: Kind
    label: str
    # every searched or active setting under its own name, for people, CSV and MLflow
    settings: dict[str, Any]
    spec: TrialSpec
    rung: int | None = None
    duplicate_of: int | None = None
    attempts: int = 1
    result: TrialResult | None = None  # None: asked, not told yet
    effect: Effect | None = None
    predictions_file: str | None = None
    predictions_sha256: str | None = None
    asked_at: float = 0.0  # seconds since 1970
    told_at: float | None = None

    @property
    def status(self) -> str:
        return "running" if self.result is None else self.result.status

    @property
    def trained(self) -> TrialResult | None:
        """What was trained for this trial: None where it repeats another, whose answer it has and
        which cost it nothing."""
        return None if self.duplicate_of is not None else self.result


def fullest(records: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Those of the highest rung that holds a completed one: scores can be compared within a rung
    only. All, where there are no rungs."""
    every = tuple(records)
    top = max((record.rung or 0 for record in every if record.status == "completed"), default=0)
    return tuple(record for record in every if (record.rung or 0) == top)


@dataclass(frozen=True)
class Outcome:
    """What an engine hands back for one spec: always a result, with predictions where it
    completed."""

    result: TrialResult
    predictions: Predictions | None
    attempts: int = 1
