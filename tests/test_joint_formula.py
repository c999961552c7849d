"""Objectives that a config writes out over all coordinates and all numbers of a datum: theta1, theta2, ..., x1, x2, ..."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.linear import cell_of
from nonconv.engine.blocks import simulate
from nonconv.engine.fused import Fused
from nonconv.engine.reference import Reference
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.theory.limit_point import is_quiet
from nonconv.theory.structure import structure
from nonconv.theory.tails import error_tails

TABLE = [[1.0, 2.0, 0.5], [3.0, -1.0, 0.0], [0.5, 0.25, -1.0], [1.5, 0.75, 2.0]]
BASE: dict[str, Any] = {"steps": 60, "learning_rate": 0.1, "optimizer": "sgd", "record": {"every": 1}}


def joint(loss: str, **more: Any) -> dict[str, Any]:
    """Return a config of this loss; `data` and the like belong to the objective."""
    of_objective = ["data", "constants", "minimizer", "gradient"]
    own: dict[str, Any] = {name: more.pop(name) for name in of_objective if name in more}
    objective = {"name": "joint_formula", "loss": loss, **own}
    return BASE | {"objective": objective} | more


def paths_of(cell: Cell, engine: Any = Reference, paths: int = 7) -> Array:
    """Return all recorded iterates, (steps, dim, paths)."""
    return simulate(cell.program, engine(cell.program), 0, paths, np.zeros(1, dtype=np.uint8)).theta


PARTS: list[dict[str, Any]] = [
    {"batch_size": 3},
    {"data": {"name": "sequence", "rows": TABLE, "order": "epochs"}, "batch_size": 2},
    {"data": {"name": "sequence", "rows": TABLE, "order": "once", "hold": 3, "drift": {"name": "linear", "speed": 0.01}}},
    {"optimizer": {"name": "adam", "clip_norm": 1.0, "weight_decay": 0.1}, "domain": [[-1, 1], [None, 0.5]]},
    {"optimizer": "schedule_free_sgd", "iterates": ["last", "polyak", "own"], "start": {"name": "normal"}},
]


@pytest.mark.parametrize("parts", PARTS, ids="-".join)
def test_engines_have_the_same_bits(parts: dict[str, Any], tmp_path: Path) -> None:
    """Of a loss with elementary functions, choices and kinks, with the other parts of a step."""
    loss = "log(1 + exp(-x1*theta1*theta2)) + a*abs(theta1 - x2) + where(theta2 < x3, theta2**2, 2*theta2) + theta1**2"
    config = joint(loss, **({"data": {"name": "uniform", "low": -1, "high": 2}, "constants": {"a": 0.3}} | parts))
    cell = cell_of(tmp_path, config)
    assert np.array_equal(paths_of(cell, Fused), paths_of(cell))


def test_a_sum_over_coordinates_is_the_separable_one(tmp_path: Path) -> None:
    law = {"name": "two_point", "low": -1, "high": 3, "p_high": 0.3}
    separable = BASE | {"objective": {"name": "quadratic", "data": law, "dim": 2}, "optimizer": "adam"}
    written = joint("(theta1 - x1)**2 + (theta2 - x2)**2", data=law, optimizer="adam")
    assert np.allclose(paths_of(cell_of(tmp_path, written)), paths_of(cell_of(tmp_path, separable)), rtol=1e-12, atol=1e-14)


def test_a_finite_sum_with_coefficients_of_its_own(tmp_path: Path) -> None:
    """In cyclic order it is a recursion that a few lines write down."""
    config = joint("x1*theta1**2/2 - x2*theta1", data={"name": "sequence", "rows": TABLE, "order": "cyclic"}, start=2.0)
    seen, theta = paths_of(cell_of(tmp_path, config))[:, 0, 0], 2.0
    for n in range(60):
        a, b, _ = TABLE[n % 4]
        theta -= 0.1 * (a * theta - b)
        assert seen[n] == pytest.approx(theta, rel=1e-13)


def test_signs_keep_the_sum_of_two_coordinates(tmp_path: Path) -> None:
    """Of |t1 - t2| + eps |t1 + t2| every sign is (1, -1) or (-1, 1), so that t1 + t2 never changes: Karimireddy et al. 2019."""
    config = joint(
        "abs(theta1 - theta2) + eps*abs(theta1 + theta2)",
        constants={"eps": 0.25},
        optimizer="sign_descent",
        start=[1.5, 0.5],
        learning_rate=0.07,
    )
    theta = paths_of(cell_of(tmp_path, config), paths=1)[:, :, 0]
    assert np.allclose(theta.sum(axis=1), 2.0, rtol=1e-14)
    assert np.abs(theta[-1, 0] - theta[-1, 1]) < 0.15
    sgd = cell_of(tmp_path, config | {"optimizer": "sgd", "steps": 200})
    assert np.abs(paths_of(sgd, paths=1)[-1, :, 0].sum()) < 0.2


def test_what_is_known_of_its_noise(tmp_path: Path) -> None:
    """Nothing without a minimizer; with one it vanishes there or stays."""
    rows = {"name": "sequence", "rows": [[1, 2, 3], [2, -1, 0], [0, 1, 1]]}
    fitted = "(x1*theta1 + x2*theta2 - x3)**2/2"  # by (1, 1) but for the second row

    def noise(**more: Any) -> str:
        return str(structure(cell_of(tmp_path, joint(**({"data": rows} | more)))).noise)

    assert noise(loss=fitted) == "unknown"
    assert noise(loss="(x1*theta1 + x2*theta2 - x1 - x2)**2/2", minimizer=[1.0, 1.0]) == "vanishes"
    assert noise(loss="(theta1 - x1)**2 + (theta2 - x2)**2", minimizer=[1.0, 2.0 / 3.0]) == "persists"
    assert noise(loss="(theta1 - x1)**2*(1 + theta2**2)", data={"name": "normal"}) == "unknown"
    config = joint("theta1**2 + theta2**4")
    assert structure(cell_of(tmp_path, config)).noise == "none"


@pytest.mark.parametrize(
    "loss", ["x1*theta1 + cosh(theta1) + x2**2*theta2**2 + cosh(theta3)", "x1*theta1**2 + x2*theta2**2 + x3"]
)
def test_data_have_as_many_numbers_as_they_like(loss: str, tmp_path: Path) -> None:
    """More or fewer than there are coordinates: intervals take the worst of the numbers for each coordinate."""
    cell = cell_of(tmp_path, joint(loss, data={"name": "normal"}, xi=[0.0]))
    found = error_tails(cell, (1,) * len(cell.program.plan.spans))
    assert found.paths.shape == (1, 60)
    assert not found.exact


FITTED = [[1, 2, 1], [3, 1, 1], [-1, 1, 1]]


@pytest.mark.parametrize(
    ("rows", "rate", "contracts"),
    [(FITTED, 0.19, True), (FITTED, 0.21, False), ([*FITTED, [1, 1, -0.1]], 0.19, False)],
    ids=["no row expands", "one is too steep", "one is concave"],
)
def test_passes_in_an_order_shrink_distances_if_every_row_does(
    rows: list[list[float]], rate: float, contracts: bool, tmp_path: Path
) -> None:
    """Rows a, b with the loss s (a t1 + b t2)^2 / 2: the largest eigenvalue is s (a^2 + b^2), here 10."""
    data = {"name": "sequence", "rows": rows, "order": "epochs"}
    config = joint("x3*(x1*theta1 + x2*theta2)**2/2", data=data, minimizer=[0.0, 0.0], learning_rate=rate)
    assert structure(cell_of(tmp_path, config)).contracting is contracts


def test_a_concave_function_of_a_separable_sum_expands(tmp_path: Path) -> None:
    loss = "where(x < 1, theta**2, -c*theta**2/10)"
    data = {"name": "sequence", "values": [0, 1, 2, 3], "order": "epochs"}
    for c, contracts in ((0.0, True), (1.0, False)):
        objective = {"name": "formula", "loss": loss, "constants": {"c": c}, "data": data}
        assert structure(cell_of(tmp_path, BASE | {"objective": objective})).contracting is contracts


def test_paths_that_no_datum_moves_are_equal(tmp_path: Path) -> None:
    """Their mean has an interval, of length 0; where noise stays, equal paths mean that rare values were not drawn."""
    data = {"name": "sequence", "rows": FITTED, "order": "epochs"}
    fitted = joint("(x1*theta1 + x2*theta2 - x1*c)**2/2", data=data, constants={"c": 2.0}, minimizer=[2.0, 0.0])
    assert is_quiet(cell_of(tmp_path, fitted))
    noisy = joint("(theta1 - x1)**2 + theta2**2", data=data, minimizer=[1.0, 0.0])
    assert not is_quiet(cell_of(tmp_path, noisy))
