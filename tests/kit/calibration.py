"""The script docs/calibration.py, which is no part of the package."""

import importlib.util
from pathlib import Path
from types import ModuleType


def calibration_script() -> ModuleType:
    """docs/calibration.py, which is no part of the package."""
    path = Path(__file__).parents[2] / "docs" / "calibration.py"
    spec = importlib.util.spec_from_file_location("calibration", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
