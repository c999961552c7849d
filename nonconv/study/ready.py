"""A cell made ready to run: what must be found out once before its first block, and what runs it.

This is what takes time and depends on no path: Toint's orbit, the zero of Adam's vector field, the a priori interval.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nonconv.engine.orbit import with_orbit
from nonconv.engine.program import Engine, Program
from nonconv.engine.whole import MOST_FOLLOWED
from nonconv.experiment.cell import Bound, Cell, Xi
from nonconv.faults.blame import Plugin
from nonconv.faults.errors import UsageError
from nonconv.theory.predictions import adam_zeros, bound


@dataclass(frozen=True, eq=False)
class Ready:
    """A cell whose orbit and whose zero of Adam's vector field are known, if it has them.

    bound: the interval that no path leaves, if one is known a priori (theory.predictions.bound).
    """

    cell: Cell
    bound: Bound | None

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """Whose code may be to blame when the cell fails."""
        return self.cell.plugins

    @property
    def program(self) -> Program:
        """What is simulated."""
        return self.cell.program

    @property
    def can_be_continued(self) -> bool:
        """Whether a run of more paths may begin with its blocks: it would follow no more of the first ones (engine.whole)."""
        return self.cell.deterministic or self.program.followed in (0, MOST_FOLLOWED)

    @cached_property
    def engine(self) -> Engine:
        """The compiled engine of the cell alone; its kernel is compiled, or loaded from disk, when first asked for."""
        return compiled(self.program)


def compiled(*programs: Program) -> Engine:
    """Return the compiled engine of a program, or of several that can be moved together (program.batch_key)."""
    from nonconv.engine.fused import Fused  # loads llvmlite, which commands that simulate nothing do without

    return Fused(*programs)


@np.errstate(all="ignore")  # what is not finite is looked at, whatever made it so
def make_ready(cell: Cell) -> Ready:
    """Find out what a cell needs before it runs. Raises UsageError where that cannot be found."""
    program = with_orbit(cell.program, compiled)
    known = bound(cell)
    if known is not None:
        # Only then: following the extremes of every path costs time in each step.
        program = replace(program, track_range=True)
    # Where nothing is random on the spans, each path shows what becomes of it.
    if program.plan.spans and math.isinf(cell.known_until(program.plan.spans[0].first)):
        program = replace(program, followed=min(MOST_FOLLOWED, cell.paths if not cell.deterministic else 1))
    found = replace(cell, program=program, xi=tuple(_find_point(cell, xi) for xi in cell.xi))
    return Ready(found.with_lineage(cell.lineage), known)


def _find_point(cell: Cell, xi: Xi) -> Xi:
    """Return the candidate, its point computed if it is the zero of Adam's vector field. Raises UsageError."""
    if xi.label != "adam_zero":
        return xi
    try:
        point, se = adam_zeros(cell)
    except ValueError as error:
        raise UsageError(f"xi: adam_zero: {error}") from None
    return xi._replace(point=point, se=se)
