"""The quantities of a config, bound to its experiment: each with the label of its xi, and what it rests on checked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nonconv.components.definitions import Component, Coupled, Known, Objective
from nonconv.components.quantity import Asked, Quantity, Steps
from nonconv.config.document import KeyPath
from nonconv.config.expect import ALWAYS_MEASURED, label
from nonconv.config.spec import parameters_from
from nonconv.experiment.cell import Xi
from nonconv.faults.problems import kind_of, must_be, nearest
from nonconv.numerics.arithmetic import Array
from nonconv.quantities import bounds

PASSAGE_ROWS = ("share", "censored", "median")
"""What rows of a first passage are about: the share that has passed, the censored share, the median step."""
PASSAGE_TITLES = {
    "first_passage_censored": "share of paths that have not passed",
    "first_passage_median": "median step of first passage",
}


LAST_ITERATE = "last"
"""The xi that each path ends at."""


class Wrong(NamedTuple):
    """What is wrong with the value at a path of the config."""

    path: KeyPath
    message: str
    allowed: str = ""
    nearest: str = ""


class Setting(NamedTuple):
    """What quantities are compared with.

    minimizer: whether one is known. exact: whether the mean loss is. held_out: whether there are examples that measure it.
    xi: the labels of the candidates.
    """

    objective: Component
    minimizer: bool
    exact: bool
    held_out: bool
    xi: Sequence[str]
    record: Steps
    steps: int
    dim: int


def bind(models: Sequence[Any], catalogue: Any, setting: Setting) -> tuple[tuple[Asked, ...], list[Wrong]]:
    """Return the quantities of validated models in their order, and what is wrong with them."""
    found: dict[str, Asked] = {}
    wrong: list[Wrong] = []
    for at, model in enumerate(models):
        path: KeyPath = ("quantities", at)
        quantity: Quantity = catalogue["quantity"][model.name]
        h, problems = _with_xi(quantity, parameters_from(quantity, model), setting, path)
        if quantity.kind == "rate" and _xi_of(h) == LAST_ITERATE:
            others = ", ".join(label for label in setting.xi if label != LAST_ITERATE)
            what = "the distance from the last iterate is 0 at the end, whatever the rate"
            problems.append(Wrong((*path, "xi"), what, others or "another xi in the config"))
        problems += [*_find_missing(quantity, h, setting, path), *_find_outside(h, setting, path)]
        wrong += problems
        if problems:
            continue
        asked = Asked(quantity, h, quantity.label(h, _xi_of(h)), _xi_of(h))
        if asked.label in found:
            first = f"first given as quantities[{[*found].index(asked.label)}]"
            wrong.append(Wrong(path, f"duplicate quantity {asked.label}; {first}"))
        found[asked.label] = asked
    return tuple(found.values()), wrong


def _xi_of(h: Any) -> str:
    """Return the label of the xi that parameters name; empty where they have none."""
    return str(getattr(h, "xi", None) or "")


def _with_xi(quantity: Quantity, h: Any, setting: Setting, path: KeyPath) -> tuple[Any, list[Wrong]]:
    """Return the parameters with the label of their xi, the first one if they name none, and what is wrong with it."""
    if not quantity.about_xi or getattr(h, "of", "error") != "error":
        return h, []
    if h.xi is None:
        return h._replace(xi=setting.xi[0]), []
    allowed = ", ".join(setting.xi)
    numbers = h.xi if isinstance(h.xi, list | tuple) else [h.xi]
    if not isinstance(h.xi, str) and not (numbers and all(type(one) in (int, float) for one in numbers)):
        return h, [Wrong((*path, "xi"), *must_be(allowed, kind_of(h.xi)))]
    name = label(h.xi)
    if name not in setting.xi:
        return h, [Wrong((*path, "xi"), f"{name} is not among the config's xi", allowed, nearest(name, setting.xi))]
    return h._replace(xi=name), []


def _find_missing(quantity: Quantity, h: Any, setting: Setting, path: KeyPath) -> list[Wrong]:
    """Return what a quantity needs and the experiment does not have."""
    objective, found = setting.objective, []
    name = quantity.name
    for need in quantity.needs(h):
        if need in ("minimizer", "mean gradient") and isinstance(objective, Objective) and not setting.exact:
            found.append(Wrong(path, f"{name} needs one F: data whose law drifts, or that have no mean, have none"))
        elif need == "minimizer" and not setting.minimizer:
            more = "; of a network risk.csv has the risk" if isinstance(objective, Coupled) else ""
            found.append(Wrong(path, f"{name} needs F*, and {objective.name} has no known minimizer here{more}"))
        elif need == "minimizer" and not setting.exact:
            found.append(Wrong(path, f"{name} needs F exactly: rows of a table, or a loss that moments decide"))
        elif need == "mean gradient" and not (setting.exact or setting.held_out):
            found.append(Wrong(path, f"{name} needs examples that measure it", "held_out examples in the data"))
        elif need == "losses" and not isinstance(objective, Objective):
            what = f"{name} needs the best fixed point of each path, which is not found for {objective.name}"
            found.append(Wrong(path, what, "an objective of one coordinate at a time"))
    return found


def _find_outside(h: Any, setting: Setting, path: KeyPath) -> list[Wrong]:
    """Return the steps that are not recorded and the coordinate that there is not."""
    found = []
    for at, step in enumerate(getattr(h, "steps", None) or ()):
        if step not in setting.record:
            near = int(setting.record[np.abs(setting.record - step).argmin()])
            more = f", record: {{points: 200, steps: [{step}]}} adds it" if 1 <= step <= setting.steps else ""
            allowed = f"a step of error.csv, 1 to {setting.steps}{more}"
            found.append(Wrong((*path, "steps", at), f"step {step} is not recorded", allowed, str(near)))
    if getattr(h, "coordinate", 1) > setting.dim:
        found.append(Wrong((*path, "coordinate"), *must_be(f"a coordinate from 1 to {setting.dim}", str(h.coordinate))))
    return found


def names(asked: Sequence[Asked], xi: Sequence[Xi]) -> list[str]:
    """Return the names of all rows of quantities.csv."""
    found = [f"{level}: {one.label}" for one in xi for level in ALWAYS_MEASURED]
    for one in asked:
        found += [name for name in row_names(one) if name not in found]
    return found


def row_names(asked: Asked) -> list[str]:
    """Return the names of the rows of one quantity."""
    kind = asked.quantity.kind
    if kind == "passage":
        about = asked.label.partition(": ")[2]
        return [f"{asked.quantity.name}_{part}: {about}" for part in PASSAGE_ROWS]
    if kind == "bound":
        about = asked.label.partition(": ")[2]
        return [
            f"{row}: {about}" for row in ("violations", "bound", "largest" if asked.parameters.side == "upper" else "least")
        ]
    return [] if kind == "law" else [asked.label]


def means(asked: Sequence[Asked]) -> list[str]:
    """Return the names of the quantities that are means, of which each path has a final number."""
    return [one.label for one in asked if one.quantity.kind in ("mean", "signed mean")]


def titles(asked: Sequence[Asked]) -> dict[str, str]:
    """Return the name of each number that a run ends with, with what axes call it."""
    found: dict[str, str] = {}
    for one in asked:
        found |= {name: title.replace("ξ", one.xi or "ξ") for name, title in _titles_of(one).items()}
    return found


def _titles_of(asked: Asked) -> dict[str, str]:
    """Return what axes call each row of a quantity, by name."""
    title, names_of_rows = asked.quantity.title(asked.parameters), row_names(asked)
    if asked.quantity.kind == "bound":
        what, side = bounds.NAMES[asked.parameters.of], asked.parameters.side
        extreme = names_of_rows[-1].partition(": ")[0]
        return dict(zip(names_of_rows, (title, f"{side} bound of {what}", f"{extreme} of {what}"), strict=True))
    return {name: PASSAGE_TITLES.get(name.partition(": ")[0], title) for name in names_of_rows}


def exact_examples(component: Coupled, h: Any, known: Known) -> tuple[Array, Array] | None:
    """Return examples, features (features, n) and targets (targets, n), over which the mean loss is F up to a constant.

    All rows of a table; the mean vector of a data law where it decides the gradient; of a law of examples those with its
    second moments where these decide the loss. None where there are none such. h: the objective's parameters.
    """
    if known.rows is not None:
        return known.rows
    degree = component.degree(h)
    if known.law is not None and degree == 1:
        return np.empty((0, 1)), known.law.mean[:, None]
    if known.truth is None or degree is None:
        return None
    truth = known.truth
    # So far from the mean along each axis that means and second moments are those of the law.
    away = np.diag(np.sqrt(len(truth.mean) * truth.variance))
    x = truth.mean[:, None] + np.concatenate([away, -away], axis=1)
    return x, truth.weight @ x + truth.bias[:, None]


def names_of_averages(asked: Sequence[Asked], xi: Sequence[Xi]) -> list[str]:
    """Return the names of the rows that averages of iterates have."""
    return names([one for one in asked if one.quantity.of_averages], xi)
