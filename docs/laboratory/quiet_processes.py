"""No noise: linear convergence, cycles, spikes, 0/0. Paths differ by their starts alone, or not at all."""

from laboratory.parts import constant_data, optimizer, pieces, power
from laboratory.process import GOES, STAYS, UNDEFINED, Changes, Draw, Family, round3

QUIET = Family("no noise")

LINEAR = "the error is multiplied by a matrix of spectral radius below 1 at each step"


def without_noise(d: Draw) -> Changes:
    """Return the quadratic over constant data with a start that is fixed or random."""
    objective = {"name": "quadratic", "data": constant_data(0.0)}
    if d.whole(0, 2) == 0:
        return {"objective": objective, "start": {"name": "uniform", "low": 1.0, "high": 2.0}}
    return {"objective": objective, "start": d.uniform(0.5, 3.0), "paths": d.pick(1, 2, 256)}


@QUIET.process(GOES, LINEAR, in_limit=True)
def gradient_descent(d: Draw) -> Changes:
    return without_noise(d) | {"learning_rate": d.scale(0.005, 0.95)}


@QUIET.process(GOES, LINEAR)
def slow_gradient_descent(d: Draw) -> Changes:
    return without_noise(d) | {"learning_rate": round3(d.scale(0.01, 5.0) / d.steps)}


@QUIET.process(GOES, LINEAR, in_limit=True)
def heavy_ball(d: Draw) -> Changes:
    return without_noise(d) | {"optimizer": {"name": "momentum", "beta": d.uniform(0.2, 0.95)}, "learning_rate": 0.1}


@QUIET.process(
    GOES, "the factor of each step lies in (0, 1) for good: v falls, and eps keeps rate c/eps below 1", in_limit=True
)
def rmsprop_with_a_large_eps(d: Draw) -> Changes:
    eps = d.scale(10.0, 1000.0)
    rule = {"name": "rmsprop", "eps": eps, "beta2": d.uniform(0.9, 0.999), "bias_correction": d.pick(True, False)}
    return without_noise(d) | {"optimizer": rule, "learning_rate": round3(eps * d.uniform(0.05, 0.45))}


@QUIET.process(GOES, "near the minimizer it is a moving average with rate c/eps below 2(1+beta1)/(1-beta1)", in_limit=True)
def adam_with_a_large_eps(d: Draw) -> Changes:
    eps = d.scale(10.0, 1000.0)
    rule = {"name": "adam", "eps": eps, "beta1": d.pick(0.0, 0.5, 0.9)}
    return without_noise(d) | {"optimizer": rule, "learning_rate": round3(eps * d.uniform(0.05, 0.45))}


@QUIET.process(
    STAYS,
    "its only fixed point is the minimizer, where rate c/eps above 2(1+beta1)/(1-beta1) makes it unstable",
)
def adam_with_a_small_eps(d: Draw) -> Changes:
    rule = {"name": "adam", "eps": d.pick(1e-10, 1e-8), "beta1": d.pick(0.5, 0.9), "beta2": d.pick(0.9, 0.99)}
    return without_noise(d) | {"optimizer": rule, "learning_rate": d.scale(0.003, 0.3)}


@QUIET.process(STAYS, "as above; v shrinks for thousands of steps, and the error with it, until the rate is too large again")
def adam_between_spikes(d: Draw) -> Changes:
    """At smaller rates the error underflows to 0 before the spike, and rounding decides."""
    rule = {"name": "adam", "eps": 1e-8, "beta1": 0.9, "beta2": 0.999}
    return without_noise(d) | {"optimizer": rule, "learning_rate": d.scale(0.01, 0.03), "steps": d.pick(1, 2) * d.steps}


@QUIET.process(STAYS, "steps have length rate: from within one rate of the minimizer it jumps back and forth", in_limit=True)
def sign_descent(d: Draw) -> Changes:
    """The start is no multiple of the rate: at the minimizer the direction would be 0/0."""
    rule = {"name": "adam", "eps": 0.0, "beta1": 0.0, "beta2": 0.0}
    return without_noise(d) | {"start": round(d.uniform(0.5, 2.0) + 0.00317, 5), "optimizer": rule, "learning_rate": 0.01}


@QUIET.process(STAYS, "g = 2: the error changes its sign at each step, and nothing else", in_limit=True)
def two_cycle(d: Draw) -> Changes:
    return without_noise(d) | {"learning_rate": 1.0}


@QUIET.process(GOES, "steps vanish: rates sum to infinity and tend to 0, and the error is multiplied by 1 - c rate_n")
def vanishing_rate(d: Draw) -> Changes:
    return without_noise(d) | {"learning_rate": power(d.uniform(0.2, 0.9), d.uniform(0.3, 1.0))}


@QUIET.process(GOES, "steps of Adam are at most C rate_n long and rates are summable: the iterate stops on the way")
def adam_with_summable_rates(d: Draw) -> Changes:
    rate = power(d.scale(0.01, 0.3), d.uniform(1.2, 2.0))
    return without_noise(d) | {"optimizer": optimizer(d, "adam"), "learning_rate": rate}


@QUIET.process(GOES, "the rate is 0 from some step on", in_limit=True)
def rate_that_is_soon_zero(d: Draw) -> Changes:
    return without_noise(d) | {"optimizer": "adam", "learning_rate": pieces([d.scale(0.01, 0.1), 0.0], [d.share(0.02, 0.1)])}


@QUIET.process(GOES, "the minimizer is the start: the gradient is 0 at every step", in_limit=True)
def start_at_the_minimizer(d: Draw) -> Changes:
    rule = d.pick({"name": "sgd"}, optimizer(d, "adam"))
    return without_noise(d) | {"optimizer": rule, "start": 0.0, "learning_rate": d.scale(0.01, 0.3)}


@QUIET.process(UNDEFINED, "the first gradient is 0, so the first direction is 0/0", in_limit=True)
def zero_over_zero(d: Draw) -> Changes:
    rule = {"name": d.pick("adam", "amsgrad", "rmsprop", "adagrad"), "eps": 0.0}
    return without_noise(d) | {"optimizer": rule, "start": 0.0, "learning_rate": d.scale(0.01, 0.3)}


@QUIET.process(GOES, "its sum of squares grows until a step contracts, and is then summable: the rate ends positive")
def adagrad(d: Draw) -> Changes:
    return without_noise(d) | {"optimizer": "adagrad", "learning_rate": d.uniform(0.3, 1.0)}


@QUIET.process(GOES, LINEAR, in_limit=True)
def nesterov(d: Draw) -> Changes:
    rule = {"name": "momentum", "beta": d.uniform(0.2, 0.9), "nesterov": True}
    return without_noise(d) | {"optimizer": rule, "learning_rate": d.scale(0.02, 0.4)}


@QUIET.process(GOES, LINEAR, in_limit=True)
def moving_average(d: Draw) -> Changes:
    rule = {"name": "momentum", "form": "ema", "beta": d.uniform(0.2, 0.9), "bias_correction": d.pick(True, False)}
    return without_noise(d) | {"optimizer": rule, "learning_rate": d.scale(0.03, 0.9)}


@QUIET.process(
    GOES, "the iterate stays within C rate_n of the minimizer once it is that near (the a priori bound), and rates vanish"
)
def adam_with_a_vanishing_rate(d: Draw) -> Changes:
    rule = {"name": "adam", "beta1": d.pick(0.0, 0.5, 0.9), "beta2": d.pick(0.9, 0.99)}
    return without_noise(d) | {"optimizer": rule, "learning_rate": power(d.scale(0.1, 1.0), d.uniform(0.4, 0.8))}


@QUIET.process(GOES, "from within a well, gradient descent at rate < 1/L falls linearly to its minimum", in_limit=True)
def double_well(d: Draw) -> Changes:
    objective = {"name": "double_well", "data": constant_data(0.0)}
    changes = {"objective": objective, "xi": ["start", "path_mean"]}
    return changes | {
        "start": d.pick(d.uniform(0.3, 1.2), {"name": "uniform", "low": -1.2, "high": -0.3}),
        "learning_rate": 0.1,
    }


@QUIET.process(
    GOES, "gradient descent at rate < 1/L on Toint's function falls linearly to the first local minimum", in_limit=True
)
def toints_function_downhill(d: Draw) -> Changes:
    spacing = d.scale(0.5, 5.0)
    objective = {"name": "toint", "knots": "uniform", "spacing": spacing}
    return {"objective": objective, "xi": ["start"], "paths": 1, "learning_rate": round3(spacing * d.uniform(0.02, 0.15))}
