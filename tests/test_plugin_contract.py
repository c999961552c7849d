"""The contract of components: every check is held against a plug-in that breaks it, and against all that nonconv ships."""

import ast
import inspect
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import nonconv.plugin
from kit.command import bad, call, good
from kit.plugins import EXAMPLES, LAW, LION, PLAIN, SHORT_LION, TEXTS, WELL, changed, config, failed, finished, told, write
from nonconv.checks.verification import verify_folder
from nonconv.components.registry import Registry
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.plugins import load_files
from nonconv.contract import plausible, programs
from nonconv.contract.findings import CHECKS, OF_CLASS, Finding, contract_of, findings
from nonconv.experiment.binding import read_cell
from nonconv.faults.errors import PluginError
from nonconv.study import loop as study

pytestmark = pytest.mark.usefixtures("plugin_folder")


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Leaves one check: others may have to compile what is broken."""

    def leave(check: str) -> None:
        for kind, checks in CHECKS.items():
            monkeypatch.setitem(CHECKS, kind, {name: test for name, test in checks.items() if name == check})
        for cls, checks in OF_CLASS.items():
            monkeypatch.setitem(OF_CLASS, cls, {name: test for name, test in checks.items() if name == check})

    return leave


# The command line


@pytest.mark.usefixtures("reference")
def test_contract_on_the_command_line(only: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "STEPS", 60)
    write("lion.py", LION)
    assert good("explain", "lion.py", "--test").endswith("14 of 14 checks passed.\n")
    document = json.loads(good("explain", "my_lion", "--plugin", "lion.py", "--test", "--json"))
    assert document["passed"]
    assert {row["component"] for row in document["checks"]} == {"my_lion"}
    only("start returns finite floats")
    changed("lion.py", "LionState(0.0)", "LionState(0)")
    result = call("explain", "lion.py", "--test")
    assert result.exit_code == 2
    assert "lion.py:38: start: m is 0; it must be a finite float" in result.stdout
    assert not json.loads(call("explain", "lion.py", "--test", "--json").stdout)["passed"]


def test_contract_of_our_own_on_the_command_line(only: Callable[[str], None]) -> None:
    """Of a name that two kinds have, both; what cannot be checked says why."""
    only("samples stay within the law's bounds")
    said = good("explain", "csv", "--test")
    assert said.endswith("3 of 3 checks passed. 2 skipped.\n")
    assert said.count("it reads a table; the other checks use a small one") == 2
    assert good("explain", "weights", "--test").endswith("1 of 1 check passed. 1 skipped.\n")
    results = {row["check"]: row["passed"] for row in json.loads(good("explain", "uniform", "--test", "--json"))["checks"]}
    assert results.pop("samples stay within the law's bounds")
    assert len(results) == 2


# What passes and what fails


GOOD = TEXTS | {"pseudo_huber.py": (EXAMPLES / "pseudo_huber.py").read_text(encoding="utf-8")}


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_good_plugins_keep_it(name: str) -> None:
    assert failed(name, GOOD[name]) == {}


BREAKS: list[tuple[str, str, str, str, str]] = [
    (
        "lion.py",
        "every parameter has a description",
        'Doc("decay of the running average")',
        'Doc("")',
        "beta2 has no description",
    ),
    ("lion.py", "a config can set its parameters", "= 0.99", "= 1.5", "beta2: "),
    ("absolute.py", "shape, draws and rows are whole numbers", "Shape(1, 1)", "Shape(1, 0)", "both at least 1"),
    (
        "absolute.py",
        "held-out examples have the shape",
        "h: h.held_out",
        "h: np.zeros((1, 3))",
        "must return a number of examples",
    ),
    (
        "absolute.py",
        "sample writes n columns and no more",
        "in each(n)",
        "in each(x.shape[1])",
        "absolute.py:30: sample writes beyond the first n columns of x",
    ),
    (
        "absolute.py",
        "a stated truth is that of examples",
        "        sample=sample,",
        "        sample=sample,\n        truth=lambda h: np.zeros(2),",
        "truth must return Truth",
    ),
    (
        "absolute.py",
        "an example depends on its uniforms alone",
        "u[1, i] - 1.0",
        "u[1, i] - np.mean(u[1, :n])",
        "beside others than alone",
    ),
    (
        "affine.py",
        "groups cover every coordinate",
        'Group("bias", shape.features,',
        'Group("bias", shape.features - 1,',
        "bias does not begin where the one before ends",
    ),
    ("affine.py", "loss writes n columns and no more", "out[1, i] = 0.0", "pass", "loss leaves out without a finite number"),
    ("affine.py", "add_gradient is a sum over examples", "[j, i] +=", "[j, i] =", "must add to the gradient, not replace"),
    ("affine.py", "add_gradient is the derivative of loss", "1.0, -1.0)", "1.0, 1.0)", "the loss rises by"),
    (
        "affine.py",
        "the mean gradient at the minimizer is 0",
        "        check_shape=check_shape,",
        "        check_shape=check_shape,\n        minimizer=lambda h, shape, known: np.zeros(shape.features + 1),",
        "the mean gradient has an entry of",
    ),
    (
        "affine.py",
        "the mean gradient at the minimizer is 0",
        "        check_shape=check_shape,",
        "        check_shape=check_shape,\n        minimizer=lambda h, shape, known: np.zeros(7),",
        "minimizer has the shape (7,)",
    ),
    ("affine.py", "variance is a positive number", "return 1.0\n", "return 1 - fan_in\n", "variance(1, 1) is 0"),
    ("lion.py", "start returns finite floats", "LionState(0.0)", "LionState(0)", "lion.py:38: start: m is 0"),
    (
        "lion.py",
        "relative_size is the size of directions",
        "relative_size=CONSTANT_SIZE",
        "relative_size=lambda h, n: 1.0 / np.sqrt(n)",
        "relative_size says that directions of steps 33 to 64 are 5.63 times as long as those of steps 1025 to 2048; on random",
    ),
    (
        "lion.py",
        "relative_size is the size of directions",
        "relative_size=CONSTANT_SIZE",
        "relative_size=lambda h, n: 2.0",
        "relative_size has the shape ()",
    ),
    (
        "lion.py",
        "monotone names the fields that go one way",
        "monotone=()",
        'monotone=("m",)',
        "monotone names m, but it both rises (at step 1) and falls (at step 1)",
    ),
    (
        "lion.py",
        "can_be_undefined says whether 0/0 occurs",
        "select(x < 0.0, -1.0, x))",
        "select(x < 0.0, -1.0, x / x))",
        "can_be_undefined says no, but on gradients of 0 the direction of step 1 is nan",
    ),
    (
        "lion.py",
        "bounded_direction says if there is a bound",
        "    return sign(c.weight_m * s.m + c.weight_g * g), LionState(m)",
        "    return c.weight_m * s.m + c.weight_g * g, LionState(m)",
        "bounded_direction says yes, but gradients of 1e+100 give directions",
    ),
    (
        "lion.py",
        "stable_below is where a minimum repels",
        "bounded_direction=ALWAYS,",
        "bounded_direction=ALWAYS, stable_below=lambda h: 2.0,",
        "stable_below is 2, but at 0.9 times that a tiny theta with the gradient theta does not shrink",
    ),
    (
        "lion.py",
        "what is shown fits",
        "bounded_direction=ALWAYS,",
        "bounded_direction=ALWAYS, scaling=Scaling(lambda c, s: np.ones(3)),",
        "the factor of scaling is not lanes: it has shape (3,) for a state of (64,)",
    ),
    (
        "lion.py",
        "squares names the field whose root divides",
        "    return sign(c.weight_m * s.m + c.weight_g * g), LionState(m)",
        "    return g / np.sqrt(s.m + g * g + 1e-9), LionState(s.m + g * g)",
        'm holds squares of gradients, and their root divides; state squares=Squares("m")',
    ),
    (
        "ramp.py",
        "law's tails go together",
        "symmetric=False)",
        "symmetric=False, fourth=1e-9)",
        "fourth is below variance^2",
    ),
    (
        "lion.py",
        "at_step returns one number per step",
        "np.full_like(n, value)",
        "value",
        "lion.py:42: at_step: weight_m has the shape ()",
    ),
    (
        "lion.py",
        "at_step returns one number per step",
        "at_step=at_step,",
        "at_rate=lambda h, n, rate: LionPerStep(1 / (rate - rate), n, n, n),",
        "at_rate: weight_m is not finite at step 1",
    ),
    (
        "lion.py",
        "at_step depends on the step alone",
        "np.full_like(n, value)",
        "np.full_like(n, value * len(n))",
        "lion.py:42: returns other numbers when the steps are split into pieces",
    ),
    (
        "lion.py",
        "at_step depends on the step alone",
        "    return LionPerStep(*",
        "    n += 1.0\n    return LionPerStep(*",
        "changes the steps it is given",
    ),
    (
        "lion.py",
        "update does not change its arguments",
        "LionState(m)\n",
        "LionState(m + np.max(g))\n",
        "differently beside others",
    ),
    (
        "lion.py",
        "update does not change its arguments",
        "    m = c.decay",
        "    s = LionState(s.m)\n    g *= 2.0\n    m = c.decay",
        "lion.py:50: update changes the gradient",
    ),
    ("lion.py", "compiled update equals NumPy's", "LionState(m)\n", "LionState(np.float64(f'{1}'))\n", "cannot be compiled"),
    (
        "styblinski_tang.py",
        "constants have one entry per coordinate",
        "np.full(dim, h.depth)",
        "np.full(3, h.depth)",
        "styblinski_tang.py:26: ",
    ),
    (
        "styblinski_tang.py",
        "gradient is the derivative of loss",
        "+ 2.5) + x",
        "+ 2.5) - x",
        "styblinski_tang.py:35: at theta = ",
    ),
    (
        "styblinski_tang.py",
        "the mean of the data is enough",
        "+ 2.5) + x",
        "+ 2.5) + x * x",
        "mean_is_enough, but at theta = -2.03 it is not affine in x",
    ),
    (
        "styblinski_tang.py",
        "the mean gradient at the minimizer is 0",
        "        gradient=gradient,",
        "        gradient=gradient,\n        minimizer=lambda h, law: law.mean,",
        "the mean gradient is",
    ),
    (
        "styblinski_tang.py",
        "the mean gradient at the minimizer is 0",
        "        gradient=gradient,",
        "        gradient=gradient,\n        minimizer=lambda h, law: np.zeros(7),",
        "minimizer has the shape (7,)",
    ),
    (
        "styblinski_tang.py",
        "the mean gradient at the minimizer is 0",
        "        gradient=gradient,",
        "        gradient=gradient,\n        minima=lambda h, law: [np.array([0.0, 1.0])] * h.dim,",
        "at the minimum 0 the mean gradient is",
    ),
    (
        "styblinski_tang.py",
        "the mean gradient at the minimizer is 0",
        "        gradient=gradient,",
        "        gradient=gradient,\n        minima=lambda h, law: np.zeros(1),",
        "minima must return an array of points for each of 1 coordinates",
    ),
    (
        "styblinski_tang.py",
        "curvature is the derivative of gradient",
        "        gradient=gradient,",
        "        gradient=gradient,\n        curvature=lambda k, theta, x: k.depth * (6.0 * theta * theta - 15.0),",
        "the gradient rises by",
    ),
    (
        "ramp.py",
        "constants have one entry per coordinate",
        "RampConstants(np.full(dim, h.width))",
        "(h.width,)",
        "ramp.py:25: prepare returns",
    ),
    ("ramp.py", "law has one entry per coordinate, in order", "0.0, h.width)", "h.width, h.width)", "low <= mean <= high"),
    ("ramp.py", "law has one entry per coordinate, in order", "symmetric=False", "symmetric=True", "symmetric, but"),
    (
        "ramp.py",
        "samples stay within the law's bounds",
        "k.width * np.sqrt(u)",
        "k.width * np.sqrt(u) - 1e-9",
        "outside the law's",
    ),
    (
        "ramp.py",
        "the values of a finite law have its moments",
        "prepare=prepare, sample=sample",
        "prepare=prepare, sample=sample, atoms=lambda h, dim: (np.array([[0.0], [h.width]]), np.array([0.5, 0.5]))",
        "ramp.py:34: atoms do not have the law's mean",
    ),
    ("ramp.py", "samples have the law's moments", "2 * h.width / 3", "2.05 * h.width / 3", "ramp.py:20: law says mean"),
    ("ramp.py", "samples have the law's moments", "h.width**2 / 18", "h.width**2 / 17.5", "law says variance"),
    ("ramp.py", "samples have the law's moments", "/ 135", "/ 125", "law says third_central"),
    (
        "schedules.py",
        "value returns one finite number >= 0 per step",
        "h.first / (1.0 +",
        "h.first / (0.0 +",
        "value is inf at step 1",
    ),
    (
        "schedules.py",
        "value returns one finite number >= 0 per step",
        "h.first / (1.0 +",
        "h.first * (1.0 -",
        "must be finite and not",
    ),
    ("schedules.py", "value depends on the step alone", "np.log(n))", "np.log(n) + n[0])", "split into pieces"),
    (
        "schedules.py",
        "values approach the limits",
        "Limits(0.0, 0.0)",
        "Limits(0.1, 0.1)",
        "limits says 0.1 to 0.1, but around",
    ),
    ("schedules.py", "values approach the limits", "Limits(0.0, 0.0)", "Limits(np.inf, np.inf)", "grows without bound"),
    (
        "fading.py",
        "decays are at least 0 and below 1",
        "(0.9 - h.floor)",
        "(1.2 - h.floor)",
        "fading.py:16: value is 1.2 at step 1; a decay must be below 1",
    ),
    (
        "fading.py",
        "decays are at least 0 and below 1",
        "least=lambda h: h.floor",
        "least=lambda h: 0.7",
        "least is 0.7, but the decay of step",
    ),
    (
        "fading.py",
        "decays are at least 0 and below 1",
        "most=lambda h: 0.9",
        "most=lambda h: 0.8",
        "most is 0.8, but the decay",
    ),
    (
        "fading.py",
        "averages forget their start",
        "h.floor + (0.9 - h.floor) / n",
        "np.maximum(1.0 - 0.9 / n**2, 0.1)",
        "decays tend to 1 too fast",
    ),
    ("schedules.py", "values approach the limits", "Limits(1, 2)", "Limits(1, 1)", "schedules.py:32: limits says 1 to 1"),
    (
        "fading.py",
        "decays are at least 0 and below 1",
        "(0.9 - h.floor)",
        "(1.2 - h.floor)",
        "fading.py:16: value is 1.2 at step 1; a decay must be below 1",
    ),
    (
        "fading.py",
        "decays are at least 0 and below 1",
        "least=lambda h: h.floor",
        "least=lambda h: 0.7",
        "least is 0.7, but the decay of step",
    ),
    (
        "fading.py",
        "decays are at least 0 and below 1",
        "most=lambda h: 0.9",
        "most=lambda h: 0.8",
        "most is 0.8, but the decay",
    ),
    (
        "fading.py",
        "averages forget their start",
        "h.floor + (0.9 - h.floor) / n",
        "np.maximum(1.0 - 0.9 / n**2, 0.1)",
        "decays tend to 1 too fast",
    ),
    ("schedules.py", "values approach the limits", "Limits(1, 2)", "Limits(2, 1)", "low <= high"),
    ("schedules.py", "sizes are whole numbers >= 1", "1.0 + np.mod(n", "1.5 + np.mod(n", "the size is 1.5 at step 1"),
    ("schedules.py", "sizes are whole numbers >= 1", "1.0 + np.mod(n", "np.mod(n", "the size is 0 at step 1"),
]


@pytest.mark.slow
def test_a_rule_without_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its update takes the parameters, its state starts at zero; the bits are those of the rule written out."""
    monkeypatch.setattr(plausible, "MOST_USUAL", 4)
    path, paths = config(), []
    for text in (LION, SHORT_LION):
        write("lion.py", text)
        paths.append(study.first_paths(read_cell(path, []), 4, 1).tolist())
    assert paths[0] == paths[1]
    assert failed("lion.py", SHORT_LION) == {}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "beta2: Annotated[float",
            "beta2: Annotated[str",
            "lion.py:28:5: parameter beta2: update takes the parameters",
        ),
        (
            "beta2: Annotated[float",
            "beta2: Annotated[float | None",
            "so each must be a float, int or bool; or write per_st",
        ),
        ("state=LionState", "state=LionState, per_step=LionState", "an optimizer with per_step needs at_step or at_rate"),
        (
            "state=LionState",
            "state=LionState, at_step=lambda h, n: h, at_rate=lambda h, n, rate: h",
            "an optimizer has at_step or at_rate, not both",
        ),
    ],
)
def test_rules_that_need_a_table(old: str, new: str, says: str) -> None:
    write("lion.py", SHORT_LION.replace(old, new))
    assert says in told()


@pytest.mark.parametrize(
    ("name", "check", "old", "new", "why"),
    [pytest.param(*case, marks=[pytest.mark.compiles] if case[-1] == "cannot be compiled" else []) for case in BREAKS],
)
def test_broken_plugins_fail(name: str, check: str, old: str, new: str, why: str, only: Callable[[str], None]) -> None:
    only(check)
    found = failed(name, TEXTS[name].replace(old, new))
    assert why in found[check]
    assert all("\n" not in reason for reason in found.values())


DIFFERING = {
    "compiled update equals NumPy's": ("lion.py", "return sign(", "return np.exp(s.m) * sign("),
    "compiled gradient equals NumPy's": (
        "styblinski_tang.py",
        "return k.depth * (theta",
        "return np.exp(theta) * k.depth * (theta",
    ),
    "compiled samples equal NumPy's": ("ramp.py", "return k.width * ", "return np.exp(u) * k.width * "),
}


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.parametrize("check", DIFFERING)
def test_engines_that_differ_fail(check: str) -> None:
    """NumPy's exp has other last bits than the compiler's."""
    name, old, new = DIFFERING[check]
    found = failed(name, TEXTS[name].replace(old, new))
    assert "compiled and NumPy differ from step" in found[check]
    assert "use the functions of nonconv.plugin (exp, log, sin, ...), which give the same bits" in found[check]


WRONG: list[tuple[str, str, str]] = [
    ("ADABELIEF", "relative_size=CONSTANT_SIZE", "1025 to 2048; on random gradients they are 5.9 times as long"),
    ("AMSGRAD", "monotone=()", "w never falls in 512 steps, and rises; monotone must name it"),
    ("AMSGRAD", 'monotone=("v", "w")', "monotone names v, but it both rises"),
    ("ADAGRAD", "relative_size=CONSTANT_SIZE", "on random gradients they are 6.09 times as long"),
    ("ADAM", "can_be_undefined=NEVER", "can_be_undefined says no, but on gradients of 0 the direction of step 1 is nan"),
    ("SGD", "bounded_direction=ALWAYS", "bounded_direction says yes, but gradients of 1e+100 give directions"),
    ("ADAM", "bounded_direction=ALWAYS", "bounded_direction says yes, but gradients of 1e+100 give directions"),
    (
        "SGD",
        "stable_below=lambda h: 3.0",
        "stable_below is 3, but at 0.9 times that a tiny theta with the gradient theta does not",
    ),
    (
        "MOMENTUM",
        "stable_below=lambda h: 2.0",
        "stable_below is 2, but at 1.1 times that a tiny theta with the gradient theta shrinks",
    ),
    ("ADAM", "can_be_undefined=lambda h: True", "can_be_undefined says yes, but on 64 gradients of 0 all directions"),
    ("ADAGRAD", "squares=None", 'v holds squares of gradients, and their root divides; state squares=Squares("v")'),
    ("AMSGRAD", "squares=Squares('m')", "squares names m, which does not grow as squares of gradients do"),
    (
        "ADAM",
        "squares=Squares('v', keeps=lambda h: 1.0)",
        "keeps of squares is 1, but a step without gradient leaves 0.999",
    ),
]
"""One of ours under another name, and what is stated wrongly of it."""
UNCORRECTED = {"beta2": 0.9999, "bias_correction": False}
BESIDES = {("stable_below is where a minimum repels", "ADABELIEF")}
"""Checks that fail too: averages as long as these have not settled when it looks."""


@pytest.mark.parametrize(("name", "stated", "why"), WRONG)
def test_wrong_statements_are_measured(name: str, stated: str, why: str) -> None:
    """AdaBelief without bias correction is the one that a verdict was once misled by.

    With the parameters that the file offers alone: tests/test_components.py varies them.
    """
    adam: list[dict[str, float]] = [{}, {"eps": 0}] if "bounded" not in stated else [{"beta1": 0.9, "beta2": 0.5}]
    examples: Any = {"ADABELIEF": [UNCORRECTED], "ADAM": adam}.get(name, [{}])
    text = f"""\
from dataclasses import replace
from nonconv.plugin import ALWAYS, CONSTANT_SIZE, NEVER, Squares
from nonconv.optimizers import OPTIMIZERS
from nonconv.optimizers.sgd import SGD
from nonconv.optimizers.adabelief import ADABELIEF
from nonconv.optimizers.adagrad import ADAGRAD
from nonconv.optimizers.adam import ADAM, AMSGRAD
from nonconv.optimizers.momentum import MOMENTUM
OPTIMIZERS.register(replace({name}, name="wrong", {stated}))
EXAMPLES = {{"wrong": {examples}}}
"""
    (plugin,) = load_files([write("wrong.py", text)]).plugins
    kind, component, _ = plugin.registered[0]
    every = findings(kind, component, plugin.module.EXAMPLES["wrong"], leave_out="compiled", vary=False)
    found = {finding.check: finding.reasons for finding in every}
    wrong = [reasons[0] for check, reasons in found.items() if reasons and (check, name) not in BESIDES]
    assert len(wrong) == 1
    assert why in wrong[0]


OF_LION = ["relative_size=CONSTANT_SIZE", "monotone=()", "can_be_undefined=NEVER"]


@pytest.mark.parametrize("field", OF_LION)
def test_an_optimizer_must_state_what_the_verdict_rests_on(field: str) -> None:
    write("lion.py", LION.replace(f"        {field},\n", ""))
    name = field.partition("=")[0]
    assert f"TypeError: Optimizer.__init__() missing 1 required keyword-only argument: '{name}'" in bad("explain", "lion.py")


def test_every_check_is_broken_by_one() -> None:
    # A plug-in has no quantities.
    offered = [some for kind, some in CHECKS.items() if kind != "quantity"]
    checks = {check for some in [*offered, *OF_CLASS.values()] for check in some}
    both = {"every parameter has a description", "a config can set its parameters"}
    assert {check for _, check, *_ in BREAKS} | {*DIFFERING} == checks | both


@pytest.mark.parametrize(("statement", "error"), [("g.nothing", "AttributeError: "), ("raise SystemExit(3)", "SystemExit: 3")])
def test_a_definition_that_raises_fails_its_checks(statement: str, error: str) -> None:
    found = failed("lion.py", LION.replace("    m = c.decay", f"    {statement}\n    m = c.decay"))
    assert found["update does not change its arguments"].startswith(f"lion.py:51:5: cannot be run: {error}")
    assert found["compiled update equals NumPy's"].startswith(f"lion.py:51:5: cannot be run: {error}")


@pytest.mark.usefixtures("reference")
def test_examples_that_cannot_be_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file says with EXAMPLES which parameters are allowed, where nothing plausible is."""
    monkeypatch.setattr(programs, "STEPS", 60)
    text = LAW.replace('paper="a test",', 'paper="a test", check=lambda h: [Complaint("width", "no")][: h.width != 4.321],')
    text = text.replace("import DATA", "import Complaint, DATA")
    found = failed("ramp.py", text)
    assert list(found) == ["a config can set its parameters"]
    assert "EXAMPLES = {'ramp': [{...}]}" in found["a config can set its parameters"]
    assert failed("ramp.py", text + "\nEXAMPLES = {'ramp': [{'width': 4.321}]}\n") == {}
    refused = failed("ramp.py", text + "\nEXAMPLES = {'ramp': [{'width': 4.321}, {'width': 2}]}\n")
    assert refused == {"a config can set its parameters": "{'width': 2}: no"}


OPTIONS = [f"option{k}" for k in range(1, 13)]
MANY = '''
from typing import Annotated, Literal, NamedTuple

import numpy as np

from nonconv.plugin import ALWAYS, CONSTANT_SIZE, NEVER, OPTIMIZERS, Doc, Interval, Optimizer


class Many(NamedTuple):
    """A rule with many options."""

OPTIONS
    clip: Annotated[CLIP, Doc("what may be wrong")] = DEFAULT


class State(NamedTuple):
    pass


class PerStep(NamedTuple):
    factor: float


def at_step(h, n):
    return PerStep(np.full_like(n, BAD))


def update(c, state, g):
    return c.factor * g / (np.abs(g) + 1.0), state


OPTIMIZERS.register(
    Optimizer(
        name="many", parameters=Many, paper="a test", state=State, per_step=PerStep, start=lambda h: State(),
        at_step=at_step, update=update, relative_size=CONSTANT_SIZE, monotone=(), can_be_undefined=NEVER,
        bounded_direction=ALWAYS,
    )
)
'''


@pytest.mark.parametrize(
    ("clip", "default", "fault"),
    [
        ("float, Interval(ge=0)", "1.0", "1.0 / h.clip if h.clip else np.inf"),
        ("float, Interval(gt=0, lt=1)", "0.5", "1.0 if h.clip < 0.99 else np.inf"),
        ("float, Interval(ge=-2, le=3)", "0.5", "1.0 if h.clip < 3 else np.inf"),
        ("int, Interval(ge=1)", "1", "1.0 if h.clip < 100 else np.inf"),
        ("bool", "False", "np.inf if h.clip else 1.0"),
        ("Literal['a', 'b', 'c', 'd', 'e', 'f']", "'a'", "np.inf if h.clip == 'f' else 1.0"),
        ("bool", "False", "np.inf if h.clip and h.option12 == 0.5 else 1.0"),
        ("bool", "False", "np.inf if h.option1 == 0.0 and h.option12 == 0.0 else 1.0"),
    ],
)
@pytest.mark.parametrize("offered", ["", "\nEXAMPLES = {'many': [{'option1': 0.25}]}\n"], ids=["", "offered"])
def test_a_fault_of_the_last_of_many_parameters_is_found(
    clip: str, default: str, fault: str, offered: str, only: Callable[[str], None]
) -> None:
    """A value that puts inf into at_step: at an end, near one, a large one, a switch, the last choice, two at once."""
    check = "at_step returns one number per step"
    only(check)
    options = "".join(f"    {name}: Annotated[float, Interval(ge=0), Doc('an option')] = 1.0\n" for name in OPTIONS)
    text = MANY.replace("OPTIONS\n", options).replace("CLIP", clip).replace("DEFAULT", default) + offered
    assert failed("many.py", text.replace("BAD", "1.0")) == {}
    assert "at_step: factor is not finite at step 1" in failed("many.py", text.replace("BAD", fault))[check]


def test_a_parameter_without_a_second_value_is_named(only: Callable[[str], None]) -> None:
    only("at_step returns one number per step")
    text = MANY.replace("OPTIONS\n", "    word: Annotated[str, Doc('any text')] = 'a'\n").replace("BAD", "1.0")
    write("many.py", text.replace("CLIP", "bool").replace("DEFAULT", "False"))
    said = good("explain", "many.py", "--test")
    assert "word: no second value is known; EXAMPLES can give some" in said
    assert said.endswith("3 of 3 checks passed. 1 skipped.\n")


@pytest.mark.slow
def test_a_wavy_objective_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the sine and the cosine that give the same bits in both engines. With fewer parameters than without them."""
    monkeypatch.setattr(plausible, "MOST_USUAL", 2)
    wavy = WELL.replace("+ x * theta", "+ x * theta - cos(theta)").replace("+ 2.5) + x", "+ 2.5) + x + sin(theta)")
    wavy = wavy.replace("Objective, OneOf", "Objective, OneOf, cos, sin")
    assert failed("styblinski_tang.py", wavy) == {}


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.parametrize(("name", "sample"), [("tanh", "np.tanh(u)"), ("log", "-np.log(1.0 - u)")])
def test_functions_of_a_library_are_found(name: str, sample: str, only: Callable[[str], None]) -> None:
    """NumPy's tanh is its own everywhere; its log is where it has vectors for it, and the C library's elsewhere."""
    u = np.random.default_rng(1).random(2000)
    if np.array_equal(getattr(np, name)(u), [getattr(math, name)(number) for number in u]):
        pytest.skip(f"np.{name} is the C library's here")
    check = "compiled samples equal NumPy's"
    only(check)
    assert "instead of np.exp, np.log and the like" in failed("ramp.py", LAW.replace("np.sqrt(u)", sample))[check]


# nonconv.plugin


def test_plugin_offers_what_it_says() -> None:
    """No name more, none less: what a plug-in may import does not change by chance."""
    imported = {
        alias.asname or alias.name
        for statement in ast.parse(inspect.getsource(nonconv.plugin)).body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert imported == set(nonconv.plugin.__all__)
    assert len(imported) == len(nonconv.plugin.__all__)
    kinds = {registry.kind for name in imported if isinstance(registry := getattr(nonconv.plugin, name), Registry)}
    assert kinds == {*BUILT_IN} - {"quantity"}  # which are nonconv's own
    told = (EXAMPLES.parent / "plugins.md").read_text(encoding="utf-8")
    assert [name for name in nonconv.plugin.__all__ if not re.search(rf"\b{name}\b", told)] == []


@pytest.mark.parametrize("name", [*TEXTS, *(path.name for path in EXAMPLES.glob("*.py"))])
def test_plugins_import_from_one_place(name: str) -> None:
    text = TEXTS.get(name) or (EXAMPLES / name).read_text(encoding="utf-8")
    assert set(re.findall(r"nonconv[.\w]*(?= import)", text)) == {"nonconv.plugin"}
    assert not re.search(r"^import nonconv", text, re.MULTILINE)


# The worked examples


def test_the_contract_of_each_example_is_tested() -> None:
    """Above, or as a page says: tests/test_docs.py runs the commands of pages."""
    pages = "".join(page.read_text(encoding="utf-8") for page in EXAMPLES.parent.glob("*.md"))
    by_pages = set(re.findall(r"^ *nonconv explain docs/plugins/(\w+\.py) --test", pages, re.MULTILINE))
    texts = {path.name: path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")}
    assert {"lion.py", "signum.py"} <= by_pages
    assert {name for name, text in texts.items() if GOOD.get(name) != text} <= by_pages


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_worked_example(path: Path) -> None:
    folder = finished(path, "out")
    assert verify_folder(folder, 1).text.endswith("bitwise equal")
    assert call("check", path, "-o", "outputs", "-q").exit_code == 0


@pytest.mark.slow
@pytest.mark.compiles
def test_findings_tell_what_passed() -> None:
    catalogue = load_files([write("lion.py", LION)])
    first = contract_of(catalogue.plugins[0], catalogue)[0]
    assert first == Finding("optimizer", "my_lion", "every parameter has a description", ())


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("monotone=()", 'monotone="m"', "monotone: must be a tuple of names of state fields (m), got 'm'"),
        ("monotone=()", 'monotone=("zz",)', "monotone: must be a tuple of names of state fields (m), got ('zz',)"),
        ("relative_size=CONSTANT_SIZE", "relative_size=None", "relative_size: must be a function"),
        ("can_be_undefined=NEVER", "can_be_undefined=False", "can_be_undefined: must be a function"),
        ("relative_size=CONSTANT_SIZE", "relative_size=lambda h, n: 1.0", "relative_size must return an array"),
        ("can_be_undefined=NEVER", "can_be_undefined=lambda h: None", "can_be_undefined must return True or False"),
        ("bounded_direction=ALWAYS", "bounded_direction=True", "bounded_direction: must be a function"),
        ("bounded_direction=ALWAYS", "bounded_direction=lambda h: 1", "bounded_direction must return True or False"),
        ("bounded_direction=ALWAYS", "squares='m'", "squares: must be Squares(FIELD, ...), got 'm'"),
        ("bounded_direction=ALWAYS", "squares=Squares('v')", "squares: must name a state field (m), got 'v'"),
        ("bounded_direction=ALWAYS", "squares=Squares('m', divisor=1.0)", "squares: keeps and divisor must be functions"),
        (
            "bounded_direction=ALWAYS",
            "squares=Squares('m', lambda h: 2.0)",
            "keeps of squares must return a number from 0 to 1",
        ),
    ],
)
def test_statements_of_a_wrong_form_are_refused_before_anything_runs(old: str, new: str, says: str) -> None:
    write("lion.py", LION.replace(old, new).replace("Optimizer, Scaling, select", "Optimizer, Scaling, Squares, select"))
    assert says in bad("validate", config())


@pytest.mark.usefixtures("reference")
def test_what_fails_in_simulation_is_said_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as a failure of the search for whom to blame."""

    def fail(*arguments: Any) -> Any:
        raise ValueError("the real cause")

    monkeypatch.setattr(study, "_measured_blocks", fail)
    write("lion.py", LION)
    with pytest.raises(PluginError, match="ValueError: the real cause"):
        study.run(read_cell(config(), []), Path("out"), 1)
    with pytest.raises(ValueError, match="the real cause"):
        study.run(read_cell(write("plain.yaml", yaml.safe_dump(PLAIN)), []), Path("plain"), 1)
