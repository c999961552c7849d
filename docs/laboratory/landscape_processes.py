"""Objectives that are not quadratic: wells, flat and steep bowls, robust losses, multiplicative noise."""

from typing import Any

from laboratory.parts import constant_data, optimizer, plugin, power
from laboratory.process import BLOWS_UP, GOES, STAYS, UNBOUNDED, Changes, Data, Draw, Family, data

LANDSCAPES = Family("other objectives")

FRESH = "the gradient has noise of positive variance at every point, and the rate is constant"
CONVEX = "one minimizer, rates tend to 0 and sum to infinity, gradient noise is bounded"


def objective(name: str, law: Data, **parameters: float) -> Changes:
    """Return an objective, with the plug-in beside this file if it is of that."""
    own = {"plugins": plugin("landscapes")} if name in ("product", "mixed") else {}
    return {**own, "objective": {"name": name, "data": law.config, **parameters}, "xi": ["start", "path_mean"]}


def noise(d: Draw) -> Data:
    """Return bounded noise of mean 0."""
    size = d.scale(0.5, 2.0)
    return d.pick(data("rademacher"), data("uniform", low=-size, high=size), data("two_point", low=-size, high=size))


def smooth_data(d: Draw) -> Data:
    """Return a law with a density: robust losses of two far points are flat between them."""
    size = d.scale(0.5, 1.5)
    return d.pick(data("uniform", low=-size, high=size), data("normal", std=size), data("truncated_normal"))


def double_well(d: Draw, law: Data) -> Changes:
    """Return two wells at -1 and 1 with a start in one of them."""
    changes = {"objective": {"name": "double_well", "data": law.config}}
    return changes | {"start": d.pick({"name": "rademacher"}, 1.0), "xi": ["start"]}


@LANDSCAPES.process(STAYS, FRESH)
def double_well_with_rare_hops(d: Draw) -> Changes:
    return double_well(d, data("uniform", low=-2.0, high=2.0)) | {"learning_rate": d.scale(0.05, 0.2)}


@LANDSCAPES.process(STAYS, FRESH, in_limit=True)
def double_well_with_many_hops(d: Draw) -> Changes:
    return double_well(d, data("uniform", low=-2.0, high=2.0)) | {"learning_rate": d.uniform(0.25, 0.4)}


@LANDSCAPES.process(STAYS, FRESH, in_limit=True)
def double_well_without_hops(d: Draw) -> Changes:
    return double_well(d, data("uniform", low=-0.5, high=0.5)) | {"learning_rate": d.scale(0.02, 0.1)}


@LANDSCAPES.process(GOES, "hops have a finite expected number, then it is Robbins and Monro's case within one well")
def double_well_with_a_vanishing_rate(d: Draw) -> Changes:
    rate = power(d.uniform(0.2, 0.5), d.uniform(0.55, 0.8))
    return double_well(d, data("uniform", low=-0.5, high=0.5)) | {"learning_rate": rate}


@LANDSCAPES.process(STAYS, FRESH, in_limit=True)
def double_well_adam(d: Draw) -> Changes:
    changes = double_well(d, data("uniform", low=-0.5, high=0.5))
    return changes | {"optimizer": optimizer(d, "adam"), "learning_rate": d.scale(0.01, 0.05)}


@LANDSCAPES.process(STAYS, FRESH, in_limit=True)
def flat_bowl(d: Draw) -> Changes:
    return objective("power", noise(d)) | {"learning_rate": d.scale(0.05, 0.3)}


@LANDSCAPES.process(GOES, CONVEX)
def flat_bowl_with_a_vanishing_rate(d: Draw) -> Changes:
    return objective("power", noise(d)) | {"learning_rate": power(d.uniform(0.1, 0.3), d.uniform(0.4, 0.8))}


@LANDSCAPES.process(GOES, "theta <- theta - rate theta^3 from |theta| < 1/sqrt(rate): |theta_n| ~ (2 rate n)^(-1/2)")
def flat_bowl_without_noise(d: Draw) -> Changes:
    law = Data(constant_data(0.0), 0.0, 0.0)
    return objective("power", law) | {"learning_rate": d.uniform(0.02, 0.3), "start": d.uniform(0.5, 1.5)}


@LANDSCAPES.process(STAYS, FRESH, in_limit=True)
def log_cosh(d: Draw) -> Changes:
    return objective("log_cosh", smooth_data(d)) | {"learning_rate": d.scale(0.05, 0.5)}


@LANDSCAPES.process(GOES, CONVEX, in_limit=True)
def log_cosh_with_a_vanishing_rate(d: Draw) -> Changes:
    return objective("log_cosh", smooth_data(d)) | {"learning_rate": power(d.uniform(0.8, 2.0), d.uniform(0.4, 0.65))}


@LANDSCAPES.process(STAYS, FRESH, in_limit=True)
def huber(d: Draw) -> Changes:
    return objective("huber", smooth_data(d), delta=d.uniform(0.5, 2.0)) | {"learning_rate": d.scale(0.08, 0.5)}


@LANDSCAPES.process(STAYS, FRESH, in_limit=True)
def huber_adam(d: Draw) -> Changes:
    changes = objective("huber", smooth_data(d), delta=d.uniform(0.5, 2.0))
    return changes | {"optimizer": optimizer(d, "adam"), "learning_rate": d.scale(0.02, 0.1)}


@LANDSCAPES.process(GOES, CONVEX, in_limit=True)
def huber_with_a_vanishing_rate(d: Draw) -> Changes:
    return objective("huber", smooth_data(d), delta=1.0) | {"learning_rate": power(d.uniform(0.8, 2.0), d.uniform(0.4, 0.65))}


FACTOR = data("uniform", low=-(3.0**0.5), high=3.0**0.5)
"""The factor a of (a theta)^2/2: E a^2 = 1, E a^4 = 9/5."""


def product(start: float = 1.0) -> Changes:
    """Return least squares (a theta)^2/2 with random a: theta <- (1 - rate a^2) theta."""
    return objective("product", FACTOR) | {"start": start}


@LANDSCAPES.process(GOES, "E(1 - rate a^2)^2 = 1 - 2 rate + 9/5 rate^2 < 1: the mean square falls linearly")
def multiplicative_noise(d: Draw) -> Changes:
    return product(d.uniform(0.5, 2.0)) | {"learning_rate": d.uniform(0.1, 0.6)}


@LANDSCAPES.process(
    UNBOUNDED,
    "E(1 - rate a^2)^2 > 1 > exp E log|1 - rate a^2|: to 0 almost surely, but E|Theta_n|^2 -> infinity,"
    " so no xi is a limit in mean square",
)
def multiplicative_noise_without_mean_square(d: Draw) -> Changes:
    return product() | {"learning_rate": d.uniform(1.15, 1.9)}


@LANDSCAPES.process(BLOWS_UP, "E log|1 - rate a^2| > 0: to infinity almost surely", in_limit=True)
def unstable_multiplicative_noise(d: Draw) -> Changes:
    return product() | {"learning_rate": d.uniform(3.0, 5.0)}


@LANDSCAPES.process(STAYS, FRESH + "; noise that grows with the error stays finite", in_limit=True)
def noise_that_grows_with_the_error(d: Draw) -> Changes:
    """theta <- theta - rate (1 + X/2) theta - rate X: additive and multiplicative noise."""
    return objective("mixed", data("uniform", low=-1.0, high=1.0)) | {"learning_rate": d.scale(0.05, 0.5)}


@LANDSCAPES.process(GOES, "one minimizer, rates tend to 0 and sum to infinity, noise grows at most linearly", in_limit=True)
def growing_noise_and_a_vanishing_rate(d: Draw) -> Changes:
    rate = power(d.uniform(0.5, 1.2), d.uniform(0.4, 0.75))
    return objective("mixed", data("uniform", low=-1.0, high=1.0)) | {"learning_rate": rate}


FLAT = data("rademacher")


def flat(rate: Any) -> Changes:
    """Return an objective without curvature, X theta with E X = 0: the iterate is a random walk."""
    return objective("linear", FLAT) | {"learning_rate": rate}


@LANDSCAPES.process(UNBOUNDED, "a random walk with steps that do not shrink: E|Theta_n|^2 = rate^2 n")
def random_walk(d: Draw) -> Changes:
    return flat(d.scale(0.01, 1.0))


@LANDSCAPES.process(
    UNBOUNDED, "a random walk whose squared steps sum to infinity: the rate vanishes, the iterate does not settle"
)
def random_walk_with_a_vanishing_rate(d: Draw) -> Changes:
    return flat(power(d.uniform(0.1, 1.0), d.uniform(0.1, 0.45)))


@LANDSCAPES.process(GOES, "a random walk whose squared steps have a finite sum: a martingale bounded in L2 converges")
def random_walk_with_summable_squares(d: Draw) -> Changes:
    return flat(power(d.uniform(0.1, 1.0), d.uniform(0.7, 1.0)))


@LANDSCAPES.process(GOES, CONVEX)
def adagrad_on_log_cosh(d: Draw) -> Changes:
    return objective("log_cosh", noise(d)) | {"optimizer": "adagrad", "learning_rate": d.uniform(0.3, 1.5)}


@LANDSCAPES.process(STAYS, FRESH + "; between two far points the loss is flat, and the iterate a random walk between them")
def huber_flat_between_two_points(d: Draw) -> Changes:
    law = data("two_point", low=-2.0, high=2.0)
    return objective("huber", law, delta=d.uniform(0.3, 1.0)) | {"learning_rate": d.scale(0.05, 0.5)}


@LANDSCAPES.process(
    STAYS, "between two far points the loss is flat: a random walk between them, whose squared steps sum to infinity"
)
def huber_flat_with_a_vanishing_rate(d: Draw) -> Changes:
    law = data("two_point", low=-2.0, high=2.0)
    return objective("huber", law, delta=d.uniform(0.3, 1.0)) | {
        "learning_rate": power(d.uniform(0.5, 1.5), d.uniform(0.2, 0.45))
    }


@LANDSCAPES.process(
    STAYS, "rate/eps times a^2 multiplies a small error by millions: it grows until v has grown, again and again"
)
def multiplicative_noise_adam(d: Draw) -> Changes:
    rule = {"name": "adam", "beta1": d.pick(0.0, 0.5, 0.9), "beta2": d.pick(0.9, 0.99)}
    return product(d.uniform(0.5, 2.0)) | {"optimizer": rule, "learning_rate": d.scale(0.01, 0.1)}
