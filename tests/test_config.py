"""Experiment files: what is read, what is refused, and that the refusal says what to do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from minimal import MINIMAL, changed

from data.errors import UserError
from search.driver.experiment_file import load_config, parse_config
from search.experiment.config import ExperimentConfig
from search.experiment.dimensions import Range

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def _write(folder: Path, text: str | bytes) -> Path:
    path = folder / "experiment.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_is_valid_and_opens_with_its_lab_note(path: Path) -> None:
    assert load_config(path).name == path.stem
    assert path.read_text().startswith("# ")
    assert "# Asks:" in path.read_text()


def test_the_filled_file_read_again_is_the_same_experiment(tmp_path: Path) -> None:
    config = load_config(EXPERIMENTS / "clothing.yaml")
    again = load_config(_write(tmp_path, yaml.safe_dump(config.filled)))
    assert again.hash == config.hash


def test_a_default_written_out_does_not_change_the_hash() -> None:
    assert (
        parse_config(changed("training.patience", 20), "x").hash == parse_config(MINIMAL, "x").hash
    )


def test_what_cannot_change_a_result_does_not_change_the_hash() -> None:
    assert (
        parse_config(changed("execution.workers", 2), "x").hash == parse_config(MINIMAL, "x").hash
    )


def test_the_seed_changes_the_hash() -> None:
    assert parse_config(changed("seed", 1), "x").hash != parse_config(MINIMAL, "x").hash


def test_a_path_is_relative_to_the_file(tmp_path: Path) -> None:
    text = yaml.safe_dump(changed("dataset", {"source": "folder", "path": "photos"}))
    assert load_config(_write(tmp_path, text)).dataset.path == str(tmp_path / "photos")


def test_an_override_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = yaml.safe_dump(changed("dataset", {"source": "folder", "path": "photos"}))
    path = _write(tmp_path, text)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_config(path, ["dataset.path=mine"]).dataset.path == str(elsewhere / "mine")


def test_an_override_takes_yaml(tmp_path: Path) -> None:
    path = _write(tmp_path, yaml.safe_dump(MINIMAL))
    config = load_config(path, ["augmentation.zoom_range={min: 0.0, max: 0.5}", "search.trials=7"])
    assert config.search.trials == 7
    assert config.space.dimensions["zoom_range"] == Range(0.0, 0.5)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trainig", {}, "trainig: unknown key; did you mean training"),
        ("trials", 3, "trials: unknown key; did you mean search.trials?"),
        ("seeds", 3, "did you mean evaluation.seeds or evaluation.confirm.seeds?"),
        ("training.learning_rate", 0.1, "did you mean model.learning_rate or training.finetune."),
        ("quatsch", 1, "quatsch: unknown key; allowed: name, seed, dataset"),
        ("search.trails", 3, "search.trails: unknown key; did you mean trials"),
        ("augmentation.rotation", 3, "rotation"),
        ("augmentation.rotation_range", "much", "rotation_range"),
        (
            "augmentation.rotation_range",
            {"min": 5, "max": 1},
            "rotation_range: min 5 is above max 1",
        ),
        ("augmentation.zoom_range", {"min": 0.0, "max": 1.5}, "zoom_range"),
        ("model.learning_rate", -1, "learning_rate: received -1"),
        (
            "model.learning_rate",
            {"min": 0, "max": 1},
            'learning_rate: received {"min": 0, "max": 1}, in which 0.0 is not allowed',
        ),
        ("model.lerning_rate", 1, "lerning_rate: unknown key; did you mean learning_rate"),
        ("model.head_units", "100", 'head_units: received "100"'),
        ("training.views", 0, "views: received 0"),
        ("search.trials", "many", 'search.trials: received "many"'),
        ("search.algorithm", "genetic", "allowed: random, grid, bayesian"),
        ("execution.engine", "spark", "allowed: inline, local"),
        ("dataset.source", "s3", 'dataset.source: received "s3"; allowed: folder'),
        ("dataset.image_size", 4, "dataset.image_size: received 4"),
        ("evaluation.folds", 0, "evaluation.folds: received 0"),
        ("evaluation.objective", "f1", "evaluation.objective"),
        ("name", "a/b", "name"),
        ("seed", 1.5, "seed: received 1.5"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(key: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=r"x: ") as caught:
        parse_config(changed(key, value), "x")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "line 2: the key 'name' a second time"),
        ("name: !!python/object/apply:os.system [true]\n", "could not determine a constructor"),
        ("a: &x [1]\nb: *x\n", "an alias"),
        ("seed: .nan\n", "numbers must be finite"),
        ("seed: .inf\n", "numbers must be finite"),
        ("name: [unclosed\n", "not a plain YAML file"),
        ("- a\n- b\n", "is a mapping"),
        ("", "is a mapping"),
        (b"\xff\xfe\x00name", "not UTF-8"),
        ("1: a\n", "keys are words"),
        ("a: " + "[" * 5000, "not a plain YAML file"),
        ("a: !!binary aGFsbG8=\n", "a: received b'hallo' (bytes); only words, numbers"),
    ],
)
def test_a_file_that_is_not_plain_yaml_is_refused_in_one_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        load_config(_write(tmp_path, text))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(UserError, match="at most 1000000"):
        load_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml cannot be read"):
        load_config(tmp_path / "nowhere.yaml")


def test_seed_zero_is_a_seed() -> None:
    assert parse_config(changed("seed", 0), "x").seed == 0


def test_the_schema_names_every_section() -> None:
    assert set(ExperimentConfig.model_json_schema()["properties"]) >= {
        "dataset",
        "augmentation",
        "model",
        "training",
    }


def test_an_experiment_is_loaded_from_a_text_a_path_or_a_mapping_with_overrides(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    configs = [
        load_config(given, "seed=7") for given in (path, str(path), MINIMAL, load_config(path))
    ]
    assert {config.seed for config in configs} == {7}
    assert len({config.hash for config in configs}) == 1


@pytest.mark.parametrize("given", [None, 3, ["x.yaml"]])
def test_what_is_no_experiment_is_named(given: Any) -> None:
    with pytest.raises(TypeError, match=rf"given as {type(given).__name__}; allowed: the path of"):
        load_config(given)


def test_numbers_of_numpy_and_paths_are_taken_as_a_file_would_hold_them(tmp_path: Path) -> None:
    changed = {"seed": np.int64(3), "execution": {"cache_dir": tmp_path, "workers": np.int32(2)}}
    config = load_config({**MINIMAL, **changed, "augmentation": {"rotation_range": np.float64(10)}})
    assert (config.seed, config.execution.workers) == (3, 2)
    assert config.execution.cache_dir == str(tmp_path)
    assert type(config.space.fixed["augmentation"]["rotation_range"]) is float


@pytest.mark.parametrize(
    "changed",
    [
        {"tracking": 'postgresql://me:hun"ter2@h/db?sig=hunter2'},
        {"tracking": {"uri": ["postgresql://me:hun/ter2@h/db"]}},
        {"tracking": {"uri": "postgres://me:hun/ter2@h/db"}},
        {"dataset": {"source": "folder", "path": "https://me:hun/ter2@h/photos.zip?sig=hunter2"}},
        {"name": "http://me:hun/ter2@h"},
    ],
)
def test_no_secret_of_an_address_is_in_what_is_said_of_a_mistake(changed: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        load_config({**MINIMAL, **changed})
    assert "ter2" not in str(caught.value)
    assert "***" in str(caught.value)


def test_what_is_kept_of_an_experiment_holds_no_secret() -> None:
    config = load_config(
        {**MINIMAL, "tracking": {"uri": 'postgresql://me:hun/ter 2"@h/db?sslpassword=hunter2'}}
    )
    assert config.filled["tracking"]["uri"] == "postgresql://***@h/db?sslpassword=***"
    assert config.tracking.uri is not None
    assert "hun/ter 2" in config.tracking.uri


@pytest.mark.parametrize(
    "uri",
    [
        "mlruns",
        "localhost:5000",
        "file:///tmp/x",
        "sqlite:///:memory:",
        "http://h:x",
        "databricks://x y",
        "http://x y:5000",
    ],
)
def test_an_address_that_no_search_could_use_is_refused_with_the_file(uri: str) -> None:
    with pytest.raises(UserError, match=r"^the experiment: tracking\.uri: .*write "):
        load_config({**MINIMAL, "tracking": {"uri": uri}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("augmentation.rotation_range", "{}"),
        ("augmentation.rotation_range", "{{min: 0, max: {}}}"),
        ("augmentation.rotation_range", "{{min: 0, max: 9, step: {}}}"),
        ("augmentation.rotation_range", "[1, {}]"),
        ("augmentation.zoom_range", "{{choices: [[1, {}], [1, 1]]}}"),
        ("augmentation.rotation_range", "'{}%'"),
        ("training.max_epochs", "'{}%'"),
        ("model.learning_rate", "{{min: 0, max: {}}}"),
    ],
)
@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_larger_than_any_float_is_refused_in_one_line(
    key: str, value: str, digits: int
) -> None:
    with pytest.raises(UserError, match=key if digits == 400 else ".") as caught:
        load_config(MINIMAL, [f"{key}={value.format('9' * digits)}"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "overrides", [[3], b"x", None, 7, {"search.trials": 3}, [b"search.trials=3"]]
)
def test_overrides_that_are_no_texts_are_refused(overrides: Any) -> None:
    with pytest.raises(
        TypeError, match=r"overrides received .*; allowed: texts such as 'search.trials=30'"
    ):
        load_config(MINIMAL, overrides)


def test_the_order_in_which_a_file_is_written_decides_nothing() -> None:
    searched = {"zoom_range": [0.0, 0.1, 0.2], "rotation_range": {"min": 0, "max": 20}}
    model = {"dropout": [0.1, 0.2], "learning_rate": [0.001, 0.01]}
    first = parse_config({**MINIMAL, "augmentation": searched, "model": model}, "x")
    turned = [dict(reversed(list(section.items()))) for section in (searched, model)]
    second = parse_config({**MINIMAL, "augmentation": turned[0], "model": turned[1]}, "x")
    assert (first.hash, list(first.space.dimensions)) == (
        second.hash,
        ["rotation_range", "zoom_range", "dropout", "learning_rate"],
    )
    assert first.space == second.space
    assert parse_config(first.filled, "x").space.dimensions == first.space.dimensions


def test_a_config_made_in_python_is_checked_by_the_tables_when_it_is_used() -> None:
    unknown = ExperimentConfig.model_validate({**MINIMAL, "search": {"algorithm": "baysian"}})
    with pytest.raises(UserError, match=r"search\.algorithm: .*did you mean 'bayesian'\?"):
        load_config(unknown)
    config = ExperimentConfig.model_validate(MINIMAL)
    loaded = load_config(config)
    assert loaded == config
    assert load_config(loaded) is loaded  # it is read once
    assert load_config(loaded.model_copy(update={"seed": 7})).seed == 7
    with pytest.raises(UserError, match="did you mean 'bayesian'"):
        load_config(loaded.model_copy(update={"search": unknown.search}))


def test_names_and_numbers_that_are_wrong_have_a_line_each() -> None:
    data = changed("search", {"algorithm": "genetic", "trials": 0})
    data |= {
        "model": {"backbone": ["small-cnn", "vgg61"]},
        "training": {"mode": "frosen", "loss": "crossentropy"},
    }
    with pytest.raises(UserError, match=r"allowed: cross_entropy, brier; did you mean") as caught:
        parse_config(data, "x")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "model.backbone",
        "training.mode",
        "training.loss",
        "search.algorithm",
        "search.trials",
    ]


@pytest.mark.parametrize("mode", ["frozen", "scratch"])
def test_a_network_from_scratch_sees_new_views_every_epoch_unless_told(mode: str) -> None:
    model = {"backbone": "small-cnn", "weights": "random"}
    config = parse_config({**changed("training.mode", mode), "model": model}, "x")
    assert config.space.values_of("training", "views") == ["fresh" if mode == "scratch" else 16]
    told = parse_config({**changed("training", {"mode": mode, "views": 3}), "model": model}, "x")
    assert told.space.values_of("training", "views") == [3]
