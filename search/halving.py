"""Successive halving over views, as a KerasTuner oracle: many settings at few views, the best of them at more.

A promoted setting keeps its views, so a promotion costs only the views it adds (Jamieson and Talwalkar 2016, with views of
each image in the place of epochs). Few views are biased against augmentation, so scores are compared within a rung only.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

VIEWS_KEY = "tuner/views"
SOURCE_KEY = "tuner/trial_id"


@dataclass(frozen=True)
class HalvingPlan:
    """views and sizes: for each rung, lowest first, the views an image and how many settings get there."""

    views: tuple[int, ...]
    sizes: tuple[int, ...]


def plan_halving(num_settings: int, most_views: int, min_views: int, reduction: int) -> HalvingPlan:
    """Rungs at most_views / reduction**k, none below min_views; each keeps the best 1/reduction of the one below it."""
    views = [most_views]
    while views[0] // reduction >= min_views:
        views.insert(0, views[0] // reduction)
    sizes = [max(1, num_settings // reduction**rung) for rung in range(len(views))]
    return HalvingPlan(tuple(views), tuple(sizes))


@lru_cache(maxsize=1)
def halving_oracle_class() -> Any:
    import keras_tuner

    class HalvingOracle(keras_tuner.Oracle):
        """Proposes random settings for the lowest rung, then the best of each rung for the next."""

        def __init__(self, plan: HalvingPlan, **options: Any) -> None:
            super().__init__(**options)
            self.plan = plan
            self.rungs: list[list[str]] = [[] for _ in plan.views]

        def populate_space(self, trial_id: str) -> dict[str, Any]:
            """The next proposal; IDLE while the rung below has trials without an answer."""
            for rung, size in enumerate(self.plan.sizes):
                if len(self.rungs[rung]) >= size:
                    continue
                if rung > 0 and any(trial.status == "RUNNING" for trial in self._trials_of(rung - 1)):
                    return {"status": "IDLE"}
                values, source = (self._random_values(), None) if rung == 0 else self._promoted(rung)
                if values is not None:
                    self.rungs[rung].append(trial_id)
                    values = {**values, VIEWS_KEY: self.plan.views[rung], SOURCE_KEY: source}
                    return {"status": "RUNNING", "values": values}
            return {"status": "STOPPED"}

        def _trials_of(self, rung: int) -> list[Any]:
            return [self.trials[trial_id] for trial_id in self.rungs[rung]]

        def _promoted(self, rung: int) -> tuple[dict[str, Any] | None, str | None]:
            """The best of the rung below that is not promoted yet; None where failures left none."""
            completed = [trial for trial in self._trials_of(rung - 1) if trial.status == "COMPLETED"]
            sign = -1 if self.objective.direction == "max" else 1
            ranked = sorted(completed, key=lambda trial: (sign * trial.score, trial.trial_id))
            place = len(self.rungs[rung])
            if place >= len(ranked):
                return None, None
            return dict(ranked[place].hyperparameters.values), ranked[place].trial_id

    return HalvingOracle
