"""What a plan costs where heads train on a frozen backbone: images through it in each precision,
how fast it is here, and what a head takes. How much of each a plan holds is `workload`'s."""

import time
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from search.commands.network_cost import images_a_view, num_pooled
from search.driver.prepare import Prepared
from search.driver.workload import PhaseWork
from search.experiment.precisions import Precision
from search.experiment.trial import Resources
from search.features.process_cache import extractor_of

PROBE_IMAGES = 64
# Seconds a head-epoch took with 2728 images, 1280 features and 100 units on two cores
# (benchmarks/README.md), for scaling.
HEAD_SECONDS = 0.027
HEAD_WORK = 2728 * 1280 * 100
# most heads stop within patience of their best epoch, well before max_epochs 60
TYPICAL_EPOCHS = 45


def images_through(prepared: Prepared, phases: Iterable[PhaseWork]) -> dict[Precision, float]:
    """Images in each precision, that of the first phase first."""
    found: defaultdict[Precision, float] = defaultdict(float)
    for phase in phases:
        found[phase.precision] += images_a_view(prepared) * phase.views
    return dict(found)


def images_per_second(prepared: Prepared, precision: Precision, resources: Resources) -> float:
    """As measured here, on images of the data set."""
    model = prepared.specs.control({}).model
    extractor = extractor_of(prepared.dataset, model.backbone, model.weights, precision, resources)
    probe = np.asarray(prepared.dataset.images[:PROBE_IMAGES])
    extractor.extract([probe], len(probe))
    start = time.perf_counter()
    extractor.extract([probe], len(probe))
    return len(probe) / (time.perf_counter() - start)


def seconds_a_head(prepared: Prepared) -> float:
    settings = prepared.specs.control({})
    epochs = min(TYPICAL_EPOCHS, settings.training.max_epochs)
    work = num_pooled(prepared) * 1280 * max(1, settings.model.head_units)
    return epochs * HEAD_SECONDS * work / HEAD_WORK
