"""Animations of a run: frames are recorded steps, the bytes depend on the data alone, and nothing comes from the web."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kit.experiments import SGD, written
from nonconv.cli import app
from nonconv.experiment.binding import read_cell
from nonconv.report.figures.animation import MOST_FRAMES, animated, orbit_film, paths_film
from nonconv.report.figures.axes import own_style
from nonconv.report.figures.options import FigureOptions, Words
from nonconv.report.run import Run, read_run
from nonconv.study import loop as study

SMALL: dict[str, Any] = SGD | {"paths": 12, "steps": 30, "record": {"points": 6, "paths": 5}}
TOINT = {
    "paths": 1, "steps": 60, "xi": "start", "learning_rate": 0.1, "record": {"points": 4},
    "objective": "toint", "start": 0.0,
    "optimizer": {"name": "adam", "eps": 0.0, "bias_correction": False, "start": "first_gradient"},
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "line": SMALL,
    "plane": SMALL | {"objective": SMALL["objective"] | {"dim": 3}},
    "one path": SMALL | {"paths": 1},
    "one step": SMALL
    | {"steps": 1, "record": {"points": 1, "paths": 2}, "floors": {"twin": False, "window": False, "cauchy": False}},
    "diverges": SMALL | {"learning_rate": 1e6, "steps": 200, "record": {"points": 8, "paths": 3}},
    "toint": TOINT,
    "no paths": SMALL | {"record": {"points": 6, "paths": 0}},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished runs without figures, by name."""
    from kit.engines import use_reference

    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        use_reference(patched)
        for name, config in CONFIGS.items():
            study.run(read_cell(written(place / f"in {name}", config), []), place / name, 1, draw=lambda folder: dict)
    return {name: place / name for name in CONFIGS}


def call(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.stderr
    return result.stdout if code == 0 else result.stderr


def film(run: Run, make: Any = paths_film) -> Any:
    with own_style():
        return make(run, Words({"n = {}": "Schritt {}"}, set()))


@pytest.mark.parametrize("name", ["line", "plane", "one path", "one step", "diverges", "toint"])
def test_every_kind_of_run_becomes_a_gif(runs: dict[str, Path], name: str) -> None:
    files = animated(read_run(runs[name]), "gif", FigureOptions(size=(3.0, 2.0)))
    assert set(files) == ({"paths.gif", "orbit.gif"} if name == "toint" else {"paths.gif"})
    for content in files.values():
        picture = Image.open(io.BytesIO(content))
        assert picture.size == (330, 220)
        assert getattr(picture, "n_frames", 1) <= MOST_FRAMES
        assert len(content) < 2_000_000
    if name == "line":
        assert files == animated(read_run(runs[name]), "gif", FigureOptions(size=(3.0, 2.0))), "the same bytes every time"


def test_a_frame_shows_the_paths_up_to_its_step(runs: dict[str, Path]) -> None:
    run = read_run(runs["line"])
    shown = film(run)
    assert shown.frames == len(run.step)
    shown.show(2)
    left, right = shown.figure.axes
    for line, theta in zip(left.lines, run.paths["theta"][:, :, 0], strict=False):
        assert np.array_equal(line.get_xydata(), np.column_stack((run.step[:3], theta[:3])))
    assert np.array_equal(right.lines[0].get_ydata(), run.paths["theta"][:, 2, 0])
    assert right.texts[0].get_text() == f"Schritt {run.step[2]}"


def test_several_coordinates_move_in_the_plane_of_two(runs: dict[str, Path]) -> None:
    run = read_run(runs["plane"])
    shown = film(run)
    shown.show(1)
    (axes,) = shown.figure.axes
    heads = next(line for line in axes.lines if line.get_marker() == "o")
    assert np.array_equal(heads.get_xydata(), run.paths["theta"][:, 1, :2])
    assert axes.get_xlabel() == "Θₙ, coordinate 1"


def test_the_iterate_on_the_knots(runs: dict[str, Path]) -> None:
    run = read_run(runs["toint"])
    shown = film(run, orbit_film)
    shown.show(0)
    top, bottom = shown.figure.axes
    point = next(line for line in top.lines if line.get_markersize() == 8)
    assert np.array_equal(point.get_xdata(), [0.1])
    tangent = next(line for line in top.lines if line.get_linewidth() == 2.2).get_xydata()
    assert (tangent[1, 1] - tangent[0, 1]) / (tangent[1, 0] - tangent[0, 0]) == pytest.approx(-1.0)
    shown.show(shown.frames - 1)
    assert bottom.lines[-1].get_xdata()[0] == run.step[-1]


def test_html_needs_nothing_from_the_web(runs: dict[str, Path]) -> None:
    run = read_run(runs["line"])
    (page,) = (content.decode() for content in animated(run, "html", FigureOptions(title="Titel")).values())
    assert not re.findall(r"(?:https?:)?//[a-z]|<link|src=[\"']http", re.sub(r'"[A-Za-z0-9+/=]{200,}"', '""', page))
    assert "@" not in re.sub(r'"[A-Za-z0-9+/=]{200,}"', '""', page)
    frames = json.loads(next(iter(re.findall(r"const frames = (\[.*\]);", page))))
    assert len(frames) == len(run.step)
    assert Image.open(io.BytesIO(base64.b64decode(frames[0]))).size == (792, 440)


def test_the_command(runs: dict[str, Path], tmp_path: Path) -> None:
    run = runs["line"]
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert call("plot", run, "--animate", "-o", tmp_path) == f"{tmp_path / 'experiment-paths.gif'}\n"
    assert call("plot", run, "--animate", "--format", "html", "-o", tmp_path) == f"{tmp_path / 'experiment-paths.html'}\n"
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert call("plot", run, run, "--animate", code=2) == "--animate takes one run\n"
    listed = call("plot", run, "--animate", "--list-labels")
    assert "n = {}: n = {}\n'{} paths': '{} paths'\n" in listed
    assert "learning rate: " not in listed, "only what an animation says"
    assert "unknown format 'png'\n  allowed: gif, html" in call("plot", run, "--animate", "--format", "png", code=2)
    assert "unknown format 'gif'\n  allowed: png, svg, pdf" in call("plot", run, "--format", "gif", code=2)
    said = call("plot", runs["no paths"], "--animate", "-o", tmp_path, code=2)
    assert said.startswith("the run keeps no paths, which an animation shows: `record: {paths: 32}`")
