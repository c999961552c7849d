"""The page of several runs: their verdicts, their curves in one chart, and their differences path by path."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nonconv.checks.comparison import refuse_strangers, run_rows, value_rows, what_differs
from nonconv.page import charts, curves
from nonconv.page.curves import Named
from nonconv.page.figure import Figure, axis
from nonconv.page.run_figures import ERROR, scales_of
from nonconv.page.run_page import CONFIG, Table, Verdict, provenance, table_of_facts, verdict
from nonconv.readback import content_of
from nonconv.report import verdict_text
from nonconv.report.overlay import Overlay
from nonconv.report.run import Run
from nonconv.store.folder import undamaged

MOST_CARDS, FEW_NUMBERS = 4, 3
"""Runs with all numbers behind their verdicts, and how many numbers each has where there are more runs."""
MOST_CURVES = 14
"""Runs and their iterates in one chart; of more the last iterates alone."""


def content(overlay: Overlay, folders: Sequence[Path]) -> dict[str, Any]:
    """Return what the template of the page is filled with. folders: where the files of each run are now."""
    refuse_strangers(overlay)
    runs = [replace(member.run, folder=folder) for member, folder in zip(overlay.members, folders, strict=True)]
    labels = [member.label for member in overlay.members]
    header, rows = run_rows(overlay)
    return {
        "runs": labels,
        "verdicts": [shortened(verdict_on(label, run), len(runs)) for label, run in zip(labels, runs, strict=True)],
        "figures": [error_figure(labels, runs)],
        "tables": [
            table_of_facts("The runs", ["run", *header[1:]], rows, (0, 1)),
            differences(overlay),
            table_of_facts("Keys in which the configs differ", *_varied(overlay)),
        ],
        "told": [text for text in (what_differs(overlay).partition(";")[0].rstrip("."), _pairing(overlay)) if text],
        "configs": [
            (label, content_of(folder / CONFIG).decode("utf-8", "replace"))
            for label, folder in zip(labels, folders, strict=True)
        ],
        "provenance": [(label, provenance(run, undamaged(run.folder))) for label, run in zip(labels, runs, strict=True)],
        "sections": [("curves", "Curves"), ("tables", "Differences"), ("config", "Configs"), ("provenance", "Provenance")],
    }


def verdict_on(label: str, run: Run) -> Verdict:
    """Return the verdict on a run, with the numbers behind it, and those on its other iterates."""
    found = verdict(run, label)
    others = [(f"Verdict on {other.iterate}", verdict_text.ANSWERS[other.verdict["verdict"]]) for other in run.others]
    return replace(found, numbers=[*others, *found.numbers])


def shortened(found: Verdict, runs: int) -> Verdict:
    """Return a verdict with the first numbers alone where many runs have one: their tables say the rest."""
    return found if runs <= MOST_CARDS else replace(found, numbers=found.numbers[:FEW_NUMBERS])


def error_figure(labels: Sequence[str], runs: Sequence[Run]) -> Figure:
    """Return the chart of the errors of all runs, and of their floors."""
    views = [Named(label, run) for label, run in zip(labels, runs, strict=True)]
    every = [
        named
        for view in views
        for named in (view, *(Named(f"{view.name}: {other.iterate}", other) for other in view.run.others))
    ]
    found = curves.curves(every if len(every) <= MOST_CURVES else views, "Runs")
    scales = scales_of(found)
    steps = sorted(set(found.points["step"]))
    return Figure(
        "error",
        "Error over the steps",
        f"{ERROR} of each run for each ξ, with 95 % bands. Thick levels are lower bounds that hold for every ξ.",
        charts.line_chart(found, ERROR, steps[-1], scales=scales),
        {"points": found.points, "segments": found.segments},
        found.groups,
        [axis("y", "Error axis", scales), axis("x", "Step axis", charts.SCALES)],
        steps=steps,
        notes=found.notes,
    )


def differences(overlay: Overlay) -> Table | None:
    """Return the table of what the runs end with, and the differences of each to the first."""
    columns, rows = value_rows(overlay)
    found, quantity = [], ""
    for name, *told in rows:
        if any(told):
            found.append([quantity, name, *told])
        else:  # the line above the runs of a quantity
            quantity = name
    first = overlay.members[0].label
    told_of = {"difference": f"difference to {first}", "narrower": "narrower by pairing"}
    header = ["quantity", "run", *(told_of.get(column, column) for column in columns[1:])]
    return Table("What the runs end with, ± half the width of a 95 % interval", header, found, (0, 1)) if found else None


def _varied(overlay: Overlay) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the keys in which configs differ."""
    rows = [[change.key, *(value or "none" for value in change.values)] for change in overlay.varied]
    return ["key", *(member.label for member in overlay.members)], rows


def _pairing(overlay: Overlay) -> str:
    """Say whether paths are compared in pairs."""
    first, *others = overlay.members
    apart = [member.label for member in others if not overlay.same_data(member)]
    if not apart:
        return "The runs use the same random numbers, so paths are compared in pairs: differences are known better than results"
    return f"The seed of {', '.join(apart)} differs from that of {first.label}, so pairing does not shrink the interval"
