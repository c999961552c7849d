"""Heavy-tailed laws: quantiles against mpmath, moments against integrals, and what a run says where a moment does not exist."""

import math
from typing import Any

import mpmath as mp  # type: ignore[import-untyped]
import numpy as np
import pytest

from nonconv.components.definitions import Distribution, Law
from nonconv.data import DATA
from nonconv.data.heavy_tailed import Cauchy, Laplace, Pareto, StudentT
from nonconv.numerics.arithmetic import Array

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
