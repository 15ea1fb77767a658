"""The frozen backbone through TensorFlow, as Keras has it: the slower engine, and right by
definition.

Never compiled by XLA: on a CPU that is more than ten times slower. Which of these is used is
decided in `extractor`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from search.features.batches import FixedBatch
from search.features.devices import operations_at_once, sees_gpu

if TYPE_CHECKING:
    import keras

CPU_BATCH_SIZE = 32
GPU_BATCH_SIZE = 128
_BATCHES_AHEAD = 2


class TensorFlowRunner:
    """A function from uint8 batches of a fixed size to features, `streams` of them at once.
    TensorFlow's threads are the process's own setting.
    """

    def __init__(self, forward: Callable[[Any], Any], batch_size: int, streams: int) -> None:
        self._forward, self._streams = forward, streams
        self.batch_size = batch_size

    def run(self, batches: Iterable[FixedBatch], out: np.ndarray) -> None:
        """Writes the features of each batch into its rows of `out`, while the next batches are
        drawn from the iterator.
        """
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


def _graph(model: keras.Model, batch_size: int) -> Any:
    import tensorflow as tf

    signature = [tf.TensorSpec([batch_size, *model.input_shape[1:]], tf.uint8)]

    @tf.function(input_signature=signature, jit_compile=False)
    def forward(images: Any) -> Any:
        return model(tf.cast(images, tf.float32), training=False)

    return forward


def _streams(num_threads: int) -> int:
    return 1 if sees_gpu() else operations_at_once(num_threads)


def _batch_size() -> int:
    return GPU_BATCH_SIZE if sees_gpu() else CPU_BATCH_SIZE
