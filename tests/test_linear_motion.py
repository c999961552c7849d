"""Exact errors and twin floors of linear rules where a step has more parts, and averages of sign descent, beside runs.

Each comparison is within WIDTH standard errors, and must fail against what is known without the part.
"""

from copy import deepcopy
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.linear import WIDTH, cell_of
from nonconv.engine.blocks import simulate
from nonconv.engine.reference import Reference
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Estimate, estimate
from nonconv.statistics.floors import rows
from nonconv.statistics.tally import Tally, measure
from nonconv.study.ready import make_ready
from nonconv.theory.predictions import predictions
from nonconv.theory.recursion import predicted_errors, predicted_twins

ROWS = {"name": "sequence", "values": [0.5, -1.0, 2.0, 3.0, -2.5]}
ROTATED = {"name": "rotated_quadratic", "condition": 4.0, "data": {"name": "normal"}}
HEAVY, NESTEROV = {"name": "momentum", "beta": 0.8}, {"name": "momentum", "beta": 0.6, "nesterov": True}
PLAIN: dict[str, Any] = {
    "seed": 3,
    "paths": 1500,
    "steps": 40,
    "objective": {"name": "quadratic", "scale": 0.6, "data": {"name": "two_point", "low": -1.0, "high": 3.0, "p_high": 0.3}},
    "optimizer": "sgd",
    "learning_rate": {"name": "cyclic", "low": 0.05, "high": 0.3, "period": 9, "warmup": 7},
    "batch_size": {"name": "piecewise", "values": [2, 1, 3], "until": [10, 25]},
    "start": 1.5,
    "xi": ["start", 0.25],
    "record": {"points": 6, "paths": 0},
}
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "noise": ({"objective.gradient_noise": {"name": "uniform", "low": -0.5, "high": 2.0}}, {}),
    "noise of momentum": (
        {"objective.gradient_noise": {"name": "normal", "std": 1.5}, "optimizer": HEAVY},
        {"optimizer": HEAVY},
    ),
    "hold": ({"objective.data.hold": 7}, {}),
    "drift": ({"objective.data.drift": {"name": "sine", "amplitude": 0.8, "period": 11.5}}, {}),
    "decoupled": ({"optimizer": {"name": "sgd", "weight_decay": 0.5}}, {}),
    "l2": ({"optimizer": NESTEROV | {"weight_decay": 0.5, "decay_form": "l2"}}, {"optimizer": NESTEROV}),
    "domain that holds all": ({"domain": [-1, None]}, {"objective.scale": 0.5}),
    "epochs": ({"objective.data": ROWS | {"order": "epochs"}}, {"objective.data": ROWS}),
    "held epochs": (
        {"objective.data": ROWS | {"order": "epochs", "hold": 3}, "optimizer": HEAVY},
        {"objective.data": ROWS | {"hold": 3}, "optimizer": HEAVY},
    ),
    "once": ({"objective.data": ROWS | {"order": "once"}}, {"objective.data": ROWS | {"order": "epochs"}}),
    "cyclic": ({"objective.data": ROWS | {"order": "cyclic"}}, {"objective.data": ROWS}),
    "linear": (
        {"objective": {"name": "linear", "data": ROWS | {"order": "epochs"}}},
        {"objective": {"name": "linear", "data": ROWS}},
    ),
    "half a square": ({"objective": {"name": "power", "exponent": 2, "data": "normal"}}, {"objective.data": "normal"}),
    "rotated": (
        {"objective": ROTATED, "objective.data.hold": 2, "objective.data.drift": {"name": "linear", "speed": 0.05}},
        {"objective": ROTATED},
    ),
    "rows of numbers": (
        {
            "objective.data": {"name": "sequence", "rows": [[1, 0], [-2, 1], [3, 5]], "order": "epochs"},
            "objective.scale": [1, 0.2],
        },
        {"objective.data": {"name": "sequence", "rows": [[1, 0], [-2, 1], [3, 5]]}, "objective.scale": [1, 0.2]},
    ),
    "schedule-free": ({"optimizer": {"name": "schedule_free_sgd", "beta": 0.8, "r": 1.0}}, {}),
    "random start": (
        {"start": {"name": "uniform", "low": 1.0, "high": 3.0}, "objective.data.hold": 4},
        {"start": {"name": "uniform", "low": 1.0, "high": 3.0}},
    ),
}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The plain config with values at dotted keys."""
    config = deepcopy(PLAIN)
    for key, value in changes.items():
        *path, last = key.split(".")
        held: Any = config
        for name in path:
            held = held[name]
        held[last] = deepcopy(value)
    return config


def made(folder: Path, changes: dict[str, Any]) -> Cell:
    return make_ready(cell_of(folder, changed(changes))).cell


def measured(cell: Cell) -> Tally:
    return measure(cell, simulate(cell.program, Reference(cell.program), 0, cell.paths, np.zeros(1, dtype=np.uint8)))


def away(seen: Estimate, expected: Array) -> float:
    """How far the furthest number is from what is expected, in standard errors; inf where nothing varies and they differ."""
    size = 1e-9 * (1.0 + np.abs(expected))
    off = np.maximum(np.abs(seen.value - expected) - size, 0.0)
    return float(np.max(np.divide(off, seen.se, out=np.where(off > 0.0, np.inf, 0.0), where=seen.se > size)))


def distances(cell: Cell, tally: Tally, known: Cell, iterate: int) -> tuple[float, float]:
    """How far errors and twins of a cell's iterate are from those that are known of a cell."""
    exact, twins = predicted_errors(known, iterate), predicted_twins(known, iterate)
    kept = [k for k, xi in enumerate(cell.xi) if xi.label in exact]
    errors = Estimate(*(field[kept] for field in estimate(tally.errors)))
    mine = [row.floor == "twin" for row in rows(cell.program.plan)]
    floors = Estimate(*(field[mine] for field in estimate(tally.floors)))
    return away(errors, np.array([exact[cell.xi[k].label] for k in kept])), away(floors, np.concatenate(twins))


@pytest.mark.parametrize("part", PARTS)
def test_errors_and_twins_are_what_runs_show(part: str, tmp_path: Path) -> None:
    with_part, without = PARTS[part]
    iterates = ["last", {"name": "ema", "decay": 0.8}, *(["own"] if "free" in part else [])]
    cell = made(tmp_path, with_part | {"iterates": iterates})
    other = made(tmp_path, without | {"iterates": iterates[:2]})
    tally = measured(cell)
    for iterate, own in enumerate([tally, *tally.views[1:]]):
        assert max(distances(cell, own, cell, iterate)) < WIDTH
        assert iterate == 2 or max(distances(cell, own, other, iterate)) > WIDTH


@pytest.mark.parametrize("order", ["epochs", "once"])
def test_shuffles_are_those_of_every_order(order: str, tmp_path: Path) -> None:
    """Of three rows in batches of two, held for two steps: every order of every pass, enumerated."""
    values, g, steps = np.array([1.0, -2.0, 4.0]), 0.3, 12
    data = {"name": "sequence", "values": values.tolist(), "order": order, "hold": 2}
    changes = {"objective.data": data, "objective.scale": 0.5, "learning_rate": g, "batch_size": 2, "steps": steps}
    cell = made(tmp_path, changes | {"record": {"steps": list(range(1, steps + 1)), "paths": 0}})
    passes = product(permutations(range(3)), repeat=4) if order == "epochs" else ([one] * 4 for one in permutations(range(3)))
    squares = []
    for orders in passes:
        drawn, theta, found = values[np.concatenate(orders)], 1.5, []
        for n in range(steps):
            theta += g * (drawn[n // 2 * 2 : n // 2 * 2 + 2].mean() - theta)
            found.append((theta - 0.25) ** 2)
        squares.append(found)
    assert predicted_errors(cell)["0.25"] == pytest.approx(np.mean(squares, axis=0), rel=1e-12)


def test_closed_forms(tmp_path: Path) -> None:
    """At the ends of epochs and of holds, under a drift, and of decoupled decay on noise, as papers write them."""
    g, values = 0.2, np.array([0.5, -1.0, 2.0, 3.0, -2.5])
    plain = {"objective.scale": 0.5, "learning_rate": g, "batch_size": 1, "steps": 400, "start": 0.0}
    record = {"record": {"every": 5, "paths": 0}}
    w = g * (1.0 - g) ** np.arange(5)[::-1]
    at_ends = values.var() * 5 / 4 * (w @ w - w.sum() ** 2 / 5) / (1.0 - (1.0 - g) ** 10)
    epochs = made(tmp_path, plain | record | {"objective.data": ROWS | {"order": "epochs"}, "xi": ["minimizer"]})
    assert predicted_errors(epochs)["minimizer"][-1] == pytest.approx(at_ends, rel=1e-12)
    held, share = (
        made(tmp_path, plain | record | {"objective.data": {"name": "rademacher", "hold": 5}, "xi": [0]}),
        1.0 - (1.0 - g) ** 5,
    )
    assert predicted_errors(held)["0"][-1] == pytest.approx(share / (2.0 - share), rel=1e-12)
    drift = {"name": "rademacher", "drift": {"name": "linear", "speed": 0.1}}
    moved = made(tmp_path, plain | {"objective.data": drift, "xi": [40.0]})
    lag = 0.1 * (1.0 - g) / g
    assert predicted_errors(moved)["40"][-1] == pytest.approx(g / (2.0 - g) + lag**2, rel=1e-9), (
        "it lags behind by v (1 - g) / g"
    )
    rule = {"name": "momentum", "form": "ema", "beta": 0.8, "weight_decay": 0.5}
    noise = {"objective": {"name": "linear", "data": "rademacher"}, "optimizer": rule, "learning_rate": 0.1, "batch_size": 1}
    decayed, p, a = made(tmp_path, noise | {"start": 0.0, "xi": [0], "steps": 2000}), 0.95, 0.8
    known = 0.1**2 * (1.0 - a) ** 2 * (1.0 + p * a) / ((1.0 - p * a) * (1.0 - p**2) * (1.0 - a**2))
    assert predicted_errors(decayed)["0"][-1] == pytest.approx(known, rel=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": [-1, 2.9]},
        {"domain": [-1, 3], "optimizer": HEAVY},
        {"domain": [-1, 3], "objective.gradient_noise": "rademacher"},
        {"domain": [-1, 3], "learning_rate": 0.9},
        {"optimizer": {"name": "sgd", "clip_value": 100.0}},
        {"objective.gradient_noise": {"name": "cauchy"}},
        {"optimizer": {"name": "adam", "weight_decay": 0.1}},
        {"objective": {"name": "power", "exponent": 4, "data": "normal"}},
        {"start": {"name": "cauchy"}, "objective.data.hold": 2},
    ],
)
def test_what_is_not_linear_is_not_predicted(changes: dict[str, Any], tmp_path: Path) -> None:
    cell = made(tmp_path, changes)
    assert predicted_errors(cell) == {}
    assert predictions(cell) == {}


@pytest.mark.parametrize(
    ("changes", "plateau"),
    [
        ({"objective.gradient_noise": {"name": "uniform", "low": -1.0, "high": 2.0}}, None),
        ({"optimizer": {"name": "sgd", "weight_decay": 0.5}}, None),
        ({"optimizer": {"name": "momentum", "beta": 0.7, "weight_decay": 0.5, "decay_form": "l2"}}, None),
        ({"objective.gradient_noise": {"name": "normal", "std": 2.0}}, (0.12**2 * 3.36 + 0.1**2 * 4.0) / (1.0 - 0.88**2)),
    ],
)
def test_the_recursion_settles_at_the_plateau(changes: dict[str, Any], plateau: float | None, tmp_path: Path) -> None:
    cell = made(tmp_path, changes | {"learning_rate": 0.1, "batch_size": 1, "steps": 2000, "xi": ["minimizer"]})
    found = predictions(cell)
    assert found["plateau"].value == pytest.approx(predicted_errors(cell)["minimizer"][-1], rel=1e-9)
    assert found["one_step"].value == pytest.approx(predicted_twins(cell)[-1][0], rel=1e-9)
    assert plateau is None or found["plateau"].value == pytest.approx(plateau, rel=1e-9)


def test_averages_of_sign_descent(tmp_path: Path) -> None:
    """In two coordinates, clipped and in a domain that never acts; beside another spacing."""
    lattice: dict[str, Any] = {
        "objective": {"name": "quadratic", "dim": 2, "data": {"name": "uniform", "low": -1.0, "high": 1.0}},
        "optimizer": {"name": "sign_descent", "clip_norm": 0.1},
        "learning_rate": 0.125,
        "batch_size": 1,
        "start": [0.5, -0.25],
        "domain": [-1, 1],
        "xi": ["minimizer", 0.25],
        "iterates": ["last", "polyak", {"name": "ema", "decay": 0.7}],
    }
    cell, other = made(tmp_path, lattice), made(tmp_path, lattice | {"learning_rate": 0.25})
    tally = measured(cell)
    for iterate, own in enumerate([tally, *tally.views[1:]]):
        assert max(distances(cell, own, cell, iterate)) < WIDTH
        assert max(distances(cell, own, other, iterate)) > WIDTH
    assert "plateau" in predictions(cell)
    assert predicted_errors(made(tmp_path, lattice | {"domain": [-0.5, 1]})) == {}
