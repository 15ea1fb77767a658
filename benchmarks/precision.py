"""`python -m benchmarks.precision`: whether int8 shows the effects that float32 shows.

The same settings, folds, seeds and views are trained twice, once on features of each precision, and
each setting's paired effect is compared. Digits need nothing; other sets are folders with a folder
per class (`--data NAME=FOLDER`). Accuracy does not suffer from a busy machine, so that this may run
beside anything.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.settings import DatasetConfig
from search.driver.specs import SpecFactory
from search.evidence.evaluation import per_image
from search.experiment.config import ExperimentConfig
from search.experiment.controls import CONTROLS
from search.experiment.precisions import Precision
from search.experiment.trial import Resources, TrialSpec
from search.training.head_tasks import stratified_folds

SETTINGS: dict[str, dict[str, Any]] = {
    "horizontal flip": {"horizontal_flip": True},
    "rotation 30": {"rotation_range": 30},
    "zoom 0.3": {"zoom_range": 0.3},
    "brightness 0.6 to 1.4": {"brightness_range": [0.6, 1.4]},
    **{label: each.augmentation for label, each in CONTROLS.items() if each.augmentation},
}
PAIR: tuple[Precision, Precision] = ("float32", "int8")
FOLDS, REPEATS = 5, 3  # of ridge heads
RIDGE = 0.1  # times the mean square of a picture's features

ALL = "all six on average"

Answers = dict[str, np.ndarray]  # measure -> float64 [repeats, images], more being better


@dataclass(frozen=True)
class Comparison:
    """One setting's effect by both precisions, and the difference, int8 less float32; each with its
    standard error over images, in hundredths of the measure (points). setting: or ALL."""

    data: str
    backbone: str
    setting: str
    measure: str
    float32: tuple[float, float]
    int8: tuple[float, float]
    difference: tuple[float, float]

    @property
    def opposed(self) -> bool:
        """Whether either is two standard errors from zero, and the other has the other sign."""
        called = any(abs(effect) > 2 * error for effect, error in (self.float32, self.int8))
        return called and self.float32[0] * self.int8[0] < 0


def main() -> int:
    options = _options()
    sets = dict(each.split("=", 1) for each in options.data) or {"digits": ""}
    found: list[Comparison] = []
    for name, folder in sets.items():
        for backbone in options.backbones:
            with tempfile.TemporaryDirectory() as place:
                experiment = _experiment(name, folder, backbone, options, Path(place))
                for each in compared(experiment, name, Path(place), options.heads):
                    print(_row(each), flush=True)
                    found.append(each)
    for measure in dict.fromkeys(each.measure for each in found):
        print(summary([each for each in found if each.measure == measure]))
    options.out.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--backbones", nargs="+", default=["efficientnet-lite0", "small-cnn"])
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
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


def compared(
    experiment: ExperimentConfig, name: str, place: Path, heads: Sequence[str]
) -> Iterator[Comparison]:
    """Every setting by both precisions, in each measure. Raises RuntimeError where a trial
    fails."""
    resources = Resources(
        cache_dir=place / "cache", views_dir=place / "views", keep_views=True, side_by_side=True
    )
    backbone = experiment.space.values_of("model", "backbone")[0]

    def answers(augmentation: dict[str, Any]) -> list[Answers]:
        specs = [SpecFactory(experiment, experiment.space, precision) for precision in PAIR]
        found = []
        for each in specs:
            spec = each.search("trial", "", each.control(augmentation))
            found.append({k: v for head in heads for k, v in HEADS[head](spec, resources).items()})
        shutil.rmtree(resources.views_dir, ignore_errors=True)
        return found

    plain = answers({})
    moved: dict[str, list[np.ndarray]] = {measure: [] for measure in plain[0]}
    for setting, augmentation in SETTINGS.items():
        tried = answers(augmentation)
        for measure, so_far in moved.items():
            pairs = zip(tried, plain, strict=True)
            so_far.append(np.stack([(t[measure] - p[measure]).mean(axis=0) for t, p in pairs]))
            yield _comparison((name, backbone, setting, measure), so_far[-1])
    for measure, each in moved.items():
        # All share one training without augmentation: averaged image by image, that is counted.
        yield _comparison((name, backbone, ALL, measure), np.mean(each, axis=0))


def _comparison(names: tuple[str, str, str, str], moved: np.ndarray) -> Comparison:
    """moved: float64 [2, images], what the setting does to each image by both precisions."""
    return Comparison(*names, *(_estimate(each) for each in (*moved, moved[1] - moved[0])))


def _estimate(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard error over images, times 100."""
    return 100 * float(values.mean()), 100 * float(values.std(ddof=1) / np.sqrt(len(values)))


def trained_heads(spec: TrialSpec, resources: Resources) -> Answers:
    """By the heads of a search."""
    from data.dataset import open_dataset
    from search.training.run_trial import run_trial

    outcome = run_trial(spec, resources)
    if outcome.predictions is None:
        raise RuntimeError(f"{spec.precision}: {outcome.result.error}")
    dataset = open_dataset(spec.dataset, resources.cache_dir, spec.dataset_seed)
    labels, objectives = np.asarray(dataset.labels), ("accuracy", "log_loss")
    return {
        f"{objective}, trained heads": per_image(outcome.predictions, labels, objective)
        for objective in objectives
    }


def ridge_heads(spec: TrialSpec, resources: Resources) -> Answers:
    """By ridge regression on the classes, which has no luck of its own: whether each image is
    answered right by heads that have not seen it, and how far from its class their scores are."""
    from search.training.frozen import frozen_store
    from search.training.training_mode import load_trial

    trial = load_trial(spec, resources)
    store, rows = frozen_store(trial), np.arange(len(trial.pool))
    clean = trial.scored.features(store).take(rows)
    views = [clean]
    if spec.settings.augmentation:
        numbers = range(int(spec.protocol.views))
        views = [trial.pictures.features(store, number).take(rows) for number in numbers]
    wanted = np.eye(trial.num_classes)[trial.labels]
    right, closeness = np.empty((2, REPEATS, len(rows)))
    for repeat in range(REPEATS):
        fold = stratified_folds(trial.labels, FOLDS, repeat)
        for number in range(FOLDS):
            known, held_out = fold != number, fold == number
            seen = np.concatenate([view[known] for view in views])
            scores = _ridge(seen, np.tile(trial.labels[known], len(views)), clean[held_out])
            right[repeat, held_out] = scores.argmax(axis=1) == trial.labels[held_out]
            closeness[repeat, held_out] = -np.square(scores - wanted[held_out]).sum(axis=1)
    return {"accuracy, ridge heads": right, "squared error, ridge heads": closeness}


def _ridge(features: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Scores [k, classes] of `asked`."""
    wanted = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    centre, level = features.mean(axis=0), wanted.mean(axis=0)
    known = features - centre
    products = known.T @ known
    penalty = RIDGE * np.square(known).sum() / len(known)
    products[np.diag_indices_from(products)] += penalty
    return (asked - centre) @ np.linalg.solve(products, known.T @ (wanted - level)) + level


HEADS = {"ridge": ridge_heads, "trained": trained_heads}


def _row(each: Comparison) -> str:
    names = f"{each.data} | {each.backbone} | {each.setting} | {each.measure}"
    figures = (
        f"{effect:+.2f} ± {error:.2f}"
        for effect, error in (each.float32, each.int8, each.difference)
    )
    return f"| {names} | {' | '.join(figures)} |"


def summary(found: Sequence[Comparison]) -> str:
    """Of one measure: the mean over data sets of the difference with its standard error over
    images, and of single settings how large it is without sign, and how often the two disagree in
    sign where either is called."""
    means = np.array([each.difference for each in found if each.setting == ALL])
    single = [each for each in found if each.setting != ALL]
    mean, error = means[:, 0].mean(), np.sqrt((means[:, 1] ** 2).sum()) / len(means)
    apart = np.abs([each.difference[0] for each in single]).mean()
    opposed = sum(each.opposed for each in single)
    return (
        f"{found[0].measure}: {len(single)} settings, int8 less float32 {mean:+.2f} ± {error:.2f} "
        f"on average, {apart:.2f} without sign; {opposed} of other sign where either is called"
    )


if __name__ == "__main__":
    sys.exit(main())
