"""The recorded paths of a run as columns: quantiles as a fan, single paths, and the points that are candidates for the limit.

A page holds a few megabytes, and a run may record many paths in many coordinates: so the first of each are taken, and of
many steps as many as a screen can show.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nonconv.numerics.arithmetic import Array
from nonconv.page.curves import Table, drawn, extend, thinned
from nonconv.report.logged_text import is_logged
from nonconv.report.run import Run
from nonconv.system.words import count

MOST_NUMBERS = 10_000
"""Numbers of single paths in a page, and of quantiles."""
MOST_STEPS, FEWEST_STEPS, MOST_COORDINATES, FEWEST_PATHS = 300, 60, 16, 3
WIDE = 1e4
"""Where values are larger than this, and starts are not, the axis is better symmetric-logarithmic."""


class Paths(NamedTuple):
    """Tables of paths, and what is in them.

    fan: step, iterate, coordinate, share, low, high. points: quantiles, one per row. single: step, iterate, coordinate, path,
    outcome, value. xi: coordinate, name, value. wide: whether values span many orders of magnitude. note: what is left out.
    """

    fan: Table
    points: Table
    single: Table
    xi: Table
    coordinates: list[str]
    iterates: list[str]
    wide: bool
    note: str


def of_run(run: Run) -> Paths:
    """Return the paths of a run, as each of its iterates has them."""
    views = [run, *run.others]
    names = coordinate_names(run)[:MOST_COORDINATES]
    quantiles = len(run.paths["quantile_level"]) * len(names) * len(views)
    steps = thinned(len(run.step), min(MOST_STEPS, max(FEWEST_STEPS, MOST_NUMBERS // max(1, quantiles))))
    room = MOST_NUMBERS // max(1, len(steps) * len(names) * len(views))
    paths = min(len(run.paths["theta"]), max(FEWEST_PATHS, room))
    found = Paths(
        _table("step", "iterate", "coordinate", "what", "share", "low", "high"),
        _table("step", "iterate", "coordinate", "what", "value", "low", "high", "n", "finite"),
        _table("step", "iterate", "coordinate", "what", "path", "outcome", "value"),
        _table("coordinate", "what", "name", "value"),
        names,
        [seen.iterate for seen in views],
        _is_wide(run),
        _note(run, paths, len(names)),
    )
    for seen in views:
        for k, name in enumerate(names):
            if k < seen.paths["quantile"].shape[2]:
                extend(found.fan, _fan(seen, steps, k, name))
                extend(found.points, _quantiles(seen, steps, k, name))
            extend(found.single, _single(seen, steps, k, name, paths))
    for k, name in enumerate(names):
        extend(found.xi, _xi(run, k, name))
    return found


def _table(*names: str) -> Table:
    return {name: [] for name in names}


def shown(values: Array) -> list[float | None]:
    """Return numbers for an axis, as `drawn` does, to eight digits: paths are looked at, and paths.npz has all digits."""
    return [None if value is None else float(f"{value:.8g}") for value in drawn(values)]


def coordinate_names(run: Run) -> list[str]:
    """Name the coordinates whose paths are kept: by number, or as a network names its weights."""
    if "coordinate_name" in run.paths:
        return [str(name) for name in run.paths["coordinate_name"]]
    return [str(k + 1) for k in range(run.paths["theta"].shape[2])]


def _number(run: Run, k: int) -> int:
    """Return which coordinate of Θ, from 0 on, is the k-th that is kept."""
    return int(run.paths["coordinate"][k]) - 1 if "coordinate" in run.paths else k


def _is_wide(run: Run) -> bool:
    """Whether paths span many orders of magnitude."""
    sizes = np.abs(run.paths["theta"])
    sizes = sizes[np.isfinite(sizes)]
    return bool(len(sizes) and sizes.max() > WIDE)


def _note(run: Run, paths: int, coordinates: int) -> str:
    """Say which of the recorded paths are shown."""
    kept, of = len(run.paths["theta"]), len(coordinate_names(run))
    what = "run" if is_logged(run) else "path"
    fan = f"quantiles over {count(int(run.paths['quantile_paths']), what)}"
    left = " All are in paths.npz." if paths < kept or coordinates < of else ""
    shown = f"{paths} of {count(kept, f'recorded {what}')}" if paths < kept else count(kept, f"recorded {what}")
    some = f", {coordinates} of {of} coordinates" if coordinates < of else ""
    return f"{fan[:1].upper()}{fan[1:]}, and {shown}{some}.{left}"


def _fan(run: Run, steps: Any, k: int, name: str) -> Iterator[tuple[Any, ...]]:
    """Yield the bands between quantiles that leave out as many paths below as above."""
    levels, quantile = run.paths["quantile_level"], run.paths["quantile"][:, steps, k]
    for b in range(len(quantile) // 2):
        share = f"{100 * (levels[-1 - b] - levels[b]):.3g} % of paths"
        for step, low, high in zip(run.step[steps].tolist(), shown(quantile[b]), shown(quantile[-1 - b]), strict=True):
            yield step, run.iterate, name, "quantiles", share, low, high


def _quantiles(run: Run, steps: Any, k: int, name: str) -> Iterator[tuple[Any, ...]]:
    """Yield each quantile at each step."""
    of = int(run.paths["quantile_paths"])
    for level, values in zip(run.paths["quantile_level"].tolist(), run.paths["quantile"][:, steps, k], strict=False):
        what = "median" if level == 0.5 else f"{100 * level:.4g} % quantile"
        for step, value in zip(run.step[steps].tolist(), shown(values), strict=True):
            yield step, run.iterate, name, what, value, None, None, of, of


def _single(run: Run, steps: Any, k: int, name: str, paths: int) -> Iterator[tuple[Any, ...]]:
    """Yield the first paths."""
    theta, outcomes = run.paths["theta"][:paths, steps, k], run.paths["outcome"]
    for number, values in enumerate(theta):
        for step, value in zip(run.step[steps].tolist(), shown(values), strict=True):
            yield step, run.iterate, name, "paths", number, str(outcomes[number]), value


def _xi(run: Run, k: int, name: str) -> Iterator[tuple[Any, ...]]:
    """Yield the fixed ξ, and the minima of the coordinate where there are several."""
    at = _number(run, k)
    for label, point in run.summary["xi_points"].items():
        yield name, "ξ", label, shown(np.array([point[at]]))[0]
    for entry in run.summary.get("minima", ()):
        if entry["alike"] == run.summary["dim"] or entry["coordinate"] == at + 1:
            ends = sorted({end for point in entry["points"] for end in (point["low"], point["high"])})
            for end in ends if len(ends) > 1 else ():
                yield name, "ξ", "minimum", end
