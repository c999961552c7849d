"""Averages of gradients whose decay is a number or a schedule of the step: what an optimizer's table needs of them.

A decay beta is a number in [0, 1), or a `Chosen` component of the kind decay (nonconv.schedules.decay).
"""

import math
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

import numpy as np
from annotated_types import Interval

from nonconv.components.definitions import Chosen, Limits, OneOf
from nonconv.numerics.arithmetic import Array

Beta: TypeAlias = float | Chosen
"""A decay as parameters hold it."""
Decaying: TypeAlias = Annotated[Any, Interval(ge=0, lt=1), OneOf("decay")]
"""Annotation of a parameter that is a decay; the interval is that of a number."""

FORGOTTEN = 40.0
"""Where a product of decays is below exp(-FORGOTTEN), about 4e-18, 1 less it rounds to 1: computing it would only cost time."""
CHUNK, CHUNKS, MOST_CHUNKS = 8192, 128, 16384
"""Products are formed in chunks of so many steps, and in this many chunks; an integral gives those of later steps. What may
change from step to step, as a formula, has the larger number of chunks.
"""
KEPT = 32
"""Schedules whose products at the ends of chunks are kept."""
NODES = 64
"""Nodes of the integral."""


def is_number(beta: Beta) -> bool:
    """Return whether a decay is the same at every step."""
    return not isinstance(beta, Chosen)


def is_fixed(h: Any) -> bool:
    """Return whether no parameter of a rule is a schedule: what closed forms ask for."""
    return not any(isinstance(value, Chosen) for value in h)


def decay_at(beta: Beta, n: Array) -> Array:
    """Return the decay of steps n (steps,)."""
    if not isinstance(beta, Chosen):
        return np.full_like(n, beta)
    return np.asarray(beta.component.value(beta.parameters, n))


def averages_of(beta: Beta, n: Array) -> tuple[Array, Array]:
    """Return decay and weight of steps n, (steps,) each, of the average a_n = decay_n a_{n-1} + weight_n x_n."""
    decay = decay_at(beta, n)
    return decay, 1.0 - decay


def limits_of(beta: Beta) -> Limits:
    """Return liminf and limsup of a decay as n -> infinity."""
    if isinstance(beta, Chosen):
        limits: Limits = beta.component.limits(beta.parameters)
        return limits
    return Limits(beta, beta)


def lengthens(beta: Beta) -> bool:
    """Return whether averages with this decay may lengthen for ever: it tends to 1, or its limit is not known."""
    return not limits_of(beta).high < 1.0


def settled(beta: Beta) -> float | None:
    """Return what a decay tends to as n -> infinity; None if that is 1, or it oscillates, or is not known."""
    low, high = limits_of(beta)
    return high if low == high < 1.0 else None


def least(beta: Beta) -> float:
    """Return a number that no decay from step 2 on is below."""
    return float(beta.component.least(beta.parameters)) if isinstance(beta, Chosen) else beta


def most(beta: Beta) -> float:
    """Return a number that no decay exceeds."""
    return float(beta.component.most(beta.parameters)) if isinstance(beta, Chosen) else beta


def forgets_before(beta1: Beta, beta2: Beta) -> bool:
    """Return whether m of a large gradient vanishes before the root of v does, so that their quotient has a bound.

    By Cauchy and Schwarz it is bounded if beta1^2 < beta2 at all steps, and if no weight 1 - beta2 of a new square tends to 0.
    """
    return bool(most(beta2) < 1.0 and (most(beta1) == 0 or most(beta1) ** 2 < least(beta2)))


def remainder(beta: Beta, n: Array) -> Array:
    """Return the share of an average's start that is left after steps n (steps,): the product of all decays so far.

    Each entry depends on its own step alone, to the last bit. What is left of less than 1e-17 may be 0.
    """
    if not isinstance(beta, Chosen):
        return np.asarray(np.power(beta, n))
    found, most = np.zeros_like(n), _most_chunks(beta)
    chunks = np.minimum(np.floor((n - 1.0) / CHUNK), float(most)).astype(int)
    for number in np.unique(chunks).tolist():
        here = chunks == number
        if number < most:
            found[here] = _chunk(beta, number)[(n[here] - 1.0).astype(int) - number * CHUNK]
        else:
            found[here] = _late(beta, n[here])
    return np.asarray(found)


def _most_chunks(beta: Chosen) -> int:
    """Return how many chunks of products are formed step by step."""
    return MOST_CHUNKS if beta.component.tabulated else CHUNKS


def _chunk(beta: Chosen, number: int) -> Array:
    """Return the products up to each step of a chunk, (CHUNK,); 0 where nothing is left at its begin."""
    before = _left_before(beta, number)
    if before < math.exp(-FORGOTTEN):
        return np.zeros(CHUNK)
    values = decay_at(beta, number * CHUNK + np.arange(1.0, CHUNK + 1.0))
    values[0] *= before
    # Accumulated from step 1 on, whichever steps are asked for: the same bits for every slice.
    return np.asarray(np.multiply.accumulate(values))


@lru_cache(maxsize=KEPT)
def _ends(beta: Chosen) -> dict[int, float]:
    """Return the products before the chunks that were asked for so far, which `_left_before` adds to."""
    return {0: 1.0}


def _left_before(beta: Chosen, number: int) -> float:
    """Return the product of all decays before a chunk."""
    known, first = _ends(beta), number
    while first not in known:
        first -= 1
    for k in range(first, number):
        # By number and not in order, so that two threads write the same.
        known[k + 1] = float(_chunk(beta, k)[-1])
    return known[number]


def _late(beta: Chosen, n: Array) -> Array:
    """Return the products up to steps n (steps,) after all chunks: by a closed form, or continued by an integral."""
    if beta.component.log_product is not None:
        closed: Array = beta.component.log_product(beta.parameters, n)
        return np.exp(closed)
    before = _left_before(beta, _most_chunks(beta))
    if before < math.exp(-FORGOTTEN):
        return np.zeros_like(n)
    first = float(CHUNK * _most_chunks(beta))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    # Over the logarithm of the step, in which powers of it are smooth over many decades.
    half = 0.5 * np.log(n / first)[:, None]
    x = first * np.exp(half * (nodes + 1.0))
    logs = np.log(decay_at(beta, x.ravel())).reshape(x.shape)
    ends = 0.5 * (np.log(decay_at(beta, n)) - np.log(decay_at(beta, np.full_like(n, first))))  # Euler and Maclaurin
    logarithm: Array = (half * weights * x * logs).sum(axis=1) + ends
    return before * np.exp(logarithm)
