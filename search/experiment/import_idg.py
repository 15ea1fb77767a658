"""An experiment file that searches around the settings of Keras's ImageDataGenerator.

Reading the call is `idg_call`; experiment files are `config`'s.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml

from data.augmentations import AUGMENTATIONS, is_option
from data.errors import UserError
from data.files import write_atomically
from search.experiment.config import parse_config
from search.experiment.idg_call import CALLED, generator_calls

PARTS = (0.0, 0.5, 1.0, 1.5, 2.0)  # of the strength written: around it, and down to nothing
FRACTIONS = ("width_shift_range", "height_shift_range")  # below 1; from 1 on they are pixels
SIGNLESS = (*FRACTIONS, "rotation_range", "shear_range", "channel_shift_range")
DROPPED = {
    "rescale": "the backbone scales pixels itself",
    "preprocessing_function": "the backbone preprocesses itself; what it augments has to be written as a setting",
    "featurewise_center": "it is no augmentation",
    "samplewise_center": "it is no augmentation",
    "featurewise_std_normalization": "it is no augmentation",
    "samplewise_std_normalization": "it is no augmentation",
    "zca_whitening": "it is no augmentation",
    "interpolation_order": "pictures are read bilinearly, which is order 1",
}
HARMLESS = ("False", "None", "0", "0.0")


@dataclass(frozen=True)
class Imported:
    """experiment: a file's text. remarks: what the file does not take over, a line each; in the file as comments too."""

    experiment: str
    remarks: tuple[str, ...]


def import_idg(text: str, data: str = "photos", name: str = "imported") -> Imported:
    """The experiment file for `ImageDataGenerator(rotation_range=30, ...)`, an assignment of it or a snippet with one.

    data: the folder of images to be written into it. Raises UserError where there is no such call, more than one that
    augments, an argument that is not plain, or nothing to search.
    """
    augmenting = [arguments for arguments in generator_calls(text) if _settings(arguments)]
    if len(augmenting) != 1:
        what = "none that augments" if not augmenting else f"{len(augmenting)} that augment"
        raise UserError(
            f"expected one call of {CALLED} that sets an augmentation; found {what}; pass that call alone"
        )
    (arguments,) = augmenting
    settings, remarks = _settings(arguments), _remarks(arguments)
    searched = {key: dimension for key, value in settings.items() if (dimension := _around(key, value))}
    experiment = _experiment(arguments, searched, remarks, data, name)
    return Imported(experiment, tuple(remarks))


def write_new(path: Path, experiment: str) -> Path:
    """Writes a file that was not there. Raises UserError where it was, StorageError where the disk refuses."""
    if path.exists():
        raise UserError(f"{path} exists; choose another name, or remove it")
    write_atomically(path, experiment, "the experiment file")
    return path


def _settings(arguments: dict[str, Any]) -> dict[str, Any]:
    """The augmentations that are on, as an experiment file writes them; raises UserError for a value out of range."""
    found = {}
    for name, value in arguments.items():
        if name in AUGMENTATIONS and not is_option(name):
            record = AUGMENTATIONS[name]
            parsed = record.parse(_spelled(name, value))
            if record.is_on(parsed):
                found[name] = parsed
    return found


def _spelled(name: str, value: Any) -> Any:
    if name.endswith("_flip"):
        return bool(value)
    if name in FRACTIONS and isinstance(value, list):  # drawn from a list of pixels
        return float(max((abs(_finite(name, each)) for each in value), default=0))
    if name in SIGNLESS and isinstance(value, int | float):
        return abs(value)  # it draws from -value to value
    return value


def _finite(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{name}: received {value!r} in a list; allowed: numbers of pixels")
    return value


def _remarks(arguments: dict[str, Any]) -> list[str]:
    remarks = [
        f"{name}={arguments[name]} is left out: {why}"
        for name, why in DROPPED.items()
        if arguments.get(name, "None") not in (*HARMLESS, "1" if name == "interpolation_order" else "")
    ]
    if arguments.get("width_shift_range", 0.0) != arguments.get("height_shift_range", 0.0):
        remarks.append(
            "Keras 3.15's width_shift_range moves pictures up and down and its height_shift_range sideways; here the names mean "
            "what they say. Exchange the two to search around what was trained"
        )
    if arguments.get("validation_split"):
        remarks.append(
            "a generator with validation_split augments its validation images too; here they stay clean, so scores differ"
        )
    return remarks


def _around(name: str, value: Any) -> Any:
    """What is searched around one value: nothing, a half, as it was, one and a half, twice; as far as that is allowed."""
    if isinstance(value, bool):
        return [False, True]
    if isinstance(value, list):
        ends = [[round(1 + (end - 1) * part, 6) for end in value] for part in PARTS]
        return {"choices": [each for each in ends if _allowed(name, each)]}
    if name in FRACTIONS and value >= 1:
        # A range would run through the fractions below 1, which mean something else.
        kind = int if isinstance(value, int) else float
        pixels = {kind(value * part) for part in PARTS}
        return {"choices": sorted(each for each in pixels if each == 0 or each > 1 or each == value)}
    steps = [round(value * part, 6) for part in PARTS]
    last = max(step for step in steps if _allowed(name, step) and not (name in FRACTIONS and step >= 1))
    return {"min": 0.0, "max": last, "step": steps[1]}


def _as_yaml(value: Any) -> str:
    """On one line."""
    return (
        yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000).split("\n...")[0].strip()
    )


def _allowed(name: str, value: Any) -> bool:
    try:
        AUGMENTATIONS[name].parse(value)
    except UserError:
        return False
    return True


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, 110, break_long_words=False, break_on_hyphens=False)]


def _experiment(
    arguments: dict[str, Any], searched: dict[str, Any], remarks: list[str], data: str, name: str
) -> str:
    """The file's text, checked as any experiment file is."""
    written = ", ".join(f"{key}={value!r}" for key, value in arguments.items() if key in AUGMENTATIONS)
    options = {key: value for key, value in arguments.items() if key in AUGMENTATIONS and is_option(key)}
    validation = arguments.get("validation_split") or 0.15
    split = f"split: {{validation: {validation}, test: 0.15}}"
    lines = [
        *_comment(f"Searches around {CALLED}({written}): each from nothing to twice as strong."),
        *(line for remark in remarks for line in _comment(f"Note: {remark}.")),
        f"name: {json.dumps(name, ensure_ascii=False)}",
        "seed: 42",
        "dataset:",
        "  source: folder",
        f"  path: {json.dumps(data, ensure_ascii=False)}   # a folder a class; or train/, validation/ and test/ with a folder a "
        "class, without split",
        f"  {split}",
        "  image_size: 150",
        "augmentation:",
        *(f"  {key}: {_as_yaml(dimension)}" for key, dimension in searched.items()),
        *(f"  {key}: {_as_yaml(AUGMENTATIONS[key].parse(value))}" for key, value in options.items()),
        "model:",
        "  backbone: efficientnet-lite0",
        "training:",
        "  views: 16",
        "search:",
        "  algorithm: halving",
        "  trials: 20",
    ]
    text = "\n".join(lines) + "\n"
    parse_config(yaml.safe_load(text), "the experiment made of it")
    return text
