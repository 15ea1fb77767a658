"""What stands below the learning curves: which settings they are of, and how these stood after as
many epochs as no augmentation takes, which is kinder to it than training to their own end."""

from data.messages import plural
from search.experiment.trial import Curve, TrialRecord
from search.report.figures_training import curve_records
from search.report.trial_facts import best_epoch, cutter_text, heads_cut
from search.report.view import SearchView
from search.training.lost_networks import lost_text


def curve_note(view: SearchView) -> str:
    named = [(name, view.settings_of(r)) for name, r in curve_records(view)[1:]]
    said = [f"The {name} is {settings}." for name, settings in named]
    return " ".join([*said, *_after_equal_epochs(view)])


def _after_equal_epochs(view: SearchView) -> list[str]:
    """Where augmentation was kept later than no augmentation, in trainings that differ by nothing
    else; of two phases in the last, each after a first of its own."""
    records = curve_records(view)
    if len(records) < 2 or not _differ_by_augmentation(records[0][1], records[1][1]):
        return []
    (_, bare), (name, record) = records
    at, own = _kept(bare), _kept(record)
    without, tried = _scored(bare), _scored(record)
    if not (0 < at <= len(without) and at < own <= len(tried)):
        return []
    phase = " of fine-tuning" if len(_curve(bare).phases) > 1 else ""
    cut = f" ({_cut_text(bare)})" if heads_cut(bare) else ""
    trained = f"trained until {_cut_text(record)}" if heads_cut(record) else "trained to the end"
    return [
        f"After equal epochs{phase}, the {at} that no augmentation was kept at{cut}, the {name} "
        f"stood at {100 * tried[at - 1]:.1f} % of accuracy and no augmentation at "
        f"{100 * without[at - 1]:.1f} %; {trained}, the {own} that it was kept at, at "
        f"{100 * tried[own - 1]:.1f} % (means of these curves{_lost_text(bare, record)}, without "
        "intervals)."
    ]


def _differ_by_augmentation(one: TrialRecord, other: TrialRecord) -> bool:
    """And by nothing else, in trainings that no rung ended."""
    settings = [each.spec.settings for each in (one, other)]
    alike = [(each.model, each.training.model_copy(update={"views": "fresh"})) for each in settings]
    is_whole = all(each.spec.protocol.max_epochs is None for each in (one, other))
    return is_whole and alike[0] == alike[1]


def _curve(record: TrialRecord) -> Curve:
    assert record.result is not None
    assert record.result.curve is not None
    return record.result.curve


def _before(record: TrialRecord) -> int:
    """Epochs of the phases before the last."""
    return sum(epochs for _, epochs in _curve(record).phases[:-1])


def _kept(record: TrialRecord) -> int:
    """The epoch of the last phase; 0 where there is none."""
    return (best_epoch(record) or 0) - _before(record)


def _scored(record: TrialRecord) -> tuple[float, ...]:
    return _curve(record).val_accuracy[_before(record) :]


def _cut_text(record: TrialRecord) -> str:
    heads = record.result.num_heads if record.result else 0
    return f"{cutter_text([record])} cut {heads_cut(record)} of {plural(heads, 'head')}"


def _lost_text(*records: TrialRecord) -> str:
    """Networks that did not train, which are in the means."""
    results = [record.result for record in records if record.result]
    lost = [each for result in results for each in result.lost]
    heads = sum(result.num_heads for result in results)
    return f", of whose {plural(heads, 'network')} {lost_text(lost)}" if lost else ""
