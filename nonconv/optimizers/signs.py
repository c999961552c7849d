"""Rules that move by the sign of a gradient: sign descent, Signum and Lion."""

from typing import Annotated, NamedTuple

from typing_extensions import Doc

from nonconv.components.definitions import ALWAYS, CONSTANT_SIZE, NEVER, Optimizer
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.optimizers.averages import Decaying, decay_at, lengthens


def sign(x: Lanes) -> Lanes:
    """Return 1, -1, or x itself where it is 0 or nan."""
    return select(x > 0.0, 1.0, select(x < 0.0, -1.0, x))


class SignDescent(NamedTuple):
    """Sign descent: each coordinate moves by the sign of its gradient.

        direction = sign(g_n), which is 0 for 0

    Where implementations differ: nowhere; Optax calls it sign_sgd. It is Adam with beta1 = beta2 = eps = 0, but for gradients
    of 0, where that divides 0 by 0.
    """


class SignDescentState(NamedTuple):
    """Empty: the next step needs nothing of the one before."""


def sign_update(h: SignDescent, s: SignDescentState, g: Lanes) -> tuple[Lanes, SignDescentState]:
    """Return the sign of the gradient as the direction (Bernstein et al. 2018, algorithm 1), and the empty state."""
    return sign(g), s


SIGN_DESCENT = Optimizer(
    name="sign_descent",
    parameters=SignDescent,
    paper="Bernstein et al. (2018), arXiv:1802.04434",
    state=SignDescentState,
    update=sign_update,
    relative_size=CONSTANT_SIZE,
    monotone=(),
    can_be_undefined=NEVER,
    bounded_direction=ALWAYS,
    stable_below=lambda h: 0.0,
)


class Signum(NamedTuple):
    """Signum: each coordinate moves by the sign of a running average of its gradients.

        m_n = beta m_{n-1} + (1 - beta) g_n
        direction = sign(m_n), which is 0 for 0

    Where implementations differ: nowhere; a sign is the same for an average, a heavy ball and a bias-corrected average.
    """

    beta: Annotated[Decaying, Doc("decay of the running average of gradients")] = 0.9


class SignumState(NamedTuple):
    """What the next step needs: m, the running average of gradients, per coordinate and path."""

    m: Lanes


class SignumPerStep(NamedTuple):
    """What depends on the step alone: m_n = decay m_{n-1} + weight g_n, arrays over steps."""

    decay: Lanes
    weight: Lanes


def signum_at_step(h: Signum, n: Array) -> SignumPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    decay = decay_at(h.beta, n)
    return SignumPerStep(decay, 1.0 - decay)


def signum_update(c: SignumPerStep, s: SignumState, g: Lanes) -> tuple[Lanes, SignumState]:
    """Take one step; return the direction and the new state (Bernstein et al. 2018, algorithm 2).

    c: the coefficients of this step. s: m before it. g: the batch's gradient, one number per lane.
    """
    m = c.decay * s.m + c.weight * g
    return sign(m), SignumState(m)


SIGNUM = Optimizer(
    name="signum",
    parameters=Signum,
    paper="Bernstein et al. (2018), arXiv:1802.04434",
    state=SignumState,
    per_step=SignumPerStep,
    at_step=signum_at_step,
    update=signum_update,
    relative_size=CONSTANT_SIZE,
    monotone=(),
    can_be_undefined=NEVER,
    bounded_direction=ALWAYS,
    denoises=lambda h: lengthens(h.beta),
    stable_below=lambda h: 0.0,
)


class Lion(NamedTuple):
    """Lion: the sign of an average of gradients in which the newest one weighs more than in what is kept.

        direction = sign(beta1 m_{n-1} + (1 - beta1) g_n), which is 0 for 0
        m_n = beta2 m_{n-1} + (1 - beta2) g_n

    Where implementations differ: nowhere in this; the authors' code and Optax add decoupled weight decay, Optax 1e-3 unless
    told otherwise.
    """

    beta1: Annotated[Decaying, Doc("weight of the average in the direction")] = 0.9
    beta2: Annotated[Decaying, Doc("decay of the average")] = 0.99


class LionState(NamedTuple):
    """What the next step needs: m, the running average of gradients, per coordinate and path."""

    m: Lanes


class LionPerStep(NamedTuple):
    """What depends on the step alone, arrays over steps: beta1 and beta2, and 1 less each."""

    beta1: Lanes
    weight1: Lanes
    beta2: Lanes
    weight2: Lanes


def lion_at_step(h: Lion, n: Array) -> LionPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    beta1, beta2 = decay_at(h.beta1, n), decay_at(h.beta2, n)
    return LionPerStep(beta1, 1.0 - beta1, beta2, 1.0 - beta2)


def lion_update(c: LionPerStep, s: LionState, g: Lanes) -> tuple[Lanes, LionState]:
    """Take one step; return the direction and the new state (Chen et al. 2023, program 1).

    c: the coefficients of this step. s: m before it. g: the batch's gradient, one number per lane.
    """
    return sign(c.beta1 * s.m + c.weight1 * g), LionState(c.beta2 * s.m + c.weight2 * g)


LION = Optimizer(
    name="lion",
    parameters=Lion,
    paper="Chen et al. (2023), arXiv:2302.06675",
    state=LionState,
    per_step=LionPerStep,
    at_step=lion_at_step,
    update=lion_update,
    relative_size=CONSTANT_SIZE,
    monotone=(),
    can_be_undefined=NEVER,
    bounded_direction=ALWAYS,
    denoises=lambda h: lengthens(h.beta1) and lengthens(h.beta2),
    stable_below=lambda h: 0.0,
)
