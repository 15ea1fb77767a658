"""The `clothing` source: clothing-dataset-small, 3781 photographs of clothes in 10 classes (CC0),
found or downloaded.

Looks at `dataset.path`, the variable AUGSEARCH_CLOTHING and the cache, in this order, before it
downloads.
"""

import os
from pathlib import Path

from data.archives import Archive, fetch
from data.errors import UserError
from data.folder import list_folder
from data.listing import Listing
from data.settings import DatasetConfig

VARIABLE = "AUGSEARCH_CLOTHING"
CLOTHING = Archive(
    name="clothing-dataset-small",
    url="https://github.com/alexeygrigorev/clothing-dataset-small/archive/refs/heads/master.zip",
    folders=("train", "validation", "test"),
    content_sha256="297dce0c2b9b4e3533abd57bbad296ae5ed3f93712356f067ca5739ca915bef5",
    max_bytes=400_000_000,
    max_files=10_000,
    advice=(
        "get it with `git clone https://github.com/alexeygrigorev/clothing-dataset-small` "
        f"and set dataset.path (or {VARIABLE}) to the folder"
    ),
)


def list_clothing(config: DatasetConfig, cache_dir: Path) -> Listing:
    """List the photographs with the splits they come with. Raises UserError where they can neither
    be found nor fetched.
    """
    return list_folder(
        config.model_copy(update={"path": str(_found(config, cache_dir, CLOTHING))}), cache_dir
    )


def _found(config: DatasetConfig, cache_dir: Path, archive: Archive) -> Path:
    if config.path is not None:
        return Path(config.path)
    named = os.environ.get(VARIABLE)
    if not named:
        return fetch(archive, cache_dir)
    if not Path(named).is_dir():
        raise UserError(f"{VARIABLE} is {named}, which is not a folder; {archive.advice}")
    return Path(named).absolute()
