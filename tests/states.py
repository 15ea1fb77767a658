"""A made-up search on digits, as the `SearchState` its journal would replay to, at any phase. The
numbers are invented but hang together (what the evidence says is in the records), so pages and
trackers can be tested without training. Trains nothing. The evidence itself is in `state_evidence`.
"""

from typing import Any, Literal

import numpy as np
from state_evidence import make_effect, make_evidence, make_test

from data.settings import DatasetConfig
from search.experiment.trial import (
    Curve,
    Kind,
    ModelSettings,
    Protocol,
    Settings,
    TrainingSettings,
    TrialRecord,
    TrialResult,
    TrialSpec,
    TrialTiming,
)
from search.journal.events import DatasetSummary, Opened
from search.journal.state import SearchState

Phase = Literal["opened", "controls", "search", "confirm", "ablation", "test", "finished"]
PHASES: tuple[Phase, ...] = (
    "opened",
    "controls",
    "search",
    "confirm",
    "ablation",
    "test",
    "finished",
)
PHASE_SECONDS = {
    "prepare": 6.0,
    "controls": 21.0,
    "search": 64.0,
    "confirm": 40.0,
    "ablation": 30.0,
    "test": 9.0,
}
STARTED_AT = 1_760_000_000.0
DIGITS = tuple("0123456789")
COURSE = {
    "rotation_range": 15,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "zoom_range": 0.1,
    "horizontal_flip": True,
}
SPACE = {
    "rotation_range": {"min": 0, "max": 40, "step": 5},
    "width_shift_range": {"min": 0.0, "max": 0.2, "step": 0.05},
    "zoom_range": {"min": 0.0, "max": 0.3, "step": 0.05},
    "vertical_flip": {"choices": [False, True]},
}
TRIALS: tuple[dict[str, Any], ...] = (
    {"rotation_range": 15, "width_shift_range": 0.1, "zoom_range": 0.1},
    {"rotation_range": 40, "width_shift_range": 0.2, "zoom_range": 0.3, "vertical_flip": True},
    {"rotation_range": 10, "zoom_range": 0.1},
    {"width_shift_range": 0.05},
    {"rotation_range": 5, "width_shift_range": 0.05, "zoom_range": 0.05},
    {"vertical_flip": True},
)
TRIAL_DELTAS = (0.014, -0.052, 0.009, 0.003, 0.006, -0.023)


def make_state(
    upto: Phase = "finished",
    *,
    search_id: str = "0123456789abcdef",
    name: str = "digits",
    class_names: tuple[str, ...] = DIGITS,
    num_epochs: int = 12,
    failed: tuple[int, ...] = (),
    running: tuple[int, ...] = (),
    notes: dict[str, Any] | None = None,
) -> SearchState:
    """The search after the phase `upto`.

    `failed` and `running` are trial numbers whose results are replaced or taken away.

    Records: 0-2 controls (none, the course's, TrivialAugment), 3-8 trials, 9 the confirmation's
    "none", 10-12 confirmed, 13-15 ablations of trial 3's policy, 16-17 none and the winner on the
    test set.
    """
    reached = PHASES.index(upto)
    kinds = {"control": 1, "trial": 2, "confirm": 3, "ablation": 4, "test": 5}
    records = [r for r in _all_records(num_epochs) if kinds[r.kind] <= reached]
    records = [
        _fail(r) if r.trial in failed else _unfinish(r) if r.trial in running else r
        for r in records
    ]
    seconds = {
        "prepare": 6.0,
        "controls": 21.0,
        "search": 64.0,
        "confirm": 40.0,
        "ablation": 30.0,
        "test": 9.0,
    }
    seconds = dict(list(seconds.items())[: reached + 1])
    return SearchState(
        opened=_opened(search_id, name, class_names, notes),
        records=tuple(records),
        evidence=make_evidence(reached, class_names) if reached >= 2 else None,
        test=make_test(class_names) if reached >= 5 else None,
        finished_at=STARTED_AT + 180 if upto == "finished" else None,
        wall_seconds=sum(seconds.values()),
        phase_seconds=seconds,
    )


def make_record(
    trial: int,
    kind: Kind,
    label: str,
    augmentation: dict[str, Any],
    delta: float,
    *,
    num_epochs: int = 12,
    rung: int | None = None,
    views: int = 16,
) -> TrialRecord:
    """A completed trial whose score is 0.95 + delta."""
    baseline = not augmentation
    model = ModelSettings()
    training = TrainingSettings(views=views)
    spec = TrialSpec(
        kind=kind,
        label=label,
        dataset=DatasetConfig(image_size=64),
        dataset_seed=42,
        settings=Settings(augmentation=augmentation, model=model, training=training),
        protocol=_protocol(kind, views),
    )
    asked_at = STARTED_AT + 10 + 8 * trial
    return TrialRecord(
        trial=trial,
        kind=kind,
        label=label,
        settings={**{name: _identity(name) for name in SPACE}, **augmentation, "views": views},
        spec=spec,
        rung=rung,
        result=_result(trial, 0.95 + delta, num_epochs),
        effect=None if baseline else make_effect(delta),
        predictions_file=f"predictions/{spec.key}.npz",
        asked_at=asked_at,
        told_at=asked_at + 7.5,
    )


def _all_records(num_epochs: int) -> list[TrialRecord]:
    rows: list[tuple[Kind, str, dict[str, Any], float]] = [
        ("control", "no augmentation", {}, 0.0),
        ("control", "course", COURSE, 0.004),
        ("control", "TrivialAugment", {"policy": "trivial_augment"}, -0.008),
        *(("trial", f"trial {3 + i}", s, TRIAL_DELTAS[i]) for i, s in enumerate(TRIALS)),
        ("confirm", "no augmentation", {}, 0.0),
        ("confirm", "trial 3", TRIALS[0], 0.012),
        ("confirm", "trial 5", TRIALS[2], 0.008),
        ("confirm", "trial 7", TRIALS[4], 0.004),
        *(("ablation", f"without {n}", _without(TRIALS[0], n), d) for n, d in _ABLATED.items()),
        ("test", "no augmentation", {}, -0.002),
        ("test", "trial 3", TRIALS[0], 0.010),
    ]
    rungs = [n % 2 if row[0] == "trial" else None for n, row in enumerate(rows)]
    return [
        make_record(n, *row, num_epochs=num_epochs, rung=rung, views=4 if rung == 0 else 16)
        for n, (row, rung) in enumerate(zip(rows, rungs, strict=True))
    ]


_ABLATED = {"rotation_range": 0.006, "width_shift_range": 0.009, "zoom_range": 0.011}


def _without(settings: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}


def _identity(name: str) -> Any:
    return False if name == "vertical_flip" else 0


def _protocol(kind: Kind, views: int) -> Protocol:
    seed = {"control": 7, "trial": 7, "confirm": 11, "ablation": 11, "test": 13}[kind]
    return Protocol(
        folds=5,
        fold_seed=seed,
        head_seeds=tuple(range(seed, seed + 3)),
        view_seed=seed,
        views=views,
        epochs=9 if kind == "test" else None,
    )


def _result(trial: int, score: float, num_epochs: int) -> TrialResult:
    return TrialResult(
        status="completed",
        score=score,
        metrics={"accuracy": score, "balanced_accuracy": score - 0.002, "log_loss": 1.2 - score},
        optimistic_metrics={
            "accuracy": score + 0.004,
            "balanced_accuracy": score + 0.002,
            "log_loss": 1.18 - score,
        },
        best_epochs=tuple(max(1, num_epochs - 3 - i % 3) for i in range(15)),
        num_heads=15,
        heads_cut_by_max_epochs=1,
        curve=_curve(trial, score, num_epochs),
        timing=TrialTiming(
            features_seconds=5.5, heads_seconds=1.5, total_seconds=7.25, images_extracted=22_992
        ),
        validation_hash=("5f2c", "5f2c"),
        feature_engine="openvino",
        precision="float32",
    )


def _curve(trial: int, score: float, num_epochs: int) -> Curve:
    """Falling losses and rising accuracies that end near `score`, with noise of their own a
    trial."""
    noise = np.random.default_rng(trial).normal(0, 0.002, num_epochs)
    rise = 1 - np.exp(-np.arange(1, num_epochs + 1) / max(1.0, num_epochs / 4))
    val_accuracy = np.clip(score * rise + noise, 0, 1)
    accuracy = np.clip(val_accuracy + 0.01 * rise, 0, 1)
    return Curve(
        loss=tuple((1.02 - accuracy).tolist()),
        accuracy=tuple(accuracy.tolist()),
        val_loss=tuple((1.05 - val_accuracy).tolist()),
        val_accuracy=tuple(val_accuracy.tolist()),
    )


def _fail(record: TrialRecord) -> TrialRecord:
    result = TrialResult(
        status="failed",
        error="the loss is not finite (epoch 3)",
        traceback="Traceback (most recent call last):\nFloatingPointError: the loss is not finite "
        "(epoch 3)",
        log_path=f"logs/trial-{record.trial}.log",
    )
    return record.model_copy(
        update={"result": result, "effect": None, "predictions_file": None, "attempts": 2}
    )


def _unfinish(record: TrialRecord) -> TrialRecord:
    return record.model_copy(
        update={"result": None, "effect": None, "predictions_file": None, "told_at": None}
    )


def _opened(
    search_id: str, name: str, class_names: tuple[str, ...], notes: dict[str, Any] | None
) -> Opened:
    num_classes = len(class_names)
    config = {
        "name": name,
        "seed": 42,
        "dataset": {"source": "digits", "image_size": 64},
        "augmentation": SPACE,
        "model": ModelSettings().model_dump(),
        "training": TrainingSettings().model_dump(),
        "search": {"algorithm": "hyperband", "trials": 6, "max_hours": None},
        "evaluation": {
            "folds": 5,
            "seeds": 3,
            "confirm": {"top": 3, "seeds": 5},
            "objective": "accuracy",
        },
        "tracking": {"uri": "sqlite:///mlflow.db"},
        "execution": {"engine": "local", "workers": 1},
    }
    return Opened(
        search_id=search_id,
        name=name,
        config=config,
        config_hash="c0ffee1234567890",
        started_at=STARTED_AT,
        environment={
            "versions": {
                "python": "3.11.2",
                "tensorflow": "2.21.0",
                "keras": "3.15.1",
                "augsearch": "0.1.0",
            },
            "machine": {"cpu": "an AVX-512 processor", "cores": 2, "memory_gb": 8.0, "gpu": None},
            "weights_sha256": "ab" * 32,
        },
        dataset=DatasetSummary(
            digest="d161754d161754d1",
            image_size=64,
            class_names=class_names,
            counts={
                "train": (125,) * num_classes,
                "validation": (27,) * num_classes,
                "test": (27,) * num_classes,
            },
            notes=notes
            or {"converted": {"grey": {"count": 179 * num_classes, "first": ("a.png",)}}},
        ),
        space=SPACE,
        fixed={"fill_mode": "nearest", "learning_rate": 0.001},
    )
