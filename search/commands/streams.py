"""Standard output and error as the commands have them: what nobody reads is dropped, and the work
goes on. A pipe whose reader ended, a stream that was closed, a terminal that hung up are no reason
to lose a search. A full disk loses what was printed: that is said, and no status 0."""

import errno
import io
import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

NOT_WHOLE = 2


class Outlet(io.FileIO):
    """The descriptor of a standard stream, which never refuses. is_used: whether anything went
    there. refused: why something is missing that somebody would have read."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_terminal = self.isatty()
        self.is_used = False
        self.refused = ""

    def write(self, data: "ReadableBuffer", /) -> int:
        self.is_used = True
        try:
            while (written := super().write(data)) is None:  # a pipe that does not wait, and full
                select.select((), (self.fileno(),), ())
        except OSError as error:
            if not self._is_unread(error):
                self.refused = self.refused or (error.strerror or str(error)).lower()
            _lead_nowhere(self.fileno())
            return memoryview(data).nbytes
        return written

    def _is_unread(self, error: OSError) -> bool:
        is_gone = isinstance(error, ConnectionError) or error.errno == errno.EBADF
        return is_gone or self._is_terminal


def guard_streams() -> None:
    """To be called before anything is opened. A sign that a stream's encoding has not (cp1252,
    ascii) is written as an escape such as \\u65e5."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file to be opened would be taken for it
            _lead_nowhere(number)
    sys.stdout = sys.__stdout__ = _guarded(sys.stdout, 1)  # type: ignore[misc,assignment]
    sys.stderr = sys.__stderr__ = _guarded(sys.stderr, 2)  # type: ignore[misc,assignment]


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, number)
    if nowhere != number:
        os.close(nowhere)
    else:
        os.set_inheritable(number, True)


def _guarded(stream: TextIO | None, number: int) -> TextIO:
    """stream: None where it was closed."""
    if stream is None:
        stream = open(number, "w", closefd=False)  # noqa: SIM115 - as long as the process
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    if not isinstance(getattr(stream.buffer, "raw", stream.buffer), io.FileIO):
        return stream  # a console of Windows
    return io.TextIOWrapper(
        io.BufferedWriter(Outlet(number)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering or stream.write_through,
    )


def outlet_of(stream: TextIO | None) -> Outlet | None:
    """None where the stream is not guarded."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, Outlet) else None


def status_of(program: Callable[[], object]) -> "int | str | None":
    """Runs it and returns its exit status; in place of 0, that its results are not whole."""
    status: int | str | None = 0
    try:
        program()
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    results = outlet_of(sys.stdout)
    if results is None or not results.refused:
        return status
    print(
        f"error: standard output: {results.refused}; what was printed there is not whole (files "
        "are); make room and run the same command again",
        file=sys.stderr,
    )
    return status or NOT_WHOLE
