"""That one record in one table is all it takes: a made-up augmentation and a made-up objective go
through a whole search, the page, previews, exports and statistics, with no other edit."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_up_records import INVERT, KAPPA
from sklearn.metrics import cohen_kappa_score
from small_search import EXPERIMENT

from data.augmentations import AUGMENTATIONS, visible_settings
from data.errors import UserError
from docs.generate.pictures import augmentation_sheet
from docs.generate.settings_page import settings_page
from search.commands.single_run import export, write_preview
from search.driver.experiment_file import parse_config
from search.driver.session import SessionOptions, run_search
from search.evidence.advice import KnownBaseline, advise
from search.evidence.evaluation import metric_values, paired_difference, paired_effect
from search.evidence.floor import Flips, null_floor
from search.evidence.power import Plan, measured_spread
from search.evidence.resampling import image_variance, strata
from search.experiment.answers import Predictions
from search.experiment.complaints import schema_of
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import OBJECTIVES
from search.experiment.sections import augmentation_section
from search.export.exporters import Policy, targets_of, write


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if both had stood in their tables when the experiment's type was made from them."""
    monkeypatch.setitem(AUGMENTATIONS, INVERT.name, INVERT)
    monkeypatch.setitem(OBJECTIVES, KAPPA.name, KAPPA)
    field = ExperimentConfig.model_fields["augmentation"]
    with monkeypatch.context() as patch:
        patch.setattr(field, "annotation", augmentation_section())
        ExperimentConfig.model_rebuild(force=True)
        schema_of.cache_clear()
        yield
    ExperimentConfig.model_rebuild(force=True)
    schema_of.cache_clear()


def _config(folder: Path) -> ExperimentConfig:
    experiment = {
        **EXPERIMENT,
        "augmentation": {"invert": {"min": 0.2, "max": 1}, "vertical_flip": [False, True]},
        "evaluation": {**EXPERIMENT["evaluation"], "objective": "kappa"},
        "tracking": {"uri": None},
        "execution": {"cache_dir": str(folder / "cache")},
    }
    return parse_config(experiment, "test")


def test_a_whole_search_goes_over_them(tmp_path: Path) -> None:
    result = run_search(_config(tmp_path), tmp_path / "run", options=SessionOptions(inline=True))
    assert result.outcome == "finished"
    summary = json.loads((result.run_dir / "summary.json").read_text())
    assert "invert" in summary["verdicts"]
    page = (result.run_dir / "report.html").read_text()
    assert "points of kappa" in page or "differences of kappa" in page
    assert "invert" in page
    table = (result.run_dir / "trials.csv").read_text().splitlines()
    assert "invert" in table[0].split(",")
    trial = next(n for n, row in enumerate(table[1:]) if ",trial," in row)
    assert json.loads(export(result.run_dir, "json", trial).code)["augmentation"]["invert"] >= 0.2
    assert "RandomInvert" in export(result.run_dir, "torchvision", trial).code
    with pytest.raises(UserError, match="Keras has nothing of the kind"):
        export(result.run_dir, "keras", trial)


def test_an_augmentation_is_searched_shown_and_exported_or_refused(tmp_path: Path) -> None:
    space = _config(tmp_path).space
    assert space.strongest()["invert"] == 1
    assert write_preview(_config(tmp_path), tmp_path / "sheet.png").stat().st_size > 0
    assert visible_settings({"invert": 0.123456}, 150) == {"invert": 0.12}
    assert "### invert" in settings_page()
    assert augmentation_sheet("invert").startswith(b"\x89PNG")
    policy = Policy("A test", {"invert": 0.5, "rotation_range": 10}, 32)
    assert targets_of(policy) == ["json", "torchvision"]
    assert json.loads(write(policy, "json").code)["units"]["invert"] == INVERT.unit
    assert "RandomAffine" in write(policy, "torchvision").code


def test_an_unknown_one_is_still_refused_with_the_nearest(tmp_path: Path) -> None:
    changed = {**EXPERIMENT, "augmentation": {"inverts": 1}}
    with pytest.raises(UserError, match="did you mean invert"):
        parse_config(changed, "test")


def _pair(seeds: int = 3, images: int = 300) -> tuple[Predictions, Predictions, np.ndarray]:
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2], (images // 2, images // 3, images // 6)).astype(np.int32)
    fold = (np.arange(images) % 5).astype(np.int16)
    pair = []
    for share in (0.9, 0.7):
        right = rng.random((seeds, images)) < share
        given = np.where(right, labels, (labels + 1) % 3).astype(np.int16)
        log_prob = np.log(np.where(right, 0.8, 0.1)).astype(np.float32)
        pair.append(Predictions(np.arange(images), given, log_prob, fold))
    return pair[0], pair[1], labels


def test_an_objective_that_is_no_mean_has_its_figure_its_effect_and_its_interval() -> None:
    better, worse, labels = _pair()
    exact = [
        np.mean([cohen_kappa_score(labels, row) for row in each.predicted])
        for each in (better, worse)
    ]
    assert metric_values(better, labels, 3)["kappa"] == pytest.approx(exact[0])
    effect = paired_effect(better, worse, labels, "kappa", seed=1)
    assert effect.delta == pytest.approx(exact[0] - exact[1])
    assert effect.ci_low < effect.delta < effect.ci_high
    assert effect.ci_low > 0
    assert effect.p_value < 0.001


def test_its_parts_vary_as_the_figure_does_where_images_are_drawn_again() -> None:
    better, worse, labels = _pair()
    parts = paired_difference(better, worse, labels, "kappa").mean(axis=0)
    rng, moved = np.random.default_rng(5), []
    for _ in range(300):
        picks = np.concatenate(
            [rng.choice(np.flatnonzero(labels == k), (labels == k).sum()) for k in range(3)]
        )
        figures = [
            np.mean([cohen_kappa_score(labels[picks], row[picks]) for row in p.predicted])
            for p in (better, worse)
        ]
        moved.append(figures[0] - figures[1])
    deviation = np.sqrt(image_variance(strata(parts, labels)))
    assert deviation == pytest.approx(np.std(moved), rel=0.15)


def test_an_objective_that_is_no_mean_has_a_floor_and_a_power() -> None:
    _, worse, labels = _pair()
    floor = null_floor([(worse, worse)], worse, labels, "kappa", Flips(1))
    assert 0 <= floor.mean <= floor.p95 <= 2
    spread = measured_spread(worse, labels, "kappa")
    assert spread is not None
    advice = advise(Plan(300, 5, 3), KnownBaseline(0.7, spread), "kappa")
    assert advice.detectable_effect is not None
    assert "points" in advice.found
