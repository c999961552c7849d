"""Networks as programs, and examples for them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kit.programs import optimizer_named, program_of
from nonconv.components.definitions import Chosen, Dataset
from nonconv.datasets.function import FUNCTION, Function
from nonconv.datasets.table import CSV, Table
from nonconv.datasets.teacher import TEACHER, Teacher
from nonconv.engine.program import Learning, Program, Supply
from nonconv.numerics import rng
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.mlp import MLP, Mlp

SINE = Chosen(FUNCTION, Function(inputs=4))
VALUES = Chosen(TEACHER, Teacher(outputs=2))
LABELS = Chosen(TEACHER, Teacher(outputs=3, labels="classes"))


def table(x: Array, y: Array, classes: int = 0, *, epochs: bool = True) -> Chosen:
    """The rows of x (rows, features) and y (rows, targets), none of them held out."""
    return Chosen(CSV, Table(x, y, x[:0], y[:0], classes, "epochs" if epochs else "with_replacement"))


ROWS = table(np.arange(22.0).reshape(11, 2) % 7.0 - 3.0, np.arange(11.0)[:, None] % 4.0 - 1.0)


def start_of(seed: int, dim: int) -> Array:
    """In [-1, 1), as in oracles/make_networks.py."""
    return 2.0 * rng.uniforms(rng.key(seed, "start of the network"), 0, dim, 0, 1)[:, 0] - 1.0


def batches(text: str) -> Callable[[Array], Array]:
    """A constant batch, or one that grows by three every four steps."""
    return (lambda n: 1.0 + 3.0 * np.floor(n / 4.0)) if text == "growing" else (lambda n: np.full_like(n, float(text)))


def make(
    network: dict[str, Any],
    examples: Chosen = SINE,
    optimizer: str = "adam",
    batch: str = "3",
    steps: int = 12,
    held_out: tuple[Array, Array] | None = None,
    **changes: Any,
) -> Program:
    """A program that records every step, with a rate that changes; nothing is held out unless it is given."""
    data, rule, h = examples.component, optimizer_named(optimizer), Mlp(**{"data": None, "hidden": (5,)} | network)
    assert isinstance(data, Dataset)
    shape, of_data = data.shape(examples.parameters), examples.parameters
    groups = MLP.groups(h, shape)
    tested = held_out or (np.empty((shape.features, 0)), np.empty((shape.targets, 0)))
    default: dict[str, Any] = {
        "seed": 3,
        "optimizer_parameters": rule.parameters(),
        "learning_rate": lambda n: 0.02 * n**-0.25,
        "batch_size": batches(batch),
        "start": start_of(1, groups[-1].last),
        "record": np.arange(1, steps + 1),
        "learning": Learning(shape, data.draws(of_data), MLP.work(h, shape), groups, tested),
        "supply": Supply(data.order(of_data) if data.rows(of_data) else "with_replacement", data.rows(of_data)),
    }
    return program_of(
        dim=groups[-1].last,
        steps=steps,
        objective=MLP,
        objective_parameters=h,
        objective_constants=MLP.prepare(h, shape),
        data=data,
        data_constants=data.prepare(of_data),
        optimizer=rule,
        **default | changes,
    )
