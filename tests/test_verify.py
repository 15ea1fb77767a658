"""A finished search verified: as it is, with one digit altered, interrupted, and as if on another
machine."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tampering import events_of, only, reseal, where
from typer.testing import CliRunner

from data.errors import UserError
from run_search import app
from search.commands.command_line import BAD_INPUT, DIFFERENT, DONE
from search.driver.run_reading import open_run
from search.experiment.answers import Predictions
from search.journal.journal_file import JournalError, encode
from search.journal.state import replay
from search.verification.comparison import Comparison
from search.verification.rehearsal import compare_rehearsal
from search.verification.reopening import relocated
from search.verification.verify import verify

Event = dict[str, Any]


def last_digit_changed(number: float) -> float:
    """The same number but for its last written digit."""
    text = repr(number)
    place = max(match.start() for match in re.finditer(r"\d", text.partition("e")[0]))
    return float(text[:place] + str((int(text[place]) + 5) % 10) + text[place + 1 :])


def test_a_run_left_alone_is_the_same_to_the_last_digit(finished_run: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(finished_run), "--json"])
    assert result.exit_code == DONE
    found = json.loads(result.stdout)
    assert found["same"]
    assert found["exact"]
    assert found["num_compared"] > 5000
    assert set(found["apart"].values()) == {0.0}


def test_one_digit_of_an_unsealed_line_is_named_by_its_line_and_gives_status_4(
    copied: Path,
) -> None:
    journal = copied / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    lines[3] = re.sub(r'"max_epochs":\d', '"max_epochs":4', lines[3])
    journal.write_text("".join(lines))
    result = CliRunner().invoke(app, ["verify", str(copied)])
    assert result.exit_code == DIFFERENT
    assert "line 4 of" in result.stdout


def test_every_resealed_digit_is_named_with_its_place(copied: Path) -> None:
    events = events_of(copied)
    told = only(events, "told", trial=1)
    told["result"]["score"] = last_digit_changed(told["result"]["score"])
    told["effect"]["ci_low"] = last_digit_changed(told["effect"]["ci_low"])
    evidence = only(events, "evidence")["evidence"]
    evidence["null_floor"] = last_digit_changed(evidence["null_floor"])
    only(events, "test")["test"]["confusion"][0][0] += 1
    reseal(copied, events)
    assert where(verify(copied)) == [
        "trial 1: score",
        "trial 1: effect.ci_low",
        "evidence (1 of 2): null_floor",
        "test: confusion",
    ]


def test_a_resealed_spec_is_not_the_one_that_the_search_asks_for(copied: Path) -> None:
    events = events_of(copied)
    asked = next(e["record"] for e in events if e["type"] == "asked" and e["record"]["trial"] == 3)
    asked["spec"]["protocol"]["view_seed"] += 1
    reseal(copied, events)
    assert where(verify(copied))[0] == "trial 3: spec.protocol.view_seed"


def test_a_resealed_config_does_not_match_its_hash(copied: Path) -> None:
    events = events_of(copied)
    events[0]["opened"]["config"]["seed"] = 4
    reseal(copied, events)
    assert where(verify(copied)) == ["journal.jsonl"]


def test_one_digit_of_the_trained_trials_curve_gives_status_4(copied: Path) -> None:
    events = events_of(copied)
    best = open_run(copied).state.evidence
    assert best is not None
    loss = only(events, "told", trial=best.best_trial)["result"]["curve"]["val_loss"]
    loss[1] = last_digit_changed(loss[1])
    reseal(copied, events)
    result = CliRunner().invoke(app, ["verify", str(copied), "--trial", str(best.best_trial)])
    assert result.exit_code == DIFFERENT
    assert f"trial {best.best_trial}: curve.val_loss" in result.stdout


def test_an_altered_predictions_file_is_named(copied: Path) -> None:
    path = copied / "predictions" / "00001.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = verify(copied)
    assert any(
        "00001.npz is not the file that was journaled" in each.what for each in found.differences
    )


def test_predictions_forged_with_their_hash_contradict_the_metrics(copied: Path) -> None:
    import hashlib

    path = copied / "predictions" / "00001.npz"
    true = Predictions.from_bytes(path.read_bytes())
    forged = Predictions(true.images, np.roll(true.predicted, 1, axis=1), true.log_prob, true.fold)
    path.write_bytes(forged.to_bytes())
    events = events_of(copied)
    only(events, "told", trial=1)["predictions_sha256"] = hashlib.sha256(
        forged.to_bytes()
    ).hexdigest()
    reseal(copied, events)
    assert "trial 1: metrics: accuracy" in where(verify(copied))


def test_an_interrupted_search_is_verified_as_far_as_it_went(copied: Path) -> None:
    events = events_of(copied)
    last = max(n for n, e in enumerate(events) if e["type"] == "told" and e["trial"] == 4)
    reseal(copied, events[: last + 1])
    found = verify(copied)
    assert found.same
    assert found.trial == 0


def test_other_versions_and_cards_are_named_and_compared_within_a_tolerance(copied: Path) -> None:
    events = events_of(copied)
    events[0]["opened"]["environment"]["packages"]["numpy"] = "0.9"
    events[0]["opened"]["environment"]["gpus"] = "a card"
    result = only(events, "told", trial=1)["result"]
    result["metrics"]["accuracy"] += 1e-12
    reseal(copied, events)
    found = verify(copied, trial=0)
    assert found.same
    assert not found.exact
    assert any(each.startswith("numpy 0.9, here ") for each in found.changed)
    assert "gpus a card, here absent" in found.changed


def test_images_elsewhere_change_the_path_in_every_spec(finished_run: Path, tmp_path: Path) -> None:
    moved = relocated(open_run(finished_run), tmp_path)
    assert moved.config.dataset.path == str(tmp_path)
    assert {record.spec.dataset.path for record in moved.state.records} == {str(tmp_path)}


def test_a_search_is_repeated_in_the_order_its_settings_were_written(finished_run: Path) -> None:
    """The journal sorts keys; algorithms propose by their order, so that another order is another
    search."""
    events = events_of(finished_run)
    opened = events[0]["opened"]
    ranges = {
        "zoom_range": {"min": 0, "max": 0.2},
        "rotation_range": [0, 15],
        "horizontal_flip": [False, True],
    }
    opened["config"]["augmentation"], opened["order"] = ranges, [*ranges, "learning_rate"]
    journaled = replay([json.loads(encode(events[0]))]).opened
    assert journaled is not None
    assert list(journaled.config["augmentation"]) == list(ranges)
    assert next(iter(journaled.config["model"])) == "learning_rate"
    del opened["order"]
    with pytest.raises(JournalError, match="order"):
        replay([json.loads(encode(events[0]))])


ALTERED: dict[str, Any] = {
    **{
        "kind": "ablation",
        "label": "better",
        "rung": 1,
        "duplicate_of": 0,
        "settings": {"rotation_range": 1.0},
    },
    **{"spec.kind": "ablation", "spec.label": "better", "spec.precision": "bfloat16"},
    **{"spec.feature_dtype": "float16", "spec.dataset_seed": 1, "spec.probes": {"zoom_range": 0.1}},
    **{"spec.protocol.folds": 3, "spec.protocol.fold_seed": 1, "spec.protocol.head_seeds": [1]},
    **{
        "spec.protocol.views": 9,
        "spec.protocol.objective": "log_loss",
        "spec.protocol.max_epochs": 2,
    },
    **{"spec.settings.model": {"dropout": 0.5}, "spec.settings.training": {"patience": 9}},
}


def test_every_field_of_a_trial_asked_for_is_compared(finished_run: Path) -> None:
    events = events_of(finished_run)
    for place, value in ALTERED.items():
        ours = json.loads(json.dumps(events))
        asked = next(
            e["record"] for e in ours if e["type"] == "asked" and e["record"]["trial"] == 3
        )
        *parents, last = place.split(".")
        for parent in parents:
            asked = asked[parent]
        asked[last] = {**asked[last], **value} if isinstance(asked.get(last), dict) else value
        comparison = Comparison()
        compare_rehearsal(ours, events, comparison, 0.0)
        assert [each.where.startswith(f"trial 3: {place}") for each in comparison.differences] == [
            True
        ], place


def test_trials_left_out_at_the_end_are_asked_for(finished_run: Path) -> None:
    events = events_of(finished_run)
    asked = max(n for n, e in enumerate(events) if e["type"] == "asked")
    comparison = Comparison()
    compare_rehearsal([*events[:asked], {"type": "finished", "time": 1.0}], events, comparison, 0.0)
    assert "the journal does not have it" in comparison.differences[0].what


def test_a_trial_that_is_not_there_is_refused(finished_run: Path) -> None:
    with pytest.raises(UserError, match="no trial 99; allowed: 0 to"):
        verify(finished_run, trial=99)


def test_what_is_not_there_and_a_folder_of_bundles_are_told_apart(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "anna.zip")])
    assert (result.exit_code, "does not exist" in result.stderr) == (BAD_INPUT, True)
    (tmp_path / "ben.zip").write_bytes(b"PK")
    result = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert (result.exit_code, "say --many" in result.stderr) == (BAD_INPUT, True)


def test_a_folder_without_a_search_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert result.exit_code == BAD_INPUT
    assert "holds no journal.jsonl" in result.stderr


def test_a_comparison_names_a_list_once_and_counts_what_differs() -> None:
    comparison = Comparison()
    comparison.check("trial 2", {"curve": {"loss": [1, 2, 3]}}, {"curve": {"loss": [1, 5, 6]}})
    (difference,) = comparison.differences
    assert difference.where == "trial 2: curve.loss"
    assert (
        difference.what
        == "2 in the journal, 5 recomputed (2 of 3 values differ; this is the first)"
    )
    assert comparison.num_compared == 3


def test_a_comparison_takes_numbers_within_the_slack_for_equal_but_no_words() -> None:
    comparison = Comparison()
    comparison.check(
        "a", {"x": 1.0, "verdict": "HELPS"}, {"x": 1.0005, "verdict": "HURTS"}, slack=0.001
    )
    assert [difference.where for difference in comparison.differences] == ["a: verdict"]


def test_a_comparison_sees_what_one_side_lacks() -> None:
    comparison = Comparison()
    comparison.check("a", [1, 2], [1])
    assert comparison.differences[0].what.startswith("2 in the journal, nothing recomputed")


IN_OTHER_THREADS = """
import os, sys
from pathlib import Path
sys.path[:0] = ["tests", "."]
os.environ.pop("TF_NUM_INTRAOP_THREADS", None)
from small_search import EXPERIMENT, small_config
from search.driver.session import run_search
from search.verification.verify import verify
if __name__ == "__main__":
    split = {"validation": 0.5, "test": 0.15}
    config = small_config(
        Path(sys.argv[1]) / "cache",
        dataset={"source": "digits", "image_size": 16, "limit_per_class": 20, "split": split},
        training={**EXPERIMENT["training"], "mode": "scratch", "views": "fresh", "batch_size": 20},
        evaluation={"folds": 1, "seeds": 1, "confirm": None, "ablation": False, "test": False},
    )
    found = verify(run_search(config, Path(sys.argv[1]) / "run").run_dir)
    assert found.same, found.differences
"""


@pytest.mark.slow
def test_a_network_that_a_worker_trained_repeats_where_other_threads_are_in_use(
    tmp_path: Path,
) -> None:
    """Sums in other threads differ in their last bits from 16 pixels on."""
    (tmp_path / "script.py").write_text(IN_OTHER_THREADS)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path)]
    subprocess.run(command, check=True, cwd=Path(__file__).parent.parent)
