"""Which images `init` was given: the kind of source, its layout of splits, and a csv's columns,
with the choices of the section `dataset` that follow. The sources themselves list the images, and
say what is wrong with them."""

from pathlib import Path

from data.csv_file import Csv, cell_of, read_csv
from data.dataset import list_images
from data.errors import UserError
from data.files import named_path
from data.listing import Listing
from data.messages import escaped
from data.settings import DatasetConfig, Split
from data.sources import BY_ENDING, SOURCES
from data.splits import split_number
from search.commands.init_choices import Chosen
from search.execution.engine import default_cache_dir

# What columns of a csv are called; the first is the default.
COLUMNS = {
    "path_column": ("path", "file", "filename", "file_name", "filepath", "image", "image_path"),
    "label_column": ("label", "class", "class_name", "category", "target"),
    "split_column": ("split", "subset", "set"),
}


def source_of(data: str) -> str:
    """The source that reads a path as it was named. Raises UserError where there is none."""
    path = named_path(data)
    if not _is_text(data):
        raise UserError(
            f"{escaped(data)}: this name is no UTF-8, which experiment files are; rename it"
        )
    if path.is_dir():
        if Path.cwd().is_relative_to(path.resolve()):
            raise UserError(
                f"{escaped(data)} is the folder that you are in, where runs/ would lie among the "
                "classes; go to a folder outside it and name it from there"
            )
        return BY_ENDING[""]
    kind = BY_ENDING.get(path.suffix.lower()) if path.suffix else None
    if kind is None or not path.exists():
        what = "is neither" if path.exists() else "is not there"
        raise UserError(f"{escaped(data)} {what}; give a folder of images, a .csv or an .npz")
    return kind


def _is_text(name: str) -> bool:
    """Whether it can be written: of bytes that are no UTF-8 Python makes lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def found_images(data: str, source: str, named: dict[str, str]) -> tuple[list[Chosen], Listing]:
    """The choices of the section `dataset`, and the images by them. Raises UserError as the source
    does.

    named: `path_column` and `label_column` of a csv, where they were named.
    """
    path = named_path(data).resolve()
    columns = _columns(path, named) if SOURCES[source].has_columns else []
    chosen = [
        Chosen("dataset.source", source, SOURCES[source].layout),
        Chosen("dataset.path", data, "relative to this file"),
        *columns,
    ]
    settings = {each.key.partition(".")[2]: each.value for each in columns}
    config = DatasetConfig(source=source, path=str(path), **settings)
    try:
        listing = _list(config)
    except UserError as error:
        raise UserError(f"{error}{_help(data, config)}") from error
    if listing.draw is None:
        return chosen, listing
    shares = {"validation": listing.draw.validation, "test": listing.draw.test}
    why = "shares set aside, drawn class by class; the test images are looked at once, at the end"
    return [*chosen, Chosen("dataset.split", shares, why)], listing


def _list(config: DatasetConfig) -> Listing:
    """With the splits that are there, and one drawn where there is train and test alone."""
    cache = default_cache_dir()
    try:
        return list_images(config, cache)
    except UserError as error:
        plain = error
    try:
        return list_images(config.model_copy(update={"split": Split()}), cache)
    except UserError:
        raise plain from None


def _help(data: str, config: DatasetConfig) -> str:
    """What to do about it on this command line; empty where nothing is."""
    path, source = Path(config.path or ""), SOURCES[config.source]
    if source.has_columns:
        is_named = {config.path_column, config.label_column} <= set(read_csv(path).header)
        return "" if is_named else "; here: --path-column NAME, --label-column NAME"
    tables = sorted(path.glob("*.csv")) if source.classes_are_folders else []
    if not tables:
        return ""
    return f"; or init {escaped(str(Path(data, tables[0].name)))}, where it has labels"


def _columns(path: Path, named: dict[str, str]) -> list[Chosen]:
    """Which columns hold what, where they are not called as they are by default. What is not found
    is left to the source, which lists the columns."""
    cells = read_csv(path)
    chosen = []
    for key, names in COLUMNS.items():
        found = [each for name in names for each in cells.header if each.lower() == name]
        if key == "split_column":
            found = [each for each in found if _holds_splits(cells, each)]
        column = named.get(key) or next(iter(found), names[0])
        if column != names[0]:
            why = "as you said" if key in named else "as its name says"
            chosen.append(Chosen(f"dataset.{key}", column, f"the csv's column of these, {why}"))
    return chosen


def _holds_splits(cells: Csv, column: str) -> bool:
    place = cells.header.index(column)
    return all(split_number(cell_of(row, place)) is not None for _, row in cells.lines)
