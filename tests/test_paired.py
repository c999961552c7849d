"""Paired differences: against scipy and brute force, in sweep.csv as in `nonconv compare`, and what pairing is worth."""

import csv
import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from kit.experiments import SGD, written
from nonconv.checks.comparison import compare
from nonconv.cli import app
from nonconv.experiment.binding import read_cell
from nonconv.results.sweep_files import read_ends
from nonconv.statistics.paired import paired
from nonconv.study import loop as study
from nonconv.sweeps.executors.threads import open_threads
from nonconv.sweeps.loop import run_sweep
from nonconv.sweeps.sweep import read_sweep, survey

PATHS = 600
ADAM: dict[str, Any] = SGD | {
    "paths": PATHS,
    "optimizer": {"name": "adam", "beta1": 0.5, "beta2": 0.9},
    "xi": ["minimizer", 0.5],
}
GRID = ADAM | {"sweep": {"optimizer.beta2": [0.9, 0.901, 0.99], "baseline": {"optimizer.beta2": 0.901}}}


@pytest.fixture
def symmetric() -> tuple[Any, Any]:
    """Two samples whose differences are symmetric about 0.25, so that they have no skewness."""
    rng = np.random.default_rng(7)
    half, second = rng.normal(size=50), rng.normal(size=100)
    return second + 0.25 + np.concatenate([half, -half]), second


def test_symmetric_differences_have_students_interval(symmetric: tuple[Any, Any]) -> None:
    first, second = symmetric
    found = paired(first, second)
    known = stats.ttest_rel(first, second)
    interval = known.confidence_interval(0.95)
    assert found.value == pytest.approx(0.25, rel=1e-12)
    assert found.value / found.se == pytest.approx(known.statistic, rel=1e-12)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert found.paths == 100


def test_against_brute_force() -> None:
    rng = np.random.default_rng(1)
    first = rng.exponential(size=80)
    second = 0.5 * first + rng.exponential(size=80)
    found, differences = paired(first, second), [a - b for a, b in zip(first, second, strict=True)]
    mean = math.fsum(differences) / 80
    variance = math.fsum((d - mean) ** 2 for d in differences) / 79
    assert found.value == pytest.approx(mean, rel=1e-12)
    assert found.se == pytest.approx(math.sqrt(variance / 80), rel=1e-12)
    assert found.ci_low < found.value < found.ci_high
    assert found.correlation == pytest.approx(stats.pearsonr(first, second).statistic, rel=1e-12)
    alone = math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 80)
    assert found.narrower == pytest.approx(alone / found.se, rel=1e-12)
    back = paired(second, first)
    assert (back.value, back.ci_low, back.ci_high) == pytest.approx((-found.value, -found.ci_high, -found.ci_low), rel=1e-12)


def test_paths_that_both_have_are_compared(symmetric: tuple[Any, Any]) -> None:
    first, second = symmetric
    assert paired(first, second[:40]) == paired(first[:40], second[:40]) == paired(first[:40], second)
    assert paired(first, second[:40]).paths == 40


def test_differences_without_an_interval(symmetric: tuple[Any, Any]) -> None:
    first, second = symmetric
    same = paired(first, first)
    assert same[:5] == (0.0, 0.0, 0.0, 0.0, 100)
    one = paired(first[:1], second[:1])
    assert one.value == first[0] - second[0]
    assert all(math.isnan(number) for number in (one.se, one.ci_low, one.ci_high, one.correlation, one.narrower))
    overflowed = first.copy()
    overflowed[3] = np.inf
    assert paired(overflowed, second).value == math.inf
    assert math.isnan(paired(overflowed, overflowed).value)
    assert math.isnan(paired(overflowed, second).se)


# Sweeps


def swept(place: Path, config: dict[str, Any]) -> Path:
    """The folder of a sweep."""
    sweep = read_sweep(written(place / "in", config))
    run_sweep(sweep, survey(sweep), place / "out", partial(open_threads, sweep, 2), draw=lambda folder: dict)
    return place / "out"


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def errors(folder: Path, row: dict[str, str]) -> Any:
    """The final squared error of each path of a cell."""
    return read_ends(folder / "cells" / row["cell"]).numbers[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("paired"), GRID)


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, str]]:
    return table(folder)


def fields(row: dict[str, str], label: str) -> tuple[str, ...]:
    return tuple(row[f"difference_{label}{part}"] for part in ("", "_se", "_low", "_high"))


def test_differences_in_the_table_are_those_of_compare(folder: Path, rows: list[dict[str, str]]) -> None:
    baseline = rows[1]
    for label in ("minimizer", "0.5"):
        assert fields(baseline, label) == ("", "", "", "")
        for row in (rows[0], rows[2]):
            found = compare(folder / "cells" / baseline["cell"], folder / "cells" / row["cell"])
            known = next(one.paired for one in found.differences if one.quantity == f"E|Θ − {label}|²")
            assert tuple(float(text) for text in fields(row, label)) == known[:4]
            assert known.value == pytest.approx(
                float(row[f"mse_{label}"]) - float(baseline[f"mse_{label}"]), rel=1e-9, abs=1e-15
            )


def test_pairing_gains_where_the_data_are_the_same_and_nothing_elsewhere(
    folder: Path, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    """With random numbers of their own, correlations over 600 paths are below 5 / sqrt(600) = 0.2."""
    near, far = (paired(errors(folder, rows[k]), errors(folder, rows[1])) for k in (0, 2))
    assert near.narrower > 100 > far.narrower > 1
    assert near.ci_high - near.ci_low < 0.01 * (float(rows[0]["mse_minimizer_high"]) - float(rows[0]["mse_minimizer_low"]))
    seeds = swept(tmp_path, ADAM | {"sweep": {"seed": [1, 2]}})
    control = paired(*(errors(seeds, row) for row in table(seeds)))
    assert abs(control.correlation) < 0.2
    assert math.sqrt(1 / 1.2) < control.narrower < math.sqrt(1 / 0.8), "what such correlations can gain or lose"


@pytest.mark.parametrize(("beta", "equal"), [(0.0, True), (0.1, False)])
def test_optimizers_that_are_equal_differ_by_nothing(tmp_path: Path, beta: float, equal: bool) -> None:
    """Momentum without momentum is SGD; the control has some."""
    second = table(swept(tmp_path, ADAM | {"sweep": {"optimizer": ["sgd", {"name": "momentum", "beta": beta}]}}))[1]
    assert (fields(second, "minimizer") == ("0.0", "0.0", "0.0", "0.0")) is equal


# nonconv compare


def call(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    assert result.exit_code == code, result.stderr
    return result.stdout if code == 0 else result.stderr


@pytest.fixture
def cells(folder: Path, rows: list[dict[str, str]]) -> list[Path]:
    return [folder / "cells" / row["cell"] for row in rows]


def test_compare_says_how_configs_and_results_differ(cells: list[Path]) -> None:
    said = call(cells[0], cells[2])
    lines = said.splitlines()
    assert lines[0] == "optimizer.beta2: 0.9 -> 0.99"
    names = [line.strip().split("  ")[0] for line in lines if line.strip().startswith(("E|Θ", "twin", "window", "Cauchy"))]
    assert names == ["E|Θ − minimizer|²", "E|Θ − 0.5|²", "twin floor", "window floor", "Cauchy floor"]
    assert f"Means over {PATHS} paths at the end" in said
    assert lines[-2].startswith("Both runs use the same random numbers")
    same = call(cells[0], cells[0]).splitlines()
    assert same[0] == "The two configs are the same."
    assert same[-1] == "All results are the same, on every path."
    for few in (said, "\n".join(same)):
        assert max(map(len, few.splitlines())) <= 80
        assert "correlation" not in few
        assert "last" not in few
    assert "narrower" not in "\n".join(same), "of no difference there is nothing to say"
    every = call(cells[0], cells[2], "-v")
    assert "correlation" in every
    assert "E|Θ − last iterate|²" in every or "last" not in json.loads((cells[0] / "summary.json").read_text())["xi_points"]


def test_runs_of_other_lengths_and_many_differences(cells: list[Path], tmp_path: Path) -> None:
    other = ADAM | {
        "steps": 20,
        "optimizer": {"name": "radam"},
        "learning_rate": {"name": "power", "value": 0.1, "exponent": 0.5},
    }
    study.run(read_cell(written(tmp_path / "in", other), []), tmp_path / "out", 2, draw=lambda folder: dict)
    said = call(f"a={cells[0]}", f"b={tmp_path / 'out'}")
    steps = json.loads((cells[0] / "summary.json").read_text())["steps"]
    assert said.startswith("The configs differ in optimizer, learning_rate, ")
    assert f"Compared where each run ends: a at step {steps}, b at step 20.\n" in said
    assert call(f"a={cells[0]}", f"b={tmp_path / 'out'}", "-v").startswith("steps: ")


def test_compare_as_json(cells: list[Path]) -> None:
    document = json.loads(call(cells[0], cells[2], "--json"))
    assert (document["schema_version"], document["first"], document["second"]) == (1, str(cells[0]), str(cells[2]))
    assert document["changes"] == [{"key": "optimizer.beta2", "first": "0.9", "second": "0.99"}]
    assert document["same_data"] is True
    a, b = (read_ends(cell).numbers for cell in (cells[0], cells[2]))
    assert len(document["differences"]) == len(a)
    for k, told in enumerate(document["differences"]):
        assert (told["first"], told["second"]) == (a[k].mean(), b[k].mean())
        assert {name: told[name] for name in paired(b[k], a[k])._asdict()} == paired(b[k], a[k])._asdict()
    same = json.loads(call(cells[0], cells[0], "--json"))
    assert same["changes"] == []
    assert [(d["value"], d["narrower"]) for d in same["differences"]] == [(0.0, None)] * len(a)


def test_compare_takes_runs_of_other_seeds_and_says_so(cells: list[Path], tmp_path: Path) -> None:
    study.run(read_cell(written(tmp_path / "in", ADAM | {"seed": 9}), []), tmp_path / "out", 2, draw=lambda folder: dict)
    said = call(cells[0], tmp_path / "out")
    assert "The random numbers differ, so pairing does not shrink the intervals; they are valid all the same.\n" in said
    assert "narrower" not in said
    assert "seed: 1 -> 9" in said
    assert json.loads(call(cells[0], tmp_path / "out", "--json"))["same_data"] is False


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A run that has neither a floor nor a xi in common with the cells."""
    floors = {"twin": False, "window": False, "cauchy": False}
    study.run(
        read_cell(written(tmp_path / "bare", ADAM | {"xi": "last", "floors": floors}), []),
        tmp_path / "none",
        2,
        draw=lambda folder: dict,
    )
    return tmp_path / "none"


def test_compare_refuses_what_is_no_run(cells: list[Path], folder: Path, tmp_path: Path, bare: Path) -> None:
    assert call(folder, cells[0], code=2) == (
        f"{folder} is a sweep, not a run; {folder}#CELL is a cell, by the column `cell` of its sweep.csv\n"
    )
    assert call(cells[0], tmp_path / "x", code=2) == f"there is no folder {tmp_path / 'x'}\n"
    assert "has no manifest.json" in call(cells[0], folder / "cells", code=2)
    assert call(cells[0], bare, code=2) == f"{cells[0]} and {bare} have no xi and no floor in common\n"
    (bare / "error.csv").write_text("mine")
    assert f"{bare}: missing, or changed since written: error.csv" in call(bare, cells[0], code=2)
