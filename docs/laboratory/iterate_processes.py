"""Averages of iterates, each judged as a process of its own; and the rules, rates and laws that go with them."""

from typing import Any

from laboratory.parts import constant_data, power, quadratic
from laboratory.process import BLOWS_UP, GOES, STAYS, UNBOUNDED, Changes, Draw, Family, data
from laboratory.step_processes import UNIFORM, away, drifting, line, slopes, smooth

AVERAGES = Family("averages")
RULES = Family("more rules, rates and laws")

ERGODIC = "a mean of a stationary process forgets single iterates: its variance is of order 1/n"
STATIONARY = "iterates have a stationary law of positive variance"
ROBBINS_MONRO = "rates tend to 0 and their sum is infinite"
SETTLED: tuple[Changes, ...] = ({"name": "radam", "beta2": 0.99}, {"name": "adopt", "beta2": 0.99})
"""Rules whose averages of squares would fill for longer than the run."""
SAMPLE = (*SETTLED, "rmsprop", "adam", "nadam", "adamax", "lion", "signum", "sign_descent", "schedule_free_sgd")


def mean(d: Draw) -> Changes:
    """Return a mean of all iterates, or of all after a step, as what is judged."""
    chosen = d.pick("polyak", "tail", {"name": "polyak", "after": 0.1}, {"name": "polynomial", "power": 3.0})
    return {"iterates": ["last", chosen]}


def exponential(d: Draw) -> Changes:
    """Return an exponential average, as what is judged."""
    return {"iterates": ["last", {"name": "ema", "decay": d.pick(0.5, 0.9, 0.99)}]}


@AVERAGES.process(GOES, ERGODIC, in_limit=True)
def mean_of_sgd(d: Draw) -> Changes:
    return {"objective": quadratic(UNIFORM), "learning_rate": d.scale(0.05, 0.5), **mean(d)}


@AVERAGES.process(GOES, ERGODIC + ", though not to the minimizer", in_limit=True)
def mean_of_adam_on_skewed_data(d: Draw) -> Changes:
    law = data("log_uniform", low=0.05, high=3.0, sign="positive")
    return {"objective": quadratic(law), "optimizer": "adam", "learning_rate": d.scale(0.03, 0.3), **mean(d)}


@AVERAGES.process(STAYS, "an average of some hundred iterates has a share of their variance", in_limit=True)
def exponential_average(d: Draw) -> Changes:
    return {"objective": quadratic(UNIFORM), "learning_rate": d.scale(0.05, 0.5), **exponential(d)}


@AVERAGES.process(GOES, ROBBINS_MONRO)
def exponential_average_and_a_vanishing_rate(d: Draw) -> Changes:
    rate = power(d.uniform(0.3, 0.8), d.uniform(0.4, 0.7))
    return {"objective": quadratic(UNIFORM), "learning_rate": rate, **exponential(d)}


@AVERAGES.process(GOES, "the own average of schedule-free methods has weights of order 1/n")
def own_average(d: Draw) -> Changes:
    rule = d.pick("schedule_free_sgd", "schedule_free_adamw")
    rate = d.scale(0.05, 0.3)
    return {"objective": quadratic(UNIFORM), "optimizer": rule, "learning_rate": rate, "iterates": ["last", "own"]}


@AVERAGES.process(UNBOUNDED, "averages follow a drift that has no bound")
def mean_of_a_drift(d: Draw) -> Changes:
    return drifting(away(d)) | {"learning_rate": d.scale(0.05, 0.5)} | mean(d)


@AVERAGES.process(STAYS, "averages follow sin(log n), whose means have no limit")
def mean_of_slower_and_slower_oscillation(d: Draw) -> Changes:
    drift = {"name": "formula", "value": f"{d.scale(1e-3, 1.0)} * sin({d.uniform(0.5, 3.0)} * log(n))"}
    return drifting(drift) | {"learning_rate": d.scale(0.05, 0.5)} | mean(d)


@AVERAGES.process(STAYS, "Adam's point on skewed data depends on the rate, which oscillates more and more slowly")
def mean_around_a_moving_point(d: Draw) -> Changes:
    rate = {"name": "formula", "value": f"0.06 + 0.05 * sin({d.uniform(1.0, 3.0)} * log(n))"}
    law = data("two_point", low=0.0, high=1.0, p_high=0.1)
    rule = {"name": "adam", "beta1": 0.0, "beta2": 0.5}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, **mean(d)}


@AVERAGES.process(UNBOUNDED, "the mean of a random walk is as far away as the walk")
def mean_of_a_random_walk(d: Draw) -> Changes:
    return {
        "objective": {"name": "linear", "data": "rademacher"},
        "learning_rate": d.scale(0.01, 0.5),
        "xi": "start",
        **mean(d),
    }


@AVERAGES.process(UNBOUNDED, "one iterate in n has a weight of 1/n, and E|Theta_n|^2 grows by a factor per step")
def mean_without_mean_square(d: Draw) -> Changes:
    return line(noise=d.pick(0.0, 0.5)) | {"learning_rate": d.uniform(1.2, 1.9)} | mean(d)


@AVERAGES.process(STAYS, "data without a variance give every mean an infinite variance")
def mean_of_heavy_tails(d: Draw) -> Changes:
    law = {"name": "student_t", "df": d.pick(1.5, 2.0)}
    return {"objective": {"name": "quadratic", "data": law}, "learning_rate": d.scale(0.05, 0.5), "xi": "start", **mean(d)}


@AVERAGES.process(BLOWS_UP, "the mean of what grows by a factor per step grows by it, too", in_limit=True)
def mean_of_unstable_sgd(d: Draw) -> Changes:
    return {"objective": quadratic(UNIFORM), "learning_rate": d.uniform(1.2, 2.0), **mean(d)}


@AVERAGES.process(GOES, "the mean of a cycle tends to its middle")
def mean_of_a_cycle(d: Draw) -> Changes:
    law = {"name": "sequence", "values": [3.0, -1.0, -1.0], "order": "cyclic"}
    return {"objective": {"name": "quadratic", "data": law}, "learning_rate": d.scale(0.05, 0.5), **mean(d)}


@RULES.process(STAYS, STATIONARY, in_limit=True)
def rules_at_a_constant_rate(d: Draw) -> Changes:
    return {"objective": quadratic(UNIFORM), "optimizer": d.pick(*SAMPLE), "learning_rate": d.scale(0.03, 0.2)}


@RULES.process(GOES, ROBBINS_MONRO, in_limit=True)
def rules_at_a_vanishing_rate(d: Draw) -> Changes:
    rate = power(d.uniform(0.4, 0.9), d.pick(0.5, 0.6))
    return {"objective": quadratic(UNIFORM), "optimizer": d.pick(*SAMPLE), "learning_rate": rate}


@RULES.process(GOES, ROBBINS_MONRO + "; steps are bounded, whatever the data")
def signs_on_heavy_tails(d: Draw) -> Changes:
    law: Changes = d.pick({"name": "student_t", "df": d.pick(1.5, 2.0)}, {"name": "cauchy"})
    rate = power(d.uniform(0.3, 1.0), d.uniform(0.4, 0.7))
    return {"objective": {"name": "quadratic", "data": law}, "optimizer": "sign_descent", "learning_rate": rate, "xi": "start"}


@RULES.process(STAYS, "data with a variance, but without a fourth moment: " + STATIONARY)
def sgd_without_fourth_moment(d: Draw) -> Changes:
    law = {"name": "student_t", "df": d.pick(2.2, 2.5, 3.0, 3.5)}
    return {"objective": {"name": "quadratic", "data": law}, "learning_rate": d.scale(0.05, 0.5)}


@RULES.process(STAYS, "E(1 - rate a^2)^2 > 1 > exp E log|1 - rate a^2|: a stationary law without a variance")
def stationary_law_without_variance(d: Draw) -> Changes:
    return line(noise=d.scale(0.1, 1.0)) | {"learning_rate": d.uniform(1.15, 2.05)}


@RULES.process(UNBOUNDED, "log(1 + exp(-x theta)) has no minimizer: theta grows as log n, or as the log of the sum of rates")
def separable_classes(d: Draw) -> Changes:
    objective = {"name": "formula", "loss": "log(1 + exp(-x*theta))"}
    rate = d.pick(d.scale(0.1, 3.0), power(d.uniform(0.5, 2.0), d.uniform(0.2, 1.0)))
    return {"objective": objective | {"data": d.pick({"name": "uniform", "low": 0.5, "high": 1.5}, constant_data(1.0))}} | {
        "learning_rate": rate,
        "xi": ["start"],
    }


@RULES.process(UNBOUNDED, "a mean slope that noise hides: iterates follow it as far as rates add up, which is without bound")
def slope_hidden_by_noise(d: Draw) -> Changes:
    law = data("two_point", low=-1.0, high=1.0, p_high=round(0.5 + d.scale(5e-4, 0.02), 5))
    rate = power(d.uniform(0.2, 0.8), d.uniform(0.75, 1.0))
    own = d.pick({}, mean(d))
    return {"objective": {"name": "linear", "data": law.config}, "learning_rate": rate, "xi": "start", **own}


def formula(text: str) -> Changes:
    """Return a rate by a formula."""
    return {"name": "formula", "value": text}


@RULES.process(GOES, ROBBINS_MONRO + ", slowly, or after the run")
def rates_that_vanish_in_the_end(d: Draw) -> Changes:
    rate = d.pick(
        "0.3 / log(n + 2)", "0.3 * n**-0.1", f"where(n < {d.share(1.1, 50.0)}, 0.1, 100 / n)", "0.2 / log(log(n + 20))"
    )
    return {"objective": quadratic(smooth(d)), "learning_rate": formula(rate)}


@RULES.process(STAYS, "the rate comes back for ever")
def rates_that_come_back(d: Draw) -> Changes:
    rate = d.pick(f"0.1 * abs(sin({d.uniform(0.5, 2.0)} * log(n)))", "0.2 * max(0, sin(log(n)))")
    return {"objective": quadratic(UNIFORM), "learning_rate": formula(rate)}


@RULES.process(GOES, "a rate of unknown limit that vanishes, not shown by the run")
def rates_of_unknown_limit(d: Draw) -> Changes:
    return {"objective": quadratic(UNIFORM), "learning_rate": formula("0.1 * (1 + sin(n**1.01)) / n**0.3")}


def noise_free_power(d: Draw) -> Any:
    """Return the loss |theta|^k / k over one value."""
    return {"name": "power", "exponent": d.pick(3.0, 4.0, 6.0), "data": constant_data(0.0)}


@RULES.process(GOES, "|theta_n| falls as a power of n, slowly")
def flat_minimum(d: Draw) -> Changes:
    return {"objective": noise_free_power(d), "learning_rate": d.scale(0.05, 0.25), "start": d.uniform(0.5, 1.2)}


@RULES.process(GOES, "a mean of slopes, projected: " + ERGODIC)
def mean_of_slopes_of_both_signs(d: Draw) -> Changes:
    return slopes(d) | {"learning_rate": d.scale(0.03, 0.3)} | mean(d)
