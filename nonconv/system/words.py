"""Numbers with their nouns, for every sentence that has one."""


def count(number: int, noun: str) -> str:
    """Write a number and its noun: `1 cell`, `2 cells`, `0 cells`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
