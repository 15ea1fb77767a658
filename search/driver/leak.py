"""What `run --demo-leak` adds to a search: its trials once more, scored on augmented images, beside
their clean scores.
"""

from search.driver.ledger import Ledger
from search.driver.phases import Context, Controls
from search.driver.rungs import rank_agreement
from search.evidence.findings import LeakDemo, LeakedScore
from search.evidence.scores import wilson_interval
from search.experiment.trial import TrialSpec
from search.journal.state import fullest


def demonstrate_leak(context: Context, controls: Controls, trials: list[int]) -> LeakDemo:
    """The clean and the leaked accuracy of each setting, and how far the two rankings agree."""
    ledger = context.ledger
    scores = [
        LeakedScore(
            trial=source,
            label=ledger.record(source).label,
            clean=_accuracy(ledger, source)[0],
            clean_ci=_accuracy(ledger, source)[1],
            leaked=_accuracy(ledger, number)[0],
            leaked_ci=_accuracy(ledger, number)[1],
        )
        for source, number in _score_again(context, controls, trials).items()
        if ledger.record(number).status == "completed"
    ]
    rho = rank_agreement([s.clean for s in scores], [s.leaked for s in scores])
    return LeakDemo(scores=tuple(sorted(scores, key=lambda s: -s.clean)), rho=rho)


def leaked_spec(spec: TrialSpec) -> TrialSpec:
    """The same trial with the mistake: its validation images are augmented as its training images
    are.
    """
    return spec.model_copy(update={"kind": "leak", "probes": {}, "demo": "leak"})


def _score_again(context: Context, controls: Controls, trials: list[int]) -> dict[int, int]:
    """Controls and trials of the fullest rung, scored on augmented images: source trial -> leaking
    trial.
    """
    records = map(context.ledger.record, trials)
    again = fullest(record for record in records if record.status == "completed")
    asked = {
        source: context.ask("leak", leaked_spec(context.ledger.record(source).spec))
        for source in [*controls.full.values(), *(record.trial for record in again)]
    }
    for number in asked.values():
        context.tell(number)
    return asked


def _accuracy(ledger: Ledger, number: int) -> tuple[float, tuple[float, float]]:
    result = ledger.record(number).result
    accuracy = result.metrics["accuracy"] if result else 0.0
    return accuracy, wilson_interval(accuracy, len(ledger.predictions(number).images))
