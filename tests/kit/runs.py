"""Run a cell, read what it left, and spoil files."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nonconv.experiment.cell import Cell
from nonconv.report.figures.drawing_process import Figures
from nonconv.store.folder import MANIFEST
from nonconv.study import loop as study


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but the manifest, the only one in which a clock may be."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert MANIFEST in files
    return {name: content for name, content in files.items() if name != MANIFEST}


def drawn(folder: Path) -> Callable[[], Figures]:
    """A cheap stand-in for the figures, which also need the data files to be there."""
    return lambda: {"stub.png": (folder / "error.csv").read_bytes()[:100]}


def undrawn(folder: Path) -> Callable[[], Figures]:  # what is drawn gets it
    """No figures, where what is tested is numbers."""
    return dict


def run(cell: Cell, folder: Path, **options: Any) -> dict[str, bytes]:
    """Run, and return the bytes."""
    options = {"workers": 2, "draw": drawn, **options}
    assert not study.run(cell, folder, **options).reused
    return contents(folder)


def interrupt_after(done: int) -> Callable[[int], None]:
    """A progress callback that presses Ctrl-C when so many paths are done."""

    def progress(paths: int) -> None:
        if paths >= done:
            raise KeyboardInterrupt

    return progress


def half(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def flipped(raw: bytes) -> bytes:
    """One bit of a number differs: still a readable archive."""
    at = len(raw) // 2
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "begun": lambda raw: raw[:32],
    "half": half,
    "all but one byte": lambda raw: raw[:-1],
    "one bit": flipped,
    "garbage": lambda raw: random.Random(0).randbytes(len(raw)),
    "text": lambda raw: b"not a checkpoint\n" * 10,
}
