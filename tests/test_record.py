"""What a run records: chosen steps, the optimizer's state on the kept paths, and paths at the ends of a domain."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.command import bad, call, good
from kit.experiments import SGD, written
from kit.runs import undrawn
from nonconv.components.definitions import Optimizer
from nonconv.config.catalogue import BUILT_IN
from nonconv.engine.fused import Fused
from nonconv.engine.reference import Reference
from nonconv.engine.states import every_state
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.experiment.recording import recorded_steps
from nonconv.report import summary
from nonconv.report.figures import catalogue
from nonconv.report.run import Run, read_run
from nonconv.results.columns import read_columns
from nonconv.results.sweep_files import columns
from nonconv.statistics.tally import Tally
from nonconv.study import loop, ready

STILL = {"name": "quadratic", "scale": 0.5, "data": {"name": "discrete", "values": [0.0], "probabilities": [1.0]}}
"""theta^2 / 2 without noise."""
ADAM = {"name": "adam", "beta1": 0.9, "beta2": 0.9, "eps": 1.0}
NO_FLOORS = {"twin": False, "window": False, "cauchy": False}


def cell_of(folder: Path, **changes: Any) -> Cell:
    """The cell of a small config."""
    return read_cell(written(folder / "in", SGD | {"xi": ["minimizer"], "paths": 40, "floors": NO_FLOORS} | changes), [])


def run_of(folder: Path, **changes: Any) -> Run:
    """The result of a small config."""
    loop.run(cell_of(folder, **changes), folder / "out", workers=1, draw=undrawn, force=True)
    return read_run(folder / "out")


# Recorded steps


@pytest.mark.parametrize(
    ("record", "steps"),
    [
        ({"steps": [50, 10, 20]}, [10, 20, 50, 60]),
        ({"steps": [60]}, [60]),
        ({"every": 25}, [25, 50, 60]),
        ({"every": 60}, [60]),
        ({"steps": [1], "every": 40}, [1, 40, 60]),
        ({"steps": [7], "points": 2}, [7, 30, 60]),
        ({"points": 1}, [60]),
    ],
)
def test_chosen_steps(record: dict[str, Any], steps: list[int], tmp_path: Path) -> None:
    cell = cell_of(tmp_path, record=record)
    assert cell.program.record.tolist() == steps
    again = read_cell(written(tmp_path / "again", cell.resolved), [])
    assert (again.identity, again.program.record.tolist()) == (cell.identity, steps)


def test_points_beside_chosen_steps_are_another_experiment(tmp_path: Path) -> None:
    """The default of `points`, written beside `steps`, is not the same as none."""
    chosen, spread = (cell_of(tmp_path, record={"steps": [7], **more}) for more in ({}, {"points": 200}))
    assert len(spread.program.record) > 30 > len(chosen.program.record) == 2
    assert chosen.identity != spread.identity


def test_multiples_are_those_of_the_run() -> None:
    np.testing.assert_array_equal(recorded_steps(10**6, 1, "log", (3,), 250_000), [3, 250_000, 500_000, 750_000, 10**6])


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("record", [{"steps": [60]}, {"steps": [3, 4, 59], "every": 50}])
def test_a_run_with_chosen_steps(record: dict[str, Any], tmp_path: Path) -> None:
    """Its numbers are those that a run has at the same steps, exact expectation and expectations included."""
    step = record["steps"][0]
    expect = {
        "mse": [{"xi": "minimizer", "step": step, "above": 0}],
        "within": [{"xi": "minimizer", "step": step, "of": "theory"}],
    }
    own = {"xi": ["minimizer", "path_mean", "last"], "floors": {}, "start": 1.0}
    run = run_of(tmp_path / "a", record=record | {"paths": 3}, expect=expect, **own)
    whole = run_of(tmp_path / "b", record={"every": 1, "paths": 3}, **own)
    at = np.searchsorted(whole.step, run.step)
    assert run.step.tolist() == sorted({*record["steps"], *range(50, 61, 50), 60} if "every" in record else {60})
    for label, errors in run.errors.items():
        np.testing.assert_array_equal(errors.mse, whole.errors[label].mse[at])
    np.testing.assert_allclose(run.theory["minimizer"], whole.theory["minimizer"][at], rtol=1e-14)
    np.testing.assert_array_equal(run.paths["theta"], whole.paths["theta"][:, at])
    assert "E|Θ − minimizer|²" in summary.markdown(run)


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("record", [{"steps": [3]}, {"points": 1}, {"points": 60}])
def test_paths_escape_whatever_is_recorded(record: dict[str, Any], tmp_path: Path) -> None:
    run = run_of(tmp_path, objective=STILL, learning_rate=5.0, start=1.0, record=record)
    assert run.summary["outcomes"]["escaped"] == 40


# The optimizer's state


def state_of(run: Run, name: str) -> Any:
    """A state of the kept paths, (paths, R, coordinates)."""
    return run.paths[f"state_{name}"]


@pytest.mark.usefixtures("reference")
def test_the_state_of_adam(tmp_path: Path) -> None:
    """m, v and what follows from them, recomputed from every iterate of the path."""
    record = {"every": 1, "paths": 3, "state": ["v", "m", "v_hat", "m_hat", "effective_rate"]}
    objective = {
        "name": "quadratic",
        "scale": [0.5, 2.0],
        "dim": 2,
        "data": {"name": "discrete", "values": [0.5], "probabilities": [1]},
    }
    rate = {"name": "power", "value": 0.3, "exponent": 0.5}
    start = {"name": "normal"}
    run = run_of(tmp_path, objective=objective, optimizer="adam", learning_rate=rate, start=start, record=record)
    theta = run.paths["theta"]
    n = np.arange(1.0, 61.0)[:, None]
    gradients = np.array([1.0, 4.0]) * (theta[:, :-1] - 0.5)
    m, v = state_of(run, "m"), state_of(run, "v")
    np.testing.assert_allclose(m[:, 1:], 0.9 * m[:, :-1] + 0.1 * gradients, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(v[:, 1:], 0.999 * v[:, :-1] + 0.001 * gradients**2, rtol=1e-12)
    np.testing.assert_allclose(state_of(run, "v_hat"), v / (1.0 - 0.999**n), rtol=1e-10)
    effective = 0.3 / np.sqrt(n) / (np.sqrt(state_of(run, "v_hat")) + 1e-8)
    np.testing.assert_allclose(state_of(run, "effective_rate"), effective, rtol=1e-13)
    moved = theta[:, 1:] - theta[:, :-1]
    np.testing.assert_allclose(moved, -(state_of(run, "effective_rate") * state_of(run, "m_hat"))[:, 1:], rtol=1e-7, atol=1e-15)


def test_engines_agree_on_states_and_steps_between_do_not_matter(tmp_path: Path) -> None:
    """To the bit; also where data are held and a mark is within a batch."""
    data = {"name": "sequence", "values": [1.0, -2.0, 4.0], "order": "epochs", "hold": 4}
    objective = {"name": "quadratic", "data": data}
    record = {"steps": [1, 2, 7, 33], "state": ["v"], "paths": 5}
    cells = [cell_of(tmp_path, objective=objective, optimizer="adam", record=r) for r in (record, record | {"every": 1})]
    stop = np.zeros(1, dtype=np.uint8)
    found = [
        {int(n): at.state.v.copy() for n, at in zip(c.program.record, _states(c, engine(c.program), stop), strict=True)}
        for c, engine in ((cells[0], Reference), (cells[0], Fused), (cells[1], Fused))
    ]
    for n, v in found[0].items():
        np.testing.assert_array_equal(v, found[1][n])
        np.testing.assert_array_equal(v, found[2][n])
    assert np.unique(found[0][33]).size > 1


def _states(cell: Cell, engine: Any, stop: Any) -> Any:
    """Yield copies of the states of five paths."""
    for at in every_state(cell.program, engine, 0, 5, cell.program.record, stop):
        yield at._replace(state=type(at.state)(*(field.copy() for field in at.state)))


@pytest.mark.usefixtures("reference")
def test_states_survive_a_checkpoint_and_are_of_the_first_paths(tmp_path: Path) -> None:
    """A tally of several blocks, restored from its arrays on the way, is that of one."""
    record = {"steps": [5], "paths": 30, "state": ["m", "effective_rate"]}
    cell = ready.make_ready(cell_of(tmp_path, optimizer={"name": "momentum"}, record=record))
    stop = np.zeros(1, dtype=np.uint8)
    whole = loop.measured(cell, 0, stop)
    assert whole.states is not None
    again = Tally.from_arrays(whole.arrays())
    assert again.states is not None
    np.testing.assert_array_equal(again.states.joined, whole.states.joined)
    assert whole.states.joined.shape == (30, 2, 2, 1)
    np.testing.assert_array_equal(whole.states.joined[:, 1], 0.05)


@pytest.mark.usefixtures("reference")
def test_what_does_not_ask_for_states_has_none(tmp_path: Path) -> None:
    run = run_of(tmp_path, optimizer="adam")
    assert "state" not in run.summary
    assert not [name for name in run.paths if name.startswith("state")]


@pytest.mark.parametrize(("rate", "stable"), [(37.0, True), (39.0, False)])
def test_the_edge_of_stability(rate: float, stable: bool, tmp_path: Path) -> None:
    """Adam on theta^2 / 2 with eps = 1 and both decays 0.9 is stable below rate 38; above, v grows until it is at 38 again."""
    record = {"points": 40, "paths": 2, "state": ["v_hat", "effective_rate"]}
    run = run_of(tmp_path, objective=STILL, optimizer=ADAM, learning_rate=rate, start=0.01, steps=2000, record=record)
    state = run.summary["state"]
    assert (state["edge"], state["curvature"]) == (pytest.approx(38.0), [1.0])
    late = state_of(run, "effective_rate")[0, -10:, 0]
    assert bool(np.all(np.abs(run.paths["theta"][:, -5:]) < 1e-9)) == stable
    assert np.all(late > 36.999) if stable else abs(late.mean() - 38.0) < 0.5 and np.ptp(late) > 0.0
    assert "the edge of stability is 38" in summary.markdown(run)


def test_the_two_cycle(tmp_path: Path) -> None:
    """Without eps and corrections Adam ends in theta = +-rate (1 - beta1) / (2 (1 + beta1)), where v = theta^2."""
    optimizer = {"name": "adam", "beta1": 0.2, "beta2": 0.5, "eps": 0.0, "bias_correction": False}
    record = {"every": 1, "paths": 1, "state": ["v_hat", "effective_rate"]}
    run = run_of(tmp_path, objective=STILL, optimizer=optimizer, learning_rate=0.1, start=0.01, steps=2000, record=record)
    size = 0.1 * 0.8 / (2.0 * 1.2)
    np.testing.assert_allclose(np.abs(run.paths["theta"][0, -20:, 0]), size, rtol=1e-9)
    np.testing.assert_allclose(state_of(run, "v_hat")[0, -20:, 0], size**2, rtol=1e-9)
    assert run.summary["state"]["stability"] == [pytest.approx(run.summary["state"]["edge"])]


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(("xs", "curvature"), [([0.0], None), ([-1.0, 1.0], None), ([1.0], [0.5, 0.5])])
def test_where_the_curvature_is_infinite_no_rate_is_measured_by_it(
    xs: list[float], curvature: list[float] | None, tmp_path: Path
) -> None:
    """|theta|^1.5 / 1.5 - x theta has the curvature 1 / (2 |x|) at its minimum x."""
    data = {"name": "discrete", "values": xs, "probabilities": [1.0 / len(xs)] * len(xs)}
    objective = {"name": "power", "exponent": 1.5, "dim": 2, "data": data}
    run = run_of(tmp_path, objective=objective, record={"points": 5, "state": ["effective_rate"]})
    assert run.summary["state"]["curvature"] == (curvature and pytest.approx(curvature))
    assert ("Stability: " in summary.markdown(run)) == (curvature is not None)


NUMERATORS = {
    "momentum": "m_hat",
    "adabelief": "m_hat",
    "adam": "m_hat",
    "adamw": "m_hat",
    "amsgrad": "m_hat",
    "radam": "m_hat",
    "yogi": "m_hat",
}
PLAIN = ("sgd", "rmsprop", "adagrad")


@pytest.mark.parametrize("name", [*NUMERATORS, *PLAIN])
def test_a_direction_is_the_factor_times_an_average(name: str) -> None:
    rule = BUILT_IN["optimizer"][name]
    assert isinstance(rule, Optimizer)
    assert rule.scaling is not None
    h, n = rule.parameters(), np.arange(1.0, 21.0)
    table = rule.coefficients(h, n, np.full(20, 0.1))
    state, chance = rule.state(*(np.full(3, value) for value in rule.start(h))), np.random.default_rng(0)
    for t in range(20):
        c, g = rule.per_step(*(column[t] for column in table)), chance.normal(size=3)
        direction, state = rule.update(c, state, g)
        numerator = g if name in PLAIN else next(one.of(c, state) for one in rule.shown if one.name == NUMERATORS[name])
        np.testing.assert_allclose(direction, rule.scaling.factor(c, state) * numerator, rtol=1e-13)


def test_every_rule_that_divides_states_how_it_scales() -> None:
    """A rule that moves by signs has no effective rate."""
    rules = {name: rule for name, rule in BUILT_IN["optimizer"].items() if isinstance(rule, Optimizer)}
    assert [name for name, rule in rules.items() if rule.squares and not rule.scaling] == []
    assert not any(rules[name].scaling for name in ("sign_descent", "signum", "lion"))


@pytest.mark.usefixtures("reference")
def test_the_figure_and_the_command(tmp_path: Path) -> None:
    config = SGD | {"paths": 20, "optimizer": "adam", "record": {"steps": [60], "paths": 3, "state": ["m", "effective_rate"]}}
    path = written(tmp_path, config)
    good("run", str(path), "--out", str(tmp_path / "out"))
    assert "state" in catalogue.figure_names(tmp_path / "out")
    assert (tmp_path / "out" / "figures" / "state.png").exists()


# The ends of a domain


@pytest.mark.usefixtures("reference")
def test_paths_at_the_ends_of_a_domain(tmp_path: Path) -> None:
    """Full gradients of 1 drive one half of the coordinates to each end; a path counts once at each."""
    objective = {"name": "quadratic", "dim": 2, "data": {"name": "discrete", "values": [5.0], "probabilities": [1.0]}}
    start = {"name": "uniform", "low": -1.0, "high": 1.0}
    outcomes = {"at_low": "none", "at_high": "all"}
    run = run_of(tmp_path, objective=objective, start=start, domain=[-2.0, 2.0], expect={"outcomes": outcomes})
    assert run.summary["domain"] == run.verdict["domain"] == {"at_low": 0, "at_high": 40}
    assert "the low end of the domain: 0 paths; at its high end: 40." in summary.markdown(run)
    mixed = run_of(tmp_path, objective=objective, start=start, domain=[[-2.0, 2.0], [6.0, None]], xi=[0.0])
    assert mixed.summary["domain"] == {"at_low": 40, "at_high": 40}
    inside = run_of(tmp_path, objective=objective, start=start, domain=[-9.0, 9.0])
    assert inside.summary["domain"] == {"at_low": 0, "at_high": 0}
    assert "domain" not in run_of(tmp_path, objective=objective, start=start).summary


@pytest.mark.usefixtures("reference")
def test_expecting_ends(tmp_path: Path) -> None:
    config = SGD | {"domain": [-0.1, 0.1], "paths": 40, "expect": {"outcomes": {"at_low": {"above": 0.2}, "at_high": "none"}}}
    path = written(tmp_path, config)
    assert "refuted" in call("check", str(path), "--set", "expect.outcomes.at_high=all").stdout
    assert "which the config does not have" in bad("validate", str(path), "--set", "domain=null")


def test_ends_of_a_domain_are_in_the_table_of_a_sweep(tmp_path: Path) -> None:
    config = SGD | {"paths": 40, "objective": {"name": "linear", "data": {"name": "uniform", "low": 0.0, "high": 1.0}}}
    path = written(tmp_path, config | {"xi": ["start"], "sweep": {"domain": [[-0.5, 2.0], [-99.0, None], None]}})
    good("sweep", str(path), "--workers", "1", "--out", str(tmp_path / "out"))
    rows = read_columns(tmp_path / "out" / "sweep.csv")
    assert rows["at_low"] == ["40", "0", ""]
    assert rows["at_high"] == ["0", "0", ""]
    assert not {"at_low", "at_high"} & {*columns(["seed"], ["start"], [])}, "without a domain nothing changes"
