"""A model that `AugmentationTuner` is handed as an object: known again by its source, by what it
holds, and by what it builds, in a text that another process gets as well."""

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from data.errors import UserError
from data.live_code import LiveCode
from data.live_values import ADDRESS
from data.own_code_watch import watched
from search.features.devices import import_tensorflow_quietly
from search.training.own_model import BUILD, called, hypermodel_of

COUNTED = re.compile(r"(?<=[a-z])_\d+\b")  # names of layers go on counting in a session
_PLACES = {"module", "registered_name", "shared_object_id"}  # where a class stands, not what it is


@dataclass(frozen=True)
class LiveModel:
    """built: what it builds, all hyperparameters at their defaults."""

    code: LiveCode
    built: str

    @classmethod
    def of(cls, found: Any) -> "LiveModel":
        """Raises UserError where its source cannot be read, or it cannot be built."""
        import_tensorflow_quietly()
        import keras

        if isinstance(found, keras.Model):
            raise UserError(
                f"hypermodel received a model ({type(found).__name__}); allowed: a build function "
                "that takes hp and returns one, or a keras_tuner.HyperModel: each training is of a "
                "model built anew"
            )
        code = LiveCode.of(found)
        built = _built(code)
        return cls(code.with_built(built), built)

    def refuse_another(self) -> None:
        """Raise UserError where it builds something else by now."""
        if _built(self.code) != self.built:
            raise UserError(
                f"hypermodel ({self.code.name}) builds another model than when this tuner was "
                "made: something that it holds or names was changed since; make a new tuner"
            )


def _built(code: LiveCode) -> str:
    from search.training.own_model import BUILD, BUILDING_SECONDS

    with code.at_hand():
        return watched(code.name, partial(text_of_built, code.name), BUILDING_SECONDS, BUILD)


def text_of_built(name: str) -> str:
    """Layers, shapes of weights, optimizer, loss and metrics, all hyperparameters at their
    defaults. Raises UserError for what the code raises."""
    hypermodel = hypermodel_of(name)
    import keras
    import keras_tuner

    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    built = called(name, hypermodel.build, keras_tuner.HyperParameters())
    if not isinstance(built, keras.Model):
        return BUILD  # which is told later, with all else that is wrong
    parts = [type(built).__name__, str([tuple(each.shape) for each in built.weights])]
    for each in built._flatten_layers(include_self=False):
        parts.append(f"{type(each).__name__} {_settings(each.get_config)}")
    parts.append(_settings(built.get_config))
    parts.append(_settings(built.get_compile_config) if built.compiled else "not compiled")
    return ADDRESS.sub("", COUNTED.sub("", "\n".join(parts)))


def _settings(config: Any) -> str:
    import keras

    try:
        found = keras.saving.serialize_keras_object(config())
    except Exception:  # whatever a layer or a loss of one's own raises that cannot be saved
        return "no settings"
    return json.dumps(_placeless(found), sort_keys=True, default=str)


def _placeless(found: Any) -> Any:
    if isinstance(found, list | tuple):
        return [_placeless(each) for each in found]
    if not isinstance(found, dict):
        return found
    if found.get("class_name") == "__lambda__":  # bytes that name its file and line
        return {key: found["config"].get(key) for key in ("defaults", "closure")}
    return {key: _placeless(value) for key, value in found.items() if key not in _PLACES}
