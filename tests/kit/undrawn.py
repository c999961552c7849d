"""The program, but its figures are empty files: python undrawn.py COMMAND. Where words are tested, nothing need be drawn."""

from functools import partial
from pathlib import Path

from nonconv.__main__ import main
from nonconv.report.figures import catalogue, drawing_process


def names_alone(folder: Path) -> drawing_process.Figures:
    """The figures that a folder would have, without contents."""
    return {f"{name}.{kind}": b"" for name in catalogue.figure_names(folder) for kind in catalogue.SAVED_FORMATS}


def no_process() -> None:
    """There can be no figure process: figures are drawn by the program itself."""
    raise OSError


if __name__ == "__main__":
    vars(drawing_process).update(_start=no_process, draw_here=lambda folder: partial(names_alone, folder))
    main()
