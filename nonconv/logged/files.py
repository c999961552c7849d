"""The data files of a judged log, in the form that those of a run have, so that all that reads runs reads these too."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from nonconv.engine.blocks import summary_steps
from nonconv.logged.measure import Measured
from nonconv.numerics.moments import Moments, effective_number
from nonconv.results.csv_text import as_csv, number, status
from nonconv.results.quantities import COLUMNS as QUANTITY_COLUMNS
from nonconv.results.quantities import LEVELS
from nonconv.results.run_files import ERROR_COLUMNS
from nonconv.results.verdict_files import FLOOR_COLUMNS
from nonconv.statistics.floors import last_floors, rows
from nonconv.statistics.intervals import FEW_PATHS
from nonconv.statistics.measured_block import FAN_COORDINATES, FAN_NUMBERS, MSE_PREFIX, OUTCOMES
from nonconv.statistics.quantiles import QUANTILE_LEVELS, fan_quantiles, quantile, quantiles
from nonconv.statistics.verdict import as_dict
from nonconv.store.folder import SCHEMA_VERSION
from nonconv.store.formats import as_json, as_npz
from nonconv.system.words import count

KEPT = 32
"""Runs that are kept whole."""
FEW_RUNS = 200
"""Runs with which intervals are to be relied on, as for nonconv's own."""


def data_files(found: Measured, identity: str, name: str) -> dict[str, bytes]:
    """Make all data files, by name."""
    files = {
        "error.csv": as_csv(ERROR_COLUMNS, _error_rows(found)),
        "quantities.csv": as_csv(QUANTITY_COLUMNS, _quantile_rows(found)),
        "paths.npz": as_npz(_path_arrays(found)),
        "verdict.json": as_json(_verdict_document(found)),
        "summary.json": as_json(_summary(found, identity, name)),
    }
    if found.plan.spans:
        files["floors.csv"] = as_csv(FLOOR_COLUMNS, (tuple(row.values()) for row in _floor_rows(found)))
    return files


def _error_rows(found: Measured) -> Iterator[tuple[Any, ...]]:
    """Yield ERROR_COLUMNS: what is not known of schedules is empty."""
    logged, estimate = found.logged, found.intervals.estimate
    for r, step in enumerate(logged.steps.tolist()):
        rate = "" if logged.rates is None or np.isnan(logged.rates[r]) else float(logged.rates[r])
        for k, xi in enumerate(found.xi):
            value, *interval = (float(field[k, r]) for field in estimate)
            shown = [""] * 3 if found.intervals.reasons[k, r] else interval
            yield step, rate, "", xi.label, value, *shown, int(found.errors.n[k, r]), int(found.errors.n_finite[k, r])


def _floor_rows(found: Measured) -> Iterator[dict[str, Any]]:
    """Yield FLOOR_COLUMNS of each floor; the lag of a twin is counted from where it branched."""
    bounds = found.bounds
    for k, row in enumerate(rows(found.plan)):
        value, *interval = (float(field[k]) for field in (*bounds.estimate, bounds.lower))
        known = [None if bounds.reasons[k] else each for each in interval]
        lag = row.step - found.logged.branch if row.floor.startswith("twin") else row.lag
        yield {
            "step": row.step,
            "floor": row.floor,
            "lag": lag,
            "value": value,
            **dict(zip(("se", "ci_low", "ci_high", "lower"), known, strict=True)),
            "n": int(found.floors.n[k]),
            "n_finite": int(found.floors.n_finite[k]),
        }


def _quantile_rows(found: Measured) -> Iterator[tuple[Any, ...]]:
    """Yield the quantiles of |theta - xi| at every step. An open end is empty, or infinite where some run is."""
    ordered = np.sort(found.distances, axis=2)
    n, columns = ordered.shape[2], []
    for k, xi in enumerate(found.xi):
        finite, infinite = np.isfinite(ordered[k]).sum(axis=1).tolist(), ~np.isfinite(ordered[k, :, -1])
        for name, level in LEVELS.items():
            value, *ends = quantiles(ordered[k], level)
            low, high = (np.where(np.isinf(end) & ~infinite, "", end.astype(object)).tolist() for end in ends)
            columns.append((f"{name}: {xi.label}", value.tolist(), low, high, finite))
    for r, step in enumerate(found.logged.steps.tolist()):
        for label, value, low, high, finite in columns:
            yield step, "last", label, value[r], "", low[r], high[r], n, finite[r]


def _quantiles_at(found: Measured, k: int, r: int) -> dict[str, dict[str, Any]]:
    """Return the quantiles for a xi at a step, as JSON has them."""
    ordered = np.sort(found.distances[k, r])
    of_levels = {name: quantile(ordered, level) for name, level in LEVELS.items()}
    return {
        name: {"value": number(of.value), "ci_low": number(of.low), "ci_high": number(of.high)}
        for name, of in of_levels.items()
    }


def _path_arrays(found: Measured) -> dict[str, Any]:
    """Return the first runs whole, quantiles of all, and what each run ends with: the arrays of a run's paths.npz."""
    logged = found.logged
    floors = found.floors_of_runs[list(last_floors(found.plan).values())] if found.plan.spans else found.floors_of_runs
    names = [f"{MSE_PREFIX}{xi.label}" for xi in found.xi] + ([*last_floors(found.plan)] if found.plan.spans else [])
    runs = min(logged.runs, KEPT)
    # Of many coordinates the first ones: a file of all weights of a network would be as large as the log.
    coordinates = max(1, min(logged.dim, FAN_NUMBERS // (runs * len(logged.steps))))
    kept = logged.theta[:, :coordinates, :KEPT].transpose(2, 0, 1)
    numbers = np.arange(1, coordinates + 1)
    some = (
        {}
        if coordinates == logged.dim
        else {"coordinate": numbers, "coordinate_name": np.array([f"x{k - 1}" for k in numbers])}
    )
    return {
        "step": logged.steps,
        "theta": np.ascontiguousarray(kept),
        "replicate": np.arange(len(kept)),
        "outcome": np.array(OUTCOMES)[found.outcomes[:KEPT]],
        "failure_step": logged.diverged[:KEPT],
        "quantile_level": np.array(QUANTILE_LEVELS),
        "quantile": fan_quantiles(logged.theta[:, : min(coordinates, FAN_COORDINATES)]),
        "quantile_paths": np.array(logged.runs),
        "end_of": np.array(names),
        "end": np.concatenate([found.squares[:, -1], floors]),
        **some,
    }


def _verdict_document(found: Measured) -> dict[str, Any]:
    """Return the content of verdict.json."""
    every = list(_floor_rows(found)) if found.plan.spans else []
    last = last_floors(found.plan) if found.plan.spans else {}
    places = rows(found.plan) if found.plan.spans else []
    floors = {name: _as_json_row(every[k]) | {"first": places[k].first} for name, k in last.items()}
    return {
        "schema_version": SCHEMA_VERSION,
        **as_dict(found.verdict),
        "declared": found.declared.as_dict(),
        "theory": "",
        "medians": _medians(found),
        "floors": floors,
        "outcomes": _outcomes(found),
        "bound": None,
    }


def _as_json_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of floors.csv as JSON has it."""
    return {name: number(value) if isinstance(value, float) else value for name, value in row.items() if name != "floor"}


def _medians(found: Measured) -> dict[str, dict[str, Any]]:
    """Return for each xi what the median of |theta - xi| did from a quarter of the log on."""
    steps = found.logged.steps
    first = int(np.abs(steps - found.logged.last // 4).argmin())
    told = {}
    for k, xi in enumerate(found.xi):
        early, late = (quantile(np.sort(found.distances[k, r]), 0.5) for r in (first, -1))
        falls = late.high < early.low or late.high == 0.0
        course = "falls" if falls else "grows" if late.low > early.high else "unclear"
        ends = {"first": number(early.value), "last": number(late.value)}
        told[xi.label] = {"course": course, "first_step": int(steps[first]), "last_step": int(steps[-1]), **ends}
    return told


def _outcomes(found: Measured) -> dict[str, int]:
    return {name: found.count(name) for name in OUTCOMES}


def _summary(found: Measured, identity: str, name: str) -> dict[str, Any]:
    """Return the content of summary.json."""
    logged, steps = found.logged, summary_steps(found.logged.steps).tolist()
    gone = np.flatnonzero(logged.diverged)
    first = min(gone, key=lambda k: int(logged.diverged[k])) if len(gone) else None
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "identity": identity,
        "claim": "",
        "seed": 0,
        "paths": logged.runs,
        "steps": logged.last,
        "dim": logged.dim,
        "xi_points": {xi.label: xi.point.tolist() for xi in found.xi if xi.point is not None},
        "logged": {
            "steps": len(logged.steps),
            "first": int(logged.steps[0]),
            "twins": logged.branch if logged.twins is not None else None,
            "declared": found.declared.words(),
        },
        "errors": [_row(found, k, r) for r in steps for k in range(len(found.xi))],
        "quantiles": {xi.label: _quantiles_at(found, k, -1) for k, xi in enumerate(found.xi)},
        "outcomes": _outcomes(found),
        "first_failure": None if first is None else {"step": int(logged.diverged[first]), "replicate": int(first)},
        "without_interval": _without_interval(found),
        "warnings": _warnings(found),
    }


def _row(found: Measured, k: int, r: int) -> dict[str, Any]:
    """Return the error for xi k at step r, as JSON has it."""
    value, se, low, high = (float(field[k, r]) for field in found.intervals.estimate)
    return {
        "step": int(found.logged.steps[r]),
        "xi": found.xi[k].label,
        "mse": number(value),
        "status": status(value),
        "se": number(se),
        "ci_low": number(low),
        "ci_high": number(high),
        "n": int(found.errors.n[k, r]),
        "n_finite": int(found.errors.n_finite[k, r]),
        "theory": None,
        "median": None if found.logged.runs == 1 else _quantiles_at(found, k, r)["q50"],
    }


def _without_interval(found: Measured) -> dict[str, str]:
    """Return why means of what runs end with have no interval, by their names."""
    told = {f"{MSE_PREFIX}{xi.label}": str(found.intervals.reasons[k, -1]) for k, xi in enumerate(found.xi)}
    last = last_floors(found.plan) if found.plan.spans else {}
    told |= {name: str(found.bounds.reasons[k]) for name, k in last.items()}
    return {name: reason for name, reason in told.items() if reason}


def _warnings(found: Measured) -> list[str]:
    """List what may mislead a reader."""
    logged = found.logged
    told = list(logged.notes)
    if logged.runs == 1:
        told.append("one run gives no interval: how other runs would differ cannot be known from it")
    elif logged.runs < FEW_PATHS:
        told.append(f"intervals from {count(logged.runs, 'run')} are unreliable; log at least {FEW_RUNS} runs")
    if logged.twins is not None and not found.plan.wanted.twin:
        where = found.plan.spans[0].first if found.plan.spans else logged.last
        told.append(f"the twins branch at step {logged.branch}, and twin floors need a branch at step {where} or before")
    for reason in dict.fromkeys(_without_interval(found).values()):
        names = [name for name, why in _without_interval(found).items() if why == reason]
        told.append(f"no interval for {', '.join(names)}: {reason}")
    heavy = (_heavy_tail(found, k) for k in range(len(found.xi)))
    return [*told, *filter(None, heavy)]


def _heavy_tail(found: Measured, k: int) -> str:
    """Warn if the mean for xi k at the last step rests on few runs; empty otherwise."""
    at = Moments(*(field[k, -1] for field in found.errors))
    carrying, mean, n = float(effective_number(at)), float(at.mean), int(at.n)
    if n < FEW_PATHS or found.intervals.reasons[k, -1] or at.n_finite < n or mean <= 0 or carrying >= min(FEW_PATHS, n / 4):
        return ""
    return f"about {carrying:.1f} of {n} runs dominate the mean for xi = {found.xi[k].label} at step {found.logged.last}"
