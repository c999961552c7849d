"""The period of learning rate and batch size, found from their values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kit.linear import cell_of
from nonconv.components.definitions import Chosen, Limits, Schedule
from nonconv.experiment import schedules
from nonconv.experiment.schedules import AHEAD, find_period
from nonconv.numerics.arithmetic import Array


class Nothing(NamedTuple):
    """No parameters."""


def schedule(value: Callable[[Array], Any], low: float = 0.0, high: float = 1.0) -> Chosen:
    made = Schedule(name="mine", parameters=Nothing, paper="", value=lambda _, n: value(n), limits=lambda _: Limits(low, high))
    return Chosen(made, Nothing())


def wave(period: int) -> Chosen:
    """A triangle that rises faster than it falls."""
    return schedule(lambda n: np.interp(np.mod(n, period), [0.0, period / 3.0, period], [0.1, 1.0, 0.1]))


def square(period: int) -> Chosen:
    return schedule(lambda n: np.where(np.mod(n - 1.0, period) < period // 2, 1.0, 0.5))


ONE = schedule(np.ones_like, 1.0, 1.0)
RESTARTS = schedule(lambda n: 0.05 * (1.0 + np.cos(np.pi * np.mod(n - 1.0, 500.0) / 500.0)))
ROUNDED = schedule(lambda n: 0.5 * (1.0 + np.cos(2.0 * np.pi * n / 60.0)))
"""Computed from n itself, so that values one period apart differ by rounding, by most of the value where it is nearly 0."""
SPIKES = schedule(lambda n: np.where(np.mod(n, 10_007) == 5.0, 1.0, 0.5 + 0.1 * np.mod(n, 2.0)))
DOUBLING = schedule(lambda n: 0.5 + 0.5 * np.mod(np.floor(np.log2(n)), 2.0))


@pytest.mark.parametrize(
    ("rate", "batch", "steps", "period"),
    [
        (ONE, ONE, 1000, 1),
        (schedule(lambda n: 1.0 / n, 0.0, 0.0), ONE, 1000, 1),
        (schedule(lambda n: n, np.inf, np.inf), ONE, 1000, 1),
        (wave(7), ONE, 1000, 7),
        (wave(500), ONE, 1000, 500),
        (wave(501), ONE, 1000, 501),
        (wave(4000), ONE, 1000, 4000),
        (wave(4001), ONE, 1000, 0),
        (wave(128), ONE, 3_000_000, 128),
        (square(2000), ONE, 100_000, 2000),
        (square(2), ONE, 10, 2),
        (RESTARTS, ONE, 20_000, 500),
        (RESTARTS, ONE, 125, 500),
        (RESTARTS, ONE, 124, 0),
        (ROUNDED, ONE, 100_000, 60),
        (SPIKES, ONE, 1_000_000, 20_014),
        (ONE, wave(12), 1000, 12),
        (wave(6), wave(4), 1000, 12),
        (wave(6), schedule(lambda n: n, np.inf, np.inf), 1000, 0),
        (DOUBLING, ONE, 100_000, 0),
        (DOUBLING, ONE, 65_535, 0),
        (wave(2), ONE, 1, 2),
    ],
)
def test_period(rate: Chosen, batch: Chosen, steps: int, period: int) -> None:
    """1 of what does not oscillate; 0 of what does so without a period, or with one that is longer than four runs."""
    assert find_period([rate, batch], steps) == period


def test_period_is_that_of_every_pair_of_values() -> None:
    """Of waves of any length: the least shift under which the later half of AHEAD runs is what came before."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        length, steps = int(rng.integers(1, 40)), int(rng.integers(1, 15))
        cycle = rng.integers(1, 4, size=length).astype(float)
        rate = schedule(lambda n, cycle=cycle: cycle[n.astype(int) % len(cycle)])  # type: ignore[misc]
        seen = AHEAD * steps
        values = cycle[np.arange(1, seen + 1) % length]
        late = np.arange(seen // 2, seen)
        shifts = [p for p in range(1, seen // 2 + 1) if np.array_equal(values[late], values[late - p])]
        expected = min(shifts, default=0)
        assert find_period([rate, ONE], steps) == (0 if expected == 1 else expected)


def test_only_an_oscillation_is_evaluated() -> None:
    """A long run at a rate that converges costs nothing."""

    def refuse(_: Array) -> Array:
        raise AssertionError

    assert find_period([schedule(refuse, 0.5, 0.5), schedule(refuse, 1.0, 1.0)], 10**9) == 1


def test_no_more_steps_than_a_million_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "MOST_SEEN", 100)
    assert find_period([wave(50), ONE], 10**9) == 50
    assert find_period([wave(51), ONE], 10**9) == 0


def test_a_schedule_that_returns_no_array_of_floats() -> None:
    with pytest.raises(ValueError, match="an array of floats of the shape of n"):
        find_period([schedule(lambda n: n[:-1]), ONE], 10)


@pytest.mark.parametrize(
    ("rate", "period"),
    [
        (0.1, 1),
        ({"name": "power", "value": 0.1}, 1),
        ({"name": "cyclic", "low": 0.1, "high": 0.1, "period": 9}, 1),
        ({"name": "cyclic", "low": 0.1, "high": 0.2, "period": 9}, 9),
        ({"name": "cyclic", "low": 0.1, "high": 0.2, "period": 9, "warmup": 70}, 9),
        ({"name": "cyclic", "low": 0.1, "high": 0.2, "period": 900}, 0),
    ],
)
def test_period_of_a_config(rate: Any, period: int, tmp_path: Path) -> None:
    """The cell has it, and the spans; without one they are as for a constant rate. A warm-up ends, so it changes nothing."""
    objective = {"name": "quadratic", "data": "rademacher"}
    config = {"objective": objective, "optimizer": "sgd", "steps": 100, "paths": 8}
    cell = cell_of(tmp_path, config | {"learning_rate": rate})
    assert cell.period == period
    assert [span.period for span in cell.program.plan.spans] == [max(period, 1)] * 3
