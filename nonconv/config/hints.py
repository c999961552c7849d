"""Hints for those who know other libraries: what a name of PyTorch, Keras or Optax is called here, and where a key belongs."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nonconv.components.parameters import parameters_of
from nonconv.config.catalogue import Catalogue
from nonconv.config.spec import Experiment

DECIMAL_COMMA = re.compile(r"[-+]?[0-9]{1,3}(\.[0-9]{3})*,[0-9]+|[-+]?[0-9]+,[0-9]+([eE][-+]?[0-9]+)?")
DECIMAL_SIGN = "the decimal sign is a point"
DECAY = "every optimizer takes weight_decay, decoupled from the gradient unless decay_form is l2"
CLIP = "every optimizer takes clip_norm and clip_value"
EXAMPLE = "nonconv has it as an example of a plug-in, docs/plugins/{}.py in its repository"
KEYS = {
    "lr": "learning_rate",
    "eta": "learning_rate",
    "stepsize": "learning_rate",
    "initlr": "learning_rate",
    "scheduler": "learning_rate",
    "lrscheduler": "learning_rate",
    "schedule": "learning_rate",
    "batchsize": "batch_size",
    "batch": "batch_size",
    "minibatch": "batch_size",
    "epochs": "steps",
    "iterations": "steps",
    "numsteps": "steps",
    "nsteps": "steps",
    "maxiter": "steps",
    "maxsteps": "steps",
    "runs": "paths",
    "repeats": "paths",
    "repetitions": "paths",
    "trials": "paths",
    "npaths": "paths",
    "numpaths": "paths",
    "randomstate": "seed",
    "rngseed": "seed",
    "x0": "start",
    "theta0": "start",
    "init": "start",
    "initial": "start",
    "loss": "objective",
    "model": "objective",
    "function": "objective",
    "network": "objective",
    "dataset": "objective.data",
    "epsilon": "eps",
    "b1": "beta1",
    "b2": "beta2",
    "beta1": "beta1",
    "beta2": "beta2",
    "rho": "beta2",
    "initialaccumulatorvalue": "initial_accumulator",
}
"""What keys of other libraries are called here, by the key in small letters without _ and -."""
SENTENCES = {
    "betas": "write beta1 and beta2 apart",
    "momentum": "write optimizer: {name: momentum, beta: 0.9}",
    "nesterov": "write optimizer: {name: momentum, nesterov: true}; of adam it is nadam",
    "dampening": "write optimizer: {name: momentum, dampening: 0.5, start: first_gradient}",
    "amsgrad": "write optimizer: amsgrad",
    "weightdecay": DECAY,
    "decoupledweightdecay": DECAY,
    "l2": DECAY,
    "clipnorm": CLIP,
    "clipvalue": CLIP,
    "gradclip": CLIP,
    "gradclipping": CLIP,
    "maxgradnorm": CLIP,
    "maxnorm": CLIP,
    "bounds": "write domain: [low, high]",
    "box": "write domain: [low, high]",
    "constraint": "write domain: [low, high]",
    "projection": "write domain: [low, high]",
    "averaging": "write iterates: [last, polyak], or another average",
    "average": "write iterates: [last, polyak], or another average",
    "swa": "write iterates: [last, {name: tail, share: 0.25}], or another average",
    "ema": "write iterates: [last, {name: ema, decay: 0.999}]",
    "polyak": "write iterates: [last, polyak]",
    "centered": "write optimizer: {name: rmsprop, centered: true}",
    "centred": "write optimizer: {name: rmsprop, centered: true}",
    "maximize": "objectives are minimised",
    "device": "paths run on the CPU",
    "workers": "write it on the command line: --workers N",
}
"""What to write instead of a key that is no key under another name."""
NAMES: dict[str, dict[str, tuple[str, str]]] = {
    "optimizer": {
        "nadamw": ("nadam", "write {name: nadam, weight_decay: 0.01}"),
        "signsgd": ("sign_descent", ""),
        "sign": ("sign_descent", ""),
        "schedulefree": ("schedule_free_sgd", ""),
        "sgdschedulefree": ("schedule_free_sgd", ""),
        "sgdm": ("momentum", ""),
        "sgdmomentum": ("momentum", ""),
        "heavyball": ("momentum", ""),
        "nesterov": ("momentum", "write {name: momentum, nesterov: true}"),
        "nag": ("momentum", "write {name: momentum, nesterov: true}"),
        "gd": ("sgd", ""),
        "gradientdescent": ("sgd", ""),
        "adagradnorm": ("adagrad", "its one step size for all coordinates is not here; adagrad has one for each"),
        "lamb": ("adam", "it is not here; a plug-in may add it"),
        "adafactor": ("adam", "its decay is {name: one_minus_power, exponent: 0.8} as beta2; the rest is not here"),
    },
    "learning_rate": {
        "cosineannealing": ("cosine", ""),
        "cosineannealinglr": ("cosine", ""),
        "cosinedecay": ("cosine", ""),
        "exponentiallr": ("exponential", ""),
        "exponentialdecay": ("exponential", ""),
        "steplr": ("step", ""),
        "stepdecay": ("step", ""),
        "multisteplr": ("piecewise", ""),
        "piecewiseconstant": ("piecewise", ""),
        "cycliclr": ("cyclic", ""),
        "onecyclelr": ("cyclic", ""),
        "inversesqrt": ("power", "write {name: power, value: 0.1, exponent: 0.5}"),
        "inversetime": ("power", "write {name: power, value: 0.1, exponent: 1}"),
        "inverse": ("power", "write {name: power, value: 0.1, exponent: 1}"),
        "polynomial": ("power", "(1 - n/T)^p is not here; power is n^-p"),
        "polynomiallr": ("power", "(1 - n/T)^p is not here; power is n^-p"),
        "fixed": ("constant", ""),
        "linearwarmup": ("constant", "every learning rate has a warmup: {name: constant, value: 0.01, warmup: 1000}"),
        "warmup": ("constant", "every learning rate has a warmup: {name: constant, value: 0.01, warmup: 1000}"),
    },
    "objective": {
        "linearregression": ("linear_model", ""),
        "leastsquares": ("linear_model", ""),
        "ridge": ("linear_model", "write {name: linear_model, weight_decay: 0.1, data: ...}"),
        "ridgeregression": ("linear_model", "write {name: linear_model, weight_decay: 0.1, data: ...}"),
        "softmaxregression": ("linear_model", "write {name: linear_model, loss: cross_entropy, data: ...}"),
        "logisticregression": ("linear_model", "write {name: linear_model, loss: logistic, data: ...}"),
        "network": ("mlp", ""),
        "neuralnetwork": ("mlp", ""),
        "nn": ("mlp", ""),
        "mse": ("quadratic", ""),
        "doublewell": ("double_well", ""),
        "quartic": ("power", "write {name: power, exponent: 4, data: ...}"),
        "smoothl1": ("huber", "huber is delta times the smooth L1 loss"),
        "logcosh": ("log_cosh", ""),
        "styblinskitang": ("", EXAMPLE.format("styblinski_tang")),
    },
    "data": {
        "gaussian": ("normal", ""),
        "bernoulli": ("two_point", ""),
        "binary": ("two_point", ""),
        "sign": ("rademacher", ""),
        "file": ("csv", ""),
        "empirical": ("csv", ""),
        "student": ("", EXAMPLE.format("heavy_tails")),
    },
}
"""Names of other libraries by kind: the nearest component here, and what to write."""


def _plain(name: object) -> str:
    """Return a name in small letters, without what libraries join words with."""
    return str(name).lower().replace("_", "").replace("-", "").replace(" ", "")


def has_decimal_comma(value: object) -> bool:
    """Whether a value is a text that would be a number if its comma were a point."""
    return isinstance(value, str) and bool(DECIMAL_COMMA.fullmatch(value.strip()))


def hint_for_name(kind: str, name: str) -> tuple[str, str]:
    """Return the component that an unknown name is a relative of, and what to write; empty texts if none is known."""
    if has_decimal_comma(name):
        return "", DECIMAL_SIGN
    return NAMES.get("data" if kind == "dataset" else kind, {}).get(_plain(name), ("", ""))


def hint_for_key(catalogue: Catalogue, data: Any, path: tuple[str | int, ...], known: list[str]) -> str:
    """Return what to write instead of an unknown key: its name here, or the place where it belongs; empty if none is known.

    data: the config. path: of the key. known: what its mapping may have.
    """
    key, plain = str(path[-1]), _plain(path[-1])
    if plain not in SENTENCES:
        return _hint_of_place(catalogue, data, path, KEYS.get(plain, key), known)
    # It may be a parameter of what the config names, as weight_decay of mlp.
    named = any(key in parameters_named(component) for _, component in _named(catalogue, data))
    return _home(catalogue, data, key) if named else SENTENCES[plain]


def _hint_of_place(catalogue: Catalogue, data: Any, path: tuple[str | int, ...], name: str, known: list[str]) -> str:
    """Say where a key of this name belongs."""
    written = str(path[-1])
    if name == path[0] and "value" in known and len(path) > 1:
        name = "value"  # the rate of a learning rate
    if name in known or (len(path) == 1 and name in TOP_LEVEL):
        return f"it is called {name} here" if name != written else ""
    if "." in name:
        return f"it belongs to {name}"
    called = "" if name == written else f"it is called {name} here; "
    if name in TOP_LEVEL:
        return f"{called}it belongs to the top level, beside {path[0]}"
    return f"{called}{home}" if (home := _home(catalogue, data, name)) else ""


def _home(catalogue: Catalogue, data: Any, name: str) -> str:
    """Say of which component this is a parameter: one that the config names, or else any."""
    for kind, component in _named(catalogue, data):
        if name in parameters_named(component):
            return f"it is a parameter of {component.name}: {kind}: {{name: {component.name}, {name}: ...}}"
    for kind in ("optimizer", "objective", "learning_rate"):
        for component in catalogue[kind].values():
            if name in parameters_named(component):
                return f"it is a parameter of {kind} {component.name}"
    return ""


TOP_LEVEL = tuple(Experiment.__annotations__)
"""Keys of a config."""


def parameters_named(component: Any) -> list[str]:
    """List the names of a component's parameters."""
    return [parameter.name for parameter in parameters_of(component.parameters)]


def _named(catalogue: Catalogue, data: Any) -> Iterator[tuple[str, Any]]:
    """Yield the components that a config names, each with its kind."""
    for kind in ("optimizer", "objective", "learning_rate", "batch_size"):
        value = data.get(kind) if isinstance(data, Mapping) else None
        name = value.get("name") if isinstance(value, Mapping) else value
        if isinstance(name, str) and name in catalogue[kind]:
            yield kind, catalogue[kind][name]
