"""A data file as columns: NumPy arrays by name, and a DataFrame of pandas or polars where one is wanted."""

import re
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.api import html
from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest
from nonconv.results.columns import Columns
from nonconv.statistics.measured_block import OUTCOMES

WORDS = ("xi", "iterate", "quantity", "floor", "cell", "status", "verdict", "reason", "outcome", "group")
"""Columns that hold names, also where these look like numbers; so do those whose first word is one of these."""
COUNTS = ("step", "n", "n_finite", "lag", "coordinate", "paths", *OUTCOMES)
"""Columns of whole numbers; of failed cells they are empty, and nan."""
LIBRARIES = ("pandas", "polars")
MOST_SHOWN = 12
"""Rows that a notebook shows of a table."""


class Table(Mapping[str, NDArray[Any]]):
    """The columns of a data file by name, each an array of shape (rows,).

    Numbers are float64, counts and steps int64, names texts. What is empty in the file is nan.

        result.error["mse"], result.error["xi"] == "minimizer"
        result.error.where(xi="minimizer")["mse"]
        result.error.frame()
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._columns = dict(columns)

    @classmethod
    def of(cls, file: Columns, keys: Collection[str] = ()) -> "Table":
        """Return the table of a data file. keys: the columns that hold values of a config."""
        return cls({name: _typed(name, texts, name in keys) for name, texts in file.texts.items()})

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column. Raises KeyError, which tells the columns there are."""
        if name not in self._columns:
            near = f"; did you mean {close!r}?" if isinstance(name, str) and (close := nearest(name, self)) else ""
            raise KeyError(f"no column {name!r}; there are {', '.join(self)}{near}")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the columns."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return how many columns there are."""
        return len(self._columns)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self._columns.values()), ()))

    def where(self, **values: Any) -> "Table":
        """Return the rows in which columns have these values, as `where(xi="minimizer", step=100)`. Raises KeyError."""
        kept = np.ones(self.rows, dtype=bool)
        for name, value in values.items():
            kept &= self[name] == value
        return Table({name: column[kept] for name, column in self._columns.items()})

    def frame(self, library: str = "pandas") -> Any:
        """Return a DataFrame of pandas, or of polars. Raises UsageError where the library is missing."""
        return as_frame(self._columns, library)

    def __repr__(self) -> str:
        """Tell the columns."""
        return f"<Table of {self.rows} rows: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        """Return the first rows, as a notebook shows them."""
        rows = [[_cell(column[k]) for column in self.values()] for k in range(min(self.rows, MOST_SHOWN))]
        more = [f"{self.rows} rows in all; .frame() makes a DataFrame"] if self.rows > MOST_SHOWN else []
        return html.framed([html.table([*self], rows), *html.paragraphs(more)])


def as_frame(columns: Mapping[str, NDArray[Any]], library: str) -> Any:
    """Make a DataFrame of columns. Raises UsageError for a library that is unknown or missing."""
    if library not in LIBRARIES:
        near = f"\n  did you mean {close}?" if (close := nearest(str(library), LIBRARIES)) else ""
        raise UsageError(f"library: no data frames of {library!r}\n  allowed: {', '.join(LIBRARIES)}{near}")
    try:
        module = import_module(library)
    except ImportError:
        other = next(name for name in LIBRARIES if name != library)
        raise UsageError(f"{library} is not installed: pip install {library}, or frame(..., library={other!r})") from None
    return module.DataFrame({name: np.asarray(column) for name, column in columns.items()})


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _typed(name: str, texts: list[str], is_key: bool) -> NDArray[Any]:
    """Return a column as an array. A swept key has the first type that fits all its values."""
    if not is_key and re.split("[ _]", name)[0] in WORDS:
        return np.array(texts, dtype=np.str_)
    try:
        if is_key or name in COUNTS:
            return np.array([int(text) for text in texts], dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([float(text or "nan") for text in texts], dtype=np.float64)
    except ValueError:
        return np.array(texts, dtype=np.str_)
