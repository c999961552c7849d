"""The configs that ship."""

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
SMALL = ["paths=64", "steps=200"]


def is_one_of_many(path: Path) -> bool:
    """The networks of one family differ by what other configs try too."""
    return path.stem.startswith("mlp_") and path.stem not in ("mlp_adam_const", "mlp_diabetes", "mlp_digits")


MET = [path for path in CONFIGS if not is_one_of_many(path)]
