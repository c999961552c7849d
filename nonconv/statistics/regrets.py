"""The regret of paths: their losses against those of the best fixed point, which each path has for itself.

    lost(n)  = sum_{k <= n} (f_k(theta_{k-1}) - f_k(r))          f_k: the mean loss of the samples of step k
    least(n) = min over theta of sum_{k <= n} (f_k(theta) - f_k(r))

r is any fixed point. Where the mean of the data is enough (Objective.mean_is_enough) the sum is n times the difference of
losses at the mean of what was sampled. Otherwise it is a sum over the values of a finite law, each as often as it came, or
over the samples themselves. A minimum is looked for coordinate by coordinate, since losses are sums over coordinates.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np

from nonconv.components.quantity import Regret, Steps
from nonconv.engine.moving import Moving
from nonconv.engine.program import Program, Slice
from nonconv.engine.samples import Samples
from nonconv.experiment.cell import Cell
from nonconv.experiment.expectation import atoms_of
from nonconv.numerics.arithmetic import Array

MOST_PATHS, MOST_DRAWS = 4096, 2**25
"""Most first paths, and most samples of them: they are drawn again outside of the kernel, which takes 50 ns each."""
FEWEST_PATHS = 32
MOST_ATOMS, PATHS_OF_ATOMS = 64, 256
"""Most values of a finite law that are counted, and paths then."""
PATHS_OF_SAMPLES, MOST_SAMPLES = 32, 2**22
"""Most paths, and numbers in memory, where the samples themselves are kept."""
MOST_STEPS = 32
"""Most steps at which a minimum is looked for unless the mean is enough."""
GRID, GOLDEN_STEPS, WIDENINGS = 33, 56, 64
"""Points among which a minimum is bracketed, steps that narrow it, and how often the range is widened where it has no end."""
GOLDEN = 0.6180339887498949


def steps_of(cell: Cell) -> Steps:
    """Return the recorded steps at which regret is measured: all, or some where each takes long."""
    record = cell.program.record
    if cell.program.objective.component.mean_is_enough or len(record) <= MOST_STEPS:
        return record
    chosen: Steps = record[np.unique(np.linspace(0, len(record) - 1, MOST_STEPS).round().astype(int))]
    return chosen


def paths_of(cell: Cell) -> int:
    """Return how many of the first paths are measured: a function of the config alone."""
    program = cell.program
    samples = program.samples * program.steps
    most = int(np.clip(MOST_DRAWS // samples, FEWEST_PATHS, MOST_PATHS))
    if program.objective.component.mean_is_enough:
        return most
    if _atoms(cell) is not None:
        return min(most, PATHS_OF_ATOMS)
    return int(np.clip(MOST_SAMPLES // samples, 1, min(most, PATHS_OF_SAMPLES)))


def _atoms(cell: Cell) -> list[Array] | None:
    """Return the values of a law with few of them, an array per coordinate; None for any other law."""
    found = atoms_of(cell.program.data, cell.program.dim)
    if found is None or cell.program.supply.drift:
        return None
    values = [np.unique(column) for column in found[0].T]
    return values if max(map(len, values)) <= MOST_ATOMS else None


@np.errstate(all="ignore")  # paths that leave the finite numbers have losses that are none
def measured(cell: Cell, moving: Moving, pieces: Iterable[tuple[Slice, Array]]) -> Regret:
    """Return the losses of paths at `steps_of`.

    moving: the paths at their start. pieces: consecutive slices of the run, each with the iterates after its steps
    (steps, dim, paths).
    """
    steps, program, start = steps_of(cell), cell.program, moving.start
    paths = start.shape[1]
    # Any point serves; near the minimizer differences are small.
    reference = np.zeros(program.dim) if cell.best is None else cell.best
    past = _past(cell, reference, paths)
    lost, least, total = np.empty((len(steps), paths)), np.empty((len(steps), paths)), np.zeros(paths)
    before, at, samples = start[None], 0, Samples(moving)
    for piece, theta in pieces:
        x, batch = samples.of(piece), piece.batch_size
        share, ends = np.repeat(1.0 / batch, batch), np.cumsum(batch)
        begin = np.repeat(np.concatenate([before, theta[:-1]]), batch, axis=0)
        each = _sum_of_gaps(program, begin, x, reference) * share[:, None]
        so_far = total + np.add.accumulate(np.add.reduceat(each, ends - batch, axis=0))
        done = 0
        for step in steps[at : np.searchsorted(steps, piece.first_step + len(batch))].tolist():
            t = step - piece.first_step
            past.add(x[done : ends[t]], share[done : ends[t]])
            lost[at], least[at], done = so_far[t], past.least(), int(ends[t])
            at += 1
        past.add(x[done:], share[done:])
        before, total = theta[-1:].copy(), so_far[-1]
    return Regret(steps, lost, least)


def _sum_of_gaps(program: Program, theta: Array, x: Array, reference: Array) -> Array:
    """Return the losses of theta (n, dim, paths) at samples x (n, dim, paths) less those of a point (dim,), (n, paths)."""
    loss, found = program.objective.component.loss, np.zeros((len(x), x.shape[2]))
    for j, own in enumerate(_constants(program)):
        found += loss(own, theta[:, j], x[:, j]) - loss(own, reference[j], x[:, j])
    return found


def _constants(program: Program) -> list[Any]:
    """Return the constants of each coordinate of the objective."""
    component, _, constants = program.objective
    return [component.constants(*(field[j] for field in constants)) for j in range(program.dim)]


class _Past(Protocol):
    """What is kept of the samples so far."""

    def add(self, x: Array, share: Array) -> None:
        """Add samples (n, dim, paths), each of which is this share (n,) of its step's batch."""
        ...

    def least(self) -> Array:
        """Return the least sum over the steps so far of a fixed point's losses, less those of the reference, (paths,)."""
        ...


def _past(cell: Cell, reference: Array, paths: int) -> _Past:
    """Return what serves for the objective and the law of a cell."""
    if cell.program.objective.component.mean_is_enough:
        return _Means(cell, reference, paths)
    atoms = _atoms(cell)
    return _Samples(cell, reference) if atoms is None else _Counts(cell, reference, paths, atoms)


class _Means:
    """The sum of the means of all batches: enough for losses a(theta) + b(theta) x + c(x)."""

    def __init__(self, cell: Cell, reference: Array, paths: int) -> None:
        self.cell, self.reference, self.sums, self.steps = cell, reference, np.zeros((cell.program.dim, paths)), 0.0

    def add(self, x: Array, share: Array) -> None:
        """Add samples: see _Past."""
        self.sums += np.einsum("ndp,n->dp", x, share)
        self.steps += float(share.sum())

    def least(self) -> Array:
        """Return the least sum: see _Past."""
        loss, found = self.cell.program.objective.component.loss, np.zeros(self.sums.shape[1])
        means = self.sums / self.steps
        for j, own in enumerate(_constants(self.cell.program)):
            mean, best = means[j], self.reference[j]

            def gap(theta: Array, own: Any = own, mean: Array = mean, best: float = best) -> Array:
                return np.asarray(loss(own, theta, mean) - loss(own, best, mean))

            found += self.steps * minimum(gap, *_range(self.cell, j, mean, mean))
        return found


class _Counts:
    """How often each value of a finite law came."""

    def __init__(self, cell: Cell, reference: Array, paths: int, atoms: list[Array]) -> None:
        self.cell, self.reference, self.atoms = cell, reference, atoms
        self.counts = [np.zeros((len(values), paths)) for values in atoms]

    def add(self, x: Array, share: Array) -> None:
        """Add samples: see _Past."""
        for j, (values, counts) in enumerate(zip(self.atoms, self.counts, strict=True)):
            for k, value in enumerate(values.tolist()):
                counts[k] += ((x[:, j] == value) * share[:, None]).sum(axis=0)

    def least(self) -> Array:
        """Return the least sum: see _Past."""
        loss, found = self.cell.program.objective.component.loss, np.zeros(self.counts[0].shape[1])
        for j, own in enumerate(_constants(self.cell.program)):
            values, counts, best = self.atoms[j], self.counts[j], self.reference[j]

            def gap(theta: Array, own: Any = own, j: int = j, best: float = best) -> Array:
                each = (
                    n * (loss(own, theta, x) - loss(own, best, x)) for x, n in zip(self.atoms[j], self.counts[j], strict=True)
                )
                return np.asarray(sum(each))

            ends = (np.full(counts.shape[1], end) for end in (values[0], values[-1]))
            found += minimum(gap, *_range(self.cell, j, *ends))
        return found


class _Samples:
    """All samples."""

    def __init__(self, cell: Cell, reference: Array) -> None:
        self.cell, self.reference = cell, reference
        self.x: list[Array] = []
        self.share: list[Array] = []

    def add(self, x: Array, share: Array) -> None:
        """Add samples: see _Past."""
        self.x.append(x)
        self.share.append(share)

    def least(self) -> Array:
        """Return the least sum: see _Past."""
        self.x, self.share = [np.concatenate(self.x)], [np.concatenate(self.share)]
        x, share, loss = self.x[0], self.share[0], self.cell.program.objective.component.loss
        found = np.zeros(x.shape[2])
        for j, own in enumerate(_constants(self.cell.program)):
            of_reference = loss(own, self.reference[j], x[:, j])

            def gap(theta: Array, own: Any = own, j: int = j, of_reference: Array = of_reference) -> Array:
                return np.asarray(np.einsum("np,n->p", loss(own, theta, x[:, j]) - of_reference, share))

            found += minimum(gap, *_range(self.cell, j, x[:, j].min(axis=0), x[:, j].max(axis=0)))
        return found


class Range(NamedTuple):
    """Where a minimum is looked for, low and high (paths,), and whether each is an end of the domain."""

    low: Array
    high: Array
    ends: tuple[bool, bool] = (False, False)


def _range(cell: Cell, j: int, least: Array, most: Array) -> Range:
    """Return where the best point may be: around these samples (paths,) and the reference points, within the domain."""
    known = [np.zeros(1), *([] if cell.best is None else [cell.best[j : j + 1]])]
    low, high = (pick([*known, values]) for pick, values in ((_lowest, least), (_highest, most)))
    room = np.maximum(0.5 * (high - low), 1e-3)
    low, high = low - room, high + room
    if cell.program.domain is None:
        return Range(low, high)
    first, last = (float(end[j]) for end in cell.program.domain)
    # An infinite end is none; beside a finite one there is room.
    ends = (bool(np.isfinite(first)), bool(np.isfinite(last)))
    low = np.full_like(low, first) if ends[0] else np.minimum(low, last - room) if ends[1] else low
    high = np.full_like(high, last) if ends[1] else np.maximum(high, first + room) if ends[0] else high
    return Range(low, high, ends)


def _lowest(parts: list[Array]) -> Array:
    """Return the least of arrays that broadcast."""
    return np.asarray(np.minimum.reduce(np.broadcast_arrays(*parts)))


def _highest(parts: list[Array]) -> Array:
    """Return the largest of arrays that broadcast."""
    return np.asarray(np.maximum.reduce(np.broadcast_arrays(*parts)))


def minimum(f: Callable[[Array], Array], low: Array, high: Array, ends: tuple[bool, bool] = (False, False)) -> Array:
    """Return the minimum of f for each path, (paths,): bracketed on a grid, then narrowed by the golden section.

    f: from a point per path (paths,) to its values. ends: whether low and high are ends of the domain. At another end the range
    is widened where the least value is there; -inf where that goes on and on.
    """
    left, right, best = _bracket(f, low, high)
    for _ in range(0 if all(ends) else WIDENINGS):
        falling = (left <= low) & (not ends[0]), (right >= high) & (not ends[1])
        if not (falling[0] | falling[1]).any():
            break
        width = high - low
        low, high = np.where(falling[0], low - 4.0 * width, low), np.where(falling[1], high + 4.0 * width, high)
        left, right, best = _bracket(f, low, high)
    endless = ((left <= low) & (not ends[0])) | ((right >= high) & (not ends[1]))
    inner, outer = right - GOLDEN * (right - left), left + GOLDEN * (right - left)
    at_inner, at_outer = f(inner), f(outer)
    for _ in range(GOLDEN_STEPS):
        to_left = at_inner <= at_outer
        left, right = np.where(to_left, left, inner), np.where(to_left, outer, right)
        new = np.where(to_left, right - GOLDEN * (right - left), left + GOLDEN * (right - left))
        at_new = f(new)
        inner, outer = np.where(to_left, new, outer), np.where(to_left, inner, new)
        at_inner, at_outer = np.where(to_left, at_new, at_outer), np.where(to_left, at_inner, at_new)
    best = np.minimum(best, np.minimum(at_inner, at_outer))
    return np.where(endless, -np.inf, best)


def _bracket(f: Callable[[Array], Array], low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Return the neighbours on a grid of the point with the least value, and that value, (paths,) each."""
    best, at = np.full(low.shape, np.inf), np.zeros(low.shape, dtype=np.int64)
    for k in range(GRID):
        values = f(low + (high - low) * (k / (GRID - 1)))
        # nan is never the least.
        less = values < best
        best, at = np.where(less, values, best), np.where(less, k, at)
    left, right = (low + (high - low) * (np.clip(at + side, 0, GRID - 1) / (GRID - 1)) for side in (-1, 1))
    return left, right, best
