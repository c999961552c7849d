"""Read a user's CSV file as numbers; problems name line and column.

Not by numpy.loadtxt, which stops at the first bad number and cannot say what the header calls its column.
"""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from nonconv.components.definitions import Complaint, Unusable
from nonconv.data.values import LARGEST
from nonconv.faults.problems import Place, Problem, kind_of, must_be, nearest
from nonconv.numerics.arithmetic import Array

MOST_PROBLEMS = 20
"""Problems after which reading stops: a file with the wrong separator has one per line."""


class TableError(Exception):
    """Raised where lines of a file are not rows of numbers. problems: every one found, up to MOST_PROBLEMS."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def read_table(path: Path, content: bytes, columns: Mapping[str, tuple[str, ...]]) -> Array:
    """Read the named columns, shape (rows, columns), of the content of a file.

    columns: names by the parameter that lists them. Raises TableError for wrong lines, or Unusable where the config is at
    fault, as for a column that the file does not have.
    """
    try:
        # Excel begins UTF-8 files with a mark, which would be part of the first column's name.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable(Complaint("file", f"{path} is not UTF-8 text")) from None
    if not text.strip():
        raise Unusable(Complaint("file", f"{path} is empty"))
    lines = _lines(path, text)
    _, first = next(lines, (None, []))
    header = [name.strip() for name in first]
    fields = _find_columns(path, header, columns)
    rows: list[list[float]] = []
    problems: list[Problem] = []
    for line, row in lines:
        if len(problems) >= MOST_PROBLEMS:
            problems.append(Problem(f"stopped after {MOST_PROBLEMS} problems", replace(line, text="")))
            break
        # Checked per row: a missing field would shift all numbers after it.
        if len(row) == len(header):
            rows.append([_number(line, row, field, header, problems) for field in fields])
        else:
            problems.append(Problem(f"this line has {_number_of_fields(row)}, the header has {len(header)}", line))
    if problems:
        raise TableError(*problems)
    if not rows:
        raise Unusable(Complaint("file", f"{path} has no rows below its header"))
    return np.array(rows, dtype=np.float64)


def _number_of_fields(row: list[str]) -> str:
    """Write how many fields a row has."""
    return "1 field" if len(row) == 1 else f"{len(row)} fields"


def _lines(path: Path, text: str) -> Iterator[tuple[Place, list[str]]]:
    """Yield the place and the fields of every row; a row that spans lines has the place of its last one."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    reader = csv.reader(lines, skipinitialspace=True)
    try:
        for row in reader:
            if row:
                line = lines[reader.line_num - 1]
                yield Place(str(path), reader.line_num, 1, line, len(line)), row
    except csv.Error as error:
        raise TableError(Problem(f"not CSV: {error}", Place(str(path), reader.line_num, 1, ""))) from None


def _find_columns(path: Path, header: list[str], columns: Mapping[str, tuple[str, ...]]) -> list[int]:
    """Return the position of each column in a row. Raises Unusable."""
    named = [(parameter, entry, name) for parameter, names in columns.items() for entry, name in enumerate(names)]
    wrong = [
        Complaint(parameter, f"{path} has no column {name!r}", ", ".join(header), entry, nearest(name, header))
        for parameter, entry, name in named
        if name not in header
    ]
    wrong += [
        Complaint(parameter, f"{path} has more than one column {name!r}", entry=entry)
        for parameter, entry, name in named
        if header.count(name) > 1
    ]
    if wrong:
        raise Unusable(*wrong)
    return [header.index(name) for _, _, name in named]


def _number(line: Place, row: list[str], field: int, header: list[str], problems: list[Problem]) -> float:
    """Return the number in a field; add a problem if there is none."""
    try:
        value = float(row[field])
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        allowed = f"between {-LARGEST:g} and {LARGEST:g}" if math.isfinite(value) else "a finite number"
        # In a line with quotes, commas do not show where a field begins.
        where = line if '"' in line.text else _place_of_field(line, field)
        message, listed = must_be(allowed, kind_of(row[field]))
        problems.append(Problem(message, where, header[field], listed))
    return value


def _place_of_field(line: Place, field: int) -> Place:
    """Return a field's own place in a line without quotes."""
    fields = line.text.split(",")
    return replace(line, column=1 + sum(len(text) + 1 for text in fields[:field]), width=max(1, len(fields[field])))
