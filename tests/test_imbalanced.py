"""A search by AUC with balanced weights: ranked, stopped, resumed, verified and shown like any
other; and what is refused of the probabilities that it keeps."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from small_search import EXPERIMENT, Heard, after, sit, small_config, table_of

from data.errors import UserError
from search.commands.single_run import export
from search.driver.prepare import prepare, resources_of
from search.experiment.answers import Predictions
from search.experiment.config import ExperimentConfig
from search.journal.journal_file import JournalError, read
from search.journal.run_dir import read_predictions
from search.journal.state import replay
from search.verification.verify import verify


def _config(cache: Path) -> ExperimentConfig:
    return small_config(
        cache,
        training={
            **EXPERIMENT["training"],
            "class_weight": "balanced",
            "augmented_share": {"min": 0.3, "max": 1},
            "clean_epochs": 1,
        },
        evaluation={**EXPERIMENT["evaluation"], "objective": "auc", "seeds": 2},
    )


@pytest.fixture(scope="module")
def by_auc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stopped after its first trial, and resumed."""
    folder = tmp_path_factory.mktemp("auc")
    config = _config(folder / "cache")
    import threading

    stop = threading.Event()
    sit(config, folder / "run", after(3, stop.set), stop=stop)
    assert sit(config, folder / "run", Heard()).outcome == "finished"
    return folder / "run"


def test_a_search_by_auc_is_resumed_and_verified_to_the_last_digit(by_auc: Path) -> None:
    found = verify(by_auc)
    assert found.same, found.differences
    page = (by_auc / "report.html").read_text()
    assert "AUC" in page
    code = " ".join(export(by_auc, "keras", trial=3).code.replace("#", "").split())
    assert "of the pictures augmented; its last 1 epoch on clean pictures" in code


def test_its_score_is_scikit_learns_auc_of_the_kept_probabilities(by_auc: Path) -> None:
    state = replay(read(by_auc / "journal.jsonl")[0])
    record = state.records[0]
    assert record.result is not None
    answers = read_predictions(record, by_auc)
    assert answers.log_probs is not None
    config = _config(by_auc.parent / "cache")
    labels = prepare(config, resources_of(config, by_auc)).dataset.labels[answers.images]
    exact = []
    for row in answers.log_probs:
        probabilities = np.exp(row.astype(np.float64))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        exact.append(roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))
    assert record.result.score == pytest.approx(np.mean(exact), abs=1e-4)
    assert all(0.5 < float(row["score"]) <= 1 for row in table_of(by_auc))


def test_answers_without_all_probabilities_are_no_answers_of_such_a_search(
    by_auc: Path, tmp_path: Path
) -> None:
    import hashlib

    record = replay(read(by_auc / "journal.jsonl")[0]).records[0]
    content = replace(read_predictions(record, by_auc), log_probs=None).to_bytes()
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions/00000.npz").write_bytes(content)
    changed = record.model_copy(update={"predictions_sha256": hashlib.sha256(content).hexdigest()})
    with pytest.raises(JournalError, match="lacks log_probs, which auc needs"):
        read_predictions(changed, tmp_path)


def test_more_probabilities_than_are_read_are_refused_before_a_trial(tmp_path: Path) -> None:
    config = small_config(
        tmp_path / "cache",
        evaluation={"folds": 2, "seeds": 1000, "objective": "auc", "confirm": None},
    )
    with pytest.raises(UserError, match=r"all 10 classes for 1,797 images and 1000 seeds"):
        prepare(config, resources_of(config, tmp_path))


def _npz(log_probs: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        images=np.arange(4),
        predicted=np.zeros((2, 4), np.int16),
        log_prob=np.full((2, 4), -0.5, np.float32),
        fold=np.zeros(4, np.int16),
        log_probs=log_probs,
    )
    return buffer.getvalue()


_SOUND = np.log(np.tile(np.array([0.7, 0.2, 0.1], np.float32), (2, 4, 1)))


@pytest.mark.parametrize(
    ("log_probs", "reason"),
    [
        (_SOUND.astype(np.float64), "log_probs is <f8"),
        (_SOUND[:, :3], "not of the same images and seeds"),
        (_SOUND[:, :, :0], "not of the same images and seeds"),
        (_SOUND - 1, "sum to 1"),
        (_SOUND[..., ::-1], "not the likeliest"),
        (np.where(_SOUND > -0.5, np.nan, _SOUND), "not the logarithm of a probability"),
        (np.where(_SOUND > -0.5, 0.5, _SOUND), "not the logarithm of a probability"),
    ],
)
def test_probabilities_of_all_classes_have_their_shape_and_ranges(
    log_probs: np.ndarray, reason: str
) -> None:
    assert Predictions.from_bytes(_npz(_SOUND)).log_probs is not None
    with pytest.raises(ValueError, match=reason):
        Predictions.from_bytes(_npz(log_probs))
