"""`nonconv.judge`: trajectories that another program logged. The command `judge` uses the same functions."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nonconv.api.options import OUTPUTS, Place, checked_name, checked_place
from nonconv.api.wording import told_in_python
from nonconv.faults.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from nonconv.api.results import Result
    from nonconv.logged.judging import Question
    from nonconv.logged.trajectories import Logged
    from nonconv.report.figures.drawing_process import Draw

NAME = "trajectories"
"""What errors and folders call trajectories that come from no file."""


@told_in_python
def judge(
    values: Any,
    *,
    steps: Any = None,
    twins: Any = None,
    branch: int | None = None,
    learning_rate: Any = None,
    columns: Sequence[str] = (),
    xi: Any = None,
    minimizer: Any = None,
    rate_limit: float | str | None = None,
    batch_limit: float | str | None = None,
    noise: str | None = None,
    name: str = "",
    out: Place | None = None,
    force: bool = False,
) -> "Result":
    """Measure and judge trajectories that were logged elsewhere, as of a PyTorch loop, by the rules for nonconv's own runs.

        nonconv.judge(weights, steps=range(100, 20001, 100), minimizer=0.5, rate_limit=0.01, noise="persists")

    values: iterates (runs, steps) or (runs, steps, coordinates); a list with the iterates of each run, which may differ in
    length; a mapping of arrays as of an NPZ file; a data frame with columns run, step and one per coordinate; or the name of
    an NPZ, CSV or Parquet file. nan and inf say that a run diverged. steps: when they were logged, 1-based; 0 is the start.
    twins: as values, of each run a twin that is the same up to the step `branch`, and has other data from there on.
    learning_rate: at each step, if it was logged. columns: of a table those that are coordinates; all others by default.

    xi: candidates for the limit: minimizer, start, path_mean, last, a number, a list of one number per coordinate; or a list
    of these. minimizer: where it is, if that is known.

    rate_limit: what the learning rate tends to; batch_limit: what the batch size tends to, inf if it grows without bound;
    noise: of the gradient in the limit: persists, vanishes, none. Without them, or with unknown, the verdict is `undecided`,
    with what was observed.

    Returns a Result; its files are in `out`, by default outputs/NAME-HASH. Raises UsageError with the place of what is wrong.
    """
    from nonconv.api.results import read_result
    from nonconv.logged.declared import declared
    from nonconv.logged.judging import Question, candidates
    from nonconv.report.figures.drawing_process import figure_process

    known = declared(rate_limit, batch_limit, noise)
    logged, named = _read(values, steps, twins, branch, learning_rate, columns)
    asked = Question(logged, candidates(_as_list(xi), minimizer, logged.dim), known, checked_name(name or named))
    folder = place(asked, out)
    if force or not is_judged(asked, folder):
        with figure_process() as draw:
            try:
                complete(asked, folder, draw, force)
            except Interrupted as stop:
                raise KeyboardInterrupt(str(stop)) from None
    return read_result(folder)


def place(asked: "Question", out: Place | None) -> Path:
    """Choose the output folder."""
    return checked_place("out", out) if out is not None else OUTPUTS / asked.folder_name


def is_judged(asked: "Question", folder: Path) -> bool:
    """Whether the folder has the finished result."""
    from nonconv.logged import judging

    return judging.is_judged(asked, folder)


def complete(asked: "Question", folder: Path, draw: "Draw", force: bool) -> None:
    """Measure and judge, and write the folder. Raises UsageError, or Interrupted."""
    from nonconv.logged.judging import judge_log

    judge_log(asked, folder, draw, force)


def _as_list(xi: Any) -> Any:
    """Return candidates as a list: one name, number or point stands for itself."""
    if xi is None or isinstance(xi, list | tuple):
        return xi
    return [xi]


def _read(values: Any, steps: Any, twins: Any, branch: int | None, rates: Any, columns: Sequence[str]) -> "tuple[Logged, str]":
    """Return trajectories in one shape, and a name for them. Raises UsageError."""
    from nonconv.logged.arrays import from_arrays, from_values
    from nonconv.logged.judging import read_log
    from nonconv.logged.tables import from_frame

    given = {"steps": steps, "twins": twins, "branch": branch, "learning_rate": rates}
    beside = [key for key, value in given.items() if value is not None]
    if isinstance(values, str | os.PathLike):
        _refuse(beside, "a file has them itself")
        return read_log(Path(values), columns), Path(values).stem
    if columns and not hasattr(values, "columns"):
        raise UsageError("columns: they are chosen of a table, and these are arrays")
    if isinstance(values, Mapping):
        _refuse([key for key in beside if key in values or key.removesuffix("s") in values], "the mapping has it itself")
        return from_arrays(NAME, {**values, **{key: given[key] for key in beside}}), NAME
    if hasattr(values, "columns") and hasattr(values, "__getitem__"):
        _refuse(beside, "a data frame has them as columns")
        return from_frame(NAME, values, columns), NAME
    return from_values(NAME, values, steps, twins, branch, rates), NAME


def _refuse(keys: list[str], why: str) -> None:
    """Raise UsageError for arguments that go with arrays alone."""
    if keys:
        raise UsageError(f"{keys[0]}: {why}")
