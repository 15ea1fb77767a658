"""The site that MkDocs builds: no broken link, every augmentation shown, every setting and choice
with its words."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from data.augmentations import AUGMENTATIONS
from search.experiment.config import ExperimentConfig

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert built.returncode == 0, built.stderr
    return folder


def test_it_builds_and_no_link_is_broken(site: Path) -> None:
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= {
        path.stem for path in site.glob("*.html")
    }


def test_every_augmentation_is_shown_at_its_strengths(site: Path) -> None:
    from PIL import Image

    from docs.generate.pictures import SIDE

    page = (site / "settings.html").read_text()
    for name in AUGMENTATIONS:
        assert f'src="pictures/{name}.png"' in page
        with Image.open(site / "pictures" / f"{name}.png") as picture:
            assert picture.width > 2 * SIDE  # clean and at least one other


def test_every_setting_of_the_schema_is_on_its_page(site: Path) -> None:
    page = (site / "settings.html").read_text()
    schema = ExperimentConfig.model_json_schema()
    names = {name for part in schema["$defs"].values() for name in part["properties"]} - {
        "validation",
        "test",
        *AUGMENTATIONS,  # each has a heading
    }
    assert not {name for name in names if f"<code>{name}</code>" not in page}


def test_every_setting_and_choice_has_its_words_and_no_word_is_left_over() -> None:
    from docs.generate.settings_page import settings_page
    from search.driver.algorithms import ALGORITHMS
    from search.execution.engines import ENGINES
    from search.training.losses import LOSSES

    page = settings_page()
    # an empty last cell
    assert not re.findall(r"^.*\|\s*\|$", page.replace("| default | |", ""), flags=re.M)
    assert [record for record in AUGMENTATIONS.values() if record.about not in page] == []
    summaries = {name: record.summary for name, record in ALGORITHMS.items()}
    summaries |= {name: record.summary for name, record in (ENGINES | LOSSES).items()}
    for name, summary in summaries.items():
        assert f"| `{name}` | {summary[0].upper()}{summary[1:]}. |" in page


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        assert not re.findall(
            r'(?:src|href)="https?://[^"]*\.(?:js|css|png|svg|woff2?)"', page.read_text()
        )


def test_a_broken_link_would_be_found(tmp_path: Path) -> None:
    """The build that the tests trust fails where it must."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("[gone](nowhere.md)\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\nplugins: []\n")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert built.returncode != 0
    assert "nowhere.md" in built.stderr
