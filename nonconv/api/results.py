"""The result of one experiment as Python and a notebook have it, read from its files alone, whoever computed them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.api import html
from nonconv.api.columns import Table, as_frame
from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest
from nonconv.report.brief import Brief, brief
from nonconv.report.figures.catalogue import figure_names
from nonconv.report.run import LAST, Run, read_run
from nonconv.report.summary import findings, setting, verdicts_on_iterates
from nonconv.report.tables import short_rows
from nonconv.report.verdict_text import verdict
from nonconv.results.columns import read_columns
from nonconv.store.folder import undamaged
from nonconv.store.pack import opened_run
from nonconv.terminal.briefs import brief_lines

TABLES = ("error", "floors", "quantities", "law", "theory", "floors_theory", "group_floors")
"""The data files of a run that are tables; not every run has all."""


class Result:
    """The result of one experiment, of `nonconv.run`, `nonconv.load` and `nonconv.judge`, or a cell of a sweep.

    folder: where its files are; of a packed cell SWEEP#CELL. name, claim: of the config. config: the resolved config.
    verdict: does_not_converge, converges, diverges or undecided. reason: why, in a sentence.
    error: error.csv, E|theta_n - xi|^2 at every recorded step for each xi. floors: floors.csv, lower bounds for every xi.
    paths: the arrays of paths.npz; "theta" are the recorded paths, shape (paths, steps, coordinates), at the steps in "step".
    A result does not change when its folder does.
    """

    def __init__(self, folder: Path, run: Run, told: "Told", tables: Mapping[str, Table], figures: Mapping[str, bytes]) -> None:
        """Take what was read; `read_result` reads it."""
        self.folder, self._run, self._told, self.tables, self.figures = folder, run, told, dict(tables), dict(figures)

    @property
    def name(self) -> str:
        """The name of the config."""
        return str(self._run.summary["name"])

    @property
    def claim(self) -> str:
        """The claim of the config; empty without one."""
        return str(self._run.summary["claim"])

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, with every default."""
        return self._run.config

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json: setting, errors at some steps, outcomes of the paths, warnings."""
        return self._run.summary

    @property
    def verdict(self) -> str:
        """does_not_converge, converges, diverges, undefined or undecided: of the last iterate."""
        return str(self._run.verdict["verdict"])

    @property
    def reason(self) -> str:
        """Why, in a sentence, with the intervals that decided."""
        return str(self._run.verdict["reason"])

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict on each iterate, by its name; `last` comes first."""
        others = {name: str(own["verdict"]) for name, own in self._run.verdict.get("iterates", {}).items()}
        return {LAST: self.verdict} | others

    @property
    def findings(self) -> dict[str, Any]:
        """verdict.json: verdict, floors and slopes with their intervals."""
        return self._run.verdict

    @property
    def error(self) -> Table:
        """The columns of error.csv: step, xi, mse with se, ci_low and ci_high, n, n_finite; one row per step and xi."""
        return self.tables["error"]

    @property
    def floors(self) -> Table:
        """The columns of floors.csv: step, floor, lag, value with its interval, and `lower`, above which all floors are."""
        return self._table("floors")

    @property
    def paths(self) -> Mapping[str, NDArray[Any]]:
        """The arrays of paths.npz by name."""
        return self._run.paths

    def frame(self, table: str = "error", library: str = "pandas") -> Any:
        """Return a table as a DataFrame.

        table: error, floors, quantities, law, theory or paths. library: pandas or polars. Raises UsageError for a table that
        the run does not have, and where the library is missing.
        """
        return as_frame(self._path_columns() if table == "paths" else self._table(table), library)

    def _table(self, name: str) -> Table:
        """Return a table. Raises UsageError if there is none of this name."""
        if name not in self.tables:
            known = [*self.tables, "paths"]
            near = f"\n  did you mean {close}?" if (close := nearest(name, known)) else ""
            why = f"{self.folder} has no table {name!r}"
            raise UsageError(f"{why}\n  it has: {', '.join(known)}{near}")
        return self.tables[name]

    def _path_columns(self) -> dict[str, NDArray[Any]]:
        """Return the recorded paths, one row per path and step: run, step, x0, x1, ..."""
        step, theta = self.paths["step"], self.paths["theta"]
        paths, steps, dim = theta.shape
        columns: dict[str, NDArray[Any]] = {"run": np.repeat(np.arange(paths), steps), "step": np.tile(step, paths)}
        # Where a run keeps only some coordinates, these are numbered from 1 on, as in its config.
        numbers = self.paths["coordinate"] - 1 if "coordinate" in self.paths else range(dim)
        return columns | {f"x{number}": theta[:, :, k].ravel() for k, number in enumerate(numbers)}

    def __str__(self) -> str:
        """Return what the command prints first: the verdict, and the numbers behind it."""
        return "\n".join(brief_lines(self._told.brief))

    def __repr__(self) -> str:
        """Tell the verdict and the folder."""
        return f"<Result {self.verdict}: {self.folder}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: verdict, setting, findings, table, figures; nothing outside of it is needed."""
        told = self._told
        more = [*html.paragraphs(told.sentences), html.listed(told.findings), html.table(told.header, told.rows)]
        parts = [
            html.heading(f"{self.name}: {self.verdict.replace('_', ' ')}"),
            *html.paragraphs([self.claim and f"Claim: {self.claim}", *told.brief.warnings]),
            html.facts(told.brief.facts),
            *html.images(self.figures),
            html.details("All findings, and the errors by step", more),
        ]
        return html.framed(parts)


class Told(NamedTuple):
    """What is told of a run: what is read first; sentences on setting and verdicts, findings, the short table of errors."""

    brief: Brief
    sentences: list[str]
    findings: list[str]
    header: list[str]
    rows: list[list[str]]


def _tell(run: Run) -> Told:
    """Return what is told of a run. Some of it is read from the folder."""
    on_others = [f"{title}: {said}" for title, said in verdicts_on_iterates(run)]
    return Told(brief(run), [setting(run), f"Verdict: {verdict(run)}", *on_others], findings(run), *short_rows(run))


def read_result(folder: Path) -> Result:
    """Read the finished folder of a run, or a cell SWEEP#CELL. Raises UsageError for a damaged or unfinished one."""
    with opened_run(folder) as place:
        undamaged(place)
        run = read_run(place)
        told = _tell(run)
        files = {name: place / f"{name}.csv" for name in TABLES}
        tables = {name: Table.of(read_columns(file)) for name, file in files.items() if file.exists()}
        figures = read_figures(place)
    return Result(folder, replace(run, folder=folder), told, tables, figures)


def read_figures(folder: Path) -> dict[str, bytes]:
    """Read the figures of a folder that are there, as PNG, by name."""
    files = {name: folder / "figures" / f"{name}.png" for name in figure_names(folder)}
    return {name: file.read_bytes() for name, file in files.items() if file.exists()}
