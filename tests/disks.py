"""Disks that refuse: full, read-only, a folder without permission. Tests are skipped where none can
be mounted."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A tmpfs of its own at the folder, which is made."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this machine cannot mount a tmpfs: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Takes all the space that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(folder).free:
            file.write(b"\1" * 4096)
    return filler


@contextmanager
def forbidden_folder() -> Iterator[Path]:
    """A folder that this process may enter and read, not write."""
    # pytest's own folders are closed to other users
    folder = Path(tempfile.mkdtemp(prefix="forbidden-"))
    folder.chmod(0o555)
    as_root = os.geteuid() == 0
    if as_root:
        os.seteuid(NOBODY)  # root may write anywhere
    try:
        yield folder
    finally:
        if as_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)
