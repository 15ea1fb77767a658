"""The assignment's notebook from top to bottom in a kernel of its own, on digits with small
settings, and what its cells show."""

from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "experiments" / "assignment.ipynb"
SMALL = """
SEED = 3
RUNS = Path({folder!r}) / "runs"
NOTEBOOK = repository / "experiments" / "assignment.ipynb"
ANSWERS = Path({folder!r}) / "answers.txt"
CHANGES = [
    *("dataset.image_size=8", "model.head_units=8", "search.trials=2", "evaluation.seeds=1"),
    *("training.max_epochs=3", "training.patience=3", "training.batch_size=128"),
    *("training.views=1", "evaluation.confirm={{top: 1, seeds: 1, views: 1}}"),
]
KERAS_EPOCHS = 1
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after a run; a cell that raises ends the test with its traceback."""
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (parameters,) = [
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())
    ]
    parameters.source = SMALL.format(folder=str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUGSEARCH_CACHE", str(folder / "cache"))
        patch.delenv("PYTHONPATH", raising=False)  # a student has none
        patch.setenv("PYTHONWARNINGS", "ignore")
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        client = NotebookClient(
            notebook, timeout=240, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
        )
        client.execute()
    return notebook


def outputs(notebook: Any) -> Iterator[tuple[str, str]]:
    """Kind and content of everything that was shown."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                yield output.name, output.text
            else:
                yield from output.get("data", {}).items()


def shown(notebook: Any, *kinds: str) -> list[str]:
    return [content for kind, content in outputs(notebook) if kind in kinds]


def test_it_is_handed_out_without_answers() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    questions = [c.source for c in notebook.cells if "**Question" in c.source]
    assert (
        sum(text.count("**Question") for text in questions)
        == sum(t.count("*Your answer:*") for t in questions)
        == 12
    )


def test_the_images_are_looked_at(executed: Any) -> None:
    sheet, *rows = shown(executed, "image/png")
    with Image.open(BytesIO(b64decode(sheet))) as picture:
        assert min(picture.size) > 200  # rows of pictures under headings
    assert len(rows) == 4  # of the exercises: upright and turned, as written and mirrored
    for row in rows:
        with Image.open(BytesIO(b64decode(row))) as picture:
            assert picture.width > 5 * picture.height


def test_the_searches_show_their_progress_and_their_verdicts(executed: Any) -> None:
    text = "".join(shown(executed, "stdout"))
    assert text.count("search: 2 trials") >= 3
    assert any("2/2" in bar for bar in shown(executed, "text/plain"))
    first_lines = ("Use ", "Use no augmentation", "It cannot be told")
    assert any(line in text for line in first_lines)
    verdicts = [table for table in shown(executed, "text/html") if "verdict" in table]
    searched = ("rotation_range", "horizontal_flip", "vertical_flip")
    for name, table in zip(searched, verdicts[:3], strict=True):
        assert name in table
        assert any(word in table for word in ("HELPS", "HURTS", "NEGLIGIBLE", "NO EVIDENCE"))


def test_luck_and_the_controls_are_shown(executed: Any) -> None:
    assert "course settings: {'rotation_range': 30" in "".join(shown(executed, "stdout"))
    (luck,) = [text for text in shown(executed, "text/plain") if text.startswith("3  ")]
    assert len(luck.splitlines()) == 9


def test_the_last_cell_writes_the_boxes_down(executed: Any) -> None:
    assert "answers.txt: 0 answered, empty: 1, 2" in "".join(shown(executed, "stdout"))


def test_the_figures_stand_inline_with_their_words(executed: Any) -> None:
    assert len(shown(executed, "image/svg+xml")) >= 2
    assert "null floor" in "".join(shown(executed, "stdout"))


def test_the_leak_is_shown_beside_the_clean_scores(executed: Any) -> None:
    leak = next(table for table in shown(executed, "text/html") if "on augmented images" in table)
    assert leak.count("<tr>") == 3  # no augmentation and both trials
    assert "no augmentation" in leak
    assert "difference" in leak


def test_the_exported_script_trains_in_plain_keras(executed: Any) -> None:
    text = "".join(shown(executed, "stdout"))
    assert "import keras" in text
    script = text[text.rindex("import keras\nimport numpy") :]
    assert "search" not in script.replace("Recommended by the search", "").replace(
        "of the search", ""
    )
    history = next(table for table in shown(executed, "text/html") if "val_accuracy" in table)
    assert "val_loss" in history


def test_nothing_goes_wrong_quietly(executed: Any) -> None:
    assert all(
        not output.get("ename") for cell in executed.cells for output in cell.get("outputs", ())
    )
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")
