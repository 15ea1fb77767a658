"""`init`: an experiment file for somebody who has only images. Its space fits the images, its plan
the time, and every line says why.

How the images are found is `init_source`, what may be chosen `init_choices`; what a plan takes is
`check`'s estimate, so both say the same.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from data.dataset import open_dataset
from data.errors import UserError
from data.files import named_path, write_atomically
from data.messages import escaped, plural
from data.sources import SOURCES
from search.commands.check import make_plan
from search.commands.import_idg import EXPERIMENT_FILE, named_from
from search.commands.init_choices import (
    TRIALS,
    Chosen,
    Shapes,
    image_size,
    network,
    plan_of,
    plans,
    searched,
)
from search.commands.init_source import found_images, source_of
from search.commands.search_plan import SearchPlan, describe_plan
from search.driver.experiment_file import named_after, parse_config, resolve_paths
from search.driver.prepare import available_cores
from search.execution.engine import default_cache_dir
from search.experiment.config import ExperimentConfig
from search.experiment.seeds import derive_seed
from search.experiment.yaml_file import as_yaml, in_a_row, parse_yaml
from search.journal.run_dir import need_target

FIRST_SEED = 42
COMMENT_AT = 52  # the column where reasons begin, if there is room


@dataclass(frozen=True)
class Asked:
    """data: the folder or file as it was named. columns: `path_column` and `label_column` of a csv,
    where they were named."""

    data: str
    minutes: float
    out: Path | None = None
    force: bool = False
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class NewExperiment:
    """The file that was written, what it chose, and what `check` says of it."""

    path: Path
    chosen: tuple[Chosen, ...]
    plan: SearchPlan

    @property
    def as_json(self) -> dict[str, Any]:
        chosen = {each.key: {"value": each.value, "why": each.why} for each in self.chosen}
        plan = self.plan.model_dump(mode="json")
        return {"experiment": str(self.path), "chosen": chosen, "plan": plan}

    @property
    def text(self) -> str:
        rows = [
            f"  {each.key}: {_written(each.value)}".ljust(57) + "  " + each.why
            for each in self.chosen
        ]
        return "\n".join(
            [f"{escaped(str(self.path))}, which chose", *rows, describe_plan(self.plan)]
        )


def make_experiment(asked: Asked, say: Callable[[str], None]) -> NewExperiment:
    """Looks at the images and writes the experiment file. say: told what was found in the data.

    Raises UserError where the file is there already, for what is wrong with the images, and where
    no plan fits the time; then nothing is written.
    """
    if not 0 < asked.minutes < math.inf:
        raise UserError(f"--minutes received {asked.minutes:g}; allowed: a number above 0")
    source = source_of(asked.data)
    if asked.columns and not SOURCES[source].has_columns:
        option = f"--{asked.columns[0][0].replace('_', '-')}"
        raise UserError(
            f"{option} names a column of a csv, and {escaped(asked.data)} is none; leave it out"
        )
    name = (asked.out and named_after(Path(asked.out).stem)) or named_after(
        named_path(asked.data).absolute()
    )
    name = name or "images"
    out = asked.out or Path(f"{name}.yaml")
    _refuse_existing(out, asked.force)
    first = [Chosen("name", name, f"the search is kept in runs/{name}")]
    first.append(Chosen("seed", FIRST_SEED, "everything random follows from it"))
    images, listing = found_images(asked.data, source, dict(asked.columns))
    images = [_as_in_file(each, out) for each in images]
    shapes = Shapes.of(listing)
    images.append(image_size(shapes, len(listing.names)))
    settings = _parsed([*first, *images], out)
    cores, seed = available_cores(), derive_seed(FIRST_SEED, "split")
    dataset = open_dataset(settings.dataset, default_cache_dir(), seed, cores)
    for line in dataset.notes.lines():
        say(line)
    fixed = [*first, *images, *searched(shapes), *network(shapes, len(listing.names))]
    ladder = [[*fixed, *plan_of(rung, shapes, dataset)] for rung in plans(shapes)]
    chosen, plan = _richest_that_fits(ladder, asked.minutes, out)
    chosen = [_with_count(each, plan) for each in chosen]
    _refuse_existing(out, asked.force)
    about = (
        f"Written by `run_search.py init`; takes about {plan.seconds / 60:.1f} of the "
        f"{asked.minutes:g} minutes "
        "allowed, on the machine where it was written.",
        plan.advice,
    )
    write_atomically(out, experiment_text(chosen, about), "the experiment file")
    return NewExperiment(out, tuple(chosen), plan)


def _refuse_existing(out: Path, force: bool) -> None:
    if out.is_dir():
        raise UserError(f"--out: {escaped(str(out))} is a folder; give the file to write")
    need_target(out, EXPERIMENT_FILE)
    if not out.parent.is_dir():
        raise UserError(f"--out: there is no folder {escaped(str(out.parent))}; make it first")
    if out.exists() and not force:
        raise UserError(
            f"{escaped(str(out))} exists; `run` it, choose another --out, or replace it with "
            "--force"
        )


def _as_in_file(chosen: Chosen, out: Path) -> Chosen:
    """The path of the images as a file at `out` must write it: as it was named, where that is the
    same."""
    is_here = out.parent.resolve() == Path.cwd()
    if chosen.key != "dataset.path" or is_here:
        return chosen
    return Chosen(chosen.key, named_from(out, chosen.value), chosen.why)


def _richest_that_fits(
    ladder: Sequence[list[Chosen]], minutes: float, out: Path
) -> tuple[list[Chosen], SearchPlan]:
    """By halves: each estimate is measured."""
    least, most, found = 0, len(ladder) - 1, None
    while least <= most:
        place = (least + most) // 2
        plan = make_plan(_parsed(ladder[place], out))
        if plan.seconds <= 60 * minutes:
            found, most = (ladder[place], plan), place - 1
        else:
            least = place + 1
    if found is None:
        needed = plural(math.ceil(plan.seconds / 60), "minute")
        raise UserError(
            f"--minutes received {minutes:g}; the smallest plan for these images takes about "
            f"{needed} here: allow --minutes {needed.split()[0]} or more, or give fewer images"
        )
    return found


def _with_count(chosen: Chosen, plan: SearchPlan) -> Chosen:
    """The number of trials with what comes of it, in the words of `check`, `run` and the page."""
    return replace(chosen, why=f"{plan.tried}: {chosen.why}") if chosen.key == TRIALS else chosen


def _parsed(chosen: Sequence[Chosen], out: Path) -> ExperimentConfig:
    """The config of a file at `out`, read as its text will be."""
    data = parse_yaml(experiment_text(chosen), str(out))
    resolve_paths(data, out.resolve().parent)
    return parse_config(data, str(out))


def experiment_text(chosen: Sequence[Chosen], about: Sequence[str] = ()) -> str:
    """The file, a reason beside each line. about: lines that it opens with."""
    lines = [f"# {line}" for line in about]
    for section, group in groupby(chosen, lambda each: each.key.rpartition(".")[0]):
        lines += [f"{section}:"] if section else []
        for each in group:
            name = each.key.rpartition(".")[2]
            line = f"{'  ' if section else ''}{name}: {_written(each.value)}"
            lines.append(f"{line.ljust(COMMENT_AT)}  # {each.why}")
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    """On one line, whatever a name holds."""
    if not isinstance(value, str):
        return in_a_row(value)
    style = None if re.fullmatch(r"[\w./-]+", value, re.ASCII) else '"'
    text = as_yaml(value, default_style=style, width=math.inf, allow_unicode=True)
    return text.split("\n...")[0].strip()
