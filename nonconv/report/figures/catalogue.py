"""Which figures there are: of a run those whose data files it has, of a sweep those of its keys and of what it measured.

Nothing here loads matplotlib before a figure is to be made: loading it takes longer than all else that a command needs
before it can begin. So figures are listed with the names of the functions that make them.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nonconv.readback import read_object
from nonconv.report.figures.at_once import describe
from nonconv.report.run import read_run
from nonconv.report.sweep_result import (
    DECIDED,
    MOST_CHANGES,
    MOST_PANELS,
    Quantity,
    SweepResult,
    file_names,
    is_sweep,
    key_parts,
    quantities,
    read_sweep_result,
    view,
)
from nonconv.statistics.measured_block import MSE_PREFIX

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
SAVED_FORMATS = ("png", "svg")
"""The formats of each figure in the folder of a run or a sweep."""
MOST_CURVES = 3
"""For so many ξ the errors of cells are drawn over the steps."""
MOST_LINES = MOST_PANELS
"""A second numeric key with no more values than this has a line for each."""
Maker = Callable[[], "Figure"]
"""Makes a figure when it is called."""


class RunFigure(NamedTuple):
    """A figure that runs can have.

    needs: the data file without which there is none; None if every run has it. made_by: the module of this package and its
    function of a Run that makes it. of: the kinds of rows in the summary's `quantities` of which it needs one; empty for none.
    says: a key that the summary must have; empty for none.
    """

    name: str
    needs: str | None
    made_by: str
    of: tuple[str, ...] = ()
    says: str = ""


CURVES = ("mean", "signed mean", "quantile", "passage", "bound")
"""The kinds of quantities that make curves over the steps."""
RUN_FIGURES = (
    RunFigure("error", None, "figures.error_figure"),
    RunFigure("paths", None, "figures.paths_figure"),
    RunFigure("floors", "floors.csv", "floors_figure.floors_figure"),
    RunFigure("state", None, "state_figure.state_figure", says="state"),
    RunFigure("orbit", "orbit.csv", "orbit_figure.orbit_figure"),
    RunFigure("fates", "outcomes.csv", "orbit_figure.fates_figure"),
    RunFigure("risk", "risk.csv", "network_figures.risk_figure"),
    RunFigure("groups", "group_floors.csv", "network_figures.groups_figure"),
    RunFigure("quantities", None, "quantity_figures.quantities_figure", of=CURVES),
    RunFigure("law", "law.csv", "quantity_figures.law_figure"),
)
"""All of them, in the order in which a summary shows them."""
ALL_FIGURES = "figures"
"""The name of what could not be drawn where it is not even known which figures there are."""
UNDRAWN = "txt"
"""A figure that could not be drawn has in its place a text with this suffix, which says why."""
RUN_FIGURE_FILES = tuple(
    f"figures/{name}.{kind}"
    for name in (*(figure.name for figure in RUN_FIGURES), ALL_FIGURES)
    for kind in (*SAVED_FORMATS, UNDRAWN)
)
"""Where they may lie in the folder of a run."""


class SweepFigure(NamedTuple):
    """A figure of a sweep.

    made_by: the module of this package and its function of the sweep and `about` that makes it.
    """

    name: str
    made_by: str
    about: tuple[Quantity | str | tuple[str, str] | None, ...]


def figure_names(folder: Path) -> tuple[str, ...]:
    """List the figures of the folder of a run or a sweep, which has its data files."""
    if is_sweep(folder):
        return tuple(figure.name for figure in sweep_figures(read_sweep_result(folder)))
    return tuple(figure.name for figure in _run_figures(folder))


def _run_figures(folder: Path) -> list[RunFigure]:
    """List the figures of a run whose data files are there."""
    there = [figure for figure in RUN_FIGURES if figure.needs is None or (folder / figure.needs).exists()]
    summary = read_object(folder / "summary.json") or {}
    kinds = {row.get("kind") for row in summary.get("quantities", ())}
    there = [figure for figure in there if not figure.says or figure.says in summary]
    return [figure for figure in there if not figure.of or kinds & {*figure.of}]


def undrawn(name: str, error: Exception) -> dict[str, bytes]:
    """Return what is written in place of a figure that could not be drawn, by the name of the file."""
    return {f"{name}.{UNDRAWN}": f"not drawn: {describe(error)}\n".encode()}


def read_undrawn(folder: Path) -> dict[str, str]:
    """Read which figures of a folder could not be drawn and why, by name."""
    found = sorted((folder / "figures").glob(f"*.{UNDRAWN}"))
    return {path.stem: path.read_text(encoding="utf-8", errors="replace").strip() for path in found}


def makers(folder: Path) -> dict[str, Maker]:
    """Return what makes each of `figure_names`. Loads matplotlib, and reads the data files."""
    if is_sweep(folder):
        return sweep_makers(read_sweep_result(folder))
    run = read_run(folder)
    return {figure.name: partial(load(figure.made_by), run) for figure in _run_figures(folder)}


def load(made_by: str) -> Callable[..., "Figure"]:
    """Load a function, given by its module in this package and its name there."""
    module, _, function = made_by.partition(".")
    found: Callable[..., Figure] = getattr(import_module(f"{__package__}.{module}"), function)
    return found


def sweep_makers(result: SweepResult) -> dict[str, Maker]:
    """Return what makes each figure of a sweep, by name. Loads matplotlib."""
    return {figure.name: partial(load(figure.made_by), result, *figure.about) for figure in sweep_figures(result)}


def sweep_figures(result: SweepResult) -> list[SweepFigure]:
    """List the figures of a sweep: maps and lines over its numeric keys; dots where these would show single cells."""
    if result.base is not None:
        return [*_dots(result), *_curves(result), *_verdicts(result)]
    maps = _maps(result)
    return [*([*maps, *_lines(result)] or _dots(result)), *_curves(result), *([] if maps else _verdicts(result))]


def _curves(result: SweepResult) -> list[SweepFigure]:
    """List the errors of the cells over the steps, for each ξ of the last iterate."""
    own = [label for label in result.xi if not result.whose(label)[1]]
    labels = [label for label in own if bool((result.known(f"mse_{label}") & result.done).any())]
    parts = [f"_{part}" for part in file_names(labels)] if len(labels) > 1 else [""]
    named = zip(labels[:MOST_CURVES], parts, strict=False)
    found = [SweepFigure(f"curves{part}", "sweep_courses.curves_figure", (label,)) for label, part in named]
    # Only errors of the last iterate are curves.
    best = result.about.get("best", {}).get("by", "").removeprefix(MSE_PREFIX) in own
    return [*found, *([SweepFigure("best_curves", "best_figure.best_figure", ())] if best else [])]


def _maps(result: SweepResult) -> list[SweepFigure]:
    """List a map for every pair of numeric keys and every quantity.

    Differences have none: they have the map of the errors.
    """
    pairs = [pair for pair in combinations(result.numeric, 2) if result.cross(*pair) and _is_filled(result, pair)]
    parts = key_parts(result.numeric)
    found: list[SweepFigure] = []
    for quantity in quantities(result):
        if quantity.kind == "difference" or not quantity.shows(result):
            continue
        for x, y in pairs:
            name = f"heatmap_{quantity.name}" + (f"_{parts[x]}_{parts[y]}" if len(pairs) > 1 else "")
            found.append(SweepFigure(name, "heat_maps.heat_map", (quantity, (x, y))))
    return found


def _lines(result: SweepResult) -> list[SweepFigure]:
    """List a line plot against each key that needs few lines: one per value of another number, or per name."""
    numeric, parts = result.numeric, key_parts(result.numeric)
    if len(numeric) == 1:
        sides = [(numeric[0], result.names[0] if result.names else None)]
    elif len(numeric) == 2:
        sides = [(x, other) for x, other in (numeric, numeric[::-1]) if len(result.values(other)) <= MOST_LINES]
    else:
        sides = []
    sides = [(x, other) for x, other in sides if _has_cells(result, (x,) if other is None else (x, other))]
    found: list[SweepFigure] = []
    for quantity in quantities(result):
        if quantity.kind == "verdict" or not quantity.shows(result):
            continue
        for x, other in sides:
            name = f"lines_{quantity.name}" + (f"_{parts[x]}" if len(sides) > 1 else "")
            found.append(SweepFigure(name, "sweep_lines.line_plot", (quantity, x, other)))
    return found


def _has_cells(result: SweepResult, keys: tuple[str, ...]) -> bool:
    """Whether a view along these keys shows any cell: keys of different optimizers have none in common."""
    return any(mask.any() for _, mask in view(result, keys).panels)


def _is_filled(result: SweepResult, keys: tuple[str, str]) -> bool:
    """Whether some panel of a map over these keys has a cell in a fifth of its places; of a large sweep it need not."""
    if result.cells > MOST_CHANGES:
        return _has_cells(result, keys)
    places = ([len(set(result.texts(key)[mask])) for key in keys] for _, mask in view(result, keys).panels)
    masks = (mask for _, mask in view(result, keys).panels)
    return any(mask.sum() >= max(0.2 * x * y, 3) for (x, y), mask in zip(places, masks, strict=True))


def _verdicts(result: SweepResult) -> list[SweepFigure]:
    """List the table of verdicts, where names are swept and the cells are few enough to be read one by one."""
    decided = any(result.verdict(answer).any() for answer in DECIDED)
    shown = bool(result.names) and 1 < result.cells <= MOST_CHANGES and decided
    return [SweepFigure("verdicts", "verdict_table.verdict_table", ())] if shown else []


def _dots(result: SweepResult) -> list[SweepFigure]:
    """List a dot plot for every quantity, one row per cell; differences first where each shows what one key changes."""
    shown = [quantity for quantity in quantities(result) if quantity.kind != "verdict" and quantity.shows(result)]
    changes = [quantity for quantity in shown if quantity.kind == "difference" and result.base is not None]
    others = [quantity for quantity in shown if quantity not in changes]
    named = [(quantity.name.replace("difference", "changes", 1), quantity) for quantity in changes]
    named += [(f"dots_{quantity.name}", quantity) for quantity in others]
    return [SweepFigure(name, "sweep_lines.dot_plot", (quantity,)) for name, quantity in named]
