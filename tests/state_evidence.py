"""The evidence and test figures of the search that `states` makes up. The records they speak of are
there."""

import math
from typing import Literal

from search.evidence.findings import (
    Confirmed,
    Evidence,
    RungCorrelation,
    Score,
    TestResult,
    Verdict,
)
from search.experiment.trial import Effect


def make_effect(delta: float, half_width: float = 0.005) -> Effect:
    """A normal effect whose 95 % interval is `delta` and `half_width` either side."""
    p_value = math.erfc(abs(delta) / (half_width / 1.96) / math.sqrt(2))
    return Effect(
        delta=delta, ci_low=delta - half_width, ci_high=delta + half_width, p_value=p_value
    )


def make_evidence(reached: int, class_names: tuple[str, ...]) -> Evidence:
    """What is known after phase number `reached` of `states.PHASES`: 2 search, 3 confirm, 4
    ablation."""
    searched = Evidence(
        null_floor=0.007,
        null_floor_mean=0.004,
        best_trial=3,
        best_is_below_floor=False,
        rung_correlations=(RungCorrelation(from_views=4, to_views=16, rho=0.77, num_trials=6),),
        optimism=0.004,
    )
    if reached < 3:
        return searched
    confirmed = searched.model_copy(
        update={
            "confirmed": tuple(
                Confirmed(
                    trial=t, source_trial=s, label=f"trial {s}", effect=make_effect(d), p_holm=p
                )
                for t, s, d, p in (
                    (10, 3, 0.012, 0.0001),
                    (11, 5, 0.008, 0.004),
                    (12, 7, 0.004, 0.12),
                )
            ),
            "chosen_trial": 10,
            "chosen_label": "trial 3",
            "policy": _verdict(0.012, 0.0001, "policy"),
            "by_class": {
                c: make_effect(0.012 - 0.004 * (i % 4), 0.015) for i, c in enumerate(class_names)
            },
        }
    )
    if reached < 4:
        return confirmed
    verdicts = {
        "rotation_range": _verdict(0.006, 0.02, "removed"),
        "width_shift_range": _verdict(0.003, 0.24, "removed"),
        "zoom_range": _verdict(0.001, 0.7, "removed"),
        "vertical_flip": _verdict(-0.023, 0.0001, "alone"),
    }
    return confirmed.model_copy(update={"verdicts": verdicts})


def _verdict(effect: float, p_holm: float, basis: Literal["removed", "alone", "policy"]) -> Verdict:
    sure = p_holm < 0.05
    name: Literal["HELPS", "HURTS", "NO EVIDENCE"] = (
        "NO EVIDENCE" if not sure else "HELPS" if effect > 0 else "HURTS"
    )
    return Verdict(
        verdict=name, effect=effect, ci=(effect - 0.005, effect + 0.005), p_holm=p_holm, basis=basis
    )


def make_test(class_names: tuple[str, ...]) -> TestResult:
    """One look at a test set of 27 images a class, each class taken for the next one once."""
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
            label="trial 3",
            metrics={"accuracy": accuracy, "balanced_accuracy": accuracy, "log_loss": 0.13},
            accuracy_ci=(accuracy - 0.029, accuracy + 0.018),
        ),
        effect=Effect(delta=0.012, ci_low=-0.006, ci_high=0.03, p_value=0.19),
        confusion=confusion,
    )
