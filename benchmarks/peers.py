"""The same search as people write it today: KerasTuner around three common input pipelines.

Each peer is one KerasTuner trial in a process of its own: the same photographs, backbone, head,
batch size, patience and searched ranges as this project's. They differ only in how images reach the
network. Nothing here is used by the project.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.task import Task

if TYPE_CHECKING:
    import keras

HEAD_UNITS, DROPOUT, LEARNING_RATE = 100, 0.2, 0.001


@dataclass(frozen=True)
class PeerRun:
    """One trial of a peer. epoch_seconds: of each epoch, validation included. images: trained on,
    an epoch."""

    seconds: float
    epoch_seconds: tuple[float, ...]
    images: int
    best_accuracy: float
    stopped_early: bool

    @property
    def images_a_second(self) -> float:
        """Of the epochs after the first, which also compiles."""
        steady = self.epoch_seconds[1:] or self.epoch_seconds
        return self.images * len(steady) / sum(steady)


@dataclass(frozen=True)
class Peer:
    """pipeline: (task, hyperparameters) -> training data, validation data, layers that augment
    within the model."""

    title: str
    pipeline: Callable[[Task, Any], tuple[Any, Any, list[Any]]]


def run_peer(name: str, task: Task, max_epochs: int) -> PeerRun:
    """One trial by `keras_tuner.RandomSearch`, stopped early as `task.patience` says or after
    `max_epochs`."""
    import keras_tuner

    clock = _clock_class()()

    class Trial(keras_tuner.HyperModel):
        def build(self, hp: Any) -> "keras.Model":
            self.train, self.validation, layers = PEERS[name].pipeline(task, hp)
            return _model(task, layers, self.train)

        def fit(self, hp: Any, model: "keras.Model", *arguments: Any, **options: Any) -> Any:
            options["callbacks"] = [*options["callbacks"], clock, _stopping(task)]
            return model.fit(self.train, *arguments, validation_data=self.validation, **options)

    class Tuner(keras_tuner.RandomSearch):
        def _configure_tensorboard_dir(self, *arguments: Any) -> None:
            """Nothing: KerasTuner imports TensorBoard here, which TensorFlow 2.21 no longer
            brings."""

    with tempfile.TemporaryDirectory() as folder:
        tuner = Tuner(
            Trial(),
            objective="val_accuracy",
            max_trials=1,
            seed=1,
            max_consecutive_failed_trials=1,
            directory=folder,
            project_name="peer",
        )
        start = time.perf_counter()
        tuner.search(epochs=max_epochs, verbose=0)
        seconds = time.perf_counter() - start
        best = tuner.oracle.get_best_trials(1)[0].score
    images = _num_images(task)
    return PeerRun(
        seconds, tuple(clock.seconds), images, float(best), len(clock.seconds) < max_epochs
    )


def _stopping(task: Task) -> Any:
    import keras

    return keras.callbacks.EarlyStopping(
        "val_accuracy", patience=task.patience, restore_best_weights=True
    )


def _num_images(task: Task) -> int:
    return sum(1 for path in (task.images / "train").glob("*/*") if path.is_file())


def _clock_class() -> type:
    import keras

    class Clock(keras.callbacks.Callback):
        """Seconds of each epoch."""

        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self._start)

        def __deepcopy__(self, memo: Any) -> "Clock":
            return self  # KerasTuner copies callbacks; the times are wanted here

    return Clock


def _model(task: Task, layers: list[Any], train: Any) -> "keras.Model":
    import keras

    from search.features.backbones import build_backbone

    backbone = build_backbone(task.backbone, "imagenet", task.image_size)
    backbone.trainable = False
    inputs = keras.Input((task.image_size, task.image_size, 3))
    images = inputs
    for layer in layers:
        images = layer(images)
    hidden = keras.layers.Dense(HEAD_UNITS, activation="relu")(backbone(images, training=False))
    hidden = keras.layers.Dropout(DROPOUT)(hidden)
    num_classes = len(list((task.images / "train").iterdir()))
    model = keras.Model(inputs, keras.layers.Dense(num_classes, activation="softmax")(hidden))
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def _generators(task: Task, hp: Any) -> tuple[Any, Any, list[Any]]:
    """`ImageDataGenerator.flow_from_directory`, as the course writes it (its preprocessing is in
    the backbone here)."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    augmented = ImageDataGenerator(
        rotation_range=hp.Float("rotation_range", 0, 40),
        width_shift_range=hp.Float("width_shift_range", 0, 0.2),
        height_shift_range=hp.Float("height_shift_range", 0, 0.2),
        zoom_range=hp.Float("zoom_range", 0, 0.3),
        horizontal_flip=hp.Boolean("horizontal_flip"),
    )
    options: dict[str, Any] = {
        "target_size": (task.image_size, task.image_size),
        "batch_size": task.batch_size,
        "class_mode": "sparse",
    }
    train = augmented.flow_from_directory(task.images / "train", seed=1, **options)
    clean = ImageDataGenerator().flow_from_directory(
        task.images / "validation", shuffle=False, **options
    )
    return train, clean, []


def _keras_layers(hp: Any) -> list[Any]:
    """The same ranges in the units of Keras's layers: turns, and a zoom whose positive side is
    out."""
    from keras import layers

    rotation = hp.Float("rotation_range", 0, 40)
    zoom = hp.Float("zoom_range", 0, 0.3)
    found = [
        layers.RandomRotation(rotation / 360),
        layers.RandomTranslation(
            hp.Float("height_shift_range", 0, 0.2), hp.Float("width_shift_range", 0, 0.2)
        ),
        layers.RandomZoom((-zoom, zoom)),
    ]
    return [layers.RandomFlip("horizontal"), *found] if hp.Boolean("horizontal_flip") else found


def _datasets(task: Task) -> tuple[Any, Any]:
    import keras

    options: dict[str, Any] = {
        "image_size": (task.image_size, task.image_size),
        "batch_size": task.batch_size,
        "verbose": False,
    }
    train = keras.utils.image_dataset_from_directory(task.images / "train", seed=1, **options)
    return train, keras.utils.image_dataset_from_directory(
        task.images / "validation", shuffle=False, **options
    )


def _layers_in_the_model(task: Task, hp: Any) -> tuple[Any, Any, list[Any]]:
    train, validation = _datasets(task)
    return train, validation, _keras_layers(hp)


def _layers_in_the_pipeline(task: Task, hp: Any) -> tuple[Any, Any, list[Any]]:
    """Decoded once (`cache`), augmented by `map` in parallel, prefetched: as TensorFlow's guide on
    performance advises."""
    import keras
    import tensorflow as tf

    train, validation = _datasets(task)
    augment = keras.Sequential(_keras_layers(hp))

    def augmented(images: Any, labels: Any) -> tuple[Any, Any]:
        return augment(images, training=True), labels

    tune = tf.data.AUTOTUNE
    train = train.cache().shuffle(100).map(augmented, tune).prefetch(tune)
    return train, validation.cache().prefetch(tune), []


PEERS: dict[str, Peer] = {
    "peer 1": Peer("KerasTuner + ImageDataGenerator.flow_from_directory", _generators),
    "peer 2": Peer("KerasTuner + Keras augmentation layers in the model", _layers_in_the_model),
    "peer 3": Peer("KerasTuner + cache, augmentation in map, prefetch", _layers_in_the_pipeline),
}
