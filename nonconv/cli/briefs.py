"""Print what is read first of a result, in 80 columns and in colour, and the names of its files.

Colour means something or is not there: green for what converges or is met, red for what does not, diverges, is refuted or
failed. It is on a terminal alone, and not where NO_COLOR is set.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nonconv.cli.tables import shown
from nonconv.system.streams import Unescaped
from nonconv.terminal.briefs import AROUND, brief_lines, fact_lines, title_of
from nonconv.terminal.lines import line_width, wrapped

if TYPE_CHECKING:
    from nonconv.report.brief import Brief

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


def print_brief(brief: "Brief") -> None:
    """Print headings, facts and warnings."""
    shortened = brief._replace(
        headings=[(name, shown(about)) for name, about in brief.headings],
        facts=[(shown(label), shown(text)) for label, text in brief.facts],
        warnings=[*map(shown, brief.warnings)],
    )
    _print(brief_lines(shortened, line_width(), coloured))


def print_heading(name: str, about: str, indent: int = 0, column: int = 0) -> None:
    """Print a result in its colour, and what it is about, which begins in a column."""
    title = name if indent else title_of(name)
    first, *rest = fact_lines(title, shown(about), column or len(title) + AROUND + 1, indent, line_width())
    _print([first.replace(title, coloured(title, name), 1) if title else first, *rest])


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


def _print(lines: Iterable[str]) -> None:
    """Print lines that are escaped already; their colours are not."""
    for line in lines:
        print(line, file=Unescaped(sys.stdout))


def coloured(title: str, name: str) -> str:
    """Return a title in the colour of a verdict or status, where stdout is a terminal that shows colours."""
    return f"{COLOURS.get(name, BOLD)}{title}{USUAL}" if _has_colours() else title


def _has_colours() -> bool:
    """Return whether stdout is a terminal that shows colours, and the user wants some (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
