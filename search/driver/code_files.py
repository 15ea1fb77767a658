"""The user's own Python files that an experiment names: found, hashed into its section `code`, and
read again where they are about to run, and tried before anything is spent.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.messages import did_you_mean, escaped, first_of, literal
from data.own_augmentations import check_outside, is_from_outside
from data.own_code import Code, file_of, given, is_own, read_code
from data.own_code_watch import watched
from data.transform_libraries import is_transform
from data.transforms import import_first
from search.experiment.config import ExperimentConfig
from search.experiment.dimensions import Range
from search.experiment.settings import NAMEABLE
from search.experiment.space import Space
from search.features.devices import import_tensorflow_quietly
from search.training.modes import MODES, OF_OWN_MODELS
from search.training.training_mode import Mode

BETWEEN = 0.382  # of a range: seldom a whole number
PAINTING_SECONDS = 120.0  # of all that is tried with one augmentation, on four pictures

FileContent = dict[str, Any]


def with_code(data: FileContent, base: Path, origin: str) -> FileContent:
    """The plain data of an experiment with its section `code` filled in, where it names code. base:
    the folder that its files are relative to. Raises UserError where one cannot be read, or is not
    the one that the section names."""
    named = dict(_named(data))
    if not named:
        return data
    section = data.get("code") if isinstance(data.get("code"), dict) else {}
    written = section if isinstance(section, dict) else {}
    folder = written.get("folder") or str(base)
    known = written.get("files") or {}
    files = {}
    for file, key in sorted(named.items()):
        files[file] = read_code(file, Path(folder) / file, f"{origin}: {key}").sha256
        if isinstance(known, dict) and known.get(file, files[file]) != files[file]:
            raise UserError(
                f"{origin}: {key}: {Path(folder) / file} was edited since this config was written; "
                "restore it, or leave the section code out to take it as it is"
            )
    return {**data, "code": {"folder": folder, "files": files}}


def _named(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each file with a key that names it."""
    section = data.get("augmentation")
    for name in section if isinstance(section, Mapping) else ():
        if is_own(name):
            yield file_of(name), f"augmentation.{name}"
    model = data.get("model")
    build = model.get("build") if isinstance(model, Mapping) else None
    if is_own(build):
        yield file_of(str(build)), "model.build"


def with_mode(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A model of one's own has its mode, and a mode its views, unless the file says otherwise."""
    model, training = data.get("model"), data.get("training", {})
    if not isinstance(training, Mapping):
        return data
    if isinstance(model, Mapping) and model.get("build") is not None:
        training = {**usual_training(OF_OWN_MODELS), **training}
    named = training.get("mode")
    mode = MODES.get(named) if isinstance(named, str) else None
    training = {**(usual_training(mode) if mode else {}), **training}
    return {**data, "training": training} if training else data


def usual_training(mode: Mode) -> dict[str, Any]:
    """The settings of `training` that come with a mode."""
    return {"mode": mode.name} | ({} if mode.views is None else {"views": mode.views})


def with_hyperparameters(data: FileContent, config: ExperimentConfig, origin: str) -> FileContent:
    """The plain data of an experiment with the hyperparameters that its model declares, as far as
    it does not write them itself. Runs the model's code. Raises UserError for one that the model
    does not declare."""
    from search.training.own_model import BUILD, BUILDING_SECONDS, declared

    name, written = str(config.model.written["build"]), config.filled["model"]["hyperparameters"]
    import_tensorflow_quietly()  # its time is not the code's
    with given(code_of(config)):
        found = watched(name, partial(declared, name), BUILDING_SECONDS, BUILD)
    _refuse_names(found, config, f"{origin}: {BUILD}: {name}")
    for each in written:
        if each not in found:
            raise UserError(
                f"{origin}: model.hyperparameters.{each}: {name} declares none of that name"
                f"{did_you_mean(each, found)}; it declares {', '.join(found) or 'none'}"
            )
    return {**data, "model": {**data["model"], "hyperparameters": {**found, **written}}}


def _refuse_names(found: Iterable[str], config: ExperimentConfig, where: str) -> None:
    """Raise UserError for a hyperparameter whose name no table could hold, or is taken."""
    for each in found:
        if not NAMEABLE.fullmatch(each):
            raise UserError(
                f"{where} declares a hyperparameter called {literal(each)}; allowed: 1 to 100 "
                "signs in a line"
            )
        if part := config.space.section_of.get(each):
            raise UserError(
                f"{where} declares the hyperparameter {each}, and {part}.{each} is searched too; "
                "give yours another name"
            )


def code_of(config: ExperimentConfig) -> Code:
    """The files of an experiment, to be run. Raises UserError where one is not the one that the
    config was made with."""
    folder = Path(config.code.folder or ".")
    found = tuple(read_code(name, folder / name, f"code.{name}") for name in config.code.files)
    for file in found:
        if file.sha256 != config.code.files[file.name]:
            raise UserError(
                f"code.{file.name}: {file.path} was edited since it was read; start again"
            )
    return found


def check_code(config: ExperimentConfig) -> None:
    """Tries each augmentation from outside, at the ends of what is searched and between, on made-up
    pictures.
    Raises UserError, with file and line, where it does not do what an augmentation should."""
    space = config.space
    with given(code_of(config)):
        for name in filter(is_from_outside, config.augmentation.written):
            check = partial(check_outside, name, _tried(name, space), config.dataset.image_size)
            watched(name, check, PAINTING_SECONDS)


def _tried(name: str, space: Space) -> tuple[Any, ...]:
    """The strengths at which it is tried: a library may want whole ones alone, or odd ones."""
    dimension = space.dimensions.get(name)
    if dimension is None:
        return (space.fixed["augmentation"].get(name, 0.0),)
    if not isinstance(dimension, Range):
        return tuple(dimension.extremes)
    if dimension.step is not None and is_transform(name):
        return tuple(dimension.spread())
    return (*dimension.extremes, dimension.within(BETWEEN))


def handed_over(config: ExperimentConfig, place: Path | None) -> Code:
    """The files of a config from elsewhere, as they are at `place` (a file or a folder) by their
    hashes. Raises UserError where one is not there, and where a library's transform is named and no
    place is; nothing of the config's own place is read."""
    wanted = config.code.files
    if place is None and wanted:
        raise UserError(
            f"it names code of its author's, {_with_hashes(wanted)}, which is not run unless you "
            "say --run-code FILE with a copy that you have read; --no-train checks the rest of a "
            "bundle"
        )
    transforms = [escaped(name) for name in config.augmentation.written if is_transform(name)]
    if place is None and transforms:
        raise UserError(
            f"it names other libraries' transforms, {first_of(transforms)}, with its author's "
            "arguments, which are not run unless you say --run-code FOLDER, whatever is in it; "
            "--no-train checks the rest of a bundle"
        )
    import_first(config.augmentation.written)
    return () if place is None else _found_at(place, wanted)


def model_code(config: ExperimentConfig, place: Path | None) -> Code:
    """The file that its model is made by, as `handed_over` has it. Raises UserError where none is
    named, and as that."""
    build = config.model.written.get("build")
    if build is None:
        raise UserError("--run-code is for a model of one's own, and this search names none")
    file = file_of(str(build))
    wanted = {file: config.code.files[file]}
    if place is None:
        raise UserError(
            f"the winning model needs its author's code, {_with_hashes(wanted)}, which is "
            "not run unless you say --run-code FILE with a copy that you have read"
        )
    return _found_at(place, wanted)


def _with_hashes(wanted: Mapping[str, str]) -> str:
    return ", ".join(f"{name} (sha256 {digest[:12]})" for name, digest in wanted.items())


def _found_at(place: Path, wanted: Mapping[str, str]) -> Code:
    """wanted: hashes by name."""
    if not wanted:
        return ()
    paths = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    read = (read_code(path.name, path, "--run-code") for path in paths)
    here = {file.sha256: file for file in read}
    missing = [name for name, digest in wanted.items() if digest not in here]
    if missing:
        raise UserError(
            f"--run-code received {place}, which holds no file with the hash of "
            f"{', '.join(missing)}; the search ran {_with_hashes(wanted)}"
        )
    return tuple(here[digest].model_copy(update={"name": name}) for name, digest in wanted.items())
