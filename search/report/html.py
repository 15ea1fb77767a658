"""The report page: one HTML file that opens anywhere and answers whether augmentation helps. Puts
text, tables and figures into the template; what they say is in `sections`, `tables` and `figures`.
Needs the state, and shows pictures of the run directory where they are there.
"""

import base64
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.files import make_folder, write_atomically
from search.journal.state import SearchState
from search.report.contact_sheet import WINNER_SHEET
from search.report.figures import Picture, page_pictures
from search.report.figures_training import curve_note
from search.report.page import build_page
from search.report.wording import printable

TEMPLATES = Path(__file__).parent / "templates"
FIGURES_FOLDER = "figures"
MOST_SHEET_BYTES = 900_000


def write_report(state: SearchState, run_dir: Path) -> Path:
    """Writes `report.html` into the run directory, and its figures as `figures/*.png` for trackers.

    All beside and renamed. Returns the page's path. Raises StorageError.
    """
    pictures = page_pictures(state)
    folder = make_folder(run_dir / FIGURES_FOLDER, "the figures' folder")
    for name, picture in pictures.items():
        write_atomically(folder / f"{name}.png", picture.png, "a figure")
    path = run_dir / "report.html"
    write_atomically(path, render_report(state, run_dir, pictures), "the report")
    return path


def render_report(state: SearchState, run_dir: Path, pictures: Mapping[str, Picture]) -> str:
    """The page as HTML with `figures.page_pictures`. The same state and pictures give the same
    text."""
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
    script = (TEMPLATES / "report.js").read_text()
    return environment.get_template("report.html.j2").render(
        page=build_page(state, run_dir, curve_note(state)),
        pictures=_embedded(pictures),
        sheet=_sheet(run_dir / WINNER_SHEET),
        style=Markup((TEMPLATES / "report.css").read_text()),
        script=Markup(script),
        # only this script may run, even if some text should ever come through unescaped
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _printable(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def _embedded(pictures: Mapping[str, Picture]) -> dict[str, dict[str, str]]:
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


def _sheet(path: Path) -> str | None:
    """The contact sheet for the page; one that is too heavy to mail is made lighter. None where
    there is none.
    """
    if not path.is_file():
        return None
    content = path.read_bytes()
    if len(content) <= MOST_SHEET_BYTES:
        return _data_uri(content, "image/png")
    return _data_uri(_lighter(content), "image/jpeg")


def _lighter(content: bytes) -> bytes:
    """A JPEG of at most MOST_SHEET_BYTES: full size at first, then smaller by a quarter until it
    fits."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as opened:
        image: Any = opened.convert("RGB")
    while True:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=82)
        if buffer.tell() <= MOST_SHEET_BYTES:
            return buffer.getvalue()
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4))
