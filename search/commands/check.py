"""`check`: what a search will do and cost, before it does: trials, fits, images, time, and the
smallest effect it can see.

The speed is measured on this machine with a few dozen of the images; nothing is trained.
"""

from pathlib import Path

import numpy as np

from data.dataset import TRAIN, VALIDATION, Dataset
from data.groups import effective_size
from data.near_duplicates import look_grouped
from data.own_code import given
from search.commands.costs import (
    busy_lines,
    images_through,
    measured_speeds,
    network_cost,
    num_pooled,
    seconds_a_head,
)
from search.commands.search_plan import SearchPlan
from search.driver.algorithms import rounds_of
from search.driver.code_files import code_of
from search.driver.cut_checks import cut_perhaps, earlier_lines, length_lines
from search.driver.looking import looks_declared
from search.driver.plan_checks import allowed_folds, plan_lines
from search.driver.prepare import (
    Prepared,
    check_model,
    prepare,
    require_runnable,
    resources_of,
    saving_lines,
)
from search.driver.run_reading import read_journal
from search.driver.rungs import rungs_text
from search.driver.specs import controls_of
from search.driver.unchanged import unchanged_lines
from search.driver.workload import Workload, heads_trained, trained_later, workload
from search.evidence.advice import Advice, KnownBaseline, advise
from search.evidence.power import Plan, Spread, measured_spread
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import OBJECTIVES, SHOWN_ANYWAY, Objective
from search.experiment.precisions import Precision
from search.experiment.trial import Resources, TrialRecord
from search.journal.run_dir import JOURNAL
from search.journal.state import SearchState, replay
from search.report.time_left import seconds_of
from search.report.view import SearchView
from search.training.modes import MODES
from search.verification.consistency import JournaledAnswers

# Beside training: to start, compile, write the page and the model; and for each trial. Of searches
# of 8 and 16 trials on two cores, 20 and 28 s of each.
SEARCH_SECONDS, TRIAL_SECONDS = 12.0, 1.0
Measured = tuple[dict[str, float], Spread | None]  # metrics of no augmentation, and their spread


def make_plan(config: ExperimentConfig) -> SearchPlan:
    """Checks the config and the images, measures the backbone's speed, and counts. Raises
    UserError."""
    require_runnable(config)
    code = code_of(config)
    with given(code):
        return _plan(config, resources_of(config, Path("runs") / config.name, code))


def _plan(config: ExperimentConfig, resources: Resources) -> SearchPlan:
    prepared, run_dir = prepare(config, resources), resources.views_dir.parent
    check_model(prepared)
    warned = (*unchanged_lines(prepared), *saving_lines(prepared))
    network, work = network_cost(prepared), workload(config, prepared.precision)
    images = images_through(prepared, work, network)
    speeds = measured_speeds(prepared, images, network, resources)
    num_later = round(sum(phase.trials for phase in work.later))
    heads = config.evaluation.folds * config.evaluation.seeds
    fits = heads_trained(config, work.phases)
    earlier = _earlier(prepared, run_dir)
    measured = _measured(prepared, run_dir, earlier.baseline() if earlier else None)
    advice = _advice(prepared, measured)
    of_heads = fits * seconds_a_head(prepared, resources) if network is None else network.seconds
    return SearchPlan(
        name=config.name,
        dataset=prepared.summary,
        controls=round(work.phases["controls"].trials),
        control_settings=len(controls_of(config)),
        trials=prepared.num_trials,
        settings=prepared.num_settings,
        later_trials=num_later,
        later_range=trained_later(config),
        heads_a_trial=heads,
        heads_ranking=None if network else work.heads_ranking(config),
        rungs=_rungs(config),
        images=round(sum(images.values())),
        images_per_second=round(speeds[prepared.precision], 1),
        rates={name: round(speed, 1) for name, speed in speeds.items()},
        seconds=round(_seconds(work, images, speeds) + of_heads),
        num_combinations=prepared.space.num_combinations,
        detectable_effect=advice.detectable_effect,
        found=advice.found,
        advice=advice.text,
        network=network,
        remarks=(
            *warned,
            *prepared.space.remarks(),
            *([f"{TOLD_BY} {run_dir} has measured already"] if measured else []),
            *plan_lines(prepared.config, prepared.space),
            *_cuts(prepared, earlier, run_dir),
            *prepared.choice.lines(),
            *look_grouped(prepared.dataset),
            *busy_lines(),
            *_looks(config),
        ),
    )


def _rungs(config: ExperimentConfig) -> str | None:
    rounds = rounds_of(config)
    return rungs_text(config, rounds) if len({each.budget for each in rounds}) > 1 else None


def _seconds(
    work: Workload, images: dict[Precision, float], speeds: dict[Precision, float]
) -> float:
    """Of all but the training of heads or networks."""
    trials = sum(phase.trials for phase in work.phases.values())
    amounts: dict[str, float] = {"search": 1.0, "trials": trials}
    amounts.update((name, amount) for name, amount in images.items())
    rates: dict[str, float] = {"search": SEARCH_SECONDS, "trials": TRIAL_SECONDS}
    rates.update((name, 1 / speed) for name, speed in speeds.items())
    return seconds_of(amounts, rates)


def _looks(config: ExperimentConfig) -> list[str]:
    *early, last = [look.after for look in looks_declared(config)] or [0]
    if not early:
        return []
    counts = ", ".join(map(str, early))
    return [f"looks after {counts} and at most {last} trainings; fewer are trained where one tells"]


def _cuts(prepared: Prepared, earlier: SearchState | None, run_dir: Path) -> tuple[str, ...]:
    """What an earlier run shows of its heads' ends; before any, what may become of them."""
    seen = earlier_lines(SearchView(earlier).in_tables, run_dir) if earlier else ()
    return (*length_lines(prepared.space), *(seen or cut_perhaps(prepared.space)))


# Where the plan is not only of this file: the same file in another place has another one.
TOLD_BY = "the effect that can be found is told by what"
TYPICAL_ACCURACY = 0.85  # before any run; the power depends on it only through sqrt(p (1 - p))


def _advice(prepared: Prepared, measured: Measured | None) -> Advice:
    """From the spread that an earlier sitting's no-augmentation trial measured; before any, from
    the number of images."""
    evaluation = prepared.config.evaluation
    objective, dataset = evaluation.objective, prepared.dataset
    metrics, spread = measured or ({}, None)
    scored = dataset.indices(*(VALIDATION,) if evaluation.folds == 1 else (TRAIN, VALIDATION))
    weights = OBJECTIVES[objective].flip(np.asarray(dataset.labels)[scored])
    plan = Plan(
        num_images=num_pooled(prepared),
        folds=evaluation.folds,
        seeds=evaluation.confirm.seeds if evaluation.confirm else evaluation.seeds,
        num_compared=prepared.num_trials + len(controls_of(prepared.config)) - 1,
        independent_share=_independent_share(dataset),
        search_seeds=evaluation.seeds if evaluation.confirm else None,
    )
    known = KnownBaseline(
        accuracy=metrics.get(SHOWN_ANYWAY, TYPICAL_ACCURACY),
        spread=spread,
        room=_room(metrics, objective),
        weight=float(np.sqrt((weights**2).mean())),
        head_spread=MODES[prepared.space.mode].usual_spread,
    )
    folds = allowed_folds(prepared.config, dataset)
    return advise(plan, known, objective, len(dataset.indices(VALIDATION)), folds)


def _independent_share(dataset: Dataset) -> float:
    if dataset.groups is None:
        return 1.0
    groups = np.asarray(dataset.groups)[dataset.indices(TRAIN, VALIDATION)]
    return effective_size(groups) / len(groups)


def _room(metrics: dict[str, float], objective: Objective) -> float | None:
    """The most that can be gained over no augmentation; None where it was not measured."""
    if objective not in metrics:
        return None
    record = OBJECTIVES[objective]
    return record.sign * (record.best - metrics[objective])


def _measured(prepared: Prepared, run_dir: Path, baseline: TrialRecord | None) -> Measured | None:
    if baseline is None or baseline.result is None or baseline.predictions_file is None:
        return None
    predictions = JournaledAnswers(run_dir, prepared.dataset).take(baseline)
    objective = prepared.config.evaluation.objective
    if OBJECTIVES[objective].needs_all and predictions.log_probs is None:
        return None
    spread = measured_spread(predictions, np.asarray(prepared.dataset.labels), objective)
    return baseline.result.metrics, spread


def _earlier(prepared: Prepared, run_dir: Path) -> SearchState | None:
    """An earlier run on the same images."""
    if not (run_dir / JOURNAL).exists():
        return None
    state = replay(read_journal(run_dir)[0])
    same = state.opened is not None and state.opened.dataset.digest == prepared.dataset.digest
    return state if same else None
