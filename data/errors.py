"""The exceptions that mean "the user can mend this": a bad setting, a bad file, a missing path.

Its message says what was received, what is allowed and what to do; the command line prints it as
one line and exits with status 2. Everything else that is raised is a fault of the program or of the
machine.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """A mistake in the experiment file, the data or the command that the user can mend."""


class DatasetError(UserError):
    """A mistake in the data: its files, or how the section `dataset` says that they are read."""


@contextmanager
def of_dataset() -> Iterator[None]:
    """Whatever the user can mend there is a DatasetError."""
    try:
        yield
    except DatasetError:
        raise
    except UserError as error:
        raise DatasetError(str(error)) from error


class BadImage(ValueError):
    """One image cannot be used; the message is the reason, without the file's name."""


def said_by(error: BaseException) -> str:
    """What it says of itself; where even that raises, as an exception of own code may, where it
    comes from."""
    try:
        return str(error)
    except Exception as second:
        frames = traceback.extract_tb(error.__traceback__)
        where = f", from {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
        return f"an error whose text raises {type(second).__name__}{where}"
