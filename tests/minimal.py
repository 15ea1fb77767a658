"""The shortest experiment that is one, as its file holds it; and the same with a value changed."""

import copy
from typing import Any

MINIMAL: dict[str, Any] = {
    "name": "test",
    "dataset": {"source": "digits", "image_size": 32},
    "augmentation": {"rotation_range": {"min": 0, "max": 20}},
}


def changed(key: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(MINIMAL)
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return data
