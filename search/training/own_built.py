"""What a model of the user's own is built to, in a text that another process gets as well: for one
that is an object and no file, whose source does not tell all."""

import json
import re
from typing import Any

from data.live_values import ADDRESS
from search.training.own_model import BUILD, called, hypermodel_of

COUNTED = re.compile(r"(?<=[a-z])_\d+\b")  # names of layers go on counting in a session
_PLACES = {"module", "registered_name", "shared_object_id"}  # where a class stands, not what it is


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
