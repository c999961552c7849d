"""What would decide an undecided run: numbers of steps and paths, rounded up, and enough."""

import math
from itertools import product

import pytest

from nonconv.experiment.structure import Reason, Structure
from nonconv.numerics.student import student
from nonconv.statistics import advice
from nonconv.statistics.decision import Seen, State
from nonconv.statistics.verdict import error_rate

PATHS, STEPS = 400, 4096
RATE = (Reason("rate", "the learning rate tends to 0"),)


def seen(state: State, slope: float, half: float) -> Seen:
    return Seen(state, 1024, 4096, slope, slope - half, slope + half)


def number(text: str) -> int:
    return int(text.split()[-2])


@pytest.mark.parametrize(("steps", "told"), [(9, 9), (256, 260), (4096, 4100), (32768, 33000), (100_001, 110_000)])
def test_steps_are_rounded_up_to_two_digits(steps: int, told: int) -> None:
    assert advice.take_steps(steps) == f"take at least {told} steps"


@pytest.mark.parametrize(("relaxation", "told"), [(math.nan, 33000), (10.0, 33000), (1000.0, 64000), (math.inf, 33000)])
def test_steps_are_enough_to_forget_the_start(relaxation: float, told: int) -> None:
    """Three doublings more, or 64 relaxation times, so that an eighth of the run has 8 of them."""
    assert advice.more_steps(Structure(relaxation=relaxation), STEPS) == f"take at least {told} steps"


@pytest.mark.parametrize(
    ("half", "wanted", "told"),
    [(0.1, 0.05, 3000), (0.1, 0.2, 800), (0.1, 0.0, 20000), (math.inf, 0.1, 800), (math.nan, 0.1, 800)],
)
def test_paths_by_the_square_of_the_width(half: float, wanted: float, told: int) -> None:
    """1.5 x 400 x (half / wanted)^2, at least twice as many as there are; a distance below 0.02 is not told from none."""
    assert advice.more_paths(PATHS, half, wanted) == f"take about {told} paths"


def deviate(paths: int) -> float:
    """Half the width of the eight intervals in standard errors."""
    return -student(paths - 1, error_rate(paths) / 16)


def test_paths_are_about_enough() -> None:
    """Although the level rises with their number: the new interval is at most a tenth wider than wanted."""
    for paths, ratio in product([50, 256, 4096, 10**5], [1.1, 1.5, 2.0, 4.0, 8.0]):
        told = number(advice.more_paths(paths, ratio * 0.1, 0.1))
        assert ratio * math.sqrt(paths / told) * deviate(told) / deviate(paths) <= 1.1


def falling(drive: float, fall_steps: int = 0) -> Structure:
    """Two doublings along which the drive falls by this much each."""
    return Structure(reasons=RATE, forbids=RATE, drive=(0.0, drive, 2.0 * drive), fall_steps=fall_steps)


@pytest.mark.parametrize(
    ("known", "slope", "half", "told"),
    [
        (falling(-0.01, fall_steps=10_000), -0.01, 0.1, "take at least 10000 steps"),
        (falling(0.0), 0.1, 0.2, "take at least 33000 steps"),
        (falling(0.0), -0.1, 0.2, "take about 3000 paths"),
        (falling(-0.5), -0.1, 0.2, "take about 800 paths"),
        (falling(-0.5), 0.0, 0.05, "take at least 33000 steps"),
        (falling(-0.05), -0.05, 0.2, "take about 10000 paths"),
        (falling(-math.inf), -0.5, 0.1, "take at least 33000 steps"),
    ],
)
def test_what_would_show_a_fall(known: Structure, slope: float, half: float, told: str) -> None:
    """Steps until the schedules fall, or where floors lag behind them; paths where an interval is too wide for their slope."""
    assert advice.for_a_fall(known, [seen("unclear", slope, half)], STEPS, PATHS, 0.2) == told


@pytest.mark.parametrize(
    ("floors", "told"),
    [
        ([seen("unclear", 0.0, 0.2)], "take about 3000 paths"),
        ([seen("unclear", 0.0, 0.2), seen("unclear", 0.0, 0.4)], "take about 10000 paths"),
        ([seen("unclear", -0.05, 0.2)], "take about 10000 paths"),
        ([seen("unclear", 0.0, 0.2), seen("falls", -0.3, 0.1)], "take at least 33000 steps"),
        ([seen("stands", 0.0, 0.05)], "take at least 33000 steps"),
        ([seen("unclear", 0.0, math.inf)], "take at least 33000 steps"),
    ],
)
def test_what_would_show_that_floors_stand(floors: list[Seen], told: str) -> None:
    """Paths until the widest interval clears the further border; steps where something still moves, or nothing is known."""
    assert advice.for_a_stand(Structure(), floors, 0.1, STEPS, PATHS) == told
