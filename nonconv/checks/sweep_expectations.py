"""Test the cells of a sweep against `all`, `share` and `order` of an `expect` block.

    expect:
      all: {verdict: does_not_converge}
      share: {verdict: diverges, where: optimizer.beta1 > 0.5, above: 0.9}
      order: {of: mse, xi: minimizer, against: learning_rate.value, where: optimizer.name == 'sgd', reference: 1}

What one cell meets is found as for a run (checks.expectations). Cells are read one at a time.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from nonconv.checks.expectations import (
    STATUSES,
    Facts,
    Measured,
    Result,
    Row,
    Status,
    apart,
    bounds_facts,
    bounds_text,
    combine,
    compare_with_known,
    decide,
    evaluate,
    measured_text,
)
from nonconv.config.document import KeyPath, dotted
from nonconv.config.expect import FLOORS, OF_RUN, OF_SWEEP, is_name, label
from nonconv.config.expression import Expression, expression
from nonconv.faults.problems import Place, Problem, nearest
from nonconv.numerics.student import normal
from nonconv.report.run import LAST
from nonconv.results.iterates import of_iterate
from nonconv.results.sweep_files import Ends
from nonconv.statistics.measured_block import MSE_PREFIX
from nonconv.statistics.order import Order, fitted_order
from nonconv.statistics.shares import share
from nonconv.system.words import count

MOST_GROUPS = 200
"""More lines than this are not fitted: `against` is then not the key that was meant."""
TAIL = 0.025
"""How often each end of a 95 % interval is missed."""


@dataclass(frozen=True)
class SweptCell:
    """A cell of a finished sweep.

    at: its swept values in words. settings: the same by key. names: its config in full, in which conditions look up keys.
    failure: why it has no result; empty if it has one. opened: its result, with its files as long as it is open. ends: what
    its paths end with. exact: whether nothing in it is random.
    """

    name: str
    at: str
    settings: Mapping[str, Any]
    names: Mapping[str, Any]
    failure: str
    opened: Callable[[], AbstractContextManager[Result]]
    ends: Callable[[], Ends]
    exact: Callable[[], bool]


def entries(given: Any, name: str) -> list[tuple[KeyPath, Mapping[str, Any]]]:
    """List the entries of a key that holds one mapping or a list of them, with their paths in the config."""
    if isinstance(given, list | tuple):
        return [(("expect", name, k), entry) for k, entry in enumerate(given)]
    return [(("expect", name), given)]


def evaluate_sweep(expect: Mapping[str, Any], cells: Sequence[SweptCell]) -> list[Row]:
    """Test what is expected of a sweep's cells: rows in the order of the keys.

    expect: the block of a resolved config, for which `find_unanswerable_in_sweep` finds nothing.
    """
    found: list[Row] = []
    for name, wanted in expect.items():
        for path, entry in entries(wanted, name) if name in OF_SWEEP else ():
            found += EVALUATORS[name](dotted(path), entry, select(entry, cells))
    return found


def select(entry: Mapping[str, Any], cells: Sequence[SweptCell]) -> list[SweptCell]:
    """Return the cells that an entry's `where` means: all, if it has none."""
    condition = expression(entry["where"]) if "where" in entry else None
    return [cell for cell in cells if condition is None or condition.holds(cell.names)]


# What may be wrong


def find_unanswerable_in_sweep(
    expect: Mapping[str, Any], cells: Sequence[SweptCell], place: Callable[[KeyPath], Place]
) -> list[Problem]:
    """Find the expectations that name keys or cells which the sweep does not have. place: where a path is in the config."""
    known = list(dict.fromkeys(key for cell in cells for key in _keys_within("", cell.names)))
    found: list[Problem] = []
    for name, wanted in expect.items():
        for path, entry in entries(wanted, name) if name in OF_SWEEP else ():
            wrong = [*_find_unknown_keys(path, entry, known), *_find_missing_cells(path, entry, cells)][:1]
            wrong = wrong or [*_find_no_line(path, entry, cells)]
            found += [Problem(message, place(where), dotted(where), allowed, near) for where, message, allowed, near in wrong]
    return found


Wrong = tuple[KeyPath, str, str, str]
"""A path in the config, what is wrong there, what is allowed, and the nearest name."""


def _find_unknown_keys(path: KeyPath, entry: Mapping[str, Any], known: Sequence[str]) -> Iterator[Wrong]:
    """Yield the keys of an entry's expressions that no cell has."""
    texts = [((*path, name), entry[name]) for name in ("where", "against") if name in entry]
    texts += [((*path, "within", k, "of"), one["of"]) for k, one in enumerate(entry.get("within", ()))]
    for where, text in texts:
        for key in () if where[-1] == "of" and is_name(text) else expression(text).keys:
            if key not in known:
                last = {other.rpartition(".")[2]: other for other in reversed(known)}
                near = nearest(key, known) or last.get(nearest(key.rpartition(".")[2], last), "")
                yield where, f"there is no key {key}", "keys that are swept or written in the config", near


def _keys_within(outer: str, value: Any) -> Iterator[str]:
    """Yield the dotted keys of nested mappings."""
    for key, one in value.items() if isinstance(value, Mapping) else ():
        yield f"{outer}{key}"
        yield from _keys_within(f"{outer}{key}.", one)


def _find_missing_cells(path: KeyPath, entry: Mapping[str, Any], cells: Sequence[SweptCell]) -> Iterator[Wrong]:
    """Yield a problem if an entry's `where` holds in no cell."""
    if not select(entry, cells):
        yield (*path, "where"), f"holds in none of {count(len(cells), 'cell')}", "", ""


def _find_no_line(path: KeyPath, entry: Mapping[str, Any], cells: Sequence[SweptCell]) -> Iterator[Wrong]:
    """Yield a problem if no line can be fitted against what an entry names."""
    if "against" not in entry:
        return
    lines, text = _lines(entry, select(entry, cells)), entry["against"]
    if not any(len(set(line.x)) > 1 for line in lines):
        yield (*path, "against"), f"{text} has no two different values > 0 in cells that are otherwise alike", "a swept key", ""
    elif len(lines) > MOST_GROUPS:
        yield (
            (*path, "against"),
            f"needs {len(lines)} fits, one per value of the other keys",
            f"at most {MOST_GROUPS}; use where",
            "",
        )


# Every cell, and a share of them


def _of_cell(entry: Mapping[str, Any], cell: SweptCell, wider: float) -> list[Row]:
    """Test one cell: a row per expectation."""
    expect = {name: entry[name] for name in OF_RUN if name in entry}
    if cell.failure:
        return [Row(f"expect.{name}", name, f"failed: {cell.failure}", "undecided") for name in expect]
    with cell.opened() as result:
        return evaluate(expect, replace(result, wider=wider, names=cell.names))


def _every(key: str, entry: Mapping[str, Any], cells: Sequence[SweptCell]) -> Iterator[Row]:
    """Yield a row per expectation of `all`, which every cell must meet.

    One cell of many refutes it, so its interval must hold for all cells at once (Bonferroni). To meet it every cell must,
    for which the interval of each alone is enough.
    """
    wider = normal(1.0 - TAIL / len(cells)) / normal(1.0 - TAIL)
    by_key: dict[str, list[tuple[SweptCell, Row]]] = {}
    for cell in cells:
        for row in _of_cell(entry, cell, wider):
            by_key.setdefault(row.key.removeprefix("expect."), []).append((cell, row))
    for name, pairs in by_key.items():
        statuses = [row.status for _, row in pairs]
        # A failed cell knows no words for what was expected.
        first = next((row for cell, row in pairs if not cell.failure), pairs[0][1])
        facts = Facts("all", "equal", len(cells), statuses.count("met"), file="sweep.csv", more=_counted(statuses))
        yield Row(f"{key}.{name}", f"in every cell{_of(entry)}: {first.expected}", _describe(pairs), combine(statuses), facts)


def _share(key: str, entry: Mapping[str, Any], cells: Sequence[SweptCell]) -> Iterator[Row]:
    """Yield the row of a share of cells.

    The cells of a grid are all there are, so their share is a count, exact but for undecided cells. Cells that differ in
    their seed alone are independent trials, and the share has the interval of Clopper and Pearson.
    """
    statuses: list[Status] = []
    words: dict[str, None] = {}
    for cell in cells:
        rows = _of_cell(entry, cell, 1.0)
        statuses.append(combine(row.status for row in rows))
        words |= {} if cell.failure else dict.fromkeys(row.expected for row in rows)
    met, open_, trials = statuses.count("met"), statuses.count("undecided"), len(cells)
    at = Measured(met / trials, met / trials, (met + open_) / trials)
    chance = are_trials(cells)
    if chance:
        at = Measured(met / trials, share(met, trials).ci_low, share(met + open_, trials).ci_high)
    undecided = f", {open_} undecided" if open_ else ""
    interval = f", {measured_text(at)}" if chance or open_ else ""
    found = f"{met} of {count(trials, 'cell')}{undecided}{interval}{'; seeds are independent trials' if chance else ''}"
    facts = bounds_facts("share", entry, "sweep.csv").of(at)._replace(more={"estimated": chance, **_counted(statuses)})
    what = " and ".join(words) or " and ".join(name for name in OF_RUN if name in entry)
    yield Row(key, f"share of cells{_of(entry)} with {what}: {bounds_text(entry)}", found, decide(entry, at), facts)


def are_trials(cells: Sequence[SweptCell]) -> bool:
    """Whether cells are independent trials of one experiment: they differ in their seed, and in nothing else."""
    others = {repr(sorted((key, repr(value)) for key, value in cell.settings.items() if key != "seed")) for cell in cells}
    return len(others) == 1 and len(cells) > 1 and "seed" in cells[0].settings


def _counted(statuses: Sequence[Status]) -> dict[str, Any]:
    """Count cells by status, as in JSON."""
    return {"cells": {status: statuses.count(status) for status in STATUSES}}


def _of(entry: Mapping[str, Any]) -> str:
    """Say which cells an entry means."""
    return f" where {entry['where']}" if "where" in entry else ""


def _describe(pairs: Sequence[tuple[SweptCell, Row]]) -> str:
    """Say in how many cells an expectation is met, and what was found in the first that does not meet it."""
    counts = {status: sum(row.status == status for _, row in pairs) for status in STATUSES}
    if counts["met"] == len(pairs):
        return f"met in {'its one cell' if len(pairs) == 1 else f'all {len(pairs)} cells'}{_range([row for _, row in pairs])}"
    parts = [f"{status} in {number}" for status, number in counts.items() if number]
    worst = next(status for status in ("refuted", "undecided") if counts[status])
    cell, row = next((cell, row) for cell, row in pairs if row.status == worst)
    return f"{', '.join(parts)} of {count(len(pairs), 'cell')}; first {worst} at {cell.at}: {row.found}"


def _range(rows: Sequence[Row]) -> str:
    """Say from where to where the numbers of cells go, if they have some."""
    values = [row.facts.value for row in rows if isinstance(row.facts.value, float)]
    if len(values) < len(rows):
        return ""
    ends = dict.fromkeys(f"{value:.4g}" for value in (min(values), max(values)))
    return f" ({' to '.join(ends)}{' in each' if len(rows) > 1 == len(ends) else ''})"


# Orders


@dataclass
class _Line:
    """The cells of one fit. values: those of the other swept keys. x: what `against` is in each cell."""

    values: dict[str, Any]
    cells: list[SweptCell]
    x: list[float]


def _lines(entry: Mapping[str, Any], cells: Sequence[SweptCell]) -> list[_Line]:
    """Group cells by the swept keys that `against` does not depend on: one fit for each of their values.

    Cells that differ in their seed share a fit, and so do numbers that change together with `against`. Cells in which it
    has no value > 0 are left out.
    """
    along = expression(entry["against"])
    placed = [(x, cell) for cell in cells if (x := _positive(along, cell)) is not None]
    keys = dict.fromkeys(key for _, cell in placed for key in cell.settings)
    apart = [key for key in keys if key != "seed" and key not in along.keys and not _goes_with(key, placed)]
    found: dict[str, _Line] = {}
    for x, cell in placed:
        values = {key: cell.settings[key] for key in apart if key in cell.settings}
        line = found.setdefault(repr(values), _Line(values, [], []))
        line.cells.append(cell)
        line.x.append(x)
    return list(found.values())


def _at(line: _Line, lines: Sequence[_Line]) -> str:
    """Say which of several lines one is: the values of the keys in which they differ."""
    apart = [key for key in line.values if len({repr(other.values.get(key)) for other in lines}) > 1]
    return f" at {_words({key: line.values[key] for key in apart})}" if apart else ""


def _words(values: Mapping[str, Any]) -> str:
    """Write settings for people: `optimizer=sgd, steps=1000`."""
    return ", ".join(f"{key}={_word(value)}" for key, value in values.items())


def _word(value: Any) -> str:
    """Write a swept value for people: a component by its name, a number shortly."""
    if isinstance(value, dict) and "name" in value:
        return str(value["name"])
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _positive(along: Expression, cell: SweptCell) -> float | None:
    """Return the value of an expression in a cell; None unless it is a number > 0."""
    value = along.value(cell.names)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 < value < math.inf else None


def _goes_with(key: str, placed: Sequence[tuple[float, SweptCell]]) -> bool:
    """Whether a key is a number that changes together with x: its value follows from x. Names never do."""
    pairs = {(x, repr(cell.settings.get(key))) for x, cell in placed}
    numbers = all(isinstance(cell.settings.get(key), int | float) for _, cell in placed)
    return numbers and len(pairs) == len({x for x, _ in pairs}) and len({value for _, value in pairs}) > 1


def _order(key: str, entry: Mapping[str, Any], cells: Sequence[SweptCell]) -> Iterator[Row]:
    """Yield a row per fit."""
    lines = _lines(entry, cells)
    for line in lines:
        what = f"{_quantity(entry)} against {entry['against']}{_at(line, lines)}"
        expected = f"log-log slope of {what} {_wanted_text(entry)}"
        facts = _order_facts(entry)
        reason = _why_not(line)
        if reason:
            yield Row(key, expected, reason, "undecided", facts)
            continue
        name = f"{MSE_PREFIX}{label(entry['xi'])}" if entry["of"] == "mse" else entry["of"]
        name = of_iterate(name, entry["iterate"]) if entry.get("iterate", LAST) != LAST else name
        ends = [cell.ends() for cell in line.cells]
        missing = next((cell.at for cell, end in zip(line.cells, ends, strict=True) if name not in end.of), None)
        if missing is not None:
            yield Row(key, expected, f"was not measured at {missing}", "undecided", facts)
            continue
        infinite = next((cell for cell, end in zip(line.cells, ends, strict=True) if end.infinite(name)), None)
        if infinite:
            yield Row(key, expected, f"no value at {infinite.at}: {infinite.ends().withheld[name]}", "undecided", facts)
            continue
        exact = all(cell.exact() for cell in line.cells)
        fitted = fitted_order(line.x, [end.numbers[end.of.index(name)] for end in ends], exact)
        withheld = next((end.withheld[name] for end in ends if name in end.withheld), "")
        yield _judge(Row(key, expected, "", "undecided", facts), entry, line, _withhold(fitted, withheld))


def _why_not(line: _Line) -> str:
    """Say why a line cannot be fitted; empty if it can."""
    failed = next((cell for cell in line.cells if cell.failure), None)
    if failed:
        return f"{failed.at} failed: {failed.failure}"
    return "" if len(set(line.x)) > 1 else f"only one value, {line.x[0]:g}: no line"


def _withhold(fitted: Order, reason: str) -> Order:
    """Return a fit without interval if one of its means has none."""
    return fitted._replace(se=math.nan, ci_low=math.nan, ci_high=math.nan, reason=fitted.reason or reason) if reason else fitted


def _judge(row: Row, entry: Mapping[str, Any], line: _Line, fitted: Order) -> Row:
    """Fill in what was fitted, and whether that is as expected."""
    at = Measured(fitted.value, fitted.ci_low, fitted.ci_high, None, fitted.se)
    more = {
        "values": len(set(line.x)),
        "cells": len(line.cells),
        "paths": fitted.paths,
        "misfit": fitted.misfit,
        **row.facts.more,
    }
    statuses: list[Status] = [decide(entry, at)] if "above" in entry or "below" in entry else []
    found = measured_text(at)
    if "reference" in entry:
        _, status = compare_with_known(at, {**entry, "of": entry["reference"]}, entry["reference"], 0.0)
        statuses.append(status)
        if status != "undecided":
            distance = abs(at.value - entry["reference"])
            away = apart(distance, at.se, entry, status == "met").removesuffix(", without standard error")
            found += f", {away.removesuffix(' apart')} from {entry['reference']:g}"
    reason = f": {fitted.reason}" if fitted.reason else ""
    found += f"{reason}; {count(len(set(line.x)), 'value')} from {min(line.x):g} to {max(line.x):g}"
    if len(set(line.x)) > 2 and math.isfinite(fitted.misfit):
        found += f", off the line by at most {fitted.misfit:.2g} of a value"
    return row._replace(found=found, status=combine(statuses), facts=row.facts.of(at)._replace(more=more))


def _quantity(entry: Mapping[str, Any]) -> str:
    """Name what an order is taken of."""
    iterate = entry.get("iterate", LAST)
    whose = "" if iterate == LAST else f" of {iterate}"
    if entry["of"] == "mse":
        return f"E|Θ − {label(entry['xi'])}|²{whose}"
    return f"the {entry['of']}{' floor' if entry['of'] in FLOORS else ''}{whose}"


def _wanted_text(entry: Mapping[str, Any]) -> str:
    """Write bounds and reference as `above 0.9 and below 1.1, within 4 standard errors of 1`."""
    reference = f"within {entry['standard_errors']:g} standard errors of {entry['reference']:g}" if "reference" in entry else ""
    return ", ".join(part for part in (bounds_text(entry), reference) if part)


def _order_facts(entry: Mapping[str, Any]) -> Facts:
    """Return what is expected of an order in numbers."""
    more: dict[str, Any] = {"against": entry["against"]}
    if "reference" in entry:
        more |= {"reference": entry["reference"], "standard_errors": entry["standard_errors"]}
    if "above" in entry or "below" in entry:
        return bounds_facts("order", entry, "sweep.csv")._replace(more=more)
    return Facts("order", "within", entry["reference"], file="sweep.csv", more=more)


EVALUATORS: dict[str, Callable[[str, Mapping[str, Any], Sequence[SweptCell]], Iterable[Row]]] = {
    "all": _every,
    "share": _share,
    "order": _order,
}
