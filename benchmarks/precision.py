"""`python -m benchmarks.precision`: whether int8 shows the effects that float32 shows.

The same settings, folds, seeds and views are trained twice, once on features of each precision, and
each setting's paired effect is compared. Digits need nothing; other sets are folders with a folder
per class (`--data NAME=FOLDER`). Accuracy does not suffer from a busy machine, so that this may run
beside anything.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.settings import DatasetConfig
from search.driver.specs import COURSE_SETTINGS, SpecFactory
from search.evidence.evaluation import paired_difference, paired_effect
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import Objective
from search.experiment.precisions import Precision
from search.experiment.trial import Predictions, Resources

SETTINGS: dict[str, dict[str, Any]] = {
    "horizontal flip": {"horizontal_flip": True},
    "vertical flip": {"vertical_flip": True},
    "rotation 30": {"rotation_range": 30},
    "shift 0.2": {"width_shift_range": 0.2, "height_shift_range": 0.2},
    "zoom 0.3": {"zoom_range": 0.3},
    "brightness 0.6 to 1.4": {"brightness_range": [0.6, 1.4]},
    "course settings": COURSE_SETTINGS,
    "TrivialAugment": {"policy": "trivial_augment_wide"},
}
OBJECTIVES: tuple[Objective, ...] = ("accuracy", "log_loss")
PAIR: tuple[Precision, Precision] = ("float32", "int8")


@dataclass(frozen=True)
class Comparison:
    """One setting's effect by both precisions: effect and interval in the objective's units, and
    the difference int8 less float32 with its standard error over images."""

    data: str
    backbone: str
    setting: str
    objective: Objective
    float32: tuple[float, float, float]
    int8: tuple[float, float, float]
    difference: float
    error: float

    @property
    def opposed(self) -> bool:
        """Whether either is called, and the other has the other sign."""
        called = any(low > 0 or high < 0 for _, low, high in (self.float32, self.int8))
        return called and self.float32[0] * self.int8[0] < 0


def main() -> int:
    options = _options()
    sets = dict(each.split("=", 1) for each in options.data) or {"digits": ""}
    found: list[Comparison] = []
    for name, folder in sets.items():
        for backbone in options.backbones:
            with tempfile.TemporaryDirectory() as place:
                experiment = _experiment(name, folder, backbone, options, Path(place))
                for each in compared(experiment, name, Path(place)):
                    print(_row(each), flush=True)
                    found.append(each)
    for objective in OBJECTIVES:
        print(summary([each for each in found if each.objective == objective]))
    options.out.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--backbones", nargs="+", default=["efficientnet-lite0", "small-cnn"])
    parser.add_argument("--images", type=int, default=400, help="of each set, drawn evenly")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("precision.json"))
    return parser.parse_args()


def _experiment(
    name: str, folder: str, backbone: str, options: argparse.Namespace, place: Path
) -> ExperimentConfig:
    path = _few_images(name, folder, options.images, options.size, place)
    split = {"validation": 0.2, "test": 0}
    return ExperimentConfig.model_validate(
        {
            "name": f"precision-{name}",
            "dataset": {
                "source": "arrays",
                "path": str(path),
                "image_size": options.size,
                "split": split,
            },
            "augmentation": {"horizontal_flip": [False, True]},
            "model": {
                "backbone": backbone,
                "weights": "imagenet" if backbone == "efficientnet-lite0" else "random",
            },
            "training": {"views": options.views},
        }
    )


def _few_images(name: str, folder: str, count: int, size: int, place: Path) -> Path:
    """So many images, evenly from all classes, as an .npz file."""
    from data.dataset import open_dataset

    source: dict[str, Any] = (
        {"source": "digits"}
        if not folder
        else {"source": "folder", "path": folder, "on_bad_file": "skip"}
    )
    if folder and not (Path(folder) / "train").is_dir():
        source["split"] = {"validation": 0.1, "test": 0.1}
    dataset = open_dataset(DatasetConfig(image_size=size, **source), place / "cache", 1)
    labels, rng = np.asarray(dataset.labels), np.random.default_rng(1)
    each = count // len(dataset.class_names)
    rows = np.sort(
        np.concatenate(
            [
                rng.permutation(np.flatnonzero(labels == number))[:each]
                for number in range(len(dataset.class_names))
            ]
        )
    )
    path = place / f"{name}.npz"
    np.savez(path, images=np.asarray(dataset.images[rows]), labels=labels[rows])
    return path


def compared(experiment: ExperimentConfig, name: str, place: Path) -> Iterator[Comparison]:
    """Every setting by both precisions, in each objective. Raises RuntimeError where a trial
    fails."""
    from data.dataset import open_dataset
    from search.experiment.seeds import derive_seed

    resources = Resources(cache_dir=place / "cache", views_dir=place / "views", side_by_side=True)
    seed = derive_seed(experiment.seed, "split")
    labels = np.asarray(open_dataset(experiment.dataset, resources.cache_dir, seed).labels)
    plain = {each: _answers(experiment, {}, each, resources) for each in PAIR}
    for setting, augmentation in SETTINGS.items():
        tried = {each: _answers(experiment, augmentation, each, resources) for each in PAIR}
        for objective in OBJECTIVES:
            effects, moved = [], []
            for each in PAIR:
                effect = paired_effect(tried[each], plain[each], labels, objective, seed=1)
                effects.append((effect.delta, effect.ci_low, effect.ci_high))
                moved.append(paired_difference(tried[each], plain[each], labels, objective))
            apart = (moved[1] - moved[0]).mean(axis=0)
            error = float(apart.std(ddof=1) / np.sqrt(len(apart)))
            backbone = experiment.space.values_of("model", "backbone")[0]
            yield Comparison(
                name, backbone, setting, objective, *effects, float(apart.mean()), error
            )


def _answers(
    experiment: ExperimentConfig,
    augmentation: dict[str, Any],
    precision: Precision,
    resources: Resources,
) -> Predictions:
    from search.training.run_trial import run_trial

    specs = SpecFactory(experiment, experiment.space, precision)
    outcome = run_trial(specs.search("trial", "", specs.control(augmentation)), resources)
    if outcome.predictions is None:
        raise RuntimeError(f"{precision}: {outcome.result.error}")
    return outcome.predictions


def _row(each: Comparison) -> str:
    scale = 100 if each.objective == "accuracy" else 1
    texts = [
        f"{scale * effect:+.2f} ({scale * low:+.2f} to {scale * high:+.2f})"
        for effect, low, high in (each.float32, each.int8)
    ]
    apart = f"{scale * each.difference:+.2f} ± {scale * each.error:.2f}"
    names = f"{each.data} | {each.backbone} | {each.setting} | {each.objective}"
    return f"| {names} | {' | '.join(texts)} | {apart} |"


def summary(found: Sequence[Comparison]) -> str:
    """Of one objective: the mean difference with its standard error, how large it is without sign,
    and how often the two disagree in sign where either is called."""
    scale = 100 if found[0].objective == "accuracy" else 1
    apart = np.array([scale * each.difference for each in found])
    error = apart.std(ddof=1) / np.sqrt(len(apart))
    opposed = sum(each.opposed for each in found)
    return (
        f"{found[0].objective}: {len(found)} settings, int8 less float32 {apart.mean():+.3f} ± "
        f"{error:.3f} on average, {np.abs(apart).mean():.3f} without sign; {opposed} of other sign "
        "where either is called"
    )


if __name__ == "__main__":
    sys.exit(main())
