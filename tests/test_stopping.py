"""When there are paths enough: the rule as it is applied, against one that looks at every path's result."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kit.experiments import BLOCK, SGD, written
from nonconv.engine import blocks
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell, Stopping
from nonconv.numerics.moments import Moments
from nonconv.statistics.measured_block import end_names
from nonconv.statistics.stopping import LOOK_GROWTH, is_enough, looks, relative_error
from nonconv.statistics.tally import Tally
from nonconv.study.loop import measured
from nonconv.study.ready import make_ready

BLOCKS = 20
MOST = BLOCKS * BLOCK - 10
"""The last block is not whole."""
OF = {"mse": 0, "twin": 3, "window": 4, "cauchy": 5}
"""Where they stand among the numbers that each path ends with."""


@pytest.fixture(scope="module")
def tallies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cell, list[Tally]]]:
    """A cell, and what is known of it after each block."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "LARGEST_BLOCK", BLOCK)
        # Even odds, so that one block of paths has intervals: of rarer data it has none (test_intervals.py).
        data = {"name": "two_point", "low": -1.0, "high": 1.0, "p_high": 0.5}
        changes = {"paths": MOST, "objective": {"name": "quadratic", "data": data}}
        ready = make_ready(read_cell(written(tmp_path_factory.mktemp("in"), SGD | changes), []))
        cell, stop = ready.cell, np.zeros(1, dtype=np.uint8)
        found = [measured(ready, 0, stop)]
        while found[-1].paths < MOST:
            found.append(found[-1] + measured(ready, found[-1].paths, stop))
        assert len(found) == BLOCKS
        assert end_names(cell)[0] == "mse: minimizer"
        assert end_names(cell)[3:] == ["twin", "window", "cauchy"]
        yield cell, found


def first_enough(cell: Cell, tallies: list[Tally]) -> Tally:
    return next(tally for tally in tallies if is_enough(cell, tally))


def error_of(numbers: Any) -> float:
    """The relative standard error, from its definition."""
    return float(numbers.std(ddof=1) / math.sqrt(len(numbers)) / numbers.mean())


def looked_at(least: int) -> list[int]:
    """All numbers of paths from the least on, by whole blocks, each at least LOOK_GROWTH times the one before."""
    found: list[int] = []
    for paths in range(BLOCK, MOST + 1, BLOCK):
        if paths >= (found[-1] * LOOK_GROWTH if found else least):
            found.append(paths)
    return found


@pytest.mark.compiles
@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0.01, 0.6), st.integers(1, MOST), st.sampled_from(sorted(OF)))
@example(0.5, 1, "mse")
@example(0.01, 1, "mse")
@example(0.1, MOST, "twin")
def test_the_number_of_paths_is_the_first_look_at_which_the_target_is_reached(
    tallies: tuple[Cell, list[Tally]], target: float, least: int, of: str
) -> None:
    cell, every = tallies
    cell = replace(cell, stopping=Stopping(least, target, of))
    paths = first_enough(cell, every).paths
    numbers = every[-1].ends.joined[OF[of]]
    reached = [look for look in looked_at(least) if error_of(numbers[:look]) <= target]
    assert paths == (reached[0] if reached else MOST)
    assert min(least, MOST) <= paths <= MOST
    assert paths % BLOCK == 0 or paths == MOST


@pytest.mark.compiles
def test_a_smaller_target_never_needs_fewer_paths_and_some_need_more(tallies: tuple[Cell, list[Tally]]) -> None:
    cell, every = tallies
    for of in OF:
        targets = np.geomspace(0.6, 0.01, 40)
        counts = [first_enough(replace(cell, stopping=Stopping(1, target, of)), every).paths for target in targets]
        assert counts == sorted(counts)
        assert len(set(counts)) > 4
        assert (counts[0], counts[-1]) == (BLOCK, MOST)


@pytest.mark.compiles
def test_the_error_is_that_of_the_quantity_named(tallies: tuple[Cell, list[Tally]]) -> None:
    cell, every = tallies
    for of, row in OF.items():
        known = relative_error(cell, every[-1], Stopping(1, 0.1, of))
        assert known == pytest.approx(error_of(every[-1].ends.joined[row]), rel=1e-12)


@pytest.mark.parametrize("least", [1, 31, 32, 33, 200, 10_000])
@pytest.mark.parametrize("block", [1, 8, 32, 256])
def test_looks_are_whole_blocks_and_grow(least: int, block: int) -> None:
    found = list(looks(least, block, 10**6))
    assert found[0] - block < least <= found[0]
    assert all(paths % block == 0 for paths in found)
    for before, after in pairwise(found):
        assert after >= max(before * LOOK_GROWTH, before + block)
        assert after - block < max(before * LOOK_GROWTH, before + block)
    assert found[-1] <= 10**6 < found[-1] * LOOK_GROWTH + block


def with_ends(tally: Tally, **fields: float) -> Tally:
    """As if the final error had other moments."""
    copies: dict[str, Any] = {name: np.array(field) for name, field in tally.errors._asdict().items()}
    for name, value in fields.items():
        copies[name][0, -1] = value
    return Tally({**tally.parts, "errors": Moments(**copies)})


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("fields", "enough"),
    [
        ({}, False),
        ({"mean": 0.0, "m2": 0.0, "largest": 0.0}, True),
        ({"n_finite": BLOCK - 1}, True),
        ({"n_finite": BLOCK - 1, "n_nan": 1}, True),
        ({"m2": math.inf}, False),
        ({"m2": 0.0}, True),
    ],
    ids=["control", "zero", "overflow", "nan", "no variance is known", "no variance"],
)
def test_more_paths_are_taken_only_where_they_tell_more(
    tallies: tuple[Cell, list[Tally]], fields: dict[str, float], enough: bool
) -> None:
    cell, every = tallies
    cell = replace(cell, stopping=Stopping(1, 1e-9, "mse"))
    assert is_enough(cell, with_ends(every[0], **fields)) is enough
    assert not is_enough(replace(cell, stopping=None), with_ends(every[0], **fields)), "without a rule all paths are taken"
    assert is_enough(replace(cell, stopping=None, paths=BLOCK), every[0])
