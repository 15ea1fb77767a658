"""A frozen backbone in 8-bit integers: OpenVINO's network, quantised after training by NNCF on
pictures of the dataset, and trusted where heads on its features agree with heads on float32's.

It moves single features by a sixth, and the same pictures are still told apart by the same sums of
them: so features are judged by what a linear head makes of them.

Only OpenVINO has it, and nothing stands in: a trial in another precision than those it is compared
with would be worse than none. Whether a search uses it is `precision_choice`'s.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UserError
from data.messages import text_of
from data.scratch import scratch_folder
from search.experiment.precisions import Precision
from search.features.calibration import Calibration
from search.features.devices import INT8_FLAGS, processor_flags, why_not_on_openvino
from search.features.extractor import Extractor, by_keras, model_identity, need_alike
from search.features.kept_networks import NETWORK, kept_network
from search.features.runners import compiled, exported, fixed_batches, import_openvino

if TYPE_CHECKING:
    import keras
    import openvino

RECIPE = 1  # another number wherever the same pictures would give another network
# Pretrained networks reached 0.90 to 0.96 on photographs, networks calibrated on no photographs
# 0.14 to 0.56 (docs/precision.md).
LEAST_AGREEMENT = 0.75
_AGREEMENT = "agreement.json"
FOLDS = 5
RIDGE = 0.1  # times the mean square of a picture's features


class Int8Unavailable(UserError):
    """Why a network cannot be had in int8 here, in words."""


def int8_versions() -> str:
    """What a quantised network depends on beside its weights and pictures. Raises Int8Unavailable
    without NNCF."""
    try:
        return f"recipe {RECIPE}, nncf {importlib.metadata.version('nncf')}"
    except importlib.metadata.PackageNotFoundError:
        raise Int8Unavailable("the package nncf is not installed") from None


def require_int8(engine: str = "auto") -> None:
    """Raises Int8Unavailable where this machine lacks the engine, the processor or the package.
    Asked in each process: workers may be on machines of another kind than the search."""
    if reason := why_not_on_openvino(engine):
        raise Int8Unavailable(f"it takes OpenVINO, and {reason}")
    if not processor_flags() & INT8_FLAGS:
        raise Int8Unavailable(
            "this processor has no instructions for products of 8-bit numbers (VNNI)"
        )
    int8_versions()


@dataclass(frozen=True)
class Quantising:
    """A network to be quantised. cache_dir: where networks are kept; None keeps none."""

    model: keras.Model
    calibration: Calibration
    num_threads: int = 2
    cache_dir: Path | None = None


def build_quantised(wanted: Quantising, check_images: np.ndarray) -> Extractor:
    """The network in int8, made where it is not kept, and compared with Keras on `check_images`
    (uint8 [k, s, s, 3]). Raises Int8Unavailable, with the reason, where it cannot be had."""
    require_int8()
    if fault := wanted.calibration.fault:
        raise Int8Unavailable(fault)
    versions = int8_versions()
    try:
        return _built(wanted, versions, check_images)
    # NNCF, OpenVINO and the disk may refuse a network in any way they know.
    except Exception as error:
        reason = text_of(error, 200) or type(error).__name__
        raise Int8Unavailable(reason) from error


def _built(wanted: Quantising, versions: str, check_images: np.ndarray) -> Extractor:
    network = quantised_network(wanted, versions)
    runner = compiled(network, "int8", wanted.num_threads)
    reference = by_keras(wanted.model, check_images)
    shapes = reference.shape[1:], check_images.shape[1:]
    extractor = Extractor("openvino", "int8", *shapes, runner)
    need_alike(extractor, check_images, reference)
    return extractor


def quantised_network(wanted: Quantising, versions: str) -> openvino.Model:
    """The network, made where it is not kept. Raises ArithmeticError where it was quantised badly,
    and whatever NNCF, OpenVINO and the disk raise."""
    weights = model_identity(wanted.model)
    content = [weights, wanted.calibration.identity, versions, import_openvino().__version__]
    identity = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    if wanted.cache_dir is None:
        with scratch_folder("augsearch-network-") as made:
            _quantise(wanted, weights, made)
            return _judged(made / NETWORK)
    folder = wanted.cache_dir / "openvino" / identity
    path = kept_network(folder, lambda made: _quantise(wanted, weights, made), (_AGREEMENT,))
    return _judged(path)


def _judged(path: Path) -> openvino.Model:
    """The network at `path`. Raises ArithmeticError where it was quantised badly."""
    agreement = json.loads(path.with_name(_AGREEMENT).read_text())
    if agreement is None or not agreement >= LEAST_AGREEMENT:
        raise ArithmeticError(
            "it quantises badly: the answers of heads on its features agree by "
            f"{0 if agreement is None else agreement:.2f} with those in float32, "
            f"{LEAST_AGREEMENT:g} is needed"
        )
    return import_openvino().Core().read_model(path)


def _quantise(wanted: Quantising, weights: str, folder: Path) -> None:
    """Writes the quantised network into `folder`, and beside it how far heads on its features agree
    with heads on float32's: known once, read ever after."""
    nncf, openvino, pictures = _import_nncf(), import_openvino(), wanted.calibration.pictures
    network = exported(wanted.model, weights, wanted.cache_dir)
    single = network.clone()
    single.reshape([1, *pictures.shape[1:]])
    dataset = nncf.Dataset(list(pictures), lambda picture: picture[None].astype(np.float32))
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        quantised = nncf.quantize(single, dataset, subset_size=len(pictures))
    openvino.save_model(quantised, folder / NETWORK, compress_to_fp16=False)
    read_back = openvino.Core().read_model(folder / NETWORK)
    agreement = head_agreement(
        _features(read_back, "int8", wanted),
        _features(network, "float32", wanted),
        wanted.calibration.labels,
        wanted.calibration.sources,
    )
    text = json.dumps(agreement if np.isfinite(agreement) else None)
    (folder / _AGREEMENT).write_text(text)


def _features(network: openvino.Model, precision: Precision, wanted: Quantising) -> np.ndarray:
    """[n, d]: of the pictures that it is calibrated on."""
    pictures = wanted.calibration.pictures
    runner = compiled(network, precision, wanted.num_threads)
    shape = (side.get_length() for side in network.output(0).partial_shape[1:])
    found = np.empty((len(pictures), *shape), np.float32)
    runner.run(fixed_batches([pictures], runner.batch_size, pictures.shape[1:]), found)
    return found.reshape(len(pictures), -1)


def _import_nncf() -> ModuleType:
    """NNCF, without its report of use to anybody (`import_openvino` sees to that), its log on
    stdout, and its own class for whatever loggers are made later."""
    import_openvino()
    before = logging.getLoggerClass()
    try:
        import nncf
    finally:
        logging.setLoggerClass(before)
    # Not `nncf.set_log_level`: it turns down whatever handlers its logger shares with others.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf


def head_agreement(
    features: np.ndarray, reference: np.ndarray, labels: np.ndarray, pictures: np.ndarray
) -> float:
    """The squared correlation, 0 to 1, of the scores that heads on either give to pictures that
    they have not seen; nan where the scores do not vary.

    features, reference: [n, d]; labels: int [n]; pictures: int [n], the same number for rows of one
    photograph, which are left out together.
    """
    fold = pictures % FOLDS
    ours, theirs = (
        _scores(each.astype(np.float64), labels, fold) for each in (features, reference)
    )
    ours, theirs = (each - each.mean(axis=0) for each in (ours, theirs))
    scale = (ours**2).sum() * (theirs**2).sum()
    return float((ours * theirs).sum() ** 2 / scale) if scale > 0 else float("nan")


def _scores(features: np.ndarray, labels: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """[n, classes]: of each row, by ridge regression on the rows of the other folds (in its dual
    form, since there are fewer rows than features)."""
    wanted = np.eye(labels.max() + 1)[labels]
    scores = np.zeros_like(wanted)
    for number in range(FOLDS):
        held_out = fold == number
        centre, level = features[~held_out].mean(axis=0), wanted[~held_out].mean(axis=0)
        known = features[~held_out] - centre
        products = known @ known.T
        penalty = RIDGE * np.trace(products) / len(products) + np.finfo(np.float32).tiny
        duals = np.linalg.solve(
            products + penalty * np.eye(len(products)), wanted[~held_out] - level
        )
        scores[held_out] = (features[held_out] - centre) @ known.T @ duals + level
    return scores
