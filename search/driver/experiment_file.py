"""An experiment file, read and checked: the one room that knows every table which the file names
things of.

What the file holds is `experiment.config`'s; here stand reading, overrides, paths, and the checks
that need the tables. Nothing here reads an image or imports TensorFlow.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any
from weakref import WeakValueDictionary

from pydantic import ValidationError

from data.errors import UserError
from data.files import named_path
from data.listing import reason_of
from data.messages import literal, short
from data.own_augmentations import OUTSIDE, outside_schema
from data.secrets import shown_override, shown_uri
from data.sources import SOURCES
from data.transforms import import_first
from search.driver.algorithms import ALGORITHMS
from search.driver.code_files import with_code, with_hyperparameters, with_mode
from search.execution.engines import ENGINES
from search.experiment.complaints import TOO_DEEP, complaint, first_odd
from search.experiment.config import ExperimentConfig, config_type
from search.experiment.yaml_file import parse_yaml, read_yaml
from search.features.backbones import BACKBONES
from search.training.losses import LOSSES
from search.training.modes import MODES, check_modes

# What a setting that is marked with `NameIn` may name.
TABLES: dict[str, Iterable[str]] = {
    "source": SOURCES,
    "backbone": BACKBONES,
    "mode": MODES,
    "loss": LOSSES,
    "algorithm": ALGORITHMS,
    "engine": ENGINES,
}

# What `load_config` gave: frozen and checked by the tables, it is not read again.
_LOADED: WeakValueDictionary[int, ExperimentConfig] = WeakValueDictionary()

ExperimentLike = str | Path | Mapping[str, Any] | ExperimentConfig


def load_config(
    experiment: ExperimentLike, overrides: str | Sequence[str] = ()
) -> ExperimentConfig:
    """An experiment from the path of its file, from what such a file holds as a mapping, or as it
    is.

    overrides: `a.b=value` each, with values in YAML. A path inside a file is relative to the file;
    one in a mapping or an override to the working directory. Raises UserError, and TypeError where
    `experiment` or `overrides` are none of these.
    """
    overrides = _texts(overrides)
    is_filled = isinstance(experiment, ExperimentConfig) and not overrides
    if is_filled and _LOADED.get(id(experiment)) is experiment:
        return _LOADED[id(experiment)]
    if isinstance(experiment, ExperimentConfig):
        experiment = {**experiment.filled, "tracking": experiment.tracking.model_dump(mode="json")}
    data, origin, base = _read(experiment)
    for override in overrides:
        _apply_override(data, override)
        resolve_paths(data, Path.cwd())
    data = with_code(data, base, origin)
    config = parse_config(data, origin)
    import_first(config.augmentation.written)
    if config.model.written.get("build") is not None and not is_filled:
        config = parse_config(with_hyperparameters(data, config, origin), origin)
    _LOADED[id(config)] = config
    return config


def build_named_in(experiment: ExperimentLike) -> object:
    """What it writes for model.build; None where it does not. Raises as `load_config`."""
    if isinstance(experiment, ExperimentConfig):
        return experiment.model.written.get("build")
    section = _read(experiment)[0].get("model")
    return section.get("build") if isinstance(section, Mapping) else None


def _texts(overrides: object) -> Sequence[str]:
    listed = [overrides] if isinstance(overrides, str) else overrides
    if isinstance(listed, list | tuple) and all(isinstance(each, str) for each in listed):
        return listed
    raise TypeError(
        f"overrides received {literal(overrides)}; allowed: texts such as 'search.trials=30', one "
        "or a list of them"
    )


def _read(experiment: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str, Path]:
    """The plain data of an experiment, what errors call it, and the folder that its paths are
    relative to."""
    if isinstance(experiment, Mapping):
        data = {
            key: dict(part) if isinstance(part, Mapping) else part
            for key, part in experiment.items()
        }
        resolve_paths(data, Path.cwd())
        return data, "the experiment", Path.cwd()
    if not isinstance(experiment, str | Path):
        raise TypeError(
            f"an experiment was given as {type(experiment).__name__}; allowed: the path of an "
            "experiment file (.yaml), a mapping of what such a file holds, or an ExperimentConfig"
        )
    path = named_path(experiment)
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise UserError(
            f"{path}: received {literal(data)}; an experiment file is a mapping of keys to values, "
            "each written key: value, with a space after the colon"
        )
    base = path.resolve().parent
    resolve_paths(data, base)
    return data, str(path), base


def parse_config(data: Mapping[str, Any], origin: str) -> ExperimentConfig:
    """Checks plain data. Raises UserError with one line for each mistake."""
    try:
        data = _with_name(data)
        text = json.dumps(with_mode(data), allow_nan=False, default=_plain)
        kind = config_type(data)
        config = kind.model_validate_json(text, strict=True, context=TABLES)
    except ValidationError as error:
        lines = (f"{origin}: {complaint(kind, item, data)}" for item in error.errors())
        raise UserError("\n".join(dict.fromkeys(lines))) from error
    except RecursionError as error:
        raise UserError(f"{origin}: {TOO_DEEP}") from error
    except (TypeError, ValueError) as error:
        what = first_odd(data) or f"{error}; "
        raise UserError(
            f"{origin}: {what}only words, numbers, true, false, lists and mappings are allowed"
        ) from error
    try:
        check_modes(config.space)
    except UserError as error:
        raise UserError(f"{origin}: {error}") from error
    return config


def _with_name(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """With a name where none was written."""
    dataset = None if "name" in data else data.get("dataset")
    path = dataset.get("path") if isinstance(dataset, Mapping) else None
    name = named_after(path) if isinstance(path, str | Path) else None
    return data if name is None else {"name": name, **data}


def named_after(path: str | Path) -> str | None:
    """The name of an experiment on the images at `path`: its last part without the ending of a
    file, with dashes for what no name has; None where nothing is left of it."""
    last = re.sub(r"\.(csv|npz|tfrecord)$", "", PurePath(path).name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).lstrip("._-")[:100].rstrip("._-") or None


def _plain(value: Any) -> Any:
    """A NumPy number or array, and a path, as an experiment file would hold them."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__}")


def resolve_paths(data: dict, base: Path) -> None:
    """Makes the dataset's path, a weights file's and the cache folder's absolute, in place. Raises
    UserError for an address."""
    for section, key in (("dataset", "path"), ("execution", "cache_dir"), ("model", "weights")):
        part = data.get(section)
        value = part.get(key) if isinstance(part, dict) else None
        value = str(value) if isinstance(value, Path) else value
        if isinstance(value, str) and "://" in value:
            raise UserError(
                f"{section}.{key}: received {shown_uri(value)!r}, an address; only files and "
                "folders of this machine are read: download it, and write where it is"
            )
        if isinstance(value, str) and not (key == "weights" and value in ("imagenet", "random")):
            part[key] = _absolute(base, value, f"{section}.{key}")  # type: ignore[index]


def _absolute(base: Path, value: str, where: str) -> str:
    """Raises UserError for what cannot be a path: one with a NUL in it, too long, of an unknown
    user."""
    try:
        named = named_path(value)
        path = (base / named).resolve()
        with suppress(PermissionError):  # what reads or writes there says what it wanted
            if not path.exists() and value.startswith("~") and str(named).startswith("~"):
                raise ValueError("there is no such user")
    except (OSError, ValueError) as error:
        why = reason_of(error).rstrip(".")
        raise UserError(
            f"{where}: received {literal(value)}, which cannot be a path ({why}); write where the "
            "file or folder is"
        ) from error
    return str(path)


def _apply_override(data: dict, override: str) -> bool:
    key, separator, text = override.partition("=")
    if not separator or not all(key.split(".")):
        raise UserError(f"--set received {short(shown_override(override))!r}; write a.b=value")
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise UserError(
                f"--set received {short(shown_override(override))!r}, but {short(parent)} is a "
                "value, not a section"
            )
    place[last] = parse_yaml(text, f"--set {short(key)}")
    return True


def experiment_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment file, for editors: every section, every name of a table."""
    schema = _named(ExperimentConfig.model_json_schema())
    section = schema["$defs"]["AugmentationSection"]
    section["patternProperties"] = {OUTSIDE: outside_schema()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _named(schema: Any) -> Any:
    """The schema with the names of its table in place of each `table`."""
    if isinstance(schema, list):
        return [_named(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _named(value) for key, value in schema.items() if key != "table"}
    if not isinstance(schema.get("table"), str):
        return found
    table = TABLES[schema["table"]]
    listed = {"type": "string", "enum": list(table)}
    pattern = getattr(table, "pattern", None)  # of names that are not listed
    if pattern is None:
        return found | listed
    return {**found, "anyOf": [listed, {"type": "string", "pattern": f"^{pattern}$"}]}
