"""A search handed to a Ray cluster as a job, program and all, as `docs/cluster.md` has it. Minutes:
marked slow."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")

from cluster_search import ROOT, table, write_experiment
from ray_cluster import ray_cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_submitted_job_gives_the_local_leaderboard(
    tmp_path: Path, local_leaderboard: list[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(ROOT / "run_search.py", work)
    for package in ("search", "data"):
        shutil.copytree(
            ROOT / package, work / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    write_experiment(work, {"engine": "ray", "workers": 2})
    command = [
        sys.executable,
        "run_search.py",
        "run",
        "experiment.yaml",
        "--run-dir",
        str(tmp_path / "run"),
    ]
    with ray_cluster(tmp_path, dashboard=True) as cluster:
        for name in ("first", "second"):
            cluster.add(name, has_code=False)
        submit = [
            str(Path(sys.executable).parent / "ray"),
            "job",
            "submit",
            "--address",
            cluster.dashboard,
        ]
        ended = subprocess.run(
            [*submit, "--working-dir", str(work), "--", *command],
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-2000:]
    assert "succeeded" in ended.stdout + ended.stderr
    assert table(tmp_path) == local_leaderboard
