"""The page of a sweep figure: a title above, one panel per value of a key, a legend below."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nonconv.report.figures.restyle import mark_title
from nonconv.report.figures.seen import SOFT_BREAK
from nonconv.report.labels import symbol
from nonconv.report.markup import printable
from nonconv.report.sweep_result import SweepResult, View, shortened

COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}
DOTS_PER_INCH = 250
"""Resolution of images, for print."""
PER_INCH = 16, 13.5
"""Characters per inch in legends and titles, slightly fewer than fit."""
PAPERS = r" \([^()]* (19|20)[0-9]{2}[^()]*\)"
"""What names papers in a claim."""
LEFT, RIGHT, BELOW = 0.65, 0.95, 0.65
"""Inches beside and below panels that labels and a colour bar take."""


@dataclass(frozen=True)
class Page:
    """The page of a sweep figure.

    panels: matplotlib axes, one for each panel of the view. columns: panels in a row. room: inches that a panel is wide and
    high, roughly.
    """

    figure: Figure
    panels: list[Any]
    columns: int
    room: tuple[float, float]

    def finish(self, handles: Sequence[Any], caption: str = "") -> None:
        """Remove inner axis labels, and add the legend in as many columns as fit."""
        for k, axes in enumerate(self.panels):
            if k + self.columns < len(self.panels):
                axes.set_xlabel("")
                axes.tick_params(axis="x", labelbottom=False)
            if k % self.columns:
                axes.set_ylabel("")
                axes.tick_params(axis="y", labelleft=False)
        if not handles:
            return
        lines = [handle.get_label().splitlines() or [""] for handle in handles]
        # A handle, and the space before and after it, are about as long as seven characters.
        longest = max(len(line) for label in lines for line in label) + 7
        columns = max(1, min(len(handles), int(self.figure.get_size_inches()[0] * PER_INCH[0] / longest)))
        self.figure.legend(
            handles=handles, loc="outside lower center", ncols=columns, fontsize=8, title=caption or None, title_fontsize=8,
            columnspacing=1.2, handletextpad=0.5, borderaxespad=0.2,
        )  # fmt: skip
        width, height = self.figure.get_size_inches()
        rows = -(-len(handles) // columns) + sum(len(label) - 1 for label in lines)
        self.figure.set_size_inches(width, height + 0.19 * (rows + bool(caption)) + 0.08)


def new_page(result: SweepResult, seen: View, wide: bool = False, note: str = "") -> Page:
    """Make an empty page for the panels of a view.

    wide: for line plots; otherwise for maps, with room for a colour bar. note: what the figure leaves out, for the title.
    """
    count = len(seen.panels)
    columns = COLUMNS[count]
    rows = -(-count // columns)
    width, height = {1: 2.2, 2: 2.15, 3: 1.85}[columns], {1: 2.2, 2: 2.1, 3: 1.8}[columns]
    if wide:
        width, height = {1: 3.4, 2: 2.7, 3: 1.95}[columns], {1: 2.4, 2: 2.2, 3: 1.9}[columns]
    inches = LEFT + width * columns + (0.1 if wide else RIGHT)
    lines = title_lines(result, [*notes(result, seen), *([note] if note else [])], int(inches * PER_INCH[1]))
    figure = Figure(
        figsize=(inches, BELOW + height * rows + 0.25 * rows * (count > 1) + 0.16 * len(lines)),
        layout="constrained",
        dpi=DOTS_PER_INCH,
    )
    mark_title(figure.suptitle("\n".join(lines), x=0.02, ha="left", size=9))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[count:]:
        axes.remove()
    panels = list(grid.flat[:count])
    for axes, (value, _) in zip(panels, seen.panels, strict=True):
        axes.tick_params(labelsize=8, labelbottom=True, labelleft=True)
        if seen.panel_key is not None:
            axes.set_title(_panel_name(result, seen.panel_key, value, int(width * PER_INCH[1])), loc="left", size=8)
    return Page(figure, panels, columns, (width, height))


def _panel_name(result: SweepResult, key: str, value: str, most: int) -> str:
    """Write the value that a panel is about: `objective.exponent = 4`, by the last part of a key that leaves no room for it."""
    brief = result.brief(key, value)
    name = f"{symbol(key)} = {brief}"
    return name if len(name) <= most else shortened(f"{symbol(key).rpartition('.')[2]} = {brief}", most)


def title_lines(result: SweepResult, remarks: list[str], most: int) -> list[str]:
    """Write name and claim in at most three lines, then the notes, wrapped at `most` characters. Papers are named elsewhere."""
    claim = re.sub(PAPERS, "", result.about.get("claim") or "")
    about = printable(f"{result.about['name']}: {claim}" if claim else result.about["name"])
    parts = [textwrap.wrap(about, most, max_lines=3, placeholder=" …"), textwrap.wrap("; ".join(remarks), most)]
    # Another page may break them elsewhere.
    soft = SOFT_BREAK.removesuffix("\n")
    return [line if k == len(part) - 1 else line + soft for part in parts for k, line in enumerate(part)]


def notes(result: SweepResult, seen: View) -> list[str]:
    """List what the figure leaves out: keys held fixed, panels not shown, cells without the keys of the axes."""
    found = [f"{symbol(key)} = {result.brief(key, value)}" for key, value in seen.fixed.items()]
    if seen.left_out:
        found.append(f"{len(seen.panels)} of {len(seen.panels) + seen.left_out} values of {symbol(seen.panel_key or '')}")
    without = int(np.logical_or.reduce([~result.known(key) for key in seen.keys]).sum())
    if without:
        found.append(f"{without} cells without {' or '.join(map(symbol, seen.keys))} not shown")
    return found
