"""Extreme but valid numbers end in results, or in a sentence; and numbers that are almost equal, or all equal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.experiments import written
from kit.runs import drawn
from nonconv.checks import comparison
from nonconv.experiment.binding import read_cell
from nonconv.faults.errors import UsageError
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import center_and_spread, estimate, left_the_range, moments
from nonconv.objectives import toint
from nonconv.study import loop as study
from nonconv.theory.limit_point import _is_linear

pytestmark = pytest.mark.usefixtures("reference")

COIN = {"name": "two_point", "low": -1.0, "high": 1.0}
SGD = {"name": "sgd"}
BASE: dict[str, Any] = {
    "seed": 1,
    "paths": 60,
    "steps": 300,
    "objective": {"name": "quadratic", "data": COIN},
    "optimizer": SGD,
    "learning_rate": 0.1,
    "start": 0.5,
}


def quadratic(data: dict[str, Any] = COIN, **more: Any) -> dict[str, Any]:
    return {"name": "quadratic", "data": data, **more}


def finished(folder: Path, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run, and return summary.json and verdict.json. Warnings of NumPy are errors here."""
    cell = read_cell(written(folder / "in", BASE | changes), [])
    study.run(cell, folder / "out", workers=1, draw=drawn)
    summary, verdict = (json.loads((folder / "out" / name).read_text()) for name in ("summary.json", "verdict.json"))
    return summary, verdict


LATE = {"name": "exponential", "value": 1e-20, "factor": 1e-300, "steps": 100.0}
EXTREMES: dict[str, dict[str, Any]] = {
    "a share of steps that underflows": {"objective": quadratic(scale=5e-324), "learning_rate": LATE},
    "a decay within no step": {"learning_rate": {"name": "exponential", "value": 0.1, "factor": 0.5, "steps": 5e-324}},
    "a growth that overflows": {"learning_rate": 1e200},
    "rates that underflow": {"optimizer": {"name": "adagrad", "eps": 1e-155}, "learning_rate": 5e-324, "steps": 256},
    "a bound that overflows": {"optimizer": {"name": "adam", "beta2": 0.9999999999999999}, "learning_rate": 1e300},
    "an eps that overflows": {"optimizer": {"name": "adam", "eps": 1.7e308, "eps_placement": "hat"}},
    "a narrow interval": {
        "objective": quadratic({"name": "truncated_normal", "mean": 1e8, "std": 1e8, "low": -1e-100, "high": 1e-8})
    },
    "knots that are close": {"objective": {"name": "toint"}, "learning_rate": 5e-324, "xi": ["start"]},
    "uniform knots that are close": {
        "objective": {"name": "toint", "knots": "uniform"},
        "optimizer": {"name": "adam"},
        "learning_rate": 1e-310,
        "xi": ["start"],
    },
    "steep, and knots that are close": {
        "objective": {"name": "toint", "scale": 1e100, "knots": "uniform"},
        "optimizer": {"name": "adam"},
        "learning_rate": 1e-320,
        "xi": ["start"],
    },
    "adam_zero of a flat loss": {
        "objective": quadratic(scale=5e-324),
        "optimizer": {"name": "adam"},
        "xi": ["minimizer", "adam_zero"],
    },
    "adam_zero of far values": {
        "objective": quadratic({"name": "discrete", "values": [-1e100, 0.0, 1e-8], "probabilities": [0.25, 0.25, 0.5]}),
        "optimizer": {"name": "adam"},
        "xi": ["minimizer", "adam_zero"],
    },
}
NETWORK: dict[str, Any] = {
    "name": "mlp",
    "hidden": [2],
    "data": {"name": "teacher", "inputs": 2, "hidden": [2], "outputs": 1, "low": -2.0, "high": 2.0},
}
EXTREMES |= {
    f"weights that decay by {decay:g}": {
        "objective": NETWORK | {"weight_decay": decay},
        "start": {"name": "glorot"},
        "paths": 8,
        "steps": 40,
        "xi": ["start"],
    }
    for decay in (1e150, 1e300)
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_numbers_end_in_results_or_in_a_sentence(tmp_path: Path, name: str) -> None:
    try:
        summary, verdict = finished(tmp_path, **EXTREMES[name])
    except UsageError:
        assert "adam_zero" in name
        return
    assert sum(verdict["outcomes"].values()) == summary["paths"]


@pytest.mark.parametrize("unit", [1e-82, 1e-75, 1e-40, 1e40, 1e76, 1e80])
def test_squared_errors_have_an_interval_in_any_unit_or_a_reason_for_none(tmp_path: Path, unit: float) -> None:
    """The interval of squares is that of unit 1, times the unit squared; quantiles are right in every unit."""
    data = {"name": "two_point", "low": -unit, "high": unit}
    summary, _ = finished(tmp_path / "there", objective=quadratic(data), start=0.0)
    same, _ = finished(tmp_path / "here", start=0.0)
    row, ordinary = summary["errors"][-1], same["errors"][-1]
    assert row["mse"] == pytest.approx(ordinary["mse"] * unit**2, rel=1e-9, abs=0.0)
    assert (row["se"] is None) == (unit in (1e-82, 1e80))
    if row["se"] is None:
        assert "squares of these numbers leave the range of doubles" in summary["without_interval"]["mse: minimizer"]
    else:
        assert row["se"] == pytest.approx(ordinary["se"] * unit**2, rel=1e-6, abs=0.0)


def test_distances_whose_squares_are_no_doubles_have_quantiles(tmp_path: Path) -> None:
    for unit in (1e-180, 1e180):
        summary, _ = finished(tmp_path / f"{unit:g}", start=3.0 * unit, learning_rate=1e-300, xi=[0.0], steps=64)
        quantiles = (tmp_path / f"{unit:g}" / "out" / "quantities.csv").read_text().splitlines()
        value = next(float(line.split(",")[3]) for line in quantiles[1:] if ",q50: 0," in line)
        assert value == pytest.approx(3.0 * unit, rel=1e-12, abs=0.0), unit
        assert summary["errors"][-1]["se"] in (None, 0.0)


@pytest.mark.parametrize("unit", [1e-121, 1e121])
def test_a_skewness_that_is_lost_is_no_skewness(unit: float) -> None:
    """Cubes of deviations underflow, or overflow: the interval is then plain Student's t, symmetric."""
    samples = np.random.default_rng(1).exponential(size=(1, 100)) * unit
    found = estimate(moments(samples))
    assert found.value - found.low == pytest.approx(found.high - found.value, rel=1e-9, abs=0.0)
    assert not left_the_range(moments(samples)).any()


@pytest.mark.parametrize(
    ("columns", "spread"),
    [
        (np.full(150, 5.1), 0.0),
        (np.full(7, 0.1), 0.0),
        (1e-200 * np.arange(5.0), 1e-200 * np.sqrt(2.0)),
        (1e-320 * np.array([1.0, 3.0]), 1e-320),
        (1e200 * np.array([-1.0, 1.0]), 1e200),
        (1e308 * np.array([1.0, 1.5, 1.0, 1.5]), 0.25e308),
        (np.arange(5.0), np.sqrt(2.0)),
    ],
)
def test_center_and_spread_of_any_column(columns: Array, spread: float) -> None:
    center, found = center_and_spread(columns[:, None])
    assert found[0] == pytest.approx(spread, rel=1e-3, abs=0.0)
    assert columns.min() <= center[0] <= columns.max()
    assert (found[0] == 0.0) == (np.ptp(columns) == 0.0)


def test_ordinary_columns_keep_their_bits() -> None:
    table = np.random.default_rng(3).normal(size=(50, 4)) + 10.0
    center, spread = center_and_spread(table)
    assert np.array_equal(center, table.mean(axis=0))
    assert np.array_equal(spread, table.std(axis=0))


def rows_of(folder: Path) -> Callable[..., dict[str, Any]]:
    """An objective on a file with a constant column, one of times and small numbers."""
    small = 1e-5 * np.random.default_rng(0).normal(size=40)
    lines = [f"5.1,1700000000,{number}" for number in small.tolist()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.csv").write_text("\n".join(["same,ts,amp", *lines]))
    return lambda *columns: quadratic({"name": "csv", "file": str(folder / "rows.csv"), "columns": [*columns]})


def test_a_small_coordinate_beside_a_large_one_is_no_rounding_error(tmp_path: Path) -> None:
    """Rounding errors of 1.7e9 are some 1e-7; the other coordinate has noise of 1e-6, and does not come to rest."""
    start = [1.7e9, 0.0]
    _, verdict = finished(tmp_path, objective=rows_of(tmp_path)("ts", "amp"), start=start, steps=2000, paths=100)
    assert verdict["verdict"] == "does_not_converge"
    _, verdict = finished(tmp_path / "one", objective=rows_of(tmp_path)("ts"), start=1.7e9 + 10.0, steps=2000, paths=100)
    assert verdict["verdict"] == "converges"


def test_a_small_output_of_a_network_is_judged_by_its_own_size(tmp_path: Path) -> None:
    """One output is a time, known exactly; the other has noise that the time's rounding errors exceed."""
    rows_of(tmp_path)
    data = {
        "name": "csv",
        "file": str(tmp_path / "rows.csv"),
        "features": ["same"],
        "targets": ["ts", "amp"],
        "standardise": False,
    }
    network = {"name": "mlp", "hidden": [], "data": data}
    changes: dict[str, Any] = {"objective": network, "optimizer": "sgd", "learning_rate": 0.01, "start": 0.0, "xi": ["last"]}
    _, verdict = finished(tmp_path / "run", **changes, steps=2048, paths=200)
    assert verdict["verdict"] == "does_not_converge"


def test_labels_beside_a_large_mean_are_noisy(tmp_path: Path) -> None:
    """Times in seconds with an error of a tenth: no affine function gives them, though the error is 1e-10 of them."""
    generator = np.random.default_rng(5)
    x, noise = generator.normal(size=(1, 50)), 0.1 * generator.normal(size=(1, 50))
    assert not _is_linear(x, 1e9 + x + noise)
    assert _is_linear(x, 1e9 + x)
    assert _is_linear(x, np.full((1, 50), 1.7e9))


@pytest.mark.parametrize("start", [0.5, {"name": "discrete", "values": [0.5], "probabilities": [1.0]}])
def test_constant_data_are_not_noisy(tmp_path: Path, start: Any) -> None:
    """The mean of 40 numbers 5.1 is not 5.1, and a law with one value gives no random start."""
    summary, verdict = finished(tmp_path, objective=rows_of(tmp_path)("same"), start=start, steps=1000)
    assert verdict["verdict"] == "converges"
    assert "the gradient has no noise" in verdict["reason"]
    assert summary["errors"][-1]["mse"] < 1e-28


def test_iterates_that_stay_have_no_floor(tmp_path: Path) -> None:
    """The mean of 64 numbers 0.1 is not 0.1; their variance is 0, and no lower bound of 1e-34."""
    start = {"name": "discrete", "values": [0.1, 0.7], "probabilities": [0.5, 0.5]}
    _, verdict = finished(tmp_path, start=start, learning_rate=1e-30, steps=512)
    assert verdict["floors"]["window"]["value"] == 0.0


@pytest.mark.parametrize("scale", [1e-163, 1e160])
@pytest.mark.parametrize("knots", ["exact", "uniform"])
def test_a_counterexample_whose_squares_leave_the_range_is_refused_for_that(tmp_path: Path, knots: str, scale: float) -> None:
    objective = {"name": "toint", "scale": scale, "knots": knots}
    with pytest.raises(UsageError, match="squares of its gradients leave the range of numbers"):
        finished(tmp_path, objective=objective, optimizer={"name": "adam", "eps": 0.0}, xi=["start"])


def test_uniform_knots_for_comparison_are_never_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm-up makes the first step, and so their distance, a hundredth of the others."""
    monkeypatch.setattr(toint, "MOST_KNOTS", 20_000)
    monkeypatch.setattr(toint, "WIDE_KNOTS", 5_000)
    rate = {"name": "constant", "value": 0.1, "warmup": 100}
    changes: dict[str, Any] = {"objective": {"name": "toint"}, "optimizer": {"name": "adam", "eps": 0.0}, "start": 0.0}
    summary, verdict = finished(tmp_path, **changes, learning_rate=rate, xi=["start"], paths=1)
    assert verdict["outcomes"]["escaped"] == 1
    assert summary["counterexample"]["companion"]["spacing"] > 0.001
    assert "The uniform knots that it is shown beside are" in (tmp_path / "out" / "summary.md").read_text()


def test_a_point_that_is_reached_up_to_rounding_is_the_limit(tmp_path: Path) -> None:
    """Its error stays at the square of a rounding error, and is no sign that the limit is another point."""
    one = {"name": "discrete", "values": [0.7], "probabilities": [1.0]}
    _, verdict = finished(tmp_path, objective=quadratic(one), steps=1000, xi=["minimizer", 0.69])
    assert verdict["verdict"] == "converges"
    text = (tmp_path / "out" / "summary.md").read_text()
    assert "is minimizer = 0.7: E|Θ − minimizer|² is 0 up to rounding" in text
    assert "is not 0.69: E|Θ − 0.69|² stays up" in text


def test_differences_that_are_not_finite_are_said_to_be_so(tmp_path: Path) -> None:
    """Of runs that overflow, and of runs with one path, whose differences have no interval."""
    for paths, rate in ((10, 1.9), (1, 0.1)):
        for name, start in (("a", 1e77), ("b", 1e76)):
            finished(tmp_path / name / str(paths), paths=paths, learning_rate=rate, start=start, steps=2000)
        folders = (tmp_path / name / str(paths) / "out" for name in "ab")
        _, shown = comparison.rows(comparison.compare(*folders))
        assert shown
        assert all(row[3] == "not finite" if paths > 1 else "±" not in row[3] for row in shown)
