"""Whether what a journal says of its trials is what a search asks and is told."""

from search.driver.shared_checks import (
    LARGEST_COUNT,
    METRICS,
    MOST_LABEL,
    MOST_SCORED,
    SearchSoFar,
    check_difference,
    check_ranges,
    check_result_ranges,
    need,
    need_augmentation,
    need_range,
    need_value,
)
from search.experiment.settings import MOST_EPOCHS, spelled
from search.experiment.trial import TrialRecord, TrialResult
from search.journal.events import LATEST, Retried, Told
from search.journal.journal_file import Event
from search.training.lost_networks import too_many

MOST_TRAINED = 2 * MOST_EPOCHS  # both phases of fine-tuning


def check_asked(so_far: SearchSoFar, event: Event) -> None:
    record = TrialRecord.model_validate(event["record"])
    told = (
        record.result,
        record.effect,
        record.predictions_file,
        record.predictions_sha256,
        record.told_at,
    )
    need(
        record.trial == len(so_far.records),
        f"trial {record.trial} is asked where {len(so_far.records)} is due",
    )
    need(told == (None,) * len(told), "it holds an answer already")
    need(
        0 <= record.asked_at <= LATEST
        and 0 <= (record.rung or 0) <= MOST_TRAINED
        and len(record.label) <= MOST_LABEL,
        "asked_at, rung or label is no such thing",
    )
    if record.duplicate_of is not None:
        need(
            0 <= record.duplicate_of < record.trial,
            f"it repeats trial {record.duplicate_of}, which does not come before it",
        )
        need(
            so_far.records[record.duplicate_of].duplicate_of is None,
            "it repeats a trial that repeats another",
        )
    _check_spec(so_far, record)
    so_far.records.append(record)


def _check_spec(so_far: SearchSoFar, record: TrialRecord) -> None:
    spec, evaluation = record.spec, so_far.config.evaluation
    protocol, model = spec.protocol, spec.settings.model
    for name, value in spec.probes.items():
        need_value(name, value)
    named = so_far.space.named_values(spec.settings)
    need(spelled(record.settings) == spelled(named), "settings are not those of its spec")
    need(
        (model.backbone, model.weights) in so_far.backbones
        and model.build == so_far.config.model.written.get("build"),
        "spec.settings.model is none that the config asks for",
    )
    need(
        spec.settings.training.mode == so_far.space.mode,
        "spec.settings.training.mode is not that of the config",
    )
    need(protocol.objective == evaluation.objective, "spec.protocol.objective is another's")
    need(protocol.folds in (1, evaluation.folds), f"spec.protocol.folds is {protocol.folds}")
    most_seeds = max(evaluation.seeds, evaluation.confirm.seeds if evaluation.confirm else 0)
    need(
        1 <= len(protocol.head_seeds) <= most_seeds,
        f"spec.protocol.head_seeds are {len(protocol.head_seeds)}; allowed: {most_seeds}",
    )
    for value in (protocol.views, protocol.epochs, protocol.head_epochs, protocol.max_epochs):
        need(
            value in (None, "fresh") or 1 <= int(value) <= MOST_TRAINED,
            f"spec.protocol says {value} views or epochs",
        )


def check_told(so_far: SearchSoFar, event: Event) -> None:
    told = Told.model_validate(event)
    so_far.need_trial(told.trial)
    record, result = so_far.records[told.trial], told.result
    completed = result.status == "completed"
    if completed:
        _check_completed(so_far, result)
    trained = completed and record.duplicate_of is None
    need(
        trained == (told.predictions_file is not None),
        "a trial has predictions where it was trained and completed, and only there",
    )
    _check_result(result, record.spec.protocol.epochs is not None)
    check_result_ranges(record, result)
    check_ranges(told.effect)
    if told.effect is not None:
        check_difference("effect.delta", told.effect.delta, so_far.config.evaluation.objective)
    images = sum(map(sum, so_far.opened.dataset.counts.values()))
    need_range("num_independent", result.num_independent, 0, images)


def _check_completed(so_far: SearchSoFar, result: TrialResult) -> None:
    need(
        result.metrics.keys() >= METRICS and result.score is not None,
        "a completed trial has a score and metrics",
    )
    need(result.optimistic_metrics.keys() >= METRICS, "a completed trial has optimistic_metrics")
    need(
        result.curve is not None and result.timing is not None and bool(result.best_epochs),
        "a completed trial has a curve, a timing and best_epochs",
    )
    need(
        result.num_independent is not None or so_far.opened.dataset.notes.groups is None,
        "a completed trial on groups of images has num_independent",
    )


def _check_result(result: TrialResult, is_final: bool) -> None:
    epochs = (*result.best_epochs, *result.head_best_epochs)
    need(
        len(epochs) <= 2 * 100 * 1000 and all(1 <= each <= MOST_TRAINED for each in epochs),
        "best_epochs are no epochs",
    )
    need(
        0 <= result.num_heads <= LARGEST_COUNT
        and 0 <= result.heads_cut_by_max_epochs <= result.num_heads,
        "num_heads is no number of heads",
    )
    need(
        result.num_independent is None or 0 < result.num_independent <= MOST_SCORED,
        "num_independent is no number of images",
    )
    lost, failed = {each.head for each in result.lost}, result.status == "failed"
    need(
        len(lost) == len(result.lost)
        and (not lost or result.num_heads > max(lost))
        and (not lost or failed == too_many(result.lost, result.num_heads, is_final))
        and all(each.epoch <= MOST_TRAINED for each in result.lost),
        "lost holds no networks of the trial, or too many; or too few, where they failed it",
    )
    if result.curve is not None:
        lengths = {len(values) for values in result.curve.values.values()}
        need(
            len(lengths) == 1 and 1 <= max(lengths) <= MOST_TRAINED,
            "its learning curves are not of the same epochs",
        )
        phases = [count for _, count in result.curve.phases]
        need(
            not phases or (min(phases) >= 0 and sum(phases) == max(lengths)),
            "the phases of its learning curve are not its epochs",
        )
    for probe in result.probes:
        need_augmentation(probe.augmentation)


def check_retried(so_far: SearchSoFar, event: Event) -> None:
    """It goes back to a trial that was asked; those from there on are asked again."""
    retried = Retried.model_validate(event)
    known = range(retried.first, len(so_far.records))
    need(
        retried.first <= len(so_far.records),
        f"it goes back to trial {retried.first}, which was not asked",
    )
    need(bool(retried.trials) or retried.lifts_cut, "it tries nothing again")
    need(
        all(n in known for n in retried.trials), "its trials are not of those that it goes back to"
    )
    del so_far.records[retried.first :]
