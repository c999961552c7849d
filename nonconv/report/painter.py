"""Draws figures in a process of its own, which loads matplotlib while the paths are still being simulated.

The painter reads requests from its standard input and ends with it, so it does not outlive the program, however that
ends; it is in a session of its own, so an interrupt from the keyboard is its parent's business. It draws each figure in
a fork of itself: the figures share one loaded matplotlib and use all processors.
"""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
    from nonconv.report.figures import draw  # matplotlib is heavy
    from nonconv.report.run import read_run
    from nonconv.report.sweep_figures import draw_sweep
    from nonconv.report.sweep_result import is_sweep, read_sweep_result

    wanted = figure_names(folder) if names is None else names
    if is_sweep(folder):
        return draw_sweep(read_sweep_result(folder), wanted, formats)
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
    figures: dict[str, bytes] = {}
    try:
        process.stdin.write(json.dumps(str(folder.absolute())).encode() + b"\n")
        process.stdin.flush()
        for _ in figure_names(folder):
            figures |= pickle.load(process.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        return draw_folder(folder)
    return figures


def _serve() -> None:
    import nonconv.report.figures

    nonconv.report.figures.warm_up()
    draw = _draw_in_fork if hasattr(os, "fork") else _draw_here
    for line in sys.stdin:
        folder = Path(json.loads(line))
        answers = [wait() for wait in [draw(folder, name) for name in figure_names(folder)]]
        if not all(answers):
            return  # the end of our output tells that this folder cannot be drawn
        for answer in answers:
            sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def _draw_here(folder: Path, name: str) -> Callable[[], bytes]:
    return lambda: pickle.dumps(draw_folder(folder, (name,)))


def _draw_in_fork(folder: Path, name: str) -> Callable[[], bytes]:
    """What waits for a fork of this process that draws one figure; nothing comes from one that fails."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(_draw_here(folder, name)())
        finally:
            os._exit(0)
    os.close(writing)
    return os.fdopen(reading, "rb").read


if __name__ == "__main__":
    _serve()
