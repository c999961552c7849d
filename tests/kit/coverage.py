"""The script docs/interval_coverage.py, which is no part of the package."""

import importlib.util
from pathlib import Path
from types import ModuleType


def coverage_script() -> ModuleType:
    """docs/interval_coverage.py, which is no part of the package."""
    path = Path(__file__).parents[2] / "docs" / "interval_coverage.py"
    spec = importlib.util.spec_from_file_location("interval_coverage", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
