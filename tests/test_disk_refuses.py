"""A disk that is full, read-only or forbidden, wherever a search writes: one line that says what to
do; and then it goes on."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from disks import fill, forbidden_folder, mounted, remount
from killing import runs_in_store
from small_search import after, table_of
from stand_ins import make_spec, resources_in, run
from typer.testing import CliRunner

from data.dataset import open_dataset
from data.errors import UserError
from data.files import StorageError
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.driver.experiment_file import parse_config
from search.driver.session import SessionOptions, run_search
from search.execution.engine import EngineOptions
from search.execution.local_engine import LocalEngine
from search.experiment.config import ExperimentConfig
from search.journal.state import SearchResult

pytestmark = [
    # MLflow's own call of SQLAlchemy, which is right until SQLAlchemy takes it away.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    # Said of MLflow's own types while it imports them.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

FAULTS = {"full": "size=16k", "read-only": "ro,size=200m"}
CAUSES = {"full": "the disk is full", "read-only": "the file system is read-only"}


def config_of(finished_run: Path, folder: Path, tracking: str | None = None) -> ExperimentConfig:
    """The experiment of `finished_run`, with a cache below the folder."""
    config = yaml.safe_load((finished_run / "config.yaml").read_text())
    config["execution"]["cache_dir"] = str(folder / "cache")
    config["tracking"]["uri"] = tracking
    return parse_config(config, "test")


def search(config: ExperimentConfig, folder: Path, progress: Any = None) -> SearchResult:
    return run_search(config, folder / "run", progress, SessionOptions(inline=True))


def broken(folder: Path, fault: str) -> None:
    """The disk at the folder is full from now on, or read-only."""
    if fault == "full":
        fill(folder)


def mended(folder: Path) -> None:
    remount(folder, "rw,size=200m")
    (folder / "filler").unlink(missing_ok=True)


def assert_says(error: str, what: str, fault: str) -> None:
    assert "\n" not in error
    assert error.startswith(f"cannot write {what} (")
    assert CAUSES[fault] in error
    assert "Kept: " in error
    assert "then run the same command again." in error


def test_a_run_directory_that_fills_up_keeps_what_was_told_and_the_search_goes_on_after(
    finished_run: Path, tmp_path: Path
) -> None:
    config = config_of(finished_run, finished_run.parent)
    with mounted(tmp_path / "run", "size=200m") as folder:
        with pytest.raises(StorageError) as caught:
            search(config, tmp_path, after(5, lambda: fill(folder)))
        assert "\n" not in str(caught.value)
        assert "the disk is full. Kept: " in str(caught.value)
        assert (folder / "journal.jsonl").read_text().count('"type":"told"') == 5
        mended(folder)
        assert search(config, tmp_path).outcome == "finished"
        assert table_of(folder) == table_of(finished_run)


def test_the_command_line_says_it_in_one_line_with_status_2(
    finished_run: Path, tmp_path: Path
) -> None:
    experiment = tmp_path / "small.yaml"
    config = yaml.safe_load((finished_run / "config.yaml").read_text())
    experiment.write_text(yaml.safe_dump(config))
    arguments = ["run", str(experiment), "--run-dir", str(tmp_path / "run"), "--inline"]
    with mounted(tmp_path / "run", "ro,size=16k") as folder:
        answer = CliRunner().invoke(app, arguments)
        assert answer.exit_code == BAD_INPUT
        assert answer.stderr.count("\n") == 1
        assert_says(answer.stderr.strip().removeprefix("error: "), "the lock", "read-only")
        mended(folder)
        assert CliRunner().invoke(app, arguments).exit_code == DONE
        assert table_of(folder) == table_of(finished_run)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["full", "read-only"])
@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("cache/decoded", "the decoded images"),
        ("run/predictions", "00000.npz"),
        ("run/heads", "a head's weights"),
        ("run/previews", "a contact sheet"),
        ("run/model", "the winning model"),
        ("run/figures", "a figure"),
    ],
)
def test_what_a_search_cannot_do_without_ends_it_and_it_goes_on_after(
    finished_run: Path, tmp_path: Path, place: str, what: str, fault: str
) -> None:
    config = config_of(finished_run, tmp_path)
    if not place.startswith("cache"):
        shutil.copytree(finished_run.parent / "cache", tmp_path / "cache")
    with mounted(tmp_path / place, FAULTS[fault]) as folder:
        broken(folder, fault)
        with pytest.raises((StorageError, ValueError)) as caught:
            search(config, tmp_path)
        if place == "cache/decoded" and fault == "full":
            assert "free some space or choose another cache folder" in str(caught.value)
        else:
            assert_says(str(caught.value), what, fault)
        mended(folder)
        assert search(config, tmp_path).outcome in ("finished", "already finished")
        assert table_of(tmp_path / "run") == table_of(finished_run)
        assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["full", "read-only"])
@pytest.mark.parametrize("place", ["cache/features", "cache/openvino", "run/views"])
def test_without_a_cache_a_search_goes_on_and_comes_to_the_same(
    finished_run: Path, tmp_path: Path, place: str, fault: str
) -> None:
    with mounted(tmp_path / place, FAULTS[fault]) as folder:
        broken(folder, fault)
        assert search(config_of(finished_run, tmp_path), tmp_path).outcome == "finished"
    assert table_of(tmp_path / "run") == table_of(finished_run)


@pytest.mark.slow
def test_mlflow_on_a_disk_that_takes_nothing_is_refused_before_anything_is_spent(
    finished_run: Path, tmp_path: Path
) -> None:
    address = f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}"
    config = config_of(finished_run, finished_run.parent, address)
    with mounted(tmp_path / "store", FAULTS["read-only"]) as folder:
        broken(folder, "read-only")
        with pytest.raises(UserError, match="cannot be written to; write another file"):
            search(config, tmp_path)


@pytest.mark.slow
def test_mlflow_without_room_on_its_disk_is_named_and_sent_to_later(
    finished_run: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store" / "mlflow.db"
    config = config_of(finished_run, finished_run.parent, f"sqlite:///{store}")
    with mounted(tmp_path / "store", FAULTS["full"]) as folder:
        broken(folder, "full")
        result = search(config, tmp_path)
        assert result.outcome == "finished"
        assert "not sent to MLflow" in str(result.tracking)
        assert table_of(tmp_path / "run") == table_of(finished_run)
        mended(folder)
        assert search(config, tmp_path).outcome == "already finished"
        shown = runs_in_store(store)
    assert len(shown["versions"]) == 1
    assert {shown[trial][0] for trial in shown if trial != "versions"} == {"FINISHED"}
    assert set(shown) == {
        *(str(record.trial) for record in result.state.records),
        "search",
        "versions",
    }


def test_a_log_that_cannot_grow_stops_the_search_until_it_can(tmp_path: Path) -> None:
    with (
        mounted(tmp_path / "logs", "size=16k") as folder,
        LocalEngine(
            EngineOptions(resources_in(tmp_path), tmp_path, run, retries=0, warm_imports=())
        ) as engine,
    ):
        assert engine.submit(make_spec("complete")).result(timeout=60).result.status == "completed"
        fill(folder)
        # The log's last block has a little room left.
        futures = [engine.submit(make_spec("complete", view_seed=seed)) for seed in range(100)]
        errors = [error for future in futures if (error := future.exception(timeout=60))]
        assert {type(error) for error in errors} == {StorageError}
        assert_says(str(errors[0]), "a trial's files", "full")
        mended(folder)
        assert engine.submit(make_spec("complete")).result(timeout=60).result.status == "completed"


def test_a_forbidden_folder_is_named_for_what_it_was_to_hold(finished_run: Path) -> None:
    config = yaml.safe_load((finished_run / "config.yaml").read_text())
    with forbidden_folder() as folder:
        for place, what in (("run", "the run directory"), (".", "the lock")):
            with pytest.raises(
                StorageError, match=f"cannot write {what} .*permission denied"
            ) as caught:
                run_search(parse_config(config, "test"), folder / place)
            assert "\n" not in str(caught.value)
        config["execution"]["cache_dir"] = str(folder / "cache")
        with pytest.raises(
            StorageError, match=r"cannot write the decoded images .*permission denied"
        ):
            open_dataset(parse_config(config, "test").dataset, folder / "cache", 0)
        assert list(folder.iterdir()) == []


def test_a_stop_while_images_are_decoded_leaves_nothing_half_written(
    finished_run: Path, tmp_path: Path
) -> None:
    stop = threading.Event()
    stop.set()
    config = config_of(finished_run, tmp_path)
    stopped = run_search(config, tmp_path / "run", options=SessionOptions(inline=True, stop=stop))
    assert (stopped.outcome, stopped.state.opened) == ("stopped", None)
    assert not list((tmp_path / "cache").rglob("*.images"))
    assert not list(tmp_path.rglob(".tmp-*"))
    assert search(config, tmp_path).outcome == "finished"
