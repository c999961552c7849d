"""Says on stderr that a kernel is being compiled: a bar with the seconds on a terminal, elsewhere a line.

A kernel is compiled once per machine and then loaded from disk, so a second run says nothing of it.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import RLock, Thread
from typing import IO, TYPE_CHECKING, Any, cast

from nonconv.engine.compiling import Listener, listening
from nonconv.system.streams import Unescaped

if TYPE_CHECKING:
    from rich.progress import Progress

Say = Callable[[str], None]
WHAT = "compiling the kernel"
REST_SECONDS = 1.0
"""Functions of one kernel that are compiled within this time of each other are told as one."""
BEGUN, ENDED, OVER = b"+", b"-", b"."
"""What a relay sends: a kernel is being compiled, it is compiled, nobody listens any more."""


def telling(quiet: bool, say: Say) -> AbstractContextManager[None]:
    """Tell on stderr what is compiled while the returned context is open. quiet: tell nothing. say: prints a line."""
    return listening(_silent if quiet else Bar() if sys.stderr.isatty() else Lines(say))


def _silent(begins: bool) -> None:
    """Tell nothing."""


def sentence() -> str:
    """Say that a kernel is compiled, and how often that happens."""
    from nonconv.engine.kernel_files import cache_folder

    kept = _can_write(cache_folder())
    return f"{WHAT}, once per machine" if kept else f"{WHAT}, in every run: {cache_folder()} cannot be written"


def _can_write(folder: Path) -> bool:
    """Whether files can be written to a folder, which is made if it is not there."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    return there.is_dir() and os.access(there, os.W_OK)


class _Spell:
    """Counts kernels that are being compiled, by any thread or process, and the seconds since the first of them.

    A listener that `start`s when the first begins, and `stop`s when the last has ended.
    """

    def __init__(self) -> None:
        self.lock, self.number = RLock(), 0
        self.since, self.ended = time.monotonic(), float("-inf")

    def __call__(self, begins: bool) -> None:
        """Count one that begins or ends."""
        with self.lock:
            self.number += 1 if begins else -1
            now = time.monotonic()
            if begins and self.number == 1:
                again = now - self.ended < REST_SECONDS
                self.since = self.since if again else now
                self.start(again)
            elif not self.number:
                self.ended = now
                self.stop()

    def start(self, again: bool) -> None:
        """Show that a kernel is compiled. again: another one was until a moment ago."""

    def stop(self) -> None:
        """Show nothing."""


class Lines(_Spell):
    """A line where stderr is no terminal. say: prints it."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self.say = say

    def start(self, again: bool) -> None:
        """Print it, once for the functions of a kernel."""
        if not again:
            self.say(sentence())


class View(_Spell):
    """A bar with the seconds, for a display that is there already: `bar` is what it shows while `is_shown`."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: Progress | None = None

    @property
    def is_shown(self) -> bool:
        """Whether a kernel is being compiled."""
        return self.number > 0

    @property
    def bar(self) -> "Progress":
        """The bar: text, a bar that moves since nobody knows the end, seconds."""
        from rich.progress import BarColumn, Progress, TextColumn

        if self._bar is None:
            self._bar = Progress(TextColumn(sentence()), BarColumn(bar_width=20), TextColumn("{task.fields[seconds]:.0f} s"))
            self._bar.add_task("", total=None, seconds=0.0)
        self._bar.update(self._bar.task_ids[0], seconds=time.monotonic() - self.since)
        return self._bar


class Bar(View):
    """The same bar with a display of its own, which is gone when the kernel is compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.live: Any = None

    def start(self, again: bool) -> None:  # noqa: ARG002  # a bar is shown for each
        """Open the display."""
        with suppress(RuntimeError):  # no thread can be started, or another display is open: nothing is shown
            self.live = live(get_renderable=lambda: self.bar, transient=True)
            self.live.start()

    def stop(self) -> None:
        """Close the display."""
        if self.live is not None:
            self.live.stop()
            self.live = None


def live(**options: Any) -> Any:
    """Return a live display on stderr."""
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(file=cast("IO[str]", Unescaped(sys.stderr))), refresh_per_second=10, **options)


class Relay:
    """Passes on what is compiled in processes that are forked later, and in threads, to the process that shows it."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def __call__(self, begins: bool) -> None:
        """Send it: from whatever process or thread."""
        with suppress(OSError):
            os.write(self.writing, BEGUN if begins else ENDED)

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        """Pass on to a listener of this process while the context is open."""
        thread = Thread(target=self._pass_on, args=(listener,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads may be started: nothing is shown
            yield
            return
        try:
            yield
        finally:
            os.write(self.writing, OVER)
            thread.join()

    def _pass_on(self, listener: Listener) -> None:
        """Read what is sent until that is over."""
        while (news := os.read(self.reading, 1)) and news != OVER:
            listener(news == BEGUN)

    def close(self) -> None:
        """Close both ends in this process."""
        os.close(self.reading)
        os.close(self.writing)


@contextmanager
def relayed() -> Iterator[Relay]:
    """Make a relay the one that hears while the context is open, in processes forked meanwhile as well."""
    relay = Relay()
    try:
        with listening(relay):
            yield relay
    finally:
        relay.close()
