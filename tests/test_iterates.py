"""Averages of the iterates: exact laws for SGD and momentum, and where people see each: reports, tables, checks, sweeps."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from kit.experiments import BLOCK, SGD, written
from kit.linear import TIMETABLES, WIDTH, cell_of, distance, each_method, linear_cell, response
from kit.runs import run
from kit.sweeping import run as run_sweep
from nonconv.checks.expectations import evaluate, read_result
from nonconv.cli import app
from nonconv.engine import blocks
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Estimate
from nonconv.report import summary
from nonconv.report.figures.figures import error_figure, paths_figure
from nonconv.report.figures.floors_figure import floors_figure
from nonconv.report.run import read_run
from nonconv.results.columns import read_columns
from nonconv.schedules.iterates import Ema, ema_weight
from nonconv.store.folder import MANIFEST
from nonconv.theory import recursion
from nonconv.theory.recursion import predicted_errors, predicted_twins

AVERAGES: list[Any] = ["last", "polyak", {"name": "ema", "decay": 0.9}]
CONFIG = SGD | {"steps": 200, "paths": 512, "xi": ["minimizer", "last"], "iterates": AVERAGES}
RATE, DECAY, SIGMA2 = 0.1, 0.9, 0.75
"""Of CONFIG: g, the decay of its exponential average, and the variance of its data, which are +-1 with P(1) = 1/4."""


@pytest.fixture(scope="module", name="cell")
def _cell(tmp_path_factory: pytest.TempPathFactory) -> Cell:
    return read_cell(written(tmp_path_factory.mktemp("in"), CONFIG), [])


@pytest.fixture(scope="module", name="folder")
def _folder(cell: Cell, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from kit.engines import use_reference

    with pytest.MonkeyPatch.context() as patch:
        use_reference(patch)
        patch.setattr(blocks, "LARGEST_BLOCK", 512)
        run(cell, tmp_path_factory.mktemp("runs") / "out")
    return tmp_path_factory.getbasetemp() / next(tmp_path_factory.getbasetemp().glob("runs*/out"))


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.output


# Exact laws


def mean_square(n: Array, start: float) -> Array:
    """E|mean_n - mu|^2 of SGD at a constant rate: mean_n - mu = (e_0 (r - r^{n+1}) / g + sum_m (1 - r^m) z) / n."""
    r = 1.0 - RATE
    noise = n - 2.0 * r * (1.0 - r**n) / RATE + r**2 * (1.0 - r ** (2 * n)) / (1.0 - r**2)
    return np.asarray(((start * r * (1.0 - r**n) / RATE) ** 2 + SIGMA2 * noise) / n**2)


def test_the_mean_of_sgd(cell: Cell) -> None:
    """To 1e-11, and n times it tends to the variance of the data, at any rate."""
    n = cell.program.record.astype(np.float64)
    assert predicted_errors(cell, 1)["minimizer"] == pytest.approx(mean_square(n, 0.5), rel=1e-11)
    assert 1e6 * mean_square(np.array([1e6]), 0.5) == pytest.approx(SIGMA2, rel=1e-4)


def test_an_exponential_average_of_sgd(cell: Cell) -> None:
    """V (1 - d) (1 + r d) / ((1 + d) (1 - r d)) in the long run."""
    r, plateau = 1.0 - RATE, SIGMA2 * RATE / (2.0 - RATE)
    known = plateau * (1.0 - DECAY) * (1.0 + r * DECAY) / ((1.0 + DECAY) * (1.0 - r * DECAY))
    assert predicted_errors(cell, 2)["minimizer"][-1] == pytest.approx(known, rel=1e-7)


def averaged(rows: Array, weights: Array) -> Array:
    """The running average of rows, from the unit row on."""
    average, found = np.eye(rows.shape[1])[0], []
    for row, weight in zip(rows, weights, strict=True):
        average = (1.0 - weight) * average + weight * row
        found.append(average)
    return np.array(found)


@each_method
@pytest.mark.parametrize("iterate", ["polyak", {"name": "polyak", "after": 20}, {"name": "ema", "decay": 0.7}, "polynomial"])
def test_any_average_of_any_linear_method(
    method: dict[str, Any], iterate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the definition says, with rates and batches that change; that of another average is different."""
    monkeypatch.setattr(recursion, "CHUNK", 16)
    cell = linear_cell(tmp_path, method, TIMETABLES["both"], iterates=["last", iterate])
    weights = cell.program.averages[0].weight(np.arange(1.0, cell.program.steps + 1.0))
    noise = 1.0 / cell.program.batch_size(np.arange(1.0, cell.program.steps + 1.0))
    assert cell.law is not None
    assert isinstance(cell.program.start, np.ndarray)
    total = np.zeros(len(cell.program.record))
    for j in range(cell.program.dim):
        rows = averaged(response(cell, j), weights)[cell.program.record - 1]
        total += (rows[:, 0] * (cell.program.start[j] - cell.law.mean[j])) ** 2
        total += rows[:, 1:] ** 2 @ (noise * cell.law.variance[j])
    assert predicted_errors(cell, 1)["minimizer"] == pytest.approx(total, rel=1e-11)
    assert predicted_errors(cell)["minimizer"] != pytest.approx(total, rel=1e-3)


def test_simulated_averages(cell: Cell, folder: Path) -> None:
    """Errors and twin floors at all steps: some 250 comparisons, 1.5 % of seeds fail. Those of another iterate miss."""
    seen = read_run(folder)
    floors = read_columns(folder / "floors.csv").where("floor", "twin")
    for k, name in ((1, "polyak"), (2, "ema")):
        own = seen.seen_by(name).errors["minimizer"]
        errors = Estimate(own.mse, own.se, own.ci_low, own.ci_high)
        assert distance(errors, predicted_errors(cell, k)["minimizer"]).max() < WIDTH
        assert distance(errors, predicted_errors(cell, 3 - k)["minimizer"]).max() > WIDTH
        rows = floors.where("iterate", name)
        twins = Estimate(*(rows.numbers(column) for column in ("value", "se", "ci_low", "ci_high")))
        assert distance(twins, np.concatenate(predicted_twins(cell, k))).max() < WIDTH
        assert distance(twins, np.concatenate(predicted_twins(cell))).max() > WIDTH
    theory = read_columns(folder / "theory.csv")
    assert theory.values("iterate") == ["last", "polyak", "ema"]
    assert read_columns(folder / "floors_theory.csv").values("iterate") == ["last", "polyak", "ema"]


# What people see


def test_summary(folder: Path) -> None:
    """Verdicts, table and sentences of each iterate, after the last one's."""
    text = summary.markdown(read_run(folder))
    assert "**Verdict on polyak.** " in text
    assert "| iterate | step | minimizer | minimizer, exact | last |" in text
    assert re.search(r"\n\| polyak \| 1 \| .*\n(.*\n)+\| ema \| 1 \| ", text)
    assert "- polyak: E|Θ − minimizer|²: " in text.replace("\\", "")
    assert text.index("Verdict on polyak") < text.index("Verdict on ema")


def test_figures(folder: Path) -> None:
    """Each iterate has a line of its own, in the legend too."""
    seen = read_run(folder)
    for figure, names in (
        (error_figure(seen), ["polyak: minimizer", "ema: minimizer"]),
        (paths_figure(seen), ["median of polyak", "median of ema"]),
        (floors_figure(seen), ["window floor of polyak", "window floor of ema"]),
    ):
        legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
        shown = [text.get_text() for legend in legends for text in legend.get_texts()]
        assert set(names) <= set(shown)


def test_tables(folder: Path) -> None:
    _, whole = call("table", folder, "--format", "csv")
    code, own = call("table", folder, "--format", "csv", "--iterate", "ema")
    assert code == 0
    assert own.splitlines()[1:] == [line for line in whole.splitlines() if ",ema," in line]
    rows = json.loads(call("table", folder, "--format", "json")[1])["rows"]
    assert {row["iterate"] for row in rows} == {"last", "polyak", "ema"}
    assert "\n| polyak | 1 | " in call("table", folder)[1]
    assert "polyak" not in call("table", folder, "--iterate", "ema")[1]
    said = "--iterate: the run has no iterate 'polyac'\n  allowed: last, polyak, ema\n  did you mean polyak?\n"
    assert call("table", folder, "--iterate", "polyac") == (2, said)


def test_expectations(folder: Path) -> None:
    """Each is of its iterate: met for the one, refuted for the other."""
    expect = {
        "verdict": {"last": "undecided", "ema": ["undecided", "diverges"]},
        "mse": [{"xi": "minimizer", "above": 0.03}, {"xi": "minimizer", "iterate": "polyak", "above": 0.03}],
        "floor": {"window": [{"above": 0.02}, {"iterate": "polyak", "below": 0.001}]},
        "slope": {"error: minimizer": {"iterate": "polyak", "below": -0.5}},
        "quantile": {"q90": {"iterate": "polyak", "below": 0.2}},
        "within": [{"quantity": "mse", "xi": "minimizer", "iterate": "ema", "of": "theory", "standard_errors": 4}],
    }
    rows = evaluate(expect, read_result(folder, exact=False))
    assert [(row.key, row.status) for row in rows if row.status != "met"] == [("expect.mse[1]", "refuted")]
    assert rows[3].expected == "polyak: E|Θ − minimizer|² at step 200 above 0.03"
    missing = evaluate({"verdict": {"tail": "converges"}}, read_result(folder, exact=False))
    assert [(row.found, row.status) for row in missing] == [("was not recorded here", "undecided")]


def drop(path: Path, key: str) -> None:
    """Leave an iterate out of a JSON file."""
    content = json.loads(path.read_bytes())
    content["iterates"].pop(key)
    path.write_text(json.dumps(content))


def retype(path: Path, key: str) -> None:
    """Give an iterate's floors another type."""
    content = json.loads(path.read_bytes())
    content["iterates"][key]["floors"] = 3
    path.write_text(json.dumps(content))


def without_rows(path: Path, key: str) -> None:
    """Leave an iterate's rows out of a data file."""
    path.write_text("".join(line for line in path.read_text().splitlines(True) if f",{key}," not in line))


def without_arrays(path: Path, key: str) -> None:
    """Leave out the name of an iterate, but not its rows."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["iterate"] = arrays["iterate"][arrays["iterate"] != key]
    np.savez(path, **arrays)


DAMAGE: dict[str, tuple[str, Callable[[Path, str], None]]] = {
    "verdict.json is damaged: iterates has no 'ema'": ("verdict.json", drop),
    "verdict.json is damaged: iterates.ema.floors: must be a mapping, not 3": ("verdict.json", retype),
    "error.csv is damaged: it has no rows of iterate 'ema'": ("error.csv", without_rows),
    "paths.npz is damaged: iterate does not name the rows of the other arrays": ("paths.npz", without_arrays),
}


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("why", DAMAGE)
def test_damage(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of iterates that do not fit together are named, though their digests are right."""
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)
    monkeypatch.chdir(tmp_path)
    config = CONFIG | {"steps": 12, "paths": 40, "record": {"points": 3}}
    run(read_cell(written(tmp_path / "in", config), []), tmp_path / "out")
    name, spoil = DAMAGE[why]
    spoil(tmp_path / "out" / name, "ema")
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_bytes())
    manifest["files"][name] = hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest()
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(manifest))
    assert call("table", "out") == (2, f"out/{why}\n")


@pytest.mark.usefixtures("reference")
def test_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell has the errors, floors, slopes and verdict of each iterate, as its own files say."""
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)
    monkeypatch.chdir(tmp_path)
    config = CONFIG | {"paths": 40, "sweep": {"learning_rate": [0.05, 0.1]}, "record": {"points": 3}}
    run_sweep(written(tmp_path / "in", config), tmp_path / "out")
    table = read_columns(tmp_path / "out" / "sweep.csv")
    for cell, mse, floor, answer in zip(
        *(table[name] for name in ("cell", "mse_minimizer polyak", "window polyak", "verdict polyak")), strict=True
    ):
        own = read_run(tmp_path / "out" / "cells" / cell).seen_by("polyak")
        assert float(mse) == own.errors["minimizer"].mse[-1]
        assert float(floor) == own.verdict["floors"]["window"]["value"]
        assert answer == own.verdict["verdict"]
    assert "difference_minimizer polyak_se" in table.texts
    code, said = call("table", "out")
    assert (code, "verdict on polyak" in said) == (0, True)
    code, said = call("table", "out", "--iterate", "polyak")
    assert code == 2


def test_what_a_config_of_one_iterate_has(tmp_path: Path) -> None:
    """Nothing of iterates: no column, no key."""
    alone = cell_of(tmp_path, CONFIG | {"iterates": ["last"]})
    assert predicted_errors(replace(alone, iterates=("last",))).keys() == {"minimizer"}


@pytest.mark.parametrize("decay", [0.0, 5e-324, *np.random.default_rng(0).random(200).tolist(), 0.8768, 1.0 - 2.0**-53])
def test_weights_of_a_corrected_average_are_weights(decay: float) -> None:
    """The first is 1, whatever a quotient of roundings would be: the start is left out."""
    weight = ema_weight(Ema(decay, bias_correction=True), np.arange(1.0, 100.0), 99)
    assert weight[0] == 1.0
    assert np.all((weight >= 0.0) & (weight <= 1.0))
