"""Quantities of paths: each against a closed form, an enumeration or another program, with a control that must fail."""

import csv
import json
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from kit.command import bad, call, good
from kit.experiments import SGD, written
from kit.layout import check_layout, laid_out
from kit.runs import undrawn
from nonconv import study
from nonconv.checks.expectations import evaluate, read_result
from nonconv.engine.moving import Moving, every_step
from nonconv.engine.reference import Reference
from nonconv.engine.samples import Samples, drawn
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.report.figures import drawing_process
from nonconv.report.figures.catalogue import figure_names
from nonconv.report.figures.quantity_figures import law_figure, quantities_figure
from nonconv.report.run import Run, read_run
from nonconv.statistics import regrets, survival
from nonconv.statistics.quantity_values import histogram
from nonconv.statistics.rates import rate
from nonconv.statistics.tally import Tally
from nonconv.study import loop, ready
from nonconv.theory import risk

HALF = {"name": "quadratic", "scale": 0.5, "data": {"name": "two_point"}}
"""(theta - x)^2 / 2 on data -1 and 1."""
STILL = {"name": "quadratic", "scale": 0.5, "data": {"name": "discrete", "values": [0.0], "probabilities": [1.0]}}
"""theta^2 / 2 without noise."""


def cell_of(folder: Path, **changes: Any) -> Cell:
    """The cell of a small config."""
    return read_cell(written(folder / "in", SGD | {"xi": ["minimizer"]} | changes), [])


def run_of(folder: Path, **changes: Any) -> Run:
    """The result of a small config."""
    study.loop.run(cell_of(folder, **changes), folder / "out", workers=1, draw=undrawn)
    return read_run(folder / "out")


def last(run: Run, name: str) -> dict[str, Any]:
    """What the run ends with of a quantity."""
    (row,) = [row for row in run.summary["quantities"] if row["quantity"] == name]
    return dict(row)


def within(run: Run, name: str, known: float, errors: float = 4.0) -> bool:
    """Whether a mean is within so many standard errors of a number."""
    row = last(run, name)
    return bool(abs(row["value"] - known) <= errors * row["se"])


# The risk and its gradient


@pytest.mark.usefixtures("reference")
def test_risk_and_gradient_of_the_quadratic(tmp_path: Path) -> None:
    """F - F* = sum c (theta - mu)^2, |grad F|^2 = sum 4 c^2 (theta - mu)^2, of each path."""
    objective = SGD["objective"] | {"dim": 2, "scale": [0.5, 2.0]}
    run = run_of(tmp_path, objective=objective, quantities=["excess_risk", "gradient_norm"])
    with np.load(tmp_path / "out" / "paths.npz") as file:
        away, scale = file["theta"][:, -1] + 0.5, np.array([0.5, 2.0])
        assert file["quantity_end_of"].tolist() == ["excess_risk", "gradient_norm"]
        kept = file["quantity_end"][:, : len(away)]
    np.testing.assert_allclose(kept[0], (scale * away**2).sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(kept[1], (4.0 * scale**2 * away**2).sum(axis=1), rtol=1e-13)
    assert list(run.quantities["excess_risk"].step) == run.step.tolist()


@pytest.mark.usefixtures("reference")
def test_risk_has_the_exact_expectation(tmp_path: Path) -> None:
    """Within 4 standard errors of scale times the exact error. Control: without the scale it is far off."""
    objective = SGD["objective"] | {"scale": 3.0}
    run = run_of(tmp_path, objective=objective, learning_rate=0.02, quantities=["excess_risk"])
    exact = float(run.theory["minimizer"][-1])
    assert within(run, "excess_risk", 3.0 * exact)
    assert not within(run, "excess_risk", exact)


def test_risk_of_a_finite_law_is_a_sum(tmp_path: Path) -> None:
    """By hand: F(theta) = sum p |theta - x|-like losses. Control: with the mean alone it is another number."""
    values, chances = [-1.0, 0.5, 4.0], [0.5, 0.25, 0.25]
    data = {"name": "discrete", "values": values, "probabilities": chances}
    cell = cell_of(tmp_path, objective={"name": "formula", "loss": "log(cosh(theta - x))", "data": data}, xi=[0])
    cell = replace(cell, best=np.array([0.25]))
    theta = np.linspace(-3.0, 5.0, 12).reshape(3, 1, 4)

    def mean(f: Callable[[Array], Array], at: Array) -> Array:
        return np.asarray(np.einsum("...k,k->...", f(at[..., None] - np.array(values)), np.array(chances)))

    def loss(away: Array) -> Array:
        return np.asarray(np.log(np.cosh(away)))

    expected = mean(loss, theta[:, 0]) - mean(loss, np.array(0.25))
    np.testing.assert_allclose(risk.excess_risk(cell, theta), expected, atol=1e-13)
    np.testing.assert_allclose(risk.squared_gradient(cell, theta), mean(np.tanh, theta[:, 0]) ** 2, atol=1e-13)

    objective = cell.program.objective
    wrong = objective._replace(component=replace(objective.component, mean_is_enough=True))
    at_mean = risk.excess_risk(replace(cell, program=replace(cell.program, objective=wrong)), theta)
    assert np.abs(at_mean - expected).max() > 0.1


def test_risk_by_quadrature(tmp_path: Path) -> None:
    """E sqrt(1 + (theta - X)^2) of uniform X, against scipy's integral."""
    data = {"name": "uniform", "low": -1.0, "high": 2.0}
    cell = cell_of(tmp_path, objective={"name": "formula", "loss": "sqrt(1 + (theta - x)**2)", "data": data}, xi=[0])
    cell = replace(cell, best=np.array([0.5]))
    theta = np.array([-2.0, 0.5, 1.0, 30.0])

    def mean(at: float) -> float:
        from scipy.integrate import quad

        return float(quad(lambda x: math.sqrt(1 + (at - x) ** 2) / 3.0, -1.0, 2.0, epsabs=1e-13)[0])

    found = risk.excess_risk(cell, theta.reshape(1, 1, 4))[0]
    np.testing.assert_allclose(found, [mean(at) - mean(0.5) for at in theta], atol=1e-11)

    many = np.linspace(-4.0, 5.0, 2001)
    found = risk.excess_risk(cell, many.reshape(1, 1, -1))[0]
    np.testing.assert_allclose(found[::400], [mean(at) - mean(0.5) for at in many[::400]], atol=1e-11)


@pytest.mark.parametrize("rotate", [True, False])
def test_risk_of_coupled_coordinates(tmp_path: Path, rotate: bool) -> None:
    """(theta - mu)^T A (theta - mu) / 2 and |A (theta - mu)|^2."""
    data = SGD["objective"]["data"]
    objective = {"name": "rotated_quadratic", "dim": 3, "condition": 10.0, "rotate": rotate, "data": data}
    cell = cell_of(tmp_path, objective=objective, quantities=["excess_risk", "gradient_norm"])
    matrix, theta = cell.program.objective.constants.matrix, np.linspace(-2.0, 3.0, 24).reshape(2, 3, 4)
    away = theta + 0.5
    np.testing.assert_allclose(
        risk.excess_risk(cell, theta), np.einsum("rip,ij,rjp->rp", away, matrix, away) / 2.0, rtol=1e-12, atol=1e-13
    )
    expected = np.square(np.einsum("ij,rjp->rip", matrix, away)).sum(axis=1)
    np.testing.assert_allclose(risk.squared_gradient(cell, theta), expected, rtol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_risk_of_least_squares_on_rows(tmp_path: Path, decay: float) -> None:
    """The mean over all rows, by hand, with its penalty; it is least at the minimizer."""
    data = {"name": "csv", "file": "rows.csv", "features": ["x"], "targets": ["y"], "held_out": 0, "standardise": False}
    objective = {"name": "linear_model", "data": data, "weight_decay": decay}
    cell = cell_of(tmp_path, objective=objective, quantities=["excess_risk", "gradient_norm"])
    x, y = np.array([1.0, 2.0, 6.0]), np.array([10.0, 20.0, 60.0])

    def loss(at: Array) -> float:
        return float(((at[0] * x + at[1] - y) ** 2).mean() / 2.0 + decay / 2.0 * (at**2).sum())

    assert cell.best is not None
    theta = np.array([[0.0, 3.0, 9.0], [1.0, -2.0, 0.5]])
    expected = [loss(at) - loss(cell.best) for at in theta.T]
    np.testing.assert_allclose(risk.excess_risk(cell, theta[None])[0], expected, rtol=1e-10)
    slopes = [optimize.approx_fprime(at, loss, 1e-7) for at in theta.T]
    np.testing.assert_allclose(risk.squared_gradient(cell, theta[None])[0], [(s**2).sum() for s in slopes], rtol=1e-4)
    assert risk.squared_gradient(cell, cell.best[None, :, None]) < 1e-18


def test_risk_of_least_squares_on_a_law(tmp_path: Path) -> None:
    """E (a (theta - theta*))^2 / 2 = |theta - theta*|^2 E a^2 / 2, from examples that have the law's second moments."""
    data = {"name": "linear", "inputs": 2, "scale": [1.0, 3.0], "noise": 0.3}
    cell = cell_of(tmp_path, objective={"name": "linear_model", "data": data, "intercept": False}, quantities=["excess_risk"])
    truth = cell.known.truth
    assert truth is not None
    assert cell.best is not None
    theta = np.array([[0.0, 3.0], [1.0, -2.0]])
    expected = (truth.variance[:, None] * (theta - cell.best[:, None]) ** 2).sum(axis=0) / 2.0
    np.testing.assert_allclose(risk.excess_risk(cell, theta[None])[0], expected, rtol=1e-12)


# Quantiles and laws


@pytest.mark.usefixtures("reference")
def test_bernoulli_convolutions(tmp_path: Path) -> None:
    """Rate 1/2 on signs makes theta uniform on [-1, 1]; rate 2/3 is Cantor's law, without mass in |theta| < 1/3.

    Three quartiles miss with 2 * 0.025 each at most. Control: at rate 0.6 the middle has mass.
    """
    base = {"objective": HALF, "paths": 2000, "steps": 60, "floors": {"twin": False, "window": False, "cauchy": False}}
    levels = [{"name": "quantile", "level": level} for level in (0.25, 0.75)]
    uniform = run_of(tmp_path / "uniform", **base, learning_rate=0.5, quantities=levels)
    for name, level in (("q25", 0.25), ("q50", 0.5), ("q75", 0.75)):
        course = uniform.quantities[f"{name}: minimizer"]
        assert course.ci_low[-1] - 0.02 <= level <= course.ci_high[-1] + 0.02
    for share, empty in ((2.0 / 3.0, True), (0.6, False)):
        run_of(tmp_path / f"{share:g}", **base, learning_rate=share, quantities=["law"])
        with (tmp_path / f"{share:g}" / "out" / "law.csv").open() as file:
            bins = [row for row in csv.DictReader(file) if row["low"] and row["high"]]
        inside = [float(b["share"]) for b in bins if float(b["low"]) > -1 / 3 and float(b["high"]) < 1 / 3]
        assert len(inside) > 5
        assert (sum(inside) == 0.0) == empty


def test_histogram_and_band() -> None:
    """The band is the ECDF give or take sqrt(log(40) / 2n); every number is in one bin; few values have one each."""
    numbers = np.concatenate([stats.norm.rvs(size=1000, random_state=1), [np.inf, np.nan]])
    bins = histogram(numbers)
    assert sum(b.share for b in bins) == pytest.approx(1001 / 1002)
    for b in bins:
        assert b.below == np.mean(numbers <= b.high)
        assert min(b.below_high, b.below + 0.1) - max(b.below_low, b.below - 0.1) <= 2 * math.sqrt(math.log(40) / 2004) + 1e-12
    covered = [b.below_low <= stats.norm.cdf(b.high) <= b.below_high for b in bins]
    assert all(covered)
    assert not all(b.below_low <= stats.norm.cdf(b.high - 0.3) <= b.below_high for b in bins)
    assert [(b.high, b.share) for b in histogram(np.array([0.0, 1.0, 1.0, 1.0]))] == [(0.0, 0.25), (1.0, 0.75), (math.inf, 0.0)]
    assert histogram(np.array([np.nan])) == []


# First passages


def test_kaplan_meier_by_hand() -> None:
    """Deaths at 1, 3, 3, one censored at 2: 3/4, then 3/4 * 0."""
    found = survival.kaplan_meier(np.array([1.0, 2.0, 3.0, 3.0]), np.array([True, False, True, True]))
    assert found.time.tolist() == [-math.inf, 1.0, 3.0]
    assert found.share.tolist() == [1.0, 0.75, 0.0]
    assert found.at_risk.tolist() == [4.0, 4.0, 2.0]
    assert survival.median(found)[0] == 3.0
    # 1 - 0.975^(1/4)... of four paths of which none is gone.
    assert found.low[0] == pytest.approx(0.025 ** (1 / 4))
    open_ended = survival.median(survival.kaplan_meier(np.array([1.0, 5.0, 5.0]), np.array([True, False, False])))
    assert open_ended.value == math.inf


@pytest.mark.parametrize("seed", range(4))
def test_kaplan_meier_is_that_of_scipy(seed: int) -> None:
    """Shares and Greenwood's intervals on the log-log scale, with ties and censored times."""
    chance = np.random.default_rng(seed)
    time, happened = chance.integers(1, 12, 60).astype(float), chance.random(60) < 0.7
    found = survival.kaplan_meier(time, happened)
    theirs: Any = stats.ecdf(stats.CensoredData(uncensored=time[happened], right=time[~happened])).sf
    low, high = (end.evaluate(found.time[1:]) for end in theirs.confidence_interval(method="log-log"))
    np.testing.assert_allclose(found.share[1:], theirs.evaluate(found.time[1:]), rtol=1e-12)
    inner = (found.share[1:] > 0.0) & (found.share[1:] < 1.0)
    np.testing.assert_allclose(found.low[1:][inner], low[inner], rtol=1e-10)
    np.testing.assert_allclose(found.high[1:][inner], high[inner], rtol=1e-10)


@pytest.mark.usefixtures("reference")
def test_first_passage_without_noise_is_a_step(tmp_path: Path) -> None:
    """theta_n = 2 (1 - g)^n is at most 0.1 from step log(20) / -log(1 - g) on; the risk theta^2 / 2 is at most 0.1 earlier."""
    passages = [{"name": "first_passage", "level": 0.1}, {"name": "first_passage", "level": 0.1, "of": "excess_risk"}]
    far = {"name": "first_passage", "level": 1e-9}
    run = run_of(tmp_path, objective=STILL, start=2.0, steps=100, learning_rate=0.05, quantities=[*passages, far])
    step = math.ceil(math.log(20.0) / -math.log(0.95))
    by_risk = math.ceil(math.log(2.0 / math.sqrt(0.2)) / -math.log(0.95))
    assert last(run, "first_passage_median: minimizer 0.1")["value"] == step
    assert last(run, "first_passage_median: excess_risk 0.1")["value"] == by_risk != step
    course = run.quantities["first_passage_share: minimizer 0.1"]
    assert course.value.tolist() == (course.step >= step).astype(float).tolist()
    censored = last(run, "first_passage_censored: minimizer 1e-09")
    assert (censored["value"], censored["note"]) == (1.0, "300 of 300 paths had not passed by step 100")
    assert last(run, "first_passage_median: minimizer 1e-09")["status"] == "unknown"


# Rates and maxima


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("paths", [1, 40])
def test_rate_without_noise(tmp_path: Path, paths: int) -> None:
    """(1 - g)^2 per step to 12 digits, from one start and from many. Control: not 1 - g."""
    start = 1.0 if paths == 1 else {"name": "normal"}
    record = {"points": 60, "paths": 1}
    run = run_of(tmp_path, objective=STILL, start=start, paths=paths, record=record, learning_rate=0.1, quantities="rate")
    row = last(run, "rate: minimizer")
    assert row["value"] == pytest.approx(0.81, rel=1e-12)
    assert row["note"] == ""


@pytest.mark.usefixtures("reference")
def test_rate_up_to_rounding(tmp_path: Path) -> None:
    """Around 3 iterates stand at rounding errors from some step on; the rate is that before, and the note says so."""
    data = {"name": "discrete", "values": [3.0], "probabilities": [1.0]}
    run = run_of(
        tmp_path, objective=STILL | {"data": data}, steps=600, record={"points": 200}, learning_rate=0.1, quantities="rate"
    )
    row = last(run, "rate: minimizer")
    assert row["value"] == pytest.approx(0.81, rel=1e-3)
    assert row["step"] < 300
    assert "rounding" in row["note"]


def test_rates_that_are_none() -> None:
    """A power of n, a plateau and a fall that slows down are told from a linear rate, which is not."""
    n = np.unique(np.geomspace(1, 4000, 120).round()).astype(np.int64)
    noise = np.exp(0.1 * np.random.default_rng(0).standard_normal(200))

    def note(course: Callable[[Array], Array]) -> str:
        return rate(n, np.sqrt(course(n.astype(float)))[:, None] * noise, 0.0, exact=False).note

    assert note(lambda n: 0.998**n) == note(lambda n: 0.99**n) == ""
    assert "power of n" in note(lambda n: 1.0 / n)
    assert "slows down" in note(lambda n: 0.99**n + 1e-14)
    assert "plateau" in note(lambda n: 1.0 + 0.0 * n)


@pytest.mark.usefixtures("reference")
def test_span_maxima_are_those_of_every_step(tmp_path: Path) -> None:
    """Of each recorded path, where every step is recorded."""
    cell = cell_of(tmp_path, steps=50, record={"points": 50, "spacing": "linear", "paths": 300}, quantities=["span_maximum"])
    study.loop.run(cell, tmp_path / "out", workers=1, draw=undrawn)
    run = read_run(tmp_path / "out")
    away = np.square(run.paths["theta"][:, :, 0] + 0.5)
    course = run.quantities["span_maximum: minimizer"]
    assert course.step.tolist() == [1, 3, 6, 12, 25, 50]
    for first, after, value in zip([1, *(course.step[:-1] + 1)], course.step, course.value, strict=True):
        assert value == pytest.approx(away[:, first - 1 : after].max(axis=1).mean())


# The mean


MEANS = (("last", "mean"), ("last", "mean: coordinate 2"), ("polyak", "mean"))


@pytest.mark.usefixtures("reference")
def test_mean_of_sgd(tmp_path: Path) -> None:
    """E theta_n - mu shrinks by 1 - g a step, and that of its average is known too; of each coordinate, within 4 se.

    Control: the mean of the other one.
    """
    objective = {"name": "quadratic", "dim": 2, "scale": [0.5, 0.05], "data": {"name": "normal", "mean": -0.5}}
    asked: list[Any] = ["mean", {"name": "mean", "coordinate": 2}]
    run = run_of(tmp_path, objective=objective, learning_rate=0.1, start=1.0, quantities=asked, iterates=["last", "polyak"])
    n, first, second, average = 60, *(run.courses[key] for key in MEANS)
    for course, left in ((first, 0.9), (second, 0.99)):
        assert np.all(np.abs(course.value - (1.5 * left**course.step - 0.5)) <= 4.0 * course.se)
    assert abs(average.value[-1] - (1.5 * 0.9 * (1.0 - 0.9**n) / (0.1 * n) - 0.5)) <= 4.0 * average.se[-1]
    assert abs(first.value[-1] - second.value[-1]) > 4.0 * second.se[-1]


@pytest.mark.usefixtures("reference")
def test_a_mean_that_heavy_tails_take_the_interval_from(tmp_path: Path) -> None:
    objective = {"name": "quadratic", "scale": 0.5, "data": {"name": "student_t", "df": 1.5}}
    row = last(run_of(tmp_path, objective=objective, quantities=["mean"], xi=[0]), "mean")
    assert (row["se"], "iterates may have no variance" in row["reason"]) == (None, True)


# Regret


@pytest.mark.usefixtures("reference")
def test_regret_of_a_still_point(tmp_path: Path) -> None:
    """At a vanishing rate theta stays at 0, and R_n = sum (0 - x)^2 - min sum (theta - x)^2 = n mean(x)^2.

    Its expectation is variance + n mean^2. Within 4 standard errors. Control: twice the regret.
    """
    run = run_of(tmp_path, learning_rate=1e-14, quantities=["regret", "average_regret"])
    expected = 0.75 + 60 * 0.25
    assert within(run, "regret", expected)
    assert not within(run, "regret", 2.0 * expected)
    assert last(run, "average_regret")["value"] == pytest.approx(last(run, "regret")["value"] / 60.0)


@pytest.mark.usefixtures("reference")
def test_three_ways_to_the_best_point(tmp_path: Path) -> None:
    """From the mean of what was sampled, from counts of values, from the samples: the same regret; and that of scipy."""
    cell = cell_of(tmp_path, paths=6, batch_size=3, learning_rate=0.1, start=1.0, quantities=["regret"])
    program = cell.program
    found = {}
    for way in ("means", "counts", "samples"):
        component = replace(program.objective.component, mean_is_enough=way == "means")
        own = replace(program, objective=program.objective._replace(component=component))
        other = replace(cell, program=own)
        with pytest.MonkeyPatch.context() as patch:
            if way == "samples":
                patch.setattr(regrets, "MOST_ATOMS", 0)
            block = loop.measured(ready.Ready(other, None), 0, np.zeros(1, dtype=np.uint8))
        found[way] = block.quantities[0].first.joined[-1]
    np.testing.assert_allclose(found["counts"], found["means"], rtol=1e-9)
    np.testing.assert_allclose(found["samples"], found["means"], rtol=1e-9)

    (piece,) = program.slices()
    moving = Moving([program], Reference(program), 0, 6, np.zeros(1, dtype=np.uint8))
    x = drawn(moving, piece)[:, 0].reshape(60, 3, 6)
    theta = np.full(6, 1.0)
    lost = np.zeros(6)
    for k in range(60):
        lost += ((theta - x[k]) ** 2).mean(axis=0)
        theta = theta - 0.1 * 2.0 * (theta - x[k]).mean(axis=0)
    least = [optimize.minimize_scalar(lambda at, p=p: ((at - x[:, :, p]) ** 2).mean(axis=1).sum()).fun for p in range(6)]
    np.testing.assert_allclose(found["means"], lost - least, rtol=1e-9)


@pytest.mark.parametrize(
    "data",
    [
        {"name": "two_point"},
        {"name": "two_point", "hold": 7},
        {"name": "normal", "drift": {"name": "sine", "amplitude": 0.5, "period": 10}},
        {"name": "sequence", "values": [10, -1, -1], "order": "cyclic"},
        {"name": "sequence", "values": [1, 2, 3, 4], "order": "epochs", "hold": 2},
        {"name": "sequence", "values": [1, 2, 3, 4], "order": "once"},
        {"name": "csv", "file": "rows.csv", "columns": ["x", "y"], "order": "epochs"},
    ],
)
def test_samples_are_those_that_moved_the_paths(tmp_path: Path, data: Any) -> None:
    """SGD on what is drawn again gives the run's own iterates, to the bit, in pieces that end anywhere."""
    cell = cell_of(
        tmp_path, objective={"name": "quadratic", "data": data}, batch_size={"name": "power", "exponent": 0.4}, xi=["start"]
    )
    program, stop = cell.program, np.zeros(1, dtype=np.uint8)
    theta = Moving([program], Reference(program), 3, 5, stop).theta
    rates, moved = iter(program.learning_rate(np.arange(1.0, 61.0))), every_step(program, Reference(program), 3, 5, stop)
    (_, seen) = next(moved)
    waiting = Moving([program], Reference(program), 3, 5, stop)
    for piece in program.slices(length=11):
        x, ends = drawn(waiting, piece), np.cumsum(piece.batch_size)
        for k, (first, end) in enumerate(zip(ends - piece.batch_size, ends, strict=True)):
            total: Any = -0.0
            for one in x[first:end]:
                total = total + 2.0 * (theta - one)
            theta = theta - next(rates) * (total / (end - first))
            assert theta.tobytes() == seen[piece.first_step - 1 + k].tobytes()


@pytest.mark.usefixtures("reference")
def test_regret_of_reddi_kale_and_kumar(tmp_path: Path) -> None:
    """Losses 10 x, -x, -x on [-1, 1]: the best point is -1, and Adam, drawn to 1, loses 16/3 per step; AMSGrad does not.

    R_n is compared with a sum by hand, over the path that every step records.
    """
    common = {
        "objective": {"name": "linear", "data": {"name": "sequence", "values": [10, -1, -1], "order": "cyclic"}},
        "domain": [-1, 1],
        "learning_rate": {"name": "power", "value": 0.5, "exponent": 0.5},
        "paths": 1,
        "steps": 300,
        "xi": ["start"],
        "record": {"points": 300, "spacing": "linear", "paths": 1},
        "quantities": ["regret", "average_regret", "excess_risk"],
    }
    found = {}
    for rule in ("adam", "amsgrad"):
        optimizer = {"name": rule, "beta1": 0.0, "beta2": 0.0099, "eps": 0.0}
        run = run_of(tmp_path / rule, **common, optimizer=optimizer)
        x, theta = np.tile([10.0, -1.0, -1.0], 100), np.concatenate([[0.0], run.paths["theta"][0, :, 0]])
        lost, sums = np.cumsum(x * theta[:-1]), np.cumsum(x)
        np.testing.assert_allclose(run.quantities["regret"].value, lost + np.abs(sums), atol=1e-9)
        assert last(run, "excess_risk")["value"] == pytest.approx(8.0 / 3.0 * (theta[-1] + 1.0), rel=1e-12)
        found[rule] = last(run, "average_regret")["value"]
    assert found["adam"] > 5.0
    assert found["amsgrad"] < 0.3


@pytest.mark.usefixtures("reference")
def test_violations_are_those_of_every_path_at_every_recorded_step(tmp_path: Path) -> None:
    """Of SGD without noise, theta_n = 2^-n: bounds that are kept, met with equality, and crossed between two steps; by hand."""
    common = {"objective": STILL, "learning_rate": 0.5, "start": 1.0, "steps": 20, "paths": 3, "xi": ["minimizer"]}
    every = {"points": 20, "spacing": "linear"}
    bounds = {
        "kept": ("excess_risk", "1 / n", "upper"),
        "equal": ("error", "2**(-n)", "upper"),
        "equal from below": ("error", "2**(-n)", "lower"),
        "crossed": ("error", "c**n", "upper"),
        "left once": ("error", "where(n == 5, 0, 1)", "upper"),
        "too high": ("gradient_norm", "4**(-n) * 1.001", "lower"),
        "no number": ("error", "log(n - 3)", "lower"),
    }
    asked = [
        {"name": "violations", "of": of, "bound": bound, "side": side, "label": name}
        | ({"constants": {"c": 0.4}} if "c*" in bound else {})
        for name, (of, bound, side) in bounds.items()
    ]
    run = run_of(tmp_path, **common, record=every, quantities=asked)
    counts = {name: run.quantities[f"violations: {name}"].value.tolist() for name in bounds}
    assert counts == {
        "kept": [0] * 20,
        "equal": [0] * 20,
        "equal from below": [0] * 20,
        "crossed": [3] * 20,
        "left once": [0] * 4 + [3] * 16,
        "too high": [3] * 20,
        "no number": [3] * 20,
    }
    np.testing.assert_allclose(run.quantities["largest: kept"].value, 0.5 * 0.25 ** np.arange(1, 21), rtol=1e-12)
    np.testing.assert_allclose(run.quantities["bound: crossed"].value, 0.4 ** np.arange(1, 21), rtol=1e-12)
    assert last(run, "violations: left once")["note"] == "violated by 3 of 3 paths at 20 recorded steps, first at step 5"
    assert last(run, "violations: kept")["note"] == "kept by 3 paths at 20 recorded steps"
    expect = {
        "quantity": [
            {"name": "violations: kept", "below": 0},
            {"name": "violations: left once", "step": 4, "below": 0},
            {"name": "violations: left once", "below": 0},
            {"name": "violations: kept", "above": 1},
        ]
    }
    statuses = [row.status for row in evaluate(expect, read_result(run.folder, exact=False))]
    assert statuses == ["met", "met", "refuted", "refuted"]


@pytest.mark.usefixtures("reference")
def test_amsgrad_keeps_its_regret_bound_and_adam_does_not(tmp_path: Path) -> None:
    """The bound that docs/theory.md derives, on random slopes; controls: a tenth of it, and Adam on slopes 3, -1, -1."""
    bound = "G*sqrt(n)*D**2/(2*r) + r*G*(1 + b)/(1 - b)*(sqrt(n) - 1/2)/sqrt(1 - d) + G*D*b/(1 - b)"
    constants = {"G": 3.0, "D": 2.0, "r": 0.5, "b": 0.1, "d": 0.1}
    common = {
        "objective": {"name": "linear", "data": {"name": "sequence", "values": [3, -1, -1], "order": "cyclic"}},
        "domain": [-1, 1],
        "start": 1,
        "learning_rate": {"name": "power", "value": 0.5, "exponent": 0.5},
        "paths": 1,
        "steps": 1200,
        "quantities": [
            {"name": "violations", "of": "regret", "bound": bound, "constants": constants},
            {"name": "violations", "of": "regret", "bound": f"({bound})/10", "constants": constants, "label": "a tenth"},
        ],
    }
    found = {}
    for rule in ("amsgrad", "adam"):
        optimizer = {"name": rule, "beta1": 0.1, "beta2": 0.1, "eps": 0.0, "bias_correction": False}
        run = run_of(tmp_path / rule, **common, optimizer=optimizer)
        found[rule] = [last(run, f"violations: {name}")["value"] for name in ("regret", "a tenth")]
    assert found == {"amsgrad": [0.0, 1.0], "adam": [1.0, 1.0]}


@pytest.mark.usefixtures("reference")
def test_paths_that_are_no_numbers_violate_bounds(tmp_path: Path) -> None:
    """Every path of a diverging run ends beyond any bound, above as below."""
    bounds = [
        {"name": "violations", "of": "error", "bound": "1e300", "side": side, "label": side} for side in ("upper", "lower")
    ]
    run = run_of(tmp_path, learning_rate=1e6, steps=200, paths=4, quantities=bounds)
    assert last(run, "violations: upper")["value"] == 4.0
    assert run.quantities["violations: lower"].value[0] == 4.0


def test_a_minimum_without_end_is_infinite() -> None:
    """Of theta itself; within a domain it is at its end, and a kinked one is found to 1e-12."""
    low, high = np.array([-1.0, -1.0]), np.array([1.0, 2.0])
    assert regrets.minimum(lambda at: at, low, high).tolist() == [-math.inf, -math.inf]
    assert regrets.minimum(lambda at: at, low, high, (True, True)).tolist() == [-1.0, -1.0]
    assert regrets.minimum(lambda at: np.abs(at - 40.3) + 2.0, low, high) == pytest.approx([2.0, 2.0], abs=1e-9)


# All of them


EVERY: list[Any] = [
    "excess_risk",
    "gradient_norm",
    "regret",
    "average_regret",
    {"name": "quantile", "level": 0.75},
    "span_maximum",
    "rate",
    {"name": "first_passage", "level": 0.3},
    {"name": "first_passage", "level": 0.1, "of": "excess_risk"},
    {"name": "law", "steps": [10, 60]},
    "mean",
    {"name": "violations", "of": "regret", "bound": "a + 4 * sqrt(n)", "constants": {"a": 0.5}},
]


@pytest.mark.compiles
def test_bytes_are_those_of_either_engine_and_of_any_number_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nonconv.engine.blocks.LARGEST_BLOCK", 64)
    cell = cell_of(tmp_path, quantities=EVERY, batch_size=2)
    for name, workers in (("one", 1), ("two", 2)):
        study.loop.run(cell, tmp_path / name, workers=workers, draw=undrawn)
    monkeypatch.setattr(ready, "compiled", lambda *programs: Reference(programs[0]))
    study.loop.run(cell, tmp_path / "reference", workers=1, draw=undrawn)
    for file in ("quantities.csv", "law.csv", "summary.json", "paths.npz"):
        contents = {(tmp_path / name / file).read_bytes() for name in ("one", "two", "reference")}
        assert len(contents) == 1, file


@pytest.mark.usefixtures("reference")
def test_a_restored_tally_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    """As after a kill: a tally of the first block, from its arrays, and the second block."""
    cell = cell_of(tmp_path, quantities=EVERY, paths=1500)
    made = ready.make_ready(cell)
    first, second = loop._measured_blocks(made, 1, 0, cell.paths)
    restored = Tally.from_arrays({name: np.array(array) for name, array in first.arrays().items()})
    through, again = (loop.results(made, part + second) for part in (first, restored))
    assert through == again
    assert [len(part.first.joined[0]) for part in first.quantities.values()][:2] == [1024, 1024]


@pytest.mark.usefixtures("reference")
def test_paths_that_diverge_are_counted(tmp_path: Path) -> None:
    """Infinite risk, no interval, censored passages; no bin of the law."""
    run = run_of(tmp_path, paths=20, learning_rate=1e6, steps=200, quantities=EVERY[:2] + EVERY[5:9] + ["law"])
    assert last(run, "excess_risk")["status"] == "overflow"
    assert last(run, "excess_risk")["n_finite"] == 0
    assert last(run, "span_maximum: minimizer")["status"] == "overflow"
    assert last(run, "rate: minimizer")["status"] == "unknown"
    assert last(run, "first_passage_censored: minimizer 0.3")["value"] == 1.0
    assert "inf" in good("table", run.folder)


@pytest.mark.usefixtures("reference")
def test_expectations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Met, refuted and undecided, each decided by the interval."""
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(undrawn))
    expect = {
        "quantity": [
            {"name": "excess_risk", "below": 1.0},
            {"name": "excess_risk", "step": 1, "below": 1e-3},
            {"name": "q50", "above": 0.0},
            {"name": "first_passage_median: minimizer 0.3", "below": 60},
            {"name": "span_maximum", "step": 30, "above": 0.0},
        ],
        "rate": {"minimizer": {"above": 0.5, "below": 1.5}},
        "quantile": {"q75": {"below": 1.0}, "q50: minimizer": {"above": 0.9}},
        "within": [{"quantity": "regret", "of": 1e6}, {"quantity": "q75: minimizer", "of": 0.4}],
    }
    path = written(tmp_path, SGD | {"quantities": EVERY, "expect": expect})
    result = call("check", path, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 3
    rows = json.loads(result.stdout)["configs"][0]["expectations"]
    assert [row["status"] for row in rows] == [
        "met",
        "refuted",
        "met",
        "met",
        "met",
        "met",
        "met",
        "refuted",
        "refuted",
        "undecided",
    ]
    assert {Path(row["file"]).name for row in rows} == {"quantities.csv"}


@pytest.mark.usefixtures("reference")
def test_averages_have_what_recorded_steps_are_enough_for(tmp_path: Path) -> None:
    """The risk of an exponential average, V (1 - d) (1 + r d) / ((1 + d) (1 - r d)) / 2 with r = 1 - g, within 4 errors.

    Control: the last iterate's V / 2. What needs every step is of the last iterate alone.
    """
    averages = ["last", {"name": "ema", "decay": 0.9}, {"name": "polyak", "after": 0.5}]
    run = run_of(tmp_path, objective=HALF, learning_rate=0.2, steps=200, paths=1000, iterates=averages, quantities=EVERY[:7])
    ends = {(row["iterate"], row["quantity"]): row for row in run.summary["quantities"]}
    variance, r, d = 0.2 / 1.8, 0.8, 0.9
    known = variance * (1 - d) * (1 + r * d) / ((1 + d) * (1 - r * d)) / 2.0
    row, of_last = ends["ema", "excess_risk"], ends["last", "excess_risk"]
    assert abs(row["value"] - known) <= 4.0 * row["se"]
    assert abs(of_last["value"] - variance / 2.0) <= 4.0 * of_last["se"]
    assert abs(of_last["value"] - known) > 10.0 * of_last["se"]
    assert {name for iterate, name in ends if iterate == "polyak"} == {
        "excess_risk",
        "gradient_norm",
        "q75: minimizer",
        "rate: minimizer",
    }
    assert run.courses["ema", "excess_risk"].value[-1] == row["value"]
    expect = {
        "quantity": [
            {"name": "excess_risk", "iterate": "ema", "below": 2 * known},
            {"name": "regret", "iterate": "last", "above": 0},
        ]
    }
    assert [row.status for row in evaluate(expect, read_result(run.folder, exact=False))] == ["met", "met"]


@pytest.mark.usefixtures("reference")
def test_tables_of_quantities(tmp_path: Path) -> None:
    run = run_of(tmp_path, quantities=EVERY)
    assert "| excess_risk | 60 |" in good("table", run.folder)
    assert good("table", run.folder, "--of", "law", "--format", "csv").startswith(
        "step,iterate,coordinate,low,high,share,below"
    )
    rows = json.loads(good("table", run.folder, "--of", "quantities", "--format", "json"))["rows"]
    assert {row["quantity"] for row in rows} >= {"regret", "q50: minimizer"}
    assert bad("table", run.folder, "--of", "laws") == "--of: there is no table 'laws'\n  allowed: error, quantities, law\n"


@pytest.mark.parametrize(
    ("quantity", "said"),
    [
        ("exces_risk", "quantities[0]: unknown quantity 'exces_risk'"),
        ({"name": "first_passage"}, "quantities[0].level: missing; first_passage needs it"),
        ({"name": "first_passage", "level": -1.0}, "quantities[0].level: must be a number > 0, got -1"),
        ({"name": "quantile", "level": 1.0}, "quantities[0].level: must be a number > 0 and < 1, got 1"),
        ({"name": "rate", "xi": "start"}, "quantities[0].xi: start is not among the config's xi"),
        ({"name": "rate", "xi": [[1.0]]}, "quantities[0].xi: must be minimizer, got a list"),
        (
            {"name": "first_passage", "level": 1.0, "of": "excess_risk", "xi": "minimizer"},
            "excess risk has no xi",
        ),
        ({"name": "violations", "of": "regret"}, "quantities[0].bound: missing; violations needs it"),
        ({"name": "violations", "of": "loss", "bound": "n"}, "quantities[0].of: must be one of regret"),
        ({"name": "violations", "of": "error", "bound": "sqrt(m)"}, "quantities[0].bound: "),
        ({"name": "violations", "of": "regret", "bound": "n", "xi": "minimizer"}, "regret has no xi; leave it out"),
        (
            [{"name": "violations", "of": "regret", "bound": bound} for bound in ("n", "2*n")],
            "quantities[1]: duplicate quantity violations: regret; first given as quantities[0]",
        ),
        ({"name": "law", "steps": [59]}, "quantities[0].steps[0]: step 59 is not recorded"),
        ({"name": "law", "coordinate": 2}, "quantities[0].coordinate: must be a coordinate from 1 to 1, got 2"),
        (["rate", "rate"], "quantities[1]: duplicate quantity rate: minimizer; first given as quantities[0]"),
        (3, "quantities: cannot be 3"),
        (["rate"] * 33, "quantities: "),
    ],
)
def test_quantities_that_cannot_be(tmp_path: Path, quantity: Any, said: str) -> None:
    wanted = quantity if isinstance(quantity, list | int) else [quantity]
    config = SGD | {"xi": ["minimizer"], "quantities": wanted}
    assert said in bad("validate", written(tmp_path, config))


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"name": "toint"}, "excess_risk needs F*, and toint has no known minimizer here"),
        (
            {"name": "mlp", "data": {"name": "teacher"}},
            "mlp has no known minimizer here; of a network",
        ),
        (
            {"name": "quadratic", "data": {"name": "cauchy"}},
            "excess_risk needs one F: data whose law drifts, or that have",
        ),
        (
            {"name": "linear_model", "loss": "logistic", "data": {"name": "linear", "labels": "classes"}},
            "excess_risk needs F exactly",
        ),
    ],
)
def test_risks_that_are_not_known(tmp_path: Path, objective: Any, said: str) -> None:
    config = SGD | {"xi": ["start"], "objective": objective, "quantities": ["excess_risk"]}
    assert said in bad("validate", written(tmp_path, config))


def test_a_path_has_no_rate_to_its_own_end(tmp_path: Path) -> None:
    said = bad("validate", written(tmp_path, SGD | {"xi": ["last", "start"], "quantities": ["rate"]}))
    assert "quantities[0].xi: the distance from the last iterate is 0 at the end, whatever the rate" in said
    assert "allowed: start" in said
    good("validate", written(tmp_path, SGD | {"xi": ["last", "start"], "quantities": [{"name": "rate", "xi": "start"}]}))


def test_a_quantity_changes_what_the_experiment_is_and_none_does_not(tmp_path: Path) -> None:
    """Nor do its defaults."""
    plain, none = cell_of(tmp_path / "a"), cell_of(tmp_path / "b", quantities=[])
    one, same = (cell_of(tmp_path / name, quantities=asked) for name, asked in (("c", "rate"), ("d", [{"name": "rate"}])))
    assert plain.identity == none.identity != one.identity == same.identity
    assert "quantities" not in plain.portable


@pytest.mark.usefixtures("reference")
def test_sweeps_have_those_of_averages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the iterate: values as in the cells, differences, and an order of the mean of the average."""
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(undrawn))
    config = SGD | {"xi": ["minimizer"], "paths": 64, "quantities": ["mean", "rate"], "iterates": ["last", "polyak"]}
    order = {"of": "mean", "iterate": "polyak", "against": "start", "above": 0.5, "below": 1.5}
    config |= {"objective": HALF | {"data": {"name": "uniform", "low": 2, "high": 4}}, "learning_rate": 0.001}
    path = written(tmp_path, config | {"sweep": {"start": [2.0, 4.0]}, "expect": {"order": order}})
    good("check", path, "--out", tmp_path / "out", "-q")
    (folder,) = [file.parent for file in tmp_path.glob("out/*/sweep.csv")]
    with (folder / "sweep.csv").open() as file:
        first, second = csv.DictReader(file)
    runs = [read_run(folder / "cells" / row["cell"]) for row in (first, second)]
    values = [run.courses["polyak", "mean"].value[-1] for run in runs]
    assert [float(row["mean polyak"]) for row in (first, second)] == values
    assert float(second["difference_mean polyak"]) == pytest.approx(values[1] - values[0])
    assert float(first["mean polyak"]) != float(first["mean"])
    assert "rate: minimizer polyak" in first


@pytest.mark.usefixtures("reference")
def test_sweeps_and_comparisons_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Final values and paired differences in sweep.csv, as those of the cells; and so in compare."""
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(undrawn))
    asked = ["excess_risk", "average_regret", "rate", {"name": "first_passage", "level": 0.3}]
    record = {"points": 40, "paths": 4}
    config = SGD | {"xi": ["minimizer"], "paths": 50, "quantities": asked, "record": record}
    path = written(tmp_path, config | {"sweep": {"learning_rate": [0.05, 0.1]}})
    good("sweep", path, "--out", tmp_path / "out", "-q")
    with (tmp_path / "out" / "sweep.csv").open() as file:
        first, second = csv.DictReader(file)
    runs = [read_run(tmp_path / "out" / "cells" / row["cell"]) for row in (first, second)]
    for row, run in zip((first, second), runs, strict=True):
        assert float(row["excess_risk"]) == last(run, "excess_risk")["value"]
        assert float(row["rate: minimizer_low"]) == last(run, "rate: minimizer")["ci_low"]
        assert float(row["first_passage_median: minimizer 0.3"]) == last(run, "first_passage_median: minimizer 0.3")["value"]
    away = [last(run, "average_regret")["value"] for run in runs]
    assert float(second["difference_average_regret"]) == pytest.approx(away[1] - away[0])
    assert (first["difference_average_regret"], "difference_rate: minimizer" in first) == ("", False)
    told = good("compare", *(run.folder for run in runs))
    assert "average_regret" in told
    assert "excess_risk" in told
    good("verify", tmp_path / "out")


@pytest.mark.usefixtures("reference")
def test_regret_of_a_loss_without_data(tmp_path: Path) -> None:
    """Its one function has its least loss at 0."""
    objective = {"name": "formula", "loss": "theta**2/2 - cos(theta)"}
    run = run_of(tmp_path, objective=objective, start={"name": "uniform"}, quantities=["average_regret"], xi=["minimizer"])
    assert 0.0 < last(run, "average_regret")["value"] < 1.0


@pytest.mark.usefixtures("reference")
def test_quantiles_of_few_paths_have_one_open_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other end is told, in summaries and in the table of a sweep."""
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(undrawn))
    asked = [{"name": "quantile", "level": level} for level in (0.02, 0.97)]
    path = written(tmp_path, SGD | {"xi": ["minimizer"], "paths": 13, "quantities": asked, "sweep": {"learning_rate": [0.05]}})
    good("run", path, "--out", tmp_path / "run", "-q")
    low, high = (last(read_run(tmp_path / "run"), f"q{name}: minimizer") for name in (2, 97))
    assert (low["ci_low"], high["ci_high"]) == (None, None)
    wanted = [f"{low['value']:.4g} (at most {low['ci_high']:.4g})", f"{high['value']:.4g} (at least {high['ci_low']:.4g})"]
    assert all(text in (tmp_path / "run" / "summary.md").read_text() for text in wanted)
    good("sweep", path, "--out", tmp_path / "sweep", "-q")
    assert all(text in good("table", tmp_path / "sweep") for text in wanted)


@pytest.mark.slow
@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("case", ["all", "averages", "diverging", "one step"])
def test_figures_show_all_of_it(tmp_path: Path, case: str) -> None:
    """Nothing is clipped or run together, whatever the numbers are; there is a figure where there is something to show."""
    more: dict[str, dict[str, Any]] = {
        "all": {"quantities": [*EVERY, {"name": "first_passage", "level": 0.01}]},
        "averages": {
            "iterates": ["last", {"name": "ema", "decay": 0.9}],
            "quantities": [*EVERY[:6], {"name": "law", "steps": [60]}],
        },
        "diverging": {"learning_rate": 1e6, "steps": 200, "paths": 20, "quantities": [*EVERY[:8], "law"]},
        "one step": {"steps": 1, "paths": 1, "quantities": [*EVERY[:8], "law"]},
    }
    run = run_of(tmp_path, **more[case])
    assert {"quantities", "law"} <= set(figure_names(run.folder))
    check_layout(laid_out(quantities_figure, run), columns=2)
    assert len(laid_out(law_figure, run).axes) == {"all": 4, "diverging": 1}.get(case, 2)


@pytest.mark.parametrize("hold", [1, 3])
@pytest.mark.parametrize("order", ["with_replacement", "epochs", "once", "cyclic"])
def test_samples_that_are_drawn_again_are_those_of_the_paths(order: str, hold: int, tmp_path: Path) -> None:
    """Of a linear loss at the rate 1 each step is the mean of its samples, whatever their order, from any step on."""
    data = {"name": "rademacher", "order": order, "hold": hold, "drift": {"name": "linear", "speed": 0.25}}
    config = {
        "steps": 23,
        "objective": {"name": "linear", "data": data, "dim": 2},
        "optimizer": "sgd",
        "learning_rate": 1,
        "batch_size": 3,
        "record": {"every": 1},
        "xi": "start",
    }
    program = cell_of(tmp_path, **config).program
    moving = Moving([program], Reference(program), 0, 5, np.zeros(1, dtype=np.uint8))
    samples = Samples(moving)
    for piece in moving.slices(length=5):
        before, theta = moving.theta.copy(), np.empty((len(piece.batch_size), 2, 5))
        moving.advance(piece, np.arange(len(theta)), theta)
        again = samples.of(piece)
        assert np.array_equal(again, drawn(moving, piece))
        means = again.reshape(len(theta), 3, 2, 5).mean(axis=1)
        steps = np.diff(np.concatenate([before[None], theta]), axis=0)
        assert np.allclose(steps, -means, rtol=0.0, atol=1e-12)
