"""Draws figures in a process of its own, which loads matplotlib while the paths are still being simulated.

The painter reads requests from its standard input and ends with it, so it does not outlive the program, however that
ends; it is in a session of its own, so an interrupt from the keyboard is its parent's business. It draws each figure, and
writes each format of it, in a fork of itself: all share one loaded matplotlib and use all processors.
"""

import gc
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from nonconv.report.at_once import at_once, fork_from_now_on

FIGURES = ("error", "paths")
"""Of every run."""

Draw = Callable[[Path], dict[str, bytes]]
"""The figures of a folder that has its data files, by file name."""


def figure_names(folder: Path) -> tuple[str, ...]:
    """The figures of a folder: those of every run and what its objective adds, or those of a sweep."""
    from nonconv.report.sweep_result import is_sweep, read_sweep_result

    if is_sweep(folder):
        from nonconv.report.sweep_figures import figure_names as sweep_figure_names

        return sweep_figure_names(read_sweep_result(folder))
    added = {
        "floors": "floors.csv",
        "orbit": "orbit.csv",
        "fates": "outcomes.csv",
        "risk": "risk.csv",
        "groups": "group_floors.csv",
    }
    return (*FIGURES, *(name for name, file in added.items() if (folder / file).exists()))


def draw_folder(
    folder: Path, names: tuple[str, ...] | None = None, formats: tuple[str, ...] = ("png", "svg")
) -> dict[str, bytes]:
    """A Draw in this process."""
    from nonconv.report.sweep_result import is_sweep, read_sweep_result

    wanted = figure_names(folder) if names is None else names
    if is_sweep(folder):
        from nonconv.report.sweep_figures import draw_sweep  # matplotlib is heavy

        return draw_sweep(read_sweep_result(folder), wanted, formats)
    from nonconv.report.figures import draw
    from nonconv.report.run import read_run

    return draw(read_run(folder), wanted, formats)


@contextmanager
def painter() -> Iterator[Draw]:
    """A Draw by another process, started now."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-P", "-m", __name__]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield lambda folder: _ask(process, folder)
    finally:
        process.kill()
        process.communicate()


def _ask(process: "subprocess.Popen[bytes]", folder: Path) -> dict[str, bytes]:
    """All figures from the painter; what it cannot answer is drawn here, which also shows what is wrong with it."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(str(folder.absolute())).encode() + b"\n")
        process.stdin.flush()
        figures: dict[str, bytes] = pickle.load(process.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        return draw_folder(folder)
    return figures


def _serve() -> None:
    """Answer each folder with its figures; the end of the output tells that one cannot be drawn."""
    sys.modules["mpl_toolkits.mplot3d"] = None  # type: ignore[assignment]  # Python's mark of what is not there: nobody needs it
    import nonconv.report.figures

    nonconv.report.figures.warm_up()
    gc.disable()  # looking for garbage writes to every page, which forks would then have to copy
    fork_from_now_on()
    for line in sys.stdin:
        folder = Path(json.loads(line))
        drawn = at_once({name: partial(draw_folder, folder, (name,)) for name in figure_names(folder)})
        pickle.dump({name: content for figure in drawn.values() for name, content in figure.items()}, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
