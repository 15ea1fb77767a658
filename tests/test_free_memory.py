"""How much memory a process may still take: the narrowest of all that bound it."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from search.features.devices import free_memory

GB = 1 << 30


def _files(root: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def _free(root: Path, groups: str, texts: Mapping[str, str]) -> int | None:
    """In a system with 8 GB free."""
    system = {"meminfo": f"MemTotal: 1 kB\nMemAvailable: {8 * GB // 1024} kB\n"}
    _files(root / "proc", {**system, "self/cgroup": groups, "self/statm": "0 0"})
    _files(root / "groups", texts)
    return free_memory(root / "proc", root / "groups")


def _group(limit: str, used: int, files: int = 0) -> dict[str, str]:
    return {"memory.max": limit, "memory.current": str(used), "memory.stat": f"file {files}\n"}


def _in(folder: str, texts: Mapping[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in texts.items()}


def test_without_a_limit_it_is_what_the_system_has(tmp_path: Path) -> None:
    assert _free(tmp_path, "0::/job\n", _in("job", _group("max", GB))) == 8 * GB


def test_files_that_the_system_gives_back_are_free(tmp_path: Path) -> None:
    assert _free(tmp_path, "0::/job\n", _in("job", _group(str(4 * GB), 3 * GB, GB))) == 2 * GB


@pytest.mark.parametrize("narrow", ["batch", "batch/job", "batch/job/step"])
def test_any_group_above_its_own_may_be_the_narrowest(tmp_path: Path, narrow: str) -> None:
    wide = {
        name: text
        for folder in ("batch", "batch/job", "batch/job/step")
        for name, text in _in(folder, _group(str(7 * GB), 0)).items()
    }
    texts = wide | _in(narrow, _group(str(2 * GB), GB))
    assert _free(tmp_path, "0::/batch/job/step\n", texts) == GB


def test_groups_of_the_first_version_count(tmp_path: Path) -> None:
    own = {
        "memory.limit_in_bytes": str(3 * GB),
        "memory.usage_in_bytes": str(2 * GB),
        "memory.stat": f"cache 5\ntotal_cache {GB // 2}\n",
    }
    groups = "5:cpu,cpuacct:/other\n4:memory:/jobs/7\n0::/\n"
    assert _free(tmp_path, groups, _in("memory/jobs/7", own)) == GB + GB // 2


def test_a_group_that_is_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    assert _free(tmp_path, "0::/job\n", _in("job", _group(str(GB), 2 * GB))) == 0


def test_where_nobody_says_it_is_not_known(tmp_path: Path) -> None:
    assert free_memory(tmp_path, tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process its size")
def test_a_limit_of_its_own_counts() -> None:
    code = "from search.features.devices import free_memory; print(free_memory())"
    limited = f"ulimit -v 1000000; exec {sys.executable} -c '{code}'"
    told = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=True)
    assert 0 < int(told.stdout) < 1000000 * 1024
