"""What a search needs before its first trial: the images, the space, the machine's precision, and
what to write down of them.

Fails before anything is spent: the config is already checked; here come the data, then the backbone
and its weights.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from data.dataset import SPLIT_NAMES, TEST, Dataset
from data.errors import UserError
from data.own_code import Code
from data.own_code_watch import watched
from search.driver.algorithms import algorithm_of, build_oracle, num_settings, num_trials
from search.driver.code_files import check_code
from search.driver.plan_checks import check_answers, check_folds, check_limit
from search.driver.specs import SpecFactory
from search.execution.engine import default_cache_dir
from search.execution.engines import require_engine
from search.experiment.config import ExperimentConfig
from search.experiment.precisions import Precision
from search.experiment.seeds import derive_seed
from search.experiment.space import Space
from search.experiment.tracking_uri import check_database, checked_uri
from search.experiment.trial import Resources
from search.features.devices import import_tensorflow_quietly, resolve_precision
from search.features.precision_choice import PrecisionChoice, Subject, choose_precision
from search.journal.events import DatasetSummary


@dataclass(frozen=True)
class Heard:
    """Who hears what is prepared. on_images: of those decoded, and of all. doing: each step, as it
    begins. say: what stays to be read. pause: called between steps; raises where it was asked to
    stop."""

    on_images: Callable[[int, int], None] | None = None
    doing: Callable[[str], None] = lambda text: None
    say: Callable[[str], None] = lambda text: None
    pause: Callable[[], None] = lambda: None


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
    def num_settings(self) -> int:
        return num_settings(self.config, self.space)

    @property
    def is_confirmed(self) -> bool:
        return self.config.evaluation.confirm is not None

    @property
    def is_ablated(self) -> bool:
        return self.is_confirmed and self.config.evaluation.ablation

    @property
    def is_tested(self) -> bool:
        return self.config.evaluation.test and len(self.dataset.indices(TEST)) > 0

    @property
    def summary(self) -> DatasetSummary:
        labels, num_classes = np.asarray(self.dataset.labels), len(self.dataset.class_names)
        rows = {name: self.dataset.indices(number) for number, name in enumerate(SPLIT_NAMES)}
        counts = {
            name: tuple(np.bincount(labels[own], minlength=num_classes).tolist())
            for name, own in rows.items()
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
    heard: Heard | None = None,
    begun_in: Precision | None = None,
) -> Prepared:
    """Opens the images, decoding them where that was not done before, and chooses the precision.
    begun_in: that of a search that was begun, taken as it is. Raises UserError for what the user
    can mend."""
    check_limit(config)
    heard = heard or Heard()
    heard.doing("starting TensorFlow")
    import_tensorflow_quietly()  # asked here whether it sees a GPU, later for the algorithms
    heard.pause()
    from data.dataset import open_dataset
    from search.features.backbones import check_backbone, try_backbone
    from search.training.modes import check_networks

    space = config.space
    build_oracle(config, space)
    heard.pause()
    for try_it in (check_backbone, *([try_backbone] if begun_in is None else [])):
        for backbone, weights in networks_of(config):
            heard.pause()
            try_it(backbone, weights, config.dataset.image_size)
    check_networks(space, config.dataset.image_size)
    heard.pause()
    if config.execution.precision == "bfloat16" and begun_in is None:
        resolve_precision("bfloat16", resources.feature_engine)  # before an image is read
    seed = derive_seed(config.seed, "split")
    heard.doing("reading the images")
    dataset = open_dataset(
        config.dataset, resources.cache_dir, seed, resources.num_threads, heard.on_images
    )
    heard.pause()
    heard.doing("trying the network")
    check_folds(config, dataset)
    check_answers(config, dataset)
    heard.pause()
    if begun_in is None:
        subject = subject_of(config, dataset, resources)
        subject = replace(subject, say=heard.say, pause=heard.pause)
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


def check_model(prepared: Prepared, pause: Callable[[], None] = lambda: None) -> None:
    """Tries a model of the user's own at both ends of what is searched, and as the controls have
    it. pause: as `Heard`'s. Raises UserError where it is not one that can be trained on these
    images. Runs own code."""
    from search.training.own_call import check_own_model
    from search.training.own_model import BUILD, BUILDING_SECONDS

    size, num_classes = prepared.config.dataset.image_size, len(prepared.dataset.class_names)
    corners = {
        f"{each.model.model_dump_json()} {each.training.class_weight}": each
        for each in (*prepared.space.corners(), prepared.specs.control({}))
    }
    for number, settings in enumerate(corners.values()):
        pause()
        if settings.model.build is not None:
            is_weighted = settings.training.class_weight != "none"
            pictures = num_classes, size, is_weighted
            check = partial(check_own_model, settings.model, *pictures, again=not number)
            watched(settings.model.build, check, BUILDING_SECONDS, BUILD)
    pause()


def saving_lines(prepared: Prepared) -> tuple[str, ...]:
    """A line where a model of the user's own cannot be kept as a file that loads without its code,
    which is tried. Runs own code."""
    from search.training.own_model import BUILD, BUILDING_SECONDS
    from search.training.own_saving import why_no_file

    size, num_classes = prepared.config.dataset.image_size, len(prepared.dataset.class_names)
    settings = prepared.space.corners()[0]
    if settings.model.build is None:
        return ()
    call = partial(why_no_file, settings, num_classes, size)
    why = watched(settings.model.build, call, BUILDING_SECONDS, BUILD)
    return (why,) if why else ()


def backbones_of(config: ExperimentConfig) -> list[tuple[str, str]]:
    """Every pair of backbone and weights that a trial of the experiment may use."""
    space = config.space
    return [
        (backbone, weights)
        for backbone in space.values_of("model", "backbone")
        for weights in space.values_of("model", "weights")
    ]


def networks_of(config: ExperimentConfig) -> list[tuple[str, str]]:
    """The same, and none where the model is the user's own."""
    from search.training.modes import MODES

    return backbones_of(config) if MODES[config.space.mode].has_backbone else []
