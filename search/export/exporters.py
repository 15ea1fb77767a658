"""What an augmentation can be exported to: one record an exporter in one table, each with its own
module but JSON."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from data.augmentations import AUGMENTATIONS
from data.errors import UserError
from search.export.albumentations_code import write_albumentations
from search.export.exporting import CannotExpress, Exported, Policy
from search.export.generator_code import write_generator
from search.export.keras_code import write_keras
from search.export.torchvision_code import write_torchvision


@dataclass(frozen=True)
class Exporter:
    """package: whose code it is; None for none. write: a policy to code that defines
    `augmentation`, or to JSON; raises CannotExpress."""

    package: str | None
    write: Callable[[Policy], Exported]


def write_json(policy: Policy) -> Exported:
    """The settings as an experiment file takes them, with their units."""
    settings = policy.active
    value = {
        "title": policy.title,
        "image_size": policy.size,
        "augmentation": settings,
        "units": {name: AUGMENTATIONS[name].unit for name in settings},
    }
    return Exported(json.dumps(value, indent=2, allow_nan=False) + "\n")


EXPORTERS: dict[str, Exporter] = {
    "json": Exporter(None, write_json),
    "keras": Exporter("keras", write_keras),
    "imagedatagenerator": Exporter("tensorflow", write_generator),
    "torchvision": Exporter("torchvision", write_torchvision),
    "albumentations": Exporter("albumentations", write_albumentations),
}


def write(policy: Policy, to: str) -> Exported:
    """The policy as code for `to`, a name of the table. Raises UserError where that cannot express
    all of it."""
    try:
        return EXPORTERS[to].write(policy)
    except CannotExpress as lacking:
        able = " or ".join(targets_of(policy))
        raise UserError(f"--to {to} cannot express {lacking}; choose --to {able}") from lacking


def targets_of(policy: Policy) -> list[str]:
    """The exporters that can express all of the policy."""
    return [name for name, exporter in EXPORTERS.items() if _expresses(exporter, policy)]


def _expresses(exporter: Exporter, policy: Policy) -> bool:
    try:
        exporter.write(policy)
    except CannotExpress:
        return False
    return True
