"""Early looks: declared before the first trial, what is settled there is not trained further, what
was said stays said, and a search that is killed at one goes on to the same end."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_searches import config_of, events_of, in_haste
from small_search import sit, table_of
from stand_ins import training
from states import make_claims, make_state
from test_answer import random_claims
from test_phases import context_of
from test_resuming import assert_sound

from search.driver.event_checks import check_events
from search.driver.looking import looks_declared, spare_settled
from search.driver.specs import RECOMMENDED
from search.driver.workload import trained_later
from search.evidence.answer import answer_of
from search.evidence.claim_table import Claims, alone_label, candidates
from search.evidence.findings import TakenLook
from search.evidence.looks import Settled, settle, with_settled
from search.experiment.config import ExperimentConfig
from search.experiment.settings import ModelSettings, Settings, TrainingSettings
from search.journal.journal_file import JournalError
from search.journal.state import SearchResult
from search.report.answer_text import beside_answer
from search.report.summary import summarize
from search.report.tables import verdict_table
from search.report.view import SearchView
from search.tracking.descriptions import describe

LOOKS = [0.4, 0.7, 1]
GAINS = {"vertical_flip": -0.5, "zoom_range": 0.4, "policy": -0.3, "shear_range": -2.0}


def trained(gains: dict[str, float]) -> Any:
    """Each augmentation moves the log-probability by its gain, at any strength."""
    return training(lambda settings: sum(gains.get(n, 0.0) for n in settings.augmentation), -4.0)


def experiment(cache: Path, **search: Any) -> ExperimentConfig:
    return config_of(
        cache,
        augmentation={
            "rotation_range": {"min": 0, "max": 30},
            "vertical_flip": [False, True],
            "zoom_range": [0, 0.2],
        },
        search={"algorithm": "screening", "trials": 8, "looks": LOOKS, **search},
        evaluation={
            "objective": "log_loss",
            "negligible": 0.05,
            "folds": 2,
            "seeds": 2,
            "confirm": {"top": 2, "seeds": 2, "views": 2},
        },
    )


@pytest.fixture
def haste(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    in_haste(monkeypatch)
    monkeypatch.setattr("search.training.run_trial.run_trial", trained(GAINS))
    return monkeypatch


def labels(result: SearchResult, *kinds: str) -> list[str]:
    return [record.label for record in result.state.of_kind(*kinds)]


def taken(result: SearchResult) -> tuple[TakenLook, ...]:
    assert result.state.evidence is not None
    return result.state.evidence.looks


def test_looks_are_off_unless_they_are_on_in_the_file() -> None:
    assert looks_declared(context_of([]).config) == ()
    looks = looks_declared(context_of([], search={"trials": 10, "looks": LOOKS}).config)
    assert [look.after for look in looks] == sorted(look.after for look in looks)
    assert sum(1 - look.level for look in looks) == pytest.approx(0.05)
    assert not any(look.is_taken for look in looks)


def test_what_is_known_at_a_look_is_not_trained_further(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    without = sit(experiment(cache, looks=None), tmp_path / "without")
    result = sit(experiment(cache), tmp_path / "run")
    known = {name for look in taken(result) for name in look.settled.names}
    assert {"vertical_flip", "zoom_range"} <= known
    spared = {label for look in taken(result) for label in look.spared}
    assert spared >= {"vertical_flip alone", "zoom_range alone", "course settings"}
    assert set(labels(without, "confirm", "ablation")) >= spared - {"course settings"}
    assert not spared & set(labels(result, "confirm", "ablation"))
    assert len(result.state.records) < len(without.state.records)
    for run in (without, result):
        config = experiment(cache, looks=None if run is without else LOOKS)
        fewest, most = trained_later(config)
        later = [r for r in run.state.of_kind("confirm", "ablation", "test") if r.trained]
        assert fewest <= len(later) <= most
    assert result.state.evidence is not None
    assert result.state.evidence.claims is not None
    words = result.state.evidence.claims.verdicts()
    assert (words["vertical_flip"], words["zoom_range"]) == ("HURTS", "HELPS")
    found = result.state.evidence.answer
    assert found is not None
    assert found.settings["zoom_range"] == 0.2
    assert found.gain is not None
    assert found.gain.effect == pytest.approx(0.4, abs=0.03)
    assert_sound(tmp_path / "run")


def test_looks_are_declared_before_the_first_trial_and_written_down_before_they_are_acted_on(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    sit(experiment(cache), tmp_path / "run")
    events = events_of(tmp_path / "run")
    kinds = [event["type"] for event in events]
    first = events[kinds.index("evidence")]["evidence"]
    assert kinds.index("evidence") < kinds.index("asked")
    assert [look["is_taken"] for look in first["looks"]] == [False] * 3
    for place, event in enumerate(events):
        looks = event.get("evidence", {}).get("looks", ())
        for look in (each for each in looks[:-1] if each["is_taken"]):
            asked = sum(before["type"] == "asked" for before in events[:place])
            assert asked >= look["after"]


@pytest.mark.parametrize(
    ("row", "wrong"),
    [({"name": "nonsense"}, "nonsense"), ({"strength": "a word"}, "rotation_range")],
)
def test_a_forged_look_is_refused_by_the_gate(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path, row: dict[str, Any], wrong: str
) -> None:
    sit(experiment(cache, looks=[0.5, 1]), tmp_path / "run")
    events = events_of(tmp_path / "run")
    place = [place for place, event in enumerate(events) if event["type"] == "evidence"][-1]
    evidence = events[place]["evidence"]
    check_events(events[:place], {})
    forged = {**evidence["claims"]["augmentations"][0], **row}
    evidence["looks"][0]["settled"]["augmentations"] = [forged]
    with pytest.raises(JournalError, match=wrong):
        check_events(events[: place + 1], {})


def test_an_interval_that_has_decided_is_kept_as_it_stands(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    result = sit(experiment(cache), tmp_path / "run")
    assert result.state.evidence is not None
    assert result.state.evidence.claims is not None
    shown = {each.name: each for each in result.state.evidence.claims.augmentations}
    for look in taken(result):
        for row in look.settled.augmentations:
            now = shown[row.name]
            assert (now.alone, now.curve, now.strength) == (row.alone, row.curve, row.strength)


def test_the_search_phase_ends_where_every_augmentation_is_known(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    gains = {"rotation_range": 0.3, "vertical_flip": -0.5, "zoom_range": 0.4}
    haste.setattr("search.training.run_trial.run_trial", trained(gains))
    result = sit(experiment(cache, trials=20, looks=[0.4, 1]), tmp_path / "run")
    (early, _) = taken(result)
    assert early.ended_search
    assert len(labels(result, "trial")) == early.after - 3
    assert not [label for label in labels(result, "ablation") if label.endswith("alone")]
    (line, *_) = [each for each in beside_answer(SearchView(result.state)) if "Stopped" in each]
    assert line.startswith(f"Stopped at look 1 of 2, after {early.after} trainings: the search")
    assert_sound(tmp_path / "run")


@pytest.mark.parametrize("algorithm", ["halving", pytest.param("random", marks=pytest.mark.slow)])
def test_a_search_killed_around_a_look_goes_on_to_the_same_end(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path, algorithm: str
) -> None:
    config = experiment(cache, algorithm=algorithm, min_views=1, lookahead=3)
    whole = sit(config, tmp_path / "whole")
    lines = (tmp_path / "whole" / "journal.jsonl").read_text().splitlines(keepends=True)
    kinds = [json.loads(line)["type"] for line in lines]
    places = [place for place, kind in enumerate(kinds) if kind == "evidence"]
    assert len(places) >= 4
    for place in (places[1], places[1] + 1, places[2] + 1):
        run_dir = tmp_path / f"cut-{place}"
        shutil.copytree(tmp_path / "whole", run_dir)
        (run_dir / "journal.jsonl").write_text("".join(lines[:place]))
        result = sit(config, run_dir)
        assert result.state.evidence == whole.state.evidence
        assert table_of(run_dir) == table_of(tmp_path / "whole")
    assert_sound(run_dir)


def test_what_settles_a_row_is_its_interval() -> None:
    state = make_state()
    assert state.evidence is not None
    claims = make_claims(wholes={"setting 3": 0.012, "setting 5": -0.002, "setting 7": 0.004})
    found = settle(claims)
    assert found.names == {"rotation_range", "vertical_flip"}  # HELPS; HURTS
    assert found.labels == {"setting 5", "TrivialAugment"}  # cannot gain half a point any more


def test_whatever_was_settled_before_the_claims_say_one_thing_of_a_setting() -> None:
    """Claims with two estimates of one setting are refused."""
    kept = 0
    for number in range(3000):
        early, late = (random_claims(np.random.default_rng([seed, number])) for seed in (1, 2))
        found = settle(early)
        joined = found.joined(settle(late))
        assert joined.names == found.names | settle(late).names
        claims = with_settled(late, found)
        assert claims.recommended == late.recommended
        rows = {each.name: each.alone for each in claims.augmentations}
        for row in found.augmentations:
            if row.name in rows:
                kept += 1
                assert rows[row.name] == row.alone
        assert answer_of(claims).kind in ("use", "none", "cannot_tell")
    assert kept > 500


def test_nothing_settled_changes_nothing() -> None:
    for number in range(200):
        claims = random_claims(np.random.default_rng(number))
        assert with_settled(claims, Settled()) == claims


def test_the_recommended_setting_that_was_settled_keeps_its_estimate_and_its_name() -> None:
    early, late = make_claims(half_width=0.001), make_claims()
    row = next(each for each in early.wholes if each.label == "setting 3")
    settled = Settled(wholes=(row.model_copy(update={"label": "setting 9"}),))
    claims: Claims = with_settled(late, settled)
    found = {each.label: each.measured for each in candidates(claims)}
    assert "setting 9" not in found
    assert found["setting 3"] == row.measured


def test_a_recommended_setting_that_is_settled_is_not_taken_apart() -> None:
    evidence = make_state().evidence
    assert evidence is not None
    whole = make_claims().wholes[0].model_copy(update={"label": RECOMMENDED})
    settled = Settled(wholes=(whole,))
    look = TakenLook(after=9, level=0.99, is_taken=True, settled=settled)
    setting = Settings(augmentation={}, model=ModelSettings(), training=TrainingSettings())
    planned = dict.fromkeys((RECOMMENDED, "without zoom_range", "without a name"), setting)
    evidence = evidence.model_copy(update={"looks": (look,)})
    found, left = spare_settled(evidence, planned, {"without zoom_range"})
    assert list(left) == ["without a name"]
    assert found.looks[0].spared == (RECOMMENDED, "without zoom_range")


def test_it_is_said_on_page_terminal_and_tracker_what_was_stopped() -> None:
    state = make_state()
    assert state.evidence is not None
    claims = make_claims()
    row = next(each for each in claims.augmentations if each.name == "vertical_flip")
    looks = (
        TakenLook(after=9, level=0.99, is_taken=True),
        TakenLook(
            after=18,
            level=0.98,
            is_taken=True,
            settled=Settled(augmentations=(row,)),
            spared=(alone_label("vertical_flip"),),
        ),
        TakenLook(after=27, level=0.97),
        TakenLook(after=36, level=0.96, is_taken=True),
    )
    evidence = state.evidence.model_copy(update={"looks": looks})
    view = SearchView(state.model_copy(update={"evidence": evidence}))
    words = "Stopped at look 2 of 4, after 18 trainings: vertical_flip alone: known well enough"
    assert any(line.startswith(words) for line in beside_answer(view))
    assert "Stopped at look 2 of 4" in describe(view)
    summary = summarize(view)
    assert any(line.startswith(words) for line in summary["remarks"])
    assert [look["taken"] for look in summary["looks"]] == [True, True, False, True]
    assert summary["looks"][1]["settled"] == ["vertical_flip"]
    notes = {cells[0].text: cells[-1].text for cells in verdict_table(view).rows}
    assert notes["vertical_flip"].endswith("as known at look 2 of 4")
