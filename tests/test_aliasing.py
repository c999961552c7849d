"""Floors under periodic learning rates: of every step of the window, not of one phase.

A statistical comparison holds within 4 standard errors. Its control is the rule that looks at equidistant steps: with a
period that divides their distance they all have one phase, and it must fail.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.linear import WIDTH, cell_of, distance
from kit.runs import run
from nonconv.engine.blocks import Block, simulate
from nonconv.engine.fused import Fused
from nonconv.engine.moving import every_step
from nonconv.engine.plan import Span
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import estimate, lower_bound, moments
from nonconv.statistics.floors import measured, rows
from nonconv.statistics.trends import Trend, followed, trends
from nonconv.theory.recursion import predicted_errors

pytestmark = pytest.mark.compiles

STEPS, PERIOD, SIGHTS = 8192, 128, 64
STOP = np.zeros(1, dtype=np.uint8)


def periodic(folder: Path, optimizer: str, high: float, **changes: Any) -> Cell:
    """Rates from 0 to high and back in 128 steps. In the last span 64 steps at equal distances are half a period apart."""
    config: dict[str, Any] = {
        "seed": 5,
        "paths": 1024,
        "steps": STEPS,
        "objective": {"name": "quadratic", "data": "rademacher"},
        "optimizer": optimizer,
        "learning_rate": {"name": "cyclic", "low": 0.0, "high": high, "period": PERIOD},
        "xi": ["minimizer"],
        "record": {"points": STEPS, "spacing": "linear", "paths": 0},
    }
    return cell_of(folder, config | changes)


def simulated(cell: Cell) -> Block:
    return simulate(cell.program, Fused(cell.program), 0, cell.paths, STOP)


def variances(cell: Cell, first: int = 0) -> Array:
    """E|theta_n|^2 of SGD that starts at 0 at step `first`, (steps + 1,): V_n = (1 - 2 rate)^2 V_{n-1} + (2 rate)^2."""
    n = np.arange(1.0, cell.program.steps + 1.0)
    found = np.zeros(cell.program.steps + 1)
    for step, rate in enumerate(cell.program.learning_rate(n).tolist(), start=1):
        found[step] = (1.0 - 2.0 * rate) ** 2 * found[step - 1] + 4.0 * rate**2 if step > first else 0.0
    return found


def equidistant(span: Span) -> Any:
    """The steps that a window with one phase looks at."""
    return span.first + (span.last - span.first) * np.arange(1, SIGHTS + 1) // SIGHTS


@pytest.fixture(scope="module")
def sgd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cell, Block]:
    """At rates up to 0.99 / 2 of the curvature's limit, where the error is a hundred times larger than half a period later."""
    cell = periodic(tmp_path_factory.mktemp("sgd"), "sgd", 0.99)
    return cell, simulated(cell)


def test_errors_are_known(sgd: tuple[Cell, Block]) -> None:
    cell, _ = sgd
    assert cell.period == PERIOD
    assert predicted_errors(cell)["minimizer"] == pytest.approx(variances(cell)[1:], rel=1e-9)


@pytest.mark.parametrize("floor", ["window", "cauchy_mean"])
def test_floors_are_below_the_average_error(floor: str, sgd: tuple[Cell, Block]) -> None:
    """The minimizer is one xi: at the error of one in a thousand no bound exceeds what it attains over the same steps."""
    cell, block = sgd
    exact, plan = variances(cell), cell.program.plan
    found = lower_bound(moments(measured(plan, block)), 0.001)
    for k, span in enumerate(plan.spans):
        (row,) = (r for r, row in enumerate(rows(plan)) if (row.floor, row.span) == (floor, k))
        assert span.covered == span.last - span.first
        assert 0.0 < found[row] <= exact[span.first_of(0) :][: span.covered].mean()


def test_equidistant_floors_are_not(sgd: tuple[Cell, Block]) -> None:
    """Control: what they bound is the error at one phase or two, several times the average."""
    cell, block = sgd
    span, exact = cell.program.plan.spans[-1], variances(cell)
    theta = block.theta[equidistant(span) - 1]
    gaps = np.square(theta[SIGHTS // 2 :] - theta[: SIGHTS // 2]).sum(axis=1).mean(axis=0) / 4.0
    for of_paths in (theta.var(axis=0).sum(axis=0), gaps):
        assert lower_bound(moments(of_paths), 0.001) > 1.2 * exact[span.first_of(0) :].mean()


def test_twin_mean_is_of_every_late_step(sgd: tuple[Cell, Block]) -> None:
    cell, block = sgd
    plan = cell.program.plan
    found = estimate(moments(measured(plan, block)))
    for k, span in enumerate(plan.spans):
        (row,) = (r for r, row in enumerate(rows(plan)) if (row.floor, row.span) == ("twin_mean", k))
        exact, late = variances(cell, span.first), slice(span.first_of(span.late.start), span.last + 1)
        assert abs(found.value[row] - exact[late].mean()) < WIDTH * found.se[row]
    assert abs(found.value[row] - exact[equidistant(span)[SIGHTS // 2 :]].mean()) > WIDTH * found.se[row]


def test_error_is_averaged_over_every_step(sgd: tuple[Cell, Block]) -> None:
    cell, block = sgd
    plan, exact = cell.program.plan, variances(cell)
    of_paths = followed(plan, block, measured(plan, block), [np.zeros((1, 1))])
    seen = estimate(moments(of_paths))
    for k, span in enumerate(plan.spans):
        at = trends(plan, ("minimizer",)).index(Trend("error: minimizer", k))
        assert abs(seen.value[at] - exact[span.first_of(0) : span.last + 1].mean()) < WIDTH * seen.se[at]
    assert abs(seen.value[at] - exact[equidistant(span)].mean()) > WIDTH * seen.se[at]


def test_adam_beside_a_plain_average(tmp_path: Path) -> None:
    """Other paths, looked at after all steps: the error agrees with theirs, and the window floor is below it."""
    cell = periodic(tmp_path, "adam", 0.5, record={"points": 2, "paths": 0})
    program, block = cell.program, simulated(cell)
    plan, span = program.plan, program.plan.spans[-1]
    total, one_phase = np.zeros(cell.paths), np.zeros(cell.paths)
    looked_at = set(equidistant(span).tolist())
    for first, theta in every_step(program, Fused(program), cell.paths, cell.paths, STOP, 512):
        for n, squares in enumerate(np.square(theta[:, 0]), start=first):
            total += squares if n >= span.first_of(0) else 0.0
            one_phase += squares if n in looked_at else 0.0
    plain, phase = (estimate(moments(x)) for x in (total / span.covered, one_phase / SIGHTS))
    of_paths = followed(plan, block, measured(plan, block), [np.zeros((1, 1))])
    at = trends(plan, ("minimizer",)).index(Trend("error: minimizer", len(plan.spans) - 1))
    seen = estimate(moments(of_paths[at]))
    error = np.hypot(seen.se, plain.se)
    assert abs(seen.value - plain.value) < WIDTH * error
    assert distance(phase, plain.value) > 2 * WIDTH, "the equidistant rule is off by far more than chance"
    (row,) = (r for r, row in enumerate(rows(plan)) if row.floor == "window" and row.span == len(plan.spans) - 1)
    assert 0.0 < lower_bound(moments(measured(plan, block)[row]), 0.001) <= plain.high


@pytest.mark.parametrize(("paths", "narrow"), [(1, False), (64, True)])
def test_a_slope_of_an_alternating_path_says_how_far_few_looks_may_be_off(paths: int, narrow: bool, tmp_path: Path) -> None:
    """The errors of -1, 1 in turn at the rate 1/k, k the pass, are k^-2 at the ends of passes and k^-4 between: slope -2.

    The path is known exactly, but its spans are averaged over 64 looks of each path, of which a random half are at ends.
    """
    config = {
        "paths": paths,
        "steps": 20000,
        "objective": {"name": "quadratic", "scale": 0.5, "data": {"name": "sequence", "values": [-1, 1], "order": "cyclic"}},
        "optimizer": "sgd",
        "learning_rate": {"name": "formula", "value": "1 / ceil(n/2)"},
        "xi": "minimizer",
        "record": {"points": 10, "paths": 0},
    }
    files = run(cell_of(tmp_path, config), tmp_path / "out")
    slope = json.loads(files["verdict.json"])["slopes"]["error: minimizer"]
    assert slope["ci_low"] <= -2.0 <= slope["ci_high"]
    assert (slope["ci_high"] - slope["ci_low"] < 0.2) is narrow
