"""The curves of a sweep's cells in one figure: those of error.csv, named by what differs, whatever is swept."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.experiments import SGD, written
from nonconv.report.figures.axes import own_style
from nonconv.report.figures.catalogue import sweep_makers
from nonconv.report.figures.sweep_courses import FEW, read_courses
from nonconv.report.sweep_result import SweepResult, read_sweep_result
from nonconv.results.columns import read_columns
from nonconv.store.pack import CELLS_ARCHIVE
from nonconv.sweeps import cells as cells_module
from nonconv.sweeps.executors.threads import open_threads
from nonconv.sweeps.loop import run_sweep
from nonconv.sweeps.sweep import read_sweep, survey

SMALL: dict[str, Any] = SGD | {
    "paths": 8,
    "steps": 12,
    "learning_rate": {"name": "constant", "value": 0.1},
    "xi": ["minimizer", "last"],
    "floors": {"twin": False, "window": False, "cauchy": False},
    "record": {"points": 5, "paths": 1},
}
RATES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8]


def swept(folder: Path, grid: dict[str, Any], **config: Any) -> SweepResult:
    sweep = read_sweep(written(folder / "in", SMALL | config | {"sweep": grid}))
    run_sweep(sweep, survey(sweep), folder / "out", partial(open_threads, sweep, 1), draw=lambda folder: dict)
    return read_sweep_result(folder / "out")


def curves(result: SweepResult, name: str = "curves") -> Any:
    with own_style():
        figure = sweep_makers(result)[name]()
        figure.draw_without_rendering()
    return figure


def drawn(figure: Any) -> list[Any]:
    return [
        np.asarray(line.get_ydata()) for axes in figure.axes for line in axes.lines if len(np.atleast_1d(line.get_xdata())) > 1
    ]


def test_few_cells_share_a_panel_and_are_named_by_what_differs(tmp_path: Path, reference: None) -> None:
    result = swept(tmp_path, {"optimizer": ["sgd", "adam"], "learning_rate.value": [0.1, 0.2]})
    figure = curves(result)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["sgd, γ = 0.1", "sgd, γ = 0.2", "adam, γ = 0.1", "adam, γ = 0.2"]
    for cell, curve in zip(result.columns["cell"], drawn(figure), strict=True):
        known = read_columns(result.folder / "cells" / cell / "error.csv").where("xi", "minimizer").numbers("mse")
        assert np.array_equal(curve, known)
    lines = figure.legends[0].get_lines()
    assert len({(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in lines}) == len(lines)


def test_a_curve_has_the_style_of_its_own_name(tmp_path: Path, reference: None) -> None:
    """Also where values are small whole numbers, as the numbers of cells are."""
    result = swept(tmp_path, {"seed": [1, 0], "batch_size": [1, 2]})
    figure = curves(result)
    named = [(line.get_color(), line.get_linestyle()) for line in figure.legends[0].get_lines()]
    lines = [line for axes in figure.axes for line in axes.lines if len(np.atleast_1d(line.get_xdata())) > 1]
    assert [(line.get_color(), line.get_linestyle()) for line in lines] == named
    assert len(set(named)) == 4


def test_a_number_becomes_a_colour_and_names_become_panels(tmp_path: Path, reference: None) -> None:
    result = swept(tmp_path, {"optimizer": ["sgd", "adam"], "learning_rate.value": RATES})
    assert result.cells > FEW
    figure = curves(result)
    panels, bar = figure.axes[:2], figure.axes[2]
    assert [axes.get_title(loc="left") for axes in panels] == ["optimizer = sgd", "optimizer = adam"]
    assert bar.get_ylabel() == "γ"
    for axes in panels:
        lines = [line for line in axes.lines if len(np.atleast_1d(line.get_xdata())) > 1]
        assert len(lines) == len(RATES)
        grey = [np.dot(line.get_color()[:3], (0.299, 0.587, 0.114)) for line in lines]
        assert np.all(np.diff(grey) > 0), "in grey too the order is seen"


@pytest.mark.parametrize(
    ("grid", "panels"),
    [
        ({"seed": list(range(12))}, 1),
        ({"optimizer": ["sgd", "adam", "rmsprop", "momentum"], "objective.data": ["two_point", "normal", "uniform"]}, 4),
        ({"optimizer.beta1": [0.1, 0.5, 0.9], "optimizer.beta2": [0.9, 0.99, 0.999, 0.9999]}, 3),
        ({"learning_rate": [0.1, {"name": "power", "value": 0.1, "exponent": 0.5}]}, 1),
        ({"learning_rate.value": [0.1, 1e200]}, 1),
        ({"zip": {"steps": [5, 9], "learning_rate.value": [0.1, 0.2]}}, 1),
    ],
)
def test_every_kind_of_sweep_has_curves(tmp_path: Path, reference: None, grid: dict[str, Any], panels: int) -> None:
    optimizer = {"optimizer": "adam"} if "optimizer.beta1" in grid else {}
    figure = curves(swept(tmp_path, grid, **optimizer))
    assert len([axes for axes in figure.axes if axes.get_ylabel() or axes.lines]) >= panels
    assert any(len(np.atleast_1d(line.get_xdata())) > 1 for axes in figure.axes for line in axes.lines)


def test_cells_in_an_archive_have_the_same_curves(tmp_path: Path, reference: None, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = {"learning_rate.value": RATES}
    plain = swept(tmp_path / "plain", grid)
    monkeypatch.setattr(cells_module, "FEW_CELLS", 2)
    packed = swept(tmp_path / "packed", grid)
    assert (packed.folder / CELLS_ARCHIVE).exists()
    one, other = (read_courses(result, range(result.cells), "minimizer") for result in (plain, packed))
    assert one.keys() == other.keys() == {*range(len(RATES))}
    assert all(np.array_equal(a, b, equal_nan=True) for k in one for a, b in zip(one[k][:4], other[k][:4], strict=True))


def test_names_tell_cells_apart_in_few_words(tmp_path: Path, reference: None) -> None:
    """Of ten cells with long settings, evenly chosen where no view has more than one of them."""
    adams = [{"name": "adam", "beta1": beta, "beta2": 0.99, "eps": 1e-3} for beta in (0.0, 0.5, 0.9)]
    rates = [0.1, {"name": "power", "value": 0.1, "exponent": 0.5}]
    data = [{"name": "two_point", "p_high": 0.25}, "normal"]
    figure = curves(swept(tmp_path, {"optimizer": [*adams, "sgd"], "learning_rate": rates, "objective.data": data}))
    names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert len(set(names)) == len(names) > 1
    assert not any("…" in name for name in names)


def test_medians_stand_in_for_infinite_means(tmp_path: Path, reference: None) -> None:
    objective = SMALL["objective"] | {"data": "cauchy"}
    result = swept(tmp_path, {"optimizer": ["sgd", "sign_descent"]}, objective=objective, xi=0.0)
    courses = read_courses(result, range(2), "0")
    assert [course.median for course in courses.values()] == [True, False]
    rows = read_columns(result.folder / "cells" / result.columns["cell"][0] / "quantities.csv").where("quantity", "q50: 0")
    assert np.array_equal(courses[0].mse, rows.numbers("value") ** 2)
    figure = curves(result, "curves")
    assert "(median of |Θₙ − ξ|)² where the mean is infinite" in " ".join(figure.get_suptitle().split())


def test_each_xi_has_a_figure_and_an_iterate_has_none(tmp_path: Path, reference: None) -> None:
    result = swept(
        tmp_path, {"seed": [1, 2]}, xi=["minimizer", 0.5, "last"], iterates=["last", {"name": "polyak", "after": 0.5}]
    )
    assert [name for name in sweep_makers(result) if name.startswith("curves")] == ["curves_minimizer", "curves_0.5"]
    assert len(drawn(curves(result, "curves_0.5"))) == 2
