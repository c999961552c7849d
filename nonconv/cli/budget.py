"""`--time-budget`: stop computing when the time is up, as Ctrl-C does, so that whole blocks and finished cells are kept."""

import _thread
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from nonconv.faults.errors import Interrupted, UsageError

UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z]*)\s*")
LONGEST = 1e8
"""Seconds; longer ones are taken for this."""


class OverBudget(Exception):
    """The time is up: what was being computed is not finished."""


class Budget:
    """The time that is left.

    text: as it was given; empty for no limit.
    """

    def __init__(self, text: str) -> None:
        self.text, self.over = text, False
        self.end = time.monotonic() + _seconds(text) if text else None

    def check(self) -> None:
        """Raise OverBudget if the time is up."""
        if self.over or (self.end is not None and time.monotonic() >= self.end):
            self.over = True
            raise OverBudget

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Interrupt what is within the context when the time is up; OverBudget is then raised."""
        self.check()
        if self.end is None:
            yield
            return
        try:
            with _alarm(self.end - time.monotonic(), self._stop):
                yield
        except (Interrupted, KeyboardInterrupt):
            if not self.over:
                raise
        if self.over:
            raise OverBudget

    def _stop(self) -> None:
        self.over = True


@contextmanager
def _alarm(seconds: float, before: Callable[[], None]) -> Iterator[None]:
    """Raise KeyboardInterrupt in the main thread after some seconds, after calling `before`."""
    if hasattr(signal, "setitimer"):
        # A timer of the system and no thread: processes are forked meanwhile, and forks do not inherit it.
        def stop(number: int, frame: object) -> None:
            before()
            # A file that is opened in this very moment has no owner yet; it closes itself, and nobody need hear of it.
            warnings.simplefilter("ignore", ResourceWarning)
            raise KeyboardInterrupt

        with warnings.catch_warnings():
            usual = signal.signal(signal.SIGALRM, stop)
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
                signal.signal(signal.SIGALRM, usual)
        return

    def interrupt() -> None:
        before()
        _thread.interrupt_main()

    timer = threading.Timer(seconds, interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with suppress(RuntimeError):
            timer.join()


def _seconds(text: str) -> float:
    """Read a duration, as `90`, `90s`, `10min` or `1.5h`. Raises UsageError."""
    found = DURATION.fullmatch(text.lower())
    allowed = "allowed: seconds, or a number with s, min or h, as 10min"
    if not found or float(found[1]) <= 0:
        raise UsageError(f"--time-budget: {text!r} is not a duration above 0\n  {allowed}")
    if found[2] not in UNITS:
        raise UsageError(f"--time-budget: {text!r}: unknown unit {found[2]!r}\n  {allowed}")
    return min(float(found[1]) * UNITS[found[2]], LONGEST)
