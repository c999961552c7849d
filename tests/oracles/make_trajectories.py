"""Writes trajectories.json, next to this file: what others' own optimizers do on one small problem.

`pip install torch optax schedulefree pytorch_optimizer`, then `python tests/oracles/make_trajectories.py`.
tests/test_trajectories.py holds nonconv's optimizers to the file and needs no such library. A new case is a row in one of the
tables below, such as TORCH; or in PAPER, if no library has it, with the algorithm as its paper or owner prints it among
PRINTED.
"""

import importlib
import json
import math
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 300, 400, 500)
START = (0.5, -1.0, 2.0)
SCALE = (1.0, 10.0, 0.01)
LCG = {"seed": 2024, "multiplier": 1103515245, "increment": 12345, "modulus": 2**31}


class Call(NamedTuple):
    name: str
    arguments: dict[str, Any]


class Case(NamedTuple):
    """One run: the learning rate at step n is rate n^(-exponent); ours is the definition that should do the same."""

    name: str
    rate: float
    theirs: Call
    ours: Call
    exponent: float = 0.0
    weight_decay: float = 0.0


def call(name: str, /, **arguments: Any) -> Call:
    return Call(name, arguments)


ADAMS = {
    "adam": (0.9, 0.999, 1e-8),
    "adam-large-eps": (0.9, 0.99, 0.1),
    "adam-no-eps": (0.8, 0.95, 0.0),
    "adam-beta1-0": (0.0, 0.99, 1e-3),
    "adam-beta2-small": (0.9, 0.1, 1e-3),
}
"""beta1, beta2 and eps where both libraries spell the same method."""

TORCH = (
    Case("torch-sgd", 0.04, call("SGD"), call("sgd")),
    Case("torch-sgd-decreasing-rate", 0.04, call("SGD"), call("sgd"), exponent=0.5),
    Case("torch-heavy-ball", 0.004, call("SGD", momentum=0.9), call("momentum", beta=0.9)),
    Case("torch-nesterov", 0.004, call("SGD", momentum=0.9, nesterov=True), call("momentum", beta=0.9, nesterov=True)),
    Case(
        "torch-dampening",
        0.04,
        call("SGD", momentum=0.9, dampening=0.9),
        call("momentum", beta=0.9, form="ema", start="first_gradient"),
    ),
    Case("torch-adagrad", 0.5, call("Adagrad", lr_decay=0, eps=1e-10), call("adagrad", eps=1e-10)),
    Case(
        "torch-adagrad-accumulator",
        0.5,
        call("Adagrad", lr_decay=0, initial_accumulator_value=0.1, eps=0.01),
        call("adagrad", initial_accumulator=0.1, eps=0.01),
    ),
    Case("torch-rmsprop", 0.02, call("RMSprop", alpha=0.99, eps=1e-8), call("rmsprop", beta2=0.99, eps=1e-8)),
    Case("torch-rmsprop-large-eps", 0.02, call("RMSprop", alpha=0.9, eps=0.1), call("rmsprop", beta2=0.9, eps=0.1)),
    *(
        Case(f"torch-{name}", 0.05, call("Adam", betas=(b1, b2), eps=eps), call("adam", beta1=b1, beta2=b2, eps=eps))
        for name, (b1, b2, eps) in ADAMS.items()
    ),
    Case(
        "torch-adam-decreasing-rate",
        0.2,
        call("Adam", betas=(0.9, 0.999), eps=1e-8),
        call("adam", beta1=0.9, beta2=0.999, eps=1e-8),
        exponent=0.5,
    ),
    Case(
        "torch-amsgrad",
        0.05,
        call("Adam", betas=(0.9, 0.99), eps=1e-8, amsgrad=True),
        call("amsgrad", beta1=0.9, beta2=0.99, eps=1e-8, maximum="before_correction"),
    ),
    Case(
        "torch-amsgrad-large-eps",
        0.05,
        call("Adam", betas=(0.0, 0.5), eps=0.1, amsgrad=True),
        call("amsgrad", beta1=0.0, beta2=0.5, eps=0.1, maximum="before_correction"),
    ),
)

OPTAX = (
    Case("optax-sgd", 0.04, call("sgd"), call("sgd")),
    Case("optax-heavy-ball", 0.004, call("trace", decay=0.9), call("momentum", beta=0.9)),
    Case("optax-nesterov", 0.004, call("trace", decay=0.9, nesterov=True), call("momentum", beta=0.9, nesterov=True)),
    Case("optax-ema", 0.04, call("ema", decay=0.9, debias=False), call("momentum", beta=0.9, form="ema")),
    Case(
        "optax-ema-debias",
        0.04,
        call("ema", decay=0.9, debias=True),
        call("momentum", beta=0.9, form="ema", bias_correction=True),
    ),
    Case(
        "optax-adagrad",
        0.5,
        call("adagrad", initial_accumulator_value=0.1, eps=1e-7),
        call("adagrad", initial_accumulator=0.1, eps=1e-7, eps_placement="inside"),
    ),
    Case(
        "optax-adagrad-large-eps",
        0.5,
        call("adagrad", initial_accumulator_value=0.0, eps=0.01),
        call("adagrad", initial_accumulator=0.0, eps=0.01, eps_placement="inside"),
    ),
    Case(
        "optax-rmsprop",
        0.02,
        call("rmsprop", decay=0.9, eps=1e-8, initial_scale=0.0, eps_in_sqrt=True),
        call("rmsprop", beta2=0.9, eps=1e-8, eps_placement="inside"),
    ),
    Case(
        "optax-rmsprop-large-eps",
        0.02,
        call("rmsprop", decay=0.99, eps=0.01, initial_scale=0.0, eps_in_sqrt=True),
        call("rmsprop", beta2=0.99, eps=0.01, eps_placement="inside"),
    ),
    Case(
        "optax-rmsprop-outside",
        0.02,
        call("rmsprop", decay=0.99, eps=0.1, initial_scale=0.0, eps_in_sqrt=False),
        call("rmsprop", beta2=0.99, eps=0.1, eps_placement="outside"),
    ),
    Case(
        "optax-rmsprop-correction-inside",
        0.02,
        call("rmsprop", decay=0.99, eps=0.01, initial_scale=0.0, eps_in_sqrt=True, bias_correction=True),
        call("rmsprop", beta2=0.99, eps=0.01, eps_placement="inside", bias_correction=True),
    ),
    Case(
        "optax-rmsprop-correction-outside",
        0.1,
        call("rmsprop", decay=0.99, eps=0.1, initial_scale=0.0, eps_in_sqrt=False, bias_correction=True),
        call("rmsprop", beta2=0.99, eps=0.1, eps_placement="outside", bias_correction=True),
        exponent=0.5,
    ),
    *(
        Case(f"optax-{name}", 0.05, call("adam", b1=b1, b2=b2, eps=eps), call("adam", beta1=b1, beta2=b2, eps=eps))
        for name, (b1, b2, eps) in ADAMS.items()
    ),
    Case(
        "optax-adam-inside",
        0.2,
        call("adam", b1=0.9, b2=0.99, eps=0.0, eps_root=0.01),
        call("adam", beta1=0.9, beta2=0.99, eps=0.01, eps_placement="inside"),
        exponent=0.5,
    ),
    Case(
        "optax-amsgrad",
        0.05,
        call("amsgrad", b1=0.9, b2=0.99, eps=1e-8),
        call("amsgrad", beta1=0.9, beta2=0.99, eps=1e-8, maximum="after_correction"),
    ),
    Case(
        "optax-amsgrad-inside",
        0.05,
        call("amsgrad", b1=0.5, b2=0.9, eps=0.0, eps_root=0.01),
        call("amsgrad", beta1=0.5, beta2=0.9, eps=0.01, eps_placement="inside", maximum="after_correction"),
    ),
    Case(
        "optax-amsgrad-no-correction",
        0.05,
        call("amsgrad", b1=0.9, b2=0.99, eps=1e-3, bias_correction_mu=False, bias_correction_nu=False),
        call("amsgrad", beta1=0.9, beta2=0.99, eps=1e-3, bias_correction=False),
    ),
    Case("optax-adabelief", 0.05, call("adabelief"), call("adabelief")),
    Case(
        "optax-adabelief-large-eps",
        0.2,
        call("adabelief", b1=0.8, b2=0.95, eps=0.01, eps_root=1e-3),
        call("adabelief", beta1=0.8, beta2=0.95, eps=0.01, eps_root=1e-3),
        exponent=0.5,
    ),
)

NEW_TORCH = (
    Case(
        "torch-half-dampening",
        0.01,
        call("SGD", momentum=0.9, dampening=0.5),
        call("momentum", beta=0.9, dampening=0.5, start="first_gradient"),
        exponent=0.5,
    ),
    Case(
        "torch-rmsprop-centered",
        0.02,
        call("RMSprop", alpha=0.9, eps=0.01, centered=True),
        call("rmsprop", beta2=0.9, eps=0.01, centered=True),
    ),
    Case(
        "torch-rmsprop-momentum",
        0.02,
        call("RMSprop", alpha=0.99, eps=0.1, momentum=0.8),
        call("rmsprop", beta2=0.99, eps=0.1, momentum=0.8),
        exponent=0.5,
    ),
    Case(
        "torch-rmsprop-centered-momentum",
        0.01,
        call("RMSprop", alpha=0.95, eps=0.1, momentum=0.5, centered=True),
        call("rmsprop", beta2=0.95, eps=0.1, momentum=0.5, centered=True),
        exponent=0.5,
    ),
    Case("torch-nadam", 0.05, call("NAdam", eps=1e-3), call("nadam", eps=1e-3)),
    Case(
        "torch-nadam-fast-warm-up",
        0.2,
        call("NAdam", betas=(0.8, 0.99), momentum_decay=0.1, eps=0.01),
        call("nadam", beta1=0.8, beta2=0.99, momentum_decay=0.1, eps=0.01),
        exponent=0.5,
    ),
    Case("torch-radam", 0.05, call("RAdam", eps=0.1), call("radam", eps=0.1)),
    Case(
        "torch-radam-short",
        0.02,
        call("RAdam", betas=(0.8, 0.6), eps=0.01),
        call("radam", beta1=0.8, beta2=0.6, eps=0.01),
        exponent=0.5,
    ),
    Case("torch-adamax", 0.05, call("Adamax", eps=0.01), call("adamax", eps=0.01)),
    Case(
        "torch-adamax-short",
        0.1,
        call("Adamax", betas=(0.5, 0.9), eps=0.1),
        call("adamax", beta1=0.5, beta2=0.9, eps=0.1),
        exponent=0.5,
    ),
    Case(
        "torch-adamw",
        0.2,
        call("AdamW", betas=(0.9, 0.99), eps=0.01, weight_decay=0.1),
        call("adamw", beta2=0.99, eps=0.01),
        exponent=0.5,
        weight_decay=0.1,
    ),
    Case("torch-adadelta", 1.0, call("Adadelta", rho=0.9, eps=1e-3), call("adadelta", rho=0.9, eps=1e-3)),
)

NEW_OPTAX = (
    Case(
        "optax-rmsprop-buffer",
        0.02,
        call("rmsprop", decay=0.9, eps=0.01, initial_scale=1.0, momentum=0.9),
        call(
            "rmsprop",
            beta2=0.9,
            eps=0.01,
            eps_placement="inside",
            initial_accumulator=1.0,
            momentum=0.9,
            rate_in_buffer=True,
        ),
        exponent=0.5,
    ),
    Case(
        "optax-rmsprop-centered",
        0.02,
        call("rmsprop", decay=0.95, eps=0.1, eps_in_sqrt=False, centered=True, bias_correction=True),
        call("rmsprop", beta2=0.95, eps=0.1, centered=True, bias_correction=True),
    ),
    Case(
        "optax-rmsprop-initial-scale",
        0.02,
        call("rmsprop", decay=0.99, eps=0.01, initial_scale=1.0),
        call("rmsprop", beta2=0.99, eps=0.01, eps_placement="inside", initial_accumulator=1.0),
    ),
    Case("optax-nadam", 0.05, call("nadam", eps=1e-3), call("nadam", eps=1e-3, momentum_schedule="constant")),
    Case(
        "optax-nadam-inside",
        0.2,
        call("nadam", b1=0.8, b2=0.99, eps=0.0, eps_root=0.01),
        call("nadam", beta1=0.8, beta2=0.99, eps=0.01, eps_placement="inside", momentum_schedule="constant"),
        exponent=0.5,
    ),
    Case("optax-radam", 0.05, call("radam", eps=0.1), call("radam", eps=0.1, eps_placement="outside")),
    Case(
        "optax-radam-inside",
        0.1,
        call("radam", b1=0.8, b2=0.95, eps=0.0, eps_root=0.01, threshold=8.0),
        call("radam", beta1=0.8, beta2=0.95, eps=0.01, eps_placement="inside", threshold=8.0),
        exponent=0.5,
    ),
    Case("optax-adamax", 0.05, call("adamax", b1=0.8, b2=0.99, eps=1e-3), call("adamax", beta1=0.8, beta2=0.99, eps=1e-3)),
    Case("optax-adamw", 0.05, call("adamw", weight_decay=0.2), call("adamw"), weight_decay=0.2),
    Case("optax-adadelta", 0.5, call("adadelta", rho=0.95, eps=1e-3), call("adadelta", rho=0.95, eps=1e-3), exponent=0.5),
    Case("optax-yogi", 0.05, call("yogi"), call("yogi")),
    Case(
        "optax-yogi-short",
        0.1,
        call("yogi", b1=0.5, b2=0.9, eps=0.1),
        call("yogi", beta1=0.5, beta2=0.9, eps=0.1),
        exponent=0.5,
    ),
    Case("optax-lion", 0.02, call("lion", weight_decay=0.0), call("lion")),
    Case(
        "optax-lion-short",
        0.1,
        call("lion", b1=0.5, b2=0.8, weight_decay=0.0),
        call("lion", beta1=0.5, beta2=0.8),
        exponent=0.5,
    ),
    Case("optax-signum", 0.02, call("signum", beta=0.8), call("signum", beta=0.8)),
    Case("optax-sign-descent", 0.1, call("sign_sgd"), call("sign_descent"), exponent=0.5),
    Case("optax-adopt", 0.05, call("contrib.adopt", eps=0.01), call("adopt", eps=0.01)),
    Case(
        "optax-adopt-before-clipping",
        0.002,
        call("contrib.adopt", b1=0.8, b2=0.99, eps=0.01, use_clipping=False),
        call("adopt", beta1=0.8, beta2=0.99, eps=0.01, clipping=False),
    ),
    Case(
        "optax-ademamix",
        0.01,
        call("contrib.ademamix", b3=0.99, alpha=2.0, eps=1e-3),
        call("ademamix", beta3=0.99, alpha=2.0, eps=1e-3),
        exponent=0.5,
    ),
    Case(
        "optax-schedule-free-sgd",
        0.04,
        call("contrib.schedule_free_sgd", b1=0.8),
        call("schedule_free_sgd", beta=0.8),
    ),
    Case(
        "optax-schedule-free-adamw",
        0.05,
        call("contrib.schedule_free_adamw", b1=0.9, b2=0.99, eps=0.01, weight_decay=0.1),
        call("schedule_free_adamw", beta1=0.9, beta2=0.99, eps=0.01),
        weight_decay=0.1,
    ),
)

SCHEDULE_FREE = (
    Case("schedulefree-sgd", 0.04, call("SGDScheduleFree", momentum=0.9), call("schedule_free_sgd", beta=0.9)),
    Case(
        "schedulefree-sgd-weights",
        0.1,
        call("SGDScheduleFree", momentum=0.7, r=1.5, weight_lr_power=1.0, weight_decay=0.05),
        call("schedule_free_sgd", beta=0.7, r=1.5, weight_lr_power=1.0),
        exponent=-0.3,
        weight_decay=0.05,
    ),
    Case(
        "schedulefree-adamw",
        0.05,
        call("AdamWScheduleFree", eps=1e-3, weight_decay=0.1),
        call("schedule_free_adamw", eps=1e-3),
        weight_decay=0.1,
    ),
    Case(
        "schedulefree-adamw-decreasing-rate",
        0.2,
        call("AdamWScheduleFree", betas=(0.8, 0.95), eps=0.01, r=1.0),
        call("schedule_free_adamw", beta1=0.8, beta2=0.95, eps=0.01, r=1.0),
        exponent=0.5,
    ),
)

OTHERS = (
    Case(
        "pytorch_optimizer-ademamix-warm-up",
        0.01,
        call("AdEMAMix", betas=(0.8, 0.99, 0.999), alpha=3.0, t_alpha_beta3=300, eps=1e-3),
        call(
            "ademamix",
            beta1=0.8,
            beta2=0.99,
            beta3=0.999,
            alpha=3.0,
            eps=1e-3,
            warmup_alpha=300,
            warmup_beta3=300,
        ),
    ),
    Case("pytorch_optimizer-lion", 0.02, call("Lion", betas=(0.9, 0.99)), call("lion"), exponent=0.5),
    Case(
        "pytorch_optimizer-yogi",
        0.05,
        call("Yogi", betas=(0.9, 0.99), initial_accumulator=0.1, eps=0.01),
        call("yogi", beta2=0.99, initial_accumulator=0.1, initial_momentum=0.1, eps=0.01),
    ),
)

SHRINKING = {"name": "geometric", "value": 0.9, "factor": 0.98}
LENGTHENING = {"name": "one_minus_power", "exponent": 0.8}
PAPER = (
    Case(
        "tensorflow-rmsprop",
        0.01,
        call("tensorflow_rmsprop", decay=0.9, momentum=0.9, epsilon=0.01),
        call(
            "rmsprop",
            beta2=0.9,
            eps=0.01,
            eps_placement="inside",
            initial_accumulator=1.0,
            momentum=0.9,
            rate_in_buffer=True,
        ),
        exponent=0.3,
    ),
    Case(
        "tensorflow-rmsprop-centered",
        0.01,
        call("tensorflow_rmsprop", decay=0.95, momentum=0.5, epsilon=0.1, centered=True),
        call(
            "rmsprop",
            beta2=0.95,
            eps=0.1,
            eps_placement="inside",
            initial_accumulator=1.0,
            centered=True,
            momentum=0.5,
            rate_in_buffer=True,
        ),
        exponent=0.3,
    ),
    Case("authors-adopt", 0.05, call("adopt", beta1=0.9, beta2=0.99, eps=1e-6), call("adopt", beta2=0.99)),
    Case(
        "authors-adopt-before-clipping",
        0.002,
        call("adopt", beta1=0.9, beta2=0.999, eps=0.01, clips=False),
        call("adopt", beta2=0.999, eps=0.01, clipping=False),
        exponent=0.5,
    ),
    Case(
        "paper-nadamax",
        0.05,
        call("nadamax", beta1=0.9, beta2=0.99, eps=0.01),
        call("adamax", beta2=0.99, eps=0.01, nesterov=True),
    ),
    Case(
        "paper-yogi",
        0.02,
        call("yogi", beta1=0.9, beta2=0.99, eps=1e-3),
        call("yogi", beta2=0.99, bias_correction=False, initial_momentum=0.0, initial_accumulator=0.0),
    ),
    Case(
        "paper-adam-lengthening",
        0.1,
        call("scheduled_adam", beta1="0.9", beta2="1 - n**-0.8", eps=1e-3),
        call("adam", eps=1e-3, beta2=LENGTHENING),
        exponent=0.5,
    ),
    Case(
        "paper-adam-shrinking",
        0.05,
        call("scheduled_adam", beta1="0.9 * 0.98**(n - 1)", beta2="1 - 0.9 / n", eps=1e-3),
        call("adam", eps=1e-3, beta1=SHRINKING, beta2={"name": "one_minus_power", "exponent": 1.0, "value": 0.9}),
    ),
    Case(
        "paper-amsgrad-shrinking",
        0.1,
        call("scheduled_adam", beta1="0.9 / n", beta2="0.99", eps=1e-3, corrects=False, maximum=True),
        call("amsgrad", beta1="power", beta2=0.99, eps=1e-3, bias_correction=False),
        exponent=0.5,
    ),
    Case(
        "paper-momentum-pieces",
        0.02,
        call("scheduled_momentum", beta="0.5 if n <= 100 else 0.9"),
        call("momentum", beta={"name": "piecewise", "values": [0.5, 0.9], "until": [100]}, form="ema", bias_correction=True),
    ),
    Case(
        "paper-adabelief-no-correction",
        0.02,
        call("adabelief", beta1=0.9, beta2=0.99, eps=1e-3),
        call("adabelief", beta1=0.9, beta2=0.99, eps=1e-3, eps_root=1e-3, bias_correction=False),
    ),
)

PACKAGES = {"schedulefree": SCHEDULE_FREE, "pytorch_optimizer": OTHERS}

WITHOUT_RATE = ("trace", "ema")
"""Optax's transformations that take no learning rate."""


def targets() -> Iterator[Array]:
    """The data of each step, in [-1, 1): states of a linear congruential generator, exact as floats."""
    state = LCG["seed"]
    for _ in range(STEPS[-1]):
        x = []
        for _ in SCALE:
            state = (LCG["multiplier"] * state + LCG["increment"]) % LCG["modulus"]
            x.append(2.0 * state / LCG["modulus"] - 1.0)
        yield np.array(x)


def gradient(theta: Array, x: Array) -> Array:
    """Of sum(scale * (theta - x)^2)."""
    return 2.0 * np.array(SCALE) * (theta - x)


def torch_iterates(case: Case, module: str = "torch.optim") -> Iterator[Array]:
    theta = torch.tensor(START, dtype=torch.float64)
    optimizer = getattr(importlib.import_module(module), case.theirs.name)([theta], lr=case.rate, **case.theirs.arguments)
    for n, x in enumerate(targets(), 1):
        optimizer.param_groups[0]["lr"] = case.rate * n**-case.exponent
        theta.grad = torch.from_numpy(gradient(theta.numpy(), x))
        optimizer.step()
        yield theta.numpy().copy()


def optax_method(case: Case) -> Any:
    schedule = (lambda count: case.rate * (count + 1.0) ** -case.exponent) if case.exponent else case.rate
    method: Any = optax
    for part in case.theirs.name.split("."):
        method = getattr(method, part)
    if case.theirs.name in WITHOUT_RATE:
        return optax.chain(method(**case.theirs.arguments), optax.scale_by_learning_rate(schedule))
    return method(learning_rate=schedule, **case.theirs.arguments)


def optax_iterates(case: Case) -> Iterator[Array]:
    method, theta = optax_method(case), jnp.asarray(START, dtype=jnp.float64)
    state = method.init(theta)
    for x in targets():
        updates, state = method.update(jnp.asarray(gradient(np.asarray(theta), x)), state, theta)
        theta = jnp.asarray(optax.apply_updates(theta, updates))
        yield np.asarray(theta)


def adabelief(case: Case, beta1: float, beta2: float, eps: float) -> Iterator[Array]:
    """Zhuang et al. (2020), algorithm 2, without its bias correction."""
    theta, m, s = np.array(START), np.zeros(len(START)), np.zeros(len(START))
    for n, x in enumerate(targets(), 1):
        g = gradient(theta, x)
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g - m) ** 2 + eps
        theta = theta - case.rate * n**-case.exponent * m / (np.sqrt(s) + eps)
        yield theta


def averages_of_schedule_free(case: Case) -> Iterator[Array]:
    """The package's x after each step: its iterate in evaluation mode."""
    schedulefree = importlib.import_module("schedulefree")
    theta = torch.tensor(START, dtype=torch.float64)
    optimizer = getattr(schedulefree, case.theirs.name)([theta], lr=case.rate, **case.theirs.arguments)
    optimizer.train()
    for n, x in enumerate(targets(), 1):
        optimizer.param_groups[0]["lr"] = case.rate * n**-case.exponent
        theta.grad = torch.from_numpy(gradient(theta.numpy(), x))
        optimizer.step()
        y = theta.numpy().copy()
        optimizer.eval()
        found = theta.numpy().copy()
        optimizer.train()
        theta.copy_(torch.from_numpy(y))  # there and back rounds
        yield found


def schedule_free_iterates(case: Case) -> Iterator[Array]:
    """The package's y, at which gradients are taken."""
    schedulefree = importlib.import_module("schedulefree")
    theta = torch.tensor(START, dtype=torch.float64)
    optimizer = getattr(schedulefree, case.theirs.name)([theta], lr=case.rate, **case.theirs.arguments)
    optimizer.train()
    for n, x in enumerate(targets(), 1):
        optimizer.param_groups[0]["lr"] = case.rate * n**-case.exponent
        theta.grad = torch.from_numpy(gradient(theta.numpy(), x))
        optimizer.step()
        yield theta.numpy().copy()


def tensorflow_rmsprop(case: Case, decay: float, momentum: float, epsilon: float, centered: bool = False) -> Iterator[Array]:
    """ApplyRMSProp and ApplyCenteredRMSProp of TensorFlow 1, as its documentation of tf.raw_ops has them; ms starts at 1."""
    theta, ms, mg, mom = np.array(START), np.ones(len(START)), np.zeros(len(START)), np.zeros(len(START))
    for n, x in enumerate(targets(), 1):
        g = gradient(theta, x)
        ms = decay * ms + (1 - decay) * g * g
        mg = decay * mg + (1 - decay) * g
        mom = momentum * mom + case.rate * n**-case.exponent * g / np.sqrt(ms - (mg * mg if centered else 0.0) + epsilon)
        theta = theta - mom
        yield theta


def adopt(case: Case, beta1: float, beta2: float, eps: float, clips: bool = True) -> Iterator[Array]:
    """The authors' adopt.py; without clips, as it was before November 2024. The first step, of number 0, only sets v."""
    theta, m, v = np.array(START), np.zeros(len(START)), np.zeros(len(START))
    for step, x in enumerate(targets()):
        g = gradient(theta, x)
        if step == 0:
            v = v + g * g
        else:
            normed = g / np.maximum(np.sqrt(v), eps)
            if clips:
                normed = np.clip(normed, -(step**0.25), step**0.25)
            m = m + (1 - beta1) * (normed - m)
            theta = theta - case.rate * (step + 1) ** -case.exponent * m
            v = beta2 * v + (1 - beta2) * g * g
        yield theta


def nadamax(case: Case, beta1: float, beta2: float, eps: float) -> Iterator[Array]:
    """Kingma & Ba's algorithm 2 with the numerator of Dozat's NAdam."""
    theta, m, u = np.array(START), np.zeros(len(START)), np.zeros(len(START))
    for n, x in enumerate(targets(), 1):
        g = gradient(theta, x)
        m = beta1 * m + (1 - beta1) * g
        u = np.maximum(beta2 * u, np.abs(g) + eps)
        ahead = beta1 * m / (1 - beta1 ** (n + 1)) + (1 - beta1) * g / (1 - beta1**n)
        theta = theta - case.rate * n**-case.exponent * ahead / u
        yield theta


def yogi(case: Case, beta1: float, beta2: float, eps: float) -> Iterator[Array]:
    """Zaheer et al. (2018), algorithm 2: without correction, from 0."""
    theta, m, v = np.array(START), np.zeros(len(START)), np.zeros(len(START))
    for n, x in enumerate(targets(), 1):
        g = gradient(theta, x)
        m = beta1 * m + (1 - beta1) * g
        v = v - (1 - beta2) * np.sign(v - g**2) * g**2
        theta = theta - case.rate * n**-case.exponent * m / (np.sqrt(v) + eps)
        yield theta


def scheduled_adam(
    case: Case, beta1: str, beta2: str, eps: float, corrects: bool = True, maximum: bool = False
) -> Iterator[Array]:
    """Adam, or AMSGrad, whose decays are functions of n; what is left of the start is the product of all so far."""
    theta, m, v, largest = np.array(START), np.zeros(len(START)), np.zeros(len(START)), np.zeros(len(START))
    left1 = left2 = 1.0
    for n, x in enumerate(targets(), 1):
        b1, b2 = (eval(text, {"n": n}) for text in (beta1, beta2))  # written in this file
        left1, left2 = left1 * b1, left2 * b2
        g = gradient(theta, x)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        largest = np.maximum(largest, v) if maximum else v
        share1, share2 = (1 - left1, 1 - left2) if corrects else (1.0, 1.0)
        theta = theta - case.rate * n**-case.exponent * (m / share1) / (np.sqrt(largest / share2) + eps)
        yield theta


def scheduled_momentum(case: Case, beta: str) -> Iterator[Array]:
    """A corrected moving average whose decay is a function of n."""
    theta, m, logs = np.array(START), np.zeros(len(START)), 0.0
    for n, x in enumerate(targets(), 1):
        b = eval(beta, {"n": n})  # written in this file
        logs += math.log(b)
        m = b * m + (1 - b) * gradient(theta, x)
        theta = theta - case.rate * n**-case.exponent * m / -math.expm1(logs)
        yield theta


PRINTED = {
    "adabelief": adabelief,
    "tensorflow_rmsprop": tensorflow_rmsprop,
    "adopt": adopt,
    "nadamax": nadamax,
    "yogi": yogi,
    "scheduled_adam": scheduled_adam,
    "scheduled_momentum": scheduled_momentum,
}


def iterates_of(owner: str, case: Case) -> Iterator[Array]:
    if owner == "paper":
        printed: Any = PRINTED[case.theirs.name]  # each takes its own arguments
        return printed(case, **case.theirs.arguments)  # type: ignore[no-any-return]
    if owner == "schedulefree":
        return schedule_free_iterates(case)
    if owner == "pytorch_optimizer":
        return torch_iterates(case, owner)
    return torch_iterates(case) if owner == "torch" else optax_iterates(case)


def spelled(owner: str, case: Case) -> str:
    """The library's call as one would write it."""
    rate = f"{case.rate} * n**-{case.exponent}" if case.exponent else str(case.rate)
    arguments = ", ".join(f"{name}={value!r}" for name, value in case.theirs.arguments.items())
    if case.theirs.name in WITHOUT_RATE:
        return f"optax.chain(optax.{case.theirs.name}({arguments}), optax.scale_by_learning_rate({rate}))"
    paths = {"torch": ("torch.optim", "lr"), "optax": ("optax", "learning_rate"), "paper": ("paper", "rate")}
    path, name = paths.get(owner, (owner, "lr"))
    return f"{path}.{case.theirs.name}({', '.join(filter(None, (f'{name}={rate}', arguments)))})"


def record(owner: str, version: str, case: Case) -> dict[str, Any]:
    iterates = list(iterates_of(owner, case))
    if any(theta.dtype != np.float64 for theta in iterates):
        raise TypeError(f"{case.name}: not computed in float64")
    return (
        {
            "name": case.name,
            "owner": owner,
            "version": version,
            "call": spelled(owner, case),
            "optimizer": case.ours.name,
            "parameters": case.ours.arguments,
            "learning_rate": {"value": case.rate, "exponent": case.exponent},
            "theta": [iterates[n - 1].tolist() for n in STEPS],
        }
        | ({"weight_decay": case.weight_decay} if case.weight_decay else {})
        | own(owner, case)
    )


def own(owner: str, case: Case) -> dict[str, Any]:
    """What the optimizer evaluates where it is not theta."""
    if owner != "schedulefree":
        return {}
    averages = list(averages_of_schedule_free(case))
    return {"own": [averages[n - 1].tolist() for n in STEPS]}


def main() -> None:
    config: Any = jax.config  # whose update has no types
    config.update("jax_enable_x64", True)
    torch.set_default_dtype(torch.float64)  # NAdam keeps a product in the default type
    records = [record("torch", torch.__version__.split("+")[0], case) for case in TORCH]
    records += [record("optax", optax.__version__, case) for case in OPTAX]
    records += [record("paper", "", case) for case in PAPER]
    records += [record("torch", torch.__version__.split("+")[0], case) for case in NEW_TORCH]
    records += [record("optax", optax.__version__, case) for case in NEW_OPTAX]
    records += [record(owner, version(owner), case) for owner, cases in PACKAGES.items() for case in cases]
    head = {
        "about": "written by make_trajectories.py; theta has one row per step in steps",
        "problem": {"start": START, "scale": SCALE, "lcg": LCG},
        "steps": STEPS,
    }
    # One case a line; floats as Python writes them, which is exact.
    lines = ",\n".join(json.dumps(record) for record in records)
    text = f'{json.dumps(head).removesuffix("}")},\n"cases": [\n{lines}\n]}}\n'
    Path(__file__).with_name("trajectories.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
