"""The search: experiment files, trials, algorithms, evidence, tracking and the report.

`from search import ExperimentConfig, AugmentationTuner, run_search, load_config` is the Python
interface; each name is imported when it is asked for, so that importing this package costs nothing.
"""

from typing import Any

__all__ = ["AugmentationTuner", "ExperimentConfig", "load_config", "run_search"]


def __getattr__(name: str) -> Any:
    if name == "AugmentationTuner":
        from search.driver.tuner import tuner_class

        return tuner_class()
    if name == "ExperimentConfig":
        from search.experiment.config import ExperimentConfig

        return ExperimentConfig
    if name == "load_config":
        from search.driver.experiment_file import load_config
        from search.driver.python_words import told_in_python

        return told_in_python(load_config)
    if name == "run_search":
        from search.driver.python_words import told_in_python
        from search.driver.session import run_search

        return told_in_python(run_search)
    raise AttributeError(f"module 'search' has no attribute {name!r}; it has {', '.join(__all__)}")
