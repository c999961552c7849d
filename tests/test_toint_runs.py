"""What becomes of paths on Toint's function: escaped or caught, how fast a deviation grows, and what a run reports of it."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from kit.counterexample import DIALECTS, ROUNDING, TOINTS, bound, make, never_another_slope, orbit_of, schedule
from kit.experiments import written
from kit.layout import check_layout, laid_out, texts
from kit.runs import contents, drawn
from nonconv.engine import blocks, orbit
from nonconv.engine.blocks import simulate
from nonconv.engine.fused import Fused
from nonconv.engine.orbit import with_orbit
from nonconv.engine.program import Motion, Program
from nonconv.engine.reference import Reference
from nonconv.engine.replay import REPLAY_STEPS, Progress, find_progress
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.faults.errors import UsageError
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.toint import TOINT, Toint
from nonconv.report.figures.orbit_figure import fates_figure, orbit_figure
from nonconv.report.run import Run, read_run
from nonconv.results.columns import read_columns
from nonconv.results.counterexample import KNOT_REASONS
from nonconv.statistics.counterexample import slopes
from nonconv.statistics.measured_block import OUTCOMES
from nonconv.statistics.shares import share
from nonconv.statistics.tally import measure
from nonconv.study import loop as study
from nonconv.study.ready import make_ready
from nonconv.theory.linearised import deviation

CONFIGS = Path(__file__).parents[1] / "configs"
NEVER = np.zeros(1, dtype=np.uint8)
ALPHA = 0.1


def progress_of(program: Program, paths: int = 1) -> Progress:
    found = simulate(program, Fused(program), 0, paths, NEVER).progress
    assert found is not None
    return found


def started(start: float, beta1: float = 0.9, beta2: float = 0.999, steps: int = 2000, knots: Any = "exact") -> Program:
    """Toint's Adam from a start off the first knot."""
    parameters = TOINTS | {"beta1": beta1, "beta2": beta2}
    return bound(make("adam", Toint(knots), steps, parameters, start=np.array([start])))


# Outcomes


@pytest.mark.compiles
@pytest.mark.slow
def test_every_pair_of_betas_escapes() -> None:
    """At speed alpha, with slope -1 at every step; the speed to the roundings of the sum and of m and v."""
    betas = ("0", "0.1", "0.5", "0.9", "0.99", "0.999", "0.999999")
    for beta1, beta2 in ((b1, b2) for b1 in betas for b2 in betas):
        overrides = [f"optimizer.beta1={beta1}", f"optimizer.beta2={beta2}", "steps=20000", "paths=1"]
        cell = make_ready(read_cell(CONFIGS / "toint_betas.yaml", overrides)).cell
        tally = measure(cell, simulate(cell.program, Fused(cell.program), 0, 1, NEVER))
        assert tally.fates is not None
        outcome, caught_step, _, speed, _ = tally.fates.joined[:, 0].tolist()
        assert (OUTCOMES[int(outcome)], caught_step) == ("escaped", 0)
        allowed = 4 * 20_000 + 8 / (1 - float(beta1)) + 8 / (1 - float(beta2))
        assert speed == pytest.approx(ALPHA, rel=allowed * ROUNDING)
        assert never_another_slope(cell.program), (beta1, beta2)


@pytest.mark.compiles
@pytest.mark.parametrize("steps", [1, 2, 1023, 1024, 1025, 1026, 8192, 8193])
def test_every_step_is_looked_at(steps: int) -> None:
    """Whatever pieces the run is cut into; the slopes of a path that is caught sooner or later, as its iterates have them."""
    for start in (0.0, -1e-9):
        program = started(start, steps=steps)
        found = slopes(program, Fused, 1)
        theta = np.concatenate([[start], simulate(program, Fused(program), 0, 1, NEVER).theta[:-1, 0, 0]])
        slope = TOINT.gradient(TOINT.constants(*(part[0] for part in program.objective.constants)), theta, None)
        other = np.flatnonzero(slope != -1.0)
        assert found.exact[0] == steps - len(other)
        assert found.first_other[0] == (other[0] + 1 if len(other) else 0)
        assert found.largest[0] == np.abs(slope + 1.0).max()


@pytest.mark.compiles
def test_caught_on_uniform_knots() -> None:
    """Negative control: multiples of alpha are not where the optimizer goes, by a rounding that grows."""
    program = started(0.0, steps=5000, knots="uniform")
    found = progress_of(program)
    assert 5.5 < found.place[0] < 6.3
    assert 0 < found.caught_step[0] < 200
    assert abs(found.speed[0]) < 1e-3 * ALPHA
    first = int(slopes(program, Fused, 1).first_other[0])
    assert 1 < first < found.caught_step[0]


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("beta1", "beta2", "start", "escapes"),
    [
        (0.9, 0.999, -1e-12, False),
        (0.9, 0.999, 1e-12, True),
        (0.9, 0.999, 0.0, True),
        (0.5, 0.5, 1e-3, True),
        (0.5, 0.5, 0.1, True),
    ],
)
def test_perturbed_starts(beta1: float, beta2: float, start: float, escapes: bool) -> None:
    found = progress_of(started(start, beta1, beta2))
    assert (found.caught_step[0] == 0) == escapes
    assert found.speed[0] == pytest.approx(ALPHA if escapes else 0.0, abs=1e-3 * ALPHA)


class Prescribed(Reference):
    """An engine that knows the whole trajectory (steps, dim, paths)."""

    def __init__(self, theta: Array) -> None:
        self.theta, self.done = theta, 0

    def advance(self, motion: Motion) -> None:
        piece = self.theta[self.done : self.done + len(motion.batch_size)]
        motion.snapshots[:] = piece[motion.marks]
        self.done += len(piece)


def progress_by_hand(way: Array, record: list[int], orbit_ends: float = np.inf) -> Progress:
    """Of paths (dim, paths, steps) from 0, beside an orbit that makes 1 a step up to an end."""
    theta = np.moveaxis(way, 2, 0)
    dim, paths, steps = way.shape
    program = make(
        "sgd", Toint(dim=dim), steps, record=np.array(record), orbit=np.minimum(np.arange(steps + 1025.0), orbit_ends)
    )
    recorded, middle = theta[np.array(record) - 1], theta[steps // 2 - 1]
    found = find_progress(program, Prescribed(theta), 7, np.zeros((dim, paths)), recorded, middle, NEVER)
    assert found is not None
    return found


N = np.arange(1.0, 101.0)


def test_progress_by_hand() -> None:
    """All of the way, just half of it, a little less, a halt early and late, backwards, beyond the finite numbers."""
    stopping, ending = [np.minimum(N, 10.0), np.minimum(N, 70.0)], [np.where(N < 60, N, end) for end in (np.nan, np.inf)]
    found = progress_by_hand(np.array([[N, 0.5 * N, 0.49 * N, *stopping, -N, *ending]]), [1, 10, 50, 75, 100])
    assert found.escaped.tolist() == [True, True, *[False] * 5, True], "infinity is beyond the orbit; its outcome is overflow"
    assert found.caught_step.tolist() == [0, 0, 75, 10, 70, 1, 0, 0]
    assert REPLAY_STEPS < 70, "the search for the step never reaches its second piece"
    assert found.place.tolist()[:6] == [100.0, 50.0, 49.0, 10.0, 70.0, -100.0]
    assert found.speed[:6] == pytest.approx([1.0, 0.5, 0.49, 0.0, 0.4, -1.0], rel=1e-12)


def test_progress_of_the_slowest_coordinate() -> None:
    """Over the last half of the run, whatever is recorded: one that came far before and then stood was caught."""
    way = np.array([[N, N, N], [0.6 * N, np.minimum(N, 30.0), np.minimum(1.3 * N, 65.0)]])
    for record in ([100], [30, 100], [50, 100]):
        found = progress_by_hand(way, record)
        assert found.escaped.tolist() == [True, False, False]
        assert found.caught_step.tolist() == [0, 30, 50]
        assert found.place.tolist() == [60.0, 30.0, 65.0]
        assert found.speed == pytest.approx([0.6, 0.0, 0.0], rel=1e-12)


@pytest.mark.parametrize("end", [10.0, 50.0])
def test_nobody_escapes_or_is_caught_beside_an_orbit_that_stands_still(end: float) -> None:
    """Neither who stands beside it, nor who goes on, backwards, or beyond the finite numbers."""
    found = progress_by_hand(np.array([[np.minimum(N, end), N, -N, 0 * N, np.where(N < 60, N, np.inf)]]), [50, 75, 100], end)
    assert found.escaped.tolist() == [False] * 5
    assert found.caught_step.tolist() == [0] * 5
    assert found.place.tolist() == [end, 100.0, -100.0, 0.0, np.inf]
    going = progress_by_hand(np.array([[np.minimum(N, end + 1), 0 * N]]), [50, 75, 100], end + 1)
    assert going.escaped.any() == going.caught_step.any() == (end == 50.0), "one step of the orbit after half of the run"


# How a deviation grows

GROWING = [(0.9, 0.999), (0.9, 0.99), (0.5, 0.9), (0.0, 0.5), (0.1, 0.999), (0.8, 0.9)]
each_growing = pytest.mark.parametrize(("beta1", "beta2"), GROWING)


@pytest.mark.compiles
@each_growing
def test_measured_growth_is_the_linearised(beta1: float, beta2: float) -> None:
    """Within 1 %, of a path that starts 1e-9 behind its knots."""
    program = started(-1e-9, beta1, beta2)
    found = slopes(program, Fused, 1)
    assert (found.growth_from[0], found.deviation[0]) == (0, -1e-9)
    steps = int(found.growth_to[0])
    linear = deviation(program, orbit_of(program), -1e-9, steps)
    assert linear is not None
    assert len(linear) == steps + 1
    assert 5 < steps < 1000
    assert found.growth[0] == pytest.approx(abs(linear[-1] / 1e-9) ** (1 / steps), rel=0.01)
    assert found.growth[0] > 1.05


@pytest.mark.compiles
@pytest.mark.parametrize("dialect", DIALECTS, ids=["corrected", "first gradient", "plain"])
def test_measured_deviations_are_the_linearised_step_by_step(dialect: dict[str, Any]) -> None:
    """Also where the knots are uneven: within 1 % as long as they are below 1 % of an interval, behind and ahead."""
    for start in (-1e-9, 1e-9):
        rate = schedule("power", value=ALPHA, exponent=0.9)
        program = bound(make("adam", steps=200, parameters=dialect, learning_rate=rate, start=np.array([start])))
        away = simulate(program, Fused(program), 0, 1, NEVER).theta[:, 0, 0] - orbit_of(program)[1:201]
        linear = deviation(program, orbit_of(program), start, 200)
        assert linear is not None
        small = np.logical_and.accumulate(np.abs(away) < 1e-2 * np.diff(orbit_of(program))[:200])
        assert small.sum() > 10
        assert away[small] == pytest.approx(linear[1:][small], rel=0.01, abs=1e-13)


@pytest.mark.compiles
@each_growing
def test_linearised_growth_is_an_eigenvalue(beta1: float, beta2: float) -> None:
    """Behind a knot a step maps (e, mu, nu), e being the deviation over alpha, by a matrix."""
    program = started(-1e-9, beta1, beta2)
    behind = np.array(
        [[1 + 6 * (beta2 - beta1), -beta1, -beta2 / 2], [-6 * (1 - beta1), beta1, 0.0], [12 * (1 - beta2), 0.0, beta2]]
    )
    linear = deviation(program, orbit_of(program), -1e-9, 200)
    assert linear is not None
    assert linear[-1] / linear[-2] == pytest.approx(np.abs(np.linalg.eigvals(behind)).max(), rel=1e-6)


@pytest.mark.compiles
def test_ahead_of_its_knots_no_deviation_grows() -> None:
    """Negative control: the other sign, at the same betas."""
    program = started(1e-9)
    found = slopes(program, Fused, 1)
    assert found.growth_to[0] == program.steps
    assert found.growth[0] < 1.0 + 1e-3


@pytest.mark.compiles
@pytest.mark.parametrize("start", [0.0, -0.05])
def test_no_growth_of_what_is_nothing_or_large(start: float) -> None:
    """Of a path that never leaves the orbit, or starts further from it than linear."""
    assert math.isnan(slopes(started(start), Fused, 1).growth[0])


@pytest.mark.compiles
def test_linearised_growth_is_adams_alone() -> None:
    program = bound(make("rmsprop"))
    assert deviation(program, orbit_of(program), -1e-9, 10) is None


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_share_is_clopper_and_pearsons(level: float) -> None:
    for n in (1, 2, 7, 64, 2000):
        for count in sorted({0, 1, n // 3, n // 2, n - 1, n}):
            expected = stats.binomtest(count, n).proportion_ci(confidence_level=level, method="exact")
            assert share(count, n, level) == pytest.approx((count / n, expected.low, expected.high), rel=1e-9, abs=1e-15)


# Whole runs

RANDOM: dict[str, Any] = {
    "seed": 2,
    "paths": 64,
    "steps": 300,
    "objective": "toint",
    "optimizer": {"name": "adam", "eps": 0, "bias_correction": False, "start": "first_gradient"},
    "learning_rate": ALPHA,
    "start": {"name": "log_uniform", "low": 1e-12, "high": 0.1},
    "record": {"points": 30, "paths": 12},
}
DETERMINISTIC = RANDOM | {"paths": 1, "start": 0.0, "objective": {"name": "toint", "knots": "uniform"}}
DECAYING = RANDOM | {
    "learning_rate": {"name": "power", "value": ALPHA},
    "objective": {"name": "toint", "dim": 2, "scale": 1e-6},
}
HALTING = RANDOM | {"learning_rate": {"name": "piecewise", "values": [ALPHA, 0.0], "until": [20]}}
SCALED = DETERMINISTIC | {"objective": {"name": "toint", "scale": 1e4}, "steps": 40, "optimizer": "adam"}
ONE_STEP = DETERMINISTIC | {"steps": 1, "record": {"points": 1}}
ALL_ESCAPE = RANDOM | {"start": {"name": "log_uniform", "low": 1e-12, "high": 1e-6, "sign": "positive"}}
NOTHING_KEPT = RANDOM | {"record": {"points": 5, "paths": 0}}
RUNS = {
    "nothing kept": NOTHING_KEPT,
    "random": RANDOM,
    "deterministic": DETERMINISTIC,
    "decaying": DECAYING,
    "halting": HALTING,
    "scaled": SCALED,
    "one step": ONE_STEP,
    "all escape": ALL_ESCAPE,
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", 24)


def cell_of(folder: Path, config: dict[str, Any]) -> Cell:
    return read_cell(written(folder / "in", config), [])


def run_of(folder: Path, config: dict[str, Any]) -> Run:
    study.run(cell_of(folder, config), folder / "out", workers=2, draw=drawn)
    return read_run(folder / "out")


@pytest.mark.slow
def test_a_run_with_random_starts(tmp_path: Path) -> None:
    run = run_of(tmp_path, RANDOM)
    orbit_rows, slope_rows, fates, curve = (
        read_columns(run.folder / f"{name}.csv").records() for name in ("orbit", "slopes", "outcomes", "objective")
    )
    assert [int(row["step"]) for row in orbit_rows] == run.step.tolist()
    assert [row["path"] for row in slope_rows] == [str(path) for path in range(12)]
    assert [row["path"] for row in fates] == [str(path) for path in range(64)]
    assert {row["knots"] for row in curve} == {"exact", "uniform"}
    outcomes = [row["outcome"] for row in fates]
    escaped, caught = outcomes.count("escaped"), outcomes.count("caught")
    assert escaped + caught == 64
    assert min(escaped, caught) > 10
    for row in fates:
        assert (int(row["caught_step"]) > 0) == (row["outcome"] == "caught")
        assert (float(row["speed"]) > ALPHA / 2) == (row["outcome"] == "escaped")
    told = run.summary["counterexample"]
    expected = stats.binomtest(escaped, 64).proportion_ci(method="exact")
    assert told["escaped"] == pytest.approx({"value": escaped / 64, "ci_low": expected.low, "ci_high": expected.high})
    assert told["slopes"]["paths"] == 12
    assert told["slopes"]["steps"] == 12 * 300
    assert told["slopes"]["exact"] == sum(int(row["exact"]) for row in slope_rows) < 12 * 300
    assert told["lipschitz"] == pytest.approx(6 / ALPHA)
    assert told["orbit"] == pytest.approx({"last": 300 * ALPHA, "per_step": ALPHA})
    steps = sorted(int(row["caught_step"]) for row in fates if row["outcome"] == "caught")
    assert [told["caught_step"][name] for name in ("min", "max")] == [steps[0], steps[-1]]
    assert run.summary["outcomes"] == dict.fromkeys(OUTCOMES, 0) | {"escaped": escaped, "caught": caught}


@pytest.mark.slow
def test_a_run_without_anything_random(tmp_path: Path) -> None:
    """One path, no warning about it, and no interval."""
    run = run_of(tmp_path, DETERMINISTIC)
    names = {path.stem for path in run.folder.glob("*.csv")}
    assert names == {"error", "quantities", "floors", "orbit", "slopes", "objective"}
    assert run.summary["warnings"] == []
    told = run.summary["counterexample"]
    assert told["escaped"] == {"value": 0.0, "ci_low": None, "ci_high": None}
    assert told["speed"] is None
    assert told["slopes"]["first_other"] > 1
    (last,) = read_columns(run.folder / "orbit.csv").records()[-1:]
    assert float(last["theta_exact"]) == float(last["orbit"]) == pytest.approx(300 * ALPHA)
    assert float(last["slope_exact"]) == -1.0
    assert 5.5 < float(last["theta_uniform"]) < 6.3
    assert abs(float(last["slope_uniform"])) < 0.1


@pytest.mark.slow
def test_paths_beside_an_orbit_that_stands_still_are_finite(tmp_path: Path) -> None:
    """All of them, since a run that goes nowhere cannot diverge."""
    run = run_of(tmp_path, HALTING)
    assert run.summary["outcomes"] == dict.fromkeys(OUTCOMES, 0) | {"finite": 64}
    assert {row["outcome"] for row in read_columns(run.folder / "outcomes.csv").records()} == {"finite"}
    assert run.verdict["outcomes"] == run.summary["outcomes"]
    assert run.verdict["verdict"] != "diverges"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random", "decaying", "halting"])
def test_same_bytes_for_any_number_of_workers(tmp_path: Path, name: str) -> None:
    cell = cell_of(tmp_path, RUNS[name])
    for workers in (1, 2, 3):
        study.run(cell, tmp_path / str(workers), workers=workers, draw=drawn)
    one, two, three = (contents(tmp_path / str(workers)) for workers in (1, 2, 3))
    assert one == two == three
    assert {"floors.csv", "verdict.json", "orbit.csv", "slopes.csv", "objective.csv", "outcomes.csv"} <= set(one)


@pytest.mark.slow
def test_force_leaves_nothing_of_another_run(tmp_path: Path) -> None:
    run_of(tmp_path, RANDOM)
    study.run(cell_of(tmp_path, DETERMINISTIC), tmp_path / "out", workers=1, force=True, draw=drawn)
    assert not (tmp_path / "out" / "outcomes.csv").exists()


def test_xi_is_the_start_unless_said_otherwise(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, RANDOM)
    assert [xi.label for xi in cell.xi] == cell.resolved["xi"] == ["start"]
    assert cell.minimizer is None
    assert cell_of(tmp_path, RANDOM | {"xi": ["last", 0.5]}).resolved["xi"] == ["last", 0.5]


STANDING = "needs an optimizer that goes on to the right, by finite steps, when it is fed a constant slope"


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"learning_rate": {"name": "piecewise", "values": [0.0], "until": []}}, STANDING),
        ({"optimizer": "sgd", "learning_rate": 1e308}, STANDING),
        ({"steps": 10_000_001}, "10000001 steps need as many knots; at most 10000000 fit into memory"),
        (
            {"objective": {"name": "toint", "knots": "uniform", "spacing": 1e-8}},
            "needs 1.46e+10 knots, more than 2e+07; take a larger spacing or fewer steps",
        ),
    ],
)
def test_what_the_objective_refuses(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    cell = cell_of(tmp_path, RANDOM | changes)
    with pytest.raises(UsageError) as told:
        study.run(cell, tmp_path / "out", workers=1, draw=drawn)
    assert str(told.value) == f"objective toint: {says}"


@pytest.mark.compiles
def test_an_orbit_is_made_once() -> None:
    program = started(0.0, steps=10)
    assert with_orbit(program, Fused) is program
    assert len(orbit_of(program)) == 10 + orbit.SPARE_STEPS + 1


# Figures


def figures_of(run: Run) -> dict[str, Figure]:
    makers = {"orbit": orbit_figure} | ({"fates": fates_figure} if (run.folder / "outcomes.csv").exists() else {})
    return {name: laid_out(maker, run) for name, maker in makers.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_clipped_or_run_together(tmp_path: Path, name: str) -> None:
    run = run_of(tmp_path, RUNS[name])
    for figure in figures_of(run).values():
        check_layout(figure, columns=2)


@pytest.mark.slow
def test_a_side_without_starts_has_no_panel(tmp_path: Path) -> None:
    run = run_of(tmp_path, RANDOM | {"start": {"name": "uniform", "low": 0, "high": 0.1}})
    (axes,) = figures_of(run)["fates"].axes
    assert axes.get_title(loc="left") == "started ahead of the first knot"
    assert axes.get_ylabel()


@pytest.mark.slow
def test_figures_show_the_data(tmp_path: Path) -> None:
    run = run_of(tmp_path, RANDOM)
    figures, rows = figures_of(run), read_columns(run.folder / "outcomes.csv").records()
    for axes, sign in zip(figures["fates"].axes, (-1, 1), strict=True):
        caught = [row for row in rows if row["outcome"] == "caught" and sign * float(row["start"]) > 0]
        points = np.array([(sign * float(row["start"]), float(row["caught_step"])) for row in caught]).reshape(-1, 2)
        np.testing.assert_array_equal(axes.lines[0].get_xydata(), points)
    counts = [text for text in texts(figures["fates"]) if text.startswith(("caught: ", "escaped: "))]
    assert sum(int(text.split()[1]) for text in counts) == 64
    way = next(axes for axes in figures["orbit"].axes if axes.get_ylabel() == "θₙ")
    np.testing.assert_array_equal(
        way.lines[0].get_ydata(), [float(row["orbit"]) for row in read_columns(run.folder / "orbit.csv").records()]
    )
    assert json.loads((run.folder / "summary.json").read_text())["counterexample"]["knots"] == "exact"
    assert json.loads((run.folder / "manifest.json").read_text())["knots"] == {"kind": "exact", "why": KNOT_REASONS["exact"]}
    assert math.isclose(run.summary["counterexample"]["spacing"]["min"], ALPHA)
