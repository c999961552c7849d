"""The pathwise bounds against adversaries: gradients that make a step longest, data that drive a path furthest out."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.intervals import a_priori_interval
from nonconv.components.definitions import Optimizer
from nonconv.numerics.arithmetic import Array
from nonconv.optimizers.adam import ADAM, AMSGRAD, Adam, Amsgrad
from nonconv.theory.bounds import direction_bound, step_bound

ROUNDING = 1e-12
BETAS = [(0.9, 0.999), (0.0, 0.999), (0.5, 0.9), (0.3, 0.2), (0.99, 0.981), (0.0, 0.0)]
DIALECTS: dict[str, dict[str, Any]] = {
    "corrected": {},
    "uncorrected": {"bias_correction": False},
    "first_gradient": {"bias_correction": False, "start": "first_gradient"},
}
MAXIMA: tuple[Any, ...] = ("before_correction", "after_correction")
each_betas = pytest.mark.parametrize("betas", BETAS, ids=str)
each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def adam(betas: tuple[float, float], eps: float = 0.0, **dialect: Any) -> Adam:
    return Adam(*betas, eps, **dialect)


def one_to(steps: int) -> Array:
    return np.arange(1.0, steps + 1.0)


def run(
    optimizer: Optimizer, h: Any, rates: Array, start: Array, gradient: Callable[[int, Array], Array]
) -> tuple[Array, Array]:
    """Iterates (steps + 1, paths) and directions (steps, paths) of the definition, fed gradient(step from 0, theta)."""
    columns, state, theta = optimizer.coefficients(h, one_to(len(rates)), rates), optimizer.start(h), start
    iterates, directions = [theta], []
    for i, rate in enumerate(rates):
        per_step = optimizer.per_step(*(column[i] for column in columns))
        direction, state = optimizer.update(per_step, state, gradient(i, theta))
        theta = theta - rate * direction
        iterates.append(theta)
        directions.append(direction)
    return np.array(iterates), np.array(directions)


def directions_of(optimizer: Optimizer, h: Any, gradients: Array) -> Array:
    rates, start = np.ones(len(gradients)), np.zeros(gradients.shape[1])
    return run(optimizer, h, rates, start, lambda i, theta: gradients[i])[1]


def harsh_gradients(seed: int, steps: int, paths: int) -> Array:
    """Of magnitudes over many orders, with random signs, or growing or falling from step to step."""
    rng = np.random.default_rng(seed)
    spread, trend = rng.uniform(0, 10, paths), rng.uniform(-0.5, 0.5, paths)
    signs = np.where(rng.random((steps, paths)) < rng.random(paths), 1.0, -1.0)
    return np.asarray(signs * np.exp(spread * rng.normal(size=(steps, paths)) + trend * np.arange(steps)[:, None]))


# The step


@pytest.mark.parametrize(
    ("betas", "limit"),
    [((0.9, 0.999), 7.2703), ((0.0, 0.999), 31.62), ((0.5, 0.9), 1.8605)],
    ids=["default", "rmsprop", "short"],
)
def test_limit_of_the_step_bound(betas: tuple[float, float], limit: float) -> None:
    found = step_bound(*betas, np.array([1.0, 1e6]))
    assert found[0] == pytest.approx(1.0, rel=ROUNDING), "the first step of Adam has length 1"
    assert found[1] == pytest.approx(limit, abs=0.6 * 10.0 ** -len(f"{limit}".split(".")[1]))


@pytest.mark.slow
@each_dialect
@each_betas
def test_no_direction_is_longer(betas: tuple[float, float], dialect: dict[str, Any]) -> None:
    gradients = harsh_gradients(1, 80, 4000)
    bound = direction_bound(adam(betas, **dialect), one_to(80))[:, None] * (1.0 + ROUNDING)
    for eps in (0.0, 1e-3):
        for placement in ("outside", "inside", "hat"):
            h = adam(betas, eps, eps_placement=placement, **dialect)
            assert np.all(np.abs(directions_of(ADAM, h, gradients)) <= bound)
            for maximum in MAXIMA if placement != "hat" else MAXIMA[:1]:
                amsgrad = Amsgrad(*betas, eps, eps_placement=placement, maximum=maximum, **dialect)
                assert np.all(np.abs(directions_of(AMSGRAD, amsgrad, gradients)) <= bound)


@each_dialect
@each_betas
@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_worst_gradients_attain_the_bound(n: int, betas: tuple[float, float], dialect: dict[str, Any]) -> None:
    """Proportional to the weights in m over the weights in v; control: alternating ones stay short of it."""
    age, (beta1, beta2) = np.arange(n - 1.0, -1.0, -1.0), betas
    worst = np.power(beta1 / beta2 if beta1 else 1e-2, age)
    if dialect.get("start") == "first_gradient":
        worst[1:] *= (1.0 - beta1) / (1.0 - beta2)
    h = adam(betas, **dialect)
    bound, attained = direction_bound(h, np.array([float(n)]))[0], directions_of(ADAM, h, worst[:, None])[-1, 0]
    assert attained == pytest.approx(bound, rel=1e-9 if beta1 else 1e-3)
    if n == 60 and beta2 > 0:
        assert abs(directions_of(ADAM, h, (-1.0) ** age[:, None])[-1, 0]) < 0.95 * bound


@pytest.mark.parametrize("betas", [(0.9, 0.81), (0.9, 0.5), (0.1, 0.0)], ids=str)
def test_refuses_what_has_no_bound(betas: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="not below"):
        step_bound(*betas, one_to(3))
    with pytest.raises(ValueError, match="not below"):
        a_priori_interval(adam(betas), np.zeros(1), -np.ones(1), np.ones(1), np.ones(3), one_to(3))


# The interval

LOW, HIGH, CURVATURE = -1.0, 2.0, 3.0


def bang_bang(switches: NDArray[np.bool_]) -> Callable[[int, Array], Array]:
    """The gradient if the data are at either end and change sides at each path's own steps (steps, paths)."""
    side = np.cumsum(switches, axis=0) % 2 == 0
    return lambda i, theta: np.asarray(CURVATURE * (theta - np.where(side[i], LOW, HIGH)))


@pytest.mark.slow
@each_dialect
@each_betas
@pytest.mark.parametrize("rate", [1e-3, 0.3, 20.0])
def test_paths_stay(rate: float, betas: tuple[float, float], dialect: dict[str, Any]) -> None:
    """Under data that switch between the ends, from starts in and out of the data's range, with a rate that jumps."""
    rng, paths, steps = np.random.default_rng(2), 300, 300
    rates = rate * np.where(rng.random(steps) < 0.2, 1.0, 0.3)
    start = np.concatenate([np.linspace(LOW, HIGH, paths // 2), rng.normal(0, 30 * rate, paths - paths // 2)])
    switches = rng.random((steps, paths)) < rng.choice([0.003, 0.03, 0.3], paths)
    for optimizer, h in ((ADAM, adam(betas, 1e-9, **dialect)), (AMSGRAD, Amsgrad(*betas, 1e-9, **dialect))):
        ends = (np.array([[LOW]]), np.array([[HIGH]]))
        stay = a_priori_interval(h, start[None], *ends, rates, one_to(steps))
        iterates, _ = run(optimizer, h, rates, start, bang_bang(switches))
        slack = ROUNDING * (stay.high - stay.low)
        assert np.all(iterates >= stay.low - slack)
        assert np.all(iterates <= stay.high + slack)


def overshoot(betas: tuple[float, float], ramp: int) -> float:
    """How far above all data, which are below 0, an adversary brings a path, in units of the longest step.

    His gradients grow as beta2 / beta1, so that steps are longest, and the last is as long as the path is then below 0, a
    margin. From there on the data are 0. Many margins are tried; the first run finds the start that leads to the margin.
    """
    h, steps, rate = adam(betas), ramp + 400, 0.01
    longest = rate * float(direction_bound(h, one_to(steps)).max())
    margins = longest * np.geomspace(1e-4, 300.0, 400)
    growth = betas[1] / betas[0] if betas[0] else 100.0

    def gradient(i: int, theta: Array) -> Array:
        return np.asarray(np.maximum(-margins * growth ** (i + 1.0 - ramp), theta)) if i < ramp else theta

    rates, far = np.full(steps, rate), np.full_like(margins, -1e6)
    way = run(ADAM, h, rates, far, gradient)[0][ramp - 1] - far
    start = -margins - way
    iterates, _ = run(ADAM, h, rates, start, gradient)
    stay = a_priori_interval(h, start, np.full(1, -1e9), np.zeros(1), rates, one_to(steps))
    assert np.all(iterates <= stay.high + ROUNDING)
    return float(iterates.max() / longest)


@pytest.mark.parametrize("ramp", [3, 20, 60, 150])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9), (0.3, 0.2), (0.99, 0.981)], ids=str)
def test_an_adversary_brings_no_path_out(betas: tuple[float, float], ramp: int) -> None:
    assert 0.0 < overshoot(betas, ramp) <= 1.0 / (1.0 - betas[0])


@pytest.mark.parametrize(("betas", "ramp"), [((0.3, 0.2), 20), ((0.99, 0.981), 20), ((0.0, 0.2), 60)], ids=str)
def test_half_the_interval_would_not_do(betas: tuple[float, float], ramp: int) -> None:
    assert overshoot(betas, ramp) > 0.5 / (1.0 - betas[0])


def test_without_momentum_the_interval_is_sharp() -> None:
    assert overshoot((0.0, 0.2), 60) == pytest.approx(1.0, abs=1e-3)


def test_interval_is_that_of_the_theory() -> None:
    """By hand, per coordinate; it lies within the interval with the larger constant 1 + sqrt(2) / (1 - beta1)."""
    h, n, start = adam((0.5, 0.9), 1e-8), one_to(1000), np.array([0.0, 9.0])
    rates = 0.1 * n**-0.5
    longest = max(0.1 * math.sqrt(k) ** -1.0 * float(step_bound(0.5, 0.9, np.array([k]))[0]) for k in range(1, 1001))
    stay = a_priori_interval(h, start, np.array([-1.0, 0.0]), np.array([1.0, 2.0]), rates, n)
    assert stay.low == pytest.approx([-1.0 - 2.0 * longest, -2.0 * longest])
    assert stay.high == pytest.approx([1.0 + 2.0 * longest, 9.0])
    larger = 1.0 + 0.1 * 1.8605 * (1.0 + math.sqrt(2.0) / 0.5)
    assert stay.high[0] < larger


def test_unbounded_data_have_no_interval() -> None:
    stay = a_priori_interval(adam((0.9, 0.999)), np.zeros(1), np.array([-np.inf]), np.array([np.inf]), np.ones(2), one_to(2))
    assert stay.low == -np.inf
    assert stay.high == np.inf
