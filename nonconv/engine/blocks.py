"""Simulate one block: consecutive paths, moved together from their start to the last step."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.arithmetic import Array
from nonconv.components import Chosen
from nonconv.engine.program import Engine, Motion, Program, Slice
from nonconv.rng import key, uniforms

SNAPSHOT_BYTES = 16 * 2**20
LARGEST_BLOCK = 256
SMALLEST_BLOCK = 8
REPLAY_STEPS = 64

Failure = Literal["overflow", "nan"]


class Failed(NamedTuple):
    """A path that left the finite numbers: at which step, and whether to infinity or straight to NaN."""

    replicate: int
    step: int
    how: Failure


@dataclass(frozen=True)
class Block:
    """What a block leaves behind. theta (R, dim, paths) at the recorded steps; start, average (dim, paths)."""

    first: int
    start: Array
    theta: Array
    average: Array | None
    failed: tuple[Failed, ...]


class Stopped(Exception):
    """The block was told to stop and has no result."""


def block_size(dim: int, records: int) -> int:
    """Paths of a block: as many as their snapshots fit into a fixed number of bytes. A function of the config alone."""
    fitting = SNAPSHOT_BYTES // (8 * dim * records) // SMALLEST_BLOCK * SMALLEST_BLOCK
    return int(min(max(fitting, SMALLEST_BLOCK), LARGEST_BLOCK))


def start_points(program: Program, first: int, paths: int) -> Array:
    """Where the paths start, shape (dim, paths)."""
    if not isinstance(program.start, Chosen):
        return np.repeat(program.start[:, None], paths, axis=1)
    law, parameters = program.start
    u = uniforms(key(program.seed, "start"), 0, program.dim, first, paths)
    constants = law.prepare(parameters, program.dim)
    return np.array([law.sample(law.constants(*(field[j] for field in constants)), u[j]) for j in range(program.dim)])


def simulate(program: Program, engine: Engine, first: int, paths: int, stop: NDArray[np.uint8]) -> Block:
    """Run paths first, ..., first + paths - 1. Raises Stopped when stop[0] became nonzero on the way."""
    run = _Run(program, engine, first, paths, stop)
    theta = np.empty((len(program.record), program.dim, paths))
    done = 0
    for piece in program.slices():
        marks = program.record[done:] - piece.first_step
        marks = marks[: np.searchsorted(marks, len(piece.batch_size))]
        run.advance(piece, marks, theta[done : done + len(marks)])
        done += len(marks)
    failed = _find_failures(program, engine, first, run.theta, stop)
    return Block(first, start_points(program, first, paths), theta, run.mean(), failed)


class _Run:
    """The moving part of a block: iterates, optimizer state, running sum."""

    def __init__(self, program: Program, engine: Engine, first: int, paths: int, stop: NDArray[np.uint8]) -> None:
        self.program, self.engine, self.first, self.stop = program, engine, first, stop
        self.key = key(program.seed, "data")
        self.theta = start_points(program, first, paths)
        initial = program.optimizer.start(program.optimizer_parameters)
        self.state = np.empty((len(initial), program.dim, paths))
        for slot, value in enumerate(initial):
            self.state[slot] = value
        self.average = np.zeros((program.dim, paths) if program.average_after is not None else (0, 0))

    def advance(self, piece: Slice, marks: NDArray[np.int64], snapshots: Array) -> None:
        never = len(piece.batch_size)
        after = self.program.average_after
        motion = Motion(
            theta=self.theta,
            state=self.state,
            average=self.average,
            coefficients=piece.coefficients,
            batch_size=piece.batch_size,
            marks=marks,
            snapshots=snapshots,
            average_from=never if after is None else max(0, after + 1 - piece.first_step),
            first_draw=piece.first_draw,
            first_replicate=self.first,
            key=self.key,
            stop=self.stop,
        )
        self.engine.advance(motion)
        if self.stop[0]:
            raise Stopped

    def mean(self) -> Array | None:
        after = self.program.average_after
        return None if after is None else self.average / (self.program.steps - after)


def _find_failures(program: Program, engine: Engine, first: int, last: Array, stop: NDArray[np.uint8]) -> tuple[Failed, ...]:
    """When and how the paths whose last iterate is not finite left the finite numbers: found by running the block again.

    An iterate that is not finite never becomes finite again, so the last one tells whether there is anything to find.
    """
    wanted: list[int] = np.flatnonzero(~np.isfinite(last).all(axis=0)).tolist()
    found: dict[int, Failed] = {}
    if not wanted:
        return ()
    run = _Run(program, engine, first, last.shape[1], stop)
    for piece in program.slices(REPLAY_STEPS):
        steps = len(piece.batch_size)
        theta = np.empty((steps, program.dim, last.shape[1]))
        run.advance(piece, np.arange(steps), theta)
        for lane in wanted:
            bad = ~np.isfinite(theta[:, :, lane])
            if lane not in found and bad.any():
                at = int(bad.any(axis=1).argmax())
                how: Failure = "nan" if np.isnan(theta[at, :, lane]).any() else "overflow"
                found[lane] = Failed(first + lane, piece.first_step + at, how)
        if len(found) == len(wanted):
            break
    return tuple(found[lane] for lane in wanted)
