"""Writes docs/components.md from the components themselves: python docs/components.py > docs/components.md."""

import inspect
import json
import textwrap
from itertools import groupby

from nonconv.components.definitions import Component
from nonconv.components.parameters import Parameter, Part, parameters_of
from nonconv.components.registry import Registry
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.expect import Bounds, Error, Expect, Floor, IterateBounds, OfQuantity, Outcomes, Within
from nonconv.config.figures import Figures
from nonconv.config.spec import Experiment, PluginFile, Record, common_parameters

COLUMNS = 100
INTRODUCTION = """\
# Reference of the config

Written by `make docs` from the definitions.
`nonconv list` and `nonconv explain NAME` show the same.
A component may be written as its bare name (`optimizer: sgd`),
a learning rate or batch size as a number (`learning_rate: 0.1`).
"""


PARTS: dict[str, type[Part]] = {
    "An entry of plugins": PluginFile,
    "record": Record,
    "expect": Expect,
    "expect.floor": Floor,
    "expect.floor.twin, expect.slope.twin and the like": IterateBounds,
    "expect.rate": Bounds,
    "An entry of expect.mse": Error,
    "An entry of expect.quantity": OfQuantity,
    "An entry of expect.within": Within,
    "expect.outcomes": Outcomes,
    "figures": Figures,
}


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "## The config\n", table(parameters_of(Experiment))]
    for title, part in PARTS.items():
        parts += [f"### {title}\n", table(parameters_of(part))]
    for kind, registry in BUILT_IN.items():
        parts += section(kind, registry)
    return "\n".join(parts)


ABOUT = {
    "data": "What objectives draw X from; of the objectives `mlp` and `linear_model` see datasets.\n",
    "dataset": "What the objectives `mlp` and `linear_model` learn from, as their `data`.\n",
    "start": """\
A start may also be a number, a list of dim numbers,
or any data distribution except csv and sequence, drawn for each path.
""",
}


def section(kind: str, registry: Registry) -> list[str]:
    """One kind of component."""
    common = common_parameters(kind)
    about = ["Every one of them also takes:\n", table(common)] if common else []
    if kind in ABOUT:
        about = [ABOUT[kind], *about]
    return [f"## {registry.title} (`{kind}`)\n", *about, *(entry(component) for component in BUILT_IN.listed(kind).values())]


def entry(component: Component) -> str:
    """One component: its docstring as text, its parameters as a table."""
    text = folded(inspect.cleandoc(component.parameters.__doc__ or ""))
    parameters = parameters_of(component.parameters)
    source = folded(f"Source: {component.paper}")
    return f"### {component.name}\n\n{text}\n\n{source}\n\n{table(parameters) if parameters else ''}"


def folded(text: str) -> str:
    """Paragraphs with lines of at most COLUMNS; indented lines, which are formulas, as they are."""
    parts: list[str] = []
    for formula, lines in groupby(text.splitlines(), lambda line: not line or line.startswith(" ")):
        block = list(lines)
        parts += block if formula else textwrap.wrap(" ".join(block), COLUMNS, break_on_hyphens=False)
    return "\n".join(parts)


def table(parameters: list[Parameter]) -> str:
    """Name, default, what is allowed, meaning."""
    rows = [(f"`{p.name}`", default(p), p.allowed, p.meaning) for p in parameters]
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(["| key | default | allowed | meaning |", "|---|---|---|---|", *lines]) + "\n"


def default(parameter: Parameter) -> str:
    """The default as YAML writes it."""
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value == "":
        return ""
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


if __name__ == "__main__":
    print(page(), end="")
