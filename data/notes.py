"""What was done to a data set on the way in, so that a report can say so: conversions, files left out,
copies.

Decides nothing.
"""

from pydantic import BaseModel, ConfigDict

from data.messages import first_of, plural


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LeftOut(_Frozen):
    """A file that is not in the data set, and why."""

    name: str
    reason: str


class Converted(_Frozen):
    """How many images were converted in one way, with the names of the first few."""

    count: int
    first: tuple[str, ...]


class DataNotes(_Frozen):
    """`converted` by conversion ("grey", "turned by EXIF"); `duplicates` by (name, the first name it
    copies).

    Duplicates are within one split, and kept. labels: sentences on what is odd about them.
    """

    labels: tuple[str, ...] = ()
    converted: dict[str, Converted] = {}
    left_out: tuple[LeftOut, ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()

    def lines(self) -> tuple[str, ...]:
        """One sentence a kind of note, for a terminal or a page; empty when there is nothing to say."""
        said = list(self.labels)
        said += [
            f"{plural(how.count, 'image')} converted ({reason}): {first_of(how.first, 3)}"
            for reason, how in sorted(self.converted.items())
        ]
        if self.left_out:
            names = [f"{item.name} ({item.reason})" for item in self.left_out]
            said.append(f"{plural(len(names), 'file')} left out: {first_of(names)}")
        if self.duplicates:
            pairs = [f"{name} = {same}" for name, same in self.duplicates]
            said.append(f"{plural(len(pairs), 'copy', 'copies')} within a split: {first_of(pairs)}")
        return tuple(said)
