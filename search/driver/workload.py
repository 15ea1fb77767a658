"""How the work of a search is spread over its phases: trials, and augmented views of the whole data
set for the backbone, each in the precision of its phase; or, where networks are trained, epochs of
all heads. The one place that counts it, for the plan before a search, the time left in it and its
deadline. What a unit of it takes is `time_left`'s. Trains nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from search.driver.algorithms import budget_ladder, num_trials, rounds_of
from search.driver.declaration import Declaration
from search.driver.rungs import complete_epochs
from search.driver.specs import SpecFactory, controls_of, number_of, ranking_seeds
from search.experiment.config import ExperimentConfig
from search.experiment.kinds import KINDS
from search.experiment.precisions import PRECISIONS, Precision
from search.experiment.settings import TrainingSettings
from search.experiment.space import Space
from search.experiment.trial import TrialRecord, TrialSpec
from search.training.modes import Views, budget_of, mode_of

# what a trial's heads cost, in views of float32: 25 s against 9 s on clothing at 150 px
# (benchmarks/README.md)
HEADS = 3.0
# a policy holds about so many of the searched augmentations; each is taken out in the ablation
REMOVED_SHARE = 0.5
# Where patience ends trainings, of what one of several augmentations takes: without any, of one
# alone, and up to the epoch that is kept, where the test set's ends. Means of a dozen searches of
# digits, 16 px, from scratch.
BARE_SHARE, ALONE_SHARE, KEPT_SHARE = USUAL_SHARES = 0.6, 0.8, 0.35
AT_MOST = 1.0, 1.0, 0.5  # for a deadline
LARGE_POLICY = 3  # of two augmentations, one taken out is the other alone, which is trained once
TOGETHER = {"ablation": "confirm"}  # begun at once with it
PART_OF = {kind.phase: kind.part for kind in KINDS.values()}
BEFORE_CONFIRMATION = ("controls", "search")


@dataclass(frozen=True)
class PhaseWork:
    """trials: how many are trained. views: those that they compute together; no augmentation is one
    view. heads: what those of a trial cost, in views of float32, which is the unit of amounts.
    seeds: of a trial on average, where rungs differ in them."""

    trials: float
    views: float
    heads: float = HEADS
    precision: Precision = "float32"
    seeds: float | None = None

    @property
    def amount(self) -> float:
        return self.heads * self.trials + self.views / PRECISIONS[self.precision].speed


@dataclass(frozen=True)
class Workload:
    """phases: in order. ladder: the views of each rung, lowest first; empty where there are none.
    dearest: a trial's work at most. seeds: of a trial of the search phase that has all of its
    budget. in_epochs: whether work is counted in epochs of heads."""

    phases: dict[str, PhaseWork]
    ladder: tuple[int, ...]
    dearest: float
    seeds: int
    in_epochs: bool = False

    @property
    def plan(self) -> dict[str, float]:
        """The work of each phase of a run, in views of float32."""
        found: dict[str, float] = {}
        for name, phase in self.phases.items():
            together = TOGETHER.get(name, name)
            found[together] = found.get(together, 0.0) + phase.amount
        return found

    @property
    def num_trainings(self) -> int:
        """All that effects are claimed from, as far as it is known before; the test set's are
        not."""
        counted = (phase.trials for name, phase in self.phases.items() if name != "test")
        return round(sum(counted))

    def heads_ranking(self, config: ExperimentConfig) -> int | None:
        """Heads of a trial on a lower rung, where it has fewer than others."""
        seeds = ranking_seeds(config.evaluation)
        has_fewer = len(self.ladder) > 1 and not self.in_epochs and seeds < self.seeds
        return config.evaluation.folds * seeds if has_fewer else None

    @property
    def later(self) -> tuple[PhaseWork, ...]:
        """What comes after the search phase."""
        return tuple(
            phase for name, phase in self.phases.items() if name not in BEFORE_CONFIRMATION
        )

    def of(self, record: TrialRecord) -> float:
        """What one trial adds: its heads and its views, on a higher rung those alone that the rung
        below did not have (of Hyperband's later brackets, which begin there, that is too little: a
        record does not say that it is the first of its setting)."""
        spec, training = record.spec, record.spec.settings.training
        ladder = () if record.rung is None or not _goes_on(training) else self.ladder
        if mode_of(training).budget == "epochs":
            heads = len(spec.protocol.head_seeds) * spec.protocol.folds
            epochs = new_views(spec.protocol.epochs or self._given(spec), ladder)
            return heads * epochs * (_share(record) if spec.protocol.epochs is None else 1.0)
        augmented = bool(spec.settings.augmentation)  # else one view, the pictures as they are
        views = new_views(spec.protocol.views, ladder) if augmented else 1.0
        of_heads = heads_work(len(spec.protocol.head_seeds), self.seeds)
        return of_heads + views / PRECISIONS[spec.precision].speed

    def _given(self, spec: TrialSpec) -> int:
        """Epochs as they are counted: beside rungs not all of `max_epochs`, as patience ends."""
        given = int(budget_of(spec))
        return min(given, self.ladder[-1]) if self.ladder else given


def heads_work(seeds: float, usual: int) -> float:
    """What the heads of a trial cost, in views of float32, where it has fewer seeds than usual: a
    third of them took 0.37 of the time."""
    return HEADS * min(1.0, seeds / usual)


def workload(
    config: ExperimentConfig,
    precision: Precision = "float32",
    removed_share: float = REMOVED_SHARE,
    to_the_end: bool = False,
) -> Workload:
    """Every phase that this experiment goes through. precision: of the search phase. removed_share:
    of the searched augmentations, those in the policy that the ablation takes apart; a guess until
    it is chosen, 1 at most, and trainings are counted at their longest with it. to_the_end: what
    has all epochs is counted with `max_epochs` beside lower rungs too, which patience never
    takes."""
    evaluation, space, ladder = config.evaluation, config.space, budget_ladder(config)
    training = space.with_augmentation({}).training
    if mode_of(training).budget == "epochs":
        most = int(mode_of(training).most(training))
        whole = complete_epochs(config) if ladder and not to_the_end else None
        return _epochs(config, space, min(most, whole or most), removed_share)
    full = _full_views(space)
    others = len(controls_of(config)) - 1
    phases = {
        "controls": _control_work(config, len(ladder), full),
        "search": _search_work(config, space, full),
    }
    if evaluation.confirm is not None:
        views = max(float(evaluation.confirm.views), full)
        repeated = others + _confirmed(config, space, evaluation.confirm.top)
        phases["confirm"] = PhaseWork(1 + repeated, 1 + repeated * views)
        if evaluation.ablation:
            trials = _taken_apart(num_alone(config, space), removed_share)
            phases["ablation"] = PhaseWork(trials, trials * views)
    if evaluation.test:
        # One fold: no augmentation, and what the answer uses.
        phases["test"] = PhaseWork(2, 1 + full, HEADS / evaluation.folds)
    phases = {name: _computed_in(precision, name, phase) for name, phase in phases.items()}
    dearest = HEADS + full / PRECISIONS[precision].speed
    return Workload(phases, ladder, dearest, evaluation.seeds)


def _computed_in(precision: Precision, name: str, phase: PhaseWork) -> PhaseWork:
    part = PART_OF[TOGETHER.get(name, name)]
    return replace(phase, precision=PRECISIONS[precision].parts[part])


def trained_later(config: ExperimentConfig) -> tuple[int, int]:
    """The fewest and the most trainings after the search phase, where all of it completes: which
    settings are the best, and whether one is recommended, is not known before. At an early look
    (`search.looks`) any of them may turn out to be needless."""
    evaluation, space = config.evaluation, config.space
    fewest, most = (1, 2) if evaluation.test else (0, 0)
    if evaluation.confirm is None:
        return fewest, most
    controls = len(controls_of(config))
    top = min(evaluation.confirm.top, num_trials(config, space))
    alone = num_alone(config, space) if evaluation.ablation else 0
    taken_out = alone if alone >= LARGE_POLICY else 0
    if config.search.looks is None:
        fewest += controls + max(1, alone)  # the best may each be an augmentation alone
    return fewest, most + controls + 1 + top + alone + taken_out


def _confirmed(config: ExperimentConfig, space: Space, top: int) -> int:
    """Whole settings of the search that are trained again: the best, and the one expected best,
    which is one of them where nearly every setting that there is was tried."""
    trials, combinations = num_trials(config, space), space.num_combinations
    is_among = combinations is not None and combinations <= 2 * trials
    return min(top, trials) + (not is_among)


def _taken_apart(alone: int, removed_share: float) -> float:
    """Trials of the ablation: each augmentation alone, and a large policy without each of its
    own."""
    removed = removed_share * alone
    return alone + removed * (removed >= LARGE_POLICY)


def num_alone(config: ExperimentConfig, space: Space) -> int:
    """How many augmentations are trained alone: those searched, and those that are always on."""
    return len(Declaration(SpecFactory(config, space, "float32")).tried)


def heads_trained(config: ExperimentConfig, phases: Mapping[str, PhaseWork]) -> float:
    """How many heads the trials of these phases have together: from the confirmation on as many per
    fold as it has seeds, and one fold for the test."""
    evaluation, later = config.evaluation, config.evaluation.confirm or config.evaluation
    found = 0.0
    for name, phase in phases.items():
        seeds = phase.seeds or (evaluation if name in BEFORE_CONFIRMATION else later).seeds
        found += phase.trials * seeds * (1 if name == "test" else evaluation.folds)
    return found


def _share(record: TrialRecord) -> float:
    if not record.spec.settings.augmentation:
        return BARE_SHARE
    return ALONE_SHARE if record.kind == "ablation" else 1.0


def _epochs(config: ExperimentConfig, space: Space, full: int, removed_share: float) -> Workload:
    """Counted in epochs of heads in place of views: every trial of several augmentations trains
    each of its heads through its budget. full: of one that has all of it."""
    evaluation, confirm = config.evaluation, config.evaluation.confirm
    ladder = tuple(min(budget, full) for budget in budget_ladder(config))
    heads = evaluation.folds * evaluation.seeds
    search = _search_work(config, space, full)
    num_controls = len(controls_of(config))
    bare, alone, kept = USUAL_SHARES if removed_share < 1 else AT_MOST
    others = num_controls - 1 + bare
    phases = {
        "controls": PhaseWork(
            num_controls + len(ladder[:-1]), heads * (others * full + bare * sum(ladder[:-1])), 0.0
        ),
        "search": PhaseWork(search.trials, heads * search.views, 0.0),
    }
    if confirm is not None:
        each = evaluation.folds * confirm.seeds * full
        whole = _confirmed(config, space, confirm.top)
        phases["confirm"] = PhaseWork(whole + num_controls, (whole + others) * each, 0.0)
        if evaluation.ablation:
            trials = _taken_apart(num_alone(config, space), removed_share)
            phases["ablation"] = PhaseWork(trials, alone * trials * each, 0.0)
    if evaluation.test:
        seeds = confirm.seeds if confirm else evaluation.seeds
        phases["test"] = PhaseWork(2, (1 + bare) * seeds * full * kept, 0.0)
    return Workload(phases, ladder, heads * full, evaluation.seeds, in_epochs=True)


def new_views(views: Views, ladder: tuple[int, ...]) -> float:
    """The views that a trial on this many has to compute, where the rung below it has computed its
    own."""
    if not isinstance(views, int):
        return number_of(views)
    below = [lower for lower in ladder if lower < views] if views in ladder else []
    return float(views - max(below, default=0))


def _goes_on(training: TrainingSettings) -> bool:
    """Whether what is promoted goes on where it paused: own code begins anew."""
    return mode_of(training).has_backbone


def _control_work(config: ExperimentConfig, rungs: int, full: float) -> PhaseWork:
    """Where lower rungs have fewer seeds, they share another trial without augmentation."""
    others, evaluation = len(controls_of(config)) - 1, config.evaluation
    has_fewer = rungs > 1 and ranking_seeds(evaluation) < evaluation.seeds
    return _ranked(config, 1 + others, int(has_fewer), 1 + others * full)


def _search_work(config: ExperimentConfig, space: Space, full: float) -> PhaseWork:
    """A promoted setting that goes on has the views of the round below; without rounds every trial
    has all views."""
    trials, rounds = num_trials(config, space), rounds_of(config)
    if not rounds:
        return PhaseWork(trials, trials * full)
    goes_on = _goes_on(space.with_augmentation({}).training)
    views = sum(each.size * (min(each.budget, full) - each.below * goes_on) for each in rounds)
    most = max(each.budget for each in rounds)
    fewer = sum(each.size for each in rounds if each.budget < most)
    return _ranked(config, trials - fewer, fewer, views)


def _ranked(config: ExperimentConfig, whole: float, ranking: float, views: float) -> PhaseWork:
    """Trials with all of their views, and others on lower rungs."""
    evaluation, trials = config.evaluation, whole + ranking
    seeds = (whole * evaluation.seeds + ranking * ranking_seeds(evaluation)) / trials
    return PhaseWork(trials, views, heads_work(seeds, evaluation.seeds), seeds=seeds)


def _full_views(space: Space) -> float:
    """The views of an ordinary trial; the middle of a searched range."""
    return number_of(space.with_augmentation({}).training.views)
