"""nonconv table, plot, verify: read a finished folder.

These commands work from the files alone. They first compare digests, so that no table or figure is made of changed data.
"""

from pathlib import Path
from typing import Annotated

import typer

from nonconv.cli import completion
from nonconv.cli.common import RunFolder, RunFolders, Verbose, reported, write_stdout
from nonconv.cli.figure_options import Font, Label, Labels, Size, Style, Title, read_options
from nonconv.faults.errors import UsageError
from nonconv.system.processors import default_workers
from nonconv.terminal.lines import say

EXIT_MISMATCH = 3
"""Exit code of `verify` where files have changed or paths differ."""


def _check_format(kind: str, kinds: tuple[str, ...]) -> None:
    """Raise UsageError unless `kind` is one of `kinds`."""
    if kind not in kinds:
        raise UsageError(f"--format: unknown format {kind!r}\n  allowed: {', '.join(kinds)}")


@reported
def table(
    run: RunFolder,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="md, latex, csv, json or parquet.",
            autocompletion=completion.choices("md", "latex", "csv", "json", "parquet"),
        ),
    ] = "md",
    of: Annotated[
        str,
        typer.Option(
            "--of",
            metavar="TABLE",
            help="Of a run: error, quantities or law.",
            autocompletion=completion.choices("error", "quantities", "law"),
        ),
    ] = "error",
    iterate: Annotated[str, typer.Option("--iterate", metavar="NAME", help="Of a run: one iterate alone, as polyak.")] = "",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The file to write; - is stdout.")] = Path("-"),
    verbose: Verbose = False,
) -> None:
    """Print the results of a run or a sweep as a table.

    md and latex (for booktabs) are short tables for people; csv, json and parquet hold every row and column. --of chooses
    another data file of a run than error.csv.
    """
    from nonconv.report.tables import FORMATS, TABLES
    from nonconv.store.folder import undamaged
    from nonconv.store.pack import opened_run

    _check_format(kind, FORMATS)
    if of not in TABLES:
        raise UsageError(f"--of: there is no table {of!r}\n  allowed: {', '.join(TABLES)}")
    with opened_run(run) as folder:
        undamaged(folder)
        content = _render(folder, kind, of, iterate)
    if out == Path("-"):
        write_stdout(content)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from None


def _render(folder: Path, kind: str, of: str, iterate: str) -> bytes:
    """Make the table of a run or a sweep in a format of report.tables.FORMATS. of, iterate: as `tables.table` takes them."""

    from nonconv.report.run import read_run
    from nonconv.report.sweep_result import is_sweep, read_sweep_result
    from nonconv.report.sweep_table import table as of_sweep
    from nonconv.report.tables import table as of_run

    if not is_sweep(folder):
        return of_run(read_run(folder), kind, of, iterate)
    if iterate:
        raise UsageError(f"--iterate: {folder} is a sweep, whose table has columns of every iterate")
    if of != "error":
        raise UsageError(f"--of: {folder} is a sweep, whose one table is sweep.csv; {folder}#CELL is a cell")
    return of_sweep(read_sweep_result(folder), kind)


@reported
def plot(
    runs: RunFolders,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="png, svg or pdf; with --animate gif or html. [default: png, gif]",
            autocompletion=completion.choices("png", "svg", "pdf", "gif", "html"),
        ),
    ] = None,
    animate: Annotated[bool, typer.Option("--animate", help="Animate the paths of a run instead.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder to write to.")] = Path(),
    title: Title = None,
    label: Label = [],
    labels: Labels = None,
    size: Size = None,
    style: Style = None,
    font: Font = None,
    list_labels: Annotated[
        bool, typer.Option("--list-labels", help="Print what the figures say, as a file for --labels, and draw nothing.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Redraw the figures of a run or a sweep, or of several runs one.

    They are written to the working directory, or to DIR. LABEL=RUN names one of several runs.
    """
    from nonconv.cli.drawn import ANIMATIONS, animate_and_write, draw_and_write, print_texts
    from nonconv.report.figures.catalogue import FORMATS

    kind = kind or ("gif" if animate else "png")
    _check_format(kind, ANIMATIONS if animate else FORMATS)
    options = read_options(title, label, labels, size, style, font)
    if list_labels:
        print_texts(runs, animate)
        return
    for path in list((animate_and_write if animate else draw_and_write)(runs, kind, out, options)):
        print(path)


@reported
def verify(run: RunFolder, verbose: Verbose = False) -> None:
    """Recompute recorded paths and compare them bit for bit.

    Exit code 3: files have changed, or paths differ. For a sweep, the files of all cells are checked, and the paths of
    some cells, spread over the grid, are recomputed.
    """
    from nonconv.checks.verification import verify_run, verify_sweep
    from nonconv.report.sweep_result import is_sweep

    # Not `undamaged`, which the other commands use: here changed files are the answer, not an error.
    verdict = (verify_sweep if is_sweep(run) else verify_run)(run, default_workers())
    print(verdict.text)
    for reason in verdict.reasons:
        say(reason)
    if not verdict.good:
        raise typer.Exit(EXIT_MISMATCH)
