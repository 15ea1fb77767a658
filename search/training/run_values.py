"""What a run over the heads of a trial is given, what it asks of whoever trains an epoch, and what
it gives back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from search.experiment.objectives import Objective
from search.experiment.trial import CURVES, Curve, LostNetwork, first_trained
from search.training.head_scores import HeadAnswer, HeadScores
from search.training.head_shape import HeadState, HeadWeights
from search.training.head_tasks import HeadTask


class TrialFailure(Exception):
    """A trial that cannot give a result, for a reason that trying again would not change. lost: of
    its num_networks, where it is theirs that too many did not train."""

    def __init__(
        self, reason: str, lost: Sequence[LostNetwork] = (), num_networks: int = 0
    ) -> None:
        super().__init__(reason)
        self.lost, self.num_networks = tuple(lost), num_networks


@dataclass(frozen=True)
class RunPlan:
    """What a run over the heads of a trial is given."""

    tasks: tuple[HeadTask, ...]
    labels: np.ndarray
    num_classes: int
    objective: Objective
    num_epochs: int  # the most that are trained now
    # Stale epochs after which a head stops; None trains all of them, and the last one counts.
    patience: int | None
    learning_rate: float  # the highest
    learning_rate_setting: str  # that gives it, for whoever has to lower it
    keeps_weights: bool = True  # the best epoch's are wanted, not only its answers
    phase: str = ""  # of a trial that has several
    reported_before: int = 0  # epochs of the phases before
    drawn_by: str = ""  # what a network draws its batches by, beside its seed
    # A head that does not train is left behind, as long as it is one of the fewer, or of a final
    # trial's any but the last; where not, the first whose loss is no number fails the trial.
    may_lose: bool = False
    goes_on: bool = False  # in a phase after this one, which says who did not train
    pauses: bool = False  # a rung's, which goes on where it is promoted
    began: tuple[float, ...] = ()  # each head's accuracy before, where it had learnt already
    # False: classes weigh the same however few images they have, and a head that learns need not be
    # better than always giving one answer.
    images_count_alike: bool = True
    label_smoothing: float = 0.0

    @property
    def is_final(self) -> bool:
        return self.patience is None


@dataclass(frozen=True)
class HeadEpoch:
    """What a head has reached in an epoch: means over the images it trained on, and its answers on
    those it is scored on, predicted int16 [v] and log_prob float32 [v]; log_probs float32 [v,
    classes] where the objective needs them.
    """

    head: int
    loss: float
    accuracy: float
    predicted: np.ndarray
    log_prob: np.ndarray
    log_probs: np.ndarray | None = None

    @property
    def answer(self) -> HeadAnswer:
        rest = () if self.log_probs is None else (self.log_probs,)
        return self.predicted, self.log_prob, *rest


class Trainer(Protocol):
    """Trains heads, by their places among the plan's tasks. states: what each goes on from, where
    it is kept for a checkpoint.
    """

    @property
    def states(self) -> Mapping[int, HeadState]: ...

    def resume(
        self, states: Mapping[int, HeadState], best: Mapping[int, HeadWeights], epochs: int
    ) -> None:
        """Goes on from there. best: weights that were kept so far. epochs: that were trained.
        Raises ValueError where any is of other heads than these.
        """

    def train(self, epoch: int, heads: list[int]) -> Iterator[HeadEpoch]:
        """One epoch (from 0) of these heads, in order. What is yielded may be asked for its weights
        until the next is.
        """

    def weights(self, head: int) -> HeadWeights: ...

    def keep(self, heads: list[int]) -> None:
        """Goes on with these heads alone."""


@dataclass(frozen=True)
class TrainedHeads:
    """What the heads of a trial learnt: one entry per head, in the order of the tasks.

    honest, optimistic: per head, the answers for its validation rows; `honest` takes each row's
    from an epoch chosen on other rows. best_epochs: from 1. weights: of the best epoch; empty where
    none were kept. Raises ValueError where weights of some heads only are given: a head's number
    would find another's.
    """

    honest: tuple[HeadAnswer, ...]
    optimistic: tuple[HeadAnswer, ...]
    best_epochs: tuple[int, ...]
    cut_by_max_epochs: tuple[bool, ...]
    weights: tuple[HeadWeights, ...]
    curve: Curve
    lost: tuple[LostNetwork, ...] = ()

    @classmethod
    def of(
        cls,
        scores: HeadScores,
        curves: np.ndarray,
        cut: Sequence[bool],
        weights: Sequence[HeadWeights],
        lost: tuple[LostNetwork, ...],
    ) -> "TrainedHeads":
        """curves: float [epochs, heads, 4], in the order of `CURVES`."""
        heads, means = range(len(cut)), zip(CURVES, curves.mean(axis=1).T, strict=True)
        return cls(
            honest=tuple(map(scores.honest, heads)),
            optimistic=tuple(map(scores.optimistic, heads)),
            best_epochs=tuple(scores.best_epoch(head) + 1 for head in heads),
            cut_by_max_epochs=tuple(cut),
            weights=tuple(weights),
            curve=Curve(**{name: tuple(map(float, values)) for name, values in means}),
            lost=lost,
        )

    @property
    def kept(self) -> HeadWeights:
        """Those of the head that a final model is made of."""
        return self.weights[first_trained(self.lost, len(self.weights))]

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != len(self.best_epochs):
            raise ValueError(
                f"weights of {len(self.weights)} heads were given for {len(self.best_epochs)} heads"
            )
