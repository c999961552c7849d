"""Errors that a user can cause. The command line turns each into a message and an exit code.

NonconvError
    ConfigError      a config is wrong; holds all problems, each with its place            exit 2
        PluginError  a plug-in's definition fails; names its file and line                 exit 2
    UsageError       a command cannot do what it was asked; says why and what would work   exit 2
    Interrupted      stopped by the user; results so far are saved                         exit 130
"""

from collections.abc import Sequence

from nonconv.system.words import count

MOST_TOLD = 30
"""Problems that an error tells; of more only the number. Nobody reads thousands, and they would be megabytes."""


class NonconvError(Exception):
    """Base of all errors that a user can cause. exit_code: what the process returns."""

    exit_code = 1


class ConfigError(NonconvError):
    """Problems of a config. problems: one text each, with file, line, column and caret; `str` tells the first ones."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        left = len(problems) - MOST_TOLD
        more = [f"... and {count(left, 'more problem')}"] if left > 0 else []
        super().__init__("\n\n".join([*problems[:MOST_TOLD], *more]))
        self.problems = tuple(problems)


class PluginError(ConfigError):
    """A plug-in's definition that cannot be compiled or run. problems: texts with file and line."""


class UsageError(NonconvError):
    """A command that cannot do what it was asked."""

    exit_code = 2


class Interrupted(NonconvError):
    """Stopped by the user; whole blocks and finished cells are saved."""

    exit_code = 130
