"""Toint's function against exact arithmetic, its constants, its knots, and Adam that never meets another slope."""

import math
from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.counterexample import DIALECTS, PLAIN, ROUNDING, TOINTS, bound, make, never_another_slope, orbit_of, schedule
from nonconv.components.definitions import Chosen, Configured
from nonconv.data.continuous import UNIFORM, Uniform
from nonconv.engine.blocks import simulate
from nonconv.engine.fused import Fused
from nonconv.engine.program import Modifiers
from nonconv.engine.reference import Reference
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.toint import Toint, TointConstants, gradient, last_knot, loss, table
from nonconv.statistics.counterexample import slopes

MANY = settings(max_examples=200, derandomize=True, deadline=None)


@pytest.fixture(autouse=True, scope="module")
def _as_in_an_engine() -> Iterator[None]:
    """Both branches of a choice are computed, and the one not taken may overflow."""
    with np.errstate(all="ignore"):
        yield


def on(knots: Array, scale: float = 1.0) -> TointConstants:
    """The constants of one coordinate."""
    return TointConstants(*(part[0] for part in table(knots, scale, 1)))


def knots_of(orders: list[float]) -> Array:
    """Knots from 0 on, their distances given by their decimal logarithms."""
    return np.unique(np.cumsum([0.0, *(10.0**order for order in orders)]))


def uneven(seed: int, number: int = 60) -> Array:
    """Knots 1e-6 to 10 apart, in no order."""
    return knots_of(np.random.default_rng(seed).uniform(-6.0, 1.0, number).tolist())


def points(knots: Array, seed: int = 0) -> Array:
    """On every knot, the floats next to it, between them, to the left of all and beyond the last."""
    inside = knots[:-1] + np.diff(knots) * np.random.default_rng(seed).random((20, len(knots) - 1))
    outside = [-0.0, -5e-324, -1e-9, -1.0, -1e300, knots[-1] + 1e-6, 2 * knots[-1] + 1.0, 1e300]
    return np.concatenate([knots, np.nextafter(knots, -1.0), np.nextafter(knots, 1e9), inside.ravel(), outside])


class Exact(NamedTuple):
    """f and f' of an exact point, and the length of its interval; 0 outside the knots."""

    f: Fraction
    slope: Fraction
    s: Fraction


def exact(knots: list[float], theta: float, scale: float) -> Exact:
    k = max(bisect_right(knots, theta) - 1, 0)
    u = Fraction(theta) - Fraction(knots[k])
    if u < 0 or k == len(knots) - 1:
        return Exact(-Fraction(scale) * u, -Fraction(scale), Fraction(0))
    s = Fraction(knots[k + 1]) - Fraction(knots[k])
    w = u / s
    return Exact(Fraction(scale) * (-u + 3 * u**2 / s - 2 * u**3 / s**2), Fraction(scale) * (6 * w * (1 - w) - 1), s)


# The function


@pytest.mark.parametrize("scale", [1.0, 1e-6, 3.7])
@pytest.mark.parametrize("seed", range(3))
def test_function_and_slope_in_exact_arithmetic(seed: int, scale: float) -> None:
    """Within what their roundings can come to.

    With e = 2^-53, u = theta - x and s are right to e and w = u/s to 3e. In 6w(1-w) - 1 this is at most 18e, its own
    roundings 6e, that by scale 1e more: 32e. In w(3-2w) - 1 it is 3e, its own roundings 5e, those of u and of the products
    3e, at most s: 16e. Outside f is one difference and one product: 2e. And the smallest float there is may be lost.
    """
    knots = uneven(seed)
    theta, k = points(knots, seed), on(knots, scale)
    for t, f, slope in zip(theta.tolist(), loss(k, theta, None).tolist(), gradient(k, theta, None).tolist(), strict=True):
        truth = exact(knots.tolist(), t, scale)
        assert abs(Fraction(slope) - truth.slope) <= 32 * ROUNDING * scale * (truth.s > 0), t
        allowed = 16 * Fraction(scale) * truth.s if truth.s else 2 * abs(truth.f)
        assert abs(Fraction(f) - truth.f) <= Fraction(ROUNDING) * allowed + Fraction(5e-324), t


def test_nothing_is_rounded_at_a_knot() -> None:
    for seed in range(10):
        knots = uneven(seed)
        k = on(knots, 0.3)
        assert set(loss(k, knots, None).tolist()) == {0.0}
        assert set(gradient(k, knots, None).tolist()) == {-0.3}


orders = st.lists(st.floats(-12.0, 0.0) | st.sampled_from([-12.0, 0.0]), min_size=0, max_size=200)


@pytest.mark.slow
@MANY
@given(orders, st.integers(0, 2**32 - 1))
def test_last_knot_is_found(orders: list[float], seed: int) -> None:
    """By searchsorted, with distances up to 1e12 times each other; on arrays and on floats."""
    knots = knots_of(orders)
    k, theta = on(knots), points(knots, seed)
    expected = np.maximum(np.searchsorted(knots, theta, side="right") - 1, 0)
    assert np.array_equal(last_knot(k, theta), expected)
    some = np.random.default_rng(seed).integers(0, len(theta), 20)
    assert [int(last_knot(k, t)) for t in theta[some].tolist()] == expected[some].tolist()


def test_many_knots_in_one_cell_of_the_guide() -> None:
    """Nearly all of them crowd beside 0: the search takes its longest way."""
    for close in (1, 2, 3, 4, 7, 8, 9, 1000):
        knots = np.unique([*np.linspace(0.0, 1e-9, close + 1), 1.0, 2.0, 1e3])
        theta = points(knots)
        expected = np.maximum(np.searchsorted(knots, theta, side="right") - 1, 0)
        assert np.array_equal(last_knot(on(knots), theta), expected)


@pytest.mark.parametrize("theta", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("knots", [np.zeros(1), uneven(1), np.arange(5.0)], ids=["none", "uneven", "even"])
def test_what_is_not_finite_slides_on(theta: float, knots: Array) -> None:
    assert gradient(on(knots, 2.0), theta, None) == -2.0
    assert gradient(on(knots, 2.0), np.array([theta, 0.25]), None)[0] == -2.0


@MANY
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.floats(-0.1, 1.1), st.floats(0.0, 1.0))
def test_slope_is_lipschitz(seed: int, scale: float, a: float, distance: float) -> None:
    """With 6 scale / min s, but for the rounding of two slopes; the points are within an interval of each other."""
    knots = uneven(seed, 12)
    shortest = float(np.diff(knots).min())
    x = a * knots[-1]
    y = x + distance * shortest
    k = on(knots, scale)
    difference = abs(float(gradient(k, x, None) - gradient(k, y, None)))
    assert difference <= 6.0 * scale / shortest * abs(y - x) * (1 + 1e-12) + 64 * ROUNDING * scale


def test_curvature_on_either_side_of_a_knot() -> None:
    """6 scale / s to the right, -6 scale / s to the left: by differences over h = s / 2^20, which are 1 - 2^-20 of it."""
    knots, scale, share = uneven(5), 3.0, 2.0**-20
    k, s = on(knots, scale), np.diff(knots)
    right = (gradient(k, knots[:-1] + share * s, None) + scale) / (share * s)
    left = (-scale - gradient(k, knots[1:] - share * s, None)) / (share * s)
    coarse = np.spacing(knots[1:]) / (share * s)  # what the point can be off by, for the short intervals
    assert np.all(np.abs(right * s / (6.0 * scale) - 1.0) <= 2 * share + coarse)
    assert np.all(np.abs(left * s / (6.0 * scale) + 1.0) <= 2 * share + coarse)


def test_bounded_below_with_a_minimum_in_every_interval() -> None:
    knots, scale, w = uneven(6), 0.7, (3.0 - math.sqrt(3.0)) / 6.0
    k, s = on(knots, scale), np.diff(knots)
    depth = math.sqrt(3.0) / 18.0 * scale * s
    lowest = knots[:-1] + w * s
    assert loss(k, lowest, None) == pytest.approx(-depth, rel=1e-9)
    assert gradient(k, lowest, None) == pytest.approx(np.zeros(len(s)), abs=1e-8)
    inside = np.linspace(0.0, knots[-1], 200_001)
    assert loss(k, inside, None).min() >= -depth.max() * (1 + 1e-12)
    assert gradient(k, inside, None).min() >= -scale
    assert gradient(k, inside, None).max() <= 0.5 * scale * (1 + 1e-15)
    assert np.all(loss(k, np.linspace(-5.0, -1e-3, 100), None) > 0)


# The optimizer's own knots


CASES = 40


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.parametrize("case", range(CASES))
def test_adam_on_its_knots(case: int) -> None:
    """Slope -scale at 1e5 iterates of a random Adam, x_n = n alpha' where its steps are equal.

    Each addition may be off by 2^-53 x_n, so n of them by n 2^-53 of x_n; m by at most 4/(1 - beta1) roundings and sqrt(v)
    by as many of beta2; the bias corrections by as many again.
    """
    draw = np.random.default_rng(case)
    beta1, beta2 = (1.0 - 10.0 ** draw.uniform(-4.0, 0.0, 2)).tolist()
    alpha, scale = (10.0 ** draw.uniform(-3.0, 1.0, 2)).tolist()
    eps = float(draw.choice([0.0, 1e-8, 0.3]))
    placement, dialect = str(draw.choice(["outside", "inside"])), DIALECTS[case % 3]
    parameters = dialect | {"beta1": beta1, "beta2": beta2, "eps": eps, "eps_placement": placement}
    steps = 100_000
    program = bound(make("adam", Toint(scale=scale), steps, parameters, learning_rate=lambda n: np.full_like(n, alpha)))
    assert never_another_slope(program)
    orbit, n = orbit_of(program), np.arange(1.0, steps + 1)
    if dialect is not PLAIN:
        pace = alpha / (1 + eps / scale) if placement == "outside" else alpha / math.sqrt(1 + eps / scale**2)
        allowed = (n + 8 / (1 - beta1) + 8 / (1 - beta2) + 8) * ROUNDING
        assert np.all(np.abs(orbit[1 : steps + 1] / (n * pace) - 1.0) <= allowed)


@pytest.mark.compiles
@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.0, 0.0), (0.999, 0.9), (0.3, 0.99)])
def test_knots_of_a_zero_start_without_correction(beta1: float, beta2: float) -> None:
    """s_k = alpha (1 - beta1^(k+1)) / sqrt(1 - beta2^(k+1)), to the roundings of m and v and of the two knots."""
    parameters = PLAIN | {"beta1": beta1, "beta2": beta2}
    orbit, n = orbit_of(bound(make("adam", Toint(), 5000, parameters)))[:5001], np.arange(1.0, 5001.0)
    expected = 0.1 * (1 - beta1**n) / np.sqrt(1 - beta2**n)
    allowed = (8 / (1 - beta1) + 8 / (1 - beta2)) * ROUNDING * expected + 2 * ROUNDING * orbit[1:]
    assert np.all(np.abs(np.diff(orbit) - expected) <= allowed)


RATES = {
    "power": schedule("power", value=0.1),
    "warmup": schedule("constant", value=0.1, warmup=500),
    "asymptotically constant": schedule("asymptotically_constant", value=1.0, limit=0.01),
    "exponential, to a standstill": schedule("exponential", value=0.1, factor=0.5, steps=50.0),
    "step": schedule("step", value=1.0, every=3000),
    "cosine, to a standstill": schedule("cosine", value=0.1, steps=5000),
    "cyclic from 0": schedule("cyclic", low=0.0, high=0.2, period=40),
    "piecewise with rests": schedule("piecewise", values=(0.0, 0.1, 0.0, 1e-3), until=(10, 5000, 9000)),
}


SOME = ("sgd", "momentum", "adagrad", "adam")
"""A kernel each takes its time to compile; these have no, one and two averages, and a sum."""


@pytest.mark.compiles
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("optimizer", SOME)
def test_any_optimizer_and_learning_rate(optimizer: str, rate: str) -> None:
    """With exact knots none ever meets another slope than -scale."""
    program = bound(make(optimizer, Toint(scale=0.5), 20_000, learning_rate=RATES[rate]))
    assert never_another_slope(program)
    assert orbit_of(program)[20_000] > 0.5


def test_the_orbit_has_neither_noise_nor_domain_and_knows_a_clipped_norm() -> None:
    """In several coordinates: the knots are of the rule alone, and a path from 0 meets slope -scale as long as it is alone."""
    h = Toint(dim=3, scale=0.5)
    plain = bound(make("sgd", h, 40), Reference)
    noise = Configured(UNIFORM, Uniform(), UNIFORM.prepare(Uniform(), 3))
    ends = np.array([-1.0, -2.0, 0.0]), np.array([0.3, 9.0, np.inf])
    for parts in ({"noise": noise}, {"domain": ends}, {"noise": noise, "domain": ends}):
        other = bound(make("sgd", h, 40, **parts), Reference)
        assert orbit_of(other).tobytes() == orbit_of(plain).tobytes()
        assert other.parts == make("sgd", h, 40, **parts).parts
    clipped = bound(make("sgd", h, 40, modifiers=Modifiers(clip_norm=0.3)), Reference)
    assert orbit_of(clipped)[40] == pytest.approx(40 * 0.1 * 0.3 / 3**0.5)
    assert slopes(clipped, Reference, 1).exact.tolist() == [40]


@pytest.mark.compiles
def test_off_the_knots_slopes_differ() -> None:
    """Negative control of the tests above."""
    assert not never_another_slope(bound(make(start=np.array([-1e-12]))))
    assert not never_another_slope(bound(make(h=Toint("uniform"), parameters=TOINTS)))


# Engine against engine


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.parametrize("knots", ["exact", "uniform"])
@pytest.mark.parametrize("optimizer", SOME)
def test_same_bits_from_both_engines(optimizer: str, knots: Any) -> None:
    """The orbit, the constants, and paths from random starts on both sides of the knots; a batch changes no bit of a sum."""
    for dim, batch in ((1, 1.0), (3, 1.0), (2, 3.0)):
        sizes, start = partial(np.full_like, fill_value=batch), Chosen(UNIFORM, Uniform(-0.3, 0.5))
        program = make(optimizer, Toint(knots, dim=dim), 300, start=start, batch_size=sizes)
        ours, reference = bound(program), bound(program, Reference)
        assert np.array_equal(orbit_of(ours), orbit_of(reference))
        for a, b in zip(ours.objective.constants, reference.objective.constants, strict=True):
            assert np.array_equal(a, b)
        stop = np.zeros(1, dtype=np.uint8)
        fast, slow = simulate(ours, Fused(ours), 0, 13, stop), simulate(ours, Reference(ours), 0, 13, stop)
        assert fast.theta.tobytes() == slow.theta.tobytes()
        assert len(np.unique(fast.theta[-1])) > 1, "all paths are the same: nothing is compared"
        assert fast.progress is not None
        assert slow.progress is not None
        assert all(np.array_equal(a, b) for a, b in zip(fast.progress, slow.progress, strict=True))
