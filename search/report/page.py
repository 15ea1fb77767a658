"""The report page: one HTML file that opens anywhere and answers whether augmentation helps. Puts
text, tables and figures into the template; what they say is in `answer_text`, `sentences`,
`section_texts`, `tables` and `figures`. Needs the view, and shows pictures of the run directory
where they are there.
"""

import base64
import hashlib
import io
import json
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data.errors import BadImage, UserError
from data.files import is_regular_within, make_folder, read_regular, write_atomically
from data.redacted_values import redacted_values
from search.experiment.yaml_file import as_yaml
from search.export.exporters import Policy, targets_of
from search.journal.events import Opened
from search.report import section_texts, sentences, tables
from search.report.answer_text import answer, beside_answer, with_answer
from search.report.contact_sheet import MOST_SHEET_FILE_BYTES, WINNER_SHEET, check_sheet
from search.report.dashboard import read_dashboard
from search.report.equal_epochs import curve_note
from search.report.figures import PagePicture, page_pictures
from search.report.glossary import GLOSSARY
from search.report.table_model import Table
from search.report.trial_tables import trial_table
from search.report.view import SearchView
from search.report.wording import printable

TEMPLATES = Path(__file__).parent / "templates"
FIGURES_FOLDER = "figures"
MOST_SHEET_BYTES = 900_000
# What the template knows, each under its function's name.
SENTENCES: tuple[Callable[[SearchView], str | list[Any] | None], ...] = (
    answer,
    with_answer,
    beside_answer,
    sentences.notices,
    sentences.facts,
    sentences.how_to_read,
    sentences.precision_text,
    sentences.how_to_read_verdicts,
    sentences.what_goes_with_what,
    sentences.no_verdicts,
    sentences.fresh_text,
    section_texts.controls_text,
    section_texts.sheet_text,
    section_texts.floor_sentence,
    curve_note,
    section_texts.stopping_lines,
    section_texts.test_lines,
    section_texts.confusion_note,
    section_texts.hollow_text,
    section_texts.no_strengths,
    section_texts.no_classes,
    section_texts.rungs_sentence,
    tables.guest_sections,
    section_texts.data_lines,
    section_texts.cost_text,
)
PAGE_TABLES: tuple[Callable[[SearchView], Table], ...] = (
    tables.verdict_table,
    tables.whole_table,
    trial_table,
    tables.failure_table,
    tables.test_table,
    tables.class_table,
    tables.safety_table,
    tables.version_table,
)


def write_report(view: SearchView, run_dir: Path) -> Path:
    """Writes `report.html` into the run directory, and its figures as `figures/*.png` for trackers.

    All beside and renamed. Returns the page's path. Raises StorageError.
    """
    pictures = page_pictures(view)
    folder = run_dir / FIGURES_FOLDER
    if folder.is_symlink():  # it may lead anywhere, and files there are replaced
        folder.unlink()
    make_folder(folder, "the figures' folder")
    for name, picture in pictures.items():
        write_atomically(folder / f"{name}.png", picture.png, "a figure")
    path = run_dir / "report.html"
    write_atomically(path, render_report(view, run_dir, pictures), "the report")
    return path


def render_report(view: SearchView, run_dir: Path, pictures: Mapping[str, PagePicture]) -> str:
    """The page as HTML with `figures.page_pictures`. The same view and pictures give the same
    text. `run_dir` is named in commands, and holds the contact sheet."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sheet, sheet_fault = _sheet(run_dir)
    script = (TEMPLATES / "report.js").read_text()
    # an absolute path would tell everybody who gets the page how this machine is laid out
    folder = shlex.quote(run_dir.name if run_dir.is_absolute() else str(run_dir))
    return environment.get_template("report.html.j2").render(
        **{part.__name__: part(view) for part in (*SENTENCES, *PAGE_TABLES)},
        view=view,
        glossary=GLOSSARY,
        title=view.opened.name if view.opened else run_dir.name,
        config=_config(view.opened) if view.opened else "",
        config_file=f"{folder}/config.yaml",
        dashboard=read_dashboard(run_dir),
        repeat=_repeat(folder),
        use=_use(view),
        use_commands=_use_commands(view, folder),
        pictures=_embedded(pictures),
        sheet=sheet,
        sheet_fault=sheet_fault,
        style=Markup((TEMPLATES / "report.css").read_text()),
        script=Markup(script),
        # only this script may run, even if some text should ever come through unescaped
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _config(opened: Opened) -> str:
    config = redacted_values(opened.config, opened.dataset.class_names)
    return as_yaml(config, allow_unicode=True)


def _repeat(folder: str) -> list[str]:
    return [
        "# the same search again",
        f"python run_search.py run {folder}/config.yaml --run-dir {folder}-again",
        "# one trial again, every number compared",
        f"python run_search.py verify {folder}",
        "# this page again, from the journal alone",
        f"python run_search.py report {folder}",
    ]


def _use(view: SearchView) -> str:
    if view.used:
        return f"Train with {view.recommended}."
    if view.used is None:
        return "There is no recommendation to use yet."
    model = " The model trained so, on your images:" if view.is_finished and view.final else ""
    return (
        "Train without augmentation: no setting was shown to help, so there is no policy to "
        f"export.{model}"
    )


def _use_commands(view: SearchView, folder: str) -> list[str]:
    predict = f"python run_search.py predict {folder} IMAGE..."
    predicting = [predict] if view.is_finished and view.final is not None else []
    if not view.used:
        return predicting
    targets = targets_of(Policy("", dict(view.used), view.image_size))
    model = "# classes and probabilities of images, by the model trained with them"
    return [
        "# the settings, in the units of the experiment file",
        json.dumps(view.used, ensure_ascii=False),
        "# as code or settings for use elsewhere",
        *(f"python run_search.py export {folder} --to {target}" for target in targets),
        *(line for command in predicting for line in (model, command)),
    ]


def _printable(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def _embedded(pictures: Mapping[str, PagePicture]) -> dict[str, dict[str, str]]:
    return {
        name: {
            "wide": _data_uri(picture.wide_svg, "image/svg+xml"),
            "narrow": _data_uri(picture.narrow_svg, "image/svg+xml"),
            "text": picture.text,
        }
        for name, picture in pictures.items()
    }


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _sheet(run_dir: Path) -> tuple[str | None, str]:
    """The contact sheet for the page, None where there is none, and why one that is there is left
    out: a link, no PNG, too large. One that is too heavy to mail is made lighter.
    """
    path = run_dir / WINNER_SHEET
    if not os.path.lexists(path):
        return None, ""
    if not is_regular_within(path, run_dir):
        return None, "it is a link or no regular file"
    try:
        content = read_regular(path, MOST_SHEET_FILE_BYTES)
        check_sheet(content)
    except UserError:
        return None, f"it has more than {MOST_SHEET_FILE_BYTES:,} bytes"
    except BadImage as error:
        return None, str(error)
    if len(content) <= MOST_SHEET_BYTES:
        return _data_uri(content, "image/png"), ""
    return _data_uri(_lighter(content), "image/jpeg"), ""


def _lighter(content: bytes) -> bytes:
    """A JPEG of at most MOST_SHEET_BYTES: full size at first, then smaller by a quarter until it
    fits."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as opened:
        image: Image.Image = opened.convert("RGB")
    while True:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=82)
        if buffer.tell() <= MOST_SHEET_BYTES:
            return buffer.getvalue()
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4))
