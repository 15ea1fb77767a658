"""A search's description in Markdown, which the MLflow dashboard shows as the run's page: the
answer first, then the page's own tables and sentences, as far as a tag holds them. Figures and long
tables are on `report.html`.
"""

from collections.abc import Iterator, Sequence

from search.report.answer import answer, beside_answer
from search.report.sections import cost_text, data_lines, floor_sentence, test_lines
from search.report.table_model import Table, as_markdown, escaped_markdown
from search.report.tables import (
    best_trials_table,
    by_class_table,
    test_table,
    verdict_table,
    whole_table,
)
from search.report.view import SearchView

MAX_CHARACTERS = 5000  # a tag of MLflow holds 8000, one of older servers 5000


def describe(view: SearchView) -> str:
    """The page. Sections that would make it longer than a tag may be are left out, the last ones
    first."""
    said = [f"**{escaped_markdown(answer(view))}**", *map(escaped_markdown, beside_answer(view))]
    for text in _sections(view):
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


def _sections(view: SearchView) -> Iterator[str]:
    if view.augmentations:
        yield _table("Which augmentations help", verdict_table(view))
    yield escaped_markdown(floor_sentence(view))
    yield _table("Whole settings", whole_table(view))
    less = len(view.of_kind("trial")) > len(view.ranked_trials)
    what = "Trials of the fullest rung" if less else "Trials of the search"
    yield _table(f"{what}, the best first", best_trials_table(view))
    if view.test:
        yield f"### Test set\n{' '.join(test_lines(view))}\n\n{as_markdown(test_table(view))}"
    yield escaped_markdown(cost_text(view))
    yield _table("Effect by class, the largest first", by_class_table(view))
    yield escaped_markdown(" ".join(data_lines(view)))


def _table(title: str, table: Table) -> str:
    return f"### {title}\n{as_markdown(table)}" if table.rows else ""
