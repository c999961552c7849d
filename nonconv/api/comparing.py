"""`nonconv.compare`: finished runs side by side, path by path. The command `compare` reads them alike."""

from pathlib import Path
from tempfile import TemporaryDirectory

from nonconv.api.columns import Table
from nonconv.api.options import Place, checked_place
from nonconv.api.results import Result
from nonconv.api.sweep_results import SweepResult
from nonconv.checks.comparison import as_table, refuse_strangers
from nonconv.faults.errors import UsageError
from nonconv.report.overlay import read_overlay
from nonconv.results.columns import read_columns


def _place(run: Result | Place) -> Path:
    """Return the folder of a run. Raises UsageError for what is none."""
    if isinstance(run, Result):
        return run.folder
    if isinstance(run, SweepResult):
        raise UsageError(f"{run.folder} is a sweep; its cells are runs: swept[0], swept[1]")
    return checked_place("compare", run)


def compare(*runs: Result | Place, **labelled: Result | Place) -> Table:
    """Compare the final results of runs with those of the first one, path by path.

        nonconv.compare(first, second), nonconv.compare(adam=first, sgd="outputs/sgd-1a2b3c4d").frame()

    runs: results, or output folders; SWEEP#CELL for a cell. labelled: the same, with what each is called.
    Returns a table with a row per run and quantity: its value with a 95 % interval, and its difference from that of the first
    run with one. Raises UsageError for runs that are not finished, or have nothing in common.
    """
    every = [*(("", one) for one in runs), *labelled.items()]
    if len(every) < 2:
        raise UsageError("compare takes two or more runs")
    places = [str(_place(one)) for _, one in every]
    overlay = read_overlay(places, {k: label for k, (label, _) in enumerate(every) if label})
    refuse_strangers(overlay)
    with TemporaryDirectory(prefix="nonconv-") as folder:
        file = Path(folder) / "comparison.csv"
        file.write_bytes(as_table(overlay))
        return Table.of(read_columns(file))
