"""Rates and batches that come back forever, and waves that die out."""

from laboratory.parts import any_optimizer, plugin, quadratic, step_scale
from laboratory.process import GOES, STAYS, Changes, Draw, Family, round3

PERIODIC = Family("periodic schedules")

COMES_BACK = "the rate is positive again in each period, and its noise moves the iterate by the same amount again"


def cyclic(d: Draw, low: float, high: float, period: int) -> Changes:
    """Return a run of any rule with a triangle wave; low and high are in units of the rule's rate."""
    rule, law = any_optimizer(d), d.bounded_data()
    unit = step_scale(rule, law)
    rate = {"name": "cyclic", "low": round3(unit * low), "high": round3(unit * high), "period": period}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@PERIODIC.process(STAYS, COMES_BACK, in_limit=True)
def short_periods(d: Draw) -> Changes:
    return cyclic(d, d.scale(0.05, 0.2), d.scale(0.3, 0.8), d.whole(2, 40))


@PERIODIC.process(STAYS, COMES_BACK, in_limit=True)
def short_odd_periods(d: Draw) -> Changes:
    return cyclic(d, d.pick(0.0, 0.1), d.scale(0.3, 0.8), 2 * d.whole(1, 30) + 1)


@PERIODIC.process(STAYS, COMES_BACK, in_limit=True)
def periods_that_are_powers_of_two(d: Draw) -> Changes:
    return cyclic(d, d.scale(0.05, 0.3), d.scale(0.4, 0.8), 2 ** d.whole(1, 6))


@PERIODIC.process(STAYS, COMES_BACK, in_limit=True)
def sgd_with_large_swings(d: Draw) -> Changes:
    rate = {"name": "cyclic", "low": d.pick(0.0, 0.2), "high": d.uniform(0.7, 0.95), "period": 2 ** d.whole(3, 7)}
    return {"objective": quadratic(d.any_data()), "learning_rate": rate, "steps": 2 * d.steps}


@PERIODIC.process(STAYS, COMES_BACK, in_limit=True)
def short_periods_from_zero(d: Draw) -> Changes:
    return cyclic(d, 0.0, d.scale(0.3, 0.8), d.whole(2, 40))


@PERIODIC.process(STAYS, COMES_BACK)
def periods_of_a_part_of_the_run(d: Draw) -> Changes:
    return cyclic(d, d.pick(0.0, 0.01, 0.1), d.scale(0.2, 0.6), d.share(0.05, 0.4))


@PERIODIC.process(STAYS, COMES_BACK)
def periods_as_long_as_the_run(d: Draw) -> Changes:
    return cyclic(d, d.pick(0.0, 0.01), d.scale(0.2, 0.6), d.share(0.6, 1.5))


@PERIODIC.process(STAYS, COMES_BACK)
def periods_longer_than_the_run(d: Draw) -> Changes:
    return cyclic(d, 0.0, d.scale(0.2, 0.6), d.share(2.0, 50.0))


def restarts(d: Draw, low: float, period: int) -> Changes:
    """Return a run of any rule with half cosines that start again."""
    rule, law = any_optimizer(d), d.bounded_data()
    unit = step_scale(rule, law)
    high = round3(unit * d.uniform(0.2, 0.6))
    rate = {"name": "restarts", "high": high, "low": round3(low * high), "period": period}
    return {"plugins": plugin("restarts"), "objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@PERIODIC.process(STAYS, COMES_BACK, in_limit=True)
def short_warm_restarts(d: Draw) -> Changes:
    return restarts(d, d.pick(0.0, 0.1), d.whole(5, 60))


@PERIODIC.process(STAYS, COMES_BACK)
def warm_restarts(d: Draw) -> Changes:
    return restarts(d, d.pick(0.0, 0.01), d.share(0.05, 0.4))


@PERIODIC.process(STAYS, COMES_BACK)
def warm_restarts_with_a_period_of_the_run(d: Draw) -> Changes:
    return restarts(d, d.pick(0.0, 0.01), d.share(0.7, 5.0))


@PERIODIC.process(STAYS, COMES_BACK)
def restarts_that_double(d: Draw) -> Changes:
    """Cycles of p, 2p, 4p, ... steps: the rate comes back to `high` ever more rarely, but always."""
    rule, law = any_optimizer(d), d.bounded_data()
    high = round3(step_scale(rule, law) * d.uniform(0.2, 0.6))
    rate = {"name": "doubling_restarts", "high": high, "period": d.whole(3, 40)}
    return {"plugins": plugin("restarts"), "objective": quadratic(law), "optimizer": rule, "learning_rate": rate}


@PERIODIC.process(
    GOES, "the wave lies between rate/2 n^-rho and 3/2 rate n^-rho: rates tend to 0, their sum is infinite", in_limit=True
)
def waves_that_die_out(d: Draw) -> Changes:
    rate = {"name": "fading_wave", "value": d.uniform(0.2, 0.5), "exponent": d.uniform(0.4, 0.8), "period": d.whole(3, 60)}
    return {"plugins": plugin("restarts"), "objective": quadratic(d.any_data()), "learning_rate": rate}


@PERIODIC.process(STAYS, "V_n is at least that of SGD with the larger batch throughout, which is positive", in_limit=True)
def batches_that_alternate(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.bounded_data()
    batch = {"name": "alternating", "small": 1, "large": d.pick(8, 64), "period": d.pick(2, 7, 16, 64)}
    changes = {"plugins": plugin("restarts"), "objective": quadratic(law), "optimizer": rule, "batch_size": batch}
    return changes | {"learning_rate": round3(step_scale(rule, law) * d.scale(0.05, 0.5))}


@PERIODIC.process(STAYS, "V_n is at least that of SGD with the larger batch throughout, which is positive")
def batches_that_alternate_slowly(d: Draw) -> Changes:
    law = d.bounded_data()
    batch = {"name": "alternating", "small": 1, "large": d.pick(16, 64), "period": d.share(0.3, 3.0)}
    changes = {"plugins": plugin("restarts"), "objective": quadratic(law), "batch_size": batch}
    return changes | {"learning_rate": d.scale(0.03, 0.3)}


@PERIODIC.process(STAYS, "the product of (1 - g_n)^2 over a period is below 1, so V_n is periodic in the end", in_limit=True)
def sgd_beyond_stability_at_the_peak(d: Draw) -> Changes:
    rate = {"name": "cyclic", "low": d.uniform(0.05, 0.3), "high": d.uniform(1.0, 1.15), "period": d.whole(8, 60)}
    return {"objective": quadratic(d.any_data()), "learning_rate": rate}


@PERIODIC.process(STAYS, "every other half period has batches of one: V_n comes back to the same positive values")
def batches_that_grow_in_turn(d: Draw) -> Changes:
    batch = {"name": "growing_in_turn", "exponent": d.uniform(0.3, 0.7), "period": d.pick(2, 8, 64, d.share(0.1, 0.5))}
    changes = {"plugins": plugin("restarts"), "objective": quadratic(d.bounded_data()), "batch_size": batch}
    return changes | {"learning_rate": d.uniform(0.05, 0.5), "steps": d.steps // 4}
