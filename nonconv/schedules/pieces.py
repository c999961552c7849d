"""Piecewise constant functions of the step, for rates and for batch sizes."""

from typing import Any

import numpy as np

from nonconv.components.definitions import Complaint
from nonconv.numerics.arithmetic import Array
from nonconv.system.words import count


def complain_about_pieces(h: Any) -> list[Complaint]:
    """Refuse `until` unless it rises and names the last step of each piece but the last."""
    if len(h.values) != len(h.until) + 1:
        what = f"has {count(len(h.until), 'step')} for {count(len(h.values), 'value')}"
        return [Complaint("until", f"{what}; it takes one less than there are values")]
    if any(later <= earlier for earlier, later in zip(h.until, h.until[1:], strict=False)):
        return [Complaint("until", "the steps must rise")]
    return []


def piecewise(h: Any, n: Array) -> Array:
    """Return values[k] where until[k-1] < n <= until[k], at steps n (steps,); the last value after the last `until`."""
    # side="left": step until[k] still belongs to piece k.
    return np.asarray(h.values, dtype=np.float64)[np.searchsorted(np.asarray(h.until, dtype=np.float64), n, side="left")]
