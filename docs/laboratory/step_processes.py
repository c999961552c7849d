"""The parts of a step: domains, data that depend on the step, noise of the gradient, clipping and decay."""

from typing import Any

from laboratory.parts import constant_data, power, quadratic
from laboratory.process import BLOWS_UP, GOES, STAYS, UNBOUNDED, Changes, Data, Draw, Family, data

DOMAINS = Family("domains")
SUPPLY = Family("data that depend on the step")
MODIFIERS = Family("noise of the gradient, clipping, decay")

OUTWARD = "at the end of the domain every gradient leads out of it: a path that reaches it stays there"
INWARD = "the noise of gradients leads back into the domain, again and again"
FRESH = "the gradient has noise of positive variance at every point, and the rate is constant"
ROBBINS_MONRO = "rates tend to 0, their sum is infinite, and the data have a variance"
FOLLOWS = "at rates whose sum is infinite iterates follow the data, which have no limit"
UNIFORM = data("uniform")


def rule(d: Draw, *names: str) -> Changes:
    """Return one of these rules, with a beta where it needs one; SGD, momentum or Adam by default."""
    name = d.pick(*(names or ("sgd", "momentum", "adam")))
    return {"name": name, "form": "ema", "beta": d.uniform(0.3, 0.9)} if name == "momentum" else {"name": name}


def constant(d: Draw, *names: str) -> Changes:
    """Return a rule with a constant rate of its size."""
    chosen = rule(d, *names)
    return {"optimizer": chosen, "learning_rate": d.scale(0.03, 0.3) * (1.0 if chosen["name"] == "adam" else 0.5)}


def vanishing(d: Draw, *names: str) -> Changes:
    """Return a rule with a rate that vanishes like a power."""
    chosen = rule(d, *names)
    size = d.uniform(0.4, 0.9) if chosen["name"] == "adam" else d.uniform(0.3, 0.6)
    return {"optimizer": chosen, "learning_rate": power(size, d.uniform(0.4, 0.7))}


def smooth(d: Draw) -> Data:
    """Return a law with a density."""
    return d.pick(UNIFORM, data("uniform", low=-1.0, high=d.uniform(0.5, 2.0)), data("normal", mean=d.uniform(-1.0, 1.0)))


# Domains


@DOMAINS.process(GOES, OUTWARD, in_limit=True)
def at_an_end(d: Draw) -> Changes:
    start, own = d.uniform(1.5, 3.0), d.pick(constant(d, "sgd", "momentum", "adam", "signum"), vanishing(d))
    return {"objective": quadratic(UNIFORM), "domain": [1.5, 3.0], "start": start, **own}


@DOMAINS.process(GOES, OUTWARD + ", whatever noise is added", in_limit=True)
def at_an_end_with_bounded_noise(d: Draw) -> Changes:
    added = {"name": "uniform", "low": -0.3, "high": 0.3}
    return {"objective": quadratic(UNIFORM, gradient_noise=added), "domain": [1.5, 3.0], "start": 2.0, **constant(d, "sgd")}


@DOMAINS.process(STAYS, INWARD)
def minimizer_outside(d: Draw) -> Changes:
    return {"objective": quadratic(UNIFORM), "domain": [d.uniform(0.0, 0.3), 3.0], "start": 1.0, **constant(d)}


@DOMAINS.process(GOES, "projected steps whose rates tend to 0 and sum to infinity")
def minimizer_outside_and_a_vanishing_rate(d: Draw) -> Changes:
    return {"objective": quadratic(UNIFORM), "domain": [d.uniform(0.0, 0.3), None], "start": 2.0, **vanishing(d)}


@DOMAINS.process(STAYS, INWARD + ", in one coordinate of two", in_limit=True)
def one_coordinate_at_an_end(d: Draw) -> Changes:
    objective = quadratic(UNIFORM, dim=2)
    return {"objective": objective, "domain": [[1.5, 3.0], [-2.0, 2.0]], "start": [2.0, 0.0], **constant(d)}


def slopes(d: Draw) -> Changes:
    """Return Reddi's linear losses: seldom a large slope upwards, else one downwards."""
    law = data("two_point", low=-1.0, high=d.uniform(2.5, 6.0), p_high=d.uniform(0.35, 0.5))
    return {"objective": {"name": "linear", "data": law.config}, "domain": [-1.0, 1.0]}


@DOMAINS.process(STAYS, INWARD)
def slopes_of_both_signs(d: Draw) -> Changes:
    return slopes(d) | constant(d, "sgd", "adam")


@DOMAINS.process(STAYS, "a periodic orbit whose steps do not shrink", in_limit=True)
def slopes_in_a_cycle(d: Draw) -> Changes:
    values = {"name": "sequence", "values": [float(d.whole(3, 6)), -1.0, -1.0], "order": "cyclic"}
    return {"objective": {"name": "linear", "data": values}, "domain": [-1.0, 1.0], **constant(d, "sgd")}


@DOMAINS.process(GOES, "the drift leads, after the run, to where every gradient leads out of the domain")
def drift_that_presses(d: Draw) -> Changes:
    drift: Changes = d.pick(
        {"name": "linear", "speed": d.scale(1e-8, 1e-6)},
        {"name": "piecewise", "values": [0.0, 9.0], "until": [d.share(1.5, 9.0)]},
    )
    changes = drifting(drift) | {"domain": [-2.0, 2.0], "xi": "start"}
    return changes | {"learning_rate": d.scale(0.05, 0.3)}


@DOMAINS.process(STAYS, "a random walk between the ends, whose squared steps sum to infinity")
def walk_between_ends(d: Draw) -> Changes:
    rate = d.pick(d.scale(0.02, 0.3), power(d.uniform(0.1, 0.6), d.uniform(0.3, 0.5)))
    return {"objective": {"name": "linear", "data": "rademacher"}, "domain": [-1.0, 1.0], "learning_rate": rate, "xi": "start"}


# Data that depend on the step


def drifting(drift: Changes, law: Data | Changes = UNIFORM) -> Changes:
    """Return the quadratic over a law with a drift."""
    config = law.config if isinstance(law, Data) else law
    return {"objective": {"name": "quadratic", "data": config | {"drift": drift}}}


def away(d: Draw) -> Changes:
    """Return a drift that has no bound, too slow for the run to show it."""
    growing = {"name": "power", "value": d.scale(1e-6, 1e-3), "exponent": -d.uniform(0.1, 0.5)}
    formula = {"name": "formula", "value": f"{d.scale(1e-5, 1e-3)} * log(n)"}
    return d.pick({"name": "linear", "speed": d.scale(1e-12, 1e-6)}, growing, formula)


@SUPPLY.process(UNBOUNDED, FOLLOWS)
def drift_away(d: Draw) -> Changes:
    return drifting(away(d)) | constant(d, "sgd")


@SUPPLY.process(UNBOUNDED, FOLLOWS)
def drift_away_and_a_vanishing_rate(d: Draw) -> Changes:
    return drifting(away(d)) | vanishing(d, "sgd")


def to_and_fro(d: Draw, *size: float) -> Changes:
    """Return an oscillation of this size."""
    return {"name": "sine", "amplitude": d.scale(*size), "period": d.whole(10, 100)}


@SUPPLY.process(STAYS, "iterates go to and fro with the data", in_limit=True)
def oscillation(d: Draw) -> Changes:
    return drifting(to_and_fro(d, 0.1, 3.0), d.pick(UNIFORM, Data(constant_data(0.3), 0.3, 0.0))) | constant(d, "sgd")


@SUPPLY.process(GOES, "as rates vanish a periodic drift averages out: " + ROBBINS_MONRO)
def oscillation_and_a_vanishing_rate(d: Draw) -> Changes:
    return drifting(to_and_fro(d, 0.01, 1.0)) | vanishing(d, "sgd")


@SUPPLY.process(STAYS, FOLLOWS + ": their oscillation slows down as fast as rates add up")
def slower_and_slower_oscillation(d: Draw) -> Changes:
    return drifting({"name": "formula", "value": f"{d.scale(1e-3, 1.0)} * sin({d.uniform(0.5, 3.0)} * log(n))"}) | vanishing(
        d, "sgd"
    )


@SUPPLY.process(GOES, ROBBINS_MONRO + ", around where the data have jumped to")
def jump_after_the_run(d: Draw) -> Changes:
    return drifting({"name": "piecewise", "values": [0.0, 5.0], "until": [d.share(1.1, 20.0)]}) | vanishing(d, "sgd")


@SUPPLY.process(GOES, "the data tend to a constant, and so does gradient descent on them")
def drift_that_vanishes(d: Draw) -> Changes:
    drift = {"name": "power", "value": d.uniform(0.2, 2.0), "exponent": d.uniform(0.2, 1.5)}
    return drifting(drift, constant_data(0.3)) | {"learning_rate": d.scale(0.05, 0.5)}


def values(d: Draw, number: int, order: str) -> Changes:
    """Return normal values that are passed through."""
    return {"name": "sequence", "values": [round(float(v), 3) for v in d.rng.normal(size=number)], "order": order}


def passes(d: Draw, number: int) -> Changes:
    """Return the quadratic over values that are passed through in some order."""
    return {"objective": {"name": "quadratic", "data": values(d, number, d.pick("epochs", "once", "cyclic"))}}


@SUPPLY.process(STAYS, "each pass moves iterates along, by the values that differ, at a constant rate", in_limit=True)
def passes_at_a_constant_rate(d: Draw) -> Changes:
    return passes(d, d.whole(3, 12)) | constant(d, "sgd")


@SUPPLY.process(GOES, ROBBINS_MONRO, in_limit=True)
def passes_at_a_vanishing_rate(d: Draw) -> Changes:
    return passes(d, d.whole(3, 12)) | vanishing(d, "sgd")


@SUPPLY.process(GOES, "each batch holds all values, so that nothing is random: gradient descent", in_limit=True)
def passes_in_one_batch(d: Draw) -> Changes:
    number = d.whole(3, 8)
    return passes(d, number) | {"batch_size": number * d.pick(1, 2), "start": 1.0, "learning_rate": d.scale(0.05, 0.5)}


@SUPPLY.process(STAYS, FRESH + "; each datum is used some steps in a row", in_limit=True)
def held_data(d: Draw) -> Changes:
    return {"objective": {"name": "quadratic", "data": UNIFORM.config | {"hold": d.pick(2, 8)}}, **constant(d, "sgd")}


@SUPPLY.process(GOES, ROBBINS_MONRO, in_limit=True)
def held_data_and_a_vanishing_rate(d: Draw) -> Changes:
    return {"objective": {"name": "quadratic", "data": UNIFORM.config | {"hold": d.pick(2, 8)}}, **vanishing(d, "sgd")}


def line(**parameters: Any) -> Changes:
    """Return least squares in one coordinate, y = a theta* for uniform a on [-sqrt 3, sqrt 3]."""
    law = {"name": "linear", "inputs": 1, "features": "uniform", "weights": [1.0], "noise": 0.0, "held_out": 0}
    return {"objective": {"name": "linear_model", "intercept": False, "data": law | parameters}, "xi": ["start"]}


@SUPPLY.process(STAYS, "labels that are shifted by a constant meet no line through 0: the gradient has noise in the end")
def shift_that_undoes_interpolation(d: Draw) -> Changes:
    drift = {"name": "piecewise", "values": [0.0, 3.0], "until": [d.share(1.1, 20.0)]}
    return line(drift=drift) | {"learning_rate": d.scale(0.05, 0.3)}


@SUPPLY.process(GOES, "|1 - rate a^2| <= 1, and below 1 on average", in_limit=True)
def held_examples(d: Draw) -> Changes:
    return line(hold=d.pick(2, 8)) | {"learning_rate": d.uniform(0.05, 0.6)}


@SUPPLY.process(UNBOUNDED, "held for H steps each datum multiplies distances by (1 - rate a^2)^H, whose mean square is above 1")
def held_examples_without_mean_square(d: Draw) -> Changes:
    return line(hold=d.pick(8, 16)) | {"learning_rate": d.uniform(0.95, 1.08)}


# Noise of the gradient, clipping, decay


def noisy(noise: Changes, law: Changes | None = None) -> Changes:
    """Return the quadratic over one value, or a law, with noise of the gradient."""
    return {"objective": {"name": "quadratic", "data": law or constant_data(0.5), "gradient_noise": noise}}


@MODIFIERS.process(STAYS, FRESH, in_limit=True)
def noise_of_the_gradient(d: Draw) -> Changes:
    return noisy({"name": "uniform", "low": -1.0, "high": d.uniform(0.5, 2.0)}) | constant(d)


@MODIFIERS.process(GOES, ROBBINS_MONRO, in_limit=True)
def noise_of_the_gradient_and_a_vanishing_rate(d: Draw) -> Changes:
    return noisy({"name": "uniform", "low": -1.0, "high": d.uniform(0.5, 2.0)}) | vanishing(d)


@MODIFIERS.process(STAYS, "stationary, in units of the noise")
def noise_of_another_unit(d: Draw) -> Changes:
    noise = d.pick({"name": "normal", "std": 1e9}, {"name": "cauchy", "scale": 1e7})
    return noisy(noise, UNIFORM.config) | {"learning_rate": d.uniform(0.3, 0.95)}


@MODIFIERS.process(STAYS, "E|Theta_n|^2 is infinite for every n, with the noise")
def noise_without_variance(d: Draw) -> Changes:
    noise = d.pick({"name": "student_t", "df": d.pick(1.5, 2.0)}, {"name": "pareto", "exponent": 1.3, "symmetric": True})
    return noisy(noise) | d.pick(constant(d, "sgd"), vanishing(d, "sgd"))


@MODIFIERS.process(STAYS, "clipped gradients have noise of positive variance at every point", in_limit=True)
def clipped(d: Draw) -> Changes:
    law = d.pick(UNIFORM, data("two_point", low=-0.5, high=1.0, p_high=0.3))
    own = {"name": "sgd", "clip_value": d.scale(0.3, 2.0)}
    return {"objective": quadratic(law), "optimizer": own, "learning_rate": d.scale(0.05, 0.3)}


@MODIFIERS.process(GOES, "clipped gradients are bounded, and their mean vanishes at one point only", in_limit=True)
def clipped_and_a_vanishing_rate(d: Draw) -> Changes:
    law = d.pick({"name": "student_t", "df": 1.5}, {"name": "cauchy"}, UNIFORM.config)
    own = {"name": "sgd", "clip_value": d.scale(1.0, 4.0)}
    rate = power(d.uniform(0.3, 0.6), d.uniform(0.4, 0.65))
    return {"objective": {"name": "quadratic", "data": law}, "optimizer": own, "learning_rate": rate, "xi": "start"}


def decay(d: Draw, *size: float) -> Changes:
    """Return a weight decay of either form."""
    return {"weight_decay": d.scale(*size), "decay_form": d.pick("l2", "decoupled")}


@MODIFIERS.process(STAYS, FRESH, in_limit=True)
def decay_at_a_constant_rate(d: Draw) -> Changes:
    own = constant(d, "sgd", "adam")
    return {"objective": quadratic(smooth(d)), **own, "optimizer": own["optimizer"] | decay(d, 0.01, 1.0)}


@MODIFIERS.process(GOES, ROBBINS_MONRO + ", around where decay and gradients balance", in_limit=True)
def decay_at_a_vanishing_rate(d: Draw) -> Changes:
    own = vanishing(d, "sgd", "adam")
    return {"objective": quadratic(UNIFORM), **own, "optimizer": own["optimizer"] | decay(d, 0.01, 1.0)}


@MODIFIERS.process(STAYS, "decay keeps iterates away from where all examples agree", in_limit=True)
def decay_of_an_interpolating_model(d: Draw) -> Changes:
    return line() | {"optimizer": {"name": "sgd"} | decay(d, 0.05, 1.0), "learning_rate": d.scale(0.05, 0.3)}


@MODIFIERS.process(BLOWS_UP, "decay makes |1 - rate (c + decay)| > 1", in_limit=True)
def decay_that_overshoots(d: Draw) -> Changes:
    return {"objective": quadratic(UNIFORM), "optimizer": {"name": "sgd"} | decay(d, 1.0, 3.0), "learning_rate": 0.9}
