"""nonconv check: test results against the `expect` block of their configs.

Every config is read and checked before the first one is run: a misspelt key must not show after an hour.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonconv.cli.common import (
    AsJson,
    ConfigFiles,
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
from nonconv.cli.run_config import simulate
from nonconv.faults.errors import ConfigError, UsageError
from nonconv.faults.problems import count

if TYPE_CHECKING:
    from nonconv.checks.expectations import Result
    from nonconv.checks.junit import Checked
    from nonconv.experiment.cell import Cell

EXIT_CODES = {"met": 0, "refuted": 3, "undecided": 4}
"""By the worst status of any expectation."""


@reported
def check(
    configs: ConfigFiles,
    settings: Settings = [],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder with the output folders.")] = Path(
        "outputs"
    ),
    workers: Workers = 0,
    force: Force = False,
    as_json: AsJson = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write the results as JUnit XML.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Test whether results meet the `expect` block of their configs.

    Runs the configs, or reuses their finished results. Exit code 3: an expectation is refuted; 4: none is, but one is
    undecided. All configs are read before anything is computed.
    """
    from nonconv.checks.expectations import combine

    cells = _read_cells(configs, settings)
    if junit:
        _prepare_file(junit)
    results = _compute_results(configs, cells, out, workers or default_workers(), force, quiet, verbose)
    checked = _evaluate(configs, cells, results)
    status = combine(row.status for one in checked for row in one.rows)
    if junit:
        _write_junit(junit, checked)
    if as_json:
        _print_json(checked, status)
    else:
        _print_table(checked)
    raise typer.Exit(EXIT_CODES[status])


def _read_cells(configs: list[Path], settings: list[str]) -> "list[Cell]":
    """Read the cell of every config. Raises ConfigError with the problems of all configs."""
    from nonconv.components.parameters import allowed
    from nonconv.config.expect import Expect
    from nonconv.experiment.binding import read_cell
    from nonconv.faults.problems import Place, Problem

    cells: list[Cell] = []
    problems: list[str] = []
    for config in configs:
        try:
            cells.append(read_cell(config, settings))
        except ConfigError as error:
            problems += error.problems
        else:
            if not cells[-1].expect:
                missing = "missing; `nonconv check` tests results against this block"
                problems.append(str(Problem(missing, Place(str(config), 0, 0, ""), "expect", allowed(Expect))))
    if problems:
        # One config may be given twice, or two may name the same broken plug-in.
        raise ConfigError(list(dict.fromkeys(problems)))
    return cells


def _prepare_file(file: Path) -> None:
    """Make the folder of a file, so that a path that cannot be written is refused before anything is computed."""
    if file.is_dir():
        raise UsageError(f"{file} cannot be written: it is a folder")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def _compute_results(
    configs: list[Path], cells: "list[Cell]", out: Path, workers: int, force: bool, quiet: bool, verbose: bool
) -> "list[Result]":
    """Return the result of each cell, computed unless its folder is finished. One figure process serves all."""
    from nonconv.checks.expectations import read_result
    from nonconv.report.figures.drawing_process import figure_process
    from nonconv.study.loop import is_current

    results = []
    # One process for all runs: it loads matplotlib once.
    with figure_process() as draw:
        for k, (config, cell) in enumerate(zip(configs, cells, strict=True), 1):
            folder = out / cell.folder_name
            # Asked before the run, so that a reused result prints no progress line.
            reused = not force and is_current(cell, folder)
            if not quiet and not reused:
                say(f"{config} ({k} of {len(cells)}): {cell.claim or cell.name}")
            done = None if reused else simulate(cell, folder, workers, force, quiet, draw)
            if verbose:
                reused_how = "reused, texts written again" if done else "reused"
                say(f"{folder}: {f'simulated in {done.seconds:.2f} s' if done and not done.reused else reused_how}")
            results.append(read_result(folder, cell.deterministic))
    return results


def _evaluate(configs: list[Path], cells: "list[Cell]", results: "list[Result]") -> "list[Checked]":
    """Test every expectation of every config.

    Raises ConfigError for expectations that name a prediction which the experiment does not have.
    """
    from nonconv.checks.expectations import evaluate, find_unanswerable
    from nonconv.checks.junit import Checked

    found = list(zip(map(str, configs), cells, results, strict=True))
    problems = [str(p) for config, cell, result in found for p in find_unanswerable(cell.expect, result, config)]
    if problems:
        raise ConfigError(problems)
    return [
        Checked(config, cell.name, cell.claim, result.run.folder, evaluate(cell.expect, result))
        for config, cell, result in found
    ]


def _write_junit(file: Path, checked: "list[Checked]") -> None:
    """Write the results as JUnit XML. Raises UsageError if the file cannot be written."""

    from nonconv.checks.junit import junit

    try:
        file.write_bytes(junit(checked))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def _count_statuses(checked: "list[Checked]") -> dict[str, int]:
    """Count the expectations by status, in the order met, refuted, undecided."""

    from nonconv.checks.expectations import STATUSES

    statuses = [row.status for one in checked for row in one.rows]
    return {status: statuses.count(status) for status in STATUSES}


def _print_table(checked: "list[Checked]") -> None:
    """Print one line per expectation, and a sentence with their number."""
    rows = [[one.config, row.expected, row.found, row.status] for one in checked for row in one.rows]
    print_table("", ["config", "expected", "found", "status"], rows)
    counts = _count_statuses(checked)
    summary = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    print(f"{count(sum(counts.values()), 'expectation')} of {count(len(checked), 'config')}: {summary}.")


def _print_json(checked: "list[Checked]", status: str) -> None:
    """Print all results as one JSON document."""

    from nonconv.checks.expectations import combine
    from nonconv.store.folder import SCHEMA_VERSION
    from nonconv.store.formats import as_json

    configs: list[dict[str, Any]] = [
        {
            "config": one.config,
            "name": one.name,
            "claim": one.claim,
            "folder": str(one.folder),
            "status": combine(row.status for row in one.rows),
            "expectations": [row._asdict() for row in one.rows],
        }
        for one in checked
    ]
    write_stdout(
        as_json({"schema_version": SCHEMA_VERSION, "status": status, "counts": _count_statuses(checked), "configs": configs})
    )
