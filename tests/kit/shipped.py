"""The configs that ship."""

from pathlib import Path

import pytest

from kit.engines import use_reference

FOLDER = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
SMALL = ["paths=64", "steps=200"]


def is_one_of_many(path: Path) -> bool:
    """The networks of one family differ by what other configs try too."""
    return path.stem.startswith("mlp_") and path.stem not in ("mlp_adam_const", "mlp_diabetes", "mlp_digits")


MET = [path for path in CONFIGS if not is_one_of_many(path)]


def quickly(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a small experiment in the engine that needs less time, with the same bits: a kernel of its own takes a second."""
    if not path.stem.startswith(("mlp_", "toint")):  # NumPy is slow on networks, and those of Toint share a kernel
        use_reference(monkeypatch)
