"""What can go wrong by no fault of the program, as a tree. The command line turns each into a message and an exit code.

NonconvError
    ConfigError      a config cannot be understood; holds every problem found, each with its place    exit 2
        PluginError  a plug-in fails when it is used; names its file and line                         exit 2
    UsageError       a command cannot do what it was asked; says why and what would work              exit 2
    Interrupted      stopped by the user after saving; names the way to continue                      exit 130
"""

from collections.abc import Sequence


class NonconvError(Exception):
    """Base of all errors a user can cause. `exit_code` is what the process returns."""

    exit_code = 1


class ConfigError(NonconvError):
    """One or more problems of a config, each already a text with file, line, column and caret."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n\n".join(problems))
        self.problems = tuple(problems)


class PluginError(ConfigError):
    """A definition of a plug-in that cannot be compiled or run, as a text with file and line."""


class UsageError(NonconvError):
    """A command that cannot be carried out as given."""

    exit_code = 2


class Interrupted(NonconvError):
    """Stopped on request; what was whole is saved."""

    exit_code = 130
