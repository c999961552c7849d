"""The curves of a sweep's cells as columns: errors and floors of each cell, thinned so that a page stays small.

A page of a few hundred cells has the errors for every ξ and iterate; where there are more, each cell has fewer steps, and
then the first cells alone have curves.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nonconv.faults.errors import UsageError
from nonconv.numerics.arithmetic import Array
from nonconv.page.curves import LEVELS, POINTS, SEGMENT, SEGMENTS, Curves, Table, as_median, drawn, extend, switches, thinned
from nonconv.report.run import LAST, of_iterate
from nonconv.report.sweep_result import SweepResult
from nonconv.results.columns import Columns, columns_of
from nonconv.store.cell_files import CellFiles

MOST_ROWS = 60_000
"""Points of all curves in a page: about five megabytes."""
MOST_STEPS, FEWEST_STEPS, MOST_CELLS = 60, 12, 1_000
FILES = ("error.csv", "floors.csv", "quantities.csv")
MEDIAN, MEDIAN_COLUMNS = "q50: ", ("step", "iterate", "quantity", "value", "ci_low", "ci_high")
"""How the names of medians begin in quantities.csv, and the columns that are read."""


class Cells(NamedTuple):
    """The curves of the cells of a sweep.

    curves: as those of a run, with a column `cell` more. named: the cells that have some. note: what is left out.
    """

    curves: Curves
    named: list[str]
    note: str


def of_sweep(result: SweepResult) -> Cells:
    """Read the curves of the cells that have a result. Raises UsageError for a damaged file."""
    files = CellFiles(result.folder)
    points, segments = ({name: list[Any]() for name in ("cell", *names)} for names in (POINTS, SEGMENT))
    done = [cell for cell, status in zip(result.columns["cell"], result.columns["status"], strict=True) if status == "done"]
    most, steps, thin = len(done), MOST_STEPS, False
    named: list[str] = []
    for cell in done:
        if len(named) >= most:
            break
        found = files.read(cell, FILES)
        if found is None:
            continue
        tables = {name: columns_of(content, Path(f"{result.folder}#{cell}", name)) for name, content in found.items()}
        if "error.csv" not in tables:
            raise UsageError(f"{result.folder}#{cell} is damaged: it has no error.csv")
        errors = with_medians(tables["error.csv"], tables.get("quantities.csv"))
        if not named:
            most, steps = _room(errors, len(done))
        thin |= len(set(errors["step"])) > steps
        extend(points, ((cell, *row) for row in _points(errors, steps)))
        if "floors.csv" in tables:
            extend(segments, ((cell, *row) for row in _segments(tables["floors.csv"])))
        named.append(cell)
    return Cells(_curves(result, points, segments), named, _note(len(done), len(named), thin))


def with_medians(errors: Columns, quantities: Columns | None) -> Columns:
    """Return errors with the square of the median distance in place of a mean square that is infinite, under another name.

    errors: rows of error.csv, where such a mean is empty. quantities: rows of quantities.csv; None for a cell without them.
    """
    if quantities is None or "" not in errors["mse"]:
        return errors
    medians = {
        (step, iterate, name): ends
        for step, iterate, name, *ends in zip(*(quantities[column] for column in MEDIAN_COLUMNS), strict=True)
        if name.startswith(MEDIAN)
    }
    texts = {name: list(column) for name, column in errors.texts.items()}
    iterates = texts.get("iterate", [LAST] * errors.rows)
    for k, (step, iterate, label, mse) in enumerate(zip(texts["step"], iterates, texts["xi"], texts["mse"], strict=True)):
        ends = medians.get((step, iterate, f"{MEDIAN}{label}"))
        if not mse and ends:
            texts["xi"][k] = as_median(label)
            for name, text in zip(("mse", "ci_low", "ci_high"), ends, strict=True):
                texts[name][k] = str(float(text) ** 2) if text else ""
    return Columns(errors.path, texts)


def _room(errors: Columns, cells: int) -> tuple[int, int]:
    """Return how many cells have curves, and how many steps each of them."""
    series = max(1, errors.rows // max(1, len(set(errors["step"]))))
    steps = min(MOST_STEPS, max(FEWEST_STEPS, MOST_ROWS // (cells * series)))
    return max(1, min(cells, MOST_CELLS, MOST_ROWS // (steps * series))), steps


def _note(done: int, shown: int, thin: bool) -> str:
    """Say what the page leaves out; nothing where it has all."""
    told = [f"the first {shown} of {done} cells have curves"] if shown < done else []
    told += ["each curve has some of its recorded steps, the last among them"] if thin else []
    text = "; ".join(told)
    return f"{text[:1].upper()}{text[1:]}: `nonconv report FOLDER#CELL` shows all of one cell." if told else ""


def _points(errors: Columns, most: int) -> Iterator[tuple[Any, ...]]:
    """Yield POINTS of a cell, at some of its steps."""
    for iterate in errors.values("iterate") if "iterate" in errors.texts else [LAST]:
        rows = of_iterate(errors, iterate)
        for label in rows.values("xi"):
            own = rows.where("xi", label)
            own = own.select(_kept(own.rows, most))
            numbers = [drawn(own.numbers(name)) for name in ("mse", "ci_low", "ci_high")]
            counts = [own.integers(name).tolist() for name in ("n", "n_finite")]
            for step, *rest in zip(own.integers("step").tolist(), *numbers, *counts, strict=True):
                yield step, iterate, label, *rest


def _kept(rows: int, most: int) -> Array:
    """Return a mask of `most` rows at most, evenly spread with both ends."""
    mask = np.zeros(rows, dtype=bool)
    mask[thinned(rows, most)] = True
    return mask


def _segments(floors: Columns) -> Iterator[tuple[Any, ...]]:
    """Yield SEGMENT of a cell."""
    for iterate in floors.values("iterate") if "iterate" in floors.texts else [LAST]:
        rows = of_iterate(floors, iterate)
        for floor, what in SEGMENTS.items():
            own = rows.where("floor", floor)
            numbers = [drawn(own.numbers(column)) for column in ("value", "ci_low", "ci_high", "lower")]
            counts = [own.integers(column).tolist() for column in ("n", "n_finite")]
            for step, *rest in zip(own.integers("step").tolist(), *numbers, *counts, strict=True):
                yield step / 2, step, iterate, what, *rest


def _curves(result: SweepResult, points: Table, segments: Table) -> Curves:
    """Return the curves with their switches."""
    names = [name for name in (LAST, *result.iterates) if name in set(points["iterate"])] or [LAST]
    xi, floors = list(dict.fromkeys(points["what"])), list(dict.fromkeys(segments["what"]))
    groups = switches(names, {"ξ": xi, LEVELS: floors}, "Iterates")
    return Curves(points, segments, groups, "iterate" if len(names) > 1 else "what")
