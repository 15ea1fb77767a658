"""The recipes of docs/batch.md, played: Slurm's SIGTERM and requeue, a Job's restarts, cron's
overlap."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from killing import ROOT, Place
from processes import wait_until
from small_search import EXPERIMENT, table_of

TEXT = (ROOT / "docs" / "batch.md").read_text()


@pytest.fixture
def place(finished_run: Path, tmp_path: Path) -> Place:
    """A folder whose `.venv/bin/python`, `run_search.py` and `photos.yaml` are what the recipes
    call."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "run_search.py").symlink_to(ROOT / "run_search.py")
    cache = {"cache_dir": str(finished_run.parent / "cache")}
    experiment = {**EXPERIMENT, "tracking": {"uri": None}, "execution": cache}
    (tmp_path / "photos.yaml").write_text(yaml.safe_dump(experiment))
    return Place(tmp_path)


def command_in(fence: str) -> str:
    """The text of the first block of that kind in the recipes."""
    found = re.search(rf"```{fence}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def has_told(run_dir: Path) -> bool:
    journal = run_dir / "journal.jsonl"
    return journal.exists() and b'"told"' in journal.read_bytes()


@pytest.mark.slow
def test_slurm_stops_it_before_the_limit_and_the_job_puts_itself_back(
    place: Place, finished_run: Path
) -> None:
    """`srun` here starts the step in a group of its own, as Slurm does, and passes its status
    on."""
    run_dir = place.folder / "shared" / "photos"
    program(place.folder / "srun", '#!/bin/sh\nsetsid "$@" & echo $! > step\nwait $!\n')
    program(place.folder / "scontrol", '#!/bin/sh\necho "$@" >> requeued\n')
    program(
        place.folder / "job.sh", command_in("bash").replace("/shared/runs/photos", str(run_dir))
    )
    paths = f"{place.folder}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, "SLURM_JOB_ID": "17"}
    job = subprocess.Popen(["bash", "job.sh"], cwd=place.folder, env=environment)
    assert wait_until(lambda: has_told(run_dir), 120)
    # --signal=TERM@60: to the step
    os.killpg(int((place.folder / "step").read_text()), signal.SIGTERM)
    job.wait(timeout=20)
    assert (place.folder / "requeued").read_text() == "requeue 17\n"
    again = subprocess.run(["bash", "job.sh"], cwd=place.folder, env=environment, check=False)
    assert again.returncode != 75
    assert (place.folder / "requeued").read_text() == "requeue 17\n"
    assert table_of(run_dir) == table_of(finished_run)


@pytest.mark.slow
def test_a_job_that_is_restarted_on_failure_comes_to_its_end(
    place: Place, finished_run: Path
) -> None:
    """As the kubelet does: SIGTERM, SIGKILL after the grace period; a pod that ended with another
    status than 0 is started again."""
    container = yaml.safe_load(command_in("yaml"))["spec"]["template"]["spec"]
    assert container["restartPolicy"] == "OnFailure"
    run_dir = place.folder / "runs" / "photos"
    command = [
        str(part).replace("/runs/photos", str(run_dir))
        for part in container["containers"][0]["command"]
    ]
    command[0] = sys.executable
    statuses = []
    for number in (signal.SIGTERM, signal.SIGKILL, None):
        pod = subprocess.Popen(command, cwd=place.folder)
        if number is not None:
            assert wait_until(lambda: has_told(run_dir), 120)
            pod.send_signal(number)
            statuses.append(pod.wait(timeout=container["terminationGracePeriodSeconds"]))
        else:
            statuses.append(pod.wait(timeout=240))
    assert statuses == [75, -signal.SIGKILL, 0]
    assert table_of(run_dir) == table_of(finished_run)


@pytest.mark.slow
def test_cron_starts_it_again_while_it_runs_and_after_it_ended(
    place: Place, finished_run: Path
) -> None:
    found = re.search(r"^0 \* \* \* \* cd \S+ && (.*)$", TEXT, re.MULTILINE)
    assert found is not None
    line = ["sh", "-c", found[1]]
    first = subprocess.Popen(line, cwd=place.folder)
    run_dir = place.folder / "runs" / "small"
    assert wait_until(lambda: (run_dir / "journal.jsonl").exists(), 120)
    assert subprocess.run(line, cwd=place.folder, check=False).returncode == 2
    assert "is in use by another search" in (place.folder / "photos.log").read_text()
    assert first.wait(timeout=240) == 0
    journal = (run_dir / "journal.jsonl").read_bytes()
    assert subprocess.run(line, cwd=place.folder, check=False).returncode == 0
    assert (run_dir / "journal.jsonl").read_bytes() == journal
    assert table_of(run_dir) == table_of(finished_run)
