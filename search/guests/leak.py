"""The mistake that `run --demo-leak` shows, for the course: the settings of a search once more,
scored on validation images that are augmented as the training images are, beside their clean
scores."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from search.evidence.scores import accuracy_of, rank_agreement
from search.experiment.settings import Frozen
from search.experiment.trial import TrialSpec, fullest
from search.guests.guest import Exhibit, ExhibitRow, Guest

if TYPE_CHECKING:
    from search.driver.ledger import Ledger
    from search.driver.phases import Context, Knowledge
    from search.features.feature_rows import FeatureRows
    from search.features.store import FeatureStore
    from search.training.pictures import AugmentedPictures
    from search.training.training_mode import LoadedTrial

LEAKED_VIEW = 1_000_000  # beyond any view that trains
SHARE, CORRELATION = (0.0, 1.0), (-1.0, 1.0)


class LeakedScore(Frozen):
    """A setting scored as it should be, on clean images, and as the mistake scores it, on augmented
    ones. Accuracies."""

    trial: int
    label: str
    clean: float
    clean_ci: tuple[float, float]
    leaked: float
    leaked_ci: tuple[float, float]


class LeakDemo(Frozen):
    """What augmenting the validation images does to a ranking. rho: Spearman's correlation of the
    two rankings; None where it is not defined. Best first by the clean score."""

    scores: tuple[LeakedScore, ...]
    rho: float | None


@dataclass(frozen=True)
class LeakedPictures:
    """The pool as augmented for a view that nobody trains on, in the place of `CleanPictures`."""

    pictures: "AugmentedPictures"

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return self.pictures.batches(LEAKED_VIEW, rows, batch_size)

    def features(self, store: "FeatureStore") -> "FeatureRows":
        policy = self.pictures
        return store.view(policy.pool, policy.augmentation, policy.seed, LEAKED_VIEW, policy.share)


def leaked(trial: "LoadedTrial") -> "LoadedTrial":
    """The same trial, scored on augmented pictures."""
    return replace(trial, scored=LeakedPictures(trial.pictures))


def leaked_spec(spec: TrialSpec) -> TrialSpec:
    """The same trial with the mistake: its validation images are augmented as its training images
    are."""
    return spec.model_copy(update={"kind": LEAK.name, "probes": {}, "demo": LEAK.name})


def demonstrate(context: "Context", known: "Knowledge") -> LeakDemo:
    """Controls and trials of the fullest rung, scored on augmented images: the clean and the leaked
    accuracy of each, and how far the two rankings agree."""
    ledger = context.ledger
    records = map(ledger.record, known.trials)
    full = fullest(record for record in records if record.status == "completed")
    again = {
        source: context.ask(leaked_spec(ledger.record(source).spec))
        for source in [*known.controls.full.values(), *(record.trial for record in full)]
    }
    told = {source: context.tell(number) for source, number in again.items()}
    scores = [
        _score(ledger, source, record.trial)
        for source, record in told.items()
        if record.status == "completed"
    ]
    rho = rank_agreement([s.clean for s in scores], [s.leaked for s in scores])
    return LeakDemo(scores=tuple(sorted(scores, key=lambda s: -s.clean)), rho=rho)


def _score(ledger: "Ledger", source: int, number: int) -> LeakedScore:
    (clean, clean_ci), (leaked, leaked_ci) = (_accuracy(ledger, n) for n in (source, number))
    return LeakedScore(
        trial=source,
        label=ledger.record(source).label,
        clean=clean,
        clean_ci=clean_ci,
        leaked=leaked,
        leaked_ci=leaked_ci,
    )


def _accuracy(ledger: "Ledger", number: int) -> tuple[float, tuple[float, float]]:
    found = accuracy_of(ledger.record(number).result, len(ledger.predictions(number).images))
    assert found is not None, "a completed trial has an accuracy"
    return found


def exhibit_of(found: LeakDemo) -> Exhibit:
    rho = None if found.rho is None else f"{found.rho:.2f}"
    agree = f" The rank correlation of the two is {rho}." if rho else ""
    return Exhibit(
        name=LEAK.name,
        title="What augmented validation would have shown",
        text="The same settings, scored as they should be, on clean images, and by the mistake of "
        "many scripts, on validation images that are augmented too. The second column is shown on "
        f"purpose and used nowhere.{agree}",
        before="The same settings scored on clean images, and by mistake on augmented ones:",
        after=rho and f"Rank correlation of the two columns: {rho}",
        table="Clean and leaking scores",
        headings=("clean images (95 %)", "augmented images (95 %)"),
        rows=tuple(
            ExhibitRow(score.trial, score.label, shares=_shares(score)) for score in found.scores
        ),
    )


def _shares(score: LeakedScore) -> tuple[tuple[float, tuple[float, float]], ...]:
    return (score.clean, score.clean_ci), (score.leaked, score.leaked_ci)


LEAK = Guest(
    name="leak",
    option="--demo-leak",
    scored=leaked,
    conclude=demonstrate,
    found=LeakDemo,
    ranges={
        LeakedScore: dict.fromkeys(("clean", "clean_ci", "leaked", "leaked_ci"), SHARE),
        LeakDemo: {"rho": CORRELATION},
    },
    exhibit=exhibit_of,
)
