"""An augmentation of the user's own, and one of another library, from the experiment file to the
page, resumed, verified and bundled; and what own code does wrong, told with its file and line."""

import csv
import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_search import after, sit, small_experiment, table_of

from data import own_augmentations
from data.augmentations import AUGMENTATIONS, active, alone, complete
from data.errors import UserError
from data.own_code import CodeFile, given
from data.transforms import import_first, imported_first
from data.views import augment
from search.commands.single_run import export, policy_of, write_preview
from search.driver.code_files import check_code, code_of, handed_over
from search.driver.experiment_file import experiment_schema, load_config
from search.export.exporters import targets_of
from search.journal.journal_file import read
from search.journal.state import replay
from search.verification.bundle import make_bundle
from search.verification.grading import Extent, grade
from search.verification.verify import verify

KEY = "my_augment.py:grain"
GRAIN = '''"""Noise as film has it."""
import numpy as np


def grain(images, strength, units):
    noise = [np.random.default_rng(int(u[0] * 2**32)).normal(0, 1, images.shape[1:]) for u in units]
    return np.clip(images + strength * np.array(noise), 0, 255).astype(np.uint8)
'''


SEARCHED: dict[str, Any] = {KEY: {"min": 0, "max": 20}, "vertical_flip": [False, True]}


def _experiment(
    folder: Path, augmentation: dict[str, Any] = SEARCHED, code: str = GRAIN
) -> dict[str, Any]:
    (folder / "my_augment.py").write_text(code)
    return small_experiment(folder / "cache", augmentation=augmentation)


@pytest.mark.slow
def test_it_is_searched_killed_resumed_verified_and_shown_like_any_other(here: Path) -> None:
    config = load_config(_experiment(here))
    whole = sit(config, here / "whole")
    assert whole.outcome == "finished"
    stop = threading.Event()
    assert sit(config, here / "run", after(4, stop.set), stop=stop).outcome == "stopped"
    assert sit(config, here / "run").outcome == "finished"
    assert table_of(here / "run") == table_of(here / "whole")
    with (here / "run" / "trials.csv").open() as file:
        assert KEY in next(csv.reader(file))
    environment = json.loads((here / "run" / "environment.json").read_text())
    assert environment["code"] == config.code.files
    summary = json.loads((here / "run" / "summary.json").read_text())
    assert KEY in summary["verdicts"]
    assert KEY in (here / "run" / "report.html").read_text()
    _check_exports(here / "run")
    _check_verification(here)


def _check_exports(run_dir: Path) -> None:
    state = replay(read(run_dir / "journal.jsonl")[0])
    number = next(r.trial for r in state.records if KEY in r.spec.settings.augmentation)
    assert KEY in json.loads(export(run_dir, "json", number).code)["augmentation"]
    assert targets_of(policy_of(state, number)) == ["json"]
    with pytest.raises(UserError, match="your own function"):
        export(run_dir, "keras", number)


def _check_verification(here: Path) -> None:
    """Of the directory and of a bundle: nothing runs without being told, and only the very file."""
    with pytest.raises(UserError, match=r"my_augment\.py \(sha256 .*--run-code"):
        verify(here / "run")
    assert verify(here / "run", run_code=here / "my_augment.py").same
    bundle = Path(make_bundle(here / "run", "Ada", here / "ada.zip").path)
    with pytest.raises(UserError, match="--run-code"):
        grade(bundle, Extent())
    untrained = grade(bundle, Extent(train=False))
    assert untrained.same
    assert any("was not run" in remark for remark in untrained.remarks)
    assert grade(bundle, Extent(run_code=here)).same
    (here / "my_augment.py").write_text(GRAIN + "\n")
    with pytest.raises(UserError, match="no file with the hash"):
        grade(bundle, Extent(run_code=here))


@pytest.mark.slow
def test_a_resumed_search_refuses_edited_code_unless_told(here: Path) -> None:
    stop = threading.Event()
    config = load_config(_experiment(here))
    sit(config, here / "run", after(3, stop.set), stop=stop)
    (here / "my_augment.py").write_text(GRAIN + "# a remark\n")
    with pytest.raises(UserError, match=r"my_augment\.py was edited"):
        sit(config, here / "run")
    edited = load_config(_experiment(here, code=GRAIN + "# a remark\n"))
    with pytest.raises(UserError, match=r"my_augment\.py was edited since.*--code-changed"):
        sit(edited, here / "run")
    assert sit(edited, here / "run", code_changed=True).outcome == "finished"
    environment = json.loads((here / "run" / "environment.json").read_text())
    assert verify(here / "run", trial=0, run_code=here / "my_augment.py").same
    assert environment["code"] == config.code.files  # as it was when the search began


def test_it_is_previewed(here: Path) -> None:
    config = load_config(_experiment(here))
    assert write_preview(config, here / "sheet.png").stat().st_size > 0


def test_the_run_s_own_config_finds_its_code_again(here: Path) -> None:
    config = load_config(_experiment(here))
    again = load_config(config.filled)
    assert again.hash == config.hash
    assert code_of(again) == code_of(config)
    (here / "my_augment.py").write_text(GRAIN + "\n")
    with pytest.raises(UserError, match="was edited since this config was written"):
        load_config(config.filled)


def test_a_picture_is_drawn_again_alone(here: Path) -> None:
    config = load_config(_experiment(here))
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    with given(code_of(config)):
        whole = augment(images, range(5), {KEY: 20.0}, seed=3, view=2)
        assert (augment(images, [3], {KEY: 20.0}, seed=3, view=2)[0] == whole[3]).all()
    assert (whole != images).any()


def test_two_files_of_one_name_do_not_run_at_once(here: Path) -> None:
    files = [CodeFile(name="a.py", path=f"/{n}/a.py", source=f"x = {n}") for n in (1, 2)]
    twice, refused = given((files[0],)), pytest.raises(UserError, match="name two files so")
    with given((files[0],)), twice, refused, given((files[1],)):
        pass
    with given((files[1],)):
        pass


def test_the_schema_takes_it(here: Path) -> None:
    validate = pytest.importorskip("jsonschema").validate
    schema = experiment_schema()
    for value in (1, True, [False, True], {"min": 0, "max": 20}, {"choices": [0, 5]}):
        experiment = _experiment(here, {KEY: value})
        validate(experiment, schema)
        assert KEY in load_config(experiment).augmentation.written


def test_nothing_but_its_name_makes_its_record() -> None:
    assert "evil.py:f" in AUGMENTATIONS
    assert "evil.py:f" not in list(AUGMENTATIONS)
    assert active({"evil.py:f": False}) == {}
    found = active({"b.py:f": 2, "a.py:f": True, "zoom_range": 0.1})
    assert list(found.items()) == [("zoom_range", 0.1), ("a.py:f", True), ("b.py:f", 2.0)]
    assert alone("b.py:f", {"b.py:f": 2}) == {"b.py:f": 2}
    assert "evil.py:f" not in complete({})
    images = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(UserError, match="is not run here"):
        augment(images, [0], {"evil.py:f": 1}, seed=0, view=0)


WRONG = {
    "raise ValueError('no film')": r"line 3: ValueError: no film",
    "return images.astype(float)": r"line 2: it returned float64 \[4, 8, 8, 3\]; allowed: uint8",
    "return images * np.nan": r"it returned float64 \[4, 8, 8, 3\] with NaN",
    "return images[:, ::2]": r"it returned uint8 \[4, 4, 8, 3\]",
    "return None": r"it returned NoneType",
    "images[...] = 0; return images": r"line 3: it changes its input",
    "return 255 - images": r"line 2: it changes pictures at strength 0",
    "return images + np.random.randint(9) if strength else images": (
        r"draws from, or seeds, NumPy's or Python's usual generator"
    ),
    "return images if not strength else np.random.default_rng().permuted(images)": (
        r"drawn twice from the same numbers, its pictures differ at strength 5"
    ),
    "return images if not strength else images // max(1, len(images))": (
        "comes out otherwise alone than among others"
    ),
    "import helpers_that_are_not_there": r"line 3: ModuleNotFoundError",
    "return open('absent.txt')": r"line 3: FileNotFoundError",
    "return (": r"line 3: SyntaxError",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_told_with_file_and_line_before_an_image_is_read(
    line: str, here: Path
) -> None:
    code = f"import numpy as np\ndef grain(images, strength, units):\n    {line}\n"
    config = load_config(_experiment(here, {KEY: [0, 5]}, code))
    with pytest.raises(UserError, match=WRONG[line]) as refused:
        check_code(config)
    assert "my_augment.py" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_augment.py:nothing", "defines no such function; it defines grain"),
        ("my_augment.py:np", "defines no such function"),
    ],
)
def test_a_name_that_is_no_function_is_refused(name: str, message: str, here: Path) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        check_code(load_config(_experiment(here, {name: 1})))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.py:grain", r"augmentation\.absent\.py:grain: .*cannot be read"),
        ("my_augment.py", r"name a function of it, my_augment\.py:NAME"),
        ("my_augment:grain", "unknown"),
        ("kornia:RandomBlur", "unknown"),
        ("=HYPERLINK.py:f", "unknown"),
    ],
)
def test_a_name_that_is_nothing_is_refused_at_once(name: str, message: str, here: Path) -> None:
    with pytest.raises(UserError, match=message):
        load_config(_experiment(here, {name: 1}))


NOISE = "albumentations:GaussNoise(std_range=(0.1, 0.1 + strength), p=1)"


@pytest.mark.parametrize(
    "name", ["keras:RandomPerspective", NOISE, "albumentations:HorizontalFlip"]
)
def test_a_library_s_transform_is_drawn_from_our_numbers(name: str, here: Path) -> None:
    config = load_config(_experiment(here, {name: {"min": 0, "max": 0.8}}))
    check_code(config)
    images = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    whole = augment(images, range(6), {name: 0.8}, seed=3, view=2)
    assert (augment(images, [3], {name: 0.8}, seed=3, view=2)[0] == whole[3]).all()
    assert (whole != images).any()
    assert not (whole - images == whole[:1] - images[:1]).all()  # each is drawn for itself


WHOLE = "keras:Equalization(bins=strength * 2)"


@pytest.mark.parametrize(
    ("name", "searched"),
    [
        (WHOLE, [0, 64, 128]),
        ("keras:RandomPosterization", {"min": 2, "max": 6, "step": 2}),
        ("keras:RandAugment(num_ops=strength, value_range=(0, 255))", [0, 2.0]),
        ("albumentations:Posterize(num_bits=strength, p=1)", {"min": 2, "max": 6, "step": 2}),
        ("albumentations:MedianBlur(blur_limit=(strength, 5), p=1)", [3, 5]),
    ],
)
def test_a_whole_strength_is_whole_for_a_library_that_wants_such(
    name: str, searched: Any, here: Path
) -> None:
    check_code(load_config(_experiment(here, {name: searched})))


def test_a_library_that_wants_whole_strengths_is_asked_between_too(here: Path) -> None:
    with pytest.raises(UserError, match="whole numbers alone, write step: 1") as refused:
        check_code(load_config(_experiment(here, {WHOLE: {"min": 32, "max": 128}})))
    assert "\x1b" not in str(refused.value)


def test_a_library_is_asked_at_each_step_of_a_range(here: Path) -> None:
    name = "albumentations:MedianBlur(blur_limit=(strength, strength), p=1)"
    with pytest.raises(UserError, match="refuses it at strength 4"):
        check_code(load_config(_experiment(here, {name: {"min": 3, "max": 7, "step": 1}})))
    check_code(load_config(_experiment(here, {name: {"min": 3, "max": 7, "step": 2}})))


def test_a_whole_strength_is_whole_in_an_export_too() -> None:
    from search.export.exporters import Policy, write

    code = write(Policy("A test", {WHOLE: 64.0}, 32), "keras").code
    assert "layers.Equalization(bins=128)" in code


def test_a_library_s_transform_is_written_for_its_own_library() -> None:
    from search.export.exporters import Policy, write

    policy = Policy("A test", {NOISE: 0.2}, 32)
    assert targets_of(policy) == ["json", "albumentations"]
    assert (
        "A.GaussNoise(std_range=(0.1, 0.30000000000000004), p=1)"
        in write(policy, "albumentations").code
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision:RandomInvert", "torchvision is not installed; pip install torchvision"),
        ("keras:Dense", "has no transform of images called Dense"),
        ("keras:Nothing", "has no transform of images called Nothing"),
        ("keras:RandomTranslation", "refuses it at strength 1"),
        ("keras:RandomContrast(factor=strength,seed=3)", "seed is set here"),
        ("keras:MixUp(alpha=strength)", "changes nothing in one alone; write training.mixup"),
        ("keras:CutMix", "changes nothing in one alone; write training.cutmix: 0.2"),
        ("keras:AugMix(num_chains=strength)", "draws more than its seed says"),
        ("albumentations:GaussNoise(std_range=(0, 1))", "with strength where"),
        (
            "albumentations:GaussNoise(stdrange=(0, strength), p=1)",
            "it has no argument stdrange; did you mean 'std_range'",
        ),
        ("albumentations:HorizontalFlip(probability=strength)", "its arguments are p"),
        ("keras:RandomRotation(factr=strength)", "factr"),
        ("albumentations:GaussNoise(p=open('x').read() + strength)", "with strength where"),
        ("albumentations:Resize(height=99999, width=9, p=strength)", "of numbers up to 4096"),
        ("albumentations:Resize(height='/etc/passwd', p=strength)", "up to 4096, words"),
        ("albumentations:Resize(height=4000 * 4000, width=9, p=strength)", "up to 4096"),
        ("albumentations:GaussNoise(p=strength.__class__)", "of numbers up to 4096"),
        ("albumentations:GaussNoise(p=strength / 0)", "of numbers up to 4096"),
        ("albumentations:RandomCrop(height=4, width=4, p=strength)", "gives uint8 [4, 4, 3]"),
    ],
)
def test_a_transform_that_cannot_be_used_is_refused(name: str, message: str, here: Path) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        check_code(load_config(_experiment(here, {name: [0, 1]})))


def test_pytorch_after_tensorflow_is_refused_before_it_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    names = ["torchvision:RandomInvert", "keras:RandomInvert", "zoom_range"]
    assert imported_first(names) == ("torchvision",)
    with pytest.raises(UserError, match="import torchvision at the very beginning"):
        import_first(names)
    import_first(names[1:])


ENLARGING = "albumentations:RandomScale(scale_limit=(strength,strength),p=1)"


def test_what_enlarges_a_picture_is_refused_before_it_fills_the_memory(here: Path) -> None:
    with pytest.raises(UserError, match=r"a picture of 1 x 1 is \[4001, 4001, 3\]"):
        check_code(load_config(_experiment(here, {ENLARGING: [0, 4000]})))


def test_a_transform_from_elsewhere_is_not_run_without_being_told(here: Path) -> None:
    config = load_config(_experiment(here, {ENLARGING: [0, 4000]}))
    with pytest.raises(UserError, match=r"transforms, albumentations:RandomScale.*--run-code"):
        handed_over(config, None)
    assert handed_over(config, here) == ()


@pytest.mark.slow
def test_a_bundle_s_transform_paints_nothing_without_being_told(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flips = "albumentations:HorizontalFlip"
    config = load_config(_experiment(here, {flips: [0, 1]}))
    assert sit(config, here / "run").outcome == "finished"
    bundle = Path(make_bundle(here / "run", "Ada", here / "ada.zip").path)
    for refused in (lambda: grade(bundle, Extent()), lambda: verify(here / "run")):
        with pytest.raises(UserError, match="--run-code"):
            refused()
    assert grade(bundle, Extent(train=False, run_code=here)).same
    monkeypatch.setattr(own_augmentations, "transform_of", lambda name: pytest.fail(name))
    untrained = grade(bundle, Extent(train=False))
    assert untrained.same
    assert any(f"{flips} was not run" in remark for remark in untrained.remarks)


@pytest.mark.parametrize(
    "code",
    [
        "from data.transforms import transform_of\ntransform_of('keras:RandomPerspective')",
        "from data.own_code import CodeFile, _run\n"
        "_run('a.py:f', CodeFile(name='a.py', path='a.py', source='import keras'))",
        "from search.features import devices\ndevices.import_tensorflow_quietly()",
    ],
    ids=["a transform of Keras", "code that imports Keras", "TensorFlow"],
)
@pytest.mark.slow
def test_loading_tensorflow_says_nothing_in_a_terminal(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
