"""Networks: linear and small tanh ones, with noise in the labels or without."""

from typing import Any

from laboratory.parts import optimizer, pieces, power
from laboratory.process import GOES, STAYS, UNBOUNDED, Changes, Draw, Family, round3

NETWORKS = Family("networks")

BIAS = "the gradient of the output's bias has fresh noise of positive variance (Theorem 1.2 as reconstructed)"
SUMMABLE_STEPS = "Adam's steps are at most C rate_n long, and the rates have a finite sum: every path is a Cauchy sequence"


def line(noise: float, **parameters: Any) -> Changes:
    """Return examples of y = x + noise e with x uniform on [-1, 1]."""
    law = {"name": "function", "of": "polynomial", "coefficients": [0.0, 1.0], "low": -1.0, "high": 1.0, "noise": noise}
    return {**law, "held_out": 0, **parameters}


def network(hidden: list[int], data: Changes, **parameters: Any) -> Changes:
    """Return a network on examples, few paths of it, with its usual start."""
    objective = {"name": "mlp", "hidden": hidden, "activation": "tanh", "data": data, **parameters}
    return {"objective": objective, "start": {"name": "he"}, "xi": ["path_mean"], "paths": 200}


@NETWORKS.process(STAYS, BIAS, in_limit=True)
def linear_sgd(d: Draw) -> Changes:
    law = line(d.scale(0.1, 1.0), noise_law=d.pick("uniform", "normal"))
    return network([], law) | {"learning_rate": d.uniform(0.05, 0.25), "batch_size": d.pick(1, 4)}


@NETWORKS.process(STAYS, BIAS)
def linear_sgd_with_little_noise(d: Draw) -> Changes:
    return network([], line(d.scale(1e-4, 1e-2))) | {"learning_rate": d.scale(0.003, 0.2)}


@NETWORKS.process(STAYS, BIAS, in_limit=True)
def linear_adam(d: Draw) -> Changes:
    law = line(d.scale(0.3, 1.0), noise_law=d.pick("uniform", "normal"))
    return network([], law) | {"optimizer": optimizer(d, "adam"), "learning_rate": d.scale(0.02, 0.1)}


@NETWORKS.process(STAYS, BIAS + "; at first the noise shrinks with the error")
def linear_adam_with_little_noise(d: Draw) -> Changes:
    rule = d.pick({"name": "adam"}, {"name": "rmsprop", "beta2": 0.999, "bias_correction": True})
    return network([], line(d.scale(1e-3, 0.1))) | {"optimizer": rule, "learning_rate": d.scale(0.001, 0.03)}


@NETWORKS.process(STAYS, BIAS, in_limit=True)
def linear_rmsprop(d: Draw) -> Changes:
    law = line(d.scale(0.3, 1.0))
    return network([], law) | {"optimizer": optimizer(d, "rmsprop", (0.9, 0.99)), "learning_rate": d.scale(0.02, 0.1)}


@NETWORKS.process(
    GOES, "a strongly convex risk, rates tend to 0 and sum to infinity, noise grows at most linearly", in_limit=True
)
def linear_sgd_with_a_vanishing_rate(d: Draw) -> Changes:
    return network([], line(d.scale(0.1, 1.0))) | {"learning_rate": power(d.uniform(0.2, 0.3), d.uniform(0.4, 0.55))}


@NETWORKS.process(GOES, SUMMABLE_STEPS)
def linear_adam_with_a_short_exponential(d: Draw) -> Changes:
    rate = {"name": "exponential", "value": d.scale(0.01, 0.1), "factor": 0.5, "steps": d.share(0.02, 0.2)}
    return network([], line(d.scale(0.1, 1.0))) | {"optimizer": "adam", "learning_rate": rate}


@NETWORKS.process(
    GOES,
    "each step multiplies the error by I - 2 rate (1, x)(1, x)^T, which never expands as 4 rate < 2, and contracts on average",
    in_limit=True,
)
def realizable_sgd(d: Draw) -> Changes:
    return network([], line(0.0)) | {"learning_rate": d.uniform(0.05, 0.4), "batch_size": d.pick(1, 2, 8)}


@NETWORKS.process(GOES, "eps far above the gradients makes Adam a moving average at rate 4 rate/eps < 1", in_limit=True)
def realizable_adam_with_a_large_eps(d: Draw) -> Changes:
    eps = d.scale(30.0, 300.0)
    rule = {"name": "adam", "eps": eps, "beta1": d.pick(0.0, 0.5, 0.9)}
    return network([], line(0.0)) | {"optimizer": rule, "learning_rate": round3(eps * d.uniform(0.05, 0.2))}


@NETWORKS.process(
    STAYS, "weight decay moves the minimizer to where examples are not met: the gradient has noise there", in_limit=True
)
def weight_decay_without_label_noise(d: Draw) -> Changes:
    changes = network([], line(0.0), weight_decay=d.uniform(0.2, 1.0))
    return changes | {"learning_rate": d.uniform(0.05, 0.25)}


@NETWORKS.process(STAYS, "a line does not meet a curve: the gradient has noise at the best line", in_limit=True)
def misspecified_without_label_noise(d: Draw) -> Changes:
    law = line(0.0, coefficients=[0.0, 0.0, d.scale(0.5, 2.0)])
    rule = d.pick({"name": "sgd"}, optimizer(d, "adam"))
    return network([], law) | {"optimizer": rule, "learning_rate": d.uniform(0.03, 0.15)}


@NETWORKS.process(STAYS, BIAS)
def tanh_sgd(d: Draw) -> Changes:
    law = line(d.scale(0.1, 0.5), of="sin", frequency=d.uniform(1.0, 3.0), noise_law=d.pick("uniform", "normal"))
    return network([d.whole(2, 4)], law) | {"learning_rate": d.uniform(0.02, 0.1), "batch_size": d.pick(1, 4)}


@NETWORKS.process(STAYS, BIAS)
def tanh_adam(d: Draw) -> Changes:
    law = line(d.scale(0.1, 0.5), of="sin", frequency=d.uniform(1.0, 3.0))
    return network([d.whole(2, 4)], law) | {"optimizer": d.pick("adam", "rmsprop"), "learning_rate": d.scale(0.003, 0.03)}


@NETWORKS.process(GOES, SUMMABLE_STEPS)
def tanh_adam_with_a_short_exponential(d: Draw) -> Changes:
    law = line(d.scale(0.1, 0.5), of="sin", frequency=d.uniform(1.0, 3.0))
    rate = {"name": "exponential", "value": d.scale(0.01, 0.1), "factor": 0.5, "steps": d.share(0.02, 0.2)}
    return network([3], law) | {"optimizer": "adam", "learning_rate": rate}


@NETWORKS.process(GOES, "the rate is 0 from some step on")
def tanh_with_a_rate_that_ends(d: Draw) -> Changes:
    law = line(d.scale(0.1, 0.5), of="sin")
    rate = d.pick(
        {"name": "cosine", "value": 0.03, "steps": d.share(0.1, 2.0)},
        pieces([0.03, 0.0], [d.share(0.05, 2.0)]),
    )
    return network([3], law) | {"optimizer": d.pick("adam", "rmsprop", "sgd"), "learning_rate": rate}


def classes(**parameters: Any) -> Changes:
    """Return examples of two classes from a random network."""
    return {"name": "teacher", "inputs": 2, "hidden": [4], "outputs": 2, "labels": "classes", "held_out": 0, **parameters}


@NETWORKS.process(
    STAYS, "some labels are random, so the gradient has noise at every point of a bounded set, and the risk is coercive"
)
def classifier_with_label_noise(d: Draw) -> Changes:
    changes = network([], classes(noise=d.uniform(0.2, 0.6)), loss="cross_entropy")
    return changes | {"learning_rate": d.uniform(0.1, 0.5)}


@NETWORKS.process(STAYS, BIAS)
def rows_in_epochs(d: Draw) -> Changes:
    """Each path passes through all rows in an order of its own; no line meets them all."""
    law = {"name": "diabetes", "order": d.pick("epochs", "with_replacement"), "held_out": 0.0}
    return network([], law) | {"learning_rate": d.scale(0.003, 0.02), "batch_size": d.pick(1, 4)}


@NETWORKS.process(
    STAYS,
    BIAS,
    in_limit=True,
)
def wide_linear_network(d: Draw) -> Changes:
    law = line(d.scale(0.2, 1.0), inputs=d.whole(2, 5))
    return network([], law) | {"learning_rate": d.uniform(0.02, 0.1)}


@NETWORKS.process(STAYS, BIAS, in_limit=True)
def linear_momentum(d: Draw) -> Changes:
    rule = {"name": "momentum", "beta": d.uniform(0.3, 0.9), "form": "ema"}
    return network([], line(d.scale(0.1, 1.0))) | {"optimizer": rule, "learning_rate": d.uniform(0.05, 0.25)}


@NETWORKS.process(GOES, "a strongly convex risk, and Adagrad's rates are of order n^-1/2")
def linear_adagrad(d: Draw) -> Changes:
    return network([], line(d.scale(0.2, 1.0))) | {"optimizer": "adagrad", "learning_rate": d.uniform(0.2, 1.0)}


@NETWORKS.process(UNBOUNDED, "classes that a line separates have no minimizer: weights grow as log n")
def separable_classes(d: Draw) -> Changes:
    law = classes(noise=0.0, inputs=1, hidden=[1], seed=d.whole(0, 50))
    return network([], law, loss="cross_entropy") | {"learning_rate": d.uniform(0.1, 1.0)}


@NETWORKS.process(
    STAYS, "at the limit rate/eps would multiply the error by millions: it grows until v has grown, again and again"
)
def realizable_adam_with_a_small_eps(d: Draw) -> Changes:
    """The floor is not that of any noise: steps have length rate once v has shrunk."""
    rule = {"name": "adam", "beta1": d.pick(0.0, 0.5, 0.9), "beta2": d.pick(0.9, 0.99, 0.999), "eps": d.pick(1e-10, 1e-8)}
    return network([], line(0.0)) | {"optimizer": rule, "learning_rate": d.scale(0.003, 0.03)}


@NETWORKS.process(GOES, "weight decay bounds the iterates of an analytic risk, at rates n^-a with 3/4 < a <= 1 (Tadic 2015)")
def tanh_sgd_with_a_vanishing_rate(d: Draw) -> Changes:
    law = line(d.scale(0.1, 0.5), of="sin", frequency=d.uniform(1.0, 3.0))
    rate = power(d.uniform(0.1, 0.3), d.uniform(0.78, 0.95))
    return network([d.whole(2, 3)], law, weight_decay=d.uniform(0.01, 0.1)) | {"learning_rate": rate}
