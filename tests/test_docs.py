"""The documentation: it builds without a broken link, shows every augmentation, and every command and snippet in it runs.

Fenced blocks are taken page by page and run in one folder, in the order in which a reader goes; commands of `run_search.py`
in this process, others in a shell. Experiments are made small; what is written is kept. A block that cannot run here stands
under `<!-- not run: REASON -->`, one that is a file under `<!-- file: NAME -->`, one that shows what stands in a file made before
under `<!-- part of: NAME -->`.
"""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from data.augmentations import AUGMENTATIONS
from search.experiment.config import ExperimentConfig, load_config, parse_config

ROOT = Path(__file__).parent.parent
FIRST = ("docs/tutorial.md", "README.md")  # the others use the runs that these make
PAGES = [*FIRST, *sorted({f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")} - {*FIRST})]
LANGUAGES = ("bash", "python", "yaml", "text", "json")
SMALLEST: dict[str, dict[str, Any]] = {
    "dataset": {"image_size": 8, "split": {"validation": 0.2, "test": 0.2}},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 8},
    "training": {"max_epochs": 2, "patience": 2, "batch_size": 128, "views": 1},
    "search": {"algorithm": "random", "trials": 2},
    "evaluation": {
        "folds": 2,
        "seeds": 1,
        "confirm": {"top": 1, "seeds": 1, "views": 1},
        "ablation": False,
    },
    "tracking": {"uri": None},
    "execution": {"engine": "inline"},
}
BARE = {
    "name": "bare",
    "dataset": {"source": "digits"},
    "augmentation": {"horizontal_flip": [False, True]},
}
pytestmark = [
    pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning"),
    # Importing MLflow and registering a model, as in test_sync.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
    pytest.mark.timeout(600),
]


class Block(NamedTuple):
    """line: where its fence stands, from 1. marks: what the comments above it say, name to words."""

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str]


def blocks_of(page: str) -> Iterator[Block]:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    marks: dict[str, str] = {}
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        if line.startswith("```"):
            end = next(n for n in range(number + 1, len(lines)) if lines[n].strip() == "```")
            text = "\n".join(lines[number + 1 : end])
            yield Block(page, number + 1, line[3:].strip(), text, marks)
            marks, number = {}, end
        elif found := re.fullmatch(r"<!-- (not run|file|part of): (.+) -->", line):
            marks = {**marks, found[1]: found[2]}
        elif line:
            marks = {}
        number += 1


def inline_commands(page: str) -> list[str]:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.findall(r"`(python run_search\.py [^`]+)`", text)


def made_small(experiment: dict[str, Any]) -> dict[str, Any]:
    """The same question with the smallest settings; digits where photographs would be needed."""
    small = {**experiment}
    for section, values in SMALLEST.items():
        small[section] = {**small.get(section, {}), **values}
    if small["dataset"]["source"] == "clothing":
        small["dataset"] = {"source": "digits", "image_size": 8}
    if small["training"].get("mode") == "scratch":
        small["training"]["views"] = "fresh"
    if small["dataset"]["source"] == "digits" or "two-classes" in str(small["dataset"].get("path")):
        small["dataset"].pop("split", None)
        small["dataset"].pop("classes", None)
    return small


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it: experiments, a few photographs in folders a class, some new ones."""
    from PIL import Image
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("desk")
    (folder / "experiments").mkdir()
    for path in (ROOT / "experiments").glob("*.yaml"):
        experiment = made_small(yaml.safe_load(path.read_text()))
        (folder / "experiments" / path.name).write_text(yaml.safe_dump(experiment))
    digits = load_digits()
    for label in range(3):
        (folder / "photos" / f"class{label}").mkdir(parents=True)
        for number, image in enumerate(digits.images[digits.target == label][:30]):
            picture = Image.fromarray((image * 15).astype(np.uint8)).resize((16, 16))
            picture.save(folder / "photos" / f"class{label}" / f"{number}.png")
    for name, source in (("pants", "class0"), ("shorts", "class1")):
        for number, path in enumerate(sorted((folder / "photos" / source).iterdir())):
            split = folder / "clothing" / ("train", "validation", "test")[number % 3] / name
            split.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, split)
    (folder / "new").mkdir()
    shutil.copy(folder / "photos/class1/0.png", folder / "new/one.png")
    Image.open(folder / "new/one.png").save(folder / "new/two.jpg")
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{page}:{block.line}: give the block one of {LANGUAGES}"
        assert len(block.marks.get("not run", "a reason in words")) > 10


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[] if page in FIRST else [pytest.mark.slow]) for page in PAGES]
)
def test_every_command_and_snippet_of_a_page_runs(
    page: str, desk: Path, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    monkeypatch.setenv("AUGSEARCH_CACHE", str(desk / "cache"))
    monkeypatch.setenv("AUGSEARCH_CLOTHING", str(desk / "clothing"))
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        if "not run" in block.marks:
            continue
        where = f"{page}:{block.line}"
        if block.language == "python":
            exec(compile(block.text, where, "exec"), names)
        elif block.language == "yaml":
            keep_file(block, desk)
        elif block.language == "bash" and "run_search.py" not in block.text:
            subprocess.run(["bash", "-euc", block.text], check=True, timeout=120)
        elif block.language == "bash":
            for line in block.text.replace("\\\n", " ").splitlines():
                run_line(line, where, mlflow_uri)
    for line in inline_commands(page):
        run_line(line, page, mlflow_uri)


def keep_file(block: Block, desk: Path) -> None:
    content = yaml.safe_load(block.text)
    if name := block.marks.get("file"):
        path = desk / name
        path.write_text(block.text)
        load_config(path)  # as it is written it is sound
        path.write_text(yaml.safe_dump(made_small(content)))
    elif name := block.marks.get("part of"):
        written = yaml.safe_load((desk / name).read_text())
        assert {key: written.get(key) for key in content} == content, f"{block.page}:{block.line}"
    elif set(content) <= set(ExperimentConfig.model_fields):
        parse_config({**BARE, **content}, f"{block.page}:{block.line}")


def run_line(line: str, where: str, mlflow_uri: str) -> None:
    words = shlex.split(line, comments=True)
    assert words[:2] in ([], ["python", "run_search.py"]), f"{where}: {line}: put it in a block of its own"
    if words:
        call(words[2:], f"{where}: {line}", mlflow_uri)


def call(arguments: list[str], what: str, mlflow_uri: str) -> None:
    from run_search import app

    if arguments[0] == "sync":
        arguments = [*arguments, "--uri", mlflow_uri]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, f"{what}\n{result.output}\n{result.exception!r}"
    if "import-idg" in arguments and "--out" in arguments:
        path = Path(arguments[arguments.index("--out") + 1])
        path.write_text(yaml.safe_dump(made_small(yaml.safe_load(path.read_text()))))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert built.returncode == 0, built.stderr
    return folder


def test_it_builds_and_no_link_is_broken(site: Path) -> None:
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= {path.stem for path in site.glob("*.html")}


def test_every_augmentation_is_shown_at_its_strengths(site: Path) -> None:
    from PIL import Image

    page = (site / "settings.html").read_text()
    for name in AUGMENTATIONS:
        assert f'src="pictures/{name}.png"' in page
        with Image.open(site / "pictures" / f"{name}.png") as picture:
            assert picture.width > 400


def test_every_setting_of_the_schema_is_on_its_page(site: Path) -> None:
    page = (site / "settings.html").read_text()
    schema = ExperimentConfig.model_json_schema()
    names = {name for part in schema["$defs"].values() for name in part["properties"]} - {
        "validation",
        "test",
    }
    assert not {name for name in names if f"<code>{name}</code>" not in page}


def test_every_setting_and_choice_has_its_words_and_no_word_is_left_over() -> None:
    from docs.generate.settings_page import settings_page
    from docs.generate.words import AUGMENTATION_WORDS, CHOICE_WORDS, WORDS
    from search.driver.algorithms import ALGORITHMS
    from search.execution.engines import ENGINES

    page = settings_page()
    assert not re.findall(r"^.*\|\s*\|$", page.replace("| default | |", ""), flags=re.M)  # an empty last cell
    assert [words for words in WORDS.values() if words not in page] == []
    assert list(AUGMENTATION_WORDS) == list(AUGMENTATIONS)
    assert {title: set(words) for title, words in CHOICE_WORDS.items()} == {
        "algorithm": set(ALGORITHMS),
        "engine": set(ENGINES),
    }


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        assert not re.findall(r'(?:src|href)="https?://[^"]*\.(?:js|css|png|svg|woff2?)"', page.read_text())


def test_a_broken_link_would_be_found(tmp_path: Path) -> None:
    """The build that the tests trust fails where it must."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("[gone](nowhere.md)\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\nplugins: []\n")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert built.returncode != 0
    assert "nowhere.md" in built.stderr
