"""Final models of which some did not train: which one is kept, and what is said of the others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faulty_searches import config_of, events_of, in_haste
from small_search import sit
from stand_ins import answer

from search.driver.event_checks import check_events
from search.experiment.trial import LostNetwork, Outcome, Resources, TrialSpec, first_trained
from search.journal.journal_file import JournalError
from search.report.section_texts import test_lines as lines_of_test
from search.report.view import SearchView
from search.training.progress import OnEpoch


def _lost(*heads: int) -> tuple[LostNetwork, ...]:
    return tuple(LostNetwork(head=head, why="chance", epoch=9) for head in heads)


def _first_dead(spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None) -> Outcome:
    """The first of two final models answers class 0, the second class 1."""
    outcome = answer(spec, resources)
    told = outcome.predictions
    if spec.kind != "test" or told is None:
        return outcome
    given = np.broadcast_to(np.array([[0], [1]], np.int16), told.predicted.shape).copy()
    result = outcome.result.model_copy(update={"lost": _lost(0), "num_heads": len(given)})
    return Outcome(result, replace(told, predicted=given))


def test_the_first_that_trained() -> None:
    lost = ((), (1,), (0,), (0, 1, 3))
    assert [first_trained(_lost(*heads), 4) for heads in lost] == [0, 0, 1, 2]


def test_where_none_trained_the_first_whose_loss_stayed_a_number() -> None:
    first, *others = _lost(0, 1, 2)
    diverged = first.model_copy(update={"why": "diverged"})
    assert first_trained((first, *others), 3) == 0
    assert first_trained((diverged, *others), 3) == 1


def test_the_test_is_of_all_final_models_and_its_matrix_of_the_one_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_haste(monkeypatch)
    monkeypatch.setattr("search.training.run_trial.run_trial", _first_dead)
    evaluation = {"folds": 2, "seeds": 2, "controls": [], "confirm": None}
    config = config_of(tmp_path / "cache", evaluation=evaluation)
    state = sit(config, tmp_path / "run").state
    assert state.test is not None
    assert [sum(column) for column in zip(*state.test.confusion, strict=True)][:2] == [0, 1000]
    said = [line for line in lines_of_test(SearchView(state)) if "never left chance" in line]
    first = state.of_kind("test")[0].trial
    assert said[0] == (
        f"Of the 2 networks of final model #{first} (no augmentation) 1 never left chance: the "
        "figure of the test counts them."
    )
    events = events_of(tmp_path / "run")
    check_events(events, {})  # half of them
    (told,) = [each for each in events if each["type"] == "told" and each["trial"] == first]
    told["result"]["lost"] = [{"head": n, "why": "chance", "epoch": 9} for n in (0, 1)]
    check_events(events, {})  # all of them: they have answers all the same
    told["result"]["lost"] = [{"head": n, "why": "diverged", "epoch": 9} for n in (0, 1)]
    with pytest.raises(JournalError, match="lost holds no networks of the trial, or too many"):
        check_events(events, {})
