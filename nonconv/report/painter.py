"""Draws figures in processes of their own, which load matplotlib while the paths are still being simulated.

A painter process reads requests from its standard input and ends with it, so none outlives the program, however that
ends; it is in a session of its own, so an interrupt from the keyboard is its parent's business.
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FIGURES = ("error", "paths")

Draw = Callable[[Path], dict[str, bytes]]
"""The figures of a folder that has its data files, by file name."""


def draw_folder(folder: Path, names: tuple[str, ...] = FIGURES) -> dict[str, bytes]:
    """A Draw in this process."""
    from nonconv.report.figures import draw  # matplotlib is heavy
    from nonconv.report.run import read_run

    return draw(read_run(folder), names)


@contextmanager
def painters() -> Iterator[Draw]:
    """A Draw by one process for each figure, started now."""
    command = [sys.executable, "-P", "-m", __name__]
    processes = {name: _start(command) for name in FIGURES}
    try:
        yield lambda folder: _ask(processes, folder)
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True)


def _ask(processes: dict[str, "subprocess.Popen[bytes]"], folder: Path) -> dict[str, bytes]:
    """All figures, each from its process; one that cannot answer is drawn here, which also shows what is wrong with it."""
    for name, process in processes.items():
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps([str(folder.absolute()), name]).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            continue
    figures: dict[str, bytes] = {}
    for name, process in processes.items():
        assert process.stdout is not None
        try:
            figures |= pickle.load(process.stdout)
        except (EOFError, pickle.UnpicklingError):
            figures |= draw_folder(folder, (name,))
    return figures


def _serve() -> None:
    import nonconv.report.figures

    nonconv.report.figures.warm_up()
    for line in sys.stdin:
        folder, name = json.loads(line)
        sys.stdout.buffer.write(pickle.dumps(draw_folder(Path(folder), (name,))))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
