"""The curves of a run as columns of numbers: errors with intervals, floors, quantities, schedules, paths.

A curve belongs to an iterate and to a thing measured (`what`): a ξ, a floor, an exact expectation. Both can be switched.
Columns have one entry per point, numbers in full precision; None stands where there is no number that an axis can show.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array
from nonconv.page.palette import colour, dash
from nonconv.report.run import LAST, Errors, Run, of_iterate
from nonconv.results.columns import Columns, read_columns

Table = dict[str, list[Any]]
"""Columns of equal length, by name."""
LARGEST, SMALLEST = 1e270, 1e-270
"""What an axis can show: beyond this a browser's own arithmetic overflows while it looks for the ends of the axis."""
MOST_POINTS, FEWEST_STEPS = 8_000, 40
"""Points of all errors in a page, which take less than a megabyte, and the fewest steps of each curve."""
MOST_RATES = 400
SEGMENTS = {"twin_mean": "twin floor", "window": "window floor", "cauchy_mean": "Cauchy floor"}
"""Floors of a span of steps, as floors.csv names them, and as people read them."""
LEVELS = "Lower bounds for every ξ"
"""The title of the switches of floors."""
SHOWN_FLOOR = "window floor"
"""The floor that is switched on at first; the first one, where there is no window floor."""
EXACT = "exact expectation"


@dataclass(frozen=True)
class Switch:
    """What can be switched on and off.

    key: what rows have in the column of its group. on: at first. colour, dash: as its curves are drawn; empty where the
    switches of the other group say it.
    """

    key: str
    text: str
    on: bool = True
    colour: str = ""
    dash: Sequence[int] = ()


@dataclass(frozen=True)
class Curves:
    """Curves and their switches.

    points: step, iterate, what, value, low, high, n, finite. segments: first, step, iterate, what, value, low, high, lower.
    groups: switches by the title of their group. notes: sentences on what curves cannot show. hue: the column by which
    curves have their colours; the other has the dashes.
    """

    points: Table
    segments: Table
    groups: dict[str, list[Switch]]
    hue: str
    notes: list[str] = field(default_factory=list)


class Named(NamedTuple):
    """A run, as one of its iterates sees it, and what its curves are called."""

    name: str
    run: Run


def of_run(run: Run) -> Curves:
    """Return the error curves of a run, of all its iterates."""
    return curves([Named(seen.iterate, seen) for seen in (run, *run.others)])


def curves(views: list[Named], title: str = "Iterates") -> Curves:
    """Return the error curves of several iterates, or of several runs. title: what `views` are."""
    points, segments = _table(POINTS), _table(SEGMENT)
    notes: list[str] = []
    most = max(FEWEST_STEPS, MOST_POINTS // sum(len(run.errors) + len(run.theory) for _, run in views))
    for name, run in views:
        kept = thinned(len(run.step), most)
        for label in run.errors:
            errors = shown_errors(run, label)
            what = xi_name(run, label)
            notes += _losses(run, errors, f"{name}: {what}" if len(views) > 1 else what)
            extend(points, at(kept, error_rows(run, name, what, errors)))
        for label, exact in run.theory.items():
            extend(points, at(kept, exact_rows(run, name, f"{EXACT}, {label}", exact)))
        extend(segments, floor_rows(run, name))
    longest = max(len(run.step) for _, run in views)
    notes += [f"Of {longest} recorded steps {most} are drawn; error.csv has all."] if longest > most else []
    measured = [*dict.fromkeys(points["what"]), *dict.fromkeys(segments["what"])]
    hue = "iterate" if len(views) > 1 else "what"
    return Curves(points, segments, _groups([view.name for view in views], measured, title), hue, notes)


POINTS = ("step", "iterate", "what", "value", "low", "high", "n", "finite")
SEGMENT = ("first", "step", "iterate", "what", "value", "low", "high", "lower", "n", "finite")


def thinned(count: int, most: int) -> NDArray[np.intp]:
    """Return the places of at most `most` of `count` entries, spread evenly, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp)) if count else np.zeros(0, np.intp)


def at(kept: NDArray[np.intp], rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows at these places."""
    places = set(kept.tolist())
    return (row for k, row in enumerate(rows) if k in places)


def _table(names: Iterable[str]) -> Table:
    return {name: [] for name in names}


def extend(table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Add rows to a table, each in the order of its columns."""
    for row in rows:
        for column, value in zip(table.values(), row, strict=True):
            column.append(value)


def switches(names: list[str], measured: dict[str, list[str]], title: str, off: Iterable[str] = ()) -> dict[str, list[Switch]]:
    """Return the switches by group: of iterates or runs where there are several, and of what is measured.

    title: what `names` are. measured: by the title of their group. off: those that are off at first.
    """
    several = len(names) > 1
    found = {title: [Switch(name, name, colour=colour(k)) for k, name in enumerate(names)]} if several else {}
    number = 0
    for group, members in measured.items():
        found[group] = []
        for k, what in enumerate(members):
            # Levels are thick, so they may have the dashes of curves: an unbroken one is seen best.
            dashes = dash(k if group == LEVELS else number)
            found[group].append(Switch(what, what, what not in off, "" if several else colour(number), dashes))
            number += 1
    return {group: members for group, members in found.items() if members}


def _groups(names: list[str], measured: list[str], title: str) -> dict[str, list[Switch]]:
    """Return the switches of error curves and floors."""
    floors = [what for what in measured if what in SEGMENTS.values()]
    exact = [what for what in measured if what.startswith(EXACT)]
    first = SHOWN_FLOOR if SHOWN_FLOOR in floors else (floors or [""])[0]
    xi = [what for what in measured if what not in (*floors, *exact)]
    groups = {"ξ": xi, LEVELS: floors, "Theory": exact}
    return switches(names, groups, title, [floor for floor in floors if floor != first])


def xi_name(run: Run, label: str) -> str:
    """Name a curve: the ξ; where its mean square is infinite, that the squared median is shown."""
    return as_median(label) if label in run.medians else label


def as_median(label: str) -> str:
    """Name the curve of a ξ whose mean square is infinite."""
    return f"{label} (median², as the mean is infinite)"


def shown_errors(run: Run, label: str) -> Errors:
    """Return the error for a ξ; where it is infinite, the square of the median distance."""
    if label not in run.medians:
        return run.errors[label]
    medians = run.medians[label]
    squares = {name: np.square(getattr(medians, name)) for name in ("mse", "ci_low", "ci_high")}
    return replace(medians, **squares)


def error_rows(run: Run, name: str, what: str, errors: Errors) -> Iterator[tuple[Any, ...]]:
    """Yield POINTS of one error."""
    numbers = (errors.mse, errors.ci_low, errors.ci_high)
    counts = (errors.n.astype(np.int64).tolist(), errors.n_finite.astype(np.int64).tolist())
    for step, value, low, high, n, finite in zip(run.step.tolist(), *map(drawn, numbers), *counts, strict=True):
        yield step, name, what, value, low, high, n, finite


def exact_rows(run: Run, name: str, what: str, values: Array) -> Iterator[tuple[Any, ...]]:
    """Yield POINTS of an exact expectation, which has no interval and rests on no path."""
    for step, value in zip(run.step.tolist(), drawn(values), strict=True):
        yield step, name, what, value, None, None, None, None


def floor_rows(run: Run, name: str) -> Iterator[tuple[Any, ...]]:
    """Yield SEGMENT of each floor of a span: it is over the last half of the steps up to the span's end."""
    path = run.folder / "floors.csv"
    if not path.exists():
        return
    every = of_iterate(read_columns(path), run.iterate)
    for floor, what in SEGMENTS.items():
        own = every.where("floor", floor)
        numbers = [drawn(own.numbers(column)) for column in ("value", "ci_low", "ci_high", "lower")]
        counts = [own.integers(column).tolist() for column in ("n", "n_finite")]
        for step, *rest in zip(own.integers("step").tolist(), *numbers, *counts, strict=True):
            yield step / 2, step, name, what, *rest


def drawn(values: Array) -> list[float | None]:
    """Return numbers for an axis; None for those that are not finite, or beyond what an axis can show.

    What is nearer to 0 than an axis can show is 0.
    """
    size = np.abs(values)
    with np.errstate(invalid="ignore"):
        seen, tiny = size <= LARGEST, size < SMALLEST
    return [0.0 if small else value if there else None for value, there, small in zip(values.tolist(), seen, tiny, strict=True)]


def _losses(run: Run, errors: Errors, name: str) -> Iterator[str]:
    """Say from which step on an error is not finite, and of how many paths; nothing where it always is."""
    lost = np.flatnonzero(~np.isfinite(errors.mse))
    if len(lost):
        first, last = int(lost[0]), len(run.step) - 1
        gone = int(errors.n[last] - errors.n_finite[last])
        what = "overflow" if np.isinf(errors.mse[first]) else "not a number"
        yield (
            f"{name}: not finite from step {run.step[first]} on ({what}); "
            f"at the last step {gone} of {run.counted_paths} are not finite."
        )


def schedules(run: Run) -> Table:
    """Return learning rate and batch size at the recorded steps."""
    kept = thinned(len(run.step), MOST_RATES)
    return {"step": run.step[kept].tolist(), "rate": drawn(run.learning_rate[kept]), "batch": drawn(run.batch_size[kept])}


# Floors by lag


def twins(run: Run) -> Table:
    """Return the twin floors by lag, of every iterate and branch point; exact ones where they are known."""
    table = _table(("lag", "iterate", "branch", "value", "low", "high", "exact", "n", "finite"))
    path, exact_path = run.folder / "floors.csv", run.folder / "floors_theory.csv"
    if not path.exists():
        return table
    every = read_columns(path)
    exact = read_columns(exact_path) if exact_path.exists() else None
    for seen in (run, *run.others):
        extend(table, _twin_rows(of_iterate(every, seen.iterate), _exact_twins(exact, seen.iterate), seen.iterate))
    return table


def _twin_rows(rows: Columns, exact: dict[tuple[int, int], float], iterate: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `twins` of one iterate."""
    own = rows.where("floor", "twin")
    steps, lags = own.integers("step").tolist(), own.integers("lag").tolist()
    numbers = [drawn(own.numbers(name)) for name in ("value", "ci_low", "ci_high")]
    counts = [own.integers(column).tolist() for column in ("n", "n_finite")]
    for step, lag, value, low, high, n, finite in zip(steps, lags, *numbers, *counts, strict=True):
        yield lag, iterate, step - lag, value, low, high, exact.get((step, lag)), n, finite


def _exact_twins(exact: Columns | None, iterate: str) -> dict[tuple[int, int], float]:
    """Return the exact twin floors of an iterate by step and lag; {} where none are known."""
    if exact is None or ("iterate" not in exact.texts and iterate != LAST):
        return {}
    own = of_iterate(exact, iterate).where("floor", "twin")
    places = zip(own.integers("step").tolist(), own.integers("lag").tolist(), strict=True)
    return {at: value for at, value in zip(places, drawn(own.numbers("value")), strict=True) if value is not None}
