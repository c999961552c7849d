"""How often intervals cover: SGD at a constant rate on skewed data, whose floors, errors and slopes are known exactly.

Paths are independent, so path numbers 200 r, ..., 200 r + 199 are the r-th repetition of an experiment with 200 paths.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laboratory.process import cell_of
from nonconv.engine.blocks import simulate
from nonconv.engine.plan import PHASE_MASK, Span, Steps, turns
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, estimate
from nonconv.results.verdict_files import verdict_of
from nonconv.statistics.floors import rows
from nonconv.statistics.tally import Tally, measure
from nonconv.study.ready import compiled
from nonconv.theory.recursion import predicted_errors

PATHS, STEPS = 200, 4096
RATE, CURVATURE = 0.05, 2.0
SKEWED = {"name": "two_point", "low": -1.0, "high": 1.0, "p_high": 0.25}
SGD: dict[str, Any] = {
    "steps": STEPS,
    "paths": PATHS,
    "objective": {"name": "quadratic", "data": SKEWED},
    "optimizer": "sgd",
    "learning_rate": RATE,
    "xi": ["minimizer"],
    "record": {"points": 20, "paths": 0},
}
FLOORS = {"twin": "twin_mean", "window": "window", "cauchy": "cauchy_mean"}


def sgd_cell(**changes: Any) -> Cell:
    """Return SGD with entries of its config replaced."""
    return cell_of({**SGD, **changes})


def repetitions(cell: Cell, number: int) -> Iterator[Tally]:
    """Yield the tallies of independent repetitions."""
    engine, stop = compiled(cell.program), np.zeros(1, dtype=np.uint8)
    for r in range(number):
        yield measure(cell, simulate(cell.program, engine, r * cell.paths, cell.paths, stop))


def looks_of_each_phase(span: Span) -> tuple[Steps, Array]:
    """Return all choices of one step per stratum that a phase can make, (strata, choices), and their probabilities."""
    # A step changes with the place in its stratum at multiples of 1 / covered, of which gcd(covered, strata) are the same.
    count = span.covered // math.gcd(span.covered, span.strata)
    places = np.array([-(-k * 2**32 // count) for k in range(count)], dtype=np.uint64)
    begin = np.unique(np.append((places[:, None] - turns(span.strata)).ravel() & PHASE_MASK, np.uint64(0)))
    return span.looks(begin), np.diff(np.append(begin, np.uint64(2**32)).astype(float)) / 2**32


def floor_truth(cell: Cell) -> Array:
    """Return the expectation of each floor of stationary SGD, in the order of `rows` (docs/theory.md)."""
    g = CURVATURE * RATE
    rho, v = 1.0 - g, g * float(cell.law.variance[0]) / (2.0 - g)  # type: ignore[union-attr]
    spans = cell.program.plan.spans
    found = []
    for row in rows(cell.program.plan):
        span, lag = spans[row.span], row.lag
        if row.floor == "twin":
            found.append(v * (1.0 - rho ** (2.0 * lag)))
        elif row.floor == "twin_mean":
            # A mean over paths of one step of each stratum is the mean over all steps of these strata.
            late = np.arange(row.first, row.step + 1) - span.first
            found.append(v * float(np.mean(1.0 - rho ** (2.0 * late))))
        elif row.floor == "window":
            steps, weight = looks_of_each_phase(span)
            # The sum of rho^|a - b| over the pairs a < b of steps of a window, from step to step.
            before = pairs = np.zeros(steps.shape[1])
            for gap in np.diff(steps, axis=0):
                before = (before + 1.0) * rho**gap
                pairs = pairs + before
            found.append(v * (1.0 - float((len(steps) + 2.0 * pairs) @ weight) / len(steps) ** 2))
        else:
            found.append(v * (1.0 - rho**lag) / 2.0)
    return np.array(found)


def coverage(number: int) -> Iterator[tuple[str, int, int, float]]:
    """Yield what, at which step, at which lag, and the share of repetitions whose 95 % interval covers the truth."""
    cell = sgd_cell(xi=["minimizer", "start"])
    hits: list[NDArray[np.bool_]] = []
    predicted = predicted_errors(cell)
    errors = np.array([predicted[xi.label] for xi in cell.xi])
    truth = floor_truth(cell)
    exponents = {name: _exponent(cell, truth, floor) for name, floor in FLOORS.items()}
    slopes: list[dict[str, bool]] = []
    for tally in repetitions(cell, number):
        hits.append(np.concatenate([_covered(tally.errors, errors).ravel(), _covered(tally.floors, truth)]))
        found = verdict_of(cell, tally).slopes
        slopes.append({name: s.ci_low <= exponents.get(name, 0.0) <= s.ci_high for name, s in found.items()})
    share = np.mean(hits, axis=0)
    late = [r for r, step in enumerate(cell.program.record) if step >= STEPS // 4]
    for k, xi in enumerate(cell.xi):
        for r in late:
            yield f"E&#124;Θ − {xi.label}&#124;²", int(cell.program.record[r]), 0, float(share[k * errors.shape[1] + r])
    for row, covered in zip(rows(cell.program.plan), share[errors.size :], strict=True):
        yield row.floor, row.step, row.lag, float(covered)
    for name in slopes[0]:
        yield f"log-log slope of {name}", STEPS, 0, float(np.mean([found[name] for found in slopes]))


def _exponent(cell: Cell, truth: Array, floor: str) -> float:
    """Return a slope that is not quite 0: the steps of a longer window lie further apart."""
    of_spans = [value for row, value in zip(rows(cell.program.plan), truth, strict=True) if row.floor == floor]
    before, last = of_spans[-2:]
    return float(np.log2(last / before))


def _covered(moments: Moments, truth: Array) -> NDArray[np.bool_]:
    """Return whether each interval covers the truth."""
    found = estimate(moments)
    return (found.low <= truth) & (truth <= found.high)


def coverage_table(number: int) -> Iterator[str]:
    """Yield the lines of the section on coverage, from `number` repetitions."""
    yield f"{number} repetitions of {PATHS} paths of SGD at a constant rate (g = 0.1) on skewed data.\n"
    yield "| what | step | lag | covered |"
    yield "| --- | ---: | ---: | ---: |"
    for what, step, lag, covered in coverage(number):
        yield f"| {what} | {step} | {lag or ''} | {100 * covered:.1f} % |"
