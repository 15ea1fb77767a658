"""Made-up searches on digits, as the `SearchState` that a journal would replay to: at any phase,
and ended in other ways (nothing recommended, hostile names, thousands of trials). The numbers are
invented but hang together, so that pages and trackers are tested without training.
"""

import math
from typing import Any, Literal, get_args

import numpy as np

from data.augmentations import AUGMENTATIONS
from data.settings import DatasetConfig
from search.evidence.answer import answer_of
from search.evidence.claim_table import (
    AugmentationClaims,
    Claims,
    CurvePoint,
    Estimate,
    StrengthRange,
    WholeClaim,
)
from search.evidence.findings import Evidence, RungCorrelation, Score, TestResult
from search.experiment.settings import ModelSettings, Settings, TrainingSettings
from search.experiment.trial import (
    Curve,
    Effect,
    Kind,
    LostNetwork,
    Protocol,
    TrialRecord,
    TrialResult,
    TrialSpec,
    TrialTiming,
)
from search.journal.events import DatasetSummary, Opened
from search.journal.state import SearchState

Phase = Literal["opened", "controls", "search", "confirm", "ablation", "test", "finished"]
PHASES: tuple[Phase, ...] = get_args(Phase)
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
SCRIPT = "<script>alert(1)</script>"
HOSTILE_NAMES = (
    SCRIPT,
    '$\\frac{1}{2}$ & "q"',
    "日本語のクラス",
    "a" * 120,
    "new\nline\x01\x00ctl",
    "-->",
    "</style>",
    "%s {{7*7}}",
    "été",
    "${7}",
)


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
    seconds = dict(list(PHASE_SECONDS.items())[: reached + 1])
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
        ("control", "TrivialAugment", {"policy": "trivial_augment_wide"}, -0.008),
        *(("trial", f"setting {3 + i}", s, TRIAL_DELTAS[i]) for i, s in enumerate(TRIALS)),
        ("confirm", "no augmentation", {}, 0.0),
        ("confirm", "setting 3", TRIALS[0], 0.012),
        ("confirm", "setting 5", TRIALS[2], 0.008),
        ("confirm", "setting 7", TRIALS[4], 0.004),
        *(("ablation", f"without {n}", _without(TRIALS[0], n), d) for n, d in _ABLATED.items()),
        ("test", "no augmentation", {}, -0.002),
        ("test", "setting 3", TRIALS[0], 0.010),
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
        "name": "digits",
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
        order=tuple(AUGMENTATIONS),
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


def make_effect(delta: float, half_width: float = 0.005) -> Effect:
    """A normal effect whose 95 % interval is `delta` and `half_width` either side."""
    p_value = math.erfc(abs(delta) / (half_width / 1.96) / math.sqrt(2))
    return Effect(
        delta=delta, ci_low=delta - half_width, ci_high=delta + half_width, p_value=p_value
    )


def make_evidence(reached: int, class_names: tuple[str, ...]) -> Evidence:
    """What is known after phase number `reached` of `PHASES`: 2 search, 3 confirm, 4
    ablation."""
    searched = Evidence(
        null_floor=0.007,
        null_floor_mean=0.004,
        null_floor_settings=8,
        best_trial=3,
        best_is_below_floor=False,
        rung_correlations=(RungCorrelation(from_views=4, to_views=16, rho=0.77, num_trials=6),),
        optimism=0.004,
    )
    if reached < 4:
        return with_claims(searched, make_claims(recommended=None))
    confirmed = searched.model_copy(
        update={
            "is_final": True,
            "trained": {
                **{f"setting {source}": 10 + place for place, source in enumerate((3, 5, 7))},
                **{f"without {name}": 13 + place for place, name in enumerate(_ABLATED)},
            },
            "sources": {f"setting {source}": source for source in (3, 5, 7)},
            "by_class_trial": 10,
            "by_class": {
                c: make_effect(0.012 - 0.004 * (i % 4), 0.015) for i, c in enumerate(class_names)
            },
        }
    )
    return with_claims(confirmed, make_claims())


def with_claims(evidence: Evidence, claims: Claims) -> Evidence:
    """With the answer that follows from them."""
    answer = answer_of(claims, evidence.early)
    return evidence.model_copy(update={"claims": claims, "answer": answer})


CRITICAL = 2.9
# values, which of them is judged, its effect
ALONE: dict[str, tuple[tuple[Any, ...], int, float]] = {
    "rotation_range": ((0, 10, 20, 30, 40), 1, 0.006),
    "width_shift_range": ((0.0, 0.05, 0.1, 0.15, 0.2), 2, 0.003),
    "zoom_range": ((0.0, 0.1, 0.2, 0.3), 1, 0.001),
    "vertical_flip": ((False, True), 1, -0.023),
}


def make_estimate(effect: float, half_width: float = 0.005) -> Estimate:
    error = half_width / CRITICAL
    return Estimate(
        effect=effect,
        error=error,
        ci=(effect - half_width, effect + half_width),
        detectable=(CRITICAL + 0.84) * error,
    )


def make_claims(
    recommended: str | None = "setting 3",
    half_width: float = 0.005,
    wholes: dict[str, float] | None = None,
    alone: dict[str, float] | None = None,
) -> Claims:
    """wholes, alone: effects in the place of others."""
    effects = {"setting 3": 0.012, "setting 5": 0.008, "setting 7": 0.004} | (wholes or {})
    settings = {"setting 3": TRIALS[0], "setting 5": TRIALS[2], "setting 7": TRIALS[4]}
    shown = {**(effects if recommended else {}), "course": 0.004, "TrivialAugment": -0.008}
    return Claims(
        augmentations=tuple(
            _claims_of(name, recommended, half_width, (alone or {}).get(name)) for name in ALONE
        ),
        wholes=tuple(
            WholeClaim(
                label=label,
                settings=settings.get(label, {}),
                measured=make_estimate(effect, half_width),
                sets=tuple(COURSE) if label == "course" else (),
            )
            for label, effect in shown.items()
        ),
        recommended=recommended,
        critical=CRITICAL,
    )


def _claims_of(
    name: str, recommended: str | None, half_width: float, effect: float | None
) -> AugmentationClaims:
    values, at, usual = ALONE[name]
    peak = usual if effect is None else effect
    curve = _strength_curve(values, at, peak, half_width)
    return AugmentationClaims(
        name=name,
        strength=values[at],
        alone=curve[at].measured,
        with_recommended=make_estimate(peak, half_width) if recommended else None,
        strengths=StrengthRange(first=values[0], last=values[-1], at_edge=False),
        curve=curve,
        curve_beside=_strength_curve(values, at, peak, half_width) if recommended else (),
    )


def _strength_curve(
    values: tuple[Any, ...], at: int, peak: float, half_width: float
) -> tuple[CurvePoint, ...]:
    """Straight up to the strength that is judged, then half as steeply down."""
    nothing = Estimate(effect=0.0, error=0.0, ci=(0.0, 0.0), detectable=0.0)
    rise = [peak * (place / at if place <= at else 1 - (place - at) / 2 / at) for place in range(9)]
    return tuple(
        CurvePoint(
            value=value, measured=make_estimate(rise[place], half_width) if place else nothing
        )
        for place, value in enumerate(values)
    )


def make_test(class_names: tuple[str, ...]) -> TestResult:
    """One look at a test set of 27 images per class, each class taken for the next one once."""
    num_classes = len(class_names)
    confusion = tuple(
        tuple(
            26 if row == column else int(column == (row + 1) % num_classes)
            for column in range(num_classes)
        )
        for row in range(num_classes)
    )
    accuracy = 26 / 27
    return TestResult(
        looks=1,
        num_images=27 * num_classes,
        none=Score(
            label="no augmentation",
            metrics={
                "accuracy": accuracy - 0.012,
                "balanced_accuracy": accuracy - 0.012,
                "log_loss": 0.17,
            },
            accuracy_ci=(accuracy - 0.042, accuracy + 0.012),
        ),
        chosen=Score(
            label="setting 3",
            metrics={"accuracy": accuracy, "balanced_accuracy": accuracy, "log_loss": 0.13},
            accuracy_ci=(accuracy - 0.029, accuracy + 0.018),
        ),
        effect=Effect(delta=0.012, ci_low=-0.006, ci_high=0.03, p_value=0.19),
        confusion=confusion,
    )


def without_recommendation() -> SearchState:
    """The finished search, had its confirmed effects not cleared zero."""
    state = make_state()
    assert state.evidence is not None
    assert state.test is not None
    claims = make_claims(
        half_width=0.006,
        wholes={"setting 3": 0.001, "setting 5": -0.001, "setting 7": -0.003},
        alone={"rotation_range": 0.002},
    )
    evidence = with_claims(state.evidence, claims).model_copy(
        update={"null_floor": 0.021, "best_is_below_floor": True}
    )
    test = state.test.model_copy(update={"chosen": None, "effect": None})
    return state.model_copy(update={"evidence": evidence, "test": test})


def with_evaluation(state: SearchState, **evaluation: object) -> SearchState:
    """The state of an experiment file whose `evaluation` section differs."""
    assert state.opened is not None
    config = {
        **state.opened.config,
        "evaluation": {**state.opened.config["evaluation"], **evaluation},
    }
    return state.model_copy(update={"opened": state.opened.model_copy(update={"config": config})})


def with_lost(state: SearchState, trial: int, num_lost: int = 1) -> SearchState:
    """Networks of a trial of 15, one by default, never left chance."""
    lost = tuple(LostNetwork(head=head, why="chance", epoch=9) for head in range(num_lost))
    update = {"lost": lost, "num_heads": 15}
    records = [
        record.model_copy(update={"result": record.result.model_copy(update=update)})
        if record.result and record.trial == trial
        else record
        for record in state.records
    ]
    return state.model_copy(update={"records": tuple(records)})


def hostile() -> SearchState:
    """Names that would break a page, a figure or a terminal that took them at their word."""
    notes = {
        "converted": {"grey": {"count": 3, "first": ["<b>x</b>.jpg"]}},
        "left_out": [{"name": "<img src=x onerror=alert(3)>", "reason": "truncated"}] * 15,
        "duplicates": [["a.jpg", "b.jpg"]],
    }
    return make_state(
        class_names=HOSTILE_NAMES, name=f"x</title>{SCRIPT}", failed=(6,), notes=notes
    )


def with_many_trials(num_trials: int) -> SearchState:
    """The finished search with `num_trials` trials of random settings; its last records keep their
    order after them.
    """
    state, rng = make_state(), np.random.default_rng(0)
    model = state.records[3]
    trials = []
    for number in range(3, 3 + num_trials):
        settings = {
            "rotation_range": int(rng.integers(0, 9) * 5),
            "zoom_range": round(float(rng.integers(0, 7)) * 0.05, 2),
            "vertical_flip": bool(rng.integers(2)),
        }
        active = {name: value for name, value in settings.items() if value}
        point = model.spec.settings.model_copy(update={"augmentation": active})
        updates = {
            "trial": number,
            "settings": settings,
            "spec": model.spec.model_copy(update={"settings": point}),
            "effect": make_effect(
                0.01 - 0.0003 * settings["rotation_range"] + rng.normal(0, 0.004)
            ),
        }
        trials.append(model.model_copy(update=updates))
    later = tuple(r.model_copy(update={"trial": r.trial + num_trials}) for r in state.records[9:])
    return state.model_copy(update={"records": (*state.records[:3], *trials, *later)})
