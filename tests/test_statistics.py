"""Moments that merge, intervals that cover, quantiles that are order statistics, and tallies that add up."""

import io
import itertools
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from nonconv.engine.blocks import Block, simulate
from nonconv.engine.reference import Reference
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.numerics import student as quantile
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, effective_number, estimate, lower_bound, merge, moments
from nonconv.numerics.student import normal, student
from nonconv.statistics import measured_block
from nonconv.statistics.measured_block import OUTCOMES, end_names
from nonconv.statistics.quantiles import QUANTILE_LEVELS, fan_quantiles
from nonconv.statistics.tally import STATISTICS, Tally, measure
from nonconv.study.ready import make_ready
from nonconv.theory.predictions import bound

MANY = settings(max_examples=200, derandomize=True, deadline=None)
FALSE_ALARM = 1e-6

numbers = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 1e-300])
samples = st.lists(numbers | st.sampled_from([math.inf, -math.inf, math.nan]), min_size=1, max_size=60)
finite_samples = st.lists(numbers, min_size=1, max_size=60)


def of(values: list[float]) -> Moments:
    return moments(np.array(values))


# Quantiles of laws


@MANY
@given(st.integers(1, 2500) | st.integers(1, 10**9), st.floats(1e-4, 1.0 - 1e-4))
def test_quantiles_of_students_t_are_scipys(freedom: int, probability: float) -> None:
    """To 1e-10 of them, which is far below what an interval's third digit means."""
    ours, theirs = student(freedom, probability), float(special.stdtrit(freedom, probability))
    assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-12)


def test_quantiles_of_the_normal_law_are_scipys() -> None:
    for probability in (1e-12, 1e-3, 0.3, 0.5, 0.975, 1.0 - 1e-9):
        assert normal(probability) == pytest.approx(float(special.ndtri(probability)), rel=1e-12, abs=1e-15)


def test_other_quantiles_would_be_seen() -> None:
    """Negative control: one degree of freedom more, the normal law, the expansion without the refinement."""
    exact = float(special.stdtrit(999, 0.975))
    assert abs(student(1000, 0.975) / exact - 1.0) > 1e-7
    assert abs(normal(0.975) / exact - 1.0) > 1e-3
    assert abs(quantile._expansion(9, normal(0.975)) / float(special.stdtrit(9, 0.975)) - 1.0) > 1e-7


def test_no_degree_of_freedom() -> None:
    assert math.isnan(student(0, 0.975))


# Moments


@MANY
@given(samples)
def test_moments_are_numpys(values: list[float]) -> None:
    """Of what is finite, to rounding; what is not is counted."""
    seen, kept = of(values), np.array([value for value in values if math.isfinite(value)])
    size, n = float(np.abs(kept).max(initial=0.0)), len(kept)
    assert [int(count) for count in seen[:3]] == [len(values), len(kept), sum(map(math.isnan, values))]
    if len(kept):
        assert seen.mean == pytest.approx(math.fsum(kept) / n, abs=1e-14 * size)
        assert seen.m2 == pytest.approx(np.var(kept) * n, abs=1e-13 * n * size**2)
        assert seen.m3 == pytest.approx(np.sum((kept - kept.mean()) ** 3), abs=1e-13 * n * size**3)
        assert seen.largest == kept.max()
    else:
        assert [float(number) for number in seen[3:]] == [0.0, 0.0, 0.0, -math.inf]


@MANY
@given(samples, st.lists(st.integers(1, 59), max_size=5))
def test_pieces_merge_to_the_whole(values: list[float], cuts: list[int]) -> None:
    """However it is cut; also when a piece has nothing finite in it."""
    edges = [0, *sorted({cut for cut in cuts if cut < len(values)}), len(values)]
    pieces = [of(values[low:high]) for low, high in itertools.pairwise(edges)]
    merged, whole = pieces[0], of(values)
    for piece in pieces[1:]:
        merged = merge(merged, piece)
    size = np.abs(values, where=np.isfinite(values), out=np.zeros(len(values))).max()
    assert (*merged[:3], merged.largest) == (*whole[:3], whole.largest)
    assert merged.mean == pytest.approx(whole.mean, abs=1e-14 * size)
    assert merged.m2 == pytest.approx(whole.m2, abs=1e-13 * len(values) * size**2)
    assert merged.m3 == pytest.approx(whole.m3, abs=1e-13 * len(values) * size**3)


@MANY
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_merged_moments_are_exact(ours: list[float], theirs: list[float]) -> None:
    """Against the pooled sums of squares and cubes in rational numbers."""
    pooled = [Fraction(value) for value in (*ours, *theirs)]
    mean = sum(pooled) / len(pooled)
    merged = merge(of(ours), of(theirs))
    size = max(map(abs, (*ours, *theirs)))
    for seen, power in ((merged.m2, 2), (merged.m3, 3)):
        expected = float(sum(((value - mean) ** power for value in pooled), Fraction(0)))
        assert seen == pytest.approx(expected, abs=1e-12 * len(pooled) * size**power)


def test_moments_of_many_at_once() -> None:
    """Row by row, whether or not another row has something that is not finite."""
    x = np.random.default_rng(1).normal(size=(2, 3, 40))
    x[0, 1, 7], x[1, 2, :3] = math.inf, math.nan
    together = moments(x)
    for place in np.ndindex(2, 3):
        for seen, alone in zip(together, moments(x[place]), strict=True):
            assert seen[place] == pytest.approx(alone, rel=1e-14)


def test_far_from_zero() -> None:
    """Nothing cancels: at 1e9 a sum of squares minus the square of the sum would have no digit left."""
    x = 1e9 + np.random.default_rng(2).normal(size=1000)
    merged = merge(moments(x[:300]), moments(x[300:]))
    assert merged.m2 == pytest.approx(float(np.var(x - 1e9)) * 1000, rel=1e-6)
    assert merged.m3 == pytest.approx(float(stats.moment(x - 1e9, 3)) * 1000, rel=1e-5)


def test_near_the_largest_double() -> None:
    """A sum that overflows does not make the mean infinite."""
    seen = of([1.6e308, 1.2e308, 1.7e308])
    assert seen.mean == pytest.approx(1.5e308)
    assert seen.m2 == math.inf
    assert merge(seen, of([1.5e308])).mean == pytest.approx(1.5e308)
    assert of([1.6e308, 1.7e308, math.inf]).mean == pytest.approx(1.65e308)


@pytest.mark.parametrize("order", [1, -1])
def test_large_numbers_beside_nothing_finite(order: int) -> None:
    """No inf * 0 where the one part has a mean whose square overflows and the other has no finite sample."""
    seen = merge(*[of([math.inf, math.nan]), of([1e160, 1e160])][::order])
    assert [float(number) for number in seen] == [4, 2, 1, 1e160, 0.0, 0.0, 1e160]


# Intervals


def students(x: Array, confidence: float) -> tuple[float, float]:
    """The plain t interval."""
    low, high = stats.t.interval(confidence, len(x) - 1, loc=x.mean(), scale=stats.sem(x))
    return float(low), float(high)


def halls(x: Array, confidence: float) -> tuple[float, float]:
    """Where Hall's cubic of (mean - mu) / se is between the quantiles of Student's t, by search for mu."""
    k, half = float(stats.skew(x)) / math.sqrt(len(x)), float(stats.t.ppf(0.5 + confidence / 2, len(x) - 1))

    def end(quantile: float) -> float:
        t = optimize.brentq(lambda t: t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6 - quantile, -1e5, 1e5, xtol=1e-13)
        return float(x.mean() - stats.sem(x) * t)

    return end(half), end(-half)


CONFIDENCE = pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])


@CONFIDENCE
@pytest.mark.parametrize("n", [2, 3, 10, 1000])
def test_interval_is_halls(n: int, confidence: float) -> None:
    """Of skewed samples; it reaches further to the side of their long tail, and mirrors with them."""
    x = np.random.default_rng(n).exponential(size=n)
    seen, mirrored = estimate(moments(x), confidence), estimate(moments(-x), confidence)
    assert seen == pytest.approx((x.mean(), stats.sem(x), *halls(x, confidence)), rel=1e-9)
    assert [float(mirrored.low), float(mirrored.high)] == pytest.approx([-float(seen.high), -float(seen.low)], rel=1e-12)
    if n > 3:
        low, high = students(x, confidence)
        assert low < seen.low < seen.value < high < seen.high


@CONFIDENCE
@pytest.mark.parametrize("n", [2, 4, 10, 1000])
def test_interval_of_symmetric_samples_is_students(n: int, confidence: float) -> None:
    half = np.random.default_rng(n).normal(size=n // 2)
    x = 3.0 + np.concatenate([half, -half])
    seen = estimate(moments(x), confidence)
    assert seen == pytest.approx((x.mean(), stats.sem(x), *students(x, confidence)), rel=1e-12)


@pytest.mark.slow
@MANY
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=40), st.floats(0.5, 0.999))
def test_interval_of_anything(values: list[float], confidence: float) -> None:
    """Hall's whatever the samples, with the mean inside; and `lower_bound` is its lower end."""
    x = np.array(values)
    m = moments(x)
    assume(np.ptp(x) > 1e-3)
    seen, size = estimate(m, confidence), float(np.abs(x).max())
    low, high = halls(x, confidence)
    assert (seen.low, seen.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9 * size + 1e-5 * float(seen.se))
    assert seen.low <= seen.value <= seen.high
    assert lower_bound(m, 0.5 - confidence / 2) == pytest.approx(seen.low, rel=1e-12, abs=1e-12 * size)


@CONFIDENCE
@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e-110, 1.5e102, 1e110, 1e150])
def test_interval_where_cubes_leave_the_range(size: float, confidence: float) -> None:
    """Plain Student's where the skewness is unknown; never nan as long as the squares are finite."""
    x = np.array([1.0, 1.0, 2.0, 3.0, 9.0])
    m = merge(moments(size * x[:2]), moments(size * x[2:]))
    assert not 0 < abs(float(m.m3)) < math.inf
    seen, whole = estimate(m, confidence), estimate(moments(size * x), confidence)
    if size == 1e-300:  # nor are the squares there
        assert [float(end - seen.value) for end in (seen.low, seen.high)] == [0.0, 0.0]
        return
    expected = pytest.approx(students(x, confidence), rel=1e-9)
    assert (seen.low / size, seen.high / size) == expected
    assert (whole.low / size, whole.high / size) == expected


def test_interval_scales() -> None:
    """With the samples, as far as the cubes are in range; the skewness has no unit."""
    x = np.random.default_rng(4).exponential(size=50)
    unit = estimate(moments(x))
    for size in (1e-90, 1e-12, 1e12, 1e90):
        assert np.array(estimate(moments(size * x))) / size == pytest.approx(np.array(unit), rel=1e-9)


def test_intervals_of_many_at_once() -> None:
    """Row by row: skewed, symmetric, constant, not finite."""
    rows = np.array([[1.0, 2, 9, 1], [1, -1, 2, -2], [5, 5, 5, 5], [1, 2, 3, math.inf], [1, 2, 3, math.nan]])
    together = estimate(moments(rows))
    for k, row in enumerate(rows):
        alone = estimate(moments(row))
        assert [float(field[k]) for field in together] == pytest.approx([float(field) for field in alone], nan_ok=True)
    assert (together.low[2], together.high[2]) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("values", "value"),
    [
        ([2.0], 2.0),
        ([1.0, math.inf], math.inf),
        ([1.0, math.nan], math.nan),
        ([1.0, math.inf, math.nan], math.nan),
        ([math.inf, math.inf], math.inf),
    ],
)
def test_no_interval(values: list[float], value: float) -> None:
    """One sample has no error; a sample that is not finite makes the mean so, and is not dropped."""
    seen = estimate(of(values))
    assert seen.value == pytest.approx(value, nan_ok=True)
    assert all(np.isnan(field) for field in seen[1:])
    assert np.isnan(lower_bound(of(values), 0.05))


REPETITIONS = 20_000
NORMAL = np.random.default_rng(7).normal(3.0, 2.0, size=(REPETITIONS, 12))
SQUARES = np.random.default_rng(8).normal(size=(REPETITIONS, 100)) ** 2
"""Like squared errors: of mean 1 and skewness sqrt(8)."""


def test_interval_covers() -> None:
    """Few normal samples: within the binomial band around 95 %, which a right interval leaves for one seed in a million."""
    for n in (2, 3, 12):
        seen = estimate(moments(NORMAL[:, :n]))
        least, most = stats.binom.interval(1 - FALSE_ALARM, REPETITIONS, 0.95)
        assert least <= np.sum((seen.low <= 3.0) & (seen.high >= 3.0)) <= most, n


@pytest.mark.parametrize("n", [3, 12])
def test_normal_interval_does_not_cover(n: int) -> None:
    """Negative control: 1.96 standard errors are not enough for few samples."""
    seen = estimate(moments(NORMAL[:, :n]))
    least, _ = stats.binom.interval(1 - FALSE_ALARM, REPETITIONS, 0.95)
    assert np.sum(np.abs(seen.value - 3.0) <= 1.96 * seen.se) < least


def test_both_tails_keep_their_share() -> None:
    """Of skewed samples Hall's interval misses nearly as often on either side; plain Student's does not."""
    seen = estimate(moments(SQUARES))
    above, below = np.mean(seen.low > 1.0), np.mean(seen.high < 1.0)
    assert 0.017 < above < 0.033
    assert 0.017 < below < 0.037
    half = stats.t.ppf(0.975, 99) * seen.se
    assert np.mean(seen.value - half > 1.0) < 0.012
    assert np.mean(seen.value + half < 1.0) > 0.042
    assert np.mean(lower_bound(moments(SQUARES), 0.05) > 1.0) == pytest.approx(0.05, abs=0.012)


@MANY
@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=60), st.integers(0, 59))
def test_effective_number_is_kishs(values: list[float], cut: int) -> None:
    """Of the whole, and of two parts merged."""
    x = np.array(values)
    expected = pytest.approx(x.sum() ** 2 / (x**2).sum(), rel=1e-9)
    assert effective_number(moments(x)) == expected
    if 0 < cut < len(values):
        assert effective_number(merge(moments(x[:cut]), moments(x[cut:]))) == expected


@pytest.mark.parametrize(
    ("values", "carrying"),
    [
        ([1.0, 1.0, 1.0, 1.0], 4.0),
        ([0.0, 0.0, 5.0], 1.0),
        ([0.0, 0.0], 2.0),
        ([1.0, 1.0, math.inf], 2.0),
        ([math.nan], 0.0),
        ([1e200, 1e190], 1.0),
        ([1e-200, 1e-190], 1.0),
        ([1e308, 1e308, 1e308], 3.0),
    ],
)
def test_effective_number_of_few(values: list[float], carrying: float) -> None:
    """Also where the squares overflow or underflow."""
    assert effective_number(of(values)) == pytest.approx(carrying, rel=1e-9)


# Quantiles


def order_statistic(values: Array, level: float) -> float:
    """The smallest value with at least a share `level` of the values at or below it; nan is the largest."""
    rank = math.ceil(Fraction(str(level)) * len(values))
    return float(np.sort(values)[max(rank, 1) - 1])


@MANY
@given(st.integers(1, 5000), st.integers(0, 2**32 - 1))
def test_quantiles_are_order_statistics(paths: int, seed: int) -> None:
    fan = np.random.default_rng(seed).permutation(float(paths) + np.arange(paths))[None, None]
    seen = fan_quantiles(fan)
    assert seen.shape == (len(QUANTILE_LEVELS), 1, 1)
    assert seen.ravel().tolist() == [order_statistic(fan.ravel(), level) for level in QUANTILE_LEVELS]


def test_quantiles_are_numpys() -> None:
    fan = np.random.default_rng(3).normal(size=(5, 2, 333))
    expected = np.quantile(fan, QUANTILE_LEVELS, axis=2, method="inverted_cdf")
    assert np.array_equal(fan_quantiles(fan), expected)


def test_quantiles_of_what_is_not_finite() -> None:
    fan = np.array([[[math.nan, -math.inf, 1.0, math.inf, 2.0]]])
    expected = [-math.inf, -math.inf, 1.0, 2.0, math.inf, math.nan, math.nan]
    assert fan_quantiles(fan).ravel().tolist() == pytest.approx(expected, nan_ok=True)


# Tallies

FINITE: dict[str, Any] = {
    "paths": 300,
    "steps": 20,
    "objective": {"name": "quadratic", "dim": 2, "data": "uniform"},
    "optimizer": "adam",
    "learning_rate": 0.1,
    "xi": ["minimizer", "start", "path_mean", "last", 0.5, [0.25, -1.0]],
    "record": {"points": 7, "paths": 120},
}
CONSTANT_DATA = {"name": "quadratic", "data": {"name": "discrete", "values": [0.0], "probabilities": [1.0]}}
OVERFLOWING = FINITE | {
    "steps": 120,
    "objective": CONSTANT_DATA,
    "optimizer": "sgd",
    "learning_rate": 50.0,
    "start": {"name": "discrete", "values": [0.0, 1e-100, 1e80], "probabilities": [0.5, 0.25, 0.25]},
    "xi": ["minimizer", 0.5],
}
"""theta_n = (-99)^n theta_0: stays, goes far, or is infinite from step 115 on."""
WITHOUT_EPS = FINITE | {
    "objective": CONSTANT_DATA,
    "optimizer": {"name": "adam", "eps": 0},
    "start": {"name": "two_point", "low": 0.0, "high": 1.0},
    "xi": ["minimizer", 0.5],
}
"""0 / 0 at step 1 for the paths that start at the minimizer."""
BESIDE_AN_ORBIT = FINITE | {
    "steps": 200,
    "objective": "toint",
    "start": {"name": "two_point", "low": -1e-3, "high": 1e-3, "p_high": 0.5},
    "xi": ["start", 0.5],
}
"""Those that start behind are caught, the others escape."""
CONFIGS = {"finite": FINITE, "overflowing": OVERFLOWING, "without-eps": WITHOUT_EPS, "beside-an-orbit": BESIDE_AN_ORBIT}
each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def cell_of(folder: Path, config: dict[str, Any]) -> Cell:
    path = folder / "cell.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return make_ready(read_cell(path, [])).cell


def block_of(cell: Cell, first: int = 0, paths: int = 300) -> Block:
    return simulate(cell.program, Reference(cell.program), first, paths, np.zeros(1, dtype=np.uint8))


def added(cell: Cell, sizes: list[int]) -> Tally:
    """The tally of consecutive blocks of these sizes."""
    firsts = np.cumsum([0, *sizes[:-1]]).tolist()
    parts = [measure(cell, block_of(cell, first, paths), bound(cell)) for first, paths in zip(firsts, sizes, strict=True)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@np.errstate(all="ignore")
def within_rounding(seen: Array, expected: Array, whole: Tally, part: str, power: int) -> bool:
    """Of sums of so high powers, relative to what their terms can be, since odd ones cancel; or out of range, both."""
    if part == "trends":
        spread = np.abs(whole.trends.mean) + np.sqrt(np.diag(whole.trends.m2))
        size = spread if power == 1 else np.outer(spread, spread)
    else:
        m = getattr(whole, part)
        size = m.n * (np.abs(m.mean) + np.sqrt(m.m2)) ** power
    close = (seen == expected) | (np.abs(seen - expected) <= 1e-12 * size)
    return bool(np.all(close | ~np.isfinite(seen) & ~np.isfinite(expected)))


@pytest.mark.slow
@each_config
@pytest.mark.parametrize("sizes", [[256, 44], [100, 100, 100], [1, 299], [290, 10]], ids=str)
def test_blocks_add_up(config: dict[str, Any], sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the tally of one block: counts, outcomes, quantiles and kept paths equal, means to rounding."""
    monkeypatch.setattr(measured_block, "FATE_PATHS", 130)
    cell = replace(cell_of(tmp_path, config), fan_paths=130)
    total, whole = added(cell, sizes), measure(cell, block_of(cell), bound(cell))
    for name, seen in total.arrays().items():
        expected = whole.arrays()[name]
        power = ["mean", "m2", "m3"].index(name.rpartition("_")[2]) + 1 if name.endswith(("_mean", "_m2", "_m3")) else 0
        if power:
            assert within_rounding(seen, expected, whole, name.rpartition("_")[0], power), name
        elif name in ("floors_largest", "ends"):  # a mean over steps, which NumPy adds in another order for a path alone
            assert seen == pytest.approx(expected, rel=1e-12, nan_ok=True), name
        else:
            assert np.array_equal(seen, expected, equal_nan=True), name


@each_config
def test_round_trip(config: dict[str, Any], tmp_path: Path) -> None:
    """Through named arrays in a file and back: the same values and types, and still a tally that adds."""
    cell, buffer = cell_of(tmp_path, config), io.BytesIO()
    first, second = added(cell, [200]), measure(cell, block_of(cell, 200, 100), bound(cell))
    assert min(first.floors.n.size, first.trends.m2.size) > 0
    assert (first.fates is not None) == (config is BESIDE_AN_ORBIT)
    assert (first.violations is not None) == (config in (FINITE, WITHOUT_EPS))
    np.savez(buffer, **first.arrays())
    buffer.seek(0)
    with np.load(buffer) as file:
        restored = Tally.from_arrays(file)
    assert list(restored.parts) == list(first.parts) == [statistic.name for statistic in STATISTICS]
    for ours, theirs in ((restored, first), (restored + second, first + second)):
        for name, value in ours.arrays().items():
            assert value.dtype == theirs.arrays()[name].dtype
            assert value.tobytes() == theirs.arrays()[name].tobytes()
            assert value.shape == theirs.arrays()[name].shape


def test_errors_by_hand(tmp_path: Path) -> None:
    """The mean square distance to each xi, from the iterates and the definition of each."""
    cell = cell_of(tmp_path, FINITE)
    block = block_of(cell)
    seen = measure(cell, block)
    every_step = cell_of(tmp_path, FINITE | {"record": {"points": 20, "spacing": "linear"}})
    theta = block_of(every_step).theta
    targets = {
        "minimizer": np.zeros((2, 1)),
        "start": np.zeros((2, 1)),
        "path_mean": theta[10:].mean(axis=0),
        "last": theta[-1],
        "0.5": np.full((2, 1), 0.5),
        "(0.25 -1)": np.array([[0.25], [-1.0]]),
    }
    assert [xi.label for xi in cell.xi] == list(targets)
    for k, target in enumerate(targets.values()):
        errors = ((theta[cell.program.record - 1] - target) ** 2).sum(axis=1)
        assert seen.errors.mean[k] == pytest.approx(errors.mean(axis=1), rel=1e-12)
        assert seen.errors.m2[k] == pytest.approx(errors.var(axis=1) * 300, rel=1e-12)
        assert seen.errors.largest[k] == pytest.approx(errors.max(axis=1), rel=1e-12)


def test_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_block, "PAIRED_PATHS", 140)
    cell = replace(cell_of(tmp_path, FINITE), fan_paths=130)
    block = block_of(cell)
    seen = added(cell, [100, 200])
    assert np.array_equal(seen.fan.joined, block.theta[:, :, :130])
    assert seen.ends.joined.shape == (len(end_names(cell)), 140)
    assert end_names(cell)[: len(cell.xi)] == [f"mse: {xi.label}" for xi in cell.xi]
    assert seen.ends.joined[0] == pytest.approx((block.theta[-1, :, :140] ** 2).sum(axis=0), rel=1e-12), "from the minimizer, 0"
    assert np.array_equal(seen.kept.joined, np.moveaxis(block.theta[:, :, :120], 2, 0))
    assert seen.kept_outcome.joined.tolist() == [OUTCOMES.index("finite")] * 120
    assert seen.outcomes.tolist() == [300, 0, 0, 0, 0]
    assert seen.first_failure is None


def test_overflow_is_counted(tmp_path: Path) -> None:
    """Each path's outcome follows from its start, and from its failure on it is infinitely far away, never nan."""
    cell = cell_of(tmp_path, OVERFLOWING)
    start = block_of(cell).start[0]
    seen = added(cell, [256, 44])
    assert seen.outcomes.tolist() == [(start == 0).sum(), (start == 1e-100).sum(), 0, (start == 1e80).sum(), 0]
    assert min(seen.outcomes[[0, 1, 3]]) > 0
    assert seen.first_failure == (115, int(np.flatnonzero(start == 1e80)[0]))
    assert seen.kept_failure.joined.tolist() == np.where(start[:120] == 1e80, 115, 0).tolist()
    assert np.array_equal(np.array(OUTCOMES)[seen.kept_outcome.joined] == "overflow", start[:120] == 1e80)
    late = cell.program.record >= 115
    assert np.all(seen.errors.n == 300)
    assert np.all(seen.errors.n_nan == 0)
    assert np.all((300 - seen.errors.n_finite)[:, late] == (start == 1e80).sum())


def test_overflow_of_the_end(tmp_path: Path) -> None:
    """From where it ends, or from its mean, an overflowed path is infinitely far away at every step; again never nan."""
    cell = cell_of(tmp_path, OVERFLOWING | {"xi": ["last", "path_mean"]})
    block = block_of(cell)
    errors = measure(cell, block).errors
    assert np.all(errors.n_nan == 0)
    assert np.all(errors.n - errors.n_finite == len(block.failed))
    assert np.all(estimate(errors).value == math.inf)


def test_nan_is_counted(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, WITHOUT_EPS)
    start = block_of(cell).start[0]
    seen = added(cell, [256, 44])
    assert seen.outcomes.tolist() == [(start == 1).sum(), 0, 0, 0, (start == 0).sum()]
    assert min(seen.outcomes[[0, 4]]) > 0
    assert seen.first_failure == (1, int(np.flatnonzero(start == 0)[0]))
    assert np.all(seen.errors.n_nan == (start == 0).sum())
    assert np.all(np.isnan(estimate(seen.errors).value))


def test_escape_radius(tmp_path: Path) -> None:
    """Further from its start than the radius in some coordinate, at the end."""
    near = cell_of(tmp_path, FINITE | {"escape_radius": 0.3})
    block = block_of(near)
    far = np.abs(block.theta[-1] - block.start).max(axis=0) > 0.3
    assert 0 < far.sum() < 300
    assert measure(near, block).outcomes.tolist() == [300 - far.sum(), far.sum(), 0, 0, 0]
