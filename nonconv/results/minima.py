"""The minima of a cell's mean loss as JSON has them, in summary.json and verdict.json."""

from typing import Any

from nonconv.experiment.cell import Cell

MOST_COORDINATES = 64
"""Entries at most: one per group of coordinates with the same minima."""


def document(cell: Cell) -> dict[str, Any]:
    """Return {"minima": entries}, one for each group of coordinates that share minima; {} where nothing rests on them.

    Each has the first of its coordinates, from 1 on, their number, and the minima, rising: from low to high, which are equal
    but for intervals, and above the lowest minimum by how much.
    """
    if cell.minima is None:
        return {}
    groups: dict[Any, list[int]] = {}
    for j, own in enumerate(cell.minima, 1):
        groups.setdefault(own, []).append(j)
    listed = list(groups.items())[:MOST_COORDINATES]
    return {
        "minima": [
            {"coordinate": own[0], "alike": len(own), "points": [one._asdict() for one in minima]} for minima, own in listed
        ]
    }
