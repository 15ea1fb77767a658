"""How a model of the user's own is kept: as a Keras file that loads without its code, or, where its
layers need that code, as its weights alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from data.files import is_storage_failure
from data.own_code import at_fault, file_of
from data.scratch import scratch_folder
from search.experiment.settings import Settings
from search.training.fit_mode import whole_own_model
from search.training.own_model import BUILD

if TYPE_CHECKING:
    import keras

_REASON_CHARACTERS = 200
LACKS = re.compile(r"Could not locate \w+ '[^']*'")


def why_no_file(settings: Settings, num_classes: int, size: int) -> str:
    """One line on why its model cannot be kept as a file that loads without its code, and what
    becomes of it then; "" where it can. Tried on a file of its own, before anything is spent. Runs
    own code."""
    name = str(settings.model.build)
    try:
        whole = whole_own_model(settings, size, num_classes, ())
    except UserError:
        raise
    except Exception as error:  # it runs as it is trained, and not as a part of another
        return (
            f"{BUILD}: {name}: its model cannot be made one that takes raw pictures "
            f"({_told(name, error)}); none is kept, but for its weights in the folder heads"
        )
    with scratch_folder("augsearch-model-") as folder:
        return saved(whole, name, folder / "model.keras", folder / "model.weights.h5")


def saved(whole: "keras.Model", name: str, model_file: Path, weights_file: Path) -> str:
    """Saves it as the one file or, where that would not load without its code, as the other, and
    returns one line on why; "" where it is whole. Raises OSError and MemoryError where the machine
    refuses."""
    if not (why := saved_whole(whole, model_file, name)):
        return ""
    lost = saved_weights(whole, weights_file, name)
    kept = f"nor can Keras save its weights ({lost})" if lost else "its weights are kept alone"
    return (
        f"{BUILD}: {name}: its model cannot be a file that loads without your code ({why}); "
        f"{kept}, MLflow is sent no model, and predict needs --run-code {file_of(name)}. To have "
        "such a file, use Keras's own layers in the place of Lambda and of classes of yours"
    )


def saved_whole(model: "keras.Model", path: Path, name: str) -> str:
    """Saves it where it can be loaded without its code; elsewhere leaves no file, and returns why.
    Raises as `saved`."""
    try:
        model.save(path)
    except BaseException as error:  # a get_config of the user's may raise anything
        path.unlink(missing_ok=True)
        return _told(name, error)
    if why := why_not_loaded(path, name):
        path.unlink(missing_ok=True)
    return why


def why_not_loaded(path: Path, name: str) -> str:
    """Why the file cannot be loaded without the code of the model; "" where it can. Runs none."""
    import keras

    try:
        with _as_elsewhere():
            keras.saving.load_model(path, compile=False)
    except Exception as error:  # as many types as there are layers
        return _told(name, error)
    return ""


def saved_weights(whole: "keras.Model", path: Path, name: str) -> str:
    """Those of the user's own model within, for the `load_weights` of what `build` makes; returns
    why where that cannot be. Raises as `saved`."""
    import keras

    (own,) = (each for each in whole.layers if isinstance(each, keras.Model))
    try:
        own.save_weights(path)
    except BaseException as error:
        path.unlink(missing_ok=True)
        return _told(name, error)
    return ""


@contextmanager
def _as_elsewhere() -> Iterator[None]:
    """Without the classes that own code has registered with Keras in this process."""
    import keras

    registered = keras.saving.get_custom_objects()
    kept = dict(registered)
    registered.clear()
    try:
        yield
    finally:
        registered.update(kept)


def _told(name: str, error: BaseException) -> str:
    """Its first sentence. Raises the machine's and the disk's refusals as they are."""
    if is_storage_failure(error):
        raise error
    text = str(at_fault(name, error)).removeprefix(f"{name}: ")
    found = LACKS.search(str(error))  # within what Keras says of the whole model
    return (found[0] if found else text.split(". ")[0].rstrip("."))[:_REASON_CHARACTERS]
