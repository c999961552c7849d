"""Objectives that depend on the optimizer: it first runs alone, and its orbit determines the objective's constants.

The same kernel computes the orbit and the run, so that the iterates meet the knots with the very same bits.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nonconv.components.definitions import Objective
from nonconv.engine.causes import CAUSES, SQUARES
from nonconv.engine.moving import Moving, every_step_of
from nonconv.engine.plan import NO_PLAN
from nonconv.engine.program import SLICE_STEPS, Engine, Program
from nonconv.engine.replay import find_failures
from nonconv.faults.errors import UsageError
from nonconv.numerics.arithmetic import Array

SPARE_STEPS = 1024
"""Steps of the orbit beyond the last, for paths that run ahead of it."""
MOST_STEPS = 10_000_000
"""Most steps of a run with an orbit: its knots are kept in memory."""


def with_orbit(program: Program, engine: Callable[[Program], Engine]) -> Program:
    """Return the program bound to its orbit; unchanged if its objective needs none, or has it already.

    engine: makes the engine of a program. Raises UsageError if there are too many steps, or if the objective cannot be made
    from the orbit.
    """
    objective, h, _ = program.objective
    make = objective.on_orbit if isinstance(objective, Objective) else None
    if make is None or program.orbit is not None:
        return program
    name = objective.name
    if program.steps > MOST_STEPS:
        raise UsageError(f"objective {name}: {program.steps} steps need as many knots; at most {MOST_STEPS} fit into memory")
    orbit = _orbit(program, engine)
    try:
        constants = make(h, program.dim, orbit)
    except ValueError as error:
        raise UsageError(f"objective {name}: {error}") from None
    return replace(program, objective=program.objective._replace(constants=constants), orbit=orbit)


def _orbit(program: Program, engine: Callable[[Program], Engine]) -> Array:
    """Return 0 and the iterates after it, (steps + SPARE_STEPS + 1,), on the objective as `prepare` gives it.

    It is one path, started at 0, without snapshots, floors, noise or a domain. Raises UsageError where its squares of
    gradients leave the range of numbers.
    """
    objective, data = program.objective, program.data
    # One coordinate is enough: all have the same slope, and the optimizer works on each alone, unless a norm clips them.
    dim = program.dim if program.parts.clip_norm else 1
    everywhere = np.full(dim, np.inf)
    alone = replace(
        program,
        dim=dim,
        steps=program.steps + SPARE_STEPS,
        start=np.zeros(dim),
        average_after=None,
        plan=NO_PLAN,
        track_range=False,
        objective=objective._replace(constants=objective.component.prepare(objective.parameters, dim)),
        data=data._replace(constants=type(data.constants)(*(field[:dim] for field in data.constants))),
        noise=None,
        # Of the kernel of the run.
        domain=program.domain and (-everywhere, everywhere),
    )
    stop = np.zeros(1, dtype=np.uint8)
    length = max(1, SLICE_STEPS // dim)  # all iterates of so many steps are in memory at once
    moving = Moving([alone], engine(alone), 0, 1, stop)
    orbit = np.concatenate([np.zeros(1), *(theta[:, 0, 0].copy() for _, theta in every_step_of(moving, length))])
    failed = find_failures(alone, moving.engine, 0, moving.theta, moving.suspects(0), stop)
    if any(one.cause == CAUSES[SQUARES] for one in failed):
        raise UsageError(
            f"objective {objective.component.name}: squares of its gradients leave the range of numbers, so that the steps of "
            f"{program.optimizer.component.name} would be others; take a scale between 1e-150 and 1e150"
        )
    return orbit
