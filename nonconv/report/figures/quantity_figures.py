"""The figures of quantities: each over the steps with its band, and the laws of the iterate."""

import math
import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import log_scale, note_beyond, positive, shown
from nonconv.report.figures.panels import few_decades, mark_losses, show_single_points, step_axis, title
from nonconv.report.run import LAST, Course, Run
from nonconv.results.columns import Columns, read_columns
from nonconv.system.words import count

COLORS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7")
STYLES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1, 2)), (0, (1, 1)))
MOST_PANELS = 8
"""More panels than this are not shown."""
MOST_LAWS = 6
LONGEST = 38
SHARES = "first_passage_share"
NO_CURVES = ("rate", "first_passage_median", "first_passage_censored", "violations")
"""Quantities with one row, which make no curve, and counts."""


def quantities_figure(run: Run) -> Figure:
    """Draw a panel per quantity over the steps, with 95 % bands; quantiles and passages share one each."""
    panels = _panels(run)
    most = panels[:MOST_PANELS]
    columns = 1 if len(most) == 1 else 2
    rows = math.ceil(len(most) / columns)
    figure = Figure(figsize=(6.4 if columns == 1 else 9.6, 0.5 + 2.7 * rows), layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns, sharex=True)).ravel()
    for axes in grid[len(most) :]:
        axes.remove()
    for axes, curves in zip(grid, most, strict=False):
        _panel(axes, run, curves)
    for axes in grid[max(0, len(most) - columns) : len(most)]:
        axes.set_xlabel("step n")
        axes.tick_params(labelbottom=True)
    title(grid[0], run)
    if len(panels) > len(most):
        more = f"{len(panels) - len(most)} more in quantities.csv"
        grid[0].annotate(more, (1, 1), xycoords="axes fraction", ha="right", va="bottom", fontsize=7)
    show_single_points(figure)
    return figure


def _panels(run: Run) -> list[list[dict[str, Any]]]:
    """Return the quantities of each panel, as the summary has them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in run.summary["quantities"]:
        kind = row["quantity"].partition(": ")[0]
        if kind not in NO_CURVES:
            together = row["name"] if row["name"] == "quantile" or kind == SHARES else row["quantity"]
            if row["kind"] == "bound":
                # Several bounds may be of one number, which is then drawn once.
                together = _bounded(row)
                if kind != "bound" and any(one["title"] == row["title"] for one in found.get(together, ())):
                    continue
            found.setdefault(together, []).append(row)
    return list(found.values())


def _bounded(row: dict[str, Any]) -> str:
    """Return what the title of a bound, or of the number nearest to it, is about: `Rₙ` of `upper bound of Rₙ`."""
    return str(row["title"]).rpartition(" of ")[2]


def _panel(axes: Any, run: Run, rows: list[dict[str, Any]]) -> None:
    """Draw the curves of one panel."""
    courses = [run.courses[row["iterate"], row["quantity"]] for row in rows]
    step_axis(axes, run)
    share = rows[0]["quantity"].startswith(SHARES)
    # What is negative somewhere has no place on a log axis.
    linear = share or any((course.value < 0.0).any() for course in courses)
    for k, (row, course) in enumerate(zip(rows, courses, strict=True)):
        _curve(axes, course, _curve_name(row, rows), k, linear)
    values = [course.value for course in courses]
    axes.set_ylabel(textwrap.fill(_axis_name(rows), LONGEST), fontsize=8)
    if share:
        axes.set_ylim(-0.03, 1.03)
    elif not linear:
        if len(courses[0].step) == len(run.step):
            mark_losses(axes, run, *values)
        note_beyond(axes, *values)
        log_scale(axes)
        few_decades(axes, *values)
    if len(rows) > 1 or share:
        axes.legend(loc="best", fontsize=7)


def _curve_name(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Name a curve in the legend: by what passes, its quantile, or its iterate."""
    name, several = str(row["quantity"]), len({one["iterate"] for one in rows}) > 1
    if name.startswith(SHARES):
        return name.partition(": ")[2]
    if row["kind"] == "bound":
        kind, _, about = name.partition(": ")
        bounds = sum(one["quantity"].startswith("bound: ") for one in rows)
        return f"{kind} of {count(row['n'], 'path')}" if kind != "bound" else "bound" if bounds == 1 else f"bound, {about}"
    if not several:
        return name
    return str(row["iterate"]) if len({one["quantity"] for one in rows}) == 1 else f"{name}, {row['iterate']}"


def _axis_name(rows: list[dict[str, Any]]) -> str:
    """Name the axis of a panel."""
    if len(rows) > 1 and rows[0]["name"] == "quantile":
        return "quantiles of |Θₙ − ξ|"
    if rows[0]["kind"] == "bound":
        return _bounded(rows[0]).replace("ξ", rows[0]["xi"] or "ξ")
    if rows[0]["quantity"].startswith(SHARES) and len(rows) > 1:
        return "share of paths that have passed by step n"
    return str(rows[0]["title"]).replace("ξ", rows[0]["xi"] or "ξ")


def _curve(axes: Any, course: Course, name: str, number: int, linear: bool) -> None:
    """Draw one quantity with its band."""
    seen = shown if linear else positive
    color, style = COLORS[number % len(COLORS)], STYLES[number % len(STYLES)]
    marker = "o" if len(course.step) < 16 else ""
    axes.plot(course.step, seen(course.value), color=color, linestyle=style, marker=marker, markersize=3, label=name)
    low, high = seen(course.ci_low), seen(course.ci_high)
    if not linear:
        # A band that reaches 0 or below is shown down to a decade below its curve.
        low = np.where(np.isnan(low) & np.isfinite(high), positive(course.value / 10), low)
    axes.fill_between(course.step, low, high, color=color, alpha=0.2, linewidth=0)


def law_figure(run: Run) -> Figure:
    """Draw for each step and coordinate of law.csv the histogram, and the distribution function with its band."""
    every = read_columns(run.folder / "law.csv").where("iterate", LAST)
    pairs = list(dict.fromkeys(zip(every["step"], every["coordinate"], strict=True)))
    most = pairs[-MOST_LAWS:]
    figure = Figure(figsize=(3.2 * max(len(most), 2), 4.6), layout="constrained")
    if not most:
        figure.subplots().text(0.5, 0.5, "no path is a number", ha="center")
        return figure
    grid = figure.subplots(2, len(most), squeeze=False, sharex="col")
    for (top, bottom), (step, coordinate) in zip(grid.T, most, strict=True):
        own = every.where("step", step).where("coordinate", coordinate)
        _density(top, own)
        _distribution(bottom, own)
        name = "Θₙ" if run.summary["dim"] == 1 else f"Θₙ, coordinate {coordinate}"
        bottom.set_xlabel(name)
        top.set_title(f"step {step}, {own['n'][0]} paths", loc="left", fontsize=8)
    grid[0, 0].set_ylabel("density")
    grid[1, 0].set_ylabel("share of paths ≤ θ\nwith 95 % band")
    return figure


def _density(axes: Any, own: Columns) -> None:
    """Draw the histogram of the bins between the open ones; where each value has a bin, the shares as lines."""
    low, high, share = (own.numbers(name) for name in ("low", "high", "share"))
    closed = np.isfinite(low) & np.isfinite(high)
    if _has_atoms(low, high, share):
        axes.vlines(high[:-1], 0.0, share[:-1], color="#0072b2", linewidth=2.0)
        axes.set_ylabel("share of paths")
    elif closed.any():
        width = high[closed] - low[closed]
        axes.bar(low[closed], share[closed] / width, width, align="edge", color="#0072b2", alpha=0.6, linewidth=0)
        beyond = float(share[~closed].sum())
        if beyond > 0.0:
            axes.annotate(f"{100 * beyond:.2g} % beyond", (1, 1), xycoords="axes fraction", ha="right", va="top", fontsize=7)
    axes.set_ylim(bottom=0.0)


def _has_atoms(low: Array, high: Array, share: Array) -> bool:
    """Whether each bin is one value: nothing lies above the last, and gaps are not all alike."""
    gaps = np.diff(high[np.isfinite(high)])
    return bool(share[-1] == 0.0 and (not len(gaps) or (len(gaps) < 64 and not np.allclose(gaps, gaps[0], rtol=1e-6))))


def _distribution(axes: Any, own: Columns) -> None:
    """Draw the distribution function with its band."""
    high = own.numbers("high")
    seen = np.isfinite(high)
    below, low, top = (own.numbers(name)[seen] for name in ("below", "below_low", "below_high"))
    axes.plot(high[seen], below, color="#000000", drawstyle="steps-post", marker="o" if seen.sum() == 1 else "")
    axes.fill_between(high[seen], low, top, step="post", color="0.4", alpha=0.25, linewidth=0)
    axes.set_ylim(-0.03, 1.03)
