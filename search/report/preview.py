"""Which pictures a person should see before trusting an augmentation: clean images beside each
augmentation's extremes and beside samples, drawn exactly as a trial would draw them. The pictures
are painted by `data`, the sheet by `contact_sheet`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.augmentations import AUGMENTATIONS, active, options_of
from data.dataset import TRAIN, Dataset
from data.extremes import Extreme, augment_to, extremes
from data.files import StorageError, make_folder, write_atomically
from data.views import augment
from search.execution.failures import is_lack
from search.experiment.dimensions import Choices, Dimension
from search.experiment.kinds import KINDS
from search.experiment.seeds import derive_seed
from search.experiment.space import Space
from search.experiment.trial import TrialRecord, TrialSpec
from search.journal.state import SearchState
from search.report.contact_sheet import WINNER_SHEET, SheetColumn, draw_sheet, trial_sheet_name
from search.report.view import SearchView
from search.report.wording import settings_text
from search.training.progress import Listener

if TYPE_CHECKING:
    from search.experiment.config import ExperimentConfig

MOST_SHEETS = 100  # trials whose contact sheets are drawn, at about a second each
MOST_ENDS = 6  # a published policy has dozens of operation ends; its samples show it better
COLUMNS_A_BAND = 8
PREVIEW_MARK = "augsearch preview"


def preview_sheet(
    dataset: Dataset, config: "ExperimentConfig", num_rows: int = 4, num_samples: int = 4
) -> bytes:
    """A PNG for an experiment file: clean images, every augmentation alone at its extremes, and
    settings drawn at random.

    The extremes are those of the ends of a searched range, of every choice, and of a fixed value;
    they are labelled in the units of the experiment file.
    """
    picks = pick_images(dataset, num_rows, config.seed)
    space = config.space
    groups = extreme_columns(dataset, picks, space)
    drawn = [_drawn_setting(space, config.seed, number) for number in range(num_samples)]
    samples = [
        SheetColumn(
            f"sample {number}", "", augment(dataset.images, picks, setting, config.seed, number)
        )
        for number, setting in enumerate(drawn, 1)
    ]
    footers = [
        f"sample {number}: {settings_text(setting, config.dataset.image_size)}"
        for number, setting in enumerate(drawn, 1)
    ]
    bands = [*_bands(dataset, picks, groups), *_bands(dataset, picks, [samples])]
    return draw_sheet(bands, _row_names(dataset, picks), footers, mark=PREVIEW_MARK)


def extreme_columns(dataset: Dataset, picks: np.ndarray, space: Space) -> list[list[SheetColumn]]:
    """A group of columns an augmentation: it alone, at each end of each of its values."""
    values = _augmentation_values(space)
    options = options_of(space.strongest())
    return [
        [_end_column(dataset, picks, end, options) for end in _ends(name, listed, options)]
        for name, listed in values.items()
    ]


def trial_sheet(
    dataset: Dataset, spec: TrialSpec, num_rows: int = 3, num_samples: int = 5, tile: int = 112
) -> bytes:
    """A PNG of one trial: clean training images, and the first views of them on which that very
    trial was trained.
    """
    picks = pick_images(dataset, num_rows, spec.dataset_seed)
    settings = spec.settings.augmentation
    columns = [
        SheetColumn(
            f"sample {view + 1}",
            "",
            augment(dataset.images, picks, settings, spec.protocol.view_seed, view),
        )
        for view in range(num_samples)
    ]
    return draw_sheet(
        _bands(dataset, picks, [columns]),
        _row_names(dataset, picks),
        [settings_text(settings, spec.dataset.image_size)],
        tile,
    )


def write_trial_sheet(record: TrialRecord, dataset: Dataset, run_dir: Path) -> Path:
    """Writes `previews/<trial>.png`, which trackers show with the trial. Raises StorageError."""
    path = run_dir / trial_sheet_name(record)
    make_folder(path.parent, "the contact sheets' folder")
    write_atomically(path, trial_sheet(dataset, record.spec), "a contact sheet")
    return path


def write_winner_sheet(state: SearchState, dataset: Dataset, run_dir: Path) -> Path | None:
    """Writes the contact sheet that the report shows: of the recommended setting, else of the best
    trial.

    Returns its path, or None where no trial has an answer yet. Raises StorageError.
    """
    view = SearchView(state)
    best = view.chosen or view.best
    if best is None:
        return None
    path = run_dir / WINNER_SHEET
    make_folder(path.parent, "the contact sheet's folder")
    write_atomically(path, trial_sheet(dataset, best.spec, num_rows=4), "the contact sheet")
    return path


class TrialSheets(Listener):
    """A listener that draws the contact sheet of each trial told, for the tracker to show beside
    its figures. say: told of one that the machine refuses to draw."""

    def __init__(self, dataset: Dataset, run_dir: Path, say: Callable[[str], None]) -> None:
        self.dataset, self.run_dir, self._say = dataset, run_dir, say

    def trial_told(self, record: TrialRecord) -> None:
        path = self.run_dir / trial_sheet_name(record)
        is_drawn = KINDS[record.kind].on_rungs and record.trial <= MOST_SHEETS
        is_drawn = is_drawn and record.status == "completed" and not path.exists()
        if not is_drawn or not record.spec.settings.augmentation:
            return
        try:
            write_trial_sheet(record, self.dataset, self.run_dir)
        except Exception as error:
            if isinstance(error, StorageError) or not is_lack(error):
                raise
            self._say(f"no contact sheet of trial {record.trial}: {type(error).__name__}: {error}")


def pick_images(dataset: Dataset, num_rows: int, seed: int) -> np.ndarray:
    """Positions of training images (of any split where there are none), int64 [at most num_rows]:
    classes in turn, spread over all of them, and inside a class drawn from the seed.
    """
    from_split = dataset.indices(TRAIN)
    pool = from_split if len(from_split) else np.arange(len(dataset.labels))
    order = np.random.default_rng(derive_seed(seed, "preview")).permutation(pool)
    labels = dataset.labels[order]
    # 0 for the first image drawn of its class, 1 for the second
    turn = np.empty(len(order), np.int64)
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    ranked = order[np.lexsort((labels, turn))]
    firsts = ranked[: int((turn == 0).sum())]
    if len(firsts) > num_rows:
        return firsts[np.linspace(0, len(firsts) - 1, num_rows).round().astype(int)]
    return ranked[:num_rows]


def _augmentation_values(space: Space) -> dict[str, Sequence[Any]]:
    """Every augmentation of the experiment with the values whose ends are drawn."""
    searched = {
        n: d.extremes for n, d in space.dimensions.items() if space.section_of[n] == "augmentation"
    }
    fixed = {name: (value,) for name, value in space.fixed["augmentation"].items()}
    values = {**searched, **fixed}
    return {name: values[name] for name in AUGMENTATIONS.ordered(values)}


def _ends(name: str, values: Sequence[Any], options: Mapping[str, Any]) -> list[Extreme]:
    """The distinct ends over all values, the last (strongest) values' first; none where there are
    too many to draw.
    """
    found: dict[str, Extreme] = {}
    for value in reversed(values):
        for end in extremes(name, value, options):
            found.setdefault(end.label, end)
    return list(found.values()) if len(found) <= MOST_ENDS else []


def _end_column(
    dataset: Dataset, picks: np.ndarray, end: Extreme, options: Mapping[str, Any]
) -> SheetColumn:
    pictures = augment_to(dataset.images, picks, end, options)
    label = end.label.removeprefix(end.name).strip()
    unchanged = bool((pictures == dataset.images[picks]).all())
    return SheetColumn(end.name, f"{label} (changes nothing)" if unchanged else label, pictures)


def _drawn_setting(space: Space, seed: int, number: int) -> dict[str, Any]:
    """One setting of the space, uniform in each searched augmentation."""
    rng = np.random.default_rng(derive_seed(seed, "preview", number))
    drawn = {name: _drawn_value(dimension, rng) for name, dimension in space.dimensions.items()}
    searched = {name: drawn[name] for name in drawn if space.section_of[name] == "augmentation"}
    return active({**space.fixed["augmentation"], **searched})


def _drawn_value(dimension: Dimension, rng: np.random.Generator) -> Any:
    if isinstance(dimension, Choices):
        return dimension.values[rng.integers(len(dimension.values))]
    share, low, high = rng.random(), dimension.minimum, dimension.maximum
    value = low * (high / low) ** share if dimension.log else low + share * (high - low)
    if dimension.step:
        value = low + round((value - low) / dimension.step) * dimension.step
    return round(value) if dimension.integer else float(f"{value:.3g}")


def _bands(
    dataset: Dataset, picks: np.ndarray, groups: Sequence[Sequence[SheetColumn]]
) -> list[list[SheetColumn]]:
    """Columns in bands that fit a screen, each opening with the clean images; a group stays
    together."""
    clean = SheetColumn("clean", "", np.asarray(dataset.images[picks]))
    bands: list[list[SheetColumn]] = []
    for group in groups:
        if group and (not bands or len(bands[-1]) + len(group) > COLUMNS_A_BAND + 1):
            bands.append([clean])
        if group:
            bands[-1].extend(group)
    return bands


def _row_names(dataset: Dataset, picks: np.ndarray) -> list[str]:
    return [dataset.class_names[label] for label in dataset.labels[picks]]
