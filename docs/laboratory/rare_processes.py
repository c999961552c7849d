"""Rare events and heavy tails: what matters is seldom drawn, or few paths carry the mean."""

from laboratory.parts import plugin, power, quadratic
from laboratory.process import GOES, STAYS, Changes, Data, Draw, Family, data, round3

RARE = Family("rare events and heavy tails")

STATIONARY = "V = g sigma^2/(2 - g) with the variance of all the data, seldom drawn as they may be"
ROBBINS_MONRO = "rates tend to 0, their sum is infinite, and the data have a variance"


def rare_values(d: Draw, low: float, high: float) -> Data:
    """Return a two-point law whose high value has a probability between low and high."""
    return data("two_point", low=d.pick(0.0, -0.1), high=d.scale(1.0, 100.0), p_high=d.scale(low, high))


def outliers(d: Draw) -> Data:
    """Return signs with outliers on both sides."""
    size, p = d.scale(10.0, 1000.0), d.scale(1e-6, 1e-3)
    return data("discrete", values=[-size, -1.0, 1.0, size], probabilities=[p / 2, 0.5 - p / 2, 0.5 - p / 2, p / 2])


def pareto(tail: float) -> Changes:
    """Return the quadratic over a symmetric Pareto law with this tail index."""
    return {"name": "quadratic", "data": {"name": "pareto", "exponent": tail, "symmetric": True}}


@RARE.process(STAYS, STATIONARY)
def seldom_values(d: Draw) -> Changes:
    return {"objective": quadratic(rare_values(d, 1e-4, 1e-3)), "learning_rate": d.scale(0.01, 0.5)}


@RARE.process(STAYS, STATIONARY)
def hardly_ever_values(d: Draw) -> Changes:
    return {"objective": quadratic(rare_values(d, 1e-8, 1e-5)), "learning_rate": d.scale(0.01, 0.5)}


@RARE.process(STAYS, "a rule that divides still moves by its rate when the rare value comes, and the data are bounded")
def seldom_values_adaptive(d: Draw) -> Changes:
    rule = {"name": d.pick("adam", "rmsprop", "adabelief"), "beta2": d.pick(0.99, 0.999)}
    return {"objective": quadratic(rare_values(d, 1e-6, 1e-3)), "optimizer": rule, "learning_rate": d.scale(0.003, 0.1)}


@RARE.process(STAYS, STATIONARY)
def signs_with_outliers(d: Draw) -> Changes:
    return {"objective": quadratic(outliers(d)), "learning_rate": d.scale(0.02, 0.5), "start": d.pick(0.0, 1.0)}


@RARE.process(STAYS, "Adam's step is bounded by C rate, its noise is that of the signs and of the outliers")
def signs_with_outliers_adam(d: Draw) -> Changes:
    return {"objective": quadratic(outliers(d)), "optimizer": "adam", "learning_rate": d.scale(0.01, 0.2)}


@RARE.process(GOES, ROBBINS_MONRO)
def seldom_values_and_a_vanishing_rate(d: Draw) -> Changes:
    rate = power(d.uniform(0.3, 0.8), d.uniform(0.4, 0.8))
    return {"objective": quadratic(rare_values(d, 1e-6, 1e-3)), "learning_rate": rate}


@RARE.process(GOES, ROBBINS_MONRO)
def outliers_and_a_vanishing_rate(d: Draw) -> Changes:
    return {"objective": quadratic(outliers(d)), "learning_rate": power(d.uniform(0.3, 0.8), d.uniform(0.4, 0.8))}


@RARE.process(STAYS, STATIONARY, in_limit=True)
def many_orders_of_magnitude(d: Draw) -> Changes:
    law = data("log_uniform", low=1e-6, high=d.scale(1.0, 1e4), sign=d.pick("both", "positive"))
    return {"objective": quadratic(law), "learning_rate": d.scale(0.03, 0.3)}


@RARE.process(STAYS, STATIONARY + "; tails that have a variance")
def pareto_tails(d: Draw) -> Changes:
    return {"objective": pareto(d.uniform(2.1, 4.5)), "learning_rate": d.scale(0.03, 0.3)}


@RARE.process(STAYS, "steps have a stationary law: they do not tend to 0 in probability, let alone in mean square")
def pareto_tails_without_a_variance(d: Draw) -> Changes:
    return {"objective": pareto(d.uniform(1.3, 1.9)), "learning_rate": d.scale(0.03, 0.3)}


@RARE.process(GOES, ROBBINS_MONRO)
def pareto_tails_and_a_vanishing_rate(d: Draw) -> Changes:
    rate = power(d.uniform(0.3, 0.8), d.uniform(0.5, 0.8))
    return {"objective": pareto(d.uniform(2.3, 4.5)), "learning_rate": rate}


@RARE.process(STAYS, "the average of squares has a stationary law, so steps do not tend to 0 in probability")
def pareto_tails_rmsprop(d: Draw) -> Changes:
    rule = {"name": "rmsprop", "beta2": d.uniform(0.9, 0.99), "bias_correction": True}
    rate = round3(d.scale(0.02, 0.2))
    return {"objective": pareto(d.uniform(2.3, 4.5)), "optimizer": rule, "learning_rate": rate}


def clipped(d: Draw) -> Changes:
    """Return clipped SGD on Pareto tails without a variance; the bound is beyond most of the data."""
    rule = {"name": "clipped", "bound": d.scale(6.0, 20.0)}
    return {"plugins": plugin("rules"), "objective": pareto(d.uniform(1.3, 1.9)), "optimizer": rule}


@RARE.process(STAYS, "clipped gradients have noise of positive variance at every point", in_limit=True)
def clipped_pareto_tails(d: Draw) -> Changes:
    return clipped(d) | {"learning_rate": d.scale(0.03, 0.2)}


@RARE.process(GOES, "clipped gradients are bounded and their mean vanishes at one point only; rates tend to 0, sum to infinity")
def clipped_pareto_tails_and_a_vanishing_rate(d: Draw) -> Changes:
    return clipped(d) | {"learning_rate": power(d.uniform(0.3, 0.8), d.uniform(0.4, 0.7))}
