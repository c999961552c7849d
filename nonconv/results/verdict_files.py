"""floors.csv, group_floors.csv and verdict.json: lower bounds that hold for every xi at once, and the verdict from them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nonconv.engine.causes import CAUSES
from nonconv.engine.plan import Plan
from nonconv.experiment.cell import Bound, Cell
from nonconv.experiment.structure import Structure
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments
from nonconv.results import minima
from nonconv.results.csv_text import as_csv, number
from nonconv.results.iterates import with_iterates
from nonconv.results.quantities import median_courses
from nonconv.statistics.comoments import CoMoments
from nonconv.statistics.floors import last_floors, rows
from nonconv.statistics.intervals import FloorIntervals, floor_intervals, group_floor_intervals, infinite_floors, trend_reasons
from nonconv.statistics.measured_block import ENDS_OF_DOMAIN, OUTCOMES
from nonconv.statistics.networks import group_trends, named_groups
from nonconv.statistics.tally import Tally
from nonconv.statistics.trends import Trend, trends
from nonconv.statistics.verdict import Observed, Verdict, as_dict, judge
from nonconv.store.folder import SCHEMA_VERSION
from nonconv.store.formats import as_json
from nonconv.theory.multiplication import multiplied
from nonconv.theory.recursion import predicted_twins
from nonconv.theory.sign_descent import predicted_gaps
from nonconv.theory.structure import known_limit, structure

FLOOR_COLUMNS = ("step", "floor", "lag", "value", "se", "ci_low", "ci_high", "lower", "n", "n_finite")


def files(cell: Cell, tally: Tally, bound: Bound | None) -> dict[str, bytes]:
    """Make verdict.json; floors.csv if any floor was measured; floors_theory.csv where some are known exactly.

    Of a network also group_floors.csv.
    """
    found = {"verdict.json": as_json(verdict_document(cell, tally, bound))}
    if rows(cell.program.plan):
        of_each = [[tuple(row.values()) for row in floor_rows(cell, own)] for own in tally.views]
        found["floors.csv"] = as_csv(*with_iterates(cell, FLOOR_COLUMNS, of_each))
    groups = named_groups(cell.program)
    if groups:
        every = ((group.name, *row.values()) for k, group in enumerate(groups) for row in _group_rows(cell, tally, k))
        found["group_floors.csv"] = as_csv(("group", *FLOOR_COLUMNS), every)
    predicted = [predicted_twins(cell, iterate) for iterate in range(len(cell.iterates))]
    if any(predicted):
        of_each = [list(_predicted_rows(cell, "twin", own)) if own else [] for own in predicted]
        gaps = predicted_gaps(cell)
        of_each[0] += _predicted_rows(cell, "cauchy", gaps) if gaps else []
        found["floors_theory.csv"] = as_csv(*with_iterates(cell, ("step", "floor", "lag", "value"), of_each))
    return found


def _predicted_rows(cell: Cell, floor: str, predicted: list[Array]) -> Iterator[tuple[Any, ...]]:
    """Yield the exact floors of a name, by span and lag."""
    for span, values in zip(cell.program.plan.spans, predicted, strict=True):
        for lag, value in zip(span.lags.tolist(), values.tolist(), strict=True):
            yield span.first + lag, floor, lag, value


def floor_rows(cell: Cell, tally: Tally) -> Iterator[dict[str, Any]]:
    """Yield FLOOR_COLUMNS of each floor, in the order of statistics.floors.rows.

    ci_low and ci_high are a 95 % interval of this floor alone; all rows are above their `lower` at once with probability 95 %.
    """
    return _floor_rows(cell.program.plan, tally.floors, floor_intervals(cell, tally))


def _group_rows(cell: Cell, tally: Tally, group: int) -> Iterator[dict[str, Any]]:
    """Yield FLOOR_COLUMNS of each floor of a group of coordinates."""
    assert tally.group_floors is not None
    own = Moments(*(field[group] for field in tally.group_floors))
    return _floor_rows(cell.program.plan, own, group_floor_intervals(cell, tally, group))


def _floor_rows(plan: Plan, floors: Moments, found: FloorIntervals) -> Iterator[dict[str, Any]]:
    """Yield FLOOR_COLUMNS of floors with these moments; None where a floor has no interval for a reason, or is infinite."""
    fields = (*found.estimate, found.lower, found.reasons, found.infinite, floors.n, floors.n_finite)
    for row, *numbers in zip(rows(plan), *(field.tolist() for field in fields), strict=True):
        value, se, low, high, lower, reason, infinite, n, n_finite = numbers
        if reason:
            se = low = high = lower = None
        yield {
            "step": row.step,
            "floor": row.floor,
            "lag": row.lag,
            "value": None if infinite else value,
            "se": se,
            "ci_low": low,
            "ci_high": high,
            "lower": lower,
            "n": n,
            "n_finite": n_finite,
        }


def verdict_of(cell: Cell, tally: Tally, iterate: int = 0) -> Verdict:
    """Judge a tally: does the iterate converge, diverge, or neither? iterate: its number; tally: as that one sees it."""
    labels = tuple(xi.label for xi in cell.xi)
    at = _last_iterate(cell, tally)
    known, followed = structure(cell, at, iterate), trends(cell.program.plan, labels)
    leaving = _may_return(cell, structure(cell, at) if iterate else known)
    withheld, infinite = trend_reasons(cell, tally), infinite_floors(cell, tally)
    seen = _observed(cell, tally, known, leaving, followed, tally.trends)
    if iterate:
        # An average of iterates that are far away may be near, unless its own squares leave the range of doubles as well.
        beyond = tally.paths - int(tally.trends.n)
        seen = replace(seen, left=min(seen.left, max(_count(tally, "overflow"), beyond - seen.undefined)))
    return judge(replace(seen, withheld=withheld, infinite=infinite, coordinates=tally.coordinates))


def _last_iterate(cell: Cell, tally: Tally) -> Array | None:
    """Return the last iterate of the first path, (dim,), at which a network's curvature is taken; None elsewhere."""
    return tally.last_iterate.joined[0] if cell.looks_at_last else None


def _observed(cell: Cell, tally: Tally, known: Structure, leaving: str, followed: list[Trend], of_paths: CoMoments) -> Observed:
    """Return what a verdict rests on. followed: the trends; of_paths: their means and covariances; leaving: see Observed."""
    # Paths that keep pace with an orbit go nowhere in the end where rates have a finite sum.
    ending = cell.program.orbit is not None and known.summable
    return Observed(
        plan=cell.program.plan,
        steps=cell.program.steps,
        paths=tally.paths,
        left=_count(tally, "overflow") + (0 if ending else _count(tally, "escaped")),
        leaving=leaving,
        random=not cell.deterministic,
        trends=followed,
        moments=of_paths,
        undefined=_count(tally, "undefined"),
        causes=told_causes(cause_counts(tally)),
        structure=known,
        whole=tally.whole,
    )


def _count(tally: Tally, outcome: str) -> int:
    """Return how many paths have an outcome."""
    return int(tally.outcomes[OUTCOMES.index(outcome)])


def cause_counts(tally: Tally) -> dict[str, int]:
    """Return how many paths are undefined for which cause, the most frequent first; of those that were looked at."""
    counts = {} if tally.causes is None else dict(zip(CAUSES, tally.causes.tolist(), strict=True))
    known = {cause: count for cause, count in counts.items() if cause and count}
    return dict(sorted(known.items(), key=lambda pair: -pair[1]))


def told_causes(causes: Mapping[str, int]) -> str:
    """Write causes in words, with their counts where there are several."""
    return ", ".join(causes if len(causes) == 1 else (f"{cause} ({count})" for cause, count in causes.items()))


def _may_return(cell: Cell, known: Structure) -> str:
    """Say why paths that are far away and still going may come back, and show no divergence; empty if they do not.

    A rate that is yet to fall may bring them back; on an orbit they go on.
    """
    growing = multiplied(cell)
    if growing is not None and growing.returns:
        return "each step multiplies distances at random, and paths come together in the long run: a far one may come back"
    reasons = known.irregular or " and ".join(reason.text for reason in known.forbids)
    if cell.program.orbit is not None:
        return (reasons or "the sum of all rates is finite") if known.summable else ""
    return reasons


def verdict_document(cell: Cell, tally: Tally, bound: Bound | None) -> dict[str, Any]:
    """Return the content of verdict.json. bound: the interval that no path leaves, if one is known."""
    groups = _group_documents(cell, tally)
    return {
        "schema_version": SCHEMA_VERSION,
        **_with_limit(cell, as_dict(verdict_of(cell, tally))),
        **minima.document(cell),
        "medians": median_courses(cell, tally),
        "floors": _last_floors(cell, floor_rows(cell, tally)),
        "outcomes": {name: int(count) for name, count in zip(OUTCOMES, tally.outcomes, strict=True)},
        **at_ends(tally),
        **({"causes": causes} if (causes := cause_counts(tally)) else {}),
        "bound": _bound_document(cell, tally, bound),
        **({"groups": groups} if groups else {}),
        **({"iterates": iterates} if (iterates := _iterate_documents(cell, tally)) else {}),
    }


def at_ends(tally: Tally) -> dict[str, dict[str, int]]:
    """Return how many paths end at either end of the domain, by name; {} without one."""
    return {} if tally.at_ends is None else {"domain": dict(zip(ENDS_OF_DOMAIN, tally.at_ends.tolist(), strict=True))}


def _iterate_documents(cell: Cell, tally: Tally) -> dict[str, Any]:
    """Return the verdict on each iterate besides the last, by name. Each is judged alone."""
    return {
        cell.iterates[k]: {
            **as_dict(verdict_of(cell, own, k)),
            "medians": median_courses(cell, own),
            "floors": _last_floors(cell, floor_rows(cell, own)),
        }
        for k, own in enumerate(tally.views)
        if k > 0
    }


def _with_limit(cell: Cell, document: dict[str, Any]) -> dict[str, Any]:
    """Add what theory knows of the limit to an undecided verdict."""
    return document | {"theory": known_limit(cell) if document["verdict"] == "undecided" else ""}


def _group_documents(cell: Cell, tally: Tally) -> dict[str, Any]:
    """Return the verdict on each group of a network's coordinates, by name.

    Each is judged alone: the error is at most 5 % in one group, not in all of them together, and the lower bounds of its
    floors hold at once, not those of all groups.
    """
    found, own, groups = {}, group_trends(cell.program), named_groups(cell.program)
    known = structure(cell, _last_iterate(cell, tally)) if groups else Structure()
    for k, group in enumerate(groups):
        assert tally.group_trends is not None
        of_group = _select_group(tally.group_trends, k, len(own))
        verdict = judge(_observed(cell, tally, known, _may_return(cell, known), own, of_group))
        floors = _last_floors(cell, _group_rows(cell, tally, k))
        found[group.name] = {"coordinates": group.last - group.first, **as_dict(verdict), "floors": floors}
    return found


def _select_group(stacked: CoMoments, group: int, numbers: int) -> CoMoments:
    """Select the trends of one group from those of all groups."""
    own = slice(group * numbers, (group + 1) * numbers)
    return CoMoments(stacked.n, stacked.mean[own], stacked.m2[own, own])


def _last_floors(cell: Cell, floors: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Return the floors of the last span by name, each with the first step that it is averaged over."""
    plan, every = cell.program.plan, list(floors)
    return {name: _as_json_row(every[k]) | {"first": rows(plan)[k].first} for name, k in last_floors(plan).items()}


def _bound_document(cell: Cell, tally: Tally, bound: Bound | None) -> dict[str, Any] | None:
    """Return the a priori interval of paths that start within the data, and how many paths left theirs.

    It is taken over all coordinates.
    """
    if bound is None or cell.law is None:
        return None
    # Starts at the mean of the data are within them, whatever the paths' starts were.
    low, high = bound(cell.law.mean[:, None])
    return {"violations": tally.violations, "paths": tally.paths, "low": float(low.min()), "high": float(high.max())}


def _as_json_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of floors.csv as JSON has it."""
    return {name: number(value) if isinstance(value, float) else value for name, value in row.items() if name != "floor"}
