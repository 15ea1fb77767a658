"""One point of the search space, every value fixed: the network, how it is trained, how its images
are augmented.

Frozen values with their bounds, and nothing that trains. What each `training.mode` does with them
is `modes`.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Frozen(BaseModel):
    """A value: immutable, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelSettings(Frozen):
    """The network: a backbone's pooled features, then dense, dropout, dense."""

    backbone: str = "efficientnet-lite0"
    weights: str = "imagenet"
    head_units: Annotated[int, Field(ge=0, le=8192)] = 100
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.001


_LAST = re.compile(r"last:\s*(\d+)")


def canonical_start(value: Any) -> Any:
    """`{last: N}` as the text `last: N`, which is how it is kept; anything else as it is."""
    if isinstance(value, dict) and set(value) == {"last"}:
        return f"last: {value['last']}"
    return value


def last_layers(start: str) -> int | None:
    """N of `last: N`; None where `start` is `all` or a name."""
    found = _LAST.fullmatch(start)
    return int(found[1]) if found else None


def _check_start(value: Any) -> Any:
    value = canonical_start(value)
    if isinstance(value, str) and value.startswith("last:") and not last_layers(value):
        raise ValueError(
            f"{value!r} leaves no layer to train; allowed: `last: N` with N from 1, a layer's or "
            "block's name, or all"
        )
    return value


class FinetuneSettings(Frozen):
    """The second phase of mode finetune.

    start (written `from`): the first layer or block that trains, `last: N` layers, or `all`.
    max_epochs: None takes `training.max_epochs`. batch_norm: `frozen` keeps the backbone's batch
    norms as they are, statistics and weights, and its own dropout off; `train` trains both.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    start: Annotated[
        str | None, Field(min_length=1, alias="from"), BeforeValidator(_check_start)
    ] = None
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-4
    warmup_epochs: Annotated[float, Field(ge=0, le=1000)] = 1.0
    max_epochs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    batch_norm: Literal["frozen", "train"] = "frozen"


class TrainingSettings(Frozen):
    """How the network is trained. `views` is the number of augmented views an image, or `fresh`: a
    new one every epoch.

    weight_decay: decoupled, on kernels only. label_smoothing: share of the target spread over all
    classes. mixup, cutmix: the alpha of Beta(alpha, alpha) from which shares are drawn; 0 is off.
    """

    mode: Literal["frozen", "finetune", "scratch"] = "frozen"
    max_epochs: Annotated[int, Field(ge=1, le=10_000)] = 60
    patience: Annotated[int, Field(ge=1, le=10_000)] = 20
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    views: Annotated[int, Field(ge=1, le=10_000)] | Literal["fresh"] = 16
    finetune: FinetuneSettings = FinetuneSettings()
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    mixup: Annotated[float, Field(ge=0, le=100)] = 0.0
    cutmix: Annotated[float, Field(ge=0, le=100)] = 0.0


class Settings(Frozen):
    """One point of the search space, every value fixed. `augmentation` holds only what changes
    something."""

    augmentation: dict[str, Any]
    model: ModelSettings
    training: TrainingSettings


def setting_key(settings: Settings) -> str:
    """Names a setting whatever its number of views."""
    training = settings.training.model_copy(update={"views": 1})
    return settings.model_copy(update={"training": training}).model_dump_json()


# Settings that came after the first journals were written. At their defaults they change nothing,
# so names of trials and of experiments leave them out: what was journaled before them keeps its
# name.
_LATER = {
    name: field.default
    for name, field in TrainingSettings.model_fields.items()
    if name in ("mode", "finetune", "weight_decay", "label_smoothing", "mixup", "cutmix")
}


def without_later_defaults(training: dict[str, Any]) -> dict[str, Any]:
    """A dumped `training` section without those later settings that stand at their defaults."""
    defaults = {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for name, value in _LATER.items()
    }
    return {
        name: value
        for name, value in training.items()
        if name not in defaults or value != defaults[name]
    }
