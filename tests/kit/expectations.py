"""A hand-made result of 64 paths, and its verdict, as `nonconv check` reads them."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from nonconv.checks.expectations import Result
from nonconv.report.run import Errors, Run

VERDICT: dict[str, Any] = {
    "schema_version": 1,
    "verdict": "does_not_converge",
    "reason": "the twins part.",
    "observed": [30, 60],
    "floors": {
        "twin": {"step": 60, "lag": 0, "value": 0.02, "se": 0.001, "ci_low": 0.018, "ci_high": 0.022, "lower": 0.017},
        "window": {"step": 60, "lag": 30, "value": 0.02, "se": None, "ci_low": None, "ci_high": None, "lower": None},
        "cauchy": {"step": 60, "lag": 30, "value": 0.02, "se": 0.001, "ci_low": 0.018, "ci_high": 0.022},
    },
    "slopes": {
        "window": {"value": 0.0, "se": 0.01, "ci_low": -0.02, "ci_high": 0.02},
        "error: minimizer": {"value": -0.5, "se": 0.01, "ci_low": -0.52, "ci_high": -0.48},
    },
    "outcomes": {"finite": 64, "escaped": 0, "caught": 0, "overflow": 0, "undefined": 0},
    "bound": {"violations": 0, "paths": 64, "low": -1.25, "high": 1.5},
}
PREDICTIONS = {"plateau": {"value": 0.021, "se": 0.0, "of": "the error as n grows"}, "sampled": {"value": 0.024, "se": 0.002}}
STEPS = [1, 10, 100]


def column(*values: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def errors(last: float, se: float) -> Errors:
    """At steps 1, 10, 100; the last with an interval of two standard errors."""
    mse, spread = column(1.0, 0.1, last), column(0.0, 0.01, se)
    return Errors(mse, spread, mse - 2 * spread, mse + 2 * spread, column(64, 64, 64), column(64, 64, 64))


def result(exact: bool = False, verdict: Any = VERDICT, **outcomes: int) -> Result:
    """A hand-made one of 64 paths, finite unless said otherwise."""
    empty = column()
    run = Run(
        folder=Path("out"),
        config={"learning_rate": {"value": 0.04}},
        summary={"paths": 64, "outcomes": VERDICT["outcomes"] | {"finite": 64 - sum(outcomes.values())} | outcomes},
        step=np.array(STEPS),
        learning_rate=empty,
        batch_size=empty,
        iterates={},
        errors={
            "minimizer": errors(0.02, 0.001),
            "start": errors(math.inf, math.nan),
            "last": errors(math.nan, math.nan),
            "0.5": errors(0.25, math.nan),
            "(1 0)": errors(2.0, 0.0),
        },
        theory={"minimizer": column(1.0, 0.12, 0.0235), "(1 0)": column(1.0, 0.1, 2.0 + 1e-15)},
        predictions={},
        verdict=VERDICT,
        floors=0,
        paths={},
    )
    return Result(run, verdict, PREDICTIONS, exact)
