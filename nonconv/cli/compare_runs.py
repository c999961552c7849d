"""nonconv compare: two finished runs, path by path.

Two runs with one seed see the same data, so their difference is known much better than either result.
"""

from pathlib import Path
from typing import Annotated

import typer

from nonconv.cli.common import AsJson, Verbose, reported, write_stdout
from nonconv.cli.tables import print_table
from nonconv.system.words import count

First = Annotated[Path, typer.Argument(metavar="CELL", help="The output folder of a run, or SWEEP#CELL for a cell of a sweep.")]
Second = Annotated[Path, typer.Argument(metavar="CELL", help="The one to compare with it.")]


@reported
def compare(first: First, second: Second, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Compare the results of two runs, path by path.

    Prints how the configs differ, and the difference of each result with its own interval. Runs with the same seed see the
    same data on each path, so this interval is much narrower than those of the two results.
    """
    from nonconv.checks.comparison import as_dict, rows
    from nonconv.checks.comparison import compare as compared
    from nonconv.store.folder import SCHEMA_VERSION
    from nonconv.store.formats import as_json as encoded
    from nonconv.store.pack import opened_run

    with opened_run(first) as one, opened_run(second) as other:
        found = compared(one, other)
    if as_json:
        write_stdout(encoded({"schema_version": SCHEMA_VERSION, "first": str(first), "second": str(second), **as_dict(found)}))
        return
    for change in found.changes:
        print(f"{change.key}: {change.first or 'none'} -> {change.second or 'none'}")
    if not found.changes:
        print("The two configs are the same.")
    # All differences are over the same paths: the first ones, which both runs kept.
    paths = found.differences[0].paired.paths
    print_table(
        f"Means over {count(paths, 'path')} at the end; differences ± half width of their 95 % interval",
        *rows(found),
        numbers=True,
    )
    if found.same_data:
        print("Both runs use the same random numbers, so paths are compared in pairs.")
        print("`narrower` is the factor by which pairing shrinks the interval.")
    else:
        print("The seeds differ, so pairing does not shrink the intervals; they are valid all the same.")
