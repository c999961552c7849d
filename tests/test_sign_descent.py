"""Sign descent, SGD and AdaGrad against closed forms of their own: exact chains, limits, and laws that are no normal ones.

A comparison with samples is within WIDTH standard errors, which fails by chance in 6e-5 of all cases, and beside each stands
one that must fail.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kit.linear import WIDTH, cell_of, distance
from nonconv.engine.blocks import simulate
from nonconv.engine.reference import Reference
from nonconv.experiment.cell import Cell
from nonconv.numerics.moments import Estimate, estimate, moments
from nonconv.results.quantities import at
from nonconv.results.run_files import theory_csv
from nonconv.results.verdict_files import files
from nonconv.statistics.floors import rows
from nonconv.statistics.quantiles import QUANTILE_LEVELS, fan_quantiles
from nonconv.statistics.tally import Tally, measure
from nonconv.study.ready import make_ready
from nonconv.theory.predictions import predictions
from nonconv.theory.recursion import predicted_errors, predicted_twins
from nonconv.theory.sign_descent import lattice, predicted_gaps

SIGN: dict[str, Any] = {"name": "adam", "beta1": 0.0, "beta2": 0.0, "eps": 0.0}
BASE: dict[str, Any] = {
    "seed": 12,
    "paths": 2048,
    "steps": 512,
    "optimizer": SIGN,
    "objective": {"name": "quadratic", "data": {"name": "uniform", "low": -1.0, "high": 1.0}},
    "learning_rate": 0.125,
    "start": 0.5,
    "xi": ["minimizer", "start"],
    "record": {"points": 6, "paths": 0},
}
Configured = Callable[..., Cell]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    return lambda **changes: make_ready(cell_of(tmp_path, BASE | changes)).cell


def tally_of(cell: Cell) -> Tally:
    """By the reference engine, so that nothing is compiled."""
    return measure(cell, simulate(cell.program, Reference(cell.program), 0, cell.paths, np.zeros(1, dtype=np.uint8)))


def quadratic(data: Any, **more: Any) -> dict[str, Any]:
    return {"name": "quadratic", "data": data, **more}


# The lattice


def law_after(steps: int, spacing: float, begin: float) -> tuple[Any, Any]:
    """The places of the lattice in [-1, 1], and the probabilities of the iterate on it, step by step."""
    places = np.arange(-round(1 / spacing), round(1 / spacing) + 1) * spacing
    mass = (np.abs(places - begin) < spacing / 2).astype(np.float64)
    for _ in range(steps):
        down = mass * (1.0 + places) / 2.0
        mass = np.append(down[1:], 0.0) + np.append(0.0, (mass - down)[:-1])
    return places, mass


@pytest.mark.parametrize(("spacing", "begin"), [(0.125, 0.5), (0.2, -1.0), (1.0, 0.0), (0.05, 0.15)])
def test_errors_are_those_of_the_chain(spacing: float, begin: float, configured: Configured) -> None:
    cell = configured(learning_rate=spacing, start=begin, steps=300)
    found = predicted_errors(cell)
    for r, step in enumerate(cell.program.record.tolist()):
        places, mass = law_after(step, spacing, begin)
        assert found["minimizer"][r] == pytest.approx(mass @ places**2, rel=1e-12)
        assert found["start"][r] == pytest.approx(mass @ (places - begin) ** 2, rel=1e-12, abs=1e-15)


def test_twins_are_those_of_the_chain(configured: Configured) -> None:
    """E Var(theta_{m+k} | theta_m), with the law of theta_m by transitions, and from each place those of k steps more."""
    cell = configured(learning_rate=0.25, steps=256)
    for span, values in zip(cell.program.plan.spans, predicted_twins(cell), strict=True):
        places, mass = law_after(span.first, 0.25, 0.5)
        for lag, value in zip(span.lags.tolist()[:5], values.tolist(), strict=False):
            later = [law_after(lag, 0.25, place)[1] for place in places]
            spread = [float(law @ places**2 - (law @ places) ** 2) for law in later]
            assert value == pytest.approx(float(mass @ spread), rel=1e-12)


def test_plateau_and_twins_in_their_closed_form(configured: Configured) -> None:
    """gamma/2 and (gamma/2) (1 - (1 - gamma)^2k) for data on [-1, 1]; in units of w and moved where these are others."""
    cell = configured(steps=2048)
    assert predictions(cell)["plateau"].value == pytest.approx(0.0625)
    lags = cell.program.plan.spans[-1].lags
    assert predicted_twins(cell)[-1] == pytest.approx(0.0625 * (1.0 - (1.0 - 0.125) ** (2 * lags)), rel=1e-9)
    assert predictions(cell)["one_step"].value == pytest.approx(predicted_twins(cell)[-1][0], rel=1e-9)
    moved = quadratic({"name": "uniform", "low": 4.0, "high": 8.0}, scale=3.0, dim=2)
    assert predictions(configured(objective=moved, learning_rate=0.5, start=[4.5, 6.0]))["plateau"].value == pytest.approx(1.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.13},
        {"start": 0.55},
        {"start": 1.125},
        {"batch_size": 2},
        {"optimizer": SIGN | {"eps": 1e-8}},
        {"optimizer": SIGN | {"beta1": 0.5}},
        {"optimizer": SIGN | {"beta2": 0.5}},
        {"optimizer": "sgd"},
        {"learning_rate": {"name": "power", "value": 0.125, "exponent": 0.5}},
        {"learning_rate": {"name": "constant", "value": 0.125, "warmup": 10}},
        {"objective": quadratic({"name": "normal"})},
        {"start": {"name": "rademacher"}},
    ],
)
def test_elsewhere_it_is_not_claimed(changes: dict[str, Any], configured: Configured) -> None:
    assert lattice(configured(**changes)) is None


def test_a_lattice_need_not_hold_the_middle(configured: Configured) -> None:
    """Thirds of 2: -1, -1/3, 1/3, 1."""
    cell = configured(learning_rate=2.0 / 3.0, start=-1.0 / 3.0)
    assert lattice(cell) is not None
    assert predicted_errors(cell)["minimizer"][-1] == pytest.approx(1.0 / 3.0)


def test_the_lattice_is_what_runs_show(configured: Configured) -> None:
    """Errors and twins, and files that hold them; beside a spacing a third larger, whose plateau is another."""
    cell = configured()
    tally = tally_of(cell)
    exact = np.array([predicted_errors(cell)[xi.label] for xi in cell.xi])
    seen = estimate(tally.errors)
    varies = seen.se > 0.0
    assert (np.abs(seen.value - exact)[varies] / seen.se[varies]).max() < WIDTH
    assert np.abs(seen.value - exact)[~varies].max() < 1e-12
    twins = np.concatenate(predicted_twins(cell))
    mine = [row.floor == "twin" for row in rows(cell.program.plan)]
    measured = Estimate(*(field[mine] for field in estimate(tally.floors)))
    assert distance(measured, twins).max() < WIDTH
    assert distance(measured, twins * 4.0 / 3.0).max() > WIDTH
    # A gap is a fourth of E|theta_{m+k} - theta_m|^2; that of one step is of one size.
    gaps = [(k, row.lag) for k, row in enumerate(rows(cell.program.plan)) if row.floor == "cauchy" and row.lag > 1]
    measured = Estimate(*(field[[k for k, _ in gaps]] for field in estimate(tally.floors)))
    between, lags = np.concatenate([own[1:] for own in predicted_gaps(cell)]), np.array([float(lag) for _, lag in gaps])
    assert distance(measured, between).max() < WIDTH
    assert distance(measured, between * 4.0 / 3.0).max() > WIDTH
    assert between[-1] == pytest.approx(0.125 * (1.0 - (1.0 - 0.125) ** lags[-1]) / 4.0)
    found = files(cell, tally, None)["floors_theory.csv"].decode().splitlines()
    assert [line.split(",")[1] for line in found[1:]] == ["twin"] * len(twins) + ["cauchy"] * (len(between) + 3)
    assert theory_csv(cell, [predicted_errors(cell)]).startswith(b"step,xi,mse\n1,minimizer,")


# The limit of small rates


LAWS: dict[str, tuple[dict[str, Any], Any, float]] = {
    "normal": ({"name": "normal"}, stats.norm, math.sqrt(math.pi / 8.0)),
    "t2": ({"name": "student_t", "df": 2.0}, stats.t(2), 1.0 / math.sqrt(2.0)),
    "cauchy": ({"name": "cauchy"}, stats.cauchy, math.pi / 4.0),
}
"""Data, the same law of SciPy, and 1 / (4 f(0)): V / gamma in the limit of small gamma."""


def stationary_square(law: Any, spacing: float) -> float:
    """E theta^2 of the chain on the lattice of this spacing, by detailed balance: as much flows up as down."""
    places = np.arange(-4000, 4001) * spacing
    log_mass = np.concatenate([[0.0], np.cumsum(law.logsf(places[:-1]) - law.logcdf(places[1:]))])
    mass = np.exp(log_mass - log_mass.max())
    return float(mass @ places**2 / mass.sum())


@pytest.mark.parametrize(("data", "law", "limit"), LAWS.values(), ids=LAWS)
def test_sign_descent_sees_the_density_at_the_median(data: Any, law: Any, limit: float, configured: Configured) -> None:
    """V tends to gamma / (4 f(0)), of data without a mean too; runs show V of the chain, and not that of another law."""
    ratios = [stationary_square(law, spacing) / spacing for spacing in (0.04, 0.02, 0.01)]
    errors = [abs(ratio - limit) for ratio in ratios]
    assert errors[2] < errors[1] < errors[0] < 0.05
    assert errors[2] < 0.01
    cell = configured(objective=quadratic(data), learning_rate=0.05, start=0.0, steps=400, xi=[0.0], paths=8192)
    seen = Estimate(*(field[0, -1] for field in estimate(tally_of(cell).errors)))
    assert distance(seen, stationary_square(law, 0.05)) < WIDTH
    assert distance(seen, 1.25 * stationary_square(law, 0.05)) > WIDTH


# Rates that fall


def test_sgd_at_a_rate_that_falls_as_one_over_n(configured: Configured) -> None:
    """n V_n tends to gamma0^2 sigma^2 / (2 gamma0 - 1) for gamma_n = gamma0 / (c n)."""
    for start, limit in ((0.75, 1.125), (1.5, 1.125), (1.0, 1.0)):
        rate = {"name": "power", "value": start / 2.0, "exponent": 1.0}
        cell = configured(
            optimizer="sgd", objective=quadratic({"name": "rademacher"}), learning_rate=rate, steps=100_000, start=0.0
        )
        last = float(cell.program.record[-1]) * predicted_errors(cell)["minimizer"][-1]
        assert last == pytest.approx(limit, rel=0.01)
    short = configured(optimizer="sgd", objective=quadratic({"name": "rademacher"}), learning_rate=rate, start=0.0)
    seen = Estimate(*(field[0, -1] for field in estimate(tally_of(short).errors)))
    assert distance(seen, 1.0 / 512.0) < WIDTH, "gamma0 = 1 is the mean of the data"
    assert distance(seen, 1.125 / 512.0) > 1.0


def test_adagrad_at_a_constant_rate(configured: Configured) -> None:
    """V_n is about gamma sigma / (2 sqrt(n)): within the 1 / (4 gamma sqrt(n)) that it leaves out, and WIDTH errors."""
    law = {"name": "normal", "std": 2.0}
    cell = configured(
        optimizer={"name": "adagrad", "eps": 0.0}, objective=quadratic(law), learning_rate=0.5, steps=1024, start=0.0
    )
    seen = Estimate(*(field[0, -1] for field in estimate(tally_of(cell).errors)))
    known = 0.5 * 2.0 / (2.0 * 32.0)
    assert abs(seen.value - known) < WIDTH * seen.se + known / (4.0 * 0.5 / 2.0 * 32.0)
    assert distance(seen, 1.5 * known) > WIDTH


# Bernoulli convolutions


def bernoulli(share: float, configured: Configured) -> tuple[Cell, Tally]:
    """SGD on signs with c gamma = share, from 0: its law is that of a random series of powers of 1 - share."""
    changes = {"optimizer": "sgd", "objective": quadratic({"name": "rademacher"}), "learning_rate": share / 2.0, "start": 0.0}
    cell = configured(**changes, xi=["minimizer"], steps=64, paths=4096, record={"points": 3, "paths": 0, "fan": 4096})
    return cell, tally_of(cell)


def test_quantiles_of_a_uniform_law(configured: Configured) -> None:
    """c gamma = 1/2 makes theta uniform on [-1, 1]: quartiles at 1/2, deciles at 0.8, and the distance from 0 uniform too."""
    cell, tally = bernoulli(0.5, configured)
    for level, seen in zip(QUANTILE_LEVELS, fan_quantiles(tally.fan.joined)[:, -1, 0].tolist(), strict=True):
        se = math.sqrt(level * (1.0 - level) / 4096) / 0.5
        assert abs(seen - (2.0 * level - 1.0)) < WIDTH * se
        assert abs(seen - (2.0 * level - 1.0) - 0.1) > WIDTH * se
    for name, level in (("q50", 0.5), ("q90", 0.9), ("q99", 0.99)):
        of = at(cell, tally, 0, -1)[name]
        assert abs(of["value"] - level) < WIDTH * math.sqrt(level * (1.0 - level) / 4096)
        assert of["ci_low"] < level < of["ci_high"]


def test_quantiles_of_cantors_law(configured: Configured) -> None:
    """c gamma = 2/3 leaves the middle third empty, and ninths beside it; c gamma = 1/2 does not."""
    _, tally = bernoulli(2.0 / 3.0, configured)
    away = np.abs(tally.fan.joined[-1, 0])
    assert away.min() > 1.0 / 3.0 - 1e-9
    assert not np.any((away > 5.0 / 9.0 + 1e-9) & (away < 7.0 / 9.0 - 1e-9))
    full = np.abs(bernoulli(0.5, configured)[1].fan.joined[-1, 0])
    assert np.mean(full < 1.0 / 3.0) > 0.3
    square = estimate(moments(away[None] ** 2))
    assert distance(square, 0.5).item() < WIDTH, "V = g / (2 - g)"
