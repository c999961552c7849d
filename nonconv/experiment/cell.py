"""A cell: one fully resolved experiment, bound to its numbers."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from nonconv.components import Chosen, Law, Limits
from nonconv.engine.program import Program
from nonconv.experiment.identity import identity, portable
from nonconv.faults.blame import Plugin
from nonconv.numerics.arithmetic import Array


class Stopping(NamedTuple):
    """From `least` paths on, enough of them when the relative standard error of a quantity is at most `target`."""

    least: int
    target: float
    of: str


class Xi(NamedTuple):
    """A candidate for the limit: its name in tables, and its point if it is not a random variable."""

    label: str
    point: Array | None


@dataclass(frozen=True, eq=False)
class Cell:
    """One experiment, ready to run. `resolved` is the config with every default filled in; `identity` its hash.

    paths: how many there are, or at most, if `stopping` may end it early. law: of the data; None if they are examples.
    files: what it was read from besides its config, by what that calls them. coordinates: which of each path are kept, and
    their names; all if there are none. swept: whether its config has a grid besides.
    """

    name: str
    resolved: dict[str, Any]
    identity: str
    program: Program
    paths: int
    stopping: Stopping | None
    law: Law | None
    minimizer: Array | None
    xi: tuple[Xi, ...]
    escape_radius: float
    recorded_paths: int
    fan_paths: int
    optimizer: Chosen
    learning_rate_limits: Limits
    batch_size_limits: Limits
    files: dict[str, Path]
    data_parameters: Any
    constant_batch: int | None
    coordinates: tuple[tuple[int, str], ...] = ()
    adam_zero_se: Array | float = 0.0
    plugins: tuple[Plugin, ...] = ()
    swept: bool = False

    @cached_property
    def lineage(self) -> str:
        """Names the experiment whatever the number of its paths: what was computed of it serves when there are to be more."""
        return identity({key: value for key, value in portable(self.resolved).items() if key != "paths"})

    @property
    def folder_name(self) -> str:
        return f"{self.name}-{self.identity[:8]}"

    @property
    def deterministic(self) -> bool:
        """Whether nothing is drawn, so that all paths are the same."""
        draws = self.program.draws_per_sample
        return draws == 0 and not isinstance(self.program.start, Chosen)

    @property
    def claim(self) -> str:
        return str(self.resolved["claim"])
