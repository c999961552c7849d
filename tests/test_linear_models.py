"""Linear models and the rotated quadratic: numbers, minimizers, engines, exact errors, and what the verdict knows of them.

Comparisons of simulated paths with exact errors fail beyond 4 standard errors, in 6e-5 of all cases, of which there are about
200 here; each has a control, the same paths against a wrong formula, which must fail.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit

from kit.linear import WIDTH, cell_of, distance
from kit.runs import run as run_cell
from nonconv.components.definitions import Shape
from nonconv.datasets.linear import LINEAR, Linear
from nonconv.engine.blocks import Block, simulate
from nonconv.engine.fused import Fused
from nonconv.engine.program import Program
from nonconv.engine.reference import Reference
from nonconv.experiment.cell import Cell
from nonconv.faults.errors import ConfigError
from nonconv.numerics import rng
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import estimate, moments
from nonconv.objectives.linear_fit import Fit, minimize
from nonconv.objectives.linear_model import LINEAR_MODEL, LinearModel
from nonconv.objectives.mlp import MLP, Mlp
from nonconv.objectives.rotated_quadratic import ROTATED_QUADRATIC, RotatedQuadratic, eigenvalues, prepare, rotation
from nonconv.statistics.floors import measured, rows
from nonconv.statistics.tally import measure
from nonconv.theory import least_squares
from nonconv.theory.limit_point import limit_point
from nonconv.theory.predictions import predictions
from nonconv.theory.recursion import predicted_errors, predicted_twins
from nonconv.theory.structure import structure

STOP = np.zeros(1, dtype=np.uint8)
GENERATOR = np.random.default_rng(5)
ROWS = np.column_stack([GENERATOR.normal(size=(40, 2)) * [1.0, 3.0] + [0.5, -1.0], GENERATOR.normal(size=(40, 2))])
LABELS = (ROWS[:, 0] + GENERATOR.normal(size=40) > 0.5).astype(int)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a table of two features, two targets, and two or three classes."""
    path = tmp_path_factory.mktemp("tables")
    lines = [
        ",".join(map(str, [*row.tolist(), label, 2 * label - 1, k % 3, 2.0 * row[0] - row[1] + 1.0]))
        for k, (row, label) in enumerate(zip(ROWS, LABELS, strict=True))
    ]
    (path / "table.csv").write_text("\n".join(["a,b,y,z,c,sign,three,twice", *lines]) + "\n", encoding="utf-8")
    return path


def table(targets: list[str], *, classes: bool = False, **more: Any) -> dict[str, Any]:
    labels = {"labels": "classes"} if classes else {}
    base = {"name": "csv", "file": "table.csv", "features": ["a", "b"], "targets": targets, "held_out": 0, "standardise": False}
    return base | labels | more


def linear(data: Any, **more: Any) -> dict[str, Any]:
    return {"name": "linear_model", "data": data, **more}


def config_of(objective: dict[str, Any], **more: Any) -> dict[str, Any]:
    config = {"seed": 4, "paths": 1024, "steps": 30, "objective": objective, "optimizer": "sgd", "learning_rate": 0.1}
    return config | {"record": {"points": 6}} | more


def law(**parameters: Any) -> dict[str, Any]:
    return {"name": "linear", **parameters}


SIGNS = law(inputs=2, labels="classes")
DATA_OF: dict[str, dict[str, Any]] = {
    "values": linear(law(inputs=3, features="laplace", noise_law="laplace", bias=0.5)),
    "no intercept": linear(law(inputs=5, features="two_point", noise_law="two_point"), intercept=False),
    "two targets": linear(table(["y", "z"]), weight_decay=0.1),
    "two targets without b": linear(table(["y", "z"], order="epochs"), intercept=False),
    "classes as numbers": linear(table(["three"], classes=True)),
    "logistic": linear(SIGNS, loss="logistic"),
    "logistic without b": linear(SIGNS, loss="logistic", intercept=False, weight_decay=0.01),
    "softmax": linear(table(["three"], classes=True), loss="cross_entropy"),
    "softmax without b": linear(table(["three"], classes=True, order="epochs"), loss="cross_entropy", intercept=False),
    "rotated": {"name": "rotated_quadratic", "dim": 5, "condition": 50, "data": {"name": "normal", "mean": 2}},
    "rotated rows": {"name": "rotated_quadratic", "data": {"name": "csv", "file": "table.csv", "columns": ["a", "b", "y"]}},
    "rotated discrete": {
        "name": "rotated_quadratic",
        "eigenvalues": [3.0, 0.5],
        "data": {"name": "discrete", "values": [0, 1, 4], "probabilities": [0.5, 0.3, 0.2]},
    },
}
each_objective = pytest.mark.parametrize("objective", DATA_OF.values(), ids=DATA_OF)


def run(program: Program, engine: type[Fused | Reference], paths: int) -> Block:
    return simulate(program, engine(program), 0, paths, STOP)


# Engines


@pytest.mark.compiles
@each_objective
@pytest.mark.parametrize("batch", [1, 11])
def test_engines_agree(objective: dict[str, Any], batch: int, folder: Path) -> None:
    """To the bit, on paths and on risks, for batches of one example and of more than are worked on together."""
    cell = cell_of(folder, config_of(objective, optimizer="adam", batch_size=batch, steps=7, start=0.25))
    ours, theirs = (run(cell.program, engine, 11) for engine in (Fused, Reference))
    assert np.isfinite(ours.theta).all()
    assert len(np.unique(ours.theta[-1, -1])) > 5
    for a, b in ((ours.theta, theirs.theta), (ours.seen, theirs.seen)):
        assert a.tobytes() == b.tobytes()
    if cell.program.learning and cell.program.learning.held_out[0].size:
        fused, reference = (engine(cell.program).risks(ours.theta, STOP) for engine in (Fused, Reference))
        assert fused.tobytes() == reference.tobytes()


# Losses and gradients


def both(model: Any, h: Any, theta: Array, x: Array, y: Array, classes: int) -> tuple[Array, Array]:
    """What a model writes: losses and mistakes (2, n), and the gradient (dim, 1) summed over n examples of one path."""
    shape, n = Shape(len(x), len(y), classes), x.shape[1]
    k, out, gradient = model.prepare(h, shape), np.empty((2, n)), np.zeros_like(theta)
    model.loss(k, n, theta, x, y, out, np.empty((model.work(h, shape), n)))
    model.add_gradient(k, n, theta, x, y, gradient, np.empty((model.work(h, shape), n)))
    return out, gradient


@pytest.mark.parametrize(("loss", "classes", "share"), [("squared", 0, 0.5), ("squared", 3, 0.5), ("cross_entropy", 3, 1.0)])
def test_it_is_the_network_without_hidden_units(loss: Any, classes: int, share: float) -> None:
    """To the bit; of the squared distance half. That network is held to PyTorch's numbers."""
    x = GENERATOR.normal(size=(4, 9))
    y = GENERATOR.integers(0, classes, (1, 9)).astype(float) if classes else GENERATOR.normal(size=(2, 9))
    theta = GENERATOR.normal(size=(5 * (classes or 2), 1))
    ours = both(LINEAR_MODEL, LinearModel(None, loss=loss), theta, x, y, classes)
    theirs = both(MLP, Mlp(None, hidden=(), loss=loss), theta, x, y, classes)
    assert np.array_equal(ours[0], [share * theirs[0][0], theirs[0][1]])
    assert np.array_equal(ours[1], share * theirs[1])


@pytest.mark.parametrize("intercept", [True, False])
def test_logistic_loss_at_any_size(intercept: bool) -> None:
    """Against SciPy, where exp(z) would overflow too."""
    x, y = np.array([[-800.0, -30.0, -1.0, 0.0, 0.3, 40.0, 900.0] * 2]), np.repeat([[0.0, 1.0]], 7, axis=1)
    theta = np.array([[1.0], [0.0]])[: 1 + intercept]
    out, gradient = both(LINEAR_MODEL, LinearModel(None, loss="logistic", intercept=intercept), theta, x, y, 2)
    z = (2.0 * y - 1.0) * x
    assert out[0] == pytest.approx(np.logaddexp(0.0, -z)[0], rel=1e-14, abs=0)
    # At z = 0 class 0 is chosen, as the first of two that are equal.
    assert np.array_equal(out[1], ((z < 0.0) | ((z == 0.0) & (y == 1.0)))[0])
    slopes = -(2.0 * y - 1.0) * expit(-z)
    assert gradient[0, 0] == pytest.approx((slopes * x).sum(), rel=1e-14)
    assert not intercept or gradient[1, 0] == pytest.approx(slopes.sum(), rel=1e-13, abs=1e-15)


def test_at_the_start_one_class_is_chosen() -> None:
    """At theta = 0, where models start, all outputs are equal: the first class counts, not every one."""
    y = np.array([[0.0, 1.0, 2.0, 0.0]])
    out, _ = both(LINEAR_MODEL, LinearModel(None, loss="cross_entropy"), np.zeros((6, 1)), np.ones((1, 4)), y, 3)
    assert out[1].tolist() == [0.0, 1.0, 1.0, 0.0]


def test_the_rotated_quadratic_is_its_formula() -> None:
    h = RotatedQuadratic(None, dim=4, condition=30.0, rotation_seed=3)
    k = prepare(h, Shape(0, 4))
    theta, y = GENERATOR.normal(size=(4, 1)), GENERATOR.normal(size=(4, 6))
    matrix = rotation(h, 4).T @ np.diag(eigenvalues(h, 4)) @ rotation(h, 4)
    away = theta - y
    out, gradient = both(ROTATED_QUADRATIC, h, theta, np.empty((0, 6)), y, 0)
    assert out[0] == pytest.approx(0.5 * np.einsum("in,ij,jn->n", away, matrix, away), rel=1e-13)
    assert gradient[:, 0] == pytest.approx((matrix @ away).sum(axis=1), rel=1e-12)
    assert np.array_equal(k.matrix, k.matrix.T)


def test_eigenvalues() -> None:
    assert eigenvalues(RotatedQuadratic(None, condition=100.0, largest=2.0), 3) == pytest.approx([0.02, 0.2, 2.0])
    assert eigenvalues(RotatedQuadratic(None, condition=4.0, spacing="linear"), 3) == pytest.approx([0.25, 0.625, 1.0])
    assert eigenvalues(RotatedQuadratic(None), 1) == pytest.approx([1.0])


def test_the_rotation_is_haars() -> None:
    """The factor Q with a positive diagonal of R, as LAPACK's after its signs are mended; entries of Haar's law."""
    h = RotatedQuadratic(None, rotation_seed=7)
    q = rotation(h, 60)
    assert np.abs(q @ q.T - np.eye(60)).max() < 1e-14
    u = rng.uniforms(rng.key(7, "rotation"), 0, 3600, 0, 1)[:, 0] + 2.0**-53
    own, r = np.linalg.qr(stats.norm.ppf(u).reshape(60, 60))
    assert q == pytest.approx(own * np.sign(np.diag(r)), abs=1e-12)
    # The square of an entry is of the law Beta(1/2, (dim - 1)/2): a test that fails for 1 in 1000 seeds.
    squares = [rotation(h._replace(rotation_seed=seed), 3)[0, 1] ** 2 for seed in range(300)]
    assert stats.kstest(squares, stats.beta(0.5, 1.0).cdf).pvalue > 1e-3
    assert np.array_equal(rotation(h._replace(rotate=False), 3), np.eye(3))


# The data set `linear`


@pytest.mark.parametrize("features", ["uniform", "normal", "two_point", "laplace"])
def test_features_and_noise_have_their_moments(features: Any) -> None:
    """Second and fourth moments of features and residuals, 6 comparisons per law."""
    h = Linear(inputs=2, features=features, scale=(1.0, 3.0), weights=(2.0, -1.0), bias=0.5, noise=0.7, noise_law=features)
    n = 40_000
    u, x, y = rng.uniforms(rng.key(1, "law"), 0, 3, 0, n), np.empty((2, n)), np.empty((1, n))
    LINEAR.sample(LINEAR.prepare(h), n, u, x, y)
    e = (y[0] - 0.5 - 2.0 * x[0] + x[1]) / 0.7
    assert LINEAR.truth(h) is not None
    fourth = {"uniform": 1.8, "normal": 3.0, "two_point": 1.0, "laplace": 6.0}[features]
    for numbers in (x[0], x[1] / 3.0, e):
        assert numbers.mean() == pytest.approx(0.0, abs=4.0 / np.sqrt(n))
        for power, expected in ((2, 1.0), (4, fourth)):
            seen = numbers**power
            assert seen.mean() == pytest.approx(expected, abs=max(4.0 * seen.std() / np.sqrt(n), 1e-9))


def test_classes_have_their_probability() -> None:
    h, n = Linear(weights=1.0, bias=-0.4, noise=0.5, labels="classes"), 40_000
    u, x, y = rng.uniforms(rng.key(1, "law"), 0, 2, 0, n), np.empty((1, n)), np.empty((1, n))
    LINEAR.sample(LINEAR.prepare(h), n, u, x, y)
    off = (y - expit((x - 0.4) / 0.5))[0]
    assert abs(off.mean()) < 4.0 * off.std() / np.sqrt(n)
    assert abs((off * x[0]).mean()) < 4.0 * (off * x[0]).std() / np.sqrt(n)
    LINEAR.sample(LINEAR.prepare(h._replace(noise=0.0)), n, u, x, y)
    assert np.array_equal(y, x > 0.4)


# Minimizers


def mean_gradient(cell: Cell, theta: Array) -> Array:
    """Of all training rows, with the penalty."""
    x, y = cell.known.rows or (np.empty((0, 0)), np.empty((0, 0)))
    shape = cell.program.learning.shape if cell.program.learning else Shape(0, 0)
    h = cell.program.objective.parameters
    _, gradient = both(LINEAR_MODEL, h, theta[:, None], x, y, shape.classes)
    return np.asarray(gradient[:, 0] / x.shape[1] + h.weight_decay * theta)


FITTED = {
    "least squares": linear(table(["y", "z"])),
    "ridge": linear(table(["y", "z"]), weight_decay=0.2),
    "without b": linear(table(["y"]), intercept=False),
    "classes as numbers": linear(table(["three"], classes=True)),
    "logistic": linear(table(["c"], classes=True), loss="logistic"),
    "logistic of signs": linear(table(["sign"], classes=True), loss="logistic", intercept=False),
    "softmax": linear(table(["three"], classes=True), loss="cross_entropy"),
    "softmax with decay": linear(table(["three"], classes=True), loss="cross_entropy", weight_decay=0.05),
    "diabetes": linear("diabetes"),
}


@pytest.mark.parametrize("objective", FITTED.values(), ids=FITTED)
def test_the_minimizer_of_a_table_is_exact(objective: dict[str, Any], folder: Path) -> None:
    """Its gradient is 0 to 1e-12; and SciPy finds the same point."""
    cell = cell_of(folder, config_of(objective))
    assert [xi.label for xi in cell.xi] == ["minimizer"]
    assert cell.minimizer is not None
    assert np.abs(mean_gradient(cell, cell.minimizer)).max() < 1e-12
    if cell.program.objective.parameters.loss != "cross_entropy" and cell.program.dim < 8:

        def slope(theta: Array) -> Array:
            return mean_gradient(cell, theta)

        found = optimize.root(slope, np.zeros(cell.program.dim)).x
        assert cell.minimizer == pytest.approx(found, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in FITTED if name not in ("softmax", "diabetes")])
def test_the_minimizer_on_a_domain(name: str, folder: Path) -> None:
    """Inside there is no slope, and at an end none that leads back; some coordinate is at one."""
    cell = cell_of(folder, config_of(FITTED[name], domain=[-0.05, 0.02]))
    assert cell.minimizer is not None
    slope = mean_gradient(cell, cell.minimizer)
    low, high = cell.minimizer == -0.05, cell.minimizer == 0.02
    assert np.any(low | high)
    assert np.abs(slope[~(low | high)]).max(initial=0.0) < 1e-11
    assert np.all(slope[low] >= 0.0)
    assert np.all(slope[high] <= 0.0)


def test_the_minimizer_of_a_rotated_quadratic_on_a_domain(folder: Path) -> None:
    """That of SciPy's bounded least squares; the projected mean, which it is not, costs more."""
    pairs = [[-1, 0.5], [None, 0.2], [0.3, None], [-2, -1.9], [0.7, 0.7], [-5, 5]]
    data = {"name": "sequence", "rows": GENERATOR.normal(size=(4, 6)).tolist()}
    cell = cell_of(folder, config_of({"name": "rotated_quadratic", "condition": 100.0, "data": data}, domain=pairs))
    _, turn, values = cell.program.objective.constants
    assert cell.law is not None
    assert cell.program.domain is not None
    low, high = cell.program.domain
    root = np.sqrt(values)[:, None] * turn
    free = low < high
    found = cell.law.mean.clip(low, high)
    away = root @ (cell.law.mean - np.where(free, 0.0, low))
    found[free] = optimize.lsq_linear(root[:, free], away, bounds=(low[free], high[free]), method="bvls", tol=1e-15).x
    assert cell.minimizer == pytest.approx(found, abs=1e-12)
    assert (
        np.square(root @ (cell.law.mean.clip(low, high) - cell.law.mean)).sum()
        > np.square(root @ (found - cell.law.mean)).sum()
    )


def test_minimizers_on_a_domain_that_are_not_known(folder: Path) -> None:
    for objective, why in (
        (FITTED["softmax"], "that on the domain is not one point"),
        (linear(law(labels="classes", noise=0.0), loss="logistic"), "that on the domain is not computed"),
        ({"name": "rotated_quadratic", "data": "cauchy"}, "the data have no mean"),
    ):
        with pytest.raises(ConfigError, match=f"has no known minimizer: {why}"):
            cell_of(folder, config_of(objective, xi="minimizer", domain=[-0.1, 0.05]))


def test_of_several_minimizers_the_shortest() -> None:
    """A feature twice, one that never varies, and columns of very different units; and the null direction of softmax."""
    a = GENERATOR.normal(size=30)
    x = np.array([a, a, np.zeros(30), 1e9 * GENERATOR.normal(size=30), 1e-9 * GENERATOR.normal(size=30)])
    y = (2.0 * a + 1e-9 * x[3] + 1e9 * x[4])[None, :]
    assert minimize(Fit("squared", 0, False, 0.0), x, y) == pytest.approx([1.0, 1.0, 0.0, 1e-9, 1e9], rel=1e-9)
    labels = (GENERATOR.random(30) < 0.5).astype(float)[None, :]
    alone = minimize(Fit("logistic", 2, True, 0.0), x[:1], labels)
    twice = minimize(Fit("logistic", 2, True, 0.0), x[:2], labels)
    softmax = minimize(Fit("cross_entropy", 2, True, 0.0), x[:1], labels)
    assert not isinstance(alone, str)
    assert twice == pytest.approx([alone[0] / 2.0, alone[0] / 2.0, alone[1]], rel=1e-9)
    assert softmax == pytest.approx([-alone[0] / 2.0, alone[0] / 2.0, -alone[1] / 2.0, alone[1] / 2.0], rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "exists"),
    [
        ([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1], False),
        ([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0], [0, 0, 0, 1, 1, 1], False),  # all but those in the middle
        ([-2.0, -1.0, 1.0, 2.0], [0, 1, 0, 1], True),
        ([-1000.0, -1.0, 1.0, 1000.0], [0, 1, 0, 1], True),
    ],
)
@pytest.mark.parametrize("kind", ["logistic", "cross_entropy"])
def test_separable_classes_have_no_minimizer(x: list[float], y: list[int], exists: bool, kind: str) -> None:
    rows, labels = np.array([x]), np.array([y], dtype=float)
    found = minimize(Fit(kind, 2, True, 0.0), rows, labels)
    assert isinstance(found, str) != exists
    assert not isinstance(minimize(Fit(kind, 2, True, 1e-3), rows, labels), str)


def test_without_a_minimizer_xi_says_why(folder: Path) -> None:
    separable = linear(law(labels="classes", noise=0.0), loss="logistic")
    assert [xi.label for xi in cell_of(folder, config_of(separable)).xi] == ["path_mean", "last"]
    with pytest.raises(ConfigError, match="linear_model has no known minimizer: the classes can be told apart"):
        cell_of(folder, config_of(separable, xi="minimizer"))
    with pytest.raises(ConfigError, match="rotated_quadratic has no known minimizer: the data have no mean"):
        cell_of(folder, config_of({"name": "rotated_quadratic", "data": "cauchy"}, xi="minimizer"))
    with pytest.raises(ConfigError, match="he draws weights by the widths of layers, which rotated_quadratic does not have"):
        cell_of(folder, config_of({"name": "rotated_quadratic", "data": "normal"}, start="he"))


KNOWN = {
    "linear": (law(inputs=2, weights=[1.0, -2.0], bias=0.5), True, [1.0, -2.0, 0.5]),
    "linear classes": (law(weights=1.0, bias=0.5, noise=0.5, labels="classes"), True, [2.0, 1.0]),
    "polynomial": ({"name": "function", "of": "polynomial", "inputs": 2, "coefficients": [0.5, 3.0]}, True, [3.0, 3.0, 0.5]),
    # Least squares of 1 on a uniform feature on [0, 1]: E a / E a^2.
    "constant": ({"name": "function", "of": "polynomial", "coefficients": [1.0]}, False, [1.5]),
}


@pytest.mark.parametrize(("data", "intercept", "expected"), KNOWN.values(), ids=KNOWN)
def test_the_minimizer_of_a_known_law(data: dict[str, Any], intercept: bool, expected: list[float], folder: Path) -> None:
    loss = "logistic" if data.get("labels") == "classes" else "squared"
    cell = cell_of(folder, config_of(linear(data, intercept=intercept, loss=loss)))
    assert cell.minimizer == pytest.approx(expected, rel=1e-12)
    assert np.all(cell_of(folder, config_of(linear(data, loss=loss))).program.start == 0.0)


# Exact errors


NESTEROV, FREE = {"name": "momentum", "beta": 0.6, "nesterov": True}, {"name": "schedule_free_sgd", "beta": 0.7}
L2 = {"name": "sgd", "weight_decay": 0.3, "decay_form": "l2"}
GENTLE = {"learning_rate": {"name": "power", "value": 0.2, "exponent": 0.5}}
CASES: dict[str, dict[str, Any]] = {
    "normal": config_of(linear(law(inputs=3, scale=[1.0, 0.5, 0.8])), start="normal", batch_size=2),
    "two_point": config_of(linear(law(inputs=2, features="two_point", bias=1.0), intercept=True)),
    "no intercept": config_of(linear(law(inputs=2, features="uniform", weights=[0.0, 1.0]), intercept=False), **GENTLE),
    "features with a mean": config_of(
        linear({"name": "function", "of": "polynomial", "inputs": 2, "coefficients": [0.0, 1.0], "noise": 0.5}), **GENTLE
    ),
    "without b, with a mean": config_of(
        linear({"name": "function", "of": "polynomial", "coefficients": [0.0, 1.0], "noise": 0.5}, intercept=False)
    ),
    "teacher": config_of(linear({"name": "teacher", "hidden": [], "outputs": 2, "noise": 0.5}), start="he"),
    "table": config_of(
        linear(table(["y", "z"])), learning_rate=0.03, batch_size={"name": "power", "value": 1, "exponent": 0.5}
    ),
    "classes": config_of(linear(table(["three"], classes=True), intercept=False), learning_rate=0.03),
    "momentum": config_of(linear(table(["y", "z"])), optimizer=NESTEROV, learning_rate=0.02),
    "penalty": config_of(linear(table(["y"]), weight_decay=0.3), learning_rate=0.05),
    "decay and noise": config_of(
        linear(law(inputs=2)) | {"gradient_noise": {"name": "uniform", "low": -0.5, "high": 1.0}},
        optimizer={"name": "momentum", "beta": 0.5, "weight_decay": 0.3},
        start="normal",
    ),
    "L2": config_of(linear(table(["y", "z"])), optimizer=L2, learning_rate=0.04),
    "schedule-free": config_of(
        linear(law(inputs=2)), optimizer={"name": "schedule_free_sgd", "beta": 0.7, "weight_decay": 0.1}
    ),
    "rotated": config_of(DATA_OF["rotated"], start="two_point", learning_rate=0.3),
    "rotated momentum": config_of(
        DATA_OF["rotated discrete"], optimizer={"name": "momentum", "beta": 0.5}, start=[1.0, -1.0], **GENTLE
    ),
    "rotated rows": config_of(DATA_OF["rotated rows"], learning_rate=0.2, start=[1.0, 0.0, 2.0]),
}


@pytest.mark.compiles
@pytest.mark.parametrize("config", CASES.values(), ids=CASES)
def test_errors_and_twins_are_as_predicted(config: dict[str, Any], folder: Path) -> None:
    """The errors at six steps for two xi, and the last twin floor, in 4096 paths; not those of a rate that is 10 % smaller."""
    dim = cell_of(folder, config).program.dim
    config = config | {"paths": 4096, "xi": ["minimizer", [0.5] * dim], "steps": 40}
    cell, rate = cell_of(folder, config), config["learning_rate"]
    smaller = {**rate, "value": 0.9 * rate["value"]} if isinstance(rate, dict) else 0.9 * rate
    other = cell_of(folder, config | {"learning_rate": smaller})
    block = run(cell.program, Fused, 4096)
    for xi in cell.xi:
        assert xi.point is not None
        squares = np.square(block.theta - xi.point[:, None]).sum(axis=1)
        seen = estimate(moments(squares))
        assert distance(seen, predicted_errors(cell)[xi.label]).max() < WIDTH
        assert distance(seen, predicted_errors(other)[xi.label]).max() > WIDTH
    twins = [k for k, row in enumerate(rows(cell.program.plan)) if row.floor == "twin"]
    seen = estimate(moments(measured(cell.program.plan, block)[twins]))
    assert distance(seen, np.concatenate(predicted_twins(cell))).max() < WIDTH
    assert distance(seen, np.concatenate(predicted_twins(other))).max() > WIDTH


@pytest.mark.compiles
def test_averages_of_least_squares(folder: Path) -> None:
    """Errors and twins of each iterate, and not those of the next one."""
    rule = {"name": "schedule_free_sgd", "beta": 0.7}
    iterates = ["last", "polyak", {"name": "ema", "decay": 0.8}, "own"]
    cell = cell_of(
        folder, config_of(linear(table(["y", "z"])), optimizer=rule, iterates=iterates, paths=4096, learning_rate=0.05)
    )
    tally = measure(cell, run(cell.program, Fused, 4096))
    twins = [k for k, row in enumerate(rows(cell.program.plan)) if row.floor == "twin"]
    for k, own in enumerate([tally, *tally.views[1:]]):
        errors, floors = estimate(own.errors), estimate(own.floors)
        mine = type(floors)(*(field[twins] for field in floors))
        for other, within in ((k, True), ((k + 1) % 4, False)):
            assert (distance(errors, predicted_errors(cell, other)["minimizer"]).max() < WIDTH) == within
            assert (distance(mine, np.concatenate(predicted_twins(cell, other))).max() < WIDTH) == within


def test_a_batch_of_all_rows_is_one_path(folder: Path) -> None:
    """In an order nothing is random then, and the error is that of the path."""
    config = config_of(linear(table(["y"], order="epochs")), batch_size=40, optimizer={"name": "momentum", "beta": 0.5})
    cell = cell_of(folder, config)
    assert cell.minimizer is not None
    seen = np.square(run(cell.program, Reference, 2).theta[:, :, 0] - cell.minimizer).sum(axis=1)
    assert predicted_errors(cell)["minimizer"] == pytest.approx(seen, rel=1e-9)
    assert np.abs(np.concatenate(predicted_twins(cell))).max() == 0.0


@pytest.mark.parametrize(("features", "fourth"), [("uniform", 1.8), ("normal", 3.0), ("two_point", 1.0), ("laplace", 6.0)])
@pytest.mark.parametrize("dim", [1, 4])
def test_the_plateau_of_least_squares(features: str, fourth: float, dim: int, folder: Path) -> None:
    """dim rate s^2 / (2 - (fourth + dim - 1) rate / M), also as the exact errors tend to it; infinite from a rate on."""
    data = law(inputs=dim, weights=0.0, features=features, noise=0.7)
    rate, batch, k = 0.2, 3, fourth + dim - 1.0
    cell = cell_of(folder, config_of(linear(data, intercept=False), steps=4000, learning_rate=rate, batch_size=batch))
    # With batches the mean of M features is nearer to its expectation: of the fourth moments a share 1/M, of H^2 the rest.
    expected = dim * rate * 0.49 / batch / (2.0 - rate * (k + batch - 1.0) / batch)
    assert predictions(cell)["plateau"].value == pytest.approx(expected, rel=1e-9)
    assert predicted_errors(cell)["minimizer"][-1] == pytest.approx(expected, rel=1e-9)
    for share, finite in ((0.999, True), (1.001, False)):
        rate = share * 2.0 / k
        cell = cell_of(folder, config_of(linear(data, intercept=False), learning_rate=rate))
        assert ("plateau" in predictions(cell)) == finite
        growth = least_squares.growth(cell)
        assert growth is not None
        assert (growth < 1.0) == finite
        assert limit_point(cell, None).growth == growth


def test_errors_that_are_not_predicted(folder: Path) -> None:
    """Other rules, losses and orders; a penalty; labels that a linear model does not give."""
    values = law(inputs=2)
    for changes in (
        {"optimizer": "adam"},
        {"optimizer": {"name": "sgd", "clip_norm": 1.0}},
        {"domain": [-9, 9]},
        {"objective": linear(values | {"hold": 2})},
        {"objective": linear(values | {"drift": {"name": "linear", "speed": 0.1}})},
        {"objective": linear(values) | {"gradient_noise": "cauchy"}},
        {"objective": linear(SIGNS, loss="logistic")},
        {"objective": linear(values, weight_decay=0.1)},
        {"objective": linear(table(["y"], order="epochs"))},
        {"objective": linear({"name": "teacher"}), "xi": "start"},
        {"objective": linear(law(inputs=2, weights=1.0, bias=1.0), intercept=False)},
    ):
        cell = cell_of(folder, config_of(linear(values)) | changes)
        assert predicted_errors(cell) == {}
        assert predicted_twins(cell) == []
        assert "plateau" not in predictions(cell)


# What the verdict knows

NOISES: dict[str, tuple[dict[str, Any], str]] = {
    "noise": (linear(law(inputs=2)), "persists"),
    "no noise": (linear(law(inputs=2, noise=0.0)), "vanishes"),
    "no noise, no b": (linear(law(noise=0.0, bias=1.0), intercept=False), "persists"),
    "little noise": (linear(law(noise=1e-12)), "persists"),
    "penalty": (linear(law(inputs=2, noise=0.0), weight_decay=0.1), "persists"),
    "classes": (linear(SIGNS, loss="logistic"), "persists"),
    "separable": (linear(law(labels="classes", noise=0.0), loss="logistic"), "unknown"),
    "table": (linear(table(["y"])), "persists"),
    "table that is fitted": (linear(table(["twice"])), "vanishes"),
    "separable table": (linear(table(["sign"], classes=True, features=["c", "a"]), loss="logistic"), "unknown"),
    "unknown truth": (linear({"name": "teacher"}), "persists"),
    "wide table of a network": ({"name": "mlp", "hidden": [], "data": law(inputs=400)}, "persists"),
    "rotated": (DATA_OF["rotated"], "persists"),
    "rotated constant": (
        {"name": "rotated_quadratic", "data": {"name": "discrete", "values": [1.0], "probabilities": [1.0]}},
        "none",
    ),
}


@pytest.mark.parametrize(("objective", "noise"), NOISES.values(), ids=NOISES)
def test_noise_at_the_limit(objective: dict[str, Any], noise: str, folder: Path) -> None:
    assert limit_point(cell_of(folder, config_of(objective)), None).noise == noise


def test_interpolation_converges_at_a_constant_rate(folder: Path) -> None:
    """Labels without noise: the error falls by the same factor every step; not where the mean square grows."""
    cell = cell_of(folder, config_of(linear(law(inputs=3, noise=0.0)), learning_rate=0.2))
    known = structure(cell, None)
    assert known.contracting
    assert [reason.kind for reason in known.reasons] == ["noise"]
    unstable = structure(cell_of(folder, config_of(linear(law(inputs=3, noise=0.0)), learning_rate=0.5)), None)
    assert not unstable.contracting
    assert unstable.void.startswith("the mean square grows near the minimum")


def test_curvature_is_exact(folder: Path) -> None:
    """Of least squares and of the rotated quadratic: the largest eigenvalue, and what one example adds to its square."""
    a = np.column_stack([ROWS[:, :2], np.ones(len(ROWS))])
    values, vectors = np.linalg.eigh(a.T @ a / len(a))
    spread = np.square(a * (a @ vectors[:, -1:])).sum(axis=1).mean() - values[-1] ** 2
    here = limit_point(cell_of(folder, config_of(linear(table(["y"]), weight_decay=0.3))), None)
    assert here.curvature == pytest.approx(values[-1] + 0.3, rel=1e-12)
    assert here.spread == pytest.approx(spread, rel=1e-9)
    assert limit_point(cell_of(folder, config_of(DATA_OF["rotated"])), None).curvature == pytest.approx(1.0)


def test_unbounded_features_are_known(folder: Path) -> None:
    """A sum of squares of gradients may grow for ever then, whatever the labels are."""
    for features, found in (("normal", ["rule"]), ("uniform", [])):
        data = law(features=features, labels="classes")
        known = structure(cell_of(folder, config_of(linear(data, loss="logistic"), optimizer={"name": "amsgrad"})), None)
        assert [reason.kind for reason in known.reasons] == found


DECAYING = {"name": "sgd", "weight_decay": 0.1}
LIMITED: dict[str, tuple[dict[str, Any], str]] = {
    "decay": ({"optimizer": DECAYING}, "unknown"),
    "decoupled": ({"optimizer": DECAYING | {"decay_form": "decoupled"}}, "unknown"),
    "wide domain": ({"domain": [-9, 9]}, "vanishes"),
    "narrow domain": ({"domain": [-0.1, 0.1]}, "persists"),
    "clipped": ({"optimizer": {"name": "sgd", "clip_norm": 1.0}}, "vanishes"),
}


@pytest.mark.parametrize(("changes", "noise"), LIMITED.values(), ids=LIMITED)
def test_what_keeps_iterates_from_the_minimizer(changes: dict[str, Any], noise: str, folder: Path) -> None:
    """The labels have no noise; but decay, or a domain, may keep iterates from fitting them."""
    cell = cell_of(folder, config_of(linear(law(inputs=2, noise=0.0, weights=1.0))) | changes)
    assert limit_point(cell, None).noise == noise
    assert bool(predicted_errors(cell)) == ("decay" in str(changes))
    assert cell.minimizer is not None


# Whole runs


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("objective", "word"),
    [
        (linear(table(["y"], held_out=0.2)), "linear_model 2-1 squared"),
        (DATA_OF["rotated"], "rotated_quadratic (normal data, dim 5)"),
    ],
)
def test_a_run_says_what_it_is(objective: dict[str, Any], word: str, folder: Path, tmp_path: Path) -> None:
    """With exact errors and floors, quantities, and the same bytes when it is made again."""
    cell = cell_of(folder, config_of(objective, quantities=["excess_risk"], paths=64, steps=40, learning_rate=0.02))
    files, again = run_cell(cell, tmp_path / "one"), run_cell(cell, tmp_path / "two")
    assert files == again
    assert {"theory.csv", "floors_theory.csv", "predictions.json", "quantities.csv"} <= files.keys()
    assert word in files["summary.md"].decode()
    assert ("risk.csv" in files) == (objective["name"] == "linear_model")
    assert ("group_floors.csv" in files) == (objective["name"] == "linear_model")
    assert ("Theorem 1.1" in files["summary.md"].decode()) == (objective["name"] != "linear_model")
    assert b"excess_risk" in files["quantities.csv"]
