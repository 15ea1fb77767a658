"""What `run --demo-leak` adds to a search, as one more phase: its trials once more, scored on
augmented images, beside their clean scores."""

from dataclasses import replace

from search.driver.conclusions import rank_agreement
from search.driver.ledger import Ledger
from search.driver.phases import Context, Knowledge
from search.evidence.findings import LeakDemo, LeakedScore
from search.evidence.scores import wilson_interval
from search.experiment.trial import TrialSpec
from search.journal.state import fullest


def run_leak(context: Context, known: Knowledge) -> Knowledge:
    """Controls and trials of the fullest rung, scored on augmented images."""
    records = map(context.ledger.record, known.trials)
    again = fullest(record for record in records if record.status == "completed")
    leaked = {
        source: context.ask(leaked_spec(context.ledger.record(source).spec))
        for source in [*known.controls.full.values(), *(record.trial for record in again)]
    }
    for number in leaked.values():
        context.tell(number)
    return replace(known, leaked=leaked)


def leaked_spec(spec: TrialSpec) -> TrialSpec:
    """The same trial with the mistake: its validation images are augmented as its training images
    are."""
    return spec.model_copy(update={"kind": "leak", "probes": {}, "demo": "leak"})


def after_leak(context: Context, known: Knowledge) -> LeakDemo:
    """The clean and the leaked accuracy of each setting, and how far the two rankings agree."""
    ledger = context.ledger
    scores = [
        _score(ledger, source, number)
        for source, number in known.leaked.items()
        if ledger.record(number).status == "completed"
    ]
    rho = rank_agreement([s.clean for s in scores], [s.leaked for s in scores])
    return LeakDemo(scores=tuple(sorted(scores, key=lambda s: -s.clean)), rho=rho)


def _score(ledger: Ledger, source: int, number: int) -> LeakedScore:
    (clean, clean_ci), (leaked, leaked_ci) = (_accuracy(ledger, n) for n in (source, number))
    return LeakedScore(
        trial=source,
        label=ledger.record(source).label,
        clean=clean,
        clean_ci=clean_ci,
        leaked=leaked,
        leaked_ci=leaked_ci,
    )


def _accuracy(ledger: Ledger, number: int) -> tuple[float, tuple[float, float]]:
    result, count = ledger.record(number).result, len(ledger.predictions(number).images)
    accuracy = result.metrics["accuracy"] if result else 0.0
    independent = (result and result.num_independent) or count
    return accuracy, wilson_interval(accuracy, independent)
