"""Batches that grow, to a bound or without one, alone or together with a rate that falls."""

from laboratory.parts import any_optimizer, pieces, power, quadratic, step_scale
from laboratory.process import GOES, STAYS, Changes, Draw, Family, round3

BATCHES = Family("growing batches")

AVERAGED = "V_n is of order rate sigma^2/M_n and M_n -> infinity"
BOUNDED = "the batch size is constant from some step on, and so is the rate"


@BATCHES.process(GOES, AVERAGED, in_limit=True)
def sgd_with_growing_batches(d: Draw) -> Changes:
    batch = power(d.pick(1.0, 2.0), d.uniform(0.4, 0.9))
    changes = {"objective": quadratic(d.any_data()), "learning_rate": d.uniform(0.05, 0.5), "batch_size": batch}
    return changes | {"steps": d.steps // 4}


@BATCHES.process(GOES, AVERAGED, in_limit=True)
def momentum_with_growing_batches(d: Draw) -> Changes:
    rule = {"name": "momentum", "form": "ema", "beta": d.uniform(0.2, 0.9)}
    batch = power(1.0, d.uniform(0.4, 0.9))
    changes = {"objective": quadratic(d.any_data()), "optimizer": rule, "learning_rate": 0.3, "batch_size": batch}
    return changes | {"steps": d.steps // 4}


@BATCHES.process(GOES, "eps far above the gradients makes Adam a stable moving average: " + AVERAGED, in_limit=True)
def adam_with_a_large_eps(d: Draw) -> Changes:
    eps = d.scale(100.0, 1000.0)
    rule = {"name": "adam", "eps": eps, "beta1": d.pick(0.0, 0.5, 0.9)}
    changes = {"objective": quadratic(d.bounded_data()), "optimizer": rule, "learning_rate": round3(eps * d.uniform(0.1, 0.4))}
    return changes | {"batch_size": power(1.0, d.uniform(0.4, 0.9)), "steps": d.steps // 4}


@BATCHES.process(GOES, AVERAGED)
def slowly_growing_batches(d: Draw) -> Changes:
    batch = power(d.pick(1.0, 4.0, 20.0), d.uniform(0.05, 0.2))
    return {"objective": quadratic(d.any_data()), "learning_rate": d.uniform(0.03, 0.5), "batch_size": batch}


@BATCHES.process(GOES, "both the rate and sigma^2/M_n tend to 0, and the rates sum to infinity", in_limit=True)
def rate_falls_and_batches_grow(d: Draw) -> Changes:
    changes = {"objective": quadratic(d.any_data()), "learning_rate": power(d.uniform(0.3, 0.8), d.uniform(0.4, 0.7))}
    return changes | {"batch_size": power(1.0, d.uniform(0.2, 0.6)), "steps": d.steps // 2}


@BATCHES.process(GOES, "the rate tends to 0 whatever the batches do", in_limit=True)
def rate_falls_and_batches_are_bounded(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.bounded_data()
    rate = power(round3(step_scale(rule, law) * d.uniform(0.7, 1.5)), d.uniform(0.4, 0.7))
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, "batch_size": power(1.0, 0.5, largest=8)}


@BATCHES.process(STAYS, BOUNDED, in_limit=True)
def soon_at_their_bound(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.bounded_data()
    rate = round3(step_scale(rule, law) * d.scale(0.05, 0.5))
    batch = d.pick(power(1.0, 0.5, largest=d.whole(4, 16)), pieces([1, 8], [d.share(0.01, 0.05)]))
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, "batch_size": batch}


@BATCHES.process(STAYS, BOUNDED)
def at_their_bound_within_the_run(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.bounded_data()
    rate = round3(step_scale(rule, law) * d.scale(0.05, 0.5))
    batch = d.pick(power(1.0, 0.5, largest=d.whole(20, 60)), pieces([1, d.pick(4, 16, 64)], [d.share(0.15, 0.9)]))
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, "batch_size": batch}


@BATCHES.process(STAYS, BOUNDED)
def at_their_bound_after_the_run(d: Draw) -> Changes:
    batch = power(1.0, d.uniform(0.4, 0.9), largest=10_000)
    changes = {"objective": quadratic(d.bounded_data()), "learning_rate": d.uniform(0.05, 0.5), "batch_size": batch}
    return changes | {"steps": d.steps // 4}


@BATCHES.process(STAYS, "rate and batch size both have finite positive limits, reached long after the run")
def rate_and_batch_both_change_slowly(d: Draw) -> Changes:
    rate = {
        "name": "asymptotically_constant",
        "value": d.uniform(0.1, 0.3),
        "limit": d.pick(1e-4, 1e-3),
        "exponent": d.uniform(0.07, 0.12),
    }
    batch = power(d.pick(10.0, 20.0), d.uniform(0.07, 0.12), largest=1000)
    return {"objective": quadratic(d.any_data()), "learning_rate": rate, "batch_size": batch, "paths": d.pick(256, 1000)}


@BATCHES.process(STAYS, "steps shrink while batches do; both end at a positive limit")
def batches_that_shrink(d: Draw) -> Changes:
    """The noise grows from span to span, up to its limit."""
    batch = pieces([64, 16, 4, 1], [d.steps // 8, d.steps // 4, d.steps // 2])
    return {"objective": quadratic(d.bounded_data()), "learning_rate": d.uniform(0.05, 0.3), "batch_size": batch}


@BATCHES.process(GOES, "the rate tends to 0 and the batch size to infinity, both slowly, and the rates sum to infinity")
def rate_and_batch_both_change_slowly_for_good(d: Draw) -> Changes:
    rate, batch = power(d.uniform(0.1, 0.3), d.uniform(0.03, 0.12)), power(d.pick(10.0, 20.0), d.uniform(0.03, 0.12))
    return {"objective": quadratic(d.any_data()), "learning_rate": rate, "batch_size": batch}
