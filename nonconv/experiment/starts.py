"""Where paths start: a point, or a law that is drawn for each path."""

from typing import Any

import numpy as np
from pydantic import BaseModel

from nonconv.components.definitions import Chosen, Initialisation, Point
from nonconv.config.spec import choices, component_model
from nonconv.data.initial import DRAWN, spread
from nonconv.experiment.reading import Reading
from nonconv.numerics.arithmetic import Array


def start(config: Reading) -> Array | Chosen:
    """Return the start: a point, shape (dim,), or a distribution that is drawn for each path.

    A network without `start` begins with He's initialisation: at 0 all its units would stay equal.
    """
    start = config.model.start
    if config.learning and not config.objective.component.starts_at_zero and "start" not in config.model.model_fields_set:
        start = component_model("start", config.document.catalogue["start"]["he"])(name="he")
        config.resolved["start"] = start.model_dump(mode="json")
        # As if it had been written, so that the identity is that of the resolved config.
        config.model = config.model.model_copy(update={"start": start})
    if not isinstance(start, BaseModel):
        return config.vector(start, ("start",))
    component, parameters = chosen = config.choose("start", start)
    if isinstance(component, Initialisation):
        return _initialisation(config, component, parameters)
    parameters = config.load(chosen, ("start",), config.dim)
    if isinstance(component, Point):
        return np.zeros(config.dim) if parameters is None else component.point(parameters)
    return Chosen(component, parameters)


def _initialisation(config: Reading, component: Initialisation, parameters: Any) -> Array | Chosen:
    """Return the law of a network's weights at the start."""
    if not any(group.fan_in for group in config.groups) and (not config.learning or config.objective.component.starts_at_zero):
        what = f"{component.name} draws weights by the widths of layers, which {config.name} does not have"
        config.complain(("start",), what, choices(config.document.catalogue, "start").partition(";")[0])
        return np.zeros(config.dim)
    return Chosen(DRAWN[parameters.law], spread(component, parameters, config.groups))
