"""A cell made ready to run: what must be found out once before its first block, and what runs it."""

from dataclasses import dataclass, replace
from functools import cached_property

from nonconv.engine.orbit import with_orbit
from nonconv.engine.program import Engine, Program
from nonconv.experiment.cell import Bound, Cell, Xi
from nonconv.faults.errors import UsageError
from nonconv.theory.predictions import adam_zeros, bound


@dataclass(frozen=True, eq=False)
class Ready:
    """A cell whose orbit and whose zero of Adam's vector field are known, if it has them.

    bound: the interval that no path leaves, where one is known a priori (theory.predictions.bound).
    """

    cell: Cell
    bound: Bound | None

    @property
    def program(self) -> Program:
        return self.cell.program

    @cached_property
    def engine(self) -> Engine:
        """The compiled engine of the cell alone; its kernel is compiled, or loaded from disk, when first asked for."""
        return compiled(self.program)


def compiled(*programs: Program) -> Engine:
    """The compiled engine of a program, or of several that can be moved together (program.batch_key)."""
    from nonconv.engine.fused import Fused  # loads llvmlite, which commands that simulate nothing do without

    return Fused(*programs)


def make_ready(cell: Cell) -> Ready:
    """Find out what a cell needs before it runs. Raises UsageError where that cannot be found."""
    program = with_orbit(cell.program, compiled)
    known = bound(cell)
    if known is not None:
        program = replace(program, track_range=True)
    return Ready(replace(cell, program=program, xi=tuple(_located(cell, xi) for xi in cell.xi)), known)


def _located(cell: Cell, xi: Xi) -> Xi:
    """The candidate, its point computed if it is the zero of Adam's vector field."""
    if xi.label != "adam_zero":
        return xi
    try:
        point, se = adam_zeros(cell)
    except ValueError as error:
        raise UsageError(f"xi: adam_zero: {error}") from None
    return xi._replace(point=point, se=se)
