"""The experiment file as one frozen, checked value: all its sections, what is searched included.

Nothing here reads a file or an image, knows the tables that stand above (algorithms, engines,
modes, ...) or imports TensorFlow: `driver.experiment_file` reads with it and checks by them.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model

from data.own_augmentations import is_from_outside
from data.secrets import shown_uri, without_secret
from data.settings import DatasetConfig, NameIn
from search.experiment.config_changes import CODE, by_place, may_change
from search.experiment.controls import CONTROL_NAMES, each_once, name_controls
from search.experiment.objectives import DEFAULT_OBJECTIVE, Objective
from search.experiment.sections import (
    USUAL,
    AugmentationSection,
    ModelSection,
    TrainingSection,
    augmentation_section,
)
from search.experiment.settings import Described, content_hash
from search.experiment.space import Space
from search.experiment.tracking_uri import check_uri
from search.experiment.trial import FeatureDtype, Precision

Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        examples=["clothing"],
        json_schema_extra={
            "allowed": "1 to 100 letters, digits, dots, dashes and underscores, a letter or digit "
            "first"
        },
    ),
]


ControlName = Annotated[str, Field(json_schema_extra=name_controls)]

_SHARES = "2 to 10 shares that rise and end with 1, such as [0.5, 1]"


def _rising(shares: tuple[float, ...]) -> tuple[float, ...]:
    rises = all(before < after for before, after in pairwise((0.0, *shares)))
    if not rises or shares[-1] != 1:
        raise ValueError(f"received {list(shares)}; allowed: {_SHARES}")
    return shares


class SearchConfig(Described):
    """Which settings are tried, and when to stop."""

    algorithm: Annotated[str, NameIn("algorithm")] = "random"
    """Which settings are tried next; see the table of algorithms."""
    trials: Annotated[int, Field(ge=1, le=100_000)] = 20
    """How many settings are tried."""
    max_hours: Annotated[float, Field(gt=0)] | None = None
    """No new trial is asked for when this would run out before the best is confirmed."""
    lookahead: Annotated[int, Field(ge=1, le=4096)] = 2
    """Trials asked for ahead of the last answer. It bounds how many run at once, and is part of
    what makes a search repeat."""
    reduction: Annotated[int, Field(ge=2, le=10)] = 3
    """Halving and Hyperband promote one setting in so many."""
    min_views: Annotated[int, Field(ge=1, le=1000)] = 2
    """Halving: views of the lowest rung (of the only one, where all views are hardly more); where
    networks train its epochs, of which it has at least `training.patience`."""
    looks: (
        Annotated[
            tuple[Annotated[float, Field(gt=0, le=1)], ...],
            Field(
                min_length=2,
                max_length=10,
                examples=[[0.5, 1]],
                json_schema_extra={"allowed": _SHARES},
            ),
            AfterValidator(_rising),
        ]
        | None
    ) = None
    """Looks before the end, as shares of all trainings, the last one 1: what is known at one, or
    can gain nothing that matters any more, is not trained further; null for none."""


class ConfirmConfig(Described):
    """The best trials, trained again on fresh folds, seeds and views."""

    top: Annotated[int, Field(ge=1, le=100)] = 3
    """How many of the best trials are confirmed."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """Fresh heads per fold."""
    views: Annotated[int, Field(ge=1, le=10_000)] = 24
    """Fresh views per image."""


class EvaluationConfig(Described):
    """How a trial is scored, and what is made of the best."""

    folds: Annotated[int, Field(ge=1, le=100)] = 5
    """1 scores on the validation split; more cross-validate over train and validation."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    """Heads trained a fold, each from other first weights. On a lower rung, where trials are only
    ranked, one (all, in a single fold or where epochs are shared out)."""
    objective: Objective = DEFAULT_OBJECTIVE
    """What a trial is ranked by."""
    confirm: ConfirmConfig | None = ConfirmConfig()
    """The best are trained again on fresh folds, seeds and views; null: the answer rests on the
    search alone."""
    ablation: bool = True
    """Each augmentation taken out of the recommended setting, and each alone."""
    controls: Annotated[tuple[ControlName, ...], AfterValidator(each_once)] = CONTROL_NAMES
    """What is compared with beside no augmentation: the course's settings, TrivialAugment;
    [] for neither."""
    negligible: Annotated[float, Field(gt=0, le=1)] = 0.005
    """An effect that is surely no larger, either way, is called negligible; in the objective's
    units (0.005 of accuracy is half a point)."""
    test: bool = True
    """The test split is scored once, at the end."""


class TrackingConfig(Described):
    """Where MLflow keeps the search."""

    uri: Annotated[str, AfterValidator(check_uri)] | None = "sqlite:///mlflow.db"
    """Where MLflow keeps the search; null for nowhere."""
    experiment: Annotated[str, AfterValidator(without_secret)] | None = None
    """MLflow's experiment; the file's name by default."""


class TrialShare(Described):
    """What one trial takes of a cluster's node."""

    cpu: Annotated[float, Field(gt=0, le=1024)] = 1
    """Cores per trial; shares are allowed."""
    gpu: Annotated[float, Field(ge=0, le=64)] = 0
    """Graphics processors per trial; shares are allowed."""


class ExecutionConfig(Described):
    """Where trials run and what they may use. Nothing here but `precision`, `feature_dtype` and
    `order` changes a number in the result."""

    engine: Annotated[str, NameIn("engine")] = "local"
    """Where trials run; see the table of engines."""
    order: Literal["deterministic", "eager"] = "deterministic"
    """How answers reach the algorithm: in the order of the trials, so that the search repeats,
    or `eager`, as they come: faster where trials differ in length, and another search each time
    (a resumed one keeps to what its journal says)."""
    address: Annotated[str, AfterValidator(without_secret)] = "auto"
    """The cluster's, for an engine that has one."""
    resources: TrialShare = TrialShare()
    """What a trial asks of a cluster."""
    max_workers: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Trials at a time on a cluster, at most; as many as it has room for by default."""
    workers: Annotated[int, Field(ge=1, le=4096)] = 1
    """Trials at a time."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads per trial; all cores by default."""
    trial_timeout_minutes: Annotated[float, Field(gt=0)] | None = None
    """Ends a trial that takes longer."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """How often a trial whose process died is tried again."""
    feature_engine: Literal["auto", "openvino", "tensorflow"] = "auto"
    """What runs the backbone."""
    precision: Precision | Literal["auto"] = "float32"
    """The numbers that the backbone computes in; `auto` is the fastest, as measured here. It
    changes figures, those of int8 in the first digits: see precision.md."""
    feature_dtype: FeatureDtype = "float32"
    """What features are kept in; float16 halves the disk. It changes numbers, in the last
    digits."""
    cache_dir: str | None = None
    """Where decoded images and clean features are kept."""
    disk_gb: Annotated[float, Field(gt=0)] | None = None
    """The most that views may take on the disk."""


class CodeSection(Described):
    """Python files of your own that the experiment names, `FILE.py:NAME`. Filled in."""

    folder: str | None = None
    """Where they are; the folder of the experiment file by default."""
    files: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = {}
    """The SHA-256 of each, as it is run."""


class ExperimentConfig(Described):
    """One experiment file, every default filled in."""

    name: Name = "images"
    """Names the run directory and the MLflow experiment; where it is left out, as the folder or
    file of images is called, if that can be a name."""
    seed: int = 0
    """Everything random follows from it: splits, folds, views, first weights. The same file and
    seed give the same numbers."""
    dataset: Annotated[DatasetConfig, Field(examples=[{"source": "folder", "path": "photos"}])]
    augmentation: Annotated[
        AugmentationSection, Field(examples=[{"rotation_range": [0, 20, 40]}])
    ] = AugmentationSection.model_validate(USUAL)
    model: Annotated[ModelSection, Field(examples=[{"learning_rate": 0.001}])] = ModelSection()
    training: Annotated[TrainingSection, Field(examples=[{"max_epochs": 60}])] = TrainingSection()
    search: SearchConfig = SearchConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrackingConfig = TrackingConfig()
    execution: ExecutionConfig = ExecutionConfig()
    code: CodeSection = CodeSection()

    @property
    def space(self) -> Space:
        """What is searched, and what is fixed."""
        return Space.of(augmentation=self.augmentation, model=self.model, training=self.training)

    @property
    def filled(self) -> dict[str, Any]:
        """The whole file as plain data with every default written out; reading it again gives this
        same config.

        It is journaled and shown, so what may be secret in the tracking address is left out.
        """
        data = self.model_dump(mode="json")
        data["augmentation"] = self.augmentation.model_dump(mode="json", exclude_unset=True)
        if self.tracking.uri is not None:
            data["tracking"]["uri"] = shown_uri(self.tracking.uri)
        if not self.code.files:
            del data["code"]
        return data

    @property
    def hash(self) -> str:
        """Of everything that the results depend on, where the images lie included: the name and
        what may change are left out."""
        kept = {
            key: value
            for key, value in by_place(self.filled)
            if key in ("dataset.path", CODE) or not (key == "name" or may_change(key))
        }
        return content_hash(kept)[:24]


def config_type(data: Mapping[str, Any]) -> type[ExperimentConfig]:
    """Of what a file holds: it may name augmentations that no table holds."""
    section = data.get("augmentation")
    names = section if isinstance(section, Mapping) else ()
    return _type_with(tuple(sorted(name for name in names if is_from_outside(name))))


@lru_cache(maxsize=16)
def config_of_json(text: str) -> ExperimentConfig:
    """Of a journal, whose config was checked by all tables before it was written or read. Raises
    ValueError where this is no config."""
    return config_type(json.loads(text)).model_validate_json(text, strict=True)


@lru_cache(maxsize=64)
def _type_with(outside: tuple[str, ...]) -> type[ExperimentConfig]:
    if not outside:
        return ExperimentConfig
    field = ExperimentConfig.model_fields["augmentation"]
    words = Field(description=field.description, examples=field.examples)
    return create_model(
        "ExperimentConfig",
        __base__=ExperimentConfig,
        augmentation=(augmentation_section(outside), words),
    )
