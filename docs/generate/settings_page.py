"""The page of every setting, from the schema and the tables themselves: what can be written is
never typed by hand here."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from data.augmentations import AUGMENTATIONS
from data.sources import SOURCES
from search.driver.algorithms import ALGORITHMS
from search.execution.engines import ENGINES
from search.experiment.config import ExperimentConfig
from search.experiment.dimensions import SEARCHED_TITLE
from search.features.backbones import BACKBONES, Backbone
from search.training.losses import LOSSES

ON_ITS_OWN = "augmentation"  # which has a picture for each
MAY_BE_SEARCHED = ("model", "training")
# Section -> what one of its settings names, the head of the second column, and its table.
TABLES_WITH_SUMMARIES: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    "training": ("loss", "is", LOSSES),
    "search": ("algorithm", "does", ALGORITHMS),
    "execution": ("engine", "does", ENGINES),
}
INTRODUCTION = """# Every setting

Made from the schema when these pages are built; `python run_search.py schema` prints it for
editors. An unknown key, a wrong type or an impossible range is refused before any image is read.

A value of `augmentation`, `model` or `training` is fixed, or searched: `{min: 0, max: 40}` with
`step` or `sampling: log` if wanted, a list `[a, b, c]`, or `{choices: [a, b, c]}` where a list
would be read as a pair.
"""
CREDIT = (
    "The photograph is scikit-learn's `china.jpg`, by danielbuechele, CC BY 2.0; it was cropped "
    "and augmented."
)


def settings_page() -> str:
    """The page as Markdown; pictures are named as `hook` adds them."""
    top = _table(ExperimentConfig, only=("name", "seed"))
    parts = [INTRODUCTION, "## The file", top, _augmentations()]
    for title, model in _sections("", ExperimentConfig):
        name = title.rpartition(".")[2]
        note = "Each may be searched.\n" if name in MAY_BE_SEARCHED else ""
        parts += [f"## {title}", _about(model), note, _table(model), _choices(name)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sections(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section and section of a section, in the file's order: its path and the type that
    checks it."""
    for name, field in model.model_fields.items():
        here = f"{path}.{name}" if path else name
        for part in (field.annotation, *get_args(field.annotation)):
            if here != ON_ITS_OWN and isinstance(part, type) and issubclass(part, BaseModel):
                yield here, part
                yield from _sections(here, part)


def _about(model: type[BaseModel]) -> str:
    """What the section is for. The rest of its docstring is about single settings, whose words
    stand in the table."""
    return " ".join((model.__doc__ or "").split()).partition(". ")[0].rstrip(".") + "."


def _table(model: Any, only: tuple[str, ...] | None = None) -> str:
    schema = model.model_json_schema()
    rows = ["| setting | allowed | default | |", "| --- | --- | --- | --- |"]
    for name, field in schema["properties"].items():
        if only is None or name in only:
            words = field.get("description", "").replace("\n", " ")
            rows.append(
                f"| `{name}` | {_allowed(field)} | {_default(name, field, schema)} | {words} |"
            )
    return "\n".join(rows)


def _default(name: str, field: dict[str, Any], schema: dict[str, Any]) -> str:
    if name in schema.get("required", ()):
        return "must be given"
    default = field.get("default")
    if isinstance(default, dict):  # a section, which has a table of its own
        return "as below"
    return "none" if default is None else f"`{_as_written(default)}`"


def _as_written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _allowed(field: dict[str, Any]) -> str:
    if "allowed" in field:
        return f"`{field['allowed']}`"
    if "anyOf" in field:
        options = (o for o in field["anyOf"] if not o.get("title", "").startswith(SEARCHED_TITLE))
        return " or ".join(_allowed(each) for each in options)
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field:
        return "a section"
    kind = {
        "null": "null",
        "string": "text",
        "boolean": "true, false",
        "object": "a section",
        "array": "a list",
        "integer": "whole number",
        "number": "number",
    }.get(field.get("type", ""), "any")
    bounds = [
        f"{word} {field[key]}"
        for key, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if key in field
    ]
    return " ".join([kind, *bounds])


def _choices(section: str) -> str:
    if section == "dataset":
        rows = [
            f"| `{name}` | {source.about} | {source.path} |" for name, source in SOURCES.items()
        ]
        return "\n".join(["| source | is | path |", "| --- | --- | --- |", *rows])
    if section == "model":
        rows = [
            f"| `{name}` | {each.smallest_size} px | {_where_weights_are(each)} |"
            for name, each in BACKBONES.items()
        ]
        return "\n".join(
            [
                "| backbone | smallest `image_size` | ImageNet weights |",
                "| --- | --- | --- |",
                *rows,
            ]
        )
    if section in TABLES_WITH_SUMMARIES:
        title, does, table = TABLES_WITH_SUMMARIES[section]
        rows = [f"| `{name}` | {_sentence(record.summary)} |" for name, record in table.items()]
        return "\n".join([f"| {title} | {does} |", "| --- | --- |", *rows])
    return ""


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _where_weights_are(backbone: Backbone) -> str:
    if not backbone.has_imagenet:
        return "none: `weights: random`"
    return "come with a package" if backbone.package_file else "downloaded once"


def _augmentations() -> str:
    parts = [
        "## augmentation",
        "Names, units and distributions are those of Keras's `ImageDataGenerator`, with what it "
        "lacks. They are applied in the order "
        "of this page. Each picture shows both ends of three strengths, or each choice where there "
        "are no strengths. The pictures are "
        f"drawn by the code that draws a trial's. {CREDIT}",
    ]
    for name, record in AUGMENTATIONS.items():
        unit = f" Unit: {record.unit}." if record.unit else ""
        parts += [
            f"### {name}",
            f"{record.about}{unit} Allowed: {record.form.allowed}. Default: "
            f"`{_as_written(record.identity)}`.",
            f"![{name}, weak to strong](pictures/{name}.png)",
        ]
    return "\n\n".join(parts)
