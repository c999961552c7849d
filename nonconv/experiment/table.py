"""A user's CSV file as numbers, or what is wrong with it, by line and column."""

import csv
import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from nonconv.config.document import kind_of
from nonconv.data.values import LARGEST
from nonconv.faults.problems import Place, Problem, nearest
from nonconv.numerics.arithmetic import Array

MOST_PROBLEMS = 20


class TableError(Exception):
    """The file cannot be used; holds every problem found. A problem without a place of its own is the config's."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def _of_config(message: str, key: str, allowed: str = "", near: str = "") -> Problem:
    return Problem(message, Place("", 0, 0, ""), key, allowed, near)


def read_table(path: Path, columns: tuple[str, ...]) -> tuple[Array, str]:
    """The named columns, shape (rows, columns), and the file's sha256. Raises TableError."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise TableError(_of_config(f"there is no file {path}", "file")) from None
    except UnicodeDecodeError:
        raise TableError(_of_config(f"{path} is not UTF-8 text", "file")) from None
    except OSError as error:
        raise TableError(_of_config(f"{path} cannot be read: {error.strerror}", "file")) from None
    except ValueError:
        raise TableError(_of_config("no file has a null character in its name", "file")) from None
    if not text.strip():
        raise TableError(_of_config(f"{path} is empty", "file"))
    return _numbers(path, text, columns), hashlib.sha256(content).hexdigest()


def _numbers(path: Path, text: str, columns: tuple[str, ...]) -> Array:
    lines = _lines(path, text)
    _, first = next(lines, (None, []))
    header = [name.strip() for name in first]
    fields = _fields(path, header, columns)
    rows: list[list[float]] = []
    problems: list[Problem] = []
    for line, row in lines:
        if len(problems) >= MOST_PROBLEMS:
            problems.append(Problem("not read from here on, where so much is wrong", replace(line, text="")))
            break
        if len(row) == len(header):
            rows.append([_number(line, row, field, header, problems) for field in fields])
        else:
            problems.append(Problem(f"the number of fields is {len(row)}, in the header it is {len(header)}", line))
    if problems:
        raise TableError(*problems)
    if not rows:
        raise TableError(_of_config(f"{path} has no rows below its header", "file"))
    return np.array(rows, dtype=np.float64)


def _lines(path: Path, text: str) -> Iterator[tuple[Place, list[str]]]:
    """The place and the fields of every line that is not blank; of a row that spans lines, the last of them."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    reader = csv.reader(lines, skipinitialspace=True)
    try:
        for row in reader:
            if row:
                line = lines[reader.line_num - 1]
                yield Place(str(path), reader.line_num, 1, line, len(line)), row
    except csv.Error as error:
        raise TableError(Problem(f"not CSV: {error}", Place(str(path), reader.line_num, 1, ""))) from None


def _fields(path: Path, header: list[str], columns: tuple[str, ...]) -> list[int]:
    """Where each column stands in a row."""
    names = ", ".join(header)
    unknown = [column for column in columns if column not in header]
    double = [column for column in columns if header.count(column) > 1]
    if unknown or double:
        raise TableError(
            *(_of_config(f"{path} has no column {c!r}", "columns", names, nearest(c, header)) for c in unknown),
            *(_of_config(f"{path} has more than one column {c!r}", "columns") for c in double),
        )
    return [header.index(column) for column in columns]


def _number(line: Place, row: list[str], field: int, header: list[str], problems: list[Problem]) -> float:
    """The number in a field; if it is none, a problem more."""
    try:
        value = float(row[field])
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        allowed = f"a number of at most {LARGEST:g} either way" if math.isfinite(value) else "a finite number"
        where = line if '"' in line.text else _of_field(line, field)
        problems.append(Problem(f"cannot be {kind_of(row[field])}", where, header[field], allowed))
    return value


def _of_field(line: Place, field: int) -> Place:
    """A field's own place in a line without quotes."""
    fields = line.text.split(",")
    return replace(line, column=1 + sum(len(text) + 1 for text in fields[:field]), width=max(1, len(fields[field])))
