"""Formulas: what is read and what is refused, derivatives against finite differences in wider arithmetic, and whole runs."""

import math
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nonconv.experiment.binding import read_cell
from nonconv.faults.errors import ConfigError
from nonconv.formulas import limits as of_limits
from nonconv.formulas import modules, reading
from nonconv.formulas.constants import Constants
from nonconv.formulas.derivative import MOST_CHARACTERS, NoDerivative, derivative
from nonconv.formulas.limits import _Search, bounds, is_summable
from nonconv.formulas.modules import module_of
from nonconv.formulas.reading import FUNCTIONS, Call, Node, read_formula
from nonconv.formulas.writing import write
from nonconv.theory.assumptions import departures
from nonconv.theory.risk import excess_risk, squared_gradient
from nonconv.theory.structure import structure

NAMES = ("theta", "x")


def tree(text: str, *constants: str) -> Node:
    found = read_formula(text, NAMES, constants)
    assert found.mistakes == ()
    return found.tree


def told(text: str) -> list[str]:
    """Each mistake with the characters it is about."""
    return [
        f"{text[m.first : m.first + m.width]}: {m.message}" + (f" -> {m.nearest}" if m.nearest else "")
        for m in read_formula(text, NAMES, ("a", "b_2")).mistakes
    ]


# What is refused

MISTAKES = {
    "thta**2": ["thta: there is no thta here -> theta"],
    "theta^2": ["^: ^ is not understood -> **"],
    "2theta": ["theta: an operator is missing before theta -> 2 * theta"],
    "2 (theta + 1)": ["(: an operator is missing before ( -> 2 * (...)"],
    "theta(1 + x)": ["(: an operator is missing before ( -> theta * (...)"],
    "(theta)(x)": ["(: an operator is missing before ( -> (...) * (...)"],
    "theta x": ["x: an operator is missing before x -> theta * x"],
    "thta^2 + 2x": [
        "thta: there is no thta here -> theta",
        "^: ^ is not understood -> **",
        "x: an operator is missing before x -> 2 * x",
    ],
    "sine(theta)": ["sine: there is no function sine -> sin"],
    "ln(theta)": ["ln: there is no function ln -> log"],
    "sin theta": ["sin: sin is a function; it needs an argument -> sin(theta)"],
    "log(theta, x)": ["log(theta, x): log takes one number, not 2"],
    "min(theta)": ["min(theta): min takes two numbers or more, not 1"],
    "where(theta, 1, 2)": ["theta: the first argument of where is a comparison"],
    "theta < x": ["theta < x: a comparison belongs into where(condition, yes, no)"],
    "(theta": ["(: this parenthesis is not closed"],
    "theta)": ["): no parenthesis is open here"],
    "theta + ()": ["): nothing stands between the parentheses"],
    "theta +": ["+: nothing follows +"],
    "theta * / x": ["/: nothing stands between * and /"],
    "* theta": ["*: nothing stands before *"],
    "1,5 * theta": [",: a comma separates the arguments of a function; the decimal sign is a point"],
    "theta = 1": ["=: a formula is no equation"],
    "007 * theta": ["007: '007' is not a number"],
    "theta × x": ["×: × is not understood -> *"],
    "theta²": ["²: ² is not understood -> **2"],
    "|theta|": ["|: | is not understood -> abs(...)", "|: | is not understood -> abs(...)"],
    "theta / 0": ["0: this divides by 0"],
    "theta / (2 - 2)": ["2 - 2: this divides by 0"],
    "theta + 0**-1": ["0**-1: this divides by 0"],
    "10**10**10": ["10**10**10: this is too large for a float"],
    "theta * 1e999": ["1e999: this number is too large for a float"],
    "exp(1000) * theta": ["exp(1000): this is too large for a float"],
    "log(-1) + theta": ["log(-1): this is not a number"],
    "": [": is empty"],
    "  ": [": is empty"],
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(text: str) -> None:
    assert told(text) == MISTAKES[text]


HOSTILE = [
    "__import__('os').system('true')", "theta.__class__.__mro__", "(lambda: theta)()", "[theta for theta in (1, 2)]",
    "open('/etc/passwd')", "exec('1')", "eval('theta')", "theta if theta else x", "f'{theta}'", "theta := 3", "{}", "theta; x",
    "theta # x", "theta\\\n + x", "*theta", "min(*theta)", "max(theta, key=abs)", "abs(theta=1)", "theta[0]", "theta @ x",
    "theta or x", "not theta", "theta is x", "theta in x", "None", "True", "...", "'theta'", "b'1'", "1j * theta", "0x10",
    "theta\x00", "ｔｈｅｔａ", "theta\u200b", "print(theta)", "getattr(theta, 'x')", "~theta", "theta << 2", "theta // 2",
    "theta % 2", "yield theta", "await theta", "import os", "a.b", "sin.cos(theta)", "_", "__", "__builtins__", "()", "@", "$x",
    "where(theta, *x)", "where(x < 1, 1, 2, 3)", "theta &amp; x", "%s", "{theta}", "`theta`", "9" * 400, "1e400",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_not_listed_is_refused(text: str) -> None:
    assert read_formula(text, NAMES, ("a",)).mistakes


LARGE = [
    "(" * 10_000 + "theta" + ")" * 10_000, "(" * 400 + "theta" + ")" * 400, "-" * 900 + "theta",
    "9**9**9**9", "theta**" * 150 + "2", "/".join(["theta"] * 150), "1" * 999, "theta" * 100_000,
    "sin(" * 150 + "theta" + ")" * 150, "where(theta<1, 1, " * 70 + "2" + ")" * 70,
]  # fmt: skip
LARGE_BUT_WELL = {
    "a power of powers": "(" * 40 + "2*theta" + ")**16" * 40,
    "a product": "*".join(f"(theta-{k})" for k in range(60)),
    "a tower": "theta**" * 40 + "theta",
    "a sum": "+".join(f"theta**{k}" for k in range(1, 100)),
    "functions within functions": "sin(" * 55 + "theta" + ")" * 55,
    "choices": "max(theta," * 40 + "x" + ")" * 40,
    "a huge exponent": "theta**1e300 + theta**-1e300",
    "tiny numbers": "*".join(["1e-300*theta"] * 40),
}


@pytest.mark.parametrize("text", LARGE, ids=lambda text: text[:12])
def test_what_is_too_large_is_refused_at_once(text: str) -> None:
    found = read_formula(text, NAMES, ())
    assert found.mistakes
    assert len(found.mistakes) <= reading.MOST_MISTAKES


@pytest.mark.parametrize("name", LARGE_BUT_WELL)
def test_large_formulas_are_differentiated_or_refused(name: str) -> None:
    """None makes sympy compute a huge number; what it returns is read as a formula, or refused as nested too deeply."""
    try:
        text = derivative(tree(LARGE_BUT_WELL[name]), "theta")
    except NoDerivative:
        return
    assert all("nested" in m.message for m in read_formula(text, NAMES, (), MOST_CHARACTERS).mistakes)


PIECES = [
    "theta", "x", "a", "thta", "pi", "e", "2", "3.5", "1e5", ".5", "0", "(", ")", ",", "+", "-", "*", "/", "**", "^", "<", ">=",
    "==", "and", "or", "not", "if", "lambda", " ", "  ", "\n", "\t", ".", "_", "'", '"', "[", "]", "{", "}", "\\", "#", "é",
    "\x00", "\u2028", "𝜃", "²", "=", ":", ";", "%", "where(", "min(", "compare(", *(f"{name}(" for name in FUNCTIONS),
]  # fmt: skip


def test_any_text_is_read_or_refused() -> None:
    """Twenty thousand texts; each mistake is within its text. What is read is written, and read as the same tree."""
    dice = random.Random(7)
    begun, well = time.process_time(), 0
    for k in range(20_000):
        if k % 2:
            text = "".join(dice.choices(PIECES, k=dice.randint(1, 12)))
        else:
            text = "".join(map(chr, dice.choices([*range(1, 128), 215, 955, 0x1D703], k=dice.randint(1, 20))))
        found = read_formula(text, NAMES, ("a",))
        assert all(m.first >= 0 and m.first + m.width <= len(text) and m.message for m in found.mistakes)
        if not found.mistakes:
            well += 1
            assert read_formula(write(found.tree), NAMES, ("a",)).tree == found.tree, text
    assert well > 150
    assert time.process_time() - begun < 300, "a hang; ten seconds are usual"


# Trees, texts and modules


def random_tree(dice: random.Random, depth: int) -> str:
    """The text of a formula of any functions."""
    if depth == 0 or dice.random() < 0.1:
        return dice.choice(["theta", "x", "a", "2", "0.5", "3", "theta"])
    u, v = (random_tree(dice, depth - 1) for _ in range(2))
    simple = [name for name, numbers in FUNCTIONS.items() if numbers == (1, 1)]
    return dice.choice([
        f"({u} + {v})", f"({u} - {v})", f"{u} * ({v})", f"({u}) / (1 + ({v})**2)", f"({u})**2", f"abs({u})**1.5", f"-({u})",
        f"{dice.choice(simple)}({u})", f"min({u}, {v})", f"max({u}, {v}, 1)", f"where({u} < {v} or {u} > 2, {u}, {v})",
        f"compare({u}, {v}, {v}, {u})", f"2**({u})", f"({u})**a", f"sqrt(1 + ({u})**2)", "mod(theta, 3)", f"({u})**-3",
    ])  # fmt: skip


def functions_of(text: str, *constants: str) -> tuple[Any, Callable[..., Any], Callable[..., Any]]:
    """Constants' class, loss and gradient of a loss, as the objective has them."""
    found = derivative(tree(text, *constants), "theta")
    slope = read_formula(found, NAMES, constants, MOST_CHARACTERS)
    assert slope.mistakes == ()
    module = module_of(constants, {"loss": (NAMES, tree(text, *constants)), "gradient": (NAMES, slope.tree)})
    return module.Constants, module.loss, module.gradient


def test_derivatives_of_any_formula() -> None:
    """Against difference quotients of two steps, where these agree; negative control: the derivative times 1.001."""
    dice, points = random.Random(3), np.random.default_rng(4).uniform(-2.0, 2.0, 40)
    compared = refused = 0
    for _ in range(150):
        text = random_tree(dice, 4)
        try:
            constants, loss, gradient = functions_of(text, "a")
        except NoDerivative:
            refused += 1
            continue
        k = constants(1.5)
        with np.errstate(all="ignore"):
            wide, narrow = (
                np.broadcast_to((loss(k, points + h, 0.7) - loss(k, points - h, 0.7)) / (2.0 * h), points.shape)
                for h in (1e-5, 5e-6)
            )
            slope = np.broadcast_to(gradient(k, points, 0.7), points.shape)
            size = np.maximum(np.abs(narrow), 1e-3 * np.abs(loss(k, points, 0.7))) + 1e-3
            sure = np.abs(wide - narrow) < 1e-6 * size
            assert np.all(np.abs(slope - narrow)[sure] < 1e-4 * size[sure]), text
        steep = sure & (np.abs(narrow) > 0.1 * size)
        assert not np.any(np.abs(1.001 * slope - narrow)[steep] < 1e-5 * size[steep])
        compared += int(steep.sum())
    assert compared > 1000
    assert refused < 25


DERIVATIVES = {
    "(theta - x)**2 / 2 + cos(3*theta)": "theta - x - 3*sin(3*theta)",
    "a*(theta - x)**2": "2*a*(theta - x)",
    "3*(theta - x)**2": "6*(theta - x)",
    "theta**a": "a*theta**(a - 1)",
    "a**theta": "a**theta*log(a)",
    "theta**2.5": "2.5*theta**1.5",
    "abs(theta - x)": "sign(theta - x)",
    "max(0, 1 - x*theta)": "compare(0, 1 - theta*x, -x, 0)",
    "log(1 + exp(-x*theta))": "-x*sigmoid(-theta*x)",
    "log1p(exp(theta))": "sigmoid(theta)",
    "log(cosh(theta))": "tanh(theta)",
    "tanh(theta)": "1/cosh(theta)**2",
    "where(abs(theta) < 1 and x > 0, theta**2, abs(theta))": "where((abs(theta) < 1) and (x > 0), 2*theta, sign(theta))",
    "floor(theta) + heaviside(theta)": "0",
    "(3*theta)**1000": "3000*(3*theta)**999",
}


@pytest.mark.parametrize("text", DERIVATIVES)
def test_derivatives_as_they_are_written(text: str) -> None:
    assert derivative(tree(text, "a"), "theta") == DERIVATIVES[text]


@pytest.mark.processes
def test_a_derivative_does_not_depend_on_the_order_of_sets() -> None:
    code = (
        "from nonconv.formulas.reading import read_formula\nfrom nonconv.formulas.derivative import derivative\n"
        "print(derivative(read_formula('sin(a*theta + x)**3*exp(-b*theta**2)/(c + theta*x) + theta*a*b*c*x', "
        "('theta', 'x'), ('a', 'b', 'c')).tree, 'theta'))"
    )
    said = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
                       capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1
    assert "theta" in said.pop()


def test_kinks() -> None:
    """The mean of both sides: 0 for abs, 1/2 for max(0, theta); and NaN stays NaN."""
    at = np.array([-1.0, 0.0, 1.0, math.nan])
    for text, expected in (("abs(theta)", [-1, 0, 1]), ("max(0, theta)", [0, 0.5, 1]), ("min(0, 2*theta)", [2, 1, 0])):
        constants, _, gradient = functions_of(text)
        assert np.array_equal(gradient(constants(0.0), at, 0.0), [*expected, math.nan], equal_nan=True)


def test_slopes_do_not_overflow_where_losses_do() -> None:
    at = np.array([-1000.0, 0.0, 1000.0])
    for text, expected in (("log(1 + exp(theta))", [0, 0.5, 1]), ("log(cosh(theta))", [-1, 0, 1]), ("tanh(theta)", [0, 1, 0])):
        constants, _, gradient = functions_of(text)
        with np.errstate(over="ignore"):
            assert gradient(constants(0.0), at, 0.0).tolist() == expected


def test_equal_parts_are_computed_once() -> None:
    text = modules.module_text((), {"f": (NAMES, tree("sin(theta*x)**2 + cos(theta*x)*sin(theta*x)"))})
    assert text.count("theta * x") == text.count("sin(v0)") == 1
    assert modules.module_of((), {"f": (NAMES, tree("theta"))}) is modules.module_of((), {"f": (NAMES, tree("theta"))})


def test_constants_can_be_hashed() -> None:
    assert hash(Constants(a=1.0, b=(1.0, 2.0))) == hash(Constants(b=(1.0, 2.0), a=1.0))
    assert Call("-", ("theta",)) == Call("-", ("theta",))


# Limits


def limits(text: str, **constants: float) -> tuple[float, float] | None:
    found = read_formula(text, ("n",), tuple(constants))
    assert found.mistakes == ()
    return bounds(found.tree, tuple(sorted(constants.items())))


INF = math.inf
LIMITS: dict[str, Any] = {
    "0.1 / sqrt(n + 10)": (0, 0), "0.1*(1 + 1/n)": (0.1, 0.1), "0.1*exp(-n)": (0, 0), "0.1*log(n)/n": (0, 0),
    "0.1*n/(n + 1000)": (0.1, 0.1), "(1 + 1/n)**n": (math.e, math.e), "sqrt(n + 1) - sqrt(n)": (0, 0), "n*sin(1/n)": (1, 1),
    "0.1*0.5**(n/1000)": (0, 0), "0.1*0.5**floor(n/1000)": (0, 0), "tanh(n/1000) + atan(n)": (1 + math.pi / 2,) * 2,
    "max(0.001, 0.1/n)": (0.001, 0.001), "min(0.1, n*1e-4)": (0.1, 0.1), "where(n < 100, 0.1, 0.01)": (0.01, 0.01),
    "where(n > 50 and n > 100 or n < 2, 0.1, 0.01)": (0.1, 0.1), "compare(n, 10, 1, 2)": (2, 2), "sqrt(n)": (INF, INF),
    "ceil(log(n))": (INF, INF), "exp(-sqrt(log(n + 1)))": (0, 0), "0.9**n*n**3": (0, 0), "heaviside(n - 5)*erf(n)": (1, 1),
    # Oscillations: their bounds, and the exact ones of a cycle.
    "0.1 + 0.05*sin(n)": (0.05, 0.15), "1/(2 + sin(n))": (1 / 3, 1), "sin(n)/n": (0, 0), "exp(sin(n))": (1 / math.e, math.e),
    "2 + sin(sqrt(n))*cos(n)": (1, 3), "cos(2*pi*n/3)": (-0.5, 1), "abs(cos(pi*n/3))": (0.5, 1), "1 + mod(n, 4)": (1, 4),
    "where(mod(n, 100) < 50, 0.1, 0.05)": (0.05, 0.1), "mod(2*n + 1, 4)": (1, 3), "sin(100000*n)": (-1, 1), "mod(n, 0)": None,
    # Unknown.
    "sqrt(n**2 + sin(n)) - n": None, "log(n)**10/n**0.1": None, "mod(n, n)": None, "log(0.5 - sin(n))": None,
    "sin(n)**0.5": None, "sin((where(sin(n) < 0 or n < 2, cos(n), n))**2)": (-1, 1),
}  # fmt: skip


@pytest.mark.parametrize("text", LIMITS)
def test_limits(text: str) -> None:
    expected = LIMITS[text]
    assert limits(text) == (None if expected is None else pytest.approx(expected, rel=1e-12, abs=1e-15))


def test_bounds_hold() -> None:
    """Of any formulas: values at large n are within the bounds, or nearer to them than before."""
    dice, known = random.Random(11), 0
    for _ in range(100):
        text = random_tree(dice, 3).replace("theta", "n").replace("x", "(1 + sin(n))").replace("ma(1 + sin(n))", "max")
        text = text.replace("e(1 + sin(n))p", "exp")
        formula = read_formula(text, ("n",), ("a",))
        if formula.mistakes:
            continue
        found = bounds(formula.tree, (("a", 1.5),))
        if found is None or math.isinf(found.low) or math.isinf(found.high):
            continue
        search = _Search({"a": 1.5})
        gaps = []
        for n in (100, 10_000, 1_000_000):
            values = [search.value(formula.tree, float(n + k)) for k in range(30)]
            gaps.append(max([0.0, *(max(found.low - v, v - found.high) for v in values if not math.isnan(v))]))
        assert gaps[2] <= max(1e-6 * (1.0 + abs(found.high)), 0.999 * gaps[0]), text
        known += 1
    assert known > 25


def test_sums() -> None:
    for text, expected in {
        "1/n": False, "1/n**1.5": True, "a/(n*log(n + 1))": False, "exp(-n/1000)": True, "1/sqrt(n)": False,
        "where(n > 1000, 0, 1)": True, "0.5**(n/1000)": True,
    }.items():  # fmt: skip
        constants = {"a": 3.0} if "a/" in text else {}
        found = read_formula(text, ("n",), tuple(constants))
        assert is_summable(found.tree, tuple(constants.items())) is expected, text


def test_limits_ask_sympy_once_for_all_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Node] = []
    ask = of_limits._ask
    monkeypatch.setattr(of_limits, "_ask", lambda search, node: asked.append(node) or ask(search, node))  # type: ignore[func-returns-value]
    assert [limits("a*b*n/(n + 77)", a=a, b=2.0) for a in (1.0, 2.0, 3.0)] == [(2, 2), (4, 4), (6, 6)]
    assert len(asked) == 1
    asked.clear()
    assert limits("0.1/sqrt(n + 78)") == (0, 0)
    assert asked == [], "the bounds of the parts say it"


def test_sympy_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many calls; control: with more it knows. What profiled before goes on."""
    text = "log(log(n + 31))/log(n + 21)"
    assert limits(text) == (0, 0)
    monkeypatch.setattr(of_limits, "MOST_CALLS", 1000)
    of_limits._bounds_of.cache_clear()
    of_limits.bounds.cache_clear()

    def profile(frame: Any, event: str, argument: Any) -> None:
        """Do nothing."""

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        assert limits(text) is None
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(before)
    of_limits.bounds.cache_clear()
    of_limits._bounds_of.cache_clear()


def test_a_generator_that_is_closed_is_no_place_to_stop() -> None:
    """What is raised there is lost: the next call is stopped instead."""
    search = of_limits._Search({})
    search.calls_left = 0
    begun = (k for k in range(3))
    next(begun)
    with pytest.raises(of_limits._TooManyCalls), of_limits._few_calls(search):  # noqa: PT012  # a call of a function counts
        del begun
        search.bounds(1.0)


# Runs

CONFIG = """\
seed: 5
paths: 64
steps: 300
objective: {OBJECTIVE}
optimizer: {name: adam, eps: 1.0}
learning_rate: 0.05
xi: start
"""
QUADRATIC = "{name: quadratic, scale: 0.5, data: {name: uniform, low: -1, high: 3}, dim: 2}"
AS_FORMULA = "{name: formula, loss: s*(theta - x)**2, constants: {s: 0.5}, data: {name: uniform, low: -1, high: 3}, dim: 2}"


def written(folder: Path, objective: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "c.yaml"
    path.write_text(CONFIG.replace("{OBJECTIVE}", objective), encoding="utf-8")
    return path


def test_identity_holds_the_gradient(tmp_path: Path) -> None:
    """Given as sympy finds it, it makes the same experiment; another form of it makes another one."""
    cell = read_cell(written(tmp_path, AS_FORMULA), [])
    assert cell.resolved["objective"]["gradient"] == "2*s*(theta - x)"
    assert read_cell(written(tmp_path, AS_FORMULA), ["objective.gradient=2*s*(theta - x)"]).identity == cell.identity
    assert read_cell(written(tmp_path, AS_FORMULA), ["objective.gradient=2*s*theta - 2*s*x"]).identity != cell.identity
    other = read_cell(written(tmp_path, AS_FORMULA), ["objective.constants.s=2"])
    assert other.program.objective.component is cell.program.objective.component, "one kernel for all constants"
    assert other.identity != cell.identity


def test_a_given_gradient_is_compared_where_it_is_finite(tmp_path: Path) -> None:
    """At a pole of the datum there is nothing to compare."""
    pole = "{name: formula, loss: theta**2/(x - 0.25), gradient: 2*theta/(x - 0.25), data: uniform}"
    assert read_cell(written(tmp_path, pole), []).resolved["objective"]["gradient"] == "2*theta/(x - 0.25)"


def test_minima_of_formulas(tmp_path: Path) -> None:
    """Found from the law; of a loss with poles everywhere none is known, which does not take long."""
    for loss, minima in {
        "(theta**2 - 1)**2/4 + x*theta": [-1, 1],
        "exp(theta) - theta*(2 + x)": [math.log(2)],
        "abs(theta - x)": [0],
        "x*theta": [],
        "tan(theta*x)": [],
    }.items():
        objective = f'{{name: formula, loss: "{loss}", data: {{name: uniform, low: -1, high: 1}}}}'
        cell = read_cell(written(tmp_path, objective), [])
        assert [one.low for one in (cell.minima or ((),))[0]] == pytest.approx(minima, abs=1e-9)


def test_a_gradient_without_x_has_quantities(tmp_path: Path) -> None:
    """The datum only shifts this loss: E F is known, and the gradient is the same for every datum."""
    path = written(tmp_path, "{name: formula, loss: theta**2/2 + theta**4 - x, data: {name: uniform, low: -1, high: 1}}")
    cell = read_cell(path, ["quantities=[excess_risk, gradient_norm]", "start=1", "optimizer=sgd", "xi=minimizer"])
    theta = np.array([0.5, -0.25]).reshape(1, 1, 2)
    assert excess_risk(cell, theta)[0] == pytest.approx([0.125 + 0.0625, 0.03125 + 0.00390625], rel=1e-9)
    assert squared_gradient(cell, theta)[0] == pytest.approx([1.0, (0.25 + 4 / 64) ** 2], rel=1e-12)


@pytest.mark.processes
def test_sympy_is_imported_only_for_a_formula_without_gradient(tmp_path: Path) -> None:
    code = "import sys, pathlib; from nonconv.experiment.binding import read_cell; read_cell(pathlib.Path(sys.argv[1]), [])"
    given = AS_FORMULA.replace("dim: 2", "dim: 2, gradient: 2*s*(theta - x)")
    for objective, expected in ((QUADRATIC, False), (given, False), (AS_FORMULA, True)):
        done = subprocess.run(
            [sys.executable, "-c", f"{code}; print('sympy' in sys.modules)", str(written(tmp_path, objective))],
            capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert done.stdout == f"{expected}\n"


RATES = CONFIG.replace("{OBJECTIVE}", QUADRATIC).replace("learning_rate: 0.05", "learning_rate: {RATE}")


def cell_with_rate(folder: Path, value: str, *settings: str, more: str = "") -> Any:
    path = folder / "rate.yaml"
    path.write_text(RATES.replace("{RATE}", f'{{name: formula, value: "{value}"{more}}}'), encoding="utf-8")
    return read_cell(path, settings)


def test_rates_are_those_of_schedules(tmp_path: Path) -> None:
    """Power and cyclic once more as formulas: values to an ulp or two, limits, period and what is summable."""
    n = np.arange(1.0, 301.0)
    for value, known in {
        "0.2*(n + 3)**-0.75": "{name: power, value: 0.2, exponent: 0.75, shift: 3}",
        "0.1 + 0.2*(1 - abs(2*mod(n - 1, 8)/8 - 1))": "{name: cyclic, low: 0.1, high: 0.3, period: 8}",
        "where(n <= 10, 0.1, where(n <= 20, 0.05, 0.025))": "{name: piecewise, values: [0.1, 0.05, 0.025], until: [10, 20]}",
        "0.5*0.9**((n - 1)/10)": "{name: exponential, value: 0.5, factor: 0.9, steps: 10}",
    }.items():
        ours = cell_with_rate(tmp_path, value)
        theirs = cell_with_rate(tmp_path, value, f"learning_rate={known}")
        assert ours.program.learning_rate(n) == pytest.approx(theirs.program.learning_rate(n), rel=1e-14)
        assert ours.learning_rate.limits == pytest.approx(theirs.learning_rate.limits, rel=1e-14)
        assert (ours.learning_rate.summable, ours.period) == (theirs.learning_rate.summable, theirs.period)


def test_a_rate_that_is_not_known_in_the_limit(tmp_path: Path) -> None:
    """Nothing is then said of n -> infinity; negative control: stated, the same rate has limits."""
    odd = "0.1 + 0.01*(sqrt(n**2 + sin(n)) - n)"
    cell = cell_with_rate(tmp_path, odd)
    known = structure(cell)
    assert known.irregular == known.void == "the limit of the learning rate is not known"
    assert (known.reasons, known.forbids, cell.period) == ((), (), 1)
    assert departures(cell)[-1] == "the limit of the learning rate is not known"
    stated = cell_with_rate(tmp_path, odd, more=", limits: [0.1]")
    assert tuple(stated.learning_rate.limits) == (0.1, 0.1)
    assert structure(stated).irregular == ""
    with pytest.raises(ConfigError, match=r"learning_rate\.limits: 0\.3 is stated, but the limit is 0\.1\n"):
        cell_with_rate(tmp_path, "0.1*n/(n + 1)", more=", limits: [0.3]")


def test_a_rate_that_grows_without_bound(tmp_path: Path) -> None:
    """It has a limit, to which no schedule is near; no minimum is stable under it."""
    cell = cell_with_rate(tmp_path, "sqrt(n)")
    assert tuple(cell.learning_rate.limits) == (math.inf, math.inf)
    assert (structure(cell).irregular, structure(cell).reasons, structure(cell).contracting) == ("", (), False)


LINEAR_MODEL = "{name: linear_model, data: {name: teacher, inputs: 2, hidden: [], noise: 0.1}}"


@pytest.mark.parametrize("rate", ["n", "0.1 + 0*mod(n, n)", "0.1 - n/3000", "0.1*abs(sin(n))"])
@pytest.mark.parametrize("batch", ["1 + 0*mod(n, n)", "n", "301 - n", "ceil(2*abs(sin(n)))"])
def test_whatever_is_known_of_limits_is_told(rate: str, batch: str, tmp_path: Path) -> None:
    """Of unknown and infinite limits of both schedules, on objectives of which theory knows most."""
    for objective in (QUADRATIC, LINEAR_MODEL, "{name: quadratic, scale: 0.5, data: {name: uniform, low: 0, high: 1e-300}}"):
        settings = [f'batch_size={{name: formula, value: "{batch}"}}', f"objective={objective}", "optimizer=sgd", "xi=start"]
        cell = cell_with_rate(tmp_path, rate, *settings)
        known = structure(cell)
        unknown = {"mod", " - "} & {part for part in ("mod", " - ") for text in (rate, batch) if part in text}
        assert ("not known" in known.irregular) == bool(unknown) or rate == "n" or batch == "n"
        assert departures(cell)
        assert not [reason for reason in known.reasons if reason.kind == "rate"]


def test_a_period_is_seen_where_limits_are_not_known(tmp_path: Path) -> None:
    assert cell_with_rate(tmp_path, "0.1 + 0.01*mod(n, 7) + 0*mod(n, n)").period == 7


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("learning_rate", "0.1*cos(n/100)", "is -0.000920354 at step 158"),
        ("learning_rate", "1/(n - 200)**2", "is inf at step 200"),
        ("learning_rate", "sqrt(250 - n)", "is nan at step 251"),
        ("learning_rate", "1/(a - a)", "is inf at step 1"),
        ("batch_size", "sqrt(n)", "is 1.41421 at step 2"),
        ("batch_size", "300 - n", "is 0 at step 300"),
        ("batch_size", "2**n", "is 2.14748e+09 at step 31"),
    ],
)
def test_values_that_a_kind_does_not_take(kind: str, value: str, says: str, tmp_path: Path) -> None:
    constants = ", constants: {a: 3}" if "a - a" in value else ""
    with pytest.raises(ConfigError, match=rf"{kind}\.value: {re.escape(says)}\n"):
        cell_with_rate(tmp_path, "0.1", f'{kind}={{name: formula, value: "{value}"{constants}}}')


def test_drifts_are_those_of_schedules(tmp_path: Path) -> None:
    """A drift may be negative, and must be finite."""
    ours = cell_with_rate(tmp_path, "0.1", "objective.data.drift={name: formula, value: sin(2*pi*n/10)/2}")
    theirs = cell_with_rate(tmp_path, "0.1", "objective.data.drift={name: sine, amplitude: 0.5, period: 10}")
    n = np.arange(1.0, 301.0)
    assert ours.program.supply.drift(n) == pytest.approx(theirs.program.supply.drift(n), abs=1e-13)
    assert ours.drift == pytest.approx(theirs.drift, abs=0.05)
    with pytest.raises(ConfigError, match=r"objective\.data\.drift\.value: is inf at step 5\n"):
        cell_with_rate(tmp_path, "0.1", "objective.data.drift={name: formula, value: 1/(n - 5)}")


def test_batches_are_those_of_schedules(tmp_path: Path) -> None:
    ours = cell_with_rate(tmp_path, "0.1", 'batch_size={name: formula, value: "min(ceil(n/7), 20)"}')
    n = np.arange(1.0, 301.0)
    assert np.array_equal(ours.program.batch_size(n), np.minimum(np.ceil(n / 7), 20))
    assert tuple(ours.batch_size.limits) == (20, 20)
