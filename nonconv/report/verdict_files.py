"""floors.csv and verdict.json: what holds for every xi at once, and what it says of convergence."""

from collections.abc import Iterator
from typing import Any

from nonconv.arithmetic import Array
from nonconv.experiment import Cell
from nonconv.moments import estimate, lower_bound
from nonconv.report.csv_text import as_csv, number
from nonconv.statistics.floors import last_floors, rows
from nonconv.statistics.tally import OUTCOMES, Tally
from nonconv.statistics.trends import trends
from nonconv.statistics.verdict import Observed, Verdict, as_dict, judge
from nonconv.store import SCHEMA_VERSION, as_json
from nonconv.theory.predictions import bound
from nonconv.theory.recursion import predicted_twins

COLUMNS = ("step", "floor", "lag", "value", "se", "ci_low", "ci_high", "lower", "n", "n_finite")
LEFT = ("escaped", "overflow", "nan")


def files(cell: Cell, tally: Tally) -> dict[str, bytes]:
    """verdict.json, floors.csv if any floor was measured, and floors_theory.csv where twin floors are known exactly."""
    found = {"verdict.json": as_json(verdict_document(cell, tally))}
    if rows(cell.program.plan):
        found["floors.csv"] = as_csv(COLUMNS, (tuple(row.values()) for row in floor_rows(cell, tally)))
    predicted = predicted_twins(cell)
    if predicted:
        found["floors_theory.csv"] = as_csv(("step", "floor", "lag", "value"), _predicted_rows(cell, predicted))
    return found


def _predicted_rows(cell: Cell, predicted: list[Array]) -> Iterator[tuple[Any, ...]]:
    for span, values in zip(cell.program.plan.spans, predicted, strict=True):
        for lag, value in zip(span.lags.tolist(), values.tolist(), strict=True):
            yield span.first + lag, "twin", lag, value


def floor_rows(cell: Cell, tally: Tally) -> Iterator[dict[str, Any]]:
    """COLUMNS of each floor. ci_low and ci_high are a 95 % interval of its own, lower a bound that all rows keep at once."""
    every = rows(cell.program.plan)
    estimates, lower = estimate(tally.floors), lower_bound(tally.floors, 0.05 / max(len(every), 1))
    for k, row in enumerate(every):
        value, se, low, high = (float(field[k]) for field in estimates)
        numbers = {"value": value, "se": se, "ci_low": low, "ci_high": high, "lower": float(lower[k])}
        counted = {"n": int(tally.floors.n[k]), "n_finite": int(tally.floors.n_finite[k])}
        yield {"step": row.step, "floor": row.floor, "lag": row.lag, **numbers, **counted}


def verdict_of(cell: Cell, tally: Tally) -> Verdict:
    """The verdict on a tally."""
    counts = dict(zip(OUTCOMES, tally.outcomes.tolist(), strict=True))
    labels = tuple(xi.label for xi in cell.xi)
    return judge(
        Observed(
            plan=cell.program.plan,
            steps=cell.program.steps,
            paths=tally.paths,
            left=sum(counts[name] for name in LEFT),
            random=not cell.deterministic,
            trends=trends(cell.program.plan, labels),
            moments=tally.trends,
        )
    )


def verdict_document(cell: Cell, tally: Tally) -> dict[str, Any]:
    """What verdict.json holds."""
    every = list(floor_rows(cell, tally))
    floors = {name: _finite(every[k]) for name, k in last_floors(cell.program.plan).items()}
    return {
        "schema_version": SCHEMA_VERSION,
        **as_dict(verdict_of(cell, tally)),
        "floors": floors,
        "outcomes": {name: int(count) for name, count in zip(OUTCOMES, tally.outcomes, strict=True)},
        "bound": _bound(cell, tally),
    }


def _bound(cell: Cell, tally: Tally) -> dict[str, Any] | None:
    """The a priori interval, over all coordinates, of paths that start within the data; and how many left theirs."""
    within = bound(cell)
    if within is None:
        return None
    low, high = within(cell.law.mean[:, None])
    return {"violations": tally.beyond, "paths": tally.paths, "low": float(low.min()), "high": float(high.max())}


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {name: number(value) if isinstance(value, float) else value for name, value in row.items() if name != "floor"}
