"""The figure of the floors: lower bounds that hold for every xi, beside the error for the configured xi."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import log_axis, positive
from nonconv.report.figures.panels import few_decades
from nonconv.report.run import Run, read_rows

TWIN, WINDOW, CAUCHY = "#000000", "#0072b2", "#d55e00"


def floors_figure(run: Run) -> Figure:
    """Left: E|Theta_n - xi|^2 per xi in grey, and the floors over their steps. Right: the twin floor against the lag."""
    rows = read_rows(run.folder / "floors.csv")
    figure = Figure(figsize=(7.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for k, errors in enumerate(run.errors.values()):
        name = "E |Θₙ − ξ|², configured ξ" if k == 0 else None
        left.plot(run.step, positive(errors.mse), color="0.65", linewidth=1.0, label=name, zorder=1)
    _segments(left, rows, "twin_mean", TWIN, "twin floor, mean over late lags", linestyle=(0, (1, 1)))
    _segments(left, rows, "window", WINDOW, "window floor")
    _segments(left, rows, "cauchy_mean", CAUCHY, "Cauchy floor, steps half a span apart", linestyle=(0, (4, 2)))
    left.set_xlim(run.step[0] / 1.5, run.step[-1] * 1.5)
    left.set_xlabel("step n")
    left.set_ylabel("E |Θₙ − ξ|²")
    left.set_title("lower bounds for every ξ, with 95 % intervals", loc="left")
    _twins(right, rows)
    _predictions(right, run)
    right.set_xlim(0.7, 0.75 * run.step[-1])  # curves of nothing but nan give none
    right.set_xlabel("lag (steps since the branch)")
    right.set_ylabel("½ E |Θₙ − Θ′ₙ|²")
    right.set_title("twin floor by lag", loc="left")
    for axes in (left, right):
        _log_log(axes)
        few_decades(axes, *(np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines))
    return figure


def _log_log(axes: Any) -> None:
    if not any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
        axes.set_ylim(0.1, 10.0)  # a log axis needs something to show
    axes.set_xscale("log")
    axes.set_yscale("log")
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", fontsize=8)


def _column(rows: list[dict[str, str]], name: str) -> Array:
    return np.array([float(row[name]) for row in rows])


def _twins(axes: Any, rows: list[dict[str, str]]) -> None:
    of_twins = [row for row in rows if row["floor"] == "twin"]
    if of_twins and not np.any(_column(of_twins, "value")):
        axes.text(0.5, 0.5, "zero at every lag", ha="center", va="center", transform=axes.transAxes)
        return
    branches = dict.fromkeys(int(row["step"]) - int(row["lag"]) for row in of_twins)
    for branch, shade in zip(branches, ("0.6", "0.35", "0.0"), strict=False):
        own = [row for row in of_twins if int(row["step"]) - int(row["lag"]) == branch]
        lag, value, low, high = (_column(own, name) for name in ("lag", "value", "ci_low", "ci_high"))
        axes.plot(lag, positive(value), ".-", color=shade, linewidth=1.0, markersize=4, label=f"branch at step {branch}")
        axes.fill_between(lag, positive(low), positive(high), color=shade, alpha=0.2, linewidth=0)


def _predictions(axes: Any, run: Run) -> None:
    """The exact twin floors, if floors_theory.csv has them."""
    path = run.folder / "floors_theory.csv"
    rows = read_rows(path) if path.exists() else []
    branches = dict.fromkeys(int(row["step"]) - int(row["lag"]) for row in rows)
    for k, branch in enumerate(branches):
        own = [row for row in rows if int(row["step"]) - int(row["lag"]) == branch]
        name = "exact expectation" if k == 0 else None
        exact = positive(_column(own, "value"))
        axes.plot(_column(own, "lag"), exact, color="#009e73", linewidth=4, alpha=0.35, zorder=1, label=name)


def _segments(axes: Any, rows: list[dict[str, str]], floor: str, color: str, name: str, **line: Any) -> None:
    """One line per span of a floor, over the last half of the steps up to the span's end, with its interval."""
    for k, row in enumerate(row for row in rows if row["floor"] == floor):
        ends = np.array([int(row["step"]) / 2, int(row["step"])])
        value, low, high = (positive(np.full(2, float(row[column]))) for column in ("value", "ci_low", "ci_high"))
        axes.plot(ends, value, color=color, linewidth=2.0, label=name if k == 0 and value[0] > 0 else None, zorder=2, **line)
        axes.fill_between(ends, low, high, color=color, alpha=0.25, linewidth=0, zorder=2)
