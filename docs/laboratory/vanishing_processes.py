"""Rates that tend to 0, quickly or slowly, and rates that fall to a positive limit."""

from laboratory.parts import any_optimizer, optimizer, pieces, plugin, power, quadratic, step_scale
from laboratory.process import GOES, STAYS, Changes, Draw, Family, data, round3

VANISHING = Family("vanishing rates")
SLOW = Family("rates that vanish slowly")
FALLING = Family("rates that fall to a positive limit")

ROBBINS_MONRO = "the rates sum to infinity and tend to 0: V_n is of order rate_n and tends to 0"
SUMMABLE = "the rates sum to a finite number and directions are bounded in L2: Theta_n is a Cauchy sequence in L2"
ENDS = "the rate is 0 from some step on: the iterate does not move any more"
POSITIVE = "the rate tends to a positive limit: in the end it is a constant rate"


def at_a_power(d: Draw, name: str) -> Changes:
    """Return a rule that divides, on bounded data, at a rate of their size that vanishes like a power."""
    law = d.bounded_data()
    rate = power(round3(law.sd * d.scale(0.7, 2.0)), d.uniform(0.4, 0.7))
    return {"objective": quadratic(law), "optimizer": optimizer(d, name), "learning_rate": rate}


@VANISHING.process(GOES, ROBBINS_MONRO, in_limit=True)
def sgd(d: Draw) -> Changes:
    rate = power(d.uniform(0.3, 0.9), d.uniform(0.4, 0.8))
    return {"objective": quadratic(d.any_data(), dim=d.whole(1, 3)), "learning_rate": rate, "batch_size": d.whole(1, 4)}


@VANISHING.process(GOES, ROBBINS_MONRO, in_limit=True)
def momentum(d: Draw) -> Changes:
    rule = {"name": "momentum", "form": "ema", "beta": d.uniform(0.2, 0.9), "nesterov": d.pick(True, False)}
    return {"objective": quadratic(d.any_data()), "optimizer": rule, "learning_rate": power(0.8, d.uniform(0.4, 0.75))}


@VANISHING.process(GOES, ROBBINS_MONRO, in_limit=True)
def heavy_ball(d: Draw) -> Changes:
    rule = {"name": "momentum", "beta": d.uniform(0.2, 0.9)}
    return {"objective": quadratic(d.any_data()), "optimizer": rule, "learning_rate": power(0.3, d.uniform(0.4, 0.75))}


@VANISHING.process(GOES, ROBBINS_MONRO + " around a zero of Adam's vector field", in_limit=True)
def adam(d: Draw) -> Changes:
    return at_a_power(d, "adam")


@VANISHING.process(GOES, ROBBINS_MONRO + " around a zero of the rule's vector field", in_limit=True)
def rmsprop(d: Draw) -> Changes:
    return at_a_power(d, "rmsprop")


@VANISHING.process(GOES, ROBBINS_MONRO + " around a zero of the rule's vector field", in_limit=True)
def adabelief(d: Draw) -> Changes:
    return at_a_power(d, "adabelief")


@VANISHING.process(GOES, ROBBINS_MONRO + "; the maximum is bounded", in_limit=True)
def amsgrad(d: Draw) -> Changes:
    return at_a_power(d, "amsgrad")


@VANISHING.process(GOES, "Adagrad's rate is rate/(c sigma sqrt n): " + ROBBINS_MONRO, in_limit=True)
def adagrad_at_a_constant_rate(d: Draw) -> Changes:
    law = d.any_data()
    rule = {"name": "adagrad", "eps_placement": d.pick("outside", "inside")}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * d.scale(0.3, 1.5))}


@VANISHING.process(GOES, ROBBINS_MONRO, in_limit=True)
def one_over_n(d: Draw) -> Changes:
    return {"objective": quadratic(d.any_data()), "learning_rate": power(d.uniform(0.5, 0.95), 1.0), "start": 0.5}


@VANISHING.process(GOES, ROBBINS_MONRO, in_limit=True)
def short_warm_up(d: Draw) -> Changes:
    rate = power(d.uniform(0.3, 0.9), d.uniform(0.4, 0.75), warmup=d.share(0.005, 0.05))
    return {"objective": quadratic(d.any_data()), "learning_rate": rate}


@VANISHING.process(GOES, ROBBINS_MONRO, in_limit=True)
def far_start(d: Draw) -> Changes:
    rate = power(d.uniform(0.3, 0.9), d.uniform(0.4, 0.6))
    return {"objective": quadratic(d.any_data()), "learning_rate": rate, "start": d.scale(10.0, 1e5)}


@VANISHING.process(GOES, SUMMABLE)
def summable_power(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.bounded_data()
    rate = power(round3(step_scale(rule, law) * d.uniform(0.5, 1.5)), d.uniform(1.2, 2.0))
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@VANISHING.process(GOES, SUMMABLE)
def short_exponential(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = {"name": "exponential", "value": round3(step_scale(rule, law) * 0.5), "factor": 0.5, "steps": d.share(0.01, 0.2)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@VANISHING.process(GOES, SUMMABLE)
def short_staircase(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = {"name": "step", "value": round3(step_scale(rule, law) * 0.5), "factor": 0.3, "every": d.share(0.05, 0.3)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@VANISHING.process(GOES, ENDS)
def cosine_within_the_run(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = {"name": "cosine", "value": round3(step_scale(rule, law) * 0.5), "steps": d.share(0.2, 1.0)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@VANISHING.process(GOES, ENDS, in_limit=True)
def rate_that_is_soon_zero(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = pieces([round3(step_scale(rule, law) * d.scale(0.05, 0.5)), 0.0], [d.share(0.02, 0.12)])
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@VANISHING.process(GOES, ENDS)
def rate_that_ends_in_zero_within_the_run(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = pieces([round3(step_scale(rule, law) * d.scale(0.05, 0.5)), 0.0], [d.share(0.15, 0.97)])
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@SLOW.process(GOES, ROBBINS_MONRO)
def slow_power(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.bounded_data()
    rate = power(round3(step_scale(rule, law) * d.uniform(0.1, 0.5)), d.uniform(0.05, 0.3))
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, "paths": d.pick(256, 1024, 4000)}


@SLOW.process(GOES, ROBBINS_MONRO)
def slow_power_far_below_one(d: Draw) -> Changes:
    rate = power(d.scale(1e-4, 3e-3), d.uniform(0.1, 0.6))
    return {"objective": quadratic(d.any_data()), "learning_rate": rate, "start": d.pick(0.0, 1.0, 10.0)}


@SLOW.process(GOES, ROBBINS_MONRO)
def shifted_power(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.bounded_data()
    shift, exponent = d.scale(1e4, 1e7), d.uniform(0.5, 1.0)
    rate = power(round3(step_scale(rule, law) * d.uniform(0.1, 0.5) * shift**exponent), exponent, shift=shift)
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@SLOW.process(GOES, SUMMABLE)
def long_exponential(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    value = round3(step_scale(rule, law) * d.uniform(0.1, 0.5))
    rate = {"name": "exponential", "value": value, "factor": d.uniform(0.1, 0.9), "steps": d.share(2.0, 100.0)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, "paths": d.pick(256, 2000)}


@SLOW.process(GOES, SUMMABLE)
def long_staircase(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    value = round3(step_scale(rule, law) * d.uniform(0.1, 0.5))
    rate = {"name": "step", "value": value, "factor": d.pick(0.1, 0.5), "every": d.share(0.6, 30.0)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@SLOW.process(GOES, ENDS)
def long_cosine(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = {"name": "cosine", "value": round3(step_scale(rule, law) * 0.4), "steps": d.share(1.2, 50.0)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@SLOW.process(GOES, ENDS)
def rate_that_ends_in_zero_after_the_run(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = pieces([round3(step_scale(rule, law) * d.scale(0.05, 0.5)), 0.0], [d.share(1.1, 50.0)])
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@SLOW.process(GOES, "the sum of squares grows by c^2 sigma^2 per step, whatever it starts with: " + ROBBINS_MONRO)
def adagrad_from_a_large_accumulator(d: Draw) -> Changes:
    law = d.bounded_data()
    accumulator = d.scale(1e4, 1e6) * (2.0 * law.sd) ** 2
    rule = {"name": "adagrad", "initial_accumulator": round3(accumulator)}
    rate = round3(accumulator**0.5 * d.scale(0.05, 0.5) / 2.0)
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@SLOW.process(GOES, "normal gradients have no bound, so the maximum grows without end, as log n: " + ROBBINS_MONRO)
def amsgrad_on_normal_data(d: Draw) -> Changes:
    law = data("normal", std=d.scale(0.5, 2.0))
    rule = {"name": "amsgrad", "beta1": d.pick(0.0, 0.5, 0.9), "beta2": d.pick(0.9, 0.99, 0.999)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * d.scale(0.02, 0.3))}


@FALLING.process(STAYS, POSITIVE)
def piecewise(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    value, until = step_scale(rule, law) * d.uniform(0.2, 0.6), d.share(0.15, 0.8)
    rate = pieces([round3(value), round3(value * d.scale(0.02, 0.5))], [until])
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@FALLING.process(STAYS, POSITIVE, in_limit=True)
def piecewise_soon(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    value = step_scale(rule, law) * d.uniform(0.2, 0.6)
    rate = pieces([round3(value), round3(value * 0.3)], [d.share(0.01, 0.05)])
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@FALLING.process(STAYS, POSITIVE)
def many_pieces(d: Draw) -> Changes:
    """Halved at each span, as n^-1 would be; the last value stays."""
    rule, law = any_optimizer(d), d.any_data()
    value = step_scale(rule, law) * d.uniform(0.2, 0.6)
    until = [d.steps // 16, d.steps // 8, d.steps // 4, d.steps // 2, (3 * d.steps) // 4]
    rate = pieces([round3(value * 0.5**k) for k in range(6)], until)
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@FALLING.process(STAYS, POSITIVE)
def cosine(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    value = step_scale(rule, law) * d.uniform(0.2, 0.6)
    rate = {"name": "cosine", "value": round3(value), "final": round3(value * d.scale(0.01, 0.3)), "steps": d.share(0.3, 3.0)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@FALLING.process(STAYS, POSITIVE)
def asymptotically_constant(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    value = step_scale(rule, law) * d.uniform(0.3, 0.9)
    limit = round3(value * d.scale(1e-4, 0.1))
    rate = {"name": "asymptotically_constant", "value": round3(value), "limit": limit, "exponent": d.uniform(0.1, 0.8)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@FALLING.process(STAYS, "the rate is 0 for as long as the run is watched, and a positive constant after it")
def zero_only_for_a_while(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    value = round3(step_scale(rule, law) * d.uniform(0.1, 0.5))
    rate = pieces([value, 0.0, value], [d.share(0.05, 0.2), d.share(1.1, 5.0)])
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@FALLING.process(STAYS, POSITIVE, in_limit=True)
def rising(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    value = round3(step_scale(rule, law) * d.uniform(0.2, 0.4))
    rate = pieces([round3(value * 0.1), value], [d.share(0.02, 0.1)])
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@VANISHING.process(GOES, "a law with a density makes the mean direction of signs smooth: " + ROBBINS_MONRO)
def signs_on_smooth_data(d: Draw) -> Changes:
    law = data("uniform", low=-1.0, high=d.uniform(0.5, 2.0))
    rate = power(round3(law.sd * d.scale(0.5, 2.0)), d.uniform(0.4, 0.7))
    rule = {"name": "my_signum", "beta": d.uniform(0.0, 0.9)}
    return {"plugins": plugin("../../plugins/signum"), "objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@SLOW.process(
    STAYS,
    "between two data points the sign of a gradient does not depend on theta: a random walk between -1 and 1,"
    " whose squared steps sum to infinity",
)
def signs_on_two_points(d: Draw) -> Changes:
    rate = power(d.uniform(0.1, 0.5), d.uniform(0.2, 0.45))
    rule = {"name": "my_signum", "beta": 0.0}
    return {"plugins": plugin("../../plugins/signum"), "optimizer": rule, "learning_rate": rate}


@SLOW.process(GOES, "Adagrad's rate is of order n^-1/2, so its product with the schedule sums to infinity and tends to 0")
def adagrad_with_a_vanishing_rate(d: Draw) -> Changes:
    law = d.bounded_data()
    rate = power(round3(law.sd * d.scale(0.5, 3.0)), d.uniform(0.1, 0.5))
    return {"objective": quadratic(law), "optimizer": "adagrad", "learning_rate": rate}


@FALLING.process(STAYS, POSITIVE)
def rising_slowly(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    limit = step_scale(rule, law) * d.uniform(0.2, 0.6)
    rate = {"name": "asymptotically_constant", "value": round3(limit * 0.1), "limit": round3(limit)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate | {"exponent": d.uniform(0.1, 0.5)}}
