"""Two ways to run a frozen backbone over images: through OpenVINO on a CPU (Keras's own export, and
an asynchronous queue over it), and through TensorFlow as Keras has it, which is slower and right by
definition.

Both take batches of one fixed size, cut at multiples of it counted from the first image: what an
image shares a batch with, and with it the last bit of its features, does not depend on how the
stream was cut before. Which of the two runs, and whether its answers are good enough, is decided in
`extractor`.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from data.scratch import scratch_folder
from search.experiment.precisions import PRECISIONS, Precision
from search.features.devices import operations_at_once, sees_gpu
from search.features.kept_networks import NETWORK, kept_network

if TYPE_CHECKING:
    import keras
    import openvino
    import tensorflow as tf


class FixedBatch(NamedTuple):
    """`images` uint8 [size, h, w, c], of which the first `num_images` are images `start`, `start` +
    1 ... of the stream."""

    start: int
    num_images: int
    images: np.ndarray


def fixed_batches(
    batches: Iterable[np.ndarray], size: int, image_shape: tuple[int, ...]
) -> Iterator[FixedBatch]:
    """The images of `batches` (uint8 [b, h, w, c], any b) in batches of `size`; the last is filled
    up with zeros.

    Raises ValueError for images of another type or shape than `image_shape`.
    """
    start = 0
    rest = np.empty((0, *image_shape), np.uint8)
    for images in batches:
        if images.dtype != np.uint8 or images.shape[1:] != image_shape:
            raise ValueError(
                f"images are {images.dtype} {images.shape[1:]}; the extractor takes uint8 "
                f"{image_shape}"
            )
        images = np.concatenate([rest, images]) if len(rest) else np.ascontiguousarray(images)
        num_full = len(images) // size * size
        for first in range(0, num_full, size):
            yield FixedBatch(start + first, size, images[first : first + size])
        start += num_full
        rest = images[num_full:]
    if len(rest):
        padded = np.zeros((size, *image_shape), np.uint8)
        padded[: len(rest)] = rest
        yield FixedBatch(start, len(rest), padded)


def import_openvino() -> ModuleType:
    """The module `openvino`, imported so that it reports its use to nobody.

    On import and at each conversion it sends usage data to an analytics server, by default and from
    a forked copy of this process, if its package `openvino_telemetry` can be imported; where it
    cannot, it uses a stub of its own.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


_CONVERTING = threading.Lock()


@contextlib.contextmanager
def _root_logger_kept() -> Iterator[None]:
    """OpenVINO's conversion turns the root logger down to errors, and up again only where it does
    not fail and no other thread converts meanwhile; and gives it a handler, where it has none,
    that prints messages without their values (its `ovc/logger.py`)."""
    root = logging.getLogger()
    level, filters, handlers = root.level, list(root.filters), list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers[:] = filters, handlers


def _convert(model: keras.Model, path: Path) -> None:
    """Before it converts, OpenVINO 2026.4 looks which TensorFlow is there in a way that raises
    NameError from Python 3.13 on: there each `exec` in a function has names of its own (PEP 667).
    So it is told."""
    import tensorflow as tf
    from openvino.frontend.tensorflow import utils

    utils.get_environment_setup = lambda framework: {"tensorflow": tf.__version__}
    with _CONVERTING, _root_logger_kept():
        model.export(str(path), format="openvino", verbose=False)


class OpenVinoRunner:
    """A compiled network with `num_threads` streams of one thread each.

    One thread a stream: an image's features are then the same to the last bit whatever the number
    of threads.
    """

    def __init__(self, compiled: openvino.CompiledModel, num_streams: int) -> None:
        self.batch_size = int(compiled.input(0).shape[0])
        # Two requests a stream: one runs while the next one's images are being copied in.
        self._queue = import_openvino().AsyncInferQueue(compiled, 2 * num_streams)

    def run(self, batches: Iterable[FixedBatch], out: np.ndarray) -> None:
        """Writes the features of each batch into its rows of `out`, while the next batches are
        drawn from the iterator."""

        def store(request: openvino.InferRequest, rows: tuple[int, int]) -> None:
            start, count = rows
            out[start : start + count] = request.get_output_tensor(0).data[:count]

        self._queue.set_callback(store)
        try:
            for batch in batches:
                self._queue.start_async({0: batch.images}, (batch.start, batch.num_images))
        finally:
            # Also after an error: no request may write to `out` once the caller has it back.
            self._queue.wait_all()


def build_openvino(
    model: keras.Model,
    identity: str,
    precision: Precision,
    num_threads: int,
    cache_dir: Path | None,
) -> OpenVinoRunner:
    """Exports `model` (or finds it below `cache_dir` under `identity`) and compiles it for uint8
    batches.

    Raises ImportError without OpenVINO, OSError where the disk refuses, and whatever conversion or
    compilation raises.
    """
    return compiled(exported(model, identity, cache_dir), precision, num_threads)


def exported(model: keras.Model, identity: str, cache_dir: Path | None) -> openvino.Model:
    """OpenVINO's network of float images [n, s, s, 3] to what `model` gives. cache_dir: where it is
    kept, under `identity`; None keeps it nowhere. Raises as `build_openvino`."""
    core = import_openvino().Core()

    def export(folder: Path) -> None:
        _convert(model, folder / NETWORK)

    if cache_dir is None:
        with scratch_folder("augsearch-network-") as folder:
            export(folder)
            network = core.read_model(folder / NETWORK)
    else:
        network = core.read_model(kept_network(cache_dir / "openvino" / identity, export))
    # The conversion makes an output of every swish as well, by way of its custom gradient, and each
    # costs a copy of that layer: EfficientNetV2B0 is a third faster without.
    for extra in network.get_results()[1:]:
        network.remove_result(extra)
    return network


def compiled(network: openvino.Model, precision: Precision, num_threads: int) -> OpenVinoRunner:
    """A network, as `exported` gives it or quantised from that, ready for uint8 batches."""
    openvino, record = import_openvino(), PRECISIONS[precision]
    steps = openvino.preprocess.PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    network = steps.build()
    network.reshape(
        [record.batch_size, *(side.get_length() for side in network.input(0).partial_shape[1:])]
    )
    options = {
        "INFERENCE_PRECISION_HINT": record.hint,
        "NUM_STREAMS": num_threads,
        "INFERENCE_NUM_THREADS": num_threads,
        # Pinned, the first streams of two processes would share the first core and leave the second
        # idle.
        "ENABLE_CPU_PINNING": False,
    }
    return OpenVinoRunner(openvino.Core().compile_model(network, "CPU", options), num_threads)


CPU_BATCH_SIZE = 32
GPU_BATCH_SIZE = 128
_BATCHES_AHEAD = 2


class TensorFlowRunner:
    """A function from uint8 batches of a fixed size to features, `streams` of them at once.
    TensorFlow's threads are the process's own setting."""

    def __init__(
        self, forward: Callable[[np.ndarray], tf.Tensor], batch_size: int, streams: int
    ) -> None:
        self._forward, self._streams = forward, streams
        self.batch_size = batch_size

    def run(self, batches: Iterable[FixedBatch], out: np.ndarray) -> None:
        """Writes the features of each batch into its rows of `out`, while the next batches are
        drawn from the iterator."""
        pending: deque[Future[None]] = deque()
        with ThreadPoolExecutor(self._streams, thread_name_prefix="tensorflow") as thread:
            for batch in batches:
                pending.append(thread.submit(self._store, batch, out))
                if len(pending) >= self._streams + _BATCHES_AHEAD:
                    pending.popleft().result()
            while pending:
                pending.popleft().result()

    def _store(self, batch: FixedBatch, out: np.ndarray) -> None:
        features = np.asarray(self._forward(batch.images))
        out[batch.start : batch.start + batch.num_images] = features[: batch.num_images]


def build_tensorflow(model: keras.Model, num_threads: int) -> TensorFlowRunner:
    batch_size = _batch_size()
    return TensorFlowRunner(_graph(model, batch_size), batch_size, _streams(num_threads))


def _graph(model: keras.Model, batch_size: int) -> Callable[[np.ndarray], tf.Tensor]:
    import tensorflow as tf

    signature = [tf.TensorSpec([batch_size, *model.input_shape[1:]], tf.uint8)]

    @tf.function(input_signature=signature, jit_compile=False)
    def forward(images: tf.Tensor) -> tf.Tensor:
        return model(tf.cast(images, tf.float32), training=False)

    return forward


def _streams(num_threads: int) -> int:
    return 1 if sees_gpu() else operations_at_once(num_threads)


def _batch_size() -> int:
    return GPU_BATCH_SIZE if sees_gpu() else CPU_BATCH_SIZE
