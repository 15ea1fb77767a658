"""What `execution.disk_gb` allows kept views to take: the policy untouched for longest goes
first."""

import contextlib
import errno
import shutil
from pathlib import Path

from data.files import StorageError


def make_room(views_dir: Path, budget: float, keep: Path, num_bytes: int) -> None:
    """Deletes whole policies until `num_bytes` more fit into `budget` bytes, oldest use first.

    `keep` stays. Raises StorageError where that alone is too much. A worker that was reading what
    is deleted goes on with what it has mapped, and computes again what it has not.
    """
    found = [_Folder(path) for path in views_dir.glob("*/*") if path.is_dir()]
    taken = sum(folder.num_bytes for folder in found)
    for folder in sorted(found, key=lambda each: each.touched):
        if taken + num_bytes <= budget:
            return
        if folder.path != keep:
            shutil.rmtree(folder.path, ignore_errors=True)
            taken -= folder.num_bytes
    if taken + num_bytes > budget:
        raise StorageError(
            errno.EDQUOT,
            f"execution.disk_gb is {budget / 1e9:g} and the views of one trial need more; they are "
            "computed again each time instead; raise disk_gb or lower training.views",
        )


class _Folder:
    """One policy's views as they were a moment ago; another worker may be deleting them."""

    def __init__(self, path: Path) -> None:
        self.path, self.num_bytes, self.touched = path, 0, 0.0
        with contextlib.suppress(FileNotFoundError):
            self.touched = path.stat().st_mtime
            for file in path.iterdir():
                self.num_bytes += file.stat().st_size
