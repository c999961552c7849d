"""Progress of a sweep on stderr: a live view on a terminal, elsewhere a line every few seconds.

A sweep reports events (sweeps.flow.Event): some path-steps were computed, or a cell was settled. The view shows how many
cells are settled, the time left, the newest cells and the number of cells per verdict.
"""

import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nonconv.system.streams import in_line
from nonconv.system.words import count
from nonconv.terminal.compiling import Lines, Relay, View, live
from nonconv.terminal.lines import say
from nonconv.terminal.progress import PLAIN_SECONDS

if TYPE_CHECKING:
    from nonconv.sweeps.flow import Event, OnEvent
    from nonconv.sweeps.sweep import Survey

SHOWN_CELLS = 4
"""The last settled cells that the live view names."""
VIEW_SECONDS = 0.1
"""The live view is updated at most this often: a short cell takes less."""


@contextmanager
def show_sweep_progress(survey: "Survey", quiet: bool, relay: Relay) -> "Iterator[OnEvent]":
    """Show the progress of a sweep while the context is open.

    Yields the function to call with every event. quiet: show nothing. relay: sends what workers compile.
    """
    if quiet:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _live_view(survey, relay) as on_event:
            yield on_event
    else:
        with relay.heard_by(Lines(say)):
            yield _plain_lines(survey)


class _Tally:
    """Count settled and reused cells, path-steps and verdicts since the start."""

    def __init__(self, survey: "Survey") -> None:
        self.cells, self.all_steps = len(survey.ids), survey.path_steps
        self.settled = self.reused = self.steps = 0
        self.verdicts: Counter[str] = Counter()
        self.started = time.monotonic()
        self.names: set[str] = set()

    def add(self, event: "Event") -> None:
        """Count an event. Each cell is counted once, however often it is reported."""
        self.steps += event.path_steps
        if event.cell and event.cell not in self.names:
            self.names.add(event.cell)
            self.settled += 1
            self.reused += not event.status
            if event.status:
                self.verdicts[event.status] += 1

    @property
    def time_left(self) -> str:
        """The time left, estimated from the cells computed so far. Reused cells took no time and are left out."""
        share = (self.settled - self.reused) / max(self.cells - self.reused, 1)
        seconds = (time.monotonic() - self.started) * (1.0 - share) / share if share > 0 else 0.0
        return f"about {seconds:.0f} s left" if share > 0 else ""

    @property
    def rate(self) -> str:
        """Path-steps per second since the start, compilation included."""
        seconds = time.monotonic() - self.started
        return f"{self.steps / seconds:.2g} path-steps/s" if self.steps and seconds > 0 else ""

    @property
    def results(self) -> str:
        """`12 converges, 3 undecided`."""
        return ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))


@contextmanager
def _live_view(survey: "Survey", relay: Relay) -> "Iterator[OnEvent]":
    """Show a bar, the newest cells and the verdicts; the display is gone when the sweep ends."""

    from rich.console import Group
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    tally, newest = _Tally(survey), deque[str](maxlen=SHOWN_CELLS)
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[details]}"))
    row, kernel = bar.add_task("starting", total=tally.cells, details=""), View()
    last, shown = 0.0, Group(bar)

    def draw() -> Any:
        return Group(kernel.bar, shown) if kernel.is_shown else shown

    with live(get_renderable=draw, transient=True), relay.heard_by(kernel):

        def on_event(event: "Event") -> None:
            nonlocal last, shown
            tally.add(event)
            if event.cell and event.status:
                newest.append(in_line(f"{event.cell}  {event.label}: {event.status}"))
            now = time.monotonic()
            # The last event is always shown: it says that the stage is now writing.
            if now - last < VIEW_SECONDS and tally.settled < tally.cells:
                return
            last = now
            details = ", ".join(part for part in (tally.rate, tally.time_left) if part)
            stage = "writing" if tally.settled == tally.cells else "simulating" if tally.steps else "starting"
            bar.update(row, completed=tally.settled, description=stage, details=details)
            # Made here and not as it is drawn, which is done by another thread.
            shown = Group(bar, *(Text(f"  {line}", style="dim") for line in newest), Text(f"  {tally.results}"))

        yield on_event


def _plain_lines(survey: "Survey") -> "OnEvent":
    """Print a line every PLAIN_SECONDS, for logs and batch jobs."""
    tally = _Tally(survey)
    last = time.monotonic()

    def on_event(event: "Event") -> None:
        nonlocal last
        tally.add(event)
        now = time.monotonic()
        if now - last < PLAIN_SECONDS:
            return
        last = now
        parts = f"{tally.settled} of {count(tally.cells, 'cell')}", tally.rate, tally.time_left, tally.results
        say(", ".join(part for part in parts if part))

    return on_event
