"""Progress of a run on stderr: a live bar on a terminal, elsewhere a line every few seconds.

A run reports the number of paths done after each block. `sweep_progress` does the same for the cells of a sweep.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nonconv.engine.compiling import listening
from nonconv.system.words import count
from nonconv.terminal.compiling import View, live, telling
from nonconv.terminal.lines import say

if TYPE_CHECKING:
    from nonconv.experiment.cell import Cell
    from nonconv.sweeps.grid import Grid

READING_SECONDS = 2.0
"""Time between two lines of progress while a grid is read, before anything else is shown."""
PLAIN_SECONDS = 10.0
"""Time between two lines of progress where stderr is no terminal."""


def tell_cells_read(grid: "Grid", quiet: bool) -> Callable[[int], None]:
    """Return what to call with the number of cells of a grid that are read: it prints a line every few seconds."""
    last, most = time.monotonic(), count(grid.size, "cell")

    def update(done: int) -> None:
        nonlocal last
        if not quiet and time.monotonic() - last > (READING_SECONDS if sys.stderr.isatty() else PLAIN_SECONDS):
            last = time.monotonic()
            say(f"reading the grid: {done} of {most}")

    return update


@contextmanager
def show_progress(cell: "Cell", quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show the progress of one run while the context is open.

    Yields the function to call with the number of paths that are done. quiet: show nothing.
    """
    if not quiet and sys.stderr.isatty():
        with _bar(cell) as update:
            yield update
        return
    with telling(quiet, say):
        yield (lambda done: None) if quiet else _plain_lines(cell)


@contextmanager
def _bar(cell: "Cell") -> Iterator[Callable[[int], None]]:
    """Show a live bar: stage, share of paths, path-steps per second, time left; or that a kernel is being compiled."""

    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    progress, kernel = Progress(*columns), View()
    task, rate = progress.add_task("starting", total=cell.paths, rate=""), _Rate(cell)
    with listening(kernel), live(get_renderable=lambda: kernel.bar if kernel.is_shown else progress):

        def update(done: int) -> None:
            stage = "simulating" if done < cell.paths else "writing"
            progress.update(task, completed=done, description=stage, rate=rate.text(done))

        yield update
        progress.update(task, description="done")


class _Rate:
    """Measure path-steps per second since the first report, which comes after compilation."""

    def __init__(self, cell: "Cell") -> None:
        self.steps = cell.program.steps
        self.first: tuple[float, int] | None = None

    def text(self, done: int) -> str:
        """Return the rate as text, given the paths done; empty at the first report."""
        now = time.monotonic()
        # Compilation comes before the first report and is no measure of speed.
        if self.first is None:
            self.first = (now, done)
        seconds, paths = now - self.first[0], done - self.first[1]
        return f"{paths * self.steps / seconds:.2g} path-steps/s" if seconds > 0 and paths else ""


def _plain_lines(cell: "Cell") -> Callable[[int], None]:
    """Print a line every PLAIN_SECONDS, for logs and batch jobs."""
    rate = _Rate(cell)
    started = last = time.monotonic()

    def update(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        text = rate.text(done)
        if now - last < PLAIN_SECONDS:
            return
        last = now
        left = (now - started) * (cell.paths - done) / done
        say(", ".join(filter(None, (f"{done} of {count(cell.paths, 'path')}", text, f"about {left:.0f} s left"))))

    return update
