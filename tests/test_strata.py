"""Where in its strata a path is looked at: every step alike, in an order that engines can follow, over whole periods."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.strata import TURN, mean_over_strata, place_edges
from nonconv.engine.plan import MOST_STRATA, PHASE_MASK, Span, turns
from nonconv.engine.strata import find_hits, path_phases
from nonconv.numerics.rng import key, uniforms

MANY = settings(max_examples=200, derandomize=True, deadline=None)

some_lengths = st.integers(1, 200) | st.integers(1, 3000)
some_periods = st.just(1) | st.integers(1, 400) | st.integers(1, 5000)
a_span = st.tuples(st.integers(1, 10**5), some_lengths, some_periods).map(lambda x: Span(x[0], x[0] + x[1], x[2]))


def every_place(span: Span) -> tuple[np.ndarray, np.ndarray]:
    """The steps of strata at all different places, (strata, places), and how many of the 2^32 places each stands for."""
    edges = place_edges(span)
    steps = np.empty((span.strata, len(edges)), dtype=np.int64)
    span.steps_at(np.repeat(edges[None], len(turns(span.strata)), axis=0), steps)
    return steps, np.diff(np.append(edges, np.uint64(TURN)).astype(np.int64))


# The region


@pytest.mark.parametrize(
    ("length", "period", "covered", "late"),
    [
        (1024, 1, 1024, 512),
        (1025, 1, 1024, 512),
        (1, 1, 1, 1),
        (1, 7, 1, 1),
        (2, 1, 2, 1),
        (1000, 128, 768, 384),
        (1000, 500, 1000, 500),
        (1000, 501, 501, 501),
        (1000, 1000, 1000, 1000),
        (1000, 1001, 1000, 500),
    ],
)
def test_region(length: int, period: int, covered: int, late: int) -> None:
    """Two halves of whole periods; else one period, all of it late; else, where none fits, as without a period."""
    span = Span(50, 50 + length, period)
    assert (span.covered, span.last - span.first_of(span.late.start) + 1) == (covered, late)
    assert span.first_of(0) == span.last - covered + 1


@MANY
@given(a_span)
def test_parts_of_the_region(span: Span) -> None:
    length = span.last - span.first
    late = span.late
    assert 1 <= span.covered <= length
    assert span.strata == min(MOST_STRATA, span.covered) // 2 * 2 or span.strata == span.covered == 1
    assert late.stop == span.strata
    if span.period <= length // 2:
        assert span.covered % (2 * span.period) == 0
        assert length - span.covered < 2 * span.period, "no more whole periods fit"
        assert late.start == span.strata // 2
        assert span.last - span.first_of(late.start) + 1 == span.covered // 2
    elif span.period <= length:
        assert (span.covered, late.start) == (span.period, 0)


# The steps of a path


@MANY
@given(a_span)
def test_every_step_is_equally_likely(span: Span) -> None:
    """Up to the grid of the uniforms: whether or not the strata are whole numbers of steps, and wherever they begin."""
    steps, weight = every_place(span)
    before_next = np.append(place_edges(span)[1:], np.uint64(TURN)) - np.uint64(1)
    ends = np.empty_like(steps)
    span.steps_at(np.repeat(before_next[None], len(turns(span.strata)), axis=0), ends)
    assert np.array_equal(steps, ends), "steps change between the places that are counted"
    assert steps.min() == span.first_of(0)
    assert steps.max() == span.last
    count = np.zeros(span.covered, dtype=np.int64)
    for row in steps:
        np.add.at(count, row - span.first_of(0), weight)
    # A step lies in two strata at most, and its share of each is rounded to the grid.
    assert np.abs(count * span.covered - span.strata * TURN).max() <= 2 * span.covered


@pytest.mark.parametrize("length", [1000, 520, 129, 64, 50])
def test_steps_at_equal_distances_are_not(length: int) -> None:
    """Negative control: with one place for all paths only `strata` steps are ever looked at."""
    span = Span(7, 7 + length)
    steps = span.looks(np.zeros(5, dtype=np.uint64))
    assert (len(np.unique(steps)) < span.covered) == (length > MOST_STRATA)


@MANY
@given(a_span, st.integers(0, 2**32 - 1))
def test_mean_over_paths_is_the_mean_over_all_steps(span: Span, seed: int) -> None:
    """Of any function of the step, over the region and over its last half."""
    values = np.random.default_rng(seed).normal(size=span.last + 1)
    assert mean_over_strata(span, values) == pytest.approx(values[span.first_of(0) :].mean(), abs=1e-6)
    late = span.first_of(span.late.start)
    assert mean_over_strata(span, values, span.late) == pytest.approx(values[late:].mean(), abs=1e-6)


@MANY
@given(a_span, st.integers(0, 2**31))
def test_steps_of_a_path(span: Span, seed: int) -> None:
    """One in each stratum; strata half the region apart have the same place; a short region is looked at whole."""
    steps, half = span.looks(path_phases(seed, 3, 40)), span.strata // 2
    begin = np.array([span.first_of(0) + k * span.covered / span.strata for k in range(span.strata + 1)])
    assert np.all(steps > begin[:-1, None] - 1)
    assert np.all(steps < begin[1:, None])
    assert np.all(np.diff(steps, axis=0) >= 0)
    if half:
        apart = set(np.unique(steps[half:] - steps[:half]).tolist())
        assert apart <= {span.covered // 2, ceil(span.covered / 2)}, "exact where the region has two halves of whole steps"
    if span.covered <= MOST_STRATA and span.covered % 2 == 0:
        assert np.array_equal(steps, np.repeat(np.arange(span.first_of(0), span.last + 1)[:, None], 40, axis=1))


def test_phases_of_one_path_spread_evenly() -> None:
    """No gap between the places in its strata is twice as large as it would be at equal distances."""
    places = np.sort((np.uint64(12345) + turns(MOST_STRATA)) & PHASE_MASK).astype(np.int64)
    gaps = np.diff(np.append(places, places[0] + TURN))
    assert gaps.max() < 2 * TURN / len(places)
    assert gaps.min() > 0.5 * TURN / len(places)


def test_phases_are_uniforms_of_seed_and_path() -> None:
    whole = path_phases(7, 0, 1000)
    assert np.array_equal(path_phases(7, 300, 20), whole[300:320])
    assert np.array_equal(whole / TURN, np.floor(uniforms(key(7, "strata"), 0, 1, 0, 1000)[0] * TURN) / TURN)
    assert not np.any(path_phases(8, 0, 1000) == whole)


def test_regions_of_more_steps_than_64_bits_multiply() -> None:
    """Beside whole numbers of any size."""
    span, phases = Span(10**12 // 2, 10**12), path_phases(1, 0, 7)
    for k, row in enumerate(span.looks(phases).tolist()):
        turn = int(turns(span.strata)[k % (span.strata // 2)])
        for phase, step in zip(phases.tolist(), row, strict=True):
            place = (phase + turn) % TURN
            assert step == span.first_of(0) + (k * TURN + place) * span.covered // (span.strata * TURN)


# The order for engines


@MANY
@given(a_span, st.integers(0, 50), st.integers(1, 60), st.integers(1, 70))
def test_hits(span: Span, first: int, paths: int, tile: int) -> None:
    """Tile after tile, each rising: every path once in each stratum, at its own step, whatever it shares a block with."""
    hits, looks = find_hits(4, first, paths, span, tile), span.looks(path_phases(4, 0, first + paths))
    assert len(hits.step) == span.strata * paths
    for at in range(0, paths, tile):
        number = min(tile, paths - at)
        own = slice(at * span.strata, (at + number) * span.strata)
        step, row, lane = (field[own] for field in hits)
        assert np.all(np.diff(step) >= 0)
        assert np.array_equal(row, np.repeat(np.arange(span.strata), number)), "so that the first strata can be left out"
        assert np.array_equal(np.sort(lane.reshape(-1, number), axis=1), np.tile(np.arange(at, at + number), (span.strata, 1)))
        assert np.array_equal(step, looks[row, first + lane])
