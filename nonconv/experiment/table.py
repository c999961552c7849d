"""Read a user's CSV file as numbers; problems name line and column.

Not by numpy.loadtxt, which stops at the first bad number and cannot say what the header calls its column.
"""

import csv
import io
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nonconv.components.definitions import Complaint, Unusable
from nonconv.config.hints import DECIMAL_SIGN, has_decimal_comma
from nonconv.data.values import LARGEST
from nonconv.faults.problems import Place, Problem, kind_of, must_be, nearest
from nonconv.numerics.arithmetic import Array
from nonconv.system.words import count

MARKED = 1000
"""Bytes at the beginning of a file that show how it is encoded: UTF-16 has zeros among them."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""What other programs write between fields."""
CLASSES = "texts are read as classes with labels: classes"
MOST_PROBLEMS = 20
"""Problems after which reading stops: a file with the wrong separator has one per line."""

LARGE = 10**6
"""Bytes of a file that is worth NumPy's quick reader, which cannot say what is wrong where."""
MOST_NUMBERS = 20_000_000
"""Numbers that are read from a file: 160 MB, and the laws of data take a few times as much."""


class TableError(Exception):
    """Raised where lines of a file are not rows of numbers. problems: every one found, up to MOST_PROBLEMS."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def read_table(path: Path, content: bytes, columns: Mapping[str, tuple[str, ...]], classes: str = "") -> Array:
    """Read the named columns, shape (rows, columns), of the content of a file.

    columns: names by the parameter that lists them. classes: the parameter of the column that may hold texts.
    Raises TableError for wrong lines, or Unusable where the config is at fault, as for a column that the file does not have.
    """
    if not content.strip(b"\xef\xbb\xbf \t\r\n"):
        raise Unusable(Complaint("file", f"{path} is empty"))
    if b"\0" in content[:MARKED]:
        raise Unusable(Complaint("file", f"{path} is UTF-16 or no text at all; save it as UTF-8, in Excel as `CSV UTF-8`"))
    try:
        header, fields = _read_header(path, _Lines(path, content), columns)
        numbers = _read_large(content, header, fields)
        codes = _number_classes(_Lines(path, content), header, columns.get(classes, ())) if numbers is None else {}
        if numbers is None:
            numbers = _read_numbers(_Lines(path, content), header, fields, codes)
        if numbers is None:
            # A column of texts may be meant as classes.
            targets = () if classes else columns.get("targets", ())
            raise TableError(*_find_problems(_Lines(path, content), header, fields, codes, targets))
    except UnicodeDecodeError:
        raise Unusable(Complaint("file", f"{path} is not UTF-8 text")) from None
    if not len(numbers):
        raise Unusable(Complaint("file", f"{path} has no rows below its header"))
    return numbers


def _read_header(path: Path, lines: "_Lines", columns: Mapping[str, tuple[str, ...]]) -> tuple[list[str], list[int]]:
    """Return the names of all columns, and the positions of those wanted. Raises Unusable."""
    header = [name.strip() for name in next(lines, [])]
    fields = _find_columns(path, header, columns)
    rows = max(lines.content.count(b"\n"), lines.content.count(b"\r"))
    if rows * len(fields) > MOST_NUMBERS:
        what = f"{path} has about {rows * len(fields)} numbers in these columns, more than {MOST_NUMBERS}"
        raise Unusable(Complaint("file", what))
    return header, fields


def _read_large(content: bytes, header: list[str], fields: list[int]) -> Array | None:
    """Do as `_read_numbers` by NumPy, three times as fast; None for a file that is small, or not of numbers throughout."""
    fit = content.count(b",") + content.count(b"\n") <= MOST_NUMBERS  # NumPy reads all columns
    if len(content) < LARGE or b'"' in content or not fit:
        return None
    try:
        lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig")
        found = np.loadtxt(lines, delimiter=",", skiprows=1, comments=None, ndmin=2)
    except ValueError:
        return None
    return _within_bounds(found[:, fields]) if found.shape[1] == len(header) else None


def _within_bounds(numbers: Array) -> Array | None:
    """Return numbers (rows, columns) if all can be used; nan cannot."""
    good = not len(numbers) or (numbers.min() >= -LARGEST and numbers.max() <= LARGEST)
    return np.ascontiguousarray(numbers) if good else None


Codes = dict[int, dict[str, float]]
"""Numbers of texts, by the position of their column."""


def _number_classes(lines: "_Lines", header: list[str], names: tuple[str, ...]) -> Codes:
    """Number the texts of a column in sorted order; empty if a row has a number there, or no such field."""
    if len(names) != 1:
        return {}
    field, texts = header.index(names[0]), set[str]()
    next(lines)
    for row in lines:
        if len(row) != len(header) or _is_number(row[field]):
            return {}
        texts.add(row[field].strip())
    return {field: {text: float(k) for k, text in enumerate(sorted(texts - {""}))}}


def _is_number(text: str) -> bool:
    """Whether a text is a number, finite or not."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_numbers(lines: "_Lines", header: list[str], fields: list[int], codes: Codes) -> Array | None:
    """Read fields of every row below the header, shape (rows, fields); None if anything is wrong with one of them.

    One row is in memory at a time, and 8 bytes per number: a list of rows would take ten times as much.
    """
    numbers, width = array("d"), len(header)
    next(lines)
    try:
        for row in lines.reader:
            if len(row) == width:
                for field, known in codes.items():
                    row[field] = str(known[row[field].strip()])
                numbers.extend([float(row[field]) for field in fields])
            elif row:  # a missing field would shift all numbers after it
                return None
    except (ValueError, KeyError, csv.Error):
        return None
    return _within_bounds(np.frombuffer(numbers, dtype=np.float64).reshape(-1, len(fields)))


def _find_problems(
    lines: "_Lines", header: list[str], fields: list[int], codes: Codes, targets: Sequence[str]
) -> list[Problem]:
    """Find what is wrong with the rows below the header, up to MOST_PROBLEMS. targets: columns that could hold classes."""
    problems: list[Problem] = []
    next(lines)
    for row in lines:
        if len(problems) >= MOST_PROBLEMS:
            return [*problems, Problem(f"stopped after {MOST_PROBLEMS} problems", replace(lines.place, text=""))]
        if len(row) == len(header):
            problems += _complaints(lines.place, row, [field for field in fields if field not in codes], header, targets)
            problems += [Problem("is empty", lines.place, header[field]) for field in codes if not row[field].strip()]
        else:
            comma = "; a comma separates fields, and is no decimal sign" if len(row) > len(header) else ""
            problems.append(
                Problem(f"this line has {count(len(row), 'field')}, the header has {len(header)}{comma}", lines.place)
            )
    return problems


class _Lines:
    """Yield the fields of every row that is not empty. Raises TableError, and UnicodeDecodeError at text that is not UTF-8."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content, self.line = path, content, ""
        # Excel begins UTF-8 files with a mark, which would be part of the first column's name.
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=None)
        self.reader = csv.reader(self._remember(text), skipinitialspace=True)

    def _remember(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield lines without their ends, each remembered for messages while it is read."""
        for line in lines:
            self.line = line.removesuffix("\n")
            yield self.line

    @property
    def place(self) -> Place:
        """The place of the last row; of one that spans lines, the last of them."""
        return Place(str(self.path), self.reader.line_num, 1, self.line, len(self.line))

    def __iter__(self) -> Iterator[list[str]]:
        """Return itself, as iterators do."""
        return self

    def __next__(self) -> list[str]:
        """Return the fields of the next row."""
        try:
            row = next(self.reader)
            while not row:
                row = next(self.reader)
        except csv.Error as error:
            raise TableError(Problem(f"not CSV: {error}", Place(str(self.path), self.reader.line_num, 1, ""))) from None
        return row


def _find_columns(path: Path, header: list[str], columns: Mapping[str, tuple[str, ...]]) -> list[int]:
    """Return the position of each column in a row. Raises Unusable."""
    named = [(parameter, entry, name) for parameter, names in columns.items() for entry, name in enumerate(names)]
    missing = [(parameter, entry, name) for parameter, entry, name in named if name not in header]
    if missing and (format_of := _describe_format(header)):
        raise Unusable(Complaint("file", f"{path} {format_of}"))
    wrong = [
        Complaint(parameter, f"{path} has no column {name!r}", ", ".join(header), entry, _nearest_column(name, header))
        for parameter, entry, name in missing
    ]
    wrong += [
        Complaint(parameter, f"{path} has more than one column {name!r}", entry=entry)
        for parameter, entry, name in named
        if header.count(name) > 1
    ]
    if wrong:
        raise Unusable(*wrong)
    return [header.index(name) for _, _, name in named]


def _describe_format(header: list[str]) -> str:
    """Say what is in the way of reading columns: another separator, or Excel's line about it; empty if nothing is."""
    if header[:1] and header[0].lower().startswith("sep="):
        return "begins with a line `sep=` for Excel; remove it, and separate fields by commas"
    found = next((sign for sign in SEPARATORS if len(header) <= 2 and any(sign in name for name in header)), "")
    if not found:
        return ""
    decimal = ", with a point as decimal sign" if found != "|" else ""
    return f"is separated by {SEPARATORS[found]}; save it with commas between fields{decimal}"


def _nearest_column(name: str, header: list[str]) -> str:
    """Return the column that is spelled alike, but for case or spaces, or the only one that begins so: `Temp (C)` for temp."""
    plain = name.strip().casefold()
    same = [column for column in header if column.casefold() == plain]
    begins = [column for column in header if plain and column.casefold().startswith(plain)]
    holds = [column for column in header if plain and plain in column.casefold()]
    return next((some[0] for some in (same, begins, holds) if len(some) == 1), "") or nearest(name, header)


def _complaints(
    line: Place, row: list[str], fields: Sequence[int], header: list[str], targets: Sequence[str]
) -> Iterator[Problem]:
    """Yield a problem for each of the fields that holds no number that can be used."""
    for field in fields:
        try:
            value = float(row[field])
        except ValueError:
            value = math.nan
        if not abs(value) <= LARGEST:
            allowed = f"between {-LARGEST:g} and {LARGEST:g}" if math.isfinite(value) else "a finite number"
            # In a line with quotes, commas do not show where a field begins.
            where = line if '"' in line.text else _place_of_field(line, field)
            message, listed = must_be(allowed, kind_of(row[field]))
            hint = CLASSES if header[field] in targets and not _is_number(row[field]) else ""
            hint = DECIMAL_SIGN if has_decimal_comma(row[field]) else hint
            yield Problem(message, where, header[field], listed, hint=hint)


def _place_of_field(line: Place, field: int) -> Place:
    """Return a field's own place in a line without quotes."""
    fields = line.text.split(",")
    return replace(line, column=1 + sum(len(text) + 1 for text in fields[:field]), width=max(1, len(fields[field])))
