"""Floors that no xi undercuts: where they look, what twins are, their exact values, and that they are lower bounds.

A statistical comparison holds within 4 standard errors and has a control that must fail, as in test_oracles.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kit.coverage import coverage_script
from kit.linear import METHODS, TIMETABLES, WIDTH, cell_of, distance, each_method, each_timetable, linear_cell, response
from kit.programs import LAW_OF, SOME_OPTIMIZERS, each_engine, looked_at, make, run
from kit.programs import all_looks as seen_per_span
from kit.strata import all_looks, mean_over_strata
from nonconv.engine.blocks import Block, simulate
from nonconv.engine.fused import Fused
from nonconv.engine.plan import MOST_SPANS, NO_PLAN, NOTHING_WANTED, Plan, Span, Wanted, plan_for
from nonconv.engine.program import Program
from nonconv.engine.reference import Reference
from nonconv.engine.strata import path_phases
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import estimate, lower_bound, moments
from nonconv.numerics.rng import key, uniforms
from nonconv.results.verdict_files import floor_rows
from nonconv.statistics.floors import Row, half_distance, measured, rows
from nonconv.statistics.tally import measure
from nonconv.statistics.trends import LAST_SQUARE, ONE_STEP, WINDOW_ENDS, Trend, followed, trends
from nonconv.theory import closed_forms
from nonconv.theory.recursion import predicted_twins

MANY = settings(max_examples=200, derandomize=True, deadline=None)
ALL = Wanted()


# Where floors look

some_steps = st.integers(1, 300) | st.integers(1, 10**6)
a_span = st.tuples(st.integers(1, 10**5), st.integers(1, 300) | st.integers(1, 10**5)).map(lambda x: Span(x[0], x[0] + x[1]))


@MANY
@given(some_steps)
def test_spans_are_dyadic_and_end_with_the_run(steps: int) -> None:
    spans = plan_for(steps, ALL).spans
    assert len(spans) == min(MOST_SPANS, steps.bit_length() - 1)
    assert all(span.first == span.last // 2 >= 1 for span in spans)
    assert [span.last for span in spans[:-1]] == [span.first for span in spans[1:]]
    assert not spans or spans[-1].last == steps


@pytest.mark.parametrize(
    ("steps", "spans"),
    [
        (1, []),
        (2, [(1, 2)]),
        (3, [(1, 3)]),
        (4, [(1, 2), (2, 4)]),
        (7, [(1, 3), (3, 7)]),
        (8, [(1, 2), (2, 4), (4, 8)]),
        (9, [(1, 2), (2, 4), (4, 9)]),
        (20_000, [(2500, 5000), (5000, 10_000), (10_000, 20_000)]),
    ],
)
def test_spans_of_few_steps(steps: int, spans: list[tuple[int, int]]) -> None:
    assert [(span.first, span.last) for span in plan_for(steps, ALL).spans] == spans


@MANY
@given(a_span)
def test_lags_double_up_to_the_whole_span(span: Span) -> None:
    whole, lags = span.last - span.first, span.lags.tolist()
    doubled = [lag for lag in (2**k for k in range(20)) if lag < whole]
    assert lags == [*doubled, whole]


@MANY
@given(a_span)
def test_marks_are_what_every_path_is_looked_at(span: Span) -> None:
    """Rising and once each; the path also at the branch point, its twin only after."""
    lagged = [span.first + lag for lag in span.lags.tolist()]
    assert span.path_marks.tolist() == [span.first, *lagged]
    assert span.twin_marks.tolist() == lagged
    assert lagged == sorted(set(lagged))
    assert lagged[-1] == span.last


@pytest.mark.slow
@MANY
@given(some_steps, st.sets(st.integers(1, 300), min_size=1))
def test_marks_hold_the_recorded_steps(steps: int, record: set[int]) -> None:
    plan, recorded = plan_for(steps, ALL), np.array(sorted(record))
    marks = plan.marks(recorded).tolist()
    assert marks == sorted({*recorded.tolist(), *(step for span in plan.spans for step in span.path_marks.tolist())})


def test_nothing_wanted_looks_at_nothing() -> None:
    plan, record = plan_for(1000, NOTHING_WANTED), np.array([3, 10, 1000])
    assert plan == NO_PLAN
    assert plan.marks(record).tolist() == record.tolist()
    assert rows(plan) == []


# Twins


def by_hand(program: Program, paths: int, branch: int, first: int = 0) -> Array:
    """All iterates, (steps, dim, paths), of paths that use the twins' data after step `branch`: definitions, step by step."""
    (law, _, of_law), (objective, _, of_objective), (optimizer, h, _) = program.data, program.objective, program.optimizer
    dim = program.dim
    theta = np.repeat(np.asarray(program.start)[:, None], paths, axis=1)
    state = [optimizer.state(*(np.full(paths, x) for x in optimizer.start(h))) for _ in range(dim)]
    found = []
    for piece in program.slices(1):
        stream = key(program.seed, "data" if piece.first_step <= branch else "twin")
        batch, (*columns, rate) = int(piece.batch_size[0]), piece.coefficients[0].tolist()
        u = uniforms(stream, piece.first_draw, batch * dim, first, paths).reshape(batch, dim, paths)
        for j in range(dim):
            x = law.sample(law.constants(*(field[j] for field in of_law)), u[:, j])
            constants = objective.constants(*(field[j] for field in of_objective))
            gradient = sum(objective.gradient(constants, theta[j], row) for row in x) / batch
            direction, state[j] = optimizer.update(optimizer.per_step(*columns), state[j], gradient)
            theta[j] = theta[j] - rate * direction
        found.append(theta.copy())
    return np.array(found)


def twinned(optimizer: str, batch: str = "1", **changes: Any) -> Program:
    return make(optimizer, LAW_OF[optimizer], dim=2, batch=batch, plan=plan_for(45, ALL), **changes)


@each_engine
@pytest.mark.parametrize("batch", ["1", "growing"])
@pytest.mark.parametrize("optimizer", SOME_OPTIMIZERS)
def test_twins_by_hand(optimizer: str, batch: str, engine: type[Fused | Reference]) -> None:
    """Bit for bit: theta and state of the path at the branch, then data of its own at the same draws."""
    program = twinned(optimizer, batch)
    block = run(program, engine)
    assert len(block.twins) == MOST_SPANS
    own = by_hand(program, 13, program.steps)
    for span, twin, sampled in zip(program.plan.spans, block.twins, block.sampled_twins, strict=True):
        expected = by_hand(program, 13, span.first)
        assert twin.tobytes() == expected[span.twin_marks - 1].tobytes()
        assert not np.any(twin == block.seen[np.searchsorted(block.marks, span.twin_marks)]), "they part at once"
        assert block.theta[: span.first].tobytes() == expected[: span.first].tobytes()
        looks = span.looks(path_phases(program.seed, 0, 13))
        assert sampled.tobytes() == looked_at(expected, looks[span.late.start :]).tobytes()
    for span, sampled in zip(program.plan.spans, block.sampled, strict=True):
        assert sampled.tobytes() == looked_at(own, span.looks(path_phases(program.seed, 0, 13))).tobytes()


@pytest.mark.compiles
@pytest.mark.parametrize("optimizer", SOME_OPTIMIZERS)
def test_twins_do_not_touch_their_paths(optimizer: str) -> None:
    """Nor does a window or what else is looked at."""
    changes: dict[str, Any] = {"record": np.array([9, 30, 45]), "average_after": 20, "track_range": True}
    with_twins = run(twinned(optimizer, "growing", **changes))
    for plan in (NO_PLAN, plan_for(45, Wanted(twin=False))):
        without = run(make(optimizer, LAW_OF[optimizer], dim=2, batch="growing", plan=plan, **changes))
        assert without.twins == without.sampled_twins == ()
        for name in ("theta", "average", "lowest", "highest"):
            assert getattr(with_twins, name).tobytes() == getattr(without, name).tobytes()


@pytest.mark.compiles
def test_a_path_has_the_same_twin_and_steps_in_every_block() -> None:
    program = twinned("adam", "growing")
    for twin, alone in zip(seen_per_span(run(program)), seen_per_span(run(program, first=7, paths=3)), strict=True):
        assert twin[:, :, 7:10].tobytes() == alone.tobytes()


@pytest.mark.compiles
def test_spans_have_twins_of_their_own() -> None:
    """The same stream, but at draws that no other span uses: the plan of one span alone has the same twins."""
    program = twinned("adam")
    for k, span in enumerate(program.plan.spans):
        alone = run(replace(program, plan=Plan((span,), ALL)))
        assert alone.twins[0].tobytes() == run(program).twins[k].tobytes()


@pytest.mark.parametrize("optimizer", SOME_OPTIMIZERS)
def test_twins_without_noise_are_their_paths(optimizer: str, tmp_path: Path) -> None:
    config = {
        "steps": 40,
        "objective": {"name": "quadratic", "data": {"name": "discrete", "values": [0.3], "probabilities": [1.0]}},
        "optimizer": optimizer,
        "learning_rate": 0.1,
        "start": {"name": "normal"},
    }
    program = cell_of(tmp_path, config).program
    block = run(program, Reference)
    found = dict(zip(rows(program.plan), measured(program.plan, block), strict=True))
    assert {float(np.abs(values).max()) for row, values in found.items() if row.floor in ("twin", "twin_mean")} == {0.0}
    # The variance of a window is positive, unless the path has come to rest: then it is exactly 0, and no rounding error.
    windows = [values for row, values in found.items() if row.floor == "window"]
    moves = [np.any(sampled != sampled[0], axis=(0, 1)) for sampled in block.sampled]
    assert [(values > 0.0).tolist() for values in windows] == [moving.tolist() for moving in moves]
    assert all(moving.any() for moving in moves)


# Exact values


def stationary(plan: Plan, covariance: Callable[[Any], Any]) -> dict[Row, float]:
    """The expectation of the window and Cauchy floors of a stationary process from its autocovariance."""
    found = {}
    for row in rows(plan):
        span, v = plan.spans[row.span], float(covariance(0))
        steps, weight = all_looks(span)
        if row.floor == "window":
            apart = np.abs(steps[:, None] - steps[None, :])
            found[row] = v - float(covariance(apart).mean(axis=(0, 1)) @ weight)
        elif row.floor in ("cauchy", "cauchy_mean"):
            found[row] = (v - float(covariance(row.lag))) / 2.0
    return found


def stationary_sgd(plan: Plan, g: float, variance: float) -> dict[Row, float]:
    """All floors: V (1 - rho^2k) of the twin, and its average."""
    v, rho = closed_forms.sgd_plateau(g, variance), 1.0 - g
    found = stationary(plan, lambda lag: v * rho**lag)
    for row in rows(plan):
        span = plan.spans[row.span]
        if row.floor == "twin":
            found[row] = v * (1.0 - rho ** (2 * row.lag))
        elif row.floor == "twin_mean":
            found[row] = v * mean_over_strata(
                span, 1.0 - rho ** (2.0 * np.maximum(np.arange(span.last + 1) - span.first, 0)), span.late
            )
    return found


def floors_seen(cell: Cell, expected: dict[Row, float]) -> Array:
    """How far the floors of expected are from it, in standard errors."""
    block = simulate(cell.program, Fused(cell.program), 0, cell.paths, np.zeros(1, dtype=np.uint8))
    every = rows(cell.program.plan)
    seen = estimate(moments(measured(cell.program.plan, block)[[every.index(row) for row in expected]]))
    return distance(seen, np.array(list(expected.values())))


def skewed(seed: int, folder: Path, **changes: Any) -> tuple[Cell, float, float]:
    """SGD with random scale, rate, batch size and skewed data, and its g and the variance of a batch's mean."""
    rng = np.random.default_rng(seed)
    scale, g, batch, p = rng.uniform(0.2, 3.0), rng.uniform(0.1, 1.6), int(rng.integers(1, 6)), rng.uniform(0.1, 0.4)
    low, high = sorted(rng.normal(0.0, 3.0, size=2))
    data = {"name": "two_point", "low": float(low), "high": float(high), "p_high": float(p)}
    config = {
        "seed": seed,
        "paths": 4096,
        "steps": 1024,
        "objective": {"name": "quadratic", "scale": float(scale), "data": data},
        "optimizer": "sgd",
        "learning_rate": float(g / (2.0 * scale)),
        "batch_size": batch,
    }
    return cell_of(folder, config | changes), float(g), float((high - low) ** 2 * p * (1 - p) / batch)


@pytest.mark.compiles
@pytest.mark.parametrize("seed", range(5))
def test_floors_of_sgd(seed: int, tmp_path: Path) -> None:
    """63 comparisons each, of random parameters. A g that is a tenth off is seen, so is a batch of another size."""
    cell, g, variance = skewed(seed, tmp_path)
    assert floors_seen(cell, stationary_sgd(cell.program.plan, g, variance)).max() < WIDTH
    assert floors_seen(cell, stationary_sgd(cell.program.plan, 0.9 * g, variance)).max() > WIDTH
    assert floors_seen(cell, stationary_sgd(cell.program.plan, g, 1.2 * variance)).max() > WIDTH


def test_floors_of_sgd_are_those_of_the_coverage() -> None:
    script = coverage_script()
    cell = script.cell_of({"steps": 4096})
    expected = stationary_sgd(cell.program.plan, 0.1, 0.75)
    assert script.floor_truth(cell) == pytest.approx([expected[row] for row in rows(cell.program.plan)], rel=1e-12)


@pytest.mark.compiles
@pytest.mark.parametrize("form", ["heavy_ball", "ema"])
@pytest.mark.parametrize("beta", [0.3, 0.8])
def test_floors_of_momentum(beta: float, form: str, tmp_path: Path) -> None:
    """Cauchy: a quarter of the known increment at lag 1, half the plateau when the start is forgotten. Control: g 10 % off."""
    method = {"name": "momentum", "beta": beta, "form": form}
    cell, g, variance = skewed(7, tmp_path, optimizer=method)
    increment, plateau = getattr(closed_forms, f"{form}_increment"), getattr(closed_forms, f"{form}_plateau")
    for factor, holds in ((1.0, True), (0.9, False)):
        last = {row: row for row in rows(cell.program.plan) if row.floor in ("cauchy", "twin") and row.lag == 512}
        expected = {row: plateau(factor * g, beta, variance) / (1.0 if row.floor == "twin" else 2.0) for row in last}
        expected |= {
            row: increment(factor * g, beta, variance) / 4.0
            for row in rows(cell.program.plan)
            if row.floor == "cauchy" and row.lag == 1
        }
        assert len(expected) == 5
        assert (floors_seen(cell, expected).max() < WIDTH) == holds


def test_increments_of_sgd_are_four_cauchy_floors() -> None:
    plan = plan_for(1024, ALL)
    for row, value in stationary_sgd(plan, 0.3, 2.0).items():
        if row.floor == "cauchy":
            assert closed_forms.sgd_increment(0.3, 2.0, row.lag) / 4.0 == pytest.approx(value, rel=1e-12)


def twins_by_response(cell: Cell) -> list[Array]:
    """E tr Var(theta_n | the first m batches): what the batches after m contribute, one by one."""
    assert cell.law is not None
    noise = 1.0 / cell.program.batch_size(np.arange(1.0, cell.program.steps + 1.0))
    responses = [response(cell, j) for j in range(cell.program.dim)]
    found = []
    for span in cell.program.plan.spans:
        total = np.zeros(len(span.lags))
        for j, every in enumerate(responses):
            after = every[span.first + span.lags - 1, 1 + span.first :]
            total += after**2 @ (noise[span.first :] * cell.law.variance[j])
        found.append(total)
    return found


@each_method
@each_timetable
@pytest.mark.parametrize("start", [[2.0, -0.5], {"name": "uniform", "low": 1.0, "high": 4.0}], ids=["point", "random"])
def test_predicted_twins_are_exact(method: dict[str, Any], timetable: dict[str, Any], start: Any, tmp_path: Path) -> None:
    cell = linear_cell(tmp_path, method, timetable, start=start)
    for found, expected in zip(predicted_twins(cell), twins_by_response(cell), strict=True):
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.compiles
@pytest.mark.parametrize("timetable", ["both", "growing", "warmup"])
@pytest.mark.parametrize("method", ["sgd", "heavy_ball", "ema_first_gradient", "nesterov"])
def test_predicted_twins_are_measured(method: str, timetable: str, tmp_path: Path) -> None:
    """15 comparisons each, from random starts. Control: the other rates."""
    start = {"name": "uniform", "low": 1.0, "high": 4.0}
    cell = linear_cell(tmp_path, METHODS[method], TIMETABLES[timetable], start=start)
    other = linear_cell(tmp_path, METHODS[method], TIMETABLES["power"], start=start)
    twins = [row for row in rows(cell.program.plan) if row.floor == "twin"]
    assert floors_seen(cell, dict(zip(twins, np.concatenate(predicted_twins(cell)), strict=True))).max() < WIDTH
    assert floors_seen(cell, dict(zip(twins, np.concatenate(predicted_twins(other)), strict=True))).max() > WIDTH


@pytest.mark.parametrize(
    "changes",
    [{"optimizer": "adam"}, {"floors": {"twin": False}}, {"steps": 10_000_000}],
    ids=["adam", "not wanted", "too long"],
)
def test_twins_that_are_not_predicted(changes: dict[str, Any], tmp_path: Path) -> None:
    assert predicted_twins(linear_cell(tmp_path, METHODS["sgd"], TIMETABLES["constant"], **changes)) == []


# What is measured


def made_up(plan: Plan, dim: int, paths: int, seed: int) -> tuple[Block, Array, list[Array]]:
    """A block of random numbers, all its iterates, (steps, dim, paths), and those of the twin of each span."""
    rng, marks, phases = np.random.default_rng(seed), plan.marks(np.array([1])), path_phases(seed, 0, paths)
    theta, *twins = rng.normal(size=(1 + len(plan.spans), plan.spans[-1].last, dim, paths))
    return block_of(plan, marks, phases, theta, twins), theta, twins


def block_of(plan: Plan, marks: Any, phases: Any, theta: Array, twins: list[Array]) -> Block:
    """The block that is left of all iterates of paths and twins."""
    with_twins = list(zip(plan.spans, twins, strict=True))
    return Block(
        first=0,
        start=np.zeros(theta.shape[1:]),
        theta=theta[:1],
        average=None,
        failed=(),
        progress=None,
        marks=marks,
        seen=theta[marks - 1],
        twins=tuple(twin[span.twin_marks - 1] for span, twin in with_twins),
        sampled=tuple(looked_at(theta, span.looks(phases)) for span in plan.spans),
        sampled_twins=tuple(looked_at(twin, span.looks(phases)[span.late.start :]) for span, twin in with_twins),
        lowest=np.empty((0, 0)),
        highest=np.empty((0, 0)),
    )


def floor_by_loops(row: Row, span: Span, looks: list[int], path: list[list[float]], twin: list[list[float]]) -> float:
    """From all iterates, step 1 first, as the definitions say. looks: the path's step in each stratum."""

    def square(a: list[float], b: list[float]) -> float:
        return sum((x - y) * (x - y) for x, y in zip(a, b, strict=True))

    if row.floor == "twin":
        return square(path[row.step - 1], twin[row.step - 1]) / 2.0
    if row.floor == "twin_mean":
        late = looks[span.late]
        return sum(square(path[n - 1], twin[n - 1]) / 2.0 for n in late) / len(late)
    if row.floor == "window":
        mean = [sum(column) / len(looks) for column in zip(*(path[n - 1] for n in looks), strict=True)]
        return sum(square(path[n - 1], mean) for n in looks) / len(looks)
    if row.floor == "cauchy":
        return square(path[row.step - 1], path[span.first - 1]) / 4.0
    pairs = list(zip(looks, looks[len(looks) // 2 :], strict=False))
    return sum(square(path[a - 1], path[b - 1]) / 4.0 for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize(
    ("steps", "period"), [(2, 1), (5, 1), (9, 1), (9, 3), (100, 1), (100, 30), (1000, 1), (1000, 7), (1000, 300)]
)
def test_floors_by_loops(steps: int, period: int, dim: int) -> None:
    """Also of paths that are infinite or nan somewhere, or whose twin is."""
    plan = plan_for(steps, ALL, period)
    _, theta, twins = made_up(plan, dim, 5, steps)
    theta[-1:, 0, 0], theta[-3:, 0, 1], twins[-1][-2:, 0, 2] = math.inf, math.nan, -math.inf
    phases = path_phases(1, 0, 5)
    found = measured(plan, block_of(plan, plan.marks(np.array([1])), phases, theta, twins))
    assert found.shape == (len(rows(plan)), 5)
    for k, row in enumerate(rows(plan)):
        looks = plan.spans[row.span].looks(phases)
        for p in range(5):
            own = (looks[:, p].tolist(), theta[:, :, p].tolist(), twins[row.span][:, :, p].tolist())
            expected = floor_by_loops(row, plan.spans[row.span], *own)
            assert found[k, p] == pytest.approx(expected, rel=1e-12, nan_ok=True), (row, p)
    counted = moments(found)
    assert np.array_equal(counted.n_finite, np.isfinite(found).sum(axis=1))
    last = counted.n_finite[[k for k, row in enumerate(rows(plan)) if row.step == steps and row.floor in ("twin", "cauchy")]]
    assert last.max() <= 3, "two paths are not finite at the last step"
    values = estimate(counted).value
    assert np.array_equal(np.isnan(values), np.isnan(found).any(axis=1))
    assert np.array_equal(np.isposinf(values), ~np.isnan(found).any(axis=1) & np.isinf(found).any(axis=1))


@pytest.mark.parametrize(("steps", "period"), [(2, 1), (9, 1), (100, 1), (1000, 7), (1000, 300)])
def test_trends_by_loops(steps: int, period: int) -> None:
    """Of each span what a verdict follows, from all iterates."""
    plan, xi = plan_for(steps, ALL, period), np.array([[0.5], [-1.0]])
    block, theta, (*_, last_twin) = made_up(plan, 2, 5, steps)
    floors, phases = measured(plan, block), path_phases(steps, 0, 5)
    found = dict(zip(trends(plan, ("mine",)), followed(plan, block, floors, [xi]), strict=True))
    at = {(row.floor, row.span, row.lag): k for k, row in enumerate(rows(plan))}
    for k, span in enumerate(plan.spans):
        looks, ends = span.looks(phases), (theta[span.first - 1], theta[span.last - 1])
        away = np.square(looked_at(theta, looks) - xi).sum(axis=1)
        assert found[Trend("error: mine", k)] == pytest.approx(away.mean(axis=0), rel=1e-12)
        assert found[Trend(LAST_SQUARE, k)] == pytest.approx(np.square(ends[1]).sum(axis=0), rel=1e-12)
        assert found[Trend(WINDOW_ENDS, k)] == pytest.approx(np.square(ends[1] - ends[0]).sum(axis=0) / 4.0, rel=1e-12)
        assert np.array_equal(found[Trend(WINDOW_ENDS, k)], floors[at["cauchy", k, span.last - span.first]])
        assert np.array_equal(found[Trend(ONE_STEP, k)], floors[at["twin", k, 1]])
        assert np.array_equal(found[Trend("window", k)], floors[at["window", k, span.covered]])
    late = looks[plan.spans[-1].late]
    apart = np.square(looked_at(theta, late) - looked_at(last_twin, late)).sum(axis=1).mean(axis=0) / 2.0
    assert found[Trend("twin_mean", len(plan.spans) - 1)] == pytest.approx(apart, rel=1e-12)


def test_rows_are_those_wanted() -> None:
    """Each kind alone gives its rows of the whole, and the same numbers."""
    whole = plan_for(100, ALL)
    block, _, _ = made_up(whole, 2, 4, 0)
    every = dict(zip(rows(whole), measured(whole, block), strict=True))
    for name in Wanted._fields:
        plan = replace(whole, wanted=NOTHING_WANTED._replace(**{name: True}))
        assert [row.floor.removesuffix("_mean") for row in rows(plan)] == [name] * len(rows(plan))
        for row, values in zip(rows(plan), measured(plan, block), strict=True):
            assert np.array_equal(values, every[row])


def test_steps_and_lags_of_rows() -> None:
    span = Span(100, 200)
    found = [(row.floor, row.step, row.lag) for row in rows(Plan((span,), ALL))]
    lagged = [(100 + lag, lag) for lag in (1, 2, 4, 8, 16, 32, 64, 100)]
    twin, cauchy = ([(floor, *at) for at in lagged] for floor in ("twin", "cauchy"))
    assert found == [*twin, ("twin_mean", 200, 100), ("window", 200, 100), *cauchy, ("cauchy_mean", 200, 50)]


@pytest.mark.parametrize(
    ("whole", "period", "covered", "late"),
    [(33, 1, 32, 16), (7, 1, 6, 3), (100, 9, 90, 45), (100, 51, 51, 51), (100, 200, 100, 50), (1, 1, 1, 1)],
)
def test_steps_of_rows_that_average(whole: int, period: int, covered: int, late: int) -> None:
    """The lag of a window is the number of its steps, that of cauchy_mean how far its pairs are apart."""
    found = {row.floor: row for row in rows(Plan((Span(100, 100 + whole, period),), ALL))}
    last = 100 + whole
    assert found["window"][2:] == (last, covered, last - covered + 1)
    assert found["twin_mean"][2:] == (last, whole, last - late + 1)
    assert found["cauchy_mean"][2:] == (last, covered // 2, last - covered + 1)


# A lower bound for every xi


def each_xi(block: Block, plan: Plan, seed: int) -> dict[str, Array]:
    """Random variables (dim, paths) that try to be near the path."""
    rng, shape = np.random.default_rng(seed), block.seen.shape[1:]
    at = {step: block.seen[k] for k, step in enumerate(block.marks.tolist())}
    window = block.sampled[-1]
    return {
        "mean of the window": window.mean(axis=0),
        "last": at[plan.spans[-1].last],
        "branch": at[plan.spans[-1].first],
        "middle of the ends": (at[plan.spans[-1].first] + at[plan.spans[-1].last]) / 2.0,
        "random": rng.normal(size=shape),
        "near": window.mean(axis=0) + 0.01 * rng.normal(size=shape),
    }


def own_average(row: Row, span: Span, block: Block, xi: Array) -> Array:
    """|theta - xi|^2 of each path, averaged over the steps that the floor speaks of."""
    at = {step: block.seen[k] for k, step in enumerate(block.marks.tolist())}
    window = block.sampled[row.span]
    pairs = np.concatenate([window[: len(window) - len(window) // 2], window[len(window) // 2 :]])
    ends = np.array([at[span.first], at[row.step]])
    own = {"window": window, "cauchy": ends, "cauchy_mean": pairs}[row.floor]
    return np.asarray(np.square(own - xi).sum(axis=1).mean(axis=0))


@pytest.mark.slow
@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.integers(2, 400), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_no_xi_undercuts_a_floor(steps: int, dim: int, seed: int) -> None:
    """On any path whatsoever, path by path; the mean of the window attains the window floor."""
    plan = plan_for(steps, Wanted(twin=False))
    block, _, _ = made_up(plan, dim, 20, seed)
    xis = each_xi(block, plan, seed)
    for row, floor in zip(rows(plan), measured(plan, block), strict=True):
        span = plan.spans[row.span]
        for xi in xis.values():
            assert np.all(own_average(row, span, block, xi) >= floor * (1.0 - 1e-12))
        if row.floor == "window" and row.span == len(plan.spans) - 1:
            assert own_average(row, span, block, xis["mean of the window"]) == pytest.approx(floor, rel=1e-9, abs=1e-15)


@pytest.mark.compiles
def test_no_xi_known_at_the_branch_undercuts_the_twin_floor(tmp_path: Path) -> None:
    """In the mean: at every lag, for three xi. Control: the last iterate is not known at the branch, and undercuts it."""
    cell, _, _ = skewed(3, tmp_path)
    assert cell.law is not None
    plan = cell.program.plan
    block = simulate(cell.program, Fused(cell.program), 0, cell.paths, np.zeros(1, dtype=np.uint8))
    at = {step: block.seen[k] for k, step in enumerate(block.marks.tolist())}
    for k, span in enumerate(plan.spans):
        half = half_distance(block, k, span)
        xis = {"branch": at[span.first], "minimizer": cell.law.mean[:, None], "start": block.start, "last": at[span.last]}
        for name, xi in xis.items():
            steps = [(i, n) for i, n in enumerate(span.twin_marks.tolist()) if n in at]
            above = np.array([np.square(at[n] - xi).sum(axis=0) - half[i] for i, n in steps])
            seen = estimate(moments(above))
            assert np.all(seen.value > -WIDTH * seen.se) == (name != "last")


# Bounds that hold at once


@pytest.fixture(scope="module")
def repeated() -> tuple[Array, Array, Array]:
    """For 300 repetitions of 200 paths, by row: the simultaneous lower bound, the end of the plain interval; and the truth."""
    script = coverage_script()
    lab = script.Lab({}, 200, 300)
    cell = lab.cell
    every, together, alone = rows(cell.program.plan), [], []
    for tally in lab.repetitions():
        together.append(lower_bound(tally.floors, 0.05 / len(every)))
        alone.append(estimate(tally.floors).low)
    return np.array(together), np.array(alone), script.floor_truth(cell)


def share_of_misses(bounds: Array, truth: Array) -> float:
    return float(np.mean(np.any(bounds > truth, axis=1)))


@pytest.mark.compiles
@pytest.mark.slow
def test_lower_bounds_hold_at_once(repeated: tuple[Array, Array, Array]) -> None:
    """In 95 % of repetitions or more; the intervals that each floor has for itself do not."""
    together, alone, truth = repeated
    most = 0.05 + WIDTH * math.sqrt(0.05 * 0.95 / len(together))
    assert share_of_misses(together, truth) <= most
    assert share_of_misses(alone, truth) > 1.5 * most


@pytest.mark.slow
def test_lower_bounds_are_not_idle(repeated: tuple[Array, Array, Array]) -> None:
    """They lie below the truth by less than 40 % of it."""
    together, _, truth = repeated
    assert np.all(np.mean(together, axis=0) > 0.6 * truth)


@pytest.mark.compiles
def test_lower_in_the_file_is_simultaneous(tmp_path: Path) -> None:
    cell, _, _ = skewed(1, tmp_path, steps=64)
    block = simulate(cell.program, Fused(cell.program), 0, 200, np.zeros(1, dtype=np.uint8))
    tally = measure(cell, block)
    found = list(floor_rows(cell, tally))
    assert len(found) == len(rows(cell.program.plan)) == 39
    assert [row["lower"] for row in found] == lower_bound(tally.floors, 0.05 / 39).tolist()
    assert all(row["lower"] < row["ci_low"] < row["value"] < row["ci_high"] for row in found)


@pytest.mark.parametrize("error", [0.05, 0.001])
@pytest.mark.parametrize("n", [4, 200])
def test_lower_bound_of_symmetric_data_is_students(n: int, error: float) -> None:
    half = np.random.default_rng(n).exponential(size=n // 2)
    x = 5.0 + np.concatenate([half, -half])
    expected = x.mean() - stats.t.ppf(1.0 - error, n - 1) * stats.sem(x)
    assert lower_bound(moments(x), error) == pytest.approx(expected, rel=1e-9)


def test_lower_bound_falls_with_its_error() -> None:
    """And a tail of half is about the mean."""
    m = moments(np.random.default_rng(1).exponential(size=50))
    found = [float(lower_bound(m, error)) for error in (0.5, 0.1, 0.01, 0.001)]
    assert found == sorted(found, reverse=True)
    assert float(m.mean) == pytest.approx(found[0], abs=0.1 * float(estimate(m).se))
