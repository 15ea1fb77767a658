"""What the settings whose curves are shown stood at after equal epochs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from states import make_state

from search.experiment.settings import FinetuneSettings
from search.experiment.trial import Curve, LostNetwork, TrialRecord
from search.report.equal_epochs import curve_note
from search.report.figures_training import curve_records
from search.report.view import SearchView


def _changed(view: SearchView, change: Callable[[TrialRecord], TrialRecord]) -> SearchView:
    records = (change(each) if each.result else each for each in view.state.records)
    return SearchView(view.state.model_copy(update={"records": tuple(records)}))


def _with_results(view: SearchView, parts: Callable[[TrialRecord], dict[str, Any]]) -> SearchView:
    def changed(record: TrialRecord) -> TrialRecord:
        assert record.result is not None
        return record.model_copy(update={"result": record.result.model_copy(update=parts(record))})

    return _changed(view, changed)


def _with_kept(kept: int, **parts: Any) -> SearchView:
    """Where the networks of the settings were kept at this epoch and those of no augmentation at
    the eighth, in curves of 30; none was cut."""

    def found(record: TrialRecord) -> dict[str, Any]:
        result = record.result
        assert result is not None
        assert result.curve is not None
        longer = {
            name: tuple(np.linspace(values[0], values[-1], 30).tolist())
            for name, values in result.curve.values.items()
        }
        epoch = kept if record.spec.settings.augmentation else 8
        return {
            "curve": Curve(**longer),
            "best_epochs": (epoch,) * result.num_heads,
            "heads_cut_by_max_epochs": 0,
            **parts,
        }

    return _with_results(SearchView(make_state()), found)


def test_what_training_time_is_worth_to_augmentation_is_told_beside_its_curves() -> None:
    view = _with_kept(20)
    at, own = (_scored(view)[epoch - 1] for epoch in (8, 20))
    said = curve_note(view)
    assert "After equal epochs, the 8 that no augmentation was kept at, the" in said
    assert f"the recommended setting stood at {at:.1f} % of accuracy" in said
    assert f"; trained to the end, the 20 that it was kept at, at {own:.1f} %" in said
    assert "(means of these curves, without intervals)" in said


def _scored(view: SearchView) -> list[float]:
    (_, (_, record)) = curve_records(view)
    assert record.result is not None
    assert record.result.curve is not None
    return [100 * each for each in record.result.curve.val_accuracy]


def test_equal_epochs_are_not_told_of_what_differs_by_more_or_was_kept_no_later() -> None:
    assert "After equal epochs" not in curve_note(_with_kept(6))
    unlike = _changed(_with_kept(20), lambda record: _in_training(record, weight_decay=0.5))
    assert "After equal epochs" not in curve_note(unlike)


def _in_training(record: TrialRecord, **parts: Any) -> TrialRecord:
    """Where it has augmentation."""
    if not record.spec.settings.augmentation:
        return record
    training = record.spec.settings.training.model_copy(update=parts)
    settings = record.spec.settings.model_copy(update={"training": training})
    return record.model_copy(update={"spec": record.spec.model_copy(update={"settings": settings})})


def test_equal_epochs_are_not_told_of_what_a_rung_ended() -> None:
    def paused(record: TrialRecord) -> TrialRecord:
        protocol = record.spec.protocol.model_copy(update={"max_epochs": 30})
        return record.model_copy(
            update={"spec": record.spec.model_copy(update={"protocol": protocol})}
        )

    assert "After equal epochs" not in curve_note(_changed(_with_kept(20), paused))


def test_what_max_epochs_cut_is_not_said_to_be_trained_to_the_end() -> None:
    said = curve_note(_with_kept(20, heads_cut_by_max_epochs=3))
    words = "the 8 that no augmentation was kept at (max_epochs cut 3 of 15 heads), the recommended"
    assert words in said
    assert "; trained until max_epochs cut 3 of 15 heads, the 20 that it was kept at" in said
    assert "to the end" not in said


def test_networks_that_did_not_train_are_said_to_be_in_the_means() -> None:
    lost = (LostNetwork(head=0, why="chance", epoch=9),)
    said = curve_note(_with_kept(20, lost=lost))
    assert "of these curves, of whose 30 networks 2 never left chance, without intervals" in said


@pytest.mark.parametrize(("kept", "is_said"), [(20, True), (12, False)])
def test_equal_epochs_of_fine_tuning_are_counted_from_where_it_begins(
    kept: int, is_said: bool
) -> None:
    """Without augmentation the head took 4 epochs and with it 10, and fine-tuning was kept at its
    fourth there."""
    finetune = FinetuneSettings.model_validate({"from": "all"})

    def phases(record: TrialRecord) -> dict[str, Any]:
        assert record.result is not None
        assert record.result.curve is not None
        head = 10 if record.spec.settings.augmentation else 4
        named = (("head", head), ("finetune", 30 - head))
        return {"curve": record.result.curve.model_copy(update={"phases": named})}

    def tuned(record: TrialRecord) -> TrialRecord:
        training = record.spec.settings.training
        training = training.model_copy(update={"mode": "finetune", "finetune": finetune})
        settings = record.spec.settings.model_copy(update={"training": training})
        spec = record.spec.model_copy(update={"settings": settings})
        return record.model_copy(update={"spec": spec})

    view = _changed(_with_results(_with_kept(kept), phases), tuned)
    said = curve_note(view)
    assert ("After equal epochs" in said) == is_said
    if is_said:
        at, own = (_scored(view)[10 + epoch - 1] for epoch in (4, 10))
        assert "After equal epochs of fine-tuning, the 4 that no augmentation was kept at" in said
        assert f"the recommended setting stood at {at:.1f} % of accuracy" in said
        assert f"trained to the end, the 10 that it was kept at, at {own:.1f} %" in said


def test_curves_are_of_the_search_and_never_of_final_models() -> None:
    """Which are scored on other images, after as many epochs as they were told."""
    view = SearchView(make_state())
    vars(view)["chosen"] = view.record(17)
    assert [record.trial for _, record in curve_records(view)] == [0, 3]
