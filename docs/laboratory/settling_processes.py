"""States that still settle when the run ends: averages that fill or empty, maxima that rise."""

from laboratory.parts import plugin, power, quadratic
from laboratory.process import GOES, STAYS, Changes, Draw, Family, data, round3

SETTLING = Family("states that settle")

FULL = "the average of squares reaches its stationary law after some 1/(1 - beta2) steps; then it is a constant rate"


def rate(d: Draw) -> float:
    """Return a rate whose relaxation takes between 3 and 100 steps on data of spread 1."""
    return d.scale(0.01, 0.3)


@SETTLING.process(STAYS, FULL)
def averages_that_fill(d: Draw) -> Changes:
    rule = {"name": d.pick("adam", "rmsprop"), "beta2": d.pick(0.999, 0.9999, 0.99999), "bias_correction": False}
    return {"optimizer": rule, "learning_rate": rate(d)}


@SETTLING.process(STAYS, FULL)
def averages_that_fill_on_skewed_data(d: Draw) -> Changes:
    law = data("two_point", low=0.0, high=1.0, p_high=d.uniform(0.05, 0.3))
    rule = {"name": d.pick("adam", "rmsprop"), "beta2": d.pick(0.9999, 0.99999), "bias_correction": False}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * rate(d))}


@SETTLING.process(STAYS, FULL)
def first_gradient_too_small(d: Draw) -> Changes:
    """v starts at the square of a usual gradient, which is far below that of the rare ones."""
    p = d.scale(0.005, 0.03)
    law = data("two_point", low=round3(-p / (1 - p)), high=1.0, p_high=p)
    beta2 = d.pick(0.9999, 0.99999)
    rule = {"name": "adam", "beta2": beta2, "start": "first_gradient", "bias_correction": False}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": d.scale(0.003, 0.03), "steps": 2 * d.steps}


@SETTLING.process(STAYS, FULL)
def first_gradient_too_large(d: Draw) -> Changes:
    """v starts at the square of a gradient from afar, and shrinks: the steps grow."""
    rule = {"name": d.pick("adam", "rmsprop"), "beta2": d.pick(0.9995, 0.9999), "start": "first_gradient"}
    rule["bias_correction"] = False
    return {"optimizer": rule, "learning_rate": rate(d), "start": d.scale(3.0, 30.0)}


@SETTLING.process(STAYS, "corrected averages have the right mean at once, and in the end a stationary law", in_limit=True)
def corrected_averages(d: Draw) -> Changes:
    law = data("two_point", low=-1.0, high=1.0, p_high=d.uniform(0.3, 0.7))
    rule = {"name": d.pick("adam", "rmsprop"), "beta2": d.pick(0.999, 0.9999, 0.99999)}
    if rule["name"] == "rmsprop":
        rule["bias_correction"] = True
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * d.scale(0.03, 0.3))}


@SETTLING.process(GOES, "the rate tends to 0, its sum is infinite, and the average of squares has a positive limit")
def averages_that_fill_and_a_vanishing_rate(d: Draw) -> Changes:
    rule = {"name": d.pick("adam", "rmsprop"), "beta2": d.pick(0.999, 0.9999), "bias_correction": False}
    return {"optimizer": rule, "learning_rate": power(d.scale(0.5, 2.0), d.uniform(0.4, 0.75))}


@SETTLING.process(STAYS, "the maximum is bounded as the data are, so it has a limit; then it is a constant rate")
def amsgrad_with_rare_outliers(d: Draw) -> Changes:
    p, size = d.scale(1e-5, 1e-3), d.scale(10.0, 100.0)
    values, probabilities = [-size, -1.0, 1.0, size], [p / 2, 0.5 - p / 2, 0.5 - p / 2, p / 2]
    law = data("discrete", values=values, probabilities=probabilities)
    rule = {"name": "amsgrad", "beta2": d.pick(0.99, 0.999)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate(d), "steps": d.pick(1, 4) * d.steps}


@SETTLING.process(STAYS, "the maximum is bounded as the data are, so it has a limit; then it is a constant rate")
def amsgrad_with_a_rising_maximum(d: Draw) -> Changes:
    law = data("two_point", low=0.0, high=1.0, p_high=d.uniform(0.02, 0.2))
    rule = {"name": "amsgrad", "beta2": d.pick(0.999, 0.9999), "bias_correction": d.pick(True, False)}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * rate(d))}


@SETTLING.process(STAYS, "AdaBelief's average of deviations fills without correction; then it is a constant rate")
def adabelief_uncorrected(d: Draw) -> Changes:
    rule = {"name": "adabelief", "beta2": d.pick(0.999, 0.9999, 0.99999), "bias_correction": False}
    return {"optimizer": rule, "learning_rate": rate(d)}


@SETTLING.process(STAYS, "a moving average from 0 fills within 1/(1 - beta) steps; then it is a constant rate")
def slow_momentum_that_fills(d: Draw) -> Changes:
    rule = {"name": "momentum", "form": "ema", "beta": d.pick(0.99, 0.999), "start": d.pick("zero", "first_gradient")}
    return {"optimizer": rule, "learning_rate": d.scale(0.01, 0.3), "start": d.pick(0.0, 5.0)}


@SETTLING.process(GOES, "SGD whose rate is rate n^-exponent by its own rule", in_limit=True)
def rule_that_shrinks_its_steps(d: Draw) -> Changes:
    rule = {"name": "annealed", "exponent": d.uniform(0.4, 0.8)}
    return {"plugins": plugin("rules"), "optimizer": rule, "learning_rate": d.uniform(0.3, 0.8)}


@SETTLING.process(STAYS, "SGD whose rate falls to rate times rest by its own rule")
def rule_that_shrinks_its_steps_to_a_limit(d: Draw) -> Changes:
    rule = {"name": "annealed", "exponent": d.uniform(0.3, 0.8), "rest": d.scale(1e-3, 0.1)}
    return {"plugins": plugin("rules"), "optimizer": rule, "learning_rate": d.uniform(0.3, 0.8)}
