"""Every registered component: the contract's own checks, and independent oracles of laws, gradients and schedules.

Options are enumerated from the parameters' own annotations, so a new component or a new option is covered when it is
registered; one that cannot be made from its defaults needs an example in EXAMPLES, and fails without one.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from runpy import run_path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats

from kit.laws import heavy_in_scipy
from nonconv.checks.verification import ulps
from nonconv.components.definitions import Component, Distribution, Initialisation, Objective, Optimizer, Schedule
from nonconv.components.parameters import bare, parameters_of
from nonconv.config.catalogue import BUILT_IN
from nonconv.contract import data as of_data
from nonconv.contract import programs
from nonconv.contract.built_in import FROM_FILES
from nonconv.contract.findings import checks_of, findings, with_functions
from nonconv.data import DATA
from nonconv.data.continuous import UNIFORM, LogUniform, TruncatedNormal
from nonconv.data.discrete import Discrete, TwoPoint
from nonconv.data.empirical import Rows
from nonconv.formulas.constants import Constants
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.normal import normal_quantile
from nonconv.objectives.quadratic import Quadratic
from nonconv.optimizers.dialects import correction
from nonconv.schedules import BATCH_SIZES
from nonconv.schedules.batch_size import LARGEST, Power
from nonconv.schedules.learning_rate import warmed_up

MANY = settings(max_examples=200, derandomize=True, deadline=None)
LAST = 1.0 - 2.0**-52
"""The largest uniform there is; the smallest is 0."""
TABLES = {
    ("skewed", "even"): Rows(np.array([[0.0, -1.0], [1.0, 0.0], [2.0, 1.0], [7.0, 0.0]])),
    ("even",): Rows(np.array([[3.0], [5.0], [4.0], [4.0]])),
}
"""The rows of a csv by its columns."""

EXAMPLES: dict[tuple[str, str], list[Any]] = {
    ("objective", "quadratic"): [{"data": None}, {"data": None, "dim": 2, "scale": (0.5, 3.0)}],
    ("objective", "linear"): [{"data": None}, {"data": None, "dim": 2}],
    ("objective", "power"): [{"data": None, "exponent": k, "dim": 2} for k in (1.5, 2.0, 4.0, 3.7, 64.0)],
    ("objective", "double_well"): [{"data": None, "depth": 0.5}, {"data": None, "dim": 2}],
    ("objective", "huber"): [{"data": None, "delta": 0.7}, {"data": None, "dim": 2}],
    ("objective", "log_cosh"): [{"data": None}, {"data": None, "dim": 2}],
    ("objective", "toint"): [{"spacing": 0.5}, {"scale": 2.0, "dim": 3}],
    ("objective", "formula"): [
        {"loss": "(theta - x)**2 / 2 + a * cos(3 * theta)", "constants": Constants(a=2.0), "data": UNIFORM},
        {"loss": "theta**4", "dim": 2},
    ],
    ("objective", "rotated_quadratic"): [{"data": None, "dim": 3, "condition": 10.0}],
    ("objective", "joint_formula"): [
        {"loss": "(theta1 * theta2 - x1)**2 / 2 + a * x2 * theta1", "constants": Constants(a=2.0), "data": UNIFORM},
        {"loss": "(theta1 + theta2)**4"},
    ],
    ("objective", "linear_model"): [{"data": None}, {"data": None, "intercept": False}],
    ("data", "sequence"): [{"values": (10.0, -1.0, -1.0, 2.0)}, {"rows": ((1.0, 2.0), (0.5, 3.0))}],
    ("objective", "mlp"): [{"data": None}, {"data": None, "hidden": (), "weight_decay": 0.5}],
    ("dataset", "teacher"): [{"hidden": (), "outputs": 3}, {"hidden": (3, 2), "outputs": 4, "held_out": 0}],
    ("dataset", "function"): [{"inputs": 3, "low": -2.0}],
    ("dataset", "csv"): [{"file": "rows.csv", "features": ("a",), "targets": ("b",)}],
    ("start", "weights"): [{"file": "weights.npy"}],
    ("data", "two_point"): [{"low": -2.0, "high": 5.0, "p_high": 0.25}],
    ("data", "uniform"): [{"low": 3.0, "high": 3.5}],
    ("data", "log_uniform"): [
        {"low": 1e-12, "high": 0.3},
        {"low": 0.5, "high": 1e3},
        {"low": 2.0, "high": 3.0},
        {"low": 1.0, "high": 1.001},
        {"low": 1e-100, "high": 1e90},
    ],
    ("data", "discrete"): [
        {"values": (1.5,), "probabilities": (1.0,)},
        {"values": (0.0, 1.0, -1.0), "probabilities": (0.5, 0.25, 0.25)},
        {"values": (4.0, -1.0, 0.5, 9.0), "probabilities": (0.5, 0.0625, 0.25, 0.1875)},
    ],
    ("data", "normal"): [{"mean": 100.0, "std": 0.01}],
    ("data", "truncated_normal"): [
        {"low": -0.5, "high": 3.0},
        {"low": -3.0, "high": 0.5},
        {"low": 5.0, "high": 6.0},
        {"low": -6.0, "high": -5.0},
        {"low": 30.0, "high": 31.0},
        {"low": -40.0, "high": -30.0},
        {"low": -0.016, "high": 42.0},
        {"low": -1.4935075861505795, "high": 15.565900841634818, "mean": -1.4869984987076168, "std": 0.397832038631789},
        {"low": -50.0, "high": 60.0, "mean": 3.0, "std": 2.0},
        {"low": 1.0, "high": 1.001, "mean": 2.0, "std": 4.0},
    ],
    ("data", "student_t"): [{"df": 0.5}, {"df": 1.0}, {"df": 2.0}, {"df": 3.0, "loc": 1.0, "scale": 2.0}, {"df": 12.0}],
    ("data", "cauchy"): [{"loc": -2.0, "scale": 0.5}],
    ("data", "laplace"): [{"loc": 3.0, "scale": 0.1}],
    ("data", "pareto"): [{"exponent": 1.0}, {"exponent": 4.0 / 3.0}, {"exponent": 2.5, "loc": -1.0}, {"exponent": 30.0}],
    ("data", "csv"): [{"file": "rows.csv", "columns": columns} for columns in TABLES],
    ("learning_rate", "constant"): [{"value": 0.1}],
    ("learning_rate", "power"): [
        {"value": 0.1},
        {"value": 2.0, "exponent": 1.0, "shift": 9.0},
        {"value": 2.0, "exponent": 0.0},
    ],
    ("learning_rate", "asymptotically_constant"): [
        {"value": 1.0, "limit": 0.25},
        {"value": 0.1, "limit": 2.0, "exponent": 2.0},
    ],
    ("learning_rate", "exponential"): [{"value": 1.0, "factor": 0.5}, {"value": 1.0, "factor": 0.5, "steps": 10.0}],
    ("learning_rate", "step"): [{"value": 1.0, "every": 10}],
    ("learning_rate", "cosine"): [{"value": 1.0, "steps": 12}, {"value": 1.0, "steps": 1, "final": 0.25}],
    ("learning_rate", "cyclic"): [{"low": 0.25, "high": 1.0, "period": 6}, {"low": 0.0, "high": 1.0, "period": 3}],
    ("learning_rate", "piecewise"): [{"values": (1.0, 0.5, 0.25), "until": (10, 20)}, {"values": (0.5,), "until": ()}],
    ("decay", "piecewise"): [{"values": (0.5, 0.9), "until": (20,)}],
    ("quantity", "quantile"): [{"level": 0.25}],
    ("quantity", "violations"): [{"of": "regret", "bound": "2 * sqrt(n)"}, {"of": "error", "bound": "1", "side": "lower"}],
    ("quantity", "first_passage"): [{"level": 0.1}, {"level": 2.0, "of": "excess_risk"}],
    ("learning_rate", "formula"): [
        {"value": "a / sqrt(n + 10)", "constants": Constants(a=0.1)},
        {"value": "0.1 + 0.05 * mod(n, 4)"},
        {"value": "0.1 * n / (n + 10)"},
    ],
    ("drift", "linear"): [{"speed": 0.5}],
    ("drift", "sine"): [{"amplitude": 0.5, "period": 10}],
    ("drift", "power"): [{"value": 1.0, "exponent": 0.5}],
    ("drift", "piecewise"): [{"values": (1.0, -0.5), "until": (10,)}],
    ("drift", "formula"): [{"value": "a * log(n) - 1", "constants": Constants(a=0.1)}],
    ("decay", "formula"): [{"value": "1 - a / n", "constants": Constants(a=0.9)}, {"value": "0.5 + 0.1 * mod(n, 4)"}],
    ("batch_size", "formula"): [{"value": "ceil(sqrt(n))"}, {"value": "1 + mod(n, 4)"}],
    ("batch_size", "constant"): [{"value": 32}],
    ("batch_size", "power"): [
        {"value": 0.3, "exponent": 1.0},
        {"value": 2.5, "exponent": 0.0},
        {"exponent": 40.0, "largest": 64},
    ],
    ("batch_size", "piecewise"): [{"values": (1, 8, 3), "until": (10, 20)}],
}
"""Parameters besides the defaults, or where a component has none."""


def options(annotation: Any) -> tuple[Any, ...]:
    """The values of a parameter that is a choice; none when it is a number."""
    core, _ = bare(annotation)
    if get_origin(core) is Literal:
        return get_args(core)
    return (True, False) if core is bool else ()


def choices(component: Component) -> Iterator[dict[str, Any]]:
    """Every combination of the parameters that are choices."""
    names = [p.name for p in parameters_of(component.parameters) if options(p.annotation)]
    values = [options(p.annotation) for p in parameters_of(component.parameters) if options(p.annotation)]
    yield from (dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*values))


def examples(kind: str, component: Component) -> list[Any]:
    """The combinations that are allowed."""
    return [h for h in combinations(kind, component) if not component.check(h)]


def combinations(kind: str, component: Component) -> list[Any]:
    """Its defaults, if it has them, and its examples, in every combination of its choices, allowed or not."""
    given = EXAMPLES.get(("data" if kind == "start" and component.name in DATA else kind, component.name), [])
    required = any(p.required for p in parameters_of(component.parameters))
    bases: list[dict[str, Any]] = [*given] if required else [{}, *given]
    return [component.parameters(**(base | chosen)) for base in bases for chosen in choices(component)]


def registered(*kinds: str) -> pytest.MarkDecorator:
    """Parametrises a test by every component of the kinds."""
    cases = [pytest.param(kind, BUILT_IN[kind][name], id=f"{kind}-{name}") for kind in kinds for name in BUILT_IN[kind]]
    return pytest.mark.parametrize(("kind", "component"), cases)


def with_examples(*kinds: str, where: Callable[[Any], bool] = lambda component: True) -> pytest.MarkDecorator:
    """Parametrises a test by every example of every component of the kinds for which it makes sense."""
    cases = [
        pytest.param(component, h, id=f"{component.name}-{number}")
        for kind in kinds
        for component in filter(where, BUILT_IN[kind].values())
        for number, h in enumerate(examples(kind, component))
    ]
    return pytest.mark.parametrize(("component", "h"), cases)


# Every component


@registered(*BUILT_IN)
def test_names_and_texts(kind: str, component: Component) -> None:
    assert BUILT_IN[kind][component.name] is component
    assert component.name.isidentifier()
    assert component.name == component.name.lower()
    assert component.paper
    assert len(component.summary) > 10
    assert not component.summary.startswith(component.parameters.__name__ + "("), "a NamedTuple's generated docstring"


@registered(*BUILT_IN)
def test_has_an_example(kind: str, component: Component) -> None:
    """At least one of the examples is allowed, and a combination that is not says which parameter is at fault."""
    assert examples(kind, component)
    names = {p.name for p in parameters_of(component.parameters)}
    complaints = [complaint for h in combinations(kind, component) for complaint in component.check(h)]
    assert all(complaint.parameter in names and complaint.message for complaint in complaints)


COMPILED = {
    "optimizer": ("sgd", "adam"),
    "data": ("two_point", "discrete", "normal"),
    "dataset": ("function",),
}
"""Of what takes a kernel each, a few: the engines' own tests compare all of them, over more steps."""
OURS = [
    pytest.param(kind, component, id=f"{kind}-{component.name}")
    for kind in BUILT_IN
    for component in BUILT_IN[kind].values()
    if (kind != "start" or component not in DATA.values()) and not component.defaults  # presets run as what they stand for
]


@pytest.mark.parametrize(("kind", "component"), OURS)
def test_contract(kind: str, component: Component, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the parameters that `explain --test` finds. Of fewer steps and samples: moments have an oracle of their own."""
    monkeypatch.setattr(programs, "STEPS", 60)
    monkeypatch.setattr(of_data, "SAMPLES", 2**14)
    # Slow checks see another value of each parameter, and two formulas; `explain --test` sees more.
    most = 2 if component.name == "formula" else 1 + len(parameters_of(component.parameters)) if kind in COMPILED else None
    compiled = component.name in COMPILED.get(kind, (component.name,)) and component not in FROM_FILES
    found = list(findings(kind, component, leave_out="" if compiled else "compiled", most_usual=most))
    assert [finding for finding in found if finding.reasons] == []
    assert not compiled or [finding.check for finding in found[2:] if not finding.skipped] == list(checks_of(kind, component))


ELSEWHERE = ("objective", "dataset", "start", "quantity")
assert BUILT_IN.keys() >= {*COMPILED, *ELSEWHERE}


def has_dialects(kind: Any, component: Any) -> bool:
    """Whether there is more to check than `test_contract` has."""
    return (kind, component.name) in EXAMPLES or any(options(p.annotation) for p in parameters_of(component.parameters))


@pytest.mark.parametrize(
    ("kind", "component"), [case for case in OURS if case.values[0] not in ELSEWHERE and has_dialects(*case.values)]
)
def test_contract_of_every_dialect(kind: str, component: Component, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every combination of choices, of whatever has no data of its own; `test_contract` varies what is no choice."""
    monkeypatch.setattr(of_data, "SAMPLES", 2**14)
    # A config leaves out what it does not want: null is no value of a list.
    dialects = [{name: value for name, value in h._asdict().items() if value is not None} for h in examples(kind, component)]
    offered = [] if component in FROM_FILES else dialects
    found = list(findings(kind, component, offered, leave_out="compiled", vary=False))
    assert [finding for finding in found if finding.reasons] == []


def test_the_reference_is_written_from_them() -> None:
    """docs/components.md: make docs."""
    docs = Path(__file__).parents[1] / "docs"
    assert docs.joinpath("components.md").read_text(encoding="utf-8") == run_path(str(docs / "components.py"))["page"]()


# Optimizers

GRADIENTS = np.array([-3.0, -1e-3, 0.5, 1.0, 2.0, 1e4])


def walk(optimizer: Optimizer, h: Any, gradients: Array | float, steps: int = 5) -> list[Any]:
    """Directions for gradients that change sign and size from step to step."""
    n = np.arange(1.0, steps + 1.0)
    columns, state, found = optimizer.coefficients(h, n, np.full_like(n, 0.1)), optimizer.start(h), []
    for t in range(steps):
        per_step = optimizer.per_step(*(float(column[t]) for column in columns))
        direction, state = optimizer.update(per_step, state, gradients * (-0.75) ** t)
        found.append(direction)
    return found


LATER = {"adopt": 2}
"""The step that moves first, where it is not step 1."""


@with_examples("optimizer")
def test_first_step_goes_downhill(component: Optimizer, h: Any) -> None:
    """And a method without a gradient stays, unless it has nothing to divide by, or starts with an average of its own."""
    rule, first = component.form(h) or component, LATER.get(component.name, 1)
    *before, directions = walk(rule, h, GRADIENTS, steps=first)
    assert not np.any(before)
    assert np.array_equal(np.sign(directions), np.sign(GRADIENTS) * (-1) ** (first - 1))
    if component.name != "yogi":
        assert np.array_equal(walk(rule, h, np.zeros(3)), np.zeros((5, 3)))


# Data


def engine_parameters(distribution: Distribution, h: Any) -> Any:
    """What the law and the sampler take: of a csv its rows, of the others their own parameters."""
    return TABLES[h.columns] if distribution.name == "csv" else h


def dim_of(distribution: Distribution, h: Any) -> int:
    return distribution.dim(h) or 3


def coordinate(distribution: Distribution, h: Any, j: int = 0) -> Any:
    constants = distribution.prepare(engine_parameters(distribution, h), dim_of(distribution, h))
    return distribution.constants(*(field[j] for field in constants))


def middles(cells: int) -> Array:
    """The middles of equal parts of [0, 1)."""
    return (np.arange(cells) + 0.5) / cells


FINE = middles(2**12)
EVERY = np.arange(2**12) / 2**12
"""Uniforms that stand for all of a discrete example, whose values lie on half-open intervals as long as some k / 2**12."""
HEAVY = ("student_t", "cauchy", "laplace", "pareto")
"""Laws of tests/test_heavy_tails.py, of which some moments do not exist."""
DISCRETE_LAWS = ("two_point", "rademacher", "discrete", "csv", "sequence")


def moments_of(distribution: Distribution, h: Any, j: int) -> tuple[float, float, float]:
    """Mean, variance and third central moment without the law: by enumeration, scipy.stats or quadrature."""
    if distribution.name in DISCRETE_LAWS:
        x = distribution.sample(coordinate(distribution, h, j), EVERY)
        return x.mean(), ((x - x.mean()) ** 2).mean(), ((x - x.mean()) ** 3).mean()
    if distribution.name == "truncated_normal":
        return truncated_moments(h)
    if distribution.name == "log_uniform":
        return log_uniform_moments(h)
    mean, variance, skewness = like_in_scipy(distribution, h).stats("mvs")
    return float(mean), float(variance), float(skewness * variance**1.5)


def like_in_scipy(distribution: Distribution, h: Any) -> Any:
    """The same law in scipy.stats."""
    if distribution.name == "uniform":
        return stats.uniform(h.low, h.high - h.low)
    if distribution.name == "normal":
        return stats.norm(h.mean, h.std)
    if distribution.name == "log_uniform":
        return stats.loguniform(h.low, h.high)
    if distribution.name in HEAVY:
        return heavy_in_scipy(h)
    assert distribution.name == "truncated_normal", "a new continuous law needs its like in scipy.stats here"
    return stats.truncnorm((h.low - h.mean) / h.std, (h.high - h.mean) / h.std, loc=h.mean, scale=h.std)


def truncated_moments(h: TruncatedNormal) -> tuple[float, float, float]:
    """By 20 Gauss points on each of 400 short pieces around the mode; truncnorm.stats loses nine digits in the tails."""
    a, b = (h.low - h.mean) / h.std, (h.high - h.mean) / h.std
    mode = min(max(0.0, a), b)
    edges = np.clip(np.linspace(-40.0, 40.0, 401) / (1.0 + abs(mode)), a - mode, b - mode)
    node, weight = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges)[:, None] / 2.0
    z = edges[:-1, None] + half + half * node
    mass = half * weight * np.exp(-z * (z + 2.0 * mode) / 2.0)
    mass /= mass.sum()
    mean = float((mass * z).sum())
    second, third = (float(h.std**k * (mass * (z - mean) ** k).sum()) for k in (2, 3))
    return h.mean + h.std * (mode + mean), second, third


def log_uniform_moments(h: LogUniform) -> tuple[float, float, float]:
    """By 20 Gauss points on each of 400 pieces of the logarithm; expm1, so that nothing cancels on a narrow support."""
    edges = np.linspace(0.0, math.log1p((h.high - h.low) / h.low), 401)
    node, weight = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges)[:, None] / 2.0
    rise, mass = np.expm1(edges[:-1, None] + half + half * node), half * weight
    mass /= mass.sum()
    if h.sign == "both":
        return 0.0, float((mass * (h.low + h.low * rise) ** 2).sum()), 0.0
    mean = float((mass * rise).sum())
    second, third = (float((mass * (h.low * (rise - mean)) ** k).sum()) for k in (2, 3))
    mirror = 1.0 if h.sign == "positive" else -1.0
    return mirror * (h.low + h.low * mean), second, mirror * third


def central_moments(distribution: Distribution, h: Any, j: int) -> tuple[float, float]:
    """The fourth and eighth central moment without the law, in units of the standard deviation: by enumeration or quadrature.

    Each of the intervals that halve towards 0, 1/2 and 1 has a Gauss rule for the quantile function, which is steep there.
    """
    k = coordinate(distribution, h, j)
    if distribution.name in DISCRETE_LAWS:
        x, weights = np.asarray(distribution.sample(k, EVERY)), np.full(len(EVERY), 1.0 / len(EVERY))
    else:
        nodes, weights = np.polynomial.legendre.leggauss(32)
        halves = 0.5 ** np.arange(40.0, 1.0, -1.0)
        ends = np.concatenate([[0.0], halves, 0.5 - halves[-2::-1], [0.5]])
        low, width = ends[:-1, None], np.diff(ends)[:, None]
        u, weights = (low + width * (1.0 + nodes) / 2.0).ravel(), np.tile((width * weights / 2.0).ravel(), 2)
        x = np.concatenate([distribution.sample(k, u), distribution.sample(k, 1.0 - u)])
    weights = weights / weights.sum()
    x = x - weights @ x
    x = x / (np.sqrt(weights @ x**2) or 1.0)
    return float(weights @ x**4), float(weights @ x**8)


@with_examples("data", where=lambda component: component.name not in HEAVY)
def test_tails_of_the_law(component: Distribution, h: Any) -> None:
    """Kurtosis and tail share; of a bounded law also the bounds that stand in where it does not state them."""
    law = component.law(engine_parameters(component, h), dim_of(component, h))
    assert law.finite_moments == math.inf
    bare = law._replace(fourth=None, tail_share=None, moments=math.nan)
    for j in np.flatnonzero(law.variance > 0.0).tolist():
        fourth, eighth = central_moments(component, h, j)
        if math.isfinite(law.arrays()["fourth"][j]):  # of data of 1e90 it leaves the doubles, and the bound stands in
            assert law.largest_kurtosis[j] == pytest.approx(fourth, rel=1e-8)
        assert law.least_tail_share[j] == pytest.approx(fourth**2 / eighth, rel=1e-6)
        if law.bounded:
            assert bare.largest_kurtosis[j] >= fourth * (1.0 - 1e-6)
            assert bare.least_tail_share[j] <= fourth**2 / eighth * (1.0 + 1e-6)
        else:
            assert np.isnan(bare.largest_kurtosis[j])
            assert np.isnan(bare.least_tail_share[j])


@with_examples("data", where=lambda component: component.name not in HEAVY)
def test_moments_of_the_law(component: Distribution, h: Any) -> None:
    law = component.law(engine_parameters(component, h), dim_of(component, h))
    for j in range(dim_of(component, h)):
        mean, variance, third = moments_of(component, h, j)
        assert law.mean[j] == pytest.approx(mean, rel=1e-12, abs=1e-12 * math.sqrt(variance))
        assert law.variance[j] == pytest.approx(variance, rel=1e-12)
        assert law.third_central[j] == pytest.approx(third, rel=1e-12, abs=1e-12 * variance**1.5)


CONTINUOUS = [
    pytest.param(component, h, id=f"{component.name}-{number}")
    for component in DATA.values()
    if component.name not in DISCRETE_LAWS
    for number, h in enumerate(examples("data", component))
    if getattr(h, "sign", "positive") == "positive"
]


@pytest.mark.parametrize(("component", "h"), CONTINUOUS)
def test_sample_inverts_the_distribution_function(component: Distribution, h: Any) -> None:
    """F(sample(u)) = u, or 1 - u where the sampler is mirrored; to 2e-12, the error of scipy's F in the far tails."""
    u = np.concatenate([[0.0, 2.0**-52, 1e-9, 1e-3], middles(200), [0.999, 1 - 1e-9, LAST]])
    x = component.sample(coordinate(component, h), u)
    seen = like_in_scipy(component, h).cdf(x)
    assert np.abs(seen - (u if x[-1] > x[0] else 1.0 - u)).max() < 2e-12


SIGNS: tuple[Literal["both", "positive", "negative"], ...] = ("both", "positive", "negative")


def test_signs_of_log_uniform() -> None:
    """Negative mirrors positive; both are the one below 1/2 and the other from there on."""
    distribution = DATA["log_uniform"]
    assert isinstance(distribution, Distribution)
    both, positive, negative = (coordinate(distribution, LogUniform(1e-12, 0.3, sign)) for sign in SIGNS)
    u = np.concatenate([[0.0, 2.0**-52], FINE, [0.5 - 2.0**-52, 0.5, LAST]])
    assert np.array_equal(distribution.sample(negative, u), -distribution.sample(positive, u))
    one_sided = np.where(u < 0.5, -1.0, 1.0) * distribution.sample(positive, 2.0 * u % 1.0)
    assert np.array_equal(distribution.sample(both, u), one_sided)


@with_examples("data")
def test_symmetric_flag(component: Distribution, h: Any) -> None:
    """It says whether the quantiles, and the ends of the support, mirror each other around the mean."""
    law = component.law(engine_parameters(component, h), dim_of(component, h))
    gaps = []
    for j in range(dim_of(component, h)):
        ends = [law.low[j], law.high[j]] if law.bounded else []
        x = np.sort(np.concatenate([component.sample(coordinate(component, h, j), FINE), ends])) - law.middle[j]
        gaps.append(np.abs(x + x[::-1]).max() / (1e3 * np.abs(x).max() if component.name in HEAVY else 1.0))
    assert law.symmetric == (max(gaps) <= 1e-12 * (1.0 + np.abs(law.middle).max()))
    assert not law.symmetric or np.all((law.third_central == 0.0) | (law.moments <= 3.0))


@pytest.mark.parametrize("name", ["two_point", "uniform", "normal", "truncated_normal"])
def test_bounded_flag(name: str) -> None:
    distribution = DATA[name]
    assert isinstance(distribution, Distribution)
    assert distribution.law(distribution.parameters(), 2).bounded == (name != "normal")


tenths = st.integers(-100, 100).map(lambda k: k / 10)
exponents = st.floats(-6, 2).map(lambda e: 10.0**e)


@MANY
@given(low=st.one_of(tenths, st.floats(-1e3, 1e3)), width=exponents, mean=tenths, std=exponents)
def test_truncated_normal_keeps_its_support(low: float, width: float, mean: float, std: float) -> None:
    """And is monotone but for the 8 ulp of the normal quantile at either end of a step."""
    h = TruncatedNormal(low, low + width, mean, std)
    distribution = DATA["truncated_normal"]
    assert isinstance(distribution, Distribution)
    assume(not distribution.check(h))
    x = distribution.sample(coordinate(distribution, h), np.array([0.0, 2.0**-52, 0.25, 0.5, 0.75, LAST - 2.0**-52, LAST]))
    steps, wobble = np.diff(x), 32 * 2.0**-53 * np.abs(x - mean).max() + np.spacing(np.abs(x).max())
    assert np.all((h.low <= x) & (x <= h.high))
    assert np.all(steps >= -wobble) or np.all(steps <= wobble)


@MANY
@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-300, 1e6))
def test_uniform_keeps_its_support(low: float, width: float) -> None:
    assume(low + width > low)
    distribution = DATA["uniform"]
    assert isinstance(distribution, Distribution)
    h = distribution.parameters(low, low + width)
    x = distribution.sample(coordinate(distribution, h), np.array([0.0, 0.5, LAST]))
    assert np.all((h.low <= x) & (x <= h.high))


@MANY
@given(low=st.floats(-300, 299.0).map(lambda e: 10.0**e), orders=exponents, sign=st.sampled_from(SIGNS))
def test_log_uniform_keeps_its_support(low: float, orders: float, sign: Literal["both", "positive", "negative"]) -> None:
    h = LogUniform(low, min(low * 10.0**orders, 1e300), sign)
    distribution = DATA["log_uniform"]
    assert isinstance(distribution, Distribution)
    assume(not distribution.check(h))
    size = np.abs(distribution.sample(coordinate(distribution, h), np.array([0.0, 2.0**-52, 0.49, 0.5, 0.9, LAST])))
    assert np.all((h.low <= size) & (size <= h.high))


def masses(weights: list[int]) -> tuple[list[Fraction], list[Fraction]]:
    """Of a law on 0, 1, 2, ...: the probabilities asked for, and those of the alias table, cell by cell."""
    total, size = sum(weights), len(weights)
    h = Discrete(tuple(float(k) for k in range(size)), tuple(weight / total for weight in weights))
    distribution = DATA["discrete"]
    assert isinstance(distribution, Distribution)
    k = coordinate(distribution, h)
    found = [Fraction(0)] * size
    for cell, keep in enumerate(k.keep.tolist()):
        found[int(k.values[2 * cell])] += Fraction(keep) / size
        found[int(k.values[2 * cell + 1])] += (1 - Fraction(keep)) / size
    return [Fraction(weight, total) for weight in weights], found


@MANY
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_alias_table_to_rounding(weights: list[int]) -> None:
    asked, found = masses(weights)
    assert max(abs(a - b) for a, b in zip(asked, found, strict=True)) < 1e-15


@MANY
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_alias_table_is_exact(weights: list[int]) -> None:
    """No error at all where the probabilities are multiples of a power of two."""
    total = sum(weights)
    asked, found = masses([*weights, 2 ** total.bit_length() - total])
    assert asked == found


def test_normal_quantile() -> None:
    """Within 8 ulp of scipy's over all of (0, 1), and odd around 1/2."""
    generator = np.random.default_rng(1)
    tails = 2.0 ** -generator.uniform(1.0, 1000.0, 100_000)
    ends = np.array([2.0**-53, 2.0**-52, 1e-290, 0.075, np.nextafter(0.075, 0.0), math.exp(-25.0), 0.25, 0.5])
    p = np.concatenate([generator.random(100_000), tails, ends])
    on_grid = np.ceil(np.concatenate([generator.random(10_000), ends[:2]]) * 2.0**53) * 2.0**-53
    assert ulps(normal_quantile(p), special.ndtri(p)) <= 8
    assert np.array_equal(normal_quantile(1.0 - on_grid), -normal_quantile(on_grid))
    assert normal_quantile(np.array([0.5]))[0] == 0.0


def quantile_error(p: Array, z: Array) -> float:
    """How far z is from the normal quantile of p, in ulp: by a step of Newton's in wider arithmetic.

    The law's mass between 0 and |z| by its series, which has no negative terms; beyond |z| by Laplace's continued fraction.
    """
    a = np.abs(z).astype(np.longdouble)
    density = np.exp(-a * a / 2) / np.sqrt(2 * np.arccos(np.longdouble(-1.0)))
    term = inside = near = np.minimum(a, 1.5)
    for n in range(1, 40):
        term = term * near * near / (2 * n + 1)
        inside = inside + term
    far = beyond = np.maximum(a, 1.0)
    for n in range(300, 0, -1):
        beyond = far + n / beyond
    off = np.where(a < 1.4, inside - np.abs(p - 0.5) / density, np.minimum(p, 1.0 - p) / density - 1 / beyond)
    return float(np.max(np.abs(off) / np.spacing(np.abs(z))))


@pytest.mark.slow
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="a long double is no wider than a double here")
def test_normal_quantile_errs_by_as_little_as_it_says() -> None:
    """8 ulp; negative control: ten more."""
    generator = np.random.default_rng(2)
    tails = 2.0 ** -generator.uniform(1.0, 1000.0, 50_000)
    near_half = 0.5 + 2.0 ** -generator.uniform(2.0, 50.0, 10_000)
    p = np.concatenate([generator.random(100_000) + 2.0**-53, tails, near_half, [2.0**-53, 1.0 - 2.0**-53]])
    z = normal_quantile(p)
    assert 3.0 < quantile_error(p, z) < 8.0
    assert quantile_error(p, z * (1.0 + 10.0 * 2.0**-52)) > 8.0


# Objectives

POINTS = np.array([-2.0, -0.5, 0.0, 0.75, 3.0])
SKEWED = TwoPoint(low=-1.0, high=4.0, p_high=0.25)


def separable(component: Any) -> bool:
    return isinstance(component, Objective)


def constants_of(objective: Objective, h: Any, j: int = 0) -> Any:
    return objective.constants(*(field[j] for field in objective.prepare(h, h.dim)))


@with_examples("objective", where=lambda objective: objective.name in ("quadratic", "linear", "double_well"))
def test_gradient_is_the_derivative_of_the_loss(component: Objective, h: Any) -> None:
    """By the complex step, which is exact to rounding; losses of |theta| are not for it (test_objectives)."""
    for j in range(h.dim):
        k = constants_of(component, h, j)
        derivative = np.imag(component.loss(k, POINTS + 1e-30j, 0.25)) / 1e-30
        assert component.gradient(k, POINTS, 0.25) == pytest.approx(derivative, rel=1e-15, abs=1e-15)


@with_examples("objective", where=separable)
def test_objective_is_the_same_on_floats_and_arrays(component: Objective, h: Any) -> None:
    component, h = with_functions(component, h)  # type: ignore[assignment]  # an objective's are an objective
    k = constants_of(component, h)
    for function in (component.loss, component.gradient):
        with np.errstate(all="ignore"):  # both branches of a choice are computed
            # A gradient that does not depend on theta is one number.
            found = np.broadcast_to(function(k, POINTS, 0.3), POINTS.shape).tolist()
            assert found == [function(k, np.float64(theta), 0.3) for theta in POINTS.tolist()]


def test_quadratic_of_a_scale() -> None:
    """Scale s has curvature 2s: one number for all coordinates, or one for each."""
    objective = BUILT_IN["objective"]["quadratic"]
    assert isinstance(objective, Objective)
    assert objective.prepare(Quadratic(None), 3).scale.tolist() == [1.0, 1.0, 1.0]
    assert objective.prepare(Quadratic(None, 2, (0.5, 3.0)), 2).scale.tolist() == [0.5, 3.0]
    assert objective.gradient(constants_of(objective, Quadratic(None, 2, (0.5, 3.0)), 1), 2.0, 1.5) == 3.0


# Networks and what they learn from


@with_examples("start", where=lambda component: isinstance(component, Initialisation))
def test_variance_of_weights(component: Initialisation, h: Any) -> None:
    """PyTorch's kaiming and xavier initialisations, and LeCun's: 2 / i, 2 / (i + o), 1 / i, before the gain."""
    expected = {"he": (2.0, 0.5), "glorot": (1.0, 0.25), "lecun": (1.0, 0.25)}[component.name]
    assert [component.variance(i, o) for i, o in ((1, 1), (4, 4))] == list(expected)
    assert component.variance(3, 5) == (2.0 / 8.0 if component.name == "glorot" else expected[0] / 3.0)
    assert (h.law in ("normal", "uniform"), h.gain) == (True, 1.0)


# Schedules


def triangle(h: Any, n: int) -> float:
    """The share of the way from low to high and back."""
    share = (n - 1) % h.period / h.period
    return float(h.low + (h.high - h.low) * (2 * share if share < 0.5 else 2 * (1 - share)))


def piece(h: Any, n: int) -> float:
    return float(next(value for value, until in zip(h.values, [*h.until, math.inf], strict=True) if n <= until))


def half_cosine(h: Any, n: int) -> float:
    return float(h.final + (h.value - h.final) * (1 + math.cos(math.pi * min(1, (n - 1) / h.steps))) / 2)


def smallest_size(h: Any, n: int) -> float:
    """The smallest whole s with s^q >= value^q n^p where exponent = p / q: in whole numbers, without rounding."""
    exponent, value = Fraction(h.exponent).limit_denominator(12), Fraction(str(h.value))
    p, q = exponent.numerator, exponent.denominator
    target = value**q * n**p
    low, high = 0, h.largest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle**q >= target else (middle, high)
    return float(high)


FORMULAS: dict[tuple[str, str], Callable[[Any, int], float]] = {
    ("learning_rate", "constant"): lambda h, n: h.value,
    ("learning_rate", "power"): lambda h, n: h.value / (n + h.shift) ** h.exponent,
    ("learning_rate", "asymptotically_constant"): lambda h, n: h.limit + (h.value - h.limit) / n**h.exponent,
    ("learning_rate", "exponential"): lambda h, n: h.value * math.exp(math.log(h.factor) * (n - 1) / h.steps),
    ("learning_rate", "step"): lambda h, n: h.value * math.prod([h.factor] * ((n - 1) // h.every)),
    ("learning_rate", "cosine"): half_cosine,
    ("learning_rate", "cyclic"): triangle,
    ("learning_rate", "piecewise"): piece,
    ("learning_rate", "formula"): lambda h, n: {
        "a / sqrt(n + 10)": 0.1 / math.sqrt(n + 10),
        "0.1 + 0.05 * mod(n, 4)": 0.1 + 0.05 * (n % 4),
        "0.1 * n / (n + 10)": 0.1 * n / (n + 10),
    }[h.value],
    ("batch_size", "formula"): lambda h, n: {"ceil(sqrt(n))": math.ceil(math.sqrt(n)), "1 + mod(n, 4)": 1 + n % 4}[h.value],
    ("batch_size", "constant"): lambda h, n: h.value,
    ("batch_size", "power"): smallest_size,
    ("batch_size", "piecewise"): piece,
}
"""Every schedule once more, a step at a time, in plain Python."""


@registered("learning_rate", "batch_size")
def test_closed_form(kind: str, component: Schedule) -> None:
    n = np.arange(1, 61)
    for h in examples(kind, component):
        expected = [FORMULAS[kind, component.name](h, int(step)) for step in n]
        assert component.value(h, n.astype(float)) == pytest.approx(expected, rel=0 if kind == "batch_size" else 1e-14)


@with_examples("learning_rate", "batch_size")
def test_limits(component: Schedule, h: Any) -> None:
    """The least and the largest value around step 1e15 are the limits, or large where these are infinite."""
    far = component.value(h, 1e15 + np.arange(5040.0))
    for limit, seen in zip(component.limits(h), (far.min(), far.max()), strict=True):
        assert seen > 1e6 if math.isinf(limit) else seen == pytest.approx(limit, abs=1e-6)


def batch(value: float, exponent: float, n: Array, largest: int = LARGEST) -> Array:
    schedule = BATCH_SIZES["power"]
    assert isinstance(schedule, Schedule)
    return schedule.value(Power(value, exponent, largest), n)


@pytest.mark.parametrize(("root", "most"), [(1, 10**6), (2, 46340), (3, 1290), (4, 215), (5, 73), (10, 8)])
def test_whole_powers_are_not_raised_by_rounding(root: int, most: int) -> None:
    """The batch at n = m^root with exponent 1/root is m, and one more at the next step."""
    m = np.unique(np.geomspace(2, most, 3000).astype(int)).astype(float)
    assert np.array_equal(batch(1.0, 1.0 / root, m**root), m)
    assert np.array_equal(batch(1.0, 1.0 / root, m**root + 1.0), m + 1.0)


ROOTS = [Fraction(0), Fraction(1, 4), Fraction(1, 3), Fraction(1, 2), Fraction(2, 3), Fraction(1), Fraction(3, 2)]


@MANY
@given(st.integers(1, 100), st.sampled_from(ROOTS), st.integers(1, 1000), st.sampled_from([1, 7, 100, LARGEST]))
def test_power_is_the_smallest_whole_number_above(value: int, exponent: Fraction, n: int, largest: int) -> None:
    found = batch(value / 10, float(exponent), np.array([float(n)]), largest)[0]
    assert found == smallest_size(Power(value / 10, float(exponent), largest), n)


@MANY
@given(st.floats(1e-3, 1e3), st.floats(0.0, 300.0), st.integers(1, LARGEST))
def test_power_grows_and_stays_in_range(value: float, exponent: float, largest: int) -> None:
    """Also where n^exponent is beyond the range of doubles."""
    sizes = batch(value, exponent, np.concatenate([np.arange(1.0, 50.0), 10.0 ** np.arange(2, 13)]), largest)
    assert np.all(np.diff(sizes) >= 0)
    assert sizes.min() >= 1
    assert sizes.max() <= largest


class Warmup(NamedTuple):
    """A warm-up's length and what step n keeps of the rate."""

    steps: int
    share: list[float]


@pytest.mark.parametrize("warmup", [Warmup(0, [1, 1, 1, 1, 1]), Warmup(1, [1, 1, 1, 1, 1]), Warmup(4, [0.25, 0.5, 0.75, 1, 1])])
def test_warmup(warmup: Warmup) -> None:
    rate = np.array([8.0, 7.0, 6.0, 5.0, 4.0])
    assert warmed_up(rate, warmup.steps, np.arange(1.0, 6.0)).tolist() == (rate * warmup.share).tolist()


@MANY
@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_warmup_rises_to_the_schedule(warmup: int, n: int) -> None:
    found = warmed_up(np.array([2.0]), warmup, np.array([float(n)]))[0]
    assert found == pytest.approx(2.0 * min(1.0, n / warmup), rel=1e-15)


@pytest.mark.parametrize("beta", [0.0, 1e-300, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-6, 1 - 1e-12, np.nextafter(1.0, 0.0)])
@pytest.mark.parametrize("first", [1, 33, 8193])
def test_corrections_are_exact_where_powers_are_not_taken(beta: float, first: int) -> None:
    """Also if a slice lies on both sides of where beta^n is forgotten."""
    n = np.arange(first, first + 500, dtype=np.float64)
    with np.errstate(under="ignore"):
        assert np.array_equal(correction(beta, True, n), 1.0 / (1.0 - np.power(beta, n)))
        assert np.array_equal(correction(beta, True, n[::-1]), correction(beta, True, n)[::-1])
    assert np.array_equal(correction(beta, False, n), np.ones(500))
