"""What is kept of the paths simulated so far: statistics of bounded size, which merge block by block.

A new statistic is one entry in the body of `Tally`: how its parts merge (statistics.parts), and how one is measured from
a block (statistics.measured_block). Merging, checkpoints and the typed access `tally.name` follow from that.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np

from nonconv.engine.blocks import Block
from nonconv.experiment.cell import Bound, Cell
from nonconv.numerics.moments import moments
from nonconv.statistics import measured_block, quantity_parts
from nonconv.statistics.comoments import comoments
from nonconv.statistics.measured_block import Again, MeasuredBlock
from nonconv.statistics.parts import COMOMENTS, COUNT, COUNTS, FIRST_FAILURE, MOMENTS, SUMS, WHOLE, Kind, first_paths, optional
from nonconv.statistics.quantity_parts import BY_QUANTITY

P = TypeVar("P")


class Statistic(Generic[P]):
    """One entry of a tally: how its parts merge, and how a part is measured from a block.

    It is a descriptor: `tally.errors` is the tally's part, `Tally.errors` the statistic itself.
    """

    def __init__(self, kind: Kind[P], measure: Callable[[MeasuredBlock], P]) -> None:
        """Take the kind of the parts and the function that measures one."""
        self.kind, self.measure = kind, measure
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the name that the entry has in the body of Tally."""
        self.name = name

    @overload
    def __get__(self, tally: None, owner: type) -> Self: ...

    @overload
    def __get__(self, tally: "Tally", owner: type) -> P: ...

    def __get__(self, tally: "Tally | None", owner: type) -> Self | P:
        if tally is None:
            return self
        part: P = tally.parts[self.name]
        return part

    def stored_name(self, field: str) -> str:
        """Return the name of a part's array among those of a tally."""
        return f"{self.name}_{field}" if field else self.name


class Tally:
    """What was measured of consecutive paths of a cell, the first ones as a rule. Size bounded whatever the number of paths.

    `a + b` is the tally of both, where the paths of b follow those of a.
    """

    paths = Statistic(COUNT, lambda seen: seen.paths)
    outcomes = Statistic(COUNTS, measured_block.outcome_counts)
    causes = Statistic(optional(COUNTS), measured_block.causes)
    first_failure = Statistic(optional(FIRST_FAILURE), measured_block.first_failure)
    violations = Statistic(optional(COUNT), measured_block.violations)

    errors = Statistic(MOMENTS, lambda seen: moments(seen.errors))
    floors = Statistic(MOMENTS, lambda seen: moments(seen.floors))
    trends = Statistic(COMOMENTS, lambda seen: comoments(seen.trends))

    coordinates = Statistic(optional(SUMS), measured_block.coordinates)
    whole = Statistic(optional(WHOLE), lambda seen: seen.block.whole)

    fan = Statistic(first_paths(axis=2), measured_block.fan)
    distances = Statistic(first_paths(axis=2), measured_block.distances)
    ends = Statistic(first_paths(axis=1), measured_block.ends)
    fates = Statistic(optional(first_paths(axis=1)), measured_block.fates)
    kept = Statistic(first_paths(axis=0), measured_block.kept)
    last_iterate = Statistic(first_paths(axis=0), measured_block.last_iterate)
    kept_outcome = Statistic(first_paths(axis=0), measured_block.kept_outcome)
    kept_failure = Statistic(first_paths(axis=0), measured_block.kept_failure)

    quantities = Statistic(BY_QUANTITY, quantity_parts.measured)

    risks = Statistic(optional(MOMENTS), measured_block.risks)
    training_losses = Statistic(optional(MOMENTS), measured_block.training_losses)
    courses = Statistic(optional(COMOMENTS), measured_block.courses)
    noises = Statistic(optional(MOMENTS), measured_block.noises)
    degraded = Statistic(optional(COUNTS), measured_block.degraded)
    group_floors = Statistic(optional(MOMENTS), measured_block.group_floors)
    group_trends = Statistic(optional(COMOMENTS), measured_block.group_trends)

    def __init__(self, parts: Mapping[str, Any]) -> None:
        """Take one part for each of STATISTICS, by its name."""
        self.parts = parts

    def __add__(self, other: "Tally") -> "Tally":
        """Return the tally of both, where the paths of `other` follow those of this one."""
        return Tally({s.name: s.kind.merge(self.parts[s.name], other.parts[s.name]) for s in STATISTICS})

    def arrays(self) -> dict[str, Any]:
        """Return all parts as named arrays, for a checkpoint; a part that is None has none."""
        every = ((s, s.kind.arrays(self.parts[s.name])) for s in STATISTICS)
        return {s.stored_name(field): array for s, arrays in every for field, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Tally":
        """Restore a tally from what `arrays` returned. Raises KeyError where an array is missing that every tally has."""
        stored = {s: {field: s.stored_name(field) for field in s.kind.fields} for s in STATISTICS}
        own = {s: {field: arrays[name] for field, name in names.items() if name in arrays} for s, names in stored.items()}
        return cls({s.name: s.kind.restore(own[s]) for s in STATISTICS})


STATISTICS: tuple[Statistic[Any], ...] = tuple(entry for entry in vars(Tally).values() if isinstance(entry, Statistic))
"""All entries of a tally, in the order of its body."""


def measure(cell: Cell, block: Block, bound: Bound | None = None, again: Again | None = None) -> Tally:
    """Measure the tally of one block.

    bound: the a priori interval, if one is known for the cell. again: simulates paths of the cell again; needed where it asks
    for quantities.
    """
    seen = MeasuredBlock(cell, block, bound, again)
    with np.errstate(all="ignore"):  # paths that leave the finite numbers are results too
        return Tally({statistic.name: statistic.measure(seen) for statistic in STATISTICS})
