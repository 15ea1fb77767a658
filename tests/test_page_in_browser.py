"""The report page in a real Chromium, opened from disk at the widths of a telephone, a desk and
a wide screen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from states import HOSTILE_NAMES, SCRIPT, hostile

from search.report.contact_sheet import WINNER_SHEET
from search.report.page import write_report
from search.report.view import SearchView

WIDTHS = (390, 1200, 1920)
EFFECT = "by its own training (95 %), points"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a finished search whose class names are an attack, with a contact sheet."""
    run_dir = tmp_path_factory.mktemp("hostile")
    (run_dir / WINNER_SHEET).parent.mkdir()
    Image.fromarray(np.full((300, 800, 3), 200, np.uint8)).save(run_dir / WINNER_SHEET)
    return write_report(SearchView(hostile()), run_dir)


@pytest.fixture(params=WIDTHS)
def opened(request: pytest.FixtureRequest, browser: Any, page_file: Path) -> Iterator[Any]:
    """The page, with everything that happened while it opened in `page.seen`."""
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.set_default_timeout(30_000)  # a busy machine
    page.seen = []
    page.on("console", lambda message: page.seen.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: page.seen.append(f"error: {error}"))
    page.on(
        "dialog", lambda dialog: (page.seen.append(f"dialog: {dialog.message}"), dialog.dismiss())
    )
    page.on("request", lambda sent: page.seen.append(f"request: {sent.url[:60]}"))
    page.goto(page_file.as_uri())
    yield page
    page.close()


def column(page: Any, heading: str) -> list[str]:
    """A column of the table of trials, from top to bottom."""
    return page.evaluate(
        """heading => {
            const table = document.querySelector("table.sortable");
            const at = [...table.tHead.rows[0].cells].findIndex(
                cell => cell.textContent.trim() === heading);
            return [...table.tBodies[0].rows].map(row => row.cells[at].textContent.trim());
        }""",
        heading,
    )


def press(page: Any, heading: str) -> None:
    page.get_by_role("button", name=heading, exact=True).click()


def test_it_opens_without_errors_and_without_the_network(opened: Any, page_file: Path) -> None:
    opened.wait_for_load_state("networkidle")
    outside = [
        seen
        for seen in opened.seen
        if not seen.startswith(("request: data:", f"request: {page_file.as_uri()}"[:60]))
    ]
    assert outside == []


def test_nothing_is_wider_than_the_screen(opened: Any) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_every_figure_is_seen_and_named(opened: Any) -> None:
    figures = opened.locator("figure img")
    assert figures.count() == 9
    for place in range(9):
        figure = figures.nth(place)
        figure.scroll_into_view_if_needed()
        assert figure.is_visible()
        assert figure.evaluate("image => image.complete && image.naturalWidth > 0")
        assert len(figure.get_attribute("alt")) > 40


def test_figures_are_shown_at_the_size_they_were_drawn_for(opened: Any) -> None:
    """So that their 9 to 10 point text is as large as the text around it."""
    scales = opened.evaluate(
        """() => [...document.querySelectorAll("figure picture img")]
            .map(image => image.getBoundingClientRect().width / image.naturalWidth)"""
    )
    assert len(scales) == 8
    assert all(0.95 <= scale <= 1.01 for scale in scales)


def test_the_table_sorts_by_number_and_back(opened: Any) -> None:
    press(opened, EFFECT)
    effects = [cell for cell in column(opened, EFFECT) if cell[:1] in "+−0" and cell]
    values = [float(cell.split(" ")[0].replace("−", "-")) for cell in effects]
    assert len(values) == 13
    assert values == sorted(values)
    press(opened, EFFECT)
    assert column(opened, EFFECT)[: len(effects)] != effects
    assert column(opened, "trial").count("3") == 1
    heading = opened.locator("table.sortable th", has_text=EFFECT)
    assert heading.get_attribute("aria-sort") == "descending"


def test_rows_without_a_value_stay_last_both_ways(opened: Any) -> None:
    for _ in range(2):
        press(opened, "epoch")
        assert column(opened, "trial")[-1] == "6"  # the trial that failed
        assert column(opened, "epoch")[-1] == ""


def test_the_table_sorts_from_the_keyboard(opened: Any) -> None:
    opened.get_by_role("button", name="kind", exact=True).focus()
    opened.keyboard.press("Enter")
    assert column(opened, "kind") == sorted(column(opened, "kind"))


def test_class_names_are_text(opened: Any) -> None:
    names = opened.locator("#data ~ div tbody th, #data ~ details tbody th").all_text_contents()
    assert SCRIPT in names
    assert len(names) == len(HOSTILE_NAMES) + 1
    assert opened.locator("script").count() == 1


def serious_faults(page: Any) -> list[tuple[str, str]]:
    """What an accessibility audit says of the page as it stands."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe is not installed (pip install axe-playwright-python)",
    )
    return [
        (each["id"], each["nodes"][0]["html"][:200])
        for each in axe.Axe().run(page).response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_an_accessibility_audit_finds_nothing_serious(opened: Any) -> None:
    assert serious_faults(opened) == []


def test_a_wide_screen_is_used(opened: Any) -> None:
    main = opened.evaluate("document.querySelector('main').getBoundingClientRect().width")
    assert main > 0.85 * min(opened.viewport_size["width"], 1920)


def test_printed_on_a4_no_table_is_cut_off(browser: Any, page_file: Path) -> None:
    # A4 less 14 mm margins, at 96 to the inch
    page = browser.new_page(viewport={"width": 688, "height": 1000})
    page.goto(page_file.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert page.pdf(prefer_css_page_size=True)[:5] == b"%PDF-"
    assert serious_faults(page) == []
    page.close()
