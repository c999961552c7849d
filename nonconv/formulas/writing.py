"""Write a tree as the text of a formula, which `reading` reads as the same tree."""

from functools import lru_cache

from nonconv.formulas.reading import Call, Node

SUM, SIGN, PRODUCT, POWER, WHOLE = 0, 1, 2, 3, 4
"""How tightly texts hold together: a sum least, a number, a name or a call most."""


def write(node: Node) -> str:
    """Return a tree as text."""
    return _written(node)[0]


def number(value: float) -> str:
    """Write a number as short as it can be read back."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


@lru_cache(maxsize=4096)
def _written(node: Node) -> tuple[str, int]:  # noqa: PLR0911  # one for each kind of node
    """Return the text of a tree, and how tightly it holds together."""
    if isinstance(node, float):
        return number(node), WHOLE if node >= 0.0 else SIGN
    if isinstance(node, str):
        return node, WHOLE
    args = node.args
    match node.name:
        case "+":
            return "".join([_within(args[0], SIGN), *map(_term, args[1:])]), SUM
        case "-":
            return f"-{_within(args[0], POWER)}", SIGN
        case "*":
            # The first factor may be a quotient or have a sign: a / b * c is (a / b) * c. A product in a product stays apart.
            first = _within(args[0], POWER if isinstance(args[0], Call) and args[0].name == "*" else SIGN)
            return "*".join([first, *(_within(one, POWER) for one in args[1:])]), PRODUCT
        case "/":
            return f"{_within(args[0], SIGN)}/{_within(args[1], POWER)}", PRODUCT
        case "**":
            # To the right of ** a sign may stand without parentheses, and another power.
            return f"{_within(args[0], WHOLE)}**{_within(args[1], POWER)}", POWER
        case "<" | "<=" | ">" | ">=" | "==" | "!=":
            return f"{write(args[0])} {node.name} {write(args[1])}", WHOLE
        case "and" | "or":
            return f" {node.name} ".join(f"({write(one)})" for one in args), WHOLE
    return f"{node.name}({', '.join(map(write, args))})", WHOLE


def _within(node: Node, least: int) -> str:
    """Return the text of an operand, in parentheses unless it holds together as tightly as this."""
    text, tight = _written(node)
    return text if tight >= least else f"({text})"


def _term(node: Node) -> str:
    """Return a term after the first with its sign."""
    if isinstance(node, float) and node < 0.0:
        return f" - {number(-node)}"
    if isinstance(node, Call) and node.name == "-":
        return f" - {_within(node.args[0], PRODUCT)}"
    return f" + {_within(node, PRODUCT)}"
