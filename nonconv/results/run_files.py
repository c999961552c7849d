"""The data files of a run: error.csv, theory.csv, paths.npz, summary.json.

Nothing in them depends on the clock, the machine's load or the number of workers, so two runs of one config have the
same bytes. docs/configuration.md says what each column means.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np

from nonconv.engine.blocks import summary_steps
from nonconv.experiment.cell import Bound, Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, effective_number
from nonconv.results import counterexample, minima, missing_intervals, network, quantities, states, verdict_files
from nonconv.results.csv_text import INFINITE, as_csv, in_turn, number, status, with_gaps
from nonconv.results.iterates import with_iterates
from nonconv.statistics.counterexample import Evidence
from nonconv.statistics.intervals import FEW_PATHS, Intervals, Reasons, error_intervals
from nonconv.statistics.measured_block import OUTCOMES, end_names
from nonconv.statistics.quantiles import QUANTILE_LEVELS, fan_quantiles
from nonconv.statistics.tally import Tally
from nonconv.store.folder import SCHEMA_VERSION
from nonconv.store.formats import as_json, as_npz
from nonconv.theory.assumptions import departures, leads_elsewhere, theorem
from nonconv.theory.predictions import predictions
from nonconv.theory.recursion import predicted_errors

ERROR_COLUMNS = ("step", "learning_rate", "batch_size", "xi", "mse", "se", "ci_low", "ci_high", "n", "n_finite")

OPTIONAL_FILES = (
    "theory.csv",
    "floors.csv",
    "floors_theory.csv",
    "predictions.json",
    "law.csv",
    *counterexample.FILES,
    *network.FILES,
)
"""Data files that not every run has. Those of an earlier run in the same folder are removed."""
AXES_OF_PATHS = {
    "theta": 0,
    "outcome": 0,
    "failure_step": 0,
    "end": 1,
    "iterate_theta": 1,
    "iterate_end": 2,
    "quantity_end": 1,
}
"""Arrays of paths.npz that have numbers of each path, and the axis of the paths."""


def data_files(cell: Cell, tally: Tally, bound: Bound | None, evidence: Evidence | None = None) -> dict[str, bytes]:
    """Make all data files of a run, by name.

    bound: the a priori interval, if one is known. evidence: what only a run on Toint's counterexample has.
    """
    theory = [predicted_errors(cell, iterate) for iterate in range(len(cell.iterates))]
    errors = error_intervals(cell, tally)
    files = {
        "error.csv": error_csv(cell, tally, errors),
        **quantities.files(cell, tally),
        "paths.npz": as_npz(path_arrays(cell, tally)),
    }
    if any(theory):
        files["theory.csv"] = theory_csv(cell, theory)
    files |= verdict_files.files(cell, tally, bound)
    predicted = {name: found._asdict() for name, found in predictions(cell).items()}
    if predicted:
        files["predictions.json"] = as_json(predicted)
    content = summary(cell, tally, errors, theory)
    if evidence:
        files |= counterexample.files(cell, tally, evidence)
        content["counterexample"] = counterexample.summary(cell, tally, evidence)
    if cell.quantities:
        content["quantities"] = quantities.summary(cell, tally)
    if cell.states:
        content["state"] = states.summary(cell, tally)
    if cell.learns:
        files |= network.files(cell, tally)
        content["network"] = network.summary(cell, tally)
    return files | {"summary.json": as_json(content)}


def error_csv(cell: Cell, tally: Tally, errors: Intervals) -> bytes:
    """Write one row per recorded step and xi, of one iterate after the other where there are several.

    It has the schedules at that step, and the mean of |theta_n - xi|^2 with its 95 % interval, empty where there is a reason.
    The mean is empty too where it is infinite.
    """
    found = [_error_rows(cell, tally, errors)]
    found += [_error_rows(cell, own, error_intervals(cell, own)) for own in tally.views[1:]]
    return as_csv(*with_iterates(cell, ERROR_COLUMNS, found))


def _error_rows(cell: Cell, tally: Tally, errors: Intervals) -> Iterator[tuple[Any, ...]]:
    """Return ERROR_COLUMNS of one iterate."""
    n = cell.program.record.astype(np.float64)
    schedules = (cell.program.record, cell.program.learning_rate(n), cell.program.batch_size(n).astype(np.int64))
    steps, (value, *interval), withheld = [values.tolist() for values in schedules], errors.estimate, errors.reasons != ""
    found = []
    for k, xi in enumerate(cell.xi):
        shown = with_gaps(value[k], errors.infinite[k]), *(with_gaps(field[k], withheld[k]) for field in interval)
        counts = tally.errors.n[k].tolist(), tally.errors.n_finite[k].tolist()
        found.append(zip(*steps, repeat(xi.label), *shown, *counts, strict=False))
    return in_turn(found)


def theory_csv(cell: Cell, theory: list[dict[str, Array]]) -> bytes:
    """Write the exact expected error, one row per recorded step and xi. theory: of each iterate, shape (R,) each, by xi."""
    steps = [*enumerate(cell.program.record.tolist())]
    found = [[(step, label, float(values[r])) for r, step in steps for label, values in own.items()] for own in theory]
    return as_csv(*with_iterates(cell, ("step", "xi", "mse"), found))


def path_arrays(cell: Cell, tally: Tally) -> dict[str, Any]:
    """Return the recorded paths, quantiles of the first `quantile_paths` paths, and what each of the first paths ends with.

    Where only some coordinates are kept, `coordinate` has their numbers, from 1 on as in a config, and `coordinate_name` their
    names.
    """
    fan, kept, named = tally.fan.joined, tally.kept.joined, {}
    if cell.coordinates:
        named = {
            "coordinate": np.array([number + 1 for number, _ in cell.coordinates]),
            "coordinate_name": np.array([name for _, name in cell.coordinates]),
        }
    return (
        {
            "step": cell.program.record,
            "theta": kept,
            "replicate": np.arange(len(kept)),
            "outcome": np.array(OUTCOMES)[tally.kept_outcome.joined],
            "failure_step": tally.kept_failure.joined,
            "quantile_level": np.array(QUANTILE_LEVELS),
            "quantile": fan_quantiles(fan),
            "quantile_paths": np.array(fan.shape[2]),
            "end_of": np.array(end_names(cell)),
            "end": tally.ends.joined,
        }
        | _iterate_arrays(cell, tally)
        | named
        | quantities.ends(cell, tally)
        | states.arrays(cell, tally)
    )


def axis_of_paths(name: str) -> int | None:
    """Return along which axis an array of paths.npz has the paths; None if it has none."""
    return 0 if name.startswith(states.PREFIX) else AXES_OF_PATHS.get(name)


def _iterate_arrays(cell: Cell, tally: Tally) -> dict[str, Any]:
    """Return the paths, quantiles and ends of iterates besides the last, by their names in `iterate`; {} without any."""
    others = tally.views[1:]
    return (
        {}
        if not others
        else {
            "iterate": np.array(cell.iterates[1:]),
            "iterate_theta": np.array([own.kept.joined for own in others]),
            "iterate_quantile": np.array([fan_quantiles(own.fan.joined) for own in others]),
            "iterate_end": np.array([own.ends.joined for own in others]),
        }
    )


def summary(cell: Cell, tally: Tally, errors: Intervals, theory: list[dict[str, Array]]) -> dict[str, Any]:
    """Return the content of summary.json: what summary.md, the terminal and --json say.

    errors: estimates of shape (xi, R). theory: exact errors by xi, of each iterate.
    """
    missing = departures(cell)
    elsewhere = leads_elsewhere(cell) if any(xi.label == "minimizer" for xi in cell.xi) else []
    failure = tally.first_failure
    return {
        "schema_version": SCHEMA_VERSION,
        "name": cell.name,
        "identity": cell.identity,
        "claim": cell.claim,
        "seed": cell.program.seed,
        "paths": tally.paths,
        "steps": cell.program.steps,
        "dim": cell.program.dim,
        "xi_points": {xi.label: xi.point.tolist() for xi in cell.xi if xi.point is not None},
        **minima.document(cell),
        **({"leads_elsewhere": elsewhere} if elsewhere else {}),
        f"theorem_{theorem(cell).replace('.', '_')}": {"applies": not missing, "departures": missing},
        "errors": [
            _row(cell, tally, errors, k, r, theory[0])
            for r in summary_steps(cell.program.record).tolist()
            for k in range(len(cell.xi))
        ],
        "quantiles": {xi.label: quantities.at(cell, tally, k, -1) for k, xi in enumerate(cell.xi)},
        "outcomes": {name: int(count) for name, count in zip(OUTCOMES, tally.outcomes, strict=True)},
        **verdict_files.at_ends(tally),
        "first_failure": {"step": failure.step, "replicate": failure.path} if failure else None,
        "without_interval": missing_intervals.of_ends(cell, tally, errors.reasons),
        "warnings": _warnings(cell, tally, errors.reasons),
        **_iterates(cell, tally, theory[1:]),
    }


def _iterates(cell: Cell, tally: Tally, theory: list[dict[str, Array]]) -> dict[str, Any]:
    """Return what summary.json says of iterates besides the last, by their names; {} without any. theory: of each of them."""
    found = {}
    for label, own, known in zip(cell.iterates[1:], tally.views[1:], theory, strict=True):
        errors = error_intervals(cell, own)
        steps = summary_steps(cell.program.record).tolist()
        found[label] = {
            "errors": [_row(cell, own, errors, k, r, known) for r in steps for k in range(len(cell.xi))],
            "quantiles": {xi.label: quantities.at(cell, own, k, -1) for k, xi in enumerate(cell.xi)},
            "without_interval": missing_intervals.of_ends(cell, own, errors.reasons),
        }
    return {"iterates": found} if found else {}


def _row(cell: Cell, tally: Tally, errors: Intervals, k: int, r: int, theory: dict[str, Array]) -> dict[str, Any]:
    """Return the error for xi k at recorded step r, as JSON has it."""
    value, se, low, high = (float(field[k, r]) for field in errors.estimate)
    label = cell.xi[k].label
    return {
        "step": int(cell.program.record[r]),
        "xi": label,
        "mse": number(value),
        "status": INFINITE if errors.infinite[k, r] else status(value),
        "se": number(se),
        "ci_low": number(low),
        "ci_high": number(high),
        "n": int(tally.errors.n[k, r]),
        "n_finite": int(tally.errors.n_finite[k, r]),
        "theory": number(float(theory[label][r])) if label in theory else None,
        "median": None if cell.deterministic else quantities.at(cell, tally, k, r)["q50"],
    }


def _warnings(cell: Cell, tally: Tally, reasons: Reasons) -> list[str]:
    """List what may mislead a reader: too few paths, means without an interval, or means that few paths dominate."""
    if cell.deterministic:
        return missing_intervals.sentences(cell, tally, reasons)
    if tally.paths == 1:
        return ["one path gives no interval"]
    few = [f"intervals from {tally.paths} paths are unreliable; take at least 200 paths"] if tally.paths < FEW_PATHS else []
    heavy = [_heavy_tail(cell, tally.errors, k) for k in range(len(cell.xi)) if not reasons[k, -1]]
    return [*few, *missing_intervals.sentences(cell, tally, reasons), *filter(None, heavy)]


def _heavy_tail(cell: Cell, moments: Moments, k: int) -> str:
    """Warn if the mean for xi k at the last step rests on few paths; empty otherwise."""
    at = Moments(*(field[k, -1] for field in moments))
    carrying, mean, n = float(effective_number(at)), float(at.mean), int(at.n)
    # If some paths are infinite there is no interval that could mislead.
    if carrying >= min(FEW_PATHS, n / 4) or mean <= 0 or at.n_finite < n:
        return ""
    return (
        f"about {carrying:.1f} of {n} paths dominate the mean for xi = {cell.xi[k].label} at step {cell.program.steps}"
        f" (the largest alone is {float(at.largest) / mean / n:.0%} of it); its interval is wide, take more paths"
    )
