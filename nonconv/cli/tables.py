"""Tables that fit the width of a terminal: words are never torn, numbers never cut.

A table of text is narrowed by wrapping its cells between words. Where its longest words alone are too wide, each row is
written as a record, one line per column. A table of numbers that is too wide becomes several, each with the first column.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

from nonconv.system.streams import legible, visible
from nonconv.terminal.lines import LEAST_WIDTH, line_width, wrapped

TEXT_WIDTH, NUMBERS_WIDTH = 160, 1000
"""Widths of tables that are not printed on a terminal. Numbers are then never split."""
BETWEEN, AROUND = 3, 2
"""Characters between two columns, and around all of them."""
Rows = Sequence[Sequence[str]]


def print_table(title: str, header: Sequence[str], rows: Rows, numbers: bool = False) -> None:
    """Print a table on stdout, as wide as the terminal allows.

    numbers: align columns to the right and do not wrap them.
    """
    # Elsewhere the width is fixed, so that output in files does not depend on the terminal.
    on_terminal = _is_wrapped()
    width = max(LEAST_WIDTH, shutil.get_terminal_size().columns) if on_terminal else NUMBERS_WIDTH if numbers else TEXT_WIDTH
    header, rows = [*map(shown, header)], [[*map(shown, row)] for row in rows]  # escapes count for the width
    if title:
        print(wrapped(title, width) if on_terminal else title)
    for line in lines(header, rows, width, numbers):
        print(line)


def print_sentence(text: str) -> None:
    """Print a sentence on stdout, on a terminal wrapped to lines that are easy to read."""
    print(wrapped(shown(text), line_width()) if _is_wrapped() else text)


def print_prose(text: str) -> None:
    """Print paragraphs as sentences; of one with an indented line, as a formula, only lines that are too long are wrapped."""
    for number, paragraph in enumerate(text.split("\n\n")):
        lines = paragraph.splitlines()
        if number:
            print()
        if any(line.startswith("  ") for line in lines):
            for line in lines:
                indent = " " * (len(line) - len(line.lstrip()) + 4)
                print(wrapped(shown(line), line_width(), indent) if _is_wrapped() else line)
        else:
            print_sentence(" ".join(lines) if _is_wrapped() else paragraph)


def _is_wrapped() -> bool:
    """Return whether lines have a width: on a terminal, and where COLUMNS says so."""
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def shown(text: str) -> str:
    """Return a text as stdout shows it, so that its width is known."""
    return legible(visible(text), getattr(sys.stdout, "encoding", None))


def lines(header: Sequence[str], rows: Rows, width: int, numbers: bool = False) -> Iterator[str]:
    """Yield the lines of a table of at most this width, unless a single word is wider."""
    if numbers:
        for columns in _split(_natural_widths(header, rows), width):
            part = [[row[k] for k in columns] for row in (header, *rows)]
            yield from _drawn(part[0], part[1:], _natural_widths(part[0], part[1:]), numbers)
        return
    widths = fitted_widths(header, rows, width)
    yield from _drawn(header, rows, widths, numbers) if widths else _records(header, rows, width)


def fitted_widths(header: Sequence[str], rows: Rows, width: int) -> list[int]:
    """Return the width of each column so that the table fits and no word is torn; empty where that cannot be."""
    found = _natural_widths(header, rows)
    least = [max(_longest_word(row[k]) for row in (header, *rows)) for k in range(len(header))]
    spare = width - AROUND - BETWEEN * (len(header) - 1)
    if sum(least) > spare:
        return []
    while sum(found) > spare:
        # The widest column that can still give way does, to where it is as wide as the next.
        k = max((k for k in range(len(found)) if found[k] > least[k]), key=lambda k: found[k])
        found[k] -= 1
    return found


def _natural_widths(header: Sequence[str], rows: Rows) -> list[int]:
    """Return the width of each column if nothing is wrapped."""
    return [max(_width(line) for row in (header, *rows) for line in (row[k].splitlines() or [""])) for k in range(len(header))]


def _longest_word(text: str) -> int:
    return max(map(_width, text.split()), default=1)


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    from rich.cells import cell_len

    return cell_len(text)


def _split(widths: Sequence[int], most: int) -> list[list[int]]:
    """Return the numbers of the columns of each part of a table that is too wide; the first column is in all of them."""
    parts: list[list[int]] = [[0]] if widths else []
    used = first = AROUND + widths[0] if widths else 0
    for k, width in enumerate(widths[1:], 1):
        if used + BETWEEN + width > most and len(parts[-1]) > 1:
            parts.append([0])
            used = first
        parts[-1].append(k)
        used += BETWEEN + width
    return parts


def _drawn(header: Sequence[str], rows: Rows, widths: Sequence[int], numbers: bool) -> Iterator[str]:
    """Yield the lines of a table whose columns have these widths."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, width in zip(header, widths, strict=True):
        column: dict[str, Any] = {"no_wrap": True} if numbers else {"overflow": "fold"}
        table.add_column(name, justify="right" if numbers else "left", width=width, **column)
    for row in rows:
        table.add_row(*row)
    text, total = StringIO(), sum(widths) + BETWEEN * len(widths) + AROUND
    Console(width=total, highlight=False, markup=False, emoji=False, file=text).print(table)
    yield from (line.rstrip() for line in text.getvalue().splitlines())


def _records(header: Sequence[str], rows: Rows, width: int) -> Iterator[str]:
    """Yield each row as a block of lines, one or more per column, with its name."""
    indent = max(map(_width, header)) + 2
    yield ""
    for row in rows:
        for name, text in zip(header, row, strict=True):
            yield from wrapped(f"{name:{indent}}{text}", width, " " * indent).splitlines()
        yield ""
