"""Schedules that come back: cosines with restarts, a fading wave, alternating batches."""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import BATCH_SIZES, LEARNING_RATES, Array, Doc, Interval, Limits, Schedule

Rate = Annotated[float, Interval(gt=0)]


class Restarts(NamedTuple):
    """Half a cosine from high to low, again and again: Loshchilov & Hutter (2017) with restarts."""

    high: Annotated[Rate, Doc("the rate at the start of a cycle")]
    period: Annotated[int, Interval(ge=2), Doc("steps of a cycle")]
    low: Annotated[float, Interval(ge=0), Doc("the rate that a cycle falls to")] = 0.0


def restarts(h: Restarts, n: Array) -> Array:
    share = np.mod(n - 1.0, h.period) / h.period
    return h.low + (h.high - h.low) * 0.5 * (1.0 + np.cos(np.pi * share))


def restart_limits(h: Restarts) -> Limits:
    return Limits(float(restarts(h, np.array([float(h.period)]))[0]), h.high)


class DoublingRestarts(NamedTuple):
    """Half a cosine from high to 0 over `period` steps, then over twice as many, and so on."""

    high: Annotated[Rate, Doc("the rate at the start of a cycle")]
    period: Annotated[int, Interval(ge=2), Doc("steps of the first cycle")]


def doubling_restarts(h: DoublingRestarts, n: Array) -> Array:
    # Cycle k covers period (2^k - 1) <= n - 1 < period (2^(k+1) - 1).
    cycle = np.floor(np.log2((n - 1.0) / h.period + 1.0))
    share = ((n - 1.0) / h.period + 1.0) / 2.0**cycle - 1.0
    return h.high * 0.5 * (1.0 + np.cos(np.pi * share))


class FadingWave(NamedTuple):
    """A wave around a power of the step: value n^-exponent (1 + sin(2 pi n / period) / 2)."""

    value: Annotated[Rate, Doc("the learning rate")]
    exponent: Annotated[float, Interval(gt=0), Doc("how fast it vanishes")]
    period: Annotated[int, Interval(ge=2), Doc("steps of a wave")]


def fading_wave(h: FadingWave, n: Array) -> Array:
    return h.value * np.power(n, -h.exponent) * (1.0 + 0.5 * np.sin(2.0 * np.pi * n / h.period))


class Alternating(NamedTuple):
    """Two batch sizes in turn, each for half a period."""

    small: Annotated[int, Interval(ge=1, le=10**6), Doc("the smaller size")]
    large: Annotated[int, Interval(ge=1, le=10**6), Doc("the larger size")]
    period: Annotated[int, Interval(ge=2), Doc("steps of both together")]


def alternating(h: Alternating, n: Array) -> Array:
    return np.where(np.mod(n - 1.0, h.period) < h.period / 2, float(h.small), float(h.large))


class GrowingInTurn(NamedTuple):
    """Batches of one for half a period, then batches that grow as n^exponent for the other half."""

    exponent: Annotated[float, Interval(gt=0, le=1), Doc("how fast the larger ones grow")]
    period: Annotated[int, Interval(ge=2), Doc("steps of both together")]


def growing_in_turn(h: GrowingInTurn, n: Array) -> Array:
    return np.where(np.mod(n - 1.0, h.period) < h.period / 2, 1.0, np.minimum(np.ceil(np.power(n, h.exponent)), 2.0**31 - 1.0))


LEARNING_RATES.register(
    Schedule(name="restarts", parameters=Restarts, paper="arXiv:1608.03983", value=restarts, limits=restart_limits)
)
LEARNING_RATES.register(
    Schedule(
        name="doubling_restarts",
        parameters=DoublingRestarts,
        paper="arXiv:1608.03983, T_mult = 2",
        value=doubling_restarts,
        limits=lambda h: Limits(0.0, h.high),
    )
)
LEARNING_RATES.register(
    Schedule(name="fading_wave", parameters=FadingWave, paper="none", value=fading_wave, limits=lambda h: Limits(0.0, 0.0))
)
BATCH_SIZES.register(
    Schedule(
        name="alternating",
        parameters=Alternating,
        paper="none",
        value=alternating,
        limits=lambda h: Limits(min(h.small, h.large), max(h.small, h.large)),
    )
)
BATCH_SIZES.register(
    Schedule(
        name="growing_in_turn",
        parameters=GrowingInTurn,
        paper="none",
        value=growing_in_turn,
        limits=lambda h: Limits(1.0, np.inf),
    )
)
