"""What is searched beside augmentation: settings of model and training, under the names that an
experiment file gives them (`model.learning_rate`). An effect of augmentation is one between two
settings that have the same of them."""

from collections.abc import Mapping
from typing import Any

from search.experiment.settings import OF_AUGMENTATION, Settings, flat, nested
from search.experiment.space import Space


def searched_beside(space: Space) -> dict[str, str]:
    """By the space's own name, as the file has it. Not how often or when pictures are augmented:
    no augmentation is the same whatever that is."""
    return {
        name: f"{section}.{name}"
        for name, section in space.section_of.items()
        if section != "augmentation" and name not in OF_AUGMENTATION
    }


def beside_of(space: Space, settings: Settings) -> dict[str, Any]:
    """The values of a setting; empty where nothing is searched beside augmentation."""
    names = searched_beside(space)
    named = space.named_values(settings) if names else {}
    return {written: named[name] for name, written in names.items()}


def with_beside(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The setting with these values beside its augmentation, all else as it was. values: as
    `beside_of` gives them. Raises ValidationError (a ValueError) for values that cannot be."""
    if not values:
        return settings
    parts: dict[str, Any] = {"augmentation": settings.augmentation}
    for section in ("model", "training"):
        own = {
            name.removeprefix(f"{section}."): value
            for name, value in values.items()
            if name.startswith(f"{section}.")
        }
        written = getattr(settings, section).model_dump(mode="json")
        parts[section] = nested(flat(written) | own)
    return Settings.model_validate(parts)
