"""What networks learn from: laws against their formulas, tables against their files, kernels against NumPy.

A statistical comparison fails beyond 4 standard errors, which happens to a right program in 6e-5 of all comparisons;
seeds are fixed. Each has a control: the same numbers against a wrong value, which must fail.
"""

import hashlib
import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit
from scipy import special, stats

import nonconv
from nonconv.components.definitions import Dataset, Shape, Unusable
from nonconv.datasets import DATASETS
from nonconv.datasets.function import FUNCTION, Function
from nonconv.datasets.table import CSV, DIABETES, DIGITS, Csv, Diabetes, Digits, Table, count_classes, shipped, split
from nonconv.datasets.teacher import TEACHER, Teacher
from nonconv.engine.compiler import definition
from nonconv.numerics import rng
from nonconv.numerics.arithmetic import Array

WIDTH = 4.0
MANY = 100_000
LAST = 1.0 - 2.0**-52
"""The largest uniform there is; the smallest is 0."""
FORMULA: dict[str, Callable[[Array], Array]] = {
    "relu": lambda z: np.maximum(z, 0.0),
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "identity": lambda z: z,
}
LAWS: dict[str, Any] = {"uniform": stats.uniform(-math.sqrt(3.0), 2.0 * math.sqrt(3.0)), "normal": stats.norm}
FILES = Path(nonconv.__file__).parent / "datasets" / "data"


def uniforms(draws: int, n: int, seed: int = 1) -> Array:
    return rng.uniforms(rng.key(seed, "examples"), 0, draws, 0, n)


@cache
def callable_from_python(kernel: Any) -> Any:
    """What kernels call has no entry for Python. Compiled once for all examples of a law."""

    def entry(k: Any, n: int, u: Array, x: Array, y: Array) -> None:
        kernel(k, n, u, x, y)

    return njit(error_model="numpy")(entry)


def drawn(component: Dataset, h: Any, n: int, u: Array | None = None, compiled: bool = False) -> tuple[Array, Array]:
    """n examples: features (features, n) and targets (targets, n)."""
    shape = component.shape(h)
    x, y = np.full((shape.features, n), np.nan), np.full((shape.targets, n), np.nan)
    function = callable_from_python(definition(component.sample)) if compiled else component.sample
    function(component.prepare(h), n, uniforms(component.draws(h), n) if u is None else u.copy(), x, y)
    return x, y


def near(values: Array, expected: float) -> bool:
    """Whether the mean of independent values is within WIDTH standard errors of what is expected."""
    return bool(abs(values.mean() - expected) <= WIDTH * values.std() / math.sqrt(len(values)))


# Laws


@pytest.mark.parametrize(
    ("component", "h"), [(TEACHER, Teacher(low=-3.0, high=0.5)), (FUNCTION, Function(3, low=-3.0, high=0.5))]
)
def test_features_are_uniform(component: Dataset, h: Any) -> None:
    x, _ = drawn(component, h, MANY)
    assert all(stats.kstest(x_j, stats.uniform(-3.0, 3.5).cdf).pvalue > 1e-4 for x_j in x)
    assert stats.kstest(x[0], stats.uniform(-3.0, 3.6).cdf).pvalue < 1e-4
    assert near((x[0] + 1.25) * (x[1] + 1.25), 0.0)
    assert not near(x[0] * x[1], 0.0)


@pytest.mark.parametrize("law", ["uniform", "normal"])
@pytest.mark.parametrize(("component", "h"), [(TEACHER, Teacher(outputs=2)), (FUNCTION, Function(of="polynomial"))])
def test_noise_has_mean_0_and_variance_1(component: Dataset, h: Any, law: str) -> None:
    """2 comparisons and 1 control for each output."""
    h = h._replace(noise=0.25, noise_law=law)
    exact = drawn(component, h._replace(noise=0.0), MANY)[1]
    for e in (drawn(component, h, MANY)[1] - exact) / h.noise:
        assert near(e, 0.0)
        assert near(e**2, 1.0)
        assert not near(e**2, 1.0 / 3.0)
        assert (np.max(np.abs(e)) < math.sqrt(3.0) * (1.0 + 1e-12)) == (law == "uniform")
        assert stats.kstest(e, LAWS[law].cdf).pvalue > 1e-4


def test_noises_are_independent() -> None:
    h = Teacher(inputs=2, outputs=2, noise=0.5)
    x, y = drawn(TEACHER, h, MANY)
    rows = [*x, *(y - drawn(TEACHER, h._replace(noise=0.0), MANY)[1])]
    for j, one in enumerate(rows):
        assert all(near(one * other, 0.0) for other in rows[:j])


@pytest.mark.parametrize(
    ("component", "h"),
    [(TEACHER, Teacher(outputs=3)), (TEACHER, Teacher(noise_law="normal")), (FUNCTION, Function(inputs=2))],
)
def test_other_noise_is_the_same_noise_by_another_factor(component: Dataset, h: Any) -> None:
    (x, exact), (x_1, y_1), (x_4, y_4) = (drawn(component, h._replace(noise=noise), 1000) for noise in (0.0, 0.1, 0.4))
    assert np.array_equal(x, x_1)
    assert np.array_equal(x, x_4)
    np.testing.assert_allclose(4.0 * (y_1 - exact), y_4 - exact, rtol=0, atol=1e-14)


def layers_of(h: Teacher) -> list[tuple[Array, Array]]:
    """The weights (units, fan in) and biases of N*."""
    k, sizes = TEACHER.prepare(h), (h.inputs, *h.hidden, h.outputs)
    weight_ends = np.cumsum([a * b for a, b in pairwise(sizes)])
    weights = [w.reshape(b, a) for w, (a, b) in zip(np.split(k.weights, weight_ends[:-1]), pairwise(sizes), strict=True)]
    assert len(k.weights) == weight_ends[-1]
    return list(zip(weights, np.split(k.biases, np.cumsum(sizes[1:-1])), strict=True))


def by_products(h: Teacher, x: Array) -> Array:
    *hidden, (last, bias) = layers_of(h)
    for w, b in hidden:
        x = FORMULA[h.activation](w @ x + b[:, None])
    return np.asarray(last @ x + bias[:, None])


@pytest.mark.parametrize("hidden", [(), (8,), (5, 3, 7), (1, 12)])
@pytest.mark.parametrize("activation", FORMULA)
def test_teacher_is_its_network(activation: Any, hidden: tuple[int, ...]) -> None:
    h = Teacher(inputs=3, hidden=hidden, outputs=2, activation=activation, noise=0.0)
    x, y = drawn(TEACHER, h, 300)
    np.testing.assert_allclose(y, by_products(h, x), rtol=0, atol=1e-14)
    assert not np.allclose(y, by_products(h._replace(seed=1), x), rtol=0, atol=1e-3)
    _, labels = drawn(TEACHER, h._replace(labels="classes"), 300)
    assert np.array_equal(labels[0], by_products(h, x).argmax(axis=0))


def test_weights_of_the_teacher() -> None:
    """LeCun's variance, 1 / fan in, for weights; 1/4 for biases: 8 comparisons, 2 controls."""
    for w, b in layers_of(Teacher(inputs=100, hidden=(300,), outputs=200)):
        assert near(w.ravel(), 0.0)
        assert near(w.ravel() ** 2, 1.0 / w.shape[1])
        assert not near(w.ravel() ** 2, 1.1 / w.shape[1])
        assert near(b, 0.0)
        assert near(b**2, 0.25)


def test_random_classes() -> None:
    """A label changes with probability noise (1 - 1/K): 3 comparisons and 3 controls. More noise changes more, alike."""
    h, before = Teacher(outputs=3, labels="classes", noise=0.0, hidden=()), np.zeros(MANY, dtype=np.bool_)
    exact = drawn(TEACHER, h, MANY)[1][0]
    replaced = drawn(TEACHER, h._replace(noise=1.0), MANY)[1][0]
    assert stats.chisquare(np.bincount(replaced.astype(np.int64))).pvalue > 1e-4
    for noise in (0.1, 0.4, 1.0):
        y = drawn(TEACHER, h._replace(noise=noise), MANY)[1][0]
        changed = y != exact
        assert near(changed.astype(np.float64), noise * 2.0 / 3.0)
        assert not near(changed.astype(np.float64), noise)
        assert np.array_equal(y[changed], replaced[changed])
        assert np.all(changed[before])
        before = changed


def test_largest_and_smallest_uniforms_give_a_class() -> None:
    for classes in (2, 3, 7, 1024):
        h = Teacher(inputs=1, hidden=(), outputs=classes, labels="classes", noise=1.0)
        _, y = drawn(TEACHER, h, 2, np.array([[0.0, LAST], [0.0, LAST]]))
        assert y[0].tolist() == [0.0, classes - 1.0]


def test_sine_of_the_sum() -> None:
    for frequency, inputs in ((1.0, 1), (-7.5, 3), (1e5, 2)):
        x, y = drawn(FUNCTION, Function(inputs, frequency=frequency, noise=0.0, low=-2.0, high=3.0), 1000)
        np.testing.assert_allclose(y[0], np.sin(frequency * x.sum(axis=0)), rtol=0, atol=1e-15)


def test_polynomial_of_the_sum() -> None:
    for coefficients, inputs in (((2.5,), 1), ((0.0, 0.0, 1.0), 1), ((1.0, -2.0, 0.5, 0.0, 3.0), 4)):
        x, y = drawn(FUNCTION, Function(inputs, "polynomial", coefficients=coefficients, noise=0.0, low=-1.0), 1000)
        expected = np.polynomial.Polynomial(coefficients)(x.sum(axis=0))
        np.testing.assert_allclose(y[0], expected, rtol=1e-14, atol=1e-14)


def test_shapes_and_draws() -> None:
    classes = Teacher(outputs=5, labels="classes")
    assert TEACHER.shape(classes) == Shape(4, 1, 5)
    assert TEACHER.draws(classes) == 4 + 1
    assert TEACHER.shape(Teacher(outputs=5)) == Shape(4, 5)
    assert TEACHER.draws(Teacher(outputs=5)) == 4 + 5
    assert TEACHER.draws(Teacher(outputs=5, noise=0.0)) == 4 + 5
    assert (FUNCTION.shape(Function(3)), FUNCTION.draws(Function(3))) == (Shape(3, 1), 4)
    for component, h in ((TEACHER, Teacher(held_out=7)), (FUNCTION, Function(held_out=7))):
        assert (component.rows(h), component.held_out(h)) == (0, 7)


COMPLAINTS = [
    (TEACHER, Teacher(low=1.0, high=1.0), "high: 1 must be above low, which is 1"),
    (TEACHER, Teacher(labels="classes"), "outputs: classes need an output each, so at least 2"),
    (TEACHER, Teacher(outputs=2, labels="classes", noise=1.5), "noise: 1.5 is no probability of a random class"),
    (FUNCTION, Function(low=1.0, high=0.0), "high: 0 must be above low, which is 1"),
    (
        FUNCTION,
        Function(of="polynomial", coefficients=(0.0, 0.0, 1.0), high=1e60),
        "coefficients: the polynomial must not reach beyond 1e+100 on [low, high]^inputs",
    ),
    (
        FUNCTION,
        Function(frequency=-1e7),
        "frequency: the argument of the sine must not reach beyond 1e+06 on [low, high]^inputs",
    ),
    (CSV, Csv("f", ("a", "b", "a"), ("y",)), "features: duplicate column 'a' among features and targets"),
    (CSV, Csv("f", ("a",), ("a",)), "targets: duplicate column 'a' among features and targets"),
    (CSV, Csv("f", ("a",), ("y", "z"), "classes"), "targets: 2 columns, but classes are in one column"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("component", "h", "expected"), COMPLAINTS)
def test_complaints(component: Dataset, h: Any, expected: str) -> None:
    (complaint,) = component.check(h)
    assert f"{complaint.parameter}: {complaint.message}" == expected


@pytest.mark.parametrize(
    ("component", "h"),
    [
        (TEACHER, Teacher()),
        (TEACHER, Teacher(noise=1.5)),
        (TEACHER, Teacher(outputs=2, labels="classes", noise=1.0)),
        (FUNCTION, Function()),
        (FUNCTION, Function(of="polynomial", frequency=1e7)),
        (CSV, Csv("f", ("a", "b"), ("y",), "classes")),
        (DIABETES, Diabetes()),
        (DIGITS, Digits()),
    ],
)
def test_no_complaints(component: Dataset, h: Any) -> None:
    assert component.check(h) == []


# Tables


def numbered(rows: int) -> tuple[Array, Array]:
    """Features and targets that tell the row."""
    row = np.arange(float(rows))[:, None]
    return np.hstack([row, row**2, -row]), np.hstack([100.0 + row, 3.0 * row])


@pytest.mark.parametrize(("rows", "share", "held_out"), [(50, 0.2, 10), (7, 0.5, 4), (9, 0.0, 0), (1, 0.4, 0), (3, 0.9, None)])
def test_split_loses_no_row_and_doubles_none(rows: int, share: float, held_out: int | None) -> None:
    features, targets = numbered(rows)
    u = uniforms(1, rows)[0]
    if held_out is None:
        with pytest.raises(Unusable, match="of 3 rows 3 would be held out, which leaves none to train on"):
            split(features, targets, 0, share, "epochs", False, u)
        return
    table = split(features, targets, 0, share, "epochs", False, u)
    assert len(table.held_out_features) == held_out
    rejoined = np.concatenate([table.features[:, 0], table.held_out_features[:, 0]])
    assert sorted(rejoined) == list(range(rows))
    assert np.array_equal(np.concatenate([table.targets[:, 0], table.held_out_targets[:, 0]]), 100.0 + rejoined)
    if held_out:
        assert np.max(u[table.held_out_features[:, 0].astype(int)]) < np.min(u[table.features[:, 0].astype(int)])


def test_only_training_rows_standardise() -> None:
    features, targets, _ = shipped("diabetes")
    u = uniforms(1, len(features))[0]
    raw = split(features, targets, 0, 0.3, "with_replacement", False, u)
    table = split(features, targets, 0, 0.3, "with_replacement", True, u)
    for before, after, held_out_before, held_out_after in (
        (raw.features, table.features, raw.held_out_features, table.held_out_features),
        (raw.targets, table.targets, raw.held_out_targets, table.held_out_targets),
    ):
        np.testing.assert_allclose(after.mean(axis=0), 0.0, rtol=0, atol=1e-13)
        np.testing.assert_allclose(after.std(axis=0), 1.0, rtol=1e-13)
        expected = (held_out_before - before.mean(axis=0)) / before.std(axis=0)
        np.testing.assert_allclose(held_out_after, expected, rtol=0, atol=1e-13)
        assert np.min(np.abs(held_out_after.mean(axis=0))) > 1e-4


def test_classes_are_not_standardised() -> None:
    features, _ = numbered(4)
    table = split(features, np.array([[0.0], [1.0], [1.0], [0.0]]), 2, 0.0, "epochs", True, np.zeros(4))
    assert table.targets[:, 0].tolist() == [0.0, 1.0, 1.0, 0.0]
    assert CSV.shape(table) == Shape(3, 1, 2)


def test_constant_columns() -> None:
    features, targets = numbered(4)
    features[:3, 1] = 0.1
    last_held_out = np.array([0.5, 0.6, 0.7, 0.0])
    message = "column 2 is 0.1 in all 3 training rows and cannot be standardised"
    with pytest.raises(Unusable, match=f"^{message}$") as error:
        split(features, targets, 0, 0.25, "epochs", True, last_held_out)
    assert [(c.parameter, c.entry) for c in error.value.complaints] == [("features", 1)]
    zeros, names = targets * [1.0, 0.0], tuple("abcde")
    with pytest.raises(Unusable, match=r"^column 'e' is 0 ") as error:
        split(features, zeros, 0, 0.0, "epochs", True, last_held_out, constant_features=True, names=names)
    assert [(c.parameter, c.entry) for c in error.value.complaints] == [("targets", 1)]
    table = split(features, targets, 0, 0.25, "epochs", True, last_held_out, constant_features=True)
    assert table.features[:, 1].tolist() == [0.0, 0.0, 0.0]
    assert table.held_out_features[0, 1] == 9.0 - 0.1
    assert split(features, targets, 0, 0.25, "epochs", False, last_held_out).features[0, 1] == 0.1


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0.0, 1.0, 2.0, 1.0], 3),
        ([0.0, 0.5], "classes are the whole numbers 0, 1, ..., but there is a row of 0.5"),
        ([0.0, -1.0], "classes are the whole numbers 0, 1, ..., but there is a row of -1"),
        ([1.0, 2.0, 3.0], "classes go up to 3, but there is no row of class 0; number them 0, 1, ..."),
        ([0.0, 1.0, 1e9], "classes go up to 1e+09, but there is no row of class 2; number them 0, 1, ..."),
        ([0.0, 0.0], "all rows are of class 0; there must be at least two classes"),
    ],
)
def test_count_classes(labels: list[float], expected: int | str) -> None:
    targets = np.array(labels)[:, None]
    if isinstance(expected, int):
        assert count_classes(targets) == expected
        return
    with pytest.raises(Unusable) as error:
        count_classes(targets)
    assert str(error.value) == expected


@pytest.mark.parametrize("component", [CSV, DIABETES, DIGITS])
def test_rows_are_equally_probable(component: Dataset) -> None:
    """Each row has an interval of uniforms of the same length, the first and the last uniform included."""
    features, targets = numbered(7)
    table = split(features, targets, 0, 0.0, "with_replacement", False, np.zeros(7))
    u = np.concatenate([(np.arange(7000) + 0.5) / 7000, [0.0, LAST]])[None, :]
    x, y = drawn(component, table, u.shape[1], u)
    assert np.array_equal(x[0], np.concatenate([np.repeat(np.arange(7.0), 1000), [0.0, 6.0]]))
    assert np.array_equal(x, features.T[:, x[0].astype(int)])
    assert np.array_equal(y, targets.T[:, x[0].astype(int)])
    assert (component.draws(table), component.shape(table)) == (1, Shape(3, 2))


def test_order_and_held_out_rows() -> None:
    features, targets = numbered(10)
    table = split(features, targets, 0, 0.3, "with_replacement", False, uniforms(1, 10)[0])
    assert CSV.rows(table) == 0
    assert CSV.rows(table._replace(order="epochs")) == 7
    held_out = CSV.held_out(table)
    assert isinstance(held_out, tuple)
    assert np.array_equal(held_out[0], table.held_out_features.T)
    assert np.array_equal(held_out[1], table.held_out_targets.T)
    assert all(part.flags.c_contiguous for part in (*held_out, *CSV.prepare(table)[1:]))


# What is shipped


@pytest.mark.parametrize("file", ["diabetes.csv", "digits.txt"])
def test_shipped_files_are_those_of_their_readme(file: str) -> None:
    digest = hashlib.sha256((FILES / file).read_bytes()).hexdigest()
    (line,) = (
        line for line in (FILES / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{file}`")
    )
    assert digest in line


def test_diabetes() -> None:
    """The first patients, the target's moments, and the share of its variance that least squares explains."""
    features, targets, classes = shipped("diabetes")
    assert (features.shape, targets.shape, classes) == ((442, 10), (442, 1), 0)
    assert features[0].tolist() == [59.0, 2.0, 32.1, 101.0, 157.0, 93.2, 38.0, 4.0, 4.8598, 87.0]
    assert targets[:3, 0].tolist() == [151.0, 75.0, 141.0]
    assert targets.mean() == pytest.approx(152.13348416, abs=1e-8)
    assert targets.std() == pytest.approx(77.00574587, abs=1e-8)
    assert (targets.min(), targets.max()) == (25.0, 346.0)
    design = np.hstack([features, np.ones((442, 1))])
    residuals = targets - design @ np.linalg.lstsq(design, targets)[0]
    assert 1.0 - residuals.var() / targets.var() == pytest.approx(0.5177, abs=1e-4)


def test_digits() -> None:
    features, targets, classes = shipped("digits")
    assert (features.shape, targets.shape, classes) == ((1797, 64), (1797, 1), 10)
    assert np.array_equal(np.unique(features), np.arange(17.0))
    assert np.bincount(targets[:, 0].astype(int)).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert count_classes(targets) == classes
    assert features[0].reshape(8, 8)[0].tolist() == [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]
    table = split(features, targets, 10, 0.2, "epochs", True, uniforms(1, 1797)[0], constant_features=True)
    assert np.all(np.isfinite(table.features))
    assert np.all(np.isfinite(table.held_out_features))
    assert np.all(table.features[:, [0, 32, 39]] == 0.0)
    assert (DIGITS.rows(table), DIGITS.shape(table)) == (1438, Shape(64, 1, 10))


def test_registry() -> None:
    assert list(DATASETS) == ["teacher", "function", "linear", "csv", "diabetes", "digits"]


# Kernels


def table() -> Table:
    features, targets, _ = shipped("diabetes")
    return split(features, targets, 0, 0.2, "with_replacement", True, uniforms(1, 442)[0])


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.parametrize(
    ("component", "h"),
    [
        (TEACHER, Teacher(outputs=2)),
        (TEACHER, Teacher(activation="sigmoid", hidden=(5, 9), low=0.0)),
        (TEACHER, Teacher(activation="relu", hidden=(5, 9), outputs=3, labels="classes", noise=0.3)),
        (TEACHER, Teacher(hidden=())),
        (TEACHER, Teacher(noise_law="normal", noise=1.0)),
        (FUNCTION, Function(noise_law="normal", noise=1.0)),
        (FUNCTION, Function(inputs=3, frequency=12.5)),
        (FUNCTION, Function(inputs=2, of="polynomial", coefficients=(1.0, -0.5, 0.25, 3.0))),
        (CSV, table()),
    ],
)
def test_compiled_is_numpy_bit_for_bit(component: Dataset, h: Any) -> None:
    for n in (1, 1003):
        for mine, theirs in zip(drawn(component, h, n), drawn(component, h, n, compiled=True), strict=True):
            assert np.all(np.isfinite(mine))
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize(("component", "h"), [(TEACHER, Teacher(outputs=2)), (FUNCTION, Function(2)), (DIABETES, table())])
def test_an_example_is_a_function_of_its_own_uniforms(component: Dataset, h: Any) -> None:
    """Nothing of one example reaches another, so blocks of any size see the same; room to the right stays untouched."""
    u = uniforms(component.draws(h), 20)
    x, y = drawn(component, h, 20, u)
    wide_x, wide_y = np.full((len(x), 30), -7.0), np.full((len(y), 30), -7.0)
    wide_u = np.full((len(u) + 1, 30), np.nan)
    wide_u[:-1, :5] = u[:, 10:15]
    component.sample(component.prepare(h), 5, wide_u, wide_x, wide_y)
    assert np.array_equal(wide_x[:, :5], x[:, 10:15])
    assert np.array_equal(wide_y[:, :5], y[:, 10:15])
    assert np.all(wide_x[:, 5:] == -7.0)
    assert np.all(wide_y[:, 5:] == -7.0)
