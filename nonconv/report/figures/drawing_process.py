"""The figure process: draws figures beside the command, and loads matplotlib while paths are still being simulated.

It reads the folders to draw from its standard input and ends with it, so it does not outlive the command, however that
ends. It is in a separate session, so Ctrl-C reaches the command alone. It draws each figure, and writes each format of
it, in a fork of itself: all share one loaded matplotlib and use all processors.

This module is the first that a command imports, to start the process; what is heavy is imported by the functions.
"""

import gc
import json
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread

from nonconv.report.figures.at_once import at_once, fork_from_now_on
from nonconv.report.figures.own_settings import OWN_FOLDER, OWN_SETTINGS, without_user_settings

_started_early: "list[subprocess.Popen[bytes]]" = []

Figures = dict[str, bytes]
"""Contents of figure files by file name."""
Draw = Callable[[Path], Callable[[], Figures]]
"""Begins to draw the figures of a folder that has its data files; returns a function that waits for them.

Neither raises what is wrong with a figure: a text that says it is then in the figure's place.
"""


def draw_here(folder: Path) -> Callable[[], Figures]:
    """Be a Draw without another process: figures are drawn here when they are waited for."""
    return partial(_draw_here, folder)


def _draw_here(folder: Path) -> Figures:
    """Draw the figures of a folder, or say why none could be drawn."""
    try:
        with without_user_settings():
            from nonconv.report.figures import drawing  # loads matplotlib
        return drawing.draw_folder(folder)
    except Exception as error:  # whatever it is: numbers that are computed are not lost because they cannot be drawn
        from nonconv.report.figures.catalogue import ALL_FIGURES, undrawn

        return undrawn(ALL_FIGURES, error)


def start_early() -> None:
    """Start the figure process before `figure_process` asks for one.

    If none does, it ends with this process.
    """
    with suppress(OSError):  # `figure_process` tries again
        _started_early.append(_start())


@contextmanager
def figure_process() -> Iterator[Draw]:
    """Yield a Draw by another process, which ends with the context; by this one where there can be no other."""
    try:
        process = _started_early.pop() if _started_early else _start()
    except OSError:
        yield draw_here
        return
    try:
        yield lambda folder: _request(process, folder)
    finally:
        _kill(process)
        process.communicate()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End the process, and the forks that it draws in.

    They hold its output open, so it would otherwise be waited for as long as they live.
    """
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _start() -> "subprocess.Popen[bytes]":
    """Start the process. What it prints is discarded: if it fails, figures are drawn in this process instead.

    Raises OSError if there can be no more processes.
    """
    pipe = subprocess.PIPE
    # -P: a file named numpy.py in the working directory must not be imported.
    command = [sys.executable, "-P", "-m", __name__]
    return subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=OWN_FOLDER,
        env=os.environ | OWN_SETTINGS | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))},
    )


def _request(process: "subprocess.Popen[bytes]", folder: Path) -> Callable[[], Figures]:
    """Ask the process for the figures of a folder; return a function that waits for them."""
    assert process.stdin is not None
    with suppress(OSError):  # then there is no answer either
        process.stdin.write(json.dumps(str(folder.absolute())).encode() + b"\n")
        process.stdin.flush()
    return partial(_receive, process, folder)


def _receive(process: "subprocess.Popen[bytes]", folder: Path) -> Figures:
    """Wait for all figures of the figure process.

    If it fails they are drawn here, which also shows what is wrong with them.
    """
    assert process.stdout is not None
    try:
        figures: Figures = pickle.load(process.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        return draw_here(folder)()
    return figures


def _serve() -> None:
    """Answer each folder with its figures, until there are no more.

    If the folder cannot be read, everything ends: the command sees the end of the output, which forks hold too.
    """
    gc.disable()  # little garbage is made, and looking for it writes to every page, which forks would then have to copy
    sys.modules["mpl_toolkits.mplot3d"] = None  # type: ignore[assignment]  # marks it as missing: no figure needs it, and it takes long to load
    from nonconv.report.figures import catalogue, drawing, options

    for figure in catalogue.RUN_FIGURES:
        catalogue.load(figure.made_by)
    drawing.warm_up()
    fork_from_now_on()
    # It waits in the system and holds no lock, so it does not disturb forks.
    Thread(target=_end_unread, daemon=True).start()
    for line in sys.stdin:
        folder = Path(json.loads(line))
        try:
            look = options.read_options(folder)
            makers = catalogue.makers(folder).items()
            making = {name: partial(drawing.draw, {name: make}, options=look) for name, make in makers}
            drawn = at_once(making, catalogue.undrawn)
        except Exception:  # whatever it is: forks whose figures nobody reads any more would wait for ever
            if hasattr(os, "killpg"):
                os.killpg(0, signal.SIGKILL)
            raise
        pickle.dump({name: content for figure in drawn.values() for name, content in figure.items()}, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _end_unread() -> None:
    """Wait until nobody can read the output any more, then end this process and the forks that it draws in.

    Whoever asked may be killed while it waits. Until a figure is drawn, nothing would be written, and nothing noticed.
    """
    if not (hasattr(select, "poll") and hasattr(os, "killpg")):
        return
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # an error is reported whatever is asked for
    output.poll()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _serve()
