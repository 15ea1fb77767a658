"""The schema for editors: it knows every section, takes what a search takes, and refuses what no
search takes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from minimal import changed
from typer.testing import CliRunner

from data.augmentations import AUGMENTATIONS
from run_search import app
from search.driver.experiment_file import TABLES, experiment_schema, parse_config

jsonschema = pytest.importorskip("jsonschema")

EXPERIMENTS = sorted((Path(__file__).parent.parent / "experiments").glob("*.yaml"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(CliRunner().invoke(app, ["schema"]).stdout)


def mistakes(schema: dict[str, Any], data: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(data)]


def test_the_schema_is_one(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert '"table"' not in json.dumps(schema)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_shipped_experiment_fits_it_as_written_and_as_kept(
    path: Path, schema: dict[str, Any]
) -> None:
    data = yaml.safe_load(path.read_text())
    assert mistakes(schema, data) == []
    assert mistakes(schema, parse_config(data, "x").filled) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("augmentation.rotation_range", 30),
        ("augmentation.rotation_range", {"min": 0, "max": 40, "step": 10}),
        ("augmentation.rotation_range", [0, 20, 40]),
        ("augmentation.rotation_range", {"choices": [0, 20]}),
        ("augmentation.zoom_range", [0.8, 1.2]),
        ("augmentation.brightness_range", [0.8, 1.2]),
        ("augmentation.brightness_range", [[1, 1], [0.8, 1.2]]),
        ("augmentation.brightness_range", None),
        ("augmentation.horizontal_flip", [False, True]),
        ("augmentation.width_shift_range", 10),
        ("model.learning_rate", {"min": 0.0001, "max": 0.01, "sampling": "log"}),
        ("model.backbone", ["efficientnet-lite0", "small-cnn"]),
        ("training.views", "fresh"),
        ("training.views", {"min": 2, "max": 8}),
        ("training.finetune.from", {"last": 4}),
        ("training.finetune.from", ["all", "last: 4"]),
        ("training.mode", "finetune"),
        ("evaluation.confirm", None),
    ],
)
def test_what_a_search_takes_fits(key: str, value: Any, schema: dict[str, Any]) -> None:
    data = changed(key, value)
    if "finetune" in key:
        data["training"]["mode"] = "finetune"
        data["training"].setdefault("finetune", {}).setdefault("from", "all")
    if value == "finetune":
        data["training"]["finetune"] = {"from": "all"}
    parse_config(data, "x")
    assert mistakes(schema, data) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("augmentation.rotation", 3),
        ("augmentation.rotation_range", "much"),
        ("augmentation.rotation_range", 400),
        ("augmentation.rotation_range", {"min": 0}),
        ("augmentation.rotation_range", {"min": 0, "max": 400}),
        ("augmentation.rotation_range", {"min": 0, "max": 4, "steps": 1}),
        ("augmentation.rotation_range", [3]),
        ("augmentation.horizontal_flip", 1),
        ("augmentation.horizontal_flip", {"min": 0, "max": 1}),
        ("augmentation.fill_mode", "Nearest"),
        ("model.lerning_rate", 0.1),
        ("model.dropout", 1),
        ("model.dropout", {"min": 0, "max": 1}),
        ("model.head_units", "100"),
        ("model.backbone", "resnet"),
        ("training.mode", ["frozen", "finetune"]),
        ("training.finetune.form", "all"),
        ("training.views", "all"),
        ("training.views", {"min": 0.5, "max": 2}),
        ("search.algorithm", "genetic"),
        ("execution.engine", "spark"),
        ("dataset.source", "s3"),
        ("evaluation.seeds", [1, 2]),
        ("name", "a/b"),
    ],
)
def test_what_no_search_takes_does_not_fit(key: str, value: Any, schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^x: "):
        parse_config(changed(key, value), "x")
    assert mistakes(schema, changed(key, value))


def test_every_setting_that_may_be_searched_is_described_and_offers_an_example_that_fits() -> None:
    definitions = experiment_schema()["$defs"]
    sections = ("AugmentationSection", "ModelSection", "TrainingSection", "FinetuneSection")
    for name in sections:
        assert definitions[name]["additionalProperties"] is False
        assert all(each["description"] for each in definitions[name]["properties"].values())
    offered = definitions["AugmentationSection"]["properties"]
    assert list(offered) == list(AUGMENTATIONS)
    for name, each in offered.items():
        for example in each["examples"]:
            assert (
                name in parse_config(changed(f"augmentation.{name}", example), "x").space.dimensions
            )


def test_every_name_of_a_table_is_offered() -> None:
    text = json.dumps(experiment_schema())
    for names in TABLES.values():
        assert f'"enum": {json.dumps(list(names))}' in text
