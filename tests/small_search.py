"""The smallest experiment that goes through every phase: 13 trials on digits in seconds. What is
told of it is the tests' affair."""

from typing import Any

EXPERIMENT: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {"rotation_range": {"min": 0, "max": 30}, "vertical_flip": [False, True]},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 8, "learning_rate": 0.01},
    "training": {"max_epochs": 3, "patience": 3, "batch_size": 128, "views": 1},
    "search": {"algorithm": "random", "trials": 2},
    "evaluation": {"folds": 2, "seeds": 1, "confirm": {"top": 1, "seeds": 1, "views": 1}},
}
