"""Iterates that leave every bound, and some that only seem to."""

from typing import Any

from laboratory.parts import constant_data, power, quadratic
from laboratory.process import BLOWS_UP, GOES, STAYS, UNBOUNDED, Changes, Draw, Family, round3

ESCAPES = Family("divergence")

UNSTABLE = "|1 - g| > 1: the error over (1 - g)^n has a random limit that is not 0, so |e_n| -> infinity"


@ESCAPES.process(BLOWS_UP, UNSTABLE, in_limit=True)
def unstable_sgd(d: Draw) -> Changes:
    return {"objective": quadratic(d.any_data(), dim=d.whole(1, 3)), "learning_rate": d.uniform(1.03, 2.0)}


@ESCAPES.process(UNBOUNDED, UNSTABLE + ", slowly")
def slightly_unstable_sgd(d: Draw) -> Changes:
    return {"objective": quadratic(d.any_data()), "learning_rate": round(1.0 + d.scale(1e-5, 2e-3), 6)}


@ESCAPES.process(UNBOUNDED, "g = 2: e_n = -e_{n-1} + 2 z_n, whose variance grows by 4 sigma^2 per step")
def sgd_at_the_border(d: Draw) -> Changes:
    return {"objective": quadratic(d.any_data()), "learning_rate": 1.0}


@ESCAPES.process(BLOWS_UP, "g > 2 (1 + beta): an eigenvalue of heavy ball's step matrix is below -1", in_limit=True)
def unstable_heavy_ball(d: Draw) -> Changes:
    beta = d.uniform(0.2, 0.9)
    rule = {"name": "momentum", "beta": beta}
    return {"objective": quadratic(d.any_data()), "optimizer": rule, "learning_rate": round3((1 + beta) * d.uniform(1.05, 2))}


@ESCAPES.process(BLOWS_UP, UNSTABLE, in_limit=True)
def unstable_without_noise(d: Draw) -> Changes:
    objective = {"name": "quadratic", "data": constant_data(0.0)}
    return {"objective": objective, "start": d.uniform(0.5, 2.0), "learning_rate": d.uniform(1.05, 2.0)}


@ESCAPES.process(BLOWS_UP, UNSTABLE + " in one coordinate", in_limit=True)
def one_unstable_coordinate(d: Draw) -> Changes:
    rate = d.uniform(0.1, 0.5)
    scales = [1.0, round3(d.uniform(1.1, 2.0) / rate), 0.5]
    return {"objective": quadratic(d.bounded_data(), scale=scales, dim=3), "learning_rate": rate}


@ESCAPES.process(GOES, "the rate is soon below 2/c, then below every bound: what grew shrinks again")
def unstable_only_at_first(d: Draw) -> Changes:
    rate = power(d.uniform(2.0, 5.0), d.uniform(0.5, 0.8))
    return {"objective": quadratic(d.bounded_data()), "learning_rate": rate}


@ESCAPES.process(STAYS, "Adam's steps are bounded: at any rate the iterate stays in a bounded set and is never settled")
def adam_at_a_large_rate(d: Draw) -> Changes:
    rule = {"name": "adam", "beta1": d.pick(0.0, 0.5), "beta2": d.pick(0.9, 0.99)}
    return {"objective": quadratic(d.bounded_data()), "optimizer": rule, "learning_rate": d.scale(3.0, 1e4)}


ORBIT = "the slope is -scale at every iterate: Theta_n is the orbit, whose steps do not shrink"


def toint(d: Draw, **changes: Any) -> Changes:
    """Return Toint's example on the optimizer's own knots."""
    beta2 = d.uniform(0.05, 0.999)
    rule: Changes = {"name": "adam", "beta1": d.uniform(0.0, 0.98), "beta2": beta2, "eps": 0.0}
    rule |= d.pick({}, {"bias_correction": False, "start": "first_gradient"})
    base = {"objective": {"name": "toint"}, "optimizer": rule, "learning_rate": d.uniform(0.01, 1.0), "xi": ["start"]}
    return {**base, "paths": 1, "steps": 1024, **changes}


@ESCAPES.process(BLOWS_UP, ORBIT, in_limit=True)
def toints_example(d: Draw) -> Changes:
    return toint(d)


@ESCAPES.process(BLOWS_UP, ORBIT, in_limit=True)
def toints_example_scaled(d: Draw) -> Changes:
    return toint(d, objective={"name": "toint", "scale": d.scale(0.01, 100.0), "dim": d.whole(1, 3)})


@ESCAPES.process(BLOWS_UP, ORBIT, in_limit=True)
def toints_example_for_other_rules(d: Draw) -> Changes:
    rule = d.pick({"name": "sgd"}, {"name": "momentum", "beta": 0.9}, {"name": "rmsprop"}, {"name": "amsgrad"})
    return toint(d, optimizer=rule)


@ESCAPES.process(UNBOUNDED, "the slope is -scale at every iterate, and the rates sum to infinity")
def toints_example_with_vanishing_rates(d: Draw) -> Changes:
    return toint(d, learning_rate=power(d.uniform(0.1, 1.0), d.uniform(0.2, 0.6)))


@ESCAPES.process(GOES, "the slope is -scale at every iterate, but the rates have a finite sum: the orbit ends")
def toints_example_with_summable_rates(d: Draw) -> Changes:
    return toint(d, optimizer=d.pick("sgd", "adam"), learning_rate=power(d.uniform(0.1, 1.0), d.uniform(1.3, 2.0)))
