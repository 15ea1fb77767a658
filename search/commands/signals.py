"""What SIGINT, SIGTERM and SIGHUP do: what can be resumed is asked to stop (`stop_signals`), all
else ends at once (`end_at_signals`). A thread hears them. The main one may be in the midst of a
computation, for seconds; and an exception raised there at any moment would meet whatever is half
done, and whoever turns exceptions into other errors."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from data.scratch import remove_unfinished
from search.commands.streams import outlet_of

INTERRUPTED_WORD = "interrupted"
WORD_IN_JSON = '{"error": "interrupted"}'
STOPPED = 75  # can be resumed: EX_TEMPFAIL of sysexits.h
FIRST_SIGNAL_STATUS = 128  # and the signal's number: as shells have it
STOPPING = "stopping; the search can be resumed with the same command (again: stop at once)"
SHOW_CURSOR = "\x1b[?25h"  # which bars hide


def asked() -> tuple[int, ...]:
    """The signals by which a program is asked to end. SIGHUP, of a terminal that was closed, is not
    among them where whoever started this program has it ignored, as nohup does."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    is_ignored = hangup is None or signal.getsignal(hangup) == signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if is_ignored else (hangup,)))


class _Terminal:
    """Standard error as it is now: `import_quietly` turns it away for seconds. Written to without
    a lock, which a thread that was stopped may hold."""

    def __init__(self) -> None:
        self._shown = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(OSError):  # there is none
            os.dup2(2, self._shown, inheritable=False)
        self._terminals = [number for number in (0, 1, 2, self._shown) if os.isatty(number)]

    def say(self, line: str) -> None:
        _write(self._shown, line + "\n")

    def leave(self) -> None:
        """The terminal is closed: to write to it would be an error from now on."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in self._terminals:
            os.dup2(nowhere, number)
        os.close(nowhere)

    def end(self, status: int, as_json: bool) -> NoReturn:
        """Ends the process at once; nothing temporary stays. as_json: standard output is to hold
        one object: the word, where its answer has not begun."""
        try:
            results = outlet_of(sys.__stdout__)
            if as_json and not (results and results.is_used):
                _write(1, WORD_IN_JSON + "\n")
            if self._shown in self._terminals:
                _write(self._shown, SHOW_CURSOR)
            remove_unfinished()
        finally:
            os._exit(status)

    def close(self) -> None:
        os.close(self._shown)


def _write(descriptor: int, text: str) -> None:
    with contextlib.suppress(OSError):  # nobody is there to read it
        os.write(descriptor, text.encode())


def end_at_signals(arguments: Sequence[str]) -> None:
    """From now on the first signal ends the process: one word, and 128 and the signal's number as
    status; of a search that has not begun yet the one that says to run it again. arguments: of the
    command line."""
    terminal = _Terminal()

    def hear(number: int) -> None:
        terminal.say(INTERRUPTED_WORD)
        is_resumed = arguments[:1] == ["run"]
        status = STOPPED if is_resumed else FIRST_SIGNAL_STATUS + number
        terminal.end(status, "--json" in arguments)

    def stand_still(*_: object) -> None:
        threading.Event().wait()

    with contextlib.suppress(RuntimeError):  # no thread can be had: signals do what they did
        _have_heard(hear, stand_still)
        atexit.register(_hear_no_more)


def _hear_no_more() -> None:
    """All is said, and the status decided. While Python ends, no thread hears anything, and it
    takes its handlers back."""
    for number in asked():
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def stop_signals(as_json: bool = False) -> Iterator[threading.Event]:
    """The event that the first signal sets; the second exits with STOPPED at once, so that of the
    JSON there is the word alone. Either can be resumed.

    The handlers before are put back at the end, but not where it was asked to stop: the process is
    ending then, and may be asked again while it does.
    """
    stop, terminal = threading.Event(), _Terminal()

    def hear(number: int) -> None:
        is_closed = number not in (signal.SIGINT, signal.SIGTERM)
        if is_closed:
            terminal.leave()
        if not stop.is_set():
            stop.set()
            terminal.say(STOPPING)
        elif not is_closed:  # which the system says, and the shell again
            terminal.end(STOPPED, as_json)

    put_back = _have_heard(hear, lambda *_: None)
    try:
        yield stop
    finally:
        if not stop.is_set():
            put_back()
            terminal.close()


def _have_heard(hear: Callable[[int], None], handler: Callable[..., object]) -> Callable[[], None]:
    """Has a thread call `hear` with the number of every signal that asks to end. handler: what the
    main thread does then, once it is at a line of Python. Returns what puts back how it was."""
    numbers = asked()
    heard, told = os.pipe()
    os.set_blocking(told, False)  # as `set_wakeup_fd` wants it
    threading.Thread(target=_listen, args=(heard, numbers, hear), daemon=True).start()
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    previous = {number: signal.signal(number, handler) for number in numbers}

    def put_back() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(told)

    return put_back


def _listen(heard: int, numbers: tuple[int, ...], hear: Callable[[int], None]) -> None:
    with os.fdopen(heard, "rb", buffering=0) as pipe:
        while number := pipe.read(1):
            if number[0] in numbers:
                hear(number[0])
