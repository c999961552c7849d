"""Figures of a sweep: scales, marks and curves where they belong, nothing clipped, the same bytes again."""

import csv
import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.transforms import Bbox

from kit.layout import check_apart, luminance, shown
from kit.thorough import a_few
from nonconv.config.expression import ARGUMENTS, ON_NUMBERS
from nonconv.report.figures import heat_maps, sweep_curves
from nonconv.report.figures.axes import STYLE
from nonconv.report.figures.catalogue import sweep_figures, sweep_makers
from nonconv.report.figures.drawing import draw_folder
from nonconv.report.figures.heat_maps import heat_map, rectangles, short
from nonconv.report.figures.sweep_axes import line_axis, linear_ticks, log_ticks, swept_axis
from nonconv.report.figures.sweep_colours import VERDICTS, colours_for
from nonconv.report.figures.sweep_curves import BETAS, CONDITION, curves_of, difference, pretty
from nonconv.report.figures.sweep_lines import STYLES, line_plot
from nonconv.report.figures.verdict_table import verdict_table
from nonconv.report.sweep_result import (
    MOST_PANELS,
    SweepResult,
    brief_component,
    file_names,
    key_parts,
    quantities,
    read_sweep_result,
    view,
)
from nonconv.report.sweep_table import change_rows, short_rows

B1, B2 = BETAS
RATE, BATCH, NAME = "learning_rate.value", "batch_size.value", "optimizer.name"
Cell = tuple[Any, ...]
Change = Callable[[Cell, dict[str, Any]], None]


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield


def row_of(k: int, keys: Sequence[str], cell: Cell, xi: Sequence[str], floors: Sequence[str]) -> dict[str, Any]:
    """A finished cell, whose error is 1e-3 times a power of ten of its place."""
    value = 10.0 ** (-3 + (k % 7) / 2)
    row: dict[str, Any] = {"cell": f"{k:08x}"} | dict(zip(keys, cell, strict=True))
    row |= {"status": "done", "verdict": ("converges", "does_not_converge", "diverges")[k % 3], "paths": 100, "reason": "a, b"}
    measured = {f"mse_{label}": value for label in xi} | {f"slope_{label}": math.log10(value) for label in xi}
    measured |= {f"difference_{label}": value - 1e-3 if k else "" for label in xi} | dict.fromkeys(floors, value / 2)
    for name, at in measured.items():
        ends = ("", "", "") if at == "" else (value / 20, at - value / 10, at + value / 10)
        row |= dict(zip((name, f"{name}_se", f"{name}_low", f"{name}_high"), (at, *ends), strict=True))
    return row


def sweep(
    folder: Path, keys: Sequence[str], cells: list[Cell], change: Change = lambda cell, row: None, **about: Any
) -> SweepResult:
    """A sweep's folder, written and read. change: what is otherwise in a cell's row."""
    told: dict[str, Any] = {
        "schema_version": 1, "name": "a_sweep", "claim": "A claim about optimizers that is rather long, as claims may well be",
        "keys": list(keys), "xi": ["minimizer"], "floors": ["twin"], "curves": [], "baseline": "00000000",
        "cells": len(cells), "failed": 0, "steps": 10000, "paths": 100,
    } | about  # fmt: skip
    rows = [row_of(k, keys, cell, told["xi"], told["floors"]) for k, cell in enumerate(cells)]
    for cell, row in zip(cells, rows, strict=True):
        change(cell, row)
    folder.mkdir(exist_ok=True)
    (folder / "sweep.json").write_text(json.dumps(told))
    with (folder / "sweep.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return read_sweep_result(folder)


def grid(*values: Sequence[Any]) -> list[Cell]:
    return list(itertools.product(*values))


def near_one(count: int, last: float = 1e-4) -> list[float]:
    return [float(f"{v:.7g}") for v in 1 - np.geomspace(0.1, last, count)]


def laid_out(figure: Figure) -> Figure:
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure


def map_of(result: SweepResult, name: str = "mse") -> Figure:
    (quantity,) = [quantity for quantity in quantities(result) if quantity.name == name]
    return laid_out(heat_map(result, quantity, (result.numeric[0], result.numeric[1])))


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for box in figure.legends for text in box.get_texts()]


def marked(figure: Figure, gid: str) -> list[Bbox]:
    """Where a mark is, in data coordinates: an area for each rectangle or cross."""
    found = []
    for artist in figure.findobj(lambda artist: artist.get_gid() == gid):
        if isinstance(artist, LineCollection):
            found += [path.get_extents() for path in artist.get_paths()[: len(artist.get_paths()) // 2]]
        elif isinstance(artist, PathPatch):
            corners = np.asarray(artist.get_path().vertices).reshape(-1, 5, 2)
            found += [Bbox([box.min(axis=0), box.max(axis=0)]) for box in corners]
    return found


def covers(areas: list[Bbox], x: float, y: float) -> int:
    return sum(area.x0 < x < area.x1 and area.y0 < y < area.y1 for area in areas)


# Scales


@pytest.mark.parametrize(
    ("values", "on_map", "on_lines"),
    [
        ([0.1, 0.2, 0.3, 0.4], "linear", "linear"),
        ([1e-3, 1e-2, 1e-1], "log", "log"),
        ([1, 2, 5, 10, 20, 50], "log", "log"),
        ([0.9, 0.99, 0.999], "near_one", "near_one"),
        (near_one(20), "near_one", "near_one"),
        ([0.9, 0.99, 0.995, 0.999], "steps", "near_one"),
        ([0.0, 0.1, 0.5, 0.9, 0.99, 0.999], "steps", "near_one"),
        ([0.0, 1e-8, 1e-6, 1e-4], "steps", "steps"),
        ([-5.0, 0.0, 1.0, 20.0], "steps", "linear"),
        ([1, 2], "linear", "linear"),
        ([0.001, 0.1], "log", "log"),
        ([0.9, 0.999], "near_one", "near_one"),
    ],
)
def test_scales(values: list[float], on_map: str, on_lines: str) -> None:
    assert swept_axis("k", np.array(values, dtype=float)).scale == on_map
    assert line_axis("k", np.array(values, dtype=float)).scale == on_lines


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([1, 2, 3], [0.5, 1.5, 2.5, 3.5]),
        ([0.01, 0.1, 1], [10**-2.5, 10**-1.5, 10**-0.5, 10**0.5]),
        ([0.9, 0.99, 0.999], [10**-0.5, 10**-1.5, 10**-2.5, 10**-3.5]),
        ([0, 1, 5, 6], [-0.5, 0.5, 1.5, 2.5, 3.5]),
        ([3], [2.5, 3.5]),
    ],
)
def test_edges_are_half_way_on_the_scale(values: list[float], edges: list[float]) -> None:
    axis = swept_axis("k", np.array(values, dtype=float))
    np.testing.assert_allclose(axis.edges, edges)
    np.testing.assert_allclose(axis.values_at(axis.places(axis.values)), values)


def test_keys_near_one_grow_to_the_right_and_upwards(tmp_path: Path) -> None:
    axes = map_of(sweep(tmp_path, (B1, B2), grid([0.9, 0.99, 0.999], near_one(12)))).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("1 − β₁", "1 − β₂")
    assert axes.get_xscale() == axes.get_yscale() == "log"
    for low, high in (axes.get_xlim(), axes.get_ylim()):
        assert low > high
    assert [label.get_text() for label in axes.get_yticklabels()] == ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹"]


def test_ticks() -> None:
    assert log_ticks(0.9e-4, 1.1, 2.0)[1] == ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]
    assert log_ticks(0.9e-4, 1.1, 1.0)[1] == ["10⁻⁴", "10⁻²", "10⁰"]
    assert log_ticks(0.09, 0.6, 2.0)[1] == ["0.1", "0.2", "0.5"]
    assert len(log_ticks(0.011, 0.012, 2.0)[0]) == 2
    assert linear_ticks(-1.1, 1.1, 2.0)[1] == ["−1", "−0.5", "0", "0.5", "1"]


# Curves


def test_the_condition_is_drawn_once_over_betas_and_only_there() -> None:
    assert curves_of([], BETAS) == curves_of([], BETAS[::-1]) == [CONDITION]
    assert curves_of([f"sqrt( {B2} ) = {B1}"], BETAS) == [f"sqrt( {B2} ) = {B1}"]
    assert curves_of([f"{B1} = {B2}"], BETAS) == [f"{B1} = {B2}", CONDITION]
    assert curves_of([CONDITION], (B1, RATE)) == []
    of_panel = f"{B1} = {B2}**{RATE}"
    assert curves_of([of_panel], BETAS) == [CONDITION]
    assert curves_of([of_panel, f"{RATE} = 1"], BETAS, [RATE]) == [of_panel, CONDITION]
    assert curves_of([f"{B1} = 0.5", f"{RATE} = {B1}", "1 = 1", "(", "a = b = c"], BETAS) == [f"{B1} = 0.5", CONDITION]


def curve_points(figure: Figure, equation: str) -> np.ndarray[Any, Any]:
    (found,) = [artist for artist in figure.axes[0].collections if artist.get_gid() == f"curve {equation}"]
    assert isinstance(found, ContourSet)
    return np.concatenate([np.asarray(path.vertices) for path in found.get_paths()])


def test_curves_lie_where_their_equation_holds(tmp_path: Path) -> None:
    other = f"{B1} = {B2} ** 3"
    figure = map_of(sweep(tmp_path, (B1, B2), grid(near_one(12), near_one(12)), curves=[other]))
    points = {equation: 1 - curve_points(figure, equation) for equation in (CONDITION, other)}
    np.testing.assert_allclose(points[CONDITION][:, 0], np.sqrt(points[CONDITION][:, 1]), atol=1e-6)
    np.testing.assert_allclose(points[other][:, 0], points[other][:, 1] ** 3, atol=1e-6)
    assert np.abs(points[other][:, 0] - np.sqrt(points[other][:, 1])).max() > 0.1, "another equation lies elsewhere"
    assert legend(figure)[:2] == ["β₁ = β₂ ^ 3", "β₁ = √β₂"]


def test_curves_have_the_numbers_of_their_panel(tmp_path: Path) -> None:
    """Panels of exponents 1 and 3 have curves of their own; the legend has one line for both."""
    equation = f"{B1} = {B2} ** {RATE}"
    cells = [(b1, b2, rate) for b1, b2 in grid([0.1, 0.5, 0.9], [0.1, 0.5, 0.9]) for rate in (1, 3)]
    figure = map_of(sweep(tmp_path, (B1, B2, RATE), cells, curves=[equation]))
    for axes, exponent in zip(figure.axes[:2], (1, 3), strict=True):
        (found,) = [artist for artist in axes.collections if artist.get_gid() == f"curve {equation}"]
        points = np.concatenate([np.asarray(path.vertices) for path in found.get_paths()])
        np.testing.assert_allclose(points[:, 0], points[:, 1] ** exponent, atol=2e-3)
    assert legend(figure)[:2] == ["β₁ = β₂ ^ γ", "β₁ = √β₂"]


@pytest.mark.parametrize(
    "equation",
    [
        f"sqrt({B1} - 2) = {B2}",
        f"{B1}.tofile('x') = {B2}",
        f"nonsense({B1}) = {B2}",
        f"sqrt({B1}, 1, 2, 3, 4) = {B2}",
        f"[{B1}] = {B2}",
    ],
)
def test_curves_that_are_nowhere_are_said_to_be(tmp_path: Path, equation: str) -> None:
    axis = swept_axis(B1, np.array([0.1, 0.2, 0.3])), swept_axis(B2, np.array([0.1, 0.2, 0.3]))
    assert np.isnan(difference(equation, *axis)[2]).all()
    figure = map_of(sweep(tmp_path, BETAS, grid([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]), curves=[equation]))
    assert (f"{pretty(equation)}: nowhere defined" in legend(figure)) == bool(curves_of([equation], BETAS)[1:])


def test_curves_are_written_in_symbols() -> None:
    assert pretty(CONDITION) == "β₁ = √β₂"
    assert pretty(f"{B1}**2=1-sqrt(1-{B2})") == "β₁² = 1−√(1−β₂)"


# Names


def names_of(result: SweepResult) -> tuple[str, ...]:
    return tuple(figure.name for figure in sweep_figures(result))


def test_names_of_figures(tmp_path: Path) -> None:
    two = grid([0.1, 0.2, 0.3], near_one(8))
    names = names_of(sweep(tmp_path, BETAS, two))
    assert names[:4] == ("heatmap_mse", "heatmap_slope", "heatmap_twin", "heatmap_verdict")
    assert names[4:] == ("lines_mse", "lines_slope", "lines_difference", "lines_twin", "curves"), "a line for each of three β₁"
    names = names_of(sweep(tmp_path, BETAS, two, xi=["minimizer", "(0.1 0.2)"], floors=[]))
    assert set(names) >= {"heatmap_mse_minimizer", "heatmap_mse_0.1_0.2", "lines_difference_0.1_0.2"}
    assert not any("twin" in name for name in names)
    names = names_of(sweep(tmp_path, (B1, RATE, BATCH), grid([0.1, 0.2], [1, 2], [3, 4])))
    assert {name for name in names if "mse" in name} == {
        "heatmap_mse_beta1_learning_rate_value", "heatmap_mse_beta1_batch_size_value",
        "heatmap_mse_learning_rate_value_batch_size_value",
    }  # fmt: skip
    assert names_of(sweep(tmp_path, (RATE, NAME), grid([1, 2], ["adam", "sgd"])))[0] == "lines_mse"
    assert names_of(sweep(tmp_path, (NAME,), grid(["adam", "sgd"])))[0] == "dots_mse"


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    def unmeasured(cell: Cell, row: dict[str, Any]) -> None:
        row |= {"verdict": "undecided", "twin": "", "slope_minimizer": ""}

    names = names_of(sweep(tmp_path, BETAS, grid(near_one(8), near_one(8)), unmeasured))
    assert names == ("heatmap_mse", "curves")


def test_keys_that_change_together_have_no_map(tmp_path: Path) -> None:
    together = sweep(tmp_path, BETAS, [(0.1, 0.2), (0.2, 0.3), (0.3, 0.4)])
    assert not any("heatmap" in name for name in names_of(together))


def test_parts_of_file_names() -> None:
    assert file_names(["a b", "a/b", "-0.5", "0.5", "()"]) == ["a_b", "a_b_2", "-0.5", "0.5", "x"]
    keys = [B1, RATE, BATCH, "value"]
    assert list(key_parts(keys).values()) == ["beta1", "learning_rate_value", "batch_size_value", "value"]


# Marks of a map


def marks(cell: Cell, row: dict[str, Any]) -> None:
    """Of a 5 x 5 grid of 1 to 5."""
    row |= {
        (1, 1): {"verdict": "undecided"},
        (2, 1): {"verdict": "undecided"},
        (5, 5): {"verdict": "undecided", "mse_minimizer": "nan"},
        (3, 3): {"status": "failed", "verdict": "", "mse_minimizer": "", "twin": ""},
        (4, 4): {"mse_minimizer": "inf", "twin": ""},
    }.get(cell, {})


def test_a_map_of_nothing_that_is_known(tmp_path: Path) -> None:
    """As of an xi that other cells have."""
    result = sweep(tmp_path, (RATE, BATCH), grid([1, 2], [1, 2]), lambda cell, row: row.update({"mse_minimizer": ""}))
    figure = laid_out(heat_map(result, quantities(result)[0], (RATE, BATCH)))
    assert "not known" in legend(figure)


@pytest.fixture
def marked_sweep(tmp_path: Path) -> SweepResult:
    cells = [cell for cell in grid(range(1, 6), range(1, 6)) if cell != (1, 5)]
    return sweep(tmp_path, (RATE, BATCH), cells, marks)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mse", "twin", "slope", "verdict"])
def test_undecided_cells_are_hatched_and_failed_ones_crossed(marked_sweep: SweepResult, name: str) -> None:
    figure = map_of(marked_sweep, name)
    for x, y in grid(range(1, 6), range(1, 6)):
        assert covers(marked(figure, "undecided"), x, y) == ((x, y) in {(1, 1), (2, 1), (5, 5)})
        assert covers(marked(figure, "failed"), x, y) == ((x, y) == (3, 3))
    assert {"failed", "not in the sweep"} < set(legend(figure))
    assert any(text.startswith("undecided") for text in legend(figure))


@pytest.mark.parametrize(
    ("name", "cells", "label"),
    [("mse", {(4, 4), (5, 5)}, "not finite"), ("twin", {(4, 4)}, "not known"), ("slope", set(), "")],
)
def test_cells_without_a_number_are_grey(marked_sweep: SweepResult, name: str, cells: set[Cell], label: str) -> None:
    figure = map_of(marked_sweep, name)
    flat, colours = (
        np.ma.getmaskarray(np.ma.asarray(mesh.get_array())) for mesh in figure.axes[0].collections if isinstance(mesh, QuadMesh)
    )
    for x, y in grid(range(1, 6), range(1, 6)):
        assert covers(marked(figure, "not finite"), x, y) == ((x, y) in cells)
        assert flat[y - 1, x - 1] == ((x, y) not in cells)
        assert colours[y - 1, x - 1] == ((x, y) in {*cells, (3, 3), (1, 5)})
    assert {text for text in legend(figure) if text.startswith("not ")} - {"not in the sweep"} == ({label} - {""})


def test_a_map_without_marks_has_none(tmp_path: Path) -> None:
    figure = map_of(sweep(tmp_path, (RATE, BATCH), grid([1, 2, 3], [1, 2, 3])))
    assert not legend(figure)
    assert not any(marked(figure, gid) for gid in ("undecided", "failed", "not finite"))


def test_neighbours_in_a_row_share_a_rectangle() -> None:
    axis = swept_axis("k", np.arange(4.0))
    mask = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]], dtype=bool)
    assert rectangles(mask, axis, axis) == [
        (-0.5, 1.5, -0.5, 0.5), (2.5, 3.5, -0.5, 0.5), (-0.5, 3.5, 1.5, 2.5), (0.5, 1.5, 2.5, 3.5),
    ]  # fmt: skip


def test_verdicts_are_counted_and_can_be_told_apart_in_grey(marked_sweep: SweepResult) -> None:
    counts = {answer: int(marked_sweep.verdict(answer).sum()) for answer in VERDICTS}
    told = legend(map_of(marked_sweep, "verdict"))
    assert {f"undecided ({counts['undecided']})", f"does not converge ({counts['does_not_converge']})"} < set(told)
    shades = sorted((luminance(colour) for colour in VERDICTS.values()), reverse=True)
    assert all((a + 0.05) / (b + 0.05) > 1.4 for a, b in itertools.pairwise(shades))


def test_numbers_are_in_cells_of_small_maps_alone(tmp_path: Path) -> None:
    small = map_of(sweep(tmp_path, (RATE, BATCH), grid([1, 2, 3], [1, 2, 3])))
    assert len(small.axes[0].texts) == 9
    large = map_of(sweep(tmp_path, (RATE, BATCH), grid(range(1, 10), range(1, 10))))
    assert not large.axes[0].texts
    assert [short(value, "") for value in (0.5, 0.00098, 123456.0, -0.25, 0.0)] == ["0.5", "9.8e−4", "1.2e5", "−0.25", "0"]
    assert short(math.inf, "inf") == "inf"


# Colours


def test_colour_scales() -> None:
    wide = colours_for("positive", np.array([1e-3, 1e-2, 1.0]))
    assert isinstance(wide.norm, LogNorm)
    assert (wide.norm.vmin, wide.norm.vmax, wide.extend) == pytest.approx((1e-3, 1.0, "neither"))
    narrow = colours_for("positive", np.array([1.0, 2.0]))
    assert (type(narrow.norm).__name__, narrow.norm.vmin, narrow.norm.vmax) == ("Normalize", 1.0, 2.0)
    slope = colours_for("slope", np.array([-1.0, 0.25, 0.5]))
    assert (slope.norm.vmin, slope.norm.vmax) == (-1.0, 1.0)


def test_extreme_values_do_not_break_the_scale() -> None:
    usual = np.geomspace(1e-3, 1e-1, 100)
    extreme = colours_for("positive", np.array([*usual, 1e-250, 0.0, -1.0, 1e100, 1e308]))
    assert 1e-6 < extreme.norm.vmin < 1e-4
    assert 1.0 < extreme.norm.vmax < 100.0
    assert extreme.extend == "both"
    for values in ([], [0.0], [-1.0], [5.0], [1e308], [0.0, 1e200]):
        for kind in ("positive", "slope"):
            norm = colours_for(kind, np.array(values)).norm
            assert norm.vmin < norm.vmax


# Panels and lines


def test_panels_are_the_values_of_a_third_key(tmp_path: Path) -> None:
    names = [f"optimizer {k}" for k in range(8)]
    result = sweep(tmp_path, (B1, B2, NAME, RATE), grid([0.1, 0.2, 0.3], [0.4, 0.5, 0.6], names, [1, 2, 3]))
    figure = map_of(result)
    titles = [axes.get_title(loc="left") for axes in figure.axes[:-1]]
    assert len(titles) == MOST_PANELS
    assert (titles[0], titles[-1]) == ("optimizer = optimizer 0", "optimizer = optimizer 7")
    title = figure.get_suptitle()
    assert "γ = 2" in title
    assert "6 of 8 values of optimizer" in title
    norms = {id(mesh.norm) for axes in figure.axes[:-1] for mesh in axes.collections[1:2] if isinstance(mesh, QuadMesh)}
    assert len(norms) == 1


def test_cells_that_lack_a_key_of_the_axes_are_said_to_be_left_out(tmp_path: Path) -> None:
    cells = [*grid(["adam"], [0.1, 0.2, 0.3], [1, 2, 3]), *grid(["sgd"], [""], [1, 2, 3])]
    result = sweep(tmp_path, (NAME, B1, RATE), cells)
    assert result.numeric == [B1, RATE]
    assert "3 cells without β₁ or γ not shown" in map_of(result).get_suptitle()
    seen = view(result, (RATE,))
    assert [(value, mask.sum()) for value, mask in seen.panels] == [("adam", 3), ("sgd", 3)], "β₁ is fixed where it exists"


def test_keys_that_are_never_there_together_have_rows_alone(tmp_path: Path) -> None:
    cells: list[Cell] = [("adam", b, "") for b in (0.1, 0.2)] + [("sgd", "", m) for m in (1, 2)]
    names = names_of(sweep(tmp_path, (NAME, B1, BATCH), cells))
    assert names
    assert all(name.startswith("dots_") for name in names if name not in ("curves", "verdicts"))
    cells = [("adam", b, 1) for b in (0.1, 0.2)] + [("sgd", "", 2)]
    result = sweep(tmp_path, (NAME, B1, BATCH), cells)
    assert "lines_mse" in names_of(result), "along the other key, which alone tells cells apart"
    for maker in sweep_makers(result).values():
        check_layout(laid_out(maker()))


def test_lines_show_the_data_in_order_with_verdicts(tmp_path: Path) -> None:
    result = sweep(tmp_path, (RATE, NAME), grid([0.1, 0.001, 1, 0.01], ["adam", "sgd"]), lambda cell, row: row.update(
        {"verdict": "undecided"} if cell == (0.01, "sgd") else {"mse_minimizer": "inf"} if cell == (1, "adam") else {}
    ))  # fmt: skip
    figure = laid_out(line_plot(result, quantities(result)[0], RATE, NAME))
    adam, sgd = (line for line in figure.axes[0].lines if line.get_linestyle() != "None")
    rate, error = result.numbers(RATE), result.numbers("mse_minimizer")
    for line, name in ((adam, "adam"), (sgd, "sgd")):
        own = np.flatnonzero(result.equal(NAME, name))
        own = own[np.argsort(rate[own])]
        np.testing.assert_array_equal(line.get_xdata(), rate[own])
        np.testing.assert_array_equal(line.get_ydata(), np.where(np.isinf(error[own]), np.nan, error[own]))
    hollow = [line for line in figure.axes[0].lines if line.get_gid() == "undecided" and np.size(line.get_xdata())]
    assert [(list(np.asarray(line.get_xdata())), line.get_markerfacecolor()) for line in hollow] == [([0.01], "white")]
    assert legend(figure)[:2] == ["optimizer = adam", "optimizer = sgd"]
    assert {"undecided", "too large or not finite"} < set(legend(figure))
    assert len(STYLES) == MOST_PANELS


def test_long_numbers_are_said_with_the_digits_that_tell_them_apart(tmp_path: Path) -> None:
    rates = [0.07333333333333333, 0.07334444444444444, 0.5, 123456.789012]
    result = sweep(tmp_path, (BATCH, RATE), grid([1, 100000], rates))
    figure = laid_out(line_plot(result, quantities(result)[0], BATCH, RATE))
    assert legend(figure)[:4] == ["γ = 0.07333", "γ = 0.07334", "γ = 0.5", "γ = 1.23e+05"]
    assert [result.brief(BATCH, value) for value in result.values(BATCH)] == ["1", "100000"]
    assert result.brief(RATE, "0.07333333333333333") == "0.07333"
    assert result.brief(RATE, "a long name of something") == "a long name of something"


def test_of_keys_that_change_together_the_fewest_lead(tmp_path: Path) -> None:
    """A number rather than a list, unless the list alone tells the cells apart."""
    betas, values = ("optimizer.beta1", "optimizer.beta2"), "objective.data.values"
    cells: list[Cell] = [(3, "[1, 2]", 0.1), (3, "[1, 2]", 0.2), (5, "[1, 4]", 0.1), (5, "[1, 4]", 0.2)]
    assert sweep(tmp_path / "a", ("objective.constants.n", values, RATE), cells).swept == ["objective.constants.n", RATE]
    cells = [(0, 0.999, "[0, 1]"), (0.5, 0.9, "[0, 2]"), (0.9, 0.99, "[0, 3]"), (0.9, 0.999, "[0, 4]")]
    assert sweep(tmp_path / "b", (*betas, values), cells).swept == [values]


def test_a_component_is_said_by_its_name_and_what_tells_it_apart() -> None:
    """From others of its name alone; a component that is written as its name has none of the parameters."""
    values = {
        "adam": "adam",
        "{name: adam, eps: 1.0e-08, beta1: 0.5}": "adam (eps 1e-08, beta1 0.5)",
        "{name: adam, beta2: {name: one_minus_power, exponent: 1}}": "adam (beta2 one_minus_power (exponent 1))",
        "{name: adam, beta2: {name: one_minus_power, exponent: 2}}": "adam (beta2 one_minus_power (exponent 2))",
        "{name: rmsprop, beta2: 0.5}": "rmsprop",
        "{name: sgd, clip_norm: null}": "sgd (clip_norm null)",
        "{name: sgd, clip_norm: 1}": "sgd (clip_norm 1)",
        "{low: 1}": "{low: 1}",
    }
    assert {value: brief_component(value, values) for value in values if value.startswith("{")} == {
        value: brief for value, brief in values.items() if value.startswith("{")
    }


# The table of verdicts


def verdicts_of(result: SweepResult) -> dict[str, list[str]]:
    """The cells of each panel in words by row, as they are drawn, and the headings of its columns."""
    figure = laid_out(verdict_table(result))
    found: dict[str, list[str]] = {}
    for axes in figure.axes:
        words = [text.get_text().replace("\n", " ") for text in axes.texts]
        across = len(axes.get_xticklabels())
        found |= {axes.get_title(loc="left"): [" | ".join(words[k : k + across]) for k in range(0, len(words), across)]}
    return found


def labels_of(result: SweepResult) -> tuple[list[str], list[str]]:
    """The names of the rows and of the columns."""
    axes = laid_out(verdict_table(result)).axes[0]
    rows, columns = ([label.get_text() for label in ticks] for ticks in (axes.get_yticklabels(), axes.get_xticklabels()))
    return rows, [column.replace("\n", " ") for column in columns]


def test_a_table_of_verdicts_has_a_row_per_strategy_and_a_column_per_problem(tmp_path: Path) -> None:
    problems = [f"{{name: quadratic, data: {{name: two_point, p_high: {p}}}}}" for p in (0.5, 0.25)]
    adam, long = "{name: adam, beta2: 0.9}", "{name: adam, beta2: {name: one_minus_power, exponent: 1}}"
    strategies = [(adam, "1"), (long, "1"), ("sgd", "1"), (adam, "{name: power, exponent: 0.5}")]
    cells = [(problem, *strategy) for problem in problems for strategy in strategies]

    def judged(cell: Cell, row: dict[str, Any]) -> None:
        row |= {"verdict": "diverges" if cell[1] == "sgd" else "does_not_converge", "verdict polyak": "converges"}
        row |= {"status": "failed", "verdict": ""} if cell[0] == problems[1] and cell[1] == "sgd" else {}

    result = sweep(tmp_path, ("objective", "optimizer", "batch_size"), cells, judged, iterates=["polyak"])
    assert names_of(result)[-1] == "verdicts"
    assert labels_of(result) == (
        ["adam", "adam (β₂ one_minus_power exponent 1)", "sgd", "adam, batch_size power (exponent 0.5)"],
        ["p_high 0.5", "p_high 0.25"],
    )
    assert verdicts_of(result) == {
        "last": [*["does not converge | does not converge"] * 2, "diverges | failed", "does not converge | does not converge"],
        "polyak": [*["converges | converges"] * 2, "converges | failed", "converges | converges"],
    }


def test_which_sweeps_have_a_table_of_verdicts(tmp_path: Path) -> None:
    assert names_of(sweep(tmp_path, (NAME,), grid(["adam", "sgd"])))[-1] == "verdicts"
    for keys, cells in (
        (BETAS, grid([0.1, 0.2, 0.3], near_one(8))),
        ((RATE,), grid([0.1, 0.2])),
        ((NAME, "objective.name"), grid(LONG, LONG)),
    ):
        assert "verdicts" not in names_of(sweep(tmp_path, keys, cells))
    assert "verdicts" not in names_of(sweep(tmp_path, (NAME,), grid(["adam", "sgd"]), hopeless))


# Whole figures


def troubled(cell: Cell, row: dict[str, Any]) -> None:
    """A few cells of every kind, by a number made of the row's own."""
    k = int(row["cell"], 16) * 7919 % 23
    lost = {"mse_minimizer": ("inf", "nan", "1e300", "1e-300", "0.0", "-1.0")[k % 6]} if k < 12 else {}
    row |= lost | ({"verdict": "undecided"} if k % 5 == 0 else {}) | ({"status": "failed", "verdict": ""} if k == 3 else {})


def hopeless(cell: Cell, row: dict[str, Any]) -> None:
    row |= {"mse_minimizer": "inf", "mse_minimizer_low": "nan", "mse_minimizer_high": "nan", "verdict": "undecided"}


LONG = ["an optimizer whose name does not end soon " + "x" * k for k in range(9)]
PROBLEM = "{name: quadratic, data: {name: two_point, p_high: 0.25}}"
CASES: dict[str, tuple[Sequence[str], list[Cell], Change]] = {
    "betas": (BETAS, grid(near_one(20), near_one(20)), troubled),
    "irregular": (BETAS, grid([0, 0.1, 0.5, 0.9, 0.99, 0.9999], [0, 0.1, 0.312345, 0.9, 0.95, 0.99, 0.999]), troubled),
    "many irregular": ((RATE, BATCH), grid([k**3 for k in range(30)], [k**4 for k in range(40)]), troubled),
    "three by three": ((RATE, "optimizer.eps"), grid([0.001, 0.01, 0.1], [1e-8, 1e-6, 1e-4]), troubled),
    "two by two": ((RATE, BATCH), grid([0.1, 0.2], [1, 2]), troubled),
    "eight by eight": ((RATE, BATCH), grid(np.geomspace(1e-3, 0.3, 8).tolist(), [2**k for k in range(8)]), troubled),
    "narrow": ((RATE, BATCH), grid(np.geomspace(0.011, 0.013, 12).tolist(), np.linspace(1000, 1001, 11).tolist()), troubled),
    "panels": ((*BETAS, NAME), grid(near_one(5), near_one(9), LONG), troubled),
    "five panels": ((*BETAS, NAME), grid(near_one(5), near_one(9), LONG[:5]), troubled),
    "one key": ((RATE,), grid(np.geomspace(1e-4, 10, 12).tolist()), troubled),
    "one key, many": ((B2,), grid(near_one(60)), troubled),
    "lines": ((RATE, NAME), grid(np.geomspace(1e-4, 10, 8).tolist(), LONG), troubled),
    "panels of lines": ((RATE, NAME, "objective.name"), grid([1, 2, 4], ["adam", "sgd"], LONG), troubled),
    "names": ((NAME,), grid(LONG), troubled),
    "many names": ((NAME, "objective.name"), grid(LONG, LONG), troubled),
    "strategies": (
        (NAME, "objective", RATE),
        [(name, PROBLEM, rate) for name in LONG for rate in ("0.1", "{name: power, value: 0.5}")],
        troubled,
    ),
    "one cell": ((NAME,), grid(["adam"]), lambda cell, row: None),
    "hopeless map": ((RATE, BATCH), grid([0.1, 0.2], [1, 2]), hopeless),
    "hopeless line": ((RATE,), grid([0.1, 0.2]), hopeless),
    "hopeless names": ((NAME,), grid(["adam", "sgd"]), hopeless),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", a_few(CASES, {*CASES} - {"panels", "many irregular", "one key, many", "strategies"}))
def test_nothing_is_clipped_or_run_together(tmp_path: Path, name: str) -> None:
    """With several panels floors are left out: they are drawn as errors are."""
    keys, cells, change = CASES[name]
    floors = [] if len(cells) > 40 else ["twin"]
    makers = sweep_makers(sweep(tmp_path, keys, cells, change, curves=[f"{B1} = {B2}"], floors=floors))
    assert makers
    for maker in makers.values():
        check_layout(laid_out(maker()))


def check_layout(figure: Figure) -> None:
    """As for a run's figures, and the legend is below the axes and their labels."""
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height
    assert 3.3 < width < 7.2
    for axes in figure.axes:
        assert axes.get_position().width * width > (1.2 if axes.get_label() != "<colorbar>" else 0.05)
        for axis in (axes.xaxis, axes.yaxis):
            check_apart([label for label in axis.get_ticklabels() if label.get_text() and shown(label, axes)])
        outer = axes.get_tightbbox()
        assert outer is not None
        for below in figure.legends:
            assert below.get_window_extent().y1 <= outer.y0


@pytest.mark.slow
def test_files_are_the_same_again_alone_or_together(tmp_path: Path) -> None:
    result = sweep(tmp_path, (*BETAS, NAME), grid(near_one(3), near_one(4), ["adam", "sgd"]), troubled)
    names = ("heatmap_mse", "lines_mse_beta1")
    files = draw_folder(result.folder, names)
    assert set(files) == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    assert files == {key: content for name in names for key, content in draw_folder(result.folder, (name,)).items()}
    assert b"<dc:date>" not in files["heatmap_mse.svg"]


@pytest.mark.slow
def test_a_large_map_is_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 101 x 101 cells, of which every other is undecided, the outlines alone would be as large as all the rest."""

    def chequered(cell: Cell, row: dict[str, Any]) -> None:
        row |= {"verdict": "undecided"} if int(row["cell"], 16) % 2 else {}

    cells = grid(np.linspace(0, 0.98, 101).tolist(), np.linspace(0.01, 1, 101).tolist())
    result = sweep(tmp_path, BETAS, cells, chequered)
    assert result.verdict("undecided").sum() == 101**2 // 2
    files = draw_folder(result.folder, ("heatmap_mse",))
    assert len(files["heatmap_mse.png"]) < 4e5
    assert len(files["heatmap_mse.svg"]) < 4e5
    monkeypatch.setattr(heat_maps, "MOST_VECTORS", 101**2)
    assert len(draw_folder(result.folder, ("heatmap_mse",), ("svg",))["heatmap_mse.svg"]) > 5e5


def test_curves_know_the_functions_that_conditions_know() -> None:
    """A curve that a config admits can be drawn."""
    assert sweep_curves.ON_ARRAYS.functions.keys() == ON_NUMBERS.functions.keys() == ARGUMENTS.keys()
    assert sweep_curves.ON_ARRAYS.operators.keys() == ON_NUMBERS.operators.keys()
    numbers = np.array([0.5, 2.0])
    for name, arguments in {"log": (numbers, 10.0), "min": (numbers, 1.0, 0.7), "max": (numbers, 1.0)}.items():
        one_by_one = [ON_NUMBERS.functions[name](number, *arguments[1:]) for number in numbers.tolist()]
        np.testing.assert_allclose(sweep_curves.ON_ARRAYS.functions[name](*arguments), one_by_one, rtol=1e-15)


# Extremes


EXTREME_AXES: dict[str, list[Any]] = {
    "far apart": [1e-300, 1e-8],
    "both ends": [-1e308, 1e308],
    "all doubles": [-1e308, 0.0, 5e-324, 1.0, 1.7976931348623157e308],
    "denormal": [5e-324, 1e-323],
    "neighbours": [1.0, 1.0000000000000002],
    "next to one": [0.5, 1 - 2e-16, 1 - 1e-16],
}
EXTREME_VALUES = (0.0, 5e-324, 1e-300, 1e-160, 1.0, 1.0000000000000002, 1e160, 1e300, 1.7e308, math.inf, math.nan)


def extreme(cell: Cell, row: dict[str, Any]) -> None:
    """Put any double into every number of a row, differences and slopes with signs; intervals reach from end to end."""
    place = int(row["cell"], 16)
    for k, name in enumerate(name for name in row if name.startswith(("mse_", "slope_", "difference_", "twin"))):
        value = EXTREME_VALUES[(3 * place + k) % len(EXTREME_VALUES)]
        signed = name.startswith(("slope_", "difference_")) and place % 2
        row[name] = -value if signed else value
        if name.endswith(("_low", "_high")):
            row[name] = {"w": -1.7e308, "h": 1.7e308}[name[-1]]


@pytest.mark.slow
@pytest.mark.parametrize("values", EXTREME_AXES.values(), ids=list(EXTREME_AXES))
def test_every_double_can_be_drawn(tmp_path: Path, values: list[Any]) -> None:
    """Along both axes, as a value, as an end of an interval and in a curve. A warning fails this."""
    keys = ("optimizer.eps", "start")
    other = [*EXTREME_AXES["all doubles"], 1e300]
    along = sweep(tmp_path / "map", keys, grid(values, other), extreme, curves=["start = optimizer.eps"])
    for figure in sweep_figures(along):
        if figure.name.startswith(("heatmap_mse", "heatmap_slope", "lines_difference")):
            laid_out(sweep_makers(along)[figure.name]())
    for make in sweep_makers(sweep(tmp_path / "lines", keys[:1], grid(values), extreme)).values():
        laid_out(make())
    axis = line_axis("start", np.array(sorted(values)))
    assert len(set(axis.places(axis.values).tolist())) == len(values), "no two values lie in one place"


def test_zero_has_a_colour_and_a_name_on_a_log_scale(tmp_path: Path) -> None:
    def change(cell: Cell, row: dict[str, Any]) -> None:
        if cell[0] == 0.1:
            row["mse_minimizer"] = 0.0

    figure = map_of(sweep(tmp_path, (RATE, BATCH), grid([0.1, 0.2, 0.4], [1, 2, 4, 8]), change))
    assert "zero" in legend(figure)
    assert "zero" not in legend(map_of(sweep(tmp_path, (RATE, BATCH), grid([0.1, 0.2, 0.4], [1, 2, 4, 8]))))


def test_names_are_no_formulas(tmp_path: Path) -> None:
    """Nor lines: a claim and names of any characters are shown as they are, without those that cannot be."""
    names, claim = [r"$x_{^ \tfrac", "a\x1b[31m|b"], "first $\nthen \u202e_x_ $"
    result = sweep(tmp_path, ("optimizer.name",), grid(names), claim=claim)
    figure = laid_out(next(iter(sweep_makers(result).values()))())
    assert r"first $ then \u202e_x_ $" in " ".join(figure.get_suptitle().split())
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [r"$x_{^ \tfrac", r"a\u001b[31m|b"]


def test_files_of_figures_have_names_that_fit(tmp_path: Path) -> None:
    xi = [" ".join(["0.123456789"] * 40), " ".join(["0.123456789"] * 41)]
    result = sweep(tmp_path, ("optimizer." + "beta" * 60, "optimizer." + "eps" * 80), grid([0.1, 0.2], [1, 2]), xi=xi)
    names = [figure.name for figure in sweep_figures(result)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) < 200


# Designs that are no grids

ONE_AT_A_TIME: list[Cell] = [(0.9, 0.999, 1), (0.0, 0.999, 1), (0.9, 0.9, 1), (0.9, 0.999, 8)]


def test_a_one_at_a_time_design_is_shown_whole(tmp_path: Path) -> None:
    """One row per cell, named by the key that it changes; no map of single cells."""
    result = sweep(tmp_path, (B1, B2, BATCH), ONE_AT_A_TIME)
    assert result.base == 0
    assert [result.change(k) for k in range(4)] == ["", B1, B2, BATCH]
    makers = sweep_makers(result)
    assert list(makers) == ["changes", "dots_mse", "dots_slope", "dots_twin", "curves"]
    figure = laid_out(makers["changes"]())
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["baseline", "β₁ = 0.0", "β₂ = 0.9", "M = 8"]
    assert "baseline: β₁ = 0.9, β₂ = 0.999, M = 1" in " ".join(figure.get_suptitle().split())


def test_the_table_of_what_each_change_does(tmp_path: Path) -> None:
    """Its numbers are the paired differences of sweep.csv."""
    result = sweep(tmp_path, (B1, B2, BATCH), ONE_AT_A_TIME)
    _, header, rows = change_rows(result)
    assert header == ["changed", "from", "to", "minimizer, difference", "verdict"]
    assert rows[2][:3] == [BATCH, "1", "8"]
    assert float(rows[2][3].split(" ± ")[0]) == pytest.approx(float(result.columns["difference_minimizer"][3]), rel=0.1)
    assert change_rows(sweep(tmp_path, (B1, B2), grid([0, 0.9], [0.9, 0.99])))[2] == []


@pytest.mark.parametrize(
    ("cells", "base"),
    [
        ([(0.9, 0.999, 1), (0.0, 0.9, 1), (0.9, 0.9, 1)], 2),
        ([(0.9, 0.999, 1), (0.0, 0.9, 1), (0.9, 0.9, 8)], None),
        ([(0.9, 0.999, 1), (0.9, 0.99, 1), (0.9, 0.9, 1)], None),
        ([(0.9, 0.999, 1), (0.0, 0.999, 1)], None),
    ],
)
def test_what_is_a_one_at_a_time_design(tmp_path: Path, cells: list[Cell], base: int | None) -> None:
    """Not one key alone, which has lines; nor cells that differ in two keys."""
    assert sweep(tmp_path, (B1, B2, BATCH), cells).base == base


def test_scattered_cells_have_rows_and_no_maps(tmp_path: Path) -> None:
    cells = [(k / 10, 1 - 10.0**-k, 2**k, k * 1e-3) for k in range(1, 7)]
    scattered = [(a, cells[(k + 2) % 6][1], cells[(5 * k) % 6][2], cells[(k + 3) % 6][3]) for k, (a, *_) in enumerate(cells)]
    names = [figure.name for figure in sweep_figures(sweep(tmp_path, (B1, B2, BATCH, RATE), scattered))]
    assert names
    assert not any(name.startswith("heatmap") for name in names)


def test_nothing_is_shown_of_the_last_iterate(tmp_path: Path) -> None:
    """Its final error is 0 by definition."""
    result = sweep(tmp_path, (B1, B2), grid([0, 0.5, 0.9], [0.9, 0.99]), xi=["minimizer", "last"])
    assert not any("last" in figure.name for figure in sweep_figures(result))
    assert short_rows(result)[0] == [B1, B2, "minimizer", "verdict"]


@pytest.mark.parametrize("limits", [(1.0e-5, 9.9e-5), (-1234567.0, 7654321.0), (0.0, 1.0), (0.12345, 0.12346)])
def test_labels_side_by_side_do_not_overlap(limits: tuple[float, float]) -> None:
    places, labels = linear_ticks(*limits, 2.4, across=True)
    assert places
    assert 0.075 * sum(len(label) + 1 for label in labels) <= 2.4
