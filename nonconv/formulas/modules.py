"""Modules of plain definitions made of formulas: the text of each, and the module under a name made of the text's digest.

A kernel imports such a module by its name, as it does any other, and its text is part of the kernel's name on disk. The same
formula makes the same module in every process. What a formula has twice is computed once.
"""

import hashlib
import linecache
import sys
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from threading import RLock
from types import ModuleType

from nonconv.formulas.reading import Call, Node
from nonconv.numerics import elementary

NUMPY = {"sqrt": "np.sqrt", "abs": "np.abs", "floor": "np.floor", "ceil": "np.ceil"}
"""Functions that NumPy and a kernel compute to the same bits; all others are of numerics.elementary."""
OF_STEPS = NUMPY | {"sin": "np.sin", "cos": "np.cos", "tan": "np.tan"}
"""What is NumPy's in functions that no kernel calls: those of `elementary` have no value beyond 2**48."""
JOINED = {"and": " & ", "or": " | "}
LARGEST_PRODUCT = 16
"""Whole exponents up to this one are products."""
IN_A_LINE = 100
TEMPLATE = '''\
"""Made by nonconv from formulas. Any change is lost."""

from typing import NamedTuple

import numpy as np

from nonconv.numerics.arithmetic import Lanes, select
{imports}

class Constants(NamedTuple):
    """The constants of the formulas, of one coordinate."""

{fields}
'''
_making = RLock()
"""Two threads that need one module must not make it twice: kernels find one by its name."""


def module_of(
    constants: Sequence[str], functions: Mapping[str, tuple[tuple[str, ...], Node]], numpy: Mapping[str, str] = NUMPY
) -> ModuleType:
    """Return the module with a NamedTuple Constants and functions: their arguments after the constants, what they return."""
    return _made(module_text(constants, functions, numpy))


JOINT = '''

def loss(k: Constants, n: int, theta: Array, x: Array, y: Array, out: Array, work: Array) -> None:
    """Write the losses of n examples y to out[0], and 0 to out[1]."""
    lanes = theta.shape[1]
    for s in range(n // lanes):
        first = s * lanes
        for i in each(lanes):
            out[0, first + i] = loss_of({arguments})
            out[1, first + i] = 0.0


def add_gradient(k: Constants, n: int, theta: Array, x: Array, y: Array, gradient: Array, work: Array) -> None:
    """Add the gradients, summed over the examples of each path, to gradient."""
    lanes = theta.shape[1]
    for s in range(n // lanes):
        first = s * lanes
        for i in each(lanes):
{sums}


def penalty(k: Constants, theta: Lanes) -> Lanes:
    """Return 0: there is no penalty."""
    return 0.0
'''
"""The functions of a Coupled objective, by those of one example."""


def joint_module(
    constants: Sequence[str], theta: Sequence[str], x: Sequence[str], loss: Node, gradient: Sequence[Node]
) -> ModuleType:
    """Return the module of an objective that couples coordinates: Constants, loss, add_gradient and penalty.

    theta, x: the names of the coordinates, and of the numbers of a datum.
    """
    names = (*theta, *x)
    trees = {"loss_of": loss, **{f"slope{j}": tree for j, tree in enumerate(gradient)}}
    text = module_text(constants, {name: (names, tree) for name, tree in trees.items()})
    text = text.replace("import Lanes, select", "import Array, Lanes, each, select", 1)
    places = [*(f"theta[{j}, i]" for j in range(len(theta))), *(f"y[{j}, first + i]" for j in range(len(x)))]
    arguments = ", ".join(["k", *places])
    sums = "\n".join(f"            gradient[{j}, i] += slope{j}({arguments})" for j in range(len(theta)))
    return _made(text + JOINT.format(arguments=arguments, sums=sums))


def field(name: str) -> str:
    """Return the field of a constant. A name of its own: NamedTuples have methods, and kernels look at names."""
    return f"c_{name}"


def module_text(
    constants: Sequence[str], functions: Mapping[str, tuple[tuple[str, ...], Node]], numpy: Mapping[str, str] = NUMPY
) -> str:
    """Return the text of a module. numpy: functions that are NumPy's."""
    bodies = {name: _Body(constants, numpy) for name in functions}
    written = [bodies[name].function(name, arguments, tree) for name, (arguments, tree) in functions.items()]
    used = sorted(set().union(*(body.used for body in bodies.values())))
    imports = f"from nonconv.numerics.elementary import {', '.join(used)}\n" if used else ""
    # A NamedTuple without fields is no argument of a kernel.
    fields = "\n".join(f"    {field(name)}: Lanes" for name in constants) or "    none: Lanes"
    return "\n\n".join([TEMPLATE.format(imports=imports, fields=fields).rstrip() + "\n", *written])


@cache
def _made(text: str) -> ModuleType:
    """Make the module of a text, once in a process."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    name, file = f"nonconv.formulas.made_{digest}", f"<formula {digest}>"
    with _making:
        if name in sys.modules:
            return sys.modules[name]
        # Without a time stamp linecache holds on to it: tracebacks and the names of kernels read it.
        linecache.cache[file] = (len(text), None, [f"{line}\n" for line in text.split("\n")], file)
        module = ModuleType(name)
        module.__file__ = file
        exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)
        sys.modules[name] = module
    return module


class _Body:
    """The lines of one function: each part of a tree that is met more than once has a line of its own.

    used: the names that it needs of numerics.elementary.
    """

    def __init__(self, constants: Sequence[str], numpy: Mapping[str, str]) -> None:
        self.constants, self.numpy = frozenset(constants), numpy
        self.used: set[str] = set()
        self.lines: list[str] = []
        self.names: dict[Node, str] = {}
        self.met: dict[Node, int] = {}

    def function(self, name: str, arguments: tuple[str, ...], tree: Node) -> str:
        """Return the text of a function."""
        lowered = _Lowered().node(tree)
        self._count(lowered)
        result = self._text(lowered)
        signature = ", ".join(f"{one}: Lanes" for one in arguments)
        head = f"def {name}(k: Constants, {signature}) -> Lanes:"
        return "\n".join([head, *(f"    {line}" for line in self.lines), f"    return {_bare(result)}"]) + "\n"

    def _count(self, node: Node) -> None:
        """Count how often each call is met."""
        if isinstance(node, Call):
            self.met[node] = self.met.get(node, 0) + 1
            if self.met[node] == 1:
                for one in node.args:
                    self._count(one)

    def _text(self, node: Node) -> str:
        """Return the text of a node, a line of its own made where it is met again or long."""
        if isinstance(node, float):
            return repr(node) if node >= 0.0 else f"({node!r})"
        if isinstance(node, str):
            return f"k.{field(node)}" if node in self.constants else node
        if node not in self.names:
            text = self._call(node)
            if self.met[node] == 1 and len(text) < IN_A_LINE:
                return text
            self.names[node] = f"v{len(self.lines)}"
            self.lines.append(f"{self.names[node]} = {_bare(text)}")
        return self.names[node]

    def _call(self, node: Call) -> str:  # noqa: PLR0911  # one for each kind of node
        """Return the text of a call, in parentheses where it is an operator."""
        args = list(map(self._text, node.args))
        match node.name:
            case "+":
                return f"({args[0]}{''.join(map(_signed, args[1:]))})"
            case "*" | "/" | "<" | "<=" | ">" | ">=" | "==" | "!=" as sign:
                return f"({f' {sign} '.join(args)})"
            case "-":
                return f"(-{args[0]})"
            case "and" | "or":
                return f"({JOINED[node.name].join(args)})"
            case "where":
                return f"select({', '.join(args)})"
            case "min" | "max":
                return reduce(lambda found, one: f"np.{node.name}imum({found}, {one})", args)
        name = "power" if node.name == "**" else node.name
        if name in self.numpy:
            return f"{self.numpy[name]}({_bare(args[0])})"
        assert hasattr(elementary, name)
        self.used.add(name)
        return f"{name}({', '.join(map(_bare, args))})"


def _bare(text: str) -> str:
    """Return a text without the parentheses around all of it."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:-1] if at == len(text) - 1 and text[0] == "(" else text
    return text


def _signed(term: str) -> str:
    """Return a term after the first with its sign."""
    return f" - {term[2:-1]}" if term.startswith("(-") and _bare(term) != term else f" + {term}"


class _Lowered:
    """Replace powers with known exponents by products and roots; equal parts stay one part."""

    def __init__(self) -> None:
        self.known: dict[Node, Node] = {}

    def node(self, node: Node) -> Node:
        """Return a tree with its powers replaced."""
        if not isinstance(node, Call):
            return node
        if node not in self.known:
            args = tuple(map(self.node, node.args))
            exponent = args[1] if node.name == "**" else None
            self.known[node] = _power(args[0], exponent) if isinstance(exponent, float) else Call(node.name, args)
        return self.known[node]


def _power(base: Node, exponent: float) -> Node:
    """Return a power with a known exponent."""
    size = abs(exponent)
    if size == 0.5:
        found: Node = Call("sqrt", (base,))
    elif size == 1.5:
        found = Call("*", (base, Call("sqrt", (base,))))
    elif size == int(size) and 1 <= size <= LARGEST_PRODUCT:
        found = _product(base, int(size))
    else:
        return Call("**", (base, exponent)) if size else 1.0
    return found if exponent > 0 else Call("/", (1.0, found))


def _product(base: Node, exponent: int) -> Node:
    """Return a power with a whole exponent as products of squares."""
    if exponent == 1:
        return base
    half = _product(base, exponent // 2)
    square = Call("*", (half, half))
    return square if exponent % 2 == 0 else Call("*", (square, base))
