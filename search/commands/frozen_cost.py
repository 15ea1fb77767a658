"""What a plan costs where heads train on a frozen backbone: images through it in each precision,
and how fast it is here. What a head takes is `head_cost`'s, how much a plan holds `workload`'s."""

import time
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from search.commands.network_cost import images_a_view
from search.driver.prepare import Prepared
from search.driver.workload import PhaseWork
from search.experiment.precisions import Precision
from search.experiment.trial import Resources
from search.features.process_cache import extractor_of

PROBE_IMAGES = 64


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


def num_features(prepared: Prepared, resources: Resources) -> int:
    """How many the backbone makes of an image."""
    model, precision = prepared.specs.control({}).model, prepared.precision
    extractor = extractor_of(prepared.dataset, model.backbone, model.weights, precision, resources)
    one = np.asarray(prepared.dataset.images[:1])
    return int(extractor.extract([one], 1).shape[-1])
