"""Logs as arrays: NPZ files, and what Python holds.

    theta   (runs, steps) or (runs, steps, coordinates): the iterates
    step    (steps,): the steps at which they were logged; 1, 2, ... without it
    twins   as theta: of each run its twin
    branch  the step at which the twins branched off
    learning_rate  (steps,)

These are the names in paths.npz of nonconv's own runs.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest
from nonconv.logged.trajectories import Logged, Trajectory, arranged
from nonconv.numerics.arithmetic import Array
from nonconv.results.stored import UNREADABLE, read_arrays

THETA, STEP = ("theta", "values", "weights", "x"), ("step", "steps")
TWINS, BRANCH, RATE = ("twins", "twin"), ("branch",), ("learning_rate",)
ALLOWED = "theta (runs, steps) or (runs, steps, coordinates), step (steps,), twins, branch, learning_rate"
AXES = 3
NPY = b"\x93NUMPY"


def read_npz(name: str, content: bytes, columns: Sequence[str] = ()) -> Logged:
    """Read an NPZ file, or an NPY file of the iterates alone. Raises UsageError with the name of the array."""
    if columns:
        raise UsageError(f"{name}: columns are chosen of a table; this file has arrays")
    if content[: len(NPY)] == NPY:
        return from_arrays(name, {"theta": _read_npy(name, content)})
    return from_arrays(name, read_arrays(content, {}, name))


def _read_npy(name: str, content: bytes) -> Any:
    """Read an NPY file. Raises UsageError."""
    try:
        return np.load(io.BytesIO(content))
    except UNREADABLE:
        raise UsageError(f"{name} is damaged: it is no NPY file of numbers") from None


def from_arrays(name: str, arrays: Mapping[str, Any]) -> Logged:
    """Make trajectories of arrays by name. Raises UsageError."""
    theta = _find(arrays, THETA)
    if theta is None:
        near = nearest("theta", [*map(str, arrays)])
        hint = f"\n  did you mean {near}? call it theta" if near else ""
        there = ", ".join(map(str, arrays)) or "nothing"
        raise UsageError(f"{name} has no array theta; it has {there}\n  allowed: {ALLOWED}{hint}")
    step, twins, branch, rate = (_find(arrays, names) for names in (STEP, TWINS, BRANCH, RATE))
    own = None if step is None else arrays[step]
    given = None if branch is None else _whole(name, branch, arrays[branch])
    return from_values(
        name, arrays[theta], own, None if twins is None else arrays[twins], given, None if rate is None else arrays[rate]
    )


def from_values(
    name: str, values: Any, steps: Any = None, twins: Any = None, branch: int | None = None, rates: Any = None
) -> Logged:
    """Make trajectories of iterates (runs, steps[, coordinates]), or of a list with (steps[, coordinates]) of each run.

    steps: of all runs, or a list with those of each. Raises UsageError.
    """
    runs = _trajectories(name, "theta", values, steps)
    others = None if twins is None else _trajectories(name, "twins", twins, steps)
    if others is not None and len(others) != len(runs):
        raise UsageError(f"{name}: twins are of {len(others)} runs, theta of {len(runs)}")
    known = None
    if rates is not None:
        of_steps = next(iter(runs.values())).steps
        found = _numbers(name, "learning_rate", rates)
        if found.shape != of_steps.shape or not (np.isfinite(found) & (found >= 0)).all():
            raise UsageError(f"{name}: learning_rate must be {len(of_steps)} numbers >= 0, one per step")
        known = dict(zip(of_steps.tolist(), found.tolist(), strict=True))
    if branch is not None and (isinstance(branch, bool) or not isinstance(branch, int | np.integer) or branch < 0):
        raise UsageError(f"{name}: branch must be a whole number >= 0, got {branch!r}")
    return arranged(name, runs, others, None if branch is None else int(branch), known)


def _trajectories(name: str, what: str, values: Any, steps: Any) -> dict[str, Trajectory]:
    """Return one trajectory per run, by its number."""
    if isinstance(values, Sequence) and not isinstance(values, str) and len({np.shape(one) for one in values}) > 1:
        runs = [_numbers(name, f"{what}[{k}]", one) for k, one in enumerate(values)]  # of different lengths
    else:
        table = _numbers(name, what, values)
        if not 2 <= table.ndim <= AXES:
            raise UsageError(f"{name}: {what} has the shape {table.shape}\n  allowed: {ALLOWED}")
        runs = list(table)
    each = _is_of_each(steps, len(runs))
    found = {}
    for k, own in enumerate(runs):
        of_run = _steps(name, steps[k] if each else steps, len(own))
        if own.ndim not in (1, 2):
            raise UsageError(f"{name}: {what}[{k}] has the shape {own.shape}\n  allowed: (steps,) or (steps, coordinates)")
        found[str(k)] = Trajectory(of_run, own.reshape(len(own), -1))
    return found


def _is_of_each(steps: Any, runs: int) -> bool:
    """Whether steps are given for each run: a list of as many sequences."""
    return isinstance(steps, Sequence) and len(steps) == runs and all(np.ndim(one) == 1 for one in steps)


def _steps(name: str, steps: Any, size: int) -> NDArray[np.int64]:
    """Return the steps of a run, rising. Raises UsageError."""
    if steps is None:
        return np.arange(1, size + 1, dtype=np.int64)
    found = _numbers(name, "step", steps)
    if found.shape != (size,):
        raise UsageError(f"{name}: step has the shape {found.shape}, and there are {size} iterates of a run")
    wrong = ~(np.isfinite(found) & (found >= 0) & (found == np.floor(found)) & (found < 2.0**53))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise UsageError(f"{name}: step[{at}] is {found[at]:g}\n  allowed: whole numbers >= 0, where 0 is the start")
    whole = found.astype(np.int64)
    if size > 1 and not (np.diff(whole) > 0).all():
        at = int(np.argmax(np.diff(whole) <= 0)) + 1
        raise UsageError(f"{name}: step[{at}] is {whole[at]}, and follows {whole[at - 1]}: steps must rise")
    return whole


def _numbers(name: str, what: str, values: Any) -> Array:
    """Return values as an array of doubles. Raises UsageError."""
    if hasattr(values, "detach") and hasattr(values, "cpu"):  # a tensor of PyTorch
        values = values.detach().cpu()
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError):  # lists of unequal lengths, and what other libraries refuse
        found = np.empty(0, dtype=np.str_)
    if found.dtype.kind not in "fiub":
        raise UsageError(f"{name}: {what} is no array of numbers")
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise UsageError(f"{name}: {what} has masked values; give a list with the iterates of each run, or a data frame")
    return np.ascontiguousarray(found, dtype=np.float64)


def _find(arrays: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the array that has one of these names; None if none has."""
    return next((one for one in names if one in arrays), None)


def _whole(name: str, what: str, value: Any) -> int:
    """Read a whole number. Raises UsageError."""
    found = _numbers(name, what, value)
    if found.size != 1 or not float(found.flat[0]).is_integer():
        raise UsageError(f"{name}: {what} must be a whole number")
    return int(found.flat[0])
