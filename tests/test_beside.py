"""What is searched beside augmentation: whatever it gains is told as no augmentation's gain, all
that is compared has the same of it, and the answer names it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty_searches import config_of, events_of, in_haste
from small_search import EXPERIMENT, sit, table_of
from stand_ins import training
from test_resuming import assert_sound

from search.driver.event_checks import check_events
from search.evidence.answer import Answer
from search.evidence.claim_table import Claims
from search.experiment.config import ExperimentConfig
from search.experiment.settings import Settings
from search.journal.journal_file import JournalError
from search.journal.state import SearchResult
from search.report.answer_text import answer, beside_answer
from search.report.sentences import facts
from search.report.summary import summarize, winner_of
from search.report.view import SearchView

Gain = Callable[[Settings], float]
RATES = [1e-6, 1e-2]  # the first is what controls have
NEGLIGIBLE = 0.05
EASE = -6.0


def is_fast(settings: Settings) -> bool:
    return settings.model.learning_rate > 1e-3


def by_rate_alone(settings: Settings) -> float:
    return 2.0 if is_fast(settings) else 0.0


def by_both(settings: Settings) -> float:
    return by_rate_alone(settings) + (0.5 if "vertical_flip" in settings.augmentation else 0.0)


def by_both_together(settings: Settings) -> float:
    """At the rate of the controls nothing trains, and no augmentation matters."""
    return by_both(settings) if is_fast(settings) else 0.0


def experiment(cache: Path, rates: Any = RATES, **sections: Any) -> ExperimentConfig:
    confirm = {"top": 2, "seeds": 2, "views": 2}
    evaluation = {"objective": "log_loss", "negligible": NEGLIGIBLE, "folds": 2, "seeds": 2}
    return config_of(
        cache,
        augmentation={"vertical_flip": [False, True], "zoom_range": [0, 0.2]},
        model={**EXPERIMENT["model"], "learning_rate": rates},
        search={"algorithm": "grid", "trials": 8, **sections.pop("search", {})},
        evaluation={**evaluation, "confirm": confirm, **sections.pop("evaluation", {})},
        **sections,
    )


@pytest.fixture
def haste(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    in_haste(monkeypatch)
    return monkeypatch


def searched(
    haste: pytest.MonkeyPatch, gain: Gain, config: ExperimentConfig, run_dir: Path
) -> SearchResult:
    haste.setattr("search.training.run_trial.run_trial", training(gain, EASE))
    result = sit(config, run_dir)
    assert result.outcome == "finished", result.reason
    return result


def concluded(result: SearchResult) -> tuple[Claims, Answer]:
    evidence = result.state.evidence
    assert evidence is not None
    assert evidence.claims is not None
    assert evidence.answer is not None
    return evidence.claims, evidence.answer


def rates_of(result: SearchResult, *kinds: str) -> set[float]:
    return {r.spec.settings.model.learning_rate for r in result.state.of_kind(*kinds)}


UNCONFIRMED = {"evaluation": {"confirm": None}}
CASES = [
    {},
    UNCONFIRMED,
    {"search": {"algorithm": "screening"}, "rates": {"min": 1e-6, "max": 1e-2, "sampling": "log"}},
]


@pytest.mark.parametrize("changes", CASES, ids=["grid", "unconfirmed", "range"])
def test_what_a_learning_rate_gains_is_told_as_no_augmentations(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    result = searched(haste, by_rate_alone, experiment(cache, **changes), tmp_path / "run")
    claims, found = concluded(result)
    assert found.kind != "use"
    assert found.beside["model.learning_rate"] > 1e-3
    wholes = [each.measured for each in claims.wholes]
    for measured in (*wholes, *(each.alone for each in claims.augmentations)):
        assert measured is not None
        assert measured.ci[0] <= 0 <= measured.ci[1]
    (finals,) = rates_of(result, "test")
    assert finals == found.beside["model.learning_rate"]  # the model kept has the best
    assert_sound(tmp_path / "run")


@pytest.mark.parametrize("gain", [by_both, by_both_together])
@pytest.mark.parametrize("changes", CASES[:2], ids=["grid", "unconfirmed"])
def test_where_both_gain_an_augmentation_is_told_its_own(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path, gain: Gain, changes: dict[str, Any]
) -> None:
    result = searched(haste, gain, experiment(cache, **changes), tmp_path / "run")
    claims, found = concluded(result)
    assert found.kind == "use"
    assert found.settings["vertical_flip"] is True
    assert found.beside == {"model.learning_rate": 0.01}
    assert found.gain is not None
    assert found.gain.ci[0] <= 0.5 <= found.gain.ci[1]
    assert found.gain.ci[1] < 1
    assert claims.verdicts()["vertical_flip"] == "HELPS"


def test_nothing_is_told_where_no_two_trainings_had_the_same(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    """Each trial has a rate of its own, and nothing is trained again."""
    rates = {"min": 1e-6, "max": 1e-2, "sampling": "log"}
    config = experiment(cache, rates, search={"algorithm": "random"}, **UNCONFIRMED)
    result = searched(haste, by_both, config, tmp_path / "run")
    claims, found = concluded(result)
    assert found.kind == "cannot_tell"
    assert set(claims.verdicts().values()) == {"NOT TRIED"}
    assert "evaluation.confirm trains such" in answer(SearchView(result.state))
    (final,) = rates_of(result, "test")
    assert final == found.beside["model.learning_rate"]
    assert_sound(tmp_path / "run")


def test_all_that_is_confirmed_has_one_set_of_other_values(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    result = searched(haste, by_both_together, experiment(cache), tmp_path / "run")
    assert rates_of(result, "control") == {RATES[0]}
    assert rates_of(result, "trial") == set(RATES)
    assert rates_of(result, "confirm", "ablation", "test") == {0.01}
    for record in result.state.of_kind("trial"):  # its own effect is one of augmentation
        is_paired = not is_fast(record.spec.settings) and bool(record.spec.settings.augmentation)
        assert (record.effect is not None) == is_paired
    shown = SearchView(result.state).claimed_of
    assert shown
    for number in shown:
        assert is_fast(result.state.records[number].spec.settings)


def test_the_values_to_use_are_named_wherever_the_answer_is(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    from search.commands.single_run import policy_of

    result = searched(haste, by_both, experiment(cache), tmp_path / "run")
    view, named = SearchView(result.state), "with model.learning_rate 0.01"
    assert f"vertical_flip {named}: +" in answer(view)
    assert "over no augmentation with the same" in answer(view)
    assert any(named in line and "not told" in line for line in beside_answer(view))
    assert named in str(view.recommended)
    assert any(name.endswith(f"confirmation {named})") for name, _ in facts(view))
    assert named in policy_of(result.state).title
    summary, winner = summarize(view), winner_of(view)
    assert summary["beside"] == {"model.learning_rate": 0.01}
    assert winner is not None
    assert winner["model"]["learning_rate"] == 0.01


def test_they_are_named_where_no_augmentation_is_used(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    result = searched(haste, by_rate_alone, experiment(cache), tmp_path / "run")
    view = SearchView(result.state)
    assert "with model.learning_rate 0.01" in answer(view)
    winner = winner_of(view)
    assert winner is not None
    assert winner["model"]["learning_rate"] == 0.01


@pytest.mark.slow
def test_a_search_of_other_values_that_is_killed_goes_on_to_the_same_end(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    config = experiment(cache, search={"algorithm": "random", "looks": [0.5, 1]})
    whole = searched(haste, by_both_together, config, tmp_path / "whole")
    assert whole.state.evidence is not None
    assert not whole.state.evidence.looks[0].settled.names  # at which values is not known yet
    lines = (tmp_path / "whole" / "journal.jsonl").read_text().splitlines(keepends=True)
    kinds = [json.loads(line)["type"] for line in lines]
    places = [place for place, kind in enumerate(kinds) if kind == "evidence"]
    for place in (places[-2], places[-2] + 1, places[-2] + 3, places[-1] + 1):
        run_dir = tmp_path / f"cut-{place}"
        shutil.copytree(tmp_path / "whole", run_dir)
        (run_dir / "journal.jsonl").write_text("".join(lines[:place]))
        assert sit(config, run_dir).state.evidence == whole.state.evidence
        assert table_of(run_dir) == table_of(tmp_path / "whole")
    assert_sound(run_dir)


@pytest.mark.parametrize(
    "beside", [{"model.learning_rate": 0.5}, {"training.nonsense": 1}, {"model.learning_rate": []}]
)
def test_values_that_no_trial_had_are_refused_by_the_gate(
    haste: pytest.MonkeyPatch, cache: Path, tmp_path: Path, beside: dict[str, Any]
) -> None:
    searched(haste, by_both, experiment(cache), tmp_path / "run")
    events = events_of(tmp_path / "run")
    place = [place for place, event in enumerate(events) if event["type"] == "evidence"][-1]
    check_events(events[: place + 1], {})
    for told in (events[place]["evidence"]["claims"], events[place]["evidence"]["answer"]):
        told["beside"] = beside
        with pytest.raises(JournalError, match=r"beside values that no trial had|its answer"):
            check_events(events[: place + 1], {})
