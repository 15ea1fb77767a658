"""What a search found out, as values: effects, claims, the null floor, the test. Computed from
trials in `conclusions`, journaled, and read by the page, MLflow and the command line.
Computes nothing itself.
"""

from typing import Literal

from search.evidence.answer import Answer
from search.evidence.claim_table import Claims, Estimate
from search.evidence.looks import Settled
from search.experiment.settings import Frozen
from search.experiment.trial import Effect


class RungCorrelation(Frozen):
    """Spearman's rank correlation of the same trials' scores between two numbers of views, or of
    epochs where `unit` says so."""

    from_views: int
    to_views: int
    rho: float
    num_trials: int
    unit: Literal["views", "epochs"] = "views"


class Score(Frozen):
    """Measured on the test set: accuracy with its interval, and the other metrics."""

    label: str
    metrics: dict[str, float]
    accuracy_ci: tuple[float, float]


class TestResult(Frozen):
    """What the sealed test set said. `looks` counts how often it was opened in this run
    directory."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    looks: int
    num_images: int
    none: Score
    chosen: Score | None
    effect: Effect | None
    # images; rows: true class, columns: class given; by the model kept
    confusion: tuple[tuple[int, ...], ...]


class TakenLook(Frozen):
    """A look that was planned. after: how many trainings are told when it is due, of all that were
    planned; level: of its intervals together.

    is_taken: whether it was; no more trainings than are needed come to some. settled: what was
    known then and not before. ended_search: whether the search phase asked for no more trials.
    spared: labels of what was not trained any more, because of this look.
    """

    after: int
    level: float
    is_taken: bool = False
    settled: Settled = Settled()
    ended_search: bool = False
    spared: tuple[str, ...] = ()


class Evidence(Frozen):
    """All a search can say. Fields are filled as its phases end."""

    # What the best of the trials would show if none differed from no augmentation (95th
    # percentile), in objective units; None where the search phase has not ended.
    null_floor: float | None = None
    null_floor_mean: float | None = None  # the same, on average
    null_floor_settings: int | None = None  # of how many, on the rung that the best is from
    best_trial: int | None = None
    best_is_below_floor: bool | None = None
    claims: Claims | None = None  # of every training so far
    answer: Answer | None = None  # once those are all
    is_final: bool = False  # whether they are, so that nothing of them changes any more
    # Number of the confirming trial of each label of a whole setting, of "NAME alone" and of
    # "without NAME".
    trained: dict[str, int] = {}
    sources: dict[str, int] = {}  # of each label, the trial of the search that it repeats, if any
    by_class: dict[str, Effect] = {}  # of the setting used, else of the best one confirmed
    by_class_trial: int | None = None  # which
    rung_correlations: tuple[RungCorrelation, ...] = ()
    optimism: float | None = None  # mean over trials of the optimistic score less the honest one
    looks: tuple[TakenLook, ...] = ()  # all that were planned, if any, the last one at the end

    @property
    def early(self) -> list[Estimate]:
        """What earlier looks settled."""
        return [found for look in self.looks for found in look.settled.estimates]
