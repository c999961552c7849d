"""Lower bounds that hold for every xi: twin distances, variances within a window, Cauchy gaps; first per path, then over paths.

With spans (m, l] of the plan, one row each:
    twin       |Theta_n - Theta'_n|^2 / 2 at n = m + lag; Theta' branched off Theta at m and has its own data since
    window     the variance of the path over one step of each stratum of the span (`plan.Span`)
    twin_mean  the twin's half distance, averaged over one step of each stratum of the span's last half
    cauchy     |Theta_{m + lag} - Theta_m|^2 / 4
    cauchy_mean the same between strata half the region apart, averaged over these pairs
Each has an expectation that is at most E|Theta_n - xi|^2 for every random variable xi, at n as m -> infinity (twin), averaged
over its steps (twin_mean, window), or averaged over the steps compared (cauchy, cauchy_mean): docs/theory.md. Averaged over the
paths, one step of each stratum is every step of the strata.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nonconv.engine.plan import Plan, Span, Steps
from nonconv.numerics.arithmetic import Array

if TYPE_CHECKING:
    from nonconv.engine.blocks import Block
    from nonconv.engine.program import Program


class Row(NamedTuple):
    """What one row of `measured` is: its floor, the span by number, the last step it looks at, and the lag.

    lag: from the branch to `step` (twin, twin_mean); between the steps compared (cauchy, cauchy_mean); number of steps that
    the variance is over (window). first: the first of the steps after the branch that it looks at.
    """

    floor: str
    span: int
    step: int
    lag: int
    first: int


@lru_cache
def rows(plan: Plan) -> list[Row]:
    """Return what each row of `measured` is, in its order: span after span, for the floors that the plan lists."""
    wanted, found = plan.wanted, []
    for k, span in enumerate(plan.spans):
        whole, begin = span.last - span.first, span.first_of(0)
        lagged = [(k, step, step - span.first, step) for step in span.twin_marks.tolist()]
        if wanted.twin:
            late = Row("twin_mean", k, span.last, whole, span.first_of(span.late.start))
            found += [*(Row("twin", *at) for at in lagged), late]
        if wanted.window:
            found.append(Row("window", k, span.last, span.covered, begin))
        if wanted.cauchy:
            found += [*(Row("cauchy", *at) for at in lagged), Row("cauchy_mean", k, span.last, span.covered // 2, begin)]
    return found


ROUNDING_VARIANCE = 1e-27
"""A floor below this share of |last iterate|^2 is the square of a rounding error."""
EQUAL = 1e-28
"""A variance below this share of the square of its numbers may be one of equal numbers."""
LAST_SPAN_NAMES = {"twin_mean": "twin", "window": "window", "cauchy_mean": "cauchy"}
"""The name that tables and verdicts give a floor of the last span."""


@lru_cache
def last_floors(plan: Plan) -> dict[str, int]:
    """Return the floors of the last span by name: the index of each in `rows`."""
    last = len(plan.spans) - 1
    found = ((LAST_SPAN_NAMES.get(row.floor), k) for k, row in enumerate(rows(plan)) if row.span == last)
    return {name: k for name, k in found if name is not None}


def measured(plan: Plan, block: "Block") -> Array:
    """Return the floors of every path, shape (rows, paths), in the order of `rows`; not finite for a path that is not."""
    # An empty first part, so that there is something to concatenate if no floor is wanted.
    wanted, found = plan.wanted, [np.empty((0, block.seen.shape[2]))]
    with np.errstate(over="ignore", invalid="ignore"):
        for k, span in enumerate(plan.spans):
            if wanted.twin:
                found += [half_distance(block, k, span), _twin_mean(block, k, span)]
            if wanted.window:
                found.append(_variance(block.sampled[k]).sum(axis=0)[None])
            if wanted.cauchy:
                gaps = iterates(block, span.first + span.lags) - iterates(block, np.array([span.first]))
                found += [_square(gaps) / 4.0, _half_apart(block.sampled[k]) / 4.0]
    return np.concatenate(found)


def _variance(sampled: Array) -> Array:
    """Return variances over strata, (strata, dim, paths) -> (dim, paths); exactly 0 where all numbers are equal."""
    found = np.asarray(sampled.var(axis=0))
    # The mean of equal numbers may be rounded, and leave the square of a rounding error.
    close = (found <= EQUAL * np.square(sampled[0])) & (found > 0.0)
    if close.any():
        found[close] = np.where((sampled[:, close] == sampled[0, close]).all(axis=0), 0.0, found[close])
    return found


def by_coordinate(program: "Program", block: "Block") -> Array:
    """Return the floors of the last span coordinate by coordinate, and what their rounding is judged by, (2 + floors, dim).

    That is the square of the last iterate, over the coordinates that are rounded together (`Program.over_units`). First comes
    the number of paths, then this, then the floors in the order of `wanted`, all summed over paths. Raises IndexError
    without spans.
    """
    number, span, wanted = len(program.plan.spans) - 1, program.plan.spans[-1], program.plan.wanted
    sampled = block.sampled[number]
    found = [program.over_units(np.square(iterates(block, np.array([span.last]))[0]))]
    if wanted.twin:
        found.append(np.square(sampled[span.late] - block.sampled_twins[number]).mean(axis=0) / 2.0)
    if wanted.window:
        found.append(_variance(sampled))
    if wanted.cauchy:
        half = len(sampled) // 2
        found.append(np.square(sampled[half:] - sampled[: len(sampled) - half]).mean(axis=0) / 4.0)
    return np.concatenate([np.full((1, program.dim), float(sampled.shape[2])), np.array(found).sum(axis=2)])


def _half_apart(sampled: Array) -> Array:
    """Return squared distances between strata half a region apart, averaged over these pairs, shape (1, paths)."""
    half = len(sampled) // 2
    return mean_square(sampled[half:] - sampled[: len(sampled) - half])


def half_distance(block: "Block", number: int, span: Span) -> Array:
    """Return |Theta - Theta'|^2 / 2 at the twin_marks of the span with this number, shape (marks, paths)."""
    return _square(iterates(block, span.twin_marks) - block.twins[number]) / 2.0


def _twin_mean(block: "Block", number: int, span: Span) -> Array:
    """Return |Theta - Theta'|^2 / 2 averaged over the late strata of the span with this number, shape (1, paths)."""
    return mean_square(block.sampled[number][span.late] - block.sampled_twins[number]) / 2.0


def iterates(block: "Block", steps: Steps) -> Array:
    """Return the iterates at steps that are among the block's marks, shape (steps, dim, paths)."""
    return block.seen[np.searchsorted(block.marks, steps)]


def _square(difference: Array) -> Array:
    """Return squared norms over coordinates: (steps, dim, paths) -> (steps, paths)."""
    return np.asarray(np.square(difference).sum(axis=1))


def mean_square(difference: Array) -> Array:
    """Return squared norms averaged over strata, (strata, dim, paths) -> (1, paths); the differences are overwritten."""
    return np.asarray(np.square(difference, out=difference).sum(axis=(0, 1))[None]) / len(difference)
