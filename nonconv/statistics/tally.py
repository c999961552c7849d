"""What is kept of the paths simulated so far: of fixed size, and two of them merge in block order."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.blocks import Block
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, merge, moments
from nonconv.statistics.comoments import CoMoments, comoments, merge_comoments
from nonconv.statistics.floors import last_floors, measured
from nonconv.statistics.networks import ends_of, of_network
from nonconv.statistics.trends import followed

MSE = "mse: "
NESTED: dict[str, Any] = {
    "errors": Moments,
    "floors": Moments,
    "trends": CoMoments,
    "risks": Moments,
    "noises": Moments,
    "group_floors": Moments,
    "group_trends": CoMoments,
}
PIECES = {"fan_pieces": "fan", "end_pieces": "ends"}
OUTCOMES = ("finite", "escaped", "caught", "overflow", "nan")
FATE_PATHS = 4096
PAIRED_PATHS = 65_536
FAN_COORDINATES = 4
FAN_NUMBERS = 2_000_000


Bound = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True)
class Tally:
    """Paths 0, ..., paths - 1 of a cell, measured.

    errors: moments of |theta_n - xi|^2, shape (xi, R). outcomes: how many paths ended how, in the order of OUTCOMES.
    first_failure: the earliest step at which a path left the finite numbers and that path, or (0, -1).
    fan_pieces: the first coordinates of the first paths, for quantiles; arrays (R, coordinates, paths) of one block each.
    end_pieces: the numbers of `ends` of the first paths, for paired differences; arrays (numbers, paths) of one block each.
    kept: the recorded paths whole, shape (paths, R, dim), with their outcomes (index into OUTCOMES) and the step of a
    failure (0 for none). fates: of the first paths, one column each: outcome, caught_step, place, speed and start
    (of engine.replay.Progress); without columns for an objective that has no orbit. floors, trends: of the rows of
    statistics.floors and statistics.trends. Of networks (statistics.networks; empty for others): risks and noises, of the
    rows of an Examined; group_floors and group_trends, of each group of coordinates; spoiled, how many paths. beyond: paths
    that left the a priori interval, or -1 where there is none.
    """

    paths: int
    errors: Moments
    outcomes: NDArray[np.int64]
    first_failure: NDArray[np.int64]
    fan_pieces: tuple[Array, ...]
    end_pieces: tuple[Array, ...]
    kept: Array
    kept_outcome: NDArray[np.int64]
    kept_failure: NDArray[np.int64]
    fates: Array
    floors: Moments
    trends: CoMoments
    risks: Moments
    noises: Moments
    group_floors: Moments
    group_trends: CoMoments
    spoiled: NDArray[np.int64]
    beyond: int

    def __add__(self, other: "Tally") -> "Tally":
        failures = [f for f in (self.first_failure, other.first_failure) if f[1] >= 0]
        return Tally(
            self.paths + other.paths,
            merge(self.errors, other.errors),
            self.outcomes + other.outcomes,
            min(failures, key=lambda f: (f[0], f[1])) if failures else self.first_failure,
            self.fan_pieces + tuple(piece for piece in other.fan_pieces if piece.shape[2]),
            self.end_pieces + tuple(piece for piece in other.end_pieces if piece.shape[1]),
            _joined(self.kept, other.kept),
            _joined(self.kept_outcome, other.kept_outcome),
            _joined(self.kept_failure, other.kept_failure),
            np.concatenate([self.fates, other.fates], axis=1) if other.fates.size else self.fates,
            merge(self.floors, other.floors),
            merge_comoments(self.trends, other.trends),
            merge(self.risks, other.risks),
            merge(self.noises, other.noises),
            merge(self.group_floors, other.group_floors),
            merge_comoments(self.group_trends, other.group_trends),
            self.spoiled + other.spoiled,
            self.beyond + other.beyond if self.beyond >= 0 else -1,
        )

    @property
    def fan(self) -> Array:
        """All of fan_pieces, shape (R, coordinates, paths)."""
        return np.concatenate(self.fan_pieces, axis=2)

    @property
    def ends(self) -> Array:
        """All of end_pieces, shape (numbers, paths)."""
        return np.concatenate(self.end_pieces, axis=1)

    def arrays(self) -> dict[str, Any]:
        """As named arrays, for a checkpoint."""
        nested = {f"{part}_{name}": value for part in NESTED for name, value in getattr(self, part)._asdict().items()}
        own = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self) if f.name not in (*NESTED, *PIECES)}
        return own | {name: getattr(self, name) for name in PIECES.values()} | nested

    @classmethod
    def from_arrays(cls, arrays: Any) -> "Tally":
        """The inverse of `arrays`."""
        nested = {part: kind(*(arrays[f"{part}_{name}"] for name in kind._fields)) for part, kind in NESTED.items()}
        pieces: dict[str, Any] = {part: (arrays[name],) for part, name in PIECES.items()}
        own = {f.name: arrays[f.name] for f in fields(cls) if f.name not in (*NESTED, *PIECES, "paths", "beyond")}
        return cls(paths=int(arrays["paths"]), beyond=int(arrays["beyond"]), **nested, **pieces, **own)


def _joined(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([a, b]) if len(b) else a


def fan_size(cell: Cell) -> tuple[int, int]:
    """How many paths and coordinates the quantiles rest on: a function of the config alone."""
    coordinates = min(len(cell.coordinates) or cell.program.dim, FAN_COORDINATES)
    return min(cell.fan_paths, FAN_NUMBERS // (coordinates * len(cell.program.record))), coordinates


def kept_coordinates(cell: Cell) -> Any:
    """The index of those that are kept of a path."""
    return [number for number, _ in cell.coordinates] if cell.coordinates else slice(None)


def measure(cell: Cell, block: Block, bound: Bound | None = None) -> Tally:
    """The tally of one block. bound: from start points (dim, paths) to the least and largest iterates there can be."""
    last = block.theta[-1]
    outcome, failure = _outcomes(cell, block, last)
    errors = np.empty((len(cell.xi), len(block.theta), last.shape[1]))
    targets = [_target(block, xi.label, xi.point) for xi in cell.xi]
    for target, out in zip(targets, errors, strict=True):
        _squared_errors(block, target, out)
    _mark_failures(errors, cell, block)
    floors, trends = _over_spans(cell, block, targets)
    network = of_network(cell.program, block)
    fan_paths, coordinates = fan_size(cell)
    of_fan = kept_coordinates(cell)[:coordinates] if cell.coordinates else slice(coordinates)
    in_fan, kept = max(0, fan_paths - block.first), max(0, cell.recorded_paths - block.first)
    failed = min(block.failed, key=lambda f: (f.step, f.replicate), default=None)
    return Tally(
        paths=last.shape[1],
        errors=moments(errors),
        outcomes=np.bincount(outcome, minlength=len(OUTCOMES)).astype(np.int64),
        first_failure=np.array([failed.step, failed.replicate] if failed else [0, -1], dtype=np.int64),
        fan_pieces=(block.theta[:, of_fan, :in_fan].copy(),),
        end_pieces=(
            np.concatenate([errors[:, -1], floors[list(last_floors(cell.program.plan).values())], network.ends])[
                :, : max(0, PAIRED_PATHS - block.first)
            ],
        ),
        kept=block.theta[:, kept_coordinates(cell), :kept].transpose(2, 0, 1).copy(),
        kept_outcome=outcome[:kept],
        kept_failure=failure[:kept],
        floors=moments(floors),
        trends=trends,
        risks=moments(network.risks),
        noises=moments(network.noises),
        group_floors=moments(network.floors),
        group_trends=comoments(network.trends),
        spoiled=network.spoiled,
        beyond=_beyond(block, bound),
        fates=_fates(block, outcome, max(0, FATE_PATHS - block.first)),
    )


def _target(block: Block, label: str, point: Array | None) -> Array:
    """xi for every path of the block, broadcastable against (dim, paths)."""
    if point is not None:
        return point[:, None]
    if label == "path_mean":
        assert block.average is not None
        return block.average
    return block.start if label == "start" else np.asarray(block.theta[-1])


def _squared_errors(block: Block, target: Array, out: Array) -> None:
    """Write |theta_n - xi|^2 to out (R, paths), without temporaries where there is one coordinate."""
    with np.errstate(over="ignore", invalid="ignore"):
        if block.theta.shape[1] == 1:
            np.square(np.subtract(block.theta[:, 0], target[0], out=out), out=out)
            return
        difference = block.theta - target
        np.square(difference, out=difference).sum(axis=1, out=out)


def _outcomes(cell: Cell, block: Block, last: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each path's outcome as an index into OUTCOMES, and the step of its failure."""
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.abs(last - block.start).max(axis=0) > cell.escape_radius
        if cell.minimizer is not None:
            far &= np.abs(last - cell.minimizer[:, None]).max(axis=0) > cell.escape_radius
    if block.progress is not None:  # what escaping means is the orbit's matter
        far = block.progress.escaped
    outcome = np.where(far, OUTCOMES.index("escaped"), OUTCOMES.index("finite"))
    if block.progress is not None:
        outcome[block.progress.caught_step > 0] = OUTCOMES.index("caught")
    failure = np.zeros(last.shape[1], dtype=np.int64)
    for failed in block.failed:
        outcome[failed.replicate - block.first] = OUTCOMES.index(failed.how)
        failure[failed.replicate - block.first] = failed.step
    return outcome, failure


NOTHING = np.empty((0, 1))


def _over_spans(cell: Cell, block: Block, targets: list[Array]) -> tuple[Array, CoMoments]:
    """The floors of every path, (rows, paths), and what a verdict follows."""
    plan = cell.program.plan
    if not plan.spans:
        return np.empty((0, block.theta.shape[2])), NO_TRENDS
    floors = measured(plan, block)
    return floors, comoments(followed(plan, block, floors, targets))


NO_TRENDS = comoments(NOTHING)


def ends(cell: Cell) -> list[str]:
    """What each path ends with: |theta_T - xi|^2 by the label of xi, the floors of the last span that are measured, and of
    a network its risk and share of idle units.
    """
    return [*(f"{MSE}{xi.label}" for xi in cell.xi), *last_floors(cell.program.plan), *ends_of(cell.program)]


def _beyond(block: Block, bound: Bound | None) -> int:
    """How many paths were outside the interval at some step; one that became 0/0 was not, as long as it was a number."""
    if bound is None:
        return -1
    low, high = bound(block.start)
    inside = (block.lowest >= low) & (block.highest <= high)
    return int((~inside.all(axis=0)).sum())


def _fates(block: Block, outcome: NDArray[np.int64], paths: int) -> Array:
    """The columns of the first paths of a block, shape (5, paths)."""
    p = block.progress
    if p is None:
        return np.empty((5, 0))
    return np.array([outcome, p.caught_step, p.place, p.speed, block.start[0]], dtype=np.float64)[:, :paths]


def _mark_failures(errors: Array, cell: Cell, block: Block) -> None:
    """An overflowed path is infinitely far away, and stays so; inf - inf would make it nan one step later.

    From a xi that depends on the path's end it is so at every step.
    """
    of_the_end = np.array([xi.label in ("path_mean", "last") for xi in cell.xi])[:, None]
    for failed in block.failed:
        lane = failed.replicate - block.first
        marked = of_the_end | (cell.program.record >= failed.step)
        errors[marked, lane] = np.inf if failed.how == "overflow" else np.nan
