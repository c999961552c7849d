"""The figure of the floors: lower bounds that hold for every xi, beside the error for the configured xi."""

from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nonconv.report.figures.axes import log_axis, log_scale, positive
from nonconv.report.figures.panels import few_decades
from nonconv.report.run import Run, of_iterate
from nonconv.results.columns import Columns, read_columns

TWIN, WINDOW, CAUCHY = "#000000", "#0072b2", "#d55e00"
LEGEND_COLUMNS = 3
OTHERS = ("#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""The colours of iterates besides the last."""


def floors_figure(run: Run) -> Figure:
    """Draw the floors over their steps, and the twin floor against the lag.

    Left also E|Theta_n - xi|^2 per xi in grey, which the floors bound from below, and a floor of each iterate besides the last.
    """
    every = read_columns(run.folder / "floors.csv")
    rows = of_iterate(every)
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    if "infinite" in run.verdict:
        left.text(0.5, 0.5, "E |Θₙ − ξ|² is infinite", ha="center", va="center", transform=left.transAxes)
    for k, errors in enumerate(run.errors.values()):
        name = "E |Θₙ − ξ|², configured ξ" if k == 0 else None
        left.plot(run.step, positive(errors.mse), color="0.65", linewidth=1.0, label=name, zorder=1)
    _segments(left, rows, "twin_mean", TWIN, "twin floor, mean over late lags", linestyle=(0, (1, 1)))
    _segments(left, rows, "window", WINDOW, "window floor")
    _segments(left, rows, "cauchy_mean", CAUCHY, "Cauchy floor, steps half a span apart", linestyle=(0, (4, 2)))
    for other, color in zip(run.others, cycle(OTHERS)):
        own = of_iterate(every, other.iterate)
        floor, name = ("window", "window") if "window" in own["floor"] else ("twin_mean", "twin")
        _segments(left, own, floor, color, f"{name} floor of {other.iterate}", linestyle=(0, (7, 2, 1, 2)))
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
    # Below both: on the left curves and floors may be anywhere.
    handles, names = left.get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=LEGEND_COLUMNS, fontsize=8)
    if right.get_legend_handles_labels()[0]:
        right.legend(loc="best", fontsize=8)
    for axes in (left, right):
        _log_log(axes)
        few_decades(axes, *(np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines))
    return figure


def _log_log(axes: Any) -> None:
    """Make both axes logarithmic."""
    axes.set_xscale("log")
    log_axis(axes.xaxis)
    log_scale(axes)


def _twins(axes: Any, rows: Columns) -> None:
    """Draw the twin floor against the lag, one line per branch point."""
    twins = rows.where("floor", "twin")
    if not twins.rows:
        axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes)
        return
    if twins.rows and not np.any(twins.numbers("value")):
        axes.text(0.5, 0.5, "zero at every lag", ha="center", va="center", transform=axes.transAxes)
        return
    for (branch, own), shade in zip(_branches(twins).items(), ("0.6", "0.35", "0.0"), strict=False):
        lag, value, low, high = (own.numbers(name) for name in ("lag", "value", "ci_low", "ci_high"))
        axes.plot(lag, positive(value), ".-", color=shade, linewidth=1.0, markersize=4, label=f"branch at step {branch}")
        axes.fill_between(lag, positive(low), positive(high), color=shade, alpha=0.2, linewidth=0)


def _branches(twins: Columns) -> dict[int, Columns]:
    """Return the rows of each step at which a twin branched."""
    branched = twins.integers("step") - twins.integers("lag")
    return {branch: twins.select(branched == branch) for branch in dict.fromkeys(branched.tolist())}


def _predictions(axes: Any, run: Run) -> None:
    """Draw the exact twin floors, if floors_theory.csv has them."""
    path = run.folder / "floors_theory.csv"
    if not path.exists():
        return
    for k, own in enumerate(_branches(of_iterate(read_columns(path)).where("floor", "twin")).values()):
        name = "exact expectation" if k == 0 else None
        exact = positive(own.numbers("value"))
        axes.plot(own.numbers("lag"), exact, color="#009e73", linewidth=4, alpha=0.35, zorder=1, label=name)


def _segments(axes: Any, rows: Columns, floor: str, color: str, name: str, **line: Any) -> None:
    """Draw one line per span of a floor, with its interval.

    It is over the last half of the steps up to the span's end.
    """
    own = rows.where("floor", floor)
    curves = np.array([positive(own.numbers(name)) for name in ("value", "ci_low", "ci_high")])
    for k, step in enumerate(own.integers("step").tolist()):
        ends = np.array([step / 2, step])
        value, low, high = (np.full(2, curve[k]) for curve in curves)
        axes.plot(ends, value, color=color, linewidth=2.0, label=name if k == 0 and value[0] > 0 else None, zorder=2, **line)
        axes.fill_between(ends, low, high, color=color, alpha=0.25, linewidth=0, zorder=2)
