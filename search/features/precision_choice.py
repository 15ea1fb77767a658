"""Which precision a search computes in: what its file asks for, where this machine can have it;
for `auto` the fastest, as measured here on pictures of the dataset.

It is chosen once, before the first trial, and journaled: a search that goes on keeps to it.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from data.dataset import Dataset
from data.errors import UserError
from search.experiment.precisions import Precision
from search.experiment.trial import Resources
from search.features.devices import (
    has_bfloat16,
    import_tensorflow_quietly,
    resolve_precision,
    why_not_on_openvino,
)
from search.features.process_cache import extractor_for
from search.features.quantised import Int8Unavailable, require_int8

if TYPE_CHECKING:
    import keras

    from search.features.extractor import Extractor

MEASURED_SECONDS = 1.0
MEASURED_IMAGES = 32
FASTER = 1.15  # times float32's speed, to be worth other numbers; less is within a machine's moods


@dataclass(frozen=True)
class PrecisionChoice:
    """rates: images a second by precision, where `auto` measured them. why: in words, what else was
    asked for and cannot be had; None where all is as asked."""

    precision: Precision
    rates: Mapping[Precision, float] = field(default_factory=dict)
    why: str | None = None

    def lines(self) -> list[str]:
        """What is said of it once, for people; nothing where it is what was asked for."""
        said = [f"{self.why}; {self.precision} stands in"] if self.why else []
        if self.rates:
            rates = ", ".join(f"{rate:.0f} in {name}" for name, rate in self.rates.items())
            said.append(
                f"searching in {self.precision} (images per second, measured here: {rates})"
            )
        return said


@dataclass(frozen=True)
class Subject:
    """What is to be computed. backbones: those that run frozen, with their weights. heads_alone:
    whether heads on their features are all that trains. say: to people, what takes long.
    pause: called between steps; raises where it was asked to stop."""

    dataset: Dataset
    backbones: Sequence[tuple[str, str]]
    resources: Resources
    heads_alone: bool
    say: Callable[[str], None] = lambda text: None
    pause: Callable[[], None] = lambda: None

    @cached_property
    def models(self) -> list["keras.Model"]:
        import_tensorflow_quietly()
        from search.features.backbones import build_backbone

        size = self.dataset.images.shape[1]
        built = []
        for name, weights in self.backbones:
            self.pause()
            built.append(build_backbone(name, weights, size))
        return built


def choose_precision(asked: Precision | Literal["auto"], subject: Subject) -> PrecisionChoice:
    """Where int8 cannot be had float32 stands in. Raises UserError for bfloat16 that cannot."""
    if asked == "auto":
        return _fastest(subject)
    if asked != "int8":
        return PrecisionChoice(resolve_precision(asked, subject.resources.feature_engine))
    try:
        _extractors("int8", subject)
    except Int8Unavailable as error:
        return PrecisionChoice("float32", why=f"execution.precision int8 cannot be had: {error}")
    return PrecisionChoice("int8")


def require_precision(precision: Precision, subject: Subject) -> None:
    """Raises UserError where this machine cannot compute in what a search was begun in."""
    try:
        _extractors(precision, subject)
    except Int8Unavailable as error:
        raise UserError(
            f"the search was begun in int8, which cannot be had here: {error}. Mend that, go on "
            "where it can be had, or start anew"
        ) from error


def _extractors(precision: Precision, subject: Subject) -> list["Extractor"]:
    """The backbones as they run in it. Raises Int8Unavailable, UserError for bfloat16 that cannot
    be had."""
    if precision != "int8":
        resolve_precision(precision, subject.resources.feature_engine)
    elif reason := _why_not_int8(subject):
        raise Int8Unavailable(reason)
    else:
        subject.say("trying the backbone in int8 (about a minute, and kept for the next time)")
    return [_extractor(model, precision, subject) for model in subject.models]


def _extractor(model: "keras.Model", precision: Precision, subject: Subject) -> "Extractor":
    subject.pause()
    try:
        return extractor_for(model, subject.dataset, precision, subject.resources)
    except Int8Unavailable as error:
        raise Int8Unavailable(f"{model.name}: {error}") from error


def _why_not_int8(subject: Subject) -> str | None:
    if not subject.heads_alone:
        return "it is for training.mode frozen, where heads train on features alone"
    try:
        require_int8(subject.resources.feature_engine)
    except Int8Unavailable as error:
        return str(error)
    return None


def _fastest(subject: Subject) -> PrecisionChoice:
    """Of the precisions that can be had here."""
    candidates: dict[Precision, list[Extractor]] = {}
    if why_not_on_openvino(subject.resources.feature_engine) is None and subject.backbones:
        if has_bfloat16(subject.resources.feature_engine):
            candidates["bfloat16"] = _extractors("bfloat16", subject)
        with contextlib.suppress(Int8Unavailable):
            candidates["int8"] = _extractors("int8", subject)
    if not candidates:
        return PrecisionChoice("float32")
    candidates["float32"] = _extractors("float32", subject)
    subject.pause()
    pictures = np.asarray(subject.dataset.images[:MEASURED_IMAGES])
    rates = measured_rates(candidates, pictures, MEASURED_SECONDS)
    fastest = max(rates, key=lambda precision: rates[precision])
    return PrecisionChoice(
        fastest if rates[fastest] > FASTER * rates["float32"] else "float32", rates
    )


def measured_rates(
    candidates: Mapping[Precision, Sequence["Extractor"]], pictures: np.ndarray, seconds: float
) -> dict[Precision, float]:
    """Images a second through all of a precision's extractors: the best of the rounds, which take
    turns so that the machine's moods meet all alike. Two rounds at least, then until the time is
    over."""
    least = dict.fromkeys(candidates, float("inf"))
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 2 or time.perf_counter() < end:
        for precision, extractors in candidates.items():
            start = time.perf_counter()
            for extractor in extractors:
                extractor.extract([pictures], len(pictures))
            least[precision] = min(least[precision], time.perf_counter() - start)
        rounds += 1
    return {precision: len(pictures) / taken for precision, taken in least.items()}
