"""Which folder was meant, where the one that a grader names is a level too high or too low."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from data.dataset import list_images
from data.errors import UserError
from data.folder import named_classes
from data.listing import is_litter
from data.messages import escaped
from search.driver.prepare import available_cores
from search.driver.run_reading import Run
from search.execution.engine import default_cache_dir
from search.verification.foreign_runs import other_counts

_MOST_LOOKED_AT = 200  # folders and files beside and below the one that was named
FOLDERS = ("folder", "clothing")  # sources whose classes are folders


def right_folder(run: Run, data: Path) -> str | None:
    """The one place near `data` that can hold the images of the search, in words; None where there
    is none, or more than one."""
    if run.config.dataset.source in FOLDERS:
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
    if config.source in FOLDERS and named_classes(place) != {*then.class_names}:
        return False
    config = config.model_copy(update={"path": str(place)})
    try:
        listing = list_images(config, default_cache_dir())
    except UserError:
        return False
    if listing.class_names != then.class_names:
        return False
    return other_counts(then, listing, config, available_cores()) is None
