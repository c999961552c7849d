"""Rows of several iterates in one file: those of the last one first, with a column that names the iterate."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.statistics.measured_block import MSE_PREFIX, end_names

FLOORS = ("twin", "window", "cauchy")
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


def of_iterate(name: str, iterate: str) -> str:
    """Name an error, a floor or a verdict of an iterate besides the last: `mse: minimizer polyak`."""
    return f"{name} {iterate}"


def split_name(name: str, iterates: Iterable[str]) -> tuple[str, str]:
    """Split what `of_iterate` has joined; the iterate is empty for the last."""
    iterate = max((one for one in iterates if name.endswith(f" {one}")), key=len, default="")
    return (name.removesuffix(f" {iterate}"), iterate) if iterate else (name, "")


def ends_of_iterates(names: Iterable[str], rows: Iterable[Array], iterate: str) -> Iterator[tuple[str, Array]]:
    """Yield the errors and floors that paths end with as an iterate sees them, with their names. names: of the last's rows."""
    for name, row in zip(names, rows, strict=True):
        if _is_seen(name):
            yield of_iterate(name, iterate), row


def all_end_names(cell: Cell) -> list[str]:
    """Return the names of what each path ends with, of all iterates."""
    names = end_names(cell)
    return [*names, *(of_iterate(name, iterate) for iterate in cell.iterates[1:] for name in names if _is_seen(name))]


def _is_seen(name: str) -> bool:
    """Return whether each iterate has its own: an error or a floor, and not what is measured of a network."""
    return name.startswith(MSE_PREFIX) or name in FLOORS
