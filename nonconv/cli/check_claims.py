"""nonconv check: test results against the `expect` block of their configs.

Every config is read and checked before the first one is run: a misspelt key must not show after an hour.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from nonconv.cli.briefs import print_heading
from nonconv.cli.budget import Budget, OverBudget
from nonconv.cli.common import AsJson, ConfigFiles, Force, Quiet, Settings, Verbose, Workers, reported, write_stdout
from nonconv.cli.run_config import simulate
from nonconv.cli.selection import selection
from nonconv.cli.sweep_config import run_plan
from nonconv.cli.tables import print_sentence
from nonconv.faults.errors import ConfigError, UsageError
from nonconv.sweeps import EXECUTORS
from nonconv.system.processors import default_workers
from nonconv.system.words import count
from nonconv.terminal.lines import say

T = TypeVar("T")

if TYPE_CHECKING:
    from nonconv.api.sweeping import Plan
    from nonconv.checks.expectations import Row
    from nonconv.checks.junit import Checked
    from nonconv.checks.sweep_expectations import SweptCell
    from nonconv.config.document import Document
    from nonconv.experiment.cell import Cell
    from nonconv.report.figures.drawing_process import Draw

EXIT_CODES = {"met": 0, "refuted": 3, "undecided": 4}
"""By the worst status of any expectation."""


@reported
def check(
    configs: ConfigFiles,
    settings: Settings = [],
    chosen: Annotated[
        str, typer.Option("-k", metavar="EXPR", help="Only configs whose name matches, as in: -k 'adam and not decay'.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder with the output folders.")] = Path(
        "outputs"
    ),
    workers: Workers = 0,
    force: Force = False,
    time_budget: Annotated[
        str, typer.Option(metavar="TIME", help="Stop computing after this time, as 90s or 10min; the rest is undecided.")
    ] = "",
    as_json: AsJson = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write the results as JUnit XML.")] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Also write a summary in Markdown.")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Test whether results meet the `expect` block of their configs.

    Runs the configs, and the sweeps that `expect` speaks of, or reuses their finished results. Exit code 3: an expectation
    is refuted; 4: none is, but one is undecided. All configs are read before anything is computed.
    """
    from nonconv.checks.expectations import combine

    budget = Budget(time_budget)
    kept = _select(configs, chosen)
    tasks = _read_tasks(kept, settings, out, quiet)
    for file in filter(None, (junit, markdown)):
        _prepare_file(file)
    _compute(tasks, _Options(workers or default_workers(), force, quiet, verbose, budget))
    checked = _evaluate(tasks)
    notes = _notes(len(configs) - len(kept), tasks, budget)
    _write_files(junit, markdown, checked, notes)
    status = combine(row.status for one in checked for row in one.rows)
    if as_json:
        _print_json(checked, status)
    else:
        _print_result(checked, status, notes, verbose)
    raise typer.Exit(EXIT_CODES[status])


def _select(configs: list[Path], chosen: str) -> list[Path]:
    """Return the configs that -k means. Raises UsageError if there are none."""
    if not chosen:
        return configs
    holds = selection(chosen)
    kept = [config for config in configs if holds(str(config))]
    if not kept:
        names = ", ".join(str(config) for config in configs[:8]) + (", ..." if len(configs) > 8 else "")
        raise UsageError(f"-k {chosen!r}: matches none of {count(len(configs), 'config')}\n  there are: {names}")
    return kept


# What is to be computed


@dataclass
class _Task:
    """What a config expects of its run (cell) or of its sweep (plan), and the folder with the result.

    seconds: how long it took. reached: whether the result is there; False once the time was up.
    """

    config: Path
    document: "Document"
    expect: dict[str, Any]
    folder: Path
    cell: "Cell | None" = None
    plan: "Plan | None" = None
    seconds: float = 0.0
    reached: bool = True
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What it is about: run or sweep."""
        return "run" if self.cell else "sweep"

    @property
    def about(self) -> Any:
        """Its cell or its sweep, which both have a name and a claim."""
        return self.cell or (self.plan and self.plan.sweep)

    def place(self, path: Any) -> Any:
        """Return where a path is in the config."""
        return self.document.place(path)

    def line(self, key: str) -> int:
        """Return the line of an expectation, by the key of its row; 0 if it is not known."""
        from nonconv.config.document import dotted

        known = {dotted(path): place.line for path, place in self.document.values.items()}
        while key and key not in known:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return known.get(key, 0)


def _read_tasks(configs: list[Path], settings: list[str], out: Path, quiet: bool) -> list[_Task]:
    """Read what every config expects. Raises ConfigError with the problems of all configs."""
    tasks: list[_Task] = []
    problems: list[str] = []
    for config in configs:
        try:
            tasks += _read(config, settings, out, quiet)
        except ConfigError as error:
            problems += error.problems
    if problems:
        # One config may be given twice, or two may name the same broken plug-in.
        raise ConfigError(list(dict.fromkeys(problems)))
    return tasks


def _read(config: Path, settings: list[str], out: Path, quiet: bool) -> list[_Task]:
    """Read what a config expects, of its run and of its sweep. Raises ConfigError."""
    from nonconv.config.expect import OF_RUN, OF_SWEEP
    from nonconv.config.files import read
    from nonconv.experiment.binding import make_cell
    from nonconv.faults.problems import Problem

    document = read(config, settings)
    data = document.data if isinstance(document.data, dict) else {}
    wanted = data.get("expect")
    of_sweep = isinstance(wanted, dict) and any(key in wanted for key in OF_SWEEP) and data.get("sweep") is not None
    of_run = not of_sweep or any(key not in OF_SWEEP for key in wanted or ())
    found = []
    if of_run:
        cell = make_cell(document)
        if not cell.expect:
            raise ConfigError([str(Problem("missing; `nonconv check` tests results against this block", *_nowhere(config)))])
        expect = {key: value for key, value in cell.expect.items() if key in OF_RUN}
        found.append(_Task(config, document, expect, out / cell.folder_name, cell=cell))
        if cell.swept and not of_sweep and not quiet:
            say(f"{config}: `expect` is about the config itself; all, share and order would be about its sweep")
    if of_sweep:
        found.append(_read_sweep(config, document, out, quiet))
    return found


def _nowhere(config: Path) -> tuple[Any, str, str]:
    """Return place, key and allowed values of a missing `expect`."""
    from nonconv.components.parameters import allowed
    from nonconv.config.expect import Expect
    from nonconv.faults.problems import Place

    return Place(str(config), 0, 0, ""), "expect", allowed(Expect)


def _read_sweep(config: Path, document: "Document", out: Path, quiet: bool) -> _Task:
    """Read what a config expects of its sweep. Raises ConfigError."""
    from nonconv.api.sweeping import Plan
    from nonconv.checks.sweep_expectations import find_unanswerable_in_sweep
    from nonconv.config.expect import OF_SWEEP
    from nonconv.experiment.identity import folder_name
    from nonconv.faults.problems import Problem
    from nonconv.sweeps.sweep import as_sweep, survey
    from nonconv.terminal.progress import tell_cells_read

    sweep = as_sweep(document)
    surveyed = survey(sweep, tell_cells_read(sweep.grid, quiet))
    expect = {key: value for key, value in sweep.expectations().items() if key in OF_SWEEP}
    folder = out / folder_name(sweep.name, surveyed.identity)
    task = _Task(config, document, expect, folder, plan=Plan(sweep, surveyed, folder))
    problems: list[Problem] = find_unanswerable_in_sweep(expect, _swept_cells(task), task.place)
    if problems:
        raise ConfigError([str(problem) for problem in problems])
    return task


def _swept_cells(task: _Task) -> "list[SweptCell]":
    """Return the cells of a sweep, each to be read when it is looked at."""
    from nonconv.page.claims import swept_cells

    assert task.plan is not None
    return swept_cells(task.plan.sweep, task.plan.survey, task.plan.folder, task.failures)


# Results


@dataclass(frozen=True)
class _Options:
    """How results are computed."""

    workers: int
    force: bool
    quiet: bool
    verbose: bool
    budget: Budget


def _compute(tasks: list[_Task], options: _Options) -> None:
    """Bring every result to its finished state until the time is up. One figure process serves all."""
    from nonconv.report.figures.drawing_process import figure_process

    # Sweeps first: their workers are forks, which must not copy the threads of runs.
    ordered = sorted(tasks, key=lambda task: task.subject == "run")
    # One process for all: it loads matplotlib once.
    with figure_process() as draw:
        for k, task in enumerate(ordered, 1):
            try:
                _compute_one(task, f"{k} of {len(ordered)}", options, draw)
            except OverBudget:
                task.reached = False


def _compute_one(task: _Task, number: str, options: _Options, draw: "Draw") -> None:
    """Bring a result to its finished state. Raises OverBudget, and Interrupted, once what is whole is saved."""
    # Asked before it is computed, so that a reused result prints no progress line.
    reused = not options.force and _is_finished(task)
    if not reused:
        options.budget.check()
    if not options.quiet and not reused:
        say(f"{task.config} ({number}): {task.about.claim or task.about.name}")
    if not reused:
        begun = time.monotonic()
        try:
            with options.budget.limited():
                _finish(task, options, draw)
        finally:
            task.seconds = time.monotonic() - begun
    if options.verbose:
        say(f"{task.folder}: reused" if reused else f"{task.folder}: computed in {task.seconds:.2f} s")


def _is_finished(task: _Task) -> bool:
    """Whether the result is there already."""
    from nonconv.store.folder import Folder
    from nonconv.study.loop import is_current
    from nonconv.sweeps.cells import Cells
    from nonconv.sweeps.loop import is_finished

    if task.cell:
        return is_current(task.cell, task.folder)
    assert task.plan is not None
    return is_finished(task.plan.sweep, task.plan.survey, Folder(task.folder, task.plan.survey.identity), Cells(task.folder))


def _finish(task: _Task, options: _Options, draw: "Draw") -> None:
    """Compute a result."""
    from nonconv.api.sweeping import choose_executor
    from nonconv.sweeps.executors.choice import Choice

    if task.cell:
        simulate(task.cell, task.folder, options.workers, options.force, options.quiet, draw)
        return
    assert task.plan is not None
    executor = choose_executor(task.plan, Choice(EXECUTORS[0], options.workers))
    outcome = run_plan(task.plan, executor, options.force, False, options.quiet, draw, announce=False)
    task.failures = outcome.failures


def _evaluate(tasks: list[_Task]) -> "list[Checked]":
    """Test every expectation, in the order of the configs.

    Raises ConfigError for expectations that name a prediction which the experiment does not have.
    """
    from nonconv.checks.junit import Checked

    problems: list[str] = []
    found = []
    for task in tasks:
        try:
            rows = _rows(task) if task.reached else _not_reached(task)
        except ConfigError as error:
            problems += error.problems
            continue
        about, lines = task.about, tuple(task.line(row.key) for row in rows)
        found.append(Checked(str(task.config), about.name, about.claim, task.folder, rows, task.subject, task.seconds, lines))
    if problems:
        raise ConfigError(problems)
    return found


def _rows(task: _Task) -> "list[Row]":
    """Test what a config expects of a finished result. Raises ConfigError."""
    from nonconv.checks.expectations import evaluate, find_unanswerable, read_result
    from nonconv.checks.sweep_expectations import evaluate_sweep

    if task.cell is None:
        return evaluate_sweep(task.expect, _swept_cells(task))
    result = read_result(task.folder, task.cell.deterministic)
    problems = find_unanswerable(task.expect, result, str(task.config))
    if problems:
        raise ConfigError([str(problem) for problem in problems])
    return evaluate(task.expect, result)


def _not_reached(task: _Task) -> "list[Row]":
    """Return the rows of expectations whose result was not reached in time: all are undecided."""
    from nonconv.checks.expectations import Facts, Row

    found = "not reached within the time budget"
    return [Row(f"expect.{name}", name, found, "undecided", Facts(kind=name)) for name in task.expect]


# What is written


def _notes(deselected: int, tasks: list[_Task], budget: Budget) -> list[str]:
    """Say what was not looked at, and why."""
    missed = [f"{task.config} ({task.subject})" for task in tasks if not task.reached]
    found = [f"{count(deselected, 'config')} not chosen by -k."] if deselected else []
    if missed:
        found.append(f"Not reached within --time-budget {budget.text}: {', '.join(missed)}. The same command continues there.")
    return found


def _prepare_file(file: Path) -> None:
    """Make the folder of a file, so that a path that cannot be written is refused before anything is computed."""
    if file.is_dir():
        raise UsageError(f"{file} cannot be written: it is a folder")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def _write_files(junit: Path | None, markdown: Path | None, checked: "list[Checked]", notes: Sequence[str]) -> None:
    """Write the results as JUnit XML and as Markdown, where they are wanted. Raises UsageError if that fails."""
    from nonconv.checks import claims_markdown
    from nonconv.checks import junit as xml

    if junit:
        _write(junit, xml.junit(checked))
    if markdown:
        _write(markdown, claims_markdown.markdown(checked, notes).encode())


def _write(file: Path, content: bytes) -> None:
    """Write a file; add to the summary of a GitHub job, which other steps share. Raises UsageError."""
    shared = os.environ.get("GITHUB_STEP_SUMMARY")
    try:
        with file.open("ab" if shared and Path(shared) == file else "wb") as opened:
            opened.write(content)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def _count_statuses(checked: "list[Checked]") -> dict[str, int]:
    """Count the expectations by status, in the order met, refuted, undecided."""

    from nonconv.checks.expectations import STATUSES

    statuses = [row.status for one in checked for row in one.rows]
    return {status: statuses.count(status) for status in STATUSES}


def _print_result(checked: "list[Checked]", status: str, notes: Sequence[str], verbose: bool) -> None:
    """Print the result in short, then per config how its expectations ended.

    Those that are not met are printed with what was found; all of them with -v, or if there is one config alone.
    """
    counts = _count_statuses(checked)
    configs = list(dict.fromkeys(one.config for one in checked))
    total = f"{count(sum(counts.values()), 'expectation')} of {count(len(configs), 'config')}"
    print_heading(status, f"{total}: {_told(counts)}")
    longest = max(map(len, configs))
    for config in configs:
        rows = [row for one in checked if one.config == config for row in one.rows]
        statuses: list[str] = [row.status for row in rows]
        print_sentence(f"  {config:{longest}}  {_told({name: statuses.count(name) for name in counts})}")
        for row in rows:
            if row.status != "met" or verbose or len(configs) == 1:
                _print_row(row, verbose)
    for note in notes:
        print_sentence(note)


def _told(counts: dict[str, int]) -> str:
    """Write counts by status: `3 met, 1 refuted`."""
    return ", ".join(f"{number} {status}" for status, number in counts.items() if number)


def _print_row(row: "Row", verbose: bool) -> None:
    """Print an expectation, and what was found; of a verdict that is as expected no reason, but with -v."""
    found = row.found
    if row.facts.kind == "verdict" and row.status == "met" and not verbose:
        found = found.partition(":")[0]
    print_heading(row.status, row.expected, indent=4, column=15)
    print_heading("", f"found {found}", indent=4, column=15)


def _print_json(checked: "list[Checked]", status: str) -> None:
    """Print all results as one JSON document."""
    from nonconv.checks.expectations import combine
    from nonconv.store.folder import SCHEMA_VERSION
    from nonconv.store.formats import as_json

    configs: list[dict[str, Any]] = [
        {
            "config": one.config,
            "subject": one.subject,
            "name": one.name,
            "claim": one.claim,
            "folder": str(one.folder),
            "status": combine(row.status for row in one.rows),
            "seconds": round(one.seconds, 3),
            "expectations": [_expectation(one, k) for k in range(len(one.rows))],
        }
        for one in checked
    ]
    write_stdout(
        as_json({"schema_version": SCHEMA_VERSION, "status": status, "counts": _count_statuses(checked), "configs": configs})
    )


def _expectation(one: "Checked", k: int) -> dict[str, Any]:
    """Return an expectation as JSON has it: its prose, its numbers, its place in the config and the file of its number."""
    row = one.rows[k]
    told = {"key": row.key, "expected": row.expected, "found": row.found, "status": row.status}
    facts = row.facts.as_dict()
    facts["file"] = str(one.folder / facts["file"]) if facts["file"] else None
    return told | facts | {"config": one.config, "line": one.lines[k] or None, "seconds": round(one.seconds, 3)}
