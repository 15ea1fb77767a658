"""Backbones that no table holds: a network of keras.applications, a Keras model's file, up to a
layer."""

import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_search import EXPERIMENT, after, sit, small_experiment, table_of

from data.errors import UserError
from search.driver.experiment_file import experiment_schema, load_config
from search.experiment.space import Space
from search.features.backbones import BACKBONES, build_backbone
from search.features.extractor import build_extractor
from search.training.cutting import cut
from search.training.modes import check_networks
from search.verification.bundle import make_bundle
from search.verification.grading import Extent, grade
from search.verification.verify import verify


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier, saved whole."""
    path = tmp_path_factory.mktemp("network") / "net.keras"
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(6, 3, activation="relu", name="conv"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(4, activation="softmax", name="top"),
    ]
    keras.Sequential(layers).save(path)
    return path


PICTURES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)


def test_a_file_gives_the_features_of_its_layer_pooled(network: Path) -> None:
    whole = keras.saving.load_model(network)
    maps = keras.Model(whole.inputs[0], whole.get_layer("conv").output)(PICTURES.astype(np.float32))
    found = build_backbone("file:conv", str(network), 8)(PICTURES)
    assert np.asarray(found) == pytest.approx(np.asarray(maps).mean(axis=(1, 2)), abs=1e-6)
    assert build_backbone("file", str(network), 8)(PICTURES).shape == (3, 4)
    assert build_backbone("file:flatten", str(network), 8)(PICTURES).shape == (3, 216)


def test_a_network_of_keras_applications_is_preprocessed_as_its_own_module_does() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    found = build_backbone("keras:MobileNetV2", "random", 32, seed=3)(pictures)
    ours = build_backbone("mobilenet-v2", "random", 32, seed=3)(pictures)
    assert np.asarray(found) == pytest.approx(np.asarray(ours), abs=1e-5)
    part = build_backbone("keras:MobileNetV2:block_2_add", "random", 32, seed=3)
    assert part.output_shape == (None, 24)


def _experiment(network: Path | str, folder: Path, backbone: str = "file:conv") -> dict[str, Any]:
    model = {**EXPERIMENT["model"], "backbone": backbone, "weights": str(network)}
    return small_experiment(folder / "cache", model=model)


@pytest.mark.slow
def test_a_search_on_it_is_stopped_resumed_shown_and_verified(
    network: Path, tmp_path: Path
) -> None:
    config = load_config(_experiment(network, tmp_path))
    assert sit(config, tmp_path / "whole").outcome == "finished"
    stop = threading.Event()
    assert sit(config, tmp_path / "run", after(4, stop.set), stop=stop).outcome == "stopped"
    assert sit(config, tmp_path / "run").outcome == "finished"
    assert table_of(tmp_path / "run") == table_of(tmp_path / "whole")
    assert "file:conv" in (tmp_path / "run" / "report.html").read_text()
    assert verify(tmp_path / "run").same
    bundle = Path(make_bundle(tmp_path / "run", "Ada", tmp_path / "ada.zip").path)
    with pytest.raises(UserError, match="--weights"):
        grade(bundle, Extent())
    assert grade(bundle, Extent(), weights=network).same
    model = keras.saving.load_model(tmp_path / "run" / "model" / "model.keras")
    assert model(np.zeros((1, 20, 20, 3), np.uint8)).shape == (1, 10)


@pytest.mark.slow
def test_a_search_fine_tunes_it_from_one_of_its_layers_and_is_verified(
    network: Path, tmp_path: Path
) -> None:
    training = {**EXPERIMENT["training"], "mode": "finetune", "finetune": {"from": "top"}}
    experiment = {**_experiment(network, tmp_path, "file"), "training": training}
    result = sit(load_config(experiment), tmp_path / "run")
    assert result.outcome == "finished"
    (path,) = {record.result.path for record in result.state.records if record.result}
    assert str(path).startswith("prefix kept up to")
    assert verify(tmp_path / "run").same


def test_its_layers_may_be_cut_at_and_train_however_they_were_saved(tmp_path: Path) -> None:
    picture = keras.Input((8, 8, 3))
    first = keras.layers.Conv2D(4, 3, name="first")(picture)
    second = keras.layers.Conv2D(4, 3, name="second")(first * 0.5)
    saved = keras.Model(picture, second)
    saved.trainable = False
    saved.save(tmp_path / "net.keras")
    backbone = build_backbone("file", str(tmp_path / "net.keras"), 8)
    parts = cut(backbone, "second")
    assert parts.prefix is not None
    assert "second" in parts.trained
    assert backbone.get_layer("second").trainable_weights
    whole = np.asarray(saved(PICTURES.astype(np.float32))).mean(axis=(1, 2))
    assert np.asarray(backbone(PICTURES)) == pytest.approx(whole, abs=1e-5)
    assert np.asarray(parts.suffix(parts.prefix(PICTURES))) == pytest.approx(whole, abs=1e-5)
    check_networks(_finetuned(tmp_path / "net.keras", "second"), 8)
    with pytest.raises(UserError, match=r"has no layer or block 'secnd'; the nearest are second"):
        check_networks(_finetuned(tmp_path / "net.keras", "secnd"), 8)


def _finetuned(file: Path, start: str) -> Space:
    return load_config(
        {
            **EXPERIMENT,
            "model": {"backbone": "file", "weights": str(file)},
            "training": {"mode": "finetune", "finetune": {"from": start}},
        }
    ).space


def _inner(name: str = "conv") -> keras.Model:
    """A map, a batch norm among its layers."""
    picture = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, name=name)(picture)
    normed = keras.layers.BatchNormalization(name="norm", momentum=0.5)(maps)
    return keras.Model(picture, keras.layers.ReLU(name="relu")(normed * 2.0), name="base")


def _transferred(kind: str) -> keras.Model:
    """Transfer learning as people write it: a model is a layer of the whole."""
    keras.utils.set_random_seed(2)
    base = _inner()
    base.trainable = False
    head = [keras.layers.GlobalAveragePooling2D(name="gap"), keras.layers.Dense(3, name="top")]
    scale = keras.layers.Rescaling(1 / 255, name="scale")
    if kind == "sequential":
        return keras.Sequential([keras.Input((8, 8, 3)), scale, base, *head])
    if kind == "in a sequential":
        return keras.Sequential([keras.Input((8, 8, 3)), keras.Sequential([scale, base]), *head])
    picture = keras.Input((8, 8, 3))
    found = base(scale(picture), training=False)
    return keras.Model(picture, head[1](head[0](found)))


KINDS = ("sequential", "in a sequential", "functional")


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_within_the_model_and_its_layers_may_be_named(kind: str, tmp_path: Path) -> None:
    whole = _transferred(kind)
    whole.save(file := str(tmp_path / "net.keras"))
    scaled = PICTURES.astype(np.float32) / 255
    base = next(each for each in whole._flatten_layers() if each.name == "base")
    conv = keras.Model(base.inputs[0], base.get_layer("conv").output)
    for name, expected in {
        "file:base": np.asarray(base(scaled)).mean(axis=(1, 2)),
        "file:relu": np.asarray(base(scaled)).mean(axis=(1, 2)),
        "file:conv": np.asarray(conv(scaled)).mean(axis=(1, 2)),
        "file:gap": np.asarray(base(scaled)).mean(axis=(1, 2)),
        "file": np.asarray(whole(PICTURES.astype(np.float32))),
    }.items():
        found = build_backbone(name, file, 8)(PICTURES)
        assert np.asarray(found) == pytest.approx(expected, abs=1e-5), name
    with pytest.raises(UserError, match="not there; did you mean 'relu'"):
        build_backbone("file:relv", file, 8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", ["base", "norm"])
def test_it_may_be_fine_tuned_from_a_model_within_or_a_layer_of_that(
    kind: str, start: str, tmp_path: Path
) -> None:
    whole = _transferred(kind)
    whole.save(tmp_path / "net.keras")
    parts = cut(build_backbone("file:gap", str(tmp_path / "net.keras"), 8), start)
    assert {"norm", "relu"} <= parts.trained
    assert ("conv" in parts.trained) == (start == "base")
    check_networks(_finetuned(tmp_path / "net.keras", start), 8)


def test_layers_that_augment_are_left_out(tmp_path: Path) -> None:
    random = keras.Sequential([keras.layers.RandomFlip(), keras.layers.RandomRotation(0.4)])
    picture = keras.Input((8, 8, 3))
    whole = keras.Model(picture, keras.layers.Conv2D(4, 3, name="conv")(random(picture)))
    whole.save(file := str(tmp_path / "net.keras"))
    backbone = build_backbone("file", file, 8)
    expected = np.asarray(whole(PICTURES.astype(np.float32), training=False)).mean(axis=(1, 2))
    for training in (False, True):
        found = np.asarray(backbone(PICTURES.astype(np.float32), training=training))
        assert found == pytest.approx(expected, abs=1e-4)
    assert build_extractor(backbone, check_images=PICTURES, engine="openvino").engine == "openvino"


@pytest.mark.parametrize("kind", ["RandAugment", "AugMix", "Pipeline"])
def test_layers_that_augment_by_any_name_are_left_out(kind: str, tmp_path: Path) -> None:
    layers = keras.layers
    made = {
        "RandAugment": lambda: layers.RandAugment((0, 255)),
        "AugMix": lambda: layers.AugMix((0, 255)),
        "Pipeline": lambda: layers.Pipeline([layers.Rescaling(0.5), layers.RandomFlip()]),
    }
    whole = keras.Sequential([keras.Input((8, 8, 3)), made[kind](), layers.Conv2D(4, 3)])
    whole.save(file := str(tmp_path / "net.keras"))
    backbone = build_backbone("file", file, 8)
    expected = np.asarray(whole(PICTURES.astype(np.float32), training=False)).mean(axis=(1, 2))
    found = np.asarray(backbone(PICTURES.astype(np.float32), training=True))
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("within", [False, True])
def test_a_normalization_keeps_the_mean_that_it_adapted_to(within: bool, tmp_path: Path) -> None:
    known = keras.layers.Normalization()
    known.adapt(PICTURES.astype(np.float32))
    first = keras.Sequential([keras.Input((8, 8, 3)), known]) if within else known
    whole = keras.Sequential([keras.Input((8, 8, 3)), first, keras.layers.Flatten()])
    whole.save(file := str(tmp_path / "net.keras"))
    expected = np.asarray(whole(PICTURES.astype(np.float32)))
    found = np.asarray(build_backbone("file", file, 8)(PICTURES))
    assert abs(found).max() < 3
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_model_whose_layers_answer_otherwise_on_their_own_is_refused(tmp_path: Path) -> None:
    picture = keras.Input((8, 8, 3), dtype="uint8")  # 200 + 200 is 144
    twice = keras.layers.Rescaling(1 / 255)(picture + picture)
    keras.Model(picture, keras.layers.Flatten()(twice)).save(file := str(tmp_path / "net.keras"))
    with pytest.raises(UserError, match="answer otherwise than the model in the file"):
        build_backbone("file", file, 8)


def test_a_sequential_that_was_fitted_without_an_input_takes_any_number(tmp_path: Path) -> None:
    whole = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    whole.compile("sgd", "mse")
    whole.fit(PICTURES.astype(np.float32), np.zeros((3, 2)), verbose=0)
    whole.save(file := str(tmp_path / "net.keras"))
    assert build_backbone("file", file, 8)(PICTURES[:2]).shape == (2, 2)


def test_one_model_at_two_places_and_layers_of_one_name(tmp_path: Path) -> None:
    base, picture = _inner("flat"), keras.Input((8, 8, 3))
    maps = [base(picture), base(picture * 0.5)]
    flat = keras.layers.Flatten(name="flat")(keras.layers.Add()(maps))
    whole = keras.Model(picture, flat)
    whole.save(file := str(tmp_path / "net.keras"))
    found = build_backbone("file:flat", file, 8)
    expected = np.asarray(whole(PICTURES.astype(np.float32)))
    assert np.asarray(found(PICTURES)) == pytest.approx(expected, abs=1e-4)
    assert sum(isinstance(each, keras.layers.Conv2D) for each in found.layers) == 1
    assert "base_flat" in {each.name for each in found.layers}
    with pytest.raises(UserError, match="names a layer that runs 2 times in one picture"):
        build_backbone("file:base", file, 8)


def test_a_size_that_the_file_does_not_take_is_told_with_its_own(tmp_path: Path) -> None:
    _transferred("functional").save(file := str(tmp_path / "net.keras"))
    with pytest.raises(UserError, match=r"of 16 pixels .*it takes pictures \['n', 8, 8, 3\]"):
        build_backbone("file:base", file, 16)


@pytest.mark.parametrize("weights", ["random", "net.keras"])
def test_a_file_is_not_trained_from_scratch_and_the_advice_leads_somewhere(weights: str) -> None:
    model = {"backbone": "file", "weights": weights}
    with pytest.raises(UserError, match=r"scratch begins at random ones; use mode finetune"):
        load_config({**EXPERIMENT, "model": model, "training": {"mode": "scratch"}})


def test_a_file_s_name_in_the_place_of_a_backbone_is_told_where_it_goes() -> None:
    with pytest.raises(UserError, match=r"file \(its place is model\.weights\)"):
        load_config({**EXPERIMENT, "model": {"backbone": "net.keras"}})


def test_a_class_whose_code_no_file_brings_is_led_to_model_build(tmp_path: Path) -> None:
    class Own(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

    whole = keras.Sequential([keras.Input((8, 8, 3)), Own(), keras.layers.Flatten()])
    whole.save(file := str(tmp_path / "net.keras"))
    with pytest.raises(UserError, match=r"a class of your own Own.*model.build: FILE.py"):
        build_backbone("file", file, 8)


def test_names_and_schema_take_them() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for name in ("file", "file:conv", "keras:EfficientNetB0", "keras:VGG16:block3_conv1"):
        assert name in BACKBONES
        assert name not in list(BACKBONES)
        jsonschema.validate({**EXPERIMENT, "model": {"backbone": name}}, experiment_schema())
    assert "keras" not in BACKBONES
    with pytest.raises(UserError, match="did you mean"):
        load_config({**EXPERIMENT, "model": {"backbone": "xceptoin"}})


@pytest.mark.parametrize(
    ("name", "weights", "size", "message"),
    [
        ("file:conf", "net", 8, "names a layer that is not there; did you mean 'conv'"),
        ("file:conv", "random", 8, "made of a Keras model's file"),
        ("file:conv", "imagenet", 8, "ImageNet weights"),
        ("file:conv", "/nowhere/net.keras", 8, "does not exist"),
        ("file:conv", "net", 16, "cannot be built for pictures of 16 pixels"),
        ("keras:EfficientNetB9", "random", 32, "has no network called EfficientNetB9; did you"),
        ("keras:MobileNetV2:block_99", "random", 32, "names a layer that is not there"),
        ("keras:Xception", "random", 8, "cannot be built for pictures of 8 pixels"),
    ],
)
def test_what_cannot_be_built_is_refused(
    name: str, weights: str, size: int, message: str, network: Path
) -> None:
    with pytest.raises(UserError, match=message):
        build_backbone(name, str(network) if weights == "net" else weights, size)


# Keras calls its own .h5 a legacy, each time that it writes one.
@pytest.mark.filterwarnings("ignore:.*is considered a legacy")
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_file_that_holds_code_is_refused(tmp_path: Path, ending: str) -> None:
    layers = [keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x)]
    file = tmp_path / f"code.{ending}"
    keras.Sequential(layers).save(file)
    with pytest.raises(UserError, match="Lambda layer, which is code"):
        build_backbone("file", str(file), 8)


def test_an_h5_file_gives_what_a_keras_file_gives(network: Path, tmp_path: Path) -> None:
    keras.saving.load_model(network, compile=False).save(tmp_path / "net.h5")
    ours = build_backbone("file:conv", str(tmp_path / "net.h5"), 8)(PICTURES)
    assert np.array_equal(ours, build_backbone("file:conv", str(network), 8)(PICTURES))


def test_what_is_no_whole_model_in_a_file_says_what_is(network: Path, tmp_path: Path) -> None:
    keras.saving.load_model(network, compile=False).save_weights(tmp_path / "net.weights.h5")
    (tmp_path / "saved").mkdir()
    for file, message in {
        "net.weights.h5": "holds weights alone, and model.backbone file needs a whole model; save",
        "saved": "is a folder, as of a SavedModel.*allowed.*a whole Keras model, .keras or .h5",
        "net.pth": "allowed: a file of a whole model, .keras or .h5",
    }.items():
        with pytest.raises(UserError, match=message):
            build_backbone("file", str(tmp_path / file), 8)


@pytest.mark.parametrize("as_dict", [False, True])
def test_several_outputs_are_refused_until_a_layer_is_named(tmp_path: Path, as_dict: bool) -> None:
    picture = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten(name="flat")(picture)
    two = [keras.layers.Dense(3, name="one")(flat), keras.layers.Dense(5, name="two")(flat)]
    outputs = {"a": two[0], "b": two[1]} if as_dict else two
    keras.Model(picture, outputs).save(tmp_path / "net.keras")
    with pytest.raises(UserError, match=r"2 outputs.*name a layer.*file:LAYER;.*flat, one, two"):
        build_backbone("file", str(tmp_path / "net.keras"), 8)
    assert build_backbone("file:two", str(tmp_path / "net.keras"), 8).output_shape == (None, 5)


@pytest.mark.parametrize(
    ("backbone", "size", "message"),
    [
        ("file:conf", 8, "names a layer that is not there"),
        ("file:conv", 16, "cannot be built for pictures of 16 pixels"),
        ("keras:MobileNetV9", 32, "has no network called MobileNetV9"),
        ("file:lost", 8, r"net\.keras\): its features are NaN or infinite.*see its weights"),
    ],
)
def test_a_search_refuses_it_before_an_image_is_read(
    backbone: str, size: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(2, 3, name="conv")(picture)
    net = keras.Model(picture, keras.layers.Dense(2, bias_initializer=_nan, name="lost")(maps))
    net.save(tmp_path / "net.keras")
    monkeypatch.setattr("data.dataset.open_dataset", lambda *arguments: pytest.fail("read"))
    weights = tmp_path / "net.keras" if backbone.startswith("file") else "random"
    experiment = _experiment(weights, tmp_path, backbone)
    experiment["dataset"] = {**experiment["dataset"], "image_size": size}
    with pytest.raises(UserError, match=message):
        sit(load_config(experiment), tmp_path / "run")
    assert not (tmp_path / "run" / "config.yaml").exists()


@keras.saving.register_keras_serializable()
def _nan(shape: tuple[int, ...], dtype: Any = None) -> Any:
    return np.full(shape, np.nan, np.float32)


def test_features_that_are_nan_on_the_pictures_alone_are_named(network: Path) -> None:
    picture = keras.Input((8, 8, 3))
    dark = keras.layers.GlobalAveragePooling2D()(picture)
    model = keras.Model(picture, dark / dark, name="divides")
    with pytest.raises(UserError, match="features of divides are NaN or infinite"):
        build_extractor(model, check_images=np.zeros((2, 8, 8, 3), np.uint8))
