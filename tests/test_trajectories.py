"""Every optimizer, in every dialect, against PyTorch's and Optax's own runs or its paper's algorithm as printed.

The runs are in oracles/trajectories.json, written by oracles/make_trajectories.py. `pytest -rP` prints the errors.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from kit.linear import cell_of
from nonconv.components.definitions import Optimizer
from nonconv.config.spec import component_model, parameters_from
from nonconv.engine.blocks import simulate
from nonconv.engine.reference import Reference
from nonconv.numerics.arithmetic import Array
from nonconv.optimizers import OPTIMIZERS

TOLERANCE = 1e-12
WIDE_MISS = 1e-3
"""What a wrong dialect is off by, at least: a billion times the tolerance."""


class Case(NamedTuple):
    """A run of someone else's optimizer, and which of ours should repeat it; theta is at RECORDED steps."""

    name: str
    owner: str
    version: str
    call: str
    optimizer: str
    parameters: dict[str, Any]
    learning_rate: dict[str, float]
    theta: list[list[float]]
    weight_decay: float = 0.0
    own: list[list[float]] | None = None


ORACLE = json.loads(Path(__file__).with_name("oracles").joinpath("trajectories.json").read_text(encoding="utf-8"))
CASES = {fields["name"]: Case(**fields) for fields in ORACLE["cases"]}
RECORDED = np.array(ORACLE["steps"])
START = np.array(ORACLE["problem"]["start"])
SCALE = np.array(ORACLE["problem"]["scale"])


def targets(seed: int, multiplier: int, increment: int, modulus: int) -> Iterator[float]:
    """The data, in [-1, 1): states of a linear congruential generator, as in oracles/make_trajectories.py."""
    state = seed
    while True:
        state = (multiplier * state + increment) % modulus
        yield 2.0 * state / modulus - 1.0


STEPS = np.arange(1.0, RECORDED[-1] + 1.0)
TARGETS = np.fromiter(targets(**ORACLE["problem"]["lcg"]), float, count=STEPS.size * START.size).reshape(-1, START.size)


def gradient(theta: Array, x: Array) -> Array:
    """Of sum(scale * (theta - x)^2)."""
    return 2.0 * SCALE * (theta - x)


def definition(name: str) -> Optimizer:
    component = OPTIMIZERS[name]
    assert isinstance(component, Optimizer)
    return component


def parameters_of(name: str, values: dict[str, Any]) -> Any:
    """Parameters as a config gives them, decays that are schedules among them."""
    optimizer = definition(name)
    return parameters_from(optimizer, component_model("optimizer", optimizer).model_validate({"name": name, **values}))


def run(name: str, parameters: dict[str, Any], rates: Array, weight_decay: float = 0.0, own: bool = False) -> Array:
    """Our definition on the problem: one row per step. own: its own iterate instead of theta."""
    h = parameters_of(name, parameters)
    optimizer = definition(name).form(h) or definition(name)
    columns, state, theta, rows = optimizer.coefficients(h, STEPS, rates), optimizer.start(h), START, []
    for i, x in enumerate(TARGETS):
        per_step = optimizer.per_step(*(column[i] for column in columns))
        pull = (weight_decay * theta,) if optimizer.decays else ()
        direction, state = optimizer.update(per_step, state, gradient(theta, x), *pull)
        # Of a rule that does not do it itself, weight decay is decoupled.
        theta = theta - (0.0 if pull else rates[i] * weight_decay * theta) - rates[i] * direction
        rows.append(optimizer.own(per_step, state, theta) if own and optimizer.own else theta)
    return np.array(rows)


def constant(rate: float) -> Array:
    return np.full_like(STEPS, rate)


def power(value: float, exponent: float) -> Array:
    return value * STEPS**-exponent


def error(ours: Array, theirs: Array) -> float:
    """The largest difference over all steps and coordinates, relative to 1 + |theta|."""
    return float(np.max(np.abs(ours - theirs) / (1.0 + np.abs(theirs))))


def error_of(case: Case, changes: dict[str, Any], own: bool = False) -> float:
    ours = run(case.optimizer, case.parameters | changes, power(**case.learning_rate), case.weight_decay, own)
    return error(ours[RECORDED - 1], np.array(case.own if own else case.theta))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_same_trajectory(case: Case) -> None:
    seen = error_of(case, {})
    print(f"{seen:.1e}  {case.call}")
    assert seen <= TOLERANCE


@pytest.mark.parametrize("case", [case for case in CASES.values() if case.own], ids=lambda case: case.name)
def test_same_own_iterate(case: Case) -> None:
    """What schedule-free rules evaluate, which is not theta."""
    assert error_of(case, {}, own=True) <= TOLERANCE
    assert error(np.array(case.own), np.array(case.theta)) > WIDE_MISS


WRONG_DIALECTS: list[tuple[str, dict[str, Any]]] = [
    ("torch-heavy-ball", {"nesterov": True}),
    ("torch-heavy-ball", {"form": "ema"}),
    ("torch-dampening", {"start": "zero"}),
    ("optax-nesterov", {"nesterov": False}),
    ("optax-ema", {"start": "first_gradient"}),
    ("optax-ema", {"bias_correction": True}),
    ("optax-ema-debias", {"bias_correction": False}),
    ("torch-adagrad", {"eps": 1e-7, "eps_placement": "inside", "initial_accumulator": 0.1}),
    ("torch-adagrad-accumulator", {"initial_accumulator": 0.0}),
    ("torch-adagrad-accumulator", {"eps_placement": "inside"}),
    ("optax-adagrad", {"eps": 1e-10, "eps_placement": "outside", "initial_accumulator": 0.0}),
    ("optax-adagrad-large-eps", {"eps_placement": "outside"}),
    ("torch-rmsprop-large-eps", {"eps_placement": "inside"}),
    ("torch-rmsprop-large-eps", {"bias_correction": True}),
    ("torch-rmsprop-large-eps", {"start": "first_gradient"}),
    ("optax-rmsprop-large-eps", {"eps_placement": "outside"}),
    ("optax-rmsprop-correction-outside", {"eps_placement": "hat"}),
    ("optax-rmsprop-correction-outside", {"bias_correction": False}),
    ("torch-adam-large-eps", {"eps_placement": "inside"}),
    ("torch-adam-large-eps", {"eps_placement": "hat"}),
    ("torch-adam-large-eps", {"bias_correction": False}),
    ("torch-adam-no-eps", {"bias_correction": False, "start": "first_gradient"}),
    ("optax-adam-inside", {"eps_placement": "outside"}),
    ("torch-amsgrad", {"maximum": "after_correction"}),
    ("torch-amsgrad-large-eps", {"eps_placement": "inside"}),
    ("torch-amsgrad-large-eps", {"eps_placement": "hat"}),
    ("optax-amsgrad", {"maximum": "before_correction"}),
    ("optax-amsgrad-inside", {"eps_placement": "outside"}),
    ("optax-amsgrad-no-correction", {"bias_correction": True}),
    ("optax-amsgrad-no-correction", {"start": "first_gradient"}),
    ("torch-half-dampening", {"start": "zero"}),
    ("torch-rmsprop-centered", {"centered": False}),
    ("torch-rmsprop-momentum", {"rate_in_buffer": True}),
    ("optax-rmsprop-buffer", {"rate_in_buffer": False}),
    ("optax-rmsprop-buffer", {"initial_accumulator": 0.0}),
    ("tensorflow-rmsprop", {"eps_placement": "outside"}),
    ("torch-nadam", {"momentum_schedule": "constant"}),
    ("optax-nadam", {"momentum_schedule": "dozat"}),
    ("optax-nadam-inside", {"eps_placement": "outside"}),
    ("torch-radam", {"eps_placement": "outside"}),
    ("optax-radam", {"eps_placement": "hat"}),
    ("optax-radam-inside", {"threshold": 5.0}),
    ("optax-adamax", {"nesterov": True}),
    ("paper-nadamax", {"nesterov": False}),
    ("optax-adadelta", {"eps": 1e-6}),
    ("paper-yogi", {"bias_correction": True}),
    ("pytorch_optimizer-yogi", {"initial_momentum": 0.0}),
    ("optax-lion-short", {"beta2": 0.9}),
    ("authors-adopt", {"clipping": False}),
    ("authors-adopt-before-clipping", {"clipping": True}),
    ("pytorch_optimizer-ademamix-warm-up", {"warmup_alpha": 0}),
    ("pytorch_optimizer-ademamix-warm-up", {"warmup_beta3": 0}),
    ("schedulefree-sgd-weights", {"r": 0.0}),
    ("schedulefree-sgd-weights", {"weight_lr_power": 2.0}),
    ("schedulefree-adamw-decreasing-rate", {"r": 0.0}),
    ("paper-adam-lengthening", {"beta2": 0.999}),
    ("paper-adam-shrinking", {"beta1": 0.9}),
    ("paper-amsgrad-shrinking", {"beta1": 0.0}),
    ("paper-momentum-pieces", {"beta": 0.9}),
]


@pytest.mark.parametrize(("name", "changes"), WRONG_DIALECTS)
def test_wrong_dialect_misses(name: str, changes: dict[str, Any]) -> None:
    assert error_of(CASES[name], changes) > WIDE_MISS


Option = tuple[str, str, Any]
"""Optimizer, parameter, value."""

KINGMA_BA = "Kingma & Ba's efficient form; test_hat_is_the_efficient_form"
TOINT = "Toint, arXiv:2308.00720; test_first_gradient_is_toint"
NOT_ELSEWHERE: dict[Option, str] = {
    ("rmsprop", "eps_placement", "hat"): f"{KINGMA_BA}, by test_rmsprop_is_adam_without_beta1",
    ("rmsprop", "start", "first_gradient"): f"{TOINT}, by test_rmsprop_is_adam_without_beta1",
    ("adam", "eps_placement", "hat"): KINGMA_BA,
    ("adam", "bias_correction", False): "Reddi et al., arXiv:1904.09237; test_no_correction_is_the_plain_method",
    ("adam", "start", "first_gradient"): TOINT,
    ("amsgrad", "eps_placement", "hat"): KINGMA_BA,
    ("amsgrad", "start", "first_gradient"): TOINT,
}
"""Values that neither PyTorch nor Optax implements, with whose they are and the test that holds them."""


def values(annotation: Any) -> tuple[Any, ...]:
    """The values of an option; none when the parameter is a number. Other annotations would need thought here."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    assert annotation in (bool, int, float, Any)
    return (True, False) if annotation is bool else ()


def options(name: str) -> set[Option]:
    hints = get_type_hints(definition(name).parameters)
    return {(name, parameter, value) for parameter, hint in hints.items() for value in values(hint)}


def held(name: str) -> set[Option]:
    """The options' values that some case has."""
    cases = [case for case in CASES.values() if case.optimizer == name]
    complete = [parameters_of(name, case.parameters)._asdict() for case in cases]
    return {option for option in options(name) if any(parameters[option[1]] == option[2] for parameters in complete)}


@pytest.mark.parametrize("name", [name for name, component in OPTIMIZERS.items() if not component.defaults])
def test_every_option_is_held(name: str) -> None:
    elsewhere = {option for option in NOT_ELSEWHERE if option[0] == name}
    assert any(case.optimizer == name for case in CASES.values())
    assert options(name) - held(name) == elsewhere


PRESETS: dict[str, dict[str, Any]] = {
    "adamw": {"name": "adam", "weight_decay": 0.01, "decay_form": "decoupled"},
    "nadamax": {"name": "adamax", "nesterov": True},
}


@pytest.mark.parametrize("name", [name for name, component in OPTIMIZERS.items() if component.defaults])
def test_presets_are_names_for_settings(name: str, tmp_path: Path) -> None:
    """The same bits as what they stand for, and others than what that is without them."""
    config = {
        "steps": 60,
        "paths": 3,
        "objective": {"name": "quadratic", "data": "uniform"},
        "learning_rate": 0.1,
        "start": 2.0,
    }
    stands_for = PRESETS[name]

    def iterates(optimizer: Any) -> Array:
        program = cell_of(tmp_path, config | {"optimizer": optimizer}).program
        return simulate(program, Reference(program), 0, 3, np.zeros(1, dtype=np.uint8)).theta

    assert np.array_equal(iterates(name), iterates(stands_for))
    assert np.array_equal(iterates({"name": name, "beta1": 0.5}), iterates(stands_for | {"beta1": 0.5}))
    assert not np.array_equal(iterates(name), iterates(stands_for["name"]))


NOTHING = np.zeros_like(START)
FIRST = gradient(START, TARGETS[0])
both_methods = pytest.mark.parametrize("name", ["adam", "amsgrad"])
some_betas = pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.5, 0.9), (0.9, 0.1)])


def plain(name: str, alphas: Array, betas: tuple[float, float], eps: float, *, m: Array = NOTHING, v: Array = NOTHING) -> Array:
    """Adam or AMSGrad from given averages and without correction, as Reddi et al. (arXiv:1904.09237) print them."""
    (beta1, beta2), theta, v_max, rows = betas, START, NOTHING, []
    for alpha, x in zip(alphas, TARGETS, strict=True):
        g = gradient(theta, x)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        v_max = np.maximum(v_max, v) if name == "amsgrad" else v
        theta = theta - alpha * m / (np.sqrt(v_max) + eps)
        rows.append(theta)
    return np.array(rows)


@both_methods
@some_betas
def test_hat_is_the_efficient_form(name: str, beta1: float, beta2: float) -> None:
    """Kingma & Ba, end of section 2: alpha_t = alpha sqrt(1 - b2^t)/(1 - b1^t), theta -= alpha_t m/(sqrt(v) + eps)."""
    ours = run(name, {"beta1": beta1, "beta2": beta2, "eps": 0.1, "eps_placement": "hat"}, constant(0.05))
    alphas = 0.05 * np.sqrt(1 - beta2**STEPS) / (1 - beta1**STEPS)
    assert error(ours, plain(name, alphas, (beta1, beta2), 0.1)) <= TOLERANCE


@both_methods
@some_betas
def test_no_correction_is_the_plain_method(name: str, beta1: float, beta2: float) -> None:
    ours = run(name, {"beta1": beta1, "beta2": beta2, "eps": 0.01, "bias_correction": False}, constant(0.02))
    assert error(ours, plain(name, constant(0.02), (beta1, beta2), 0.01)) <= TOLERANCE


@both_methods
@some_betas
def test_first_gradient_is_toint(name: str, beta1: float, beta2: float) -> None:
    """Toint, arXiv:2308.00720: m_{-1} = g_0, v_{-1} = g_0^2, neither correction nor eps."""
    dialect = {"eps": 0.0, "bias_correction": False, "start": "first_gradient"}
    ours = run(name, {"beta1": beta1, "beta2": beta2} | dialect, constant(0.02))
    theirs = plain(name, constant(0.02), (beta1, beta2), 0.0, m=FIRST, v=FIRST**2)
    assert error(ours, theirs) <= TOLERANCE


@pytest.mark.parametrize("bias_correction", [True, False])
def test_adam_without_memory_is_sign_descent(bias_correction: bool) -> None:
    parameters = {"beta1": 0.0, "beta2": 0.0, "eps": 0.0, "bias_correction": bias_correction}
    theta, rows = START, []
    for x in TARGETS:
        theta = theta - 0.05 * np.sign(gradient(theta, x))
        rows.append(theta)
    assert np.array_equal(run("adam", parameters, constant(0.05)), rows)


@pytest.mark.parametrize(
    "dialect",
    [
        {"eps_placement": "outside", "bias_correction": True},
        {"eps_placement": "inside", "bias_correction": True},
        {"eps_placement": "hat", "bias_correction": True},
        {"eps_placement": "outside", "bias_correction": False, "start": "first_gradient"},
    ],
)
def test_rmsprop_is_adam_without_beta1(dialect: dict[str, Any]) -> None:
    parameters = {"beta2": 0.99, "eps": 0.01} | dialect
    adam = run("adam", parameters | {"beta1": 0.0}, constant(0.05))
    assert error(run("rmsprop", parameters, constant(0.05)), adam) <= TOLERANCE


@pytest.mark.parametrize("nesterov", [False, True])
def test_ema_is_heavy_ball_at_a_smaller_rate(nesterov: bool) -> None:
    ema = run("momentum", {"beta": 0.9, "form": "ema", "nesterov": nesterov}, power(0.04, 0.5))
    ball = run("momentum", {"beta": 0.9, "form": "heavy_ball", "nesterov": nesterov}, (1.0 - 0.9) * power(0.04, 0.5))
    assert error(ema, ball) <= TOLERANCE
