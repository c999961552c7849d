"""The choices in which implementations of one method differ, each as numbers that depend on the step alone.

No choice costs a branch in the lane loop: an option that is off is a factor one or a summand zero, both exact.
"""

import math
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Chosen, Complaint
from nonconv.numerics.arithmetic import Array
from nonconv.optimizers.averages import FORGOTTEN, Beta, Decaying, decay_at, lengthens, remainder, settled

EpsPlacement = Literal["outside", "inside", "hat"]
Start = Literal["zero", "first_gradient"]
Beta1 = Annotated[Decaying, Doc("decay of the running average of gradients")]
Beta2 = Annotated[Decaying, Doc("decay of the running average of squared gradients")]
Eps = Annotated[float, Interval(ge=0), Doc("keeps the denominator away from zero")]
Placement = Annotated[EpsPlacement, Doc("where eps stands: outside the root, inside it, or outside before the correction")]
InOrOut = Annotated[Literal["outside", "inside"], Doc("where eps stands with respect to the root")]


def averaging(beta: Beta, start: Start, n: Array) -> tuple[Array, Array]:
    """Return decay and weight, (steps,) each, of the average a_n = decay_n a_{n-1} + weight_n x_n at steps n (steps,).

    They are beta and 1 - beta. With start: first_gradient step 1 has 0 and 1 instead, so that a_1 = x_1.
    """
    decay = decay_at(beta, n)
    decay = np.where(n == 1.0, 0.0, decay) if start == "first_gradient" else decay
    return decay, 1.0 - decay


def correction(beta: Beta, wanted: bool, n: Array) -> Array:
    """Return 1 / (1 - beta^n) at steps n (steps,), which makes an average that starts at 0 unbiased; 1 unless wanted.

    Of a decay that is a schedule beta^n is the product of its values up to step n.
    """
    factor = np.ones_like(n)
    if isinstance(beta, Chosen):
        return np.asarray(1.0 / (1.0 - remainder(beta, n))) if wanted else factor
    if wanted and beta > 0.0:
        early = n < FORGOTTEN / -math.log(beta)
        factor[early] = 1.0 / (1.0 - np.power(beta, n[early]))
    return factor


def epsilons(eps: float, placement: EpsPlacement, correction2: Array) -> tuple[Array, Array]:
    """Return what is added inside and outside the root of sqrt(v_hat + inside) + outside, each like correction2 (steps,).

    `hat` is the efficient form at the end of Kingma & Ba's section 2: eps is added to sqrt(v) before v is corrected.
    """
    nothing, eps_n = np.zeros_like(correction2), np.full_like(correction2, eps)
    if placement == "inside":
        return eps_n, nothing
    # sqrt(v) + eps, corrected afterwards, is sqrt(v correction2) + eps sqrt(correction2).
    return nothing, eps_n * np.sqrt(correction2) if placement == "hat" else eps_n


def size_of_quotient(beta1: Beta, beta2: Beta, unbiased: bool, n: Array) -> Array:
    """Return `relative_size` at steps n (steps,) of m / sqrt(v), averages of gradients and of their squares.

    Averages that start at 0 and are not corrected have reached 1 - beta^n of what they estimate.
    """
    if unbiased:
        return np.ones_like(n)
    return np.asarray(np.sqrt(correction(beta2, True, n)) / correction(beta1, True, n))


def smallest_divisor(h: Any) -> float:
    """Return what remains of sqrt(v + inside) + outside where v has vanished, for parameters with eps and eps_placement."""
    return math.sqrt(h.eps) if h.eps_placement == "inside" else float(h.eps)


def stable_quotient(beta1: Beta, beta2: Beta, eps: float) -> float | None:
    """Return `stable_below` of m / (sqrt(v) + eps), m and v being averages by beta1 and beta2: that of momentum, times eps.

    Near a minimum without noise v vanishes, so that eps alone divides. At 2 (1 + beta1) / (1 - beta1), 38 for beta1 = 0.9,
    an averaged gradient makes a step so long that it begins to overshoot ever further (Cohen et al., arXiv:2207.14484).
    None, for not known, where the average of gradients lengthens for ever, or where v does and nothing else divides.
    """
    limit = settled(beta1)
    if limit is None or (eps == 0 and lengthens(beta2)):
        return None
    return 2.0 * (1.0 + limit) / (1.0 - limit) * eps


def without_eps(h: Any) -> bool:
    """Return `can_be_undefined` of rules that divide by a root of squared gradients plus eps: whether eps is 0."""
    return bool(h.eps == 0)


def complain_about_start(h: Any) -> list[Complaint]:
    """Refuse bias correction together with start: first_gradient.

    The weights of such an average sum to one from the first step on, so there is no bias.
    """
    if h.bias_correction and h.start == "first_gradient":
        message = (
            "an average that starts at the first gradient has no bias to correct; use start: zero, or bias_correction: false"
        )
        return [Complaint("bias_correction", message)]
    return []
