"""A run read back from its folder, for figures and tables.

The data files are all that a figure needs, so the figure process and `nonconv plot` use the same code as a run.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import yaml
from numpy.typing import NDArray

from nonconv.faults.errors import UsageError
from nonconv.numerics.arithmetic import Array
from nonconv.readback import content_of, fitted, load
from nonconv.results.columns import Columns, read_columns
from nonconv.results.csv_text import INFINITE
from nonconv.results.stored import ITERATE_ARRAYS, PATHS_ARRAYS, Config, Prediction, Summary, Verdict, read_arrays, require
from nonconv.system.words import count

YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML's parser in C, where it is installed, is ten times as fast."""


LAST = "last"
"""The iterate that every run has."""


@dataclass(frozen=True)
class Errors:
    """E|theta_n - xi|^2 for one xi, as in error.csv.

    Every field has shape (R,), one entry per recorded step. ci_low, ci_high: a 95 % interval. n, n_finite: paths.
    """

    mse: Array
    se: Array
    ci_low: Array
    ci_high: Array
    n: Array
    n_finite: Array


class Course(NamedTuple):
    """A quantity at its steps, as in quantities.csv; every field has shape (steps,). An open end of an interval is nan."""

    step: NDArray[np.int64]
    value: Array
    se: Array
    ci_low: Array
    ci_high: Array
    n: Array


@dataclass(frozen=True)
class Run:
    """The data files of a folder.

    step, learning_rate, batch_size: one entry per recorded step. errors, theory (exact E|theta_n - xi|^2): by the label of xi.
    iterates: errors of the iterates besides the last, by name and xi. medians: of |theta_n - xi|, with intervals, by the label
    of every xi of which the mean square is infinite. iterate: which one all else is of; `seen_by` gives those of another.
    floors: the number of rows of floors.csv, which share one simultaneous confidence level. paths: arrays of paths.npz.
    """

    folder: Path
    config: dict[str, Any]
    summary: dict[str, Any]
    step: NDArray[np.int64]
    learning_rate: Array
    batch_size: Array
    errors: dict[str, Errors]
    iterates: dict[str, dict[str, Errors]]
    theory: dict[str, Array]
    predictions: dict[str, Any]
    verdict: dict[str, Any]
    floors: int
    paths: dict[str, NDArray[Any]]
    medians: dict[str, Errors] = field(default_factory=dict)
    iterate: str = LAST

    @property
    def others(self) -> list["Run"]:
        """The run as each iterate besides the last sees it."""
        return [self.seen_by(name) for name in self.summary.get("iterates", {})]

    def seen_by(self, iterate: str) -> "Run":
        """Return the run with errors, floors, verdict and paths of another iterate.

        What is known in theory is that of the iterate, or left out. Raises UsageError for a damaged file.
        """
        if iterate == self.iterate:
            return self
        if iterate not in self.iterates:
            raise UsageError(f"{self.folder / 'error.csv'} is damaged: it has no rows of iterate {iterate!r}")
        verdict = {"theory": "", "bound": None} | _of_iterate(self.verdict, iterate, self.folder / "verdict.json")
        summary = self.summary | _of_iterate(self.summary, iterate, self.folder / "summary.json")
        asked = [row for row in summary.get("quantities", ()) if row["iterate"] == iterate]
        return replace(
            self,
            iterate=iterate,
            errors=self.iterates[iterate],
            iterates={},
            medians=_medians(self.folder, summary, iterate),
            summary=summary | {"iterates": {}, "quantities": asked},
            verdict=verdict,
            theory=_theory(self.folder / "theory.csv", iterate),
            predictions={},
            paths=_paths_of(self.paths, iterate, self.folder),
        )

    @cached_property
    def courses(self) -> dict[tuple[str, str], Course]:
        """The rows of quantities.csv by iterate and quantity. Raises UsageError for a damaged file."""
        every = read_columns(self.folder / "quantities.csv")
        places: dict[tuple[str, str], list[int]] = {}
        for k, names in enumerate(zip(every["iterate"], every["quantity"], strict=True)):
            places.setdefault(names, []).append(k)
        step, numbers = every.integers("step"), [every.numbers(name) for name in Course._fields[1:]]
        return {names: Course(step[own], *(column[own] for column in numbers)) for names, own in places.items()}

    @property
    def quantities(self) -> dict[str, Course]:
        """Those of the run's iterate, by the name of the quantity."""
        return {name: course for (iterate, name), course in self.courses.items() if iterate == self.iterate}

    @property
    def counted_paths(self) -> str:
        """The number of paths with its noun: `1 path`, `200 paths`; of a log `200 runs`."""
        return count(self.summary["paths"], "run" if "logged" in self.summary else "path")

    @property
    def seeded(self) -> str:
        """The seed after a comma: `, seed 2407`; nothing where the paths were logged elsewhere."""
        return "" if "logged" in self.summary else f", seed {self.summary['seed']}"

    @property
    def counted_steps(self) -> str:
        """The number of steps with its noun: `1 step`, `200 steps`."""
        return count(self.summary["steps"], "step")


def read_run(folder: Path) -> Run:
    """Read the data files of a run's folder, finished or about to be.

    Raises UsageError for a file that is missing or damaged.
    """
    whole = read_columns(folder / "error.csv")
    every = of_iterate(whole)
    by_xi = {label: every.where("xi", label) for label in every.values("xi")}
    if not by_xi:
        raise UsageError(f"{folder / 'error.csv'} is damaged: it has no rows")
    first = next(iter(by_xi.values()))
    summary = cast(dict[str, Any], load(folder / "summary.json", Summary))
    return Run(
        folder=folder,
        config=read_config(folder / "config.yaml"),
        summary=summary,
        step=first.integers("step"),
        learning_rate=first.numbers("learning_rate"),
        batch_size=first.numbers("batch_size"),
        errors={label: _errors(columns) for label, columns in by_xi.items()},
        iterates=_iterates(whole),
        medians=_medians(folder, summary, LAST),
        theory=_theory(folder / "theory.csv", LAST),
        predictions=cast(dict[str, Any], _document(folder / "predictions.json", dict[str, Prediction])),
        verdict=cast(dict[str, Any], _document(folder / "verdict.json", Verdict)),
        floors=_count_floors(folder / "floors.csv"),
        # Read whole: figures use all of it.
        paths=read_arrays(content_of(folder / "paths.npz"), PATHS_ARRAYS, folder / "paths.npz"),
    )


def read_config(path: Path) -> dict[str, Any]:
    """Read the resolved config. Raises UsageError."""
    try:
        found = yaml.load(content_of(path).decode("utf-8"), YAML_LOADER)
        return cast(dict[str, Any], fitted(found, Config))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:  # Misfit is a ValueError
        raise UsageError(f"{path} is damaged: {str(error).partition(chr(10))[0]}") from None


def _document(path: Path, kind: Any) -> Any:
    """Read a JSON file; empty if the folder has none."""
    return load(path, kind) if path.exists() else {}


def _count_floors(path: Path) -> int:
    """Return how many floors of the last iterate there are."""
    if not path.exists():
        return 0
    return of_iterate(read_columns(path)).rows


def of_iterate(rows: Columns, iterate: str = LAST) -> Columns:
    """Return the rows of one iterate. A file of the last one alone has no column `iterate`."""
    return rows.where("iterate", iterate) if "iterate" in rows.texts else rows


def _of_iterate(document: dict[str, Any], iterate: str, path: Path) -> dict[str, Any]:
    """Return what a document says of an iterate besides the last. Raises UsageError, with its path, if it says nothing."""
    found: dict[str, Any] | None = document.get("iterates", {}).get(iterate)
    if found is None:
        raise UsageError(f"{path} is damaged: iterates has no {iterate!r}")
    return found


def _paths_of(paths: dict[str, NDArray[Any]], iterate: str, folder: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of paths.npz as an iterate besides the last has them. Raises UsageError for a damaged file."""
    require(paths, ITERATE_ARRAYS, folder / "paths.npz")
    names = paths["iterate"].tolist()
    stacks = {name: paths[f"iterate_{name}"] for name in ("theta", "quantile", "end")}
    if iterate not in names or any(len(stack) != len(names) for stack in stacks.values()):
        raise UsageError(f"{folder / 'paths.npz'} is damaged: iterate does not name the rows of the other arrays")
    k = names.index(iterate)
    return paths | {name: stack[k] for name, stack in stacks.items()}


def _errors(columns: Columns) -> Errors:
    """Read the rows of one xi."""
    return Errors(*(columns.numbers(name) for name in Errors.__dataclass_fields__))


def _iterates(whole: Columns) -> dict[str, dict[str, Errors]]:
    """Read the errors of iterates besides the last, by the iterate and the label of xi."""
    found = {}
    for name in whole.values("iterate") if "iterate" in whole.texts else ():
        every = whole.where("iterate", name)
        found[name] = {label: _errors(every.where("xi", label)) for label in every.values("xi")}
    return {name: errors for name, errors in found.items() if name != LAST}


def _medians(folder: Path, summary: dict[str, Any], iterate: str) -> dict[str, Errors]:
    """Read the medians of an iterate's distances, in the place of `mse`, where the mean square is infinite."""
    infinite = dict.fromkeys(row["xi"] for row in summary["errors"] if row["status"] == INFINITE)
    if not infinite:
        return {}
    every, found = read_columns(folder / "quantities.csv").where("iterate", iterate), {}
    for label in infinite:
        own = every.where("quantity", f"q50: {label}")
        found[label] = Errors(*(own.numbers(name) for name in ("value", "se", "ci_low", "ci_high", "n", "n_finite")))
    return found


def _theory(path: Path, iterate: str) -> dict[str, Array]:
    """Read an iterate's exact errors by xi; empty if none are known."""
    if not path.exists():
        return {}
    whole = read_columns(path)
    if "iterate" not in whole.texts and iterate != LAST:
        return {}
    every = of_iterate(whole, iterate)
    return {label: every.where("xi", label).numbers("mse") for label in every.values("xi")}
