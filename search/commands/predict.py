"""Classes and probabilities by a run's winning model. Finding and reading the images is
`data.image_files`."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.decode import quiet_pillow
from data.errors import UserError
from data.files import read_regular
from data.image_files import NamedImage, read_named
from data.messages import literal
from search.driver.winner import CLASSES_FILE, MODEL_FILE, WHITES_FILE
from search.experiment.trial import Frozen
from search.features.devices import import_tensorflow_quietly

if TYPE_CHECKING:
    import keras

IMAGES_AT_ONCE = 32
MOST_BYTES = 1 << 22  # of the names of ten thousand classes
PROBABILITY_DIGITS = 6  # of a probability; float32 has about seven


class Prediction(Frozen):
    """given: the most probable class. probabilities: by class, in the order of the model's outputs,
    rounded."""

    image: str
    given: str
    probabilities: dict[str, float]

    @property
    def line(self) -> str:
        """One JSON object."""
        values: dict[str, Any] = {
            "image": self.image,
            "class": self.given,
            "probability": self.probabilities[self.given],
            "probabilities": self.probabilities,
        }
        return json.dumps(values, allow_nan=False)


def predict(run_dir: Path, names: Iterable[str]) -> Iterator[Prediction | NamedImage]:
    """An answer an image, in the order named; the image itself, with its reason, where it cannot be
    read.

    Images are decoded to the model's size exactly as for its training, and those of more than 8
    bits per channel by the scale of its data set, so that the model's own resizing has nothing to
    do. Raises UserError where the run has no model that can be loaded.
    """
    model, class_names = load_winner(run_dir)
    size, whites = model_size(model), _whites(run_dir)
    waiting: list[NamedImage] = []
    with quiet_pillow():
        for image in read_named(names, size, whites):
            waiting.append(image)
            if len(waiting) == IMAGES_AT_ONCE:
                yield from _answers(model, class_names, waiting)
                waiting = []
        yield from _answers(model, class_names, waiting)


def load_winner(run_dir: Path) -> "tuple[keras.Model, tuple[str, ...]]":
    """The model and its classes. Nothing in the file is executed: Keras refuses what is not plain
    layers."""
    path = run_dir / MODEL_FILE
    if not path.is_file():
        raise UserError(
            f"{run_dir} holds no {MODEL_FILE}; it is made when a search with `evaluation.test` and "
            "test images finishes"
        )
    import_tensorflow_quietly()
    import keras

    try:
        class_names = tuple(
            map(_name, json.loads(read_regular(run_dir / CLASSES_FILE, MOST_BYTES)))
        )
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever parsers of a foreign file raise
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{path} cannot be loaded: {reason}; run the search again, or restore it"
        ) from error
    if model.output_shape != (None, len(set(class_names))):
        raise UserError(
            f"{path} has outputs {model.output_shape}, and {CLASSES_FILE} {len(class_names)} "
            "classes"
        )
    return model, class_names


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{CLASSES_FILE} holds {literal(value)} where a class's name is due")
    return value


def _whites(run_dir: Path) -> dict[str, float]:
    """What became 255 in the model's data set, by kind of number; empty where all images had 8 bits
    per channel."""
    path = run_dir / WHITES_FILE
    if not path.exists():
        return {}
    try:
        return {
            str(kind): float(white)
            for kind, white in json.loads(read_regular(path, MOST_BYTES)).items()
        }
    except (UserError, OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); restore it, or run the search again"
        ) from error


def model_size(model: "keras.Model") -> int:
    """The side in pixels of the images that the model was trained on."""
    sizes = [layer.height for layer in model.layers if layer.name == "resize"]
    if not sizes:
        raise UserError("this model was not written by a search: it has no layer called resize")
    return int(sizes[0])


def _answers(
    model: "keras.Model", class_names: tuple[str, ...], images: list[NamedImage]
) -> Iterator[Prediction | NamedImage]:
    pixels = [image.pixels for image in images if image.pixels is not None]
    rows = iter(np.asarray(model(np.stack(pixels), training=False)) if pixels else ())
    for image in images:
        if image.pixels is None:
            yield image
        else:
            row = next(rows)
            values = [round(float(value), PROBABILITY_DIGITS) for value in row]
            yield Prediction(
                image=image.name,
                given=class_names[int(np.argmax(row))],
                probabilities=dict(zip(class_names, values, strict=True)),
            )
