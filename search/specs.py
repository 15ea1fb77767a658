"""The specs of a search's trials: which folds, seeds and views each phase uses, and what the controls are.

Every phase has seeds of its own, derived from the experiment's: confirmation shares no fold, head seed or view with the search.
"""

from dataclasses import dataclass
from typing import Any, Literal

from search.config import ExperimentConfig
from search.seeds import derive_seed
from search.space import Space
from search.trial import Kind, Precision, Protocol, Settings, TrialSpec

NONE, COURSE, TRIVIAL = "no augmentation", "course settings", "TrivialAugment"

# What the machine-learning course's unit on augmentation trains with; an int shift is in pixels.
COURSE_SETTINGS: dict[str, Any] = {
    "rotation_range": 30,
    "width_shift_range": 10.0,
    "height_shift_range": 10.0,
    "shear_range": 10,
    "zoom_range": 0.1,
    "vertical_flip": True,
}

CONTROLS: dict[str, dict[str, Any]] = {
    NONE: {},
    COURSE: COURSE_SETTINGS,
    TRIVIAL: {"policy": "trivial_augment_wide"},
}

Views = int | Literal["fresh"]


@dataclass(frozen=True)
class SpecFactory:
    """Makes the specs of one experiment. precision: as resolved on this machine."""

    config: ExperimentConfig
    space: Space
    precision: Precision

    def control(self, augmentation: dict[str, Any]) -> Settings:
        return self.space.with_augmentation(augmentation)

    def search(self, kind: Kind, label: str, settings: Settings, views: Views | None = None) -> TrialSpec:
        """A trial of the search phase, or one of its controls; `views` where an algorithm asks for fewer than all."""
        evaluation = self.config.evaluation
        wanted = settings.training.views if views is None else views
        return self._spec(
            kind, label, settings, self._protocol("search", evaluation.folds, evaluation.seeds, wanted)
        )

    def baseline(self) -> TrialSpec:
        """No augmentation, which also tries every searched augmentation at its strongest, for the label-safety table."""
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
            self._protocol("confirm", self.config.evaluation.folds, confirm.seeds, views),
        )

    def leaked(self, spec: TrialSpec) -> TrialSpec:
        """The same trial with the mistake: its validation images are augmented as its training images are."""
        return spec.model_copy(
            update={"kind": "leak", "probes": {}, "protocol": spec.protocol.model_copy(update={"leak": True})}
        )

    def final(self, label: str, settings: Settings, epochs: int) -> TrialSpec:
        """Trained on train + validation for `epochs`, scored on the test split."""
        confirm = self.config.evaluation.confirm
        seeds = confirm.seeds if confirm else self.config.evaluation.seeds
        protocol = self._protocol("confirm", 1, seeds, settings.training.views)
        return self._spec("test", label, settings, protocol.model_copy(update={"epochs": epochs}))

    def _protocol(self, phase: str, folds: int, num_seeds: int, views: Views) -> Protocol:
        seed = self.config.seed
        return Protocol(
            folds=folds,
            fold_seed=derive_seed(seed, phase, "folds"),
            head_seeds=tuple(derive_seed(seed, phase, "head", number) for number in range(num_seeds)),
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
            precision=self.precision,
        )
