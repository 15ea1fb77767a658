"""The plan of a search, as `check` prints it. What it holds is found out by `check`."""

from data.messages import plural
from search.commands.costs import NetworkCost
from search.experiment.precisions import Precision
from search.experiment.settings import Frozen
from search.journal.events import DatasetSummary
from search.report.wording import tried_text

DETECTABLE = (
    "(planned, of one whole setting; what the page calls detectable is measured, of the "
    "augmentation known least, and often larger)"
)


class SearchPlan(Frozen):
    """What `check` prints. Images are forward passes through the backbone; images_per_second is of
    the search phase, rates of each precision that a phase computes in; seconds are an estimate.
    trials are of so many settings, controls of so many control_settings: what is promoted is
    trained again. heads_ranking: of a trial on a lower rung, where it has fewer.
    later_trials: on average, within later_range (fewest, most)."""

    name: str
    dataset: DatasetSummary
    controls: int
    control_settings: int
    trials: int
    settings: int
    later_trials: int
    later_range: tuple[int, int]  # fewest and most; which are alike is not known before
    heads_a_trial: int
    heads_ranking: int | None
    rungs: str | None
    images: int
    images_per_second: float
    rates: dict[Precision, float]
    seconds: float
    num_combinations: int | None
    # None: no effect that is possible, or not known before a first run
    detectable_effect: float | None
    found: str
    advice: str
    network: NetworkCost | None = None
    remarks: tuple[str, ...] = ()

    @property
    def tried(self) -> str:
        return tried_text(self.trials, self.settings)


def describe_plan(plan: SearchPlan) -> str:
    """The plan for people, in a dozen lines."""
    counts = ", ".join(
        f"{sum(numbers)} {split}" for split, numbers in plan.dataset.counts.items() if sum(numbers)
    )
    size = plan.dataset.image_size
    grid = f" of {plan.num_combinations} combinations" if plan.num_combinations else ""
    return "\n".join(
        [
            f"{plan.name}: {len(plan.dataset.class_names)} classes, {counts} images, {size} x "
            f"{size} pixels",
            f"  controls      {tried_text(plan.controls, plan.control_settings)}",
            f"  search        {plan.tried}{grid}",
            *([f"  rungs         {plan.rungs}"] if plan.rungs else []),
            f"  afterwards    {_later(plan)} of confirmation, ablation and test",
            f"  heads         {plan.heads_a_trial} per trial{_heads_below(plan)}",
            f"  images        {plan.images:,} through the backbone, at {_speed(plan)} here",
            *_describe_networks(plan),
            f"  time          {'at most ' if plan.network else ''}about {_duration(plan.seconds)}",
            f"  can detect    {plan.found}",
            f"  {plan.advice}",
            f"  {DETECTABLE}",
            *(f"  note          {remark}" for remark in plan.remarks),
        ]
    )


def _heads_below(plan: SearchPlan) -> str:
    return f", {plan.heads_ranking} on a lower rung, to rank" if plan.heads_ranking else ""


def _speed(plan: SearchPlan) -> str:
    if len(plan.rates) == 1:
        return f"{plan.images_per_second:.0f} per second"
    parts = (f"{rate:.0f} in {precision}" for precision, rate in plan.rates.items())
    return f"{' and '.join(parts)} per second"


def _later(plan: SearchPlan) -> str:
    fewest, most = plan.later_range
    if fewest == most:
        return plural(most, "training")
    return f"{fewest} to {most} trainings, about {plan.later_trials}"


def _describe_networks(plan: SearchPlan) -> list[str]:
    """Where networks are trained: how many, for how long, and which way images come to them."""
    network = plan.network
    if network is None:
        return []
    most = (
        f"up to {network.epochs} epochs each, at {network.images_per_second:.0f} images per second "
        "here"
    )
    return [
        f"  networks      {network.networks} per trial, one per fold and seed: {most}",
        f"                {_duration(network.seconds)} at most for all of them; folds and seeds "
        "multiply it",
        f"  way           {network.way}",
    ]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
