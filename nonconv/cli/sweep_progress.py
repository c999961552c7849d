"""Progress of a sweep on stderr: one live view on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nonconv.cli.common import say
from nonconv.cli.progress import PLAIN_SECONDS

if TYPE_CHECKING:
    from nonconv.sweeps.flow import News
    from nonconv.sweeps.sweep import Survey

NEWEST = 4


@contextmanager
def sweep_progress(survey: "Survey", quiet: bool) -> "Iterator[Callable[[News], None]]":
    """A function to be told what happens."""
    if quiet:
        yield lambda news: None
    elif sys.stderr.isatty():
        with _view(survey) as tell:
            yield tell
    else:
        yield _plain_lines(survey)


class _Count:
    """Cells settled, of them those that were there before, path-steps computed, verdicts; and the speed since the first."""

    def __init__(self, survey: "Survey") -> None:
        self.cells, self.all_steps = len(survey.ids), survey.path_steps
        self.settled = self.reused = self.steps = 0
        self.verdicts: Counter[str] = Counter()
        self.started = time.monotonic()
        self.names: set[str] = set()

    def add(self, news: "News") -> None:
        self.steps += news.path_steps
        if news.cell and news.cell not in self.names:
            self.names.add(news.cell)
            self.settled += 1
            self.reused += not news.status
            if news.status:
                self.verdicts[news.status] += 1

    @property
    def left(self) -> str:
        """Judged by the cells computed so far."""
        share = (self.settled - self.reused) / max(self.cells - self.reused, 1)
        seconds = (time.monotonic() - self.started) * (1.0 - share) / share if share > 0 else 0.0
        return f"about {seconds:.0f} s left" if share > 0 else ""

    @property
    def rate(self) -> str:
        seconds = time.monotonic() - self.started
        return f"{self.steps / seconds:.2g} path-steps/s" if self.steps and seconds > 0 else ""

    @property
    def found(self) -> str:
        return ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))


@contextmanager
def _view(survey: "Survey") -> "Iterator[Callable[[News], None]]":
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    count, newest = _Count(survey), deque[str](maxlen=NEWEST)
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    row = bar.add_task("compiling", total=count.cells, said="")
    last = 0.0

    def shown() -> Any:
        return Group(bar, *(Text(f"  {line}", style="dim") for line in newest), Text(f"  {count.found}"))

    with Live(bar, console=Console(stderr=True), refresh_per_second=8, transient=True) as live:

        def tell(news: "News") -> None:
            nonlocal last
            count.add(news)
            if news.cell and news.status:
                newest.append(f"{news.cell}  {news.label}: {news.status}")
            now = time.monotonic()
            if now - last < 0.1 and count.settled < count.cells:
                return
            last = now
            said = ", ".join(part for part in (count.rate, count.left) if part)
            stage = "writing" if count.settled == count.cells else "simulating" if count.steps else "compiling"
            bar.update(row, completed=count.settled, description=stage, said=said)
            live.update(shown())

        yield tell


def _plain_lines(survey: "Survey") -> "Callable[[News], None]":
    count = _Count(survey)
    last = time.monotonic()

    def tell(news: "News") -> None:
        nonlocal last
        count.add(news)
        now = time.monotonic()
        if now - last < PLAIN_SECONDS:
            return
        last = now
        said = f"{count.settled} of {count.cells} cells", count.rate, count.left, count.found
        say(", ".join(part for part in said if part))

    return tell
