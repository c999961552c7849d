"""What a user declares of the limit of a process that was logged: the part of a verdict that no finite log can show.

Nothing declared gives no verdict on the limit: then what was observed is told, and what would decide.
"""

import math
from dataclasses import dataclass
from typing import Any

from nonconv.experiment.structure import Reason, Structure
from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest
from nonconv.numerics.arithmetic import Array

UNKNOWN = "unknown"
NOISES = ("unknown", "persists", "vanishes", "none")
STEADY, CLOSE = 0.1, 0.5
"""Doublings by which logged learning rates may change from span to span, and be off their limit: as theory.structure has it."""


@dataclass(frozen=True)
class Declared:
    """rate_limit: of the learning rate as n -> infinity; None if unknown. batch_limit: of the batch size; inf if it grows.

    noise: of the gradient in the limit: it persists, vanishes at the limit point, or there is none; or unknown.
    """

    rate_limit: float | None = None
    batch_limit: float | None = None
    noise: str = UNKNOWN

    def words(self) -> str:
        """Return what is declared, in a clause; empty if nothing is."""
        found = []
        if self.rate_limit is not None:
            found.append(f"the learning rate tends to {self.rate_limit:g}")
        if self.batch_limit is not None:
            grows = math.isinf(self.batch_limit)
            found.append("the batch size grows without bound" if grows else f"the batch size tends to {self.batch_limit:g}")
        told = {"persists": "the gradient's noise stays", "vanishes": "the gradient's noise vanishes at the limit"}
        if self.noise != UNKNOWN:
            found.append(told.get(self.noise, "the gradient has no noise"))
        return ", ".join(found)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON and YAML have it."""
        batch = "inf" if self.batch_limit == math.inf else self.batch_limit
        of_rate = UNKNOWN if self.rate_limit is None else self.rate_limit
        return {"rate_limit": of_rate, "batch_limit": UNKNOWN if batch is None else batch, "noise": self.noise}


def declared(rate_limit: Any = None, batch_limit: Any = None, noise: str | None = None) -> Declared:
    """Check what is declared. Raises UsageError."""
    rate = _limit("rate_limit", rate_limit, 0.0, "a number >= 0, or unknown")
    batch = _limit("batch_limit", batch_limit, 1.0, "a number >= 1, inf if it grows without bound, or unknown")
    if rate == math.inf:
        raise UsageError("rate_limit: must be a number >= 0 or unknown, got inf")
    noise = UNKNOWN if noise is None else str(noise)
    if noise not in NOISES:
        near = f"\n  did you mean {close}?" if (close := nearest(noise, NOISES)) else ""
        raise UsageError(f"noise: {noise!r} is not known\n  allowed: {', '.join(NOISES)}{near}")
    return Declared(rate, batch, noise)


def _limit(name: str, value: Any, least: float, allowed: str) -> float | None:
    """Read a limit; None if it is unknown. Raises UsageError."""
    if value is None or value == UNKNOWN:
        return None
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not found >= least:
        raise UsageError(f"{name}: must be {allowed}, got {value!r}")
    return found


def structure(known: Declared, drive: Array | None) -> Structure:
    """Return what the verdict's rule takes. drive (spans,): log2 of the mean logged rate of each span; None without rates."""
    reasons = []
    if known.rate_limit == 0.0:
        reasons.append(Reason("rate", "the learning rate tends to 0"))
    if known.batch_limit == math.inf:
        reasons.append(Reason("batch", "the batch size grows without bound"))
    forbids = tuple(reasons)
    if known.noise in ("none", "vanishes"):
        where = "" if known.noise == "none" else " at the limit"
        reasons.append(Reason("noise", f"the gradient has no noise{where}"))
    if known.rate_limit is None:
        # Whatever else is declared: without the limit of the rate nothing follows of n -> infinity.
        return Structure()
    noise = {"persists": "persists", "vanishes": "vanishes", "none": "none"}.get(known.noise, "unknown")
    whole = drive is not None and known.batch_limit != math.inf
    return Structure(
        noise=noise,  # type: ignore[arg-type]  # one of its words
        reasons=tuple(reasons),
        forbids=forbids,
        drive=tuple(drive.tolist()) if whole and drive is not None else (),
        irregular=_irregular(known, drive),
    )


def _irregular(known: Declared, drive: Array | None) -> str:
    """Say why the logged rates are not in their limit regime; empty if they are, or were not logged."""
    if drive is None or known.rate_limit in (None, 0.0) or known.batch_limit == math.inf:
        return ""
    steady = bool((abs(drive[1:] - drive[:-1]) <= STEADY).all())
    assert known.rate_limit is not None
    near = abs(drive[-1] - math.log2(known.rate_limit)) <= CLOSE
    return "" if steady and near else "the learning rate is not yet near its limit"
