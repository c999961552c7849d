"""The sweeps that ship: they are what they claim, and their grids are valid."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nonconv.config.files import read
from nonconv.report.run import read_run
from nonconv.report.sweep_result import SweepResult, read_sweep_result
from nonconv.sweeps.executors.threads import open_threads
from nonconv.sweeps.loop import run_sweep
from nonconv.sweeps.sweep import read_sweep, survey

pytestmark = pytest.mark.slow  # the sweeps that ship

CONFIGS = Path(__file__).parent.parent / "configs"
SWEEPS = sorted(path for path in CONFIGS.glob("*.yaml") if "sweep" in read(path).data)
CELLS = {"adam_betas": 400, "batch_rate": 84, "rate_threshold": 52, "reshuffling": 6, "toint_betas": 100}
APART = 4.5
"""Standard errors: exceeded by chance about once in 10 000 comparisons, skewness allowed for."""


@pytest.mark.parametrize("config", SWEEPS, ids=lambda path: path.stem)
def test_grids_that_ship(config: Path) -> None:
    found = survey(read_sweep(config))
    assert len(found.ids) == len(set(found.ids)) == CELLS[config.stem]


def swept(config: str, folder: Path, grids: list[str], settings: list[str]) -> SweepResult:
    """A smaller version of a sweep, computed."""
    sweep = read_sweep(CONFIGS / f"{config}.yaml", settings, grids)
    run_sweep(sweep, survey(sweep), folder, partial(open_threads, sweep, 2), draw=lambda path: dict)
    return read_sweep_result(folder)


def test_batches_help_adam_less_than_sgd(tmp_path: Path) -> None:
    """SGD's plateau is the closed form in every cell; Adam's falls with the root of the batch size, not with the batch size."""
    grids = ["learning_rate.value=0.01,0.05", "batch_size.value=1,4,16"]
    found = swept("batch_rate", tmp_path / "out", grids, ["steps=3000", "paths=800"])
    mse, se = found.numbers("mse_minimizer"), found.numbers("mse_minimizer_se")
    exact = np.array([plateau(found, k) for k in range(found.cells)])
    sgd, adam = found.equal("optimizer", "sgd"), found.equal("optimizer", "adam")
    assert np.all(np.abs(mse - exact)[sgd] <= APART * se[sgd])
    assert np.any(np.abs(mse[adam] - exact[sgd]) > APART * se[adam]), "a control: Adam has another plateau"
    for optimizer, exponent, other in ((sgd, -1.0, -0.5), (adam, -0.5, -1.0)):
        slope, error = log_slope(found.numbers("batch_size.value")[optimizer], mse[optimizer], (se / mse)[optimizer])
        assert abs(slope - exponent) < abs(slope - other)
        assert abs(slope - other) > APART * error


def plateau(found: SweepResult, row: int) -> float:
    """E|theta - minimizer|^2 in the stationary state, as theory has it."""
    return float(read_run(found.folder / "cells" / found.columns["cell"][row]).predictions["plateau"]["value"])


def log_slope(x: np.ndarray, y: np.ndarray, relative: np.ndarray) -> tuple[float, float]:
    """Of log y against log x, with its standard error from those of y; the rate adds a constant of its own to each."""
    at = np.log(x) - np.log(x).mean()
    weight = at / (at @ at)
    return float(weight @ np.log(y)), float(np.sqrt(weight**2 @ relative**2))


def test_every_pair_of_betas_fails_to_converge(tmp_path: Path) -> None:
    """Also where theory's bound needs beta1 < sqrt(beta2) and there is none."""
    grids = ["optimizer.beta1=0,0.9", "optimizer.beta2=0.75,0.99,0.999"]
    found = swept("adam_betas", tmp_path / "out", grids, ["paths=300", "steps=6000"])
    assert set(found.columns["verdict"]) == {"does_not_converge"}
    outside = np.sqrt(found.numbers("optimizer.beta2")) <= found.numbers("optimizer.beta1")
    assert outside.any()
    settled = swept(
        "adam_betas", tmp_path / "decay", grids, ["paths=300", "steps=6000", "learning_rate={name: power, value: 0.1}"]
    )
    assert "does_not_converge" not in settled.columns["verdict"], "a control: rates that vanish"


def test_rates_that_vanish_restore_convergence(tmp_path: Path) -> None:
    """From rho = 0, where nothing converges, to rho = 1/2, where SGD does, with the exponent that theory has."""
    found = swept("rate_threshold", tmp_path / "out", ["learning_rate.exponent=0,0.5"], ["paths=500", "steps=8192"])
    still = found.equal("learning_rate.exponent", "0")
    assert {verdict for verdict, one in zip(found.columns["verdict"], still, strict=True) if one} == {"does_not_converge"}
    sgd = np.flatnonzero(~still & found.equal("optimizer", "sgd"))[0]
    assert found.columns["verdict"][sgd] == "converges"
    assert found.numbers("slope_minimizer_low")[sgd] <= -0.5 <= found.numbers("slope_minimizer_high")[sgd]


def test_betas_of_the_counterexample(tmp_path: Path) -> None:
    grids = ["optimizer.beta1=0,0.9,0.999", "optimizer.beta2=0,0.9,0.999"]
    found = swept("toint_betas", tmp_path / "out", grids, ["steps=2000"])
    assert set(found.columns["verdict"]) == {"diverges"}
    assert set(found.columns["escaped"]) == {"1"}
