"""The figure of the floors: what no xi can undercut, beside the error for the chosen xi."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nonconv.arithmetic import Array
from nonconv.report.axes import log_axis, positive
from nonconv.report.run import Run, read_rows

TWIN, WINDOW, CAUCHY = "#000000", "#0072b2", "#d55e00"


def floors_figure(run: Run) -> Figure:
    """E|Theta_n - xi|^2 in grey; twin floors against n, one curve a branch; window and Cauchy floors over their steps."""
    rows = read_rows(run.folder / "floors.csv")
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes: Any = figure.subplots()
    for k, errors in enumerate(run.errors.values()):
        name = "E |Θₙ − ξ|² for each chosen ξ" if k == 0 else None
        axes.plot(run.step, positive(errors.mse), color="0.65", linewidth=1.0, label=name, zorder=1)
    _twins(axes, rows)
    _segments(axes, rows, "window", WINDOW, "window floor")
    _segments(axes, rows, "cauchy", CAUCHY, "Cauchy floor, longest lag", linestyle=(0, (4, 2)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    if not any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
        axes.set_ylim(0.1, 10.0)  # a log axis needs something to show
    axes.set_xlim(run.step[0] / 1.5, run.step[-1] * 1.5)
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    axes.set_xlabel("step n")
    axes.set_ylabel("floors for every ξ")
    axes.set_title("what no ξ can undercut, with 95 % intervals", loc="left")
    axes.legend(loc="best", fontsize=8)
    return figure


def _column(rows: list[dict[str, str]], name: str) -> Array:
    return np.array([float(row[name]) for row in rows])


def _twins(axes: Any, rows: list[dict[str, str]]) -> None:
    of_twins = [row for row in rows if row["floor"] == "twin"]
    branches = dict.fromkeys(int(row["step"]) - int(row["lag"]) for row in of_twins)
    for k, branch in enumerate(branches):
        own = [row for row in of_twins if int(row["step"]) - int(row["lag"]) == branch]
        step, value, low, high = (_column(own, name) for name in ("step", "value", "ci_low", "ci_high"))
        name = "twin floor, from each branch on" if k == 0 else None
        axes.plot(step, positive(value), ".-", color=TWIN, linewidth=1.0, markersize=4, label=name, zorder=3)
        axes.fill_between(step, positive(low), positive(high), color=TWIN, alpha=0.2, linewidth=0)


def _segments(axes: Any, rows: list[dict[str, str]], floor: str, color: str, name: str, **line: Any) -> None:
    """A floor over the steps of its span, which is its longest lag."""
    longest: dict[int, dict[str, str]] = {}
    for row in (row for row in rows if row["floor"] == floor):
        longest[int(row["step"]) - int(row["lag"])] = row
    for k, (first, row) in enumerate(longest.items()):
        ends = np.array([first, int(row["step"])])
        value, low, high = (positive(np.full(2, float(row[name]))) for name in ("value", "ci_low", "ci_high"))
        axes.plot(ends, value, color=color, linewidth=2.0, label=name if k == 0 else None, zorder=2, **line)
        axes.fill_between(ends, low, high, color=color, alpha=0.25, linewidth=0, zorder=2)
