"""When paths of a block failed, escaped or were caught, found by running it again in short pieces.

The kernel itself tests nothing: a test per step would cost every run, and most blocks have no failure.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.moving import every_step, start_points
from nonconv.engine.program import Engine, Program
from nonconv.numerics.arithmetic import Array

REPLAY_STEPS = 64
"""Steps per piece of a replay, of which all iterates are in memory."""
ESCAPE_SHARE = 0.5
"""A path that makes less than this part of the orbit's way over the last half of the run was caught."""

Failure = Literal["overflow", "undefined"]


class Failed(NamedTuple):
    """A path that is not finite: from which step on, whether it overflowed or became NaN at once, and |theta| the step before.

    before: of the largest coordinate, infinite where theta was not finite at the start.
    """

    replicate: int
    step: int
    how: Failure
    before: float


class Progress(NamedTuple):
    """How paths moved compared with the orbit, by their slowest coordinate; every field has shape (paths,).

    escaped: it made at least ESCAPE_SHARE of the orbit's way over the last half of the run; none does if the orbit
    does not move.
    caught_step: the first step at which a caught path was where it stayed from half of the run on; 0 if it was not caught.
    place: theta at the last step. speed: way per step over the last half of the run.
    """

    escaped: NDArray[np.bool_]
    caught_step: NDArray[np.int64]
    place: Array
    speed: Array


def find_failures(program: Program, engine: Engine, first: int, last: Array, stop: NDArray[np.uint8]) -> tuple[Failed, ...]:
    """Find when and how paths whose last iterate (dim, paths) is not finite left the finite numbers, by running them again.

    first: the number of the block's first path. Raises Stopped.
    """
    # An iterate that is not finite never becomes finite again, so the last one shows whether there is anything to find.
    wanted: list[int] = np.flatnonzero(~np.isfinite(last).all(axis=0)).tolist()
    found: dict[int, Failed] = {}
    if not wanted:
        return ()
    largest = np.abs(start_points(program, first, last.shape[1])).max(axis=0)
    for first_step, theta in every_step(program, engine, first, last.shape[1], stop, REPLAY_STEPS):
        for lane in wanted:
            bad = ~np.isfinite(theta[:, :, lane])
            if lane not in found and bad.any():
                at = int(bad.any(axis=1).argmax())
                how: Failure = "undefined" if np.isnan(theta[at, :, lane]).any() else "overflow"
                before = float(np.abs(theta[at - 1, :, lane]).max()) if at else float(largest[lane])
                found[lane] = Failed(first + lane, first_step + at, how, before)
        largest = np.abs(theta[-1]).max(axis=0)
        if len(found) == len(wanted):
            break
    return tuple(found[lane] for lane in wanted)


def find_progress(
    program: Program, engine: Engine, first: int, start: Array, theta: Array, stop: NDArray[np.uint8]
) -> Progress | None:
    """Compare paths with the orbit, from their start (dim, paths) and recorded iterates (R, dim, paths).

    None for a program without an orbit. Raises Stopped.
    """
    if program.orbit is None:
        return None
    # The last recorded step up to half of the run, from which on the way is measured.
    half = int(np.searchsorted(program.record, program.steps // 2, side="right"))
    before, since = (theta[half - 1], int(program.record[half - 1])) if half else (start, 0)
    with np.errstate(invalid="ignore", over="ignore"):
        way = theta[-1] - before
        # A path in several coordinates is as far as its slowest one.
        slowest = way.argmin(axis=0)[None]
        to_make = ESCAPE_SHARE * (program.orbit[program.steps] - program.orbit[since])
        escaped = (way >= to_make).all(axis=0) & (to_make > 0.0)
    caught = ~escaped & np.isfinite(theta[-1]).all(axis=0) & (to_make > 0.0)
    stayed = np.take_along_axis(theta[half:].min(axis=0), slowest, axis=0)[0]
    return Progress(
        escaped,
        _find_arrival(program, engine, first, slowest, stayed, caught, stop),
        np.take_along_axis(theta[-1], slowest, axis=0)[0],
        np.take_along_axis(way, slowest, axis=0)[0] / max(program.steps - since, 1),
    )


def _find_arrival(
    program: Program,
    engine: Engine,
    first: int,
    coordinate: NDArray[np.int64],
    place: Array,
    wanted: NDArray[np.bool_],
    stop: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Find the first step at which each wanted path had come as far as its place, (paths,); 0 for the others.

    coordinate (1, paths): which coordinate of each path is compared.
    """
    found = np.zeros(len(place), dtype=np.int64)
    left = wanted.copy()
    if not left.any():
        return found
    for first_step, theta in every_step(program, engine, first, len(place), stop, REPLAY_STEPS):
        there = np.take_along_axis(theta, coordinate[None], axis=1)[:, 0] >= place
        now = left & there.any(axis=0)
        found[now] = first_step + there.argmax(axis=0)[now]
        left &= ~now
        if not left.any():
            break
    return found
