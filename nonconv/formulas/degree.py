"""The degree of a formula in one of its variables, read off its tree."""

import math

from nonconv.formulas.reading import Call, Node


def degree(tree: Node, name: str) -> float:  # noqa: PLR0911  # one for each kind of node
    """Return the degree of a tree in a variable where it is plainly a polynomial in it, else infinity.

    An upper bound: terms that cancel count.
    """
    if not isinstance(tree, Call):
        return float(tree == name)
    degrees = [degree(one, name) for one in tree.args]
    if not any(degrees):
        return 0.0
    if tree.name in ("+", "-"):
        return max(degrees)
    if tree.name == "*":
        return sum(degrees)
    if tree.name == "/" and degrees[1] == 0.0:
        return degrees[0]
    exponent = tree.args[-1]
    if tree.name == "**" and isinstance(exponent, float) and exponent >= 1.0 and exponent == int(exponent):
        return degrees[0] * exponent
    return math.inf
