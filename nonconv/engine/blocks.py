"""Simulate one block: consecutive paths, moved together from their start to the last step."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.causes import CAUSES, SQUARES
from nonconv.engine.moving import Moving, Sampled, Snapshots, Stopped
from nonconv.engine.plan import Span
from nonconv.engine.program import LARGEST_BLOCK, Engine, Learning, Program
from nonconv.engine.replay import Failed, Progress, find_failures, find_lost, find_progress
from nonconv.engine.strata import Hits, find_hits
from nonconv.engine.whole import Whole, follow
from nonconv.numerics.arithmetic import Array

SNAPSHOT_BYTES = 16 * 2**20
"""Most bytes of a block's snapshots, unless the smallest block has more."""
SMALLEST_BLOCK = 8
"""Fewest paths of a block."""
LANES = 256
"""Paths that a kernel moves together: what it keeps of them stays in the first cache."""
WORTHWHILE_SAMPLES, WORTHWHILE_OF_NETWORKS = 2**23, 2**27
"""Samples of one coordinate that a block should have: they take some 25 ms, Python's work for a block about 1 ms.

Those of networks are less work each: one draw serves many weights.
"""
ROWS_TOGETHER, STEPS_TOGETHER = 16, 2**18
"""Limits for programs that are moved together.

Coordinates: so that what a kernel works on stays in the second cache. Steps of all timetables: some 20 MB.
"""


class Examined(NamedTuple):
    """What held-out examples say of the networks of a block.

    risk, wrong (1 + R, paths): mean loss and share of wrong classes, at the start and the recorded steps. training: the mean
    loss of the examples that are learned from at the same steps, if there are finitely many. gradient, noise
    (Q, paths): |G|^2 of the mean gradient G and the trace of the variance of one example's, at the steps of `summary_steps`.
    idle (paths,): the share of hidden units that react to no example at the last step. dead (paths,): whether all units
    of some layer are idle, so that the network is constant.
    """

    risk: Array
    wrong: Array
    gradient: Array
    noise: Array
    idle: Array
    dead: NDArray[np.bool_]
    training: Array | None = None


class Iterates(NamedTuple):
    """What was seen of one kind of iterate of a block: see Block."""

    theta: Array
    seen: Array
    twins: tuple[Array, ...]
    sampled: tuple[Array, ...]
    sampled_twins: tuple[Array, ...]
    whole: Whole | None = None


@dataclass(frozen=True)
class Block:
    """What a block leaves behind. theta (R, dim, paths) at the recorded steps; start, average (dim, paths).

    seen (marks, dim, paths): the iterates at the steps of `marks`, the recorded ones among them. twins: for each span
    of the plan the twins at its twin_marks. sampled (strata, dim, paths): for each span the iterates at the steps of
    `Span.looks`. sampled_twins: the twins at the same steps, in the strata of `Span.late`. averages: the same of each running
    average of the program.
    lowest, highest (dim, paths): of all iterates; empty without track_range.
    whole: what the first paths did on every step, if some are `followed`.
    """

    first: int
    start: Array
    theta: Array
    average: Array | None
    failed: tuple[Failed, ...]
    progress: Progress | None
    marks: NDArray[np.int64]
    seen: Array
    twins: tuple[Array, ...]
    sampled: tuple[Array, ...]
    sampled_twins: tuple[Array, ...]
    lowest: Array
    highest: Array
    averages: tuple[Iterates, ...] = ()
    examined: Examined | None = None
    whole: Whole | None = None


@dataclass
class Seen:
    """What is seen of programs that move together, their coordinates one after another: see Block, per span where it is.

    marked: of all paths.
    """

    marked: Snapshots
    twins: list[Snapshots] = field(default_factory=list)
    sampled: list[Sampled] = field(default_factory=list)
    sampled_twins: list[Sampled] = field(default_factory=list)


def block_size(program: Program) -> int:
    """Return the paths per block: few, so that threads share them evenly, but enough to be worth Python's work.

    Their snapshots take at most SNAPSHOT_BYTES. A function of the config alone, so that the order of merges is one too.
    """
    most, lanes = (WORTHWHILE_OF_NETWORKS, SMALLEST_BLOCK) if program.learning else (WORTHWHILE_SAMPLES, LANES)
    worthwhile = math.ceil(most / (program.samples * program.steps * lanes)) * lanes
    numbers = program.dim * (1 + program.more_iterates) * program.plan.snapshots(program.record)
    fitting = SNAPSHOT_BYTES // (8 * numbers) // SMALLEST_BLOCK * SMALLEST_BLOCK
    return int(min(max(fitting, SMALLEST_BLOCK), worthwhile, LARGEST_BLOCK))


def most_together(program: Program) -> int:
    """Return how many programs with this program's `batch_key` are moved together, itself included."""
    if program.learning or program.orbit is not None:
        return 1
    numbers = program.dim * (1 + program.more_iterates) * program.plan.snapshots(program.record)
    snapshots = 8 * numbers * block_size(program)
    fitting = ROWS_TOGETHER // program.dim, STEPS_TOGETHER // program.steps, 2 * SNAPSHOT_BYTES // snapshots
    return max(1, min(fitting))


def simulate(program: Program, engine: Engine, first: int, paths: int, stop: NDArray[np.uint8]) -> Block:
    """Simulate paths first, ..., first + paths - 1. Raises Stopped when stop[0] becomes nonzero on the way."""
    (block,) = _simulate([program], engine, [engine], first, paths, stop)
    return block


def simulate_together(
    programs: Sequence[Program], make: Callable[..., Engine], first: int, paths: int, stop: NDArray[np.uint8]
) -> list[Block]:
    """Return the blocks that `simulate` gives for each program; all have the same `batch_key`.

    make: builds an engine of programs. Raises Stopped.
    """
    return _simulate(programs, make(*programs), [make(program) for program in programs], first, paths, stop)


def _simulate(
    programs: Sequence[Program], together: Engine, alone: Sequence[Engine], first: int, paths: int, stop: NDArray[np.uint8]
) -> list[Block]:
    """Move the programs together, their twins after each span's start, and return a block per program."""
    moving, program = Moving(programs, together, first, paths, stop), programs[0]
    seen = Seen(Snapshots.of(len(program.marks), moving))
    done = 0
    for span in program.plan.spans:
        moving.go(program.marks, seen.marked, done, span.first)
        hits = find_hits(program.seed, first, paths, span, together.tile)
        if program.plan.wanted.twin:
            _follow_twin(moving.twin(span.first), span, hits, seen, alone)
        seen.sampled.append(Sampled.of(hits, span.strata, moving))
        moving.go(program.marks, seen.marked, span.first, span.last, seen.sampled[-1])
        done = span.last
    moving.go(program.marks, seen.marked, done, program.steps)
    return [_block(each, alone[k], k, moving, seen) for k, each in enumerate(programs)]


def _block(program: Program, engine: Engine, number: int, moving: Moving, all_seen: Seen) -> Block:
    """Return the block of program `number` of those that moved together."""

    def own(rows: Array) -> Array:
        """Laid out as if it had been alone, so that sums over it have the same bits."""
        return np.ascontiguousarray(rows[..., number * program.dim : (number + 1) * program.dim, :])

    first, stop, marks, average = moving.first, moving.stop, program.marks, moving.mean()
    start, average = own(moving.start), None if average is None else own(average)
    failed = find_failures(program, engine, first, own(moving.theta), moving.suspects(number), stop)

    def iterates(of: Callable[[Snapshots | Sampled], Array]) -> Iterates:
        """Return what was seen of one kind of iterate; `of` takes it from what was seen of all."""
        seen, sampled = own(of(all_seen.marked)), tuple(own(of(one)) for one in all_seen.sampled)
        _lose(program, failed, first, seen, sampled)
        twins, sampled_twins = (tuple(own(of(one)) for one in every) for every in (all_seen.twins, all_seen.sampled_twins))
        # Without floors the marks are the recorded steps: no copy then.
        theta = seen if len(marks) == len(program.record) else seen[np.searchsorted(marks, program.record)]
        return Iterates(theta, seen, twins, sampled, sampled_twins)

    followed = program.followed if first == 0 else 0
    whole = follow(program, engine, followed, stop) if followed else ()

    last = iterates(lambda seen: seen.theta)
    if average is not None:
        _lose_average(failed, first, average)
    return Block(
        first=first,
        start=start,
        **last._replace(whole=whole[0] if whole else None)._asdict(),
        average=average,
        failed=failed,
        progress=find_progress(program, engine, first, start, last.theta, last.seen[program.half], stop),
        marks=marks,
        lowest=own(moving.lowest),
        highest=own(moving.highest),
        averages=tuple(
            iterates(partial(_average, k))._replace(whole=whole[1 + k] if whole else None) for k in range(program.more_iterates)
        ),
        examined=_examine(program, engine, start, last.theta, stop),
    )


def _average(k: int, seen: Snapshots | Sampled) -> Array:
    """Return what was seen of average k."""
    return seen.averages[:, k]


def summary_steps(record: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return indices of a few recorded steps: by factors of ten from the start, and the last two halvings."""
    return _summary_steps(record.tobytes())


@lru_cache(maxsize=8)
def _summary_steps(recorded: bytes) -> NDArray[np.int64]:
    """Return `summary_steps` of the steps in these bytes, which are the same in all cells of a sweep."""
    record = np.frombuffer(recorded, dtype=np.int64)
    steps = int(record[-1])
    wanted = [10**k for k in range(len(str(steps))) if 10**k < steps / 4] + [steps / 4, steps / 2, steps]
    return np.unique([int(np.abs(record - step).argmin()) for step in wanted])


def _examine(program: Program, engine: Engine, start: Array, theta: Array, stop: NDArray[np.uint8]) -> Examined | None:
    """Measure networks on the held-out examples; None without any. Raises Stopped.

    start (dim, paths), theta (R, dim, paths).
    """
    if program.learning is None or program.learning.held_out[0].shape[1] == 0:
        return None
    seen, own = np.concatenate([start[None], theta]), program.learning.training
    risk, wrong = _one_nan(engine.risks(seen, stop))
    training = _one_nan(engine.risks(seen, stop, own))[0] if own else None
    gradient, noise = _one_nan(engine.noises(theta[summary_steps(program.record)], stop))
    if stop[0]:
        raise Stopped
    return Examined(risk, wrong, gradient, noise, *_find_idle(program, theta[-1]), training)


def _one_nan(numbers: Array) -> Array:
    """Return the numbers with one kind of nan: its sign, which means nothing, is another one in each engine."""
    return np.where(np.isnan(numbers), np.nan, numbers)


def _find_idle(program: Program, theta: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return per path the share of hidden units that are idle, and whether a whole layer is, (paths,) each."""
    assert program.learning is not None
    idle, dead = np.zeros(theta.shape[1]), np.zeros(theta.shape[1], dtype=np.bool_)
    if program.objective.component.idle is None:
        return idle, dead
    # A few paths at a time: work has a column per path and held-out example.
    for first in range(0, theta.shape[1], SMALLEST_BLOCK):
        here = slice(first, first + SMALLEST_BLOCK)
        layers = _find_unmoved(
            program, program.learning, program.objective.component.idle, np.ascontiguousarray(theta[:, here])
        )
        if layers:
            idle[here] = np.concatenate(layers).mean(axis=0)
            dead[here] = np.any([layer.all(axis=0) for layer in layers], axis=0)
    # A failed network is counted as failed, not as idle.
    left = ~np.isfinite(theta).all(axis=0)
    return np.where(left, 0.0, idle), dead & ~left


def _find_unmoved(program: Program, learning: Learning, idle: Callable[..., Any], theta: Array) -> list[NDArray[np.bool_]]:
    """Return per hidden layer which units no held-out example moves, (units, paths)."""
    paths = theta.shape[1]
    x, y = (np.repeat(table, paths, axis=1) for table in learning.held_out)
    n = x.shape[1]
    work = np.empty((learning.work, n))
    with np.errstate(all="ignore"):
        program.objective.component.loss(program.objective.constants, n, theta, x, y, np.empty((2, n)), work)
    return [layer.reshape(len(layer), -1, paths).all(axis=1) for layer in idle(program.objective.constants, n, work)]


def _lost(failed: Sequence[Failed], first: int) -> Iterator[tuple[int, int]]:
    """Yield lane and step of each path whose squares of gradients left the range of numbers."""
    for one in failed:
        if one.cause == CAUSES[SQUARES]:
            yield one.replicate - first, one.step


def _lose(program: Program, failed: Sequence[Failed], first: int, seen: Array, sampled: Sequence[Array]) -> None:
    """Set to nan what was seen of paths whose squares of gradients left the range of numbers, from that step on."""
    for lane, step in _lost(failed, first):
        seen[program.marks >= step, :, lane] = np.nan
        for span, numbers in zip(program.plan.spans, sampled, strict=True):
            if span.last >= step:
                numbers[:, :, lane] = np.nan


def _lose_average(failed: Sequence[Failed], first: int, average: Array) -> None:
    """Set to nan the means (dim, paths) of paths whose squares of gradients left the range of numbers."""
    for lane, _ in _lost(failed, first):
        average[:, lane] = np.nan


def _follow_twin(twin: Moving, span: Span, hits: Hits, seen: Seen, engines: Sequence[Engine]) -> None:
    """Move the twin through its span and add what is seen of it; nan where its squares leave the range of numbers.

    engines: of each program alone.
    """
    origin = twin.saved()
    seen.twins.append(Snapshots.of(len(span.twin_marks), twin))
    seen.sampled_twins.append(Sampled.of(hits, span.strata - span.late.start, twin))
    twin.go(span.twin_marks, seen.twins[-1], span.first, span.last, seen.sampled_twins[-1])
    for k, program in enumerate(twin.programs):
        suspects = twin.suspects(k)
        if suspects.any():
            lost = find_lost(origin.alone(k, engines[k]), suspects, span.first, span.last)
            own = np.ix_([*range(k * program.dim, (k + 1) * program.dim)], np.flatnonzero(lost))
            for numbers in (seen.twins[-1], seen.sampled_twins[-1]):
                numbers.theta[:, own[0], own[1]] = np.nan
                numbers.averages[:, :, own[0], own[1]] = np.nan
