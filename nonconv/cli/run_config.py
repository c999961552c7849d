"""nonconv run: one experiment, from its config to an output folder.

`check` uses `simulate` as well, so both show the same progress and react to Ctrl-C alike.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from nonconv.faults.errors import Interrupted
from nonconv.system.processors import default_workers
from nonconv.system.streams import visible
from nonconv.system.words import count
from nonconv.terminal.lines import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from nonconv.experiment.cell import Cell
    from nonconv.report.figures.drawing_process import Draw, Figures
    from nonconv.study.loop import Outcome


@reported
def run(
    config: ConfigFile,
    settings: Settings = [],
    out: OutputFolder = None,
    workers: Workers = 0,
    force: Force = False,
    dry_run: DryRun = False,
    opening: Open = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run one experiment and store its results in a folder.

    The folder holds tables, figures, a summary and recorded paths. A finished run is not computed again. To continue an
    interrupted run, run the same command.
    """
    from nonconv.report.figures.drawing_process import figure_process

    if dry_run:
        _print_plan(*_read(config, settings, out), as_json)
        return
    # Entered before the config is read, so that matplotlib loads meanwhile.
    with figure_process() as draw:
        cell, folder = _read(config, settings, out)
        _run(cell, folder, workers or default_workers(), force, as_json, quiet, verbose, draw)
    if opening:
        from nonconv.cli.opening import open_result

        open_result(folder)


def _read(config: Path, settings: list[str], out: Path | None) -> "tuple[Cell, Path]":
    """Read the cell, and choose its output folder. Raises ConfigError."""
    from nonconv.api.running import read_experiment
    from nonconv.config.files import read

    return read_experiment(read(config, settings), out)


def _print_plan(cell: "Cell", folder: Path, as_json: bool) -> None:
    """Print what --dry-run says: the size of the run, and whether it is finished already."""

    from nonconv.store.folder import SCHEMA_VERSION, Folder

    finished = Folder(folder, cell.identity).is_finished()
    if as_json:
        facts = {"name": cell.name, "paths": cell.paths, "steps": cell.program.steps, "finished": finished}
        write_stdout(_document({"schema_version": SCHEMA_VERSION, **facts}, folder))
        return
    size = f"{count(cell.paths, 'path')} x {count(cell.program.steps, 'step')}"
    print(f"{cell.name}: {size} = {cell.paths * cell.program.steps:.3g} path-steps")
    print(f"{folder}: {'already finished' if finished else 'not finished yet'}")


def _run(
    cell: "Cell", folder: Path, workers: int, force: bool, as_json: bool, quiet: bool, verbose: bool, draw: "Draw"
) -> None:
    """Run the cell unless it is finished, and print its result."""

    from nonconv.api.running import is_current

    if cell.claim and not (as_json or quiet):
        say(f"Claim: {cell.claim}")
    done = None
    if force or not is_current(cell, folder):  # asked here, so that a reused result shows no progress
        done = simulate(cell, folder, workers, force, quiet, _load_tables_meanwhile(draw))
    print_run(folder, as_json, verbose)
    if cell.swept and not (as_json or quiet):
        say("The `sweep` block was ignored; `nonconv sweep` runs the grid.")
    if done is None or done.reused:
        again = "Only words changed, so texts and figures are written again; nothing was simulated.\n" if done else ""
        if not quiet:
            say(f"{again}Reused the finished results in {folder}; --force computes them again.")
    elif verbose:
        rate = cell.paths * cell.program.steps / max(done.seconds, 1e-9)
        say(
            f"Simulated in {done.seconds:.2f} s with {count(workers, 'worker')}: {rate:.3g} path-steps/s, compilation included."
        )


def print_run(folder: Path, as_json: bool, verbose: bool) -> None:
    """Print the finished run in a folder, or its JSON document."""
    from nonconv.report.run import read_run

    result = read_run(folder)
    if as_json:
        # summary.json and verdict.json together: what they share is the same in both.
        write_stdout(_document(result.summary | result.verdict | {"predictions": result.predictions}, folder))
    else:
        _print_result(result, verbose)


def _load_tables_meanwhile(draw: "Draw") -> "Draw":
    """Wrap a Draw: import what prints the result while another process draws the figures."""

    def begin(folder: Path) -> "Callable[[], Figures]":
        figures = draw(folder)
        import_module("rich.table")
        return figures

    return begin


def simulate(cell: "Cell", folder: Path, workers: int, force: bool, quiet: bool, draw: "Draw") -> "Outcome":
    """Simulate a cell with progress on stderr, unless only words have changed, and return what was done.

    Raises Interrupted, with the command to continue.
    """
    from nonconv.api.running import complete
    from nonconv.terminal.progress import show_progress

    try:
        with show_progress(cell, quiet) as progress:
            return complete(cell, folder, workers, force, progress, draw)
    except Interrupted as stop:
        raise interrupted(stop) from None


def _document(summary: dict[str, Any], folder: Path) -> bytes:
    """Return the JSON document that --json prints."""
    return visible(json.dumps(summary | {"folder": str(folder)}, indent=2, ensure_ascii=False) + "\n").encode()


def _print_result(result: Any, verbose: bool) -> None:
    """Print a finished run: the verdict, what is behind it, and where the files are; with -v all that summary.md has."""

    from nonconv.report.brief import brief
    from nonconv.report.figures.catalogue import figure_names
    from nonconv.report.figures_text import MOST_FIGURES, files

    print_brief(brief(result))
    if verbose:
        _print_details(result)
    names = figure_names(result.folder)
    listed, notes = files(result.folder, names, len(names) if verbose else MOST_FIGURES)
    print_files(result.folder, ["summary.md", *listed], notes)


def _print_details(result: Any) -> None:
    """Print tables by step, and a sentence per finding."""

    from nonconv.report.network_text import groups
    from nonconv.report.summary import findings, setting, verdicts_on_iterates
    from nonconv.report.tables import iterate_rows, short_rows
    from nonconv.report.verdict_text import verdict

    header, rows = short_rows(result)
    print()
    print_sentence(setting(result))
    print_table("E|Θₙ − ξ|² ± half width of its 95 % interval, per ξ", header, rows, numbers=True)
    header, rows = iterate_rows(result)
    if rows:
        print_table("The same of the other iterates", header, rows, numbers=True)
    for sentence in findings(result):
        print_sentence(sentence)
    title, header, rows = groups(result)
    if rows:
        print()
        print_table(title, header, rows, numbers=True)
    print()
    print_sentence(f"Verdict: {verdict(result)}")
    for title, said in verdicts_on_iterates(result):
        print_sentence(f"{title}: {said}")
    print()
