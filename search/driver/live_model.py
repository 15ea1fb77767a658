"""A model that `AugmentationTuner` is handed as an object: known again by its source, by what it
holds, and by what it builds."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from data.errors import UserError
from data.live_code import LiveCode
from data.own_code_watch import watched
from search.features.devices import import_tensorflow_quietly


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
    from search.training.own_built import text_of_built
    from search.training.own_model import BUILD, BUILDING_SECONDS

    with code.at_hand():
        return watched(code.name, partial(text_of_built, code.name), BUILDING_SECONDS, BUILD)
