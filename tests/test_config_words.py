"""What an experiment file's mistakes are answered with: the key, what was received, what is
allowed, how to write it."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from data.errors import UserError
from search.commands.init_source import source_of
from search.driver.experiment_file import load_config, parse_config
from search.experiment.config import ExperimentConfig
from search.experiment.yaml_file import as_yaml, parse_yaml

MINIMAL: dict[str, Any] = {
    "name": "test",
    "dataset": {"source": "digits", "image_size": 32},
    "augmentation": {"rotation_range": {"min": 0, "max": 20}},
}
VALIDATORS_OWN = (
    "nput should",
    "Extra inputs",
    "valid dictionary",
    "Value error",
    "instance of",
    "None",
    "True",
)
WRONG: tuple[Any, ...] = ("word", [1, 2], {"a": 1}, None, True, -1, 10**30, 1e300)


def _leaves(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        name = field.alias or name
        yield (*above, name)
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for inner in options:
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _leaves(inner, (*above, name))


LEAVES = [*_leaves(ExperimentConfig)]


def _changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(MINIMAL)
    place = data
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = value
    return data


def _refusal(path: str, value: Any) -> str:
    with pytest.raises(UserError) as caught:
        parse_config(_changed(tuple(path.split(".")), value), "x")
    return str(caught.value)


@pytest.mark.parametrize("path", LEAVES, ids=".".join)
def test_a_wrong_value_is_answered_with_its_key_and_what_is_allowed(path: tuple[str, ...]) -> None:
    for value in WRONG:
        try:
            parse_config(_changed(path, value), "x")
        except UserError as error:
            for line in str(error).splitlines():  # of a list, one per wrong value
                assert line.startswith(f"x: {'.'.join(path)}") or "training." in line, line
                assert not any(words in line for words in VALIDATORS_OWN), line
                assert any(
                    word in line
                    for word in ("; allowed: ", "stands twice", "unknown key", "use mode")
                ), line


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("dataset.split", 0.2, "such as split: {validation: 0.2, test: 0.15}"),
        ("dataset.split", [0.7, 0.15, 0.15], "such as split: {validation: 0.15, test: 0.15}"),
        ("evaluation.confirm", False, "write confirm: null for none"),
        ("dataset.split.validation", "20%", "write 0.2, without quotes"),
        ("augmentation.brightness_range", {"min": 0.8, "max": 1.2}, "[[1, 1], [0.8, 1.2]] searches "
                                                                    "two pairs"),
        ("augmentation.policy", "TrivialAugment", "did you mean 'trivial_augment_wide'?"),
        ("evaluation.confirm", 5, "such as confirm: {top: 5, seeds: 5, views: 24}"),
        ("evaluation.seeds", [1, 2], "received [1, 2]; allowed: a whole number from 1 to 1000; one "
                                     "value, such as seeds: 3"),
        ("dataset.image_size", [150, 150], "allowed: a whole number from 8 to 2048; one value, "
                                           "such as image_size: 150"),
        ("search.trials", "20", "write 20, without quotes"),
        ("search.trials", 20.0, "write trials: 20"),
        ("search.trials", {"min": 5, "max": 20}, "one value, such as trials: 20"),
        ("evaluation.folds", True, "received true; allowed: a whole number from 1 to 100; such as "
                                   "folds: 5"),
        ("augmentation.rotation_range", "0-40", "a range is written {min: 0, max: 40}"),
        ("augmentation.rotation_range", "20", "write 20, without quotes"),
        ("augmentation.horizontal_flip", "random", "allowed: true or false; [false, true] searches "
                                                   "both"),
        ("training.views", "all", "allowed: a whole number from 1 to 10000 or fresh"),
        ("model.dropout", 1, "allowed: a number from 0 to below 1; such as dropout: 0.2"),
        ("model.learning_rate", "1e-3", "write 0.001, without quotes"),
        ("name", 2024, 'write it in quotes, name: "2024"'),
        ("name", False, 'such as name: "no": YAML reads yes, no, on and off as true and false'),
        ("evaluation.objective", "Accuracy", "did you mean 'accuracy'?"),
        ("search.algorithm", "baysian", "did you mean 'bayesian'?"),
        ("search.algorithm", ["random", "grid"], 'received ["random", "grid"]; allowed: random, '
                                                 'grid'),
        ("augmentation", None, "such as augmentation: {rotation_range: [0, 20, 40]}"),
        ("dataset", "photos", "such as dataset: {path: photos, source: folder}"),
        ("training.finetune", 3, "a section of from, learning_rate"),
    ],
)  # fmt: skip
def test_a_common_mistake_is_shown_how_it_is_written(path: str, value: Any, message: str) -> None:
    said = _refusal(path, value)
    assert said.startswith(f"x: {path}: received ")
    assert message in said


def test_a_list_of_two_strengths_is_questioned_and_a_range_is_not() -> None:
    section = {
        "rotation_range": [40, 0],
        "zoom_range": {"min": 0, "max": 0.2},
        "shear_range": [0, 5, 10],
        "brightness_range": [[1, 1], [0.8, 1.2]],
        "horizontal_flip": [False, True],
    }
    config = parse_config(
        MINIMAL | {"augmentation": section, "model": {"learning_rate": [0.001, 0.01]}}, "x"
    )
    assert config.space.remarks() == (
        "augmentation.rotation_range: only 40 and 0 are tried; for what lies between, write {min: "
        "0, max: 40}",
    )


def test_every_mistake_of_two_sections_has_its_line() -> None:
    data = _changed(("search", "trials"), "many") | {"evaluation": {"folds": 0}}
    with pytest.raises(UserError) as caught:
        parse_config(data, "x")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("levels", [300, 5000])
def test_nesting_without_end_is_one_line(levels: int) -> None:
    deep: Any = []
    for _ in range(levels):
        deep = [deep]
    with pytest.raises(
        UserError, match=r"^x: its lists and sections are nested too deeply"
    ) as caught:
        parse_config(_changed(("augmentation", "rotation_range"), deep), "x")
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_section_is_shown() -> None:
    with pytest.raises(
        UserError, match=r"dataset: missing; it has no default; such as dataset: \{"
    ):
        parse_config({"name": "a", "augmentation": MINIMAL["augmentation"]}, "x")


def test_a_value_of_no_kind_of_yaml_is_named() -> None:
    with pytest.raises(UserError, match=r"x: dataset\.path: received .*\(object\); only words"):
        parse_config(_changed(("dataset", "path"), object()), "x")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("2020-01-01", "2020-01-01"),
        ("yes", True),
        ("0", 0),
        ("1_000", 1000),
    ],
)
def test_numbers_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    assert parse_yaml(f"a: {text}", "x") == {"a": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 010", 'line 1: 010, which YAML reads in another base; .*quote the text: "010"'),
        ("search:\n  max_hours: 1:30", "line 2: 1:30, which YAML reads in another base"),
        ("search:\n\ttrials: 1", "line 2: .*indent with spaces, not tabs"),
        ("name: a: b", "line 1: mapping values are not allowed here; indent"),
        ("a:\n  b: 1\n c: 2", "line 3: expected <block end>.*the line before may lack its colon"),
        (
            "a:\n  b: 1\n  c 2\n  d: 3",
            "line 4: could not find .*the line before may lack its colon",
        ),
        ("trials:20", "with a space after the colon"),
        ("{trials:20}", "trials:20: unknown key; write a space after the colon"),
        ("yes: 1", "the key True; keys are words, a number or yes or no in quotes"),
    ],
)
def test_a_slip_of_yaml_is_answered_with_its_line_and_what_to_write(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_config(path)


def test_what_is_written_is_read_back_as_it_was() -> None:
    data = {"a": "1e3", "b": "010", "c": "2020-01-01", "d": 1e-5, "e": "no", "f": "1:30"}
    assert parse_yaml(as_yaml(data), "x") == data


@pytest.mark.parametrize(
    ("section", "setting", "value", "words"),
    [
        (
            "augmentation",
            "vertical_flip",
            {"min": 0, "max": 1},
            'received {"min": 0, "max": 1}, in which 0 is not allowed; allowed: true or false',
        ),
        (
            "model",
            "dropout",
            [0.1, 2],
            "received [0.1, 2], in which 2 is not allowed; allowed: a number from 0 to below 1",
        ),
        ("augmentation", "x.txt:f", [0, 1], "unknown key; allowed: rotation_range, width_shift"),
        ("augmentation", "rotation_range:20", None, "unknown key; write a space after the colon"),
        ("training", "finetune.from", 2, "unknown key; write finetune: {from: …}"),
    ],
)
def test_a_mistake_is_told_with_the_whole_value_as_it_was_written(
    section: str, setting: str, value: object, words: str
) -> None:
    experiment = copy.deepcopy(MINIMAL)
    experiment[section] = {**experiment.get(section, {}), setting: value}
    with pytest.raises(UserError) as caught:
        load_config(experiment)
    assert f"{section}.{setting}: {words}" in str(caught.value)


def test_a_name_that_begins_with_a_tilde_is_a_name_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~photos").mkdir()
    for written in ("~photos", "./~photos"):
        found = load_config({"dataset": {"source": "folder", "path": written}, "augmentation": {}})
        assert found.dataset.path == str(tmp_path / "~photos")
        assert source_of(written) == "folder"
    with pytest.raises(UserError, match="~nobody-at-all is not there"):
        source_of("~nobody-at-all")


@pytest.mark.parametrize("path", ["a\0b", "~nobody-at-all/x", "x" * 5000])
@pytest.mark.parametrize(
    ("section", "setting"), [("dataset", "path"), ("execution", "cache_dir"), ("model", "weights")]
)
def test_what_cannot_be_a_path_is_refused(section: str, setting: str, path: str) -> None:
    with pytest.raises(UserError, match=f"{section}.{setting}: received .* cannot be a path"):
        load_config({section: {setting: path}})
