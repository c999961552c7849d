"""nonconv sweep: a grid of experiments, from its config to an output folder.

The grid is surveyed before anything runs: every cell is made once, so that errors in any of them show at once.
"""

import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from nonconv.atomic import fitting_name
from nonconv.cli.common import (
    AsJson,
    ConfigFile,
    DryRun,
    Force,
    OutputFolder,
    Quiet,
    Settings,
    Verbose,
    Workers,
    default_workers,
    interrupted,
    reported,
    say,
    write_stdout,
)
from nonconv.cli.tables import print_table
from nonconv.faults.errors import Interrupted, UsageError
from nonconv.faults.problems import count

if TYPE_CHECKING:
    from nonconv.report.figures.drawing_process import Draw
    from nonconv.sweeps.loop import OpenExecutor, Outcome
    from nonconv.sweeps.sweep import Survey, Sweep

EXIT_CELLS_FAILED = 5
"""Exit code of a sweep that is complete except for cells that failed."""
MOST_TABLE_ROWS = 40
"""A sweep with more cells prints no table; sweep.csv has all of them."""
EXECUTORS = ("processes", "threads", "dask") if sys.platform == "linux" else ("threads", "dask")
"""The default first. Processes are forks; other systems have none, or their libraries break in a fork."""

Grids = Annotated[
    list[str],
    typer.Option("--grid", metavar="KEY=VALUES", help="Sweep one key, as optimizer.beta1=0:0.99:20 or seed=1,2,3. Repeatable."),
]


@reported
def sweep(
    config: ConfigFile,
    grids: Grids = [],
    settings: Settings = [],
    out: OutputFolder = None,
    workers: Workers = 0,
    executor: Annotated[
        str, typer.Option(metavar="EXECUTOR", help=f"Where cells run: {' or '.join(EXECUTORS[:-1])} of this machine, or dask.")
    ] = EXECUTORS[0],
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The Dask scheduler. Without it, dask starts workers on this machine.")
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first cell that fails.")] = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a grid of experiments, one cell per combination of values.

    The grid is the config's `sweep` block, or --grid. The output folder holds the cells, a table and figures. Finished
    cells are not computed again. To continue an interrupted sweep, run the same command. Exit code 5: some cells failed.
    """
    from nonconv.report.figures.drawing_process import figure_process

    _check_executor(executor, scheduler)
    if dry_run:
        _print_plan(read_plan(config, settings, grids, out), workers or default_workers(), force, as_json)
        return
    # Entered before the grid is surveyed, so that matplotlib loads meanwhile.
    with figure_process() as draw:
        plan = read_plan(config, settings, grids, out)
        open_executor = choose_executor(plan, executor, scheduler, workers or default_workers())
        outcome = run_plan(plan, open_executor, force, fail_fast, quiet or as_json, draw)
        _print_result(outcome, as_json, quiet)
    if outcome.failures:
        raise typer.Exit(EXIT_CELLS_FAILED)


def _check_executor(executor: str, scheduler: str | None) -> None:
    """Raise UsageError for an unknown executor, or a scheduler without Dask."""

    from nonconv.faults.problems import nearest

    if executor not in EXECUTORS:
        near = nearest(executor, EXECUTORS)
        hint = f"\n  did you mean {near}?" if near else ""
        raise UsageError(f"--executor: unknown executor {executor!r}\n  allowed: {', '.join(EXECUTORS)}{hint}")
    if scheduler and executor != "dask":
        raise UsageError("--scheduler needs --executor dask")


class Plan(NamedTuple):
    """A sweep that has been read and surveyed, and its output folder."""

    sweep: "Sweep"
    survey: "Survey"
    folder: Path


def read_plan(config: Path, settings: list[str], grids: list[str], out: Path | None) -> Plan:
    """Read and survey the sweep, and choose its output folder. Raises ConfigError."""

    from nonconv.sweeps.sweep import read_sweep, survey

    found = read_sweep(config, settings, grids)
    surveyed = survey(found)
    return Plan(found, surveyed, out or Path("outputs") / fitting_name(found.name, f"-{surveyed.identity[:8]}"))


def choose_executor(plan: Plan, kind: str, scheduler: str | None, workers: int) -> "OpenExecutor":
    """Return the function that starts the workers. Nothing starts before it is called."""

    from nonconv.sweeps.executors import open_cluster, open_processes, open_threads, pack_sweep

    if kind != "dask":
        return partial(open_processes if kind == "processes" else open_threads, plan.sweep, workers)
    # Other machines may not see this disk: the files that cells read travel with the sweep.
    files = {name: file.content for name, file in plan.survey.files.items()}
    return partial(open_cluster, pack_sweep(plan.sweep, files), scheduler, workers)


def run_plan(
    plan: Plan, executor: "OpenExecutor", force: bool, fail_fast: bool, quiet: bool, draw: "Draw", announce: bool = True
) -> "Outcome":
    """Run the cells that are not finished. Raises Interrupted, with the command to continue.

    announce: print the claim first.
    """

    from nonconv.cli.sweep_progress import show_sweep_progress
    from nonconv.sweeps.loop import run_sweep

    if plan.sweep.claim and announce and not quiet:
        say(f"Claim: {plan.sweep.claim}")
    # A batch system ends jobs with SIGTERM: treat it like Ctrl-C, so that finished cells and whole blocks are saved.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run_sweep(*plan, executor, force, fail_fast, partial(show_sweep_progress, plan.survey, quiet), draw)
    except (Interrupted, KeyboardInterrupt) as stop:
        raise interrupted(stop) from None


def _print_plan(plan: Plan, workers: int, force: bool, as_json: bool) -> None:
    """Print what --dry-run says: cells, path-steps, and an estimate of the time."""

    from nonconv.store.folder import SCHEMA_VERSION
    from nonconv.sweeps.estimate import estimate
    from nonconv.sweeps.loop import refuse_fewer_paths

    if not force:
        # The plan must not promise what the sweep itself would refuse.
        refuse_fewer_paths(*plan)
    left, cells = estimate(*plan, workers), len(plan.survey.ids)
    if as_json:
        facts = {
            "schema_version": SCHEMA_VERSION,
            "name": plan.sweep.name,
            "folder": str(plan.folder),
            "cells": cells,
            "done": left.done,
            "path_steps": plan.survey.path_steps,
            "path_steps_left": left.path_steps,
            "seconds": round(left.seconds, 1),
            "workers": workers,
        }
        write_stdout((json.dumps(facts, indent=2) + "\n").encode())
        return
    print(f"{plan.sweep.name}: {count(cells, 'cell')}, {plan.survey.path_steps:.3g} path-steps in total")
    print(f"{plan.folder}: {left.done} of {count(cells, 'cell')} finished, {cells - left.done} to compute")
    if left.path_steps:
        print(f"about {_duration(left.seconds)} with {count(workers, 'worker')} here, from a short trial of {left.tried}")


def _duration(seconds: float) -> str:
    """Write seconds as `40 s`, `12 min` or `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _print_result(outcome: "Outcome", as_json: bool, quiet: bool) -> None:
    """Print a finished sweep: setting, table, findings, and where the files are."""

    from nonconv.report.figures_text import lines
    from nonconv.report.sweep_result import DECIDED, read_sweep_result
    from nonconv.report.sweep_summary import findings, setting
    from nonconv.report.sweep_table import change_rows, short_rows
    from nonconv.store.formats import as_json as encoded

    folder = outcome.folder
    result = read_sweep_result(folder)
    if as_json:
        facts = {"folder": str(folder), "computed": outcome.computed, "reused": outcome.reused, "failures": outcome.failures}
        facts["verdicts"] = {name: int(result.verdict(name).sum()) for name in (*DECIDED, "undecided")}
        write_stdout(encoded(result.about | facts))
        return
    print(setting(result))
    header, rows = short_rows(result)
    if len(rows) <= MOST_TABLE_ROWS:
        print_table("Final E|Θ − ξ|² ± half width of its 95 % interval, and verdict, per cell", header, rows, numbers=True)
    title, header, rows = change_rows(result)
    if rows:
        print_table(title, header, rows, numbers=True)
    for sentence in findings(result):
        print(sentence)
    print(f"\n{folder / 'summary.md'}\n{folder / 'sweep.csv'}")
    for line in lines(folder, sorted(path.stem for path in (folder / "figures").glob("*.png"))):
        print(line)
    if outcome.reused and not quiet:
        cells = count(int(result.about["cells"]), "cell")
        reused = f"all of {cells}" if not outcome.computed else f"{outcome.reused} of {cells}"
        say(f"Reused {reused}; --force computes them again.")
