"""int8: quantised once, the same to the bit, trusted only where heads agree; and a search that
keeps to one precision in each of its parts."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from small_search import Heard, sit, small_config, table_of
from tampering import events_of, reseal
from tiny_networks import noise, tiny_model

from data.dataset import TEST, TRAIN, DataNotes, Dataset
from data.errors import UserError
from search.commands import check, costs
from search.commands.search_plan import describe_plan
from search.driver.prepare import prepare, resources_of
from search.driver.specs import SpecFactory
from search.driver.workload import workload
from search.experiment.config import ExperimentConfig
from search.experiment.kinds import Kind
from search.experiment.precisions import PRECISIONS, Part, Precision
from search.experiment.trial import Resources, TrialRecord
from search.features import devices, precision_choice, quantised
from search.features.calibration import Calibration, calibration_of
from search.features.extractor import Extractor, by_keras, relative_difference
from search.features.precision_choice import Subject, choose_precision, require_precision
from search.features.process_cache import numbers_identity
from search.features.quantised import Int8Unavailable, Quantising, build_quantised, head_agreement
from search.journal.journal_file import JournalError
from search.verification.verify import verify

TINY = [("small-cnn", "random")]


@pytest.fixture(autouse=True)
def _with_vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every processor had it: OpenVINO computes without it too, only less well."""
    monkeypatch.setattr(devices, "processor_flags", lambda: frozenset({"avx512_vnni"}))
    monkeypatch.setattr(quantised, "processor_flags", lambda: frozenset({"avx512_vnni"}))


def two_kinds(count: int = 40, alike: bool = False, **changes: Any) -> Dataset:
    """Dark and bright noise, 8 by 8; one in four is a test image. alike: of one grey. changes: of
    the fields of a Dataset."""
    labels = np.arange(count) % 2
    images = noise(count, 8) // 2 + 100 * labels.astype(np.uint8)[:, None, None, None]
    if alike:
        images = np.full_like(images, 90)
    splits = np.where(np.arange(count) % 4 == 3, TEST, TRAIN).astype(np.int8)
    names = tuple(f"{number}.png" for number in range(count))
    labels, notes = labels.astype(np.int32), DataNotes()
    found = Dataset(images, labels, splits, ("dark", "bright"), names, "d", notes)
    return replace(found, **changes)


def subject(cache: Path, dataset: Dataset | None = None, **changes: Any) -> Subject:
    resources = Resources(cache_dir=cache, views_dir=cache / "views")
    return replace(Subject(dataset or two_kinds(), TINY, resources, True), **changes)


def tiny_int8(cache: Path | None, num_threads: int = 2) -> Extractor:
    wanted = Quantising(tiny_model(), calibration_of(two_kinds()), num_threads, cache)
    return build_quantised(wanted, two_kinds().images[:8])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tiny network lies quantised."""
    folder = tmp_path_factory.mktemp("cache")
    tiny_int8(folder)
    return folder


# The network.


def test_it_is_the_same_to_the_bit_quantised_anew_whatever_the_threads_and_the_batches(
    cache: Path,
) -> None:
    images = noise(21, 8)
    expected = tiny_int8(cache).extract([images], 21)
    for extractor in (tiny_int8(None, num_threads=1), tiny_int8(cache, num_threads=1)):
        np.testing.assert_array_equal(extractor.extract([images], 21), expected)
    cut = tiny_int8(cache).extract([images[:4], images[4:]], 21)
    np.testing.assert_array_equal(cut, expected)


def test_its_features_are_other_numbers_that_heads_answer_alike_on(cache: Path) -> None:
    extractor = tiny_int8(cache)
    assert (extractor.engine, extractor.precision) == ("openvino", "int8")
    images = noise(21, 8)
    found = relative_difference(extractor.extract([images], 21), by_keras(tiny_model(), images))
    assert 1e-4 < found < PRECISIONS["int8"].allowed_difference
    (kept,) = cache.glob("openvino/*/agreement.json")
    assert json.loads(kept.read_text()) > 0.98


def kept_folder(cache: Path) -> Path:
    return next(cache.glob("openvino/*/agreement.json")).parent


def zero(file: Path) -> None:
    file.write_bytes(bytes(len(file.read_bytes())))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def make_a_folder_of(file: Path) -> None:
    file.unlink()
    file.mkdir()


def make_a_file_of_its_folder(file: Path) -> None:
    shutil.rmtree(file.parent)
    file.parent.write_text("no folder")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, zero) for name in ("model.bin", "model.xml", "agreement.json", "checksums")),
        *(("model.bin", damage) for damage in (cut_short, Path.unlink, make_a_folder_of)),
        ("checksums", make_a_folder_of),
        ("model.bin", make_a_file_of_its_folder),
    ],
)
def test_a_damaged_network_is_made_again_and_said(
    cache: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    damage: Callable[[Path], None],
) -> None:
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    expected = tiny_int8(cache).extract([noise(5, 8)], 5)
    file = kept_folder(tmp_path) / name
    damage(file)
    with caplog.at_level(logging.WARNING):
        again = tiny_int8(tmp_path)
    assert [r.message for r in caplog.records] == [f"{file.parent} is damaged and is made again"]
    np.testing.assert_array_equal(again.extract([noise(5, 8)], 5), expected)


def test_quantising_writes_nothing_on_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    tiny_int8(None)
    assert capfd.readouterr().out == ""


# Why not.


def refuse(*_: Any, **__: Any) -> Any:
    raise RuntimeError("an operation that nobody knows")


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda patch: patch.setattr(quantised, "_quantise", refuse), "that nobody knows"),
        (lambda patch: patch.setattr(quantised, "_import_nncf", refuse), "that nobody knows"),
        (
            lambda patch: patch.setattr(quantised, "head_agreement", lambda *_: 0.4),
            "quantises badly: the answers of heads on its features agree by 0.40",
        ),
        (
            lambda patch: patch.setattr(quantised, "head_agreement", lambda *_: float("nan")),
            "quantises badly",
        ),
        (
            lambda patch: patch.setattr(quantised, "processor_flags", frozenset),
            "this processor has no instructions",
        ),
        (
            lambda patch: patch.setattr(
                quantised, "int8_versions", lambda: _raise("nncf is not installed")
            ),
            "nncf is not installed",
        ),
    ],
)
def test_float32_stands_in_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, break_it: Any, reason: str
) -> None:
    break_it(monkeypatch)
    for _ in range(2):  # what was found out is kept
        choice = choose_precision("int8", subject(tmp_path))
        assert choice.precision == "float32"
        assert reason in (choice.why or "")
    with pytest.raises(UserError, match=r"begun in int8, which cannot be had here: .*start anew"):
        require_precision("int8", subject(tmp_path))


def _raise(reason: str) -> str:
    raise Int8Unavailable(reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": two_kinds(alike=True)}, "all alike"),
        ({"dataset": two_kinds(count=16)}, "there are 12 training images .* 20 are needed"),
        (
            {"dataset": two_kinds(splits=np.full(40, TEST, np.int8))},
            "there are 0 training images .* 20 are needed",
        ),
        (
            {"dataset": two_kinds(labels=np.zeros(40, np.int32))},
            "the training images to calibrate it on are of one class",
        ),
        ({"heads_alone": False}, "training.mode frozen"),
    ],
)
def test_images_and_modes_that_cannot_be_quantised_are_told(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        require_precision("int8", subject(tmp_path, **changes))


def test_nothing_stands_in_for_int8_inside_a_trial(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(quantised, "_import_nncf", refuse)
    with pytest.raises(Int8Unavailable, match="nobody knows"):
        tiny_int8(tmp_path)
    # A worker's machine may be of another kind than the one where the search was prepared.
    monkeypatch.setattr(quantised, "processor_flags", frozenset)
    with pytest.raises(Int8Unavailable, match="no instructions"):
        tiny_int8(tmp_path)


def test_a_network_that_cannot_be_converted_is_told_in_a_line(tmp_path: Path) -> None:
    """OpenVINO has no rule for Keras's recurrent layers."""
    import keras

    pixels = keras.Input((8, 8, 3))
    rows = keras.layers.Reshape((8, 24))(pixels)
    model = keras.Model(pixels, keras.layers.LSTM(5)(rows), name="recurrent")
    wanted = Quantising(model, calibration_of(two_kinds()), cache_dir=tmp_path)
    with pytest.raises(Int8Unavailable, match=r"^[^\n]*No conversion rule[^\n]*$"):
        build_quantised(wanted, two_kinds().images[:8])
    assert not list(tmp_path.glob("openvino/*"))


def test_the_test_split_calibrates_nothing() -> None:
    dataset = two_kinds()
    dataset.images[np.asarray(dataset.splits) == TEST] = 255
    calibration = calibration_of(dataset)
    assert calibration.num_images == 30
    assert not (calibration.pictures[:30] == 255).all(axis=(1, 2, 3)).any()
    assert calibration.identity == calibration_of(dataset).identity


def test_pictures_and_labels_name_a_calibration() -> None:
    first = calibration_of(two_kinds())
    others = [
        Calibration(first.pictures[::-1].copy(), first.labels),
        Calibration(first.pictures, 1 - first.labels),
    ]
    assert len({each.identity for each in (first, *others)}) == 3


def test_agreement_is_of_what_heads_say() -> None:
    rng = np.random.default_rng(1)
    labels, pictures = np.arange(60) % 3, np.arange(60)
    features = rng.normal(size=(60, 30)) + 2 * np.eye(3, 30)[labels]
    turned = features @ np.linalg.qr(rng.normal(size=(30, 30)))[0] * 5
    assert head_agreement(turned, features, labels, pictures) == pytest.approx(1)
    noisy = features + rng.normal(size=features.shape)
    other = rng.normal(size=features.shape)
    found = [head_agreement(each, features, labels, pictures) for each in (noisy, other)]
    assert 0.9 > found[0] > 2 * found[1]
    assert not head_agreement(np.zeros((60, 30)), features, labels, pictures) > 0.01


# Which one.


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"float32": 100.0, "int8": 220.0}, "int8"),
        ({"float32": 100.0, "int8": 110.0}, "float32"),
        ({"float32": 100.0, "int8": 80.0}, "float32"),
        ({"float32": 100.0, "bfloat16": 300.0, "int8": 220.0}, "bfloat16"),
    ],
)
def test_auto_takes_what_is_faster_as_measured(
    monkeypatch: pytest.MonkeyPatch, cache: Path, rates: dict[Precision, float], expected: str
) -> None:
    asked: list[set[str]] = []

    def measured(candidates: Any, *_: Any) -> dict[Precision, float]:
        asked.append(set(candidates))
        return rates

    monkeypatch.setattr(precision_choice, "measured_rates", measured)
    choice = choose_precision("auto", subject(cache))
    assert (choice.precision, choice.rates) == (expected, rates)
    assert asked == [{"float32", "int8"}]


def test_auto_measures_in_about_a_second(cache: Path) -> None:
    built = {"int8": [tiny_int8(cache)], "float32": [tiny_int8(cache)]}
    rates = precision_choice.measured_rates(built, noise(32, 8), 0.05)  # type: ignore[arg-type]
    assert rates.keys() == built.keys()
    assert 0.2 < rates["int8"] / rates["float32"] < 5


def test_auto_is_float32_where_there_is_no_choice(tmp_path: Path) -> None:
    resources = Resources(cache_dir=tmp_path, views_dir=tmp_path, feature_engine="tensorflow")
    assert choose_precision("auto", subject(tmp_path, resources=resources)).precision == "float32"
    assert choose_precision("auto", subject(tmp_path, backbones=[])).precision == "float32"
    assert not list(tmp_path.iterdir())


def test_features_are_kept_under_their_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {numbers_identity(precision) for precision in PRECISIONS}
    monkeypatch.setattr(quantised, "RECIPE", quantised.RECIPE + 1)
    assert len(names | {numbers_identity("int8")}) == len(PRECISIONS) + 1


# A search.


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_part_of_a_search_has_one_precision(precision: Precision) -> None:
    config = small_config(Path("unused"))
    specs = SpecFactory(config, config.space, precision)
    settings = specs.control({"vertical_flip": True})
    found: dict[Part, set[str]] = {
        "search": {specs.baseline().precision, specs.search("trial", "", settings).precision},
        "confirm": {
            specs.confirm(kind, "", each).precision
            for kind in ("confirm", "ablation")
            for each in (settings, specs.control({}))
        },
    }
    assert set(PRECISIONS[precision].parts) == set(get_args(Part))
    assert found == {part: {PRECISIONS[precision].parts[part]} for part in found}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExperimentConfig, Path]:
    """A whole search in int8."""
    folder = tmp_path_factory.mktemp("search")
    config = small_config(folder / "cache", execution={"precision": "int8"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantised, "processor_flags", lambda: frozenset({"avx512_vnni"}))
        assert sit(config, folder / "run").outcome == "finished"
    return config, folder / "run"


def test_what_each_phase_used_is_in_the_table_on_the_page_and_in_the_record(
    finished: tuple[ExperimentConfig, Path],
) -> None:
    _, run_dir = finished
    parts = PRECISIONS["int8"].parts
    kinds: dict[str, Part] = {"control": "search", "trial": "search", "confirm": "confirm"}
    rows = [row for row in table_of(run_dir) if row["kind"] in kinds]
    assert {row["kind"] for row in rows} == set(kinds) < set(get_args(Kind))
    assert all(row["precision"] == parts[kinds[row["kind"]]] for row in rows)
    page = (run_dir / "report.html").read_text()
    assert f"Searched in int8, confirmed in {parts['confirm']}, tested in float32" in page
    assert f"told from all trainings, in int8 and in {parts['confirm']}." in page
    assert json.loads((run_dir / "environment.json").read_text())["precision"] == "int8"


def test_check_counts_what_is_confirmed_at_the_speed_of_its_own_precision(
    finished: tuple[ExperimentConfig, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, _ = finished
    speeds: dict[Precision, float] = {"int8": 1e9, "float32": 2.0}
    monkeypatch.setattr(check, "SEARCH_SECONDS", 0.0)
    monkeypatch.setattr(check, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(costs, "images_per_second", lambda _, precision, __: speeds[precision])
    monkeypatch.setattr(check, "seconds_a_head", lambda *_: 0.0)
    plan, work = check.make_plan(config), workload(config, "int8")
    later = sum(phase.views for phase in work.later)
    share = later / sum(phase.views for phase in work.phases.values())
    assert (plan.rates, plan.images_per_second) == (speeds, 1e9)
    assert plan.seconds == pytest.approx(plan.images * share / 2.0, abs=1)
    assert "1000000000 in int8 and 2 in float32 per second" in describe_plan(plan)


def test_a_search_in_int8_is_not_blamed_where_int8_cannot_be_had(
    finished: tuple[ExperimentConfig, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantised, "processor_flags", frozenset)
    with pytest.raises(UserError, match=r"was in int8, which cannot be had here: .*\(VNNI\)"):
        verify(finished[1], trial=1)


def _unfinished(run_dir: Path) -> None:
    journal = run_dir / "journal.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:5]))


def test_a_search_goes_on_in_its_own_precision_or_says_why_not(
    finished: tuple[ExperimentConfig, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run_dir = finished
    before = table_of(run_dir)
    _unfinished(run_dir)
    with monkeypatch.context() as patch:
        patch.setattr(quantised, "processor_flags", frozenset)
        with pytest.raises(UserError, match="begun in int8, which cannot be had here"):
            sit(config, run_dir)
    other = config.model_copy(
        update={"execution": config.execution.model_copy(update={"precision": "float32"})}
    )
    with pytest.raises(UserError, match=r'execution.precision was "int8" and is now "float32"'):
        sit(other, run_dir)
    events = events_of(run_dir)
    opened = {**events[0]["opened"], "environment": {"precision": "float32"}}  # had it stood in
    reseal(run_dir, [{**events[0], "opened": opened}, *events[1:]])
    with pytest.raises(JournalError, match="the journal was changed or made by another"):
        sit(config, run_dir)
    reseal(run_dir, events)
    assert sit(config, run_dir).outcome == "finished"
    assert table_of(run_dir) == before


def test_a_search_without_int8_says_so_once_and_is_one_in_float32(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(quantised, "processor_flags", frozenset)
    config = small_config(tmp_path / "cache", execution={"precision": "int8"})
    prepared = prepare(config, resources_of(config, tmp_path / "run"))
    assert prepared.precision == "float32"

    def interrupt(record: TrialRecord) -> None:
        raise KeyboardInterrupt

    heard = Heard(interrupt)
    with pytest.raises(KeyboardInterrupt):
        sit(config, tmp_path / "run", heard)
    assert [text for text in heard.messages if "int8" in text] == [
        "execution.precision int8 cannot be had: this processor has no instructions for products "
        "of 8-bit numbers (VNNI); float32 stands in"
    ]
