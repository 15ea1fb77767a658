"""Which folds, head seeds and views each part of a search draws: nothing that picked a setting also
judges it."""

import re
from itertools import combinations
from typing import Any, get_args

import pytest
from states import make_state

from data.augmentations import active
from data.errors import UserError
from search.driver.experiment_file import parse_config
from search.driver.session import PHASES
from search.driver.sitting import phase_of
from search.driver.specs import Epochs, SpecFactory, controls_of
from search.experiment.controls import CONTROL_NAMES, CONTROLS, NONE
from search.experiment.kinds import KINDS, Kind
from search.experiment.precisions import PRECISIONS
from search.experiment.trial import LostNetwork, TrialSpec
from search.guests.leak import leaked_spec
from search.guests.table import GUESTS

EXPERIMENT: dict[str, Any] = {
    "name": "seeds",
    "seed": 5,
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {"rotation_range": {"min": 0, "max": 30}},
    "evaluation": {"folds": 3, "seeds": 3, "confirm": {"top": 2, "seeds": 4}},
}
# compared in pairs, so drawn alike
TOGETHER = [{"control", "trial", "leak"}, {"confirm", "ablation"}, {"test"}]


def specs() -> dict[str, TrialSpec]:
    config = parse_config(EXPERIMENT, "test")
    factory = SpecFactory(config, config.space, "float32")
    settings = factory.control({"rotation_range": 20})
    trial = factory.search("trial", "1", settings)
    return {
        "control": factory.search("control", "course", settings),
        "trial": trial,
        "leak": leaked_spec(trial),
        "confirm": factory.confirm("confirm", "1", settings),
        "ablation": factory.confirm("ablation", "1", settings),
        "test": factory.final("1", settings, Epochs(3)),
    }


def drawn(spec: TrialSpec) -> set[int]:
    return {spec.protocol.fold_seed, spec.protocol.view_seed, *spec.protocol.head_seeds}


def test_every_kind_of_trial_has_a_stream() -> None:
    assert set(KINDS) == set(get_args(Kind)) == set(specs()) == set().union(*TOGETHER)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_trial_says_its_phase_and_has_words(kind: Kind) -> None:
    record = KINDS[kind]
    assert record.name == kind
    phases = (*PHASES, *map(phase_of, GUESTS.values()))
    assert {phase.name: phase.event for phase in phases}[record.phase] == record.event
    assert record.about[0].isupper()
    assert not record.about.endswith(".")
    assert record.several
    assert specs()[kind].precision == PRECISIONS["float32"].parts[record.part]


@pytest.mark.parametrize("label", CONTROLS)
def test_a_control_is_asked_for_by_its_name_and_explained_or_is_always_there(label: str) -> None:
    control = CONTROLS[label]
    asked = {"controls": [control.name] if control.name else []}
    config = parse_config({**EXPERIMENT, "evaluation": asked}, "test")
    assert controls_of(config) == {NONE: {}} | {label: control.augmentation}
    assert control.augmentation.keys() <= active(control.augmentation).keys()
    assert bool(control.about) == bool(control.name) == (label != NONE)


def test_a_control_that_there_is_not_is_refused_with_those_there_are() -> None:
    allowed = re.escape(f"allowed: a list of {', '.join(CONTROL_NAMES)}")
    with pytest.raises(UserError, match=rf'"curse" is not allowed; {allowed}'):
        parse_config({**EXPERIMENT, "evaluation": {"controls": ["curse"]}}, "test")


@pytest.mark.parametrize(("first", "second"), list(combinations(KINDS, 2)))
def test_two_kinds_share_all_seeds_or_none(first: str, second: str) -> None:
    ours, theirs = (specs()[kind] for kind in (first, second))
    if any({first, second} <= group for group in TOGETHER):
        assert drawn(ours) == drawn(theirs)
    else:
        assert not drawn(ours) & drawn(theirs)


def test_within_a_trial_no_seed_serves_twice() -> None:
    for spec in specs().values():
        assert len(drawn(spec)) == 2 + len(spec.protocol.head_seeds)


def test_a_final_model_trains_as_long_as_networks_that_trained_did() -> None:
    result = make_state().records[0].result
    assert result is not None
    epochs = result.model_copy(update={"best_epochs": (1, 20, 30), "head_best_epochs": ()})
    assert Epochs.of(epochs) == Epochs(17)
    dead = LostNetwork(head=0, why="chance", epoch=21)
    assert Epochs.of(epochs.model_copy(update={"lost": (dead,)})) == Epochs(25)
    all_dead = tuple(dead.model_copy(update={"head": head}) for head in range(3))
    assert Epochs.of(epochs.model_copy(update={"lost": all_dead})) == Epochs(17)
