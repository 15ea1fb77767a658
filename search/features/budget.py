"""Which kept views go first where `execution.disk_gb` is full. The search says in small files beside them which policies later trials
may want (`mark`), and a worker that needs room (`make_room`) reads that; a policy of which nothing is said is wanted by nobody.
"""

import contextlib
import errno
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.files import StorageError, make_folder, write_atomically

RUNNING = 1_000_000  # uses: a trial that runs reads its views every epoch
_MARKS = "wanted"


def policy_name(augmentation: Mapping[str, Any]) -> str:
    """Begins the name of each folder with views of this policy, whatever computed them."""
    content = json.dumps(dict(augmentation), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def mark(views_dir: Path, seed: int, augmentation: Mapping[str, Any], uses: int) -> None:
    """Says how many later trials may want the views of a policy drawn from this seed. Raises StorageError."""
    path = views_dir / _MARKS / f"{seed}-{policy_name(augmentation)}"
    if uses <= 0:
        path.unlink(missing_ok=True)
        return
    make_folder(path.parent, "the folder of wanted views")
    write_atomically(path, str(uses), "a mark of wanted views")  # a worker reads the old number or the new


def make_room(views_dir: Path, budget: float, keep: Path, num_bytes: int) -> None:
    """Deletes whole policies until `num_bytes` more fit into `budget` bytes: first those that no later trial wants, then those that
    the fewest may want, of these the one untouched for longest.

    `keep` stays, and so does what other trials are running on. Raises StorageError where that alone is too much. A worker that was
    reading what is deleted goes on with what it has mapped, and computes again what it has not.
    """
    found = [_Folder(path, views_dir) for path in views_dir.glob("*/*") if path.is_dir()]
    taken = sum(folder.num_bytes for folder in found)
    for folder in sorted(found, key=lambda each: (each.uses, each.touched)):
        if taken + num_bytes <= budget:
            return
        if folder.path != keep and folder.uses < RUNNING:
            shutil.rmtree(folder.path, ignore_errors=True)
            taken -= folder.num_bytes
    if taken + num_bytes > budget:
        raise StorageError(
            errno.EDQUOT,
            f"execution.disk_gb is {budget / 1e9:g} and the views of the trials that run need more; they are computed again "
            "each time instead; raise disk_gb or lower training.views",
        )


class _Folder:
    """One policy's views as they were a moment ago; another worker may be deleting them."""

    def __init__(self, path: Path, views_dir: Path) -> None:
        self.path, self.num_bytes, self.touched, self.uses = path, 0, 0.0, 0
        with contextlib.suppress(FileNotFoundError):
            self.touched = path.stat().st_mtime
            for file in path.iterdir():
                self.num_bytes += file.stat().st_size
        mark = views_dir / _MARKS / f"{path.parent.name}-{path.name.partition('-')[0]}"
        with contextlib.suppress(FileNotFoundError):
            self.uses = int(mark.read_text())
