"""What libraries warn of: nothing for a terminal, since no reader of it can act on it; -v shows it, since it may be a trace.

Causes are treated where they are known: a warning that a test meets is an error.
"""

import logging
import sys
import warnings
from typing import TextIO

_kept: dict[str, None] = {}
"""One line for each warning of this process, in the order in which they came."""


def keep_warnings() -> None:
    """Keep warnings from now on, and what matplotlib logs, instead of printing them."""
    warnings.showwarning = _keep
    # A logger without a handler would print to stderr.
    logging.getLogger("matplotlib").addHandler(_Kept(logging.WARNING))
    # Helper processes of multiprocessing get these options. What a command leaves behind when it is stopped, they clean up.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")


def kept_warnings() -> list[str]:
    """Return a line for each warning that was kept."""
    return list(_kept)


def _keep(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Be `warnings.showwarning`."""
    _kept[" ".join(f"{filename}:{lineno}: {category.__name__}: {message}".split())] = None


class _Kept(logging.Handler):
    """Keeps what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        _kept[" ".join(f"{record.name}: {record.getMessage()}".split())] = None
