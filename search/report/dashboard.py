"""Where a search is to be seen in MLflow's dashboard: what the tracker leaves in the run directory,
and the link that the page and the terminal show."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from data.errors import UserError
from data.files import is_regular_within, read_regular, write_atomically
from search.journal.run_dir import DASHBOARD_FILE

MOST_LINK_BYTES = 4096
TRAINING = "workflowType=machine_learning"  # else the dashboard opens as one for language models


@dataclass(frozen=True)
class DashboardPlace:
    """address: of the dashboard, http(s). experiment: MLflow's id. view: the key of the saved view
    of this search."""

    address: str
    experiment: str
    view: str

    @property
    def link(self) -> str:
        return f"{self.address}/{saved_view_link(self.experiment, self.view)}"


def saved_view_link(experiment: str, view: str) -> str:
    """Opens a saved view; relative to the dashboard's address."""
    return f"#/experiments/{experiment}/runs?viewStateShareKey={view}&{TRAINING}"


def keep_dashboard(place: DashboardPlace, run_dir: Path) -> None:
    """Raises StorageError."""
    if read_dashboard(run_dir) != place:
        write_atomically(
            run_dir / DASHBOARD_FILE, json.dumps(asdict(place)) + "\n", "MLflow's link"
        )


def read_dashboard(run_dir: Path) -> DashboardPlace | None:
    """None where nothing was sent, or the file is not one that a search leaves."""
    path = run_dir / DASHBOARD_FILE
    if not is_regular_within(path, run_dir):
        return None
    try:
        place = DashboardPlace(**json.loads(read_regular(path, MOST_LINK_BYTES)))
        found = re.fullmatch(
            r"https?://[\w.:\[\]/~-]+ \w+ \w+", f"{place.address} {place.experiment} {place.view}"
        )
    except (UserError, OSError, ValueError, TypeError):
        return None
    return place if found else None
