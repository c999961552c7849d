"""The files and the summary that Toint's counterexample adds: what each step met, and what became of the paths.

The function is built from knots, one per step of the optimizer's orbit, with the same slope at each. A path on the
knots meets this slope at every step and escapes to infinity; a path that does not keep pace is caught in a
local minimum.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.toint import companion, knots_on, table
from nonconv.results.csv_text import as_csv, number
from nonconv.statistics.counterexample import KNOTS, Evidence
from nonconv.statistics.measured_block import OUTCOMES
from nonconv.statistics.shares import share
from nonconv.statistics.tally import Tally
from nonconv.theory.linearised import deviation

FILES = ("orbit.csv", "outcomes.csv", "slopes.csv", "objective.csv")
SHOWN_INTERVALS, POINTS_PER_INTERVAL = 8, 32
"""Of the function's curves in objective.csv: intervals between knots, and points in each."""
KNOT_REASONS = {
    "exact": "the optimizer's own iterates for a constant slope, so rounding cannot move it off them",
    "uniform": "the multiples of one spacing, as in a program written from the paper, so rounding errors matter",
}


def files(cell: Cell, tally: Tally, evidence: Evidence) -> dict[str, bytes]:
    """Make FILES by name.

    outcomes.csv is there only where paths differ from each other.
    """
    found = {
        "orbit.csv": as_csv(
            ("step", "orbit", "off_line", "lipschitz", *_column_names("theta", "f", "slope")), _orbit_rows(cell, evidence)
        ),
        "slopes.csv": as_csv(
            ("path", "steps", "exact", "first_other", "largest_error", "growth", "predicted_growth", "from", "to"),
            _slope_rows(cell, evidence),
        ),
        "objective.csv": as_csv(("knots", "theta", "f", "slope"), _curve_rows(cell, evidence)),
    }
    if not cell.deterministic:
        header = ("path", "start", "outcome", "caught_step", "place", "speed")
        found["outcomes.csv"] = as_csv(header, _outcome_rows(tally))
    return found


def _column_names(*names: str) -> list[str]:
    """Name the columns of quantities that are measured on either kind of knots."""
    return [f"{name}_{knots}" for knots in KNOTS for name in names]


def _orbit_rows(cell: Cell, evidence: Evidence) -> Iterator[tuple[Any, ...]]:
    """Yield the first path at the recorded steps on either kind of knots, beside the orbit.

    off_line: how far, relatively, the orbit is from step * its first step. lipschitz: of f' on the exact knots so far.
    """
    orbit, trace = _orbit(cell), evidence.trace
    gaps = np.diff(orbit)
    lipschitz = 6.0 * cell.program.objective.parameters.scale / np.minimum.accumulate(np.where(gaps > 0, gaps, np.inf))
    for r, step in enumerate(cell.program.record):
        values = [float(field[k, r]) for k in range(len(KNOTS)) for field in (trace.theta, trace.loss, trace.slope)]
        off_line = float(orbit[step] / (step * orbit[1]) - 1.0) if orbit[1] else float("nan")
        yield int(step), float(orbit[step]), off_line, float(lipschitz[step - 1]), *values


def _orbit(cell: Cell) -> Array:
    """Return the orbit, which every cell of this objective has once it is ready."""
    assert cell.program.orbit is not None
    return cell.program.orbit


def _fates(tally: Tally) -> Array:
    """Return what became of each path: outcome, step, place, speed and start, shape (5, paths)."""
    assert tally.fates is not None
    return tally.fates.joined


def _outcome_rows(tally: Tally) -> Iterator[tuple[Any, ...]]:
    """Yield a row per path: its start, its outcome, and where and when it was caught."""
    for path, (outcome, step, place, speed, start) in enumerate(_fates(tally).T.tolist()):
        yield path, start, OUTCOMES[int(outcome)], int(step), place, speed


def _slope_rows(cell: Cell, evidence: Evidence) -> Iterator[tuple[Any, ...]]:
    """Yield a row per recorded path: how many slopes were exact, and how fast its distance from the orbit grew."""
    s = evidence.slopes
    for path, row in enumerate(zip(s.exact, s.first_other, s.largest, s.growth, strict=True)):
        exact, other, largest, growth = row
        span = int(s.growth_from[path]), int(s.growth_to[path])
        predicted = _predicted_growth(cell, float(s.deviation[path]), *span)
        yield path, cell.program.steps, int(exact), int(other), float(largest), float(growth), predicted, *span


def _predicted_growth(cell: Cell, start: float, began: int, ended: int) -> float:
    """Return the factor per step by which the linearised deviation grows over the same steps.

    nan unless the path starts off the orbit.
    """
    if began != 0 or ended <= 0:
        return float("nan")
    linear = deviation(cell.program, _orbit(cell), start, ended)
    return float("nan") if linear is None else float(np.abs(linear[-1] / start) ** (1.0 / (len(linear) - 1)))


def _curve_rows(cell: Cell, evidence: Evidence) -> Iterator[tuple[Any, ...]]:
    """Yield f and f' where the figure shows them.

    These are the first intervals, and those around the end of the path on uniform knots.
    """
    (objective, h, _), orbit = cell.program.objective, _orbit(cell)
    for k, name in enumerate(KNOTS):
        knots = knots_on(companion(h, name, orbit), orbit)
        middle = 0 if name == "exact" else int(np.searchsorted(knots, evidence.trace.theta[k, -1]))
        first = max(0, min(middle - SHOWN_INTERVALS // 2, len(knots) - SHOWN_INTERVALS - 1))
        shown = knots[first : first + SHOWN_INTERVALS + 1]
        theta = np.interp(np.arange(0, len(shown) - 1 + 1e-9, 1 / POINTS_PER_INTERVAL), np.arange(len(shown)), shown)
        one = table(knots, h.scale, 1)
        constants = type(one)(*(field[0] for field in one))
        values = (objective.loss(constants, theta, None), objective.gradient(constants, theta, None))
        for t, f, slope in zip(theta.tolist(), *(value.tolist() for value in values), strict=True):
            yield name, t, f, slope


def facts(cell: Cell) -> dict[str, Any]:
    """Return what the manifest adds: which knots were used, and why."""
    if cell.program.orbit is None:
        return {}
    knots = cell.program.objective.parameters.knots
    return {"knots": {"kind": knots, "why": KNOT_REASONS[knots]}}


def summary(cell: Cell, tally: Tally, evidence: Evidence) -> dict[str, Any]:
    """Return what summary.json says of the counterexample."""
    h, orbit, s = cell.program.objective.parameters, _orbit(cell), evidence.slopes
    gaps = np.diff(knots_on(h, orbit))
    outcome, step, _, speed, _ = _fates(tally)
    escaped, caught = outcome == OUTCOMES.index("escaped"), outcome == OUTCOMES.index("caught")
    wide = companion(h, "uniform", orbit).spacing if h.knots == "exact" else 0.0
    return {
        "knots": h.knots,
        **({"companion": {"spacing": wide}} if wide else {}),
        "why": KNOT_REASONS[h.knots],
        "scale": h.scale,
        "spacing": {"min": float(gaps.min()), "max": float(gaps.max())},
        "lipschitz": number(6.0 * h.scale / float(gaps.min())),
        "orbit": {"last": float(orbit[cell.program.steps]), "per_step": _orbit_speed(orbit, cell.program.steps)},
        "slopes": {
            "paths": len(s.exact),
            "steps": cell.program.steps * len(s.exact),
            "exact": int(s.exact.sum()),
            "first_other": int(s.first_other[s.first_other > 0].min(initial=2**62)) if s.first_other.any() else None,
        },
        "escaped": _share(cell, int(tally.outcomes[OUTCOMES.index("escaped")]), tally.paths),
        "speed": _quantiles(speed[escaped]),
        "caught_step": _quantiles(step[caught]),
    }


def _orbit_speed(orbit: Array, steps: int) -> float:
    """Return the orbit's speed per step over the last half of the run, as for paths."""
    return float(orbit[steps] - orbit[steps // 2]) / (steps - steps // 2)


def _share(cell: Cell, escaped: int, paths: int) -> dict[str, float | None]:
    """Return the share of escaped paths; without an interval where nothing is random."""
    found = share(escaped, paths)._asdict()
    return found if not cell.deterministic else found | {"ci_low": None, "ci_high": None}


def _quantiles(values: Array) -> dict[str, float | None] | None:
    """Return least, middle and largest of values that occur; None if there are none."""
    if not len(values):
        return None
    low, middle, high = np.quantile(values, (0.0, 0.5, 1.0), method="inverted_cdf")
    return {"min": number(float(low)), "median": number(float(middle)), "max": number(float(high))}
