"""Lay out what is read first of a result: headings, labelled facts, warnings; in lines of a width.

DOES NOT CONVERGE   steps 2500 to 20000, 4096 paths, seed 2407
  for every ξ       E|Θ − ξ|² averaged over steps 10001 to 20000 is at
                    least 0.0208 (95 %, all floors at once)
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nonconv.terminal.lines import SENTENCE_WIDTH, wrapped

if TYPE_CHECKING:
    from nonconv.report.brief import Brief

AROUND, MOST = 2, 26
"""Characters before a label and after it, and the most that labels take together with these."""


def brief_lines(
    brief: "Brief", width: int = SENTENCE_WIDTH, coloured: Callable[[str, str], str] = lambda title, verdict: title
) -> Iterator[str]:
    """Yield the lines of a brief. coloured: gives the title of a verdict its colour."""
    titles = [title_of(name) for name, _ in brief.headings]
    labels = [len(label) + 2 * AROUND for label, _ in brief.facts]
    # A title is longer than most labels; texts of both begin in one column.
    column = min(MOST, max([*labels, *(len(title) + AROUND + 1 for title in titles)]))
    for name, about in brief.headings:
        first, *rest = fact_lines(title_of(name), about, column, 0, width)
        yield first.replace(title_of(name), coloured(title_of(name), name), 1)
        yield from rest
    before = ""
    for label, text in brief.facts:
        yield from fact_lines(label if label != before else "", text, column, AROUND, width)
        before = label
    for warning in brief.warnings:
        yield from wrapped(warning, width, "  ").splitlines()


def title_of(name: str) -> str:
    """Return the title of a verdict: `DOES NOT CONVERGE`."""
    return name.replace("_", " ").upper()


def fact_lines(label: str, text: str, column: int, indent: int, width: int) -> list[str]:
    """Return a label, and a text that begins in a column and is wrapped there."""
    first, *rest = wrapped(text, max(width - column, width // 2)).splitlines() or [""]
    begin = " " * indent + label
    lines = [f"{begin:{column}}{first}"] if len(begin) < column else [begin, " " * column + first]
    return [*lines, *(" " * column + line for line in rest)]
