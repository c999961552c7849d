"""floors.csv, group_floors.csv and verdict.json: what holds for every xi at once, and what it says of convergence."""

from collections.abc import Iterator
from typing import Any

from nonconv.engine.plan import Plan
from nonconv.experiment.cell import Bound, Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, estimate, lower_bound
from nonconv.results.csv_text import as_csv, number
from nonconv.statistics.comoments import CoMoments
from nonconv.statistics.floors import last_floors, rows
from nonconv.statistics.measured_block import OUTCOMES
from nonconv.statistics.networks import group_trends, named_groups
from nonconv.statistics.tally import Tally
from nonconv.statistics.trends import Trend, trends
from nonconv.statistics.verdict import SLOWEST_FALL, Observed, Verdict, as_dict, judge
from nonconv.store.folder import SCHEMA_VERSION
from nonconv.store.formats import as_json
from nonconv.theory.assumptions import noise_persists, settling
from nonconv.theory.recursion import predicted_twins

FLOOR_COLUMNS = ("step", "floor", "lag", "value", "se", "ci_low", "ci_high", "lower", "n", "n_finite")
LEFT_OUTCOMES = ("escaped", "overflow", "nan")
"""Of paths that do not stay; of nan only where it is not 0/0."""


def files(cell: Cell, tally: Tally, bound: Bound | None) -> dict[str, bytes]:
    """verdict.json, floors.csv if any floor was measured, and floors_theory.csv where twin floors are known exactly.

    Of a network also group_floors.csv.
    """
    found = {"verdict.json": as_json(verdict_document(cell, tally, bound))}
    if rows(cell.program.plan):
        found["floors.csv"] = as_csv(FLOOR_COLUMNS, (tuple(row.values()) for row in floor_rows(cell, tally)))
    groups = named_groups(cell.program)
    if groups:
        every = ((group.name, *row.values()) for k, group in enumerate(groups) for row in _group_rows(cell, tally, k))
        found["group_floors.csv"] = as_csv(("group", *FLOOR_COLUMNS), every)
    predicted = predicted_twins(cell)
    if predicted:
        found["floors_theory.csv"] = as_csv(("step", "floor", "lag", "value"), _predicted_rows(cell, predicted))
    return found


def _predicted_rows(cell: Cell, predicted: list[Array]) -> Iterator[tuple[Any, ...]]:
    for span, values in zip(cell.program.plan.spans, predicted, strict=True):
        for lag, value in zip(span.lags.tolist(), values.tolist(), strict=True):
            yield span.first + lag, "twin", lag, value


def floor_rows(cell: Cell, tally: Tally) -> Iterator[dict[str, Any]]:
    """FLOOR_COLUMNS of each floor, in the order of statistics.floors.rows.

    ci_low and ci_high are a 95 % interval of its own; all rows are above their `lower` at once with probability 95 %.
    """
    return _rows(cell.program.plan, tally.floors)


def _group_rows(cell: Cell, tally: Tally, group: int) -> Iterator[dict[str, Any]]:
    assert tally.group_floors is not None
    return _rows(cell.program.plan, Moments(*(field[group] for field in tally.group_floors)))


def _rows(plan: Plan, floors: Moments) -> Iterator[dict[str, Any]]:
    every = rows(plan)
    estimates, lower = estimate(floors), lower_bound(floors, 0.05 / max(len(every), 1))
    for k, row in enumerate(every):
        value, se, low, high = (float(field[k]) for field in estimates)
        numbers = {"value": value, "se": se, "ci_low": low, "ci_high": high, "lower": float(lower[k])}
        counted = {"n": int(floors.n[k]), "n_finite": int(floors.n_finite[k])}
        yield {"step": row.step, "floor": row.floor, "lag": row.lag, **numbers, **counted}


def verdict_of(cell: Cell, tally: Tally) -> Verdict:
    """The verdict on a tally."""
    labels = tuple(xi.label for xi in cell.xi)
    return _judged(cell, tally, trends(cell.program.plan, labels), tally.trends)


def _judged(cell: Cell, tally: Tally, followed: list[Trend], of_paths: CoMoments) -> Verdict:
    counts = dict(zip(OUTCOMES, tally.outcomes.tolist(), strict=True))
    rule, h, _ = cell.program.optimizer
    undefined = counts["nan"] if rule.can_be_undefined(h) else 0
    return judge(
        Observed(
            plan=cell.program.plan,
            steps=cell.program.steps,
            paths=tally.paths,
            left=sum(counts[name] for name in LEFT_OUTCOMES) - undefined,
            random=not cell.deterministic,
            trends=followed,
            moments=of_paths,
            undefined=undefined,
            settling=settling(cell, 2.0**-SLOWEST_FALL),
            noisy=noise_persists(cell),
            warmup=cell.learning_rate.warmup,
        )
    )


def verdict_document(cell: Cell, tally: Tally, bound: Bound | None) -> dict[str, Any]:
    """What verdict.json holds. bound: the interval that no path leaves, where one is known."""
    groups = _groups(cell, tally)
    return {
        "schema_version": SCHEMA_VERSION,
        **as_dict(verdict_of(cell, tally)),
        "floors": _last(cell, floor_rows(cell, tally)),
        "outcomes": {name: int(count) for name, count in zip(OUTCOMES, tally.outcomes, strict=True)},
        "bound": _bound(cell, tally, bound),
        **({"groups": groups} if groups else {}),
    }


def _groups(cell: Cell, tally: Tally) -> dict[str, Any]:
    """The verdict on each group of a network's coordinates.

    Each is judged on its own: the error is at most 5 % in one group, not in all of them together; and the lower bounds of
    its floors hold at once, not those of all groups.
    """
    found, own = {}, group_trends(cell.program)
    for k, group in enumerate(named_groups(cell.program)):
        assert tally.group_trends is not None
        verdict = _judged(cell, tally, own, _of_group(tally.group_trends, k, len(own)))
        floors = _last(cell, _group_rows(cell, tally, k))
        found[group.name] = {"coordinates": group.last - group.first, **as_dict(verdict), "floors": floors}
    return found


def _of_group(stacked: CoMoments, group: int, numbers: int) -> CoMoments:
    """Of the trends of all groups those of one."""
    own = slice(group * numbers, (group + 1) * numbers)
    return CoMoments(stacked.n, stacked.mean[own], stacked.m2[own, own])


def _last(cell: Cell, floors: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The floors of the last span by name."""
    every = list(floors)
    return {name: _finite(every[k]) for name, k in last_floors(cell.program.plan).items()}


def _bound(cell: Cell, tally: Tally, bound: Bound | None) -> dict[str, Any] | None:
    """The a priori interval, over all coordinates, of paths that start within the data; and how many left theirs."""
    if bound is None or cell.law is None:
        return None
    low, high = bound(cell.law.mean[:, None])
    return {"violations": tally.violations, "paths": tally.paths, "low": float(low.min()), "high": float(high.max())}


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {name: number(value) if isinstance(value, float) else value for name, value in row.items() if name != "floor"}
