"""nonconv compare: finished runs side by side, path by path.

Runs with one seed see the same data, so their differences are known much better than their results.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonconv.cli import completion
from nonconv.cli.common import AsJson, Verbose, reported, write_stdout
from nonconv.cli.figure_options import Font, Label, Labels, Size, Style, Title, read_options
from nonconv.cli.tables import print_sentence, print_table
from nonconv.faults.errors import UsageError
from nonconv.system.words import count
from nonconv.terminal.lines import say

if TYPE_CHECKING:
    from nonconv.checks.comparison import Comparison
    from nonconv.report.overlay import Overlay

MOST_CHANGES = 8
"""Keys of two configs that are listed one by one; of more only the parts are named."""
NARROWER = "`narrower` is the factor by which pairing shrinks the interval."

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Two or more output folders, or SWEEP#CELL; LABEL=RUN names a run.",
        autocompletion=completion.runs,
    ),
]


@reported
def compare(
    runs: Runs,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write comparison.csv and the figure to this folder.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Of the figure: png, svg or pdf.",
            autocompletion=completion.choices("png", "svg", "pdf"),
        ),
    ] = "png",
    title: Title = None,
    label: Label = [],
    labels: Labels = None,
    size: Size = None,
    style: Style = None,
    font: Font = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Compare the results of runs, path by path.

    Prints how the configs differ, and the difference of each result to that of the first run, with its own interval. Runs
    with the same seed see the same data on each path, so this interval is much narrower than those of the results.
    -o writes one figure of all runs, and the table.
    """
    from nonconv.checks.comparison import as_table, compare_two, refuse_strangers
    from nonconv.cli.drawn import write_overlay
    from nonconv.report.figures.catalogue import FORMATS
    from nonconv.report.overlay import read_overlay

    if len(runs) < 2:
        raise UsageError("compare takes two or more runs: nonconv compare RUN RUN")
    if kind not in FORMATS:
        raise UsageError(f"--format: unknown format {kind!r}\n  allowed: {', '.join(FORMATS)}")
    options = read_options(title, label, labels, size, style, font)
    overlay = read_overlay(runs)
    refuse_strangers(overlay)
    if len(runs) == 2:
        compare_two(overlay)  # refused before anything is written
    # Written first: whoever reads what is printed may stop reading.
    table = {"comparison.csv": as_table(overlay)}
    written = [] if out is None else list(write_overlay(overlay, kind, out, options, table))
    if as_json:
        _print_json(overlay)
    elif len(runs) == 2:
        _print_two(overlay, runs, verbose)
    else:
        _print_many(overlay)
    for path in written:
        (say if as_json else print)(str(path))


def _print_json(overlay: "Overlay") -> None:
    """Print one JSON document; of two runs with what it has had before there could be more."""
    from nonconv.checks.comparison import as_dict, compare_two, many_as_dict
    from nonconv.store.folder import SCHEMA_VERSION
    from nonconv.store.formats import as_json

    document: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
    if len(overlay.members) == 2:
        first, second = (member.source for member in overlay.members)
        document |= {"first": first, "second": second, **as_dict(compare_two(overlay))}
    write_stdout(as_json(document | many_as_dict(overlay)))


def _print_two(overlay: "Overlay", runs: list[str], verbose: bool) -> None:
    """Print what differs between two configs, and the differences between their results."""
    from nonconv.checks.comparison import compare_two, is_same, rows, verdicts
    from nonconv.report.overlay import split_label

    found = compare_two(overlay)
    for member, run, name in zip(overlay.members, runs, ("first", "second"), strict=True):
        member.label = split_label(run)[0] or name
    _print_changes(overlay, found, verbose)
    first, second = (verdicts(member) for member in overlay.members)
    print(f"verdict: {first}" if first == second else f"verdict: {first} -> {second}")
    _print_ends(overlay)
    # All differences are over the same paths: the first ones, which both runs kept.
    paths = found.differences[0].paired.paths
    header, table = rows(found, overlay.members[0].label, overlay.members[1].label, verbose)
    what = f"Means over {count(paths, 'path')} at the end; differences ± half width of their 95 % interval"
    print_table(what, header, table, numbers=True)
    if is_same(found):
        print("All results are the same, on every path.")
    elif not found.same_data:
        print_sentence("The random numbers differ, so pairing does not shrink the intervals; they are valid all the same.")
    else:
        print_sentence("Both runs use the same random numbers, so paths are compared in pairs.")
        print_sentence(NARROWER if "narrower" in header else "Here this does not shrink the intervals.")


def _print_changes(overlay: "Overlay", found: "Comparison", verbose: bool) -> None:
    """Print how two configs differ: each key, or where they are many the parts."""
    from nonconv.checks.comparison import what_differs

    if not verbose and len(found.changes) > MOST_CHANGES:
        print_sentence(what_differs(overlay, shown=0))
        return
    for change in found.changes:
        print(f"{change.key}: {change.first or 'none'} -> {change.second or 'none'}")
    if not found.changes:
        print("The two configs are the same.")


def _print_ends(overlay: "Overlay") -> None:
    """Print at which steps runs of different lengths are compared."""
    from nonconv.checks.comparison import ends_apart

    if said := ends_apart(overlay):
        print_sentence(said)


def _print_many(overlay: "Overlay") -> None:
    """Print a table of the runs, and one of their results with the differences to the first."""
    from nonconv.checks.comparison import run_rows, value_rows, what_differs

    print_table("", *run_rows(overlay))
    if said := what_differs(overlay):
        print_sentence(said)
    _print_ends(overlay)
    if said:
        print()
    first = overlay.members[0]
    header, rows = value_rows(overlay)
    print_table(f"At the end, ± half width of the 95 % interval; differences to {first.label}", header, rows, numbers=True)
    others = [member.label for member in overlay.members if not overlay.same_data(member)]
    if len(others) < len(overlay.members) - 1:
        print_sentence("Runs with the same seed use the same random numbers, so paths are compared in pairs.")
        if "narrower" in header:
            print_sentence(NARROWER)
    if others:
        whose = f"{', '.join(others)}: " if len(others) < len(overlay.members) - 1 else ""
        print_sentence(f"{whose}the seed differs from that of {first.label}, so pairing does not shrink the interval.")
