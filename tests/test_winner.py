"""The winning model where address space is limited: built in a process of its own, which may end
without ending the search."""

import json
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest

from data.dataset import Dataset, open_dataset
from data.errors import UserError
from search.driver import winner
from search.driver.experiment_file import parse_config
from search.driver.prepare import resources_of
from search.experiment.seeds import derive_seed
from search.experiment.trial import Resources
from search.journal.journal_file import read
from search.journal.state import SearchState, replay

Search = tuple[SearchState, Dataset, Resources, Path]


def abort(*_: Any) -> None:
    """As TensorFlow does where it cannot start a thread."""
    os.abort()


@pytest.fixture
def limited_search(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    """A finished search without its model, on a machine that says so many bytes are allowed."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (3 << 30, 3 << 30))
    run_dir = tmp_path / "run"
    shutil.copytree(finished_run, run_dir)
    shutil.rmtree(run_dir / "model")
    state = replay(read(run_dir / "journal.jsonl")[0])
    assert state.opened is not None
    config = parse_config(state.opened.config, "finished_run")
    resources = resources_of(config, run_dir)
    seed = derive_seed(config.seed, "split")
    return state, open_dataset(config.dataset, resources.cache_dir, seed, 1), resources, run_dir


def test_a_process_of_its_own_builds_the_same_model(
    limited_search: Search, finished_run: Path
) -> None:
    import keras
    import numpy as np

    state, dataset, resources, run_dir = limited_search
    winner.build_winner(state, dataset, resources, run_dir)
    assert winner.stored_winner(state, run_dir) is not None
    assert (run_dir / "logs" / "winner.log").exists()
    images = np.asarray(dataset.images[:20])
    models = (keras.models.load_model(each / winner.MODEL_FILE) for each in (run_dir, finished_run))
    ours, theirs = (np.asarray(model(images)) for model in models)
    assert np.array_equal(ours, theirs)
    assert json.loads((run_dir / winner.CLASSES_FILE).read_text()) == list(dataset.class_names)


def test_a_process_that_aborts_is_one_line_and_leaves_no_model(
    limited_search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, dataset, resources, run_dir = limited_search
    monkeypatch.setattr(winner, "_save_with", abort)
    with pytest.raises(UserError, match=r"limited to 3145728 kB \(ulimit -v\)\. Raise the limit"):
        winner.build_winner(state, dataset, resources, run_dir)
    assert winner.stored_winner(state, run_dir) is None
