"""`compare`: two searches side by side on the test set they share."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_search import EXPERIMENT, small_config, undisturbed
from typer.testing import CliRunner

from data.errors import UserError
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.commands.compare import (
    ComparedPair,
    RunComparison,
    _finished,
    compare,
    describe_comparison,
)
from search.driver.run_reading import open_run


@pytest.fixture(scope="module")
def larger_head(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images and seed as `finished_run`, a head four times as large, and longer
    trained."""
    return _searched(
        finished_run,
        tmp_path_factory.mktemp("larger"),
        model={**EXPERIMENT["model"], "head_units": 32},
        training={**EXPERIMENT["training"], "max_epochs": 12, "patience": 12},
    )


def _by_name(found: RunComparison) -> dict[str, ComparedPair]:
    return {pair.what: pair for pair in found.pairs}


def _searched(beside: Path, folder: Path, **changes: Any) -> Path:
    sections = {
        "augmentation": {"vertical_flip": [False, True]},
        "search": {"algorithm": "random", "trials": 1},
        "evaluation": {"folds": 2, "seeds": 1, "confirm": None},
        **changes,
    }
    return undisturbed(small_config(beside.parent / "cache", **sections), folder / "run").run_dir


def test_a_longer_training_is_seen_to_gain(finished_run: Path, larger_head: Path) -> None:
    pair = _by_name(compare(finished_run, larger_head))["no augmentation, test"]
    assert pair.accuracy[1] - pair.accuracy[0] == pytest.approx(pair.effect.delta)
    assert 0 < pair.effect.ci_low < pair.effect.delta < pair.effect.ci_high


def test_the_other_way_round_the_effect_has_the_other_sign(
    finished_run: Path, larger_head: Path
) -> None:
    there, back = compare(finished_run, larger_head), compare(larger_head, finished_run)
    assert there.pairs[0].effect.delta == -back.pairs[0].effect.delta


def test_a_search_beside_a_copy_of_it_differs_by_nothing(
    finished_run: Path, tmp_path: Path
) -> None:
    found = compare(finished_run, shutil.copytree(finished_run, tmp_path / "copy"))
    assert {pair.effect.delta for pair in found.pairs} == {0.0}
    assert "+0.0 points (" in describe_comparison(found)
    assert not found.differ


def test_one_search_is_not_compared_with_itself(finished_run: Path) -> None:
    answer = CliRunner().invoke(app, ["compare", str(finished_run), f"{finished_run}/"])
    assert answer.exit_code == BAD_INPUT
    assert "are one search" in answer.stderr


def test_of_a_search_that_did_not_end_it_is_said_how_to_go_on(
    finished_run: Path, tmp_path: Path
) -> None:
    begun = shutil.copytree(finished_run, tmp_path / "begun")
    journal = begun / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    end = next(n for n, line in enumerate(lines) if b'"type":"finished"' in line)
    journal.write_bytes(b"".join(lines[:end]))
    with pytest.raises(UserError, match=r"begun has not ended: .*run it again to go on"):
        compare(finished_run, begun)
    run = open_run(begun)
    stopped = run.state.model_copy(update={"stopped": "on request"})
    with pytest.raises(UserError, match=r"was stopped \(on request\); run it again to go on"):
        _finished(replace(run, state=stopped), begun)


def test_searches_of_one_name_are_told_apart_by_their_directories(
    finished_run: Path, larger_head: Path
) -> None:
    found = compare(finished_run, larger_head)
    assert found.names == (f"small ({finished_run})", f"small ({larger_head})")
    assert describe_comparison(found).startswith(f"{found.names[0]} and {found.names[1]}\n")


def test_settings_of_model_and_training_that_differ_are_named(
    finished_run: Path, larger_head: Path
) -> None:
    found = compare(finished_run, larger_head)
    assert "model.head_units 8 and 32" in found.differ
    assert f"\n  they differ in {', '.join(found.differ)}\n" in describe_comparison(found)


def test_searches_of_two_names_are_called_by_them(finished_run: Path, tmp_path: Path) -> None:
    other = _searched(finished_run, tmp_path, name="other")
    assert compare(finished_run, other).names == ("small", "other")


def test_the_number_of_test_images_is_told(finished_run: Path, larger_head: Path) -> None:
    answer = CliRunner().invoke(app, ["compare", str(finished_run), str(larger_head), "--json"])
    assert answer.exit_code == DONE
    found = json.loads(answer.stdout)
    counts = json.loads((finished_run / "journal.jsonl").read_text().splitlines()[0])["opened"][
        "dataset"
    ]["counts"]
    assert found["pairs"][-1]["num_images"] == np.sum(counts["test"])


def test_settings_scored_in_the_same_folds_are_compared_out_of_fold(
    finished_run: Path, larger_head: Path
) -> None:
    pair = _by_name(compare(finished_run, larger_head))["no augmentation, out of fold"]
    counts = json.loads((finished_run / "journal.jsonl").read_text().splitlines()[0])["opened"][
        "dataset"
    ]["counts"]
    assert pair.num_images == np.sum(counts["train"]) + np.sum(counts["validation"])
    assert pair.effect.delta > 0.3  # two heads each: the interval is all there is


def test_searches_over_other_images_are_refused(finished_run: Path, tmp_path: Path) -> None:
    other = _searched(finished_run, tmp_path, dataset={"source": "digits", "image_size": 9})
    answer = CliRunner().invoke(app, ["compare", str(finished_run), str(other)])
    assert answer.exit_code == BAD_INPUT
    assert "not over the same images" in answer.stderr


def test_a_search_that_opened_no_test_set_is_refused(finished_run: Path, tmp_path: Path) -> None:
    sealed = _searched(
        finished_run, tmp_path, evaluation={"folds": 2, "seeds": 1, "confirm": None, "test": False}
    )
    with pytest.raises(UserError, match="no answers on a test set"):
        compare(finished_run, sealed)


def test_it_is_said_what_each_recommends_and_that_figures_are_accuracy(
    finished_run: Path, tmp_path: Path
) -> None:
    evaluation = {"folds": 2, "seeds": 1, "confirm": None, "objective": "log_loss"}
    found = compare(finished_run, _searched(finished_run, tmp_path, evaluation=evaluation))
    runs = (finished_run, tmp_path / "run")
    told = tuple(json.loads((run / "summary.json").read_text())["answer"] for run in runs)
    text = describe_comparison(found)
    assert found.answers == told
    assert found.objectives == ("accuracy", "log_loss")
    assert all(f": {each}\n" in text for each in told)
    assert "\n  figures below are accuracy; " in text
    assert "searched for log-loss\n" in text
    copy = shutil.copytree(finished_run, tmp_path / "copy")
    assert "figures below" not in describe_comparison(compare(finished_run, copy))
