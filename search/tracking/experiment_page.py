"""The page of the experiment in the dashboard: its description, by the newest of its searches, and
a saved view of each. What people have written there themselves is left alone."""

import re
from hashlib import sha256

from data.secrets import redacted
from search.report.view import SearchView
from search.tracking.descriptions import describe_experiment
from search.tracking.mlflow_store import Store
from search.tracking.mlflow_values import NOTE_TAG, milliseconds, opened_of
from search.tracking.saved_view import VIEW_TAG, Place, saved_view

# Ends a description, unseen: when the search that wrote it began, and the hash of what it wrote.
MARK = re.compile(r"\n\n<!-- augsearch (\d+) ([0-9a-f]{16}) -->$")


def send_experiment_page(store: Store, view: SearchView, place: Place) -> None:
    """Writes what has changed. Asks first, since other searches write there too."""
    there = store.experiment_tags()
    key, text = f"{VIEW_TAG}{place.view}", saved_view(view, place.files)
    if there.get(key) != text:
        store.set_experiment_tag(key, text)
    begun, before = milliseconds(opened_of(view).started_at), there.get(NOTE_TAG, "")
    said = redacted(describe_experiment(view, place))
    note = f"{said}\n\n<!-- augsearch {begun} {_digest(said)} -->"
    if before != note and _may_replace(before, begun):
        store.set_experiment_tag(NOTE_TAG, note)


def _may_replace(note: str, begun: int) -> bool:
    """Whether a description is nobody's, or as this search or an earlier one wrote it."""
    mark = MARK.search(note)
    if mark is None:
        return not note.strip()
    return int(mark[1]) <= begun and _digest(note[: mark.start()]) == mark[2]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
