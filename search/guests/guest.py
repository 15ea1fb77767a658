"""What a guest is: a demonstration after the search, of trials that are shown and used nowhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from pydantic import BaseModel

from search.experiment.kinds import GuestName
from search.experiment.settings import Frozen

if TYPE_CHECKING:
    from search.driver.phases import Context, Knowledge
    from search.training.training_mode import LoadedTrial

Found = TypeVar("Found", bound=Frozen)


class ExhibitRow(NamedTuple):
    """A setting: its trial in the search, that trial's label, and shares with their intervals."""

    trial: int
    label: str
    shares: tuple[tuple[float, tuple[float, float]], ...]


@dataclass(frozen=True)
class Exhibit:
    """How people are shown what a guest found."""

    name: str
    title: str  # of its section on the page
    text: str  # there, above the table
    before: str  # in a terminal, above the table
    after: str | None  # below it
    table: str  # the table's name
    headings: tuple[str, ...]  # of its columns beside the setting
    rows: tuple[ExhibitRow, ...]


@dataclass(frozen=True)
class Guest(Generic[Found]):
    """What it brings to a search, part by part."""

    name: GuestName  # of its phase, its event, and the kind of its trials
    option: str  # of `run`, that asks for it
    scored: Callable[["LoadedTrial"], "LoadedTrial"]  # a trial of its own, as it is scored
    conclude: Callable[["Context", "Knowledge"], Found]  # its phase
    found: type[Found]  # what that ends with, journaled
    ranges: Mapping[type[BaseModel], Mapping[str, tuple[float, float]]]  # of what it found
    exhibit: Callable[[Found], Exhibit]
