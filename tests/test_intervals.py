"""Intervals that are withheld, and why: what laws and rules say, what samples show, and how often the rest cover."""

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kit.coverage import coverage_script
from kit.experiments import SGD, written
from nonconv.checks.comparison import compare
from nonconv.checks.expectations import evaluate, read_result
from nonconv.data.discrete import TWO_POINT, TwoPoint
from nonconv.engine.blocks import simulate
from nonconv.engine.reference import Reference
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell, Stopping
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import LEAST_SKEWNESS, SMALL_SAMPLE, estimate, moments
from nonconv.results.quantities import LEVELS
from nonconv.statistics.intervals import error_intervals, sample_intervals, trend_reasons
from nonconv.statistics.measured_block import violations
from nonconv.statistics.paired import paired
from nonconv.statistics.quantiles import quantile
from nonconv.statistics.stopping import relative_error
from nonconv.statistics.tally import Tally, measure
from nonconv.statistics.trends import trends
from nonconv.study import loop as study
from nonconv.study.ready import make_ready
from nonconv.theory import predictions, tails
from nonconv.theory.tails import error_tails, floor_tails

LAB = coverage_script()
RARE = LAB.LAWS["two_point, p = 1e-5"]
BASE: dict[str, Any] = {
    "paths": 60,
    "steps": 64,
    "objective": {"name": "quadratic", "data": RARE},
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "xi": ["minimizer", "last"],
    "record": {"points": 6, "paths": 0},
}
Make = Callable[..., Cell]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A cell ready to run, with changes to BASE."""

    def made(**changes: Any) -> Cell:
        return make_ready(read_cell(written(tmp_path / "in", BASE | changes), [])).cell

    return made


def data(law: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "quadratic", "data": law, **more}


def tally_of(cell: Cell) -> Tally:
    """By the reference engine, so that nothing is compiled."""
    return measure(cell, simulate(cell.program, Reference(cell.program), 0, cell.paths, np.zeros(1, dtype=np.uint8)))


def reason(cell: Cell) -> str:
    """Why the first error at the last step has no interval."""
    return str(error_intervals(cell, tally_of(cell)).reasons[0, -1])


# What laws and rules say


def impulses(cell: Cell, curvature: float, steps: int) -> Array:
    """The weight of each step's batch in the iterate after each step, by the rule's own `update`: (steps, batches)."""
    rule, h, _ = cell.program.optimizer
    n = np.arange(1.0, steps + 1.0)
    rates = cell.program.learning_rate(n)
    columns = rule.coefficients(h, n, rates)
    state = rule.state(*(np.full(steps + 1, value) for value in rule.start(h)))
    # One lane per batch that is 1 where all others are 0, and one for a start of 1.
    theta, found = np.zeros(steps + 1), []
    theta[-1] = 1.0
    for k in range(steps):
        batch = np.zeros(steps + 1)
        batch[k] = 1.0
        direction, state = rule.update(rule.per_step(*(column[k] for column in columns)), state, curvature * (theta - batch))
        theta = theta - rates[k] * direction
        found.append(theta)
    return np.array(found)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"learning_rate": {"name": "power", "value": 0.2, "exponent": 0.5}},
        {"optimizer": {"name": "momentum", "beta": 0.7}},
        {"optimizer": {"name": "momentum", "beta": 0.7, "nesterov": True}},
        {"optimizer": {"name": "momentum", "beta": 0.7, "form": "ema", "bias_correction": True}},
        {"batch_size": {"name": "power", "value": 1, "exponent": 0.5}},
    ],
    ids=["sgd", "vanishing", "heavy_ball", "nesterov", "corrected", "batches"],
)
def test_weights_are_those_of_single_batches(changes: dict[str, Any], make: Make) -> None:
    """Sums of their powers over batches; the M draws of a batch have 1/M of its weight each."""
    cell, steps = make(**changes), np.array([1, 2, 5, 40])
    weights = impulses(cell, 2.0, 40)[steps - 1]
    batch = cell.program.batch_size(np.arange(1.0, 41.0))
    expected = [(weights[:, :-1] ** k * batch ** (1.0 - k)).sum(axis=1) for k in (2, 3, 4)]
    np.testing.assert_allclose(tails._sums(cell, 2.0, 0, steps), [*expected, weights[:, -1]], rtol=1e-9, atol=1e-15)


def test_paths_that_are_needed(make: Make) -> None:
    """Of SGD in its stationary state: five rare draws among those remembered, (1 - rho^4) / (1 - rho^2)^2 of them per path."""
    cell = make(steps=512)
    rho = 1.0 - 2.0 * 0.05
    remembered = (1.0 - rho**4) / (1.0 - rho**2) ** 2
    known = error_tails(cell, (1, 1, 1))
    assert known.exact
    assert known.paths[0, -1] == pytest.approx(5.0 / 1e-5 / remembered, rel=1e-3)
    assert known.paths[0, 0] == pytest.approx(3.0 / 1e-5, rel=1e-3), "one draw alone"
    twins = floor_tails(cell, (1, 1, 1)).paths
    assert twins[0] == pytest.approx(5.0 / 1e-5 / 2.0, rel=1e-3), "twins draw twice as often"


def test_plain_laws_need_no_paths(make: Make) -> None:
    for law in ("normal", "rademacher", "uniform"):
        for rule in ("sgd", "momentum", "adam"):
            cell = make(objective=data({"name": law}), optimizer=rule)
            for known in (error_tails(cell, (1, 1, 1)), floor_tails(cell, (1, 1, 1))):
                assert not known.paths.any()
                assert not known.skewed.any()
                assert known.order == math.inf


def test_a_batch_that_is_held_is_drawn_once(make: Make) -> None:
    """Of 40 steps that iterates remember, 2 draws are left where each is used 20 times; as many as of 2 steps."""
    held = make(objective=data(RARE | {"hold": 20}), steps=800)
    two = make(objective=data(RARE | {"hold": 2}), steps=800)
    assert error_tails(held, (40, 40, 40)).paths[0, -1] == error_tails(two, (4, 4, 4)).paths[0, -1]
    assert error_tails(held, (40, 40, 40)).paths[0, -1] > error_tails(two, (40, 40, 40)).paths[0, -1]


def test_rare_noise_of_the_gradient_is_counted(make: Make) -> None:
    """One value for each step, whatever the batch; not where its share in the noise is small, or directions are bounded."""
    rare = {"name": "two_point", "low": 0.0, "high": 100.0, "p_high": 1e-4}
    light, batch = data({"name": "rademacher"}), {"batch_size": 10}

    def paths(noise: dict[str, Any], **more: Any) -> float:
        return float(
            error_tails(make(objective=light | {"gradient_noise": noise}, steps=800, **more), (40, 40, 40)).paths[0, -1]
        )

    assert paths(rare, **batch) == pytest.approx(5.0 / 1e-4 / 40.0)
    assert paths(rare, **batch) == paths(rare)
    assert paths(rare | {"high": 1.0}) == paths({"name": "normal"}) == paths(rare, optimizer="adam") == 0.0


def test_batches_and_coordinates_make_draws(make: Make) -> None:
    alone = error_tails(make(objective=data(RARE)), (1, 1, 1)).paths[0, -1]
    many = error_tails(make(objective=data(RARE), batch_size=10), (1, 1, 1)).paths[0, -1]
    wide = error_tails(make(objective=data(RARE, dim=4)), (1, 1, 1)).paths[0, -1]
    assert many == pytest.approx(alone / 10, rel=1e-3)
    assert wide == pytest.approx(alone / 4, rel=1e-3)


# Reasons


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "rare draws": ({}, "rare draws decide it, and 60 paths have 0.11 % of those that an interval needs"),
    "rare draws of adam": ({"optimizer": "adam"}, "rare draws decide it"),
    "no variance": (
        {"objective": data(LAB.LAWS["power law, index 2.5"])},
        "squares have no variance: the law of the data (pareto) has moments below order 2.5 only, and sgd passes large",
    ),
    "infinite": (
        {"objective": data({"name": "pareto", "exponent": 1.5})},
        "it is infinite: the law of the data (pareto) has moments below order 1.5 only",
    ),
    "few draws of a power law": (
        {"objective": data(LAB.LAWS["Pareto, index 5"])},
        "the law of the data (pareto) has moments below order 5 only, so that few draws decide it",
    ),
    "rare starts": (
        {"objective": data({"name": "rademacher"}), "start": RARE | {"high": 1e3}, "learning_rate": 1e-4},
        "rare draws decide it",
    ),
}
"""Changes to BASE, and how the reason begins."""


@pytest.mark.parametrize(("changes", "begins"), REFUSED.values(), ids=REFUSED)
def test_a_mean_without_an_interval_says_why(changes: dict[str, Any], begins: str, make: Make) -> None:
    cell = make(**changes)
    tally = tally_of(cell)
    found = error_intervals(cell, tally)
    assert found.reasons[0, -1].startswith(begins)
    assert np.isnan([field[0, -1] for field in found.estimate[1:]]).all()
    values = estimate(tally.errors).value
    np.testing.assert_array_equal(found.estimate.value, np.where(found.infinite, np.nan, values))
    assert found.infinite[0, -1] == begins.startswith("it is infinite")
    assert found.reasons[1, -1] == "", "the distance of the last iterate to itself is 0"


@pytest.mark.parametrize(("rate", "refused"), [(0.05, True), (0.2, False)])
def test_a_rare_draw_that_mirrors_the_error_hides_what_two_do(make: Make, rate: float, refused: bool) -> None:
    """From 0 to a mean of 0.05: a jump of 2 x 0.05 leads from -0.05 to 0.05, so that squares rest on pairs of rare draws."""
    law = {"name": "two_point", "low": 0.0, "high": 1.0, "p_high": 0.05}
    cell = make(objective=data(law), start=0.0, learning_rate=rate, paths=200)
    found = error_intervals(cell, tally_of(cell)).reasons[0][cell.program.record == 2]
    assert [why.startswith("rare draws decide it") for why in found] == [refused]


ACCEPTED: dict[str, dict[str, Any]] = {
    "normal": {"objective": data({"name": "normal"})},
    "half": {"objective": data(LAB.two_point(0.5))},
    "tenth": {"objective": data(LAB.two_point(0.1))},
    "bounded directions": {"objective": data(LAB.LAWS["power law, index 2.5"]), "optimizer": "adam"},
    "no noise": {"objective": data({"name": "discrete", "values": [1.0], "probabilities": [1.0]})},
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_an_interval_that_can_be(changes: dict[str, Any], make: Make) -> None:
    assert reason(make(**changes)) == ""


def test_as_many_paths_as_it_says_are_enough(make: Make) -> None:
    law = LAB.two_point(0.01)
    short = reason(make(objective=data(law), paths=40))
    paths = int(short.partition("; take ")[2].partition(" ")[0])
    assert reason(make(objective=data(law), paths=paths)) == ""
    assert reason(make(objective=data(law), paths=int(0.9 * paths))) != ""


def test_a_law_that_does_not_say_has_no_interval(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Laplace's, as an earlier plug-in stated it; nor a normal one. A bounded law needs to say nothing."""
    cell = make(objective=data({"name": "laplace"}))
    assert cell.law is not None
    bare = cell.law._replace(fourth=None, moments=math.nan, tail_share=None)
    found = reason(replace(cell, law=bare))
    assert (
        found
        == "the law of the data (laplace) does not say how heavy its tails are: state fourth, moments and tail_share in its Law"
    )
    half = make(objective=data(LAB.two_point(0.5)))
    assert half.law is not None
    assert reason(replace(half, law=half.law._replace(fourth=None, moments=math.nan, tail_share=None))) == ""


def test_equal_paths_show_no_noise(make: Make) -> None:
    """A learning rate below rounding: nothing moves, and nothing is known of what the noise would do."""
    found = reason(make(objective=data({"name": "rademacher"}), start=1.0, learning_rate=1e-30))
    assert found == "all paths give the same number though the data are noisy: rare values were not drawn, or steps vanish"


def test_equal_squares_of_different_paths_are_exact(make: Make) -> None:
    """After one step of SGD on a sign all paths are as far from the mean, on either side."""
    cell = make(objective=data({"name": "rademacher"}))
    found = error_intervals(cell, tally_of(cell))
    assert found.reasons[0, 0] == ""
    assert found.estimate.value[0, 0] == pytest.approx(0.01, rel=1e-12)
    assert found.estimate.se[0, 0] == pytest.approx(0.0, abs=1e-12)


def test_a_sample_that_few_paths_dominate(make: Make) -> None:
    cell = make(objective=data({"name": "normal"}))
    spread = np.full(200, 1.0)
    heavy = np.where(np.arange(200) < 2, 1e3, 1.0)
    found = sample_intervals(cell, moments(np.array([spread, heavy])))
    assert found.reasons[0] == ""
    assert found.reasons[1].startswith("about 2.4 of 200 paths dominate it (the largest alone is 45% of it)")
    assert np.isnan(found.estimate.se).tolist() == [False, True]


def test_reasons_of_trends(make: Make) -> None:
    """What a verdict follows has the reason of the floor or the error that it is a mean of."""
    cell = make(steps=64)
    found = trend_reasons(cell, tally_of(cell))
    labels = tuple(xi.label for xi in cell.xi)
    assert set(found) <= set(trends(cell.program.plan, labels))
    assert {trend.name for trend in found} == {
        *("twin_mean", "window", "cauchy_mean", "one_step"),
        *("error: minimizer", "error: last"),
    }
    assert all(why.startswith("rare draws") for trend, why in found.items() if trend.name != "error: last")
    light = make(objective=data({"name": "normal"}))
    assert set(trend_reasons(light, tally_of(light)).values()) == {""}


# What follows from it


@pytest.mark.usefixtures("reference")
def test_checks_are_undecided_and_files_empty(tmp_path: Path) -> None:
    """Rare events that were not drawn: neither is a bound met, nor theory refuted, nor does a difference have an interval."""
    expect = {"mse": [{"xi": "minimizer", "below": 1e-8}], "within": [{"xi": "minimizer", "of": "theory"}]}
    cell = read_cell(written(tmp_path / "in", BASE | {"expect": expect}), [])
    for name, rate in (("one", 0.05), ("two", 0.06)):
        other = read_cell(written(tmp_path / name / "in", BASE | {"expect": expect, "learning_rate": rate}), [])
        study.run(other, tmp_path / name / "out", workers=1)
    found = evaluate(cell.expect, read_result(tmp_path / "one" / "out", False))
    assert [row.status for row in found] == ["undecided", "undecided"]
    for name, columns in (("error.csv", ("se", "ci_low", "ci_high")), ("floors.csv", ("se", "ci_low", "ci_high", "lower"))):
        with (tmp_path / "one" / "out" / name).open() as file:
            rows = [row for row in csv.DictReader(file) if row.get("xi") != "last"]
        assert {row[column] for row in rows for column in columns} == {""}
    summary = json.loads((tmp_path / "one" / "out" / "summary.json").read_text())
    assert list(summary["without_interval"]) == ["mse: minimizer", "twin", "window", "cauchy"]
    assert any(warning.startswith("no interval for E|Θ − minimizer|²") for warning in summary["warnings"])
    differences = compare(tmp_path / "one" / "out", tmp_path / "two" / "out").differences
    assert [math.isnan(d.paired.ci_low) for d in differences] == [
        name.quantity != "E|Θ − last iterate|²" for name in differences
    ]


def test_a_stopping_rule_goes_on(make: Make) -> None:
    """Where rare events are not drawn the standard error is small, and would end the run at once."""
    cell = make(steps=8)
    rule = Stopping(8, 0.5, "mse")
    tally = tally_of(cell)
    assert float(estimate(tally.errors).se[0, -1]) < 0.01 * float(tally.errors.mean[0, -1])
    assert relative_error(cell, tally, rule) == math.inf
    assert relative_error(cell, tally, rule._replace(of="twin")) == math.inf


def test_a_difference_of_withheld_means_is_withheld() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.exponential(size=(2, 50))
    known, withheld = paired(a, b), paired(a, b, withheld=True)
    assert (withheld.value, withheld.paths, withheld.correlation) == (known.value, known.paths, known.correlation)
    assert np.isnan([withheld.se, withheld.ci_low, withheld.ci_high, withheld.narrower]).all()


# Skewed numbers in small samples


def test_skewed_numbers_have_a_longer_upper_side() -> None:
    """As long as with LEAST_SKEWNESS at least, in small samples only; the lower end stays."""
    x = np.random.default_rng(5).exponential(size=(50, 40)) ** 0.5
    plain, helped = estimate(moments(x)), estimate(moments(x), skewed=True)
    assert np.all(helped.high >= plain.high)
    assert np.mean(helped.high > plain.high) > 0.9, "unless the sample is as skewed"
    np.testing.assert_array_equal(helped.low, plain.low)
    t = float(stats.t.ppf(0.025, 39))
    k = LEAST_SKEWNESS * x.std(axis=1) / x.mean(axis=1) / math.sqrt(40)
    bent = 3.0 / k * (np.cbrt(1.0 + k * (t - k / 6.0)) - 1.0)
    expected = x.mean(axis=1) - bent * x.std(axis=1, ddof=1) / math.sqrt(40)
    np.testing.assert_allclose(helped.high, np.maximum(expected, plain.high), rtol=1e-9)
    large = moments(np.random.default_rng(6).exponential(size=(5, SMALL_SAMPLE)))
    np.testing.assert_array_equal(estimate(large, skewed=True).high, estimate(large).high)


# Quantiles


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [1, 5, 30, 200])
def test_quantile_intervals_are_the_shortest_binomial_ones(n: int, level: float) -> None:
    """The ends are ranks; each misses with at most 2.5 %, and the next one inwards would miss more often."""
    low, high = (int(end) if math.isfinite(end) else None for end in quantile(np.arange(1.0, n + 1.0), level)[1:])
    below = stats.binom(n, level)
    if low is not None:
        assert below.cdf(low - 1) <= 0.025
    assert below.cdf(low or 0) > 0.025
    if high is not None:
        assert below.sf(high - 1) <= 0.025
    assert below.sf((high or n + 1) - 2) > 0.025


def test_few_paths_leave_ends_open() -> None:
    assert quantile(np.arange(5.0), 0.5) == (2.0, -math.inf, math.inf)
    assert quantile(np.arange(100.0), 0.99).high == math.inf
    assert quantile(np.arange(400.0), 0.99).high < math.inf


@given(st.lists(st.floats(0, 10) | st.just(math.inf), min_size=1, max_size=80), st.sampled_from([0.5, 0.9, 0.99]))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_a_quantile_is_a_number_of_a_path(values: list[float], level: float) -> None:
    found = quantile(np.sort(values), level)
    assert found.value in values
    assert found.low <= found.value <= found.high
    assert sum(value <= found.value for value in values) >= level * len(values) - 1e-9


@pytest.mark.usefixtures("reference")
def test_quantities_are_the_distances_of_the_paths(tmp_path: Path) -> None:
    cell = read_cell(written(tmp_path / "in", SGD), [])
    study.run(cell, tmp_path / "out", workers=1)
    with (tmp_path / "out" / "quantities.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "iterate", "quantity", "value", "se", "ci_low", "ci_high", "n", "n_finite"]
    assert len(rows) == len(cell.program.record) * len(cell.xi) * len(LEVELS)
    assert {row["iterate"] for row in rows} == {"last"}
    assert {row["se"] for row in rows} == {""}
    with np.load(tmp_path / "out" / "paths.npz") as file_of_paths:
        ends = dict(zip(file_of_paths["end_of"].tolist(), file_of_paths["end"], strict=True))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    for label in ("minimizer", "path_mean"):
        distances = np.sort(np.sqrt(ends[f"mse: {label}"]))
        for name, level in LEVELS.items():
            (row,) = [row for row in rows if row["step"] == "60" and row["quantity"] == f"{name}: {label}"]
            expected = quantile(distances, level)
            assert float(row["value"]) == expected.value == summary["quantiles"][label][name]["value"]
            assert (float(row["ci_low"] or -math.inf), float(row["ci_high"] or math.inf)) == expected[1:]
            assert row["n"] == row["n_finite"] == str(cell.paths)


# Coverage


def covered_at_least(found: Any, least: float = LAB.LEAST) -> bool:
    """Whether a count agrees with a share of at least so many per cent, but for a chance of 1e-4."""
    return bool(stats.binom.cdf(found.covered, found.printed, least / 100.0) > 1e-4)


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.parametrize("rule", ["sgd", "adam"])
@pytest.mark.parametrize("law", ["normal", "two_point, p = 0.1", "Laplace"])
def test_printed_intervals_cover(law: str, rule: str) -> None:
    """Of 30 paths, at the last step: one interval per repetition, so that they are independent."""
    lab = LAB.lab_of(law, rule, 30, 600, xi=["minimizer"], record={"points": 1, "paths": 0})
    found = LAB.intervals_of(lab)
    assert covered_at_least(found.errors)
    assert found.floors.share > LAB.LEAST - 1.0
    if law in LAB.CLEAN:
        assert found.errors.printed == found.errors.possible


@pytest.mark.compiles
@pytest.mark.slow
def test_plain_intervals_of_rare_events_do_not_cover() -> None:
    """The control: Student's t of 30 paths, where events are rare. Ours are withheld there."""
    lab = LAB.lab_of("two_point, p = 1e-3", "sgd", 30, 300, xi=["minimizer"], record={"points": 1, "paths": 0})
    found = LAB.intervals_of(lab)
    assert not covered_at_least(found.plain)
    assert found.errors.printed == 0


@pytest.mark.compiles
@pytest.mark.slow
def test_coverage_document(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each process and each kind of interval, in Markdown tables."""
    kept = ("normal", "two_point, p = 0.25", "two_point, p = 1e-5")
    monkeypatch.setattr(LAB, "LAWS", {name: LAB.LAWS[name] for name in kept})
    monkeypatch.setattr(LAB, "PATHS", (30,))
    LAB.write_intervals(20)
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == 2 + len(kept) * len(LAB.RULES)
    assert "withheld" in table[-1]
    assert all(a.count("|") == b.count("|") for a, b in pairwise(table))


# What theory claims no longer


@pytest.mark.parametrize(("share", "known"), [(0.05, True), (0.001, False)])
def test_adams_plateau_needs_a_steady_root(share: float, known: bool, make: Make) -> None:
    """Spikes of kurtosis 20 and 1000, which the default beta2 averages over 1000 steps."""
    law = {"name": "discrete", "values": [-1, 0, 1], "probabilities": [share / 2, 1 - share, share / 2]}
    cell = make(objective=data(law), optimizer="adam")
    assert ({"plateau", "one_step"} <= predictions.predictions(cell).keys()) == known
    batches = make(objective=data(law), optimizer="adam", batch_size=100)
    assert {"plateau", "one_step"} <= predictions.predictions(batches).keys()


@pytest.mark.parametrize(("unit", "eps", "known"), [(1.0, 0.0, True), (1e-200, 0.0, False), (1e-200, 1e-8, True)])
def test_no_bound_where_squares_underflow(unit: float, eps: float, known: bool, make: Make) -> None:
    """With data of 1e-200 all of the squares are 0: Adam without eps divides by 0 and leaves any interval."""
    law = {"name": "two_point", "low": -unit, "high": unit, "p_high": 0.25}
    cell = make(objective=data(law), optimizer={"name": "adam", "eps": eps}, xi=["minimizer"])
    assert predictions.is_bounded(cell) == known


def test_rounding_is_no_violation(make: Make) -> None:
    """At 1e8 the interval's ends are 1.5e-8 apart: an ulp beyond is rounding, a hundred are a violation."""
    from nonconv.statistics.measured_block import MeasuredBlock

    law = {"name": "two_point", "low": 1e8 - 1.0, "high": 1e8 + 1.0, "p_high": 0.25}
    cell = make(objective=data(law), optimizer="adam", start=1e8, xi=["minimizer"])
    block = simulate(cell.program, Reference(cell.program), 0, 8, np.zeros(1, dtype=np.uint8))
    bound = predictions.bound(cell)
    assert bound is not None
    _, high = bound(block.start)
    for ulps, wrong in ((0, 0), (2, 0), (100, 8)):
        far = replace(block, highest=np.broadcast_to(high + ulps * np.spacing(1e8), block.start.shape).copy())
        assert violations(MeasuredBlock(cell, far, bound)) == wrong


def test_bounds_of_an_unstated_law_hold_for_two_points() -> None:
    """They are attained there, or nearly: nothing is more extreme with these moments and ends."""
    for p in (0.5, 0.25, 1e-3):
        law = TWO_POINT.law(TwoPoint(p_high=p), 1)
        bare = law._replace(fourth=None, tail_share=None, moments=math.nan)
        np.testing.assert_allclose(bare.largest_kurtosis, law.largest_kurtosis, rtol=1e-9)
        assert np.all(bare.least_tail_share <= law.least_tail_share)
        np.testing.assert_allclose(bare.least_tail_share, law.least_tail_share, rtol=0.05)
