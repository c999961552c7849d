"""Numbers as files hold them: CSV in full precision, and what JSON has instead of inf and nan."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array

INFINITE = "infinite"
"""The status of a mean that is infinite, since its numbers have too heavy tails: there is no value to show."""


def number(value: float) -> float | None:
    """Return a number as JSON has it: None for one that is not finite."""
    return value if math.isfinite(value) else None


def known(value: float | None) -> float | None:
    """Return a number that may be missing as JSON has it: None for one that is missing or not finite."""
    return None if value is None else number(value)


def status(value: float) -> str:
    """Say what a number is that JSON has as null: finite, overflow or nan."""
    return "finite" if math.isfinite(value) else "nan" if math.isnan(value) else "overflow"


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Write CSV in full precision: reading a number back gives the same bits."""
    return as_lines(chain([columns], rows))


def with_gaps(numbers: Array, gaps: NDArray[np.bool_]) -> list[Any]:
    """Return a column of numbers (rows,) that is empty where there is a gap."""
    column: list[Any] = (np.where(gaps, "", numbers.astype(np.object_)) if gaps.any() else numbers).tolist()
    return column


def in_turn(tables: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Return the first row of each table, the second row of each, and so on."""
    return chain.from_iterable(zip(*tables, strict=True))


def as_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """Write lines of a CSV file, without a header."""
    buffer = io.StringIO()
    # Python writes a float with as few digits as identify it. Lines end the same way on every system.
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
