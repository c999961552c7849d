"""Rules that shrink their own steps, or bound them."""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import ALWAYS, CONSTANT_SIZE, NEVER, OPTIMIZERS, Array, Doc, Interval, Lanes, Optimizer


class Annealed(NamedTuple):
    """SGD that shrinks its own steps: direction = (rest + (1 - rest) n^-exponent) g_n."""

    exponent: Annotated[float, Interval(gt=0, le=1), Doc("how fast directions shrink")] = 0.5
    rest: Annotated[float, Interval(ge=0, le=1), Doc("the factor of the gradient as n -> infinity")] = 0.0


class AnnealedStep(NamedTuple):
    """The factor of the gradient at a step."""

    factor: Lanes


class AnnealedState(NamedTuple):
    """A rule needs a state; this one is the last gradient."""

    last: Lanes


def factor(h: Annealed, n: Array) -> Array:
    return h.rest + (1.0 - h.rest) * np.power(n, -h.exponent)


def annealed(step: AnnealedStep, s: AnnealedState, g: Lanes) -> tuple[Lanes, AnnealedState]:
    return step.factor * g, AnnealedState(g)


class Clipped(NamedTuple):
    """SGD on gradients that are cut off at `bound`, coordinate by coordinate."""

    bound: Annotated[float, Interval(gt=0), Doc("the largest size of a direction")] = 1.0


class ClippedState(NamedTuple):
    """A rule needs a state; this one is the last gradient."""

    last: Lanes


def clipped(h: Clipped, s: ClippedState, g: Lanes) -> tuple[Lanes, ClippedState]:
    return np.maximum(np.minimum(g, h.bound), -h.bound), ClippedState(g)


OPTIMIZERS.register(
    Optimizer(
        name="annealed",
        parameters=Annealed,
        paper="none",
        state=AnnealedState,
        update=annealed,
        per_step=AnnealedStep,
        at_step=lambda h, n: AnnealedStep(factor(h, n)),
        relative_size=lambda h, n: factor(h, n) / h.rest if h.rest > 0.0 else factor(h, n),
        monotone=(),
        can_be_undefined=NEVER,
    )
)
OPTIMIZERS.register(
    Optimizer(
        name="clipped",
        parameters=Clipped,
        paper="Pascanu, Mikolov & Bengio (2013), by coordinate",
        state=ClippedState,
        update=clipped,
        relative_size=CONSTANT_SIZE,
        monotone=(),
        can_be_undefined=NEVER,
        bounded_direction=ALWAYS,
    )
)
