"""Writes trajectories.json, next to this file: what PyTorch's and Optax's own optimizers do on one small problem.

`pip install torch optax`, then `python tests/oracles/make_trajectories.py`. tests/test_trajectories.py holds nonconv's
optimizers to the file and needs neither library. A new case is a row in TORCH or OPTAX below; or in PAPER, if neither
library has it, with the algorithm as its paper prints it among PRINTED.
"""

import json
from collections.abc import Iterator
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

PAPER = (
    Case(
        "paper-adabelief-no-correction",
        0.02,
        call("adabelief", beta1=0.9, beta2=0.99, eps=1e-3),
        call("adabelief", beta1=0.9, beta2=0.99, eps=1e-3, eps_root=1e-3, bias_correction=False),
    ),
)

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


def torch_iterates(case: Case) -> Iterator[Array]:
    theta = torch.tensor(START, dtype=torch.float64)
    optimizer = getattr(torch.optim, case.theirs.name)([theta], lr=case.rate, **case.theirs.arguments)
    for n, x in enumerate(targets(), 1):
        optimizer.param_groups[0]["lr"] = case.rate * n**-case.exponent
        theta.grad = torch.from_numpy(gradient(theta.numpy(), x))
        optimizer.step()
        yield theta.numpy().copy()


def optax_method(case: Case) -> Any:
    schedule = (lambda count: case.rate * (count + 1.0) ** -case.exponent) if case.exponent else case.rate
    method = getattr(optax, case.theirs.name)
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


PRINTED = {"adabelief": adabelief}


def iterates_of(owner: str, case: Case) -> Iterator[Array]:
    if owner == "paper":
        return PRINTED[case.theirs.name](case, **case.theirs.arguments)
    return torch_iterates(case) if owner == "torch" else optax_iterates(case)


def spelled(owner: str, case: Case) -> str:
    """The library's call as one would write it."""
    rate = f"{case.rate} * n**-{case.exponent}" if case.exponent else str(case.rate)
    arguments = ", ".join(f"{name}={value!r}" for name, value in case.theirs.arguments.items())
    if case.theirs.name in WITHOUT_RATE:
        return f"optax.chain(optax.{case.theirs.name}({arguments}), optax.scale_by_learning_rate({rate}))"
    path, name = {"torch": ("torch.optim", "lr"), "optax": ("optax", "learning_rate"), "paper": ("paper", "rate")}[owner]
    return f"{path}.{case.theirs.name}({', '.join(filter(None, (f'{name}={rate}', arguments)))})"


def record(owner: str, version: str, case: Case) -> dict[str, Any]:
    iterates = list(iterates_of(owner, case))
    if any(theta.dtype != np.float64 for theta in iterates):
        raise TypeError(f"{case.name}: not computed in float64")
    return {
        "name": case.name,
        "owner": owner,
        "version": version,
        "call": spelled(owner, case),
        "optimizer": case.ours.name,
        "parameters": case.ours.arguments,
        "learning_rate": {"value": case.rate, "exponent": case.exponent},
        "theta": [iterates[n - 1].tolist() for n in STEPS],
    }


def main() -> None:
    config: Any = jax.config  # whose update has no types
    config.update("jax_enable_x64", True)
    records = [record("torch", torch.__version__.split("+")[0], case) for case in TORCH]
    records += [record("optax", optax.__version__, case) for case in OPTAX]
    records += [record("paper", "", case) for case in PAPER]
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
