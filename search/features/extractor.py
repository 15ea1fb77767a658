"""Features of images by a frozen backbone: which engine runs it, how precisely, and the proof that
it may.

One record an engine in FEATURE_ENGINES, in the order in which they are tried: each stands in for
the one before it. How an engine works is its own module's affair, and keeping features on disk is
`store`'s.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from data.errors import UserError
from data.messages import text_of
from search.experiment.precisions import PRECISIONS, Precision
from search.features.devices import resolve_precision, sees_gpu
from search.features.runners import FixedBatch, build_openvino, build_tensorflow, fixed_batches

if TYPE_CHECKING:
    import keras

_NOISE_IMAGES = 8
_CHECK_BATCH = 2  # by eight, 230 MB more stay with the process: EfficientNet-Lite0 at 150 px
_LOG = logging.getLogger(__name__)


class Runner(Protocol):
    """What an engine gives: features of fixed batches, written into the rows of `out` that they
    belong to."""

    batch_size: int

    def run(self, batches: Iterable[FixedBatch], out: np.ndarray) -> None: ...


@dataclass(frozen=True)
class Request:
    """What an engine is asked to run; `identity` names the model with its weights."""

    model: keras.Model
    identity: str
    precision: Precision
    num_threads: int
    cache_dir: Path | None


@dataclass(frozen=True)
class FeatureEngine:
    """`build` raises whatever goes wrong; `package` must be installed; `has_bfloat16`: it can
    compute so."""

    name: str
    package: str
    has_bfloat16: bool
    build: Callable[[Request], Runner]


def _openvino(request: Request) -> Runner:
    return build_openvino(
        request.model, request.identity, request.precision, request.num_threads, request.cache_dir
    )


def _tensorflow(request: Request) -> Runner:
    return build_tensorflow(request.model, request.num_threads)


FEATURE_ENGINES: dict[str, FeatureEngine] = {
    engine.name: engine
    for engine in (
        FeatureEngine("openvino", "openvino", True, _openvino),
        FeatureEngine("tensorflow", "tensorflow", False, _tensorflow),
    )
}


@dataclass(frozen=True)
class Extractor:
    """A frozen backbone ready to run. Not for two threads at once. `output_shape` is that of one
    image's features."""

    engine: str
    precision: Precision
    output_shape: tuple[int, ...]
    image_shape: tuple[int, ...]
    _runner: Runner = field(repr=False)

    @property
    def batch_size(self) -> int:
        """Images a forward pass; batches of a multiple of it are cut without being copied."""
        return self._runner.batch_size

    @property
    def versioned_engine(self) -> str:
        """The engine with the version of its package, such as `openvino 2026.4.0`."""
        return _versioned(FEATURE_ENGINES[self.engine])

    def extract(
        self, batches: Iterable[np.ndarray], num_images: int, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Features [num_images, *output_shape] of batches uint8 [b, s, s, 3], float32 unless `out`
        is something else.

        The next batches are drawn while the last ones run, a few ahead at most. Raises ValueError
        if the batches hold more or fewer images than `num_images`, or of another shape.
        """
        shape = (num_images, *self.output_shape)
        if out is None:
            out = np.empty(shape, np.float32)
        if out.shape != shape:
            raise ValueError(f"out has shape {out.shape}; it must be {shape}")
        seen = _Count()
        self._runner.run(
            seen.up_to(num_images, fixed_batches(batches, self.batch_size, self.image_shape)), out
        )
        if seen.images != num_images:
            raise ValueError(f"the batches held {seen.images} images, {num_images} were announced")
        return out


class _Count:
    """Counts images as they pass, and stops before one too many is written."""

    images = 0

    def up_to(self, limit: int, batches: Iterable[FixedBatch]) -> Iterable[FixedBatch]:
        for batch in batches:
            self.images = batch.start + batch.num_images
            if self.images > limit:
                raise ValueError(
                    f"the batches hold more than the {limit} images that were announced"
                )
            yield batch


def build_extractor(
    model: keras.Model,
    engine: str = "auto",
    precision: str = "float32",
    num_threads: int = 2,
    cache_dir: Path | None = None,
    check_images: np.ndarray | None = None,
) -> Extractor:
    """The fastest right way to run `model` [n, s, s, 3] -> [n, ...] on this machine.

    engine: auto, or one of FEATURE_ENGINES; where it is absent, fails, or differs from Keras by
    more than its precision's `allowed_difference` on `check_images` (uint8 [k, s, s, 3]; noise if
    not given), the next one stands in, and one warning is logged. precision: float32 or bfloat16
    (int8 is `quantised`'s).
    num_threads: OpenVINO's, and TensorFlow's where its process gives each operation one. cache_dir:
    where exported networks are kept; None keeps none. Raises UserError for an engine or precision
    that cannot be had.
    """
    resolved = resolve_precision(precision, engine)
    images = _noise(model.input_shape[1:]) if check_images is None else check_images
    reference = by_keras(model, images)
    if not np.isfinite(reference).all():
        raise UserError(
            f"model.backbone: the features of {model.name} are NaN or infinite on pictures of the "
            "data set; see its weights and its scaling, or choose another"
        )
    request = Request(model, model_identity(model), resolved, num_threads, cache_dir)
    reasons: list[str] = []
    for candidate in _candidates(engine):
        try:
            extractor = _checked(candidate, request, images, reference)
        # An engine may fail in any way its packages know; the next one is tried, and the reason is
        # told.
        except Exception as error:
            reasons.append(f"{candidate.name}: {_one_line(error)}")
            continue
        if reasons:
            _LOG.warning(
                "features are computed by %s in %s (%s)",
                extractor.engine,
                extractor.precision,
                "; ".join(reasons),
            )
        return extractor
    raise RuntimeError(f"no engine can run this backbone ({'; '.join(reasons)})")


def _checked(
    engine: FeatureEngine, request: Request, images: np.ndarray, reference: np.ndarray
) -> Extractor:
    precision: Precision = request.precision if engine.has_bfloat16 else "float32"
    runner = engine.build(replace(request, precision=precision))
    shapes = reference.shape[1:], images.shape[1:]
    extractor = Extractor(engine.name, precision, *shapes, runner)
    need_alike(extractor, images, reference)
    return extractor


def need_alike(extractor: Extractor, images: np.ndarray, reference: np.ndarray) -> None:
    """Raises ArithmeticError where its features of the images differ from Keras's by more than its
    precision is allowed."""
    difference = relative_difference(extractor.extract([images], len(images)), reference)
    allowed = PRECISIONS[extractor.precision].allowed_difference
    if not difference <= allowed:
        raise ArithmeticError(f"differs from Keras by {difference:.2g}, {allowed:g} is let pass")


def _candidates(engine: str) -> list[FeatureEngine]:
    """The engines to try, in order."""
    names = list(FEATURE_ENGINES)
    if engine == "auto":
        first = names.index("tensorflow" if sees_gpu() else "openvino")
    elif engine in names:
        first = names.index(engine)
    else:
        raise UserError(f"engine {engine!r} is not known; allowed: auto, {', '.join(names)}")
    return [FEATURE_ENGINES[name] for name in names[first:]]


def expected_engine(engine: str) -> str:
    """The engine that `build_extractor` tries first of those installed here, with its version, as
    `Extractor.versioned_engine`; known without building anything."""
    for candidate in _candidates(engine):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return _versioned(candidate)
    raise RuntimeError(f"no package is installed that could run a backbone (asked for {engine})")


def _versioned(engine: FeatureEngine) -> str:
    return f"{engine.name} {importlib.metadata.version(engine.package)}"


def relative_difference(features: np.ndarray, reference: np.ndarray) -> float:
    """|features - reference| / |reference|, 2-norms over all features of all images."""
    difference = np.linalg.norm(np.asarray(features, np.float64) - reference)
    return float(difference / max(np.linalg.norm(reference), np.finfo(np.float32).tiny))


def by_keras(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Features of a few images, right by definition."""
    parts = [
        np.asarray(model(images[first : first + _CHECK_BATCH], training=False))
        for first in range(0, len(images), _CHECK_BATCH)
    ]
    return np.concatenate(parts)


def _noise(image_shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (_NOISE_IMAGES, *image_shape), np.uint8)


def model_identity(model: keras.Model) -> str:
    """A hash of the architecture and every weight; what Keras happened to number its layers is left
    out."""
    text = model.to_json()
    for number, operation in enumerate(model.operations):
        text = text.replace(json.dumps(operation.name), f'"#{number}"')
    digest = hashlib.sha256(text.replace(json.dumps(model.name), '"#"').encode())
    for variable in model.weights:
        digest.update(np.ascontiguousarray(variable).data)
    return digest.hexdigest()


def _one_line(error: Exception) -> str:
    return text_of(error, 200) or type(error).__name__
