"""The figures of a folder as a summary and the terminal list them: each drawn one, and why another could not be drawn."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from nonconv.report.figures.catalogue import ALL_FIGURES, UNDRAWN, read_undrawn
from nonconv.report.markup import markdown_text, printable


def images(folder: Path, names: Sequence[str]) -> list[str]:
    """Write a paragraph of Markdown per figure: the image, or why there is none.

    names: of the figures that the folder has if all are drawn.
    """
    shown, why = _drawn(folder, names)
    undrawn = [f"Figure `{name}`: {markdown_text(text)}." for name, text in why.items()]
    return [*(f"![{name}](figures/{name}.png)" for name in shown), *undrawn]


def _drawn(folder: Path, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the figures that are there, and why each other one is not."""
    why = read_undrawn(folder)
    return [] if ALL_FIGURES in why else [name for name in names if name not in why], why


def lines(folder: Path, names: Sequence[str]) -> list[str]:
    """List the files of the figures for the terminal, and what could not be drawn."""
    shown, why = _drawn(folder, names)
    again = [f"`nonconv plot {shlex.quote(str(folder))}` tries again."] if why else []
    undrawn = [f"{folder / 'figures' / name}.{UNDRAWN}: {printable(text)}" for name, text in why.items()]
    return [*(str(folder / "figures" / f"{name}.png") for name in shown), *undrawn, *again]
