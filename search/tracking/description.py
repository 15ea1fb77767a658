"""A search's description in Markdown, which the MLflow dashboard shows as the run's page: the
answer first, then the tables it rests on. Figures and long tables are on `report.html`.
"""

from collections.abc import Callable, Sequence

from search.report.answer import answer
from search.report.sentences import floor_height, looks_text
from search.report.table_model import Table, as_markdown, escaped_markdown
from search.report.tables import (
    best_trials_table,
    by_class_table,
    confirmed_table,
    test_table,
    verdict_table,
)
from search.report.view import SearchView
from search.report.wording import effect_text, seconds_text

MAX_CHARACTERS = 5000  # a tag of MLflow holds 8000, one of older servers 5000


def describe(view: SearchView) -> str:
    """The page. Sections that would make it longer than a tag may be are left out, the last ones
    first."""
    said = [f"**{escaped_markdown(answer(view))}**"]
    for section in SECTIONS:
        text = section(view)
        if text and sum(len(s) + 2 for s in said) + len(text) < MAX_CHARACTERS - 100:
            said.append(text)
    said.append("The figures and every trial are in the artifact `report.html`.")
    return "\n\n".join(said)[:MAX_CHARACTERS]


def describe_winner(view: SearchView, class_names: Sequence[str]) -> str:
    """What a registered model's page says: the answer, what goes in and what comes out."""
    classes = ", ".join(map(escaped_markdown, class_names))
    if len(classes) > MAX_CHARACTERS // 2:
        classes = f"{len(class_names)} classes, listed in the model's metadata"
    return (
        f"**{escaped_markdown(answer(view))}**\n\n"
        "Takes raw uint8 images `[n, height, width, 3]` of any size; gives the probabilities `[n, "
        f"{len(class_names)}]` of: {classes}."
    )


def _verdicts(view: SearchView) -> str:
    if not view.augmentations:
        return ""
    return _section("Which augmentations help", verdict_table(view, compared=True))


def _floor(view: SearchView) -> str:
    height = floor_height(view)
    if height is None:
        return ""
    side = "below" if view.evidence.best_is_below_floor else "above"
    return (
        "**Null floor:** if no trial differed from no augmentation, the best of them would still "
        f"show up to {height}. The best trial is {side} it."
    )


def _confirmed(view: SearchView) -> str:
    return _section("Confirmed on fresh seeds", confirmed_table(view))


def _trials(view: SearchView) -> str:
    less = len(view.of_kind("trial")) > len(view.ranked_trials)
    what = "Trials of the fullest rung" if less else "Trials of the search"
    return _section(f"{what}, the best first", best_trials_table(view))


def _test(view: SearchView) -> str:
    test = view.test
    if test is None:
        return ""
    title = f"Test set ({test.num_images} images, {looks_text(test.looks)})"
    effect = effect_text(test.effect, view.unit)
    return _section(title, test_table(view)) + (f"\n\nDifference: {effect}." if test.effect else "")


def _cost(view: SearchView) -> str:
    phases = ", ".join(f"{name} {seconds_text(s)}" for name, s in view.phase_seconds.items())
    where = f" ({phases})" if phases else ""
    return (
        f"**Cost:** {seconds_text(view.wall_seconds)}{where}; {view.cost.images} images through "
        "the backbone."
    )


def _by_class(view: SearchView) -> str:
    return _section("Effect by class, the largest first", by_class_table(view))


def _data(view: SearchView) -> str:
    if view.opened is None:
        return ""
    data = view.opened.dataset
    sizes = ", ".join(f"{split} {sum(counts)}" for split, counts in data.counts.items())
    size = f"{data.image_size} x {data.image_size}"
    return (
        f"**Data:** {sizes} images of {size} pixels, {len(data.class_names)} classes, digest "
        f"`{data.digest}`."
    )


def _section(title: str, table: Table) -> str:
    return f"### {title}\n{as_markdown(table)}" if table.rows else ""


SECTIONS: tuple[Callable[[SearchView], str], ...] = (
    *(_verdicts, _floor, _confirmed, _trials),
    *(_test, _cost, _by_class, _data),
)
