"""A data set is downloaded once, from a server on loopback here; nothing but the pinned content is
ever kept."""

import os
import socket
import stat
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from pictures import encoded, picture

from data.clothing import CLOTHING, CLOTHING_VARIABLE, Archive, content_checksum, fetch
from data.dataset import list_images
from data.errors import UserError
from data.settings import DatasetConfig

FOLDERS = ("train/hat", "train/shoe", "test/hat", "test/shoe")
FILES = {
    f"repo-main/{folder}/1.png": encoded(picture(i), "PNG") for i, folder in enumerate(FOLDERS)
}


def packed(files: Mapping[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Answers every request with `status` and `body`, cut after `sent` bytes; a negative `sent`
    answers nothing."""

    status, body, sent, num_requests = 200, b"", 1 << 30, 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.num_requests += 1
        if self.server.sent < 0:
            self.rfile.read(1)  # until the client gives up
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body[: self.server.sent])

    def log_message(self, format: str, *args: object) -> None:
        return  # the test's output is no place for an access log


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.body = packed(FILES)
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def archive(server: Server, tmp_path: Path) -> Archive:
    for name, content in FILES.items():
        path = tmp_path / "made" / Path(*Path(name).parts[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Archive(
        name="tiny",
        url=f"http://127.0.0.1:{server.server_port}/main.zip",
        folders=("train", "test"),
        content_sha256=content_checksum(tmp_path / "made", ("train", "test")),
        max_bytes=100_000,
        max_files=10,
        advice="clone it instead",
    )


def refusal(archive: Archive, cache: Path) -> str:
    """The message; nothing may be left behind."""
    with pytest.raises(UserError) as caught:
        fetch(archive, cache, timeout_seconds=0.3)
    assert not list(cache.iterdir())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_is_downloaded_checked_and_named_once(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    folder = fetch(archive, cache)
    assert folder == cache / "tiny"
    assert sorted(path.name for path in cache.iterdir()) == ["tiny"]
    assert (folder / "train" / "hat" / "1.png").read_bytes() == FILES["repo-main/train/hat/1.png"]
    assert fetch(archive, cache) == folder
    assert server.num_requests == 1


def test_another_content_is_refused(server: Server, archive: Archive, tmp_path: Path) -> None:
    server.body = packed(FILES | {"repo-main/train/hat/1.png": b"altered"})
    assert "holds other files than expected" in refusal(archive, tmp_path / "cache")


def test_files_outside_the_class_folders_may_change(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    server.body = packed(FILES | {"repo-main/README.md": b"a new one"})
    assert fetch(archive, tmp_path / "cache").is_dir()


@pytest.mark.parametrize(
    "name",
    [
        "repo-main/../../evil.png",
        "/etc/evil.png",
        "../evil.png",
        "repo-main/..\\..\\evil.png",
        "repo-main/C:/evil.png",
    ],
)
def test_a_member_that_leaves_the_folder_is_refused(
    server: Server, archive: Archive, tmp_path: Path, name: str
) -> None:
    server.body = packed(FILES | {name: b"evil"})
    assert "is a link or leaves the archive's folder" in refusal(archive, tmp_path / "cache")
    assert not list(tmp_path.rglob("evil*"))


def test_a_link_in_the_archive_is_refused(server: Server, archive: Archive, tmp_path: Path) -> None:
    buffer = BytesIO(packed(FILES))
    with zipfile.ZipFile(buffer, "a") as opened:
        link = zipfile.ZipInfo("repo-main/train/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    server.body = buffer.getvalue()
    assert "is a link or leaves" in refusal(archive, tmp_path / "cache")


def test_an_archive_that_unpacks_to_too_much_is_refused(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("repo-main/train/hat/1.png", b"\0" * 10_000_000)
    server.body = buffer.getvalue()
    assert "unpacks to more than is expected" in refusal(archive, tmp_path / "cache")


def test_a_body_larger_than_expected_is_cut_off(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    server.body = b"x" * 200_000
    assert "stopped after" in refusal(archive, tmp_path / "cache")


@pytest.mark.parametrize("status", [404, 500])
def test_an_answer_that_is_an_error_is_told_with_the_advice(
    server: Server, archive: Archive, tmp_path: Path, status: int
) -> None:
    server.status = status
    message = refusal(archive, tmp_path / "cache")
    assert "cannot download" in message
    assert "clone it instead" in message


@pytest.mark.parametrize("sent", [0, 100, -1])
def test_a_connection_that_breaks_off_or_hangs_is_told(
    server: Server, archive: Archive, tmp_path: Path, sent: int
) -> None:
    server.sent = sent
    assert "cannot download" in refusal(archive, tmp_path / "cache")


@pytest.mark.parametrize("body", [b"", b"<html>log in first</html>", packed(FILES)[:-30]])
def test_a_body_that_is_no_archive_is_refused(
    server: Server, archive: Archive, tmp_path: Path, body: bytes
) -> None:
    server.body = body
    assert "is not a sound .zip" in refusal(archive, tmp_path / "cache")


def test_no_network_is_told_with_the_advice(archive: Archive, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/main.zip"
        message = refusal(replace(archive, url=url), tmp_path / "cache")
    assert "Connection refused" in message
    assert "clone it instead" in message


def test_a_cache_that_cannot_be_made_is_told(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot keep tiny"):
        fetch(archive, tmp_path / "file" / "cache")


def test_clothing_is_looked_for_at_its_path_then_by_the_variable_then_in_the_cache(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, cache = tmp_path / "made", tmp_path / "cache"
    (made / "test").rename(made / "validation")
    monkeypatch.delenv(CLOTHING_VARIABLE, raising=False)
    (cache / CLOTHING.name).parent.mkdir()
    (cache / CLOTHING.name).symlink_to(made)
    assert len(list_images(DatasetConfig(source="clothing"), cache).names) == 4
    monkeypatch.setenv(CLOTHING_VARIABLE, str(made))
    assert len(list_images(DatasetConfig(source="clothing"), tmp_path / "none").names) == 4
    monkeypatch.setenv(CLOTHING_VARIABLE, str(tmp_path / "nowhere"))
    assert (
        len(list_images(DatasetConfig(source="clothing", path=str(made)), tmp_path / "none").names)
        == 4
    )
    with pytest.raises(
        UserError, match=f"{CLOTHING_VARIABLE} is .*nowhere, which is not a folder; get it with"
    ):
        list_images(DatasetConfig(source="clothing"), cache)


def test_the_pinned_checksum_is_that_of_the_photographs() -> None:
    beside = Path(__file__).parents[2] / "shared" / "datasets" / "clothing"
    folder = Path(os.environ.get(CLOTHING_VARIABLE) or beside)
    if not folder.is_dir():
        pytest.skip(f"clothing-dataset-small is neither at {CLOTHING_VARIABLE} nor at {beside}")
    assert content_checksum(folder, CLOTHING.folders) == CLOTHING.content_sha256
    listing = list_images(DatasetConfig(source="clothing", path=str(folder)), folder)
    assert [int((listing.splits == split).sum()) for split in (0, 1, 2)] == [3068, 341, 372]
    assert len(listing.class_names) == 10
