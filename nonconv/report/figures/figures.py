"""The figures of a run: the error for each xi, and the paths themselves. Readable in grey."""

import math
import textwrap
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import LARGEST_SHOWN, log_scale, note_beyond, positive, power_of_ten, shown
from nonconv.report.figures.panels import few_decades, mark_losses, schedule_panel, show_single_points, step_axis, title
from nonconv.report.labels import LONGEST_NAME, xi_name
from nonconv.report.markup import printable
from nonconv.report.run import LAST, Errors, Run

LINES: tuple[dict[str, Any], ...] = (
    {"color": "#000000", "linestyle": "-"},
    {"color": "#0072b2", "linestyle": (0, (6, 2))},
    {"color": "#d55e00", "linestyle": (0, (2, 1.5))},
    {"color": "#009e73", "linestyle": (0, (7, 2, 1, 2))},
    {"color": "#cc79a7", "linestyle": (0, (1, 1))},
)
MARKERS = ("", "o", "s", "^", "v")
"""Distinguish lines that share an entry of LINES."""
SINGLE_PATHS = 3
MOST_PANELS = 3


def error_figure(run: Run) -> Figure:
    """Draw E|theta_n - xi|^2 with bands on log-log axes, theory where it is known, the learning rate in a thin panel.

    Where it is infinite for a xi the square of the median of |theta_n - xi| is drawn instead. Iterates besides the last have
    a line each, for the first xi.
    """
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    first, others = next(iter(run.errors)), run.others
    curves = [(run, label, shown_errors(run, label)) for label in run.errors]
    curves += [(other, first, shown_errors(other, first)) for other in others]
    for (whose, label, errors), line in zip(curves, line_styles(len(curves)), strict=True):
        _band(top, whose, label, errors, line)
    exact = [*run.theory.values(), *(other.theory[first] for other in others if first in other.theory)]
    for k, values in enumerate(exact):
        name = "exact expectation" if k == 0 else None
        top.plot(run.step, positive(values), color="0.45", linewidth=3.5, alpha=0.45, zorder=1, label=name)
    drawn = [errors.mse for _, _, errors in curves]
    mark_losses(top, run, *drawn)
    note_beyond(top, *drawn)
    step_axis(top, run)
    log_scale(top)
    # The legend says which curves are medians where others are means.
    top.set_ylabel("(median of |Θₙ − ξ|)²" if len(run.medians) == len(run.errors) else "E |Θₙ − ξ|²")
    top.legend(loc="best", title="ξ", alignment="left")
    title(top, run)
    few_decades(top, *drawn)
    schedule_panel(bottom, run)
    show_single_points(figure)
    return figure


def line_styles(count: int) -> list[dict[str, Any]]:
    """Return a distinct style for each of `count` lines."""
    markers = [{"marker": marker, "markersize": 3.5, "markevery": 0.1} if marker else {} for marker in MARKERS]
    return [LINES[k % len(LINES)] | markers[k // len(LINES) % len(markers)] for k in range(count)]


def shown_errors(run: Run, label: str) -> Errors:
    """Return the error for a xi as it is drawn: where it is infinite, the square of the median distance."""
    return _squared(run.medians[label]) if label in run.medians else run.errors[label]


def _squared(medians: Errors) -> Errors:
    """Return the squares of medians of distances and of their intervals."""
    mse, low, high = (np.square(values) for values in (medians.mse, medians.ci_low, medians.ci_high))
    return replace(medians, mse=mse, ci_low=low, ci_high=high)


def _band(axes: Any, run: Run, label: str, errors: Errors, line: dict[str, Any]) -> None:
    """Draw one error with its interval."""
    curve = positive(errors.mse)
    # matplotlib cannot space markers on a curve of nothing.
    style = line if np.isfinite(curve).any() else line | {"markevery": None}
    mixed = label in run.medians and len(run.medians) < len(run.errors)
    whose = "" if run.iterate == LAST else f"{xi_name(run.iterate)}: "
    axes.plot(run.step, curve, label=f"{whose}{xi_name(label)}{' (median)²' if mixed else ''}", zorder=3, **style)
    low, high = positive(errors.ci_low), positive(errors.ci_high)
    # An interval that reaches 0 has no lower end on a log axis: show it a decade below the curve.
    low = np.where(np.isnan(low) & np.isfinite(high), positive(curve / 10), low)
    axes.fill_between(run.step, low, high, color=line["color"], alpha=0.2, linewidth=0, zorder=2)


def paths_figure(run: Run) -> Figure:
    """Draw one panel per coordinate: quantiles of the paths as a fan, a few individual paths, each fixed xi as a line."""
    quantile = run.paths["quantile"]
    names = run.paths.get("coordinate_name")
    panels = min(quantile.shape[2], MOST_PANELS) if names is None else quantile.shape[2]
    figure = Figure(figsize=(6.4, 1.6 + (2.4 if panels <= MOST_PANELS else 1.8) * panels), layout="constrained")
    axes_list = np.atleast_1d(figure.subplots(panels, 1, sharex=True))
    for coordinate, axes in enumerate(axes_list):
        _fan(axes, run, quantile[:, :, coordinate])
        _single_paths(axes, run, coordinate)
        _other_medians(axes, run, coordinate)
        _xi_lines(axes, run, coordinate)
        if not (len(quantile) or len(run.paths["theta"])):
            axes.text(0.5, 0.6, "`record` keeps neither paths nor quantiles", transform=axes.transAxes, ha="center")
        step_axis(axes, run)
        axes.set_ylabel(coordinate_label(run, coordinate))
        choose_scale(axes, np.concatenate([quantile[:, :, coordinate], run.paths["theta"][:SINGLE_PATHS, :, coordinate]]))
    axes_list[-1].set_xlabel("step n")
    if axes_list[0].get_legend_handles_labels()[0]:
        axes_list[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    title(axes_list[0], run)
    show_single_points(figure)
    return figure


def coordinate_label(run: Run, coordinate: int) -> str:
    """Name the axis: `Θₙ`, `Θₙ, coordinate 3`, or a network's `output.bias[0]`."""
    name = str(run.paths["coordinate_name"][coordinate]) if "coordinate_name" in run.paths else f"{coordinate + 1}"
    if name.isdecimal():
        return "Θₙ" if run.summary["dim"] == 1 else f"Θₙ, coordinate {name}"
    return textwrap.shorten(printable(name), LONGEST_NAME, placeholder=" …")


def _fan(axes: Any, run: Run, quantile: Array) -> None:
    """Draw quantiles of the paths as nested bands around the median. quantile: shape (levels, R)."""
    if not len(quantile):
        return
    levels = run.paths["quantile_level"]
    # Darker towards the median.
    shades = (0.15, 0.3, 0.5)
    for k in range(len(levels) // 2):
        low, high = shown(quantile[k]), shown(quantile[-1 - k])
        share = f"{100 * (levels[-1 - k] - levels[k]):.0f} % of paths"
        axes.fill_between(run.step, low, high, color="#0072b2", alpha=shades[k], linewidth=0, label=share, zorder=1)
    axes.plot(run.step, shown(quantile[len(levels) // 2]), color="#003a5c", linewidth=1.6, label="median", zorder=3)


def _single_paths(axes: Any, run: Run, coordinate: int) -> None:
    """Draw the first few paths."""
    for k, theta in enumerate(run.paths["theta"][:SINGLE_PATHS, :, coordinate]):
        name = "individual paths" if k == 0 else None
        axes.plot(run.step, shown(theta), color="0.25", linewidth=0.6, alpha=0.8, label=name, zorder=2)


def _other_medians(axes: Any, run: Run, coordinate: int) -> None:
    """Draw the median of each iterate besides the last."""
    others = run.others
    # The first style is that of the fan's own median, nearly.
    for other, line in zip(others, line_styles(len(others) + 1)[1:], strict=True):
        quantile = other.paths["quantile"][:, :, coordinate]
        if len(quantile):
            middle = shown(quantile[len(quantile) // 2])
            axes.plot(run.step, middle, label=f"median of {xi_name(other.iterate)}", zorder=3, linewidth=1.4, **line)


def _xi_lines(axes: Any, run: Run, coordinate: int) -> None:
    """Draw each fixed xi as a horizontal line."""
    points = run.summary["xi_points"]
    number = int(run.paths["coordinate"][coordinate]) - 1 if "coordinate" in run.paths else coordinate
    for (label, point), line in zip(points.items(), line_styles(len(points)), strict=True):
        name = f"ξ = {xi_name(label)}"
        axes.axhline(point[number], label=name, zorder=4, linewidth=1.1, **(line | {"color": "#d55e00"}))
    for k, end in enumerate(_minima(run, number)):
        axes.axhline(end, label=None if k else "minima", zorder=4, linewidth=0.8, linestyle=":", color="#d55e00")


def _minima(run: Run, number: int) -> list[float]:
    """Return the minima of a coordinate, and the ends of intervals of them, where there are several."""
    entries = run.summary.get("minima", [])
    own: list[dict[str, float]] = next(
        (e["points"] for e in entries if e["alike"] == run.summary["dim"] or e["coordinate"] == number + 1), []
    )
    ends = sorted({end for point in own for end in (point["low"], point["high"])})
    return ends if len(ends) > 1 else []


def choose_scale(axes: Any, curves: Array) -> None:
    """Switch to a symlog axis where the paths span many orders of magnitude, so that both ends show."""
    sizes = np.abs(curves[np.abs(curves) <= LARGEST_SHOWN])
    if not len(sizes) or sizes.max() <= 1e4:
        return
    starts = np.abs(curves[:, 0])
    starts = starts[starts <= LARGEST_SHOWN]
    linear = max(1e-3, float(np.median(starts))) if len(starts) else 1e-3
    decades = math.log10(max(10.0, float(sizes.max()) / linear))

    def text(value: float, position: int | None = None) -> str:
        """Write a label, but none where it would overlap that of zero."""
        if value and math.log10(abs(value) / linear) + 1 < 0.15 * decades:
            return ""
        return ("−" if value < 0 else "") + power_of_ten(abs(value))

    axes.set_yscale("symlog", linthresh=linear)
    axes.yaxis.set_major_formatter(text)
