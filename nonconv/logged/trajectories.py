"""Trajectories as they were logged, brought into one shape: the steps that all runs have, from each run its iterates there.

Numbers that are not finite say that a run diverged if no finite ones follow; otherwise they count as not logged. What is
missing was not logged: runs of different lengths are judged on the steps that all of them have, for a run that is left out
would be a choice of the better ones.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nonconv.faults.errors import UsageError
from nonconv.numerics.arithmetic import Array
from nonconv.system.words import count

LEAST_STEPS = 2
"""Fewest steps that a log must have."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What was logged of one run, or of its twin. steps (n,), rising. values (n, dim)."""

    steps: NDArray[np.int64]
    values: Array


@dataclass(frozen=True, eq=False)
class Logged:
    """Trajectories in one shape.

    name: of the log. steps (R,), rising, from 1 on. start (dim, runs): the iterates at step 0, or those first logged.
    theta (R, dim, runs): infinite from the step on at which a run diverged. diverged (runs,): that step, 0 for none.
    twins: as theta, of each run's twin; None without any. branch: the last step up to which a run and its twin are the same.
    rates (R,): learning rates at these steps; None if they were not logged. notes: what of the log is not used, and why.
    """

    name: str
    steps: NDArray[np.int64]
    start: Array
    theta: Array
    diverged: NDArray[np.int64]
    twins: Array | None = None
    branch: int = 0
    rates: Array | None = None
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return int(self.theta.shape[2])

    @property
    def dim(self) -> int:
        """How many coordinates there are."""
        return int(self.theta.shape[1])

    @property
    def last(self) -> int:
        """The last step."""
        return int(self.steps[-1])

    def digest(self) -> str:
        """Return the SHA-256 of all that was logged."""
        found = hashlib.sha256()
        for array in (self.steps, self.start, self.theta, self.twins, self.rates):
            found.update(b"-" if array is None else f"{array.dtype}{array.shape}".encode() + array.tobytes())
        found.update(str(self.branch).encode())
        return found.hexdigest()


def arranged(
    name: str,
    runs: Mapping[str, Trajectory],
    twins: Mapping[str, Trajectory] | None = None,
    branch: int | None = None,
    rates: Mapping[int, float] | None = None,
) -> Logged:
    """Bring trajectories into one shape. name: of the log, in errors. branch: of the twins, if it is known.

    Raises UsageError if runs have other numbers of coordinates, or too few steps in common.
    """
    every = [*runs.values(), *(twins or {}).values()]
    if not runs:
        raise UsageError(f"{name}: there are no runs")
    dims = {one.values.shape[1] for one in every}
    if dims == {0} or len(dims) > 1:
        raise UsageError(f"{name}: {'there are no values' if dims == {0} else 'runs have different numbers of coordinates'}")
    if twins is not None and (without := [run for run in runs if run not in twins]):
        raise UsageError(f"{name}: run {without[0]} has no twin; either all runs have one or none")
    gaps = _gaps(runs)
    runs = {run: _without_gaps(one) for run, one in runs.items()}
    twins = None if twins is None else {run: _without_gaps(one) for run, one in twins.items()}
    every = [*runs.values(), *(twins or {}).values()]
    common, notes = _common_steps(name, every, [*runs])
    notes = [*gaps, *notes]
    theta, diverged, start = _stacked(list(runs.values()), common)
    of_twins = None if twins is None else _stacked([twins[run] for run in runs], common)[0]
    steps = common[common > 0]
    theta = theta[common > 0]
    found = Logged(name, steps, start, theta, diverged, notes=tuple(notes))
    if of_twins is not None:
        branch = _branch(name, found, of_twins[common > 0]) if branch is None else branch
        found = Logged(name, steps, start, theta, diverged, of_twins[common > 0], branch, notes=tuple(notes))
    if rates is not None:
        known = np.array([rates.get(int(step), np.nan) for step in steps])
        found = Logged(**{**vars(found), "rates": known})
    return found


def _gaps(runs: Mapping[str, Trajectory]) -> list[str]:
    """Say where numbers are not finite though later ones are: such a run did not diverge there."""
    found = [(run, one.steps[~_kept(one)]) for run, one in runs.items() if not _kept(one).all()]
    if not found:
        return []
    run, steps = found[0]
    more = len(found) - 1
    others = f", and so {'is' if more == 1 else 'are'} {count(more, 'other run')} at some step" if more else ""
    return [f"run {run} is not finite at step {steps[0]}, but later{others}: read as not logged there"]


def _kept(one: Trajectory) -> NDArray[np.bool_]:
    """Return which of its steps are kept: all but those that are not finite and followed by one that is."""
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(one.values).all(axis=1))
    later: NDArray[np.bool_] = np.arange(len(finite)) > max(np.flatnonzero(finite), default=-1)
    return finite | later


def _without_gaps(one: Trajectory) -> Trajectory:
    """Return a trajectory without what is not finite before a number that is."""
    kept = _kept(one)
    return one if kept.all() else Trajectory(one.steps[kept], one.values[kept])


def _common_steps(name: str, every: Sequence[Trajectory], names: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the steps that all trajectories have, and what is left out. Raises UsageError if they are too few."""
    logged = [one.steps for one in every]
    # A run that ends with a number that is not finite diverged: nothing was left to be logged.
    asked = [one.steps for one in every if not len(one.values) or np.isfinite(one.values[-1]).all()] or logged
    common = asked[0]
    for steps in asked[1:]:
        common = np.intersect1d(common, steps)
    for one in every:  # one that diverged must still have the steps before
        until = one.steps[-1] if len(one.steps) else 0
        common = common[np.isin(common, one.steps) | (common > until)]
    if np.count_nonzero(common > 0) < LEAST_STEPS:
        have = "the log has" if len(every) == 1 else "the runs have"
        which = count(int(np.count_nonzero(common > 0)), "step") + (" in common" if len(every) > 1 else "")
        raise UsageError(f"{name}: {have} {which}, and at least {LEAST_STEPS} are needed")
    return common, _left_out(common, asked, names)


def _left_out(common: NDArray[np.int64], logged: Sequence[NDArray[np.int64]], names: Sequence[str]) -> list[str]:
    """Say which logged steps are not used."""
    union = np.unique(np.concatenate(list(logged)))
    late, early = union[union > common[-1]], np.setdiff1d(union[union <= common[-1]], common)
    found = []
    if len(late):
        shortest = min(range(len(logged)), key=lambda k: int(logged[k][-1]))
        whose = f"run {names[shortest]}" if shortest < len(names) else "a twin"
        found.append(f"steps after {common[-1]} are left out, since {whose} was not logged to the end")
    if len(early):
        found.append(f"{count(len(early), 'step')} that some runs did not log {'is' if len(early) == 1 else 'are'} left out")
    return found


def _stacked(every: Sequence[Trajectory], common: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64], Array]:
    """Return the iterates at common steps (R, dim, runs), when each diverged (runs,), and where each began (dim, runs)."""
    dim = every[0].values.shape[1]
    theta, diverged = np.full((len(common), dim, len(every)), np.inf), np.zeros(len(every), dtype=np.int64)
    start = np.empty((dim, len(every)))
    for k, one in enumerate(every):
        at = np.searchsorted(one.steps, common)
        there = at < len(one.steps)
        theta[there, :, k] = one.values[at[there]]
        start[:, k] = one.values[0]
        broken = np.flatnonzero(~np.isfinite(one.values).all(axis=1))
        if len(broken):
            diverged[k] = max(int(one.steps[broken[0]]), 1)
            theta[common >= one.steps[broken[0]], :, k] = np.inf
    return theta, diverged, start


def _branch(name: str, logged: Logged, twins: Array) -> int:
    """Return the last logged step up to which all runs are the same as their twins; 0 if they differ from the first on."""
    same = (logged.theta == twins).all(axis=1)
    if same.all():
        raise UsageError(f"{name}: the twins are the same as their runs; a twin has other data from its branch on")
    # The earliest of all: after it some twins have data of their own.
    first = int(np.argmin(same.all(axis=1)))
    return int(logged.steps[first - 1]) if first else 0
