"""Small programs that both engines run, and whether they agree."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nonconv.contract.broken import Broken
from nonconv.data.discrete import TWO_POINT, TwoPoint
from nonconv.engine.blocks import Block, simulate
from nonconv.engine.program import Program
from nonconv.engine.reference import Reference
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC, Quadratic
from nonconv.optimizers.adam import ADAM, Adam

STEPS, PATHS, SEED = 200, 13, 3
LAYOUTS = [(1, "1"), (3, "1"), (2, "5"), (2, "growing")]
"""Coordinates and batch sizes that the engines are compared on."""
CLOSE_ULP = 4


def make_program(dim: int, batch: str, **changes: Any) -> Program:
    """Adam on the quadratic with two-point data, and what is changed."""
    scale = tuple(0.5 + 0.25 * j for j in range(dim))
    law = TwoPoint(-1.0, 2.0, 0.3)
    steps = changes.pop("steps", STEPS)
    whole: dict[str, Any] = {
        "seed": SEED,
        "dim": dim,
        "steps": steps,
        "objective": QUADRATIC,
        "objective_parameters": None,
        "objective_constants": QUADRATIC.prepare(Quadratic(None, dim, scale), dim),
        "data": TWO_POINT,
        "data_constants": TWO_POINT.prepare(law, dim),
        "optimizer": ADAM,
        "optimizer_parameters": Adam(),
        "learning_rate": lambda n: 0.1 * n**-0.25,
        "batch_size": (lambda n: 1.0 + np.floor(n / 6.0)) if batch == "growing" else (lambda n: np.full_like(n, float(batch))),
        "start": np.linspace(-1.0, 0.5, dim),
        "record": np.arange(1, steps + 1),
    }
    return Program(**(whole | changes))


def both_engines(program: Program, paths: int = PATHS) -> tuple[Block, Block]:
    """What the compiled engine and what NumPy makes of it."""
    from nonconv.engine.fused import Fused

    engines = (Fused(program), Reference(program))
    ours, reference = (simulate(program, engine, 0, paths, np.zeros(1, dtype=np.uint8)) for engine in engines)
    return ours, reference


def engines_agree(program: Program, component: Any, role: str) -> None:
    """The engines agree: to the bit, or where a function like log is in it, to 4 ulp a step at size 1."""
    ours, reference = (block.theta for block in both_engines(program))
    if component.transcendental:
        size = np.maximum(1.0, np.abs(reference).max(axis=(1, 2)))
        apart = np.abs(ours - reference).max(axis=(1, 2))
        good = bool(np.all(apart <= CLOSE_ULP * np.finfo(float).eps * program.record * size))
    else:
        good = np.array_equal(ours, reference, equal_nan=True)
    if not good:
        with np.errstate(all="ignore"):
            step = int(np.argmax(np.any(ours != reference, axis=(1, 2)))) + 1
        hint = "" if component.transcendental else "; does it use log, exp or the like, which `transcendental` must name?"
        what = f"compiled and NumPy differ from step {step} on in {program.dim} coordinates{hint}"
        raise Broken(what, getattr(component, role))


def depends_on_step_alone(function: Callable[[Array], Any], blamed: Callable[..., Any]) -> None:
    """The same numbers however the steps are cut or ordered, and the steps left alone."""
    n = np.arange(1.0, 61.0)
    given = n.copy()
    whole = np.atleast_2d(np.array(function(given)))
    if not np.array_equal(given, n):
        raise Broken("changes the steps it is given", blamed)
    pieces = [np.atleast_2d(np.array(function(n[first:last].copy()))) for first, last in ((0, 1), (1, 17), (17, 60))]
    if not np.array_equal(np.concatenate(pieces, axis=1), whole):
        raise Broken("gives other numbers when the steps are cut in pieces", blamed)
    if not np.array_equal(np.atleast_2d(np.array(function(n[::-1].copy())))[:, ::-1], whole):
        raise Broken("gives other numbers when the steps come in another order", blamed)
