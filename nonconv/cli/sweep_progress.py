"""Progress of a sweep on stderr: a live view on a terminal, elsewhere a line every few seconds."""

import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nonconv.cli.common import say
from nonconv.cli.progress import PLAIN_SECONDS

if TYPE_CHECKING:
    from nonconv.sweeps.flow import Event, OnEvent
    from nonconv.sweeps.sweep import Survey

SHOWN_CELLS = 4
"""The last settled cells that the live view names."""
VIEW_SECONDS = 0.1
"""The live view is updated at most this often: a short cell takes less."""


@contextmanager
def show_sweep_progress(survey: "Survey", quiet: bool) -> "Iterator[OnEvent]":
    """Yield the function to call with every event."""
    if quiet:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _live_view(survey) as on_event:
            yield on_event
    else:
        yield _plain_lines(survey)


class _Tally:
    """Counts of settled and of reused cells, of path-steps computed and of verdicts, since the start."""

    def __init__(self, survey: "Survey") -> None:
        self.cells, self.all_steps = len(survey.ids), survey.path_steps
        self.settled = self.reused = self.steps = 0
        self.verdicts: Counter[str] = Counter()
        self.started = time.monotonic()
        self.names: set[str] = set()

    def add(self, event: "Event") -> None:
        self.steps += event.path_steps
        if event.cell and event.cell not in self.names:
            self.names.add(event.cell)
            self.settled += 1
            self.reused += not event.status
            if event.status:
                self.verdicts[event.status] += 1

    @property
    def time_left(self) -> str:
        """The time left, estimated from the cells computed so far."""
        share = (self.settled - self.reused) / max(self.cells - self.reused, 1)
        seconds = (time.monotonic() - self.started) * (1.0 - share) / share if share > 0 else 0.0
        return f"about {seconds:.0f} s left" if share > 0 else ""

    @property
    def rate(self) -> str:
        seconds = time.monotonic() - self.started
        return f"{self.steps / seconds:.2g} path-steps/s" if self.steps and seconds > 0 else ""

    @property
    def results(self) -> str:
        return ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))


@contextmanager
def _live_view(survey: "Survey") -> "Iterator[OnEvent]":
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    tally, newest = _Tally(survey), deque[str](maxlen=SHOWN_CELLS)
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    row = bar.add_task("compiling", total=tally.cells, said="")
    last = 0.0

    def shown() -> Any:
        return Group(bar, *(Text(f"  {line}", style="dim") for line in newest), Text(f"  {tally.results}"))

    with Live(bar, console=Console(stderr=True), refresh_per_second=8, transient=True) as live:

        def on_event(event: "Event") -> None:
            nonlocal last
            tally.add(event)
            if event.cell and event.status:
                newest.append(f"{event.cell}  {event.label}: {event.status}")
            now = time.monotonic()
            if now - last < VIEW_SECONDS and tally.settled < tally.cells:
                return
            last = now
            said = ", ".join(part for part in (tally.rate, tally.time_left) if part)
            stage = "writing" if tally.settled == tally.cells else "simulating" if tally.steps else "compiling"
            bar.update(row, completed=tally.settled, description=stage, said=said)
            live.update(shown())

        yield on_event


def _plain_lines(survey: "Survey") -> "OnEvent":
    tally = _Tally(survey)
    last = time.monotonic()

    def on_event(event: "Event") -> None:
        nonlocal last
        tally.add(event)
        now = time.monotonic()
        if now - last < PLAIN_SECONDS:
            return
        last = now
        said = f"{tally.settled} of {tally.cells} cells", tally.rate, tally.time_left, tally.results
        say(", ".join(part for part in said if part))

    return on_event
