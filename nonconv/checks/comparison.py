"""Compare two finished runs: how their configs differ, and by how much the final results of their paths differ.

Every run keeps what its first paths end with (`paths.npz: end`). Path k of two runs with one seed sees the same data, so
the difference is taken path by path, and its interval is much narrower than those of the two means.
"""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nonconv.faults.errors import UsageError
from nonconv.report.sweep_result import ENDS
from nonconv.report.tables import interval
from nonconv.results.csv_text import number
from nonconv.results.iterates import split_name
from nonconv.results.sweep_files import read_ends
from nonconv.statistics.measured_block import MSE_PREFIX
from nonconv.statistics.paired import Paired, paired
from nonconv.store.folder import undamaged

MOST_GAINED = 1e9
"""The largest factor by which pairing can shrink an interval, up to rounding."""


class Change(NamedTuple):
    """A config key whose values differ. first, second: the values as JSON; empty if a config does not have the key."""

    key: str
    first: str
    second: str


class Difference(NamedTuple):
    """A quantity with one final value per path.

    first, second: its means over the paths that both runs kept; nan where one is infinite. paired: the second minus the first,
    path by path. medians: of both runs where a mean is infinite.
    """

    quantity: str
    first: float
    second: float
    paired: Paired
    medians: tuple[float, float] | None = None


class Comparison(NamedTuple):
    """What `compare` found. same_data: whether both runs use the same random numbers."""

    changes: tuple[Change, ...]
    differences: tuple[Difference, ...]
    same_data: bool


def compare(first: Path, second: Path) -> Comparison:
    """Compare two output folders of runs, or of cells of a sweep.

    Raises UsageError if one is not finished or is damaged, or if they have no quantity in common.
    """
    a, b = (_config(folder) for folder in (first, second))
    differences = tuple(_differences(first, second))
    if not differences:
        raise UsageError(f"{first} and {second} have no xi and no floor in common")
    return Comparison(tuple(_changes(a, b)), differences, a.get("seed") == b.get("seed"))


def _config(folder: Path) -> dict[str, Any]:
    """Return the resolved config of a run. Raises UsageError, also for a sweep."""
    manifest = undamaged(folder)
    if "paths.npz" not in manifest["files"]:
        raise UsageError(f"{folder} is a sweep, not a run; {folder}#CELL is a cell, by the column `cell` of its sweep.csv")
    config: dict[str, Any] = manifest["config"]
    return config


def _changes(a: dict[str, Any], b: dict[str, Any]) -> Iterator[Change]:
    """Yield the keys whose values differ, but not texts that change no result."""
    flat = _flatten(a), _flatten(b)
    for key in dict.fromkeys([*flat[0], *flat[1]]):
        values = [json.dumps(config[key]) if key in config else "" for config in flat]
        if values[0] != values[1] and key.split(".")[0] not in ("claim", "expect"):
            yield Change(key, *values)


def _flatten(config: dict[str, Any], outer: str = "") -> dict[str, Any]:
    """Return a config as a mapping of dotted keys to values."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= _flatten(value, f"{outer}{key}.") if isinstance(value, dict) else {f"{outer}{key}": value}
    return found


def _differences(first: Path, second: Path) -> Iterator[Difference]:
    """Yield the difference of each quantity that both runs have."""
    a, b = read_ends(first), read_ends(second)
    # Runs may measure different floors, or have other xi.
    for name in (name for name in a.of if name in b.of):
        ours, theirs = a.numbers[a.of.index(name)], b.numbers[b.of.index(name)]
        found = paired(theirs, ours, name in a.withheld or name in b.withheld)
        # Paths may have ended at inf or nan.
        with np.errstate(invalid="ignore", over="ignore"):
            before, after = (float(numbers[: found.paths].mean()) for numbers in (ours, theirs))
        if not (a.infinite(name) or b.infinite(name)):
            yield Difference(_quantity_name(name, a.iterates), before, after, found)
            continue
        # What a sample gives says nothing of an infinite mean, nor of its difference from another.
        medians = (float(np.median(ours[: found.paths])), float(np.median(theirs[: found.paths])))
        before, after = math.nan if a.infinite(name) else before, math.nan if b.infinite(name) else after
        nothing = Paired(*(math.nan,) * 4, found.paths, math.nan, math.nan)
        yield Difference(_quantity_name(name, a.iterates), before, after, nothing, medians)


def _quantity_name(name: str, iterates: Sequence[str]) -> str:
    """Name a final quantity for people; that of an iterate besides the last after its name."""
    name, iterate = split_name(name, iterates)
    own = f"E|Θ − {name.removeprefix(MSE_PREFIX)}|²" if name.startswith(MSE_PREFIX) else ENDS.get(name, name)
    return f"{iterate}: {own}" if iterate else own


def rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table for people."""
    header = ["", "first", "second", "second − first", "correlation", "narrower"]
    return header, [_row(found) for found in comparison.differences]


def _row(found: Difference) -> list[str]:
    """Return the row of one quantity; correlation and gain are empty where they are not finite."""
    p = found.paired
    ends = {"ci_low": number(p.ci_low), "ci_high": number(p.ci_high)}
    value = number(p.value)
    if found.medians:
        ends_of = zip((found.first, found.second), found.medians, strict=True)
        texts = [f"infinite (median {median:.3g})" if math.isnan(mean) else f"{mean:.5g}" for mean, median in ends_of]
        return [found.quantity, *texts, "no value", "", ""]
    shown = "not finite" if value is None else interval({"mse": value, **ends, "status": "", "n": 0, "n_finite": 0})
    known = np.isfinite([p.correlation, p.narrower]).all()
    # A factor beyond this is one of rounding errors: the difference is the same on every path.
    gain = f"{p.narrower:.1f} ×" if p.narrower < MOST_GAINED else "same on every path"
    worth = [f"{p.correlation:.3f}", gain] if known else ["", ""]
    return [found.quantity, f"{found.first:.5g}", f"{found.second:.5g}", shown, *worth]


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as a JSON document; numbers that are not finite become null."""
    return {
        "same_data": comparison.same_data,
        "changes": [change._asdict() for change in comparison.changes],
        "differences": [
            {"quantity": d.quantity, "first": number(d.first), "second": number(d.second)}
            | ({"medians": [number(median) for median in d.medians]} if d.medians else {})
            | {name: number(value) for name, value in d.paired._asdict().items()}
            for d in comparison.differences
        ],
    }
