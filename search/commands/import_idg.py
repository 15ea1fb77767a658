"""An experiment file that searches around the settings of Keras's ImageDataGenerator.

Reading the call, and where its arguments meant something else, is `idg_arguments`.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml

from data.augmentations import AUGMENTATIONS, is_option
from data.errors import UserError
from data.files import named_path, write_atomically
from data.messages import literal
from data.moves import SHIFTS
from data.value_forms import is_number
from search.commands.idg_arguments import CALLED, generator_calls, what_differs
from search.driver.experiment_file import parse_config
from search.experiment.yaml_file import in_a_row
from search.features.backbones import NO_DOWNLOAD
from search.journal.run_dir import FileKind, need_target

PARTS = (0.0, 0.5, 1.0, 1.5, 2.0)  # of the strength written: around it, and down to nothing
EXPERIMENT_FILE = FileKind("an experiment file", (".yaml", ".yml"))
PAIRS = ("zoom_range", "brightness_range")
SIGNLESS = (*SHIFTS, "rotation_range", "shear_range", "channel_shift_range")


@dataclass(frozen=True)
class Imported:
    """experiment: a file's text. remarks: what the file does not take over, a line each; in the
    file as comments too."""

    experiment: str
    remarks: tuple[str, ...]


def import_idg(text: str, data: str = "photos", name: str = "imported") -> Imported:
    """The experiment file for `ImageDataGenerator(rotation_range=30, ...)`, an assignment of it or
    a snippet with one.

    data: the folder of images to be written into it. Raises UserError where there is no such call,
    more than one that augments, an argument that is not plain, or nothing to search.
    """
    calls = generator_calls(text)
    augmenting = [arguments for arguments in calls if _settings(arguments)]
    if len(augmenting) != 1:
        why = "".join(
            f" ({'; '.join(said)})" for arguments in calls if (said := what_differs(arguments, {}))
        )
        what = f"none that augments{why}" if not augmenting else f"{len(augmenting)} that augment"
        raise UserError(
            f"expected one call of {CALLED} that sets an augmentation; found {what}; pass that "
            "call alone"
        )
    (arguments,) = augmenting
    settings = _settings(arguments)
    said = what_differs(arguments, settings)
    searched = {
        key: dimension for key, value in settings.items() if (dimension := _around(key, value))
    }
    experiment = _experiment(arguments, searched, said, data, name)
    return Imported(experiment, tuple(said))


def named_from(out: Path, data: str) -> str:
    """A folder as a file at `out` must write it: its paths are relative to itself, and what is
    given here to the working directory."""
    if named_path(data).is_absolute() or "://" in data:
        return data
    return Path(os.path.relpath(data, out.parent.resolve())).as_posix()


def write_new(path: Path, experiment: str) -> Path:
    """Writes a file that was not there. Raises UserError where it was, StorageError where the disk
    refuses."""
    need_target(path, EXPERIMENT_FILE)
    if path.exists():
        raise UserError(f"{path} exists; choose another name, or remove it")
    write_atomically(path, experiment, "the experiment file")
    return path


def _settings(arguments: dict[str, Any]) -> dict[str, Any]:
    """The augmentations that are on, as an experiment file writes them; raises UserError for a
    value out of range."""
    found = {}
    for name, value in arguments.items():
        if name in AUGMENTATIONS:
            record = AUGMENTATIONS[name]
            parsed = record.parse(_spelled(name, value))
            if not is_option(name) and record.is_on(parsed):
                found[name] = parsed
    return found


def _spelled(name: str, value: Any) -> Any:
    if name.endswith("_flip"):
        return _flag(name, value)
    if name in SHIFTS and isinstance(value, list):
        return _furthest(name, value)
    if name in PAIRS and isinstance(value, list) and len(value) == 2:
        # NumPy draws between two numbers in any order
        return sorted(_finite(name, each) for each in value)
    if name in SIGNLESS and is_number(value):
        return abs(value)  # it draws from -value to value
    return value


def _furthest(name: str, shifts: list[Any]) -> float:
    if not shifts:
        raise UserError(
            f"{name}: received [], from which nothing can be drawn; allowed: a number, or a list "
            "of numbers"
        )
    return float(max(abs(_finite(name, each)) for each in shifts))


def _flag(name: str, value: Any) -> bool:
    if value not in (True, False, None):  # 1 and 0 are among them
        raise UserError(f"{name}: received {literal(value)}; allowed: True or False")
    return bool(value)


def _finite(name: str, value: Any) -> float:
    if not is_number(value):
        raise UserError(f"{name}: received {literal(value)} in a list; allowed: numbers")
    return value


def _around(name: str, value: Any) -> Any:
    """What is searched around one value: nothing, a half, as it was, one and a half, twice; as far
    as that is allowed."""
    if isinstance(value, bool):
        return [False, True]
    if isinstance(value, list):
        ends = [[round(1 + (end - 1) * part, 6) for end in value] for part in PARTS]
        return {"choices": [each for each in ends if _allowed(name, each)]}
    if name in SHIFTS and value >= 1:
        # A range would run through the fractions below 1, which mean something else.
        kind = int if isinstance(value, int) else float
        pixels = {kind(value * part) for part in PARTS}
        return {
            "choices": sorted(each for each in pixels if each == 0 or each > 1 or each == value)
        }
    steps = [round(value * part, 6) for part in PARTS]
    last = max(
        step for step in steps if _allowed(name, step) and not (name in SHIFTS and step >= 1)
    )
    return {"min": 0.0, "max": last, "step": steps[1]}


def _split(validation: Any) -> dict[str, float]:
    """The share that was asked for, and a test set of what it leaves."""
    share = 0.15 if validation in (None, 0) else validation
    if not is_number(share) or not 0 < share < 1:
        raise UserError(
            f"validation_split: received {literal(validation)}; allowed: a number between 0 and 1"
        )
    return {"validation": share, "test": 0.15 if share <= 0.8 else round((1 - share) / 2, 6)}


def _allowed(name: str, value: Any) -> bool:
    try:
        AUGMENTATIONS[name].parse(value)
    except UserError:
        return False
    return True


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, 110, break_long_words=False, break_on_hyphens=False)]


def _experiment(
    arguments: dict[str, Any], searched: dict[str, Any], said: list[str], data: str, name: str
) -> str:
    """The file's text, checked as any experiment file is."""
    written = ", ".join(
        f"{key}={value!r}" for key, value in arguments.items() if key in AUGMENTATIONS
    )
    options = {
        key: value for key, value in arguments.items() if key in AUGMENTATIONS and is_option(key)
    }
    split = f"split: {in_a_row(_split(arguments.get('validation_split')))}"
    lines = [
        *_comment(f"Searches around {CALLED}({written}): each from nothing to twice as strong."),
        *(line for remark in said for line in _comment(f"Note: {remark}.")),
        f"name: {json.dumps(name, ensure_ascii=False)}",
        "seed: 42",
        "dataset:",
        "  source: folder",
        f"  path: {json.dumps(data, ensure_ascii=False)}   # a folder per class; or train/, "
        "validation/ and test/ with a folder per class, without split",
        f"  {split}",
        "  image_size: 150",
        "augmentation:",
        *(f"  {key}: {in_a_row(dimension)}" for key, dimension in searched.items()),
        *(
            f"  {key}: {in_a_row(AUGMENTATIONS[key].parse(value))}"
            for key, value in options.items()
        ),
        "model:",
        f"  backbone: {NO_DOWNLOAD}",
        "training:",
        "  views: 16",
        "search:",
        "  algorithm: halving",
        "  trials: 20",
    ]
    text = "\n".join(lines) + "\n"
    parse_config(yaml.safe_load(text), "the experiment made of it")
    return text
