"""Shared by all panels over the steps: the axis, the learning rate below, the title, marks."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import log_axis, log_scale, note_beyond, positive
from nonconv.report.figures.restyle import mark_title
from nonconv.report.logged_text import is_logged
from nonconv.report.markup import printable
from nonconv.report.run import Run

THIN = 4
"""Ticks of a thin panel."""


def step_axis(axes: Any, run: Run) -> None:
    """Put steps on an axis like their spacing, with explicit limits: a curve that is all nan would give it none."""
    axes.set_xlim(first_shown(run), float(run.step[-1]) * (1.0 if _is_even(run) else 1.5))
    if not _is_even(run):
        axes.set_xscale("log")
        log_axis(axes.xaxis)


def first_shown(run: Run) -> float:
    """Return the left end of the step axis."""
    return 0.0 if _is_even(run) else float(run.step[0]) / 1.5


def _is_even(run: Run) -> bool:
    """Whether the config spreads its recorded steps evenly."""
    return bool(run.config.get("record", {}).get("spacing") == "linear")


def schedule_panel(axes: Any, run: Run) -> None:
    """Draw the learning rate, and the batch size if it varies."""
    rates = positive(run.learning_rate)
    axes.plot(run.step, rates, color="0.2", linewidth=1.2)
    note_beyond(axes, run.learning_rate)
    log_scale(axes, ticks=THIN)
    axes.set_ylabel("learning\nrate")
    axes.set_xlabel("step n")
    if np.isnan(run.learning_rate).all():
        axes.text(0.5, 0.5, "not logged", ha="center", va="center", transform=axes.transAxes)
        axes.set_yticks([])
        return
    few_decades(axes, run.learning_rate, thin=True)
    if np.ptp(run.batch_size) > 0:
        # A second axis, since a batch size and a rate share no scale.
        twin = axes.twinx()
        twin.plot(run.step, run.batch_size, color="0.2", linewidth=1.2, linestyle=":")
        log_scale(twin, ticks=THIN)
        twin.set_ylabel("batch size\n(dotted)")
        twin.grid(visible=False)
        twin.spines["right"].set_visible(True)


def few_decades(axes: Any, *curves: Array, thin: bool = False) -> None:
    """Add ticks where curves span less than two decades; where they span less than a factor 2, tick their ends.

    thin: in a panel that has room for few.
    """
    values = np.concatenate([np.empty(0), *curves])
    shown = positive(values)
    shown = shown[np.isfinite(shown)]
    if not len(shown) or shown.max() > 100 * shown.min():
        return
    low, high = float(shown.min()), float(shown.max())
    if high < 2 * low:
        axes.set_ylim(low / 3, high * 3)
        axes.yaxis.set_major_locator(FixedLocator(sorted({low, high} if high > 1.3 * low else {high})))
    else:
        subs = (1.0,) if thin and high > 30 * low else (1.0, 3.0) if thin and high > 10 * low else (1.0, 2.0, 5.0)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:.3g}")


def mark_losses(axes: Any, run: Run, *curves: Array) -> None:
    """Mark the steps from which curves are not finite, with one text per cluster of nearly equal steps."""
    lost = [np.flatnonzero(~np.isfinite(curve)) for curve in curves]
    labelled = 0.0
    for step in sorted({int(run.step[found[0]]) for found in lost if len(found)}):
        axes.axvline(step, color="0.3", linewidth=0.8, linestyle=":")
        # Texts of nearer steps would overlap on the log axis.
        if step > 1.2 * labelled:
            labelled = step
            axes.annotate(
                f"not finite from step {step} on",
                (step, 0.02),
                xycoords=("data", "axes fraction"),
                xytext=(-4, 0),
                textcoords="offset points",
                rotation=90,
                ha="right",
                va="bottom",
                fontsize=7,
            )


def show_single_points(figure: Figure) -> None:
    """Give curves of one recorded step a marker, since they have no line."""
    for line in (line for axes in figure.axes for line in axes.lines):
        if len(np.atleast_1d(line.get_xdata())) == 1:
            line.set_marker("o")


def title(axes: Any, run: Run) -> None:
    """Write the title: `adam, quadratic, constant learning rate; 4096 paths`."""
    config = run.config
    if is_logged(run):
        mark_title(axes.set_title(f"{printable(run.summary['name'])}; {run.counted_paths}", loc="left"))
        return
    text = (
        f"{config['optimizer']['name']}, {config['objective']['name']}, "
        f"{config['learning_rate']['name'].replace('_', ' ')} learning rate; {run.counted_paths}"
    )
    mark_title(axes.set_title(text, loc="left"))
