"""The report page as a file: what it says at every stage of a search, and what it never lets
through."""

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from states import (
    PHASES,
    SCRIPT,
    Phase,
    hostile,
    make_claims,
    make_state,
    with_claims,
    with_evaluation,
    with_lost,
    with_many_trials,
    without_recommendation,
)

from search.experiment.controls import CONTROLS
from search.experiment.trial import Probe
from search.guests.leak import LeakDemo, LeakedScore
from search.journal.state import SearchState
from search.report import trial_tables
from search.report.contact_sheet import WINNER_SHEET
from search.report.glossary import GLOSSARY
from search.report.page import PAGE_TABLES, render_report, write_report
from search.report.section_texts import controls_text
from search.report.sentences import facts
from search.report.trial_tables import trial_table, trials_csv
from search.report.view import SearchView

HEADINGS = [
    "Which augmentations help",
    "What it looks like",
    "The trials, against luck",
    "How strongly",
    "Learning curves",
    "Who gains, who loses",
    "The sealed test set",
    "Can fewer views be trusted?",
    "The data",
    "What it cost",
    "Repeat it",
    "Use it",
    "What the words mean",
]


def test_settings_that_nobody_asked_for_are_explained_where_they_stand() -> None:
    asked_for = [label for label, control in CONTROLS.items() if control.name is not None]
    state = make_state()
    first, *others = [r for r in state.records if r.kind == "control"]
    labels = dict(zip([r.trial for r in others], asked_for, strict=False))
    records = tuple(
        r.model_copy(update={"label": labels.get(r.trial, r.label)}) for r in state.records
    )
    said = controls_text(SearchView(state.model_copy(update={"records": records}))) or ""
    assert all(f'"{label}" is ' in said for label in labels.values())
    alone = tuple(r for r in records if r.kind != "control" or r.trial == first.trial)
    assert controls_text(SearchView(state.model_copy(update={"records": alone}))) is None


class Reader(HTMLParser):
    """What a browser would make of the page: its tags, and its text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(state: SearchState, run_dir: Path = Path("runs/digits")) -> Reader:
    """The page without its figures, which take most of the time."""
    return Reader(render_report(SearchView(state), run_dir, {}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search's run directory with its page, figures and all."""
    run_dir = tmp_path_factory.mktemp("digits")
    (run_dir / WINNER_SHEET).parent.mkdir()
    Image.fromarray(np.full((40, 60, 3), 128, np.uint8)).save(run_dir / WINNER_SHEET)
    write_report(SearchView(make_state()), run_dir)
    return run_dir


def test_it_is_one_small_file_that_needs_nothing_else(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert len(page.encode()) < 1_000_000
    for tag, attributes in Reader(page).tags:
        assert tag not in ("link", "iframe", "object", "embed")
        for name in ("src", "srcset", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))


def test_every_picture_has_alternative_text(finished: Path) -> None:
    reader = Reader((finished / "report.html").read_text())
    pictures = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert len(pictures) == 9  # eight figures and the contact sheet
    assert all(len(picture["alt"] or "") > 40 for picture in pictures)


def test_the_figures_are_kept_for_trackers(finished: Path) -> None:
    kept = {path.stem for path in (finished / "figures").glob("*.png")}
    assert kept == {
        "forest",
        "floor",
        "strength",
        "curves",
        "classes",
        "confusion",
        "rungs",
        "time",
    }


def test_nothing_half_written_is_left(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {"report.html", "figures", "previews"}


def test_there_is_a_model_to_predict_with_where_its_final_training_ended() -> None:
    without = make_state(failed=(17,)).model_copy(update={"test": None})
    texts = [read(state).text for state in (without, make_state())]
    assert ["run_search.py predict " in text for text in texts] == [False, True]


def test_the_sections_stand_in_the_promised_order() -> None:
    text = read(make_state()).text
    places = [text.index(f" {heading} ") for heading in HEADINGS]
    assert places == sorted(places)


def test_the_answer_stands_on_top() -> None:
    text = read(make_state()).text
    assert text.index("Use rotation_range 15") < text.index("Which augmentations help")


def test_the_same_state_gives_the_same_page() -> None:
    assert render_report(SearchView(make_state()), Path("runs/a"), {}) == render_report(
        SearchView(make_state()), Path("runs/a"), {}
    )


@pytest.mark.parametrize("phase", PHASES)
def test_every_accuracy_stands_with_its_interval(phase: Phase) -> None:
    text = read(make_state(phase)).text
    accuracies = re.findall(r"\d+\.\d %.{0,9}", text)
    assert all(re.match(r"\d+\.\d % \(\d+\.\d", found) for found in accuracies)
    assert bool(accuracies) == (phase != "opened")


def test_of_several_trainings_without_augmentation_the_page_says_which_it_shows() -> None:
    assert "accuracy without augmentation (#9, confirmation)" in read(make_state()).text
    assert "accuracy without augmentation (#0, search)" in read(make_state("search")).text


def test_headings_are_explained_where_they_stand_and_all_words_at_the_end() -> None:
    page = read(make_state())
    told = [attributes["title"] for tag, attributes in page.tags if "title" in attributes]
    assert {term.meaning for term in GLOSSARY if term.headings} >= set(told)
    assert len(set(told)) >= 8
    last = page.text[page.text.index("What the words mean") :]
    assert all(f"{term.name} {term.meaning}" in last for term in GLOSSARY)


def test_every_heading_that_the_glossary_explains_is_one_of_a_table() -> None:
    states = (make_state(), without_recommendation(), with_lost(make_state(), 3))
    tables = [t(SearchView(state)) for state in states for t in PAGE_TABLES]
    shown = {column.text.removesuffix(", points") for table in tables for column in table.columns}
    assert {heading for term in GLOSSARY for heading in term.headings} <= shown


def test_a_raw_score_stands_in_no_cell_of_its_own() -> None:
    state = make_state()
    scores = {f"{r.result.score:.3f}" for r in state.records if r.result and r.result.score}
    assert not scores & set(read(state).text.split())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (make_state("opened"), "This search has not ended"),
        (
            make_state("search").model_copy(update={"stopped": "SIGTERM"}),
            "This search was stopped (SIGTERM)",
        ),
        (
            make_state("search"),
            "Nothing here is confirmed on fresh seeds, folds and views: no trial got so far.",
        ),
        (
            with_evaluation(make_state("search"), confirm=None),
            "switched off (evaluation.confirm: null)",
        ),
        (make_state("ablation"), "The test set has not been opened."),
        (
            with_evaluation(make_state("ablation"), test=False),
            "it was switched off (evaluation.test: false)",
        ),
        (make_state("confirm"), "These verdicts are not final: they rest on the search alone"),
        (make_state(failed=(5,)), "1 trial failed"),
        (make_state(failed=(5,)), "the loss is not finite (epoch 3)"),
        (
            without_recommendation(),
            "The best trial of the search phase stands below the null floor",
        ),
        (without_recommendation(), "Train without augmentation"),
        (make_state("controls"), "There are no verdicts"),
        (make_state("controls"), "The null floor is measured when the search phase has ended."),
        (
            make_state().model_copy(update={"cut_after": 4}),
            "The time ran out (search.max_hours) when 4",
        ),
    ],
)
def test_what_is_not_there_is_said_plainly(state: SearchState, words: str) -> None:
    assert words in read(state).text


def test_no_test_images_are_no_sealed_test_set() -> None:
    state = make_state("ablation")
    assert state.opened is not None
    dataset = state.opened.dataset.model_copy(
        update={"counts": {**state.opened.dataset.counts, "test": ()}}
    )
    without = state.model_copy(
        update={"opened": state.opened.model_copy(update={"dataset": dataset})}
    )
    assert "The data has no test images." in read(without).text


def test_a_second_look_at_the_test_set_is_told() -> None:
    state = make_state()
    again = state.test.model_copy(update={"looks": 2})  # type: ignore[union-attr]
    text = read(state.model_copy(update={"test": again})).text
    assert "The test set was opened 2 times; only the first look was unbiased." in text


def test_changed_validation_images_are_told() -> None:
    state = make_state()
    result = state.records[4].result.model_copy(  # type: ignore[union-attr]
        update={"validation_hash": ("aa", "bb")}
    )
    records = tuple(
        r.model_copy(update={"result": result}) if r.trial == 4 else r for r in state.records
    )
    text = read(state.model_copy(update={"records": records})).text
    assert "The validation images changed during trials #4" in text


def test_the_demonstrated_leak_stands_in_a_section_of_its_own() -> None:
    scores = (
        LeakedScore(
            trial=3,
            label="setting 1",
            clean=0.964,
            clean_ci=(0.95, 0.97),
            leaked=0.9,
            leaked_ci=(0.88, 0.92),
        ),
    )
    found = {"leak": LeakDemo(scores=scores, rho=0.25)}
    text = read(make_state().model_copy(update={"guests": found})).text
    assert "What augmented validation would have shown" in text
    assert "96.4 % (95.0 to 97.0) 90.0 % (88.0 to 92.0)" in text
    assert "The rank correlation of the two is 0.25." in text
    assert "augmented validation" not in read(make_state()).text


def test_trials_cut_by_max_epochs_and_the_optimism_are_told() -> None:
    text = read(make_state()).text
    assert "Heads of 16 trials were ended by max_epochs, not by patience" in text
    assert "0.4 points better on average" in text


def test_the_table_of_trials_has_both_scores_and_the_heads_that_were_cut() -> None:
    state = make_state()
    table = trial_table(SearchView(state))
    row = dict(zip(table.headings, table.rows[3], strict=True))
    result = state.records[3].result
    assert result is not None
    assert row["accuracy (95 %)"].text.startswith(f"{100 * result.metrics['accuracy']:.1f} %")
    assert row["optimistic"].text.startswith(
        f"{100 * result.optimistic_metrics['accuracy']:.1f} % ("
    )
    assert row["cut"].text == f"{result.heads_cut_by_max_epochs} of {result.num_heads}"
    assert result.optimistic_metrics["accuracy"] > result.metrics["accuracy"]


def test_where_a_setting_has_two_effects_the_table_says_what_each_is() -> None:
    state = make_state()
    assert state.evidence is not None
    claims = make_claims(wholes={"setting 3": 0.0155})
    state = state.model_copy(update={"evidence": with_claims(state.evidence, claims)})
    table = trial_table(SearchView(state))
    for number in (3, 10):  # in the search, and again
        row = dict(zip(table.headings, table.rows[number], strict=True))
        own = state.records[number].effect
        assert own is not None
        shown = row["by its own training (95 %), points"].text
        assert shown.startswith(f"+{100 * own.delta:.1f} ")
        assert row["by all trainings (95 %), points"].text.startswith("+1.6 ")
    assert '"by its own training" is one training beside no augmentation' in read(state).text
    rows = list(csv.DictReader(io.StringIO(trials_csv(SearchView(state)))))
    assert (rows[10]["delta"], rows[10]["claimed"]) == ("0.012000", "0.015500")
    assert (rows[10]["verdict"], rows[10]["claimed_low"]) == ("HELPS", "0.010500")
    assert {row["claimed"] for row in rows if not row["verdict"]} == {""}
    assert {row["precision"] for row in rows} == {"float32"}


def test_without_a_policy_to_export_the_page_still_says_how_to_use_the_model() -> None:
    text = read(without_recommendation()).text
    assert "there is no policy to export" in text
    assert "python run_search.py predict" in text
    assert "export " not in text.split("Use it")[1].replace("to export", "")


def test_names_of_people_s_files_are_text() -> None:
    page = render_report(SearchView(hostile()), Path("runs/x"), {})
    reader = Reader(page)
    assert SCRIPT not in page
    assert SCRIPT in reader.text
    assert [tag for tag, _ in reader.tags].count("script") == 1
    assert not [tag for tag, _ in reader.tags if tag in ("img", "b")]
    assert "\x00" not in page
    assert "\x01" not in page


def test_only_the_page_s_own_script_may_run() -> None:
    named = {attributes.get("http-equiv"): attributes for _, attributes in read(make_state()).tags}
    policy = named["Content-Security-Policy"]["content"] or ""
    own = r"script-src 'sha256-[\w+/]{43}='"
    assert re.fullmatch(
        rf"default-src 'none'; img-src data:; style-src 'unsafe-inline'; {own}", policy
    )


def test_credentials_of_a_server_do_not_reach_the_page() -> None:
    state = make_state()
    assert state.opened is not None
    config = {**state.opened.config, "tracking": {"uri": "https://me:s3cret@mlflow.example/path"}}
    opened = state.opened.model_copy(
        update={"config": config, "environment": {"tracking": "postgresql://me:s3cret@host/db"}}
    )
    page = render_report(
        SearchView(state.model_copy(update={"opened": opened})), Path("runs/x"), {}
    )
    assert "s3cret" not in page
    assert "mlflow.example/path" in page


def test_a_run_directory_with_spaces_is_quoted_in_commands() -> None:
    assert (
        "python run_search.py verify 'runs/my run'" in read(make_state(), Path("runs/my run")).text
    )


def test_a_page_does_not_tell_where_it_was_made(tmp_path: Path) -> None:
    assert str(tmp_path) not in render_report(SearchView(make_state()), tmp_path / "digits", {})


def test_a_heavy_contact_sheet_is_made_lighter(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    (tmp_path / WINNER_SHEET).parent.mkdir()
    Image.fromarray(noise).save(tmp_path / WINNER_SHEET)
    assert (tmp_path / WINNER_SHEET).stat().st_size > 3_000_000
    page = render_report(SearchView(make_state()), tmp_path, {})
    assert "data:image/jpeg;base64," in page
    assert len(page) < 1_500_000


def test_ten_thousand_trials_make_a_page_that_can_be_mailed() -> None:
    state = with_many_trials(10_000)
    page = render_report(SearchView(state), Path("runs/long"), {})
    assert len(page) < 1_500_000
    assert "more are in trials.csv" in page


def test_a_promoted_setting_is_counted_once() -> None:
    state = make_state()
    first = next(record for record in state.of_kind("trial") if record.status == "completed")
    promoted = first.model_copy(update={"trial": len(state.records), "rung": 2})
    more = state.model_copy(update={"records": (*state.records, promoted)})
    assert (
        dict(facts(SearchView(more)))["settings tried"]
        == dict(facts(SearchView(state)))["settings tried"]
        == "6"
    )


def test_the_label_safety_table_shows_accuracy_with_its_interval() -> None:
    probe = Probe(
        augmentation="rotation_range",
        at="+40 degrees",
        accuracy=0.9,
        accuracy_ci=(0.88, 0.92),
        clean_accuracy=0.95,
        clean_accuracy_ci=(0.93, 0.96),
        fill_share=0.21,
        mean_shift_pixels=12.3,
        unchanged_share=0.0,
    )
    state = make_state()
    first, *others = state.records
    assert first.result is not None
    probed = first.model_copy(
        update={"result": first.result.model_copy(update={"probes": (probe,)})}
    )
    text = read(state.model_copy(update={"records": (probed, *others)})).text
    assert "21.0 %" in text
    assert "90.0 % (88.0 to 92.0)" in text
    assert "unchanged" not in text  # a column that says nothing is left out
    assert "remark" not in text


def test_a_table_cut_short_holds_the_best_trials_and_all_that_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = make_state()
    others = [str(r.trial) for r in state.of_kind("control", "confirm", "ablation")]
    top = max(record.rung or 0 for record in state.of_kind("trial"))
    measured = [r for r in state.of_kind("trial") if r.effect is not None and (r.rung or 0) == top]
    best = sorted(measured, key=lambda r: r.effect.delta if r.effect else 0.0)[-2:]
    monkeypatch.setattr(trial_tables, "MOST_SHOWN", len(others) + 2)
    table = trial_table(SearchView(state))
    shown = [row[0].text for row in table.rows]
    assert set(shown) == {*others, *(str(record.trial) for record in best)}
    assert shown == sorted(shown, key=int)
    assert table.left_out == len(state.of_kind("trial")) - 2


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"root:x:0:0", "not a PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n" + b" " * 1_000_000, "not a PNG"),
        (b"\0" * ((1 << 24) + 1), "it has more than 16,777,216 bytes"),
    ],
)
def test_what_is_no_contact_sheet_is_left_out_of_the_page(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    (tmp_path / WINNER_SHEET).parent.mkdir()
    (tmp_path / WINNER_SHEET).write_bytes(content)
    page = render_report(SearchView(make_state()), tmp_path, {})
    assert "data:image" not in page
    assert f"previews/winner.png, is left out: {fault}" in page


def test_a_linked_contact_sheet_is_left_out_of_the_page(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "elsewhere.png")
    (tmp_path / "run" / WINNER_SHEET).parent.mkdir(parents=True)
    (tmp_path / "run" / WINNER_SHEET).symlink_to(tmp_path / "elsewhere.png")
    page = render_report(SearchView(make_state()), tmp_path / "run", {})
    assert "data:image" not in page
    assert "is left out: it is a link" in page
