"""Heavy-tailed laws: quantiles against mpmath, moments against integrals, and what a run says where a moment does not exist."""

import csv
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mpmath as mp  # type: ignore[import-untyped]
import numpy as np
import pytest

from kit.experiments import written
from nonconv.checks.comparison import compare, rows
from nonconv.checks.expectations import evaluate, read_result
from nonconv.components.definitions import Distribution, Law
from nonconv.data import DATA
from nonconv.data.heavy_tailed import Cauchy, Laplace, Pareto, StudentT
from nonconv.engine.blocks import simulate
from nonconv.engine.reference import Reference
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.report.summary import markdown
from nonconv.report.sweep_result import SweepResult, read_sweep_result
from nonconv.report.sweep_table import _mean, why_no_interval
from nonconv.results.columns import Columns
from nonconv.results.run_files import data_files
from nonconv.results.verdict_files import verdict_of
from nonconv.statistics.decision import INFINITE_SQUARES
from nonconv.statistics.intervals import error_intervals, floor_intervals
from nonconv.statistics.measured_block import Again
from nonconv.statistics.tally import Tally, measure
from nonconv.study import loop as study
from nonconv.study.ready import make_ready
from nonconv.sweeps.executors.threads import open_threads
from nonconv.sweeps.loop import run_sweep
from nonconv.sweeps.sweep import read_sweep, survey
from nonconv.theory.moments import finite_moments, growth, infinite_errors
from nonconv.theory.multiplication import multiplied

mp.mp.dps = 40
EXTREME = np.array([0.0, 2.0**-52, 3.0 * 2.0**-52, 1.0 - 2.0**-52, 0.5, 0.5 - 2.0**-52, 0.25, 0.75, 0.15, 0.85])
LAWS: dict[str, list[Any]] = {
    "student_t": [StudentT(df) for df in (0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0, 7.5, 40.0, 1e6)],
    "cauchy": [Cauchy()],
    "laplace": [Laplace()],
    "pareto": [Pareto(a, symmetric=s) for a in (0.1, 1.0, 4.0 / 3.0, 2.0, 3.0, 4.0, 50.0) for s in (False, True)],
}
EVERY = [pytest.param(name, h, id=f"{name}-{k}") for name, laws in LAWS.items() for k, h in enumerate(laws)]


def forms(name: str, h: Any) -> list[Distribution]:
    """The law as the registry has it, and as it is drawn with these parameters."""
    general = DATA[name]
    assert isinstance(general, Distribution)
    return [general, *filter(None, [general.form(h)])]


def drawn(component: Distribution, h: Any, u: Array) -> Array:
    constants = component.constants(*(field[0] for field in component.prepare(h, 1)))
    return np.asarray(component.sample(constants, u))


def student(p: Any, df: float, near: float) -> Any:
    """The quantile by a root of the incomplete beta function, near a number."""
    tail, half = min(p, 1 - p), mp.mpf(1) / 2
    if tail == half:
        return mp.mpf(0)

    def off(log_t: Any) -> Any:
        return mp.log(mp.betainc(df / mp.mpf(2), half, 0, df / (df + mp.e ** (2 * log_t)), regularized=True) / 2 / tail)

    return mp.sign(p - half) * mp.e ** mp.findroot(off, mp.log(abs(near)))


def exact(h: Any, p: Any, near: float) -> Any:
    """The quantile at the probability p; near: what it should be about."""
    half = mp.mpf(1) / 2
    sign, tail = mp.sign(p - half), min(p, 1 - p)
    if isinstance(h, StudentT):
        if h.df == 1.0:
            return mp.tan(mp.pi * (p - half))
        return (2 * p - 1) / mp.sqrt(2 * p * (1 - p)) if h.df == 2.0 else student(p, h.df, near)
    if isinstance(h, Cauchy):
        return mp.tan(mp.pi * (p - half))
    if isinstance(h, Laplace):
        return -sign * mp.log(2 * tail)
    power = -1 / mp.mpf(h.exponent)
    return (sign or 1) * (2 * tail) ** power if h.symmetric else (1 - p) ** power


@pytest.mark.parametrize(("name", "h"), EVERY)
def test_quantiles_have_the_stated_accuracy(name: str, h: Any) -> None:
    """At the ends of the grid, where pieces meet, and in between; nothing is infinite at u = 0."""
    rng = np.random.default_rng(2)
    u = np.concatenate([EXTREME, np.floor(rng.random(6) * 2.0**52) / 2.0**52, 2.0 ** -rng.integers(5, 52, 4).astype(float)])
    # Beyond this the law takes algebra or tabulated polynomials; errors of exp and log grow with the exponent.
    allowed = 1e-13 if name in ("student_t", "pareto") else 4e-16
    for component in forms(name, h):
        for at, x in zip(u.tolist(), drawn(component, h, u).tolist(), strict=True):
            p = mp.mpf(at) + mp.mpf(2) ** -53
            if name == "student_t" and abs(at - 0.5) < 1e-9:
                continue  # the reference's root finder has no logarithm there
            true = exact(h, p, x)
            assert abs(x - true) <= allowed * abs(true), (component.sample.__name__, at)


def test_four_degrees_of_freedom_in_closed_form() -> None:
    """z = t / sqrt(4 + t^2) solves 3 z - z^3 = 4 (u - 1/2), so z = 2 sin(arcsin(2u - 1) / 3)."""
    u = np.concatenate([EXTREME, np.random.default_rng(3).random(50).round(9)])
    for at, x in zip(u.tolist(), drawn(forms("student_t", StudentT(4.0))[0], StudentT(4.0), u).tolist(), strict=True):
        z = 2 * mp.sin(mp.asin(2 * (mp.mpf(at) + mp.mpf(2) ** -53) - 1) / 3)
        assert abs(x - 2 * z / mp.sqrt(1 - z * z)) <= 3e-14 * abs(x)


def absolute_moment(h: Any, k: float) -> Any:
    """E|X - loc|^k by an integral over the density on one side; k need not be whole."""
    if isinstance(h, StudentT):
        df = mp.mpf(h.df)
        c = mp.gamma((df + 1) / 2) / mp.sqrt(df * mp.pi) / mp.gamma(df / 2)
        return 2 * c * mp.quad(lambda x: x**k * (1 + x * x / df) ** (-(df + 1) / 2), [0, 1, 4, 16, mp.inf])
    if isinstance(h, Laplace):
        return mp.quad(lambda x: x**k * mp.exp(-x), [0, 1, 8, mp.inf])
    return mp.quad(lambda x: h.exponent * x ** (k - h.exponent - 1), [1, 2, 8, 64, mp.inf])


@pytest.mark.parametrize("h", [StudentT(9.5), StudentT(5.0), StudentT(2.5), Laplace(), Pareto(9.0, symmetric=True)], ids=str)
def test_moments_are_those_of_the_density(h: Any) -> None:
    """Of a law moved and scaled; a moment of an order that does not exist is infinite, or nan."""
    name = next(name for name, laws in LAWS.items() if type(laws[0]) is type(h))
    law = forms(name, h._replace(loc=3.0, scale=2.0))[0].law(h._replace(loc=3.0, scale=2.0), 2)
    for k, stated in ((2, law.variance), (4, law.fourth)):
        assert stated is not None
        known = float(2.0**k * absolute_moment(h, k)) if k < law.moments else math.inf
        assert stated.tolist() == [pytest.approx(known, rel=1e-9)] * 2
    assert law.tail_share is not None
    share = float(absolute_moment(h, 4) ** 2 / absolute_moment(h, 8)) if law.moments > 8 else 0.0
    assert law.tail_share.tolist() == [pytest.approx(share, rel=1e-9)] * 2
    assert law.mean.tolist() == [3.0, 3.0]
    assert law.symmetric


@pytest.mark.parametrize("exponent", [8.5, 4.5, 3.5, 2.5, 500.0])
def test_central_moments_of_one_sided_pareto(exponent: float) -> None:
    """By an integral over the quantile function x(s) = exp(s / exponent), s exponential: it does not cancel."""
    law = forms("pareto", Pareto(exponent))[0].law(Pareto(exponent, loc=1.0, scale=3.0), 1)
    a = mp.mpf(exponent)
    mean = a / (a - 1)
    ends = [0, 1, 10, 100, mp.inf]
    for k, stated in ((2, law.variance), (3, law.third_central), (4, law.fourth)):
        assert stated is not None
        known = float(3**k * mp.quad(lambda s, k=k: mp.exp(-s) * (mp.exp(s / a) - mean) ** k, ends)) if k < a else math.inf
        assert stated[0] == pytest.approx(known, rel=1e-9)
    assert law.mean[0] == pytest.approx(float(1 + 3 * mean), rel=1e-14)


NO_MEAN: list[tuple[str, Any, float]] = [
    ("cauchy", Cauchy(2.0, 3.0), 2.0),
    ("student_t", StudentT(1.0, 2.0, 3.0), 2.0),
    ("student_t", StudentT(0.7, 2.0), 2.0),
    ("pareto", Pareto(1.0, 2.0, 3.0), 8.0),
    ("pareto", Pareto(0.5, 2.0, 3.0, symmetric=True), 2.0),
]


@pytest.mark.parametrize(("name", "h", "median"), NO_MEAN)
def test_a_mean_that_does_not_exist_is_nan(name: str, h: Any, median: float) -> None:
    """The median and the quartiles stand in for mean and standard deviation."""
    component = forms(name, h)[0]
    law: Law = component.law(h, 1)
    assert all(np.isnan(moment).all() for moment in (law.mean, law.variance, law.arrays()["fourth"]))
    assert not law.has_mean
    assert not law.has_variance
    assert law.middle[0] == pytest.approx(median)
    first, third = drawn(component, h, np.array([0.25, 0.75]))
    assert law.length[0] == pytest.approx((third - first) / 2.0)
    assert law.finite_moments <= 1.0


def test_a_mean_without_a_variance() -> None:
    for name, h in (("student_t", StudentT(2.0)), ("student_t", StudentT(1.2)), ("pareto", Pareto(4.0 / 3.0))):
        law = forms(name, h)[0].law(h, 1)
        assert law.has_mean
        assert law.variance[0] == math.inf
        assert not law.has_variance


# What rules make of them

CAUCHY: dict[str, Any] = {"name": "cauchy"}
SIGN: dict[str, Any] = {"name": "adam", "beta1": 0.0, "beta2": 0.0, "eps": 0.0}
Make = Callable[..., Cell]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(data: Any, **changes: Any) -> Cell:
        base = {
            "objective": {"name": "quadratic", "data": data},
            "optimizer": "sgd",
            "learning_rate": 0.05,
            "xi": [0.0, "last"],
        }
        sizes = {"paths": 64, "steps": 256, "record": {"points": 4, "paths": 0}}
        return make_ready(read_cell(written(tmp_path / "in", base | sizes | changes), [])).cell

    return made


def tally_of(cell: Cell) -> Tally:
    """By the reference engine, so that nothing is compiled."""
    engine, stop = Reference(cell.program), np.zeros(1, dtype=np.uint8)
    with np.errstate(all="ignore"):
        again = Again(engine, stop) if cell.quantities else None
        return measure(cell, simulate(cell.program, engine, 0, cell.paths, stop), None, again)


MOMENTS: dict[str, tuple[Any, dict[str, Any], float, list[str]]] = {
    "sgd": (CAUCHY, {}, 1.0, ["data", "data"]),
    "momentum": ({"name": "student_t", "df": 2}, {"optimizer": "momentum"}, 2.0, ["data", "data"]),
    "a variance": ({"name": "student_t", "df": 2.5}, {}, 2.5, ["", ""]),
    "batches": ({"name": "pareto", "exponent": 1.5}, {"batch_size": 64}, 1.5, ["data", "data"]),
    "all moments": ({"name": "laplace"}, {}, math.inf, ["", ""]),
    "sign": (CAUCHY, {"optimizer": SIGN}, math.inf, ["", ""]),
    "adam": (CAUCHY, {"optimizer": "adam"}, math.inf, ["", ""]),
    "an unbounded adam": (CAUCHY, {"optimizer": {"name": "adam", "beta1": 0.99, "beta2": 0.9}}, 1.0, ["", ""]),
    "start": ("rademacher", {"start": CAUCHY}, 1.0, ["start", "start"]),
    "a clipped gradient": (CAUCHY, {"optimizer": {"name": "sgd", "clip_value": 1.0}}, math.inf, ["", ""]),
    "a clipped norm": (CAUCHY, {"optimizer": {"name": "momentum", "clip_norm": 1.0}}, math.inf, ["", ""]),
    "a domain": (CAUCHY, {"domain": [-1, 1]}, math.inf, ["", ""]),
    "half a domain": (CAUCHY, {"domain": [-1, None]}, 1.0, ["data", "data"]),
    "half a domain for one tail": ({"name": "pareto", "exponent": 1.5}, {"domain": [None, 9]}, 1.5, ["", ""]),
    "a start in a domain": ("rademacher", {"domain": [-1, 1], "start": CAUCHY}, math.inf, ["", ""]),
    "start of adam": ("rademacher", {"start": CAUCHY, "optimizer": "adam"}, 1.0, ["start", ""]),
}
"""Data and changes, the order of moments, and whose law makes the mean square from 0 and from the last iterate infinite."""


@pytest.mark.parametrize(("data", "changes", "order", "infinite"), MOMENTS.values(), ids=MOMENTS)
def test_moments_of_iterates(data: Any, changes: dict[str, Any], order: float, infinite: list[str], make: Make) -> None:
    cell = make(data, **changes)
    assert finite_moments(cell).order == order
    assert infinite_errors(cell) == infinite


def test_moments_of_gradient_noise(make: Make) -> None:
    """Its law limits moments as that of data does, and clipping helps, which comes after it."""
    for optimizer, order, infinite in (
        ("sgd", 1.0, "noise"),
        ("adam", math.inf, ""),
        ({"name": "sgd", "clip_norm": 2.0}, math.inf, ""),
    ):
        objective = {"name": "quadratic", "data": "rademacher", "gradient_noise": CAUCHY}
        cell = make(None, objective=objective, optimizer=optimizer)
        assert finite_moments(cell).order == order
        assert infinite_errors(cell) == [infinite] * 2
        if infinite:
            reason = error_intervals(cell, tally_of(cell)).reasons[0, -1]
            assert reason.startswith("it is infinite: the law of the gradient noise (cauchy) has moments below order 1 only")


def test_a_start_outside_its_domain(make: Make) -> None:
    """Only the distance from the start itself is infinite."""
    cell = make("rademacher", domain=[-1, 1], start=CAUCHY, xi=[0.0, "start", "last"])
    assert infinite_errors(cell) == ["", "start", ""]


def test_growth_of_gradients(make: Make, tmp_path: Path) -> None:
    """Bounded slopes keep all moments with any rule; those in proportion to a square of the datum leave half the order."""
    plugin = tmp_path / "slopes.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    for name, power, order in (("bounded", 0.0, math.inf), ("squared", 2.0, 0.75), ("cubic", 3.0, 0.0)):
        objective = {"name": name, "data": {"name": "student_t", "df": 1.5}}
        cell = make(None, plugins=[str(plugin)], objective=objective, xi=["start"])
        assert growth(cell).power == pytest.approx(power, abs=1e-9)
        assert growth(cell).superlinear == (name == "cubic")
        assert finite_moments(cell).order == pytest.approx(order)
        if name == "squared":
            assert infinite_errors(cell) == [""], "it rests at its start, 0"
            moving = make(None, plugins=[str(plugin)], objective=objective, xi=["start"], start=1.0)
            assert infinite_errors(moving) == ["data"]


@pytest.mark.parametrize(("optimizer", "order"), [("sgd", 1.0), ("adam", math.inf)])
def test_coordinates_that_are_coupled(optimizer: str, order: float, make: Make) -> None:
    cell = make(None, objective={"name": "rotated_quadratic", "dim": 3, "data": CAUCHY}, optimizer=optimizer, xi=["start"])
    assert finite_moments(cell).order == order
    assert infinite_errors(cell) == ["data" if order == 1.0 else ""]


PLUGIN = """
from typing import Annotated, Any, NamedTuple
import numpy as np
from nonconv.plugin import OBJECTIVES, Doc, Lanes, Objective, OneOf

class Of(NamedTuple):
    "A loss."
    data: Annotated[Any, OneOf("data"), Doc("the data")]

class K(NamedTuple):
    one: Lanes

def offer(name, loss, gradient):
    OBJECTIVES.register(Objective(name=name, parameters=Of, paper="none", constants=K,
        prepare=lambda h, dim: K(np.ones(dim)), loss=loss, gradient=gradient))

def bounded_loss(k, theta, x):
    return np.sqrt(1.0 + (theta - x) * (theta - x))

def bounded(k, theta, x):
    return (theta - x) / np.sqrt(1.0 + (theta - x) * (theta - x))

def squared_loss(k, theta, x):
    return x * x * theta * theta / 2.0

def squared(k, theta, x):
    return x * x * theta

def cubic_loss(k, theta, x):
    return (theta - x) * (theta - x) * (theta - x) * (theta - x) / 4.0

def cubic(k, theta, x):
    return (theta - x) * (theta - x) * (theta - x)

offer("bounded", bounded_loss, bounded)
offer("squared", squared_loss, squared)
offer("cubic", cubic_loss, cubic)
"""


def test_an_infinite_mean_square_is_not_printed(make: Make) -> None:
    """No value in any file; medians instead, and a verdict that says why. Of sign descent everything is there."""
    cell = make(CAUCHY)
    tally = tally_of(cell)
    with np.errstate(all="ignore"):
        files = data_files(cell, tally, None)
    errors = list(csv.DictReader(files["error.csv"].decode().splitlines()))
    shown = [row["mse"] for row in errors if not (row["xi"] == "last" and row["step"] == "256")]
    assert set(shown) == {""}
    assert {row["n_finite"] for row in errors} == {"64"}
    floors = list(csv.DictReader(files["floors.csv"].decode().splitlines()))
    assert {row["value"] + row["lower"] for row in floors} == {""}
    assert "theory.csv" not in files
    assert "floors_theory.csv" not in files
    assert "predictions.json" not in files
    summary, verdict = json.loads(files["summary.json"]), json.loads(files["verdict.json"])
    first = summary["errors"][0]
    assert (first["mse"], first["status"]) == (None, "infinite")
    assert first["median"]["value"] > 0.0
    assert verdict["verdict"] == "undecided"
    assert verdict["reason"].startswith("E|Θ − ξ|² is infinite for every ξ that is a point: the law of the data (cauchy)")
    assert verdict["infinite"].startswith("it is infinite: ")
    assert (verdict["states"], verdict["slopes"]) == ({}, {})
    assert verdict["floors"]["twin"]["value"] is None
    bounded = make(CAUCHY, optimizer=SIGN)
    tally = tally_of(bounded)
    assert not error_intervals(bounded, tally).infinite.any()
    assert np.isfinite(floor_intervals(bounded, tally).estimate.value).all()
    assert verdict_of(bounded, tally).infinite == ""


def test_reports_of_an_infinite_mean_square(tmp_path: Path) -> None:
    """Summary, figures, checks and comparisons of a run on data without a mean."""
    config = {
        "paths": 64,
        "steps": 256,
        "objective": {"name": "quadratic", "data": CAUCHY},
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "xi": [0.0],
        "record": {"points": 4, "paths": 0},
    }
    folders = []
    for name, rate in (("a", 0.1), ("b", 0.2)):
        cell = read_cell(written(tmp_path / name, config | {"learning_rate": rate}), [])
        folders.append(study.run(cell, tmp_path / f"out-{name}", workers=1).folder)
    run = read_result(folders[0], exact=False).run
    text = markdown(run)
    assert "E|Θ − 0|² is infinite. Median of |Θ − 0|: " in text
    assert "infinite (median distance " in text
    assert "no value for E|Θ − 0|²" in text
    assert list(run.medians) == ["0"]
    assert {path.stem for path in (folders[0] / "figures").iterdir()} == {"error", "floors", "paths"}
    expect = {"mse": [{"xi": 0.0, "below": 1e9}], "floor": {"twin": {"above": 0.0}}, "verdict": "undecided"}
    found = evaluate(expect, read_result(folders[0], exact=False))
    assert [row.status for row in found] == ["undecided", "undecided", "met"]
    assert found[0].found.startswith("no value: it is infinite: the law of the data (cauchy)")
    _, table = rows(compare(*folders))
    assert table[0][1].startswith("infinite (median ")
    assert table[0][3] == "no value"


def test_sweeps_of_infinite_mean_squares() -> None:
    """The table says so where the column is empty for that reason."""
    reasons = [f"{INFINITE_SQUARES}: the law of the data", "the twin floor stands"]
    columns = Columns(Path("sweep.csv"), {"mse_0": ["", ""], "reason": reasons})
    about: dict[str, Any] = {"keys": [], "xi": ["0"]}
    assert [_mean(SweepResult(Path(), about, columns), k, "mse_0") for k in range(2)] == ["infinite", ""]


@pytest.mark.parametrize(
    ("data", "paths", "said"),
    [
        (
            {"name": "pareto", "exponent": 2.5},
            8,
            "Some numbers have no interval, since squares have no variance: the law of the",
        ),
        ({"name": "normal"}, 1, "One path gives no interval."),
        ({"name": "two_point"}, 60, ""),
    ],
)
def test_a_sweep_says_why_numbers_have_no_interval(
    tmp_path: Path, reference: None, data: dict[str, Any], paths: int, said: str
) -> None:
    config = {
        "paths": paths, "steps": 20, "seed": 1, "optimizer": "sgd", "objective": {"name": "quadratic", "data": data},
        "learning_rate": {"name": "constant", "value": 0.1}, "sweep": {"learning_rate.value": [0.1, 0.2]},
    }  # fmt: skip
    grid = read_sweep(written(tmp_path / "in", config))
    run_sweep(grid, survey(grid), tmp_path / "out", partial(open_threads, grid, 1), draw=lambda folder: dict)
    told = why_no_interval(read_sweep_result(tmp_path / "out"))
    assert told.startswith(said)
    assert bool(told) is bool(said)


def test_quantities_that_are_infinite(make: Make) -> None:
    """Of t with 2 degrees of freedom: the excess risk, and what rests on it; of the first regret the start alone."""
    asked = ["excess_risk", "gradient_norm", "regret", "span_maximum", "rate"]
    cell = make({"name": "student_t", "df": 2}, xi=["minimizer"], quantities=asked)
    tally = tally_of(cell)
    with np.errstate(all="ignore"):
        rows = list(csv.DictReader(data_files(cell, tally, None)["quantities.csv"].decode().splitlines()))
    own = [row for row in rows if not row["quantity"].startswith("q")]
    assert {row["quantity"].partition(":")[0] for row in own} == set(asked)
    assert {row["value"] for row in own if (row["step"], row["quantity"]) != ("1", "regret")} == {""}
    assert next(row["value"] for row in own if (row["step"], row["quantity"]) == ("1", "regret")) != ""
    light = make({"name": "student_t", "df": 9}, xi=["minimizer"], quantities=asked)
    with np.errstate(all="ignore"):
        rows = list(csv.DictReader(data_files(light, tally_of(light), None)["quantities.csv"].decode().splitlines()))
    assert "" not in {row["value"] for row in rows if not row["quantity"].startswith("rate")}


def test_no_path_escapes_from_data_without_a_mean(make: Make) -> None:
    """A stationary process of size 1e10 and more; a rate that is too large is found by its overflow."""
    law = {"name": "pareto", "exponent": 0.2}
    for rate, outcome in ((0.02, 0), (1.5, 3)):
        cell = make(law, learning_rate=rate, steps=2048)
        tally = tally_of(cell)
        assert int(np.argmax(tally.outcomes)) == outcome
        assert verdict_of(cell, tally).answer == ("diverges" if outcome else "undecided")


def test_no_minimizer_without_a_mean(make: Make) -> None:
    assert make(CAUCHY, xi=["start"]).length == 1.0
    exact = make({"name": "student_t", "df": 1.5, "loc": 3.0}, xi=["minimizer"])
    assert exact.minimizer is not None
    assert exact.minimizer.tolist() == [3.0]


# Steps that multiply


UNIT = {"name": "uniform", "low": -(3.0**0.5), "high": 3.0**0.5}


def squares(make: Make, rate: float, **changes: Any) -> Cell:
    """Least squares on uniform features of variance 1: gradient x^2 theta - x."""
    return make(
        None, objective={"name": "formula", "loss": "(theta*x)**2/2 - theta*x", "data": UNIT}, learning_rate=rate, **changes
    )


def test_moments_of_a_product_of_random_steps(make: Make) -> None:
    """E(1 - gamma a^2)^2 = 1 - 2 gamma + 9/5 gamma^2; E log|1 - gamma a^2| is 0 at 2.09; a batch has means of a^2."""
    for rate in (0.5, 10.0 / 9.0, 1.5, 2.0):
        found = multiplied(squares(make, rate))
        assert found is not None
        assert found.second == pytest.approx(1.0 - 2.0 * rate + 1.8 * rate**2)
        fourth = 1.0 - 4.0 * rate + 6.0 * 1.8 * rate**2 - 4.0 * 27.0 / 7.0 * rate**3 + 9.0 * rate**4
        assert found.fourth == pytest.approx(fourth)
        assert found.typical < -3.0 * found.error
    beyond = multiplied(squares(make, 2.2))
    assert beyond is not None
    assert beyond.typical > 3.0 * beyond.error
    assert not beyond.returns
    batch = multiplied(squares(make, 1.5, batch_size=4))
    assert batch is not None
    assert batch.second == pytest.approx((1.0 - 1.5) ** 2 + 1.5**2 * 0.8 / 4.0)


def test_moments_of_coupled_steps(make: Make) -> None:
    """One feature as above; three normal ones: E|(1 - gamma a a') e|^2 = 1 - 2 gamma + 5 gamma^2 for each direction e."""
    features = {"name": "linear", "features": "uniform", "weights": 0.0}
    model = {"name": "linear_model", "intercept": False, "data": features}
    one = multiplied(make(None, objective=model, learning_rate=1.2, xi=["last"]))
    assert one is not None
    assert one.second == pytest.approx(1.0 - 2.4 + 1.8 * 1.44, rel=1e-3)
    three = multiplied(
        make(None, objective=model | {"data": features | {"inputs": 3, "features": "normal"}}, learning_rate=0.3, xi=["last"])
    )
    assert three is not None
    assert three.second == pytest.approx(1.0 - 0.6 + 5.0 * 0.09, rel=0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "momentum"},
        {"objective": {"name": "quadratic", "data": UNIT}},
        {"objective": {"name": "huber", "data": UNIT}},
        {"objective": {"name": "rotated_quadratic", "data": UNIT}},
        {"learning_rate": {"name": "power", "value": 1.2, "exponent": 0.5}},
    ],
)
def test_other_steps_are_not_products(changes: dict[str, Any], make: Make) -> None:
    objective = {"name": "formula", "loss": "(theta*x)**2/2 - theta*x", "data": UNIT}
    assert multiplied(make(None, **({"objective": objective, "xi": ["start"]} | changes))) is None


def test_a_stationary_law_without_variance_is_recognised(make: Make) -> None:
    """Beyond gamma = 10/9 no interval and no verdict, though paths stay near; below it V = gamma s^2 / (2 - 9/5 gamma)."""
    heavy = squares(make, 1.2, paths=512)
    tally = tally_of(heavy)
    found = error_intervals(heavy, tally)
    assert "grows by a factor 1.192 per step, though paths come together" in found.reasons[0, -1]
    assert np.isnan(found.estimate.se[0, -1])
    assert not found.infinite.any(), "at a finite step it is finite"
    verdict = verdict_of(heavy, tally)
    assert verdict.answer == "undecided"
    assert "paths too rare to be drawn carry it" in verdict.reason
    noise = {"name": "linear", "features": "uniform", "weights": 0.0, "noise": 0.5, "noise_law": "normal"}
    model = {"name": "linear_model", "intercept": False, "data": noise}
    light = make(None, objective=model, learning_rate=0.4, paths=4096, xi=[0.0])
    seen = error_intervals(light, tally_of(light)).estimate
    known = 0.4 * 0.25 / (2.0 - 1.8 * 0.4)
    assert abs(seen.value[0, -1] - known) < 4.0 * seen.se[0, -1]
    assert abs(seen.value[0, -1] - 0.4 * 0.25 / (2.0 - 3.0 * 0.4)) > 4.0 * seen.se[0, -1], "that of normal features"


def test_far_paths_of_a_product_may_come_back(make: Make) -> None:
    """At 2.05 many paths are far away at any time, and the law is stationary all the same; at 2.4 they are gone."""
    for rate, answer in ((2.05, "undecided"), (2.4, "diverges")):
        cell = squares(make, rate, steps=1024, paths=256)
        tally = tally_of(cell)
        assert tally.outcomes[1] + tally.outcomes[3] > 20
        assert verdict_of(cell, tally).answer == answer
