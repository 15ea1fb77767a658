"""The dashboard's view of one search, which MLflow keeps as a tag of the experiment: its runs
alone, the search on top, then what has a verdict, then the other trials, the largest effect first,
with effect, interval, verdict and what was searched as columns; and the charts that mean something.
Its form is that of MLflow's own saved views (3.17), which a link opens."""

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from data.augmentations import AUGMENTATIONS, is_option
from search.report.dashboard import TRAINING, saved_view_link
from search.report.view import SearchView
from search.tracking.mlflow_values import ORDER_TAG, SEARCH_TAG, key_of, milliseconds, opened_of

CHART_SIZE = (640, 640)  # pixels: fits beside the facts of a run
SMALL = "+compressed.webp"  # ends the name of what a chart shows until it is opened
VIEW_TAG = "mlflow.sharedViewState."  # then the key that a link has
NAME_COLUMN, DATE_COLUMN = "attributes.`Run Name`", "runDateAndNestInfo"
WIDTHS = {"effect": 90, "interval": 120, "verdict": 130}
NAME_WIDTH, DATE_WIDTH = 350, 150
SIGN_WIDTH, PADDING = 8, 30  # of the names of settings
MOST_SETTINGS = 12  # columns, and axes of a chart
MOST_SCATTERED = 6
ANSWER, SETTINGS, STRENGTHS, CURVES = "answer", "settings", "effect by strength", "learning curves"
ALL_OTHERS = "Model metrics"  # MLflow puts a chart of every other metric there
# The sections of charts: how many stand side by side, and how high each is, in pixels.
SECTIONS = {
    ANSWER: (2, 420),
    SETTINGS: (1, 400),
    STRENGTHS: (3, 300),
    CURVES: (2, 360),
    ALL_OTHERS: (3, 300),
}
# of the run directory's, and the name of the chart that each is shown as
PICTURES = {
    "figures/forest.png": "answer/effects",
    "figures/strength.png": "answer/strengths",
    "figures/winner.png": "answer/pictures",
}


@dataclass(frozen=True)
class Place:
    """Where a search is in the dashboard. Links are relative to the dashboard's own address.

    experiment, run: MLflow's ids. view: the key of the saved view. folder: the run directory as
    commands name it. files: what is among the run's artifacts.
    """

    experiment: str
    run: str
    view: str
    folder: str
    files: frozenset[str] = frozenset()

    @property
    def runs(self) -> str:
        return saved_view_link(self.experiment, self.view)

    @property
    def charts(self) -> str:
        return f"{self.runs}&compareRunsMode=CHART"

    @property
    def page(self) -> str:
        return f"#/experiments/{self.experiment}/runs/{self.run}?{TRAINING}"

    def artifact(self, path: str) -> str:
        return f"#/experiments/{self.experiment}/runs/{self.run}/artifacts/{path}?{TRAINING}"

    def picture(self, key: str) -> str:
        """A picture that is a chart, small enough to stand beside a run's facts."""
        path = quote(f"images/{chart_name(key, self.run)}{SMALL}")
        return f"get-artifact?path={path}&run_uuid={self.run}"


def chart_name(key: str, run_id: str) -> str:
    """The file that MLflow shows as the chart `key`, without its ending. `log_image` of MLflow's
    own would make another one each time it is sent."""
    return f"{key.replace('/', '~')}+step+0+timestamp+0+{run_id}"


def chart_files(picture: Path, stem: Path) -> tuple[Path, ...]:
    """The picture as MLflow has a chart, in two files whose names begin with `stem`; none where it
    is no picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(picture) as opened:
            whole = opened.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return ()
    small = whole.copy()
    small.thumbnail(CHART_SIZE)
    files = Path(f"{stem}.png"), Path(f"{stem}{SMALL}")
    whole.save(files[0])
    small.save(files[1], quality=90)
    return files


def saved_view(view: SearchView, files: frozenset[str]) -> str:
    """The tag's text: a thousand characters or two, whatever is searched. files: what is among the
    artifacts of the search's run."""
    opened = opened_of(view)
    begun = datetime.fromtimestamp(opened.started_at, UTC)
    at = milliseconds(opened.started_at)
    state = json.dumps(_state(view, files), sort_keys=True, separators=(",", ":"))
    return json.dumps(
        {
            "name": f"{opened.name}, {begun:%Y-%m-%d %H:%M}: effects and verdicts",
            "createdAt": at,
            "updatedAt": at,
            "state": f"deflate;{base64.b64encode(zlib.compress(state.encode(), 9)).decode()}",
        }
    )


def _state(view: SearchView, files: frozenset[str]) -> dict[str, Any]:
    settings = [key_of(name) for name in opened_of(view).space][:MOST_SETTINGS]
    widths = {
        NAME_COLUMN: NAME_WIDTH,
        DATE_COLUMN: DATE_WIDTH,
        "metrics.`effect`": WIDTHS["effect"],
        "tags.`interval`": WIDTHS["interval"],
        "tags.`verdict`": WIDTHS["verdict"],
        **{f"params.`{name}`": PADDING + SIGN_WIDTH * len(name) for name in settings},
    }
    columns = list(widths)
    return {
        "searchFilter": f"tags.`{SEARCH_TAG}` = '{opened_of(view).search_id}'",
        "orderByKey": f"tags.`{ORDER_TAG}`",
        "orderByAsc": True,
        "selectedColumns": columns[2:],
        "columnOrder": columns,
        "columnWidths": widths,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": list(_charts(settings, files)),
        "compareRunSections": [
            {
                "uuid": name,
                "name": name,
                "display": name != ALL_OTHERS,
                "isReordered": True,
                "columns": columns_of_charts,
                "cardHeight": height,
            }
            for name, (columns_of_charts, height) in SECTIONS.items()
        ],
        "isAccordionReordered": True,
    }


def _charts(settings: list[str], files: frozenset[str]) -> Iterator[dict[str, Any]]:
    for key in (key for file, key in PICTURES.items() if file in files):
        yield _chart("IMAGE", key, ANSWER, imageKeys=[key], step=0, showRunParams=False)
    effect = {"key": "effect", "type": "METRIC"}
    if settings:
        yield _chart(
            "PARALLEL",
            "parallel",
            SETTINGS,
            selectedParams=settings,
            selectedMetrics=["effect"],
            showAllRuns=True,
        )
    strengths = [name for name in settings if name not in AUGMENTATIONS or not is_option(name)]
    for name in strengths[:MOST_SCATTERED]:
        yield _chart(
            "SCATTER",
            f"effect by {name}",
            STRENGTHS,
            xaxis={"key": name, "type": "PARAM"},
            yaxis=effect,
            runsCountToCompare=100,
        )
    for name in ("val_accuracy", "val_loss"):
        yield _chart("LINE", name, CURVES, metricKey=name, xAxisKey="step", useGlobalXaxisKey=True)


def _chart(kind: str, name: str, section: str, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": name,
        "metricSectionId": section,
        "displayName": name,
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": 100,
        **more,
    }
