"""nonconv report: an interactive page about finished folders, in one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from nonconv.cli import completion
from nonconv.cli.common import AsJson, Verbose, reported, write_stdout
from nonconv.faults.errors import UsageError
from nonconv.system.atomic import fitting_name, write_whole

STDOUT = Path("-")


@reported
def report(
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDER...",
            help="Output folders of runs, or SWEEP#CELL, each perhaps as LABEL=RUN; one sweep; or one folder of claims.",
            autocompletion=completion.runs,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The file to write; - is stdout. [default: NAME.html, here]"),
    ] = None,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="The title of the page. [default: the name]")] = "",
    claims: Annotated[
        bool, typer.Option("--claims", help="Whatever the folders are: a table of their claims and what was found.")
    ] = False,
    opening: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write an interactive page: one HTML file that needs no network.

    Of a run: the verdict with its numbers, curves with bands to switch on and off, paths, tables, the config. Of a sweep:
    a map whose cells can be clicked. Of several runs: their curves in one chart, and their differences. Of a folder of
    claims, as `nonconv check --out` leaves it: a table of all claims with their checks.
    """
    from nonconv.page.make import make_page, require_libraries
    from nonconv.report.overlay import split_label
    from nonconv.store.folder import SCHEMA_VERSION
    from nonconv.store.formats import as_json as encoded

    require_libraries()
    if out == STDOUT and (as_json or opening):
        raise UsageError(f"--out -: the page goes to stdout, so {'--json' if as_json else '--open'} is not possible")
    if out is not None and out.is_dir():
        raise UsageError(f"--out: {out} is a folder; give the name of a file, as {out / 'report.html'}")
    asked = [split_label(folder) for folder in folders]
    places = [Path(place) for _, place in asked]
    page = make_page(places, [label for label, _ in asked], title or None, claims)
    if out == STDOUT:
        write_stdout(page)
        return
    target = out or Path(fitting_name(_name(places), ".html"))
    try:
        write_whole(target, page)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from None
    if as_json:
        facts = {
            "schema_version": SCHEMA_VERSION,
            "file": str(target),
            "bytes": len(page),
            "folders": [str(place) for place in places],
        }
        write_stdout(encoded(facts))
    else:
        print(target)
    if opening:
        from nonconv.cli.opening import open_file

        open_file(target)


def _name(places: list[Path]) -> str:
    """Name the page's file: after its folder, or a cell and its sweep."""
    if len(places) > 1:
        return "report"
    from nonconv.page.make import name_of

    return name_of(places[0]).replace("#", "-") or "report"
