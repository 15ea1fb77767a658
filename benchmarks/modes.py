"""`python -m benchmarks.modes`: what fine-tuning gains over a frozen backbone on clothing's test
images, with nothing augmented.

Each way is trained on train + validation from the same seeds, for numbers of epochs fixed
beforehand, and compared with the frozen one image by image. Wants the clothing photographs
(`--images`, or AUGSEARCH_CLOTHING).
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from search.experiment.trial import Effect, Outcome

FROZEN = "frozen"
HEAD_EPOCHS, EPOCHS = 25, 8


@dataclass(frozen=True)
class Way:
    """accuracy: on the test images, a mean over seeds. effect: against the frozen backbone; None
    for that itself."""

    name: str
    accuracy: float
    seconds: float
    effect: Effect | None


def main() -> int:
    options = _options()
    frozen = _outcome(options, {"mode": "frozen"}, epochs=HEAD_EPOCHS)
    ways = [Way(FROZEN, *_told(frozen), None)]
    for start in options.starts:
        training = {
            "mode": "finetune",
            "weight_decay": 0.01,
            "finetune": {
                "from": start,
                "learning_rate": options.learning_rate,
                "max_epochs": EPOCHS,
            },
        }
        tuned = _outcome(options, training, epochs=EPOCHS, head_epochs=HEAD_EPOCHS)
        ways.append(Way(f"fine-tuned from {start}", *_told(tuned), _effect(options, tuned, frozen)))
    print("| way | test accuracy | against frozen, points | s |\n| --- | ---: | ---: | ---: |")
    for way in ways:
        print(_row(way))
    content = {
        "machine": describe_machine(),
        "seeds": options.seeds,
        "ways": [_as_json(way) for way in ways],
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.modes", description=__doc__)
    parser.add_argument(
        "--images", type=Path, default=os.environ.get("AUGSEARCH_CLOTHING"), required=False
    )
    parser.add_argument("--starts", nargs="+", default=["block7a", "block6a"])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=0.0002)
    parser.add_argument("--cache", type=Path, help="where features are kept, if they are to be")
    parser.add_argument("--out", type=Path, default=Path("modes.json"))
    return parser.parse_args()


def _config(options: argparse.Namespace, training: dict[str, Any]) -> Any:
    from search.experiment.config import ExperimentConfig

    return ExperimentConfig.model_validate(
        {
            "name": "modes",
            "seed": 42,
            "dataset": {
                "source": "clothing",
                "path": str(Path(options.images).absolute()),
                "image_size": 150,
            },
            "augmentation": {"horizontal_flip": [False, True]},
            "training": training,
            "evaluation": {"folds": 1, "seeds": options.seeds, "confirm": None},
            "execution": {"cache_dir": str(options.cache) if options.cache else None},
        }
    )


def _outcome(
    options: argparse.Namespace,
    training: dict[str, Any],
    epochs: int,
    head_epochs: int | None = None,
) -> Outcome:
    """As a search trains the models of its test phase: with no augmentation, on train +
    validation."""
    from search.driver.prepare import prepare, resources_of
    from search.driver.specs import Epochs
    from search.training.run_trial import run_trial

    config = _config(options, training)
    with tempfile.TemporaryDirectory() as folder:
        resources = resources_of(config, Path(folder))
        specs = prepare(config, resources).specs
        outcome = run_trial(
            specs.final("no augmentation", specs.control({}), Epochs(epochs, head_epochs)),
            resources,
        )
    if outcome.predictions is None:
        raise RuntimeError(f"training failed: {outcome.result.error}")
    print(f"{training['mode']}: {outcome.result.score:.3f}", file=sys.stderr, flush=True)
    return outcome


def _told(outcome: Outcome) -> tuple[float, float]:
    timing = outcome.result.timing
    return outcome.result.metrics["accuracy"], timing.total_seconds if timing else 0.0


def _effect(options: argparse.Namespace, tuned: Outcome, frozen: Outcome) -> Effect:
    from search.driver.prepare import prepare, resources_of
    from search.evidence.evaluation import paired_effect

    config = _config(options, {"mode": "frozen"})
    with tempfile.TemporaryDirectory() as folder:
        labels = np.asarray(prepare(config, resources_of(config, Path(folder))).dataset.labels)
    if tuned.predictions is None or frozen.predictions is None:
        raise RuntimeError("a training gave no answers")
    return paired_effect(tuned.predictions, frozen.predictions, labels, "accuracy", seed=1)


def _row(way: Way) -> str:
    effect, against = way.effect, ""
    if effect is not None:
        low, high = 100 * effect.ci_low, 100 * effect.ci_high
        against = f"{100 * effect.delta:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"| {way.name} | {100 * way.accuracy:.1f} % | {against} | {way.seconds:.0f} |"


def _as_json(way: Way) -> dict[str, Any]:
    return {**asdict(way), "effect": way.effect.model_dump() if way.effect else None}


if __name__ == "__main__":
    sys.exit(main())
