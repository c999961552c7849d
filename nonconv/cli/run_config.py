"""nonconv run: one experiment, from a config to a folder."""

import json
import shlex
import signal
import sys
from importlib import import_module
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
from nonconv.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from nonconv.experiment.cell import Cell
    from nonconv.report.figures.drawing_process import Draw, Figures


@reported
def run(
    config: ConfigFile,
    settings: Settings = [],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="The output folder. [default: outputs/NAME-HASH]")
    ] = None,
    workers: Workers = 0,
    force: Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run one experiment: CONFIG -> a folder of tables, figures, paths and a manifest.

    A finished folder is not computed again; an interrupted run continues by running the same command again.
    """
    from nonconv.report.figures.drawing_process import figure_process

    if dry_run:
        _announce(*_cell_and_folder(config, settings, out), as_json)
        return
    with figure_process() as draw:
        cell, folder = _cell_and_folder(config, settings, out)
        _run(cell, folder, workers or default_workers(), force, as_json, quiet, verbose, draw)


def _cell_and_folder(config: Path, settings: list[str], out: Path | None) -> "tuple[Cell, Path]":
    from nonconv.experiment.binding import read_cell

    cell = read_cell(config, settings)
    return cell, out or Path("outputs") / cell.folder_name


def _announce(cell: "Cell", folder: Path, as_json: bool) -> None:
    from nonconv.store.folder import SCHEMA_VERSION, Folder

    finished = Folder(folder, cell.identity).is_finished()
    if as_json:
        facts = {"name": cell.name, "paths": cell.paths, "steps": cell.program.steps, "finished": finished}
        write_stdout(_document({"schema_version": SCHEMA_VERSION, **facts}, folder))
        return
    state = "finished, nothing to do" if finished else "to be computed"
    print(f"{cell.name}: {cell.paths} paths x {cell.program.steps} steps = {cell.paths * cell.program.steps:.3g} path-steps")
    print(f"{folder}: {state}")


def _run(
    cell: "Cell", folder: Path, workers: int, force: bool, as_json: bool, quiet: bool, verbose: bool, draw: "Draw"
) -> None:
    from nonconv.report.run import read_run
    from nonconv.store.folder import Folder

    if cell.claim and not (as_json or quiet):
        say(f"Claim: {cell.claim}")
    reused = not force and Folder(folder, cell.identity).is_finished()
    seconds = 0.0 if reused else simulate(cell, folder, workers, force, quiet, _and_load_tables(draw))
    result = read_run(folder)
    if as_json:
        write_stdout(_document(result.summary, folder))
    else:
        _print_result(result)
    if cell.swept and not (as_json or quiet):
        say("This was the config without its grid; nonconv sweep runs that")
    if reused and not quiet:
        say(f"{folder} was finished before; --force computes it again")
    elif verbose:
        rate = cell.paths * cell.program.steps / max(seconds, 1e-9)
        say(f"simulated in {seconds:.2f} s by {workers} workers, {rate:.3g} path-steps/s, compilation included")


def _and_load_tables(draw: "Draw") -> "Draw":
    """The Draw, which meanwhile loads what prints the result."""

    def begin(folder: Path) -> "Callable[[], Figures]":
        figures = draw(folder)
        import_module("rich.table")
        return figures

    return begin


def simulate(cell: "Cell", folder: Path, workers: int, force: bool, quiet: bool, draw: "Draw") -> float:
    """The seconds it took, with progress on stderr. Raises Interrupted with the command that continues."""
    from nonconv import study
    from nonconv.cli.progress import progress_of

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with progress_of(cell, quiet) as progress:
            return study.run(cell, folder, workers, force, progress, draw).seconds
    except Interrupted as stop:
        again = [argument for argument in sys.argv[1:] if argument != "--force"]  # which would begin anew
        raise Interrupted(f"{stop}; this continues it:\n  {shlex.join(['nonconv', *again])}") from None


def _document(summary: dict[str, Any], folder: Path) -> bytes:
    return (json.dumps(summary | {"folder": str(folder)}, indent=2, ensure_ascii=False) + "\n").encode()


def _print_result(result: Any) -> None:
    from nonconv.report.figures.catalogue import figure_names
    from nonconv.report.network_text import groups
    from nonconv.report.summary import findings, setting
    from nonconv.report.tables import short_rows
    from nonconv.report.verdict_text import verdict

    header, rows = short_rows(result)
    print(setting(result))
    print_table("E|Θₙ − ξ|² with the half width of its 95 % interval, by ξ", header, rows, numbers=True)
    for sentence in findings(result):
        print(sentence)
    title, header, rows = groups(result)
    if rows:
        print()
        print_table(title, header, rows, numbers=True)
    print(f"\nVerdict: {verdict(result)}")
    print(f"\n{result.folder / 'summary.md'}")
    for figure in figure_names(result.folder):
        print(result.folder / "figures" / f"{figure}.png")
