"""Whole searches of other kinds than `test_session`'s: shared-out views, nothing to find,
duplicates, fresh views, a secret."""

from pathlib import Path

import pytest
from small_search import EXPERIMENT, sit, small_config, table_of

from data.extremes import extremes
from search.driver import opening


@pytest.mark.parametrize(
    "algorithm", [pytest.param("hyperband", marks=pytest.mark.slow), "halving"]
)
def test_algorithms_that_share_out_views_finish_and_repeat(
    algorithm: str, cache: Path, tmp_path: Path
) -> None:
    search = {"algorithm": algorithm, "trials": 4, "min_views": 1, "reduction": 2}
    changes = {
        "search": search,
        "training": {**EXPERIMENT["training"], "views": 2},
        "augmentation": {
            "rotation_range": {"min": 0, "max": 30, "step": 10},
            "vertical_flip": [False, True],
        },
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    }
    results = [sit(small_config(cache, **changes), tmp_path / str(number)) for number in range(2)]
    assert [r.outcome for r in results] == ["finished", "finished"]
    assert table_of(results[0].run_dir) == table_of(results[1].run_dir)
    records = results[0].state.records
    views = {
        r.rung: r.spec.protocol.views
        for r in records
        if r.kind == "trial" and r.spec.settings.augmentation
    }
    assert views == {0: 1, 1: 2}
    course = {r.rung: r.spec.protocol.views for r in records if r.label == "course settings"}
    assert course == {1: 2}  # controls have all of the budget


def test_a_search_over_augmentations_that_change_nothing_recommends_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A/A: beside a shift too small to change a level, an int shift of 1, which draws no shift at
    all. A search would refuse both before it begins."""
    monkeypatch.setattr(opening, "unchanged_lines", lambda _: ())
    still = {"width_shift_range": {"choices": [0, 1e-9]}, "height_shift_range": {"choices": [0, 1]}}
    state = sit(small_config(cache, augmentation=still), tmp_path / "run").state
    assert state.evidence is not None
    assert state.evidence.is_final
    assert state.evidence.answer is not None
    assert state.evidence.answer.kind != "use"
    assert state.evidence.claims is not None
    verdicts = state.evidence.claims.verdicts()
    assert verdicts.pop("height_shift_range") == "NOT TRIED"
    assert set(verdicts.values()) <= {"NO EVIDENCE", "NEGLIGIBLE"}
    assert all(r.effect.delta == 0 for r in state.of_kind("trial") if r.effect)
    assert state.safety
    assert any("changes 0 pixels" in probe.remark for probe in state.safety)


def test_settings_that_come_to_the_same_are_trained_once(cache: Path, tmp_path: Path) -> None:
    """The fill value changes nothing where the fill mode is nearest."""
    changes = {
        "augmentation": {"horizontal_flip": [False, True], "cval": [0, 255]},
        "search": {"algorithm": "grid", "trials": 4},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    }
    state = sit(small_config(cache, **changes), tmp_path / "run").state
    trials = state.of_kind("trial")
    assert len(trials) == 4
    trained = [record for record in trials if record.duplicate_of is None]
    assert len(trained) == 1  # the flip; without it a trial is the baseline
    assert len({record.result.score for record in trials if record.result}) == 2
    for record in trials:  # what repeats no augmentation has nothing to be compared with
        assert (record.effect is None) == (not record.spec.settings.augmentation)


def test_fresh_views_are_drawn_anew_each_epoch(cache: Path, tmp_path: Path) -> None:
    changes = {
        "training": {**EXPERIMENT["training"], "views": "fresh"},
        "search": {"trials": 1},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    }
    state = sit(small_config(cache, **changes), tmp_path / "run").state
    course = state.of_kind("control")[1].result
    assert course is not None
    assert course.curve is not None
    assert course.timing is not None
    assert state.opened is not None
    images = sum(state.opened.dataset.counts["train"])
    assert course.timing.images_extracted == len(course.curve.loss) * images


def test_a_password_in_the_tracking_address_reaches_no_file(cache: Path, tmp_path: Path) -> None:
    secret = "hunter2hunter2"
    changes = {
        "tracking": {"uri": f"http://someone:{secret}@127.0.0.1:9"},
        "search": {"trials": 1},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    }
    result = sit(small_config(cache, **changes), tmp_path / "run")
    # nothing answers at that address; the search goes on all the same
    assert result.outcome == "finished"
    files = [path for path in result.run_dir.rglob("*") if path.is_file()]
    assert not [path.name for path in files if secret.encode() in path.read_bytes()]
    assert secret not in str(result.tracking)


STRONG_POLICY = {
    "policy": "rand_augment",
    "policy_ops": 3,
    "policy_magnitude": 25,
    "rotation_range": {"min": 20, "max": 30},
    "fill_mode": "constant",
    "cval": 200,
}


@pytest.mark.slow
def test_an_augmentation_alone_and_at_its_extremes_keeps_the_experiments_options(
    cache: Path, tmp_path: Path
) -> None:
    changes = {
        "augmentation": STRONG_POLICY,
        "search": {"algorithm": "random", "trials": 1},
        "evaluation": {
            "folds": 1,
            "seeds": 1,
            "confirm": {"top": 1, "seeds": 1, "views": 1},
            "test": False,
        },
    }
    state = sit(small_config(cache, **changes), tmp_path / "run").state
    alone = {
        r.label: r.spec.settings.augmentation
        for r in state.of_kind("ablation")
        if "alone" in r.label
    }
    assert alone["policy alone"] == {
        "policy": "rand_augment",
        "policy_ops": 3,
        "policy_magnitude": 25,
    }
    rotated = alone["rotation_range alone"]
    assert {name: rotated[name] for name in ("fill_mode", "cval")} == {
        "fill_mode": "constant",
        "cval": 200,
    }
    probes = state.records[0].spec.probes
    assert {name: probes[name] for name in OPTIONS} == {
        name: STRONG_POLICY[name] for name in OPTIONS
    }
    at = {probe.at for probe in state.safety if probe.augmentation == "policy"}
    assert at == {
        e.label
        for e in extremes("policy", "rand_augment", {"policy_ops": 3, "policy_magnitude": 25})
    }


OPTIONS = ("policy_ops", "policy_magnitude", "fill_mode", "cval")
