"""Constant rates and batches: fresh noise moves the iterate forever (Theorem 1.1), in every dialect."""

from laboratory.parts import ADAPTIVE, any_optimizer, optimizer, plugin, quadratic, step_scale
from laboratory.process import STAYS, Changes, Draw, Family, data, round3

CONSTANT = Family("constant rates")

CLOSED_FORM = "the error is a stationary autoregressive process of positive variance (docs/theory.md)"
FRESH_NOISE = (
    "if Theta_n converged, steps would vanish, so m_n and then g_n = (m_n - beta m_{n-1})/(1 - beta) would;"
    " but Var(g_n | past) = c^2 sigma^2/M"
)


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def sgd(d: Draw) -> Changes:
    scale, law = d.scale(0.1, 10.0), d.any_data()
    return {
        "objective": quadratic(law, scale=scale, dim=d.whole(1, 3)),
        "learning_rate": round3(d.scale(0.03, 1.7) / (2 * scale)),
        "batch_size": d.whole(1, 8),
        "start": d.uniform(-2.0, 2.0),
    }


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def sgd_ill_conditioned(d: Draw) -> Changes:
    scales = [1.0, d.uniform(0.1, 0.5), d.uniform(0.05, 0.1)]
    return {"objective": quadratic(d.any_data(), scale=scales, dim=3), "learning_rate": d.uniform(0.2, 0.8)}


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def heavy_ball(d: Draw) -> Changes:
    rule = {"name": "momentum", "beta": d.uniform(0.2, 0.95)}
    return {"objective": quadratic(d.any_data()), "optimizer": rule, "learning_rate": d.scale(0.03, 0.7)}


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def moving_average(d: Draw) -> Changes:
    rule: Changes = {
        "name": "momentum",
        "form": "ema",
        "beta": d.uniform(0.2, 0.95),
        **d.pick({"bias_correction": True}, {"start": "zero"}, {"start": "first_gradient"}),
    }
    return {"objective": quadratic(d.any_data()), "optimizer": rule, "learning_rate": d.scale(0.03, 0.9)}


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def nesterov(d: Draw) -> Changes:
    rule = {"name": "momentum", "beta": d.uniform(0.2, 0.9), "nesterov": True, "form": d.pick("heavy_ball", "ema")}
    return {"objective": quadratic(d.any_data()), "optimizer": rule, "learning_rate": d.scale(0.03, 0.5)}


@CONSTANT.process(STAYS, FRESH_NOISE, in_limit=True)
def rmsprop_uncorrected(d: Draw) -> Changes:
    law = d.bounded_data()
    rule = {
        "name": "rmsprop",
        "beta2": d.uniform(0.3, 0.99),
        "eps": d.pick(1e-10, 1e-6),
        "eps_placement": d.pick("outside", "inside", "hat"),
        "start": d.pick("zero", "first_gradient"),
    }
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * d.scale(0.03, 0.3))}


@CONSTANT.process(STAYS, FRESH_NOISE, in_limit=True)
def rmsprop_corrected(d: Draw) -> Changes:
    law = d.any_data()
    return {
        "objective": quadratic(law, dim=d.whole(1, 3)),
        "optimizer": optimizer(d, "rmsprop"),
        "learning_rate": round3(law.sd * d.scale(0.03, 0.3)),
    }


@CONSTANT.process(STAYS, FRESH_NOISE, in_limit=True)
def adam(d: Draw) -> Changes:
    law = d.bounded_data()
    return {
        "objective": quadratic(law, scale=d.scale(0.1, 10.0), dim=d.whole(1, 3)),
        "optimizer": optimizer(d, "adam"),
        "learning_rate": round3(law.sd * d.scale(0.02, 0.3)),
        "batch_size": d.pick(1, 1, 2, 4),
    }


@CONSTANT.process(STAYS, FRESH_NOISE, in_limit=True)
def adam_defaults_normal_data(d: Draw) -> Changes:
    law = data("normal", mean=d.uniform(-1.0, 1.0), std=d.scale(0.3, 3.0))
    return {"objective": quadratic(law), "optimizer": "adam", "learning_rate": round3(law.sd * d.scale(0.02, 0.2))}


@CONSTANT.process(STAYS, FRESH_NOISE, in_limit=True)
def adam_large_eps(d: Draw) -> Changes:
    """With eps above the gradients it is a moving average with rate 2 rate/eps."""
    eps = d.scale(10.0, 1000.0)
    rule = {"name": "adam", "eps": eps, "beta1": d.pick(0.0, 0.5, 0.9)}
    return {"objective": quadratic(d.bounded_data()), "optimizer": rule, "learning_rate": round3(eps * d.scale(0.05, 0.5))}


@CONSTANT.process(STAYS, FRESH_NOISE, in_limit=True)
def adam_uncorrected(d: Draw) -> Changes:
    law = d.bounded_data()
    rule = {
        "name": "adam",
        "beta1": d.pick(0.0, 0.5, 0.9),
        "beta2": d.uniform(0.9, 0.99),
        "bias_correction": False,
        "eps_placement": d.pick("outside", "inside", "hat"),
        "start": d.pick("zero", "first_gradient"),
    }
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * d.scale(0.03, 0.3))}


@CONSTANT.process(STAYS, FRESH_NOISE, in_limit=True)
def adabelief(d: Draw) -> Changes:
    law = d.bounded_data()
    rule = optimizer(d, "adabelief")
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * d.scale(0.02, 0.2))}


@CONSTANT.process(STAYS, FRESH_NOISE + "; the maximum is at most (2 max|X - Theta|)^2")
def amsgrad_bounded_data(d: Draw) -> Changes:
    law = d.bounded_data()
    rule = optimizer(d, "amsgrad") | {"maximum": d.pick("before_correction", "after_correction")}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * d.scale(0.03, 0.3))}


@CONSTANT.process(STAYS, FRESH_NOISE, in_limit=True)
def lion(d: Draw) -> Changes:
    """A step has length rate whatever the noise is; a law with a density makes the mean direction smooth."""
    law = data("uniform", low=-1.0, high=d.uniform(0.5, 2.0))
    rule = {"name": "my_lion", "beta1": d.uniform(0.5, 0.9), "beta2": d.uniform(0.5, 0.99)}
    rate = round3(law.sd * d.scale(0.01, 0.1))
    return {"plugins": plugin("../../plugins/lion"), "objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@CONSTANT.process(STAYS, "V = g sigma^2/((2 - g) M) > 0 for every batch size M", in_limit=True)
def large_batches(d: Draw) -> Changes:
    rule = any_optimizer(d)
    law = d.any_data()
    batch = d.pick(32, 64, 128)
    rate = d.uniform(0.05, 0.3) * step_scale(rule, law) / (batch**0.5 if rule["name"] in ADAPTIVE else 1.0)
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(rate), "batch_size": batch, "steps": 2048}


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def random_starts(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    start = d.pick({"name": "normal", "std": 2.0}, {"name": "uniform", "low": -3.0, "high": 1.0}, {"name": "rademacher"})
    rate = round3(d.scale(0.05, 0.5) * step_scale(rule, law))
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, "start": start}


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def many_coordinates(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.bounded_data()
    rate = round3(d.scale(0.05, 0.5) * step_scale(rule, law))
    return {"objective": quadratic(law, dim=d.pick(8, 16)), "optimizer": rule, "learning_rate": rate, "paths": 200}


@CONSTANT.process(STAYS, CLOSED_FORM)
def without_the_twin_floor(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = round3(d.scale(0.05, 0.5) * step_scale(rule, law))
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, "floors": {"twin": False}}


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def the_twin_floor_alone(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = round3(d.scale(0.05, 0.5) * step_scale(rule, law))
    floors = {"window": False, "cauchy": False}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, "floors": floors}


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def short_warm_up(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = {
        "name": "constant",
        "value": round3(d.scale(0.05, 0.5) * step_scale(rule, law)),
        "warmup": d.share(0.005, 0.05),
    }
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@CONSTANT.process(STAYS, CLOSED_FORM)
def warm_up_longer_than_the_run(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    rate = {"name": "constant", "value": round3(d.scale(0.1, 1.0) * step_scale(rule, law)), "warmup": d.share(0.6, 20.0)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@CONSTANT.process(STAYS, CLOSED_FORM)
def relaxes_within_the_run(d: Draw) -> Changes:
    rate = round3(d.scale(0.3, 30.0) / d.steps / 2.0)
    return {"objective": quadratic(d.any_data()), "learning_rate": rate}


@CONSTANT.process(STAYS, CLOSED_FORM + ", reached long after the run: what is seen is a random walk")
def random_walk(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.any_data()
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": d.scale(1e-9, 1e-5)}


@CONSTANT.process(STAYS, CLOSED_FORM)
def momentum_with_a_long_memory(d: Draw) -> Changes:
    rule = {"name": "momentum", "beta": d.pick(0.999, 0.9995, 0.9999), "form": d.pick("ema", "heavy_ball")}
    rate = d.scale(1e-4, 1e-3) if rule["form"] == "heavy_ball" else d.scale(0.05, 0.5)
    return {"objective": quadratic(d.any_data()), "optimizer": rule, "learning_rate": rate}


@CONSTANT.process(STAYS, "a step has length rate, up or down with a probability that is never 0", in_limit=True)
def signum(d: Draw) -> Changes:
    law = data("uniform", low=-1.0, high=d.uniform(0.5, 2.0))
    rule = {"name": "my_signum", "beta": d.uniform(0.0, 0.9)}
    rate = round3(law.sd * d.scale(0.02, 0.1))
    return {"plugins": plugin("../../plugins/signum"), "objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@CONSTANT.process(STAYS, "g = 1: the iterate is the mean of the last batch", in_limit=True)
def sgd_that_forgets_at_once(d: Draw) -> Changes:
    return {"objective": quadratic(d.any_data(), dim=d.whole(1, 3)), "learning_rate": 0.5, "batch_size": d.whole(1, 4)}


@CONSTANT.process(STAYS, CLOSED_FORM, in_limit=True)
def sgd_that_overshoots(d: Draw) -> Changes:
    return {"objective": quadratic(d.any_data()), "learning_rate": d.uniform(0.8, 0.97)}


@CONSTANT.process(STAYS, FRESH_NOISE, in_limit=True)
def adam_without_eps(d: Draw) -> Changes:
    law = d.pick(data("uniform", low=-1.0, high=2.0), data("normal", std=d.scale(0.3, 3.0)))
    rule = {"name": "adam", "beta1": d.pick(0.0, 0.5, 0.9), "beta2": d.pick(0.9, 0.99, 0.999), "eps": 0.0}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * d.scale(0.02, 0.3))}
