"""Does a component keep its contract? Checks that a plug-in's author can call; each passes or says why not.

Whatever is random is drawn from fixed seeds, so that a check gives the same answer every time.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nonconv.components import Component, Coupled, Initialisation
from nonconv.config.catalogue import BUILT_IN, Catalogue
from nonconv.config.spec import common_parameters
from nonconv.contract.broken import Broken, Check
from nonconv.contract.data import OF_DATA
from nonconv.contract.networks import OF_DATASETS, OF_INITIALISATIONS, OF_NETWORKS
from nonconv.contract.objectives import OF_OBJECTIVES
from nonconv.contract.optimizers import OF_OPTIMIZERS
from nonconv.contract.plausible import first_line, plausible_parameters
from nonconv.contract.schedules import OF_BATCH_SIZES, OF_SCHEDULES
from nonconv.errors import NonconvError
from nonconv.faults.blame import Plugin, blame
from nonconv.parameters import parameters_of


class Finding(NamedTuple):
    """What a check of a component found; without reasons it passed."""

    kind: str
    component: str
    check: str
    reasons: tuple[str, ...]


def contract_of(plugin: Plugin, catalogue: Catalogue) -> list[Finding]:
    """Every check of every component that a plug-in registers; what is both data and start is checked once.

    catalogue: the components that may be parameters of others.
    """
    said = getattr(plugin.module, "EXAMPLES", {})
    examples = said if isinstance(said, dict) else {}
    different: dict[int, tuple[str, Component]] = {}
    for kind, component, _ in plugin.registered:
        different.setdefault(id(component), (kind, component))
    return [found for kind, c in different.values() for found in findings(kind, c, examples.get(c.name, []), catalogue)]


def findings(
    kind: str, component: Component, offered: Sequence[Any] = (), catalogue: Catalogue = BUILT_IN
) -> Iterator[Finding]:
    """Every check of one component, with the parameters its author offers as mappings, or else with plausible ones."""

    def finding(check: str, reasons: Iterable[str]) -> Finding:
        return Finding(kind, component.name, check, tuple(reasons))

    yield finding("its parameters say what they mean", _silent(kind, component))
    examples, reasons = plausible_parameters(kind, component, offered, catalogue)
    yield finding("a config can choose its parameters", reasons)
    if examples:
        for check, test in checks_of(kind, component).items():
            yield finding(check, _reasons(test, component, examples))


def _reasons(test: Check, component: Component, examples: Sequence[Any]) -> list[str]:
    """Why the check fails, for the first of the examples that it fails with."""
    for h in examples:
        reason = _reason(test, component, h)
        if reason:
            return [f"{reason} (with {_short(h)})"]
    return []


def _reason(test: Check, component: Component, h: Any) -> str:
    try:
        with np.errstate(all="ignore"):
            test(component, h)
    except Broken as broken:
        return str(broken)
    except NonconvError as error:
        return first_line(error)
    except Exception as error:  # a plug-in's code may raise anything
        return first_line(blame(error) or f"{type(error).__name__}: {error}")
    return ""


def _short(h: Any) -> str:
    """The parameters in a few words."""
    told = [f"{name}: {value}" for name, value in h._asdict().items() if name != "data"]
    return ", ".join(told) or "its defaults"


def _silent(kind: str, component: Component) -> Iterator[str]:
    for parameter in [*parameters_of(component.parameters), *common_parameters(kind)]:
        if not parameter.meaning:
            yield f"{parameter.name} has no meaning; write Annotated[..., Doc('what it means')]"
    if not component.paper:
        yield "paper is empty; say where it is from"


CHECKS: dict[str, dict[str, Check]] = {
    "optimizer": OF_OPTIMIZERS,
    "objective": OF_OBJECTIVES,
    "data": OF_DATA,
    "dataset": OF_DATASETS,
    "start": OF_DATA,
    "learning_rate": OF_SCHEDULES,
    "batch_size": OF_BATCH_SIZES,
}
"""The checks of each kind by what they say when they pass."""
OF_CLASS: dict[type[Component], dict[str, Check]] = {Coupled: OF_NETWORKS, Initialisation: OF_INITIALISATIONS}
"""Those of classes that share their kind with another."""


def checks_of(kind: str, component: Component) -> dict[str, Check]:
    """The checks of a component."""
    return OF_CLASS.get(type(component), CHECKS[kind])
