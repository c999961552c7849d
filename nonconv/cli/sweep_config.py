"""nonconv sweep: a grid of experiments, from its config to an output folder.

The grid is surveyed before anything runs: every cell is made once, so that errors in any of them show at once.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from nonconv.cli import completion
from nonconv.cli.briefs import print_brief, print_files
from nonconv.cli.common import (
    AsJson,
    ConfigFile,
    DryRun,
    Force,
    Open,
    OutputFolder,
    Quiet,
    Settings,
    Verbose,
    Workers,
    interrupted,
    reported,
    write_stdout,
)
from nonconv.cli.tables import print_sentence, print_table
from nonconv.faults.errors import Interrupted, UsageError
from nonconv.sweeps import EXECUTORS, LOCAL_EXECUTORS
from nonconv.system.processors import default_workers
from nonconv.system.words import count
from nonconv.terminal.lines import line_width, say

if TYPE_CHECKING:
    from nonconv.api.sweeping import Plan
    from nonconv.report.figures.drawing_process import Draw
    from nonconv.sweeps.executors.choice import Choice
    from nonconv.sweeps.loop import OpenExecutor, Outcome
    from nonconv.sweeps.sweep import Sweep

EXIT_CELLS_FAILED = 5
"""Exit code of a sweep that is complete except for cells that failed."""
MOST_TABLE_ROWS = 40
"""A sweep with more cells prints no table; sweep.csv has all of them."""
ADDRESS = re.compile(r"((tcp|tls)://)?[^\s/]+:[0-9]{1,5}")
"""Address of a scheduler."""

Grids = Annotated[
    list[str],
    typer.Option(
        "--grid",
        metavar="KEY=VALUES",
        help="Sweep one key, as optimizer.beta1=0:0.99:20 or seed=1,2,3. Repeatable.",
        autocompletion=completion.grids,
    ),
]


@reported
def sweep(
    config: ConfigFile,
    grids: Grids = [],
    settings: Settings = [],
    best_over: Annotated[
        list[str],
        typer.Option(
            "--best-over", metavar="KEY", help="Choose the best cell over this key, on half of the paths. Repeatable."
        ),
    ] = [],
    best_by: Annotated[
        str, typer.Option("--best-by", metavar="NAME", help="What it has least of: a ξ, floor or quantity. [default: first ξ]")
    ] = "",
    out: OutputFolder = None,
    workers: Workers = 0,
    executor: Annotated[
        str,
        typer.Option(
            metavar="EXECUTOR",
            help=f"Where cells run: {' or '.join(LOCAL_EXECUTORS)} of this machine, dask, submitit (SLURM), or "
            "MODULE:FACTORY of any concurrent.futures.Executor.",
            autocompletion=completion.choices(*EXECUTORS),
        ),
    ] = EXECUTORS[0],
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The Dask scheduler. Without it, dask starts workers on this machine.")
    ] = None,
    executor_options: Annotated[
        list[str],
        typer.Option(
            "--executor-option",
            metavar="KEY=VALUE",
            help="What the executor is made with, as max_workers=8. Repeatable.",
            autocompletion=completion.executor_options,
        ),
    ] = [],
    task_seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="How long a task of a worker should take. Results do not depend on it."),
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first cell that fails.")] = False,
    force: Force = False,
    dry_run: DryRun = False,
    opening: Open = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a grid of experiments, one cell per combination of values.

    The grid is the config's `sweep` block, or --grid. The output folder holds the cells, a table and figures. Finished
    cells are not computed again. To continue an interrupted sweep, run the same command. Exit code 5: some cells failed.
    """
    from nonconv.api.sweeping import choose_executor, find_finished, reuse
    from nonconv.report.figures.drawing_process import figure_process

    choice = _choose(executor, workers, scheduler, executor_options, task_seconds)
    if dry_run:
        grid = _read_grid(config, settings, grids, best_over, best_by)
        finished = None if force else find_finished(grid, out)
        left = (
            _finished_plan(*finished)
            if finished
            else _plan_left(_survey(grid, out, quiet), workers or default_workers(), force)
        )
        _print_plan(grid, left, workers or default_workers(), as_json)
        return
    # Entered before the grid is surveyed, so that matplotlib loads meanwhile.
    with figure_process() as draw:
        grid = _read_grid(config, settings, grids, best_over, best_by)
        if not force and (finished := find_finished(grid, out)):
            _say_claim(grid, quiet or as_json)
            outcome = reuse(*finished)
        else:
            plan = _survey(grid, out, quiet)
            tell = _silent if quiet or as_json else say
            open_executor = choose_executor(plan, choice, tell)
            outcome = run_plan(plan, open_executor, force, fail_fast, quiet or as_json, draw)
        _print_result(outcome, as_json, quiet, verbose)
    if opening:
        from nonconv.cli.opening import open_result

        open_result(outcome.folder)
    if outcome.failures:
        raise typer.Exit(EXIT_CELLS_FAILED)


def _choose(executor: str, workers: int, scheduler: str | None, options: list[str], seconds: float | None) -> "Choice":
    """Return the executor that the options choose. Raises UsageError."""
    from nonconv.sweeps.executors.choice import Choice, check, read_options

    choice = Choice(executor, workers, scheduler, read_options(options), seconds)
    check(choice)
    if scheduler is not None and executor != "dask":
        raise UsageError("--scheduler needs --executor dask")
    if scheduler is not None and workers:
        raise UsageError(f"--workers {workers}: a cluster that runs already has its own workers; leave it out with --scheduler")
    if scheduler is not None and not ADDRESS.fullmatch(scheduler):
        what = f"no address: {scheduler!r}" if scheduler.strip() else "the address is empty"
        raise UsageError(
            f"--scheduler: {what}\n  allowed: tcp://HOST:PORT, or tls:// with certificates in Dask's configuration"
        )
    return choice


def _read_grid(config: Path, settings: list[str], grids: list[str], best: list[str], by: str) -> "Sweep":
    """Read the sweep. Raises ConfigError."""
    from nonconv.api.sweeping import plainly_named
    from nonconv.sweeps.sweep import read_sweep

    with plainly_named():
        found = read_sweep(config, settings, grids, best, by)
    from nonconv.api.looks import refuse_unknown_look

    refuse_unknown_look(found.figures)
    return found


def _survey(grid: "Sweep", out: Path | None, quiet: bool) -> "Plan":
    """Survey the sweep, and choose its output folder. Raises ConfigError."""
    from nonconv.api.sweeping import surveyed
    from nonconv.terminal.progress import tell_cells_read

    return surveyed(grid, out, tell_cells_read(grid.grid, quiet))


def _silent(text: str) -> None:
    """Print nothing."""


def _say_claim(grid: "Sweep", quiet: bool) -> None:
    """Print the claim, if there is one."""
    if grid.claim and not quiet:
        say(f"Claim: {grid.claim}")


def run_plan(
    plan: "Plan", executor: "OpenExecutor", force: bool, fail_fast: bool, quiet: bool, draw: "Draw", announce: bool = True
) -> "Outcome":
    """Run the cells that are not finished. Raises Interrupted, with the command to continue.

    announce: print the claim first.
    """
    from nonconv.api.sweeping import complete, shown_sweep

    if announce:
        _say_claim(plan.sweep, quiet)
    try:
        with shown_sweep(plan.survey, quiet) as progress:
            return complete(plan, executor, force, fail_fast, progress, draw)
    except (Interrupted, KeyboardInterrupt) as stop:
        raise interrupted(stop) from None


class _Left(NamedTuple):
    """What --dry-run says of a sweep. done: finished cells. seconds: an estimate. tried: what it rests on."""

    folder: Path
    cells: int
    done: int
    path_steps: int
    path_steps_left: int
    seconds: float
    tried: str


def _finished_plan(folder: Path, manifest: dict[str, Any]) -> _Left:
    """Say that nothing is left of a finished sweep."""
    cells = int(manifest["cells"])
    return _Left(folder, cells, cells, int(manifest.get("path_steps", 0)), 0, 0.0, "")


def _plan_left(plan: "Plan", workers: int, force: bool) -> _Left:
    """Find out what is left of a sweep. Raises UsageError for what the sweep itself would refuse."""

    from nonconv.sweeps.estimate import estimate
    from nonconv.sweeps.loop import refuse_fewer_paths

    if not force:
        # The plan must not promise what the sweep itself would refuse.
        refuse_fewer_paths(*plan)
    left, cells = estimate(*plan, workers, force), len(plan.survey.ids)
    return _Left(plan.folder, cells, left.done, plan.survey.path_steps, left.path_steps, left.seconds, left.tried)


def _print_plan(grid: "Sweep", left: _Left, workers: int, as_json: bool) -> None:
    """Print what --dry-run says: cells, path-steps, and an estimate of the time."""

    from nonconv.store.folder import SCHEMA_VERSION

    if as_json:
        facts = {
            "schema_version": SCHEMA_VERSION,
            "name": grid.name,
            "folder": str(left.folder),
            "cells": left.cells,
            "done": left.done,
            "path_steps": left.path_steps,
            "path_steps_left": left.path_steps_left,
            "seconds": round(left.seconds, 1),
            "workers": workers,
        }
        write_stdout((json.dumps(facts, indent=2) + "\n").encode())
        return
    print(f"{grid.name}: {count(left.cells, 'cell')}, {left.path_steps:.3g} path-steps in total")
    print(f"{left.folder}: {left.done} of {count(left.cells, 'cell')} finished, {left.cells - left.done} to compute")
    if left.path_steps_left:
        print_sentence(
            f"about {_duration(left.seconds)} with {count(workers, 'worker')} here, from a short trial of {left.tried}"
        )


def _duration(seconds: float) -> str:
    """Write seconds as `40 s`, `12 min` or `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _print_result(outcome: "Outcome", as_json: bool, quiet: bool, verbose: bool) -> None:
    """Print a finished sweep: setting, table, findings, and where the files are."""

    from nonconv.report.best import best_as_dict
    from nonconv.report.figures_text import MOST_FIGURES, files
    from nonconv.report.sweep_brief import fitting_table, sweep_brief
    from nonconv.report.sweep_result import DECIDED, read_sweep_result
    from nonconv.report.sweep_table import why_no_interval
    from nonconv.store.formats import as_json as encoded

    folder = outcome.folder
    result = read_sweep_result(folder)
    if as_json:
        facts = {"folder": str(folder), "computed": outcome.computed, "reused": outcome.reused, "failures": outcome.failures}
        facts["verdicts"] = {name: int(result.verdict(name).sum()) for name in (*DECIDED, "undecided")}
        facts |= {"best": result.about["best"] | {"rows": best_as_dict(result)}} if "best" in result.about else {}
        write_stdout(encoded(result.about | facts))
        return
    print_brief(sweep_brief(result))
    if verbose:
        _print_details(result)
    elif result.cells <= MOST_TABLE_ROWS:
        header, rows = fitting_table(result, line_width())
        if rows:
            print_table("", header, rows, numbers=True)
    if result.cells <= MOST_TABLE_ROWS and (told := why_no_interval(result)):
        print_sentence(told)
        print()
    _print_best(result)
    names = sorted(path.stem for path in (folder / "figures").glob("*.png"))
    listed, notes = files(folder, names, len(names) if verbose else MOST_FIGURES)
    print_files(folder, ["summary.md", "sweep.csv", *(["best.csv"] if "best" in result.about else []), *listed], notes)
    if outcome.reused and not quiet:
        cells = int(result.about["cells"])
        reused = f"all {cells} cells" if outcome.reused == cells > 1 else f"{outcome.reused} of {count(cells, 'cell')}"
        say(f"Reused {reused}; --force computes them again.")


def _print_best(result: Any) -> None:
    """Print the best cell over some keys for each combination of the others, if it was asked for."""
    from nonconv.report.best import best_notes, best_rows, best_title

    header, rows = best_rows(result)
    if rows:
        if result.cells > MOST_TABLE_ROWS:  # no table ends with a blank line here
            print()
        print_table(best_title(result), header, rows)
        for note in best_notes(result):
            print_sentence(note)


def _print_details(result: Any) -> None:
    """Print every column of the table, and a sentence per finding."""

    from nonconv.report.sweep_summary import findings, setting
    from nonconv.report.sweep_table import change_rows, short_rows

    print()
    print_sentence(setting(result))
    header, rows = short_rows(result)
    print_table("Final E|Θ − ξ|² ± half width of its 95 % interval, and verdict, per cell", header, rows, numbers=True)
    title, header, rows = change_rows(result)
    if rows:
        print_table(title, header, rows, numbers=True)
    for sentence in findings(result):
        print_sentence(sentence)
    print()
