"""Trainings that max_epochs would end before patience does: said before they run, and after the
first."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from small_search import small_config
from states import make_state, with_lost
from test_doubts import nothing_gains, with_results

from search.commands.check import make_plan
from search.driver.cut_checks import CutWatch, cut_at_first, cut_perhaps, length_lines
from search.driver.experiment_file import parse_config
from search.driver.plan_checks import plan_lines
from search.experiment.settings import FinetuneSettings, TrainingSettings
from search.experiment.space import Space
from search.experiment.trial import CURVES, Curve, TrialRecord, TrialResult
from search.report.answer_text import answer
from search.report.doubts import doubt_lines
from search.report.section_texts import stopping_lines
from search.report.summary import summarize
from search.report.trial_facts import cuttable_heads, heads_cut
from search.report.view import SearchView


def _lines(**training: Any) -> tuple[str, ...]:
    experiment = {
        "name": "cut",
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": [0, 20]},
        "training": training,
    }
    config = parse_config(experiment, "test")
    return plan_lines(config, config.space)


def _space(**training: Any) -> Space:
    experiment = {
        "name": "cut",
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": [0, 20]},
        "model": {"backbone": "small-cnn", "weights": "random"}
        if training.get("mode") == "scratch"
        else {},
        "training": training,
    }
    return parse_config(experiment, "test").space


@pytest.mark.parametrize(
    ("max_epochs", "is_said"), [(39, False), (40, True), (99, True), (100, False)]
)
def test_a_plan_that_may_cut_what_takes_longer_is_named_more_softly(
    max_epochs: int, is_said: bool
) -> None:
    space = _space(mode="scratch", max_epochs=max_epochs, patience=20)
    lines = cut_perhaps(space)
    assert len(lines) == is_said
    assert not cut_perhaps(_space(max_epochs=max_epochs, patience=20))
    if is_said:
        first = f"training.max_epochs {max_epochs} may cut networks with augmentation"
        assert lines[0].startswith(first)
        assert lines[0].endswith("write training.max_epochs: 100 or more, and patience decides")


@pytest.mark.parametrize(
    ("max_epochs", "end"),
    [
        (10, "none counts as cut; training.patience 30 ends none before"),
        (31, "none counts as cut; one that training.patience 30 ends before has none"),
        (150, None),
    ],
)
def test_clean_epochs_are_said_to_make_max_epochs_the_length(
    max_epochs: int, end: str | None
) -> None:
    space = _space(mode="scratch", max_epochs=max_epochs, patience=30, clean_epochs=1)
    lines = length_lines(space)
    assert len(lines) == (end is not None)
    if end:
        back = f"training.clean_epochs 1: counted back from training.max_epochs {max_epochs}, "
        assert lines[0] == f"{back}which is how long a network is to train, and {end}"
    assert not cut_perhaps(space)
    assert not length_lines(_space(max_epochs=10, patience=30))


def test_clean_epochs_of_fine_tuning_leave_patience_to_end_its_heads() -> None:
    finetune = {"from": "block7a", "max_epochs": 6}
    training = {"mode": "finetune", "patience": 8, "finetune": finetune, "clean_epochs": 2}
    (line,) = _lines(max_epochs=10, **training)
    assert line.startswith("training.max_epochs 10 cuts most networks")
    (length,) = length_lines(_space(max_epochs=10, **training))
    assert "counted back from training.finetune.max_epochs 6, " in length


@pytest.mark.parametrize(
    ("max_epochs", "said"), [(20, "cuts every head"), (39, "cuts most heads"), (40, None)]
)
def test_a_plan_that_leaves_patience_no_room_is_named(max_epochs: int, said: str | None) -> None:
    lines = _lines(max_epochs=max_epochs, patience=20)
    assert len(lines) == (said is not None)
    if said:
        assert lines[0].startswith(f"training.max_epochs {max_epochs} {said}")
        assert "write training.max_epochs: 100 or more" in lines[0]


def test_a_plan_whose_last_epochs_are_clean_is_to_reach_them() -> None:
    assert not _lines(max_epochs=20, patience=20, clean_epochs=5)


@pytest.mark.parametrize("clean", [[0, 5], [5, 0]])
def test_where_clean_epochs_are_searched_settings_without_are_told_of(clean: list[int]) -> None:
    (line,) = _lines(max_epochs=20, patience=20, clean_epochs=clean)
    assert line.startswith("training.max_epochs 20 cuts every head")


def test_heads_that_clean_epochs_end_were_not_cut() -> None:
    record = next(r for r in make_state().records if heads_cut(r))
    settings = record.spec.settings
    training = settings.training.model_copy(update={"clean_epochs": 2})
    settings = settings.model_copy(update={"training": training})
    spec = record.spec.model_copy(update={"settings": settings})
    assert heads_cut(record.model_copy(update={"spec": spec})) == 0


@pytest.mark.parametrize(
    ("rate", "confirm", "is_said"),
    [
        ({"min": 0.0001, "max": 0.01, "sampling": "log"}, None, True),
        ({"min": 0.0001, "max": 0.01, "sampling": "log"}, {"seeds": 2}, False),
        ([0.0001, 0.01], None, False),
        (0.001, None, False),
    ],
)
def test_a_range_beside_augmentation_that_nothing_confirms_is_named(
    rate: Any, confirm: dict[str, int] | None, is_said: bool
) -> None:
    experiment = {
        "name": "beside",
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": [0, 20]},
        "model": {"learning_rate": rate},
        "evaluation": {"confirm": confirm},
    }
    config = parse_config(experiment, "test")
    lines = plan_lines(config, config.space)
    assert [line.startswith("model.learning_rate: searched over a range") for line in lines] == (
        [True] if is_said else []
    )


@pytest.mark.parametrize(
    ("augmentation", "evaluation", "is_said"),
    [
        ({"rotation_range": 10, "zoom_range": 0.1}, {"ablation": False}, True),
        ({"rotation_range": 10, "zoom_range": 0.1}, {"confirm": None}, True),
        ({"rotation_range": 10, "zoom_range": 0.1}, {}, False),
        ({"rotation_range": [0, 10], "zoom_range": 0.1}, {"ablation": False}, False),
        ({"rotation_range": 10, "fill_mode": "reflect"}, {"ablation": False}, False),
    ],
)
def test_augmentations_that_nothing_takes_apart_are_named(
    augmentation: dict[str, Any], evaluation: dict[str, Any], is_said: bool
) -> None:
    experiment = {
        "name": "apart",
        "dataset": {"source": "digits"},
        "augmentation": augmentation,
        "evaluation": evaluation,
    }
    config = parse_config(experiment, "test")
    lines = plan_lines(config, config.space)
    assert [line.startswith("rotation_range, zoom_range: on in every trial") for line in lines] == (
        [True] if is_said else []
    )


def test_the_second_phase_of_fine_tuning_is_looked_at_too() -> None:
    finetune = {"from": "block7a", "max_epochs": 6}
    (line,) = _lines(mode="finetune", max_epochs=60, patience=8, finetune=finetune)
    assert line.startswith("training.finetune.max_epochs 6 cuts every network")


def test_a_first_training_that_was_cut_is_said_to_foretell_the_others() -> None:
    record = make_state().records[0]
    assert record.result is not None
    heads = record.result.num_heads
    for cut, said in ((heads, True), (0, False)):
        result = record.result.model_copy(update={"heads_cut_by_max_epochs": cut})
        assert (cut_at_first(record.model_copy(update={"result": result})) is not None) == said


@pytest.mark.parametrize(
    ("own", "epochs", "named", "advice"),
    [
        (5, (17, 5), "training.finetune.max_epochs", "raise it"),
        (100, (11, 47), "training.max_epochs", "raise it"),
        (5, (11, 5), "training.max_epochs or training.finetune.max_epochs", "raise both"),
        (None, (11, 11), "training.max_epochs", "raise it"),
    ],
)
def test_a_first_training_in_two_phases_names_what_may_have_cut_it(
    own: int | None, epochs: tuple[int, int], named: str, advice: str
) -> None:
    record = make_state().records[0]
    most = 11 if epochs[0] == 11 else 60
    finetune = FinetuneSettings.model_validate({"from": "all", "max_epochs": own})
    training = TrainingSettings(mode="finetune", max_epochs=most, finetune=finetune)
    phases = (("head", epochs[0]), ("finetune", epochs[1]))
    curve = Curve(**dict.fromkeys(CURVES, (0.5,) * sum(epochs)), phases=phases)
    line = cut_at_first(_cut(record, record.trained, training, curve))
    assert line is not None
    assert line.startswith(f"{named} cut 15 of 15 heads of no augmentation")
    assert f"; {advice}, and patience" in line


def _cut(
    record: TrialRecord, result: TrialResult | None, training: TrainingSettings, curve: Curve
) -> TrialRecord:
    assert result is not None
    settings = record.spec.settings.model_copy(update={"training": training})
    result = result.model_copy(update={"heads_cut_by_max_epochs": 15, "curve": curve})
    spec = record.spec.model_copy(update={"settings": settings})
    return record.model_copy(update={"spec": spec, "result": result})


def test_the_page_says_the_share_that_was_cut_and_which_networks_did_not_train() -> None:
    lines = stopping_lines(SearchView(with_lost(make_state(), 1)))
    said = "Of the 15 networks of trial #1 1 never left chance: they are scored with the others."
    share = "That is 16 of the 240 heads that patience was to end (7 %), with augmentation and "
    assert lines[-2:] == [f"{share}without.", said]


def test_heads_that_were_to_be_ended_anyway_are_none_of_the_share_that_was_cut() -> None:
    """Of two trials one stands on a rung of epochs."""
    state = make_state("search")
    first, other = state.records[3:5]
    protocol = other.spec.protocol.model_copy(update={"max_epochs": 4})
    paused = other.model_copy(update={"spec": other.spec.model_copy(update={"protocol": protocol})})
    view = SearchView(state.model_copy(update={"records": (first, paused)}))
    share = "1 of the 15 heads that patience was to end (7 %), with augmentation and without."
    assert f"That is {share}" in stopping_lines(view)
    told = {"heads": 30, "may_be_cut": 15, "cut": 1, "lost": 0}
    assert summarize(view)["training"] == told
    assert cuttable_heads(make_state().records[-1]) == 0  # the test's, of as many epochs as found


def _cut_record(record: TrialRecord, cut: int) -> TrialRecord:
    assert record.result is not None
    result = record.result.model_copy(update={"heads_cut_by_max_epochs": cut})
    return record.model_copy(update={"result": result})


def test_the_first_trainings_with_augmentation_that_were_cut_are_told_of_once() -> None:
    bare, *augmented = make_state().records[:6]
    watch = CutWatch()
    first = (_cut_record(bare, 0), *(_cut_record(each, 10) for each in augmented))
    told = [watch.line(record) for record in first]
    assert [line is not None for line in told] == [False, False, True, False, False, False]
    assert (told[2] or "").startswith(
        "training.max_epochs cut 20 of the first 30 heads with augmentation: their effects"
    )


def test_where_no_augmentation_was_cut_already_the_others_are_not_told_of_too() -> None:
    watch = CutWatch()
    told = [watch.line(_cut_record(record, 15)) for record in make_state().records[:6]]
    assert "of no augmentation, which learns the fastest" in (told[0] or "")
    assert not any(told[1:])


def test_trainings_that_repeat_others_or_were_not_cut_are_not_told_of() -> None:
    _, *augmented = make_state().records[:6]
    watch = CutWatch()
    assert not any(watch.line(_cut_record(each, 7)) for each in augmented)
    again = (_cut_record(each, 15).model_copy(update={"duplicate_of": 1}) for each in augmented)
    assert not any(map(CutWatch().line, again))


def test_check_says_what_share_was_cut_of_a_run_that_is_there(
    finished_run: Path, here: Path
) -> None:
    config = small_config(finished_run.parent / "cache")
    share = "training.max_epochs 3 cut "
    assert not any(line.startswith(share) for line in make_plan(config).remarks)
    shutil.copytree(finished_run, here / "runs" / "small")
    (line,) = (each for each in make_plan(config).remarks if each.startswith(share))
    assert "heads that patience was to end (" in line
    assert line.endswith("), with augmentation and without, in runs/small")


def test_a_doubt_and_the_page_say_which_heads_they_count_and_what_cut_them() -> None:
    """Of fine-tuning, which both its settings may have ended."""
    state = nothing_gains(make_state())
    finetune = FinetuneSettings.model_validate({"from": "all", "max_epochs": 5})
    training = TrainingSettings(mode="finetune", max_epochs=60, finetune=finetune)
    curve = Curve(**dict.fromkeys(CURVES, (0.5,) * 17), phases=(("head", 12), ("finetune", 5)))
    records = (
        _cut(each, each.result, training, curve) if each.result else each for each in state.records
    )
    view = SearchView(state.model_copy(update={"records": tuple(records)}))
    (line,) = (each for each in doubt_lines(view) if "counts against" in each)
    assert "augmentation: finetune.max_epochs cut short " in line
    assert " heads with augmentation" in line
    assert "were ended by finetune.max_epochs, not by patience" in stopping_lines(view)[1]


@pytest.mark.parametrize(("cut", "is_said"), [(15, True), (8, True), (7, False)])
def test_where_most_was_cut_nothing_is_shown_to_gain_only_as_far_as_it_trained(
    cut: int, is_said: bool
) -> None:
    state = with_results(
        nothing_gains(make_state()), lambda record: True, heads_cut_by_max_epochs=cut
    )
    said = answer(SearchView(state))
    assert said.startswith("Use no augmentation: what was tried is shown to gain ")
    assert said.endswith(", as far as max_epochs let them train.") == is_said
