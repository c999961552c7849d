"""Numbers as files hold them."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any


def number(value: float) -> float | None:
    """A number as JSON knows it: None for one that is not finite."""
    return value if math.isfinite(value) else None


def status(value: float) -> str:
    """What becomes of a number in JSON, which has null for what is not finite: finite, overflow or nan."""
    return "finite" if math.isfinite(value) else "nan" if math.isnan(value) else "overflow"


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Full-precision CSV: reading a number back gives the same bits."""
    return as_lines(chain([columns], rows))


def as_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """Lines of a CSV file, without a header of their own."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
