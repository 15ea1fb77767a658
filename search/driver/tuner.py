"""`AugmentationTuner`: a whole search under the calls that KerasTuner's own tuners answer to, for
Python. Nothing of the search is here: it is `session`'s."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.live_code import with_callbacks
from search.driver.algorithms import build_oracle
from search.driver.code_files import usual_training
from search.driver.experiment_file import ExperimentLike, build_named_in, load_config
from search.driver.live_model import LiveModel
from search.driver.python_words import refuse_tuner_arguments, told_in_python
from search.driver.session import SessionOptions, run_search
from search.experiment.config import ExperimentConfig
from search.experiment.trial import TrialRecord, fullest
from search.features.devices import import_tensorflow_quietly
from search.journal.state import SearchResult
from search.training.modes import OF_OWN_MODELS
from search.training.own_model import hypermodel_of

OWN_PREFIX = "hyperparameters."  # of a model of the user's own, in tables

_LOG = logging.getLogger(__name__)

if TYPE_CHECKING:
    import keras
    import keras_tuner
    from keras_tuner.engine.trial import Trial

    from search.report.terminal import Progress


@lru_cache(maxsize=1)
def tuner_class() -> type:
    """`TunerCalls` as one of KerasTuner's tuners, made on first use: their base imports
    TensorFlow."""
    import_tensorflow_quietly()
    from keras_tuner.engine.base_tuner import BaseTuner

    return type("AugmentationTuner", (TunerCalls, BaseTuner), {"__doc__": TunerCalls.__doc__})


class TunerCalls:
    """Searches augmentations for one experiment.

    config: as `load_config` takes it: a path, a mapping or an ExperimentConfig. `search()` runs or
    resumes the whole search in `run_dir` (default runs/NAME): controls, trials, confirmation,
    ablation, test. `get_best_hyperparameters(n)` and `results_summary()` are KerasTuner's own, over
    the trials of the search phase; with rungs over those of the fullest one, since scores compare
    within a rung only. Values have the types that an experiment file gives them.
    `get_best_models(n)` trains those trials on train + validation and returns models that take raw
    uint8 images.

    hypermodel: as KerasTuner takes it, a build function or a HyperModel, in the place of
    `model.build`; its trials run in this process. Raises UserError where it cannot be built.
    more, others: what KerasTuner's tuners take; TypeError says where an experiment has it.
    """

    oracle: "keras_tuner.Oracle"

    @told_in_python
    def __init__(
        self,
        config: ExperimentLike | None = None,
        run_dir: str | Path | None = None,
        hypermodel: Any = None,
        *more: Any,
        **others: Any,
    ) -> None:
        refuse_tuner_arguments(config, more, others)
        if config is None or callable(config) or hasattr(config, "build"):
            raise TypeError(
                "AugmentationTuner received a function or a HyperModel as its first argument; "
                "allowed: an experiment (a path, a mapping, what load_config gives); give the "
                "model as hypermodel="
            )
        self._live = None if hypermodel is None else LiveModel.of(hypermodel)
        with self._at_hand():
            config = load_config(config, self._overrides(config))
        self.config = config
        self.run_dir = Path("runs") / config.name if run_dir is None else Path(run_dir)
        self.result: SearchResult | None = None
        self._records: dict[str, TrialRecord] = {}
        # "." is the run directory itself: the tuner keeps nothing of its own beside the journal.
        oracle = build_oracle(config, config.space)
        super().__init__(  # type: ignore[call-arg]
            oracle, directory=str(self.run_dir), project_name="."
        )
        if self._live is not None:
            with self._at_hand():
                self.hypermodel = hypermodel_of(self._live.code.name)

    @told_in_python
    def search(
        self,
        *fit_arguments: Any,
        callbacks: Sequence[Any] = (),
        progress: "Progress | None" = None,
        options: SessionOptions | None = None,
        **fit_options: Any,
    ) -> SearchResult:
        """Runs or resumes the search. callbacks: Keras's, for a model of your own, which is then
        trained in this process. Raises UserError for what the user can mend, TypeError for what
        else Keras's `fit` would take: images and training are the experiment's."""
        _refuse_fit(fit_arguments, fit_options)
        _refuse_callbacks(callbacks)
        self._refuse_another()
        name = self.config.model.written.get("build")
        if callbacks and name is None:
            raise TypeError(
                "search() received callbacks=, which are for a model of your own: give it as "
                "hypermodel=build, or name it in model.build"
            )
        if callbacks or self._live is not None:
            options = replace(options or SessionOptions(), inline=True)
        with self._at_hand(), with_callbacks(str(name), callbacks):
            self.result = run_search(self.config, self.run_dir, progress, options)
        self.oracle = build_oracle(self.config, self.config.space)
        self._records = {}
        for record in fullest(self.result.state.of_kind("trial")):
            self._adopt(record)
        return self.result

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[Any]:
        """KerasTuner's, fewer where fewer trials completed. Raises UserError before `search()` has
        found any."""
        self._refuse_count(num_trials)
        return [trial.hyperparameters for trial in self.oracle.get_best_trials(num_trials)]

    @told_in_python
    def get_best_models(self, num_models: int = 1) -> "list[keras.Model]":
        """Raises UserError as `get_best_hyperparameters`."""
        self._refuse_count(num_models)
        self._refuse_another()
        return [self.load_model(trial) for trial in self.oracle.get_best_trials(num_models)]

    def search_space_summary(self, extended: bool = False) -> None:
        """KerasTuner's, with the values that an experiment file takes instead of the texts that its
        oracle holds."""
        dimensions = self.config.space.dimensions
        print(f"Search space summary\nDefault search space size: {len(dimensions)}")
        for name, dimension in dimensions.items():
            print(f"{name} ({type(dimension).__name__})\n{dimension.as_written()}")

    def reload(self) -> None:
        """Raises UserError: there are no files of KerasTuner's to be read."""
        raise UserError(
            f"reload() has nothing to read: a search is kept in the journal of {self.run_dir}; "
            "call search(), which reads a finished one and goes on with another"
        )

    def _overrides(self, config: ExperimentLike) -> list[str]:
        """What a hypermodel makes of an experiment; a config that was loaded has its defaults
        written out."""
        if self._live is None:
            return []
        named = build_named_in(config)
        if named not in (None, self._live.code.name):
            _LOG.warning("model.build %s is not used: hypermodel= was given in its place", named)
        others = []
        if isinstance(config, ExperimentConfig):
            usual = usual_training(OF_OWN_MODELS)
            missing = usual.keys() - config.training.written.keys()
            others = [f"training.{key}={usual[key]}" for key in sorted(missing)]
        return [f"model.build={self._live.code.name}", *others]

    def _at_hand(self) -> AbstractContextManager[None]:
        """The hypermodel that was handed over, while it is needed."""
        return nullcontext() if self._live is None else self._live.code.at_hand()

    def _refuse_another(self) -> None:
        if self._live is not None:
            self._live.refuse_another()

    def _refuse_count(self, count: int) -> None:
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise UserError(
                f"received {count!r} for how many of the best; allowed: whole numbers from 1"
            )
        if not any(record.status == "completed" for record in self._records.values()):
            raise UserError(
                f"no completed trial of {self.run_dir} is known here; call search() first"
            )

    def _adopt(self, record: TrialRecord) -> None:
        """Makes a trial of the journal one of the oracle's, for KerasTuner's own tables."""
        from keras_tuner.engine.trial import Trial

        space = self.config.space
        trial = Trial(hyperparameters=space.hyperparameters(), trial_id=str(record.trial))
        values = space.typed_values(record.settings)
        own = {name.removeprefix(OWN_PREFIX): value for name, value in values.items()}
        trial.hyperparameters.values |= own | values  # by the names in its build function, too
        trial.status = "COMPLETED" if record.status == "completed" else "FAILED"
        trial.score = record.result.score if record.result else None
        self.oracle.trials[trial.trial_id] = trial
        self._records[trial.trial_id] = record

    def load_model(self, trial: "Trial") -> "keras.Model":
        """A trial's setting trained on train + validation for as long as its heads took on
        average."""
        from search.driver.winner import train_model

        with self._at_hand():
            return train_model(self.config, self._records[trial.trial_id], self.run_dir)


def _refuse_callbacks(callbacks: Any) -> None:
    """Raises TypeError for what is no list of Keras's callbacks."""
    listed = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    if not listed:
        return
    import_tensorflow_quietly()
    import keras

    odd = [each for each in listed if not isinstance(each, keras.callbacks.Callback)]
    if odd or listed is not callbacks:
        kind = type(odd[0] if odd else callbacks).__name__
        raise TypeError(
            f"callbacks received {'a ' + kind if listed is callbacks else kind}; allowed: a list "
            "of objects that are keras.callbacks.Callback, such as "
            "[keras.callbacks.TerminateOnNaN()]"
        )


def _refuse_fit(arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Raises TypeError for what was meant for Keras's `fit`."""
    if not arguments and not options:
        return
    given = [f"{len(arguments)} positional arguments"] if arguments else []
    given += [f"{name}=" for name in options]
    raise TypeError(
        f"search() received {', '.join(given)}; allowed: callbacks=, progress=, options=. Images "
        "and training are the experiment's: for arrays np.savez('photos.npz', x_train=x, "
        "y_train=y), then dataset: {source: arrays, path: photos.npz, split: {validation: 0.2}}; "
        "for epochs and batch size training: {max_epochs: 60, batch_size: 32}"
    )
