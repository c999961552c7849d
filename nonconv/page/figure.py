"""A chart on a page with all that belongs to it: its switches, its choices of axes, its words, and the data that it draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nonconv.page.curves import Switch, Table


@dataclass(frozen=True)
class Choice:
    """Alternatives of which one is chosen: buttons beside a chart, or a list. value: that of the first state."""

    name: str
    label: str
    options: Mapping[str, str]
    value: str


@dataclass(frozen=True)
class Figure:
    """A chart on a page.

    about: what it shows, in words, also for a screen reader. variants: descriptions for Vega-Lite by the chosen axes. data:
    tables by the names in the descriptions. groups: switches by the title of their group. axes: choices whose values, in
    order, name a variant. lists: choices that are parameters of the chart. steps: those whose values can be read in a table
    below it. notes: what the chart cannot show.
    """

    key: str
    title: str
    about: str
    variants: Mapping[str, Mapping[str, Any]]
    data: Mapping[str, Table]
    groups: Mapping[str, Sequence[Switch]] = field(default_factory=dict)
    axes: Sequence[Choice] = ()
    lists: Sequence[Choice] = ()
    steps: Sequence[int] = ()
    notes: Sequence[str] = ()


def axis(name: str, label: str, scales: Sequence[str], value: str = "") -> Choice:
    """Return the choice of the scale of an axis."""
    return Choice(name, label, {scale: scale for scale in scales}, value or scales[0])


def packed(table: Table) -> dict[str, Any]:
    """Return a table as a page holds it, with each column as short as can be."""
    return {name: _packed(column) for name, column in table.items()}


def _packed(column: Sequence[Any]) -> Any:
    """Return a column: one that is the same everywhere by its value, one of many texts or few values by their numbers."""
    values = dict.fromkeys(column)
    if len(values) == 1 and len(column) > 1:
        return {"same": column[0], "count": len(column)}
    if not any(isinstance(value, str) for value in values):
        return column
    numbers = {value: k for k, value in enumerate(values)}
    return {"of": [*numbers], "at": [numbers[value] for value in column]}
