"""Programs on the quadratic, and how to simulate them with either engine."""

from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nonconv.components.definitions import Configured, Distribution, Optimizer
from nonconv.data import DATA
from nonconv.data.continuous import LogUniform
from nonconv.data.discrete import Discrete, Sequence, TwoPoint
from nonconv.data.empirical import Rows
from nonconv.data.heavy_tailed import Pareto, StudentT
from nonconv.engine.blocks import Block, simulate
from nonconv.engine.fused import Fused
from nonconv.engine.program import Program
from nonconv.engine.reference import Reference
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC, Quadratic
from nonconv.optimizers import OPTIMIZERS

each_engine = pytest.mark.parametrize(
    "engine", [pytest.param(Fused, id="fused", marks=pytest.mark.compiles), pytest.param(Reference, id="reference")]
)


SOME_OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam", "amsgrad", "adabelief", "schedule_free_adamw")
"""Of the optimizers, those that differ for an engine, by their state or by what the table depends on."""

CONTINUOUS = ("pareto", "uniform", "log_uniform", "normal", "truncated_normal", "student_t", "cauchy", "laplace")
_OTHERS = [name for name in reversed([*OPTIMIZERS]) if name not in SOME_OPTIMIZERS]
LAW_OF = dict(zip(SOME_OPTIMIZERS, CONTINUOUS, strict=True)) | dict(zip(_OTHERS, cycle(DATA), strict=False))
"""A law for each optimizer, such that each law is met. A kernel takes a second to compile, and is used by several tests.

Of SOME_OPTIMIZERS a continuous one, in which two paths never meet by chance; of rules that see signs alone one with both.
"""
assert set(LAW_OF.values()) == {*DATA}


def optimizer_named(name: str) -> Optimizer:
    found = OPTIMIZERS[name]
    assert isinstance(found, Optimizer)
    return found


def law_named(name: str) -> Distribution:
    found = DATA[name]
    assert isinstance(found, Distribution)
    return found


LAWS: dict[str, Any] = {
    "discrete": Discrete((0.1, 1.0, -2.0, 5.5), (0.3, 0.2, 0.4, 0.1)),
    "two_point": TwoPoint(-1.0, 2.0, 0.3),
    "log_uniform": LogUniform(1e-3, 2.0),
    "student_t": StudentT(3.5, 0.25, 0.5),
    "pareto": Pareto(3.0),
    "sequence": Sequence((0.5, -1.0, 3.0, 0.25)),
}


def law_parameters(name: str, dim: int) -> Any:
    """Of a law that is neither symmetric nor trivial, in any dimension."""
    if name == "csv":
        return Rows(np.array([[k, 0.5 - k**2, 1.0 / (k + 1)] for k in range(7)])[:, :dim])
    return LAWS[name] if name in LAWS else law_named(name).parameters()


def program_of(**parts: Any) -> Program:
    """A Program whose objective, data and optimizer are given as NAME, NAME_parameters and NAME_constants."""
    for role in ("objective", "data", "optimizer"):
        constants = parts.pop(f"{role}_constants", ())
        parts[role] = Configured(parts[role], parts.pop(f"{role}_parameters", None), constants)
    return Program(**parts)


@cache
def batches(text: str) -> Any:
    """A constant batch, or one that grows by one every six steps."""
    return (lambda n: 1.0 + np.floor(n / 6.0)) if text == "growing" else (lambda n: np.full_like(n, float(text)))


def make(
    optimizer: str = "adam", data: str = "uniform", dim: int = 1, batch: str = "1", steps: int = 45, **changes: Any
) -> Program:
    """A program that records every step, with a rate that changes."""
    law, rule = law_named(data), optimizer_named(optimizer)
    scale = tuple(0.5 + 0.25 * j for j in range(dim))
    default: dict[str, Any] = {
        "seed": 3,
        "objective_parameters": Quadratic(None, dim, scale),
        "objective_constants": QUADRATIC.prepare(Quadratic(None, dim, scale), dim),
        "data_constants": law.prepare(law_parameters(data, dim), dim),
        "optimizer_parameters": rule.parameters(),
        "learning_rate": lambda n: 0.1 * n**-0.25,
        "batch_size": batches(batch),
        "start": np.linspace(-1.0, 0.5, dim),
        "record": np.arange(1, steps + 1),
    }
    parts = default | changes
    form = rule.form(parts["optimizer_parameters"]) or rule
    return program_of(dim=dim, steps=steps, objective=QUADRATIC, data=law, optimizer=form, **parts)


def all_looks(block: Block) -> list[Array]:
    """What is seen of twins, and of paths and twins in each stratum."""
    return [*block.twins, *block.sampled, *block.sampled_twins]


def looked_at(theta: Array, looks: NDArray[np.int64]) -> Array:
    """Iterates (steps, dim, paths) of each path after its own steps (strata, paths): shape (strata, dim, paths)."""
    return np.ascontiguousarray(np.moveaxis(theta[looks - 1, :, np.arange(looks.shape[1])], 2, 1))


def run(program: Program, engine: type[Fused | Reference] = Fused, first: int = 0, paths: int = 13) -> Block:
    return simulate(program, engine(program), first, paths, np.zeros(1, dtype=np.uint8))
