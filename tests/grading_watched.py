"""Grades mutants of a bundle in this process and watches it: `python grading_watched.py BUNDLE
FOLDER COUNT EVERY` prints a line of JSON for each mutant, and one of the whole. Each EVERY-th is
graded to the end; the others without pictures and without repeating the search, which are two
seconds each. FOLDER is made here; beside the temporary files and the cache in it, nothing may be
written.
"""

import gc
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
NAMING = (
    "os.listdir",
    "os.scandir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.symlink",
    "os.link",
    "os.truncate",
)
STARTING = ("subprocess.Popen", "os.system", "socket.connect", "pickle.find_class")


class Watch:
    """What was done that may not be. Python cannot take an audit hook away; `is_on` says when it
    counts."""

    def __init__(self, planted: tuple[str, ...], writable: tuple[Path, ...]) -> None:
        self.is_on, self.found = False, list[str]()
        self._planted = tuple(os.path.realpath(each) for each in planted)
        self._writable = (*(os.path.realpath(each) for each in writable), "/dev/null")
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event in STARTING:
            self.found.append(f"{event} {arguments!r:.200}")
        if event not in ("open", *NAMING) or not isinstance(
            arguments[0], str | bytes | os.PathLike
        ):
            return
        # `shutil.rmtree` removes by a name in an open folder.
        folder = arguments[1] if event == "os.remove" else -1
        base = Path(f"/proc/self/fd/{folder}").readlink() if folder >= 0 else Path()
        path = os.path.realpath(base / os.fsdecode(arguments[0]))
        writes = event in NAMING[2:] or (event == "open" and bool(int(arguments[2] or 0) & WRITING))
        if path.startswith(self._planted) or (writes and not path.startswith(self._writable)):
            self.found.append(f"{event} {path!r}")


def tree(*folders: Path) -> dict[str, str]:
    """Every name below, with a hash of what is a file."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for folder in folders
        for path in sorted(folder.rglob("*"))
    }


def main(bundle: Path, folder: Path, count: int, every: int) -> None:
    cwd, decoy, temporary, cache = (folder / name for name in ("cwd", "decoy", "tmp", "cache"))
    for each in (cwd, decoy, temporary, cache):
        each.mkdir(parents=True)
    os.environ |= {"AUGSEARCH_CACHE": str(cache), "MPLCONFIGDIR": str(cache)}
    tempfile.tempdir = str(temporary)
    os.chdir(cwd)
    (decoy / "secret.keras").write_bytes(b"a secret")
    (decoy / "config.yaml").write_text("mine: true\n")
    os.mkfifo(decoy / "fifo")  # whoever opens it waits for ever
    secret = (str(decoy), str(folder / "escaped"), "/etc/passwd", "/dev/zero")
    planted = (
        *secret,
        str(decoy / "secret.keras"),
        str(decoy / "fifo"),
        "../../escaped",
        "../decoy/secret.keras",
    )
    from bundle_mutants import mutant
    from tampering import files_of

    from search.verification.grading import give_memory_back

    sound, path = files_of(bundle), folder / "mutant.zip"
    path.write_bytes(bundle.read_bytes())
    graded(path, True)  # loads what it needs and decodes the images
    gc.collect()
    gc.freeze()  # what is loaded stays, and need not be looked through after each bundle
    watch, before = Watch(secret, (temporary, cache)), tree(cwd, decoy)
    for number in range(count):
        what = mutant(sound, number, planted, path) if number else "left alone"
        held = resident_bytes()
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
        start, worked = time.monotonic(), time.process_time()
        watch.found, watch.is_on = [], True
        result = graded(path, number % every == 0)
        watch.is_on = False
        give_memory_back()  # as between the bundles of a folder
        left = [
            *map(str, temporary.iterdir()),
            *(["the watched folders"] if tree(cwd, decoy) != before else []),
        ]
        seconds = time.monotonic() - start
        line = {
            "number": number,
            "what": what,
            "seconds": seconds,
            "processor_seconds": time.process_time() - worked,
            "did": watch.found,
            "left": left,
            "held_bytes": held,
            "taken_bytes": resident_bytes("VmHWM") - held,
            **result,
        }
        print(json.dumps(line), flush=True)


def resident_bytes(what: str = "VmRSS") -> int:
    """What this process holds now, or held at most (VmHWM) since its mark was last put back."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def graded(path: Path, to_the_end: bool) -> dict[str, Any]:
    """As the command line has it."""
    from typer.testing import CliRunner

    from run_search import app

    with ExitStack() as stack:
        if not to_the_end:
            stack.enter_context(patch("search.verification.verify.rehearse", lambda *_: ()))
            stack.enter_context(patch("search.report.page.page_pictures", lambda *_: {}))
        done = CliRunner().invoke(app, ["verify", str(path), "--no-train", "--json"])
    crash = (
        repr(done.exception)
        if done.exception and not isinstance(done.exception, SystemExit)
        else ""
    )
    return {"status": done.exit_code, "crash": crash, "stdout": done.stdout, "stderr": done.stderr}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
