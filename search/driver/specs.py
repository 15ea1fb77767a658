"""The specs of a search's trials: which folds, seeds and views each phase uses, and what the
controls are.

Three parts of a search have folds, head seeds and views of their own, derived from the experiment's
seed (`kinds`): what picks settings, what confirms them, and what the sealed test set scores.
Inside a part trials share them, because they are compared in pairs: controls with trials (and with
what a guest scores again), ablations with the confirmation.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from search.experiment.beside import with_beside
from search.experiment.config import EvaluationConfig, ExperimentConfig
from search.experiment.controls import CONTROLS, NONE
from search.experiment.kinds import KINDS, Kind
from search.experiment.precisions import PRECISIONS, Precision
from search.experiment.seeds import derive_seed
from search.experiment.settings import Settings
from search.experiment.space import Space
from search.experiment.trial import Protocol, TrialResult, TrialSpec
from search.training.modes import Views, mode_of

RECOMMENDED = "expected best"  # of the confirmation: whether it is, the claims decide
FRESH_VIEWS = 45  # epochs that most trials last, each with a view of its own


def controls_of(config: ExperimentConfig) -> dict[str, dict[str, Any]]:
    """No augmentation, and what else this experiment compares with, by label."""
    asked = (None, *config.evaluation.controls)
    return {each.label: each.augmentation for each in CONTROLS.values() if each.name in asked}


def number_of(views: Views) -> float:
    return float(views) if isinstance(views, int) else float(FRESH_VIEWS)


def ranking_seeds(evaluation: EvaluationConfig) -> int:
    """Head seeds of a trial on fewer than all of its views, which only ranks: one a fold. A single
    fold has few heads, and needs them all. (On fewer epochs all networks are trained: a promotion
    goes on with them.)"""
    return 1 if evaluation.folds > 1 else evaluation.seeds


@dataclass(frozen=True)
class Epochs:
    """How long a final model is trained: its one phase or the last of two, and the first of two."""

    last: int
    first: int | None = None

    @classmethod
    def of(cls, result: TrialResult | None) -> "Epochs":
        """As long as the heads of this result that trained took on average."""
        if result is None or not result.best_epochs:
            return cls(1)
        lost = {each.head for each in result.lost}
        before = result.curve.phases[0][1] if result.curve and result.head_best_epochs else 0
        first = _mean(result.head_best_epochs, lost) if result.head_best_epochs else None
        return cls(max(1, _mean(result.best_epochs, lost) - before), first)


def _mean(epochs: Sequence[int], lost: Container[int]) -> int:
    """Of heads that trained, where any did."""
    kept = [each for head, each in enumerate(epochs) if head not in lost] or epochs
    return max(1, round(sum(kept) / len(kept)))


@dataclass(frozen=True)
class SpecFactory:
    """Makes the specs of one experiment. precision: of the search phase, as resolved on this
    machine; those of the other parts follow from it."""

    config: ExperimentConfig
    space: Space
    precision: Precision

    @property
    def is_confirmed_otherwise(self) -> bool:
        """Whether confirmation computes in another precision than the search phase."""
        return PRECISIONS[self.precision].parts["confirm"] != self.precision

    def control(
        self, augmentation: dict[str, Any], beside: Mapping[str, Any] = MappingProxyType({})
    ) -> Settings:
        """beside: values of what else is searched, as `beside_of` gives them; the middle or first
        by default."""
        return with_beside(self.space.with_augmentation(augmentation), beside)

    def search(
        self, kind: Kind, label: str, settings: Settings, budget: Views | None = None
    ) -> TrialSpec:
        """A trial of the search phase, or one of its controls. budget: views, or epochs where the
        mode shares out those, if an algorithm asks for fewer than all."""
        evaluation = self.config.evaluation
        views, epochs = settings.training.views, None
        mode = mode_of(settings.training)
        seeds = evaluation.seeds
        is_less = isinstance(budget, int) and budget != mode.most(settings.training)
        if budget is not None and mode.budget == "views":
            views, seeds = budget, ranking_seeds(evaluation) if is_less else seeds
        elif is_less:
            epochs = budget
        protocol = self._protocol(kind, evaluation.folds, seeds, views)
        return self._spec(kind, label, settings, protocol.model_copy(update={"max_epochs": epochs}))

    def baseline(self) -> TrialSpec:
        """No augmentation, which also tries every searched augmentation at its strongest, for the
        label-safety table."""
        spec = self.search("control", NONE, self.control({}))
        return spec.model_copy(update={"probes": self.space.strongest()})

    def confirm(self, kind: Kind, label: str, settings: Settings) -> TrialSpec:
        """The same setting on fresh folds, head seeds and views."""
        confirm = self.config.evaluation.confirm
        if confirm is None:
            raise ValueError("this experiment has no confirmation phase")
        views = settings.training.views
        views = views if views == "fresh" else max(confirm.views, views)
        return self._spec(
            kind,
            label,
            settings,
            self._protocol(kind, self.config.evaluation.folds, confirm.seeds, views),
        )

    def final(self, label: str, settings: Settings, epochs: "Epochs") -> TrialSpec:
        """Trained on train + validation for `epochs`, scored on the test split."""
        confirm = self.config.evaluation.confirm
        seeds = confirm.seeds if confirm else self.config.evaluation.seeds
        protocol = self._protocol("test", 1, seeds, settings.training.views)
        times = {"epochs": epochs.last, "head_epochs": epochs.first}
        return self._spec("test", label, settings, protocol.model_copy(update=times))

    def _protocol(self, kind: Kind, folds: int, num_seeds: int, views: Views) -> Protocol:
        seed, phase = self.config.seed, KINDS[kind].part
        return Protocol(
            folds=folds,
            fold_seed=derive_seed(seed, phase, "folds"),
            head_seeds=tuple(
                derive_seed(seed, phase, "head", number) for number in range(num_seeds)
            ),
            view_seed=derive_seed(seed, phase, "views"),
            views=views,
            objective=self.config.evaluation.objective,
        )

    def _spec(self, kind: Kind, label: str, settings: Settings, protocol: Protocol) -> TrialSpec:
        # What the protocol decides must not make two keys of one trial.
        if not settings.augmentation and protocol.epochs is None:
            protocol = protocol.model_copy(update={"views": 1, "view_seed": 1})
        training = settings.training.model_copy(update={"views": protocol.views})
        return TrialSpec(
            kind=kind,
            label=label,
            dataset=self.config.dataset,
            dataset_seed=derive_seed(self.config.seed, "split"),
            settings=settings.model_copy(update={"training": training}),
            protocol=protocol,
            precision=PRECISIONS[self.precision].parts[KINDS[kind].part],
            feature_dtype=self.config.execution.feature_dtype,
        )
