"""Kernels of objectives that couple coordinates: a few paths at a time, all coordinates and examples of them together.

What an objective, a dataset and an optimizer do is compiled apart from the loops in `coupled_loops`, which call it.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.compile_ahead import compile_ahead
from nonconv.engine.coupled_pieces import (
    ROW,
    TABLE,
    WHOLE,
    activator,
    disturber,
    finisher,
    learner,
    own_iterate,
    sampler,
    stepper,
)
from nonconv.engine.deck import CODES, deal, to_restore
from nonconv.engine.kernel_files import source
from nonconv.engine.machine import Function, Part, flat, kinds_of
from nonconv.engine.object_files import Kinds
from nonconv.engine.program import Learning, Motion, Program
from nonconv.engine.room import LINE
from nonconv.engine.tiles import SHARE_OF_CACHE, TOGETHER, Tile, tile_of
from nonconv.numerics import rng
from nonconv.numerics.arithmetic import Array

LOOPS = "nonconv.engine.coupled_loops"
"""The module whose text is compiled as it is. Imported, it would bring numba with it."""
PAIRS_AT_ONCE = 16
"""Pairs of uniforms that are made side by side for one path."""


class Pieces(NamedTuple):
    """Addresses of what the loops call, and of the constants it works with."""

    sample: int
    sample_constants: int
    learn: int
    finish: int
    objective_constants: int
    step: int
    ends: int
    disturb: int
    noise_constants: int
    own: int


class Sizes(NamedTuple):
    """What the loops must know of shapes and of the parts of a step (program.Parts).

    order: its code (deck.CODES). drift, averages: columns of the timetable, -1 where there are none. streams: whether
    snapshots are written past the caches.
    """

    lanes: int
    group: int
    draws: int
    rows: int
    features: int
    targets: int
    work: int
    order: int
    hold: int
    drift: int
    averages: int
    streams: bool


CUBE, BLOCK, STEPS, WORDS, FLAGS, KEY = "<f8:3", "<f8:4", "<i8:1", "<i4:2", "|u1:1", "<u8"
GIVEN: Kinds = ((WHOLE,) * len(Pieces._fields), (WHOLE,) * len(Sizes._fields))
LOOP_KINDS: dict[str, Kinds] = {
    "risks": (CUBE, TABLE, TABLE, CUBE, FLAGS, *GIVEN, (TABLE, ROW, *[TABLE] * 5)),
    "noises": (CUBE, TABLE, TABLE, CUBE, FLAGS, *GIVEN, (*[TABLE, ROW] * 3, ROW, *[TABLE] * 3)),
    "advance": (
        *(TABLE, CUBE, CUBE, TABLE, TABLE, TABLE, TABLE, STEPS, STEPS, CUBE, BLOCK),
        *(STEPS, FLAGS, "<u2:1", CUBE, BLOCK, *[WHOLE] * 6, *[KEY] * 4, WHOLE, KEY, KEY, FLAGS, TABLE, *[WHOLE] * 3),
        *GIVEN,
        (*[TABLE, ROW] * 2, TABLE, TABLE, *[ROW] * 4, *[TABLE] * 5, WORDS, ROW, TABLE, ROW),
    ),
}
"""The kinds of arguments of the loops (object_files.Kinds), so that they can be compiled before they are called."""


class Held:
    """A tuple of numbers and arrays at an address, where `pieces.held` finds it as long as this object lives; and its kinds.

    It lies there as numba has it in memory: every number, and every entry of an array's record, takes eight bytes. In place
    of a function is the address of its machine code, once `link` has found it.
    """

    def __init__(self, constants: tuple[Any, ...]) -> None:
        """Write the constants to memory of this object. Kernels need their arrays contiguous."""
        self._functions = {k: activator(value) for k, value in enumerate(constants) if callable(value)}
        # Kept: the addresses of arrays are valid as long as these live.
        self._constants = tuple(0 if k in self._functions else _plain(value) for k, value in enumerate(constants))
        self.kinds = kinds_of(self._constants)
        self._room: NDArray[np.int64] = np.zeros(max(len(list(flat(self._constants))), 1), dtype=np.int64)
        self._write()
        self.address = int(self._room.ctypes.data)

    @property
    def parts(self) -> list[Part]:
        """The functions among the constants, as what is compiled."""
        return list(self._functions.values())

    def link(self) -> None:
        """Write where the machine code of the functions is."""
        self._constants = tuple(
            self._functions[k].address() if k in self._functions else c for k, c in enumerate(self._constants)
        )
        self._write()

    def _write(self) -> None:
        """Write the constants to memory."""
        for k, word in enumerate(flat(self._constants)):
            (self._room.view(np.float64) if isinstance(word, float) else self._room)[k] = word


def _plain(value: Any) -> Any:
    """Return a constant as a number of Python's, a tuple of these, or a contiguous array."""
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value) if value.ndim else value.item()
    return value.item() if isinstance(value, np.generic) else value


class Kernel:
    """The compiled loops with the pieces of a program; each is compiled, or loaded from disk, when it is first needed."""

    def __init__(self, program: Program, learning: Learning) -> None:
        """Put the constants at their addresses, and find the pieces."""
        tile, noise = tile_of(program), program.noise
        self.tile = tile.lanes
        # Kept by this object: the addresses are valid as long as it lives.
        constants = program.data.constants, program.objective.constants, noise.constants if noise else (), program.domain or ()
        self._held = [Held(own) for own in constants]
        self._pieces = _find_pieces(program, self._held, tile.lanes, examined=learning.held_out[0].size > 0)
        features, targets = learning.held_out
        self._held_out = np.ascontiguousarray(features), np.ascontiguousarray(targets)
        self._sizes = _sizes_of(program, learning, tile)
        # Held-out examples are looked at one by one, so paths fill the registers.
        self._examined = self._sizes._replace(lanes=TOGETHER.lanes, group=TOGETHER.examples)
        self._supply, self._dim_of_noise = program.supply, program.dim if noise else 0

    def advance(self, m: Motion) -> None:
        """Move the paths of a block in place (Engine.advance)."""
        z, supply = self._sizes, self._supply
        dim, largest = len(m.theta), int(m.batch_size.max())
        # No column more than is used: rows that are far apart would not fit into the first cache.
        z = z._replace(group=min(z.group, largest), streams=_streams(m, z.lanes))
        several = z.group * z.lanes
        size = dim * z.lanes
        weights, gradient = np.empty((dim, z.lanes)), np.empty((dim, z.lanes))
        # Uniforms that select the rows of a batch that is held, see `coupled_loops.advance`.
        dealt = largest * z.lanes if z.order and z.hold > 1 else 0
        # Scratch, since a kernel cannot allocate: weights and gradient, also flat; state, averages, and what is measured on
        # every step; uniforms, examples, room, deck.
        scratch = (
            *(weights, weights.reshape(-1), gradient, gradient.reshape(-1)),
            *(np.empty((len(planes), size)) for planes in (m.state, m.averages)),
            *(np.empty(size if plane.size else 0) for plane in (m.average, m.lowest, m.highest, m.least)),
            np.empty((z.draws + 1, several)),
            np.empty((2, PAIRS_AT_ONCE)),
            *(np.empty((number, several)) for number in (z.features, z.targets, z.work)),
            np.empty((z.rows, z.lanes), np.int32),
            np.empty(dealt),
            np.empty((self._dim_of_noise + 1, z.lanes)),
            np.empty(size),
        )
        again = to_restore(supply.order, supply.rows, 1, m.first_draw)
        loop("advance")(
            m.theta, m.state, m.averages, m.average, m.lowest, m.highest, m.coefficients, m.batch_size, m.marks, m.snapshots,
            m.seen_averages, *m.hits, m.sampled, m.sampled_averages, m.first_step, m.average_from,
            m.first_draw, again.start, again.stop, m.first_replicate, m.key.k0, m.key.k1, m.before.k0, m.before.k1, m.branched,
            m.noise_key.k0, m.noise_key.k1, m.stop,
            m.least, m.watched, m.due, m.every, tuple(self._pieces), tuple(z), scratch,
        )  # fmt: skip

    def risks(self, theta: Array, stop: NDArray[np.uint8], examples: tuple[Array, Array] | None = None) -> Array:
        """Return mean loss and share of wrong classes on examples (Engine.risks), shape (2, R, paths)."""
        z = self._examined
        rows, weights = (z.features, z.targets, 2, z.work), np.empty((theta.shape[1], z.lanes))
        scratch = (
            *(weights, weights.reshape(-1)),
            np.empty((2, z.lanes)),
            *(np.empty((n, z.group * z.lanes)) for n in rows),
        )
        return self._examine("risks", theta, stop, scratch, examples)

    def noises(self, theta: Array, stop: NDArray[np.uint8]) -> Array:
        """Return the mean gradient's square and the gradient's noise (Engine.noises), shape (2, R, paths)."""
        z = self._examined
        weights, gradient, mean = (np.empty((theta.shape[1], z.lanes)) for _ in range(3))
        scratch = (
            *(weights, weights.reshape(-1), gradient, gradient.reshape(-1), mean, mean.reshape(-1), np.empty(z.lanes)),
            *(np.empty((number, z.lanes)) for number in (z.features, z.targets, z.work)),
        )
        return self._examine("noises", theta, stop, scratch)

    def _examine(
        self,
        name: str,
        theta: Array,
        stop: NDArray[np.uint8],
        scratch: tuple[Array, ...],
        examples: tuple[Array, Array] | None = None,
    ) -> Array:
        """Call a compiled loop over examples, by default the held-out ones; theta (R, dim, paths), result (2, R, paths)."""
        out = np.empty((2, len(theta), theta.shape[2]))
        theta = np.ascontiguousarray(theta)
        loop(name)(theta, *(examples or self._held_out), out, stop, tuple(self._pieces), tuple(self._examined), scratch)
        return out


def _find_pieces(program: Program, held: list[Held], lanes: int, examined: bool) -> Pieces:
    """Return the pieces of a program; those that are not on disk are compiled, by two processes where that is worth it.

    held: the constants of data, objective and noise, and the ends of the domain. examined: there are held-out examples.
    """
    of_data, of_objective, of_noise, ends = held
    objective, rule, noise = program.objective.component, program.optimizer.component, program.noise
    kinds = ends.kinds, of_objective.kinds
    learn = learner(objective, of_objective.kinds, lanes)
    step = stepper(rule, objective, program.parts, kinds, lanes, finished=noise is not None)
    finish = finisher(objective, of_objective.kinds) if noise or examined else None
    disturb = disturber(noise.component, of_noise.kinds) if noise else None
    own = own_iterate(rule) if program.own else None
    sample = sampler(program.data.component, of_data.kinds)
    risks, noises, advance = (Part(loop(name), LOOP_KINDS[name]) for name in ("risks", "noises", "advance"))
    # In an order that keeps two processes busy until all is done.
    parts = [
        *(learn, step, *filter(None, (finish, disturb, own))),
        *([noises, risks] if examined else []),
        *(part for one in held for part in one.parts),
        *(sample, advance),
    ]
    compile_ahead(parts)
    for part in parts:
        part.address()
    for one in held:
        one.link()
    return Pieces(
        learn=learn.address(),
        step=step.address(),
        finish=finish.address() if finish else 0,
        disturb=disturb.address() if disturb else 0,
        own=own.address() if own else 0,
        sample=sample.address(),
        sample_constants=of_data.address,
        objective_constants=of_objective.address,
        noise_constants=of_noise.address,
        ends=ends.address,
    )


def _sizes_of(program: Program, learning: Learning, tile: Tile) -> Sizes:
    """Return what the loops must know of a program's shapes."""
    supply, columns, fields = program.supply, program.parts.columns, len(program.optimizer.component.per_step._fields)
    drift, averages = (fields + columns.index(name) if name in columns else -1 for name in ("drift", "keep0"))
    return Sizes(
        lanes=tile.lanes,
        group=tile.examples,
        draws=learning.draws,
        rows=supply.rows,
        features=learning.shape.features,
        targets=learning.shape.targets,
        work=learning.work,
        order=CODES[supply.order],
        hold=supply.hold,
        drift=drift,
        averages=averages,
        streams=False,
    )


def _streams(m: Motion, lanes: int) -> bool:
    """Return whether the snapshots are larger than the cache, and made of whole lines of it for all lanes."""
    whole = lanes == TOGETHER.lanes and m.theta.shape[1] % lanes == 0 and m.snapshots.ctypes.data % LINE == 0
    return whole and m.snapshots.nbytes > SHARE_OF_CACHE


@lru_cache
def loop(name: str) -> Function:
    """Return a function of `coupled_loops`."""
    return Function(name, source(LOOPS), rng.uniform_pair, deal)
