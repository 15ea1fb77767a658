"""How the work of a search is spread over its phases, counted in augmented views of the whole data set: what the backbone has to
see, and the heads at what they cost beside it. For the time left; trains nothing and measures nothing.
"""

from dataclasses import dataclass

from search.algorithms import num_trials, views_ladder
from search.config import ExperimentConfig
from search.space import Space
from search.specs import CONTROLS, Views
from search.trial import TrialRecord

HEADS = (
    3.0  # what a trial's heads cost, in views: 25 s against 9 s on clothing at 150 px (benchmarks/README.md)
)
FRESH_VIEWS = 45  # epochs that most trials last, each with a view of its own
BASELINE = HEADS + 1.0  # no augmentation: one view, the pictures as they are
REMOVED_SHARE = (
    0.5  # a policy holds about so many of the searched augmentations; each is taken out in the ablation
)


@dataclass(frozen=True)
class Workload:
    """plan: the work of each phase, in order. ladder: the views of each rung, lowest first; empty where there are none."""

    plan: dict[str, float]
    ladder: tuple[int, ...]

    def of(self, record: TrialRecord) -> float:
        """What one trial adds: its heads and its views, on a higher rung those alone that the rung below did not have."""
        if not record.spec.settings.augmentation:
            return BASELINE
        return HEADS + new_views(record.spec.protocol.views, self.ladder)


def workload(config: ExperimentConfig) -> Workload:
    """Every phase that this experiment goes through. The ablation's share is a guess until a policy is chosen."""
    evaluation, space, ladder = config.evaluation, Space.of(config), views_ladder(config)
    full = _full_views(space)
    others = len(CONTROLS) - 1
    rungs = max(1, len(ladder))
    plan = {
        "controls": BASELINE + others * (full + rungs * HEADS),
        "search": _search_work(config, space, ladder, full),
    }
    if evaluation.confirm is not None:
        views = max(float(evaluation.confirm.views), full)
        plan["confirm"] = BASELINE + (evaluation.confirm.top + others) * (views + HEADS)
        searched = sum(part == "augmentation" for part in space.section_of.values())
        if evaluation.ablation:
            plan["ablation"] = (1 + REMOVED_SHARE) * searched * (views + HEADS)
    if evaluation.test:
        plan["test"] = BASELINE + full + HEADS
    return Workload(plan, ladder)


def new_views(views: Views, ladder: tuple[int, ...]) -> float:
    """The views that a trial on this many has to compute, where the rung below it has computed its own."""
    if not isinstance(views, int):
        return float(FRESH_VIEWS)
    below = [lower for lower in ladder if lower < views] if views in ladder else []
    return float(views - max(below, default=0))


def _search_work(config: ExperimentConfig, space: Space, ladder: tuple[int, ...], full: float) -> float:
    """Rung sizes fall by `search.reduction`; without rungs every trial has all views."""
    if not ladder:
        return num_trials(config, space) * (full + HEADS)
    sizes = [config.search.reduction ** -float(rung) for rung in range(len(ladder))]
    share = num_trials(config, space) / sum(sizes)
    return sum(
        share * size * (HEADS + new_views(views, ladder)) for size, views in zip(sizes, ladder, strict=True)
    )


def _full_views(space: Space) -> float:
    """The views of an ordinary trial; the middle of a searched range."""
    views = space.with_augmentation({}).training.views
    return float(views) if isinstance(views, int) else float(FRESH_VIEWS)
