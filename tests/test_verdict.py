"""Verdicts: on made-up numbers with their exact reasons, on processes of known truth, and in the files of whole runs."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kit.calibration import calibration_script
from kit.experiments import written
from kit.runs import drawn
from nonconv.engine.plan import Plan, Wanted, plan_for
from nonconv.experiment.binding import read_cell
from nonconv.report import verdict_text
from nonconv.report.run import Run, read_run
from nonconv.statistics import verdict
from nonconv.statistics.comoments import CoMoments, comoments, merge_comoments
from nonconv.statistics.shares import share
from nonconv.statistics.trends import EARLY_TWIN, LAST_SQUARE, WINDOW_ENDS, trends
from nonconv.statistics.verdict import Observed, judge
from nonconv.study import loop as study
from nonconv.theory.assumptions import settling

MANY = settings(max_examples=200, derandomize=True, deadline=None)
ALL = Wanted()
ONLY = {name: Wanted(twin=False, window=False, cauchy=False)._replace(**{name: True}) for name in Wanted._fields}
NAMES = {"twin": "the twin floor", "window": "the window floor", "cauchy": "the Cauchy floor"}

# Made-up numbers

Levels = tuple[float, float, float]
STANDING: Levels = (1.0, 1.0, 1.0)
FALLING: Levels = (4.0, 2.0, 1.0)
SLOWING: Levels = (4.0, 2.0, math.sqrt(2.0))


def observed(
    levels: Levels | dict[str, Levels] = STANDING,
    spread: float = 0.1,
    early: float = 1.0,
    crossing: float = 2.0,
    wanted: Wanted = ALL,
    **changes: Any,
) -> Observed:
    """1000 paths whose numbers have these means and a standard deviation of spread times that, all uncorrelated.

    early: of twin_mean at shorter lags, by twin_mean; crossing: squared distance of a window's ends, by its variance.
    """
    plan, steps, paths = plan_for(4096, wanted), changes.pop("steps", 4096), changes.get("paths", 1000)
    names = trends(plan, tuple(label for label in ("minimizer",) if isinstance(levels, dict) and f"error: {label}" in levels))
    of = levels if isinstance(levels, dict) else {}
    mean = []
    for trend in names:
        own = of.get(trend.name.removesuffix("_mean"), levels if isinstance(levels, tuple) else STANDING)
        special = {
            EARLY_TWIN: of.get("twin", own)[2] * early,
            LAST_SQUARE: 1.0,
            WINDOW_ENDS: of.get("window", own)[trend.span] * crossing / 4.0,
        }
        mean.append(special.get(trend.name, own[trend.span]))
    moments = CoMoments(np.array(float(paths)), np.array(mean), np.diag((spread * np.array(mean)) ** 2) * (paths - 1))
    default: dict[str, Any] = {"left": 0, "random": True, "moments": moments, "paths": paths}
    return Observed(plan=plan, steps=steps, trends=names, **(default | changes))


def told(seen: Observed) -> tuple[str, str]:
    found = judge(seen)
    return found.answer, found.reason


STAYS_UP = "stays up (log-log slope 0.000, 95 % interval -0.013 to 0.013)"
DECREASES = "decreases (log-log slope -1.000, 95 % interval -1.013 to -0.987)"
"""+-1.96 sqrt(2) 0.1 / (log(2) sqrt(1000))."""


def test_all_stand() -> None:
    assert told(observed()) == ("does_not_converge", "; ".join(f"{what} {STAYS_UP}" for what in NAMES.values()))


@pytest.mark.parametrize("n", [1, 2, 30, 4096])
def test_intervals_of_shares_invert_binomial_tails(n: int) -> None:
    """Clopper and Pearson's: at either end what was seen, or more of it, has just the tail's probability."""
    for count in {0, 1, n // 2, n - 1, n}:
        seen = share(count, n, 0.9)
        assert seen.ci_low == 0.0 if count == 0 else stats.binom.sf(count - 1, n, seen.ci_low) == pytest.approx(0.05)
        assert seen.ci_high == 1.0 if count == n else stats.binom.cdf(count, n, seen.ci_high) == pytest.approx(0.05)


@pytest.mark.parametrize("name", NAMES)
def test_one_that_stands_is_enough(name: str) -> None:
    levels = dict.fromkeys(NAMES, FALLING) | {name: STANDING}
    assert told(observed(levels)) == ("does_not_converge", f"{NAMES[name]} {STAYS_UP}")


def test_all_fall() -> None:
    assert told(observed(FALLING)) == ("converges", "; ".join(f"{what} {DECREASES}" for what in NAMES.values()))


@pytest.mark.parametrize("last", [0.0, 1e-27])
def test_vanished(last: float) -> None:
    """Beside the square of the iterate, which is 1; what is above the rounding error of that is judged as ever."""
    vanished = "; ".join(f"{what} is 0 up to rounding" for what in NAMES.values())
    assert told(observed((1.0, 1.0, last))) == ("converges", vanished)
    assert told(observed((1.1e-27, 1.1e-27, 1.1e-27)))[0] == "does_not_converge"


def test_what_stood_and_then_vanished_is_as_good_as_what_falls() -> None:
    levels = {"twin": FALLING, "window": (1.0, 1.0, 0.0), "cauchy": FALLING}
    expected = f"the twin floor {DECREASES}; the window floor is 0 up to rounding; the Cauchy floor {DECREASES}"
    assert told(observed(levels)) == ("converges", expected)


GROWS = "the distance between twins may still grow with the lag; take more steps or more paths"
CROSSES = "the iterates may still drift through the last window; take more steps"


@pytest.mark.parametrize(("early", "answer"), [(0.75, "does_not_converge"), (0.7, "undecided"), (0.5, "undecided")])
def test_twin_that_is_not_relaxed(early: float, answer: str) -> None:
    """The distance doubled in less than two doublings of the lag: log2(1 / 0.7) = 0.51 is too much."""
    reason = f"the twin floor {STAYS_UP}" if answer == "does_not_converge" else GROWS
    assert told(observed(early=early, wanted=ONLY["twin"])) == (answer, reason)


@pytest.mark.parametrize(("crossing", "answer"), [(3.9, "does_not_converge"), (4.1, "undecided"), (12.0, "undecided")])
def test_window_that_is_crossed(crossing: float, answer: str) -> None:
    reason = f"the window floor {STAYS_UP}" if answer == "does_not_converge" else CROSSES
    assert told(observed(crossing=crossing, wanted=ONLY["window"])) == (answer, reason)


def test_unsettled_floors_do_not_hide_one_that_has_settled() -> None:
    assert told(observed(crossing=6.0)) == ("does_not_converge", f"the twin floor {STAYS_UP}")
    others = "; ".join(f"{NAMES[name]} {STAYS_UP}" for name in ("window", "cauchy"))
    assert told(observed(early=0.5)) == ("does_not_converge", others)


def test_reasons_are_given_once() -> None:
    assert told(observed(early=0.5, crossing=6.0)) == ("undecided", f"{GROWS}; {CROSSES}")


def test_cauchy_alone_does_not_tell_whether_paths_settled() -> None:
    expected = "only the window floor shows whether the iterates are stationary, and it was not measured"
    assert told(observed(wanted=ONLY["cauchy"])) == ("undecided", expected)


def test_a_fall_that_slows_down_decides_nothing() -> None:
    """From exponent -1 to -1/2; control: from -1 to -0.95 is no slowing to speak of."""
    slope = "log-log slope -0.500, 95 % interval -0.513 to -0.487"
    expected = f"the twin floor decreases ({slope}), but more and more slowly; take more steps"
    assert told(observed(SLOWING, wanted=ONLY["twin"])) == ("undecided", expected)
    assert told(observed((4.0, 2.0, 2.0**0.05), wanted=ONLY["twin"]))[0] == "converges"
    accelerating = (2.0, math.sqrt(2.0), 2.0**-0.5)
    assert told(observed(accelerating, wanted=ONLY["twin"]))[0] == "converges"


@pytest.mark.parametrize(
    ("levels", "answer"),
    [
        ((4.0, 1.0, 1.0), "undecided"),
        ((1.0, 1.3, 0.99), "undecided"),
        ((1.0, 0.6, 1.0), "does_not_converge"),
        ((0.5, 1.0, 1.0), "does_not_converge"),
    ],
)
def test_both_exponents_must_agree(levels: Levels, answer: str) -> None:
    """Standing at last after a fall, or falling at last after a rise, is neither; what rises stands."""
    assert told(observed(levels, wanted=ONLY["twin"]))[0] == answer


def test_too_noisy_to_tell() -> None:
    """The number of paths is such that the interval would just end at -0.1: 1000 (2.394 x 0.0645 / 0.05)^2, or so."""
    levels = (1.0, 2.0**-0.05, 2.0**-0.1)
    seen = observed(levels, spread=1.0, wanted=ONLY["twin"])
    slope = "log-log slope -0.050, 95 % interval -0.176 to 0.076"
    expected = f"cannot tell whether the twin floor stays up or decreases ({slope}); about 10 000 paths may be enough"
    assert told(seen) == ("undecided", expected)
    enough = 1000 * (stats.norm.isf(0.05 / 6) * math.sqrt(2e-3) / math.log(2.0) / 0.05) ** 2
    assert enough == pytest.approx(9542, abs=1)
    for paths, answer in ((int(0.95 * enough), "undecided"), (int(1.05 * enough), "does_not_converge")):
        assert told(observed(levels, spread=1.0, wanted=ONLY["twin"], paths=paths))[0] == answer


@pytest.mark.parametrize(("exponent", "more"), [(-0.1, "10 000"), (-0.17, "2 000")])
def test_the_advised_paths_are_neither_endless_nor_too_few(exponent: float, more: str) -> None:
    """At the border an exponent 0.02 off it is to be told; and twice as many paths are the least that is advised."""
    levels = (1.0, 2.0**exponent, 4.0**exponent)
    assert told(observed(levels, spread=0.5, wanted=ONLY["twin"]))[1].endswith(f"; about {more} paths may be enough")


def test_without_randomness_there_is_no_error() -> None:
    """Whatever the covariances say, and one path is enough."""
    for paths in (1, 1000):
        seen = observed(random=False, paths=paths)
        assert judge(seen).slopes["twin"] == (0.0, 0.0, 0.0, 0.0)
        assert judge(seen).answer == "does_not_converge"
    slope = "log-log slope -0.050, 95 % interval -0.050 to -0.050"
    expected = f"cannot tell whether the twin floor stays up or decreases ({slope}); take more steps"
    assert told(observed((1.0, 0.5, 2.0**-1.05), random=False, wanted=ONLY["twin"])) == ("undecided", expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"paths": 199}, "199 paths are too few; take at least 200"),
        ({"steps": 255}, "255 steps are too few; take at least 256"),
        ({"steps": 255, "paths": 199}, "255 steps are too few; take at least 256"),
        ({"left": 51}, ""),
    ],
)
def test_refusals(changes: dict[str, Any], reason: str) -> None:
    answer, told_reason = told(observed(**changes))
    assert (answer == "undecided") == bool(reason)
    assert not reason or told_reason == reason


def test_the_least_that_is_judged() -> None:
    assert told(observed(paths=200))[0] == told(observed(steps=256))[0] == "does_not_converge"


def test_without_floors() -> None:
    assert told(observed(wanted=Wanted(twin=False, window=False, cauchy=False))) == ("undecided", "no floors were measured")


def test_paths_that_are_not_finite_forbid_a_verdict() -> None:
    seen = observed()
    seen = replace(seen, left=7, moments=seen.moments._replace(n=np.array(993.0)))
    expected = "7 of 1000 paths are not finite: too few to call it divergence, but floors need all paths finite"
    assert told(seen) == ("undecided", expected)
    assert judge(seen).slopes == {}


@pytest.mark.parametrize("paths", [200, 1000, 5000])
def test_share_of_paths_that_left(paths: int) -> None:
    """The least number that 5 % would give with a chance below 2.5 % is called diverging."""
    left = int(stats.binom.isf(0.025, paths, 0.05)) + 1
    assert stats.binom.sf(left - 1, paths, 0.05) < 0.025 <= stats.binom.sf(left - 2, paths, 0.05)
    assert told(observed(left=left, paths=paths)) == (
        "diverges",
        f"{left} of {paths} paths escaped, overflowed or became nan",
    )
    assert told(observed(left=left - 1, paths=paths))[0] == "does_not_converge"


def test_share_of_paths_that_left_without_randomness() -> None:
    """Is what it is; and few paths or steps do not matter to it."""
    assert told(observed(random=False, left=50))[0] == "does_not_converge"
    assert told(observed(random=False, left=51))[0] == "diverges"
    assert told(observed(random=False, left=1, paths=1, steps=10))[0] == "diverges"
    assert told(observed(left=4, paths=10))[0] == "diverges"


def test_slopes_have_names_and_intervals() -> None:
    """By hand: the delta method for the ratio of two uncorrelated means; twice correlated ones vary less."""
    levels = {"twin": FALLING, "window": STANDING, "cauchy": SLOWING, "error: minimizer": FALLING}
    seen = observed(levels)
    found = judge(seen).slopes
    assert list(found) == ["twin", "window", "cauchy", "error: minimizer"]
    assert [slope.value for slope in found.values()] == pytest.approx([-1.0, 0.0, -0.5, -1.0])
    se = math.sqrt(2.0) * 0.1 / math.log(2.0) / math.sqrt(1000.0)
    for slope in found.values():
        assert slope[1:] == pytest.approx((se, slope.value - 1.959964 * se, slope.value + 1.959964 * se))
    at = [[trend.name for trend in seen.trends].index("window") + k for k in (1, 2)]
    m2 = seen.moments.m2.copy()
    m2[at[0], at[1]] = m2[at[1], at[0]] = 0.75 * m2[at[0], at[0]]
    paired = judge(replace(seen, moments=seen.moments._replace(m2=m2))).slopes["window"]
    assert paired.se == pytest.approx(0.5 * se)


def test_observed_from_the_first_span_on() -> None:
    assert judge(observed()).observed == (512, 4096)
    assert judge(replace(observed(), plan=Plan(), trends=[])).observed == (1, 4096)


@pytest.mark.parametrize("floor", [0.0, 1e-200, 1e-310])
def test_tiny_numbers(floor: float) -> None:
    """Also below the range of doubles with full precision nothing warns."""
    assert judge(observed((1.0, floor, floor))).answer == "converges"


def test_slopes_without_an_error_are_left_out() -> None:
    seen = observed((1e140, 1e142, 1e144), left=1000)
    seen = replace(seen, moments=seen.moments._replace(m2=np.full_like(seen.moments.m2, math.inf)))
    found = judge(seen)
    assert found.answer == "diverges"
    json.dumps(verdict.as_dict(found), allow_nan=False)


# Comoments

a_matrix = st.integers(1, 40).flatmap(
    lambda n: st.lists(st.lists(st.floats(-1e3, 1e3), min_size=n, max_size=n), min_size=3, max_size=3)
)


def near(seen: CoMoments, expected: CoMoments) -> bool:
    size = max(1.0, float(np.abs(expected.mean).max()), math.sqrt(np.abs(expected.m2).max()))
    close = np.allclose(seen.mean, expected.mean, rtol=0, atol=1e-12 * size)
    return bool(seen.n == expected.n and close and np.allclose(seen.m2, expected.m2, rtol=0, atol=1e-11 * size**2))


@pytest.mark.slow
@MANY
@given(a_matrix, st.lists(st.integers(0, 40), max_size=4))
def test_comoments_merge_to_the_whole(rows: list[list[float]], cuts: list[int]) -> None:
    """However they are cut, in either order, also into nothing; and they are NumPy's."""
    x = np.array(rows)
    pieces = [comoments(piece) for piece in np.split(x, sorted(min(cut, x.shape[1]) for cut in cuts), axis=1)]
    forward, backward = pieces[0], pieces[-1]
    for piece in pieces[1:]:
        forward = merge_comoments(forward, piece)
    for piece in pieces[-2::-1]:
        backward = merge_comoments(piece, backward) if len(pieces) % 2 else merge_comoments(backward, piece)
    whole = comoments(x)
    away = x - x.mean(axis=1)[:, None]
    assert near(whole, CoMoments(np.array(float(x.shape[1])), x.mean(axis=1), away @ away.T))
    for merged in (forward, backward):
        assert near(merged, whole)
        assert np.array_equal(merged.m2, merged.m2.T)


def test_covariances_are_numpys() -> None:
    x = np.random.default_rng(1).normal(size=(4, 50))
    assert comoments(x).m2 / 49 == pytest.approx(np.cov(x))


@pytest.mark.slow
@MANY
@given(a_matrix, st.data())
def test_paths_that_are_not_finite_are_left_out(rows: list[list[float]], data: st.DataObject) -> None:
    x = np.array(rows)
    bad = data.draw(st.sets(st.integers(0, x.shape[1] - 1)))
    kept = np.delete(x, sorted(bad), axis=1)
    for lane in bad:
        x[data.draw(st.integers(0, 2)), lane] = data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    seen, expected = comoments(x), comoments(kept)
    assert seen.n == kept.shape[1]
    assert np.array_equal(seen.mean, expected.mean)
    assert np.array_equal(seen.m2, expected.m2)


# Processes of known truth

CALIBRATION = calibration_script()
REPETITIONS = 30


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.parametrize("process", CALIBRATION.PROCESSES, ids=lambda process: process.name)
def test_verdicts_are_rarely_wrong(process: Any) -> None:
    """At most 2 of 30. Those with a truth that is plain to see are decided."""
    found = CALIBRATION.verdicts(process, REPETITIONS)
    right = sum(found[answer] for answer in process.allowed)
    assert found.total() == REPETITIONS
    assert found.total() - right - found["undecided"] <= 2
    if process.name in ("SGD, constant rate", "SGD, rate 0.2 n^-0.5", "Adam, constant rate", "SGD, rate too large (unstable)"):
        assert right >= 24


@pytest.mark.compiles
def test_toints_example_diverges() -> None:
    assert CALIBRATION.toint_verdicts(10) == {"diverges": 10}


@pytest.mark.compiles
def test_a_wrong_border_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: if n^-2 counted as standing, slow SGD would be called not to converge."""
    monkeypatch.setattr(verdict, "SLOWEST_FALL", 2.0)
    slow = next(process for process in CALIBRATION.PROCESSES if process.name == "SGD, rate 0.2 n^-0.2 (slow)")
    assert CALIBRATION.verdicts(slow, REPETITIONS)["does_not_converge"] > 15


@pytest.mark.compiles
def test_calibration_document(capsys: pytest.CaptureFixture[str]) -> None:
    """With one repetition of each: a row for each process and for each interval, in Markdown tables."""
    CALIBRATION.main(lambda number: 1)
    lines = capsys.readouterr().out.splitlines()
    verdicts, coverage = (lines.index(title) for title in ("## Verdicts", "## Coverage of 95 % intervals"))
    of_verdicts = [line.split("|")[1].strip() for line in lines[verdicts:coverage] if line.startswith("|")]
    assert of_verdicts[2:] == [*(process.name for process in CALIBRATION.PROCESSES), "Toint's example, exact knots"]
    kinds = {line.split("|")[1].strip() for line in lines[coverage:] if line.startswith("|")}
    assert {"twin", "twin_mean", "window", "cauchy", "cauchy_mean", "log-log slope of twin", "E&#124;Θ − start&#124;²"} <= kinds
    shares = [line.split("|")[-2].strip() for line in lines[verdicts:] if line.endswith("% |")]
    assert len(shares) == sum(line.startswith("|") for line in lines) - 4, "but for two heads"
    assert set(shares) <= {"100.0 %", "0.0 %"}


# Whole runs

SKEWED = {"name": "two_point", "low": 0.0, "high": 1.0, "p_high": 0.1}
RUN: dict[str, Any] = {
    "paths": 400,
    "steps": 2048,
    "objective": {"name": "quadratic", "data": SKEWED},
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "xi": ["minimizer", 0.5],
    "record": {"points": 10, "paths": 2},
}
VANISHING = {"name": "power", "value": 0.1, "exponent": 0.75}
QUIET = {"name": "quadratic", "data": {"name": "discrete", "values": [0.5], "probabilities": [1.0]}}


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[..., Run]:
    def run(**changes: Any) -> Run:
        cell = read_cell(written(tmp_path / "in", RUN | changes), [])
        study.run(cell, tmp_path / "out", workers=2, force=True, draw=drawn)
        return read_run(tmp_path / "out")

    return run


@pytest.mark.slow
def test_sgd_with_a_constant_rate(run_of: Callable[..., Run]) -> None:
    run = run_of(paths=600)
    assert list(run.verdict) == ["schema_version", "verdict", "reason", "observed", "slopes", "floors", "outcomes", "bound"]
    assert (run.verdict["verdict"], run.verdict["observed"], run.verdict["bound"]) == ("does_not_converge", [256, 2048], None)
    assert verdict_text.verdict(run).startswith("does not converge, observed on steps 256 to 2048: the twin floor stays up (")
    assert verdict_text.limits(run) == []
    truth = 0.1 * 0.09 / 1.9
    assert list(run.verdict["floors"]) == ["twin", "window", "cauchy"]
    for name, expected in (("twin", truth), ("window", truth * 0.97), ("cauchy", truth / 2.0)):
        row = run.verdict["floors"][name]
        assert row["value"] == pytest.approx(expected, rel=0.05)
        assert 0.0 < row["lower"] < row["ci_low"] < row["value"]
        assert (row["step"], row["n"], row["n_finite"]) == (2048, 600, 600)
    low, value = (run.verdict["floors"]["window"][key] for key in ("lower", "value"))
    assert verdict_text.floors(run)[0] == (
        f"Window floor: for every ξ, E|Θ − ξ|² was at least {low:.3g} (estimate {value:.4g}), averaged over steps 1025 to 2048."
    )
    assert verdict_text.floors(run)[-1] == f"These lower bounds hold for all {run.floors} floors at once, at 95 %."


@pytest.mark.slow
def test_sgd_with_a_vanishing_rate(run_of: Callable[..., Run]) -> None:
    run = run_of(learning_rate={"name": "power", "value": 0.2, "exponent": 0.75})
    assert run.verdict["verdict"] == "converges"
    minimizer, other = verdict_text.limits(run)
    seen = "The limit, observed on steps 256 to 2048,"
    assert re.fullmatch(
        rf"{seen} is minimizer = 0\.1: E\|Θ − minimizer\|² decreases \(log-log slope -0\.[6-9]\d\d\)\.", minimizer
    )
    assert re.fullmatch(rf"{seen} is not 0\.5 = 0\.5: E\|Θ − 0\.5\|² stays up \(log-log slope -?0\.00\d\)\.", other)


STILL_FALLS = (
    "the floors decrease, but the learning rate still falls to its positive limit, so they may level off; take more steps"
)
STILL_GROWS = "the floors decrease, but the batch size still grows to its bound, so they may level off; take more steps"
STILL = "the data are noisy, but the iterates show no noise: it is too rare, or below their rounding error"
STILL_FILLS = (
    "the floors decrease, but the optimizer's averages are still warming up without bias correction, so they may level off;"
    " take more steps"
)
WARMS_UP = "the learning rate warms up until step 1025; take at least 2050 steps"
FILLING = {"name": "rmsprop", "beta2": 0.99999}
RARE = {"name": "quadratic", "data": {"name": "two_point", "p_high": 1e-9}}
PIECEWISE = {"name": "piecewise", "values": [0.1, 0.01], "until": [1024]}
PIECES = {"name": "piecewise", "values": [1, 50], "until": [1024]}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("changes", "answer", "reason"),
    [
        ({"learning_rate": PIECEWISE}, "undecided", STILL_FALLS),
        ({"learning_rate": {"name": "cosine", "value": 0.1, "final": 0.001, "steps": 2048}}, "undecided", STILL_FALLS),
        ({"batch_size": PIECES}, "undecided", STILL_GROWS),
        (
            {"batch_size": {"name": "power", "exponent": 1, "largest": 1000}, "steps": 512, "optimizer": "sgd"},
            "undecided",
            STILL_GROWS,
        ),
        ({"learning_rate": PIECEWISE | {"until": [64]}}, "does_not_converge", ""),
        ({"learning_rate": PIECEWISE | {"values": [0.01, 0.1]}}, "does_not_converge", ""),
        ({"learning_rate": 1e-17, "start": 1.0, "steps": 512}, "undecided", STILL),
        ({"optimizer": FILLING}, "undecided", STILL_FILLS),
        ({"optimizer": FILLING | {"bias_correction": True}}, "does_not_converge", ""),
        ({"optimizer": FILLING | {"beta2": 0.99}}, "does_not_converge", ""),
        ({"learning_rate": 0.001, "objective": RARE, "optimizer": "sgd"}, "undecided", STILL),
        ({"learning_rate": VANISHING | {"warmup": 1025}}, "undecided", WARMS_UP),
        ({"learning_rate": {"name": "constant", "value": 0.05, "warmup": 1025}}, "undecided", WARMS_UP),
        ({"learning_rate": {"name": "constant", "value": 0.05, "warmup": 64}}, "does_not_converge", ""),
        ({"learning_rate": VANISHING, "batch_size": PIECES}, "converges", ""),
        ({"batch_size": {"name": "power", "exponent": 1}, "steps": 512, "optimizer": "sgd"}, "converges", ""),
        ({"learning_rate": PIECEWISE, "objective": QUIET, "start": 1.0, "optimizer": "sgd"}, "converges", ""),
    ],
)
def test_what_changes_in_the_run_proves_nothing(
    run_of: Callable[..., Run], optimizer: str, changes: dict[str, Any], answer: str, reason: str
) -> None:
    """Floors that fall as the rate does stand when it does. Controls: changes that are over, upwards, to 0, without noise."""
    found = run_of(**({"optimizer": optimizer} | changes)).verdict
    assert found["verdict"] == answer
    assert not reason or found["reason"] == reason


BELIEF = """\
from dataclasses import replace
from nonconv.optimizers import OPTIMIZERS
from nonconv.optimizers.adabelief import ADABELIEF
OPTIMIZERS.register(replace(ADABELIEF, name="belief"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("data", ["two_point", "rademacher"])
@pytest.mark.parametrize(
    ("optimizer", "rate", "answer", "reason"),
    [
        ({"name": "belief", "beta2": 0.9999, "bias_correction": False}, 0.01, "undecided", STILL_FILLS),
        ({"name": "belief", "beta2": 0.9999}, 0.01, "does_not_converge", ""),
        ({"name": "adagrad"}, 0.5, "converges", ""),
    ],
)
def test_what_an_optimizer_states_decides(
    run_of: Callable[..., Run], tmp_path: Path, data: str, optimizer: dict[str, Any], rate: float, answer: str, reason: str
) -> None:
    """Floors that fall while a plug-in's averages warm up do not show that it converges; Adagrad's fall for ever."""
    (tmp_path / "belief.py").write_text(BELIEF, encoding="utf-8")
    changes = {"plugins": [str(tmp_path / "belief.py")], "optimizer": optimizer, "learning_rate": rate, "steps": 4000}
    found = run_of(**changes, objective={"name": "quadratic", "data": data}).verdict
    assert found["verdict"] == answer
    assert not reason or found["reason"] == reason


def test_a_maximum_may_still_rise(tmp_path: Path) -> None:
    """AMSGrad's floors fall while its maximum rises, which does not show that they fall for ever; its noise does not vanish."""
    path = written(tmp_path, RUN | {"optimizer": "amsgrad"})
    assert settling(read_cell(path, []), 0.9) == "w of the optimizer may still change towards a limit"
    vanishing = written(tmp_path, RUN | {"optimizer": "amsgrad", "learning_rate": VANISHING})
    assert settling(read_cell(vanishing, []), 0.9) == ""


@pytest.mark.parametrize("eps", [0.0, 1e-8])
def test_a_path_that_is_nowhere_has_not_diverged(run_of: Callable[..., Run], eps: float) -> None:
    """With eps = 0 a first gradient that is 0 makes 0/0."""
    zero = {"name": "two_point", "low": 0.0, "high": 1.0, "p_high": 0.5}
    run = run_of(objective={"name": "quadratic", "data": zero}, optimizer={"name": "adam", "eps": eps}, steps=512)
    lost = run.verdict["outcomes"]["nan"]
    assert (lost > 100) == (eps == 0)
    if lost:
        assert run.verdict["verdict"] == "undecided"
        assert run.verdict["reason"] == f"{lost} of 400 paths are undefined: the optimizer divided 0 by 0"
        assert verdict_text.bound(run).endswith(": kept at every step by 400 of 400 paths, until they became 0/0.")


@pytest.mark.slow
def test_adam_on_skewed_data_goes_to_its_own_zero(run_of: Callable[..., Run]) -> None:
    optimizer = {"name": "adam", "beta1": 0.5, "beta2": 0.9}
    run = run_of(optimizer=optimizer, learning_rate=VANISHING, xi=["minimizer", "adam_zero"], steps=8192)
    assert run.verdict["verdict"] == "converges"
    not_there, there = verdict_text.limits(run)
    assert not_there.startswith(
        "The limit, observed on steps 1024 to 8192, is not minimizer = 0.1: E|Θ − minimizer|² stays up (log-log slope "
    )
    assert there.startswith(
        f"The limit, observed on steps 1024 to 8192, is adam_zero = {run.summary['xi_points']['adam_zero'][0]:.6g}: "
    )
    assert run.verdict["bound"].items() >= {"violations": 0, "paths": 400}.items()
    assert verdict_text.bound(run).endswith(": kept at every step by 400 of 400 paths.")


@pytest.mark.slow
def test_toints_example(run_of: Callable[..., Run]) -> None:
    adam = {"name": "adam", "eps": 0.0, "bias_correction": False, "start": "first_gradient"}
    run = run_of(objective="toint", optimizer=adam, learning_rate=0.1, xi="start", paths=1)
    assert run.verdict["verdict"] == "diverges"
    assert run.verdict["reason"] == "1 of 1 paths escaped, overflowed or became nan"


def test_too_few_paths(run_of: Callable[..., Run]) -> None:
    run = run_of(paths=10)
    assert verdict_text.verdict(run) == ("undecided, observed on steps 256 to 2048: 10 paths are too few; take at least 200.")


@pytest.mark.slow
def test_numbers_that_are_not_finite_are_null(run_of: Callable[..., Run]) -> None:
    """And standard errors of one path; slopes are left out."""
    run = run_of(learning_rate=2.0, start={"name": "normal"}, paths=20)
    assert run.verdict["verdict"] == "diverges"
    assert run.verdict["slopes"] == {}
    for row in run.verdict["floors"].values():
        assert [row[key] for key in ("value", "se", "ci_low", "ci_high", "lower")] == [None] * 5
        assert (row["n_finite"], row["n"]) == (0, 20)
    of_one = run_of(paths=1)
    for row in of_one.verdict["floors"].values():
        assert row["value"] > 0.0
        assert [row[key] for key in ("se", "ci_low", "ci_high", "lower")] == [None] * 4


@pytest.mark.slow
def test_large_but_finite_numbers(run_of: Callable[..., Run]) -> None:
    """Of size 1e124 in the end, so that squares are finite and squares of squares are not."""
    assert run_of(learning_rate=1.05, start=1.0, steps=3000, paths=20).verdict["verdict"] == "diverges"


def test_one_random_path_has_no_interval_of_a_slope(run_of: Callable[..., Run]) -> None:
    slopes = run_of(paths=1).verdict["slopes"]
    assert all(slope["se"] is None for slope in slopes.values())


@pytest.mark.slow
def test_a_path_that_comes_home_from_afar_has_not_escaped(run_of: Callable[..., Run]) -> None:
    """It ends 2e6 from its start, and near the minimizer."""
    run = run_of(start=2e6)
    assert run.verdict["outcomes"] == {"finite": 400, "escaped": 0, "caught": 0, "overflow": 0, "nan": 0}
    assert run.verdict["verdict"] == "does_not_converge"
