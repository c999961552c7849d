"""The law of a user's own rows, drawn with replacement."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Distribution, Files, Law, Unusable
from nonconv.numerics.arithmetic import Array, Lanes, index
from nonconv.numerics.moments import center_and_spread


class Csv(NamedTuple):
    """Rows of a CSV file, drawn with replacement; one coordinate for each named column."""

    file: Annotated[str, Len(1), Doc("path of the file, relative to the config")]
    columns: Annotated[tuple[str, ...], Len(1), Doc("names from the header line, one for each coordinate")]
    standardise: Annotated[bool, Doc("subtract each column's mean and divide by its standard deviation")] = False
    sha256: Annotated[str, Doc("the file's digest; if given, any other content is refused")] = ""


class Rows(NamedTuple):
    """What the definitions need of a `Csv` once its file is read: its numbers, shape (rows, columns)."""

    table: Array


class RowConstants(NamedTuple):
    """size (columns,): the number of rows. values (columns, rows): the numbers column by column."""

    size: Lanes
    values: Lanes


def load(h: Csv, files: Files) -> Rows:
    """Read the rows, standardised if wanted.

    Raises Unusable for a column that does not vary and so cannot be standardised, and whatever `files` raises.
    """
    table = files.table(h.file, h.sha256, columns=h.columns)
    if not h.standardise:
        return Rows(table)
    # Divided by the number of rows, not by one less: the rows are the law, not a sample of it.
    center, spread = center_and_spread(table)
    constant = [entry for entry, width in enumerate(spread) if width == 0]
    if constant:
        what = "column {!r} is constant and cannot be standardised"
        raise Unusable(*(Complaint("columns", what.format(h.columns[entry]), entry=entry) for entry in constant))
    return Rows(np.asarray((table - center) / spread))


def law(h: Rows, dim: int) -> Law:
    """Return the exact moments of the rows, per column; `symmetric` if all columns are so up to rounding."""
    mean, _ = center_and_spread(h.table)
    deviation = h.table - mean
    # Symmetric about the mean: the sorted deviations are their own mirror image.
    ordered = np.sort(deviation, axis=0)
    symmetric = bool(np.allclose(ordered, -ordered[::-1], rtol=0, atol=1e-12 * float(np.ptp(h.table))))
    # In units of the furthest value, where no eighth power overflows.
    furthest = np.abs(deviation).max(axis=0)
    fourth, eighth = (((deviation / np.where(furthest > 0.0, furthest, 1.0)) ** k).mean(axis=0) for k in (4, 8))
    with np.errstate(over="ignore"):
        central_fourth = furthest**4 * fourth
    return Law(
        mean,
        (deviation**2).mean(axis=0),
        (deviation**3).mean(axis=0),
        h.table.min(axis=0),
        h.table.max(axis=0),
        symmetric,
        central_fourth,
        np.inf,
        np.where(eighth > 0.0, fourth**2 / np.where(eighth > 0.0, eighth, 1.0), 1.0),
    )


def prepare(h: Rows, dim: int) -> RowConstants:
    """Return the columns as contiguous arrays (columns, rows), since a kernel works on one coordinate at a time."""
    rows, columns = h.table.shape
    # The number of rows is a float since it only multiplies a uniform.
    return RowConstants(np.full(columns, float(rows)), np.ascontiguousarray(h.table.T))


def sample(k: RowConstants, u: Lanes) -> Lanes:
    """Return the number in row floor(u rows); every column gets the same u, so a sample is a whole row."""
    return k.values[index(u * k.size)]


CSV = Distribution(
    name="csv",
    parameters=Csv,
    paper="the empirical law of the file",
    load=load,
    law=law,
    constants=RowConstants,
    prepare=prepare,
    sample=sample,
    draws="row",
    rows=lambda h: len(h.table),
    dim=lambda h: len(h.columns),
    atoms=lambda h, dim: (h.table, np.full(len(h.table), 1.0 / len(h.table))),
)
