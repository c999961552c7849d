"""Losses of one sample against their formulas in many digits, their minima against other ways to find them, runs of them.

A statistical comparison fails beyond 4 standard errors, which happens to a right program in 6e-5 of all comparisons;
seeds are fixed. Each has a control that must fail.
"""

import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
from scipy import integrate, optimize, stats

from kit.experiments import written
from kit.runs import run
from nonconv.components.definitions import Configured, Distribution, Objective
from nonconv.data import DATA
from nonconv.data.empirical import CSV, Rows
from nonconv.experiment import minima as minima_module
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.experiment.minima import Minima, Minimum, find_minima, nearest_minimum, unique_minimizer
from nonconv.numerics.arithmetic import Array
from nonconv.objectives import OBJECTIVES
from nonconv.report.summary import minima as minima_told
from nonconv.study.loop import first_paths
from nonconv.theory.limit_point import has_unbounded_slope, is_pinned, limit_point
from nonconv.theory.structure import structure

ULP = 2.0**-52
LN = mpmath.log


def sign(r: Any) -> int:
    return int(r > 0) - int(r < 0)


FORMULAS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "linear": (lambda h, t, x: x * t, lambda h, t, x: x),
    "power": (
        lambda h, t, x: abs(t) ** mpmath.mpf(h.exponent) / h.exponent - x * t,
        lambda h, t, x: sign(t) * abs(t) ** (mpmath.mpf(h.exponent) - 1) - x,
    ),
    "double_well": (
        lambda h, t, x: h.depth * ((t**2 - 1) ** 2 + 4 * x * t) / 4,
        lambda h, t, x: h.depth * (t**3 - t + x),
    ),
    "huber": (
        lambda h, t, x: (t - x) ** 2 / 2 if abs(t - x) <= h.delta else h.delta * (abs(t - x) - mpmath.mpf(h.delta) / 2),
        lambda h, t, x: max(min(t - x, mpmath.mpf(h.delta)), -mpmath.mpf(h.delta)),
    ),
    "log_cosh": (
        lambda h, t, x: abs(t - x) + mpmath.log1p(mpmath.exp(-2 * abs(t - x))) - LN(2),
        lambda h, t, x: mpmath.tanh(t - x),
    ),
}
"""Loss and gradient once more, with 60 digits."""
WIDE = np.concatenate([-np.logspace(8, -8, 33), [0.0], np.logspace(-8, 8, 33)])


def made(name: str, **parameters: Any) -> tuple[Objective, Any, Any]:
    objective = OBJECTIVES[name]
    assert isinstance(objective, Objective)
    h = objective.parameters(data=None, **parameters)
    return objective, h, objective.constants(*(field[0] for field in objective.prepare(h, 1)))


@pytest.mark.parametrize(
    ("name", "parameters", "most"),
    [
        ("linear", {}, 1),
        *(("power", {"exponent": k}, 4) for k in (1.5, 2.0, 2.5, 3.0, 4.0, 7.0)),
        *(("power", {"exponent": k}, 30) for k in (1.1, 3.7, 5.123, 33.0)),
        ("power", {"exponent": 64.0}, 70),
        ("double_well", {"depth": 0.3}, 6),
        ("huber", {"delta": 0.7}, 2),
        ("log_cosh", {}, 4),
    ],
)
def test_losses_are_their_formulas(name: str, parameters: dict[str, Any], most: float) -> None:
    """Up to `most` ulp of the largest term; a wrong factor of 1 + 1e-12 would be 4500 ulp."""
    objective, h, k = made(name, **parameters)
    with mpmath.workdps(60):
        for function, formula in zip((objective.loss, objective.gradient), FORMULAS[name], strict=True):
            for x in (0.0, 0.3, -1.7):
                exact = [formula(h, mpmath.mpf(t), mpmath.mpf(x)) for t in WIDE.tolist()]
                terms = [abs(formula(h, mpmath.mpf(t), mpmath.mpf(0))) + abs(x) * max(abs(t), 1.0) for t in WIDE.tolist()]
                # In theta - x a rounding of theta or x is one of the result's own size near theta = x.
                terms = [
                    max(term, abs(value)) if name in ("power", "double_well") else abs(value) + ULP * abs(x)
                    for term, value in zip(terms, exact, strict=True)
                ]
                with np.errstate(all="ignore"):
                    found = np.broadcast_to(function(k, WIDE, x), WIDE.shape).tolist()
                for got, value, term in zip(found, exact, terms, strict=True):
                    if term > 1e300:
                        continue
                    assert abs(mpmath.mpf(got) - value) <= most * ULP * term + mpmath.mpf(5e-324)


@pytest.mark.parametrize(
    ("name", "parameters", "theta", "x", "loss", "gradient"),
    [
        ("power", {"exponent": 4.0}, 1e77, 0.0, 0.25e308, 1e231),
        ("power", {"exponent": 1.5}, 1e200, 1.0, 1e300 / 1.5, 1e100),
        ("power", {"exponent": 2.5}, -1e120, 1e100, 1e300 / 2.5, -1e180),
        ("power", {"exponent": 64.0}, 1e4, -1e100, 1e256 / 64, 1e252),
        ("power", {"exponent": 1.01}, 0.0, 2.0, 0.0, -2.0),
        ("double_well", {}, -1e77, 1.0, 0.25e308, -1e231),
        ("double_well", {"depth": 1e-300}, 1e130, 0.0, 0.25e220, 1e90),
        ("double_well", {"depth": 1e-320}, 1e150, 0.0, 0.25 * 9.99989e279, 9.99989e129),
        ("huber", {"delta": 1e-3}, 1e300, 0.0, 1e297, 1e-3),
        ("huber", {}, -1.7e308, 1e100, 1.7e308, -1.0),
        ("log_cosh", {}, 1e308, 0.0, 1e308, 1.0),
        ("log_cosh", {}, -1e-150, 0.0, 5e-301, -1e-150),
        ("linear", {}, 1e300, 1e8, 1e308, 1e8),
    ],
)
def test_nothing_overflows_where_the_loss_does_not(
    name: str, parameters: dict[str, Any], theta: float, x: float, loss: float, gradient: float
) -> None:
    objective, _, k = made(name, **parameters)
    with np.errstate(all="ignore"):
        assert objective.loss(k, np.array([theta]), x) == pytest.approx(loss, rel=1e-5, abs=0)
        assert objective.gradient(k, np.array([theta]), x) == pytest.approx(gradient, rel=1e-5, abs=0)


# Minima


def minima_of(
    name: str, law: tuple[str, dict[str, Any]], domain: tuple[float, float] | None = None, search: bool = False, **h: Any
) -> list[tuple[float, float, float]]:
    """The minima of one coordinate; search: as if the objective stated none."""
    objective, parameters, _ = made(name, **h)
    objective = replace(objective, minimizer=None, minima=None) if search else objective
    data = DATA[law[0]]
    assert isinstance(data, Distribution)
    own = data.parameters(**law[1])
    found = find_minima(
        Configured(objective, parameters, objective.prepare(parameters, 1)),
        Configured(data, own, data.prepare(own, 1)),
        data.law(own, 1),
        None if domain is None else (np.array([domain[0]]), np.array([domain[1]])),
    )
    return [(one.low, one.high, one.above) for one in found[0]]


SKEWED = ("two_point", {"low": -1.0, "high": 4.0, "p_high": 0.25})
LOG = ("log_uniform", {"low": 1e-3, "high": 1e3, "sign": "positive"})
TILT = ("uniform", {"low": -1.0, "high": 1.2})
"""A tilt of 0.1."""


def mean_by_quad(gradient: Callable[[float, float], float], law: Any, theta: float) -> float:
    low, high = law.support()
    cuts = sorted({min(max(theta + c, low), high) for c in (-1.0, 0.0, 1.0)} | {low, high})
    return sum(
        integrate.quad(lambda x: gradient(theta, x) * law.pdf(x), a, b, epsabs=1e-13, limit=200)[0] for a, b in pairwise(cuts)
    )


def test_minima_of_robust_losses() -> None:
    """Found numerically, against equations solved by hand and SciPy's quadrature and roots."""
    (huber,) = minima_of("huber", SKEWED)
    assert huber == pytest.approx((-2 / 3, -2 / 3, 0.0), rel=1e-14)  # 3/4 (theta + 1) = 1/4
    (log_cosh,) = minima_of("log_cosh", SKEWED)
    exact = optimize.brentq(lambda t: 3 * math.tanh(t + 1) + math.tanh(t - 4), -1.0, 4.0, xtol=1e-15)
    assert log_cosh[0] == log_cosh[1] == pytest.approx(exact, rel=1e-14)
    law = stats.loguniform(1e-3, 1e3)
    for name, gradient in (("huber", lambda t, x: max(min(t - x, 1.0), -1.0)), ("log_cosh", lambda t, x: math.tanh(t - x))):
        (found,) = minima_of(name, LOG)
        assert abs(mean_by_quad(gradient, law, found[0])) < 1e-10
        assert abs(mean_by_quad(gradient, law, found[0] * 1.001)) > 1e-6  # the control
    for law_of_mean_2 in (("normal", {"mean": 2.0}), ("uniform", {"low": 1.0, "high": 3.0}), ("cauchy", {"loc": 2.0})):
        for name in ("huber", "log_cosh"):
            (found,) = minima_of(name, law_of_mean_2)
            assert found == pytest.approx((2.0, 2.0, 0.0), rel=1e-9)


def test_minima_that_are_intervals() -> None:
    """Huber's loss is flat between two far points of equal weight; the interval is exact to rounding."""
    ((low, high, above),) = minima_of("huber", ("two_point", {"low": -10.0, "high": 10.0}))
    assert (low, high) == pytest.approx((-9.0, 9.0), rel=1e-14)
    assert above == 0.0
    ((low, high, above),) = minima_of("huber", ("two_point", {"low": -10.0, "high": 10.0, "p_high": 0.3}))
    assert low == high == pytest.approx(-11 + 1 / 0.7, rel=1e-14)  # 0.7 (theta + 10) = 0.3


def test_the_double_well_has_two_minima_or_one() -> None:
    for mean in (0.0, 0.1, -0.38, 0.3849, 0.385, -2.0, 1e6):
        law = ("two_point", {"low": mean - 1.0, "high": mean + 1.0})
        roots = np.roots([1.0, 0.0, -1.0, mean])
        rising = sorted(r.real for r in roots if abs(r.imag) < 1e-7 and 3 * r.real**2 > 1)
        found = minima_of("double_well", law)
        assert [at for at, _, _ in found] == pytest.approx(rising, rel=1e-6 if abs(mean) == 0.3849 else 1e-12)
        assert len(found) == (2 if abs(mean) < 2 / 27**0.5 else 1)
        lowest = [at for at, _, above in found if above == 0.0]
        assert lowest == [-1.0, 1.0] if mean == 0 else len(lowest) == 1 and lowest[0] * mean < 0
    (_, (at, _, above)) = minima_of("double_well", TILT)

    def well(t: float) -> float:
        return ((t * t - 1) ** 2 + 0.4 * t) / 4

    assert above == pytest.approx(well(at) - well(minima_of("double_well", TILT)[0][0]), rel=1e-10)


@pytest.mark.parametrize(
    ("name", "law", "parameters"),
    [
        ("double_well", TILT, {}),
        ("double_well", ("normal", {}), {"depth": 3.0}),
        ("power", ("uniform", {}), {"exponent": 4.0}),
        ("power", SKEWED, {"exponent": 1.5}),
        ("power", ("normal", {"mean": 0.3}), {"exponent": 4.0}),
        ("quadratic", ("two_point", {"low": -1.0, "high": 1e9}), {}),
        ("linear", ("normal", {"mean": 1.0}), {}),
        ("linear", ("uniform", {}), {}),
    ],
)
def test_the_search_finds_what_is_stated(name: str, law: tuple[str, dict[str, Any]], parameters: dict[str, Any]) -> None:
    stated, found = (minima_of(name, law, search=search, **parameters) for search in (False, True))
    assert len(stated) == len(found)
    for exact, seen in zip(stated, found, strict=True):
        assert seen == pytest.approx(exact, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "law", "domain", "exact"),
    [
        ("linear", ("two_point", {"low": -1.0, "high": 4.0}), (-1.0, 2.0), [(-1, -1, 0)]),
        ("linear", ("two_point", {"low": -5.0, "high": 4.0}), (-1.0, 2.0), [(2, 2, 0)]),
        ("linear", ("uniform", {}), (-1.0, 2.0), [(-1, 2, 0)]),
        ("linear", ("two_point", {"low": -5.0, "high": 4.0}), (-1.0, math.inf), []),
        ("quadratic", ("normal", {"mean": 2.0}), (-1.0, 1.0), [(1, 1, 0)]),
        ("power", ("uniform", {}), (-1.0, 1.0), [(0, 0, 0)]),
        ("power", SKEWED, (0.7, 1.0), [(0.7, 0.7, 0)]),
        ("double_well", ("two_point", {"low": -1.0, "high": 1.2}), (-0.5, 0.5), [(-0.5, -0.5, 0), (0.5, 0.5, 0.1)]),
        ("double_well", ("rademacher", {}), (-0.5, 2.0), [(-0.5, -0.5, 0.140625), (1, 1, 0)]),
        ("double_well", ("rademacher", {}), (-3.0, 3.0), [(-1, -1, 0), (1, 1, 0)]),
        ("huber", ("two_point", {"low": -10.0, "high": 10.0}), (0.0, 20.0), [(0, 9, 0)]),
        ("huber", ("uniform", {}), (1e8, 2e8), [(1e8, 1e8, 0)]),
    ],
)
def test_minima_on_a_domain(
    name: str, law: tuple[str, dict[str, Any]], domain: tuple[float, float], exact: list[tuple[float, float, float]]
) -> None:
    """An end is a minimum where the mean loss rises from it, whatever the objective states without a domain."""
    found = minima_of(name, law, domain)
    assert len(found) == len(exact)
    for seen, wanted in zip(found, exact, strict=True):
        assert seen == pytest.approx(wanted, rel=1e-12, abs=1e-12)


def test_rows_of_a_large_file_have_their_minimum() -> None:
    """A first look takes means of neighbouring values; the minimum is that of all."""
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(size=5000), 100 + rng.normal(size=4000)])
    law = ("discrete", {"values": tuple(x.tolist()), "probabilities": (1 / 9000,) * 9000})
    ((low, high, _),) = minima_of("huber", law)
    exact = optimize.brentq(lambda t: float(np.clip(t - x, -1, 1).sum()), -5.0, 105.0, xtol=1e-14)
    assert low == high == pytest.approx(exact, abs=1e-12)


def test_a_search_takes_all_rows_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: only a quadrature may take ever more values."""
    monkeypatch.setattr(minima_module, "MOST_GRADIENTS", 10**4)
    x = np.random.default_rng(6).normal(size=(20_000, 1))
    huber, h, _ = made("huber")
    rows = Configured(CSV, Rows(x), CSV.prepare(Rows(x), 1))
    ((one,),) = find_minima(Configured(huber, h, huber.prepare(h, 1)), rows, CSV.law(Rows(x), 1))
    assert abs(np.clip(one.low - x, -1, 1).mean()) < 1e-15


def test_nearest_minimum_of_points_and_intervals() -> None:
    minima: list[Minima] = [(Minimum(-1, -1), Minimum(2, 4)), (Minimum(0, 0, 0.0),)]
    theta = np.array([[-7.0, 0.4, 0.6, 3.0, 9.0, np.nan], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    assert np.array_equal(nearest_minimum(minima, theta), [[-1.0, -1.0, 2.0, 3.0, 4.0, np.nan], [0.0] * 6], equal_nan=True)
    assert unique_minimizer(minima) is None
    assert unique_minimizer([(Minimum(-1, -1), Minimum(2, 2, 0.1)), minima[1]]).tolist() == [-1.0, 0.0]  # type: ignore[union-attr]


# Runs


def cell_of(folder: Path, **changes: Any) -> Cell:
    config = {"seed": 2, "paths": 4096, "steps": 60, "optimizer": "sgd", "learning_rate": 0.05, **changes}
    return read_cell(written(folder, config), [])


@pytest.fixture
def cell(tmp_path: Path) -> Callable[..., Cell]:
    return partial(cell_of, tmp_path)


def objective(name: str, data: Any, **parameters: Any) -> dict[str, Any]:
    return {"objective": {"name": name, "data": data, **parameters}}


@pytest.mark.parametrize(
    ("changes", "xi", "minimizer"),
    [
        (objective("power", {"name": "two_point", "low": -1, "high": 17}), ["minimizer"], 2.0),
        (objective("huber", "uniform"), ["minimizer"], 0.0),
        (objective("double_well", "uniform"), ["nearest_minimum"], None),
        (objective("double_well", {"name": "uniform", "low": -3, "high": 15}), ["minimizer"], -2.0),
        (objective("huber", {"name": "two_point", "low": -2, "high": 2}), ["nearest_minimum"], None),
        (objective("linear", "uniform"), ["start"], None),
        (objective("power", {"name": "cauchy"}), ["start"], None),
        (objective("huber", {"name": "cauchy", "loc": 3}), ["minimizer"], 3.0),
    ],
)
def test_the_default_xi_is_the_minimizer_if_there_is_one(
    cell: Callable[..., Cell], changes: dict[str, Any], xi: list[str], minimizer: float | None
) -> None:
    """And a config that says so is the same experiment."""
    found = cell(**changes)
    assert [one.label for one in found.xi] == found.resolved["xi"] == xi
    if minimizer is None:
        assert found.minimizer is None
    else:
        assert found.minimizer is not None
        assert found.minimizer[0] == pytest.approx(minimizer, rel=1e-9)
    assert cell(**changes, xi=xi).identity == found.identity


@pytest.mark.parametrize(
    ("changes", "xi", "minimizer"),
    [
        (objective("linear", {"name": "uniform", "low": -1, "high": 2}), ["minimizer"], -0.5),
        (objective("linear", {"name": "sequence", "values": [3, -4], "order": "cyclic"}), ["minimizer"], 2.0),
        (objective("linear", "uniform"), ["nearest_minimum"], None),
        (objective("quadratic", {"name": "normal", "mean": 9}), ["minimizer"], 2.0),
        (objective("quadratic", {"name": "normal", "mean": 1}), ["minimizer"], 1.0),
        (objective("double_well", "uniform"), ["minimizer"], 1.0),
        (objective("formula", "uniform", loss="x * theta - theta"), ["minimizer"], 2.0),
    ],
)
def test_a_domain_has_its_own_minimizer(
    cell: Callable[..., Cell], changes: dict[str, Any], xi: list[str], minimizer: float | None
) -> None:
    """Inside, or at an end by the sign of the mean slope there."""
    found = cell(**changes, domain=[-0.5, 2])
    assert [one.label for one in found.xi] == xi
    assert (found.minimizer is None) == (minimizer is None)
    if minimizer is not None:
        assert found.minimizer is not None
        assert found.minimizer.tolist() == pytest.approx([minimizer])


def test_each_coordinate_has_its_own_ends(cell: Callable[..., Cell]) -> None:
    data = {"name": "uniform", "low": -1, "high": 3}
    found = cell(**objective("quadratic", data, dim=3), domain=[[None, 0], [-5, 5], [1.5, None]], xi=["minimizer"])
    assert found.minimizer is not None
    assert found.minimizer.tolist() == [0.0, 1.0, 1.5]


@pytest.mark.parametrize(
    ("changes", "pinned"),
    [
        (objective("linear", {"name": "uniform", "low": 0.5, "high": 3}), True),
        (objective("quadratic", {"name": "uniform", "low": -3, "high": -2}), True),
        (objective("huber", {"name": "normal", "mean": 40}), True),
        (objective("linear", {"name": "two_point", "low": -1, "high": 2}), False),
        (objective("linear", {"name": "normal", "mean": 6}), False),
        (objective("quadratic", "uniform"), False),
        (
            objective("linear", {"name": "uniform", "low": 0.5, "high": 3}, gradient_noise={"name": "normal", "std": 0.1}),
            False,
        ),
        (
            objective("linear", {"name": "uniform", "low": 0.5, "high": 3})
            | {"optimizer": {"name": "sgd", "weight_decay": 0.1}},
            False,
        ),
    ],
)
def test_what_leads_out_of_the_domain_stays_at_its_end(
    cell: Callable[..., Cell], changes: dict[str, Any], pinned: bool
) -> None:
    """Then a constant rate may converge, though the gradient stays noisy; a single gradient that leads back forbids it."""
    found = cell(**changes, domain=[-1, 1])
    assert is_pinned(found) == pinned
    assert [reason.text for reason in structure(found).reasons] == (
        ["every gradient at the minimum leads out of the domain"] if pinned else []
    )


def test_a_quadratic_is_searched_only_if_asked(cell: Callable[..., Cell]) -> None:
    changes = objective("quadratic", "uniform", dim=2)
    assert cell(**changes).minima is None
    found = cell(**changes, xi=["minimizer", "nearest_minimum"])
    assert found.minima is not None
    assert [[tuple(one) for one in own] for own in found.minima] == [[(0.0, 0.0, 0.0)]] * 2


def test_each_path_has_its_own_nearest_minimum(cell: Callable[..., Cell], tmp_path: Path) -> None:
    """error.csv against the paths themselves, in two coordinates of different tilt; a failed path has none."""
    (tmp_path / "wells.csv").write_text("a,b\n-2,-1.8\n2,2\n")
    data = {"name": "csv", "file": "wells.csv", "columns": ["a", "b"]}
    found = cell(
        **objective("double_well", data),
        start={"name": "normal"},
        xi=["nearest_minimum", "last"],
        paths=64,
        record={"paths": 64, "points": 5},
    )
    files = run(found, tmp_path / "run")
    with np.load(io.BytesIO(files["paths.npz"])) as kept:
        theta = kept["theta"]  # (paths, R, dim)
    away = np.zeros(theta.shape[:2])
    for j, wells in enumerate(((-1.0, 1.0), (-1.0466805318046022, 0.9456492739235914))):
        nearest = np.where(np.abs(theta[:, -1, j] - wells[0]) < np.abs(theta[:, -1, j] - wells[1]), *wells)
        away = away + (theta[:, :, j] - nearest[:, None]) ** 2
    rows = [line.split(",") for line in files["error.csv"].decode().splitlines()]
    column = rows[0].index("mse")
    seen = [float(row[column]) for row in rows[1:] if row[rows[0].index("xi")] == "nearest_minimum"]
    assert seen == pytest.approx(away.mean(axis=0).tolist(), rel=1e-9)
    listed = json.loads(files["verdict.json"])["minima"]
    assert listed == json.loads(files["summary.json"])["minima"]
    assert [entry["coordinate"] for entry in listed] == [1, 2]
    assert [point["above"] == 0 for entry in listed for point in entry["points"]] == [True, True, True, False]


def test_minima_are_told() -> None:
    """In the summary and the terminal: one sentence, however many coordinates there are."""
    two, tied = [(-1.04668, 0.0), (0.945649, 0.2)], [(-1.0, 0.0), (1.0, 0.0)]

    def run_with(**summary: Any) -> Any:
        """Of a run only these are read."""
        return SimpleNamespace(summary=summary, config={"objective": {}})

    def told(*groups: tuple[int, int, list[tuple[float, float]]], wide: float = 0.0) -> str:
        listed = [
            {"coordinate": j, "alike": alike, "points": [{"low": at, "high": at + wide, "above": above} for at, above in own]}
            for j, alike, own in groups
        ]
        (sentence,) = minima_told(run_with(minima=listed))
        return sentence.removeprefix("Theory: the mean loss ")

    assert told((1, 3, two)) == "has minima at -1.04668 (the lowest) and 0.945649."
    assert told((1, 1, tied)) == "has minima at -1 and 1, which are equally low."
    assert told((1, 1, [(-1.0, 0.0)]), wide=2.0) == "is least at every point from -1 to 1."
    assert told((1, 1, [])) == "has no minimum that is known."
    several = told((1, 2, tied[:1]), (3, 1, two))
    lowest = "is least at -1 in coordinate 1 and 1 other"
    assert several == f"{lowest}; it has minima at -1.04668 (the lowest) and 0.945649 in coordinate 3."
    assert told(*((j, 1, tied) for j in range(1, 7))).endswith("in coordinate 4; summary.json lists the others.")
    assert minima_told(run_with()) == []


# What the verdict knows


@pytest.mark.parametrize(
    ("changes", "noise", "curvature", "unbounded"),
    [
        (objective("linear", "normal"), "unknown", None, True),
        (objective("power", "uniform", exponent=4), "persists", 0.0, True),
        (objective("power", "uniform", exponent=1.5), "persists", math.inf, True),
        (objective("power", {"name": "two_point", "low": -1, "high": 17}, exponent=4), "persists", 12.0, True),
        (objective("power", {"name": "discrete", "values": [0], "probabilities": [1]}, exponent=1.5), "none", math.inf, True),
        (objective("double_well", "uniform", depth=3), "persists", 6.0, True),
        (objective("huber", "normal"), "persists", math.erf(math.sqrt(0.5)), False),
        (objective("huber", "uniform", delta=0.25), "persists", 0.25, False),
        (objective("huber", {"name": "two_point", "low": -2, "high": 2}), "persists", 0.5, False),
        (objective("log_cosh", "rademacher"), "persists", 1 - math.tanh(1) ** 2, False),
    ],
)
def test_the_limit_of_each_loss(
    cell: Callable[..., Cell], changes: dict[str, Any], noise: str, curvature: float, unbounded: bool
) -> None:
    found = limit_point(cell(**changes), None)
    assert found.noise == noise
    assert found.curvature == (None if curvature is None else pytest.approx(curvature, rel=1e-6, abs=1e-12))
    assert has_unbounded_slope(cell(**changes)) == unbounded


def test_an_infinite_curvature_is_stable_at_no_rate(cell: Callable[..., Cell]) -> None:
    """Without noise SGD on |theta|^1.5/1.5 ends in a cycle of +-rate^2/4; on the quartic it tends to 0."""
    still = {"name": "discrete", "values": [0], "probabilities": [1]}
    cusp = cell(**objective("power", still, exponent=1.5), start=0.5, steps=400, paths=2, learning_rate=0.2)
    assert structure(cusp).reasons == ()
    assert "must be below 2" in structure(cusp).void
    assert np.abs(first_paths(cusp, 1, 1)[0, -1]) == pytest.approx(0.2**2 / 4, rel=1e-6)
    flat = cell(**objective("power", still, exponent=4), start=0.5, learning_rate=0.2)
    assert [reason.kind for reason in structure(flat).reasons] == ["noise"]
    falling = cell(**objective("power", still, exponent=1.5), start=0.5, learning_rate={"name": "power", "value": 0.2})
    assert "rate" in [reason.kind for reason in structure(falling).reasons]


# Oracles of runs

PATHS = 4096


def last(cell: Cell) -> Array:
    """The last iterates of PATHS paths, (paths,)."""
    return first_paths(replace(cell, recorded_paths=PATHS), PATHS, 2)[:, -1, 0]


def standard_errors(numbers: Array, expected: float) -> float:
    """By how many standard errors the mean of independent numbers is off."""
    return float(abs(numbers.mean() - expected) / (numbers.std() / math.sqrt(len(numbers))))


def check(numbers: Array, expected: float) -> None:
    """The mean agrees, and would not agree with a value that is 15 % higher or lower."""
    assert standard_errors(numbers, expected) < 4.0
    assert standard_errors(numbers, expected * 1.15) > 4.0
    assert standard_errors(numbers, expected / 1.15) > 4.0


def test_sgd_on_the_quartic(cell: Callable[..., Cell]) -> None:
    """E theta^2 -> .47799 sqrt(rate) sigma: the density is exp(-theta^4 / (2 rate sigma^2)), up to rate^1.5 of itself."""
    constant = math.sqrt(2.0) * math.gamma(0.75) / math.gamma(0.25)
    assert constant == pytest.approx(0.47799, rel=1e-5)
    rate = 0.01  # its start is forgotten in 1 / (3 rate E theta^2), some 700 steps
    found = cell(
        **objective("power", "rademacher", exponent=4), learning_rate=rate, steps=5000, start=0.2, record={"points": 2}
    )
    check(last(found) ** 2, constant * math.sqrt(rate))


SIGN = {"name": "adam", "beta1": 0.0, "beta2": 0.0, "eps": 0.0}


@pytest.mark.parametrize(
    ("loss", "data", "density"),
    [
        ("huber", {"name": "normal", "std": 2.0}, 1 / (2.0 * math.sqrt(2 * math.pi))),
        ("log_cosh", {"name": "cauchy"}, 1 / math.pi),
    ],
)
def test_sign_descent_follows_the_median(cell: Callable[..., Cell], loss: str, data: Any, density: float) -> None:
    """V -> rate / (4 f) with the density f at the median, also of data without a mean: signs are those of the quadratic."""
    found = cell(
        **objective(loss, data), optimizer=SIGN, learning_rate=0.02, steps=1200, start=0.01, xi=0, record={"points": 2}
    )
    check(last(found) ** 2, 0.02 / (4.0 * density))


def test_sgd_on_robust_losses(cell: Callable[..., Cell]) -> None:
    """V is about rate E g^2 / (2 c) with the gradient g at the minimizer, of curvature c, for small rates."""
    law, rate = stats.norm(), 0.01
    square, curvature = law.expect(lambda x: np.clip(x, -1, 1) ** 2), math.erf(math.sqrt(0.5))
    found = cell(**objective("huber", "normal"), learning_rate=rate, steps=2000, record={"points": 2})
    check(last(found) ** 2, rate * square / (2.0 * curvature))


def test_a_random_walk_between_walls(cell: Callable[..., Cell]) -> None:
    """SGD on a linear loss with slopes +-1: a birth and death chain on 21 points, whose stationary law is geometric."""
    up, points = 0.45, np.arange(21) * 0.1
    law = (up / (1.0 - up)) ** np.arange(21)
    data = {"name": "two_point", "low": -1, "high": 1, "p_high": 1.0 - up}
    found = cell(**objective("linear", data), learning_rate=0.1, steps=1500, domain=[-1, 1], record={"points": 2})
    assert found.minimizer is not None
    check((last(found) - found.minimizer[0]) ** 2, float(law @ points**2 / law.sum()))


def test_paths_hop_between_the_wells(cell: Callable[..., Cell]) -> None:
    """In the long run the share in a well is that of exp(-2 F / (rate sigma^2)), wherever paths start."""
    tilt, rate, sigma = 0.05, 0.02, 3.0

    def weight(theta: float) -> float:
        return math.exp(-2.0 * ((theta**2 - 1) ** 2 + 4 * tilt * theta) / 4 / (rate * sigma**2))

    below, above = (integrate.quad(weight, *ends)[0] for ends in ((-5, 0), (0, 5)))
    data = {"name": "two_point", "low": tilt - sigma, "high": tilt + sigma}
    found = cell(
        **objective("double_well", data, depth=0.5), learning_rate=2 * rate, steps=20000, start=1.0, record={"points": 2}
    )
    check(np.where(last(found) < 0.0, 1.0, 0.0), below / (below + above))
