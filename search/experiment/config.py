"""The experiment file as one frozen, checked value, and how it is read.

A section whose settings may be searched (`augmentation`, `model`, `training`) is kept as written;
every value in it, and both ends of every range, has been checked by the type that a trial will use.
Nothing here reads an image or imports TensorFlow.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from data.errors import UserError
from data.messages import did_you_mean, literal
from data.settings import DatasetConfig
from search.experiment.complaints import TOO_DEEP, complaint, first_odd
from search.experiment.objectives import Objective
from search.experiment.sections import MODEL, TRAINING, accept_augmentation, check_section
from search.experiment.settings import without_later_defaults
from search.experiment.tracking_uri import check_uri, shown_override, shown_uri
from search.experiment.trial import FeatureDtype, Frozen, Precision
from search.experiment.yaml_file import parse_yaml, read_yaml

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


def _check_augmentation(section: dict[str, Any]) -> dict[str, Any]:
    check_section(section, accept_augmentation)
    return section


def _check_training(section: dict[str, Any]) -> dict[str, Any]:
    checked = TRAINING.check(section)
    return (
        {**checked, "views": checked.get("views", "fresh")}
        if checked.get("mode") == "scratch"
        else checked
    )


def _one_of(value: Any, table: Iterable[str]) -> str:
    allowed = list(table)
    if value not in allowed:
        hint = did_you_mean(str(value), allowed)
        raise ValueError(f"received {literal(value)}; allowed: {', '.join(allowed)}{hint}")
    return str(value)


class SearchConfig(Frozen):
    """Which settings are tried, and when to stop.

    lookahead: trials asked for ahead of the last answer. It bounds how many run at once, and it is
    part of what makes a search
    repeatable: answers reach the algorithm in trial order with this lag, however many workers there
    are.
    reduction: of halving and hyperband: one setting in so many is promoted. min_views: of halving:
    views of the lowest rung.
    """

    algorithm: str = "random"
    trials: Annotated[int, Field(ge=1, le=100_000)] = 20
    max_hours: Annotated[float, Field(gt=0)] | None = None
    lookahead: Annotated[int, Field(ge=1, le=4096)] = 2
    reduction: Annotated[int, Field(ge=2, le=10)] = 3
    min_views: Annotated[int, Field(ge=1, le=1000)] = 2

    @field_validator("algorithm", mode="before")
    @classmethod
    def _known_algorithm(cls, value: Any) -> str:
        from search.driver.algorithms import ALGORITHMS

        return _one_of(value, ALGORITHMS)


class ConfirmConfig(Frozen):
    """The best `top` trials are trained again on fresh folds, `seeds` fresh seeds and fresh
    `views`."""

    top: Annotated[int, Field(ge=1, le=100)] = 3
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    views: Annotated[int, Field(ge=1, le=10_000)] = 24


class EvaluationConfig(Frozen):
    """How a trial is scored. folds 1: the dataset's own validation split; more: stratified over
    train + validation."""

    folds: Annotated[int, Field(ge=1, le=100)] = 5
    seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    objective: Objective = "accuracy"
    confirm: ConfirmConfig | None = ConfirmConfig()
    ablation: bool = True
    test: bool = True


class TrackingConfig(Frozen):
    """Where MLflow keeps the search; `uri: null` switches it off. `experiment` defaults to the
    experiment file's name."""

    uri: Annotated[str, AfterValidator(check_uri)] | None = "sqlite:///mlflow.db"
    experiment: str | None = None


class TrialShare(Frozen):
    """What one trial takes of a cluster's node. Shares of a GPU are allowed."""

    cpu: Annotated[float, Field(gt=0, le=1024)] = 1
    gpu: Annotated[float, Field(ge=0, le=64)] = 0


class ExecutionConfig(Frozen):
    """Where trials run and what they may use. Nothing here but `precision`, `feature_dtype` and
    `order` changes a number in the result.

    feature_dtype: what a frozen backbone's features are kept in; float16 takes half the disk and is
    read in half the time.
    order: how answers reach the search algorithm: in the order of the trials, so that the search
    repeats, or `eager`, as they come: faster where trials differ in length, and another search each
    time (a resumed one keeps to what its journal says).
    address, resources, max_workers: of engine `ray`: the cluster (`auto`: the one this machine is
    part of), what a trial takes of it, and how many trials may run there at once, where that is
    less than there is room for.
    """

    engine: str = "local"
    order: Literal["deterministic", "eager"] = "deterministic"
    address: str = "auto"
    resources: TrialShare = TrialShare()
    max_workers: Annotated[int, Field(ge=1, le=100_000)] | None = None
    workers: Annotated[int, Field(ge=1, le=4096)] = 1
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    trial_timeout_minutes: Annotated[float, Field(gt=0)] | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    feature_engine: Literal["auto", "openvino", "tensorflow"] = "auto"
    precision: Precision | Literal["auto"] = "float32"
    feature_dtype: FeatureDtype = "float32"
    cache_dir: str | None = None
    disk_gb: Annotated[float, Field(gt=0)] | None = None

    @field_validator("engine", mode="before")
    @classmethod
    def _known_engine(cls, value: Any) -> str:
        from search.execution.engines import ENGINES

        return _one_of(value, ENGINES)


class ExperimentConfig(Frozen):
    """One experiment file, every default filled in."""

    name: Name
    seed: int = 0
    dataset: Annotated[DatasetConfig, Field(examples=[{"source": "folder", "path": "photos"}])]
    augmentation: Annotated[
        dict[str, Any],
        AfterValidator(_check_augmentation),
        Field(examples=[{"rotation_range": [0, 20, 40]}]),
    ]
    model: Annotated[
        dict[str, Any], AfterValidator(MODEL.check), Field(examples=[{"learning_rate": 0.001}])
    ] = {}
    training: Annotated[
        dict[str, Any], AfterValidator(_check_training), Field(examples=[{"max_epochs": 60}])
    ] = {}
    search: SearchConfig = SearchConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrackingConfig = TrackingConfig()
    execution: ExecutionConfig = ExecutionConfig()

    @model_validator(mode="after")
    def _searches_something(self) -> "ExperimentConfig":
        from search.experiment.space import Space
        from search.training.modes import check_modes

        check_modes(Space.of(self))
        return self

    @property
    def filled(self) -> dict[str, Any]:
        """The whole file as plain data with every default written out; reading it again gives this
        same config.

        It is journaled and shown, so what may be secret in the tracking address is left out.
        """
        data = self.model_dump(mode="json")
        data["model"] = MODEL.filled(self.model)
        data["training"] = TRAINING.filled(self.training)
        if self.tracking.uri is not None:
            data["tracking"]["uri"] = shown_uri(self.tracking.uri)
        return data

    @property
    def hash(self) -> str:
        """Of everything that the results depend on: the name, tracking and most of execution may
        change freely."""
        data = self.filled
        execution = data.pop("execution")
        for part in ("name", "tracking"):
            data.pop(part)
        data["precision"] = execution["precision"]
        for later, default in (("order", "deterministic"), ("feature_dtype", "float32")):
            if execution[later] != default:
                data[later] = execution[later]
        data["search"].pop("max_hours")
        data["training"] = without_later_defaults(data["training"])
        if data["dataset"]["limit_per_class"] is None:
            del data["dataset"]["limit_per_class"]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:24]


Experiment = str | Path | Mapping[str, Any] | ExperimentConfig


def load_config(experiment: Experiment, overrides: str | Sequence[str] = ()) -> ExperimentConfig:
    """An experiment from the path of its file, from what such a file holds as a mapping, or as it
    is.

    overrides: `a.b=value` each, with values in YAML. A path inside a file is relative to the file;
    one in a mapping or an override to the working directory. Raises UserError, and TypeError where
    `experiment` or `overrides` are none of these.
    """
    overrides = _texts(overrides)
    if isinstance(experiment, ExperimentConfig):
        if not overrides:
            return experiment
        experiment = experiment.model_dump(mode="json")
    data, origin = _read(experiment)
    for override in overrides:
        _apply_override(data, override)
        resolve_paths(data, Path.cwd())
    return parse_config(data, origin)


def _texts(overrides: object) -> Sequence[str]:
    listed = [overrides] if isinstance(overrides, str) else overrides
    if isinstance(listed, list | tuple) and all(isinstance(each, str) for each in listed):
        return listed
    raise TypeError(
        f"overrides received {literal(overrides)}; allowed: texts such as 'search.trials=30', one "
        "or a list of them"
    )


def _read(experiment: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The plain data of an experiment, and what errors call it."""
    if isinstance(experiment, Mapping):
        data = {
            key: dict(part) if isinstance(part, Mapping) else part
            for key, part in experiment.items()
        }
        resolve_paths(data, Path.cwd())
        return data, "the experiment"
    if not isinstance(experiment, str | Path):
        raise TypeError(
            f"an experiment was given as {type(experiment).__name__}; allowed: the path of an "
            "experiment file (.yaml), "
            "a mapping of what such a file holds, or an ExperimentConfig"
        )
    path = Path(experiment).expanduser()
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise UserError(
            f"{path}: received {literal(data)}; an experiment file is a mapping of keys to values, "
            "each written "
            "key: value, with a space after the colon"
        )
    resolve_paths(data, path.resolve().parent)
    return data, str(path)


def parse_config(data: Mapping[str, Any], origin: str) -> ExperimentConfig:
    """Checks plain data. Raises UserError with one line for each mistake."""
    try:
        text = json.dumps(data, allow_nan=False, default=_plain)
        return ExperimentConfig.model_validate_json(text, strict=True)
    except ValidationError as error:
        lines = (f"{origin}: {complaint(ExperimentConfig, item)}" for item in error.errors())
        raise UserError("\n".join(dict.fromkeys(lines))) from error
    except RecursionError as error:
        raise UserError(f"{origin}: {TOO_DEEP}") from error
    except (TypeError, ValueError) as error:
        what = first_odd(data) or f"{error}; "
        raise UserError(
            f"{origin}: {what}only words, numbers, true, false, lists and mappings are allowed"
        ) from error


def _plain(value: Any) -> Any:
    """A NumPy number or array, and a path, as an experiment file would hold them."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__}")


def resolve_paths(data: dict, base: Path) -> None:
    """Makes the dataset's path, a weights file's and the cache folder's absolute, in place. Raises
    UserError for an address."""
    for section, key in (("dataset", "path"), ("execution", "cache_dir"), ("model", "weights")):
        part = data.get(section)
        value = part.get(key) if isinstance(part, dict) else None
        value = str(value) if isinstance(value, Path) else value
        if isinstance(value, str) and "://" in value:
            raise UserError(
                f"{section}.{key}: received {shown_uri(value)!r}, an address; only files and "
                "folders of this machine are "
                "read: download it, and write where it is"
            )
        if isinstance(value, str) and not (key == "weights" and value in ("imagenet", "random")):
            part[key] = str((base / Path(value).expanduser()).resolve())  # type: ignore[index]


def _apply_override(data: dict, override: str) -> bool:
    key, separator, text = override.partition("=")
    if not separator or not all(key.split(".")):
        raise UserError(f"--set received {shown_override(override)!r}; write a.b=value")
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise UserError(
                f"--set received {shown_override(override)!r}, but {parent} is a value, not a "
                "section"
            )
    place[last] = parse_yaml(text, f"--set {key}")
    return True
