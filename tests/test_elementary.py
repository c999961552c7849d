"""The elementary functions against wider arithmetic, and compiled against NumPy, bit for bit."""

import inspect
import math
from collections.abc import Callable
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from nonconv.engine.compiler import definition, njit
from nonconv.numerics import elementary
from nonconv.numerics.arithmetic import Array

Wide = NDArray[np.longdouble]

ORACLE_ERROR = 0.0 if np.finfo(np.longdouble).nmant >= 63 else 1.0
"""In ulp of a double: a long double's error is a thousandth, but where it is no wider the oracle is a library's double."""


def wide_sigmoid(x: Wide) -> Wide:
    return np.asarray(1.0 / (1.0 + np.exp(-x)), np.longdouble)


def wide_erf(x: Wide) -> Wide:
    """Maclaurin's series up to 1; above it 1 - erfc, whose double errs by less than a quarter of an ulp of the difference."""
    a = np.abs(x)
    near = np.minimum(a, 1.0)
    term = series = 2.0 * near / np.sqrt(np.arccos(np.longdouble(-1.0)))
    for n in range(1, 30):
        term = -term * near * near / n
        series = series + term / (2 * n + 1)
    far = 1.0 - np.array([math.erfc(v) for v in a.astype(float)], np.longdouble)
    return np.asarray(np.copysign(np.where(a <= 1.0, series, far), x), np.longdouble)


RANDOM = np.random.default_rng(20)


def between(low: float, high: float, points: int = 20_000) -> Array:
    """A grid with its ends, and as many random points."""
    return np.concatenate([np.linspace(low, high, points), RANDOM.uniform(low, high, points)])


def magnitudes(low: float, high: float) -> Array:
    """Powers of ten."""
    return np.asarray(10.0 ** between(low, high))


def both_signs(x: Array) -> Array:
    return np.concatenate([x, -x])


def neighbours(*points: float) -> Array:
    """Twenty floats on each side of the points."""
    steps = np.arange(-20, 21)
    return np.concatenate([np.array(p) + np.spacing(p) * steps for p in points])


class Case(NamedTuple):
    """A function, its value in wider arithmetic, the error it claims in ulp, and where."""

    oracle: Callable[[Wide], Any]
    error: float
    points: Array


MULTIPLES: Array = np.linspace(1.0, 59_999.0, 59_999) * (math.pi / 2)
"""As near to the zeros of sine and cosine as a float comes."""
ANGLES = np.concatenate([
    between(-2.0, 2.0), between(-1e2, 1e2), between(-1e5, 1e5), both_signs(magnitudes(-310.0, 6.4)),
    both_signs(MULTIPLES), neighbours(math.pi / 4, math.pi / 2, math.pi),
])  # fmt: skip
SUBNORMAL: Array = np.linspace(1.0, 1999.0, 1999) * 5e-324
EXP_RANGE = (-708.39, 709.78)

CASES = {
    "exp": Case(
        np.exp,
        0.9,
        np.concatenate([
            between(*EXP_RANGE), between(-1.0, 1.0), both_signs(magnitudes(-310.0, -1.0)),
            np.nextafter([elementary.EXP_LEAST, elementary.EXP_MOST], 0.0), neighbours(0.5 * math.log(2.0), math.log(2.0)),
        ]),
    ),
    "log": Case(
        np.log,
        0.85,
        np.concatenate([
            between(0.5, 2.0), magnitudes(-307.0, 308.0), magnitudes(-323.0, -307.0), SUBNORMAL,
            neighbours(math.sqrt(0.5), 1.0, math.sqrt(2.0), 2.0**-1022), [np.finfo(float).max],
        ]),
    ),
    "log1p": Case(
        np.log1p,
        0.85,
        np.concatenate([
            between(0.0, 4.0), magnitudes(-320.0, 308.0), between(-0.9999, 0.0), -magnitudes(-320.0, -1.0), SUBNORMAL,
            neighbours(math.sqrt(2.0) - 1.0, 1.0, 2.0**53), [-1.0 + 2.0**-53, np.finfo(float).max],
        ]),
    ),
    "sin": Case(np.sin, 1.5, ANGLES),
    "cos": Case(np.cos, 1.5, ANGLES),
    "erf": Case(
        wide_erf,
        3.0,
        np.concatenate([
            between(-6.5, 6.5), between(-1.0, 1.0), both_signs(magnitudes(-307.0, 2.0)), neighbours(1.0, 6.0), SUBNORMAL[90:],
        ]),
    ),
    "tanh": Case(
        np.tanh,
        2.6,
        np.concatenate([
            between(-22.0, 22.0), between(-1.0, 1.0), both_signs(magnitudes(-310.0, 2.0)),
            neighbours(0.25 * math.log(2.0), 20.0), SUBNORMAL,
        ]),
    ),
    "tan": Case(np.tan, 3.0, ANGLES),
    "expm1": Case(
        np.expm1,
        1.7,
        np.concatenate([
            between(-60.0, 709.7), between(-1.0, 1.0), both_signs(magnitudes(-310.0, -1.0)),
            neighbours(0.5 * math.log(2.0), -40.0, 40.0), SUBNORMAL,
        ]),
    ),
    "sinh": Case(
        np.sinh,
        2.6,
        np.concatenate([
            between(-710.4, 710.4), between(-2.0, 2.0), both_signs(magnitudes(-310.0, 1.0)), neighbours(40.0), SUBNORMAL,
        ]),
    ),
    "cosh": Case(
        np.cosh, 2.6, np.concatenate([between(-710.4, 710.4), between(-2.0, 2.0), magnitudes(-310.0, 1.0), neighbours(40.0)])
    ),
    "atan": Case(
        np.arctan,
        0.9,
        np.concatenate([
            between(-4.0, 4.0), both_signs(magnitudes(-310.0, 300.0)), neighbours(0.66, 2.41421356237309504880, 1.0), SUBNORMAL,
        ]),
    ),
    "softplus": Case(
        lambda x: np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))),
        1.6,
        np.concatenate([between(-700.0, 700.0), between(-3.0, 3.0), both_signs(magnitudes(-310.0, 2.0))]),
    ),
    "sigmoid": Case(
        wide_sigmoid, 2.4, np.concatenate([between(-709.7, 800.0), between(-40.0, 40.0), both_signs(magnitudes(-310.0, 0.0))])
    ),
}  # fmt: skip
each_function = pytest.mark.parametrize("name", CASES)


def plain(name: str, module: ModuleType = elementary) -> FunctionType:
    function = getattr(module, name)
    assert isinstance(function, FunctionType)
    return function


def in_numpy(function: Callable[[Any], Any], x: Any) -> Array:
    """As the reference engine calls it."""
    with np.errstate(all="ignore"):
        return np.asarray(function(x))


def worst_error(name: str, module: ModuleType = elementary) -> float:
    """In ulp of the true value."""
    case = CASES[name]
    true = case.oracle(case.points.astype(np.longdouble))
    with np.errstate(under="ignore"):  # a value between 0 and the least float
        ulp = np.spacing(np.abs(true.astype(float)))
    return float(np.max(np.abs(in_numpy(plain(name, module), case.points) - true) / ulp))


@each_function
def test_accurate(name: str) -> None:
    """To what the docstrings say: bounds a little above the largest error of millions of points, where these are thousands."""
    assert worst_error(name) < CASES[name].error + ORACLE_ERROR


class Damage(NamedTuple):
    """A coefficient, and the relative error given to it."""

    coefficient: str
    change: float


DAMAGES = {
    "tan": Damage("8.33333333332248946124e-03", 2e-13),
    "expm1": Damage("0.0416666666666665047591422", 5e-13),
    "sinh": Damage("0.0416666666666665047591422", 5e-13),
    "cosh": Damage("0.0416666666666665047591422", 8e-13),
    "atan": Damage("6.485021904942025371773e1", 3e-15),
    "softplus": Damage("3.999999999940941908e-01", 1e-11),
    "exp": Damage("0.0416666666666665047591422", 1e-12),
    "log": Damage("3.999999999940941908e-01", 5e-12),
    "log1p": Damage("3.999999999940941908e-01", 5e-12),
    "sin": Damage("8.33333333332248946124e-03", 2e-13),
    "cos": Damage("-1.38888888888741095749e-03", 1e-12),
    "erf": Damage("5.55923013010394962768e4", 1e-15),
    "tanh": Damage("0.0416666666666665047591422", 5e-13),
    "sigmoid": Damage("0.0416666666666665047591422", 1e-12),
}


def damaged(coefficient: str, change: float) -> ModuleType:
    """The module with one coefficient changed, wherever it stands."""
    source = inspect.getsource(elementary)
    assert coefficient in source
    module = ModuleType("damaged")
    exec(source.replace(coefficient, repr(float(coefficient) * (1.0 + change))), vars(module))
    return module


@each_function
def test_a_few_ulp_are_seen(name: str) -> None:
    """Negative control: one coefficient changed far behind the point."""
    error = worst_error(name, damaged(*DAMAGES[name]))
    assert CASES[name].error + ORACLE_ERROR < error < 20.0


INF, NAN, MOST = math.inf, math.nan, float(np.finfo(float).max)
SPECIAL = {
    "tan": {0.0: 0.0, 5e-324: 5e-324, 2.0**49: NAN, MOST: NAN, INF: NAN, -INF: NAN},
    "expm1": {0.0: 0.0, 5e-324: 5e-324, 710.0: INF, MOST: INF, INF: INF, -45.0: -1.0, -MOST: -1.0, -INF: -1.0},
    "sinh": {0.0: 0.0, 5e-324: 5e-324, 711.0: INF, -711.0: -INF, MOST: INF, INF: INF, -INF: -INF},
    "cosh": {0.0: 1.0, 5e-324: 1.0, 711.0: INF, -711.0: INF, MOST: INF, INF: INF, -INF: INF},
    "atan": {0.0: 0.0, 5e-324: 5e-324, MOST: math.pi / 2, INF: math.pi / 2, -INF: -math.pi / 2},
    "softplus": {800.0: 800.0, MOST: MOST, INF: INF, -720.0: 0.0, -MOST: 0.0, -INF: 0.0},
    "exp": {0.0: 1.0, 710.0: INF, MOST: INF, INF: INF, -708.4: 0.0, -800.0: 0.0, -MOST: 0.0, -INF: 0.0},
    "log": {1.0: 0.0, 0.0: -INF, INF: INF, -5e-324: NAN, -1.0: NAN, -INF: NAN},
    "log1p": {0.0: 0.0, 5e-324: 5e-324, INF: INF, -1.0: -INF, -1.5: NAN, -INF: NAN},
    "sin": {0.0: 0.0, 5e-324: 5e-324, 2.0**49: NAN, MOST: NAN, INF: NAN, -INF: NAN},
    "cos": {0.0: 1.0, 5e-324: 1.0, 2.0**49: NAN, MOST: NAN, INF: NAN, -INF: NAN},
    "erf": {0.0: 0.0, 7.0: 1.0, -7.0: -1.0, MOST: 1.0, INF: 1.0, -INF: -1.0},
    "tanh": {0.0: 0.0, 5e-324: 5e-324, 25.0: 1.0, -25.0: -1.0, MOST: 1.0, INF: 1.0, -INF: -1.0},
    "sigmoid": {0.0: 0.5, 40.0: 1.0, MOST: 1.0, INF: 1.0, -710.0: 0.0, -MOST: 0.0, -INF: 0.0},
}


@each_function
def test_special_values(name: str) -> None:
    expected = [*SPECIAL[name].items(), (NAN, NAN)]
    if name in {"erf", "tanh", "sinh", "atan"}:
        expected.append((-0.0, -0.0))  # a dictionary has one zero
    for x, y in expected:
        ours = in_numpy(plain(name), np.array([x]))
        assert np.array_equal(ours, [y], equal_nan=True), f"{name}({x}) = {ours}"
        assert np.isnan(y) or np.signbit(ours) == np.signbit(y), f"{name}({x}) has the wrong sign"


@pytest.mark.parametrize("name", ["sin", "erf", "tanh", "tan", "sinh", "atan"])
def test_odd(name: str) -> None:
    x = CASES[name].points
    assert np.array_equal(in_numpy(plain(name), -x), -in_numpy(plain(name), x))


def test_cos_is_even() -> None:
    x = CASES["cos"].points
    assert np.array_equal(in_numpy(elementary.cos, -x), in_numpy(elementary.cos, x))


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sin_and_cos_of_the_largest_arguments(name: str) -> None:
    """Up to 2**48 they stay those of a neighbour: the error is below one ulp of the argument."""
    x = both_signs(2.0 ** between(21.0, 48.0))
    error = np.abs(in_numpy(plain(name), x) - CASES[name].oracle(x.astype(np.longdouble)))
    assert np.all(error < np.spacing(np.abs(x)))


@pytest.mark.parametrize("name", ["exp", "log", "log1p", "erf", "tanh", "sigmoid", "expm1", "sinh", "atan"])
def test_never_falls(name: str) -> None:
    """Between points whose values are further apart than they err, also where one approximation takes over from another."""
    around = np.concatenate([np.arange(-384, 384) / 128.0, (np.arange(-8, 8) + 0.5) * math.log(2.0) / 2.0])
    x = np.sort(np.concatenate([around - 1e-9, around, around + 1e-9]))
    y = in_numpy(plain(name), x[x > 0.0] if name.startswith("log") else x)
    assert np.all(np.diff(y) > 0.0)


@cache
def compiled(name: str) -> Callable[[Array, Array], None]:
    function = definition(plain(name))

    def loop(x: Array, y: Array) -> None:
        for i in range(x.shape[0]):
            y[i] = function(x[i])

    compiled: Callable[[Array, Array], None] = njit(error_model="numpy", cache=False)(loop)
    return compiled


def any_points(name: str) -> Array:
    """Where it is accurate, where it is special, and any bits at all."""
    random = np.random.default_rng(21)
    anything = random.integers(-(2**63), 2**63, 4000).view(np.float64)
    return np.concatenate([random.choice(CASES[name].points, 4000), anything, [*SPECIAL[name], -0.0, NAN, -NAN]])


@pytest.mark.compiles
@pytest.mark.slow
@each_function
@pytest.mark.parametrize("length", [None, 4001, 776, 64, 13, 1])
def test_compiled_is_numpy(name: str, length: int | None) -> None:
    """Bit for bit, whatever part of a loop is done in vectors."""
    x = any_points(name)[:length]
    y = np.empty_like(x)
    compiled(name)(x, y)
    assert y.tobytes() == in_numpy(plain(name), x).tobytes()


@each_function
def test_one_number_is_an_array_of_one(name: str) -> None:
    for x in (0.3, 1.7, 40.0):
        assert in_numpy(plain(name), x) == in_numpy(plain(name), np.float64(x)) == in_numpy(plain(name), np.array([x]))[0]


# Powers, of two numbers, and the functions that choose


BASES = np.concatenate([magnitudes(-300.0, 300.0), between(0.5, 2.0), 1.0 + between(-1e-6, 1e-6), magnitudes(-320.0, -300.0)])
EXPONENTS = np.concatenate([
    between(-3.0, 3.0, len(BASES) // 8), between(-1000.0, 1000.0, len(BASES) // 8),
    both_signs(magnitudes(0.0, 9.0))[: len(BASES) // 4], between(-1.0, 1.0, len(BASES) // 8),
])  # fmt: skip


def worst_error_of_power(module: ModuleType = elementary) -> float:
    """In ulp, of values that are neither subnormal nor infinite."""
    true = np.power(BASES.astype(np.longdouble), EXPONENTS.astype(np.longdouble))
    with np.errstate(all="ignore"):
        ours, rounded = plain("power", module)(BASES, EXPONENTS), true.astype(float)
        usual = np.isfinite(rounded) & (rounded > 3e-308)
        return float(np.max(np.abs(ours - true)[usual] / np.spacing(rounded[usual])))


def test_powers_are_accurate() -> None:
    """Control: the low part of the logarithm's third term left out, which is an error of 1e-17 of it."""
    assert worst_error_of_power() < 1.1 + ORACLE_ERROR
    assert worst_error_of_power(damaged("3.7007434154171883e-17", -1.0)) > 1.5


@pytest.mark.parametrize("y", [0.0, -0.0, 1.0, -1.0, 2.0, 3.0, -3.0, 0.3, -2.5, 1e300, -1e300, INF, -INF, NAN])
def test_special_powers(y: float) -> None:
    """As NumPy's, to an ulp; but of minus infinity, whose powers are those of a negative number here."""
    x = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, INF, NAN, 1e150, -3.0])
    with np.errstate(all="ignore"):
        expected = np.where((x == 1.0) & np.isnan(y), NAN, np.power(x, y))
    ours = in_numpy(lambda x: elementary.power(x, np.full_like(x, y)), x)
    assert np.allclose(ours, expected, rtol=2.3e-16, atol=0.0, equal_nan=True)
    assert np.array_equal(np.signbit(ours)[~np.isnan(ours)], np.signbit(expected)[~np.isnan(ours)])


def test_functions_that_choose() -> None:
    x = np.array([-2.0, -5e-324, 0.0, 5e-324, 2.0, NAN])
    assert np.array_equal(in_numpy(elementary.sign, x), [-1, -1, 0, 1, 1, NAN], equal_nan=True)
    assert np.array_equal(in_numpy(elementary.heaviside, x), [0, 0, 0.5, 1, 1, NAN], equal_nan=True)
    found = in_numpy(lambda x: elementary.compare(x, np.zeros(6), np.ones(6), np.full(6, 4.0)), x)
    assert np.array_equal(found, [1, 1, 2.5, 4, 4, NAN], equal_nan=True)
    assert np.array_equal(in_numpy(lambda x: elementary.mod(x, 3.0), np.array([7.0, -1.0, 3.0])), [1.0, 2.0, 0.0])
    for name in ("sign", "heaviside"):
        y = np.empty_like(x)
        compiled(name)(x, y)
        assert np.array_equal(y, in_numpy(plain(name), x), equal_nan=True)


@pytest.mark.compiles
@pytest.mark.slow
def test_compiled_powers_are_numpys() -> None:
    """Bit for bit, of any bits at all."""
    random = np.random.default_rng(22)
    x, y = (random.integers(-(2**63), 2**63, 4000).view(np.float64) for _ in range(2))
    x, y = np.concatenate([x, BASES[::40], -BASES[:50]]), np.concatenate([y, EXPONENTS[::40], np.round(EXPONENTS[:50])])
    function, found = definition(elementary.power), np.empty_like(x)

    def loop(x: Array, y: Array, found: Array) -> None:
        for i in range(x.shape[0]):
            found[i] = function(x[i], y[i])

    njit(error_model="numpy", cache=False)(loop)(x, y, found)
    ours = in_numpy(lambda x: elementary.power(x, y), x)
    assert np.array_equal(found, ours, equal_nan=True)
    assert np.array_equal(np.signbit(found)[~np.isnan(ours)], np.signbit(ours)[~np.isnan(ours)])
