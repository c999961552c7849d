"""What a process is: a function of random numbers that returns a config, with the verdicts that are true of it.

Truth is convergence in mean square: is there a random variable xi with E|Theta_n - xi|^2 -> 0 as n -> infinity?
Rounding is not part of it: a process whose limit differs in exact and in floating-point arithmetic is left out.
"""

import math
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import yaml

from nonconv.data import DATA
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.study.ready import make_ready

Changes = dict[str, Any]
T = TypeVar("T")

STAYS = ("does_not_converge",)
GOES = ("converges",)
BLOWS_UP = ("diverges",)
UNBOUNDED = ("diverges", "does_not_converge")
"""E|Theta_n|^2 -> infinity, but |Theta_n| is slow or comes back: both statements are true."""
UNDEFINED = ("undefined",)

BASE: Changes = {
    "paths": 256,
    "steps": 4096,
    "objective": {"name": "quadratic", "data": {"name": "rademacher"}},
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "xi": ["minimizer"],
    "record": {"points": 12, "paths": 0, "fan": 0},
}
"""What a process changes."""
PLUGINS = Path(__file__).resolve().parent / "plugins"


class Data(NamedTuple):
    """A law as configs have it, with its mean and standard deviation."""

    config: Changes
    mean: float
    sd: float


def data(name: str, **parameters: Any) -> Data:
    """Return a law with its exact mean and standard deviation."""
    component = DATA[name]
    law = component.law(component.parameters(**parameters), 1)  # type: ignore[attr-defined]  # data of networks have none
    return Data({"name": name, **parameters}, float(law.mean[0]), math.sqrt(float(law.variance[0])))


def round3(x: float) -> float:
    """Return x to three digits, so that a config is easy to read."""
    return float(f"{x:.3g}")


class Draw:
    """The random numbers of one instance, rounded to three digits; steps: of the run, for times that are shares of it."""

    def __init__(self, rng: np.random.Generator, steps: int) -> None:
        self.rng, self.steps = rng, steps

    def uniform(self, low: float, high: float) -> float:
        """Return a number from [low, high]."""
        return round3(self.rng.uniform(low, high))

    def scale(self, low: float, high: float) -> float:
        """Return a number from [low, high] whose logarithm is uniform."""
        return round3(math.exp(self.rng.uniform(math.log(low), math.log(high))))

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *options: T) -> T:
        """Return one of the options."""
        return options[int(self.rng.integers(len(options)))]

    def share(self, low: float, high: float) -> int:
        """Return a step from low to high, given as shares of the run."""
        return max(1, round(self.steps * math.exp(self.rng.uniform(math.log(low), math.log(high)))))

    def bounded_data(self) -> Data:
        """Return a bounded law that is not constant, of a spread between 0.3 and 3."""
        size = self.scale(0.5, 3.0)
        makers: tuple[Callable[[], Data], ...] = (
            lambda: data("rademacher"),
            lambda: data("two_point", low=-size, high=size, p_high=self.uniform(0.15, 0.85)),
            lambda: data("uniform", low=-size, high=round3(1.5 * size)),
            lambda: data("truncated_normal", low=-2.0, high=2.0),
            lambda: data("log_uniform", low=0.1, high=4.0, sign=self.pick("both", "positive")),
            lambda: data("discrete", values=[-size, 0.0, round3(2.0 * size)], probabilities=[0.5, 0.25, 0.25]),
        )
        return self.pick(*makers)()

    def any_data(self) -> Data:
        """Return a law with a variance, bounded or normal."""
        if self.whole(0, 3):
            return self.bounded_data()
        return data("normal", mean=self.uniform(-1.0, 1.0), std=self.scale(0.3, 3.0))


@dataclass(frozen=True)
class Process:
    """A process with its truth.

    allowed: verdicts that are not wrong, besides undecided. why: a sketch of the proof. in_limit: whether schedule, batch
    and state are in their limit regime long before the run ends, so that the run should be decided.
    """

    family: str
    name: str
    allowed: tuple[str, ...]
    why: str
    in_limit: bool
    draw: Callable[[Draw], Changes]

    def config(self, seed: int, number: int, base: Changes = BASE) -> Changes:
        """Return the config of instance `number`: a function of these arguments and the process's name."""
        rng = np.random.default_rng([seed, number, zlib.crc32(f"{self.family}/{self.name}".encode())])
        seeded = {**base, "seed": int(rng.integers(2**31))}
        return {**seeded, **self.draw(Draw(rng, int(base["steps"])))}


@dataclass
class Family:
    """Processes with something in common; `process` adds one."""

    name: str
    processes: list[Process] = field(default_factory=list)

    def process(
        self, allowed: tuple[str, ...], why: str, in_limit: bool = False
    ) -> Callable[[Callable[[Draw], Changes]], Callable[[Draw], Changes]]:
        """Add the decorated function, whose name is the process's."""

        def add(draw: Callable[[Draw], Changes]) -> Callable[[Draw], Changes]:
            name = draw.__name__.replace("_", " ")
            self.processes.append(Process(self.name, name, allowed, why, in_limit, draw))
            return draw

        return add


def cell_of(config: Changes) -> Cell:
    """Read and prepare a config. Raises nonconv's errors where it is not one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "process.yaml"
        path.write_text(yaml.safe_dump(config))
        return make_ready(read_cell(path, [])).cell
