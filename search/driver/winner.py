"""The recommended model as one Keras file: raw uint8 images of any size in, class probabilities
out.

It is the first that learnt of the heads that the test phase trained on train + validation, put on
the backbone it was trained on. A model of the user's own that would not load without its code
leaves its weights alone. Which setting is recommended is `conclusions`'; registering the file is
`tracking`'s.
"""

import io
import json
import os
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.dataset import Dataset
from data.errors import UserError
from data.files import is_regular_within, make_folder, replacing, storing, write_atomically
from data.numpy_files import read_array
from data.own_code import Code, given
from data.scratch import scratch_folder
from search.driver.code_files import code_of, model_code
from search.driver.run_reading import open_run
from search.driver.specs import Epochs
from search.execution.engine import LOG_FOLDER
from search.execution.failures import in_a_line, is_lack
from search.execution.worker import die_with_parent, redirect_output
from search.execution.worker_process import OwnContext
from search.experiment.settings import Settings
from search.experiment.trial import Resources, TrialRecord
from search.features.backbones import build_backbone
from search.journal.state import SearchState
from search.report.view import SearchView
from search.tracking.mlflow_values import Winner
from search.training.head_shape import HeadShape, HeadWeights, plain_head
from search.training.modes import mode_of
from search.training.trial_files import heads_file, load_head

if TYPE_CHECKING:
    import keras

    from search.experiment.config import ExperimentConfig

MODEL_FILE = "model/model.keras"
WEIGHTS_FILE = "model/model.weights.h5"  # in its place, where it needs the code of its author
CLASSES_FILE = "model/classes.json"
WHITES_FILE = "model/whites.json"  # what became 255, where images had more than 8 bits per channel
EXAMPLE_FILE = "model/example.npy"  # two images as the model takes them, for whoever registers it


def build_winner(
    state: SearchState,
    dataset: Dataset,
    resources: Resources,
    run_dir: Path,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Writes the model and its class names into the run directory, where one was trained. say: to
    people, why it is not there.

    Raises StorageError where the disk refuses.
    """
    record = SearchView(state).final
    path = heads_file(record.spec, resources) if record else None
    if record is None or path is None or not path.exists():
        return
    settings, size = record.spec.settings, record.spec.dataset.image_size
    make_folder(run_dir / "model", "the model's folder")
    num_classes = len(dataset.class_names)
    save = partial(_save_with, resources.code)
    if why := _with_room(run_dir, save, settings, size, num_classes, path, run_dir):
        say(why)
    write_atomically(
        run_dir / CLASSES_FILE, json.dumps(list(dataset.class_names)) + "\n", "the class names"
    )
    whites = {kind: scale.white for kind, scale in dataset.notes.scales.items()}
    write_atomically(run_dir / WHITES_FILE, json.dumps(whites) + "\n", "the scale of the images")
    example = io.BytesIO()
    np.save(example, np.asarray(dataset.images[:2]), allow_pickle=False)
    write_atomically(run_dir / EXAMPLE_FILE, example.getvalue(), "the model's example")


def _with_room(run_dir: Path, function: Callable[..., str], *arguments: Any) -> str:
    """What it gives back, called here, or in a process of its own where address space is limited
    (`ulimit -v`): in this one little may be left, and TensorFlow aborts a process in which it
    cannot start its threads. Raises UserError where that one has too little, too."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return function(*arguments)
    log = make_folder(run_dir / LOG_FOLDER, "the logs") / "winner.log"
    try:
        with ProcessPoolExecutor(1, OwnContext(), _begin, (log, os.getpid())) as pool:
            return pool.submit(function, *arguments).result()
    except (RuntimeError, MemoryError) as error:  # a broken pool is a RuntimeError
        raise UserError(
            f"the winning model could not be built ({type(error).__name__}; {log} says more): "
            f"address space is limited to {limit >> 10} kB (ulimit -v). Raise the limit and run "
            "the same command again; no trial is trained again"
        ) from error


def _begin(log: Path, parent_pid: int) -> None:
    die_with_parent(parent_pid)
    redirect_output(log)


def _save_with(code: Code, *arguments: Any) -> str:
    with given(code):
        return _save_model(*arguments)


def _save_model(settings: Settings, size: int, num_classes: int, heads: Path, run_dir: Path) -> str:
    """Returns why it is not whole, in a line; "" where it is."""
    if mode_of(settings.training).whole is not None:
        return _save_own(settings, size, num_classes, heads, run_dir)
    model = _whole_model(settings, size, num_classes, load_head(heads))
    with replacing(run_dir / MODEL_FILE, "the winning model") as beside:
        saved = beside.with_suffix(".keras")  # Keras refuses another ending
        model.save(saved)
        saved.replace(beside)
    return ""


def _save_own(settings: Settings, size: int, num_classes: int, heads: Path, run_dir: Path) -> str:
    """As `_save_model`. What its code raises now costs the model, and not the search."""
    from search.training.own_saving import saved

    files = run_dir / MODEL_FILE, run_dir / WEIGHTS_FILE
    name = str(settings.model.build)
    with (
        storing("the winning model", files[0]),
        scratch_folder("model-", run_dir / "model") as folder,
    ):
        made = [folder / file.name for file in files]
        try:
            whole = _whole_model(settings, size, num_classes, load_head(heads))
            why = saved(whole, name, made[0], made[1])
        except Exception as error:
            if is_lack(error):
                raise
            why = (
                f"the winning model could not be made ({in_a_line(error)}); the search is kept, "
                f"and the weights in {heads}"
            )
        for new, file in zip(made, files, strict=True):
            new.replace(file) if new.exists() else file.unlink(missing_ok=True)
    return why


def stored_winner(state: SearchState, run_dir: Path) -> Winner | None:
    """The winning model as `build_winner` left it in a run directory; None where there is none, or
    it does not load without its author's code.

    Raises UserError where one of its files cannot be read, is a link or is no regular file.
    """
    view = SearchView(state)
    record = view.final
    if record is None or view.opened is None or not (run_dir / MODEL_FILE).exists():
        return None
    for path in (run_dir / name for name in (MODEL_FILE, CLASSES_FILE, EXAMPLE_FILE)):
        if path.exists() and not is_regular_within(path, run_dir):
            raise UserError(f"{path} is a link or no regular file; put the file itself there")
    if record.spec.settings.model.build is not None:
        from search.training.own_saving import why_not_loaded

        if why_not_loaded(run_dir / MODEL_FILE, str(record.spec.settings.model.build)):
            return None
    try:
        class_names = json.loads((run_dir / CLASSES_FILE).read_text(encoding="utf-8"))
        example = read_array(run_dir / EXAMPLE_FILE)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{run_dir / 'model'} is not whole ({error}); restore it, or run the search again"
        ) from error
    return Winner(
        model_path=run_dir / MODEL_FILE,
        class_names=tuple(class_names),
        example=example,
        registered_name=view.opened.name,
        metadata={
            "recommended": record.label,
            "verdict": view.used_gain.as_json if view.used_gain else None,
            **({"beside": dict(view.beside)} if view.beside else {}),
        },
    )


def rebuilt_winner(run_dir: Path, place: Path | None) -> "tuple[keras.Model, Code]":
    """A winning model of its author's own, built anew by the code at `place`, a copy of it that the
    caller has read; and that code. Raises UserError where that is not at hand."""
    from search.driver.prepare import resources_of

    run = open_run(run_dir)
    code, record = model_code(run.config, place), SearchView(run.state).final
    heads = heads_file(record.spec, resources_of(run.config, run_dir)) if record else None
    if record is None or heads is None or not is_regular_within(heads, run_dir):
        raise UserError(f"{run_dir} holds no trained winner; run the search again, or restore it")
    num_classes, size = len(run.opened.dataset.class_names), record.spec.dataset.image_size
    with given(code):
        try:
            weights = load_head(heads)
            return _whole_model(record.spec.settings, size, num_classes, weights), code
        except UserError:
            raise
        except Exception as error:  # a damaged file, another model's, what own code raises
            text = in_a_line(error)
            raise UserError(f"{heads} does not fit its model ({text}); restore it") from error


def why_no_model(state: SearchState, winner: Winner | None) -> str:
    """Why there is a final model, and none that MLflow could be sent; "" elsewhere."""
    record = SearchView(state).final
    if winner is not None or record is None or record.spec.settings.model.build is None:
        return ""
    return "no model is sent: it does not load without its author's code (see predict --run-code)"


def train_model(config: "ExperimentConfig", record: TrialRecord, run_dir: Path) -> "keras.Model":
    """Any completed trial's setting, trained on train + validation for as long as its heads took on
    average."""
    from search.driver.prepare import prepare, resources_of
    from search.training.run_trial import train_spec

    code = code_of(config)
    resources = resources_of(config, run_dir, code)
    with given(code):
        prepared = prepare(config, resources, begun_in=record.spec.precision)
        spec = prepared.specs.final(record.label, record.spec.settings, Epochs.of(record.result))
        weights = train_spec(spec, resources).heads.kept
        num_classes = len(prepared.dataset.class_names)
        return _whole_model(record.spec.settings, config.dataset.image_size, num_classes, weights)


def _whole_model(
    settings: Settings, size: int, num_classes: int, weights: HeadWeights
) -> "keras.Model":
    """weights: as the trial's mode left them, the head's and perhaps those of the backbone."""
    import keras

    mode = mode_of(settings.training)
    if mode.whole is not None:
        return mode.whole(settings, size, num_classes, weights)
    backbone = build_backbone(settings.model.backbone, settings.model.weights, size)
    head = mode.put(backbone, settings, weights)
    shape = HeadShape(head[0].shape[0], settings.model.head_units, num_classes)

    images = keras.Input((None, None, 3), dtype="uint8", name="images")
    resized = keras.layers.Resizing(
        size, size, interpolation="bilinear", antialias=True, name="resize"
    )(images)
    return keras.Model(images, plain_head(shape, head)(backbone(resized)), name="augsearch_model")
