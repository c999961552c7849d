"""The checks of learning rates, batch sizes and decays: each takes the component and parameters h, and raises Broken."""

import math
from typing import Any

import numpy as np

from nonconv.components.definitions import Chosen, Decay, Limits, Schedule
from nonconv.contract.broken import Broken, Check, slow
from nonconv.contract.programs import depends_on_step_alone
from nonconv.optimizers.averages import remainder

FAR = (1e6, 1e9, 1e12, 1e15)
"""Steps around which a schedule is compared with its limits."""


def _values_fit(component: Schedule, h: Any) -> None:
    """Check that `value` is one finite number per step, not negative, and not 0 everywhere."""
    n = np.concatenate([np.arange(1.0, 1001.0), 10.0 ** np.arange(4, 16)])
    values = component.value(h, n.copy())
    if np.shape(values) != n.shape:
        raise Broken(f"value has the shape {np.shape(values)}, n has {n.shape}", component.value)
    if not np.all(np.isfinite(values) & (values >= 0.0)):
        bad = ~(np.isfinite(values) & (values >= 0.0))
        raise Broken(f"value is {values[bad][0]:g} at step {n[bad][0]:g}; it must be finite and not negative", component.value)
    if not np.any(values > 0.0):
        raise Broken("value is 0 at every step", component.value)


def _value_is_elementwise(component: Schedule, h: Any) -> None:
    """Check that `value` does not depend on which steps are evaluated together."""
    depends_on_step_alone(lambda n: component.value(h, n), component.value)


def _sizes_are_whole(component: Schedule, h: Any) -> None:
    """Check that batch sizes are whole numbers from 1 to 2**31 - 1."""
    n = np.concatenate([np.arange(1.0, 1001.0), 10.0 ** np.arange(4, 16)])
    sizes = np.asarray(component.value(h, n))
    bad = ~((sizes >= 1.0) & (sizes < 2.0**31) & (sizes == np.floor(sizes)))
    if bad.any():
        what = f"the size is {sizes[bad][0]:g} at step {n[bad][0]:g}; it must be a whole number from 1 to 2147483647"
        raise Broken(what, component.value)


@slow
def _limits_hold(component: Schedule, h: Any) -> None:
    """Check that values around steps 1e6 to 1e15 are within the limits, or approach them; later steps cannot be tested."""
    limits = component.limits(h)
    if isinstance(limits, Limits) and not limits.known:
        return
    if not isinstance(limits, Limits) or not limits.low <= limits.high:
        raise Broken(f"limits returns {limits}; it must be Limits(low, high) with low <= high", component.limits)
    # 5040 consecutive steps, so that a cycle of up to that length is seen whole.
    seen = [component.value(h, n + np.arange(5040.0)) for n in FAR]
    if math.isinf(limits.high):
        if not seen[-1].max() > seen[0].max() and not seen[-1].max() >= 2**31 - 1:
            raise Broken(f"limits says it grows without bound; around 1e15 it is {seen[-1].max():g}", component.limits)
        return
    gaps = [max(float((limits.low - x).max()), float((x - limits.high).max()), 0.0) for x in seen]
    close = 1e-6 * max(float(np.abs(seen[0]).max()), abs(limits.high))
    if gaps[-1] > close and not gaps[-1] <= 0.9 * gaps[0]:
        found = f"{seen[-1].min():g} to {seen[-1].max():g}"
        raise Broken(f"limits says {limits.low:g} to {limits.high:g}, but around step 1e15 it is {found}", component.limits)


def _decays_are_shares(component: Decay, h: Any) -> None:
    """Check that decays are below 1, and that `least` and `most` hold."""
    n = np.concatenate([np.arange(1.0, 5001.0), 10.0 ** np.arange(4, 16)])
    values, low, high = np.asarray(component.value(h, n)), component.least(h), component.most(h)
    # A decay that tends to 1 is 1 once what it lacks is below a rounding.
    if np.any(values > 1.0) or np.any(values[:5000] >= 1.0):
        raise Broken(f"value is {values.max():g} at step {n[values.argmax()]:g}; a decay must be below 1", component.value)
    if np.any(values[1:] < low):
        found = f"the decay of step {n[1:][values[1:].argmin()]:g} is {values[1:].min():g}"
        raise Broken(f"least is {low:g}, but {found}", component.least)
    if np.any(values > high):
        raise Broken(f"most is {high:g}, but the decay of step {n[values.argmax()]:g} is {values.max():g}", component.most)


def _starts_are_forgotten(component: Decay, h: Any) -> None:
    """Check that the product of decays tends to 0, and that `log_product` is its logarithm where there is one."""
    product = np.multiply.accumulate(np.asarray(component.value(h, np.arange(1.0, 5001.0))))
    if component.log_product is not None:
        closed = np.exp(np.asarray(component.log_product(h, np.arange(1.0, 5001.0))))
        if not np.allclose(closed, product, rtol=1e-9, atol=1e-300):
            raise Broken("log_product is not the logarithm of the product of all decays up to a step", component.log_product)
    late = remainder(Chosen(component, h), np.array([1e3, 1e6, 1e12, 1e15]))
    if not late[-1] <= 0.9 * late[0] and late[0] > 0.0:
        what = f"after 1e15 steps an average still has {late[-1]:.3g} of its start, after 1000 {late[0]:.3g}"
        raise Broken(f"{what}: decays tend to 1 too fast", component.value)


OF_SCHEDULES: dict[str, Check] = {
    "value returns one finite number >= 0 per step": _values_fit,
    "value depends on the step alone": _value_is_elementwise,
    "values approach the limits": _limits_hold,
}
OF_DECAYS: dict[str, Check] = {
    **OF_SCHEDULES,
    "decays are at least 0 and below 1": _decays_are_shares,
    "averages forget their start": _starts_are_forgotten,
}
OF_BATCH_SIZES: dict[str, Check] = {**OF_SCHEDULES, "sizes are whole numbers >= 1": _sizes_are_whole}
