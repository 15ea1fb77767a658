"""`python -m benchmarks.head_profile`: what one training step of stacked heads spends its time on,
by TensorFlow's own profiler.

One lane of eight heads on one thread, as one of two lanes trains fifteen; features are made up.
Times are in microseconds a step, medians over an epoch: what an operation takes does not depend on
what the numbers are.
"""

import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.head_rates import CLASSES, DIM, NUM_IMAGES, UNITS
from benchmarks.machine import describe_machine
from search.features.devices import set_threads

HEADS, SHOWN = 8, 14
STEP = "while/body/"  # how TensorFlow names what is in the loop over steps


def main() -> int:
    set_threads(1, side_by_side=True)
    from search.features.devices import import_tensorflow_quietly

    import_tensorflow_quietly()
    with tempfile.TemporaryDirectory() as folder:
        _profile_an_epoch(Path(folder))
        taken = defaultdict(list)
        for name, microseconds in _operations(Path(folder)):
            taken[name].append(microseconds)
    medians = sorted(
        ((float(np.median(times)), name) for name, times in taken.items()), reverse=True
    )
    print("| operation | us a step |\n| --- | ---: |")
    for median, name in medians[:SHOWN]:
        print(f"| {name} | {median:.0f} |")
    print(
        f"| the other {len(medians[SHOWN:])} | {sum(median for median, _ in medians[SHOWN:]):.0f} |"
    )
    print(
        f"\n{HEADS} heads, {DIM} -> {UNITS} -> {CLASSES}, batch 32, one thread; "
        f"{describe_machine()}"
    )
    return 0


def _profile_an_epoch(folder: Path) -> None:
    import tensorflow as tf

    from search.experiment.trial import ModelSettings
    from search.features.feature_rows import as_rows
    from search.training.head_shape import HeadShape
    from search.training.head_stack import Rates, Stack, StackState
    from search.training.head_tasks import HeadTask, epoch_feeds

    random = np.random.default_rng(0)
    features = as_rows(random.standard_normal((NUM_IMAGES, DIM), np.float32))
    labels = random.integers(0, CLASSES, NUM_IMAGES)
    tasks = [HeadTask(np.arange(NUM_IMAGES * 4 // 5), np.arange(1), seed) for seed in range(HEADS)]
    feeds = list(epoch_feeds(tasks, 85, 32, ModelSettings(head_units=UNITS), 0))
    stack = Stack(HeadShape(DIM, UNITS, CLASSES))
    stack.load(StackState.fresh(stack.shape, range(HEADS)))
    stack.train_epoch(features, labels, feeds, Rates(0.001))
    tf.profiler.experimental.start(os.fspath(folder))
    stack.train_epoch(features, labels, feeds, Rates(0.001))
    tf.profiler.experimental.stop()


def _operations(folder: Path) -> Iterator[tuple[str, float]]:
    """The operations of the loop's body, each time they ran: `name:kind` as TensorFlow has it, and
    microseconds."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (path,) = folder.rglob("*.xplane.pb")
    space = xplane_pb2.XSpace()
    space.ParseFromString(path.read_bytes())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if name.startswith(STEP):
                    yield name.removeprefix(STEP), event.duration_ps / 1e6


if __name__ == "__main__":
    sys.exit(main())
