"""The winning augmentation of a run, or a trial's, for use elsewhere. What it can be exported to is
`exporters`' table."""

from pathlib import Path
from typing import Any

from data.augmentations import active
from data.errors import UserError
from data.messages import did_you_mean, escaped
from search.driver.publishing import winner_of
from search.export.exporters import EXPORTERS, Exported, Policy, write
from search.journal.state import SearchState
from search.verification.reopening import open_run


def export(run_dir: Path, to: str, trial: int | None = None) -> Exported:
    """The recommended augmentation of a run, or that of one of its trials, as code or JSON.

    Raises UserError where there is no such exporter or trial, nothing is recommended yet, or the
    exporter cannot express it. No augmentation is a recommendation too, and comes out as code that
    says so and changes nothing.
    """
    if to not in EXPORTERS:
        raise UserError(
            f"--to received {to!r}; allowed: {', '.join(EXPORTERS)}{did_you_mean(to, EXPORTERS)}"
        )
    return write(policy_of(open_run(run_dir).state, trial), to)


def policy_of(state: SearchState, trial: int | None = None) -> Policy:
    """What is to be exported. Raises UserError as `export` does."""
    name = escaped(state.opened.name) if state.opened else "?"
    size = state.opened.dataset.image_size if state.opened else 0
    images = f"for images of {size} pixels a side"
    if trial is not None:
        record = next((record for record in state.records if record.trial == trial), None)
        if record is None:
            raise UserError(f"there is no trial {trial}; allowed: 0 to {len(state.records) - 1}")
        augmentation = record.spec.settings.augmentation
        return Policy(
            _title(f"Trial {trial} of the search {name}, {images}", augmentation),
            augmentation,
            size,
        )
    winner = winner_of(state)
    if winner is None:
        raise UserError(
            "nothing is recommended yet; let the search finish, or export a trial with --trial N"
        )
    augmentation = winner["augmentation"]
    return Policy(
        _title(f"Recommended by the search {name}, {images}", augmentation), augmentation, size
    )


def _title(text: str, augmentation: dict[str, Any]) -> str:
    return text if active(augmentation) else f"{text}: no augmentation"
