"""The command line as people and scripts use it: statuses, streams, JSON, signals. Real
processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from pictures import write_folders

ROOT = Path(__file__).parent.parent
EXPERIMENT: dict[str, Any] = {
    "name": "tiny",
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {"rotation_range": {"min": 0, "max": 30}},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 8},
    "training": {"max_epochs": 2, "patience": 2, "batch_size": 128, "views": 1},
    "search": {"trials": 2},
    "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    "tracking": {"uri": None},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    return tmp_path


UNREACHABLE = (
    "http://127.0.0.1:9"  # no port of this machine answers there, so weights cannot be downloaded
)


def slow(value: str) -> Any:
    """A case of many like it, each of which starts programs."""
    return pytest.param(value, marks=pytest.mark.slow)


def _start(folder: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "AUGSEARCH_CACHE": str(folder / "cache"),
        "NO_COLOR": "1",
        **variables,
    }
    environment |= {
        "https_proxy": UNREACHABLE,
        "http_proxy": UNREACHABLE,
        "KERAS_HOME": str(folder / "keras"),
    }
    command = [sys.executable, str(ROOT / "run_search.py"), *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def _call(folder: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    process = _start(folder, *arguments, **variables)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def test_help_answers_and_names_every_command(folder: Path) -> None:
    status, out, _ = _call(folder, "--help")
    assert status == 0
    assert all(name in out for name in ("run", "check", "preview", "report", "schema"))


def test_the_version_is_the_project_s(folder: Path) -> None:
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert _call(folder, "--version") == (0, f"augsearch {version}\n", "")


def test_a_run_ends_with_0_and_one_json_object_and_again_says_it_is_finished(folder: Path) -> None:
    status, out, err = _call(folder, "run", "tiny.yaml", "--inline", "--json")
    assert status == 0, err
    assert json.loads(out)["outcome"] == "finished"
    status, out, err = _call(folder, "run", "tiny.yaml", "--json")
    assert (status, json.loads(out)["outcome"]) == (0, "already finished")
    (folder / "runs/tiny/report.html").unlink()
    assert _call(folder, "report", "runs/tiny")[0] == 0
    assert (folder / "runs/tiny/report.html").exists()


def test_a_mistake_in_the_file_is_one_line_and_status_2(folder: Path) -> None:
    status, out, err = _call(folder, "run", "tiny.yaml", "--set", "training.patiance=3")
    assert (status, out) == (2, "")
    assert err.splitlines() == [
        "error: tiny.yaml: training.patiance: unknown key; did you mean patience?"
    ]


def test_a_missing_file_and_an_unknown_command_are_status_2(folder: Path) -> None:
    assert _call(folder, "run", "nowhere.yaml")[0] == 2
    assert _call(folder, "dance")[0] == 2


@pytest.mark.slow
def test_a_search_whose_baseline_cannot_train_is_status_3_with_the_reason(folder: Path) -> None:
    status, _, err = _call(
        folder,
        "run",
        "tiny.yaml",
        "--inline",
        "--set",
        "model={backbone: mobilenet-v2}",
        "--set",
        "dataset.image_size=32",
    )
    assert status == 3
    assert "efficientnet-lite0" in err


def test_sigterm_stops_within_ten_seconds_with_75_and_the_same_command_resumes(
    folder: Path,
) -> None:
    arguments = ("run", "tiny.yaml", "--set", "search.trials=3", "--set", "training.max_epochs=12")
    process = _start(folder, *arguments)
    journal = folder / "runs/tiny/journal.jsonl"
    deadline = time.monotonic() + 120
    while not (journal.exists() and b'"told"' in journal.read_bytes()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert time.monotonic() - asked < 10
    told = journal.read_bytes().count(b'"type":"told"')
    status, _, err = _call(folder, *arguments)
    assert status == 0, err
    assert told < journal.read_bytes().count(b'"type":"told"') == 3 + 3


def test_the_schema_is_json(folder: Path) -> None:
    status, out, _ = _call(folder, "schema")
    assert status == 0
    assert json.loads(out)["type"] == "object"


def test_check_prints_the_plan_and_trains_nothing(folder: Path) -> None:
    status, out, err = _call(folder, "check", "tiny.yaml", "--json")
    assert status == 0, err
    plan = json.loads(out)
    assert (plan["trials"], plan["controls"]) == (2, 3)
    assert 0 < plan["detectable_effect"] < 1
    assert not (folder / "runs").exists()


def test_preview_writes_a_picture(folder: Path) -> None:
    status, out, err = _call(folder, "preview", "tiny.yaml", "--out", "sheet.png")
    assert (status, out) == (0, "sheet.png\n"), err
    assert (folder / "sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("encoding", ["cp1252:strict", slow("cp1252"), slow("ascii")])
def test_signs_that_the_output_cannot_hold_are_escaped(folder: Path, encoding: str) -> None:
    code = "ImageDataGenerator(rotation_range=30)"
    status, out, err = _call(
        folder, "import-idg", code, "--data", "日本😀", PYTHONIOENCODING=encoding
    )
    assert (status, err.count("Traceback")) == (0, 0), err
    assert yaml.safe_load(out)["dataset"]["path"] == "日本😀"
    status, _, err = _call(folder, "report", "日本", PYTHONIOENCODING=encoding)
    assert status == 2
    # Of ascii Click makes UTF-8.
    assert err.startswith(("error: \\u65e5\\u672c holds no", "error: 日本 holds no"))


@pytest.mark.slow
def test_json_is_json_whatever_the_output_can_hold(folder: Path) -> None:
    write_folders(
        folder / "photos",
        {
            f"{split}/{name}": 4
            for split in ("train", "validation", "test")
            for name in ("日本", "é😀")
        },
    )
    source = {"source": "folder", "path": "photos", "image_size": 8}
    (folder / "tiny.yaml").write_text(
        yaml.safe_dump({**EXPERIMENT, "dataset": source}), encoding="utf-8"
    )
    status, out, err = _call(folder, "check", "tiny.yaml", "--json", PYTHONIOENCODING="cp1252")
    assert status == 0, err
    assert sorted(json.loads(out)["dataset"]["class_names"]) == ["é😀", "日本"]


@pytest.mark.parametrize("tracking", ["localhost:5000", slow("mlruns")])
def test_check_refuses_an_address_that_run_refuses(folder: Path, tracking: str) -> None:
    for command in ("check", "run"):
        status, _, err = _call(folder, command, "tiny.yaml", "--set", f"tracking.uri={tracking}")
        assert status == 2
        assert err.startswith("error: tiny.yaml: tracking.uri: ")
        assert err.count("\n") == 1
