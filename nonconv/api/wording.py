"""Errors of commands, told in Python: an option is an argument there."""

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from nonconv.faults.errors import ConfigError, NonconvError

OPTION = re.compile(r"--(out|force|workers|executor-option|executor|task-seconds|grid|set)\b")
ARGUMENTS = {"force": "force=True", "executor-option": "executor_options", "task-seconds": "task_seconds"}
"""What an option is written as; others lose their dashes."""
P = ParamSpec("P")
T = TypeVar("T")


def told_in_python(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function of the interface: its errors name arguments instead of options."""

    @functools.wraps(function)
    def wrapper(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except NonconvError as error:
            error.args = tuple(_translated(text) if isinstance(text, str) else text for text in error.args)
            if isinstance(error, ConfigError):
                error.problems = tuple(map(_translated, error.problems))
            raise

    return wrapper


def _translated(text: str) -> str:
    return OPTION.sub(lambda found: ARGUMENTS.get(found[1], found[1]), text)
