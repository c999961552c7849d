"""The best cell over some keys: chosen on one half of the paths, reported on the other, so that no luck is in the number."""

import csv
import json
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import nonconv
from kit.experiments import SGD, written
from nonconv.cli import app
from nonconv.faults.errors import ConfigError, UsageError
from nonconv.report.figures import drawing_process
from nonconv.report.figures.axes import own_style
from nonconv.report.figures.catalogue import sweep_makers
from nonconv.report.sweep_result import read_sweep_result
from nonconv.results.best import Candidate, best_table, choose, halves
from nonconv.results.sweep_files import Ends, read_ends
from nonconv.sweeps.executors.threads import open_threads
from nonconv.sweeps.loop import run_sweep
from nonconv.sweeps.sweep import read_sweep, survey

NAME = "mse: minimizer"
SMALL: dict[str, Any] = SGD | {
    "paths": 40,
    "steps": 1,
    "start": 0.0,
    "learning_rate": {"name": "constant", "value": 0.5},
    "xi": ["minimizer", "last"],
    "floors": {"twin": False, "window": False, "cauchy": False},
}
EQUAL = 30
"""Cells that differ by their random numbers alone."""


def ends(numbers: Any, withheld: dict[str, str] | None = None) -> Ends:
    return Ends([NAME], np.array([numbers], dtype=float), withheld or {})


def candidates(*numbers: Any) -> list[Candidate]:
    return [Candidate(str(k), {"key": str(k)}, None if one is None else ends(one)) for k, one in enumerate(numbers)]


def chosen(*numbers: Any) -> tuple[str, dict[str, Any]]:
    found = choose(candidates(*numbers), NAME)
    return found.candidate.cell if found.candidate else "", found.measured


def test_chosen_on_the_first_half_and_reported_on_the_second() -> None:
    cell, found = chosen([1, 1, 9, 9, 9], [3, 3, 0, 0, 0], [2, 2, 1, 2, 3])
    assert cell == "0"
    assert (found["first_half"], found["value"], found["paths"], found["all_paths"]) == (1.0, 9.0, 3, 29 / 5)
    assert [list(half) for half in halves(np.arange(5.0))] == [[0, 1], [2, 3, 4]]


def test_what_cannot_be_chosen() -> None:
    assert chosen([1, 1, np.inf, 1], [0, np.nan, 0, 0], [2, 2, 2, 2], None)[0] == "0", "only the first half decides"
    cell, found = chosen([np.inf] * 4, [1, np.nan, 1, 1], None, [5, 5, 5, 5])
    assert (cell, found["cells"], found["unusable"]) == ("3", 4, 3)
    assert chosen([np.inf] * 2, [np.nan] * 2)[1]["reason"] == "not finite in 2 cells"
    assert chosen(None, None)[1]["reason"] == "every cell failed"
    assert chosen([1.0], [2.0])[1]["reason"] == "one path has no halves"
    assert choose([Candidate("a", {}, ends([1, 2]))], "window").measured["reason"] == "no cell measures it"


def test_ties_and_single_cells() -> None:
    assert chosen([1, 1, 5, 5], [1, 1, 4, 4], [2, 2, 0, 0])[1]["ties"] == 1
    assert chosen([1, 1, 5, 5], [1, 1, 4, 4])[0] == "0", "of equal ones the first"
    cell, found = chosen([3, 1, 2, 2])
    assert (cell, found["ties"], found["value"], found["se"]) == ("0", 0, 2.0, 0.0)


def test_a_mean_without_an_interval_keeps_none() -> None:
    found = choose([Candidate("a", {}, ends([1, 2, 3, 4], {NAME: "few paths decide it"}))], NAME).measured
    assert found["value"] == 3.5
    assert np.isnan([found["se"], found["ci_low"], found["ci_high"]]).all()
    infinite = choose([Candidate("a", {}, ends([1, 2, 3, 4], {NAME: "its mean is infinite"}))], NAME)
    assert infinite.candidate is None or infinite.measured["value"] == 3.5


def test_each_combination_of_other_keys_has_a_row() -> None:
    cells = [Candidate(f"{a}{b}", {"a": a, "b": b}, ends([int(b)] * 4)) for a in "xy" for b in "312"]
    rows = list(csv.DictReader(best_table(cells, ["b"], ["a", "b"], NAME).decode().splitlines()))
    assert [(row["a"], row["b"], row["cell"], row["cells"]) for row in rows] == [("x", "1", "x1", "3"), ("y", "1", "y1", "3")]


def swept(folder: Path, config: dict[str, Any], **options: Any) -> Path:
    sweep = read_sweep(written(folder / "in", config), **options)
    run_sweep(sweep, survey(sweep), folder / "out", partial(open_threads, sweep, 1), draw=lambda folder: dict)
    return folder / "out"


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "best.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_least_of_many_is_lucky_and_the_reported_number_is_not() -> None:
    """Exponential numbers of mean 1: over 2000 draws of 20 equal cells the reported mean is 1 within 4.5 standard errors.

    Chance alone exceeds that once in 100,000 times. The control, the least mean of all paths, is far too small.
    """
    rng = np.random.default_rng(5)
    reported, naive = [], []
    for _ in range(2000):
        numbers = rng.exponential(size=(20, 16))
        reported.append(chosen(*numbers)[1]["value"])
        naive.append(numbers.mean(axis=1).min())
    error = np.std(reported) / np.sqrt(len(reported))
    assert abs(np.mean(reported) - 1.0) < 4.5 * error
    assert np.mean(naive) < 0.7


def test_equal_cells_of_a_sweep(tmp_path: Path, reference: None) -> None:
    """After one step of SGD from the minimizer E|Θ − ξ|² = (2γ)² Var X in every cell; only seeds differ."""
    exact = (2 * 0.5) ** 2 * 4 * 0.25 * 0.75
    config = SMALL | {"start": -0.5, "paths": 100, "sweep": {"seed": list(range(EQUAL)), "best_over": "seed"}}
    folder = swept(tmp_path, config)
    (row,) = table(folder)
    assert row["cells"] == str(EQUAL)
    assert abs(float(row["value"]) - exact) < 4.5 * float(row["se"])
    with (folder / "sweep.csv").open() as file:
        least = min(csv.DictReader(file), key=lambda cell: float(cell["mse_minimizer"]))
    assert float(least["mse_minimizer"]) < exact - 1.0 * float(least["mse_minimizer_se"]), "the control"
    assert float(row["first_half"]) < exact, "what decided is lucky"
    numbers = read_ends(folder / "cells" / row["cell"]).numbers[0]
    assert float(row["value"]) == pytest.approx(numbers[50:].mean(), rel=1e-12)
    assert float(row["first_half"]) == pytest.approx(numbers[:50].mean(), rel=1e-12)


def test_cells_keep_their_bytes_and_nothing_is_computed(tmp_path: Path, reference: None) -> None:
    grid = SMALL | {"sweep": {"optimizer": ["sgd", "adam"], "learning_rate.value": [0.1, 0.2, 0.4]}}
    folder = swept(tmp_path, grid)
    assert not (folder / "best.csv").exists()
    before = {path: path.read_bytes() for path in folder.glob("cells/*/*")}
    sweep = read_sweep(tmp_path / "in" / "experiment.yaml", best=["learning_rate.value"])
    again = run_sweep(sweep, survey(sweep), folder, partial(open_threads, sweep, 1))
    assert (again.computed, again.folder) == (0, folder)
    assert {path: path.read_bytes() for path in folder.glob("cells/*/*")} == before
    assert [row["optimizer"] for row in table(folder)] == ["sgd", "adam"]
    assert (folder / "figures" / "best_curves.png").exists()
    assert "chosen" in (folder / "summary.md").read_text().lower()
    assert "best.csv" in json.loads((folder / "manifest.json").read_text())["files"]
    swept(tmp_path, grid)
    assert not (folder / "best.csv").exists(), "what is not asked for any more is not left behind"


def test_the_command_prints_and_refuses(tmp_path: Path, reference: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(lambda folder: dict))
    config = written(tmp_path, SMALL | {"sweep": {"optimizer": ["sgd", "adam"], "learning_rate.value": [0.1, 0.2, 0.4]}})

    def call(*options: str) -> Any:
        asked = ["sweep", str(config), "-o", str(tmp_path / "out"), "--executor", "threads", *options]
        return CliRunner().invoke(app, asked)

    said = call("--best-over", "learning_rate.value").stdout
    assert "Least E|Θ − minimizer|² at the end over learning_rate.value" in said
    assert "Chosen on one half of the paths and measured on the other" in said
    assert "The best learning_rate.value is the largest or smallest that was tried" in said
    document = json.loads(call("--best-over", "learning_rate.value,optimizer", "--json").stdout)
    assert document["best"]["over"] == ["learning_rate.value", "optimizer"]
    assert document["best"]["by"] == NAME
    assert [row["cells"] for row in document["best"]["rows"]] == [6]
    wrong = call("--best-over", "learning_rate.vale")
    assert (wrong.exit_code, "did you mean learning_rate.value?" in wrong.stderr) == (2, True)
    assert wrong.stderr.startswith("--best-over learning_rate.vale: learning_rate.vale is not swept\n")
    wrong = call("--best-over", "optimizer", "--best-by", "minimiser")
    assert (wrong.exit_code, "nothing is called minimiser" in wrong.stderr) == (2, True)
    assert "did you mean minimizer?" in wrong.stderr
    assert "without best_over" in call("--best-by", "minimizer").stderr


def test_only_the_last_iterate_as_xi_has_nothing_that_could_be_least(tmp_path: Path) -> None:
    config = SMALL | {"xi": "last", "sweep": {"seed": [1, 2], "best_over": "seed"}}
    with pytest.raises(ConfigError, match="every ξ is the last iterate"):
        survey(read_sweep(written(tmp_path, config)))


def test_the_figure_shows_curves_and_what_the_other_half_has(tmp_path: Path, reference: None) -> None:
    rules = ["sgd", "adam", "rmsprop", "momentum", "adamax", "nadam"]
    grid = {"optimizer": rules, "learning_rate.value": [0.1, 0.2], "best_over": "learning_rate.value"}
    result = read_sweep_result(swept(tmp_path, SMALL | {"steps": 6, "sweep": grid}))
    with own_style():
        figure = sweep_makers(result)["best_curves"]()
        figure.draw_without_rendering()
    (axes,) = figure.axes
    points = [np.asarray(line.get_xydata(), dtype=float)[0] for line in axes.lines if line.get_marker() == "D"]
    assert [y for _, y in points] == [float(row["value"]) for row in table(tmp_path / "out")]
    assert all(axes.get_xlim()[0] < x < axes.get_xlim()[1] for x, _ in points), "none is cut off"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [name.partition(":")[0] for name in names[:6]] == rules
    assert all(": γ = " in name for name in names[:6])


def test_python_has_the_same_numbers(tmp_path: Path, reference: None) -> None:
    grid = {"optimizer": ["sgd", "adam"], "learning_rate.value": [0.1, 0.2], "best_over": "learning_rate.value"}
    result = nonconv.load(swept(tmp_path, SMALL | {"sweep": grid}))
    assert isinstance(result, nonconv.SweepResult)
    assert result.best is not None
    assert list(result.best["value"]) == [float(row["value"]) for row in table(tmp_path / "out")]
    assert list(result.best["optimizer"]) == ["sgd", "adam"]
    plain = nonconv.load(swept(tmp_path / "plain", SMALL | {"sweep": {"seed": [1, 2]}}))
    assert isinstance(plain, nonconv.SweepResult)
    assert plain.best is None
    keys = {"optimizer": ["sgd", "adam"], "learning_rate.value": [0.1, 0.2]}
    asked = nonconv.sweep(SMALL, keys, best_over="learning_rate.value", out=tmp_path / "asked", executor="threads")
    assert asked.best is not None
    assert list(asked.best["value"]) == list(result.best["value"])
    for over, by, said in (
        ("foo", "", "best_over: foo is not swept\n  allowed: optimizer, learning_rate.value"),
        (3, "", "best_over: 3\n  allowed: a swept key, or a list of these"),
        ((), "window", "best_by: without best_over, which says"),
    ):
        with pytest.raises((ConfigError, UsageError)) as raised:
            nonconv.sweep(SMALL, keys, best_over=over, best_by=by)  # type: ignore[arg-type]
        assert str(raised.value).startswith(said)
