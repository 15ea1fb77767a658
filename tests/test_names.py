"""One name per setting, wherever it is spoken of, and one count of what was tried."""

import csv
import io
import json
import re
from typing import Any

import pytest
from states import make_claims, make_estimate, make_record, make_state, with_claims
from test_one_truth import searches

from search.driver.algorithms import ALGORITHMS, num_settings, num_trials, rounds_of
from search.driver.experiment_file import parse_config
from search.driver.specs import RECOMMENDED
from search.evidence.claim_table import Claims
from search.report.answer_text import answer
from search.report.figures_effects import forest_text
from search.report.judged import Judged
from search.report.summary import summarize, winner_of
from search.report.tables import verdict_table, whole_table
from search.report.trial_tables import trials_csv
from search.report.view import SearchView
from search.report.wording import label_text, name_text, settings_text, tried_text
from search.tracking.trial_run import trial_row

INNER = re.compile(r"setting \d|expected best\b(?<!setting expected best)")
BEST = "rotation_range 15, width_shift_range 0.1, zoom_range 0.1"


def claimed(claims: Claims) -> SearchView:
    state = make_state()
    assert state.evidence is not None
    return SearchView(state.model_copy(update={"evidence": with_claims(state.evidence, claims)}))


@pytest.fixture(scope="module")
def view() -> SearchView:
    return SearchView(make_state())


def test_no_table_file_or_tag_speaks_of_a_setting_by_a_number_of_its_own(view: SearchView) -> None:
    rows = [trial_row(view, record) for record in view.in_tables if record.result]
    said = [trials_csv(view), json.dumps([summarize(view), winner_of(view)]), *map(str, rows)]
    assert not [INNER.search(text) for text in said if INNER.search(text)]


def test_a_setting_is_called_the_same_everywhere(view: SearchView) -> None:
    again, summary = view.record(10), summarize(view)
    assert again is not None
    rows = {row["trial"]: row for row in csv.DictReader(io.StringIO(trials_csv(view)))}
    names = {
        rows["3"]["label"],
        rows["10"]["label"],
        trial_row(view, again).tags["augsearch.label"],
        summary["confirmed"][0]["label"],
        summary["policy"]["label"],
        summary["test"]["chosen"]["label"],
        label_text(again),
        view.recommended,
    }
    assert names == {BEST}
    assert name_text(again) == f"#10 again: {BEST}"


def test_what_was_not_trained_before_is_not_said_to_be_trained_again() -> None:
    first = make_record(6, "confirm", RECOMMENDED, {"zoom_range": 0.3}, 0.0)
    assert name_text(first) == "#6 zoom_range 0.3"


def test_what_is_searched_beside_augmentations_is_part_of_the_name() -> None:
    record = make_record(3, "trial", "setting 1", {"rotation_range": 15}, 0.0)
    settings = {"rotation_range": 15, "learning_rate": 0.01}
    record = record.model_copy(update={"settings": settings})
    assert name_text(record) == "#3 rotation_range 15, learning_rate 0.01"
    claims = make_claims()
    whole, *others = claims.wholes
    more = {**whole.settings, "learning_rate": 0.01}
    whole = whole.model_copy(update={"settings": more, "measured": make_estimate(0.05)})
    view = claimed(claims.model_copy(update={"wholes": (whole, *others)}))
    assert answer(view).startswith(f"Use {BEST}, learning_rate 0.01: +5.0 points")
    assert whole_table(view).rows[0][0].text == f"recommended setting: {BEST}, learning_rate 0.01"


@pytest.mark.parametrize("gain", [0.03, -0.001])
def test_an_augmentation_that_is_the_whole_setting_has_one_row(gain: float) -> None:
    claims = make_claims()
    first, *others = claims.augmentations
    alone = {first.name: first.strength}
    measured = make_estimate(gain, half_width=0.02)
    curve = tuple(p for p in first.curve if p.value != first.strength)
    first = first.model_copy(update={"alone": measured, "curve": curve})
    whole = claims.wholes[0].model_copy(update={"settings": alone, "measured": measured})
    view = claimed(
        claims.model_copy(update={"augmentations": (first, *others), "wholes": (whole,)})
    )
    assert view.policy is not None
    rows = [row[0].text for row in verdict_table(view).rows]
    assert rows.count(first.name) == 1
    assert len(rows) == len(claims.augmentations)
    assert forest_text(view).count(f"{first.name}: ") == 1


def test_no_two_rows_of_the_first_table_are_of_one_setting() -> None:
    for state in searches(300, seed=3):
        found = SearchView(state)
        rows = [_sets(judged, found) for judged in found.judged if judged.measured]
        assert len(rows) == len(set(rows))


def _sets(judged: Judged, view: SearchView) -> str:
    if judged.claims is None:
        return judged.sets
    return settings_text({judged.name: judged.claims.strength}, view.image_size)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_settings_are_counted_once_however_often_they_are_promoted(algorithm: str) -> None:
    config = parse_config(
        {
            "dataset": {"source": "digits"},
            "augmentation": {"rotation_range": {"min": 0, "max": 30, "step": 5}},
            "training": {"views": 16},
            "search": {"algorithm": algorithm, "trials": 6, "min_views": 4},
        },
        "test",
    )
    trials, settings = num_trials(config, config.space), num_settings(config, config.space)
    assert settings <= trials
    assert (settings < trials) == any(each.below for each in rounds_of(config))


def test_a_count_says_settings_where_they_are_fewer() -> None:
    assert tried_text(4, 4) == "4 trials"
    assert tried_text(8, 6) == "8 trials of 6 settings"
    assert tried_text(2, 1) == "2 trials of 1 setting"


def _called(*augmentations: dict[str, Any]) -> SearchView:
    """A search whose setting 5 and setting 7 are these."""
    state, settings = (
        make_state(),
        dict(zip(("setting 5", "setting 7"), augmentations, strict=True)),
    )
    assert state.evidence is not None
    claims = make_claims()
    wholes = tuple(
        w.model_copy(update={"settings": settings.get(w.label, w.settings)}) for w in claims.wholes
    )
    records = tuple(
        make_record(r.trial, r.kind, r.label, settings[r.label], 0.01) if r.label in settings else r
        for r in state.records
    )
    evidence = with_claims(state.evidence, claims.model_copy(update={"wholes": wholes}))
    return SearchView(state.model_copy(update={"records": records, "evidence": evidence}))


@pytest.mark.parametrize(
    ("augmentations", "names"),
    [
        # what shows at 64 px are hundredths
        (({"shear_range": 1.21}, {"shear_range": 1.24}), ("shear_range 1.21", "shear_range 1.24")),
        (
            ({"height_shift_range": 0.121}, {"height_shift_range": 0.124}),
            ("height_shift_range 0.121", "height_shift_range 0.124"),
        ),
        (
            ({"vertical_flip": True}, {"vertical_flip": True, "height_shift_range": 0.0001}),
            ("vertical_flip", "height_shift_range 0.0001, vertical_flip"),
        ),
        (
            ({"shear_range": 1.00000001}, {"shear_range": 1.00000002}),
            ("shear_range 1.00000001", "shear_range 1.00000002"),
        ),
    ],
)
def test_settings_that_round_alike_have_names_that_differ(
    augmentations: tuple[dict[str, Any], ...], names: tuple[str, ...]
) -> None:
    view = _called(*augmentations)
    rows = [row[0].text for row in whole_table(view).rows]
    assert len(set(rows)) == len(rows)
    assert {*names} <= {*rows}
    assert {*names} <= {whole["label"] for whole in summarize(view)["confirmed"]}
    assert {*names} <= {row["label"] for row in csv.DictReader(io.StringIO(trials_csv(view)))}
    assert BEST in answer(view)  # no digits where none are needed


def test_a_strength_that_rounds_to_another_of_its_curve_is_told_as_the_table_has_it() -> None:
    claims = make_claims(recommended=None, alone={"width_shift_range": 0.02})
    shift = claims.augmentations[1]
    values = (0.0, 0.121, 0.122, 0.123, 0.124)
    curve = tuple(
        p.model_copy(update={"value": v}) for p, v in zip(shift.curve, values, strict=True)
    )
    ends = {"strength": 0.122, "strengths": None, "curve": curve}
    rows = [shift.model_copy(update=ends) if e is shift else e for e in claims.augmentations]
    view = claimed(claims.model_copy(update={"augmentations": tuple(rows)}))
    assert answer(view).startswith("Use width_shift_range 0.122:")
