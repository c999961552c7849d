"""The figures of a folder as a summary and the terminal list them: each drawn one, and why another could not be drawn."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from nonconv.report.figures.catalogue import ALL_FIGURES, UNDRAWN, read_undrawn
from nonconv.report.markup import markdown_text, printable

FIRST = ("verdicts", "heatmap_verdict", "curves", "heatmap_mse", "lines_mse")
"""How the names of the figures begin that show most of a sweep."""
MOST_FIGURES = 6
"""How many figures the terminal lists."""


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


def files(folder: Path, names: Sequence[str], most: int = MOST_FIGURES) -> tuple[list[str], list[str]]:
    """List the files of the first figures for the terminal, within the folder, and say what could not be drawn."""
    shown, why = _drawn(folder, sorted(names, key=_rank))
    again = [f"`nonconv plot {shlex.quote(str(folder))}` tries again."] if why else []
    undrawn = [f"{folder / 'figures' / name}.{UNDRAWN}: {printable(text)}" for name, text in why.items()]
    more = [f"and {len(shown) - most} more in figures/"] if len(shown) > most else []
    return [*(f"figures/{name}.png" for name in shown[:most]), *more], [*undrawn, *again]


def _rank(name: str) -> int:
    """Return the place of a figure in a list: of a sweep the verdicts come first, then errors; the rest as it stands."""
    return next((place for place, begin in enumerate(FIRST) if name.startswith(begin)), len(FIRST))
