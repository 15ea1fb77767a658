"""Whether the pictures and the weights that a grader names can be those of the search. Where they
are not, that says nothing of the search: the remedy is another folder or file."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import UserError
from data.messages import escaped
from data.sources import SOURCES
from search.driver.run_reading import Run
from search.report.wording import shortened
from search.verification.comparison import Difference
from search.verification.reopening import relocated

# of the journal's summary, what other pictures change; the rest of it follows from them
_OF_PICTURES = ("dataset: class_names", "dataset: counts", "dataset: digest")

# As what reads them names them, which takes them for a line of an experiment file.
_PATH = re.compile(r"(?<![\w./\\])dataset\.path(?![\w./\\])")
_FILE = re.compile(r"\bweights file(?= )")


def require_there(data: Path | None, weights: Path | None) -> None:
    """Raises UserError where nothing is at the places that a grader names."""
    for option, place, what in (("--data", data, "images"), ("--weights", weights, "weights file")):
        if place is not None and not os.path.lexists(place):
            raise UserError(
                f"{option} {escaped(str(place))} does not exist; name the {what} that the search "
                "read"
            )


@contextmanager
def told_by_option(data: Path | None, weights: Path | None) -> Iterator[None]:
    """What is wrong with the pictures or weights that a grader names is said of --data and
    --weights: no experiment file is the grader's to change."""
    try:
        yield
    except UserError as error:
        said = str(error)
        said = said if data is None else _PATH.sub("--data", said)
        said = said if weights is None else _FILE.sub("--weights", said)
        raise UserError(said) from error


def require_right_files(
    differences: Iterable[Difference], data: Path | None, weights: Path | None
) -> None:
    """data, weights: as the grader named them. Raises UserError where they differ from what the
    search read."""
    first = {each.where: each.what for each in reversed(list(differences))}
    pictures = next((where for where in _OF_PICTURES if where in first), None)
    if data is not None and pictures is not None:
        raise UserError(
            f"the pictures at --data {escaped(str(data))} are not those that the search read "
            f"({pictures.removeprefix('dataset: ')}: {first[pictures]}); name the folder that it "
            "read, or ask for a search over this one"
        )
    file = next((where for where in first if where.startswith("weights")), None)
    if weights is not None and file is not None:
        raise UserError(
            f"--weights {escaped(str(weights))} is not the file that the search began from; name "
            "that one, or ask for a search that begins from yours"
        )


def where_given(run: Run, data: Path | None, weights: Path | None) -> Run:
    """With the grader's images, weights and cache. No path of the bundle is followed.
    Raises UserError where the images are not named, and must be."""
    dataset = run.config.dataset
    needs = SOURCES[dataset.source].path
    if needs == "none" or (data is None and needs == "optional"):
        return relocated(run, None, weights, of_others=True)
    if data is None:
        last = shortened(Path(str(dataset.path)).name, 60)
        raise UserError(
            f"a bundle holds no images; say where they are with --data (the search read {last})"
        )
    return relocated(run, data, weights, of_others=True)
