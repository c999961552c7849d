"""The named constants of a formula, and everything that is wrong with formulas and their constants together."""

from collections.abc import Iterator, Mapping
from typing import Any

from nonconv.formulas.reading import Formula, read_formula, wrong_name

Value = float | tuple[float, ...]


class Constants(dict[str, Value]):
    """Constants by name: a mapping that is never changed, so that parameters can be compared and hashed.

    Two are equal if they are written alike: 0.0 and -0.0 are not, since 1/c tells them apart.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and _written(self) == _written(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none since it can change
        return hash(tuple(_written(self)))


def _written(constants: Any) -> list[tuple[str, str]]:
    """Return names and numbers as text, in the order of the names."""
    return sorted((name, repr(value)) for name, value in constants.items())


def read(text: str, variables: tuple[str, ...], constants: Mapping[str, Any], most: int = 0) -> Formula:
    """Read a formula in these variables and constants."""
    names = tuple(constants)
    return read_formula(text, variables, names, most) if most else read_formula(text, variables, names)


def unusable_names(constants: Mapping[str, Any], variables: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each constant whose name is none, and why."""
    for name in constants:
        wrong = wrong_name(name, variables)
        if wrong:
            yield name, wrong
