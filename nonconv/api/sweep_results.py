"""The result of a sweep as Python and a notebook have it, read from its files alone."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from nonconv.api import html
from nonconv.api.columns import Table, as_frame
from nonconv.api.options import Place, checked_place
from nonconv.api.results import Result, read_result
from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest
from nonconv.report.best import keys_of, read_best
from nonconv.report.sweep_brief import sweep_brief
from nonconv.report.sweep_result import SweepResult as Files
from nonconv.report.sweep_result import is_sweep, read_sweep_result
from nonconv.results.sweep_files import FAILED
from nonconv.store.folder import undamaged
from nonconv.system.words import count
from nonconv.terminal.briefs import brief_lines

FIRST_FIGURES = 3
"""Figures that a notebook shows of a sweep; the others once they are asked for."""
MOST_ROWS = 40
"""A sweep with more cells shows no table in a notebook; `frame` has all of them."""


class FailedCell:
    """A cell of a sweep that has no result.

    verdict: "failed". reason: why. folder: SWEEP#CELL. All else that a Result has raises UsageError, with the reason.
    """

    verdict = FAILED

    def __init__(self, folder: Path, reason: str) -> None:
        """Take its name and why it failed."""
        self.folder, self.reason = folder, reason

    def __getattr__(self, name: str) -> Any:
        """Refuse what a Result has. Raises AttributeError for what that does not have either."""
        if not name.startswith("_") and hasattr(Result, name):
            raise UsageError(f"the cell {self.folder} has no result: {self.reason}")
        raise AttributeError(name)

    def __repr__(self) -> str:
        """Tell why it failed."""
        return f"<FailedCell {self.folder}: {self.reason}>"


class Cells(Sequence[Result | FailedCell]):
    """The cells of a sweep in the order of the grid, each read when it is asked for, by its number or its id.

    ids: their ids.
    """

    def __init__(self, folder: Path, files: Files) -> None:
        """Take the table of a sweep."""
        self._folder, self.ids = folder, list(files.columns["cell"])
        status, reasons = files.columns["status"], files.columns.texts.get("reason", [""] * files.cells)
        self._failed = {name: why for name, one, why in zip(self.ids, status, reasons, strict=True) if one == FAILED}

    def __len__(self) -> int:
        """Return how many there are, failed ones too."""
        return len(self.ids)

    @overload
    def __getitem__(self, cell: int | str) -> Result | FailedCell: ...

    @overload
    def __getitem__(self, cell: slice) -> list[Result | FailedCell]: ...

    def __getitem__(self, cell: int | str | slice) -> Result | FailedCell | list[Result | FailedCell]:
        """Return the result of a cell. Raises IndexError for a number, and UsageError for an id, that there is not."""
        if isinstance(cell, slice):
            return [self[name] for name in self.ids[cell]]
        name = cell if isinstance(cell, str) else self.ids[cell]
        place = Path(f"{self._folder}#{name}")
        return FailedCell(place, self._failed[name]) if name in self._failed else read_result(place)

    def __repr__(self) -> str:
        """Tell how many there are."""
        return f"<Cells: {', '.join(self.ids[:3])}{', ...' if len(self) > 3 else ''} ({len(self)})>"


class SweepResult:
    """The result of a sweep.

    folder: where its files are. table: the columns of sweep.csv, one row per cell. keys: the swept keys.
    cells: the results of the cells, in the order of the grid.

        swept.frame()                         a DataFrame, one row per cell
        swept[0], swept["9a4e5cbe46de9bbf"]   the result of a cell, as swept.cells[0]
        swept.at({"optimizer.beta1": 0.9})    that of the cell with these values
    """

    def __init__(self, folder: Path, files: Files, figures: Mapping[str, bytes]) -> None:
        """Take what was read; `read_sweep` reads it."""
        self.folder, self._files, self.figures = folder, files, dict(figures)
        self.cells = Cells(folder, files)

    @property
    def name(self) -> str:
        """The name of the config."""
        return str(self._files.about["name"])

    @property
    def claim(self) -> str:
        """The claim of the config; empty without one."""
        return str(self._files.about.get("claim", ""))

    @property
    def keys(self) -> list[str]:
        """The swept keys."""
        return list(self._files.about["keys"])

    @cached_property
    def table(self) -> Table:
        """The columns of sweep.csv: cell, status, the swept keys, verdict, final errors and floors with intervals."""
        return Table.of(self._files.columns, self.keys)

    @cached_property
    def best(self) -> Table | None:
        """The columns of best.csv: the best cells over some keys, if `best_over` in the grid asks for them; None otherwise."""
        rows = read_best(self._files)
        return None if rows is None else Table.of(rows, keys_of(rows))

    @property
    def verdicts(self) -> dict[str, int]:
        """How many cells have each verdict; failed cells count as `failed`."""
        of_cells = zip(self._files.columns["verdict"], self._files.columns["status"], strict=True)
        found = [verdict or status for verdict, status in of_cells]
        return {name: found.count(name) for name in sorted(set(found))}

    @property
    def failures(self) -> dict[str, str]:
        """Why cells failed, by id."""
        return dict(self.cells._failed)

    def frame(self, library: str = "pandas") -> Any:
        """Return sweep.csv as a DataFrame of pandas or polars, one row per cell. Raises UsageError where that is missing."""
        return as_frame(self.table, library)

    def at(self, values: Mapping[str, Any]) -> Result | FailedCell:
        """Return the result of the one cell in which swept keys have these values. Raises UsageError if it is not one."""
        kept = np.ones(len(self), dtype=bool)
        for key, value in values.items():
            if key not in self.keys:
                near = f"\n  did you mean {close}?" if (close := nearest(key, self.keys)) else ""
                raise UsageError(f"{key} is not swept\n  swept: {', '.join(self.keys)}{near}")
            kept &= self.table[key] == value
        if kept.sum() != 1:
            told = ", ".join(f"{key} = {value}" for key, value in values.items())
            raise UsageError(f"{count(int(kept.sum()), 'cell')} of {self.folder} with {told}, not one")
        return self.cells[int(np.flatnonzero(kept)[0])]

    def __len__(self) -> int:
        """Return how many cells there are."""
        return len(self.cells)

    def __getitem__(self, cell: int | str) -> Result | FailedCell:
        """Return the result of a cell, as `cells` does."""
        return self.cells[cell]

    def __iter__(self) -> Iterator[Result | FailedCell]:
        """Iterate over the results of the cells."""
        return iter(self.cells)

    def __str__(self) -> str:
        """Return what the command prints first: the verdicts, and from where to where errors reach."""
        return "\n".join(brief_lines(sweep_brief(self._files)))

    def __repr__(self) -> str:
        """Tell the number of cells and the folder."""
        return f"<SweepResult of {count(len(self), 'cell')}: {self.folder}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: setting, findings, table, figures; nothing outside of it is needed."""
        from nonconv.report.sweep_summary import findings, setting
        from nonconv.report.sweep_table import short_rows

        names = list(self.figures)
        parts = [
            html.heading(self.name),
            *html.paragraphs([self.claim and f"Claim: {self.claim}", setting(self._files)]),
            html.listed(findings(self._files)),
            html.table(*short_rows(self._files)) if len(self) <= MOST_ROWS else "",
            *html.images({name: self.figures[name] for name in names[:FIRST_FIGURES]}),
            html.details("All figures", html.images({name: self.figures[name] for name in names[FIRST_FIGURES:]})),
        ]
        return html.framed(parts)


def read_sweep(folder: Path) -> SweepResult:
    """Read the finished folder of a sweep. Raises UsageError for a damaged or unfinished one."""
    undamaged(folder)
    names = sorted(path.stem for path in (folder / "figures").glob("*.png"))
    figures = {name: (folder / "figures" / f"{name}.png").read_bytes() for name in names}
    return SweepResult(folder, read_sweep_result(folder), figures)


def load(folder: Place) -> Result | SweepResult:
    """Return the result in a finished folder.

    folder: of a run, a sweep or `judge`; SWEEP#CELL for a cell. Raises UsageError if it is none, not finished, or changed.
    """
    path = checked_place("folder", folder)
    return read_sweep(path) if is_sweep(path) else read_result(path)
