"""Small configs, and how to write one to a file."""

import json
from pathlib import Path
from typing import Any

BLOCK = 32
PATHS = 300
SGD: dict[str, Any] = {
    "seed": 1,
    "paths": PATHS,
    "steps": 60,
    "objective": {"name": "quadratic", "data": {"name": "two_point", "p_high": 0.25}},
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "xi": ["minimizer", "path_mean", "last"],
    "record": {"points": 10, "paths": 40},
}
ADAM = SGD | {
    "optimizer": "adam",
    "objective": SGD["objective"] | {"dim": 3, "scale": [1.0, 0.5, 2.0]},
    "batch_size": {"name": "power", "value": 1, "exponent": 0.3},
    "start": {"name": "normal", "std": 2.0},
    "xi": ["start", [0.5, 0.0, 1e-3]],
}
CSV = SGD | {
    "optimizer": "adam",
    "objective": {"name": "quadratic", "data": {"name": "csv", "file": "rows.csv", "columns": ["y", "x"]}},
}
NO_FLOORS = SGD | {"floors": {"twin": False, "window": False, "cauchy": False}}
ROWS = "x,y\n1,10\n2,20\n6,60\n"


def written(folder: Path, config: dict[str, Any]) -> Path:
    """A config file, beside the data it may name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.csv").write_text(ROWS)
    path = folder / "experiment.yaml"
    path.write_text(json.dumps(config))
    return path
