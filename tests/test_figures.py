"""Figures: what is drawn, what is said of it, and that nothing outside them changes."""

import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from states import hostile, make_state, with_claims, with_many_trials, without_recommendation

from search.evidence.claim_table import AugmentationClaims, StrengthRange
from search.evidence.findings import RungCorrelation
from search.journal.state import SearchState
from search.report.figure_style import (
    BLUE,
    GREY,
    NARROW,
    ORANGE,
    RED,
    WIDE,
    Row,
    draw_rows,
    new_figure,
    styled,
    thinned,
    to_png,
    to_svg,
)
from search.report.figures import FIGURES
from search.report.figures_effects import draw_forest
from search.report.figures_strengths import draw_strengths, strengths_text
from search.report.figures_training import curves_text, draw_curves
from search.report.figures_trials import MOST_ROWS, draw_floor, floor_rows, rho_interval
from search.report.view import SearchView

DRAWN_AT_THE_END = set(FIGURES)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def finished() -> SearchState:
    return make_state()


def drawn(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


def axes_of(figure: Figure | None) -> Any:
    return drawn(figure).axes


def texts_of(svg: bytes) -> list[str]:
    return [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")
    ]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_of_a_finished_search_is_drawn(
    name: str, width: float, finished: SearchState
) -> None:
    with styled():
        figure = FIGURES[name].draw(SearchView(finished), width)
    assert figure is not None
    assert figure.get_figwidth() <= width
    assert figure.axes


def test_learning_curves_name_the_phases_of_a_trial(finished: SearchState) -> None:
    record = finished.records[9]  # no augmentation, confirmed
    assert record.result is not None
    assert record.result.curve is not None
    curve = record.result.curve.model_copy(update={"phases": (("head", 4), ("finetune", 8))})
    phased = record.model_copy(update={"result": record.result.model_copy(update={"curve": curve})})
    records = (*finished.records[:9], phased, *finished.records[10:])
    state = finished.model_copy(update={"records": records})
    axes = axes_of(draw_curves(SearchView(state), WIDE))
    assert [text.get_text() for text in axes[0].texts] == ["head", "finetune"]
    assert 4.5 in [line.get_xdata()[0] for line in axes[0].lines]
    assert "4 of head then 8 of finetune epochs" in curves_text(SearchView(state))
    assert not axes_of(draw_curves(SearchView(finished), WIDE))[0].texts


@pytest.mark.parametrize("name", FIGURES)
def test_a_search_that_was_only_opened_has_none_but_the_time(name: str) -> None:
    figure = FIGURES[name].draw(SearchView(make_state("opened")), WIDE)
    assert (figure is not None) == (name == "time")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_described_in_words_and_numbers(name: str, finished: SearchState) -> None:
    text = FIGURES[name].describe(SearchView(finished))
    assert len(text) > 40
    assert any(sign.isdigit() for sign in text)


def test_hostile_names_become_text_of_a_valid_svg() -> None:
    with styled():
        figure = drawn(FIGURES["confusion"].draw(SearchView(hostile()), WIDE))
    texts = texts_of(to_svg(figure))
    assert any(text.startswith("<script>") for text in texts)
    assert "${7}" in texts  # not read as mathematics


def test_the_same_figure_gives_the_same_bytes(finished: SearchState) -> None:
    def svg() -> bytes:
        with styled():
            return to_svg(drawn(draw_forest(SearchView(finished), NARROW)))

    assert svg() == svg()


def test_a_png_is_drawn_at_144_dots_an_inch(finished: SearchState) -> None:
    with styled():
        content = to_png(drawn(draw_forest(SearchView(finished), WIDE)))
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(content[16:20], "big") == round(WIDE * 144)


def test_drawing_leaves_matplotlib_as_it_was(finished: SearchState) -> None:
    before = dict(matplotlib.rcParams)
    with styled():
        to_svg(drawn(FIGURES["time"].draw(SearchView(finished), NARROW)))
    assert dict(matplotlib.rcParams) == before


def test_pyplot_and_its_global_figures_are_not_imported() -> None:
    code = (
        "import sys; sys.path[:0] = ['.', 'tests']\n"
        "from states import make_state\nfrom search.report.figures import FIGURES\n"
        "from search.report.view import SearchView\n"
        "assert FIGURES['forest'].draw(SearchView(make_state()), 5.0) is not None\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_forest_writes_each_effect_with_its_interval(finished: SearchState) -> None:
    with styled():
        texts = texts_of(to_svg(drawn(draw_forest(SearchView(finished), WIDE))))
    assert "+1.2 (0.7 to 1.7)" in texts
    assert "−2.3 (−2.8 to −1.8)" in texts


def test_what_an_augmentation_adds_stands_below_it_and_says_in_which_setting() -> None:
    with styled():
        texts = texts_of(to_svg(drawn(draw_forest(SearchView(without_recommendation()), WIDE))))
    assert texts.count("beside the setting expected best") == 1  # once, beside its mark
    assert texts[texts.index("zoom_range") + 1] != "zoom_range"


def test_trials_stand_best_first_and_no_augmentation_is_no_row(finished: SearchState) -> None:
    rows = floor_rows(SearchView(finished), 14)
    assert [row.label for row in rows] == [
        "#3",
        "#5",
        "#7",
        "course",
        "TrivialAugment",
        "#6",
        "#8",
        "#4",
    ]


def test_trials_on_fewer_views_are_hollow(finished: SearchState) -> None:
    assert [row.label for row in floor_rows(SearchView(finished), 14) if row.hollow] == [
        "#6",
        "#8",
        "#4",
    ]


def test_of_thousands_of_trials_some_are_drawn_and_the_number_is_told() -> None:
    with styled():
        figure = draw_floor(SearchView(with_many_trials(2000)), NARROW)
    assert figure is not None
    axes = figure.axes[0]
    assert axes.get_ylabel().startswith("best first, 30")
    assert len(axes.lines) < 2.2 * MOST_ROWS
    assert figure.get_figheight() < 12


def test_thinning_keeps_the_ends() -> None:
    kept = thinned(list(range(1000)), 10)
    assert (len(kept), kept[0], kept[-1]) == (10, 0, 999)


def test_the_interval_of_a_rank_correlation() -> None:
    """rho 0.5 over 28 settings: atanh 0.5493, standard error sqrt(1.125 / 25) = 0.2121."""
    low, high = rho_interval(RungCorrelation(from_views=4, to_views=16, rho=0.5, num_trials=28))
    assert (low, high) == pytest.approx(
        (np.tanh(0.5493 - 0.4158), np.tanh(0.5493 + 0.4158)), abs=1e-3
    )


def test_three_settings_say_nothing_of_a_rank_correlation() -> None:
    assert rho_interval(RungCorrelation(from_views=4, to_views=16, rho=1.0, num_trials=3)) == (
        -1.0,
        1.0,
    )


def test_rows_are_drawn_from_the_top() -> None:
    axes = new_figure(4, 2).add_subplot()
    draw_rows(axes, [Row("first", 1, 0, 2, BLUE), Row("second", 0, -1, 1, BLUE)])
    bottom, top = axes.get_ylim()
    assert bottom > top


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("color", [BLUE, RED, GREY])
def test_marks_of_verdicts_stand_out_from_white(color: str) -> None:
    assert 1.05 / (luminance(color) + 0.05) >= 3  # what WCAG 2.1 asks of graphics


def test_the_colours_of_helps_and_hurts_differ_to_people_who_see_no_red() -> None:
    """Protanopes and deuteranopes still tell blue from yellow: the b axis must separate what red
    and green do not.
    """
    channels = [
        [int(color[place : place + 2], 16) for place in (1, 3, 5)] for color in (BLUE, RED, ORANGE)
    ]
    blue_less_yellow = [blue - (red + green) / 2 for red, green, blue in channels]
    assert blue_less_yellow[0] - blue_less_yellow[1] > 100
    assert blue_less_yellow[0] - blue_less_yellow[2] > 100


def panels_of(state: SearchState) -> dict[str, Any]:
    drawn = axes_of(draw_strengths(SearchView(state), WIDE))
    return {axes.get_title(): axes for axes in drawn if axes.get_title()}


def test_each_augmentation_has_a_panel_with_its_curve_and_the_one_beside(
    finished: SearchState,
) -> None:
    panels = panels_of(finished)
    assert finished.evidence is not None
    assert finished.evidence.claims is not None
    claims = {each.name: each for each in finished.evidence.claims.augmentations}
    assert set(panels) == set(claims)
    rotation = claims["rotation_range"]
    zero, alone, beside, judged, used = panels["rotation_range"].lines
    assert list(zero.get_ydata()) == [0, 0]
    assert list(alone.get_xdata()) == [0, 10, 20, 30, 40]
    effects = [100 * point.measured.effect for point in rotation.curve]
    np.testing.assert_allclose(alone.get_ydata(), effects)
    effects = [100 * point.measured.effect for point in rotation.curve_beside]
    np.testing.assert_allclose(beside.get_ydata(), effects)
    assert list(judged.get_xdata()) == [rotation.strength]
    assert set(used.get_xdata()) == {15}  # in the recommended setting
    assert [label.get_text() for label in panels["vertical_flip"].get_xticklabels()] == [
        "off",
        "on",
    ]


def test_the_strengths_not_shown_to_be_worse_are_shaded(finished: SearchState) -> None:
    assert finished.evidence is not None
    claims = finished.evidence.claims
    assert claims is not None
    first = claims.augmentations[0].model_copy(
        update={"strengths": StrengthRange(first=10, last=20, at_edge=False)}
    )
    claims = claims.model_copy(update={"augmentations": (first, *claims.augmentations[1:])})
    state = finished.model_copy(update={"evidence": with_claims(finished.evidence, claims)})
    (shade,) = panels_of(state)["rotation_range"].patches
    assert 9 <= shade.get_x() <= 10
    assert 20 <= shade.get_x() + shade.get_width() <= 21


def test_only_what_was_tried_has_a_panel(finished: SearchState) -> None:
    assert finished.evidence is not None
    claims = finished.evidence.claims
    assert claims is not None
    untried = AugmentationClaims(
        name="vertical_flip", strength=None, alone=None, with_recommended=None, strengths=None
    )
    claims = claims.model_copy(update={"augmentations": (*claims.augmentations[:3], untried)})
    state = finished.model_copy(update={"evidence": with_claims(finished.evidence, claims)})
    assert set(panels_of(state)) == {"rotation_range", "width_shift_range", "zoom_range"}
    assert "vertical_flip" not in strengths_text(SearchView(state))
