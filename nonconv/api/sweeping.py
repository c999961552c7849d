"""`nonconv.sweep`: a grid of experiments. The command `sweep`, and `check` for its sweeps, use the same functions."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nonconv.api.options import OUTPUTS, Config, Place, checked_name, checked_place, checked_workers
from nonconv.api.wording import told_in_python
from nonconv.faults.errors import ConfigError, Interrupted, NonconvError
from nonconv.sweeps import EXECUTORS

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from nonconv.api.sweep_results import SweepResult
    from nonconv.report.figures.drawing_process import Draw
    from nonconv.sweeps.executors.choice import Choice
    from nonconv.sweeps.flow import Event, OnEvent
    from nonconv.sweeps.loop import OpenExecutor, Outcome, Progress
    from nonconv.sweeps.sweep import Survey, Sweep


OF_BEST = re.compile(r"^((?:--)?best[-_](?:over|by)[^:]*: )sweep\.best_(?:over|by)(?:\[\d+\])?: ")
"""How a problem begins that names both the argument or option and the key of the config that it stands for."""


class Plan(NamedTuple):
    """A sweep that has been read and surveyed, and its output folder."""

    sweep: "Sweep"
    survey: "Survey"
    folder: Path


@told_in_python
def sweep(
    config: Config,
    grid: Mapping[str, Any] | None = None,
    *,
    out: Place | None = None,
    name: str = "",
    workers: int = 0,
    executor: "str | Executor" = "",
    executor_options: Mapping[str, Any] | None = None,
    task_seconds: float | None = None,
    force: bool = False,
    fail_fast: bool = False,
    best_over: str | Sequence[str] = (),
    best_by: str = "",
    progress: "bool | Callable[[Event], None]" = False,
    **settings: Any,
) -> "SweepResult":
    """Run a grid of experiments, one cell per combination of values, unless it is finished, and return its result.

        nonconv.sweep("configs/adam_const.yaml", {"optimizer.beta1": [0, 0.9], "seed": range(3)}, paths=500).frame()

    config: as for `run`. grid: keys with lists of their values, added to the config's `sweep` block. out, name, force,
    settings: as for `run`. workers: processes or threads; 0 for one per CPU. executor: processes, threads, dask, submitit,
    any `concurrent.futures.Executor`, or the name of what makes one, as "mpi4py.futures:MPIPoolExecutor"; by default processes,
    or threads where they would be unsafe, as in a notebook. executor_options: what it is made with. task_seconds: how long a
    task of a worker should take, which changes no result. fail_fast: stop at the first cell that fails.
    best_over: swept keys over which the best cell is chosen on half of the paths; the result's `best` has what the other half
    gives. best_by: what it has least of, a ξ, a floor or a quantity; by default the error for the first ξ.
    progress: True shows it on stderr as the command does; a function is called with every event: path-steps that were computed,
    or a cell that was settled.

    A cell that fails costs no other: the result says which failed, and why. Nothing is printed. Ctrl-C raises KeyboardInterrupt
    once finished cells are saved; the same call then continues. Raises ConfigError with the problems of all cells.
    """
    from nonconv.api.configs import as_document, with_best, with_grid
    from nonconv.api.looks import refuse_unknown_look
    from nonconv.api.sweep_results import read_sweep
    from nonconv.report.figures.drawing_process import figure_process
    from nonconv.sweeps.executors.choice import Choice, check
    from nonconv.sweeps.sweep import as_sweep

    checked_workers(workers)
    choice = Choice(executor or _safe_executor(), workers, None, executor_options or {}, task_seconds, "executor")
    check(choice)
    document = as_document(config, settings)
    with_grid(document, grid or {})
    with_best(document, best_over, best_by)
    with plainly_named():
        swept = as_sweep(document)
    if name:
        swept = replace(swept, name=checked_name(name))
    refuse_unknown_look(swept.figures)
    chosen = checked_place("out", out) if out is not None else None
    if not force and (finished := find_finished(swept, chosen)):
        return read_sweep(reuse(*finished).folder)
    plan = surveyed(swept, chosen)
    with figure_process() as draw:
        try:
            opened = choose_executor(plan, choice)
            with _shown(progress, plan.survey) as shown:
                complete(plan, opened, force, fail_fast, shown, draw)
        except (Interrupted, KeyboardInterrupt) as stop:
            raise KeyboardInterrupt(f"{str(stop) or 'Stopped.'} The same call continues.") from None
    return read_sweep(plan.folder)


@contextmanager
def plainly_named() -> Iterator[None]:
    """Call what an argument or option says of the best cell by its name alone, and not by a key of the config as well."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError([OF_BEST.sub(r"\1", problem) for problem in error.problems]) from None


def _safe_executor() -> str:
    """Choose where cells run: a process with other threads, as a notebook's, cannot be forked safely."""
    return EXECUTORS[0] if threading.active_count() == 1 else "threads"


def find_finished(swept: "Sweep", out: Path | None) -> tuple[Path, dict[str, Any]] | None:
    """Return folder and manifest of the sweep if that is finished and its cells need not be looked at one by one."""
    from nonconv.sweeps import loop
    from nonconv.sweeps.sweep import find_identity

    try:
        identity = find_identity(swept)
    except NonconvError:
        return None  # the survey will say it, of all cells
    folder = output_folder(swept, identity, out)
    manifest = loop.find_finished(swept, folder, identity)
    return (folder, manifest) if manifest else None


def output_folder(swept: "Sweep", identity: str, out: Path | None) -> Path:
    """Choose the output folder."""
    from nonconv.experiment.identity import folder_name

    return out or OUTPUTS / folder_name(swept.name, identity)


def reuse(folder: Path, manifest: dict[str, Any]) -> "Outcome":
    """Return what was done for a sweep that was finished before."""
    from nonconv.store.folder import tidy
    from nonconv.sweeps.loop import Outcome

    tidy(folder)
    return Outcome(folder, 0, int(manifest["cells"]), {})


def surveyed(swept: "Sweep", out: Path | None, progress: Callable[[int], None] = lambda done: None) -> Plan:
    """Survey a sweep, and choose its output folder. progress: called with the number of cells read. Raises ConfigError.

    A large sweep that was begun has its survey in its folder.
    """
    from nonconv.sweeps import saved_survey
    from nonconv.sweeps.sweep import find_identity, survey

    with suppress(NonconvError):  # the survey will say it, of all cells
        folder = output_folder(swept, find_identity(swept), out)
        if known := saved_survey.load(folder, swept):
            return Plan(swept, known, folder)
    found = survey(swept, progress)
    return Plan(swept, found, output_folder(swept, found.identity, out))


def choose_executor(plan: Plan, choice: "Choice", tell: Callable[[str], None] = lambda text: None) -> "OpenExecutor":
    """Return the function that starts the workers. Nothing starts before it is called. tell: what is waited for."""
    from nonconv.sweeps.executors.choice import opener

    return opener(choice, *plan, tell)


def complete(
    plan: Plan, executor: "OpenExecutor", force: bool, fail_fast: bool, progress: "Progress", draw: "Draw"
) -> "Outcome":
    """Run the cells that are not finished, and write the sweep's folder. Raises UsageError, or Interrupted."""
    from nonconv.sweeps.loop import run_sweep

    return run_sweep(*plan, executor, force, fail_fast, progress, draw)


@contextmanager
def _shown(progress: "bool | Callable[[Event], None]", survey: "Survey") -> "Iterator[Progress]":
    """Give what opens a display of progress, while the context is open."""
    if callable(progress):
        on_event: OnEvent = progress
        yield lambda: nullcontext(on_event)
        return
    with shown_sweep(survey, quiet=not progress) as shown:
        yield shown


@contextmanager
def shown_sweep(survey: "Survey", quiet: bool) -> "Iterator[Progress]":
    """Give what opens the display of a sweep on stderr. Entered before workers are forked: they tell what they compile."""
    from nonconv.terminal.compiling import relayed
    from nonconv.terminal.sweep_progress import show_sweep_progress

    with relayed() as relay:
        yield partial(show_sweep_progress, survey, quiet, relay)
