"""Run the checks of a component's contract, as `nonconv explain NAME --test` does.

Random numbers come from fixed seeds, so a check gives the same result every time.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nonconv.components.definitions import Component, Coupled, Initialisation, Objective, Optimizer
from nonconv.components.parameters import parameters_of
from nonconv.config.catalogue import BUILT_IN, Catalogue
from nonconv.config.spec import common_parameters
from nonconv.contract.broken import SLOW, Broken, Check
from nonconv.contract.built_in import FROM_FILES, OFFERED
from nonconv.contract.data import OF_DATA
from nonconv.contract.networks import OF_DATASETS, OF_INITIALISATIONS, OF_NETWORKS
from nonconv.contract.objectives import OF_OBJECTIVES
from nonconv.contract.optimizers import OF_OPTIMIZERS
from nonconv.contract.plausible import Examples, first_line, plausible_parameters
from nonconv.contract.quantities import OF_QUANTITIES
from nonconv.contract.schedules import OF_BATCH_SIZES, OF_DECAYS, OF_SCHEDULES
from nonconv.faults.blame import PLUGIN_ERRORS, Plugin, blame
from nonconv.faults.errors import NonconvError


class Finding(NamedTuple):
    """What a check of a component found: it passed unless there are reasons why not, or it was skipped.

    kind, component, check: what was checked, by names. reasons: why it failed, empty otherwise. skipped: why it did not run.
    """

    kind: str
    component: str
    check: str
    reasons: tuple[str, ...]
    skipped: str = ""

    @property
    def result(self) -> str:
        """failed, skipped or passed."""
        return "failed" if self.reasons else "skipped" if self.skipped else "passed"


def contract_of(plugin: Plugin, catalogue: Catalogue) -> list[Finding]:
    """Run every check of every component that a plug-in registers; a component of two kinds is checked once.

    catalogue: the components that may be parameters of others.
    """
    said = getattr(plugin.module, "EXAMPLES", {})
    examples = said if isinstance(said, dict) else {}
    different: dict[int, tuple[str, Component]] = {}
    for kind, component, _ in plugin.registered:
        # By identity: two components may have one name in different kinds.
        different.setdefault(id(component), (kind, component))
    return [found for kind, c in different.values() for found in findings(kind, c, examples.get(c.name, []), catalogue)]


def findings(
    kind: str,
    component: Component,
    offered: Sequence[Any] = (),
    catalogue: Catalogue = BUILT_IN,
    *,
    leave_out: str = "",
    most_usual: int | None = None,
    vary: bool = True,
) -> Iterator[Finding]:
    """Run every check of one component, with the parameters its author offers as mappings, or else with plausible ones.

    A component that reads a table is checked with a small one. leave_out: what the names of checks to leave out begin with.
    most_usual, vary: as in `plausible_parameters`.
    """

    def finding(check: str, reasons: Iterable[str], skipped: str = "") -> Finding:
        """Return a finding about this component."""
        return Finding(kind, component.name, check, tuple(reasons), skipped)

    yield finding("every parameter has a description", _find_missing_texts(kind, component))
    if component in FROM_FILES:
        examples = Examples(FROM_FILES[component], [], (), [])
        instead = "the other checks use a small one" if examples.usual else "it has no functions to check"
        yield finding("a config can set its parameters", (), f"it reads a table; {instead}")
    else:
        offered = offered or OFFERED.get(component, [])
        examples = plausible_parameters(kind, component, offered, catalogue, most_usual=most_usual, vary=vary)
        yield finding("a config can set its parameters", examples.reasons)
        if examples.unvaried:
            told = f"{', '.join(examples.unvaried)}: no second value is known; EXAMPLES can give some"
            yield finding("every parameter is varied", (), told)
    for check, test in checks_of(kind, component).items() if examples.usual else ():
        if not (leave_out and check.startswith(leave_out)):
            tried = examples.usual if test in SLOW else [*examples.usual, *examples.rare]
            yield finding(check, _reasons(test, component, tried))


def _reasons(test: Check, component: Component, examples: Sequence[Any]) -> list[str]:
    """Return why the check fails, with the first example for which it does; empty if it passes."""
    for h in examples:
        rule = component.form(h) if isinstance(component, Optimizer) else None
        reason = _reason(test, rule or component, h)
        if reason:
            return [f"{reason} (with {_short(h)})"]
    return []


def _reason(test: Check, component: Component, h: Any) -> str:
    """Return why the check fails with these parameters; empty if it passes."""
    try:
        with np.errstate(all="ignore"):
            test(*with_functions(component, h))
    except Broken as broken:
        return str(broken)
    except NonconvError as error:
        return first_line(error)
    except PLUGIN_ERRORS as error:
        return first_line(blame(error) or f"{type(error).__name__}: {error}")
    return ""


def with_functions(component: Component, h: Any) -> tuple[Component, Any]:
    """Return a component whose functions depend on its parameters with these functions; any other as it is."""
    full = component.complete(h) if component.complete else h
    make = component.made if isinstance(component, Objective | Coupled) else None
    return (make(full) if make else component), full


def _short(h: Any) -> str:
    """Format the parameters in a few words; arrays and data are left out."""
    shown = [f"{name}: {value}" for name, value in h._asdict().items() if name != "data" and not isinstance(value, np.ndarray)]
    return ", ".join(shown) or "its defaults"


def _find_missing_texts(kind: str, component: Component) -> Iterator[str]:
    """Yield a reason per parameter without a description, and one if no source is named."""
    for parameter in [*parameters_of(component.parameters), *common_parameters(kind)]:
        if not parameter.meaning:
            yield f"{parameter.name} has no description; write Annotated[..., Doc('what it means')]"
    if not component.paper:
        yield "paper is empty; name the source"


CHECKS: dict[str, dict[str, Check]] = {
    "optimizer": OF_OPTIMIZERS,
    "objective": OF_OBJECTIVES,
    "data": OF_DATA,
    "dataset": OF_DATASETS,
    "start": OF_DATA,
    "learning_rate": OF_SCHEDULES,
    "batch_size": OF_BATCH_SIZES,
    "decay": OF_DECAYS,
    "quantity": OF_QUANTITIES,
}
"""The checks of each kind by what holds when they pass."""
OF_CLASS: dict[type[Component], dict[str, Check]] = {Coupled: OF_NETWORKS, Initialisation: OF_INITIALISATIONS}
"""The checks of classes that share their kind with another class."""


def checks_of(kind: str, component: Component) -> dict[str, Check]:
    """Return the checks of a component, by what holds when they pass."""
    return OF_CLASS.get(type(component), CHECKS.get(kind, {}))
