"""Laws with heavy tails as plug-ins: nonconv explain docs/plugins/heavy_tails.py --test"""

import math
from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import DATA, Distribution, Doc, Interval, Lanes, Law, exp, log, select

Index = Annotated[float, Interval(gt=1, le=100), Doc("E|X|^k is finite for every k below this number")]


class PowerLaw(NamedTuple):
    """A symmetric law with tails like Student's: P(|X| > x) = x^-index for x >= 1."""

    index: Index


class Pareto(NamedTuple):
    """Pareto's law: P(X > x) = x^-index for x >= 1."""

    index: Index


class Laplace(NamedTuple):
    """Laplace's law with mean 0 and variance 1."""


class IndexConstants(NamedTuple):
    inverse: Lanes


class LaplaceConstants(NamedTuple):
    scale: Lanes


def moment(index: float, k: int) -> float:
    """E X^k of Pareto's law."""
    return index / (index - k) if k < index else math.inf


def tails(index: float, central: list[float]) -> dict[str, float]:
    """What Law holds of tails. central: the fourth and the eighth central moment."""
    fourth, eighth = central
    return {"fourth": fourth, "moments": index, "tail_share": fourth**2 / eighth if math.isfinite(eighth) else 0.0}


def power_law(h: PowerLaw, dim: int) -> Law:
    central = [moment(h.index, k) for k in (4, 8)]
    return Law.same(dim, 0.0, moment(h.index, 2), 0.0, -np.inf, np.inf, symmetric=True, **tails(h.index, central))


def pareto_law(h: Pareto, dim: int) -> Law:
    mean = moment(h.index, 1)

    def central(k: int) -> float:
        if k >= h.index:
            return math.inf
        return math.fsum(math.comb(k, i) * moment(h.index, i) * (-mean) ** (k - i) for i in range(k + 1))

    numbers = (mean, central(2), central(3), 1.0, np.inf)
    return Law.same(dim, *numbers, symmetric=False, **tails(h.index, [central(4), central(8)]))


def laplace_law(h: Laplace, dim: int) -> Law:
    # In units of its scale, E X^k = k! for even k.
    share = math.factorial(4) ** 2 / math.factorial(8)
    return Law.same(dim, 0.0, 1.0, 0.0, -np.inf, np.inf, symmetric=True, fourth=6.0, moments=np.inf, tail_share=share)


def prepare_index(h: PowerLaw | Pareto, dim: int) -> IndexConstants:
    return IndexConstants(np.full(dim, 1.0 / h.index))


def prepare_laplace(h: Laplace, dim: int) -> LaplaceConstants:
    return LaplaceConstants(np.full(dim, math.sqrt(0.5)))


def sample_pareto(k: IndexConstants, u: Lanes) -> Lanes:
    return exp(-k.inverse * log(1.0 - u))


def folded(u: Lanes) -> Lanes:
    """A number of (0, 1], by how far u is from the nearer of 0 and 1."""
    v = u + 2.0**-53
    return 2.0 * select(v < 0.5, v, 1.0 - v)


def sample_power_law(k: IndexConstants, u: Lanes) -> Lanes:
    magnitude = exp(-k.inverse * log(folded(u)))
    return select(u < 0.5, -magnitude, magnitude)


def sample_laplace(k: LaplaceConstants, u: Lanes) -> Lanes:
    magnitude = -k.scale * log(folded(u))
    return select(u < 0.5, -magnitude, magnitude)


DATA.register(
    Distribution(
        name="power_law",
        parameters=PowerLaw,
        paper="none",
        law=power_law,
        constants=IndexConstants,
        prepare=prepare_index,
        sample=sample_power_law,
    )
)
DATA.register(
    Distribution(
        name="pareto",
        parameters=Pareto,
        paper="Pareto (1896)",
        law=pareto_law,
        constants=IndexConstants,
        prepare=prepare_index,
        sample=sample_pareto,
    )
)
DATA.register(
    Distribution(
        name="laplace",
        parameters=Laplace,
        paper="Laplace (1774)",
        law=laplace_law,
        constants=LaplaceConstants,
        prepare=prepare_laplace,
        sample=sample_laplace,
    )
)
