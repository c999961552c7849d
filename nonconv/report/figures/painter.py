"""Draws figures in a process of its own, which loads matplotlib while the paths are still being simulated.

The painter reads requests from its standard input and ends with it, so it does not outlive the program, however that
ends; it is in a session of its own, so an interrupt from the keyboard is its parent's business. It draws each figure, and
writes each format of it, in a fork of itself: all share one loaded matplotlib and use all processors.
"""

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from nonconv.report.figures.at_once import at_once, fork_from_now_on

FIGURES = ("error", "paths")
"""Of every run."""

_begun: "list[subprocess.Popen[bytes]]" = []

Figures = dict[str, bytes]
"""By file name."""
Draw = Callable[[Path], Callable[[], Figures]]
"""Begins to draw the figures of a folder that has its data files; what it returns waits for them."""


def figure_names(folder: Path) -> tuple[str, ...]:
    """The figures of a folder: those of every run and what its objective adds, or those of a sweep."""
    from nonconv.report.sweep_result import is_sweep, read_sweep_result

    if is_sweep(folder):
        from nonconv.report.figures.sweep_figures import figure_names as sweep_figure_names

        return sweep_figure_names(read_sweep_result(folder))
    added = {
        "floors": "floors.csv",
        "orbit": "orbit.csv",
        "fates": "outcomes.csv",
        "risk": "risk.csv",
        "groups": "group_floors.csv",
    }
    return (*FIGURES, *(name for name, file in added.items() if (folder / file).exists()))


def draw_here(folder: Path) -> Callable[[], Figures]:
    """A Draw in this process, which does so when they are waited for."""
    return partial(draw_folder, folder)


def draw_folder(folder: Path, names: tuple[str, ...] | None = None, formats: tuple[str, ...] = ("png", "svg")) -> Figures:
    """The figures of a folder that has its data files."""
    from nonconv.report.sweep_result import is_sweep, read_sweep_result

    wanted = figure_names(folder) if names is None else names
    if is_sweep(folder):
        from nonconv.report.figures.sweep_figures import draw_sweep  # matplotlib is heavy

        return draw_sweep(read_sweep_result(folder), wanted, formats)
    from nonconv.report.figures.figures import draw
    from nonconv.report.run import read_run

    return draw(read_run(folder), wanted, formats)


def begin() -> None:
    """Start the process of the next `painter` already now; should there be none, it ends with this one."""
    _begun.append(_start())


@contextmanager
def painter() -> Iterator[Draw]:
    """A Draw by another process."""
    process = _begun.pop() if _begun else _start()
    try:
        yield lambda folder: _ask(process, folder)
    finally:
        _kill(process)
        process.communicate()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """With the forks that it draws in, which hold its output."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _start() -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    command = [sys.executable, "-P", "-m", __name__]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True)


def _ask(process: "subprocess.Popen[bytes]", folder: Path) -> Callable[[], Figures]:
    assert process.stdin is not None
    with suppress(OSError):  # then there is no answer either
        process.stdin.write(json.dumps(str(folder.absolute())).encode() + b"\n")
        process.stdin.flush()
    return partial(_answer, process, folder)


def _answer(process: "subprocess.Popen[bytes]", folder: Path) -> Figures:
    """All figures from the painter; what it cannot draw is drawn here, which also shows what is wrong with it."""
    assert process.stdout is not None
    try:
        figures: Figures = pickle.load(process.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        return draw_folder(folder)
    return figures


def _serve() -> None:
    """Answer each folder with its figures; the end of the output, which forks hold too, tells that one cannot be drawn."""
    gc.disable()  # there is none, and looking for it writes to every page, which forks would then have to copy
    sys.modules["mpl_toolkits.mplot3d"] = None  # type: ignore[assignment]  # Python's mark of what is not there: nobody needs it
    from nonconv.report.figures.figures import warm_up

    warm_up()
    fork_from_now_on()
    for line in sys.stdin:
        folder = Path(json.loads(line))
        try:
            drawn = at_once({name: partial(draw_folder, folder, (name,)) for name in figure_names(folder)})
        except Exception:  # whatever it is: forks whose figures nobody reads any more would wait for ever
            if hasattr(os, "killpg"):
                os.killpg(0, signal.SIGKILL)
            raise
        pickle.dump({name: content for figure in drawn.values() for name, content in figure.items()}, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
