"""nonconv check: results held against what their configs expect."""

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
from nonconv.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from nonconv.checks.expectations import Result
    from nonconv.checks.junit import Checked
    from nonconv.experiment.cell import Cell

EXIT_CODES = {"met": 0, "refuted": 3, "undecided": 4}


@reported
def check(
    configs: ConfigFiles,
    settings: Settings = [],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the output folders lie.")] = Path("outputs"),
    workers: Workers = 0,
    force: Force = False,
    as_json: AsJson = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML as well.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run configs, or reuse their results, and hold them against their `expect:`; exit 3 if one is refuted, 4 if undecided.

    All configs are read before anything is computed.
    """
    from nonconv.checks.expectations import overall

    cells = _cells(configs, settings)
    if junit:
        _make_room(junit)
    results = _results(configs, cells, out, workers or default_workers(), force, quiet, verbose)
    checked = _checked(configs, cells, results)
    status = overall(row.status for one in checked for row in one.rows)
    if junit:
        _write_junit(junit, checked)
    if as_json:
        _print_json(checked, status)
    else:
        _print(checked)
    raise typer.Exit(EXIT_CODES[status])


def _cells(configs: list[Path], settings: list[str]) -> "list[Cell]":
    """All experiments. Raises ConfigError with every problem of every config."""
    from nonconv.config.expect import Expect
    from nonconv.experiment.binding import read_cell
    from nonconv.faults.problems import Place, Problem
    from nonconv.parameters import allowed

    cells: list[Cell] = []
    problems: list[str] = []
    for config in configs:
        try:
            cells.append(read_cell(config, settings))
        except ConfigError as error:
            problems += error.problems
        else:
            if not cells[-1].expect:
                missing = "missing; `nonconv check` holds the result against it"
                problems.append(str(Problem(missing, Place(str(config), 0, 0, ""), "expect", allowed(Expect))))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return cells


def _make_room(file: Path) -> None:
    """What can be known of a file that cannot be written, said before anything is computed."""
    if file.is_dir():
        raise UsageError(f"{file} cannot be written: it is a folder")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def _results(
    configs: list[Path], cells: "list[Cell]", out: Path, workers: int, force: bool, quiet: bool, verbose: bool
) -> "list[Result]":
    """The result of each experiment, computed where it is not there."""
    from nonconv.checks.expectations import read_result
    from nonconv.report.figures.drawing_process import figure_process
    from nonconv.store.folder import Folder

    results = []
    with figure_process() as draw:
        for k, (config, cell) in enumerate(zip(configs, cells, strict=True), 1):
            folder = out / cell.folder_name
            reused = not force and Folder(folder, cell.identity).is_finished()
            if not quiet and not reused:
                say(f"{config} ({k} of {len(cells)}): {cell.claim or cell.name}")
            seconds = 0.0 if reused else simulate(cell, folder, workers, force, quiet, draw)
            if verbose:
                say(f"{folder} was finished before" if reused else f"{folder}: simulated in {seconds:.2f} s")
            results.append(read_result(folder, cell.deterministic))
    return results


def _checked(configs: list[Path], cells: "list[Cell]", results: "list[Result]") -> "list[Checked]":
    """Every expectation held against its result. Raises ConfigError for those about what no result can tell."""
    from nonconv.checks.expectations import evaluate, unanswerable
    from nonconv.checks.junit import Checked

    found = list(zip(map(str, configs), cells, results, strict=True))
    problems = [str(p) for config, cell, result in found for p in unanswerable(cell.expect, result, config)]
    if problems:
        raise ConfigError(problems)
    return [
        Checked(config, cell.name, cell.claim, result.run.folder, evaluate(cell.expect, result))
        for config, cell, result in found
    ]


def _write_junit(file: Path, checked: "list[Checked]") -> None:
    from nonconv.checks.junit import junit

    try:
        file.write_bytes(junit(checked))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def _counts(checked: "list[Checked]") -> dict[str, int]:
    from nonconv.checks.expectations import STATUSES

    statuses = [row.status for one in checked for row in one.rows]
    return {status: statuses.count(status) for status in STATUSES}


def _print(checked: "list[Checked]") -> None:
    rows = [[one.config, row.expected, row.found, row.status] for one in checked for row in one.rows]
    print_table("", ["config", "expected", "found", "status"], rows)
    counts = _counts(checked)
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    print(f"{_number(sum(counts.values()), 'expectation')} of {_number(len(checked), 'config')}: {said}.")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _print_json(checked: "list[Checked]", status: str) -> None:
    from nonconv.checks.expectations import overall
    from nonconv.store.folder import SCHEMA_VERSION
    from nonconv.store.formats import as_json

    configs: list[dict[str, Any]] = [
        {
            "config": one.config,
            "name": one.name,
            "claim": one.claim,
            "folder": str(one.folder),
            "status": overall(row.status for row in one.rows),
            "expectations": [row._asdict() for row in one.rows],
        }
        for one in checked
    ]
    write_stdout(as_json({"schema_version": SCHEMA_VERSION, "status": status, "counts": _counts(checked), "configs": configs}))
