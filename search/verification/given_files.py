"""Whether the pictures, weights and code that a grader names can be those of the search. Where they
are not, that says nothing of the search: the remedy is another folder or file. How that is said is
`graders_words`'s."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.errors import DatasetError, UserError
from data.messages import escaped
from data.sources import SOURCES
from data.transforms import is_transform
from search.driver.prepare import backbones_of
from search.driver.run_reading import Run
from search.report.wording import shortened
from search.verification.comparison import Difference
from search.verification.graders_words import of_images, of_weights, without_settings
from search.verification.reopening import OWN_WEIGHTS, STRAY_FILES, relocated
from search.verification.right_folder import right_folder

# of the journal's summary, what other pictures change; the rest of it follows from them
_OF_PICTURES = ("dataset: class_names", "dataset: counts", "dataset: digest", STRAY_FILES)


@dataclass(frozen=True)
class GivenPlaces:
    """Places that a grader names, where the search's own are not here: of its images, its weights
    file, and copies of its own code that may be run."""

    data: Path | None = None
    weights: Path | None = None
    code: Path | None = None

    def require_there(self) -> None:
        """Raises UserError where nothing is at one of them."""
        for option, place, what in (
            ("--data", self.data, "images"),
            ("--weights", self.weights, "weights file"),
            ("--run-code", self.code, "code"),
        ):
            if place is not None and not os.path.lexists(place):
                raise UserError(
                    f"{option} {escaped(str(place))} does not exist; name the {what} that the "
                    "search read"
                )

    def needless(self, run: Run) -> Iterator[str]:
        """Each option that the search has no use for, and why, in words."""
        config = run.config
        if self.data is not None and not self.needs_data(run):
            yield f"--data is not needed: {config.dataset.source} need no file"
        if self.weights is not None and not _weights_file(run):
            yield "--weights is not needed: the search began from no weights file"
        runs_code = config.code.files or any(map(is_transform, config.augmentation.written))
        if self.code is not None and not runs_code:
            yield "--run-code is not needed: the search names no code of its author's"

    @staticmethod
    def needs_data(run: Run) -> bool:
        return SOURCES[run.config.dataset.source].path != "none"


def _weights_file(run: Run) -> bool:
    return not {weights for _, weights in backbones_of(run.config)} <= OWN_WEIGHTS


@contextmanager
def told_by_option(
    data: Path | None, weights: Path | None, run: Run | None = None
) -> Iterator[None]:
    """What is wrong with the pictures or weights that a grader names is said of --data and
    --weights: no experiment file is the grader's to change. run: the search that reads them."""
    try:
        yield
    except DatasetError as error:
        said = of_images(str(error), data, run)
        raise UserError(of_weights(said, weights)) from error
    except UserError as error:
        raise UserError(of_weights(without_settings(str(error)), weights)) from error


def require_right_files(
    differences: Iterable[Difference], data: Path | None, weights: Path | None, run: Run
) -> None:
    """data, weights: as the grader named them for the search of `run`. Raises UserError where they
    differ from what the search read."""
    first = {each.where: each.what for each in reversed(list(differences))}
    pictures = next((where for where in _OF_PICTURES if where in first), None)
    if data is not None and pictures is not None:
        instead = "ask for a search over this one"
        if pictures == STRAY_FILES:  # of the same pictures
            instead = "remove what it did not leave out"
        mended = right_folder(run, data) or f"name the folder that it read, or {instead}"
        raise UserError(
            f"the pictures at --data {escaped(str(data))} are not those that the search read "
            f"({pictures.removeprefix('dataset: ')}: {first[pictures]}); {mended}"
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
