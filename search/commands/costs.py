"""What a plan costs on this machine, for `check`: images through a frozen backbone in each
precision, and how fast; what a head on kept features takes, by a few epochs on made-up ones; of
trained networks, how images come to them, how fast they train, and how long all of it takes at
most. How much a plan holds is `workload`'s."""

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import product, repeat
from typing import Any

import numpy as np

from data.dataset import TRAIN, VALIDATION
from data.messages import plural
from search.driver.prepare import Prepared, available_cores
from search.driver.workload import Workload, workload
from search.experiment.precisions import Precision
from search.experiment.settings import Frozen, Settings
from search.experiment.space import Space
from search.experiment.trial import Resources
from search.features.devices import operations_at_once, sees_gpu
from search.features.process_cache import extractor_of
from search.report.time_left import seconds_of
from search.training.cutting import cut_summary, stored_bytes, why_whole
from search.training.head_shape import initial_weights
from search.training.head_tasks import HeadTask
from search.training.heads import HeadPlan, train_heads
from search.training.modes import MODES, mode_of
from search.training.network import Network
from search.training.network_shape import NetworkShape, network_of
from search.training.network_variables import Steps
from search.training.own_model import build_own
from search.training.own_outputs import outputs_of

STEPS = 3  # timed, after one that builds the graph
PREDICTING = 3.0  # times as fast as training
PROBE_IMAGES = 64
TIMED_EPOCHS = 3  # after one that compiles
MOST_TIMED = 15  # heads; more take about as much longer
# most heads stop within patience of their best epoch, well before max_epochs 60
TYPICAL_EPOCHS = 45


class NetworkCost(Frozen):
    """way: how images come to what trains, and why. networks: per trial, one per fold and seed.
    epochs: of the longest, at most. images: through the extractor, at most. seconds: of all
    training, where nothing stops early."""

    way: str
    networks: int
    epochs: int
    images: int
    images_per_second: float
    seconds: float


def network_cost(prepared: Prepared) -> NetworkCost | None:
    """None where the mode trains heads alone, whose cost is another matter."""
    settings = prepared.specs.control({})
    mode = mode_of(settings.training)
    if mode.budget != "epochs":
        return None
    evaluation = prepared.config.evaluation
    num_classes = len(prepared.dataset.class_names)
    if settings.model.build is not None:
        way, extracts = "own model, trained by Keras's fit", 0
        speed = _own_images_per_second(prepared, settings, num_classes)
    else:
        network, way, extracts = _network(prepared, settings, num_classes)
        speed = _network_images_per_second(network, settings, num_classes)
    work = workload(prepared.config, to_the_end=True)
    trained, scored = _rows_of_a_head(prepared)
    epochs, counted = most_epochs(prepared.space), mode.most(settings.training)
    assert isinstance(counted, int), "epochs are shared out"
    head_epochs = sum(phase.views for phase in work.phases.values()) * epochs / counted
    trials = sum(phase.trials for phase in work.phases.values())
    views = settings.training.views if isinstance(settings.training.views, int) else 1
    return NetworkCost(
        way=way,
        networks=evaluation.folds * evaluation.seeds,
        epochs=epochs,
        images=round(images_a_view(prepared) * trials * views * extracts),
        images_per_second=round(speed, 1),
        seconds=round(
            seconds_of(
                {"trained": head_epochs * trained, "scored": head_epochs * scored},
                {"trained": 1 / speed, "scored": 1 / (PREDICTING * speed)},
            )
        ),
    )


def most_epochs(space: Space) -> int:
    """Of a training, whichever of the values searched it has."""
    tried = {
        name: each.extremes if "max_epochs" in name else (each.middle,)
        for name, each in space.dimensions.items()
    }
    values = [map(space.dimensions[name].proposed, each) for name, each in tried.items()]
    points = (dict(zip(space.dimensions, point, strict=True)) for point in product(*values))
    trained = (space.settings(point).training for point in points)
    return max(int(mode_of(training).most(training)) for training in trained)


def _network(prepared: Prepared, settings: Settings, num_classes: int) -> tuple[Network, str, int]:
    """The network, its way, and how often each view goes through the extractor: for the heads, and
    for the prefix."""
    model, training = settings.model, settings.training
    size = prepared.config.dataset.image_size
    if mode_of(training).frozen == "none":
        network = network_of(NetworkShape.whole(settings, size, num_classes))
        return network, "whole network: every layer trains", 0
    summary = cut_summary((model.backbone, model.weights), size, str(training.finetune.start))
    reason = why_whole(summary, training)
    network = network_of(NetworkShape.above(settings, size, num_classes, uncut=reason is not None))
    if reason is not None:
        return network, f"whole network: {reason}", 1
    shape = tuple(network.body.input_shape[1:])
    views = training.views if isinstance(training.views, int) else 1
    gigabytes = stored_bytes(shape, images_a_view(prepared), views) / 1e9
    text = "x".join(map(str, shape))
    way = (
        f"prefix kept up to {summary.cut_after} ({text}, float16, {gigabytes:.2g} GB for a trial's "
        f"{views} views)"
    )
    return network, way, 2


def _network_images_per_second(network: Network, settings: Settings, num_classes: int) -> float:
    size = settings.training.batch_size
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((size, *network.body.input_shape[1:])).astype(np.float16)
    labels = generator.integers(0, num_classes, size).astype(np.int32)
    kept = np.ones((size, settings.model.head_units), np.float32)
    batch = Steps(inputs, np.eye(num_classes, dtype=np.float32)[labels], kept, labels, size)
    live, rate = network.start(initial_weights(network.shape, 0), 0), np.zeros(1, np.float32)
    network.train(live, batch, rate, 0.0)
    start = time.perf_counter()
    for _ in range(STEPS):
        network.train(live, batch, rate, 0.0)
    return STEPS * size / (time.perf_counter() - start)


def _own_images_per_second(prepared: Prepared, settings: Settings, num_classes: int) -> float:
    size, side = settings.training.batch_size, prepared.config.dataset.image_size
    model, _ = build_own(settings.model, seed=0)
    outputs = outputs_of(model, str(settings.model.build), num_classes, side)
    pictures = np.zeros((size, side, side, 3), np.float32)
    batches = repeat((pictures, outputs.targets(np.arange(size) % num_classes)))
    taught = partial(model.fit, (each for each in batches), verbose=0, shuffle=False)
    taught(steps_per_epoch=1)
    start = time.perf_counter()
    taught(steps_per_epoch=STEPS)
    return STEPS * size / (time.perf_counter() - start)


def images_a_view(prepared: Prepared) -> int:
    """Images that are trained on, the only ones that are augmented."""
    one_fold = prepared.config.evaluation.folds == 1
    return round(_rows_of_a_head(prepared)[0]) if one_fold else num_pooled(prepared)


def num_pooled(prepared: Prepared) -> int:
    """Images of train and validation, which folds are made of."""
    return len(prepared.dataset.indices(TRAIN, VALIDATION))


def _rows_of_a_head(prepared: Prepared) -> tuple[float, float]:
    """Images it trains on and images it is scored on."""
    folds, splits = prepared.config.evaluation.folds, np.asarray(prepared.dataset.splits)
    if folds == 1:
        return float((splits == TRAIN).sum()), float((splits == VALIDATION).sum())
    return num_pooled(prepared) * (folds - 1) / folds, num_pooled(prepared) / folds


def images_through(
    prepared: Prepared, work: Workload, network: NetworkCost | None
) -> dict[Precision, float]:
    """Images that go through the backbone in each precision, that of the first phase first."""
    if network is not None:
        return {prepared.precision: network.images}
    found: defaultdict[Precision, float] = defaultdict(float)
    for phase in work.phases.values():
        found[phase.precision] += images_a_view(prepared) * phase.views
    return dict(found)


def measured_speeds(
    prepared: Prepared,
    precisions: Iterable[Precision],
    network: NetworkCost | None,
    resources: Resources,
) -> dict[Precision, float]:
    """Images per second in each precision; of a model of one's own, as it trains."""
    if network is not None and not MODES[prepared.space.mode].has_backbone:
        return {prepared.precision: network.images_per_second}
    return {each: images_per_second(prepared, each, resources) for each in precisions}


def images_per_second(prepared: Prepared, precision: Precision, resources: Resources) -> float:
    """As measured here, on images of the data set."""
    model = prepared.specs.control({}).model
    extractor = extractor_of(prepared.dataset, model.backbone, model.weights, precision, resources)
    probe = np.asarray(prepared.dataset.images[:PROBE_IMAGES])
    extractor.extract([probe], len(probe))
    start = time.perf_counter()
    extractor.extract([probe], len(probe))
    return len(probe) / (time.perf_counter() - start)


def _num_features(prepared: Prepared, resources: Resources) -> int:
    """How many the backbone makes of an image."""
    model, precision = prepared.specs.control({}).model, prepared.precision
    extractor = extractor_of(prepared.dataset, model.backbone, model.weights, precision, resources)
    one = np.asarray(prepared.dataset.images[:1])
    return int(extractor.extract([one], 1).shape[-1])


def seconds_a_head(prepared: Prepared, resources: Resources) -> float:
    """Of one among those of a trial."""
    settings, evaluation = prepared.specs.control({}), prepared.config.evaluation
    count = min(MOST_TIMED, evaluation.folds * evaluation.seeds)
    training = settings.training.model_copy(update={"max_epochs": TIMED_EPOCHS + 1})
    random = np.random.default_rng(0)
    labels = random.integers(0, len(prepared.dataset.class_names), num_pooled(prepared))
    features = random.standard_normal((len(labels), _num_features(prepared, resources))).astype(
        np.float32
    )
    plan = HeadPlan(
        tasks=_tasks(len(labels), count, max(2, evaluation.folds)),
        labels=labels,
        num_classes=len(prepared.dataset.class_names),
        model=settings.model,
        training=training,
        objective=evaluation.objective,
    )
    times: list[float] = []

    def clock(*_: Any) -> None:
        times.append(time.perf_counter())

    lanes = 1 if sees_gpu() else operations_at_once(resources.num_threads)
    train_heads(lambda epoch: features, features, plan, clock, lanes)
    epochs = min(TYPICAL_EPOCHS, settings.training.max_epochs)
    return epochs * float(np.median(np.diff(times))) / count


def _tasks(num_images: int, count: int, folds: int) -> tuple[HeadTask, ...]:
    fold = np.arange(num_images) % folds
    rows = [(np.flatnonzero(fold != each), np.flatnonzero(fold == each)) for each in range(folds)]
    return tuple(HeadTask(*rows[number % folds], number) for number in range(count))


def busy_lines() -> Iterator[str]:
    """Whether others keep this machine from the speed that it has when idle."""
    load, cores = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, available_cores()
    if load > 1.5 * cores:
        yield (
            f"this machine is busy ({load:.1f} processes on {plural(cores, 'core')}); the speed "
            "was measured so, and an idle machine needs less time"
        )
