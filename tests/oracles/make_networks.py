"""Writes networks.json, next to this file: what PyTorch makes of small fully connected networks, in float64.

`pip install torch`, then `python tests/oracles/make_networks.py`. tests/test_network.py holds nonconv's network to the file
and needs no PyTorch. Parameters are in the order of torch.nn.utils.parameters_to_vector.
"""

import json
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from nonconv.components.definitions import Dataset
from nonconv.datasets import DATASETS
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "identity": nn.Identity,
}
HIDDEN: tuple[tuple[int, ...], ...] = ((), (5,), (4, 3), (3, 3, 3), (9, 8, 10))
NUMBERS_OF_EXAMPLES = (1, 5, 8, 13)
DECAYS = (0.0, 0.05, 0.3)
FEATURES, TARGETS, CLASSES = 5, 2, 3

STEPS = (1, 2, 5, 10, 50, 100, 200)
SEED, PATH, BATCH, DECAY = 11, 6, 8, 0.01


class Net(NamedTuple):
    """classes: how many, or 0 if targets are any numbers."""

    hidden: tuple[int, ...]
    activation: str
    loss: str
    features: int
    targets: int
    classes: int


class Call(NamedTuple):
    name: str
    arguments: dict[str, Any]


class Task(NamedTuple):
    """What is learned: a network on examples of nonconv's."""

    name: str
    hidden: tuple[int, ...]
    activation: str
    loss: str
    examples: Call


class Rule(NamedTuple):
    """How it is learned; ours is the definition that should do the same."""

    name: str
    rate: float
    theirs: Call
    ours: Call


def call(name: str, /, **arguments: Any) -> Call:
    return Call(name, arguments)


SINE = call("function", inputs=4, frequency=2.0)
TASKS = (
    Task("sine", (16,), "relu", "squared", SINE),
    Task("deep-sine", (5, 4), "tanh", "squared", SINE),
    Task("classes", (6,), "relu", "cross_entropy", call("teacher", inputs=4, outputs=3, labels="classes")),
)
RULES = (
    Rule("sgd", 0.02, call("SGD"), call("sgd")),
    Rule("rmsprop", 0.003, call("RMSprop", alpha=0.99, eps=1e-8), call("rmsprop", beta2=0.99, eps=1e-8)),
    Rule("adam", 0.01, call("Adam", betas=(0.9, 0.999), eps=1e-8), call("adam", beta1=0.9, beta2=0.999, eps=1e-8)),
)


def start(seed: int, dim: int) -> Array:
    """In [-1, 1)."""
    return 2.0 * uniforms(key(seed, "start of the network"), 0, dim, 0, 1)[:, 0] - 1.0


def batch(seed: int, number: int, net: Net) -> tuple[Array, Array]:
    """Features (number, features) in [-2, 2) and targets (number, targets): in [-2, 2), or classes."""
    u = uniforms(key(seed, "examples of the network"), 0, number, 0, net.features + net.targets)
    x, y = u[:, : net.features], u[:, net.features :]
    return 4.0 * x - 2.0, np.floor(net.classes * y) if net.classes else 4.0 * y - 2.0


def network(net: Net) -> Any:
    sizes = (net.features, *net.hidden, net.classes or net.targets)
    parts: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        parts += [nn.Linear(inputs, outputs), ACTIVATIONS[net.activation]()]
    return nn.Sequential(*parts[:-1]).double()


def dimension(model: Any) -> int:
    return len(parameters_to_vector(model.parameters()))


def loss_of(net: Net, outputs: Any, y: Array) -> Any:
    """Averaged over the batch."""
    targets = torch.from_numpy(y)
    if net.loss == "cross_entropy":
        return cross_entropy(outputs, targets[:, 0].long())
    if net.classes:
        targets = one_hot(targets[:, 0].long(), net.classes)
    return ((outputs - targets) ** 2).sum(dim=1).mean()


def gradient_record(seed: int, net: Net) -> dict[str, Any]:
    number, decay = NUMBERS_OF_EXAMPLES[seed % 4], DECAYS[seed % 3]
    model = network(net)
    theta = torch.from_numpy(start(seed, dimension(model)))
    vector_to_parameters(theta, model.parameters())
    x, y = batch(seed, number, net)
    outputs = model(torch.from_numpy(x))
    loss = loss_of(net, outputs, y)
    slopes = torch.autograd.grad(loss, list(model.parameters()))
    gradient = parameters_to_vector(slopes) + decay * theta
    wrong = np.mean(outputs.detach().numpy().argmax(axis=1) != y[:, 0]) if net.classes else 0.0
    return {
        "seed": seed,
        **net._asdict(),
        "examples": number,
        "weight_decay": decay,
        "mean_loss": loss.item(),
        "wrong": float(wrong),
        "gradient": gradient.tolist(),
    }


def gradient_records() -> Iterator[dict[str, Any]]:
    """Of a network without hidden units only one, whatever the activation."""
    kinds = (("squared", TARGETS, 0), ("squared", 1, CLASSES), ("cross_entropy", 1, CLASSES))
    for seed, (activation, (loss, targets, classes), hidden) in enumerate(product(ACTIVATIONS, kinds, HIDDEN)):
        if hidden or activation == "identity":
            yield gradient_record(seed, Net(hidden, activation, loss, FEATURES, targets, classes))


def drawn_batches(examples: Dataset, parameters: Any) -> Iterator[tuple[Array, Array]]:
    """What a path of nonconv sees: features (batch, features) and targets (batch, targets) of each step."""
    shape, constants, draws = examples.shape(parameters), examples.prepare(parameters), examples.draws(parameters)
    for step in range(STEPS[-1]):
        u = uniforms(key(SEED, "data"), step * BATCH * draws, BATCH * draws, PATH, 1)
        x, y = np.empty((shape.features, BATCH)), np.empty((shape.targets, BATCH))
        examples.sample(constants, BATCH, np.ascontiguousarray(u.reshape(BATCH, draws).T), x, y)
        yield x.T, y.T


def iterates(task: Task, rule: Rule) -> Iterator[list[float]]:
    examples: Any = DATASETS[task.examples.name]
    parameters = examples.parameters(**task.examples.arguments)
    net = Net(task.hidden, task.activation, task.loss, *examples.shape(parameters))
    model = network(net)
    vector_to_parameters(torch.from_numpy(start(SEED, dimension(model))), model.parameters())
    method = getattr(torch.optim, rule.theirs.name)
    optimizer = method(model.parameters(), lr=rule.rate, weight_decay=DECAY, **rule.theirs.arguments)
    for x, y in drawn_batches(examples, parameters):
        optimizer.zero_grad()
        loss_of(net, model(torch.from_numpy(x)), y).backward()
        optimizer.step()
        theta = parameters_to_vector(model.parameters())
        if theta.dtype != torch.float64:
            raise TypeError(f"{task.name}: not computed in float64")
        yield theta.tolist()


def trajectory_record(task: Task, rule: Rule) -> dict[str, Any]:
    theta = list(iterates(task, rule))
    return {
        "name": f"{task.name}-{rule.name}",
        "hidden": task.hidden,
        "activation": task.activation,
        "loss": task.loss,
        "examples": task.examples,
        "optimizer": rule.ours,
        "rate": rule.rate,
        "theta": [theta[n - 1] for n in STEPS],
    }


def lines(records: Iterator[dict[str, Any]]) -> str:
    """One record a line; floats as Python writes them, which is exact."""
    return ",\n".join(json.dumps(record) for record in records)


def main() -> None:
    head = {
        "about": "written by make_networks.py; theta has one row per step in steps",
        "version": torch.__version__.split("+")[0],
        "steps": STEPS,
        "run": {"seed": SEED, "path": PATH, "batch": BATCH, "weight_decay": DECAY},
    }
    gradients = lines(gradient_records())
    trajectories = lines(trajectory_record(task, rule) for task, rule in product(TASKS, RULES))
    parts = f'"gradients": [\n{gradients}\n],\n"trajectories": [\n{trajectories}\n]'
    text = f"{json.dumps(head).removesuffix('}')},\n{parts}\n}}\n"
    Path(__file__).with_name("networks.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
