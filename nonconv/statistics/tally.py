"""What is kept of the paths simulated so far: statistics of bounded size, which merge block by block.

A new statistic is one entry in the body of `Tally`: how its parts merge (statistics.parts), and how one is measured from
a block (statistics.measured_block). Merging, checkpoints and the typed access `tally.name` follow from that.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np

from nonconv.engine.blocks import Block
from nonconv.experiment.cell import Bound, Cell
from nonconv.numerics.moments import moments
from nonconv.statistics import measured_block, quantity_parts, states
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
    at_ends = Statistic(optional(COUNTS), measured_block.at_ends)
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
    states = Statistic(optional(first_paths(axis=0)), states.measured)

    risks = Statistic(optional(MOMENTS), measured_block.risks)
    training_losses = Statistic(optional(MOMENTS), measured_block.training_losses)
    courses = Statistic(optional(COMOMENTS), measured_block.courses)
    noises = Statistic(optional(MOMENTS), measured_block.noises)
    degraded = Statistic(optional(COUNTS), measured_block.degraded)
    group_floors = Statistic(optional(MOMENTS), measured_block.group_floors)
    group_trends = Statistic(optional(COMOMENTS), measured_block.group_trends)

    def __init__(self, parts: Mapping[str, Any], iterates: tuple[Mapping[str, Any], ...] = ()) -> None:
        """Take one part for each of STATISTICS, by its name; for each iterate besides the last, one for each of OF_ITERATES."""
        self.parts, self.iterates = parts, iterates

    @cached_property
    def views(self) -> "tuple[Tally, ...]":
        """The tally as seen by each iterate, the last one first: of the others errors, floors and the like are theirs."""
        return (self, *(Tally({**self.parts, **own}) for own in self.iterates))

    def __add__(self, other: "Tally") -> "Tally":
        """Return the tally of both, where the paths of `other` follow those of this one."""
        own = zip(self.iterates, other.iterates, strict=True)
        return Tally(_merge(STATISTICS, self.parts, other.parts), tuple(_merge(OF_ITERATES, a, b) for a, b in own))

    def arrays(self) -> dict[str, Any]:
        """Return all parts as named arrays, for a checkpoint; a part that is None has none."""
        found = _arrays(STATISTICS, self.parts)
        for k, own in enumerate(self.iterates):
            found |= {f"{_prefix(k)}{name}": array for name, array in _arrays(OF_ITERATES, own).items()}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Tally":
        """Restore a tally from what `arrays` returned. Raises KeyError where an array is missing that every tally has."""
        iterates: list[dict[str, Any]] = []
        while any(name.startswith(_prefix(len(iterates))) for name in arrays):
            prefix = _prefix(len(iterates))
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            iterates.append(_restore(OF_ITERATES, own))
        return cls(_restore(STATISTICS, arrays), tuple(iterates))


STATISTICS: tuple[Statistic[Any], ...] = tuple(entry for entry in vars(Tally).values() if isinstance(entry, Statistic))
"""All entries of a tally, in the order of its body."""
NAMES_OF_ITERATES = ("errors", "floors", "trends", "coordinates", "whole", "fan", "distances", "ends", "kept", "quantities")
OF_ITERATES: tuple[Statistic[Any], ...] = tuple(entry for entry in STATISTICS if entry.name in NAMES_OF_ITERATES)
"""Those that are measured of each iterate."""


def _prefix(iterate: int) -> str:
    """Return what the names of the arrays of an iterate begin with."""
    return f"iterate{iterate}_"


def _merge(statistics: Sequence[Statistic[Any]], a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Merge parts by name; those of b follow."""
    return {s.name: s.kind.merge(a[s.name], b[s.name]) for s in statistics}


def _arrays(statistics: Sequence[Statistic[Any]], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return parts as named arrays."""
    every = ((s, s.kind.arrays(parts[s.name])) for s in statistics)
    return {s.stored_name(field): array for s, arrays in every for field, array in arrays.items()}


def _restore(statistics: Sequence[Statistic[Any]], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts that these arrays are of."""
    stored = {s: {field: s.stored_name(field) for field in s.kind.fields} for s in statistics}
    own = {s: {field: arrays[name] for field, name in names.items() if name in arrays} for s, names in stored.items()}
    return {s.name: s.kind.restore(own[s]) for s in statistics}


def measure(cell: Cell, block: Block, bound: Bound | None = None, again: Again | None = None) -> Tally:
    """Measure the tally of one block.

    bound: the a priori interval, if one is known for the cell. again: simulates paths of the cell again; needed where it asks
    for quantities or states.
    """
    seen = MeasuredBlock(cell, block, bound, again)
    with np.errstate(all="ignore"):  # paths that leave the finite numbers are results too
        iterates = ({s.name: s.measure(own) for s in OF_ITERATES} for own in seen.iterates())
        return Tally({s.name: s.measure(seen) for s in STATISTICS}, tuple(iterates))
