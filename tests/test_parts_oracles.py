"""The parts of a step against what is known exactly of them, within four standard errors; and what they must differ from."""

from typing import Any

import numpy as np
import pytest

from nonconv.config.document import parse
from nonconv.engine.blocks import simulate
from nonconv.engine.fused import Fused
from nonconv.engine.program import Program
from nonconv.engine.reference import Reference
from nonconv.experiment.binding import make_cell
from nonconv.numerics.arithmetic import Array
from nonconv.store.formats import as_yaml
from nonconv.study.ready import make_ready

G = 0.2
"""Learning rate times curvature, of SGD on the quadratic below."""
QUADRATIC: dict[str, Any] = {"name": "quadratic", "scale": 0.5, "data": "rademacher"}
SGD: dict[str, Any] = {"objective": QUADRATIC, "optimizer": "sgd", "learning_rate": G}


def program(**config: Any) -> Program:
    whole = {"steps": 400, "floors": {"twin": False, "window": False, "cauchy": False}} | SGD | config
    return make_ready(make_cell(parse(as_yaml(whole).decode(), "test.yaml"))).cell.program


def ends(paths: int = 4000, engine: type[Fused | Reference] = Reference, **config: Any) -> Array:
    """The last iterates of each coordinate, (dim, paths). The engines have the same bits, and one has nothing to compile."""
    own = program(**config)
    return np.asarray(simulate(own, engine(own), 0, paths, np.zeros(1, dtype=np.uint8)).theta[-1])


def agrees(squares: Array, expected: float, control: float) -> bool:
    """The mean is within four standard errors of the expected number, and not of the control."""
    se = float(squares.std(ddof=1)) / np.sqrt(squares.size)
    assert abs(control - expected) > 8.0 * se, "the test could not tell"
    return bool(abs(float(squares.mean()) - expected) < 4.0 * se)


def data(**changes: Any) -> dict[str, Any]:
    return QUADRATIC | {"data": {"name": "rademacher"} | changes}


PLAIN = G / (2.0 - G)
"""E Theta^2 of SGD in the stationary state, with data of variance 1."""


def test_held_data() -> None:
    """At the end of a hold of k steps SGD is SGD with the rate 1 - (1 - g)^k."""
    g = 1.0 - (1.0 - G) ** 8
    assert agrees(ends(objective=data(hold=8)) ** 2, g / (2.0 - g), PLAIN)


def test_ends_of_epochs() -> None:
    """N values without replacement: the variance at the end of a pass, with the weights w_j = g (1 - g)^(N - j)."""
    values, number = [0.5, -1.0, 2.0, 3.0, -2.5], 5
    w = G * (1.0 - G) ** np.arange(number)[::-1]
    own = np.var(values) * number / (number - 1) * (np.sum(w**2) - w.sum() ** 2 / number) / (1.0 - (1.0 - G) ** (2 * number))
    law = {"name": "sequence", "values": values, "order": "epochs"}
    away = ends(objective=QUADRATIC | {"data": law}) - np.mean(values)
    assert agrees(away**2, own, PLAIN * float(np.var(values)))


def test_passes_in_one_order() -> None:
    """Of one coordinate every path ends at the fixed point of its own order: as at the end of an epoch, but exactly."""
    values = [0.5, -1.0, 2.0]
    w = G * (1.0 - G) ** np.arange(3)[::-1] / (1.0 - (1.0 - G) ** 3)
    law = {"name": "sequence", "values": values, "order": "cyclic"}
    (end,) = ends(1, objective=QUADRATIC | {"data": law}, steps=600)[0]
    assert end == pytest.approx(w @ values, abs=1e-12)
    once = ends(400, objective=QUADRATIC | {"data": law | {"order": "once"}}, steps=600)[0]
    orders = [w @ [values[k] for k in order] for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))]
    assert np.allclose(np.unique(once.round(12)), np.sort(orders), atol=1e-11)


def test_drift() -> None:
    """The mean of SGD follows a linear recursion; its variance is that without the drift."""
    found = ends(objective=data(drift={"name": "sine", "amplitude": 2.0, "period": 37}))[0]
    mean = 0.0
    for n in range(1, 401):
        mean += G * (2.0 * np.sin(2.0 * np.pi * n / 37) - mean)
    assert agrees(found, mean, 0.0)
    assert agrees((found - mean) ** 2, PLAIN, PLAIN + mean**2)


@pytest.mark.parametrize("batch", [1, 4])
def test_gradient_noise(batch: int) -> None:
    """It is drawn anew for each step, whatever the batch: (g^2 sigma^2 / M + rate^2 s^2) / (1 - (1 - g)^2)."""
    whole = data() | {"gradient_noise": {"name": "normal", "std": 1.5}}
    expected = (G**2 / batch + G**2 * 1.5**2) / (1.0 - (1.0 - G) ** 2)
    averaged = (G**2 / batch + G**2 * 1.5**2 / batch) / (1.0 - (1.0 - G) ** 2)
    control = averaged if batch > 1 else PLAIN
    assert agrees(ends(objective=whole, batch_size=batch) ** 2, expected, control)


def test_decoupled_decay_on_noise() -> None:
    """A momentum average of noise that decays: p = 1 - rate lambda, a = beta."""
    a, rate, decay = 0.8, 0.1, 0.5
    p = 1.0 - rate * decay
    own = rate**2 * (1.0 - a) ** 2 * (1.0 + p * a) / ((1.0 - p * a) * (1.0 - p**2) * (1.0 - a**2))
    rule = {"name": "momentum", "form": "ema", "beta": a, "weight_decay": decay}
    found = ends(objective={"name": "linear", "data": "rademacher"}, optimizer=rule, learning_rate=rate, xi="start") ** 2
    l2 = ends(
        objective={"name": "linear", "data": "rademacher"},
        optimizer=rule | {"decay_form": "l2"},
        learning_rate=rate,
        xi="start",
    )
    assert agrees(found, own, float((l2**2).mean()))


@pytest.mark.slow
def test_where_adamw_ends_on_the_quadratic() -> None:
    """As beta2 tends to 1 at mu c / (c + lambda r), with r = c sqrt(sigma^2 + V + (end - mu)^2); L2 would lead elsewhere."""
    data, rule = {"name": "normal", "mean": 3.0}, {"name": "adamw", "weight_decay": 0.3}
    found = ends(2000, objective=QUADRATIC | {"data": data}, optimizer=rule, learning_rate=0.01, start=2.0, steps=3000)[0]
    end, variance = 2.0, float(found.var())
    for _ in range(100):
        end = 3.0 / (1.0 + 0.3 * np.sqrt(1.0 + variance + (end - 3.0) ** 2))
    assert agrees(found, end, 3.0 / 1.3)


@pytest.mark.compiles
def test_full_batch_adamw_minimises_in_a_box() -> None:
    """With decoupled decay lambda over |theta| <= 1 / lambda; with L2 it does not."""
    target = {"objective": {"name": "quadratic", "data": {"name": "sequence", "values": [10]}}, "steps": 20_000}
    rate = {"name": "power", "value": 0.5, "exponent": 0.6}
    decoupled = ends(1, Fused, **target, optimizer={"name": "adam", "weight_decay": 0.25}, learning_rate=rate)
    l2 = ends(1, Fused, **target, optimizer={"name": "adam", "weight_decay": 0.25, "decay_form": "l2"}, learning_rate=rate)
    assert decoupled[0, 0] == pytest.approx(4.0, rel=1e-3)
    assert l2[0, 0] == pytest.approx(20.0 / 2.25, rel=1e-3)


def test_clipping_by_hand() -> None:
    """By value, then by norm as PyTorch does, then L2; on two coordinates whose gradients differ in size."""
    rule = {"name": "sgd", "clip_value": 3.0, "clip_norm": 2.0, "clip_eps": 1e-6, "weight_decay": 0.1, "decay_form": "l2"}
    law = {"name": "sequence", "rows": [[8.0, -0.5], [0.25, 0.125]], "order": "cyclic"}
    whole = {"name": "quadratic", "scale": 0.5, "dim": 2, "data": law}
    found = ends(1, objective=whole, optimizer=rule, steps=25)[:, 0]
    theta = np.zeros(2)
    for n in range(25):
        g = np.clip(theta - np.array([[8.0, -0.5], [0.25, 0.125]][n % 2]), -3.0, 3.0)
        g *= min(1.0, 2.0 / (float(np.linalg.norm(g)) + 1e-6))
        theta = theta - G * (g + 0.1 * theta)
    assert np.allclose(found, theta, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("beta2", "end"), [(0.1, 1.0), (0.999, -1.0)])
def test_the_online_counterexample(beta2: float, end: float) -> None:
    """Reddi, Kale & Kumar (2018), theorem 1: on C x, -x, -x, ... Adam goes to the worst point of [-1, 1], if beta2 is small."""
    law = {"name": "sequence", "values": [3.0, -1.0, -1.0], "order": "cyclic"}
    rule = {"name": "adam", "beta1": 0.0, "beta2": beta2, "bias_correction": False}
    found = ends(
        1,
        objective={"name": "linear", "data": law},
        optimizer=rule,
        learning_rate={"name": "power", "value": 0.1, "exponent": 0.5},
        domain=[-1, 1],
        steps=5000,
        xi="start",
    )
    assert found[0, 0] == pytest.approx(end, abs=0.05)
