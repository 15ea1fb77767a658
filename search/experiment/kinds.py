"""The kinds of trials of a search: one record each."""

from dataclasses import dataclass
from typing import Literal

from search.experiment.precisions import Part

GuestName = Literal["leak"]  # of `guests.table`
Kind = Literal["control", "trial", "confirm", "ablation", "test", GuestName]


@dataclass(frozen=True)
class TrialKind:
    """phase: in which it is trained. part: of the search, whose random numbers it draws from and in
    whose precision its backbone computes. about: what such a trial is, and several: what many are
    called, for people. event: of the journal, that concludes its phase. again: before the name of
    one that trains what another trial was. on_rungs: whether a later rung may train its setting on.
    is_evidence: what verdicts and tables of trials rest on; not the sealed test's."""

    name: Kind
    phase: str
    part: Part
    about: str
    several: str
    event: str | None = None
    again: str = ""
    on_rungs: bool = False
    is_evidence: bool = True


# In the order in which a search comes to them.
KINDS: dict[Kind, TrialKind] = {
    record.name: record
    for record in (
        TrialKind("control", "controls", "search", "A control", "controls", on_rungs=True),
        TrialKind(
            name="trial",
            phase="search",
            part="search",
            about="A setting that the search tried",
            several="trials",
            event="evidence",
            on_rungs=True,
        ),
        TrialKind(
            name="confirm",
            phase="confirm",
            part="confirm",
            about="A setting trained again on fresh seeds",
            several="confirmation",
            event="evidence",
            again="again: ",
        ),
        TrialKind(
            name="ablation",
            phase="confirm",
            part="confirm",
            about="Trained to tell augmentations apart",
            several="ablation",
            event="evidence",
        ),
        TrialKind(
            name="test",
            phase="test",
            part="test",
            about="A final model, for the sealed test set",
            several="test",
            event="test",
            again="test: ",
            is_evidence=False,
        ),
        TrialKind(
            name="leak",
            phase="leak",
            part="search",
            about="Scored on augmented images too, on purpose",
            several="leak",
            event="leak",
            is_evidence=False,
        ),
    )
}
CONCLUSIONS = tuple(dict.fromkeys(record.event for record in KINDS.values() if record.event))
TRIAL_PHASES = tuple(dict.fromkeys(record.phase for record in KINDS.values()))
