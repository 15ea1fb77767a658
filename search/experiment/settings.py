"""One point of the search space, every value fixed: the network, how it is trained, how its images
are augmented.

Frozen values with their bounds and words, and nothing that trains. What each `training.mode` does
with them is `modes`; a section of an experiment file, where each may be searched, is made of them
in `sections`.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from pydantic_core import CoreSchema, core_schema

from data.messages import literal
from data.own_code import OWN_CODE
from data.settings import NameIn

MOST_EPOCHS = 10_000


class Frozen(BaseModel):
    """A value: immutable, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Described(Frozen):
    """A section of settings: the text below each is its description in the schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True)
class NotSearched:
    """Marks a setting that has one value in a search. reason: why."""

    reason: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def _check(self, value: object) -> object:
        if isinstance(value, list | dict):
            raise ValueError(
                f"received {literal(value)}; allowed: one value, which cannot be searched: "
                f"{self.reason}"
            )
        return value


_NULL = {"type": "null"}


def _check_build(value: Any) -> Any:
    if isinstance(value, str) and not OWN_CODE.fullmatch(value):
        raise ValueError(f"received {literal(value)}; allowed: FILE.py:FUNCTION")
    return value


NAMEABLE = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
HyperparameterName = Annotated[str, Field(pattern=f"^{NAMEABLE.pattern}$")]
Hyperparameter = Annotated[int | float | bool | str, Field(union_mode="smart")]


class ModelSettings(Described):
    """The network: a backbone's pooled features, then dense, dropout, dense; or one of your own."""

    backbone: Annotated[str, NameIn("backbone")] = "efficientnet-lite0"
    """The network whose features are used; see the table of backbones."""
    weights: str = "imagenet"
    """`imagenet`, `random`, or a weights file."""
    head_units: Annotated[int, Field(ge=0, le=8192)] = 100
    """Units of the dense layer on top; 0 for none."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of them that is dropped in training."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.001
    """Adam's, for the head."""
    build: Annotated[
        str | None,
        BeforeValidator(_check_build),
        WithJsonSchema({"anyOf": [{"type": "string", "pattern": OWN_CODE.pattern}, _NULL]}),
        NotSearched("models are compared by a search each"),
    ] = None
    """FILE.py:FUNCTION, a KerasTuner build function of your own, for mode `fit`: it takes `hp` and
    gives a compiled Keras model."""
    hyperparameters: dict[HyperparameterName, Hyperparameter] = {}
    """Those that it declares, each fixed or searched; filled in from what it says."""

    @model_serializer(mode="wrap")
    def _of_own_model_where_there_is_one(
        self, write: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        own = () if self.build is not None else ("build", "hyperparameters")
        return {name: value for name, value in write(self).items() if name not in own}


_LAST = re.compile(r"last:\s*(\d+)")


def last_layers(start: str) -> int | None:
    """N of `last: N`; None where `start` is `all` or a name."""
    found = _LAST.fullmatch(start)
    return int(found[1]) if found else None


def _check_start(value: Any) -> Any:
    """`{last: N}` becomes the text `last: N`, which is how it is kept."""
    if isinstance(value, dict) and set(value) == {"last"}:
        value = f"last: {value['last']}"
    if isinstance(value, str) and value.startswith("last:") and not last_layers(value):
        raise ValueError(
            f"{value!r} leaves no layer to train; allowed: `last: N` with N from 1, a layer's or "
            "block's name, or all"
        )
    return value


_LAST_SCHEMA = {
    "type": "object",
    "properties": {"last": {"type": "integer", "minimum": 1}},
    "required": ["last"],
    "additionalProperties": False,
    "allowed": "{last: N}",
}


class FinetuneSettings(Described):
    """The second phase of mode finetune."""

    model_config = ConfigDict(serialize_by_alias=True)

    start: Annotated[
        str | None,
        Field(min_length=1, alias="from"),
        BeforeValidator(_check_start),
        WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, _LAST_SCHEMA, _NULL]}),
    ] = None
    """The first layer or block that trains, `last: N`, or `all`."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-4
    """Adam's, for this phase."""
    warmup_epochs: Annotated[float, Field(ge=0, le=1000)] = 1.0
    """Epochs over which it rises to that."""
    max_epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] | None = None
    """Those of training by default."""
    batch_norm: Literal["frozen", "train"] = "frozen"
    """`frozen` keeps the backbone's batch norms as they are, statistics and weights, and its
    own dropout off; `train` trains them too."""


MIXING = ("mixup", "cutmix")  # of TrainingSettings: what mixes the images of a batch
# Of TrainingSettings: how often and when pictures are augmented, which is all one where none are.
OF_AUGMENTATION = ("views", "augmented_share", "clean_epochs")


class TrainingSettings(Described):
    """How the network is trained."""

    mode: Annotated[str, NameIn("mode"), NotSearched("modes are compared by a search each")] = (
        "frozen"
    )
    """`frozen` trains a head on the backbone's features; `finetune` then its upper part too;
    `scratch` all of it, from random weights; `fit` the model that `model.build` gives."""
    max_epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 60
    """A head stops here at the latest."""
    patience: Annotated[int, Field(ge=1, le=10_000)] = 20
    """A head stops after so many epochs without improvement on its clean validation images."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    """Images per step."""
    views: Annotated[int, Field(ge=1, le=10_000)] | Literal["fresh"] = 16
    """Augmented pictures made of each image; `fresh` makes a new one every epoch. Few views are
    biased against augmentation."""
    augmented_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the pictures of a view that are augmented; the others are clean, others each view.
    Fixed, as the first of a list or in the middle of a range it is 0.05 at least."""
    clean_epochs: Annotated[int, Field(ge=0, le=10_000)] = 0
    """The last of `max_epochs` that train on clean pictures (of mode finetune, of its second
    phase). A network that stops before them has none."""
    finetune: FinetuneSettings = FinetuneSettings()
    """The second phase of mode `finetune`."""
    loss: Annotated[str, NameIn("loss")] = "cross_entropy"
    """What training makes small; see the table of losses. Validation losses are cross-entropies
    whatever it is."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Adam's decoupled weight decay, on kernels only."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread over all classes."""
    class_weight: Literal["none", "balanced"] = "none"
    """`balanced`: images of rare classes count more in the loss, so that every class counts the
    same."""
    mixup: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Mixes pairs of pictures; the alpha of its Beta distribution, 0 is off."""
    cutmix: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Pastes a part of one picture into another; the alpha of its Beta distribution, 0 is
    off."""


class Settings(Frozen):
    """One point of the search space, every value fixed. `augmentation` holds only what changes
    something."""

    augmentation: dict[str, Any]
    model: ModelSettings
    training: TrainingSettings


def content_hash(content: object) -> str:
    """sha256 of a value of JSON in hex, whatever the order of its keys."""
    return hashlib.sha256(spelled(content).encode()).hexdigest()


def spelled(value: object) -> str:
    """A value of JSON as text, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True)


def setting_key(settings: Settings) -> str:
    """Names a setting whatever its number of views."""
    training = settings.training.model_copy(update={"views": 1})
    return settings.model_copy(update={"training": training}).model_dump_json()


def flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Setting -> value, with dotted names for the settings of a section within."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        inner = flat(value) if isinstance(value, dict) else None
        found |= (
            {name: value} if inner is None else {f"{name}.{key}": v for key, v in inner.items()}
        )
    return found


def nested(settings: dict[str, Any]) -> dict[str, Any]:
    """The reverse of `flat`."""
    section: dict[str, Any] = {}
    for name, value in settings.items():
        outer, dot, inner = name.partition(".")
        place = section.setdefault(outer, {}) if dot else section
        place[inner if dot else outer] = value
    return section
