"""A cell: one fully resolved experiment, bound to its numbers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from nonconv.components.definitions import Chosen, Law, Limits
from nonconv.engine.program import Program
from nonconv.experiment.identity import identity, portable
from nonconv.faults.blame import Plugin
from nonconv.numerics.arithmetic import Array

Bound = Callable[[Array], tuple[Array, Array]]
"""An a priori interval: from start points (dim, paths) to the least and the largest iterates that there can be."""


class Stopping(NamedTuple):
    """From `least` paths on, enough of them when the relative standard error of a quantity is at most `target`."""

    least: int
    target: float
    of: str


class Xi(NamedTuple):
    """A candidate for the limit: its name in tables, its point if it is not a random variable, and that point's error.

    se: standard error per coordinate; 0 where the point is known exactly.
    """

    label: str
    point: Array | None
    se: Array | float = 0.0


class Scheduled(NamedTuple):
    """What is known in advance of a learning rate or a batch size.

    limits: liminf and limsup as n -> infinity. constant: its value, if that is declared to be the same at every step.
    warmup: steps of a warm-up.
    """

    limits: Limits
    constant: float | None
    warmup: int = 0


class Enclosure(NamedTuple):
    """A file that goes with a config: what the config calls it, its place in an output folder, and its content or path."""

    named: str
    place: str
    source: bytes | Path

    def content(self) -> bytes:
        """Raises OSError."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


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
    learning_rate: Scheduled
    batch_size: Scheduled
    files: dict[str, Path]
    coordinates: tuple[tuple[int, str], ...] = ()
    plugins: tuple[Plugin, ...] = ()
    swept: bool = False

    @cached_property
    def lineage(self) -> str:
        """Names the experiment whatever the number of its paths: what was computed of it serves when there are to be more."""
        return identity({key: value for key, value in self.portable.items() if key != "paths"})

    @cached_property
    def portable(self) -> dict[str, Any]:
        """The resolved config as it lies in an output folder (identity.portable)."""
        return portable(self.resolved)

    def enclosures(self) -> Iterator[Enclosure]:
        """Every file that the config names, data files first."""
        for named, file in self.files.items():
            yield Enclosure(named, f"data/{file.name}", file)
        for entry, plugin in zip(self.resolved.get("plugins", ()), self.plugins, strict=True):
            yield Enclosure(entry["file"], f"plugins/{plugin.path.name}", plugin.content)

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

    @property
    def expect(self) -> dict[str, Any]:
        """What the result is held against, as the config has it; empty if it says nothing."""
        return dict(self.resolved.get("expect", {}))
