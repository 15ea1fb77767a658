"""A journaled search made ready here and now: its config and images where they are, and what
differs from then.

Reads only. Resuming a search is `session`; comparing its numbers is `verify`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.dataset import find_images
from data.dataset_notes import DataNotes
from data.errors import UserError
from data.messages import escaped, first_of
from data.own_code import Code
from search.driver.environment import describe_environment
from search.driver.prepare import Prepared, backbones_of, prepare, resources_of
from search.driver.run_reading import Run, run_of
from search.execution.engine import default_cache_dir
from search.experiment.config import ExperimentConfig
from search.experiment.trial import Resources
from search.features.quantised import Int8Unavailable, require_int8
from search.journal.events import DatasetSummary
from search.journal.journal_file import Event
from search.verification.comparison import Comparison

STRAY_FILES = "dataset: left out"  # where files differ that were no pictures to use
OWN_WEIGHTS = {"imagenet", "random"}  # all else is a file
# of execution: what may change a number
COMPUTING = ("precision", "feature_dtype", "order", "feature_engine")
UNIMPORTANT = ("mlflow", "pandas", "matplotlib")  # packages that no number depends on


def relocated(
    run: Run, data: Path | None, weights: Path | None = None, of_others: bool = False
) -> Run:
    """The same as it would be with the images at `data`, None being where the source finds them
    itself, and its weights file at `weights`, where it began from one.

    of_others: leaves out what else a config says of the machine and changes no number: folders,
    addresses, threads. A path from elsewhere is not for this machine. Raises UserError where it
    began from several files, and, of others, where `weights` is missing.
    """
    path = str(data.resolve()) if data is not None else None
    place = _Place(path, _weights_files(run.config, weights, of_others), of_others)
    return run_of(tuple(place.moved(event) for event in run.events), run.warning)


def _weights_files(
    config: ExperimentConfig, weights: Path | None, needed: bool
) -> tuple[str, str] | None:
    """What a config calls its weights file, and the path that stands for it here; None where
    nothing is to be replaced."""
    named = {each for _, each in backbones_of(config)}
    files = named - OWN_WEIGHTS
    if not files or (weights is None and not needed):
        return None
    if len(named) > 1:
        raise UserError(
            "it searches over weights files; only a search that begins from one file can be "
            "verified elsewhere"
        )
    (old,) = files
    if weights is None:
        name = escaped(Path(old).name[-60:])
        raise UserError(
            f"it needs weights FILE: the search began from one called {name}; say where yours is "
            "with --weights"
        )
    return old, str(weights.resolve())


@dataclass(frozen=True)
class _Place:
    """Where a search's images and weights are now. weights: what the journal calls the file, and
    what it is called here."""

    data: str | None
    weights: tuple[str, str] | None
    of_others: bool

    def moved(self, event: Event) -> Event:
        if event["type"] == "opened":
            opened = event["opened"]
            return {
                **event,
                "opened": {
                    **opened,
                    "config": self._config(opened["config"]),
                    **self._hashes(opened),
                },
            }
        if event["type"] == "asked":
            spec = event["record"]["spec"]
            settings = {**spec["settings"], "model": self._model(spec["settings"]["model"])}
            spec = {**spec, "dataset": {**spec["dataset"], "path": self.data}, "settings": settings}
            return {**event, "record": {**event["record"], "spec": spec}}
        if event["type"] == "resumed":
            changes = event.get("changed", {})
            return {
                **event,
                "changed": {key: each for key, each in changes.items() if self._keeps(key)},
            }
        return event

    def _keeps(self, key: str) -> bool:
        """Whether a later sitting's change of `section.key` is for here too."""
        if self.of_others:
            return key == "search.max_hours" or key in {f"execution.{name}" for name in COMPUTING}
        return key not in ("dataset.path", "execution.cache_dir")

    def _config(self, config: dict[str, Any]) -> dict[str, Any]:
        config = {**config, "dataset": {**config["dataset"], "path": self.data}}
        if "model" in config:
            config["model"] = self._model(config["model"])
        if self.of_others:
            execution = config.get("execution", {})
            config["execution"] = {
                name: value for name, value in execution.items() if name in COMPUTING
            }
            config["tracking"] = {"uri": None}
        return config

    def _model(self, model: dict[str, Any]) -> dict[str, Any]:
        return (
            {**model, "weights": self.weights[1]}
            if self.weights and model.get("weights") == self.weights[0]
            else model
        )

    def _hashes(self, opened: dict[str, Any]) -> dict[str, Any]:
        """Hashes of weights are kept under backbone and file."""
        hashes = opened["environment"].get("weights")
        if self.weights is None or hashes is None:
            return {}
        old, new = self.weights
        renamed = {
            name.removesuffix(old) + new if name.endswith(f"/{old}") else name: each
            for name, each in hashes.items()
        }
        return {"environment": {**opened["environment"], "weights": renamed}}


def scratch_resources(config: ExperimentConfig, folder: Path, code: Code = ()) -> Resources:
    """Views go to `folder`, so that none is found ready; decoded images and clean features may
    be. The cache that a config names is used where it is one: it may be somebody else's config."""
    resources = resources_of(config, folder, code)
    is_cache = (resources.cache_dir / "decoded").is_dir()
    cache_dir = resources.cache_dir if is_cache else default_cache_dir()
    return resources.model_copy(update={"cache_dir": cache_dir, "keep_views": False})


def with_own_cache(config: ExperimentConfig, resources: Resources, folder: Path) -> Resources:
    """The same where the images were decoded before; else they and their features go to `folder`,
    and the rest of the cache is shared."""
    if find_images(config.dataset, resources.cache_dir)[1]:
        return resources
    if not folder.exists():
        folder.mkdir()
        for each in resources.cache_dir.glob("*"):
            if each.name not in ("decoded", "features"):
                (folder / each.name).symlink_to(each.resolve(), target_is_directory=each.is_dir())
    return resources.model_copy(update={"cache_dir": folder})


def prepare_again(run: Run, resources: Resources) -> Prepared:
    """As the search prepared itself, in the precision that it resolved then. Raises UserError as
    `prepare` does."""
    return prepare(run.config, resources, begun_in=run.opened.environment["precision"])


def require_precisions(run: Run, numbers: Sequence[int], resources: Resources) -> None:
    """Raises UserError where one of those trials is in int8 and this machine has none: trained
    again it would fail, which is no fault of the search."""
    if not any(r.spec.precision == "int8" for r in run.state.records if r.trial in numbers):
        return
    try:
        require_int8(resources.feature_engine)
    except Int8Unavailable as error:
        raise UserError(
            f"the search was in int8, which cannot be had here: {error}. Verify it on a machine "
            "that has it"
        ) from error


def _as_compared(dataset: DatasetSummary) -> dict[str, Any]:
    """Without what lay about and was passed over: a file manager leaves that in any folder."""
    summary = dataset.model_dump(mode="json")
    return {**summary, "notes": {**summary["notes"], "found": None}}


def _compare_images(then: DatasetSummary, here: DatasetSummary, comparison: Comparison) -> None:
    """What is used, then what was left out, which says nothing of the images that were used."""
    before, now = (sum(map(sum, each.counts.values())) for each in (then, here))
    if then.counts != here.counts:
        what = f"{before} images were used; here are {now}"
        comparison.note("dataset: counts", f"{what}, or other numbers per class and split")
    elif then.digest == here.digest and (strays := _strays(here) - _strays(then)):
        comparison.note(STRAY_FILES, f"{first_of(sorted(strays))} here, and not by the search")
    comparison.check("dataset", _as_compared(then), _as_compared(here))


def _strays(dataset: DatasetSummary) -> set[str]:
    return {escaped(each.name) for each in DataNotes.model_validate(dataset.notes).left_out}


def compare_surroundings(run: Run, prepared: Prepared, comparison: Comparison) -> tuple[str, ...]:
    """Compares images, weights and space; returns in words what else of machine and versions is not
    as it was."""
    here, then = describe_environment(prepared), run.opened.environment
    comparison.check("weights", then.get("weights"), here["weights"])
    _compare_images(run.opened.dataset, prepared.summary, comparison)
    comparison.check("space", run.opened.space, prepared.space.as_json())
    before, now = ({**each, **each.get("packages", {})} for each in (then, here))
    names = [
        "python",
        "processor",
        "gpus",
        "cores",
        *{**then.get("packages", {}), **here["packages"]},
    ]
    return tuple(
        f"{name} {before.get(name, 'absent')}, here {now.get(name, 'absent')}"
        for name in names
        if name not in UNIMPORTANT and before.get(name) != now.get(name)
    )
