"""A user's CSV file as numbers, or what is wrong with it, by line and column."""

import csv
import hashlib
import io
import math
from pathlib import Path

import numpy as np

from nonconv.arithmetic import Array
from nonconv.config.problems import Place, Problem, nearest

MOST_PROBLEMS = 20


class TableError(Exception):
    """The file cannot be used; holds every problem found. A problem without a place of its own is the config's."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def _of_config(message: str, key: str, allowed: str = "", near: str = "") -> TableError:
    return TableError(Problem(message, Place("", 0, 0, ""), key, allowed, near))


def read_table(path: Path, columns: tuple[str, ...]) -> tuple[Array, str]:
    """The named columns, shape (rows, columns), and the file's sha256. Raises TableError."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise _of_config(f"there is no file {path}", "file") from None
    except UnicodeDecodeError:
        raise _of_config(f"{path} is not UTF-8 text", "file") from None
    except OSError as error:
        raise _of_config(f"{path} cannot be read: {error.strerror}", "file") from None
    return _numbers(path, text, columns), hashlib.sha256(content).hexdigest()


def _numbers(path: Path, text: str, columns: tuple[str, ...]) -> Array:
    reader = csv.reader(io.StringIO(text))
    header = [name.strip() for name in next(reader, [])]
    for column in columns:
        if header.count(column) != 1:
            what = "has no column" if column not in header else "has more than one column"
            raise _of_config(f"{path} {what} {column!r}", "columns", ", ".join(header), nearest(column, header))
    places = [header.index(column) for column in columns]
    rows, problems = [], []
    for row in reader:
        if not row:
            continue
        numbers = [_number(path, reader.line_num, row, header, place) for place in places]
        problems += [number for number in numbers if isinstance(number, Problem)]
        rows.append(numbers)
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise TableError(*problems)
    if not rows:
        raise _of_config(f"{path} has a header and no rows", "file")
    return np.array(rows, dtype=np.float64)


def _number(path: Path, line: int, row: list[str], header: list[str], place: int) -> float | Problem:
    where = Place(str(path), line, place + 1, "")
    if place >= len(row):
        return Problem(f"the line has {len(row)} fields, the header {len(header)}", where, header[place])
    try:
        value = float(row[place])
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    return Problem(f"{row[place]!r} is not a finite number (field {place + 1} of the line)", where, header[place])
