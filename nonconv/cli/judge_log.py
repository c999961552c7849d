"""nonconv judge: trajectories that another program logged, judged by the rules for nonconv's own runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from nonconv.cli import completion
from nonconv.cli.common import AsJson, Force, OutputFolder, Quiet, Verbose, reported
from nonconv.cli.run_config import print_run
from nonconv.faults.errors import UsageError
from nonconv.terminal.lines import say

Log = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="An NPZ, CSV or Parquet file with columns run, step and values.",
        autocompletion=completion.logs,
    ),
]
Xi = Annotated[
    list[str],
    typer.Option("--xi", metavar="XI", help="A candidate: minimizer, start, path_mean, last, 0.5, or 1,0. Repeatable."),
]


OPTIONS = ("rate_limit", "batch_limit", "noise", "xi", "minimizer", "name")
"""Arguments of the interface that are options here."""


@reported
def judge(
    log: Log,
    xi: Xi = [],
    minimizer: Annotated[str, typer.Option(metavar="POINT", help="Where the minimizer is: 0.5, or 1,0.")] = "",
    columns: Annotated[str, typer.Option(metavar="A,B", help="The columns that are coordinates, as x0,x1.")] = "",
    rate_limit: Annotated[
        str, typer.Option(metavar="NUMBER", help="What the learning rate tends to: 0.01, 0, or unknown.")
    ] = "unknown",
    batch_limit: Annotated[
        str, typer.Option(metavar="NUMBER", help="What the batch size tends to: 32, inf if it grows, or unknown.")
    ] = "unknown",
    noise: Annotated[
        str, typer.Option(metavar="NOISE", help="Of the gradient in the limit: persists, vanishes, none, or unknown.")
    ] = "unknown",
    name: Annotated[str, typer.Option(metavar="NAME", help="What the result is called. [default: as the file]")] = "",
    out: OutputFolder = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure and judge trajectories that another program logged.

    Gives errors, floors, quantiles, figures and a verdict as for a run. A log cannot show what happens as steps go on, so the
    verdict needs what is declared: --rate-limit and --noise. Without them it is undecided.
    """
    from nonconv.api.judging import complete, is_judged, place
    from nonconv.api.options import checked_name
    from nonconv.logged.declared import declared
    from nonconv.logged.judging import Question, candidates, read_log
    from nonconv.report.figures.drawing_process import figure_process

    with _options_named():
        known = declared(rate_limit, batch_limit, noise)
    logged = read_log(log, [one.strip() for one in columns.split(",")] if columns else [])
    with _options_named():
        points = [_candidate(one) for one in xi] if xi else None
        wanted = candidates(points, _point(minimizer) if minimizer else None, logged.dim)
        asked = Question(logged, wanted, known, checked_name(name or log.stem))
    folder = place(asked, out)
    reused = not force and is_judged(asked, folder)
    if not reused:
        with figure_process() as draw:
            complete(asked, folder, draw, force)
    print_run(folder, as_json, verbose)
    if reused and not quiet:
        say(f"Reused the finished results in {folder}; --force computes them again.")


@contextmanager
def _options_named() -> Iterator[None]:
    """Call what was wrong by its option: `--rate-limit` instead of the interface's `rate_limit`."""
    try:
        yield
    except UsageError as error:
        argument, colon, rest = str(error).partition(":")
        option = f"--{argument.replace('_', '-')}" if argument in OPTIONS else argument
        raise UsageError(f"{option}{colon}{rest}") from None


def _candidate(text: str) -> Any:
    """Read a candidate for the limit: a name, or a point."""
    return text.strip() if any(one.isalpha() for one in text.replace("e", "")) else _point(text)


def _point(text: str) -> Any:
    """Read a point: a number, or several with commas; the text itself where it is neither."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return text
    return numbers if len(numbers) > 1 else numbers[0]
