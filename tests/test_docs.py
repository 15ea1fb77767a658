"""The documentation: every command and snippet in it runs. The site that is built of it is
`test_docs_site`'s.

Fenced blocks are taken page by page and run in one folder, in the order in which a reader goes;
commands of `run_search.py` in this process, others in a shell. Experiments are made small; what is
written is kept. A block that cannot run here stands under `<!-- not run: REASON -->`, one that is a
file under `<!-- file: NAME -->`, one that shows what stands in a file made before under `<!-- part
of: NAME -->`.
"""

import linecache
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from search.driver.experiment_file import load_config, parse_config
from search.experiment.config import ExperimentConfig

ROOT = Path(__file__).parent.parent
# The others use the runs that these make; all but the tutorial are quick.
QUICK = ("README.md", "docs/from-imagedatagenerator.md")
FIRST = ("docs/tutorial.md", *QUICK, "docs/commands.md")
PAGES = [*FIRST, *sorted({f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")} - {*FIRST})]
OTHER_PAGES = ("CONTRIBUTING.md", "benchmarks/README.md", "experiments/README.md")
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
    """line: where its fence stands, from 1. marks: what the comments above it say, name to
    words."""

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
    is_own = "build" in experiment.get("model", {})
    for section, values in SMALLEST.items():
        if not (section == "model" and is_own):  # it says all of that itself
            small[section] = {**small.get(section, {}), **values}
    if small["dataset"]["source"] == "clothing":
        small["dataset"] = {"source": "digits", "image_size": 8}
    if small["training"].get("mode") == "scratch" or is_own:
        small["training"]["views"] = "fresh"
    if "digits" in small["dataset"]["source"] or "two-classes" in str(small["dataset"].get("path")):
        small["dataset"].pop("split", None)
        small["dataset"].pop("classes", None)
        small["dataset"].pop("limit_per_class", None)  # which wants one fold
    return small


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it: experiments, a few photographs in folders a class, some new
    ones."""
    from PIL import Image
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("desk")
    (folder / "experiments").mkdir()
    for path in (ROOT / "experiments").glob("*.yaml"):
        experiment = made_small(yaml.safe_load(path.read_text()))
        (folder / "experiments" / path.name).write_text(yaml.safe_dump(experiment))
    for path in (ROOT / "experiments").glob("*.py"):
        shutil.copy(path, folder / "experiments")
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
        assert block.language in LANGUAGES, (
            f"{page}:{block.line}: give the block one of {LANGUAGES}"
        )
        assert len(block.marks.get("not run", "a reason in words")) > 10


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[] if page in QUICK else [pytest.mark.slow]) for page in PAGES],
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
        if block.language == "python" and "file" in block.marks:
            (desk / block.marks["file"]).write_text(block.text)
        elif block.language == "python":  # with its source at hand, as in a notebook
            lines = block.text.splitlines(keepends=True)
            linecache.cache[where] = (len(block.text), None, lines, where)
            exec(compile(block.text, where, "exec"), names)
        elif block.language == "yaml":
            keep_file(block, desk)
        elif block.language == "text" and "file" in block.marks:
            (desk / block.marks["file"]).write_text(block.text)
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
    assert words[:2] in ([], ["python", "run_search.py"]), (
        f"{where}: {line}: put it in a block of its own"
    )
    if words:
        call(words[2:], f"{where}: {line}", mlflow_uri)


def call(arguments: list[str], what: str, mlflow_uri: str) -> None:
    from run_search import app

    if arguments[0] == "sync":
        arguments = [*arguments, "--uri", mlflow_uri]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, f"{what}\n{result.output}\n{result.exception!r}"
    if arguments[0] in ("import-idg", "init"):
        out = arguments.index("--out") + 1 if "--out" in arguments else None
        if out is None and arguments[0] == "import-idg":
            return  # it prints
        path = Path(arguments[out] if out else f"{Path(arguments[1]).stem}.yaml")
        path.write_text(yaml.safe_dump(made_small(yaml.safe_load(path.read_text()))))


@pytest.mark.parametrize("page", PAGES)
def test_options_and_targets_named_in_passing_are_there(page: str) -> None:
    """What stands in a sentence and not in a block: `--demo-leak`, `make docs`."""
    import typer

    from run_search import app

    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.M | re.S)
    spans = re.findall(r"`([^`]+)`", text)
    commands = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    options = {option for command in commands for each in command.params for option in each.opts}
    named = {
        word
        for span in spans
        for word in re.findall(r"(?<!\S)--[a-z-]+", span)
        if "ui " not in span
    }
    assert named <= options
    targets = {span.split()[1] for span in spans if span.startswith("make ")}
    assert targets <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES])
def test_every_file_of_this_project_that_is_named_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:data|search|tests|benchmarks|docs)/[\w/.-]+)`", text)
    named += [f"{m.replace('.', '/')}.py" for m in re.findall(r"python -m (benchmarks\.\w+)", text)]
    assert [name for name in named if not (ROOT / name).exists()] == []
