"""What a command prints first: the verdict, a few labelled facts, where the files are; in 80 columns.

    DOES NOT CONVERGE   steps 2500 to 20000, 4096 paths, seed 2407
      for every ξ       E|Θ − ξ|² averaged over steps 10001 to 20000 is at
                        least 0.0208 (95 %, all floors at once)
    outputs/adam_const-4f6573bc/    summary.md, figures/error.png

Colour means something or is not there: green for what converges or is met, red for what does not, diverges, is refuted or
failed. It is on a terminal alone, and not where NO_COLOR is set.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nonconv.cli.tables import shown
from nonconv.system.streams import Unescaped
from nonconv.terminal.lines import line_width, wrapped

if TYPE_CHECKING:
    from nonconv.report.brief import Brief, Fact

GREEN, RED, BOLD, USUAL = "\x1b[1;32m", "\x1b[1;31m", "\x1b[1m", "\x1b[0m"
COLOURS = {
    "converges": GREEN,
    "met": GREEN,
    "does_not_converge": RED,
    "diverges": RED,
    "undefined": RED,
    "refuted": RED,
    "failed": RED,
}
"""By what has the colour; anything else, as `undecided`, is bold."""
AROUND, MOST = 2, 26
"""Characters before a label and after it, and the most that labels take together with these."""


def print_brief(brief: "Brief") -> None:
    """Print headings, facts and warnings."""
    titles = [name.replace("_", " ").upper() for name, _ in brief.headings]
    labels = [len(label) + 2 * AROUND for label, _ in brief.facts]
    # A title is longer than most labels; texts of both begin in one column.
    column = min(MOST, max([*labels, *(len(title) + AROUND + 1 for title in titles)]))
    for (name, about), title in zip(brief.headings, titles, strict=True):
        _print_fact((title, about), column, 0, COLOURS.get(name, BOLD))
    before = ""
    for label, text in brief.facts:
        _print_fact((label if label != before else "", text), column, AROUND)
        before = label
    for warning in brief.warnings:
        print(wrapped(shown(warning), line_width(), "  "))


def print_heading(name: str, about: str, indent: int = 0, column: int = 0) -> None:
    """Print a result in its colour, and what it is about, which begins in a column."""
    title = name if indent else name.upper()
    _print_fact((title, about), column or len(title) + AROUND + 1, indent, COLOURS.get(name, BOLD))


def print_files(folder: Path, names: Sequence[str], notes: Sequence[str] = ()) -> None:
    """Print a folder and the names of files in it, and notes on those that are missing."""
    place, listed = f"{shown(str(folder))}{os.sep}", shown(", ".join(names))
    width = line_width()
    if len(place) + 4 + len(listed) <= width:
        print(f"{place}    {listed}")
    else:
        print(place)
        print(wrapped(f"  {listed}", width, "  "))
    for note in notes:
        print(wrapped(shown(note), width))


def _print_fact(fact: "Fact", column: int, indent: int, colour: str = "") -> None:
    """Print a label, and a text that begins in a column and is wrapped there."""
    label, text = map(shown, fact)
    room = max(line_width() - column, line_width() // 2)
    first, *rest = wrapped(text, room).splitlines()
    gap = " " * max(column - indent - len(label), 0)
    if len(label) + indent + 1 > column:  # a label of its own line
        gap = "\n" + " " * column
    print(f"{' ' * indent}{coloured(label, colour)}{gap}{first}", file=Unescaped(sys.stdout))
    for line in rest:
        print(" " * column + line)


def coloured(text: str, colour: str) -> str:
    """Return a text in a colour where stdout is a terminal that shows colours."""
    return f"{colour}{text}{USUAL}" if colour and _has_colours() else text


def _has_colours() -> bool:
    """Return whether stdout is a terminal that shows colours, and the user wants some (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
