"""How much a run that came from elsewhere may ask of the grader's machine: its config is held
against the limits before anything is opened, its listing before an image is decoded. Its journal
came in by `run_reading`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from data.dataset import SPLIT_NAMES, find_images
from data.dataset_notes import DataNotes
from data.errors import UserError
from data.image_store import Decoder
from data.listing import Listing
from data.messages import first_of, literal
from data.settings import DatasetConfig
from search.driver.run_reading import Run
from search.experiment.settings import FinetuneSettings, TrainingSettings
from search.experiment.space import Space
from search.experiment.trial import Resources
from search.journal.events import DatasetSummary
from search.training.modes import MODES
from search.verification.comparison import Comparison

MOST_PIXELS = 100_000_000  # of one picture: the default of dataset.max_pixels
MOST_TRIALS, MOST_HEADS, MOST_HEAD_UNITS = 10_000, 500, 25_000
MOST_HEAD_WORK, MOST_VIEW_PIXELS, MOST_NETWORK_PIXELS, MOST_BATCH_PIXELS = (
    4 * 10**9,
    10**12,
    10**13,
    1 << 25,
)
MOST_DECODED_BYTES = 1 << 31
MOST_COUNTED = 2  # times the images of a search: so many are looked at to count them


class Demand(NamedTuple):
    """An amount that a config asks for, and the most that is graded."""

    what: str
    amount: float
    most: float


def check_config(run: Run) -> None:
    """Raises UserError where one trial of the config is more than a course's, by numbers far above
    those of any honest one."""
    for asked in _amounts(run):
        if asked.amount > asked.most:
            raise UserError(
                f"its config asks for {asked.amount:,.0f} {asked.what}; graded are at most "
                f"{asked.most:,.0f}"
            )


def _amounts(run: Run) -> Iterator[Demand]:
    config, space = run.config, run.config.space
    evaluation, dataset = config.evaluation, config.dataset
    confirm = evaluation.confirm
    images = sum(map(sum, run.opened.dataset.counts.values()))
    pixels = images * dataset.image_size**2
    heads = evaluation.folds * max(evaluation.seeds, confirm.seeds if confirm else 0)
    units = max(*space.values_of("model", "head_units"), len(run.opened.dataset.class_names))
    mode, epochs = MODES[space.mode], max(space.values_of("training", "max_epochs"))
    epochs = sum(epochs for _, epochs in mode.phases(_longest(space, epochs)))
    views = max(_number(value, epochs) for value in space.values_of("training", "views"))
    views = max(views, confirm.views if confirm else 1)
    yield Demand("trials (search.trials)", config.search.trials, MOST_TRIALS)
    yield Demand("pixels of one picture (dataset.max_pixels)", dataset.max_pixels, MOST_PIXELS)
    yield Demand("heads per trial (folds x seeds)", heads, MOST_HEADS)
    yield Demand(
        "units in the heads of a trial (folds x seeds x head_units)", heads * units, MOST_HEAD_UNITS
    )
    yield Demand(
        "image-epochs per trial (images x folds x seeds x max_epochs)",
        images * heads * epochs,
        MOST_HEAD_WORK,
    )
    yield Demand(
        "augmented pixels per trial (images x views x image_size^2)",
        pixels * views,
        MOST_VIEW_PIXELS,
    )
    if mode.frozen != "all":
        batch = max(space.values_of("training", "batch_size")) * dataset.image_size**2
        yield Demand("pixels in a batch (batch_size x image_size^2)", batch, MOST_BATCH_PIXELS)
        yield Demand(
            "trained pixels per trial (images x folds x seeds x max_epochs x image_size^2)",
            pixels * heads * epochs,
            MOST_NETWORK_PIXELS,
        )


def _longest(space: Space, epochs: int) -> TrainingSettings:
    """epochs: of its first phase."""
    second = max(each or epochs for each in space.values_of("training", "finetune.max_epochs"))
    return TrainingSettings(max_epochs=epochs, finetune=FinetuneSettings(max_epochs=second))


def _number(views: int | str, epochs: int) -> int:
    return epochs if views == "fresh" else int(views)


def other_counts(
    then: DatasetSummary, listing: Listing, config: DatasetConfig, num_threads: int
) -> str | None:
    """In words, why a listing of the same classes cannot be of the images of a search; None where
    it can. Files that are no pictures are told from pictures only where their number matters, and
    where there are not many more than there were."""
    num_classes = len(then.class_names)
    kept = np.array([then.counts[name] for name in SPLIT_NAMES], np.int64).sum(axis=0)
    left_out = len(DataNotes.model_validate(then.notes).left_out)
    most = kept.sum() + left_out

    def is_other(here: np.ndarray) -> bool:
        too_many = config.limit_per_class is None and here.sum() > most
        return bool((kept > here).any() or too_many)

    here, what = np.bincount(listing.labels, minlength=num_classes), "files"
    if not is_other(here):
        return None
    num_bytes = int(here.sum()) * config.image_size**2 * 3
    if here.sum() <= MOST_COUNTED * most and num_bytes <= MOST_DECODED_BYTES:
        decoder = Decoder(listing, config.image_size, config.max_pixels, num_threads)
        readable = listing.labels[decoder.readable()]
        here, what = np.bincount(readable, minlength=num_classes), "images"
        if not is_other(here):
            return None
    place = int(np.argmax(kept - here))
    then_of, here_of = "", ""
    if kept[place] > here[place]:
        then_of = f", {kept[place]} of them of {then.class_names[place]}"
        here_of = f", {here[place]} of that class"
    return (
        f"{kept.sum()} images were used{then_of}, and {left_out} left out; here are {here.sum()} "
        f"{what}{here_of}"
    )


def _other_classes(then: Sequence[str], listing: Listing) -> str:
    here = listing.class_names
    only = [
        f"{first_of([literal(name) for name in names])} {where} only"
        for names, where in (
            ([name for name in then if name not in here], "in the journal"),
            ([name for name in here if name not in then], "here"),
        )
        if names
    ]
    return " and ".join(only) or "the same in another order"


def compare_listing(run: Run, resources: Resources, comparison: Comparison) -> bool:
    """Whether the images can be those of the search, from their listing alone; what differs is
    noted. Keeps nothing that was decoded to tell (see `other_counts`).

    The listing still holds copies and files that turn out damaged; those that the search left out,
    it named. Raises UserError where decoding them would take more than `MOST_DECODED_BYTES` and was
    not done before.
    """
    then, config = run.opened.dataset, run.config.dataset
    listing, is_decoded = find_images(config, resources.cache_dir)
    if listing.class_names != then.class_names:
        comparison.note("dataset: class_names", _other_classes(then.class_names, listing))
        return False
    if other := other_counts(then, listing, config, resources.num_threads):
        comparison.note("dataset: counts", other)
        return False
    num_bytes = len(listing.labels) * config.image_size**2 * 3
    if num_bytes > MOST_DECODED_BYTES and not is_decoded:
        raise UserError(
            f"its images at image_size {config.image_size} take {num_bytes / 1e9:.1f} GB, and more "
            "than "
            f"{MOST_DECODED_BYTES / 1e9:.1f} GB are not decoded at a bundle's word; run `check` on "
            "an experiment file "
            "of your own with these images at that size, then verify again"
        )
    return True
