"""CSV data files read back, by columns. Cells stay text until somebody asks for numbers, so nothing is lost."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nonconv.faults.errors import UsageError
from nonconv.numerics.arithmetic import Array
from nonconv.system.words import count

T = TypeVar("T")
LONG, SEPARATOR = 2000, "\x1e"
"""A table of more rows is kept as PackedTexts, which this character separates."""
MOST_SHOWN = 300
"""Characters of the names of columns in an error."""


class PackedTexts(Mapping[str, list[str]]):
    """Columns of a long table, each one text until it is asked for: lists of texts take four times the memory.

    A table of a hundred thousand cells has a hundred columns, of which most readers need ten.
    """

    def __init__(self, header: Sequence[str]) -> None:
        self._chunks: dict[str, list[str]] = {name: [] for name in header}
        self._lists: dict[str, list[str]] = {}

    def add(self, rows: Sequence[Sequence[str]]) -> bool:
        """Add rows, unless one of them holds what separates texts here; return whether they were added."""
        joined = [SEPARATOR.join(texts) for texts in zip(*rows, strict=True)]
        if any(text.count(SEPARATOR) != len(rows) - 1 for text in joined):
            return False
        for chunks, text in zip(self._chunks.values(), joined, strict=True):
            chunks.append(text)
        return True

    def __getitem__(self, name: str) -> list[str]:
        """Return a column, which is kept as a list from now on."""
        if name not in self._lists:
            self._lists[name] = self.read(name)
        return self._lists[name]

    def read(self, name: str) -> list[str]:
        """Return a column, which is not kept."""
        return self._lists.get(name) or SEPARATOR.join(self._chunks[name]).split(SEPARATOR)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._chunks)

    def __len__(self) -> int:
        """Return how many columns there are."""
        return len(self._chunks)


@dataclass(frozen=True)
class Columns:
    """A data file, or some of its rows. texts: each column as it is written, by name."""

    path: Path
    texts: Mapping[str, list[str]]

    def __getitem__(self, name: str) -> list[str]:
        """Return a column as it is written. Raises UsageError if the file has no such column."""
        if name not in self.texts:
            known = ", ".join(self.texts)
            shown = known if len(known) < MOST_SHOWN else f"{known[:MOST_SHOWN]}..."
            raise UsageError(f"{self.path} has no column {name!r}; it has {shown}")
        return self.texts[name]

    @property
    def rows(self) -> int:
        """How many rows there are, without the header."""
        return len(next(iter(self.texts.values()), []))

    def numbers(self, name: str) -> Array:
        """Return a column of numbers, shape (rows,); nan where it is empty. Raises UsageError for what is no number."""
        return np.array(self._convert(name, lambda text: float(text) if text else np.nan), dtype=np.float64)

    def integers(self, name: str) -> NDArray[np.int64]:
        """Return a column of whole numbers, shape (rows,). Raises UsageError for what is none."""
        try:
            return np.array(self._convert(name, int), dtype=np.int64)
        except OverflowError:
            raise UsageError(f"{self.path}: column {name} has a number beyond 64 bits") from None

    def _convert(self, name: str, convert: Callable[[str], T]) -> list[T]:
        """Convert each text of a column. Raises UsageError with file and column."""
        try:
            return [convert(text) for text in self[name]]
        except ValueError as error:
            raise UsageError(f"{self.path}: column {name}: {error}") from None

    def values(self, name: str) -> list[str]:
        """List the different texts in a column, in the order of their first rows."""
        return list(dict.fromkeys(self[name]))

    def where(self, name: str, text: str) -> "Columns":
        """Select the rows with this text in a column."""
        return self.select([found == text for found in self[name]])

    def select(self, mask: Any) -> "Columns":
        """Select the rows for which the mask, shape (rows,), is true."""
        kept = np.flatnonzero(mask).tolist()
        read = self.texts.read if isinstance(self.texts, PackedTexts) else self.texts.__getitem__
        return Columns(self.path, {name: [column[k] for k in kept] for name in self.texts for column in [read(name)]})

    def records(self) -> list[dict[str, str]]:
        """List the rows, each as texts by column name."""
        return [dict(zip(self.texts, row, strict=True)) for row in zip(*self.texts.values(), strict=True)]


def read_columns(path: Path) -> Columns:
    """Read a data file. Raises UsageError if it is missing, empty, no UTF-8 text, or has rows of different lengths."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return _parsed(file, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def columns_of(content: bytes, path: Path) -> Columns:
    """Read the content of a data file. path: what errors call it. Raises UsageError as `read_columns` does."""
    return _parsed(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline=""), path)


def _parsed(file: Iterable[str], path: Path) -> Columns:
    """Read the lines of a data file."""
    lines = csv.reader(file)
    try:
        header = next(lines, None)
        if header is None:
            raise UsageError(f"{path} is empty: a data file has at least the names of its columns")
        if len(set(header)) < len(header):
            raise UsageError(f"{path} is damaged: two columns have the same name")
        return Columns(path, _texts(header, _checked(lines, len(header), path)))
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None
    except csv.Error as error:
        raise UsageError(f"{path} is damaged: {error}") from None


def _checked(lines: Iterable[list[str]], length: int, path: Path) -> Iterator[list[str]]:
    """Yield rows. Raises UsageError for one that has not this length."""
    for k, row in enumerate(lines):
        if len(row) != length:
            raise UsageError(f"{path}: row {k + 1} below the names has {count(len(row), 'field')}, not {length}")
        yield row


def _texts(header: list[str], rows: Iterator[list[str]]) -> Mapping[str, list[str]]:
    """Return the columns of rows."""
    first = list(islice(rows, LONG + 1))
    if len(first) <= LONG:
        return _lists(header, first)
    found, read = PackedTexts(header), first
    while read:
        if not found.add(read):
            return _lists(header, [*zip(*found.values(), strict=True), *read, *rows])
        read = list(islice(rows, LONG))
    return found


def _lists(header: list[str], rows: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Return the columns of rows as lists."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in header]
    return dict(zip(header, columns, strict=True))
