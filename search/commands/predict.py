"""Classes and probabilities by a run's winning model, for images named on a command line, which are
read one by one. Labels and splits belong to `sources`; nothing here knows them."""

import glob
import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.bit_depth import Whites
from data.decode import decode_image, quiet_pillow
from data.errors import BadImage, UserError
from data.files import named_path, read_regular
from data.listing import HEADER_BYTES, MAX_BYTES_A_PIXEL, NOT_A_FILE, is_litter, reason_of
from data.messages import escaped, literal, text_of
from data.own_code import Code, at_fault, given
from data.settings import DatasetConfig
from search.driver.winner import CLASSES_FILE, MODEL_FILE, WEIGHTS_FILE, WHITES_FILE, rebuilt_winner
from search.experiment.settings import Frozen
from search.features.devices import import_tensorflow_quietly

if TYPE_CHECKING:
    import keras

IMAGES_AT_ONCE = 32
MAX_PIXELS = DatasetConfig().max_pixels
MOST_NAMES_BYTES = 1 << 22  # of the names of ten thousand classes
PROBABILITY_DIGITS = 6  # of a probability; float32 has about seven


@dataclass(frozen=True)
class NamedImage:
    """`pixels` uint8 [size, size, 3], decoded as a data set's images are; None where it could not
    be, with the `reason`."""

    name: str
    pixels: np.ndarray | None
    reason: str = ""

    @property
    def complaint(self) -> str:
        """One line for people."""
        return f"{escaped(self.name)}: {self.reason}"


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


def predict(
    run_dir: Path, names: Iterable[str], run_code: Path | None = None
) -> Iterator[Prediction | NamedImage]:
    """An answer per image, in the order named; the image itself, with its reason, where it cannot
    be read. run_code: a copy of the code that makes the model, to be run where it needs that.

    Images are decoded to the model's size exactly as for its training, and those of more than 8
    bits per channel by the scale of its data set, so that the model's own resizing has nothing to
    do. Raises UserError where the run has no model that can be loaded.
    """
    winner = load_winner(run_dir, run_code)
    size, whites = model_size(winner.model), _whites(run_dir)
    waiting: list[NamedImage] = []
    with quiet_pillow():
        for image in read_named(names, size, whites):
            waiting.append(image)
            if len(waiting) == IMAGES_AT_ONCE:
                yield from _answers(winner, waiting)
                waiting = []
        yield from _answers(winner, waiting)


@dataclass(frozen=True)
class LoadedWinner:
    """code: of its author's, which it runs when it is asked."""

    model: "keras.Model"
    class_names: tuple[str, ...]
    code: Code = ()

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """float32 [n, classes], of uint8 [n, s, s, 3]. Raises UserError for what its code does."""
        with given(self.code):
            try:
                return np.asarray(self.model(pixels, training=False))
            except Exception as error:
                if not self.code:
                    raise
                raise at_fault(f"{self.code[0].name}:call", error) from error


def load_winner(run_dir: Path, run_code: Path | None = None) -> LoadedWinner:
    """Nothing in the file is executed: Keras refuses what is not plain layers. With `run_code` a
    model of its author's own is built by that copy of its code."""
    if not run_dir.is_dir():
        raise UserError(f"{run_dir} does not exist; name a directory that a search was run in")
    path = run_dir / MODEL_FILE
    needs_code = run_code is not None or (run_dir / WEIGHTS_FILE).is_file()
    if not path.is_file() and not needs_code:
        raise UserError(
            f"{run_dir} holds no {MODEL_FILE}; it is made when a search with `evaluation.test` and "
            "test images finishes and its final models train"
        )
    import_tensorflow_quietly()
    model, code = rebuilt_winner(run_dir, run_code) if needs_code else (_from_file(path), ())
    try:
        class_names = tuple(
            map(_name, json.loads(read_regular(run_dir / CLASSES_FILE, MOST_NAMES_BYTES)))
        )
    except Exception as error:  # whatever parsers of a foreign file raise
        raise _not_loaded(run_dir / CLASSES_FILE, error) from error
    if model.output_shape != (None, len(set(class_names))):
        raise UserError(
            f"{path} has outputs {model.output_shape}, and {CLASSES_FILE} {len(class_names)} "
            "classes"
        )
    return LoadedWinner(model, class_names, code)


def _from_file(path: Path) -> "keras.Model":
    import keras

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever parsers of a foreign file raise
        raise _not_loaded(path, error) from error


def _not_loaded(path: Path, error: Exception) -> UserError:
    reason = text_of(error)
    return UserError(
        f"{path} cannot be loaded: {reason}; run the search again, or restore it (a model of your "
        "own that needs its code: --run-code FILE)"
    )


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
            for kind, white in json.loads(read_regular(path, MOST_NAMES_BYTES)).items()
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


def _answers(winner: LoadedWinner, images: list[NamedImage]) -> Iterator[Prediction | NamedImage]:
    pixels = [image.pixels for image in images if image.pixels is not None]
    rows = iter(winner.probabilities(np.stack(pixels)) if pixels else ())
    for image in images:
        if image.pixels is None:
            yield image
        else:
            row = next(rows)
            values = [round(float(value), PROBABILITY_DIGITS) for value in row]
            yield Prediction(
                image=image.name,
                given=winner.class_names[int(np.argmax(row))],
                probabilities=dict(zip(winner.class_names, values, strict=True)),
            )


def read_named(names: Iterable[str], size: int, whites: Whites) -> Iterator[NamedImage]:
    """Every image that `names` mean, in the order named; inside folders and patterns sorted.

    whites: what became 255 in the data set, of more than 8 bits per channel (`bit_depth`).

    A folder means all files below it but litter. A name that is no file is read as a pattern (`*`,
    `?`, `[ab]`, `**`).
    """
    for name in (str(named_path(each)) if each.startswith("~") else each for each in names):
        found = _meant(name)
        if not found:
            yield NamedImage(name, None, "no such file, and as a pattern it matches none")
        for path in found:
            yield _decoded(path, size, whites)


def _meant(name: str) -> list[str]:
    if os.path.lexists(name):
        return _expanded(name)
    # Path.glob refuses absolute patterns
    matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207
    return [path for match in matches for path in _expanded(match)]


def _expanded(name: str) -> list[str]:
    """The files of a folder, or the one file. Links to folders inside are not followed, so that no
    loop is entered."""
    if not Path(name).is_dir():
        return [name]
    found = []
    for folder, folders, files in os.walk(name):
        folders[:] = sorted(each for each in folders if not is_litter(each, is_folder=True))
        found += [str(Path(folder, each)) for each in sorted(files) if not is_litter(each)]
    return found


def _decoded(name: str, size: int, whites: Whites) -> NamedImage:
    try:
        return NamedImage(name, decode_image(_content(name), size, MAX_PIXELS, whites).pixels)
    except (OSError, ValueError) as error:
        # BadImage is a ValueError, and so is a name with a zero byte
        return NamedImage(
            name, None, str(error) if isinstance(error, BadImage) else reason_of(error)
        )


def _content(name: str) -> bytes:
    status = Path(name).stat()  # before opening: that would wait for a FIFO's writer for ever
    if not stat.S_ISREG(status.st_mode):
        raise BadImage(NOT_A_FILE.get(stat.S_IFMT(status.st_mode), "not a file"))
    if status.st_size > MAX_BYTES_A_PIXEL * MAX_PIXELS + HEADER_BYTES:
        raise BadImage(
            f"{status.st_size} bytes, more than a picture of {MAX_PIXELS} pixels could need"
        )
    return Path(name).read_bytes()
