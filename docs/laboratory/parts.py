"""Parts of configs that many processes share: objectives, optimizers, schedules."""

from typing import Any

from laboratory.process import PLUGINS, Changes, Data, Draw

ADAPTIVE = ("rmsprop", "adam", "amsgrad", "adabelief")
"""Rules that divide by a running average of squares."""


def quadratic(law: Data, **parameters: Any) -> Changes:
    """Return the quadratic over a law."""
    return {"name": "quadratic", "data": law.config, **parameters}


def power(value: float, exponent: float, **parameters: Any) -> Changes:
    """Return value (n + shift)^-exponent, or a batch that grows as value n^exponent."""
    return {"name": "power", "value": value, "exponent": exponent, **parameters}


def pieces(values: list[float], until: list[int]) -> Changes:
    """Return a schedule that is constant on pieces."""
    return {"name": "piecewise", "values": values, "until": until}


def constant_data(value: float = 0.0) -> Changes:
    """Return the law of one value."""
    return {"name": "discrete", "values": [value], "probabilities": [1.0]}


def plugin(*names: str) -> list[str]:
    """Return entries of `plugins`."""
    return [str((PLUGINS / f"{name}.py").resolve()) for name in names]


def optimizer(d: Draw, name: str, beta2: tuple[float, float] = (0.9, 0.999)) -> Changes:
    """Return a rule of ADAPTIVE in a dialect that corrects the bias, with beta1 < sqrt(beta2) and a small eps."""
    found: Changes = {"name": name, "beta2": d.uniform(*beta2)}
    if name == "adabelief":
        # At beta1 = 0 every deviation from the average is 0: the rule is SGD at rate / sqrt(eps_root).
        return found | {"beta1": d.pick(0.5, 0.8, 0.9)}
    found |= {"bias_correction": True} if name == "rmsprop" else {"beta1": d.pick(0.0, 0.5, 0.8, 0.9)}
    return found | {"eps": d.pick(1e-12, 1e-8, 1e-5), "eps_placement": d.pick("outside", "inside")}


def any_optimizer(d: Draw) -> Changes:
    """Return any rule that forgets: SGD, momentum, or one of ADAPTIVE but AMSGrad."""
    name = d.pick("sgd", "momentum", "rmsprop", "adam", "adabelief")
    if name == "sgd":
        return {"name": "sgd"}
    if name == "momentum":
        return {"name": "momentum", "form": "ema", "beta": d.uniform(0.3, 0.9), "nesterov": d.pick(True, False)}
    return optimizer(d, name)


def step_scale(rule: Changes, law: Data) -> float:
    """Return the unit of the rate: 1/2 for rules that follow the gradient 2 (theta - x), sd for rules that divide by it."""
    return law.sd if rule["name"] in (*ADAPTIVE, "adagrad") else 0.5
