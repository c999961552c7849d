"""Settings of a user's environment that would change figures, or stop matplotlib from being imported, are left out.

This module loads no matplotlib: what it says must be said before.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWN_SETTINGS = {"MATPLOTLIBRC": os.devnull, "MPLBACKEND": "agg", "PYTHONWARNINGS": "ignore"}
"""Variables of the environment in which matplotlib is imported.

A matplotlibrc of the user is not read: a broken one would be an error. Warnings are not turned into errors, as
$PYTHONWARNINGS can.
"""
OWN_FOLDER = Path(__file__).parent
"""A working folder in which there is no matplotlibrc; matplotlib looks there before it looks at $MATPLOTLIBRC."""


@contextmanager
def without_user_settings() -> Iterator[None]:
    """Import matplotlib within this context, in a process whose environment is the user's."""
    before = {name: os.environ.get(name) for name in OWN_SETTINGS}
    os.environ.update(OWN_SETTINGS)
    # Left only where it matters: the working folder is every thread's.
    where = Path.cwd() if Path("matplotlibrc").exists() else None
    if where:
        os.chdir(OWN_FOLDER)
    try:
        yield
    finally:
        if where:
            os.chdir(where)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
