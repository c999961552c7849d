"""A cell: one fully resolved experiment, bound to its numbers.

A run has one cell, a sweep has one per point of its grid. A cell holds what is simulated (`program`), how many paths,
what is measured against (`xi`), and what is recorded. It knows nothing of how it is executed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from nonconv.components.definitions import Chosen, Coupled, Dataset, Distribution, Known, Law, Limits
from nonconv.components.quantity import Asked
from nonconv.datasets.vector import all_rows
from nonconv.engine.deck import SHUFFLED
from nonconv.engine.program import Program
from nonconv.experiment.identity import folder_name, identity_and_lineage, portable
from nonconv.experiment.minima import Minima
from nonconv.faults.blame import Plugin
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms

LOOKED_AT = 64
"""Examples of a network that are looked at for the size of its labels."""
Bound = Callable[[Array], tuple[Array, Array]]
"""An a priori interval: from start points (dim, paths) to the least and the largest iterates that there can be."""


def known(objective: Coupled, data: Dataset, h: Any, law: Law | None) -> Known:
    """Return what is known of the examples of an objective, h being their parameters as loaded, and law that of a vector."""
    # Where numbers are one for each coordinate their mean is enough.
    rows = all_rows(data, h) if data.each and objective.numbers else data.training(h)
    return Known(law, rows, data.truth(h))


class Stopping(NamedTuple):
    """A rule for the number of paths: enough when the relative standard error of a quantity is at most `target`.

    least: paths there are in any case. of: mse (for the first xi), twin, window or cauchy.
    """

    least: int
    target: float
    of: str


class Xi(NamedTuple):
    """A candidate for the limit.

    label: its name in tables. point: shape (dim,); None for a random one, such as the last iterate of each path.
    se: standard error per coordinate; 0 where the point is known exactly.
    """

    label: str
    point: Array | None
    se: Array | float = 0.0


class Scheduled(NamedTuple):
    """What is known in advance of a learning rate or a batch size.

    limits: liminf and limsup as n -> infinity. constant: its value, if that is declared to be the same at every step.
    warmup: steps of a warm-up. summable: whether the sum over all steps is finite.
    """

    limits: Limits
    constant: float | None
    warmup: int = 0
    summable: bool = False


class Enclosure(NamedTuple):
    """A file that goes with a config into the output folder.

    named: what the config calls it. place: its path in the output folder. content: as it was read, which is what is hashed
    and simulated, whatever has become of the file since.
    """

    named: str
    place: str
    content: bytes


@dataclass(frozen=True, eq=False)
class Cell:
    """One experiment, ready to run.

    resolved: the config with every default filled in. model: the config as it was validated. identity: the hash of what
    decides its results. paths: how many there are, or at most, if `stopping` may end it early. law: of the data; None if they
    are examples. minima: the local ones of each coordinate, where something rests on them. escape_radius: paths that end
    further away escaped; None: as far away as the problem's own units say. recorded_paths, fan_paths: how many of the first
    paths are kept whole, and how many quantiles use. period: of learning rate and batch size together (schedules.find_period).
    files: the data files that it was read from, with their contents, by what the config calls them. coordinates: which of each
    path are kept, and their names; empty for all. swept: whether its config also has a grid. iterates: names of the iterates
    that are measured, the last one first. drift: liminf and limsup of what is added to data as n -> infinity; None if nothing
    is. quantities: what is measured besides |theta_n - xi|. best: a point at which the mean loss is least, where quantities
    may need one. states: what is kept of the optimizer on the paths that are kept, by name.
    """

    name: str
    resolved: dict[str, Any]
    model: BaseModel
    identity: str
    program: Program
    paths: int
    stopping: Stopping | None
    law: Law | None
    minimizer: Array | None
    minima: tuple[Minima, ...] | None
    xi: tuple[Xi, ...]
    escape_radius: float | None
    recorded_paths: int
    fan_paths: int
    learning_rate: Scheduled
    batch_size: Scheduled
    period: int
    files: dict[str, tuple[Path, bytes]]
    coordinates: tuple[tuple[int, str], ...] = ()
    plugins: tuple[Plugin, ...] = ()
    swept: bool = False
    iterates: tuple[str, ...] = ("last",)
    drift: Limits | None = None
    quantities: tuple[Asked, ...] = ()
    best: Array | None = None
    states: tuple[str, ...] = ()

    @cached_property
    def lineage(self) -> str:
        """The hash of the experiment without its number of paths.

        It names a cell's folder in a sweep: what was computed serves when more paths are wanted.
        """
        return identity_and_lineage(self.resolved, self.model)[1]

    def with_lineage(self, lineage: str) -> "Cell":
        """Return the cell, whose lineage is known already: it takes long to find where cells are many."""
        self.__dict__["lineage"] = lineage
        return self

    @cached_property
    def portable(self) -> dict[str, Any]:
        """The resolved config as it is in an output folder (identity.portable)."""
        return portable(self.resolved)

    def enclosures(self) -> Iterator[Enclosure]:
        """Yield every file that the config names, data files first."""
        for named, (file, content) in self.files.items():
            yield Enclosure(named, f"data/{file.name}", content)
        for entry, plugin in zip(self.resolved.get("plugins", ()), self.plugins, strict=True):
            yield Enclosure(entry["file"], f"plugins/{plugin.path.name}", plugin.content)

    @property
    def folder_name(self) -> str:
        """The default name of its output folder: `adam_const-1a2b3c4d`."""
        return folder_name(self.name, self.identity)

    @property
    def learns(self) -> bool:
        """Whether it learns from examples (x, y), as networks and linear models do; vectors of a data law have no x."""
        return self.program.learning is not None and self.program.data.component.each is None

    @property
    def looks_at_last(self) -> bool:
        """Whether what is known near the limit is taken from the last iterate of the first path: the minima are not known."""
        return self.program.learning is not None and self.law is None

    @cached_property
    def deterministic(self) -> bool:
        """Whether nothing is random, so that all paths are the same: neither the start nor a datum."""
        return self.noiseless and not self.starts_differ

    @cached_property
    def starts_differ(self) -> bool:
        """Whether paths start at different points: a law with one value gives one."""
        start = self.program.start
        if not isinstance(start, Chosen):
            return False
        law = start.component.law(start.parameters, self.program.dim) if isinstance(start.component, Distribution) else None
        return law is None or not law.constant

    @cached_property
    def noiseless(self) -> bool:
        """Whether no datum is random, so that a path's start determines all of it."""
        p = self.program
        drawn = p.draws_per_sample > 0 and p.supply.order != "cyclic" and not self._has_one_datum
        return not self._noisy and not drawn

    @cached_property
    def _has_one_datum(self) -> bool:
        """Whether the law of the data has one value only."""
        (data, h, _), learning = self.program.data, self.program.learning
        if self.law is not None or learning is None:
            return self.law is not None and self.law.constant
        return data.each is not None and bool(data.each.law(h, learning.shape.targets).constant)

    @cached_property
    def _noisy(self) -> bool:
        """Whether the gradient has noise that is random."""
        p = self.program
        return p.noise is not None and not p.noise.component.law(p.noise.parameters, p.dim).constant

    def known_until(self, step: int) -> float:
        """Return until which step nothing is random once all data up to `step` are known; inf if for ever.

        A batch that is held is known, and so is every pass but the first if all passes have one order. One row that is left of
        a pass comes next, and a batch of all that are left is theirs in any order, but for rounding.
        """
        p = self.program
        if self.noiseless:
            return math.inf
        if self._noisy:
            return step
        until = p.held_until(step) if step else step
        if p.supply.order not in SHUFFLED:
            return until
        drawn, rows = p.draws_up_to(step) // p.draws_per_sample, p.supply.rows
        left = rows - drawn % rows
        if p.supply.order == "once" and drawn + (left == 1) >= rows:
            return math.inf
        rest = int(p.batch_size(np.array([until + 1.0]))[0]) == left < rows
        return p.held_until(until + 1) if rest else until

    @cached_property
    def length(self) -> float:
        """The length of the data: half their range, or their standard deviation or spread; of examples the size of the labels.

        Where no minimizer is known, how far the data are from 0 counts too.
        """
        if self.law is None:
            learning = self.program.learning
            assert learning is not None
            x, y = np.empty((learning.shape.features, LOOKED_AT)), np.empty((learning.shape.targets, LOOKED_AT))
            u = uniforms(key(self.program.seed, "length"), 0, learning.draws, 0, LOOKED_AT)
            self.program.data.component.sample(self.program.data.constants, LOOKED_AT, u, x, y)
            return float(np.abs(y).max()) if np.isfinite(y).all() else 0.0
        with np.errstate(over="ignore"):
            half = (self.law.high - self.law.low) / 2.0
            lengths = np.where(np.isfinite(half), half, self.law.length)
        away = np.abs(self.law.middle) if self.minimizer is None else np.zeros(1)
        return float(np.max(np.concatenate([lengths, away]), where=np.isfinite(np.concatenate([lengths, away])), initial=0.0))

    @cached_property
    def known(self) -> Known:
        """What is known exactly of the examples of an objective that couples coordinates."""
        data, of_data, _ = self.program.data
        return known(self.program.objective.component, data, of_data, self.law)

    @property
    def claim(self) -> str:
        """What the experiment is to show; empty if the config says nothing."""
        return str(self.resolved["claim"])

    @property
    def expect(self) -> dict[str, Any]:
        """What `nonconv check` tests the result against, as in the config; empty if it says nothing."""
        return dict(self.resolved.get("expect", {}))
