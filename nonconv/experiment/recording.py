"""What a config records: steps, coordinates, the optimizer's state; and whether that fits into memory."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import EFFECTIVE_RATE
from nonconv.config.spec import MOST_RECORDED
from nonconv.engine.blocks import SMALLEST_BLOCK
from nonconv.experiment.networks import coordinate_name, coordinate_of, first_of_each, list_coordinates
from nonconv.experiment.reading import Reading
from nonconv.faults.problems import nearest
from nonconv.system.words import count

MOST_SNAPSHOT_BYTES = 256 * 2**20
"""Memory for the recorded iterates of one smallest block."""


@lru_cache
def recorded_steps(
    steps: int, points: int, spacing: str, given: tuple[int, ...] = (), every: int | None = None
) -> NDArray[np.int64]:
    """Return the steps given, the multiples of `every`, and at most `points` others, rising to the last, shape (R,).

    spacing: log or linear. Powers of ten, a quarter and half of all steps are among the others, so that tables show round
    steps. Cached, and the array is read-only.
    """
    multiples = [] if every is None else range(every, steps + 1, every)
    record = np.union1d(_spread_steps(steps, points, spacing), np.array([*given, *multiples], dtype=np.int64))
    record.flags.writeable = False  # every experiment of the same length has it
    return record


def _spread_steps(steps: int, points: int, spacing: str) -> NDArray[np.int64]:
    """Return at most `points` different steps, rising to the last."""
    spread = np.geomspace(1, steps, points) if spacing == "log" else np.linspace(steps / points, steps, points)
    found = np.unique(np.clip(np.rint(spread), 1, steps).astype(np.int64))
    # Each anchor replaces the nearest step, so the number of points does not grow.
    for anchor in (*(10**k for k in range(len(str(steps)))), steps // 4, steps // 2, steps):
        if found[0] < anchor or anchor == steps:
            found[np.abs(found - anchor).argmin()] = anchor
    return np.unique(found)


def record(config: Reading) -> NDArray[np.int64]:
    """Return the recorded steps, rising to the last, shape (R,)."""
    record, steps = config.model.record, config.model.steps
    given, every, points = record.steps or (), record.every, record.points
    if (given or every) and "points" not in record.model_fields_set:
        points = config.resolved["record"]["points"] = 1  # the last step
    if given:
        config.resolved["record"]["steps"] = sorted(given)
    first: dict[int, int] = {}
    for k, step in enumerate(given):
        if step > steps:
            config.complain(("record", "steps", k), f"is {step}, after the last step", f"1 to {steps}")
        elif first.setdefault(step, k) < k:
            what = f"duplicate step {step}; first given as record.steps[{first[step]}]"
            config.complain(("record", "steps", k), what)
    if every and every > steps:
        config.complain(("record", "every"), f"is {every}, after the last step", f"1 to {steps}")
    elif every and steps // every > MOST_RECORDED:
        what = f"gives {steps // every} recorded steps"
        config.complain(("record", "every"), what, f"at least {-(-steps // MOST_RECORDED)}")
        every = None
    return recorded_steps(steps, points, record.spacing, tuple(step for step in given if step <= steps), every)


def states(config: Reading) -> tuple[str, ...]:
    """Return what is kept of the optimizer on the paths that are kept, by name."""
    record, rule = config.model.record, config.choose("optimizer", config.model.optimizer).component
    known = [*rule.state._fields, *(one.name for one in rule.shown), *([EFFECTIVE_RATE] if rule.scaling else [])]
    for k, name in enumerate(record.state or ()):
        path = ("record", "state", k)
        if name == EFFECTIVE_RATE and not rule.scaling:
            config.complain(path, f"{rule.name} states no effective rate", ", ".join(known))
        elif name not in known:
            config.complain(path, f"{rule.name} has no {name!r}", ", ".join(known) or "none", nearest(name, known))
        elif name in record.state[:k]:
            config.complain(path, f"duplicate {name}")
    if record.state and record.paths == 0:
        config.complain(("record", "paths"), "is 0, so there is no path whose state is kept", "at least 1")
    return record.state or ()


def coordinates(config: Reading) -> tuple[tuple[int, str], ...]:
    """Return which coordinates of a path are kept, as pairs of number from 0 on and name; none for all."""
    wanted = config.model.record.coordinates
    if wanted is None:
        return tuple((k, coordinate_name(k, config.groups)) for k in first_of_each(config.groups))
    found: dict[int, str] = {}
    for at, value in enumerate(wanted):
        k = coordinate_of(value, config.groups, config.dim)
        if k is None:
            _complain_of_coordinate(config, value, at)
        elif k in found:
            config.complain(("record", "coordinates", at), f"duplicate coordinate {found[k]}")
        else:
            found[k] = coordinate_name(k, config.groups)
    config.resolved["record"]["coordinates"] = [name if config.groups else k + 1 for k, name in found.items()]
    return tuple(found.items())


def _complain_of_coordinate(config: Reading, value: str | int, at: int) -> None:
    """Complain about an entry of record.coordinates that is no coordinate."""
    names = [group.name for group in config.groups]
    group = str(value).partition("[")[0]
    near = "" if group in names else nearest(group, names)
    what = f"there is no coordinate {value} of {config.dim}"
    config.complain(("record", "coordinates", at), what, list_coordinates(config.groups, config.dim), near)


def check_snapshots(config: Reading, recorded: int, with_floors: int) -> None:
    """Complain where even the smallest block does not fit into memory."""
    most = MOST_SNAPSHOT_BYTES // (8 * SMALLEST_BLOCK * config.dim)
    if most == 0:
        allowed = f"at most {MOST_SNAPSHOT_BYTES // (8 * SMALLEST_BLOCK)} coordinates"
        config.complain(("objective",), f"{config.dim} coordinates do not fit into memory", allowed)
    elif recorded > most:
        what = f"{recorded} recorded steps of {count(config.dim, 'coordinate')} do not fit into memory"
        key = next((key for key in ("every", "steps") if getattr(config.model.record, key)), "points")
        config.complain(("record", key), what, f"at most {most} {'points' if key == 'points' else 'steps'} with this dim")
    elif with_floors > most:
        what = f"need {with_floors} steps of {count(config.dim, 'coordinate')}, which do not fit into memory"
        config.complain(("floors",), what, "floors: {twin: false, window: false, cauchy: false} with this dim")
