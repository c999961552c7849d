"""A table of verdicts: of a sweep over names one row per setting, a column per value of one key, and a panel per iterate.

Maps need two numbers. Strategies against problems have none, and what a reader wants to see is which of them converges.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nonconv.report.figures.restyle import mark_title
from nonconv.report.figures.sweep_axes import set_ticks
from nonconv.report.figures.sweep_colours import VERDICTS
from nonconv.report.figures.sweep_page import DOTS_PER_INCH, PER_INCH, title_lines
from nonconv.report.labels import SYMBOLS, symbol
from nonconv.report.markup import printable
from nonconv.report.run import YAML_LOADER
from nonconv.report.sweep_result import SweepResult, shortened
from nonconv.report.verdict_text import ANSWERS

CELL = 0.66, 0.3
"""Inches that a cell is wide and high."""
WIDEST = 7.1
"""Inches of a figure: panels are below each other if they do not fit beside each other."""
LEAST = 3.4
MOST_COLUMNS = 6
MOST_CHARACTERS = 12
"""Of a line in a cell or in the heading of a column."""
LONGEST_ROW = 48
CHARACTER = 0.05
"""Inches that a character of the names takes."""
FAILED = "failed"
PARAMETERS = {key.rpartition(".")[2]: name for key, name in SYMBOLS.items() if key.startswith("optimizer.")}
"""The symbols of what an optimizer has."""


@dataclass(frozen=True)
class Table:
    """Which cell of the sweep stands where.

    across: the key of the columns; empty if there is one column. rows, columns: the number of a cell that has the setting,
    one for each. at: the cell in each row and column; -1 where there is none.
    """

    across: str
    rows: list[int]
    columns: list[int]
    at: list[list[int]]


def table_of(result: SweepResult) -> Table:
    """Arrange the cells of a sweep.

    The key of the columns is the first whose values all come with all values of the others; without any there is one column.
    """
    for key in result.swept if len(result.swept) > 1 else ():
        others = [other for other in result.about["keys"] if other != key and not _follows(result, other, key)]
        texts = [result.columns[other] for other in others]
        setting = [tuple(text[cell] for text in texts) for cell in range(result.cells)]
        rows, columns = list(dict.fromkeys(setting)), list(dict.fromkeys(result.columns[key]))
        places = {*zip(setting, result.columns[key], strict=True)}
        if len(columns) <= MOST_COLUMNS and len(rows) * len(columns) == result.cells == len(places):
            where = {(setting[cell], result.columns[key][cell]): cell for cell in range(result.cells)}
            at = [[where[row, column] for column in columns] for row in rows]
            return Table(key, [row[0] for row in at], list(at[0]), at)
    cells = list(range(result.cells))
    return Table("", cells, cells[:1], [[cell] for cell in cells])


def _follows(result: SweepResult, key: str, other: str) -> bool:
    """Whether each value of the other key comes with a single value of this."""
    return len({*zip(result.columns[key], result.columns[other], strict=True)}) == len({*result.columns[other]})


def verdict_table(result: SweepResult) -> Figure:
    """Draw the verdicts of all cells, of the last iterate and beside it of the others."""
    table = table_of(result)
    rows, headings = _row_names(result, table), _headings(result, table)
    iterates = ["last", *result.iterates]
    beside, width = 0.2 + CHARACTER * max(map(len, rows)), max(CELL[0] * len(table.columns), 1.4) + 0.12
    across = len(iterates) if beside + width * len(iterates) <= WIDEST else 1
    inches = max(beside + width * across, LEAST)
    note = "a row names what is not as in the first one" if len(rows) > 1 else ""
    lines = title_lines(result, [note] if note else [], int(inches * PER_INCH[1]))
    above = 0.3 + 0.14 * max(heading.count("\n") + 1 for heading in headings)
    height = 0.2 + 0.17 * len(lines) + (CELL[1] * len(rows) + above) * -(-len(iterates) // across)
    figure = Figure(figsize=(inches, height), layout="constrained", dpi=DOTS_PER_INCH)
    mark_title(figure.suptitle("\n".join(lines), x=0.02, ha="left", size=9))
    panels = figure.subplots(-(-len(iterates) // across), across, squeeze=False)
    for k, (axes, iterate) in enumerate(zip(panels.flat, iterates, strict=True)):
        _draw(axes, result, table, "verdict" if iterate == "last" else f"verdict {iterate}")
        if len(iterates) > 1:
            axes.set_title(iterate, loc="left", size=9)
        axes.xaxis.tick_top()
        axes.tick_params(length=0, labelsize=7)
        set_ticks(axes.xaxis, [column + 0.5 for column in range(len(headings))], headings)
        set_ticks(axes.yaxis, [row + 0.5 for row in range(len(rows))], rows if k % across == 0 else [""] * len(rows))
    return figure


def _draw(axes: Any, result: SweepResult, table: Table, column: str) -> None:
    """Draw a panel: a coloured cell with its verdict in words for each cell of the table."""
    axes.grid(visible=False)
    axes.set_xlim(0, len(table.columns))
    axes.set_ylim(len(table.rows), 0)
    for side in axes.spines.values():
        side.set_visible(False)
    for row, cells in enumerate(table.at):
        for place, cell in enumerate(cells):
            answer = result.columns[column][cell] if result.done[cell] else FAILED
            face, words = VERDICTS.get(answer, "white"), ANSWERS.get(answer, answer)
            ink = "white" if answer in ("does_not_converge", "diverges", "undefined") else "black"
            box = Rectangle((place, row), 1, 1, facecolor=face, edgecolor="white", linewidth=1.5, gid=f"{row} {place} {answer}")
            axes.add_patch(box)
            text = "\n".join(textwrap.wrap(words, MOST_CHARACTERS))
            axes.text(place + 0.5, row + 0.5, text, size=6.5, color=ink, ha="center", va="center", linespacing=0.95)


def _headings(result: SweepResult, table: Table) -> list[str]:
    """Name the columns by what tells their values apart."""
    if not table.across:
        return [""]
    values = [read_value(result.columns[table.across][cell]) for cell in table.columns]
    names = [_told_apart(value, values) for value in values]
    if not isinstance(values[0], Mapping | str):
        names = [f"{symbol(table.across)} = {name}" for name in names]
    short = (printable(shortened(name, 3 * MOST_CHARACTERS)) for name in names)
    return ["\n".join(textwrap.wrap(name, MOST_CHARACTERS)) for name in short]


def _row_names(result: SweepResult, table: Table) -> list[str]:
    """Name the rows: the value of the first key that differs, and of others where it is not that of the first row."""
    keys = [
        key
        for key in result.about["keys"]
        if key != table.across and len({result.columns[key][cell] for cell in table.rows}) > 1
    ]
    values = {key: [read_value(result.columns[key][cell]) for cell in table.rows] for key in keys}
    names = []
    for row in range(len(table.rows)):
        parts = []
        for key, of_rows in values.items():
            first, own = of_rows[0], of_rows[row]
            if key == keys[0] and isinstance(own, Mapping | str):
                parts.append(_changed(own, first))
            elif own != first or not any(isinstance(one, Mapping | str) for one in of_rows):
                parts.append(f"{symbol(key)} {_changed(own, None)}")
        names.append(printable(shortened(", ".join(parts), LONGEST_ROW)))
    return names


def read_value(text: str) -> Any:
    """Return a swept value as it stands in sweep.csv: a number, a name, or a mapping."""
    try:
        return yaml.load(text, YAML_LOADER)
    except yaml.YAMLError:
        return text


def _changed(value: Any, first: Any) -> str:
    """Write a value: a component by its name and what is not as in `first`."""
    if not isinstance(value, Mapping):
        return f"{value:g}" if isinstance(value, float) else str(value)
    known = first if isinstance(first, Mapping) else {}
    shown = {key: one for key, one in value.items() if key != "name" and known.get(key) != one}
    parts = [f"{PARAMETERS.get(key, key)} {_plain(one)}".removeprefix("value ") for key, one in shown.items()]
    return f"{value.get('name', '')} ({', '.join(parts)})" if parts else str(value.get("name", ""))


def _plain(value: Any) -> str:
    """Write a value within another one: without brackets."""
    return _changed(value, None).replace(" (", " ").replace(")", "")


def _told_apart(value: Any, values: list[Any]) -> str:
    """Write a value of the columns: the name of a component, and those of its numbers in which values differ."""
    if not isinstance(value, Mapping):
        return _changed(value, None)
    leaves = [_leaves(one) for one in values]
    own = _leaves(value)
    differ = [key for key, one in own.items() if any(other.get(key) != one for other in leaves)]
    parts = [own[key] if key == "name" else f"{key.rpartition('.')[2]} {own[key]}" for key in differ]
    return " ".join(str(part) for part in parts) or str(value.get("name", ""))


def _leaves(value: Any, outer: str = "") -> dict[str, Any]:
    """Return the innermost values of nested mappings by their dotted keys."""
    found: dict[str, Any] = {}
    for key, one in value.items() if isinstance(value, Mapping) else ():
        found |= _leaves(one, f"{outer}{key}.") if isinstance(one, Mapping) else {f"{outer}{key}": one}
    return found
