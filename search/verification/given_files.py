"""Whether the pictures, weights and code that a grader names can be those of the search. Where they
are not, that says nothing of the search: the remedy is another folder or file, named where there is
only one. It is said in the words of whoever verifies: the settings of the experiment file are not
theirs to change, and the options of `verify` are."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from data.dataset import list_images
from data.errors import DatasetError, UserError
from data.folder import named_classes
from data.listing import is_litter
from data.messages import escaped
from data.sources import SOURCES
from data.transform_libraries import is_transform
from search.driver.prepare import available_cores, backbones_of
from search.driver.run_reading import Run
from search.execution.engine import default_cache_dir
from search.report.wording import shortened
from search.verification.comparison import Difference
from search.verification.foreign_runs import other_counts
from search.verification.reopening import OWN_WEIGHTS, STRAY_FILES, relocated

# of the journal's summary, what other pictures change; the rest of it follows from them
_OF_PICTURES = ("dataset: class_names", "dataset: counts", "dataset: digest", STRAY_FILES)
# As what reads them names them, which takes them for a line of an experiment file.
_PATH = re.compile(r"(?<![\w./\\])dataset\.path(?![\w./\\])")
_FILE = re.compile(r"^weights(?= ')|\bweights file(?= )")
_NO_FILE = re.compile(r"imagenet, random or (?=a file)|, imagenet or random\b")
_SETTING = re.compile(
    r"(?<![\w./\\])(dataset|augmentation|model|training|search|evaluation|tracking|execution)"
    r"\.[a-z]\w+(?![\w/\\])"
)
_MOST_LOOKED_AT = 200  # folders and files beside and below the one that was named


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
        said = retold_of_images(str(error), data, run)
        raise UserError(_retold_of_weights(said, weights)) from error
    except UserError as error:
        raise UserError(_retold_of_weights(_without_settings(str(error)), weights)) from error


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
        mended = place_meant(run, data) or f"name the folder that it read, or {instead}"
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


def _retold_of_weights(said: str, weights: Path | None) -> str:
    """weights: the file that was named."""
    return said if weights is None else _NO_FILE.sub("", _FILE.sub("--weights", said))


def retold_of_images(said: str, data: Path | None, run: Run | None) -> str:
    """What is wrong with the images, less what only an experiment file could change, and with what
    can be done here. data: where they were said to be; None where the search had them. run: it."""
    kind = SOURCES[run.config.dataset.source].path if run else "required"
    if kind == "none":
        return said
    # a bundle without --data has a path of another machine, if any, which was not followed
    is_own = run is not None and data is None and kind == "required"
    named = run.config.dataset.path if run and is_own else data
    place = None if named is None else escaped(str(named))
    said = said if data else re.sub(r"^dataset\.path: ", "the images of the search: ", said)
    said = _without_settings(_PATH.sub("--data", said))
    if place and (place not in said or (data and "--data" not in said)):
        said = f"{'--data ' * bool(data)}{place}: {said}"
    right = place_meant(run, data) if run and data else None
    otherwise = "else " * (len([*_clauses(said)]) > 1)  # beside other advice
    instead = "name a sound copy of" if data else "say with --data where a sound copy is of"
    return f"{said}; {right or f'{otherwise}{instead} the images that the search read'}"


def _without_settings(said: str) -> str:
    """Less each piece of advice that names a setting. What was found, which comes first, is left as
    it is."""
    found, *advice = _clauses(said)
    kept = [found]
    for clause in advice:
        ways = clause.split(", or ")
        left = [each for each in ways if not _SETTING.search(each)]
        is_finding = re.match(r"\(\d+\) ", clause)  # the next of several
        left = ways[:1] + [each for each in left if each is not ways[0]] if is_finding else left
        if left:
            kept.append(", or ".join(left))
    return "; ".join(kept)


def _clauses(said: str) -> Iterator[str]:
    """Of what semicolons part, outside brackets."""
    start = depth = 0
    for place, sign in enumerate(said):
        depth += (sign in "([{") - (sign in ")]}")
        if depth <= 0 and said.startswith("; ", place):
            yield said[start:place]
            start, depth = place + 2, 0
    yield said[start:]


def place_meant(run: Run, data: Path) -> str | None:
    """The one place near `data` that can hold the images of the search, in words; None where there
    is none, or more than one."""
    if SOURCES[run.config.dataset.source].classes_are_folders:
        above, below = _above(data), _below(data)
    else:  # a file, of some kind
        kind = Path(run.config.dataset.path or "").suffix.lower()
        above, below = [], (each for each in _kept(data) if each.suffix.lower() == kind)
    found = [each for each in (*islice(below, _MOST_LOOKED_AT), *above) if _can_be(run, each)]
    if len(found) != 1:
        return None
    where = "above" if found[0] in above else "below"
    return f"{escaped(str(found[0]))}, {where} it, looks right: say --data with that"


def _above(data: Path) -> list[Path]:
    """Two: a class of train lies that deep."""
    return [each for each in data.absolute().parents[:2] if each != each.parent]


def _below(data: Path) -> Iterator[Path]:
    yield from _kept(data)
    for each in _kept(data):
        yield from _kept(each)


def _kept(folder: Path) -> Iterator[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return iter(())
    return (each for each in found if not is_litter(each.name, each.is_dir()))


def _can_be(run: Run, place: Path) -> bool:
    then, config = run.opened.dataset, run.config.dataset
    in_folders = SOURCES[config.source].classes_are_folders
    if in_folders and named_classes(place) != {*then.class_names}:
        return False
    config = config.model_copy(update={"path": str(place)})
    try:
        listing = list_images(config, default_cache_dir())
    except UserError:
        return False
    if listing.class_names != then.class_names:
        return False
    return other_counts(then, listing, config, available_cores()) is None
