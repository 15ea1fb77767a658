"""The source `clothing`: clothing-dataset-small, 3781 photographs in 10 classes, CC0, found or
downloaded once.

It looks at `dataset.path`, the variable AUGSEARCH_CLOTHING and the cache, in this order. A download
is extracted without leaving its folder and checked, and only then gets its name.

urllib and not pooch, which checks the hash of an archive's own bytes: GitHub may make this one
again. What bounds the download and what is unpacked would be ours all the same.
"""

import http.client
import os
import shutil
import stat
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from data.errors import UserError
from data.files import new_folder
from data.folder import list_folder
from data.listing import Listing, reason_of
from data.messages import escaped
from data.scratch import scratch_folder
from data.settings import DatasetConfig

CHUNK_BYTES = 1 << 20
MOST_SECONDS = 1800.0  # of one download, which may trickle


@dataclass(frozen=True)
class Archive:
    """A .zip with one folder at its top, as GitHub makes them.

    content_sha256 is `content_checksum` of `folders`: the archive's own bytes may change when it is
    made again.
    """

    name: str
    url: str
    folders: tuple[str, ...]
    content_sha256: str
    max_bytes: int
    max_files: int
    advice: str


CLOTHING_VARIABLE = "AUGSEARCH_CLOTHING"
CLOTHING = Archive(
    name="clothing-dataset-small",
    url="https://github.com/alexeygrigorev/clothing-dataset-small/archive/refs/heads/master.zip",
    folders=("train", "validation", "test"),
    content_sha256="297dce0c2b9b4e3533abd57bbad296ae5ed3f93712356f067ca5739ca915bef5",
    max_bytes=400_000_000,
    max_files=10_000,
    advice=(
        "get it with `git clone https://github.com/alexeygrigorev/clothing-dataset-small` "
        f"and set dataset.path (or {CLOTHING_VARIABLE}) to the folder"
    ),
)


def list_clothing(config: DatasetConfig, cache_dir: Path) -> Listing:
    """List the photographs with the splits they come with. Raises UserError where they can neither
    be found nor fetched."""
    return list_folder(
        config.model_copy(update={"path": str(_found(config, cache_dir, CLOTHING))}), cache_dir
    )


def _found(config: DatasetConfig, cache_dir: Path, archive: Archive) -> Path:
    if config.path is not None:
        return Path(config.path)
    named = os.environ.get(CLOTHING_VARIABLE)
    if not named:
        return fetch(archive, cache_dir)
    if not Path(named).is_dir():
        raise UserError(f"{CLOTHING_VARIABLE} is {named}, which is not a folder; {archive.advice}")
    return Path(named).absolute()


def fetch(archive: Archive, cache_dir: Path, timeout_seconds: float = 30) -> Path:
    """The extracted and checked folder, below `cache_dir`; downloaded if it is not there yet.

    Raises UserError, with the archive's advice, where there is no network or the content is not
    what was pinned.
    """
    target = cache_dir / archive.name
    if target.is_dir():
        return target
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with scratch_folder(f".{archive.name}-", cache_dir) as scratch:
            packed = scratch / "archive.zip"
            _download(archive, packed, timeout_seconds)
            with new_folder(target, f"the images of {archive.name}") as unpacked:
                _extract(archive, packed, unpacked)
                _check_content(archive, unpacked)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"cannot keep {archive.name} in {cache_dir}: {reason_of(error)}") from error
    return target


def content_checksum(folder: Path, folders: Sequence[str]) -> str:
    """sha256 over "path, NUL, sha256 of the file, newline" of every file below `folders`, sorted by
    path."""
    digest = sha256()
    names = sorted(
        path.relative_to(folder).as_posix() for name in folders for path in _files(folder / name)
    )
    for name in names:
        file_digest = sha256((folder / name).read_bytes()).hexdigest()
        digest.update(f"{name}\0{file_digest}\n".encode())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _download(archive: Archive, target: Path, timeout_seconds: float) -> None:
    """Raises UserError where the network fails, for a body over `max_bytes` or a trickle over
    `MOST_SECONDS`."""
    deadline = time.monotonic() + MOST_SECONDS
    num_bytes = 0
    try:
        request = urllib.request.Request(archive.url, headers={"User-Agent": "augsearch"})
        with (
            urllib.request.urlopen(request, timeout=timeout_seconds) as reply,
            target.open("wb") as file,
        ):
            while chunk := reply.read1(CHUNK_BYTES):  # read() would wait for a whole chunk
                num_bytes += len(chunk)
                if num_bytes > archive.max_bytes or time.monotonic() > deadline:
                    raise TimeoutError(
                        f"stopped after {num_bytes} bytes, over {MOST_SECONDS:g} s or the size "
                        "expected"
                    )
                file.write(chunk)
            expected = reply.headers.get("Content-Length", "")
            if expected.isdigit() and int(expected) != num_bytes:
                raise http.client.IncompleteRead(b"", int(expected) - num_bytes)
    except (
        urllib.error.URLError,
        TimeoutError,
        ConnectionError,
        http.client.HTTPException,
    ) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the reply, and holds the connection
        reason = " ".join(str(getattr(error, "reason", "") or error).split())
        raise UserError(f"cannot download {archive.url} ({reason}); {archive.advice}") from error


def _extract(archive: Archive, packed: Path, target: Path) -> None:
    """Extract the files below the top folder. Raises UserError for a damaged archive or one that
    would leave `target`."""
    try:
        with zipfile.ZipFile(packed) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if (
                len(members) > archive.max_files
                or sum(m.file_size for m in members) > archive.max_bytes
            ):
                raise UserError(f"{archive.url} unpacks to more than is expected; {archive.advice}")
            for member in members:
                path = target / _inside(member, archive)
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, path.open("xb") as file:
                    # never more than file_size: zipfile sees to it
                    shutil.copyfileobj(source, file, CHUNK_BYTES)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,  # what zipfile raises for a compression that it does not know
        RuntimeError,
        FileExistsError,
    ) as error:
        raise UserError(
            f"{archive.url} is not a sound .zip ({reason_of(error)}); {archive.advice}"
        ) from error


def _inside(member: zipfile.ZipInfo, archive: Archive) -> Path:
    """The member's path without the top folder; raises UserError for links and for paths that could
    lead elsewhere."""
    parts = PurePosixPath(member.filename).parts
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    unsafe = any(
        part in ("..", "/") or "\\" in part or ":" in part or "\0" in part for part in parts
    )
    if is_link or unsafe or len(parts) < 2:
        raise UserError(
            f"{archive.url} is refused: {escaped(member.filename)} is a link or leaves the "
            "archive's folder"
        )
    return Path(*parts[1:])


def _check_content(archive: Archive, folder: Path) -> None:
    found = content_checksum(folder, archive.folders)
    if found != archive.content_sha256:
        raise UserError(
            f"{archive.url} holds other files than expected (sha256 {found[:16]}..., "
            f"expected {archive.content_sha256[:16]}...); {archive.advice}"
        )
