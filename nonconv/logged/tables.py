"""Logs as tables, one row per run and step: CSV, Parquet, data frames.

    run,step,x0,x1
    0,100,0.5,-0.25

Reserved columns: run (or seed), step, twin (0 for a run, 1 for its twin), learning_rate. All others are coordinates, in
their order. An empty cell was not logged; nan and inf say that the run diverged.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nonconv.faults.errors import UsageError
from nonconv.faults.problems import kind_of, nearest
from nonconv.logged.trajectories import Logged, Trajectory, arranged

RUN, STEP = ("run", "seed", "path", "replicate", "trial"), ("step", "n", "iteration", "iter")
"""What the columns of the run and of the step may be called."""
EPOCH = "epoch"
"""Counts steps where no other column does."""
TWIN, RATE = ("twin",), ("learning_rate", "lr")
ALLOWED = "run (or seed), step, twin, learning_rate; all other columns are coordinates"
MISSING = ("", "NA", "null", "None")
"""How programs write that there is no value."""
NUMBERED, INDEX = re.compile("x[0-9]+"), "__index_level_"
"""The usual names of coordinates, and how pandas calls an index without a name in a Parquet file."""
VALUE = "a number, nan or inf of a run that diverged, or nothing where it was not logged"

Where = Callable[[int, str], str]
"""Names a place in a table: of its k-th row from 0 on, and a column."""


def read_csv(name: str, content: bytes, chosen: Sequence[str] = ()) -> Logged:
    """Read a CSV file. chosen: the columns that are coordinates, if not all. Raises UsageError with line and column."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: line {content[: error.start].count(bytes([10])) + 1} is not UTF-8 text") from None
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text))
    lines, rows = [], []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        for row in reader:
            if row and any(cell.strip() for cell in row):
                lines.append(reader.line_num)
                rows.append(row)
                if len(row) != len(header):
                    got = f"{len(row)} fields, not {len(header)} as the names in line 1"
                    raise UsageError(f"{name}:{reader.line_num}: has {got}")
    except csv.Error as error:
        raise UsageError(f"{name}:{reader.line_num}: {error}") from None
    if not header or header == [""]:
        raise UsageError(f"{name} is empty: the first line has the names of the columns, as run,step,x0")
    if len(set(header)) < len(header):
        twice = next(one for one in header if header.count(one) > 1)
        raise UsageError(f"{name}:1: two columns are called {twice!r}" if twice else f"{name}:1: two columns have no name")
    columns: dict[str, list[Any]] = {one: [row[k].strip() for row in rows] for k, one in enumerate(header)}

    def where(k: int, column: str) -> str:
        return f"{name}:{lines[k]}: column {column}" if k >= 0 else f"{name}:1"

    return from_columns(name, columns, where, chosen)


def _delimiter(text: str) -> str:
    """Return what separates the names of columns: a comma, or a semicolon or a tab where there is no comma."""
    first = text.partition("\n")[0]
    return next((one for one in ",;\t" if one in first), ",")


def read_parquet(name: str, content: bytes, chosen: Sequence[str] = ()) -> Logged:
    """Read a Parquet file. chosen: as of `read_csv`. Raises UsageError, also where pyarrow is missing."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError("parquet needs pyarrow: pip install 'nonconv[parquet]'") from None
    try:
        table = pq.read_table(io.BytesIO(content))
        names = [one for one in table.column_names if not one.startswith(INDEX)]
        columns = {str(one): table.column(one).to_pylist() for one in names}
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{name} is no Parquet file, or damaged: {str(error).partition(chr(10))[0]}") from None
    return from_columns(name, columns, _row_of(name), chosen)


def from_frame(name: str, frame: Any, chosen: Sequence[str] = ()) -> Logged:
    """Take a data frame of pandas or polars. pandas has nan for what is missing as well: there it says diverged."""
    every = {str(one): frame[one] for one in frame.columns}
    columns = {name: column.to_list() if hasattr(column, "to_list") else list(column) for name, column in every.items()}
    return from_columns(name, columns, _row_of(name), chosen)


def _row_of(name: str) -> Where:
    return lambda k, column: f"{name}: row {k + 1}, column {column}" if k >= 0 else name


def from_columns(name: str, columns: dict[str, list[Any]], where: Where, chosen: Sequence[str] = ()) -> Logged:
    """Make trajectories of columns. Raises UsageError with the place of what is wrong."""
    step = _find(columns, STEP, where(-1, "")) or (EPOCH if EPOCH in columns else None)
    coordinates = [one for one in columns if one not in (step, *RUN, *STEP, *TWIN, *RATE)]
    _refuse_other_spellings(coordinates, where(-1, ""))
    if step is None:
        near = nearest("step", coordinates)
        hint = f"\n  did you mean {near}? call it step" if near else ""
        raise UsageError(f"{where(-1, '')}: there is no column step\n  allowed: {ALLOWED}{hint}")
    if "" in coordinates or any(one.startswith("Unnamed") for one in coordinates):
        raise UsageError(f"{where(-1, '')}: a column has no name; write the table without its index")
    run, twin, rate = (_find(columns, names, where(-1, "")) for names in (RUN, TWIN, RATE))
    coordinates = _chosen(coordinates, chosen, where(-1, ""), run is not None)
    if not coordinates:
        raise UsageError(f"{where(-1, '')}: there is no column of values\n  allowed: {ALLOWED}, as x0, x1")
    size = len(columns[step])
    if not size:
        raise UsageError(f"{name} has no rows")
    steps = [_step(value, partial(where, k, step)) for k, value in enumerate(columns[step])]
    runs = ["0"] * size if run is None else [str(value) for value in columns[run]]
    is_twin = [False] * size if twin is None else [_flag(value, where(k, twin)) for k, value in enumerate(columns[twin])]
    numbers = [[_number(value, where, k, one) for k, value in enumerate(columns[one])] for one in coordinates]
    rows: dict[tuple[bool, str], dict[int, int]] = {}
    for k, at in enumerate(steps):
        own = rows.setdefault((is_twin[k], runs[k]), {})
        if at in own:
            raise UsageError(f"{where(k, step)}: run {runs[k]} has step {at} twice; first {where(own[at], step)}")
        own[at] = k
    table = np.array([[np.nan if value is None else value for value in column] for column in numbers], dtype=np.float64).T
    missing = np.array([[value is None for value in column] for column in numbers]).T
    found = {key: _trajectory(own, table, missing) for key, own in rows.items()}
    names = sorted(set(runs), key=_by_number)  # rows may be in any order, and sums depend on that of the runs
    every = {one: found[False, one] for one in names if (False, one) in found}
    twins = {one: found[True, one] for one in names if (True, one) in found}
    if stray := [one for one in twins if one not in every]:
        raise UsageError(f"{name}: run {stray[0]} is a twin of no run; both have the same run, and twin 0 and 1")
    rates = None if rate is None else _rates(steps, columns[rate], where, rate)
    return arranged(name, every, twins or None, rates=rates)


def _refuse_other_spellings(coordinates: list[str], where: str) -> None:
    """Raise UsageError for a column that is called as a reserved one but for capitals: `Run`."""
    for one in coordinates:
        if one.lower() in (*RUN, *STEP, *TWIN, *RATE):
            raise UsageError(f"{where}: there is a column {one!r}\n  did you mean {one.lower()}? its name has small letters")


def _chosen(coordinates: list[str], chosen: Sequence[str], where: str, has_runs: bool) -> list[str]:
    """Return the columns that are coordinates. Raises UsageError where one is not there, or x0, x1 stand beside others.

    has_runs: whether a column says which run a row is of.
    """
    for one in chosen:
        if one not in coordinates:
            near = f"\n  did you mean {close}?" if (close := nearest(one, coordinates)) else ""
            raise UsageError(f"{where}: there is no column {one!r} of values\n  there are: {', '.join(coordinates)}{near}")
    numbered = [one for one in coordinates if NUMBERED.fullmatch(one)]
    if not chosen and numbered and len(numbered) < len(coordinates):
        others = ", ".join(one for one in coordinates if one not in numbered)
        plain = ",".join(numbered)
        hint = f"name the columns that are coordinates: --columns {plain}, or columns={numbered!r} in Python"
        hint += "" if has_runs else "\n  a column that tells runs apart is called run or seed"
        raise UsageError(f"{where}: beside {plain} there is {others}\n  {hint}")
    return list(chosen) or coordinates


def _by_number(run: str) -> tuple[float, str]:
    """Return what runs are sorted by: numbers first, by their size."""
    try:
        number = float(run)
    except ValueError:
        number = math.inf
    return (math.inf if math.isnan(number) else number, run)


def _find(columns: dict[str, list[Any]], names: Sequence[str], where: str) -> str | None:
    """Return the column that has one of these names; None if none has. Raises UsageError where several have."""
    found = [one for one in names if one in columns]
    if len(found) > 1:
        raise UsageError(f"{where}: {' and '.join(found)} both say the {names[0]}\n  hint: leave one of them out")
    return found[0] if found else None


def _trajectory(own: dict[int, int], table: Any, missing: Any) -> Trajectory:
    """Return the rows of a run by rising steps, without those in which something is missing."""
    order = np.array(sorted(own), dtype=np.int64)
    at = np.array([own[step] for step in order.tolist()])
    there = ~missing[at].any(axis=1)
    return Trajectory(order[there], table[at[there]])


def _step(value: Any, where: Callable[[], str]) -> int:
    """Read a step. Raises UsageError."""
    try:
        number = float(value)
        if number >= 0 and number == int(number) and number < 2**53:
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"{where()}: {_kind(value)} is no step\n  allowed: a whole number >= 0, where 0 is the start")


def _flag(value: Any, where: str) -> bool:
    """Read whether a row is of a twin. Raises UsageError."""
    if value in (None, "", 0, "0", False, "false", "False"):
        return False
    if value in (1, "1", True, "true", "True"):
        return True
    raise UsageError(f"{where}: {_kind(value)} does not say whether it is a twin\n  allowed: 0 for a run, 1 for its twin")


def _number(value: Any, where: Where, k: int, column: str) -> float | None:
    """Read a value; None where it is missing. Raises UsageError."""
    if value is None or (isinstance(value, str) and value in MISSING) or type(value).__name__ == "NAType":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        comma = "; the decimal sign is a point" if isinstance(value, str) and "," in value else ""
        raise UsageError(f"{where(k, column)}: {_kind(value)} is no number{comma}\n  allowed: {VALUE}") from None


def _rates(steps: Sequence[int], values: Sequence[Any], where: Where, column: str) -> dict[int, float]:
    """Read the learning rate of each step. Raises UsageError where runs have different ones."""
    found: dict[int, float] = {}
    for k, (step, value) in enumerate(zip(steps, values, strict=True)):
        rate = _number(value, where, k, column)
        if rate is None:
            continue
        if not math.isfinite(rate) or rate < 0:
            raise UsageError(f"{where(k, column)}: must be a number >= 0, got {_kind(value)}")
        if found.setdefault(step, rate) != rate:
            raise UsageError(f"{where(k, column)}: {rate:g} at step {step}, where another run has {found[step]:g}")
    return found


def _kind(value: Any) -> str:
    return kind_of(value) if value is None or isinstance(value, str | int | float) else repr(value)


def suffix_of(name: str) -> str:
    """Return what a file's name ends with, in small letters."""
    return Path(name).suffix.lower()
