"""What MLflow shows as descriptions, in Markdown: of the experiment, which asks the question and
gives the newest search's answer; of a search's run, the page as far as a tag holds it; of a trial's
run; of the registered model. Made from the view alone, in the page's own tables and sentences."""

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from data.augmentations import AUGMENTATIONS
from data.messages import escaped, first_of, listed
from data.secrets import redacted
from search.experiment.kinds import KINDS
from search.experiment.objectives import SHOWN_ANYWAY
from search.experiment.trial import TrialRecord
from search.export.exporters import Policy, targets_of, write
from search.report.answer_text import answer, below_answer
from search.report.section_texts import cost_text, data_lines, floor_sentence, test_lines
from search.report.table_model import Table, as_markdown, escaped_markdown
from search.report.tables import (
    best_trials_table,
    by_class_table,
    test_table,
    verdict_table,
    whole_table,
)
from search.report.view import SearchView
from search.report.wording import effect_text, estimate_text, number_text, percent_text
from search.tracking.mlflow_values import model_name, opened_of
from search.tracking.saved_view import PICTURES, Place

MOST_OF_EXPERIMENT = 4900  # since it gets a mark, by which it is known again
MAX_CHARACTERS = 5000  # a tag of a run holds 8000, one of an experiment or of older servers 5000


def describe_experiment(view: SearchView, place: Place) -> str:
    """The question and the answer, of which the dashboard shows a line until it is opened; then the
    ways on."""
    opened = opened_of(view)
    names = [name for name in opened.space if name in AUGMENTATIONS]
    asked = f"**Which augmentations help on {escaped_markdown(opened.name)}?**"
    rest = [
        *_picture(place),
        _ways_on(view, place),
        _again(place),
        escaped_markdown(f"Searched: {first_of(names) or 'no augmentation'}."),
    ]
    first = f"{asked} {escaped_markdown(answer(view))}"
    said = [*_answer_lines(view, first, MOST_OF_EXPERIMENT - _length(rest)), *rest]
    return _joined(said)[:MOST_OF_EXPERIMENT]


def describe(view: SearchView, place: Place | None = None) -> str:
    """The page. Sections that would make it longer than a tag may be are left out, the last ones
    first."""
    last = ["The figures and every trial are in the artifact `report.html`."]
    picture: list[str] = []
    if place is not None:
        picture, last = _picture(place), [_ways_on(view, place), _again(place)]
    room = MAX_CHARACTERS - _length(last)
    first = f"**{escaped_markdown(answer(view))}**"
    said = [*_answer_lines(view, first, room - _length(picture)), *picture]
    for text in _sections(view):
        if text and _length(said) + len(text) < room:
            said.append(text)
    return _joined([*said, *last])


def _answer_lines(view: SearchView, first: str, room: int) -> list[str]:
    """The answer and what stands below it, as far as there is room."""
    said = [first]
    for line in map(escaped_markdown, below_answer(view)):
        if _length([*said, line]) > room:
            break
        said.append(line)
    return said


def _length(said: Sequence[str]) -> int:
    """Of paragraphs, with what divides them."""
    return sum(len(text) + 2 for text in said)


def describe_trial(view: SearchView, record: TrialRecord, is_claimed: bool = True) -> str:
    """Its verdict and its setting in words. is_claimed: whether what all trainings together say of
    it is known by now, if anything is."""
    accuracy = view.accuracy(record)
    what = (
        f"{KINDS[record.kind].about}: trial {number_text(record.trial)} of {opened_of(view).name}."
    )
    if record.duplicate_of is not None:
        what += f" It repeats {number_text(record.duplicate_of)}, and was not trained again."
    if accuracy:
        what += f" Accuracy {percent_text(*accuracy)} on clean images."
    said = [_verdict(view, record, is_claimed), view.what_text(record), what]
    return _joined([said[0], *map(escaped_markdown, said[1:])])


def _verdict(view: SearchView, record: TrialRecord, is_claimed: bool) -> str:
    over = f"of {view.unit.of} over no augmentation"
    if record.result is not None and record.result.status == "failed":
        return f"**Failed:** {escaped_markdown(redacted(record.result.error or 'no reason given'))}"
    if not record.spec.settings.augmentation and record.kind != "trial":
        return "**No augmentation:** what the others are compared with."
    if is_claimed and record.trial in view.claimed_of:
        word, measured = view.claimed_of[record.trial]
        return (
            f"**{word}: {estimate_text(measured, view.unit)}** {over}, by all trainings that count."
        )
    if record.effect is None:
        return "**No verdict.**"
    shown = effect_text(record.effect, view.unit)
    return f"**No verdict: {shown}** {over}, by this training alone."


def describe_winner(view: SearchView, class_names: Sequence[str]) -> str:
    """What a registered model's page says: the answer with what stands below it, its accuracy on
    the test set, what goes in and what comes out, and its augmentation as code."""
    classes = listed(list(map(escaped_markdown, class_names)))
    if len(classes) > MAX_CHARACTERS // 4:
        classes = f"{len(class_names)} classes, listed in the model's metadata"
    rest = [
        f"Accuracy on the sealed test set: {test_accuracy(view) or 'not measured'}.",
        "Takes raw uint8 images `[n, height, width, 3]` of any size; gives the probabilities `[n, "
        f"{len(class_names)}]` of: {classes}.",
    ]
    first = f"**{escaped_markdown(answer(view))}**"
    said = [*_answer_lines(view, first, MAX_CHARACTERS - _length(rest)), *rest]
    code = _code(view)
    if code and _length(said) + len(code) < MAX_CHARACTERS - 100:
        said.append(code)
    return _joined(said)


def test_accuracy(view: SearchView) -> str:
    """Of the model that is kept, with its interval; empty where it was not measured."""
    score = view.kept_score
    if score is None or SHOWN_ANYWAY not in score.metrics:
        return ""
    return percent_text(score.metrics[SHOWN_ANYWAY], score.accuracy_ci)


def _code(view: SearchView) -> str:
    """The augmentation to use, for the first library that can express it; else as settings."""
    if not view.used:
        return ""
    name = escaped(opened_of(view).name)
    policy = Policy(f"Recommended by the search {name}", dict(view.used), view.image_size)
    settings, *libraries = targets_of(policy)
    to, form = (libraries[0], "as code") if libraries else (settings, "as settings")
    return f"Its augmentation {form}:\n\n```\n{write(policy, to).code.strip()}\n```"


def _picture(place: Place) -> list[str]:
    name = "figures/forest.png"
    picture = place.picture(PICTURES[name])
    return [f"![effects with their intervals]({picture})"] * (name in place.files)


def _ways_on(view: SearchView, place: Place) -> str:
    ways = [
        f"[Its trials]({place.runs}), those with a verdict first, and [as charts]({place.charts})",
        f"[All that was found]({place.page}): verdicts, strengths, test set, cost",
    ]
    for name, words in (
        ("figures/winner.png", "What it does to the pictures"),
        ("report.html", "The page, with every figure"),
    ):
        if name in place.files:
            ways.append(f"[{words}]({place.artifact(name)})")
    if view.is_finished and view.final is not None:
        name = quote(model_name(opened_of(view).name), safe="")
        ways.append(f"[The model](#/models/{name})" + ", with its augmentation" * bool(view.used))
    return "\n".join(f"* {way}" for way in ways)


def _again(place: Place) -> str:
    again = f"run {place.folder}/config.yaml --run-dir {place.folder}-again"
    return (
        f"The same search again: `python run_search.py {again}`; one trial again, every number "
        f"compared: `python run_search.py verify {place.folder}`."
    )


def _joined(said: Sequence[str]) -> str:
    return "\n\n".join(text for text in said if text)[:MAX_CHARACTERS]


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
