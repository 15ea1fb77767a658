"""What code of the user's own may do wrong beside what it returns: end the program, never end,
leave threads, print, go to another folder, import its neighbours, and depend on chance."""

import codecs
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_search import EXPERIMENT, sit
from typer.testing import CliRunner

from data import own_code_watch
from data.errors import UserError
from data.own_code import given
from data.views import Painting, augmented_batches
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.driver import code_files
from search.driver.code_files import check_code, code_of
from search.driver.experiment_file import load_config
from search.experiment.yaml_file import as_yaml

KEY = "mine.py:grain"
HEAD = "def grain(images, strength, units):\n"
BACK = "    return images\n"
DARKER = "    return images // 2 if strength else images\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUGSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def _paints(code: str) -> dict[str, Any]:
    Path("mine.py").write_text(code)
    return {**EXPERIMENT, "augmentation": {KEY: [0, 5]}, "tracking": {"uri": None}}


def _builds(code: str, **sections: Any) -> dict[str, Any]:
    Path("mine.py").write_text(code)
    return {
        **EXPERIMENT,
        "model": {"build": "mine.py:build"},
        "training": {"max_epochs": 1, "patience": 1, "batch_size": 256},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "controls": []},
        "tracking": {"uri": None},
        **sections,
    }


WRONG_PAINTING = {
    f"import sys\n{HEAD}    sys.exit(0)\n": r"mine\.py, line 3: SystemExit: 0",
    f"import os\n{HEAD}    os._exit(0)\n": r"mine\.py, line 3: SystemExit: os\._exit\(0\)",
    f"{HEAD}    raise KeyboardInterrupt\n": r"mine\.py, line 2: KeyboardInterrupt",
    f"raise SystemExit\n{HEAD}{BACK}": r"mine\.py, line 1: SystemExit",
    f"from . import helpers\n{HEAD}{BACK}": r"line 1: ImportError.*no other file",
    f"import helpers_beside_it\n{HEAD}{BACK}": "line 1: ModuleNotFoundError.*join them",
    f"{HEAD}{BACK}\0": "null bytes",
    f"{HEAD}    return f'{{1 1}}'\n": r"line 2: SyntaxError",
    f"{HEAD}    return grain(images, strength, units)\n": "line 2: RecursionError",
    f"import threading, time\n{HEAD}    threading.Thread(target=forever).start()\n{BACK}"
    "def forever():\n    while True:\n        time.sleep(0.01)\n": (
        "line 7: it leaves a thread running there"
    ),
    f"import time\n{HEAD}    time.sleep(3)\n{BACK}": "line 3: it has not ended after",
}


@pytest.mark.parametrize("code", WRONG_PAINTING)
def test_an_augmentation_that_ends_hangs_or_leaves_threads_is_told_by_its_line(
    code: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_files, "PAINTING_SECONDS", 2.0)
    monkeypatch.setattr(own_code_watch, "LINGER_SECONDS", 0.05)
    config = load_config(_paints(code))
    with pytest.raises(UserError, match=WRONG_PAINTING[code]) as refused:
        check_code(config)
    assert "\n" not in str(refused.value)


SHARED = {
    "import numpy as np\n": "np.random.seed(int(u[0] * 2**31)); out[i] = np.random.randint(256)",
    "import random\n": "random.seed(u[0]); out[i] = random.randrange(256)",
}


@pytest.mark.parametrize("imported", SHARED)
def test_chance_that_all_threads_share_is_refused_though_it_is_seeded(
    imported: str, here: Path
) -> None:
    body = (
        f"    out = images.copy()\n    for i, u in enumerate(units):\n        {SHARED[imported]}\n"
    )
    config = load_config(_paints(f"{imported}{HEAD}{body}    return out if strength else images\n"))
    with pytest.raises(
        UserError, match=r"line 2: it draws from, or seeds.*default_rng\(int\(u"
    ) as e:
        check_code(config)
    assert "\n" not in str(e.value)


def test_one_call_runs_at_a_time_so_that_what_it_keeps_is_its_own(here: Path) -> None:
    code = (
        f"import time\nkept = []\n{HEAD}    kept[:] = [images]\n    time.sleep(0.002)\n"
        "    return 255 - kept[0]\n"
    )
    config = load_config(_paints(code))
    images = np.arange(40 * 192, dtype=np.uint8).reshape(40, 8, 8, 3)
    with given(code_of(config)):
        batches = augmented_batches(images, range(40), {KEY: 5}, 1, 0, Painting(2, 4))
        assert np.array_equal(np.concatenate(list(batches)), 255 - images)


def test_a_file_that_begins_with_a_byte_order_mark_is_taken(here: Path) -> None:
    experiment = _paints("")
    (here / "mine.py").write_bytes(codecs.BOM_UTF8 + f"{HEAD}{BACK}".encode())
    config = load_config(experiment)
    check_code(config)
    digest = hashlib.sha256((here / "mine.py").read_bytes()).hexdigest()
    assert config.code.files == {"mine.py": digest}


def test_memory_that_is_not_there_is_asked_for_by_a_line(here: Path) -> None:
    code = f"import numpy as np\n{HEAD}    np.zeros(10**12)\n{BACK}"
    with pytest.raises(MemoryError, match=r"^mine.py:grain: .*mine\.py, line 3: .*7\.28 TiB"):
        check_code(load_config(_paints(code)))
    Path("x.yaml").write_text(as_yaml(_paints(code)))
    result = CliRunner().invoke(app, ["check", "x.yaml"])
    assert result.exit_code == BAD_INPUT
    assert "mine.py, line 3" in result.stderr


def test_one_that_uses_threads_and_ends_them_is_taken(here: Path) -> None:
    pooled = (
        "import numpy as np\nfrom concurrent.futures import ThreadPoolExecutor\n"
        f"POOL = ThreadPoolExecutor(2)\n{HEAD}"
        "    return np.array(list(POOL.map(np.copy, images)))\n"
    )
    check_code(load_config(_paints(pooled)))


def test_a_call_that_takes_long_says_where_it_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(own_code_watch, "SAY_AFTER_SECONDS", 0.1)
    line = "    slept or time.sleep(0.5); slept.append(1)\n"
    check_code(load_config(_paints(f"import time\nslept = []\n{HEAD}{line}{BACK}")))
    assert "mine.py, line 4: it runs for 0.1 s already" in caplog.text


def test_what_it_prints_is_no_result_and_where_it_goes_takes_nobody_along(here: Path) -> None:
    (here / "elsewhere").mkdir()
    code = f"import os\nos.chdir('elsewhere')\nprint('hello')\n{HEAD}    print('grain')\n{DARKER}"
    Path("x.yaml").write_text(as_yaml(_paints(code)))
    result = CliRunner().invoke(app, ["check", "x.yaml", "--json"])
    assert result.exit_code == DONE, result.output
    assert json.loads(result.stdout)["name"] == "small"
    assert "grain" in result.stderr
    assert Path.cwd() == here


def test_a_command_says_it_in_one_line_and_ends_with_status_2(here: Path) -> None:
    Path("x.yaml").write_text(as_yaml(_builds("import sys\ndef build(hp):\n    sys.exit(0)\n")))
    for command in (["check"], ["run", "--inline"], ["preview"]):
        result = CliRunner().invoke(app, [*command, "x.yaml"])
        assert result.exit_code == BAD_INPUT
        assert "mine.py, line 3: SystemExit: 0" in result.stderr
        assert result.stderr.count("\n") == 1
    assert not Path("runs").exists()


NETWORK = """import keras
import numpy as np


def build(hp):
    picture = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(picture))
    out = keras.layers.Dense(10, "softmax", name="out")(flat)
    model = keras.Model(picture, out)
    model.compile(loss="sparse_categorical_crossentropy")
    return model
"""


def _changed(*changes: tuple[str, str]) -> str:
    code = NETWORK
    for old, new in changes:
        assert old in code
        code = code.replace(old, new)
    return code


TWO = ("keras.Model(picture, out)", "keras.Model(picture, [out, out])")
WRONG_MODELS = {
    "two outputs": (_changed(TWO), "has 2 outputs; allowed: one"),
    "named outputs": (
        _changed(("keras.Model(picture, out)", "keras.Model(picture, {'a': out, 'b': flat})")),
        "has 2 outputs; allowed: one",
    ),
    "two inputs": (
        _changed(("keras.Model(picture, out)", "keras.Model([picture, keras.Input((2,))], out)")),
        r"takes no pictures \[n, 8, 8, 3\]",
    ),
    "a dict of losses": (
        _changed(('loss="sparse_categorical_crossentropy"', "loss={'out': 'mse'}")),
        "does not say how its outputs are read",
    ),
    "NaN": (_changed(("1 / 255", "float('nan')")), "answers with NaN or infinity"),
    "infinity": (
        _changed(("1 / 255", "float('inf')"), (', "softmax"', "")),
        "answers with NaN or infinity",
    ),
    "layers by chance": (
        _changed(
            (
                "    flat =",
                "    units = int(np.random.default_rng().integers(1, 10**6))\n    flat =",
            ),
            ("(flat)", "(keras.layers.Dense(2 + units % 50)(flat))"),
        ),
        r"mine\.py, line 5: built twice with one setting, its layers differ",
    ),
    "first weights by chance": (
        _changed(
            (
                "    return",
                "    model.set_weights([np.random.default_rng().normal(size=w.shape)"
                " for w in model.get_weights()])\n    return",
            )
        ),
        r"mine\.py, line 5: built twice from one seed, its first weights differ",
    ),
    "a metric that takes other labels": (
        _changed(('crossentropy")', 'crossentropy", metrics=[keras.metrics.R2Score()])')),
        "model.build: mine.py:build: ",
    ),
    "a name that is taken": (
        _changed(("    flat =", "    hp.Int('rotation_range', 1, 3)\n    flat =")),
        "declares the hyperparameter rotation_range, and augmentation.rotation_range is searched",
    ),
    "a name of two lines": (
        _changed(("    flat =", "    hp.Int('a\\nb', 1, 3)\n    flat =")),
        "declares a hyperparameter called",
    ),
    "a name that is too long": (
        _changed(("    flat =", "    hp.Int('x' * 101, 1, 3)\n    flat =")),
        "declares a hyperparameter called",
    ),
    "no name": (
        _changed(("    flat =", "    hp.Int('', 1, 3)\n    flat =")),
        "declares a hyperparameter called",
    ),
}


@pytest.mark.parametrize("fault", WRONG_MODELS)
def test_a_model_that_cannot_be_searched_is_told_before_anything_is_trained(
    fault: str, here: Path
) -> None:
    code, message = WRONG_MODELS[fault]
    with pytest.raises(UserError, match=message) as refused:
        sit(load_config(_builds(code)), here / "run")
    assert "\n" not in str(refused.value)
    assert not (here / "run" / "trials.csv").exists()


def test_a_build_that_hangs_is_told_by_its_line(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.training.own_model.BUILDING_SECONDS", 0.3)
    with pytest.raises(
        UserError, match=r"model\.build: mine\.py:build: .*line 4: it has not ended"
    ):
        load_config(_builds("import time\n\ndef build(hp):\n    time.sleep(2)\n"))


FITTING = NETWORK.replace(
    "def build(hp):", "class Mine(keras_tuner.HyperModel):\n  def build(self, hp):"
)
FITTING = FITTING.replace("import numpy as np", "import keras_tuner").replace("\n    ", "\n      ")
FITTING += "\n  def fit(self, hp, model, *args, **kwargs):\n"
FITTING += "    hp.Choice('late', [1, 2])\n    return model.fit(*args, **kwargs)\n"


def test_a_hyperparameter_that_fit_alone_declares_is_told_not_left_at_its_default(
    here: Path,
) -> None:
    config = load_config(_builds(FITTING, model={"build": "mine.py:Mine"}))
    with pytest.raises(UserError, match="declares late now and then only, or in fit"):
        sit(config, here / "run")
    assert not (here / "run" / "trials.csv").exists()


STRANGE = ("lernrate größe", "a.b", "x/y", "=1+1", "<b>bold</b>", "[red]", "tuner/epochs", "日本")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_strange_names_and_conditions_go_through_a_search(here: Path) -> None:
    lines = "".join(f"    hp.Choice({name!r}, [1, 2])\n" for name in STRANGE)
    lines += "    with hp.conditional_scope('x/y', [1]):\n        hp.Float('only then', 0, 1)\n"
    code = _changed(("    flat =", f"{lines}    flat ="))
    search = {"algorithm": "random", "trials": 3}
    tracking = {"uri": f"sqlite:///{here}/mlflow.db"}
    result = sit(load_config(_builds(code, search=search, tracking=tracking)), here / "run")
    assert result.outcome == "finished"
    assert result.tracking is None or "not" not in result.tracking
    header = (here / "run" / "trials.csv").read_text().splitlines()[0]
    assert all(f"hyperparameters.{name}" in header for name in STRANGE)
    page = (here / "run" / "report.html").read_text()
    assert "<b>bold</b>" not in page
