"""MLflow's dashboard in a real Chromium: what a person looks for is where they look for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from servers import MlflowServer
from states import make_state

from search.tracking.mlflow_values import Winner
from search.tracking.tracker import Tracker

pytestmark = [
    # Keras reads a TensorFlow variable in the way of NumPy 1.
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
    ),
    # Said of MLflow's own types while it imports them.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
SECONDS = 60


@dataclass(frozen=True)
class Seen:
    """A browser's page, and where the search's runs are in the dashboard."""

    page: Any
    address: str
    experiment: str
    parent: str
    trial: str
    view: str

    def open(self, address: str) -> Any:
        self.page.goto(address)
        return self.page


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1440, "height": 1200})
    page.set_default_timeout(SECONDS * 1000)
    yield page
    page.close()


@pytest.fixture(scope="module")
def seen(
    page: Any,
    mlflow_server: MlflowServer,
    colour_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Seen:
    """A finished search in the dashboard, with a figure and a contact sheet."""
    from mlflow import MlflowClient

    run_dir = tmp_path_factory.mktemp("digits")
    for name in ("figures/forest.png", "previews/3.png"):
        (run_dir / name).parent.mkdir()
        Image.fromarray(np.full((60, 90, 3), 200, np.uint8)).save(run_dir / name)
    (run_dir / "report.html").write_text(
        "<!doctype html><title>x</title><h1>The page of the search</h1>"
    )
    state = make_state(search_id="dashboard", num_epochs=20)
    assert Tracker(mlflow_server.address, "dashboard", run_dir).project(state).unsent == 0
    winner = Winner(
        colour_model, ("blue", "green", "red"), np.zeros((1, 8, 8, 3), np.uint8), "dashboard"
    )
    assert not Tracker(mlflow_server.address, "dashboard", run_dir).log_winner(state, winner).reason
    client = MlflowClient(mlflow_server.address)
    found = client.get_experiment_by_name("dashboard")
    assert found is not None
    experiment = found.experiment_id
    runs = {
        run.data.tags.get("augsearch.trial"): run.info.run_id
        for run in client.search_runs([experiment])
    }
    address = f"{mlflow_server.address}/#/experiments/{experiment}"
    return Seen(
        page,
        mlflow_server.address,
        address,
        f"{address}/runs/{runs[None]}",
        f"{address}/runs/{runs['3']}",
        f"{address}/runs?viewStateShareKey=dashboard&compareRunsMode=CHART",
    )


def test_a_runs_page_opens_with_the_answer_and_lists_the_trials(seen):
    page = seen.open(seen.parent)
    page.get_by_text("Use rotation_range 15, width_shift_range 0.1").first.wait_for()
    page.get_by_role(
        "link", name="#17 test: rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
    ).wait_for()
    page.get_by_text("digits train").first.wait_for()
    page.get_by_text("Show more").click()
    row = page.get_by_role("row").filter(has_text="vertical_flip").filter(has_text="HURTS").first
    assert "−2.3 (−2.8 to −1.8)" in row.inner_text()
    page.get_by_text("effect (95 %), points").first.wait_for()


def test_the_figures_and_the_page_show_among_the_artifacts(seen):
    page = seen.open(f"{seen.parent}/artifacts")
    page.get_by_text("report.html").click()
    page.frame_locator("iframe").get_by_text("The page of the search").wait_for()
    page.get_by_text("figures").click()
    page.get_by_text("forest.png").click()
    picture = page.locator("img[src^='blob:']").first
    picture.wait_for()
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [90, 60]


def test_a_trial_shows_its_curves_and_its_contact_sheet(seen):
    page = seen.open(f"{seen.trial}/model-metrics")
    # of a drawn chart
    legend = page.get_by_text(
        "#3 rotation_range 15, width_shift_range 0.1, zoom_range 0.1 (accuracy)"
    )
    legend.wait_for()
    assert legend.is_visible()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("3.png").click()
    sheet = page.locator("img[src^='blob:']").first
    sheet.wait_for()
    assert sheet.evaluate("image => image.naturalWidth") > 0


def test_trials_stand_below_their_search(seen):
    page = seen.open(f"{seen.experiment}/runs")
    search = page.get_by_role("link", name="digits", exact=True)
    search.wait_for()
    assert (
        page.get_by_role(
            "link", name="#3 rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
        ).count()
        == 0
    )
    page.get_by_role("gridcell").filter(has=search).get_by_role("button").click()
    page.get_by_role(
        "link", name="#3 rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
    ).wait_for()


def test_the_experiments_description_leads_to_the_saved_view(seen):
    page = seen.open(f"{seen.experiment}/runs?workflowType=machine_learning")
    note = page.get_by_text("Which augmentations help on digits?")
    note.wait_for()
    assert "Use rotation_range 15" in note.locator("..").inner_text()
    page.locator("[data-component-id='mlflow.experiment.metadata_editor.expand_button']").click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Its trials").click()
    view = opened.value
    view.set_default_timeout(SECONDS * 1000)
    view.get_by_role(
        "link", name="#10 again: rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
    ).wait_for()
    names = view.get_by_role("gridcell").get_by_role("link").all_inner_texts()
    assert names[:3] == [
        "digits",
        "#10 again: rotation_range 15, width_shift_range 0.1, zoom_range 0.1",
        "#3 rotation_range 15, width_shift_range 0.1, zoom_range 0.1",
    ]
    for column in ("effect", "interval", "verdict", "rotation_range"):
        view.locator(f"[role=columnheader][col-id$='`{column}`']").wait_for()
    assert view.get_by_text("0.7 to 1.7", exact=True).count() == 3
    assert view.get_by_role("gridcell", name="HELPS", exact=True).count() == 5
    view.close()


def test_the_saved_views_charts_are_of_what_was_searched(seen):
    seen.open("about:blank")  # as a link opens it: in a window of its own
    page = seen.open(seen.view)
    for chart in ("answer/effects", "Parallel Coordinates", "effect by strength"):
        page.get_by_text(chart).first.wait_for()
    axes = page.locator(".parcoords text.label")
    axes.first.wait_for()
    names = axes.all_text_contents()  # those that find no room are shortened
    assert (len(names), names[0], names[-1]) == (5, "rotation_range", "effect")


def test_a_trials_description_says_its_verdict_and_its_setting(seen):
    page = seen.open(seen.trial)
    verdict = page.get_by_text("HELPS: +1.2 points (0.7 to 1.7)")
    verdict.wait_for()
    setting = page.get_by_text("rotation_range 15, width_shift_range 0.1, zoom_range 0.1").first
    setting.wait_for()
    assert verdict.is_visible()
    assert setting.is_visible()


def test_the_registered_model_says_what_it_takes(seen):
    page = seen.open(f"{seen.address}/#/models/dashboard/versions/1")
    page.get_by_text("probabilities").first.wait_for()
    page.get_by_text("Accuracy on the sealed test set: 96.3 %").wait_for()
    page.get_by_text("layers.RandomRotation").wait_for()
    page.get_by_text("@ winner").first.wait_for()
    verdict = page.get_by_text("HELPS", exact=True)
    verdict.wait_for()
    assert verdict.is_visible()
