"""Early looks (`search.looks`): when each is due, what is settled there, and what is therefore not
trained any more. Declared before the first trial; each is written down before anybody acts on it.
What is settled, and at which level, is `evidence.looks`'.
"""

from collections.abc import Container, Mapping
from dataclasses import replace
from math import ceil

from search.driver.claiming import Look, chosen_beside, whole_settings
from search.driver.phases import Context, Knowledge
from search.driver.specs import RECOMMENDED
from search.driver.workload import workload
from search.evidence.claim_table import alone_label
from search.evidence.findings import Evidence, TakenLook
from search.evidence.looks import Settled, plan_looks, settle, with_settled
from search.experiment.config import ExperimentConfig
from search.experiment.settings import Settings


def looks_declared(config: ExperimentConfig) -> tuple[TakenLook, ...]:
    """All looks, the last one at the end; none where none are asked for."""
    if config.search.looks is None:
        return ()
    total = workload(config).num_trainings
    return tuple(
        TakenLook(after=ceil(each.fraction * total), level=each.level)
        for each in plan_looks(config.search.looks)
    )


def look_is_due(context: Context, evidence: Evidence) -> bool:
    """Whether so many trials are asked for that, once these are told, the next look comes."""
    return _due(context, evidence) is not None


def _due(context: Context, evidence: Evidence) -> int | None:
    """The place of the look that is due: the last of those that are, should there be several. That
    at the end is the conclusion's own."""
    asked, early = len(context.ledger.records), evidence.looks[:-1]
    last = max((place for place, look in enumerate(early) if look.is_taken), default=-1)
    due = [place for place, look in enumerate(early) if place > last and look.after <= asked]
    return max(due, default=None)


def take_look(context: Context, known: Knowledge, is_searching: bool) -> Knowledge:
    """The look that is due, at everything that was told, on the disk before it returns.
    is_searching: whether the search phase could still ask for trials."""
    place, evidence = _due(context, known.evidence), known.evidence
    if place is None:
        return known
    look, record = Look(context, chosen_beside(known), is_exact=True), context.ledger.record
    repeated = known.confirmation.trained
    sources = known.confirmation.sources if repeated else whole_settings(context, known)
    wholes = {label: record(repeated.get(label, number)) for label, number in sources.items()}
    if RECOMMENDED in repeated:
        wholes[RECOMMENDED] = record(repeated[RECOMMENDED])
    claims = look.claims(wholes, RECOMMENDED, evidence.looks[place].level)
    before, found = settled_so_far(evidence), settle(claims)
    if is_searching and look.declaration.beside:
        found = Settled()  # the values that claims will be made at are not chosen yet
    elif is_searching and context.specs.is_confirmed_otherwise:
        found = found.without_gains  # what is used is confirmed in its own precision
    new = Settled(
        augmentations=tuple(e for e in found.augmentations if e.name not in before.names),
        wholes=tuple(e for e in found.wholes if e.label not in before.labels),
    )
    update = {
        "is_taken": True,
        "settled": new,
        "ended_search": is_searching and _is_all(look, before.joined(new)),
    }
    looks = list(evidence.looks)
    looks[place] = looks[place].model_copy(update=update)
    evidence = evidence.model_copy(
        update={
            "looks": tuple(looks),
            "claims": with_settled(claims, before.among({*sources, *repeated})),
            "trained": repeated,
            "sources": sources,
        }
    )
    context.ledger.conclude(evidence)
    return replace(known, evidence=evidence)


def _is_all(look: Look, known: Settled) -> bool:
    """Whether each augmentation is settled, and nothing else is searched."""
    names = {axis.name for axis in look.declaration.tried}
    return bool(names) and names <= known.names and not look.declaration.covariates


def settled_so_far(evidence: Evidence) -> Settled:
    """At all looks so far."""
    found = Settled()
    for look in evidence.looks:
        found = found.joined(look.settled)
    return found


def spare_settled(
    evidence: Evidence, planned: Mapping[str, Settings], less: Container[str]
) -> tuple[Evidence, dict[str, Settings]]:
    """What is left to train of the settings planned, by label; and the evidence, whose last look
    says what is not. less: labels of the setting recommended without one of its own."""
    known = settled_so_far(evidence)
    needless = {*map(alone_label, known.names), *known.labels}
    is_hopeless = RECOMMENDED in known.labels
    spared = [label for label in planned if label in needless or (is_hopeless and label in less)]
    if not spared:
        return evidence, dict(planned)
    looks = list(evidence.looks)
    last = max(place for place, look in enumerate(looks) if look.is_taken)
    every = (*looks[last].spared, *spared)
    looks[last] = looks[last].model_copy(update={"spared": every})
    left = {label: settings for label, settings in planned.items() if label not in spared}
    return evidence.model_copy(update={"looks": tuple(looks)}), left


def with_last_look(evidence: Evidence) -> tuple[TakenLook, ...]:
    """With the last look taken: at the end of all trainings."""
    if not evidence.looks:
        return ()
    *early, last = evidence.looks
    return (*early, last.model_copy(update={"is_taken": True}))


def last_level(evidence: Evidence) -> float:
    """Of all intervals together, at the end: 0.95 where there was no other look."""
    return evidence.looks[-1].level if evidence.looks else 0.95
