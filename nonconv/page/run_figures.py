"""The charts on the page of a run, each with its data, its switches, its choices of axes and its words."""

import numpy as np

from nonconv.page import charts, curves, paths, quantity_curves
from nonconv.page.curves import Switch
from nonconv.page.figure import Choice, Figure, axis
from nonconv.report.run import Run
from nonconv.results.csv_text import INFINITE
from nonconv.system.words import count

ERROR = "E |Θₙ − ξ|²"


def figures(run: Run) -> list[Figure]:
    """Return the charts of a run."""
    every = [error_figure(run), schedule_figure(run), paths_figure(run), twins_figure(run), *quantity_figures(run)]
    return [figure for figure in every if figure]


def error_figure(run: Run) -> Figure:
    """Return the chart of the errors with their bands, and of the floors."""
    found = curves.of_run(run)
    scales = scales_of(found)
    return Figure(
        "error",
        "Error over the steps",
        f"{ERROR} for each ξ, with 95 % bands. Thick levels are lower bounds that hold for every ξ, "
        "over the steps that each is averaged over.",
        charts.line_chart(found, ERROR, int(run.step[-1]), scales=scales),
        {"points": found.points, "segments": found.segments},
        found.groups,
        [axis("y", "Error axis", scales), step_choice(run)],
        steps=sorted(set(found.points["step"])),
        notes=[*found.notes, *infinite_notes(run)],
    )


def schedule_figure(run: Run) -> Figure | None:
    """Return the chart of the learning rate; its tooltip has the batch size as well. None for a log without rates."""
    if np.isnan(run.learning_rate).all():
        return None
    first, last = run.batch_size[[0, -1]]
    batches = "" if np.isnan([first, last]).any() else f" Batch size: {first:g} and {last:g}."
    table = curves.schedules(run)
    variants = charts.schedule_chart(table)
    return Figure(
        "schedule",
        "Learning rate",
        f"{run.learning_rate[0]:.4g} at step {run.step[0]}, {run.learning_rate[-1]:.4g} at step {run.step[-1]}." + batches,
        variants,
        {"schedules": table},
        axes=[axis("y", "Rate axis", list(dict.fromkeys(name.split()[0] for name in variants))), step_choice(run)],
    )


def step_choice(run: Run) -> Choice:
    """Return the choice of the step axis: at first as the recorded steps are spread."""
    even = run.config.get("record", {}).get("spacing") == "linear"
    return axis("x", "Step axis", charts.SCALES, "linear" if even else "log")


def paths_figure(run: Run) -> Figure | None:
    """Return the chart of the paths; None if the run keeps none."""
    found = paths.of_run(run)
    if not found.single["step"] and not found.fan["step"]:
        return None
    steps = sorted(set(found.points["step"] or found.single["step"]))
    lists = [("coordinate", "Coordinate", found.coordinates), ("iterate", "Iterate", found.iterates)]
    chosen = [Choice(name, label, {one: one for one in options}, options[0]) for name, label, options in lists]
    shown = {"Show": [Switch("quantiles", "quantiles", colour="#0072b2"), Switch("paths", "single paths", colour="#444444")]}
    shown["Show"].append(Switch("ξ", "fixed ξ", colour="#d55e00", dash=(6, 3)))
    starts = np.abs(run.paths["theta"][:, 0]) if run.paths["theta"].size else np.ones(1)
    return Figure(
        "paths",
        "Paths",
        f"{found.note} The darker the band, the nearer to the median, which is the thick line.",
        charts.paths_chart(steps, found.coordinates[0], found.iterates[0], max(1e-3, float(np.median(starts)))),
        {"fan": found.fan, "points": found.points, "single": found.single, "xi": found.xi},
        shown,
        [axis("y", "Θ axis", charts.PATH_SCALES, "symlog" if found.wide else "linear"), step_choice(run)],
        [choice for choice in chosen if len(choice.options) > 1],
        steps if found.points["step"] else (),
        [text for text in _lost_paths(run) if text],
    )


def _lost_paths(run: Run) -> list[str]:
    """Say how many of the recorded paths did not stay finite."""
    outcomes = run.paths["outcome"].tolist()
    lost = {name: outcomes.count(name) for name in ("overflow", "undefined") if name in outcomes}
    told = " and ".join(f"{number} {name}" for name, number in lost.items())
    return [f"Of {count(len(outcomes), 'recorded path')} {told}: their lines end there."] if lost else []


def twins_figure(run: Run) -> Figure | None:
    """Return the chart of the twin floors by lag; None where none were measured."""
    table = curves.twins(run)
    if not table["lag"]:
        return None
    iterates = list(dict.fromkeys(table["iterate"]))
    chosen = Choice("iterate", "Iterate", {name: name for name in iterates}, iterates[0])
    positive = any(value is not None and value > 0 for value in table["value"])
    return Figure(
        "twins",
        "Twin floor by lag",
        "Half the mean squared distance between two continuations of a path that differ in their later data: a lower bound "
        "for every ξ that is known at the branch. A line for each branch point, with its 95 % band"
        + ("; broad lines are exact expectations." if any(value is not None for value in table["exact"]) else "."),
        charts.twins_chart(table, iterates[0]),
        {"twins": table},
        axes=[axis("y", "Floor axis", charts.SCALES, "log" if positive else "linear"), axis("x", "Lag axis", charts.SCALES)],
        lists=[chosen] if len(iterates) > 1 else [],
        notes=[] if positive else ["The twin floor is 0 at every lag."],
    )


def quantity_figures(run: Run) -> list[Figure]:
    """Return a chart for each quantity."""
    found = []
    for k, panel in enumerate(quantity_curves.of_run(run)):
        scales = ("linear",) if panel.signed else charts.SCALES
        steps = sorted(set(panel.curves.points["step"]))
        found.append(
            Figure(
                f"quantity-{k + 1}",
                panel.title,
                "Mean over the paths, or a quantile of them, with its 95 % band.",
                charts.line_chart(panel.curves, panel.axis, steps[-1], charts.LOW, scales),
                {"points": panel.curves.points, "segments": panel.curves.segments},
                panel.curves.groups,
                [axis("y", "Axis", scales), step_choice(run)],
                steps=steps,
            )
        )
    return found


def scales_of(found: curves.Curves) -> tuple[str, ...]:
    """Return the scales on which curves can be drawn, the better one first: a log axis needs something above 0."""
    values = [value for value in found.points["value"] if value is not None]
    if not any(value > 0 for value in values):
        return ("linear",)
    return charts.SCALES


def infinite_notes(run: Run) -> list[str]:
    """Say which mean squares are infinite."""
    infinite = dict.fromkeys(row["xi"] for row in run.summary["errors"] if row["status"] == INFINITE)
    return [f"E|Θ − {label}|² is infinite: the square of the median distance is drawn instead." for label in infinite]
