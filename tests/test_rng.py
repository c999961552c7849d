"""Philox against its published vectors and another package, and the uniforms as a function of their coordinates."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import randomgen
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray
from scipy import stats

from nonconv.engine.blocks import LANES
from nonconv.engine.draws import fill
from nonconv.engine.separable import DRAWS_AT_ONCE
from nonconv.engine.vectors import VECTOR
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import Key, key, philox4x32, to_unit, uniforms

FALSE_ALARM = 1e-6
"""Share of seeds with which a test of uniformity would fail although nothing is wrong."""

MANY = settings(max_examples=200, derandomize=True, deadline=None)


def words(text: str) -> list[np.uint64]:
    return [np.uint64(int(word, 16)) for word in text.split()]


class KnownAnswer(NamedTuple):
    """A line of Random123's kat_vectors for philox4x32, 10 rounds."""

    counter: str
    key: str
    output: str


KNOWN_ANSWERS = {
    "zeros": KnownAnswer("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    "ones": KnownAnswer("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    "pi": KnownAnswer("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
}


@pytest.mark.parametrize("known", KNOWN_ANSWERS.values(), ids=KNOWN_ANSWERS)
def test_known_answers(known: KnownAnswer) -> None:
    assert list(philox4x32(*words(known.counter), *words(known.key))) == words(known.output)


def test_known_answers_on_arrays() -> None:
    """All three at once give what each gives alone."""
    inputs = np.array([words(known.counter) + words(known.key) for known in KNOWN_ANSWERS.values()])
    outputs = np.array([words(known.output) for known in KNOWN_ANSWERS.values()])
    assert np.array_equal(np.array(philox4x32(*inputs.T)).T, outputs)


def randomgens_words(stream: Key, pair: int, replicate: int) -> NDArray[np.uint64]:
    """The same block by the package randomgen, whose generator counts up before it makes a block."""
    counter = (pair + (replicate << 64) - 1) % 2**128
    theirs = randomgen.Philox(counter=counter, key=int(stream.k0) + (int(stream.k1) << 32), number=4, width=32)
    return np.asarray(theirs.random_raw(4), dtype=np.uint64)


COORDINATES = [(0, 0), (1, 0), (0, 1), (2**32 - 1, 7), (2**32, 7), (2**33 + 5, 2**32), (123456789012, 2**40 + 3)]


@pytest.mark.parametrize(("pair", "replicate"), COORDINATES)
@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_uniforms_are_randomgens(seed: int, pair: int, replicate: int) -> None:
    """Draws 2 pair and 2 pair + 1 are the 52 leading bits of the block's two halves, also past 2**32."""
    stream = key(seed, "data")
    a, b, c, d = (int(word) for word in randomgens_words(stream, pair, replicate))
    expected = [((high << 32 | low) >> 12) * 2.0**-52 for high, low in ((a, b), (c, d))]
    assert uniforms(stream, 2 * pair, 2, replicate, 1)[:, 0].tolist() == expected


BIG = uniforms(key(5, "data"), 0, 67, 0, 19)


@pytest.mark.slow
@MANY
@given(st.integers(0, 66), st.integers(1, 67), st.integers(0, 18), st.integers(1, 19))
def test_any_range_is_a_slice(first: int, draws: int, replicate: int, replicates: int) -> None:
    draws, replicates = min(draws, 67 - first), min(replicates, 19 - replicate)
    part = uniforms(key(5, "data"), first, draws, replicate, replicates)
    assert np.array_equal(part, BIG[first : first + draws, replicate : replicate + replicates])


def test_on_the_grid_of_52_bits() -> None:
    u = uniforms(key(2, "data"), 1, 301, 3, 400)
    on_grid = u * 2.0**52
    assert u.min() >= 0.0
    assert u.max() < 1.0
    assert np.array_equal(on_grid, np.floor(on_grid))
    assert np.any(on_grid % 2 == 1), "the last bit is never used"


@pytest.mark.parametrize(("word", "number"), [(0, 0.0), (2**31, 0.5 + 2.0**-33), (2**32 - 1, 1.0 - 2.0**-52)])
def test_ends_of_the_grid(word: int, number: float) -> None:
    assert to_unit(np.uint64(word), np.uint64(word)) == number


def test_keys_differ() -> None:
    streams = {key(seed, purpose) for seed in [*range(1000), 2**63, 10**30] for purpose in ("data", "start", "other")}
    assert len(streams) == 3 * 1002


def test_key_and_numbers_stay_what_they_are() -> None:
    """Regression anchor: another key or another order of bits would silently change every result ever published."""
    assert key(1, "data") == Key(np.uint64(0x7260EE4D), np.uint64(0x805722EF))
    expected = [float.fromhex(text) for text in ("0x1.86d2c2dbeeda2p-1", "0x1.8d1c521c09c00p-6")]
    assert uniforms(key(1, "data"), 0, 2, 0, 1)[:, 0].tolist() == expected


def entry(u: Any, paths: Any, first_draw: Any, first_replicate: Any, k0: Any, k1: Any) -> None:
    """What kernels call has no entry for Python."""
    fill(u, paths, first_draw, first_replicate, k0, k1)


fill_from_python: Any = njit(entry)


@pytest.mark.compiles
@pytest.mark.parametrize("first_draw", [0, 2, 34, 2**33, 2**40 + 6])
@pytest.mark.parametrize(("first_replicate", "lanes"), [(0, LANES), (3, 5), (2**33 + 1, 8)])
def test_the_kernels_uniforms(first_draw: int, first_replicate: int, lanes: int) -> None:
    """What a kernel draws is `uniforms` bit for bit; columns after the last vector are left alone."""
    stream = key(11, "data")
    u = np.full((DRAWS_AT_ONCE, LANES), -1.0)
    fill_from_python(u, lanes, first_draw, first_replicate, stream.k0, stream.k1)
    assert np.array_equal(u[:, :lanes], uniforms(stream, first_draw, DRAWS_AT_ONCE, first_replicate, lanes))
    assert np.all(u[:, -(-lanes // VECTOR) * VECTOR :] == -1.0)


# Uniform and independent, as far as half a million numbers tell.


def looks_uniform(sample: Array, cells: int = 1024) -> bool:
    """Kolmogorov-Smirnov for the shape, chi-square on the cells for the detail; each at half the false-alarm rate."""
    counts = np.bincount((sample * cells).astype(int), minlength=cells)
    p_values = (stats.kstest(sample, "uniform", method="asymp").pvalue, stats.chisquare(counts).pvalue)
    return bool(min(p_values) > FALSE_ALARM / 2)


def look_independent(a: Array, b: Array, cells: int = 32) -> bool:
    """Chi-square on the pairs' cells; also when both are uniform but one knows the other, it fails."""
    pairs = (a * cells).astype(int) * cells + (b * cells).astype(int)
    return bool(stats.chisquare(np.bincount(pairs, minlength=cells * cells)).pvalue > FALSE_ALARM)


SAMPLE = uniforms(key(3, "data"), 0, 1024, 0, 512)


def test_uniform() -> None:
    """Fails for one seed in a million."""
    assert looks_uniform(SAMPLE.ravel())


def test_neighbours_are_independent() -> None:
    """Neighbouring draws, neighbouring replicates, two purposes, two seeds: fails for four seeds in a million."""
    assert look_independent(SAMPLE[:-1].ravel(), SAMPLE[1:].ravel())
    assert look_independent(SAMPLE[:, :-1].ravel(), SAMPLE[:, 1:].ravel())
    for other in (key(3, "start"), key(4, "data")):
        assert look_independent(SAMPLE.ravel(), uniforms(other, 0, 1024, 0, 512).ravel())


@pytest.mark.parametrize("power", [2.0, 1.02, 0.98])
def test_what_is_not_uniform_is_seen(power: float) -> None:
    """Negative control: squares, and powers that bend the law by half a percent."""
    assert not looks_uniform(SAMPLE.ravel() ** power)


def test_what_depends_is_seen() -> None:
    """Negative control: the same numbers twice, their mirror images, and a mixture with a twentieth of copies."""
    sample = SAMPLE.ravel()
    mixed = np.where(np.arange(sample.size) % 20 == 0, sample, np.roll(sample, 1))
    assert looks_uniform(mixed)
    assert not look_independent(sample, sample)
    assert not look_independent(sample, 1.0 - 2.0**-52 - sample)
    assert not look_independent(sample, mixed)
