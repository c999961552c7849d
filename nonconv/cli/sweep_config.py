"""nonconv sweep: a grid of experiments, from a config to a folder."""

import json
import shlex
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonconv.cli.common import (
    AsJson,
    ConfigFile,
    Force,
    Quiet,
    Settings,
    Verbose,
    Workers,
    default_workers,
    print_table,
    reported,
    say,
    write_stdout,
)
from nonconv.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from nonconv.report.figures.drawing_process import Draw
    from nonconv.sweeps.loop import MakeExecutor, Outcome
    from nonconv.sweeps.sweep import Survey, Sweep

SOME_FAILED = 5
MOST_ROWS = 40
EXECUTORS = ("processes", "threads", "dask") if sys.platform == "linux" else ("threads", "dask")
"""The usual one first. Processes are forks: elsewhere there are none, or system libraries do not survive them."""

Grids = Annotated[
    list[str],
    typer.Option(
        "--grid", metavar="KEY=VALUES", help="Values of one key: optimizer.beta1=0:0.99:20 or optimizer.beta2=0.9,0.99."
    ),
]


@reported
def sweep(
    config: ConfigFile,
    grids: Grids = [],
    settings: Settings = [],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="The output folder. [default: outputs/NAME-HASH]")
    ] = None,
    workers: Workers = 0,
    executor: Annotated[
        str, typer.Option(metavar="EXECUTOR", help=f"{' or '.join(EXECUTORS[:-1])} of this machine, or dask: a cluster.")
    ] = EXECUTORS[0],
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The Dask scheduler; without one, a cluster on this machine.")
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first cell that fails.")] = False,
    force: Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a grid of experiments: the config's `sweep:` block, or --grid -> one folder of cells, a table and maps.

    Cells that are there already are not computed again; an interrupted sweep continues by running the same command again.
    """
    from nonconv.report.figures.drawing_process import figure_process

    _check_executor(executor, scheduler)
    if dry_run:
        found, surveyed, folder = _surveyed(config, settings, grids, out)
        _announce(found, surveyed, folder, workers or default_workers(), force, as_json)
        return
    with figure_process() as draw:
        found, surveyed, folder = _surveyed(config, settings, grids, out)
        make = _executor(found, surveyed, executor, scheduler, workers or default_workers())
        outcome = _run(found, surveyed, folder, make, force, fail_fast, quiet or as_json, draw)
        _print(outcome, as_json, quiet)
    if outcome.failures:
        raise typer.Exit(SOME_FAILED)


def _check_executor(executor: str, scheduler: str | None) -> None:
    from nonconv.faults.problems import nearest

    if executor not in EXECUTORS:
        near = nearest(executor, EXECUTORS)
        hint = f"\n  did you mean {near}?" if near else ""
        raise UsageError(f"--executor: unknown executor {executor!r}\n  allowed: {', '.join(EXECUTORS)}{hint}")
    if scheduler and executor != "dask":
        raise UsageError("--scheduler is for --executor dask")


def _surveyed(config: Path, settings: list[str], grids: list[str], out: Path | None) -> "tuple[Sweep, Survey, Path]":
    from nonconv.sweeps.sweep import read_sweep, survey

    found = read_sweep(config, settings, grids)
    surveyed = survey(found)
    return found, surveyed, out or Path("outputs") / f"{found.name}-{surveyed.identity[:8]}"


def _executor(found: "Sweep", surveyed: "Survey", kind: str, scheduler: str | None, workers: int) -> "MakeExecutor":
    from nonconv.sweeps.executors import cluster, packed, processes, threads

    if kind != "dask":
        return partial(processes if kind == "processes" else threads, found, workers)
    files = {name: file.content for name, file in surveyed.files.items()}
    return partial(cluster, packed(found, files), scheduler, workers)


def _run(
    found: "Sweep",
    surveyed: "Survey",
    folder: Path,
    make: Any,
    force: bool,
    fail_fast: bool,
    quiet: bool,
    draw: "Draw",
) -> "Outcome":
    from nonconv.cli.sweep_progress import sweep_progress
    from nonconv.sweeps.loop import run_sweep

    if found.claim and not quiet:
        say(f"Claim: {found.claim}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run_sweep(found, surveyed, folder, make, force, fail_fast, partial(sweep_progress, surveyed, quiet), draw)
    except (Interrupted, KeyboardInterrupt) as stop:
        again = [argument for argument in sys.argv[1:] if argument != "--force"]  # which would begin anew
        raise Interrupted(f"{str(stop) or 'stopped'}; this continues it:\n  {shlex.join(['nonconv', *again])}") from None


def _announce(found: "Sweep", surveyed: "Survey", folder: Path, workers: int, force: bool, as_json: bool) -> None:
    from nonconv.store.folder import SCHEMA_VERSION
    from nonconv.sweeps.estimate import estimate
    from nonconv.sweeps.loop import refuse_fewer_paths

    if not force:
        refuse_fewer_paths(found, surveyed, folder)
    guess = estimate(found, surveyed, folder, workers)
    facts = {
        "name": found.name,
        "folder": str(folder),
        "cells": len(surveyed.ids),
        "done": guess.done,
        "path_steps": surveyed.path_steps,
        "path_steps_left": guess.path_steps,
        "seconds": round(guess.seconds, 1),
        "workers": workers,
    }
    if as_json:
        write_stdout((json.dumps({"schema_version": SCHEMA_VERSION, **facts}, indent=2) + "\n").encode())
        return
    print(f"{found.name}: {len(surveyed.ids)} cells, {surveyed.path_steps:.3g} path-steps in all")
    print(f"{folder}: of {len(surveyed.ids)} cells, {guess.done} done, {len(surveyed.ids) - guess.done} to be computed")
    if guess.path_steps:
        print(f"about {_duration(guess.seconds)} on {workers} cores here, judged by a short trial of {guess.tried}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _print(outcome: "Outcome", as_json: bool, quiet: bool) -> None:
    from nonconv.report.sweep_result import read_sweep_result
    from nonconv.report.sweep_summary import findings, setting
    from nonconv.report.sweep_table import short_rows
    from nonconv.store.formats import as_json as encoded

    folder = outcome.folder
    result = read_sweep_result(folder)
    if as_json:
        facts = {"folder": str(folder), "computed": outcome.computed, "reused": outcome.reused, "failures": outcome.failures}
        write_stdout(encoded(result.about | facts))
        return
    print(setting(result))
    header, rows = short_rows(result)
    if len(rows) <= MOST_ROWS:
        print_table(
            "Final E|Θ − ξ|² with the half width of its 95 % interval, and the verdict, by cell", header, rows, numbers=True
        )
    for sentence in findings(result):
        print(sentence)
    print(f"\n{folder / 'summary.md'}\n{folder / 'sweep.csv'}")
    for figure in sorted((folder / "figures").glob("*.png")):
        print(figure)
    if outcome.reused and not quiet:
        known = "every cell was" if not outcome.computed else f"{outcome.reused} of {result.about['cells']} cells were"
        say(f"{known} there before; --force computes all again")
