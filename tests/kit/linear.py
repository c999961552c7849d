"""Cells of linear methods, whose errors are known exactly; distances in standard errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Estimate

WIDTH = 4.0
"""Standard errors within which a comparison holds; beyond them in 6e-5 of all cases."""


def cell_of(folder: Path, config: dict[str, Any]) -> Cell:
    path = folder / "cell.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return read_cell(path, [])


def distance(seen: Estimate, expected: Any) -> Array:
    """In standard errors."""
    return np.asarray(np.abs(seen.value - expected) / seen.se)


METHODS: dict[str, dict[str, Any]] = {
    "sgd": {"name": "sgd"},
    "heavy_ball": {"name": "momentum", "beta": 0.8},
    "ema": {"name": "momentum", "beta": 0.8, "form": "ema"},
    "ema_corrected": {"name": "momentum", "beta": 0.8, "form": "ema", "bias_correction": True},
    "ema_first_gradient": {"name": "momentum", "beta": 0.8, "form": "ema", "start": "first_gradient"},
    "nesterov": {"name": "momentum", "beta": 0.8, "nesterov": True},
    "ema_schedule": {
        "name": "momentum",
        "beta": {"name": "one_minus_power", "exponent": 0.5, "shift": 2.0},
        "form": "ema",
        "bias_correction": True,
    },
    "dampened": {"name": "momentum", "beta": 0.8, "dampening": 0.4, "start": "first_gradient"},
    "nesterov_ema": {"name": "momentum", "beta": 0.8, "form": "ema", "nesterov": True},
}
TIMETABLES: dict[str, dict[str, Any]] = {
    "constant": {"learning_rate": 0.1, "batch_size": 3},
    "power": {"learning_rate": {"name": "power", "value": 0.3, "exponent": 0.6}},
    "growing": {"learning_rate": 0.15, "batch_size": {"name": "power", "value": 1.5, "exponent": 0.7}},
    "warmup": {"learning_rate": {"name": "cyclic", "low": 0.02, "high": 0.2, "period": 9, "warmup": 20}},
    "both": {
        "learning_rate": {"name": "step", "value": 0.2, "every": 13, "factor": 0.5},
        "batch_size": {"name": "piecewise", "values": [2, 1, 6], "until": [10, 25]},
    },
}
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
each_timetable = pytest.mark.parametrize("timetable", TIMETABLES.values(), ids=TIMETABLES)
SKEWED = {"name": "two_point", "low": -1.0, "high": 3.0, "p_high": 0.3}


def linear_cell(folder: Path, method: dict[str, Any], timetable: dict[str, Any], **changes: Any) -> Cell:
    """Two coordinates of different scale that start off the minimizer."""
    config: dict[str, Any] = {
        "seed": 12,
        "paths": 4096,
        "steps": 50,
        "objective": {"name": "quadratic", "dim": 2, "scale": [0.5, 1.5], "data": SKEWED},
        "optimizer": method,
        "start": [2.0, -0.5],
        "xi": ["minimizer", [0.5, 1.0]],
        "record": {"points": 8},
    }
    return cell_of(folder, config | timetable | changes)


def response(cell: Cell, j: int) -> Array:
    """What each theta_n - mu is made of, by running the definition on coefficients: rows n, columns e_0, z_1, z_2, ...

    The methods are linear, so a gradient that is a vector of coefficients is moved like a gradient that is a number.
    """
    program, steps = cell.program, np.arange(1.0, cell.program.steps + 1.0)
    rule, h, _ = program.optimizer
    rates = program.learning_rate(steps)
    columns = rule.coefficients(h, steps, rates)
    curvature, state = 2.0 * program.objective.constants.scale[j], rule.start(h)
    units = np.eye(len(steps) + 1)
    error, rows = units[0], []
    for t in range(len(steps)):
        per_step = rule.per_step(*(column[t] for column in columns))
        direction, state = rule.update(per_step, state, curvature * (error - units[t + 1]))
        error = error - rates[t] * direction
        rows.append(error)
    return np.array(rows)
