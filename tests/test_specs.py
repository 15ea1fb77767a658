"""Which folds, head seeds and views each part of a search draws: nothing that picked a setting also
judges it."""

from itertools import combinations
from typing import Any, get_args

import pytest

from search.driver.experiment_file import parse_config
from search.driver.specs import STREAMS, Epochs, SpecFactory
from search.experiment.trial import Kind, TrialSpec
from search.guests.leak import leaked_spec

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
    assert set(STREAMS) == set(get_args(Kind)) == set(specs()) == set().union(*TOGETHER)


@pytest.mark.parametrize(("first", "second"), list(combinations(STREAMS, 2)))
def test_two_kinds_share_all_seeds_or_none(first: str, second: str) -> None:
    ours, theirs = (specs()[kind] for kind in (first, second))
    if any({first, second} <= group for group in TOGETHER):
        assert drawn(ours) == drawn(theirs)
    else:
        assert not drawn(ours) & drawn(theirs)


def test_within_a_trial_no_seed_serves_twice() -> None:
    for spec in specs().values():
        assert len(drawn(spec)) == 2 + len(spec.protocol.head_seeds)
