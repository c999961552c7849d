"""sweep.csv: the cells of a sweep side by side."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nonconv.numerics.arithmetic import Array
from nonconv.results.csv_text import as_lines
from nonconv.statistics.measured_block import MSE_PREFIX, OUTCOMES
from nonconv.statistics.paired import paired

DONE, FAILED = "done", "failed"
INTERVAL = ("", "_se", "_low", "_high")
FIELDS = ("value", "se", "ci_low", "ci_high")
NOT_FINITE = {"overflow": "inf", "nan": "nan"}


class Ends(NamedTuple):
    """What each of the first paths of a run ends with: numbers (len(of), paths)."""

    of: list[str]
    numbers: Array


def read_ends(folder: Path) -> Ends:
    """From paths.npz of a run or cell."""
    with np.load(folder / "paths.npz") as file:
        return Ends(file["end_of"].tolist(), file["end"])


class Result(NamedTuple):
    """What a line of sweep.csv is made of: a cell's summary.json and verdict.json, and what its paths end with."""

    summary: dict[str, Any]
    verdict: dict[str, Any]
    ends: Ends


def read_result(folder: Path) -> Result:
    """From a cell's own files."""
    summary, verdict = (json.loads((folder / f"{name}.json").read_bytes()) for name in ("summary", "verdict"))
    return Result(summary, verdict, read_ends(folder))


def columns(keys: Sequence[str], xi: Sequence[str], floors: Sequence[str]) -> list[str]:
    """The header of sweep.csv."""
    found = ["cell", *keys, "status", "verdict", "paths", *OUTCOMES]
    found += [f"{what}_{label}{part}" for label in xi for what in ("mse", "difference") for part in INTERVAL]
    found += [f"{floor}{part}" for floor in floors for part in (*INTERVAL, "_lower")]
    found += [f"slope_{label}{part}" for label in (*xi, *floors) for part in INTERVAL]
    return [*found, "reason"]


def line(header: Sequence[str], name: str, keys: Mapping[str, str], result: Result | str, reference: Ends | None) -> bytes:
    """A cell's line of sweep.csv: its id, the texts of the swept keys it has, and its result or why it has none.

    reference: what the paths of another cell end with, to which differences are taken.
    """
    told: dict[str, Any] = {"cell": name, **keys}
    if isinstance(result, str):
        told |= {"status": FAILED, "reason": result}
    else:
        told |= {"status": DONE} | _measured(result) | (_differences(result.ends, reference) if reference else {})
    return as_lines([[told.get(column, "") for column in header]])


def _measured(result: Result) -> dict[str, Any]:
    summary, verdict = result.summary, result.verdict
    found = {"verdict": verdict["verdict"], "reason": verdict["reason"], "paths": summary["paths"], **summary["outcomes"]}
    for error in (error for error in summary["errors"] if error["step"] == summary["steps"]):
        numbers = [NOT_FINITE.get(error["status"], error["mse"]), error["se"], error["ci_low"], error["ci_high"]]
        found |= _named(f"mse_{error['xi']}", numbers)
    for name, floor in verdict["floors"].items():
        found |= _named(name, [floor[field] for field in FIELDS]) | _named(f"{name}_lower", [floor["lower"]])
    for name, slope in verdict["slopes"].items():
        found |= _named(f"slope_{name.removeprefix('error: ')}", [slope[field] for field in FIELDS])
    return found


def _named(name: str, numbers: Sequence[Any]) -> dict[str, Any]:
    return {f"{name}{part}": "" if value is None else value for part, value in zip(INTERVAL, numbers, strict=False)}


def _differences(ends: Ends, reference: Ends) -> dict[str, Any]:
    """Of the errors of a cell to those of the baseline, path by path: both have the same data."""
    found: dict[str, Any] = {}
    for name in (name for name in ends.of if name.startswith(MSE_PREFIX) and name in reference.of):
        known = paired(ends.numbers[ends.of.index(name)], reference.numbers[reference.of.index(name)])
        numbers = [number if math.isfinite(number) else None for number in known[: len(INTERVAL)]]
        found |= _named(f"difference_{name.removeprefix(MSE_PREFIX)}", numbers)
    return found
