"""Two searches as they went on a 2-core machine, told trial by trial, for what is estimated while a
search runs: the quick start (its journal of 2026-11-21), and ten settings of the clothing
photographs by halving over 2 and 8 views, without confirmation.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Told:
    """views: 0 is no augmentation. seconds: how long it trained, None where another trial's answer
    was taken. at: seconds since the search began.
    """

    phase: str
    views: int
    seconds: float | None
    at: float


@dataclass(frozen=True)
class Recording:
    """experiment: what its plan depends on. num_trials: of the search phase."""

    experiment: dict[str, Any]
    num_trials: int
    trials: tuple[Told, ...]
    seconds: float


QUICKSTART_TRIALS = (
    Told("controls", 0, 12.6, 20.8),
    Told("controls", 6, 11.4, 32.4),
    Told("controls", 6, 9.8, 42.1),
    Told("search", 6, 9.1, 51.7),
    Told("search", 6, 7.8, 59.5),
    Told("search", 6, 8.3, 67.9),
    Told("search", 6, 9.0, 76.9),
    Told("search", 6, 10.0, 87.0),
    Told("search", 6, 9.2, 96.2),
    Told("confirm", 0, 5.6, 102.1),
    Told("confirm", 8, 9.8, 111.9),
    Told("confirm", 8, 10.0, 121.9),
    Told("confirm", 8, 10.0, 132.0),
    Told("confirm", 8, 11.2, 143.3),
    Told("ablation", 8, 10.4, 154.4),
    Told("ablation", 8, 12.2, 166.6),
    Told("ablation", 8, 10.2, 176.9),
    Told("ablation", 8, None, 176.9),
    Told("ablation", 8, None, 177.0),
    Told("ablation", 8, 9.3, 186.2),
    Told("ablation", 8, 9.1, 195.3),
    Told("test", 0, 2.3, 198.8),
)
QUICKSTART_SECONDS = 203.1
CLOTHING_TRIALS = (
    Told("controls", 0, 33.5, 47.1),
    Told("controls", 2, 51.0, 98.1),
    Told("controls", 2, 51.8, 149.9),
    Told("controls", 8, 70.3, 220.2),
    Told("controls", 8, 77.7, 297.9),
    Told("search", 2, 38.2, 336.5),
    Told("search", 2, 36.6, 373.1),
    Told("search", 2, 44.2, 417.3),
    Told("search", 2, 51.7, 469.0),
    Told("search", 2, 51.6, 520.6),
    Told("search", 2, 52.4, 572.9),
    Told("search", 2, 53.9, 626.9),
    Told("search", 2, 32.9, 659.7),
    Told("search", 2, 39.8, 699.5),
    Told("search", 2, 41.1, 740.6),
    Told("search", 8, 76.1, 816.9),
    Told("search", 8, 63.3, 880.2),
    Told("search", 8, 70.0, 950.2),
    Told("test", 0, 3.7, 954.3),
)
CLOTHING_SECONDS = 958.6

QUICKSTART = Recording(
    {
        "name": "quickstart",
        "dataset": {"source": "digits"},
        "augmentation": {
            "rotation_range": [0, 15],
            "width_shift_range": [0.0, 0.1],
            "zoom_range": {"choices": [0.0, 0.1]},
            "horizontal_flip": [False, True],
            "vertical_flip": [False, True],
            "fill_mode": "nearest",
        },
        "training": {"views": 6},
        "search": {"algorithm": "random", "trials": 6},
        "evaluation": {"folds": 5, "seeds": 2, "confirm": {"top": 2, "seeds": 2, "views": 8}},
    },
    6,
    QUICKSTART_TRIALS,
    QUICKSTART_SECONDS,
)
CLOTHING = Recording(
    {
        "name": "clothing",
        "dataset": {"source": "digits"},
        "augmentation": {
            "rotation_range": {"min": 0, "max": 40, "step": 10},
            "horizontal_flip": [False, True],
        },
        "training": {"views": 8},
        "search": {"algorithm": "halving", "trials": 10, "min_views": 2, "reduction": 3},
        "evaluation": {"folds": 5, "seeds": 3, "confirm": None},
    },
    13,
    CLOTHING_TRIALS,
    CLOTHING_SECONDS,
)
