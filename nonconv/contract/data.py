"""The checks of data distributions: each takes the component and parameters h, and raises Broken."""

import math
from typing import Any

import numpy as np

from nonconv.components.definitions import Configured, Distribution, Law
from nonconv.contract.broken import Broken, Check, slow
from nonconv.contract.programs import LAYOUTS, SEED, engines_agree, make_program
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms

SAMPLES = 2**17
"""Samples per coordinate, and how many standard errors their moments may be off: by chance once in a million."""
STANDARD_ERRORS = 5.0
NEAR, BETWEEN, NEARER = 30, 40, 50
"""Powers of 1/2 at which the growth of rare values is measured; the uniforms' grid is 2^-52."""
LIGHT = 0.045
"""Below this growth, in doublings per power of 1/2, a tail is no power law; of one with 20 moments it is 0.05."""
MORE = 1.05
"""By what factor more moments may be stated than are measured."""


def dim_of(component: Any, h: Any) -> int:
    """Return the dimension to check with: the one that the parameters fix, or a small one."""
    return int(component.dim(h) or 2) if isinstance(component, Distribution) else int(getattr(h, "dim", 1))


def entry_of(component: Any, h: Any, dim: int, j: int) -> Any:
    """Return the constants of coordinate j, as the engine gives them to the component's functions."""
    return component.constants(*(field[j] for field in component.prepare(h, dim)))


def constants_fit(component: Any, h: Any) -> None:
    """Check that `prepare` returns its NamedTuple, each field with one entry per coordinate, of a type that kernels take."""
    dim = dim_of(component, h)
    constants = component.prepare(h, dim)
    if not isinstance(constants, component.constants):
        raise Broken(f"prepare returns {type(constants).__name__}, not {component.constants.__name__}", component.prepare)
    for name, field in zip(component.constants._fields, constants, strict=True):
        if np.shape(field)[:1] != (dim,):
            raise Broken(f"prepare: {name} has the shape {np.shape(field)} for {dim} coordinates", component.prepare)
        # uint64 for indices of tables; other types would give a kernel a second signature.
        if getattr(field, "dtype", None) not in (np.float64, np.uint64):
            raise Broken(f"prepare: {name} must be an array of floats", component.prepare)


def _law_fits(component: Distribution, h: Any) -> None:
    """Check that `law` has one entry per coordinate, in order, and a third moment of 0 where it is symmetric."""
    dim = dim_of(component, h)
    law = component.law(h, dim)
    if not isinstance(law, Law):
        raise Broken(f"law returns {type(law).__name__}, not Law", component.law)
    for name, moment in law.arrays().items():
        if np.shape(moment) != (dim,):
            raise Broken(f"law: {name} has the shape {np.shape(moment)} for {dim} coordinates", component.law)
    # A mean that does not exist is nan, and so is what is taken about it.
    if not np.all((law.low <= law.middle) & (law.middle <= law.high) & ~(law.variance < 0.0)):
        raise Broken("law: low <= mean <= high and variance >= 0 do not hold", component.law)
    if not law.has_mean and not law.moments <= 1.0:
        raise Broken("law: mean is nan, although moments says that the mean exists", component.law)
    if not law.has_mean and law.center is None:
        raise Broken("law: mean is nan; state center, the median, which distances are measured from", component.law)
    if law.symmetric and np.any(np.abs(law.third_central) > 1e-12 * law.variance**1.5):
        raise Broken("law: symmetric, but its third central moment is not 0", component.law)


def _tails_fit(component: Distribution, h: Any) -> None:
    """Check that what `law` states of its tails goes together, and with the values of the most extreme uniforms."""
    law = component.law(h, dim_of(component, h))
    if law.moments <= 0.0:
        raise Broken(f"law: moments is {law.moments:g}; it must be positive, or nan where it is not known", component.law)
    if law.tail_share is not None and np.any((law.tail_share < 0.0) | (law.tail_share > 1.0)):
        raise Broken("law: tail_share must be between 0 and 1", component.law)
    if law.fourth is not None and np.any(law.fourth < law.variance**2 * (1.0 - 1e-9)):
        raise Broken("law: fourth is below variance^2, which no law's is", component.law)
    if law.moments <= 4.0 and law.fourth is not None and np.any(np.isfinite(law.fourth)):
        raise Broken(f"law: fourth is finite, but moments of order {law.moments:g} and above are said not to be", component.law)
    if law.bounded:
        return
    for j in range(dim_of(component, h)):
        order = _measure_order(component, h, j)
        if law.finite_moments > MORE * order:
            says = f"law says that moments up to order {law.finite_moments:g} are finite"
            raise Broken(
                f"{says}; the values of extreme uniforms grow so fast that those above {order:.3g} are not", component.law
            )


def _measure_order(component: Distribution, h: Any, j: int) -> float:
    """Return up to which order moments of a coordinate are finite, by how its values grow where they are rarest.

    It is inf where they grow slower than any power. Where u is within 2^-k of 0, 1/2 or 1, a power law's values are as
    2^(k / order); those of light tails are as a power of k.
    """
    dim, distances = dim_of(component, h), np.array([2.0**-NEAR, 2.0**-BETWEEN, 2.0**-NEARER])
    entry = entry_of(component, h, dim, j)
    growths = []
    for place, side in ((0.0, 1.0), (0.5, -1.0), (0.5, 1.0), (1.0, -1.0)):
        # Of differences: where a law is put changes its values, and not how they grow.
        near, nearer = np.abs(np.diff(np.broadcast_to(component.sample(entry, place + side * distances), 3)))
        growths.append(math.log2(nearer / near) / (NEARER - BETWEEN) if 0.0 < near < nearer else 0.0)
    return math.inf if max(growths) < LIGHT else 1.0 / max(growths)


def _samples(component: Distribution, h: Any, j: int) -> Array:
    """Return SAMPLES samples of a coordinate, then those of the most extreme uniforms."""
    # The largest uniform, on the grid 2**-52.
    last = 1.0 - 2.0**-52
    extremes = np.array([0.0, 2.0**-52, 2.0**-51, 0.25, 0.5, 0.75, last - 2.0**-52, last])
    u = np.concatenate([uniforms(key(SEED, "data"), j, 1, 0, SAMPLES)[0], extremes])
    return np.broadcast_to(component.sample(entry_of(component, h, dim_of(component, h), j), u), u.shape)


@slow
def _samples_in_bounds(component: Distribution, h: Any) -> None:
    """Check that every sample is finite and within the law's bounds."""
    law = component.law(h, dim_of(component, h))
    for j in range(dim_of(component, h)):
        x = _samples(component, h, j)
        outside = ~((law.low[j] <= x) & (x <= law.high[j]) & np.isfinite(x))
        if outside.any():
            what = f"sample gives {x[outside][0]:.17g}, outside the law's bounds {law.low[j]:g} to {law.high[j]:g}"
            raise Broken(what, component.sample)


@slow
def _samples_have_moments(component: Distribution, h: Any) -> None:
    """Check mean, variance, third and fourth central moment of samples, within five standard errors.

    These are estimated from the sample, in units in which eighth powers are finite.
    """
    law = component.law(h, dim_of(component, h))
    for j in range(dim_of(component, h)):
        # Without the extreme uniforms, which are no random sample.
        x = _samples(component, h, j)[:SAMPLES]
        # A power of 2, so that scaling is exact.
        unit = 2.0 ** math.frexp(float(np.abs(x).max()))[1]
        x = x / unit
        mean, deviation = float(x.mean()), x - x.mean()
        m2, m3, m4, m5, m6, m8 = (float((deviation**k).mean()) for k in (2, 3, 4, 5, 6, 8))
        # Variances of the first sample moments, times the number of samples (delta method).
        spread = [m2, m4 - m2**2, m6 - m3**2 - 6.0 * m4 * m2 + 9.0 * m2**3, m8 - m4**2 - 8.0 * m5 * m3 + 16.0 * m2 * m3**2]
        stated = {name: law.arrays().get(name) for name in ("mean", "variance", "third_central", "fourth")}
        for k, ((name, known), seen, squared) in enumerate(zip(stated.items(), (mean, m2, m3, m4), spread, strict=True), 1):
            # Left out or infinite, or so that the standard error of a sample's would be infinite.
            if known is None or not math.isfinite(known[j]) or law.finite_moments <= 2 * k:
                continue
            rounding = 1e-12 * max(abs(mean), math.sqrt(m2)) ** k
            error = math.sqrt(max(squared, 0.0) / SAMPLES)
            if not abs(seen - known[j] / unit**k) <= STANDARD_ERRORS * error + rounding:
                found = f"{seen * unit**k:.6g} (standard error {error * unit**k:.2g})"
                raise Broken(f"law says {name} {known[j]:.6g}, {SAMPLES} samples have {found}", component.law)


def _atoms_fit(component: Distribution, h: Any) -> None:
    """Check that the values and probabilities of a finite law have the law's mean, variance and ends."""
    dim = dim_of(component, h)
    found = component.atoms(h, dim) if component.atoms else None
    if found is None:
        return
    values, probabilities = found
    if np.ndim(values) != 2 or np.shape(values)[1] not in (1, dim) or np.shape(probabilities) != np.shape(values)[:1]:
        shapes = f"{np.shape(values)} and {np.shape(probabilities)}"
        raise Broken(f"atoms have the shapes {shapes}; they must be (K, {dim}) or (K, 1), and (K,)", component.atoms)
    if not np.all(probabilities >= 0.0) or not abs(float(np.sum(probabilities)) - 1.0) <= 1e-9:
        raise Broken(f"atoms: probabilities sum to {float(np.sum(probabilities)):.9g}, not to 1", component.atoms)
    law = component.law(h, dim)
    away = values - law.mean
    for name, seen, stated in (
        ("mean", probabilities @ away, np.zeros(dim)),
        ("variance", probabilities @ away**2, law.variance),
        ("low", np.min(away, axis=0), law.low - law.mean),
        ("high", np.max(away, axis=0), law.high - law.mean),
    ):
        if not np.allclose(seen, stated, rtol=1e-9, atol=1e-9 * float(np.abs(away).max())):
            raise Broken(f"atoms do not have the law's {name}", component.atoms)


@slow
def _sample_compiles(component: Distribution, h: Any) -> None:
    """Check that both engines draw the same bits, in one and in several coordinates."""
    dims = {dim for dim, _ in LAYOUTS} if component.dim(h) is None else {component.dim(h)}
    for dim, batch in LAYOUTS:
        if dim in dims or len(dims) == 1:
            size = dim if component.dim(h) is None else dim_of(component, h)
            program = make_program(size, batch, data=Configured(component, h, component.prepare(h, size)))
            engines_agree(program, component, "sample")


OF_DATA: dict[str, Check] = {
    "constants have one entry per coordinate": constants_fit,
    "law has one entry per coordinate, in order": _law_fits,
    "compiled samples equal NumPy's": _sample_compiles,
    "law's tails go together": _tails_fit,
    "the values of a finite law have its moments": _atoms_fit,
    "samples stay within the law's bounds": _samples_in_bounds,
    "samples have the law's moments": _samples_have_moments,
}
