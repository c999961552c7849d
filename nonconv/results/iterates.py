"""Rows of several iterates in one file: those of the last one first, with a column that names the iterate."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from nonconv.experiment.cell import Cell

BEFORE = ("xi", "floor")
"""The column `iterate` stands before these."""

Rows = Iterable[tuple[Any, ...]]


def with_iterates(cell: Cell, columns: tuple[str, ...], rows: list[Any]) -> tuple[tuple[str, ...], Rows]:
    """Return the columns and the rows of all iterates, given those of each; unchanged where the last is the only one."""
    if len(rows) == 1:
        return columns, rows[0]
    at = next(columns.index(name) for name in BEFORE if name in columns)
    named = (_named(own, label, at) for label, own in zip(cell.iterates, rows, strict=True))
    return (*columns[:at], "iterate", *columns[at:]), chain.from_iterable(named)


def _named(rows: Rows, label: str, at: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows with the name of their iterate at this place."""
    for row in rows:
        yield (*row[:at], label, *row[at:])
