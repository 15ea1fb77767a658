"""The pictures of `dashboard.md`: MLflow's own dashboard in a real Chromium, showing a finished
search. They are kept in the repository, since a server, a browser and a search make them:

    python -m docs.generate.dashboard_pictures runs/quickstart
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search.report.dashboard import TRAINING, read_dashboard, saved_view_link

IMAGES = Path(__file__).parent.parent / "images"
PORT = 5099
WIDTH, HEIGHT = 1320, 760  # pixels of the window
HEIGHTS = {"mlflow-charts": 1900, "mlflow-experiment": 640}  # where it is another
SHOWN_WIDTH = 1000  # pixels of the picture that is kept
COLOURS = 256
SECONDS = 120


def main(run_dir: Path) -> None:
    """Sends the search to a store of its own, opens every view, and keeps its picture."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(shutil.copytree(run_dir, Path(folder) / "runs" / run_dir.name))
        store = f"sqlite:///{folder}/mlflow.db"
        command = [sys.executable, str(Path("run_search.py").resolve()), "sync"]
        relative = run.relative_to(folder)
        subprocess.run([*command, str(relative), "--uri", store], check=True, cwd=folder)
        with serving(store, Path(folder)) as address:
            for name, picture in pictures(address, run).items():
                (IMAGES / f"{name}.png").write_bytes(picture)


@contextmanager
def serving(store: str, folder: Path) -> Iterator[str]:
    """A server of the store, and its address."""
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(PORT), "--workers", "1"]
    quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    quiet["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--backend-store-uri", store], env=quiet, stdout=log, stderr=log, cwd=folder
        )
    address = f"http://127.0.0.1:{PORT}"
    try:
        _wait_for(f"{address}/health")
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def pictures(address: str, run: Path) -> dict[str, bytes]:
    """By name, as PNG."""
    from playwright.sync_api import sync_playwright

    shown = {}
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (link, ready) in _views(address, run).items():
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHTS.get(name, HEIGHT)})
            page.set_default_timeout(1000 * SECONDS)
            page.goto(f"{address}/{link}")
            _tidy(page, ready)
            shown[name] = _smaller(page.screenshot())
            page.close()
        browser.close()
    return shown


def _views(address: str, run: Path) -> dict[str, tuple[str, str]]:
    """Per picture its link, and a text that stands there once it is drawn."""
    place = read_dashboard(run)
    assert place is not None, "it was sent just now"
    confirmed = _runs(address, place.experiment, "tags.`augsearch.kind` = 'confirm'")
    trial = next(each for each in confirmed if "HELPS" in json.dumps(each["data"]["tags"]))
    experiment = f"#/experiments/{place.experiment}"
    link, name = saved_view_link(place.experiment, place.view), run.name
    return {
        "mlflow-experiment": (f"{experiment}/runs?{TRAINING}", "Which augmentations help"),
        "mlflow-runs": (link, "NO EVIDENCE"),
        "mlflow-charts": (f"{link}&compareRunsMode=CHART", "Parallel Coordinates"),
        "mlflow-trial": (f"{experiment}/runs/{trial['info']['run_id']}?{TRAINING}", "HELPS"),
        "mlflow-model": (f"#/models/{name}/versions/1?{TRAINING}", "Its augmentation as code"),
    }


def _runs(address: str, experiment: str, which: str) -> list[dict[str, Any]]:
    asked = json.dumps({"experiment_ids": [experiment], "filter": which}).encode()
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/runs/search", asked, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        found: list[dict[str, Any]] = json.load(answer)["runs"]
    return found


def _tidy(page: Any, ready: str) -> None:
    """Waits until it is drawn; closes MLflow's assistant, and opens the description."""
    page.get_by_text(ready).first.wait_for()
    page.wait_for_timeout(5000)  # charts have no sign of being drawn
    assistant = page.get_by_role("button", name="Close")
    if assistant.count():
        assistant.first.click()
    more = "[data-component-id='mlflow.experiment.metadata_editor.expand_button']"
    if ready == "Which augmentations help":
        page.locator(more).click()
    page.wait_for_timeout(3000)


def _smaller(picture: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((SHOWN_WIDTH, 4 * SHOWN_WIDTH), Image.Resampling.LANCZOS)
    few = image.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
