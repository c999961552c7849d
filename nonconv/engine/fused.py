"""The engine that moves paths with compiled kernels; it says who is to blame where a definition cannot be compiled."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Coupled
from nonconv.engine import separable
from nonconv.engine.program import Motion, Program
from nonconv.engine.reference import Reference
from nonconv.engine.strata import NO_HITS
from nonconv.faults.blame import PLUGIN_ERRORS, blame, blaming, is_foreign
from nonconv.numerics.arithmetic import Array

KERNEL_LOCK = threading.Lock()
"""Held while kernels are made: the first thread compiles, the others find what it made."""


class Fused:
    """Moves paths with the compiled kernel of the program's definitions; compiles, or loads from disk, when first used.

    Several programs with the same `program.batch_key` are moved at once, with the same random numbers.
    """

    def __init__(self, program: Program, *others: Program) -> None:
        """Bind the engine to a program, or to several with one `program.batch_key`."""
        objective = program.objective.component
        roles = ("add_gradient", "loss", "penalty") if isinstance(objective, Coupled) else ("gradient",)
        self._program, self._alone = program, not others
        self._compiled: dict[str, Callable[..., Any]] = {
            "update": program.optimizer.component.update,
            "sample": program.data.component.sample,
            **{role: getattr(objective, role) for role in roles},
        }
        with KERNEL_LOCK, blaming(**self._compiled):  # whichever thread asks first
            self._kernel = _kernel(program, *others)
        self.tile: int = self._kernel.tile

    def advance(self, motion: Motion) -> None:
        """Move the paths of a block in place. Raises PluginError if the definition of a plug-in cannot be compiled."""
        with blaming(**self._compiled):
            try:
                self._kernel.advance(motion)
            except PLUGIN_ERRORS:  # a compiler's errors are of many kinds; a plug-in's line says more than they do
                if self._alone and any(map(is_foreign, self._compiled.values())):
                    self._try_in_numpy(motion)
                raise

    def risks(self, theta: Array, stop: NDArray[np.uint8], examples: tuple[Array, Array] | None = None) -> Array:
        """Return mean loss and share of wrong classes on the held-out examples (Engine.risks), shape (2, R, paths)."""
        found: Array = self._kernel.risks(theta, stop, examples)
        return found

    def noises(self, theta: Array, stop: NDArray[np.uint8]) -> Array:
        """Return the mean gradient's square and the gradient's noise (Engine.noises), shape (2, R, paths)."""
        found: Array = self._kernel.noises(theta, stop)
        return found

    def _try_in_numpy(self, m: Motion) -> None:
        """Make one step of one path in NumPy, which says more plainly than a compiler what is wrong with a plug-in's line.

        Raises what NumPy raises at a plug-in's line; returns if it has nothing to say.
        """
        none = np.empty((0, 0))
        # Copies, since the motion's arrays belong to a block; two samples at most, since one shows the error as well.
        theta, state, batch = m.theta[:, :1].copy(), m.state[:, :, :1].copy(), np.minimum(m.batch_size[:1], 2)
        step = m._replace(theta=theta, state=state, batch_size=batch, marks=m.marks[:0], average=none, average_from=1)
        try:
            Reference(self._program).advance(step._replace(lowest=none, highest=none, hits=NO_HITS, sampled=none))
        except PLUGIN_ERRORS as error:
            if blame(error):
                raise


def _kernel(program: Program, *others: Program) -> Any:
    """Return the kernel of the program's kind: separable, or coupled for networks."""
    if program.learning is None:
        return separable.Kernel(program, *others)
    from nonconv.engine.coupled import Kernel  # what it imports takes time

    return Kernel(program, program.learning)
