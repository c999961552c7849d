"""A run read back from its folder, for figures and tables."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML's parser in C, where it is installed, is ten times as fast."""


@dataclass(frozen=True)
class Errors:
    """E|theta_n - xi|^2 for one xi as in error.csv; every field has shape (R,), one entry per recorded step."""

    mse: Array
    se: Array
    ci_low: Array
    ci_high: Array
    n: Array
    n_finite: Array


@dataclass(frozen=True)
class Run:
    """The data files of a folder.

    step, learning_rate and batch_size have one entry per recorded step; errors and theory (exact E|theta_n - xi|^2) are keyed
    by the label of xi. floors: the number of rows of floors.csv, which share one simultaneous confidence level.
    """

    folder: Path
    config: dict[str, Any]
    summary: dict[str, Any]
    step: NDArray[np.int64]
    learning_rate: Array
    batch_size: Array
    errors: dict[str, Errors]
    theory: dict[str, Array]
    predictions: dict[str, Any]
    verdict: dict[str, Any]
    floors: int
    paths: dict[str, NDArray[Any]]

    @property
    def counted_paths(self) -> str:
        """`1 path`, `200 paths`."""
        paths = self.summary["paths"]
        return f"{paths} path" if paths == 1 else f"{paths} paths"

    @property
    def counted_steps(self) -> str:
        """`1 step`, `200 steps`."""
        steps = self.summary["steps"]
        return f"{steps} step" if steps == 1 else f"{steps} steps"


def read_run(folder: Path) -> Run:
    """Read the data files of a run's folder, finished or about to be. Raises OSError if one is missing."""
    rows = read_rows(folder / "error.csv")
    labels = list(dict.fromkeys(row["xi"] for row in rows))
    first = [row for row in rows if row["xi"] == labels[0]]
    with np.load(folder / "paths.npz") as file:
        paths = dict(file)
    return Run(
        folder=folder,
        config=yaml.load((folder / "config.yaml").read_text(encoding="utf-8"), LOADER),
        summary=json.loads((folder / "summary.json").read_text(encoding="utf-8")),
        step=np.array([int(row["step"]) for row in first]),
        learning_rate=_column(first, "learning_rate"),
        batch_size=_column(first, "batch_size"),
        errors={label: _errors([row for row in rows if row["xi"] == label]) for label in labels},
        theory=_theory(folder / "theory.csv"),
        predictions=_document(folder / "predictions.json"),
        verdict=_document(folder / "verdict.json"),
        floors=len(read_rows(folder / "floors.csv")) if (folder / "floors.csv").exists() else 0,
        paths=paths,
    )


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, each as texts by column name."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _document(path: Path) -> dict[str, Any]:
    """A JSON file; empty if the folder has none."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _column(rows: list[dict[str, str]], name: str) -> Array:
    return np.array([float(row[name]) for row in rows])


def _errors(rows: list[dict[str, str]]) -> Errors:
    return Errors(*(_column(rows, name) for name in Errors.__dataclass_fields__))


def _theory(path: Path) -> dict[str, Array]:
    rows = read_rows(path) if path.exists() else []
    labels = dict.fromkeys(row["xi"] for row in rows)
    return {label: _column([row for row in rows if row["xi"] == label], "mse") for label in labels}
