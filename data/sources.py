"""The table of sources: where labelled images come from. Adding one adds a record here and the
function it names.

A source lists; decoding, caching and checking are the same for all of them and live in `dataset`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.arrays import list_arrays
from data.clothing import list_clothing
from data.csv_source import list_csv
from data.digits import list_digits, list_mirrored_digits, list_turned_digits
from data.folder import list_folder
from data.listing import Listing
from data.settings import DatasetConfig
from data.tfrecord import list_tfrecord


@dataclass(frozen=True)
class Source:
    """One kind of source. `list(config, cache_dir)` gives its Listing, or raises UserError for what
    the user can mend. groups: the setting that may name them. ending: of a path that `init` takes
    for one of this source, a folder's being empty; layout: how it says what is there.
    """

    about: str
    path: Literal["required", "optional", "none"]
    groups: Literal["group_column", "group_pattern", None]
    list: Callable[[DatasetConfig, Path], Listing]
    classes_are_folders: bool = False
    has_columns: bool = False
    ending: str | None = None
    layout: str = ""


SOURCES: dict[str, Source] = {
    "folder": Source(
        about="train/, validation/ and test/ with a folder per class in each, or only those",
        path="required",
        groups="group_pattern",
        list=list_folder,
        classes_are_folders=True,
        ending="",
        layout="a folder per class",
    ),
    "csv": Source(
        about="a csv with the columns path, label and, if it has them, split; paths are below its "
        "folder",
        path="required",
        groups="group_column",
        list=list_csv,
        has_columns=True,
        ending=".csv",
        layout="a row per image",
    ),
    "arrays": Source(
        about="an .npz of images and labels, or of x_train, y_train and so on",
        path="required",
        groups="group_column",
        list=list_arrays,
        ending=".npz",
        layout="an .npz of arrays",
    ),
    "tfrecord": Source(
        about="TFRecord shards of image/encoded and image/class/label, or of TensorFlow Datasets' "
        "image and label",
        path="required",
        groups="group_column",
        list=list_tfrecord,
    ),
    "digits": Source(
        about="scikit-learn's 1797 handwritten digits; needs no file",
        path="none",
        groups=None,
        list=list_digits,
    ),
    "turned_digits": Source(
        about="the same digits, upright to learn from and turned by up to 45 degrees to be scored "
        "on: an exercise of the course; needs no file",
        path="none",
        groups=None,
        list=list_turned_digits,
    ),
    "mirrored_digits": Source(
        about="those of the digits that differ from their mirror image, half of them mirrored, in "
        "the classes as written and mirrored: an exercise of the course; needs no file",
        path="none",
        groups=None,
        list=list_mirrored_digits,
    ),
    "clothing": Source(
        about="clothing-dataset-small, 3781 photographs in 10 classes; found, or downloaded once",
        path="optional",
        groups="group_pattern",
        list=list_clothing,
        classes_are_folders=True,
    ),
}


BY_ENDING = {each.ending: name for name, each in SOURCES.items() if each.ending is not None}


def path_to_images(config: DatasetConfig) -> str | None:
    """Where a machine must have the images to read them itself; empty where that is not written
    down, None where none is needed."""
    return None if SOURCES[config.source].path == "none" else config.path or ""
