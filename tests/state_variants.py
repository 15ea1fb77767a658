"""Searches that ended otherwise than the one `states` makes up: nothing recommended, hostile names,
thousands of trials.
"""

import numpy as np
from state_evidence import make_effect
from states import make_state

from search.evidence.findings import Verdict
from search.journal.state import SearchState

SCRIPT = "<script>alert(1)</script>"
HOSTILE_NAMES = (
    SCRIPT,
    '$\\frac{1}{2}$ & "q"',
    "日本語のクラス",
    "a" * 120,
    "new\nline\x01\x00ctl",
    "-->",
    "</style>",
    "%s {{7*7}}",
    "été",
    "${7}",
)


def without_recommendation() -> SearchState:
    """The finished search, had its confirmed effects not cleared zero."""
    state = make_state()
    assert state.evidence is not None
    assert state.test is not None
    confirmed = tuple(
        c.model_copy(update={"effect": make_effect(0.001 - 0.002 * place, 0.006), "p_holm": 1.0})
        for place, c in enumerate(state.evidence.confirmed)
    )
    nothing = Verdict(
        verdict="NO EVIDENCE", effect=0.001, ci=(-0.005, 0.007), p_holm=1.0, basis="policy"
    )
    evidence = state.evidence.model_copy(
        update={
            "confirmed": confirmed,
            "chosen_trial": None,
            "chosen_label": "no augmentation",
            "policy": nothing,
            "removed": {"zoom_range": nothing.model_copy(update={"basis": "removed"})},
            "null_floor": 0.021,
            "best_is_below_floor": True,
        }
    )
    test = state.test.model_copy(update={"chosen": None, "effect": None})
    return state.model_copy(update={"evidence": evidence, "test": test})


def with_evaluation(state: SearchState, **evaluation: object) -> SearchState:
    """The state of an experiment file whose `evaluation` section differs."""
    assert state.opened is not None
    config = {
        **state.opened.config,
        "evaluation": {**state.opened.config["evaluation"], **evaluation},
    }
    return state.model_copy(update={"opened": state.opened.model_copy(update={"config": config})})


def hostile() -> SearchState:
    """Names that would break a page, a figure or a terminal that took them at their word."""
    notes = {
        "converted": {"grey": {"count": 3, "first": ["<b>x</b>.jpg"]}},
        "left_out": [{"name": "<img src=x onerror=alert(3)>", "reason": "truncated"}] * 15,
        "duplicates": [["a.jpg", "b.jpg"]],
    }
    return make_state(
        class_names=HOSTILE_NAMES, name=f"x</title>{SCRIPT}", failed=(6,), notes=notes
    )


def with_many_trials(num_trials: int) -> SearchState:
    """The finished search with `num_trials` trials of random settings; its last records keep their
    order after them.
    """
    state, rng = make_state(), np.random.default_rng(0)
    model = state.records[3]
    trials = []
    for number in range(3, 3 + num_trials):
        settings = {
            "rotation_range": int(rng.integers(0, 9) * 5),
            "zoom_range": round(float(rng.integers(0, 7)) * 0.05, 2),
            "vertical_flip": bool(rng.integers(2)),
        }
        active = {name: value for name, value in settings.items() if value}
        point = model.spec.settings.model_copy(update={"augmentation": active})
        updates = {
            "trial": number,
            "settings": settings,
            "spec": model.spec.model_copy(update={"settings": point}),
            "effect": make_effect(
                0.01 - 0.0003 * settings["rotation_range"] + rng.normal(0, 0.004)
            ),
        }
        trials.append(model.model_copy(update=updates))
    later = tuple(r.model_copy(update={"trial": r.trial + num_trials}) for r in state.records[9:])
    return state.model_copy(update={"records": (*state.records[:3], *trials, *later)})
