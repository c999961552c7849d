"""Figures: nothing clipped or run together, the same bytes again, readable in grey, and what they show is the data."""

import dataclasses
import io
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from kit.experiments import SGD, written
from kit.layout import check_layout, laid_out, luminance, texts
from kit.runs import drawn
from kit.shipped import MET, SMALL, quickly
from kit.thorough import a_few
from nonconv import __main__, cli
from nonconv.experiment.binding import read_cell
from nonconv.report.figures import drawing, drawing_process, figures
from nonconv.report.figures.axes import STYLE
from nonconv.report.figures.catalogue import ALL_FIGURES, RUN_FIGURE_FILES, RUN_FIGURES, figure_names, load
from nonconv.report.figures.drawing import draw_folder
from nonconv.report.figures.figures import LINES, error_figure, paths_figure
from nonconv.report.figures.floors_figure import floors_figure
from nonconv.report.figures.panels import few_decades
from nonconv.report.figures.state_figure import state_figure
from nonconv.report.run import Errors, Run, read_run
from nonconv.study import loop as study

PLAIN = SGD | {"paths": 128, "steps": 300, "record": {"points": 40, "paths": 6}}
FIGURE_MAKERS = (error_figure, paths_figure)
FIGURES = ("error", "paths")
"""Of every run."""


def quadratic(**more: Any) -> dict[str, Any]:
    return {"objective": SGD["objective"] | more}


SEVEN_XI: list[Any] = ["minimizer", "start", "path_mean", "last", 0.5, [0.1, 0.2, 0.3], -0.5]
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "adam": {"optimizer": "adam"},
    "one of everything": {"paths": 1, "steps": 1, "record": {"points": 1, "paths": 0}},
    "three steps": {"steps": 3},
    "diverging": {"learning_rate": 1.2, "steps": 2500, "start": 1.0, "xi": ["minimizer", "path_mean", 0.5]},
    "never finite": {"optimizer": "adam", "start": 1e200},
    "no error": quadratic(data={"name": "discrete", "values": [0.0], "probabilities": [1.0]}) | {"xi": ["minimizer", "last"]},
    "hardly moving": {"learning_rate": 1e-12},
    "growing batch": {"batch_size": {"name": "power", "value": 1, "exponent": 0.5}},
    "warm-up": {"learning_rate": {"name": "power", "value": 0.3, "exponent": 0.5, "warmup": 50}},
    "dim 3": quadratic(dim=3, scale=[1.0, 0.01, 1.5]) | {"optimizer": "adam", "xi": SEVEN_XI},
    "dim 10": quadratic(dim=10) | {"xi": ["minimizer", [0.123456789] * 10]},
}


def run_of(folder: Path, config: dict[str, Any]) -> Run:
    study.run(read_cell(written(folder / "in", PLAIN | config), []), folder / "out", workers=2, draw=drawn)
    return read_run(folder / "out")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run of a case, made once."""
    made: dict[str, Run] = {}

    def find(name: str) -> Run:
        if name not in made:
            made[name] = run_of(tmp_path_factory.mktemp("case"), CASES[name])
        return made[name]

    return find


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("make", FIGURE_MAKERS)
def test_nothing_is_clipped_or_run_together(case: Callable[[str], Run], name: str, make: Callable[[Run], Figure]) -> None:
    check_layout(laid_out(make, case(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_floors_are_not_clipped_or_run_together(case: Callable[[str], Run], name: str) -> None:
    """Nor drawn of a run too short to have any."""
    run = case(name)
    assert (run.floors > 0) == ("floors" in figure_names(run.folder)) == (name != "one of everything")
    if run.floors:
        check_layout(laid_out(floors_figure, run), columns=2)


def test_steps_that_are_spread_evenly_have_an_even_axis(case: Callable[[str], Run]) -> None:
    run = case(next(iter(CASES)))
    for spacing in ("linear", "log"):
        record = run.config.get("record", {}) | {"spacing": spacing}
        figure = FIGURE_MAKERS[0](dataclasses.replace(run, config=run.config | {"record": record}))
        assert figure.axes[0].get_xscale() == spacing


ALIKE = ("toint_eps", "toint_eps_inside", "toint_scale", "toint_decay", "toint_decay_fixed", "adam_decay", "sgd_no_noise")
"""Their figures are those of others with other numbers."""
SHOWN = [path for path in MET if path.stem not in ALIKE]
OFTEN = ("adam_const", "averaged_adam", "least_squares_const", "logistic_decay", "mlp_adam_const", "sgd_quantities", "toint")
"""A config of each kind of objective."""


@pytest.mark.slow
@pytest.mark.parametrize("path", a_few(SHOWN, OFTEN, lambda path: path.stem), ids=lambda path: path.stem)
def test_shipped_configs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quickly(path, monkeypatch)
    study.run(read_cell(path, SMALL), tmp_path / "out", workers=2, draw=drawn)
    run = read_run(tmp_path / "out")
    for make in FIGURE_MAKERS:
        figure = laid_out(make, run)
        check_layout(figure)
        assert f"{run.config['optimizer']['name']}, {run.config['objective']['name']}, " in figure.axes[0].get_title(loc="left")
        assert "64 paths" in figure.axes[0].get_title(loc="left")
    assert (run.floors > 0) == (path.stem != "batch_rate"), "whose floors are off"
    if run.floors:
        check_layout(laid_out(floors_figure, run), columns=2)
    assert ("state" in figure_names(run.folder)) == (path.stem == "adam_edge")
    if "state" in run.summary:
        check_layout(laid_out(state_figure, run))


# Files


def test_every_listed_figure_has_a_maker_and_files() -> None:
    """What a run need not have is drawn from a data file of its own; all lie in the run's folder in both formats."""
    assert all(callable(load(figure.made_by)) for figure in RUN_FIGURES)
    every_run_has = [figure.name for figure in RUN_FIGURES if figure.needs is None and not figure.of and not figure.says]
    assert every_run_has == list(FIGURES)
    names = {figure.name for figure in RUN_FIGURES}
    assert len(names) == len(RUN_FIGURES)
    assert set(RUN_FIGURE_FILES) == {
        f"figures/{name}.{kind}" for name in {*names, ALL_FIGURES} for kind in ("png", "svg", "txt")
    }


@pytest.mark.processes
def test_naming_figures_loads_no_matplotlib() -> None:
    """Nor does what a command imports to draw them in another process."""
    code = "import sys, nonconv.study.loop, nonconv.report.figures.catalogue; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_files_are_whole_and_the_same_again_alone_or_together(case: Callable[[str], Run]) -> None:
    run, kinds = case("diverging"), ("png", "svg", "pdf")
    files = draw_folder(run.folder, FIGURES, kinds)
    assert set(files) == {f"{figure}.{kind}" for figure in FIGURES for kind in kinds}
    assert files == draw_folder(run.folder, ("paths",), kinds) | draw_folder(run.folder, ("error",), kinds)
    for figure, inches in (("error", (6.4, 4.8)), ("paths", (6.4, 4.0))):
        with Image.open(io.BytesIO(files[f"{figure}.png"])) as image:
            assert image.size == tuple(round(STYLE["figure.dpi"] * side) for side in inches)
        root = ElementTree.fromstring(files[f"{figure}.svg"])
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert [float(side) for side in root.attrib["viewBox"].split()] == pytest.approx([0, 0, *(72 * s for s in inches)])
        assert not any(element.tag.endswith("}date") for element in root.iter())
        assert b"CreationDate" not in files[f"{figure}.pdf"]


# What cannot be drawn


FILLS: dict[str, list[float]] = {
    "nan": [math.nan],
    "inf": [math.inf],
    "zero": [0.0],
    "the smallest double": [5e-324],
    "the largest double": [1.7976931348623157e308],
    "equal but for rounding": [1.0, 1.0000000000000002],
    "all doubles": [5e-324, 1e-300, 1e-160, 1.0, 1e160, 1e300, 1.7e308],
    "one among nothing": [math.nan] * 39 + [3.0],
}


@pytest.mark.slow
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("make", FIGURE_MAKERS)
def test_every_double_can_be_drawn(case: Callable[[str], Run], fill: str, make: Callable[[Run], Figure]) -> None:
    """Of either sign in the paths, with more xi than lines have colours, and points anywhere. A warning fails this."""
    run = case("dim 3")

    def filled(like: Any, signs: bool = False) -> Any:
        found = np.resize(FILLS[fill], np.shape(like))
        return found * np.where(np.arange(found.size) % 2, -1.0, 1.0).reshape(found.shape) if signs else found

    errors = {label: Errors(*map(filled, dataclasses.astuple(one))) for label, one in run.errors.items()}
    paths = run.paths | {name: filled(run.paths[name], signs=True) for name in ("quantile", "theta")}
    points = {label: [1e200] * 3 for label in run.summary["xi_points"]}
    changed = {
        "errors": errors,
        "paths": paths,
        "learning_rate": filled(run.step),
        "summary": run.summary | {"xi_points": points},
    }
    laid_out(make, dataclasses.replace(run, **changed))


def test_values_beyond_the_axis_are_said_to_be(case: Callable[[str], Run]) -> None:
    run = case("plain")
    huge = {label: dataclasses.replace(one, mse=one.mse * 1e305) for label, one in run.errors.items()}
    assert "not shown: values above 10²⁷⁰" in texts(laid_out(error_figure, dataclasses.replace(run, errors=huge)))
    assert not any("not shown" in text for text in texts(laid_out(error_figure, run)))


@pytest.mark.slow
@pytest.mark.compiles
def test_a_figure_that_fails_fails_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another is drawn; its place, in the folder and in the summary, says why; a rerun finds the run finished."""

    def broken(run: Run) -> Figure:
        raise ValueError("no such `axis`\nin this world")

    monkeypatch.setattr(figures, "error_figure", broken)
    cell, folder = read_cell(written(tmp_path / "in", PLAIN), []), tmp_path / "out"
    study.run(cell, folder, workers=1)
    assert study.run(cell, folder, workers=1).reused
    assert (folder / "figures" / "error.txt").read_text() == "not drawn: ValueError: no such `axis` in this world\n"
    assert not (folder / "figures" / "error.png").exists()
    assert (folder / "figures" / "paths.png").exists()
    summary = (folder / "summary.md").read_text()
    assert "figures/error.png" not in summary
    assert "Figure `error`: not drawn: ValueError: no such \\`axis\\` in this world." in summary
    monkeypatch.undo()
    study.run(cell, folder, workers=1, force=True)
    assert not (folder / "figures" / "error.txt").exists()


@pytest.mark.processes
@pytest.mark.slow
def test_no_setting_of_the_user_changes_a_figure(case: Callable[[str], Run], tmp_path: Path) -> None:
    """Nor stops matplotlib from being imported, as an unknown backend or a matplotlibrc in another encoding would."""
    (tmp_path / "matplotlibrc").write_bytes(b"font.size: 20\naxes.facecolor: red\n\xff")
    code = (
        "import sys, pickle; from pathlib import Path; from nonconv.report.figures import drawing_process as p\n"
        "with p.figure_process() as draw: there = draw(Path(sys.argv[1]))()\n"
        "here = p.draw_here(Path(sys.argv[1]))()\n"
        "sys.stdout.buffer.write(pickle.dumps((there, here)))"
    )
    env = os.environ | {"MPLBACKEND": "nonsense", "SOURCE_DATE_EPOCH": "0", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    env["PYTHONPATH"] = str(Path(__file__).parent.parent)
    command = [sys.executable, "-c", code, str(case("plain").folder)]
    output = subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True).stdout
    there, here = pickle.loads(output)
    assert there == here == draw_folder(case("plain").folder)


def test_a_claim_is_no_formula(case: Callable[[str], Run]) -> None:
    """Nor is a name: $ and _ are shown as they are."""
    run = case("plain")
    named = dataclasses.replace(run, config=run.config | {"optimizer": {"name": r"$x_{^ \tfrac"}})
    assert laid_out(error_figure, named).axes[0].get_title(loc="left").startswith(r"$x_{^ \tfrac, quadratic")


# Grey


@pytest.fixture
def drawn_here(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose figures were drawn in this process."""
    folders: list[Path] = []

    def drawn_folder(folder: Path) -> dict[str, bytes]:
        folders.append(folder)
        return {f"{name}.png": b"drawn here" for name in FIGURES}

    monkeypatch.setattr(drawing, "draw_folder", drawn_folder)
    return folders


@pytest.mark.processes
@pytest.mark.slow
def test_the_figure_process_draws_the_same_bytes(case: Callable[[str], Run], drawn_here: list[Path]) -> None:
    run = case("plain")
    with drawing_process.figure_process() as draw:
        once, again = draw(run.folder)(), draw(run.folder)()
    assert set(once) == {f"{name}.{kind}" for name in (*FIGURES, "floors") for kind in ("png", "svg")}
    assert once == again == draw_folder(run.folder)
    assert not drawn_here


@pytest.mark.processes
@pytest.mark.slow
def test_what_the_figure_process_cannot_draw_is_drawn_here(tmp_path: Path, drawn_here: list[Path]) -> None:
    with drawing_process.figure_process() as draw:
        assert draw(tmp_path / "nothing")().keys() == {f"{name}.png" for name in FIGURES}
    assert drawn_here == [tmp_path / "nothing"]


FAILS = """
from nonconv.report.figures import catalogue, drawing, drawing_process
def draw(figures, options):
    (name,) = figures
    if name == BROKEN:
        raise ZeroDivisionError
    return {name: bytes(2**20)}
drawing.draw, catalogue.makers = draw, lambda folder: dict.fromkeys("abc")
drawing_process._serve()
"""


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.parametrize("broken", ["a", "b", "c", "none"])
def test_a_figure_that_cannot_be_drawn_costs_no_other(broken: str) -> None:
    """Whether it is drawn in a fork or in the process itself. Control: nothing is broken."""
    code = FAILS.replace("BROKEN", repr(broken))
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            output, _ = process.communicate(b'"folder"\n', timeout=30)
        finally:
            drawing_process._kill(process)
    drawn = {name: bytes(2**20) for name in "abc" if name != broken}
    told = {} if broken == "none" else {f"{broken}.txt": b"not drawn: ZeroDivisionError\n"}
    assert pickle.loads(output) == drawn | told


def test_a_rate_at_the_end_of_doubles_has_an_axis() -> None:
    axes = Figure().subplots()
    few_decades(axes, np.array([1e308, 1e308]))
    assert np.isfinite(axes.get_ylim()).all()


LEFT = """
import sys, time
from pathlib import Path
from nonconv.report.figures.drawing_process import figure_process
with figure_process() as draw:
    draw(Path(sys.argv[1]))
    time.sleep(float(sys.argv[2]))
"""


@pytest.mark.processes
@pytest.mark.parametrize("delay", [0.8, 1.2])
def test_a_figure_process_can_be_left_while_it_draws(case: Callable[[str], Run], delay: float) -> None:
    """As by Ctrl-C: with the forks that it draws in, which hold its output, it would be waited for in vain."""
    subprocess.run([sys.executable, "-c", LEFT, case("plain").folder, str(delay)], check=True, timeout=60)


@pytest.mark.processes
@pytest.mark.slow
def test_a_figure_process_may_start_before_it_is_known_what_to_draw(
    case: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, start = case("plain"), drawing_process._start
    started: list[subprocess.Popen[bytes]] = []

    def counted() -> "subprocess.Popen[bytes]":
        started.append(start())
        return started[-1]

    monkeypatch.setattr(drawing_process, "_start", counted)
    drawing_process.start_early()
    for number in (1, 2):
        with drawing_process.figure_process() as draw:
            assert "error.png" in draw(run.folder)()
        assert len(started) == number, "the first has begun before"
    assert all(process.returncode is not None for process in started)


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        ("run a.yaml", True),
        ("sweep a.yaml", True),
        ("run a.yaml --dry-run", False),
        ("run --help", False),
        ("list", False),
        ("", False),
    ],
)
def test_only_what_draws_starts_a_figure_process(arguments: str, begins: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(drawing_process, "start_early", lambda: begun.append("figures"))
    monkeypatch.setattr(cli, "main", lambda: begun.append("command"))
    monkeypatch.setattr(sys, "argv", ["nonconv", *arguments.split()])
    __main__.main()
    assert begun == ["figures", "command"][not begins :]


def test_lines_can_be_told_apart_in_grey() -> None:
    assert len({str(line["linestyle"]) for line in LINES}) == len({line["color"] for line in LINES}) == len(LINES)
    for line in LINES:
        assert 1.05 / (luminance(line["color"]) + 0.05) > 3, "contrast with the paper, by WCAG 2 for graphics"


def test_each_xi_has_a_line_of_its_own(case: Callable[[str], Run]) -> None:
    figure = laid_out(error_figure, case("dim 3"))
    curves = figure.axes[0].lines[: len(SEVEN_XI)]
    assert len({(str(curve.get_color()), str(curve.get_marker())) for curve in curves}) == len(SEVEN_XI)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "minimizer", "start", "path mean", "last iterate", "0.5", "(0.1 0.2 0.3)", "-0.5",
    ]  # fmt: skip


# What is shown


def test_curves_and_bands_are_the_data(case: Callable[[str], Run]) -> None:
    run = case("adam")
    top, bottom = laid_out(error_figure, run).axes
    for curve, errors in zip(top.lines, run.errors.values(), strict=False):
        np.testing.assert_array_equal(curve.get_xdata(), run.step)
        np.testing.assert_array_equal(curve.get_ydata(), np.where(errors.mse > 0, errors.mse, np.nan))
    errors = run.errors["minimizer"]
    corners = np.asarray(top.collections[0].get_paths()[0].vertices)
    for step, low, high in zip(run.step, errors.ci_low, errors.ci_high, strict=True):
        there = corners[corners[:, 0] == step, 1]
        assert (there.min(), there.max()) == (low, high)
    np.testing.assert_array_equal(bottom.lines[0].get_ydata(), run.learning_rate)
    assert bottom.get_ylabel() == "learning\nrate"


def test_the_exact_expectation_is_shown_where_it_is_known(case: Callable[[str], Run]) -> None:
    assert "exact expectation" not in texts(laid_out(error_figure, case("adam")))
    run = case("plain")
    figure = laid_out(error_figure, run)
    assert texts(figure).count("exact expectation") == 1
    assert list(run.theory) == ["minimizer"]
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == "exact expectation"]
    np.testing.assert_array_equal(line.get_ydata(), run.theory["minimizer"])


def test_the_learning_rate_and_a_batch_size_that_varies(case: Callable[[str], Run]) -> None:
    constant = laid_out(error_figure, case("plain"))
    assert len(constant.axes) == 2
    assert [label.get_text() for label in constant.axes[1].get_yticklabels()] == ["0.05"]
    run = case("growing batch")
    top, bottom, twin = laid_out(error_figure, run).axes
    assert twin.get_ylabel() == "batch size\n(dotted)"
    assert twin.lines[0].get_linestyle() == ":"
    assert top.get_shared_x_axes().joined(bottom, twin)
    np.testing.assert_array_equal(twin.lines[0].get_ydata(), run.batch_size)
    assert run.batch_size[-1] == math.ceil(math.sqrt(300))


@pytest.mark.slow
def test_the_step_from_which_on_an_error_is_not_finite_is_marked(case: Callable[[str], Run]) -> None:
    assert not any("not finite" in text for text in texts(laid_out(error_figure, case("plain"))))
    run = case("diverging")
    marked = [text for text in texts(laid_out(error_figure, run)) if "not finite" in text]
    first = run.step[~np.isfinite(run.errors["minimizer"].mse)][0]
    assert 1000 < first < 2500
    assert marked == ["not finite from step 1 on", f"not finite from step {first} on"], "path_mean, the others"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "panels", "points"), [("plain", 1, 1), ("dim 3", 3, 4), ("dim 10", 3, 2)])
def test_a_panel_for_each_of_the_first_coordinates(case: Callable[[str], Run], name: str, panels: int, points: int) -> None:
    run = case(name)
    figure = laid_out(paths_figure, run)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == (["Θₙ"] if panels == 1 else [f"Θₙ, coordinate {k}" for k in (1, 2, 3)])
    for k, axes in enumerate(figure.axes):
        median, *paths = (np.asarray(line.get_ydata()) for line in axes.lines[:4])
        np.testing.assert_array_equal(median, run.paths["quantile"][len(run.paths["quantile_level"]) // 2, :, k])
        np.testing.assert_array_equal(paths, run.paths["theta"][:3, :, k])
        assert len(axes.lines) == 4 + points, "the median, three paths, and each xi that is a point"


def test_one_recorded_step_is_visible(case: Callable[[str], Run]) -> None:
    for make in FIGURE_MAKERS:
        curves = [line for line in laid_out(make, case("one of everything")).axes[0].lines if np.size(line.get_xdata()) == 1]
        assert curves
        assert {curve.get_marker() for curve in curves} == {"o"}


@pytest.mark.slow
def test_twins_that_never_part_are_said_to(case: Callable[[str], Run]) -> None:
    """The data of this case are constant; another's twins part."""
    assert "zero at every lag" in texts(laid_out(floors_figure, case("no error")))
    assert "zero at every lag" not in texts(laid_out(floors_figure, case("plain")))


def test_a_folder_of_before_there_were_verdicts_can_be_read(tmp_path: Path) -> None:
    folder = run_of(tmp_path, {}).folder
    (folder / "verdict.json").unlink()
    assert read_run(folder).verdict == {}
