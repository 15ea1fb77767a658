"""What a user of Python is told: errors that speak of options of the command line, in words of
Python, and arguments of KerasTuner's own tuners, which an experiment has elsewhere."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from data.errors import UserError
from search.guests.table import GUESTS

_Answer = TypeVar("_Answer")
_Arguments = ParamSpec("_Arguments")

PYTHON_WORDS = {
    "--run-dir": "run_dir",
    "--fresh": "options=SessionOptions(fresh=True)",
    "--code-changed": "options=SessionOptions(code_changed=True)",
    "--inline": "options=SessionOptions(inline=True)",
    **{g.option: f"options=SessionOptions(guests=({g.name!r},))" for g in GUESTS.values()},
    "--set": "overrides",
}
_OPTIONS = re.compile(rf"({'|'.join(PYTHON_WORDS)})(?![\w-])")
# Of KerasTuner's tuners -> where an experiment has it.
TUNER_PLACES = {
    "objective": "evaluation.objective",
    "max_trials": "search.trials",
    "max_epochs": "training.max_epochs",
    "hyperband_iterations": "search.trials",
    "executions_per_trial": "evaluation.seeds",
    "max_retries_per_trial": "execution.retries",
    "seed": "seed, at the top of the experiment",
    "hyperparameters": "model.hyperparameters, and augmentation",
    "oracle": "search.algorithm",
    "directory": "run_dir=, the second argument",
    "project_name": "run_dir=, the second argument",
    "overwrite": "search(options=SessionOptions(fresh=True))",
    "factor": "search.reduction",
    "distribution_strategy": "the section execution: its engine, workers and threads",
    "logger": "tracking.uri, for MLflow",
    **dict.fromkeys(
        ("tune_new_entries", "allow_new_entries"),
        "not needed: every hyperparameter that the build function declares is found and searched",
    ),
    "max_consecutive_failed_trials": "not there: a failed trial is recorded, and the next one runs",
    **dict.fromkeys(
        ("num_initial_points", "alpha", "beta"), "not there: search.algorithm is tuned as it is"
    ),
    **dict.fromkeys(("optimizer", "loss", "metrics"), "compile(), in the build function"),
}


@contextmanager
def in_python_words() -> Iterator[None]:
    """Errors of a search, as somebody reads them who calls it from Python."""
    try:
        yield
    except UserError as error:
        error.args = (
            _OPTIONS.sub(lambda found: PYTHON_WORDS[found[0]], str(error)),
            *error.args[1:],
        )
        raise


def told_in_python(call: Callable[_Arguments, _Answer]) -> Callable[_Arguments, _Answer]:
    """The same function, with its errors `in_python_words`."""

    @wraps(call)
    def told(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Answer:
        with in_python_words():
            return call(*arguments, **named)

    return told


def refuse_tuner_arguments(
    config: object, positional: tuple[object, ...], names: Iterable[str]
) -> None:
    """Raise TypeError for arguments that KerasTuner's tuners take and this one does not, and where
    there is no experiment. positional: beyond the third."""
    told = [f"{name}= is {TUNER_PLACES[name]}" for name in names if name in TUNER_PLACES]
    told += [f"{name}= is not known" for name in names if name not in TUNER_PLACES]
    received = [f"{name}=" for name in names]
    if positional:
        received.insert(0, f"{3 + len(positional)} positional arguments")
    if config is None:
        received.append("no experiment")
        told.insert(
            0,
            "The experiment is the first argument: AugmentationTuner('experiment.yaml', "
            "hypermodel=build), or a mapping, or what load_config gives",
        )
    if received:
        raise TypeError(
            f"AugmentationTuner received {', '.join(received)}; allowed: the experiment, run_dir= "
            f"and hypermodel=. {'; '.join(told)}".removesuffix(" ")
        )
