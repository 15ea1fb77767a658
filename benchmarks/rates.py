"""Features a second: this project's extractor over augmented images, and the limit: a bare OpenVINO
loop over ready batches.

Both in one process and in turns, so that the machine's moods meet both alike.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.task import MIDDLE, Task
from search.experiment.precisions import PRECISIONS, Precision
from search.experiment.trial import Resources

BATCH = 8
ROUNDS = 5
IMAGES_A_ROUND = 1024


@dataclass(frozen=True)
class Rates:
    """Images a second of wall time in each round, and of CPU time over all rounds."""

    bare: tuple[float, ...]
    augmented: tuple[float, ...]
    bare_cpu: float
    augmented_cpu: float

    @property
    def ratio(self) -> float:
        """Median over the rounds, each against the bare loop beside it."""
        return float(np.median(np.array(self.augmented) / np.array(self.bare)))


def feature_rates(task: Task, precision: Precision) -> Rates:
    """Warm-up, then ROUNDS of the bare loop and of augmented extraction in turns, over the same
    images. Raises RuntimeError where the extractor would compute otherwise than asked.
    """
    from data.dataset import open_dataset
    from data.views import Painting, augmented_batches
    from search.features.backbones import build_backbone
    from search.features.process_cache import extractor_for
    from search.features.store import DRAWN_BATCH as DRAWN

    dataset = open_dataset(task.experiment().dataset, task.cache_dir, 1)
    rows = np.arange(min(IMAGES_A_ROUND, len(dataset.images)))
    model = build_backbone(task.backbone, "imagenet", task.image_size)
    resources = Resources(cache_dir=task.cache_dir, views_dir=task.cache_dir / "views")
    extractor = extractor_for(model, dataset, precision, resources)
    if (extractor.engine, extractor.precision) != ("openvino", precision):
        raise RuntimeError(f"OpenVINO cannot be measured in {precision}: see the warning for why")
    bare = _BareLoop(_network(model, dataset, precision, task.cache_dir), precision)
    ready = np.asarray(dataset.images[rows]).astype(np.float32)

    def augmented(view: int) -> None:
        painting = Painting(DRAWN, num_threads=1)
        batches = augmented_batches(dataset.images, rows, MIDDLE, 1, view, painting)
        extractor.extract(batches, len(rows))

    bare.run(ready)
    augmented(0)
    walls: dict[str, list[tuple[float, float]]] = {"bare": [], "augmented": []}
    for number in range(ROUNDS):
        walls["bare"].append(_timed(lambda: bare.run(ready)))
        walls["augmented"].append(_timed(lambda view=number: augmented(view + 1)))
    count = len(rows)
    rates = {name: tuple(count / wall for wall, _ in pairs) for name, pairs in walls.items()}
    cpu = {name: count * ROUNDS / sum(cpu for _, cpu in pairs) for name, pairs in walls.items()}
    return Rates(rates["bare"], rates["augmented"], cpu["bare"], cpu["augmented"])


def _network(model: Any, dataset: Any, precision: Precision, cache_dir: Path) -> Any:
    """OpenVINO's, as the extractor has it."""
    from search.features.calibration import calibration_of
    from search.features.extractor import model_identity
    from search.features.quantised import Quantising, int8_versions, quantised_network
    from search.features.runners import exported

    if precision != "int8":
        return exported(model, model_identity(model), cache_dir)
    wanted = Quantising(model, calibration_of(dataset), cache_dir=cache_dir)
    return quantised_network(wanted, int8_versions())[0]


def _timed(run: Any) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


class _BareLoop:
    """Keras's own export in an asynchronous queue of two streams; batches are ready and answers are
    thrown away."""

    def __init__(self, network: Any, precision: Precision) -> None:
        from search.features.runners import import_openvino

        openvino = import_openvino()
        network.reshape(
            [BATCH, *(side.get_length() for side in network.input(0).partial_shape[1:])]
        )
        hints: dict[str, Any] = {"NUM_STREAMS": 2, "INFERENCE_NUM_THREADS": 2}
        hints["INFERENCE_PRECISION_HINT"] = PRECISIONS[precision].hint
        self._queue = openvino.AsyncInferQueue(
            openvino.Core().compile_model(network, "CPU", hints), 4
        )

    def run(self, images: np.ndarray) -> None:
        for start in range(0, len(images) - BATCH + 1, BATCH):
            self._queue.start_async({0: images[start : start + BATCH]})
        self._queue.wait_all()
