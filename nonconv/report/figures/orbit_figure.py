"""The figures of Toint's counterexample: function, iterates and slopes; and which starts are caught."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import log_axis, log_limits, log_scale, positive, shown
from nonconv.report.run import Run
from nonconv.results.columns import Columns, read_columns

EXACT, UNIFORM, LINE = "#000000", "#d55e00", "0.6"
TANGENT = 0.1
"""Half the length of the drawn tangents, as a share of one interval between knots."""
FIRST_SHOWN = 12


def orbit_figure(run: Run) -> Figure:
    """Draw the first path: f with iterates and tangents on both kinds of knots, the iterates over the steps, the slopes met.

    A fourth row, the Lipschitz constant of f' on the exact knots, is drawn only if that constant grows.
    """
    path, curve = read_columns(run.folder / "orbit.csv"), read_columns(run.folder / "objective.csv")
    at = {name: path.numbers(name) for name in path.texts}
    lipschitz = at["lipschitz"]
    rows_of_panels: Any = [["exact", "uniform"], ["iterates", "iterates"], ["slope", "slope"]]
    heights = [3.0, 3.0, 1.4]
    if lipschitz[-1] > 1.01 * lipschitz[0]:
        rows_of_panels, heights = [*rows_of_panels, ["lipschitz", "lipschitz"]], [*heights, 1.4]
    figure = Figure(figsize=(6.4, 0.85 * sum(heights)), layout="constrained")
    panels: Any = figure.subplot_mosaic(rows_of_panels, height_ratios=heights)
    scale = run.summary["counterexample"]["scale"]
    _function(panels["exact"], curve, "exact", at, slice(0, FIRST_SHOWN), EXACT)
    panels["exact"].set_title("exact knots, first steps", loc="left")
    _function(panels["uniform"], curve, "uniform", at, slice(-1, None), UNIFORM)
    panels["uniform"].set_title("uniform knots, last step", loc="left")
    panels["exact"].set_ylabel("f")
    _iterates(panels["iterates"], at)
    _slopes(panels["slope"], at, scale)
    if "lipschitz" in panels:
        panels["lipschitz"].plot(at["step"], positive(lipschitz), color=EXACT, linewidth=1.2)
        log_scale(panels["lipschitz"])
        panels["lipschitz"].set_ylabel("Lipschitz const.\n(exact knots)")
        _step_axis(panels["lipschitz"], at)
    panels[rows_of_panels[-1][0]].set_xlabel("step n")
    return figure


def _function(axes: Any, curve: Columns, knots: str, at: dict[str, Array], steps: slice, color: str) -> None:
    """Draw f, and the iterates with their tangents. at: columns of orbit.csv. steps: which recorded steps are shown."""
    points = curve.where("knots", knots)
    theta, f = shown(points.numbers("theta")), shown(points.numbers("f"))
    axes.plot(theta, f, color="#0072b2", linewidth=1.0)
    x, y, slope = (shown(at[f"{name}_{knots}"][steps]) for name in ("theta", "f", "slope"))
    inside = (x >= theta[0]) & (x <= theta[-1])
    x, y, slope = x[inside], y[inside], slope[inside]
    half = TANGENT * (theta[-1] - theta[0]) / 8
    for at_x, at_y, rise in zip(x, y, slope, strict=True):
        ends = shown(np.array([at_y - half * rise, at_y + half * rise]))
        axes.plot([at_x - half, at_x + half], ends, color=color, linewidth=0.8, zorder=2)
    axes.plot(x, y, "o", color=color, markersize=3.5, zorder=3)
    axes.set_xlabel("θ")
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.locator_params(nbins=5)


def _iterates(axes: Any, at: dict[str, Array]) -> None:
    """Draw the iterates on both kinds of knots beside the orbit."""
    axes.plot(at["step"], positive(at["orbit"]), color=LINE, linewidth=4, alpha=0.6, label="orbit for a constant slope")
    axes.plot(at["step"], positive(at["theta_exact"]), color=EXACT, linewidth=1.2, label="exact knots")
    axes.plot(at["step"], positive(at["theta_uniform"]), color=UNIFORM, linestyle=(0, (6, 2)), label="uniform knots")
    _step_axis(axes, at)
    log_scale(axes)
    axes.set_ylabel("θₙ")
    axes.legend(loc="upper left")


def _slopes(axes: Any, at: dict[str, Array], scale: float) -> None:
    """Draw the slope at each step: -1 wherever the path is on a knot."""
    for knots, color in (("uniform", UNIFORM), ("exact", EXACT)):
        with np.errstate(over="ignore", invalid="ignore"):
            slopes = shown(at[f"slope_{knots}"] / scale)
        axes.plot(at["step"], slopes, ".", color=color, markersize=4)
    _step_axis(axes, at)
    axes.set_ylim(-1.15, 0.65)
    axes.set_yticks([-1.0, -0.5, 0.0, 0.5])
    axes.set_ylabel("f′(θₙ) / scale")


def _step_axis(axes: Any, at: dict[str, Array]) -> None:
    """Put steps on a log axis."""
    axes.set_xscale("log")
    axes.set_xlim(at["step"][0] / 1.5, at["step"][-1] * 1.5)
    log_axis(axes.xaxis)


def fates_figure(run: Run) -> Figure:
    """Draw the step at which paths were caught against the distance of their start, a panel for each side that has starts.

    Escaped paths lie on the upper edge.
    """
    paths = read_columns(run.folder / "outcomes.csv")
    start, step, outcome = paths.numbers("start"), paths.numbers("caught_step"), np.array(paths["outcome"])
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    sides = [(-1.0, "behind"), (1.0, "ahead of")]
    sides = [(sign, name) for sign, name in sides if np.any(sign * start > 0)] or sides
    panels = figure.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    for axes, (sign, name) in zip(panels, sides, strict=True):
        _outcome_points(axes, sign * start, step, outcome, run.summary["steps"])
        axes.set_title(f"started {name} the first knot", loc="left")
    panels[0].set_ylabel("step at which the path was caught")
    return figure


def _outcome_points(axes: Any, distance: Array, step: Array, outcome: NDArray[np.str_], steps: int) -> None:
    """Draw the paths that started on one side of the knot."""
    distance = positive(distance)
    there = np.isfinite(distance)
    caught, escaped = there & (outcome == "caught"), there & (outcome == "escaped")
    axes.plot(distance[caught], step[caught], ".", color=UNIFORM, markersize=3, label=f"caught: {caught.sum()}")
    axes.plot(distance[escaped], np.full(escaped.sum(), steps), "|", color=EXACT, label=f"escaped: {escaped.sum()}")
    axes.set_xlim(*log_limits(axes.dataLim.minposx, axes.dataLim.x1))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.8, 2.0 * steps)
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    axes.set_xlabel("distance of the start from the knot")
    axes.legend(loc="lower left")
