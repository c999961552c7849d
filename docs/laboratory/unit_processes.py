"""Large and small units, far starts: nothing in the truth depends on a unit, or on where the iterate comes from."""

from laboratory.parts import any_optimizer, constant_data, power, quadratic, step_scale
from laboratory.process import GOES, STAYS, Changes, Draw, Family, data, round3

UNITS = Family("units and far starts")

FORGOTTEN = "a constant rate forgets its start and keeps its noise"
ON_ITS_WAY = FORGOTTEN + ", but not within the run"


@UNITS.process(STAYS, FORGOTTEN, in_limit=True)
def large_units(d: Draw) -> Changes:
    size = d.scale(1e6, 1e12)
    law = d.pick(data("two_point", low=-size, high=size), data("uniform", low=0.0, high=size), data("normal", std=size))
    return {"objective": quadratic(law), "learning_rate": d.scale(0.03, 0.3)}


@UNITS.process(STAYS, FORGOTTEN, in_limit=True)
def large_units_adaptive(d: Draw) -> Changes:
    law = data("two_point", low=-1.0, high=d.scale(1e6, 1e10))
    rule = {"name": d.pick("adam", "adabelief"), "beta2": 0.99}
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": round3(law.sd * d.scale(0.03, 0.2))}


@UNITS.process(STAYS, FORGOTTEN, in_limit=True)
def small_units(d: Draw) -> Changes:
    size = d.scale(1e-12, 1e-5)
    law = d.pick(data("two_point", low=-size, high=size), data("uniform", low=0.0, high=size), data("normal", std=size))
    return {"objective": quadratic(law), "learning_rate": d.scale(0.03, 0.3)}


@UNITS.process(GOES, "rates tend to 0, their sum is infinite", in_limit=True)
def large_units_and_a_vanishing_rate(d: Draw) -> Changes:
    size = d.scale(1e6, 1e12)
    law = d.pick(data("two_point", low=-size, high=size), data("normal", std=size))
    return {"objective": quadratic(law), "learning_rate": power(d.uniform(0.3, 0.8), d.uniform(0.4, 0.75))}


@UNITS.process(STAYS, FORGOTTEN, in_limit=True)
def data_far_from_zero(d: Draw) -> Changes:
    mean = d.scale(1e3, 1e7)
    law = data("normal", mean=mean, std=1.0)
    return {"objective": quadratic(law), "learning_rate": d.scale(0.05, 0.5)}


@UNITS.process(STAYS, FORGOTTEN, in_limit=True)
def far_start_forgotten(d: Draw) -> Changes:
    return {"objective": quadratic(d.any_data()), "learning_rate": d.scale(0.05, 0.5), "start": d.scale(1e2, 1e8)}


@UNITS.process(STAYS, ON_ITS_WAY)
def far_start_on_its_way(d: Draw) -> Changes:
    rate = round3(d.scale(0.1, 8.0) / d.steps)
    return {"objective": quadratic(d.any_data()), "learning_rate": rate, "start": d.scale(1e2, 1e9)}


@UNITS.process(STAYS, ON_ITS_WAY)
def far_start_without_the_twin_floor(d: Draw) -> Changes:
    rate = round3(d.scale(1.0, 20.0) / d.steps)
    changes = {"objective": quadratic(d.any_data()), "learning_rate": rate, "start": d.scale(1e2, 1e6)}
    return changes | {"floors": {"twin": False}, "steps": d.pick(1, 4) * d.steps}


@UNITS.process(STAYS, ON_ITS_WAY + ": steps are at most C rate long")
def adam_on_its_way(d: Draw) -> Changes:
    law = d.bounded_data()
    rule = {"name": d.pick("adam", "rmsprop", "adabelief")}
    return {
        "objective": quadratic(law),
        "optimizer": rule,
        "learning_rate": round3(law.sd * d.scale(0.01, 0.1)),
        "start": d.scale(200.0, 1e6) * law.sd,
    }


@UNITS.process(STAYS, ON_ITS_WAY)
def one_coordinate_on_its_way(d: Draw) -> Changes:
    """The others have long been stationary."""
    rate = d.uniform(0.1, 0.5)
    scales = [1.0, round3(d.scale(0.3, 3.0) / d.steps / rate), 1.0]
    start = [0.0, d.scale(1e2, 1e5), 0.0]
    return {"objective": quadratic(d.bounded_data(), scale=scales, dim=3), "learning_rate": rate, "start": start}


@UNITS.process(GOES, "the error is multiplied by 1 - c rate at each step")
def descent_from_afar(d: Draw) -> Changes:
    law = constant_data(d.uniform(-1.0, 1.0))
    rate = round3(d.scale(0.3, 20.0) / d.steps / 2.0)
    return {"objective": {"name": "quadratic", "data": law}, "learning_rate": rate, "start": d.scale(1e7, 1e12)}


@UNITS.process(GOES, "rates tend to 0, their sum is infinite")
def afar_with_a_vanishing_rate(d: Draw) -> Changes:
    rate = power(d.scale(0.01, 0.1), d.uniform(0.5, 0.9))
    return {"objective": quadratic(d.any_data()), "learning_rate": rate, "start": d.scale(1e3, 1e9)}


@UNITS.process(GOES, "rates tend to 0, their sum is infinite")
def vanishing_without_the_twin_floor(d: Draw) -> Changes:
    rule, law = any_optimizer(d), d.bounded_data()
    rate = power(round3(step_scale(rule, law) * d.uniform(0.7, 1.5)), d.uniform(0.4, 0.75))
    return {"objective": quadratic(law), "optimizer": rule, "learning_rate": rate, "floors": {"twin": False}}
