"""Small programs on which the compiled engine is compared with the reference engine, bit for bit."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nonconv.components.definitions import Configured
from nonconv.contract.broken import Broken, demand_same_bits
from nonconv.data.discrete import TWO_POINT, TwoPoint
from nonconv.engine.blocks import simulate
from nonconv.engine.program import Program
from nonconv.engine.reference import Reference
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC, Quadratic
from nonconv.optimizers.adam import ADAM, Adam

STEPS, PATHS, SEED = 200, 13, 3
"""Size of the programs: an odd number of paths, so that no vector register divides it."""
LAYOUTS = [(1, "1"), (3, "1"), (2, "5"), (2, "growing")]
"""Coordinates and batch sizes that the engines are compared on."""


def make_program(dim: int, batch: str, **changes: Any) -> Program:
    """Return Adam on the quadratic with two-point data; `changes` replace fields of the Program."""
    # Different curvatures, so that a mix-up of coordinates shows.
    scale = tuple(0.5 + 0.25 * j for j in range(dim))
    law = TwoPoint(-1.0, 2.0, 0.3)
    whole: dict[str, Any] = {
        "seed": SEED,
        "dim": dim,
        "steps": STEPS,
        "objective": Configured(QUADRATIC, None, QUADRATIC.prepare(Quadratic(None, dim, scale), dim)),
        "data": Configured(TWO_POINT, law, TWO_POINT.prepare(law, dim)),
        "optimizer": Configured(ADAM, Adam()),
        "learning_rate": lambda n: 0.1 * n**-0.25,
        "batch_size": (lambda n: 1.0 + np.floor(n / 6.0)) if batch == "growing" else (lambda n: np.full_like(n, float(batch))),
        "start": np.linspace(-1.0, 0.5, dim),
        "record": np.arange(1, STEPS + 1),
    }
    return Program(**(whole | changes))


def engines_agree(program: Program, component: Any, role: str) -> None:
    """Run the program in both engines. Raises Broken, blaming the function of this role, if a bit differs."""
    from nonconv.engine.fused import Fused  # heavy

    stop = np.zeros(1, dtype=np.uint8)
    ours, reference = (simulate(program, engine, 0, PATHS, stop).theta for engine in (Fused(program), Reference(program)))
    demand_same_bits(ours, reference, getattr(component, role), f" in {program.dim} coordinates")


def depends_on_step_alone(function: Callable[[Array], Any], blamed: Callable[..., Any]) -> None:
    """Check that a function of steps (n,) is elementwise and does not change its argument.

    Raises Broken, blaming the function `blamed`.
    """
    n = np.arange(1.0, 61.0)
    # A copy, since the function may write to what it gets.
    given = n.copy()
    whole = np.atleast_2d(np.array(function(given)))
    if not np.array_equal(given, n):
        raise Broken("changes the steps it is given", blamed)
    pieces = [np.atleast_2d(np.array(function(n[first:last].copy()))) for first, last in ((0, 1), (1, 17), (17, 60))]
    if not np.array_equal(np.concatenate(pieces, axis=1), whole):
        raise Broken("returns other numbers when the steps are split into pieces", blamed)
    if not np.array_equal(np.atleast_2d(np.array(function(n[::-1].copy())))[:, ::-1], whole):
        raise Broken("returns other numbers when the steps come in another order", blamed)
