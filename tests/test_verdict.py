"""Verdicts: on made-up numbers with their exact reasons, and in the files of whole runs. test_calibration tries many more."""

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

from kit.experiments import written
from kit.runs import drawn
from nonconv.engine.plan import Plan, Wanted, plan_for
from nonconv.engine.whole import Whole
from nonconv.experiment.binding import read_cell
from nonconv.experiment.structure import Reason, Structure
from nonconv.report import verdict_text
from nonconv.report.run import Run, read_run
from nonconv.statistics import verdict
from nonconv.statistics.comoments import CoMoments, comoments, merge_comoments
from nonconv.statistics.decision import Seen
from nonconv.statistics.shares import share
from nonconv.statistics.trends import LAST_SQUARE, ONE_STEP, WINDOW_ENDS, trends
from nonconv.statistics.verdict import Observed, error_rate, judge
from nonconv.study import loop as study

MANY = settings(max_examples=200, derandomize=True, deadline=None)
ALL = Wanted()
ONLY = {name: Wanted(twin=False, window=False, cauchy=False)._replace(**{name: True}) for name in Wanted._fields}
NAMES = {"twin": "the twin floor", "window": "the window floor", "cauchy": "the Cauchy floor"}

# Made-up numbers

Levels = tuple[float, float, float]
STANDING: Levels = (1.0, 1.0, 1.0)
FALLING: Levels = (4.0, 2.0, 1.0)
SLOWING: Levels = (4.0, 2.0, math.sqrt(2.0))
RATE = Reason("rate", "the learning rate tends to 0")
QUIETLY = Reason("noise", "the gradient has no noise at the minimum")
NOISY = Structure(noise="persists", drive=(0.0, 0.0, 0.0), scale=(0.0, 0.0, 0.0))
VANISHES = Structure(noise="persists", reasons=(RATE,), forbids=(RATE,), drive=(2.0, 1.0, 0.0), scale=(4.0, 2.0, 0.0))
FITS = Structure(noise="vanishes", reasons=(QUIETLY,), drive=(0.0, 0.0, 0.0), scale=(0.0, 0.0, 0.0))


def observed(
    levels: Levels | dict[str, Levels] = STANDING,
    spread: float = 0.1,
    crossing: float = 2.0,
    wanted: Wanted = ALL,
    structure: Structure = NOISY,
    **changes: Any,
) -> Observed:
    """1000 paths whose numbers have these means and a standard deviation of spread times that, all uncorrelated.

    crossing: squared distance of a window's ends, by its variance, on each span.
    """
    plan, steps, paths = plan_for(4096, wanted), changes.pop("steps", 4096), changes.get("paths", 1000)
    names = trends(plan, tuple(label for label in ("minimizer",) if isinstance(levels, dict) and f"error: {label}" in levels))
    of = levels if isinstance(levels, dict) else {}
    mean = []
    for trend in names:
        own = of.get(trend.name.removesuffix("_mean"), levels if isinstance(levels, tuple) else STANDING)
        special = {
            LAST_SQUARE: 1.0,
            WINDOW_ENDS: of.get("window", own)[trend.span] * crossing / 4.0,
            # By default one step's noise is what its own scale says.
            ONE_STEP: of.get("one_step", tuple(2.0**scale for scale in structure.scale or (0.0, 0.0, 0.0)))[trend.span],
        }
        mean.append(special.get(trend.name, own[trend.span]))
    moments = CoMoments(np.array(float(paths)), np.array(mean), np.diag((spread * np.array(mean)) ** 2) * (paths - 1))
    default: dict[str, Any] = {"left": 0, "random": True, "moments": moments, "paths": paths}
    return Observed(plan=plan, steps=steps, trends=names, structure=structure, **(default | changes))


def answer(seen: Observed) -> str:
    return judge(seen).answer


def told(seen: Observed) -> tuple[str, str]:
    found = judge(seen)
    return found.answer, found.reason


def half_width(paths: int = 1000, spread: float = 0.1, doublings: int = 2) -> float:
    """By hand: the delta method for a ratio of uncorrelated means, Student's t at the level of all eight intervals."""
    se = math.sqrt(2.0) * spread / math.log(2.0) / math.sqrt(paths) / doublings
    return float(stats.t.isf(error_rate(paths) / 16.0, paths - 1) * se)


HALF = f"{half_width():.3f}"
STANDS = f"stands (log-log slope 0.000, -{HALF} to {HALF})"
FALLS = f"falls (log-log slope -1.000, {-1.0 - half_width():.3f} to {-1.0 + half_width():.3f})"


def test_all_stand() -> None:
    phrases = [*NAMES.values(), "the noise of one step"]
    assert told(observed()) == ("does_not_converge", "; ".join(f"{what} {STANDS}" for what in phrases))
    assert judge(observed()).decides == ""


@pytest.mark.parametrize("n", [1, 2, 30, 4096])
def test_intervals_of_shares_invert_binomial_tails(n: int) -> None:
    """Clopper and Pearson's: at either end what was seen, or more of it, has just the tail's probability."""
    for count in {0, 1, n // 2, n - 1, n}:
        seen = share(count, n, 0.9)
        assert seen.ci_low == 0.0 if count == 0 else stats.binom.sf(count - 1, n, seen.ci_low) == pytest.approx(0.05)
        assert seen.ci_high == 1.0 if count == n else stats.binom.cdf(count, n, seen.ci_high) == pytest.approx(0.05)


def test_the_chances_of_all_looks_add_up() -> None:
    """Doubling the number of paths until there is a verdict is wrong in 5 % at most; each look has a level of its own."""
    looks = [error_rate(paths) for paths in (50, 100, 200, 400, 800, 1600)]
    assert looks == pytest.approx([0.05 / 2**k for k in range(1, 7)])
    assert error_rate(399) == error_rate(200)
    assert error_rate(10) == error_rate(50)
    assert sum(error_rate(50 * 2**k) for k in range(60)) == pytest.approx(0.05)


def test_the_states_of_a_floor() -> None:
    """At a half-width h: 0 - h > -0.1 and 0 + h > 0 stands, and so on; each border is tried from both sides."""
    h = half_width()

    def state(slope: float, spread: float = 0.1) -> str:
        levels = (1.0, 2.0**slope, 4.0**slope)
        return judge(observed(levels, spread=spread)).floors["window"][1].state

    assert 0.01 < h < 0.02
    assert [state(slope) for slope in (0.0, -h + 0.002, -h - 0.002, -0.1, -1.0)] == [
        "stands",
        "stands",
        "falls",
        "falls",
        "falls",
    ]
    assert [state(slope) for slope in (0.1 + h - 0.002, 0.1 + h + 0.002)] == ["stands", "grows"]
    assert [state(slope, spread=1.0) for slope in (0.0, 0.3)] == ["unclear", "grows"], "an interval from -0.12 to 0.12"


def test_an_interval_below_zero_never_stands() -> None:
    """n^-0.061 with an interval from -0.066 to -0.057 is a fall, however slow."""
    levels = (1.0, 2.0**-0.061, 4.0**-0.061)
    seen = judge(observed(levels, spread=0.01))
    assert {found.state for name, floor in seen.floors.items() if name != ONE_STEP for found in floor} == {"falls"}
    assert seen.answer != "converges"


@pytest.mark.parametrize("name", ["twin", "window", "cauchy"])
def test_one_that_stands_is_enough_where_twins_do_not_fall(name: str) -> None:
    """Windows and gaps see movement alone: with twins that fall they need a start that is forgotten."""
    levels = dict.fromkeys(NAMES, FALLING) | {name: STANDING, "one_step": FALLING}
    expected = ("does_not_converge", f"{NAMES[name]} {STANDS}")
    assert told(observed(levels)) == expected
    crossed = observed(levels, crossing=6.0)
    assert told(crossed) == expected if name == "twin" else answer(crossed) == "undecided"


def test_a_known_reason_forbids_does_not_converge() -> None:
    """However exactly floors stand: a rate that tends to 0 slowly looks so."""
    found = judge(observed(structure=replace(VANISHES, drive=(0.002, 0.001, 0.0), scale=(0.0, 0.0, 0.0))))
    assert found.answer == "undecided"
    assert found.reason.startswith("the learning rate tends to 0, but on these steps the twin floor stands (")


def test_without_a_reason_nothing_converges() -> None:
    found = judge(observed(dict.fromkeys([*NAMES, "one_step"], FALLING)))
    assert found.answer == "undecided"
    assert found.reason.endswith("; but nothing declared makes the errors vanish, so they may level off")
    control = judge(observed(FALLING, structure=VANISHES))
    assert control.answer == "converges"
    assert control.reason == "the learning rate tends to 0; " + "; ".join(f"{what} {FALLS}" for what in NAMES.values())


@pytest.mark.parametrize(
    ("share", "expected"), [(0.2, "undecided"), (0.4, "converges"), (3.5, "converges"), (8.0, "undecided")]
)
def test_a_fall_must_be_accounted_for(share: float, expected: str) -> None:
    """Slopes of the floors by that of the drive, which is -1/2."""
    slope = -0.5 * share
    structure = replace(VANISHES, drive=(1.0, 0.5, 0.0))
    assert answer(observed((1.0, 2.0**slope, 4.0**slope), structure=structure, spread=0.02)) == expected


def test_the_way_from_a_far_start_does_not_hide_a_fall() -> None:
    """Windows and gaps fall steeply then; twins do not see it."""
    levels = {"twin": FALLING, "window": (1e6, 1e3, 1.0), "cauchy": (1e6, 1e3, 1.0)}
    assert answer(observed(levels, structure=VANISHES)) == "converges"
    assert answer(observed({"twin": (1e6, 1e3, 1.0), "window": FALLING, "cauchy": FALLING}, structure=VANISHES)) == "undecided"


@pytest.mark.parametrize("name", ["window", "cauchy"])
def test_one_floor_of_movement_may_be_too_noisy_to_tell(name: str) -> None:
    noisy = {"twin": FALLING, "window": FALLING, "cauchy": FALLING} | {name: STANDING}
    assert answer(observed(noisy, structure=VANISHES)) == "converges"
    assert answer(observed(noisy | {name: (1.0, 2.0, 4.0)}, structure=VANISHES)) == "undecided", "one that grows is no noise"
    assert answer(observed(noisy | {"twin": STANDING}, structure=VANISHES)) == "undecided"
    assert answer(observed({"twin": FALLING, "window": STANDING, "cauchy": STANDING}, structure=VANISHES)) == "undecided"


def test_a_fall_without_noise_must_not_slow_down() -> None:
    """From exponent -1 to -1/2 it may end above 0; steady and faster falls do not."""
    found = judge(observed(dict.fromkeys([*NAMES, "one_step"], SLOWING), structure=FITS))
    assert found.answer == "undecided"
    assert found.reason == "the gradient has no noise at the minimum, but the twin floor falls more and more slowly"
    assert answer(observed(FALLING, structure=FITS)) == "converges"
    assert answer(observed((1.0, 1e-3, 1e-9), structure=FITS)) == "converges"


def test_an_unstable_limit_is_no_reason() -> None:
    void = "without noise the minimum is not stable for adam"
    found = judge(observed(dict.fromkeys([*NAMES, "one_step"], FALLING), structure=replace(FITS, reasons=(), void=void)))
    assert found.answer == "undecided"
    assert found.reason.endswith(f"; but {void}")


def test_noise_that_may_vanish_must_be_seen_to_stay() -> None:
    """Where nothing says that noise stays, that of one step must not fall; where it does, that is not asked."""
    unknown = replace(NOISY, noise="unknown")
    fading = {"twin": STANDING, "window": STANDING, "cauchy": STANDING, "one_step": FALLING}
    assert answer(observed(structure=unknown)) == "does_not_converge"
    assert answer(observed(fading, structure=unknown)) == "undecided"
    assert answer(observed(fading)) == "does_not_converge"
    only = Wanted(twin=False, window=True, cauchy=False)
    assert answer(observed(structure=unknown, wanted=only)) == "undecided", "without twins nothing shows the noise"


def test_schedules_must_be_in_their_limit_regime() -> None:
    irregular = "the learning rate is not yet near its limit"
    found = judge(observed(structure=replace(NOISY, irregular=irregular, regime_steps=99)))
    assert (found.answer, found.reason, found.decides) == (
        "undecided",
        "the learning rate is not yet near its limit",
        "take at least 99 steps",
    )


@pytest.mark.parametrize("last", [0.0, 1e-27])
def test_vanished(last: float) -> None:
    """Beside the square of the iterate, which is 1; what is above the rounding error of that is judged as ever."""
    levels = dict.fromkeys([*NAMES, "one_step"], (1.0, 1.0, last))
    vanished = "; ".join(f"{what} is 0 up to rounding" for what in NAMES.values())
    assert told(observed(levels, structure=VANISHES)) == ("converges", f"the learning rate tends to 0; {vanished}")
    assert told(observed(levels)) == ("undecided", verdict.INVISIBLE), "noise that stays must show"
    assert answer(observed((1.1e-27, 1.1e-27, 1.1e-27))) == "does_not_converge"


def test_after_the_way_from_the_start_one_doubling_is_enough_where_noise_is_known_to_stay() -> None:
    levels = {"twin": (8.0, 1.0, 1.0), "window": FALLING, "cauchy": FALLING, "one_step": STANDING}
    late = judge(observed(levels)).floors["twin_mean"][0]
    assert (late.state, late.first, late.last) == ("stands", 2048, 4096)
    assert answer(observed({**levels, "one_step": FALLING})) == "does_not_converge"
    assert answer(observed({**levels, "one_step": FALLING}, structure=replace(NOISY, noise="unknown"))) == "undecided"
    assert answer(observed({**levels, "twin": (8.0, 2.0, 1.0), "one_step": FALLING})) == "undecided"


@pytest.mark.parametrize(("slope", "expected"), [(0.5, "does_not_converge"), (0.9, "undecided"), (2.0, "undecided")])
def test_what_may_be_on_its_way_to_infinity_is_not_judged(slope: float, expected: str) -> None:
    """A random walk has slope 1, straight motion 2."""
    levels = dict.fromkeys([*NAMES, "one_step"], (1.0, 2.0**slope, 4.0**slope))
    assert answer(observed(levels)) == expected


def test_a_mean_that_few_paths_carry_decides_nothing() -> None:
    """A standard deviation of 10.5 means leaves 1000 paths the weight of 9; one of 9.5 that of 11."""
    few = judge(observed(FALLING, structure=VANISHES, spread=10.5, paths=1000))
    assert {found.state for floor in few.floors.values() for found in floor} == {"unclear"}
    falling = (1e100, 1e50, 1.0)
    assert answer(observed(falling, structure=replace(VANISHES, drive=(300.0, 150.0, 0.0)), spread=9.5)) == "converges"
    assert answer(observed(falling, structure=replace(VANISHES, drive=(300.0, 150.0, 0.0)), spread=10.5)) == "undecided"
    # Where the mean square is known to shrink, no interval is needed.
    assert answer(observed(falling, structure=replace(FITS, contracting=True), spread=10.5)) == "converges"


def test_advice_names_the_number_of_paths_that_decides() -> None:
    """Following it decides, and half of it does not."""
    levels = (1.0, 2.0**-0.03, 4.0**-0.03)
    found = judge(observed(levels, spread=1.0))
    assert (found.answer, found.decides[:10]) == ("undecided", "take about")
    paths = int(found.decides.split()[2])
    assert answer(observed(levels, spread=1.0, paths=paths)) == "does_not_converge"
    assert answer(observed(levels, spread=1.0, paths=paths // 4)) == "undecided"


def test_advice_waits_for_a_rate_that_has_yet_to_fall() -> None:
    flat = replace(VANISHES, drive=(0.02, 0.01, 0.0), scale=(0.0, 0.0, 0.0), fall_steps=65536)
    assert judge(observed(structure=flat)).decides == "take at least 66000 steps"
    slow = replace(flat, fall_steps=0)
    wanted = int(judge(observed(structure=slow)).decides.split()[2])
    levels = (1.0, 2.0**-0.02, 4.0**-0.02)
    slow = replace(slow, drive=(0.04, 0.02, 0.0))
    assert answer(observed(levels, structure=slow, paths=2 * wanted)) == "converges"


@pytest.mark.parametrize(
    ("changes", "reason", "decides"),
    [
        ({"paths": 49}, "49 paths are too few", "take at least 50 paths"),
        ({"steps": 255}, "255 steps are too few", "take at least 256 steps"),
        ({"steps": 255, "paths": 49}, "255 steps are too few", "take at least 256 steps"),
    ],
)
def test_refusals(changes: dict[str, Any], reason: str, decides: str) -> None:
    found = judge(observed(**changes))
    assert (found.answer, found.reason, found.decides) == ("undecided", reason, decides)


def test_the_least_that_is_judged() -> None:
    assert answer(observed(paths=50, spread=0.01)) == answer(observed(steps=256)) == "does_not_converge"


def test_without_floors() -> None:
    assert told(observed(wanted=Wanted(twin=False, window=False, cauchy=False))) == ("undecided", "no floors were measured")


def test_paths_that_are_not_finite_forbid_a_verdict() -> None:
    seen = observed()
    seen = replace(seen, left=7, moments=seen.moments._replace(n=np.array(993.0)))
    expected = "7 of 1000 paths are not finite: few, but floors need all paths finite"
    assert told(seen) == ("undecided", expected)
    assert judge(seen).slopes == {}


@pytest.mark.parametrize("paths", [200, 1000, 5000])
@pytest.mark.parametrize(("lost", "verb"), [("left", "diverges"), ("undefined", "undefined")])
def test_share_of_paths_that_are_lost(paths: int, lost: str, verb: str) -> None:
    """The least number that 5 % would give with a chance below half the level is called so."""
    tail = error_rate(paths) / 2.0
    count = int(stats.binom.isf(tail, paths, 0.05)) + 1
    assert stats.binom.sf(count - 1, paths, 0.05) < tail <= stats.binom.sf(count - 2, paths, 0.05)
    found, one_less = (judge(replace(observed(paths=paths), **dict[str, Any]({lost: k}))) for k in (count, count - 1))
    assert (found.answer, found.reason.split(" paths ")[0]) == (verb, f"{count} of {paths}")
    assert one_less.answer == "does_not_converge"


def test_share_of_paths_that_left_without_randomness() -> None:
    """Is what it is; and few paths or steps do not matter to it."""
    assert answer(observed(random=False, left=51)) == "diverges"
    assert answer(observed(random=False, left=1, paths=1, steps=10)) == "diverges"
    assert answer(observed(left=9, paths=10)) == "diverges"


# Without noise


def followed(*extents: Levels, size: float = 1.0) -> Whole:
    """Squared extents of paths on the three spans, beside an iterate of this squared size."""
    return Whole(np.array(extents).T, np.full((3, len(extents)), size))


def of_whole(whole: Whole, structure: Structure, **changes: Any) -> tuple[str, str]:
    return told(observed(structure=structure, whole=whole, **changes))


CALM = Structure(noise="none", reasons=(Reason("noise", "the gradient has no noise"),), drive=(0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("extents", "expected"),
    [
        ([(4.0, 4.0, 4.0)], "does_not_converge"),
        ([(4.0, 4.0, 4.04)], "does_not_converge"),
        ([(4.0, 4.0, 4.2)], "undecided"),
        ([(1e-2, 1e-4, 1e-8)], "converges"),
        ([(4.0, 2.0, 1.0)], "converges"),
        ([(4.0, 1.0, 0.5)], "undecided"),
        ([(4.0, 1e-10, 0.0)], "converges"),
        ([(1.0, 1.0, 1e-31)], "converges"),
        ([(1.0, 2.0, 4.0)], "undecided"),
        ([(4.0, 2.0, 1.0), (1.0, 1.0, 1.0)], "does_not_converge"),
        ([(4.0, 2.0, 1.0), (1.0, 1.0, 1.5)], "undecided"),
    ],
)
def test_extents_decide_without_noise(extents: list[Levels], expected: str) -> None:
    """One path is enough; a cycle of any start is, but all must come to rest."""
    assert of_whole(followed(*extents), CALM, paths=1, random=False)[0] == expected


def test_without_noise_what_is_known_of_the_limit_binds_too() -> None:
    void = "without noise the minimum is not stable for adam"
    still = followed((4.0, 1e-10, 0.0))
    assert of_whole(still, replace(CALM, reasons=(), void=void)) == (
        "undecided",
        f"the iterates do not move any more; but {void}",
    )
    cycle = followed((4.0, 4.0, 4.0))
    assert of_whole(cycle, replace(CALM, forbids=(RATE,)))[0] == "undecided"
    assert of_whole(cycle, replace(CALM, irregular="one"))[1] == "one"
    assert of_whole(cycle, CALM) == ("does_not_converge", "the iterate keeps moving within 2, span after span")


def test_slopes_have_names_and_intervals() -> None:
    """By hand: the delta method for the ratio of two uncorrelated means; twice correlated ones vary less."""
    levels = {"twin": FALLING, "window": STANDING, "cauchy": SLOWING, "error: minimizer": FALLING}
    seen = observed(levels)
    found = judge(seen).slopes
    assert list(found) == ["twin", "window", "cauchy", "error: minimizer"]
    assert [slope.value for slope in found.values()] == pytest.approx([-1.0, 0.0, -0.5, -1.0])
    se = math.sqrt(2.0) * 0.1 / math.log(2.0) / math.sqrt(1000.0)
    half = stats.t.isf(0.025, 999) * se
    for slope in found.values():
        assert slope[1:] == pytest.approx((se, slope.value - half, slope.value + half))
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
    levels = dict.fromkeys([*NAMES, "one_step"], (1.0, floor, floor))
    assert answer(observed(levels, structure=VANISHES)) == "converges"


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
    assert list(run.verdict) == [
        *(
            "schema_version",
            "verdict",
            "reason",
            "decides",
            "observed",
            "level",
            "states",
            "slopes",
            "limit",
            "theory",
            "medians",
        ),
        *("floors", "outcomes", "bound"),
    ]
    assert (run.verdict["verdict"], run.verdict["observed"], run.verdict["bound"]) == ("does_not_converge", [256, 2048], None)
    assert verdict_text.verdict(run).startswith("does not converge, observed on steps 256 to 2048: the twin floor stands (")
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
    assert re.fullmatch(rf"{seen} is not 0\.5: E\|Θ − 0\.5\|² stays up \(log-log slope -?0\.00\d\)\.", other)


@pytest.mark.slow
def test_at_most_one_point_is_the_limit(run_of: Callable[..., Run]) -> None:
    """Both errors fall, since the points are closer together than the iterates are to either."""
    run = run_of(learning_rate={"name": "power", "value": 0.2, "exponent": 0.75}, xi=["minimizer", 0.1001])
    assert run.verdict["verdict"] == "converges"
    (told,) = verdict_text.limits(run)
    assert told.startswith("The limit may be ")
    assert set(told.removeprefix("The limit may be ").partition(":")[0].split(" or ")) == {
        "minimizer = 0.1",
        "0.1001",
    }


@pytest.mark.slow
def test_a_point_that_was_passed_is_no_limit(run_of: Callable[..., Run]) -> None:
    """Theta - 1/2 falls like n^-0.3 and is about 0.1 at the end: 0.69 is within twice that, and was passed on the way."""
    rate = {"name": "power", "value": 0.15, "exponent": 1.0}
    run = run_of(objective=QUIET, learning_rate=rate, start=1.78, xi=["minimizer", 0.69], paths=1)
    assert run.verdict["verdict"] == "converges"
    error = run.errors["minimizer"].mse[-1]
    assert 4.0 * error > 0.19**2
    limit, passed = verdict_text.limits(run)
    assert " is minimizer = 0.5: " in limit
    assert " is not 0.69: " in passed


@pytest.mark.slow
def test_medians_are_told_where_few_paths_carry_the_mean(run_of: Callable[..., Run]) -> None:
    """An undecided run whose floors stand has shown its mean; so has one that is decided."""
    run = run_of(xi=["minimizer", "last"], paths=50, steps=256)
    course = {"course": "falls", "first_step": 64, "first": 0.5, "last_step": 256, "last": 0.25}
    few, told = (
        [found._asdict()] for found in (Seen("unclear", 64, 256, 0.0, -0.05, 1.0), Seen("stands", 64, 256, 0.0, -0.05, 1.0))
    )
    sentence = "Median of |Θ − minimizer|: 0.5 at step 64, 0.25 at step 256. It falls, whatever the mean square does."
    for answer, course_of, states, expected in (
        ("undecided", "falls", few, [sentence]),
        ("undecided", "unclear", few, []),
        ("undecided", "falls", told, []),
        ("converges", "falls", few, []),
    ):
        medians = dict.fromkeys(("minimizer", "last"), course | {"course": course_of})
        seen = run.verdict | {"verdict": answer, "states": {"twin": states}, "medians": medians}
        assert verdict_text.medians(replace(run, verdict=seen)) == expected


@pytest.mark.slow
def test_noise_that_still_settles_is_told(run_of: Callable[..., Run]) -> None:
    """Over both doublings, by more than a tenth; where noise vanishes its fall is what the verdict is about."""
    run = run_of(paths=50, steps=256)
    falls = Seen("falls", 64, 256, -0.5, -0.55, -0.45)._asdict()
    stands = Seen("stands", 64, 256, 0.0, -0.05, 0.05)._asdict()
    slow = Seen("falls", 64, 256, -0.08, -0.09, -0.07)._asdict()
    for states, noise, told in (
        ([falls, falls], "persists", True),
        ([falls, stands], "persists", False),
        ([falls, slow], "persists", False),
        ([falls, falls], "vanishes", False),
    ):
        seen = run.verdict | {"states": {"one_step": states}, "limit": run.verdict["limit"] | {"noise": noise}}
        found = verdict_text.settling(replace(run, verdict=seen))
        assert len(found) == told
        assert all(" still falls (log-log slope -0.500): " in sentence for sentence in found)
    assert verdict_text.settling(replace(run, verdict=run.verdict | {"states": {}})) == []
    settles = run.verdict | {"states": {"one_step": [falls, falls]}, "limit": run.verdict["limit"] | {"noise": "persists"}}
    for part in ({"hold": 4}, {"order": "epochs"}, {"order": "cyclic"}):  # the place in a block or a pass, not the rule
        objective = run.config["objective"] | {"data": run.config["objective"]["data"] | part}
        assert verdict_text.settling(replace(run, verdict=settles, config=run.config | {"objective": objective})) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "answer"),
    [
        (1.05, "diverges"),
        ({"name": "power", "value": 1.3, "exponent": 0.01}, "undecided"),
        ({"name": "piecewise", "values": [1.05, 0.1], "until": [1500]}, "undecided"),
    ],
    ids=["constant", "vanishes", "will fall"],
)
def test_paths_that_a_smaller_rate_may_bring_back_have_not_diverged(run_of: Callable[..., Run], rate: Any, answer: str) -> None:
    """All are far away and still going at the end, at rates above the border 1."""
    run = run_of(learning_rate=rate, start=1.0, steps=1024)
    assert run.verdict["outcomes"]["escaped"] == 400
    assert run.verdict["verdict"] == answer


@pytest.mark.parametrize("eps", [0.0, 1e-8])
def test_a_path_that_is_nowhere_has_not_diverged(run_of: Callable[..., Run], eps: float) -> None:
    """With eps = 0 a first gradient that is 0 makes 0/0."""
    zero = {"name": "two_point", "low": 0.0, "high": 1.0, "p_high": 0.5}
    run = run_of(objective={"name": "quadratic", "data": zero}, optimizer={"name": "adam", "eps": eps}, steps=512)
    lost = run.verdict["outcomes"]["undefined"]
    assert (lost > 100) == (eps == 0)
    if lost:
        assert run.verdict["verdict"] == "undefined"
        assert run.verdict["causes"] == {"0/0": lost}
        assert run.verdict["reason"].startswith(f"{lost} of 400 paths are undefined: 0/0")
        assert verdict_text.bound(run).endswith(": kept at every step by 400 of 400 paths, until they became undefined.")


@pytest.mark.slow
def test_adam_on_skewed_data_goes_to_its_own_zero(run_of: Callable[..., Run]) -> None:
    optimizer = {"name": "adam", "beta1": 0.5, "beta2": 0.9}
    run = run_of(optimizer=optimizer, learning_rate=VANISHING, xi=["minimizer", "adam_zero"], steps=8192)
    assert run.verdict["verdict"] == "converges"
    there, not_there = verdict_text.limits(run)
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
    assert run.verdict["reason"] == "the path escaped or overflowed"


def test_too_few_paths(run_of: Callable[..., Run]) -> None:
    run = run_of(paths=10)
    assert verdict_text.verdict(run) == (
        "undecided, observed on steps 256 to 2048: 10 paths are too few; take at least 50 paths."
        " In theory E|Θ − minimizer|² tends to 0.004737."
    )


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
    assert run.verdict["outcomes"] == {"finite": 400, "escaped": 0, "caught": 0, "overflow": 0, "undefined": 0}
    assert run.verdict["verdict"] == "does_not_converge"
