"""The reference engine where the program uses the compiled one: the same bits, and nothing to compile."""

from typing import Any

import pytest
from numpy.typing import NDArray

from nonconv.engine import fused
from nonconv.engine.program import Motion, Program
from nonconv.engine.reference import Reference
from nonconv.numerics.arithmetic import Array


class ReferenceOfMany:
    """Stands in for engine.fused.Fused: moves each program with an engine of its own, all with the same random numbers."""

    tile = Reference.tile

    def __init__(self, *programs: Program) -> None:
        self.engines = [Reference(program) for program in programs]

    def advance(self, m: Motion) -> None:
        """Move the paths of a block."""
        number = len(self.engines)
        dim, columns = len(m.theta) // number, m.coefficients.shape[1] // number
        for k, engine in enumerate(self.engines):
            own, its_columns = slice(k * dim, (k + 1) * dim), slice(k * columns, (k + 1) * columns)
            engine.advance(
                m._replace(
                    theta=m.theta[own],
                    state=m.state[:, own],
                    averages=m.averages[:, own],
                    average=m.average[own],
                    lowest=m.lowest[own],
                    highest=m.highest[own],
                    coefficients=m.coefficients[:, its_columns],
                    snapshots=m.snapshots[:, own],
                    seen_averages=m.seen_averages[:, :, own],
                    sampled=m.sampled[:, own],
                    sampled_averages=m.sampled_averages[:, :, own],
                    least=m.least[own],
                )
            )

    def risks(self, theta: Array, stop: NDArray[Any], examples: Any = None) -> Array:
        """engine.program.Engine.risks, of a single program."""
        (engine,) = self.engines
        return engine.risks(theta, stop, examples)

    def noises(self, theta: Array, stop: NDArray[Any]) -> Array:
        """engine.program.Engine.noises, of a single program."""
        (engine,) = self.engines
        return engine.noises(theta, stop)


def use_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports the compiled engine when it is needed gets the reference engine."""
    monkeypatch.setattr(fused, "Fused", ReferenceOfMany)
