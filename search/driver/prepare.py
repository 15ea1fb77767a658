"""What a search needs before its first trial: the images, the space, the machine's precision, and
what to write down of them.

Fails before anything is spent: the config is already checked; here come the data, then the backbone
and its weights.
"""

import importlib.metadata
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data.dataset import SPLIT_NAMES, TEST, TRAIN, VALIDATION, Dataset
from data.errors import UserError
from data.own_code import Code
from data.own_code_watch import watched
from data.strict_zip import MOST_BYTES
from search.driver.algorithms import algorithm_of, build_oracle, num_trials
from search.driver.code_files import check_code
from search.driver.specs import STREAMS, SpecFactory
from search.execution.engine import default_cache_dir
from search.execution.engines import require_engine
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import OBJECTIVES
from search.experiment.precisions import Precision
from search.experiment.seeds import derive_seed
from search.experiment.space import Space
from search.experiment.tracking_uri import check_database, checked_uri
from search.experiment.trial import Resources
from search.features.devices import import_tensorflow_quietly, resolve_precision
from search.features.precision_choice import PrecisionChoice, Subject, choose_precision
from search.journal.events import DatasetSummary
from search.training.head_tasks import cross_folds

PACKAGES = (
    "augsearch",
    "tensorflow",
    "keras",
    "keras-tuner",
    "mlflow",
    "pandas",
    "numpy",
    "openvino",
    "nncf",
    "opencv-python-headless",
    "pillow",
    "matplotlib",
    "scikit-learn",
)

OnImages = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """An experiment with its images opened."""

    config: ExperimentConfig
    space: Space
    specs: SpecFactory
    dataset: Dataset
    choice: PrecisionChoice

    @property
    def precision(self) -> Precision:
        """Of the search phase."""
        return self.choice.precision

    @property
    def num_trials(self) -> int:
        return num_trials(self.config, self.space)

    @property
    def is_confirmed(self) -> bool:
        return self.config.evaluation.confirm is not None

    @property
    def is_ablated(self) -> bool:
        return self.is_confirmed and self.config.evaluation.ablation

    @property
    def is_tested(self) -> bool:
        splits = np.asarray(self.dataset.splits)
        return self.config.evaluation.test and bool((splits == TEST).any())

    @property
    def summary(self) -> DatasetSummary:
        labels, splits = np.asarray(self.dataset.labels), np.asarray(self.dataset.splits)
        num_classes = len(self.dataset.class_names)
        counts = {
            name: tuple(np.bincount(labels[splits == number], minlength=num_classes).tolist())
            for number, name in enumerate(SPLIT_NAMES)
        }
        return DatasetSummary(
            digest=self.dataset.digest,
            image_size=self.config.dataset.image_size,
            class_names=self.dataset.class_names,
            counts=counts,
            notes=self.dataset.notes,
        )


def resources_of(config: ExperimentConfig, run_dir: Path, code: Code = ()) -> Resources:
    """What this machine gives to the trials of an experiment. code: that they may run; none by
    default."""
    from search.training.modes import MODES

    execution = config.execution
    return Resources(
        cache_dir=Path(execution.cache_dir) if execution.cache_dir else default_cache_dir(),
        views_dir=run_dir / "views",
        keep_views=algorithm_of(config).budget_key is not None,
        num_threads=execution.threads or available_cores(),
        side_by_side=MODES[config.space.mode].side_by_side,
        feature_engine=execution.feature_engine,
        disk_gb=execution.disk_gb,
        code=code,
    )


def available_cores() -> int:
    """Cores this process may use, which in a container or a batch job are fewer than the machine
    has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def require_runnable(config: ExperimentConfig) -> None:
    """What `check` and `run` refuse alike before they read an image. Raises UserError where no
    trial would change a picture, for an engine that is not installed, for an address of MLflow's
    that cannot be used, and for own code that does not do what it should."""
    if not config.space.augments:
        raise UserError(
            "augmentation: nothing that would be tried changes a picture; write what is to be "
            "searched, such as rotation_range: {min: 0, max: 30} or horizontal_flip: [false, true] "
            "(a shift of 1 draws 0 pixels: write 1.0)"
        )
    require_engine(config.execution.engine)
    if config.tracking.uri is not None:
        checked_uri(config.tracking.uri)
        check_database(config.tracking.uri)
    check_code(config)


def prepare(
    config: ExperimentConfig,
    resources: Resources,
    on_images: OnImages | None = None,
    begun_in: Precision | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Prepared:
    """Opens the images, decoding them where that was not done before, and chooses the precision.
    begun_in: that of a search that was begun, taken as it is. say: to people, what takes long.
    Raises UserError for what the user can mend."""
    import_tensorflow_quietly()  # asked here whether it sees a GPU, later for the algorithms
    from data.dataset import open_dataset
    from search.features.backbones import check_backbone
    from search.training.modes import check_networks

    space = config.space
    build_oracle(config, space)
    for backbone, weights in () if space.mode == "fit" else backbones_of(config):
        check_backbone(backbone, weights, config.dataset.image_size)
    check_networks(space, config.dataset.image_size)
    if config.execution.precision == "bfloat16" and begun_in is None:
        resolve_precision("bfloat16", resources.feature_engine)  # before an image is read
    seed = derive_seed(config.seed, "split")
    dataset = open_dataset(
        config.dataset, resources.cache_dir, seed, resources.num_threads, on_images
    )
    _check_folds(config, dataset)
    _check_answers(config, dataset)
    if begun_in is None:
        subject = replace(subject_of(config, dataset, resources), say=say)
        choice = choose_precision(config.execution.precision, subject)
    else:
        choice = PrecisionChoice(begun_in)
    return Prepared(config, space, SpecFactory(config, space, choice.precision), dataset, choice)


def subject_of(config: ExperimentConfig, dataset: Dataset, resources: Resources) -> Subject:
    """What a search's precision is of."""
    from search.training.modes import MODES

    frozen = MODES[config.space.mode].frozen
    backbones = [] if frozen == "none" else backbones_of(config)
    return Subject(dataset, backbones, resources, heads_alone=frozen == "all")


def check_model(prepared: Prepared) -> None:
    """Tries a model of the user's own at both ends of what is searched. Raises UserError where it
    is not one that can be trained on these images. Runs own code."""
    from search.training.own_model import BUILD, BUILDING_SECONDS
    from search.training.own_model_check import check_own_model

    size, num_classes = prepared.config.dataset.image_size, len(prepared.dataset.class_names)
    corners = {settings.model.model_dump_json(): settings for settings in prepared.space.corners()}
    for settings in corners.values():
        if settings.model.build is not None:
            check = partial(check_own_model, settings.model, num_classes, size)
            watched(settings.model.build, check, BUILDING_SECONDS, BUILD)


def _check_folds(config: ExperimentConfig, dataset: Dataset) -> None:
    folds = config.evaluation.folds
    if folds > 1 and dataset.limited:
        raise UserError(
            f"evaluation.folds is {folds}, which would train on the whole validation split, and "
            "dataset.limit_per_class is set; write folds: 1"
        )
    if folds == 1:
        return
    pool = np.flatnonzero(np.isin(dataset.splits, (TRAIN, VALIDATION)))
    labels = np.asarray(dataset.labels)[pool]
    each = np.arange(len(pool)) if dataset.groups is None else np.asarray(dataset.groups)[pool]
    # copies, and images of one group, go into one fold together, and count once
    counts = np.bincount(
        np.unique(np.stack([labels, each]), axis=1)[0], minlength=len(dataset.class_names)
    )
    if counts.min() < folds:
        name = dataset.class_names[int(counts.argmin())]
        what = "images outside the test split (copies count once); lower folds or add images"
        if dataset.notes.groups is not None:
            what = "groups outside the test split; lower folds or add groups"
        raise UserError(
            f"evaluation.folds is {folds}, but class {name!r} has {counts.min()} {what}"
        )
    if dataset.notes.groups is not None:
        _check_group_folds(config, dataset, pool)


def _check_group_folds(config: ExperimentConfig, dataset: Dataset, pool: np.ndarray) -> None:
    """Raise UserError where a fold of those that will be drawn has no image of a class."""
    folds, labels = config.evaluation.folds, np.asarray(dataset.labels)[pool]
    for phase in sorted({*STREAMS.values()} - {"test"}):
        fold = cross_folds(dataset, pool, folds, derive_seed(config.seed, phase, "folds"))
        counts = np.zeros((len(dataset.class_names), folds), int)
        np.add.at(counts, (labels, fold), 1)
        if not counts.all():
            name = dataset.class_names[int(np.argwhere(counts == 0)[0][0])]
            raise UserError(
                f"evaluation.folds is {folds}, but the groups of class {name!r} cannot be dealt so "
                "that each fold has one; lower folds"
            )


def _check_answers(config: ExperimentConfig, dataset: Dataset) -> None:
    """Raise UserError where a trial's answers would be more than their reader takes."""
    evaluation = config.evaluation
    if not OBJECTIVES[evaluation.objective].needs_all:
        return
    seeds = max(evaluation.seeds, evaluation.confirm.seeds if evaluation.confirm else 0)
    images, classes = len(dataset.labels), len(dataset.class_names)
    if 4 * seeds * images * (classes + 2) > MOST_BYTES:
        raise UserError(
            f"evaluation.objective is {evaluation.objective}, which keeps the probabilities of all "
            f"{classes} classes for {images:,} images and {seeds} seeds: more than "
            f"{MOST_BYTES >> 20} MiB per trial; lower seeds or choose another objective"
        )


def backbones_of(config: ExperimentConfig) -> list[tuple[str, str]]:
    """Every pair of backbone and weights that a trial of the experiment may use."""
    space = config.space
    return [
        (backbone, weights)
        for backbone in space.values_of("model", "backbone")
        for weights in space.values_of("model", "weights")
    ]


def describe_environment(prepared: Prepared) -> dict[str, Any]:
    """Versions, machine and hashes, for `environment.json`. Nothing of the user's environment
    variables."""
    from search.features.backbones import weights_identity
    from search.features.devices import names_of_cards

    cards, config = names_of_cards(), prepared.config
    backbones = () if prepared.space.mode == "fit" else backbones_of(config)
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        **({"gpus": cards} if cards else {}),
        "cores": available_cores(),
        **_precision(prepared.choice),
        "dataset": prepared.dataset.digest,
        **({"code": files} if (files := config.code.files) else {}),
        "weights": {f"{b}/{w}": weights_identity(b, w) for b, w in backbones},
    }


def _precision(choice: PrecisionChoice) -> dict[str, Any]:
    rates = {precision: round(rate, 1) for precision, rate in choice.rates.items()}
    return {
        "precision": choice.precision,
        **({"images_a_second": rates} if rates else {}),
        **({"why_this_precision": choice.why} if choice.why else {}),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
