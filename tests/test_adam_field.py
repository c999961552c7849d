"""The zero of Adam's vector field: by formula, by enumeration, by draws, to first order, and where runs of Adam go."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from kit.programs import program_of
from nonconv.components.definitions import Distribution
from nonconv.data.continuous import LOG_UNIFORM, NORMAL, TRUNCATED_NORMAL, UNIFORM, LogUniform, Normal, TruncatedNormal, Uniform
from nonconv.data.discrete import DISCRETE, RADEMACHER, TWO_POINT, Discrete, Rademacher, TwoPoint
from nonconv.data.empirical import CSV, Rows
from nonconv.engine.blocks import simulate
from nonconv.engine.fused import Fused
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC, Quadratic
from nonconv.optimizers.adam import ADAM, Adam, Amsgrad
from nonconv.theory import adam_field
from nonconv.theory.adam_field import Eps, Source, adam_zero, drawn, enumerated, first_order_bias

ONE = np.ones(1)
SKEWED = TwoPoint(0.0, 1.0, 0.1)
THREE = Discrete((0.0, 1.0, 3.0), (0.6, 0.3, 0.1))


def zero(h: Adam, distribution: Distribution, parameters: Any, scale: float = 1.0, batch: int = 1) -> tuple[float, float]:
    theta, se = adam_zero(h, distribution, parameters, 1, np.array([scale]), batch)
    return float(theta[0]), float(se[0])


@pytest.fixture
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adam_field, "KEPT", 2**14)


# Exact


def two_point_zero(low: float, high: float, p_high: float, eps: float, c: float) -> float:
    """For beta1 = beta2 = 0 and one sample a batch, where g / (|g| + eps) averages to zero.

    With L = high - low, t = theta - low, e = eps / c: p (L-t) / (L-t+e) = (1-p) t / (t+e), multiplied out
    d t^2 - (d L + e) t + e p L = 0 with d = 1 - 2p; the root in [0, L], in the form that does not cancel. p > 1/2: mirrored.
    """
    if p_high > 0.5:
        return low + high - two_point_zero(low, high, 1.0 - p_high, eps, c)
    length, d, e = high - low, 1.0 - 2.0 * p_high, eps / c
    b = d * length + e
    return low + 2.0 * e * p_high * length / (b + math.sqrt(b * b - 4.0 * d * e * p_high * length))


def test_formula_is_that_of_the_theory() -> None:
    d, length, p, e = 0.6, 2.0, 0.2, 0.3
    b = d * length + e
    assert two_point_zero(0.0, length, p, e, 1.0) == pytest.approx((b - math.sqrt(b * b - 4 * d * e * p * length)) / (2 * d))


@pytest.mark.parametrize("eps", [1e-8, 1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("p_high", [0.01, 0.1, 0.3, 0.499, 0.501, 0.8])
def test_two_points_without_memory(p_high: float, eps: float) -> None:
    for low, high, scale in ((0.0, 1.0, 1.0), (-1.0, 2.0, 0.5), (0.0, 1e-3, 7.0)):
        found, se = zero(Adam(0.0, 0.0, eps), TWO_POINT, TwoPoint(low, high, p_high), scale)
        assert se == 0.0
        assert found == pytest.approx(two_point_zero(low, high, p_high, eps, 2.0 * scale), rel=1e-13, abs=1e-15 * (high - low))


def batch_of_two(theta: float, eps: float, inside: bool) -> float:
    """E[g / (|g| + eps)], or sqrt(g^2 + eps) below, for batches of two of THREE; c = 2."""
    total = 0.0
    for x, p in zip(*THREE, strict=True):
        for y, q in zip(*THREE, strict=True):
            g = 2.0 * (theta - (x + y) / 2.0)
            total += p * q * g / (math.sqrt(g * g + eps) if inside else abs(g) + eps)
    return total


@pytest.mark.parametrize("inside", [False, True])
def test_batches_without_memory(inside: bool) -> None:
    """Also as rows of a file, and `hat` is `outside`."""
    truth = brentq(batch_of_two, 0.0, 3.0, args=(0.2, inside), xtol=1e-15)
    column = np.repeat([0.0, 1.0, 3.0], [6, 3, 1])
    h = Adam(0.0, 0.0, 0.2, "inside" if inside else "hat")
    assert np.array(zero(h, DISCRETE, THREE, batch=2)) == pytest.approx([truth, 0.0], abs=1e-14)
    theta, se = adam_zero(h, CSV, Rows(np.stack([column, 5.0 - column], axis=1)), 2, np.ones(2), 2)
    assert theta == pytest.approx([truth, 5.0 - truth], abs=1e-14)
    assert se.tolist() == [0.0, 0.0]


def by_every_history(theta: float, beta1: float, beta2: float, eps: float, p: float, length: int) -> float:
    """E[m / (sqrt(v) + eps)] for data 0 and 1 and c = 2 by recursion over the newest gradient; the oldest is repeated."""

    def mean(m: float, v: float, weight: float, left: int) -> float:
        if left == 0:
            return weight * m / (math.sqrt(v) + eps)
        total = 0.0
        for x, chance in ((0.0, 1.0 - p), (1.0, p)):
            g = 2.0 * (theta - x)
            total += mean(beta1 * m + (1.0 - beta1) * g, beta2 * v + (1.0 - beta2) * g * g, weight * chance, left - 1)
        return total

    return sum(
        chance * mean(2.0 * (theta - x), 4.0 * (theta - x) ** 2, 1.0, length) for x, chance in ((0.0, 1.0 - p), (1.0, p))
    )


def test_with_memory_by_every_history() -> None:
    args = (0.1, 0.05, 0.3, 0.2, 11)
    truth = brentq(by_every_history, 0.0, 1.0, args=args, xtol=1e-12)
    found, se = zero(Adam(0.1, 0.05, 0.3), TWO_POINT, TwoPoint(0.0, 1.0, 0.2))
    assert se == 0.0
    assert found == pytest.approx(truth, abs=1e-11)


def test_symmetric_laws_have_their_mean() -> None:
    laws: list[tuple[Distribution, Any, float]] = [
        (RADEMACHER, Rademacher(), 0.0),
        (UNIFORM, Uniform(1.0, 4.0), 2.5),
        (NORMAL, Normal(3.0, 1.0), 3.0),
        (TWO_POINT, TwoPoint(0.0, 1.0, 0.5), 0.5),
    ]
    for distribution, parameters, mean in laws:
        assert zero(Adam(), distribution, parameters) == (mean, 0.0)


def test_constant_column_has_its_value() -> None:
    theta, se = adam_zero(Adam(0.0, 0.0, 0.1), CSV, Rows(np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 1.0]])), 2, np.ones(2), 1)
    assert (theta[0], se[0]) == (4.0, 0.0)
    assert theta[1] == pytest.approx(two_point_zero(0.0, 1.0, 1.0 / 3.0, 0.1, 2.0))


@pytest.mark.slow
@pytest.mark.parametrize("parameters", [SKEWED, TwoPoint(-1.0, 3.0, 0.3)], ids=str)
def test_mirrored_data_have_the_mirrored_zero(parameters: TwoPoint) -> None:
    h, mirrored = Adam(0.05, 0.1, 0.1), TwoPoint(-parameters.high, -parameters.low, 1.0 - parameters.p_high)
    there, back = zero(h, TWO_POINT, parameters, batch=2), zero(h, TWO_POINT, mirrored, batch=2)
    assert there[1] == back[1] == 0.0
    assert there[0] == pytest.approx(-back[0], abs=1e-12)


# Drawn


@pytest.mark.slow
@pytest.mark.usefixtures("fewer_draws")
@pytest.mark.parametrize(
    ("betas", "source"),
    [((0.1, 0.2), Source(DISCRETE, THREE, 1)), ((0.2, 0.1), Source(TWO_POINT, TwoPoint(0.0, 1.0, 0.2), 2))],
    ids=["three", "batch"],
)
def test_draws_against_enumeration_and_their_errors_are_honest(betas: tuple[float, float], source: Source) -> None:
    """Over 30 seeds; the share of deviations within a standard error is as it should be."""
    epsilons = (Eps(0.3, 0.0), Eps(0.0, 0.3))
    exact = enumerated(*betas, source, epsilons)
    assert exact is not None
    zeros = np.array([drawn(*betas, source, epsilons, seed) for seed in range(30)])
    scores = (zeros[..., 0] - [one.value for one in exact]) / zeros[..., 1]
    assert np.abs(scores).max() < 4.0
    assert np.all((scores.std(axis=0) > 0.7) & (scores.std(axis=0) < 1.4))


@pytest.mark.slow
@pytest.mark.usefixtures("fewer_draws")
@pytest.mark.parametrize(
    ("betas", "source"),
    [
        ((0.5, 0.9), Source(TWO_POINT, SKEWED, 1)),
        ((0.9, 0.99), Source(TRUNCATED_NORMAL, TruncatedNormal(0.0, 3.0), 2)),
        ((0.5, 0.9), Source(LOG_UNIFORM, LogUniform(0.01, 1.0, "positive"), 3)),
    ],
    ids=["two_point", "truncated_normal", "log_uniform"],
)
def test_spread_over_seeds_is_the_standard_error(betas: tuple[float, float], source: Source) -> None:
    zeros = np.array([drawn(*betas, source, (Eps(1e-8, 0.0),), seed)[0] for seed in range(30)])
    assert 0.7 < zeros[:, 0].std(ddof=1) / zeros[:, 1].mean() < 1.4


@pytest.mark.slow
def test_draws_are_accurate_for_the_usual_betas() -> None:
    """To 1e-5 of the standard deviation at 0.999, and always the same."""
    h = Adam(0.9, 0.999)
    theta, se = zero(h, TWO_POINT, SKEWED)
    assert 0.0 < se < 1e-5 * 0.3
    assert drawn(0.9, 0.999, Source(TWO_POINT, SKEWED, 1), (Eps(1e-8 / 0.6, 0.0),))[0].value * 0.3 + 0.1 == pytest.approx(theta)
    adam_field._zeros.cache_clear()
    assert zero(h, TWO_POINT, SKEWED) == (theta, se)


@pytest.mark.usefixtures("fewer_draws")
def test_curvature_cancels_without_eps_and_counts_with_it() -> None:
    """One answer for each different scale, at the coordinates that have it."""
    scale = np.array([1.0, 50.0, 1.0, 0.02])
    without, _ = adam_zero(Adam(0.5, 0.9, 0.0), TWO_POINT, SKEWED, 4, scale, 1)
    assert np.all(without == without[0])
    theta, _ = adam_zero(Adam(0.5, 0.9, 0.1), TWO_POINT, SKEWED, 4, scale, 1)
    assert theta[0] == theta[2]
    assert without[0] < theta[1] < theta[0] < theta[3] < 0.1, "eps brings Adam closer to gradient descent, which finds the mean"
    alone, _ = adam_zero(Adam(0.5, 0.9, 0.1), TWO_POINT, SKEWED, 1, scale[1:2], 1)
    assert alone[0] == theta[1]


@pytest.mark.usefixtures("fewer_draws")
def test_refuses_what_it_does_not_know() -> None:
    anything: Any = Amsgrad()
    with pytest.raises(ValueError, match="not for Amsgrad"):
        adam_zero(anything, TWO_POINT, SKEWED, 1, ONE, 1)
    with pytest.raises(ValueError, match="sqrt"):
        adam_zero(Adam(0.9, 0.5), TWO_POINT, SKEWED, 1, ONE, 1)
    with pytest.raises(ValueError, match="different scales"):
        adam_zero(Adam(), TWO_POINT, SKEWED, 100, np.arange(1.0, 101.0), 1)
    with pytest.raises(ValueError, match="too large"):
        adam_zero(Adam(), LOG_UNIFORM, LogUniform(0.1, 1.0, "positive"), 1, ONE, 10**6)
    with pytest.raises(ValueError, match="known moments"):
        adam_zero(Adam(0.5, 0.9), TWO_POINT, TwoPoint(0.0, 1.0, 1e-9), 1, ONE, 1)
    with pytest.raises(ValueError, match="flat"):
        adam_zero(Adam(), TWO_POINT, SKEWED, 1, np.array([1e-320]), 1)


# To first order


@pytest.mark.slow
@pytest.mark.parametrize("placement", ["outside", "inside"])
def test_first_order_bias(placement: Any) -> None:
    """Its relative error falls with the skewness and with 1 - beta2, and it has the right sign."""
    errors = []
    for beta2, p_high in ((0.9, 0.3), (0.99, 0.3), (0.99, 0.7), (0.999, 0.3)):
        h, data = Adam(0.5, beta2, 0.5, placement), TwoPoint(-1.0, 1.0, p_high)
        law = TWO_POINT.law(data, 1)
        predicted = float(first_order_bias(h, law, 2.0 * ONE, 1)[0])
        theta, se = zero(h, TWO_POINT, data)
        assert np.sign(predicted) == np.sign(theta - law.mean[0]) == np.sign(p_high - 0.5)
        errors.append((abs(predicted / (theta - float(law.mean[0])) - 1.0), se / abs(predicted)))
    (first, _), (second, _), (mirrored, _), (third, noise) = errors
    assert noise < 0.002
    assert second < 0.03
    assert mirrored == pytest.approx(second, abs=0.005)
    assert first > 3.0 * second
    assert third < 0.005 + 4.0 * noise


@pytest.mark.slow
def test_bias_falls_with_the_batch_as_predicted() -> None:
    """Without eps as 1/M; third moments decide, so the prediction uses mu3 / M^2."""
    h, law = Adam(0.9, 0.99, 0.0), TWO_POINT.law(SKEWED, 1)
    biases = []
    for batch in (4, 16):
        theta, se = zero(h, TWO_POINT, SKEWED, batch=batch)
        predicted = float(first_order_bias(h, law, 2.0 * ONE, batch)[0])
        biases.append(theta - 0.1)
        assert theta - 0.1 == pytest.approx(predicted, rel=0.05)
        assert se < 0.002 * abs(predicted)
    assert biases[0] / biases[1] == pytest.approx(4.0, rel=0.05)


def test_first_order_bias_by_hand() -> None:
    """-(kappa/2) (mu3/M^2) c / (sigma_M (c sigma_M + eps)); nothing for constant data."""
    h, law = Adam(0.5, 0.9, 0.25), TWO_POINT.law(SKEWED, 2)
    kappa, spread = 0.5 * 0.1 / 0.55, math.sqrt(0.09 / 3.0)
    by_hand = [-kappa / 2.0 * 0.072 / 9.0 * c / (spread * (c * spread + 0.25)) for c in (2.0, 7.0)]
    assert first_order_bias(h, law, np.array([2.0, 7.0]), 3) == pytest.approx(by_hand)
    constant = CSV.law(Rows(np.ones((3, 1))), 1)
    assert first_order_bias(h, constant, 2.0 * ONE, 1) == 0.0


# Where Adam goes


def last_iterates(h: Adam, data: TwoPoint, scale: float, batch: int, steps: int, paths: int) -> tuple[Array, float]:
    """theta after a run with a rate that vanishes, (paths,), and the last rate."""
    law = TWO_POINT.law(data, 1)

    def rate(n: Array) -> Array:
        return np.asarray(0.1 * n**-0.75)

    program = program_of(
        seed=11,
        dim=1,
        steps=steps,
        objective=QUADRATIC,
        objective_parameters=Quadratic(None, 1, scale),
        objective_constants=QUADRATIC.prepare(Quadratic(None, 1, scale), 1),
        data=TWO_POINT,
        data_constants=TWO_POINT.prepare(data, 1),
        optimizer=ADAM,
        optimizer_parameters=h,
        learning_rate=rate,
        batch_size=lambda n: np.full_like(n, float(batch)),
        start=law.mean,
        record=np.array([steps]),
    )
    block = simulate(program, Fused(program), 0, paths, np.zeros(1, dtype=np.uint8))
    return block.theta[0, 0], float(rate(np.array([float(steps)]))[0])


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("h", "batch"),
    [
        (Adam(0.5, 0.9, 1e-8), 1),
        (Adam(0.5, 0.9, 0.2, "hat"), 2),
        (Adam(0.0, 0.9, 0.05, "inside"), 1),
        (Adam(0.5, 0.9, 1e-8, bias_correction=False, start="first_gradient"), 1),
    ],
    ids=["default", "hat", "inside", "first_gradient"],
)
def test_runs_end_at_the_zero(h: Adam, batch: int) -> None:
    """Within 4 standard errors of both and an allowance for the last rate; control: the mean is far off.

    At a small rate E theta is off theta* by an amount proportional to it. At step 2000 of these runs, with 4096 paths, that was
    2.4 +- 0.5, 0.6 +- 0.3 and 1.8 +- 0.4 rates. So 3 of the last rates are allowed, less than one standard error.
    """
    theta, rate = last_iterates(h, SKEWED, 1.0, batch, 200_000, 256)
    expected, se = zero(h, TWO_POINT, SKEWED, batch=batch)
    combined = math.hypot(se, float(theta.std(ddof=1)) / math.sqrt(len(theta)))
    assert abs(theta.mean() - expected) < 4.0 * combined + 3.0 * rate
    assert abs(theta.mean() - 0.1) > 10.0 * combined + 100.0 * rate
